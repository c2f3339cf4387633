/** The accounting of events, against answers by hand, and against a small world whose truth is counted as it happens. */
import fc from 'fast-check';
import t from 'tap';
import { type AccountOptions, accountFor } from '../../scripts/events/account.ts';
import type { EventRecord } from '../../scripts/events/records.ts';
import { aWorld, live, NOTHING, START, WINDOW } from './history.ts';

const SOURCE = 'producer/7';
const at = (ms: number) => START + ms;
type Part<K extends EventRecord['e']> = Partial<Extract<EventRecord, { e: K }>>;

const offered = (id: string, ms: number, more: Part<'offered'> = {}): EventRecord => ({
  ...{ e: 'offered', t: at(ms + 2), id, source: SOURCE, seq: null, scheduled: at(ms), received: at(ms + 1) },
  ...more,
});
const accepted = (id: string, ms: number): EventRecord => ({ e: 'accepted', t: at(ms), id, source: SOURCE });
const rejected = (id: string, ms: number): EventRecord => ({ e: 'rejected', t: at(ms), id, source: SOURCE });
const taken = (id: string, ms: number, ...triggers: string[]): EventRecord => ({
  ...{ e: 'taken', t: at(ms), id, source: SOURCE, triggers },
});
const attempt = (id: string, ms: number, endMs: number, more: Part<'attempt'> = {}): EventRecord => ({
  ...{ e: 'attempt', t: at(ms), end: at(endMs), id, source: SOURCE, trigger: 'mail', stored: null, status: 204 },
  ...more,
});
const settled = (id: string, ms: number, more: Part<'settled'> = {}): EventRecord => ({
  ...{ e: 'settled', t: at(ms), id, source: SOURCE, trigger: 'mail', as: 'delivered', why: null },
  ...more,
});
const consumed = (id: string, ms: number, endMs: number, more: Part<'consumed'> = {}): EventRecord => ({
  ...{ e: 'consumed', t: at(ms), end: at(endMs), id, source: SOURCE, seq: null, trigger: 'mail', scheduled: null },
  ...more,
});
const dead = { as: 'dead-lettered', why: 'status 500' } as const;

const account = (records: EventRecord[], more: Partial<AccountOptions> = {}) =>
  accountFor(records, { ...WINDOW, drained: true, ...more });
const figures = (found: object) => Object.fromEntries(Object.keys(NOTHING).map((name) => [name, found[name as never]]));

/** An event that goes well: 1 ms each to the producer, to the sink, to the broker; 4 there, 1 to the consumer, 2 in it. */
const fine = (id: string, ms: number): EventRecord[] => [
  offered(id, ms),
  taken(id, ms + 3.5, 'mail'),
  accepted(id, ms + 5),
  attempt(id, ms + 7, ms + 11, { stored: at(ms + 3) }),
  consumed(id, ms + 8, ms + 10),
  settled(id, ms + 12),
];

t.test('an event that goes well', async (t) => {
  const found = await account(fine('a', 100));
  t.strictSame(found, {
    ...NOTHING,
    offered: 1,
    sent: 1,
    deliveries: 1,
    delivered: 1,
    drained: true,
    drain_s: 0,
    backlog: {
      peak: 1,
      points: Array.from({ length: 60 }, (_, i) => ({
        at_s: Math.round(i * (1000 / 60)) / 1000,
        backlog: i === 6 ? 1 : 0,
      })),
    },
    delivery: { count: 1, avg: 0.01, med: 0.01, p90: 0.01, p95: 0.01, p99: 0.01, max: 0.01 },
    hops: [
      ['client', 0.001],
      ['producer', 0.001],
      ['ingress', 0.001],
      ['broker', 0.004],
      ['trigger', 0.001],
      ['consumer', 0.002],
    ].map(([hop, s]) => ({ hop, count: 1, avg: s, p95: s })) as typeof found.hops,
    triggers: [{ ...trigger('mail'), deliveries: 1, delivered: 1, attempts: 1 }],
    records: 6,
    unreadable: 0,
  });
});

const trigger = (name: string) => ({
  trigger: name,
  ...{
    deliveries: 0,
    delivered: 0,
    dead_lettered: 0,
    lost: 0,
    pending: 0,
    duplicated: 0,
    out_of_order: 0,
    attempts: 0,
  },
});

