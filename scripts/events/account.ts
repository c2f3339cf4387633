/**
 * What became of the events of a round: exact, from the records of everyone who had them in hand. docs/events.md defines
 * each figure. Pure; what is kept of an event is a few numbers.
 */
import { plainText, plural } from '../core/text.ts';
import type { EventsDocument } from '../documents/run.ts';
import { quantile } from '../judge/statistics.ts';
import { backlogOf } from './backlog.ts';
import type { EventRecord, RecordFindings } from './records.ts';
import { Rows } from './rows.ts';

export interface AccountOptions {
  /** Unix milliseconds: the events that are due from the first on and before the second are counted. */
  windowStartMs: number;
  windowEndMs: number;
  /** The backlog was empty at the end. */
  drained: boolean;
  /** What the reading of the records finds; it is looked at when all are read. */
  findings?: RecordFindings;
  /** Events that are told apart; 2,000,000 where absent. */
  mostEvents?: number;
}

type Trigger = EventsDocument['triggers'][number];
type Hop = EventsDocument['hops'][number]['hop'];
type Outcome = 'delivered' | 'dead_lettered' | 'lost' | 'pending';

const MOST_EVENTS = 2_000_000;
/** Ways in which deliveries were dead-lettered, and events, that are named. */
const MOST_NAMED = 3;
/** Words for why a delivery was given up that are told apart. */
const MOST_REASONS = 100;
const UNKNOWN = '';
const HOPS: readonly Hop[] = ['client', 'producer', 'ingress', 'broker', 'trigger', 'consumer'];

/** What is kept of an event. Of times the first, in Unix milliseconds; NaN: there was none. */
const EVENT = {
  source: 0,
  /** Its newest delivery. */
  head: 1,
  sequence: 2,
  scheduled: 3,
  received: 4,
  offered: 5,
  accepted: 6,
  rejected: 7,
  taken: 8,
  refused: 9,
} as const;

/** What is kept of one event at one trigger. */
const DELIVERY = {
  event: 0,
  trigger: 1,
  /** The delivery of the same event that was known before; NaN: none. */
  next: 2,
  stored: 3,
  attempt: 4,
  attempts: 5,
  lastEnd: 6,
  lastStatus: 7,
  /** Attempts that were answered with 2xx, and the first of them. */
  answered: 8,
  answeredBegin: 9,
  answeredEnd: 10,
  consumed: 11,
  consumedBegin: 12,
  consumedEnd: 13,
  settled: 14,
  /** 1: as delivered; 2: dead-lettered, which stays. */
  as: 15,
  why: 16,
} as const;
const AS_DELIVERED = 1;
const AS_DEAD_LETTERED = 2;

/** Accounts for the events of one side of a round. */
export async function accountFor(
  records: AsyncIterable<EventRecord> | Iterable<EventRecord>,
  options: AccountOptions,
): Promise<EventsDocument> {
  const account = new Account(options);
  if (Symbol.asyncIterator in records) for await (const record of records) account.take(record);
  else for (const record of records) account.take(record);
  return account.document();
}

class Account {
  readonly #options: AccountOptions;
  readonly #most: number;
  readonly #events = new Rows(Object.keys(EVENT).length);
  readonly #deliveries = new Rows(Object.keys(DELIVERY).length);
  /** Source -> its number, and its ids -> the events. */
  readonly #sources = new Map<string, { n: number; ids: Map<string, number> }>();
  /** 0 is the trigger that is not known. */
  readonly #triggers = new Map<string, number>([[UNKNOWN, 0]]);
  readonly #reasons: string[] = [];
  /** Refusals of what has no id or no source. */
  #nameless = 0;
  #records = 0;
  /** Records of events beyond the most. */
  #beyond = 0;
  #lastMs = -Infinity;

  constructor(options: AccountOptions) {
    this.#options = options;
    this.#most = options.mostEvents ?? MOST_EVENTS;
  }

