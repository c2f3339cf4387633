/** From what the load generator, the kernel and Prometheus say of a round to its samples. */
import t from 'tap';
import type { LoadResultDocument, SideResult } from '../../../loadgen/result.ts';
import type { Context } from '../../../scripts/app/context.ts';
import type { Config, Load } from '../../../scripts/config/types.ts';
import type { Metric, RoundDocument, SideName } from '../../../scripts/documents/run.ts';
import { collect } from '../../../scripts/measure/collect/collect.ts';
import { QueryRefused, type RawSeries } from '../../../scripts/measure/collect/prometheus.ts';
import type { Drained } from '../../../scripts/measure/drain.ts';
import type { Edge } from '../../../scripts/measure/load/edges.ts';
import type { LoadResult } from '../../../scripts/measure/load/generator.ts';
import type { Sides, Stack } from '../../../scripts/stack/run-stack.ts';
import type { SideTelemetry } from '../../../scripts/stack/telemetry.ts';
import { aConfig, aPlan } from '../../fixtures/plan.ts';
import { makeRound, sideResult } from '../../run-document.ts';

const START = Date.UTC(2026, 0, 2);
const OTHER: Metric = {
  name: 'other',
  unit: 'count',
  better: 'lower',
  primary: true,
  margin: 0.01,
  promql: 'sum(other{$selector}[$window])',
};

/**
 * Counters: of the candidate's container, of the baseline's, of the load generator; of the host, of which 2 s were idle
 * in 10.
 */
const edge = (
  atMs: number,
  [candidate, baseline, loadgen, total, idle]: [number, number, number, number, number],
): Edge => ({
  atMs,
  steadyMs: atMs - START,
  harness: 0,
  host: { total, idle, steal: 0 },
  containers: new Map(
    Object.entries({ candidate, baseline, loadgen }).map(([id, cpuSeconds]) => [
      id,
      { cpuSeconds, cfsPeriods: 0, cfsThrottledPeriods: 0 },
    ]),
  ),
});

const result = (sides: LoadResultDocument['sides']): LoadResultDocument => ({
  schema: 'mayfly.load/v1',
  generator: 'mayfly',
  model: 'open',
  round: 2,
  seed: 1,
  window: { startMs: START, endMs: START + 10_000 },
  sides,
  kept: { rows: 8000, of: 8000 },
});

interface Made {
  names?: SideName[];
  load?: Partial<LoadResult>;
  answers?: Record<string, number | number[] | Error | null>;
  ended?: boolean;
  /** Containers that the harness itself has ended. */
  touched?: string[];
  known?: RoundDocument[];
  metrics?: Metric[];
  /** Containers of the candidate: what has counters -> its service. */
  services?: Record<string, string>;
  config?: Partial<Config>;
  /** Folders of the candidate, as the sidecar gives them. */
  telemetry?: SideTelemetry;
  drained?: Drained[];
  /** What the exporter's series hold. */
  scraped?: RawSeries[];
}

async function collected({
  names = ['candidate', 'baseline'],
  load = {},
  answers = { memory: 5e7, other: 3 },
  ended = false,
  touched = [],
  known,
  metrics = [OTHER],
  services,
  config = {},
  telemetry,
  drained,
  scraped = [],
}: Made) {
  const asked: [string, number][] = [];
  const query = async (promql: string, at: number) => {
    asked.push([promql, at]);
    const value = answers[promql.includes('memory') ? 'memory' : 'other'] ?? null;
    if (value instanceof Error) throw value;
    return value === null
      ? []
      : [value].flat().map((one, i) => ({ labels: { route: `/${i}`, side: 'x' }, value: one }));
  };
  const samples = async () => scraped;
  const containers = services
    ? Object.entries(services).map(([id, service]) => ({ id, name: id, side: 'candidate', service, replica: 1 }))
    : names.map((side) => ({ id: side, name: `p-${side}`, side, service: 'probe', replica: 1 }));
  const plan = aPlan(names, { config: aConfig({ metrics, ...config }) });
  const sides = {
    plan,
    round: 2,
    containers,
    telemetry: telemetry ? [telemetry] : [],
    targets: [],
    touched: new Set(touched),
    tenants: () => null,
    incidents: (side: SideName) =>
      ended && touched.length === 0 && side === 'baseline' ? [{ service: 'probe', action: 'die', exitCode: 7 }] : [],
  } as unknown as Sides;
  const stack = { ready: Promise.resolve({ prometheus: { query, samples } }) } as unknown as Stack;
  const ctx = {
    now: () => START + 20_000,
    engine: {
      inspect: async (id: string) => ({
        id,
        name: `p-${id}`,
        labels: {},
        status: ended && id === 'baseline' ? 'exited' : 'running',
        running: !ended || id !== 'baseline',
        exitCode: ended && id === 'baseline' ? 7 : 0,
        oomKilled: false,
        restartCount: 0,
        health: null,
        probe: null,
      }),
      logs: async () => ({ all: 'no such table: orders\n' }),
    },
  } as unknown as Context;
  const measured: LoadResult = {
    startMs: START,
    endMs: START + 10_000,
    go: { atMs: START - 3000, steadyMs: -3000 },
    endSteadyMs: 10_000,
    before: edge(START, [1, 2, 3, 1000, 500]),
    after: edge(START + 10_000, [3, 3, 4, 1020, 512]),
    result: result(names.map((side) => sideResult(side, side === 'candidate' ? 0.002 : 0.001))),
    failure: null,
    ...load,
  };
  return { rounds: await collect(measured, sides, stack, ctx, { known, drained }), asked };
}

