/** What both sides have in the same rounds, and what has to be said of rounds. Pure. */
import { plainText } from '../core/text.ts';
import type { RoundDocument, RunDocument } from '../documents/run.ts';
import { median, relativeChange } from '../judge/statistics.ts';

/** Rounds that are named. */
const MOST_ROUNDS = 5;

interface OfRound {
  round: number;
  value: number;
}

/** Median of the relative changes within rounds; null where one side has no value, or there is nothing to relate to. */
export function changeWithin(candidate: readonly OfRound[], baseline: readonly OfRound[]): number | null {
  if (candidate.length === 0 || baseline.length === 0) return null;
  const within = candidate.flatMap((one) => {
    const other = baseline.find(({ round }) => round === one.round);
    return other ? [relativeChange(one.value, other.value)] : [];
  });
  const middle = (values: readonly OfRound[]) => median(values.map(({ value }) => value))!;
  // alternating rounds have one side each
  const changes = within.length > 0 ? within : [relativeChange(middle(candidate), middle(baseline))];
  return median(changes.filter((one) => one !== null));
}

/** Two notes that differ in their numbers alone are one. */
export const noteKey = (note: string): string => note.replace(/\d+(\.\d+)?/g, '#');

/** Notes of rounds as sentences, each once for a side, with the rounds in which it was so: `events of candidate, round 2: ...`. */
export function roundNotes(
  { rounds }: Pick<RunDocument, 'rounds'>,
  what: string,
  notesOf: (round: RoundDocument) => readonly string[] | undefined,
): string[] {
  const all = rounds.flatMap((one) =>
    (notesOf(one) ?? []).map((note) => ({ ...one, note, key: `${one.side} ${noteKey(note)}` })),
  );
  return [...Map.groupBy(all, ({ key }) => key).values()].map((alike) => {
    const { side, note } = alike[0]!;
    return `${what} of ${side}, ${roundsWords(alike.map(({ round }) => round))}: ${plainText(note)}`;
  });
}

/** `round 2`, `rounds 1, 2, 3, 4, 5 and 3 more`. */
export function roundsWords(rounds: readonly number[]): string {
  const named = [...new Set(rounds)];
  const more = named.length > MOST_ROUNDS ? ` and ${named.length - MOST_ROUNDS} more` : '';
  return `${named.length === 1 ? 'round' : 'rounds'} ${named.slice(0, MOST_ROUNDS).join(', ')}${more}`;
}
