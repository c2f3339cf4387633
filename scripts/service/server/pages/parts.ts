/** Small things that stand on more than one page. Pure. */

import type { JobState } from '../../../documents/job.ts';
import type { Better, RunStatus, Unit } from '../../../documents/run.ts';
import type { Verdict } from '../../../documents/verdict.ts';
import { shortCommit } from '../../../engine/names.ts';
import { isWorse, percentOf } from '../../../judge/effect-text.ts';
import { roundsAsked } from '../../../judge/observations.ts';
import { formatDifference, formatElapsed, formatValue, NO_VALUE } from '../../../report/units.ts';
import { isUndecidedFailure } from '../../../report/verdict-text.ts';
import type { RunLine } from '../data/data-types.ts';
import { type Html, html, type Value } from '../html.ts';

/** A verdict: its word, and a colour beside it. */
export const verdictBadge = (verdict: Verdict): Html =>
  html`<span class="badge ${verdict.toLowerCase()}">${verdict}</span>`;

const STATUS_CLASS: Record<RunStatus | JobState, string> = {
  running: 'busy',
  leased: 'busy',
  queued: 'quiet',
  complete: 'quiet',
  done: 'quiet',
  invalid: 'invalid',
  interrupted: 'invalid',
  cancelled: 'invalid',
  failed: 'failed',
};
const STATUS_WORD: Partial<Record<RunStatus | JobState, string>> = { leased: 'running', queued: 'waiting' };

export const statusWord = (status: RunStatus | JobState): string => STATUS_WORD[status] ?? status;
export const statusBadge = (status: RunStatus | JobState): Html =>
  html`<span class="badge ${STATUS_CLASS[status]}">${statusWord(status)}</span>`;

/** What became of a run: its verdict; of one without, or that failed before it was decided, its status. */
export const outcomeBadge = ({ verdict, status }: { verdict?: Verdict | undefined; status: RunStatus }): Html =>
  verdict && !isUndecidedFailure(status, verdict) ? verdictBadge(verdict) : statusBadge(status);

/** `2026-01-31 12:34`, in UTC. */
export const timeText = (iso: string): string => iso.slice(0, 16).replace('T', ' ');
export const time = (iso: string): Html => html`<time datetime="${iso}">${timeText(iso)}</time>`;

/** `3m 05s`: between two times. */
export const between = (from: string, to: string): string =>
  formatElapsed(Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000));

export const runUrl = (id: string): string => `/runs/${encodeURIComponent(id)}`;
export const jobUrl = (id: string): string => `/jobs/${encodeURIComponent(id)}`;
/** `ask` without what is undefined or empty. */
export function withQuery(path: string, ask: Record<string, string | number | undefined>): string {
  const given = Object.entries(ask)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([key, value]): [string, string] => [key, String(value)]);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
export const benchmarkUrl = (name: string, ask: Record<string, string | undefined> = {}): string =>
  withQuery(`/benchmarks/${encodeURIComponent(name)}`, ask);
export const compareUrl = (a: string, b: string): string => withQuery('/compare', { a, b });

/** A short commit; the whole one on hover. */
export const commitText = (commit: string): Html => html`<code title="${commit}">${shortCommit(commit)}</code>`;

/** `my-branch abc123 (scaled) Make it faster`: what was measured. */
export function sideText({
  ref,
  commit,
  subject,
  variant,
}: {
  ref: string;
  commit: string;
  subject?: string | undefined;
  variant?: string | undefined;
}): Html {
  return html`${ref !== commit && html`<span class="ref">${ref}</span> `}${commitText(commit)}${variant && html` <span class="tag">${variant}</span>`}${subject && html` <span class="subject">${subject}</span>`}`;
}

export const valueText = (value: number | null | undefined, unit: Unit): string =>
  value == null ? NO_VALUE : formatValue(value, unit);

/** The word for a change of this sign, `worse`, `better` or `changed`; the margin tells what is worth one. */
export function changeClass(change: number, better: Better, margin: number): string {
  if (Math.abs(change) < margin) return 'same';
  if (better === 'neither') return 'changed';
  return isWorse(1 + change, better) ? 'worse' : 'better';
}
export const changeText = (change: number | null): string => (change === null ? NO_VALUE : formatDifference(change));
export const marginText = (margin: number): string => `±${percentOf(margin)} %`;

/** A table that scrolls in its own box where the screen is narrow. `name` tells people who do not see it what it is. */
export function table(
  name: string,
  head: Value,
  rows: Value,
  options: { className?: string; tall?: boolean } = {},
): Html {
  return html`<div class="box${options.tall && ' tall'}" role="group" aria-label="${name}" tabindex="0"><table${options.className && html` class="${options.className}"`}><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** Heads of columns: `>` before a title aligns it right, as numbers are. */
export const heads = (...titles: string[]): Html[] =>
  titles.map((title) =>
    title.startsWith('>')
      ? html`<th scope="col" class="num">${title.slice(1)}</th>`
      : html`<th scope="col">${title}</th>`,
  );

export const numberCells = (...values: Value[]): Html[] => values.map((value) => html`<td class="num">${value}</td>`);

/** Label and value beside each other; what has no value is left out. */
export const facts = (entries: [label: string, value: Value][], options: { long?: boolean } = {}): Html =>
  html`<dl class="facts${options.long && ' long'}">${entries.filter(([, value]) => value !== undefined && value !== '').map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;

/** One entry of a <select>. */
export const option = (value: string, text: string, chosen: string | undefined): Html =>
  html`<option value="${value}"${value === (chosen ?? '') && html` selected`}>${text}</option>`;

/** Lines of a list of runs; with `ticks` two of them can be chosen for a comparison. */
export function runsTable(name: string, runs: readonly RunLine[], { ticks = false }: { ticks?: boolean } = {}): Html {
  const rows = runs.map(
    (run) => html`<tr>
${ticks && html`<td class="tick"><input type="checkbox" name="run" value="${run.run_id}" aria-label="Compare run ${run.run_id}"></td>`}
<td class="nowrap"><a href="${runUrl(run.run_id)}">${time(run.started_at)}</a></td>
<td><a href="${benchmarkUrl(run.benchmark)}">${run.benchmark}</a></td>
<td class="wide">${sideText(run)}${run.master && html` <span class="tag">master</span>`}${run.deployed && html` <span class="tag">deployed</span><br><span class="muted">at ${run.deployed}</span>`}${run.against && html`<br><span class="muted">against ${sideText({ ...run.against, subject: undefined })}</span>`}</td>
<td>${outcomeBadge(run)}</td>
<td class="wide">${isUndecidedFailure(run.status, run.verdict) ? run.status_reason : (run.summary ?? run.status_reason)}</td>
<td class="num">${run.valid_rounds} of ${roundsAsked(run)}</td>
<td class="num nowrap">${run.finished_at && between(run.started_at, run.finished_at)}</td>
</tr>`,
  );
  return table(
    name,
    [
      ticks && html`<th scope="col"><span class="hidden">Compare</span></th>`,
      heads('Started', 'Benchmark', 'Commit', 'Result', 'In words', '>Valid rounds', '>Took'),
    ],
    rows,
    { className: 'runs' },
  );
}
