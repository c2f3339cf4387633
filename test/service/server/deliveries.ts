/** Deliveries of GitHub for tests: payloads as it sends them, signed as it signs them, to a server on loopback. */
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { ServiceConfig, WatchedRepository } from '../../../scripts/config/service.ts';
import { paths } from '../../../scripts/core/paths.ts';
import { createHttp, listen } from '../../../scripts/service/server/http.ts';
import type { ServeContext } from '../../../scripts/service/server/serve-context.ts';
import { webhookRoutes } from '../../../scripts/service/server/webhook.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { CONCLUSIONS } from '../../fixtures/conclusions.ts';

export const SECRET = 'a secret of the tests';
/** Of the examples. */
export const REPOSITORY = 'Codertocat/Hello-World';

export type Payload = Record<string, any>; // documents of GitHub, of any shape

const folder = join(createRequire(import.meta.url).resolve('@octokit/webhooks-examples/package.json'), '..');
const read = new Map<string, { name: string; examples: Payload[] }[]>();

/** GitHub's own examples, by event; `flavour`: a folder of the package. */
export function examples(flavour = 'api.github.com'): { name: string; examples: Payload[] }[] {
  const all = read.get(flavour) ?? JSON.parse(readFileSync(join(folder, flavour, 'index.json'), 'utf8'));
  read.set(flavour, all);
  return all;
}

/** The first example of an event with this action. */
export function example(event: string, action?: string): Payload {
  const { examples: all } = examples().find(({ name }) => name === event)!;
  return structuredClone(all.find((one) => action === undefined || one.action === action)!);
}

const label = {
  id: 1,
  node_id: 'MDU6TGFiZWwx',
  url: 'https://api.github.com/repos/Codertocat/Hello-World/labels/bug',
  color: 'd73a4a',
  default: false,
  description: null,
};

/** What a merge queue asks for. */
export function mergeGroup(action: string, head: string, base: string, more: Payload = {}): Payload {
  const payload = example('merge_group', 'checks_requested');
  Object.assign(payload.merge_group, { head_sha: head, base_sha: base });
  return { ...payload, action, repository: push().repository, ...more };
}

/** Somebody presses "Re-run" of a check. */
export function rerun(
  check: { name: string; head: string; externalId?: string },
  { by = 'Codertocat' }: { by?: string } = {},
): Payload {
  const payload = example('check_run', 'rerequested');
  Object.assign(payload.check_run, { name: check.name, head_sha: check.head, external_id: check.externalId ?? '' });
  payload.sender.login = by;
  return { ...payload, repository: push().repository };
}

/** Somebody presses "Re-run all checks". */
export function rerunAll(head: string, by = 'Codertocat'): Payload {
  const payload = example('check_suite', 'rerequested');
  payload.check_suite.head_sha = head;
  payload.sender.login = by;
  return payload;
}

/** A pull request as the examples have it, with what differs laid over it. */
export function pullRequest(
  action: string,
  {
    number = 2,
    head = 'b'.repeat(40),
    updated = '2026-01-02T03:04:05Z',
    open = true,
    fork = false as boolean | 'gone',
    ...more
  }: {
    number?: number;
    head?: string;
    updated?: string;
    open?: boolean;
    fork?: boolean | 'gone';
    changes?: object;
    base?: string;
    labels?: string[];
    before?: string;
    title?: string;
    branch?: string;
    mergedAs?: string;
  } = {},
): Payload {
  const payload: Payload = {
    ...example('pull_request', 'opened'),
    action,
    number,
    ...(more.changes ? { changes: more.changes } : {}),
    ...(more.before ? { before: more.before, after: head } : {}),
  };
  const own: Payload = payload.pull_request;
  Object.assign(own, { number, state: open ? 'open' : 'closed', updated_at: updated, title: more.title ?? own.title });
  if (more.mergedAs) Object.assign(own, { merged: true, merged_at: updated, merge_commit_sha: more.mergedAs });
  Object.assign(own.head, { sha: head, ref: more.branch ?? own.head.ref });
  if (more.base !== undefined) own.base.ref = more.base;
  if (more.labels) own.labels = more.labels.map((name, i) => ({ ...label, id: 1 + i, name }));
  if (fork)
    own.head.repo =
      fork === 'gone' ? null : { ...own.head.repo, id: 4711, full_name: 'stranger/Hello-World', fork: true };
  return payload;
}

