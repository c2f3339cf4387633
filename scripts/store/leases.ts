/**
 * Leases: who works on a job, until when, and what becomes of it when it ends or the worker is gone.
 *
 * Only who holds the lease may end a job: a lease has an id of its own (a fencing token), so a worker that was given up
 * changes nothing any more. No decision compares the clock with a time that was written down: a clock that jumps, by
 * minutes or by years, takes no job from anybody. Times are handed in, so that histories can be played in tests.
 */

import { ulid } from 'ulid';
import { backoffMs } from '../core/backoff.ts';
import type { Job, JobFault, JobProgress, JobState, WorkerName } from '../documents/job.ts';
import type { Verdict } from '../documents/verdict.ts';
import { job, readJob } from './job-rows.ts';
import type { Database, Row } from './sqlite.ts';

/** A lease that is not renewed for so long is given up; a worker renews it every LEASE_MS / 12. */
export const LEASE_MS = 60_000;
/** How long a worker whose process is alive may be silent before its job is given to another. */
export const SILENCE_MS = 10 * 60_000;
/** A job is begun at most this often after a fault of the infrastructure; each pause is four times the one before. */
export const MOST_FAILURES = 3;
export const FIRST_PAUSE_MS = 30_000;
/** A job is begun at most this often while no remote has its commit; each pause is twice the one before. */
const MOST_ABSENCES = 9;
const FIRST_ABSENCE_MS = 10_000;
/** No pause is longer: one that lies further in the future was made by a clock that has been set back since. */
const LONGEST_PAUSE_MS = 10 * 60_000;
/** Between two looks at the leases at most so much silence is counted, however much later the clock is. */
const LONGEST_LOOK_MS = LEASE_MS / 4;

/** How a lease ends. */
export type Outcome =
  /** `reason`: why there is nothing to measure; without a run then. */
  | { state: 'done'; run_id?: string | undefined; verdict?: Verdict; reason?: string }
  | { state: 'failed'; fault: JobFault; reason: string; run_id?: string }
  | { state: 'cancelled'; reason: string; run_id?: string }
  /** A fault of the infrastructure: tried again, unless that has happened too often. */
  | { state: 'retry'; reason: string; run_id?: string }
  /** No repository has its commit yet: looked for again, unless that has happened too often. */
  | { state: 'absent'; reason: string }
  /** The worker ends: somebody else takes it, and nothing is counted. */
  | { state: 'handed back'; reason: string };

/** A job and the lease on it. */
export interface LeasedJob {
  job: Job;
  leaseId: string;
}

/** Whether anything waits at all: asked without the write lock, which an idle worker must not take every second. */
export const anyWaiting = (db: Database): boolean =>
  db.get(`SELECT 1 AS one FROM job WHERE state = 'queued' LIMIT 1`) !== undefined;

/**
 * The next job for this worker, with the lease that it now holds; undefined where nothing waits or only what has a
 * pause to go.
 */
export function claim(db: Database, worker: WorkerName, now: number): LeasedJob | undefined {
  const leaseId = ulid(now);
  const [row] = db.all(
    `UPDATE job SET state = 'leased', lease_id = ?, worker = ?, lease_until_ms = ?, started_ms = ?, not_before_ms = 0, progress = NULL
     WHERE job_id = (SELECT job_id FROM job WHERE state = 'queued' AND (not_before_ms <= ? OR not_before_ms > ?) ORDER BY priority DESC, job_id LIMIT 1)
     RETURNING *`,
    leaseId,
    JSON.stringify(worker),
    now + LEASE_MS,
    now,
    now,
    now + LONGEST_PAUSE_MS,
  );
  return row && { job: readJob(row), leaseId };
}

/**
 * Renews a lease. `lost`: somebody else has the job or it has ended, so stop; a string: somebody wants it to end, and
 * why.
 */
export function renew(
  db: Database,
  jobId: string,
  leaseId: string,
  now: number,
  progress?: JobProgress,
): { lost: boolean; cancel?: string } {
  const [row] = db.all(
    `UPDATE job SET lease_until_ms = ?, progress = coalesce(?, progress) WHERE job_id = ? AND lease_id = ? RETURNING cancel_reason`,
    now + LEASE_MS,
    progress ? JSON.stringify(progress) : null,
    jobId,
    leaseId,
  );
  if (!row) return { lost: true };
  return { lost: false, ...(row.cancel_reason === null ? {} : { cancel: row.cancel_reason as string }) };
}

/** Ends a lease. False: it was no longer this worker's, and nothing has changed. */
export function endLease(db: Database, jobId: string, leaseId: string, outcome: Outcome, now: number): boolean {
  const row = db.get('SELECT * FROM job WHERE job_id = ? AND lease_id = ?', jobId, leaseId);
  if (!row) return false;
  settle(db, row, outcome, now);
  return true;
}

/** false: the process has ended; undefined: that cannot be known from here. */
type IsAlive = (worker: WorkerName) => boolean | undefined;

/**
 * Finds the leases of workers that are gone, and takes them back. One that has just been opened has seen nothing yet.
 */
export interface Watch {
  recoverLost(now: number, isAlive: IsAlive): Job[];
}

/**
 * A lease is given up when it was not renewed while this watch looked on for long enough. That a clock has jumped, or
 * that this process itself stood still, is not silence of the worker: between two looks only LONGEST_LOOK_MS count.
 */
