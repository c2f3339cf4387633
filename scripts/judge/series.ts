/**
 * From the runs of the master set to one series of levels for each metric, and the changes that are suspected in it.
 * Pure.
 */

import type { Metric } from '../documents/run.ts';
import type { SuspectedChange } from '../store/judgements.ts';
import type { MasterRun } from '../store/master.ts';
import { type Change, createDetector, LEAST_SEGMENT } from './changes.ts';
import { countedRounds, summarise } from './compare-runs.ts';
import { hasRatio, logRatio, observationsOf, pairsOf } from './observations.ts';
import { hodgesLehmann, walshAverages } from './signed-rank.ts';
import { median } from './statistics.ts';
import { noiseOf } from './verdict.ts';

/** The run of one point. */
export interface Point {
  run_id: string;
  /** Start of the run, ISO 8601. */
  at: string;
  commit: string;
  ref: string;
  subject?: string;
  /** Logarithm of the level. */
  value: number;
  /** Commit of its baseline, where the level hangs on that one's. */
  baseline?: string;
  /** That of which the level of the baseline is known; points that hang on one another share its errors. */
  link: Link | null;
}

/** How the level of a commit came about: through links to earlier ones, each with an error of its own. */
interface Link {
  value: number;
  from: Link | null;
  /** Squared standard error of all links down to the root. */
  variance: number;
}

/** Points that may be compared with each other, oldest first. */
export interface Series {
  metric: Metric;
  points: Point[];
}

/** What one run says of a metric, before it is known how the runs hang together. */
export interface Measured extends Pick<Point, 'run_id' | 'at' | 'commit' | 'ref' | 'subject' | 'baseline'> {
  metric: Metric;
  /** Runs with the same text may be compared. */
  conditions: string;
  /** Log ratios to the baseline, one for each observation; of one side the values of its rounds. */
  values: number[];
  /** Null: it has no value, or one that has no logarithm. */
  level: { root: number; change: number; variance: number } | null;
}

/**
 * The series of a metric, the one of the newest run last. Runs that differ in what would make another figure of the
 * same commit are in different ones: host, stack version, load, CPU sets, how the metric is read, alone or beside a
 * second side. Runs without a value, or with one that has no logarithm, are left out.
 */
export const seriesOf = (runs: readonly MasterRun[], name: string): Series[] =>
  seriesFrom(runs.flatMap((run) => measuredOf(run, name) ?? []));

/** The same of what was read of the runs before, oldest first: what takes time is done once for each run. */
export function seriesFrom(measured: readonly Measured[]): Series[] {
  const groups = [...Map.groupBy(measured, ({ conditions }) => conditions).values()];
  const series = groups
    .map((group) => ({ metric: group.at(-1)!.metric, points: pointsOf(group) }))
    .filter(({ points }) => points.length > 0);
  const newest = ({ points }: Series) => points.at(-1)!.at + points.at(-1)!.run_id;
  return series.sort((a, b) => (newest(a) < newest(b) ? -1 : 1));
}

/** What must be the same in two runs for their figures of a metric to mean the same. */
export const conditionsOf = (
  { host, stack_version, load, cpusets, sides }: MasterRun,
  { unit, promql, telemetry }: Metric,
): string =>
  JSON.stringify([
    host.id,
    stack_version,
    load,
    cpusets,
    sides.baseline !== undefined,
    ...(sides.baseline && sides.baseline.variant !== sides.candidate.variant
      ? [`against ${sides.baseline.variant ?? 'none'}`]
      : []),
    unit,
    promql ?? telemetry ?? null,
  ]);

/** Undefined where the run knows no such metric. */
export function measuredOf(run: MasterRun, name: string): Measured | undefined {
  const metric = run.metrics.find((one) => one.name === name);
  if (!metric) return undefined;
  const { candidate, baseline } = run.sides;
  const { ref, commit, subject } = candidate;
  const own = {
    run_id: run.run_id,
    at: run.started_at,
    commit,
    ref,
    ...(subject === undefined ? {} : { subject }),
    metric,
    conditions: conditionsOf(run, metric),
  };
  if (baseline)
    return {
      ...own,
      baseline: baseline.commit,
      ...(metric.incomparable === undefined ? besideBaseline(run, name) : { values: [], level: null }),
    };
  const values = countedRounds(run, 'candidate').flatMap(({ samples }) => samples[name]?.value ?? []);
  const middle = median(values) ?? 0;
  return { ...own, values, level: middle > 0 ? { root: Math.log(middle), change: 0, variance: 0 } : null };
}

