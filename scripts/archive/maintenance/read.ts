/**
 * Reads blocks of any bucket whole: those of a folder where they are, of another store in pieces that are copied to
 * this host.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import type { ProgressStep } from '../../core/progress.ts';
import { temporaryPrefix } from '../../engine/owner.ts';
import { requestsReader } from '../../requests/view.ts';
import { type BlockReport, checkBlock } from '../block-check.ts';
import { type Block, copyToFolder, sizeOf } from '../blocks.ts';
import type { Bucket } from '../bucket.ts';

/** So much is on this host at once: blocks, and bytes where they are large. */
const PIECE = { blocks: 500, bytes: 2e9 };
/** Blocks that are read side by side: while one is waited for, another is checked. */
const AT_ONCE = 4;

/**
 * Checks these blocks. A block that a piece could not be copied of is reported as damaged. Throws InfrastructureError
 * where the bucket does not answer.
 */
export async function checkBlocks(
  blocks: Block[],
  bucket: Bucket,
  options: { quick: boolean },
  step: ProgressStep,
  ctx: Context,
): Promise<BlockReport[]> {
  const reports: BlockReport[] = [];
  await using reader = requestsReader();
  const check = async (folder: string, some: Block[]) => {
    const queue = [...some];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let block = queue.shift(); block; block = queue.shift()) {
          ctx.signal.throwIfAborted();
          reports.push(await checkBlock(join(folder, block.ulid), { ...options, reader }));
          step.update(`${reports.length} of ${blocks.length} blocks`, reports.length / blocks.length);
        }
      }),
    );
  };
  if (bucket.folder !== null) await check(bucket.folder, blocks);
  else
    for (const piece of pieces(blocks))
      await inCopy(
        piece.map(({ ulid }) => ulid),
        bucket,
        (folder) => check(folder, piece),
        ctx,
      );
  return reports;
}

/** Copies blocks of a bucket to a folder that is removed afterwards. */
async function inCopy<T>(
  ids: string[],
  bucket: Bucket,
  work: (folder: string) => Promise<T>,
  ctx: Context,
): Promise<T> {
  return inTemporary(
    'copy',
    async (folder) => {
      await copyToFolder(bucket, ids, folder, ctx);
      return work(folder);
    },
    ctx,
  );
}

/** A folder of its own in the cache, for as long as `work` takes. */
export async function inTemporary<T>(
  purpose: string,
  work: (folder: string) => Promise<T>,
  ctx: Pick<Context, 'paths'>,
): Promise<T> {
  await mkdir(ctx.paths.cache, { recursive: true });
  const folder = await mkdtemp(join(ctx.paths.cache, temporaryPrefix(purpose)));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Blocks in the order given, as many at once as may lie on this host. Pure. */
export function pieces(blocks: Block[]): Block[][] {
  const result: Block[][] = [];
  let bytes = Infinity;
  for (const block of blocks) {
    if (bytes + sizeOf(block) > PIECE.bytes || result.at(-1)!.length >= PIECE.blocks) {
      result.push([]);
      bytes = 0;
    }
    result.at(-1)!.push(block);
    bytes += sizeOf(block);
  }
  return result;
}
