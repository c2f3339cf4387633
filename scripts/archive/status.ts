/** What an archive holds and how its parts are. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { plainText, plural } from '../core/text.ts';
import { formatValue } from '../report/units.ts';
import { archiveStack } from './archive-stack.ts';
import { type Archive, archiveUrl } from './archives.ts';
import { type BlockList, isRaw, isTrend, listBlocks, sizeOf } from './blocks.ts';
import { type Bucket, openBucket } from './bucket.ts';
import { partsOf, probe } from './long-running.ts';
import { sourcesOf } from './sources.ts';

/** An upload is done in less. */
const UPLOAD_MS = 600_000;
/** Open files that Store may need for each block: its index, and chunks while it is read. */
const SPARE_FILES = 1.2;

/** schema mayfly.archive/v1 */
export interface ArchiveStatus {
  schema: 'mayfly.archive/v1';
  archive: string;
  /** down: not one container. unhealthy: up, with something under `unhealthy`. */
  state: 'up' | 'down' | 'unhealthy';
  /** Null where the archive is down. */
  query_url: string | null;
  /** Null where Grafana is not up. */
  grafana_url: string | null;
  bucket: string;
  /** All but those marked for deletion; of them, those of the trend stream. */
  blocks: number;
  trend_blocks: number;
  /** Runs with a raw block. */
  runs: number;
  /** Series over all raw blocks. */
  series: number;
  /** Time of the first and of the last raw sample, ISO 8601; null for an empty bucket. */
  oldest: string | null;
  newest: string | null;
  size_bytes: number;
  /** Blocks that Store has loaded; null where it does not answer. It looks for new ones every 30 s. */
  loaded: number | null;
  /** Runs whose snapshot waits on this host for `npm run archive:push`. */
  pending_uploads: string[];
  unhealthy: Unhealthy[];
}

export interface Unhealthy {
  /** store, query, compactor, retention, grafana, bucket, or a part of an overlay. */
  part: string;
  why: string;
}

/** Asks the bucket, the engine and every part. Throws InfrastructureError only where the engine does not answer. */
export async function archiveStatus(archive: Archive, ctx: Context): Promise<ArchiveStatus> {
  const bucket = await openBucket(archive.objstore, ctx.paths);
  const [{ list, silent }, parts] = await Promise.all([lookInto(bucket, ctx), partsOf(archive.project, ctx)]);
  const up = parts.size > 0;
  const blocks = list.blocks.filter((block) => !block.marked);
  const { ready } = await archiveStack(archive, bucket, parts.has('grafana'), ctx);
  const metrics = up ? await metricsOf(ready) : {};
  const unhealthy = [
    ...(up ? [...(await unwellParts(ready, parts)), ...troubles(metrics)] : []),
    ...(await fewFiles(parts, metrics)),
    ...silent,
    ...(await partial(list, bucket, ctx)),
    ...(up ? await unreachable(archive) : []),
  ];
  const grafana = parts.has('grafana');
  return {
    schema: 'mayfly.archive/v1',
    archive: archive.name,
    state: !up ? 'down' : unhealthy.length > 0 ? 'unhealthy' : 'up',
    query_url: up ? archiveUrl(archive, 'query') : null,
    grafana_url: grafana ? archiveUrl(archive, 'grafana') : null,
    bucket: bucket.name,
    ...summary(blocks),
    loaded: loadedBlocks(metrics),
    pending_uploads: ctx.store.pendingArchives().map(({ run_id }) => run_id),
    unhealthy,
  };
}

/** The bucket's blocks; where it does not answer none, and why. */
async function lookInto(bucket: Bucket, ctx: Context): Promise<{ list: BlockList; silent: Unhealthy[] }> {
  return listBlocks(bucket, ctx).then(
    (list) => ({ list, silent: [] }),
    (error: Error) => {
      ctx.signal.throwIfAborted();
      return { list: { blocks: [], partial: [] }, silent: [{ part: 'bucket', why: error.message }] };
    },
  );
}

