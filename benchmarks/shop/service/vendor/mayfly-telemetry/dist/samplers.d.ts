/**
 * Called once per interval. It gives one value, or several by name, or none; a label ends in its unit: `_seconds`,
 * `_bytes`, `_ratio`, `_count`.
 */
export type Sampler = () => number | Record<string, number> | undefined;
export interface RuntimeOptions {
    /** Milliseconds between two samples. Default: 1000. */
    interval?: number;
}
/** Has `sampler` called with the others, once per interval, from now on or from start() on. The same name replaces. */
export declare function addSampler(name: string, sampler: Sampler): void;
