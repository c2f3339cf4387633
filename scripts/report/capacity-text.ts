/** What `npm run capacity` found, as text for a terminal. Pure. */

import { plainText, plural } from '../core/text.ts';
import type { CapacityDocument } from '../documents/capacity.ts';
import type { RunDocument } from '../documents/run.ts';
import { shortCommit } from '../engine/names.ts';
import { titleOf } from '../judge/effect-text.ts';
import { columns, styled } from './columns.ts';
import { formatValue } from './units.ts';

/** 1234.5 is 1,235 requests/s, 12.34 is 12.3 requests/s. */
export const rateText = (rate: number): string =>
  `${rate.toLocaleString('en', rate >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 })} requests/s`;

/** The whole result. `sure`: both ends were confirmed. */
export function capacityText(run: RunDocument, { color, sure }: { color: boolean; sure: boolean }): string {
  const { capacity } = run;
  if (!capacity) throw new TypeError(`run ${run.run_id} has no capacity`);
  const { ref, commit, subject } = run.sides.candidate;
  const name = ref === commit ? shortCommit(commit) : `${plainText(ref)} (${shortCommit(commit)})`;
  const rows = capacity.probes
    .toSorted((a, b) => a.rate - b.rate || a.round - b.round)
    .map(({ rate, met, why, round }) => [
      rateText(rate),
      met ? 'met' : 'not met',
      String(round),
      why ? plainText(why) : '',
    ]);
  return [
    styled('bold', `capacity: ${capacitySentence(capacity, sure)}`, color),
    `${run.benchmark} at ${name}${subject ? `: ${plainText(subject)}` : ''}`,
    `objectives: ${objectivesText(run)}`,
    `run ${run.run_id}, ${plural(capacity.probes.length, 'probe')} of ${run.load.duration_s} s after ${run.load.warmup_s} s of warm-up`,
    '',
    columns(['rate', 'objectives', 'round', 'why not'], rows, { left: 4, color }),
    '',
    'Where to look next:',
    `  npm run show -- ${run.run_id}`,
  ].join('\n');
}

/** The answer in words. */
export function capacitySentence({ capacity, fails_at, limited_by }: CapacityDocument, sure: boolean): string {
  if (capacity === null)
    return sure
      ? `not even ${rateText(fails_at!)} meets the objectives`
      : 'not found: too many probes were disturbed or contradict each other';
  if (limited_by === 'generator')
    return `at least ${rateText(capacity)}: at ${rateText(fails_at!)} the load generator is the limit, not the service`;
  if (limited_by === 'cap') return `at least ${rateText(capacity)}, the highest rate that was to be probed`;
  if (!sure) return `about ${rateText(capacity)}: too many probes were disturbed or contradict each other to be sure`;
  return `${rateText(capacity)}; ${rateText(fails_at!)} ${fails_at! / capacity < 1.1 ? `(${((fails_at! / capacity - 1) * 100).toFixed(1)} % more) ` : ''}does not meet the objectives`;
}

function objectivesText({ capacity, metrics }: RunDocument): string {
  return Object.entries(capacity!.objectives)
    .map(([name, limit]) => {
      const metric = metrics.find((one) => one.name === name);
      return `${titleOf(name)} ${metric?.better === 'higher' ? 'at least' : 'at most'} ${formatValue(limit, metric?.unit ?? '')}`;
    })
    .join(', ');
}
