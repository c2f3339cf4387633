import type { ProfilerOptions } from './profiler.ts';
import type { RuntimeOptions } from './samplers.ts';
export interface Options {
    /** The telemetry folder; it is made. Default: the environment variable MAYFLY_TELEMETRY. With neither nothing happens. */
    dir?: string;
    /** Runtime samplers. Default: on, every second. */
    runtime?: boolean | RuntimeOptions;
    /** A profile of the whole session. Default: none; the control file can ask for one at any time. */
    profiler?: boolean | ProfilerOptions;
    /** The buffer in bytes (1 MiB), and how often it is written in milliseconds (1000). */
    flush?: {
        bytes?: number;
        interval?: number;
    };
    /** A file that reaches this size is finished and another one begun (8 MiB). */
    rotate?: {
        bytes?: number;
    };
    /** Toggles recording. Default: SIGUSR2. null: none. */
    signal?: NodeJS.Signals | null;
    /** Whether it records at once, where the control file does not say. Default: true. */
    on?: boolean;
}
interface Range {
    least: number;
    most: number;
    fallback: number;
}
/** Calls `listener` at start(), before the first sample; recording is off yet. What it throws refuses the start. */
export declare function onStart(listener: (options: Options) => void): void;
/** Calls `listener` at stop() and at the exit of the process, before the last flush; it may record. */
export declare function onStop(listener: () => void): void;
/** Starts telemetry. Returns whether it runs now. Never throws. */
export declare function start(options?: Options): boolean;
/** Stops telemetry and writes what is buffered. Returns whether it ran. Never throws. */
export declare function stop(): boolean;
/** An option, or its default. Throws where it is no whole number of the range. */
export declare function wholeNumber(name: string, given: number | undefined, { least, most, fallback }: Range): number;
export {};
