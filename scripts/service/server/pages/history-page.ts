/** The history of a benchmark on a branch: one metric on one host. */

import { plural } from '../../../core/text.ts';
import { shortCommit } from '../../../engine/names.ts';
import { percentOf } from '../../../judge/effect-text.ts';
import { acceptedWords, branchWords } from '../../../report/history-text.ts';
import { formatDifference, formatValue, NO_VALUE } from '../../../report/units.ts';
import type { ChangeView, HistoryOptions, HistoryPointView, HistoryView, Interval } from '../data/data-types.ts';
import { type Html, html, jsonBlock } from '../html.ts';
import { benchmarkUrl, commitText, heads, numberCells, option, runUrl, table, time, verdictBadge } from './parts.ts';

export function historyBody(view: HistoryView, options: HistoryOptions): Html {
  const { benchmark, branch, variant, variants, metric, points } = view;
  return html`<h1>${benchmark} <small>on ${branchWords(branch, variant)}</small></h1>
${
  metric === null
    ? html`<p>No commit of the default branch is measured yet: <code>npm run bench -- --benchmark=${benchmark} --master</code> measures one. <a href="/runs?benchmark=${encodeURIComponent(benchmark)}">All runs of this benchmark</a></p>${variants.length > 0 && html`<p>Measured are the variants ${variants.map((name, i) => html`${i > 0 && ', '}<a href="${benchmarkUrl(benchmark, { variant: name })}">${name}</a>`)}.</p>`}`
    : html`${chooser(view, options)}
<h2>${metric.title}</h2>
${points.length === 0 ? html`<p class="muted">No run of ${branchWords(branch, variant)} lies in this range; ${plural(view.outside, 'point')} outside of it.</p>` : drawn(view)}
${changes(view)}
${points.length > 0 && pointsTable(view)}`
}`;
}

function chooser(
  { benchmark, branch, branches, variant, variants, metric, metrics, hosts, host_id }: HistoryView,
  options: HistoryOptions,
): Html {
  return html`<form method="get" class="filter" role="search" aria-label="What is shown">
${
  branches.length > 0 &&
  html`<label>Branch <select name="branch">${option('', 'the default one', branch ?? '')}${branches.map((name) => option(name, name, branch))}</select></label>
`
}${
  variants.length > 0 &&
  html`<label>Variant <select name="variant">${option('', 'none', variant ?? '')}${variants.map((name) => option(name, name, variant))}</select></label>
`
}<label>Metric <select name="metric">${metrics.map(({ name, title, primary }) => option(name, primary ? `${title} (primary)` : title, metric?.name))}</select></label>
<label>Host <select name="host">${hosts.map((host) => option(host.host_id, `${host.cpu_model}, ${host.cores} cores (${plural(host.runs, 'run')})`, host_id ?? undefined))}</select></label>
<label>From <input name="from" value="${options.from}" size="12" maxlength="60" placeholder="date or commit" spellcheck="false" autocomplete="off"></label>
<label>To <input name="to" value="${options.to}" size="12" maxlength="60" placeholder="date or commit" spellcheck="false" autocomplete="off"></label>
<button>Show</button> ${(options.from || options.to) && html`<a href="${benchmarkUrl(benchmark, { branch, variant })}">Whole history</a>`}
</form>`;
}

/** The chart, its words, and its data for history.js. */
function drawn(view: HistoryView): Html {
  const { points, older, outside, other_runs, metric } = view;
  const data = {
    title: metric!.title,
    unit: metric!.unit,
    points: points.map((point) => ({
      url: runUrl(point.run_id),
      id: point.run_id,
      at: Date.parse(point.at) / 1000,
      level: point.level,
      low: point.interval?.low ?? null,
      high: point.interval?.high ?? null,
      words: pointWords(point, metric!.unit),
    })),
    changes: [...view.changes, ...view.suspected]
      .filter(({ index }) => index !== null)
      .map(({ index, state, worse, words }) => ({ index, state, worse, words })),
  };
  const left = [
    older > 0 && `${plural(older, 'older point')} left out`,
    outside > 0 && `${plural(outside, 'point')} outside the range`,
    other_runs > 0 &&
      `${plural(other_runs, 'run')} measured in another way (stack, load or pairing), which cannot be shown beside these`,
  ]
    .filter(Boolean)
    .join('; ');
  return html`<p>${summary(view)}</p>
<figure class="chart"><div id="history-chart" role="application" aria-roledescription="chart" aria-label="${metric!.title} by commit" aria-describedby="history-hint" tabindex="0"></div>
<p class="readout" id="history-readout" aria-live="polite"></p>
<figcaption class="muted"><span class="js" id="history-hint">Arrow keys go from point to point, Enter or a click opens its run, Space or a click with Shift marks it: two marked ones are compared. </span>The bar is the 95 % interval of a point. Upright lines are changes: solid where confirmed, dashed where suspected.${left && ` ${left}.`}</figcaption>
<p class="js bar"><button type="button" id="history-pick" aria-pressed="false">Compare two points</button></p>
</figure>
<noscript><p class="muted">The chart needs JavaScript; the table below has its numbers.</p></noscript>
${jsonBlock('history-data', data)}`;
}

