/** What was decided and on what grounds, metric by metric. Pure. */

import type { MetricVerdict, VerdictDocument } from '../../../documents/verdict.ts';
import { ATTRIBUTED, attributionLines } from '../../../report/attribution-text.ts';
import { NO_VALUE } from '../../../report/units.ts';
import {
  boundWords,
  calibrationLines,
  cellsOf,
  countedWords,
  inOrder,
  legend,
  levelText,
  moreLines,
} from '../../../report/verdict-text.ts';
import { type Html, html } from '../html.ts';
import { heads, marginText, numberCells, table, verdictBadge } from './parts.ts';
import { changeBar, changeScale } from './svg/change.ts';

/** The verdict and its sentence. */
export const verdictLead = (verdict: VerdictDocument): Html =>
  html`<p class="lead">${verdictBadge(verdict.verdict)} ${verdict.summary}</p>`;

const KINDS: Record<VerdictDocument['kind'], string | undefined> = {
  paired: undefined,
  baseline: 'Two runs, each against the same baseline: compared through it.',
  levels:
    'Two runs at different times, without a baseline in common: the host differs from time to time, so this cannot decide.',
};

/** What else has to be known of it: why it is INVALID, rounds that counted, calibration. */
export function grounds(verdict: VerdictDocument): Html {
  const lines = [
    KINDS[verdict.kind],
    ...verdict.reasons,
    `${countedWords(verdict)}.`,
    ...legend(verdict).map((line) => `${line}.`),
    ...calibrationLines(verdict),
    ...moreLines(verdict),
    ...verdict.notes,
  ];
  return html`<ul class="grounds">${lines.map((line) => line && html`<li>${line}</li>`)}</ul>`;
}

/** Which hop and which service has changed, where it is worse or better. */
export function attributedPart(verdict: VerdictDocument): Html | false {
  const lines = attributionLines(verdict);
  return (
    lines.length > 0 &&
    html`<p>${ATTRIBUTED}</p><ul class="grounds">${lines.map((line) => html`<li>${line}</li>`)}</ul>`
  );
}

/** One row for each metric, with its interval and threshold drawn. `sides`: what before and after are called. */
export function changesTable(
  name: string,
  verdict: VerdictDocument,
  metrics: readonly MetricVerdict[],
  sides: { candidate: string; baseline: string },
): Html {
  const scale = changeScale(metrics);
  const gates = metrics.some(({ primary }) => primary);
  const row = (metric: MetricVerdict) => {
    const [title, candidate, baseline, change, interval] = cellsOf(metric);
    const tone =
      metric.verdict === 'REGRESSION' ? 'delta worse' : metric.verdict === 'IMPROVEMENT' ? 'delta better' : '';
    return html`<tr><th scope="row">${title}</th>${gates && html`<td>${metric.verdict ? verdictBadge(metric.verdict) : NO_VALUE}</td>`}${numberCells(baseline, candidate, html`<span class="${tone}">${change}</span>`, interval)}<td>${changeBar(metric, scale)}</td>${numberCells(marginText(metric.margin))}
${gates && html`<td>${boundWords(metric)}</td>`}</tr>`;
  };
  const head = heads(
    'Metric',
    ...(gates ? ['Verdict'] : []),
    `>${sides.baseline}`,
    `>${sides.candidate}`,
    '>Change',
    `>${levelText(verdict)}`,
    'Interval and threshold',
    '>Threshold',
    ...(gates ? ['What is sure'] : []),
  );
  return table(name, head, inOrder(metrics).map(row), { className: 'figures' });
}
