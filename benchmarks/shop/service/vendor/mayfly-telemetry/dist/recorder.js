/** The hot path: a row is formatted straight into a buffer. Nothing here throws, and a sample allocates nothing. */
import { performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';
import { RowFile } from "./files.js";
import { callAll } from "./listeners.js";
import { endOfRow, put9, putNumber, putSeconds, putWhole } from "./row.js";
import { messageOf, tell, tellOnce } from "./tell.js";
const MAX_LABELS = 1000;
/** Samplers and profiles write little. */
const SMALL_BUFFER = 64 * 1024;
/** The longest of what comes before the label: 19 digits, a comma, a number of at most 25 characters. */
const BEFORE_LABEL = 45;
const OTHER = '(other)';
let on = false;
let options = null;
let startedMs = 0;
let timer;
const files = { duration: null, runtime: null, profiler: null };
const labels = new Map();
const other = endOfRow(OTHER, process.pid);
/** performance.now() at the whole second of the epoch whose ten digits are in `second`. */
let secondMs = 0;
let secondOfEpoch = 0;
const second = new Uint8Array(10);
/** performance.now() of the row before. */
let lastMs = 0;
const switchListeners = [];
/** Whether samples are recorded now. */
export function isOn() {
    return on;
}
/**
 * Calls `listener` whenever recording is switched on or off, also by start(), stop() and a full disk. When it is told of
 * off it may still record, unless nothing can be written any more.
 */
export function onSwitch(listener) {
    switchListeners.push(listener);
}
/** The folder, and the beginning of the names of the files of this recorder; null when it is not started. */
export function place(prefix) {
    if (!options)
        return null;
    return { dir: options.dir, stem: `${prefix}-${process.pid}-${threadId}-${startedMs}` };
}
/** Begins with recording off; switchTo(true) follows. */
export function open(given) {
    options = given;
    syncClock();
}
/** Whether it was opened, and everything could be written so far. */
export function isOpen() {
    return options !== null;
}
/** Writes what is buffered and closes the files. */
export function close() {
    switchTo(false);
    closeFiles();
    options = null;
    labels.clear();
}
/** Switches recording. Off: the buffers are written, nothing is measured any more. */
export function switchTo(wanted) {
    if (on === wanted || !options)
        return;
    if (wanted) {
        on = true;
        timer = setInterval(flush, options.flushMs).unref();
        callAll(switchListeners, true);
    }
    else {
        callAll(switchListeners, false);
        flush();
        on = false;
        clearInterval(timer);
    }
}
/** Writes one row, with the time of now. */
export function record(prefix, label, value) {
    if (on)
        recordAt(prefix, label, value, performance.now());
}
/** The same of a moment, as performance.now() gives it. */
export function recordAt(prefix, label, value, nowMs) {
    if (!on)
        return;
    try {
        write(files[prefix] ?? openFile(prefix), prefix === 'duration', label, value, nowMs);
    }
    catch (error) {
        fail(files[prefix]?.path, error);
    }
}
function write(file, isDuration, label, value, nowMs) {
    const ending = labels.get(label) ?? addLabel(label);
    if (!Number.isFinite(value)) {
        tellOnce('finite', `a value of "${label}" is ${value}: left out. Record finite numbers (told once)`);
        return;
    }
    let at = file.place(BEFORE_LABEL + ending.length);
    const to = file.buffer;
    at = putTime(to, at, nowMs);
    to[at++] = 44;
    const nanoseconds = value * 1e9;
    at =
        isDuration && nanoseconds >= 0 && nanoseconds < Number.MAX_SAFE_INTEGER
            ? putSeconds(to, at, Math.round(nanoseconds))
            : putNumber(to, at, value);
    for (let index = 0; index < ending.length; index++)
        to[at + index] = ending[index];
    file.end = at + ending.length;
}
function putTime(to, at, nowMs) {
    if (nowMs > lastMs)
        lastMs = nowMs;
    let inSecond = lastMs - secondMs;
    if (inSecond >= 1000) {
        const seconds = Math.floor(inSecond / 1000);
        secondMs += seconds * 1000;
        secondOfEpoch += seconds;
        inSecond = lastMs - secondMs;
        putWhole(second, 0, secondOfEpoch);
    }
    for (let index = 0; index < 10; index++)
        to[at + index] = second[index];
    put9(to, at + 10, (inSecond * 1e6) | 0);
    return at + 19;
}
/** The wall clock, once: later jumps of it do not matter. Date.now() is exact at the moment at which it changes. */
function syncClock() {
    const before = Date.now();
    let epochMs = before;
    // A millisecond at most. A clock that a test has stopped never changes.
    for (let attempt = 0; attempt < 100_000 && epochMs === before; attempt++)
        epochMs = Date.now();
    const nowMs = performance.now();
    startedMs = epochMs;
    secondOfEpoch = Math.floor(epochMs / 1000);
    secondMs = nowMs - (epochMs - secondOfEpoch * 1000);
    lastMs = nowMs;
    putWhole(second, 0, secondOfEpoch);
}
function addLabel(label) {
    const text = textOf(label);
    const known = labels.get(text);
    if (known)
        return known;
    if (labels.size >= MAX_LABELS) {
        tellOnce('labels', `more than ${MAX_LABELS} labels: the rest are recorded as "${OTHER}". The first of them is "${text.slice(0, 60)}". ` +
            'A label is a route or a kind of work, never an id (told once)');
        return other;
    }
    const ending = endOfRow(text, process.pid);
    labels.set(text, ending);
    return ending;
}
/** What is no string is taken for one; not every object has a text. */
function textOf(label) {
    try {
        return String(label);
    }
    catch {
        return OTHER;
    }
}
function openFile(prefix) {
    const { dir, flushBytes, rotateBytes } = options;
    const size = prefix === 'duration' ? flushBytes : Math.min(flushBytes, SMALL_BUFFER);
    const of = { dir, prefix, pid: process.pid, thread: threadId, startedMs, flushBytes: size, rotateBytes };
    return (files[prefix] = new RowFile(of));
}
/** Writes the buffers. */
function flush() {
    if (!on)
        return;
    for (const file of Object.values(files)) {
        try {
            file?.flush();
        }
        catch (error) {
            fail(file.path, error);
            return;
        }
    }
}
/** A write has failed: recording ends, and the service goes on. */
function fail(path, error) {
    const dir = options?.dir;
    tell(`cannot write ${path || dir}: ${messageOf(error)}. Recording has stopped, the service goes on. ` +
        `Make room in ${dir} or make it writable, then call start() again`);
    closeFiles();
    on = false;
    options = null;
    clearInterval(timer);
    callAll(switchListeners, false);
}
function closeFiles() {
    for (const prefix of Object.keys(files)) {
        files[prefix]?.close();
        files[prefix] = null;
    }
}
