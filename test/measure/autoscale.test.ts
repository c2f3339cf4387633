import t from 'tap';
import type { SideName } from '../../scripts/documents/run.ts';
import { documentOf, keepUtilisation, requestOf, useQuery } from '../../scripts/measure/autoscale.ts';
import type { Replica } from '../../scripts/stack/replicas.ts';

const CONFIG = { service: 'api', metric: 'memory' as const, target: 0.5, min: 2, max: 6, cooldownS: 6 };

/** Replicas and a clock that stand still but for what the loop does. */
function faked(load: (atS: number) => number, { failing = {} as { add?: Error; use?: Error }, windowS = 40 } = {}) {
  let now = 0;
  let last = 0;
  const running: Replica[] = [];
  const calls: string[] = [];
  const make = (side: SideName): Replica => {
    const replica = ++last;
    const one = { side, service: 'api', replica, id: `c${replica}`, name: `api-${replica}`, commit: 'abc', slot: null };
    running.push(one);
    return one;
  };
  make('candidate');
  make('candidate');
  const around = {
    side: 'candidate' as const,
    config: CONFIG,
    drainS: 3,
    request: 100,
    windowS,
    replicas: {
      of: () => [...running],
      add: async (side: SideName) => {
        calls.push(`${now} add`);
        if (failing.add) throw failing.add;
        await null;
        return make(side);
      },
      drain: async ({ replica }: Replica, drainS: number) => {
        calls.push(`${now} drain ${replica} ${drainS}`);
        running.splice(
          running.findIndex((one) => one.replica === replica),
          1,
        );
        return { left: 0, seconds: 0 };
      },
      stop: async ({ replica }: Replica) => {
        calls.push(`stop ${replica}`);
        return { exitCode: 0, killed: false, seconds: 0 };
      },
    },
    use: async () => {
      if (failing.use) throw failing.use;
      return new Map(running.map(({ replica }) => [replica, load(now) / running.length]));
    },
    sinceStart: () => now,
    wait: async (untilS: number) => void (now = untilS),
    isOver: () => now >= windowS,
  };
  return { around, calls, running };
}

t.test('a step up is followed at once, a step down after the cooldown, the youngest first', async (t) => {
  const { around, calls, running } = faked((atS) => (atS < 10 ? 100 : atS < 20 ? 190 : 100));
  const { document, failures } = await keepUtilisation(around);
  t.same(failures, []);
  t.same(calls, ['10 add', '10 add', '24 drain 4 3', '24 drain 3 3', 'stop 4', 'stop 3']);
  t.same(
    running.map(({ replica }) => replica),
    [1, 2],
  );
  t.match(document, { service: 'api', settled_s: 24, replicas_avg: 2.7 });
  t.match(document!.decisions[5], {
    at_s: 10,
    replicas: 2,
    utilisation: 0.95,
    desired: 4,
    why: '95 % used, 50 % wanted: ceil(2 × 1.90) = 4',
  });
});

t.test('a window that still changes at its end has not settled', async (t) => {
  const { document } = await keepUtilisation(faked((atS) => (atS < 38 ? 100 : 190)).around);
  t.equal(document!.settled_s, null);
});

t.test('what cannot be done is a failure, and the loop ends', async (t) => {
  const lost = await keepUtilisation(faked(() => 100, { failing: { use: new Error('connect ECONNREFUSED') } }).around);
  t.same(lost, {
    document: null,
    failures: [
      {
        code: 'autoscale-failed',
        message: 'the autoscaler of api: Prometheus did not say what the replicas use: connect ECONNREFUSED',
      },
    ],
  });
  const { document, failures } = await keepUtilisation(
    faked(() => 190, { failing: { add: new Error('it did not become healthy in 5 s\nits log') } }).around,
  );
  t.same(
    failures.map(({ message }) => message),
    Array(2).fill('the autoscaler of api: a replica did not start: it did not become healthy in 5 s'),
  );
  t.equal(document!.decisions.length, 1);
});

t.test('a window that is over at once has no document', async (t) => {
  t.same(await keepUtilisation(faked(() => 100, { windowS: 0 }).around), { document: null, failures: [] });
});

t.test('a long window keeps the first evaluation, the changes and some between', async (t) => {
  const one = (at_s: number, replicas: number, desired: number) => ({
    at_s,
    replicas,
    utilisation: 0.5,
    desired,
    why: '',
  });
  const all = Array.from({ length: 601 }, (_, i) => one(i * 2, i <= 301 ? 2 : 3, i < 301 ? 2 : 3));
  const { decisions, settled_s, replicas_avg } = documentOf('api', all, 1202);
  t.ok(decisions.length <= 121, `${decisions.length}`);
  t.same(
    decisions.filter(({ replicas, desired }) => replicas !== desired),
    [one(602, 2, 3)],
  );
  t.equal(decisions[0]!.at_s, 0);
  t.equal(settled_s, 602);
  t.equal(replicas_avg, Math.round(((602 * 2 + 600 * 3) / 1202) * 1000) / 1000);
});

t.test('what is asked of Prometheus, and what a replica requests', async (t) => {
  t.equal(
    useQuery(CONFIG, 'baseline', 3),
    'container_memory_working_set_bytes{job="containers",side="baseline",round="3",service="api"}',
  );
  t.equal(
    useQuery({ ...CONFIG, metric: 'cpu' }, 'candidate', 1),
    'rate(container_cpu_usage_seconds_total{job="containers",side="candidate",round="1",service="api"}[5s])',
  );
  const document = (api: object) => ({ services: { api } }) as Parameters<typeof requestOf>[0];
  const deploy = { resources: { reservations: { memory: '67108864', cpus: '0.25' } } };
  t.equal(requestOf(document({ deploy }), CONFIG), 67108864);
  t.equal(requestOf(document({ deploy }), { ...CONFIG, metric: 'cpu' }), 0.25);
  t.equal(requestOf(document({ mem_reservation: '1024' }), CONFIG), 1024);
  t.throws(() => requestOf(document({}), CONFIG), { message: 'api has no request of memory' });
});
