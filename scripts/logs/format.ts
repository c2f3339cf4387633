/** How a log line is written: RFC 3339 in UTC with nine digits, logfmt or JSON, nothing that moves a cursor. Pure. */

export type LogFormat = 'logfmt' | 'json';

/** Milliseconds since the epoch, with a fraction. All times have one width, so that they compare as texts do. */
export function timeText(ms: number): string {
  const whole = Math.floor(ms);
  const rest = String(Math.floor((ms - whole) * 1e6)).padStart(6, '0');
  return `${new Date(whole).toISOString().slice(0, -1)}${rest}Z`;
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,18}))?\s?(Z|z|[+-]\d\d:?\d\d)?$/;

/** A time that somebody wrote, as ours are written; null where it is none. Without a zone it is UTC. */
export function normalTime(text: string): string | null {
  const [, day, time, fraction = '', zone = 'Z'] = TIME.exec(text) ?? [];
  if (!day) return null;
  const offset = /^z$/i.test(zone) ? 'Z' : zone.replace(/^(...):?/, '$1:');
  const ms = Date.parse(`${day}T${time}${offset}`);
  if (!Number.isFinite(ms)) return null;
  const written = new Date(ms).toISOString();
  return written.length === 24 ? `${written.slice(0, 20)}${fraction.slice(0, 9).padEnd(9, '0')}Z` : null;
}

/** Seconds since the epoch of a time that is written as ours are, without its fraction. */
export const secondsOf = (time: string): number => Date.parse(`${time.slice(0, 19)}Z`) / 1000;

/** Name and value, in the order in which they are written. */
export type Pairs = readonly (readonly [name: string, value: unknown])[];

/** One line of either format. Values that are undefined or null are left out; one name comes once. */
export function lineText(pairs: Pairs, format: LogFormat): string {
  const given = pairs.filter(([, value]) => value !== undefined && value !== null);
  if (format === 'json') return escaped(JSON.stringify(Object.fromEntries(given)));
  return given.map(([name, value]) => `${keyText(name)}=${valueText(value)}`).join(' ');
}

/** A name without what ends one. */
const keyText = (name: string): string => name.replace(/[\s="\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '_') || '_';

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text !== '' && !/[\s="\\\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text) ? text : escaped(JSON.stringify(text));
}

/** JSON leaves some characters as they are that act on a terminal. */
const escaped = (json: string): string =>
  json.replace(/[\u007f-\u009f]|[\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
      .map((code) => `\\u${code.toString(16).padStart(4, '0')}`)
      .join(''),
  );
