/**
 * What one sending thread measures: live counts for Prometheus in shared memory, and of the window every single value.
 */
import { type LiveWriter, MAX_NAMES, OTHER_NAMES } from './live.ts';
import type { Failures } from './result.ts';

/** Rows are kept in pieces, so that they grow without being copied. */
const PIECE = 65_536;

/** The failure of a request or an iteration. */
export interface Failure {
  kind: string;
  detail: string;
  message: string;
  /** Method and path, where the request's name does not say them. */
  request?: string;
}

export type Phase = 0 | 1;
export const WARMUP: Phase = 0;
export const MEASURE: Phase = 1;

/** Columns of the requests of the window, of one thread or of all. Seconds. */
export interface Rows {
  count: number;
  /** Scheduled start, from the window's start; of a later request of an iteration when it was sent. */
  due: Float64Array;
  startLag: Float32Array;
  latency: Float32Array;
  side: Uint8Array;
  pair: Int32Array;
  name: Uint16Array;
  status: Int32Array;
  /** 0: it did not fail; else 1 + index in `kinds`. */
  failure: Uint8Array;
}

export interface Journeys {
  side: number;
  name: string;
  durations: Float32Array;
  /** All of them; `durations` are of those in which nothing failed. */
  count: number;
  failed: number;
}

/** Answers of one name and one kind. */
export interface Answers {
  side: number;
  name: number;
  /** HTTP status; of gRPC its code; 0: none. */
  status: number;
  /** Kind of the failure; null where it is none. */
  failure: string | null;
  count: number;
  /** Mean size of the body, and the sum of the squared deviations from it (Welford, Technometrics 4, 1962). */
  mean: number;
  squares: number;
  /** Content-Type of the first of them as it came, empty where there was none; and how many had which other one. */
  type: string;
  otherTypes: Map<string, number> | null;
}

/** What a thread hands over at the end. */
export interface Recorded {
  names: string[];
  kinds: string[];
  rows: Rows;
  /**
   * By side, seconds: of iterations in which nothing failed, from when they were due (of a closed model from their start)
   * to their end; start lags.
   */
  response: Float32Array[];
  startLag: Float32Array[];
  /** By side. */
  iterations: number[];
  dropped: { warmup: number; measure: number }[];
  requests: number[];
  failed: number[];
  bytes: number[];
  bytesSent: number[];
  journeys: Journeys[];
  answers: Answers[];
  failures: (Failures & { side: number })[];
}

class Growing<A extends Float64Array | Float32Array | Int32Array | Uint16Array | Uint8Array> {
  readonly #make: (length: number) => A;
  readonly #pieces: A[] = [];
  #at = PIECE;
  constructor(make: (length: number) => A) {
    this.#make = make;
  }
  push(value: number): void {
    if (this.#at === PIECE) {
      this.#pieces.push(this.#make(PIECE));
      this.#at = 0;
    }
    this.#pieces[this.#pieces.length - 1]![this.#at++] = value;
  }
  whole(): A {
    const length = this.#pieces.length === 0 ? 0 : (this.#pieces.length - 1) * PIECE + this.#at;
    const all = this.#make(length);
    this.#pieces.forEach((piece, i) =>
      all.set((i === this.#pieces.length - 1 ? piece.subarray(0, this.#at) : piece) as any, i * PIECE),
    );
    return all;
  }
}

export class Recorder {
  readonly #live: LiveWriter;
  readonly #keepRows: number;
  readonly #scheduled: boolean;
  readonly #names = new Map<string, number>();
  readonly #kinds = new Map<string, number>();
  #rows = 0;
  readonly #due = new Growing((n) => new Float64Array(n));
  readonly #lag = new Growing((n) => new Float32Array(n));
  readonly #latency = new Growing((n) => new Float32Array(n));
  readonly #side = new Growing((n) => new Uint8Array(n));
  readonly #pair = new Growing((n) => new Int32Array(n));
  readonly #name = new Growing((n) => new Uint16Array(n));
  readonly #status = new Growing((n) => new Int32Array(n));
  readonly #failure = new Growing((n) => new Uint8Array(n));
  readonly #response: Growing<Float32Array>[];
  readonly #startLag: Growing<Float32Array>[];
  readonly #iterations: number[];
  readonly #dropped: { warmup: number; measure: number }[];
  readonly #requests: number[];
  readonly #failed: number[];
  readonly #bytes: number[];
  readonly #bytesSent: number[];
  readonly #journeys = new Map<
    string,
    { side: number; name: string; durations: Growing<Float32Array>; count: number; failed: number }
  >();
  readonly #answers = new Map<number, Answers>();
  readonly #failures = new Map<string, Failures & { side: number }>();