function summary(blocks: BlockList['blocks']) {
  const raw = blocks.filter(isRaw);
  const iso = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : null);
  return {
    blocks: blocks.length,
    trend_blocks: blocks.filter(isTrend).length,
    runs: new Set(raw.map(({ labels }) => labels.run_id).filter(Boolean)).size,
    series: raw.reduce((sum, { series }) => sum + series, 0),
    oldest: iso(raw.reduce((first, { minTime }) => Math.min(first, minTime), Infinity)),
    newest: iso(raw.reduce((last, { maxTime }) => Math.max(last, maxTime - 1), -Infinity)),
    size_bytes: blocks.reduce((sum, block) => sum + sizeOf(block), 0),
  };
}

/** Part -> its own metrics, as far as it answers. */
type Metrics = Record<string, string>;

async function metricsOf(ready: Record<string, string>): Promise<Metrics> {
  const pages = await Promise.all(
    Object.entries(ready).map(async ([part, url]) => [part, await probe(new URL('/metrics', url).href)] as const),
  );
  return Object.fromEntries(pages.flatMap(([part, page]) => (page?.status === 200 ? [[part, page.body]] : [])));
}

/** Sum of a metric's series in the text format, over those that carry the label text; null where there is none. */
function number(page: string | undefined, metric: string, label = ''): number | null {
  const lines = (page ?? '')
    .split('\n')
    .filter((line) => (line.startsWith(`${metric} `) || line.startsWith(`${metric}{`)) && line.includes(label));
  return lines.length === 0
    ? null
    : lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function unwellParts(
  ready: Record<string, string>,
  parts: Awaited<ReturnType<typeof partsOf>>,
): Promise<Unhealthy[]> {
  const found = await Promise.all(
    [...new Set([...Object.keys(ready), ...parts.keys()])].map(async (part): Promise<Unhealthy[]> => {
      const state = parts.get(part);
      if (!state) return [{ part, why: 'its container is gone; npm run archive:up starts it again' }];
      const more = `${state.restartCount > 0 ? `, restarted ${state.restartCount} times` : ''}; docker logs ${state.name}`;
      if (!state.running)
        return [
          { part, why: `it ended with exit code ${state.exitCode}${state.oomKilled ? ', out of memory' : ''}${more}` },
        ];
      const answer = ready[part] ? await probe(ready[part]) : undefined;
      if (answer === null) return [{ part, why: `it does not answer${more}` }];
      if (answer && answer.status !== 200) return [{ part, why: `it is not ready (${answer.status})${more}` }];
      return answer === undefined && (state.health === 'unhealthy' || state.restartCount > 0)
        ? [{ part, why: `${state.health ?? 'up'}${more}` }]
        : [];
    }),
  );
  return found.flat();
}

/**
 * What the parts count as trouble. Names of the metrics: thanos, pkg/store/bucket.go, pkg/block/fetcher.go,
 * cmd/thanos/compact.go.
 */
function troubles(metrics: Metrics): Unhealthy[] {
  return Object.entries(metrics).flatMap(([part, page]) => {
    const failed = number(page, 'thanos_bucket_store_block_load_failures_total') ?? 0;
    const corrupted =
      part === 'store' ? (number(page, 'thanos_blocks_meta_synced', 'state="corrupted-meta-json"') ?? 0) : 0;
    const halted = (number(page, 'thanos_compact_halted') ?? 0) > 0;
    return [
      ...(failed > 0
        ? [
            {
              part,
              why: `it could not load a block, ${failed} times since its start; npm run archive -- verify names what is damaged`,
            },
          ]
        : []),
      ...(corrupted > 0
        ? [
            {
              part: 'bucket',
              why: `${corrupted} blocks have a meta.json that cannot be read; npm run archive -- verify names them`,
            },
          ]
        : []),
      ...(halted
        ? [{ part, why: 'it has halted, usually over blocks that overlap; npm run archive -- verify names them' }]
        : []),
    ];
  });
}

/** Blocks that all Stores have loaded; null where none answers. */
function loadedBlocks(metrics: Metrics): number | null {
  const counts = Object.values(metrics).flatMap((page) => number(page, 'thanos_bucket_store_blocks_loaded') ?? []);
  return counts.length === 0 ? null : counts.reduce((sum, count) => sum + count, 0);
}

/** Every block that a query reads is an open file of Store; where it may open too few, queries over all runs fail. */
async function fewFiles(parts: Awaited<ReturnType<typeof partsOf>>, metrics: Metrics): Promise<Unhealthy[]> {
  const stores = [...parts].filter(([name, { pid }]) => name.startsWith('store') && pid > 0);
  const limits = await Promise.all(
    stores.map(async ([part, { pid }]) => ({
      part,
      blocks: number(metrics[part], 'thanos_bucket_store_blocks_loaded') ?? 0,
      limit: openFiles(await readFile(`/proc/${pid}/limits`, 'utf8').catch(() => '')),
    })),
  );
  return limits
    .filter(({ blocks, limit }) => blocks * SPARE_FILES > limit)
    .map(({ part, blocks, limit }) => ({
      part,
      why: `it may open ${limit} files, and has ${blocks} blocks, each an open file for a query over all of them: raise the engine's limit (LimitNOFILE), prune, or spread the blocks over several Stores (docs/archive.md)`,
    }));
}

/** Hard limit of a process, of /proc/PID/limits: a Go program raises its soft limit to it. */
const openFiles = (limits: string): number => Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? Infinity);

