import t from 'tap';
import type { Load } from '../../../scripts/config/types.ts';
import { hostShares } from '../../../scripts/measure/collect/collect.ts';
import { judgeValidity, type Signals } from '../../../scripts/measure/collect/validity.ts';
import { clockSetBy, parseProcStat, steadyAt } from '../../../scripts/measure/load/edges.ts';
import { aConfig } from '../../fixtures/plan.ts';

const { load, allow } = aConfig(); // 100/s for 10 s
const closed: Load = {
  ...load,
  model: { kind: 'closed', users: 10, iterations: 100, thinkS: 0, limitS: 60 },
  rate: 0,
  durationS: 60,
  warmupS: 0,
};
const good: Signals = {
  due: 1000,
  iterations: 1000,
  dropped: { warmup: 0, measure: 0 },
  startLagP99: 0.001,
  sharedLagP99: 0,
  failedShare: 0,
  failures: [],
  services: [{ service: 'probe', outOfMemory: false, ended: null, throttledShare: 0 }],
  steal: 0,
  outsideLoad: 0.1,
  saturation: null,
  clockSetByMs: 0,
  generatorFailure: null,
  notDrained: null,
  events: null,
  missing: [],
};
const codes = (change: Partial<Signals>) =>
  judgeValidity({ ...good, ...change }, load, allow).map((reason) => reason.code);
const messages = (change: Partial<Signals>, of = load) =>
  judgeValidity({ ...good, ...change }, of, allow).map((reason) => reason.message);
const service = (change: object) => ({ services: [{ ...good.services[0]!, ...change }] });

