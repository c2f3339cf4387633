/** What is kept of every run, in one SQLite file. All SQL is in this folder. */
import { monotonicFactory } from 'ulid';
import { UsageError } from '../core/errors.ts';
import type { KnownBenchmark } from '../documents/benchmark.ts';
import type { CalibrationDocument } from '../documents/calibration.ts';
import type { CapacityDocument } from '../documents/capacity.ts';
import type {
  ArchiveDocument,
  Pairing,
  RoundDocument,
  RunDocument,
  RunStatus,
  Sample,
  SideDocument,
  SideName,
} from '../documents/run.ts';
import type { Verdict, VerdictDocument } from '../documents/verdict.ts';
import { type Acceptances, type Accepted, acceptedIn, inForce, openAcceptances } from './acceptances.ts';
import { keepBenchmark, knownBenchmark } from './benchmarks.ts';
import { type Fields, fromRow, insertInto, toRow } from './fields.ts';
import { type Inbox, openInbox } from './inbox.ts';
import { openQueue, type Queue } from './jobs.ts';
import type { StoredBisection, SuspectedChange } from './judgements.ts';
import * as judgements from './judgements.ts';
import * as master from './master.ts';
import { type Outbox, openOutbox } from './outbox.ts';
import { type Profiles, profileTrees, type StoredTree, saveProfiles } from './profiles.ts';
import { type ServiceFigures, serviceFigures } from './service-metrics.ts';
import { openSite, type Site } from './site.ts';
import { type Database, openDatabase, type Row } from './sqlite.ts';

/** A line of the list of runs. */
export interface RunSummary {
  run_id: string;
  benchmark: string;
  status: RunStatus;
  started_at: string;
  finished_at?: string;
  pairing: Pairing;
  ref: string;
  commit: string;
  subject?: string;
  /** Commit of the baseline, for a run of two sides. */
  against?: string;
  host_id: string;
  /** Observations: one for each side of each round. */
  observations: number;
  valid_observations: number;
  /** Of a comparison that was judged. */
  verdict?: Verdict;
  /** It belongs to the master set. */
  master: boolean;
  /** The branch that its commit is for; absent: the default one. */
  branch?: string;
  /** Of the candidate's deployment, and of the baseline's; absent: none was named. */
  variant?: string;
  against_variant?: string;
  archive: 'none' | 'pending' | 'verified';
}

export interface RunFilter {
  benchmark?: string;
  /** A commit, its beginning, or the name that was given to --commit; of either side. */
  commit?: string;
  /** Labels that the run carries. */
  labels?: Record<string, string>;
  host_id?: string;
  /** Of the master set only: that of `branch`, or of the default branch, and of `variant`, or of none. */
  master?: boolean;
  branch?: string | undefined;
  /** Of this variant; without `master` all variants where there is none. */
  variant?: string | undefined;
  limit?: number;
}

export interface BuildRecord {
  benchmark: string;
  image: string;
  commit: string;
  recipeHash: string;
  tag: string;
  imageId: string;
}

/** What the maintenance of the archive needs of a run. */
export interface StoredRun {
  run_id: string;
  benchmark: string;
  host_id: string;
  status: RunStatus;
  started_at: string;
  labels: Record<string, string>;
  /** Observations, valid or not. */
  observations: number;
  /** Absent: its metrics were never shipped, nor do they wait to be. */
  archive?: ArchiveDocument;
}

/** Where a metric of a benchmark changed for good on a host. */
export interface ChangePoint {
  benchmark: string;
  host_id: string;
  metric: string;
  /** The first commit after the change, and the last one before it. */
  commit: string;
  before: string;
  /** The first run after the change. */
  run_id: string;
  /** Start of that run, ISO 8601. */
  at: string;
  /** After / before: 1.05 is 5 % more. */
  ratio: number;
  /** When it was found, ISO 8601. */
  found_at: string;
  /** From `before` (without it) to `commit` along first parents, the newest first and no more than 500; absent: not known. */
  commits?: string[];
  /** Of which branch; absent: the default one. That of its run, only read. */
  branch?: string;
  /** The same of the variant; absent: none was named. */
  variant?: string;
  /** Somebody has accepted it; only read. */
  accepted?: Accepted;
}

