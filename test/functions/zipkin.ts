/** A server that takes spans as Zipkin does, and shows them. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface ZipkinSpan {
  traceId: string;
  id: string;
  parentId?: string;
  name: string;
  kind?: string;
  /** Microseconds. */
  timestamp: number;
  duration: number;
  localEndpoint: { serviceName: string };
  tags: Record<string, string>;
}

export async function zipkin(t: Test, { status = 202 } = {}) {
  const spans: ZipkinSpan[] = [];
  const batches: number[] = [];
  const looks = new Set<() => void>();
  const server = createServer(async (request, response) => {
    const batch = JSON.parse(Buffer.concat(await request.toArray()).toString()) as ZipkinSpan[];
    // As the real one does.
    const odd = batch.find(({ timestamp, duration }) => !Number.isInteger(timestamp) || !Number.isInteger(duration));
    response.writeHead(odd ? 400 : status).end();
    if (odd) throw new Error(`no whole microseconds: ${JSON.stringify(odd)}`);
    if (request.method !== 'POST' || request.url !== '/api/v2/spans')
      throw new Error(`${request.method} ${request.url}`);
    batches.push(batch.length);
    if (status < 300) spans.push(...batch);
    looks.forEach((look) => look());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => (server.close(), server.closeAllConnections()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v2/spans`,
    spans,
    batches,
    /** Resolves once there are so many, with those of the name. */
    has: (count: number) =>
      new Promise<ZipkinSpan[]>((done) => {
        const look = () => spans.length >= count && done(spans);
        looks.add(look);
        look();
      }),
  };
}
