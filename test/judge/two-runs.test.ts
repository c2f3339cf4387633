/** Two stored runs: what may be decided of them, and what may not. */
import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import type { Metric, RunDocument } from '../../scripts/documents/run.ts';
import { judgeTwoRuns } from '../../scripts/judge/two-runs.ts';
import { comparisonTable } from '../../scripts/report/run-table.ts';
import { verdictText } from '../../scripts/report/verdict-text.ts';
import { type JudgedOptions, makeComparison, makeJudged, makeRound, makeRun } from '../run-document.ts';

const before = (options: JudgedOptions = {}) => makeJudged({ run_id: '01A', seed: 11, ...options });
const after = (options: JudgedOptions = {}) =>
  makeJudged({
    run_id: '01B',
    seed: 22,
    sides: { ...makeComparison(1).sides, candidate: { ref: 'my-branch', commit: 'c'.repeat(40), images: [] } },
    ...options,
  });

t.test('where neither direction is better, a change either way is told; what is of two scales is not', async (t) => {
  const metrics = (laid: Partial<Metric>) =>
    makeJudged().metrics.map((metric) => ({
      ...metric,
      primary: metric.name === 'latency_med',
      ...(metric.name === 'latency_med' ? laid : {}),
    }));
  const of = (factor: number, laid: Partial<Metric> = { better: 'neither' }) =>
    judgeTwoRuns(
      before({ metrics: metrics(laid) }),
      after({ metrics: metrics(laid), factors: { latency_med: factor } }),
    );
  t.match(of(1.05), { verdict: 'REGRESSION', summary: /^latency med: 5\.\d % slower/ });
  t.match(of(0.95), { verdict: 'REGRESSION', summary: /^latency med: [45]\.\d % faster/ });
  t.match(of(1), { verdict: 'PASS', summary: /^no change of a primary metric above/ });
  t.match(of(1.05, { incomparable: 'the bounds differ' }), {
    verdict: 'INCONCLUSIVE',
    notes: [/^the changes/, /^a run that ends/, 'latency med is primary and has no value to compare'],
  });
});

t.test('through the same baseline', async (t) => {
  const cases: [string, JudgedOptions, JudgedOptions, string][] = [
    ['worse by 5 %', {}, { factors: { latency_med: 1.05 } }, 'REGRESSION'],
    ['better by 5 %', { factors: { latency_med: 1.05 } }, {}, 'IMPROVEMENT'],
    [
      'both worse than the baseline, as much',
      { factors: { latency_med: 1.05 } },
      { factors: { latency_med: 1.05 } },
      'PASS',
    ],
    ['noise that hides 1 %', { noise: 0.1 }, { noise: 0.1 }, 'INCONCLUSIVE'],
    [
      'a difference that is sure and not worth a word',
      { noise: 0.0002 },
      { noise: 0.0002, factors: { latency_med: 1.003 } },
      'PASS',
    ],
    ['another metric that does not gate', {}, { factors: { latency_p95: 2 } }, 'PASS'],
    [
      'one better, one worse',
      { factors: { latency_med: 1.05 } },
      { factors: { cpu_seconds_per_request: 1.05 } },
      'REGRESSION',
    ],
  ];
  for (const [what, a, b, verdict] of cases)
    t.match(judgeTwoRuns(before(a), after(b)), { verdict, kind: 'baseline', run_id: '01B', other_run_id: '01A' }, what);

  const worse = judgeTwoRuns(before(), after({ factors: { latency_med: 1.05 } }));
  t.match(worse, {
    candidate: { ref: 'my-branch', commit: 'c'.repeat(40) },
    baseline: { ref: 'HEAD', commit: 'a'.repeat(40) },
    observations: 24,
    more: null,
    reasons: [],
    method: { design: 'fixed', alpha: 0.01, looks: [24] },
    summary: /^latency med: 5\.\d % slower, 95 % interval [\d.]+ to [\d.]+ %$/,
  });
  const { change, interval, worse: bounds } = worse.metrics.find(({ name }) => name === 'latency_med')!;
  t.ok(
    interval!.low < 0.05 && interval!.high > 0.05 && Math.abs(change! - 0.05) < 0.005,
    'the estimate is near what was done',
  );
  t.ok(bounds.at_least! > 0.03 && bounds.at_least! < interval!.low);
  t.match(
    worse.notes.join('\n'),
    /a run that ends as soon as it is decided overstates what it found; npm run bench -- --commit=c{40} --against=a{40} is free of that/,
  );
  t.notMatch(
    judgeTwoRuns(
      before({ comparison: { design: 'fixed', min: 12, max: 12 } }),
      after({ comparison: { design: 'fixed', min: 12, max: 12 } }),
    ).notes.join(),
    'overstates',
  );
});

