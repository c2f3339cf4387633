/** What became of the events of a round, for the tests of what shows it: a thousand that went well. */
import type { EventsDocument } from '../../scripts/documents/run.ts';

export function makeEvents(changes: Partial<EventsDocument>): EventsDocument {
  const deliveries = {
    deliveries: 1600,
    delivered: 1600,
    dead_lettered: 0,
    lost: 0,
    pending: 0,
    duplicated: 0,
    out_of_order: 0,
  };
  return {
    ...{ offered: 1000, sent: 1000, unrouted: 0, refused: 0, rejected: 0, unsent: 0 },
    ...deliveries,
    drained: true,
    drain_s: 0,
    backlog: { peak: 12, points: Array.from({ length: 60 }, (_, i) => ({ at_s: i / 4, backlog: i % 13 })) },
    delivery: { count: 1600, avg: 0.012, med: 0.011, p90: 0.02, p95: 0.03, p99: 0.04, max: 0.05 },
    hops: (['client', 'producer', 'ingress', 'broker', 'trigger', 'consumer'] as const).map((hop, i) => ({
      ...{ hop, count: 1600, avg: 0.001 * (i + 1), p95: 0.002 * (i + 1) },
    })),
    triggers: [{ trigger: 'mail', ...deliveries, attempts: 1600 }],
    records: 6400,
    unreadable: 0,
    ...changes,
  };
}
