/** Where a run can be looked at. */
import { UIDS } from '../../grafana/src/links.ts';
import { RAW } from '../../grafana/src/queries.ts';
import type { Context } from '../app/context.ts';
import type { RunDocument } from '../documents/run.ts';
import { requestDuration } from '../measure/collect/load-metrics.ts';
import { archivesOver, archiveUrl, DEFAULT_ARCHIVE, planArchive } from './archives.ts';
import type { Bucket } from './bucket.ts';
import { partsOf } from './long-running.ts';

export interface Seen {
  run_id: string;
  benchmark: string;
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
}

/** The time of a run that has ended, with a second on each side. */
export function seen({ run_id, benchmark, started_at, finished_at }: RunDocument): Seen {
  return { run_id, benchmark, from: Date.parse(started_at) - 1000, to: Date.parse(finished_at ?? started_at) + 1000 };
}

/**
 * URLs of the run in every archive of the bucket that is up: its dashboard, or Query's own page where Grafana is not
 * up.
 */
export async function linksTo(run: Seen, bucket: Bucket, ctx: Context): Promise<string[]> {
  const links = await Promise.all(
    (await archivesOver(bucket, ctx.paths)).map(async (archive) => {
      const parts = await partsOf(archive.project, ctx);
      if (parts.get('grafana')?.running) return [dashboardUrl(archiveUrl(archive, 'grafana'), run)];
      return parts.get('query')?.running ? [queryUrl(archiveUrl(archive, 'query'), run)] : [];
    }),
  );
  return links.flat();
}

/**
 * Lines that say where the run can be looked at: in the archives that are up; where none is, the command that brings one
 * up, and the link that is ready then. `links`: of those that are up. `grafana`: its image is on this host.
 */
export async function waysTo(
  run: Seen,
  {
    links,
    bucket,
    objstore,
    grafana,
  }: { links: string[]; bucket: Bucket; objstore: string | undefined; grafana: boolean },
  ctx: Context,
): Promise<string[]> {
  if (links.length > 0) return links;
  const [known] = await archivesOver(bucket, ctx.paths);
  const name = known?.name ?? DEFAULT_ARCHIVE;
  const flags = [
    ...(name === DEFAULT_ARCHIVE ? [] : [`--archive=${name}`]),
    ...(known || objstore === undefined ? [] : [`--objstore=${objstore}`]),
  ];
  const up = `npm run archive:up${flags.length > 0 ? ` -- ${flags.join(' ')}` : ''}`;
  const archive = await planArchive(name, {}, false, ctx.paths).catch(() => undefined);
  if (!archive) return [up]; // its ports are taken: archive:up says so
  return [
    up,
    `${grafana ? dashboardUrl(archiveUrl(archive, 'grafana'), run) : queryUrl(archiveUrl(archive, 'query'), run)} shows the run then`,
  ];
}

/** The dashboard Run, at the run's time. */
export function dashboardUrl(grafana: string, { run_id, benchmark, from, to }: Seen): string {
  return `${grafana}/d/${UIDS.run}?${new URLSearchParams({ 'var-benchmark': benchmark, 'var-run': run_id, from: String(from), to: String(to) })}`;
}

/** Query's own page with the median latency of the run as a graph. */
export function queryUrl(query: string, { run_id, from, to }: Seen): string {
  const expression = `histogram_quantile(0.5, sum by (side) (rate(${requestDuration(`${RAW},run_id="${run_id}"`)}[5s])))`;
  const range = `${Math.max(1, Math.ceil((to - from) / 1000))}s`;
  return `${query}/graph?${new URLSearchParams({ 'g0.expr': expression, 'g0.tab': '0', 'g0.range_input': range, 'g0.end_input': new Date(to).toISOString().slice(0, 19).replace('T', ' ') })}`;
}
