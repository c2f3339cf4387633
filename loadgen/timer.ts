/**
 * A thread that sleeps until the next iteration is due, then wakes the thread that sends: setTimeout counts whole
 * milliseconds and waits for the event loop.
 */
import { readlinkSync, writeFileSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { clockMs } from './clock.ts';

/** What the thread is told: a schedule, and where it writes how many iterations of it are due so far. */
interface Schedule {
  /** Milliseconds on the common clock, ascending. */
  due: Float64Array<SharedArrayBuffer>;
  flag: Int32Array<SharedArrayBuffer>;
}

/** What is due within so many milliseconds is due: waking the thread that sends takes longer. */
const EARLY_MS = 0.01;

/**
 * One for each thread that sends. It is started long before the first schedule: a thread takes a tenth of a second to
 * start.
 */
export class Timer {
  readonly #worker = new Worker(new URL('./timer.ts', import.meta.url), { workerData: { timer: true } });
  /** The thread is there. Rejects where it cannot be started. */
  readonly up = new Promise<void>((resolve, reject) =>
    this.#worker.once('message', () => resolve()).once('error', reject),
  );

  constructor() {
    this.up.catch(() => {}); // whoever needs it hears of it
  }

  /**
   * Keeps the time of a schedule, after the one before it has ended; `flag[0]`, which is notified, is the number of
   * iterations that are due.
   */
  keep(due: Float64Array<SharedArrayBuffer>): Int32Array<SharedArrayBuffer> {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    this.#worker.postMessage({ due, flag } satisfies Schedule);
    return flag;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
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

const never = new Int32Array(new SharedArrayBuffer(4));

function run({ due, flag }: Schedule): void {
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

if (!isMainThread && (workerData as { timer?: true } | null)?.timer) {
  withoutTimerSlack();
  parentPort!.on('message', run);
  parentPort!.postMessage('up');
}
