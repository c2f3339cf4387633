/**
 * What a comparison knows after each round, in one line: estimates and intervals as they narrow, and the time left.
 * Pure.
 */

import { plural } from '../core/text.ts';
import type { Pairing } from '../documents/run.ts';
import type { MetricVerdict } from '../documents/verdict.ts';
import { percentOf, titleOf } from '../judge/effect-text.ts';
import type { Judgement } from '../judge/verdict.ts';
import { formatElapsed } from './units.ts';

export interface SoFar {
  observations: number;
  max: number;
  /** Seconds that an observation takes; null where that is not known yet. */
  secondsEach: number | null;
  /** Until no round is begun any more. */
  secondsLeft: number;
  pairing: Pairing;
}

export function soFarText(
  judged: Judgement,
  { observations, max: most, secondsEach, secondsLeft, pairing }: SoFar,
): string {
  const max = secondsEach === null ? most : Math.min(most, observations + Math.ceil(secondsLeft / secondsEach));
  const unit = pairing === 'alternating' ? 'block' : 'round';
  const primary = judged.metrics.filter((metric) => metric.primary);
  const figures = primary.map((metric) => `${titleOf(metric.name)} ${figure(metric)}`).join(', ');
  return [
    `after ${plural(observations, unit)}: ${figures || 'no value yet'}`,
    left(judged, observations, max, secondsEach, unit),
  ]
    .filter(Boolean)
    .join('; ');
}

function figure({ change, difference, incomparable, interval, verdict, words }: MetricVerdict): string {
  if (incomparable !== undefined) return 'not comparable';
  if (change === null && !difference) return '-';
  const range = interval ? ` (${signed(interval.low)} to ${signed(interval.high)})` : '';
  const said = change === null ? words : `${signed(change)} %${range}`;
  return `${said}${verdict && verdict !== 'INCONCLUSIVE' ? ` ${verdict}` : ''}`;
}

const signed = (share: number) => `${share < 0 ? '-' : '+'}${percentOf(share)}`;

function left(
  { decided, more }: Judgement,
  observations: number,
  max: number,
  secondsEach: number | null,
  unit: string,
): string {
  if (decided || observations >= max) return '';
  const wanted = Math.min(more ?? Infinity, max - observations);
  const time = secondsEach === null ? '' : `, ${formatElapsed(wanted * secondsEach)}`;
  return more === null || more > max - observations
    ? `at most ${plural(wanted, unit)} more${time}`
    : `about ${wanted} more${time}`;
}
