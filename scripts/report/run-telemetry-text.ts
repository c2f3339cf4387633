/** The telemetry of a run in words: its labels on both sides, and what has to be said of its files. Pure. */
import { plainText } from '../core/text.ts';
import type { RoundDocument, RunDocument, SideName } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';
import { columns } from './columns.ts';
import { digits, formatDifference, formatValue, NO_VALUE } from './units.ts';
import { changeWithin, roundNotes } from './within-rounds.ts';

type Label = NonNullable<RoundDocument['telemetry']>['labels'][number];
type Value = 'rate' | 'mean' | 'p95';

/** Lines that a terminal gets at most. */
const MOST = 20;
/** Letters of a label. */
const LABEL = 60;

/** A label over the rounds that count: medians of each side, and the median of the changes within rounds. */
interface TelemetryRow {
  service: string;
  prefix: Label['prefix'];
  label: string;
  unit: string;
  /** Null where a side has no such label. */
  sides: Record<SideName, Record<Value, number> | null>;
  /** Null where one side has none, or nothing to relate to. */
  change: Record<'mean' | 'p95', number | null>;
}

const ORDER: Label['prefix'][] = ['duration', 'runtime', 'profiler', 'other'];

/** Durations first; of each kind the most frequent of the candidate first. Empty where no round that counts has any. */
export function telemetryRows(run: Pick<RunDocument, 'rounds'>): TelemetryRow[] {
  const found = (['candidate', 'baseline'] as const).flatMap((side) =>
    countedRounds(run, side).flatMap(({ round, telemetry }) =>
      (telemetry?.labels ?? []).map((label) => ({ side, round, label })),
    ),
  );
  const groups = Map.groupBy(found, ({ label }) => JSON.stringify([label.service, label.prefix, label.label]));
  const rate = ({ sides: { candidate, baseline } }: TelemetryRow) => (candidate ?? baseline)!.rate;
  return [...groups.values()]
    .map(rowOf)
    .sort((a, b) => ORDER.indexOf(a.prefix) - ORDER.indexOf(b.prefix) || rate(b) - rate(a));
}

function rowOf(found: { side: SideName; round: number; label: Label }[]): TelemetryRow {
  const { service, prefix, label, unit } = found[0]!.label;
  const of = (side: SideName) => found.filter((one) => one.side === side);
  const middle = (side: SideName, value: Value) => median(of(side).map((one) => one.label[value]));
  const values = (side: SideName) =>
    of(side).length === 0
      ? null
      : { rate: middle(side, 'rate')!, mean: middle(side, 'mean')!, p95: middle(side, 'p95')! };
  const change = (value: 'mean' | 'p95') => {
    const inRounds = (side: SideName) => of(side).map(({ round, label }) => ({ round, value: label[value] }));
    return changeWithin(inRounds('candidate'), inRounds('baseline'));
  };
  return {
    service,
    prefix,
    label,
    unit,
    sides: { candidate: values('candidate'), baseline: values('baseline') },
    change: { mean: change('mean'), p95: change('p95') },
  };
}

/** `shop: /orders [POST]`; of another kind than a duration that too. */
export const telemetryLabel = ({
  service,
  prefix,
  label,
}: Pick<TelemetryRow, 'service' | 'prefix' | 'label'>): string =>
  plainText(`${service}: ${label}${prefix === 'duration' ? '' : ` (${prefix})`}`);

/** What a row has to show: of one side, or of both and how they differ. */
export function telemetryCells(
  { unit, sides: { candidate, baseline }, change }: TelemetryRow,
  isPair: boolean,
): string[] {
  const value = (side: Record<Value, number> | null, which: 'mean' | 'p95') =>
    side ? (unit === '' ? digits(side[which]) : formatValue(side[which], unit)) : NO_VALUE;
  const both = (which: 'mean' | 'p95') => [
    value(candidate, which),
    ...(isPair ? [value(baseline, which), change[which] === null ? NO_VALUE : formatDifference(change[which])] : []),
  ];
  return [formatValue((candidate ?? baseline)!.rate, '1/s'), ...both('mean'), ...both('p95')];
}

/** Heads of the same columns. */
export const telemetryHeads = (isPair: boolean): string[] =>
  isPair ? ['samples', 'mean', 'baseline', 'change', 'p95', 'baseline', 'change'] : ['samples', 'mean', 'p95'];

/** A table for a terminal; nothing where there is no telemetry. */
export function telemetryTable(run: RunDocument, { color }: { color: boolean }): string[] {
  const rows = telemetryRows(run);
  if (rows.length === 0) return [];
  const isPair = run.sides.baseline !== undefined;
  const shown = rows.slice(0, MOST).map((row) => [telemetryLabel(row).slice(0, LABEL), ...telemetryCells(row, isPair)]);
  return [
    columns(['inside the service', ...telemetryHeads(isPair)], shown, { color }),
    ...(rows.length > MOST ? [`and ${rows.length - MOST} more labels; --json has them`] : []),
  ];
}

/** What has to be said of the files, a sentence each, with the rounds in which it was so. */
export const telemetryLines = (run: Pick<RunDocument, 'rounds'>): string[] =>
  roundNotes(run, 'telemetry', ({ telemetry }) => telemetry?.notes);
