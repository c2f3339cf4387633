/** A calibration: schema mayfly.calibration/v1. */
import type { Pairing } from './run.ts';

/** What a report says of a calibration. */
export interface CalibrationQuote {
  run_id: string;
  at: string;
  rounds: number;
  decisions: number;
  /** Share of false REGRESSIONs, with its 95 % interval. */
  false_alarms: { share: number; low: number; high: number };
  /** Metric -> smallest slowdown found with 95 % power in `observations` observations; null: none below 100 %. */
  detects: Record<string, number | null>;
  observations: number;
}

/** schema mayfly.calibration/v1: one build against itself, on one host. */
export interface CalibrationDocument extends CalibrationQuote {
  schema: 'mayfly.calibration/v1';
  benchmark: string;
  host_id: string;
  stack_version: string;
  pairing: Pairing;
  commit: string;
  /** Share of false IMPROVEMENTs, with its 95 % interval. */
  false_improvements: { share: number; low: number; high: number };
  /** Observations that a decision took, median and 95th percentile. */
  length: { median: number; p95: number };
  metrics: {
    name: string;
    primary: boolean;
    /** Standard deviation of the log ratio, robust. */
    noise: number;
    /** Correlation of a round's log ratio with the next one's. */
    correlation: number;
    /** Number of observations -> smallest slowdown found with 95 % power; null: none below 100 %. */
    detects: { observations: number; slowdown: number | null }[];
    /** What the rounds show where there is no difference, with its 95 % interval; null of fewer than six values. */
    difference: { change: number; low: number; high: number } | null;
    /** Fit to gate, or why not. */
    fit: boolean;
    why?: string;
  }[];
}
