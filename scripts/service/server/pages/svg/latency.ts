/** Latency distributions as quantile curves, over each other. Pure. */
import { formatValue, NO_VALUE } from '../../../../report/units.ts';
import type { LatencyView } from '../../data/data-types.ts';
import { type Html, html } from '../../html.ts';
import { heads, numberCells, table } from '../parts.ts';
import { at, linear, logTicks } from './scale.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 260, 66, 14, 10, 30];

export interface LatencyRow {
  name: string;
  className: 'candidate' | 'baseline';
  latency: LatencyView;
}

/** Share of requests against latency, both stretched where they are rare; the band is the range over rounds. */
export function latencyCurves(rows: readonly LatencyRow[]): Html | undefined {
  const quantiles = rows
    .flatMap(({ latency }) => latency.quantiles)
    .filter(({ seconds, low }) => seconds > 0 && low > 0);
  if (quantiles.length === 0) return undefined;
  const shares = [...new Set(quantiles.map(({ share }) => share))].sort((a, b) => a - b);
  const rarest = Math.max(1, ...shares.filter((share) => share < 1).map(stretch));
  const place = (share: number) => (share >= 1 ? rarest + 0.35 : stretch(share));
  const x = linear([0, place(shares.at(-1)!)], [LEFT, WIDTH - RIGHT]);
  const range: [number, number] = [
    Math.min(...quantiles.map(({ low }) => low)) * 0.93,
    Math.max(...quantiles.map(({ high }) => high)) * 1.07,
  ];
  const y = linear([Math.log(range[0]), Math.log(range[1])], [HEIGHT - BOTTOM, TOP]);
  const point = (share: number, seconds: number) => `${at(x(place(share)))},${at(y(Math.log(seconds)))}`;
  const own = rows.map(({ latency, ...row }) => ({
    ...row,
    quantiles: latency.quantiles.filter(({ seconds, low }) => seconds > 0 && low > 0),
  }));
  return html`<svg class="strip curves" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${latencyWords(rows)}">
${logTicks(range).map((tick) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(Math.log(tick)))}" y2="${at(y(Math.log(tick)))}"/><text x="${LEFT - 6}" y="${at(y(Math.log(tick)) + 4)}" text-anchor="end">${formatValue(tick, 's')}</text>`)}
${[0, 0.5, 0.9, 0.99, 0.999, 0.9999]
  .filter((share) => stretch(share) <= rarest + 1e-9)
  .concat(shares.includes(1) ? [1] : [])
  .map(
    (share) =>
      html`<line class="grid" x1="${at(x(place(share)))}" x2="${at(x(place(share)))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${at(x(place(share)))}" y="${HEIGHT - 10}" text-anchor="middle">${shareText(share)}</text>`,
  )}
${own.map(({ className, quantiles }) => html`<polygon class="band ${className}" points="${[...quantiles.map(({ share, high }) => point(share, high)), ...quantiles.toReversed().map(({ share, low }) => point(share, low))].join(' ')}"/>`)}
${own.map(({ className, quantiles }) => html`<polyline class="line ${className}" points="${quantiles.map(({ share, seconds }) => point(share, seconds)).join(' ')}"/>`)}
</svg>`;
}

/** Each power of ten of what is left takes the same room: 90 % is 1, 99 % is 2. */
const stretch = (share: number): number => -Math.log10(1 - Math.min(share, 0.999999));
export const shareText = (share: number): string =>
  share === 0 ? 'min' : share === 1 ? 'max' : `${Number((share * 100).toPrecision(6))} %`;

/** `Latency. candidate: 50 % within 1.20 ms, 99 % within 4.10 ms.` */
export function latencyWords(rows: readonly LatencyRow[]): string {
  const words = ({ name, latency }: LatencyRow) =>
    `${name}: ${latency.quantiles
      .filter(({ share }) => [0.5, 0.95, 0.99].includes(share))
      .map(({ share, seconds }) => `${shareText(share)} within ${formatValue(seconds, 's')}`)
      .join(', ')}.`;
  return `Latency distribution. ${rows.map(words).join(' ')}`;
}

/** The same numbers. */
export function latencyTable(rows: readonly LatencyRow[]): Html {
  const shares = [...new Set(rows.flatMap(({ latency }) => latency.quantiles.map(({ share }) => share)))].sort(
    (a, b) => a - b,
  );
  const cells = (share: number) =>
    rows.flatMap(({ latency }) => {
      const found = latency.quantiles.find((one) => one.share === share);
      return [
        found ? formatValue(found.seconds, 's') : NO_VALUE,
        found ? `${formatValue(found.low, 's')} to ${formatValue(found.high, 's')}` : NO_VALUE,
      ];
    });
  return table(
    'Latency distribution',
    heads('Share of requests', ...rows.flatMap(({ name }) => [`>${name}`, '>over rounds'])),
    shares.map((share) => html`<tr><th scope="row">${shareText(share)}</th>${numberCells(...cells(share))}</tr>`),
    { className: 'figures' },
  );
}
