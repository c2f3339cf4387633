/** What a line of a log says, whoever wrote it: JSON or logfmt; any other line is its own message. Pure. */
import { normalTime, secondsOf, timeText } from './format.ts';

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export interface LogLine {
  /** RFC 3339 in UTC with nine digits: that of the line, or else that of the engine. */
  time: string;
  /** Null where the line has none. */
  level: Level | null;
  trace: string | null;
  msg: string;
  /** What else it says, in its order. */
  fields: [name: string, value: unknown][];
}

/** The clock of a container is that of the host: a time farther from the engine's is something else, or a lie. */
const MOST_APART_S = 60;
/** More pairs than a line has that somebody reads. */
const MOST_FIELDS = 200;

const NAMES = {
  time: ['ts', 'time', 'timestamp', '@timestamp'],
  level: ['level', 'lvl', 'severity'],
  trace: ['trace', 'trace_id', 'traceId', 'traceID', 'traceid', 'trace.id'],
  msg: ['msg', 'message'],
} as const;

const SAME_LEVEL: Record<string, Level> = {
  trace: 'debug',
  debug: 'debug',
  dbg: 'debug',
  verbose: 'debug',
  info: 'info',
  information: 'info',
  notice: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  err: 'error',
  fatal: 'error',
  panic: 'error',
  critical: 'error',
  crit: 'error',
  alert: 'error',
  emerg: 'error',
  emergency: 'error',
};

/** `engineTime`: when the engine got the line. */
export function parseLine(text: string, engineTime: string): LogLine {
  const pairs = jsonPairs(text) ?? logfmtPairs(text);
  if (!pairs) return { time: engineTime, level: null, trace: null, msg: text, fields: [] };
  const fields = [...pairs];
  const take = <T>(names: readonly string[], read: (value: unknown) => T | null): T | null => {
    for (const name of names) {
      const at = fields.findIndex(([key]) => key === name);
      const found = at === -1 ? null : read(fields[at]![1]);
      if (found === null) continue;
      fields.splice(at, 1);
      return found;
    }
    return null;
  };
  const time = take(NAMES.time, (value) => {
    const own = timeOf(value);
    return own !== null && Math.abs(secondsOf(own) - secondsOf(engineTime)) <= MOST_APART_S ? own : null;
  });
  const level = take(NAMES.level, levelOf);
  const trace = take(NAMES.trace, (value) =>
    typeof value === 'string' && /^[0-9a-f]{16,32}$/i.test(value) ? value.toLowerCase() : null,
  );
  const msg = take(NAMES.msg, (value) => (typeof value === 'string' ? value : null));
  return { time: time ?? engineTime, level, trace, msg: msg ?? '', fields };
}

const AT_ITS_BEGIN = /^(?:ts=|time=|\{"ts":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)[\s"]/;
const MINUTE = '2026-11-28T22:00'.length;

/** The time of a line alone: at the end of a round there are many, and most have it where one looks first. */
export function timeOfLine(text: string, engineTime: string): string {
  const own = AT_ITS_BEGIN.exec(text)?.[1];
  const isNear = own?.slice(0, MINUTE) === engineTime.slice(0, MINUTE);
  return own !== undefined && isNear ? own : parseLine(text, engineTime).time;
}

/** A time as text, or as a number since the epoch: seconds, milliseconds, microseconds or nanoseconds by its size. */
function timeOf(value: unknown): string | null {
  if (typeof value === 'string' && !/^\d+(\.\d+)?$/.test(value)) return normalTime(value);
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !(number > 0)) return null;
  const ms = number < 1e11 ? number * 1e3 : number < 1e14 ? number : number < 1e17 ? number / 1e3 : number / 1e6;
  return ms < 253402300800000 ? timeText(ms) : null;
}

/** As a word, or as the number that bunyan and pino write. */
function levelOf(value: unknown): Level | null {
  if (typeof value === 'string') return SAME_LEVEL[value.toLowerCase()] ?? null;
  if (typeof value !== 'number' || !(value > 0) || value > 100) return null;
  return value < 30 ? 'debug' : value < 40 ? 'info' : value < 50 ? 'warn' : 'error';
}

function jsonPairs(text: string): [string, unknown][] | null {
  const line = text.trim();
  if (!line.startsWith('{') || !line.endsWith('}')) return null;
  try {
    const pairs = Object.entries(JSON.parse(line) as object);
    return pairs.length <= MOST_FIELDS ? pairs : null;
  } catch {
    return null;
  }
}

const PAIR = /([^\s="\p{Cc}]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)/uy;
const KNOWN: readonly string[] = [...NAMES.time, ...NAMES.level, ...NAMES.msg];

/** Pairs and nothing else, one of which is known: a sentence with an `a=b` in it is no logfmt. */
function logfmtPairs(text: string): [string, string][] | null {
  const line = text.trim();
  if (!line.includes('=')) return null;
  const pairs: [string, string][] = [];
  for (PAIR.lastIndex = 0; PAIR.lastIndex < line.length; ) {
    const [, name, quoted, plain] = PAIR.exec(line) ?? [];
    if (name === undefined || pairs.length === MOST_FIELDS) return null;
    pairs.push([name, quoted === undefined ? plain! : unquoted(quoted)]);
  }
  return pairs.some(([name]) => KNOWN.includes(name)) ? pairs : null;
}

function unquoted(text: string): string {
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text.replace(/\\(.)/g, '$1');
  }
}
