import t from 'tap';
import { decide, type Recommendation } from '../../scripts/measure/autoscale-decision.ts';

const MIB = 2 ** 20;
const config = { target: 0.5, min: 2, max: 6, cooldownS: 15 };
const at = (use: (number | null)[], before: Recommendation[] = [], atS = 0, how = config) =>
  decide({ atS, use, request: 100 }, how, before);

t.test('ceil(current × use / target), counted by hand', async (t) => {
  t.match(at([100, 90, 80]), { utilisation: 0.9, desired: 6, why: '90 % used, 50 % wanted: ceil(3 × 1.80) = 6' });
  t.match(at([60, 60]), { desired: 3, why: '60 % used, 50 % wanted: ceil(2 × 1.20) = 3' });
  t.match(at([40, 40, 40, 40, 40], [], 0, { ...config, cooldownS: 0 }), {
    desired: 4,
    why: '40 % used, 50 % wanted: ceil(5 × 0.80) = 4',
  });
  t.match(at([75, 75]), { desired: 3, why: '75 % used, 50 % wanted: ceil(2 × 1.50) = 3' }, 'a whole number is no more');
});

t.test('a tenth above or below is no change', async (t) => {
  t.match(at([55, 55, 55]), { desired: 3, why: '55 % used, 50 % wanted: within the tolerance' });
  t.match(at([45, 45, 45]), { desired: 3 });
  t.match(at([56, 56, 56]), { desired: 4 });
});

t.test('min and max', async (t) => {
  t.match(at([100, 100, 100, 100]), { desired: 6, why: /= 8; no more than 6$/ });
  t.match(at([1, 1, 1], [], 0, { ...config, cooldownS: 0 }), { desired: 2, why: /= 1; no fewer than 2$/ });
  t.match(at([50], [], 0), { desired: 2, why: /within the tolerance; no fewer than 2$/ });
});

t.test('a replica whose use is not known dampens the change', async (t) => {
  t.match(
    at([90, 90, null]),
    { utilisation: 0.9, desired: 4, why: '90 % used, 50 % wanted, 1 not known and taken for 0 %: ceil(3 × 1.20) = 4' },
    'for 0 % where there would be more',
  );
  t.match(
    at([10, 10, null, null], [], 0, { ...config, cooldownS: 0 }),
    { desired: 3, why: '10 % used, 50 % wanted, 2 not known and taken for 50 %: ceil(4 × 0.60) = 3' },
    'for the target where there would be fewer',
  );
  t.match(at([60, null]), { desired: 2, why: '60 % used, 50 % wanted, 1 not known and taken for 0 %: no change' });
  t.match(at([null, null]), { utilisation: null, desired: 2, why: 'the use of no replica is known yet' });
});

t.test('there are not fewer before the cooldown is over: the greatest count wanted in it decides', async (t) => {
  let before: Recommendation[] = [];
  let count = 6;
  const seen: number[] = [];
  // 6 at 50 %; then the use of all falls to 120 of 600 at once: ceil(6 × 0.4) = 3
  for (let atS = 0; atS <= 30; atS += 2) {
    const total = atS < 4 ? 300 : 120;
    const decision = decide(
      { atS, use: Array.from({ length: count }, () => total / count), request: 100 },
      config,
      before,
    );
    before = decision.recommendations;
    if (decision.desired !== count) seen.push(atS);
    count = decision.desired;
  }
  t.equal(count, 3, '120 / (100 × 0.5) = 2.4');
  t.same(seen, [18], 'the last evaluation that wanted 6 was at 2 s');
});

t.test(
  'a step in load is followed at once, and a load that swings within the cooldown makes no flapping',
  async (t) => {
    const simulate = (load: (atS: number) => number, seconds: number) => {
      let before: Recommendation[] = [];
      const counts = [2];
      for (let atS = 0; atS < seconds; atS += 2) {
        const count = counts.at(-1)!;
        const use = Array.from({ length: count }, () => (load(atS) * MIB) / count);
        const decision = decide({ atS, use, request: 64 * MIB }, config, before);
        before = decision.recommendations;
        counts.push(decision.desired);
      }
      return counts;
    };
    const step = simulate((atS) => (atS < 10 ? 64 : 150), 60);
    t.equal(step.at(-1), 5, '150 / 32 = 4.7');
    t.same([...new Set(step)], [2, 5], 'in one change');
    const swinging = simulate((atS) => (atS % 8 < 4 ? 64 : 150), 80);
    t.equal(swinging.filter((count, i) => i > 0 && count !== swinging[i - 1]).length, 1, 'up once, never down');
  },
);

t.test('a cooldown of 0 forgets everything', async (t) => {
  const { recommendations } = at([10, 10, 10], [{ atS: 0, desired: 5 }], 2, { ...config, cooldownS: 0 });
  t.same(recommendations, [{ atS: 2, desired: 1 }]);
});
