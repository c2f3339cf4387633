/** What a service must keep to (`objectives` in benchmark.yaml): limits in the units of their metrics. Pure. */
import type { Metric } from '../documents/run.ts';
import { parseDuration, parseShare } from './quantities.ts';

/**
 * A limit as the user wrote it, in the metric's unit (seconds, share from 0 to 1, or its number); null where it is
 * none.
 */
export function parseLimit(written: number | string, unit: string): number | null {
  if (typeof written === 'number') return Number.isFinite(written) && written >= 0 ? written : null;
  if (unit === 's') return parseDuration(written);
  if (/^(100(\.0+)?|\d{1,2}(\.\d+)?) ?%$/.test(written)) return unit === 'ratio' ? parseShare(written) : null;
  return /^\d+(\.\d+)?$/.test(written) ? Number(written) : null;
}

/** Metric -> limit. The file has been checked. */
export function parseObjectives(
  written: Record<string, number | string>,
  metrics: readonly Metric[],
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(written).map(([name, limit]) => [
      name,
      parseLimit(limit, metrics.find((metric) => metric.name === name)!.unit)!,
    ]),
  );
}
