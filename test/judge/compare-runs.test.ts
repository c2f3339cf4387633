import t, { type Test } from 'tap';
import { comparable, countedRounds, difference, sideBySide, summarise } from '../../scripts/judge/compare-runs.ts';
import { coefficientOfVariation, median, relativeChange } from '../../scripts/judge/statistics.ts';
import { K6_LOAD, makeComparison, makeRound, makeRun } from '../run-document.ts';

function near(t: Test, actual: number | null, wanted: number): void {
  t.ok(actual !== null && Math.abs(actual - wanted) < 1e-12, `${actual} is ${wanted}`);
}

t.test('statistics', async (t) => {
  t.equal(median([]), null);
  t.equal(median([3]), 3);
  t.equal(median([9, 1, 5]), 5);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.equal(coefficientOfVariation([5]), null);
  t.equal(coefficientOfVariation([5, 5, 5]), 0);
  t.equal(coefficientOfVariation([0, 0]), 0);
  t.equal(coefficientOfVariation([-1, 1]), null);
  near(t, coefficientOfVariation([1, 2, 3]), 0.5);
  near(t, relativeChange(1.1, 1), 0.1);
  t.equal(relativeChange(0, 0), 0);
  t.equal(relativeChange(1, 0), null);
});

t.test('what was deployed already is not compared with what was started', async (t) => {
  const started = makeRun();
  const deployed = { ...makeRun(), deployed: { url: 'https://staging.example.org' } };
  t.strictSame(comparable(started, deployed), [
    'the service of one was started for it, that of the other was deployed at https://staging.example.org',
  ]);
  t.strictSame(comparable(deployed, started), comparable(started, deployed));
  t.strictSame(comparable(deployed, deployed), []);
});

t.test('one side over its rounds', async (t) => {
  const summary = summarise(makeRun(), 'candidate', 'latency_med')!;
  t.match(summary, { median: 0.0012, min: 0.0011, max: 0.0013, rounds: 3 });
  near(t, summary.spread, 1 / 12);
  t.equal(summarise(makeRun(), 'baseline', 'latency_med'), null);
  t.equal(summarise(makeRun(), 'candidate', 'no_such_metric'), null);
});

t.test('a round counts when every side of it is valid', async (t) => {
  const run = makeComparison(1.02);
  const spoilt = run.rounds.map((round) =>
    round.side === 'baseline' && round.round === 2 ? { ...round, valid: false } : round,
  );
  for (const side of ['candidate', 'baseline'] as const) {
    t.strictSame(
      countedRounds({ ...run, rounds: spoilt }, side).map(({ round }) => round),
      [1, 3],
    );
  }
});

t.test('the difference is the median of the changes within each round', async (t) => {
  near(t, difference(makeComparison(1.02), 'latency_med'), 0.02);
  const drifting = makeRun({
    rounds: [
      makeRound('candidate', 1, { latency_med: 1.1 }),
      makeRound('baseline', 1, { latency_med: 1 }),
      makeRound('candidate', 2, { latency_med: 11 }),
      makeRound('baseline', 2, { latency_med: 10 }),
      makeRound('candidate', 3, { latency_med: 50 }),
      makeRound('baseline', 3, { latency_med: 100 }),
    ],
  });
  near(t, difference(drifting, 'latency_med'), 0.1);
  t.equal(difference(makeRun(), 'latency_med'), null, 'one side has none');
});

t.test('two runs beside each other', async (t) => {
  const a = makeRun();
  const b = makeRun({
    run_id: '01B',
    metrics: [
      ...a.metrics,
      { name: 'hits', unit: 'count', better: 'higher', primary: false, margin: 0.01, promql: 'x{$selector}' },
    ],
    rounds: a.rounds.map((round) => ({
      ...round,
      samples: {
        latency_med: { value: round.samples.latency_med!.value * 1.5, unit: 's' },
        hits: { value: 7, unit: 'count' },
      },
    })),
  });
  const rows = new Map(sideBySide(a, b).map((row) => [row.name, row]));
  near(t, rows.get('latency_med')!.difference, 0.5);
  t.match(rows.get('latency_p95'), { b: null, difference: null });
  t.match(rows.get('hits'), { a: null, b: { median: 7 }, difference: null });
});

const CLOSED = { rate: 0, arrivals: undefined, model: 'closed', users: 30, iterations: 1, think_s: 0 } as const;

