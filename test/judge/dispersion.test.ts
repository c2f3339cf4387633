import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { normal } from '../../scripts/dev/perf/verdict-models.ts';
import { compareDispersion } from '../../scripts/judge/dispersion.ts';
import { doubledRanks, hodgesLehmann, walshAverages } from '../../scripts/judge/signed-rank.ts';

const many = (n: number, draw: (i: number) => number) => Array.from({ length: n }, (_, i) => draw(i));

t.test('p is the share of all 2^n exchanges that look as bad', async (t) => {
  const random = generator(4);
  for (const n of [6, 8, 10, 12]) {
    const [first, second] = [many(n, () => 2 * normal(random)), many(n, () => normal(random))];
    const difference = first.map((value, i) => value - second[i]!);
    const centre = hodgesLehmann(walshAverages(difference));
    const apart = difference.map((value) => value - centre);
    const size = doubledRanks(apart.map(Math.abs)).map((rank) => rank / 2);
    const place = doubledRanks(first.map((value, i) => value + second[i]!)).map((rank) => rank - (n + 1));
    const weight = place.map((where, i) => where * size[i]!);
    const relation = (signs: readonly number[]) => weight.reduce((sum, one, i) => sum + one * signs[i]!, 0);
    const observed = relation(apart.map(Math.sign));
    let asBad = 0;
    for (let bits = 0; bits < 2 ** n; bits++)
      if (relation(many(n, (i) => (bits & (1 << i) ? 1 : -1))) >= observed) asBad++;
    t.ok(Math.abs(compareDispersion(first, second)!.p - asBad / 2 ** n) < 1e-12, `n = ${n}`);
  }
});

t.test('too few pairs, or a side that does not vary, is no answer', async (t) => {
  t.equal(compareDispersion([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]), null);
  t.equal(
    compareDispersion(
      many(8, () => 1),
      many(8, (i) => i),
    ),
    null,
  );
});

t.test('a third of the rounds ten times as wide is found in 40, whichever way and only there', async (t) => {
  const random = generator(5);
  let [found, other, same, shifted] = [0, 0, 0, 0];
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const wide = many(40, (i) => 0.01 * (i % 3 === 0 ? 10 : 1) * normal(random));
    const [a, b] = [many(40, () => 0.01 * normal(random)), many(40, () => 0.01 * normal(random))];
    if (compareDispersion(wide, b)!.p <= 0.002) found++;
    if (compareDispersion(b, wide)!.p <= 0.002) other++;
    if (compareDispersion(a, b)!.p <= 0.05) same++;
    if (
      compareDispersion(
        a.map((value) => value + 0.5),
        b,
      )!.p <= 0.05
    )
      shifted++;
  }
  t.comment({ found, other, same, shifted });
  t.ok(found >= 0.75 * trials, `found in ${found} of ${trials}`);
  t.equal(other, 0);
  // Binomial (200, 0.05): more than 30 has a probability below 1e-6.
  t.ok(same <= 30, `${same} of ${trials} at the level of 5 %`);
  t.ok(shifted <= 30, `${shifted} of ${trials} of those that are only slower`);
});

t.test('of many pairs it is as exact, and soon done', async (t) => {
  const random = generator(6);
  let alarms = 0;
  const started = performance.now();
  for (let trial = 0; trial < 30; trial++)
    if (
      compareDispersion(
        many(200, () => normal(random)),
        many(200, () => normal(random)),
      )!.p <= 0.05
    )
      alarms++;
  t.ok(alarms <= 12, `${alarms} of 30`);
  t.ok(performance.now() - started < 30_000);
});
