/** A job of the queue: schema mayfly.queue/v1. Its one description is docs/schemas/mayfly.queue.v1.json. */
import type { QueueDocument } from './job.types.ts';

/** One commit of one benchmark that is to be measured. Times are ISO 8601. */
export type Job = QueueDocument['jobs'][number];
/**
 * new-test: a pull request or by hand, compared with where it left the default branch. new-master: a commit of the
 * default branch, which joins the master set.
 */
export type JobKind = Job['kind'];
export type JobState = Job['state'];
/** Settings of one job that differ from benchmark.yaml, as the flags of bench take them. */
export type JobOverrides = Job['overrides'];
/**
 * A process that works on jobs: where it is, and which life of its process id (`pid_start`: its start in clock ticks
 * since the boot, as /proc says).
 */
export type WorkerName = NonNullable<Job['worker']>;
/** What a worker tells of the job it is at. */
export type JobProgress = NonNullable<Job['progress']>;
/**
 * What a job failed by. `build`: its own commit cannot be built; `service`: its own service does not start, dies or
 * answers nothing but errors, while the baseline's does well: both are for its author to fix. `other`: what else
 * somebody has to fix.
 */
export type JobFault = NonNullable<Job['fault']>;
export const JOB_FAULTS = [
  'infrastructure',
  'lost_worker',
  'deadline',
  'build',
  'service',
  'other',
] as const satisfies readonly JobFault[];

/** What a new job needs; the rest the queue fills in. */
export interface NewJob
  extends Pick<Job, 'kind' | 'benchmark' | 'commit' | 'requested_by' | 'priority' | 'deadline_s'>,
    Partial<
      Pick<Job, 'repository' | 'ref' | 'branch' | 'against' | 'paths' | 'pull_request' | 'overrides' | 'retry_of'>
    > {}

/** The higher one goes first. */
export const PRIORITY = { by_hand: 30, merge_queue: 25, master: 20, pull_request: 10 } as const;

/** The deployment that a job measures, and against which: `scaled against single`; undefined: the benchmark's own. */
export function variantsText({ overrides: { variant, against_variant } }: Pick<Job, 'overrides'>): string | undefined {
  const words = [...(variant ? [variant] : []), ...(against_variant ? [`against ${against_variant}`] : [])];
  return words.length === 0 ? undefined : words.join(' ');
}

/** A benchmark in a deployment: `uploads (scaled)`. */
export const withVariant = (benchmark: string, variant: string | undefined): string =>
  variant === undefined ? benchmark : `${benchmark} (${variant})`;

/** What a job gives a verdict on, as its check is named. */
export const subjectText = (job: Pick<Job, 'benchmark' | 'overrides'>): string =>
  withVariant(job.benchmark, variantsText(job));
