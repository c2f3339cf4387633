/**
 * Records: what a function says of an event, a line of JSON each, for exact accounting. A record is in its file before
 * the other side hears of what it tells.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, tell } from './tell.ts';

/** An event is known by both. Times are milliseconds since the epoch with a fraction, as nowMs() of the clock gives them. */
interface Of {
  t: number;
  id: string;
  source: string;
}

/** Producer: before the sink gets it. */
export interface Offered extends Of {
  e: 'offered';
  type: string;
  seq: number | null;
  scheduled: number | null;
  received: number | null;
}

/** Producer: the sink has answered 2xx. */
export interface Accepted extends Of {
  e: 'accepted';
  tries: number;
}

/** Producer: given up. */
export interface Rejected extends Of {
  e: 'rejected';
  status: number | null;
  why: string;
}

/** Ingress: the broker has acknowledged it. No trigger: unrouted. */
export interface Taken extends Of {
  e: 'taken';
  triggers: string[];
}

/** Ingress: it was no CloudEvent. */
export interface Refused {
  e: 'refused';
  t: number;
  id: string | null;
  source: string | null;
  why: string;
}

/** Trigger service: one attempt has ended. `stored`: when the broker got the event. */
export interface Attempt extends Of {
  e: 'attempt';
  end: number;
  trigger: string;
  n: number;
  stored: number | null;
  status: number | null;
}

/** Trigger service: the broker has the acknowledgement, or the dead letter. */
export interface Settled extends Of {
  e: 'settled';
  trigger: string;
  as: 'delivered' | 'dead-lettered';
  why?: string;
}

/** Consumer: done, before it answers. */
export interface Consumed extends Of {
  e: 'consumed';
  end: number;
  seq: number | null;
  trigger: string | null;
  scheduled: number | null;
}

export type EventRecord = Offered | Accepted | Rejected | Taken | Refused | Attempt | Settled | Consumed;

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

interface Open {
  fd: number;
  path: string;
  /** Bytes in it. */
  end: number;
}

/** undefined: not opened yet. null: there is no folder, or it is full. */
let file: Open | null | undefined;

/**
 * Writes a record, and returns when it is in the file. Where it cannot be written, one line on stderr says so and
 * nothing is recorded from then on: the function goes on.
 */
export function record(what: EventRecord): void {
  if (file === undefined) file = open();
  if (file === null) return;
  const line = lineOf(what);
  const room = PAGE - (file.end % PAGE);
  const bytes = room < line.length ? Buffer.concat([SPACES.subarray(0, room), line]) : line;
  let done = 0;
  try {
    while (done < bytes.length) {
      const more = writeSync(file.fd, bytes, done);
      if (more === 0) throw new Error('nothing was written');
      done += more;
    }
    file.end += bytes.length;
  } catch (error) {
    const { fd, path, end } = file;
    file = null;
    cutBack(fd, end);
    tell(
      `cannot write ${path}: ${messageOf(error)}. Nothing is recorded of events from now on, the function goes on. ` +
        'The accounting of this round is not exact: make the folder for records larger (broker.records)',
    );
  }
}

function open(): Open | null {
  const dir = process.env[FOLDER];
  if (!dir) return null;
  let startedMs = Math.floor(performance.timeOrigin);
  let path = dir;
  try {
    makeFolder(dir);
    for (let attempt = 1; ; attempt++) {
      path = join(dir, `events-${process.pid}-${startedMs}.jsonl`);
      try {
        const fd = openSync(path, NEW_FILE, 0o644);
        makeReadable(fd);
        return { fd, path, end: 0 };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === MAX_NAMES) throw error;
        startedMs++;
      }
    }
  } catch (error) {
    tell(
      `cannot write ${path}: ${messageOf(error)}. Nothing is recorded of events, the function goes on. ` +
        `${FOLDER} must be a folder that this user may write to`,
    );
    return null;
  }
}

function makeFolder(dir: string): void {
  try {
    mkdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Whatever the umask is: who reads is another user. */
function makeReadable(fd: number): void {
  try {
    fchmodSync(fd, 0o644);
  } catch {
    // The permission model of Node.js forbids it.
  }
}

/** Part of a record may be written: it goes. What stays if that fails has no newline, and is not read. */
function cutBack(fd: number, end: number): void {
  try {
    ftruncateSync(fd, end);
    closeSync(fd);
  } catch {
    // The line of the caller says what is wrong.
  }
}

function lineOf(what: EventRecord): Buffer {
  const line = Buffer.from(`${JSON.stringify(what, bounded)}\n`);
  if (line.length <= PAGE) return line;
  throw new RangeError(`a record of ${line.length} bytes is longer than ${PAGE}: ${line.toString('utf8', 0, 200)}`);
}

function bounded(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (key === 'why') return value.slice(0, MAX_WHY);
  // A UTF-16 unit is at most six bytes.
  if (value.length * 6 <= MAX_TEXT || Buffer.byteLength(JSON.stringify(value)) <= MAX_TEXT) return value;
  return `sha256:${createHash('sha256').update(value).digest('hex')}`;
}