  /**
   * `keepRows`: rows beyond it are counted, and kept as values, but not one by one in the file. `scheduled`: no closed
   * model.
   */
  constructor(sideCount: number, live: LiveWriter, keepRows: number, scheduled = true) {
    const each = <T>(make: () => T) => Array.from({ length: sideCount }, make);
    this.#live = live;
    this.#keepRows = keepRows;
    this.#scheduled = scheduled;
    this.#response = each(() => new Growing((n) => new Float32Array(n)));
    this.#startLag = each(() => new Growing((n) => new Float32Array(n)));
    this.#iterations = each(() => 0);
    this.#dropped = each(() => ({ warmup: 0, measure: 0 }));
    this.#requests = each(() => 0);
    this.#failed = each(() => 0);
    this.#bytes = each(() => 0);
    this.#bytesSent = each(() => 0);
  }

  /** Number of a name; beyond the cap all are one: a name that holds an id would fill the memory, and Prometheus. */
  nameOf(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (name.length > LONGEST_NAME) return this.nameOf(name.slice(0, LONGEST_NAME));
    if (this.#names.size >= MAX_NAMES - 1 && name !== OTHER_NAMES) return this.nameOf(OTHER_NAMES);
    const number = this.#names.size;
    this.#names.set(name, number);
    this.#live.name(number, name);
    return number;
  }

  started(phase: Phase, side: number, lagS: number): void {
    this.#live.startLag(phase, side, lagS);
    if (phase === MEASURE) this.#startLag[side]!.push(lagS);
  }

  inFlight(side: number, count: number): void {
    this.#live.inFlight(side, count);
  }

  dropped(phase: Phase, side: number): void {
    this.#live.dropped(phase, side);
    this.#dropped[side]![phase === MEASURE ? 'measure' : 'warmup']++;
  }

  /** `durationS`: from when it was due, in a closed model from its start; null where something failed. */
  iterated(phase: Phase, side: number, durationS: number | null): void {
    this.#live.iterated(phase, side, this.#scheduled ? durationS : null);
    if (phase !== MEASURE) return;
    this.#iterations[side]!++;
    if (durationS !== null) this.#response[side]!.push(durationS);
  }

  sent(phase: Phase, side: number, bytes: number): void {
    if (phase === MEASURE) this.#bytesSent[side]! += bytes;
  }

  requested(
    phase: Phase,
    side: number,
    name: number,
    dueS: number,
    lagS: number,
    latencyS: number,
    pair: number,
    status: number,
    bytes: number,
    type: string,
    failure: Failure | null,
  ): void {
    // What is no HTTP has no such status: one that went well counts as 200, so that who looks for errors finds errors.
    this.#live.requested(
      phase,
      side,
      name,
      status >= 100 ? status : failure === null ? 200 : 0,
      failure === null ? latencyS : null,
    );
    if (phase !== MEASURE) return;
    this.#requests[side]!++;
    this.#bytes[side]! += bytes;
    let kind = 0;
    if (failure !== null) {
      this.#failed[side]!++;
      kind = 1 + this.#kindOf(failure.kind);
      this.#failedBy(side, failure, name);
    }
    this.#answered(side, name, status, kind, failure, bytes, type);
    this.#rows++;
    this.#latency.push(latencyS);
    this.#side.push(side);
    this.#name.push(name);
    this.#failure.push(kind);
    if (this.#rows > this.#keepRows) return;
    this.#due.push(dueS);
    this.#lag.push(lagS);
    this.#pair.push(pair);
    this.#status.push(status);
  }

  journey(phase: Phase, side: number, name: string, durationS: number, failed: boolean): void {
    if (phase !== MEASURE) return;
    const key = `${side} ${name.slice(0, LONGEST_NAME)}`;
    let journey = this.#journeys.get(key);
    if (!journey) {
      if (this.#journeys.size >= 2 * MAX_NAMES) return;
      this.#journeys.set(
        key,
        (journey = {
          side,
          name: name.slice(0, LONGEST_NAME),
          durations: new Growing((n) => new Float32Array(n)),
          count: 0,
          failed: 0,
        }),
      );
    }
    journey.count++;
    if (failed) journey.failed++;
    else journey.durations.push(durationS);
  }

  /** An iteration that threw: a failure that is of no request. */
  threw(phase: Phase, side: number, failure: Failure): void {
    if (phase !== MEASURE) return;
    this.#failed[side]!++;
    this.#failedBy(side, failure, null);
  }

  /** Without a text as key, and without an allocation but for the first of a kind: it is part of every request. */
  #answered(
    side: number,
    name: number,
    status: number,
    kind: number,
    failure: Failure | null,
    bytes: number,
    type: string,
  ): void {
    const code = status >= 0 && status < STATUSES ? status : 0;
    const key =
      (((side * MAX_NAMES + name) * STATUSES + code) * KINDS + Math.min(kind, KINDS - 1)) * 2 + +(bytes === 0);
    let answers = this.#answers.get(key);
    if (answers === undefined) {
      if (this.#answers.size >= MAX_ANSWERS) return;
      answers = {
        side,
        name,
        status: code,
        failure: failure?.kind ?? null,
        count: 0,
        mean: 0,
        squares: 0,
        type,
        otherTypes: null,
      };
      this.#answers.set(key, answers);
    }
    if (type !== answers.type) otherType(answers, type);
    const off = bytes - answers.mean;
    answers.mean += off / ++answers.count;
    answers.squares += off * (bytes - answers.mean);
  }

  #kindOf(kind: string): number {
    let number = this.#kinds.get(kind);
    if (number === undefined) this.#kinds.set(kind, (number = this.#kinds.size));
    return number;
  }

