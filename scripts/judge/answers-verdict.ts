/** What it means for a verdict, and for its sentence, that the answers of both sides differ. Pure. */
import { plural } from '../core/text.ts';
import type { AnswerDifference, ComparedAnswers } from './answers.ts';
import type { Judgement } from './verdict.ts';

type Found = Judgement['verdict'];

/**
 * More failures are a REGRESSION. Where statuses differ both sides did not do the same work, and nothing is said of how
 * fast: no PASS. Where sizes do, faster is no IMPROVEMENT.
 */
export function withAnswers(found: Found, differences: readonly AnswerDifference[]): Found {
  if (differences.some(isWorse)) return 'REGRESSION';
  const open = undeclared(differences);
  if (found === 'IMPROVEMENT' && open.length > 0) return 'INCONCLUSIVE';
  return found === 'PASS' && open.some(({ what }) => what !== 'size') ? 'INCONCLUSIVE' : found;
}

const isWorse = ({ what, worse }: AnswerDifference) => what === 'failed' && worse;

/** Differences that the benchmark does not declare: failures are counted, not declared. */
export const undeclared = (differences: readonly AnswerDifference[] = []): AnswerDifference[] =>
  differences.filter(({ what, declared }) => what !== 'failed' && !declared);

/** Differences that are named in a sentence. */
const MOST_NAMED = 3;

/** The sentence with what the answers differ in before it. `found`: the verdict without them, whose sentence it is. */
export function answersFirst(
  verdict: Found,
  found: Found,
  differences: readonly AnswerDifference[],
  sentence: string,
): string {
  const failed = differences.filter(isWorse).map(({ words }) => words);
  const open = undeclared(differences);
  const more = open.length > MOST_NAMED ? [`and ${plural(open.length - MOST_NAMED, 'other difference')}`] : [];
  const named = [...open.slice(0, MOST_NAMED).map(({ words }) => words), ...more].join('; ');
  const isDoubted = verdict === 'INCONCLUSIVE' && found !== verdict;
  const differ = open.length === 0 ? [] : [`the answers differ${isDoubted ? `, so it is no ${found}` : ''}: ${named}`];
  return [...failed, ...differ, sentence].join('; ');
}

/** What else is to be said of the answers. */
export function answerNotes({ differences, note }: ComparedAnswers): string[] {
  const names = [...new Set(undeclared(differences).map(({ name }) => JSON.stringify(name)))];
  return [
    ...(note === null ? [] : [note]),
    ...differences.filter((one) => one.what === 'failed' && !one.worse).map(({ words }) => words),
    ...differences.filter(({ declared }) => declared).map(({ words }) => `${words}, as the benchmark declares`),
    ...(names.length > 0
      ? [`where answers may differ, benchmark.yaml declares it: allow: {answers_differ: [${names.join(', ')}]}`]
      : []),
  ];
}
