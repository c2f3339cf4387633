/** What the services of a run say of themselves. Pure. */
import type { RunDocument } from '../../../documents/run.ts';
import {
  telemetryCells,
  telemetryHeads,
  telemetryLabel,
  telemetryLines,
  telemetryRows,
} from '../../../report/run-telemetry-text.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';

/** Labels that are seen at once. */
const TALL = 15;

/** Each label of both sides, and what has to be said of the files; nothing for a run without telemetry. */
export function telemetrySection(run: RunDocument): Html | false {
  const notes = telemetryLines(run);
  if (notes.length === 0 && run.rounds.every(({ telemetry }) => telemetry === undefined)) return false;
  const rows = telemetryRows(run);
  const isPair = run.sides.baseline !== undefined;
  const cells = rows.map(
    (row) => html`<tr><th scope="row">${telemetryLabel(row)}</th>${numberCells(...telemetryCells(row, isPair))}</tr>`,
  );
  return html`<section id="telemetry" data-part aria-labelledby="telemetry-title"><h2 id="telemetry-title">Inside the service</h2>
${
  rows.length === 0
    ? html`<p class="muted">No round that counts has telemetry.</p>`
    : table(
        'Telemetry by label',
        heads(
          'Over rounds',
          ...telemetryHeads(isPair).map((title) => `>${title.replace(/^./, (c) => c.toUpperCase())}`),
        ),
        cells,
        { className: 'figures', tall: rows.length > TALL },
      )
}
${notes.length > 0 && html`<ul class="grounds">${notes.map((line) => html`<li>${line}</li>`)}</ul>`}</section>`;
}
