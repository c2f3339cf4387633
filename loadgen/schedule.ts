/** Who gets which iteration, and when: known before the first request. Pure. */
import type { LoadPlan, Model, SingleModel, Stage } from './plan.ts';

/** What one scenario sends: the plan with its own model. Of a load without scenarios the plan itself. */
export interface Part {
  /** Of the scenario. */
  name: string | null;
  startS: number;
  plan: LoadPlan & { model: SingleModel };
}

/** What is drawn differs from scenario to scenario. */
export function partsOf(plan: LoadPlan): Part[] {
  const { model } = plan;
  if (model.kind !== 'scenarios') return [{ name: null, startS: 0, plan: { ...plan, model } }];
  return model.scenarios.map(({ name, startS, maxInFlight, model: own }) => ({
    name,
    startS,
    plan: { ...plan, model: own, maxInFlight, seed: hash(plan.seed, textSeed(name)) },
  }));
}

/**
 * The side of an iteration by its number, 0 or 1. Two sides meet as A B B A or B A A B; which of the two is drawn anew
 * every four iterations from the seed, so that neither side keeps a place in the order, each gets exactly half, and
 * none gets more than two iterations in a row. `iteration`: 0 for the first of its phase.
 */
export function sideIndexOf(iteration: number, sideCount: number, seed: number): number {
  if (sideCount === 1) return 0;
  const place = iteration % 4;
  const inner = place === 1 || place === 2 ? 1 : 0;
  return inner ^ (hash(seed, Math.floor(iteration / 4)) & 1);
}

/**
 * The number of an iteration among those of its own side. The n-th iterations of both sides are a pair: they make
 * the same request, so that both sides get the same work in the same order.
 */
export const pairOf = (iteration: number, sideCount: number): number => Math.floor(iteration / sideCount);

/** The rate at the start and the stages after it; a constant rate is one stage. */
function stagesOf(model: Extract<Model, { arrivals: 'constant' | 'poisson' }>): Stage[] {
  return model.stages ?? [{ rate: model.rate, durationS: model.durationS }];
}

/**
 * When the iterations of an open model are due: milliseconds after the start of its window, for all sides together,
 * ascending. Both sides get equally many.
 *
 * The n-th iteration is due when the integral of the rate reaches n; of Poisson arrivals, when it reaches the sum of n
 * exponential deviates (inversion of the cumulative intensity: Lewis and Shedler, 1979).
 */
export function dueTimes(
  model: Extract<Model, { arrivals: 'constant' | 'poisson' }>,
  sideCount: number,
  seed: number,
): Float64Array {
  const stages = stagesOf(model);
  const random = model.arrivals === 'poisson' ? generator(seed, textSeed('arrivals')) : null;
  const due: number[] = [];
  let wanted = random ? deviate(random) : 0;
  let beforeMs = 0;
  let reached = 0; // integral of the rate so far, iterations of all sides
  let from = model.rate * sideCount;
  for (const { rate, durationS } of stages) {
    const to = rate * sideCount;
    const whole = ((from + to) / 2) * durationS;
    // A hair less: an iteration that is due at the very end belongs to what comes after.
    while (wanted < reached + whole - 1e-9) {
      due.push(beforeMs + secondsUntil(wanted - reached, from, to, durationS) * 1000);
      wanted += random ? deviate(random) : 1;
    }
    reached += whole;
    beforeMs += durationS * 1000;
    from = to;
  }
  return Float64Array.from(due.slice(0, due.length - (due.length % sideCount)));
}

/**
 * Seconds in which a warm-up that is at least twice as long climbs to its rate, and the share of it that it begins
 * with: all of a cold service at once is a stall.
 */
const RAMP_S = 1;
const RAMP_FROM = 0.1;

/** The same for the warm-up, evenly spaced: at the model's rate, to which a long one climbs first. */
export function warmupTimes(rate: number, durationS: number, sideCount: number, seed: number): Float64Array {
  if (durationS <= 0) return new Float64Array();
  const constant = { kind: 'open', arrivals: 'constant', rate, durationS } as const;
  if (durationS < 2 * RAMP_S) return dueTimes(constant, sideCount, seed);
  return dueTimes(
    {
      ...constant,
      rate: rate * RAMP_FROM,
      stages: [
        { rate, durationS: RAMP_S },
        { rate, durationS: durationS - RAMP_S },
      ],
    },
    sideCount,
    seed,
  );
}

const deviate = (random: () => number) => -Math.log(1 - random());

/**
 * Seconds after which the integral of a rate that moves evenly from `from` to `to` reaches `count`. The stable form of
 * the quadratic formula.
 */
function secondsUntil(count: number, from: number, to: number, durationS: number): number {
  if (count <= 0) return 0; // of rounding: it was due at the end of the stage before
  return (2 * count) / (from + Math.sqrt(Math.max(0, from * from + (2 * (to - from) * count) / durationS)));
}

/**
 * When a file's rows are due for all sides: each row at its time for the first of a pair, half-way to the next row for
 * the second.
 */
export function dueTimesOfRows(at: readonly number[], sideCount: number): Float64Array {
  const due = new Float64Array(at.length * sideCount);
  at.forEach((seconds, row) => {
    const next = at[row + 1] ?? seconds;
    for (let side = 0; side < sideCount; side++)
      due[row * sideCount + side] = (seconds + ((next - seconds) * side) / sideCount) * 1000;
  });
  return due;
}

/**
 * A generator of numbers from 0 up to but without 1 (mulberry32, Tommy Ettinger, public domain). The same seeds give
 * the same numbers.
 */
export function generator(...seeds: number[]): () => number {
  let state = hash(...seeds);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of several values, each as likely as its weight says. Weights need not add up to anything. */
export function choose<T>(random: () => number, choices: readonly (readonly [weight: number, value: T])[]): T {
  let total = 0;
  for (const [weight] of choices) total += weight;
  let left = random() * total;
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices[choices.length - 1]![1];
}

/** A whole number made of others, spread evenly over 32 bits (the finish of MurmurHash3 for each part). */
export function hash(...parts: number[]): number {
  let value = 0x9e3779b9;
  for (const part of parts) {
    value = Math.imul(value ^ part, 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    value ^= value >>> 16;
  }
  return value >>> 0;
}

/** A name as an integer, so that it can take part in a hash. */
export const textSeed = (text: string): number => hash(...Array.from(text, (letter) => letter.codePointAt(0)!));
