/* Generated from mayfly.verdict.v1.json by `npm run generate`. */

/**
 * What was decided, on what grounds. What `npm run judge -- RUN --json` and `npm run compare -- RUN RUN --json` print, and `verdict` in the run document of `npm run bench -- --json`.
 */
export interface VerdictDocument {
  /**
   * Name and version of this document. A later version may add fields; one that changes or removes a field gets a new number.
   */
  schema: 'mayfly.verdict/v1';
  /**
   * `REGRESSION`: a primary metric is worse. `IMPROVEMENT`: one is better and none is worse or open. `PASS`: no primary metric is worse by its margin. `INCONCLUSIVE`: not decided. `INVALID`: it was not measured.
   */
  verdict: 'REGRESSION' | 'IMPROVEMENT' | 'PASS' | 'INCONCLUSIVE' | 'INVALID';
  /**
   * One sentence, without the verdict's name.
   */
  summary: string;
  /**
   * `paired`: both sides in one run. `baseline`: two runs that were each compared with the same baseline. `levels`: two runs at different times, which cannot decide.
   */
  kind: 'paired' | 'baseline' | 'levels';
  /**
   * ULID of the run; of two runs the candidate's.
   */
  run_id: string;
  /**
   * ULID of the run that stands for the baseline, where it is another one.
   */
  other_run_id?: string;
  /**
   * The benchmark's name.
   */
  benchmark: string;
  candidate: Commit;
  baseline: Commit1;
  /**
   * How the sides met: see [run.md](run.md).
   */
  pairing: 'solo' | 'interleaved' | 'alternating';
  method: Method;
  /**
   * Observations that it rests on: rounds, or blocks of four alternating rounds; of two runs those of both together.
   */
  observations: number;
  /**
   * Rounds that did not count.
   */
  invalid_rounds: number;
  /**
   * Observations more that would probably decide; null where it is decided or none would.
   */
  more: number | null;
  /**
   * Why it is INVALID, one sentence each.
   */
  reasons: string[];
  /**
   * What else the reader must know, one sentence each.
   */
  notes: string[];
  /**
   * Every metric, primary or not.
   */
  metrics: Metric[];
  /**
   * In what the answers of both sides to the same requests differ. Absent where they do not, and where they were not kept. Where a `status`, `type` or `presence` differs that the benchmark does not declare there is no PASS and no IMPROVEMENT, where a `size` does no IMPROVEMENT; more `failed` requests are a REGRESSION.
   *
   * Items: A difference.
   */
  answers?: {
    /**
     * Name of the request; empty where it is of all of them.
     */
    name: string;
    /**
     * `failed`: the candidate fails more often, or less. `status`: other statuses, or answers without a body. `type`: bodies of another media type. `size`: larger or smaller bodies. `presence`: only one side was asked for it.
     */
    what: 'failed' | 'status' | 'type' | 'size' | 'presence';
    /**
     * Of `failed`: the candidate fails more often.
     */
    worse: boolean;
    /**
     * The benchmark lets it differ.
     */
    declared: boolean;
    /**
     * For people.
     */
    words: string;
  }[];
  attribution?: Attribution;
  calibration?: Calibration;
}
/**
 * The side that is judged.
 */
export interface Commit {
  /**
   * The commit as the user wrote it: HEAD, a tag, worktree.
   */
  ref: string;
  /**
   * Full hash; the version itself where nothing is built from git; `worktree-` and the hash of the tree for an uncommitted state.
   */
  commit: string;
  /**
   * First line of the commit message, where there is one.
   */
  subject?: string;
  /**
   * The variant of the benchmark's deployment; absent where none was named.
   */
  variant?: string;
}
/**
 * The side that it is compared with.
 */
