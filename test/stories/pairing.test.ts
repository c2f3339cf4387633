/** Alternating rounds, by themselves near the limit of the CPUs; --pairing=alternating is in test/plan. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('both sides near the limit of the CPUs: alternating by itself, in blocks, to one look', async (t) => {
  const data = dataFolder(t);
  const refused = await mayfly(
    'bench',
    [`--benchmark=${probeBenchmark(t)}`, '--against=HEAD', `--markdown=${join(data, 'not', 'there.md')}`],
    data,
  ).done;
  t.equal(refused.code, 2);
  t.match(refused.stderr, /there\.md/);
  t.notOk(existsSync(join(data, 'mayfly.db')), 'refused before anything is started');

  const benchmark = probeBenchmark(t, {
    top: { metrics: [{ name: 'latency_med', primary: true }] },
    allow: { saturation: 0 },
  });
  const { code, stderr, run } = await bench(benchmark, data, [
    '--commit=HEAD',
    '--against=HEAD',
    '--rounds=1',
    '--strict',
    '--duration=1s',
    '--warmup=0s',
  ]);
  t.equal(code, 1, stderr);
  t.match(stderr, /going on with alternating rounds/);
  t.match(run, {
    pairing: 'alternating',
    verdict: { verdict: 'INCONCLUSIVE', observations: 1, method: { design: 'fixed', looks: [1] } },
  });
  t.same(
    run.rounds.map(({ round }) => round),
    [1, ...run.rounds.slice(1).map((_, index) => index + 1)],
  );
  t.ok(run.rounds.slice(0, 2).every(({ reasons }) => reasons.some(({ code }) => code === 'saturated')));
  t.same(
    run.rounds.filter(({ valid }) => valid).map(({ block, side }) => `${block} ${side}`),
    ['1 candidate', '1 baseline', '1 baseline', '1 candidate'],
    'one that is INVALID is measured again in its place',
  );
  t.match(run.verdict!.notes.join(), /both sides are the same build/);
  await nothingLeft(t, data);
});
