/** LoadResult -> RoundDocument: every sample of the round, and whether it may be trusted. */

import type { SideResult, Times } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import { ITERATION, ITERATION_TIMES, isOwn } from '../../config/metric-defaults.ts';
import type { BrokerConfig } from '../../config/types.ts';
import type { Metric, RoundDocument, Sample, SideName } from '../../documents/run.ts';
import { fillPromql } from '../../engine/names.ts';
import { unwellText, withLogs } from '../../engine/up.ts';
import { cpuCount } from '../../plan/cpusets.ts';
import type { SideContainer, Sides, Stack } from '../../stack/run-stack.ts';
import type { Drained } from '../drain.ts';
import type { DuringOfSide } from '../during.ts';
import { wrongWith } from '../first-round.ts';
import { clockSetBy, type Edge } from '../load/edges.ts';
import type { LoadResult } from '../load/generator.ts';
import { answersOf } from './answers.ts';
import { type CollectedEvents, collectEvents } from './events.ts';
import { failuresOf } from './failures.ts';
import { type PrometheusClient, QueryRefused, type Series, singleValue } from './prometheus.ts';
import { collectReplicas } from './replicas.ts';
import { RESOURCES, resourcesOf } from './resources.ts';
import { scrapeHoles, warnOfRenamed } from './scrapes.ts';
import { type CollectedTelemetry, collectTelemetry, keepTelemetry } from './telemetry.ts';
import { type CollectedTraces, tracesOfRound } from './traces.ts';
import { judgeValidity, type NotDrained, type ServiceSignals, type Signals } from './validity.ts';

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

/** What is known of a round beside its load. */
interface Around {
  /**
   * The rounds of the comparison so far. A metric of the benchmark's own that its side had no value of in any of them
   * does not spoil the round: it is not there.
   */
  known?: readonly RoundDocument[] | undefined;
  /** Of each side, where the benchmark names a broker. */
  drained?: readonly Drained[];
  /** What went on in the window beside the load, where the benchmark names any of it. */
  during?: ReadonlyMap<SideName, DuringOfSide> | undefined;
}

export async function collect(
  load: LoadResult,
  sides: Sides,
  stack: Stack,
  ctx: Context,
  { known, drained = [], during }: Around = {},
): Promise<CollectedRound[]> {
  const { prometheus, zipkin, counters } = await stack.ready;
  const { round, plan } = sides;
  const { traces: config } = plan.config;
  const traces =
    config &&
    tracesOfRound(load, {
      config,
      round,
      dir: plan.dir,
      zipkin,
      containers: { stack: counters.map(({ id }) => id), services: sides.containers.map(({ id }) => id) },
      signal: stack.signal,
    });
  const [found, missing] = await Promise.all([
    Promise.all(
      sides.plan.sides.map(async ({ name }) => {
        const [telemetry, ownTraces] = await Promise.all([
          collectTelemetry(name, load, sides),
          traces?.of(name) ?? null,
        ]);
        const ownDrained = drained.find(({ side }) => side === name) ?? null;
        const events = await collectEvents(name, load, ownDrained, sides, ctx);
        const parts = { telemetry, traces: ownTraces, events, drained: ownDrained, during: during?.get(name) ?? null };
        return { telemetry, round: await collectSide(name, load, parts, sides, stack, ctx, known) };
      }),
    ),
    scrapeHoles(load, sides, prometheus),
    warnOfRenamed(sides, load.endMs, prometheus, ctx),
  ]);
  for (const { telemetry, round } of found) {
    const own = sides.telemetry.find(({ side }) => side === round.document.side);
    if (telemetry && own) await keepTelemetry(telemetry, own, load, sides, round.document.valid);
    else if (!sides.plan.config.keep) await own?.discard();
  }
  const rounds = found.map(({ round }) => round);
  for (const { document } of rounds) {
    const holes = missing.filter(({ side }) => side === document.side).map(({ hole }) => hole);
    if (holes.length > 0) document.holes = holes;
  }
  return rounds;
}

