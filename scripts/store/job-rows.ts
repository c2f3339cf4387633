/** Reading jobs: the rows of the table as documents. SQL only. */
import type { Job, JobState } from '../documents/job.ts';
import type { Database, Row } from './sqlite.ts';

export interface JobFilter {
  state?: JobState[];
  repository?: string;
  benchmark?: string;
  pull_request?: number;
  commit?: string;
  limit?: number;
  offset?: number;
}

/** A job that will not be worked on any more. */
export const ENDED: readonly JobState[] = ['done', 'failed', 'cancelled'];

export function job(db: Database, jobId: string): Job | undefined {
  const row = db.get('SELECT * FROM job WHERE job_id = ?', jobId);
  return row && readJob(row);
}

/** Jobs whose id begins so, at most `most`, in the order of their ids; none for an empty beginning. */
export function jobsBeginning(db: Database, beginning: string, most = 10): Job[] {
  const from = beginning.toUpperCase();
  return from === ''
    ? []
    : db
        .all('SELECT * FROM job WHERE job_id >= ? AND job_id < ? ORDER BY job_id LIMIT ?', from, `${from}\uffff`, most)
        .map(readJob);
}

/** What runs first, then what waits in the order it will be taken, then what has ended, the newest first. */
export function jobs(db: Database, { limit = 1000, offset = 0, ...filter }: JobFilter = {}): Job[] {
  const { where, values } = conditions(filter);
  const onlyEnded = filter.state?.every((state) => ENDED.includes(state)) ?? false;
  // One that is asked for only what has ended reads the index from its end, however many there are.
  const order = onlyEnded
    ? 'ended_ms DESC, job_id DESC'
    : `CASE state WHEN 'leased' THEN 0 WHEN 'queued' THEN 1 ELSE 2 END, CASE state WHEN 'queued' THEN -priority END, ended_ms DESC, CASE WHEN ended_ms IS NULL THEN job_id END, job_id DESC`;
  return db.all(`SELECT * FROM job ${where} ORDER BY ${order} LIMIT ? OFFSET ?`, ...values, limit, offset).map(readJob);
}

export function count(db: Database, filter: Omit<JobFilter, 'limit' | 'offset'> = {}): number {
  const { where, values } = conditions(filter);
  return Number(db.get(`SELECT count(*) AS n FROM job ${where}`, ...values)!.n);
}

function conditions({ state, repository, benchmark, pull_request, commit }: JobFilter): {
  where: string;
  values: (string | number)[];
} {
  const wanted: [string, string | number | undefined][] = [
    ['repository = ?', repository],
    ['benchmark = ?', benchmark],
    ['pull_request = ?', pull_request],
    ['commit_id = ?', commit],
  ];
  const given = wanted.filter(([, value]) => value !== undefined) as [string, string | number][];
  // the words of the index
  const ended = state?.length && state.every((one) => ENDED.includes(one)) ? ['ended_ms IS NOT NULL'] : [];
  const parts = [
    ...given.map(([sql]) => sql),
    ...(state ? [`state IN (${state.map(() => '?').join(', ')})`] : []),
    ...ended,
  ];
  return {
    where: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '',
    values: [...given.map(([, value]) => value), ...(state ?? [])],
  };
}

export const iso = (ms: unknown): string => new Date(Number(ms)).toISOString();

export function readJob(row: Row): Job {
  const given = (key: string, value: unknown) => (value === null ? {} : { [key]: value });
  const time = (key: string, ms: unknown) => (ms === null ? {} : { [key]: iso(ms) });
  const parsed = (key: string, value: unknown) => (value === null ? {} : { [key]: JSON.parse(value as string) });
  return {
    job_id: row.job_id,
    kind: row.kind,
    state: row.state,
    priority: row.priority,
    ...given('repository', row.repository),
    benchmark: row.benchmark,
    commit: row.commit_id,
    ...given('ref', row.ref),
    ...given('branch', row.branch),
    ...given('against', row.against),
    ...parsed('paths', row.paths),
    ...given('pull_request', row.pull_request),
    overrides: JSON.parse(row.overrides as string),
    requested_by: row.requested_by,
    created_at: iso(row.created_ms),
    ...time('not_before', Number(row.not_before_ms) === 0 ? null : row.not_before_ms),
    deadline_s: row.deadline_s,
    ...given('retry_of', row.retry_of),
    ...given('replaced_by', row.replaced_by),
    ...parsed('worker', row.worker),
    ...time('lease_until', row.lease_until_ms),
    ...time('started_at', row.started_ms),
    ...time('ended_at', row.ended_ms),
    losses: row.losses,
    failures: row.failures,
    ...given('cancel_reason', row.cancel_reason),
    ...parsed('progress', row.progress),
    ...given('reason', row.reason),
    ...given('fault', row.fault),
    ...given('run_id', row.run_id),
    ...given('verdict', row.verdict),
  } as Job;
}
