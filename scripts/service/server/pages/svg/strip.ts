/** Every round of a run as a dot, for one metric. Pure. */
import { formatDifference, formatTick, formatValue } from '../../../../report/units.ts';
import type { Dot, MetricView, SideValues } from '../../data/data-types.ts';
import { type Html, html } from '../../html.ts';
import { at, extent, linear, ticks } from './scale.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [400, 172, 66, 8, 8, 24];

/**
 * Value against number of the round: the candidate as discs, the baseline as rings, what does not count as crosses,
 * medians as lines.
 */
export function roundsStrip({ title, unit, sides }: Pick<MetricView, 'title' | 'unit' | 'sides'>): Html {
  const dots = sides.flatMap((side) => side.dots);
  const numbers = dots.map(({ round }) => round);
  const range = extent(dots.map(({ value }) => value));
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  const x = linear([first - 0.5, last + 0.5], [LEFT, WIDTH - RIGHT]);
  const y = linear(range, [HEIGHT - BOTTOM, TOP]);
  const shift = sides.length > 1 ? Math.min(4, (x(1) - x(0)) / 5) : 0;
  const label = `${title}, round by round. ${sides.map((side) => stripWords(side, unit)).join(' ')}`;
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
${ticks(range, 4).map((tick, _, all) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(tick))}" y2="${at(y(tick))}"/><text x="${LEFT - 6}" y="${at(y(tick) + 4)}" text-anchor="end">${formatTick(tick, all, unit)}</text>`)}
${ticks([first, last], Math.min(8, last - first))
  .filter(Number.isInteger)
  .map((round) => html`<text x="${at(x(round))}" y="${HEIGHT - 7}" text-anchor="middle">${round}</text>`)}
${sides.map(({ side, median }) => median !== null && html`<line class="median ${side}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(median))}" y2="${at(y(median))}"/>`)}
${sides.map(({ side, dots }) => dots.map((dot) => mark(dot, side, x(dot.round) + (side === 'baseline' ? shift : -shift), y(dot.value), unit)))}
</svg>`;
}

/**
 * What the verdict rests on: the change within each round that counts, and the threshold around none. Nothing where
 * rounds are of one side.
 */
export function changeStrip({ title, margin, sides }: MetricView): Html | undefined {
  const [candidate, baseline] = (['candidate', 'baseline'] as const).map(
    (name) =>
      new Map(
        sides
          .find(({ side }) => side === name)
          ?.dots.filter(({ counts, value }) => counts && value !== 0)
          .map(({ round, value }) => [round, value]),
      ),
  );
  const changes = [...candidate!].flatMap(([round, value]) =>
    baseline!.has(round) ? [{ round, change: value / baseline!.get(round)! - 1 }] : [],
  );
  if (changes.length === 0) return undefined;
  const values = changes.map(({ change }) => change);
  const range = extent([...values, -1.3 * margin, 1.3 * margin], 0);
  const height = 112;
  const x = linear(
    [Math.min(...changes.map(({ round }) => round)) - 0.5, Math.max(...changes.map(({ round }) => round)) + 0.5],
    [LEFT, WIDTH - RIGHT],
  );
  const y = linear(range, [height - 6, 6]);
  const words = `Within each round: from ${formatDifference(Math.min(...values))} to ${formatDifference(Math.max(...values))}.`;
  return html`<svg class="strip" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}, change of the candidate against the baseline within each round. ${words} The band is the threshold, ${formatDifference(margin)} to either side.">
<rect class="margin" x="${LEFT}" width="${WIDTH - RIGHT - LEFT}" y="${at(y(margin))}" height="${at(y(-margin) - y(margin))}"/>
${ticks(range, 3).map((tick, _, all) => html`<line class="${tick === 0 ? 'zero' : 'grid'}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(tick))}" y2="${at(y(tick))}"/><text x="${LEFT - 6}" y="${at(y(tick) + 4)}" text-anchor="end">${`${tick > 0 ? '+' : ''}${formatTick(tick, all, 'ratio')}`}</text>`)}
${changes.map(({ round, change }) => html`<circle class="dot ratio" cx="${at(x(round))}" cy="${at(y(change))}" r="3.4"><title>round ${round}: ${formatDifference(change)}</title></circle>`)}
</svg><p class="muted">${words} The band is the threshold.</p>`;
}

function mark({ round, value, counts, why }: Dot, side: string, x: number, y: number, unit: string): Html {
  const words = html`<title>round ${round}, ${side}: ${formatValue(value, unit)}${why.length > 0 && `; does not count: ${why.join('; ')}`}</title>`;
  if (!counts) return html`<path class="void ${side}" d="M${at(x - 3.5)} ${at(y - 3.5)}l7 7m0 -7l-7 7">${words}</path>`;
  return html`<circle class="dot ${side}" cx="${at(x)}" cy="${at(y)}" r="3.6">${words}</circle>`;
}

/** `candidate: median 1.20 ms over 12 rounds, from 1.10 ms to 1.30 ms.` */
export function stripWords({ side, median, min, max, dots }: SideValues, unit: string): string {
  const counted = dots.filter(({ counts }) => counts).length;
  if (median === null) return `${side}: no round counts.`;
  return `${side}: median ${formatValue(median, unit)} over ${counted} ${counted === 1 ? 'round' : 'rounds'}, from ${formatValue(min!, unit)} to ${formatValue(max!, unit)}.`;
}
