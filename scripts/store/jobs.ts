/**
 * The queue. States: queued -> leased -> done | failed | cancelled; docs/queue.md has the rules.
 *
 * Two processes use it at once: whatever changes something is one transaction under the write lock of the store.
 */
import { decodeTime, ulid } from 'ulid';
import { type Job, type JobProgress, type NewJob, PRIORITY, type WorkerName } from '../documents/job.ts';
import { count, iso, type JobFilter, job, jobs, jobsBeginning } from './job-rows.ts';
import { anyWaiting, claim, endLease, type LeasedJob, type Outcome, renew, watchLeases } from './leases.ts';
import type { Database, Row } from './sqlite.ts';

export { ENDED, type JobFilter } from './job-rows.ts';
export type { LeasedJob, Outcome } from './leases.ts';

/** A worker that was killed is shown as missing for a day. */
const FORGET_WORKER_MS = 24 * 3600_000;

export interface EnqueueOptions {
  /** Milliseconds since the epoch. */
  now: number;
  /** A running job of the same pull request and benchmark, of another commit, is asked to end. */
  cancelRunning?: boolean;
  /** Somebody asks for it: a commit that was measured, has failed or was cancelled is measured again. */
  again?: boolean;
  /** Somebody has named this very commit: the job replaces none of its pull request, and none replaces it. */
  pinned?: boolean;
  /** It replaces none of its pull request: nobody knows whether it is the newer one. */
  besides?: boolean;
}

export interface Enqueued {
  job: Job;
  /** False: the job was there already. */
  added: boolean;
  /** Jobs that it replaces: cancelled while they were queued. */
  replaced: string[];
  /** Jobs that were asked to end because of it. */
  cancelling: string[];
}

/** What the processes do with the queue. Each method is whole or not at all. */
export interface Queue {
  /** See enqueue(). */
  enqueue(job: NewJob, options: EnqueueOptions): Enqueued;
  /** The next job for this worker; undefined where nothing waits or the queue is paused. */
  claim(worker: WorkerName, now: number): LeasedJob | undefined;
  /** Renews a lease. lost: stop, somebody else has the job or it has ended; cancel: it is to end, and why. */
  renew(jobId: string, leaseId: string, now: number, progress?: JobProgress): { lost: boolean; cancel?: string };
  /** Ends a lease; false: it was no longer this worker's, and nothing has changed. */
  endLease(jobId: string, leaseId: string, outcome: Outcome, now: number): boolean;
  /**
   * Takes back the jobs of workers that are gone, and gives them as they are now. To be called again and again, every
   * few seconds: silence counts only as far as it was watched. At once where `isAlive` says false.
   */
  recoverLost(now: number, isAlive: (worker: WorkerName) => boolean | undefined): Job[];
  /** Cancels what waits, asks what runs to end; false: it has ended, or there is none. See cancelJob(). */
  cancel(jobId: string, reason: string, now: number, options?: { mayReturn?: boolean }): boolean;
  /** By its id or the beginning of one; undefined where there is none or more than one. */
  job(idOrPrefix: string): Job | undefined;
  /** Jobs whose id begins so, at most ten. */
  jobsBeginning(prefix: string): Job[];
  /** What runs, then what waits in the order it will be taken, then what has ended, the newest first. */
  jobs(filter?: JobFilter): Job[];
  count(filter?: Omit<JobFilter, 'limit' | 'offset'>): number;
  /** This worker is there; called every LEASE_MS / 6 or more often. */
  hello(worker: WorkerName, slots: number, now: number): void;
  /** It ends. */
  bye(worker: WorkerName): void;
  /** Those that have not ended by themselves, the one that was heard of last first. */
  workers(): SeenWorker[];
  paused(): Paused | undefined;
  pause(by: Paused): void;
  /** False: it was not paused. */
  resume(): boolean;
}

/** Times are ISO 8601. */
export interface SeenWorker extends WorkerName {
  slots: number;
  started_at: string;
  seen_at: string;
}

/** Who paused the queue, when (ISO 8601), why. */
export interface Paused {
  by: string;
  at: string;
  reason?: string;
}

export function openQueue(db: Database): Queue {
  const whole =
    <A extends unknown[], R>(work: (db: Database, ...args: A) => R) =>
    (...args: A): R =>
      db.transaction(() => work(db, ...args));
  const claimNext = whole((db, worker: WorkerName, now: number) => (paused(db) ? undefined : claim(db, worker, now)));
  return {
    enqueue: whole(enqueue),
    claim: (worker, now) => (anyWaiting(db) ? claimNext(worker, now) : undefined),
    renew: whole(renew),
    endLease: whole(endLease),
    recoverLost: watchLeases(db).recoverLost,
    cancel: whole(cancelJob),
    pause: whole(pause),
    resume: whole(resume),
    job: (idOrPrefix) => theOnly(jobsBeginning(db, idOrPrefix, 2)),
    jobsBeginning: (prefix) => jobsBeginning(db, prefix),
    jobs: (filter) => jobs(db, filter),
    count: (filter) => count(db, filter),
    hello: whole(hello),
    bye: whole(bye),
    workers: () => workers(db),
    paused: () => paused(db),
  };
}

