/**
 * Which rate is probed next, or what the capacity is. Pure: all probes so far go in.
 *
 * The rate is doubled until a probe fails (halved until one is met), then the middle between the two is probed until
 * they are as near as wanted. Then both ends are confirmed, since near the edge a probe succeeds or fails by luck: the
 * lower one must be met in two further probes of two, the upper one must fail in two of three. An end that is not
 * confirmed changes sides, and the search goes on from there.
 */

/** 'generator': the load generator could not keep up, so it tells nothing of the service. */
export type Outcome = 'met' | 'failed' | 'generator';

export interface Probe {
  rate: number;
  outcome: Outcome;
}

export interface Limits {
  /** Rate of the first probe. */
  start: number;
  /** Highest rate that may be probed. */
  max: number;
  /** How near the ends must be: 0.02 is 2 %. */
  precision: number;
  /** Number of probes after which the search ends with what it knows; default MOST_PROBES. */
  most?: number;
}

export type Next =
  /** `low` and `high`: the ends so far, where there are any. */
  | { step: 'probe'; rate: number; why: 'search' | 'confirm'; low: number | null; high: number | null }
  | {
      step: 'answer';
      /** Highest rate that was met, confirmed; null: none was. */
      capacity: number | null;
      failsAt: number | null;
      limitedBy: 'objectives' | 'generator' | 'cap';
      /** Both ends are confirmed and as near as wanted. */
      sure: boolean;
    };

export const MOST_PROBES = 50;
/** Further probes that the capacity must meet. */
export const CONFIRMATIONS = 2;
/** No rate under this part of the first one (and under 1/s) is probed. */
const LEAST_SHARE = 1 / 1024;

/** What all probes of one rate say together. */
interface Rate {
  rate: number;
  met: boolean;
  /** As often as it must be. */
  confirmed: boolean;
  byGenerator: boolean;
}

export function next(probes: readonly Probe[], limits: Limits): Next {
  const rates = [...Map.groupBy(probes, ({ rate }) => rate)].map(([rate, of]) =>
    judgeRate(
      rate,
      of.map(({ outcome }) => outcome),
    ),
  );
  const high = rates
    .filter(({ met }) => !met)
    .reduce<Rate | null>((least, one) => (least && least.rate < one.rate ? least : one), null);
  const low = rates
    .filter(({ met, rate }) => met && rate < (high?.rate ?? Infinity))
    .reduce<Rate | null>((best, one) => (best && best.rate > one.rate ? best : one), null);
  const answer = (sure: boolean): Next => ({
    step: 'answer',
    capacity: low?.confirmed ? low.rate : null,
    failsAt: high?.rate ?? null,
    limitedBy: high === null ? 'cap' : high.byGenerator ? 'generator' : 'objectives',
    sure,
  });
  if (probes.length >= (limits.most ?? MOST_PROBES)) return answer(false);
  const ends = { low: low?.rate ?? null, high: high?.rate ?? null };
  const between = nextRate(ends, limits);
  if (between !== null) return { step: 'probe', rate: between, why: 'search', ...ends };
  for (const end of [low, high])
    if (end && !end.confirmed) return { step: 'probe', rate: end.rate, why: 'confirm', ...ends };
  return answer(true);
}

/**
 * A rate is met where its first probe and all further ones are, or where the first failed and both further ones are
 * met. Any other failure stands.
 */
function judgeRate(rate: number, outcomes: readonly Outcome[]): Rate {
  const count = outcomes.filter((outcome) => outcome === 'met').length;
  const failures = outcomes.length - count;
  const redeemed = outcomes[0] !== 'met' && outcomes.length === 1 + CONFIRMATIONS && count === CONFIRMATIONS;
  const met = failures === 0 || redeemed;
  const byGenerator = outcomes.filter((outcome) => outcome === 'generator').length * 2 > failures;
  return {
    rate,
    met,
    byGenerator,
    confirmed: met ? redeemed || count > CONFIRMATIONS : failures >= 2 || outcomes.length > CONFIRMATIONS,
  };
}

/** The next rate of the search; null where the ends are as near as they can be. */
function nextRate(
  { low, high }: { low: number | null; high: number | null },
  { start, max, precision }: Limits,
): number | null {
  const least = Math.min(1, start);
  if (low === null && high === null) return Math.min(start, max);
  if (low === null) {
    const lower = rounded(high! / 2);
    return lower < Math.max(least, start * LEAST_SHARE) ? null : lower;
  }
  if (high === null) return low >= max ? null : Math.min(max, rounded(low * 2));
  if (high / low <= 1 + precision) return null;
  const middle = rounded(Math.sqrt(low * high));
  return middle > low && middle < high ? middle : null;
}

/** Four digits: finer than any precision that may be asked for. */
const rounded = (rate: number): number => Number(rate.toPrecision(4));
