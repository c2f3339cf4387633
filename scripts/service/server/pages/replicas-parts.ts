/** How the requests of a run were spread over replicas. Pure. */
import type { RunDocument } from '../../../documents/run.ts';
import { SPREAD_HEADS, SPREAD_NOTE, spreadRows } from '../../../report/replicas-text.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';

/** Nothing for a run without a balancer. */
export function replicasSection(run: RunDocument): Html | false {
  const rows = spreadRows(run);
  if (rows.length === 0) return false;
  const [replica, side, ...figures] = SPREAD_HEADS;
  return html`<section id="replicas" data-part aria-labelledby="replicas-title"><h2 id="replicas-title">Replicas</h2>
${table(
  'Requests by replica',
  heads(replica, side, ...figures.map((title) => `>${title}`)),
  rows.map(([name, of, ...cells]) => html`<tr><th scope="row">${name}</th><td>${of}</td>${numberCells(...cells)}</tr>`),
  { className: 'figures' },
)}
<p class="muted">${SPREAD_NOTE}.</p></section>`;
}
