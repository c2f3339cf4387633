/**
 * Where the level of a series changed for good: E-divisive change points (D. S. Matteson, N. A. James, JASA 109, 2014,
 * https://arxiv.org/abs/1306.4933), one point after the other as Hunter and Otava do it
 * (https://arxiv.org/abs/2301.03034,
 * https://arxiv.org/abs/2505.06758): only the points since the last change are looked at, and what was said is never
 * taken back. Pure; the same points give the same changes. docs/history.md says what it was seen to do.
 */
import { median } from './statistics.ts';

/** Points on either side of a change: fewer are a spike. */
export const LEAST_SEGMENT = 3;
/** Newest points that are looked at, at most. A change that long ago is found or too small. */
const WINDOW = 40;
/** None of so many shuffled windows may look as changed as the real one: a p-value of 0.001. */
const PERMUTATIONS = 999;
/**
 * Robust standard deviations from the median beyond which a value counts as being that far away: spikes must not hide a
 * change (where 5 % are spikes of 20, a shift of 3 is found in 98 % instead of 80 %).
 */
const FARTHEST = 5;
/** A split whose energy is at least this share of the greatest one may be the true one. */
const AS_LIKELY = 0.75;

export interface Change {
  /** The first point after the change, counted from 0: the likeliest place. */
  index: number;
  /** It is not earlier than after the point `last`, and not later than at the point `first`; last < index <= first. */
  last: number;
  first: number;
  /** Medians of the segments before and after, in the unit of the values. */
  before: number;
  after: number;
}

export interface Detector {
  /**
   * Takes the next value (the logarithm of a figure, so that a shift is a ratio); says whether a change is seen with
   * it.
   */
  add(value: number): Change | null;
}

export function createDetector(): Detector {
  let window: number[] = [];
  let count = 0;
  return {
    add(value) {
      if (!Number.isFinite(value)) throw new TypeError(`a series holds numbers only, got ${value}`);
      count++;
      window.push(value);
      if (window.length > WINDOW) window.shift();
      const split = significantSplit(window);
      if (!split) return null;
      const offset = count - window.length;
      const [left, right] = [window.slice(0, split.index), window.slice(split.index)];
      window = right;
      return {
        index: offset + split.index,
        last: offset + split.earliest - 1,
        first: offset + split.latest,
        before: median(left)!,
        after: median(right)!,
      };
    },
  };
}

interface Split {
  index: number;
  /** The first and the last place that are about as likely. */
  earliest: number;
  latest: number;
}

/**
 * The split of greatest energy, where a permutation test finds it significant. Almost every window without a change is
 * told by its first few shuffles.
 */
function significantSplit(values: readonly number[]): Split | null {
  const n = values.length;
  if (n < 2 * LEAST_SEGMENT + 1) return null;
  const distances = distancesOf(clipped(values));
  const order = Uint8Array.from(values, (_, i) => i);
  const energies = energiesOf(distances, order, new Float64Array(n));
  const greatest = greatestOf(energies);
  const index = energies.indexOf(greatest);
  // At the last place that a split can have, the next point may yet move it on: it is waited for.
  if (!(greatest > 0) || index === n - LEAST_SEGMENT) return null;
  const random = xorshift(n);
  const shuffled = new Float64Array(n);
  for (let i = 0; i < PERMUTATIONS; i++) {
    shuffle(order, random);
    // Rounding: the same split in another order is the same energy.
    if (greatestOf(energiesOf(distances, order, shuffled)) >= greatest * (1 - 1e-9)) return null;
  }
  const likely = (energy: number) => energy >= greatest * AS_LIKELY;
  return { index, earliest: energies.findIndex(likely), latest: energies.findLastIndex(likely) };
}

function greatestOf(energies: Float64Array): number {
  let greatest = 0;
  for (let k = 0; k < energies.length; k++) if (energies[k]! > greatest) greatest = energies[k]!;
  return greatest;
}

/** Spikes are brought closer; a change is not one, since its points are many or the median itself lies between. */
function clipped(values: readonly number[]): number[] {
  const middle = median([...values])!;
  const reach = FARTHEST * 1.4826 * median(values.map((value) => Math.abs(value - middle)))!;
  return reach === 0 ? [...values] : values.map((value) => Math.min(middle + reach, Math.max(middle - reach, value)));
}

interface Distances {
  n: number;
  /** |a - b| of each pair, row by row. */
  pairs: Float64Array;
  /** Sum of each row. */
  rows: Float64Array;
  total: number;
}

function distancesOf(values: readonly number[]): Distances {
  const n = values.length;
  const pairs = new Float64Array(n * n);
  const rows = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) rows[i]! += pairs[i * n + j] = Math.abs(values[i]! - values[j]!);
  }
  return { n, pairs, rows, total: rows.reduce((sum, row) => sum + row, 0) / 2 };
}

/**
 * Energy of each split of the values in this order: n m / (n + m) times (twice the mean distance between the segments
 * less the mean distances within them), of Matteson and James with exponent 1. Element k of `energies`, which is given
 * back, is of the split before point k; the others, where a segment were too short, stay 0.
 */
function energiesOf({ n, pairs, rows, total }: Distances, order: Uint8Array, energies: Float64Array): Float64Array {
  let within = 0;
  let left = 0;
  for (let k = 0; k < n; k++) {
    if (k >= LEAST_SEGMENT && k <= n - LEAST_SEGMENT) {
      const m = n - k;
      const between = left - 2 * within;
      energies[k] =
        ((k * m) / n) *
        ((2 * between) / (k * m) - (2 * within) / (k * (k - 1)) - (2 * (total - within - between)) / (m * (m - 1)));
    }
    const at = order[k]! * n;
    for (let i = 0; i < k; i++) within += pairs[at + order[i]!]!;
    left += rows[order[k]!]!;
  }
  return energies;
}

/** Fisher and Yates. */
function shuffle(order: Uint8Array, random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
}

/** Marsaglia's xorshift32 (2003): the same numbers, 0 to 1, for the same seed. */
function xorshift(seed: number): () => number {
  let state = (seed * 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
