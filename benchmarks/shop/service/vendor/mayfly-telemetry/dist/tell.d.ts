/**
 * One line on stderr. Written to the descriptor: `process.stderr` reports a closed pipe as an event that would end a
 * service which does not listen to it.
 */
export declare function tell(line: string): void;
/** The same, once for each `what` until the next start(). */
export declare function tellOnce(what: string, line: string): void;
export declare function forgetTold(): void;
export declare function messageOf(error: unknown): string;
