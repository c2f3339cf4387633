/**
 * HTTP requests of one side, on undici, which no other file of the load generator uses. A request is its own handler and
 * its own promise, made only when somebody awaits it.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { brotliDecompressSync, inflateSync, unzipSync } from 'node:zlib';
import { buildConnector, type Dispatcher, H2CClient, Pool } from 'undici';
import { classify, type Failure, failure } from './failures.ts';
import { ScriptFault } from './faults.ts';
import type { Iterating } from './iterating.ts';
import { LatePromise } from './late-promise.ts';
import {
  type Answer,
  checkKeys,
  type Expectation,
  type Http,
  type LoadOptions,
  type Pending,
  pathOf,
  type RequestOptions,
} from './load.ts';
import { lookupOnce } from './lookup.ts';

const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'REPORT',
  'MKCOL',
  'COPY',
  'MOVE',
]);
const REQUEST_OPTIONS = ['name', 'headers', 'json', 'body', 'keep', 'expect', 'redirects', 'timeoutMs'];
const EXPECTATIONS = ['status', 'headers', 'body'];
const MAX_ANSWER = 1024 ** 3;
const MAX_KEPT = 64 * 1024 ** 2;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Idle connections are given up before servers do: Node.js' own closes after 5 s. */
const IDLE_MS = 4000;
/** HTTP/2: requests of one connection at once. */
const STREAMS = 100;

/** Connections of one side and thread. */
export interface SideHttp {
  pool: Dispatcher;
  /** Sent with each request: the host as the benchmark names it, and what the script wants. */
  headers: Readonly<Record<string, string>>;
  /** Of the target. */
  protocol: string;
  maxAnswer: number | undefined;
  /** It is closed: a script that goes on all the same waits for ever, and takes no time. */
  over: boolean;
  close(): Promise<void>;
}

export function openHttp(
  options: LoadOptions,
  {
    url,
    target,
    via,
    maxInFlight,
    timeoutMs,
  }: { url: string; target: string; via?: string | undefined; maxInFlight: number; timeoutMs: number },
): SideHttp {
  const { http = {}, tls = {} } = options;
  const origin = new URL(url);
  const named = new URL(target);
  const secure = origin.protocol === 'https:';
  const connect = {
    timeout: timeoutMs,
    lookup: lookupOnce(),
    ...(via === undefined ? {} : { socketPath: via }),
    ...(secure
      ? {
          ...(isIP(named.hostname) ? {} : { servername: named.hostname }),
          rejectUnauthorized: tls.verify ?? true,
          ...(tls.ca === undefined ? {} : { ca: readFileSync(pathOf(tls.ca)) }),
        }
      : {}),
  };
  const common = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: IDLE_MS, connect };
  const streams = { pipelining: STREAMS, maxConcurrentStreams: STREAMS };
  const two = secure
    ? { allowH2: true, ...streams, connect: connectTwo(connect) }
    : { factory: (at: URL, given: object) => new H2CClient(at, { ...given, ...streams, connect }) };
  const pool =
    http.version === 2
      ? new Pool(origin.origin, { ...common, connections: http.connections ?? 1, ...two })
      : new Pool(origin.origin, { ...common, connections: maxInFlight, pipelining: http.keepAlive === false ? 0 : 1 });
  const side: SideHttp = {
    pool,
    headers: withHeaders({ host: named.host }, http.headers),
    protocol: origin.protocol,
    maxAnswer: http.maxAnswerBytes,
    over: false,
    close: () => {
      side.over = true;
      return pool.destroy();
    },
  };
  return side;
}

/** A server that does not agree to HTTP/2 would get a hundred requests of HTTP/1.1 at once on its connection. */
function connectTwo(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector({ ...options, allowH2: true });
  return (to, done) =>
    connect(to, (error, socket) => {
      if (error || (socket as TLSSocket).alpnProtocol === 'h2') return error ? done(error, null) : done(null, socket!);
      socket!.destroy();
      return done(Object.assign(new Error('the server speaks no HTTP/2 over TLS'), { code: 'ERR_HTTP2_ERROR' }), null);
    });
}

