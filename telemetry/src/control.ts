/** Switching at run time: the control file of the telemetry folder, and a signal. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { callAll } from './listeners.ts';
import { isOn, switchTo } from './recorder.ts';
import { messageOf, tellOnce } from './tell.ts';

const LOOK_MS = 100;
const MAX_BYTES = 4096;
/** A file that was changed twice within a tick of the file system's clock looks as if it was changed once. */
const SETTLED_MS = 1000;

const listeners: ((words: ReadonlySet<string>) => void)[] = [];

/** Calls `listener` with the words of the control file, at start() and whenever they change; none without a file. */
export function onControl(listener: (words: ReadonlySet<string>) => void): void {
  listeners.push(listener);
}

export interface ControlOptions {
  dir: string;
  /** Whether it records while there is no control file, or one without `on` and `off`. */
  on: boolean;
  signal: NodeJS.Signals | null;
}

interface Control {
  options: ControlOptions;
  file: string;
  timer: NodeJS.Timeout;
  /** What the file looked like, and the words in it. */
  seen: string;
  text: string;
  toggle: () => void;
  threads: BroadcastChannel;
}

let control: Control | null = null;

/** Looks at the control file from now on, and listens to the signal. */
export function watchControl(options: ControlOptions): void {
  const threads = new BroadcastChannel('mayfly-telemetry');
  threads.unref();
  const toggle = () => {
    switchTo(!isOn());
    threads.postMessage(isOn());
  };
  const timer = setInterval(look, LOOK_MS).unref();
  control = { options, file: join(options.dir, 'control'), timer, seen: '', text: '', toggle, threads };
  // The system gives signals to the main thread, which tells the others.
  if (!isMainThread) threads.onmessage = (event) => switchTo((event as { data: boolean }).data);
  else if (options.signal) process.on(options.signal, toggle);
  const text = read() ?? '';
  control.text = text;
  obey(text);
}

/** The opposite. */
export function unwatchControl(): void {
  if (!control) return;
  clearInterval(control.timer);
  control.threads.close();
  if (control.options.signal) process.off(control.options.signal, control.toggle);
  control = null;
}

function look(): void {
  const text = read();
  if (text === null || !control || text === control.text) return;
  control.text = text;
  obey(text);
}

/** The text of the control file, '' without one, null when it is as it was. */
function read(): string | null {
  try {
    const found = statSync(control!.file, { throwIfNoEntry: false });
    const seen = found ? `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}` : '';
    if (seen === control!.seen && (!found || Date.now() - found.ctimeMs > SETTLED_MS)) return null;
    control!.seen = seen;
    if (!found) return '';
    if (!found.isFile() || found.size > MAX_BYTES) throw new Error(`it is no file of at most ${MAX_BYTES} bytes`);
    return readFileSync(control!.file, 'utf8');
  } catch (error) {
    tellOnce('control', `cannot read ${control!.file}: ${messageOf(error)}. Recording stays as it is`);
    return null;
  }
}

function obey(text: string): void {
  const words: ReadonlySet<string> = new Set(text.split(/\s+/).filter(Boolean));
  const wanted = words.has('off') ? false : words.has('on') || control!.options.on;
  // A profile that ends now is still recorded.
  if (!wanted) callAll(listeners, words);
  switchTo(wanted);
  if (wanted) callAll(listeners, words);
}