t.test(
  'a consumer that is killed between its record and its answer: a duplicate, and the first one is timed',
  async (t) => {
    const found = await account([
      offered('a', 100),
      taken('a', 103, 'mail'),
      attempt('a', 104, 106, { status: null }),
      attempt('a', 206, 210),
      consumed('a', 207, 209),
      consumed('a', 105, 105.5),
      settled('a', 211),
    ]);
    t.strictSame(figures(found), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, delivered: 1, duplicated: 1 });
    t.equal(found.delivery?.max, 0.0055, 'whatever the order of the records');
    t.equal(found.triggers[0]!.attempts, 2);
    t.notOk('notes' in found);
  },
);

t.test('dead-lettered, and why; consumed all the same is said', async (t) => {
  const given = (id: string, ms: number, attempts: number) =>
    Array.from({ length: attempts }, (_, i) => attempt(id, ms + 10 * i, ms + 10 * i + 5, { status: 500 }));
  const found = await account([
    ...['a', 'b', 'c'].flatMap((id) => [
      offered(id, 100),
      taken(id, 103, 'mail'),
      ...given(id, 110, 6),
      settled(id, 180, dead),
    ]),
    consumed('b', 115, 116),
    consumed('b', 125, 126),
  ]);
  t.strictSame(figures(found), { ...NOTHING, offered: 3, sent: 3, deliveries: 3, dead_lettered: 3, duplicated: 1 });
  t.strictSame(found.notes, [
    'mail: 3 events dead-lettered after 6 attempts: status 500 × 3',
    'mail: 1 of the dead-lettered events consumed all the same',
  ]);
  t.notOk('delivery' in found, 'what was given up has no latency');
  const mixed = await account([
    ...[1, 2, 3, 4, 5].flatMap((n) => [
      taken(`e${n}`, 100, 'mail'),
      attempt(`e${n}`, 110, 120, { status: n === 5 ? null : 500 + n }),
      ...(n === 2 ? [attempt('e2', 130, 140, { status: 501 })] : []),
      settled(`e${n}`, 150, { as: 'dead-lettered' }),
    ]),
  ]);
  t.equal(
    mixed.notes![0],
    'mail: 5 events dead-lettered after 1 to 2 attempts: status 501 × 2, status 503 × 1, status 504 × 1, and 1 more ways',
  );
});

t.test('dead-lettered stays, though another attempt was settled as delivered', async (t) => {
  const found = await account([taken('a', 3, 'mail'), settled('a', 9, dead), consumed('a', 10, 11), settled('a', 12)]);
  t.strictSame(figures(found), { ...NOTHING, sent: 1, deliveries: 1, dead_lettered: 1 });
});

t.test('taken and not accepted: the producer was killed before the answer; it was sent', async (t) => {
  const found = await account([offered('a', 100), taken('a', 103, 'mail'), consumed('a', 110, 111), settled('a', 112)]);
  t.strictSame(figures(found), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, delivered: 1 });
});

t.test('accepted without a record of the ingress: the trigger service was killed', async (t) => {
  const seen = await account([offered('a', 100), accepted('a', 104), consumed('a', 110, 111), settled('a', 112)]);
  t.strictSame(figures(seen), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, delivered: 1 });
  const gone = await account([offered('a', 100), accepted('a', 104)]);
  t.strictSame(figures(gone), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, lost: 1 });
  t.strictSame(gone.notes, ['1 event lost: a of producer/7', '1 event of which no record says the trigger']);
  const waiting = await account([offered('a', 100), accepted('a', 104)], { drained: false });
  t.strictSame(figures(waiting), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, pending: 1 });
});

t.test('an event that a consumer alone has seen', async (t) => {
  const found = await account([consumed('a', 110, 111, { trigger: null, scheduled: at(100) })]);
  t.strictSame(figures(found), { ...NOTHING, sent: 1, deliveries: 1, delivered: 1 });
  t.equal(found.delivery?.avg, 0.011);
  t.strictSame(found.notes, ['1 event of which no record says the trigger']);
});

