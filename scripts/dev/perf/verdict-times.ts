/** How long the pure functions take: one decision, one point of a history. */
import { MOST } from '../../config/types.ts';
import { createDetector } from '../../judge/changes.ts';
import { median } from '../../judge/statistics.ts';
import { judge, LEAST, type MetricPairs } from '../../judge/verdict.ts';
import { normal, randomOf } from './verdict-models.ts';

export interface Times {
  what: string;
  /** Milliseconds. */
  goal: number;
  p50: number;
  max: number;
}

const DECISIONS = 20;
const POINTS = 10_000;

/** 40 rounds, 20 metrics, 5 of them primary, looked at from the first look to the last: nothing is decided early. */
export function decisionTimes(seed: number): Times {
  const random = randomOf(seed, 40, 20);
  const times: number[] = [];
  for (let repeat = 0; repeat < DECISIONS; repeat++) {
    const input: MetricPairs[] = Array.from({ length: 20 }, (_, i) => ({
      metric: { name: `metric_${i}`, unit: 's', better: 'lower', primary: i < 5, margin: 0.001 },
      pairs: Array.from({ length: MOST.interleaved }, () => ({
        candidate: Math.exp(0.01 * normal(random)),
        baseline: Math.exp(0.01 * normal(random)),
      })),
    }));
    const started = performance.now();
    const { observations } = judge(input, { design: 'sequential', min: LEAST, max: MOST.interleaved }, true);
    times.push(performance.now() - started);
    if (observations !== MOST.interleaved)
      throw new Error('a margin of 0.1 % was decided early: this is no longer the longest walk');
  }
  return { what: 'one decision, 40 rounds, 20 metrics', goal: 50, p50: median(times)!, max: Math.max(...times) };
}

/** 10,000 points appended one by one, the level shifted by 5 % every 500; mean over all, and the longest of them. */
export function changePointTimes(seed: number): Times {
  const random = randomOf(seed, POINTS);
  const detector = createDetector();
  let [total, max] = [0, 0];
  for (let point = 0; point < POINTS; point++) {
    const value = 0.05 * (Math.floor(point / 500) % 2) + 0.02 * normal(random);
    const started = performance.now();
    detector.add(value);
    const took = performance.now() - started;
    total += took;
    max = Math.max(max, took);
  }
  return { what: 'one point of 10,000 appended to a history', goal: 1, p50: total / POINTS, max };
}
