/**
 * Whether the memory that a service holds grows with the requests: a hint, never a part of the verdict. Pure.
 *
 * What it holds is the least working set in each part of the window: what a garbage collector gives back in between
 * is not seen. What is counted are the steps from one part to the next, per request. Scrapes are no observations: they
 * depend on each other. Steps are independent where the memory wanders, and fall where they have just risen where it
 * goes to and fro, so that Student's t over them is right in the first case and too careful in the second. It stays
 * right where steps differ in their variance (Ibragimov and Müller, Journal of Business & Economic Statistics 28, 2010:
 * levels of 5 % or lower); a single jump gives t = 1, whatever its size. Where there are several rounds, each is one
 * observation.
 */
import type { RoundDocument, RunDocument, SideName } from '../documents/run.ts';
import { countedRounds } from './compare-runs.ts';
import { studentQuantile } from './student-t.ts';

type Growth = NonNullable<RunDocument['growth']>[number];
type Rounds = Pick<RunDocument, 'rounds'>;

/** Share of the runs without a leak in which one may be hinted at, over all services and sides. */
export const FALSE_HINTS = 0.005;
/** Share of the window's growth in its second half: below it the growth levels off. A leak has a half. */
const LATE_SHARE = 0.4;
/** With fewer rounds the steps within them are the observations. */
const LEAST_ROUNDS = 4;
/** In a shorter window a warm-up looks like a leak; of two sides the difference still tells. */
export const LEAST_WINDOW_S = 60;
/** Of a window that is long enough the share at its begin in which the service may still warm up. */
const WARM_UP_SHARE = 1 / 4;
/** What grows by less in a window is not worth a hint: bytes, and share of what it holds. */
const LEAST_BYTES = 256 * 1024;
const LEAST_SHARE = 0.01;

/** What a service holds in one round, part by part of the window. */
interface Held {
  /** Bytes of each part, per request of one part. */
  perRequest: number[];
  /** Requests in the window. */
  requests: number;
  /** At its begin. */
  bytes: number;
  windowS: number;
}

/** Of each service, of both sides and the difference between them. Empty where no round has kept what it takes. */
export function growthOf(run: Rounds & Pick<RunDocument, 'sides'>): Growth[] {
  const services = [
    ...new Set(run.rounds.flatMap(({ resources }) => resources?.map(({ service }) => service) ?? [])),
  ].sort();
  const kinds: Growth['of'][] = run.sides.baseline ? ['candidate', 'baseline', 'difference'] : ['candidate'];
  const level = FALSE_HINTS / Math.max(1, services.length * kinds.length);
  return services.flatMap((service) => {
    const of = (side: SideName) => heldOf(run, side, service);
    const sides = { candidate: of('candidate'), baseline: of('baseline') };
    return kinds.map((kind): Growth => {
      const rounds = kind === 'difference' ? differences(sides.candidate, sides.baseline) : [...sides[kind].values()];
      return { service, of: kind, ...judge(rounds, kind, level) };
    });
  });
}

/** By round. Rounds in which something was done to the services, or their number changed, say nothing of growth. */
function heldOf(run: Rounds, side: SideName, service: string): Map<number, Held> {
  const held = countedRounds(run, side).flatMap((round) => {
    const one = round.disturbances || round.autoscale ? null : heldIn(round, service);
    return one ? [[round.round, one] as const] : [];
  });
  return new Map(held);
}

function heldIn({ resources, samples, window_s }: RoundDocument, service: string): Held | null {
  const floors = (resources ?? []).filter((one) => one.service === service).map(({ memory_floor }) => memory_floor);
  const parts = floors[0]?.length ?? 0;
  const requests = (samples.request_rate?.value ?? 0) * window_s;
  if (parts === 0 || requests <= 0 || floors.some((one) => one?.length !== parts)) return null;
  const bytes = Array.from({ length: parts }, (_, i) => floors.reduce((sum, one) => sum + one![i]!, 0));
  return { perRequest: bytes.map((one) => one / (requests / parts)), requests, bytes: bytes[0]!, windowS: window_s };
}

/** Of the rounds that have both sides. */
function differences(candidate: ReadonlyMap<number, Held>, baseline: ReadonlyMap<number, Held>): Held[] {
  return [...candidate].flatMap(([round, one]) => {
    const other = baseline.get(round);
    return other && other.perRequest.length === one.perRequest.length
      ? [{ ...one, perRequest: one.perRequest.map((value, i) => value - other.perRequest[i]!) }]
      : [];
  });
}

const NOTHING = { bytes_per_request: null, low: null, high: null };

function judge(rounds: readonly Held[], kind: Growth['of'], level: number): Omit<Growth, 'service' | 'of'> {
  const unknown = (why: string) => ({ verdict: 'unknown' as const, ...NOTHING, rounds: rounds.length, why });
  if (rounds.length === 0)
    return unknown(
      kind === 'difference' ? 'no round has the memory of both sides' : 'no round that counts has its memory',
    );
  const windowS = Math.min(...rounds.map((one) => one.windowS));
  const short = windowS < LEAST_WINDOW_S;
  const window = `windows of ${Math.round(windowS)} s are too short to tell a leak from a warm-up`;
  if (short && kind !== 'difference') return unknown(`${window}: it takes ${LEAST_WINDOW_S} s`);
  if (short && rounds.length < LEAST_ROUNDS) return unknown(`${window}: it takes ${LEAST_ROUNDS} rounds`);
  const steps = rounds.map(({ perRequest }) => {
    const settled = perRequest.slice(short ? 0 : Math.floor(perRequest.length * WARM_UP_SHARE));
    return settled.slice(1).map((value, i) => value - settled[i]!);
  });
  const observed = rounds.length >= LEAST_ROUNDS ? steps.map(mean) : steps.flat();
  const estimate = mean(observed);
  const error = Math.sqrt(
    observed.reduce((sum, one) => sum + (one - estimate) ** 2, 0) / (observed.length - 1) / observed.length,
  );
  const reach = (tail: number) => studentQuantile(tail, observed.length - 1) * error;
  const requests = Math.max(...rounds.map((one) => one.requests));
  const least = Math.max(LEAST_BYTES, LEAST_SHARE * mean(rounds.map(({ bytes }) => bytes)));
  const grew = estimate - reach(level) > 0 && estimate * requests >= least;
  const late = mean(steps.map(lateShareLess));
  return {
    verdict: !grew ? 'steady' : late > 0 ? 'grows' : 'levels-off',
    bytes_per_request: estimate,
    low: estimate - reach(0.025),
    high: estimate + reach(0.025),
    rounds: rounds.length,
  };
}

/** The second half's mean step less what it would be of a growth that levels off; a middle step is in neither. */
function lateShareLess(steps: readonly number[]): number {
  const half = Math.floor(steps.length / 2);
  const [early, late] = [mean(steps.slice(0, half)), mean(steps.slice(-half))];
  return late - LATE_SHARE * (early + late);
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
