/** "did you mean": the known word that is nearest to a misspelt one. Pure. */

/** Other names of statistics, each with those that this project uses. */
const ALSO: readonly [names: RegExp, ours: string][] = [
  [/^(p?0?50|median|q50|p50th)$/, 'med'],
  [/^(mean|average)$/, 'avg'],
  [/^(p?100|maximum|worst)$/, 'max'],
  [/^(p?0|minimum|best)$/, 'min'],
  [/^(p?90th|90|q90)$/, 'p90'],
  [/^(p?95th|95|q95)$/, 'p95'],
  [/^(p?99th|99|q99)$/, 'p99'],
];

/** The word with each part that is another name of a statistic by the name of here: latency_p50 is latency_med. */
const inOurWords = (word: string): string =>
  word
    .toLowerCase()
    .split(/[_.-]/)
    .map((part) => ALSO.find(([names]) => names.test(part))?.[1] ?? part)
    .join('_');

/** The candidate that means the same, else the one with the fewest edits; undefined where none is near. */
export function nearest(word: string, candidates: string[]): string | undefined {
  const same = inOurWords(word);
  const meant = candidates.find((candidate) => candidate.toLowerCase() === same && candidate !== word);
  if (meant !== undefined) return meant;
  const limit = Math.max(1, Math.floor(word.length / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: edits(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits);
  return ranked[0]?.candidate;
}

/** " (did you mean rate?)" or nothing. */
export function didYouMean(word: string, candidates: string[]): string {
  const found = nearest(word, candidates);
  return found === undefined ? '' : ` (did you mean ${found}?)`;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function edits(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2]![j - 2]! + 1 : replaced;
      row.push(Math.min(replaced, swapped, rows[i - 1]![j]! + 1, row[j - 1]! + 1));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