t.test('scenarios: samples of each, and reasons by its own model', async (t) => {
  const scenarios = (done: number, endedS: number, lag: number): SideResult['scenarios'] => {
    const { latency } = sideResult('candidate', 0.4);
    const common = { dropped: { warmup: 0, measure: 0 }, requests: 10, bytesSent: 1e9 };
    return [
      {
        ...common,
        name: 'uploads',
        model: 'closed',
        due: 10,
        iterations: 10,
        done,
        failed: 10 - done,
        duration: done > 0 ? { ...latency!, count: done } : null,
        startLag: null,
        endedS,
      },
      {
        ...common,
        name: 'browse',
        model: 'open',
        due: 100,
        iterations: 100,
        done: 100,
        failed: 0,
        duration: latency,
        startLag: { ...latency!, p99: lag },
        endedS: null,
      },
    ];
  };
  const sides = [
    { ...sideResult('candidate'), scenarios: scenarios(10, 8, 0.2) },
    { ...sideResult('baseline'), scenarios: scenarios(0, 12.5, 0.001) },
  ];
  const withScenarios: Load = {
    ...aConfig().load,
    model: {
      kind: 'scenarios',
      durationS: 10,
      scenarios: [
        {
          name: 'uploads',
          startS: 0,
          maxInFlight: 10,
          model: { kind: 'closed', users: 10, iterations: 1, thinkS: 0, limitS: 10 },
        },
        {
          name: 'browse',
          startS: 0,
          maxInFlight: 10,
          model: { kind: 'open', arrivals: 'constant', rate: 10, durationS: 10 },
        },
      ],
    },
  };
  const { rounds } = await collected({ load: { result: result(sides) }, config: { load: withScenarios } });
  const [candidate, baseline] = rounds.map(({ document }) => document);
  t.match(candidate!.samples, {
    uploads_avg: { value: 0.48, unit: 's' },
    uploads_p95: { value: 1.2000000000000002, unit: 's' },
    uploads_done: { value: 10, unit: 'count' },
    uploads_failed: { value: 0, unit: 'count' },
    browse_med: { value: 0.4, unit: 's' },
    browse_done: { value: 100, unit: 'count' },
  });
  t.notOk('uploads_avg' in baseline!.samples, 'of iterations that all failed there are no times');
  t.match(baseline!.samples, { uploads_done: { value: 0 }, uploads_failed: { value: 10 } });
  t.match(candidate!.reasons, [{ code: 'start-lag', message: /^scenario browse: .* more than 199\.0 ms later/ }]);
  t.match(baseline!.reasons, [
    { code: 'rate-missed', message: /^scenario uploads: its last iteration ended 2\.5s after/ },
  ]);
  const alone = { ...sideResult('candidate'), due: 12, response: null, startLag: null };
  const closed = await collected({
    load: { result: result([{ ...alone, duration: { ...alone.latency!, count: 10 } }]) },
    names: ['candidate'],
  });
  t.match(closed.rounds[0]!.document.samples, {
    iteration_med: { value: 0.001, unit: 's' },
    iteration_done: { value: 10 },
    iteration_failed: { value: 2 },
  });
});

