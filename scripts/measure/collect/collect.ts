/** LoadResult -> RoundDocument: every sample of the round, and whether it may be trusted. */

import type { SideResult } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import { isOwn } from '../../config/metric-defaults.ts';
import type { RoundDocument, Sample, SideName } from '../../documents/run.ts';
import { fillPromql } from '../../engine/names.ts';
import { unwellText, withLogs } from '../../engine/up.ts';
import { cpuCount } from '../../plan/cpusets.ts';
import type { Sides, Stack } from '../../stack/run-stack.ts';
import { wrongWith } from '../first-round.ts';
import { clockSetBy, type Edge } from '../load/edges.ts';
import type { LoadResult } from '../load/generator.ts';
import { answersOf } from './answers.ts';
import { failuresOf } from './failures.ts';
import { type PrometheusClient, QueryRefused, type Series, singleValue } from './prometheus.ts';
import { scrapeHoles, warnOfRenamed } from './scrapes.ts';
import { type CollectedTelemetry, collectTelemetry, keepTelemetry } from './telemetry.ts';
import { judgeValidity, type ServiceSignals, type Signals } from './validity.ts';

/** A round as it is stored: the document, and the raw material it was made from. */
export interface CollectedRound {
  document: RoundDocument;
  detail: { signals: Signals; load: SideResult | null };
  /** Of a side that died or failed every request: its containers and the last lines of their logs. Else empty. */
  unwell: string;
  /** Metrics of the benchmark's own whose query gave no value. */
  unread: UnreadMetric[];
}

export interface UnreadMetric {
  name: string;
  /** It is primary, and its side never had a value of it: no verdict is made of it. */
  isLeftOut?: true;
  /** Its query; a metric of telemetry has none. */
  promql?: string;
  why: string;
}

/**
 * `known`: the rounds of the comparison so far. A metric of the benchmark's own that its side had no value of in any of
 * them does not spoil the round: it is not there.
 */
export async function collect(
  load: LoadResult,
  sides: Sides,
  stack: Stack,
  ctx: Context,
  known?: readonly RoundDocument[],
): Promise<CollectedRound[]> {
  const { prometheus } = await stack.ready;
  const [found, missing] = await Promise.all([
    Promise.all(
      sides.plan.sides.map(async ({ name }) => {
        const telemetry = await collectTelemetry(name, load, sides);
        return { telemetry, round: await collectSide(name, load, telemetry, sides, stack, ctx, known) };
      }),
    ),
    scrapeHoles(load, sides, prometheus),
    warnOfRenamed(sides, load.endMs, prometheus, ctx),
  ]);
  for (const { telemetry, round } of found) {
    const own = sides.telemetry.find(({ side }) => side === round.document.side);
    if (telemetry && own) await keepTelemetry(telemetry, own, load, sides, round.document.valid);
  }
  const rounds = found.map(({ round }) => round);
  for (const { document } of rounds) {
    const holes = missing.filter(({ side }) => side === document.side).map(({ hole }) => hole);
    if (holes.length > 0) document.holes = holes;
  }
  return rounds;
}

