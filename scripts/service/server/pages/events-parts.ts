/** What became of the events of a run. Pure. */
import type { RunDocument } from '../../../documents/run.ts';
import {
  countedEvents,
  eventNotes,
  eventProblems,
  eventRows,
  hopHeads,
  hopRows,
  TRIGGER_HEADS,
  triggerRows,
} from '../../../report/run-events-text.ts';
import { NO_VALUE } from '../../../report/units.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';
import { legend } from './run-parts.ts';
import { backlogLines, backlogWords } from './svg/backlog.ts';

const capital = (title: string) => title.replace(/^./, (letter) => letter.toUpperCase());
const rowsOf = (rows: readonly string[][]) =>
  rows.map(([title, ...cells]) => html`<tr><th scope="row">${title}</th>${numberCells(...cells)}</tr>`);

/** The figures of both sides, the hops, and the backlog over time; nothing for a run without events. */
export function eventsSection(run: RunDocument): Html | false {
  const rows = eventRows(run);
  if (rows.length === 0) return false;
  const names = run.sides.baseline ? (['candidate', 'baseline'] as const) : (['candidate'] as const);
  const isPair = names.length > 1;
  const hops = hopRows(run, isPair);
  const triggers = triggerRows(run);
  const notes = [...eventProblems(run), ...eventNotes(run)];
  return html`<section id="events" data-part aria-labelledby="events-title"><h2 id="events-title">Events</h2>
${notes.length > 0 && html`<ul class="grounds">${notes.map((line) => html`<li>${line}</li>`)}</ul>`}
${table(
  'What became of the events',
  heads('Over rounds', ...names.map((name) => `>${capital(name)}`)),
  rowsOf(rows.map(({ title, values }) => [title, ...names.map((side) => values[side] ?? NO_VALUE)])),
  { className: 'figures' },
)}
${
  hops.length > 0 &&
  html`<h3>From the scheduled time to the end of the consumer</h3>${table(
    'Hops of a delivery',
    heads('Hop', ...hopHeads(isPair).map((title) => `>${capital(title)}`)),
    rowsOf(hops),
    { className: 'figures' },
  )}`
}
${
  triggers.length > 0 &&
  html`<h3>By trigger</h3>${table(
    'Deliveries by trigger',
    heads('Trigger', ...TRIGGER_HEADS.map((title) => `>${capital(title)}`)),
    rowsOf(triggers),
    { className: 'figures' },
  )}`
}
${backlogPart(run, isPair)}</section>`;
}

function backlogPart(run: RunDocument, isPair: boolean): Html | false {
  const sides = countedEvents(run);
  const lines = (['baseline', 'candidate'] as const).flatMap((side) =>
    sides[side].map(({ round, events }) => ({ side, round, backlog: events.backlog })),
  );
  const drawing = backlogLines(lines, run.rounds[0]!.window_s);
  return (
    drawing !== undefined &&
    html`<h3>Backlog over time</h3>${legend({ candidate: 'candidate', ...(isPair ? { baseline: 'baseline' } : {}) }, false)}
<figure class="panel one">${drawing}<figcaption class="muted">${backlogWords(lines)} Seconds of the window, one line for each round; the load ends at the upright line.</figcaption></figure>`
  );
}
