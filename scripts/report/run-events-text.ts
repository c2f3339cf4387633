/** The events of a run in words: what became of them on both sides, and in what time. Pure. */
import { plainText, plural } from '../core/text.ts';
import type { EventsDocument, RunDocument, SideName } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';
import { columns } from './columns.ts';
import { formatDifference, formatValue, NO_VALUE } from './units.ts';
import { changeWithin, roundNotes, roundsWords } from './within-rounds.ts';

type Trigger = EventsDocument['triggers'][number];
type Rounds = Pick<RunDocument, 'rounds'>;
interface OfRound {
  round: number;
  events: EventsDocument;
}
type Sides = Record<SideName, OfRound[]>;

/** One figure of both sides; null where a side has none. */
interface EventRow {
  title: string;
  values: Record<SideName, string | null>;
}

/** Figures that are summed up over the rounds, in the order of their rows. Those of the second list only where there are any. */
const COUNTS = [
  ['sent', 'sent'],
  ['deliveries', 'deliveries'],
  ['delivered', 'delivered'],
  ['duplicated', 'duplicated'],
  ['out_of_order', 'out of order'],
  ['lost', 'lost'],
  ['dead_lettered', 'dead-lettered'],
  ['refused', 'refused'],
  ['unrouted', 'unrouted'],
] as const;
const RARE = [
  ['pending', 'under way at the end'],
  ['rejected', 'rejected by the sink'],
  ['unsent', 'offered, nothing known'],
] as const;
type Count = (typeof COUNTS | typeof RARE)[number][0];

const SIDES = ['candidate', 'baseline'] as const;

/** The events of the rounds that count; of a run without one those of all, so that it says why. */
export function countedEvents(run: Rounds): Sides {
  const of = (side: SideName, rounds: RunDocument['rounds']) =>
    rounds.flatMap((one) => (one.side === side && one.events ? [{ round: one.round, events: one.events }] : []));
  const sides = (roundsOf: (side: SideName) => RunDocument['rounds']): Sides => ({
    candidate: of('candidate', roundsOf('candidate')),
    baseline: of('baseline', roundsOf('baseline')),
  });
  const counted = sides((side) => countedRounds(run, side));
  return counted.candidate.length + counted.baseline.length > 0 ? counted : sides(() => run.rounds);
}

const total = (rounds: readonly OfRound[], name: Count) => rounds.reduce((sum, { events }) => sum + events[name], 0);
const greatest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);

const secondsText = (seconds: number) => (seconds === 0 ? '0 s' : formatValue(seconds, 's'));

/** What became of them, over the rounds. Empty where there are no events. */
export function eventRows(run: Rounds): EventRow[] {
  const sides = countedEvents(run);
  if (SIDES.every((side) => sides[side].length === 0)) return [];
  const row = (title: string, of: (rounds: readonly OfRound[]) => string): EventRow => ({
    title,
    values: {
      candidate: sides.candidate.length === 0 ? null : of(sides.candidate),
      baseline: sides.baseline.length === 0 ? null : of(sides.baseline),
    },
  });
  const count = ([name, title]: readonly [Count, string]) =>
    row(title, (rounds) => total(rounds, name).toLocaleString('en'));
  const rare = RARE.filter(([name]) => SIDES.some((side) => total(sides[side], name) > 0));
  return [
    ...[...COUNTS, ...rare].map(count),
    row('greatest backlog', (rounds) => greatest(rounds.map(({ events }) => events.backlog.peak)).toLocaleString('en')),
    row('longest drain', (rounds) => {
      const times = rounds.map(({ events }) => events.drain_s);
      return times.includes(null) ? 'not drained' : secondsText(greatest(times.map((time) => time ?? 0)));
    }),
  ];
}

/** A hop, or the whole of a delivery: title, then the mean and the 95th percentile of a side, or of both and the change. */
export function hopRows(run: Rounds, isPair: boolean): string[][] {
  const sides = countedEvents(run);
  const hops = [
    ...new Set(SIDES.flatMap((side) => sides[side].flatMap(({ events }) => events.hops)).map(({ hop }) => hop)),
  ];
  type Times = { avg: number; p95: number } | undefined;
  const row = (title: string, timesOf: (events: EventsDocument) => Times) => {
    const of = (side: SideName, which: 'avg' | 'p95') =>
      sides[side].flatMap(({ round, events }) => {
        const times = timesOf(events);
        return times ? [{ round, value: times[which] }] : [];
      });
    const cells = (which: 'avg' | 'p95') => {
      const [candidate, baseline] = [of('candidate', which), of('baseline', which)];
      const text = (values: typeof candidate) =>
        values.length === 0 ? NO_VALUE : formatValue(median(values.map(({ value }) => value))!, 's');
      const change = changeWithin(candidate, baseline);
      return isPair
        ? [text(candidate), text(baseline), change === null ? NO_VALUE : formatDifference(change)]
        : [text(candidate)];
    };
    return [title, ...cells('avg'), ...cells('p95')];
  };
  if (hops.length === 0) return [];
  return [
    ...hops.map((hop) => row(hop, ({ hops: all }) => all.find((one) => one.hop === hop))),
    row('all of them', ({ delivery }) => delivery),
  ];
}

