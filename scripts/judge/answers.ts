/**
 * Did both sides answer the same requests in the same way? Faster is no better where less is answered. Pure.
 *
 * A share (of failures, of a status, of a media type) differs where two things are so. The counts of all rounds together are no chance:
 * an exact binomial test. And the rounds agree, since failures come in bursts, which are no independent requests:
 * Student's t over the differences of the rounds. A size differs where the mean bodies of the rounds are farther apart
 * than a margin, by the same t over logarithms of their ratios. Levels are divided by the number of comparisons
 * (Bonferroni). docs/verdict.md explains it and says what it was seen to do.
 */
import type { VerdictDocument } from '../documents/verdict.ts';
import { binomialAtMost } from './clopper-pearson.ts';
import type { Observation } from './observations.ts';
import { studentTail } from './student-t.ts';

/** A false difference of one kind (failures, statuses, media types, sizes), over all names. */
export const ALPHA_ANSWERS = 0.001;
/** Bodies may differ so far in their mean size: dates, ids and versions do. */
export const SIZE_MARGIN = 0.05;
/** Or by so many bytes, where bodies are small. */
export const SIZE_MARGIN_BYTES = 16;
/** Shares that are so far apart in every round need no further test of the rounds. */
const FAR = 0.5;
/** Kinds of answers that are named. */
const MOST_NAMED = 3;

export type AnswerDifference = NonNullable<VerdictDocument['answers']>[number];

/** Counts of both sides of an observation, each of so many. */
interface Counts {
  candidate: { hits: number; of: number };
  baseline: { hits: number; of: number };
}

/** Answers of a name that are alike, over the rounds of a side. */
interface Alike {
  status: number;
  failure: string | null;
  empty: boolean;
  count: number;
  /** Sum of the sizes, and of their squared deviations from the mean of their round. */
  bytes: number;
  squares: number;
  /** How many had which media type; null where that was not kept. */
  types: Map<string, number> | null;
}

interface Named {
  requests: number;
  failed: number;
  alike: Map<string, Alike>;
}

interface SideAnswers {
  requests: number;
  failed: number;
  names: Map<string, Named>;
}

interface Both {
  candidate: SideAnswers;
  baseline: SideAnswers;
}

const SIDES = ['candidate', 'baseline'] as const;

export interface ComparedAnswers {
  differences: AnswerDifference[];
  /** More failures than chance would have, of rounds that do not agree on it. */
  note: string | null;
}

/**
 * In what the answers of both sides differ; nothing where a round was measured before they were kept. `declared`: names
 * that may differ, of the benchmark.
 */
export function compareAnswers(
  observations: readonly Observation[],
  declared: readonly string[] = [],
): ComparedAnswers {
  const rounds = observations.flatMap(({ candidate, baseline }): Both[] => {
    const both = { candidate: sideAnswers(candidate), baseline: sideAnswers(baseline) };
    return both.candidate && both.baseline ? [both as Both] : [];
  });
  if (rounds.length === 0 || rounds.length < observations.length) return { differences: [], note: null };
  const names = [...new Set(rounds.flatMap((round) => SIDES.flatMap((side) => [...round[side].names.keys()])))].sort();
  const isDeclared = (name: string) =>
    declared.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
  const found = [
    ...presence(rounds, names),
    ...statuses(rounds, names),
    ...types(rounds, names),
    ...sizes(rounds, names),
  ];
  const failed = failures(rounds);
  return {
    differences: [
      ...(failed?.sure ? [failed.difference] : []),
      ...found.map((one): AnswerDifference => ({ ...one, worse: false, declared: isDeclared(one.name) })),
    ],
    note:
      failed && !failed.sure && failed.difference.worse
        ? `${failed.difference.words}: that is no chance, but rounds differ too much in it for a REGRESSION`
        : null,
  };
}

type Found = Pick<AnswerDifference, 'name' | 'what' | 'words'>;

