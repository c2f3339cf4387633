/**
 * The log files of a run: a compressed one for each round, one of the run stack, one of the harness. A line of the first
 * two has the engine's time, the stream, whose it is, and what was written, as it was written.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';
import type { SideName } from '../documents/run.ts';
import { type Cut, sizeText } from './bound.ts';
import { lineText } from './format.ts';
import { type LogLine, parseLine, timeOfLine } from './parse.ts';

/** Folder of a run's folder with them. */
export const LOGS_FOLDER = 'logs';
/** The file to which the harness appends while the run goes on; HARNESS_FILE is what becomes of it. */
export const HARNESS_LOG = 'harness.log';
export const HARNESS_FILE = 'logs-harness.gz';
/** Of what is there for the whole run, Prometheus for one. */
export const STACK_FILE = 'logs-stack.gz';
export const roundFile = (round: number) => `logs-${round}.gz`;

/** Bytes that are kept of each container in a round, and of all rounds, compressed. */
export const LIMITS = { container: 1024 ** 2, run: 64 * 1024 ** 2 };
export type Limits = typeof LIMITS;
/** A line is cut behind so many bytes. */
export const MOST_LINE = 32 * 1024;

const NAME = /^logs-(?:([1-9]\d{0,5})|stack|harness)\.gz$/;
/** Whether a file of this name is one of them. */
export const isLogName = (name: string): boolean => NAME.test(name);
/** The round that it is of; null of the others. */
export const roundOfLog = (name: string): number | null => Number(NAME.exec(name)?.[1] ?? NaN) || null;

/** Whose a line is. The service of the harness' own lines is `harness`. */
export interface LogSource {
  /** Null of what is of no side: the load generator, the run stack, the harness. */
  side: SideName | null;
  service: string;
  replica: number;
}
/** o: its output, e: its errors, n: what Mayfly says of the log. */
export type LogStream = 'o' | 'e' | 'n';

export interface KeptLine extends LogSource {
  /** The engine's time. */
  time: string;
  stream: LogStream;
  text: string;
}

export interface LogEntry extends LogLine, LogSource {
  round: number | null;
  stream: LogStream;
}

const KEPT =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ([oen]) (candidate|baseline|-)\/([^\s/]{1,255})\/(\d{1,6}) (.*)$/s;

const keptText = ({ time, stream, side, service, replica, text }: KeptLine): string =>
  `${time} ${stream} ${side ?? '-'}/${service}/${replica} ${text}`;

function readKept(line: string): KeptLine | null {
  const [, time, stream, side, service, replica, text] = KEPT.exec(line) ?? [];
  if (!time) return null;
  return {
    time,
    stream: stream as LogStream,
    side: side === '-' ? null : (side as SideName),
    service: service!,
    replica: Number(replica),
    text: text!,
  };
}

/** What is said where a log is not whole: a line of Mayfly's in it. */
export const noteText = (msg: string, more: Record<string, number> = {}): string =>
  lineText([['level', 'warn'], ['msg', msg], ...Object.entries(more)], 'logfmt');

/** That of lines which were cut at the front of a container's log. */
export const cutText = ({ lines, bytes }: Cut, most: number): string =>
  noteText(
    `${lines.toLocaleString('en')} lines before this one (${sizeText(bytes)}) are not kept: of each container the last ${sizeText(most)} of a round are`,
    { cut_lines: lines },
  );

const compress = promisify(gzip);
/** The harness has other things to do, and so have the services that start meanwhile. */
const LEVEL = 3;

/** Writes a file of them, whole or not at all. They are put in the order of the times that they tell. */
export async function writeLogFile(dir: string, name: string, lines: readonly KeptLine[]): Promise<void> {
  const told = lines.map((line) => ({
    line,
    at: line.stream === 'n' ? line.time : timeOfLine(line.text, line.time),
  }));
  told.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  await put(dir, name, await compress(told.map(({ line }) => `${keptText(line)}\n`).join(''), { level: LEVEL }));
}

async function put(dir: string, name: string, bytes: Buffer): Promise<void> {
  const temporary = join(dir, `${name}.${process.pid}.tmp`);
  await writeFile(temporary, bytes);
  await rename(temporary, join(dir, name));
}

/**
 * Keeps the files of all rounds within so many bytes: the oldest rounds go first, and the first one that is left says so.
 */
