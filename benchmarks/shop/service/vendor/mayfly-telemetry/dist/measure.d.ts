/** Begins a duration. Returns the id for stopDuration(); 0 while recording is off. */
export declare function startDuration(): number;
/** Ends a duration and records it in seconds. An id that is of no open duration is ignored. */
export declare function stopDuration(label: string, id: number): void;
/**
 * Calls `fn` and records how long it took; of a function that returns a promise, until that is settled. What it
 * returns or throws is passed on.
 */
export declare function time<Result>(label: string, fn: () => Result): Result;
/** A standard decorator of a method: every call is timed as by time(). */
export declare function timed(label: string): <This, Args extends unknown[], Result>(method: (this: This, ...args: Args) => Result, context: {
    kind: string;
    name: string | symbol;
}) => ((this: This, ...args: Args) => Result);
/** Records a value of the service's own. The label ends in its unit: `_seconds`, `_bytes`, `_ratio` or `_count`. */
export declare function sample(label: string, value: number): void;
