/**
 * Two stored runs, one before and one after -> VerdictDocument. Pure.
 *
 * Two runs feel the host at different times, so their figures alone never decide. Where both were measured against the
 * same baseline, each through rounds that both sides shared, the ratios to it are two samples that the host's drift
 * does not reach: they are told apart by the exact rank-sum test (Holm over the primary metrics), in one look.
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
import { hasRatio, logRatio, observationsOf, pairsOf } from './observations.ts';
import { lowerShift, rankSumP, shifts, upperShift } from './rank-sum.ts';
import { signOf } from './shift.ts';
import { hodgesLehmann } from './signed-rank.ts';
import { median } from './statistics.ts';
import { ALPHA, BETA, holm, LEVEL, noiseOf, STRETCH } from './verdict.ts';

type Kind = 'baseline' | 'levels';
type Finding = NonNullable<MetricVerdict['verdict']>;

/** A metric of both runs: logarithms of its values, or of its ratios to the baseline, turned so that more is worse. */
interface Samples {
  metric: Metric;
  before: number[];
  after: number[];
  shifts: Float64Array;
}

/**
 * `a` stands for the baseline, `b` for the candidate. INVALID where they are not comparable(); INCONCLUSIVE unless both
 * were measured against the same commit.
 */
export function judgeTwoRuns(a: RunDocument, b: RunDocument): VerdictDocument {
  const reasons = comparable(a, b);
  const kind: Kind = a.sides.baseline && a.sides.baseline.commit === b.sides.baseline?.commit ? 'baseline' : 'levels';
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
  const turned = (values: number[]) => values.map((value) => sign * value + 0);
  const [before, after] =
    kind === 'baseline' ? [ratiosOf(a, metric.name), ratiosOf(b, metric.name)] : levelsOf(a, b, metric.name);
  const [left, right] = [turned(before), turned(after)];
  return { metric, before: left, after: right, shifts: shifts(left, right) };
}

const isIncomparable = ({ metrics }: RunDocument, metric: string): boolean =>
  metrics.some(({ name, incomparable }) => name === metric && incomparable !== undefined);

/** None where the sides of the run mean different things by it. */
const ratiosOf = (run: RunDocument, metric: string): number[] =>
  isIncomparable(run, metric)
    ? []
    : pairsOf(observationsOf(run), metric).flatMap((pair) => (pair && hasRatio(pair) ? [logRatio(pair)] : []));

/**
 * Logarithms of the candidates' values, round by round. A 0 has none: nothing is said then, unless there is nothing but
 * zeros.
 */
function levelsOf(a: RunDocument, b: RunDocument, metric: string): [number[], number[]] {
  const values = [a, b].map((run) =>
    countedRounds(run, 'candidate').flatMap(({ samples }) => (samples[metric] ? [samples[metric].value] : [])),
  ) as [number[], number[]];
  const all = values.flat();
  if (all.every((value) => value === 0)) return values;
  return all.every((value) => value > 0) ? [values[0].map(Math.log), values[1].map(Math.log)] : [[], []];
}

interface Tested {
  worse: { rejected: boolean; level: number };
  better: { rejected: boolean; level: number };
}

/** `tested`: null for what is only shown. */
function describe(sample: Samples, a: RunDocument, b: RunDocument, tested: Tested | null): MetricVerdict {
  const { metric, before, after, shifts } = sample;
  const { name, unit, better, primary, margin } = metric;
  const [m, n] = [before.length, after.length];
  const any = m > 0 && n > 0;
  const estimate = any ? hodgesLehmann(shifts) : 0;
  const bounds = tested && any ? boundsOf(sample, estimate, tested) : null;
  const sign = signOf(metric);
  const [low, high] = any
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
    verdict:
      primary && any
        ? tested && bounds
          ? findingOf(tested, better === 'neither' ? Math.abs(estimate) : estimate, bounds, Math.log1p(margin))
          : 'INCONCLUSIVE'
        : null,
    candidate: summarise(b, 'candidate', name)?.median ?? null,
    baseline: summarise(a, 'candidate', name)?.median ?? null,
    change: any ? Math.expm1(sign * estimate) : null,
    interval: Number.isFinite(low) ? { level: LEVEL, low: Math.expm1(low), high: Math.expm1(high) } : null,
    worse: { at_least: bounds && finite(bounds.atLeast), at_most: bounds && finite(bounds.atMost) },
    p: tested && any ? pValues(sample) : null,
    dispersion: null,
    noise: noiseOf([...aroundMiddle(before), ...aroundMiddle(after)]),
    observations: any ? m + n : 0,
    words: '',
  };
  return { ...described, words: effectWords(described) };
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
function findingOf({ worse, better }: Tested, estimate: number, bounds: Bounds, margin: number): Finding {
  if (worse.rejected && bounds.atLeast > 0 && estimate >= margin / 2) return 'REGRESSION';
  if (better.rejected && bounds.better < 0 && estimate <= -margin / 2) return 'IMPROVEMENT';
  return bounds.atMost < margin ? 'PASS' : 'INCONCLUSIVE';
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
      const harms = [...new Set(primary.map(({ name, unit, better }) => harm(name, unit, better)))];
      return `no ${harmsText(harms)} of a primary metric above ${percentOf(Math.max(0, ...primary.map(({ worse }) => worse.at_most ?? 0)))} %`;
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
  for (const { name } of metrics.filter(({ primary, change }) => primary && change === null))
    notes.push(`${titleOf(name)} is primary and has no value to compare`);
  if (kind === 'levels')
    for (const { name, candidate } of metrics.filter(({ primary }) => primary))
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
