/**
 * Snapshot -> object store, by `thanos tools bucket upload-blocks` in a container; the proof is each block's meta.json
 * in the bucket, written last.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { runTool, type ToolRun } from '../engine/tool.ts';
import { BUCKET_CONFIG, type Bucket, keyValues } from './bucket.ts';
import type { Snapshot } from './snapshot.ts';

const ATTEMPTS = 3;
const PAUSE_MS = 1000;
/** What the store or the network has refused at once will be refused again; `npm run archive:push` tries later. */
const REFUSED =
  /connection refused|no such host|access denied|signature|access key|no such bucket|bucket does not exist/i;

/** What names the run in the archive. */
export interface ExternalLabels {
  run_id: string;
  benchmark: string;
  host: string;
}

/** Command line of the upload. A label's value is quoted, as Thanos wants it. */
export function uploadArgs(labels: Record<string, string>): string[] {
  return [
    'tools',
    'bucket',
    'upload-blocks',
    `--objstore.config-file=${BUCKET_CONFIG}`,
    '--path=/snapshot',
    '--shipper.upload-compacted',
    '--log.level=info',
    '--log.format=json',
    ...Object.entries(labels).map(([name, value]) => `--label=${name}=${JSON.stringify(value)}`),
  ];
}

export interface Upload {
  snapshot: Snapshot;
  /** External labels of the blocks. */
  labels: Record<string, string>;
  /** Owner of the containers, as runTool wants it. */
  owner: string;
  /** What is shipped, in a message. */
  what: string;
}

/**
 * External labels of a run's raw blocks; the sidecar has the same from prometheus.yml. `stream` keeps Store from
 * looking into ten thousand raw blocks for a question of the trend stream.
 */
export const rawLabels = ({ run_id, benchmark, host }: ExternalLabels): Record<string, string> => ({
  stream: 'raw',
  run_id,
  benchmark,
  host,
});

/**
 * Uploads every block of a run's snapshot and proves that each is in the bucket. Repeating it changes nothing. Throws
 * InfrastructureError.
 */
export async function uploadSnapshot(
  snapshot: Snapshot,
  labels: ExternalLabels,
  bucket: Bucket,
  ctx: Context,
): Promise<void> {
  const owner = `${labels.run_id}-upload`; // not part of the run's stack: it lives on while that goes down
  await uploadBlocks({ snapshot, labels: rawLabels(labels), owner, what: 'the metrics' }, bucket, ctx);
}

/** The same for blocks with any labels. */
export async function uploadBlocks(upload: Upload, bucket: Bucket, ctx: Context): Promise<void> {
  let last = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) await sleep(PAUSE_MS, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
    const run = await runUploader(`upload-${attempt}`, upload, bucket, ctx);
    if (run.exitCode !== 0) {
      last = run.error;
      if (REFUSED.test(last)) break;
      continue;
    }
    const missing = await notShipped(upload.snapshot);
    if (missing.length > 0) {
      last = `thanos.shipper.json does not list ${missing.join(', ')}`;
      continue;
    }
    const unproven = await notInBucket(upload, bucket, ctx);
    if (unproven.length === 0) return;
    last = `meta.json of ${unproven.join(', ')} is not in the bucket`;
  }
  throw new InfrastructureError(`${upload.what} could not be shipped to ${bucket.name}: ${last}`);
}

/** Blocks that the shipper does not list as uploaded. */
async function notShipped(snapshot: Snapshot): Promise<string[]> {
  const file = await readFile(join(snapshot.dir, 'thanos.shipper.json'), 'utf8').catch(() => '{}');
  const uploaded: string[] = JSON.parse(file).uploaded ?? [];
  return snapshot.blocks.filter((block) => !uploaded.includes(block));
}

/**
 * Blocks without a meta.json in the bucket. A folder is looked at; of another store Thanos is asked: without
 * thanos.shipper.json, which is only its memory, the shipper looks for meta.json in the bucket before it uploads,
 * so an upload that has nothing to do is the proof (pkg/shipper/shipper.go, Sync).
 */
async function notInBucket(upload: Upload, bucket: Bucket, ctx: Context): Promise<string[]> {
  const { snapshot } = upload;
  if (bucket.folder !== null) {
    const seen = await Promise.all(snapshot.blocks.map((block) => exists(join(bucket.folder!, block, 'meta.json'))));
    return snapshot.blocks.filter((_, index) => !seen[index]);
  }
  await rm(join(snapshot.dir, 'thanos.shipper.json'), { force: true });
  const again = await runUploader('verify', upload, bucket, ctx);
  const nothingToDo = again.exitCode === 0 && again.lines.some((line) => line.uploaded === 0);
  return nothingToDo ? [] : snapshot.blocks;
}

function runUploader(
  purpose: string,
  { snapshot, labels, owner }: Upload,
  bucket: Bucket,
  ctx: Context,
): Promise<ToolRun> {
  return runTool(
    {
      owner,
      purpose: `uploader-${purpose}`,
      image: 'thanos',
      cmd: uploadArgs(labels),
      binds: [`${snapshot.dir}:/snapshot`, ...bucket.binds],
      env: keyValues(bucket.keys, ctx.env),
      network: bucket.network,
    },
    ctx,
  );
}
