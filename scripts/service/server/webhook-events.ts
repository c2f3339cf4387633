/**
 * What a delivery of GitHub means, and what of it is kept. Payloads as in
 * https://docs.github.com/en/webhooks/webhook-events-and-payloads; only what is read here is looked at, and is checked
 * first.
 */
import { monotonicFactory } from 'ulid';
import { shown } from '../../config/schema.ts';
import { type ServiceConfig, type WatchedRepository, watchedRepository } from '../../config/service.ts';
import type { PullRequest, Request } from '../../store/inbox.ts';
import { HttpError } from './http.ts';
import { cancelPullRequest, type QueueContext, queueMaster, queuePullRequest } from './queueing.ts';
import { commandLine } from './slash.ts';

/** What was told, checked. */
export type Told =
  /** 202: it might have mattered, but mayfly.yaml does not ask for it. */
  | { what: 'nothing'; status: 200 | 202; why: string }
  | { what: 'pull request'; repository: WatchedRepository; pullRequest: NewPullRequest }
  | { what: 'push'; repository: WatchedRepository; commit: string; branch: string }
  | { what: 'command'; request: Omit<Request, 'request_id' | 'failures'> };

export type NewPullRequest = Omit<PullRequest, 'head_seen_ms'>;

const nothing = (why: string, status: 200 | 202 = 200): Told => ({ what: 'nothing', status, why });

/** Reads a delivery. HttpError 422 where the payload lacks what is needed. */
export function readDelivery(event: string, payload: unknown, config: ServiceConfig): Told {
  const read = { pull_request: readPullRequest, push: readPush, issue_comment: readComment }[event];
  if (event === 'ping') return nothing('the webhook works');
  if (!read) return nothing(`events of the kind ${event} mean nothing here`);
  const name = at(payload, 'repository.full_name', REPOSITORY);
  const repository = watchedRepository(config, name);
  return repository ? read(payload, repository) : nothing(`mayfly.yaml does not name ${name}`, 202);
}

const MEANT = ['opened', 'synchronize', 'reopened', 'ready_for_review', 'closed'];

function readPullRequest(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  const newBase = action === 'edited' && find(payload, 'changes.base') !== undefined;
  if (!MEANT.includes(action) && !newBase) return nothing(`a pull request that is ${action} changes nothing here`);
  const head = find(payload, 'pull_request.head.repo'); // null: the fork is gone
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
      from_fork,
      open: at(payload, 'pull_request.state', STATE) === 'open',
      updated_ms: Date.parse(at(payload, 'pull_request.updated_at', TIME)),
    },
  };
}

function readPush(payload: unknown, repository: WatchedRepository): Told {
  const ref = at(payload, 'ref', REF);
  const branch = at(payload, 'repository.default_branch', REF);
  if (ref !== `refs/heads/${branch}`) return nothing('only pushes to the default branch are measured');
  if (find(payload, 'deleted') === true) return nothing('the branch was deleted');
  return { what: 'push', repository, commit: at(payload, 'after', HASH), branch };
}

function readComment(payload: unknown, repository: WatchedRepository): Told {
  const action = at(payload, 'action', WORD);
  if (action !== 'created') return nothing(`a comment that is ${action} is no command`);
  if (find(payload, 'issue.pull_request') === undefined) return nothing('commands are read in pull requests only');
  if (find(payload, 'comment.user') === null) return nothing('the comment has no author');
  if (
    at(payload, 'comment.user.type', WORD) === 'Bot' ||
    (find(payload, 'comment.performed_via_github_app') ?? null) !== null
  )
    return nothing('programs give no commands');
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
      return keepPullRequest(told.repository, told.pullRequest, ctx)
        ? added(queuePullRequest(told.repository, told.pullRequest, ctx))
        : [];
    case 'push':
      return added(queueMaster(told.repository, told, ctx));
    case 'command':
      ctx.store.inbox.addRequest({ ...told.request, request_id: nextRequest(ctx.now()) });
      return [];
  }
}

/** Ids of the jobs that were not there before. */
export const added = (enqueued: readonly { added: boolean; job: { job_id: string } }[]): string[] =>
  enqueued.filter((one) => one.added).map(({ job }) => job.job_id);

/**
 * Keeps the state of a pull request, and ends its jobs where it is closed; false: what is known is newer, and nothing
 * changes. When a head was seen is counted by GitHub's clock, as comments are: ours may be slow.
 */
export function keepPullRequest({ name }: WatchedRepository, pullRequest: NewPullRequest, ctx: QueueContext): boolean {
  if (!ctx.store.inbox.savePullRequest(pullRequest)) return false;
  if (!pullRequest.open)
    cancelPullRequest(name, pullRequest.number, { reason: 'its pull request was closed', mayReturn: true }, ctx);
  return true;
}

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
const TEXT = text(/^/, 'a text');
const STATE = text(/^(open|closed)$/, 'open or closed');
const TIME: Form<string> = {
  fits: (value): value is string =>
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value) &&
    Date.parse(value) > 0,
  words: 'a time',
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
