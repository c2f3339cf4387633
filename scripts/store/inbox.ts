/** What GitHub has told: deliveries, pull requests, comments. SQL only. Times are milliseconds since the epoch. */
import type { RemotePullRequest } from '../documents/pull-request.ts';
import { FURTHEST_MS } from './pauses.ts';
import type { Database, Row } from './sqlite.ts';

export interface PullRequest extends RemotePullRequest {
  repository: string;
  /** The first time, as GitHub says, at which we were told of this head. */
  head_seen_ms: number;
}

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

export interface Inbox {
  /** Takes a delivery; false: it was taken before. */
  takeDelivery(deliveryId: string, event: string, now: number): boolean;
  /** Forgets deliveries that came before this time: what they said does no harm a second time. */
  forgetDeliveries(before: number): void;
  /** Keeps what is newer; false: what came is older than what is known. */
  savePullRequest(pullRequest: Omit<PullRequest, 'head_seen_ms'>): boolean;
  pullRequest(repository: string, number: number): PullRequest | undefined;
  /** Those that are open, as far as we know. */
  openPullRequests(repository: string): PullRequest[];
  /** A comment is one request, however often it is delivered. */
  addRequest(request: Omit<Request, 'failures'>): void;
  /** Those that wait for an answer, the oldest first. */
  openRequests(now: number): Request[];
  settleRequest(requestId: string, state: 'answered' | 'given up', answer: string): void;
  postponeRequest(requestId: string, notBefore: number): void;
}

export function openInbox(db: Database): Inbox {
  return {
    takeDelivery: (deliveryId, event, now) =>
      db.run(
        'INSERT INTO delivery (delivery_id, event, received_ms) VALUES (?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING',
        deliveryId,
        event,
        now,
      ) > 0,
    forgetDeliveries: (before) => void db.run('DELETE FROM delivery WHERE received_ms < ?', before),
    savePullRequest: ({ repository, number, head, base_ref, from_fork, open, updated_ms }) =>
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
      ) > 0,
    pullRequest(repository, number) {
      const row = db.get('SELECT * FROM pull_request WHERE repository = ? AND number = ?', repository, number);
      return row && readPullRequest(row);
    },
    openPullRequests: (repository) =>
      db
        .all('SELECT * FROM pull_request WHERE repository = ? AND open = 1 ORDER BY number', repository)
        .map(readPullRequest),
    addRequest({ request_id, repository, pull_request, comment_id, author, text, written_ms }) {
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
    },
    openRequests: (now) =>
      db.all(
        `SELECT * FROM request WHERE state = 'open' AND (not_before_ms <= ? OR not_before_ms > ?) ORDER BY request_id`,
        now,
        now + FURTHEST_MS,
      ) as unknown as Request[],
    settleRequest(requestId, state, answer) {
      db.run('UPDATE request SET state = ?, answer = ? WHERE request_id = ?', state, answer, requestId);
    },
    postponeRequest(requestId, notBefore) {
      db.run(
        'UPDATE request SET failures = failures + 1, not_before_ms = ? WHERE request_id = ?',
        notBefore,
        requestId,
      );
    },
  };
}

const readPullRequest = (row: Row): PullRequest =>
  ({ ...row, from_fork: row.from_fork === 1, open: row.open === 1 }) as unknown as PullRequest;
