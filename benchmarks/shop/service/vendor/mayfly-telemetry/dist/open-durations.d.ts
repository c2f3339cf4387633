/**
 * The durations that are open: when each one began, under a number. A number says its slot and how often the slot was
 * taken, so one that is stale or was never given is recognised. All memory is taken once.
 */
/** As many may be open at once. One more takes the place of the one that is open longest. */
export declare const MAX_OPEN = 16384;
/** Opens a duration that began at `nowMs` and returns its number, which is never 0. `onFull`: the oldest one was given up. */
export declare function openDuration(nowMs: number, onFull: () => void): number;
/**
 * Ends a duration. Returns when it began; -1 for a number that is of no open duration; -2 for one that was open when
 * recording was switched off.
 */
export declare function endDuration(id: number): number;
/** Gives up all that are open. */
export declare function giveUpAll(): void;
