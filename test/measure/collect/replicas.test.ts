/** The spread of the requests over the replicas of a side, from what Prometheus has of its balancer. */
import t from 'tap';
import { collectReplicas, spreadOf, valueAt } from '../../../scripts/measure/collect/replicas.ts';
import type { LoadResult } from '../../../scripts/measure/load/generator.ts';
import type { Sides } from '../../../scripts/stack/run-stack.ts';
import { aPlan } from '../../fixtures/plan.ts';

const WINDOW = { startMs: 10_000, endMs: 20_000 };
/** When there is load: a warm-up, half a second of nothing, the window. */
const LOAD = [
  [0, 9_500],
  [10_000, 20_000],
] as const;
/** A counter that grows by so much a second of load, between two moments; scraped every second, 200 ms past. */
const series = (server: string, counter: string, perSecond: number, code?: string, [from, to] = [0, 100_000]) => ({
  labels: { __name__: `haproxy_server_${counter}`, server, ...(code ? { code } : {}) },
  values: Array.from({ length: 15 }, (_, i): [number, number] => {
    const at = 8_200 + i * 1000;
    const busy = LOAD.map(([a, b]) => Math.max(0, Math.min(b, to!, at) - Math.max(a, from!)));
    return [at, (perSecond * busy.reduce((sum, one) => sum + one)) / 1000];
  }),
});
const container = (id: string, replica: number, commit = 'a') => ({
  id,
  service: 'api',
  replica,
  labels: { 'dev.mayfly.commit': commit },
});

t.test('a counter between two scrapes', async (t) => {
  const values: [number, number][] = [
    [1000, 10],
    [2000, 20],
    [3000, 20],
  ];
  t.equal(valueAt(values, 1500), 15);
  t.equal(valueAt(values, 2000), 20);
  t.equal(valueAt(values, 500), 10, 'before the first one');
  t.equal(valueAt(values, 9000), 20, 'after the last one');
  t.equal(valueAt([], 9000), 0);
  t.equal(
    valueAt(values, 1500, [[1500, 1900]]),
    10 + (10 * 500) / 600,
    'time in which nothing was sent does not count',
  );
  t.equal(valueAt(values, 1900, [[1500, 1900]]), 10 + (10 * 500) / 600);
  t.equal(valueAt(values, 1500, [[0, 5000]]), 20, 'nor can all of it');
});

t.test('what each replica did in the window', async (t) => {
  const counters = [
    series('r1', 'sessions_total', 38),
    series('r1', 'current_sessions', 2),
    series('r1', 'http_responses_total', 30, '2xx'),
    series('r1', 'http_responses_total', 1, '5xx'),
    series('r1', 'server_aborts_total', 3),
    series('r2', 'sessions_total', 19),
    series('r2', 'http_responses_total', 10, '2xx'),
    series('r2', 'retry_warnings_total', 4),
    series('r2', 'redispatch_warnings_total', 5),
  ];
  const tenants = [
    { slot: 'r1', id: 'one', fromMs: 0 },
    { slot: 'r2', id: 'two', fromMs: 0 },
  ];
  const found = spreadOf(
    counters,
    tenants,
    [container('one', 1), container('two', 2, 'b')],
    'a',
    WINDOW,
    (id) => id.length,
  );
  t.same(found, [
    {
      service: 'api',
      replica: 1,
      requests: 310,
      failed: 90,
      retried: 0,
      redispatched: 0,
      cpu_seconds: 3,
      share: 310 / 410,
    },
    {
      service: 'api',
      replica: 2,
      commit: 'b',
      requests: 100,
      failed: 0,
      retried: 40,
      redispatched: 50,
      cpu_seconds: 3,
      share: 100 / 410,
    },
  ]);
});

t.test('a slot that two replicas were in, one after the other', async (t) => {
  const [early, late] = [
    series('r1', 'http_responses_total', 10, '2xx', [0, 14_000]),
    series('r1', 'http_responses_total', 20, '2xx', [16_000, 100_000]),
  ];
  const both = {
    labels: early.labels,
    values: early.values.map(([at, value], i): [number, number] => [at, value + late.values[i]![1]]),
  };
  const tenants = [
    { slot: 'r1', id: 'one', fromMs: 0 },
    { slot: 'r1', id: 'three', fromMs: 16_000 },
    { slot: 'r1', id: 'four', fromMs: 30_000 },
  ];
  const found = spreadOf(
    [both],
    tenants,
    [container('one', 1), container('three', 3), container('four', 4)],
    'a',
    WINDOW,
    () => 0,
  );
  t.same(
    found.map(({ replica, requests }) => [replica, requests]),
    [
      [1, 43],
      [3, 77],
    ],
    'to a scrape, and nobody who came later',
  );
});

t.test('no request, no share', async (t) => {
  const [only] = spreadOf([], [{ slot: 'r1', id: 'one', fromMs: 0 }], [container('one', 1)], 'a', WINDOW, () => 0);
  t.match(only, { requests: 0, share: 0 });
});

t.test('nobody is asked where there is no balancer, and one query is enough where there is', async (t) => {
  const asked: [string, number][] = [];
  const samples = async (expression: string, atMs: number) => (asked.push([expression, atMs]), []);
  const sides = { plan: aPlan(), round: 2, containers: [], tenants: () => null } as unknown as Sides;
  const load = WINDOW as LoadResult;
  t.equal(await collectReplicas('candidate', load, sides, { samples }, () => 0), undefined);
  t.same(asked, []);
  t.same(await collectReplicas('candidate', load, { ...sides, tenants: () => [] }, { samples }, () => 0), []);
  t.same(asked, [
    [
      '{__name__=~"haproxy_server_sessions_total|haproxy_server_current_sessions|haproxy_server_http_responses_total|haproxy_server_server_aborts_total|haproxy_server_retry_warnings_total|haproxy_server_redispatch_warnings_total",service="balancer",side="candidate",round="2",proxy="replicas"}[14000ms]',
      22_000,
    ],
  ]);
});