export interface StoredEvent {
  at: string;
  kind: string;
  run_id: string | null;
  detail: unknown;
}

export interface Store {
  queue: Queue;
  inbox: Inbox;
  outbox: Outbox;
  acceptances: Acceptances;
  site: Site;
  /** All of `work` or nothing, over any of the methods here. */
  transaction<T>(work: () => T): T;
  /** Keeps a run and the rounds it has already; a run is there once. */
  addRun(run: RunDocument): void;
  /**
   * Keeps one side of one round, whole or not at all; the same one again replaces it. `detail`: raw material, any JSON.
   */
  saveRound(runId: string, round: RoundDocument, detail?: unknown): void;
  /** Keeps of a round that is there already what its containers used: it was read from the archive later. */
  saveResources(runId: string, round: Pick<RoundDocument, 'side' | 'round' | 'resources'>): void;
  saveArchive(runId: string, archive: ArchiveDocument): void;
  /** Keeps what a comparison decided; again replaces it. */
  saveVerdict(runId: string, verdict: VerdictDocument): void;
  saveCapacity(runId: string, capacity: CapacityDocument): void;
  /** Keeps what the profile round has left; again replaces it. */
  saveProfiles(runId: string, profiles: Profiles): void;
  /** The stacks of a run, by service, the candidate first; empty where it was not profiled. */
  profileTrees(runId: string): StoredTree[];
  /** What is known only after a run has begun: how its sides meet, at what rate it goes on. */
  amendRun(
    runId: string,
    changes: Partial<Pick<RunDocument, 'pairing' | 'comparison' | 'load' | 'metrics' | 'notes' | 'logs' | 'growth'>>,
  ): void;
  /** Id of the run that has taken over the rounds of this one, if one has. */
  continuedBy(runId: string): string | undefined;
  finishRun(runId: string, status: RunStatus, finishedAt: string, reason?: string): void;
  /** By id, the beginning of one, or `last`. UsageError where there is none or more than one. */
  run(idOrPrefix: string): RunDocument;
  /** Raw material of the rounds of a run, in the order of run().rounds. */
  details(runId: string): { side: SideName; round: number; detail: unknown }[];
  /** Newest first. */
  runs(filter?: RunFilter): RunSummary[];
  /** Every run, oldest first. */
  stored(): StoredRun[];
  /** Ids of the runs that have not ended, as far as the store knows. */
  runningRuns(): string[];
  /** Runs whose snapshot waits to be shipped, oldest first. */
  pendingArchives(): { run_id: string; archive: ArchiveDocument }[];
  addCalibration(calibration: CalibrationDocument): void;
  /** The newest calibration that was measured as this run was: same benchmark, host, stack, pairing and load. */
  calibration(conditions: judgements.Conditions): CalibrationDocument | undefined;
  /** Keeps a suspected change; one that is known already stays as it is. */
  addSuspectedChange(change: Omit<SuspectedChange, 'state' | 'checked_by'>): void;
  /** In the order of their runs. */
  suspectedChanges(benchmark: string, hostId?: string): SuspectedChange[];
  /** What the run `checkedBy` said of it; 'open': it could not decide. */
  settleSuspectedChange(
    change: Pick<SuspectedChange, 'benchmark' | 'host_id' | 'metric' | 'run_id'>,
    state: SuspectedChange['state'],
    checkedBy: string,
  ): void;
  /** Keeps a bisection; the same id again replaces it. */
  saveBisection(bisection: Omit<StoredBisection, 'updated_at'>): void;
  /** Newest first. */
  bisections(benchmark?: string): StoredBisection[];
  /**
   * The complete runs of the master set of a benchmark on a host, oldest first, with the samples of `metrics` (absent:
   * of the primary ones); `after`: only those that come after this run; `branch`: of another one than the default;
   * `variant`: of this one, absent: of none.
   */
  masterRuns(
    benchmark: string,
    hostId: string,
    metrics?: readonly string[],
    after?: Pick<master.MasterRun, 'run_id' | 'started_at'>,
    branch?: string,
    variant?: string,
  ): master.MasterRun[];
  /** Host of the newest run of the master set. */
  masterHost(benchmark: string, branch?: string, variant?: string): string | undefined;
  /** What is known of the benchmark of this name; undefined where nothing was measured under it. */
  benchmark(name: string): KnownBenchmark | undefined;
  /** Keeps where a benchmark outside of the checkout is from. */
  keepBenchmark(name: string, from: Omit<KnownBenchmark, 'newest'>): void;
  saveBuild(build: BuildRecord): void;
  findBuild(wanted: Pick<BuildRecord, 'benchmark' | 'image' | 'commit' | 'recipeHash'>): BuildRecord | undefined;
  /**
   * Keeps a change point; one that is known already, by benchmark, host, metric and run, stays as it was found first.
   */
  addChangePoint(point: ChangePoint): void;
  /** In the order of their runs. */
  changePoints(benchmark?: string): ChangePoint[];
  addEvent(kind: string, runId: string | null, detail: unknown): void;
  /** Newest first. */
  events(limit?: number): StoredEvent[];
  /** What the server remembers over restarts, by name. */
  setting(name: string): string | undefined;
  saveSetting(name: string, value: string): void;
  /** Whether it answers. */
  readable(): boolean;
  /** See serviceFigures(). */
  figures(now: number, bounds: readonly number[]): ServiceFigures;
  close(): void;
}