t.test('the samples of both sides, each with what is its own', async (t) => {
  const { rounds, asked } = await collected({});
  t.same(
    rounds.map(({ document: { side, round, valid, started_at, window_s } }) => ({
      side,
      round,
      valid,
      started_at,
      window_s,
    })),
    ['candidate', 'baseline'].map((side) => ({
      side,
      round: 2,
      valid: true,
      started_at: '2026-01-02T00:00:00.000Z',
      window_s: 10,
    })),
  );
  const [candidate, baseline] = rounds.map(({ document }) => document.samples);
  t.same(candidate, {
    latency_avg: { value: 0.0024, unit: 's' },
    latency_min: { value: 0.0004, unit: 's' },
    latency_med: { value: 0.002, unit: 's' },
    latency_max: { value: 0.04, unit: 's' },
    latency_p90: { value: 0.004, unit: 's' },
    latency_p95: { value: 0.006, unit: 's' },
    latency_p99: { value: 0.01, unit: 's' },
    response_avg: { value: 0.0024, unit: 's' },
    response_med: { value: 0.002, unit: 's' },
    response_max: { value: 0.04, unit: 's' },
    response_p90: { value: 0.004, unit: 's' },
    response_p95: { value: 0.006, unit: 's' },
    response_p99: { value: 0.01, unit: 's' },
    start_lag_p99: { value: 0.01, unit: 's' },
    request_rate: { value: 400, unit: '1/s' },
    failed_requests: { value: 0, unit: 'ratio' },
    cpu_seconds_per_request: { value: 2 / 4000, unit: 's' },
    memory_peak: { value: 5e7, unit: 'bytes' },
    other: { value: 3, unit: 'count' },
  });
  t.equal(baseline!.latency_med!.value, 0.001);
  t.equal(baseline!.cpu_seconds_per_request!.value, 1 / 4000);
  t.ok(
    asked.some(([promql, at]) => promql === 'sum(other{side="baseline",round="2"}[10000ms])' && at === START + 10_000),
    'over the window, at its end',
  );
});

t.test('CPU time of each service, per request: of the round, and as a metric', async (t) => {
  const cpu = (service: string): Metric => ({
    ...{ name: `${service}_cpu`, unit: 's', better: 'lower', primary: true, margin: 0.01, cpu: { service } },
  });
  const metrics = [cpu('producer'), cpu('consumer')];
  const services = { loadgen: 'producer', candidate: 'consumer', baseline: 'consumer' };
  const [made] = (await collected({ names: ['candidate'], services, metrics })).rounds;
  const { document } = made!;
  t.strictSame(document.services, [
    { service: 'consumer', cpu_seconds_per_request: 3 / 4000 },
    { service: 'producer', cpu_seconds_per_request: 1 / 4000 },
  ]);
  t.same(document.samples.consumer_cpu, { value: 3 / 4000, unit: 's' }, 'both replicas');
  t.same(document.samples.producer_cpu, { value: 1 / 4000, unit: 's' });
  t.same(document.samples.cpu_seconds_per_request, { value: 4 / 4000, unit: 's' }, 'all of them together');
  t.notOk(document.reasons.some(({ code }) => code === 'no-samples'));
  const [alone] = (await collected({})).rounds;
  t.notOk('services' in alone!.document, 'of one service there is nothing to tell apart');
  const [silent] = (
    await collected({ names: ['candidate'], services, metrics, load: { result: null, failure: 'it died' } })
  ).rounds;
  t.notOk('services' in silent!.document, 'no request was sent');
  t.match(silent!.unread, [{ name: 'producer_cpu', why: 'no request was sent in the window' }, {}]);
});

t.test('what each container of a service used', async (t) => {
  const values = Array.from({ length: 10 }, (_, i): [number, number] => [START + 500 + i * 1000, 5e7 + i]);
  const of = (service: string) => ({
    labels: { __name__: 'container_memory_working_set_bytes', service, replica: '2' },
    values,
  });
  const [made] = (await collected({ names: ['candidate'], scraped: [of('probe'), of('sidecar')] })).rounds;
  t.match(made!.document.resources, [{ service: 'probe', replica: 2, memory_peak: 5e7 + 9, cpu_peak: 0 }]);
  t.equal(made!.document.resources!.length, 1);
  t.equal(made!.document.resources![0]!.memory_floor!.length, 5);
  t.notOk('resources' in (await collected({})).rounds[0]!.document, 'without a series there is nothing');
});

