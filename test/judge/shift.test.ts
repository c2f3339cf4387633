/**
 * Metrics without a ratio (0 on one side, or below it), metrics of which neither direction is better, and metrics that
 * cannot be judged at all. Simulations are seeded; their bounds are such that a judge that keeps its promises passes with
 * any seed but one in a million.
 */
import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { normal } from '../../scripts/dev/perf/verdict-models.ts';
import type { Better, Metric } from '../../scripts/documents/run.ts';
import { binomialAtMost } from '../../scripts/judge/clopper-pearson.ts';
import { effectWords } from '../../scripts/judge/effect-text.ts';
import { observationsOf, type Pair, pairsOf } from '../../scripts/judge/observations.ts';
import { excludesMargin, lacksRatios, shiftOf } from '../../scripts/judge/shift.ts';
import { ALPHA, judge, LEAST, type MetricPairs } from '../../scripts/judge/verdict.ts';
import { makeRound } from '../run-document.ts';

const sequential = { design: 'sequential', min: LEAST, max: 40 } as const;
type Random = () => number;

const metricOf = (better: Better, laid: Partial<Metric> = {}): Metric => ({
  name: 'retries',
  unit: 'count',
  better,
  primary: true,
  margin: 0.01,
  ...laid,
});
const pairsFrom = (candidate: number[], baseline: number[]): Pair[] =>
  candidate.map((value, i) => ({ candidate: value, baseline: baseline[i % baseline.length]! }));
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const decide = (pairs: readonly (Pair | null)[], better: Better = 'lower', laid: Partial<Metric> = {}) =>
  judge([{ metric: metricOf(better, laid), pairs }], sequential, false);

function poisson(mean: number, random: Random): number {
  let [count, term] = [0, Math.exp(-mean)];
  for (let sum = term, drawn = random(); drawn > sum && count < 1000; sum += term) term *= mean / ++count;
  return count;
}

t.test('was 0, is 3: found after ten rounds, and said', async (t) => {
  const found = decide(pairsFrom(Array(40).fill(3), [0]));
  t.match(found, { verdict: 'REGRESSION', observations: 10, decided: true });
  t.match(found.metrics[0], {
    verdict: 'REGRESSION',
    candidate: 3,
    baseline: 0,
    change: null,
    interval: null,
    noise: null,
    difference: { change: 3, more: 10, less: 0 },
    observations: 10,
    p: { worse: 2 ** -10 },
    words: 'was 0, is 3, more in 10 of 10 observations',
  });
  const back = decide(pairsFrom(Array(40).fill(0), [3]));
  t.match(back, { verdict: 'IMPROVEMENT' });
  t.equal(back.metrics[0]!.words, 'was 3, is 0, less in 10 of 10 observations');
  t.match(decide(pairsFrom(Array(40).fill(3), [0]), 'higher'), { verdict: 'IMPROVEMENT' }, 'more is better');
  const rare = decide(
    pairsFrom(
      times(40, (i) => Number(i % 3 === 0)),
      [0],
    ),
  );
  t.match(rare, { verdict: 'REGRESSION' }, 'one in three rounds');
  t.match(
    rare.metrics[0]!.words,
    /^was 0, is 0\.\d+, more in \d+ of \d+ observations$/,
    'the mean, where the median is 0',
  );
});

t.test('one in forty rounds is no REGRESSION, and what is known so far is said', async (t) => {
  const once = decide(pairsFrom([1, ...Array(39).fill(0)], [0]));
  t.match(once, { verdict: 'PASS', observations: 20 }, 'at most 5 % of the rounds differ');
  const open = decide(pairsFrom([1, 0, 1, 0, 0, 0, 1, 0], [0]));
  t.match(open, { verdict: 'INCONCLUSIVE', decided: false });
  t.equal(open.metrics[0]!.words, 'was 0, is 0.375, more in 3 of 8 observations');
  t.ok(open.more! > 0, 'it says how many more');
  t.equal(decide(pairsFrom([3, 3, 3, 3, 3, 3], [0])).more, 4, 'as soon as ten can be enough');
});

t.test('with ratios in nearly all rounds nothing changes; below 0 there is none', async (t) => {
  const one: Pair = { candidate: 2, baseline: 1 };
  t.equal(lacksRatios([...Array(19).fill(one), { candidate: 0, baseline: 1 }]), false, '5 %');
  t.equal(lacksRatios([...Array(18).fill(one), { candidate: 0, baseline: 1 }]), true);
  t.equal(
    lacksRatios([...Array(38).fill({ candidate: 0, baseline: 0 }), { candidate: 0, baseline: 1 }]),
    true,
    '0 and 0 tell nothing',
  );
  t.equal(lacksRatios([]), false);
  t.match(decide(pairsFrom(Array(40).fill(2), [-1])), {
    verdict: 'REGRESSION',
    metrics: [{ words: 'was -1, is 2, more in 10 of 10 observations' }],
  });
  t.match(shiftOf(metricOf('higher'), pairsFrom([0, 5], [2])), {
    isDifference: true,
    values: [2, -3],
    effect: -0.5,
    margin: 0.02,
  });
});

