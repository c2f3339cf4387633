import { closeSync, constants, fchmodSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_ROW } from "./row.js";
const HEADER = Buffer.from('Timepoint, Measurement, Label, PID\n');
const SPACE = 32;
const NEWLINE = 10;
/** Nineteen digits and a comma: where the Measurement of a row begins. */
const MEASUREMENT = 20;
/**
 * Linux copies a write into a file page by page and looks for a fatal signal between pages only. No row crosses a page
 * and no write does, so a process that is killed leaves whole rows.
 */
const PAGE = 4096;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
/** Replicas in containers have the same PID, and may start in the same millisecond over one folder. */
const MAX_NAMES = 1000;
/** Whatever the umask is: who reads is another user. */
export function makeReadable(fd) {
    try {
        fchmodSync(fd, 0o644);
    }
    catch {
        // The permission model of Node.js forbids it.
    }
}
/** The rows of one prefix: a buffer of fixed size, and the file that it is written to. */
export class RowFile {
    buffer;
    /** Where the next row goes. */
    end = 0;
    #options;
    #startedMs;
    #number = 0;
    #fd = -1;
    #path = '';
    /** Bytes in the file; the buffer goes on from there. */
    #written = 0;
    /** Where the last row begins; -1 when it is in the file already. */
    #last = -1;
    constructor(options) {
        this.#options = options;
        this.#startedMs = options.startedMs;
        // Two of them to a file at least: one that is not full does not end it.
        this.buffer = new Uint8Array(Math.min(options.flushBytes, Math.floor(options.rotateBytes / 2)));
        this.#begin();
    }
    /** Makes room for a row of `bytes` that stays within one page. Returns where it begins. Throws what a flush throws. */
    place(bytes) {
        // The row before may grow by less than a row when it is padded.
        if (this.end + 2 * MAX_ROW > this.buffer.length)
            this.flush();
        const room = PAGE - ((this.#written + this.end) % PAGE);
        if (room < bytes)
            this.#pad(room);
        this.#last = this.end;
        return this.end;
    }
    get isEmpty() {
        return this.#last < 0;
    }
    /** Writes what is buffered. Throws the system's error; then the file has whole rows only. */
    flush() {
        if (this.isEmpty)
            return;
        // Of a row that is in the file already no padding is possible: so there must be room for any row after it.
        const room = PAGE - ((this.#written + this.end) % PAGE);
        if (room < MAX_ROW)
            this.#pad(room);
        if (this.#fd < 0)
            this.#open();
        let from = 0;
        while (from < this.end) {
            const bytes = Math.min(this.end - from, PAGE - (this.#written % PAGE));
            this.#write(from, bytes);
            from += bytes;
        }
        this.end = 0;
        this.#last = -1;
        if (this.#written + this.buffer.length > this.#options.rotateBytes)
            this.#rotate();
    }
    /** Closes the file. What is buffered is lost: flush() comes before. */
    close() {
        if (this.#fd < 0)
            return;
        const fd = this.#fd;
        this.#fd = -1;
        try {
            closeSync(fd);
        }
        catch {
            // What a network file system reports here is of rows that were accepted long ago.
        }
    }
    get path() {
        return this.#path;
    }
    #begin() {
        this.buffer.set(HEADER, 0);
        this.end = HEADER.length;
        this.#written = 0;
        this.#last = -1;
    }
    #rotate() {
        this.close();
        this.#number++;
        this.#begin();
    }
    #pad(spaces) {
        const from = this.#last + MEASUREMENT;
        this.buffer.copyWithin(from + spaces, from, this.end);
        this.buffer.fill(SPACE, from, from + spaces);
        this.end += spaces;
    }
    #open() {
        const { dir, prefix, pid, thread } = this.#options;
        for (let attempt = 1;; attempt++) {
            this.#path = join(dir, `${prefix}-${pid}-${thread}-${this.#startedMs}-${this.#number}.csv`);
            try {
                this.#fd = openSync(this.#path, NEW_FILE, 0o644);
                break;
            }
            catch (error) {
                if (error.code !== 'EEXIST' || attempt === MAX_NAMES)
                    throw error;
                this.#startedMs++;
            }
        }
        makeReadable(this.#fd);
    }
    #write(from, bytes) {
        let done = 0;
        try {
            while (done < bytes) {
                const more = writeSync(this.#fd, this.buffer, from + done, bytes - done);
                if (more === 0)
                    throw new Error('nothing was written');
                done += more;
            }
        }
        catch (error) {
            this.#cutBack(from, done);
            throw error;
        }
        this.#written += bytes;
    }
    /** `done` bytes of a page were written, then no more: leaves the whole rows of them. */
    #cutBack(from, done) {
        let whole = done;
        while (whole > 0 && this.buffer[from + whole - 1] !== NEWLINE)
            whole--;
        if (whole < done)
            ftruncateSync(this.#fd, this.#written + whole);
    }
}
