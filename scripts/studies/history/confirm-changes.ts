/**
 * Changes of the default branch, and of others that have a master set: found in the master set, confirmed by an interleaved comparison of before and after.
 */

import type { Context } from '../../app/context.ts';
import { ROOT } from '../../app/open.ts';
import { type BenchOptions, loadConfig } from '../../config/config.ts';
import type { Config } from '../../config/types.ts';
import { Interrupted, MayflyError, NothingToCompare, original } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import type { MetricVerdict, VerdictDocument } from '../../documents/verdict.ts';
import { shortCommit } from '../../engine/names.ts';
import { isWorse, titleOf } from '../../judge/effect-text.ts';
import { newSuspects } from '../../judge/series.ts';
import { bench } from '../../pipeline.ts';
import { findCommit } from '../../plan/commit.ts';
import { fingerprint } from '../../plan/host.ts';
import { firstParents, isAncestor } from '../../plan/merge-base.ts';
import { acceptedWords, ratioWords } from '../../report/history-text.ts';
import type { Accepted } from '../../store/acceptances.ts';
import type { Store } from '../../store/db.ts';
import type { SuspectedChange } from '../../store/judgements.ts';

/**
 * Looks for changes in the whole master set of a branch on a host and keeps those that are new; a sentence for each.
 * What is known is never moved or removed. `variant`: absent for the runs of none. `runs`: the master set, where it is read already.
 */
export function suspectChanges(
  benchmark: string,
  hostId: string,
  store: Store,
  branch?: string,
  variant?: string,
  runs = store.masterRuns(benchmark, hostId, undefined, undefined, branch, variant),
): string[] {
  const known = store
    .suspectedChanges(benchmark, hostId)
    .filter((change) => change.branch === branch && change.variant === variant);
  const found = newSuspects(runs, known);
  const found_at = new Date().toISOString();
  for (const suspect of found) store.addSuspectedChange({ benchmark, host_id: hostId, found_at, ...suspect });
  return found.map(({ metric, commit, before, ratio }) => {
    const { unit, better } = runs.at(-1)!.metrics.find(({ name }) => name === metric)!;
    return `suspected on ${branch === undefined ? 'the default branch' : `the branch ${branch}`}: ${titleOf(metric)} ${ratioWords(metric, unit, better, ratio)} from ${shortCommit(before)} to ${shortCommit(commit)}${variant === undefined ? '' : ` (${variant})`}; npm run history -- --benchmark=${benchmark} --confirm measures both`;
  });
}

/**
 * What a run of the default branch says at once, before there are points enough for the detector: where what is sure of
 * it excludes what is sure of the run before, against the same anchor, the metric has changed between both. Keeps that
 * as suspected; a comparison of the two decides. A sentence for each. The first run on a host is held against the last
 * one on another: both are ratios to the same commit, and what they suggest is measured on this host.
 */
export function suspectFromRun(run: RunDocument, store: Store): string[] {
  const { verdict, benchmark, host, sides } = run;
  if (!run.master || !verdict || verdict.verdict === 'INVALID' || !sides.baseline) return [];
  if (sides.baseline.variant !== sides.candidate.variant) return [];
  const { commit, variant } = sides.candidate;
  const anchor = sides.baseline.commit;
  const found = [{ host_id: host.id }, {}]
    .flatMap((where) => store.runs({ benchmark, ...where, master: true, branch: run.branch, variant, limit: RECENT }))
    .find(
      (one) =>
        one.status === 'complete' &&
        one.started_at < run.started_at &&
        one.commit !== commit &&
        (one.commit === anchor || one.against === anchor),
    );
  if (!found) return [];
  const last = store.run(found.run_id);
  const before = last.sides.candidate.commit;
  const boundsBefore = (name: string) =>
    before === anchor
      ? { at_least: 0, at_most: 0 }
      : boundsOf(last.verdict?.metrics.find((metric) => metric.name === name));
  return verdict.metrics
    .filter(({ primary, change }) => primary && change !== null)
    .flatMap(({ name, better: direction, worse: now, change }) => {
      const was = boundsBefore(name);
      const worse = was?.at_most != null && now.at_least !== null && now.at_least > was.at_most;
      const better = was?.at_least != null && now.at_most !== null && now.at_most < was.at_least;
      if (!worse && !better) return [];
      const level = before === anchor ? 0 : (last.verdict!.metrics.find((metric) => metric.name === name)!.change ?? 0);
      store.addSuspectedChange({
        benchmark,
        host_id: host.id,
        metric: name,
        run_id: run.run_id,
        at: run.started_at,
        before,
        commit,
        ratio: (1 + change!) / (1 + level),
        found_at: new Date().toISOString(),
      });
      return [
        `suspected: ${titleOf(name)} ${direction === 'neither' ? 'has changed' : `is ${worse ? 'worse' : 'better'}`} from ${shortCommit(before)} to ${shortCommit(commit)}`,
      ];
    });
}

