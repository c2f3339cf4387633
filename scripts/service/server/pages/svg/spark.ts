/** A sparkline: the level of one metric over the newest commits. Pure. */
import { type Html, html } from '../../html.ts';
import { at, extent, linear } from './scale.ts';

const [WIDTH, HEIGHT] = [168, 36];

/** `label` says in words what is drawn; `margin`: a change of this share fills at most half of the height. */
export function sparkline(values: readonly number[], label: string, margin: number): Html {
  const x = linear([0, Math.max(1, values.length - 1)], [4, WIDTH - 5]);
  const y = linear(extent(values, 2 * margin), [HEIGHT - 4, 4]);
  const points = values.map((value, i) => `${at(x(i))},${at(y(value))}`);
  const last = points.at(-1)?.split(',');
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${label}"><polyline points="${points.join(' ')}"/>${last && html`<circle cx="${last[0]}" cy="${last[1]}" r="2.6"/>`}</svg>`;
}
