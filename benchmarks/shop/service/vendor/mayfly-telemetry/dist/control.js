/** Switching at run time: the control file of the telemetry folder, and a signal. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { callAll } from "./listeners.js";
import { isOn, switchTo } from "./recorder.js";
import { messageOf, tellOnce } from "./tell.js";
const LOOK_MS = 100;
const MAX_BYTES = 4096;
/** A file that was changed twice within a tick of the file system's clock looks as if it was changed once. */
const SETTLED_MS = 1000;
const listeners = [];
/** Calls `listener` with the words of the control file, at start() and whenever they change; none without a file. */
export function onControl(listener) {
    listeners.push(listener);
}
let control = null;
/** Looks at the control file from now on, and listens to the signal. */
export function watchControl(options) {
    const threads = new BroadcastChannel('mayfly-telemetry');
    threads.unref();
    const toggle = () => {
        switchTo(!isOn());
        threads.postMessage(isOn());
    };
    const timer = setInterval(look, LOOK_MS).unref();
    control = { options, file: join(options.dir, 'control'), timer, seen: '', text: '', toggle, threads };
    // The system gives signals to the main thread, which tells the others.
    if (!isMainThread)
        threads.onmessage = (event) => switchTo(event.data);
    else if (options.signal)
        process.on(options.signal, toggle);
    const text = read() ?? '';
    control.text = text;
    obey(text);
}
/** The opposite. */
export function unwatchControl() {
    if (!control)
        return;
    clearInterval(control.timer);
    control.threads.close();
    if (control.options.signal)
        process.off(control.options.signal, control.toggle);
    control = null;
}
function look() {
    const text = read();
    if (text === null || !control || text === control.text)
        return;
    control.text = text;
    obey(text);
}
/** The text of the control file, '' without one, null when it is as it was. */
function read() {
    try {
        const found = statSync(control.file, { throwIfNoEntry: false });
        const seen = found ? `${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}` : '';
        if (seen === control.seen && (!found || Date.now() - found.ctimeMs > SETTLED_MS))
            return null;
        control.seen = seen;
        if (!found)
            return '';
        if (!found.isFile() || found.size > MAX_BYTES)
            throw new Error(`it is no file of at most ${MAX_BYTES} bytes`);
        return readFileSync(control.file, 'utf8');
    }
    catch (error) {
        tellOnce('control', `cannot read ${control.file}: ${messageOf(error)}. Recording stays as it is`);
        return null;
    }
}
function obey(text) {
    const words = new Set(text.split(/\s+/).filter(Boolean));
    const wanted = words.has('off') ? false : words.has('on') || control.options.on;
    // A profile that ends now is still recorded.
    if (!wanted)
        callAll(listeners, words);
    switchTo(wanted);
    if (wanted)
        callAll(listeners, words);
}
