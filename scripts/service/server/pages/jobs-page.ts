/** The queue: what runs, what waits in its order, what has ended; and one job. */

import { plural } from '../../../core/text.ts';
import { formatElapsed } from '../../../report/units.ts';
import type { JobLine, JobsView } from '../data/data-types.ts';
import { type Html, html } from '../html.ts';
import { actions, endedTable, jobCard, result, waitingTable, whatText } from './job-parts.ts';
import { between, facts, jobUrl, runUrl, time, withQuery } from './parts.ts';

export interface JobsPage {
  running: JobsView;
  waiting: JobsView;
  ended: JobsView;
}

/** `may`: whether buttons are shown; undefined: nobody may, ever. */
export function jobsBody({ running, waiting, ended }: JobsPage, may: boolean | undefined): Html {
  const { paused } = running;
  return html`<h1>Jobs</h1>
${may === false && html`<p class="muted"><a href="/sign-in">Sign in</a> to cancel or retry jobs.</p>`}
<section id="running" data-part aria-labelledby="running-title"><h2 id="running-title">Running</h2>
${paused && html`<p class="notice">The queue is paused by ${paused.by} since ${time(paused.at)}${paused.reason && html`: ${paused.reason}`}. Nothing new is begun.</p>`}
${may && html`<form method="post" action="/api/queue/${paused ? 'resume' : 'pause'}"><button>${paused ? 'Resume the queue' : 'Pause the queue'}</button></form>`}
${running.jobs.length === 0 ? html`<p class="muted">Nothing runs.</p>` : running.jobs.map((job) => jobCard(job, may))}</section>
<section id="waiting" data-part aria-labelledby="waiting-title"><h2 id="waiting-title">Waiting</h2>
${waiting.jobs.length === 0 ? html`<p class="muted">Nothing waits.</p>` : waitingTable(waiting.jobs, may)}
${waiting.total > waiting.jobs.length && html`<p class="muted">${plural(waiting.total - waiting.jobs.length, 'more job')} after these.</p>`}</section>
<section id="ended" data-part aria-labelledby="ended-title"><h2 id="ended-title">Ended</h2>
${ended.jobs.length === 0 ? html`<p class="muted">None${ended.offset > 0 ? ' that far back' : ' yet'}.</p>` : endedTable(ended.jobs, may)}
${pages(ended)}</section>
<section id="workers" data-part aria-labelledby="workers-title"><h2 id="workers-title">Workers</h2>
${running.workers.length === 0 ? html`<p class="muted">None. <code>npm run work</code> on the benchmark host starts one.</p>` : html`<ul class="plain">${running.workers.map(({ host, pid, slots, started_at, seen_at, missing }) => html`<li>${host}, process ${pid}: ${plural(slots, 'slot')}, since ${time(started_at)}, seen ${time(seen_at)}${missing && html` <span class="badge failed">missing</span>`}</li>`)}</ul>`}</section>`;
}

function pages({ limit, offset, total }: JobsView): Html | undefined {
  if (total <= limit && offset === 0) return undefined;
  const link = (to: number, word: string) =>
    html`<a href="${withQuery('/jobs', { offset: to || undefined })}">${word}</a>`;
  return html`<nav class="pages" aria-label="Pages of ended jobs">${offset > 0 && link(Math.max(0, offset - limit), 'Newer')} <span class="muted">${offset + 1} to ${Math.min(total, offset + limit)} of ${total}</span> ${offset + limit < total && link(offset + limit, 'Older')}</nav>`;
}

/** One job, whole. */
export function jobBody(job: JobLine, may: boolean | undefined): Html {
  const ended = job.ended_at !== undefined;
  return html`<h1>Job <code>${job.job_id}</code></h1>
<div id="job" data-part>
<p class="lead">${result(job)} ${job.benchmark}: ${whatText(job)} ${!(job.state === 'leased') && actions(job, may)}</p>
${job.reason && html`<p class="notice">${job.reason}</p>`}
${job.state === 'leased' && jobCard(job, may)}
${facts([
  ['Place in the queue', job.place],
  ['Kind', job.kind],
  [
    'Pull request',
    job.pull_request !== undefined && job.repository ? `${job.repository}#${job.pull_request}` : undefined,
  ],
  ['Commit', html`<code>${job.commit}</code>`],
  ['Against', job.against],
  [
    'Settings',
    Object.entries(job.overrides)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ') || undefined,
  ],
  ['Asked for by', job.requested_by],
  ['Priority', job.priority],
  ['Queued', time(job.created_at)],
  ['Not before', job.not_before && time(job.not_before)],
  ['Begun', job.started_at && time(job.started_at)],
  [
    'Ended',
    job.ended_at && html`${time(job.ended_at)}${job.started_at && `, after ${between(job.started_at, job.ended_at)}`}`,
  ],
  ['May take', formatElapsed(job.deadline_s)],
  ['Worker', job.worker && `${job.worker.host}, process ${job.worker.pid}`],
  ['Lost workers', job.losses || undefined],
  ['Faults of the infrastructure', job.failures || undefined],
  ['Retry of', job.retry_of && html`<a href="${jobUrl(job.retry_of)}"><code>${job.retry_of}</code></a>`],
  ['Run', job.run_id && html`<a href="${runUrl(job.run_id)}"><code>${job.run_id}</code></a>`],
])}
</div>
${may === false && !ended && html`<p class="muted"><a href="/sign-in">Sign in</a> to cancel it.</p>`}`;
}
