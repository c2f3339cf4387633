/** What is tried out on the host: busy loops, sleeps, the disk. */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { NoiseReadings } from '../../report/noise-text.ts';
import { medianOf, percentile } from './percentiles.ts';
import type { Jitter, Pieces, SpinTask } from './spin.ts';

const BLOCK = 4096;
const BULK = 16 * 2 ** 20;
/** Milliseconds between two small writes, at least, and the most of them: the test must not wear the disk. */
const REST_MS = 5;
const MOST_SYNCS = 1000;
/** Parts of the time whose medians are compared. */
const TENTHS = 10;

/** Runs a task in `count` threads at once; an abort ends them at once. */
async function spin<T>(count: number, task: SpinTask, signal: AbortSignal): Promise<T[]> {
  signal.throwIfAborted();
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL('./spin.ts', import.meta.url), { workerData: task }),
  );
  const stop = () => workers.forEach((worker) => void worker.terminate());
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.all(
      workers.map(
        (worker) =>
          new Promise<T>((resolve, reject) => {
            worker
              .once('message', resolve)
              .once('error', reject)
              .once('exit', () => reject(signal.reason ?? new Error('the worker ended without an answer')));
          }),
      ),
    );
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** A loop on each core that only looks at the clock. */
export async function probeJitter(
  cores: number,
  seconds: number,
  signal: AbortSignal,
): Promise<NoiseReadings['jitter']> {
  const found = await spin<Jitter>(cores, { task: 'jitter', seconds }, signal);
  const worst = found.flatMap((one) => one.worst);
  const sum = (key: 'over100us' | 'over1ms' | 'over10ms' | 'lost' | 'total') =>
    found.reduce((total, one) => total + one[key], 0);
  return {
    median_s: medianOf(worst) / 1000,
    p999_s: percentile(worst, 0.999) / 1000,
    max_s: percentile(worst, 1) / 1000,
    over_100us: sum('over100us'),
    over_1ms: sum('over1ms'),
    over_10ms: sum('over10ms'),
    lost: sum('lost') / sum('total'),
  };
}

/** The same piece of work on each core, again and again. */
export async function probeWork(cores: number, seconds: number, signal: AbortSignal): Promise<NoiseReadings['work']> {
  return summariseWork(await spin<Pieces>(cores, { task: 'work', seconds }, signal), seconds);
}

/** Pure. */
export function summariseWork(found: readonly Pieces[], seconds: number): NonNullable<NoiseReadings['work']> {
  const took = found.flatMap((one) => one.took);
  const middle = medianOf(took);
  const tenth = (at: number) => Math.min(TENTHS - 1, Math.floor((at / (seconds * 1000)) * TENTHS));
  const parts = Map.groupBy(
    found.flatMap(({ at, took: times }) => at.map((when, i) => ({ part: tenth(when), ms: times[i]! }))),
    ({ part }) => part,
  );
  const medians = [...parts.values()].map((pieces) => medianOf(pieces.map(({ ms }) => ms)));
  return {
    median_s: middle / 1000,
    spread: (1.4826 * medianOf(took.map((ms) => Math.abs(ms - middle)))) / middle,
    p99: percentile(took, 0.99) / middle - 1,
    drift: Math.max(...medians) / Math.min(...medians) - 1,
    pieces: took.length,
  };
}

/** Sleeps of 1 ms, in one thread. */
export async function probeTimer(seconds: number, signal: AbortSignal): Promise<NoiseReadings['timer']> {
  const [late] = await spin<number[]>(1, { task: 'timer', seconds }, signal);
  return {
    median_s: medianOf(late!) / 1000,
    p99_s: percentile(late!, 0.99) / 1000,
    max_s: percentile(late!, 1) / 1000,
  };
}

/**
 * Writes a small file in `folder`, each time down to the disk, then a larger one; the file is removed whatever happens.
 */
export async function probeDisk(folder: string, seconds: number, signal: AbortSignal): Promise<NoiseReadings['disk']> {
  await mkdir(folder, { recursive: true });
  const name = join(folder, `noise-${process.pid}.tmp`);
  try {
    await using file = await open(name, 'wx');
    const block = Buffer.alloc(BLOCK, 7);
    const took: number[] = [];
    for (
      const begin = performance.now();
      performance.now() - begin < seconds * 1000;
      await sleep(Math.max(REST_MS, (seconds * 1000) / MOST_SYNCS))
    ) {
      signal.throwIfAborted();
      took.push(
        await elapsed(async () => {
          await file.write(block, 0, BLOCK, 0);
          await file.sync();
        }),
      );
    }
    signal.throwIfAborted();
    const bulk = await elapsed(async () => {
      await file.write(Buffer.alloc(BULK, 7), 0, BULK, 0);
      await file.sync();
    });
    return {
      sync_p50_s: medianOf(took) / 1000,
      sync_p99_s: percentile(took, 0.99) / 1000,
      bytes_per_s: BULK / (bulk / 1000),
    };
  } finally {
    await rm(name, { force: true });
  }
}

async function elapsed(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
