/** One run. */

import { plural } from '../../../core/text.ts';
import type { RunDocument } from '../../../documents/run.ts';
import { roundsAsked } from '../../../judge/observations.ts';
import { branchWords } from '../../../report/history-text.ts';
import { leakLines } from '../../../report/leak-text.ts';
import { loadWords } from '../../../report/load-text.ts';
import { formatValue } from '../../../report/units.ts';
import { failureOf, isShown, sideWords } from '../../../report/verdict-text.ts';
import type { RunView } from '../data/data-types.ts';
import type { FlameView } from '../data/flame-data.ts';
import type { TracesView } from '../data/traces-data.ts';
import { type Html, html, lines } from '../html.ts';
import { autoscaleSection } from './autoscale-parts.ts';
import { disturbancesSection } from './disturbances-parts.ts';
import { eventsSection } from './events-parts.ts';
import { flameSection } from './flame-parts.ts';
import { iterationsSection } from './iterations-parts.ts';
import {
  benchmarkUrl,
  between,
  commitText,
  compareUrl,
  facts,
  jobUrl,
  runUrl,
  sideText,
  statusBadge,
  time,
} from './parts.ts';
import { replicasSection } from './replicas-parts.ts';
import { requestsSection } from './requests-parts.ts';
import { latencySection, metricsTable, roundsSection, validitySection } from './run-parts.ts';
import { seriesChart } from './series-parts.ts';
import { disturbanceMarks, disturbedRounds } from './svg/disturbances.ts';
import { telemetrySection } from './telemetry-parts.ts';
import { tracesSection } from './trace-parts.ts';
import { attributedPart, changesTable, grounds, verdictLead } from './verdict-parts.ts';

/** `flame`: where its CPU time went; undefined of a run without a profile. `traces`: the same of a run without any. */
export function runBody(view: RunView, flame?: FlameView, traces?: TracesView): Html {
  const { run, metrics, before } = view;
  const { candidate, baseline } = run.sides;
  const { verdict } = run;
  const why = failureOf(run);
  const counted = verdict && verdict.observations > 0 ? verdict : undefined;
  const primary = metrics.filter((metric) => metric.primary);
  const others = metrics.filter((metric) => !metric.primary && isShown(metric));
  return html`<h1><a href="${benchmarkUrl(run.benchmark)}">${run.benchmark}</a> at ${sideWords(candidate)}${baseline && html` <small>against ${sideWords(baseline)}</small>`}</h1>
<div id="result" data-part>
${lead(run, why)}
${candidate.subject && html`<p class="subject">${candidate.subject}</p>`}
${heading(view)}
</div>
${where(view)}
<section id="metrics" data-part aria-labelledby="metrics-title"><h2 id="metrics-title">Primary metrics</h2>
${
  counted && baseline
    ? html`${changesTable(
        'Primary metrics',
        counted,
        counted.metrics.filter((metric) => metric.primary),
        { candidate: 'Candidate', baseline: 'Baseline' },
      )}${attributedPart(counted)}${grounds(counted)}`
    : verdict
      ? grounds(verdict)
      : metricsTable('Primary metrics', primary)
}
<details><summary>Other metrics</summary><p class="muted">They never change the verdict.</p>
${
  counted && baseline
    ? changesTable(
        'Other metrics',
        counted,
        counted.metrics.filter((metric) => !metric.primary && isShown(metric)),
        { candidate: 'Candidate', baseline: 'Baseline' },
      )
    : metricsTable('Other metrics', others)
}</details></section>
${iterationsSection(run)}
${leakSection(run)}
${replicasSection(run)}
${disturbancesSection(run)}
${autoscaleSection(run)}
${eventsSection(run)}
${traces && tracesSection(traces)}
${telemetrySection(run)}
${flame && flameSection(flame)}
${roundsSection(view, primary)}
${validitySection(view)}
${latencySection(view)}
${requestsSection(run)}
${seriesChart('CPU, memory and latency over time', [{ id: run.run_id, name: '' }], disturbanceMarks(disturbedRounds(run.rounds)))}
${configuration(run)}
${before && html`<p><a href="${compareUrl(before.run_id, run.run_id)}">Compare with ${branchWords(run.master ? run.branch : undefined)} before it</a> (${commitText(before.commit)})</p>`}`;
}

/** Services that seem to leak memory; nothing where none does. */
function leakSection(run: RunDocument): Html | false {
  const found = leakLines(run);
  return (
    found.length > 0 &&
    html`<section id="leaks" data-part aria-labelledby="leaks-title"><h2 id="leaks-title">Memory that grows</h2>
<ul class="grounds">${found.map((line) => html`<li>${line}</li>`)}</ul>
<p class="muted">It never changes the verdict.</p></section>`
  );
}

