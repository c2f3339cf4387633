import { CloudEvent, HTTP } from 'cloudevents';
import { messageOf } from "./tell.js";
/** A request that holds no CloudEvent, and of which one it does not: what it names as its id and source. */
export class EventError extends Error {
    status;
    id;
    source;
    constructor(message, { id, source } = {}, status = 400) {
        super(message);
        this.name = 'EventError';
        this.status = status;
        this.id = typeof id === 'string' ? id : null;
        this.source = typeof source === 'string' ? source : null;
    }
}
const PREFIX = 'ce-';
const STRUCTURED = 'application/cloudevents+json';
const REQUIRED = ['id', 'source', 'type', 'specversion'];
/** An event as an HTTP request in binary mode. Data is JSON, unless it is bytes, or a text of another type than JSON. */
export function toHttp(event) {
    const headers = {};
    for (const [name, value] of Object.entries(HTTP.binary(event).headers)) {
        if (name.startsWith(PREFIX))
            headers[name] = encoded(String(value));
    }
    const { data } = event;
    const type = event.datacontenttype ?? typeOf(data);
    if (type !== undefined)
        headers['content-type'] = type;
    return { headers, body: bodyOf(data, type) };
}
/** The event that a request holds. Throws an EventError that says what is wrong with it. */
export function fromHttp(headers, body) {
    const type = headers['content-type'];
    const media = mediaOf(type);
    if (media.startsWith('application/cloudevents-batch'))
        throw new EventError('a batch of events: send one event with each request', {}, 415);
    const attributes = media.startsWith('application/cloudevents')
        ? structured(media, body)
        : binary(headers, type, body);
    for (const name of REQUIRED) {
        if (attributes[name] === undefined || attributes[name] === '')
            throw new EventError(`the attribute ${name} is missing: a CloudEvent has ${REQUIRED.join(', ')}`, attributes);
    }
    if (attributes.specversion !== '1.0')
        throw new EventError(`specversion is ${JSON.stringify(attributes.specversion)}: it must be "1.0"`, attributes);
    try {
        return new CloudEvent(attributes);
    }
    catch (error) {
        throw new EventError(`no CloudEvent: ${messageOf(error).replace(/\s+/g, ' ')}`, attributes);
    }
}
function binary(headers, type, body) {
    const attributes = {};
    for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith(PREFIX))
            attributes[name.slice(PREFIX.length)] = decoded(String(value));
    }
    if (type !== undefined)
        attributes.datacontenttype = type;
    if (body.length > 0)
        attributes.data = dataOf(type, body, attributes);
    return attributes;
}
function structured(media, body) {
    if (media !== STRUCTURED)
        throw new EventError(`${media} is not read here: send ${STRUCTURED}, or binary mode`, {}, 415);
    const found = parsed(body, {});
    if (typeof found !== 'object' || found === null || Array.isArray(found))
        throw new EventError('the body is no JSON object');
    // What is null is not there.
    return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== null));
}
function dataOf(type, body, of) {
    if (isJson(type))
        return parsed(body, of);
    return mediaOf(type).startsWith('text/') ? body.toString() : body;
}
function parsed(body, of) {
    try {
        return JSON.parse(body.toString());
    }
    catch (error) {
        throw new EventError(`the body is no JSON: ${messageOf(error)}`, of);
    }
}
function bodyOf(data, type) {
    if (data === undefined)
        return Buffer.alloc(0);
    if (ArrayBuffer.isView(data))
        return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return Buffer.from(typeof data === 'string' && !isJson(type) ? data : JSON.stringify(data));
}
function typeOf(data) {
    if (data === undefined)
        return undefined;
    return ArrayBuffer.isView(data) ? 'application/octet-stream' : 'application/json';
}
const mediaOf = (type = '') => type.split(';', 1)[0].trim().toLowerCase();
/** Without a type it is JSON, by the specification. */
const isJson = (type) => type === undefined || /^[^;]*[/+]json$/.test(mediaOf(type));
/** As the HTTP binding says: all but visible ASCII, and quotes and per cent signs, as %XX of UTF-8. */
function encoded(text) {
    return /^[!#$&-~]*$/.test(text)
        ? text
        : text.replace(/[^!#$&-~]/gu, (character) => [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
}
function decoded(text) {
    if (!text.includes('%'))
        return text;
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