/**
 * What is sure of a metric, in the direction of worse; how far it has changed where neither direction is better. A PASS has no bound on the side of better: there its interval
 * has to do, since a comparison decides in the end.
 */
function boundsOf(metric: MetricVerdict | undefined): { at_least: number | null; at_most: number | null } | undefined {
  if (!metric) return undefined;
  const { interval, better, worse } = metric;
  const low =
    interval &&
    { lower: interval.low, higher: -interval.high, neither: Math.max(interval.low, -interval.high) }[better];
  return { at_least: worse.at_least ?? low, at_most: worse.at_most };
}

/** How many runs of the default branch are looked back over for the one before. */
const RECENT = 50;

/** What a comparison of its two commits says of a suspected change. */
export interface Decision {
  state: SuspectedChange['state'];
  /** After / before as the comparison found it; of a confirmed one. */
  ratio?: number;
  worse: boolean;
  /** Of a confirmed one: neither direction is better, so it is a change and no regression. */
  either?: true;
  why: string;
}

/**
 * Decides on a suspected change. The comparison may have either commit as its candidate. Confirmed: the metric is a
 * REGRESSION or an IMPROVEMENT in the suspected direction. Refuted: PASS, or the other direction. Else it stays open.
 */
export function decide(
  change: Pick<SuspectedChange, 'metric' | 'commit' | 'ratio'>,
  verdict: VerdictDocument,
): Decision {
  const metric = verdict.metrics.find(({ name }) => name === change.metric);
  if (!metric) return { state: 'open', worse: false, why: `${change.metric} is no metric of the benchmark any more` };
  const worse = isWorse(change.ratio, metric.better);
  if (verdict.verdict === 'INVALID')
    return { state: 'open', worse, why: `INVALID: ${verdict.reasons[0] ?? verdict.summary}` };
  if (metric.verdict === null)
    return { state: 'open', worse, why: `${titleOf(change.metric)} is not primary, or has no values` };
  if (metric.verdict === 'INCONCLUSIVE' || metric.change === null)
    return { state: 'open', worse, why: `${metric.verdict}: ${metric.words}` };
  if (metric.verdict === 'PASS') return { state: 'refuted', worse, why: metric.words };
  if (metric.verdict === 'REGRESSION' && (metric.worse.at_least ?? 0) <= 0)
    return { state: 'open', worse, why: metric.words }; // it varies more, which is another matter
  const ratio = verdict.candidate.commit === change.commit ? 1 + metric.change : 1 / (1 + metric.change);
  const words = ratioWords(metric.name, metric.unit, metric.better, ratio);
  if (ratio > 1 !== change.ratio > 1) return { state: 'refuted', worse, why: `it is ${words}` };
  return { state: 'confirmed', ratio, worse, ...(metric.better === 'neither' ? { either: true } : {}), why: words };
}

/** What became of one suspected change. */
export interface Checked extends Decision {
  change: SuspectedChange;
  /** It could not be measured at all. */
  failed: boolean;
  /** Of a confirmed one: somebody has accepted it. */
  accepted?: Accepted;
}

