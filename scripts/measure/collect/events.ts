/**
 * What became of the events of a side in a round, from the records that its services have written. Where the records may
 * not be whole, the round is INVALID: the accounting would not be exact.
 */
import type { Context } from '../../app/context.ts';
import { EVENT_METRICS } from '../../config/metric-defaults.ts';
import { plainText, plural } from '../../core/text.ts';
import type { EventsDocument, Sample, SideName } from '../../documents/run.ts';
import { accountFor } from '../../events/account.ts';
import { type RecordFiles, readRecords } from '../../events/records.ts';
import { TRIGGER } from '../../stack/chains.ts';
import { sizeText } from '../../stack/disk.ts';
import type { Sides } from '../../stack/run-stack.ts';
import type { TakenTelemetry } from '../../stack/telemetry.ts';
import type { Drained } from '../drain.ts';
import type { LoadResult } from '../load/generator.ts';
import { type Collected, newsOf } from './news.ts';
import type { EventSignals } from './validity.ts';

/** A producer may have made an event before the load began: a time before that is none of this round. */
const BEFORE_MS = 600_000;
/** Files that were not taken which are named. */
const MOST_NAMED = 3;
const RECORDS = '.jsonl';

export interface CollectedEvents {
  document: EventsDocument;
  samples: Record<string, Sample>;
  /** What its validity depends on. */
  signals: EventSignals;
}

/** Null where the benchmark names no broker. Ends the sidecar of the side. */
export async function collectEvents(
  side: SideName,
  load: Pick<LoadResult, 'go' | 'startMs' | 'endMs'>,
  drained: Drained | null,
  { plan, telemetry }: Pick<Sides, 'plan' | 'telemetry'>,
  ctx: Pick<Context, 'now'>,
): Promise<CollectedEvents | null> {
  const { broker } = plan.config;
  const own = telemetry.find((one) => one.side === side);
  if (!broker || !own) return null;
  const { services, fault } = await own.end();
  const files = services
    .filter(({ service }) => service === TRIGGER || broker.services.includes(service))
    .map(({ service, paths }): RecordFiles => {
      const role = service === TRIGGER ? 'trigger' : 'function';
      return { service, role, paths: paths.filter((path) => path.endsWith(RECORDS)) };
    });
  const findings = { unreadable: 0, notes: [] as string[] };
  const options = {
    triggers: broker.triggers.map(({ name }) => name),
    fromMs: load.go.atMs - BEFORE_MS,
    toMs: ctx.now(),
  };
  const document = await accountFor(readRecords(files, options, findings), {
    windowStartMs: load.startMs,
    windowEndMs: load.endMs,
    drained: drained?.drained ?? false,
    findings,
  });
  const missing = [
    ...(fault === undefined ? [] : [fault]),
    ...services.flatMap((taken) => notTaken(taken, broker.recordsBytes)),
    ...(document.unreadable > 0 ? [`${plural(document.unreadable, 'record')} could not be read`] : []),
  ];
  const { deliveries, lost, dead_lettered: deadLettered, triggers } = document;
  const deadLetters = triggers.flatMap(({ trigger, dead_letters }) =>
    dead_letters === undefined ? [] : [`${trigger} ${dead_letters}`],
  );
  const signals = { deliveries, lost, deadLettered, deadLetters, missing };
  return { document, samples: samplesOf(document), signals };
}

/** What is to be said of the events of a round, once in a run. */
export const eventWarnings = (collected: Collected, told: Set<string>): string[] =>
  newsOf('events', collected, told, ({ events }) => events?.notes);

/** Why records of a service may be missing. */
function notTaken({ service, state }: TakenTelemetry, bytes: number): string[] {
  if (state === null) return [`nothing is known of the folder of ${service}`];
  const records = state.refused.filter(({ name }) => name.endsWith(RECORDS));
  const unknown = state.refusedCount - state.refused.length;
  const named = records.slice(0, MOST_NAMED).map(({ name, why }) => `${plainText(name)} ${why}`);
  return [
    ...(records.length + unknown > 0
      ? [
          `${plural(records.length + unknown, 'file')} of ${service} not taken${named.length > 0 ? `: ${named.join('; ')}` : ''}`,
        ]
      : []),
    ...(state.stopped ? [`not all of ${service} was taken: ${state.stopped.why}`] : []),
    ...(state.fullMs === null
      ? []
      : [`the folder of ${service} was full; broker/records in benchmark.yaml gives it more than ${sizeText(bytes)}`]),
  ];
}

/** The values of the built-in metrics of events; one that has none is absent. */
function samplesOf(events: EventsDocument): Record<string, Sample> {
  const { delivery } = events;
  const values: Record<string, number | null | undefined> = {
    delivery_avg: delivery?.avg,
    delivery_med: delivery?.med,
    delivery_p90: delivery?.p90,
    delivery_p95: delivery?.p95,
    delivery_p99: delivery?.p99,
    delivery_max: delivery?.max,
    events_sent: events.sent,
    events_delivered: events.delivered,
    events_duplicated: events.duplicated,
    events_lost: events.lost,
    events_out_of_order: events.out_of_order,
    events_dead_lettered: events.dead_lettered,
    events_refused: events.refused,
    events_unrouted: events.unrouted,
    backlog_peak: events.backlog.peak,
    drain_time: events.drain_s,
  };
  for (const { hop, avg, p95 } of events.hops) {
    values[`hop_${hop}_avg`] = avg;
    values[`hop_${hop}_p95`] = p95;
  }
  return Object.fromEntries(
    EVENT_METRICS.flatMap(({ name, unit }) => {
      const value = values[name];
      return value === null || value === undefined ? [] : [[name, { value, unit }]];
    }),
  );
}