  take(record: EventRecord): void {
    this.#records++;
    if (record.t > this.#lastMs) this.#lastMs = record.t;
    if (record.e === 'refused' && (record.id === null || record.source === null)) {
      if (this.#isInWindow(record.t)) this.#nameless++;
      return;
    }
    const event = this.#eventOf(record.source!, record.id!);
    if (event < 0) return;
    const events = this.#events;
    switch (record.e) {
      case 'offered':
        events.least(event, EVENT.offered, record.t);
        if (record.seq !== null) events.set(event, EVENT.sequence, record.seq);
        if (record.scheduled !== null) events.least(event, EVENT.scheduled, record.scheduled);
        if (record.received !== null) events.least(event, EVENT.received, record.received);
        break;
      case 'accepted':
      case 'rejected':
      case 'refused':
        events.least(event, EVENT[record.e], record.t);
        break;
      case 'taken':
        events.least(event, EVENT.taken, record.t);
        for (const trigger of record.triggers) this.#deliveryOf(event, trigger);
        break;
      case 'attempt':
        this.#attempt(this.#deliveryOf(event, record.trigger), record);
        break;
      case 'settled':
        this.#settled(this.#deliveryOf(event, record.trigger), record);
        break;
      case 'consumed':
        if (record.seq !== null && Number.isNaN(events.get(event, EVENT.sequence)))
          events.set(event, EVENT.sequence, record.seq);
        if (record.scheduled !== null) events.least(event, EVENT.scheduled, record.scheduled);
        this.#consumed(this.#deliveryOf(event, record.trigger ?? UNKNOWN), record.t, record.end, 1);
    }
  }

  /** -1: there are too many. */
  #eventOf(source: string, id: string): number {
    let own = this.#sources.get(source);
    let event = own?.ids.get(id);
    if (event !== undefined) return event;
    if (this.#events.count >= this.#most) {
      this.#beyond++;
      return -1;
    }
    if (!own) this.#sources.set(source, (own = { n: this.#sources.size, ids: new Map() }));
    event = this.#events.add();
    this.#events.set(event, EVENT.source, own.n);
    own.ids.set(id, event);
    return event;
  }

  #deliveryOf(event: number, name: string): number {
    let trigger = this.#triggers.get(name);
    if (trigger === undefined) this.#triggers.set(name, (trigger = this.#triggers.size));
    const rows = this.#deliveries;
    const head = this.#events.get(event, EVENT.head);
    for (let known = head; !Number.isNaN(known); known = rows.get(known, DELIVERY.next))
      if (rows.get(known, DELIVERY.trigger) === trigger) return known;
    const delivery = rows.add();
    rows.set(delivery, DELIVERY.event, event);
    rows.set(delivery, DELIVERY.trigger, trigger);
    rows.set(delivery, DELIVERY.next, head);
    this.#events.set(event, EVENT.head, delivery);
    return delivery;
  }