export interface Commit1 {
  /**
   * The commit as the user wrote it: HEAD, a tag, worktree.
   */
  ref: string;
  /**
   * Full hash; the version itself where nothing is built from git; `worktree-` and the hash of the tree for an uncommitted state.
   */
  commit: string;
  /**
   * First line of the commit message, where there is one.
   */
  subject?: string;
  /**
   * The variant of the benchmark's deployment; absent where none was named.
   */
  variant?: string;
}
/**
 * How it was judged.
 */
export interface Method {
  /**
   * Name and version of the method; another method gets another version.
   */
  name: 'mayfly.judge/v1';
  /**
   * `sequential`: looked at while it was measured, until the verdict was clear; `fixed`: judged once, at the end.
   */
  design: 'sequential' | 'fixed';
  /**
   * Probability of a false REGRESSION over all primary metrics and looks together; the same for a false IMPROVEMENT.
   */
  alpha: number;
  /**
   * Probability that PASS is said of a metric whose true slowdown is its margin.
   */
  beta: number;
  /**
   * Observations before the first look.
   */
  min: number;
  /**
   * Greatest number of observations.
   */
  max: number;
  /**
   * Numbers of observations at which it was looked.
   */
  looks: number[];
}
/**
 * One metric of a comparison. Changes are relative and of the value: 0.01 is 1 % more in the candidate.
 */
export interface Metric {
  /**
   * The metric.
   */
  name: string;
  /**
   * `s`, `bytes`, `ratio` (0 to 1), `1/s`, `count` or a word of the benchmark.
   */
  unit: string;
  /**
   * Which direction is an improvement; `neither`: a change either way is what is looked for.
   */
  better: 'lower' | 'higher' | 'neither';
  /**
   * Gates the verdict; the others are only shown.
   */
  primary: boolean;
  /**
   * Smallest relative change worth calling a change: 0.01 is 1 %.
   */
  margin: number;
  /**
   * Of a primary metric; null for one that is only shown, one without values and one that is incomparable. Of a metric whose better direction is `neither`, REGRESSION is a change either way.
   */
  verdict: 'REGRESSION' | 'IMPROVEMENT' | 'PASS' | 'INCONCLUSIVE' | null;
  /**
   * Median of the candidate over the observations, in the unit; the mean where `difference` is there.
   */
  candidate: number | null;
  /**
   * Median of the baseline over the observations, in the unit; the mean where `difference` is there.
   */
  baseline: number | null;
  /**
   * Hodges-Lehmann estimate of the relative change within an observation; null where there is none.
   */
  change: number | null;
  /**
   * Of a metric that is 0 on one side, or in one of two runs, or below it: it has no ratio, so the test is of the differences, and `change` and `interval` are null. Absent of any other.
   */
  difference?: {
    /**
     * Mean of the candidate less that of the baseline, in the unit. Of two runs against one baseline, of how far each run's candidate was from it.
     */
    change: number;
    /**
     * Observations in which the candidate has more; of two runs, pairs of an observation of each.
     */
    more: number;
    /**
     * Observations, or pairs of them, in which it has less.
     */
    less: number;
    /**
     * Pairs of an observation of each run. Absent of one run, whose observations have both sides.
     */
    pairs?: number;
  };
  /**
   * Why the values of the sides cannot be compared. Absent where they can.
   */
  incomparable?: string;
  /**
   * Interval of the change; null of too few observations.
   */
  interval: {
    /**
     * Probability that it holds the true change: 0.95.
     */
    level: number;
    /**
     * Lower end.
     */
    low: number;
    /**
     * Upper end.
     */
    high: number;
  } | null;
  /**
   * What the verdict rests on: bounds that hold over all looks together, in the direction of worse: 0.02 is 2 % worse. null: no bound yet.
   */
  worse: {
    /**
     * It is at least so much worse; below 0: at most so much better. Of a metric whose better direction is `neither`: changed, either way.
     */
    at_least: number | null;
    /**
     * It is at most so much worse; below 0: at least so much better.
     */
    at_most: number | null;
  };
  /**
   * One-sided exact p-values of the test of the shift; null where there is none.
   */
  p: {
    /**
     * That it is not worse; two-sided, that it has not changed, where the better direction is `neither`.
     */
    worse: number;
    /**
     * That it is not better; 1 where the better direction is `neither`.
     */
    better: number;
  } | null;
  /**
   * How the candidate varies from observation to observation; null where that cannot be told.
   */
  dispersion: {
    /**
     * Against the baseline: 2 is twice as much.
     */
    ratio: number;
    /**
     * One-sided p-value of the exact test that it varies more.
     */
    p: number;
  } | null;
  /**
   * Robust standard deviation of the log ratio over observations.
   */
  noise: number | null;
  /**
   * Observations with values of both sides.
   */
  observations: number;
  /**
   * The effect in words: `8.1 % slower, 95 % interval 6.2 to 9.9 %`.
   */
  words: string;
}
/**
 * Where a change is, by hop and by service. It explains, it never decides. Absent where there are no values of both sides.
 */
