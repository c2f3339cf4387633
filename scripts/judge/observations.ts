/**
 * From the rounds of a run to observations: one for each interleaved round, one for each whole block of alternating
 * ones. Pure.
 */
import type { RoundDocument, RunDocument } from '../documents/run.ts';
import { countedRounds } from './compare-runs.ts';

/** Both sides of one observation: values of a metric. */
export interface Pair {
  candidate: number;
  baseline: number;
}

/** The rounds of one observation: one of each side, or two of each. */
export interface Observation {
  candidate: RoundDocument[];
  baseline: RoundDocument[];
}

/** Rounds of one side each in a block, and which side each is: A B B A, the next block B A A B. */
export const BLOCK = 4;

/** The side of a place (0 to 3) in a block (from 1). What drifts evenly over the block falls on both sides alike. */
export function sideInBlock(block: number, place: number): 'candidate' | 'baseline' {
  const inner = place === 1 || place === 2;
  return inner === (block % 2 === 1) ? 'baseline' : 'candidate';
}

/** The observations of a comparison in the order in which they were measured; what is not whole is left out. */
export function observationsOf(run: Pick<RunDocument, 'pairing' | 'rounds'>): Observation[] {
  const key =
    run.pairing === 'alternating' ? (round: RoundDocument) => round.block : (round: RoundDocument) => round.round;
  const need = run.pairing === 'alternating' ? BLOCK / 2 : 1;
  const baseline = Map.groupBy(countedRounds(run, 'baseline'), key);
  const candidate = Map.groupBy(countedRounds(run, 'candidate'), key);
  return [...candidate]
    .sort(([a], [b]) => a! - b!)
    .flatMap(([id, rounds]) => {
      const others = baseline.get(id) ?? [];
      return rounds.length === need && others.length === need ? [{ candidate: rounds, baseline: others }] : [];
    });
}

/**
 * The values of a metric, observation by observation: the geometric mean over the rounds of a side. Null where one has
 * no value, or one that has no logarithm; two zeros are a pair without a difference.
 */
export function pairsOf(observations: readonly Observation[], metric: string): (Pair | null)[] {
  return observations.map(({ candidate, baseline }) => {
    const pair = { candidate: geometricMean(candidate, metric), baseline: geometricMean(baseline, metric) };
    if (Number.isNaN(pair.candidate) || Number.isNaN(pair.baseline)) return null;
    return (pair.candidate > 0 && pair.baseline > 0) || (pair.candidate === 0 && pair.baseline === 0) ? pair : null;
  });
}

/** Logarithm of candidate / baseline. */
export const logRatio = ({ candidate, baseline }: Pair): number =>
  candidate === baseline ? 0 : Math.log(candidate / baseline);

function geometricMean(rounds: RoundDocument[], metric: string): number {
  const values = rounds.map((round) => round.samples[metric]?.value ?? NaN);
  if (values.length === 1) return values[0]!;
  return values.every((value) => value === 0)
    ? 0
    : Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
