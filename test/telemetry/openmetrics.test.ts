/** Telemetry files as series, and what the real promtool makes of their text. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { makeBlocks } from '../../scripts/archive/trend-blocks.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import {
  openMetricsOf,
  seriesOf,
  type TelemetrySeries,
  type TelemetrySource,
} from '../../scripts/telemetry/openmetrics.ts';
import { dataFolder, dumpBlock, engine, onEngine } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const HEADER = 'Timepoint, Measurement, Label, PID\n';
/** On a whole second. */
const START = 1_780_000_000_000;
const S = START / 1000;
const OWNER = '01K0000000000000000000000T-telemetry';
const ctx = {
  engine,
  signal: new AbortController().signal,
  machine: { images: { prometheus: { ref: IMAGES.prometheus.ref } } },
} as unknown as Context;

type Given = [ms: number, value: number, label: string, pid?: number];

/** Writes files of these rows. `ms`: since START. */
function sourceOf(t: Test, files: Record<string, Given[]>, labels: Record<string, string> = {}): TelemetrySource {
  const folder = t.testdir({});
  const paths = Object.entries(files).map(([name, rows]) => {
    const path = join(folder, name);
    const lines = rows.map(
      ([ms, value, label, pid = 7]) => `${START + ms}000000,${value},"${label.replaceAll('"', '""')}",${pid}\n`,
    );
    writeFileSync(path, HEADER + lines.join(''));
    return path;
  });
  return { paths, labels };
}

const SOURCE: Record<string, Given[]> = {
  'duration-1.csv': [
    [0, 0.000001, '/a [GET]'],
    [999, 0.003, '/a [GET]'],
    [2500, 200, '/a [GET]'],
  ],
  'runtime-1.csv': [
    [0, 10, 'rss_bytes', 1],
    [500, 20, 'rss_bytes', 1],
    [500, 7, 'rss_bytes', 2],
    [1000, 30, 'rss_bytes', 1],
  ],
  'other.csv': [[100, -1.5, 'say "hi"\\']],
};

t.test('the text, line by line', async (t) => {
  const { text, samples, firstMs, lastMs, notes } = await openMetricsOf([
    sourceOf(t, SOURCE, { side: 'candidate', round: '1' }),
  ]);
  const lines = text.split('\n');
  const own = 'side="candidate",round="1"';
  const of = (start: string) => lines.filter((line) => line.startsWith(start));
  t.strictSame(
    lines.filter((line) => line.startsWith('#')),
    [
      '# TYPE mayfly_duration_seconds histogram',
      '# TYPE mayfly_runtime gauge',
      '# TYPE mayfly_telemetry gauge',
      '# EOF',
    ],
  );
  const bucket = (le: string) =>
    of(`mayfly_duration_seconds_bucket{${own},label="/a [GET]",le="${le}"}`).map((line) => line.split('} ')[1]);
  t.strictSame(bucket('1e-06'), [`0 ${S}.0005`, `1 ${S + 1}.0005`, `1 ${S + 3}.0005`], 'a bound is in its bucket');
  t.strictSame(bucket('0.002'), [`0 ${S}.0005`, `1 ${S + 1}.0005`, `1 ${S + 3}.0005`]);
  t.strictSame(bucket('0.005'), [`0 ${S}.0005`, `2 ${S + 1}.0005`, `2 ${S + 3}.0005`]);
  t.strictSame(bucket('100.0'), [`0 ${S}.0005`, `2 ${S + 1}.0005`, `2 ${S + 3}.0005`]);
  t.strictSame(bucket('+Inf'), [`0 ${S}.0005`, `2 ${S + 1}.0005`, `3 ${S + 3}.0005`]);
  t.strictSame(
    of('mayfly_duration_seconds_bucket')
      .map((line) => /le="([^"]+)"/.exec(line)![1])
      .filter((_, i) => i % 3 === 0),
    '1e-06 2e-06 5e-06 1e-05 2e-05 5e-05 0.0001 0.0002 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5 1.0 2.0 5.0 10.0 20.0 50.0 100.0 +Inf'.split(
      ' ',
    ),
  );
  t.strictSame(of('mayfly_duration_seconds_sum'), [
    `mayfly_duration_seconds_sum{${own},label="/a [GET]"} 0 ${S}.0005`,
    `mayfly_duration_seconds_sum{${own},label="/a [GET]"} 0.003001 ${S + 1}.0005`,
    `mayfly_duration_seconds_sum{${own},label="/a [GET]"} 200.003001 ${S + 3}.0005`,
  ]);
  t.strictSame(of('mayfly_duration_seconds_count').at(-1)!.split('} ')[1], `3 ${S + 3}.0005`);
  t.strictSame(
    of('mayfly_runtime'),
    [
      `mayfly_runtime{${own},label="rss_bytes",pid="1"} 15 ${S + 1}.0005`,
      `mayfly_runtime{${own},label="rss_bytes",pid="1"} 30 ${S + 2}.0005`,
      `mayfly_runtime{${own},label="rss_bytes",pid="2"} 7 ${S + 1}.0005`,
    ],
    'the mean of a second, of each process',
  );
  t.strictSame(of('mayfly_telemetry'), [
    `mayfly_telemetry{${own},prefix="other",label="say \\"hi\\"\\\\",pid="7"} -1.5 ${S + 1}.0005`,
  ]);
  t.strictSame([samples, firstMs, lastMs], [3 * 28 + 4, START, START + 3000]);
  t.equal(lines.length, samples + 5);
  t.strictSame(notes, [
    '1 file taken as "other", since the name does not begin with duration, runtime or profiler: other.csv',
  ]);
});