export interface Attribution {
  /**
   * Time of a request by hop. Absent without traces.
   */
  latency?: {
    /**
     * Observations of the verdict that have values of both sides.
     */
    observations: number;
    total: Change;
    /**
     * Each hop that either side has, the greatest change first.
     *
     * Items: Of its mean time on the critical path (`path_avg`): what it adds to the time of a request.
     */
    hops: {
      /**
       * The hop.
       */
      hop: string;
      /**
       * Hodges-Lehmann estimate of candidate less baseline, in seconds.
       */
      change_s: number;
      /**
       * Lower end of its 95 % interval; null of too few observations.
       */
      low: number | null;
      /**
       * Upper end.
       */
      high: number | null;
    }[];
  };
  /**
   * CPU time by service. Absent of one service.
   */
  cpu?: {
    /**
     * Observations of the verdict that have values of both sides.
     */
    observations: number;
    total: Change1;
    /**
     * Each service that either side has, the greatest change first.
     *
     * Items: Of its CPU time per request.
     */
    services: {
      /**
       * The service.
       */
      service: string;
      /**
       * Hodges-Lehmann estimate of candidate less baseline, in seconds.
       */
      change_s: number;
      /**
       * Lower end of its 95 % interval; null of too few observations.
       */
      low: number | null;
      /**
       * Upper end.
       */
      high: number | null;
    }[];
  };
}
/**
 * Of the mean time of a trace (`total_avg` of a round).
 */
export interface Change {
  /**
   * Hodges-Lehmann estimate of candidate less baseline, in seconds.
   */
  change_s: number;
  /**
   * Lower end of its 95 % interval; null of too few observations.
   */
  low: number | null;
  /**
   * Upper end.
   */
  high: number | null;
}
/**
 * Of the CPU time per request of all services.
 */
export interface Change1 {
  /**
   * Hodges-Lehmann estimate of candidate less baseline, in seconds.
   */
  change_s: number;
  /**
   * Lower end of its 95 % interval; null of too few observations.
   */
  low: number | null;
  /**
   * Upper end.
   */
  high: number | null;
}
/**
 * The last calibration of this benchmark on this host, when it was judged.
 */
export interface Calibration {
  /**
   * The run that it was made of.
   */
  run_id: string;
  /**
   * When; ISO 8601.
   */
  at: string;
  /**
   * Rounds that were measured.
   */
  rounds: number;
  /**
   * Decisions that were made of them.
   */
  decisions: number;
  /**
   * Share of decisions that were a REGRESSION, with its 95 % interval.
   */
  false_alarms: {
    /**
     * The share.
     */
    share: number;
    /**
     * Lower end.
     */
    low: number;
    /**
     * Upper end.
     */
    high: number;
  };
  /**
   * Metric to the smallest slowdown that is found with 95 % power in `observations` observations; null: none below 100 %.
   */
  detects: {
    [k: string]: number | null;
  };
  /**
   * The usual number of observations.
   */
  observations: number;
}
