/**
 * What a load script imports: `import { defineLoad } from 'mayfly/load'`. docs/loadgen.md shows how scripts are
 * written.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import { BENCHMARK_FOLDER, placeIn, ScriptFault } from './faults.ts';
import type { SideName } from './plan.ts';

export type { SideName };

/** What an answer must be; what is not asked for is not looked at. Without `status` it must be 200 to 399. */
export interface Expectation {
  status?: number | readonly number[];
  /** Header (lower case) -> its value, or a pattern in it. */
  headers?: Readonly<Record<string, string | RegExp>>;
  /** A text or a pattern that the body must hold. The body is then read. */
  body?: string | RegExp;
}

export interface RequestOptions {
  /** Requests are told apart by it in every result. Default: method and path without the query. */
  name?: string;
  headers?: Readonly<Record<string, string>>;
  /** The body as JSON, with its content type. */
  json?: unknown;
  /** The body; a function gives a new stream for each request, so that 100 MB need no 100 MB of memory. */
  body?: string | Uint8Array | (() => AsyncIterable<Uint8Array> | Iterable<Uint8Array>);
  /** Keep the answer's body for the script; without it the body is thrown away as it comes. */
  keep?: boolean;
  expect?: Expectation;
  /** Redirects to follow, on the same host. Default 0. */
  redirects?: number;
  /** Milliseconds after which it has failed. Default: the benchmark's `timeout`. */
  timeoutMs?: number;
}

/** An answer. Its body is there only where `keep` or a check of the body asked for it. */
export interface Answer {
  /** HTTP status; 0 where no answer came. */
  status: number;
  /** Why it failed, where it did: refused, reset, timeout, dns, tls, protocol, too-large, status, check. */
  failure: string | null;
  headers: Readonly<Record<string, string>>;
  bytes(): Uint8Array;
  text(): string;
  json<T = any>(): T;
}

/** A request under way. Whoever returns it needs not await it. It never rejects: look at `failure`. */
export type Pending<T = Answer> = PromiseLike<T>;

export interface Http {
  get(path: string, options?: RequestOptions): Pending;
  head(path: string, options?: RequestOptions): Pending;
  post(path: string, options?: RequestOptions): Pending;
  put(path: string, options?: RequestOptions): Pending;
  patch(path: string, options?: RequestOptions): Pending;
  delete(path: string, options?: RequestOptions): Pending;
  request(method: string, path: string, options?: RequestOptions): Pending;
}

export interface CallOptions {
  /** Default: service and method. */
  name?: string;
  metadata?: Readonly<Record<string, string>>;
  timeoutMs?: number;
  /** gRPC status codes that are no failure. Default 0 (OK). */
  expect?: { code?: number | readonly number[] };
}

export interface Reply {
  /** gRPC status code: 0 is OK. */
  code: number;
  failure: string | null;
  /** Of a call with one reply. */
  message: any;
  /** Messages of a stream that came. */
  count: number;
}

/** Methods are named as in the proto: `shop.Cart/Add`. */
export interface Grpc {
  unary(method: string, message: unknown, options?: CallOptions): Pending<Reply>;
  /** Streams of either direction: messages are sent one after the other, replies are counted and thrown away. */
  stream(
    method: string,
    messages: unknown | Iterable<unknown> | AsyncIterable<unknown>,
    options?: CallOptions,
  ): Pending<Reply>;
}

