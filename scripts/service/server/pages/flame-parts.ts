/** Where the CPU time went: a part of a run's page, and a page of its own with zoom and search. Pure. */
import type { ProfileDocument } from '../../../documents/run.ts';
import { functionWords, shareWords, signed } from '../../../report/profile-text.ts';
import { NO_VALUE } from '../../../report/units.ts';
import type { Box } from '../../../telemetry/flame.ts';
import type { FlameSide, FlameView } from '../data/flame-data.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, runUrl, table, withQuery } from './parts.ts';
import { boxWords, flameGraph } from './svg/flame.ts';

/** Functions of a table on each end. */
const MOST_ROWS = 15;
const FEW_ROWS = 5;
/** Functions that one calls and that are listed. */
const MOST_CALLS = 30;

const NAMES: Record<FlameSide, string> = {
  difference: 'Difference',
  candidate: 'Candidate',
  baseline: 'Baseline',
};

/** Address of the picture; what is left out stays as it is shown. */
function addressOf(
  view: FlameView,
  more: { side?: FlameSide; service?: string; node?: number | undefined } = {},
): string {
  const { service, side, node, find } = { ...view, ...more };
  return withQuery(`${runUrl(view.run.run_id)}/flame`, { service, side, node, find });
}

/** Of a run's page. */
export function flameSection(view: FlameView): Html {
  return html`<section id="flame" data-part aria-labelledby="flame-title"><h2 id="flame-title">Where the CPU time went</h2>
${about(view)}
${switches(view)}
${functionsTable(view, FEW_ROWS)}
${picture(view)}
<p><a href="${addressOf(view)}">All of it, with search</a></p>
${faults(view)}</section>`;
}

/** A page of its own. */
export function flameBody(view: FlameView): Html {
  const { run, graph, find } = view;
  const { path } = graph;
  return html`<h1><a href="${runUrl(run.run_id)}">${run.benchmark}</a> <small>where the CPU time went</small></h1>
${about(view)}
${switches(view)}
<form method="get" class="filter" role="search" aria-label="Functions">
${Object.entries({ service: view.service, side: view.side, node: view.node }).map(([name, value]) => value !== undefined && html`<input type="hidden" name="${name}" value="${value}">`)}
<label>Name or file <input name="find" value="${find}" size="28" maxlength="200" spellcheck="false" autocomplete="off"></label>
<button>Search</button>${find !== undefined && html` <a href="${addressOf({ ...view, find: undefined })}">Show all</a>`}</form>
${find !== undefined && html`<p role="status">${graph.found! > 0 ? `What has “${find}” in its name or file, and all that it calls, is ${(graph.found! * 100).toFixed(1)} % of the picture.` : `No function has “${find}” in its name or file.`}</p>`}
${path.length > 0 && html`<nav aria-label="Calls that lead here"><ol class="path"><li><a href="${addressOf(view, { node: undefined })}">all</a></li>${path.map((box, i) => html`<li>${i < path.length - 1 ? html`<a href="${addressOf(view, { node: box.node })}">${functionWords(box)}</a>` : html`<span aria-current="true">${boxWords(box)}</span>`}</li>`)}</ol></nav>`}
${picture(view)}
<h2>${path.length > 0 ? 'What it calls' : 'What is outermost'}</h2>
${callsList(view)}
<h2>Functions by themselves</h2>
${functionsTable(view, MOST_ROWS)}
${faults(view)}`;
}

function about({ run, service, side }: FlameView): Html {
  const own = run.profiles!.filter((one) => one.service === service && (side === 'difference' || one.side === side));
  const seconds = Math.max(...own.map((one) => one.seconds));
  const samples = (of: string) => own.filter((one) => one.side === of).reduce((sum, one) => sum + one.samples, 0);
  const counted = (['candidate', 'baseline'] as const)
    .filter((of) => own.some((one) => one.side === of))
    .map((of) => `${samples(of).toLocaleString('en')} samples of the ${of}`);
  return html`<p class="muted">${service}, profiled for ${seconds.toFixed(1)} s in a round of its own that counts for no verdict: ${counted.join(', ')}. ${
    side === 'difference'
      ? 'A box is as wide as its share of the CPU, in the middle of both sides; what grew is red, what shrank is blue.'
      : 'A box is as wide as its share of the CPU, with all that it calls.'
  }</p>`;
}