t.test('a consumer that was not told the trigger: it is the only one, where there is one', async (t) => {
  const records = [taken('a', 3, 'mail'), consumed('a', 5, 6), consumed('a', 7, 8, { trigger: null }), settled('a', 9)];
  const found = await account(records);
  t.strictSame(figures(found), { ...NOTHING, sent: 1, deliveries: 1, delivered: 1, duplicated: 1 });
  t.strictSame(found.triggers, [{ ...trigger('mail'), deliveries: 1, delivered: 1, duplicated: 1 }]);
});

t.test('two triggers that want one event: a delivery each', async (t) => {
  const found = await account([
    offered('a', 100),
    taken('a', 103, 'stock', 'mail'),
    consumed('a', 110, 120),
    settled('a', 121),
    attempt('a', 111, 112, { trigger: 'stock', status: 503 }),
    settled('a', 113, { ...dead, trigger: 'stock', why: 'status 503' }),
  ]);
  t.strictSame(figures(found), { ...NOTHING, offered: 1, sent: 1, deliveries: 2, delivered: 1, dead_lettered: 1 });
  t.strictSame(found.triggers, [
    { ...trigger('mail'), deliveries: 1, delivered: 1 },
    {
      ...trigger('stock'),
      deliveries: 1,
      dead_lettered: 1,
      attempts: 1,
      dead_letters: 'after 1 attempt: status 503 × 1',
    },
  ]);
  t.strictSame(found.notes, ['stock: 1 event dead-lettered after 1 attempt: status 503 × 1']);
});

t.test('unrouted, refused, rejected and unsent are told apart', async (t) => {
  const found = await account([
    offered('nobody', 100),
    taken('nobody', 103),
    accepted('nobody', 104),
    offered('no type', 200),
    { e: 'refused', t: at(203), id: 'no type', source: SOURCE },
    rejected('no type', 204),
    { e: 'refused', t: at(300), id: null, source: null },
    { e: 'refused', t: at(-300), id: null, source: null },
    offered('no sink', 400),
    rejected('no sink', 500),
    offered('killed', 600),
    // given up, and taken all the same: its answer was lost
    offered('late', 700),
    rejected('late', 800),
    ...fine('late', 700).slice(1),
  ]);
  t.strictSame(figures(found), {
    ...NOTHING,
    offered: 5,
    ...{ unrouted: 1, refused: 2, rejected: 1, unsent: 1, sent: 1 },
    ...{ deliveries: 1, delivered: 1 },
  });
  t.strictSame(found.notes, ['1 event offered, and nothing says what its sink has answered']);
});

t.test('what is missing is lost where the backlog was drained, and else pending', async (t) => {
  const records = [...fine('a', 100), offered('b', 200), taken('b', 203, 'mail'), accepted('b', 204)];
  const drained = await account(records);
  t.match(drained, { sent: 2, deliveries: 2, delivered: 1, lost: 1, pending: 0, drain_s: 0 });
  t.strictSame(drained.notes, ['mail: 1 event lost: b of producer/7']);
  t.equal(drained.backlog.points.at(-1)!.backlog, 1);
  const not = await account(records, { drained: false });
  t.match(not, { sent: 2, deliveries: 2, delivered: 1, lost: 0, pending: 1, drained: false, drain_s: null });
  t.notOk('notes' in not);
  const told = await account([...records, settled('b', 220)], { drained: false });
  t.match(
    told,
    { lost: 1, pending: 0 },
    'the trigger service says that it was delivered; its consumer, which records, does not',
  );
  const many = await account(Array.from({ length: 1203 }, (_, i) => taken(`e${i}`, 10, 'mail')));
  t.equal(
    many.notes![0],
    'mail: 1,203 events lost: e0 of producer/7, e1 of producer/7, e2 of producer/7, and 1,200 more',
  );
});

t.test('the window: by the scheduled time; what went wrong outside of it is a note', async (t) => {
  const found = await account([
    ...fine('early', -0.001),
    ...fine('first', 0),
    ...fine('last', 999.999),
    ...fine('late', 1000),
    offered('lost', -50),
    taken('lost', -48, 'mail'),
    offered('dead', -40),
    settled('dead', -30, dead),
    offered('unrouted', -20),
    taken('unrouted', -18),
  ]);
  t.match(found, { offered: 2, sent: 2, delivered: 2, lost: 0, dead_lettered: 0, unrouted: 0 });
  t.strictSame(found.notes, ['outside of the window: 1 lost, 1 dead-lettered, 1 unrouted']);
  t.equal(found.delivery?.count, 2);
});

