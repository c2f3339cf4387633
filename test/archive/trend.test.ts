/** The trend of a run as text, and what promtool makes of it: exact, or an error. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import {
  changePointSamples,
  openMetrics,
  runSamples,
  TREND_LABELS,
  type TrendText,
} from '../../scripts/archive/trend.ts';
import { makeBlocks, promtoolArgs } from '../../scripts/archive/trend-blocks.ts';
import { InfrastructureError } from '../../scripts/core/errors.ts';
import type { RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import type { ChangePoint } from '../../scripts/store/db.ts';
import { dataFolder, dumpBlock, engine, onEngine } from '../e2e/helpers.ts';
import { makeComparison, makeJudged, makeRound, makeRun } from '../run-document.ts';

t.teardown(() => engine.close());

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const RUN = '01JZZZZZZZZZZZZZZZZZZZZZZA';
/** 2026-01-02T03:04:00Z, the start of the run of run-document.ts. */
const START = 1767323040;

const ctx = {
  engine,
  signal: new AbortController().signal,
  machine: { images: { prometheus: { ref: IMAGES.prometheus.ref } } },
} as unknown as Context;
const textOf = (run: RunDocument) => openMetrics(runSamples(run));
const spoilt: RoundDocument['reasons'] = [{ code: 'host-load', message: 'the host was busy' }];

t.test('of what was deployed already the trend has that it was measured, and no figure', async (t) => {
  const names = runSamples(makeRun({ deployed: { url: 'https://staging.example.org' } })).map(
    ({ series }) => series.split('{')[0],
  );
  t.strictSame(names, ['mayfly_run_start_timestamp_seconds', 'mayfly_run_duration_seconds']);
});

t.test('a run of one side, line by line', async (t) => {
  const run = makeRun({
    rounds: [
      makeRound('candidate', 1, { latency_med: 0.0011, memory_peak: 5e7 }),
      makeRound('candidate', 2, { latency_med: 9 }, spoilt),
      makeRound('candidate', 3, { latency_med: 1e-7 }),
    ],
  });
  const labels = `benchmark="shop",run_id="${RUN}",commit="${A}"`;
  t.equal(
    textOf(run).text,
    [
      '# TYPE mayfly_rounds gauge',
      `mayfly_rounds{${labels},host="h0st",side="candidate",valid="false"} 1 ${START}.0005`,
      `mayfly_rounds{${labels},host="h0st",side="candidate",valid="true"} 2 ${START}.0005`,
      '# TYPE mayfly_run_duration_seconds gauge',
      `mayfly_run_duration_seconds{${labels},host="h0st",status="complete"} 120 ${START}.0005`,
      '# TYPE mayfly_run_start_timestamp_seconds gauge',
      `mayfly_run_start_timestamp_seconds{${labels},ref="HEAD",host="h0st",pairing="solo",status="complete"} ${START} ${START}.0005`,
      '# TYPE mayfly_sample gauge',
      `mayfly_sample{${labels},side="candidate",host="h0st",metric="latency_med",unit="s"} 0.0011 ${START + 1}.0005`,
      `mayfly_sample{${labels},side="candidate",host="h0st",metric="latency_med",unit="s"} 1e-7 ${START + 3}.0005`,
      `mayfly_sample{${labels},side="candidate",host="h0st",metric="memory_peak",unit="bytes"} 50000000 ${START + 1}.0005`,
      '# EOF',
      '',
    ].join('\n'),
  );
  t.match(textOf(run), { samples: 7, firstMs: START * 1000, lastMs: START * 1000 + 3000 });
});

t.test('a run of two sides: each with its commit; a round that one side spoils counts for neither', async (t) => {
  const run = makeComparison(2);
  run.rounds[1] = { ...run.rounds[1]!, valid: false, reasons: spoilt }; // the baseline of round 1
  const { text } = textOf(run);
  t.ok(text.includes(`ref="HEAD",against="${B}",host="h0st",pairing="interleaved"`));
  for (const [side, commit] of [
    ['candidate', A],
    ['baseline', B],
  ]) {
    t.ok(
      text.includes(
        `mayfly_rounds{benchmark="shop",run_id="${RUN}",commit="${commit}",host="h0st",side="${side}",valid="true"} 2 `,
      ),
    );
    const lines = text
      .split('\n')
      .filter((line) =>
        line.startsWith(
          `mayfly_sample{benchmark="shop",run_id="${RUN}",commit="${commit}",side="${side}",host="h0st",metric="latency_med"`,
        ),
      );
    t.same(
      lines.map((line) => line.split(' ').at(-1)),
      [`${START + 2}.0005`, `${START + 3}.0005`],
    );
  }
});

