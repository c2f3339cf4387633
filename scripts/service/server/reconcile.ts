/**
 * Makes up for lost webhooks: asks GitHub for what is open and for the heads of the branches that are measured, and
 * queues what was never measured.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isReleaseLine, type WatchedRepository, watchedRepository } from '../../config/service.ts';
import { firstLine } from '../../core/errors.ts';
import type { Learnt, PullRequest } from '../../store/inbox.ts';
import { isAhead } from '../../store/pauses.ts';
import type { GitHub, RemotePullRequest } from '../tell/github-types.ts';
import { SendError } from '../tell/send-error.ts';
import { queueMaster } from './queueing.ts';
import type { ServeContext } from './serve-context.ts';
import { added, keep } from './webhook-events.ts';

/**
 * One turn over every watched repository. That one fails does not stop the others; it is logged when it begins and when
 * it is over.
 */
export async function reconcile(ctx: ServeContext): Promise<void> {
  const { github, config, signal, log } = ctx;
  if (!github) return;
  for (const repository of config.repositories) {
    if (signal.aborted) return;
    if (isLimited(repository, ctx)) continue;
    try {
      const queued = await reconcileRepository(repository, github, ctx);
      if (queued.length > 0) log(`${repository.name}: queued what no webhook had asked for: ${queued.join(', ')}`);
      if (queued.length > 0) ctx.wake();
      noteState(repository, undefined, ctx);
    } catch (error) {
      noteState(repository, error, ctx);
    }
  }
  await settleTies(ctx);
}

/**
 * Gives the ids of the jobs that it added. The queue knows what was measured, or declined by somebody, and does not
 * take it again.
 */
async function reconcileRepository(
  repository: WatchedRepository,
  github: GitHub,
  ctx: ServeContext,
): Promise<string[]> {
  const { name } = repository;
  const queued = (await headsOf(repository, github)).flatMap((head) => takeHead(repository, head, ctx));
  const open = await github.openPullRequests(name);
  for (const remote of open) {
    queued.push(...take(repository, remote, {}, ctx));
    await nextTurn(); // a webhook that came meanwhile is answered before the next of perhaps hundreds
  }
  const numbers = new Set(open.map(({ number }) => number));
  for (const known of ctx.store.inbox.openPullRequests(name)) {
    if (!numbers.has(known.number)) queued.push(...take(repository, await nowOf(known, github), { asked: true }, ctx));
  }
  return queued;
}

type Head = Parameters<typeof queueMaster>[1];

/** The heads of the default branch, and of the others that mayfly.yaml names. */
async function headsOf(repository: WatchedRepository, github: GitHub): Promise<Head[]> {
  const main = await github.defaultBranch(repository.name);
  const all = repository.branches.length > 0 ? await github.branches(repository.name) : [];
  const lines = all.filter(({ name }) => name !== main.name && isReleaseLine(repository, name));
  return [
    { commit: main.commit, branch: main.name, line: false },
    ...lines.map(({ name, commit }) => ({ commit, branch: name, line: true })),
  ];
}

/** What was measured by hand, without a job, is not measured again. */
const takeHead = (repository: WatchedRepository, head: Head, ctx: ServeContext): string[] =>
  ctx.store.transaction(() => {
    const { commit, branch, line } = head;
    const benchmarks = repository.benchmarks.filter(
      (benchmark) =>
        ctx.store.queue.count({ repository: repository.name, benchmark, commit }) > 0 ||
        !measured(benchmark, commit, line ? branch : undefined, ctx),
    );
    return added(queueMaster({ ...repository, benchmarks }, head, ctx));
  });

/**
 * Asks GitHub of pull requests of which it has told two things for one second. Once: what is not answered now,
 * reconcile asks for.
 */
export async function settleTies(ctx: ServeContext): Promise<void> {
  const { github, store, signal } = ctx;
  if (!github) return;
  for (const pullRequest of store.inbox.tiedPullRequests()) {
    if (signal.aborted) return;
    store.inbox.untie(pullRequest.repository, pullRequest.number);
    const repository = watchedRepository(ctx.config, pullRequest.repository);
    if (!repository || isLimited(repository, ctx)) continue;
    try {
      take(repository, await nowOf(pullRequest, github), { asked: true }, ctx);
      ctx.wake();
    } catch (error) {
      noteState(repository, error, ctx);
    }
  }
}

/** One that GitHub knows no more, as of a user whom it has removed, is closed. */
async function nowOf(known: PullRequest, github: GitHub): Promise<RemotePullRequest> {
  try {
    return await github.pullRequest(known.repository, known.number);
  } catch (error) {
    if (error instanceof SendError && error.status === 404) return { ...known, open: false };
    throw error;
  }
}

const take = (repository: WatchedRepository, remote: RemotePullRequest, learnt: Learnt, ctx: ServeContext): string[] =>
  ctx.store.transaction(() =>
    keep({ what: 'pull request', repository, pullRequest: { ...remote, repository: repository.name }, learnt }, ctx),
  );

/** Measured as master set without a job: by hand. */
const measured = (benchmark: string, commit: string, branch: string | undefined, { store }: ServeContext): boolean =>
  store
    .runs({ benchmark, commit, master: true, branch, limit: 1000 })
    .some((run) => run.commit === commit && run.status === 'complete');

/** How it went last, kept over restarts. */
interface Last {
  /** Empty: well. */
  fault: string;
  /** Milliseconds since the epoch before which GitHub is not to be asked again. */
  until: number;
}

const nameOfLast = ({ name }: WatchedRepository) => `reconcile ${name}`;

function lastOf(repository: WatchedRepository, { store }: ServeContext): Last {
  const text = store.setting(nameOfLast(repository));
  return text === undefined ? { fault: '', until: 0 } : (JSON.parse(text) as Last);
}

function isLimited(repository: WatchedRepository, ctx: ServeContext): boolean {
  return isAhead(lastOf(repository, ctx).until, ctx.now());
}

/** Says when it begins to fail, fails in another way, or is over. */
function noteState(repository: WatchedRepository, error: unknown, ctx: ServeContext): void {
  const fault =
    error === undefined ? '' : error instanceof SendError ? `${error.kind} ${error.status ?? ''}` : firstLine(error);
  const until = error instanceof SendError ? (error.retryAtMs ?? 0) : 0;
  const last = lastOf(repository, ctx);
  if (fault !== last.fault || until !== last.until)
    ctx.store.saveSetting(nameOfLast(repository), JSON.stringify({ fault, until } satisfies Last));
  if (fault === last.fault) return;
  ctx.log(
    error === undefined
      ? `${repository.name}: GitHub answers again`
      : `${repository.name}: GitHub could not be asked what was missed: ${firstLine(error)}; it is tried again`,
  );
}
