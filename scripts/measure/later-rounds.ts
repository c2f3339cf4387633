/** What rounds after the first say of a candidate that did well in it. Pure. */
import type { Load } from '../config/types.ts';
import { endingOf, type FirstRound, wrongWith } from './first-round.ts';

/** So many rounds, one after the other, are no accident. */
const IN_A_ROW = 3;
/** Where nothing else has made a round INVALID, so many of all do. */
const LEAST = 2;

/**
 * Whether the candidate is not well in this round, and the baseline, where it is in it, is. `same`: they are one commit.
 */
export function failsAlone(sides: readonly FirstRound[], load: Load, same: boolean): boolean {
  const candidate = sides.find(({ document }) => document.side === 'candidate');
  if (same || !candidate || !wrongWith(candidate.detail)) return false;
  return sides.length === 1 || endingOf(sides, load, same)?.of === 'candidate';
}

/**
 * `alone`: the rounds in which the candidate alone was not well, by their numbers. Words that say in which, where they
 * are enough to blame it; else null. `invalid`: all rounds that are INVALID, where no more is measured again.
 */
export function lateWords(alone: readonly number[], invalid?: readonly number[]): string | null {
  const last = alone.slice(-IN_A_ROW);
  if (last.length === IN_A_ROW && last.at(-1)! - last[0]! === IN_A_ROW - 1)
    return `in rounds ${listed(last)}, one after the other,`;
  if (invalid && alone.length >= LEAST && invalid.every((round) => alone.includes(round)))
    return `in rounds ${listed(alone)}, which are all that are INVALID,`;
  return null;
}

const listed = (rounds: readonly number[]): string => `${rounds.slice(0, -1).join(', ')} and ${rounds.at(-1)}`;
