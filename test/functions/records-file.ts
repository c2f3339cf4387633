/** Files of records, read by their rules: contract of functions/README.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = 4096;

/** The records of a folder, by file. Throws where a file breaks a rule of the format. */
export function recordsIn(dir: string): Record<string, Record<string, unknown>[]> {
  const files = readdirSync(dir).filter((name) => name.endsWith('.jsonl'));
  return Object.fromEntries(files.sort().map((name) => [name, recordsOf(readFileSync(join(dir, name)), name)]));
}

function recordsOf(content: Buffer, name: string): Record<string, unknown>[] {
  if (!/^events-\d+-\d{13}\.jsonl$/.test(name)) throw new Error(`no name of a file of records: ${name}`);
  const records: Record<string, unknown>[] = [];
  for (let from = 0; ; ) {
    const end = content.indexOf(10, from) + 1;
    if (end === 0) return records;
    const line = content.toString('utf8', from, end);
    const begin = from + line.length - line.trimStart().length;
    if (Math.floor(begin / PAGE) !== Math.floor((end - 1) / PAGE)) throw new Error(`${name}: over a page: ${line}`);
    records.push(JSON.parse(line));
    from = end;
  }
}
