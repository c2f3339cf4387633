/**
 * A flame graph: each function a box below the one that calls it, as wide as its share of the CPU. Drawn by the server,
 * without a script: a click is a link to the same picture, beginning at that function. Pure.
 */
import { functionWords, pointsWords, shareWords } from '../../../../report/profile-text.ts';
import type { Box, FlameGraph } from '../../../../telemetry/flame.ts';
import { type Html, html } from '../../html.ts';
import { at } from './scale.ts';

const WIDTH = 1200;
const ROW = 18;
/** What a character of the label takes, about. */
const CHARACTER = 6.6;
/** A box that is narrower has no label. */
const LABELLED = 3 * CHARACTER;
/** Colours are no stronger, so that labels are readable on them. */
const STRONGEST = 0.45;

/** `at`: the address of the picture that begins at this node. Who does not see it has the lists beside it. */
export function flameGraph({ boxes }: FlameGraph, addressOf: (node: number) => string): Html {
  const rows = Math.max(0, ...boxes.map(({ depth }) => depth)) + 1;
  const most = Math.max(0.001, ...boxes.map(({ change = 0 }) => Math.abs(change)));
  return html`<div class="flame"><svg viewBox="0 0 ${WIDTH} ${rows * ROW}" width="${WIDTH}" height="${rows * ROW}" aria-hidden="true">
${boxes.map((box) => drawn(box, most, addressOf))}
</svg></div>`;
}

function drawn(box: Box, most: number, addressOf: (node: number) => string): Html {
  const [x, y, width] = [box.x * WIDTH, box.depth * ROW, Math.max(0.3, box.width * WIDTH - 0.6)];
  const shape = html`<rect class="${classOf(box)}"${box.change !== undefined && html` fill-opacity="${strength(box.change, most)}"`} x="${at(x)}" y="${y}" width="${at(width)}" height="${ROW - 1}" rx="1.5"/>${
    width >= LABELLED && html`<text x="${at(x + 3)}" y="${y + 12.5}">${labelOf(box.name, width)}</text>`
  }<title>${boxWords(box)}</title>`;
  return box.node < 0 ? html`<g>${shape}</g>` : html`<a href="${addressOf(box.node)}" tabindex="-1">${shape}</a>`;
}

function classOf({ url, change, found }: Box): string {
  const kind =
    change === undefined
      ? url === '' || url.startsWith('node:')
        ? 'engine'
        : 'own'
      : Math.abs(change) < 0.0005
        ? 'same'
        : change > 0
          ? 'grew'
          : 'shrank';
  return found ? `${kind} found` : kind;
}

const strength = (change: number, most: number): string =>
  String(Number((STRONGEST * (0.12 + (0.88 * Math.abs(change)) / most)).toFixed(2)));

function labelOf(name: string, width: number): string {
  const fits = Math.floor((width - 6) / CHARACTER);
  return name.length <= fits ? name : `${name.slice(0, Math.max(1, fits - 1))}…`;
}

/** `handle server.js:12: 4.9 % of the CPU, 0.0 % before (+4.9 points)`: with all that it calls. */
export function boxWords(box: Box): string {
  const { candidate, baseline, change } = box;
  const own = candidate ?? baseline!;
  return `${functionWords(box)}: ${shareWords(own)} of the CPU${change === undefined ? `, ${own.samples} samples` : `, ${shareWords(baseline!)} before (${pointsWords(change)})`}`;
}
