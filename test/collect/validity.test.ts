import t from 'tap';
import { fillPromql, hostShares } from '../../scripts/collect/collect.ts';
import { judgeValidity, type Signals } from '../../scripts/collect/validity.ts';
import { parseProcStat } from '../../scripts/load/edges.ts';
import { droppedIterations, readSummary, sideSummary } from '../../scripts/load/summary.ts';
import { aConfig } from '../fixtures/plan.ts';

const { load, allow } = aConfig(); // 100/s for 10 s
const good: Signals = {
  iterations: 1000, dropped: { warmup: 0, measure: 0 }, startLagP99: 0.001, failedShare: 0,
  services: [{ service: 'probe', outOfMemory: false, ended: null, throttledShare: 0 }],
  steal: 0, outsideLoad: 0.1, saturation: null, generatorFailure: null, missing: [],
};
const codes = (change: Partial<Signals>) => judgeValidity({ ...good, ...change }, load, allow).map((reason) => reason.code);
const service = (change: object) => ({ services: [{ ...good.services[0]!, ...change }] });

t.test('a good round has no reason', async (t) => t.same(codes({}), []));
t.test('one dropped iteration is enough, in the warm-up too', async (t) => {
  t.same(codes({ dropped: { warmup: 0, measure: 1 } }), ['dropped-iterations']);
  t.same(codes({ dropped: { warmup: 1, measure: 0 } }), ['dropped-iterations']);
});
t.test('the rate is missed below 99.5 %', async (t) => {
  t.same(codes({ iterations: 995 }), []);
  t.same(codes({ iterations: 994 }), ['rate-missed']);
});
t.test('one iteration at the edge of a short window is no miss', async (t) => {
  t.same(judgeValidity({ ...good, iterations: 99 }, { ...load, durationS: 1 }, allow), []);
});
t.test('start lag above 5 ms', async (t) => {
  t.same(codes({ startLagP99: 0.005 }), []);
  t.same(codes({ startLagP99: 0.0051 }), ['start-lag']);
  t.same(codes({ startLagP99: null }), []);
});
t.test('memory, restarts, throttling', async (t) => {
  t.same(codes(service({ outOfMemory: true, ended: 137 })), ['out-of-memory', 'restarted']);
  t.same(codes(service({ ended: 0 })), ['restarted']);
  t.same(codes(service({ throttledShare: 0.01 })), []);
  t.same(codes(service({ throttledShare: 0.011 })), ['throttled']);
});
t.test('both sides near the limit of the CPUs', async (t) => {
  t.same(codes({ saturation: 0.85 }), []);
  t.same(codes({ saturation: 0.86 }), ['saturated']);
});
t.test('failures, host, generator, missing values', async (t) => {
  t.same(codes({ failedShare: 0.0001 }), ['failed-requests']);
  t.same(codes({ steal: 0.11 }), ['host-steal']);
  t.same(codes({ outsideLoad: 0.51 }), ['host-load']);
  t.same(codes({ generatorFailure: 'k6 was killed' }), ['generator-failed']);
  t.same(codes({ missing: ['latency_p95'] }), ['no-samples']);
});
t.test('a reason says what was seen and what is allowed', async (t) => {
  const [reason] = judgeValidity({ ...good, failedShare: 0.0123 }, load, { ...allow, failedRequests: 0.005 });
  t.equal(reason!.message, '1.23 % of the requests failed (at most 0.5 % is allowed)');
});

t.test('PromQL is filled with window and side', async (t) => {
  t.equal(fillPromql('rate(x{a="b",$selector}[$window])', 'baseline', 2, 12.5), 'rate(x{a="b",side="baseline",round="2"}[12500ms])');
});

t.test('shares of the host: stolen, and used by others than the run', async (t) => {
  const edge = (host: { total: number; idle: number; steal: number }, cpuSeconds: number, harness: number) => ({ atMs: 0, host, harness, containers: new Map([['a', { cpuSeconds, cfsPeriods: 0, cfsThrottledPeriods: 0 }]]) });
  const shares = hostShares(edge({ total: 100, idle: 50, steal: 0 }, 10, 1), edge({ total: 120, idle: 60, steal: 1 }, 15, 2));
  t.match(shares, { steal: 0.05, outsideLoad: 3 / 20 }); // 20 s pass, 10 idle, 1 stolen, 5 + 1 our own
});

t.test('/proc/stat', async (t) => {
  t.same(parseProcStat('cpu  100 200 300 400 500 600 700 800 9 9\ncpu0 1 1 1 1\n'), { total: 36, idle: 9, steal: 8 });
});

t.test('the k6 summary of one side, in seconds', async (t) => {
  const trend = { type: 'trend', contains: 'time', values: { avg: 2, min: 1, med: 2, max: 9, 'p(90)': 3, 'p(95)': 4, 'p(99)': 5 } };
  const of = (name: string) => `${name}{scenario:measure,side:candidate}`;
  const summary = readSummary(`noise\n${JSON.stringify({ metrics: {
    [of('http_req_duration')]: trend, [of('mayfly_response_time')]: trend, [of('mayfly_start_lag')]: trend,
    [of('http_reqs')]: { values: { count: 10 } }, [of('iterations')]: { values: { count: 10 } }, [of('http_req_failed')]: { values: { rate: 0.1 } },
    'dropped_iterations{scenario:measure}': { values: { count: 3 } },
  } })}`);
  t.match(sideSummary(summary!, 'candidate'), { requests: 10, iterations: 10, failedShare: 0.1, latency: { avg: 0.002, p99: 0.005 }, startLag: { p99: 0.005 } });
  t.equal(sideSummary(summary!, 'baseline'), null);
  t.equal(droppedIterations(summary!, 'measure'), 3);
  t.equal(readSummary('k6 was killed'), null);
});
