/** Where events come in: HTTP, in binary or structured mode. An event is answered when the broker has it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { nowMs } from 'mayfly-functions/clock';
import { log } from 'mayfly-functions/log';
import { record } from 'mayfly-functions/records';
import type { Broker } from './broker.ts';
import { type Event, NoEvent, readEvent } from './event.ts';
import type { Metrics } from './metrics.ts';
import { received } from './spans.ts';
import { matches, type Trigger } from './triggers.ts';

export interface IngressOptions {
  triggers: Trigger[];
  broker: Broker;
  metrics: Metrics;
}

/** Bytes of a request's body. A NATS server takes messages of 1 MiB, headers included. */
export const MAX_BYTES = 512 * 1024;
/**
 * Of a request that is too large so much more is read and let go: a sender that is still writing when its connection is
 * closed does not read the answer.
 */
const MAX_DROPPED = 16 * 1024 * 1024;
/** How long an event waits for a broker that is not there. */
const WAIT_MS = 1000;

/** Something to answer with that is no success. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function createIngress(options: IngressOptions): Server {
  return createServer((request, response) => {
    const path = request.url!.split('?')[0];
    if (path === '/healthz' && request.method === 'GET') return health(options.broker, response);
    if (path !== '/') return answer(response, 404, 'events are sent to /');
    if (request.method !== 'POST') return answer(response, 405, 'events are sent with POST', { allow: 'POST' });
    take(request, options).then(
      () => response.writeHead(202).end(),
      (error) => refuse(error, request, response),
    );
  });
}

async function take(request: IncomingMessage, { triggers, broker, metrics }: IngressOptions): Promise<void> {
  const beginMs = nowMs();
  let event: Event;
  try {
    event = readEvent(request.headers, await bodyOf(request));
  } catch (error) {
    if (error instanceof Refusal) metrics.ingress('too-large');
    if (!(error instanceof NoEvent)) throw error;
    metrics.ingress('refused');
    record({ e: 'refused', t: nowMs(), id: error.id, source: error.source, why: error.message });
    log.warn('refused', { event: error.id, source: error.source, why: error.message });
    throw error;
  }
  await received(event, request.headers, beginMs, async (traced) => {
    const { id, source, type } = event.attributes;
    await publish(broker, traced, metrics);
    const wanting = triggers.filter(({ filter }) => matches(filter, event.attributes)).map(({ name }) => name);
    record({ e: 'taken', t: nowMs(), id, source, triggers: wanting });
    metrics.ingress('taken');
    if (wanting.length > 0) return log.debug('taken', { event: id, source, type });
    metrics.ingress('unrouted');
    log.warn('unrouted, no trigger wants it', { event: id, source, type });
  });
}

async function publish(broker: Broker, event: Event, metrics: Metrics): Promise<void> {
  try {
    if (!(await broker.readyWithin(WAIT_MS))) throw new Error('there is no connection to the broker');
    await broker.publish(event);
  } catch (error) {
    metrics.ingress('no-broker');
    throw new Refusal(503, `the event was not taken: ${(error as Error).message}; send it again with the same id`);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => new Refusal(413, `the event is too large: at most ${MAX_BYTES} bytes are taken`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_BYTES) chunks.push(chunk);
    else if (bytes > MAX_BYTES + MAX_DROPPED) break;
  }
  if (bytes > MAX_BYTES) throw tooLarge();
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function refuse(error: Error, request: IncomingMessage, response: ServerResponse): void {
  // Who sent it is gone.
  if (response.destroyed) return;
  if (error instanceof NoEvent) return answer(response, 400, error.message);
  if (!(error instanceof Refusal)) {
    if (request.complete) log.error('the ingress failed', { error });
    return answer(response, 500, 'the ingress failed; its log says why');
  }
  if (error.status === 503) return answer(response, 503, error.message, { 'retry-after': '1' });
  // The rest of the body may not have been read.
  answer(response, error.status, error.message, { connection: 'close' });
}

function health(broker: Broker, response: ServerResponse): void {
  if (broker.isReady) answer(response, 200, 'ready');
  else answer(response, 503, 'there is no connection to the broker');
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers }).end(`${text}\n`);
}
