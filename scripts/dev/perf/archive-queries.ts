/**
 * What perf:archive asks of Query, as the dashboards ask it, and what must come back: an answer that is not whole is an
 * error, never a time.
 */
import { request } from 'undici';
import {
  EVER,
  failedShare,
  garbageCollection,
  heapUsed,
  medians,
  percentile,
  RAW,
  rateOf,
  starts,
} from '../../../grafana/src/queries.ts';
import { InfrastructureError } from '../../core/errors.ts';
import { requestDuration, requests } from '../../measure/collect/load-metrics.ts';
import type { Made, MadeRun } from './archive-bucket.ts';

const TIMEOUT_MS = 120_000;
/** What Grafana puts in for $__rate_interval, with scrapes every second. */
const RATE = '10s';
const STEP_MS = 1000;
const HISTORY_STEPS = 500;
const DAY_MS = 86_400_000;

/** One request, and what is wrong with its answer; null where nothing is. */
export interface Ask {
  path: 'query' | 'query_range' | 'label/run_id/values';
  form: Record<string, string>;
  wrong(answer: any): string | null;
}

/** A question of a user: one or more requests at once, differing from one number to the next. */
export interface Kind {
  name: string;
  /** Seconds that the issue allows at p95; absent: only told. */
  goal?: number;
  asks(number: number): Ask[];
}

/**
 * Sends one request to Query. Throws InfrastructureError for a refusal, and for a warning: the answer is in part then.
 */
export async function ask<T = any>(
  url: string,
  path: string,
  form: Record<string, string>,
  signal: AbortSignal,
): Promise<T> {
  const isForm = path.startsWith('query');
  const search = new URLSearchParams(form).toString();
  const { statusCode, body } = await request(`${url}/api/v1/${path}${isForm ? '' : `?${search}`}`, {
    method: isForm ? 'POST' : 'GET',
    ...(isForm ? { body: search, headers: { 'content-type': 'application/x-www-form-urlencoded' } } : {}),
    headersTimeout: TIMEOUT_MS,
    signal,
  }).catch((error) => {
    signal.throwIfAborted();
    throw new InfrastructureError(`Query does not answer: ${(error as Error).message}`);
  });
  const text = await body.text();
  let answer: any;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new InfrastructureError(`Query answered ${statusCode}: ${text.slice(0, 200)}`);
  }
  if (answer.status !== 'success')
    throw new InfrastructureError(`Query refused ${form.query ?? path}: ${answer.error}`);
  if (answer.warnings?.length > 0)
    throw new InfrastructureError(
      `Query answered ${form.query ?? path} in part: ${answer.warnings.join('; ').slice(0, 300)}`,
    );
  return answer.data;
}

/** Asks all at once and checks every answer. Seconds until the last one was there. */
export async function timed(url: string, asks: Ask[], signal: AbortSignal): Promise<number> {
  const started = performance.now();
  const answers = await Promise.all(asks.map(({ path, form }) => ask(url, path, form, signal)));
  const seconds = (performance.now() - started) / 1000;
  asks.forEach((one, index) => {
    const wrong = one.wrong(answers[index]);
    if (wrong) throw new InfrastructureError(`Query's answer to ${one.form.query ?? one.path} is wrong: ${wrong}`);
  });
  return seconds;
}

