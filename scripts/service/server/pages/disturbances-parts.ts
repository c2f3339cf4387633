/** What disturbances did to a run. Pure. */
import type { RunDocument } from '../../../documents/run.ts';
import {
  DISTURBANCE_HEADS,
  DISTURBANCE_NOTE,
  disturbanceRows,
  disturbanceWhys,
} from '../../../report/disturbances-text.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, table } from './parts.ts';
import { legend } from './run-parts.ts';
import { type DisturbedRounds, disturbanceStrip, disturbedRounds } from './svg/disturbances.ts';

/** Steps that are listed. */
const MOST = 100;

/** Nothing for a run without disturbances. */
export function disturbancesSection(run: RunDocument): Html | false {
  const rows = disturbanceRows(run);
  if (rows.length === 0) return false;
  const [disturbance, side, ...figures] = DISTURBANCE_HEADS;
  const whys = disturbanceWhys(run);
  const drawn = disturbedRounds(run.rounds);
  const { lines, left } = drawn;
  return html`<section id="disturbances" data-part aria-labelledby="disturbances-title"><h2 id="disturbances-title">Disturbances</h2>
${table(
  'What they did',
  heads(disturbance, side, ...figures.map((title) => `>${title}`)),
  rows.map(([name, of, ...cells]) => html`<tr><th scope="row">${name}</th><td>${of}</td>${numberCells(...cells)}</tr>`),
  { className: 'figures' },
)}
<p class="muted">${DISTURBANCE_NOTE}.</p>
${whys.length > 0 && html`<ul class="grounds">${whys.map((why) => html`<li>${why}</li>`)}</ul>`}
${legend(
  { candidate: 'candidate', ...(run.sides.baseline ? { baseline: 'baseline' } : {}) },
  lines.some(({ counts }) => !counts),
)}
<figure class="panel one">${disturbanceStrip(drawn)}<figcaption class="muted">Seconds of the window, one line for each round and side: the bar is the disturbance, the thin line goes on until the service had recovered, and each upright mark is a step.${left > 0 && ` ${left} more lines are not drawn.`}</figcaption></figure>
${steps(drawn)}</section>`;
}

/** What the marks of the drawing stand for. */
function steps({ lines }: DisturbedRounds): Html | false {
  const all = lines.flatMap(({ round: { side, round }, own }) =>
    own.flatMap(({ kind, service, actions }) => actions.map((action) => ({ side, round, kind, service, ...action }))),
  );
  return (
    all.length > 0 &&
    html`<details><summary>Every step</summary>${table(
      'Steps of the disturbances',
      heads('Side', '>Round', 'Disturbance', '>At', 'Step'),
      all
        .slice(0, MOST)
        .map(
          ({ side, round, kind, service, at_s, what }) =>
            html`<tr><th scope="row">${side}</th>${numberCells(round)}<td>${kind} of ${service}</td>${numberCells(`${at_s.toFixed(1)} s`)}<td class="wide">${what}</td></tr>`,
        ),
      { tall: true },
    )}${all.length > MOST && html`<p class="muted">${all.length - MOST} more are in the run's document.</p>`}</details>`
  );
}