function besideBaseline(run: MasterRun, name: string): Pick<Measured, 'values' | 'level'> {
  const values = pairsOf(observationsOf(run), name).flatMap((pair) =>
    pair && hasRatio(pair) && pair.candidate > 0 ? [logRatio(pair)] : [],
  );
  const noise = noiseOf(values);
  const rooted = summarise(run, 'baseline', name)?.median ?? 0;
  if (noise === null || !(rooted > 0)) return { values, level: null };
  return {
    values,
    level: {
      root: Math.log(rooted),
      change: hodgesLehmann(walshAverages(values)),
      variance: noise ** 2 / values.length,
    },
  };
}

function pointsOf(group: readonly Measured[]): Point[] {
  const links = new Map<string, Link>();
  return group.flatMap(({ level, metric: _metric, conditions: _conditions, values: _values, ...own }) => {
    if (!level) return [];
    const here =
      own.baseline === undefined ? { value: level.root, from: null, variance: 0 } : chained(own.baseline, level, links);
    // Measured again, a commit keeps the level that others hang on already.
    if (own.baseline !== undefined && !links.has(own.commit)) links.set(own.commit, here);
    return [{ ...own, value: here.value, link: here.from }];
  });
}

/**
 * The level of the baseline and the log ratio to it. A baseline that is not known yet is a root: its level is its
 * median in this run.
 */
function chained(
  baseline: string,
  { root, change, variance }: NonNullable<Measured['level']>,
  links: Map<string, Link>,
): Link {
  const from = links.get(baseline) ?? { value: root, from: null, variance: 0 };
  links.set(baseline, from);
  return { value: from.value + change, from, variance: from.variance + variance };
}

/**
 * Standard error of the difference of two points that comes from what they hang on, and so does not grow less with more
 * points. Infinity: nothing in common.
 */
function doubt(a: Point, b: Point): number {
  if (!a.link && !b.link) return 0;
  const below = new Set<Link>();
  for (let link = a.link; link; link = link.from) below.add(link);
  for (let link = b.link; link; link = link.from)
    if (below.has(link)) return Math.sqrt(a.link!.variance + b.link!.variance - 2 * link.variance);
  return Infinity;
}

/** Standard errors of the links that a change must be worth. */
const DOUBTS = 3;

export type Suspect = Pick<SuspectedChange, 'metric' | 'run_id' | 'at' | 'commit' | 'before' | 'ratio'>;

/**
 * The changes that the detector finds in a series and that a comparison could confirm: of at least half the metric's
 * margin (below it no verdict is REGRESSION), beyond the errors of the links, and between two commits, not two
 * measurements of one. `commit` is the first point that lies after the change for sure, `before` the last before it.
 */
export function suspectsOf({ metric, points }: Series): Suspect[] {
  const detector = createDetector();
  return points
    .flatMap(({ value }) => detector.add(value) ?? [])
    .filter((change) => worthAComparison(change, metric, points))
    .map(({ last, first, before, after }) => {
      const { run_id, at, commit } = points[first]!;
      return { metric: metric.name, run_id, at, commit, before: points[last]!.commit, ratio: Math.exp(after - before) };
    });
}

function worthAComparison(
  { last, first, before, after }: Change,
  { margin }: Metric,
  points: readonly Point[],
): boolean {
  if (points[last]!.commit === points[first]!.commit) return false;
  if (Math.abs(after - before) < Math.log1p(margin) / 2) return false;
  const [left, right] = [
    points.slice(Math.max(0, last + 1 - LEAST_SEGMENT), last + 1),
    points.slice(first, first + LEAST_SEGMENT),
  ];
  const step = Math.abs(median(right.map(({ value }) => value))! - median(left.map(({ value }) => value))!);
  const error = doubt(left[left.length >> 1]!, right[right.length >> 1]!);
  return error === 0 || step >= DOUBTS * error;
}

/**
 * Suspects of all primary metrics that are not known yet. One beside a known change of its metric is the same, seen
 * again after a run was added or removed; one that was refuted says only that nothing changed between its own two
 * commits.
 */
export function newSuspects(runs: readonly MasterRun[], known: readonly SuspectedChange[]): Suspect[] {
  const primary = runs.at(-1)?.metrics.filter((metric) => metric.primary) ?? [];
  return primary
    .flatMap(({ name }) => seriesOf(runs, name))
    .flatMap((series) => {
      const place = (runId: string) => series.points.findIndex(({ run_id }) => run_id === runId);
      const begins = (commit: string) => series.points.findLastIndex((point) => point.commit === commit);
      const ofMetric = known.filter(({ metric, run_id }) => metric === series.metric.name && place(run_id) >= 0);
      return suspectsOf(series).filter((suspect) =>
        ofMetric.every((one) => {
          if (one.state === 'refuted' && one.run_id !== suspect.run_id)
            return begins(suspect.before) < begins(one.before) || place(suspect.run_id) > place(one.run_id);
          return Math.abs(place(one.run_id) - place(suspect.run_id)) >= LEAST_SEGMENT;
        }),
      );
    });
}
