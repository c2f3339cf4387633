/** Jobs as they stand on several pages. Pure. */

import type { JobLine } from '../data/data-types.ts';
import { type Html, html, type Value } from '../html.ts';
import {
  between,
  commitText,
  heads,
  jobUrl,
  numberCells,
  outcomeBadge,
  runUrl,
  statusBadge,
  table,
  time,
} from './parts.ts';

const KIND_WORDS = { 'new-test': 'test', 'new-master': 'master' } as const;

/** What a job measures. */
export function whatText({ commit, ref, branch, against, pull_request, repository, subject, kind }: JobLine): Html {
  return html`${pull_request !== undefined ? html`<span class="tag">#${pull_request}</span> ` : html`<span class="tag">${KIND_WORDS[kind]}</span> `}${ref && html`<span class="ref">${ref}</span> `}${commitText(commit)}${subject && html` <span class="subject">${subject}</span>`}${branch && kind === 'new-test' && html` <span class="muted">into ${branch}</span>`}${against && html` <span class="muted">against ${against}</span>`}${repository && html` <span class="muted">${repository}</span>`}`;
}

/** Buttons for who is signed in: plain forms. Nothing for others, nor for what cannot be changed any more. */
export function actions({ job_id, state, cancel_reason }: JobLine, may: boolean | undefined): Html | undefined {
  if (!may) return undefined;
  const form = (action: 'cancel' | 'retry', word: string) =>
    html`<form method="post" action="/api/jobs/${job_id}/${action}"><button aria-label="${word} job ${job_id}">${word}</button></form>`;
  if (state === 'leased' && cancel_reason !== undefined) return html`<span class="muted">ends soon</span>`;
  if (state === 'queued' || state === 'leased') return form('cancel', 'Cancel');
  return form('retry', 'Retry');
}

/** A job that runs, with how far it is. */
export function jobCard(job: JobLine, may?: boolean): Html {
  const { job_id, benchmark, progress, fraction, started_at, worker, cancel_reason, requested_by } = job;
  const rounds =
    progress?.rounds_done !== undefined && progress.rounds_most !== undefined
      ? `${progress.rounds_done} of at most ${progress.rounds_most} rounds`
      : undefined;
  return html`<article class="card job"><header><h3><a href="${jobUrl(job_id)}">${benchmark}</a></h3>${statusBadge('leased')}${actions(job, may)}</header>
<p>${whatText(job)}</p>
<p class="live">${progress ? progress.text : 'begins'}${progress?.run_id && html` · <a href="${runUrl(progress.run_id)}">the run so far</a>`}</p>
<progress aria-label="Progress of job ${job_id}" max="1"${fraction !== undefined && html` value="${fraction}"`}></progress>
<p class="muted">${rounds && `${rounds} · `}${started_at && html`since ${time(started_at)} `}${worker && html`on ${worker.host} `}· asked for by ${requested_by}</p>
${cancel_reason && html`<p class="notice">It is to end: ${cancel_reason}</p>`}</article>`;
}

/** What waits, in its order. */
export function waitingTable(jobs: readonly JobLine[], may?: boolean): Html {
  return table(
    'Waiting jobs',
    [
      heads('>Place', 'Benchmark', 'Commit', 'Asked for by', 'Since', 'Remark'),
      may && html`<th scope="col">Action</th>`,
    ],
    jobs.map(
      (job) => html`<tr>${numberCells(job.place)}
<td><a href="${jobUrl(job.job_id)}">${job.benchmark}</a></td><td class="wide">${whatText(job)}</td><td>${job.requested_by}</td><td class="nowrap">${time(job.created_at)}</td>
<td>${remark(job)}</td>${may && html`<td>${actions(job, may)}</td>`}</tr>`,
    ),
  );
}

const remark = ({ not_before, reason }: JobLine): Value => [
  not_before && html`not before ${time(not_before)} `,
  reason && html`<span class="muted">${reason}</span>`,
];

/** What has ended, the newest first. */
export function endedTable(jobs: readonly JobLine[], may?: boolean): Html {
  return table(
    'Ended jobs',
    [heads('Ended', 'Benchmark', 'Commit', 'Result', 'Reason', '>Took'), may && html`<th scope="col">Action</th>`],
    jobs.map(
      (job) => html`<tr>
<td class="nowrap"><a href="${jobUrl(job.job_id)}">${time(job.ended_at ?? job.created_at)}</a></td><td>${job.benchmark}</td><td class="wide">${whatText(job)}</td>
<td>${result(job)}</td><td class="wide">${job.reason}</td><td class="num nowrap">${job.started_at && job.ended_at && between(job.started_at, job.ended_at)}</td>${may && html`<td>${actions(job, may)}</td>`}</tr>`,
    ),
  );
}

/** Its verdict with a link to its run, or its state. */
export function result({ state, verdict, run_id }: JobLine): Html {
  const badge = verdict ? outcomeBadge({ verdict, status: 'complete' }) : statusBadge(state);
  return run_id ? html`<a class="badge-link" href="${runUrl(run_id)}">${badge}</a>` : badge;
}