/** Every kind of question over the runs of a bucket. `random` gives numbers from 0 up to 1. */
export function kindsOf(made: Made, random: () => number): Kind[] {
  const { runs } = made;
  const pick = <T>(all: T[]): T => all[Math.floor(random() * all.length)]!;
  // Each number another run, as far as there are enough; and another metric.
  const order = runs
    .map((run) => ({ run, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ run }) => run);
  const runAt = (number: number) => order[number % order.length]!;
  const metricAt = (number: number) => made.trend.metrics[number % made.trend.metrics.length]!.name;
  const tenth = Math.ceil(runs.length / 10);
  const [oldest, newest] = [runs.slice(0, tenth), runs.slice(-tenth)];
  const benchmarks = [...new Set(runs.map(({ benchmark }) => benchmark))];
  return [
    { name: 'one run, latency p95', goal: 0.5, asks: (number) => [latency(runAt(number), made)] },
    { name: 'one run, whole dashboard', goal: 0.5, asks: (number) => dashboard(runAt(number), made) },
    { name: 'two runs two years apart', goal: 1, asks: () => compared(pick(oldest), pick(newest), made) },
    { name: 'history, all benchmarks', goal: 2, asks: (number) => [history(metricAt(number), '', runs)] },
    {
      name: 'history, one benchmark',
      goal: 2,
      asks: (number) => [historyOf(metricAt(number), pick(benchmarks), runs)],
    },
    { name: 'history, all, 500 steps', goal: 2, asks: (number) => [historyInSteps(metricAt(number), runs)] },
    { name: 'list of all runs', asks: () => [list(runs)] },
    { name: 'label values of run_id', asks: () => [labelValues(runs)] },
  ];
}

const secondsOf = (ms: number) => String(ms / 1000);
const filled = (expression: string) => expression.replaceAll('$__rate_interval', RATE);
const all = 'scenario="measure"';

function overRun(run: MadeRun, query: string, wrong: Ask['wrong']): Ask {
  return {
    path: 'query_range',
    form: { query, start: secondsOf(run.start_ms), end: secondsOf(run.end_ms), step: secondsOf(STEP_MS) },
    wrong,
  };
}

function latency(run: MadeRun, made: Made, over: MadeRun = run): Ask {
  const shift = over === run ? '' : ` offset ${Math.round((over.start_ms - run.start_ms) / 1000)}s`;
  const query = filled(percentile(0.95, requestDuration(`${RAW},run_id="${run.run_id}"`), 'side', shift));
  // An offset is in whole seconds here, so the moments of the other run lie up to half a second beside its own.
  const moved =
    over === run ? 0 : over.start_ms - run.start_ms - 1000 * Math.round((over.start_ms - run.start_ms) / 1000);
  return overRun(over, query, (data) => wrongPoints(data, expectedPoints(run, made, moved)));
}

/**
 * Side -> how many points a rate over RATE has, by the moments of the template's samples: two of one series are needed.
 */
function expectedPoints(run: MadeRun, made: Made, movedMs = 0): Record<string, number> {
  const points: Record<string, Set<number>> = {};
  const windowMs = 1000 * Number.parseInt(RATE, 10);
  for (const { round, offsets_ms } of made.template.latency) {
    const side = run.rounds[round];
    if (!side) continue;
    for (let at = 0; at <= run.end_ms - run.start_ms; at += STEP_MS) {
      const seen = offsets_ms.filter((offset) => offset > at + movedMs - windowMs && offset <= at + movedMs).length;
      if (seen >= 2) (points[side] ??= new Set()).add(at);
    }
  }
  return Object.fromEntries(Object.entries(points).map(([side, set]) => [side, set.size]));
}

function wrongPoints(data: any, expected: Record<string, number>): string | null {
  const got = Object.fromEntries((data.result as any[]).map(({ metric, values }) => [metric.side, values.length]));
  const text = (points: Record<string, number>) =>
    Object.entries(points)
      .sort()
      .map(([side, count]) => `${side} ${count}`)
      .join(', ') || 'none';
  return text(got) === text(expected) ? null : `points: ${text(got)}; expected: ${text(expected)}`;
}

