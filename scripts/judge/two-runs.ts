/**
 * Two stored runs, one before and one after -> VerdictDocument. Pure.
 *
 * Two runs feel the host at different times, so their figures alone never decide. Where both were measured against the
 * same baseline, each through rounds that both sides shared, the ratios to it are two samples that the host's drift
 * does not reach: they are told apart by the exact rank-sum test (Holm over the primary metrics), in one look. A metric
 * without ratios is told apart by its differences from the baseline, by the same test; which of the two it is hangs on
 * the rounds of both runs together, whichever run each is of.
 */
import { benchmarkFlag } from '../config/flags.ts';
import { plural } from '../core/text.ts';
import type { Metric, RunDocument } from '../documents/run.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../documents/verdict.ts';
import { type ComparedAnswers, compareAnswers } from './answers.ts';
import { answerNotes, answersFirst, withAnswers } from './answers-verdict.ts';
import { comparable, countedRounds, summarise } from './compare-runs.ts';
import { effectWords, harm, harmsText, percentOf, titleOf } from './effect-text.ts';
import { nameOf } from './judge-run.ts';
import { hasRatio, logRatio, observationsOf, type Pair, pairsOf } from './observations.ts';
import { lowerShift, rankSumP, shifts, upperShift } from './rank-sum.ts';
import { GAPS, lacksRatios, mean, signOf } from './shift.ts';
import { hodgesLehmann } from './signed-rank.ts';
import { median } from './statistics.ts';
import { ALPHA, BETA, holm, LEVEL, noiseOf, STRETCH } from './verdict.ts';

type Kind = 'baseline' | 'levels';
type Finding = NonNullable<MetricVerdict['verdict']>;

/** One run's observations of a metric: what is tested, and the candidate's values behind it. */
interface Sample {
  tested: number[];
  values: number[];
}

/**
 * A metric of both runs, turned so that more is worse: logarithms of its values, or of its ratios to the baseline; where
 * there are no ratios the values, or the differences from the baseline.
 */
interface Samples {
  metric: Metric;
  isDifference: boolean;
  before: number[];
  after: number[];
  /** The candidates' own values. */
  values: { before: number[]; after: number[] };
  shifts: Float64Array;
}

/**
 * `a` stands for the baseline, `b` for the candidate. INVALID where they are not comparable(); INCONCLUSIVE unless both
 * were measured against the same commit.
 */
export function judgeTwoRuns(a: RunDocument, b: RunDocument): VerdictDocument {
  const reasons = comparable(a, b);
  const [before, after] = [a, b].map(({ sides: { baseline } }) => baseline);
  const isShared = before && before.commit === after?.commit && before.variant === after.variant;
  const kind: Kind = isShared ? 'baseline' : 'levels';
  const metrics = reasons.length > 0 ? [] : judgeMetrics(a, b, kind);
  const found = combine(metrics);
  const answers = reasons.length > 0 ? NOT_COMPARED : compareAnswersOf(a, b);
  const verdict = reasons.length > 0 ? 'INVALID' : withAnswers(found, answers.differences);
  const observations = countOf(a, kind) + countOf(b, kind);
  return {
    schema: 'mayfly.verdict/v1',
    verdict,
    summary:
      verdict === 'INVALID'
        ? sentence(verdict, metrics, reasons, kind)
        : answersFirst(verdict, found, answers.differences, sentence(found, metrics, reasons, kind)),
    kind,
    run_id: b.run_id,
    other_run_id: a.run_id,
    benchmark: b.benchmark,
    candidate: nameOf(b.sides.candidate),
    baseline: nameOf(a.sides.candidate),
    pairing: b.pairing,
    method: {
      name: 'mayfly.judge/v1',
      design: 'fixed',
      alpha: ALPHA,
      beta: BETA,
      min: Math.max(1, observations),
      max: Math.max(1, observations),
      looks: observations > 0 ? [observations] : [],
    },
    observations,
    invalid_rounds: invalidRounds(a) + invalidRounds(b),
    more: null,
    reasons,
    notes: reasons.length > 0 ? [] : [...notesOf(a, b, kind, metrics), ...answerNotes(answers)],
    metrics,
    ...(answers.differences.length > 0 ? { answers: answers.differences } : {}),
  };
}

const NOT_COMPARED: ComparedAnswers = { differences: [], note: null };

/** Round by round, in their order: what they answer does not follow the host. */
function compareAnswersOf(a: RunDocument, b: RunDocument): ComparedAnswers {
  const [before, after] = [countedRounds(a, 'candidate'), countedRounds(b, 'candidate')];
  return compareAnswers(
    after.slice(0, before.length).map((round, i) => ({ candidate: [round], baseline: [before[i]!] })),
    [...(a.answers_differ ?? []), ...(b.answers_differ ?? [])],
  );
}

