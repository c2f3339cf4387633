/** A verdict as text for a terminal, and the words that the other reports share with it. Pure. */

import { benchmarkFlag } from '../config/flags.ts';
import { builtinMetric } from '../config/metric-defaults.ts';
import { plainText, plural } from '../core/text.ts';
import type { CalibrationQuote } from '../documents/calibration.ts';
import type { Metric, RunDocument, RunStatus, Unit } from '../documents/run.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../documents/verdict.ts';
import { shortCommit } from '../engine/names.ts';
import { undeclared } from '../judge/answers-verdict.ts';
import { differenceWords, harm, percentOf, TITLES, titleOf } from '../judge/effect-text.ts';
import { ATTRIBUTED, attributionLines } from './attribution-text.ts';
import { columns, styled } from './columns.ts';
import { GROWN } from './profile-text.ts';
import { formatDifference, formatValue, NO_VALUE } from './units.ts';

/** What is sure enough for a colour; everything else may be noise. */
const COLORS: Partial<Record<Verdict, 'red' | 'green'>> = { REGRESSION: 'red', IMPROVEMENT: 'green' };

export interface VerdictOptions {
  color: boolean;
  /** Why rounds did not count, one sentence each: `invalidRounds(run)`. */
  invalid?: readonly string[];
  /** Why the run failed before it was decided: `failureOf(run)`. */
  failed?: string | undefined;
  /** Functions that grew most: `grownLines(run)`. They are shown where it became slower. */
  grown?: readonly string[];
}

/** A run that failed before anything was decided: what it found until then does not stand. */
export const isUndecidedFailure = (status: RunStatus, verdict: Verdict | undefined): boolean =>
  status === 'failed' && (verdict === undefined || verdict === 'INCONCLUSIVE' || verdict === 'INVALID');

/** Why such a run failed; undefined of any other. */
export function failureOf({ status, status_reason, verdict }: Failing): string | undefined {
  return isUndecidedFailure(status, verdict?.verdict) ? plainText(status_reason ?? 'no reason is known') : undefined;
}

type Failing = Pick<RunDocument, 'status' | 'status_reason'> & { verdict?: Pick<VerdictDocument, 'verdict'> };

/** The verdict in one sentence, then what it rests on. */
export function verdictText(
  verdict: VerdictDocument,
  { color, invalid = [], failed, grown = [] }: VerdictOptions,
): string {
  const { observations, reasons } = verdict;
  const why = reasons.length > 0 && failed === undefined ? reasons.map(plainText) : invalid;
  const attributed = attributionLines(verdict);
  const said = `${inColor(verdict.verdict, color)}  ${failed === undefined ? `${comparisonWords(verdict)}: ` : ''}${plainText(verdict.summary)}`;
  return [
    ...(failed === undefined ? [said] : [failedHeadline(comparisonWords(verdict), failed, color)]),
    ...(failed !== undefined && observations > 0 ? [said] : []),
    ...(observations > 0 ? [...primaryTable(verdict, color), ...otherTable(verdict, color), ...legend(verdict)] : []),
    ...(attributed.length > 0 ? ['', ATTRIBUTED, ...attributed.map((line) => `  ${line}`)] : []),
    ...(verdict.verdict === 'REGRESSION' && grown.length > 0 ? ['', GROWN, ...grown.map((line) => `  ${line}`)] : []),
    '',
    countedWords(verdict),
    ...why.map((line) => `  ${line}`),
    ...(observations > 0 ? calibrationLines(verdict) : []),
    ...moreLines(verdict),
    ...verdict.notes.map((note) => `note: ${plainText(note)}`),
  ].join('\n');
}

/** `FAILED  shop at my-branch (abc): why` */
export const failedHeadline = (what: string, why: string, color: boolean): string =>
  `${styledIf('red', 'FAILED', color)}  ${what}: ${why}`;

const inColor = (verdict: Verdict, color: boolean, text: string = verdict): string =>
  styledIf(COLORS[verdict], text, color);
const styledIf = (style: 'red' | 'green' | undefined, text: string, color: boolean): string =>
  style ? styled(style, text, color) : text;

function primaryTable(verdict: VerdictDocument, color: boolean): string[] {
  const metrics = primaryMetrics(verdict);
  if (metrics.length === 0) return [];
  const rows = metrics.map((metric) => {
    const [title, candidate, baseline, change, interval] = cellsOf(metric);
    const dressed = (text: string) => (metric.verdict ? inColor(metric.verdict, color, text) : text);
    return [
      title,
      candidate,
      baseline,
      dressed(change),
      interval,
      boundWords(metric),
      metric.verdict ? dressed(metric.verdict) : NO_VALUE,
    ];
  });
  return [
    '',
    columns(
      ['primary metric', 'candidate', 'baseline', 'change', levelText(verdict), 'what is sure', 'verdict'],
      rows,
      { color },
    ),
  ];
}

