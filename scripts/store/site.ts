/**
 * What the web site looks up. SQL only; db.ts hands it the database. Fast among tens of thousands of runs: see
 * migrations/005_site.sql.
 */
import type { Host, Metric, RunDocument, RunStatus } from '../documents/run.ts';
import type { Verdict } from '../documents/verdict.ts';
import type { Database, Row } from './sqlite.ts';

/** A line of a list of runs. Times are ISO 8601. */
export interface RunLine
  extends Pick<
    RunDocument,
    'run_id' | 'benchmark' | 'status' | 'status_reason' | 'started_at' | 'finished_at' | 'pairing' | 'branch'
  > {
  /** Of the deployment; absent: none was named. */
  variant?: string;
  host_id: string;
  master: boolean;
  ref: string;
  commit: string;
  subject?: string;
  /** Of the baseline, for a run of two sides. */
  against?: { ref: string; commit: string; subject?: string; variant?: string };
  rounds_asked: number;
  /** Rounds measured, and those of them in which every side is valid. */
  rounds: number;
  valid_rounds: number;
  /** Address at which the service was deployed already. */
  deployed?: string;
  verdict?: Verdict;
  /** The verdict's sentence, without its name. */
  summary?: string;
}

export interface RunLineFilter {
  benchmark?: string | undefined;
  /** A whole commit of either side. */
  commit?: string | undefined;
  host_id?: string | undefined;
  master?: boolean | undefined;
  /** Of the candidate. */
  variant?: string | undefined;
  status?: RunStatus | undefined;
  limit: number;
  /** Only runs that are older than this one. */
  after?: string | undefined;
}

/** A host that has runs of the master set, with its newest one. */
export interface MasterHost {
  host_id: string;
  host: Host;
  /** Complete runs. */
  runs: number;
  newest: { run_id: string; started_at: string; metrics: Metric[] };
}

export interface Site {
  /** Another text whenever anything in the store may have changed, by whichever process. */
  revision(): string;
  /** With the number of their runs, by name. */
  benchmarks(): { name: string; runs: number }[];
  /** Newest first. */
  runLines(filter: RunLineFilter): RunLine[];
  /** Runs that have not ended as far as the store knows, oldest first, with the job that each belongs to. */
  runningLines(): (RunLine & { job?: string })[];
  /**
   * The newest run of the master set that has ended, of those that began before this time where one is given. Here and
   * in what follows: of the default branch where no other one is named, and of no variant.
   */
  newestMaster(benchmark: string, before?: string, branch?: string, variant?: string): RunLine | undefined;
  /** The newest run of the master set that was judged. */
  judgedMaster(benchmark: string, variant?: string): string | undefined;
  /** The host of the newest run first. */
  masterHosts(benchmark: string, branch?: string, variant?: string): MasterHost[];
  /** Other branches than the default one that have a master set, by name. */
  masterBranches(benchmark: string): string[];
  /** Variants that have a master set, by name. */
  masterVariants(benchmark: string): string[];
  /** Another text when store.masterRuns() would give other runs. */
  masterVersion(benchmark: string, hostId: string, branch?: string, variant?: string): string;
  /** How many store.masterRuns() would give. */
  masterCount(benchmark: string, hostId: string, branch?: string, variant?: string): number;
  /** Of those runs that were judged. */
  verdicts(runIds: readonly string[]): Map<string, { verdict: Verdict; summary: string }>;
  /** Another text when what is stored of an ended run has changed; undefined where it has not ended or is not there. */
  endedVersion(runId: string): string | undefined;
  /** Ids of runs that begin with this text, at most four. */
  runsByPrefix(text: string): string[];
  /**
   * Whole commits that are, or begin with, this text; where there is none the one that was measured last under this
   * ref. At most four.
   */
  commits(text: string): string[];
  /** The newest run that compared these commits, complete ones first. */
  runWithBoth(candidate: string, baseline: string, benchmark?: string): string | undefined;
  /** The newest run whose candidate this commit is, complete ones first. */
  runOfCommit(commit: string, benchmark?: string): string | undefined;
  /** First lines of the messages of those commits that were measured. */
  subjects(commits: readonly string[]): Map<string, string>;
  /** Jobs that ended with this run, newest first. */
  jobsOfRun(runId: string): string[];
}