export function watchLeases(db: Database): Watch {
  let seen = new Map<string, { until: number; silentMs: number }>();
  let last: number | undefined;
  const look = (now: number): Row[] => {
    const passed = last === undefined ? 0 : Math.min(Math.max(now - last, 0), LONGEST_LOOK_MS);
    last = now;
    const leased = db.all(`SELECT * FROM job WHERE state = 'leased' ORDER BY job_id`);
    seen = new Map(
      leased.map((row) => {
        const before = seen.get(row.lease_id as string);
        const until = Number(row.lease_until_ms);
        return [row.lease_id as string, { until, silentMs: before?.until === until ? before.silentMs + passed : 0 }];
      }),
    );
    return leased;
  };
  const isLost = (row: Row, isAlive: IsAlive): boolean => {
    const alive = isAlive(JSON.parse(row.worker as string));
    return alive === false || seen.get(row.lease_id as string)!.silentMs > (alive ? SILENCE_MS : LEASE_MS);
  };
  return {
    recoverLost: (now, isAlive) => {
      const lost = look(now).filter((row) => isLost(row, isAlive)); // without the write lock
      return lost.length === 0 ? [] : db.transaction(() => lost.flatMap((row) => giveUp(db, row, now)));
    },
  };
}

/**
 * Once it is queued again, the second time it has failed; nothing where its lease was renewed or has ended meanwhile.
 */
function giveUp(db: Database, { job_id, lease_id, lease_until_ms }: Row, now: number): Job[] {
  const row = db.get(
    'SELECT * FROM job WHERE job_id = ? AND lease_id = ? AND lease_until_ms = ?',
    job_id as string,
    lease_id as string,
    lease_until_ms as number,
  );
  if (!row) return [];
  const { losses, worker, progress } = readJob(row);
  const reason = `its worker (${worker!.host}, process ${worker!.pid}) was lost`;
  const again = losses === 0 || leaving(row) !== null;
  db.run('UPDATE job SET losses = losses + 1 WHERE job_id = ?', job_id as string);
  settle(
    db,
    row,
    again
      ? { state: 'handed back', reason }
      : {
          state: 'failed',
          fault: 'lost_worker',
          reason: `${reason}, the second time`,
          ...(progress?.run_id ? { run_id: progress.run_id } : {}),
        },
    now,
  );
  return [job(db, job_id as string)!];
}

/** Why it must not go back into the queue: somebody wants it to end, or a newer push has come while it ran. */
const leaving = ({ cancel_reason, replaced_by }: Row): string | null =>
  (cancel_reason as string | null) ?? (replaced_by === null ? null : `replaced by job ${replaced_by as string}`);

function settle(db: Database, row: Row, outcome: Outcome, now: number): void {
  const { job_id, failures } = readJob(row);
  const freed = 'lease_id = NULL, lease_until_ms = NULL';
  const end = (
    state: JobState,
    reason: string | null,
    runId: string | null,
    { verdict = null, fault = null }: { verdict?: Verdict | null; fault?: JobFault | null } = {},
  ) =>
    db.run(
      `UPDATE job SET state = ?, reason = ?, fault = ?, run_id = coalesce(?, run_id), verdict = ?, ended_ms = ?, ${freed} WHERE job_id = ?`,
      state,
      reason,
      fault,
      runId,
      verdict,
      now,
      job_id,
    );
  const again = (reason: string, notBefore: number) =>
    db.run(
      `UPDATE job SET state = 'queued', reason = ?, not_before_ms = ?, worker = NULL, progress = NULL, ${freed} WHERE job_id = ?`,
      reason,
      notBefore,
      job_id,
    );
  const left = leaving(row);
  if (outcome.state === 'done')
    return void end('done', outcome.reason ?? null, outcome.run_id ?? null, { verdict: outcome.verdict ?? null });
  if (outcome.state === 'cancelled') return void end('cancelled', outcome.reason, outcome.run_id ?? null);
  if (outcome.state === 'failed')
    return void end('failed', outcome.reason, outcome.run_id ?? null, { fault: outcome.fault });
  if (left !== null) return void end('cancelled', left, null);
  if (outcome.state === 'handed back') return void again(outcome.reason, 0);
  if (outcome.state === 'absent') {
    const absences = Number(row.absences);
    db.run('UPDATE job SET absences = absences + 1 WHERE job_id = ?', job_id);
    if (absences + 1 >= MOST_ABSENCES)
      return void end(
        'failed',
        `${outcome.reason} (looked for ${MOST_ABSENCES} times in half an hour)\nOnce it is pushed there, \`/bench\` in its pull request or npm run queue -- retry ${job_id} measures it.`,
        null,
        { fault: 'other' },
      );
    return void again(
      outcome.reason,
      now + backoffMs(absences, { firstMs: FIRST_ABSENCE_MS, longestMs: LONGEST_PAUSE_MS }),
    );
  }
  db.run('UPDATE job SET failures = failures + 1 WHERE job_id = ?', job_id);
  if (failures + 1 >= MOST_FAILURES)
    return void end('failed', `${outcome.reason} (tried ${MOST_FAILURES} times)`, outcome.run_id ?? null, {
      fault: 'infrastructure',
    });
  again(outcome.reason, now + backoffMs(failures, { firstMs: FIRST_PAUSE_MS, longestMs: LONGEST_PAUSE_MS, factor: 4 }));
}
