/**
 * The queue. States: queued -> leased -> done | failed | cancelled.
 *
 * Only who holds the lease may end a job: a lease has an id of its own (a fencing token), so a worker that was given up,
 * by a clock that jumped or by a pause of its machine, changes nothing any more. Times are handed in, so that histories
 * can be played in tests.
 */
import { monotonicFactory, ulid } from 'ulid';
import type { Job, JobProgress, JobState, NewJob, Verdict, WorkerName } from '../types.ts';
import type { Database, Row } from './sqlite.ts';

/** A worker renews its lease every LEASE_MS / 6. */
export const LEASE_MS = 60_000;
/** How long a worker whose process is alive may be silent before its job is given to another. */
export const SILENCE_MS = 10 * 60_000;
/** A job is begun at most this often after a fault of the infrastructure; the pauses between double from the first on. */
export const MOST_FAILURES = 3;
export const FIRST_PAUSE_MS = 30_000;
/** A worker that was killed is shown as missing for a day. */
const FORGET_WORKER_MS = 24 * 3600_000;
/** No pause is longer: one that lies further in the future was made by a clock that has been set back since. */
const LONGEST_PAUSE_MS = 10 * 60_000;

export interface Enqueued {
  job: Job;
  /** False: the job was there already. */
  added: boolean;
  /** Jobs that it replaces: cancelled while they were queued. */
  replaced: string[];
  /** Jobs that were asked to end because of it. */
  cancelling: string[];
}

/** How a lease ends. */
export type Outcome =
  | { state: 'done'; run_id: string; verdict?: Verdict }
  | { state: 'failed' | 'cancelled'; reason: string; run_id?: string }
  /** A fault of the infrastructure: tried again, unless that has happened too often. */
  | { state: 'retry'; reason: string; run_id?: string }
  /** The worker ends: somebody else takes it, and nothing is counted. */
  | { state: 'handed back'; reason: string };

export interface JobFilter {
  state?: JobState[];
  repository?: string;
  benchmark?: string;
  pull_request?: number;
  commit?: string;
  limit?: number;
  offset?: number;
}

/** A job and the lease on it. */
export interface LeasedJob {
  job: Job;
  leaseId: string;
}

/** What the processes do with the queue. Each method is whole or not at all. */
export interface Queue {
  /** See enqueue(). */
  enqueue(job: NewJob, options: { now: number; cancelRunning?: boolean; again?: boolean }): Enqueued;
  /** The next job for this worker; undefined where nothing waits or the queue is paused. */
  claim(worker: WorkerName, now: number): LeasedJob | undefined;
  /** Renews a lease. lost: stop, somebody else has the job or it has ended; cancel: it is to end, and why. */
  renew(jobId: string, leaseId: string, now: number, progress?: JobProgress): { lost: boolean; cancel?: string };
  /** Ends a lease; false: it was no longer this worker's, and nothing has changed. */
  endLease(jobId: string, leaseId: string, outcome: Outcome, now: number): boolean;
  /** Takes back the jobs of workers that are gone, and gives them as they are now. */
  recoverLost(now: number, isAlive: (worker: WorkerName) => boolean | undefined): Job[];
  /** Cancels what waits, asks what runs to end; false: it has ended, or there is none. */
  cancel(jobId: string, reason: string, now: number): boolean;
  /** By its id or the beginning of one; undefined where there is none or more than one. */
  job(idOrPrefix: string): Job | undefined;
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
  const whole = <A extends unknown[], R>(work: (db: Database, ...args: A) => R) => (...args: A): R => db.transaction(() => work(db, ...args));
  return {
    enqueue: whole(enqueue), claim: whole(claim), renew: whole(renew), endLease: whole(endLease), recoverLost: whole(recoverLost), cancel: whole(cancelJob), pause: whole(pause), resume: whole(resume),
    job: (idOrPrefix) => findJob(db, idOrPrefix), jobs: (filter) => jobs(db, filter), count: (filter) => count(db, filter),
    hello: whole(hello), bye: whole(bye), workers: () => workers(db), paused: () => paused(db),
  };
}

const nextId = monotonicFactory();

/**
 * Adds a job, unless the same commit of the same benchmark is already measured or waiting (`again`: only while it waits or runs).
 * A queued job of the same pull request and benchmark is replaced; one that runs is asked to end where `cancelRunning`.
 */