export function openSite(db: Database): Site {
  const on =
    <A extends unknown[], R>(work: (db: Database, ...args: A) => R) =>
    (...args: A): R =>
      work(db, ...args);
  const verdicts = cachedVerdicts(db);
  const summed = (lines: RunLine[]) => {
    const known = verdicts(lines.filter(({ verdict }) => verdict).map(({ run_id }) => run_id));
    return lines.map((line) => ({ ...line, ...known.get(line.run_id) }));
  };
  return {
    revision: on(revision),
    benchmarks: on(benchmarks),
    judgedMaster: on(judgedMaster),
    masterHosts: on(masterHosts),
    masterBranches: on(masterBranches),
    masterVariants: on(masterVariants),
    masterVersion: on(masterVersion),
    masterCount: on(masterCount),
    verdicts,
    endedVersion: on(endedVersion),
    runsByPrefix: on(runsByPrefix),
    commits: on(commits),
    runWithBoth: on(runWithBoth),
    runOfCommit: on(runOfCommit),
    subjects: on(subjects),
    jobsOfRun: on(jobsOfRun),
    runLines: (filter) => summed(runLines(db, filter)),
    runningLines: () => runningLines(db),
    newestMaster: (benchmark, before, branch, variant) =>
      summed(newestMaster(db, benchmark, before, branch, variant))[0],
  };
}

/** data_version: changes of other connections; total_changes(): those of this one. */
const revision = (db: Database): string =>
  `${db.get('PRAGMA data_version')!.data_version} ${db.get('SELECT total_changes() AS n')!.n}`;

const benchmarks = (db: Database): { name: string; runs: number }[] =>
  db
    .all(
      'SELECT b.name, count(r.benchmark) AS runs FROM benchmark b LEFT JOIN run r ON r.benchmark = b.name GROUP BY b.name ORDER BY b.name',
    )
    .map(({ name, runs }) => ({ name: name as string, runs: Number(runs) }));

/**
 * `runs`: a table or query that gives rows of run. What is sorted and cut in there is found by an index; beside the
 * joins it would not be.
 */
const linesOf = (
  runs: string,
) => `SELECT run.run_id, run.benchmark, run.status, run.status_reason, run.started_at, run.finished_at, run.host_id, run.rounds_asked, run.pairing, run.master, run.branch, run.variant, json_extract(run.deployed, '$.url') AS deployed,
    c.ref, c.commit_id, c.subject, b.ref AS b_ref, b.commit_id AS b_commit, b.subject AS b_subject, b.variant AS b_variant,
    (SELECT v.verdict FROM verdict v WHERE v.run_id = run.run_id) AS verdict,
    (SELECT count(DISTINCT r.round) FROM round r WHERE r.run_id = run.run_id) AS rounds,
    (SELECT count(DISTINCT r.round) FROM round r WHERE r.run_id = run.run_id AND r.valid = 0) AS invalid_rounds
  FROM ${runs} AS run
  JOIN run_side c ON c.run_id = run.run_id AND c.side = 'candidate'
  LEFT JOIN run_side b ON b.run_id = run.run_id AND b.side = 'baseline'`;
const NEWEST_FIRST = 'ORDER BY run.started_at DESC, run.run_id DESC';

function runLines(
  db: Database,
  { benchmark, commit, host_id, master, variant, status, limit, after }: RunLineFilter,
): RunLine[] {
  const wanted: [sql: string, value: string | undefined][] = [
    ['run.benchmark = ?', benchmark],
    ['run.host_id = ?', host_id],
    ['run.variant = ?', variant],
    ['run.status = ?', status],
    ['run.run_id IN (SELECT run_id FROM run_side WHERE commit_id = ?)', commit],
    ['(run.started_at, run.run_id) < (SELECT o.started_at, o.run_id FROM run o WHERE o.run_id = ?)', after],
  ];
  const given = wanted.filter(([, value]) => value !== undefined) as [string, string][];
  const parts = [...given.map(([sql]) => sql), ...(master === undefined ? [] : [`run.master = ${master ? 1 : 0}`])];
  const where = parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '';
  return db
    .all(
      `${linesOf(`(SELECT * FROM run ${where} ${NEWEST_FIRST} LIMIT ?)`)} ${NEWEST_FIRST}`,
      ...given.map(([, value]) => value),
      limit,
    )
    .map(line);
}

function runningLines(db: Database): (RunLine & { job?: string })[] {
  const rows = db.all(`${linesOf('run')} WHERE run.status = 'running' ORDER BY run.run_id`);
  return rows.map((row) => {
    const job = db.get(
      `SELECT value FROM run_label WHERE run_id = ? AND name IN ('job', 'for_job') ORDER BY name DESC`,
      row.run_id as string,
    )?.value as string | undefined;
    return { ...line(row), ...(job === undefined ? {} : { job }) };
  });
}

function newestMaster(db: Database, benchmark: string, before?: string, branch?: string, variant?: string): RunLine[] {
  const earlier = before === undefined ? '' : 'AND started_at < ?';
  return db
    .all(
      linesOf(
        `(SELECT * FROM run WHERE benchmark = ? AND master = 1 AND branch IS ? AND variant IS ? AND status IN ('complete', 'invalid') ${earlier} ${NEWEST_FIRST} LIMIT 1)`,
      ),
      benchmark,
      branch ?? null,
      variant ?? null,
      ...(before === undefined ? [] : [before]),
    )
    .map(line);
}

