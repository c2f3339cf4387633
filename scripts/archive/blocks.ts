/**
 * The blocks of a bucket, and what may be done to them. A folder is read as it is; of any other store Thanos is asked.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { runTool, type ToolRun } from '../engine/tool.ts';
import { BUCKET_CONFIG, type Bucket, keyValues } from './bucket.ts';

/** What a block says about itself: the part of its meta.json that Mayfly reads. */
export interface Block {
  ulid: string;
  /** Milliseconds since the epoch of the first sample, and one more than that of the last. */
  minTime: number;
  maxTime: number;
  samples: number;
  series: number;
  chunks: number;
  /** 1: as it was shipped. */
  level: number;
  /** External labels: run_id of a raw block, stream="trend" of a trend block, a name of telemetry by hand. */
  labels: Record<string, string>;
  /** Size of every file but meta.json, in bytes, by path in the block. */
  files: Record<string, number>;
  /** Marked for deletion: Store leaves it out, the compactor removes it after its delay. */
  marked: boolean;
}

export interface BlockList {
  /** By time, oldest first. */
  blocks: Block[];
  /**
   * Folders of a folder bucket with a block's name and no meta.json that can be read: an upload that did not end, or
   * damage.
   */
  partial: string[];
}

/** A folder or file is named as a block is: a ULID. */
export const isBlockName = (name: string) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(name);
export const isTrend = ({ labels }: Pick<Block, 'labels'>) =>
  labels.stream === 'trend' && Object.keys(labels).length === 1;
/** A block of a run; one from before there were streams carries none. */
export const isRaw = ({ labels: { stream, run_id, benchmark, host } }: Pick<Block, 'labels'>) =>
  stream === 'raw' ? Boolean(run_id) : stream === undefined && Boolean(run_id && benchmark && host);
/** Of telemetry files that were brought by hand: of no run. */
export const isTelemetry = ({ labels: { stream, telemetry, run_id } }: Pick<Block, 'labels'>) =>
  stream === 'telemetry' && Boolean(telemetry) && !run_id;
/**
 * File beside the chunks of a block that was made of the telemetry of a run: it lies over the block of what was scraped
 * in the same run, and holds other series. Prometheus and Store read the segments, whose names are numbers.
 */
export const TELEMETRY_MARK = 'chunks/telemetry.json';
export const isRunTelemetry = ({ files }: Pick<Block, 'files'>) => TELEMETRY_MARK in files;
/** Any other one is of somebody else who uses the bucket: it is never deleted, merged or repaired. */
export const isOurs = (block: Pick<Block, 'labels'>) => isTrend(block) || isRaw(block) || isTelemetry(block);
export const sizeOf = ({ files }: Pick<Block, 'files'>) => Object.values(files).reduce((sum, bytes) => sum + bytes, 0);

const LIST_TIMEOUT_MS = 600_000;
const COPY_TIMEOUT_MS = 3_600_000;
/** Command lines are bounded (128 KiB an argument list piece, 2 MiB in all): so many blocks go in one. */
const IDS_AT_ONCE = 1000;

/**
 * Every block of the bucket that has a readable meta.json. Throws InfrastructureError where the bucket does not answer.
 */
export async function listBlocks(bucket: Bucket, ctx: Context): Promise<BlockList> {
  const { blocks, partial } = bucket.folder === null ? await askThanos(bucket, ctx) : await readFolder(bucket.folder);
  return { blocks: blocks.sort((a, b) => a.minTime - b.minTime || a.ulid.localeCompare(b.ulid)), partial };
}

/**
 * Copies blocks, with their labels and under their own ids; what is there already stays. `to`: a folder of this host.
 */
export async function copyToFolder(bucket: Bucket, ids: string[], folder: string, ctx: Context): Promise<void> {
  await replicate(bucket, ids, { binds: [...bucket.binds, `${folder}:/copy`], from: BUCKET_CONFIG, to: 'copy' }, ctx);
}

/** Copies blocks of a folder into the bucket, likewise. */
export async function copyFromFolder(folder: string, ids: string[], bucket: Bucket, ctx: Context): Promise<void> {
  await replicate(bucket, ids, { binds: [...bucket.binds, `${folder}:/copy`], from: 'copy', to: BUCKET_CONFIG }, ctx);
}

