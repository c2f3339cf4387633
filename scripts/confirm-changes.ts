/** Changes of the default branch: found in the master set, confirmed by an interleaved comparison of before and after. */
import { newSuspects } from './compare/series.ts';
import { titleOf } from './compare/words.ts';
import { loadConfig } from './config/config.ts';
import type { Context } from './context.ts';
import { Interrupted, MayflyError, original } from './errors.ts';
import { ROOT } from './open.ts';
import { bench } from './pipeline.ts';
import { fingerprint } from './plan/host.ts';
import { shortCommit } from './plan/names.ts';
import { ratioWords } from './report/history.ts';
import type { Store } from './store/db.ts';
import type { SuspectedChange } from './store/judgements.ts';
import type { RunDocument, VerdictDocument } from './types.ts';

/** Looks for changes in the whole master set of a benchmark on a host and keeps those that are new; a sentence for each. What is known is never moved or removed. `runs`: the master set, where it is read already. */
export function suspectChanges(benchmark: string, hostId: string, store: Store, runs = store.masterRuns(benchmark, hostId)): string[] {
  const found = newSuspects(runs, store.suspectedChanges(benchmark, hostId));
  const found_at = new Date().toISOString();
  for (const suspect of found) store.addSuspectedChange({ benchmark, host_id: hostId, found_at, ...suspect });
  return found.map(({ metric, commit, before, ratio }) => {
    const { unit, better } = runs.at(-1)!.metrics.find(({ name }) => name === metric)!;
    return `suspected on the default branch: ${titleOf(metric)} ${ratioWords(metric, unit, better, ratio)} from ${shortCommit(before)} to ${shortCommit(commit)}; npm run history -- --benchmark=${benchmark} --confirm measures both`;
  });
}

/**
 * A run of the default branch that is a REGRESSION or an IMPROVEMENT against its anchor, where the run before it was not:
 * the change lies between both. Keeps it as suspected; where the anchor is the commit before, this run has decided
 * already. A sentence for each.
 */
export function suspectFromRun(run: RunDocument, store: Store): string[] {
  const { verdict, benchmark, host, sides } = run;
  if (!run.master || !verdict || verdict.verdict === 'INVALID' || !sides.baseline) return [];
  const { commit } = sides.candidate;
  const earlier = store.runs({ benchmark, host_id: host.id, master: true, limit: RECENT }).find((one) => one.status === 'complete' && one.started_at < run.started_at && one.commit !== commit);
  const last = earlier && store.run(earlier.run_id);
  const before = last?.sides.candidate.commit ?? sides.baseline.commit;
  const changes = changesIn(verdict);
  const fresh = [...changes].filter(([metric, worse]) => !last?.verdict || changesIn(last.verdict).get(metric) !== worse || last.sides.baseline?.commit !== sides.baseline!.commit);
  return fresh.map(([metric, worse]) => {
    const { change } = verdict.metrics.find(({ name }) => name === metric)!;
    const suspect = { benchmark, host_id: host.id, metric, run_id: run.run_id, at: run.started_at, before, commit, ratio: 1 + change!, found_at: new Date().toISOString() };
    store.addSuspectedChange(suspect);
    if (before === sides.baseline!.commit) settle({ ...suspect, state: 'open' }, verdict, store);
    return `${titleOf(metric)} is ${worse ? 'worse' : 'better'} from ${shortCommit(before)} to ${shortCommit(commit)}`;
  });
}

/** How many runs of the default branch are looked back over for the one before. */
const RECENT = 50;

/** Primary metrics that have changed, and whether for the worse; one that only varies more has not. */
const changesIn = ({ metrics }: VerdictDocument): Map<string, boolean> =>
  new Map(metrics.filter(({ verdict, change, worse }) => change !== null && (verdict === 'IMPROVEMENT' || (verdict === 'REGRESSION' && (worse.at_least ?? 0) > 0))).map(({ name, verdict }) => [name, verdict === 'REGRESSION']));

/** What a comparison of its two commits says of a suspected change. */
export interface Decision {
  state: SuspectedChange['state'];
  /** After / before as the comparison found it; of a confirmed one. */
  ratio?: number;
  worse: boolean;
  why: string;
}

/**
 * Decides on a suspected change. The comparison may have either commit as its candidate. Confirmed: the metric is a
 * REGRESSION or an IMPROVEMENT in the suspected direction. Refuted: PASS, or the other direction. Else it stays open.
 */
export function decide(change: Pick<SuspectedChange, 'metric' | 'commit' | 'ratio'>, verdict: VerdictDocument): Decision {
  const metric = verdict.metrics.find(({ name }) => name === change.metric);
  if (!metric) return { state: 'open', worse: false, why: `${change.metric} is no metric of the benchmark any more` };
  const worse = change.ratio > 1 === (metric.better === 'lower');
  if (verdict.verdict === 'INVALID') return { state: 'open', worse, why: `INVALID: ${verdict.reasons[0] ?? verdict.summary}` };
  if (metric.verdict === null) return { state: 'open', worse, why: `${titleOf(change.metric)} is not primary, or has no values` };
  if (metric.verdict === 'INCONCLUSIVE' || metric.change === null) return { state: 'open', worse, why: `INCONCLUSIVE: ${metric.words}` };
  if (metric.verdict === 'PASS') return { state: 'refuted', worse, why: metric.words };
  if (metric.verdict === 'REGRESSION' && (metric.worse.at_least ?? 0) <= 0) return { state: 'open', worse, why: metric.words }; // it varies more, which is another matter
  const ratio = verdict.candidate.commit === change.commit ? 1 + metric.change : 1 / (1 + metric.change);
  const words = ratioWords(metric.name, metric.unit, metric.better, ratio);
  if (ratio > 1 !== change.ratio > 1) return { state: 'refuted', worse, why: `it is ${words}` };
  return { state: 'confirmed', ratio, worse, why: words };
}

