/** From the spans that Zipkin has to the record of a round. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { tracesOfRound, traceWarnings } from '../../../scripts/measure/collect/traces.ts';
import type { Edge } from '../../../scripts/measure/load/edges.ts';
import { readKept } from '../../../scripts/traces/kept.ts';
import { type Span, toZipkin } from '../../../scripts/traces/spans.ts';
import { makeRound } from '../../run-document.ts';
import { type FakeZipkin, fakeZipkin } from '../../traces/fake-zipkin.ts';
import { BEGAN, made } from '../../traces/made.ts';

const START = BEGAN / 1000;
/** Counters of what measures, and of a service. */
const edge = (zipkin: number, prometheus: number, other: number) =>
  ({
    containers: new Map([
      ['zipkin', { cpuSeconds: zipkin }],
      ['prometheus', { cpuSeconds: prometheus }],
      ['other', { cpuSeconds: other }],
    ]),
  }) as unknown as Edge;
const LOAD = { startMs: START, endMs: START + 2000, before: edge(1, 5, 10), after: edge(1.5, 7.5, 19.5) };
const TAGS = { 'mayfly.side': 'candidate', 'mayfly.round': '2' };

/** A trace that begins so many microseconds after the window; its consumer takes so many. */
function chain(i: number, at: number, consumer: number, tags: Record<string, string> = TAGS): Span[] {
  const more = { traceId: (i + 1).toString(16).padStart(32, '0'), tags };
  return [
    made('producer', null, at, at + consumer + 2000, { ...more, kind: 'SERVER' }),
    made('producer call', 'producer', at + 500, at + consumer + 1500, { ...more, kind: 'CLIENT' }),
    made('consumer', 'producer call', at + 1000, at + consumer + 1000, { ...more, kind: 'SERVER' }),
  ];
}

async function started(t: Test, spans: Span[] = []): Promise<FakeZipkin> {
  const fake = await fakeZipkin();
  t.teardown(fake.close);
  fake.spans.push(...spans.map(toZipkin));
  return fake;
}

const collect = (
  fake: Pick<FakeZipkin, 'url'> | null,
  dir: string,
  more: { keep?: number; signal?: AbortSignal } = {},
) =>
  tracesOfRound(LOAD, {
    config: { sampling: 0.1, keep: more.keep ?? 3 },
    round: 2,
    dir,
    zipkin: fake && { url: fake.url, id: 'zipkin' },
    containers: { stack: ['zipkin', 'prometheus'], services: ['other', 'gone'] },
    signal: more.signal ?? new AbortController().signal,
  });

t.test('the traces that began in the window, hop by hop; those that are not whole are counted apart', async (t) => {
  const dir = t.testdir();
  const broken = chain(200, 900_000, 1000);
  const cut = chain(201, 950_000, 1000);
  cut[2] = { ...cut[2]!, duration: null };
  const fake = await started(t, [
    ...Array.from({ length: 100 }, (_, i) => chain(i, i * 19_000, 1000 + i * 10)).flat(),
    ...broken.slice(1),
    ...cut,
    ...chain(300, -1, 9_000_000), // of the warm-up
    ...chain(301, 2_000_000, 9_000_000), // after the window
    ...chain(302, 1_000_000, 9_000_000, { ...TAGS, 'mayfly.round': '1' }),
    ...chain(303, 1_000_000, 9_000_000, { ...TAGS, 'mayfly.side': 'baseline' }),
  ]);
  const { document, valueOf } = await collect(fake, dir).of('candidate');
  const { hops, total_avg, ...rest } = document;
  t.strictSame(rest, {
    sampling: 0.1,
    traces: 102,
    complete: 100,
    holes: 1,
    unfinished: 1,
    spans: 305,
    kept: { file: 'traces-candidate-2.json.gz', slowest: 3, sample: 3 },
    zipkin: { cpu_seconds: 0.5, share: 0.04 },
    measuring: { cpu_seconds: 3, share: 0.24 },
  });
  t.equal(total_avg!.toFixed(6), '0.003495');
  t.match(hops, [
    { hop: 'producer', calls: 1 },
    { hop: 'consumer', calls: 1 },
  ]);
  t.equal(valueOf({ hop: 'consumer', value: 'self_avg' }), hops[1]!.self_avg);
  t.equal(valueOf({ hop: 'consumer', value: 'share' }), hops[1]!.share);
  t.equal(valueOf({ hop: 'mail', value: 'self_avg' }), 'no trace has a hop mail; there are producer, consumer');
  const kept = await readKept(join(dir, 'traces', 'traces-candidate-2.json.gz'));
  t.strictSame(
    kept.slice(0, 3).map((spans) => spans[2]!.duration),
    [1990, 1980, 1970],
    'the slowest first',
  );
  t.ok(kept.length >= 3 && kept.length <= 6 && new Set(kept.map(([span]) => span!.traceId)).size === kept.length);
});

