/** A verdict: schema mayfly.verdict/v1. */
import type { CalibrationQuote } from './calibration.ts';
import type { Better, Pairing, Unit } from './run.ts';

export type Verdict = 'REGRESSION' | 'IMPROVEMENT' | 'PASS' | 'INCONCLUSIVE' | 'INVALID';

/** One metric of a comparison. Relative changes are of the value: 0.01 is 1 % more in the candidate. */
export interface MetricVerdict {
  name: string;
  unit: Unit;
  better: Better;
  primary: boolean;
  margin: number;
  /** Of a primary metric; null for one that is only shown, and for one without values. */
  verdict: Exclude<Verdict, 'INVALID'> | null;
  /** Medians over the observations. */
  candidate: number | null;
  baseline: number | null;
  /** Hodges-Lehmann estimate of the relative change; null where there is none. */
  change: number | null;
  /** Interval of the change at `level`, for its own number of observations; null of fewer than six. */
  interval: { level: number; low: number; high: number } | null;
  /**
   * What the verdict rests on: bounds that hold over all looks together, in the direction of worse, 0.02 is 2 % worse;
   * null: no bound yet.
   */
  worse: { at_least: number | null; at_most: number | null };
  /** One-sided exact p-value of the signed-rank test: worse, and better. */
  p: { worse: number; better: number } | null;
  /**
   * How the candidate varies from observation to observation against the baseline: 2 is twice as much; p of the exact
   * test that it varies more.
   */
  dispersion: { ratio: number; p: number } | null;
  /** Robust standard deviation of the log ratio over observations. */
  noise: number | null;
  observations: number;
  /** The effect in words: `8.1 % slower, 95 % interval 6.2 to 9.9 %`. */
  words: string;
}

/** schema mayfly.verdict/v1: what was decided, on what grounds. */
export interface VerdictDocument {
  schema: 'mayfly.verdict/v1';
  verdict: Verdict;
  /** One sentence, without the verdict's name. */
  summary: string;
  /**
   * 'paired': both sides in one run. 'baseline': two runs through the same baseline. 'levels': two runs at different
   * times, which cannot decide.
   */
  kind: 'paired' | 'baseline' | 'levels';
  run_id: string;
  /** The run that stands for the baseline, where it is another one. */
  other_run_id?: string;
  benchmark: string;
  candidate: { ref: string; commit: string; subject?: string };
  baseline: { ref: string; commit: string; subject?: string };
  pairing: Pairing;
  method: {
    name: 'mayfly.judge/v1';
    design: 'sequential' | 'fixed';
    /** Probability of a false REGRESSION over all primary metrics and looks; the same for IMPROVEMENT. */
    alpha: number;
    /** Probability that PASS is said of a metric whose true slowdown is its margin. */
    beta: number;
    min: number;
    max: number;
    /** Numbers of observations at which it was looked. */
    looks: number[];
  };
  observations: number;
  /** Rounds that did not count. */
  invalid_rounds: number;
  /** Observations more that would probably decide; null where it is decided or none would. */
  more: number | null;
  /** Why it is INVALID, one sentence each. */
  reasons: string[];
  /** What else the reader must know, one sentence each. */
  notes: string[];
  metrics: MetricVerdict[];
  /** The last calibration of this benchmark on this host, when it was judged. */
  calibration?: CalibrationQuote;
}
