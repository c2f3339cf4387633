/**
 * A run, a list of runs, two runs beside each other: as text for a terminal. Pure. The verdict's own text is in
 * verdict.ts.
 */

import { isOwn, sourceOf } from '../config/metric-defaults.ts';
import { plainText } from '../core/text.ts';
import type { ArchiveDocument, Metric, RunDocument, SideDocument, SideName } from '../documents/run.ts';
import { countedRounds, difference, type Summary, sideBySide, summarise } from '../judge/compare-runs.ts';
import { titleOf } from '../judge/effect-text.ts';
import { roundsAsked } from '../judge/observations.ts';
import { autoscaleNotes } from './autoscale-text.ts';
import { columns, styled } from './columns.ts';
import { disturbanceTable } from './disturbances-text.ts';
import { failuresTable } from './failures-text.ts';
import { holeLines } from './holes-text.ts';
import { leakLines } from './leak-text.ts';
import { iterationTable } from './load-table.ts';
import { loadWords } from './load-text.ts';
import { grownLines } from './profile-text.ts';
import { spreadTable } from './replicas-text.ts';
import { eventNotes, eventProblems, eventTables } from './run-events-text.ts';
import { telemetryLines, telemetryTable } from './run-telemetry-text.ts';
import { hopTable, traceLines } from './traces-text.ts';
import { formatDifference, formatPercent, formatValue, NO_VALUE } from './units.ts';
import {
  changeCell,
  failedHeadline,
  failureOf,
  inOrder,
  invalidRounds,
  isShown,
  sideWords,
  verdictText,
} from './verdict-text.ts';

export interface TableOptions {
  color: boolean;
  /** URLs of the run in archives that are up. */
  links?: string[];
}

/** The whole result of a run; of one with a verdict the verdict first. */
export function runTable(run: RunDocument, options: TableOptions): string {
  const failed = failuresTable(run, options);
  const failures = failed.length > 0 ? [...failed, ''] : [];
  const parts = [
    iterationTable(run, options),
    spreadTable(run, options),
    disturbanceTable(run, options),
    eventTables(run, options),
    hopTable(run, options),
    telemetryTable(run, options),
  ];
  const inside = parts.flatMap((lines) => (lines.length > 0 ? [...lines, ''] : []));
  const why = failureOf(run);
  const result = run.verdict
    ? [
        verdictText(run.verdict, {
          color: options.color,
          invalid: invalidRounds(run),
          failed: why,
          grown: grownLines(run),
        }),
        '',
        ...inside,
        ...failures,
        ...heading(run, options),
        ...withoutValue(run),
        ...leakLines(run),
        archiveLine(run.archive),
        ...notesOf(run).map((line) => `note: ${line}`),
      ]
    : [
        ...(why === undefined ? [] : [failedHeadline(whatWords(run), why, options.color), '']),
        ...heading(run, options),
        '',
        figures(run, options),
        '',
        ...inside,
        ...failures,
        ...invalidRounds(run),
        ...withoutValue(run),
        ...leakLines(run),
        archiveLine(run.archive),
        ...notesOf(run).map((line) => `note: ${line}`),
      ];
  return [...result, '', ...whereNext(run, options)].join('\n');
}

/** What has to be said of what was measured, beside the metrics. */
const notesOf = (run: RunDocument): string[] => [
  ...eventProblems(run),
  ...eventNotes(run),
  ...autoscaleNotes(run),
  ...holeLines(run),
  ...telemetryLines(run),
  ...traceLines(run),
];