/** What the function of a script gets for one iteration. Both sides of a pair get the same `random`. */
export interface Iteration<Data = unknown> {
  http: Http;
  grpc: Grpc;
  /** What setUp gave for this side. */
  data: Data;
  /** URL that other clients may go to: the side's own. */
  url: string;
  /** The target as benchmark.yaml writes it, the same on both sides: its host is the `Host` of every request. */
  target: string;
  side: SideName;
  /** Number of the iteration among those of its side, from 0. */
  pair: number;
  /** Closed model: number of the user from 0, and of its iteration. */
  user: number;
  /** The row of the file of requests that this iteration is due for; undefined where there is no such file. */
  row: Readonly<Record<string, string>> | undefined;
  /**
   * When the iteration was due on its schedule, in Unix milliseconds with a fraction; of a closed model when it began. Sent
   * along, it tells the last service of a chain how long an event was under way.
   */
  scheduledMs: number;
  /** From 0 up to but without 1. */
  random(): number;
  /** One of the values, each as likely as its weight says. A function is called, and what it returns is chosen. */
  choose<T>(choices: readonly (readonly [weight: number, value: T | (() => T)])[]): T;
  /** Several requests timed as one, beside each of them under its own name. */
  journey<T>(name: string, steps: () => PromiseLike<T>): Promise<T>;
  /**
   * Any other client: an asynchronous function is timed like a request. It fails when it throws; then undefined comes
   * back.
   */
  time<T>(name: string, work: () => PromiseLike<T>): Promise<T | undefined>;
}

/**
 * For each side once, before the load: what it returns is `data` in each iteration. Plain values only where there are
 * several workers.
 */
export type SetUp<Data> = (
  side: Pick<Iteration, 'http' | 'grpc' | 'url' | 'target' | 'side' | 'random'>,
) => PromiseLike<Data> | Data;

export interface LoadOptions<Data = unknown> {
  setUp?: SetUp<Data>;
  http?: {
    /** 2: over TLS by agreement with the server, else from the first byte on (h2c). Default 1. */
    version?: 1 | 2;
    /** false: a new connection for each request. Default true. */
    keepAlive?: boolean;
    /** Sent with each request. */
    headers?: Readonly<Record<string, string>>;
    /** HTTP/2: connections of a side. Default 1. */
    connections?: number;
    /** Bytes of an answer after which it is cut off and has failed. Default 1 GiB; of a body that is kept 64 MiB. */
    maxAnswerBytes?: number;
  };
  tls?: {
    /** File with the authority's certificate, from the benchmark's folder. */
    ca?: string;
    /** false: any certificate will do. Default true. */
    verify?: boolean;
  };
  grpc?: {
    /** Files, from the benchmark's folder. */
    protos: readonly string[];
  };
  /** Keep cookies: in a closed model for each user, else within an iteration. Default false. */
  cookies?: boolean;
}

export type Iterate<Data = unknown> = (iteration: Iteration<Data>) => unknown;

/** The function of each scenario, by the name that load/scenarios in benchmark.yaml gives it. */
export type Scenarios<Data = unknown> = Readonly<Record<string, Iterate<Data>>>;

export interface LoadScript<Data = any> {
  kind: 'mayfly.load-script/v1';
  options: LoadOptions<Data>;
  iterate: Iterate<Data> | Scenarios<Data>;
  /** Where in the benchmark's folder it was made: `load.ts:3`. */
  place?: string | undefined;
}

/**
 * A load script's default export: the function that makes the requests of one iteration, or one for each scenario, and
 * options before it.
 */
