/** A client of Zipkin's HTTP API. Source: zipkin.io/zipkin-api/zipkin2-api.yaml. */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { readTraces, type Span, toZipkin } from './spans.ts';

export type ZipkinClient = ReturnType<typeof connectZipkin>;

/** Zipkin does not answer, or not as it should: a sentence. */
export class ZipkinFault extends Error {}

/** Traces that are asked for at once. Where an answer has as many, there may be more: its time is asked for in halves. */
const LIMIT = 500;
/** Milliseconds that are asked for at once, to begin with. */
const SLICE_MS = 1000;
/** A larger answer is not read: its time is asked for in halves too. */
const MOST_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** An answer, or a part of it. */
interface Answer {
  traces: Span[][];
  /** Entries that are no span. */
  faults: number;
}

/** `signal` ends every request, and its reason is thrown then. `limit`: of an answer, in traces. */
export function connectZipkin(url: string, signal?: AbortSignal, { limit = LIMIT } = {}) {
  async function call(method: 'GET' | 'POST', path: string, body?: string): Promise<unknown> {
    try {
      const response = await request(`${url}${path}`, {
        method,
        ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal: signal ?? null,
      });
      const text = await textOf(response.body);
      if (text === null) return null;
      if (response.statusCode >= 300)
        throw new ZipkinFault(`Zipkin answered ${response.statusCode}: ${text.slice(0, 200).trim()}`);
      return text === '' ? null : JSON.parse(text);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ZipkinFault) throw error;
      if (error instanceof SyntaxError) throw new ZipkinFault('Zipkin answered something that is no JSON');
      throw new ZipkinFault(
        `Zipkin does not answer: ${(error as Error).message || ((error as { code?: string }).code ?? 'no reason given')}`,
      );
    }
  }

  /** Those that began from one millisecond to another, both included; null: the answer is too large. */
  async function between(query: string, from: number, to: number): Promise<Answer | null> {
    const search = new URLSearchParams({
      annotationQuery: query,
      endTs: String(to),
      lookback: String(Math.max(1, to - from)),
      limit: String(limit),
    });
    const answer = await call('GET', `/api/v2/traces?${search}`);
    if (answer === null) return null;
    try {
      return readTraces(answer);
    } catch (error) {
      throw new ZipkinFault(`Zipkin answered no traces: ${(error as Error).message}`);
    }
  }

  return {
    url,
    /** Spans that it has taken since it has started, and those that it could not keep. */
    async counts(): Promise<{ taken: number; dropped: number }> {
      const answer = (await call('GET', '/metrics')) as Record<string, unknown> | null;
      const sum = (prefix: string) =>
        Object.entries(answer ?? {}).reduce(
          (total, [name, value]) => total + (name.startsWith(prefix) && typeof value === 'number' ? value : 0),
          0,
        );
      return { taken: sum('counter.zipkin_collector.spans.'), dropped: sum('counter.zipkin_collector.spans_dropped.') };
    },
    /**
     * The traces with these tags that began from one moment to another (milliseconds), in pieces, each trace once. No
     * limit of an answer cuts them but within one millisecond: `cut` says that it has.
     */
    async *traces(
      tags: Record<string, string>,
      fromMs: number,
      toMs: number,
    ): AsyncGenerator<Answer & { cut: boolean }, void> {
      const query = Object.entries(tags)
        .map(([name, value]) => `${name}=${value}`)
        .join(' and ');
      const seen = new Set<string>();
      const slices: [number, number][] = [];
      const last = Math.ceil(toMs);
      for (let from = Math.floor(fromMs); from < last; from += SLICE_MS)
        slices.push([from, Math.min(from + SLICE_MS, last)]);
      slices.reverse();
      for (let slice = slices.pop(); slice; slice = slices.pop()) {
        const [from, to] = slice;
        const answer = await between(query, from, to);
        const isFull = answer === null || answer.traces.length >= limit;
        if (isFull && to - from > 1) {
          const middle = Math.floor((from + to) / 2);
          slices.push([middle, to], [from, middle]);
          continue;
        }
        const fresh = (answer?.traces ?? []).filter(([{ traceId } = { traceId: '' }]) => !seen.has(traceId));
        for (const [span] of fresh) seen.add(span!.traceId);
        yield { traces: fresh, faults: answer?.faults ?? 0, cut: isFull };
      }
    },
    /** Whether it has a trace that began before this moment: it lets go of the oldest first. */
    async hasBefore(ms: number): Promise<boolean> {
      const end = Math.floor(ms) - 1;
      const search = new URLSearchParams({ endTs: String(end), lookback: String(end), limit: '1' });
      const answer = await call('GET', `/api/v2/traces?${search}`);
      return Array.isArray(answer) && answer.length > 0;
    },
    /** Gives it spans to keep. */
    async give(spans: readonly Span[]): Promise<void> {
      await call('POST', '/api/v2/spans', JSON.stringify(spans.map(toZipkin)));
    },
    /** Waits until it serves; false where it does not in this time. */
    async ready(timeoutMs: number): Promise<boolean> {
      for (const deadline = Date.now() + timeoutMs; ; ) {
        const status = await request(`${url}/health`, { signal: signal ?? null, headersTimeout: 2000 }).then(
          async ({ statusCode, body }) => (await body.dump(), statusCode),
          () => 0,
        );
        signal?.throwIfAborted();
        if (status === 200) return true;
        if (Date.now() > deadline) return false;
        await sleep(100);
      }
    },
  };
}

/** The whole of it; null where it is too large. */
async function textOf(body: AsyncIterable<Buffer> & { destroy(): void }): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) {
      body.destroy();
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
