/**
 * How others decide that a commit is slower, as functions of what they look at. Each is the rule of its source with its
 * default figures, applied to each of the three metrics; one that finds something is a finding. Pure.
 */
import { lowerShift, shifts } from '../../judge/rank-sum.ts';
import { median } from '../../judge/statistics.ts';
import { METRICS, normal, type Random } from './verdict-models.ts';

/** One metric: earlier runs of the default branch, oldest first, and the run in question. */
export interface Solo {
  history: readonly number[];
  candidate: number;
}

export interface SoloRule {
  name: string;
  rule: string;
  source: string;
  slower(solo: Solo): boolean;
}

/** Earlier runs that the rule with the longest memory looks at. */
export const EARLIER = 100;

export const SOLO_RULES: readonly SoloRule[] = [
  {
    name: 'fixed 5 %',
    rule: 'more than 5 % above the last run',
    source: 'the usual CI script',
    slower: ({ history, candidate }) => candidate / history.at(-1)! > 1.05,
  },
  {
    name: 'github-action-benchmark',
    rule: 'more than 200 % of the last run',
    source: 'benchmark-action/github-action-benchmark: action.yml, alert-threshold',
    slower: ({ history, candidate }) => candidate / history.at(-1)! > 2,
  },
  {
    name: 'rustc-perf',
    rule: 'change against the last run above Q3 + 3 IQR of the 30 changes before it (here one run a commit, there the least of three)',
    source: 'rust-lang/rustc-perf: site/src/comparison.rs, IQR_MULTIPLIER',
    slower: ({ history, candidate }) => candidate / history.at(-1)! - 1 > upperFence(history.slice(-31)),
  },
  {
    name: 'Conbench',
    rule: 'more than 5 standard deviations above the mean of the last 100 runs',
    source: 'conbench/conbench: docs/pages/lookback_zscore.md, DEFAULT_Z_SCORE_THRESHOLD',
    slower: ({ history, candidate }) => (candidate - mean(history)) / deviation(history) > 5,
  },
];

const KAYENTA = 'spinnaker/kayenta: MannWhitneyClassifier.scala, NetflixACAJudge.scala';
const KAYENTA_RULE = '98 % interval of the shift above a quarter of its estimate (Mann-Whitney), ';
export const KAYENTA_RULES = [
  { name: 'Kayenta, two runs', rule: `${KAYENTA_RULE}scrapes of the last run and of this one`, source: KAYENTA },
  { name: 'Kayenta, side by side', rule: `${KAYENTA_RULE}scrapes of six interleaved rounds pooled`, source: KAYENTA },
] as const;

/**
 * Whether the samples of the candidate are `High`: the lower end of the interval is above a quarter of the estimate.
 */
export function kayentaHigh(control: readonly number[], experiment: readonly number[]): boolean {
  const sorted = shifts(control, experiment);
  const estimate = median([sorted[sorted.length >> 1]!, sorted[(sorted.length - 1) >> 1]!])!;
  return lowerShift(sorted, control.length, experiment.length, 0.01) > 0.25 * Math.abs(estimate);
}

/**
 * Scrapes of one side in one window, around its logarithm: within a run they spread by three of its own deviations, and
 * hang together (AR(1), 0.5).
 */
export function scrapes(value: number, metric: number, count: number, random: Random): number[] {
  const sd = 3 * METRICS[metric]!.sd;
  let noise = normal(random);
  return Array.from({ length: count }, () => {
    noise = 0.5 * noise + Math.sqrt(0.75) * normal(random);
    return value * Math.exp(sd * noise);
  });
}

/** Of absolute relative changes from run to run. */
function upperFence(values: readonly number[]): number {
  const changes = values
    .slice(1)
    .map((value, i) => Math.abs(value / values[i]! - 1))
    .sort((a, b) => a - b);
  const half = changes.length >> 1;
  const [q1, q3] = [median(changes.slice(0, half))!, median(changes.slice(-half))!];
  return q3 + 3 * (q3 - q1);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}
