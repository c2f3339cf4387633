/**
 * Now, in milliseconds since the epoch with a fraction. The wall clock is read once, at the start of the process; from
 * then on the monotonic clock counts. All processes of a host have the same.
 */
export declare const nowMs: () => number;
