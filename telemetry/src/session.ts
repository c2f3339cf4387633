import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { constants as system } from 'node:os';
import { dirname, resolve } from 'node:path';
import { unwatchControl, watchControl } from './control.ts';
import { callAll } from './listeners.ts';
import type { ProfilerOptions } from './profiler.ts';
import { close, isOpen, open } from './recorder.ts';
import type { RuntimeOptions } from './samplers.ts';
import { forgetTold, messageOf, tell } from './tell.ts';

export interface Options {
  /** The telemetry folder; it is made. Default: the environment variable MAYFLY_TELEMETRY. With neither nothing happens. */
  dir?: string;
  /** Runtime samplers. Default: on, every second. */
  runtime?: boolean | RuntimeOptions;
  /** A profile of the whole session. Default: none; the control file can ask for one at any time. */
  profiler?: boolean | ProfilerOptions;
  /** The buffer in bytes (1 MiB), and how often it is written in milliseconds (1000). */
  flush?: { bytes?: number; interval?: number };
  /** A file that reaches this size is finished and another one begun (8 MiB). */
  rotate?: { bytes?: number };
  /** Toggles recording. Default: SIGUSR2. null: none. */
  signal?: NodeJS.Signals | null;
  /** Whether it records at once, where the control file does not say. Default: true. */
  on?: boolean;
}

/** The environment variable with the folder where start() is given none. */
const FOLDER = 'MAYFLY_TELEMETRY';

const startListeners: ((options: Options) => void)[] = [];
const stopListeners: (() => void)[] = [];
let started = '';

interface Range {
  least: number;
  most: number;
  fallback: number;
}

const KIB = 1024;
const FLUSH_BYTES = { least: 4 * KIB, most: 64 * KIB * KIB, fallback: KIB * KIB };
const FLUSH_MS = { least: 10, most: 3_600_000, fallback: 1000 };
const ROTATE_BYTES = { least: 16 * KIB, most: KIB * KIB * KIB, fallback: 8 * KIB * KIB };

/** Calls `listener` at start(), before the first sample; recording is off yet. What it throws refuses the start. */
export function onStart(listener: (options: Options) => void): void {
  startListeners.push(listener);
}

/** Calls `listener` at stop() and at the exit of the process, before the last flush; it may record. */
export function onStop(listener: () => void): void {
  stopListeners.push(listener);
}

/** Starts telemetry. Returns whether it runs now. Never throws. */
export function start(options: Options = {}): boolean {
  if (started && isOpen()) {
    tell(`start() was called while telemetry runs in ${started}: it goes on as it is. Call stop() first`);
    return true;
  }
  stop();
  const dir = options.dir ?? process.env[FOLDER];
  if (!dir) return false;
  try {
    const folder = resolve(dir);
    const signal = signalOf(options);
    makeFolder(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
    forgetTold();
    open({
      dir: folder,
      flushBytes: wholeNumber('flush.bytes', options.flush?.bytes, FLUSH_BYTES),
      flushMs: wholeNumber('flush.interval', options.flush?.interval, FLUSH_MS),
      rotateBytes: wholeNumber('rotate.bytes', options.rotate?.bytes, ROTATE_BYTES),
    });
    started = folder;
    for (const listener of startListeners) listener(options);
    watchControl({ dir: folder, on: options.on ?? true, signal });
    process.on('exit', stop);
    return true;
  } catch (error) {
    started = '';
    unwatchControl();
    close();
    tell(`cannot start in ${dir}: ${messageOf(error)}. There is no telemetry, the service goes on`);
    return false;
  }
}

/** Stops telemetry and writes what is buffered. Returns whether it ran. Never throws. */
export function stop(): boolean {
  if (!started) return false;
  started = '';
  process.off('exit', stop);
  callAll(stopListeners);
  unwatchControl();
  close();
  return true;
}

/** An option, or its default. Throws where it is no whole number of the range. */
export function wholeNumber(name: string, given: number | undefined, { least, most, fallback }: Range): number {
  if (given === undefined) return fallback;
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  throw new Error(`${name} must be a whole number from ${least} to ${most}, not ${String(given)}`);
}

function signalOf({ signal = 'SIGUSR2' }: Options): NodeJS.Signals | null {
  if (signal === null || signal in system.signals) return signal;
  throw new Error(`signal must be the name of a signal or null, not ${String(signal)}`);
}

/** Not by mkdir's `recursive`: below /proc that never ends. */
function makeFolder(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found) throw new Error('it is no folder');
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