t.test('an event without a scheduled time counts from when it was offered', async (t) => {
  const found = await account([
    offered('a', 100, { scheduled: null, received: at(101) }),
    taken('a', 104, 'mail'),
    attempt('a', 106, 111),
    consumed('a', 107, 110),
    settled('a', 112),
  ]);
  t.equal(found.delivery?.avg, 0.008, '102 to 110');
  t.strictSame(
    found.hops.map(({ hop, avg }) => [hop, avg]),
    [
      ['ingress', 0.002],
      ['broker', 0.002],
      ['trigger', 0.001],
      ['consumer', 0.003],
    ],
  );
  t.strictSame(found.notes, ['no scheduled time of 1 event: the time of the offer stands for it']);
});

t.test('out of order as in RFC 4737: below the greatest before it, by the first consumption of each', async (t) => {
  const seen = (sequence: number, ms: number, more: Part<'consumed'> = {}) =>
    consumed(`e${sequence}`, ms, ms + 1, { seq: sequence, scheduled: at(sequence), ...more });
  const found = await account([
    ...[seen(1, 100), seen(2, 101), seen(5, 102), seen(3, 103), seen(4, 104), seen(6, 105)],
    seen(2, 200), // a duplicate is none
    seen(9, 300, { source: 'producer/8' }),
    seen(7, 301),
    seen(8, 302, { trigger: 'stock' }),
    consumed('none', 400, 401, { scheduled: at(1) }),
  ]);
  t.equal(found.out_of_order, 2, '3 and 4');
  const alike = [seen(3, 100), seen(3, 101, { id: 'another' })];
  t.equal((await account(alike)).out_of_order, 0, 'of two alike none is below the other');
  const warm = await account([seen(9, 100, { scheduled: at(-1) }), seen(8, 101), seen(7, 102, { scheduled: at(-2) })]);
  t.equal(warm.out_of_order, 1, 'against what the warm-up had, but of the window alone');
});

t.test('a consumer that writes no records: what it answered is taken for what it did', async (t) => {
  const found = await account([
    offered('a', 100),
    taken('a', 103, 'mail'),
    attempt('a', 104, 105, { status: 500 }),
    attempt('a', 206, 209, { status: 202 }),
    attempt('a', 306, 309, { status: 200 }),
    settled('a', 310),
  ]);
  t.strictSame(figures(found), { ...NOTHING, offered: 1, sent: 1, deliveries: 1, delivered: 1, duplicated: 1 });
  t.equal(found.delivery?.avg, 0.109);
  t.strictSame(found.notes, [
    'mail: its consumer has written no record: what it has answered the trigger service is taken for it',
  ]);
});

t.test('hops add up to the whole, whatever the marks say', async () => {
  const mark = fc.option(fc.integer({ min: 0, max: 900 }), { nil: null });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        received: mark,
        sent: fc.nat(900),
        stored: mark,
        taken: fc.nat(900),
        first: fc.nat(900),
        begin: fc.nat(900),
      }),
      async ({ received, sent, stored, taken: takenMs, first, begin }) => {
        const { delivery, hops } = await account([
          offered('a', 0, { t: at(sent), received: received === null ? null : at(received) }),
          taken('a', takenMs, 'mail'),
          attempt('a', first, 950, { stored: stored === null ? null : at(stored) }),
          consumed('a', begin, 901),
        ]);
        const sum = hops.reduce((total, { avg }) => total + avg, 0);
        return Math.abs(sum - delivery!.avg) < 1e-9 && delivery!.avg === 0.901 && hops.every(({ avg }) => avg >= 0);
      },
    ),
  );
});

