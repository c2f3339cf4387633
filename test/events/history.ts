/** A small world of events: what happened in it, told as records, and the truth about it, counted as it happens. */
import fc from 'fast-check';
import type { EventRecord } from '../../scripts/events/records.ts';

export const START = 1_780_000_000_000;
export const WINDOW = { windowStartMs: START, windowEndMs: START + 1000 };
const TRIGGERS = ['mail', 'stock'];

/** One try to deliver: what the consumer did, and whether the trigger service lived to say what it saw. */
interface Try {
  does: 'refuses' | 'works' | 'works and dies before it answers';
  isRecorded: boolean;
}

interface Delivery {
  isWanted: boolean;
  tries: Try[];
  ends: 'delivered' | 'dead-lettered' | 'in the broker' | 'gone';
}

interface Happening {
  /** Before the window, in it, or after. */
  dueMs: number;
  producer: number;
  comes: 'taken' | 'refused' | 'rejected' | 'unsent';
  /** The ingress lived to record it. */
  isTakenRecorded: boolean;
  isAccepted: boolean;
  deliveries: Delivery[];
}

const aTry = fc.record<Try>({
  does: fc.constantFrom('refuses', 'works', 'works and dies before it answers'),
  isRecorded: fc.boolean(),
});
const aDelivery = fc.record<Delivery>({
  isWanted: fc.boolean(),
  tries: fc.array(aTry, { maxLength: 4 }),
  ends: fc.constantFrom('delivered', 'dead-lettered', 'in the broker', 'gone'),
});
const aHappening = fc.record<Happening>({
  dueMs: fc.integer({ min: -200, max: 1200 }),
  producer: fc.integer({ min: 1, max: 3 }),
  comes: fc.constantFrom('taken', 'taken', 'taken', 'refused', 'rejected', 'unsent'),
  isTakenRecorded: fc.boolean(),
  isAccepted: fc.boolean(),
  deliveries: fc.tuple(aDelivery, aDelivery),
});

export interface World {
  happenings: Happening[];
  /** Each record goes where this says in the order in which they are read. */
  order: number[];
  drained: boolean;
}

export const aWorld: fc.Arbitrary<World> = fc.record({
  happenings: fc.array(aHappening, { maxLength: 25 }),
  order: fc.array(fc.nat(), { minLength: 1, maxLength: 50 }),
  drained: fc.boolean(),
});

export const NOTHING = {
  offered: 0,
  sent: 0,
  unrouted: 0,
  refused: 0,
  rejected: 0,
  unsent: 0,
  deliveries: 0,
  delivered: 0,
  dead_lettered: 0,
  lost: 0,
  pending: 0,
  duplicated: 0,
  out_of_order: 0,
};

/** What happens, as records in some order, and the truth of the window. */
export function live({ happenings, order, drained }: World): { records: EventRecord[]; truth: typeof NOTHING } {
  const records: EventRecord[] = [];
  const truth = { ...NOTHING };
  /** At a trigger: what was consumed first of each event, by source. */
  const seen: { key: string; seq: number; at: number; counts: boolean }[] = [];
  let clock = START + 2000;
  const sequences = new Map<string, number>();
  // a consumer that writes no records at all is another matter
  for (const trigger of TRIGGERS) {
    const named = { id: `${trigger}-warmup`, source: 'warm-up' };
    records.push({ e: 'taken', t: START - 900, ...named, triggers: [trigger] });
    records.push({
      e: 'consumed',
      t: START - 800,
      end: START - 790,
      ...named,
      seq: null,
      trigger,
      scheduled: START - 950,
    });
  }
  for (const [i, { dueMs, producer, comes, isTakenRecorded, isAccepted, deliveries }] of happenings.entries()) {
    const source = `producer/${producer}`;
    const named = { id: `e${i}`, source };
    const seq = (sequences.get(source) ?? 0) + 1;
    sequences.set(source, seq);
    const scheduled = START + dueMs;
    const counts = dueMs >= 0 && dueMs < 1000;
    const count = (name: keyof typeof truth) => void (truth[name] += counts ? 1 : 0);
    count('offered');
    records.push({ e: 'offered', t: scheduled + 1, ...named, seq, scheduled, received: scheduled + 0.5 });
    if (comes !== 'taken') {
      count(comes);
      if (comes === 'refused') records.push({ e: 'refused', t: scheduled + 2, ...named });
      if (comes !== 'unsent') records.push({ e: 'rejected', t: scheduled + 3, ...named });
      continue;
    }
    const wanted = deliveries.flatMap((one, k) => (one.isWanted ? [{ ...one, trigger: TRIGGERS[k]! }] : []));
    const told: EventRecord[] = [];
    for (const { trigger, tries, ends } of wanted) {
      let consumed = 0;
      for (const { does, isRecorded } of tries) {
        const t = clock++;
        if (does !== 'refuses') {
          if (consumed === 0) seen.push({ key: `${trigger} ${source}`, seq, at: t, counts });
          told.push({ e: 'consumed', t, end: t + 0.5, ...named, seq, trigger, scheduled });
          consumed++;
        }
        const status = does === 'works' ? 204 : does === 'refuses' ? 500 : null;
        if (isRecorded)
          told.push({ e: 'attempt', t: t - 0.1, end: t + 0.6, ...named, trigger, stored: scheduled + 2, status });
      }
      if (ends === 'dead-lettered' || (ends === 'delivered' && consumed > 0)) {
        told.push({ e: 'settled', t: clock++, ...named, trigger, as: ends, why: null });
      }
      count('deliveries');
      for (let more = 1; more < consumed; more++) count('duplicated');
      if (ends === 'dead-lettered') count('dead_lettered');
      else if (consumed > 0) count('delivered');
      else count(drained ? 'lost' : 'pending');
    }
    // killed between the broker and the record: what becomes of each delivery must tell
    const isSeen = (trigger: string) => told.some((one) => 'trigger' in one && one.trigger === trigger);
    const canBeSilent = wanted.length > 0 && wanted.every(({ trigger }) => isSeen(trigger));
    if (isTakenRecorded || !canBeSilent)
      records.push({ e: 'taken', t: scheduled + 2, ...named, triggers: wanted.map(({ trigger }) => trigger) });
    if (isAccepted) records.push({ e: 'accepted', t: scheduled + 3, ...named });
    records.push(...told);
    count(wanted.length === 0 ? 'unrouted' : 'sent');
  }
  for (const one of seen) {
    const before = seen.filter(({ key, at }) => key === one.key && at < one.at);
    if (one.counts && before.some(({ seq }) => seq > one.seq)) truth.out_of_order++;
  }
  return { records: shuffled(records, order), truth };
}

/** Files are read one after the other: of the order in time nothing is left. */
function shuffled(records: readonly EventRecord[], order: readonly number[]): EventRecord[] {
  const keyed = records.map((record, i) => ({ record, key: (order[i % order.length]! * 7919 + i * 104_729) % 1009 }));
  return keyed.sort((a, b) => a.key - b.key).map(({ record }) => record);
}