async function collectSide(
  side: SideName,
  load: LoadResult,
  telemetry: CollectedTelemetry | null,
  sides: Sides,
  stack: Stack,
  ctx: Context,
  known: readonly RoundDocument[] | undefined,
): Promise<CollectedRound> {
  const { plan } = sides;
  const { prometheus } = await stack.ready;
  const series = within(prometheus, { fromMs: load.startMs, toMs: load.endMs }, side, sides.round);
  const measured = load.result?.sides.find((one) => one.side === side) ?? null;
  const requests = measured?.requests ?? 0;
  // an iteration that threw has failed too, and may have made no request
  const failedShare = measured && measured.failed > 0 ? Math.min(1, measured.failed / Math.max(1, requests)) : 0;
  const containers = sides.containers.filter((container) => container.side === side);
  const cpuSeconds = containers.reduce((total, { id }) => total + grown(load, id, 'cpuSeconds'), 0);

  const samples: Record<string, Sample> = { ...latencySamples(measured) };
  const put = (name: string, value: number | null, unit: string) => {
    if (value !== null && Number.isFinite(value)) samples[name] = { value, unit };
  };
  put('request_rate', requests / ((load.endMs - load.startMs) / 1000), '1/s');
  put('failed_requests', failedShare, 'ratio');
  if (requests > 0) put('cpu_seconds_per_request', cpuSeconds / requests, 's');
  put(
    'memory_peak',
    numberIn(
      await series('max_over_time(sum(container_memory_working_set_bytes{job="containers",$selector})[$window:1s])'),
    ),
    'bytes',
  );
  const unread: UnreadMetric[] = [];
  const wasThere = (name: string) =>
    known === undefined || known.some((one) => one.side === side && one.samples[name] !== undefined);
  const ask = (promql: string) =>
    series(promql).then(singleValue, (error) => {
      if (error instanceof QueryRefused) return `its query fails, ${error.message}`;
      throw error;
    });
  for (const { name, promql, telemetry: asked, unit, primary } of plan.config.metrics.filter(isOwn)) {
    const found = promql === undefined ? telemetry!.valueOf(asked!) : await ask(promql);
    if (typeof found === 'number') put(name, found, unit);
    else
      unread.push({
        name,
        why: found,
        ...(promql === undefined ? {} : { promql }),
        ...(primary && !wasThere(name) ? { isLeftOut: true } : {}),
      });
  }

  const signals: Signals = {
    due: measured?.due ?? 0,
    iterations: measured?.iterations ?? 0,
    dropped: measured?.dropped ?? { warmup: 0, measure: 0 },
    startLagP99: samples.start_lag_p99?.value ?? null,
    sharedLagP99:
      plan.sides.length === 2 ? Math.min(...(load.result?.sides.map(({ startLag }) => startLag?.p99 ?? 0) ?? [0])) : 0,
    failedShare,
    failures:
      measured?.failures.map(({ kind, detail, count, example: { name } }) => ({
        what: detail ? `${kind} ${detail}` : kind,
        count,
        ...(name ? { name: name.slice(0, 200) } : {}),
      })) ?? [],
    services: await serviceSignals(side, load, sides, ctx),
    ...hostShares(load.before, load.after),
    saturation: plan.sides.length === 2 ? saturation(load, sides) : null,
    clockSetByMs: clockSetBy(load.go, load.after),
    generatorFailure: load.failure,
    missing: plan.config.metrics
      .filter((metric) => metric.primary && !samples[metric.name] && (!isOwn(metric) || wasThere(metric.name)))
      .map((metric) => metric.name),
  };
  const reasons = judgeValidity(signals, plan.config.load, plan.config.allow);
  const failures = failuresOf(measured);
  const detail = { signals, load: measured };
  return {
    document: {
      side,
      round: sides.round,
      valid: reasons.length === 0,
      reasons,
      started_at: new Date(load.startMs).toISOString(),
      window_s: (load.endMs - load.startMs) / 1000,
      samples,
      ...(failures.length > 0 ? { failures } : {}),
      ...(measured ? { answers: answersOf(measured) } : {}),
      ...(telemetry ? { telemetry: telemetry.document } : {}),
    },
    detail,
    unwell: wrongWith(detail) ? await lastWords(side, sides, ctx) : '',
    unread,
  };
}

const numberIn = (series: Series[]) => {
  const found = singleValue(series);
  return typeof found === 'number' ? found : null;
};

/** Evaluates PromQL over a span for one side; several series are put together only by the expression itself. */
function within(
  prometheus: PrometheusClient,
  span: { fromMs: number; toMs: number },
  side: SideName,
  round: number,
): (promql: string) => Promise<Series[]> {
  return (promql) => prometheus.query(fillPromql(promql, side, round, (span.toMs - span.fromMs) / 1000), span.toMs);
}