export function enqueue(db: Database, wanted: NewJob, { now, cancelRunning = false, again = false }: { now: number; cancelRunning?: boolean; again?: boolean }): Enqueued {
  const overrides = JSON.stringify(wanted.overrides ?? {});
  const same = db.get(
    `SELECT * FROM job WHERE repository IS ? AND benchmark = ? AND commit_id = ? AND kind = ? AND against IS ? AND overrides = ? AND cancel_reason IS NULL
       AND state IN (${again ? `'queued', 'leased'` : `'queued', 'leased', 'done', 'failed'`}) ORDER BY job_id DESC LIMIT 1`,
    wanted.repository ?? null, wanted.benchmark, wanted.commit, wanted.kind, wanted.against ?? null, overrides,
  );
  if (same) return { job: readJob(same), added: false, replaced: [], cancelling: [] };
  const id = nextId(now);
  const older = wanted.pull_request === undefined ? [] : db.all(
    `SELECT job_id, state FROM job WHERE repository IS ? AND benchmark = ? AND pull_request = ? AND state IN ('queued', 'leased') AND cancel_reason IS NULL`,
    wanted.repository ?? null, wanted.benchmark, wanted.pull_request,
  ).map((row) => ({ id: row.job_id as string, queued: row.state === 'queued' }));
  const reason = `replaced by job ${id} of commit ${wanted.commit.slice(0, 12)}`;
  const replaced = older.filter(({ queued }) => queued).map(({ id }) => id);
  const cancelling = cancelRunning ? older.filter(({ queued }) => !queued).map(({ id }) => id) : [];
  for (const one of replaced) db.run(`UPDATE job SET state = 'cancelled', reason = ?, ended_ms = ? WHERE job_id = ?`, reason, now, one);
  for (const one of cancelling) db.run('UPDATE job SET cancel_reason = ? WHERE job_id = ?', reason, one);
  db.run(
    `INSERT INTO job (job_id, kind, state, priority, repository, benchmark, commit_id, ref, against, pull_request, overrides, requested_by, created_ms, not_before_ms, deadline_s, retry_of)
     VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
    id, wanted.kind, wanted.priority, wanted.repository ?? null, wanted.benchmark, wanted.commit, wanted.ref ?? null, wanted.against ?? null, wanted.pull_request ?? null,
    overrides, wanted.requested_by, now, wanted.deadline_s, wanted.retry_of ?? null,
  );
  return { job: job(db, id)!, added: true, replaced, cancelling };
}

/** The next job for this worker, with the lease that it now holds; undefined where nothing waits or the queue is paused. */
export function claim(db: Database, worker: WorkerName, now: number): LeasedJob | undefined {
  if (paused(db)) return undefined;
  const leaseId = ulid(now);
  const [row] = db.all(
    `UPDATE job SET state = 'leased', lease_id = ?, worker = ?, lease_until_ms = ?, started_ms = ?, progress = NULL
     WHERE job_id = (SELECT job_id FROM job WHERE state = 'queued' AND (not_before_ms <= ? OR not_before_ms > ?) ORDER BY priority DESC, created_ms, job_id LIMIT 1)
     RETURNING *`,
    leaseId, JSON.stringify(worker), now + LEASE_MS, now, now, now + LONGEST_PAUSE_MS,
  );
  return row && { job: readJob(row), leaseId };
}

/** Renews a lease. `lost`: somebody else has the job or it has ended, so stop; a string: somebody wants it to end, and why. */
export function renew(db: Database, jobId: string, leaseId: string, now: number, progress?: JobProgress): { lost: boolean; cancel?: string } {
  const [row] = db.all(
    `UPDATE job SET lease_until_ms = ?, progress = coalesce(?, progress) WHERE job_id = ? AND lease_id = ? RETURNING cancel_reason`,
    now + LEASE_MS, progress ? JSON.stringify(progress) : null, jobId, leaseId,
  );
  if (!row) return { lost: true };
  return { lost: false, ...(row.cancel_reason === null ? {} : { cancel: row.cancel_reason as string }) };
}

/** Ends a lease. False: it was no longer this worker's, and nothing has changed. */
export function endLease(db: Database, jobId: string, leaseId: string, outcome: Outcome, now: number): boolean {
  const row = db.get('SELECT * FROM job WHERE job_id = ? AND lease_id = ?', jobId, leaseId);
  if (!row) return false;
  settle(db, readJob(row), outcome, now);
  return true;
}

/** Takes back the leases of workers that are gone: once it is queued again, the second time it fails. `isAlive`: false where the process has ended, undefined where it cannot be known. */
export function recoverLost(db: Database, now: number, isAlive: (worker: WorkerName) => boolean | undefined): Job[] {
  const leased = db.all(`SELECT * FROM job WHERE state = 'leased' ORDER BY job_id`);
  const lost = leased.filter((row) => {
    const until = Number(row.lease_until_ms);
    const alive = isAlive(JSON.parse(row.worker as string));
    if (alive === false) return true;
    const silent = now - until;
    // A lease that ends later than any can was made by a clock that has been set back since.
    return silent > (alive ? SILENCE_MS : 0) || (alive === undefined && silent < -2 * LEASE_MS);
  }).map(readJob);
  return lost.map((one) => {
    const reason = `its worker (${one.worker!.host}, process ${one.worker!.pid}) was lost`;
    if (one.losses === 0) {
      db.run('UPDATE job SET losses = 1 WHERE job_id = ?', one.job_id);
      settle(db, one, { state: 'handed back', reason }, now);
    } else {
      db.run('UPDATE job SET losses = losses + 1 WHERE job_id = ?', one.job_id);
      settle(db, one, { state: 'failed', reason: `${reason}, the second time` }, now);
    }
    return job(db, one.job_id)!;
  });
}

function settle(db: Database, { job_id, failures, cancel_reason }: Job, outcome: Outcome, now: number): void {
  const freed = 'lease_id = NULL, lease_until_ms = NULL';
  const end = (state: JobState, reason: string | null, runId: string | null, verdict: string | null = null) =>
    db.run(`UPDATE job SET state = ?, reason = ?, run_id = coalesce(?, run_id), verdict = ?, ended_ms = ?, ${freed} WHERE job_id = ?`, state, reason, runId, verdict, now, job_id);
  const again = (reason: string, notBefore: number) =>
    db.run(`UPDATE job SET state = 'queued', reason = ?, not_before_ms = ?, worker = NULL, ${freed} WHERE job_id = ?`, reason, notBefore, job_id);
  if (outcome.state === 'done') return void end('done', null, outcome.run_id, outcome.verdict ?? null);
  if (outcome.state === 'failed' || outcome.state === 'cancelled') return void end(outcome.state, outcome.reason, outcome.run_id ?? null);
  if (cancel_reason !== undefined) return void end('cancelled', cancel_reason, null);
  if (outcome.state === 'handed back') return void again(outcome.reason, 0);
  db.run('UPDATE job SET failures = failures + 1 WHERE job_id = ?', job_id);
  if (failures + 1 >= MOST_FAILURES) return void end('failed', `${outcome.reason} (tried ${MOST_FAILURES} times)`, outcome.run_id ?? null);
  again(outcome.reason, now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 4 ** failures));
}

/** Cancels what waits; asks what runs to end. False: it has ended already, or there is none. */
export function cancelJob(db: Database, jobId: string, reason: string, now: number): boolean {
  const cancelled = db.run(`UPDATE job SET state = 'cancelled', reason = ?, ended_ms = ? WHERE job_id = ? AND state = 'queued'`, reason, now, jobId);
  return cancelled > 0 || db.run(`UPDATE job SET cancel_reason = ? WHERE job_id = ? AND state = 'leased'`, reason, jobId) > 0;
}

export function job(db: Database, jobId: string): Job | undefined {
  const row = db.get('SELECT * FROM job WHERE job_id = ?', jobId);
  return row && readJob(row);
}

function findJob(db: Database, wanted: string): Job | undefined {
  const prefix = wanted.toUpperCase();
  const found = prefix === '' ? [] : db.all('SELECT * FROM job WHERE job_id >= ? AND job_id < ? LIMIT 2', prefix, `${prefix}\uffff`);
  return found.length === 1 ? readJob(found[0]!) : undefined;
}

/** What runs first, then what waits in the order it will be taken, then what has ended, the newest first. */
export function jobs(db: Database, { limit = 1000, offset = 0, ...filter }: JobFilter = {}): Job[] {
  const { where, values } = conditions(filter);
  return db.all(
    `SELECT * FROM job ${where}
     ORDER BY CASE state WHEN 'leased' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, CASE state WHEN 'queued' THEN -priority END, CASE state WHEN 'queued' THEN created_ms END, coalesce(ended_ms, 0) DESC, job_id LIMIT ? OFFSET ?`,
    ...values, limit, offset,
  ).map(readJob);
}

function count(db: Database, filter: Omit<JobFilter, 'limit' | 'offset'> = {}): number {
  const { where, values } = conditions(filter);
  return Number(db.get(`SELECT count(*) AS n FROM job ${where}`, ...values)!.n);
}

function conditions({ state, repository, benchmark, pull_request, commit }: JobFilter): { where: string; values: (string | number)[] } {
  const wanted: [string, string | number | undefined][] = [['repository = ?', repository], ['benchmark = ?', benchmark], ['pull_request = ?', pull_request], ['commit_id = ?', commit]];
  const given = wanted.filter(([, value]) => value !== undefined) as [string, string | number][];
  const parts = [...given.map(([sql]) => sql), ...(state ? [`state IN (${state.map(() => '?').join(', ')})`] : [])];
  return { where: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '', values: [...given.map(([, value]) => value), ...(state ?? [])] };
}

function hello(db: Database, { host, pid, pid_start }: WorkerName, slots: number, now: number): void {
  db.run(
    'INSERT INTO worker (host, pid, pid_start, slots, started_ms, seen_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (host, pid, pid_start) DO UPDATE SET slots = excluded.slots, seen_ms = excluded.seen_ms',
    host, pid, pid_start, slots, now, now,
  );
  db.run('DELETE FROM worker WHERE seen_ms < ?', now - FORGET_WORKER_MS);
}

function bye(db: Database, { host, pid, pid_start }: WorkerName): void {
  db.run('DELETE FROM worker WHERE host = ? AND pid = ? AND pid_start = ?', host, pid, pid_start);
}

function workers(db: Database): SeenWorker[] {
  return db.all('SELECT * FROM worker ORDER BY seen_ms DESC').map(({ started_ms, seen_ms, ...row }) => ({ ...row, started_at: iso(started_ms), seen_at: iso(seen_ms) }) as unknown as SeenWorker);
}

/** Who paused the queue and when; nothing where it is not paused. */
export function paused(db: Database): Paused | undefined {
  const row = db.get(`SELECT value FROM setting WHERE name = 'queue paused'`);
  return row && JSON.parse(row.value as string);
}

export function pause(db: Database, by: Paused): void {
  db.run(`INSERT INTO setting (name, value) VALUES ('queue paused', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, JSON.stringify(by));
}

export function resume(db: Database): boolean {
  return db.run(`DELETE FROM setting WHERE name = 'queue paused'`) > 0;
}

const iso = (ms: unknown) => new Date(Number(ms)).toISOString();

function readJob(row: Row): Job {
  const given = (key: string, value: unknown) => (value === null ? {} : { [key]: value });
  const time = (key: string, ms: unknown) => (ms === null ? {} : { [key]: iso(ms) });
  const parsed = (key: string, value: unknown) => (value === null ? {} : { [key]: JSON.parse(value as string) });
  return {
    job_id: row.job_id, kind: row.kind, state: row.state, priority: row.priority,
    ...given('repository', row.repository), benchmark: row.benchmark, commit: row.commit_id, ...given('ref', row.ref), ...given('against', row.against), ...given('pull_request', row.pull_request),
    overrides: JSON.parse(row.overrides as string), requested_by: row.requested_by, created_at: iso(row.created_ms), ...time('not_before', Number(row.not_before_ms) === 0 ? null : row.not_before_ms),
    deadline_s: row.deadline_s, ...given('retry_of', row.retry_of), ...parsed('worker', row.worker), ...time('lease_until', row.lease_until_ms), ...time('started_at', row.started_ms), ...time('ended_at', row.ended_ms),
    losses: row.losses, failures: row.failures, ...given('cancel_reason', row.cancel_reason), ...parsed('progress', row.progress), ...given('reason', row.reason), ...given('run_id', row.run_id), ...given('verdict', row.verdict),
  } as Job;
}
