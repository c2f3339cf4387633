/** Work that is done again and again until the signal; `wake` does it at once. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Loop {
  name: string;
  /** Milliseconds between the end of one turn and the next. */
  everyMs: number;
  /** wake() begins a turn of it. */
  wakes: boolean;
  turn(): Promise<void> | void;
}

/**
 * Runs each loop beside the others. A turn that throws is logged, and the next one comes. Resolves when the signal has
 * aborted and every turn has ended.
 */
export function startLoops(
  loops: readonly Loop[],
  signal: AbortSignal,
  log: (line: string) => void,
): { wake(): void; ended: Promise<void> } {
  const waiting = new Map<Loop, AbortController>();
  const woken = new Set<Loop>();
  const run = async (loop: Loop) => {
    while (!signal.aborted) {
      woken.delete(loop);
      try {
        await loop.turn();
      } catch (error) {
        if (!signal.aborted)
          log(
            `${loop.name}: ${error instanceof Error ? error.message : String(error)}; it is tried again in ${loop.everyMs / 1000} s`,
          );
      }
      if (woken.has(loop)) continue;
      const nap = new AbortController();
      waiting.set(loop, nap);
      await sleep(loop.everyMs, undefined, { signal: AbortSignal.any([signal, nap.signal]) }).catch(() => {});
      waiting.delete(loop);
    }
  };
  const wake = () => {
    for (const loop of loops.filter(({ wakes }) => wakes)) {
      woken.add(loop);
      waiting.get(loop)?.abort();
    }
  };
  return { wake, ended: Promise.all(loops.map(run)).then(() => {}) };
}
