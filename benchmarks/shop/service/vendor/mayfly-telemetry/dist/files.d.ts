export type Prefix = 'duration' | 'runtime' | 'profiler';
export interface FileOptions {
    dir: string;
    prefix: Prefix;
    pid: number;
    thread: number;
    startedMs: number;
    flushBytes: number;
    rotateBytes: number;
}
/** Whatever the umask is: who reads is another user. */
export declare function makeReadable(fd: number): void;
/** The rows of one prefix: a buffer of fixed size, and the file that it is written to. */
export declare class RowFile {
    #private;
    readonly buffer: Uint8Array;
    /** Where the next row goes. */
    end: number;
    constructor(options: FileOptions);
    /** Makes room for a row of `bytes` that stays within one page. Returns where it begins. Throws what a flush throws. */
    place(bytes: number): number;
    get isEmpty(): boolean;
    /** Writes what is buffered. Throws the system's error; then the file has whole rows only. */
    flush(): void;
    /** Closes the file. What is buffered is lost: flush() comes before. */
    close(): void;
    get path(): string;
}