const theOnly = <T>(found: readonly T[]): T | undefined => (found.length === 1 ? found[0] : undefined);

/**
 * Adds a job, unless the same commit of the same benchmark, with the same settings, waits, runs, was measured, has
 * failed or was cancelled by somebody (`again`: only while it waits or runs; then it keeps its place, or gets the
 * higher priority). Either way it replaces what waits of the same pull request and benchmark and is of another commit, or
 * was to be compared with another branch; what runs is asked to end where `cancelRunning`, and else does not come back into the queue.
 */
export function enqueue(
  db: Database,
  wanted: NewJob,
  { now, cancelRunning = false, again = false, pinned = false, besides = false }: EnqueueOptions,
): Enqueued {
  const same = sameJob(db, wanted, again);
  const id = same ? (same.job_id as string) : insert(db, wanted, { now, pinned });
  if (same) wantedAlso(db, id, wanted, pinned);
  // what somebody said no to is wanted again
  if (again) db.run(`UPDATE job SET declined = 0 WHERE ${SAME} AND ended_ms IS NOT NULL`, ...sameValues(wanted));
  const replacement =
    pinned || besides || wanted.pull_request === undefined
      ? { replaced: [], cancelling: [] }
      : replaceOthers(db, wanted, { id, now, cancelRunning });
  return { job: job(db, id)!, added: !same, ...replacement };
}

/**
 * A job that is there already is wanted by one more: it comes forward, is measured whatever it touches where one of them
 * wants that, and is nobody's to replace where both do not belong to one pull request.
 */
function wantedAlso(db: Database, id: string, { priority, pull_request, paths }: NewJob, pinned: boolean): void {
  db.run(
    `UPDATE job SET replaced_by = NULL, paths = CASE WHEN ? = 1 THEN paths END, pinned = CASE WHEN ? = 1 OR pull_request IS NOT ? THEN 1 ELSE pinned END, priority = CASE WHEN state = 'queued' AND priority < ? THEN ? ELSE priority END
     WHERE job_id = ? AND ended_ms IS NULL`,
    paths ? 1 : 0,
    pinned ? 1 : 0,
    pull_request ?? null,
    priority,
    priority,
    id,
  );
}

const SAME =
  'repository IS ? AND benchmark = ? AND commit_id = ? AND kind = ? AND branch IS ? AND against IS ? AND overrides = ?';
const sameValues = ({ repository, benchmark, commit, kind, branch, against, overrides }: NewJob) => [
  repository ?? null,
  benchmark,
  commit,
  kind,
  branch ?? null,
  against ?? null,
  settingsText(overrides),
];

/** The job that makes another one for this needless. One that is to end because it was replaced does not. */
function sameJob(db: Database, wanted: NewJob, again: boolean): Row | undefined {
  const stays = `state = 'queued' OR (state = 'leased' AND cancel_reason IS NULL)`;
  const was = `state IN ('done', 'failed') OR declined = 1`;
  return db.get(
    `SELECT * FROM job WHERE ${SAME} AND (${again ? stays : `${stays} OR ${was}`}) ORDER BY ended_ms IS NULL DESC, job_id DESC LIMIT 1`,
    ...sameValues(wanted),
  );
}

/** The same settings are the same text, in whatever order they were given. */
const settingsText = (overrides: NewJob['overrides'] = {}) =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(overrides)
        .filter(([, value]) => value !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  );