/**
 * Seconds between the mark of a block and its removal: Store stops showing it in that time, and the mark can be taken
 * back. So long, too, a run of another host may still be going on, and be uploaded. The compactors of the archive get it
 * as well; what is told to users says "two days".
 */
export const REMOVAL_DELAY_S = 48 * 3600;

/**
 * Marks blocks for deletion: Store leaves them out from its next look on, and `removeMarked` removes them. `reason` is
 * kept in the mark.
 */
export const markForDeletion = (bucket: Bucket, ids: string[], reason: string, ctx: Context) =>
  mark('deletion-mark.json', bucket, ids, reason, ctx);

/** Takes the mark for deletion back; a block without one stays as it is. */
export const unmark = (bucket: Bucket, ids: string[], ctx: Context) =>
  mark('deletion-mark.json', bucket, ids, null, ctx);

/** Marks blocks that the compactor is to leave as they are. */
export const keepFromCompactor = (bucket: Bucket, ids: string[], reason: string, ctx: Context) =>
  mark('no-compact-mark.json', bucket, ids, reason, ctx);

/** Takes that mark away. */
export const giveToCompactor = (bucket: Bucket, ids: string[], ctx: Context) =>
  mark('no-compact-mark.json', bucket, ids, null, ctx);

/** `reason` null takes the mark away. */
async function mark(marker: string, bucket: Bucket, ids: string[], reason: string | null, ctx: Context): Promise<void> {
  for (const some of inPieces(ids))
    await bucketTool(
      'mark',
      [
        'mark',
        `--marker=${marker}`,
        reason === null ? '--remove' : `--details=${reason}`,
        ...some.map((id) => `--id=${id}`),
      ],
      bucket,
      ctx,
    );
}

/** Removes those of these blocks that were marked longer ago than the delay, for good. */
export async function removeMarked(bucket: Bucket, ids: string[], delayS: number, ctx: Context): Promise<void> {
  const { folder } = bucket;
  if (folder !== null) {
    for (const id of ids)
      if ((await markedS(join(folder, id))) <= ctx.now() / 1000 - delayS) await removeFolder(join(folder, id));
    return;
  }
  for (const some of inPieces(ids))
    await bucketTool(
      'cleanup',
      ['cleanup', `--delete-delay=${delayS}s`, `--selector.relabel-config=${onlyBlocks(some)}`],
      bucket,
      ctx,
    );
}

/** When a block was marked for deletion, in seconds since the epoch; infinite for one without a mark. */
const markedS = (folder: string): Promise<number> =>
  readFile(join(folder, 'deletion-mark.json'), 'utf8').then(
    (text) => Number(JSON.parse(text).deletion_time),
    () => Infinity,
  );

/**
 * As Thanos removes a block, meta.json first and the mark last. Its own clean-up would also take what it believes to be
 * uploads that did not end, whosever they are.
 */