t.test('with a broker: what became of the events, their metrics, and no file is left', async (t) => {
  const trigger = { name: 'mail', filter: {}, subscriber: 'http://mail:8080/', retries: 5 };
  const broker = {
    ...{ kind: 'nats', file: '/nats.yaml', url: 'nats://broker:4222', services: ['mail'], drainS: 30 },
    ...{ triggers: [{ ...trigger, backoffS: 0.1, timeoutS: 5, maxInFlight: 16 }], recordsBytes: 2 ** 20 },
  };
  const discarded: boolean[] = [];
  const state = { files: 0, bytes: 0, fullMs: START, stopped: null, refused: [], refusedCount: 0 };
  const telemetry = {
    side: 'candidate',
    end: async () => ({ services: [{ service: 'mail', paths: [], state }] }),
    discard: async () => void discarded.push(true),
  } as unknown as SideTelemetry;
  const config: Partial<Config> = { broker: { ...broker, notDrained: 'invalid' } };
  const drained: Drained[] = [{ side: 'candidate', drained: false, backlog: 3, waitedS: 30.2 }];
  const made: Made = { names: ['candidate'], config, telemetry, drained };
  const [round] = (await collected(made)).rounds;
  const { events, samples, reasons } = round!.document;
  t.match(events, { sent: 0, drained: false, drain_s: null, records: 0 });
  t.match(samples, { events_sent: { value: 0, unit: 'count' }, backlog_peak: { value: 0, unit: 'count' } });
  t.notOk('telemetry' in round!.document);
  t.strictSame(
    reasons.map(({ code }) => code).filter((code) => code !== 'start-lag'),
    ['not-drained', 'records-missing'],
  );
  t.strictSame(discarded, [true]);
  await collected({ ...made, config: { ...config, keep: true } });
  t.strictSame(discarded, [true], 'with --keep they stay');
  t.notOk('events' in (await collected({})).rounds[0]!.document);
});

t.test('what validity goes by', async (t) => {
  const failing = {
    ...sideResult('baseline', 0.001),
    due: 4001,
    iterations: 3999,
    dropped: { warmup: 1, measure: 2 },
    failed: 40,
    failures: [
      { kind: 'status', detail: '503', count: 39, example: { name: 'GET /', message: 'status 503' } },
      { kind: 'timeout', detail: '', count: 1, example: { name: 'GET /', message: 'not done' } },
    ],
  };
  const {
    rounds: [candidate, baseline],
  } = await collected({ load: { result: result([sideResult('candidate', 0.002), failing]) }, ended: true });
  t.match(candidate!.detail.signals, {
    due: 4000,
    iterations: 4000,
    dropped: { warmup: 0, measure: 0 },
    startLagP99: 0.01,
    sharedLagP99: 0.005,
    failedShare: 0,
    failures: [],
    generatorFailure: null,
    missing: [],
    services: [{ service: 'probe', ended: null }],
  });
  t.match(baseline!.detail.signals, {
    due: 4001,
    iterations: 3999,
    dropped: { warmup: 1, measure: 2 },
    startLagP99: 0.005,
    sharedLagP99: 0.005,
    failedShare: 0.01,
    failures: [
      { what: 'status 503', count: 39 },
      { what: 'timeout', count: 1 },
    ],
    services: [{ service: 'probe', outOfMemory: false, ended: 7 }],
    outsideLoad: (20 - 12 - 4) / 20,
    saturation: 4 / 20,
  });
  t.same(
    baseline!.document.reasons.map(({ code }) => code),
    ['dropped-iterations', 'dropped-iterations', 'restarted', 'failed-requests'],
  );
  t.same(baseline!.detail.load, failing, 'all of the result is kept');
  t.same(baseline!.document.answers, {
    requests: 4000,
    failed: 40,
    names: [{ name: 'GET /', requests: 4000, failed: 0, answers: [] }],
  });
  t.equal(candidate!.unwell, '');
  t.equal(
    baseline!.unwell,
    '  p-baseline: ended with exit code 7\n    the last lines of its log:\n      no such table: orders',
    'what a container said before it ended',
  );
});

t.test('a clock that was set while the load went on; a side that fails every request', async (t) => {
  const set = edge(START + 10_000, [3, 3, 4, 1020, 512]);
  const {
    rounds: [round],
  } = await collected({ load: { after: { ...set, steadyMs: set.steadyMs + 300_000 } } });
  t.same(
    round!.document.reasons.map(({ code, message }) => [code, message.split(' in the round')[0]]),
    [['clock-set', 'the clock was set back by 5m 00s']],
  );
  const failing = { ...sideResult('candidate'), failed: 4000 };
  const { rounds } = await collected({ load: { result: result([failing, sideResult('baseline')]) } });
  t.match(rounds[0]!.unwell, /^ {2}p-candidate: running\n {4}the last lines of its log:\n {6}no such table: orders$/);
  t.equal(rounds[1]!.unwell, '');
});

