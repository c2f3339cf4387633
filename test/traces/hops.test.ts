import t from 'tap';
import { chooser } from '../../scripts/traces/choose.ts';
import { type Tree, treeOf } from '../../scripts/traces/critical-path.ts';
import { hopSums } from '../../scripts/traces/hops.ts';
import { HOP_TAG, type Span } from '../../scripts/traces/spans.ts';
import { made } from './made.ts';

const whole = (spans: readonly Span[]) => treeOf(spans) as Tree;
const round = (value: number) => Math.round(value * 1e9) / 1e9;

/** producer calls consumer, which takes so many microseconds. */
const chain = (consumer: number) =>
  whole([
    made('producer', null, 0, consumer + 2000, { kind: 'SERVER' }),
    made('producer call', 'producer', 500, consumer + 1500, { kind: 'CLIENT' }),
    made('consumer', 'producer call', 1000, consumer + 1000, { kind: 'SERVER' }),
  ]);

t.test('means over traces by hop, the greatest part of the critical path first', async (t) => {
  const sums = hopSums();
  for (const consumer of [1000, 2000, 3000, 4000]) sums.add(chain(consumer));
  const { complete, total_avg, hops } = sums.result();
  t.equal(complete, 4);
  t.equal(round(total_avg!), 0.0045);
  t.strictSame(
    hops.map(({ hop, calls, self_avg, self_p95, path_avg, share }) => [
      hop,
      calls,
      ...[self_avg, self_p95, path_avg, share].map(round),
    ]),
    [
      ['consumer', 1, 0.0025, 0.00385, 0.0025, round(2.5 / 4.5)],
      ['producer', 1, 0.002, 0.002, 0.002, round(2 / 4.5)],
    ],
    'its own call is a part of the producer, and no call of it',
  );
  t.equal(
    round(hops.reduce((sum, { path_avg }) => sum + path_avg, 0)),
    round(total_avg!),
    'all hops together are the whole',
  );
});

t.test(
  'a hop that a trace does not have counts as 0 there; a span may name another hop than its service',
  async (t) => {
    const sums = hopSums();
    sums.add(chain(1000));
    sums.add(whole([made('producer', null, 0, 1000)]));
    sums.add(
      whole([
        made('trigger', null, 0, 1000),
        made('trigger queue', 'trigger', 0, 1000, { tags: { [HOP_TAG]: 'broker' } }),
      ]),
    );
    const { hops } = sums.result();
    const of = (name: string) => hops.find(({ hop }) => hop === name)!;
    t.match(of('consumer'), { calls: 1 / 3 });
    t.equal(round(of('consumer').self_avg), round(0.001 / 3));
    t.equal(round(of('consumer').self_p95), 0.0009);
    t.equal(round(of('broker').path_avg), round(0.001 / 3));
    t.match(of('trigger'), { self_avg: 0, path_avg: 0, share: 0 });
  },
);

t.test('without a trace there is nothing; hops beyond a number are counted and not named', async (t) => {
  t.strictSame(hopSums().result(), { complete: 0, total_avg: null, hops: [] });
  const sums = hopSums();
  for (let i = 0; i < 103; i++) sums.add(whole([made(`s${i}`, null, 0, 10)]));
  t.equal(sums.result().hops.length, 100);
  t.equal(sums.refused(), 3);
});

t.test('the slowest are kept, and a sample that is fair and the same in any order', async (t) => {
  const traces = Array.from({ length: 1000 }, (_, i) => ({
    id: i.toString(16).padStart(32, '0'),
    total: (i * 7919) % 1000,
  }));
  const choose = (list: typeof traces, most: number) => {
    const kept = chooser<number>(most);
    for (const { id, total } of list) kept.add(id, total, total);
    return { slowest: kept.slowest(), sample: kept.sample() };
  };
  const kept = choose(traces, 20);
  t.strictSame(
    kept.slowest,
    Array.from({ length: 20 }, (_, i) => 999 - i),
    'the slowest first',
  );
  t.strictSame(choose(traces.toReversed(), 20), kept);
  t.equal(new Set(kept.sample).size, 20);
  t.strictSame(choose(traces.slice(0, 3), 20).slowest.length, 3, 'no more than there are');
  t.strictSame(choose(traces, 0), { slowest: [], sample: [] });
  // of 200 sets of traces the mean place of a sampled one is that of a uniform draw: 499.5, standard error 4.6
  const means = Array.from({ length: 200 }, (_, set) => {
    const one = chooser<number>(20);
    for (let i = 0; i < 1000; i++) one.add(`${set}-${i}`, i, i);
    return one.sample().reduce((sum, place) => sum + place, 0) / 20;
  });
  const mean = means.reduce((sum, one) => sum + one, 0) / means.length;
  t.ok(Math.abs(mean - 499.5) < 4 * 4.6, `fair: mean place ${mean}`);
});
