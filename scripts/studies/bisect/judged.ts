/** What a comparison says to the search. Pure. */

import type { Metric } from '../../documents/run.ts';
import type { MetricVerdict, VerdictDocument } from '../../documents/verdict.ts';
import { shortCommit } from '../../engine/names.ts';
import { undeclared } from '../../judge/answers-verdict.ts';
import { percentOf, titleOf } from '../../judge/effect-text.ts';
import {
  type BisectAnswer,
  type BisectComparison,
  type BisectDocument,
  type Judged,
  shareOfEffect,
  stepText,
} from '../../report/bisect-text.ts';
import { type Finding, type Found, type Next, next } from './bisect-search.ts';

/**
 * The margin of the search, as a part of the effect found (of its logarithm): what is under half of it is fast, and a
 * PASS excludes most of the effect.
 */
const MARGIN = 0.8;
/** A first slow commit that brings less than this part of the effect is not all of it. */
const WHOLE = 0.7;

/**
 * The metric by which to search, and its margin: of those that became worse the one that stands out most from its
 * noise. Null where none did, or only its dispersion.
 */
export function judgedBy({ metrics }: VerdictDocument): Judged | null {
  const worse = metrics
    .filter((metric) => metric.primary && isShift(metric))
    .sort((a, b) => standingOut(b) - standingOut(a));
  const [metric, ...others] = worse;
  if (!metric) return null;
  const { name, unit, better, change } = metric;
  return {
    name,
    unit,
    better,
    change: change!,
    margin: Math.expm1(MARGIN * effect(metric)),
    others: others.map((other) => other.name),
  };
}

/** Worse by its level, not by how much it varies: only that has a size to search by. */
export const isShift = ({ verdict, worse }: Pick<MetricVerdict, 'verdict' | 'worse'>) =>
  verdict === 'REGRESSION' && (worse.at_least ?? 0) > 0;

/** Logarithm of the relative change, above 0 where it is worse; its size where neither direction is better. */
function effect({ change, better }: MetricVerdict): number {
  const log = Math.log1p(change ?? 0);
  return { lower: log, higher: -log, neither: Math.abs(log) }[better];
}
const standingOut = (metric: MetricVerdict) => effect(metric) / Math.max(metric.noise ?? 0, 1e-9);

/** The metrics of a comparison of the search: one gates, the others are shown. */
export function metricsOf(metrics: readonly Metric[], judged: Pick<Judged, 'name'> & Partial<Judged>): Metric[] {
  return metrics.map((metric) => {
    if (metric.name !== judged.name) return { ...metric, primary: false };
    return {
      ...metric,
      primary: true,
      ...(judged.margin === undefined ? {} : { margin: judged.margin, margin_from: 'benchmark' as const }),
    };
  });
}

/** What a verdict says of a build; one that only varies more is neither slow nor fast. */
export function foundBy({
  verdict,
  metrics,
  answers,
}: Pick<VerdictDocument, 'verdict' | 'metrics' | 'answers'>): Found {
  if (verdict === 'REGRESSION') return metrics.some((metric) => metric.primary && isShift(metric)) ? 'slow' : 'skipped';
  // Faster with other bodies is no improvement, but not slow either.
  const isDecided = metrics.every((metric) => !metric.primary || /^(PASS|IMPROVEMENT)$/.test(metric.verdict ?? ''));
  const sizesOnly = answers !== undefined && undeclared(answers).every(({ what }) => what === 'size');
  return verdict === 'PASS' || verdict === 'IMPROVEMENT' || (verdict === 'INCONCLUSIVE' && sizesOnly && isDecided)
    ? 'fast'
    : 'skipped';
}

/** The comparison that is asked for by the numbers of two builds, by the first commit of each. */
export function commitsOf(
  { commits }: Pick<BisectDocument, 'commits'>,
  { build, against }: { build: number; against: number },
): { candidate: string; baseline: string } {
  const first = (wanted: number) => commits.find((one) => one.build === wanted)!.commit;
  return { candidate: first(build), baseline: first(against) };
}

/** What is known, by the numbers of the builds. */
export function findings({ commits, comparisons }: Pick<BisectDocument, 'commits' | 'comparisons'>): Finding[] {
  const build = (commit: string) => commits.find((one) => one.commit === commit)!.build;
  return comparisons.map(({ candidate, baseline, found }) => ({
    build: build(candidate),
    against: build(baseline),
    found,
  }));
}

/** The next comparison, or the answer. */
export function nextStep(
  bisection: BisectDocument,
): Extract<Next, { step: 'compare' }> | { step: 'end'; answer: BisectAnswer } {
  const last = bisection.commits.at(-1)!.build;
  if (last === 0) return end('same-build', [], 'no commit between the two changes what the services are built from');
  const step = next(last, findings(bisection));
  switch (step.step) {
    case 'compare':
      return step;
    case 'nothing':
      return end(step.found === 'fast' ? 'not-slower' : 'undecided', [], wholeSentence(bisection.comparisons[0]!));
    case 'answer':
      return found(step, bisection);
  }
}

const end = (outcome: BisectAnswer['outcome'], commits: string[], summary: string) => ({
  step: 'end' as const,
  answer: { outcome, commits, summary },
});

function wholeSentence({ verdict, words }: BisectComparison): string {
  const advice =
    verdict === 'PASS' || verdict === 'IMPROVEMENT'
      ? 'is an effect as small as the one you look for within the margins of benchmark.yaml?'
      : 'more rounds (--max-rounds, --max-minutes) or a longer --duration may tell';
  return `the bad commit against the good one is ${verdict} (${words}); ${advice}`;
}

function found({ after, upTo, verified }: Extract<Next, { step: 'answer' }>, bisection: BisectDocument) {
  const judged = bisection.judged!;
  const suspects = Array.from(
    { length: upTo - after },
    (_, i) => commitsOf(bisection, { build: after + 1 + i, against: 0 }).candidate,
  );
  const what = titleOf(judged.name);
  if (suspects.length > 1)
    return end(
      'range',
      suspects,
      `${what} became ${percentOf(judged.change)} % worse in one of ${suspects.length} commits; those between could not be measured`,
    );
  const { candidate, baseline } = commitsOf(bisection, { build: upTo, against: after });
  const { change, words, verdict } = bisection.comparisons.find(
    (one) => one.candidate === candidate && one.baseline === baseline,
  )!;
  const parent = shortCommit(baseline);
  if (verified === 'skipped')
    return end(
      'unverified',
      suspects,
      `against the build before it (${parent}) the comparison is ${verdict ?? 'not there'} (${words}), so it is not sure`,
    );
  if (verified === 'fast')
    return end(
      'several-steps',
      suspects,
      `${what} became worse in several steps: this commit brings ${stepText(change, judged.change)} (${words})`,
    );
  const rest =
    change !== null && shareOfEffect(change, judged.change) < WHOLE
      ? `; it brings ${stepText(change, judged.change)}, the rest came in other commits (--good=${shortCommit(candidate)} searches after it)`
      : '';
  return end('culprit', suspects, `${what} ${words}, verified against the build before it (${parent})${rest}`);
}
