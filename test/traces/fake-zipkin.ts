/**
 * A stand-in for Zipkin that keeps what it is given and answers as the real one does (zipkin2.storage.InMemoryStorage):
 * a trace is found by the begin of its root, both ends of the time included, the newest first, no more than `limit`.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeZipkin {
  url: string;
  spans: Record<string, any>[];
  asked: URL[];
  /** Answers this in place of what it would. */
  answer: { status: number; body: string } | null;
  /** Says that it has taken so many spans in place of those that it has. */
  counted: number | null;
  close(): void;
}

export async function fakeZipkin(): Promise<FakeZipkin> {
  const fake: FakeZipkin = { url: '', spans: [], asked: [], answer: null, counted: null, close: () => server.close() };
  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url!, 'http://zipkin');
    fake.asked.push(url);
    const reply = (status: number, body: string) => {
      outgoing.writeHead(status, { 'content-type': 'application/json' });
      outgoing.end(body);
    };
    if (fake.answer && url.pathname !== '/health') return reply(fake.answer.status, fake.answer.body);
    if (incoming.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      fake.spans.push(...JSON.parse(Buffer.concat(chunks).toString()));
      return reply(202, '');
    }
    if (url.pathname === '/metrics')
      return reply(
        200,
        JSON.stringify({
          'counter.zipkin_collector.spans.http': fake.counted ?? fake.spans.length,
          'counter.zipkin_collector.spans_dropped.http': 0,
          'counter.zipkin_collector.messages.http': 99,
        }),
      );
    if (url.pathname === '/api/v2/traces') return reply(200, JSON.stringify(find(fake.spans, url.searchParams)));
    return reply(200, '{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

function find(spans: Record<string, any>[], query: URLSearchParams): Record<string, any>[][] {
  const [endTs, lookback, limit] = ['endTs', 'lookback', 'limit'].map((name) => Number(query.get(name))) as [
    number,
    number,
    number,
  ];
  const asked = query.get('annotationQuery');
  const wanted = asked === null ? [] : asked.split(' and ').map((one) => one.split('='));
  return [...Map.groupBy(spans, ({ traceId }) => traceId).values()]
    .map((trace) => ({
      trace,
      at: (trace.find(({ parentId }) => !parentId) ?? trace.toSorted((a, b) => a.timestamp - b.timestamp)[0]!)
        .timestamp,
    }))
    .filter(({ at }) => at >= (endTs - lookback) * 1000 && at <= endTs * 1000)
    .filter(({ trace }) => wanted.every(([name, value]) => trace.some(({ tags }) => tags?.[name!] === value)))
    .sort((a, b) => b.at - a.at)
    .slice(0, limit)
    .map(({ trace }) => trace);
}