function judgeMetrics(a: RunDocument, b: RunDocument, kind: Kind): MetricVerdict[] {
  const samples = b.metrics
    .map((metric) => samplesOf(metric, a, b, kind))
    .filter(({ metric, shifts }) => metric.primary || shifts.length > 0);
  const primary = samples.filter(({ metric }) => metric.primary);
  const ps = primary.map(pValues);
  const worse = holm(
    ps.map((p) => p.worse),
    ALPHA,
  );
  const better = holm(
    ps.map((p) => p.better),
    ALPHA,
  );
  return samples.map((sample) => {
    const place = primary.indexOf(sample);
    const tested = kind === 'baseline' && place >= 0 ? { worse: worse[place]!, better: better[place]! } : null;
    return describe(sample, a, b, tested);
  });
}

/** Where neither direction is better, a change either way is tested for as what is worse. */
function pValues({ metric, before, after }: Samples): NonNullable<MetricVerdict['p']> {
  const [up, down] = [rankSumP(before, after), rankSumP(after, before)];
  return metric.better === 'neither'
    ? { worse: Math.min(1, 2 * Math.min(up, down)), better: 1 }
    : { worse: up, better: down };
}

function samplesOf(metric: Metric, a: RunDocument, b: RunDocument, kind: Kind): Samples {
  const sign = signOf(metric);
  const turned = ({ tested }: Sample) => tested.map((value) => sign * value + 0);
  const { isDifference, before, after } = (kind === 'baseline' ? againstBaseline : levelsOf)(a, b, metric.name);
  const [left, right] = [turned(before), turned(after)];
  return {
    metric,
    isDifference,
    before: left,
    after: right,
    values: { before: before.values, after: after.values },
    shifts: shifts(left, right),
  };
}

interface BothSamples {
  isDifference: boolean;
  before: Sample;
  after: Sample;
}

const isIncomparable = ({ metrics }: RunDocument, metric: string): boolean =>
  metrics.some(({ name, incomparable }) => name === metric && incomparable !== undefined);

/** None of a run whose sides mean different things by it. */
function againstBaseline(a: RunDocument, b: RunDocument, metric: string): BothSamples {
  const [before, after] = [a, b].map((run) =>
    isIncomparable(run, metric) ? [] : pairsOf(observationsOf(run), metric).filter((pair) => pair !== null),
  ) as [Pair[], Pair[]];
  const isDifference = before.length > 0 && after.length > 0 && lacksRatios([...before, ...after]);
  const sample = (pairs: Pair[]): Sample => {
    const kept = isDifference ? pairs : pairs.filter(hasRatio);
    return {
      tested: kept.map((pair) => (isDifference ? pair.candidate - pair.baseline : logRatio(pair))),
      values: kept.map(({ candidate }) => candidate),
    };
  };
  return { isDifference, before: sample(before), after: sample(after) };
}

/** The candidates' values, round by round: their logarithms, unless one has none. */
function levelsOf(a: RunDocument, b: RunDocument, metric: string): BothSamples {
  const [before, after] = [a, b].map((run) =>
    countedRounds(run, 'candidate').flatMap(({ samples }) => (samples[metric] ? [samples[metric].value] : [])),
  ) as [number[], number[]];
  const all = [...before, ...after];
  const isDifference =
    before.length > 0 && after.length > 0 && all.some((value) => value <= 0) && all.some((value) => value !== 0);
  const sample = (values: number[]): Sample => ({
    tested: values.map((value) => (isDifference || value === 0 ? value : Math.log(value))),
    values,
  });
  return { isDifference, before: sample(before), after: sample(after) };
}

interface Tested {
  worse: { rejected: boolean; level: number };
  better: { rejected: boolean; level: number };
}

