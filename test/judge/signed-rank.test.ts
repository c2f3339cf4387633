import t, { type Test } from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import {
  doubledRanks,
  hodgesLehmann,
  leastP,
  lowerBound,
  signedRankP,
  subsetSums,
  upperBound,
  walshAverages,
} from '../../scripts/judge/signed-rank.ts';

const near = (t: Test, actual: number, wanted: number, what?: string) =>
  t.ok(Math.abs(actual - wanted) < 1e-12, what ?? `${actual} is ${wanted}`);

/** Every way in which the values could have had their signs: 2^n of them. */
function flips(values: readonly number[]): number[][] {
  return Array.from({ length: 2 ** values.length }, (_, bits) =>
    values.map((value, i) => (bits & (1 << i) ? -value : value)),
  );
}

/** Rank sum of the positive ones by its definition: equal sizes share the mean of their places. */
function rankSum(values: readonly number[]): number {
  const sizes = values.map(Math.abs);
  const rank = (size: number) =>
    sizes.filter((other) => other < size).length + (sizes.filter((other) => other === size).length + 1) / 2;
  return values.reduce((sum, value) => (value > 0 ? sum + rank(Math.abs(value)) : sum), 0);
}

function bruteP(values: readonly number[]): number {
  const kept = values.filter((value) => value !== 0);
  const all = flips(kept);
  return all.filter((flipped) => rankSum(flipped) >= rankSum(kept)).length / all.length;
}

t.test('the table of the book: P(W >= w) for n = 5, 8, 10', async (t) => {
  const p = (n: number, w: number) => {
    const values = Array.from({ length: n }, (_, i) => -(i + 1));
    for (let left = w, i = n; i >= 1; i--)
      if (left >= i) {
        values[i - 1] = i;
        left -= i;
      }
    t.equal(rankSum(values), w);
    return signedRankP(values);
  };
  for (const [n, w, table] of [
    [5, 15, 0.031],
    [5, 12, 0.156],
    [8, 32, 0.027],
    [8, 28, 0.098],
    [10, 45, 0.042],
    [10, 50, 0.01],
    [10, 52, 0.005],
  ] as const) {
    t.equal(Number(p(n, w).toFixed(3)), table, `n = ${n}, w = ${w}`);
  }
});

t.test('all 2^n signs give the same p, with ties and zeros too', async (t) => {
  const random = generator(1);
  for (let n = 1; n <= 11; n++) {
    const plain = Array.from({ length: n }, () => random() - 0.4);
    const tied = Array.from({ length: n }, () => Math.floor(7 * random()) - 3);
    for (const values of [plain, tied]) near(t, signedRankP(values), bruteP(values), `n = ${n}: ${values}`);
  }
  t.equal(signedRankP([]), 1);
  t.equal(signedRankP([0, 0]), 1);
  t.equal(signedRankP(Array.from({ length: 12 }, (_, i) => i + 1)), leastP(12));
  near(t, signedRankP([1, 1, -1, 2]), 4 / 16);
});

t.test(
  'R: wilcox.test(x, alternative = "greater", conf.int = TRUE) of Hollander and Wolfe\'s depression scores',
  async (t) => {
    const x = [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3];
    const y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
    const differences = x.map((value, i) => value - y[i]!);
    t.equal(rankSum(differences), 40);
    t.equal(signedRankP(differences).toFixed(5), '0.01953');
    t.equal(hodgesLehmann(walshAverages(differences)).toFixed(2), '0.46');
  },
);

t.test('the estimate and its bounds are those of the definition', async (t) => {
  const random = generator(2);
  for (const n of [1, 2, 5, 6, 9]) {
    const values = Array.from({ length: n }, () => random() - 0.3);
    const means = values.flatMap((a, i) => values.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
    const walsh = walshAverages(values);
    near(t, hodgesLehmann(walsh), (means[(means.length - 1) >> 1]! + means[means.length >> 1]!) / 2);
    for (const alpha of [0.3, 0.05, 0.01, 0.0001]) {
      // The bound is the infimum of the shifts that the test does not reject; its p jumps at the means.
      const kept = means.filter((mean) => bruteP(values.map((value) => value - mean - 1e-9)) > alpha);
      const wanted = leastP(n) > alpha ? -Infinity : kept[0]!;
      t.equal(lowerBound(walsh, n, alpha), wanted, `n = ${n}, alpha = ${alpha}`);
      const mirrored = walshAverages(values.map((value) => -value));
      t.equal(upperBound(walsh, n, alpha), -lowerBound(mirrored, n, alpha));
    }
  }
});

t.test('a bound is above 0 exactly when the test rejects', async (t) => {
  const random = generator(3);
  let rejected = 0;
  for (let trial = 0; trial < 4000; trial++) {
    const n = 5 + Math.floor(36 * random());
    const values = Array.from({ length: n }, () => random() - 0.5 + 0.3 * random());
    const alpha = 0.1 * random() ** 2;
    const rejects = signedRankP(values) <= alpha;
    if (rejects) rejected++;
    if (lowerBound(walshAverages(values), n, alpha) > 0 !== rejects) t.fail(`n = ${n}, alpha = ${alpha}, ${values}`);
  }
  t.ok(rejected > 500 && rejected < 3500, `${rejected} of 4000 rejected`);
});

t.test('sums of subsets, ranks', async (t) => {
  t.strictSame([...subsetSums([1, 2])], [0.25, 0.25, 0.25, 0.25]);
  t.strictSame([...subsetSums([2, 2])], [0.25, 0, 0.5, 0, 0.25]);
  t.strictSame([...subsetSums([])], [1]);
  t.strictSame(doubledRanks([30, 10, 20, 20]), [8, 2, 5, 5]);
});
