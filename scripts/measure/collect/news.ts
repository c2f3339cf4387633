/** What is to be said of a round while a run goes on: once. Pure. */
import type { RoundDocument } from '../../documents/run.ts';
import { noteKey } from '../../report/within-rounds.ts';

export type Collected = readonly { document: RoundDocument; unread: readonly { why: string }[] }[];

/**
 * Notes that no round before had, a sentence for each, with its sides; what a metric without a value says is not said
 * twice. `what`: what they are of.
 */
export function newsOf(
  what: string,
  collected: Collected,
  told: Set<string>,
  notesOf: (round: RoundDocument) => readonly string[] | undefined,
): string[] {
  const all = collected.flatMap(({ document, unread }) =>
    (notesOf(document) ?? [])
      .filter((note) => !unread.some(({ why }) => why === note))
      .map((note) => ({ side: document.side, note, key: `${what} ${noteKey(note)}` })),
  );
  const news = Map.groupBy(
    all.filter(({ key }) => !told.has(key)),
    ({ note }) => note,
  );
  for (const { key } of all) told.add(key);
  return [...news].map(([note, sides]) => `${what} of ${sides.map(({ side }) => side).join(' and ')}: ${note}`);
}
