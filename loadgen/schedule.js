// The pure part of the load library: who gets which iteration, and when. Runs in k6 and in Node; imports nothing.

/**
 * The side of an iteration. Two sides meet as A B B A or B A A B; which of the two is drawn anew every four
 * iterations from the seed, so that neither side keeps a place in the order, each gets exactly half, and none
 * gets more than two iterations in a row.
 *
 * @param {number} iteration 0 for the first of its scenario
 * @param {readonly string[]} sides one or two names
 * @param {number} seed integer
 * @returns {string}
 */
export function sideOf(iteration, sides, seed) {
  if (sides.length === 1) return sides[0];
  const place = iteration % 4;
  const inner = place === 1 || place === 2 ? 1 : 0;
  const swapped = hash(seed, Math.floor(iteration / 4)) & 1;
  return sides[inner ^ swapped];
}

/**
 * The number of an iteration among those of its own side. The n-th iterations of both sides are a pair: they make
 * the same request, so that both sides get the same work in the same order.
 *
 * @param {number} iteration 0 for the first of its scenario
 * @param {number} sideCount 1 or 2
 * @returns {number}
 */
export function pairOf(iteration, sideCount) {
  return Math.floor(iteration / sideCount);
}

/**
 * When an iteration is due, in milliseconds after the start of its scenario.
 *
 * @param {number} iteration 0 for the first of its scenario
 * @param {number} rate iterations per second of all sides together
 * @returns {number}
 */
export function dueMs(iteration, rate) {
  return (iteration * 1000) / rate;
}

/**
 * A rate in the whole numbers that k6 asks for: 33.3 per second becomes 333 per 10 s. Exact to a millionth.
 *
 * @param {number} rate iterations per second, above 0
 * @returns {{rate: number, timeUnit: string}}
 */
export function wholeRate(rate) {
  let seconds = 1;
  while (seconds < 1e6 && !isWhole(rate * seconds)) seconds *= 10;
  return { rate: Math.max(1, Math.round(rate * seconds)), timeUnit: `${seconds}s` };
}

function isWhole(value) {
  return Math.abs(value - Math.round(value)) < 1e-9 * Math.max(1, value);
}

/**
 * A generator of numbers from 0 up to but without 1 (mulberry32). The same arguments give the same numbers.
 *
 * @param {...number} seeds integers
 * @returns {() => number}
 */
export function generator(...seeds) {
  let state = hash(...seeds);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * One of several values, each as likely as its weight says.
 *
 * @template T
 * @param {() => number} random from 0 up to but without 1
 * @param {readonly (readonly [number, T])[]} choices weight and value; weights need not add up to anything
 * @returns {T}
 */
export function choose(random, choices) {
  const total = choices.reduce((sum, [weight]) => sum + weight, 0);
  let left = random() * total;
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices[choices.length - 1][1];
}

/**
 * A whole number made of others, spread evenly over 32 bits (the finish of MurmurHash3 for each part).
 *
 * @param {...number} parts integers
 * @returns {number}
 */
export function hash(...parts) {
  let value = 0x9e3779b9;
  for (const part of parts) {
    value = Math.imul(value ^ part, 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    value ^= value >>> 16;
  }
  return value >>> 0;
}

/**
 * A name as an integer, so that it can take part in a hash.
 *
 * @param {string} text
 * @returns {number}
 */
export function textSeed(text) {
  return hash(...Array.from(text, (letter) => letter.codePointAt(0)));
}
