/* Generated from mayfly.queue.v1.json by `npm run generate`. */

/**
 * The queue at one moment. What `npm run queue -- list --json` prints.
 */
export interface QueueDocument {
  /**
   * Name and version of this document. A later version may add fields; one that changes or removes a field gets a new number.
   */
  schema: 'mayfly.queue/v1';
  /**
   * Absent: it is not paused.
   */
  paused?: {
    /**
     * Who paused it.
     */
    by: string;
    /**
     * Since when; ISO 8601, UTC, with milliseconds.
     */
    at: string;
    /**
     * Why.
     */
    reason?: string;
  };
  /**
   * Processes that take jobs, the one that was heard of last first. One that was killed stays for a day.
   */
  workers: {
    /**
     * Name of its host.
     */
    host: string;
    /**
     * Its process id.
     */
    pid: number;
    /**
     * When the process started, in clock ticks since the boot: tells it from a later one with the same id.
     */
    pid_start: string;
    /**
     * Jobs that it works on at the same time.
     */
    slots: number;
    /**
     * When it was first heard of; ISO 8601, UTC, with milliseconds.
     */
    started_at: string;
    /**
     * When it was last heard of; a living one says so every ten seconds; ISO 8601, UTC, with milliseconds.
     */
    seen_at: string;
  }[];
  /**
   * What runs, then what waits in the order it will be taken, then what has ended, the newest first.
   */
  jobs: Job[];
}
/**
 * One commit of one benchmark that is to be measured.
 */
export interface Job {
  /**
   * A ULID, greater than those of all jobs before it.
   */
  job_id: string;
  /**
   * `new-test`: a proposal, compared with where it left its branch. `new-master`: a commit of a branch, which joins the master set of that branch.
   */
  kind: 'new-test' | 'new-master';
  /**
   * `queued`: it waits. `leased`: a worker is at it. The others have ended.
   */
  state: 'queued' | 'leased' | 'done' | 'failed' | 'cancelled';
  /**
   * The higher one goes first: 30 by hand, 25 a merge queue, 20 the default branch or another branch that is measured, 10 a pull request.
   */
  priority: number;
  /**
   * OWNER/NAME on GitHub; absent: it belongs to none.
   */
  repository?: string;
  /**
   * Name of a benchmark of the checkout, or the whole path of its folder.
   */
  benchmark: string;
  /**
   * A full hash; or the name that was given, where the benchmark is not built from a repository of this host.
   */
  commit: string;
  /**
   * The branch, tag or name by which it was found.
   */
  ref?: string;
  /**
   * The branch that a proposal goes into, or whose master set a commit joins; absent: the default one.
   */
  branch?: string;
  /**
   * What it is compared with, as `--against` of bench takes it; absent: where it left its branch.
   */
  against?: string;
  /**
   * Files that matter, as `--paths` of bench takes them: where none of them differs there is nothing to compare; absent: all.
   */
  paths?: string[];
  /**
   * Number of the pull request.
   */
  pull_request?: number;
  /**
   * Settings that differ from benchmark.yaml, as the flags of bench take them.
   */
  overrides: {
    /**
     * Iterations started per second on each side.
     */
    rate?: string;
    /**
     * Measured window.
     */
    duration?: string;
    /**
     * Variant of the deployment of the candidate, and of both sides where no other is named.
     */
    variant?: string;
    /**
     * Variant of the deployment of the baseline.
     */
    against_variant?: string;
  };
  /**
   * Who asked for it.
   */
  requested_by: string;
  /**
   * When it was queued; ISO 8601, UTC, with milliseconds.
   */
  created_at: string;
  /**
   * It is not begun earlier: a pause after a fault of the infrastructure; ISO 8601, UTC, with milliseconds.
   */
  not_before?: string;
  /**
   * A job that is not done so many seconds after it was begun has failed.
   */
  deadline_s: number;
  /**
   * The job that it does once more.
   */
  retry_of?: string;
  /**
   * The job of a newer push to its pull request.
   */
  replaced_by?: string;
  /**
   * Who is at it, or was last.
   */
  worker?: {
    /**
     * Name of its host.
     */
    host: string;
    /**
     * Its process id.
     */
    pid: number;
    /**
     * When the process started, in clock ticks since the boot: tells it from a later one with the same id.
     */
    pid_start: string;
  };
  /**
   * Until when its worker may be silent; ISO 8601, UTC, with milliseconds.
   */
  lease_until?: string;
  /**
   * When it was begun, the last time; ISO 8601, UTC, with milliseconds.
   */
  started_at?: string;
  /**
   * When it ended; ISO 8601, UTC, with milliseconds.
   */
  ended_at?: string;
  /**
   * How often its worker was lost: after the second time it has failed.
   */
  losses: number;
  /**
   * How often a fault of the infrastructure ended it: after the third time it has failed.
   */
  failures: number;
  /**
   * What it failed by. build: its own commit cannot be built; service: the service of its own commit does not start, dies or answers nothing but errors, while that of the baseline does well; other: what else somebody has to fix.
   */
  fault?: 'build' | 'service' | 'deadline' | 'lost_worker' | 'infrastructure' | 'other';
  /**
   * Why its worker was asked to end it.
   */
  cancel_reason?: string;
  /**
   * What its worker told last.
   */
  progress?: {
    /**
     * One line of what goes on.
     */
    text: string;
    /**
     * Its run, once it has begun.
     */
    run_id?: string;
    /**
     * Valid rounds.
     */
    rounds_done?: number;
    /**
     * Rounds that it may take.
     */
    rounds_most?: number;
    /**
     * When it was told; ISO 8601, UTC, with milliseconds.
     */
    at: string;
  };
  /**
   * Why it was queued again, was cancelled or has failed.
   */
  reason?: string;
  /**
   * Its run.
   */
  run_id?: string;
  /**
   * Of a comparison that is done.
   */
  verdict?: 'REGRESSION' | 'IMPROVEMENT' | 'PASS' | 'INCONCLUSIVE' | 'INVALID';
}
