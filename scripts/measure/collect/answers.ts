/** What came back in a round, as it is stored. Pure. */
import type { SideResult } from '../../../loadgen/result.ts';
import type { RoundDocument } from '../../documents/run.ts';

type Answers = NonNullable<RoundDocument['answers']>;

/** Names that are stored of one side of a round, and kinds of answers of a name. */
const MOST_NAMES = 100;
const MOST_ANSWERS = 30;
/** Media types of answers that are alike. */
const MOST_TYPES = 5;

/** Most frequent first. The names are of the load script: each is kept short. */
export function answersOf({ requests, failed, names }: Pick<SideResult, 'requests' | 'failed' | 'names'>): Answers {
  return {
    requests,
    failed,
    names: names
      .toSorted((a, b) => b.requests - a.requests)
      .slice(0, MOST_NAMES)
      .map(({ name, requests, failed, answers = [] }) => ({
        name: name.slice(0, 200),
        requests,
        failed,
        answers: answers
          .toSorted((a, b) => b.count - a.count)
          .slice(0, MOST_ANSWERS)
          .map(({ status, failure, count, bytes, deviation, types }) => ({
            status,
            failure: failure?.slice(0, 100) ?? null,
            count,
            bytes: rounded(bytes),
            deviation: rounded(deviation),
            ...(types ? { types: types.slice(0, MOST_TYPES) } : {}),
          })),
      })),
  };
}

/** Thousandths of a byte: a mean that is told apart from another must not be rounded to it. */
const rounded = (bytes: number) => Math.round(bytes * 1000) / 1000;