/** What the columns mean, where a reader would take one for another. */
export function legend({ kind, pairing, metrics }: VerdictDocument): string[] {
  const within =
    kind === 'paired'
      ? `within ${pairing === 'alternating' ? 'blocks' : 'rounds'}`
      : 'from each round of the one run to each of the other';
  return [
    ...(metrics.some((metric) => isShown(metric) && metric.change !== null)
      ? [`change: the median of the changes ${within}, not the change of the two medians beside it`]
      : []),
    ...(metrics.some(({ primary, worse }) => primary && (worse.at_least !== null || worse.at_most !== null))
      ? ['what is sure: what the verdict rests on; it holds at every look, the interval at the last one alone']
      : []),
  ];
}

function otherTable(verdict: VerdictDocument, color: boolean): string[] {
  const metrics = otherMetrics(verdict);
  if (metrics.length === 0) return [];
  return [
    '',
    columns(['other metric', 'candidate', 'baseline', 'change', levelText(verdict)], metrics.map(cellsOf), { color }),
    'Other metrics never change the verdict.',
  ];
}

/** Title, candidate, baseline, change and interval of a metric. */
export function cellsOf(
  metric: MetricVerdict,
): [title: string, candidate: string, baseline: string, change: string, interval: string] {
  const { name, unit, candidate, baseline, change, difference, interval } = metric;
  return [
    plainText(titleOf(name)),
    candidate === null ? NO_VALUE : formatValue(candidate, unit),
    baseline === null ? NO_VALUE : formatValue(baseline, unit),
    changeCell(change, difference?.change, unit),
    interval ? `${formatDifference(interval.low)} to ${formatDifference(interval.high)}` : NO_VALUE,
  ];
}

/** `+2.10 %`, or `+3` of what has no ratio; of shares `+0.17 % points`, which is no relative change. */
export function changeCell(change: number | null, difference: number | undefined, unit: Unit): string {
  if (difference !== undefined)
    return `${difference > 0 ? '+' : ''}${formatValue(difference, unit)}${unit === 'ratio' ? ' points' : ''}`;
  return change === null ? NO_VALUE : formatDifference(change);
}

/** `95 % interval`. */
export function levelText({ metrics }: VerdictDocument): string {
  const level = metrics.find(({ interval }) => interval)?.interval?.level ?? 0.95;
  return `${Math.round(level * 100)} % interval`;
}

/**
 * What the verdict on a metric rests on, or what is excluded so far: `at least 4.0 % worse`, `no slowdown above 2.1 %`,
 * `more in 10 of 10 observations`.
 */
export function boundWords(metric: MetricVerdict): string {
  const { name, unit, better, verdict, change, difference, incomparable, worse, dispersion } = metric;
  if (incomparable !== undefined) return 'not comparable';
  if (difference) return differenceWords(metric);
  if (verdict === 'REGRESSION' && worse.at_least !== null && worse.at_least > 0) {
    const word = better === 'neither' ? `${change! > 0 ? 'more' : 'less'}` : 'worse';
    return `at least ${percentOf(ofValue(worse.at_least, metric))} % ${word}`;
  }
  if (verdict === 'REGRESSION') return dispersion ? `varies ${dispersion.ratio.toFixed(1)} times as much` : NO_VALUE;
  if (worse.at_most === null) return NO_VALUE;
  if (verdict === 'IMPROVEMENT' && worse.at_most < 0)
    return `at least ${percentOf(ofValue(worse.at_most, metric))} % better`;
  return `no ${harm(name, unit, better)} above ${worse.at_most <= 0 ? '0' : percentOf(worse.at_most)} %`;
}

/** A bound in the direction of worse as a share of the baseline's value, as `change` is: half as much is -50 %. */
const ofValue = (worse: number, { better, change }: MetricVerdict): number =>
  better === 'higher' || (better === 'neither' && change! < 0) ? 1 / (1 + worse) - 1 : worse;

/** `shop at my-branch (abc) against main (def)`. */
export function comparisonWords({ benchmark, candidate, baseline }: VerdictDocument): string {
  return `${plainText(benchmark)} at ${sideWords(candidate)} against ${sideWords(baseline)}`;
}

/** A side as the user named it, with its commit and its variant: `abc (scaled)`, `my-branch (abc, scaled)`. */
export function sideWords({ ref, commit, variant }: { ref: string; commit: string; variant?: string }): string {
  const short = plainText(shortCommit(commit));
  const more = [...(ref === commit ? [] : [short]), ...(variant === undefined ? [] : [plainText(variant)])].join(', ');
  return `${ref === commit ? short : plainText(ref)}${more && ` (${more})`}`;
}

