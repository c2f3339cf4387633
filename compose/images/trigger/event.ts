/** A CloudEvent 1.0 as the trigger service carries it: attributes as text, data as the bytes that came. */
import { CloudEvent, ValidationError } from 'cloudevents';

export interface Event {
  /** All of them, extensions too. `datacontenttype` is the content type of the data. */
  attributes: Attributes;
  data: Buffer;
}

export interface Attributes extends Record<string, string> {
  id: string;
  source: string;
  type: string;
  specversion: string;
}

/** What came is no CloudEvent. The message is a sentence for who sent it. */
export class NoEvent extends Error {
  readonly id: string | null;
  readonly source: string | null;

  constructor(why: string, attributes: Record<string, string> = {}) {
    super(why);
    this.id = attributes.id || null;
    this.source = attributes.source || null;
  }
}

type Headers = Record<string, string | string[] | undefined>;

const PREFIX = 'ce-';
const REQUIRED = ['id', 'source', 'type', 'specversion'];
const STRUCTURED = 'application/cloudevents+json';
const JSON_TYPE = /^[^;]*[/+]json\s*(;|$)/i;
/** What the HTTP protocol binding lets through as it is: printable ASCII less space, quotation mark and per cent. */
const PLAIN = /^[!#$&-~]*$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Reads an event of an HTTP request, in binary or structured mode. Header names are in lower case. Throws NoEvent. */
export function readEvent(headers: Headers, body: Buffer): Event {
  const type = textOf(headers['content-type']);
  if (/^application\/cloudevents-batch/i.test(type ?? ''))
    throw new NoEvent('the request has a batch of events; send them one by one');
  if (/^application\/cloudevents\b/i.test(type ?? '')) {
    if (!type!.toLowerCase().startsWith(STRUCTURED))
      throw new NoEvent(`an event in structured mode must be JSON (${STRUCTURED}), not ${type}`);
    return structured(body);
  }
  const attributes: Record<string, string> = {};
  for (const name in headers)
    if (name.startsWith(PREFIX)) attributes[name.slice(PREFIX.length)] = decoded(textOf(headers[name])!);
  if (type !== undefined) attributes.datacontenttype = type;
  return { attributes: checked(attributes), data: body };
}

/** The headers of the event in binary mode. */
export function binaryHeaders(attributes: Attributes): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name in attributes) {
    const value = attributes[name]!;
    if (name === 'datacontenttype') headers['content-type'] = value;
    else headers[PREFIX + name] = PLAIN.test(value) ? value : encoded(value);
  }
  return headers;
}

/** The attributes that binaryHeaders() made headers of: of an event that was checked when it came. */
export function attributesOf(headers: Iterable<[string, string]>): Attributes {
  const attributes: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name === 'content-type') attributes.datacontenttype = value;
    else if (name.startsWith(PREFIX)) attributes[name.slice(PREFIX.length)] = decoded(value);
  }
  return attributes as Attributes;
}

function structured(body: Buffer): Event {
  let members: unknown;
  try {
    members = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new NoEvent(`the event in structured mode is no JSON: ${(error as Error).message}`);
  }
  if (!members || typeof members !== 'object' || Array.isArray(members))
    throw new NoEvent('the event in structured mode must be a JSON object');
  const { data, data_base64, ...rest } = members as Record<string, unknown>;
  const attributes: Record<string, string> = {};
  const odd: string[] = [];
  for (const [name, value] of Object.entries(rest)) {
    if (value === null) continue;
    if (typeof value === 'object' || (typeof value === 'number' && !Number.isInteger(value))) odd.push(name);
    else attributes[name] = String(value).toWellFormed();
  }
  if (odd.length)
    throw new NoEvent(`the attribute "${odd[0]}" must be a text, a whole number or true or false`, attributes);
  const bytes = dataOf(data, data_base64, attributes);
  if (data !== undefined && data !== null) attributes.datacontenttype ??= 'application/json';
  return { attributes: checked(attributes), data: bytes };
}

function dataOf(data: unknown, base64: unknown, attributes: Record<string, string>): Buffer {
  if (base64 !== undefined && base64 !== null) {
    if (typeof base64 !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
      throw new NoEvent('the member "data_base64" must be base64', attributes);
    return Buffer.from(base64, 'base64');
  }
  if (data === undefined || data === null) return Buffer.alloc(0);
  const type = attributes.datacontenttype ?? 'application/json';
  return Buffer.from(typeof data === 'string' && !JSON_TYPE.test(type) ? data : JSON.stringify(data));
}

function checked(attributes: Record<string, string>): Attributes {
  const missing = REQUIRED.filter((name) => !attributes[name]);
  if (missing.length === REQUIRED.length)
    throw new NoEvent(
      'the request is no CloudEvent: it has neither headers ce-id, ce-source, ce-type and ce-specversion ' +
        `nor the content type ${STRUCTURED}`,
    );
  if (missing.length) throw new NoEvent(`the event lacks the attribute "${missing.join('", "')}"`, attributes);
  if (attributes.specversion !== '1.0')
    throw new NoEvent(`the attribute "specversion" must be 1.0, not "${attributes.specversion}"`, attributes);
  for (const name in attributes) {
    if (CONTROL.test(attributes[name]!))
      throw new NoEvent(`the attribute "${name}" has a control character in it`, attributes);
  }
  if (!/^[ -~]*$/.test(attributes.datacontenttype ?? ''))
    throw new NoEvent('the attribute "datacontenttype" must be ASCII', attributes);
  try {
    new CloudEvent(attributes as Attributes);
  } catch (error) {
    throw new NoEvent(sentenceOf(error, attributes), attributes);
  }
  return attributes as Attributes;
}

function sentenceOf(error: unknown, attributes: Record<string, string>): string {
  const [first] = (error instanceof ValidationError && error.errors) || [];
  if (first && typeof first === 'object') {
    const name = first.instancePath.slice(1);
    return `the attribute "${name}" ${first.message}, not "${attributes[name]}"`;
  }
  const [line] = (error as Error).message.split('\n');
  return `the event is invalid: ${line}`;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

function encoded(value: string): string {
  return value.replace(/[^!#$&-~]+/gu, (part) =>
    [...Buffer.from(part)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function decoded(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    // Not encoded: many senders do not.
    return value;
  }
}
