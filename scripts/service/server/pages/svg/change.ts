/** A change with its interval, and the threshold around no change. Pure. */

import type { MetricVerdict } from '../../../../documents/verdict.ts';
import { formatDifference } from '../../../../report/units.ts';
import { type Html, html } from '../../html.ts';
import { at, linear } from './scale.ts';

const [WIDTH, HEIGHT] = [200, 26];
/** No interval makes the scale wider: one that is reaches the edge, with an arrow. */
const WIDEST = 0.25;

type Drawn = Pick<MetricVerdict, 'name' | 'margin' | 'change' | 'interval' | 'verdict'> &
  Partial<Pick<MetricVerdict, 'difference' | 'incomparable' | 'words'>>;

/** One scale for all metrics of a table, so that their bars can be compared: relative change at its edge. */
export function changeScale(metrics: readonly Drawn[]): number {
  const reach = metrics.flatMap(({ change, interval, margin }) => [
    Math.abs(change ?? 0),
    Math.abs(interval?.low ?? 0),
    Math.abs(interval?.high ?? 0),
    1.6 * margin,
  ]);
  return Math.min(WIDEST, Math.max(0.01, ...reach) * 1.08);
}

/** The band is the threshold, the line the interval, the dot the estimate. */
export function changeBar(
  { margin, change, interval, verdict, difference, incomparable, words: effect }: Drawn,
  scale: number,
): Html {
  const place = linear([-scale, scale], [8, WIDTH - 8]);
  const x = (value: number) => place(Math.max(-scale, Math.min(scale, value)));
  const middle = HEIGHT / 2;
  const [low, high] = interval ? [x(interval.low), x(interval.high)] : [0, 0];
  const arrow = (beyond: boolean, tip: number, back: number) =>
    beyond
      ? html`<path class="cap" d="M${at(back)} ${middle - 4}L${at(tip)} ${middle}L${at(back)} ${middle + 4}"/>`
      : html`<line class="cap" x1="${at(tip)}" x2="${at(tip)}" y1="${middle - 4}" y2="${middle + 4}"/>`;
  const words =
    change === null
      ? difference || incomparable !== undefined
        ? effect!
        : 'no values to compare'
      : `change ${formatDifference(change)}${interval ? `, interval ${formatDifference(interval.low)} to ${formatDifference(interval.high)}` : ''}; threshold ${formatDifference(margin)} to either side; the scale ends at ${formatDifference(scale)}`;
  return html`<svg class="change ${(verdict ?? 'shown').toLowerCase()}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${words}"><title>${words}</title>
<rect class="margin" x="${at(x(-margin))}" y="3" width="${at(x(margin) - x(-margin))}" height="${HEIGHT - 6}"/><line class="threshold" x1="${at(x(-margin))}" x2="${at(x(-margin))}" y1="3" y2="${HEIGHT - 3}"/><line class="threshold" x1="${at(x(margin))}" x2="${at(x(margin))}" y1="3" y2="${HEIGHT - 3}"/>
<line class="zero" x1="${at(x(0))}" x2="${at(x(0))}" y1="0" y2="${HEIGHT}"/>
${interval && html`<line class="range" x1="${at(low)}" x2="${at(high)}" y1="${middle}" y2="${middle}"/>${arrow(interval.low < -scale, low, low + 5)}${arrow(interval.high > scale, high, high - 5)}`}
${change !== null && html`<circle class="estimate" cx="${at(x(change))}" cy="${middle}" r="3.4"/>`}
</svg>`;
}
