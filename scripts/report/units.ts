/** Numbers as people read them. Pure. */
import { plainText } from '../core/text.ts';
import type { Unit } from '../documents/run.ts';

/** What is printed where there is no number. */
export const NO_VALUE = '-';

/** Three significant digits: 0.0123, 1.20, 12.3, 123, 1234, and 1.66e-6 where it is small. Zero is 0. */
export function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0) return '0';
  if (magnitude < 1e-4) return value.toExponential(2);
  return magnitude >= 99.95 ? String(Math.round(value)) : value.toPrecision(3);
}

type Scale = [factor: number, name: string];

/** From large to small. */
const SCALES: Record<string, Scale[]> = {
  s: [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
  ],
  bytes: [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
    [1, 'B'],
  ],
};

/** The first scale of a unit that gives at least 1, else the last. A unit of one word gets prefixes below a tenth. */
function scaleOf(value: number, unit: Unit): Scale {
  const magnitude = Math.abs(value);
  const scales = SCALES[unit];
  if (scales) return scales.find(([factor]) => magnitude >= factor * 0.9995) ?? scales.at(-1)!;
  if (unit === 'ratio') return [0.01, '%'];
  if (unit === '1/s') return [1, '/s'];
  if (unit === 'count') return [1, ''];
  const name = plainText(unit);
  if (value === 0 || magnitude >= 0.09995 || !/^\p{L}+$/u.test(unit)) return [1, name];
  if (magnitude >= 1e-3 * 0.9995) return [1e-3, `m${name}`];
  return magnitude >= 1e-6 * 0.9995 ? [1e-6, `µ${name}`] : [1e-9, `n${name}`];
}

const withUnit = (text: string, [, name]: Scale) => (name === '' ? text : `${text} ${name}`);

/**
 * The label of a value on an axis that has these: all in one scale, with as many digits as the step between them needs,
 * so that no two read alike.
 */
export function formatTick(value: number, all: readonly number[], unit: Unit): string {
  const sorted = [...new Set(all)].filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 2 || !Number.isFinite(value)) return formatValue(value, unit);
  const scale = scaleOf(Math.max(...sorted.map(Math.abs)), unit);
  const places = sorted.map((one) => one / scale[0]);
  const step = Math.min(...places.slice(1).map((one, i) => one - places[i]!));
  let decimals = 0;
  while (decimals < 12 && places.some((one) => Math.abs(one - Number(one.toFixed(decimals))) > step / 20)) decimals++;
  return withUnit(value === 0 ? '0' : (value / scale[0]).toFixed(decimals), scale);
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
  if (unit === 'ratio') return formatPercent(value);
  if (unit === '1/s') return `${value === 0 || Math.abs(value) >= 1 ? value.toFixed(1) : digits(value)} /s`;
  if (unit === 'count' && Number.isInteger(value)) return String(value);
  const scale = scaleOf(value, unit);
  return withUnit(digits(value / scale[0]), scale);
}

/** Several values in the scale of the first; the unit stands at the first alone: `1.20 MB`, `1.00`, `1.40`. */
export function scaled(values: readonly number[], unit: Unit): string[] {
  const scale = scaleOf(values[0]!, unit);
  return values.map((value, i) => (i === 0 ? withUnit(digits(value / scale[0]), scale) : digits(value / scale[0])));
}
