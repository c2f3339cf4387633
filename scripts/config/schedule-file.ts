/**
 * A file of requests (`load/schedule`): how many there are and how long they take. Pure. The load generator reads the
 * requests themselves.
 */
import { type CsvError, parse } from 'csv-parse/sync';
import { didYouMean } from './nearest.ts';
import { shown } from './schema.ts';
import type { Fault } from './yaml-file.ts';

export interface ScheduleLength {
  /** Requests that are due before the end. */
  rows: number;
  /** Seconds: after the last request, or where the file is cut. */
  durationS: number;
  /** Requests of the second that has the most. */
  busiest: number;
}

type Row = Record<string, unknown>;
type Take = (row: Row, line: number) => void;
type Say = (line: number, text: string) => void;

const NEEDED = ['at', 'method', 'path'];
const FIELDS = [...NEEDED, 'name', 'body'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** A later time is one of the clock and not of the window. */
const LATEST_S = 7 * 86400;
/** So many faults are said at once. */
const MOST_FAULTS = 10;

export interface ScheduleUse {
  /** Requests from this second on are left out. */
  cutS?: number | undefined;
  /** A script makes the requests: it may read further fields. Without one a field that is not known is misspelt. */
  hasScript?: boolean;
}

/** `name`: the file as the user should read it; it ends in .csv or .jsonl. */
export function measureSchedule(
  content: Buffer,
  name: string,
  { cutS = Infinity, hasScript = false }: ScheduleUse = {},
): ScheduleLength | { faults: Fault[] } {
  const faults: Fault[] = [];
  const say: Say = (line, text) => {
    if (faults.length < MOST_FAULTS) faults.push({ file: name, line, path: [], text });
  };
  let last = { at: 0, line: 1 };
  let rows = 0;
  let busiest = 0;
  let second = { number: -1, rows: 0 };
  const take: Take = (row, line) => {
    const text = faultOfRow(row, last.at);
    if (text !== null) return say(line, text);
    last = { at: row.at as number, line };
    if (last.at >= cutS) return;
    rows++;
    const number = Math.floor(last.at);
    second = { number, rows: number === second.number ? second.rows + 1 : 1 };
    busiest = Math.max(busiest, second.rows);
  };
  if (name.endsWith('.csv')) readCsv(content, hasScript, take, say);
  else readLines(content, hasScript, take, say);
  const durationS = Math.min(cutS, endAfter(last.at));
  if (faults.length === 0) {
    if (rows === 0)
      say(
        1,
        cutS === Infinity ? 'has no request' : `has no request before the end of the window, which lasts ${cutS} s`,
      );
    else if (durationS < 1) say(last.line, `ends the window after ${durationS} s; it must last 1 s or longer`);
  }
  return faults.length > 0 ? { faults } : { rows, durationS, busiest };
}

/**
 * Whole milliseconds, at least one after the last request: so it lies within the window. The inner rounding undoes what
 * a binary fraction adds.
 */
const endAfter = (at: number): number => (Math.ceil(Math.round(at * 1e6) / 1e3) + 1) / 1000;

/** What is wrong with a request, or null. `before`: time of the one before it. */
function faultOfRow({ at, method, path, name, body }: Row, before: number): string | null {
  if (typeof at !== 'number' || !(at >= 0))
    return `at must be a number of seconds from the start of the window, got ${shown(at)}`;
  if (at > LATEST_S)
    return `at must be counted in seconds from the start of the window and be <= ${LATEST_S}, got ${at}`;
  if (at < before) return `at must not go backwards: ${at} comes after ${before}`;
  if (!METHODS.includes(method as string)) return `method must be one of ${METHODS.join(', ')}, got ${shown(method)}`;
  if (typeof path !== 'string' || !/^\/\S*$/.test(path))
    return `path must be a path that starts with /, got ${shown(path)}`;
  if (name !== undefined && typeof name !== 'string') return `name must be a text, got ${shown(name)}`;
  if (body !== undefined && typeof body !== 'string') return `body must be a text, got ${shown(body)}`;
  return null;
}

function readCsv(content: Buffer, hasScript: boolean, take: Take, say: Say): void {
  let columns: string[] | undefined;
  let usable = true;
  const readRecord = (record: string[], lastLine: number) => {
    const line = lastLine - record.join('').split('\n').length + 1; // a body may have several lines
    if (!columns) {
      columns = record;
      usable = checkColumns(columns, hasScript, (text) => say(line, text));
    } else if (!usable) return;
    else if (record.length !== columns.length)
      say(line, `must have ${columns.length} fields as the first line has, got ${record.length}`);
    else
      take(
        Object.fromEntries(columns.map((column, i) => [column, column === 'at' ? numberOf(record[i]!) : record[i]])),
        line,
      );
  };
  try {
    parse(content, {
      bom: true,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record: (record: string[], { lines }) => {
        readRecord(record, lines);
        return null; // kept nowhere: a log may be large
      },
    });
  } catch (error) {
    const { code, message, lines } = error as CsvError & { lines?: number };
    if (code === undefined) throw error;
    say(lines ?? 1, `is not valid CSV: ${message.split(':')[0]!.toLowerCase()}`);
  }
}

/** The text itself where it is no plain number. */
const numberOf = (text: string): number | string => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : text);

function checkColumns(columns: string[], hasScript: boolean, say: (text: string) => void): boolean {
  const missing = NEEDED.filter((column) => !columns.includes(column));
  const unknown = columns.filter((column) => !hasScript && !FIELDS.includes(column));
  const twice = columns.filter((column, i) => columns.indexOf(column) !== i);
  if (missing.length > 0)
    say(
      `has no column ${missing.join(', ')}; the first line names the columns: ${FIELDS.join(', ')}, of which name and body may be left out`,
    );
  for (const column of missing.length > 0 ? [] : unknown) say(unknownText('column', column));
  for (const column of twice) say(`has the column ${column} twice`);
  return missing.length === 0 && unknown.length === 0 && twice.length === 0;
}

const unknownText = (what: string, name: string) =>
  `has a ${what} ${shown(name)}, which is not known${didYouMean(name, FIELDS)}; without a script allowed are ${FIELDS.join(', ')}`;

function readLines(content: Buffer, hasScript: boolean, take: Take, say: Say): void {
  for (let start = 0, line = 1; start < content.length; line++) {
    const newline = content.indexOf(10, start);
    const end = newline < 0 ? content.length : newline;
    const text = content.toString('utf8', start, end).trim(); // trim takes a byte-order mark too
    if (text) readLine(text, line, hasScript, take, say);
    start = end + 1;
  }
}

function readLine(text: string, line: number, hasScript: boolean, take: Take, say: Say): void {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    return say(line, `is not valid JSON: ${(error as Error).message}`);
  }
  if (row === null || typeof row !== 'object' || Array.isArray(row))
    return say(line, `must be an object with ${FIELDS.join(', ')}, got ${shown(row)}`);
  const unknown = hasScript ? undefined : Object.keys(row).find((field) => !FIELDS.includes(field));
  if (unknown !== undefined) return say(line, unknownText('field', unknown));
  take(row as Row, line);
}
