/**
 * The candidate's figures in Bencher Metric Format: benchmark -> measure -> { value, lower_value, upper_value }.
 * The format is described at https://bencher.dev/docs/reference/bencher-metric-format/ (schema bencher.dev/bmf.json).
 * Pure.
 */

import type { RunDocument } from '../documents/run.ts';
import type { VerdictDocument } from '../documents/verdict.ts';
import { summarise } from '../judge/compare-runs.ts';
import { otherMetrics, primaryMetrics } from './verdict-text.ts';

interface Measured {
  value: number;
  lower_value?: number;
  upper_value?: number;
}

/** Bencher takes slugs of so many characters. */
const LONGEST_SLUG = 64;

/**
 * Measures are named by slugs: `latency-med` is the median over the rounds that counted, with the least and the
 * greatest of them, in the metric's unit (s, bytes, ratio, 1/s, count); `latency-med-change`, of a primary metric, the
 * change against the baseline with its interval, 0.01 is 1 % more.
 */
export function verdictBmf(verdict: VerdictDocument, run: RunDocument): string {
  const primary = primaryMetrics(verdict);
  const figures = [...primary, ...otherMetrics(verdict)].flatMap(({ name }): [string, Measured][] => {
    const summary = summarise(run, 'candidate', name);
    return summary
      ? [[slugOf(name), { value: summary.median, lower_value: summary.min, upper_value: summary.max }]]
      : [];
  });
  const changes = primary.flatMap(({ name, change, interval }): [string, Measured][] =>
    change === null
      ? []
      : [
          [
            slugOf(name, '-change'),
            { value: change, ...(interval ? { lower_value: interval.low, upper_value: interval.high } : {}) },
          ],
        ],
  );
  return `${JSON.stringify({ [verdict.benchmark]: Object.fromEntries([...figures, ...changes]) }, null, 2)}\n`;
}

const slugOf = (metric: string, end = ''): string =>
  metric
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_SLUG - end.length)
    .replace(/^-|-$/g, '') + end;