/** `12 rounds counted, 2 rounds did not`. */
export function countedWords({ kind, pairing, observations, invalid_rounds }: VerdictDocument): string {
  const unit = pairing === 'alternating' && kind !== 'levels' ? 'block' : 'round';
  return `${plural(observations, unit)} counted${kind === 'paired' ? '' : ' of both runs'}, ${invalid_rounds === 0 ? 'none' : plural(invalid_rounds, 'round')} INVALID`;
}

/** Why rounds of a run did not count. */
export function invalidRounds(run: RunDocument): string[] {
  return run.rounds.flatMap(({ side, round, reasons }) =>
    reasons.map(({ message }) => `round ${round} is INVALID (${side}): ${plainText(message)}`),
  );
}

/** What is known of the judge on this host: of a paired comparison; a calibration says nothing of two runs. */
export function calibrationLines(verdict: VerdictDocument): string[] {
  if (verdict.kind !== 'paired') return [];
  const { calibration, benchmark, candidate, baseline } = verdict;
  if (calibration)
    return [
      calibrationWords(
        calibration,
        primaryMetrics(verdict).map(({ name }) => name),
      ),
    ];
  const [own, other] = [candidate.variant, baseline.variant];
  if (own !== other) return []; // a calibration is of one build in one variant against itself
  const variant = own === undefined ? '' : ` --variant=${plainText(own)}`;
  return [
    `no calibration of this benchmark${own === undefined ? '' : ` in ${plainText(own)}`} on this host yet: npm run calibrate -- --benchmark=${plainText(benchmark)}${variant} measures this host's false-alarm rate and the smallest slowdown it detects`,
  ];
}

function calibrationWords(
  { false_alarms: { share, low, high }, decisions, rounds, detects, observations }: CalibrationQuote,
  primary: string[],
): string {
  const known = primary.filter((name) => name in detects);
  const found = known
    .filter((name) => detects[name] !== null)
    .map((name) => `${percentOf(detects[name]!)} % in ${titleOf(name)}`);
  const blind = known.filter((name) => detects[name] === null).map((name) => titleOf(name));
  return [
    `false alarms on this host: ${shareOf(share)} % of ${plural(decisions, 'decision')} from ${plural(rounds, 'round')} (95 % interval ${shareOf(low)} to ${shareOf(high)} %)`,
    ...(found.length > 0 ? [`finds ${found.join(', ')} with 95 % power in ${plural(observations, 'round')}`] : []),
    ...(blind.length > 0 ? [`finds nothing below 100 % in ${blind.join(', ')}`] : []),
  ].join('; ');
}

/** Per cent of a share that may well be 0: 0.0051 is 0.5. */
const shareOf = (share: number): string => String(Number((share * 100).toFixed(share < 0.001 ? 2 : 1)));

/** How a verdict that is open might be decided. */
export function moreLines({ kind, more, observations, method, ...of }: VerdictDocument): string[] {
  if (kind !== 'paired' || more === null) return [];
  const flag = method.design === 'fixed' ? 'rounds' : 'max-rounds';
  const named = ({ ref, commit }: VerdictDocument['candidate']) =>
    commit.startsWith('worktree-') ? ref : shortCommit(commit);
  const [own, other] = [of.candidate.variant, of.baseline.variant];
  const variants = `${own === undefined ? '' : ` --variant=${own}`}${other === undefined || other === own ? '' : ` --against-variant=${other}`}`;
  const command = `npm run bench -- --commit=${named(of.candidate)} --against=${named(of.baseline)}${variants}${benchmarkFlag(of.benchmark)}`;
  return [`about ${more} more probably would decide: ${plainText(command)} --${flag}=${observations + more}`];
}

/** With the verdicts that are shown: what is better on another answer is no IMPROVEMENT. */
export const primaryMetrics = ({ metrics, answers }: VerdictDocument): MetricVerdict[] =>
  inOrder(metrics.filter(({ primary }) => primary)).map((metric) =>
    metric.verdict === 'IMPROVEMENT' && undeclared(answers).length > 0
      ? { ...metric, verdict: 'INCONCLUSIVE' }
      : metric,
  );
export const otherMetrics = ({ metrics }: VerdictDocument): MetricVerdict[] =>
  inOrder(metrics.filter((metric) => !metric.primary && isShown(metric)));

/** Those that people look for and the benchmark's own; the rest is in the JSON. */
export const isShown = ({ name, primary }: Pick<Metric, 'name' | 'primary'>): boolean =>
  primary || name in TITLES || !builtinMetric(name);

/** As people know them, then the benchmark's own. */
export function inOrder<M extends { name: string }>(metrics: readonly M[]): M[] {
  const order = Object.keys(TITLES);
  const place = ({ name }: M) => (name in TITLES ? order.indexOf(name) : order.length);
  return metrics.toSorted((a, b) => place(a) - place(b));
}
