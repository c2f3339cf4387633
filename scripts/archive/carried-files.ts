/**
 * What the files of a run have in common that go into the archive beside the chunks of its newest block: profiles,
 * traces, logs (docs/decisions/0019-single-requests.md).
 */
import { link } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { exists, namesIn } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Snapshot } from './snapshot.ts';

const CHUNKS = 'chunks';

type IsName = (name: string) => boolean;

/** Whether the file at this path of a block is one of these, beside its chunks. */
export const isBesideChunks = (path: string, isName: IsName): boolean =>
  path.startsWith(`${CHUNKS}/`) && isName(path.slice(CHUNKS.length + 1));

/** Whether a block of the snapshot has the file. */
export async function isCarried(name: string, { dir, blocks }: Snapshot): Promise<boolean> {
  return (await Promise.all(chunkFolders(dir, blocks).map((folder) => exists(join(folder, name))))).some(Boolean);
}

/** Puts files of a folder into the newest block of the snapshot, each once. Repeating it changes nothing. */
export async function carryFiles(folder: string, isName: IsName, snapshot: Snapshot): Promise<void> {
  const block = snapshot.blocks.at(-1);
  if (block === undefined) return;
  for (const name of (await namesIn(folder)).filter(isName))
    if (!(await isCarried(name, snapshot))) await link(join(folder, name), join(snapshot.dir, block, CHUNKS, name));
}

/** Where files beside the chunks of blocks lie below a folder. */
export const chunkFolders = (root: string, blocks: readonly string[] = []): string[] =>
  blocks.map((block) => join(root, block, CHUNKS));

/** The same below each folder of this host that may have a run's blocks: its snapshot, and buckets that are folders. */
export function chunkFoldersHere(
  runId: string,
  archive: RunDocument['archive'],
  paths: Pick<Paths, 'runs' | 'bucket'>,
): string[] {
  const buckets = [archive?.bucket ?? '', paths.bucket].filter((folder) => isAbsolute(folder));
  return [join(paths.runs, runId, 'snapshot'), ...buckets].flatMap((root) => chunkFolders(root, archive?.blocks));
}
