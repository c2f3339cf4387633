/** What a service calls around its own blocks. While recording is off each of these is one comparison. */
import { performance } from 'node:perf_hooks';
import { types } from 'node:util';
import { endDuration, giveUpAll, MAX_OPEN, openDuration } from "./open-durations.js";
import { isOn, onSwitch, record, recordAt } from "./recorder.js";
import { tellOnce } from "./tell.js";
const NO_ARGUMENTS = [];
onSwitch((on) => {
    if (!on)
        giveUpAll();
});
/** Begins a duration. Returns the id for stopDuration(); 0 while recording is off. */
export function startDuration() {
    return isOn() ? openDuration(performance.now(), tellFull) : 0;
}
/** Ends a duration and records it in seconds. An id that is of no open duration is ignored. */
export function stopDuration(label, id) {
    if (!isOn() || id === 0)
        return;
    const nowMs = performance.now();
    const startMs = endDuration(id);
    if (startMs >= 0)
        recordAt('duration', label, (nowMs - startMs) / 1000, nowMs);
    else if (startMs === -1)
        tellUnknown(label, id);
}
/**
 * Calls `fn` and records how long it took; of a function that returns a promise, until that is settled. What it
 * returns or throws is passed on.
 */
export function time(label, fn) {
    return isOn() ? timeCall(label, fn, undefined, NO_ARGUMENTS) : fn();
}
/** A standard decorator of a method: every call is timed as by time(). */
export function timed(label) {
    return (method, context) => {
        if (context.kind !== 'method') {
            throw new TypeError(`@timed is for methods: ${String(context.name)} is a ${context.kind}`);
        }
        return function (...args) {
            return isOn() ? timeCall(label, method, this, args) : method.apply(this, args);
        };
    };
}
/** Records a value of the service's own. The label ends in its unit: `_seconds`, `_bytes`, `_ratio` or `_count`. */
export function sample(label, value) {
    record('runtime', label, value);
}
function timeCall(label, fn, self, args) {
    const startMs = performance.now();
    let result;
    try {
        result = fn.apply(self, args);
    }
    catch (error) {
        recordSince(label, startMs);
        throw error;
    }
    // Not of every object with a then(): to call that may be what begins its work.
    if (typeof result === 'object' && result !== null && types.isPromise(result)) {
        return result.then((value) => {
            recordSince(label, startMs);
            return value;
        }, (error) => {
            recordSince(label, startMs);
            throw error;
        });
    }
    recordSince(label, startMs);
    return result;
}
function recordSince(label, startMs) {
    const nowMs = performance.now();
    recordAt('duration', label, (nowMs - startMs) / 1000, nowMs);
}
function tellFull() {
    tellOnce('full', `${MAX_OPEN} durations are open at once: the one that has been open longest is given up. ` +
        'Does every startDuration() have its stopDuration()? (told once)');
}
function tellUnknown(label, id) {
    tellOnce('unknown', `stopDuration(${quoted(label)}, ${quoted(id)}): no duration with this id is open. It is ignored. ` +
        'Give it what startDuration() has returned, once (told once)');
}
function quoted(value) {
    return typeof value === 'string'
        ? JSON.stringify(value.slice(0, 60))
        : typeof value === 'number'
            ? `${value}`
            : typeof value;
}
