/** What GitHub has told and what it is to be told. SQL only. Times are milliseconds since the epoch, handed in. */
import type { RemotePullRequest } from '../documents/pull-request.ts';
import type { Database, Row } from './sqlite.ts';

export interface PullRequest extends RemotePullRequest {
  repository: string;
  /** The first time, as GitHub says, at which we were told of this head. */
  head_seen_ms: number;
}

/**
 * No pause lasts longer (a limit of GitHub lasts an hour): one that ends later was written by a clock that has been set
 * back since.
 */
export const FURTHEST_MS = 3 * 3600_000;

/** Whether a time is still to be waited for. */
export const isAhead = (ms: number, now: number): boolean => ms > now && ms <= now + FURTHEST_MS;

/** A comment that begins with a command. */
export interface Request {
  request_id: string;
  repository: string;
  pull_request: number;
  comment_id: number;
  author: string;
  text: string;
  written_ms: number;
  failures: number;
}

/**
 * Something others are told: made anew from the store as often as need be, sent where it differs from what was sent
 * last.
 */
export interface Message {
  /**
   * `check`: a check run for a job; `comment`: the one of a pull request; `answer`: of a request; or the name of an
   * alert's way.
   */
  channel: string;
  subject: string;
  wanted: string;
  sent?: string;
  remote_id?: string;
  failures: number;
  not_before_ms: number;
  error?: string;
}

/** What the server does with what GitHub told and is to be told. */
export interface Hub {
  /** Takes a delivery; false: it was taken before. */
  takeDelivery(deliveryId: string, event: string, now: number): boolean;
  /** Forgets deliveries that came before this time: what they said does no harm a second time. */
  forgetDeliveries(before: number): void;
  /** Keeps what is newer; false: what came is older than what is known. */
  savePullRequest(pullRequest: Omit<PullRequest, 'head_seen_ms'>): boolean;
  pullRequest(repository: string, number: number): PullRequest | undefined;
  /** Those that are open, as far as we know. */
  openPullRequests(repository: string): PullRequest[];
  addRequest(request: Omit<Request, 'failures'>): void;
  openRequests(now: number): Request[];
  settleRequest(requestId: string, state: 'answered' | 'given up', answer: string): void;
  postponeRequest(requestId: string, notBefore: number): void;
  want(channel: string, subject: string, wanted: string): void;
  /** `channels`: only of these; absent: of all. */
  unsent(now: number, limit?: number, channels?: readonly string[]): Message[];
  message(channel: string, subject: string): Message | undefined;
  saveSent(message: Message, remoteId: string, notBefore?: number): void;
  saveUnsent(message: Message, error: string, notBefore: number): void;
  setting(name: string): string | undefined;
  saveSetting(name: string, value: string): void;
}

export function openHub(db: Database): Hub {
  const on =
    <A extends unknown[], R>(work: (db: Database, ...args: A) => R) =>
    (...args: A): R =>
      work(db, ...args);
  return {
    takeDelivery: on(takeDelivery),
    forgetDeliveries: on(forgetDeliveries),
    savePullRequest: on(savePullRequest),
    pullRequest: on(pullRequest),
    openPullRequests: on(openPullRequests),
    addRequest: on(addRequest),
    openRequests: on(openRequests),
    settleRequest: on(settleRequest),
    postponeRequest: on(postponeRequest),
    want: on(want),
    unsent: on(unsent),
    message: on(message),
    saveSent: on(saveSent),
    saveUnsent: on(saveUnsent),
    setting: on(setting),
    saveSetting: on(saveSetting),
  };
}

/** Takes a delivery; false: it was taken before. */
export function takeDelivery(db: Database, deliveryId: string, event: string, now: number): boolean {
  return (
    db.run(
      'INSERT INTO delivery (delivery_id, event, received_ms) VALUES (?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING',
      deliveryId,
      event,
      now,
    ) > 0
  );
}

function forgetDeliveries(db: Database, before: number): void {
  db.run('DELETE FROM delivery WHERE received_ms < ?', before);
}

/** Keeps what is newer; false: what came is older than what is known. */
export function savePullRequest(
  db: Database,
  { repository, number, head, base_ref, from_fork, open, updated_ms }: Omit<PullRequest, 'head_seen_ms'>,
): boolean {
  return (
    db.run(
      `INSERT INTO pull_request (repository, number, head, base_ref, from_fork, open, updated_ms, head_seen_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository, number) DO UPDATE SET base_ref = excluded.base_ref, from_fork = excluded.from_fork, open = excluded.open, updated_ms = excluded.updated_ms,
       head_seen_ms = CASE WHEN head = excluded.head THEN head_seen_ms ELSE excluded.head_seen_ms END, head = excluded.head
     WHERE excluded.updated_ms >= pull_request.updated_ms`,
      repository,
      number,
      head,
      base_ref,
      from_fork ? 1 : 0,
      open ? 1 : 0,
      updated_ms,
      updated_ms,
    ) > 0
  );
}

