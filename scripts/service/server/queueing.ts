/**
 * The one place where the server makes jobs and ends them: for a pull request, for a commit of the default branch, for
 * a command. Each is part of a transaction of whoever calls it.
 */
import type { WatchedRepository } from '../../config/service.ts';
import { type Job, type JobOverrides, type NewJob, PRIORITY } from '../../documents/job.ts';
import type { PullRequest, Request } from '../../store/inbox.ts';
import type { Enqueued, EnqueueOptions } from '../../store/jobs.ts';
import type { ServeContext } from './serve-context.ts';

export type QueueContext = Pick<ServeContext, 'store' | 'config' | 'now'>;
type Changed = Pick<PullRequest, 'number' | 'head' | 'from_fork' | 'open'>;

/**
 * The jobs for the head of a pull request, where the repository wants them without being asked. Code of a fork never
 * runs unasked.
 */
export function queuePullRequest(
  repository: WatchedRepository,
  { number, head, from_fork, open }: Changed,
  ctx: QueueContext,
): Enqueued[] {
  if (from_fork || !open || !repository.eachPullRequest) return [];
  return repository.benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-test',
        repository: repository.name,
        benchmark,
        commit: head,
        pull_request: number,
        requested_by: 'pull request',
        priority: PRIORITY.pull_request,
      },
      {},
      ctx,
    ),
  );
}

/** The jobs for a commit of the default branch. */
export function queueMaster(
  repository: WatchedRepository,
  { commit, branch }: { commit: string; branch: string },
  ctx: QueueContext,
): Enqueued[] {
  return repository.benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-master',
        repository: repository.name,
        benchmark,
        commit,
        ref: branch,
        requested_by: 'push',
        priority: PRIORITY.master,
      },
      {},
      ctx,
    ),
  );
}

export interface QueueOptions {
  benchmarks: readonly string[];
  /** Full hash. */
  commit: string;
  against?: string;
  overrides: JobOverrides;
  /** The comment names this very commit: a newer push does not replace its jobs. */
  pinned: boolean;
}

/** The jobs for a command; what was measured already is measured again. */
export function queueRequest(
  { repository, pull_request, author }: Request,
  { benchmarks, commit, against, overrides, pinned }: QueueOptions,
  ctx: QueueContext,
): Enqueued[] {
  return benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-test',
        repository,
        benchmark,
        commit,
        against,
        overrides,
        pull_request,
        requested_by: `@${author}`,
        priority: PRIORITY.by_hand,
      },
      { again: true, pinned },
      ctx,
    ),
  );
}

/**
 * Ends what waits or runs for a pull request; gives it as it was before. `mayReturn`: not because somebody said no to
 * it.
 */
export function cancelPullRequest(
  repository: string,
  number: number,
  { reason, mayReturn = false }: { reason: string; mayReturn?: boolean },
  { store, now }: QueueContext,
): Job[] {
  const others = new Set(
    store.inbox
      .openPullRequests(repository)
      .filter((one) => one.number !== number)
      .map(({ head }) => head),
  ); // one head may be that of several
  const under = store.queue
    .jobs({ repository, pull_request: number, state: ['queued', 'leased'] })
    .filter(({ cancel_reason, commit }) => cancel_reason === undefined && !others.has(commit));
  return under.filter(({ job_id }) => store.queue.cancel(job_id, reason, now(), { mayReturn }));
}

function add(
  job: Omit<NewJob, 'deadline_s'>,
  options: Pick<EnqueueOptions, 'again' | 'pinned'>,
  { store, config, now }: QueueContext,
): Enqueued {
  const rules = config.rules.get(job.benchmark);
  if (!rules) throw new Error(`mayfly.yaml names ${job.benchmark}, of which there are no rules`);
  return store.queue.enqueue(
    { ...job, deadline_s: rules.deadlineS },
    { now: now(), cancelRunning: rules.cancelRunning, ...options },
  );
}
