/** Numbers and durations in the flags of `npm run bench`. Pure; what is wrong is a UsageError that names the flag. */
import { UsageError } from '../core/errors.ts';
import { parseDuration, parseShare } from './quantities.ts';
import { shown } from './schema.ts';

export const HELP = 'see npm run bench -- --help';

/** Same bounds as load/rate in the schema. */
export function rateFlag(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const rate = decimal(text);
  if (rate === null)
    throw new UsageError(`--rate must be a number of requests per second, got ${shown(text)}`, { hint: HELP });
  if (!(rate > 0)) throw new UsageError(`--rate must be > 0 requests per second, got ${text}`, { hint: HELP });
  if (rate > 1_000_000)
    throw new UsageError(`--rate must be <= 1000000 requests per second, got ${text}`, { hint: HELP });
  return rate;
}

export function wholeFlag(flag: string, text: string | undefined, unit: string): number | undefined {
  if (text === undefined) return undefined;
  const number = decimal(text);
  if (number === null || !Number.isInteger(number))
    throw new UsageError(`--${flag} must be a whole number of ${unit}, got ${shown(text)}`, { hint: HELP });
  if (number < 1 || number > 1000)
    throw new UsageError(`--${flag} must be ${number < 1 ? '>= 1' : '<= 1000'} ${unit}, got ${text}`, { hint: HELP });
  return number;
}

export function minutesFlag(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const minutes = decimal(text);
  if (minutes === null || !(minutes > 0) || minutes > 1440)
    throw new UsageError(`--max-minutes must be a number of minutes above 0 and up to 1440, got ${shown(text)}`, {
      hint: HELP,
    });
  return minutes;
}

export function durationFlag(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDuration(text);
  if (seconds === null)
    throw new UsageError(`--${flag} must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got ${shown(text)}`, {
      hint: HELP,
    });
  return seconds;
}

/** A share above 0, such as 0.1 or 10%. */
export function shareFlag(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const share = text.endsWith('%') ? decimal(text.slice(0, -1).trim()) : decimal(text);
  const value = share === null ? null : parseShare(text.endsWith('%') ? `${share}%` : share);
  if (value === null || !(value > 0) || value > 1)
    throw new UsageError(`--${flag} must be a share above 0, such as 10% or 0.1, got ${shown(text)}`, { hint: HELP });
  return value;
}

/** Plain decimal numbers only: no hexadecimal, no exponent, no spaces. */
const decimal = (text: string): number | null => (/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text) ? Number(text) : null);