/** What became of one suspected change. */
export interface Checked extends Decision {
  change: SuspectedChange;
  /** It could not be measured at all. */
  failed: boolean;
}

/**
 * Measures every open suspected change of this host and keeps what was decided; of a confirmed one a change point.
 * `asked`: the benchmark as --benchmark takes it. Changes between the same two commits in the same direction share a comparison.
 */
export async function confirmChanges(asked: string, benchmark: string, maxMinutes: string | undefined, ctx: Context): Promise<Checked[]> {
  const hostId = fingerprint(ctx.machine.engine).id;
  const open = ctx.store.suspectedChanges(benchmark, hostId).filter(({ state }) => state === 'open');
  const better = betterOf(benchmark, hostId, ctx.store);
  const worse = (change: SuspectedChange) => change.ratio > 1 === (better(change.metric) === 'lower');
  const checked: Checked[] = [];
  for (const together of Map.groupBy(open, (change) => `${change.before} ${change.commit} ${worse(change)}`).values()) {
    checked.push(...(await check(together, worse(together[0]!), { asked, maxMinutes }, ctx)));
  }
  return checked;
}

function betterOf(benchmark: string, hostId: string, store: Store) {
  const metrics = store.masterRuns(benchmark, hostId).at(-1)?.metrics ?? [];
  return (name: string) => metrics.find((metric) => metric.name === name)?.better ?? 'lower';
}

/** Rounds where several metrics are to be decided: a sequential comparison ends with its first REGRESSION. */
const ROUNDS = 20;

/** The side that is suspected to be worse is the candidate: a PASS excludes a slowdown, it does not exclude an improvement. */
async function check(changes: SuspectedChange[], worse: boolean, { asked, maxMinutes }: { asked: string; maxMinutes: string | undefined }, ctx: Context): Promise<Checked[]> {
  const { before, commit } = changes[0]!;
  const [candidate, baseline] = worse ? [commit, before] : [before, commit];
  const args = [`--benchmark=${asked}`, `--commit=${candidate}`, `--against=${baseline}`, '--label=purpose=confirm-change'];
  if (changes.length > 1) args.push(`--rounds=${ROUNDS}`);
  if (maxMinutes !== undefined) args.push(`--max-minutes=${maxMinutes}`);
  try {
    const config = await loadConfig(args, { root: ROOT, cwd: process.cwd() });
    const gates = (name: string) => config.metrics.some((metric) => metric.name === name && metric.primary);
    if (!changes.some(({ metric }) => gates(metric))) return changes.map((change) => ({ change, failed: false, worse, state: 'open', why: `${titleOf(change.metric)} is not primary in benchmark.yaml any more, so no comparison decides on it` }));
    ctx.progress.info(`comparing ${shortCommit(before)} and ${shortCommit(commit)}: ${changes.map(({ metric }) => titleOf(metric)).join(', ')}`);
    // Another metric that became worse would end the comparison before these are decided.
    const metrics = config.metrics.map((metric) => ({ ...metric, primary: metric.primary && changes.some((change) => change.metric === metric.name) }));
    const run = await bench({ ...config, metrics }, ctx);
    return changes.map((change) => ({ change, failed: false, ...settle(change, run.verdict!, ctx.store) }));
  } catch (error) {
    const failure = original(error);
    if (!(failure instanceof MayflyError) || failure instanceof Interrupted) throw error;
    return changes.map((change) => ({ change, failed: true, worse, state: 'open', why: failure.message }));
  }
}

function settle(change: SuspectedChange, verdict: VerdictDocument, store: Store): Decision {
  const decision = decide(change, verdict);
  if (decision.state === 'open') return decision;
  if (decision.state === 'confirmed') {
    const { benchmark, host_id, metric, commit, before, run_id, at } = change;
    store.addChangePoint({ benchmark, host_id, metric, commit, before, run_id, at, ratio: decision.ratio!, found_at: new Date().toISOString() });
  }
  store.settleSuspectedChange(change, decision.state, verdict.run_id);
  return decision;
}

/** A line for each, and what to do next. `asked`: the benchmark as --benchmark takes it. */
export function checkedText(checked: readonly Checked[], asked: string): string {
  if (checked.length === 0) return 'no suspected change of this host is open';
  const word = { confirmed: 'CONFIRMED', refuted: 'REFUTED', open: 'STILL OPEN' } as const;
  const lines = checked.map(({ change, state, worse, why }) => {
    const kind = state === 'confirmed' ? `${worse ? 'regression' : 'improvement'}: ` : '';
    return `${word[state]}: ${titleOf(change.metric)} from ${shortCommit(change.before)} to ${shortCommit(change.commit)}: ${kind}${why}`;
  });
  const confirmed = checked.filter(({ state }) => state === 'confirmed').map(({ change }) => change);
  const spans = new Set(confirmed.map(({ before, commit }) => `npm run bisect -- --benchmark=${asked} --good=${shortCommit(before)} --bad=${shortCommit(commit)} names the commit, if there are others between`));
  return [...lines, ...spans, ...(confirmed.length > 0 ? ['npm run archive -- rebuild-trends brings confirmed changes to the dashboards'] : [])].join('\n');
}