/** What was found out of a side before its samples are made. */
interface Parts {
  /** Null where it has no folder. */
  telemetry: CollectedTelemetry | null;
  /** Null where the benchmark names no traces. */
  traces: CollectedTraces | null;
  /** Null where the benchmark names no broker. */
  events: CollectedEvents | null;
  /** The same. */
  drained: Drained | null;
  /** Null where it names nothing that goes on beside the load. */
  during: DuringOfSide | null;
}

async function collectSide(
  side: SideName,
  load: LoadResult,
  { telemetry, traces, events, drained, during }: Parts,
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
  const cpuSecondsOf = (own: readonly SideContainer[]) =>
    own.reduce((total, { id }) => total + grown(load, id, 'cpuSeconds'), 0);

  const samples: Record<string, Sample> = { ...latencySamples(measured), ...events?.samples, ...during?.samples };
  const put = (name: string, value: number | null, unit: string) => {
    if (value !== null && Number.isFinite(value)) samples[name] = { value, unit };
  };
  const windowS = (load.endMs - load.startMs) / 1000;
  const used = prometheus.samples(fillPromql(RESOURCES, side, sides.round, windowS), load.endMs);
  used.catch(() => {}); // awaited below
  put('request_rate', requests / windowS, '1/s');
  put('failed_requests', failedShare, 'ratio');
  if (requests > 0 && containers.length > 0) put('cpu_seconds_per_request', cpuSecondsOf(containers) / requests, 's');
  put(
    'memory_peak',
    numberIn(
      await series('max_over_time(sum(container_memory_working_set_bytes{job="containers",$selector})[$window:1s])'),
    ),
    'bytes',
  );
  const resources = resourcesOf(await used, load, new Set(containers.map(({ service }) => service)));
  const replicas = await collectReplicas(side, load, sides, prometheus, (id) => grown(load, id, 'cpuSeconds'));
  const unread: UnreadMetric[] = [];
  const wasThere = (name: string) =>
    known === undefined || known.some((one) => one.side === side && one.samples[name] !== undefined);
  const ask = (promql: string) =>
    series(promql).then(singleValue, (error) => {
      if (error instanceof QueryRefused) return `its query fails, ${error.message}`;
      throw error;
    });
  const cpuOf = (service: string) =>
    requests > 0
      ? cpuSecondsOf(containers.filter((container) => container.service === service)) / requests
      : 'no request was sent in the window';
  const services =
    requests > 0
      ? [...new Set(containers.map(({ service }) => service))]
          .sort()
          .map((service) => ({ service, cpu_seconds_per_request: cpuOf(service) as number }))
      : [];
  /** A value of a metric of the benchmark's own, or why there is none. */
  const valueOf = (metric: Metric): number | string | Promise<number | string> => {
    if (metric.promql !== undefined) return ask(metric.promql);
    if (metric.telemetry) return telemetry!.valueOf(metric.telemetry);
    if (metric.cpu) return cpuOf(metric.cpu.service);
    return traces!.valueOf(metric.trace!);
  };
  for (const metric of plan.config.metrics.filter(isOwn)) {
    const { name, promql, unit, primary } = metric;
    const found = await valueOf(metric);
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
    sharedLagP99: sharedLag(load.result?.sides ?? []),
    ...(measured?.scenarios
      ? {
          scenarios: measured.scenarios.map(({ name, due, iterations, dropped, startLag, endedS }, i) => ({
            name,
            due,
            iterations,
            dropped,
            startLagP99: startLag?.p99 ?? null,
            sharedLagP99: sharedLag(load.result!.sides.map(({ scenarios }) => scenarios![i]!)),
            endedS,
          })),
        }
      : {}),
    ...(plan.config.disturbances.length > 0 ? { hasDisturbances: true } : {}),
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
    notDrained: drained && !drained.drained ? notDrained(drained, plan.config.broker!) : null,
    events: events?.signals ?? null,
    missing: plan.config.metrics
      .filter((metric) => metric.primary && !samples[metric.name] && (!isOwn(metric) || wasThere(metric.name)))
      .map((metric) => metric.name),
  };
  const reasons = [...judgeValidity(signals, plan.config.load, plan.config.allow), ...(during?.failures ?? [])];
  const failures = failuresOf(measured);
  const detail = { signals, load: measured };
  return {
    document: {
      side,
      round: sides.round,
      valid: reasons.length === 0,
      reasons,
      started_at: new Date(load.startMs).toISOString(),
      window_s: windowS,
      samples,
      ...(failures.length > 0 ? { failures } : {}),
      ...(measured ? { answers: answersOf(measured) } : {}),
      ...(telemetry ? { telemetry: telemetry.document } : {}),
      ...(traces ? { traces: traces.document } : {}),
      ...(events ? { events: events.document } : {}),
      ...(during && during.disturbances.length > 0 ? { disturbances: during.disturbances } : {}),
      ...(during?.autoscale ? { autoscale: during.autoscale } : {}),
      ...(services.length > 1 ? { services } : {}),
      ...(replicas ? { replicas } : {}),
      ...(resources.length > 0 ? { resources } : {}),
    },
    detail,
    unwell: wrongWith(detail) ? await lastWords(side, sides, ctx) : '',
    unread,
  };
}

