/** What GitHub has told: deliveries, pull requests, comments. SQL only. Times are milliseconds since the epoch. */
import type { RemotePullRequest } from '../documents/pull-request.ts';
import { FURTHEST_MS } from './pauses.ts';
import type { Database, Row } from './sqlite.ts';

export interface PullRequest extends RemotePullRequest {
  repository: string;
  /** The first time, as GitHub says, at which we were told of this head. */
  head_seen_ms: number;
  /** GitHub has told two things of it for one second: it is to be asked which is so. */
  tied: boolean;
}

/** What is not of the pull request itself: what it was when we learnt of it. */
export interface Learnt {
  /** GitHub was asked, so it is so. */
  asked?: boolean;
  /** The head before this one, as the delivery of a push says. */
  before?: string;
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
  /**
   * Keeps what is newer; `older`: what came is, and nothing changes. GitHub counts seconds. `tied`: what came has another
   * head than what is known, and the same time. It is kept where its head follows the known one, and else not; which of
   * the two is the head is known when GitHub was asked.
   */
  savePullRequest(pullRequest: Omit<PullRequest, 'head_seen_ms' | 'tied'>, learnt?: Learnt): 'newer' | 'tied' | 'older';
  pullRequest(repository: string, number: number): PullRequest | undefined;
  /** Those that are open, as far as we know. */
  openPullRequests(repository: string): PullRequest[];
  /** Those of which GitHub is to be asked. */
  tiedPullRequests(): PullRequest[];
  /** GitHub is asked now. */
  untie(repository: string, number: number): void;
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
    savePullRequest: (pullRequest, learnt = {}) => db.transaction(() => savePullRequest(db, pullRequest, learnt)),
    pullRequest(repository, number) {
      const row = db.get(AT, repository, number);
      return row && readPullRequest(row);
    },
    openPullRequests: (repository) =>
      db
        .all('SELECT * FROM pull_request WHERE repository = ? AND open = 1 ORDER BY number', repository)
        .map(readPullRequest),
    tiedPullRequests: () => db.all('SELECT * FROM pull_request WHERE tied = 1').map(readPullRequest),
    untie: (repository, number) =>
      void db.run('UPDATE pull_request SET tied = 0 WHERE repository = ? AND number = ?', repository, number),
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

const AT = 'SELECT * FROM pull_request WHERE repository = ? AND number = ?';

function savePullRequest(
  db: Database,
  pullRequest: Omit<PullRequest, 'head_seen_ms' | 'tied'>,
  { asked = false, before }: Learnt,
): 'newer' | 'tied' | 'older' {
  const { repository, number, head, base_ref, onto_default, from_fork, open, labels, updated_ms, merged_as } =
    pullRequest;
  const row = db.get(AT, repository, number);
  const known = row && readPullRequest(row);
  if (known && known.updated_ms > updated_ms) return 'older';
  const tied = known?.updated_ms === updated_ms && !asked && differ(known, pullRequest);
  const twoHeads = tied && known.head !== head;
  if (twoHeads && known.head !== before) {
    db.run('UPDATE pull_request SET tied = 1 WHERE repository = ? AND number = ?', repository, number);
    return 'tied';
  }
  db.run(
    `INSERT INTO pull_request (repository, number, head, base_ref, onto_default, from_fork, open, labels, updated_ms, head_seen_ms, merged_as, tied) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (repository, number) DO UPDATE SET base_ref = excluded.base_ref, onto_default = excluded.onto_default, from_fork = excluded.from_fork, open = excluded.open,
       labels = excluded.labels, updated_ms = excluded.updated_ms, merged_as = excluded.merged_as,
       tied = CASE WHEN ? = 1 THEN pull_request.tied ELSE excluded.tied END,
       head_seen_ms = CASE WHEN head = excluded.head THEN head_seen_ms ELSE excluded.head_seen_ms END, head = excluded.head`,
    repository,
    number,
    head,
    base_ref,
    onto_default ? 1 : 0,
    from_fork ? 1 : 0,
    open ? 1 : 0,
    JSON.stringify(labels),
    updated_ms,
    updated_ms,
    merged_as ?? null,
    tied ? 1 : 0,
    asked ? 1 : 0, // told of meanwhile, it is asked once more
  );
  return twoHeads ? 'tied' : 'newer';
}

/** Whether two things that were told of a pull request cannot both be so. */
const differ = (one: Omit<PullRequest, 'head_seen_ms' | 'tied'>, other: typeof one): boolean =>
  (['head', 'base_ref', 'open', 'merged_as'] as const).some((name) => one[name] !== other[name]) ||
  JSON.stringify(one.labels) !== JSON.stringify(other.labels);

const readPullRequest = ({ merged_as, labels, ...row }: Row): PullRequest =>
  ({
    ...row,
    onto_default: row.onto_default === 1,
    from_fork: row.from_fork === 1,
    open: row.open === 1,
    tied: row.tied === 1,
    labels: JSON.parse(labels as string),
    ...(merged_as === null ? {} : { merged_as }),
  }) as unknown as PullRequest;
