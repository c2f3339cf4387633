import { writeSync } from 'node:fs';
/**
 * One line on stderr. Written to the descriptor: `process.stderr` reports a closed pipe as an event that would end a
 * service which does not listen to it.
 */
export function tell(line) {
    try {
        writeSync(2, `mayfly-telemetry: ${line}\n`);
    }
    catch {
        // Nobody listens to stderr.
    }
}
const told = new Set();
/** The same, once for each `what` until the next start(). */
export function tellOnce(what, line) {
    if (told.has(what))
        return;
    told.add(what);
    tell(line);
}
export function forgetTold() {
    told.clear();
}
export function messageOf(error) {
    // Some of Node's messages end in a full stop, and a sentence goes on after this.
    return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
