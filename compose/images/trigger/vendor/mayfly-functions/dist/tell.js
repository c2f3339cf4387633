import { writeSync } from 'node:fs';
/**
 * One line on stderr. Written to the descriptor: `process.stderr` reports a closed pipe as an event that would end a
 * function which does not listen to it.
 */
export function tell(line) {
    try {
        writeSync(2, `mayfly-functions: ${line}\n`);
    }
    catch {
        // Nobody listens to stderr.
    }
}
/** What an error says, to go on after it: some messages end in a full stop, and some are empty, as of several addresses. */
export function messageOf(error) {
    if (!(error instanceof Error))
        return String(error);
    return (error.message || String(error.code ?? error.name)).replace(/\.$/, '');
}