function judgedMaster(db: Database, benchmark: string, variant?: string): string | undefined {
  const judged = 'EXISTS (SELECT 1 FROM verdict v WHERE v.run_id = run.run_id)';
  return db.get(
    `SELECT run_id FROM run WHERE benchmark = ? AND master = 1 AND branch IS NULL AND variant IS ? AND status IN ('complete', 'invalid') AND ${judged} ORDER BY started_at DESC, run_id DESC LIMIT 1`,
    benchmark,
    variant ?? null,
  )?.run_id as string | undefined;
}

function line(row: Row): RunLine {
  const side = (ref: unknown, commit: unknown, subject: unknown, variant: unknown) => ({
    ref: ref as string,
    commit: commit as string,
    ...(subject === null ? {} : { subject: subject as string }),
    ...(variant === null ? {} : { variant: variant as string }),
  });
  const optional = Object.fromEntries(
    ['status_reason', 'finished_at', 'verdict', 'branch', 'deployed']
      .filter((key) => row[key] !== null)
      .map((key) => [key, row[key]]),
  );
  const { run_id, benchmark, status, started_at, pairing, host_id, rounds_asked } = row as unknown as RunLine;
  return {
    run_id,
    benchmark,
    status,
    started_at,
    pairing,
    host_id,
    rounds_asked,
    ...optional,
    master: row.master === 1,
    ...side(row.ref, row.commit_id, row.subject, row.variant),
    ...(row.b_commit === null ? {} : { against: side(row.b_ref, row.b_commit, row.b_subject, row.b_variant) }),
    rounds: Number(row.rounds),
    valid_rounds: Number(row.rounds) - Number(row.invalid_rounds),
  };
}

const COMPLETE = `benchmark = ? AND master = 1 AND branch IS ? AND variant IS ? AND status = 'complete'`;

const masterBranches = (db: Database, benchmark: string): string[] =>
  db
    .all(
      `SELECT DISTINCT branch FROM run WHERE benchmark = ? AND master = 1 AND branch IS NOT NULL AND status = 'complete' ORDER BY branch`,
      benchmark,
    )
    .map(({ branch }) => branch as string);

const masterVariants = (db: Database, benchmark: string): string[] =>
  db
    .all(
      `SELECT DISTINCT variant FROM run WHERE benchmark = ? AND master = 1 AND variant IS NOT NULL AND status = 'complete' ORDER BY variant`,
      benchmark,
    )
    .map(({ variant }) => variant as string);

function masterHosts(db: Database, benchmark: string, branch?: string, variant?: string): MasterHost[] {
  const rows = db.all(
    `SELECT host_id, count(*) AS runs FROM run WHERE ${COMPLETE} GROUP BY host_id`,
    benchmark,
    branch ?? null,
    variant ?? null,
  );
  return rows
    .map(({ host_id, runs }): MasterHost => {
      const newest = db.get(
        `SELECT run_id, started_at, host, metrics FROM run WHERE ${COMPLETE} AND host_id = ? ORDER BY started_at DESC, run_id DESC LIMIT 1`,
        benchmark,
        branch ?? null,
        variant ?? null,
        host_id as string,
      )!;
      return {
        host_id: host_id as string,
        host: JSON.parse(newest.host as string),
        runs: Number(runs),
        newest: {
          run_id: newest.run_id as string,
          started_at: newest.started_at as string,
          metrics: JSON.parse(newest.metrics as string),
        },
      };
    })
    .sort((a, b) => (a.newest.started_at + a.newest.run_id > b.newest.started_at + b.newest.run_id ? -1 : 1));
}

function masterVersion(db: Database, benchmark: string, hostId: string, branch?: string, variant?: string): string {
  const { n, newest } = db.get(
    `SELECT count(*) AS n, max(run_id) AS newest FROM run WHERE ${COMPLETE} AND host_id = ?`,
    benchmark,
    branch ?? null,
    variant ?? null,
    hostId,
  )!;
  return `${n} ${newest}`;
}

const masterCount = (db: Database, benchmark: string, hostId: string, branch?: string, variant?: string): number =>
  Number(
    db.get(
      `SELECT count(*) AS n FROM run WHERE ${COMPLETE} AND host_id = ?`,
      benchmark,
      branch ?? null,
      variant ?? null,
      hostId,
    )!.n,
  );

/** Verdicts that are kept in memory: their documents are long, and a sentence of each is all that lists need. */
const MOST_VERDICTS = 20_000;

