/**
 * One commit measured alone, held against the master set: a fence on run medians, as rustc-perf draws it
 * (https://github.com/rust-lang/rustc-perf/blob/master/docs/comparison-analysis.md), here on logarithms. Runs of
 * different times feel the host differently, so it warns and never decides. Pure.
 */

import type { Better, Metric, RunDocument, Unit } from '../documents/run.ts';
import type { ChangePoint } from '../store/db.ts';
import type { MasterRun } from '../store/master.ts';
import { summarise } from './compare-runs.ts';
import { isWorse } from './effect-text.ts';
import { conditionsOf } from './series.ts';
import { median, quantile } from './statistics.ts';

/** Fewer runs have no fence. */
export const LEAST_RUNS = 8;
/** The newest runs that make the fence, at most. */
const MOST_RUNS = 40;
/**
 * Interquartile ranges from the median to the fence: 4 standard deviations of normal values, less of few, whose range
 * is a matter of luck.
 */
const RANGES = 3;

/** Where one primary metric of the run lies. Values in the metric's unit. */
export interface ScreenedMetric {
  name: string;
  unit: Unit;
  better: Better;
  /** Median over the run's rounds. */
  value: number;
  /** Runs that it is held against. */
  runs: number;
  /** Their median and the fence around it; null of fewer than LEAST_RUNS. */
  fence: { median: number; low: number; high: number } | null;
  /** Null without a fence. */
  lies: 'worse' | 'better' | 'within' | null;
}

export interface Screen {
  run_id: string;
  benchmark: string;
  /** Whose master set it is; absent: that of the default branch. */
  branch?: string;
  /** And of this variant; absent: of none. */
  variant?: string;
  /** As --commit takes it, for the comparison that decides. */
  commit: string;
  /** The newest commit of the master set; null of an empty one. */
  against: string | null;
  metrics: ScreenedMetric[];
}

/**
 * Holds a run of one side against the runs of the master set of its benchmark and branch that were measured in the same way, since
 * the last change point of each metric. `masterRuns`: oldest first.
 */
export function screenRun(
  run: RunDocument,
  masterRuns: readonly MasterRun[],
  changePoints: readonly ChangePoint[],
): Screen {
  const others = masterRuns.filter(({ run_id }) => run_id !== run.run_id);
  const { ref, commit, variant } = run.sides.candidate;
  return {
    run_id: run.run_id,
    benchmark: run.benchmark,
    ...(run.branch === undefined ? {} : { branch: run.branch }),
    ...(variant === undefined ? {} : { variant }),
    commit: ref === 'worktree' ? ref : commit,
    against: others.findLast(({ sides }) => sides.candidate.commit !== commit)?.sides.candidate.commit ?? null,
    metrics: run.metrics
      .filter(({ primary }) => primary)
      .flatMap((metric) => screenMetric(run, metric, others, changePoints) ?? []),
  };
}

function screenMetric(
  run: RunDocument,
  metric: Metric,
  others: readonly MasterRun[],
  changePoints: readonly ChangePoint[],
): ScreenedMetric | null {
  const { name, unit, better } = metric;
  const value = summarise(run, 'candidate', name)?.median;
  if (value === undefined || value <= 0) return null;
  const history = historyOf(run, metric, others, changePoints);
  const bounds = history.length >= LEAST_RUNS ? fenceOf(history.map(Math.log), metric.margin) : null;
  const fence = bounds && { median: Math.exp(bounds.median), low: Math.exp(bounds.low), high: Math.exp(bounds.high) };
  return { name, unit, better, value, runs: history.length, fence, lies: fence && liesOf(value, fence, better) };
}

/** Medians of the runs that count, oldest first. */
function historyOf(
  run: RunDocument,
  metric: Metric,
  others: readonly MasterRun[],
  changePoints: readonly ChangePoint[],
): number[] {
  const since = changePoints
    .filter(
      (point) => point.benchmark === run.benchmark && point.host_id === run.host.id && point.metric === metric.name,
    )
    .reduce((latest, { at }) => (at > latest ? at : latest), '');
  const wanted = conditionsOf(run, metric);
  return others
    .filter(
      (other) =>
        other.started_at >= since &&
        other.metrics.some((own) => own.name === metric.name && conditionsOf(other, own) === wanted),
    )
    .flatMap((other) => summarise(other, 'candidate', metric.name)?.median ?? [])
    .filter((value) => value > 0)
    .slice(-MOST_RUNS);
}

/** The fence around logarithms: as far as the interquartile range says, and at least the margin. */
export function fenceOf(values: number[], margin: number): { median: number; low: number; high: number } {
  const middle = median(values)!;
  const sorted = values.toSorted((a, b) => a - b);
  const reach = Math.max(RANGES * (quantile(sorted, 0.75) - quantile(sorted, 0.25)), Math.log1p(margin));
  return { median: middle, low: middle - reach, high: middle + reach };
}

function liesOf(
  value: number,
  { low, high }: { low: number; high: number },
  better: Better,
): 'worse' | 'better' | 'within' {
  if (value >= low && value <= high) return 'within';
  return isWorse(value > high ? 2 : 0.5, better) ? 'worse' : 'better';
}
