/** Stack -> Snapshot: everything Prometheus has, as blocks on this host that outlive the stack. */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InfrastructureError } from '../errors.ts';
import type { Stack } from '../stack/stack.ts';

export interface Snapshot {
  /** Folder that holds one folder for each block. */
  dir: string;
  blocks: string[];
  /** Samples over all blocks. */
  samples: number;
}

/** Takes a snapshot over the admin API and moves it out of Prometheus' data. One without a single sample is an error: the API calls that a success too. */
export async function takeSnapshot(stack: Stack): Promise<Snapshot> {
  const name = await (await stack.ready).prometheus.snapshot();
  const dir = join(stack.built.plan.dir, 'snapshot');
  await rm(dir, { recursive: true, force: true });
  await rename(join(stack.tsdb, 'snapshots', name), dir);
  const snapshot = await readSnapshot(dir);
  if (snapshot.samples === 0) {
    throw new InfrastructureError('the snapshot of the run is empty: Prometheus has stored no sample', { hint: 'Did Prometheus reach its targets? `npm run bench -- --keep` leaves it up to look at.' });
  }
  return snapshot;
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
