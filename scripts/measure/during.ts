/**
 * What goes on beside the load in the window of a round: disturbances and the autoscaler, of each side side by side. A
 * benchmark that names neither has nothing of it.
 */
import type { Context } from '../app/context.ts';
import type { RoundDocument, Sample, SideName } from '../documents/run.ts';
import type { Sides, Stack } from '../stack/run-stack.ts';
import { type AutoscaleResult, autoscale } from './autoscale.ts';
import { type Done, disturb } from './disturb/disturb.ts';
import { disturbancesOf, figuresOf } from './disturb/figures.ts';
import { networkTools } from './disturb/network.ts';
import type { LoadResult } from './load/generator.ts';

export interface Window {
  /** Milliseconds since the epoch; of a closed model the end is the latest one. */
  startMs: number;
  endMs: number;
}

/** What was done to a side, and why a part of it could not be done: each makes the round INVALID. */
export interface DuringOfSide {
  disturbances: NonNullable<RoundDocument['disturbances']>;
  autoscale: RoundDocument['autoscale'] | null;
  /** Of the built-in metrics of disturbances. */
  samples: Record<string, Sample>;
  failures: { code: 'disturbance-failed' | 'autoscale-failed'; message: string }[];
}

export interface During {
  /** As soon as the window is known. */
  begin(window: Window): void;
  /** Ends what still goes on, and gives what was done. Never rejects but for the signal of the stack. */
  end(load: Pick<LoadResult, 'startMs' | 'endMs' | 'result'>): Promise<Map<SideName, DuringOfSide>>;
}

/** Nothing where the benchmark names nothing. */
export function startDuring(sides: Sides, stack: Stack, ctx: Context): During | null {
  const { disturbances } = sides.plan.config;
  const isScaled = sides.plan.sides.some(({ deployment }) => deployment.autoscale !== null);
  if (disturbances.length === 0 && !isScaled) return null;
  return beside(sides, stack, ctx);
}

interface Found {
  side: SideName;
  done: Done[];
  scaled: AutoscaleResult;
}

function beside(sides: Sides, stack: Stack, ctx: Context): During {
  const { config, dir, runId } = sides.plan;
  const ended = new AbortController();
  const over = AbortSignal.any([ended.signal, stack.signal]);
  let going: Promise<Found[]> = Promise.resolve([]);

  async function ofSide(side: SideName, window: Window): Promise<Found> {
    const zeroMs = performance.now() + window.startMs - ctx.now();
    const around = {
      side,
      replicas: sides.replicas,
      engine: ctx.engine,
      network: networkTools(ctx.env),
      sinceStart: () => (performance.now() - zeroMs) / 1000,
      over,
    };
    const [done, scaled] = await Promise.all([
      disturb(config.disturbances, around),
      autoscale(side, sides, window, over, stack, ctx),
    ]);
    return { side, done, scaled };
  }

  return {
    begin(window) {
      going = Promise.all(sides.plan.sides.map(({ name }) => ofSide(name, window)));
      going.catch(() => {}); // awaited at the end
    },
    async end({ startMs, endMs, result }) {
      ended.abort();
      const found = await going;
      stack.signal.throwIfAborted();
      const windowS = (endMs - startMs) / 1000;
      // Without a result the round is INVALID anyway.
      const wanted = result === null || config.disturbances.length === 0 ? [] : found;
      const round = { runDir: dir, runId, round: sides.round, windowS };
      const figures = wanted.length > 0 ? await figuresOf(wanted, round) : [];
      return new Map(
        found.map(({ side, done, scaled }) => {
          const place = wanted.findIndex((one) => one.side === side);
          const own = typeof figures === 'string' ? figures : (figures[place] ?? 'was not read');
          const disturbed = disturbancesOf(done, own, windowS);
          const failures = [...disturbed.failures, ...scaled.failures];
          return [side, { ...disturbed, autoscale: scaled.document, failures }];
        }),
      );
    },
  };
}
