export declare function setTraceId(how: (() => string | undefined) | null): void;
/** Of the trace that is under way, where it is recorded. */
export declare const traceId: () => string | undefined;
