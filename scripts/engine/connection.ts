/** The one connection to the Docker engine: requests over its unix socket, and what becomes of its refusals. */
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import { InfrastructureError } from '../core/errors.ts';

/** Docker Engine 20.10 speaks it, and so does every later one. */
const API = 'v1.41';
const ANSWER_MS = 120_000;

/** The engine refused, or (status 0) did not answer. */
export class EngineError extends InfrastructureError {
  readonly status: number;
  /** Of a failed connection: ENOENT, ECONNREFUSED, EACCES. */
  readonly code: string | undefined;
  /** What the engine, or the connection, says; without where. */
  readonly reason: string;
  constructor(status: number, message: string, reason: string, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.reason = reason;
  }
}

interface SendOptions {
  body?: unknown;
  /** A tar archive, in place of `body`. */
  bytes?: Buffer | Readable;
  signal?: AbortSignal | undefined;
  /** Milliseconds that the engine may take to begin its answer; 0: any time. */
  answerMs?: number;
  /** Milliseconds that may pass within its answer; absent: any time. */
  stallMs?: number;
}

export type Connection = ReturnType<typeof connectSocket>;

export function connectSocket(socket: string) {
  const agent = new Agent({ connect: { socketPath: socket }, headersTimeout: ANSWER_MS, bodyTimeout: 0 });

  async function send(method: Dispatcher.HttpMethod, path: string, options: SendOptions = {}) {
    try {
      return await request(`http://engine/${API}${path}`, {
        method,
        dispatcher: agent,
        signal: options.signal ?? null,
        ...(options.answerMs === undefined ? {} : { headersTimeout: options.answerMs }),
        ...(options.stallMs === undefined ? {} : { bodyTimeout: options.stallMs }),
        ...(options.bytes === undefined
          ? {}
          : { body: options.bytes, headers: { 'content-type': 'application/x-tar' } }),
        ...(options.body === undefined
          ? {}
          : { body: JSON.stringify(options.body), headers: { 'content-type': 'application/json' } }),
      });
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      const { message, code } = error as { message: string; code?: string };
      throw new EngineError(
        0,
        `the Docker engine at ${socket} does not answer (${message || code})`,
        message || code || '',
        code,
      );
    }
  }

  /**
   * Sends a request and reads the answer as JSON; a refusal becomes an EngineError that carries the engine's own words.
   */
  async function call<T>(method: Dispatcher.HttpMethod, path: string, options: SendOptions = {}): Promise<T> {
    const response = await send(method, path, options);
    const text = await response.body.text();
    if (response.statusCode >= 400) throw refusal(response.statusCode, text, method, path);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  async function tolerant(promise: Promise<unknown>, ...statuses: number[]): Promise<void> {
    try {
      await promise;
    } catch (error) {
      if (!(error instanceof EngineError && statuses.includes(error.status))) throw error;
    }
  }

  const labelFilter = (labels: string[]) => encodeURIComponent(JSON.stringify({ label: labels }));

  return { send, call, tolerant, labelFilter, close: (): Promise<void> => agent.destroy() };
}

export function refusal(status: number, text: string, method: string, path: string): EngineError {
  const reason = engineMessage(text);
  return new EngineError(status, `Docker engine: ${reason} (${method} ${path.split('?')[0]})`, reason);
}

function engineMessage(text: string): string {
  try {
    return JSON.parse(text).message;
  } catch {
    return text.trim() || 'no message';
  }
}
