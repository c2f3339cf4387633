/**
 * What is concluded from runs: verdicts, calibrations, suspected changes, bisections. SQL only; db.ts hands it the
 * database.
 */
import type { CalibrationDocument } from '../documents/calibration.ts';
import type { RunDocument } from '../documents/run.ts';
import type { VerdictDocument } from '../documents/verdict.ts';
import type { ChangePoint } from './db.ts';
import type { Database } from './sqlite.ts';

/**
 * A change of a metric on a branch that statistics suggest; ChangePoint in db.ts is one that was confirmed.
 */
export interface SuspectedChange extends ChangePoint {
  state: 'open' | 'confirmed' | 'refuted';
  /** The run that compared before and after. */
  checked_by?: string;
}

/** A search for a culprit: what it asks and what it knows, any JSON. */
export interface StoredBisection<T = unknown> {
  bisection_id: string;
  benchmark: string;
  state: 'running' | 'done' | 'failed';
  document: T;
  updated_at: string;
}

export function saveVerdict(db: Database, runId: string, document: VerdictDocument): void {
  db.run(
    `INSERT INTO verdict (run_id, verdict, document, judged_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (run_id) DO UPDATE SET verdict = excluded.verdict, document = excluded.document, judged_at = excluded.judged_at`,
    runId,
    document.verdict,
    JSON.stringify(document),
    new Date().toISOString(),
  );
}

export function readVerdict(db: Database, runId: string): VerdictDocument | undefined {
  const row = db.get('SELECT document FROM verdict WHERE run_id = ?', runId);
  return row && (JSON.parse(row.document as string) as VerdictDocument);
}

export function addCalibration(db: Database, document: CalibrationDocument): void {
  db.run(
    `INSERT INTO calibration (run_id, benchmark, host_id, at, document) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (run_id) DO UPDATE SET at = excluded.at, document = excluded.document`,
    document.run_id,
    document.benchmark,
    document.host_id,
    document.at,
    JSON.stringify(document),
  );
}

/** How a comparison is measured: a calibration under other conditions says nothing of it. */
export type Conditions = Pick<RunDocument, 'benchmark' | 'host' | 'stack_version' | 'pairing' | 'load'> & {
  /** As each side is deployed, so was that of the calibration. */
  sides: { candidate: { variant?: string }; baseline?: { variant?: string } };
};

/** The newest one that was measured in the same way. */
export function lastCalibration(
  db: Database,
  { benchmark, host, stack_version, pairing, load, sides }: Conditions,
): CalibrationDocument | undefined {
  const row = db.get(
    `SELECT c.document FROM calibration c JOIN run r ON r.run_id = c.run_id
     WHERE c.benchmark = ? AND c.host_id = ? AND r.stack_version = ? AND r.pairing = ? AND r.load = ? AND r.variant IS ?
     AND (SELECT variant FROM run_side s WHERE s.run_id = r.run_id AND s.side = 'baseline') IS ? ORDER BY c.at DESC, c.run_id DESC LIMIT 1`,
    benchmark,
    host.id,
    stack_version,
    pairing,
    JSON.stringify(load),
    sides.candidate.variant ?? null,
    sides.baseline?.variant ?? null,
  );
  return row && (JSON.parse(row.document as string) as CalibrationDocument);
}

/** Keeps a suspected change; one that is known already, by benchmark, host, metric and run, stays as it is. */
export function addSuspectedChange(db: Database, change: Omit<SuspectedChange, 'state' | 'checked_by'>): void {
  const { benchmark, host_id, metric, run_id, commit, before, at, ratio, found_at } = change;
  if (!Number.isFinite(ratio) || ratio <= 0)
    throw new Error(`the ratio of a suspected change must be a number above 0, got ${ratio}`);
  db.run(
    `INSERT INTO suspected_change (benchmark, host_id, metric, run_id, commit_id, before_commit_id, at, ratio, found_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (benchmark, host_id, metric, run_id) DO NOTHING`,
    benchmark,
    host_id,
    metric,
    run_id,
    commit,
    before,
    at,
    ratio,
    found_at,
  );
}

/** In the order of their runs. */
export function suspectedChanges(db: Database, benchmark: string, hostId?: string): SuspectedChange[] {
  const rows = db.all(
    'SELECT *, (SELECT branch FROM run WHERE run.run_id = suspected_change.run_id) AS branch, (SELECT variant FROM run WHERE run.run_id = suspected_change.run_id) AS variant FROM suspected_change WHERE benchmark = ? ORDER BY at, run_id, host_id, metric',
    benchmark,
  );
  return rows
    .filter((row) => hostId === undefined || row.host_id === hostId)
    .map(
      ({ commit_id: commit, before_commit_id: before, checked_by, branch, variant, ...rest }) =>
        ({
          ...rest,
          commit,
          before,
          ...(branch === null ? {} : { branch }),
          ...(variant === null ? {} : { variant }),
          ...(checked_by === null ? {} : { checked_by }),
        }) as SuspectedChange,
    );
}

/** What the comparison of before and after said of it. */
export function settleSuspectedChange(
  db: Database,
  change: Pick<SuspectedChange, 'benchmark' | 'host_id' | 'metric' | 'run_id'>,
  state: SuspectedChange['state'],
  checkedBy: string,
): void {
  const { benchmark, host_id, metric, run_id } = change;
  db.run(
    'UPDATE suspected_change SET state = ?, checked_by = ? WHERE benchmark = ? AND host_id = ? AND metric = ? AND run_id = ?',
    state,
    checkedBy,
    benchmark,
    host_id,
    metric,
    run_id,
  );
}

export function saveBisection(
  db: Database,
  { bisection_id, benchmark, state, document }: Omit<StoredBisection, 'updated_at'>,
): void {
  db.run(
    `INSERT INTO bisection (bisection_id, benchmark, state, document, updated_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (bisection_id) DO UPDATE SET state = excluded.state, document = excluded.document, updated_at = excluded.updated_at`,
    bisection_id,
    benchmark,
    state,
    JSON.stringify(document),
    new Date().toISOString(),
  );
}

/** Newest first. */
export function bisections(db: Database, benchmark?: string): StoredBisection[] {
  const rows =
    benchmark === undefined
      ? db.all('SELECT * FROM bisection ORDER BY bisection_id DESC')
      : db.all('SELECT * FROM bisection WHERE benchmark = ? ORDER BY bisection_id DESC', benchmark);
  return rows.map((row) => ({ ...row, document: JSON.parse(row.document as string) }) as StoredBisection);
}
