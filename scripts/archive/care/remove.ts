/** Marks and removals that blocks.ts does not have: taking a mark back, and removing some blocks only, now. */
import { ulid } from 'ulid';
import type { Context } from '../../context.ts';
import { InfrastructureError } from '../../errors.ts';
import { listBlocks, markForDeletion } from '../blocks.ts';
import { BUCKET_CONFIG, type Bucket } from '../bucket.ts';
import { runTool } from '../tool.ts';

/** Command lines are bounded: so many blocks go in one. */
const IDS_AT_ONCE = 1000;
const TIMEOUT_MS = 600_000;

/** Takes the mark for deletion back; a block without one stays as it is. */
export async function unmark(bucket: Bucket, ids: string[], ctx: Context): Promise<void> {
  await inPieces(ids, (some) => bucketTool('unmark', ['mark', '--marker=deletion-mark.json', '--remove', ...some.map((id) => `--id=${id}`)], bucket, ctx));
}

/** Marks these blocks and removes them for good at once; other marked blocks keep their delay. Throws InfrastructureError where one is still there. */
export async function removeNow(bucket: Bucket, ids: string[], reason: string, ctx: Context): Promise<void> {
  await markForDeletion(bucket, ids, reason, ctx);
  // Without --consistency-delay a block of the last half hour would be left out.
  await inPieces(ids, (some) => bucketTool('remove', ['cleanup', '--delete-delay=0s', '--consistency-delay=0s', `--selector.relabel-config=${onlyBlocks(some)}`], bucket, ctx));
  const removed = new Set(ids);
  const left = (await listBlocks(bucket, ctx)).blocks.map(({ ulid }) => ulid).filter((id) => removed.has(id));
  if (left.length > 0) throw new InfrastructureError(`${left.join(', ')} could not be removed from ${bucket.name}`, { hint: 'They are marked for deletion: a later prune or the compactor of the archive removes them.' });
}

/** Thanos' selection of these blocks and no others (pkg/block/fetcher.go, LabelShardedMetaFilter). */
export const onlyBlocks = (ids: string[]): string => JSON.stringify([{ action: 'keep', source_labels: ['__block_id'], regex: ids.join('|') }]);

async function inPieces(ids: string[], work: (some: string[]) => Promise<void>): Promise<void> {
  for (let i = 0; i < ids.length; i += IDS_AT_ONCE) await work(ids.slice(i, i + IDS_AT_ONCE));
}

async function bucketTool(purpose: string, args: string[], bucket: Bucket, ctx: Context): Promise<void> {
  const cmd = ['tools', 'bucket', ...args, `--objstore.config-file=${BUCKET_CONFIG}`, '--log.level=info', '--log.format=json'];
  const run = await runTool({ owner: `${ulid()}-archive`, purpose, image: 'thanos', cmd, binds: bucket.binds, keys: bucket.keys, network: bucket.network, timeoutMs: TIMEOUT_MS }, ctx);
  if (run.exitCode !== 0) throw new InfrastructureError(`the bucket ${bucket.name} does not answer (${purpose}): ${run.error}`, { hint: 'Is the object store up, and may its keys write? The same command can be run again.' });
}