t.test('how a run ended: a run without a valid round has no sample, and says INVALID', async (t) => {
  const run = makeRun({ status: 'invalid', rounds: [makeRound('candidate', 1, { latency_med: 1 }, spoilt)] });
  const { text } = textOf(run);
  t.notMatch(text, /mayfly_sample/);
  t.match(text, /mayfly_run_start_timestamp_seconds\{.*status="invalid",verdict="INVALID"\} /);
  t.match(text, /mayfly_run_duration_seconds\{.*status="invalid",verdict="INVALID"\} 120 /);
  t.match(text, /mayfly_rounds\{.*valid="true"\} 0 /);
  const interrupted = textOf(makeRun({ status: 'interrupted', rounds: [], finished_at: undefined })).text;
  t.match(interrupted, /status="interrupted"\} /);
  t.notMatch(interrupted, /duration|verdict/);
});

t.test('the verdict of a comparison; one that did not come to its end has none yet', async (t) => {
  const slow = makeJudged({ factors: { latency_med: 1.2 } });
  t.match(textOf(slow).text, /mayfly_run_start_timestamp_seconds\{.*status="complete",verdict="REGRESSION"\} /);
  t.match(textOf(makeJudged()).text, /status="complete",verdict="PASS"\} /);
  t.notMatch(textOf({ ...slow, status: 'interrupted' }).text, /verdict/);
});

t.test('probes at another rate are no rounds of the run', async (t) => {
  const run = makeRun();
  run.rounds[0] = { ...run.rounds[0]!, rate: 900 };
  t.match(textOf(run).text, /mayfly_rounds\{.*valid="true"\} 2 /);
  t.match(textOf(run).text, /mayfly_rounds\{.*valid="false"\} 0 /);
});

t.test('what is of a release line says so; what is of the default branch has the series of before', async (t) => {
  const [main, line] = [textOf(makeComparison(2)).text, textOf({ ...makeComparison(2), branch: 'release-1' }).text];
  t.notMatch(main, 'branch');
  t.match(line, /\nmayfly_run_start_timestamp_seconds\{.*,status="complete",branch="release-1"\} /);
  const samples = line.split('\n').filter((one) => one.startsWith('mayfly_sample'));
  t.ok(samples.length > 0 && samples.every((one) => one.includes(',branch="release-1"} ')));
  t.equal(line.replaceAll(',branch="release-1"', ''), main, 'and nothing else');
});

t.test('change points, and no series twice at one time', async (t) => {
  const point: ChangePoint = {
    benchmark: 'shop',
    host_id: 'h0st',
    metric: 'latency_med',
    commit: A,
    before: B,
    run_id: RUN,
    at: '2026-01-02T03:04:00.000Z',
    ratio: 1.05,
    found_at: '2026-01-09T00:00:00.000Z',
  };
  const line = `mayfly_change_point{benchmark="shop",metric="latency_med",commit="${A}",before="${B}",host="h0st"}`;
  t.equal(
    openMetrics(changePointSamples([point, point])).text,
    `# TYPE mayfly_change_point gauge\n${line} 1.05 ${START}.0005\n# EOF\n`,
    'the same one twice is one',
  );
  t.match(
    openMetrics(changePointSamples([{ ...point, branch: 'release-1' }])).text,
    `${line.slice(0, -1)},branch="release-1"} 1.05`,
  );
  const two = openMetrics(
    changePointSamples([point, { ...point, ratio: 1.06 }, { ...point, at: '2026-01-02T03:04:00.001Z', ratio: 1.07 }]),
  );
  t.match(two, { samples: 3, lastMs: START * 1000 + 2 });
  t.same(
    two.text.split('\n').slice(1, 4),
    [`${line} 1.05 ${START}.0005`, `${line} 1.06 ${START}.0015`, `${line} 1.07 ${START}.0025`],
    'others move on by a millisecond',
  );
  t.throws(() => openMetrics(changePointSamples([{ ...point, at: 'yesterday' }])), /no place for/);
  t.same(TREND_LABELS, { stream: 'trend' });
});

