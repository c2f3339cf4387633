/** Who gets which iteration, and when: by value. */
import t from 'tap';
import type { Stage } from '../../loadgen/plan.ts';
import {
  choose,
  dueTimes,
  dueTimesOfRows,
  generator,
  hash,
  pairOf,
  sideIndexOf,
  textSeed,
  warmupTimes,
} from '../../loadgen/schedule.ts';

const SIDES = ['candidate', 'baseline'] as const;
const order = (seed: number, count: number) => Array.from({ length: count }, (_, i) => SIDES[sideIndexOf(i, 2, seed)]!);
const due = (
  rate: number,
  durationS: number,
  {
    sides = 1,
    stages,
    arrivals = 'constant' as const,
    seed = 1,
  }: { sides?: number; stages?: Stage[]; arrivals?: 'constant' | 'poisson'; seed?: number } = {},
) => [...dueTimes({ kind: 'open', arrivals, rate, durationS, ...(stages ? { stages } : {}) }, sides, seed)];

t.test('one side gets every iteration', async (t) => {
  t.same(
    [0, 1, 2, 3, 4].map((i) => ['candidate'][sideIndexOf(i, 1, 7)]),
    Array(5).fill('candidate'),
  );
});

t.test('two sides meet in blocks A B B A or B A A B', async (t) => {
  const sides = order(42, 4_000);
  const blocks = new Set<string>();
  for (let i = 0; i < sides.length; i += 4)
    blocks.add(
      sides
        .slice(i, i + 4)
        .map((side) => side[0])
        .join(''),
    );
  t.same([...blocks].sort(), ['bccb', 'cbbc']);
});

t.test('each side gets exactly half of every four iterations, and one of every two', async (t) => {
  for (const seed of [0, 1, 2, 99, -5, 2 ** 31, 2 ** 32 - 1]) {
    const sides = order(seed, 400);
    for (let end = 2; end <= sides.length; end += 2)
      t.equal(sides.slice(0, end).filter((side) => side === 'candidate').length, end / 2);
  }
});

t.test('no side gets more than two iterations in a row', async (t) => {
  const letters = order(3, 40_000)
    .map((side) => side[0])
    .join('');
  t.notMatch(letters, /ccc|bbb/);
});

t.test('both orders are drawn about equally often, without a pattern from block to block', async (t) => {
  const first = order(11, 40_000)
    .filter((_, i) => i % 4 === 0)
    .map((side) => side === 'candidate');
  const share = first.filter(Boolean).length / first.length;
  const repeated = first.filter((value, i) => i > 0 && value === first[i - 1]).length / first.length;
  t.ok(Math.abs(share - 0.5) < 0.02, `candidate is first in ${share} of the blocks`);
  t.ok(Math.abs(repeated - 0.5) < 0.02, `a block repeats the one before in ${repeated} of the cases`);
});

t.test('the order depends on the seed', async (t) => {
  t.notSame(order(1, 100), order(2, 100));
  t.same(order(1, 100), order(1, 100));
});

t.test('the n-th iteration of each side belongs to the n-th pair', async (t) => {
  const seen = { candidate: 0, baseline: 0 };
  for (let i = 0; i < 1_000; i++) {
    const side = SIDES[sideIndexOf(i, 2, 5)]!;
    t.equal(SIDES[sideIndexOf(i, 2, 5)], side);
    t.equal(pairOf(i, 2), seen[side]++);
  }
  t.equal(pairOf(17, 1), 17);
});

t.test('of a constant rate each iteration is due at its place', async (t) => {
  t.same(due(4, 1), [0, 250, 500, 750]);
  t.same(due(2, 1, { sides: 2 }), [0, 250, 500, 750], 'the rate is that of each side');
  t.same(due(0.5, 5), [0, 2000, 4000]);
  t.same(due(0.1, 5), [0]);
  for (const [rate, seconds, sides] of [
    [400, 2, 2],
    [20.5, 10, 2],
    [33.3, 10, 2],
    [33.3, 10, 1],
    [0.3, 20, 2],
    [7.7, 30, 1],
    [1 / 3, 9, 2],
    [10_000, 3, 1],
  ] as const) {
    const times = due(rate, seconds, { sides });
    t.equal(times.length, Math.round(rate * seconds) * sides, `${rate}/s for ${seconds} s, ${sides} sides`);
    t.ok(times.every((ms, n) => Math.abs(ms - (n / (rate * sides)) * 1000) < 1e-6 && ms < seconds * 1000));
  }
});

