/**
 * The history of the default branch and the screening of one commit, as text for a terminal and as a document. Pure.
 */

import { plainText, plural } from '../core/text.ts';
import type { Better, Unit } from '../documents/run.ts';
import { shortCommit } from '../engine/names.ts';
import { effectWords, isWorse, kindOf, titleOf } from '../judge/effect-text.ts';
import type { Screen, ScreenedMetric } from '../judge/screen.ts';
import { LEAST_RUNS } from '../judge/screen.ts';
import type { Series } from '../judge/series.ts';
import type { Accepted } from '../store/acceptances.ts';
import type { ChangePoint } from '../store/db.ts';
import type { SuspectedChange } from '../store/judgements.ts';
import { chart } from './chart.ts';
import { styled } from './columns.ts';
import { formatTick, formatValue } from './units.ts';

/** One run of the master set. */
export interface HistoryPoint {
  run_id: string;
  at: string;
  commit: string;
  ref: string;
  subject?: string;
  /**
   * In the metric's unit: the run's median; or the level that follows from the ratio to `baseline` and that one's
   * level.
   */
  level: number;
  baseline?: string;
}

export interface HistorySeries {
  metric: string;
  unit: Unit;
  better: Better;
  primary: boolean;
  margin: number;
  points: HistoryPoint[];
  /** Older points that --limit leaves out. */
  older: number;
  /**
   * Runs of the metric that were measured in another way (stack, load, alone or beside another side): their figures
   * mean something else.
   */
  other_runs: number;
}

/** schema mayfly.history/v1 */
export interface HistoryDocument {
  schema: 'mayfly.history/v1';
  benchmark: string;
  host_id: string;
  /** Absent: the default one. */
  branch?: string;
  /** Of the benchmark's deployment; absent: none. */
  variant?: string;
  series: HistorySeries[];
  /** All that were ever suspected, with what became of them. */
  suspected: SuspectedChange[];
  /** The confirmed ones. */
  change_points: ChangePoint[];
}

/** The newest series of a metric, its newest points. `all`: of seriesOf. */
export function historySeries(all: readonly Series[], limit: number): HistorySeries[] {
  const series = all.at(-1);
  if (!series) return [];
  const { name, unit, better, primary, margin } = series.metric;
  const points = series.points
    .slice(-limit)
    .map(({ value, link, ...point }): HistoryPoint => ({ ...point, level: Math.exp(value) }));
  const other_runs = all.slice(0, -1).reduce((sum, one) => sum + one.points.length, 0);
  return [
    { metric: name, unit, better, primary, margin, points, older: series.points.length - points.length, other_runs },
  ];
}

export interface HistoryOptions {
  color: boolean;
  /** Characters of a line. */
  width: number;
}

/** Names a branch in a sentence; undefined: the default one. `variant`: of the deployment, where there is one. */
export const branchWords = (branch: string | undefined, variant?: string): string =>
  `${branch === undefined ? 'the default branch' : `the branch ${branch}`}${variant === undefined ? '' : ` (${variant})`}`;

/** A small chart for each series, then what changed. */
export function historyText(document: HistoryDocument, options: HistoryOptions): string {
  const { benchmark, host_id, branch, variant, series, suspected } = document;
  const open = suspected.filter(({ state }) => state === 'open').length;
  return [
    styled('bold', `${benchmark}: ${branchWords(branch, variant)} on host ${host_id}`, options.color),
    ...series.flatMap((one) => ['', ...seriesLines(one, document, options)]),
    ...(open > 0
      ? [
          '',
          `${open === 1 ? 'One suspected change waits' : `${open} suspected changes wait`} for a comparison of before and after:`,
          `  npm run history -- --benchmark=${benchmark} --confirm`,
        ]
      : []),
  ].join('\n');
}

/** A change with the letter that marks it in the chart, where it is drawn. */
type Shown = SuspectedChange & { letter?: string };

function seriesLines(series: HistorySeries, document: HistoryDocument, options: HistoryOptions): string[] {
  const { metric, unit, points, margin, older, other_runs } = series;
  const changes = changesOf(series, document);
  const marks = changes.flatMap(({ letter, run_id }) =>
    letter ? [{ letter, index: points.findIndex((point) => point.run_id === run_id) }] : [],
  );
  const drawn = chart(
    points.map(({ level }) => level),
    { width: options.width, least: 2 * margin, format: (value, all) => formatTick(value, all, unit), marks },
  );
  return [
    styled('bold', titleOf(metric), options.color) +
      (series.primary ? '' : ' (not primary: changes are not looked for)'),
    ...drawn.lines,
    ...axis(points, drawn.left, Math.max(drawn.columns, 36)),
    ...(older > 0 ? [`${plural(older, 'older run')} not shown (--limit)`] : []),
    ...(other_runs > 0
      ? [`${plural(other_runs, 'run')} not shown: measured with another stack or load, or in another pairing`]
      : []),
    ...changes.map((change) => changeLine(change, series, options)),
  ];
}

