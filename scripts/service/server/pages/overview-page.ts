/** The overview: each benchmark on the default branch, what runs now, what waits. */

import { plural } from '../../../core/text.ts';
import { shortCommit } from '../../../engine/names.ts';
import { roundsAsked } from '../../../judge/observations.ts';
import type { BenchmarkOverview, Overview, SparkMetric } from '../data/data-types.ts';
import { type Html, html } from '../html.ts';
import { jobCard, waitingTable } from './job-parts.ts';
import {
  benchmarkUrl,
  changeClass,
  changeText,
  commitText,
  outcomeBadge,
  runsTable,
  runUrl,
  time,
  timeText,
  valueText,
} from './parts.ts';
import { sparkline } from './svg/spark.ts';

export function overviewBody(view: Overview): Html {
  return html`<h1>Overview</h1>
<section id="now" data-part aria-labelledby="now-title">
<h2 id="now-title">Now</h2>
${now(view)}
</section>
<section id="benchmarks" data-part aria-labelledby="benchmarks-title">
<h2 id="benchmarks-title">Benchmarks on the default branch</h2>
${view.benchmarks.length === 0 ? html`<p class="muted">There is none yet. A benchmark is a folder in benchmarks/; the first run of one brings it here: <code>npm run bench</code>.</p>` : view.benchmarks.map(benchmarkCard)}
</section>
<section id="newest" data-part aria-labelledby="newest-title">
<h2 id="newest-title">Newest runs</h2>
${view.runs.length === 0 ? html`<p class="muted">No run is stored yet.</p>` : html`${runsTable('Newest runs', view.runs)}<p><a href="/runs">All runs</a></p>`}
</section>`;
}

function now({ running, runs_by_hand, queued, queued_total, workers, paused }: Overview): Html {
  const idle = running.length === 0 && runs_by_hand.length === 0;
  const present = workers.filter(({ missing }) => !missing);
  const missing = workers.filter((worker) => worker.missing);
  const state = [
    idle ? 'Nothing runs' : `${running.length + runs_by_hand.length} running`,
    `${queued_total} waiting`,
    present.length === 0 ? 'no worker' : plural(present.length, 'worker'),
  ].join(', ');
  return html`<p class="state">${state}. <a href="/jobs">All jobs</a></p>
${paused && html`<p class="notice">The queue is paused by ${paused.by} since ${time(paused.at)}${paused.reason && html`: ${paused.reason}`}. Nothing new is begun.</p>`}
${present.length === 0 && queued_total > 0 && html`<p class="notice">Jobs wait and no worker is there: <code>npm run work</code> on the benchmark host takes them.</p>`}
${missing.length > 0 && html`<p class="notice">Not heard of for longer than a lease: ${missing.map(({ host, pid, seen_at }, i) => html`${i > 0 && ', '}worker ${host} (process ${pid}, last ${time(seen_at)})`)}.</p>`}
${running.map((job) => jobCard(job))}
${runs_by_hand.map((run) => html`<article class="card job"><h3><a href="${runUrl(run.run_id)}">${run.benchmark} at ${run.ref === run.commit ? shortCommit(run.commit) : run.ref}</a></h3><p>By hand, since ${time(run.started_at)}: ${run.rounds} of ${roundsAsked(run)} rounds measured</p>${bar(run.rounds, roundsAsked(run), `Rounds of run ${run.run_id}`)}</article>`)}
${queued.length > 0 && waitingTable(queued.slice(0, 5))}
${queued_total > 5 && html`<p><a href="/jobs">${queued_total - 5} more</a></p>`}`;
}

const bar = (done: number, most: number, label: string): Html =>
  html`<progress aria-label="${label}" max="${most}" value="${Math.min(done, most)}"></progress>`;

function benchmarkCard(benchmark: BenchmarkOverview): Html {
  const { name, repositories, last_master: last, metrics, suspected_open, runs } = benchmark;
  return html`<article class="card benchmark">
<header><h3><a href="${benchmarkUrl(name)}">${name}</a></h3>${last && outcomeBadge(last)}
<p class="muted">${plural(runs, 'run')}${repositories.length > 0 && html` · for ${repositories.join(', ')}`}</p></header>
${last ? html`<p>${last.sentence}</p><p class="muted"><a href="${runUrl(last.run_id)}">${time(last.at)}</a> at ${commitText(last.commit)}${last.subject && html` <span class="subject">${last.subject}</span>`}</p>` : html`<p class="muted">No commit of the default branch is measured yet.</p>`}
${suspected_open > 0 && html`<p class="notice">${suspected_open === 1 ? 'One suspected change waits' : `${suspected_open} suspected changes wait`} for its proof: <code>npm run history -- --benchmark=${name} --confirm</code></p>`}
${metrics.length > 0 && html`<ul class="tiles">${metrics.map((metric) => tile(name, metric))}</ul>`}
</article>`;
}

function tile(benchmark: string, metric: SparkMetric): Html {
  const { name, title, unit, better, margin, points, last, change, since } = metric;
  const values = points.map(({ value }) => value);
  const words =
    change === null
      ? ''
      : changeClass(change, better, margin) === 'same'
        ? 'within the margin'
        : changeClass(change, better, margin);
  const label = `${title} over ${plural(points.length, 'commit')}: ${values.length > 0 ? `from ${valueText(values[0], unit)} to ${valueText(values.at(-1), unit)}` : 'no values'}`;
  return html`<li><a href="${benchmarkUrl(benchmark, { metric: name })}"><span class="title">${title}</span> <span class="figure">${valueText(last, unit)}</span>${points.length > 1 && sparkline(values, label, margin)}</a>
${change !== null && since && html`<span class="delta ${changeClass(change, better, margin)}" title="since ${shortCommit(since.commit)} of ${timeText(since.at)}">${changeText(change)} <span>${words}</span></span> <span class="muted since">since ${since.change_point ? 'the change at ' : ''}${shortCommit(since.commit)}</span>`}</li>`;
}
