/** Sends events to a subscriber: HTTP POST in binary mode, over connections that stay open. */
import { Pool } from 'undici';
import { binaryHeaders, type Event } from './event.ts';
import type { Trigger } from './triggers.ts';

export interface Answer {
  isTaken: boolean;
  /** Of the HTTP answer, where there was one. */
  status: number | null;
  /** Why it was not taken. */
  why: string;
  /** The trigger service ends: the subscriber is not to blame. */
  isGivenUp: boolean;
}

export class Subscriber {
  readonly #trigger: Trigger;
  readonly #pool: Pool;
  readonly #path: string;

  constructor(trigger: Trigger) {
    const url = new URL(trigger.subscriber);
    this.#trigger = trigger;
    this.#path = url.pathname + url.search;
    // An attempt has one time limit, for all of it: see post().
    this.#pool = new Pool(url.origin, {
      connections: trigger.maxInFlight,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 0,
    });
  }

  /** One attempt. It never rejects. Only 2xx is taken; no redirect is followed. */
  async post(event: Event, traceparent: string | undefined, stop: AbortSignal): Promise<Answer> {
    const { name, timeoutS } = this.#trigger;
    const late = new Error(`no answer within ${timeoutS} s`);
    const ending = new Error('the trigger service ends');
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(late), timeoutS * 1000);
    const end = () => abort.abort(ending);
    if (stop.aborted) end();
    stop.addEventListener('abort', end, { once: true });
    let status: number | null = null;
    try {
      const answer = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: {
          ...binaryHeaders(event.attributes),
          'mayfly-trigger': name,
          ...(traceparent === undefined ? {} : { traceparent }),
        },
        body: event.data,
        signal: abort.signal,
      });
      status = answer.statusCode;
      await answer.body.dump({ limit: 1 << 20, signal: abort.signal });
      const isTaken = status >= 200 && status < 300;
      return { isTaken, status, why: isTaken ? '' : `the subscriber answered ${status}`, isGivenUp: false };
    } catch (error) {
      const why = error instanceof Error ? error.message || String((error as { code?: string }).code) : String(error);
      return { isTaken: false, status, why, isGivenUp: error === ending };
    } finally {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
