/**
 * What a delivery of GitHub means, and what of it is kept. Payloads as in
 * https://docs.github.com/en/webhooks/webhook-events-and-payloads; only what is read here is looked at, and is checked
 * first.
 */
import { monotonicFactory } from 'ulid';
import { shown } from '../../config/schema.ts';
import { isReleaseLine, type ServiceConfig, type WatchedRepository, watchedRepository } from '../../config/service.ts';
import type { Inbox, Learnt, PullRequest, Request } from '../../store/inbox.ts';
import type { Enqueued } from '../../store/jobs.ts';
import { benchmarkOf } from '../tell/checks.ts';
import { isProgram } from '../who-may-command.ts';
import { HttpError } from './http.ts';
import {
  cancelMergeGroup,
  cancelPullRequest,
  type MergeGroup,
  type QueueContext,
  queueAgain,
  queueMaster,
  queueMergeGroup,
  queuePullRequest,
  type Rerequest,
} from './queueing.ts';
import { commandLine } from './slash.ts';

/** What was told, checked. */
export type Told =
  /** 202: it might have mattered, but mayfly.yaml does not ask for it. */
  | { what: 'nothing'; status: 200 | 202; why: string }
  | { what: 'pull request'; repository: WatchedRepository; pullRequest: NewPullRequest; learnt: Learnt }
  /** `line`: not to the default branch, but to one that mayfly.yaml names. */
  | { what: 'push'; repository: WatchedRepository; commit: string; branch: string; line: boolean }
  | { what: 'merge group'; repository: WatchedRepository; group: MergeGroup }
  | { what: 'merge group ended'; repository: WatchedRepository; group: Pick<MergeGroup, 'head'>; why: string }
  | { what: 'again'; repository: WatchedRepository; again: Rerequest }
  | { what: 'command'; request: Omit<Request, 'request_id' | 'failures'> };

export type NewPullRequest = Omit<PullRequest, 'head_seen_ms' | 'tied'>;

const nothing = (why: string, status: 200 | 202 = 200): Told => ({ what: 'nothing', status, why });

/** Reads a delivery. HttpError 422 where the payload lacks what is needed. */
export function readDelivery(event: string, payload: unknown, config: ServiceConfig): Told {
  const read = {
    pull_request: readPullRequest,
    push: readPush,
    issue_comment: readComment,
    merge_group: readMergeGroup,
    check_run: readCheckRun,
    check_suite: readCheckSuite,
  }[event];
  if (event === 'ping') return nothing('the webhook works');
  if (!read) return nothing(`events of the kind ${event} mean nothing here`);
  const name = at(payload, 'repository.full_name', REPOSITORY);
  const repository = watchedRepository(config, name);
  return repository ? read(payload, repository) : nothing(`mayfly.yaml does not name ${name}`, 202);
}

const MEANT = ['opened', 'synchronize', 'reopened', 'ready_for_review', 'closed'];
const LABELLED = ['labeled', 'unlabeled'];

function readPullRequest(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  const newBase = action === 'edited' && find(payload, 'changes.base') !== undefined;
  const { start, skip } = repository.labels;
  const newLabel = LABELLED.includes(action) && (start ?? skip) !== undefined;
  if (!MEANT.includes(action) && !newBase && !newLabel)
    return nothing(`a pull request that is ${action} changes nothing here`);
  const head = find(payload, 'pull_request.head.repo'); // null: the fork is gone
  const before = find(payload, 'before'); // of a push: synchronize
  const from_fork =
    head === null || at(payload, 'pull_request.head.repo.id', NUMBER) !== at(payload, 'repository.id', NUMBER);
  return {
    what: 'pull request',
    repository,
    pullRequest: {
      repository: repository.name,
      number: at(payload, 'pull_request.number', NUMBER),
      head: at(payload, 'pull_request.head.sha', HASH),
      base_ref: at(payload, 'pull_request.base.ref', REF),
      onto_default: at(payload, 'pull_request.base.ref', REF) === at(payload, 'repository.default_branch', REF),
      from_fork,
      open: at(payload, 'pull_request.state', STATE) === 'open',
      labels: at(payload, 'pull_request.labels', LABELS).map(({ name }) => name),
      updated_ms: Date.parse(at(payload, 'pull_request.updated_at', TIME)),
      ...(find(payload, 'pull_request.merged') === true
        ? { merged_as: at(payload, 'pull_request.merge_commit_sha', HASH) }
        : {}),
    },
    learnt: HASH.fits(before) ? { before } : {},
  };
}

