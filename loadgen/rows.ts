/**
 * A file of times and requests: a production log that is replayed. CSV with a head line, or JSON lines; the columns at
 * (seconds), method, path, and, where there are any, name, body, and more for the script.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { ScriptFault } from './faults.ts';
import { type Iteration, pathOf } from './load.ts';

export type Row = Readonly<Record<string, string>>;

export interface Rows {
  /** Seconds from the start, ascending. */
  at: number[];
  rows: Row[];
}

/** `file`: from the benchmark's folder. Rows from `untilS` on are left out. */
export function readRows(file: string, untilS: number): Rows {
  const text = readFileSync(pathOf(file), 'utf8').replace(/^\ufeff/, '');
  const all: Row[] = file.endsWith('.jsonl')
    ? text
        .split('\n')
        .filter((line) => line.trim())
        .map((line) => JSON.parse(line))
    : parse(text, { columns: true, skip_empty_lines: true });
  const rows = all.filter((row) => Number(row.at) < untilS);
  if (rows.length === 0) throw new ScriptFault(`${file} holds no request before ${untilS} s`);
  return { at: rows.map((row) => Number(row.at)), rows };
}

/** The iteration of a file without a script: the request of its row. */
export const requestOf = ({ http, row }: Iteration) =>
  http.request(row!.method || 'GET', row!.path!, {
    ...(row!.name ? { name: row!.name } : {}),
    ...(row!.body ? { body: row!.body } : {}),
    ...(row!.body && /^[[{]/.test(row!.body) ? { headers: { 'content-type': 'application/json' } } : {}),
  });