t.test('where more is better the direction turns', async (t) => {
  const metrics = makeRun().metrics.map((metric) => ({ ...metric, primary: metric.name === 'request_rate' }));
  t.match(judgeTwoRuns(before({ metrics }), after({ metrics, factors: { request_rate: 0.9 } })), {
    verdict: 'REGRESSION',
    summary: /^requests: 10\.\d % less/,
  });
  t.match(judgeTwoRuns(before({ metrics }), after({ metrics, factors: { request_rate: 1.1 } })), {
    verdict: 'IMPROVEMENT',
  });
});

t.test('too few observations decide nothing, however far apart', async (t) => {
  t.match(judgeTwoRuns(before({ count: 3 }), after({ count: 3, factors: { latency_med: 3 } })), {
    verdict: 'INCONCLUSIVE',
    observations: 6,
  });
});

t.test('alternating blocks are observations too', async (t) => {
  const blocks = (run: RunDocument): RunDocument => ({
    ...run,
    pairing: 'alternating',
    rounds: run.rounds.map((round, i) => ({ ...round, round: i + 1, block: Math.floor(i / 4) + 1 })),
  });
  t.match(judgeTwoRuns(blocks(before({ count: 24 })), blocks(after({ count: 24, factors: { latency_med: 1.05 } }))), {
    verdict: 'REGRESSION',
    kind: 'baseline',
    observations: 24,
    pairing: 'alternating',
  });
});

t.test('runs of different times never decide, and say what would', async (t) => {
  const slow = makeRun({
    run_id: '01B',
    sides: { candidate: { ref: 'worktree', commit: `worktree-${'d'.repeat(40)}`, images: [] } },
    rounds: Array.from({ length: 30 }, (_, i) =>
      makeRound('candidate', i + 1, { latency_med: 0.005 + i / 1e6, request_rate: 200, failed_requests: 0 }),
    ),
  });
  const fast = makeRun({
    run_id: '01A',
    rounds: Array.from({ length: 30 }, (_, i) =>
      makeRound('candidate', i + 1, { latency_med: 0.001 + i / 1e6, request_rate: 200, failed_requests: 0 }),
    ),
  });
  const judged = judgeTwoRuns(fast, slow);
  t.match(judged, {
    verdict: 'INCONCLUSIVE',
    kind: 'levels',
    summary: /^two runs at different times cannot decide; latency med: 39\d % slower, 95 % interval/,
  });
  t.match(
    judged.metrics.find(({ name }) => name === 'latency_med'),
    {
      verdict: 'INCONCLUSIVE',
      candidate: 0.0050145,
      baseline: 0.0010145,
      worse: { at_least: null, at_most: null },
      p: null,
      observations: 60,
    },
  );
  t.match(
    judged.metrics.find(({ name }) => name === 'failed_requests'),
    { verdict: null, change: 0 },
  );
  t.match(
    judged.notes.join('\n'),
    `npm run bench -- --commit=worktree --against=${'a'.repeat(40)} measures both in the same moments`,
  );
  t.match(
    judged.notes.join('\n'),
    'latency med: the median of the later run lies outside everything that the rounds of the earlier one showed',
  );
  t.notMatch(judgeTwoRuns(fast, { ...fast, run_id: '01B' }).notes.join('\n'), 'lies outside');
  t.match(judgeTwoRuns(fast, { ...fast, run_id: '01B' }).notes.join('\n'), 'both runs are of the same build');

  const other = after({ factors: { latency_med: 2 } });
  other.sides.baseline = { ...other.sides.baseline!, commit: 'e'.repeat(40) };
  t.match(judgeTwoRuns(before(), other), { verdict: 'INCONCLUSIVE', kind: 'levels' }, 'through different baselines');
});

