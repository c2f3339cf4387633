/** Words of the benchmark's file as numbers. The schema has checked their form. Pure. */

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600 };

/** Same form as $defs/duration in benchmark.schema.json. */
const DURATION = /^(?=\d)(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?$/;

/** "1m30s" -> 90 (seconds); null where it is not a duration. */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  const seconds = parts.reduce((sum, [, number, unit]) => sum + Number(number) * SECONDS[unit!]!, 0);
  return Math.round(seconds * 1e6) / 1e6;
}

/** "512MiB" -> 536870912. */
export function parseSize(text: string): number {
  const unit = { MiB: 2 ** 20, GiB: 2 ** 30 }[text.slice(-3)] ?? 1;
  return Math.round(Number.parseFloat(text) * unit);
}

/** 0.005 and "0.5%" -> 0.005. */
export function parseShare(share: number | string): number {
  if (typeof share === 'number') return share;
  // Moving the point in decimal keeps 0.3% from becoming 0.0029999999999999996.
  return Number(`${Number.parseFloat(share)}e-2`);
}