t.test('a PASS on differences excludes a rise by the margin of the own value', async (t) => {
  const zeros = pairsFrom(
    times(20, (i) => (i % 5 === 1 ? 0 : 1.1)),
    times(20, (i) => (i % 10 === 0 ? 0 : 1)),
  );
  t.equal(excludesMargin(metricOf('lower', { margin: 0.5 }), zeros, 0.05), true);
  t.equal(excludesMargin(metricOf('lower', { margin: 0.01 }), zeros, 0.05), false, 'not by so little');
  t.equal(excludesMargin(metricOf('neither', { margin: 0.01 }), zeros, 0.05), false);
  t.equal(excludesMargin(metricOf('lower'), pairsFrom([0, 0], [0]), 0.05), false, 'two rounds exclude nothing');
});

t.test('both sides of a block with a 0 in it are arithmetic means', async (t) => {
  const round = (side: 'candidate' | 'baseline', number: number, value: number) => ({
    ...makeRound(side, number, { hits: value }),
    block: 1,
  });
  const of = (values: [number, number, number, number]) =>
    pairsOf(
      observationsOf({
        pairing: 'alternating',
        rounds: values.map((value, i) => round(i < 2 ? 'candidate' : 'baseline', i + 1, value)),
      }),
      'hits',
    );
  t.same(of([0, 6, 1, 4]), [{ candidate: 3, baseline: 2.5 }], 'the geometric one of 0 and 6 would be 0');
  t.same(of([2, 8, 1, 4]), [{ candidate: 4, baseline: 2 }]);
});

/** Metrics with zeros in them, of two sides; `factor`: how much more the candidate has. */
const MODELS: Record<string, (random: Random, factor: number, kept: Record<string, number>) => Pair> = {
  rare: (random, factor) => ({ candidate: poisson(0.1 * factor, random), baseline: poisson(0.1, random) }),
  some: (random, factor) => ({ candidate: poisson(0.5 * factor, random), baseline: poisson(0.5, random) }),
  bursts: (random, factor) => {
    const level = random() < 0.2 ? 20 : 0.05; // both sides feel it
    return { candidate: poisson(level * factor, random), baseline: poisson(level, random) };
  },
  'a gauge with zeros': (random, factor) => {
    const side = () => (random() < 0.2 ? 0 : Math.exp(0.3 * normal(random)));
    return { candidate: factor * side(), baseline: side() };
  },
  'hanging together': (random, factor, kept) => {
    const next = (name: string) =>
      (kept[name] = 0.3 * (kept[name] ?? normal(random)) + Math.sqrt(1 - 0.3 ** 2) * normal(random));
    return { candidate: poisson(factor * Math.exp(next('a')), random), baseline: poisson(Math.exp(next('b')), random) };
  },
};
const TRIALS = 400;

function shares(name: string, factor: number, better: Better, others = 0): Record<string, number> {
  const counts: Record<string, number> = { REGRESSION: 0, IMPROVEMENT: 0 };
  for (let trial = 0; trial < TRIALS; trial++) {
    const random = generator(7, trial, name.length);
    const kept = {};
    const input: MetricPairs[] = [
      { metric: metricOf(better), pairs: times(40, () => MODELS[name]!(random, factor, kept)) },
      ...times(others, (i) => ({
        metric: metricOf('lower', { name: `other_${i}` }),
        pairs: times(40, () => ({ candidate: Math.exp(0.01 * normal(random)), baseline: 1 })),
      })),
    ];
    const { verdict } = judge(input, sequential, false);
    counts[verdict] = (counts[verdict] ?? 0) + 1;
  }
  return counts;
}

/** The greatest number of hits that a share of at most `p` still explains. */
function mostHits(p: number): number {
  let hits = 0;
  while (1 - binomialAtMost(hits, TRIALS, p) > 1e-6) hits++;
  return hits;
}

t.test('false alarms stay under what is promised, alone and beside other metrics', async (t) => {
  for (const name of Object.keys(MODELS))
    for (const [better, others] of [
      ['lower', 0],
      ['lower', 2],
      ['neither', 0],
    ] as const) {
      const { REGRESSION, IMPROVEMENT } = shares(name, 1, better, others);
      t.ok(REGRESSION! <= mostHits(ALPHA), `${name}, ${better}, ${others} others: ${REGRESSION} of ${TRIALS}`);
      t.ok(IMPROVEMENT! <= mostHits(better === 'neither' ? 0 : ALPHA), `${name}: ${IMPROVEMENT} improvements`);
    }
});

