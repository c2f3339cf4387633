/**
 * RunDocument -> VerdictDocument: what a comparison decided, and in words. Pure: the same stored rounds give the same
 * verdict years later.
 */
import { isOwn } from '../config/metric-defaults.ts';
import { plural } from '../core/text.ts';
import type { CalibrationQuote } from '../documents/calibration.ts';
import type { Comparison, RunDocument, SideName } from '../documents/run.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../documents/verdict.ts';
import { compareAnswers } from './answers.ts';
import { answerNotes, answersFirst, withAnswers } from './answers-verdict.ts';
import { attributionOf } from './attribution.ts';
import { summarise as summariseSide } from './compare-runs.ts';
import { harm, harmsText, percentOf, titleOf } from './effect-text.ts';
import { type Observation, observationsOf, pairsOf } from './observations.ts';
import { median } from './statistics.ts';
import { ALPHA, BETA, type Judgement, judge, type MetricPairs } from './verdict.ts';

/** What a run of two sides was meant to be; one from before there was a verdict has one look, at its end. */
export function designOf(run: RunDocument, observed: number): Comparison {
  return run.comparison ?? { design: 'fixed', min: Math.max(1, observed), max: Math.max(1, observed) };
}

/** The values of every metric that the run has, observation by observation. */
export function metricPairs(run: RunDocument, observations: readonly Observation[]): MetricPairs[] {
  return run.metrics
    .map((metric) => ({ metric, pairs: pairsOf(observations, metric.name) }))
    .filter(({ metric, pairs }) => metric.primary || isOwn(metric) || pairs.some((pair) => pair !== null));
}

/** What the rounds that there are say so far. `ended`: no more will come. */
export function judgeSoFar(run: RunDocument, ended: boolean): Judgement {
  const observations = observationsOf(run);
  return judge(metricPairs(run, observations), designOf(run, observations.length), ended);
}

/**
 * The verdict on a run of two sides. A run that was interrupted keeps what is left of its error for the rounds to come:
 * it can be continued.
 */
export function judgeRun(run: RunDocument, calibration?: CalibrationQuote): VerdictDocument {
  const { candidate, baseline } = run.sides;
  if (!baseline) throw new TypeError(`run ${run.run_id} has one side: there is nothing to compare`);
  const observations = observationsOf(run);
  const { design, min, max } = designOf(run, observations.length);
  const judged = judge(metricPairs(run, observations), { design, min, max }, run.status === 'complete');
  const reasons = judged.decided ? [] : invalidReasons(run, judged.observations);
  const counted = observations.slice(0, judged.observations);
  const answers = compareAnswers(counted, run.answers_differ);
  const attribution = attributionOf(counted);
  const { differences } = answers;
  const verdict: Verdict = reasons.length > 0 ? 'INVALID' : withAnswers(judged.verdict, differences);
  return {
    schema: 'mayfly.verdict/v1',
    verdict,
    summary:
      verdict === 'INVALID'
        ? summarise(verdict, judged, reasons, run)
        : answersFirst(verdict, judged.verdict, differences, summarise(judged.verdict, judged, reasons, run)),
    kind: 'paired',
    run_id: run.run_id,
    benchmark: run.benchmark,
    candidate: nameOf(candidate),
    baseline: nameOf(baseline),
    pairing: run.pairing,
    method: { name: 'mayfly.judge/v1', design, alpha: ALPHA, beta: BETA, min, max, looks: judged.looks },
    observations: judged.observations,
    invalid_rounds: new Set(run.rounds.filter(({ valid }) => !valid).map(({ round }) => round)).size,
    more: verdict === 'INCONCLUSIVE' ? judged.more : null,
    reasons,
    notes: [...notesOf(run, verdict, judged), ...answerNotes(answers)],
    metrics: judged.metrics,
    ...(differences.length > 0 ? { answers: differences } : {}),
    ...(attribution ? { attribution } : {}),
    ...(calibration ? { calibration } : {}),
  };
}

export const nameOf = ({
  ref,
  commit,
  subject,
  variant,
}: RunDocument['sides']['candidate']): VerdictDocument['candidate'] => ({
  ref,
  commit,
  ...(subject === undefined ? {} : { subject }),
  ...(variant === undefined ? {} : { variant }),
});

/** Why a run was not measured: too many rounds were INVALID, or it failed before one counted. */
function invalidReasons({ status, status_reason: why, rounds }: RunDocument, observations: number): string[] {
  if (status === 'failed' && observations === 0) return [why ?? 'no reason is known'];
  if (status !== 'invalid') return [];
  const reasons = [
    ...(why === undefined ? [] : [why]),
    ...rounds.flatMap(({ round, side, reasons }) =>
      reasons.map(({ message }) => `round ${round}, ${side}: ${message}`),
    ),
  ];
  return reasons.length > 0 ? reasons : ['too few rounds were valid'];
}

