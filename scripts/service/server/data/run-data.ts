/** One run, whole. */

import { UsageError } from '../../../core/errors.ts';
import type { Job } from '../../../documents/job.ts';
import type { RunDocument } from '../../../documents/run.ts';
import { titleOf } from '../../../judge/effect-text.ts';
import type { Store } from '../../../store/db.ts';
import { linksOf } from '../archive-links.ts';
import { perStore, Recent } from './cache.ts';
import type { LatencyView, MetricView, RunView, SideValues, ViewContext } from './data-types.ts';
import { latencyViews, notCounted, roundViews, sideValues } from './metric-values.ts';

/** A whole id of a run. */
export const RUN_ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** A run with its latency, as it is stored. */
export interface ReadRun {
  run: RunDocument;
  latency: LatencyView[];
  /** Another text when anything of it has changed; undefined while it goes on. */
  version: string | undefined;
}

/** Runs kept in memory: an ended one does not change but for its verdict and its archive. */
const MOST_RUNS = 200;
const keptOf = perStore(() => new Recent<ReadRun>(MOST_RUNS));

/** Reads a run; UsageError `there is no run ...` where the id is none or unknown. */
export function readRun(store: Store, id: string): ReadRun {
  const runId = id.toUpperCase();
  if (!RUN_ID.test(runId))
    throw new UsageError(`there is no run ${JSON.stringify(id)}: an id has 26 letters and digits`);
  const kept = keptOf(store);
  const version = store.site.endedVersion(runId);
  const known = version === undefined ? undefined : kept.get(runId);
  if (known && known.version === version) return known;
  const run = store.run(runId);
  const read = { run, latency: latencyViews(run, store.details(runId)), version };
  return version === undefined ? read : kept.set(runId, read);
}

/** `id`: a whole run id. UsageError `there is no run ...` (404). */
export async function runView(ctx: ViewContext, id: string): Promise<RunView> {
  const { run, latency, version } = readRun(ctx.store, id);
  const before = ctx.store.site.newestMaster(
    run.benchmark,
    run.started_at,
    run.master ? run.branch : undefined,
    run.sides.candidate.variant,
  );
  return {
    schema: 'mayfly.site-run/v1',
    run,
    metrics: metricViews(run),
    rounds: roundViews(run.rounds),
    latency,
    links: await linksOf(run, ctx),
    jobs: jobsOf(ctx.store, run),
    ...(before ? { before: { run_id: before.run_id, commit: before.commit } } : {}),
    ended: version !== undefined,
  };
}

function metricViews(run: RunDocument): MetricView[] {
  const why = notCounted(run);
  const sides = run.sides.baseline ? (['candidate', 'baseline'] as const) : (['candidate'] as const);
  const hasDots = ({ dots }: SideValues) => dots.length > 0;
  return run.metrics
    .toSorted((a, b) => Number(b.primary) - Number(a.primary))
    .flatMap(({ name, unit, better, primary, margin }) => {
      const values = sides.map((side) => sideValues(run, side, name, why));
      const verdict = run.verdict?.metrics.find((metric) => metric.name === name);
      return values.some(hasDots) || primary
        ? [
            {
              name,
              title: titleOf(name),
              unit,
              better,
              primary,
              margin,
              ...(verdict ? { verdict } : {}),
              sides: values,
            },
          ]
        : [];
    });
}

/** The job that it was made for, and those that ended with it. */
function jobsOf({ site, queue }: Store, { run_id, labels }: RunDocument): Job[] {
  const ids = new Set([...site.jobsOfRun(run_id), ...(labels.job === undefined ? [] : [labels.job])]);
  return [...ids].flatMap((id) => queue.job(id) ?? []).sort((a, b) => (a.job_id > b.job_id ? -1 : 1));
}