/** One line for each run, newest first as they come. */
export function runsTable(runs: RunDocument[], options: TableOptions): string {
  const head = [
    'run',
    'started',
    'benchmark',
    'commit',
    'status',
    'verdict',
    'rounds',
    'median',
    'p95',
    'CPU per request',
  ];
  const rows = runs.map((run) => {
    const value = (metric: string, unit: string) => valueOf(summarise(run, 'candidate', metric), 'median', unit);
    const { candidate, baseline } = run.sides;
    return [
      run.run_id,
      run.started_at.slice(0, 16).replace('T', ' '),
      run.benchmark,
      (run.deployed ? `${candidate.commit} at ${run.deployed.url}` : commitWords(candidate)) +
        (baseline ? ` against ${commitWords(baseline)}` : ''),
      run.status,
      run.verdict?.verdict ?? NO_VALUE,
      roundsText(run),
      value('latency_med', 's'),
      value('latency_p95', 's'),
      value('cpu_seconds_per_request', 's'),
    ];
  });
  return columns(head, rows, { left: 6, color: options.color });
}

/** `abc123`, `abc123 (scaled)`. */
const commitWords = ({ commit, variant }: SideDocument): string =>
  sideWords({ ref: commit, commit, ...(variant === undefined ? {} : { variant }) });

/** The figures of two runs: each metric of both. */
export function comparisonTable(a: RunDocument, b: RunDocument, options: TableOptions): string {
  const rows = sideBySide(a, b).map((row) => [
    label(row),
    valueOf(row.a, 'median', row.unit),
    variationOf(row.a),
    valueOf(row.b, 'median', row.unit),
    variationOf(row.b),
    row.a && row.b
      ? changeCell(row.difference, row.difference === null ? row.b.median - row.a.median : undefined, row.unit)
      : NO_VALUE,
  ]);
  return [
    `A  ${sideLine(a, a.sides.candidate)}  ${a.run_id}`,
    `B  ${sideLine(b, b.sides.candidate)}  ${b.run_id}`,
    '',
    columns(['', 'A median', 'A CV', 'B median', 'B CV', 'B against A'], rows, { color: options.color }),
    '',
    'CV: coefficient of variation, the standard deviation over rounds in % of the mean. Each run depends on how busy the host was.',
  ].join('\n');
}

/** `shop at my-branch (abc) against main (def)` */
function whatWords({ benchmark, deployed, sides: { candidate, baseline } }: RunDocument): string {
  return `${benchmark} at ${placeWords({ deployed }, candidate)}${baseline ? ` against ${sideWords(baseline)}` : ''}`;
}

function heading(run: RunDocument, { color }: TableOptions): string[] {
  const { host, sides } = run;
  const against = sides.baseline ? [`against ${sideLine(run, sides.baseline)}`] : [];
  return [
    styled('bold', sideLine(run, sides.candidate), color),
    ...against,
    `run ${run.run_id}: ${run.status}${run.status_reason ? ` (${plainText(run.status_reason)})` : ''}, ${roundsText(run)} rounds valid`,
    loadWords(run),
    `on ${host.cpu_model}, ${host.cores} cores, ${host.os}, kernel ${host.kernel}, engine ${host.engine}`,
    // of a comparison its verdict says them
    ...(run.verdict ? [] : (run.notes ?? []).map((note) => `note: ${plainText(note)}`)),
  ];
}

function sideLine(run: RunDocument, side: SideDocument): string {
  return `${run.benchmark} at ${placeWords(run, side)}${side.subject ? `: ${plainText(side.subject)}` : ''}`;
}

/** The commit; of what was deployed already the address, and what is said to be there. */
const placeWords = ({ deployed }: Pick<RunDocument, 'deployed'>, side: SideDocument): string =>
  deployed ? `${plainText(deployed.url)} (${plainText(side.commit)})` : sideWords(side);

/** Valid rounds of those asked for, of the candidate: every second one where the sides alternate. */
function roundsText(run: RunDocument): string {
  const asked = roundsAsked(run) / (run.pairing === 'alternating' ? 2 : 1);
  return `${countedRounds(run, 'candidate').length} of ${asked}`;
}

