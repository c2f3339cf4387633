/**
 * Requests at scheduled times, whether the server keeps up or not; latency counts from the scheduled time, so that a
 * stall cannot hide.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { quantile } from '../../judge/statistics.ts';

export interface Wanted {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
}

export interface Times {
  requests: number;
  /** Milliseconds. */
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Sends `rate` requests a second for `seconds`; `check` looks at each answer, and what it throws is thrown. */
export async function drive(
  next: (index: number) => Wanted,
  { rate, seconds, check }: { rate: number; seconds: number; check?: (status: number, index: number) => void },
): Promise<Times> {
  const agent = new Agent({ connections: 64, pipelining: 1 });
  const count = Math.round(rate * seconds);
  const start = performance.now() + 50;
  const one = async (index: number): Promise<number> => {
    const due = start + (index * 1000) / rate;
    await sleep(Math.max(0, due - performance.now()));
    const { url, method = 'GET', headers, body } = next(index);
    const answer = await request(url, { method, headers: headers ?? null, body: body ?? null, dispatcher: agent });
    await answer.body.dump({ limit: 100_000_000 });
    const took = performance.now() - due;
    (check ?? mustBe200)(answer.statusCode, index);
    return took;
  };
  try {
    const sorted = (await Promise.all(Array.from({ length: count }, (_, index) => one(index)))).sort((a, b) => a - b);
    return {
      requests: count,
      p50: quantile(sorted, 0.5),
      p95: quantile(sorted, 0.95),
      p99: quantile(sorted, 0.99),
      max: sorted.at(-1)!,
    };
  } finally {
    await agent.close();
  }
}

function mustBe200(status: number): void {
  if (status !== 200) throw new Error(`the server answered ${status}`);
}
