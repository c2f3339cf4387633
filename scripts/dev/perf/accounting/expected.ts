/**
 * What an accounting run must come to, without any record of the library or of the trigger service: from what the
 * producer knows, from what the consumers wrote into files of their own, and from the dead letters that lie in the
 * broker.
 */
import type { EventsDocument } from '../../../documents/run.ts';
import type { Letter } from './brokers.ts';
import type { Drawn, DrawnEvent } from './draw.ts';

/** A line of a consumer's own account, in the order of their begins. */
export interface Handling {
  trigger: string;
  source: string;
  id: string;
}

export interface OwnAccounts {
  /** Ids in the order in which they were offered. */
  offered: string[];
  taken: Set<string>;
  handlings: Handling[];
  deadLetters: Map<string, Letter[]>;
}

const FIGURES = ['deliveries', 'delivered', 'dead_lettered', 'lost', 'pending', 'duplicated', 'out_of_order'] as const;
type Figures = Record<(typeof FIGURES)[number], number>;

/** The differences, a sentence each; none: the accounting is exact, and no event is lost. */
export function differences(drawn: Drawn, own: OwnAccounts, document: EventsDocument): string[] {
  const found: string[] = [];
  const hold = (what: string, counted: number, is: number) => {
    if (counted !== is) found.push(`${what}: ${counted} by the records, ${is} by the own accounts`);
  };
  const ofBroker = new Set(own.handlings.map(({ id }) => id));
  for (const letters of own.deadLetters.values()) for (const { id } of letters) ofBroker.add(id);
  // Who got no answer knows nothing: of those the broker had each one that somebody has seen after it.
  const isTaken = ({ id }: DrawnEvent) => own.taken.has(id) || ofBroker.has(id);
  const taken = drawn.events.filter(isTaken);
  const routed = taken.filter((event) => drawn.triggers.some(({ filter }) => isWanted(filter, event)));
  hold('offered', document.offered, own.offered.length);
  hold('sent', document.sent, routed.length);
  hold('unrouted', document.unrouted, taken.length - routed.length);
  hold('refused', document.refused, 0);
  hold('unreadable', document.unreadable, 0);

  const sequences = new Map(own.offered.map((id, i) => [id, i + 1]));
  const total = Object.fromEntries(FIGURES.map((name) => [name, 0])) as Figures;
  for (const { name, filter } of drawn.triggers) {
    const wanted = routed.filter((event) => isWanted(filter, event));
    const figures = figuresOf(name, wanted, own, sequences);
    const counted = document.triggers.find(({ trigger }) => trigger === name);
    for (const figure of FIGURES) {
      total[figure] += figures[figure];
      hold(`${name}: ${figure}`, counted?.[figure] ?? 0, figures[figure]);
    }
    if (figures.lost > 0) found.push(`${name}: ${figures.lost} lost by the own accounts`);
  }
  for (const figure of FIGURES) hold(figure, document[figure], total[figure]);
  if (total.deliveries !== total.delivered + total.dead_lettered)
    found.push(
      `${total.deliveries} deliveries are not ${total.delivered} delivered and ${total.dead_lettered} dead-lettered`,
    );
  return found;
}

function figuresOf(trigger: string, wanted: DrawnEvent[], own: OwnAccounts, sequences: Map<string, number>): Figures {
  const dead = new Set((own.deadLetters.get(trigger) ?? []).map(({ id }) => id));
  const times = new Map<string, number>();
  let [outOfOrder, greatest] = [0, 0];
  for (const { id, trigger: of } of own.handlings) {
    if (of !== trigger) continue;
    const before = times.get(id) ?? 0;
    times.set(id, before + 1);
    if (before > 0) continue;
    const sequence = sequences.get(id)!;
    if (sequence < greatest) outOfOrder++;
    greatest = Math.max(greatest, sequence);
  }
  const delivered = wanted.filter(({ id }) => !dead.has(id) && times.has(id)).length;
  const deadLettered = wanted.filter(({ id }) => dead.has(id)).length;
  return {
    deliveries: wanted.length,
    delivered,
    dead_lettered: deadLettered,
    lost: wanted.length - delivered - deadLettered,
    pending: 0,
    duplicated: wanted.reduce((sum, { id }) => sum + Math.max(0, (times.get(id) ?? 0) - 1), 0),
    out_of_order: outOfOrder,
  };
}

function isWanted(filter: Record<string, string>, event: DrawnEvent): boolean {
  return Object.entries(filter).every(([name, value]) => event[name as keyof DrawnEvent] === value);
}
