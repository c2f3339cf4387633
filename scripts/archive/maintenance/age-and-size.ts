/** Values of the flags of `npm run archive`. Pure; each throws a UsageError that names the flag and what is allowed. */
import { UsageError } from '../../core/errors.ts';

const AGES: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };
const SIZES: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** "90d" -> milliseconds. */
export function parseAge(flag: string, text: string): number {
  const [, number, unit] = /^(\d+)([mhdw])$/.exec(text) ?? [];
  if (number === undefined)
    throw new UsageError(`--${flag} must be a number with m, h, d or w, like 90d, got ${JSON.stringify(text)}`);
  return Number(number) * AGES[unit!]!;
}

/** "50GB" -> bytes. */
export function parseSize(flag: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|TB)$/.exec(text) ?? [];
  if (number === undefined)
    throw new UsageError(`--${flag} must be a number with B, kB, MB, GB or TB, like 50GB, got ${JSON.stringify(text)}`);
  return Number(number) * SIZES[unit!]!;
}

/** A whole number of at least `least`. */
export function parseCount(flag: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least)
    throw new UsageError(`--${flag} must be a whole number of at least ${least}, got ${JSON.stringify(text)}`);
  return Number(text);
}

/** "keep" or "keep=yes". */
export function parseKeepLabel(text: string): { name: string; value?: string } {
  const [, name, , value] = /^([A-Za-z_][A-Za-z0-9_.-]{0,62})(=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--keep-label must be NAME or NAME=VALUE, got ${JSON.stringify(text)}`);
  return value === undefined ? { name } : { name, value };
}
