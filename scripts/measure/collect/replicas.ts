/**
 * What each replica behind a balancer did in the window, by the balancer's own counters, which Prometheus scrapes every
 * second, and by the kernel's CPU counters.
 */
import type { RoundDocument, SideName } from '../../documents/run.ts';
import { LABEL } from '../../engine/names.ts';
import { BACKEND, BALANCER } from '../../stack/balancer.ts';
import type { SideContainer, Sides } from '../../stack/run-stack.ts';
import type { Tenant } from '../../stack/slots.ts';
import type { LoadResult } from '../load/generator.ts';
import { GAP_S } from '../load/own-generator.ts';
import type { PrometheusClient, RawSeries } from './prometheus.ts';

type ReplicaDocument = NonNullable<RoundDocument['replicas']>[number];

/** So long before the window and after it there is a scrape. */
const AROUND_MS = 2000;

/** What HAProxy counts of a server, and is looked at. */
const COUNTERS = [
  'sessions_total',
  'current_sessions',
  'http_responses_total',
  'server_aborts_total',
  'retry_warnings_total',
  'redispatch_warnings_total',
] as const;
type Counter = (typeof COUNTERS)[number];

/** From and to, milliseconds since the epoch. */
type Span = readonly [fromMs: number, toMs: number];

/**
 * A counter at a moment, on the line between the scrapes before and after it. In a quiet span nothing grows, so that its
 * time does not count. Pure.
 */
export function valueAt(values: RawSeries['values'], atMs: number, quiet: readonly Span[] = []): number {
  const next = values.findIndex(([at]) => at >= atMs);
  if (next === 0) return values[0]![1];
  const last = values.at(-1);
  if (next === -1) return last ? last[1] : 0;
  const [[fromMs, from], [toMs, to]] = [values[next - 1]!, values[next]!];
  const busy = (untilMs: number) =>
    untilMs - fromMs - quiet.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(untilMs, b) - Math.max(fromMs, a)), 0);
  return busy(toMs) > 0 ? from + ((to - from) * busy(atMs)) / busy(toMs) : to;
}

/** Between two scrapes a count may be a fraction. */
const count = (value: number): number => Math.max(0, Math.round(value));

/** When a replica was in its slot, within the window: until somebody else got the slot. Pure. */
function spanOf(tenant: Tenant, tenants: readonly Tenant[], { startMs, endMs }: Pick<LoadResult, 'startMs' | 'endMs'>) {
  const next = tenants.find((one) => one.slot === tenant.slot && one.fromMs > tenant.fromMs);
  return { fromMs: Math.max(startMs, tenant.fromMs), toMs: Math.min(endMs, next?.fromMs ?? endMs) };
}

/**
 * The spread of the requests over the replicas of a side. Pure. `counters`: what Prometheus has of the servers of its
 * balancer; `cpuOf`: CPU seconds of a container over the window.
 */
export function spreadOf(
  counters: readonly RawSeries[],
  tenants: readonly Tenant[],
  containers: readonly Pick<SideContainer, 'id' | 'service' | 'replica' | 'labels'>[],
  commit: string,
  window: Pick<LoadResult, 'startMs' | 'endMs'>,
  cpuOf: (id: string) => number,
): ReplicaDocument[] {
  const quiet: Span[] = [
    [window.startMs - GAP_S * 1000, window.startMs],
    [window.endMs, Infinity],
  ];
  const counted = tenants.flatMap((tenant) => {
    const container = containers.find(({ id }) => id === tenant.id);
    const { fromMs, toMs } = spanOf(tenant, tenants, window);
    if (!container || toMs <= fromMs) return [];
    const grown = (counter: Counter, code?: string) =>
      counters
        .filter(
          ({ labels }) =>
            labels.server === tenant.slot &&
            labels.__name__ === `haproxy_server_${counter}` &&
            (code === undefined || labels.code === code),
        )
        .reduce((sum, { values }) => sum + valueAt(values, toMs, quiet) - valueAt(values, fromMs, quiet), 0);
    const answered = grown('http_responses_total');
    const retried = grown('retry_warnings_total');
    const redispatched = grown('redispatch_warnings_total');
    // HAProxy has no counter of its own for these: where a later request of a connection fails, it closes that without
    // a word. It counts an attempt as a session.
    const unanswered = grown('sessions_total') - answered - retried - redispatched - grown('current_sessions');
    const own = container.labels[LABEL.commit];
    return [
      {
        service: container.service,
        replica: container.replica,
        ...(own === undefined || own === commit ? {} : { commit: own }),
        requests: count(answered),
        failed: count(grown('http_responses_total', '5xx') + grown('server_aborts_total') + unanswered),
        retried: count(retried),
        redispatched: count(redispatched),
        cpu_seconds: cpuOf(tenant.id),
      },
    ];
  });
  const all = counted.reduce((sum, { requests }) => sum + requests, 0);
  return counted
    .map((one) => ({ ...one, share: all > 0 ? one.requests / all : 0 }))
    .sort((a, b) => a.replica - b.replica);
}

/** The same of a side of a round; undefined where it has no balancer. */
export async function collectReplicas(
  side: SideName,
  load: LoadResult,
  { plan, round, containers, tenants }: Sides,
  prometheus: Pick<PrometheusClient, 'samples'>,
  cpuOf: (id: string) => number,
): Promise<ReplicaDocument[] | undefined> {
  const own = tenants(side);
  if (own === null) return undefined;
  const names = COUNTERS.map((counter) => `haproxy_server_${counter}`).join('|');
  const selector = `{__name__=~"${names}",service="${BALANCER}",side="${side}",round="${round}",proxy="${BACKEND}"}`;
  const rangeMs = Math.round(load.endMs - load.startMs) + 2 * AROUND_MS;
  const counters = await prometheus.samples(`${selector}[${rangeMs}ms]`, load.endMs + AROUND_MS);
  const { commit } = plan.sides.find(({ name }) => name === side)!;
  return spreadOf(counters, own, containers, commit, load, cpuOf);
}
