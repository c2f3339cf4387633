/** A branch of a benchmark over time, and what changed on it. */

import { UsageError } from '../../../core/errors.ts';
import type { Metric } from '../../../documents/run.ts';
import { isWorse, titleOf } from '../../../judge/effect-text.ts';
import { branchWords, ratioWords } from '../../../report/history-text.ts';
import type { MasterHost } from '../../../store/site.ts';
import type { ChangeView, HistoryOptions, HistoryPointView, HistoryView, ViewContext } from './data-types.ts';
import { type LevelPoint, type Levels, levelsOf } from './levels.ts';

const POINTS = 250;
export const MOST_POINTS = 2000;

/** UsageError `there is no ...` (404), or what is wrong with what was asked (400). */
export function history(ctx: ViewContext, options: HistoryOptions): HistoryView {
  const { benchmark } = options;
  const branch = options.branch || undefined; // of a form that was left empty
  const variant = options.variant || undefined;
  const branches = ctx.store.site.masterBranches(benchmark);
  const variants = ctx.store.site.masterVariants(benchmark);
  const hosts = ctx.store.site.masterHosts(benchmark, branch, variant);
  if (branch !== undefined && !branches.includes(branch))
    throw new UsageError(`there is no run of a branch ${JSON.stringify(branch)} of ${benchmark}`);
  if (variant !== undefined && !variants.includes(variant))
    throw new UsageError(`there is no run of a variant ${JSON.stringify(variant)} of ${benchmark}`);
  if (hosts.length === 0) needBenchmark(ctx, benchmark);
  const host = options.host === undefined ? hosts[0] : hosts.find(({ host_id }) => host_id === options.host);
  if (!host && options.host !== undefined)
    throw new UsageError(
      `there is no run of ${branchWords(branch, variant)} of ${benchmark} on a host ${JSON.stringify(options.host)}`,
    );
  const metric = host && chosenMetric(host, benchmark, options.metric);
  const levels =
    metric && levelsOf(ctx.store, benchmark, host.host_id, [metric.name], branch, variant).get(metric.name);
  const choice = {
    schema: 'mayfly.site-history/v1' as const,
    benchmark,
    ...(branch === undefined ? {} : { branch }),
    branches,
    ...(variant === undefined ? {} : { variant }),
    variants,
    metric: metric ? { ...metricLine(metric), better: metric.better, margin: metric.margin } : null,
    host_id: host?.host_id ?? null,
    metrics: (host?.newest.metrics ?? []).toSorted((a, b) => Number(b.primary) - Number(a.primary)).map(metricLine),
    hosts: hosts.map(({ host_id, host: { cpu_model, cores }, runs }) => ({ host_id, cpu_model, cores, runs })),
  };
  if (!levels) return { ...choice, points: [], older: 0, outside: 0, other_runs: 0, changes: [], suspected: [] };
  return { ...choice, ...pointsAndChanges(ctx, options, host!.host_id, levels) };
}

function pointsAndChanges(
  ctx: ViewContext,
  options: HistoryOptions,
  hostId: string,
  { metric, points, other_runs }: Levels,
) {
  const [from, to] = [timeOf('from', options.from, points), timeOf('to', options.to, points)];
  const inRange = points.filter(({ at }) => (from === undefined || at >= from) && (to === undefined || at <= to));
  const shown = inRange.slice(-Math.min(Math.max(1, options.limit ?? POINTS), MOST_POINTS));
  const all = changesOf(ctx, options, hostId, metric, shown);
  return {
    points: pointViews(ctx, shown),
    older: inRange.length - shown.length,
    outside: points.length - inRange.length,
    other_runs,
    changes: all.filter(({ state }) => state === 'confirmed'),
    suspected: all.filter(({ state }) => state !== 'confirmed'),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  };
}