t.test('nothing is read while spans still come', async (t) => {
  const fake = await started(t, chain(0, 0, 1000));
  const later = [chain(1, 10_000, 1000), chain(2, 20_000, 1000)];
  const more = setInterval(() => {
    const spans = later.pop();
    if (spans) fake.spans.push(...spans.map(toZipkin));
    else clearInterval(more);
  }, 700);
  t.teardown(() => clearInterval(more));
  const round = collect(fake, t.testdir());
  const [candidate, baseline] = await Promise.all([round.of('candidate'), round.of('baseline')]);
  t.equal(candidate.document.traces, 3, 'the last ones came 1.4 s after the first look');
  t.strictSame(baseline.document.notes, ['no trace began in the window']);
  t.equal(baseline.valueOf({ hop: 'consumer', value: 'self_avg' }), 'no trace began in the window');
  t.notOk(baseline.document.kept);
});

t.test('a Zipkin that is not there, or answers nonsense, is a note and no more', async (t) => {
  const dir = t.testdir();
  const none = await collect(null, dir).of('candidate');
  t.match(none.document, {
    traces: 0,
    total_avg: null,
    hops: [],
    notes: ['there are no traces: Zipkin did not come up'],
  });
  t.equal(none.valueOf({ hop: 'a', value: 'share' }), 'there are no traces: Zipkin did not come up');
  t.notOk('zipkin' in none.document);
  const gone = await collect({ url: 'http://127.0.0.1:1' }, dir).of('candidate');
  t.match(gone.document.notes, [/^there are no traces: Zipkin does not answer: .*ECONNREFUSED/]);
  const fake = await started(t);
  fake.answer = { status: 500, body: 'out of memory' };
  t.strictSame((await collect(fake, dir).of('candidate')).document.notes, [
    'there are no traces: Zipkin answered 500: out of memory',
  ]);
  t.notOk(existsSync(join(dir, 'traces')));
  const reason = new Error('interrupted');
  await t.rejects(collect(fake, dir, { signal: AbortSignal.abort(reason) }).of('candidate'), reason);
});

t.test('spans that Zipkin has let go of are told; what cannot be written is too', async (t) => {
  const dir = t.testdir();
  writeFileSync(join(dir, 'traces'), 'a file');
  const fake = await started(t, chain(0, 0, 1000));
  fake.counted = 100_001;
  const { document } = await collect(fake, dir).of('candidate');
  t.match(document.notes, [
    'Zipkin keeps 100,000 spans and has let go of the first ones of this window: sample fewer requests (traces/sampling)',
    /^none of them is kept: EEXIST/,
  ]);
  t.equal(document.complete, 1);
  fake.spans.push(...chain(1, -50_000, 1000).map(toZipkin));
  t.match(
    (await collect(fake, dir).of('candidate')).document.notes,
    [/^none of them is kept/],
    'one of before is there',
  );
  const text = readFileSync(join(import.meta.dirname, '../../../compose/run.yaml'), 'utf8');
  t.match(text, /MEM_MAX_SPANS: ["']?100000\b/, 'what the message says');
});

t.test('notes are told once in a run, and traces that are not whole where they are many', async (t) => {
  const round = (side: 'candidate' | 'baseline', notes: string[], holes: number) => ({
    document: {
      ...makeRound(side, 1, {}),
      traces: {
        sampling: 1,
        traces: 100,
        complete: 100 - holes,
        holes,
        unfinished: 0,
        spans: 300,
        total_avg: 1,
        hops: [],
        notes,
      },
    },
    unread: [],
  });
  const told = new Set<string>();
  t.strictSame(traceWarnings([round('candidate', ['a 1'], 2), round('baseline', ['a 1'], 3)], told), [
    'traces of candidate and baseline: a 1',
    'traces of baseline: 3 of 100 are not whole (3 with a hole, 0 unfinished): all figures are of the others',
  ]);
  t.strictSame(traceWarnings([round('candidate', ['a 2'], 4)], told), [], 'numbers make no other note');
  t.strictSame(
    traceWarnings([{ ...round('candidate', ['why'], 0), unread: [{ why: 'why' }] }], new Set()),
    [],
    'what a metric says is not said twice',
  );
  t.strictSame(traceWarnings([{ document: makeRound('candidate', 1, {}), unread: [] }], told), []);
});