t.test('where the rate gives no whole number of pairs, both sides still get equally many', async (t) => {
  t.equal(due(1.5, 1, { sides: 2 }).length, 2); // 3 would be due
  t.equal(due(20.5, 1, { sides: 2 }).length, 40); // 41
  t.equal(due(20.5, 1).length, 21); // at 0, 1/20.5, ... 20/20.5
  t.equal(due(33.3, 1, { sides: 2 }).length, 66); // 67
});

/** Integral of the rate until a time, iterations of one side. */
function integral(from: number, stages: Stage[], ms: number): number {
  let sum = 0;
  let left = ms / 1000;
  for (const { rate, durationS } of stages) {
    const seconds = Math.min(left, durationS);
    sum += from * seconds + ((rate - from) * seconds ** 2) / durationS / 2;
    left -= seconds;
    from = rate;
  }
  return sum;
}

t.test('of stages the n-th iteration is due when the integral of the rate reaches n', async (t) => {
  const cases: [from: number, stages: Stage[], whole: number][] = [
    [10, [{ rate: 100, durationS: 10 }], 550],
    [100, [{ rate: 10, durationS: 10 }], 550],
    [
      10,
      [
        { rate: 50, durationS: 5 },
        { rate: 50, durationS: 4 },
        { rate: 0, durationS: 2 },
      ],
      400,
    ],
    [
      0,
      [
        { rate: 20, durationS: 1 },
        { rate: 0, durationS: 1 },
        { rate: 0, durationS: 5 },
        { rate: 10, durationS: 2 },
      ],
      30,
    ],
    [20.5, [{ rate: 33.3, durationS: 7.5 }], 201.75],
  ];
  for (const [from, stages, whole] of cases) {
    for (const sides of [1, 2]) {
      const times = due(from, 0, { sides, stages });
      const said = `${sides} sides, from ${from} ${JSON.stringify(stages)}`;
      t.ok(Math.abs(times.length / sides - whole) <= 1, `${times.length} for ${said}`);
      t.equal(times.length % sides, 0);
      t.ok(
        times.every((ms, n) => Math.abs(integral(from, stages, ms) * sides - n) < 1e-6),
        said,
      );
      t.ok(
        times.every((ms, n) => ms >= 0 && (n === 0 || ms > times[n - 1]!)),
        `ascending: ${said}`,
      );
    }
  }
});

t.test('a warm-up of two seconds or more begins with a tenth of its rate and has all of it after one', async (t) => {
  const long = [...warmupTimes(100, 3, 2, 5)];
  t.equal(long.length, 2 * (55 + 200), 'on average 55 % of the rate in the first second');
  const within = (from: number, to: number) => long.filter((at) => at >= from && at < to).length / 2;
  t.same([within(0, 1000), within(1000, 2000), within(2000, 3000)], [55, 100, 100]);
  t.ok(within(0, 200) < 5, `${within(0, 200)} of 20 in the first fifth of a second`);
  t.same([...warmupTimes(100, 1.9, 1, 5)], due(100, 1.9), 'a shorter one keeps its rate');
  t.equal(warmupTimes(100, 0, 2, 5).length, 0);
});

t.test('a stage that ends at rate 0 on a whole number of iterations leaves the next in order', async (t) => {
  // In floating point the integral of the first stage is a hair more than 55 iterations.
  const times = due(12.5, 0, {
    sides: 2,
    stages: [
      { rate: 0, durationS: 4.4 },
      { rate: 12.5, durationS: 4.4 },
    ],
  });
  t.equal(times.length, 110);
  t.ok(times.every((ms, n) => ms >= 0 && ms < 8800 && (n === 0 || ms > times[n - 1]!)));
  t.ok(Math.abs(times[55]! - 4400) < 1e-3, `${times[55]}`);
});

