/**
 * Every request of a run: the place that requests.js fills from /api/runs/ID/requests, or why there is nothing to fill
 * it with. Pure.
 */
import type { RunDocument } from '../../../documents/run.ts';
import { type Html, html, jsonBlock } from '../html.ts';

export function requestsSection(run: RunDocument): Html {
  const why = whyNone(run);
  const url = `/api/runs/${run.run_id}/requests`;
  return html`<section id="requests" aria-labelledby="requests-title"><h2 id="requests-title">Every request</h2>
${
  why === undefined
    ? html`<div id="requests-charts" class="js"><p class="muted" role="status">They are read when you come here.</p></div>
<noscript><p class="muted">These charts need JavaScript. Their numbers: <a href="${url}">as JSON</a>, or <code>npm run requests -- ${run.run_id}</code>.</p></noscript>
${jsonBlock('requests-data', { url, run_id: run.run_id })}`
    : html`<p class="muted">${why}</p>`
}</section>`;
}

/** Without a look at the files: the answer to the charts' question says what of them is not there. */
function whyNone({ status, archive, load, rounds }: RunDocument): string | undefined {
  if (status === 'running') return 'They are drawn when the run has ended.';
  if (rounds.some(({ from_run }) => from_run !== undefined)) return undefined;
  if (archive?.removed_at) return `Removed with the raw metrics on ${archive.removed_at.slice(0, 10)}.`;
  return archive?.requests
    ? undefined
    : `Not kept one by one: the load generator (${load.generator}) left no file of them.`;
}
