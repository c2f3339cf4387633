/** The text of a calibration, and `npm run calibrate -- --run` on a store. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import { paths } from '../../scripts/core/paths.ts';
import type { CalibrationDocument } from '../../scripts/documents/calibration.ts';
import { calibrate } from '../../scripts/judge/calibration.ts';
import { calibrationText } from '../../scripts/report/calibration-text.ts';
import { openStore } from '../../scripts/store/db.ts';
import { calibrationRun } from '../judge/calibration-run.ts';
import { makeComparison, makeRun } from '../run-document.ts';

const ROOT = join(import.meta.dirname, '../..');
const noises = { latency_med: { noise: 0.01 }, latency_max: { noise: 0.5 } };

t.test('as text', async (t) => {
  const calibration: CalibrationDocument = {
    ...calibrate(calibrationRun(noises, 30), { decisions: 50, primary: 20, other: 20 }),
    decisions: 1000,
    false_alarms: { share: 0.002, low: 0.0002, high: 0.0072 },
  };
  const shown = calibrationText(calibration, { color: false });
  t.match(
    shown,
    /^shop at aaaaaaaaaaaa against itself\n30 interleaved rounds of run \S+ on host h0st\nThe figures are rough: 30 rounds are fewer than 60\.\n/,
  );
  t.match(
    shown,
    /\nfalse REGRESSION {3}2 of 1,000, 0\.20 % \(95 % interval 0\.02 % to 0\.72 %\); designed for at most 1\.00 %\n/,
  );
  t.match(shown, /\nlatency med \* +\S+ % .* fit\n/);
  t.match(shown, /\nlatency max +\S+ % .* no\n/);
  t.match(shown, /\n {2}latency max: .* 40 observations/);
  t.match(shown, /Measure longer for figures to rely on: npm run calibrate -- --benchmark=shop --minutes=60/);
  t.match(shown, /A comparison of up to 40 rounds finds a slowdown of: latency med \S+ %\./);

  const [med, max] = calibration.metrics;
  const bad = calibrationText(
    {
      ...calibration,
      rounds: 64,
      false_alarms: { share: 0.3, low: 0.2, high: 0.4 },
      metrics: [{ ...med!, fit: false, why: 'x', difference: { change: 0.02, low: 0.01, high: 0.03 } }, max!],
    },
    { color: false },
  );
  t.match(bad, 'latency med: the same build seems +2.00 % apart');
  t.match(bad, 'more false alarms than the design allows');
  t.match(bad, 'Take primary from latency_med in benchmark.yaml');
  t.notMatch(bad, /rough|Measure longer/);
});

t.test('calibrate --run: the rounds of a stored run, no engine', async (t) => {
  const data = t.testdir();
  const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
  store.addRun({ ...calibrationRun({ latency_med: { noise: 0.003 } }, 12), run_id: '01AAA' });
  store.addRun({ ...calibrationRun({ latency_med: { noise: 0.003 } }, 9), run_id: '01BBB' });
  store.addRun({ ...makeComparison(1.1), run_id: '01CCC' });
  store.addRun(makeRun({ run_id: '01DDD' }));
  const { candidate, baseline } = calibrationRun({ latency_med: { noise: 0.003 } }, 12).sides;
  const inTwo = { candidate: { ...candidate, variant: 'scaled' }, baseline: { ...baseline!, variant: 'single' } };
  store.addRun({ ...makeComparison(1.1), run_id: '01EEE', sides: inTwo });
  const command = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(ROOT, 'scripts/commands/calibrate.ts'), ...args],
      { env: { ...process.env, MAYFLY_DATA: data, DOCKER_HOST: 'unix:///nowhere' }, encoding: 'utf8' },
    );
    return { status, stdout, stderr };
  };

  const { status, stdout, stderr } = command('--run=01AAA', '--json');
  t.equal(status, 0, stderr);
  const document = JSON.parse(stdout);
  const fits = compile(JSON.parse(readFileSync(join(ROOT, 'docs/schemas/mayfly.calibration.v1.json'), 'utf8')));
  t.ok(fits(document), JSON.stringify(fits.errors));
  t.match(document, { run_id: '01AAA', rounds: 12, decisions: 1000 });
  const run = store.run('01AAA');
  t.strictSame(store.calibration(run), document, 'it is stored');
  t.equal(store.calibration({ ...run, load: { ...run.load, rate: 7 } }), undefined, 'it says nothing of another load');
  t.equal(store.calibration({ ...run, stack_version: 'other' }), undefined, 'nor of another stack');
  t.equal(store.calibration({ ...run, pairing: 'alternating' }), undefined);
  store.close();

  t.match(command('--run=01BBB'), {
    status: 3,
    stdout: '',
    stderr:
      'mayfly: a calibration needs 10 valid rounds or more, run 01BBB has 9\ngive it more time: npm run calibrate',
  });
  t.match(command('--run=01CCC'), {
    status: 2,
    stderr:
      'mayfly: run 01CCC compares two commits (HEAD and main): only a run of one commit against itself can calibrate\nnpm run calibrate',
  });
  t.match(command('--run=01EEE'), {
    status: 2,
    stderr: 'mayfly: run 01EEE compares two variants (scaled and single): only a run of one commit against itself',
  });
  t.match(command('--run=01DDD'), { status: 2, stderr: 'mayfly: run 01DDD has one side' });
  t.match(command('--run=01ZZZ'), { status: 2, stderr: 'mayfly: there is no run "01ZZZ"' });
  t.match(command('--run=01AAA', '--minutes=5'), { status: 2, stderr: '--minutes cannot be given with it' });
  for (const minutes of ['0', 'x', '2000'])
    t.match(command(`--minutes=${minutes}`), {
      status: 2,
      stderr: '--minutes must be a number above 0 and up to 1440',
    });
});
