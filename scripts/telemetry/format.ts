/** Telemetry files: which there are, and their rows as a stream in bounded memory (telemetry/README.md has the format). */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { Findings } from './findings.ts';
import type { Labels } from './labels.ts';
import { RowParser, type TakeRow } from './rows.ts';

/** What a file holds, by the beginning of its name. */
export type TelemetryPrefix = 'duration' | 'runtime' | 'profiler' | 'other';

/** So much of a file is in memory. */
const PIECE_BYTES = 1 << 20;

/** What is done with the rows of files of one prefix. */
export interface PrefixReader<T> {
  labels: Labels<T>;
  row: TakeRow<T>;
}

/**
 * Reads each file as far as it goes now, one after the other. UsageError for one that cannot be read or is no regular
 * file.
 */
export async function readTelemetry<T>(
  paths: readonly string[],
  reader: (prefix: TelemetryPrefix) => PrefixReader<T>,
  findings: Findings,
): Promise<void> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (const path of paths) {
    const file = basename(path);
    const prefix = prefixOf(file);
    const { labels, row } = reader(prefix);
    const parser = new RowParser({
      file,
      durations: prefix === 'duration',
      labels,
      findings,
      row,
      nowMs: Date.now(),
    });
    if ((await readPieces(path, piece, (some) => parser.push(some))) && prefix === 'other')
      findings.unknownPrefix(file);
  }
}

/** Hands the bytes of a file on until they end or are not wanted any more; whether all were wanted. */
async function readPieces(path: string, piece: Buffer, take: (some: Buffer) => boolean): Promise<boolean> {
  await using handle = await openRegular(path);
  const { size } = await handle.stat(); // a writer that never stops must not hold its reader for ever
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, size - at), at);
    if (bytesRead === 0) break; // it was cut meanwhile
    if (!take(piece.subarray(0, bytesRead))) return false;
    at += bytesRead;
  }
  return true;
}

async function openRegular(path: string): Promise<FileHandle> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${error.message}`,
      { hint: 'Name telemetry files (.csv), or the folder that a service writes them to.' },
    );
  });
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new UsageError(`${path} is no regular file`, { hint: 'Telemetry files are .csv files on a disk.' });
}

/** duration-… -> duration */
function prefixOf(file: string): TelemetryPrefix {
  return (['duration', 'runtime', 'profiler'] as const).find((prefix) => file.startsWith(prefix)) ?? 'other';
}

/** The telemetry files of a folder and the folders in it, sorted. Links are not followed: the folder may be of a service. */
export async function telemetryFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.csv'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
