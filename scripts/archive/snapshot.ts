/** A snapshot on this host: everything Prometheus has, as blocks that outlive the stack. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Carried } from './carried-requests.ts';

export interface Snapshot {
  /** Folder that holds one folder for each block. */
  dir: string;
  blocks: string[];
  /** Samples over all blocks. */
  samples: number;
  /** The requests of the run that are in it too, once they have been put there. */
  requests?: Carried;
}

/** The blocks of a snapshot folder, as their meta.json tell. */
export async function readSnapshot(dir: string): Promise<Snapshot> {
  const blocks: string[] = [];
  let samples = 0;
  for (const entry of await readdir(dir)) {
    const meta = await readFile(join(dir, entry, 'meta.json'), 'utf8').catch(() => null);
    if (meta === null) continue;
    const numSamples: number = JSON.parse(meta).stats?.numSamples ?? 0;
    if (numSamples === 0) continue; // the shipper leaves an empty block behind too
    blocks.push(entry);
    samples += numSamples;
  }
  return { dir, blocks: blocks.sort(), samples };
}
