/**
 * What failed in the rounds of a run: by side and kind, with one example each. The texts are of the service and of the
 * load script. Pure.
 */

import type { Failures } from '../../loadgen/result.ts';
import { plainText } from '../core/text.ts';
import type { RunDocument, SideName } from '../documents/run.ts';
import { columns } from './columns.ts';

/** Over all rounds of a side. */
export interface RunFailures extends Failures {
  side: SideName;
  /** Rounds in which there was one. */
  rounds: number;
}

/** Lines that a report has at most. */
const MOST = 20;
/** Letters of an example. */
const EXAMPLE = 120;

/**
 * Of all rounds, INVALID ones too; of the candidate first, most often first. Empty where nothing failed, and of older
 * runs.
 */
export function runFailures({ rounds }: Pick<RunDocument, 'rounds'>): RunFailures[] {
  const ways = new Map<string, RunFailures>();
  for (const { side, failures = [] } of rounds) {
    for (const { kind, detail, count, example } of failures) {
      const key = JSON.stringify([side, kind, detail]);
      const known = ways.get(key);
      ways.set(
        key,
        known
          ? { ...known, count: known.count + count, rounds: known.rounds + 1 }
          : { side, kind, detail, count, example, rounds: 1 },
      );
    }
  }
  return [...ways.values()].sort(
    (a, b) => Number(a.side === 'baseline') - Number(b.side === 'baseline') || b.count - a.count,
  );
}

/** `status 503`, `refused`. */
export const wayWords = ({ kind, detail }: Pick<Failures, 'kind' | 'detail'>): string =>
  plainText(detail ? `${kind} ${detail}` : kind);

/** `order (POST /orders): status 503, expected 201` */
export function exampleWords(
  { example: { name, request, message } }: Pick<Failures, 'example'>,
  most = EXAMPLE,
): string {
  const what = request ? `${name} (${request})` : name;
  const text = plainText(what ? `${what}: ${message}` : message);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** A table for a terminal; nothing where nothing failed. */
export function failuresTable(run: Pick<RunDocument, 'rounds'>, { color }: { color: boolean }): string[] {
  const ways = runFailures(run);
  if (ways.length === 0) return [];
  const rows = ways
    .slice(0, MOST)
    .map((way) => [
      wayWords(way).slice(0, EXAMPLE),
      way.side,
      exampleWords(way),
      String(way.count),
      String(way.rounds),
    ]);
  return [
    columns(['what failed', 'side', 'the first of them', 'times', 'rounds'], rows, { left: 3, color }),
    ...moreWords(ways.length),
  ];
}

/** The same as sentences. */
export function failuresLines(run: Pick<RunDocument, 'rounds'>): string[] {
  const ways = runFailures(run);
  return [
    ...ways
      .slice(0, MOST)
      .map(
        (way) =>
          `failed (${way.side}): ${wayWords(way).slice(0, EXAMPLE)}, ${way.count} times; the first of them: ${exampleWords(way)}`,
      ),
    ...moreWords(ways.length),
  ];
}

const moreWords = (ways: number): string[] =>
  ways > MOST ? [`and ${ways - MOST} more ways of failing; --json has them`] : [];
