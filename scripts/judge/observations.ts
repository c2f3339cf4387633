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

/** Rounds that were asked for, of all sides: of alternating ones the record counts blocks. */
export const roundsAsked = ({ rounds_asked, pairing }: Pick<RunDocument, 'rounds_asked' | 'pairing'>): number =>
  rounds_asked * (pairing === 'alternating' ? BLOCK : 1);

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
 * The values of a metric, observation by observation: the geometric mean over the rounds of a side, or the arithmetic
 * one where one of them is not above 0. Null where a side has no value.
 */
export function pairsOf(observations: readonly Observation[], metric: string): (Pair | null)[] {
  return observations.map((observation) => {
    const [own, other] = [observation.candidate, observation.baseline].map((rounds) =>
      rounds.map((round) => round.samples[metric]?.value ?? NaN),
    ) as [number[], number[]];
    const mean = [...own, ...other].every((value) => value > 0) ? geometricMean : arithmeticMean;
    const pair = { candidate: mean(own), baseline: mean(other) };
    return Number.isNaN(pair.candidate) || Number.isNaN(pair.baseline) ? null : pair;
  });
}

/** Both are above 0; two zeros are a pair without a difference. */
export const hasRatio = ({ candidate, baseline }: Pair): boolean =>
  (candidate > 0 && baseline > 0) || (candidate === 0 && baseline === 0);

/** Logarithm of candidate / baseline, of a pair that has a ratio. */
export const logRatio = ({ candidate, baseline }: Pair): number =>
  candidate === baseline ? 0 : Math.log(candidate / baseline);

function geometricMean(values: number[]): number {
  if (values.length === 1) return values[0]!;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const arithmeticMean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
