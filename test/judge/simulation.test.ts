/**
 * A small form of `npm run perf:verdict`. Seeded, so it cannot fail by luck from one day to the next; the bounds are
 * such that a judge that keeps its promises would pass with any seed but one in a million (binomial tails).
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { interleaved, METRICS, MODELS, randomOf, soloRuns } from '../../scripts/dev/perf/verdict-models.ts';
import { SOLO_RULES } from '../../scripts/dev/perf/verdict-peers.ts';
import { simulate, simulatePeers } from '../../scripts/dev/perf/verdict-simulate.ts';
import { withTables } from '../../scripts/dev/perf/verdict-tables.ts';
import { changePointTimes, decisionTimes } from '../../scripts/dev/perf/verdict-times.ts';
import { binomialAtMost } from '../../scripts/judge/clopper-pearson.ts';
import { ALPHA } from '../../scripts/judge/verdict.ts';

const SEED = 11;
const TRIALS = 400;
const CHANCE = 1e-6;

/** The greatest number of hits that a share of at most `p` still explains. */
function mostHits(trials: number, p: number): number {
  let hits = 0;
  while (1 - binomialAtMost(hits, trials, p) > CHANCE) hits++;
  return hits;
}
const leastHits = (trials: number, p: number) => trials - mostHits(trials, 1 - p);
const index = (name: string) => MODELS.findIndex((model) => model.name === name);

t.test('false alarms stay within what is promised, under every noise', async (t) => {
  t.equal(MODELS.length, 7);
  for (const [model, { name }] of MODELS.entries()) {
    const { shares, coverage } = simulate({ model, metric: 0, effect: 0 }, TRIALS, SEED);
    t.ok(shares.REGRESSION.share * TRIALS <= mostHits(TRIALS, ALPHA), `${name}: ${shares.REGRESSION.share}`);
    t.ok(
      shares.IMPROVEMENT.share * TRIALS <= mostHits(TRIALS, ALPHA),
      `${name}: ${shares.IMPROVEMENT.share} improvements`,
    );
    const level = name === 'correlated' ? 0.8 : 0.93;
    t.ok(coverage.share * TRIALS >= leastHits(TRIALS, level), `${name}: coverage ${coverage.share}`);
  }
});

t.test('what is there is found', async (t) => {
  for (const name of ['drift', 'heavy', 'start', 'skewed']) {
    const model = index(name);
    for (const [metric, effect] of [
      [0, 0.02],
      [2, 0.05],
    ] as const) {
      const { inTenMinutes, bias, biasError } = simulate({ model, metric, effect }, 150, SEED);
      t.ok(
        inTenMinutes.share * 150 >= leastHits(150, 0.95),
        `${name}: ${effect} in ten minutes: ${inTenMinutes.share}`,
      );
      t.ok(Math.abs(bias) < 0.1 * effect + 5 * biasError, `${name}: bias ${bias}`);
    }
  }
  const { inThreeMinutes } = simulate({ model: index('drift'), metric: 0, effect: 0.05 }, 150, SEED);
  t.ok(inThreeMinutes.share * 150 >= leastHits(150, 0.98), `+5 % in three minutes: ${inThreeMinutes.share}`);
  const better = simulate({ model: index('drift'), metric: 0, effect: -0.05 }, 150, SEED);
  t.ok(
    better.shares.IMPROVEMENT.share * 150 >= leastHits(150, 0.95),
    `-5 % is an improvement: ${better.shares.IMPROVEMENT.share}`,
  );
});

t.test('a slowdown of the margin passes in 5 % of cases at most', async (t) => {
  const { shares } = simulate({ model: index('drift'), metric: 0, effect: 0.01 }, 300, SEED);
  t.ok(shares.PASS.share * 300 <= mostHits(300, 0.05), `${shares.PASS.share}`);
});

t.test('the noise is what it is said to be', async (t) => {
  const deviation = (values: number[]) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
  for (const [model, noise] of MODELS.entries()) {
    const ratios = interleaved(noise, [0, 0, 0], 20_000, randomOf(1, model)).map(({ pairs }) =>
      pairs.map((pair) => Math.log(pair!.candidate / pair!.baseline)),
    );
    for (const [i, { sd }] of METRICS.entries()) {
      const wanted = noise.name === 'outliers' ? sd * Math.sqrt(0.975 + 0.025 * 100) : sd;
      t.ok(
        Math.abs(deviation(ratios[i]!) / wanted - 1) < 0.1,
        `${noise.name}: ${deviation(ratios[i]!)} is about ${wanted}`,
      );
    }
    const neighbours =
      ratios[0]!.slice(1).reduce((sum, value, i) => sum + value * ratios[0]![i]!, 0) /
      ratios[0]!.length /
      deviation(ratios[0]!) ** 2;
    t.ok(Math.abs(neighbours - (noise.carry ?? 0)) < 0.05, `${noise.name}: lag-1 correlation ${neighbours}`);
  }
  const solo = soloRuns(MODELS[index('drift')]!, [0, 0, 0], 20_000, randomOf(2)).history[0]!.map(Math.log);
  const spread = deviation(solo);
  t.ok(spread > 0.15 && spread < 0.18, `solo runs spread by ${spread}`);
  const neighbours = solo.slice(1).reduce((sum, value, i) => sum + value * solo[i]!, 0) / solo.length / spread ** 2;
  t.ok(Math.abs(neighbours - 0.57) < 0.06, `lag-1 correlation of solo runs ${neighbours}`);
});

t.test('the rules of others by hand', async (t) => {
  const [fixed, github, rustc, conbench] = SOLO_RULES.map(({ slower }) => slower);
  const history = Array.from({ length: 100 }, (_, i) => 100 + (i % 2)); // changes of 1 %; deviation 0.5025
  const slower = (rule: typeof fixed, candidate: number) => rule!({ history, candidate });
  t.strictSame([slower(fixed, 106), slower(fixed, 107)], [false, true]);
  t.strictSame([slower(github, 202), slower(github, 203)], [false, true]);
  t.strictSame(
    [slower(rustc, 102), slower(rustc, 102.1)],
    [false, true],
    'Q1 and Q3 are 0.99 % and 1 %: the fence is 1.03 %',
  );
  t.strictSame([slower(conbench, 103), slower(conbench, 103.1)], [false, true]);
  const [none, , , , pooledRuns] = simulatePeers({ model: index('drift'), metric: 0, effect: 0 }, 100, SEED).map(
    ({ share }) => share,
  );
  t.ok(none! > 0.1 && pooledRuns! > 0.1, `the host alone sets them off: ${none}, ${pooledRuns}`);
});

t.test('times', async (t) => {
  const decision = decisionTimes(SEED);
  // The goals are checked by npm run perf:verdict on a quiet machine; here other tests run beside.
  t.ok(decision.p50 < 10 * decision.goal, `${decision.p50} ms`);
  const point = changePointTimes(SEED);
  t.ok(point.p50 < 10 * point.goal, `${point.p50} ms`);
});

t.test('the tables have their place in the page', async (t) => {
  const page = readFileSync('docs/verdict.md', 'utf8');
  const written = withTables(page, 'TABLES');
  t.match(written, /-->\nTABLES\n<!--/);
  t.equal(withTables(written, 'TABLES'), written);
  t.throws(() => withTables('no markers', 'TABLES'), /no <!-- perf:verdict/);
  t.match(page, /^\| drift \| normal;.*\| (met|MISSED) \|$/m, 'filled');
});
