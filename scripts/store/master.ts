/**
 * The master set: what is needed of every valid run of the default branch, or of another one, at once. SQL only; db.ts hands it the
 * database.
 */
import type { RoundDocument, RunDocument } from '../documents/run.ts';
import type { Database, Row } from './sqlite.ts';

/** What a comparison with history needs of a run; a RunDocument is one too. */
export type MasterRun = Pick<
  RunDocument,
  'run_id' | 'started_at' | 'pairing' | 'host' | 'stack_version' | 'load' | 'cpusets' | 'metrics' | 'rounds'
> & {
  sides: { candidate: MasterSide; baseline?: MasterSide };
};
type MasterSide = Pick<RunDocument['sides']['candidate'], 'ref' | 'commit' | 'subject' | 'variant'>;

/**
 * The complete runs of the master set of a benchmark on a host, oldest first; of the default branch where there is no
 * `branch`, and of no variant where there is no `variant`. Their rounds hold the samples of
 * `metrics` only; absent: of the primary metrics of the newest run. `after`: only those that come after this run.
 */
export function masterRuns(
  db: Database,
  benchmark: string,
  hostId: string,
  metrics?: readonly string[],
  after?: Pick<MasterRun, 'run_id' | 'started_at'>,
  branch?: string,
  variant?: string,
): MasterRun[] {
  return db.snapshot(() => {
    const from = [branch ?? null, variant ?? null, ...(after ? [after.started_at, after.run_id] : ['', ''])];
    // Qualified, since rounds have a beginning of their own.
    const where = `run.benchmark = ? AND run.host_id = ? AND run.master = 1 AND run.branch IS ? AND run.variant IS ? AND run.status = 'complete' AND (run.started_at, run.run_id) > (?, ?)`;
    const parse = parser();
    const rows = db.all(
      `SELECT run_id, started_at, pairing, host, stack_version, load, cpusets, metrics FROM run WHERE ${where} ORDER BY started_at, run_id`,
      benchmark,
      hostId,
      ...from,
    );
    const names =
      metrics ??
      ((rows.length > 0 ? parse(rows.at(-1)!.metrics) : []) as RunDocument['metrics'])
        .filter(({ primary }) => primary)
        .map(({ name }) => name);
    const of = (sql: string, ...values: string[]) =>
      Map.groupBy(db.all(sql, benchmark, hostId, ...from, ...values), (row) => row.run_id as string);
    const sides = of(
      `SELECT s.run_id, s.side, s.ref, s.commit_id, s.subject, s.variant FROM run_side s JOIN run USING (run_id) WHERE ${where}`,
    );
    const rounds = of(
      `SELECT r.run_id, r.side, r.round, r.valid, r.started_at, r.window_s, r.block FROM round r JOIN run USING (run_id) WHERE ${where} ORDER BY r.round, r.side DESC`,
    );
    const samples = of(
      `SELECT s.run_id, s.side, s.round, s.name, s.value, s.unit FROM sample s JOIN run USING (run_id) WHERE ${where} AND s.name IN (SELECT value FROM json_each(?))`,
      JSON.stringify(names),
    );
    return rows.map(
      ({ run_id, started_at, pairing, stack_version, host, load, cpusets, metrics }) =>
        ({
          run_id,
          started_at,
          pairing,
          stack_version,
          host: parse(host),
          load: parse(load),
          cpusets: parse(cpusets),
          metrics: parse(metrics),
          sides: Object.fromEntries((sides.get(run_id as string) ?? []).map((row) => [row.side, sideOf(row)])),
          rounds: roundsOf(rounds.get(run_id as string) ?? [], samples.get(run_id as string) ?? []),
        }) as MasterRun,
    );
  });
}

/** JSON.parse that gives the same value for the same text: of thousands of runs nearly all say the same. */
function parser(): (text: unknown) => unknown {
  const known = new Map<unknown, unknown>();
  return (text) => {
    if (!known.has(text)) known.set(text, JSON.parse(text as string));
    return known.get(text);
  };
}

/** Host of the newest complete run of the master set of a benchmark. */
export function masterHost(db: Database, benchmark: string, branch?: string, variant?: string): string | undefined {
  return db.get(
    `SELECT host_id FROM run WHERE benchmark = ? AND master = 1 AND branch IS ? AND variant IS ? AND status = 'complete' ORDER BY started_at DESC, run_id DESC LIMIT 1`,
    benchmark,
    branch ?? null,
    variant ?? null,
  )?.host_id as string | undefined;
}

const sideOf = ({ ref, commit_id: commit, subject, variant }: Row) => ({
  ref,
  commit,
  ...(subject === null ? {} : { subject }),
  ...(variant === null ? {} : { variant }),
});

function roundsOf(rounds: Row[], samples: Row[]): RoundDocument[] {
  const byRound = Map.groupBy(samples, ({ side, round }) => `${side} ${round}`);
  return rounds.map(
    ({ side, round, valid, started_at, window_s, block }) =>
      ({
        side,
        round,
        valid: valid === 1,
        reasons: [],
        started_at,
        window_s,
        ...(block === null ? {} : { block }),
        samples: Object.fromEntries(
          (byRound.get(`${side} ${round}`) ?? []).map(({ name, value, unit }) => [name, { value, unit }]),
        ),
      }) as unknown as RoundDocument,
  );
}