/** All changes of the metric, oldest first; those in the chart get letters. */
function changesOf({ metric, points }: HistorySeries, { suspected, change_points }: HistoryDocument): Shown[] {
  const confirmed = change_points.filter((point) => point.metric === metric);
  const known = suspected.filter((change) => change.metric === metric);
  const shown = new Set(points.map(({ run_id }) => run_id));
  const others = known.filter(({ run_id }) => !confirmed.some((point) => point.run_id === run_id));
  // A confirmed change is told with the ratio that the comparison found.
  const all: Shown[] = [
    ...confirmed.map(
      (point): Shown => ({ ...known.find(({ run_id }) => run_id === point.run_id), ...point, state: 'confirmed' }),
    ),
    ...others,
  ];
  let next = 0;
  return all
    .sort((a, b) => (a.at + a.run_id < b.at + b.run_id ? -1 : 1))
    .map((change) => (shown.has(change.run_id) ? { ...change, letter: letterOf(next++) } : change));
}

const letterOf = (index: number) => 'abcdefghijklmnopqrstuvwxyz'[index % 26]!;

function axis(points: readonly HistoryPoint[], left: number, columns: number): string[] {
  const ends = [points[0]!, points.at(-1)!];
  const line = ([first, last]: string[]) =>
    `${' '.repeat(left)}${points.length === 1 ? first : first! + last!.padStart(columns - first!.length)}`;
  return [line(ends.map(({ at }) => at.slice(0, 10))), line(ends.map(({ commit }) => shortCommit(commit)))];
}

const STATE_WORDS = { open: 'suspected, not confirmed yet', refuted: 'refuted', confirmed: 'confirmed' } as const;

/** Only what is confirmed has a colour: the rest may be noise. */
function changeLine(change: Shown, series: HistorySeries, { color }: HistoryOptions): string {
  const { at, commit, before, ratio, state, checked_by } = change;
  const worse = isWorse(ratio, series.better);
  const subject = series.points.find(({ run_id }) => run_id === change.run_id)?.subject;
  const words = ratioWords(series.metric, series.unit, series.better, ratio);
  const effect =
    state === 'confirmed'
      ? styled(worse ? 'red' : 'green', `${words} (${kindOf(ratio, series.better)})`, color)
      : words;
  return `  ${change.letter ?? ' '}  ${at.slice(0, 10)}  ${shortCommit(before)} to ${shortCommit(commit)}  ${effect}, ${STATE_WORDS[state]}${checked_by ? ` by run ${checked_by}` : ''}${change.accepted ? `, ${acceptedWords(change.accepted)}` : ''}${subject ? `: ${plainText(subject)}` : ''}`;
}

/** `accepted by @ada (the check is worth it)`; where it may be another commit's, that is said. */
export const acceptedWords = ({ commit, by, reason, others }: Accepted): string =>
  others === 0
    ? `accepted by @${by} (${plainText(reason)})`
    : `not all accepted: ${shortCommit(commit)} is, by @${by} (${plainText(reason)}), ${plural(others, 'other commit')} in its range ${others === 1 ? 'is' : 'are'} not`;

/** 1.05 of a time: `5.0 % slower`. */
export const ratioWords = (name: string, unit: Unit, better: Better, ratio: number): string =>
  effectWords({
    name,
    unit,
    better,
    verdict: null,
    change: ratio - 1,
    interval: null,
    worse: { at_least: null, at_most: null },
    candidate: null,
    baseline: null,
    observations: 0,
  });

/** What the screening of one commit says. It only warns: the last lines name the command that decides. */
export function screenText(screen: Screen): string {
  const { benchmark, branch, variant, commit, against, metrics } = screen;
  if (metrics.length === 0) return 'against the master set: no primary metric has a value';
  const outside = metrics.filter(({ lies }) => lies === 'worse' || lies === 'better');
  const few = metrics.every(({ fence }) => fence === null);
  const named = commit === 'worktree' ? commit : shortCommit(commit);
  const decide = `npm run bench -- --benchmark=${benchmark} --commit=${named} --against=${against === null ? 'REF' : shortCommit(against)}${variant === undefined ? '' : ` --variant=${variant}`}`;
  return [
    few
      ? 'against the master set: too few runs to tell'
      : outside.length === 0
        ? 'against the master set: nothing stands out'
        : 'against the master set: worth a comparison',
    ...metrics.map((metric) => `  ${screenLine(metric, branchWords(branch, variant))}`),
    `A run alone cannot decide: it depends on how busy the host was. What decides: ${decide}`,
  ].join('\n');
}

/** `branch`: in words. */
function screenLine({ name, unit, better, value, runs, fence, lies }: ScreenedMetric, branch: string): string {
  const shown = `${titleOf(name)}: ${formatValue(value, unit)}`;
  if (!fence)
    return `${shown}; ${runs === 0 ? 'no run' : `only ${plural(runs, 'run')}`} of ${branch} measured in the same way, and ${LEAST_RUNS} are needed`;
  const range = `${formatValue(fence.low, unit)} to ${formatValue(fence.high, unit)} in ${plural(runs, 'run')} of ${branch}`;
  if (lies === 'within') return `${shown}, within ${range}`;
  return `${shown}, ${ratioWords(name, unit, better, value / fence.median)} than their median, outside ${range}`;
}