  #failedBy(side: number, { kind, detail, message, request }: Failure, name: number | null): void {
    const key = `${side} ${kind} ${detail}`;
    const known = this.#failures.get(key);
    if (known) known.count++;
    else if (this.#failures.size < MAX_FAILURES)
      this.#failures.set(key, {
        side,
        kind,
        detail: detail.slice(0, 200),
        count: 1,
        example: {
          name: name === null ? '' : [...this.#names.keys()][name]!,
          ...(request === undefined ? {} : { request: request.slice(0, 200) }),
          message: message.slice(0, 500),
        },
      });
  }

  recorded(): Recorded {
    const rows: Rows = {
      count: this.#rows,
      due: this.#due.whole(),
      startLag: this.#lag.whole(),
      latency: this.#latency.whole(),
      side: this.#side.whole(),
      pair: this.#pair.whole(),
      name: this.#name.whole(),
      status: this.#status.whole(),
      failure: this.#failure.whole(),
    };
    return {
      names: [...this.#names.keys()],
      kinds: [...this.#kinds.keys()],
      rows,
      response: this.#response.map((one) => one.whole()),
      startLag: this.#startLag.map((one) => one.whole()),
      iterations: this.#iterations,
      dropped: this.#dropped,
      requests: this.#requests,
      failed: this.#failed,
      bytes: this.#bytes,
      bytesSent: this.#bytesSent,
      journeys: [...this.#journeys.values()].map(({ durations, ...one }) => ({ ...one, durations: durations.whole() })),
      answers: [...this.#answers.values()],
      failures: [...this.#failures.values()],
    };
  }
}

/** Few services answer in more than one way. */
function otherType(answers: Answers, type: string): void {
  const types = (answers.otherTypes ??= new Map());
  const kept = types.has(type) || types.size < MAX_TYPES ? type : OTHER_TYPES;
  types.set(kept, (types.get(kept) ?? 0) + 1);
}

/** Values of Content-Type that are told apart, of answers that are alike. */
const MAX_TYPES = 20;
const OTHER_TYPES = 'others';

/** Characters of a name; Prometheus takes no longer labels. */
const LONGEST_NAME = 200;
const STATUSES = 1000;
const KINDS = 32;
/** Kinds of answers that are told apart, over both sides: by name, status, failure, and whether there is a body. */
const MAX_ANSWERS = 4096;
/** Ways of failing that are told apart, over both sides. */
const MAX_FAILURES = 100;
