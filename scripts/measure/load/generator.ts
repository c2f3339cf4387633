/**
 * The seam to what makes the load. A generator is three things:
 *   identity    what a run names it by, and a hash of all that decides what it sends (plan/workload in the run's record)
 *   containers  those of a round, started beside the services, and ready when they are
 *   result      typed events while it runs (loadgen/result.ts), and at the end one document mayfly.load/v1 (docs/schemas)
 * Ours is own-generator.ts; any other, as an image, is image-generator.ts.
 */
import type { LoadResultDocument } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import type { Load } from '../../config/types.ts';
import type { ProgressStep } from '../../core/progress.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Sides, Stack } from '../../stack/run-stack.ts';
import type { Edge, Moment } from './edges.ts';
import { imageGenerator } from './image-generator.ts';
import { ownGenerator } from './own-generator.ts';

export interface Generator {
  /** As a run names it. */
  name: string;
  /**
   * Hash of all that decides what is sent: the script and its files, or the image and its command. Refuses what cannot
   * be loaded, before anything is built.
   */
  identify(plan: Plan, ctx: Context): Promise<string>;
  /** Its containers for this round, as far as they can be ready before the services are. */
  prepare(round: number, plan: Plan, stack: Stack, ctx: Context): Promise<PreparedLoad>;
}

export interface PreparedLoad extends AsyncDisposable {
  /** Stands still, and takes no time of the host, until `release`; false where it is not yet ready and cannot. */
  hold(): Promise<boolean>;
  release(): Promise<void>;
  /** Warm-up and window, with counters read at the window's edges. */
  drive(sides: Sides, step: ProgressStep, during: DuringLoad): Promise<LoadResult>;
}

/** What the generator calls while it drives. */
export interface DuringLoad {
  /** A warm-up begins that is long enough to start the next round's generator in it. */
  warmUp(): void;
  /** The window comes: awaited. */
  window(): Promise<void>;
  /** It is known when it begins and ends, milliseconds since the epoch; of a closed model when it ends at the latest. */
  measuring(window: { startMs: number; endMs: number }): void;
  /** Nothing of the host counts any more. */
  measured(): void;
}

export interface LoadResult {
  /** The measured window, milliseconds since the epoch. */
  startMs: number;
  endMs: number;
  /** When the load began; from here on the wall clock must not be set. */
  go: Moment;
  /** End of the window, as performance.now() counts. */
  endSteadyMs: number;
  before: Edge;
  after: Edge;
  /** What it measured; null for one that ended without a result. */
  result: LoadResultDocument | null;
  /** Why it cannot be trusted, where it ended badly. */
  failure: string | null;
}

export const generatorFor = (load: Load): Generator =>
  load.generator.kind === 'image' ? imageGenerator(load.generator.image) : ownGenerator();
