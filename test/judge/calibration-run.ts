/** A run of one build against itself, made up. */
import { generator } from '../../loadgen/schedule.ts';
import { builtinMetric } from '../../scripts/config/metric-defaults.ts';
import type { Metric, RunDocument } from '../../scripts/documents/run.ts';
import { makeRound, makeRun } from '../run-document.ts';

export interface Truth {
  /** Standard deviation of the log ratio. */
  noise: number;
  /** So much more does the candidate show. */
  bias?: number;
  level?: number;
  /** So many rounds have no value. */
  missing?: number;
}

/** The first metric is primary; the host's own drift, which both sides share, is large. */
export function calibrationRun(
  truths: Record<string, Truth>,
  rounds: number,
  laid: Partial<RunDocument> = {},
): RunDocument {
  const random = generator(20260102);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const metrics = Object.keys(truths).map((name, i): Metric => {
    const { unit, better, margin } = builtinMetric(name) ?? { unit: 's', better: 'lower', margin: 0.01 };
    return { name, unit, better, primary: i < 1 || name === 'latency_p95', margin, margin_from: 'default' };
  });
  const measured = Array.from({ length: rounds }, (_, i) => {
    const values = Object.entries(truths).flatMap(([name, { noise, bias = 0, level = 0.002, missing = 0 }]) => {
      const host = level * Math.exp(0.2 * normal());
      const candidate = host * (1 + bias) * Math.exp((noise * normal()) / Math.SQRT2);
      const baseline = host * Math.exp((noise * normal()) / Math.SQRT2);
      return i < missing ? [] : [[name, candidate, baseline] as const];
    });
    const side = (name: 'candidate' | 'baseline', place: 1 | 2) => ({
      ...makeRound(name, i + 1, Object.fromEntries(values.map((value) => [value[0], value[place]]))),
      started_at: '2026-01-02T03:04:05.000Z',
    });
    return [side('candidate', 1), side('baseline', 2)];
  });
  const run = makeRun();
  return {
    ...run,
    pairing: 'interleaved',
    sides: { ...run.sides, baseline: { ...run.sides.candidate } },
    rounds_asked: rounds,
    metrics,
    rounds: measured.flat(),
    ...laid,
  };
}
