/** Which lines are asked for, and how one is printed. Pure. */
import type { RunDocument, SideName } from '../documents/run.ts';
import { type LogFormat, lineText, type Pairs } from './format.ts';
import type { LogEntry } from './kept.ts';
import { LEVELS, type Level } from './parse.ts';

export interface Selection {
  side?: SideName | undefined;
  service?: string | undefined;
  round?: number | undefined;
  /** The id of a trace, or its beginning. */
  trace?: string | undefined;
  /** This level or a graver one: a line without a level is not selected then. */
  level?: Level | undefined;
  /** A time as lines have it: this one or a later one. */
  since?: string | undefined;
}

/** Whose lines a run may have: the services of its Compose documents, and what Mayfly runs beside them. */
export function servicesOf({ compose }: Pick<RunDocument, 'compose'>): string[] {
  const documents = Object.values(compose ?? {}) as { services?: Record<string, unknown> }[];
  const named = documents.flatMap(({ services }) => Object.keys(services ?? {}));
  return [...new Set([...named, 'loadgen', 'telemetry', 'harness'])].sort();
}

/** A whole id is found in the text of a line too. */
const WHOLE_TRACE = 32;

export function isSelected(entry: LogEntry, { side, service, round, trace, level, since }: Selection): boolean {
  return (
    (side === undefined || entry.side === side) &&
    (service === undefined || entry.service === service) &&
    (round === undefined || entry.round === round) &&
    (since === undefined || entry.time >= since) &&
    (level === undefined || (entry.level !== null && LEVELS.indexOf(entry.level) >= LEVELS.indexOf(level))) &&
    (trace === undefined ||
      entry.trace?.startsWith(trace) === true ||
      (trace.length === WHOLE_TRACE && entry.msg.toLowerCase().includes(trace)))
  );
}

/** One line: time, level, whose it is, what it says. */
export function entryText(entry: LogEntry, format: LogFormat): string {
  const { time, level, side, round, service, replica, trace, msg } = entry;
  const own: Pairs = [
    ['ts', time],
    ['level', level],
    ['side', side],
    ['round', round],
    ['service', service],
    ['replica', replica > 1 ? replica : null],
    ['trace', trace],
    ['msg', msg],
  ];
  return lineText([...own, ...moreOf(entry)], format);
}

/** The other fields of a line. What it says of its service is known already; another value of such a name gets another name. */
export function moreOf({ level, side, round, service, trace, fields }: LogEntry): Pairs {
  const known = new Map<string, unknown>(
    Object.entries({ ts: null, level, side, round, service, replica: null, trace, msg: null }),
  );
  return fields
    .filter(([name, value]) => !known.has(name) || known.get(name) !== value)
    .map(([name, value]) => [known.has(name) ? `own_${name}` : name, value]);
}