export function pullRequest(db: Database, repository: string, number: number): PullRequest | undefined {
  const row = db.get('SELECT * FROM pull_request WHERE repository = ? AND number = ?', repository, number);
  return row && readPullRequest(row);
}

function openPullRequests(db: Database, repository: string): PullRequest[] {
  return db
    .all('SELECT * FROM pull_request WHERE repository = ? AND open = 1 ORDER BY number', repository)
    .map(readPullRequest);
}

const readPullRequest = (row: Row): PullRequest =>
  ({ ...row, from_fork: row.from_fork === 1, open: row.open === 1 }) as unknown as PullRequest;

/** A comment is one request, however often it is delivered. */
export function addRequest(
  db: Database,
  { request_id, repository, pull_request, comment_id, author, text, written_ms }: Omit<Request, 'failures'>,
): void {
  db.run(
    `INSERT INTO request (request_id, repository, pull_request, comment_id, author, text, written_ms, state, not_before_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', 0)
     ON CONFLICT (repository, comment_id) DO NOTHING`,
    request_id,
    repository,
    pull_request,
    comment_id,
    author,
    text,
    written_ms,
  );
}

/** Those that wait for an answer, the oldest first. */
export function openRequests(db: Database, now: number): Request[] {
  return db.all(
    `SELECT * FROM request WHERE state = 'open' AND (not_before_ms <= ? OR not_before_ms > ?) ORDER BY request_id`,
    now,
    now + FURTHEST_MS,
  ) as unknown as Request[];
}

export function settleRequest(db: Database, requestId: string, state: 'answered' | 'given up', answer: string): void {
  db.run('UPDATE request SET state = ?, answer = ? WHERE request_id = ?', state, answer, requestId);
}

export function postponeRequest(db: Database, requestId: string, notBefore: number): void {
  db.run('UPDATE request SET failures = failures + 1, not_before_ms = ? WHERE request_id = ?', notBefore, requestId);
}

/** What is wanted now; nothing changes where it is the same. */
export function want(db: Database, channel: string, subject: string, wanted: string): void {
  db.run(
    `INSERT INTO message (channel, subject, wanted) VALUES (?, ?, ?) ON CONFLICT (channel, subject) DO UPDATE SET wanted = excluded.wanted WHERE wanted <> excluded.wanted`,
    channel,
    subject,
    wanted,
  );
}

/** What differs from what was sent and may be sent now, the longest waiting first. */
export function unsent(db: Database, now: number, limit = 100, channels?: readonly string[]): Message[] {
  const of = channels === undefined ? '' : 'AND channel IN (SELECT value FROM json_each(?))';
  return db
    .all(
      `SELECT * FROM message WHERE (sent IS NULL OR sent <> wanted) AND (not_before_ms <= ? OR not_before_ms > ?) ${of} ORDER BY not_before_ms, subject LIMIT ?`,
      now,
      now + FURTHEST_MS,
      ...(channels === undefined ? [] : [JSON.stringify(channels)]),
      limit,
    )
    .map(readMessage);
}

export function message(db: Database, channel: string, subject: string): Message | undefined {
  const row = db.get('SELECT * FROM message WHERE channel = ? AND subject = ?', channel, subject);
  return row && readMessage(row);
}

export function saveSent(db: Database, { channel, subject, wanted }: Message, remoteId: string, notBefore = 0): void {
  db.run(
    'UPDATE message SET sent = ?, remote_id = ?, failures = 0, error = NULL, not_before_ms = ? WHERE channel = ? AND subject = ?',
    wanted,
    remoteId,
    notBefore,
    channel,
    subject,
  );
}

export function saveUnsent(db: Database, { channel, subject }: Message, error: string, notBefore: number): void {
  db.run(
    'UPDATE message SET failures = failures + 1, error = ?, not_before_ms = ? WHERE channel = ? AND subject = ?',
    error,
    notBefore,
    channel,
    subject,
  );
}

function setting(db: Database, name: string): string | undefined {
  return db.get('SELECT value FROM setting WHERE name = ?', name)?.value as string | undefined;
}

function saveSetting(db: Database, name: string, value: string): void {
  db.run(
    'INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    name,
    value,
  );
}

function readMessage(row: Row): Message {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as Message;
}
