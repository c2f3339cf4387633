/** Time series: the places that series.js fills from /api/runs/ID/series. Pure. */
import { type Html, html, jsonBlock } from '../html.ts';

/** What happened in the windows meanwhile. */
interface Mark {
  name: string;
  from_s: number;
  to_s: number;
}

/**
 * Series of runs, laid over each other by time since the start of their windows. `name`: what a run is called where
 * there are two; '' for its sides' own names. `marks` are drawn behind the lines.
 */
export function seriesChart(
  title: string,
  runs: readonly { id: string; name: string; side?: string }[],
  marks: readonly Mark[] = [],
): Html {
  return html`<section aria-labelledby="series-title"><h2 id="series-title">${title}</h2>
${marks.length > 0 && html`<p class="js muted">Shaded, from the line on, the median over rounds: ${marks.map((mark, i) => `${i > 0 ? ', ' : ''}${markWords(mark)}`)}.</p>`}<div id="series" class="js"><p class="muted" role="status">Being fetched.</p></div>
<noscript><p class="muted">These charts need JavaScript. Their numbers: ${runs.map(({ id }, i) => html`${i > 0 && ', '}<a href="/api/runs/${id}/series">run ${id} as JSON</a>`)}. Per round they are among the metrics above.</p></noscript>
${jsonBlock(
  'series-data',
  runs.map(({ id, name, side }) => ({ url: `/api/runs/${id}/series`, name, side: side ?? null })),
)}${marks.length > 0 && jsonBlock('series-marks', marks)}</section>`;
}

function markWords({ name, from_s, to_s }: Mark): string {
  const [from, to] = [from_s.toFixed(1), to_s.toFixed(1)];
  return from === to ? `${name} at ${from} s` : `${name} from ${from} s to ${to} s`;
}
