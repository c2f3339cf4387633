/** Rounds, validity and latency of a run. Pure. */

import type { RunDocument } from '../../../documents/run.ts';
import { exampleWords, runFailures, wayWords } from '../../../report/failures-text.ts';
import { holeLines } from '../../../report/holes-text.ts';
import { formatElapsed, formatPercent, formatValue, NO_VALUE } from '../../../report/units.ts';
import type { MetricView, RunView, SideValues } from '../data/data-types.ts';
import { type Html, html } from '../html.ts';
import { heads, marginText, numberCells, runUrl, table, time } from './parts.ts';
import { type LatencyRow, latencyCurves, latencyTable, latencyWords } from './svg/latency.ts';
import { changeStrip, roundsStrip, stripWords } from './svg/strip.ts';

/** Which mark is whose. */
export const legend = (names: { candidate?: string; baseline?: string }, crosses: boolean): Html =>
  html`<p class="legend">${Object.entries(names).map(([side, name]) => html`<span class="key ${side}">${name}</span>`)}${crosses && html`<span class="key void">does not count</span>`}</p>`;

/** Metrics without a verdict: median and range over rounds. */
export function metricsTable(name: string, metrics: readonly MetricView[]): Html {
  if (metrics.every(({ sides }) => sides.every(({ median }) => median === null)))
    return html`<p class="muted">No round counts${metrics.length > 0 ? ' yet' : ''}, so there is no value.</p>`;
  const row = (
    { title, unit, margin }: MetricView,
    { side, median, min, max, interval }: SideValues,
    several: boolean,
  ) => html`<tr><th scope="row">${title}${several && html` <span class="muted">${side}</span>`}</th>
${numberCells(median === null ? NO_VALUE : formatValue(median, unit), interval ? `${formatValue(interval.low, unit)} to ${formatValue(interval.high, unit)}` : NO_VALUE, min === null ? NO_VALUE : formatValue(min, unit), max === null ? NO_VALUE : formatValue(max, unit), median ? formatPercent((max! - min!) / Math.abs(median)) : NO_VALUE, marginText(margin))}</tr>`;
  return table(
    name,
    heads('Over rounds', '>Median', '>95 % interval', '>Least', '>Greatest', '>Range', '>Threshold'),
    metrics.flatMap((metric) => metric.sides.map((side) => row(metric, side, metric.sides.length > 1))),
    { className: 'figures' },
  );
}

/** Every round as a dot, for each primary metric. */
export function roundsSection({ run, metrics }: RunView, primary: readonly MetricView[]): Html {
  const drawn = primary.filter(({ sides }) => sides.some(({ dots }) => dots.length > 0));
  return html`<section id="rounds" data-part aria-labelledby="rounds-title"><h2 id="rounds-title">Rounds</h2>
${
  drawn.length === 0
    ? html`<p class="muted">None is measured yet.</p>`
    : html`${legend(
        { candidate: 'candidate', ...(run.sides.baseline ? { baseline: 'baseline' } : {}) },
        drawn.some(({ sides }) => sides.some(({ dots }) => dots.some(({ counts }) => !counts))),
      )}
<div class="panels">${drawn.map((metric) => html`<figure class="panel"><figcaption>${metric.title}</figcaption>${roundsStrip(metric)}<p class="muted">${metric.sides.map((side) => `${stripWords(side, metric.unit)} `)}</p>${changeStrip(metric)}</figure>`)}</div>
<details><summary>Every round as numbers</summary>${roundNumbers(metrics.filter(({ primary }) => primary))}</details>`
}</section>`;
}

