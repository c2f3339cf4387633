/** Where the time of a request went: a part of a run's page, and a page of its own with any trace that is shown. Pure. */
import { hopCells, hopHeads, hopRows, traceLines } from '../../../report/traces-text.ts';
import { formatPercent, formatValue } from '../../../report/units.ts';
import type { ListedTrace } from '../../../traces/listed.ts';
import type { TracesView } from '../data/traces-data.ts';
import { type Html, html } from '../html.ts';
import { heads, numberCells, runUrl, table, withQuery } from './parts.ts';
import { inOrder, MOST_ROWS, spanWords, waterfall } from './svg/waterfall.ts';

const addressOf = ({ run }: Pick<TracesView, 'run'>, traceId?: string): string =>
  withQuery(`${runUrl(run.run_id)}/traces`, { trace: traceId });

/** Of a run's page: the hops, and the slowest trace of each side. */
export function tracesSection(view: TracesView): Html {
  const { run, traces, none } = view;
  const slowest = (['candidate', 'baseline'] as const).flatMap(
    (wanted) => traces.find(({ side }) => side === wanted) ?? [],
  );
  return html`<section id="traces" data-part aria-labelledby="traces-title"><h2 id="traces-title">Where the time of a request went</h2>
${hopsTable(view)}
${slowest.map((trace) => html`<h3>The slowest trace of the ${trace.side}: ${formatValue(trace.seconds, 's')}</h3>${picture(trace)}`)}
${none === undefined ? html`<p><a href="${addressOf(view)}">More traces, span by span</a></p>` : html`<p class="muted">${none}</p>`}
<ul class="grounds">${traceLines(run).map((line) => html`<li>${line}</li>`)}</ul></section>`;
}

/** A page of its own. */
export function tracesBody(view: TracesView): Html {
  const { run, traces, chosen, none } = view;
  return html`<h1><a href="${runUrl(run.run_id)}">${run.benchmark}</a> <small>where the time of a request went</small></h1>
${none !== undefined && html`<p class="muted">${none}</p>`}
${
  chosen &&
  html`${(['candidate', 'baseline'] as const).map((side) =>
    chooser(
      view,
      side,
      traces.filter((one) => one.side === side),
    ),
  )}
<h2>Trace <code>${chosen.traceId}</code></h2>
<p>${chosen.side}, round ${chosen.round}: ${formatValue(chosen.seconds, 's')}, most of it in ${chosen.most.hop} (${formatValue(chosen.most.seconds, 's')}).</p>
${picture(chosen)}
${spansTable(chosen)}`
}
<h2>Hops over all rounds</h2>
${hopsTable(view)}
<p class="muted">npm run traces -- ${run.run_id} opens all that are kept in Zipkin.</p>`;
}

function chooser(view: TracesView, side: string, traces: readonly ListedTrace[]): Html | false {
  return (
    traces.length > 0 &&
    html`<nav class="links" aria-label="Traces of the ${side}"><p>${side === 'candidate' ? 'Candidate' : 'Baseline'}, the slowest first:</p><ul>${traces.map((one) => html`<li><a href="${addressOf(view, one.traceId)}"${one === view.chosen && html` aria-current="true"`}>${formatValue(one.seconds, 's')}</a></li>`)}</ul></nav>`
  );
}

const picture = ({ tree }: ListedTrace): Html =>
  html`<figure class="panel">${waterfall(tree)}<figcaption class="muted"><span class="key path">on the critical path</span> <span class="key span">under way, and not on it</span> ${tree.nodes.length > MOST_ROWS && `${tree.nodes.length - MOST_ROWS} more spans are not drawn. `}</figcaption></figure>`;

/** The same as the picture. */
function spansTable({ tree }: ListedTrace): Html {
  const ms = (us: number) => formatValue(us / 1e6, 's');
  return table(
    'Spans of the trace',
    heads('Span', '>Begins at', '>Takes', '>Self time', '>On the critical path', '>Share'),
    inOrder(tree).map(
      ({ node, depth }) =>
        html`<tr><th scope="row">${'\u2007'.repeat(Math.min(depth, 20))}${spanWords(node)}</th>${numberCells(ms(node.start - tree.root.start), ms(node.end - node.start), ms(node.self), ms(node.path), formatPercent(tree.total === 0 ? 0 : node.path / tree.total))}</tr>`,
    ),
    { className: 'figures functions', tall: tree.nodes.length > 20 },
  );
}

function hopsTable({ run }: Pick<TracesView, 'run'>): Html {
  const isPair = run.sides.baseline !== undefined;
  const rows = hopRows(run);
  return rows.length === 0
    ? html`<p class="muted">No round that counts has a whole trace.</p>`
    : table(
        'Hops by their traces',
        heads('Hop', ...hopHeads(isPair).map((title) => `>${title.replace(/^./, (c) => c.toUpperCase())}`)),
        rows.map((row) => html`<tr><th scope="row">${row.hop}</th>${numberCells(...hopCells(row, isPair))}</tr>`),
        { className: 'figures' },
      );
}
