/** A run, a list of runs, two runs beside each other: as text for a terminal. Pure. */
import { comparable, countedRounds, difference, sideBySide, summarise, type Summary } from '../compare/compare.ts';
import { shortCommit } from '../plan/names.ts';
import { plainText } from '../text.ts';
import type { ArchiveDocument, Metric, RunDocument, SideDocument, SideName } from '../types.ts';
import { columns, styled } from './columns.ts';
import { formatDifference, formatElapsed, formatPercent, formatValue, NO_VALUE } from './units.ts';

export interface TableOptions {
  color: boolean;
  /** URLs of the run in archives that are up. */
  links?: string[];
}

/** Metrics that are shown, as k6 users know them; the benchmark's own follow. Others are in the JSON. */
const SHOWN: Record<string, string> = {
  latency_avg: 'latency avg',
  latency_min: 'latency min',
  latency_med: 'latency med',
  latency_max: 'latency max',
  latency_p90: 'latency p90',
  latency_p95: 'latency p95',
  latency_p99: 'latency p99',
  response_p95: 'p95 from the scheduled start',
  response_p99: 'p99 from the scheduled start',
  request_rate: 'requests',
  cpu_seconds_per_request: 'CPU per request',
  memory_peak: 'peak memory',
  failed_requests: 'errors',
};

/** The whole result of a run. */
export function runTable(run: RunDocument, options: TableOptions): string {
  return [...heading(run, options), '', figures(run, options), '', ...notes(run), '', ...whereNext(run, options)].join('\n');
}

/** One line for each run, newest first as they come. */
export function runsTable(runs: RunDocument[], options: TableOptions): string {
  const head = ['run', 'started', 'benchmark', 'commit', 'status', 'rounds', 'median', 'p95', 'CPU per request'];
  const rows = runs.map((run) => {
    const value = (metric: string, unit: string) => valueOf(summarise(run, 'candidate', metric), 'median', unit);
    const { candidate, baseline } = run.sides;
    return [
      run.run_id, run.started_at.slice(0, 16).replace('T', ' '), run.benchmark,
      shortCommit(candidate.commit) + (baseline ? ` against ${shortCommit(baseline.commit)}` : ''),
      run.status, roundsText(run), value('latency_med', 's'), value('latency_p95', 's'), value('cpu_seconds_per_request', 's'),
    ];
  });
  return columns(head, rows, { left: 5, color: options.color });
}

/** Two runs: what keeps them from being compared, then each metric of both. */
export function comparisonTable(a: RunDocument, b: RunDocument, options: TableOptions): string {
  const reasons = comparable(a, b);
  const warning = ['These runs cannot be compared:', ...reasons.map((reason) => `  ${plainText(reason)}`), 'The figures are shown all the same; their difference means nothing.', ''];
  const rows = sideBySide(a, b).map((row) => [
    label(row), valueOf(row.a, 'median', row.unit), spreadOf(row.a), valueOf(row.b, 'median', row.unit), spreadOf(row.b), row.difference === null ? NO_VALUE : formatDifference(row.difference),
  ]);
  return [
    `A  ${sideLine(a, a.sides.candidate)}  ${a.run_id}`,
    `B  ${sideLine(b, b.sides.candidate)}  ${b.run_id}`,
    '',
    ...(reasons.length > 0 ? warning : []),
    columns(['', 'A median', 'A spread', 'B median', 'B spread', 'B against A'], rows, { color: options.color }),
    '',
    'Spread: standard deviation over rounds in % of the mean. Two runs feel the host at different times: a difference',
    'within the spread says nothing. npm run bench -- --commit=B --against=A measures both in the same moments.',
  ].join('\n');
}

function heading(run: RunDocument, { color }: TableOptions): string[] {
  const { host, load, sides } = run;
  const against = sides.baseline ? [`against ${sideLine(run, sides.baseline)}`] : [];
  return [
    styled('bold', sideLine(run, sides.candidate), color),
    ...against,
    `run ${run.run_id}: ${run.status}${run.status_reason ? ` (${plainText(run.status_reason)})` : ''}, ${roundsText(run)} rounds valid`,
    `${load.rate} requests/s${sides.baseline ? ' for each side' : ''} for ${formatElapsed(load.duration_s)} after ${formatElapsed(load.warmup_s)} of warm-up, by ${load.generator}`,
    `on ${host.cpu_model}, ${host.cores} cores, ${host.os}, kernel ${host.kernel}, engine ${host.engine}`,
  ];
}

