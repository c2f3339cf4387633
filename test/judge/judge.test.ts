import { readFileSync } from 'node:fs';
import t from 'tap';
import { generator } from '../../loadgen/schedule.ts';
import { MOST } from '../../scripts/config/types.ts';
import { normal } from '../../scripts/dev/perf/verdict-models.ts';
import type { Better } from '../../scripts/documents/run.ts';
import {
  ALPHA,
  ALPHA_DISPERSION,
  BETA,
  holm,
  judge,
  LEAST,
  LEAST_DISPERSION,
  LEVEL,
  type MetricPairs,
  STRETCH,
} from '../../scripts/judge/verdict.ts';

const sequential = { design: 'sequential', min: LEAST, max: MOST.interleaved } as const;

/** Rounds of a metric whose candidate is `effect` higher, with a deviation of 1 %. */
function metric(
  name: string,
  effect: number,
  more: { rounds?: number; better?: Better; primary?: boolean; margin?: number; seed?: number; sd?: number } = {},
): MetricPairs {
  const { rounds = 40, better = 'lower', primary = true, margin = 0.01, seed = 1, sd = 0.01 } = more;
  const random = generator(seed, name.length);
  const pairs = Array.from({ length: rounds }, () => ({
    candidate: 100 * (1 + effect) * Math.exp(sd * Math.SQRT1_2 * normal(random)),
    baseline: 100 * Math.exp(sd * Math.SQRT1_2 * normal(random)),
  }));
  return { metric: { name, unit: 's', better, primary, margin }, pairs };
}

t.test('Holm by hand', async (t) => {
  const rejected = (ps: number[], alpha: number) => holm(ps, alpha).map((one) => one.rejected);
  t.strictSame(rejected([0.01, 0.04, 0.03], 0.05), [true, false, false], 'the second least would need 0.025');
  t.strictSame(rejected([0.01, 0.04, 0.02], 0.05), [true, true, true]);
  t.strictSame(rejected([0.02, 0.02, 0.02], 0.05), [false, false, false]);
  t.strictSame(rejected([0, 1], 0), [false, false], 'nothing to spend');
  t.strictSame(
    holm([0.04, 0.01], 0.05).map(({ level }) => level),
    [0.05, 0.025],
  );
  t.strictSame(holm([], 0.05), []);
});

t.test('what is clear is said early, and stays said', async (t) => {
  const slower = judge([metric('a', 0.05), metric('bb', 0), metric('ccc', 0)], sequential, false);
  t.match(slower, { verdict: 'REGRESSION', observations: 10, decided: true, more: null });
  t.strictSame(slower.looks, [6, 8, 10]);
  t.match(slower.metrics[0], { verdict: 'REGRESSION', observations: 10 });
  t.ok(slower.metrics[0]!.worse.at_least! > 0 && slower.metrics[0]!.worse.at_least! < 0.05);
  const [reversed] = judge(
    [
      { ...metric('a', 0.05), pairs: [...metric('a', 0.05).pairs.slice(0, 10), ...metric('a', -0.5).pairs] },
      metric('bb', 0),
      metric('ccc', 0),
    ],
    sequential,
    false,
  ).metrics;
  t.strictSame(reversed, slower.metrics[0], 'what comes after the look that decided is not looked at');
  t.match(judge([metric('a', 0), metric('bb', 0)], sequential, false), { verdict: 'PASS', decided: true });
});

t.test('an improvement gets the time to be called one', async (t) => {
  const better = judge([metric('a', -0.05), metric('bb', 0), metric('ccc', 0)], sequential, false);
  t.equal(better.verdict, 'IMPROVEMENT');
  t.strictSame(
    better.metrics.map(({ verdict }) => verdict),
    ['IMPROVEMENT', 'PASS', 'PASS'],
  );
  t.match(judge([metric('a', -0.05)], sequential, false), { verdict: 'IMPROVEMENT' }, 'though it could PASS before');
  t.match(
    judge(
      [metric('a', -0.05, { rounds: 6 }), metric('bb', -0.05, { rounds: 6 }), metric('ccc', -0.05, { rounds: 6 })],
      sequential,
      true,
    ),
    { verdict: 'PASS' },
    'where no more comes it passes',
  );
});

t.test('one that is worse outweighs one that is better', async (t) => {
  t.match(judge([metric('a', 0.05), metric('bb', -0.05)], sequential, false), { verdict: 'REGRESSION' });
});

t.test('more is better: a decrease is worse', async (t) => {
  const { verdict, metrics } = judge([metric('a', -0.05, { better: 'higher' })], sequential, false);
  t.equal(verdict, 'REGRESSION');
  t.ok(
    metrics[0]!.change! < 0 &&
      metrics[0]!.interval!.low < metrics[0]!.change! &&
      metrics[0]!.change! < metrics[0]!.interval!.high &&
      metrics[0]!.interval!.high < 0,
  );
});

