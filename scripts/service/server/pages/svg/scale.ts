/** Places of values in a drawing. Pure. */

/** A coordinate in an attribute: a tenth of a unit is enough. */
export const at = (coordinate: number): string => String(Math.round(coordinate * 10) / 10);

/** From values to coordinates, in proportion. */
export function linear(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
): (value: number) => number {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

/**
 * Least and greatest, with some room; at least `least` times the middle wide, so that noise does not fill the drawing.
 */
export function extent(values: readonly number[], least = 0.02): [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const middle = (low + high) / 2;
  const half = Math.max((high - low) / 2, (Math.abs(middle) * least) / 2) * 1.12 || 0.5;
  return [middle - half, middle + half];
}

/** Round numbers within the range, about `count` of them. */
export function ticks([low, high]: readonly [number, number], count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** 1, 2 and 5 times the powers of ten within the range; for a scale of logarithms. */
export function logTicks([low, high]: readonly [number, number]): number[] {
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(low)) + i),
  );
  const all = powers
    .flatMap((power) => [1, 2, 5].map((factor) => Number((factor * power).toPrecision(6))))
    .filter((value) => value >= low && value <= high);
  return all.length <= 7 ? all : all.filter((value) => /^1/.test(value.toExponential()));
}