function sideLine(run: RunDocument, { ref, commit, subject }: SideDocument): string {
  const name = ref === commit ? shortCommit(commit) : `${plainText(ref)} (${shortCommit(commit)})`;
  return `${run.benchmark} at ${name}${subject ? `: ${plainText(subject)}` : ''}`;
}

/** Valid rounds of those asked for. */
function roundsText(run: RunDocument): string {
  return `${countedRounds(run, 'candidate').length} of ${run.rounds_asked}`;
}

function figures(run: RunDocument, { color }: TableOptions): string {
  const metrics = shownMetrics(run);
  if (metrics.length === 0) return 'No round is valid, so there is no result.';
  const mark = metrics.some(({ primary }) => primary) ? ['', '* primary metric; spread: standard deviation over rounds in % of the mean'] : [];
  const table = run.sides.baseline ? pairTable(run, metrics, color) : soloTable(run, metrics, color);
  return [table, ...mark].join('\n');
}

function soloTable(run: RunDocument, metrics: Metric[], color: boolean): string {
  const rows = metrics.map((metric) => {
    const summary = summarise(run, 'candidate', metric.name);
    return [label(metric), ...(['median', 'min', 'max'] as const).map((key) => valueOf(summary, key, metric.unit)), spreadOf(summary)];
  });
  return columns(['over rounds', 'median', 'min', 'max', 'spread'], rows, { color });
}

function pairTable(run: RunDocument, metrics: Metric[], color: boolean): string {
  const rows = metrics.map((metric) => {
    const cells = (side: SideName) => {
      const summary = summarise(run, side, metric.name);
      return [valueOf(summary, 'median', metric.unit), spreadOf(summary)];
    };
    const change = difference(run, metric.name);
    return [label(metric), ...cells('candidate'), ...cells('baseline'), change === null ? NO_VALUE : formatDifference(change)];
  });
  return columns(['over rounds', 'candidate', 'spread', 'baseline', 'spread', 'difference'], rows, { color });
}

/** Those that people look for, in their order, then the benchmark's own, then other primary ones; where there is a value. */
function shownMetrics(run: RunDocument): Metric[] {
  const place = (metric: Metric) => (metric.name in SHOWN ? Object.keys(SHOWN).indexOf(metric.name) : Object.keys(SHOWN).length);
  return run.metrics
    .filter((metric) => metric.name in SHOWN || metric.promql !== undefined || metric.primary)
    .filter((metric) => summarise(run, 'candidate', metric.name) || summarise(run, 'baseline', metric.name))
    .toSorted((a, b) => place(a) - place(b));
}

const label = ({ name, primary }: { name: string; primary: boolean }): string => `${SHOWN[name] ?? name}${primary ? ' *' : ''}`;
const valueOf = (summary: Summary | null, key: 'median' | 'min' | 'max', unit: string): string => (summary ? formatValue(summary[key], unit) : NO_VALUE);
const spreadOf = (summary: Summary | null): string => (summary?.spread == null ? NO_VALUE : formatPercent(summary.spread));

function notes(run: RunDocument): string[] {
  const invalid = run.rounds.flatMap(({ side, round, reasons }) => reasons.map(({ message }) => `round ${round} is INVALID (${side}): ${plainText(message)}`));
  return [...invalid, archiveLine(run.archive)];
}

function archiveLine(archive: ArchiveDocument | undefined): string {
  if (!archive) return 'metrics: not shipped';
  if (archive.pending) return `metrics: wait on this host${archive.error ? ` (${plainText(archive.error)})` : ''}; npm run archive:push ships them`;
  if (archive.removed_at) return `metrics: removed from ${plainText(archive.bucket)} on ${archive.removed_at.slice(0, 10)}; the samples above stay`;
  const blocks = `${archive.blocks.length} ${archive.blocks.length === 1 ? 'block' : 'blocks'}`;
  return `metrics: ${blocks} in ${plainText(archive.bucket)}${archive.verified ? ', verified' : `, not verified${archive.error ? `: ${plainText(archive.error)}` : ''}`}`;
}

function whereNext(run: RunDocument, { links = [] }: TableOptions): string[] {
  return [
    'Where to look next:',
    `  npm run show -- ${run.run_id}`,
    `  npm run -s show -- ${run.run_id} --json`,
    `  npm run runs -- --benchmark=${run.benchmark}`,
    `  npm run compare -- OTHER_RUN ${run.run_id}`,
    ...(links.length > 0 ? links.map((link) => `  ${link}`) : ['  npm run archive:up']),
  ];
}