t.test('two loads of one kind', async (t) => {
  const { load } = makeRun();
  const reasons = (a: object, b: object) =>
    comparable(makeRun({ load: { ...load, ...a } }), makeRun({ load: { ...load, ...b } }));
  const stages = [
    { rate: 100, duration_s: 10 },
    { rate: 300, duration_s: 10 },
  ];
  t.strictSame(reasons({ stages }, { stages: structuredClone(stages) }), [], 'stages are compared by value');
  t.strictSame(reasons({ stages }, { stages: stages.toReversed() }), ['the sequence of stages is another']);
  t.strictSame(reasons(CLOSED, CLOSED), []);
  t.strictSame(reasons(CLOSED, { ...CLOSED, users: 40, iterations: 2, think_s: 1 }), [
    'the number of users is another: 30 and 40',
    'the number of iterations of a user is another: 1 and 2',
    'the think time (seconds) is another: 0 and 1',
  ]);
  t.strictSame(reasons({ timeout_s: 10, workers: 1 }, { timeout_s: 5, workers: 2 }), [
    'the time-out (seconds) is another: 10 and 5',
    'the number of sending threads is another: 1 and 2',
  ]);
  const old = (laid: object) => makeRun({ load: { ...K6_LOAD, ...laid } });
  t.strictSame(comparable(old({}), old({})), [], 'two of before Mayfly had a load generator of its own');
  t.strictSame(comparable(old({}), old({ vus: 60 })), ['the number of virtual users is another: 50 and 60']);
});

t.test('why two runs cannot be compared', async (t) => {
  const a = makeRun();
  const { host, load } = a;
  const cases: [string, Parameters<typeof makeRun>[0], string[]][] = [
    ['the same', {}, []],
    ['another commit', { sides: { candidate: { ref: 'x', commit: 'x', images: [] } } }, []],
    ['another benchmark', { benchmark: 'caddy' }, ['they are runs of different benchmarks: shop and caddy']],
    ['another kernel', { host: { ...host, id: 'other', kernel: '6.2' } }, ['the kernel is another: 6.1.0 and 6.2']],
    ['another host', { host: { ...host, id: 'other' } }, ['the host is another: h0st and other']],
    ['another stack', { stack_version: 'other' }, ['they were measured by different stacks: st4ck and other']],
    [
      'another rate and window',
      { load: { ...load, rate: 300, duration_s: 60 } },
      ['the rate (requests per second) is another: 200 and 300', 'the window (seconds) is another: 20 and 60'],
    ],
    ['another load script', { load: { ...load, workload: '0ther' } }, ['the load script is another']],
    [
      'another limit',
      { load: { ...load, max_in_flight: 9 } },
      ['the limit of iterations in flight is another: 50 and 9'],
    ],
    [
      'other arrivals',
      { load: { ...load, arrivals: 'poisson' } },
      ['the kind of arrivals is another: constant and poisson'],
    ],
    [
      'a rate that moves',
      { load: { ...load, stages: [{ rate: 200, duration_s: 20 }] } },
      ['the sequence of stages is another'],
    ],
    ['users', { load: { ...load, ...CLOSED } }, ['the model of the load is another: open and closed']],
    [
      'another load generator, of another time',
      { load: K6_LOAD },
      ['the load generator is another: mayfly 0.1.0 and k6'],
    ],
    [
      'beside a second side',
      { pairing: 'interleaved' },
      ['one was measured alone, the other beside a second side (solo and interleaved)'],
    ],
    [
      'another pairing',
      { pairing: 'alternating' },
      ['one was measured alone, the other beside a second side (solo and alternating)'],
    ],
    [
      'other CPUs',
      { cpusets: { services: null, loadgen: null, metrics: null } },
      ['their services had different CPU sets'],
    ],
    ['no valid round', { run_id: '01B', rounds: [] }, ['run 01B has no valid round']],
    [
      'another way to read it',
      {
        metrics: a.metrics.map(({ promql, ...metric }) =>
          promql ? { ...metric, cpu: { service: 'search' } } : metric,
        ),
      },
      ['the metric search_p95 is read in another way'],
    ],
    [
      'another query',
      { metrics: a.metrics.map((metric) => (metric.promql ? { ...metric, promql: 'y{$selector}' } : metric)) },
      ['the metric search_p95 is read in another way'],
    ],
  ];
  for (const [what, laid, reasons] of cases) t.strictSame(comparable(a, makeRun(laid)), reasons, what);
  t.strictSame(comparable(makeComparison(1), { ...makeComparison(1), pairing: 'alternating' }), [
    'their sides met in different ways (interleaved and alternating)',
  ]);
});