const notDrained = ({ backlog, waitedS }: Drained, { drainS, notDrained }: BrokerConfig): NotDrained => ({
  backlog,
  waitedS,
  allowedS: drainS,
  isFailure: notDrained === 'failure',
});

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
  return { ...samples, ...iterationSamples(measured) };
}

/** Of the iterations of a closed model, and of each scenario. */
function iterationSamples({ duration, due, dropped, scenarios = [] }: SideResult): Record<string, Sample> {
  const samples: Record<string, Sample> = {};
  const put = (prefix: string, times: Times | null, counts: { done: number; failed: number }) => {
    if (times) for (const key of ITERATION_TIMES) samples[`${prefix}_${key}`] = { value: times[key], unit: 's' };
    for (const key of ['done', 'failed'] as const) samples[`${prefix}_${key}`] = { value: counts[key], unit: 'count' };
  };
  if (duration !== undefined) {
    const done = duration?.count ?? 0;
    put(ITERATION, duration, { done, failed: due - dropped.measure - done });
  }
  for (const one of scenarios) put(one.name, one.duration, one);
  return samples;
}

/** The least of two sides that share the round. */
const sharedLag = (sides: readonly Pick<SideResult, 'startLag'>[]): number =>
  sides.length === 2 ? Math.min(...sides.map(({ startLag }) => startLag?.p99 ?? 0)) : 0;

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

/**
 * How far a counter of a container grew over the window; 0 for one that has no reading at its end. One that the window
 * began without has come in it, and counts from 0.
 */
function grown(load: LoadResult, id: string, counter: Counter): number {
  const before = load.before.containers.get(id)?.[counter] ?? 0;
  const after = load.after.containers.get(id)?.[counter];
  return after === undefined ? 0 : Math.max(0, after - before);
}

async function serviceSignals(side: SideName, load: LoadResult, sides: Sides, ctx: Context): Promise<ServiceSignals[]> {
  const incidents = sides.incidents(side);
  const pressed = new Set(
    sides.plan.config.disturbances.filter(({ kind }) => kind === 'memory-pressure').map(({ service }) => service),
  );
  return Promise.all(
    sides.containers
      .filter((container) => container.side === side)
      .map(async (container) => {
        const isTouched = sides.touched.has(container.id); // its end was meant
        const state = await ctx.engine.inspect(container.id);
        const own = incidents.filter((incident) => incident.service === container.service);
        const periods = grown(load, container.id, 'cfsPeriods');
        const isShort = state.oomKilled || own.some((incident) => incident.action === 'oom');
        const wasPressed = isShort && pressed.has(container.service); // its memory was taken on purpose
        const ended =
          !state.running && !isTouched
            ? state.exitCode
            : (own.find((incident) => incident.action !== 'oom')?.exitCode ?? null);
        return {
          service: container.service,
          outOfMemory: isShort && !wasPressed,
          ended: wasPressed ? null : ended,
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
    own += Math.max(0, stats.cpuSeconds - (before.containers.get(id)?.cpuSeconds ?? 0));
  return { steal: Math.max(0, steal) / total, outsideLoad: Math.max(0, busy - own) / total };
}
