/** A comparison as a user runs it: killed in the middle, gone on with, decided, and judged again from the store. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import type { VerdictDocument } from '../../scripts/documents/verdict.ts';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark, probeRepository } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const SERVER = readFileSync('test/fixtures/probe/service/server.js', 'utf8');
/** Computes 4 ms more for every request. */
const slower = { 'server.js': SERVER.replace('  requests++;\n', '  requests++;\n  compute(4);\n') };
const SHORT = ['--duration=1s', '--warmup=0s'];

t.test('a slow commit is called, though the comparison was killed in the middle', async (t) => {
  t.not(slower['server.js'], SERVER);
  const { folder, commits } = await probeRepository(t, [{}, slower]);
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t, {
    build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
    top: { retries: 5, metrics: [{ name: 'latency_med', primary: true, margin: '5%' }] },
  });
  const running = mayfly(
    'bench',
    [`--benchmark=${benchmark}`, `--commit=${commits[1]}`, `--against=${commits[0]}`, ...SHORT],
    data,
  );
  await running.said(/round 5 (of at most 40|\()/);
  running.child.kill('SIGKILL');
  t.match((await running.done).stderr, /after 4 rounds: latency med \+/, 'the estimate after each round');

  const files = Object.fromEntries(
    ['markdown', 'junit', 'bmf', 'openmetrics'].map((format) => [format, join(data, format)]),
  );
  const ended = await bench(benchmark, data, [
    '--resume=last',
    ...Object.entries(files).map(([format, file]) => `--${format}=${file}`),
  ]);
  t.equal(ended.code, 1, ended.stderr);
  const { run } = ended;
  const [first] = JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs.filter(
    (one: RunDocument) => one.run_id !== run.run_id,
  );
  t.match(run, {
    status: 'complete',
    continues: first.run_id,
    comparison: { design: 'sequential', min: 6, max: 40 },
    verdict: { schema: 'mayfly.verdict/v1', verdict: 'REGRESSION' },
  });
  const before: RunDocument = JSON.parse((await mayfly('show', [first.run_id, '--json'], data).done).stdout);
  const last = Math.max(...before.rounds.map(({ round }) => round)); // more than 4 where one of them was INVALID
  t.ok(last >= 4, `${last} rounds`);
  t.same(
    run.rounds.map(({ round, from_run }) => [round, from_run]),
    run.rounds.map(({ round }) => [round, round <= last ? first.run_id : undefined]),
    'the finished rounds are taken over, and no others',
  );
  const [metric] = run.verdict!.metrics.filter(({ primary }) => primary);
  t.match(metric, { name: 'latency_med', verdict: 'REGRESSION', words: /^\d+ % slower, 95 % interval/ });
  t.ok(run.verdict!.observations >= 8 && run.verdict!.observations <= 40, `${run.verdict!.observations} rounds`);
  for (const [format, file] of Object.entries(files)) t.match(readFileSync(file, 'utf8'), /REGRESSION|latency/, format);

  const again = await mayfly('judge', [run.run_id, '--json'], data).done;
  t.match(again, { code: 1, signal: null, stderr: '' }, 'judged again: as before, without a word about a difference');
  t.same(
    (JSON.parse(again.stdout) as VerdictDocument).metrics,
    run.verdict!.metrics,
    'the stored rounds give the same answer',
  );
  t.match((await mayfly('show', [run.run_id], data).done).stdout, /REGRESSION {2}probe/);
  t.match(
    (await mayfly('bench', [`--benchmark=${benchmark}`, `--resume=${run.run_id}`], data).done).stderr,
    /it is complete, and its verdict is final/,
  );
  await nothingLeft(t, data, { waiting: 1 }); // the metrics of the interrupted one
});