/** How suspected changes are confirmed. */
export interface Confirming {
  /** Minutes after which no round of a comparison is begun. */
  maxMinutes?: string;
  /** Leave out what a comparison could not decide before: somebody has to ask for another one. */
  onlyUnchecked?: boolean;
  /** Labels of the comparisons. */
  labels?: Record<string, string>;
}

/**
 * Measures every open suspected change of this host and keeps what was decided; of a confirmed one a change point.
 * `asked`: the benchmark as --benchmark takes it. Changes between the same two commits in the same direction share a
 * comparison.
 */
export async function confirmChanges(
  asked: string,
  benchmark: string,
  how: Confirming,
  ctx: Context,
): Promise<Checked[]> {
  const hostId = fingerprint(ctx.machine.engine).id;
  const open = ctx.store
    .suspectedChanges(benchmark, hostId)
    .filter(({ state, checked_by }) => state === 'open' && !(how.onlyUnchecked && checked_by));
  const better = ({ metric, run_id }: SuspectedChange) =>
    ctx.store.run(run_id).metrics.find(({ name }) => name === metric)?.better ?? 'lower';
  const worse = (change: SuspectedChange) => isWorse(change.ratio, better(change));
  const checked: Checked[] = [];
  for (const together of Map.groupBy(
    open,
    (change) => `${change.before} ${change.commit} ${worse(change)} ${change.variant ?? ''}`,
  ).values()) {
    checked.push(...(await check(together, worse(together[0]!), asked, how, ctx)));
  }
  return checked;
}

/** Rounds where several metrics are to be decided: a sequential comparison ends with its first REGRESSION. */
const ROUNDS = 20;

/**
 * The side that is suspected to be worse is the candidate: a PASS excludes a slowdown, it does not exclude an
 * improvement.
 */
async function check(
  changes: SuspectedChange[],
  worse: boolean,
  asked: string,
  how: Confirming,
  ctx: Context,
): Promise<Checked[]> {
  const { before, commit, run_id, variant } = changes[0]!;
  const [candidate, baseline] = worse ? [commit, before] : [before, commit];
  const options: BenchOptions = {
    benchmark: asked,
    commit: candidate,
    against: baseline,
    ...(variant === undefined ? {} : { variant }),
    labels: { ...how.labels, ...PURPOSE, change: run_id },
    ...(changes.length > 1 ? { rounds: String(ROUNDS) } : {}),
    ...(how.maxMinutes === undefined ? {} : { maxMinutes: String(how.maxMinutes) }),
  };
  const undecided = (why: string, failed = false) =>
    changes.map((change) => ({ change, failed, worse, state: 'open' as const, why }));
  try {
    const config = await loadConfig(options, { root: ROOT, cwd: process.cwd(), known: ctx.store.benchmark });
    const gates = (name: string) => config.metrics.some((metric) => metric.name === name && metric.primary);
    if (!changes.some(({ metric }) => gates(metric)))
      return undecided(
        `${changes.map(({ metric }) => titleOf(metric)).join(', ')}: not primary in benchmark.yaml any more, so no comparison decides on it`,
      );
    const commits = await commitsBetween(before, commit, config, ctx);
    if (commits === null)
      return undecided(
        `${shortCommit(before)} is not among the commits that ${shortCommit(commit)} was made from: they were measured in another order, and no change lies between them`,
      );
    ctx.progress.info(
      `comparing ${shortCommit(before)} and ${shortCommit(commit)}: ${changes.map(({ metric }) => titleOf(metric)).join(', ')}`,
    );
    // Another metric that became worse would end the comparison before these are decided.
    const metrics = config.metrics.map((metric) => ({
      ...metric,
      primary: metric.primary && changes.some((change) => change.metric === metric.name),
    }));
    const { verdict } = unread(changes, { candidate, baseline }, ctx) ?? (await bench({ ...config, metrics }, ctx));
    return changes.map((change) => ({
      change,
      failed: false,
      ...settle(change, { verdict: verdict!, commits }, ctx.store),
    }));
  } catch (error) {
    const failure = original(error);
    if (failure instanceof NothingToCompare)
      return changes.map((change) => {
        const decision = { state: 'refuted' as const, worse: false, why: failure.message };
        ctx.store.settleSuspectedChange(change, decision.state, change.run_id);
        return { change, failed: false, ...decision };
      });
    if (!(failure instanceof MayflyError) || failure instanceof Interrupted) throw error;
    return undecided(failure.message, true);
  }
}