t.test('a generator that failed: no latency, no rate, and why', async (t) => {
  const {
    rounds: [candidate],
  } = await collected({ names: ['candidate'], load: { result: null, failure: 'it was killed' } });
  t.same(Object.keys(candidate!.document.samples).sort(), ['failed_requests', 'memory_peak', 'other', 'request_rate']);
  t.match(candidate!.document.reasons[0], {
    code: 'generator-failed',
    message: 'the load generator failed: it was killed',
  });
  t.same(candidate!.detail.load, null);
});

t.test('a generator that measures no latency; a primary metric without a value', async (t) => {
  const counted = { ...sideResult('candidate'), latency: null, response: null, startLag: null };
  const {
    rounds: [candidate],
  } = await collected({ names: ['candidate'], load: { result: result([counted]) }, answers: { memory: 5e7 } });
  t.same(Object.keys(candidate!.document.samples).sort(), [
    'cpu_seconds_per_request',
    'failed_requests',
    'memory_peak',
    'request_rate',
  ]);
  t.match(candidate!.detail.signals, { startLagP99: null, sharedLagP99: 0, saturation: null, missing: ['other'] });
  t.match(candidate!.document.reasons, [{ code: 'no-samples' }]);
});

t.test('a primary metric that its side never had in a comparison does not spoil the round', async (t) => {
  const answers = { memory: 5e7 };
  const earlier = (side: SideName, values: Record<string, number>) => makeRound(side, 1, values);
  const known = [earlier('candidate', {}), earlier('baseline', { other: 3 })];
  const {
    rounds: [candidate, baseline],
  } = await collected({ answers, known });
  t.match(candidate!.document, { valid: true, reasons: [] });
  t.match(candidate!.unread, [{ name: 'other', isLeftOut: true }]);
  t.match(baseline!.document.reasons, [{ code: 'no-samples' }], 'a value that was there before is missed');
  t.notOk('isLeftOut' in baseline!.unread[0]!);
  const {
    rounds: [first],
  } = await collected({ answers, known: [] });
  t.match(first!.document, { valid: true }, 'in the first round too');
});

t.test('a metric without a value says what its query gives instead', async (t) => {
  const gives = async (other: number | number[] | Error | null) =>
    (await collected({ names: ['candidate'], answers: { memory: 5e7, other } })).rounds[0]!.unread;
  const said = (why: string) => [{ name: 'other', promql: OTHER.promql, why }];
  t.same(await gives(3), []);
  t.same(await gives(null), said('its query gives nothing'));
  t.same(await gives(Number.NaN), said('its query gives NaN, as after a division by 0'));
  t.same(
    await gives([1, 2, 3]),
    said(
      'its query gives 3 series ({route="/0"}, {route="/1"}, ...) and must give one: put sum() or the like around it',
    ),
  );
  t.same(
    await gives(new QueryRefused("the run's Prometheus refused: found duplicate series")),
    said("its query fails, the run's Prometheus refused: found duplicate series"),
  );
  await t.rejects(gives(new Error('no answer')), 'any other failure ends the run');
});

t.test("a replica that the harness has ended is nobody's fault", async (t) => {
  const { rounds } = await collected({ ended: true, touched: ['baseline'] });
  t.same(
    rounds.map(({ document: { reasons } }) => reasons),
    [[], []],
  );
});

t.test('a replica that has come in the window counts from 0, and one whose last reading is kept to that', async (t) => {
  const services = { candidate: 'probe', baseline: 'probe', loadgen: 'probe' };
  const containers = (one: Edge, ...gone: string[]): Edge => ({
    ...one,
    containers: new Map([...one.containers].filter(([id]) => !gone.includes(id))),
  });
  const { rounds } = await collected({
    names: ['candidate'],
    services,
    load: {
      before: containers(edge(START, [1, 2, 3, 1000, 500]), 'loadgen'),
      after: edge(START + 10_000, [3, 2.5, 4, 1020, 512]),
    },
  });
  const { value } = rounds[0]!.document.samples.cpu_seconds_per_request!;
  t.equal(Number((value * 4000).toFixed(6)), 2 + 0.5 + 4);
});