/** Two runs against one baseline; each round as [candidate, baseline] of `retries`, which alone gates unless said. */
const retries = (better: Metric['better'] = 'lower', primary = ['retries']) => {
  const metrics: Metric[] = [
    ...makeRun().metrics.map((metric) => ({ ...metric, primary: primary.includes(metric.name) })),
    {
      name: 'retries',
      unit: 'count',
      better,
      primary: primary.includes('retries'),
      margin: 0.01,
      promql: 'x{$selector}',
    },
  ];
  const of = (run: RunDocument, values: [number, number][]): RunDocument => ({
    ...run,
    metrics,
    rounds: run.rounds.map((round) => ({
      ...round,
      samples: {
        ...round.samples,
        retries: { value: values[round.round - 1]![round.side === 'candidate' ? 0 : 1], unit: 'count' },
      },
    })),
  });
  return (a: [number, number][], b: [number, number][]) =>
    judgeTwoRuns(of(before({ count: a.length }), a), of(after({ count: b.length }), b));
};
const rounds = (count: number, make: (i: number) => [number, number]) =>
  Array.from({ length: count }, (_, i) => make(i));

t.test('a metric that is 0 in one run is judged on its difference: was 0, is 3', async (t) => {
  const zeros = rounds(12, () => [0, 0]);
  const threes = rounds(12, () => [3, 0]);
  const found = retries()(zeros, threes);
  t.match(found, {
    verdict: 'REGRESSION',
    kind: 'baseline',
    observations: 24,
    summary: 'retries: was 0, is 3, more in 144 of 144 pairs of observations',
  });
  t.match(
    found.metrics.find(({ name }) => name === 'retries'),
    {
      verdict: 'REGRESSION',
      candidate: 3,
      baseline: 0,
      change: null,
      interval: null,
      noise: null,
      difference: { change: 3, more: 144, less: 0, pairs: 144 },
      worse: { at_least: null, at_most: null },
      observations: 24,
    },
  );
  t.ok(
    found.notes.includes(
      'retries is 0 at times, or below it, where there is no ratio: it is judged on its difference from the baseline, and its values are means over the rounds',
    ),
    found.notes.join('\n'),
  );
  t.notMatch(found.notes.join(), 'no value to compare');
  t.match(
    verdictText(found, { color: false }),
    /^ *retries +3 +0 +\+3 +- +more in 144 of 144 pairs of observations +REGRESSION$/m,
  );

  t.match(retries()(threes, zeros), {
    verdict: 'IMPROVEMENT',
    summary: 'retries: was 3, is 0, less in 144 of 144 pairs of observations',
  });
  t.match(retries('higher')(zeros, threes), { verdict: 'IMPROVEMENT' }, 'more is better');
  t.match(retries('higher')(threes, zeros), { verdict: 'REGRESSION', summary: /^retries: was 3, is 0, less in 144/ });
  t.match(retries('neither')(threes, zeros), { verdict: 'REGRESSION', summary: /^retries: was 3, is 0, less in 144/ });
  t.match(retries()(threes, threes), {
    verdict: 'PASS',
    summary: 'retries: was 3, is 3, the same in 144 of 144 pairs of observations',
  });
  t.match(retries()(zeros, zeros), { verdict: 'PASS', summary: 'no increase of a primary metric above 0.00 %' });
  t.match(
    retries('lower', ['retries', 'latency_med'])(threes, threes),
    { verdict: 'PASS', summary: /^no slowdown of a primary metric above \d\.\d+ %; retries: was 3, is 3, the same in/ },
    'beside others',
  );
});

