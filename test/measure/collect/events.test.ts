/** From the records that the sidecar has taken to what became of the events of a round, its metrics and its validity. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EVENT_METRICS } from '../../../scripts/config/metric-defaults.ts';
import type { BrokerConfig, Trigger } from '../../../scripts/config/types.ts';
import { collectEvents, eventWarnings } from '../../../scripts/measure/collect/events.ts';
import type { Sides } from '../../../scripts/stack/run-stack.ts';
import type { TakenTelemetry } from '../../../scripts/stack/telemetry.ts';
import { makeEvents } from '../../events/document.ts';
import { aConfig, aPlan } from '../../fixtures/plan.ts';
import { makeRound } from '../../run-document.ts';

const START = Date.UTC(2026, 0, 2);
const LOAD = { startMs: START, endMs: START + 1000, go: { atMs: START - 3000, steadyMs: 0 } };
const DRAINED = { side: 'candidate', drained: true, backlog: 0, waitedS: 1 } as const;
const FINE = { files: 1, bytes: 1, fullMs: null, stopped: null, refused: [], refusedCount: 0 };
const TRIGGER: Trigger = {
  ...{ name: 'mail', filter: {}, subscriber: 'http://consumer:8080/' },
  ...{ retries: 5, backoffS: 0.1, timeoutS: 5, maxInFlight: 16 },
};
const BROKER: BrokerConfig = {
  ...{
    kind: 'nats',
    file: '/nats.yaml',
    url: 'nats://broker:4222',
    triggers: [TRIGGER],
    services: ['producer', 'consumer'],
  },
  ...{ drainS: 30, notDrained: 'invalid', recordsBytes: 64 * 2 ** 20 },
};
const NAMED = { id: 'a', source: 'producer/7' };
const lines = (...records: object[]) =>
  records.map((record) => `${JSON.stringify({ ...NAMED, ...record })}\n`).join('');

/** One event that goes well. */
const RECORDS: Record<string, string> = {
  producer: lines(
    { e: 'offered', t: START + 102, seq: 1, scheduled: START + 100, received: START + 101 },
    { e: 'accepted', t: START + 105 },
  ),
  trigger: lines(
    { e: 'taken', t: START + 104, triggers: ['mail'] },
    { e: 'attempt', t: START + 108, end: START + 113, trigger: 'mail', n: 1, stored: START + 103, status: 204 },
    { e: 'settled', t: START + 1250, trigger: 'mail', as: 'delivered' },
  ),
  consumer: lines({ e: 'consumed', t: START + 110, end: START + 112, seq: 1, trigger: 'mail', scheduled: START + 100 }),
};

interface Made {
  records?: Record<string, string>;
  states?: Record<string, Partial<NonNullable<TakenTelemetry['state']>> | null>;
  fault?: string;
  drained?: boolean;
  broker?: BrokerConfig | null;
}

async function collected(t: Test, made: Made = {}) {
  const { records = {}, states = {}, fault, drained = true, broker = BROKER } = made;
  const dir = t.testdir();
  const services = Object.entries({ ...RECORDS, ...records }).map(([service, text]) => {
    mkdirSync(join(dir, service));
    const paths = [join(dir, service, 'duration-1-0-1-0.csv'), join(dir, service, 'events-1-1.jsonl')];
    for (const path of paths) writeFileSync(path, path.endsWith('.jsonl') ? text : 'Timepoint\n');
    return { service, paths, state: states[service] === null ? null : { ...FINE, ...states[service] } };
  });
  const own = { side: 'candidate', end: async () => ({ services, ...(fault ? { fault } : {}) }) };
  const plan = aPlan(['candidate'], { config: aConfig({ broker }) });
  const sides = { plan, telemetry: [own] } as unknown as Sides;
  return collectEvents('candidate', LOAD, { ...DRAINED, drained }, sides, { now: () => START + 2000 });
}

t.test('the events of a round, and a value for each built-in metric', async (t) => {
  const found = (await collected(t))!;
  t.match(found.document, {
    offered: 1,
    sent: 1,
    deliveries: 1,
    delivered: 1,
    drained: true,
    records: 6,
    unreadable: 0,
  });
  t.notOk('notes' in found.document);
  t.strictSame(found.signals, { deliveries: 1, lost: 0, deadLettered: 0, deadLetters: [], missing: [] });
  const value = (name: string) => found.samples[name]?.value;
  t.strictSame(
    Object.keys(found.samples),
    EVENT_METRICS.map(({ name }) => name),
  );
  t.strictSame(
    Object.values(found.samples).map(({ unit }) => unit),
    EVENT_METRICS.map(({ unit }) => unit),
  );
  t.strictSame(
    ['client', 'producer', 'ingress', 'broker', 'trigger', 'consumer'].map((hop) => value(`hop_${hop}_avg`)),
    [0.001, 0.001, 0.001, 0.005, 0.002, 0.002],
  );
  t.strictSame([value('delivery_avg'), value('delivery_p99')], [0.012, 0.012]);
  t.strictSame(
    ['sent', 'delivered', 'duplicated', 'lost', 'out_of_order', 'dead_lettered', 'refused', 'unrouted'].map((name) =>
      value(`events_${name}`),
    ),
    [1, 1, 0, 0, 0, 0, 0, 0],
  );
  t.strictSame([value('backlog_peak'), value('drain_time')], [1, 0.25]);
});