function roundNumbers(metrics: readonly MetricView[]): Html {
  const columns = metrics.flatMap((metric) => metric.sides.map((side) => ({ metric, side })));
  const numbers = [...new Set(columns.flatMap(({ side }) => side.dots.map(({ round }) => round)))].sort(
    (a, b) => a - b,
  );
  const cell = (round: number, { metric, side }: (typeof columns)[number]) => {
    const dot = side.dots.find((one) => one.round === round);
    return dot
      ? html`${formatValue(dot.value, metric.unit)}${!dot.counts && html` <span class="muted">(does not count)</span>`}`
      : NO_VALUE;
  };
  return table(
    'Every round',
    heads('Round', ...columns.map(({ metric, side }) => `>${metric.title}, ${side.side}`)),
    numbers.map(
      (round) =>
        html`<tr><th scope="row">${round}</th>${numberCells(...columns.map((column) => cell(round, column)))}</tr>`,
    ),
    { className: 'figures', tall: true },
  );
}

/** Which rounds did not count, and why. */
export function validitySection({ run, rounds }: Pick<RunView, 'run' | 'rounds'>): Html {
  const invalid = rounds.filter(({ sides }) => sides.some(({ valid }) => !valid));
  const windows = table(
    'When every round was measured',
    heads('Round', 'Window began', '>Length', '>Rate', 'Valid', 'Taken over from'),
    rounds.map(
      (round) =>
        html`<tr><th scope="row">${round.round}</th><td class="nowrap">${time(round.started_at)}</td>${numberCells(formatElapsed(round.window_s), round.rate ?? NO_VALUE)}<td>${round.sides.every(({ valid }) => valid) ? 'valid' : html`<span class="badge invalid">INVALID</span>`}</td><td>${round.from_run && html`<a href="${runUrl(round.from_run)}"><code>${round.from_run}</code></a>`}</td></tr>`,
    ),
    { tall: true },
  );
  return html`<section id="validity" data-part aria-labelledby="validity-title"><h2 id="validity-title">Validity</h2>
${rounds.length > 0 && (invalid.length === 0 ? html`<p>Every round is valid.</p>` : html`<ul class="grounds">${invalid.flatMap(({ round, sides }) => sides.flatMap(({ side, reasons }) => reasons.map(({ code, message }) => html`<li><span class="badge invalid">INVALID</span> round ${round}, ${side}: ${message} <code>${code}</code></li>`)))}</ul>`)}
${holesPart(run)}
${failuresPart(run)}
<details><summary>When every round was measured</summary>${windows}</details></section>`;
}

/** What the metrics lack; nothing where they are whole. The rounds count all the same. */
function holesPart(run: RunDocument): Html | false {
  const holes = holeLines(run);
  return holes.length > 0 && html`<ul class="grounds holes">${holes.map((line) => html`<li>${line}</li>`)}</ul>`;
}

/** What failed in all rounds, by kind; nothing where nothing did. */
function failuresPart(run: RunDocument): Html | false {
  const ways = runFailures(run);
  const rows = ways.map(
    (way) =>
      html`<tr><th scope="row">${wayWords(way)}</th><td>${way.side}</td><td class="wide">${exampleWords(way, 500)}</td>${numberCells(way.count, way.rounds)}</tr>`,
  );
  return (
    ways.length > 0 &&
    html`<h3>What failed</h3>${table('What failed', heads('Kind', 'Side', 'The first of them', '>Times', '>Rounds'), rows, { tall: ways.length > 10 })}`
  );
}

export function latencySection({ latency }: RunView): Html {
  const rows = latency.map((one): LatencyRow => ({ name: one.side, className: one.side, latency: one }));
  return latencyPart(rows);
}

/** Quantile curves over each other, with their numbers. */
export function latencyPart(rows: readonly LatencyRow[]): Html {
  const curves = latencyCurves(rows);
  return html`<section id="latency" data-part aria-labelledby="latency-title"><h2 id="latency-title">Latency distribution</h2>
${
  curves === undefined
    ? html`<p class="muted">The load generator gave no distribution.</p>`
    : html`${legend(Object.fromEntries(rows.map(({ className, name }) => [className, name])), false)}
<figure class="panel one">${curves}<figcaption class="muted">${latencyWords(rows)} The band is the range over rounds.</figcaption></figure>
<details><summary>The same as numbers</summary>${latencyTable(rows)}</details>`
}</section>`;
}
