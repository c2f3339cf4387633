/** A client of Prometheus' HTTP API for the run. Source: prometheus.io/docs/prometheus/latest/querying/api. */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { InfrastructureError } from '../../core/errors.ts';
import { plainText } from '../../core/text.ts';
import type { ScrapeTarget } from '../../stack/scrape.ts';

export type PrometheusClient = ReturnType<typeof connectPrometheus>;

/** One series of an instant query. */
export interface Series {
  labels: Record<string, string>;
  value: number;
}

/** One series of a range selector: times are milliseconds since the epoch, the oldest first. */
export interface RawSeries {
  labels: Record<string, string>;
  values: [number, number][];
}

/**
 * Milliseconds. After a failed request the client waits so long for the event that Prometheus has ended: that event is
 * the better reason.
 */
const END_EVENT_WAIT_MS = 500;
const HINT = 'Run the benchmark again; with --keep the stack stays up to look at.';

/** Prometheus has answered and cannot evaluate what it was asked. */
export class QueryRefused extends InfrastructureError {}

/** The one value of an answer; where it holds none, what it holds instead. */
export function singleValue(series: readonly Series[]): number | string {
  const [only, ...more] = series;
  if (!only) return 'its query gives nothing';
  if (more.length === 0)
    return Number.isFinite(only.value) ? only.value : `its query gives ${only.value}, as after a division by 0`;
  const labels = series.slice(0, 2).map((one) => `{${labelsText(one.labels)}}`);
  return `its query gives ${series.length} series (${labels.join(', ')}${series.length > 2 ? ', ...' : ''}) and must give one: put sum() or the like around it`;
}

const labelsText = (labels: Record<string, string>) =>
  Object.entries(labels)
    .filter(([name]) => !['side', 'round', 'commit'].includes(name))
    .map(([name, value]) => `${name}="${plainText(value)}"`)
    .join(',')
    .slice(0, 200);

/** `signal` ends every request, and its reason is thrown then. */
export function connectPrometheus(url: string, signal?: AbortSignal) {
  async function call(
    method: 'GET' | 'POST',
    path: string,
    form: Record<string, string> | null,
    ends: AbortSignal | undefined = signal,
  ): Promise<any> {
    let response: Awaited<ReturnType<typeof request>>;
    try {
      response = await request(`${url}${path}`, {
        method,
        ...(form
          ? {
              body: new URLSearchParams(form).toString(),
              headers: { 'content-type': 'application/x-www-form-urlencoded' },
            }
          : {}),
        headersTimeout: 30_000,
        signal: ends ?? null,
      });
    } catch (error) {
      await sleep(END_EVENT_WAIT_MS, undefined, ends ? { signal: ends } : {}).catch(() => {});
      ends?.throwIfAborted();
      throw new InfrastructureError(
        `the run's Prometheus does not answer: ${(error as Error).message || (error as { code?: string }).code}`,
        { hint: HINT },
      );
    }
    const text = await response.body.text();
    let answer: any;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new InfrastructureError(
        `the run's Prometheus answered ${response.statusCode}: ${text.slice(0, 200).trim()}`,
        { hint: HINT },
      );
    }
    if (answer.status !== 'success')
      throw new QueryRefused(`the run's Prometheus refused: ${answer.error ?? text.slice(0, 200)}`, {
        hint: 'Is it the PromQL of a metric in benchmark.yaml?',
      });
    return answer.data;
  }

  /**
   * Evaluates an expression at one moment (milliseconds since the epoch; now where absent). A scalar is one series
   * without labels.
   */
  async function query(expression: string, atMs?: number): Promise<Series[]> {
    const data = await call('POST', '/api/v1/query', {
      query: expression,
      ...(atMs === undefined ? {} : { time: String(atMs / 1000) }),
    });
    if (data.resultType === 'scalar') return [{ labels: {}, value: Number(data.result[1]) }];
    if (data.resultType !== 'vector')
      throw new InfrastructureError(`the expression ${expression} gives a ${data.resultType}, not one value`, {
        hint: 'Fix the PromQL in benchmark.yaml: it must give one number.',
      });
    return data.result.map((series: any) => ({ labels: series.metric, value: Number(series.value[1]) }));
  }

  return {
    url,
    query,
    /** Every target that it knows of now. */
    async targets(): Promise<ScrapeTarget[]> {
      const { activeTargets } = await call('GET', '/api/v1/targets?state=active', null);
      return activeTargets.map((target: any) => ({
        job: target.labels.job,
        url: target.scrapeUrl,
        up: target.health === 'up',
        error: target.lastError ?? '',
      }));
    },
    /** Waits until it serves queries; its log says why, where it does not. */
    async ready(timeoutMs: number): Promise<void> {
      for (const deadline = Date.now() + timeoutMs; ; ) {
        const status = await request(`${url}/-/ready`, { signal: signal ?? null }).then(
          async ({ statusCode, body }) => (await body.dump(), statusCode),
          () => 0,
        );
        signal?.throwIfAborted();
        if (status === 200) return;
        if (Date.now() > deadline)
          throw new InfrastructureError(`the run's Prometheus is not ready after ${timeoutMs / 1000} s`, {
            hint: HINT,
          });
        await sleep(50);
      }
    },
    /** The samples of a range selector that ends at one moment, as they were scraped. */
    async samples(expression: string, atMs: number): Promise<RawSeries[]> {
      const data = await call('POST', '/api/v1/query', { query: expression, time: String(atMs / 1000) });
      if (data.resultType !== 'matrix') throw new Error(`${expression} gives a ${data.resultType}, no samples`);
      return data.result.map((series: any) => ({
        labels: series.metric,
        values: series.values.map(([at, value]: [number, string]) => [Math.round(at * 1000), Number(value)]),
      }));
    },
    /** The single value of an expression, or null where it gives none or NaN. */
    value: async (expression: string, atMs?: number): Promise<number | null> => {
      const found = singleValue(await query(expression, atMs));
      return typeof found === 'number' ? found : null;
    },
    /**
     * Writes a snapshot of everything, the head included, and gives its folder's name under <tsdb>/snapshots. Not ended
     * by the signal: after an interrupt it is what keeps the metrics.
     */
    async snapshot(): Promise<string> {
      return (await call('POST', '/api/v1/admin/tsdb/snapshot', {}, new AbortController().signal)).name;
    },
  };
}