t.test('what is not known has no value', async (t) => {
  const found = (await collected(t, { records: { consumer: '', trigger: '', producer: '' }, drained: false }))!;
  t.notOk('delivery_avg' in found.samples);
  t.notOk('hop_client_avg' in found.samples);
  t.notOk('drain_time' in found.samples, 'it was not drained');
  t.match(found.samples, { events_sent: { value: 0 }, backlog_peak: { value: 0 } });
});

t.test('dead letters, with why', async (t) => {
  const settled = { e: 'settled', t: START + 250, trigger: 'mail', as: 'dead-lettered', why: 'status 500' };
  const attempt = { e: 'attempt', t: START + 108, end: START + 113, trigger: 'mail', n: 1, stored: null, status: 500 };
  const trigger = lines({ e: 'taken', t: START + 104, triggers: ['mail'] }, attempt, attempt, settled);
  const found = (await collected(t, { records: { trigger, consumer: '' } }))!;
  t.strictSame(found.signals, {
    ...{ deliveries: 1, lost: 0, deadLettered: 1, missing: [] },
    deadLetters: ['mail after 2 attempts: status 500 × 1'],
  });
  t.strictSame(found.document.notes, ['mail: 1 event dead-lettered after 2 attempts: status 500 × 1']);
});

t.test('a service may say what it saw, and nothing else', async (t) => {
  const found = (await collected(t, {
    records: {
      consumer: RECORDS.consumer + lines({ e: 'settled', t: START + 1, trigger: 'mail', as: 'delivered' }),
      stranger: RECORDS.consumer!,
    },
  }))!;
  t.match(found.document, { records: 6, unreadable: 1, delivered: 1, duplicated: 0 });
  t.strictSame(found.signals.missing, ['1 record could not be read']);
  t.strictSame(found.document.notes, [
    'consumer: 1 record cannot be read: events-1-1.jsonl:2 is "settled", which the trigger service alone may say',
  ]);
});

t.test('why records may be missing', async (t) => {
  const missing = async (made: Made) => (await collected(t, made))!.signals.missing;
  t.strictSame(await missing({ fault: 'the telemetry sidecar did not answer in 30 s' }), [
    'the telemetry sidecar did not answer in 30 s',
  ]);
  t.strictSame(await missing({ states: { consumer: { fullMs: START } } }), [
    'the folder of consumer was full; broker/records in benchmark.yaml gives it more than 64 MiB',
  ]);
  t.strictSame(await missing({ states: { trigger: { stopped: { atMs: START, why: 'more than 10000 files' } } } }), [
    'not all of trigger was taken: more than 10000 files',
  ]);
  t.strictSame(await missing({ states: { producer: null } }), ['nothing is known of the folder of producer']);
  const refused = [
    { name: 'events-1-1.jsonl', why: 'is a link' },
    { name: 'duration.csv', why: 'is a link' },
    { name: 'events-\u001b[2J.jsonl', why: 'is no file' },
  ];
  t.strictSame(await missing({ states: { consumer: { refused, refusedCount: 3 } } }), [
    '2 files of consumer not taken: events-1-1.jsonl is a link; events-.jsonl is no file',
  ]);
  t.strictSame(
    await missing({ states: { consumer: { refused: [refused[1]!], refusedCount: 1 } } }),
    [],
    'it was none of records',
  );
  t.strictSame(
    await missing({ states: { consumer: { refused: [refused[1]!], refusedCount: 30 } } }),
    ['29 files of consumer not taken'],
    'what those were is not known',
  );
  t.match(await missing({ records: { consumer: '{\n' } }), ['1 record could not be read']);
});

t.test('a time that is none of this round', async (t) => {
  const early = lines({ e: 'accepted', t: START - 3000 - 600_001 }, { e: 'accepted', t: START - 3000 - 600_000 });
  const late = lines({ e: 'accepted', t: START + 2001 }, { e: 'accepted', t: START + 2000 });
  const found = (await collected(t, { records: { producer: RECORDS.producer + early + late } }))!;
  t.match(found.document, { records: 8, unreadable: 2 });
});

t.test('what is said while a run goes on: each note once, of both sides', async (t) => {
  const round = (side: 'candidate' | 'baseline', number: number, ...notes: string[]) => ({
    document: { ...makeRound(side, number, {}), events: makeEvents({ notes }) },
    unread: [],
  });
  const told = new Set<string>();
  const dead = (n: number) => `mail: ${n} events dead-lettered after 6 attempts: status 500 × ${n}`;
  t.strictSame(eventWarnings([round('candidate', 1, dead(3)), round('baseline', 1, dead(3), 'other')], told), [
    `events of candidate and baseline: ${dead(3)}`,
    'events of baseline: other',
  ]);
  t.strictSame(eventWarnings([round('candidate', 2, dead(4), 'new')], told), ['events of candidate: new']);
});

t.test('no broker, no events', async (t) => {
  t.equal(await collected(t, { broker: null }), null);
});
