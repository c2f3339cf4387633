/** Summaries of telemetry files, against a plain sort: exact for few values, within 0.5 % for many, in bounded memory. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { quantile } from '../../scripts/judge/statistics.ts';
import { type SummaryOptions, summariseFiles } from '../../scripts/telemetry/summary.ts';

const HEADER = 'Timepoint, Measurement, Label, PID\n';
const START = 1_780_000_000_000;

type Given = [ms: number, value: number, label: string];

/** Writes files of these rows and summarises them. `ms`: since START. */
async function summary(t: Test, files: Record<string, Given[]>, options: SummaryOptions = {}) {
  const folder = t.testdir({});
  const paths = Object.entries(files).map(([name, rows]) => {
    const path = join(folder, name);
    const lines = rows.map(([ms, value, label]) => `${START + ms}000000,${value},"${label.replaceAll('"', '""')}",7\n`);
    writeFileSync(path, HEADER + lines.join(''));
    return path;
  });
  return summariseFiles(paths, options);
}

t.test('what is told of each label', async (t) => {
  const { labels, notes } = await summary(
    t,
    {
      'duration-1-0-17-0.csv': [
        [0, 0.1, '/orders [POST]'],
        [500, 0.4, '/orders [POST]'],
        [1000, 0.2, '/orders [GET]'],
        [2000, 0.3, '/orders [POST]'],
      ],
      'duration-2-0-17-0.csv': [[1500, 0.2, '/orders [POST]']],
      'runtime-1-0-17-0.csv': [[4000, -3, 'gc_minor_seconds']],
    },
    { service: 'shop' },
  );
  t.strictSame(notes, []);
  t.strictSame(labels[0], {
    service: 'shop',
    prefix: 'duration',
    label: '/orders [POST]',
    unit: 's',
    count: 4,
    rate: 1,
    sum: 1,
    mean: 0.25,
    min: 0.1,
    p50: 0.25,
    p90: 0.37,
    p95: 0.385,
    p99: 0.397,
    max: 0.4,
  });
  t.strictSame(
    labels.map(({ prefix, label, count }) => [prefix, label, count]),
    [
      ['duration', '/orders [POST]', 4],
      ['duration', '/orders [GET]', 1],
      ['runtime', 'gc_minor_seconds', 1],
    ],
    'the most frequent first',
  );
  t.match(labels[2], { unit: 's', min: -3, p50: -3, max: -3, rate: 0.25 });
});

t.test('the unit of a label', async (t) => {
  const rows = (labels: string[]): Given[] => labels.map((label) => [0, 1, label]);
  const { labels } = await summary(t, {
    'duration.csv': rows(['x_bytes']),
    'runtime.csv': rows(['a_seconds', 'a_bytes', 'a_ratio', 'a_count', 'a', 'seconds', 'a_constructor', '__proto__']),
    'profiler.csv': rows(['run app.js:1']),
    'other.csv': rows(['b_bytes']),
  });
  t.strictSame(Object.fromEntries(labels.map(({ prefix, label, unit }) => [`${prefix} ${label}`, unit])), {
    'duration x_bytes': 's',
    'runtime a_seconds': 's',
    'runtime a_bytes': 'bytes',
    'runtime a_ratio': 'ratio',
    'runtime a_count': 'count',
    'runtime a': '',
    'runtime seconds': 's',
    'runtime a_constructor': '',
    'runtime __proto__': '',
    'profiler run app.js:1': 's',
    'other b_bytes': '',
  });
});

t.test('a window: from its beginning on, before its end; the rate is of all of it', async (t) => {
  const rows: Given[] = [
    [-1, 9, 'a'],
    [0, 1, 'a'],
    [1000, 2, 'a'],
    [3999, 3, 'a'],
    [4000, 9, 'a'],
    [5000, 9, 'late'],
  ];
  const { labels, samples, read } = await summary(t, { 'duration.csv': rows }, { fromMs: START, toMs: START + 4000 });
  t.match(labels, [{ label: 'a', count: 3, min: 1, max: 3, rate: 0.75 }]);
  t.strictSame([labels.length, samples, read], [1, 3, 6]);
  const before = await summary(t, { 'duration.csv': rows }, { toMs: START });
  t.match(before.labels, [{ count: 1, rate: 1 }], 'without a beginning it is a second at least');
  const none = await summary(t, { 'duration.csv': rows }, { fromMs: START + 6000, toMs: START + 7000 });
  t.strictSame(none.labels, []);
  t.strictSame(none.notes, ['none of the 6 samples is in the window']);
  t.strictSame((await summary(t, { 'duration.csv': [] })).notes, []);
});

