/**
 * OpenMetrics text -> blocks, by promtool in a container. It swallows what it does not like without a word, so what it
 * made is counted.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import { runTool } from '../engine/tool.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import type { TrendText } from './trend.ts';

const TIMEOUT_MS = 600_000;

export interface BlockMaking {
  /** Owner of the container, as runTool wants it. */
  owner: string;
  /** Hours that one block may span; promtool takes the next lower of 2, 6, 18, ..., 39366. Absent: two. */
  hours?: number;
  /** What the text is of, in a message; absent: the trend. */
  what?: string;
}

/** Command line of promtool; the folder is mounted at /trend. */
export function promtoolArgs(hours?: number): string[] {
  return [
    'tsdb',
    'create-blocks-from',
    '--quiet',
    ...(hours === undefined ? [] : [`--max-block-duration=${hours}h`]),
    'openmetrics',
    '/trend/metrics.txt',
    '/trend/blocks',
  ];
}

/**
 * Makes the blocks of a text in `folder`/blocks; what the folder held before is gone. Throws InfrastructureError where
 * they are not exactly the text.
 */
export async function makeBlocks(
  text: TrendText,
  folder: string,
  { owner, hours, what = 'the trend' }: BlockMaking,
  ctx: Context,
): Promise<Snapshot> {
  const dir = join(folder, 'blocks');
  await rm(folder, { recursive: true, force: true });
  const scratch = join(folder, 'tmp'); // the image's own /tmp may belong to another user
  for (const each of [dir, scratch]) await mkdir(each, { recursive: true });
  await writeFile(join(folder, 'metrics.txt'), text.text);
  const run = await runTool(
    {
      owner,
      purpose: 'promtool',
      image: 'prometheus',
      entrypoint: ['promtool'],
      cmd: promtoolArgs(hours),
      binds: [`${folder}:/trend`, `${scratch}:/tmp`],
      network: 'none',
      timeoutMs: TIMEOUT_MS,
    },
    ctx,
  );
  await rm(scratch, { recursive: true, force: true });
  if (run.exitCode !== 0) throw new InfrastructureError(`promtool cannot make blocks of ${what}: ${run.error}`);
  const made = await readSnapshot(dir);
  const { firstMs, lastMs } = await timesOf(made);
  const iso = (ms: number) => (Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : String(ms));
  const written = `${text.samples} samples from ${iso(text.firstMs)} to ${iso(text.lastMs)}`;
  const found = `${made.samples} from ${iso(firstMs)} to ${iso(lastMs)}`;
  if (made.samples !== text.samples || firstMs !== text.firstMs || lastMs !== text.lastMs) {
    throw new InfrastructureError(
      `promtool has made other blocks of ${what} than were asked for: ${written} were written, ${found} are in the blocks`,
      {
        hint: 'It drops a second value of one time, and takes milliseconds for seconds, without a word. This is a fault of Mayfly; nothing was shipped.',
      },
    );
  }
  return made;
}

/** Times of the first and the last sample over all blocks; a block ends one millisecond after its last sample. */
async function timesOf({ dir, blocks }: Snapshot): Promise<{ firstMs: number; lastMs: number }> {
  const metas = await Promise.all(
    blocks.map(async (block) => JSON.parse(await readFile(join(dir, block, 'meta.json'), 'utf8'))),
  );
  return {
    firstMs: Math.min(...metas.map((meta) => meta.minTime)),
    lastMs: Math.max(...metas.map((meta) => meta.maxTime - 1)),
  };
}
