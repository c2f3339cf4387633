/** Snapshot -> object store, by `thanos tools bucket upload-blocks` in a container; the proof is each block's meta.json in the bucket, written last. */
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { InfrastructureError } from '../errors.ts';
import { LABEL } from '../plan/names.ts';
import { ownerLabels, thisUser } from '../plan/process.ts';
import type { ContainerSpec } from '../stack/engine.ts';
import { BUCKET_CONFIG, type Bucket } from './bucket.ts';
import type { Snapshot } from './snapshot.ts';

const ATTEMPTS = 3;
const PAUSE_MS = 1000;
/** A bucket that takes longer is treated as out of reach; the snapshot waits for `npm run archive:push`. */
const ATTEMPT_TIMEOUT_MS = 120_000;

/** What names the run in the archive. The sidecar has the same labels from prometheus.yml. */
export interface ExternalLabels {
  run_id: string;
  benchmark: string;
  host: string;
}

/** Command line of the upload. A label's value is quoted, as Thanos wants it. */
export function uploadArgs(labels: ExternalLabels): string[] {
  return [
    'tools', 'bucket', 'upload-blocks', `--objstore.config-file=${BUCKET_CONFIG}`, '--path=/snapshot', '--shipper.upload-compacted', '--log.level=info', '--log.format=json',
    ...Object.entries(labels).map(([name, value]) => `--label=${name}=${JSON.stringify(value)}`),
  ];
}

/** Uploads every block of the snapshot and proves that each is in the bucket. Repeating it changes nothing. Throws InfrastructureError. */
export async function uploadSnapshot(snapshot: Snapshot, labels: ExternalLabels, bucket: Bucket, ctx: Context): Promise<void> {
  let last = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (attempt > 1) await sleep(PAUSE_MS, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
    const run = await runUploader(`upload-${attempt}`, snapshot, labels, bucket, ctx);
    if (run.exitCode !== 0) {
      last = run.error;
      continue;
    }
    const missing = await notShipped(snapshot);
    if (missing.length > 0) {
      last = `thanos.shipper.json does not list ${missing.join(', ')}`;
      continue;
    }
    const unproven = await notInBucket(snapshot, labels, bucket, ctx);
    if (unproven.length === 0) return;
    last = `meta.json of ${unproven.join(', ')} is not in the bucket`;
  }
  throw new InfrastructureError(`the metrics could not be shipped to ${bucket.name}: ${last}`);
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
async function notInBucket(snapshot: Snapshot, labels: ExternalLabels, bucket: Bucket, ctx: Context): Promise<string[]> {
  if (bucket.folder !== null) {
    const seen = await Promise.all(snapshot.blocks.map((block) => access(join(bucket.folder!, block, 'meta.json')).then(() => true, () => false)));
    return snapshot.blocks.filter((_, index) => !seen[index]);
  }
  await rm(join(snapshot.dir, 'thanos.shipper.json'), { force: true });
  const again = await runUploader('verify', snapshot, labels, bucket, ctx);
  const nothingToDo = again.exitCode === 0 && again.lines.some((line) => line.uploaded === 0);
  return nothingToDo ? [] : snapshot.blocks;
}

interface UploaderRun {
  exitCode: number;
  lines: Record<string, unknown>[];
  error: string;
}

async function runUploader(purpose: string, snapshot: Snapshot, labels: ExternalLabels, bucket: Bucket, ctx: Context): Promise<UploaderRun> {
  const spec: ContainerSpec = {
    name: `mayfly-${labels.run_id.toLowerCase()}-uploader-${purpose}-${process.pid}`,
    image: ctx.machine.images.thanos!.ref,
    cmd: uploadArgs(labels),
    user: thisUser(),
    labels: { ...ownerLabels(`${labels.run_id}-upload`), [LABEL.service]: 'uploader' }, // not part of the run's stack: it lives on while that goes down
    binds: [`${snapshot.dir}:/snapshot`, ...bucket.binds],
    networks: [bucket.network],
  };
  const id = await ctx.engine.create(spec);
  try {
    await ctx.engine.start(id);
    const exitCode = await ctx.engine.wait(id, AbortSignal.any([ctx.signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)])).catch((error) => {
      ctx.signal.throwIfAborted();
      if ((error as Error).name === 'TimeoutError') return -1;
      throw error;
    });
    const lines = (await ctx.engine.logs(id, 0)).all.split('\n').flatMap(parseLine);
    const said = lines.findLast((line) => line.err ?? line.level === 'error');
    return { exitCode, lines, error: exitCode === -1 ? `no end after ${ATTEMPT_TIMEOUT_MS / 1000} s` : thanosError(String(said?.err ?? `thanos ended with exit code ${exitCode}`)) };
  } finally {
    await ctx.engine.remove(id);
  }
}

/** Thanos logs an error as its causes, the first one first, with a stack trace (two lines a frame) after each: one sentence of the causes. */
export function thanosError(text: string): string {
  const lines = text.split('\n');
  const causes = lines.filter((line, index) => line && !line.startsWith('\t') && !lines[index + 1]?.startsWith('\t'));
  return causes.reverse().join(': ');
}

function parseLine(line: string): Record<string, unknown>[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