  #attempt(delivery: number, { t, end, stored, status }: EventRecord & { e: 'attempt' }): void {
    const rows = this.#deliveries;
    rows.increment(delivery, DELIVERY.attempts, 1);
    rows.least(delivery, DELIVERY.attempt, t);
    if (stored !== null) rows.least(delivery, DELIVERY.stored, stored);
    if (!(rows.get(delivery, DELIVERY.lastEnd) > end)) {
      rows.set(delivery, DELIVERY.lastEnd, end);
      rows.set(delivery, DELIVERY.lastStatus, status ?? Number.NaN);
    }
    if (status === null || status < 200 || status > 299) return;
    rows.increment(delivery, DELIVERY.answered, 1);
    if (rows.get(delivery, DELIVERY.answeredBegin) <= t) return;
    rows.set(delivery, DELIVERY.answeredBegin, t);
    rows.set(delivery, DELIVERY.answeredEnd, end);
  }

  #settled(delivery: number, { t, as, why }: EventRecord & { e: 'settled' }): void {
    const rows = this.#deliveries;
    rows.least(delivery, DELIVERY.settled, t);
    rows.greatest(delivery, DELIVERY.as, as === 'delivered' ? AS_DELIVERED : AS_DEAD_LETTERED);
    if (why === null) return;
    const known = this.#reasons.indexOf(why);
    if (known < 0 && this.#reasons.length < MOST_REASONS) this.#reasons.push(why);
    rows.set(delivery, DELIVERY.why, known < 0 ? this.#reasons.length - 1 : known);
  }

  #consumed(delivery: number, begin: number, end: number, times: number): void {
    const rows = this.#deliveries;
    rows.increment(delivery, DELIVERY.consumed, times);
    if (rows.get(delivery, DELIVERY.consumedBegin) <= begin) return;
    rows.set(delivery, DELIVERY.consumedBegin, begin);
    rows.set(delivery, DELIVERY.consumedEnd, end);
  }

  /** When all records are taken. */
  document(): EventsDocument {
    this.#placeUnknown();
    const silent = this.#believeTheTrigger();
    const { windowStartMs, windowEndMs, drained, findings } = this.#options;
    const tallies = [...this.#triggers].map(([trigger, n]) => new Tally(trigger, silent.has(n)));
    const outside: Record<string, number> = {};
    const missed = (what: string) => (outside[what] = (outside[what] ?? 0) + 1);

    const rows = this.#deliveries;
    const begins = new Float64Array(rows.count);
    const ends = new Float64Array(rows.count);
    const counted: number[] = [];
    const isCounted = new Uint8Array(rows.count);
    let settledMs = -Infinity;
    for (let delivery = 0; delivery < rows.count; delivery++) {
      const settled = this.#settledAt(delivery);
      const isGone = Number.isNaN(rows.get(delivery, DELIVERY.trigger));
      begins[delivery] = isGone ? Infinity : this.#begunAt(delivery);
      ends[delivery] = isGone ? Infinity : settled;
      if (isGone) continue;
      if (settled !== Infinity) settledMs = Math.max(settledMs, settled);
      const outcome = this.#outcomeOf(delivery);
      const tally = tallies[rows.get(delivery, DELIVERY.trigger)]!;
      if (this.#isCounted(rows.get(delivery, DELIVERY.event))) {
        counted.push(delivery);
        isCounted[delivery] = 1;
        this.#count(delivery, outcome, tally);
      } else {
        tally.wasSeen = true;
        if (outcome !== 'delivered') missed(outcome);
      }
    }
    this.#countOrder(isCounted, tallies);
    const events = this.#countEvents(missed);
    const seen = tallies
      .filter(({ wasSeen }) => wasSeen)
      .sort((a, b) => (a.figures.trigger < b.figures.trigger ? -1 : 1));
    const figures = seen.map((tally) => tally.document());
    const total = (name: keyof Omit<Trigger, 'trigger' | 'dead_letters'>) =>
      figures.reduce((sum, one) => sum + one[name], 0);
    const { times, hops } = this.#timesOf(counted);
    const notes = [
      ...(findings?.notes ?? []),
      ...(this.#beyond > 0
        ? [`more than ${plural(this.#most, 'event')}: ${plural(this.#beyond, 'record')} of others left out`]
        : []),
      ...seen.flatMap((tally) => tally.notes(this.#namesOf(tally.examples))),
      ...events.notes,
      ...outsideNote(outside),
    ];
    return {
      ...events.figures,
      deliveries: total('deliveries'),
      delivered: total('delivered'),
      dead_lettered: total('dead_lettered'),
      lost: total('lost'),
      pending: total('pending'),
      duplicated: total('duplicated'),
      out_of_order: total('out_of_order'),
      drained,
      drain_s: drained ? Math.max(0, settledMs - windowEndMs) / 1000 : null,
      backlog: backlogOf(begins, ends, windowStartMs, Math.max(windowEndMs, drained ? settledMs : this.#lastMs)),
      ...(times ? { delivery: times } : {}),
      hops,
      triggers: figures,
      records: this.#records,
      unreadable: (findings?.unreadable ?? 0) + this.#beyond,
      ...(notes.length > 0 ? { notes } : {}),
    };
  }

  /** What a consumer took without a word of the trigger is of the only one that it can be of. */
  #placeUnknown(): void {
    const [events, rows] = [this.#events, this.#deliveries];
    for (let event = 0; event < events.count; event++) {
      const head = events.get(event, EVENT.head);
      if (Number.isNaN(head)) {
        const isTaken = !Number.isNaN(events.get(event, EVENT.taken));
        if (!isTaken && !Number.isNaN(events.get(event, EVENT.accepted))) this.#deliveryOf(event, UNKNOWN);
        continue;
      }
      const own: number[] = [];
      for (let one = head; !Number.isNaN(one); one = rows.get(one, DELIVERY.next)) own.push(one);
      const unknown = own.find((one) => rows.get(one, DELIVERY.trigger) === 0);
      const other = own.find((one) => one !== unknown);
      if (unknown === undefined || other === undefined || own.length > 2) continue;
      const cell = (column: number) => rows.get(unknown, column);
      this.#consumed(other, cell(DELIVERY.consumedBegin), cell(DELIVERY.consumedEnd), cell(DELIVERY.consumed));
      rows.set(unknown, DELIVERY.trigger, Number.NaN);
    }
  }

  /**
   * The triggers whose consumer has written no record at all: what it has answered is taken for what it has done.
   */
  #believeTheTrigger(): Set<number> {
    const rows = this.#deliveries;
    const [recording, answered] = [new Set<number>(), new Set<number>()];
    for (let delivery = 0; delivery < rows.count; delivery++) {
      const trigger = rows.get(delivery, DELIVERY.trigger);
      if (rows.get(delivery, DELIVERY.consumed) > 0) recording.add(trigger);
      if (rows.get(delivery, DELIVERY.answered) > 0) answered.add(trigger);
    }
    const silent = new Set([...answered].filter((trigger) => !recording.has(trigger)));
    if (silent.size === 0) return silent;
    for (let delivery = 0; delivery < rows.count; delivery++) {
      if (!silent.has(rows.get(delivery, DELIVERY.trigger)) || !(rows.get(delivery, DELIVERY.answered) > 0)) continue;
      rows.set(delivery, DELIVERY.consumed, rows.get(delivery, DELIVERY.answered));
      rows.set(delivery, DELIVERY.consumedBegin, rows.get(delivery, DELIVERY.answeredBegin));
      rows.set(delivery, DELIVERY.consumedEnd, rows.get(delivery, DELIVERY.answeredEnd));
    }
    return silent;
  }

  #outcomeOf(delivery: number): Outcome {
    const as = this.#deliveries.get(delivery, DELIVERY.as);
    if (as === AS_DEAD_LETTERED) return 'dead_lettered';
    if (this.#deliveries.get(delivery, DELIVERY.consumed) > 0) return 'delivered';
    return this.#options.drained || as === AS_DELIVERED ? 'lost' : 'pending';
  }

  #count(delivery: number, outcome: Outcome, tally: Tally): void {
    const rows = this.#deliveries;
    const attempts = rows.get(delivery, DELIVERY.attempts) || 0;
    const consumed = rows.get(delivery, DELIVERY.consumed) || 0;
    const { figures } = tally;
    tally.wasSeen = true;
    figures.deliveries++;
    figures[outcome]++;
    figures.attempts += attempts;
    figures.duplicated += Math.max(0, consumed - 1);
    if (outcome === 'lost') tally.addLost(rows.get(delivery, DELIVERY.event));
    if (outcome === 'dead_lettered') tally.addDeadLettered(attempts, this.#wayOf(delivery), consumed > 0);
  }

  /** Why a delivery was given up: as the trigger service says it, or else the last status. */
  #wayOf(delivery: number): string {
    const reason = this.#deliveries.get(delivery, DELIVERY.why);
    if (!Number.isNaN(reason)) return this.#reasons[reason]!;
    const status = this.#deliveries.get(delivery, DELIVERY.lastStatus);
    return Number.isNaN(status) ? 'no answer' : `status ${status}`;
  }

  /** Below the greatest sequence that the same source had at the same trigger before. */
  #countOrder(isCounted: Uint8Array, tallies: readonly Tally[]): void {
    const [events, rows] = [this.#events, this.#deliveries];
    const groups = new Map<number, number[]>();
    const sources = this.#sources.size;
    for (let delivery = 0; delivery < rows.count; delivery++) {
      const [event, trigger] = [rows.get(delivery, DELIVERY.event), rows.get(delivery, DELIVERY.trigger)];
      if (Number.isNaN(trigger) || !(rows.get(delivery, DELIVERY.consumed) > 0)) continue;
      if (Number.isNaN(events.get(event, EVENT.sequence))) continue;
      const key = trigger * sources + events.get(event, EVENT.source);
      const group = groups.get(key);
      if (group) group.push(delivery);
      else groups.set(key, [delivery]);
    }
    for (const group of groups.values()) {
      group.sort((a, b) => rows.get(a, DELIVERY.consumedBegin) - rows.get(b, DELIVERY.consumedBegin));
      let greatest = -Infinity;
      for (const delivery of group) {
        const sequence = events.get(rows.get(delivery, DELIVERY.event), EVENT.sequence);
        if (sequence < greatest && isCounted[delivery] === 1)
          tallies[rows.get(delivery, DELIVERY.trigger)]!.figures.out_of_order++;
        greatest = Math.max(greatest, sequence);
      }
    }
  }

  #countEvents(missed: (what: string) => void) {
    const events = this.#events;
    const figures = { offered: 0, sent: 0, unrouted: 0, refused: this.#nameless, rejected: 0, unsent: 0 };
    let unscheduled = 0;
    for (let event = 0; event < events.count; event++) {
      const was = (column: number) => !Number.isNaN(events.get(event, column));
      const what = was(EVENT.head)
        ? 'sent'
        : was(EVENT.taken)
          ? 'unrouted'
          : was(EVENT.refused)
            ? 'refused'
            : was(EVENT.rejected)
              ? 'rejected'
              : 'unsent';
      if (this.#isCounted(event)) {
        figures[what]++;
        if (was(EVENT.offered)) figures.offered++;
        if (what === 'sent' && !was(EVENT.scheduled)) unscheduled++;
      } else if (what !== 'sent') missed(what);
    }
    const notes = [
      ...(figures.unsent > 0
        ? [`${plural(figures.unsent, 'event')} offered, and nothing says what its sink has answered`]
        : []),
      ...(unscheduled > 0
        ? [`no scheduled time of ${plural(unscheduled, 'event')}: the time of the offer stands for it`]
        : []),
    ];
    return { figures, notes };
  }

  #timesOf(counted: readonly number[]) {
    const whole: number[] = [];
    const parts = HOPS.map(() => [] as number[]);
    for (const delivery of counted) {
      if (this.#outcomeOf(delivery) !== 'delivered') continue;
      const marks = this.#marksOf(delivery);
      const end = marks.at(-1)!;
      let before = Number.NaN;
      for (const [i, mark] of marks.entries()) {
        if (Number.isNaN(mark)) continue;
        const at = Math.min(Math.max(mark, Number.isNaN(before) ? mark : before), end);
        if (Number.isNaN(before)) whole.push((end - at) / 1000);
        else parts[i - 1]!.push((at - before) / 1000);
        before = at;
      }
    }
    return {
      times: summaryOf(whole),
      hops: HOPS.flatMap((hop, i) => {
        const summary = summaryOf(parts[i]!);
        return summary ? [{ hop, count: summary.count, avg: summary.avg, p95: summary.p95 }] : [];
      }),
    };
  }

  /** Where the hops of a delivery meet, in their order; NaN where it is not known. */
  #marksOf(delivery: number): number[] {
    const rows = this.#deliveries;
    const event = rows.get(delivery, DELIVERY.event);
    const of = (column: number) => this.#events.get(event, column);
    const attempt = rows.get(delivery, DELIVERY.attempt);
    const stored = rows.get(delivery, DELIVERY.stored);
    return [
      of(EVENT.scheduled),
      Number.isNaN(of(EVENT.scheduled)) ? Number.NaN : of(EVENT.received),
      of(EVENT.offered),
      Number.isNaN(stored) ? earliest(of(EVENT.taken), attempt) : stored,
      attempt,
      rows.get(delivery, DELIVERY.consumedBegin),
      rows.get(delivery, DELIVERY.consumedEnd),
    ];
  }

  #begunAt(delivery: number): number {
    const rows = this.#deliveries;
    const event = rows.get(delivery, DELIVERY.event);
    const own = [DELIVERY.attempt, DELIVERY.consumedBegin, DELIVERY.settled].map((column) =>
      rows.get(delivery, column),
    );
    const begun = earliest(this.#events.get(event, EVENT.taken), ...own);
    return Number.isNaN(begun) ? this.#events.get(event, EVENT.accepted) : begun;
  }

  /** Infinity: never. */
  #settledAt(delivery: number): number {
    const rows = this.#deliveries;
    const settled = rows.get(delivery, DELIVERY.settled);
    if (!Number.isNaN(settled)) return settled;
    if (!(rows.get(delivery, DELIVERY.consumed) > 0)) return Infinity;
    return Math.max(rows.get(delivery, DELIVERY.consumedEnd), rows.get(delivery, DELIVERY.lastEnd) || 0);
  }

  #isCounted(event: number): boolean {
    return this.#isInWindow(this.#dueAt(event));
  }

  #dueAt(event: number): number {
    const events = this.#events;
    for (const column of [EVENT.scheduled, EVENT.offered, EVENT.taken]) {
      const at = events.get(event, column);
      if (!Number.isNaN(at)) return at;
    }
    const rows = this.#deliveries;
    let first = earliest(...[EVENT.accepted, EVENT.rejected, EVENT.refused].map((column) => events.get(event, column)));
    for (let one = events.get(event, EVENT.head); !Number.isNaN(one); one = rows.get(one, DELIVERY.next))
      first = earliest(
        first,
        rows.get(one, DELIVERY.attempt),
        rows.get(one, DELIVERY.consumedBegin),
        rows.get(one, DELIVERY.settled),
      );
    return first;
  }

  #isInWindow(atMs: number): boolean {
    return atMs >= this.#options.windowStartMs && atMs < this.#options.windowEndMs;
  }

  /** How a person finds them again. */
  #namesOf(wanted: readonly number[]): string[] {
    if (wanted.length === 0) return [];
    return [...this.#sources].flatMap(([source, { ids }]) =>
      [...ids]
        .filter(([, event]) => wanted.includes(event))
        .map(([id]) => `${id.slice(0, 80)} of ${source.slice(0, 80)}`),
    );
  }
}

