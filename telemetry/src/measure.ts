/** What a service calls around its own blocks. While recording is off each of these is one comparison. */
import { performance } from 'node:perf_hooks';
import { types } from 'node:util';
import { endDuration, giveUpAll, MAX_OPEN, openDuration } from './open-durations.ts';
import { isOn, onSwitch, record, recordAt } from './recorder.ts';
import { tellOnce } from './tell.ts';

const NO_ARGUMENTS: [] = [];

onSwitch((on) => {
  if (!on) giveUpAll();
});

/** Begins a duration. Returns the id for stopDuration(); 0 while recording is off. */
export function startDuration(): number {
  return isOn() ? openDuration(performance.now(), tellFull) : 0;
}

/** Ends a duration and records it in seconds. An id that is of no open duration is ignored. */
export function stopDuration(label: string, id: number): void {
  if (!isOn() || id === 0) return;
  const nowMs = performance.now();
  const startMs = endDuration(id);
  if (startMs >= 0) recordAt('duration', label, (nowMs - startMs) / 1000, nowMs);
  else if (startMs === -1) tellUnknown(label, id);
}

/**
 * Calls `fn` and records how long it took; of a function that returns a promise, until that is settled. What it
 * returns or throws is passed on.
 */
export function time<Result>(label: string, fn: () => Result): Result {
  return isOn() ? timeCall(label, fn, undefined, NO_ARGUMENTS) : fn();
}

/** A standard decorator of a method: every call is timed as by time(). */
export function timed(label: string) {
  return <This, Args extends unknown[], Result>(
    method: (this: This, ...args: Args) => Result,
    context: { kind: string; name: string | symbol },
  ): ((this: This, ...args: Args) => Result) => {
    if (context.kind !== 'method') {
      throw new TypeError(`@timed is for methods: ${String(context.name)} is a ${context.kind}`);
    }
    return function (this: This, ...args: Args): Result {
      return isOn() ? timeCall(label, method, this, args) : method.apply(this, args);
    };
  };
}

/** Records a value of the service's own. The label ends in its unit: `_seconds`, `_bytes`, `_ratio` or `_count`. */
export function sample(label: string, value: number): void {
  record('runtime', label, value);
}

function timeCall<This, Args extends unknown[], Result>(
  label: string,
  fn: (this: This, ...args: Args) => Result,
  self: This,
  args: Args,
): Result {
  const startMs = performance.now();
  let result: Result;
  try {
    result = fn.apply(self, args);
  } catch (error) {
    recordSince(label, startMs);
    throw error;
  }
  // Not of every object with a then(): to call that may be what begins its work.
  if (typeof result === 'object' && result !== null && types.isPromise(result)) {
    return result.then(
      (value) => {
        recordSince(label, startMs);
        return value;
      },
      (error) => {
        recordSince(label, startMs);
        throw error;
      },
    ) as Result;
  }
  recordSince(label, startMs);
  return result;
}

function recordSince(label: string, startMs: number): void {
  const nowMs = performance.now();
  recordAt('duration', label, (nowMs - startMs) / 1000, nowMs);
}

function tellFull(): void {
  tellOnce(
    'full',
    `${MAX_OPEN} durations are open at once: the one that has been open longest is given up. ` +
      'Does every startDuration() have its stopDuration()? (told once)',
  );
}

function tellUnknown(label: unknown, id: unknown): void {
  tellOnce(
    'unknown',
    `stopDuration(${quoted(label)}, ${quoted(id)}): no duration with this id is open. It is ignored. ` +
      'Give it what startDuration() has returned, once (told once)',
  );
}

function quoted(value: unknown): string {
  return typeof value === 'string'
    ? JSON.stringify(value.slice(0, 60))
    : typeof value === 'number'
      ? `${value}`
      : typeof value;
}
