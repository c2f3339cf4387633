/** Time series: the places that series.js fills from /api/runs/ID/series. Pure. */
import { type Html, html, jsonBlock } from '../html.ts';

/**
 * Series of runs, laid over each other by time since the start of their windows. `name`: what a run is called where
 * there are two; '' for its sides' own names.
 */
export function seriesChart(title: string, runs: readonly { id: string; name: string; side?: string }[]): Html {
  return html`<section aria-labelledby="series-title"><h2 id="series-title">${title}</h2>
<div id="series" class="js"><p class="muted" role="status">Being fetched.</p></div>
<noscript><p class="muted">These charts need JavaScript. Their numbers: ${runs.map(({ id }, i) => html`${i > 0 && ', '}<a href="/api/runs/${id}/series">run ${id} as JSON</a>`)}. Per round they are among the metrics above.</p></noscript>
${jsonBlock(
  'series-data',
  runs.map(({ id, name, side }) => ({ url: `/api/runs/${id}/series`, name, side: side ?? null })),
)}</section>`;
}
