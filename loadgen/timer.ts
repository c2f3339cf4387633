/**
 * A thread that sleeps until the next iteration is due, then wakes the thread that sends: setTimeout counts whole
 * milliseconds and waits for the event loop. Protocol: `flag[0]` is the number of iterations that are due so far, `flag[1]`
 * becomes 1 when the thread is up.
 */
import { readlinkSync, writeFileSync } from 'node:fs';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { clockMs } from './clock.ts';

export interface TimerData {
  timer: true;
  /** Milliseconds on the common clock, ascending. */
  due: Float64Array<SharedArrayBuffer>;
  flag: Int32Array<SharedArrayBuffer>;
}

/** What is due within so many milliseconds is due: waking the thread that sends takes longer. */
const EARLY_MS = 0.01;

/** Starts the thread. Its end is the end of the schedule, or `terminate()`. */
export async function startTimer(due: Float64Array<SharedArrayBuffer>, flag: Int32Array<SharedArrayBuffer>): Promise<Worker> {
  const worker = new Worker(new URL('./timer.ts', import.meta.url), { workerData: { timer: true, due, flag } satisfies TimerData });
  await new Promise((resolve, reject) => worker.once('online', resolve).once('error', reject));
  const up = Atomics.waitAsync(flag, 1, 0, 10_000);
  if (up.async) await up.value;
  return worker;
}

/**
 * The kernel lets a sleep end up to 50 µs late so that it can wake several at once (timer slack, prctl(2)); this thread
 * wants none. A thread may set its own through /proc. Where that is not allowed the lag is 50 µs greater.
 */
export function withoutTimerSlack(): void {
  try {
    const thread = readlinkSync('/proc/thread-self').split('/').at(-1)!;
    writeFileSync(`/proc/${thread}/timerslack_ns`, '1');
  } catch {
    // the sleep is as exact as the kernel lets it be
  }
}

function run({ due, flag }: TimerData): void {
  withoutTimerSlack();
  const never = new Int32Array(new SharedArrayBuffer(4));
  Atomics.store(flag, 1, 1);
  Atomics.notify(flag, 1);
  for (let next = 0; next < due.length; ) {
    const now = clockMs() + EARLY_MS;
    if (due[next]! > now) {
      Atomics.wait(never, 0, 0, due[next]! - now);
      continue;
    }
    while (next < due.length && due[next]! <= now) next++;
    Atomics.store(flag, 0, next);
    Atomics.notify(flag, 0);
  }
}

if (!isMainThread && (workerData as TimerData | null)?.timer) run(workerData as TimerData);
