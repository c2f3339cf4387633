/** Jobs and workers, as pages show them. */
import { UsageError } from '../../../core/errors.ts';
import type { Job } from '../../../documents/job.ts';
import { LEASE_MS } from '../../../store/leases.ts';
import type { JobLine, JobsOptions, JobsView, ViewContext, WorkerLine } from './data-types.ts';

/** Jobs that wait and whose place is counted; more are shown without one. */
const MOST_WAITING = 10_000;
export const MOST_JOBS = 200;

/** What runs, then what waits in the order it will be taken, then what has ended, the newest first. */
export function jobsView(ctx: ViewContext, { limit: most = 50, offset = 0, ...options }: JobsOptions): JobsView {
  const limit = Math.min(Math.max(1, most), MOST_JOBS);
  const { queue } = ctx.store;
  const filter = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const paused = queue.paused();
  return {
    schema: 'mayfly.site-jobs/v1',
    jobs: jobLines(ctx, queue.jobs({ ...filter, limit, offset })),
    total: queue.count(filter),
    limit,
    offset,
    ...(paused ? { paused } : {}),
    workers: workerLines(ctx),
  };
}

/** `id`: a whole id of a job, or the beginning of one. UsageError `there is no job ...` where there is none. */
export function jobView(ctx: ViewContext, id: string): JobLine {
  const job = ctx.store.queue.job(id);
  if (!job)
    throw new UsageError(`there is no job ${JSON.stringify(id)}`, { hint: 'npm run queue -- list shows all jobs.' });
  return jobLines(ctx, [job])[0]!;
}

export function jobLines({ store }: ViewContext, jobs: readonly Job[]): JobLine[] {
  const subjects = store.site.subjects([...new Set(jobs.map(({ commit }) => commit))]);
  const places = jobs.some(({ state }) => state === 'queued') ? placesOf(store) : new Map<string, number>();
  return jobs.map((job): JobLine => {
    const { rounds_done: done, rounds_most: most } = job.progress ?? {};
    const [place, subject] = [places.get(job.job_id), subjects.get(job.commit)];
    return {
      ...job,
      ...(place === undefined ? {} : { place }),
      ...(job.state === 'leased' && done !== undefined && most ? { fraction: Math.min(1, done / most) } : {}),
      ...(subject === undefined ? {} : { subject }),
    };
  });
}

const placesOf = ({ queue }: ViewContext['store']): Map<string, number> =>
  new Map(queue.jobs({ state: ['queued'], limit: MOST_WAITING }).map(({ job_id }, index) => [job_id, index + 1]));

export const workerLines = ({ store, now }: ViewContext): WorkerLine[] =>
  store.queue.workers().map((worker) => ({ ...worker, missing: now() - Date.parse(worker.seen_at) > LEASE_MS }));
