import t from 'tap';
import { lowerShift, rankSumP, shifts, upperShift } from '../../scripts/judge/rank-sum.ts';
import { hodgesLehmann } from '../../scripts/judge/signed-rank.ts';

/** By hand: every way in which the second sample could have been drawn from all values. */
function counted(first: number[], second: number[]): number {
  const all = [...first, ...second];
  const rank = all.map(
    (value) => all.filter((other) => other < value).length + (all.filter((other) => other === value).length + 1) / 2,
  );
  const observed = rank.slice(first.length).reduce((sum, one) => sum + one, 0);
  let [ways, extreme] = [0, 0];
  for (let mask = 0; mask < 2 ** all.length; mask++) {
    const drawn = rank.filter((_, i) => (mask >> i) & 1);
    if (drawn.length !== second.length) continue;
    ways++;
    if (drawn.reduce((sum, one) => sum + one, 0) >= observed) extreme++;
  }
  return extreme / ways;
}

t.test('the exact p-value is that of all choices, with ties too', async (t) => {
  const cases: [number[], number[]][] = [
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    [
      [4, 5, 6],
      [1, 2, 3],
    ],
    [[1, 4, 2], [3]],
    [[7], [1, 2, 3, 4, 5]],
    [
      [0.5, 2.5, 3.1, 9],
      [2, 2.6, 3, 8, 11],
    ],
    [
      [1, 1, 2],
      [1, 2, 2],
    ],
    [
      [0, 0, 0, 5],
      [0, 0, 7],
    ],
    [
      [3, 3],
      [3, 3, 3],
    ],
    [
      [1, 2, 2, 2, 3],
      [2, 3, 3, 4, 4],
    ],
  ];
  for (const [first, second] of cases)
    t.ok(
      Math.abs(rankSumP(first, second) - counted(first, second)) < 1e-12,
      `${first} | ${second}: ${rankSumP(first, second)}`,
    );
  t.equal(rankSumP([], [1]), 1);
  t.equal(rankSumP([1], []), 1);
});

t.test('many values: the normal distribution goes on where the exact one ends', async (t) => {
  const values = (count: number, shift: number) =>
    Array.from({ length: count }, (_, i) => ((i * 37) % count) / count + shift);
  const [exact, normal] = [rankSumP(values(63, 0), values(63, 0.1234)), rankSumP(values(64, 0), values(64, 0.1234))];
  t.ok(exact > 0.001 && exact < 0.05, `${exact}`);
  t.ok(Math.abs(normal / exact - 1) < 0.1, `${exact} ${normal}`);
  t.equal(rankSumP(Array(100).fill(0), Array(100).fill(0)), 1, 'all the same');
  const [few, many] = [
    lowerShift(shifts(values(63, 0), values(63, 1)), 63, 63, 0.025),
    lowerShift(shifts(values(64, 0), values(64, 1)), 64, 64, 0.025),
  ];
  t.ok(Math.abs(few - many) < 0.01, `${few} ${many}`);
});

t.test('the interval holds what the test does not reject', async (t) => {
  const [first, second] = [
    [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3],
    [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.073, 3.14, 1.311, 4.1],
  ];
  const sorted = shifts(first, second);
  t.equal(sorted.length, 90);
  for (const alpha of [0.1, 0.025, 0.005]) {
    const [low, high] = [lowerShift(sorted, 9, 10, alpha), upperShift(sorted, 9, 10, alpha)];
    const p = (shift: number) => [
      rankSumP(
        first,
        second.map((value) => value - shift),
      ),
      rankSumP(
        second.map((value) => value - shift),
        first,
      ),
    ];
    t.ok(p(low - 1e-9)[0]! <= alpha && p(low + 1e-9)[0]! > alpha, `from ${low}`);
    t.ok(p(high + 1e-9)[1]! <= alpha && p(high - 1e-9)[1]! > alpha, `to ${high}`);
  }
  t.equal(hodgesLehmann(shifts([1, 2, 3], [11, 12, 13])), 10);
  t.strictSame(
    [lowerShift(shifts([1, 2], [3, 4]), 2, 2, 0.01), upperShift(shifts([1, 2], [3, 4]), 2, 2, 0.01)],
    [-Infinity, Infinity],
    'four values bound nothing',
  );
});
