/**
 * Keeps code under test from filling the host's disk. The free space of the file systems is read four times a second,
 * which costs microseconds and touches no container; only when it has changed by more than is allowed is the engine
 * asked who wrote how much, which walks their files (docs/decisions/0015-what-services-may-write.md).
 */
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, InfrastructureError, MayflyError } from '../core/errors.ts';
import type { Engine, Written } from '../engine/engine.ts';

const EVERY_MS = 250;
/** So much stays free for the host: 1 GiB, or this share of a smaller file system; and this share of its files. */
const FLOOR_BYTES = 2 ** 30;
const FLOOR_SHARE = 0.05;
/** After a look that blamed nobody the next one comes after at least this share of the limit. */
const LEAST_STEP = 0.25;

export interface Space {
  /** Bytes that are free, and that there are. */
  freeBytes: number;
  bytes: number;
  /** The same for files; 0 of 0 where the file system does not count them. */
  freeFiles: number;
  files: number;
}

export interface DiskWatch {
  /** Folders, none of whose file systems may fill up. The limit is for what is written to that of the first. */
  folders: string[];
  limitBytes: number;
  /** What those that are watched have written so far. */
  written(): Promise<Written[]>;
  /** The error for one of them that has written more than the limit. */
  blame(most: Written): Error;
}

/** Watches until the signal aborts; calls back once with the reason when there is one to end what is going on. */
export async function watchDisk(watch: DiskWatch, onFull: (error: Error) => void, signal: AbortSignal): Promise<void> {
  const change = new Change(watch.limitBytes);
  while (!signal.aborted) {
    const error = await look(watch, change).catch(() => null); // an engine or a folder that is gone is told by others
    if (signal.aborted) return;
    if (error) return onFull(error);
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

async function look(watch: DiskWatch, change: Change): Promise<Error | null> {
  const spaces = await Promise.all(watch.folders.map(readSpace));
  const low = spaces.findIndex(isLow);
  if (!change.tooFar(spaces[0]!.freeBytes) && low < 0) return null;
  const most = (await watch.written()).sort((a, b) => b.bytes - a.bytes)[0];
  if (most && most.bytes > watch.limitBytes) return watch.blame(most);
  if (low >= 0) return almostFull(watch.folders[low]!, spaces[low]!);
  change.blamedNobody(spaces[0]!.freeBytes, most?.bytes ?? 0);
  return null;
}

/**
 * Tells when free space has changed so far that somebody may have written more than the limit: what others delete
 * meanwhile would hide it.
 */
export class Change {
  readonly #limit: number;
  #allowed: number;
  #most = -Infinity;
  #least = Infinity;

  constructor(limit: number) {
    this.#limit = limit;
    this.#allowed = limit;
  }

  /** `free` bytes now. */
  tooFar(free: number): boolean {
    this.#most = Math.max(this.#most, free);
    this.#least = Math.min(this.#least, free);
    return this.#most - this.#least > this.#allowed;
  }

  /** Somebody else wrote it: the next look is due when the one who has written most may have reached the limit. */
  blamedNobody(free: number, mostWritten: number): void {
    this.#most = this.#least = free;
    this.#allowed = Math.max(this.#limit - mostWritten, this.#limit * LEAST_STEP);
  }
}

export function isLow({ freeBytes, bytes, freeFiles, files }: Space): boolean {
  return freeBytes < Math.min(FLOOR_BYTES, bytes * FLOOR_SHARE) || freeFiles < files * FLOOR_SHARE;
}

/**
 * Of the file system that holds the folder, or that would hold it as seen from a container: its own root is on the
 * engine's disk too.
 */
export async function readSpace(folder: string): Promise<Space> {
  const found = await statfs(folder).catch((error) => (error.code === 'ENOENT' ? statfs('/') : Promise.reject(error)));
  return {
    freeBytes: found.bavail * found.bsize,
    bytes: found.blocks * found.bsize,
    freeFiles: found.ffree,
    files: found.files,
  };
}

function almostFull(folder: string, { freeBytes, freeFiles }: Space): Error {
  return new InfrastructureError(
    `there is almost no space left on the disk of ${folder}: ${sizeText(freeBytes)} and room for ${freeFiles} files; ended, so that the host has some`,
    {
      hint: 'Free some space (docker system df shows what the engine keeps), or look at what else writes to this disk.',
    },
  );
}

/**
 * The error for a service that has written too much. Not of the infrastructure: measured again it would do so again.
 */
export function wroteTooMuch(what: string, { bytes }: Written, limitBytes: number, hint: string): Error {
  return new MayflyError(
    EXIT.invalid,
    `${what} wrote ${sizeText(bytes)} to the disk: at most ${sizeText(limitBytes)} is allowed`,
    { hint },
  );
}

/**
 * What containers and the volumes at them hold, but for volumes that are memory. The engine is asked for volumes only where this process may not look:
 * it walks all that it has.
 */
export async function writtenBy(
  engine: Engine,
  label: string,
  isMemory: (volume: string) => boolean = () => false,
): Promise<Written[]> {
  const all = await engine.written(label);
  const containers = all.map((one) => ({ ...one, volumes: one.volumes.filter(({ name }) => !isMemory(name)) }));
  const volumes = containers.flatMap((one) => one.volumes);
  const seen = new Map<string, number>();
  for (const { name, folder } of volumes) {
    const bytes = await bytesBelow(folder).catch(() => null);
    if (bytes !== null) seen.set(name, bytes);
  }
  const sizes = volumes.every(({ name }) => seen.has(name)) ? seen : await engine.volumeSizes();
  return containers.map((one) => ({
    ...one,
    bytes: one.bytes + one.volumes.reduce((sum, { name }) => sum + (sizes.get(name) ?? 0), 0),
  }));
}

/**
 * Bytes that a folder and all in it take up on the disk; what vanishes meanwhile counts for nothing. Rejects where the
 * folder cannot be read.
 */
export async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    bytes += await gone(lstat(path).then(({ blocks }) => blocks * 512));
    if (entry.isDirectory()) bytes += await gone(bytesBelow(path));
  }
  return bytes;
}

const gone = (size: Promise<number>) => size.catch((error) => (error.code === 'ENOENT' ? 0 : Promise.reject(error)));

/** 2147483648 -> "2 GiB" */
export function sizeText(bytes: number): string {
  const [unit, size] = bytes >= 2 ** 30 ? (['GiB', 2 ** 30] as const) : (['MiB', 2 ** 20] as const);
  return `${Number((bytes / size).toPrecision(3))} ${unit}`;
}
