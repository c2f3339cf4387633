import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import type { RoundDocument, RunDocument, SideName } from '../../scripts/documents/run.ts';
import { FALSE_HINTS, growthOf, LEAST_WINDOW_S } from '../../scripts/judge/growth.ts';
import { studentQuantile, studentTail } from '../../scripts/judge/student-t.ts';
import { MEMORY, resourcesOf } from '../../scripts/measure/collect/resources.ts';

const MB = 1e6;
const RATE = 100;

type Memory = (second: number) => number;

/** Repeatable numbers. */
function random(seed: number) {
  const uniform = generator(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

/** A round whose service uses so much memory in each second of the window, through what a round keeps of it. */
function aRound(
  memory: Memory,
  {
    side = 'candidate',
    round = 1,
    windowS = 180,
    rate = RATE,
  }: { side?: SideName; round?: number; windowS?: number; rate?: number } = {},
): RoundDocument {
  const labels = { __name__: MEMORY, service: 'api', replica: '1' };
  const values = Array.from({ length: windowS }, (_, s): [number, number] => [s * 1000 + 500, memory(s)]);
  return {
    side,
    round,
    valid: true,
    reasons: [],
    started_at: '2026-01-02T03:04:05.000Z',
    window_s: windowS,
    samples: { request_rate: { value: rate, unit: '1/s' } },
    resources: resourcesOf([{ labels, values }], { startMs: 0, endMs: windowS * 1000 }, new Set(['api'])),
  };
}

const aRun = (rounds: RoundDocument[]): Pick<RunDocument, 'rounds' | 'sides'> => {
  const side = { ref: 'x', commit: 'x', images: [] };
  const isPair = rounds.some((one) => one.side === 'baseline');
  return { rounds, sides: { candidate: side, ...(isPair ? { baseline: side } : {}) } };
};
const only = (rounds: RoundDocument[], of = 'candidate') => growthOf(aRun(rounds)).find((one) => one.of === of)!;

/** Traces of a service, each drawn anew. `uniform`: 0 to 1; `normal`: mean 0, standard deviation 1. */
type Trace = (uniform: () => number, normal: () => number) => Memory;

const sum =
  (...traces: Trace[]): Trace =>
  (uniform, normal) => {
    const all = traces.map((trace) => trace(uniform, normal));
    return (s) => all.reduce((total, one) => total + one(s), 0);
  };
const level =
  (bytes: number): Trace =>
  () =>
  () =>
    bytes;
const noise =
  (sd: number): Trace =>
  (_, normal) =>
  () =>
    sd * normal();
const sluggish =
  (sd: number, memory: number): Trace =>
  (_, normal) => {
    let at = sd * normal();
    return () => (at = memory * at + sd * Math.sqrt(1 - memory ** 2) * normal());
  };
/** A collector gives back what has gathered, at about this period. */
const sawtooth =
  (bytes: number, periodS: number): Trace =>
  (uniform) => {
    let left = uniform() * periodS;
    let period = periodS;
    return () => {
      left -= 1;
      if (left <= 0) left = period = periodS * (0.8 + 0.4 * uniform());
      return bytes * (1 - left / period);
    };
  };
const warmUp =
  (bytes: number, seconds: number): Trace =>
  () =>
  (s) =>
    bytes * (1 - Math.exp(-s / seconds));
const step =
  (bytes: number): Trace =>
  (uniform) => {
    const at = uniform() * 180;
    return (s) => (s < at ? 0 : bytes);
  };
const wander =
  (sd: number): Trace =>
  (_, normal) => {
    let at = 0;
    return () => (at += sd * normal());
  };
const leak =
  (bytesPerRequest: number, rate = RATE): Trace =>
  () =>
  (s) =>
    bytesPerRequest * rate * s;

function share(trace: Trace, of: number, verdict: string, seed: number): number {
  const { uniform, normal } = random(seed);
  let found = 0;
  for (let i = 0; i < of; i++) if (only([aRound(trace(uniform, normal))]).verdict === verdict) found++;
  return found / of;
}

t.test('quantiles of Student’s t are those of the tables', async (t) => {
  for (const [tail, degrees, table] of [
    [0.025, 1, 12.706],
    [0.025, 10, 2.228],
    [0.005, 7, 3.499],
    [0.005, 30, 2.75],
    [0.5, 3, 0],
  ] as const) {
    const found = studentQuantile(tail, degrees);
    t.ok(Math.abs(found - table) < 6e-4, `${tail} ${degrees}: ${found}`);
    t.ok(Math.abs(studentTail(found, degrees) - tail) < 1e-9);
  }
});

t.test('growth that is exact is found exactly, of all replicas together', async (t) => {
  const exact = only([aRound((s) => 5e7 + 1024 * RATE * s)]);
  t.match(exact, { service: 'api', of: 'candidate', verdict: 'grows', rounds: 1 });
  for (const value of [exact.bytes_per_request!, exact.low!, exact.high!])
    t.ok(Math.abs(value - 1024) < 1e-6, String(value));
  const round = aRound((s) => 5e7 + 1024 * RATE * s);
  const [one] = round.resources!;
  const two = { ...round, resources: [one!, { ...one!, replica: 2 }] };
  t.ok(Math.abs(only([two]).bytes_per_request! - 2048) < 1e-6);
});

t.test('without a leak there is no more than the stated share of hints', async (t) => {
  const runs = 600;
  const traces: Record<string, Trace> = {
    'a level': level(6e7),
    noise: sum(level(6e7), noise(2 * MB)),
    'noise that depends on what it was': sum(level(6e7), sluggish(2 * MB, 0.95)),
    'a collector every 3 s': sum(level(6e7), sawtooth(10 * MB, 3), noise(0.3 * MB)),
    'a collector every 20 s': sum(level(6e7), sawtooth(10 * MB, 20), noise(0.3 * MB)),
    'a collector every 45 s': sum(level(6e7), sawtooth(10 * MB, 45), noise(0.3 * MB)),
    'a warm-up of 10 s': sum(level(6e7), warmUp(20 * MB, 10), noise(0.3 * MB)),
    'a warm-up of 30 s': sum(level(6e7), warmUp(20 * MB, 30), noise(0.3 * MB)),
    'a warm-up of 60 s': sum(level(6e7), warmUp(20 * MB, 60), noise(0.3 * MB)),
    'a cache that is filled at once': sum(level(6e7), step(20 * MB), noise(0.3 * MB)),
    'memory that wanders': sum(level(6e7), wander(0.3 * MB)),
  };
  // Three standard deviations of a share of 0.5 % in so many runs.
  const most = FALSE_HINTS + 3 * Math.sqrt((FALSE_HINTS * (1 - FALSE_HINTS)) / runs);
  for (const [i, [name, trace]] of Object.entries(traces).entries()) {
    const found = share(trace, runs, 'grows', i + 1);
    t.ok(found <= most, `${name}: ${found}`);
  }
});

t.test('a leak of 1 kB a request is found in one run of 3 minutes at 100 requests a second', async (t) => {
  const traces: Record<string, Trace> = {
    noise: sum(level(6e7), noise(0.5 * MB), leak(1000)),
    'a collector every 3 s': sum(level(6e7), sawtooth(10 * MB, 3), noise(0.3 * MB), leak(1000)),
    'a warm-up of 15 s': sum(level(6e7), warmUp(20 * MB, 15), noise(0.3 * MB), leak(1000)),
  };
  for (const [i, [name, trace]] of Object.entries(traces).entries()) {
    const found = share(trace, 200, 'grows', 100 + i);
    t.ok(found >= 0.95, `${name}: ${found}`);
  }
});

t.test('the interval holds the truth as often as it says', async (t) => {
  const { uniform, normal } = random(7);
  const runs = 400;
  let held = 0;
  for (let i = 0; i < runs; i++) {
    const { low, high } = only([aRound(sum(level(6e7), wander(0.2 * MB), leak(500))(uniform, normal))]);
    if (low! <= 500 && high! >= 500) held++;
  }
  // The least of each part wanders a little less than the memory itself; never fewer than 95 % less three deviations.
  t.ok(held / runs >= 0.95 - 3 * Math.sqrt((0.95 * 0.05) / runs), String(held / runs));
});

t.test('a warm-up that levels off is told as such', async (t) => {
  t.equal(only([aRound((s) => 5e7 + 30 * MB * (1 - Math.exp(-s / 45)))]).verdict, 'levels-off');
  t.equal(only([aRound(() => 5e7)]).verdict, 'steady');
});

t.test('with four rounds or more a round is one observation', async (t) => {
  const { uniform, normal } = random(3);
  const trace = sum(level(6e7), sluggish(0.5 * MB, 0.9), leak(1000));
  const rounds = Array.from({ length: 6 }, (_, i) => aRound(trace(uniform, normal), { round: i + 1, windowS: 60 }));
  const found = only(rounds);
  t.match(found, { verdict: 'grows', rounds: 6 });
  t.ok(found.low! < 1000 && found.high! > 1000, `${found.low} to ${found.high}`);
  // One that does not count is left out.
  const spoilt = [...rounds, { ...aRound(() => 1e9, { round: 7, windowS: 60 }), valid: false }];
  t.strictSame(only(spoilt), found);
});

t.test('short windows say nothing of one side, and of two the difference', async (t) => {
  const { uniform, normal } = random(5);
  // Both warm up all the time; only the candidate leaks.
  const both = sum(level(6e7), warmUp(40 * MB, 20), noise(0.3 * MB));
  const rounds = Array.from({ length: 10 }, (_, i) => [
    aRound(sum(both, leak(1000, 400))(uniform, normal), { round: i + 1, windowS: 9, rate: 400 }),
    aRound(both(uniform, normal), { round: i + 1, windowS: 9, rate: 400, side: 'baseline' }),
  ]).flat();
  const [candidate, baseline, difference] = growthOf(aRun(rounds));
  const why = `windows of 9 s are too short to tell a leak from a warm-up: it takes ${LEAST_WINDOW_S} s`;
  t.match(
    [candidate, baseline],
    [
      { verdict: 'unknown', bytes_per_request: null, why },
      { verdict: 'unknown', why },
    ],
  );
  t.match(difference, { of: 'difference', verdict: 'grows', rounds: 10 });
  t.ok(difference!.low! < 1000 && difference!.high! > 1000, `${difference!.low} to ${difference!.high}`);
  t.equal(
    growthOf(aRun(rounds.slice(0, 4)))[2]!.why,
    'windows of 9 s are too short to tell a leak from a warm-up: it takes 4 rounds',
  );
});

t.test('of two sides of one build no more than the stated share differ', async (t) => {
  const { uniform, normal } = random(9);
  const both = sum(level(6e7), warmUp(40 * MB, 20), sluggish(0.5 * MB, 0.8));
  let found = 0;
  const runs = 300;
  for (let run = 0; run < runs; run++) {
    const rounds = Array.from({ length: 8 }, (_, i) =>
      (['candidate', 'baseline'] as const).map((side) =>
        aRound(both(uniform, normal), { round: i + 1, windowS: 9, rate: 400, side }),
      ),
    ).flat();
    if (growthOf(aRun(rounds)).some(({ verdict }) => verdict === 'grows')) found++;
  }
  t.ok(found / runs <= FALSE_HINTS + 3 * Math.sqrt((FALSE_HINTS * (1 - FALSE_HINTS)) / runs), String(found));
});

t.test(
  'nothing is said of rounds in which something was done to the services, or whose memory is not known',
  async (t) => {
    const grows: Memory = (s) => 5e7 + 1024 * RATE * s;
    const scaled = { service: 'api', decisions: [], replicas_avg: 2, settled_s: 0 };
    t.match(only([{ ...aRound(grows), autoscale: scaled }]), {
      verdict: 'unknown',
      rounds: 0,
      why: 'no round that counts has its memory',
    });
    t.equal(only([{ ...aRound(grows), disturbances: [] }]).verdict, 'unknown');
    const { resources: _, ...old } = aRound(grows);
    t.strictSame(growthOf(aRun([old])), []);
    const [one] = aRound(grows).resources!;
    const { memory_floor: __, ...began } = one!;
    t.equal(only([{ ...aRound(grows), resources: [one!, { ...began, replica: 2 }] }]).verdict, 'unknown');
    const noLoad = { ...aRound(grows), samples: {} };
    t.equal(only([noLoad]).verdict, 'unknown');
    const alternating = [aRound(grows, { round: 1 }), aRound(grows, { round: 2, side: 'baseline' })];
    t.equal(only(alternating, 'difference').why, 'no round has the memory of both sides');
  },
);
