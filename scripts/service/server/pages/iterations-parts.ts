/** The iterations of users and scenarios of a run, in a table. */
import type { RunDocument } from '../../../documents/run.ts';
import { ITERATION_HEADS, ITERATION_NOTE, iterationRows } from '../../../report/load-table.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';

/** Nothing where the load has neither. */
export function iterationsSection(run: Pick<RunDocument, 'load' | 'rounds' | 'sides'>): Html | false {
  const rows = iterationRows(run);
  if (rows.length === 0) return false;
  const [name, side, ...numbers] = ITERATION_HEADS;
  return html`<section id="iterations" data-part aria-labelledby="iterations-title"><h2 id="iterations-title">Iterations</h2>
${table(
  'Iterations of users and scenarios',
  heads(name, side, ...numbers.map((head) => `>${head}`)),
  rows.map(([own, who, ...cells]) => html`<tr><th scope="row">${own}</th><td>${who}</td>${numberCells(...cells)}</tr>`),
)}<p class="muted">${ITERATION_NOTE}</p></section>`;
}
