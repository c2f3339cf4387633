/** One iteration under way: what the script's function gets, and when it has ended. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { clockMs } from './clock.ts';
import type { CookieJar } from './cookies.ts';
import { classify, type Failure, failure } from './failures.ts';
import { faultOf, ScriptFault } from './faults.ts';
import type { ServiceClients } from './grpc.ts';
import { type HttpRequest, IterationHttp, type SideHttp } from './http.ts';
import type { Grpc, Http, Iteration } from './load.ts';
import type { SideName } from './plan.ts';
import type { Phase, Recorder } from './recorder.ts';
import { choose as chooseFrom, generator, textSeed } from './schedule.ts';

/** What iterations of one side have in common. */
export interface SideState {
  index: number;
  name: SideName;
  url: string;
  target: string;
  http: SideHttp;
  /** Null where the script names no protos. */
  grpc: ServiceClients | null;
  data: unknown;
  inFlight: number;
}

/** What all iterations of a thread have in common. */
export interface Shared {
  recorder: Recorder;
  seed: number;
  timeoutMs: number;
  /** Makes a jar for cookies; null where none are kept. */
  newJar: (() => CookieJar) | null;
  /** Requests under way: looked through for those that take too long. */
  open: Set<Expiring>;
  /** The options of requests are checked: it is the script that is tried, or the generator warms up. */
  trying: boolean;
  /** Of a try: the script is at fault. */
  onFault?: (fault: ScriptFault) => void;
  /** Of a try: it threw before it had asked for anything, so no answer is to blame. */
  onEarly?: (error: unknown) => void;
  /** Start of the window, milliseconds on the common clock. */
  windowMs: number;
  /** What makes Unix milliseconds of that clock. */
  epochMs: number;
  /** Of a closed model there is none. */
  scheduled: boolean;
}

/** What can be cut off. */
export interface Expiring {
  deadlineMs: number;
  expire(): void;
}

const PHASE_SEEDS = [textSeed('warmup'), textSeed('measure')] as const;

export interface Place {
  phase: Phase;
  pair: number;
  user: number;
  dueMs: number;
  lagMs: number;
  row?: Readonly<Record<string, string>> | undefined;
  jar?: CookieJar | undefined;
}

export class Iterating implements Iteration {
  readonly timeoutMs: number;
  readonly trying: boolean;
  readonly jar: CookieJar | null;
  readonly pair: number;
  readonly user: number;
  readonly row: Readonly<Record<string, string>> | undefined;
  readonly side: SideName;
  readonly url: string;
  readonly target: string;
  readonly data: unknown;
  readonly #shared: Shared;
  readonly #state: SideState;
  readonly #place: Place;
  /** Requests under way, and 1 for the function itself. */
  #open = 1;
  #asked = false;
  #ended = false;
  #first = true;
  #failed = false;
  #random: (() => number) | null = null;
  #http: IterationHttp | null = null;
  #grpc: Grpc | null = null;
  readonly #onEnd: (iterating: Iterating) => void;

  constructor(shared: Shared, state: SideState, place: Place, onEnd: (iterating: Iterating) => void) {
    this.timeoutMs = shared.timeoutMs;
    this.trying = shared.trying;
    this.jar = place.jar ?? shared.newJar?.() ?? null;
    this.pair = place.pair;
    this.user = place.user;
    this.row = place.row;
    this.side = state.name;
    this.url = state.url;
    this.target = state.target;
    this.data = state.data;
    this.#shared = shared;
    this.#state = state;
    this.#place = place;
    this.#onEnd = onEnd;
  }

  /** Runs the script's function; `onEnd` is called once, when it and all of its requests have ended. */
  run(iterate: (iteration: Iteration<any>) => unknown): void {
    let result: unknown;
    try {
      result = iterate(this);
    } catch (error) {
      return this.#thrown(error);
    }
    if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function' || isRequest(result)) return this.#settle();
    (result as PromiseLike<unknown>).then(
      () => this.#settle(),
      (error) => this.#thrown(error),
    );
  }

