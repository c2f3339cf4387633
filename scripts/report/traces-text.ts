/** The traces of a run in words: hop by hop over its rounds, and those that are kept. Pure. */
import { plainText, plural } from '../core/text.ts';
import type { RunDocument, SideName, TracesDocument } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';
import type { ListedTrace } from '../traces/listed.ts';
import { columns } from './columns.ts';
import { formatPercent, formatValue, NO_VALUE } from './units.ts';

type Hop = TracesDocument['hops'][number];

/** A hop over the rounds that count: medians of each side; null where a side has no such hop. */
interface HopRow {
  hop: string;
  sides: Record<SideName, Pick<Hop, 'self_avg' | 'self_p95' | 'path_avg' | 'share'> | null>;
}

/** Lines that a terminal gets at most. */
const MOST = 20;
const NAME = 40;
const VALUES = ['self_avg', 'self_p95', 'path_avg', 'share'] as const;

/** The hop with the most of the candidate's critical path first. Empty where no round that counts has traces. */
export function hopRows(run: Pick<RunDocument, 'rounds'>): HopRow[] {
  const found = (['candidate', 'baseline'] as const).flatMap((side) =>
    countedRounds(run, side).flatMap(({ traces }) => (traces?.hops ?? []).map((hop) => ({ side, hop }))),
  );
  const middle = (own: typeof found) =>
    own.length === 0
      ? null
      : (Object.fromEntries(
          VALUES.map((value) => [value, median(own.map(({ hop }) => hop[value]))]),
        ) as HopRow['sides']['candidate']);
  const path = ({ sides: { candidate, baseline } }: HopRow) => (candidate ?? baseline)!.path_avg;
  return [...Map.groupBy(found, ({ hop }) => hop.hop)]
    .map(([hop, own]): HopRow => {
      const of = (wanted: SideName) => middle(own.filter(({ side }) => side === wanted));
      return { hop, sides: { candidate: of('candidate'), baseline: of('baseline') } };
    })
    .sort((a, b) => path(b) - path(a));
}

/** What a row has to show: of one side, or of both. */
export function hopCells({ sides: { candidate, baseline } }: HopRow, isPair: boolean): string[] {
  const shown = (value: (typeof VALUES)[number]) =>
    [candidate, ...(isPair ? [baseline] : [])].map((side) =>
      side ? formatValue(side[value], value === 'share' ? 'ratio' : 's') : NO_VALUE,
    );
  return VALUES.flatMap(shown);
}

/** Heads of the same columns. */
export const hopHeads = (isPair: boolean): string[] =>
  ['self time', 'p95', 'on the path', 'share'].flatMap((title) => [title, ...(isPair ? ['baseline'] : [])]);

/** A table for a terminal; nothing where there are no traces. */
export function hopTable(run: RunDocument, { color }: { color: boolean }): string[] {
  const rows = hopRows(run);
  if (rows.length === 0) return [];
  const isPair = run.sides.baseline !== undefined;
  const shown = rows.slice(0, MOST).map((row) => [plainText(row.hop).slice(0, NAME), ...hopCells(row, isPair)]);
  return [
    columns(['hop, by its traces', ...hopHeads(isPair)], shown, { color }),
    ...(rows.length > MOST ? [`and ${rows.length - MOST} more hops; --json has them`] : []),
  ];
}

/** Of how many traces the figures are, what they have cost, and what has to be said of them: a sentence each. */
export function traceLines({ rounds }: Pick<RunDocument, 'rounds'>): string[] {
  const all = rounds.filter(({ valid }) => valid).flatMap(({ traces }) => traces ?? []);
  const sum = (of: 'traces' | 'complete' | 'holes' | 'unfinished') => all.reduce((total, one) => total + one[of], 0);
  const shares = [...new Set(all.map(({ sampling }) => formatPercent(sampling)))].join(', ');
  const cost = median(all.flatMap(({ zipkin }) => zipkin?.share ?? []));
  const measuring = median(all.flatMap((one) => one.measuring?.share ?? []));
  return [
    ...(all.length > 0
      ? [
          `traces: ${shares} of the requests were traced; figures are of ${sum('complete').toLocaleString('en')} of ${plural(sum('traces'), 'trace')}, ${sum('holes')} had a hole and ${sum('unfinished')} were unfinished`,
        ]
      : []),
    ...(cost === null ? [] : [`Zipkin took ${formatPercent(cost)} of the CPU time of the run in its windows`]),
    ...(measuring === null
      ? []
      : [`Prometheus, exporter and Zipkin took ${formatPercent(measuring)} of it without the load generator`]),
    ...noteLines(rounds),
  ];
}

/** Rounds that are named. */
const MOST_ROUNDS = 5;

function noteLines(rounds: RunDocument['rounds']): string[] {
  const notes = rounds.flatMap(({ side, round, traces }) =>
    (traces?.notes ?? []).map((note) => ({ side, round, note, key: `${side} ${note.replace(/\d+(\.\d+)?/g, '#')}` })),
  );
  return [...Map.groupBy(notes, ({ key }) => key).values()].map((alike) => {
    const { side, note } = alike[0]!;
    const named = [...new Set(alike.map(({ round }) => round))];
    const more = named.length > MOST_ROUNDS ? ` and ${named.length - MOST_ROUNDS} more` : '';
    return `traces of ${side}, ${named.length === 1 ? 'round' : 'rounds'} ${named.slice(0, MOST_ROUNDS).join(', ')}${more}: ${plainText(note)}`;
  });
}

/** Traces that are kept, a line each. `address`: where each can be looked at. */
export function keptTable(
  traces: readonly ListedTrace[],
  options: { color: boolean; address?: (traceId: string) => string },
): string {
  const { address, color } = options;
  return columns(
    [address ? 'address' : 'trace', 'took', 'most of it in', 'there', 'side', 'round', 'spans'],
    traces.map(({ traceId, seconds, most, side, round, spans }) => [
      address?.(traceId) ?? traceId,
      formatValue(seconds, 's'),
      plainText(most.hop).slice(0, NAME),
      formatValue(most.seconds, 's'),
      side,
      String(round),
      String(spans.length),
    ]),
    { color },
  );
}