/**
 * Opens the store, made and brought up to date where needed; InfrastructureError where that fails. `busyMs`: how long a
 * call waits, and its process with it, while another process writes.
 */
export function openStore(file: string, options: { busyMs?: number } = {}): Store {
  const db = openDatabase(file, options);
  const nextEvent = monotonicFactory(); // two of one millisecond stay in their order
  return {
    queue: openQueue(db),
    inbox: openInbox(db),
    outbox: openOutbox(db),
    acceptances: openAcceptances(db),
    site: openSite(db),
    setting: (name) => db.get('SELECT value FROM setting WHERE name = ?', name)?.value as string | undefined,
    saveSetting(name, value) {
      db.run(
        'INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        name,
        value,
      );
    },
    figures: (now, bounds) => serviceFigures(db, now, bounds),
    transaction: (work) => db.transaction(work),
    addRun: (run) => db.transaction(() => addRun(db, run)),
    saveRound: (runId, round, detail) => db.transaction(() => saveRound(db, runId, round, detail)),
    saveResources: (runId, { side, round, resources }) =>
      changed(
        runId,
        db.run(
          'UPDATE round SET resources = ? WHERE run_id = ? AND side = ? AND round = ?',
          text(resources ?? []),
          runId,
          side,
          round,
        ),
      ),
    saveArchive: (runId, archive) => saveArchive(db, runId, archive),
    saveVerdict: (runId, verdict) => judgements.saveVerdict(db, runId, verdict),
    saveCapacity: (runId, capacity) =>
      changed(runId, db.run('UPDATE run SET capacity = ? WHERE run_id = ?', text(capacity), runId)),
    saveProfiles: (runId, profiles) => db.transaction(() => saveProfiles(db, runId, profiles)),
    profileTrees: (runId) => profileTrees(db, runId),
    amendRun: (runId, { pairing, comparison, load, metrics, notes, logs, growth }) =>
      db.transaction(() => {
        if (pairing) changed(runId, db.run('UPDATE run SET pairing = ? WHERE run_id = ?', pairing, runId));
        if (comparison)
          changed(
            runId,
            db.run(
              'UPDATE run SET comparison = ?, rounds_asked = ? WHERE run_id = ?',
              text(comparison),
              comparison.max,
              runId,
            ),
          );
        if (load) changed(runId, db.run('UPDATE run SET load = ? WHERE run_id = ?', text(load), runId));
        if (notes) changed(runId, db.run('UPDATE run SET notes = ? WHERE run_id = ?', text(notes), runId));
        if (metrics) changed(runId, db.run('UPDATE run SET metrics = ? WHERE run_id = ?', text(metrics), runId));
        if (logs) changed(runId, db.run('UPDATE run SET logs = ? WHERE run_id = ?', text(logs), runId));
        if (growth) changed(runId, db.run('UPDATE run SET growth = ? WHERE run_id = ?', text(growth), runId));
      }),
    continuedBy: (runId) =>
      db.get('SELECT run_id FROM run WHERE continues = ? ORDER BY run_id LIMIT 1', runId)?.run_id as string | undefined,
    finishRun: (runId, status, finishedAt, reason) =>
      changed(
        runId,
        db.run(
          'UPDATE run SET status = ?, finished_at = ?, status_reason = ? WHERE run_id = ?',
          status,
          finishedAt,
          reason ?? null,
          runId,
        ),
      ),
    run: (idOrPrefix) => db.snapshot(() => readRun(db, findRunId(db, idOrPrefix))),
    details: (runId) => readDetails(db, runId),
    runs: (filter = {}) => listRuns(db, filter),
    stored: () => listStored(db),
    runningRuns: () =>
      db.all(`SELECT run_id FROM run WHERE status = 'running' ORDER BY run_id`).map((row) => row.run_id as string),
    pendingArchives: () =>
      db
        .all('SELECT run_id, archive FROM run WHERE archive_pending = 1 ORDER BY run_id')
        .map((row) => ({ run_id: row.run_id as string, archive: json(row.archive) })),
    addCalibration: (calibration) => judgements.addCalibration(db, calibration),
    calibration: (conditions) => judgements.lastCalibration(db, conditions),
    addSuspectedChange: (change) => judgements.addSuspectedChange(db, change),
    suspectedChanges: (benchmark, hostId) => judgements.suspectedChanges(db, benchmark, hostId),
    settleSuspectedChange: (change, state, checkedBy) => judgements.settleSuspectedChange(db, change, state, checkedBy),
    saveBisection: (bisection) =>
      db.transaction(() => {
        addBenchmark(db, bisection.benchmark);
        judgements.saveBisection(db, bisection);
      }),
    bisections: (benchmark) => judgements.bisections(db, benchmark),
    masterRuns: (benchmark, hostId, metrics, after, branch, variant) =>
      master.masterRuns(db, benchmark, hostId, metrics, after, branch, variant),
    masterHost: (benchmark, branch, variant) => master.masterHost(db, benchmark, branch, variant),
    benchmark: (name) => knownBenchmark(db, name),
    keepBenchmark: (name, from) => keepBenchmark(db, name, from),
    saveBuild: (build) => db.transaction(() => saveBuild(db, build)),
    findBuild: (wanted) => findBuild(db, wanted),
    addChangePoint: (point) => addChangePoint(db, point),
    changePoints: (benchmark) => listChangePoints(db, benchmark),
    addEvent: (kind, runId, detail) => {
      db.run(
        'INSERT INTO event (event_id, at, kind, run_id, detail) VALUES (?, ?, ?, ?, ?)',
        nextEvent(),
        new Date().toISOString(),
        kind,
        runId,
        text(detail ?? null),
      );
    },
    events: (limit = 100) =>
      db
        .all('SELECT at, kind, run_id, detail FROM event ORDER BY event_id DESC LIMIT ?', limit)
        .map((row) => ({ ...row, detail: json(row.detail) }) as StoredEvent),
    readable: () => {
      try {
        return db.get('SELECT 1 AS one')?.one === 1;
      } catch {
        return false;
      }
    },
    close: () => db.close(),
  };
}