/** The queries of the dashboard Run, all at once. */
function dashboard(run: MadeRun, made: Made): Ask[] {
  const selector = `${RAW},run_id="${run.run_id}"`;
  const containers = `${selector},job="containers"`;
  // A service need not have telemetry: then the panels about it are empty, and rightly so.
  const measured = (expression: string) =>
    made.template.metrics.some((name) => new RegExp(`\\b${name}\\b`).test(expression));
  const points = (data: any) =>
    data.result.reduce((sum: number, one: any) => sum + (one.values ?? one.histograms).length, 0);
  const wrong = (expression: string) => (data: any) =>
    points(data) > 0 === measured(expression) ? null : `${points(data)} points`;
  const expressions = [
    percentile(0.5, requestDuration(selector), 'side'),
    percentile(0.99, requestDuration(selector), 'side'),
    percentile(0.95, requestDuration(selector), 'side,name'),
    `sum(rate(${requestDuration(`${selector},${all}`)}[$__rate_interval]))`, // the heat map
    rateOf(requests(selector), 'side'),
    failedShare(selector, 'side'),
    rateOf(`container_cpu_usage_seconds_total{${containers}}`, 'side,service'),
    `max by (side, service) (container_memory_working_set_bytes{${containers}})`,
    rateOf(`container_network_receive_bytes_total{${containers}}`, 'side,service'),
    garbageCollection(selector, 'side,service'),
    heapUsed(selector, 'side,service'),
    `max by (round, side) (up{${selector}})`, // the rounds as regions
  ];
  return [latency(run, made), ...expressions.map((expression) => overRun(run, filled(expression), wrong(expression)))];
}

function compared(before: MadeRun, after: MadeRun, made: Made): Ask[] {
  return [latency(after, made), latency(before, made, after)];
}

/** A point for each run, as the dashboard History asks for it. */
function history(metric: string, more: string, runs: MadeRun[]): Ask {
  const query = medians(`metric="${metric}",side="candidate"${more}`, window(runs));
  return {
    path: 'query',
    form: { query, time: secondsOf(endOf(runs)) },
    wrong: (data) => wrongCount(data.result.length, runs.length),
  };
}

function historyOf(metric: string, benchmark: string, runs: MadeRun[]): Ask {
  const own = runs.filter((run) => run.benchmark === benchmark);
  return {
    ...history(metric, `,benchmark="${benchmark}"`, runs),
    wrong: (data) => wrongCount(data.result.length, own.length),
  };
}

/** The same as one line of averages. Every step in which a run has a round has a point. */
function historyInSteps(metric: string, runs: MadeRun[]): Ask {
  const start = runs[0]!.start_ms - DAY_MS;
  const stepMs = Math.ceil((endOf(runs) - start) / HISTORY_STEPS / 1000) * 1000;
  const query = `avg(avg_over_time(mayfly_sample{stream="trend",metric="${metric}",side="candidate"}[${stepMs / 1000}s]))`;
  const steps = new Set(runs.map((run) => Math.ceil((run.start_ms - start) / stepMs)));
  return {
    path: 'query_range',
    form: { query, start: secondsOf(start), end: secondsOf(start + HISTORY_STEPS * stepMs), step: secondsOf(stepMs) },
    // A run on the edge of a step may have its first round in the next one.
    wrong: (data) =>
      Math.abs((data.result[0]?.values.length ?? 0) - steps.size) <= 0.02 * steps.size + 1
        ? null
        : `${data.result[0]?.values.length ?? 0} points, expected ${steps.size}`,
  };
}

function list(runs: MadeRun[]): Ask {
  return {
    path: 'query',
    form: { query: starts('run_id!=""', EVER), time: secondsOf(endOf(runs)) },
    wrong: (data) => wrongCount(data.result.length, runs.length),
  };
}

function labelValues(runs: MadeRun[]): Ask {
  const form = {
    'match[]': 'mayfly_run_start_timestamp_seconds{stream="trend"}',
    start: secondsOf(runs[0]!.start_ms),
    end: secondsOf(endOf(runs)),
  };
  return { path: 'label/run_id/values', form, wrong: (data) => wrongCount(data.length, runs.length) };
}

const wrongCount = (got: number, expected: number) => (got === expected ? null : `${got} runs, expected ${expected}`);
const endOf = (runs: MadeRun[]) => runs.at(-1)!.end_ms;
const window = (runs: MadeRun[]) => `[${Math.ceil((endOf(runs) - runs[0]!.start_ms) / DAY_MS) + 1}d]`;