/** `tested`: null for what is only shown. */
function describe(sample: Samples, a: RunDocument, b: RunDocument, tested: Tested | null): MetricVerdict {
  const { metric, isDifference, before, after, values, shifts } = sample;
  const { name, unit, better, primary, margin } = metric;
  const [m, n] = [before.length, after.length];
  const any = m > 0 && n > 0;
  const estimate = any ? hodgesLehmann(shifts) : 0;
  const bounds = tested && any ? boundsOf(sample, estimate, tested) : null;
  const sign = signOf(metric);
  const [low, high] =
    any && !isDifference
      ? ([lowerShift, upperShift]
          .map((bound) => sign * bound(shifts, m, n, (1 - LEVEL) / 2))
          .sort((one, other) => one - other) as [number, number])
      : [-Infinity, Infinity];
  const described: MetricVerdict = {
    name,
    unit,
    better,
    primary,
    margin,
    verdict: primary && any ? (tested && bounds ? findingOf(sample, tested, bounds) : 'INCONCLUSIVE') : null,
    candidate: isDifference ? mean(values.after) : (summarise(b, 'candidate', name)?.median ?? null),
    baseline: isDifference ? mean(values.before) : (summarise(a, 'candidate', name)?.median ?? null),
    change: any && !isDifference ? Math.expm1(sign * estimate) : null,
    ...(isDifference ? { difference: differenceOf(sample) } : {}),
    interval: Number.isFinite(low) ? { level: LEVEL, low: Math.expm1(low), high: Math.expm1(high) } : null,
    worse: isDifference
      ? { at_least: null, at_most: null }
      : { at_least: bounds && finite(bounds.atLeast), at_most: bounds && finite(bounds.atMost) },
    p: tested && any ? pValues(sample) : null,
    dispersion: null,
    noise: isDifference ? null : noiseOf([...aroundMiddle(before), ...aroundMiddle(after)]),
    observations: any ? m + n : 0,
    words: '',
  };
  return { ...described, words: effectWords(described) };
}

/** Every observation of the one run beside every one of the other, in the direction of the value. */
function differenceOf({ metric, before, after, shifts }: Samples): NonNullable<MetricVerdict['difference']> {
  const worse = shifts.filter((shift) => shift > 0).length;
  const better = shifts.filter((shift) => shift < 0).length;
  const [more, less] = signOf(metric) > 0 ? [worse, better] : [better, worse];
  return { change: signOf(metric) * (mean(after) - mean(before)) + 0, more, less, pairs: shifts.length };
}

interface Bounds {
  atLeast: number;
  atMost: number;
  /** At most so much worse, as sure as IMPROVEMENT must be. */
  better: number;
}

function boundsOf({ metric, before, after, shifts }: Samples, estimate: number, { worse, better }: Tested): Bounds {
  const [m, n] = [before.length, after.length];
  const stretched = (bound: number) => estimate + STRETCH * (bound - estimate);
  if (metric.better === 'neither') {
    const half = worse.level / 2;
    const [low, high] = [lowerShift(shifts, m, n, half), upperShift(shifts, m, n, half)].map(stretched);
    const most = Math.max(upperShift(shifts, m, n, BETA), -lowerShift(shifts, m, n, BETA));
    return { atLeast: Math.max(low!, -high!), atMost: most, better: Infinity };
  }
  return {
    atLeast: stretched(lowerShift(shifts, m, n, worse.level)),
    atMost: upperShift(shifts, m, n, BETA),
    better: stretched(upperShift(shifts, m, n, better.level)),
  };
}

/** By the rules of the judge of one run. */
function findingOf(sample: Samples, { worse, better }: Tested, bounds: Bounds): Finding {
  const { metric, isDifference, before, after, values, shifts } = sample;
  const shift = isDifference ? mean(after) - mean(before) : hodgesLehmann(shifts);
  const effect = metric.better === 'neither' ? Math.abs(shift) : shift;
  const margin = isDifference ? metric.margin * mean(values.before.map(Math.abs)) : Math.log1p(metric.margin);
  if (worse.rejected && bounds.atLeast > 0 && effect >= margin / 2) return 'REGRESSION';
  if (better.rejected && bounds.better < 0 && effect <= -margin / 2) return 'IMPROVEMENT';
  return (isDifference ? excludesMargin(sample) : bounds.atMost < margin) ? 'PASS' : 'INCONCLUSIVE';
}

/**
 * Whether the differences exclude a change for the worse by the margin of the earlier run's own values; where neither
 * direction is better, either way. Where next to nothing differs from the baseline at all there is no such change.
 */
function excludesMargin({ metric, before, after, values }: Samples): boolean {
  const [m, n] = [before.length, after.length];
  const few = [...before, ...after].filter((value) => value !== 0).length <= GAPS * (m + n);
  const within = (sign: 1 | -1) => {
    const limits = before.map((value, i) => sign * value + metric.margin * Math.abs(values.before[i]!));
    const beyond = shifts(
      limits,
      after.map((value) => sign * value),
    );
    const bound = upperShift(beyond, m, n, BETA);
    return few ? bound <= 0 : bound < 0;
  };
  return within(1) && (metric.better !== 'neither' || within(-1));
}

function combine(metrics: readonly MetricVerdict[]): Exclude<Verdict, 'INVALID'> {
  const found = metrics.filter(({ primary }) => primary).map(({ verdict }) => verdict);
  if (found.includes('REGRESSION')) return 'REGRESSION';
  if (found.length === 0 || found.includes('INCONCLUSIVE') || found.includes(null)) return 'INCONCLUSIVE';
  return found.includes('IMPROVEMENT') ? 'IMPROVEMENT' : 'PASS';
}

