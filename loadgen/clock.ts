/** One clock for all threads: milliseconds, monotonic, with microseconds inside. */

/**
 * performance.now() counts from the start of its thread: what to add so that all threads agree (with process.hrtime(),
 * which is one for all).
 */
function offsetMs(): number {
  let best = Infinity;
  let offset = 0;
  for (let i = 0; i < 50; i++) {
    const before = process.hrtime();
    const now = performance.now();
    const after = process.hrtime();
    const span = ms(after) - ms(before);
    if (span < best) {
      best = span;
      offset = (ms(before) + ms(after)) / 2 - now;
    }
  }
  return offset;
}

const ms = ([seconds, nanoseconds]: [number, number]) => seconds * 1e3 + nanoseconds / 1e6;
const OFFSET = offsetMs();

export const clockMs = (): number => performance.now() + OFFSET;

/**
 * What makes Unix milliseconds, with a fraction, of this clock: the clock of performance.timeOrigin, as the services under
 * test have it. It differs by microseconds from thread to thread, so one says it for all.
 */
export const unixOffsetMs = (): number => performance.timeOrigin - OFFSET;