export function push(after = 'c'.repeat(40), more: Payload = {}): Payload {
  return { ...example('push'), ref: 'refs/heads/master', after, deleted: false, ...more };
}

/** A comment on a pull request, or on an issue. */
export function comment(
  body: string,
  {
    id = 1,
    number = 2,
    author = 'Codertocat',
    type = 'User',
    at = '2026-01-02T04:00:00Z',
    onIssue = false,
    action = 'created',
    ...more
  }: {
    id?: number;
    number?: number;
    author?: string;
    type?: string;
    at?: string;
    onIssue?: boolean;
    action?: string;
    app?: object;
  } = {},
): Payload {
  const payload: Payload = { ...example('issue_comment', 'created'), action };
  Object.assign(payload.issue, {
    number,
    ...(onIssue ? {} : { pull_request: { url: `https://api.github.com/repos/${REPOSITORY}/pulls/${number}` } }),
  });
  Object.assign(payload.comment, {
    id,
    body,
    created_at: at,
    performed_via_github_app: more.app ?? null,
    user: { ...payload.comment.user, login: author, type },
  });
  return payload;
}

export const watched = (more: Partial<WatchedRepository> = {}): WatchedRepository => ({
  name: REPOSITORY,
  benchmarks: ['shop'],
  eachPullRequest: true,
  labels: {},
  branches: [],
  conclusions: CONCLUSIONS,
  ...more,
});

export function serviceConfig(repositories: WatchedRepository[] = [watched()], cancelRunning = false): ServiceConfig {
  const rules = new Map(
    repositories.flatMap(({ benchmarks }) => benchmarks).map((name) => [name, { cancelRunning, deadlineS: 3600 }]),
  );
  return { file: undefined, site: 'https://mayfly.example.org', repositories, reconcileS: 300, alerts: [], rules };
}

export interface Clock {
  now: number;
}

/**
 * What the parts of the server are handed, over a store of its own; `lines`: what was logged, `wakes`: how often the
 * loops were woken.
 */
export function makeContext(
  t: Test,
  laid: Partial<ServeContext> = {},
): ServeContext & { lines: string[]; wakes(): number; clock: Clock; file: string } {
  const where = paths(t.testdir(), {});
  const store = openStore(where.db);
  t.teardown(() => store.close());
  const lines: string[] = [];
  const clock = { now: Date.parse('2026-01-02T05:00:00Z') };
  let wakes = 0;
  return {
    store,
    paths: where,
    config: serviceConfig(),
    site: 'https://mayfly.example.org',
    githubSite: 'https://github.com',
    webhookSecret: SECRET,
    actionToken: undefined,
    github: undefined,
    now: () => clock.now,
    log: (line) => void lines.push(line),
    signal: new AbortController().signal,
    wake: () => void wakes++,
    ...laid,
    lines,
    wakes: () => wakes,
    clock,
    file: where.db,
  };
}

/** Listens on a port that is free; gives the address of the webhooks. */
export async function startWebhooks(t: Test, ctx: ServeContext): Promise<string> {
  const http = await createHttp({ log: ctx.log });
  t.teardown(() => http.close());
  webhookRoutes(http, ctx);
  return `${await listen(http, '127.0.0.1', 0)}/webhooks/github`;
}

export interface Delivery {
  event: string;
  /** An object is sent as JSON. */
  payload: unknown;
  id?: string;
  secret?: string;
  /** Instead of what GitHub would send; undefined: without it. */
  headers?: Record<string, string | undefined>;
}

export const signatureOf = (body: string | Buffer, secret = SECRET): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

export interface Answered {
  status: number;
  body: Payload;
}

export async function deliver(
  url: string,
  { event, payload, id = randomUUID(), secret, headers = {} }: Delivery,
): Promise<Answered> {
  const body = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
  const all: Record<string, string | undefined> = {
    'content-type': 'application/json',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': signatureOf(body, secret),
    ...headers,
  };
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const answer = await fetch(url, { method: 'POST', headers: given, body: Buffer.from(body) });
  return { status: answer.status, body: (await answer.json()) as Payload };
}