function insert(db: Database, wanted: NewJob, { now, pinned }: { now: number; pinned: boolean }): string {
  const id = nextId(db, now);
  db.run(
    `INSERT INTO job (job_id, kind, state, priority, repository, benchmark, commit_id, ref, branch, against, paths, pull_request, overrides, requested_by, created_ms, not_before_ms, deadline_s, retry_of, pinned)
     VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
    id,
    wanted.kind,
    wanted.priority,
    wanted.repository ?? null,
    wanted.benchmark,
    wanted.commit,
    wanted.ref ?? null,
    wanted.branch ?? null,
    wanted.against ?? null,
    wanted.paths ? JSON.stringify(wanted.paths) : null,
    wanted.pull_request ?? null,
    settingsText(wanted.overrides),
    wanted.requested_by,
    now,
    wanted.deadline_s,
    wanted.retry_of ?? null,
    pinned ? 1 : 0,
  );
  return id;
}

/**
 * Later than every id of the store, whichever process made it and whatever its clock said: jobs are taken in the order
 * of their ids.
 */
function nextId(db: Database, now: number): string {
  const last = db.get('SELECT max(job_id) AS id FROM job')!.id as string | null;
  const id = ulid(now);
  return last !== null && id <= last ? ulid(decodeTime(last) + 1) : id;
}

function replaceOthers(
  db: Database,
  { repository, benchmark, commit, branch, against, pull_request }: NewJob,
  { id, now, cancelRunning }: { id: string; now: number; cancelRunning: boolean },
): Pick<Enqueued, 'replaced' | 'cancelling'> {
  const others = db.all(
    `SELECT job_id, state, cancel_reason FROM job WHERE repository IS ? AND benchmark = ? AND pull_request = ? AND (commit_id <> ? OR (? = 1 AND against IS NULL AND branch IS NOT ?)) AND pinned = 0 AND state IN ('queued', 'leased') ORDER BY job_id`,
    repository ?? null,
    benchmark,
    pull_request!,
    commit,
    against === undefined ? 1 : 0,
    branch ?? null,
  );
  const ids = (rows: Row[]) => rows.map((row) => row.job_id as string);
  const replaced = ids(others.filter(({ state }) => state === 'queued'));
  const running = others.filter(({ state, cancel_reason }) => state === 'leased' && cancel_reason === null);
  const cancelling = cancelRunning ? ids(running) : [];
  const reason = `replaced by job ${id} of commit ${commit.slice(0, 12)}`;
  for (const one of replaced)
    db.run(
      `UPDATE job SET state = 'cancelled', reason = ?, replaced_by = ?, ended_ms = ? WHERE job_id = ?`,
      reason,
      id,
      now,
      one,
    );
  for (const one of ids(running))
    db.run(
      'UPDATE job SET replaced_by = ?, cancel_reason = ? WHERE job_id = ?',
      id,
      cancelRunning ? reason : null,
      one,
    );
  return { replaced, cancelling };
}

/**
 * Cancels what waits; asks what runs to end. False: it has ended already, or there is none. Only who asks for its
 * commit (`again`) brings it back; `mayReturn`: the next push, or reconciling, does too, as after a pull request was
 * closed.
 */
export function cancelJob(
  db: Database,
  jobId: string,
  reason: string,
  now: number,
  { mayReturn = false }: { mayReturn?: boolean } = {},
): boolean {
  const declined = mayReturn ? 0 : 1;
  const cancelled = db.run(
    `UPDATE job SET state = 'cancelled', reason = ?, declined = ?, ended_ms = ? WHERE job_id = ? AND state = 'queued'`,
    reason,
    declined,
    now,
    jobId,
  );
  return (
    cancelled > 0 ||
    db.run(
      `UPDATE job SET cancel_reason = ?, declined = ? WHERE job_id = ? AND state = 'leased'`,
      reason,
      declined,
      jobId,
    ) > 0
  );
}

function hello(db: Database, { host, pid, pid_start }: WorkerName, slots: number, now: number): void {
  db.run(
    'INSERT INTO worker (host, pid, pid_start, slots, started_ms, seen_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (host, pid, pid_start) DO UPDATE SET slots = excluded.slots, seen_ms = excluded.seen_ms',
    host,
    pid,
    pid_start,
    slots,
    now,
    now,
  );
  // A time in the future comes from a clock that was set back since. A worker that runs is written again with its next
  // sign of life.
  db.run('DELETE FROM worker WHERE seen_ms < ? OR seen_ms > ?', now - FORGET_WORKER_MS, now + FORGET_WORKER_MS);
}

function bye(db: Database, { host, pid, pid_start }: WorkerName): void {
  db.run('DELETE FROM worker WHERE host = ? AND pid = ? AND pid_start = ?', host, pid, pid_start);
}

function workers(db: Database): SeenWorker[] {
  return db
    .all('SELECT * FROM worker ORDER BY seen_ms DESC, host, pid')
    .map(
      ({ started_ms, seen_ms, ...row }) =>
        ({ ...row, started_at: iso(started_ms), seen_at: iso(seen_ms) }) as unknown as SeenWorker,
    );
}

/** Who paused the queue and when; nothing where it is not paused. */
export function paused(db: Database): Paused | undefined {
  const row = db.get(`SELECT value FROM setting WHERE name = 'queue paused'`);
  return row && JSON.parse(row.value as string);
}

export function pause(db: Database, by: Paused): void {
  db.run(
    `INSERT INTO setting (name, value) VALUES ('queue paused', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    JSON.stringify(by),
  );
}

export function resume(db: Database): boolean {
  return db.run(`DELETE FROM setting WHERE name = 'queue paused'`) > 0;
}

/** The same job once more, by hand: then it is measured whatever it touches. */
export function retryOf(
  { job_id, kind, benchmark, commit, ref, branch, against, repository, pull_request, overrides, deadline_s }: Job,
  requestedBy: string,
): NewJob {
  const given = Object.fromEntries(
    Object.entries({ ref, branch, against, repository, pull_request }).filter(([, value]) => value !== undefined),
  );
  return {
    kind,
    benchmark,
    commit,
    ...given,
    overrides,
    deadline_s,
    requested_by: requestedBy,
    priority: PRIORITY.by_hand,
    retry_of: job_id,
  };
}
