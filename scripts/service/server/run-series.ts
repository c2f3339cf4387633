/**
 * Container CPU, memory and latency of a run over the time since each window began: through the archive's Query, or,
 * where it is down, from what the store keeps of each round.
 */
import { request } from 'undici';
import { RAW } from '../../../grafana/src/queries.ts';
import { archiveUrl } from '../../archive/archives.ts';
import type { RoundDocument, RunDocument, SideName } from '../../documents/run.ts';
import { requestDuration } from '../../measure/collect/load-metrics.ts';
import { seenArchives, whyNone } from './archive-links.ts';
import { perStore, Recent } from './data/cache.ts';
import { SERIES, type SeriesLine, type SeriesName, type SeriesView, type ViewContext } from './data/data-types.ts';
import { notCounted } from './data/metric-values.ts';
import { readRun } from './data/run-data.ts';

const TIMEOUT_MS = 2000;
/** Seconds over which a rate is taken: five scrapes. */
const RATE = '[5s]';
/** Points of one query at most; a run that lasted longer is read in larger steps. Prometheus allows 11,000. */
const MOST_POINTS = 5000;

const CHARTS: Record<SeriesName, { title: string; unit: string }> = {
  cpu: { title: 'CPU of the services', unit: 'cores' },
  memory: { title: 'memory of the services', unit: 'bytes' },
  latency_p50: { title: 'latency med', unit: 's' },
  latency_p95: { title: 'latency p95', unit: 's' },
  latency_p99: { title: 'latency p99', unit: 's' },
};

const MOST_KEPT = 50;
const keptOf = perStore(() => new Recent<SeriesView>(MOST_KEPT));

/** `id`: a whole run id; `names`: default all. UsageError where there is no such run. */
export async function seriesView(
  ctx: ViewContext,
  id: string,
  names: readonly SeriesName[] = SERIES,
): Promise<SeriesView> {
  const { run, version } = readRun(ctx.store, id);
  const key = JSON.stringify([run.run_id, version, names]);
  const kept = keptOf(ctx.store).get(key);
  if (kept) return kept;
  const view = await readSeries(run, names, ctx);
  return view.source === 'archive' && version !== undefined ? keptOf(ctx.store).set(key, view) : view;
}

async function readSeries(run: RunDocument, names: readonly SeriesName[], ctx: ViewContext): Promise<SeriesView> {
  const query = await queryOver(run, ctx);
  if (query === undefined) return fromStore(run, names, whyNone(run));
  try {
    const charts = await Promise.all(
      names.map(async (name) => ({ name, ...CHARTS[name], lines: await linesOf(run, name, query) })),
    );
    if (charts.some(({ lines }) => lines.length > 0))
      return { schema: 'mayfly.site-series/v1', run_id: run.run_id, source: 'archive', charts };
    return fromStore(run, names, 'the archive does not show this run yet, or no longer');
  } catch (error) {
    return fromStore(run, names, `the archive's Query did not answer: ${(error as Error).message}`);
  }
}

/** Address of a Query that shows the bucket of the run and answers. */
async function queryOver(run: RunDocument, { paths, now }: ViewContext): Promise<string | undefined> {
  if (!run.archive?.verified || run.archive.removed_at !== undefined) return undefined;
  const found = (await seenArchives(paths, now())).find(({ bucket, query }) => query && bucket === run.archive!.bucket);
  return found && archiveUrl(found.archive, 'query');
}

/** Rounds that were taken over from another run have their raw metrics under its id. */
async function linesOf(run: RunDocument, name: SeriesName, query: string): Promise<SeriesLine[]> {
  const why = notCounted(run);
  const byRun = Map.groupBy(run.rounds, ({ from_run }) => from_run ?? run.run_id);
  const lines = await Promise.all(
    [...byRun].map(async ([runId, rounds]) => {
      const starts = rounds.map(({ started_at }) => Date.parse(started_at) / 1000);
      const [from, to] = [
        Math.min(...starts) - run.load.warmup_s,
        Math.max(...rounds.map(({ window_s }, i) => starts[i]! + window_s)),
      ];
      const series = await queryRange(query, expressionOf(name, runId), from, to);
      return rounds.flatMap((round, i) =>
        series
          .filter(({ metric }) => metric.round === String(round.round) && metric.side === round.side)
          .flatMap((one) => lineOf(one, round, starts[i]!, run.load.warmup_s, !why.has(round.round))),
      );
    }),
  );
  return lines.flat();
}

/**
 * The run's id is always matched, so that Store opens its block alone; ids are checked before (RUN_ID), nothing else of
 * a user is in it.
 */
export function expressionOf(name: SeriesName, runId: string): string {
  if (!/^[0-9A-Z]{26}$/.test(runId)) throw new TypeError(`${runId} is no id of a run`);
  const run = `${RAW},run_id="${runId}"`;
  const containers = `${run},job="containers",side!=""`;
  if (name === 'cpu')
    return `sum by (side, round, service) (rate(container_cpu_usage_seconds_total{${containers}}${RATE}))`;
  if (name === 'memory') return `sum by (side, round, service) (container_memory_working_set_bytes{${containers}})`;
  return `histogram_quantile(0.${name.slice('latency_p'.length)}, sum by (side, round) (rate(${requestDuration(run)}${RATE})))`;
}

interface RangeSeries {
  metric: Record<string, string>;
  values: [number, string][];
}

async function queryRange(query: string, expression: string, from: number, to: number): Promise<RangeSeries[]> {
  const step = Math.max(1, Math.ceil((to - from) / MOST_POINTS));
  const { statusCode, body } = await request(`${query}/api/v1/query_range`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      query: expression,
      start: String(from),
      end: String(to),
      step: String(step),
      partial_response: 'false',
    }).toString(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`it answered ${statusCode}`);
  return (JSON.parse(text) as { data: { result: RangeSeries[] } }).data.result;
}

function lineOf(
  { metric, values }: RangeSeries,
  { side, round, window_s }: RoundDocument,
  start: number,
  warmupS: number,
  counts: boolean,
): SeriesLine[] {
  const own = values
    .map(([at, text]) => [Math.round((at - start) * 1000) / 1000, Number(text)] as const)
    .filter(([t]) => t >= -warmupS && t <= window_s);
  if (own.length === 0) return [];
  return [
    {
      side,
      round,
      ...(metric.service === undefined ? {} : { service: metric.service }),
      counts,
      t: own.map(([t]) => t),
      v: own.map(([, v]) => (Number.isFinite(v) ? v : null)),
    },
  ];
}

function fromStore(run: RunDocument, names: readonly SeriesName[], reason: string): SeriesView {
  const why = notCounted(run);
  const charts = names.map((name) => ({
    name,
    ...CHARTS[name],
    lines: run.rounds.flatMap((round): SeriesLine[] => {
      const value = storedValue(name, round);
      return value === undefined
        ? []
        : [
            {
              side: round.side as SideName,
              round: round.round,
              counts: !why.has(round.round),
              t: [0, round.window_s],
              v: [value, value],
            },
          ];
    }),
  }));
  return { schema: 'mayfly.site-series/v1', run_id: run.run_id, source: 'store', reason, charts };
}

/** What the store has of one round: mean CPU, greatest memory, exact quantiles. */
function storedValue(name: SeriesName, { samples }: RoundDocument): number | undefined {
  if (name === 'memory') return samples.memory_peak?.value;
  if (name !== 'cpu') return samples[name === 'latency_p50' ? 'latency_med' : name]?.value;
  const [perRequest, rate] = [samples.cpu_seconds_per_request, samples.request_rate];
  return perRequest && rate ? perRequest.value * rate.value : undefined;
}
