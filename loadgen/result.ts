/**
 * What the generator tells: events, one JSON text a line on its standard output, the last of which is the result.
 * docs/schemas/mayfly.load.v1.json is the result's schema.
 */
import type { SideName } from './plan.ts';

/**
 * ready: warm, and waiting for its go (SIGUSR2). checked: of a try; the script's files, path from the benchmark's
 * folder ->
 * SHA-256. window: the go has come; the window, milliseconds since the epoch. ended: the last request has.
 * fault: it cannot go on, and why: the script's matter (`usage`) or the generator's own. result: the end.
 */
export type LoadEvent =
  | { event: 'ready' }
  | { event: 'checked'; files: Record<string, string> }
  | { event: 'window'; startMs: number; endMs: number }
  | { event: 'ended'; endMs: number }
  | { event: 'fault'; kind: 'usage' | 'generator'; message: string; hint?: string }
  | { event: 'result'; result: LoadResultDocument };

/**
 * Seconds. Quantiles are exact: linear between the neighbours of the sorted values (type 7 of Hyndman and Fan, 1996).
 */
export interface Times {
  count: number;
  avg: number;
  min: number;
  med: number;
  max: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
}

/** What became of requests that failed in one way. */
export interface Failures {
  /** refused, reset, timeout, dns, tls, protocol, too-large, status, check, script, grpc */
  kind: string;
  /** What tells it apart within its kind: the status, the check, the code. Empty where nothing does. */
  detail: string;
  count: number;
  /** The first of them: its name, its method and path where the name does not say them, and what was seen. */
  example: { name: string; request?: string; message: string };
}

/** Answers of one name of request that are alike; those without a body apart from those with one. */
export interface Answers {
  /** HTTP status; of gRPC its code; 0: no answer, or one of another client. */
  status: number;
  /** Kind of the failure; null where it is none. */
  failure: string | null;
  count: number;
  /** Mean size of the bodies in bytes, as they came over the wire, and its standard deviation. */
  bytes: number;
  deviation: number;
  /** Media types, most frequent first; empty where none was given, or where it is no HTTP. */
  types?: { type: string; count: number }[];
}

/** One side over the measured window. */
export interface SideResult {
  side: SideName;
  /**
   * Iterations that were due in the window; that ended; that were due and never started, in the warm-up and in the
   * window.
   */
  due: number;
  iterations: number;
  dropped: { warmup: number; measure: number };
  /** Requests that ended; what failed: requests, and iterations that threw, which may have made none. */
  requests: number;
  failed: number;
  /** Bytes of answers, without headers. */
  bytesReceived: number;
  /** Bytes of the requests' bodies. */
  bytesSent?: number;
  /** From sending a request to the end of its answer, of those that did not fail; null where there is none. */
  latency: Times | null;
  /**
   * From the scheduled start of an iteration to its end, of those in which nothing failed; null where there is none. Of
   * a closed model, which has no schedule: null.
   */
  response: Times | null;
  startLag: Times | null;
  /** Of a closed model: from the start of an iteration to its end, of those in which nothing failed. */
  duration?: Times | null;
  /** Of a load with scenarios: each by itself. */
  scenarios?: ScenarioResult[];
  /** The same by name of request. */
  names: { name: string; requests: number; failed: number; latency: Times | null; answers?: Answers[] }[];
  /** Journeys, by name: several requests timed as one; `duration`: of those in which nothing failed. */
  journeys: { name: string; count: number; failed: number; duration: Times | null }[];
  failures: Failures[];
}

/** One scenario of one side over the measured window. */
export interface ScenarioResult {
  name: string;
  model: 'open' | 'closed';
  /** Iterations that were due; that ended; that were due and never started. */
  due: number;
  iterations: number;
  dropped: { warmup: number; measure: number };
  /** Iterations that ended and in which nothing failed; those that were begun and are not among them. */
  done: number;
  failed: number;
  requests: number;
  bytesSent: number;
  /**
   * Of iterations that are done, from when they were due, of a closed model from their start, to their end; null where
   * there is none.
   */
  duration: Times | null;
  /** Null of a closed model. */
  startLag: Times | null;
  /** Of a closed model: when its last iteration ended, seconds from the start of the window; else null. */
  endedS: number | null;
}

/** schema mayfly.load/v1 */
export interface LoadResultDocument {
  schema: 'mayfly.load/v1';
  /** What made the load: this generator's version, or another one's image. */
  generator: string;
  model: 'open' | 'closed' | 'scenarios';
  round: number;
  seed: number;
  window: { startMs: number; endMs: number };
  sides: SideResult[];
  /** Requests of the window that were kept one by one, of how many; the cap where it cut some off. */
  kept: { rows: number; of: number; cap?: number };
}

/** The folder of the results in the generator's container, and the file of the single requests in it. */
export const RESULT_FOLDER = '/tmp/mayfly';
export const REQUESTS_FILE = 'requests.parquet';