const PURPOSE = { purpose: 'confirm-change' };

/** A comparison of these commits whose verdict nobody has read, since the process that made it was killed. */
function unread(
  changes: readonly SuspectedChange[],
  { candidate, baseline }: { candidate: string; baseline: string },
  { store }: Context,
): RunDocument | undefined {
  if (changes.some(({ checked_by }) => checked_by !== undefined)) return undefined;
  const found = store
    .runs({ labels: { ...PURPOSE, change: changes[0]!.run_id } })
    .find((run) => run.status === 'complete' && run.commit === candidate && run.against === baseline);
  const run = found && store.run(found.run_id);
  return run?.verdict && run;
}

/**
 * The commits that lie between along first parents; null: one does not come after the other. Undefined of what is not
 * built from git, where nobody can know.
 */
async function commitsBetween(
  before: string,
  commit: string,
  { builds }: Config,
  ctx: Context,
): Promise<string[] | undefined | null> {
  const repository = Object.values(builds).flatMap((recipe) => (recipe.kind === 'git' ? [recipe.repository] : []))[0];
  if (repository === undefined) return undefined;
  const { repository: folder } = await findCommit(repository, commit, ctx);
  await findCommit(repository, before, ctx);
  return (await isAncestor(folder, before, commit, ctx)) ? firstParents(folder, before, commit, ctx) : null;
}

function settle(
  change: SuspectedChange,
  { verdict, commits }: { verdict: VerdictDocument; commits: string[] | undefined },
  store: Store,
): Decision & Pick<Checked, 'accepted'> {
  const decision = decide(change, verdict);
  if (decision.state === 'confirmed') {
    const { benchmark, host_id, metric, commit, before, run_id, at } = change;
    store.addChangePoint({
      benchmark,
      host_id,
      metric,
      commit,
      before,
      run_id,
      at,
      ratio: decision.ratio!,
      found_at: new Date().toISOString(),
      ...(commits ? { commits } : {}),
    });
  }
  store.settleSuspectedChange(change, decision.state, verdict.run_id);
  if (decision.state !== 'confirmed') return decision;
  const { accepted } = store
    .changePoints(change.benchmark)
    .find(
      ({ host_id, metric, run_id }) =>
        host_id === change.host_id && metric === change.metric && run_id === change.run_id,
    )!;
  return accepted ? { ...decision, accepted } : decision;
}

/** A line for each, and what to do next. `asked`: the benchmark as --benchmark takes it. */
export function checkedText(checked: readonly Checked[], asked: string): string {
  if (checked.length === 0) return 'no suspected change of this host is open';
  const word = { confirmed: 'CONFIRMED', refuted: 'REFUTED', open: 'STILL OPEN' } as const;
  const lines = checked.map(({ change, state, worse, either, why, accepted }) => {
    const kind = state === 'confirmed' ? `${either ? 'change' : worse ? 'regression' : 'improvement'}: ` : '';
    return `${word[state]}: ${titleOf(change.metric)} from ${shortCommit(change.before)} to ${shortCommit(change.commit)}: ${kind}${why}${accepted ? `, ${acceptedWords(accepted)}` : ''}`;
  });
  const confirmed = checked.filter(({ state }) => state === 'confirmed').map(({ change }) => change);
  const spans = new Set(
    confirmed.map(
      ({ before, commit }) =>
        `npm run bisect -- --benchmark=${asked} --good=${shortCommit(before)} --bad=${shortCommit(commit)} names the commit, if there are others between`,
    ),
  );
  return [
    ...lines,
    ...spans,
    ...(confirmed.length > 0 ? ['npm run archive -- rebuild-trends brings confirmed changes to the dashboards'] : []),
  ].join('\n');
}