t.test('what the baseline has of it too is taken off, and few rounds or rare events decide nothing', async (t) => {
  const restless = (i: number) => i % 4;
  const of = (more: number) => rounds(12, (i): [number, number] => [restless(i) + more, restless(i)]);
  t.match(retries()(of(0), of(3)), {
    verdict: 'REGRESSION',
    summary: /^retries: was 1\.50, is 4\.50, more in 144 of 144/,
  });
  const three = (value: number) => rounds(3, (): [number, number] => [value, 0]);
  t.match(retries()(three(0), three(3)), {
    verdict: 'INCONCLUSIVE',
    summary: 'not decided by the rounds of the two runs; retries: was 0, is 3, more in 9 of 9 pairs of observations',
  });
  const rare = rounds(12, (i) => [Number(i % 4 === 0), 0]);
  t.match(
    retries()(
      rounds(12, () => [0, 0]),
      rare,
    ),
    { verdict: 'INCONCLUSIVE', summary: /retries: was 0, is 0\.250, more in 36 of 144 pairs of observations$/ },
  );
  t.match(retries()(rare, rare), { verdict: 'INCONCLUSIVE' }, 'zeros exclude no rise of what is rare');
  const once = rounds(24, (i) => [Number(i === 0), 0]);
  t.match(retries()(once, once), { verdict: 'PASS' }, 'next to nothing differs at all');
});

t.test('of 300 pairs of runs that are alike few are found to differ', async (t) => {
  let [worse, better] = [0, 0];
  for (let trial = 0; trial < 300; trial++) {
    const random = generator(17, trial);
    const drawn = () =>
      rounds(10, (): [number, number] => [Math.floor(random() * 4), random() < 0.5 ? 0 : Math.floor(random() * 3)]);
    const { verdict } = retries()(drawn(), drawn());
    worse += Number(verdict === 'REGRESSION');
    better += Number(verdict === 'IMPROVEMENT');
  }
  // At most 1 % each; of 300, more than 12 have a chance below one in ten thousand.
  t.ok(worse <= 12 && better <= 12, `${worse} worse, ${better} better`);
});

t.test('runs of different times say what was 0 too, and decide nothing', async (t) => {
  const of = (run_id: string, values: number[]) =>
    makeRun({
      run_id,
      metrics: makeRun().metrics.map((metric) => ({ ...metric, primary: metric.name === 'failed_requests' })),
      rounds: values.map((value, i) => makeRound('candidate', i + 1, { latency_med: 1, failed_requests: value })),
    });
  const judged = judgeTwoRuns(of('01A', [0, 0, 0]), of('01B', [0, 0.1, 0.2]));
  t.match(judged, {
    verdict: 'INCONCLUSIVE',
    kind: 'levels',
    summary:
      'two runs at different times cannot decide; errors: was 0 %, is 10.0 %, more in 6 of 9 pairs of observations',
  });
  t.match(
    judged.notes.join('\n'),
    'errors is 0 at times, or below it, where there is no ratio: it is told by its difference, and its values are means over the rounds',
  );
  t.match(
    comparisonTable(of('01A', [0, 0, 0]), of('01B', [0.1, 0.1, 0.2]), { color: false }),
    /^ *errors \* +0 % +0 % +10\.0 % +43\.3 % +\+10\.0 % points$/m,
  );
});

t.test('what cannot be compared is INVALID, with every reason', async (t) => {
  const judged = judgeTwoRuns(before(), after({ stack_version: 'other', host: { ...makeRun().host, kernel: '6.2' } }));
  t.match(judged, {
    verdict: 'INVALID',
    summary: 'they cannot be compared: the kernel is another: 6.1.0 and 6.2 (and 1 other reason)',
    metrics: [],
    notes: [],
  });
  t.equal(judged.reasons.length, 2);
  t.match(judgeTwoRuns(makeRun(), makeRun({ rounds: [] })), { verdict: 'INVALID', reasons: [/has no valid round/] });
});

t.test('without a primary metric nothing decides', async (t) => {
  const metrics = makeRun().metrics.map((metric) => ({ ...metric, primary: false }));
  t.match(judgeTwoRuns(before({ metrics }), after({ metrics, factors: { latency_med: 2 } })), {
    verdict: 'INCONCLUSIVE',
    notes: [/ratios/, /overstates/, /no metric of this benchmark is primary/],
  });
});
