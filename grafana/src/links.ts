/** Links between the dashboards. A link carries the time range of the run that it shows. Pure. */
import type { Link } from './panels.ts';

export const UIDS = {
  runs: 'mayfly-runs',
  run: 'mayfly-run',
  compare: 'mayfly-compare',
  history: 'mayfly-history',
} as const;

/** Value of a field of the same row or point. */
const field = (name: string): string => `\${__data.fields.${name}}`;
/** The same as a number, not as it is shown. */
const number = (name: string): string => `\${__data.fields["${name}"].numeric}`;

/** Fields `Value #from` and `Value #to` of the row: epoch milliseconds. */
const itsTime = `from=${number('Value #from')}&to=${number('Value #to')}`;

const benchmarkOf = (inRow: boolean): string => (inRow ? field('benchmark') : '${benchmark}');

const compare = (title: string, runs: Record<string, string>): Link => ({
  title,
  url: `/d/${UIDS.compare}?${Object.entries({ benchmark: '${benchmark}', ...runs })
    .map(([name, value]) => `var-${name}=${value}`)
    .join('&')}&${itsTime}`,
});

/** On Compare: the time range becomes that of the row's run, which is A already. */
export const timeOfA = compare('Set the time range to it', {
  run_a: field('run_id'),
  side_a: '${side_a}',
  run_b: '${run_b}',
  side_b: '${side_b}',
});
/** On Compare: the row's run, which is B, becomes A, and A becomes B. */
export const swapped = compare('Swap: this run as A', {
  run_a: field('run_id'),
  side_a: '${side_b}',
  run_b: '${run_a}',
  side_b: '${side_a}',
});

/** `inRow`: the row has a field `benchmark`; else the dashboard's variable is meant. */
export const toRun = (inRow: boolean): Link => ({
  title: 'This run',
  url: `/d/${UIDS.run}?var-benchmark=${benchmarkOf(inRow)}&var-run=${field('run_id')}&${itsTime}`,
});
export const toCompare = (inRow: boolean): Link =>
  compare('Compare: this run as A', { benchmark: benchmarkOf(inRow), run_a: field('run_id') });
export const toHistory: Link = {
  title: 'History of its benchmark',
  url: `/d/${UIDS.history}?var-benchmark=${field('benchmark')}`,
};
