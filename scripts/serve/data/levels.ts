/** The default branch as levels, one point a commit; kept in memory until the master set changes, since what they are made of is long. */
import { seriesOf, type Point } from '../../compare/series.ts';
import { countedRounds } from '../../compare/compare.ts';
import { logRatio, observationsOf, pairsOf, type Observation } from '../../compare/observations.ts';
import type { MasterRun } from '../../store/master.ts';
import type { Store } from '../../store/db.ts';
import type { Metric } from '../../types.ts';
import { perStore, Recent } from './cache.ts';
import { medianInterval, ratioInterval } from './intervals.ts';
import type { Interval } from './types.ts';

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
  /** null: no run has a value. */
  levels: Levels | null;
}

/** Series of metrics that are kept, of at most some thousand points each. */
const MOST_SERIES = 300;
const keptOf = perStore(() => new Recent<Kept>(MOST_SERIES));

/** The levels of these metrics; those without a value are left out. */
export function levelsOf(store: Store, benchmark: string, hostId: string, names: readonly string[]): Map<string, Levels> {
  const kept = keptOf(store);
  const version = store.site.masterVersion(benchmark, hostId);
  const key = (name: string) => JSON.stringify([benchmark, hostId, name]);
  const missing = names.filter((name) => kept.get(key(name))?.version !== version);
  if (missing.length > 0) {
    const runs = store.masterRuns(benchmark, hostId, missing);
    const observed = new Map(runs.map((run) => [run.run_id, { run, observations: run.sides.baseline ? observationsOf(run) : [] }]));
    for (const name of missing) kept.set(key(name), { version, levels: makeLevels(runs, name, observed) });
  }
  return new Map(names.flatMap((name) => {
    const levels = kept.get(key(name))?.levels;
    return levels ? [[name, levels] as const] : [];
  }));
}

interface Observed {
  run: MasterRun;
  /** Of a run of two sides. */
  observations: Observation[];
}

function makeLevels(runs: readonly MasterRun[], name: string, observed: ReadonlyMap<string, Observed>): Levels | null {
  const all = seriesOf(runs, name);
  const newest = all.at(-1);
  if (!newest) return null;
  const ofCommit = Map.groupBy(newest.points, ({ commit }) => commit);
  const points = newest.points.filter((point) => ofCommit.get(point.commit)!.at(-1) === point);
  return {
    metric: newest.metric,
    points: points.map((point) => levelPoint(point, observed.get(point.run_id)!, name, ofCommit.get(point.commit)!.length)),
    other_runs: all.slice(0, -1).reduce((sum, one) => sum + one.points.length, 0),
  };
}

function levelPoint({ value, link: _, ...point }: Point, { run, observations }: Observed, name: string, runs: number): LevelPoint {
  const level = Math.exp(value);
  const paired = run.sides.baseline !== undefined;
  const values = paired
    ? pairsOf(observations, name).flatMap((pair) => (pair && pair.candidate > 0 ? [logRatio(pair)] : []))
    : countedRounds(run, 'candidate').flatMap(({ samples }) => samples[name]?.value ?? []);
  let made: Interval | null | undefined;
  return { ...point, level, n: values.length, runs, interval: () => (made === undefined ? (made = paired ? ratioInterval(level, values) : medianInterval(values)) : made) };
}
