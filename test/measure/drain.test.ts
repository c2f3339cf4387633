/** The wait for events after the load of a round. */
import t from 'tap';
import type { BrokerConfig } from '../../scripts/config/types.ts';
import type { SideName } from '../../scripts/documents/run.ts';
import type { Series } from '../../scripts/measure/collect/prometheus.ts';
import { drain } from '../../scripts/measure/drain.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

const trigger = (name: string) => ({
  name,
  filter: {},
  subscriber: 'http://consumer:8080/',
  retries: 5,
  backoffS: 0.1,
  timeoutS: 5,
  maxInFlight: 16,
});
const broker = (drainS: number): BrokerConfig => ({
  kind: 'nats',
  file: '/src/compose/brokers/nats.yaml',
  url: 'nats://broker:4222',
  triggers: [trigger('orders'), trigger('audit')],
  services: ['producer', 'consumer'],
  drainS,
  notDrained: 'invalid',
  recordsBytes: 2 ** 20,
});

type Told = Partial<Record<SideName, { sum: number; count: number }>>;
interface Laid {
  drainS?: number;
  /** What Prometheus says, one look after the other; the last one stays. */
  told: Told[];
  sides?: SideName[];
  incidents?: Partial<Record<SideName, string>>;
  signal?: AbortSignal;
}

async function drained({ drainS = 3600, told, sides = ['candidate', 'baseline'], incidents = {}, signal }: Laid) {
  const asked: string[] = [];
  const said: string[] = [];
  let looks = 0;
  const query = async (expression: string): Promise<Series[]> => {
    asked.push(expression);
    const now = told[Math.min(Math.floor(looks++ / 2), told.length - 1)]!;
    const of = expression.startsWith('sum') ? 'sum' : 'count';
    return Object.entries(now).map(([side, values]) => ({ labels: { side }, value: values[of] }));
  };
  const plan = aPlan(sides, { config: aConfig({ broker: broker(drainS) }) });
  const found = await drain(
    { endMs: 1000, endSteadyMs: performance.now() },
    5000,
    {
      plan,
      round: 7,
      incidents: (side) => (incidents[side] ? [{ service: incidents[side], action: 'die', exitCode: 137 }] : []),
    },
    { ready: Promise.resolve({ prometheus: { query } } as never), signal: signal ?? new AbortController().signal },
    { update: (text) => void said.push(text) },
  );
  return { found: found.map(({ side, drained, backlog }) => ({ side, drained, backlog })), asked, said, waited: found };
}

const all = (sum: number) => ({ sum, count: 2 });

t.test('a benchmark without a broker waits for nothing', async (t) => {
  const plan = aPlan();
  t.same(
    await drain({ endMs: 0, endSteadyMs: 0 }, 0, { plan, round: 1, incidents: () => [] }, {} as never, {} as never),
    [],
  );
});

t.test('what is gone already costs one look', async (t) => {
  const { found, asked, said } = await drained({ told: [{ candidate: all(0), baseline: all(0) }] });
  t.same(found, [
    { side: 'candidate', drained: true, backlog: 0 },
    { side: 'baseline', drained: true, backlog: 0 },
  ]);
  t.same(said, []);
  const fresh =
    '(mayfly_events_backlog{job="trigger",round="7"} and timestamp(mayfly_events_backlog{job="trigger",round="7"}) > 5)';
  t.same(asked, [`sum by (side) ${fresh}`, `count by (side) ${fresh}`], 'of scrapes after the last answer');
});

t.test('each side is waited for, and what is left is said', async (t) => {
  const { found, said } = await drained({
    told: [
      {},
      { candidate: all(1312), baseline: all(0) },
      { candidate: all(1), baseline: all(0) },
      { candidate: all(0), baseline: all(0) },
    ],
  });
  t.ok(found.every((side) => side.drained));
  t.same(said, ['draining: 0 events', 'draining: 1,312 events', 'draining: 1 event']);
});

t.test('a backlog of which not every trigger has told is none', async (t) => {
  const { found, said } = await drained({
    sides: ['candidate'],
    told: [{ candidate: { sum: 0, count: 1 } }, { candidate: all(0) }],
  });
  t.same(found, [{ side: 'candidate', drained: true, backlog: 0 }]);
  t.equal(said.length, 1, 'it was asked again');
});

t.test('when the time is over the rest is counted', async (t) => {
  const { found, waited } = await drained({ drainS: 0, told: [{ candidate: all(5), baseline: all(0) }] });
  t.same(
    found,
    [
      { side: 'baseline', drained: true, backlog: 0 },
      { side: 'candidate', drained: false, backlog: 5 },
    ].toSorted(
      (a, b) => found.findIndex(({ side }) => side === a.side) - found.findIndex(({ side }) => side === b.side),
    ),
  );
  t.ok(waited.every(({ waitedS }) => waitedS >= 0));
});

t.test('a side whose broker or trigger service has ended is waited for no longer', async (t) => {
  const { found } = await drained({
    incidents: { candidate: 'trigger', baseline: 'broker' },
    told: [{ baseline: all(7) }],
  });
  t.same(found, [
    { side: 'candidate', drained: false, backlog: null },
    { side: 'baseline', drained: false, backlog: 7 },
  ]);
});

t.test('a consumer that has ended is no reason not to wait: its events may be dead-lettered yet', async (t) => {
  const { found } = await drained({
    sides: ['candidate'],
    incidents: { candidate: 'consumer' },
    told: [{ candidate: all(7) }, { candidate: all(0) }],
  });
  t.same(found, [{ side: 'candidate', drained: true, backlog: 0 }]);
});

t.test('an interrupt ends it at once', async (t) => {
  const interrupt = new AbortController();
  const waiting = drained({ told: [{ candidate: all(7) }], signal: interrupt.signal });
  interrupt.abort(new Error('interrupted'));
  await t.rejects(waiting, { message: 'interrupted' });
});