/** A run but for what has tables of its own, and for its archive. A new field: a line here, its column in a migration. */
const RUN_FIELDS = {
  run_id: 'plain',
  benchmark: 'plain',
  status: 'plain',
  status_reason: 'plain',
  started_at: 'plain',
  finished_at: 'plain',
  pairing: 'plain',
  host: 'json',
  stack_version: 'plain',
  load: 'json',
  cpusets: 'json',
  rounds_asked: 'plain',
  comparison: 'json',
  master: 'flag',
  branch: 'plain',
  continues: 'plain',
  notes: 'json',
  deployed: 'json',
  metrics: 'json',
  traces: 'json',
  answers_differ: 'json',
  profiles: 'json',
  profile_changes: 'json',
  logs: 'json',
  growth: 'json',
  capacity: 'json',
  stack_images: 'json',
  compose: 'json',
} as const satisfies Fields<RunDocument>;

/** The same of a round. */
const ROUND_FIELDS = {
  side: 'plain',
  round: 'plain',
  block: 'plain',
  rate: 'plain',
  from_run: 'plain',
  valid: 'boolean',
  reasons: 'json',
  started_at: 'plain',
  window_s: 'plain',
  failures: 'json',
  answers: 'json',
  holes: 'json',
  telemetry: 'json',
  events: 'json',
  services: 'json',
  resources: 'json',
  replicas: 'json',
  disturbances: 'json',
  autoscale: 'json',
  traces: 'json',
} as const satisfies Fields<RoundDocument>;

