/** The overview: what there is, what runs, what waits. */

import { plural } from '../../../core/text.ts';
import { titleOf } from '../../../judge/effect-text.ts';
import { isUndecidedFailure } from '../../../report/verdict-text.ts';
import type { RunLine } from '../../../store/site.ts';
import { perStore } from './cache.ts';
import type { BenchmarkOverview, Overview, SparkMetric, ViewContext } from './data-types.ts';
import { jobLines, workerLines } from './jobs-data.ts';
import { type LevelPoint, type Levels, levelsOf } from './levels.ts';

const SPARK_POINTS = 40;
const MOST = { queued: 50, ended: 10, runs: 10 };

interface Slow {
  revision: string;
  benchmarks: BenchmarkOverview[];
  runs: RunLine[];
}

/** The part that hangs on the runs, made anew only when something in the store has changed. */
const slowOf = perStore((): { made?: Slow } => ({}));

export function overview(ctx: ViewContext): Overview {
  const { store } = ctx;
  const slow = slowOf(store);
  const revision = store.site.revision();
  if (slow.made?.revision !== revision)
    slow.made = { revision, benchmarks: benchmarksOf(ctx), runs: store.site.runLines({ limit: MOST.runs }) };
  const lines = (state: 'leased' | 'queued', limit: number) =>
    jobLines(ctx, store.queue.jobs({ state: [state], limit }));
  const running = lines('leased', 50);
  const leased = new Set(running.map(({ job_id }) => job_id));
  const paused = store.queue.paused();
  return {
    schema: 'mayfly.overview/v1',
    at: new Date(ctx.now()).toISOString(),
    benchmarks: slow.made.benchmarks,
    running,
    runs_by_hand: store.site
      .runningLines()
      .filter(({ job }) => job === undefined || !leased.has(job))
      .map(({ job: _, ...line }) => line),
    queued: lines('queued', MOST.queued),
    queued_total: store.queue.count({ state: ['queued'] }),
    ended: jobLines(ctx, store.queue.jobs({ state: ['done', 'failed', 'cancelled'], limit: MOST.ended })),
    runs: slow.made.runs,
    workers: workerLines(ctx),
    ...(paused ? { paused } : {}),
  };
}

function benchmarksOf(ctx: ViewContext): BenchmarkOverview[] {
  const runs = new Map(ctx.store.site.benchmarks().map(({ name, runs }) => [name, runs]));
  const names = new Set([...runs.keys(), ...ctx.config.repositories.flatMap(({ benchmarks }) => benchmarks)]);
  return [...names].sort().map((name) => benchmarkOf(ctx, name, runs.get(name) ?? 0));
}

function benchmarkOf({ store, config }: ViewContext, name: string, runs: number): BenchmarkOverview {
  const last = store.site.newestMaster(name);
  const host = store.site.masterHosts(name)[0];
  const primary = host?.newest.metrics.filter((metric) => metric.primary).map((metric) => metric.name) ?? [];
  const levels = host ? levelsOf(store, name, host.host_id, primary) : new Map<string, Levels>();
  const changed = new Map(
    store
      .changePoints(name)
      .filter((point) => point.host_id === host?.host_id && point.branch === undefined && point.variant === undefined)
      .map(({ metric, commit }) => [metric, commit]),
  ); // the last of each metric
  return {
    name,
    repositories: config.repositories.filter(({ benchmarks }) => benchmarks.includes(name)).map((one) => one.name),
    ...(last ? { last_master: lastMaster(last) } : {}),
    metrics: primary.flatMap((metric) => (levels.has(metric) ? [spark(levels.get(metric)!, changed.get(metric))] : [])),
    suspected_open: store.suspectedChanges(name).filter(({ state }) => state === 'open').length,
    runs,
  };
}

function lastMaster(line: RunLine): NonNullable<BenchmarkOverview['last_master']> {
  const { run_id, verdict, status, commit, ref, subject, started_at } = line;
  return {
    run_id,
    ...(verdict ? { verdict } : {}),
    status,
    sentence: sentenceOf(line),
    commit,
    ref,
    ...(subject === undefined ? {} : { subject }),
    at: started_at,
  };
}

/** What a run comes to: the sentence of its verdict, or what can be said without one. */
export function sentenceOf({ summary, verdict, status, status_reason, against, valid_rounds }: RunLine): string {
  if (isUndecidedFailure(status, verdict)) return status_reason ?? status;
  if (summary !== undefined) return summary;
  if (status !== 'complete') return status_reason ?? status;
  return `${plural(valid_rounds, 'valid round')}, ${against ? 'not judged' : 'measured alone: there is no verdict'}`;
}

function spark({ metric, points }: Levels, changedAt: string | undefined): SparkMetric {
  const { name, unit, better, margin } = metric;
  const shown = points.slice(-SPARK_POINTS);
  const last = points.at(-1);
  const after = points.find(({ commit }) => commit === changedAt);
  const from: LevelPoint | undefined = after ?? shown[0];
  const counted = last && from && from !== last;
  return {
    name,
    title: titleOf(name),
    unit,
    better,
    margin,
    points: shown.map(({ run_id, commit, at, level }) => ({ run_id, commit, at, value: level })),
    last: last?.level ?? null,
    change: counted ? last.level / from.level - 1 : null,
    since: counted ? { commit: from.commit, at: from.at, change_point: from === after } : null,
  };
}
