/** The traces of a side and round that are kept whole: one file, Zipkin v2 JSON, compressed. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { SideName } from '../documents/run.ts';
import { readTraces, type Span, toZipkin } from './spans.ts';

/** Folder of a run's folder with its traces. */
export const TRACES_FOLDER = 'traces';
/** Name of a file in that folder and in a block. */
export const tracesName = (side: SideName, round: number): string => `traces-${side}-${round}.json.gz`;
const NAME = /^traces-(candidate|baseline)-([1-9]\d{0,5})\.json\.gz$/;
/** Whether a file of this name is one of them. */
export const isTracesName = (name: string): boolean => NAME.test(name);

/** A file, compressed and whole, that is read: larger ones were not written by Mayfly. */
const MOST_BYTES = 32 * 1024 * 1024;
const MOST_TEXT = 256 * 1024 * 1024;

/** What is wrong with the file, as the rest of a sentence that begins with its name. */
export class TracesFault extends Error {}

export async function writeKept(file: string, traces: readonly (readonly Span[])[]): Promise<void> {
  const text = JSON.stringify(traces.map((spans) => spans.map(toZipkin)));
  await writeFile(file, await promisify(gzip)(text));
}

/** The traces of a file; TracesFault where it is none. */
export async function readKept(file: string): Promise<Span[][]> {
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw new TracesFault(`has ${size} bytes, more than a file of traces may have`);
  const text = await promisify(gunzip)(await readFile(file), { maxOutputLength: MOST_TEXT }).catch(() => {
    throw new TracesFault('is damaged: it cannot be unpacked');
  });
  try {
    return readTraces(JSON.parse(text.toString('utf8'))).traces;
  } catch (error) {
    throw new TracesFault(
      `has no traces: ${error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message}`,
    );
  }
}