/** The same of a side. */
const SIDE_FIELDS = {
  ref: 'plain',
  subject: 'plain',
  images: 'json',
  variant: 'plain',
  deployment: 'json',
} as const satisfies Fields<SideDocument>;

function insert(db: Database, table: string, row: ReturnType<typeof toRow>, replace?: readonly string[]): void {
  const { sql, values } = insertInto(table, row, replace);
  db.run(sql, ...values);
}

const text = (value: unknown): string => JSON.stringify(value);
const json = <T>(value: unknown): T => JSON.parse(value as string) as T;
/** A field that is there only where the column holds something. */
const given = <K extends string>(key: K, value: unknown): Record<K, never> | object =>
  value === null || value === undefined ? {} : { [key]: value };

function changed(runId: string, rows: number): void {
  if (rows === 0) throw new Error(`there is no run ${runId} in the store`);
}

function addBenchmark(db: Database, name: string): void {
  db.run('INSERT INTO benchmark (name) VALUES (?) ON CONFLICT (name) DO NOTHING', name);
}

function addRun(db: Database, run: RunDocument): void {
  addBenchmark(db, run.benchmark);
  const variant = run.sides.candidate.variant ?? null;
  insert(db, 'run', { ...toRow(run, RUN_FIELDS), host_id: run.host.id, variant });
  for (const [side, document] of Object.entries(run.sides))
    insert(db, 'run_side', {
      run_id: run.run_id,
      side,
      commit_id: document.commit,
      ...toRow<SideDocument>(document, SIDE_FIELDS),
    });
  for (const [name, value] of Object.entries(run.labels))
    db.run('INSERT INTO run_label (run_id, name, value) VALUES (?, ?, ?)', run.run_id, name, value);
  for (const round of run.rounds) saveRound(db, run.run_id, round);
  if (run.archive) saveArchive(db, run.run_id, run.archive);
  if (run.verdict) judgements.saveVerdict(db, run.run_id, run.verdict);
}

function saveRound(db: Database, runId: string, round: RoundDocument, detail?: unknown): void {
  const row = { run_id: runId, ...toRow(round, ROUND_FIELDS), detail: detail === undefined ? null : text(detail) };
  insert(db, 'round', row, ['run_id', 'side', 'round']);
  db.run('DELETE FROM sample WHERE run_id = ? AND side = ? AND round = ?', runId, round.side, round.round);
  for (const [name, { value, unit }] of Object.entries(round.samples)) {
    if (!Number.isFinite(value)) throw new Error(`the sample ${name} of round ${round.round} is no number: ${value}`);
    db.run(
      'INSERT INTO sample (run_id, side, round, name, value, unit) VALUES (?, ?, ?, ?, ?, ?)',
      runId,
      round.side,
      round.round,
      name,
      value,
      unit,
    );
  }
}