t.test('sources: of other labels beside each other, of the same together; each with its window', async (t) => {
  const source = sourceOf(t, { 'duration.csv': [0, 1500, 2000].map((ms): Given => [ms, 1, 'a']) });
  const candidate = { ...source, labels: { side: 'candidate' } };
  const baseline = { ...source, labels: { side: 'baseline' } };
  const counts = async (sources: TelemetrySource[]) =>
    [...(await seriesOf(sources)).series]
      .filter(({ name }) => name.endsWith('_count'))
      .map(({ labels, points }) => [labels.side, ...points.map(([, value]) => value)]);
  t.strictSame(await counts([{ ...candidate, fromMs: START + 1000, toMs: START + 2000 }, baseline]), [
    ['candidate', 0, 1],
    ['baseline', 0, 1, 2, 3],
  ]);
  t.strictSame(await counts([candidate, candidate]), [['candidate', 0, 2, 4, 6]], 'no series is there twice');
});

t.test('nothing: a text of nothing', async (t) => {
  t.strictSame(await openMetricsOf([sourceOf(t, { 'duration.csv': [] })]), {
    text: '# EOF\n',
    samples: 0,
    firstMs: Infinity,
    lastMs: -Infinity,
    notes: [],
  });
});

t.test('times of another clock are left out, so that no block spans decades', async (t) => {
  const source = sourceOf(t, {
    'runtime.csv': [
      [0, 1, 'a'],
      [-START + 5000, 2, 'a'],
      [9e11, 3, 'a'],
    ],
  });
  const { samples, notes } = await openMetricsOf([source]);
  t.equal(samples, 1);
  t.match(notes, [
    '1 timepoint taken as seconds, not nanoseconds; the first one is runtime.csv:3',
    '2 timepoints before 2000 or in the future, so of another clock; the first one is runtime.csv:3, ',
    '2 samples left out, since no series goes on before 2000 or in the future',
  ]);
});

t.test('too many values: the step grows, and nothing is lost', async (t) => {
  const rows: Given[] = Array.from({ length: 50_000 }, (_, n) => [n * 1000, n % 3, 'a']);
  const all = await seriesOf([
    sourceOf(t, { 'duration.csv': rows, 'runtime.csv': rows.map(([ms, value]) => [ms, value, 'b_count']) }),
  ]);
  const series: TelemetrySeries[] = [...all.series];
  t.equal(all.stepSeconds, 2);
  t.strictSame(all.notes, ['a value for each 2 s instead of each second, since there would be too many']);
  const count = series.find(({ name }) => name === 'mayfly_duration_seconds_count')!;
  t.equal(count.points.at(-1)![1], 50_000);
  t.equal(count.points.length, 25_001);
  t.ok(count.points.every(([atMs]) => atMs % 2000 === 0));
  const gauge = series.find(({ name }) => name === 'mayfly_runtime')!;
  t.strictSame(gauge.points.slice(0, 3), [
    [START + 2000, 0.5],
    [START + 4000, 1],
    [START + 6000, 1.5],
  ]);
  t.equal(gauge.points.length, 25_000);
});

