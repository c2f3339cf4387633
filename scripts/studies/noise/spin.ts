/**
 * The worker of `npm run noise`: keeps a core busy, or sleeps, and tells how that went. Times in milliseconds of
 * performance.now().
 */
import { parentPort, workerData } from 'node:worker_threads';

export interface SpinTask {
  task: 'jitter' | 'work' | 'timer';
  seconds: number;
}

export interface Jitter {
  /** Greatest gap of each millisecond. */
  worst: number[];
  over100us: number;
  over1ms: number;
  over10ms: number;
  /** Time in gaps of more than 0.1 ms, and time in all. */
  lost: number;
  total: number;
}

/** A piece of work: when it began, how long it took. */
export type Pieces = { at: number[]; took: number[] };

/** Compiled and warm before it counts. */
const WARM_UP_MS = 200;
/**
 * Rounds of the mixing below between two looks at the clock (about 1 µs), and of a piece of work (a few milliseconds).
 */
const SHORT = 500;
const PIECE = 2_000_000;

let state = 1;

function mix(rounds: number): void {
  let value = state;
  for (let i = 0; i < rounds; i++) {
    value ^= value << 13;
    value ^= value >>> 17;
    value ^= value << 5;
  }
  state = value | 1;
}

function jitter(ms: number): Jitter {
  const found: Jitter = { worst: [], over100us: 0, over1ms: 0, over10ms: 0, lost: 0, total: 0 };
  const begin = performance.now();
  let [last, slice, worst] = [begin, 0, 0];
  while (last - begin < ms) {
    mix(SHORT);
    const now = performance.now();
    const gap = now - last;
    last = now;
    if (gap > worst) worst = gap;
    if (gap > 0.1) {
      found.lost += gap;
      found.over100us++;
      if (gap > 1) found.over1ms++;
      if (gap > 10) found.over10ms++;
    }
    const current = Math.floor(now - begin);
    if (current > slice) {
      found.worst.push(worst);
      [slice, worst] = [current, 0];
    }
  }
  found.total = last - begin;
  return found;
}

function work(ms: number): Pieces {
  const pieces: Pieces = { at: [], took: [] };
  const begin = performance.now();
  let last = begin;
  while (last - begin < ms) {
    mix(PIECE);
    const now = performance.now();
    pieces.at.push(last - begin);
    pieces.took.push(now - last);
    last = now;
  }
  return pieces;
}

/** How late sleeps of 1 ms end. */
function timer(ms: number): number[] {
  const never = new Int32Array(new SharedArrayBuffer(4));
  const late: number[] = [];
  const begin = performance.now();
  for (let last = begin; last - begin < ms; ) {
    Atomics.wait(never, 0, 0, 1);
    const now = performance.now();
    late.push(Math.max(0, now - last - 1));
    last = now;
  }
  return late;
}

const { task, seconds } = workerData as SpinTask;
const run = { jitter, work, timer }[task];
run(WARM_UP_MS);
parentPort!.postMessage(run(seconds * 1000));
