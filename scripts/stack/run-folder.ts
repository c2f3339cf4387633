/** What a run's folder says about the run: who owns it, and whether its snapshot waits to be shipped. */
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isAlive, thisProcess } from '../engine/owner.ts';

/** File in a run's folder that names the process that owns it. */
export const OWNER_FILE = 'owner.json';
/** File in a run's folder that says that its snapshot waits to be shipped. */
export const PENDING_FILE = 'pending.json';

/** A file that names no process is left alone for so long: its writer may be about to write it. */
const UNREADABLE_MS = 60_000;

/**
 * live: its process runs. kept: it has ended and --keep asked for the stack to stay. elsewhere: a process of another
 * host. unknown: no process is named, and it is younger than a minute. dead: the process is gone. unreadable: as dead,
 * but nobody knows whose it was.
 */
export type Owner = 'live' | 'kept' | 'elsewhere' | 'unknown' | 'dead' | 'unreadable';

/** Who owns the run of this folder. */
export const runOwner = (runDir: string) => ownerIn(join(runDir, OWNER_FILE));

/** Who owns what this file was written for. */
export async function ownerIn(file: string): Promise<Owner> {
  const owner = await readJson(file);
  if (typeof owner?.pid !== 'number') return (await ageMs(file)) < UNREADABLE_MS ? 'unknown' : 'unreadable';
  if ((owner.hostname ?? hostname()) !== hostname()) return 'elsewhere';
  if (isAlive(owner.pid, String(owner.pidStart ?? ''))) return 'live';
  return owner.keep ? 'kept' : 'dead';
}

/** Names this process as the owner of the run's folder. */
export const writeOwner = (runDir: string, keep: boolean) =>
  writeWhole(join(runDir, OWNER_FILE), JSON.stringify({ ...thisProcess(), keep }));

/** Writes a file so that whoever reads it, after a kill too, sees the old one or the new one and never a part. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, file);
}

async function readJson(file: string): Promise<any> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return null;
  }
}

/** Milliseconds since the file was written, or its folder where it is missing; more than any limit where both are. */
async function ageMs(file: string): Promise<number> {
  const found = await stat(file)
    .catch(() => stat(dirname(file)))
    .catch(() => null);
  return found ? Date.now() - found.mtimeMs : Infinity;
}
