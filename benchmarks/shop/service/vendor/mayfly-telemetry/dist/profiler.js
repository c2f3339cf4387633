/** Profiles by V8 itself: of the CPU and of the heap, for the whole session or while the control file asks for them. */
import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { onControl } from "./control.js";
import { makeReadable } from "./files.js";
import { isOn, onSwitch, place, record } from "./recorder.js";
import { onStart, onStop, wholeNumber } from "./session.js";
import { messageOf, tell } from "./tell.js";
const NAMES = { cpu: 'CPU', heap: 'heap' };
/** Rows of the CSV file for one profile. */
const MAX_FUNCTIONS = 50;
const MAX_NAME = 80;
const MAX_PLACE = 115;
/** No function of anybody's: the tree's root, and time that was not spent. */
const NO_FUNCTION = new Set(['(root)', '(idle)']);
const INTERVAL_US = { least: 50, most: 1_000_000, fallback: 1000 };
const HEAP_BYTES = { least: 1024, most: 1024 ** 3, fallback: 512 * 1024 };
const LONGEST_S = { least: 1, most: 86_400, fallback: 600 };
const require = createRequire(import.meta.url);
/** Profiles that run now. */
const running = new Map();
let session = { cpu: false, heap: false };
let numbers = { interval: 0, heapInterval: 0, longest: 0 };
let words = new Set();
let stem = '';
let number = 0;
let timer;
onStart(({ profiler = false }) => {
    const options = profiler === true ? {} : profiler || { cpu: false };
    session = { cpu: options.cpu ?? true, heap: options.heap ?? false };
    numbers = {
        interval: wholeNumber('profiler.interval', options.interval, INTERVAL_US),
        heapInterval: wholeNumber('profiler.heapInterval', options.heapInterval, HEAP_BYTES),
        longest: wholeNumber('profiler.longest', options.longest, LONGEST_S),
    };
    words = new Set();
});
onControl((found) => {
    words = found;
    update(isOn());
});
onSwitch(update);
onStop(() => {
    session = { cpu: false, heap: false };
    words = new Set();
    update(false);
});
/** Starts and ends profiles, so that those run which are wanted. */
function update(on) {
    for (const kind of ['cpu', 'heap']) {
        const wanted = words.has(kind) || (session[kind] && on);
        if (wanted && !running.has(kind))
            begin(kind);
        else if (!wanted && running.has(kind))
            end(kind);
    }
}
function begin(kind) {
    let to;
    try {
        // Not imported: a Node.js that was built without the inspector throws here.
        const inspector = require('node:inspector');
        to = new inspector.Session();
        to.connect();
        if (kind === 'cpu') {
            send(to, 'Profiler.enable');
            send(to, 'Profiler.setSamplingInterval', { interval: numbers.interval });
            send(to, 'Profiler.start');
            timer = setTimeout(cut, numbers.longest * 1000).unref();
        }
        else {
            send(to, 'HeapProfiler.enable');
            send(to, 'HeapProfiler.startSampling', { samplingInterval: numbers.heapInterval });
        }
        running.set(kind, to);
    }
    catch (error) {
        disconnect(to);
        // Until the word is gone or the session ends it is not tried again.
        session[kind] = false;
        words = new Set([...words].filter((word) => word !== kind));
        tell(`cannot start a ${NAMES[kind]} profile: ${messageOf(error)}. There is none, the service goes on`);
    }
}
/** What is long enough is written; the next one begins. */
function cut() {
    end('cpu');
    update(isOn());
}
function end(kind) {
    const from = running.get(kind);
    running.delete(kind);
    try {
        if (kind === 'cpu') {
            clearTimeout(timer);
            const { profile } = send(from, 'Profiler.stop');
            write('cpuprofile', profile);
            for (const { label, seconds } of functionsOf(profile))
                record('profiler', label, seconds);
        }
        else {
            const { profile } = send(from, 'HeapProfiler.stopSampling');
            write('heapprofile', profile);
        }
    }
    catch (error) {
        tell(`a ${NAMES[kind]} profile is lost: ${messageOf(error)}. The service goes on`);
    }
    finally {
        disconnect(from);
    }
}
function disconnect(from) {
    try {
        from?.disconnect();
    }
    catch {
        // It was not connected.
    }
}
/** The inspector of one's own thread answers before post() returns. */
function send(to, method, params = {}) {
    let answer;
    to.post(method, params, (error, result) => {
        answer = { error, result };
    });
    if (!answer)
        throw new Error(`the inspector gave no answer to ${method}`);
    if (answer.error)
        throw new Error(`${method}: ${messageOf(answer.error)}`);
    return answer.result;
}
function write(extension, profile) {
    const at = place('profiler');
    if (!at)
        throw new Error('the telemetry folder cannot be written');
    if (at.stem !== stem)
        number = 0;
    stem = at.stem;
    const text = JSON.stringify(profile);
    // Replicas in containers have the same PID, and may start in the same millisecond over one folder.
    let path;
    do
        path = join(at.dir, `${stem}-${number++}.${extension}`);
    while (existsSync(path) || existsSync(`${path}.tmp`));
    const half = `${path}.tmp`;
    try {
        const fd = openSync(half, 'wx', 0o644);
        try {
            makeReadable(fd);
            writeFileSync(fd, text);
        }
        finally {
            closeSync(fd);
        }
        renameSync(half, path);
    }
    catch (error) {
        rmSync(half, { force: true });
        throw error;
    }
}
/** The functions with the most self time. A sample is of the time until the next one. */
function functionsOf(profile) {
    const labels = new Map(profile.nodes.map(({ id, callFrame }) => [id, labelOf(callFrame)]));
    const sums = new Map();
    const { samples = [], timeDeltas = [] } = profile;
    let at = profile.startTime;
    for (let index = 0; index < samples.length; index++) {
        at += timeDeltas[index] ?? 0;
        const microseconds = timeDeltas[index + 1] ?? Math.max(0, profile.endTime - at);
        const label = labels.get(samples[index]);
        if (label)
            sums.set(label, (sums.get(label) ?? 0) + microseconds / 1e6);
    }
    return [...sums]
        .map(([label, seconds]) => ({ label, seconds }))
        .sort((a, b) => b.seconds - a.seconds)
        .slice(0, MAX_FUNCTIONS);
}
/** Short enough that the recorder does not cut it: its end says where the function is. */
function labelOf({ functionName, url, lineNumber }) {
    if (NO_FUNCTION.has(functionName))
        return '';
    const name = shorten(functionName || '(anonymous)', MAX_NAME);
    if (!url)
        return name;
    const place = `${url.replace(/^file:\/\//, '')}:${lineNumber + 1}`;
    return `${name} ${place.length > MAX_PLACE ? `…${place.slice(1 - MAX_PLACE)}` : place}`;
}
const shorten = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