/** The samples in the blocks, as promtool dumps them: series without quotes' escapes undone, value, milliseconds. */
async function dump(t: Test, folder: string): Promise<string[]> {
  const blocks = join(folder, 'blocks');
  const dumps = await Promise.all(readdirSync(blocks).map((name) => dumpBlock(t, join(blocks, name))));
  return dumps
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.startsWith('{'))
    .sort();
}

t.test('promtool: every value to the last bit, every millisecond, every label', async (t) => {
  const folder = join(dataFolder(t), 'trend');
  const values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2 ** 53 - 1, -1.5e21, 0, 1 / 3];
  const at = (n: number) => new Date(START * 1000 + 7 * n).toISOString();
  const rounds = Array.from({ length: 1000 }, (_, n) => ({
    ...makeRound('candidate', n, { 'a "metric" \\ with\nall': values[n % values.length]! }),
    started_at: at(n),
  }));
  const ref = 'feature/"ü" \\n\\\n{,}=#🙂\r\t\u0001\0\ud800';
  const run = makeRun({ rounds, started_at: at(0), sides: { candidate: { ref, commit: A, images: [] } } });
  const text = textOf(run);
  t.equal(text.samples, 1004);
  const made = await makeBlocks(text, folder, { owner: `${RUN}-trend` }, ctx);
  t.match(made, { samples: 1004, blocks: { length: 1 } });
  const lines = await dump(t, folder);
  t.equal(lines.length, 1004);
  const samples = lines
    .filter((line) => line.includes('__name__="mayfly_sample"'))
    .map(
      (line) =>
        line
          .slice(line.lastIndexOf('}') + 2)
          .split(' ')
          .map(Number) as [number, number],
    );
  t.same(
    samples.sort((a, b) => a[1] - b[1]),
    rounds.map((_, n) => [values[n % values.length], START * 1000 + 7 * n]),
  );
  const start = lines.find((line) => line.includes('mayfly_run_start'))!;
  t.match(start, 'ref="feature/\\"ü\\" \\\\n\\\\\\n{,}=#🙂\\r\\t\\x01\u{fffd}\u{fffd}"');
  t.match(
    lines.find((line) => line.includes('mayfly_sample')),
    'metric="a \\"metric\\" \\\\ with\\nall"',
  );
  t.same(await onEngine(), []);
});

t.test('promtool: what it would swallow is an error', async (t) => {
  const folder = join(dataFolder(t), 'trend');
  const text = textOf(makeRun());
  const make = (changed: Partial<TrendText>) =>
    makeBlocks({ ...text, ...changed }, folder, { owner: `${RUN}-trend` }, ctx);
  const milliseconds = text.text.replace(/ (\d{10})\.(\d{3})5$/gm, ' $1$2');
  t.not(milliseconds, text.text);
  await t.rejects(make({ text: milliseconds }), {
    message: /: 28 samples from 2026-01-02T03:04:00\.000Z to 2026-01-02T03:04:03\.000Z were written, 28 from \+057974-/,
  });
  const twice = text.text.replace(
    '# EOF',
    `${text.text
      .split('\n')
      .find((line) => line.startsWith('mayfly_sample'))!
      .replace(/\} \S+ /, '} 77 ')}\n# EOF`,
  );
  await t.rejects(make({ text: twice, samples: text.samples + 1 }), {
    name: 'InfrastructureError',
    message: /: 29 samples from .* were written, 28 from 2026-/,
    hint: /drops a second value/,
  });
  const error = await make({ text: text.text.replace('# EOF\n', '') }).then(
    () => null,
    (error: Error) => error,
  );
  t.type(error, InfrastructureError);
  t.match(error!.message, /promtool cannot make blocks of the trend: .*EOF/);
  t.ok((await make({})).samples === text.samples, 'and the text as it was is taken, in the same folder');
  t.same(readdirSync(folder).sort(), ['blocks', 'metrics.txt']);
  t.notOk(existsSync(join(folder, 'blocks', 'wal')));
  t.equal(readFileSync(join(folder, 'metrics.txt'), 'utf8'), text.text);
});

t.test('the command line of promtool', async (t) => {
  t.same(promtoolArgs(), [
    'tsdb',
    'create-blocks-from',
    '--quiet',
    'openmetrics',
    '/trend/metrics.txt',
    '/trend/blocks',
  ]);
  t.same(promtoolArgs(39_366), [
    'tsdb',
    'create-blocks-from',
    '--quiet',
    '--max-block-duration=39366h',
    'openmetrics',
    '/trend/metrics.txt',
    '/trend/blocks',
  ]);
});