/** The figures of one trigger, and what has to be said of them. */
class Tally {
  readonly figures: Trigger;
  readonly #isSilent: boolean;
  /** Something of this round was of it. */
  wasSeen = false;
  /** Events that were lost: the first of them. */
  readonly examples: number[] = [];
  #dead = { least: Infinity, most: 0, consumed: 0, ways: new Map<string, number>() };

  constructor(trigger: string, isSilent: boolean) {
    const none = { deliveries: 0, delivered: 0, dead_lettered: 0, lost: 0, pending: 0, duplicated: 0, out_of_order: 0 };
    this.figures = { trigger, ...none, attempts: 0 };
    this.#isSilent = isSilent;
  }

  addLost(event: number): void {
    if (this.examples.length < MOST_NAMED) this.examples.push(event);
  }

  addDeadLettered(attempts: number, way: string, wasConsumed: boolean): void {
    const dead = this.#dead;
    dead.least = Math.min(dead.least, attempts);
    dead.most = Math.max(dead.most, attempts);
    dead.ways.set(way, (dead.ways.get(way) ?? 0) + 1);
    if (wasConsumed) dead.consumed++;
  }

  /** `after 6 attempts: status 500 × 3`; null where none was dead-lettered. */
  #howDead(): string | null {
    const { least, most, ways } = this.#dead;
    if (ways.size === 0) return null;
    const after = least === most ? plural(most, 'attempt') : `${least} to ${plural(most, 'attempt')}`;
    return plainText(`after ${after}: ${waysText(ways)}`);
  }

  document(): Trigger {
    const how = this.#howDead();
    return { ...this.figures, ...(how === null ? {} : { dead_letters: how }) };
  }

  notes(lost: readonly string[]): string[] {
    const { trigger, dead_lettered, deliveries } = this.figures;
    const { consumed } = this.#dead;
    const notes: string[] = [];
    if (dead_lettered > 0) notes.push(`${plural(dead_lettered, 'event')} dead-lettered ${this.#howDead()}`);
    if (consumed > 0) notes.push(`${consumed} of the dead-lettered events consumed all the same`);
    if (this.figures.lost > 0)
      notes.push(`${plural(this.figures.lost, 'event')} lost: ${shortened(lost, this.figures.lost)}`);
    if (this.#isSilent)
      notes.push('its consumer has written no record: what it has answered the trigger service is taken for it');
    if (trigger === UNKNOWN && deliveries > 0)
      notes.push(`${plural(deliveries, 'event')} of which no record says the trigger`);
    return notes.map((note) => plainText(trigger === UNKNOWN ? note : `${trigger}: ${note}`));
  }
}