function readPush(payload: unknown, repository: WatchedRepository): Told {
  const ref = at(payload, 'ref', REF);
  const branch = /^refs\/heads\/(.+)$/s.exec(ref)?.[1];
  const line = branch !== at(payload, 'repository.default_branch', REF);
  if (branch === undefined || (line && !isReleaseLine(repository, branch)))
    return nothing('only pushes to the default branch, and to the branches that mayfly.yaml names, are measured');
  if (find(payload, 'deleted') === true) return nothing('the branch was deleted');
  return { what: 'push', repository, commit: at(payload, 'after', HASH), branch, line };
}

function readMergeGroup(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  const head = at(payload, 'merge_group.head_sha', HASH);
  if (action === 'checks_requested')
    return { what: 'merge group', repository, group: { head, base: at(payload, 'merge_group.base_sha', HASH) } };
  if (action !== 'destroyed') return nothing(`a merge group that is ${action} changes nothing here`);
  const reason = find(payload, 'reason'); // merged, invalidated or dequeued
  const why = `its merge group is gone${WORD.fits(reason) ? `: ${reason}` : ''}`;
  return { what: 'merge group ended', repository, group: { head }, why };
}

/** GitHub offers "Re-run" to people who may push, and tells it only the App whose check it is. */
function readCheckRun(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  if (action !== 'rerequested') return nothing(`a check run that is ${action} changes nothing here`);
  const commit = at(payload, 'check_run.head_sha', HASH);
  const benchmark = benchmarkOf(at(payload, 'check_run.name', TEXT));
  if (benchmark === undefined) return nothing('the check run is none of Mayfly');
  const job = find(payload, 'check_run.external_id');
  return {
    what: 'again',
    repository,
    again: { commit, benchmark, ...(JOB.fits(job) ? { job } : {}), by: senderOf(payload) },
  };
}

function readCheckSuite(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  if (action !== 'rerequested') return nothing(`a check suite that is ${action} changes nothing here`);
  const commit = at(payload, 'check_suite.head_sha', HASH);
  return { what: 'again', repository, again: { commit, by: senderOf(payload) } };
}

/** An App has brackets in its name. */
const senderOf = (payload: unknown): string => at(payload, 'sender.login', SENDER);

function readComment(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  if (action !== 'created') return nothing(`a comment that is ${action} is no command`);
  if (find(payload, 'issue.pull_request') === undefined) return nothing('commands are read in pull requests only');
  if (find(payload, 'comment.user') === null) return nothing('the comment has no author');
  const author = {
    type: at(payload, 'comment.user.type', WORD),
    app: find(payload, 'comment.performed_via_github_app'),
  };
  if (isProgram(author)) return nothing('programs give no commands');
  const text = commandLine(at(payload, 'comment.body', TEXT));
  if (text === undefined) return nothing('the comment is no command');
  return {
    what: 'command',
    request: {
      repository: repository.name,
      pull_request: at(payload, 'issue.number', NUMBER),
      comment_id: at(payload, 'comment.id', NUMBER),
      author: at(payload, 'comment.user.login', LOGIN),
      text,
      written_ms: Date.parse(at(payload, 'comment.created_at', TIME)),
    },
  };
}

const nextRequest = monotonicFactory();

/** Keeps what was told, as part of the caller's transaction; gives the ids of the jobs that it added. */
export function keep(told: Told, ctx: QueueContext): string[] {
  switch (told.what) {
    case 'nothing':
      return [];
    case 'pull request':
      return added(pullRequestJobs(told, ctx));
    case 'push':
      return added(queueMaster(told.repository, told, ctx));
    case 'merge group':
      return added(queueMergeGroup(told.repository, told.group, ctx));
    case 'merge group ended':
      cancelMergeGroup(told.repository, told.group, told.why, ctx);
      return [];
    case 'again':
      return added(queueAgain(told.repository, told.again, ctx));
    case 'command':
      ctx.store.inbox.addRequest({ ...told.request, request_id: nextRequest(ctx.now()) });
      return [];
  }
}