/** Links to the other sides and services. */
function switches(view: FlameView): Html | false {
  const { services, sides } = view;
  const others = [
    ...sides.map((side) => ({
      text: NAMES[side],
      url: addressOf(view, { side, node: undefined }),
      here: side === view.side,
    })),
    ...(services.length > 1
      ? services.map((service) => ({
          text: service,
          url: addressOf(view, { service, node: undefined }),
          here: service === view.service,
        }))
      : []),
  ];
  return (
    others.length > 1 &&
    html`<nav class="links" aria-label="What is shown"><ul>${others.map(({ text, url, here }) => html`<li><a href="${url}"${here && html` aria-current="true"`}>${text}</a></li>`)}</ul></nav>`
  );
}

function picture(view: FlameView): Html {
  const { graph, side } = view;
  if (graph.boxes.length === 0)
    return html`<p class="muted">There is nothing to draw: the CPU was never seen at work.</p>`;
  return html`<figure class="panel">${flameGraph(graph, (node) => addressOf(view, { node }))}
<figcaption class="muted">${side === 'difference' && html`<span class="key grew">grew</span> <span class="key shrank">shrank</span> `}A click begins at that function. ${graph.hidden > 0 && `${graph.hidden.toLocaleString('en')} boxes are too narrow to be drawn.`} The lists say the same.</figcaption></figure>`;
}

function callsList(view: FlameView): Html {
  const { calls } = view.graph;
  if (calls.length === 0) return html`<p class="muted">Nothing.</p>`;
  const line = (box: Box) =>
    html`<li>${box.node < 0 ? boxWords(box) : html`<a href="${addressOf(view, { node: box.node })}">${boxWords(box)}</a>`}</li>`;
  const more = calls.length - MOST_CALLS;
  return html`<ul class="plain">${calls.slice(0, MOST_CALLS).map(line)}</ul>${more > 0 && html`<p class="muted">And ${more} more that took less.</p>`}`;
}

function functionsTable({ side, changes = [], functions = [] }: FlameView, most: number): Html {
  if (side !== 'difference')
    return table(
      'Functions by themselves',
      heads('Function', '>CPU', '>Samples'),
      functions
        .slice(0, most)
        .map(
          (one) =>
            html`<tr><th scope="row">${functionWords(one)}</th>${numberCells(shareWords(one), one.samples)}</tr>`,
        ),
      { className: 'figures functions' },
    );
  const chosen = [
    ...changes.filter(({ change }) => change > 0).slice(0, most),
    ...changes.filter(({ change }) => change < 0).slice(-most),
  ];
  return html`${table(
    'Functions that differ',
    heads('Function', '>Baseline', '>Candidate', '>Points', '>95 % interval', 'Beyond chance'),
    chosen.map(
      (one) =>
        html`<tr><th scope="row">${functionWords(one)}</th>${numberCells(shareWords(one.baseline), shareWords(one.candidate), html`<span class="delta ${one.sure ? (one.change > 0 ? 'worse' : 'better') : 'same'}">${signed(one.change)}</span>`, `${signed(one.low)} to ${signed(one.high)}`)}<td>${one.sure ? 'yes' : NO_VALUE}</td></tr>`,
    ),
    { className: 'figures functions' },
  )}<p class="muted">By itself: with what it calls in Node.js and V8, and nothing else. Intervals are of the numbers of samples alone. Beyond chance: though ${changes.length.toLocaleString('en')} functions are looked at.</p>`;
}

/** Files that could not be read. */
function faults({ run, service }: FlameView): Html | false {
  const odd = run.profiles!.filter(
    (one): one is ProfileDocument & { fault: string } => one.service === service && one.fault !== undefined,
  );
  return (
    odd.length > 0 &&
    html`<ul class="grounds">${odd.map(({ side, file, fault }) => html`<li>A profile of the ${side} is kept as it is and not shown: ${file} ${fault}</li>`)}</ul>`
  );
}