t.test('what is there is found', async (t) => {
  const least = (share: number) => TRIALS - mostHits(1 - share);
  t.ok(shares('some', 4, 'lower').REGRESSION! >= least(0.9), '2 a round where there was one in every second');
  t.ok(shares('a gauge with zeros', 4, 'lower').REGRESSION! >= least(0.95), 'four times as much');
  t.ok(shares('a gauge with zeros', 4, 'neither').REGRESSION! >= least(0.95), 'either way');
  t.ok(shares('a gauge with zeros', 0.25, 'neither').REGRESSION! >= least(0.95), 'a quarter is a change too');
  const before = (mean: number) => {
    const found = times(TRIALS, (trial) => {
      const random = generator(3, trial);
      return (
        decide(
          pairsFrom(
            times(40, () => poisson(mean, random)),
            [0],
          ),
        ).verdict === 'REGRESSION'
      );
    });
    return found.filter(Boolean).length;
  };
  t.ok(before(1) >= least(0.99), 'was 0, is 1 a round on average');
  t.ok(before(0.5) >= least(0.8), 'was 0, is one in every second round');
});

t.test('where neither direction is better, a change either way is the finding', async (t) => {
  const of = (factor: number, margin = 0.01) => {
    const random = generator(5);
    const pairs = times(40, () => ({ candidate: factor * Math.exp(0.01 * normal(random)), baseline: 1 }));
    return decide(pairs, 'neither', { name: 'queries_per_request', margin });
  };
  t.match(of(1.05), { verdict: 'REGRESSION', metrics: [{ words: /^\d\.\d % more, 95 % interval/ }] });
  const fewer = of(0.95);
  t.match(fewer, { verdict: 'REGRESSION', metrics: [{ words: /^\d\.\d % less, 95 % interval/, p: { better: 1 } }] });
  t.ok(fewer.metrics[0]!.worse.at_least! > 0 && fewer.metrics[0]!.worse.at_least! < 0.053, 'how far it has changed');
  t.ok(fewer.metrics[0]!.interval!.high < 0, 'the interval is that of the value');
  const same = of(1, 0.02);
  t.match(same, { verdict: 'PASS', metrics: [{ words: /^no change above \d\.\d+ %$/ }] });
  const alarms = times(TRIALS, (trial) => {
    const random = generator(6, trial);
    const pairs = times(40, () => ({ candidate: Math.exp(0.01 * normal(random)), baseline: 1 }));
    return decide(pairs, 'neither').verdict;
  });
  t.ok(alarms.filter((verdict) => verdict === 'REGRESSION').length <= mostHits(ALPHA), 'false alarms either way');
  t.notOk(alarms.includes('IMPROVEMENT'));
});

t.test(
  'a metric that a side does not have, or that means another thing there, leaves the verdict to the others',
  async (t) => {
    const others = (factor: number) => {
      const random = generator(8);
      return {
        metric: metricOf('lower', { name: 'cpu' }),
        pairs: times(40, () => ({ candidate: factor * Math.exp(0.005 * normal(random)), baseline: 1 })),
      };
    };
    const absent = { metric: metricOf('lower'), pairs: Array(40).fill(null) };
    t.match(judge([absent, others(1)], sequential, false), {
      verdict: 'PASS',
      decided: true,
      metrics: [{ verdict: null, words: 'no values to compare' }, { verdict: 'PASS' }],
    });
    const incomparable = {
      metric: metricOf('lower', { incomparable: 'the bucket bounds differ' }),
      pairs: pairsFrom(Array(40).fill(2), [1]),
    };
    t.match(judge([incomparable, others(1)], sequential, false), {
      verdict: 'PASS',
      metrics: [
        {
          verdict: null,
          change: null,
          interval: null,
          p: null,
          candidate: 2,
          baseline: 1,
          words: 'not comparable: the bucket bounds differ',
        },
        { verdict: 'PASS' },
      ],
    });
    t.match(judge([absent], sequential, false), { verdict: 'INCONCLUSIVE' }, 'of nothing nothing is said');
  },
);

t.test('how often more and less, in words', async (t) => {
  const words = (pairs: Pair[], laid: Partial<Metric> = {}) => effectWords(decide(pairs, 'lower', laid).metrics[0]!);
  t.equal(
    words(pairsFrom([0.002, 0, 0.001, 0.004], [0.001]), { unit: 's' }),
    'was 1.00 ms, is 1.75 ms, more in 2 and less in 1 of 4 observations',
  );
  t.equal(words(pairsFrom([-1, -1], [-1])), 'was -1, is -1, the same in 2 of 2 observations');
});