/**
 * Of two heads that GitHub has told for one second both are measured: neither replaces the other. With another base it is
 * another comparison, which is made even if it was made before: its check is to be the newest.
 */
function pullRequestJobs(
  { repository, pullRequest, learnt }: Told & { what: 'pull request' },
  ctx: QueueContext,
): Enqueued[] {
  const before = ctx.store.inbox.pullRequest(repository.name, pullRequest.number);
  const kept = keepPullRequest(repository, pullRequest, ctx, learnt);
  if (kept === 'older' || !isOpen(repository.name, pullRequest, ctx)) return [];
  const again = kept === 'newer' && before !== undefined && before.base_ref !== pullRequest.base_ref;
  return queuePullRequest(repository, pullRequest, ctx, { besides: kept === 'tied', again });
}

/** Ids of the jobs that were not there before. */
export const added = (enqueued: readonly { added: boolean; job: { job_id: string } }[]): string[] =>
  enqueued.filter((one) => one.added).map(({ job }) => job.job_id);

/**
 * Keeps the state of a pull request, and ends its jobs where it is closed. `older`: what is known is newer, and nothing
 * changes. `tied`: of two heads that GitHub has told for one second only GitHub knows which is the newer. When a head
 * was seen is counted by GitHub's clock, as comments are: ours may be slow.
 */
export function keepPullRequest(
  { name }: WatchedRepository,
  pullRequest: NewPullRequest,
  ctx: QueueContext,
  learnt: Learnt = {},
): ReturnType<Inbox['savePullRequest']> {
  const kept = ctx.store.inbox.savePullRequest(pullRequest, learnt);
  if (kept !== 'older' && !isOpen(name, pullRequest, ctx))
    cancelPullRequest(name, pullRequest.number, { reason: 'its pull request was closed', mayReturn: true }, ctx);
  return kept;
}

const isOpen = (repository: string, { number }: NewPullRequest, { store }: QueueContext): boolean =>
  store.inbox.pullRequest(repository, number)!.open;

interface Label {
  name: string;
}
const isLabel = (value: unknown): value is Label =>
  typeof (value as Partial<Label> | null)?.name === 'string' && (value as Label).name.length <= 200;

/** What a field may hold: the test, and its form in words. */
interface Form<T> {
  fits(value: unknown): value is T;
  words: string;
}
const text = (pattern: RegExp, words: string): Form<string> => ({
  fits: (value): value is string => typeof value === 'string' && pattern.test(value),
  words,
});

const REPOSITORY = text(/^[\w-]{1,100}\/(?!\.{1,2}$)[\w.-]{1,100}$/, 'OWNER/NAME');
const HASH = text(/^(?!0+$)([0-9a-f]{40}|[0-9a-f]{64})$/, 'the hash of a commit');
const REF = text(/^[^\p{Cc}]{1,1000}$/u, 'the name of a branch');
const WORD = text(/^\w{1,100}$/, 'a word');
const LOGIN = text(/^[\w-]{1,100}$/, 'the name of a user');
const SENDER = text(/^[\w-]{1,100}(\[bot\])?$/, 'the name of a user or an App');
const JOB = text(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'the id of a job');
const TEXT = text(/^/, 'a text');
const STATE = text(/^(open|closed)$/, 'open or closed');
const TIME: Form<string> = {
  fits: (value): value is string =>
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    Date.parse(value) > 0,
  words: 'a time',
};
const LABELS: Form<Label[]> = {
  fits: (value): value is Label[] => Array.isArray(value) && value.length <= 1000 && value.every(isLabel),
  words: 'a list of labels',
};
const NUMBER: Form<number> = {
  fits: (value): value is number => Number.isSafeInteger(value) && (value as number) > 0,
  words: 'a whole number above 0',
};

/** The value at a path such as `pull_request.head.sha`; undefined where the payload does not go so far. */
const find = (payload: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, name)
          ? (value as Record<string, unknown>)[name]
          : undefined,
      payload,
    );

function at<T>(payload: unknown, path: string, { fits, words }: Form<T>): T {
  const value = find(payload, path);
  if (fits(value)) return value;
  throw new HttpError(422, `${path} must be ${words}, got ${shown(value)}; nothing was done`);
}
