/**
 * The default branch, or another one, as levels, one point a commit; kept in memory until the master set changes, since what they are
 * made of is long.
 */

import type { Metric } from '../../../documents/run.ts';
import { type Measured, measuredOf, type Point, seriesFrom } from '../../../judge/series.ts';
import type { Store } from '../../../store/db.ts';
import { perStore, Recent } from './cache.ts';
import type { Interval } from './data-types.ts';
import { medianInterval, ratioInterval } from './intervals.ts';

/** The newest run of a commit. */
export interface LevelPoint extends Pick<Point, 'run_id' | 'at' | 'commit' | 'ref' | 'subject' | 'baseline'> {
  level: number;
  /** Rounds, or ratios, that the level rests on. */
  n: number;
  /** Runs of this commit in the series. */
  runs: number;
  interval(): Interval | null;
}

/** The newest series of a metric on a host. */
export interface Levels {
  metric: Metric;
  /** Oldest first. */
  points: LevelPoint[];
  /** Runs that were measured in another way. */
  other_runs: number;
}

interface Kept {
  version: string;
  /** Every run of the master set that knows the metric, oldest first, as far as levels need it. */
  measured: Measured[];
  /** Number of runs of the master set, with those that do not know the metric, and the newest of them. */
  count: number;
  newest: { run_id: string; started_at: string } | undefined;
  /** null: no run has a value. */
  levels: Levels | null;
}

/** Series of metrics that are kept, of at most some thousand points each. */
const MOST_SERIES = 300;
const keptOf = perStore(() => new Recent<Kept>(MOST_SERIES));

/** The levels of these metrics; those without a value are left out. A run that has come since is read alone. */
export function levelsOf(
  store: Store,
  benchmark: string,
  hostId: string,
  names: readonly string[],
  branch?: string,
  variant?: string,
): Map<string, Levels> {
  const kept = keptOf(store);
  const version = store.site.masterVersion(benchmark, hostId, branch, variant);
  const key = (name: string) => JSON.stringify([benchmark, hostId, name, branch, variant]);
  const stale = names.filter((name) => kept.get(key(name))?.version !== version);
  const byState = Map.groupBy(stale, (name) => kept.get(key(name))?.newest?.run_id);
  for (const together of byState.values()) {
    const before = kept.get(key(together[0]!));
    const fresh = before?.newest && store.masterRuns(benchmark, hostId, together, before.newest, branch, variant);
    const appended =
      fresh !== undefined &&
      before!.count + fresh.length === store.site.masterCount(benchmark, hostId, branch, variant);
    const runs = appended ? fresh : store.masterRuns(benchmark, hostId, together, undefined, branch, variant);
    const last = runs.at(-1);
    for (const name of together) {
      const old = appended ? kept.get(key(name))! : undefined;
      const measured = [...(old?.measured ?? []), ...runs.flatMap((run) => measuredOf(run, name) ?? [])];
      kept.set(key(name), {
        version,
        measured,
        count: (old?.count ?? 0) + runs.length,
        newest: last ? { run_id: last.run_id, started_at: last.started_at } : old?.newest,
        levels: makeLevels(measured),
      });
    }
  }
  return new Map(
    names.flatMap((name) => {
      const levels = kept.get(key(name))?.levels;
      return levels ? [[name, levels] as const] : [];
    }),
  );
}

function makeLevels(measured: readonly Measured[]): Levels | null {
  const all = seriesFrom(measured);
  const newest = all.at(-1);
  if (!newest) return null;
  const valuesOf = new Map(measured.map(({ run_id, values }) => [run_id, values]));
  const ofCommit = Map.groupBy(newest.points, ({ commit }) => commit);
  const points = newest.points.filter((point) => ofCommit.get(point.commit)!.at(-1) === point);
  return {
    metric: newest.metric,
    points: points.map((point) => levelPoint(point, valuesOf.get(point.run_id)!, ofCommit.get(point.commit)!.length)),
    other_runs: all.slice(0, -1).reduce((sum, one) => sum + one.points.length, 0),
  };
}

function levelPoint({ value, link: _, ...point }: Point, values: number[], runs: number): LevelPoint {
  const level = Math.exp(value);
  const paired = point.baseline !== undefined;
  let made: Interval | null | undefined;
  return {
    ...point,
    level,
    n: values.length,
    runs,
    interval: () =>
      made === undefined ? (made = paired ? ratioInterval(level, values) : medianInterval(values)) : made,
  };
}
