/** From the files that the sidecar has taken to the record of a round. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RoundDocument } from '../../../scripts/documents/run.ts';
import { collectTelemetry, keepTelemetry, telemetryWarnings } from '../../../scripts/measure/collect/telemetry.ts';
import type { Sides } from '../../../scripts/stack/run-stack.ts';
import type { SideTelemetry, TakenTelemetry } from '../../../scripts/stack/telemetry.ts';
import { namesOfSeries, readSeries } from '../../../scripts/telemetry/series-files.ts';
import { aConfig, aPlan } from '../../fixtures/plan.ts';
import { makeRound } from '../../run-document.ts';

const START = Date.UTC(2026, 0, 2);
const WINDOW = { startMs: START, endMs: START + 10_000 };
const LOAD = { ...WINDOW, go: { atMs: START - 1000, steadyMs: 0 } };
const HEADER = 'Timepoint, Measurement, Label, PID\n';
/** A row so many seconds after the start of the window. */
const row = (s: number, value: number, label: string) =>
  `${BigInt(START + s * 1000) * 1_000_000n},${value},"${label}",7\n`;
const FINE = { files: 1, bytes: 1, fullMs: null, stopped: null, refused: [], refusedCount: 0 };

interface Made {
  files?: Record<string, string>;
  state?: Partial<NonNullable<TakenTelemetry['state']>>;
  fault?: string;
  keep?: boolean;
}

async function collected(t: Test, { files = {}, state = {}, fault, keep = false }: Made) {
  const runDir = t.testdir();
  const dir = join(runDir, 'telemetry', 'round-2', 'candidate');
  mkdirSync(join(dir, 'shop'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, 'shop', name), text);
  const paths = Object.keys(files).map((name) => join(dir, 'shop', name));
  let discarded = false;
  const own = {
    side: 'candidate',
    dir,
    end: async () => ({ services: [{ service: 'shop', paths, state: { ...FINE, ...state } }], fault }),
    discard: async () => void (discarded = true),
  } as unknown as SideTelemetry;
  const config = aConfig({ keep, telemetry: [{ service: 'shop', folder: '/telemetry', bytes: 64 * 2 ** 20 }] });
  const sides = {
    plan: { ...aPlan(['candidate'], { config }), dir: runDir },
    round: 2,
    telemetry: [own],
    containers: [{ side: 'candidate', service: 'shop', replica: 1 }],
  } as unknown as Sides;
  const found = (await collectTelemetry('candidate', WINDOW, sides))!;
  return { found, own, sides, runDir, isDiscarded: () => discarded };
}

const ORDERS = { service: 'shop', prefix: 'duration', label: '/orders [POST]', value: 'p95' } as const;

t.test('labels of the window; a metric finds its own, or is told why not', async (t) => {
  const rows = [0, 1, 2, 3].map((s) => row(s, s, '/orders [POST]')).join('');
  const { found } = await collected(t, {
    files: { 'duration-7-0-1-0.csv': HEADER + row(-1, 99, '/orders [POST]') + rows + row(10, 99, '/orders [POST]') },
  });
  t.match(found.document.labels, [
    { service: 'shop', prefix: 'duration', label: '/orders [POST]', unit: 's', count: 4, max: 3, rate: 0.4 },
  ]);
  t.notOk('notes' in found.document, JSON.stringify(found.document.notes));
  t.equal(found.valueOf({ ...ORDERS, value: 'mean' }), 1.5);
  t.equal(
    found.valueOf({ ...ORDERS, label: '/order [POST]' }),
    'shop wrote no duration "/order [POST]" in the window (did you mean /orders [POST]?)',
  );
  t.equal(found.valueOf({ ...ORDERS, prefix: 'runtime' }), 'shop wrote no runtime "/orders [POST]" in the window');
});

t.test('nothing was written: one sentence, for the round and for a metric', async (t) => {
  const { found } = await collected(t, {});
  t.same(found.document, { labels: [], notes: ['shop has written no telemetry'] });
  t.equal(found.valueOf(ORDERS), 'shop has written no telemetry');
});

t.test('records of events are none of telemetry; a folder that is for them alone is not looked at', async (t) => {
  const made = await collected(t, { files: { 'events-7-1.jsonl': '{}\n' } });
  t.same(made.found.document, { labels: [], notes: ['shop has written no telemetry'] });
  const { config } = made.sides.plan;
  const sides = { ...made.sides, plan: { ...made.sides.plan, config: { ...config, telemetry: [] } } } as Sides;
  t.equal(await collectTelemetry('candidate', WINDOW, sides), null);
});