/** `status 500 × 3, no answer × 1`, the most frequent first. */
function waysText(ways: ReadonlyMap<string, number>): string {
  const sorted = [...ways].sort(([, a], [, b]) => b - a);
  const more = sorted.length > MOST_NAMED ? `, and ${sorted.length - MOST_NAMED} more ways` : '';
  return (
    sorted
      .slice(0, MOST_NAMED)
      .map(([way, count]) => `${way} × ${count}`)
      .join(', ') + more
  );
}

const shortened = (names: readonly string[], of: number) =>
  names.join(', ') + (of > names.length ? `, and ${(of - names.length).toLocaleString('en')} more` : '');

/** What went wrong with events that are not counted: those of the warm-up. */
function outsideNote(missed: Readonly<Record<string, number>>): string[] {
  const words: Record<string, string> = { dead_lettered: 'dead-lettered' };
  const parts = Object.entries(missed).map(([what, count]) => `${count} ${words[what] ?? what}`);
  return parts.length > 0 ? [`outside of the window: ${parts.join(', ')}`] : [];
}

/** The least that is a number; NaN of none. */
function earliest(...times: number[]): number {
  let first = Number.NaN;
  for (const time of times) if (!(time >= first) && !Number.isNaN(time)) first = time;
  return first;
}

/** Null of nothing. */
function summaryOf(seconds: readonly number[]): NonNullable<EventsDocument['delivery']> | null {
  if (seconds.length === 0) return null;
  const sorted = Float64Array.from(seconds).sort();
  return {
    count: sorted.length,
    avg: sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
    med: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1)!,
  };
}