export function defineLoad<Data = undefined>(iterate: Iterate<Data> | Scenarios<Data>): LoadScript<Data>;
export function defineLoad<Data = undefined>(
  options: LoadOptions<Data>,
  iterate: Iterate<Data> | Scenarios<Data>,
): LoadScript<Data>;
export function defineLoad<Data>(
  ...given: [Iterate<Data> | Scenarios<Data>] | [LoadOptions<Data>, Iterate<Data> | Scenarios<Data>]
): LoadScript<Data> {
  const [options, iterate] = given.length === 1 ? [{}, given[0]] : given;
  if (typeof iterate !== 'function' && !areScenarios(iterate))
    throw new ScriptFault(
      'defineLoad needs the function that makes the requests of one iteration',
      "Write defineLoad(({ http }) => http.get('/')), or defineLoad({ ... }, ({ http }) => ...).",
    );
  if (typeof options !== 'object' || options === null)
    throw new ScriptFault('the options of defineLoad must be an object', 'docs/loadgen.md lists them.');
  checkKeys('defineLoad', options, LOAD_OPTIONS);
  for (const part of ['http', 'tls', 'grpc'] as const)
    if (options[part]) checkKeys(`defineLoad ${part}`, options[part], PARTS[part]);
  if (options.setUp !== undefined && typeof options.setUp !== 'function')
    throw new ScriptFault('setUp must be a function');
  if (options.http?.version !== undefined && ![1, 2].includes(options.http.version))
    throw new ScriptFault(`http.version must be 1 or 2, got ${options.http.version}`);
  if (options.tls?.ca !== undefined) pathOf(options.tls.ca);
  for (const proto of options.grpc?.protos ?? []) pathOf(proto);
  return { kind: 'mayfly.load-script/v1', options, iterate, place: placeIn(new Error('here').stack ?? '') };
}

/** Options without a function after them are none. */
const areScenarios = (given: unknown): boolean =>
  typeof given === 'object' &&
  given !== null &&
  Object.keys(given).length > 0 &&
  Object.entries(given).every(([name, iterate]) => typeof iterate === 'function' && name !== 'setUp');

const LOAD_OPTIONS = ['setUp', 'http', 'tls', 'grpc', 'cookies'];
const PARTS = {
  http: ['version', 'keepAlive', 'headers', 'connections', 'maxAnswerBytes'],
  tls: ['ca', 'verify'],
  grpc: ['protos'],
};

/** A name that is not known is a fault: a misspelt option would be ignored without a word. */
export function checkKeys(what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new ScriptFault(`${what} has no option ${unknown}`, `It takes ${known.join(', ')}.`);
}

/**
 * Files that the script has read through this module: path from the benchmark's folder -> SHA-256. They are part of the
 * workload.
 */
export const dataFiles = new Map<string, string>();

/** Absolute path of a file of the benchmark; a fault where it leaves the folder or is not there. */
export function pathOf(file: string): string {
  const path = resolve(BENCHMARK_FOLDER, file);
  if (relative(BENCHMARK_FOLDER, path).startsWith('..'))
    throw new ScriptFault(
      `${file} is outside of the benchmark's folder`,
      'Only what lies in the folder is there when the load runs.',
    );
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile())
    throw new ScriptFault(
      `there is no file ${file} in the benchmark's folder`,
      'Name it from the folder that holds benchmark.yaml.',
    );
  if (!dataFiles.has(relative(BENCHMARK_FOLDER, path)))
    dataFiles.set(relative(BENCHMARK_FOLDER, path), createHash('sha256').update(readFileSync(path)).digest('hex'));
  return path;
}

/** A data file's text. */
export const text = (file: string): string => readFileSync(pathOf(file), 'utf8');

/** A JSON file's value. */
export function json<T = any>(file: string): T {
  try {
    return JSON.parse(text(file));
  } catch (error) {
    throw error instanceof SyntaxError ? new ScriptFault(`${file} is no JSON: ${error.message}`) : error;
  }
}

/** The rows of a CSV file whose first line names the columns. */
export function csv<Row extends Record<string, string> = Record<string, string>>(file: string): Row[] {
  try {
    return parse(text(file), { columns: true, skip_empty_lines: true, bom: true });
  } catch (error) {
    throw error instanceof ScriptFault ? error : new ScriptFault(`${file} is no CSV: ${(error as Error).message}`);
  }
}

const CHUNK = new Uint8Array(64 * 1024).map((_, at) => (at * 2654435761) >>> 24);

/** A body of so many bytes that takes no memory: `http.put('/files/1', { body: bytes(100e6) })`. */
export function bytes(count: number): () => Iterable<Uint8Array> {
  return function* () {
    for (let left = count; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
  };
}
