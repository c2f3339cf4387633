export interface ProfilerOptions {
    /** A CPU profile of the whole session. Default: true. */
    cpu?: boolean;
    /** A sampling heap profile of the whole session. Default: false. */
    heap?: boolean;
    /** Microseconds between two samples of the CPU profile. Default: 1000. */
    interval?: number;
    /** Bytes between two samples of the heap profile, on average. Default: 524288. */
    heapInterval?: number;
    /** A CPU profile that is longer than this many seconds is written, and another one begun: memory ends. Default: 600. */
    longest?: number;
}
