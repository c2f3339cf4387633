/** Prometheus' HTTP API: the only file that speaks it. Source: prometheus.io/docs/prometheus/latest/querying/api. */
import { request } from 'undici';
import { InfrastructureError } from '../errors.ts';

export type PrometheusClient = ReturnType<typeof connectPrometheus>;

/** One series of an instant query. */
export interface Series {
  labels: Record<string, string>;
  value: number;
}

export function connectPrometheus(url: string) {
  async function call(method: 'GET' | 'POST', path: string, form: Record<string, string>, signal?: AbortSignal): Promise<any> {
    let response: Awaited<ReturnType<typeof request>>;
    try {
      response = await request(`${url}${path}`, {
        method,
        body: new URLSearchParams(form).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        headersTimeout: 30_000,
        signal: signal ?? null,
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw new InfrastructureError(`the run's Prometheus does not answer: ${(error as Error).message || (error as { code?: string }).code}`);
    }
    const text = await response.body.text();
    let answer: any;
    try {
      answer = JSON.parse(text);
    } catch {
      throw new InfrastructureError(`the run's Prometheus answered ${response.statusCode}: ${text.slice(0, 200).trim()}`);
    }
    if (answer.status !== 'success') throw new InfrastructureError(`the run's Prometheus refused: ${answer.error ?? text.slice(0, 200)}`);
    return answer.data;
  }

  /** Evaluates an expression at one moment (milliseconds since the epoch; now where absent). A scalar is one series without labels. */
  async function query(expression: string, atMs?: number, signal?: AbortSignal): Promise<Series[]> {
    const data = await call('POST', '/api/v1/query', { query: expression, ...(atMs === undefined ? {} : { time: String(atMs / 1000) }) }, signal);
    if (data.resultType === 'scalar') return [{ labels: {}, value: Number(data.result[1]) }];
    if (data.resultType !== 'vector') throw new InfrastructureError(`the expression ${expression} gives a ${data.resultType}, not one value`);
    return data.result.map((series: any) => ({ labels: series.metric, value: Number(series.value[1]) }));
  }

  return {
    url,
    query,
    /** The single value of an expression, or null where it gives none or NaN. */
    async value(expression: string, atMs?: number, signal?: AbortSignal): Promise<number | null> {
      const series = await query(expression, atMs, signal);
      const value = series[0]?.value;
      return series.length === 1 && value !== undefined && Number.isFinite(value) ? value : null;
    },
    /** Writes a snapshot of everything, the head included, and gives its folder's name under <tsdb>/snapshots. */
    async snapshot(): Promise<string> {
      return (await call('POST', '/api/v1/admin/tsdb/snapshot', {})).name;
    },
  };
}
