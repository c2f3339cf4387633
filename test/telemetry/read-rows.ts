import { readStrict, type StrictRow } from './strict-files.ts';

/** All rows of a prefix in a telemetry folder. Throws where a file breaks a rule of the format. */
export function readRows(dir: string, prefix: 'duration' | 'runtime' | 'profiler'): StrictRow[] {
  return readStrict(dir)
    .filter((file) => file.prefix === prefix)
    .flatMap(({ rows }) => rows);
}

/** How many rows there are of each label. */
export function countLabels(rows: StrictRow[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { label } of rows) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}
