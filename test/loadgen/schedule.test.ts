import t from 'tap';
import { choose, dueMs, generator, pairOf, sideOf, textSeed, wholeRate } from '../../loadgen/schedule.js';

const SIDES = ['candidate', 'baseline'] as const;
const order = (seed: number, count: number) => Array.from({ length: count }, (_, i) => sideOf(i, SIDES, seed));

t.test('one side gets every iteration', async (t) => {
  t.same([0, 1, 2, 3, 4].map((i) => sideOf(i, ['candidate'], 7)), Array(5).fill('candidate'));
});

t.test('two sides meet in blocks A B B A or B A A B', async (t) => {
  const sides = order(42, 4_000);
  const blocks = new Set<string>();
  for (let i = 0; i < sides.length; i += 4) blocks.add(sides.slice(i, i + 4).map((side) => side[0]).join(''));
  t.same([...blocks].sort(), ['bccb', 'cbbc']);
});

t.test('each side gets exactly half of every four iterations', async (t) => {
  for (const seed of [0, 1, 2, 99, -5, 2 ** 31]) {
    const sides = order(seed, 400);
    for (let end = 4; end <= sides.length; end += 4) {
      t.equal(sides.slice(0, end).filter((side) => side === 'candidate').length, end / 2);
    }
  }
});

t.test('no side gets more than two iterations in a row', async (t) => {
  const letters = order(3, 40_000).map((side) => side[0]).join('');
  t.notMatch(letters, /ccc|bbb/);
});

t.test('both orders are drawn about equally often, without a pattern from block to block', async (t) => {
  const first = order(11, 40_000).filter((_, i) => i % 4 === 0).map((side) => side === 'candidate');
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
    const side = sideOf(i, SIDES, 5);
    t.equal(pairOf(i, 2), seen[side]++);
  }
  t.equal(pairOf(17, 1), 17);
});

t.test('an iteration is due at its place in the schedule', async (t) => {
  t.equal(dueMs(0, 400), 0);
  t.equal(dueMs(400, 400), 1_000);
  t.equal(dueMs(1, 0.5), 2_000);
});

t.test('k6 gets whole numbers for any rate', async (t) => {
  t.same(wholeRate(400), { rate: 400, timeUnit: '1s' });
  t.same(wholeRate(0.5), { rate: 5, timeUnit: '10s' });
  t.same(wholeRate(33.3 * 2), { rate: 666, timeUnit: '10s' });
  t.same(wholeRate(0.1 + 0.2), { rate: 3, timeUnit: '10s' });
  t.same(wholeRate(1 / 3), { rate: 333_333, timeUnit: '1000000s' });
});

t.test('the generator repeats itself for the same seeds and covers its range evenly', async (t) => {
  const draw = (...seeds: number[]) => Array.from({ length: 10 }, generator(...seeds));
  t.same(draw(1, 2), draw(1, 2));
  t.notSame(draw(1, 2), draw(2, 1));
  // The first number of many seeds, since a script draws few numbers in each iteration.
  const values = Array.from({ length: 20_000 }, (_, i) => generator(9, i)());
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  t.ok(Math.abs(mean - 0.5) < 0.01, `mean ${mean}`);
  t.ok(values.every((value) => value >= 0 && value < 1));
});

t.test('a choice comes as often as its weight says', async (t) => {
  const random = generator(1);
  const counts: Record<string, number> = { catalogue: 0, product: 0, search: 0, never: 0 };
  for (let i = 0; i < 20_000; i++) {
    const name = choose(random, [[2, 'catalogue'], [1, 'product'], [0, 'never'], [1, 'search']] as const);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  t.ok(Math.abs((counts.catalogue ?? 0) / 20_000 - 0.5) < 0.02);
  t.ok(Math.abs((counts.product ?? 0) / 20_000 - 0.25) < 0.02);
  t.equal(counts.never, 0);
});

t.test('names give different seeds', async (t) => {
  t.not(textSeed('warmup'), textSeed('measure'));
  t.equal(textSeed('measure'), textSeed('measure'));
});