/** UsageError for a benchmark that is neither in the store nor in this checkout. */
export function needBenchmark({ store, config }: ViewContext, name: string): void {
  const known =
    config.rules.has(name) ||
    config.repositories.some(({ benchmarks }) => benchmarks.includes(name)) ||
    store.site.benchmarks().some((one) => one.name === name);
  if (!known) throw new UsageError(`there is no benchmark ${JSON.stringify(name)}`);
}

const metricLine = ({ name, unit, primary }: Metric) => ({ name, title: titleOf(name), unit, primary });

function chosenMetric(
  { newest: { metrics } }: MasterHost,
  benchmark: string,
  wanted: string | undefined,
): Metric | undefined {
  if (wanted === undefined) return metrics.find(({ primary }) => primary) ?? metrics[0];
  const metric = metrics.find(({ name }) => name === wanted);
  if (!metric)
    throw new UsageError(
      `there is no metric ${JSON.stringify(wanted)} of ${benchmark}; there is ${metrics.map(({ name }) => name).join(', ')}`,
    );
  return metric;
}

/** What `from` or `to` names: a day, a time, or a commit. */
function timeOf(end: 'from' | 'to', text: string | undefined, points: readonly LevelPoint[]): string | undefined {
  if (text === undefined || text === '') return undefined;
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T${end === 'from' ? '00:00:00.000' : '23:59:59.999'}Z` : text;
  if (/^\d{4}-\d\d-\d\dT/.test(time) && !Number.isNaN(Date.parse(time))) return new Date(time).toISOString();
  const point =
    text.length >= 7 ? points.findLast(({ commit, ref }) => commit.startsWith(text) || ref === text) : undefined;
  if (point) return point.at;
  throw new UsageError(
    `${end} must be a date like 2026-01-31, a time, or a commit (7 digits or more) that was measured here, got ${JSON.stringify(text)}`,
  );
}

function pointViews({ store }: ViewContext, points: readonly LevelPoint[]): HistoryPointView[] {
  const verdicts = store.site.verdicts(points.map(({ run_id }) => run_id));
  return points.map(({ interval, ...point }) => ({ ...point, interval: interval(), ...verdicts.get(point.run_id) }));
}

/** All changes of the metric, oldest first; a confirmed one is told with the ratio that the comparison found. */
function changesOf(
  { store }: ViewContext,
  { benchmark, branch, variant }: HistoryOptions,
  hostId: string,
  metric: Metric,
  points: readonly LevelPoint[],
): ChangeView[] {
  const ours = <C extends { metric: string; host_id: string; branch?: string; variant?: string }>(changes: C[]) =>
    changes.filter(
      (change) =>
        change.metric === metric.name &&
        change.host_id === hostId &&
        change.branch === (branch || undefined) &&
        change.variant === (variant || undefined),
    );
  const known = ours(store.suspectedChanges(benchmark));
  const confirmed = ours(store.changePoints(benchmark)).map((point) => ({
    ...point,
    state: 'confirmed' as const,
    checked_by: known.find(({ run_id }) => run_id === point.run_id)?.checked_by,
  }));
  const others = known.filter(({ run_id }) => !confirmed.some((point) => point.run_id === run_id));
  const all = [...confirmed, ...others].sort((a, b) => (a.at + a.run_id < b.at + b.run_id ? -1 : 1));
  const subjects = store.site.subjects(all.map(({ commit }) => commit));
  return all.map(
    ({ state, host_id, run_id, at, before, commit, ratio, checked_by, found_at, accepted }): ChangeView => {
      const index = points.findIndex((point) => point.commit === commit);
      const subject = subjects.get(commit);
      return {
        state,
        metric: metric.name,
        host_id,
        run_id,
        at,
        before,
        commit,
        ...(subject === undefined ? {} : { subject }),
        ratio,
        worse: isWorse(ratio, metric.better),
        words: ratioWords(metric.name, metric.unit, metric.better, ratio),
        ...(checked_by === undefined ? {} : { checked_by }),
        found_at,
        ...(accepted ? { accepted } : {}),
        index: index < 0 ? null : index,
      };
    },
  );
}
