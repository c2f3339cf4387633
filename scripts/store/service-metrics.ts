/**
 * Figures of the service as its /metrics shows them: counted in the store, so that nothing is lost when a process ends.
 * SQL only.
 */
import { JOB_FAULTS, type JobFault, type JobKind, type JobState } from '../documents/job.ts';
import type { Verdict } from '../documents/verdict.ts';
import type { Database, Row } from './sqlite.ts';

/** Times are milliseconds since the epoch. */
export interface ServiceFigures {
  /** Jobs that wait or run. */
  queue: { state: 'queued' | 'leased'; kind: JobKind; count: number }[];
  /** Since when the job that has waited longest may be taken; null where none may. */
  waiting_since_ms: number | null;
  /** When a job was taken last; null where none ever was. */
  taken_ms: number | null;
  /** Jobs by benchmark, kind, state and verdict: there are few such groups, however many jobs there are. */
  groups: JobGroup[];
  /** Messages that wait to be sent. */
  messages: { channel: string; subject: string }[];
  /** Runs whose metrics wait to be shipped, and when the first of them ended. */
  uploads: { count: number; since_ms: number | null };
}

export interface JobGroup {
  benchmark: string;
  kind: JobKind;
  state: JobState;
  verdict: Verdict | null;
  count: number;
  /**
   * From the start of the last try to the end, of those that were done or have failed: how many took at most as long as
   * each bound, in their order; how many there are; how long all took together.
   */
  within: number[];
  timed: number;
  sum_s: number;
  /** infrastructure and lost_worker: tries; the others: jobs. */
  failures: Record<JobFault, number>;
}

/** `bounds`: upper bounds of durations, in seconds, rising. */
export function serviceFigures(db: Database, now: number, bounds: readonly number[]): ServiceFigures {
  return db.snapshot(() => {
    const groups = db.all(groupSql(bounds)); // one pass over all jobs: it takes longer than all the rest
    const taken = groups.map(({ taken_ms }) => Number(taken_ms));
    return {
      queue: db.all(
        `SELECT state, kind, count(*) AS count FROM job WHERE state IN ('queued', 'leased') GROUP BY state, kind`,
      ) as unknown as ServiceFigures['queue'],
      waiting_since_ms: waitingSince(db, now),
      taken_ms: Math.max(0, ...taken) || null,
      groups: groups.map((row) => readGroup(row, bounds)),
      messages: db.all(
        'SELECT channel, subject FROM message WHERE sent IS NULL OR sent <> wanted',
      ) as unknown as ServiceFigures['messages'],
      uploads: uploads(db),
    };
  });
}

function groupSql(bounds: readonly number[]): string {
  const timed = `state IN ('done', 'failed') AND ended_ms >= started_ms`; // a clock may have been set back between
  const within = bounds.map(
    (bound, index) =>
      `sum(CASE WHEN ${timed} AND ended_ms - started_ms <= ${bound * 1000} THEN 1 ELSE 0 END) AS within_${index}`,
  );
  return `SELECT benchmark, kind, state, verdict, count(*) AS count, max(started_ms) AS taken_ms, ${within.join(', ')},
      sum(CASE WHEN ${timed} THEN 1 ELSE 0 END) AS timed, sum(CASE WHEN ${timed} THEN ended_ms - started_ms ELSE 0 END) AS sum_ms,
      sum(failures) AS infrastructure, sum(losses) AS lost_worker,
      ${['deadline', 'build', 'service', 'other'].map((fault) => `sum(CASE WHEN fault = '${fault}' THEN 1 ELSE 0 END) AS ${fault}`).join(', ')}
    FROM job GROUP BY benchmark, kind, state, verdict ORDER BY benchmark, kind, state, verdict`;
}

const readGroup = (row: Row, bounds: readonly number[]): JobGroup => ({
  benchmark: row.benchmark as string,
  kind: row.kind as JobKind,
  state: row.state as JobState,
  verdict: row.verdict as Verdict | null,
  count: Number(row.count),
  within: bounds.map((_, index) => Number(row[`within_${index}`])),
  timed: Number(row.timed),
  sum_s: Number(row.sum_ms) / 1000,
  failures: Object.fromEntries(JOB_FAULTS.map((fault) => [fault, Number(row[fault])])) as JobGroup['failures'],
});

/** A pause that ends in the future is still on. */
function waitingSince(db: Database, now: number): number | null {
  const since = db.get(
    `SELECT min(CASE WHEN not_before_ms > created_ms THEN not_before_ms ELSE created_ms END) AS since FROM job WHERE state = 'queued' AND not_before_ms <= ?`,
    now,
  )!.since;
  return since === null ? null : Number(since);
}

function uploads(db: Database): ServiceFigures['uploads'] {
  const row = db.get(
    'SELECT count(*) AS count, min(coalesce(finished_at, started_at)) AS since FROM run WHERE archive_pending = 1',
  )!;
  return { count: Number(row.count), since_ms: row.since === null ? null : Date.parse(row.since as string) };
}
