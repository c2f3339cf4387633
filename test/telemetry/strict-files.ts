import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StrictRow {
  timepoint: bigint;
  value: number;
  label: string;
  pid: number;
}

export interface StrictFile {
  name: string;
  prefix: string;
  pid: number;
  thread: number;
  number: number;
  bytes: number;
  rows: StrictRow[];
}

const NAME = /^(duration|runtime|profiler)-(\d+)-(\d+)-(\d{13})-(\d+)\.csv$/;
const HEADER = 'Timepoint, Measurement, Label, PID\n';
const ROW = /^(\d{19}), *(-?\d+(?:\.\d+)?(?:e[+-]\d+)?),"((?:[^"\p{Cc}]|"")*)",(\d+)\n$/u;
const PAGE = 4096;

/** Every CSV file of a telemetry folder. Throws where one breaks a rule of the format: telemetry/README.md. */
export function readStrict(dir: string): StrictFile[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith('.csv'))
    .map((name) => readStrictFile(join(dir, name), name))
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

function readStrictFile(path: string, name: string): StrictFile {
  const [, prefix, pid, thread, , number] = NAME.exec(name) ?? [];
  if (!prefix) throw new Error(`no name of a telemetry file: ${name}`);
  const content = readFileSync(path);
  const rows = rowsOf(content, name);
  for (const row of rows) if (row.pid !== Number(pid)) throw new Error(`${name}: a row of PID ${row.pid}`);
  return {
    name,
    prefix,
    pid: Number(pid),
    thread: Number(thread),
    number: Number(number),
    bytes: content.length,
    rows,
  };
}

function rowsOf(content: Buffer, name: string): StrictRow[] {
  // Killed before its first write.
  if (content.length === 0) return [];
  const rows: StrictRow[] = [];
  let before = 0n;
  for (let from = 0; from < content.length; ) {
    const end = content.indexOf(10, from) + 1;
    if (end === 0) throw new Error(`${name} ends within a line: ${content.toString('utf8', from)}`);
    const line = content.toString('utf8', from, end);
    if (from === 0 && line !== HEADER) throw new Error(`${name} begins with ${line}`);
    if (Math.floor(from / PAGE) !== Math.floor((end - 1) / PAGE)) throw new Error(`${name}: over a page: ${line}`);
    if (from > 0) {
      const row = rowOf(line, name);
      if (row.timepoint < before) throw new Error(`${name}: back in time: ${line}`);
      before = row.timepoint;
      rows.push(row);
    }
    from = end;
  }
  return rows;
}

function rowOf(line: string, name: string): StrictRow {
  const [, timepoint, value, label, pid] = ROW.exec(line) ?? [];
  if (!pid) throw new Error(`${name}: no row: ${line}`);
  return { timepoint: BigInt(timepoint!), value: Number(value), label: label!.replaceAll('""', '"'), pid: Number(pid) };
}