t.test('Poisson arrivals have exponential gaps', async (t) => {
  for (const sides of [1, 2]) {
    const times = due(100, 200, { arrivals: 'poisson', sides });
    const gaps = times.map((ms, n) => ms - (times[n - 1] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    const expected = 10 / sides;
    t.ok(Math.abs(times.length / (100 * 200 * sides) - 1) < 0.03, `${times.length} arrivals`);
    t.ok(Math.abs(mean / expected - 1) < 0.03, `mean gap ${mean} ms`);
    t.ok(Math.abs(variance / expected ** 2 - 1) < 0.05, `variance ${variance / expected ** 2}`);
    for (const share of [0.1, 0.25, 0.5, 0.75, 0.9, 0.99]) {
      const below = gaps.filter((gap) => gap <= -Math.log(1 - share) * expected).length / gaps.length;
      t.ok(Math.abs(below - share) < 0.012, `${below} of the gaps are below the quantile of ${share}`);
    }
    // No gap tells of the next.
    const together =
      gaps.slice(1).reduce((sum, gap, n) => sum + (gap - mean) * (gaps[n]! - mean), 0) / (gaps.length - 1) / variance;
    t.ok(Math.abs(together) < 0.03, `correlation ${together}`);
    t.equal(times.length % sides, 0);
    t.ok(times.every((ms, n) => ms < 200_000 && (n === 0 || ms >= times[n - 1]!)));
  }
});

t.test('Poisson arrivals follow the stages, and the seed', async (t) => {
  const stages = [
    { rate: 300, durationS: 100 },
    { rate: 300, durationS: 100 },
  ];
  const times = due(100, 0, { arrivals: 'poisson', stages });
  const before = times.filter((ms) => ms < 100_000).length;
  t.ok(Math.abs(before / 20_000 - 1) < 0.03, `${before} on the ramp`);
  t.ok(Math.abs((times.length - before) / 30_000 - 1) < 0.03, `${times.length - before} after it`);
  t.same(due(10, 5, { arrivals: 'poisson', seed: 3 }), due(10, 5, { arrivals: 'poisson', seed: 3 }));
  t.notSame(due(10, 5, { arrivals: 'poisson', seed: 3 }), due(10, 5, { arrivals: 'poisson', seed: 4 }));
});

t.test("a file's rows are due at their times; the second of a pair half-way to the next", async (t) => {
  t.same([...dueTimesOfRows([0, 0.5, 2], 1)], [0, 500, 2000]);
  t.same([...dueTimesOfRows([0, 0.5, 2], 2)], [0, 250, 500, 1250, 2000, 2000]);
  t.same([...dueTimesOfRows([1, 1], 2)], [1000, 1000, 1000, 1000]);
});

t.test('the generator repeats itself for the same seeds and covers its range evenly', async (t) => {
  const draw = (...seeds: number[]) => Array.from({ length: 10 }, generator(...seeds));
  t.same(draw(1, 2), draw(1, 2));
  t.notSame(draw(1, 2), draw(2, 1));
  t.notSame(draw(1), draw(1, 0));
  // The first number of many seeds, since a script draws few numbers in each iteration; and many of one.
  const one = generator(7);
  for (const values of [
    Array.from({ length: 20_000 }, (_, i) => generator(9, i)()),
    Array.from({ length: 20_000 }, one),
  ]) {
    const tenths = Array(10).fill(0);
    for (const value of values) tenths[Math.floor(value * 10)]++;
    t.ok(
      tenths.every((count) => Math.abs(count / 2_000 - 1) < 0.1),
      tenths.join(),
    );
    t.equal(tenths.length, 10, 'none is below 0, or 1');
    const together =
      values.slice(1).reduce((sum, value, i) => sum + (value - 0.5) * (values[i]! - 0.5), 0) / values.length / (1 / 12);
    t.ok(Math.abs(together) < 0.03, `correlation ${together}`);
  }
});

t.test("the generator's numbers do not change from version to version: runs can be told again", async (t) => {
  t.same(
    Array.from({ length: 3 }, generator(5, textSeed('measure'), 0, 0)).map((value) => Math.round(value * 2 ** 32)),
    [1_279_187_347, 406_058_783, 3_456_182_664],
  );
  t.equal(hash(1, 2, 3), 2_901_138_804);
});

t.test('a choice comes as often as its weight says', async (t) => {
  const random = generator(1);
  const counts: Record<string, number> = { catalogue: 0, product: 0, search: 0, never: 0 };
  for (let i = 0; i < 20_000; i++) {
    const name = choose(random, [
      [2, 'catalogue'],
      [1, 'product'],
      [0, 'never'],
      [1, 'search'],
    ] as const);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  t.ok(Math.abs((counts.catalogue ?? 0) / 20_000 - 0.5) < 0.02);
  t.ok(Math.abs((counts.product ?? 0) / 20_000 - 0.25) < 0.02);
  t.equal(counts.never, 0);
});

t.test('a choice at the edges of the range', async (t) => {
  const of = (value: number) =>
    choose(
      () => value,
      [
        [1, 'a'],
        [1, 'b'],
        [2, 'c'],
      ],
    );
  t.same([0, 0.2499, 0.25, 0.4999, 0.5, 1 - 2 ** -32].map(of), ['a', 'a', 'b', 'b', 'c', 'c']);
  t.equal(
    choose(() => 0.9, [[0.001, 'only']]),
    'only',
  );
});

t.test('names give different seeds', async (t) => {
  t.not(textSeed('warmup'), textSeed('measure'));
  t.equal(textSeed('measure'), textSeed('measure'));
});
