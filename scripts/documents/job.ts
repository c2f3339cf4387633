/** A job of the queue: schema mayfly.queue/v1. */
import type { Verdict } from './verdict.ts';

/**
 * new-test: a pull request or by hand, compared with where it left the default branch. new-master: a commit of the
 * default branch, which joins the master set.
 */
export type JobKind = 'new-test' | 'new-master';

export type JobState = 'queued' | 'leased' | 'done' | 'failed' | 'cancelled';

/** Settings of one job that differ from benchmark.yaml, as the flags of bench take them. */
export interface JobOverrides {
  rate?: string;
  duration?: string;
}

/** A process that works on jobs: where it is, and which life of its process id. */
export interface WorkerName {
  host: string;
  pid: number;
  /** Start of the process in clock ticks since the boot, as /proc says: a process id comes back, this does not. */
  pid_start: string;
}

/** What a worker tells of the job it is at. */
export interface JobProgress {
  /** One line of what goes on. */
  text: string;
  run_id?: string;
  rounds_done?: number;
  rounds_most?: number;
  /** ISO 8601. */
  at: string;
}

/**
 * What a job failed by. `build`: its own commit cannot be built, which its author has to mend; `other`: what else
 * somebody has to mend.
 */
export const JOB_FAULTS = ['infrastructure', 'lost_worker', 'deadline', 'build', 'other'] as const;

export type JobFault = (typeof JOB_FAULTS)[number];

/** One commit of one benchmark that is to be measured. Times are ISO 8601. */
export interface Job {
  job_id: string;
  kind: JobKind;
  state: JobState;
  priority: number;
  /** OWNER/NAME on GitHub; absent for a job by hand that belongs to none. */
  repository?: string;
  benchmark: string;
  /** A full hash, or for a job by hand any name that git takes. */
  commit: string;
  ref?: string;
  against?: string;
  pull_request?: number;
  overrides: JobOverrides;
  requested_by: string;
  created_at: string;
  /** It is not begun earlier: a pause after a fault of the infrastructure. */
  not_before?: string;
  deadline_s: number;
  retry_of?: string;
  /** The job of a newer push to its pull request. */
  replaced_by?: string;
  worker?: WorkerName;
  lease_until?: string;
  started_at?: string;
  ended_at?: string;
  /** Leases that ran out or whose worker died. */
  losses: number;
  /** Tries that a fault of the infrastructure ended. */
  failures: number;
  /** Why it is to end, said while it is running. */
  cancel_reason?: string;
  progress?: JobProgress;
  /** Why it was queued again, cancelled or failed. */
  reason?: string;
  /** What it failed by. */
  fault?: JobFault;
  run_id?: string;
  verdict?: Verdict;
}

/** What a new job needs; the rest the queue fills in. */
export interface NewJob
  extends Pick<Job, 'kind' | 'benchmark' | 'commit' | 'requested_by' | 'priority' | 'deadline_s'>,
    Partial<Pick<Job, 'repository' | 'ref' | 'against' | 'pull_request' | 'overrides' | 'retry_of'>> {}

/** The higher one goes first. */
export const PRIORITY = { by_hand: 30, master: 20, pull_request: 10 } as const;