export async function boundRounds(dir: string, most = LIMITS.run): Promise<void> {
  const files = await Promise.all(
    (await readdir(dir))
      .flatMap((name) => (roundOfLog(name) === null ? [] : [{ name, round: roundOfLog(name)! }]))
      .map(async (file) => ({ ...file, bytes: (await stat(join(dir, file.name))).size })),
  );
  files.sort((a, b) => a.round - b.round);
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let cut = 0;
  while (bytes > most && files.length > 1) {
    const { name, bytes: gone } = files.shift()!;
    cut += await linesIn(join(dir, name));
    await rm(join(dir, name));
    bytes -= gone;
  }
  if (cut === 0) return;
  const { name, round } = files[0]!;
  for await (const { line } of keptLines(join(dir, name))) {
    const said = noteText(
      `${cut.toLocaleString('en')} lines of the rounds before ${round} are not kept: a run keeps ${sizeText(most)} of logs`,
      { cut_lines: cut },
    );
    const note: KeptLine = { time: line.time, stream: 'n', side: null, service: 'harness', replica: 1, text: said };
    // two compressed texts, one behind the other, are one
    const first = await compress(`${keptText(note)}\n`, { level: LEVEL });
    return put(dir, name, Buffer.concat([first, await readFile(join(dir, name))]));
  }
}

/** Lines of a file, and those that were missing in it. */
async function linesIn(file: string): Promise<number> {
  let lines = 0;
  for await (const { line } of keptLines(file))
    lines += line.stream === 'n' ? Number(/ cut_lines=(\d+)$/.exec(line.text)?.[1] ?? 0) : 1;
  return lines;
}

/** Compresses what the harness has appended, beside it; false where there is nothing. */
export async function packHarness(dir: string): Promise<boolean> {
  const text = await readFile(join(dir, HARNESS_LOG)).catch(() => null);
  if (text === null || text.length === 0) return false;
  await put(dir, HARNESS_FILE, await compress(text, { level: LEVEL }));
  return true;
}

/** A log file that cannot be read to its end. */
export class LogFault extends Error {
  /** Of which file, without its folder. */
  readonly file: string;
  constructor(file: string, message: string) {
    super(message);
    this.file = file;
  }
}

/** The lines of a file of any of these names, in its order. Throws LogFault where it is damaged. */
export async function* readLogFile(file: string): AsyncGenerator<LogEntry, void> {
  const name = file.slice(file.lastIndexOf('/') + 1);
  if (name === HARNESS_LOG || name === HARNESS_FILE) {
    let time = '0000-00-00T00:00:00.000000000Z';
    for await (const text of textLines(file)) {
      const line = parseLine(text, timeOf(text) ?? time);
      time = line.time;
      const fields = line.fields.filter(([key]) => key !== 'service');
      yield { ...line, fields, round: null, side: null, service: 'harness', replica: 1, stream: 'e' };
    }
    return;
  }
  const round = roundOfLog(name);
  for await (const { line } of keptLines(file)) {
    const { time, text, ...source } = line;
    yield { ...parseLine(text, time), ...source, round };
  }
}

/** The harness writes its own time, which there is no other to hold against. */
const timeOf = (text: string): string | null =>
  /^(?:ts=|\{"ts":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)/.exec(text)?.[1] ?? null;

async function* keptLines(file: string): AsyncGenerator<{ line: KeptLine }, void> {
  let number = 0;
  for await (const text of textLines(file)) {
    number++;
    const line = readKept(text);
    if (!line) throw new LogFault(nameOf(file), `line ${number} is none of a kept log`);
    yield { line };
  }
}

const nameOf = (file: string) => file.slice(file.lastIndexOf('/') + 1);

/** The lines of a file, compressed or not, whatever is in it: none is longer than what a kept one can be. */
async function* textLines(file: string): AsyncGenerator<string, void> {
  const most = MOST_LINE + 1024;
  const bytes = createReadStream(file);
  const stream = file.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes;
  bytes.on('error', (error) => stream.destroy(error));
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
      rest = lines.pop()!.slice(0, most);
      yield* lines.map((line) => line.slice(0, most));
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_') || code === 'ERR_BUFFER_OUT_OF_BOUNDS')
      throw new LogFault(nameOf(file), `is damaged: ${message}`);
    throw error;
  } finally {
    bytes.destroy();
  }
  if (rest !== '') yield rest;
}

/** What is wrong with a compressed file, or null. Every byte of it is under a checksum. */
export async function logFileFault(file: string): Promise<string | null> {
  try {
    for await (const _ of readLogFile(file));
    return null;
  } catch (error) {
    if (error instanceof LogFault) return error.message;
    throw error;
  }
}