t.test('backlog: exact peak, a point for each slice, and the time to drain', async (t) => {
  // 0, 1, 2 ... 9 are taken 10 ms apart from 500 on, and settled 200 ms apart from 700 on: the last one at 2500
  const records = Array.from({ length: 10 }, (_, i) => [
    offered(`e${i}`, 490 + 10 * i),
    taken(`e${i}`, 500 + 10 * i, 'mail'),
    attempt(`e${i}`, 600 + 200 * i, 690 + 200 * i),
    consumed(`e${i}`, 610 + 200 * i, 620 + 200 * i),
    settled(`e${i}`, 700 + 200 * i),
  ]).flat();
  const { backlog, drain_s } = await account(records);
  t.equal(drain_s, 1.5, 'from 1000 to 2500');
  t.equal(backlog.peak, 10);
  t.equal(backlog.points.length, 60);
  t.strictSame(
    [0, 499, 520, 599, 720, 1000, 2400, 2499].map((ms) => backlog.points[Math.floor((ms / 2500) * 60)]!.backlog),
    [0, 0, 5, 10, 9, 8, 1, 1],
    'slices of 41.7 ms: the greatest of each',
  );
  const before = await account([taken('w', -500, 'mail'), ...fine('a', 100), settled('w', 1500)]);
  t.equal(before.backlog.points[0]!.backlog, 1, 'the warm-up left one');
  t.equal(before.backlog.peak, 2);
  t.equal(before.drain_s, 0.5);
  const over = await account([taken('w', -500, 'mail'), settled('w', 0), ...fine('a', 100), accepted('a', 9000)]);
  t.equal(over.backlog.points[0]!.backlog, 0, 'it was settled as the window began');
  t.equal(over.backlog.points.at(-1)!.at_s, 0.983, 'what is said after the last was settled is no part of it');
  const after = await account([taken('a', 100, 'mail'), settled('a', 200), taken('b', 200, 'mail'), settled('b', 300)]);
  t.equal(after.backlog.peak, 1, 'one begins as the other ends');
});

t.test('the record of the ingress may be later than the first attempt', async (t) => {
  const { hops } = await account([
    offered('a', 100),
    taken('a', 110, 'mail'),
    attempt('a', 106, 111),
    consumed('a', 107, 109),
  ]);
  t.strictSame(
    hops.map(({ hop, avg }) => [hop, avg]),
    [
      ['client', 0.001],
      ['producer', 0.001],
      ['ingress', 0.004],
      ['broker', 0],
      ['trigger', 0.001],
      ['consumer', 0.002],
    ],
  );
});

t.test('nothing at all', async (t) => {
  const found = await account([]);
  t.strictSame(figures(found), NOTHING);
  t.strictSame(found.triggers, []);
  t.equal(found.backlog.peak, 0);
  t.equal(found.drain_s, 0);
});

t.test('more events than are told apart: said, and the round is not exact', async (t) => {
  const found = await account(
    ['a', 'b', 'c', 'd'].flatMap((id) => fine(id, 100)),
    { mostEvents: 3 },
  );
  t.match(found, { sent: 3, delivered: 3, unreadable: 6, notes: ['more than 3 events: 6 records of others left out'] });
});

t.test('what reading has found comes with it', async (t) => {
  const findings = { unreadable: 2, notes: ['mail: 2 records cannot be read: x:1 is no JSON'] };
  const found = await account(fine('a', 1), { findings });
  t.match(found, { unreadable: 2, notes: findings.notes });
});

t.test('names of others are shown harmless', async (t) => {
  const found = await account([{ ...taken('a\u001b[2J\n', 3, 'mail'), source: 'b'.repeat(200) } as EventRecord]);
  t.equal(found.notes![0], `mail: 1 event lost: a? of ${'b'.repeat(80)}`);
});

t.test('any history: what the records say is what happened', async () => {
  await fc.assert(
    fc.asyncProperty(aWorld, async (world) => {
      const { records, truth } = live(world);
      const found = await account(records, { drained: world.drained });
      t.strictSame(figures(found), truth);
      const { sent, unrouted, refused, rejected, unsent, deliveries, delivered, dead_lettered, lost, pending } = found;
      t.equal(found.offered, sent + unrouted + refused + rejected + unsent);
      t.equal(deliveries, delivered + dead_lettered + lost + pending);
    }),
    { numRuns: 500 },
  );
});
