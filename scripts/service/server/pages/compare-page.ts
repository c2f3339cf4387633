/** Two runs or commits against each other. */
import { isShown } from '../../../report/verdict-text.ts';
import type { CompareMetric, CompareOptions, CompareSide, CompareView, LatencyView } from '../data/data-types.ts';
import type { FlameView } from '../data/flame-data.ts';
import { type Html, html } from '../html.ts';
import { flameSection } from './flame-parts.ts';
import {
  benchmarkUrl,
  facts,
  heads,
  numberCells,
  option,
  runUrl,
  sideText,
  statusBadge,
  table,
  time,
  valueText,
  withQuery,
} from './parts.ts';
import { latencyPart, legend } from './run-parts.ts';
import { seriesChart } from './series-parts.ts';
import { spreadOver } from './svg/spread.ts';
import { stripWords } from './svg/strip.ts';
import { changesTable, grounds, verdictLead } from './verdict-parts.ts';

/** `flame`: how the CPU time of both differs; undefined where they were not profiled in one run. */
export function compareBody(
  view: CompareView,
  options: Partial<CompareOptions>,
  benchmarks: readonly string[],
  flame?: FlameView,
): Html {
  const { benchmark, a, b, verdict, metrics, latency } = view;
  const primary = metrics.filter((metric) => metric.primary);
  const sides = { candidate: 'B', baseline: 'A' };
  const others = verdict.metrics.filter((metric) => !metric.primary && isShown(metric));
  const rows = [
    { name: 'A', className: 'baseline' as const, latency: latency.a },
    { name: 'B', className: 'candidate' as const, latency: latency.b },
  ].filter((row): row is typeof row & { latency: LatencyView } => row.latency !== null);
  return html`<h1>Compare <small><a href="${benchmarkUrl(benchmark)}">${benchmark}</a></small></h1>
${verdictLead(verdict)}
${facts(
  [
    ['A, before', sideLine(a)],
    ['B, after', sideLine(b)],
  ],
  { long: true },
)}
${view.swapped ? html`<p class="notice">One run measured both, with A as its baseline: it is shown that way round, not the one asked for.</p>` : a.run_id !== b.run_id && html`<p><a href="${withQuery('/compare', { a: options.b, b: options.a, benchmark: options.benchmark })}">The other way round</a></p>`}
<section aria-labelledby="metrics-title"><h2 id="metrics-title">Primary metrics</h2>
${
  verdict.metrics.some((metric) => metric.primary)
    ? changesTable(
        'Primary metrics, B against A',
        verdict,
        verdict.metrics.filter((metric) => metric.primary),
        sides,
      )
    : plainTable(primary)
}
${grounds(verdict)}
${others.length > 0 && html`<details><summary>Other metrics</summary><p class="muted">They never change the verdict.</p>${changesTable('Other metrics, B against A', verdict, others, sides)}</details>`}</section>
${flame && flameSection(flame)}
<section aria-labelledby="rounds-title"><h2 id="rounds-title">Rounds over each other</h2>
${legend({ baseline: 'A', candidate: 'B' }, false)}
<div class="panels">${primary.filter(({ a, b }) => a.dots.length + b.dots.length > 0).map(panel)}</div>
<details><summary>The same as numbers</summary>${plainTable(primary)}</details></section>
${latencyPart(rows)}
${seriesChart(
  'Over time, from the start of each window',
  a.run_id === b.run_id
    ? [{ id: a.run_id, name: '' }]
    : [
        { id: a.run_id, name: 'A', side: a.side },
        { id: b.run_id, name: 'B', side: b.side },
      ],
)}
<h2>Compare others</h2>
${chooser(options, benchmarks)}`;
}

const sideLine = (side: CompareSide): Html =>
  html`${sideText(side)} · <a href="${runUrl(side.run_id)}">run of ${time(side.started_at)}</a>${side.side === 'baseline' && ' (its baseline)'} ${side.status !== 'complete' && statusBadge(side.status)}`;

function panel({ title, unit, a, b }: CompareMetric): Html {
  return html`<figure class="panel"><figcaption>${title}</figcaption>${spreadOver(title, unit, [
    { name: 'A', className: 'baseline', values: a },
    { name: 'B', className: 'candidate', values: b },
  ])}<p class="muted">${[['A', a] as const, ['B', b] as const].map(([name, side]) => `${stripWords(side, unit).replace(/^\w+/, name)} `)}</p></figure>`;
}

function plainTable(metrics: readonly CompareMetric[]): Html {
  return table(
    'Rounds of both',
    heads('Over rounds', '>A median', '>A least', '>A greatest', '>B median', '>B least', '>B greatest'),
    metrics.map(
      ({ title, unit, a, b }) =>
        html`<tr><th scope="row">${title}</th>${numberCells(...[a, b].flatMap(({ median, min, max }) => [valueText(median, unit), valueText(min, unit), valueText(max, unit)]))}</tr>`,
    ),
    { className: 'figures' },
  );
}

/** Where two are named. */
export function chooser({ a, b, benchmark }: Partial<CompareOptions>, benchmarks: readonly string[]): Html {
  const input = (name: 'a' | 'b', label: string, value: string | undefined) =>
    html`<label>${label} <input name="${name}" value="${value}" required size="28" maxlength="200" spellcheck="false" autocomplete="off"></label>`;
  return html`<form method="get" action="/compare" class="filter" role="search" aria-label="What is compared">
${input('a', 'A, before', a)} ${input('b', 'B, after', b)}
<label>Benchmark <select name="benchmark">${option('', 'that of B', benchmark)}${benchmarks.map((name) => option(name, name, benchmark))}</select></label>
<button>Compare</button></form>
<p class="muted">Each is the id of a run, a commit (7 digits or more) or a branch. Runs can also be ticked in <a href="/runs">the list</a>, points in the history of a benchmark.</p>`;
}

/** Before two are named; `remark`: what was wrong. */
export function chooserBody(
  options: Partial<CompareOptions>,
  benchmarks: readonly string[],
  remark: string | undefined,
): Html {
  return html`<h1>Compare</h1>${remark && html`<p class="notice" role="alert">${remark}</p>`}${chooser(options, benchmarks)}`;
}