function saveArchive(db: Database, runId: string, archive: ArchiveDocument): void {
  changed(
    runId,
    db.run(
      'UPDATE run SET archive = ?, archive_pending = ? WHERE run_id = ?',
      text(archive),
      archive.pending ? 1 : 0,
      runId,
    ),
  );
}

/** Turns what the user wrote into the id of one run. */
function findRunId(db: Database, wanted: string): string {
  const hint = 'npm run runs lists the runs of this data folder.';
  if (wanted === 'last') {
    const newest = db.get('SELECT run_id FROM run ORDER BY started_at DESC, run_id DESC LIMIT 1');
    if (!newest) throw new UsageError('there is no run in the store yet', { hint: 'npm run bench makes one.' });
    return newest.run_id as string;
  }
  const prefix = wanted.toUpperCase();
  // whole: found by the index, among any number of runs
  if (db.get('SELECT run_id FROM run WHERE run_id = ?', prefix)) return prefix;
  const found = db
    .all('SELECT run_id FROM run WHERE substr(run_id, 1, length(?)) = ? ORDER BY run_id LIMIT 4', prefix, prefix)
    .map((row) => row.run_id as string);
  if (found.length === 0 || prefix === '') throw new UsageError(`there is no run ${JSON.stringify(wanted)}`, { hint });
  if (found.length === 1) return found[0]!;
  const shown = found.slice(0, 3).join(', ') + (found.length > 3 ? ', ...' : '');
  throw new UsageError(`${JSON.stringify(wanted)} is the beginning of several runs: ${shown}`, {
    hint: `Write more of it; ${hint}`,
  });
}

function readRun(db: Database, runId: string): RunDocument {
  const row = db.get('SELECT * FROM run WHERE run_id = ?', runId)!;
  const fields = fromRow<RunDocument, typeof RUN_FIELDS>(row, RUN_FIELDS);
  return {
    schema: 'mayfly.run/v1',
    ...fields,
    sides: readSides(db, runId),
    labels: readLabels(db, runId),
    rounds: readRounds(
      db,
      runId,
      fields.metrics.map((metric) => metric.name),
    ),
    ...given('verdict', judgements.readVerdict(db, runId)),
    ...(row.archive === null ? {} : { archive: json<ArchiveDocument>(row.archive) }),
  };
}

function readSides(db: Database, runId: string): RunDocument['sides'] {
  const rows = db.all('SELECT * FROM run_side WHERE run_id = ? ORDER BY side DESC', runId);
  const side = (row: Row): SideDocument => ({
    commit: row.commit_id as string,
    ...fromRow<SideDocument, typeof SIDE_FIELDS>(row, SIDE_FIELDS),
  });
  return Object.fromEntries(rows.map((row) => [row.side, side(row)])) as unknown as RunDocument['sides'];
}

function readLabels(db: Database, runId: string): Record<string, string> {
  return Object.fromEntries(
    db
      .all('SELECT name, value FROM run_label WHERE run_id = ? ORDER BY name', runId)
      .map((row) => [row.name, row.value as string]),
  );
}

/**
 * In the order in which they were measured; of one round the candidate first. Samples in the order of the run's
 * metrics.
 */
