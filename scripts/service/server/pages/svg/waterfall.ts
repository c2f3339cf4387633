/**
 * A trace as a waterfall: each span a bar in the time of the trace, below the one that began it; what of it lies on the
 * critical path is dark. Drawn by the server, without a script. Pure.
 */
import { formatTick, formatValue } from '../../../../report/units.ts';
import type { Node, Tree } from '../../../../traces/critical-path.ts';
import { type Html, html } from '../../html.ts';
import { at, linear, ticks } from './scale.ts';

const WIDTH = 1200;
const NAMES = 330;
const ROW = 20;
const HEAD = 22;
const CHARACTER = 6.6;
const INDENT = 12;
/** Spans that are drawn; the list beside it has them all. */
export const MOST_ROWS = 80;
const MOST_INDENT = 10;

/** The spans, each below its parent, children by their begin. */
export function inOrder({ root }: Pick<Tree, 'root'>): { node: Node; depth: number }[] {
  const rows: { node: Node; depth: number }[] = [];
  const open = [{ node: root, depth: 0 }];
  for (let row = open.pop(); row; row = open.pop()) {
    rows.push(row);
    const { node, depth } = row;
    const children = node.children.toSorted((a, b) => b.start - a.start);
    open.push(...children.map((child) => ({ node: child, depth: depth + 1 })));
  }
  return rows;
}

/** `consumer: place order` */
export const spanWords = ({ hop, span }: Node): string => (span.name === '' ? hop : `${hop}: ${span.name}`);

/** Who does not see it has the table beside it. */
export function waterfall(tree: Tree): Html {
  const rows = inOrder(tree).slice(0, MOST_ROWS);
  const x = linear([0, tree.total], [NAMES, WIDTH - 4]);
  const place = (us: number) => x(Math.min(Math.max(us - tree.root.start, 0), tree.total));
  const height = HEAD + rows.length * ROW;
  const marks = ticks([0, tree.total / 1e6], 6);
  return html`<div class="waterfall"><svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" aria-hidden="true">
${marks.map((mark) => {
  const left = x(mark * 1e6);
  return html`<line class="grid" x1="${at(left)}" y1="${HEAD - 6}" x2="${at(left)}" y2="${height}"/><text x="${at(left)}" y="12"${left > WIDTH - 60 && html` text-anchor="end"`}>${formatTick(mark, marks, 's')}</text>`;
})}
${rows.map(({ node, depth }, i) => {
  const y = HEAD + i * ROW;
  const indent = Math.min(depth, MOST_INDENT) * INDENT;
  const [from, to] = [place(node.start), place(node.end)];
  const words = spanWords(node);
  return html`<g><title>${words}: ${formatValue((node.end - node.start) / 1e6, 's')}, ${formatValue(node.path / 1e6, 's')} of it on the critical path</title>
<text x="${indent + 2}" y="${y + 13}">${shortened(words, NAMES - indent)}</text><rect class="span" x="${at(from)}" y="${y + 3}" width="${at(Math.max(1, to - from))}" height="${ROW - 7}" rx="1.5"/>${node.pieces.map((piece) => html`<rect class="path" x="${at(place(piece.from))}" y="${y + 3}" width="${at(Math.max(0.5, place(piece.to) - place(piece.from)))}" height="${ROW - 7}"/>`)}</g>`;
})}
</svg></div>`;
}

function shortened(text: string, width: number): string {
  const fits = Math.floor((width - 6) / CHARACTER);
  return text.length <= fits ? text : `${text.slice(0, Math.max(1, fits - 1))}…`;
}
