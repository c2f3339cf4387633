import { type Prefix } from './files.ts';
export interface RecorderOptions {
    dir: string;
    flushBytes: number;
    flushMs: number;
    rotateBytes: number;
}
/** Whether samples are recorded now. */
export declare function isOn(): boolean;
/**
 * Calls `listener` whenever recording is switched on or off, also by start(), stop() and a full disk. When it is told of
 * off it may still record, unless nothing can be written any more.
 */
export declare function onSwitch(listener: (on: boolean) => void): void;
/** The folder, and the beginning of the names of the files of this recorder; null when it is not started. */
export declare function place(prefix: Prefix): {
    dir: string;
    stem: string;
} | null;
/** Begins with recording off; switchTo(true) follows. */
export declare function open(given: RecorderOptions): void;
/** Whether it was opened, and everything could be written so far. */
export declare function isOpen(): boolean;
/** Writes what is buffered and closes the files. */
export declare function close(): void;
/** Switches recording. Off: the buffers are written, nothing is measured any more. */
export declare function switchTo(wanted: boolean): void;
/** Writes one row, with the time of now. */
export declare function record(prefix: Prefix, label: string, value: number): void;
/** The same of a moment, as performance.now() gives it. */
export declare function recordAt(prefix: Prefix, label: string, value: number, nowMs: number): void;