function figures(run: RunDocument, { color }: TableOptions): string {
  const metrics = shownMetrics(run);
  if (!metrics.some((metric) => hasValue(run, metric))) return 'No round is valid, so there is no result.';
  const mark = metrics.some(({ primary }) => primary)
    ? ['', '* primary metric; CV: coefficient of variation, the standard deviation over rounds in % of the mean']
    : [];
  const table = run.sides.baseline ? pairTable(run, metrics, color) : soloTable(run, metrics, color);
  const difference = run.sides.baseline
    ? ['difference: the median of the changes within rounds, not of the medians']
    : [];
  return [table, ...mark, ...difference].join('\n');
}

function soloTable(run: RunDocument, metrics: Metric[], color: boolean): string {
  const rows = metrics.map((metric) => {
    const summary = summarise(run, 'candidate', metric.name);
    return [
      label(metric),
      ...(['median', 'min', 'max'] as const).map((key) => valueOf(summary, key, metric.unit)),
      variationOf(summary),
    ];
  });
  return columns(['over rounds', 'median', 'min', 'max', 'CV'], rows, { color });
}

function pairTable(run: RunDocument, metrics: Metric[], color: boolean): string {
  const rows = metrics.map((metric) => {
    const cells = (side: SideName) => {
      const summary = summarise(run, side, metric.name);
      return [valueOf(summary, 'median', metric.unit), variationOf(summary)];
    };
    const change = difference(run, metric.name);
    return [
      label(metric),
      ...cells('candidate'),
      ...cells('baseline'),
      change === null ? NO_VALUE : formatDifference(change),
    ];
  });
  return columns(['over rounds', 'candidate', 'CV', 'baseline', 'CV', 'difference'], rows, { color });
}

/**
 * Those that people look for, in their order, where there is a value; then the benchmark's own, which keep their row
 * without one.
 */
function shownMetrics(run: RunDocument): Metric[] {
  return inOrder(run.metrics.filter(isShown).filter((metric) => isOwn(metric) || hasValue(run, metric)));
}

const hasValue = (run: RunDocument, { name }: Metric): boolean =>
  Boolean(summarise(run, 'candidate', name) || summarise(run, 'baseline', name));

/** Metrics of the benchmark's own that no valid round has a value of, with how they are read. */
function withoutValue(run: RunDocument): string[] {
  if (!run.rounds.some(({ valid }) => valid)) return [];
  return run.metrics.flatMap((metric) =>
    !isOwn(metric) || hasValue(run, metric)
      ? []
      : [`${plainText(metric.name)} has no value in any round: ${plainText(sourceOf(metric))}`],
  );
}

const label = ({ name, primary }: { name: string; primary: boolean }): string =>
  `${titleOf(name)}${primary ? ' *' : ''}`;
const valueOf = (summary: Summary | null, key: 'median' | 'min' | 'max', unit: string): string =>
  summary ? formatValue(summary[key], unit) : NO_VALUE;
const variationOf = (summary: Summary | null): string =>
  summary?.spread == null ? NO_VALUE : formatPercent(summary.spread);

function archiveLine(archive: ArchiveDocument | undefined): string {
  if (!archive) return 'metrics: not shipped';
  if (archive.pending)
    return `metrics: wait on this host${archive.error ? ` (${plainText(archive.error)})` : ''}; npm run archive:push ships them`;
  if (archive.removed_at)
    return `metrics: removed from ${plainText(archive.bucket)} on ${archive.removed_at.slice(0, 10)}; the samples above stay`;
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
    ...(run.verdict ? [`  npm run judge -- ${run.run_id}`] : []),
    ...(run.profiles ? [`  npm run profile -- ${run.run_id}`] : []),
    ...(run.rounds.some(({ traces }) => traces?.kept) ? [`  npm run traces -- ${run.run_id}`] : []),
    ...(run.logs ? [`  npm run logs -- ${run.run_id}`] : []),
    ...(links.length > 0 ? links.map((link) => `  ${link}`) : ['  npm run archive:up']),
  ];
}
