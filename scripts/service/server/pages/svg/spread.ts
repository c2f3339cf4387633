/** The rounds of two sides over one axis of values: dots, and a box with the quartiles and the median. Pure. */
import { formatTick, formatValue } from '../../../../report/units.ts';
import type { SideValues } from '../../data/data-types.ts';
import { type Html, html } from '../../html.ts';
import { at, extent, linear, ticks } from './scale.ts';
import { stripWords } from './strip.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, ROW] = [400, 132, 22, 12, 50];

/** `rows`: name of a row, how it is drawn, its values. */
export function spreadOver(
  title: string,
  unit: string,
  rows: readonly { name: string; className: 'candidate' | 'baseline'; values: SideValues }[],
): Html {
  const counted = rows.map(({ values }) => values.dots.filter(({ counts }) => counts));
  const range = extent(counted.flat().map(({ value }) => value));
  const x = linear(range, [LEFT, WIDTH - RIGHT]);
  const label = `${title}, the rounds of both over each other. ${rows.map(({ name, values }) => stripWords(values, unit).replace(/^\w+/, name)).join(' ')}`;
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
${ticks(range, 4).map((tick, _, all) => html`<line class="grid" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="4" y2="${HEIGHT - 24}"/><text x="${at(x(tick))}" y="${HEIGHT - 8}" text-anchor="middle">${formatTick(tick, all, unit)}</text>`)}
${rows.map(({ name, className }, i) => {
  const middle = 4 + ROW * (i + 0.5);
  const values = counted[i]!.map(({ value }) => value).sort((p, q) => p - q);
  return html`<text x="4" y="${middle + 4}" class="row">${name}</text>${box(values, x, middle, className)}${counted[i]!.map(({ round, value }, j) => html`<circle class="dot ${className}" cx="${at(x(value))}" cy="${at(middle + (((j * 7) % 5) - 2) * 3)}" r="3.2"><title>${name}, round ${round}: ${formatValue(value, unit)}</title></circle>`)}`;
})}
</svg>`;
}

function box(
  sorted: readonly number[],
  x: (value: number) => number,
  middle: number,
  className: string,
): Html | undefined {
  if (sorted.length < 4) return undefined;
  const quantile = (share: number) => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)]!;
    return below + (sorted[Math.ceil(place)]! - below) * (place % 1);
  };
  const [low, median, high] = [0.25, 0.5, 0.75].map((share) => x(quantile(share))) as [number, number, number];
  return html`<rect class="quartiles ${className}" x="${at(low)}" y="${middle - 15}" width="${at(Math.max(1, high - low))}" height="30"/><line class="middle ${className}" x1="${at(median)}" x2="${at(median)}" y1="${middle - 17}" y2="${middle + 17}"/>`;
}
