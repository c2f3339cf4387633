/** Numbers as people read them. Pure. */
import { plainText } from '../core/text.ts';
import type { Unit } from '../documents/run.ts';

/** What is printed where there is no number. */
export const NO_VALUE = '-';

/** Three significant digits: 0.0123, 1.20, 12.3, 123, 1234. Zero is 0. */
export function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0) return '0';
  if (magnitude < 1e-6) return value.toExponential(1);
  return magnitude >= 99.95 ? String(Math.round(value)) : value.toPrecision(3);
}

/** Scales from large to small; the first that gives at least 1 is taken, else the last. */
function scaled(value: number, scales: [factor: number, name: string][]): string {
  const wanted = scales.find(([factor]) => Math.abs(value) >= factor * 0.9995) ?? scales.at(-1)!;
  return value === 0 ? `0 ${wanted[1]}` : `${digits(value / wanted[0])} ${wanted[1]}`;
}

/** A duration of at least a minute, or of whole seconds where it counts: 1m 05s, 12.3s. */
export function formatElapsed(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return `${minutes}m ${String(whole % 60).padStart(2, '0')}s`;
}

/** A share as a percentage: 0.0123 is 1.23 %. What is not 0 never reads as 0. */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return NO_VALUE;
  const percent = share * 100;
  if (percent > 0 && percent < 0.005) return '<0.01 %';
  return `${percent > 0 && percent < 1 ? percent.toFixed(2) : digits(percent)} %`;
}

/** A difference as a signed percentage with two decimals: 0.0123 is +1.23 %. */
export function formatDifference(share: number): string {
  if (!Number.isFinite(share)) return NO_VALUE;
  const percent = share * 100;
  return `${percent > 0 ? '+' : ''}${Math.abs(percent) >= 100 ? percent.toFixed(0) : percent.toFixed(2)} %`;
}

/** A sample's value with its unit in the scale that reads best. Not a number: '-'. */
export function formatValue(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return NO_VALUE;
  switch (unit) {
    case 's':
      return scaled(value, [
        [1, 's'],
        [1e-3, 'ms'],
        [1e-6, 'µs'],
      ]);
    case 'bytes':
      return scaled(value, [
        [1e9, 'GB'],
        [1e6, 'MB'],
        [1e3, 'kB'],
        [1, 'B'],
      ]);
    case 'ratio':
      return formatPercent(value);
    case '1/s':
      return `${value.toFixed(1)} /s`;
    case 'count':
      return Number.isInteger(value) ? String(value) : digits(value);
    default:
      return `${digits(value)} ${plainText(unit)}`;
  }
}