function sideAnswers(rounds: Observation['candidate']): SideAnswers | null {
  const side: SideAnswers = { requests: 0, failed: 0, names: new Map() };
  for (const { answers } of rounds) {
    if (!answers) return null;
    side.requests += answers.requests;
    side.failed += answers.failed;
    for (const { name, requests, failed, answers: all } of answers.names) {
      const named = getOrMake(side.names, name, (): Named => ({ requests: 0, failed: 0, alike: new Map() }));
      named.requests += requests;
      named.failed += failed;
      for (const { status, failure, count, bytes, deviation, types } of all) {
        const empty = bytes === 0;
        const one = getOrMake(named.alike, `${status} ${failure ?? ''} ${empty}`, () => ({
          status,
          failure,
          empty,
          count: 0,
          bytes: 0,
          squares: 0,
          types: new Map<string, number>() as Map<string, number> | null,
        }));
        one.count += count;
        one.bytes += count * bytes;
        one.squares += count * deviation ** 2;
        if (!types) one.types = null;
        for (const { type, count } of types ?? []) one.types?.set(type, (one.types.get(type) ?? 0) + count);
      }
    }
  }
  return side;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** All requests of a side together: iterations that threw are of none. */
function failures(rounds: readonly Both[]): { difference: AnswerDifference; sure: boolean } | null {
  const counts = rounds.map(({ candidate, baseline }) => ({
    candidate: { hits: candidate.failed, of: Math.max(candidate.requests, candidate.failed) },
    baseline: { hits: baseline.failed, of: Math.max(baseline.requests, baseline.failed) },
  }));
  if (!isNoChance(counts, ALPHA_ANSWERS)) return null;
  const { candidate, baseline } = totals(counts);
  const worse = candidate.hits * baseline.of > baseline.hits * candidate.of;
  const ways = tally(
    rounds,
    worse ? 'candidate' : 'baseline',
    null,
    ({ failure }) => failure !== null,
    ({ status, failure }) => (failure === 'status' ? `status ${status}` : failure!),
  );
  const how = ways && ` (${ways})`;
  const words = `failed requests: was ${ofWords(baseline)}${worse ? '' : how}, is ${ofWords(candidate)}${worse ? how : ''}`;
  return {
    difference: { name: '', what: 'failed', worse, declared: false, words },
    sure: roundsAgree(counts, ALPHA_ANSWERS),
  };
}

const ofWords = ({ hits, of }: { hits: number; of: number }) => (hits === 0 ? '0' : `${round(hits)} of ${round(of)}`);
const round = (count: number) => String(Math.round(count));

/** A name that one side was never asked for: the script took another way there. */
function presence(rounds: readonly Both[], names: readonly string[]): Found[] {
  const asked = (side: (typeof SIDES)[number], name: string) =>
    rounds.reduce((sum, round) => sum + (round[side].names.get(name)?.requests ?? 0), 0);
  return names.flatMap((name): Found[] => {
    const [candidate, baseline] = [asked('candidate', name), asked('baseline', name)];
    if (candidate > 0 && baseline > 0) return [];
    const counts = rounds.map((round): Counts => {
      const of = (side: (typeof SIDES)[number]) => ({
        hits: round[side].names.get(name)?.requests ?? 0,
        of: round[side].requests,
      });
      return { candidate: of('candidate'), baseline: of('baseline') };
    });
    return shareDiffers(counts, ALPHA_ANSWERS / names.length)
      ? [{ name, what: 'presence', words: `${name}: candidate asked ${candidate} times, baseline ${baseline} times` }]
      : [];
  });
}

/** Statuses of what did not fail, and whether there was a body: how it failed is the failures' matter. */
function statuses(rounds: readonly Both[], names: readonly string[]): Found[] {
  const tests = names.flatMap((name) => {
    const keys = new Set(
      rounds.flatMap((round) => SIDES.flatMap((side) => good(round[side].names.get(name)).map(([key]) => key))),
    );
    return keys.size < 2 ? [] : [...keys].map((key) => ({ name, key }));
  });
  const level = ALPHA_ANSWERS / Math.max(1, tests.length);
  const differing = new Set(
    tests
      .filter(({ name, key }) =>
        shareDiffers(
          rounds.map((round): Counts => {
            const of = (side: (typeof SIDES)[number]) => {
              const all = good(round[side].names.get(name));
              return {
                hits: all.find(([one]) => one === key)?.[1].count ?? 0,
                of: all.reduce((sum, [, { count }]) => sum + count, 0),
              };
            };
            return { candidate: of('candidate'), baseline: of('baseline') };
          }),
          level,
        ),
      )
      .map(({ name }) => name),
  );
  const words = (side: (typeof SIDES)[number], name: string) =>
    tally(
      rounds,
      side,
      name,
      ({ failure }) => failure === null,
      ({ status, empty }) => `${status}${empty ? ' without a body' : ''}`,
    );
  return [...differing].map((name) => ({
    name,
    what: 'status',
    words: `${name}: candidate ${words('candidate', name)}, baseline ${words('baseline', name)}`,
  }));
}

const good = (named: Named | undefined): [string, Alike][] =>
  named ? [...named.alike].filter(([, { failure }]) => failure === null) : [];

/** `302 × 3600, 200 × 12`, most frequent first. */
function tally(
  rounds: readonly Both[],
  side: (typeof SIDES)[number],
  name: string | null,
  wanted: (alike: Alike) => boolean,
  called: (alike: Alike) => string,
): string {
  const counts = new Map<string, number>();
  for (const round of rounds) {
    for (const [one, { alike }] of round[side].names) {
      if (name !== null && one !== name) continue;
      for (const answers of alike.values())
        if (wanted(answers)) counts.set(called(answers), (counts.get(called(answers)) ?? 0) + answers.count);
    }
  }
  return listed(counts);
}

function listed(counts: ReadonlyMap<string, number>, called = (what: string) => what): string {
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const more = sorted.length > MOST_NAMED ? `, and ${sorted.length - MOST_NAMED} more kinds` : '';
  return sorted
    .slice(0, MOST_NAMED)
    .map(([what, count]) => `${called(what)} × ${count}`)
    .join(', ')
    .concat(more);
}

/** Bodies of one name and status that are of another media type: an error may be as long as the right answer. */
function types(rounds: readonly Both[], names: readonly string[]): Found[] {
  const tests = pairsOf(rounds, names).flatMap(({ name, pairs }) => {
    const all = pairs.flatMap(({ candidate, baseline }) => [candidate.types, baseline.types]);
    if (all.some((one) => one === null)) return [];
    const found = [...new Set(all.flatMap((one) => [...one!.keys()]))];
    return found.length < 2 ? [] : found.map((type) => ({ name, pairs, type }));
  });
  const differing = tests.filter(({ pairs, type }) => {
    const of = ({ types, count }: Alike) => ({ hits: types!.get(type) ?? 0, of: count });
    const counts = pairs.map((pair) => ({ candidate: of(pair.candidate), baseline: of(pair.baseline) }));
    return shareDiffers(counts, ALPHA_ANSWERS / tests.length);
  });
  const words = (pairs: readonly Pair[], side: (typeof SIDES)[number]) => {
    const counts = new Map<string, number>();
    for (const { [side]: one } of pairs)
      for (const [type, count] of one.types!) counts.set(type, (counts.get(type) ?? 0) + count);
    return listed(counts, (type) => type || 'no content type');
  };
  return [...Map.groupBy(differing, ({ pairs }) => pairs).values()].map(([{ name, pairs } = differing[0]!]) => ({
    name,
    what: 'type',
    words: `${name}: candidate ${words(pairs, 'candidate')}, baseline ${words(pairs, 'baseline')}`,
  }));
}

/** Answers with a body that are alike, of both sides of a round. */
interface Pair {
  candidate: Alike;
  baseline: Alike;
}

/** By name and status, the rounds in which both sides have them. */
function pairsOf(rounds: readonly Both[], names: readonly string[]): { name: string; pairs: Pair[] }[] {
  return names.flatMap((name) => {
    const keys = new Set(
      rounds.flatMap(({ candidate }) =>
        good(candidate.names.get(name)).flatMap(([key, { empty }]) => (empty ? [] : key)),
      ),
    );
    return [...keys].flatMap((key) => {
      const pairs = rounds.flatMap(({ candidate, baseline }) => {
        const [mine, other] = [candidate.names.get(name)?.alike.get(key), baseline.names.get(name)?.alike.get(key)];
        return mine && other ? [{ candidate: mine, baseline: other }] : [];
      });
      return pairs.length > 0 ? [{ name, pairs }] : [];
    });
  });
}

/** Bodies of one name and status that are larger or smaller, on average. */
function sizes(rounds: readonly Both[], names: readonly string[]): Found[] {
  const compared = pairsOf(rounds, names);
  return compared
    .filter(({ pairs }) => sizeDiffers(pairs, ALPHA_ANSWERS / compared.length))
    .map(({ name, pairs }) => ({
      name,
      what: 'size',
      words: `${name}: ${meanSize(pairs, 'candidate')} bytes on average, baseline ${meanSize(pairs, 'baseline')}`,
    }));
}

const meanSize = (pairs: readonly Pair[], side: (typeof SIDES)[number]): string => {
  const total = (pick: (alike: Alike) => number) => pairs.reduce((sum, pair) => sum + pick(pair[side]), 0);
  const mean = total(({ bytes }) => bytes) / total(({ count }) => count);
  return String(mean < 100 ? Number(mean.toFixed(1)) : Math.round(mean));
};

function sizeDiffers(pairs: readonly Pair[], level: number): boolean {
  const rounds = pairs.map(({ candidate, baseline }) => {
    const [mine, other] = [candidate.bytes / candidate.count, baseline.bytes / baseline.count];
    const variance = ({ count, squares }: Alike, mean: number) => squares / count / count / mean ** 2;
    return {
      ratio: Math.log(mine / other),
      variance: variance(candidate, mine) + variance(baseline, other),
      margin: Math.max(Math.log1p(SIZE_MARGIN), Math.log1p(SIZE_MARGIN_BYTES / Math.min(mine, other))),
    };
  });
  const n = rounds.length;
  const mean = (pick: (round: (typeof rounds)[number]) => number) =>
    rounds.reduce((sum, one) => sum + pick(one), 0) / n;
  const ratio = mean((one) => one.ratio);
  const beyond = Math.abs(ratio) - mean(({ margin }) => margin);
  if (beyond <= 0) return false;
  const within = Math.sqrt(mean(({ variance }) => variance) / n);
  // A round alone does not tell how rounds vary: it must be far off.
  if (n === 1) return Math.abs(ratio) >= Math.LN2 && beyond > ALONE * within;
  const error = Math.max(within, standardError(rounds.map((one) => one.ratio)));
  return error === 0 || studentTail(beyond / error, n - 1) <= level / 2;
}

/** Standard errors of a single round. */
const ALONE = 6;

function standardError(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

function totals(rounds: readonly Counts[]): Counts {
  const total = (side: (typeof SIDES)[number]) => ({
    hits: rounds.reduce((sum, one) => sum + one[side].hits, 0),
    of: rounds.reduce((sum, one) => sum + one[side].of, 0),
  });
  return { candidate: total('candidate'), baseline: total('baseline') };
}

const shareDiffers = (rounds: readonly Counts[], level: number): boolean =>
  isNoChance(rounds, level) && roundsAgree(rounds, level);

const hasMore = ({ candidate, baseline }: Counts) => candidate.hits * baseline.of > baseline.hits * candidate.of;

/** All hits together, as if each were independent of the others. */
function isNoChance(rounds: readonly Counts[], level: number): boolean {
  const all = totals(rounds);
  const { candidate, baseline } = all;
  if (candidate.of === 0 || baseline.of === 0) return false;
  const expected = candidate.of / (candidate.of + baseline.of);
  const more = hasMore(all);
  // Whichever side has more: so few of the hits are of the other one.
  const few = Math.round(more ? baseline.hits : candidate.hits);
  const hits = Math.round(candidate.hits + baseline.hits);
  return hits > 0 && binomialAtMost(few, hits, more ? 1 - expected : expected) <= level / 2;
}

/** Round by round, as if the hits of a round were one burst. */
function roundsAgree(all: readonly Counts[], level: number): boolean {
  const rounds = all.filter(({ candidate, baseline }) => candidate.of > 0 && baseline.of > 0);
  const more = hasMore(totals(rounds));
  const differences = rounds.map((one) => {
    const difference = one.candidate.hits / one.candidate.of - one.baseline.hits / one.baseline.of;
    return more ? difference : -difference;
  });
  const n = differences.length;
  if (n > 0 && differences.every((difference) => difference >= FAR)) return true;
  if (n < 2) return false;
  const error = standardError(differences);
  const mean = differences.reduce((sum, difference) => sum + difference, 0) / n;
  return error === 0 ? mean > 0 : studentTail(mean / error, n - 1) <= level / 2;
}