function readRounds(db: Database, runId: string, order: string[]): RoundDocument[] {
  const samples = Map.groupBy(
    db.all('SELECT side, round, name, value, unit FROM sample WHERE run_id = ?', runId),
    (row) => `${row.side} ${row.round}`,
  );
  const place = (name: unknown) => order.indexOf(name as string) >>> 0; // an unknown name (-1) comes last
  return db
    .all(`SELECT ${Object.keys(ROUND_FIELDS).join(', ')} FROM round WHERE run_id = ? ORDER BY round, side DESC`, runId)
    .map((row) => {
      const own = (samples.get(`${row.side} ${row.round}`) ?? []).toSorted(
        (a, b) => place(a.name) - place(b.name) || String(a.name).localeCompare(String(b.name)),
      );
      return {
        ...fromRow<RoundDocument, typeof ROUND_FIELDS>(row, ROUND_FIELDS),
        samples: Object.fromEntries(
          own.map((sample): [string, Sample] => [
            sample.name as string,
            { value: sample.value as number, unit: sample.unit as string },
          ]),
        ),
      };
    });
}

function readDetails(db: Database, runId: string): { side: SideName; round: number; detail: unknown }[] {
  return db
    .all('SELECT side, round, detail FROM round WHERE run_id = ? ORDER BY round, side DESC', runId)
    .map((row) => ({
      side: row.side as SideName,
      round: row.round as number,
      detail: row.detail === null ? null : json(row.detail),
    }));
}

function listRuns(
  db: Database,
  { benchmark, commit, labels = {}, host_id, master, branch, variant, limit = 20 }: RunFilter,
): RunSummary[] {
  const conditions: [sql: string, ...values: (string | null)[]][] = [];
  if (benchmark !== undefined) conditions.push(['run.benchmark = ?', benchmark]);
  if (host_id !== undefined) conditions.push(['run.host_id = ?', host_id]);
  if (master)
    conditions.push(['run.master = 1 AND run.branch IS ? AND run.variant IS ?', branch ?? null, variant ?? null]);
  else if (variant !== undefined) conditions.push(['run.variant = ?', variant]);
  if (commit !== undefined) {
    conditions.push([
      'EXISTS (SELECT 1 FROM run_side s WHERE s.run_id = run.run_id AND (substr(s.commit_id, 1, length(?)) = ? OR s.ref = ?))',
      commit,
      commit,
      commit,
    ]);
  }
  for (const [name, value] of Object.entries(labels)) {
    conditions.push([
      'EXISTS (SELECT 1 FROM run_label l WHERE l.run_id = run.run_id AND l.name = ? AND l.value = ?)',
      name,
      value,
    ]);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.map(([sql]) => sql).join(' AND ')}` : '';
  const rows = db.all(
    `SELECT run.*, c.ref, c.commit_id, c.subject, b.commit_id AS against, b.variant AS against_variant, v.verdict,
            (SELECT count(*) FROM round r WHERE r.run_id = run.run_id) AS observations,
            (SELECT count(*) FROM round r WHERE r.run_id = run.run_id AND r.valid = 1) AS valid_observations
     FROM (SELECT * FROM run ${where} ORDER BY started_at DESC, run_id DESC LIMIT ?) AS run -- beside a join it would sort all runs
     JOIN run_side c ON c.run_id = run.run_id AND c.side = 'candidate'
     LEFT JOIN run_side b ON b.run_id = run.run_id AND b.side = 'baseline'
     LEFT JOIN verdict v ON v.run_id = run.run_id
     ORDER BY run.started_at DESC, run.run_id DESC`,
    ...conditions.flatMap(([, ...values]) => values),
    limit,
  );
  return rows.map(summary);
}

function summary(row: Row): RunSummary {
  return {
    run_id: row.run_id as string,
    benchmark: row.benchmark as string,
    status: row.status as RunStatus,
    started_at: row.started_at as string,
    ...given('finished_at', row.finished_at),
    pairing: row.pairing as RunSummary['pairing'],
    ref: row.ref as string,
    commit: row.commit_id as string,
    ...given('subject', row.subject),
    ...given('against', row.against),
    host_id: row.host_id as string,
    observations: row.observations as number,
    valid_observations: row.valid_observations as number,
    ...given('verdict', row.verdict),
    master: row.master === 1,
    ...given('branch', row.branch),
    ...given('variant', row.variant),
    ...given('against_variant', row.against_variant),
    archive:
      row.archive_pending === 1
        ? 'pending'
        : row.archive !== null && json<ArchiveDocument>(row.archive).verified
          ? 'verified'
          : 'none',
  };
}

function listStored(db: Database): StoredRun[] {
  const labels = Map.groupBy(db.all('SELECT run_id, name, value FROM run_label ORDER BY name'), (row) => row.run_id);
  const rows = db.all(
    'SELECT run_id, benchmark, host_id, status, started_at, archive, (SELECT count(*) FROM round r WHERE r.run_id = run.run_id) AS observations FROM run ORDER BY started_at, run_id',
  );
  return rows.map((row) => ({
    run_id: row.run_id as string,
    benchmark: row.benchmark as string,
    host_id: row.host_id as string,
    status: row.status as RunStatus,
    started_at: row.started_at as string,
    labels: Object.fromEntries((labels.get(row.run_id) ?? []).map(({ name, value }) => [name, value as string])),
    observations: row.observations as number,
    ...(row.archive === null ? {} : { archive: json<ArchiveDocument>(row.archive) }),
  }));
}

function addChangePoint(
  db: Database,
  { benchmark, host_id, metric, commit, before, run_id, at, ratio, found_at, commits }: ChangePoint,
): void {
  if (!Number.isFinite(ratio) || ratio <= 0)
    throw new Error(`the ratio of a change point must be a number above 0, got ${ratio}`);
  db.run(
    `INSERT INTO change_point (benchmark, host_id, metric, run_id, commit_id, before_commit_id, at, ratio, found_at, commits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
    commits ? text(commits) : null,
  );
}