async function removeFolder(folder: string): Promise<void> {
  await rm(join(folder, 'meta.json'), { force: true });
  for (const name of await readdir(folder).catch(() => [] as string[]))
    if (name !== 'deletion-mark.json') await rm(join(folder, name), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}

/**
 * Marks these blocks and removes them for good at once; other marked blocks keep their delay. Throws
 * InfrastructureError where one is still there.
 */
export async function removeNow(bucket: Bucket, ids: string[], reason: string, ctx: Context): Promise<void> {
  await markForDeletion(bucket, ids, reason, ctx);
  if (bucket.folder !== null) return removeMarked(bucket, ids, 0, ctx);
  for (const some of inPieces(ids)) {
    // Without --consistency-delay a block of the last half hour would be left out.
    await bucketTool(
      'remove',
      ['cleanup', '--delete-delay=0s', '--consistency-delay=0s', `--selector.relabel-config=${onlyBlocks(some)}`],
      bucket,
      ctx,
    );
  }
  const removed = new Set(ids);
  const left = (await listBlocks(bucket, ctx)).blocks.map(({ ulid }) => ulid).filter((id) => removed.has(id));
  if (left.length > 0)
    throw new InfrastructureError(`${left.join(', ')} could not be removed from ${bucket.name}`, {
      hint: 'They are marked for deletion: a later prune or the compactor of the archive removes them.',
    });
}

/** Thanos' selection of these blocks and no others (pkg/block/fetcher.go, LabelShardedMetaFilter). */
export const onlyBlocks = (ids: string[]): string =>
  JSON.stringify([{ action: 'keep', source_labels: ['__block_id'], regex: ids.join('|') }]);

async function readFolder(folder: string): Promise<BlockList> {
  const list: BlockList = { blocks: [], partial: [] };
  const names = (await readdir(folder).catch(() => [] as string[])).filter(isBlockName);
  await Promise.all(
    names.map(async (name) => {
      try {
        const meta = JSON.parse(await readFile(join(folder, name, 'meta.json'), 'utf8'));
        list.blocks.push(readMeta(meta, await exists(join(folder, name, 'deletion-mark.json'))));
      } catch {
        list.partial.push(name);
      }
    }),
  );
  return { ...list, partial: list.partial.sort() };
}

async function askThanos(bucket: Bucket, ctx: Context): Promise<BlockList> {
  const lists = await Promise.allSettled(
    [[], ['--exclude-delete']].map((flags) => bucketTool('list', ['ls', '--output=json', ...flags], bucket, ctx)),
  );
  const [all, unmarked] = lists.map((list) => {
    if (list.status === 'rejected') throw list.reason; // only now: the container of the other is gone too
    return list.value;
  });
  const kept = new Set(readMetas(unmarked!.stdout).map((meta) => meta.ulid));
  return { blocks: readMetas(all!.stdout).map((meta) => readMeta(meta, !kept.has(meta.ulid))), partial: [] };
}

/**
 * The documents that `ls --output=json` prints one after the other, each from a brace to a brace at the beginning of a
 * line.
 */
const readMetas = (text: string): any[] =>
  [...text.matchAll(/^\{$.*?^\}$/gms)].map(([document]) => JSON.parse(document));

function readMeta(meta: any, marked: boolean): Block {
  const files = (meta.thanos?.files ?? []).filter((file: any) => file.size_bytes !== undefined);
  return {
    ulid: String(meta.ulid),
    minTime: Number(meta.minTime),
    maxTime: Number(meta.maxTime),
    samples: meta.stats?.numSamples ?? 0,
    series: meta.stats?.numSeries ?? 0,
    chunks: meta.stats?.numChunks ?? 0,
    level: meta.compaction?.level ?? 1,
    labels: meta.thanos?.labels ?? {},
    files: Object.fromEntries(files.map((file: any) => [file.rel_path, file.size_bytes])),
    marked,
  };
}

async function replicate(
  bucket: Bucket,
  ids: string[],
  { binds, from, to }: { binds: string[]; from: string; to: string },
  ctx: Context,
): Promise<void> {
  const config = (suffix: string, place: string) =>
    place === 'copy'
      ? `--objstore${suffix}.config={"type": "FILESYSTEM", "config": {"directory": "/copy"}}`
      : `--objstore${suffix}.config-file=${place}`;
  for (const some of inPieces(ids)) {
    const args = [
      'replicate',
      '--single-run',
      '--http-address=127.0.0.1:0',
      config('', from),
      config('-to', to),
      '--compaction-max=99',
      ...some.map((id) => `--id=${id}`),
    ];
    await bucketTool('copy', args, { ...bucket, binds }, ctx, { configured: true, timeoutMs: COPY_TIMEOUT_MS });
  }
}

async function bucketTool(
  purpose: string,
  args: string[],
  bucket: Bucket,
  ctx: Context,
  options: { configured?: boolean; timeoutMs?: number } = {},
): Promise<ToolRun> {
  const cmd = [
    'tools',
    'bucket',
    ...args,
    ...(options.configured ? [] : [`--objstore.config-file=${BUCKET_CONFIG}`]),
    '--log.level=info',
    '--log.format=json',
  ];
  const run = await runTool(
    {
      owner: `${ulid()}-archive`,
      purpose,
      image: 'thanos',
      cmd,
      binds: bucket.binds,
      env: keyValues(bucket.keys, ctx.env),
      network: bucket.network,
      timeoutMs: options.timeoutMs ?? LIST_TIMEOUT_MS,
    },
    ctx,
  );
  if (run.exitCode !== 0)
    throw new InfrastructureError(`the bucket ${bucket.name} does not answer (${purpose}): ${run.error}`, {
      hint: 'Is the object store up, are its address and keys right, and may they write? The same command can be run again.',
    });
  return run;
}

function inPieces(ids: string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / IDS_AT_ONCE) }, (_, index) =>
    ids.slice(index * IDS_AT_ONCE, (index + 1) * IDS_AT_ONCE),
  );
}
