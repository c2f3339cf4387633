/* Generated from mayfly.calibration.v1.json by `npm run generate`. */

/**
 * One build against itself on one host: how often the verdict errs, and the smallest slowdown it detects. What `npm run calibrate -- --json` prints and the store keeps.
 */
export interface CalibrationDocument {
  /**
   * Name and version of this document. A later version may add fields; one that changes or removes a field gets a new number.
   */
  schema: 'mayfly.calibration/v1';
  /**
   * The run whose rounds were used.
   */
  run_id: string;
  /**
   * When that run ended; ISO 8601, UTC, with milliseconds.
   */
  at: string;
  /**
   * The benchmark's name.
   */
  benchmark: string;
  /**
   * Fingerprint of the host.
   */
  host_id: string;
  /**
   * Hash of everything in the stack that could change a measurement but the services under test.
   */
  stack_version: string;
  /**
   * How both sides met.
   */
  pairing: 'interleaved' | 'alternating';
  /**
   * The commit that was measured against itself.
   */
  commit: string;
  /**
   * Observations that were used: rounds, or blocks of four alternating ones.
   */
  rounds: number;
  /**
   * Comparisons that were made again out of them.
   */
  decisions: number;
  /**
   * Share of the decisions that are a REGRESSION, all of them false.
   */
  false_alarms: {
    /**
     * The share itself, 0 to 1.
     */
    share: number;
    /**
     * Lower bound of its 95 % interval.
     */
    low: number;
    /**
     * Upper bound of its 95 % interval.
     */
    high: number;
  };
  /**
   * Share of the decisions that are an IMPROVEMENT, all of them false.
   */
  false_improvements?: {
    /**
     * The share itself, 0 to 1.
     */
    share: number;
    /**
     * Lower bound of its 95 % interval.
     */
    low: number;
    /**
     * Upper bound of its 95 % interval.
     */
    high: number;
  };
  /**
   * Metric -> smallest slowdown found with 95 % power in `observations` observations; null: none up to 100 %.
   */
  detects: {
    [k: string]: number | null;
  };
  /**
   * Greatest number of observations of the usual comparison.
   */
  observations: number;
  /**
   * How long the decisions were.
   */
  length: {
    /**
     * Observations that a decision took: median.
     */
    median: number;
    /**
     * The same, 95th percentile.
     */
    p95: number;
  };
  /**
   * Every metric of the benchmark.
   *
   * Items: One metric.
   */
  metrics: {
    /**
     * The metric.
     */
    name: string;
    /**
     * It gates the verdict.
     */
    primary: boolean;
    /**
     * Robust standard deviation (1.4826 times the median absolute deviation) of the log ratio over observations; 0 of no values.
     */
    noise: number;
    /**
     * Correlation of an observation's log ratio with the next one's.
     */
    correlation: number;
    /**
     * Smallest slowdown found, by greatest number of observations.
     */
    detects: {
      /**
       * Greatest number of observations of a comparison.
       */
      observations: number;
      /**
       * Smallest slowdown that at least 95 % of such comparisons call a REGRESSION: 0.02 is 2 %. Null: none up to 100 %.
       */
      slowdown: number | null;
    }[];
    /**
     * Fit to gate.
     */
    fit: boolean;
    /**
     * Why it is not.
     */
    why?: string;
    /**
     * What the rounds show between two sides that are the same; null of fewer than six values.
     */
    difference?: {
      /**
       * Hodges-Lehmann estimate of the relative change: 0.01 is 1 % more in the candidate.
       */
      change: number;
      /**
       * Lower bound of its 95 % interval.
       */
      low: number;
      /**
       * Upper bound of its 95 % interval.
       */
      high: number;
    } | null;
  }[];
}
