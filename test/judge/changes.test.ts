/** Change points on series whose truth is known. The figures that it prints are those of docs/history.md. */
import t from 'tap';
import { type Change, createDetector } from '../../scripts/judge/changes.ts';

/** mulberry32 (T. Ettinger, 2017), and normal values by Box and Muller. */
function randomOf(seed: number) {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

type Random = ReturnType<typeof randomOf>;

/** Noise with a standard deviation of 1. */
const NOISE: Record<string, (random: Random) => () => number> = {
  normal: ({ normal }) => normal,
  t3:
    ({ normal }) =>
    () =>
      normal() / Math.sqrt(normal() ** 2 + normal() ** 2 + normal() ** 2),
  'AR 0.3': ({ normal }) => {
    let last = 0;
    return () => (last = 0.3 * last + Math.sqrt(1 - 0.09) * normal());
  },
  'spikes of 20 in 5 %':
    ({ normal, uniform }) =>
    () =>
      (uniform() < 0.05 ? 20 : 0) + normal(),
};

function changesIn(values: Iterable<number>): (Change & { seenAt: number })[] {
  const detector = createDetector();
  return [...values].flatMap((value, seenAt) => {
    const change = detector.add(value);
    return change ? { ...change, seenAt } : [];
  });
}

const series = <T>(length: number, of: (index: number) => T): T[] => Array.from({ length }, (_, index) => of(index));

t.test('false change points in 1,000 points of noise', async (t) => {
  // Independent noise, whatever its tails: fewer than 2. Autocorrelated noise is what a comparison has to refute.
  const most: Record<string, number> = { normal: 2, t3: 2, 'AR 0.3': 10, 'spikes of 20 in 5 %': 2 };
  for (const [name, make] of Object.entries(NOISE)) {
    const draw = make(randomOf(1));
    const found = changesIn(series(5_000, draw)).length / 5;
    t.comment(`${name}: ${found.toFixed(1)} in 1,000`);
    t.ok(found <= most[name]!, `${name}: ${found}`);
  }
});

t.test('a shift: how soon it is found, and where', async (t) => {
  const before = 30;
  const cases: [noise: string, shift: number, least: { found: number; bracketed: number }, delay: number][] = [
    ['normal', 2, { found: 0.95, bracketed: 0.85 }, 9],
    ['normal', 3, { found: 0.98, bracketed: 0.94 }, 6],
    ['normal', -3, { found: 0.98, bracketed: 0.94 }, 6],
    ['t3', 2, { found: 0.95, bracketed: 0.85 }, 9],
    ['AR 0.3', 2, { found: 0.9, bracketed: 0.75 }, 9],
    ['AR 0.3', 3, { found: 0.95, bracketed: 0.9 }, 6],
    ['normal', 10, { found: 0.98, bracketed: 0.99 }, 5],
    ['spikes of 20 in 5 %', 3, { found: 0.93, bracketed: 0.85 }, 9],
  ];
  for (const [noise, shift, least, most] of cases) {
    const random = randomOf(7);
    const trials = series(100, () => {
      const draw = NOISE[noise]!(random);
      return changesIn(series(before + 40, (index) => draw() + (index >= before ? shift : 0))).find(
        (change) => change.seenAt >= before,
      );
    });
    const found = trials.filter((change) => change !== undefined);
    const delays = found.map(({ seenAt }) => seenAt - before + 1).sort((a, b) => a - b);
    const share = (test: (change: Change) => boolean) => found.filter(test).length / found.length;
    const bracketed = share(({ last, first }) => last < before && first >= before);
    const delay = delays[delays.length >> 1]!;
    const width = found.reduce((sum, { last, first }) => sum + first - last, 0) / found.length;
    t.comment(
      `${noise}, ${shift} sd: found ${((100 * found.length) / 100).toFixed(0)} %, after ${delay} points (95 %: ${delays[Math.floor(0.95 * delays.length)]}), exactly placed ${(100 * share(({ index }) => index === before)).toFixed(0)} %, bracketed ${(100 * bracketed).toFixed(0)} % by ${width.toFixed(1)} points`,
    );
    t.ok(found.length / 100 >= least.found, `${noise} ${shift}: found ${found.length} of 100`);
    t.ok(bracketed >= least.bracketed, `${noise} ${shift}: bracketed ${bracketed}`);
    t.ok(delay <= most, `${noise} ${shift}: after ${delay}`);
    t.ok(found.every((change) => change.last < change.index && change.index <= change.first));
    const direction = share((change) => Math.sign(change.after - change.before) === Math.sign(shift));
    t.ok(direction > 0.97, `${noise} ${shift}: right direction ${direction}`);
  }
});

t.test('what it says of a clean step', async (t) => {
  const step = series(60, (index) => 0.001 * Math.sin(index * 7) + (index >= 30 ? Math.log(1.08) : 0));
  const found = changesIn(step);
  t.equal(found.length, 1);
  t.match(found[0], { index: 30, seenAt: 33 });
  t.ok(Math.abs(found[0]!.after - found[0]!.before - Math.log(1.08)) < 0.002);
  const both = series(90, (index) => 0.001 * Math.sin(index * 7) + (index >= 30 && index < 60 ? 0.05 : 0));
  t.strictSame(
    changesIn(both).map(({ index }) => index),
    [30, 60],
    'up and down again',
  );
});

t.test('spikes are no change', async (t) => {
  const spiky = (at: number[]) => series(60, (index) => 0.001 * Math.sin(index * 7) + (at.includes(index) ? 5 : 0));
  for (const at of [[0], [20], [59], [30, 31], [10, 25, 50]]) t.strictSame(changesIn(spiky(at)), [], `spikes at ${at}`);
});

t.test('edges', async (t) => {
  t.strictSame(changesIn(series(200, () => 3)), [], 'a constant has no change');
  t.strictSame(
    changesIn(series(40, (index) => (index >= 20 ? 1 : 0))).map(({ index }) => index),
    [20],
    'two constants have one',
  );
  t.strictSame(changesIn([0, 0, 0, 9, 9, 9]), [], 'six points can prove nothing');
  t.throws(() => createDetector().add(NaN), /numbers only, got NaN/);
});

t.test('append-only, and the same whenever it is computed', async (t) => {
  const { normal } = randomOf(3);
  const values = series(400, (index) => normal() + 3 * (Math.floor(index / 57) % 2));
  const whole = changesIn(values);
  t.ok(whole.length >= 5, `${whole.length} changes`);
  t.strictSame(changesIn(values), whole);
  for (const length of [100, 250, 333])
    t.strictSame(
      changesIn(values.slice(0, length)),
      whole.filter(({ seenAt }) => seenAt < length),
      `the first ${length}`,
    );
});

t.test('10,000 points: a sliding window, not the history', async (t) => {
  const { normal } = randomOf(5);
  const detector = createDetector();
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) detector.add(normal());
  const each = (performance.now() - started) / 10_000;
  t.comment(`${(1000 * each).toFixed(0)} µs a point`);
  t.ok(each < 1, `${each} ms a point`);
});