function listChangePoints(db: Database, benchmark?: string): ChangePoint[] {
  const columns =
    'SELECT benchmark, host_id, metric, commit_id, before_commit_id, run_id, at, ratio, found_at, commits, (SELECT branch FROM run WHERE run.run_id = change_point.run_id) AS branch, (SELECT variant FROM run WHERE run.run_id = change_point.run_id) AS variant FROM change_point';
  const order = 'ORDER BY benchmark, at, run_id, host_id, metric';
  const rows =
    benchmark === undefined
      ? db.all(`${columns} ${order}`)
      : db.all(`${columns} WHERE benchmark = ? ${order}`, benchmark);
  const acceptances = inForce(db, benchmark);
  return rows.map(({ commit_id: commit, before_commit_id: before, commits: range, branch, variant, ...rest }) => {
    const commits = given('commits', range === null ? null : json(range)) as Pick<ChangePoint, 'commits'>;
    const own = acceptances.filter((one) => one.benchmark === rest.benchmark && (one.variant ?? null) === variant);
    const point = {
      ...rest,
      commit: commit as string,
      before,
      ...commits,
      ...given('branch', branch),
      ...given('variant', variant),
    };
    return { ...point, ...given('accepted', acceptedIn(point, own)) } as unknown as ChangePoint;
  });
}

function saveBuild(db: Database, { benchmark, image, commit, recipeHash, tag, imageId }: BuildRecord): void {
  addBenchmark(db, benchmark);
  db.run(
    `INSERT INTO build (benchmark, image, commit_id, recipe_hash, tag, image_id, built_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (benchmark, image, commit_id, recipe_hash) DO UPDATE SET tag = excluded.tag, image_id = excluded.image_id, built_at = excluded.built_at`,
    benchmark,
    image,
    commit,
    recipeHash,
    tag,
    imageId,
    new Date().toISOString(),
  );
}

function findBuild(
  db: Database,
  { benchmark, image, commit, recipeHash }: Pick<BuildRecord, 'benchmark' | 'image' | 'commit' | 'recipeHash'>,
): BuildRecord | undefined {
  const row = db.get(
    'SELECT tag, image_id FROM build WHERE benchmark = ? AND image = ? AND commit_id = ? AND recipe_hash = ?',
    benchmark,
    image,
    commit,
    recipeHash,
  );
  return row && { benchmark, image, commit, recipeHash, tag: row.tag as string, imageId: row.image_id as string };
}
