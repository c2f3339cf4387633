/**
 * The one place where the server makes jobs and ends them: for a pull request, for a commit of a branch, for a merge
 * queue, for a command. Each is part of a transaction of whoever calls it.
 */
import type { WatchedRepository } from '../../config/service.ts';
import { type Job, type JobOverrides, type NewJob, PRIORITY, subjectText } from '../../documents/job.ts';
import { branchOf } from '../../documents/pull-request.ts';
import type { PullRequest, Request } from '../../store/inbox.ts';
import { type Enqueued, type EnqueueOptions, retryOf } from '../../store/jobs.ts';
import type { ServeContext } from './serve-context.ts';

export type QueueContext = Pick<ServeContext, 'store' | 'config' | 'now'>;
type Changed = Omit<PullRequest, 'repository' | 'updated_ms' | 'head_seen_ms' | 'tied'>;

/**
 * The jobs for the head of a pull request, where the repository wants them without being asked; where it wants them no
 * more, those that nobody has asked for end. Code of a fork never runs unasked. `besides`: they replace no others;
 * `again`: what was measured is measured again.
 */
export function queuePullRequest(
  repository: WatchedRepository,
  pullRequest: Changed,
  ctx: QueueContext,
  options: Pick<EnqueueOptions, 'besides' | 'again'> = {},
): Enqueued[] {
  const { number, head, from_fork, open } = pullRequest;
  if (from_fork || !open) return [];
  const why = whyUnwanted(repository, pullRequest);
  if (why !== undefined) {
    cancelPullRequest(repository.name, number, { reason: why, mayReturn: true, unasked: true }, ctx);
    return [];
  }
  return repository.benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-test',
        repository: repository.name,
        benchmark,
        commit: head,
        branch: branchOf(pullRequest),
        pull_request: number,
        paths: repository.paths,
        requested_by: 'pull request',
        priority: PRIORITY.pull_request,
      },
      options,
      ctx,
    ),
  );
}

/** Why a pull request is not measured without being asked for; undefined: it is. */
function whyUnwanted(repository: WatchedRepository, pullRequest: Pick<PullRequest, 'labels'>): string | undefined {
  const { eachPullRequest, labels } = repository;
  if (isSkipped(repository, pullRequest)) return `its pull request has the label ${labels.skip}`;
  if (eachPullRequest || hasLabel(pullRequest, labels.start)) return undefined;
  return labels.start === undefined
    ? 'pull requests are measured on request only'
    : `its pull request does not have the label ${labels.start}`;
}

const hasLabel = ({ labels }: Pick<PullRequest, 'labels'>, label: string | undefined): boolean =>
  label !== undefined && labels.some((one) => one.toLowerCase() === label.toLowerCase());

/** Whether a pull request has the label by which it is not measured. */
export const isSkipped = ({ labels }: WatchedRepository, pullRequest: Pick<PullRequest, 'labels'>): boolean =>
  hasLabel(pullRequest, labels.skip);

/** The jobs for a commit of a branch; `line`: of another one than the default branch. */
export function queueMaster(
  repository: WatchedRepository,
  { commit, branch, line }: { commit: string; branch: string; line: boolean },
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
        ...(line ? { branch } : {}),
        paths: repository.paths,
        requested_by: 'push',
        priority: PRIORITY.master,
      },
      {},
      ctx,
    ),
  );
}

/** What a merge queue is about to make of its branch: full hashes of it, and of what it is made upon. */
export interface MergeGroup {
  head: string;
  base: string;
}

/** The jobs for a merge group. Who may put something into a merge queue may push, so it may come from a fork. */
export function queueMergeGroup(
  repository: WatchedRepository,
  { head, base }: MergeGroup,
  ctx: QueueContext,
): Enqueued[] {
  return repository.benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-test',
        repository: repository.name,
        benchmark,
        commit: head,
        against: base,
        paths: repository.paths,
        requested_by: 'merge queue',
        priority: PRIORITY.merge_queue,
      },
      {},
      ctx,
    ),
  );
}

