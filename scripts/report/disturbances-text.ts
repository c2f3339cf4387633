/** What disturbances did to a run, and why requests failed in them. Pure. */
import type { RunDocument, SideName } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';
import { columns } from './columns.ts';
import { formatElapsed, formatValue, NO_VALUE } from './units.ts';

type Rounds = Pick<RunDocument, 'rounds'>;
type Disturbed = NonNullable<RunDocument['rounds'][number]['disturbances']>[number];

const SIDES = ['candidate', 'baseline'] as const;

/** Heads of the columns; the first two are words. */
export const DISTURBANCE_HEADS = [
  'disturbance',
  'side',
  'requests',
  'failed',
  'recovery',
  'p99 inside',
  'p99 outside',
] as const;

/** What has to be said below the table. */
export const DISTURBANCE_NOTE =
  'requests: under way from its begin until all was as before, of all rounds; times: the median over rounds; recovery: until no request fails and latency is within twice what it was before';

/** Whys that are shown of one disturbance of one side. */
const MOST_WHYS = 3;

interface Group {
  side: SideName;
  own: Disturbed[];
}

/** Of the rounds that count; of a side without one those of all. */
function groupsOf(run: Rounds): Group[] {
  return SIDES.flatMap((side) => {
    const counted = countedRounds(run, side);
    const rounds = counted.length > 0 ? counted : run.rounds.filter((one) => one.side === side);
    const places = Math.max(0, ...rounds.map(({ disturbances = [] }) => disturbances.length));
    return Array.from({ length: places }, (_, i) => ({
      side,
      own: rounds.flatMap(({ disturbances = [] }) => disturbances[i] ?? []),
    }));
  });
}

/** One row for each disturbance and side. Empty where the benchmark names none. */
export const disturbanceRows = (run: Rounds): string[][] =>
  groupsOf(run).map(({ side, own }) => {
    const sum = (pick: (one: Disturbed) => number) =>
      own.reduce((total, one) => total + pick(one), 0).toLocaleString('en');
    return [
      wordsOf(own),
      side,
      sum(({ requests }) => requests),
      sum(({ failed_requests }) => failed_requests),
      middle(own, ({ recovery_s }) => recovery_s),
      middle(own, ({ p99_inside }) => p99_inside),
      middle(own, ({ p99_outside }) => p99_outside),
    ];
  });

/** Why requests failed, or what could not be carried out: `rolling-update of api at 5.0s, candidate: ...`. */
export const disturbanceWhys = (run: Rounds): string[] =>
  groupsOf(run).flatMap(({ side, own }) => {
    const whys = [...new Set(own.flatMap(({ why }) => why ?? []))];
    const more = whys.length > MOST_WHYS ? `; and ${whys.length - MOST_WHYS} more` : '';
    return whys.length === 0 ? [] : [`${wordsOf(own)}, ${side}: ${whys.slice(0, MOST_WHYS).join('; ')}${more}`];
  });

/** The same as a table for a terminal, and what has to be said of it. */
export function disturbanceTable(run: Rounds, { color }: { color: boolean }): string[] {
  const rows = disturbanceRows(run);
  return rows.length === 0
    ? []
    : [columns([...DISTURBANCE_HEADS], rows, { left: 2, color }), DISTURBANCE_NOTE, ...disturbanceWhys(run)];
}

/** Rounds begin them at the same time, give or take some milliseconds. */
function wordsOf(own: readonly Disturbed[]): string {
  const { kind, service } = own[0]!;
  return `${kind} of ${service} at ${formatElapsed(median(own.map(({ at_s }) => at_s))!)}`;
}

/** Of a round that did not recover nothing is known but that: then the median may be unknown, too. */
function middle(own: readonly Disturbed[], pick: (one: Disturbed) => number | null): string {
  const value = median(own.map((one) => pick(one) ?? Number.POSITIVE_INFINITY))!;
  return Number.isFinite(value) ? formatValue(value, 's') : NO_VALUE;
}
