/**
 * Log lines on stdout, one for each event: logfmt or JSON, by LOG_FORMAT, from LOG_LEVEL up. Nothing here throws: what
 * cannot be shown says so.
 */
import { writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { inspect } from 'node:util';
import { messageOf, tell } from "./tell.js";
import { traceId } from "./trace-id.js";
const LEVELS = ['debug', 'info', 'warn', 'error'];
const FORMATS = ['logfmt', 'json'];
/** Characters of one value. */
const MAX_VALUE = 8192;
/** Bytes of an array of bytes that are shown. */
const MAX_BYTES = 32;
/** What the library says itself. A field of the same name gets an underscore. */
const OWN = new Set(['ts', 'level', 'service', 'trace', 'msg']);
const json = chosen('LOG_FORMAT', FORMATS, 'logfmt') === 'json';
const least = LEVELS.indexOf(chosen('LOG_LEVEL', LEVELS, 'info'));
const service = process.env.OTEL_SERVICE_NAME || undefined;
/** Of each level: what stands between the time and the trace. */
const beginnings = Object.fromEntries(LEVELS.map((level) => [level, beginningOf(level)]));
const at = (level) => LEVELS.indexOf(level) < least
    ? () => { }
    : (message, fields) => write(lineOf(level, message, fields));
/** `log.info('order placed', { order: 7 })` writes one line. */
export const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
function chosen(name, choices, fallback) {
    const given = process.env[name];
    if (!given)
        return fallback;
    if (choices.includes(given))
        return given;
    tell(`${name} is ${JSON.stringify(given)}: it must be one of ${choices.join(', ')}. It is ${fallback} now`);
    return fallback;
}
function beginningOf(level) {
    if (json)
        return `","level":"${level}"${service === undefined ? '' : `,"service":${quoted(service)}`}`;
    return ` level=${level}${service === undefined ? '' : ` service=${textOf(service)}`}`;
}
function lineOf(level, message, fields) {
    const trace = traceId();
    if (json) {
        let line = `{"ts":"${timestamp()}${beginnings[level]}`;
        if (trace !== undefined)
            line += `,"trace":"${trace}"`;
        line += `,"msg":${quoted(cut(String(message)))}`;
        return `${line}${fields ? fieldsOf(fields, jsonField) : ''}}\n`;
    }
    let line = `ts=${timestamp()}${beginnings[level]}`;
    if (trace !== undefined)
        line += ` trace=${trace}`;
    line += ` msg=${quoted(cut(String(message)))}`;
    return `${line}${fields ? fieldsOf(fields, logfmtField) : ''}\n`;
}
function fieldsOf(fields, field) {
    let text = '';
    for (const name in fields) {
        let value;
        try {
            value = fields[name];
            if (value === undefined)
                continue;
            text += field(name, value);
            if (value instanceof Error)
                text += field(`${name}_stack`, stackOf(value));
        }
        catch (error) {
            text += field(name, `cannot be shown: ${messageOf(error)}`);
        }
    }
    return text;
}
/** By the rules of logfmt: no space, no equals sign, no quote and no control character in a name. */
function logfmtField(name, value) {
    const key = named(name).replace(/[\s"=\u0000-\u0020\u007f-\u00a0]/g, '_') || '_';
    return ` ${key}=${typeof value === 'number' || value === null ? value : textOf(shown(value))}`;
}
function jsonField(name, value) {
    return `,${quoted(named(name))}:${jsonOf(value)}`;
}
const named = (name) => (OWN.has(name) ? `${name}_` : name);
/** What needs no quotes stands as it is. */
function textOf(text) {
    return text === '' || text === 'null' || /[\s"=\\\u0000-\u0020\u007f-\u00a0\u2028\u2029\ud800-\udfff]/.test(text)
        ? quoted(text)
        : text;
}
/** As a JSON text, with no control character of any kind in it: a terminal obeys the ones from 0x80 as well. */
function quoted(text) {
    return JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
}
function escaped(character) {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
function jsonOf(value) {
    if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
        return String(value);
    if (isPlain(value)) {
        const text = asJson(value);
        if (text !== undefined && text.length <= MAX_VALUE)
            return text.replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
    }
    return quoted(shown(value));
}
/** A value as a text. */
function shown(value) {
    if (typeof value === 'string')
        return cut(value);
    if (typeof value === 'function')
        return inspect(value);
    if (typeof value !== 'object' || value === null)
        return String(value);
    if (value instanceof Date)
        return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof Error)
        return cut(errorOf(value, 0));
    if (value instanceof Uint8Array) {
        const more = value.length > MAX_BYTES ? '...' : '';
        return `${Buffer.from(value.subarray(0, MAX_BYTES)).toString('hex')}${more} (${value.length} bytes)`;
    }
    const text = isPlain(value) ? asJson(value) : undefined;
    return cut(text ?? inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true }));
}
/** An object whose fields are all there is to it. */
function isPlain(value) {
    if (typeof value !== 'object' || value === null)
        return false;
    const prototype = Object.getPrototypeOf(value);
    return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}
/** undefined where there is none: a circle, a bigint, a getter that throws. */
function asJson(value) {
    try {
        return JSON.stringify(value);
    }
    catch {
        return undefined;
    }
}
/** Name and message, and those of the causes. */
function errorOf(error, depth) {
    const text = `${error.name}: ${messageOf(error)}`;
    if (error.cause === undefined || depth === 5)
        return text;
    return `${text} (cause: ${error.cause instanceof Error ? errorOf(error.cause, depth + 1) : shown(error.cause)})`;
}
/** Without its first lines, the name and the message. */
function stackOf(error) {
    const lines = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
    return lines?.map((line) => line.trim()).join('\n');
}
function cut(text) {
    return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE)}... (${text.length} characters)`;
}
/** The begin of the process, as a whole second of the epoch and the milliseconds in it: so nanoseconds are exact. */
const ORIGIN_S = Math.floor(performance.timeOrigin / 1000);
const ORIGIN_MS = performance.timeOrigin - ORIGIN_S * 1000;
let second = -1;
let secondText = '';
/** RFC 3339 in UTC, always with nine digits of the second. */
function timestamp() {
    const ms = ORIGIN_MS + performance.now();
    const whole = Math.floor(ms / 1000);
    if (whole !== second) {
        second = whole;
        secondText = new Date((ORIGIN_S + whole) * 1000).toISOString().slice(0, 20);
    }
    const nanoseconds = Math.floor((ms - whole * 1000) * 1e6);
    return `${secondText}${String(nanoseconds).padStart(9, '0')}Z`;
}
const sleeping = new Int32Array(new SharedArrayBuffer(4));
/** The whole line, in one write where the system takes it so. */
function write(line) {
    let bytes = null;
    let done = 0;
    for (;;) {
        try {
            done += bytes ? writeSync(1, bytes, done) : writeSync(1, line);
            bytes ??= done === line.length ? null : Buffer.from(line);
            if (!bytes || done >= bytes.length)
                return;
        }
        catch (error) {
            // A pipe that takes no more right now. Whatever else it is, nobody listens.
            if (error.code !== 'EAGAIN')
                return;
            Atomics.wait(sleeping, 0, 0, 1);
        }
    }
}