t.test('hostile: processes beyond a bound are one, and what does not fit is counted', async (t) => {
  const rows: Given[] = Array.from({ length: 200 }, (_, n) => [0, 1, 'a', n]);
  const { series } = await seriesOf([sourceOf(t, { 'runtime.csv': rows })]);
  const pids = [...series].map(({ labels }) => labels.pid);
  t.strictSame([pids.length, pids[0]], [65, '(other)']);

  // a thousand labels and the rest, each in 80 places of 4096 seconds
  const many: Given[] = Array.from({ length: 80 }, (_, place) =>
    Array.from({ length: 1001 }, (_, n): Given => [-place * 8_192_000, 1, `label ${n}`]),
  ).flat();
  const all = await seriesOf([sourceOf(t, { 'duration.csv': many })]);
  t.equal(all.stepSeconds, 4096);
  const left = Number(
    /^([\d,]+) samples left out, since there are too many series$/.exec(all.notes.at(-1)!)![1]!.replace(',', ''),
  );
  t.ok(left > 0);
  let kept = 0;
  for (const { name, points } of all.series) if (name.endsWith('_count')) kept += points.at(-1)![1];
  t.equal(kept + left, many.length);
});

t.test('nothing is lost or made up', async (t) => {
  const row = fc.tuple(fc.nat(20_000), fc.double({ min: 0, max: 300, noNaN: true }), fc.constantFrom('a', 'b'));
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
      const { series } = await seriesOf([sourceOf(t, { 'duration.csv': rows })]);
      for (const { name, labels, points } of series) {
        const values = rows.filter(([, , label]) => label === labels.label).map(([, value]) => value);
        const wanted =
          name === 'mayfly_duration_seconds_sum'
            ? values.reduce((a, b) => a + b, 0)
            : name === 'mayfly_duration_seconds_count' || labels.le === '+Inf'
              ? values.length
              : values.filter((value) => value <= Number(labels.le)).length;
        const got = points.at(-1)![1];
        if (Math.abs(got - wanted) > 1e-9 * Math.abs(wanted)) t.equal(got, wanted, `${name} ${labels.le}`);
        points.slice(1).forEach(([atMs, value], i) => {
          if (atMs <= points[i]![0] || value < points[i]![1]) t.fail(`${name}: ${atMs} ${value}`);
        });
      }
      t.pass();
    }),
    { numRuns: 40 },
  );
});

t.test('the real promtool makes exactly these blocks', async (t) => {
  const data = dataFolder(t);
  const text = await openMetricsOf([
    sourceOf(
      t,
      {
        ...SOURCE,
        'duration-2.csv': [
          [0, 1, 'größer 測 🚀\u001b[31m, "x"'],
          [0, 1, ''],
        ],
      },
      { side: 'candidate' },
    ),
  ]);
  const made = await makeBlocks(text, join(data, 'made'), { owner: OWNER, what: 'the telemetry' }, ctx);
  t.equal(made.samples, text.samples);
  const dump = (await Promise.all(made.blocks.map((block) => dumpBlock(t, join(made.dir, block))))).join('');
  t.match(
    dump,
    `{__name__="mayfly_duration_seconds_bucket", label="/a [GET]", le="0.005", side="candidate"} 2 ${START + 1000}`,
  );
  t.match(dump, 'label="größer 測 🚀 [31m, \\"x\\""');
  t.match(dump, `{__name__="mayfly_runtime", label="rss_bytes", pid="2", side="candidate"} 7 ${START + 1000}`);
  t.match(
    dump,
    `{__name__="mayfly_telemetry", label="say \\"hi\\"\\\\", pid="7", prefix="other", side="candidate"} -1.5`,
  );

  await t.rejects(
    makeBlocks({ ...text, samples: 1 }, join(data, 'made'), { owner: OWNER, what: 'the telemetry' }, ctx),
    /^promtool has made other blocks of the telemetry than were asked for: 1 samples from /,
  );
  t.same(await onEngine(), []);
});
