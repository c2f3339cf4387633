/** The spans of the trigger service: `ingress`, `queue` (the time in the broker) and `deliver`. */
import type { IncomingHttpHeaders } from 'node:http';
import { tracing } from 'mayfly-functions/tracing';
import type { Attributes, Event } from './event.ts';

/** The time in the broker is not the trigger service's: it counts as a hop of its own. */
const BROKER = { 'mayfly.hop': 'broker' };

/** Calls `work` within the span of the ingress, with the event as it goes on: with that span's `traceparent`. */
export function received<Result>(
  event: Event,
  headers: IncomingHttpHeaders,
  startMs: number,
  work: (traced: Event) => Promise<Result>,
): Promise<Result> {
  const { id, type } = event.attributes;
  return tracing.span(
    'ingress',
    { 'event.id': id, 'event.type': type },
    () => {
      const traceparent = tracing.current()?.traceparent;
      return work(traceparent === undefined ? event : { ...event, attributes: { ...event.attributes, traceparent } });
    },
    { parent: tracing.fromEvent(event.attributes, headers), kind: 'server', startMs },
  );
}

/** The span of the time in the broker, from `startMs`, where that is known: its `traceparent`, where it is traced. */
export function queued(attributes: Attributes, startMs: number | null, endMs: number): string | undefined {
  const parent = tracing.fromEvent(attributes);
  if (parent === undefined || startMs === null) return parent;
  const tags = { ...BROKER, 'event.id': attributes.id };
  return tracing.ended('queue', tags, { parent, startMs: Math.min(startMs, endMs), endMs }) ?? parent;
}

/** Calls `work` within the span of one attempt, with its `traceparent`. */
export function delivered<Result>(
  { id, type }: Attributes,
  { trigger, attempt }: { trigger: string; attempt: number },
  parent: string | undefined,
  work: (traceparent: string | undefined) => Promise<Result>,
): Promise<Result> {
  return tracing.span(
    'deliver',
    { 'event.id': id, 'event.type': type, 'event.trigger': trigger, 'event.attempt': attempt },
    () => work(tracing.current()?.traceparent),
    { parent, kind: 'client' },
  );
}