/** Heads of the columns after the title. */
export const hopHeads = (isPair: boolean): string[] =>
  isPair ? ['mean', 'baseline', 'change', 'p95', 'baseline', 'change'] : ['mean', 'p95'];

const OF_TRIGGER = [
  'deliveries',
  'delivered',
  'duplicated',
  'out_of_order',
  'lost',
  'dead_lettered',
  'attempts',
] as const satisfies (keyof Trigger)[];

/** Heads of the columns of `triggerRows`. */
export const TRIGGER_HEADS = OF_TRIGGER.map((name) => name.replace('dead_', 'dead-').replaceAll('_', ' '));

/** Each trigger of each side; empty where there is one alone, since its figures are those of the events. */
export function triggerRows(run: Rounds): string[][] {
  const sides = countedEvents(run);
  const isPair = SIDES.every((side) => sides[side].length > 0);
  const rows = SIDES.flatMap((side) => {
    const all = sides[side].flatMap(({ events }) => events.triggers);
    return [...Map.groupBy(all, ({ trigger }) => trigger)].map(([trigger, own]) => {
      const sum = (name: (typeof OF_TRIGGER)[number]) => own.reduce((total, one) => total + one[name], 0);
      const title = `${trigger === '' ? 'not known' : plainText(trigger)}${isPair ? `, ${side}` : ''}`;
      return { trigger, cells: [title, ...OF_TRIGGER.map((name) => sum(name).toLocaleString('en'))] };
    });
  });
  const names = new Set(rows.map(({ trigger }) => trigger));
  return names.size > 1
    ? rows.toSorted((a, b) => (a.trigger < b.trigger ? -1 : a.trigger > b.trigger ? 1 : 0)).map(({ cells }) => cells)
    : [];
}

/** Tables for a terminal; nothing where there are no events. */
export function eventTables(run: RunDocument, { color }: { color: boolean }): string[] {
  const rows = eventRows(run);
  if (rows.length === 0) return [];
  const isPair = run.sides.baseline !== undefined;
  const value = ({ values }: EventRow, side: SideName) => values[side] ?? NO_VALUE;
  const hops = hopRows(run, isPair);
  const triggers = triggerRows(run);
  return [
    columns(
      ['events', ...(isPair ? ['candidate', 'baseline'] : ['candidate'])],
      rows.map((row) => [row.title, value(row, 'candidate'), ...(isPair ? [value(row, 'baseline')] : [])]),
      { color },
    ),
    ...(hops.length > 0 ? ['', columns(['hop of a delivery', ...hopHeads(isPair)], hops, { color })] : []),
    ...(triggers.length > 0 ? ['', columns(['trigger', ...TRIGGER_HEADS], triggers, { color })] : []),
  ];
}

/** What is not as it should be: of deliveries first, then of events. */
const OF_DELIVERIES = [
  ['lost', 'lost'],
  ['dead_lettered', 'dead-lettered'],
  ['pending', 'under way at the end'],
] as const;
const OF_EVENTS = [
  ['refused', 'refused'],
  ['unrouted', 'unrouted'],
  ['rejected', 'rejected by the sink'],
] as const;

/**
 * One sentence for each side on which an event was lost, dead-lettered, refused or unrouted, in whatever round:
 * `events of candidate, rounds 1, 2: 3 of 4,500 deliveries dead-lettered; 2 events refused`.
 */
export function eventProblems({ rounds }: Rounds): string[] {
  return SIDES.flatMap((side) => {
    const all = rounds.flatMap((one) =>
      one.side === side && one.events ? [{ round: one.round, events: one.events }] : [],
    );
    const names = [...OF_DELIVERIES, ...OF_EVENTS].map(([name]) => name);
    const bad = all.filter(({ events }) => names.some((name) => events[name] > 0));
    if (bad.length === 0) return [];
    const deliveries = OF_DELIVERIES.flatMap(([name, words]) => {
      const count = total(bad, name);
      return count === 0 ? [] : [`${count.toLocaleString('en')} ${words}`];
    });
    const events = OF_EVENTS.flatMap(([name, words]) => {
      const count = total(bad, name);
      return count === 0 ? [] : [`${plural(count, 'event')} ${words}`];
    });
    const due = `of ${total(bad, 'deliveries').toLocaleString('en')} deliveries ${deliveries.join(', ')}`;
    const said = [...(deliveries.length > 0 ? [due] : []), ...events].join('; ');
    return [`events of ${side}, ${roundsWords(bad.map(({ round }) => round))}: ${said}`];
  });
}

/** What has to be said of the records, a sentence each, with the rounds in which it was so. */
export const eventNotes = (run: Rounds): string[] => roundNotes(run, 'events', ({ events }) => events?.notes);