/** Ends what waits or runs for a merge group that is no more. */
export function cancelMergeGroup(
  { name }: WatchedRepository,
  { head }: Pick<MergeGroup, 'head'>,
  reason: string,
  { store, now }: QueueContext,
): void {
  for (const job of store.queue.jobs({ repository: name, commit: head, state: ['queued', 'leased'] }))
    if (job.priority === PRIORITY.merge_queue) store.queue.cancel(job.job_id, reason, now(), { mayReturn: true });
}

/** Somebody has asked GitHub to run checks again: all of a commit, or one. */
export interface Rerequest {
  /** Full hash. */
  commit: string;
  benchmark?: string;
  /** The job whose check it is. */
  job?: string;
  /** Login. */
  by: string;
}

/**
 * The jobs of a commit once more: of each benchmark the newest, or the very one. A check without a job is that of a
 * pull request that is not measured unasked; code of a fork needs a command all the same.
 */
export function queueAgain(repository: WatchedRepository, again: Rerequest, ctx: QueueContext): Enqueued[] {
  const { commit, benchmark, job, by } = again;
  const { store, now } = ctx;
  const options = { again: true, pinned: true };
  const wanted = benchmark === undefined ? repository.benchmarks : [benchmark];
  const jobs = store.queue.jobs({ repository: repository.name, commit });
  const newest = jobs.reduce(
    (found, one) =>
      one.job_id > (found.get(subjectText(one))?.job_id ?? '') ? found.set(subjectText(one), one) : found,
    new Map<string, Job>(),
  );
  const measured = new Set(jobs.map((one) => one.benchmark));
  const known = jobs.find(({ job_id }) => job_id === job);
  const before = known
    ? [known]
    : wanted.flatMap((one) => [...newest.values()].filter(({ benchmark }) => benchmark === one));
  const pull = store.inbox
    .openPullRequests(repository.name)
    .find(({ head, from_fork }) => head === commit && !from_fork);
  const first = pull ? repository.benchmarks.filter((one) => wanted.includes(one) && !measured.has(one)) : [];
  return [
    ...before.map((one) => store.queue.enqueue(retryOf(one, `@${by}`), { now: now(), ...options })),
    ...first.map((one) =>
      add(
        {
          kind: 'new-test',
          repository: repository.name,
          benchmark: one,
          commit,
          branch: branchOf(pull!),
          pull_request: pull!.number,
          requested_by: `@${by}`,
          priority: PRIORITY.by_hand,
        },
        options,
        ctx,
      ),
    ),
  ];
}

export interface QueueOptions {
  benchmarks: readonly string[];
  /** Full hash. */
  commit: string;
  against?: string;
  overrides: JobOverrides;
  /** The pull request as GitHub says that it is. */
  into: Pick<PullRequest, 'base_ref' | 'onto_default'>;
  /** The comment names this very commit: a newer push does not replace its jobs. */
  pinned: boolean;
}

/** The jobs for a command; what was measured already is measured again. */
export function queueRequest(
  { repository, pull_request, author }: Request,
  { benchmarks, commit, into, against, overrides, pinned }: QueueOptions,
  ctx: QueueContext,
): Enqueued[] {
  return benchmarks.map((benchmark) =>
    add(
      {
        kind: 'new-test',
        repository,
        benchmark,
        commit,
        branch: against === undefined ? branchOf(into) : undefined,
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
 * it. `unasked`: only what nobody has asked for.
 */
export function cancelPullRequest(
  repository: string,
  number: number,
  { reason, mayReturn = false, unasked = false }: { reason: string; mayReturn?: boolean; unasked?: boolean },
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
    .filter(({ cancel_reason, commit }) => cancel_reason === undefined && !others.has(commit))
    .filter(({ priority }) => !unasked || priority === PRIORITY.pull_request);
  return under.filter(({ job_id }) => store.queue.cancel(job_id, reason, now(), { mayReturn }));
}

function add(
  job: Omit<NewJob, 'deadline_s'>,
  options: Pick<EnqueueOptions, 'again' | 'pinned' | 'besides'>,
  { store, config, now }: QueueContext,
): Enqueued {
  const rules = config.rules.get(job.benchmark);
  if (!rules) throw new Error(`mayfly.yaml names ${job.benchmark}, of which there are no rules`);
  return store.queue.enqueue(
    { ...job, deadline_s: rules.deadlineS },
    { now: now(), cancelRunning: rules.cancelRunning, ...options },
  );
}