/** What came of it, in one sentence: of a run that failed that, and why. */
function lead(run: RunDocument, why: string | undefined): Html {
  const { verdict, status, status_reason } = run;
  if (why !== undefined)
    return html`<p class="lead"><span class="badge failed">FAILED</span> ${why}</p>${verdict && verdict.observations > 0 && verdictLead(verdict)}`;
  if (!verdict) return html`<p class="lead">${statusBadge(status)} ${status_reason ?? words(run)}</p>`;
  return html`${verdictLead(verdict)}${status !== 'complete' && html`<p>${statusBadge(status)} ${status_reason}</p>`}`;
}

const words = (run: RunDocument): string =>
  run.status === 'running'
    ? 'It is being measured.'
    : run.pairing === 'solo'
      ? 'Measured alone, so there is no verdict.'
      : 'There is no verdict.';

function heading({ run, rounds, jobs }: RunView): Html {
  const valid = rounds.filter(({ sides }) => sides.every((side) => side.valid)).length;
  const { host } = run;
  return facts([
    ['Candidate', sideText({ ...run.sides.candidate, subject: undefined })],
    ['Baseline', run.sides.baseline && sideText(run.sides.baseline)],
    [
      'Started',
      html`${time(run.started_at)}${run.finished_at && `, took ${between(run.started_at, run.finished_at)}`}`,
    ],
    // of a comparison its verdict says them
    ['Deployed at', run.deployed?.url],
    ['Notes', run.verdict ? undefined : run.notes?.join(' ')],
    ['Rounds', `${valid} valid of ${rounds.length} measured, ${roundsAsked(run)} asked for, ${run.pairing}`],
    ['Load', loadWords(run)],
    ['Host', `${host.cpu_model}, ${host.cores} cores, ${formatValue(host.memory_bytes, 'bytes')}, ${host.os}`],
    [
      'Capacity',
      run.capacity &&
        (run.capacity.capacity === null ? 'below the lowest rate' : `${run.capacity.capacity} requests/s`),
    ],
    ['Run', html`<code>${run.run_id}</code>${run.master && html` <span class="tag">master</span>`}`],
    ['Job', jobs[0] && html`<a href="${jobUrl(jobs[0].job_id)}"><code>${jobs[0].job_id}</code></a>`],
    ['Goes on from', run.continues && html`<a href="${runUrl(run.continues)}"><code>${run.continues}</code></a>`],
  ]);
}

/** Where else the run can be looked at; and another one to compare with. */
function where({ run, links, before }: RunView): Html {
  const { archives, none, github } = links;
  return html`<nav class="links" aria-label="This run elsewhere"><ul>
${archives.map(({ name, kind, url }) => html`<li><a href="${url}" rel="noreferrer">${kind === 'grafana' ? 'Grafana' : 'Query'}, archive ${name}</a></li>`)}
${github && html`<li><a href="${github.commit_url}" rel="noreferrer">Commit on GitHub</a></li>`}${github?.pull_request_url && html`<li><a href="${github.pull_request_url}" rel="noreferrer">Pull request #${github.pull_request}</a></li>`}
${run.logs && html`<li><a href="${runUrl(run.run_id)}/logs">Logs</a></li>`}<li><a href="/api/runs/${run.run_id}">JSON</a></li><li><a href="/compare?b=${run.run_id}${before && html`&amp;a=${before.run_id}`}">Compare</a></li></ul>
${archives.length === 0 && none && html`<p class="muted">No link into Grafana: ${none}</p>`}</nav>`;
}

function configuration(run: RunDocument): Html {
  const { archive, host, cpusets } = run;
  const kept = archive
    ? archive.pending
      ? `wait on this host${archive.error ? ` (${archive.error})` : ''}`
      : archive.removed_at
        ? `removed on ${archive.removed_at.slice(0, 10)}`
        : `${plural(archive.blocks.length, 'block')} in ${archive.bucket}${archive.verified ? ', verified' : ''}`
    : 'not shipped';
  const { rounds: _rounds, verdict: _verdict, metrics: _metrics, compose, ...resolved } = run;
  return html`<section aria-labelledby="configuration-title"><h2 id="configuration-title">Configuration</h2>
${facts([
  ['Stack', html`<code>${run.stack_version}</code>`],
  ['Kernel', host.kernel],
  ['Engine', host.engine],
  ['Host', html`<code>${host.id}</code>`],
  [
    'CPU sets',
    `services ${cpusets.services ?? 'all'}, load ${cpusets.loadgen ?? 'all'}, metrics ${cpusets.metrics ?? 'all'}`,
  ],
  ['Design', run.comparison && `${run.comparison.design}, ${run.comparison.min} to ${run.comparison.max} observations`],
  [
    'Labels',
    Object.entries(run.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(', ') || undefined,
  ],
  ['Raw metrics', kept],
])}
<details><summary>All of it</summary><pre tabindex="0" aria-label="Resolved configuration">${lines(JSON.stringify(resolved, null, 2))}</pre></details>
<details><summary>Compose, as it was started</summary><pre tabindex="0" aria-label="Compose configuration">${lines(JSON.stringify(compose, null, 2))}</pre></details></section>`;
}