function notesOf(run: RunDocument, verdict: Verdict, judged: Judgement): string[] {
  const notes: string[] = [...(run.notes ?? [])];
  if (!run.metrics.some(({ primary }) => primary))
    notes.push('no metric of this benchmark is primary, so nothing can decide: set primary: true in benchmark.yaml');
  if (verdict === 'INVALID' && judged.observations === 0) return notes; // nothing has a value
  for (const words of leftOut(judged.metrics, run)) notes.push(words);
  for (const { name, primary, incomparable } of judged.metrics)
    if (incomparable !== undefined && !primary) notes.push(`${titleOf(name)} is not comparable: ${incomparable}`);
  for (const { name } of judged.metrics.filter(({ primary, difference }) => primary && difference))
    notes.push(
      `${titleOf(name)} is 0 on one side, or below it, where there is no ratio: it is judged on its difference, and its values are means over the ${unitOf(run)}s`,
    );
  for (const { name, observations } of judged.metrics.filter(
    ({ primary, change, observations }) => primary && change !== null && observations < judged.observations,
  )) {
    notes.push(
      `${titleOf(name)} can be compared in ${observations} of ${judged.observations} ${unitOf(run)}s only: the others have no value, or a 0 on one side alone`,
    );
  }
  const { candidate, baseline } = run.sides;
  if (candidate.commit === baseline?.commit && candidate.variant === baseline.variant)
    notes.push('both sides are the same build: whatever is found is an error of the measurement');
  if (verdict === 'INCONCLUSIVE' && (run.status === 'interrupted' || run.status === 'failed'))
    notes.push(`the run ended early: npm run bench -- --resume=${run.run_id} goes on with it`);
  const p99 = judged.metrics.find(({ name, primary }) => primary && /_p99$/.test(name));
  const requests = requestsOf(run);
  if (p99 && requests < LEAST_REQUESTS_P99)
    notes.push(
      `${titleOf(p99.name)} of ${Math.round(requests)} requests is a matter of luck: it needs ${LEAST_REQUESTS_P99} or more for each side and round`,
    );
  return notes;
}

/** Requests of a side and round: those that were due, or those that there were where no schedule says it. */
export const requestsOf = ({ load, rounds }: Pick<RunDocument, 'load' | 'rounds'>): number =>
  load.rate > 0
    ? load.rate * load.duration_s
    : (median(
        rounds
          .filter(({ valid }) => valid)
          .map(({ samples, window_s }) => (samples.request_rate?.value ?? 0) * window_s),
      ) ?? 0);

/** A 99th percentile wants about 100 values beyond it. */
export const LEAST_REQUESTS_P99 = 10_000;

/** Primary metrics that no verdict is made of, and why: the others decide. */
function leftOut(metrics: readonly MetricVerdict[], run: RunDocument): string[] {
  const has = (side: SideName, name: string) => summariseSide(run, side, name) !== null;
  return metrics
    .filter(({ primary, change, difference }) => primary && change === null && !difference)
    .map(({ name, incomparable }) => {
      const without = SIDES.filter((side) => !has(side, name));
      const why =
        incomparable ??
        (without.length === 1
          ? `the ${without[0]} has no value of it`
          : without.length === 2
            ? 'neither side has a value of it'
            : 'no round has a value of both sides');
      return `${titleOf(name)} is not judged: ${why}`;
    });
}

const SIDES = ['candidate', 'baseline'] as const;

const unitOf = ({ pairing }: RunDocument) => (pairing === 'alternating' ? 'block' : 'round');

/** The sentence, and what it is not about. */
const summarise = (verdict: Verdict, judged: Judgement, reasons: string[], run: RunDocument): string =>
  [
    sentenceOf(verdict, judged, reasons, run),
    ...(verdict === 'INVALID' || judged.observations === 0 ? [] : leftOut(judged.metrics, run)),
  ].join('; ');

function sentenceOf(
  verdict: Verdict,
  { metrics, observations, more }: Judgement,
  reasons: string[],
  run: RunDocument,
): string {
  const primary = metrics.filter((metric) => metric.primary);
  const found = (wanted: MetricVerdict['verdict']) =>
    primary
      .filter((metric) => metric.verdict === wanted)
      .map((metric) => `${titleOf(metric.name)}: ${metric.words}`)
      .join('; ');
  switch (verdict) {
    case 'INVALID':
      return `it was not measured: ${reasons[0]}${reasons.length > 1 ? ` (and ${plural(reasons.length - 1, 'other reason')})` : ''}`;
    case 'REGRESSION':
      return [
        found('REGRESSION'),
        primary.some((metric) => metric.verdict === 'IMPROVEMENT') ? `but ${found('IMPROVEMENT')}` : '',
      ]
        .filter(Boolean)
        .join('; ');
    case 'IMPROVEMENT':
      return found('IMPROVEMENT');
    case 'PASS': {
      const passed = primary.filter((metric) => metric.verdict === 'PASS' && !metric.difference);
      const widest = Math.max(0, ...passed.map((metric) => metric.worse.at_most ?? 0));
      const harms = [...new Set(passed.map(({ name, unit, better }) => harm(name, unit, better)))];
      const different = primary.filter(({ difference }) => difference);
      return [
        ...(passed.length > 0 ? [`no ${harmsText(harms)} of a primary metric above ${percentOf(widest)} %`] : []),
        ...different.map(({ name, words }) => `${titleOf(name)}: ${words}`),
      ].join('; ');
    }
    case 'INCONCLUSIVE': {
      const open = primary
        .filter((metric) => metric.verdict === 'INCONCLUSIVE')
        .map(({ name, words }) => `${titleOf(name)}: ${words}`);
      const next = more === null ? 'more probably would not decide' : `about ${more} more probably would`;
      return `Not decided after ${plural(observations, unitOf(run))}; ${next}.${open.length > 0 ? ` So far: ${open.join('; ')}` : ''}`;
    }
  }
}