const pointWords = (
  { at, commit, ref, subject, level, interval, n, runs, verdict }: HistoryPointView,
  unit: string,
): string[] => [
  `${formatValue(level, unit)}${interval ? ` (${around(level, interval)})` : ''}`,
  `${shortCommit(commit)}${ref !== commit ? ` ${ref}` : ''}${subject ? `: ${subject}` : ''}`,
  `${at.slice(0, 16).replace('T', ' ')}, ${plural(n, 'round')}${runs > 1 ? `, the newest of ${runs} runs` : ''}${verdict ? `, ${verdict}` : ''}`,
];

/** The interval as shares of the level: intervals are narrow, their ends as values would often read the same. */
const around = (level: number, { low, high }: Interval): string =>
  level === 0 ? NO_VALUE : `${formatDifference(low / level - 1)} to ${formatDifference(high / level - 1)}`;

/** What the chart says, in words. */
function summary({ points, metric, changes, suspected }: HistoryView): string {
  const [first, last] = [points[0]!, points.at(-1)!];
  const value = (point: HistoryPointView) =>
    `${formatValue(point.level, metric!.unit)} at ${shortCommit(point.commit)}`;
  const open = suspected.filter(({ state }) => state === 'open').length;
  const span =
    points.length === 1
      ? `One commit: ${value(first)}.`
      : `${plural(points.length, 'commit')} from ${first.at.slice(0, 10)} to ${last.at.slice(0, 10)}: from ${value(first)} to ${value(last)}.`;
  return `${span} ${changes.length === 0 ? 'No confirmed change' : plural(changes.length, 'confirmed change')}${open > 0 ? `, ${open} suspected` : ''}; a change of less than ${percentOf(metric!.margin)} % is not called one.`;
}

const STATES = { confirmed: 'confirmed', open: 'suspected', refuted: 'refuted' } as const;

function changes({ changes, suspected }: HistoryView): Html | undefined {
  const all = [...changes, ...suspected].toSorted((a, b) => (a.at < b.at ? 1 : -1));
  if (all.length === 0) return undefined;
  const row = (
    change: ChangeView,
  ) => html`<tr><td class="nowrap"><a href="${runUrl(change.run_id)}">${time(change.at)}</a></td>
<td><span class="${change.state === 'confirmed' ? `delta ${change.worse ? 'worse' : 'better'}` : ''}">${change.words}</span></td><td>${STATES[change.state]}${change.checked_by && html` by <a href="${runUrl(change.checked_by)}">this run</a>`}${change.accepted && html`; ${acceptedWords(change.accepted)}`}</td>
<td class="wide">${commitText(change.before)} to ${commitText(change.commit)}${change.subject && html` <span class="subject">${change.subject}</span>`}</td><td><a href="/compare?a=${encodeURIComponent(change.before)}&amp;b=${encodeURIComponent(change.commit)}">compare</a></td></tr>`;
  return html`<section aria-labelledby="changes-title"><h3 id="changes-title">Changes</h3>
${table('Changes', heads('Since', 'Change', 'State', 'Between', 'Before and after'), all.map(row))}</section>`;
}

/** Every point, the newest first; two can be chosen for a comparison. */
function pointsTable({ points, metric }: HistoryView): Html {
  const pick = (name: 'a' | 'b', { run_id, commit }: HistoryPointView, chosen: boolean) =>
    html`<td class="tick"><input type="radio" name="${name}" value="${run_id}" aria-label="${name === 'a' ? 'Before' : 'After'}: ${shortCommit(commit)}"${chosen && html` checked`}></td>`;
  const rows = points.toReversed().map(
    (point, i) => html`<tr>${pick('a', point, i === 1)}${pick('b', point, i === 0)}
<td class="nowrap"><a href="${runUrl(point.run_id)}">${time(point.at)}</a></td><td class="wide">${commitText(point.commit)}${point.subject && html` <span class="subject">${point.subject}</span>`}</td>
${numberCells(formatValue(point.level, metric!.unit), point.interval && around(point.level, point.interval), point.n)}<td>${point.verdict && verdictBadge(point.verdict)}</td></tr>`,
  );
  return html`<section aria-labelledby="points-title"><h3 id="points-title">Every point</h3>
<form method="get" action="/compare"><p class="bar"><button>Compare</button> <span class="muted">the two that are chosen.</span></p>
${table('Every point, the newest first', heads('Before', 'After', 'Started', 'Commit', `>${metric!.title}`, '>95 % interval', '>Rounds', 'Verdict'), rows, { tall: true })}</form></section>`;
}