t.test('certain, but not worth a red build', async (t) => {
  const { verdict, metrics } = judge(
    [metric('a', 0.01, { margin: 0.05, sd: 0.001 })],
    { design: 'fixed', min: 40, max: 40 },
    true,
  );
  t.equal(verdict, 'PASS');
  t.ok(metrics[0]!.p!.worse < 1e-6);
});

t.test('noise decides nothing, and it says what would', async (t) => {
  const { verdict, more, decided, metrics } = judge([metric('a', 0.01, { sd: 0.03, rounds: 8 })], sequential, false);
  t.match({ verdict, decided }, { verdict: 'INCONCLUSIVE', decided: false });
  t.ok(more! > 0 && more! <= 400);
  t.equal(metrics[0]!.verdict, 'INCONCLUSIVE');
});

t.test('nothing primary, no values, no rounds', async (t) => {
  t.match(judge([metric('a', 0.5, { primary: false })], sequential, true), { verdict: 'INCONCLUSIVE' });
  t.match(judge([], sequential, true), { verdict: 'INCONCLUSIVE', observations: 0 });
  const empty = judge([{ ...metric('a', 0), pairs: Array(40).fill(null) }, metric('bb', 0.05)], sequential, true);
  t.equal(empty.verdict, 'REGRESSION', 'the others still decide');
  t.match(empty.metrics[0], { verdict: null, change: null, interval: null, p: null });
  const equal = judge([{ ...metric('a', 0), pairs: Array(40).fill({ candidate: 0, baseline: 0 }) }], sequential, true);
  t.match(equal, { verdict: 'PASS', metrics: [{ change: 0 }] });
});

t.test('a variance explosion behind an unchanged median', async (t) => {
  const random = generator(9);
  const pairs = Array.from({ length: 40 }, (_, i) => ({
    candidate: Math.exp((i % 2 === 0 ? 0.3 : 0.01) * normal(random)),
    baseline: Math.exp(0.01 * normal(random)),
  }));
  const { verdict, metrics } = judge([{ ...metric('a', 0), pairs }], { design: 'fixed', min: 40, max: 40 }, true);
  t.equal(verdict, 'REGRESSION');
  t.match(metrics[0]!.words, /^varies [0-9.]+ times as much from round to round/);
});

t.test('the page quotes the constants of the code', async (t) => {
  const page = readFileSync('docs/verdict.md', 'utf8');
  const constants = {
    ALPHA,
    ALPHA_DISPERSION,
    BETA,
    STRETCH,
    LEAST_DISPERSION,
    LEVEL,
    LEAST,
    MOST: `${MOST.interleaved}, ${MOST.alternating}`,
  };
  for (const [name, value] of Object.entries(constants))
    t.ok(page.includes(`| \`${name}\` | ${value} |`), `${name} is ${value}`);
});

t.test('what was decided on the way stays decided as it was, when no more comes', async (t) => {
  const random = generator(11);
  const metric = (name: string) => ({ name, unit: 's', better: 'lower' as const, primary: true, margin: 0.01 });
  let decided = 0;
  for (let trial = 0; trial < 400; trial++) {
    const pairs = (centre: number) =>
      Array.from({ length: 40 }, () => ({
        candidate: Math.exp(centre + 0.02 * (random() + random() - 1)),
        baseline: 1,
      }));
    const input = [
      { metric: metric('a'), pairs: pairs(0.006) },
      { metric: metric('b'), pairs: pairs(0) },
    ];
    const live = judge(input, sequential, false);
    if (!live.decided) continue;
    decided++;
    const stored = input.map((one) => ({ ...one, pairs: one.pairs.slice(0, live.observations) }));
    if (JSON.stringify(judge(stored, sequential, true)) !== JSON.stringify(live))
      t.fail(
        `trial ${trial}: ${live.verdict} after ${live.observations} became ${judge(stored, sequential, true).verdict}`,
      );
  }
  t.ok(decided > 200, `${decided} were decided`);
});

t.test('a 0 on one side alone has no ratio, and no PASS hides it', async (t) => {
  const metric = { name: 'errors', unit: 'ratio', better: 'lower' as const, primary: true, margin: 0.01 };
  const pairs = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? { candidate: 0, baseline: 0 } : null));
  t.match(judge([{ metric, pairs }], sequential, true), { verdict: 'INCONCLUSIVE' });
  t.match(judge([{ metric, pairs: pairs.map(() => ({ candidate: 0, baseline: 0 })) }], sequential, true), {
    verdict: 'PASS',
  });
});