t.test('what the sidecar has to say', async (t) => {
  const files = { 'duration-7-0-1-0.csv': HEADER + row(1, 1, 'a') + row(2.5, 1, 'a') };
  const notes = async (made: Made) => (await collected(t, { files, ...made })).found.document.notes;
  t.same(await notes({ state: { fullMs: START + 3400 } }), [
    'shop: missing from 2.5 s into the window on: its folder was full (64 MiB); size in benchmark.yaml gives it more',
  ]);
  t.same(
    await notes({ state: { fullMs: START + 1400 } }),
    ['shop: missing from 1.4 s into the window on: its folder was full (64 MiB); size in benchmark.yaml gives it more'],
    'another process may have gone on',
  );
  t.same(await notes({ state: { fullMs: START - 1000 } }), [
    'shop: missing in the whole window: its folder was full (64 MiB); size in benchmark.yaml gives it more',
  ]);
  t.same(await notes({ state: { stopped: { atMs: START + 2000, why: 'more than 1073741824 bytes' } } }), [
    'shop: missing from 2.0 s into the window on: more than 1073741824 bytes',
  ]);
  t.same(
    await notes({ state: { stopped: { atMs: START + 10_001, why: 'more than 1073741824 bytes' } } }),
    undefined,
    'after the window it is no matter',
  );
  const refused = ['a', 'b', 'c', 'd'].map((name) => ({ name: `${name}\u001b[2J.csv`, why: 'is a link' }));
  t.same(await notes({ state: { refused, refusedCount: 30 } }), [
    'shop: 30 files not taken: a.csv is a link; b.csv is a link; c.csv is a link; and 27 more',
  ]);
  t.same(await notes({ fault: 'the telemetry sidecar did not answer in 30 s' }), [
    'some of it may be missing: the telemetry sidecar did not answer in 30 s',
  ]);
});

t.test('200 labels are kept, and a metric may be of any', async (t) => {
  const rows = Array.from({ length: 203 }, (_, i) => row(1, i, `l${i}`).repeat(i < 200 ? 2 : 1)).join('');
  const { found } = await collected(t, { files: { 'duration-7-0-1-0.csv': HEADER + rows } });
  t.equal(found.document.labels.length, 200);
  t.same(found.document.notes, ['shop: 3 labels left out, the least frequent']);
  t.equal(found.valueOf({ ...ORDERS, label: 'l202', value: 'max' }), 202);
});

t.test('the series of a valid round are kept under the labels of what is scraped, and the files go', async (t) => {
  const files = {
    'duration-7-0-1-0.csv':
      HEADER + row(-500, 1, 'long ago') + row(-0.5, 1, '/orders [POST]') + row(2, 1, '/orders [POST]'),
  };
  const made = await collected(t, { files });
  await keepTelemetry(made.found, made.own, LOAD, made.sides, true);
  t.same(await namesOfSeries(made.runDir), ['round-2-candidate']);
  const { text, samples } = await readSeries(made.runDir, 'round-2-candidate');
  t.match(
    text,
    `mayfly_duration_seconds_count{side="candidate",round="2",commit="${'a'.repeat(40)}",service="shop",instance="shop-1",label="/orders [POST]"} 2 `,
    'with those of the warm-up',
  );
  t.ok(samples > 0 && !text.includes('long ago'), 'and of no other time');
  t.ok(made.isDiscarded());

  const invalid = await collected(t, { files });
  await keepTelemetry(invalid.found, invalid.own, LOAD, invalid.sides, false);
  t.same(await namesOfSeries(invalid.runDir), []);
  t.ok(invalid.isDiscarded());

  const kept = await collected(t, { files, keep: true });
  await keepTelemetry(kept.found, kept.own, LOAD, kept.sides, true);
  t.notOk(kept.isDiscarded(), '--keep leaves them to look at');
  t.ok(existsSync(join(kept.own.dir, 'shop', 'duration-7-0-1-0.csv')));
});

t.test('series that cannot be kept are a note', async (t) => {
  const made = await collected(t, { files: { 'duration-7-0-1-0.csv': HEADER + row(1, 1, 'a') } });
  writeFileSync(join(made.runDir, 'telemetry-series'), 'a file');
  await keepTelemetry(made.found, made.own, LOAD, made.sides, true);
  t.match(made.found.document.notes, [/^its series are not in the archive: EEXIST/]);
  t.equal(readFileSync(join(made.runDir, 'telemetry-series'), 'utf8'), 'a file');
});

t.test('a benchmark without telemetry has none of it', async (t) => {
  const sides = { plan: aPlan(), round: 1, telemetry: [], containers: [] } as unknown as Sides;
  t.equal(await collectTelemetry('candidate', WINDOW, sides), null);
});

t.test(
  'what is odd is told once in a run, for both sides together, and not beside a metric that says it',
  async (t) => {
    const round = (side: 'candidate' | 'baseline', ...notes: string[]): RoundDocument => ({
      ...makeRound(side, 1, {}),
      telemetry: { labels: [], notes },
    });
    const told = new Set<string>();
    const both = [round('candidate', 'shop: 3 lines are none'), round('baseline', 'shop: 3 lines are none')];
    const of = (documents: RoundDocument[], why: string[] = []) =>
      telemetryWarnings(
        documents.map((document) => ({ document, unread: why.map((one) => ({ why: one })) })),
        told,
      );
    t.same(of(both), ['telemetry of candidate and baseline: shop: 3 lines are none']);
    t.same(of([round('candidate', 'shop: 4 lines are none')]), [], 'another number is nothing new');
    const none = 'shop has written no telemetry';
    t.same(of([round('candidate', none)], [none]), []);
  },
);
