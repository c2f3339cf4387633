/**
 * Records: what a function says of an event, a line of JSON each, for exact accounting. A record is in its file before
 * the other side hears of what it tells.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, tell } from "./tell.js";
/** The environment variable with the folder; none: nothing is recorded. */
const FOLDER = 'MAYFLY_TELEMETRY';
/**
 * Linux copies a write into a file page by page and looks for a fatal signal between pages only. No record crosses a
 * page, so a process that is killed leaves whole ones.
 */
const PAGE = 4096;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
/** Replicas in containers have the same PID, and may start in the same millisecond over one folder. */
const MAX_NAMES = 1000;
/** Of a text in a record, as JSON. An id that is longer is told by its hash: all who record it write the same. */
const MAX_TEXT = 400;
/** Of a reason, in UTF-16 units: at most six bytes each as JSON. */
const MAX_WHY = 150;
const SPACES = Buffer.alloc(PAGE, ' ');
/** undefined: not opened yet. null: there is no folder, or it is full. */
let file;
/**
 * Writes a record, and returns when it is in the file. Where it cannot be written, one line on stderr says so and
 * nothing is recorded from then on: the function goes on.
 */
export function record(what) {
    if (file === undefined)
        file = open();
    if (file === null)
        return;
    const line = lineOf(what);
    const room = PAGE - (file.end % PAGE);
    const bytes = room < line.length ? Buffer.concat([SPACES.subarray(0, room), line]) : line;
    let done = 0;
    try {
        while (done < bytes.length) {
            const more = writeSync(file.fd, bytes, done);
            if (more === 0)
                throw new Error('nothing was written');
            done += more;
        }
        file.end += bytes.length;
    }
    catch (error) {
        const { fd, path, end } = file;
        file = null;
        cutBack(fd, end);
        tell(`cannot write ${path}: ${messageOf(error)}. Nothing is recorded of events from now on, the function goes on. ` +
            'The accounting of this round is not exact: make the folder for records larger (broker.records)');
    }
}
function open() {
    const dir = process.env[FOLDER];
    if (!dir)
        return null;
    let startedMs = Math.floor(performance.timeOrigin);
    let path = dir;
    try {
        makeFolder(dir);
        for (let attempt = 1;; attempt++) {
            path = join(dir, `events-${process.pid}-${startedMs}.jsonl`);
            try {
                const fd = openSync(path, NEW_FILE, 0o644);
                makeReadable(fd);
                return { fd, path, end: 0 };
            }
            catch (error) {
                if (error.code !== 'EEXIST' || attempt === MAX_NAMES)
                    throw error;
                startedMs++;
            }
        }
    }
    catch (error) {
        tell(`cannot write ${path}: ${messageOf(error)}. Nothing is recorded of events, the function goes on. ` +
            `${FOLDER} must be a folder that this user may write to`);
        return null;
    }
}
function makeFolder(dir) {
    try {
        mkdirSync(dir);
    }
    catch (error) {
        if (error.code !== 'EEXIST')
            throw error;
    }
}
/** Whatever the umask is: who reads is another user. */
function makeReadable(fd) {
    try {
        fchmodSync(fd, 0o644);
    }
    catch {
        // The permission model of Node.js forbids it.
    }
}
/** Part of a record may be written: it goes. What stays if that fails has no newline, and is not read. */
function cutBack(fd, end) {
    try {
        ftruncateSync(fd, end);
        closeSync(fd);
    }
    catch {
        // The line of the caller says what is wrong.
    }
}
function lineOf(what) {
    const line = Buffer.from(`${JSON.stringify(what, bounded)}\n`);
    if (line.length <= PAGE)
        return line;
    throw new RangeError(`a record of ${line.length} bytes is longer than ${PAGE}: ${line.toString('utf8', 0, 200)}`);
}
function bounded(key, value) {
    if (typeof value !== 'string')
        return value;
    if (key === 'why')
        return value.slice(0, MAX_WHY);
    // A UTF-16 unit is at most six bytes.
    if (value.length * 6 <= MAX_TEXT || Buffer.byteLength(JSON.stringify(value)) <= MAX_TEXT)
        return value;
    return `sha256:${createHash('sha256').update(value).digest('hex')}`;
}