/** Folders that are no whole block, and that nobody has written to for longer than an upload takes. */
async function partial({ partial: names }: BlockList, bucket: Bucket, ctx: Context): Promise<Unhealthy[]> {
  const ages = await Promise.all(
    names.map((name) =>
      stat(join(bucket.folder!, name)).then(
        ({ mtimeMs }) => ctx.now() - mtimeMs,
        () => 0,
      ),
    ),
  );
  const old = names.filter((_, index) => ages[index]! > UPLOAD_MS);
  return old.length === 0
    ? []
    : [
        {
          part: 'bucket',
          why: `${old.length} ${old.length === 1 ? 'folder is' : 'folders are'} no whole block (${old.slice(0, 3).join(', ')}${old.length > 3 ? ', …' : ''}): an upload that did not end, or damage; npm run archive -- verify tells`,
        },
      ];
}

/** Sources that Query knows and cannot reach. */
async function unreachable(archive: Archive): Promise<Unhealthy[]> {
  const sources = (await sourcesOf(archiveUrl(archive, 'query'))) ?? []; // null is told already: it is not ready
  return sources.flatMap(({ name, lastError }) =>
    lastError ? [{ part: 'query', why: `${name} does not answer it: ${lastError}` }] : [],
  );
}

/** The status for people. */
export function statusText(status: ArchiveStatus): string {
  const { blocks, trend_blocks, runs, series, size_bytes, oldest, newest, loaded, pending_uploads } = status;
  const span = oldest && newest ? `, ${oldest.slice(0, 10)} to ${newest.slice(0, 10)}` : '';
  const missing =
    loaded !== null && loaded < blocks
      ? [`         ${plural(blocks - loaded, 'block')} not seen by Store yet: it looks every 30 s`]
      : [];
  return [
    `archive  ${status.archive}: ${status.state}`,
    ...(status.query_url ? [`Query    ${status.query_url}`] : ['         npm run archive:up starts it']),
    ...(status.grafana_url ? [`Grafana  ${status.grafana_url}`] : []),
    `bucket   ${plainText(status.bucket)}: ${plural(runs, 'run')} in ${plural(blocks - trend_blocks, 'block')}, ${plural(trend_blocks, 'trend block')}, ${series.toLocaleString('en')} series, ${formatValue(size_bytes, 'bytes')}${span}`,
    ...missing,
    ...(pending_uploads.length > 0
      ? [`waiting  ${plural(pending_uploads.length, 'run')} on this host: npm run archive:push ships them`]
      : []),
    ...status.unhealthy.map(({ part, why }) => `unwell   ${part}: ${plainText(why)}`),
  ].join('\n');
}
