/**
 * Images that a command does without. A refusal is remembered for an hour: a registry that hangs must not hold up every
 * start.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Progress } from '../core/progress.ts';
import type { Engine } from '../engine/engine.ts';
import { pullSource, tryPull } from './obtain.ts';

export interface OptionalOptions {
  api: Engine;
  env: NodeJS.ProcessEnv;
  progress: Pick<Progress, 'step'>;
  signal?: AbortSignal | undefined;
  /** Milliseconds without any progress after which a pull is given up. */
  stallMs?: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** What was refused, by where it was asked for. `at`: milliseconds since the epoch. */
type Refusals = Record<string, { at: number; reason: string }>;

const REMEMBERED_MS = 3_600_000;

/**
 * Pulls an image that is not there, once an hour at most. Returns why there is none, in words, or undefined when it is
 * there.
 */
export async function obtainOptional(ref: string, options: OptionalOptions): Promise<string | undefined> {
  const now = (options.now ?? Date.now)();
  const file = join(
    options.env.XDG_CACHE_HOME || join(options.env.HOME || homedir(), '.cache'),
    'mayfly',
    'refused.json',
  );
  const source = pullSource(ref, options.env);
  const refusals = readRefusals(file);
  const before = refusals[source];
  // A clock that was set back gives an age below zero, which counts for nothing.
  if (before && now >= before.at && now - before.at < REMEMBERED_MS) return before.reason;
  const step = options.progress.step(`image ${ref}`);
  let refusal: string | undefined;
  try {
    refusal = await tryPull(ref, { ...options, update: (text, fraction) => step.update(text, fraction) });
  } catch (error) {
    step.fail();
    throw error;
  }
  if (refusal === undefined) {
    step.done('pulled');
    return undefined;
  }
  const reason = `${source} could not be pulled: ${refusal}`;
  step.done(
    `not here; this goes on without it. It could not be pulled (${refusal}), and is not tried again for an hour`,
  );
  remember(file, { ...refusals, [source]: { at: now, reason } });
  return reason;
}

function readRefusals(file: string): Refusals {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

function remember(file: string, refusals: Refusals): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(refusals));
  } catch {
    // A home that cannot be written to: it is tried each time.
  }
}