function cachedVerdicts(db: Database): Site['verdicts'] {
  const kept = new Map<string, { judged_at: string; verdict: Verdict; summary: string }>();
  return (runIds) => {
    const rows = db.all(
      'SELECT run_id, judged_at, verdict FROM verdict WHERE run_id IN (SELECT value FROM json_each(?))',
      JSON.stringify(runIds),
    ) as { run_id: string; judged_at: string; verdict: Verdict }[];
    const missing = rows.filter(({ run_id, judged_at }) => kept.get(run_id)?.judged_at !== judged_at);
    if (kept.size + missing.length > MOST_VERDICTS) kept.clear();
    for (const { run_id, judged_at, verdict } of missing) {
      const row = db.get('SELECT document FROM verdict WHERE run_id = ?', run_id);
      if (row)
        kept.set(run_id, {
          judged_at,
          verdict,
          summary: (JSON.parse(row.document as string) as { summary: string }).summary,
        });
    }
    return new Map(
      rows.flatMap(({ run_id }) => {
        const found = kept.get(run_id);
        return found ? [[run_id, { verdict: found.verdict, summary: found.summary }] as const] : [];
      }),
    );
  };
}

function endedVersion(db: Database, runId: string): string | undefined {
  const row = db.get(
    `SELECT status, finished_at, archive, capacity, (SELECT judged_at FROM verdict v WHERE v.run_id = run.run_id) AS judged_at FROM run WHERE run_id = ? AND status <> 'running'`,
    runId,
  );
  return row && JSON.stringify(Object.values(row));
}

/** The first text that begins with none of these letters any more. */
const behind = (prefix: string): string => `${prefix}\uffff`;

const runsByPrefix = (db: Database, text: string): string[] =>
  db
    .all(
      'SELECT run_id FROM run WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 4',
      text.toUpperCase(),
      behind(text.toUpperCase()),
    )
    .map(({ run_id }) => run_id as string);

function commits(db: Database, text: string): string[] {
  const ids = (rows: Row[]) => rows.map(({ commit_id }) => commit_id as string);
  const whole = ids(db.all('SELECT DISTINCT commit_id FROM run_side WHERE commit_id = ?', text));
  if (whole.length > 0) return whole;
  const begun = /^[0-9a-f]{7,}$/.test(text)
    ? ids(
        db.all(
          'SELECT DISTINCT commit_id FROM run_side WHERE commit_id >= ? AND commit_id < ? ORDER BY commit_id LIMIT 4',
          text,
          behind(text),
        ),
      )
    : [];
  if (begun.length > 0) return begun;
  return ids(
    db.all(
      'SELECT s.commit_id FROM run_side s JOIN run USING (run_id) WHERE s.ref = ? ORDER BY run.started_at DESC, run.run_id DESC LIMIT 1',
      text,
    ),
  );
}

const BEST_FIRST = `ORDER BY run.status <> 'complete', run.started_at DESC, run.run_id DESC LIMIT 1`;

function runWithBoth(db: Database, candidate: string, baseline: string, benchmark?: string): string | undefined {
  const of = benchmark === undefined ? '' : 'AND run.benchmark = ?';
  return db.get(
    `SELECT run.run_id FROM run_side c JOIN run_side b ON b.run_id = c.run_id AND b.side = 'baseline' JOIN run ON run.run_id = c.run_id
     WHERE c.side = 'candidate' AND c.commit_id = ? AND b.commit_id = ? ${of} ${BEST_FIRST}`,
    candidate,
    baseline,
    ...(benchmark === undefined ? [] : [benchmark]),
  )?.run_id as string | undefined;
}

function runOfCommit(db: Database, commit: string, benchmark?: string): string | undefined {
  const of = benchmark === undefined ? '' : 'AND run.benchmark = ?';
  return db.get(
    `SELECT run.run_id FROM run_side c JOIN run ON run.run_id = c.run_id WHERE c.side = 'candidate' AND c.commit_id = ? AND run.deployed IS NULL ${of} ${BEST_FIRST}`,
    commit,
    ...(benchmark === undefined ? [] : [benchmark]),
  )?.run_id as string | undefined;
}

const subjects = (db: Database, commits: readonly string[]): Map<string, string> =>
  new Map(
    db
      .all(
        'SELECT DISTINCT commit_id, subject FROM run_side WHERE commit_id IN (SELECT value FROM json_each(?)) AND subject IS NOT NULL',
        JSON.stringify(commits),
      )
      .map((row) => [row.commit_id as string, row.subject as string]),
  );

const jobsOfRun = (db: Database, runId: string): string[] =>
  db.all('SELECT job_id FROM job WHERE run_id = ? ORDER BY job_id DESC', runId).map(({ job_id }) => job_id as string);