/** Names of headers are one whatever their case: what the script gives takes the place of what is there. */
function withHeaders(
  before: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  if (!given) return before;
  const all: Record<string, string> = { ...before };
  for (const name in given) all[name.toLowerCase()] = given[name]!;
  return all;
}

const NONE: RequestOptions = {};

/** `http` of one iteration. */
export class IterationHttp implements Http {
  readonly #iterating: Iterating;
  readonly #side: SideHttp;
  constructor(iterating: Iterating, side: SideHttp) {
    this.#iterating = iterating;
    this.#side = side;
  }
  get(path: string, options?: RequestOptions): Pending {
    return this.request('GET', path, options);
  }
  head(path: string, options?: RequestOptions): Pending {
    return this.request('HEAD', path, options);
  }
  post(path: string, options?: RequestOptions): Pending {
    return this.request('POST', path, options);
  }
  put(path: string, options?: RequestOptions): Pending {
    return this.request('PUT', path, options);
  }
  patch(path: string, options?: RequestOptions): Pending {
    return this.request('PATCH', path, options);
  }
  delete(path: string, options?: RequestOptions): Pending {
    return this.request('DELETE', path, options);
  }
  request(method: string, path: string, options: RequestOptions = NONE): Pending {
    if (this.#iterating.trying) checkRequest(method, path, options);
    const request = new HttpRequest(this.#iterating, this.#side, method, path, options);
    request.send();
    return request;
  }
}

/** Looked at while the script is tried and while the generator warms up, not with each request that counts. */
function checkRequest(method: string, path: string, options: RequestOptions): void {
  if (!METHODS.has(method))
    throw new ScriptFault(`there is no method ${method}`, `It is one of ${[...METHODS].join(', ')}.`);
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new ScriptFault(
      `the path must begin with /, got ${JSON.stringify(path)}`,
      'Requests go to the target of benchmark.yaml; another service of the benchmark needs a client of its own (docs/loadgen.md).',
    );
  checkKeys(`http.${method.toLowerCase()}`, options, REQUEST_OPTIONS);
  if (options.expect) checkKeys('expect', options.expect, EXPECTATIONS);
  if (options.json !== undefined && options.body !== undefined)
    throw new ScriptFault('json and body exclude each other');
}

/** A request's name where the script gives none: the path without the query, so that names stay few. */
const defaultName = (method: string, path: string) => `${method} ${path.split('?', 1)[0]}`;

export class HttpRequest extends LatePromise<Answer> implements Answer {
  status = 0;
  failure: string | null = null;
  received = 0;
  /** Milliseconds on the common clock. */
  sentMs = 0;
  deadlineMs = 0;
  readonly #iterating: Iterating;
  readonly #side: SideHttp;
  readonly #options: RequestOptions;
  readonly #name: string;
  #method: string;
  #path: string;
  #redirects: number;
  #withBody = true;
  #controller: Dispatcher.DispatchController | null = null;
  #headers: Readonly<Record<string, string>> = {};
  /** The `Host` that is sent: the target's, or the script's. */
  #host = '';
  #chunks: Uint8Array[] | null = null;
  readonly #maxAnswer: number;
  #body: Uint8Array | null = null;
  #cut: Failure | null = null;
  /** Bytes of its body: of one that is made as it is sent those that were taken so far. */
  #sent = 0;

  constructor(iterating: Iterating, side: SideHttp, method: string, path: string, options: RequestOptions) {
    super();
    this.#iterating = iterating;
    this.#side = side;
    this.#options = options;
    this.#method = method;
    this.#path = path;
    this.#name = options.name ?? defaultName(method, path);
    this.#redirects = options.redirects ?? 0;
    if (options.keep === true || options.expect?.body !== undefined) this.#chunks = [];
    this.#maxAnswer = side.maxAnswer ?? (this.#chunks ? MAX_KEPT : MAX_ANSWER);
  }

  /** It is on its way, or has failed at once. */
  send(): void {
    if (this.#side.over) return;
    this.sentMs = this.#iterating.opened(this);
    this.deadlineMs = this.sentMs + (this.#options.timeoutMs ?? this.#iterating.timeoutMs);
    this.#dispatch();
  }

  #dispatch(): void {
    const { headers, json, body } = this.#options;
    const { jar } = this.#iterating;
    let sent = this.#side.headers;
    let content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array> | null = null;
    if (json !== undefined && this.#withBody) {
      content = JSON.stringify(json);
      sent = { ...sent, 'content-type': 'application/json' };
    } else if (this.#withBody) {
      content = typeof body === 'function' ? this.#counted(body()) : (body ?? null);
    }
    if (typeof content === 'string' || content instanceof Uint8Array) this.#sent += Buffer.byteLength(content);
    sent = withHeaders(sent, headers);
    this.#host = sent.host!;
    if (jar) {
      const cookies = jar.getCookieStringSync(this.#url());
      if (cookies) sent = { ...sent, cookie: cookies };
    }
    try {
      this.#side.pool.dispatch(
        { path: this.#path, method: this.#method as Dispatcher.HttpMethod, headers: sent, body: content as any },
        this as unknown as Dispatcher.DispatchHandler,
      );
    } catch (error) {
      this.#end(failure('script', '', (error as Error).message)); // a header or a path that cannot be sent
    }
  }

  /** The same pieces: undici tells nobody what it has sent. */
  #counted(body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    if (typeof body === 'string' || body instanceof Uint8Array) return body;
    const count = (chunk: Uint8Array) => {
      this.#sent += Buffer.byteLength(chunk);
      return chunk;
    };
    return Symbol.asyncIterator in body
      ? (async function* () {
          for await (const chunk of body) yield count(chunk);
        })()
      : (function* () {
          for (const chunk of body) yield count(chunk);
        })();
  }

  #url(): string {
    return `${this.#origin()}${this.#path}`;
  }

  #origin(): string {
    return `${this.#side.protocol}//${this.#host}`;
  }

  /** Ends a request that takes too long. */
  expire(): void {
    this.#cutOff(failure('timeout', '', `no whole answer after ${Math.round(this.deadlineMs - this.sentMs)} ms`));
  }

  #cutOff(why: Failure): void {
    this.#cut = why;
    if (this.#controller) this.#controller.abort(new Error(why.message));
    if (!this.ended) this.#end(why);
  }

  // The handler, as undici calls it (Dispatcher.DispatchHandler).

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cut) controller.abort(new Error(this.#cut.message));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[]>,
  ): void {
    this.status = status;
    this.#headers = headers as Record<string, string>;
    if (status < 200) return;
    const { jar } = this.#iterating;
    const set = jar && headers['set-cookie'];
    if (jar && set) for (const cookie of [set].flat()) jar.setCookieSync(cookie, this.#url(), { ignoreError: true });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.received += chunk.length;
    if (this.#chunks) this.#chunks.push(chunk);
    if (this.received > this.#maxAnswer)
      this.#cutOff(failure('too-large', '', `the answer went on after ${this.received} bytes`));
  }

  onResponseEnd(): void {
    if (this.#redirects > 0 && REDIRECTS.has(this.status) && this.#follow()) return;
    this.#end(this.#judge());
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.ended) this.#end(this.#cut ?? classify(error));
  }

  /** Goes where the answer says; false where that is another host, or nowhere. */
  #follow(): boolean {
    const location = this.#headers.location;
    if (!location) return false;
    const to = URL.parse(location, this.#url());
    if (to?.origin !== new URL(this.#origin()).origin) return false;
    this.#redirects--;
    this.#path = to.pathname + to.search;
    if (this.status === 303 || (this.status < 303 && this.#method === 'POST')) {
      this.#withBody = false;
      if (this.#method !== 'HEAD') this.#method = 'GET';
    }
    if (this.#chunks) this.#chunks = [];
    this.#dispatch();
    return true;
  }

  #judge(): Failure | null {
    const { expect } = this.#options;
    const { status } = this;
    const length = Number(this.#headers['content-length']);
    if (this.received < length && this.#method !== 'HEAD' && status !== 304)
      // undici takes an HTTP/2 stream that is cancelled for one that has ended
      return failure('reset', '', `the answer ended after ${this.received} of ${length} bytes`);
    const wanted = expect?.status;
    if (wanted === undefined) {
      if (status < 200 || status >= 400) return failure('status', String(status), `status ${status}`);
    } else if (typeof wanted === 'number' ? status !== wanted : !wanted.includes(status)) {
      return failure(
        'status',
        String(status),
        `status ${status}, expected ${typeof wanted === 'number' ? wanted : wanted.join(' or ')}`,
      );
    }
    return expect?.headers || expect?.body !== undefined ? this.#check(expect) : null;
  }

  #check({ headers, body }: Expectation): Failure | null {
    for (const [header, value] of Object.entries(headers ?? {})) {
      const got = this.#headers[header.toLowerCase()];
      if (got === undefined || (typeof value === 'string' ? String(got) !== value : !holds(String(got), value)))
        return failure(
          'check',
          `header ${header}`,
          `header ${header} is ${got === undefined ? 'missing' : JSON.stringify(got)}, expected ${String(value)}`,
        );
    }
    if (body === undefined) return null;
    let text: string;
    try {
      text = this.text();
    } catch (error) {
      return failure('protocol', '', `the body cannot be read: ${(error as Error).message}`);
    }
    return (typeof body === 'string' ? text.includes(body) : holds(text, body))
      ? null
      : failure('check', 'body', `the body does not hold ${String(body)}: ${text.slice(0, 100)}`);
  }

  #end(why: Failure | null): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = why?.kind ?? null;
    this.#controller = null;
    if (this.#sent > 0) this.#iterating.sent(this.#sent);
    const type = this.#headers['content-type'] ?? '';
    this.#iterating.closed(this, this.#name, this.status, this.received, type, why && this.#named(why));
    this.tell();
  }

  /** With its method and path, where its name does not say them. */
  #named(why: Failure): Failure {
    const request = defaultName(this.#method, this.#path);
    return request === this.#name ? why : { ...why, request };
  }

  protected answer(): Answer {
    return {
      status: this.status,
      failure: this.failure,
      headers: this.#headers,
      bytes: () => this.bytes(),
      text: () => this.text(),
      json: <T>() => this.json<T>(),
    };
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  bytes(): Uint8Array {
    if (!this.#chunks)
      throw new ScriptFault('the body of this answer was thrown away', 'Ask for it: http.get(path, { keep: true }).');
    return (this.#body ??= decoded(Buffer.concat(this.#chunks), this.#headers['content-encoding']));
  }

  text(): string {
    return Buffer.from(this.bytes()).toString();
  }

  json<T = any>(): T {
    return JSON.parse(this.text());
  }
}

/** Not RegExp.test: one with the flag g goes on where it ended before. */
const holds = (text: string, pattern: RegExp): boolean => text.search(pattern) >= 0;

function decoded(body: Buffer, encoding: string | undefined): Uint8Array {
  const limit = { maxOutputLength: MAX_KEPT };
  if (encoding === 'gzip' || encoding === 'x-gzip') return unzipSync(body, limit);
  if (encoding === 'deflate') return inflateSync(body, limit);
  if (encoding === 'br') return brotliDecompressSync(body, limit);
  return body;
}
