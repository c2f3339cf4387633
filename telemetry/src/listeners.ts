import { messageOf, tell } from './tell.ts';

/** Calls all of them; one that throws is told, and the others are called. */
export function callAll<Args extends unknown[]>(listeners: readonly ((...args: Args) => void)[], ...args: Args): void {
  for (const listener of listeners) {
    try {
      listener(...args);
    } catch (error) {
      tell(`a part of telemetry failed: ${messageOf(error)}. The service goes on`);
    }
  }
}
