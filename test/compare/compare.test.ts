import t, { type Test } from 'tap';
import { comparable, countedRounds, difference, sideBySide, summarise } from '../../scripts/compare/compare.ts';
import { median, relativeChange, relativeSpread } from '../../scripts/compare/statistics.ts';
import { makeComparison, makeRound, makeRun } from '../run-document.ts';


function near(t: Test, actual: number | null, wanted: number): void {
  t.ok(actual !== null && Math.abs(actual - wanted) < 1e-12, `${actual} is ${wanted}`);
}

t.test('statistics', async (t) => {
  t.equal(median([]), null);
  t.equal(median([3]), 3);
  t.equal(median([9, 1, 5]), 5);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.equal(relativeSpread([5]), null);
  t.equal(relativeSpread([5, 5, 5]), 0);
  t.equal(relativeSpread([0, 0]), 0);
  t.equal(relativeSpread([-1, 1]), null);
  near(t, relativeSpread([1, 2, 3]), 0.5);
  near(t, relativeChange(1.1, 1), 0.1);
  t.equal(relativeChange(0, 0), 0);
  t.equal(relativeChange(1, 0), null);
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
  const spoilt = run.rounds.map((round) => (round.side === 'baseline' && round.round === 2 ? { ...round, valid: false } : round));
  for (const side of ['candidate', 'baseline'] as const) {
    t.strictSame(countedRounds({ ...run, rounds: spoilt }, side).map(({ round }) => round), [1, 3]);
  }
});

t.test('the difference is the median of the changes within each round', async (t) => {
  near(t, difference(makeComparison(1.02), 'latency_med'), 0.02);
  const drifting = makeRun({
    rounds: [
      makeRound('candidate', 1, { latency_med: 1.1 }), makeRound('baseline', 1, { latency_med: 1 }),
      makeRound('candidate', 2, { latency_med: 11 }), makeRound('baseline', 2, { latency_med: 10 }),
      makeRound('candidate', 3, { latency_med: 50 }), makeRound('baseline', 3, { latency_med: 100 }),
    ],
  });
  near(t, difference(drifting, 'latency_med'), 0.1);
  t.equal(difference(makeRun(), 'latency_med'), null, 'one side has none');
});

t.test('two runs beside each other', async (t) => {
  const a = makeRun();
  const b = makeRun({
    run_id: '01B',
    metrics: [...a.metrics, { name: 'hits', unit: 'count', better: 'higher', primary: false, margin: 0.01, promql: 'x{$selector}' }],
    rounds: a.rounds.map((round) => ({ ...round, samples: { latency_med: { value: round.samples.latency_med!.value * 1.5, unit: 's' }, hits: { value: 7, unit: 'count' } } })),
  });
  const rows = new Map(sideBySide(a, b).map((row) => [row.name, row]));
  near(t, rows.get('latency_med')!.difference, 0.5);
  t.match(rows.get('latency_p95'), { b: null, difference: null });
  t.match(rows.get('hits'), { a: null, b: { median: 7 }, difference: null });
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
    ['another rate and window', { load: { ...load, rate: 300, duration_s: 60 } }, ['the rate (requests per second) is another: 200 and 300', 'the window (seconds) is another: 20 and 60']],
    ['beside a second side', { pairing: 'interleaved' }, ['one was measured alone, the other beside a second side (solo and interleaved)']],
    ['another pairing', { pairing: 'alternating' }, ['one was measured alone, the other beside a second side (solo and alternating)']],
    ['other CPUs', { cpusets: { services: null, loadgen: null, metrics: null } }, ['their services had different CPU sets']],
    ['no valid round', { run_id: '01B', rounds: [] }, ['run 01B has no valid round']],
    ['another query', { metrics: a.metrics.map((metric) => (metric.promql ? { ...metric, promql: 'y{$selector}' } : metric)) }, ['the metric search_p95 is read in another way']],
  ];
  for (const [what, laid, reasons] of cases) t.strictSame(comparable(a, makeRun(laid)), reasons, what);
  t.strictSame(comparable(makeComparison(1), { ...makeComparison(1), pairing: 'alternating' }), ['their sides met in different ways (interleaved and alternating)']);
});
