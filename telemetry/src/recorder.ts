/** The hot path: a row is formatted straight into a buffer. Nothing here throws, and a sample allocates nothing. */
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import { type Prefix, RowFile } from './files.ts';
import { callAll } from './listeners.ts';
import { endOfRow, put9, putNumber, putSeconds, putWhole } from './row.ts';
import { messageOf, tell, tellOnce } from './tell.ts';

const MAX_LABELS = 1000;
/** Samplers and profiles write little. */
const SMALL_BUFFER = 64 * 1024;
/** The longest of what comes before the label: 19 digits, a comma, a number of at most 25 characters. */
const BEFORE_LABEL = 45;
const OTHER = '(other)';

export interface RecorderOptions {
  dir: string;
  flushBytes: number;
  flushMs: number;
  rotateBytes: number;
}

let on = false;
let options: RecorderOptions | null = null;
let startedMs = 0;
let timer: NodeJS.Timeout | undefined;
const files: Record<Prefix, RowFile | null> = { duration: null, runtime: null, profiler: null };

const labels = new Map<string, Uint8Array>();
const other: Uint8Array = endOfRow(OTHER, process.pid);

/** performance.now() at the whole second of the epoch whose ten digits are in `second`. */
let secondMs = 0;
let secondOfEpoch = 0;
const second = new Uint8Array(10);
/** performance.now() of the row before. */
let lastMs = 0;

const switchListeners: ((on: boolean) => void)[] = [];

/** Whether samples are recorded now. */
export function isOn(): boolean {
  return on;
}

/**
 * Calls `listener` whenever recording is switched on or off, also by start(), stop() and a full disk. When it is told of
 * off it may still record, unless nothing can be written any more.
 */
export function onSwitch(listener: (on: boolean) => void): void {
  switchListeners.push(listener);
}

/** The folder, and the beginning of the names of the files of this recorder; null when it is not started. */
export function place(prefix: Prefix): { dir: string; stem: string } | null {
  if (!options) return null;
  return { dir: options.dir, stem: `${prefix}-${process.pid}-${threadId}-${startedMs}` };
}

/** Begins with recording off; switchTo(true) follows. */
export function open(given: RecorderOptions): void {
  options = given;
  syncClock();
}

/** Whether it was opened, and everything could be written so far. */
export function isOpen(): boolean {
  return options !== null;
}

/** Writes what is buffered and closes the files. */
export function close(): void {
  switchTo(false);
  closeFiles();
  options = null;
  labels.clear();
}

/** Switches recording. Off: the buffers are written, nothing is measured any more. */
export function switchTo(wanted: boolean): void {
  if (on === wanted || !options) return;
  if (wanted) {
    on = true;
    timer = setInterval(flush, options.flushMs).unref();
    callAll(switchListeners, true);
  } else {
    callAll(switchListeners, false);
    flush();
    on = false;
    clearInterval(timer);
  }
}

/** Writes one row, with the time of now. */
export function record(prefix: Prefix, label: string, value: number): void {
  if (on) recordAt(prefix, label, value, performance.now());
}

/** The same of a moment, as performance.now() gives it. */
export function recordAt(prefix: Prefix, label: string, value: number, nowMs: number): void {
  if (!on) return;
  try {
    write(files[prefix] ?? openFile(prefix), prefix === 'duration', label, value, nowMs);
  } catch (error) {
    fail(files[prefix]?.path, error);
  }
}

function write(file: RowFile, isDuration: boolean, label: string, value: number, nowMs: number): void {
  const ending = labels.get(label) ?? addLabel(label);
  if (!Number.isFinite(value)) {
    tellOnce('finite', `a value of "${label}" is ${value}: left out. Record finite numbers (told once)`);
    return;
  }
  let at = file.place(BEFORE_LABEL + ending.length);
  const to = file.buffer;
  at = putTime(to, at, nowMs);
  to[at++] = 44;
  const nanoseconds = value * 1e9;
  at =
    isDuration && nanoseconds >= 0 && nanoseconds < Number.MAX_SAFE_INTEGER
      ? putSeconds(to, at, Math.round(nanoseconds))
      : putNumber(to, at, value);
  for (let index = 0; index < ending.length; index++) to[at + index] = ending[index]!;
  file.end = at + ending.length;
}

function putTime(to: Uint8Array, at: number, nowMs: number): number {
  if (nowMs > lastMs) lastMs = nowMs;
  let inSecond = lastMs - secondMs;
  if (inSecond >= 1000) {
    const seconds = Math.floor(inSecond / 1000);
    secondMs += seconds * 1000;
    secondOfEpoch += seconds;
    inSecond = lastMs - secondMs;
    putWhole(second, 0, secondOfEpoch);
  }
  for (let index = 0; index < 10; index++) to[at + index] = second[index]!;
  put9(to, at + 10, (inSecond * 1e6) | 0);
  return at + 19;
}

/** The wall clock, once: later jumps of it do not matter. Date.now() is exact at the moment at which it changes. */
function syncClock(): void {
  const before = Date.now();
  let epochMs = before;
  // A millisecond at most. A clock that a test has stopped never changes.
  for (let attempt = 0; attempt < 100_000 && epochMs === before; attempt++) epochMs = Date.now();
  const nowMs = performance.now();
  startedMs = epochMs;
  secondOfEpoch = Math.floor(epochMs / 1000);
  secondMs = nowMs - (epochMs - secondOfEpoch * 1000);
  lastMs = nowMs;
  putWhole(second, 0, secondOfEpoch);
}

function addLabel(label: unknown): Uint8Array {
  const text = textOf(label);
  const known = labels.get(text);
  if (known) return known;
  if (labels.size >= MAX_LABELS) {
    tellOnce(
      'labels',
      `more than ${MAX_LABELS} labels: the rest are recorded as "${OTHER}". The first of them is "${text.slice(0, 60)}". ` +
        'A label is a route or a kind of work, never an id (told once)',
    );
    return other;
  }
  const ending = endOfRow(text, process.pid);
  labels.set(text, ending);
  return ending;
}

/** What is no string is taken for one; not every object has a text. */
function textOf(label: unknown): string {
  try {
    return String(label);
  } catch {
    return OTHER;
  }
}

function openFile(prefix: Prefix): RowFile {
  const { dir, flushBytes, rotateBytes } = options!;
  const size = prefix === 'duration' ? flushBytes : Math.min(flushBytes, SMALL_BUFFER);
  const of = { dir, prefix, pid: process.pid, thread: threadId, startedMs, flushBytes: size, rotateBytes };
  return (files[prefix] = new RowFile(of));
}

/** Writes the buffers. */
function flush(): void {
  if (!on) return;
  for (const file of Object.values(files)) {
    try {
      file?.flush();
    } catch (error) {
      fail(file!.path, error);
      return;
    }
  }
}

/** A write has failed: recording ends, and the service goes on. */
function fail(path: string | undefined, error: unknown): void {
  const dir = options?.dir;
  tell(
    `cannot write ${path || dir}: ${messageOf(error)}. Recording has stopped, the service goes on. ` +
      `Make room in ${dir} or make it writable, then call start() again`,
  );
  closeFiles();
  on = false;
  options = null;
  clearInterval(timer);
  callAll(switchListeners, false);
}

function closeFiles(): void {
  for (const prefix of Object.keys(files) as Prefix[]) {
    files[prefix]?.close();
    files[prefix] = null;
  }
}
