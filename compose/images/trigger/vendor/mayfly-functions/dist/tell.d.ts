/**
 * One line on stderr. Written to the descriptor: `process.stderr` reports a closed pipe as an event that would end a
 * function which does not listen to it.
 */
export declare function tell(line: string): void;
/** What an error says, to go on after it: some messages end in a full stop, and some are empty, as of several addresses. */
export declare function messageOf(error: unknown): string;
