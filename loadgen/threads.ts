/**
 * The threads that send, as the thread that starts them sees them: it needs no package of theirs, which would cost it
 * memory and time.
 */
import { Worker } from 'node:worker_threads';
import type { LiveCells, LiveNews } from './live.ts';
import type { LoadPlan } from './plan.ts';
import type { Recorded } from './recorder.ts';

export interface SenderData {
  sender: true;
  plan: LoadPlan;
  /** Number of this thread. */
  index: number;
  /** One for each scenario; of a load without scenarios one. */
  cells: LiveCells[];
  /** Ports of the servers to warm up against. */
  warm: { one: number; two: number };
  /** Iterations to try while warming: all that there is time for, or so many. */
  tries: number;
  /** What makes Unix milliseconds of the common clock. */
  epochMs: number;
}

/** From the thread that starts it. */
export type ToSender = { do: 'set-up' } | { do: 'go'; zeroMs: number; data: unknown[] | null };

/** What a thread has sent of one scenario. By side. */
export interface Sent {
  due: { warmup: number[]; measure: number[] };
  /** Of a closed model: when its last iteration has ended, milliseconds on the common clock; 0 where none has. */
  endedMs: number[];
}

/** To it. `part`: number of the scenario. */
export type FromSender =
  | { said: 'ready'; files: Record<string, string> }
  | { said: 'set-up'; data: unknown[] | null }
  | { said: 'fault'; kind: 'usage' | 'generator'; message: string; hint?: string }
  | { said: 'ended'; parts: (Sent & { recorded: Recorded })[]; endMs: number }
  | (LiveNews & { part: number });

/** Megabytes of young objects of a thread before they are looked through; 24 were no faster. */
const YOUNG_MB = 8;

/** Starts one. */
export function startSender(data: SenderData): Worker {
  const worker = new Worker(new URL('./sender.ts', import.meta.url), {
    workerData: data,
    stdout: true,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  worker.stdout.pipe(process.stderr); // what a script prints is no event
  return worker;
}

/** Milliseconds from the go until the window. */
export const windowAfterMs = (plan: LoadPlan): number =>
  plan.warmupS > 0 ? (plan.warmupS + plan.gapS) * 1000 : plan.gapS * 1000;
