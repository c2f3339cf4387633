/** A calibration as text for a terminal. Pure. */

import type { CalibrationDocument } from '../documents/calibration.ts';
import { shortCommit } from '../engine/names.ts';
import { CAPS, LARGEST_SLOWDOWN, POWER, ROUGH_OBSERVATIONS } from '../judge/calibration.ts';
import { titleOf } from '../judge/effect-text.ts';
import { ALPHA, LEVEL } from '../judge/verdict.ts';
import { columns, styled } from './columns.ts';
import { formatDifference, formatPercent, NO_VALUE } from './units.ts';

type Options = { color: boolean };
type CalibratedMetric = CalibrationDocument['metrics'][number];

export function calibrationText(calibration: CalibrationDocument, options: Options): string {
  return [
    ...heading(calibration, options),
    '',
    ...errors(calibration),
    '',
    table(calibration, options),
    '',
    ...legend(calibration),
    ...reasons(calibration),
    '',
    ...next(calibration),
  ].join('\n');
}

const unitOf = ({ pairing }: CalibrationDocument): string => (pairing === 'alternating' ? 'blocks' : 'rounds');

function heading(calibration: CalibrationDocument, { color }: Options): string[] {
  const { benchmark, commit, rounds, run_id, pairing, host_id } = calibration;
  const rough =
    rounds < ROUGH_OBSERVATIONS
      ? [`The figures are rough: ${rounds} ${unitOf(calibration)} are fewer than ${ROUGH_OBSERVATIONS}.`]
      : [];
  return [
    styled('bold', `${benchmark} at ${shortCommit(commit)} against itself`, color),
    `${rounds} ${pairing} ${unitOf(calibration)} of run ${run_id} on host ${host_id}`,
    ...rough,
  ];
}

function errors(calibration: CalibrationDocument): string[] {
  const { decisions, false_alarms, false_improvements, length } = calibration;
  const line = ({ share, low, high }: CalibrationDocument['false_alarms']) =>
    `${Math.round(share * decisions)} of ${decisions.toLocaleString('en')}, ${formatPercent(share)} (${LEVEL * 100} % interval ${formatPercent(low)} to ${formatPercent(high)})`;
  const favoured = calibration.metrics.filter(
    ({ primary, difference }) => primary && difference && (difference.low > 0 || difference.high < 0),
  );
  return [
    `false REGRESSION   ${line(false_alarms)}; designed for at most ${formatPercent(ALPHA)}`,
    ...(false_improvements ? [`false IMPROVEMENT  ${line(false_improvements)}`] : []),
    `a decision took    ${length.median} ${unitOf(calibration)} (median; 95 % of them at most ${length.p95})`,
    ...favoured.map(
      ({ name, difference }) =>
        `${titleOf(name)}: the same build seems ${formatDifference(difference!.change)} apart, and the interval excludes 0: one side may be favoured`,
    ),
  ];
}

function table(calibration: CalibrationDocument, { color }: Options): string {
  const head = ['', 'noise', 'against itself', 'next', ...CAPS.map((cap) => `found in ${cap}`), 'gate'];
  const rows = ordered(calibration).map((metric) => [
    `${titleOf(metric.name)}${metric.primary ? ' *' : ''}`,
    formatPercent(metric.noise),
    metric.difference
      ? `${formatDifference(metric.difference.low)} to ${formatDifference(metric.difference.high)}`
      : NO_VALUE,
    metric.correlation.toFixed(2),
    ...metric.detects.map(({ slowdown }) => (slowdown === null ? NO_VALUE : formatPercent(slowdown))),
    metric.fit ? 'fit' : 'no',
  ]);
  return columns(head, rows, { color });
}

const ordered = ({ metrics }: CalibrationDocument): CalibratedMetric[] => [
  ...metrics.filter(({ primary }) => primary),
  ...metrics.filter(({ primary }) => !primary),
];

function legend(calibration: CalibrationDocument): string[] {
  return [
    `* primary metric. noise: robust standard deviation of the log ratio over ${unitOf(calibration)}. against itself: ${LEVEL * 100} % interval of the`,
    'difference that the same build shows. next: correlation of a log ratio with the next one. found in N: smallest',
    `slowdown that at least ${POWER * 100} % of the comparisons of at most N ${unitOf(calibration)} call a REGRESSION. Not fit to gate:`,
  ];
}

function reasons(calibration: CalibrationDocument): string[] {
  const unfit = ordered(calibration).filter(({ fit }) => !fit);
  return unfit.length > 0
    ? unfit.map(({ name, why, primary }) => `  ${titleOf(name)}${primary ? ' *' : ''}: ${why}`)
    : ['  none'];
}

function next(calibration: CalibrationDocument): string[] {
  const { metrics, false_alarms, observations, benchmark, rounds } = calibration;
  const advice: string[] = [];
  const bad = metrics.filter(({ primary, fit }) => primary && !fit);
  if (false_alarms.low > ALPHA)
    advice.push(
      'The host raises more false alarms than the design allows: npm run noise says what disturbs it; do not let verdicts of this host block anything.',
    );
  if (bad.length > 0)
    advice.push(
      `Take primary from ${bad.map(({ name }) => name).join(', ')} in benchmark.yaml, or make it steadier: a longer --duration, a higher --rate, a quieter host (npm run noise).`,
    );
  if (rounds < ROUGH_OBSERVATIONS)
    advice.push(`Measure longer for figures to rely on: npm run calibrate -- --benchmark=${benchmark} --minutes=60`);
  const [best, second] = metrics.filter(
    ({ primary, fit, detects }) => !primary && fit && (slowdownAt(detects, observations) ?? 1) <= LARGEST_SLOWDOWN / 2,
  );
  if (!metrics.some(({ primary }) => primary))
    advice.push(
      `No metric is primary, so nothing gates${best ? `: ${[best, second].flatMap((one) => (one ? [one.name] : [])).join(' and ')} would be fit` : ''}.`,
    );
  const sees = metrics
    .filter(({ primary, fit }) => primary && fit)
    .map(({ name, detects }) => `${titleOf(name)} ${formatPercent(slowdownAt(detects, observations)!)}`);
  if (sees.length > 0)
    advice.push(
      `A comparison of up to ${observations} ${unitOf(calibration)} finds a slowdown of: ${sees.join(', ')}.`,
    );
  return [...advice, 'It is stored; the next verdicts on this host quote it.'];
}

const slowdownAt = (detects: CalibratedMetric['detects'], observations: number): number | null =>
  detects.find((one) => one.observations === observations)!.slowdown;