t.test('what was odd is told', async (t) => {
  const labels: Given[] = Array.from({ length: 1100 }, (_, n) => [n, 1, `label ${n}`]);
  const { notes, labels: kept } = await summary(t, {
    'duration.csv': [...labels, [0, Number.NaN, 'x'], [0, 1, 'label 0']],
    'else.csv': [[0, 1, 'a']],
  });
  t.equal(kept.length, 200);
  t.match(kept, [
    { label: '(other)', count: 100 },
    { label: 'label 0', count: 2 },
  ]);
  t.strictSame(notes, [
    '1 malformed line left out; the first one is duration.csv:1102: Measurement is no finite number: "NaN"',
    '1 file taken as "other", since the name does not begin with duration, runtime or profiler: else.csv',
    '100 duration samples of labels beyond the first 1,000 are together (other)',
    '802 labels with 802 samples left out: the least frequent',
  ]);
  const all = await summary(t, { 'duration.csv': labels }, { most: 5000 });
  t.equal(all.labels.length, 1001);
});

t.test('against a plain sort: the same', async (t) => {
  const value = fc.oneof(
    fc.double({ min: 0, max: 10, noNaN: true }),
    fc.constantFrom(0, 1e-9, 5e-324, 1, 1, Number.MAX_VALUE),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 60 }), async (values) => {
      const { labels } = await summary(t, { 'duration.csv': values.map((one, i) => [i, one, 'a']) });
      const sorted = values.toSorted((a, b) => a - b);
      const one = labels[0]!;
      t.strictSame([one.count, one.min, one.max], [values.length, sorted[0], sorted.at(-1)]);
      for (const [name, share] of Object.entries({ p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 }))
        t.equal(one[name as 'p50'], quantile(sorted, share), name);
      t.ok(JSON.parse(JSON.stringify(one)).sum !== null, 'a number, whatever is added up');
    }),
    { numRuns: 60 },
  );
});

/** Numbers that look drawn and are always the same: from 0 to 1. */
function* drawn() {
  for (let state = 1; ; ) yield (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

t.test('more values of a label than are kept: within 0.5 % of the value', async (t) => {
  const random = drawn();
  const next = () => random.next().value!;
  const shapes: Record<string, (u: number) => number> = {
    'log-normal': (u) => Math.exp(-7 + 3 * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * next())),
    uniform: (u) => u / 1000,
    'two heaps': (u) => (next() < 0.93 ? 1e-6 * (1 + u) : 2 + u),
    heavy: (u) => 1e-5 / (1 - u),
  };
  const count = 120_000;
  const values = new Map(
    Object.entries(shapes).map(([name, shape]) => [name, Array.from({ length: count }, () => shape(next()))]),
  );
  const rows = Array.from({ length: count }, (_, i) =>
    [...values].map(([name, all]): Given => [Math.floor(i / 100), all[i]!, name]),
  ).flat();
  const { labels, notes } = await summary(t, { 'duration.csv': rows });
  t.strictSame(notes, ['the quantiles of 4 labels are within 0.5 % of the value, not exact']);
  for (const one of labels) {
    const sorted = values.get(one.label)!.toSorted((a, b) => a - b);
    t.strictSame([one.count, one.min, one.max], [count, sorted[0], sorted.at(-1)], one.label);
    t.ok(Math.abs(one.sum / sorted.reduce((a, b) => a + b) - 1) < 1e-9);
    for (const [name, share] of Object.entries({ p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 })) {
      const off = Math.abs(one[name as 'p50'] / quantile(sorted, share) - 1);
      t.ok(off <= 0.0051, `${one.label} ${name} is off by ${(off * 100).toFixed(3)} %`);
    }
  }
  const exact = await summary(t, {
    'duration.csv': rows.filter(([, , label]) => label === 'uniform').slice(0, 100_000),
  });
  t.strictSame(exact.notes, [], 'a hundred thousand are exact');
  t.equal(
    exact.labels[0]!.p95,
    quantile(
      values
        .get('uniform')!
        .slice(0, 100_000)
        .toSorted((a, b) => a - b),
      0.95,
    ),
  );
});
