import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { constants as system } from 'node:os';
import { dirname, resolve } from 'node:path';
import { unwatchControl, watchControl } from "./control.js";
import { callAll } from "./listeners.js";
import { close, isOpen, open } from "./recorder.js";
import { forgetTold, messageOf, tell } from "./tell.js";
/** The environment variable with the folder where start() is given none. */
const FOLDER = 'MAYFLY_TELEMETRY';
const startListeners = [];
const stopListeners = [];
let started = '';
const KIB = 1024;
const FLUSH_BYTES = { least: 4 * KIB, most: 64 * KIB * KIB, fallback: KIB * KIB };
const FLUSH_MS = { least: 10, most: 3_600_000, fallback: 1000 };
const ROTATE_BYTES = { least: 16 * KIB, most: KIB * KIB * KIB, fallback: 8 * KIB * KIB };
/** Calls `listener` at start(), before the first sample; recording is off yet. What it throws refuses the start. */
export function onStart(listener) {
    startListeners.push(listener);
}
/** Calls `listener` at stop() and at the exit of the process, before the last flush; it may record. */
export function onStop(listener) {
    stopListeners.push(listener);
}
/** Starts telemetry. Returns whether it runs now. Never throws. */
export function start(options = {}) {
    if (started && isOpen()) {
        tell(`start() was called while telemetry runs in ${started}: it goes on as it is. Call stop() first`);
        return true;
    }
    stop();
    const dir = options.dir ?? process.env[FOLDER];
    if (!dir)
        return false;
    try {
        const folder = resolve(dir);
        const signal = signalOf(options);
        makeFolder(folder);
        accessSync(folder, constants.W_OK | constants.X_OK);
        forgetTold();
        open({
            dir: folder,
            flushBytes: wholeNumber('flush.bytes', options.flush?.bytes, FLUSH_BYTES),
            flushMs: wholeNumber('flush.interval', options.flush?.interval, FLUSH_MS),
            rotateBytes: wholeNumber('rotate.bytes', options.rotate?.bytes, ROTATE_BYTES),
        });
        started = folder;
        for (const listener of startListeners)
            listener(options);
        watchControl({ dir: folder, on: options.on ?? true, signal });
        process.on('exit', stop);
        return true;
    }
    catch (error) {
        started = '';
        unwatchControl();
        close();
        tell(`cannot start in ${dir}: ${messageOf(error)}. There is no telemetry, the service goes on`);
        return false;
    }
}
/** Stops telemetry and writes what is buffered. Returns whether it ran. Never throws. */
export function stop() {
    if (!started)
        return false;
    started = '';
    process.off('exit', stop);
    callAll(stopListeners);
    unwatchControl();
    close();
    return true;
}
/** An option, or its default. Throws where it is no whole number of the range. */
export function wholeNumber(name, given, { least, most, fallback }) {
    if (given === undefined)
        return fallback;
    if (Number.isInteger(given) && given >= least && given <= most)
        return given;
    throw new Error(`${name} must be a whole number from ${least} to ${most}, not ${String(given)}`);
}
function signalOf({ signal = 'SIGUSR2' }) {
    if (signal === null || signal in system.signals)
        return signal;
    throw new Error(`signal must be the name of a signal or null, not ${String(signal)}`);
}
/** Not by mkdir's `recursive`: below /proc that never ends. */
function makeFolder(folder) {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found?.isDirectory())
        return;
    if (found)
        throw new Error('it is no folder');
    makeFolder(dirname(folder));
    try {
        mkdirSync(folder);
    }
    catch (error) {
        // Another process was faster.
        if (error.code !== 'EEXIST')
            throw error;
    }
}
