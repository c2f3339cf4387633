/** The list of runs. */
import type { RunsOptions, RunsView } from '../data/data-types.ts';
import { type Html, html } from '../html.ts';
import { option, runsTable, withQuery } from './parts.ts';

const STATUSES = ['complete', 'running', 'invalid', 'interrupted', 'failed'] as const;

/** `benchmarks`: those to choose from. */
export function runsBody({ runs, next }: RunsView, options: RunsOptions, benchmarks: readonly string[]): Html {
  const { benchmark, commit, host, variant, master, status, after } = options;
  const ask = { benchmark, commit, host, variant, master: master ? '1' : undefined, status };
  return html`<h1>Runs</h1>
<form method="get" action="/runs" class="filter" role="search" aria-label="Runs">
<label>Benchmark <select name="benchmark">${option('', 'all', benchmark)}${[...new Set([...benchmarks, ...(benchmark ? [benchmark] : [])])].map((name) => option(name, name, benchmark))}</select></label>
<label>Commit or branch <input name="commit" value="${commit}" size="14" maxlength="200" spellcheck="false" autocomplete="off"></label>
<label>Host <input name="host" value="${host}" size="14" maxlength="100" spellcheck="false" autocomplete="off"></label>
<label>Variant <input name="variant" value="${variant}" size="10" maxlength="100" spellcheck="false" autocomplete="off"></label>
<label>Status <select name="status">${option('', 'any', status)}${STATUSES.map((one) => option(one, one, status))}</select></label>
<label class="check"><input type="checkbox" name="master" value="1"${master && html` checked`}> Default branch only</label>
<button>Show</button> ${Object.values(ask).some((value) => value) && html`<a href="/runs">Clear</a>`}
</form>
${
  runs.length === 0
    ? html`<p class="muted">No run fits.</p>`
    : html`<form method="get" action="/compare" id="pick" data-pick>
<p class="bar"><button>Compare</button> <span class="muted" data-pick-words>Tick two runs.</span></p>
${runsTable('Runs, the newest first', runs, { ticks: true })}
</form>`
}
<nav class="pages" aria-label="Pages of runs">${after && html`<a href="${withQuery('/runs', ask)}">Newest</a>`} ${next && html`<a href="${withQuery('/runs', { ...ask, after: next })}">Older</a>`}</nav>`;
}