  get http(): Http {
    return (this.#http ??= new IterationHttp(this, this.#state.http));
  }

  get grpc(): Grpc {
    const clients = this.#state.grpc;
    if (!clients)
      throw new ScriptFault(
        'the script names no protos, so there is no gRPC',
        "Name them: defineLoad({ grpc: { protos: ['shop.proto'] } }, ...).",
      );
    return (this.#grpc ??= clients.of(this));
  }

  get scheduledMs(): number {
    return this.#place.dueMs + this.#shared.epochMs;
  }

  /** Not drawn from the side: both sides of a pair make the same request. */
  get random(): () => number {
    return (this.#random ??= generator(
      this.#shared.seed,
      PHASE_SEEDS[this.#place.phase],
      this.#place.pair,
      this.#place.user,
    ));
  }

  get choose() {
    return <T>(choices: readonly (readonly [weight: number, value: T | (() => T)])[]): T => {
      const value = chooseFrom(this.random, choices);
      return typeof value === 'function' ? (value as () => T)() : value;
    };
  }

  get journey() {
    return async <T>(name: string, steps: () => PromiseLike<T>): Promise<T> => {
      const beganMs = clockMs();
      const before = this.#failed;
      this.#failed = false;
      try {
        return await steps();
      } catch (error) {
        this.#failed = true;
        throw error;
      } finally {
        this.#shared.recorder.journey(
          this.#place.phase,
          this.#state.index,
          name,
          (clockMs() - beganMs) / 1000,
          this.#failed,
        );
        this.#failed ||= before;
      }
    };
  }

  get time() {
    return async <T>(name: string, work: () => PromiseLike<T>): Promise<T | undefined> => {
      this.#asked = true;
      if (this.trying) await nextTurn(); // another client knows no loopback server
      if (this.#state.http.over) return new Promise(() => {});
      if (this.trying) return undefined;
      let expired: (() => void) | undefined;
      const request: Expiring & { sentMs: number } = { sentMs: 0, deadlineMs: 0, expire: () => expired?.() };
      request.sentMs = this.opened(request);
      request.deadlineMs = request.sentMs + this.timeoutMs;
      try {
        const value = await Promise.race([
          work(),
          new Promise<never>(
            (_, reject) =>
              (expired = () =>
                reject(Object.assign(new Error(`not done after ${this.timeoutMs} ms`), { code: 'ETIMEDOUT' }))),
          ),
        ]);
        this.closed(request, name, 0, 0, '', null);
        return value;
      } catch (error) {
        this.closed(
          request,
          name,
          0,
          0,
          '',
          error instanceof ScriptFault ? failure('script', '', faultOf(error).message) : classify(error),
        );
        return undefined;
      }
    };
  }

  /** A request is sent: the moment. */
  opened(request: Expiring): number {
    this.#open++;
    this.#asked = true;
    this.#shared.open.add(request);
    return clockMs();
  }

  /** Bytes of a body that were sent. */
  sent(bytes: number): void {
    this.#shared.recorder.sent(this.#place.phase, this.#state.index, bytes);
  }

  /** A request has ended. `type`: Content-Type of its answer, empty where there is none. */
  closed(
    request: Expiring & { sentMs: number },
    name: string,
    status: number,
    bytes: number,
    type: string,
    why: Failure | null,
  ): void {
    const nowMs = clockMs();
    const { recorder, open, windowMs } = this.#shared;
    const { phase, pair, dueMs, lagMs } = this.#place;
    open.delete(request);
    if (why) this.#failed = true;
    const first = this.#first && this.#shared.scheduled;
    this.#first = false;
    recorder.requested(
      phase,
      this.#state.index,
      recorder.nameOf(name),
      ((first ? dueMs : request.sentMs) - windowMs) / 1000,
      first ? lagMs / 1000 : 0,
      (nowMs - request.sentMs) / 1000,
      pair,
      status,
      bytes,
      type,
      why,
    );
    if (--this.#open === 0) this.#end(nowMs);
  }

  #settle(): void {
    if (--this.#open === 0) this.#end(clockMs());
  }

  #thrown(error: unknown): void {
    this.#failed = true;
    if (error instanceof ScriptFault) this.#shared.onFault?.(error);
    else if (!this.#asked && (error instanceof TypeError || error instanceof ReferenceError))
      this.#shared.onEarly?.(error);
    this.#shared.recorder.threw(this.#place.phase, this.#state.index, failure('script', '', faultOf(error).message));
    this.#settle();
  }

  #end(nowMs: number): void {
    if (this.#ended) return; // a request that was made after the end
    this.#ended = true;
    const { recorder } = this.#shared;
    const { phase, dueMs } = this.#place;
    recorder.iterated(phase, this.#state.index, this.#failed ? null : (nowMs - dueMs) / 1000);
    this.#onEnd(this);
  }
}

/** A request that nobody has awaited ends by itself. */
const isRequest = (value: unknown): boolean => typeof (value as HttpRequest).expire === 'function';
