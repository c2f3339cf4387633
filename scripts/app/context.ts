/** Makes what comes from outside: clock, ids, engine, store, progress. Stages get them handed down. */
import { ulid } from 'ulid';
import type { Paths } from '../core/paths.ts';
import type { Progress } from '../core/progress.ts';
import type { Engine } from '../engine/engine.ts';
import type { ImageName } from '../images/images.ts';
import type { PrometheusClient } from '../measure/collect/prometheus.ts';
import { connectPrometheus } from '../measure/collect/prometheus.ts';
import type { ImageFound, SetupResult } from '../setup/machine.ts';
import type { Store } from '../store/db.ts';

export interface Context {
  paths: Paths;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  /** Aborts with an Interrupted when the user or the system asks for an end. */
  signal: AbortSignal;
  engine: Engine;
  store: Store;
  /** What the set-up found or made: engine, Compose, images of the stack. */
  machine: SetupResult;
  /** Milliseconds since the epoch. */
  now(): number;
  newRunId(): string;
  /** Gets images that only this work needs, by name. Throws InfrastructureError. */
  obtainImages(names: ImageName[]): Promise<Record<string, ImageFound>>;
  /** A client of a Prometheus; the signal ends its requests. */
  prometheus(url: string, signal?: AbortSignal): PrometheusClient;
}

export function makeContext(
  parts: Pick<Context, 'paths' | 'env' | 'progress' | 'signal' | 'engine' | 'store' | 'machine' | 'obtainImages'>,
): Context {
  return { ...parts, now: Date.now, newRunId: () => ulid(), prometheus: connectPrometheus };
}