function latencySamples(measured: SideResult | null): Record<string, Sample> {
  if (!measured) return {};
  const { latency, response, startLag } = measured;
  const samples: Record<string, Sample> = {};
  const put = (name: string, value: number | undefined) => {
    if (value !== undefined && Number.isFinite(value)) samples[name] = { value, unit: 's' };
  };
  for (const key of ['avg', 'min', 'med', 'max', 'p90', 'p95', 'p99'] as const) {
    put(`latency_${key}`, latency?.[key]);
    if (key !== 'min') put(`response_${key}`, response?.[key]);
  }
  put('start_lag_p99', startLag?.p99);
  return samples;
}

/** What the containers of a side have said last: those that have ended, or else that of the target. */
async function lastWords(side: SideName, { containers, plan }: Sides, ctx: Context): Promise<string> {
  const own = containers.filter((container) => container.side === side);
  const states = await Promise.all(own.map(({ id }) => ctx.engine.inspect(id)));
  const ended = states.filter(({ running }) => !running);
  const target = new URL(plan.config.load.target).hostname;
  const asked = states.filter((_, i) => own[i]!.service === target);
  return unwellText(await withLogs(ended.length > 0 ? ended : asked, ctx));
}

type Counter = 'cpuSeconds' | 'cfsPeriods' | 'cfsThrottledPeriods';

/** How far a counter of a container grew over the window; 0 for one that has no reading at both edges. */
function grown(load: LoadResult, id: string, counter: Counter): number {
  const before = load.before.containers.get(id)?.[counter];
  const after = load.after.containers.get(id)?.[counter];
  return before === undefined || after === undefined ? 0 : Math.max(0, after - before);
}

async function serviceSignals(side: SideName, load: LoadResult, sides: Sides, ctx: Context): Promise<ServiceSignals[]> {
  const incidents = sides.incidents(side);
  return Promise.all(
    sides.containers
      .filter((container) => container.side === side)
      .map(async (container) => {
        const state = await ctx.engine.inspect(container.id);
        const own = incidents.filter((incident) => incident.service === container.service);
        const periods = grown(load, container.id, 'cfsPeriods');
        return {
          service: container.service,
          outOfMemory: state.oomKilled || own.some((incident) => incident.action === 'oom'),
          ended: !state.running
            ? state.exitCode
            : (own.find((incident) => incident.action !== 'oom')?.exitCode ?? null),
          throttledShare: periods > 0 ? grown(load, container.id, 'cfsThrottledPeriods') / periods : 0,
        };
      }),
  );
}

/**
 * Share of the CPU time of the services' CPUs that all services used; where these have no set of their own, share of
 * the host that the whole run used. What others use is host-load.
 */
function saturation(load: LoadResult, { plan, containers }: Sides): number {
  const { services } = plan.cpusets;
  const used = (ids: Iterable<string>) => [...ids].reduce((total, id) => total + grown(load, id, 'cpuSeconds'), 0);
  if (services !== null)
    return (
      used(containers.map(({ id }) => id)) /
      (((load.endMs - load.startMs) / 1000) * cpuCount(services, plan.host.cores))
    );
  const total = load.after.host.total - load.before.host.total;
  return total > 0 ? used(load.after.containers.keys()) / total : 0;
}

/**
 * Shares of the host's CPU time over the window: stolen by the hypervisor, and used by anything but this run and its
 * harness.
 */
export function hostShares(before: Edge, after: Edge): { steal: number; outsideLoad: number } {
  const total = after.host.total - before.host.total;
  if (total <= 0) return { steal: 0, outsideLoad: 0 };
  const steal = after.host.steal - before.host.steal;
  const busy = total - (after.host.idle - before.host.idle) - steal;
  let own = after.harness - before.harness;
  for (const [id, stats] of after.containers)
    own += Math.max(0, stats.cpuSeconds - (before.containers.get(id)?.cpuSeconds ?? stats.cpuSeconds));
  return { steal: Math.max(0, steal) / total, outsideLoad: Math.max(0, busy - own) / total };
}
