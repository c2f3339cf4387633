/**
 * Many made-up comparisons of one noise model and one true effect, judged by Mayfly and by the rules of others. Pure
 * and seeded.
 */
import { MOST } from '../../config/types.ts';
import { type Share, shareOf } from '../../judge/clopper-pearson.ts';
import { judge, LEAST } from '../../judge/verdict.ts';
import { interleaved, METRICS, MODELS, randomOf, soloRuns } from './verdict-models.ts';
import { EARLIER, KAYENTA_RULES, kayentaHigh, SOLO_RULES, scrapes } from './verdict-peers.ts';

const VERDICTS = ['REGRESSION', 'PASS', 'IMPROVEMENT', 'INCONCLUSIVE'] as const;
/** Ten minutes of rounds of 16 s, and three. */
export const TEN_MINUTES = 36;
export const THREE_MINUTES = 10;
/** Scrapes of a window: of a run of its own, and of one of the rounds that are pooled. */
const SCRAPES = { run: 24, round: 9 };
const POOLED_ROUNDS = 6;

/** The effect is in one metric; the other two are the same on both sides. */
export interface Cell {
  model: number;
  /** Index of the metric that has the effect. */
  metric: number;
  /** Relative, 0.05 is 5 % more in the candidate. */
  effect: number;
}

export interface Outcome extends Cell {
  trials: number;
  shares: Record<(typeof VERDICTS)[number], Share>;
  /** REGRESSION after so many rounds or fewer. */
  inThreeMinutes: Share;
  inTenMinutes: Share;
  /** Mean number of rounds that a decision took. */
  rounds: number;
  /** Share of the shown intervals, when it stopped, that have the true change of the metric in them. */
  coverage: Share;
  /** Mean of the estimate less the true change, and its standard error. */
  bias: number;
  biasError: number;
}

const design = { design: 'sequential', min: LEAST, max: MOST.interleaved } as const;

const effectsOf = ({ metric, effect }: Cell) => METRICS.map((_, i) => (i === metric ? Math.log1p(effect) : 0));
/** Drawn from what the cell is, so that a longer or shorter grid leaves each cell as it was. */
const randomOfTrial = (seed: number, cell: Cell, trial: number, use: number) =>
  randomOf(seed, cell.model, cell.metric, Math.round(cell.effect * 1e4), trial, use);

export function simulate(cell: Cell, trials: number, seed: number): Outcome {
  const count = { REGRESSION: 0, PASS: 0, IMPROVEMENT: 0, INCONCLUSIVE: 0 };
  let [three, ten, rounds, covered, sum, squares] = [0, 0, 0, 0, 0, 0];
  for (let trial = 0; trial < trials; trial++) {
    const pairs = interleaved(
      MODELS[cell.model]!,
      effectsOf(cell),
      MOST.interleaved,
      randomOfTrial(seed, cell, trial, 0),
    );
    const { verdict, observations, metrics } = judge(pairs, design, false);
    count[verdict]++;
    rounds += observations;
    if (verdict === 'REGRESSION' && observations <= THREE_MINUTES) three++;
    if (verdict === 'REGRESSION' && observations <= TEN_MINUTES) ten++;
    const { change, interval } = metrics[cell.metric]!;
    if (interval!.low <= cell.effect && cell.effect <= interval!.high) covered++;
    const error = change! - cell.effect;
    sum += error;
    squares += error ** 2;
  }
  const bias = sum / trials;
  return {
    ...cell,
    trials,
    shares: Object.fromEntries(
      VERDICTS.map((verdict) => [verdict, shareOf(count[verdict], trials)]),
    ) as Outcome['shares'],
    inThreeMinutes: shareOf(three, trials),
    inTenMinutes: shareOf(ten, trials),
    rounds: rounds / trials,
    coverage: shareOf(covered, trials),
    bias,
    biasError: Math.sqrt(Math.max(0, squares / trials - bias ** 2) / trials),
  };
}

/** Share of findings of each rule, SOLO_RULES and then KAYENTA_RULES, on the same models. */
export function simulatePeers(cell: Cell, trials: number, seed: number): Share[] {
  const hits = [...SOLO_RULES, ...KAYENTA_RULES].map(() => 0);
  const model = MODELS[cell.model]!;
  for (let trial = 0; trial < trials; trial++) {
    const random = randomOfTrial(seed, cell, trial, 1);
    const { history, candidate } = soloRuns(model, effectsOf(cell), EARLIER, random);
    const found = SOLO_RULES.map(({ slower }) =>
      METRICS.some((_, i) => slower({ history: history[i]!, candidate: candidate[i]! })),
    );
    found.push(
      METRICS.some((_, i) =>
        kayentaHigh(
          scrapes(history[i]!.at(-1)!, i, SCRAPES.run, random),
          scrapes(candidate[i]!, i, SCRAPES.run, random),
        ),
      ),
    );
    // the first rounds that the judge saw
    const paired = interleaved(model, effectsOf(cell), POOLED_ROUNDS, randomOfTrial(seed, cell, trial, 0));
    const pooled = (i: number, side: 'candidate' | 'baseline') =>
      paired[i]!.pairs.flatMap((pair) => scrapes(pair![side], i, SCRAPES.round, random));
    found.push(METRICS.some((_, i) => kayentaHigh(pooled(i, 'baseline'), pooled(i, 'candidate'))));
    for (const [i, one] of found.entries()) if (one) hits[i]!++;
  }
  return hits.map((count) => shareOf(count, trials));
}