function sentence(verdict: Verdict, metrics: readonly MetricVerdict[], reasons: readonly string[], kind: Kind): string {
  const primary = metrics.filter((metric) => metric.primary);
  const found = (wanted: Verdict) =>
    primary
      .filter((metric) => metric.verdict === wanted)
      .map(({ name, words }) => `${titleOf(name)}: ${words}`)
      .join('; ');
  switch (verdict) {
    case 'INVALID':
      return `they cannot be compared: ${reasons[0]}${reasons.length > 1 ? ` (and ${plural(reasons.length - 1, 'other reason')})` : ''}`;
    case 'PASS': {
      const bounded = primary.filter(({ difference }) => !difference);
      const widest = Math.max(0, ...bounded.map(({ worse }) => worse.at_most ?? 0));
      const harms = [...new Set(bounded.map(({ name, unit, better }) => harm(name, unit, better)))];
      return [
        ...(bounded.length > 0 ? [`no ${harmsText(harms)} of a primary metric above ${percentOf(widest)} %`] : []),
        ...primary.filter(({ difference }) => difference).map(({ name, words }) => `${titleOf(name)}: ${words}`),
      ].join('; ');
    }
    case 'INCONCLUSIVE':
      return [
        kind === 'levels' ? 'two runs at different times cannot decide' : 'not decided by the rounds of the two runs',
        found('INCONCLUSIVE'),
      ]
        .filter(Boolean)
        .join('; ');
    default:
      return [found(verdict), verdict === 'REGRESSION' && found('IMPROVEMENT') ? `but ${found('IMPROVEMENT')}` : '']
        .filter(Boolean)
        .join('; ');
  }
}

function notesOf(a: RunDocument, b: RunDocument, kind: Kind, metrics: readonly MetricVerdict[]): string[] {
  const [before, after] = [a.sides.candidate, b.sides.candidate];
  const instead = `npm run bench -- --commit=${reach(after)} --against=${reach(before)}${benchmarkFlag(b.benchmark)}`;
  const notes: string[] = [];
  if (kind === 'levels')
    notes.push(
      `the rounds of one run share the state of the host at its time, so neither figures nor intervals decide; ${instead} measures both in the same moments`,
    );
  else
    notes.push(
      'the changes are of the ratios to the baseline that both runs share, so what the host did in between is not in them',
    );
  if (kind === 'baseline' && (endedEarly(a) || endedEarly(b)))
    notes.push(`a run that ends as soon as it is decided overstates what it found; ${instead} is free of that`);
  if (before.commit === after.commit)
    notes.push('both runs are of the same build: whatever is found is an error of the measurement');
  if (!metrics.some(({ primary }) => primary))
    notes.push('no metric of this benchmark is primary, so nothing can decide: set primary: true in benchmark.yaml');
  for (const { name } of metrics.filter(({ primary, difference }) => primary && difference))
    notes.push(
      `${titleOf(name)} is 0 at times, or below it, where there is no ratio: it is ${kind === 'baseline' ? 'judged on its difference from the baseline' : 'told by its difference'}, and its values are means over the rounds`,
    );
  for (const { name } of metrics.filter(({ primary, change, difference }) => primary && change === null && !difference))
    notes.push(`${titleOf(name)} is primary and has no value to compare`);
  if (kind === 'levels')
    for (const { name, candidate } of metrics.filter(({ primary, difference }) => primary && !difference))
      if (liesOutside(candidate, a, name))
        notes.push(
          `${titleOf(name)}: the median of the later run lies outside everything that the rounds of the earlier one showed`,
        );
  return notes;
}

/** What --commit or --against takes to measure it again. */
const reach = ({ ref, commit }: { ref: string; commit: string }): string =>
  commit.startsWith('worktree-') ? ref : commit;

const endedEarly = (run: RunDocument): boolean =>
  run.comparison?.design === 'sequential' && observationsOf(run).length < run.comparison.max;

function liesOutside(value: number | null, run: RunDocument, metric: string): boolean {
  const range = summarise(run, 'candidate', metric);
  return value !== null && range !== null && (value < range.min || value > range.max);
}

const countOf = (run: RunDocument, kind: Kind): number =>
  kind === 'baseline' ? observationsOf(run).length : countedRounds(run, 'candidate').length;
const invalidRounds = (run: RunDocument): number =>
  new Set(run.rounds.filter(({ valid }) => !valid).map(({ round }) => round)).size;
const finite = (log: number): number | null => (Number.isFinite(log) ? Math.expm1(log) : null);
const aroundMiddle = (values: number[]): number[] => values.map((value) => value - median(values)!);