t.test('a good round has no reason', async (t) => t.same(codes({}), []));
t.test('one dropped iteration is enough, in the warm-up too', async (t) => {
  t.same(codes({ dropped: { warmup: 0, measure: 1 } }), ['dropped-iterations']);
  t.same(codes({ dropped: { warmup: 1, measure: 0 } }), ['dropped-iterations']);
  t.same(messages({ dropped: { warmup: 3, measure: 7 } }), [
    'the load generator dropped 3 iterations in the warm-up: 25 were under way; the service was too slow for 100/s or load/max_in_flight is too low',
    'the load generator dropped 7 iterations in the window: 25 were under way; the service was too slow for 100/s or load/max_in_flight is too low',
  ]);
  t.match(messages({ dropped: { warmup: 0, measure: 7 } }, { ...load, rate: 100 / 3, maxInFlight: 9 }), [
    /: 9 were under way; the service was too slow for 33\.3\/s or/,
  ]);
  t.same(messages({ dropped: { warmup: 0, measure: 7 } }, closed), [
    'the load generator dropped 7 iterations in the window: 60 s were over before they could start; the service was too slow, or load/duration is too short',
  ]);
});
t.test('the rate is missed below 99.5 % of what was due', async (t) => {
  t.same(codes({ iterations: 995 }), []);
  t.same(codes({ iterations: 994 }), ['rate-missed']);
  t.same(
    codes({ due: 1005, iterations: 1000 }),
    [],
    'of Poisson arrivals there may be more or fewer than rate and window say',
  );
  t.same(codes({ due: 900, iterations: 900 }), []);
  t.same(codes({ due: 1006, iterations: 1000 }), ['rate-missed']);
  t.same(messages({ iterations: 500 }), [
    '50.0 iterations per second ended, 100.0 were due (at least 99.5 % is needed)',
  ]);
  t.same(messages({ iterations: 994 }, closed), ['994 of 1000 iterations ended'], 'a closed model has no rate');
});
t.test('one iteration at the edge of a short window is no miss', async (t) => {
  t.same(judgeValidity({ ...good, due: 100, iterations: 99 }, { ...load, durationS: 1 }, allow), []);
  t.same(codes({ due: 100, iterations: 98 }), ['rate-missed']);
});
t.test('start lag above 5 ms', async (t) => {
  t.same(codes({ startLagP99: 0.005 }), []);
  t.same(codes({ startLagP99: 0.0051 }), ['start-lag']);
  t.same(codes({ startLagP99: null }), []);
  t.same(messages({ startLagP99: 0.0123 }), [
    '1 % of the iterations started more than 12.3 ms after their time (at most 5 ms is allowed): the load generator had too little CPU',
  ]);
});
t.test('what both sides of a round feel says nothing of either: start lag beyond the lesser of the two', async (t) => {
  t.same(codes({ startLagP99: 0.4, sharedLagP99: 0.4 }), []);
  t.same(codes({ startLagP99: 0.4, sharedLagP99: 0.396 }), []);
  t.same(codes({ startLagP99: 0.4, sharedLagP99: 0.394 }), ['start-lag']);
  t.same(messages({ startLagP99: 0.02, sharedLagP99: 0.002 }), [
    '1 % of the iterations started more than 18.0 ms later than those of the other side did (at most 5 ms is allowed): the load generator had too little CPU',
  ]);
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
t.test('a clock that was set in the round, either way', async (t) => {
  const go = { atMs: 1_700_000_000_000, steadyMs: 5000 };
  const after = (setByMs: number) => ({ atMs: go.atMs + 12_000 + setByMs, steadyMs: go.steadyMs + 12_000 });
  const set = (setByMs: number) => ({ clockSetByMs: clockSetBy(go, after(setByMs)) });
  for (const good of [0, 6, -6, 100, -100]) t.same(codes(set(good)), [], 'no more than two clocks are read apart');
  t.same(codes(set(101)), ['clock-set']);
  t.same(messages(set(180_000)), [
    'the clock was set forward by 3m 00s in the round: its window and its metrics are not of the same time',
  ]);
  t.match(messages(set(-7_200_500)), [/^the clock was set back by 120m 01s in the round/]);
  t.match(messages(set(-250)), [/^the clock was set back by 0\.3s/]);
  t.equal(steadyAt(go, go.atMs + 2500), 7500, 'what is waited for is on the clock that nobody can set');
});
t.test('failures, host, generator, missing values', async (t) => {
  t.same(codes({ failedShare: 0.0001 }), ['failed-requests']);
  t.same(codes({ steal: 0.11 }), ['host-steal']);
  t.same(codes({ outsideLoad: 0.51 }), ['host-load']);
  t.same(messages({ generatorFailure: 'the load generator ended with exit code 137' }), [
    'the load generator failed: the load generator ended with exit code 137',
  ]);
  t.same(codes({ generatorFailure: 'it was killed' }), ['generator-failed']);
  t.same(codes({ missing: ['latency_p95'] }), ['no-samples']);
});
t.test('events that are left when the time for them is over', async (t) => {
  const left = (backlog: number | null) =>
    messages({ notDrained: { backlog, waitedS: 30.2, allowedS: 30, isFailure: false } });
  t.same(codes({ notDrained: { backlog: 1, waitedS: 1, allowedS: 1, isFailure: true } }), ['not-drained']);
  t.same(left(1312), [
    '1,312 events were neither delivered nor dead-lettered 30.2s after the load ended (broker/drain allows 30.0s)',
  ]);
  t.same(left(1), [
    '1 event was neither delivered nor dead-lettered 30.2s after the load ended (broker/drain allows 30.0s)',
  ]);
  t.same(left(null), [
    'how many events were under way 30.2s after the load ended (broker/drain allows 30.0s) is not known: the trigger service did not say',
  ]);
});
t.test(
  'with disturbances what failed and what was never sent count together, within an allowance of their own',
  async (t) => {
    const of = { ...allow, failedRequests: 0, disturbedFailures: 0.05 };
    const disturbed = (change: Partial<Signals>) =>
      judgeValidity({ ...good, hasDisturbances: true, ...change }, load, of).map(({ message }) => message);
    t.same(disturbed({ failedShare: 0.04 }), []);
    t.same(disturbed({ iterations: good.due * 0.97, dropped: { warmup: 0, measure: good.due * 0.03 } }), []);
    t.same(disturbed({ failedShare: 0.04, iterations: good.due * 0.98 }), [
      '5.92 % of the requests failed or were never sent (at most 5 % is allowed with disturbances)',
    ]);
    t.match(disturbed({ dropped: { warmup: 3, measure: 0 } }), [/dropped 3 iterations in the warm-up/]);
    t.match(judgeValidity({ ...good, failedShare: 0.04 }, load, of)[0]!.message, /at most 0 % is allowed\)/);
  },
);

t.test('a reason says what was seen and what is allowed', async (t) => {
  const [reason] = judgeValidity({ ...good, failedShare: 0.0123 }, load, { ...allow, failedRequests: 0.005 });
  t.equal(reason!.message, '1.23 % of the requests failed (at most 0.5 % is allowed)');
  const why = (...failures: Signals['failures']) =>
    judgeValidity({ ...good, failedShare: 0.5, failures }, load, allow)[0]!.message.split('allowed)')[1];
  t.equal(why({ what: 'status 503', count: 120 }), ': status 503 × 120');
  t.equal(
    why(
      { what: 'status 429', count: 2700, name: 'search' },
      { what: 'refused ECONNREFUSED', count: 9 },
      { what: 'timeout', count: 5, name: 'GET /' },
    ),
    ': status 429 × 2700 (search), refused ECONNREFUSED × 9, timeout × 5 (GET /)',
  );
  t.equal(
    why(
      { what: 'a', count: 9 },
      { what: 'b', count: 5 },
      { what: 'c', count: 2 },
      { what: 'd', count: 1 },
      { what: 'e', count: 1 },
    ),
    ': a × 9, b × 5, c × 2, and 2 more ways',
    'the three most frequent',
  );
  t.same(messages(service({ outOfMemory: true, ended: 137, throttledShare: 0.5 })), [
    'probe went over its memory limit and the kernel killed a process of it',
    'probe ended in the middle of the round with exit code 137',
    "probe was held back by its CPU limit in 50 % of the scheduler's periods (at most 1 % is allowed)",
  ]);
  t.same(messages({ steal: 0.2, outsideLoad: 0.6, missing: ['latency_p95'] }), [
    "other machines took 20 % of this host's CPU time (at most 10 % is allowed)",
    "processes outside of the run used 60 % of this host's CPU time (at most 50 % is allowed)",
    'there is no value for the primary metric latency_p95',
  ]);
  t.match(messages({ saturation: 0.9 }), [/90 % was used \(at most 85 % is allowed\).*--pairing=alternating/]);
});

t.test('shares of the host: stolen, and used by others than the run', async (t) => {
  const edge = (host: { total: number; idle: number; steal: number }, cpuSeconds: number, harness: number) => ({
    atMs: 0,
    steadyMs: 0,
    host,
    harness,
    containers: new Map([['a', { cpuSeconds, cfsPeriods: 0, cfsThrottledPeriods: 0 }]]),
  });
  const shares = hostShares(
    edge({ total: 100, idle: 50, steal: 0 }, 10, 1),
    edge({ total: 120, idle: 60, steal: 1 }, 15, 2),
  );
  t.match(shares, { steal: 0.05, outsideLoad: 3 / 20 }); // 20 s pass, 10 idle, 1 stolen, 5 + 1 our own
});

t.test('/proc/stat', async (t) => {
  t.same(parseProcStat('cpu  100 200 300 400 500 600 700 800 9 9\ncpu0 1 1 1 1\n'), { total: 36, idle: 9, steal: 8 });
});

t.test('events that were lost or dead-lettered beyond what is allowed; records that are not whole', async (t) => {
  const fine = { deliveries: 4500, lost: 0, deadLettered: 0, deadLetters: [], missing: [] };
  t.same(messages({ events: fine }), []);
  t.same(messages({ events: { ...fine, deliveries: 0 } }), [], 'nothing was sent: that is the matter of the metrics');
  t.same(messages({ events: { ...fine, lost: 1 } }), [
    '1 of 4,500 deliveries was lost, 0.0222 % (at most 0 % is allowed)',
  ]);
  const why = ['mail after 6 attempts: status 500 × 3', 'stock after 1 to 6 attempts: timeout × 2'];
  t.same(messages({ events: { ...fine, deadLettered: 5, deadLetters: why } }), [
    '5 of 4,500 deliveries were dead-lettered, 0.111 % (at most 0 % is allowed): mail after 6 attempts: status 500 × 3; stock after 1 to 6 attempts: timeout × 2',
  ]);
  const events = { ...fine, lost: 45, deadLettered: 45, missing: ['2 records could not be read', 'b', 'c', 'd'] };
  t.same(codes({ events }), ['records-missing', 'events-lost', 'dead-lettered']);
  t.equal(
    messages({ events })[0],
    'the records of its events may not be whole, so no figure of them is exact: 2 records could not be read; b; c',
  );
  const generous = { ...allow, lostEvents: 0.01, deadLettered: 0.01 };
  t.same(
    judgeValidity({ ...good, events: { ...events, missing: [] } }, load, generous),
    [],
    'what is allowed may be reached',
  );
});

t.test('of scenarios each by its own model', async (t) => {
  const users = { kind: 'closed', users: 10, iterations: 2, thinkS: 0, limitS: 30 } as const;
  const rate = { kind: 'open', arrivals: 'constant', rate: 50, durationS: 20 } as const;
  const mixed: Load = {
    ...load,
    model: {
      kind: 'scenarios',
      durationS: 30,
      scenarios: [
        { name: 'uploads', startS: 0, maxInFlight: 10, model: users },
        { name: 'browse', startS: 1, maxInFlight: 7, model: rate },
      ],
    },
    rate: 1000 / 30,
    durationS: 30,
  };
  const none = { warmup: 0, measure: 0 };
  const uploads = {
    name: 'uploads',
    due: 20,
    iterations: 20,
    dropped: none,
    startLagP99: null,
    sharedLagP99: 0,
    endedS: 29.9,
  };
  const browse = {
    name: 'browse',
    due: 1000,
    iterations: 1000,
    dropped: none,
    startLagP99: 0.001,
    sharedLagP99: 0,
    endedS: null,
  };
  const of = (own: Partial<typeof uploads>, other: Partial<typeof browse> = {}) =>
    judgeValidity(
      {
        ...good,
        startLagP99: 9,
        iterations: 0,
        scenarios: [
          { ...uploads, ...own },
          { ...browse, ...other },
        ],
      },
      mixed,
      allow,
    );
  t.same(of({}), [], 'what all of them have sent together says nothing');
  t.same(of({ dropped: { warmup: 0, measure: 3 }, iterations: 17 }), [
    {
      code: 'dropped-iterations',
      message:
        'scenario uploads: the load generator dropped 3 iterations in the window: 30 s were over before they could start; the service was too slow, or load/duration is too short',
    },
    { code: 'rate-missed', message: 'scenario uploads: 17 of 20 iterations ended' },
  ]);
  t.same(of({ endedS: 31.5 }), [
    {
      code: 'rate-missed',
      message:
        'scenario uploads: its last iteration ended 1.5s after the window of 30 s, in which all must be done; the service was too slow, or load/duration is too short',
    },
  ]);
  t.same(
    of({}, { dropped: { warmup: 1, measure: 2 }, iterations: 998, startLagP99: 0.2 }).map(({ message }) => message),
    [
      'scenario browse: the load generator dropped 1 iterations in the warm-up: 7 were under way; the service was too slow for 50/s or load/scenarios/browse/max_in_flight is too low',
      'scenario browse: the load generator dropped 2 iterations in the window: 7 were under way; the service was too slow for 50/s or load/scenarios/browse/max_in_flight is too low',
      `scenario browse: 1 % of the iterations started more than 200.0 ms after their time (at most ${allow.startLagMs} ms is allowed): the load generator had too little CPU`,
    ],
  );
  t.same(
    of({}, { iterations: 900 }).map(({ message }) => message),
    ['scenario browse: 45.0 iterations per second ended, 50.0 were due (at least 99.5 % is needed)'],
    'over its own time, not over that of the window',
  );
  t.same(of({}, { startLagP99: 0.2, sharedLagP99: 0.1995 }), [], 'what both sides feel says nothing of either');
});
