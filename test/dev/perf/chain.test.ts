/** The commits that npm run perf:chain compares: each is the chain with one thing changed, and a benchmark takes it. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Context } from '../../../scripts/app/context.ts';
import { ROOT } from '../../../scripts/app/open.ts';
import { loadConfig } from '../../../scripts/config/config.ts';
import { makeChain } from '../../../scripts/dev/perf/chain/commits.ts';
import { validUpTo } from '../../../scripts/dev/perf/chain/parts.ts';
import type { RoundDocument } from '../../../scripts/documents/run.ts';

t.test('commits differ in the one thing, and the benchmark is one', async (t) => {
  const folder = t.testdir();
  const chain = await makeChain(
    folder,
    (spec) => ({ ...spec, load: { ...spec.load, rate: 40 } }),
    null as unknown as Context,
  );
  const base = await chain.commit('first', {});
  const wait = await chain.commit('waits', { waitS: 0.005 });
  const compute = await chain.commit('computes', { computeS: 20e-6 });
  const off = await chain.commit('without spans', { untraced: true });
  const git = (...args: string[]) =>
    spawnSync('git', args, { cwd: join(folder, 'repository'), encoding: 'utf8' }).stdout.trim();
  const changed = (a: string, b: string) => git('diff', '--name-only', a, b).split('\n');
  t.same(changed(base, wait), ['consumer.ts']);
  t.same(changed(wait, compute), ['consumer.ts']);
  t.same(changed(base, off), ['consumer.ts', 'producer.ts']);
  t.match(git('show', `${wait}:consumer.ts`), 'await sleep(5);');
  t.match(git('show', `${compute}:consumer.ts`), 'while (performance.now() - began < 0.02);');
  for (const commit of [base, wait, compute, off])
    for (const name of ['consumer', 'producer']) {
      const file = join(folder, `${name}.ts`);
      writeFileSync(file, git('show', `${commit}:${name}.ts`));
      const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
      t.equal(status, 0, stderr);
    }
  // what stands first in a file is done before anything else of it
  const order = join(folder, 'order.ts');
  const [off1] = /^import 'data:.*$/m.exec(git('show', `${off}:producer.ts`))!;
  const before = git('show', `${off}:producer.ts`)
    .split('\n')
    .findIndex((line) => line.startsWith('import '));
  t.equal(git('show', `${off}:producer.ts`).split('\n')[before], off1);
  writeFileSync(order, `${off1}\nconsole.log(process.env.OTEL_EXPORTER_ZIPKIN_ENDPOINT);\n`);
  const env = { ...process.env, OTEL_EXPORTER_ZIPKIN_ENDPOINT: 'http://zipkin:9411' };
  t.equal(spawnSync(process.execPath, [order], { env, encoding: 'utf8' }).stdout, 'undefined\n');

  const config = await loadConfig(
    { benchmark: join(folder, 'chain'), commit: wait, against: base, traces: '100%' },
    { root: ROOT, cwd: ROOT },
  );
  t.match(config, { load: { rate: 40 }, traces: { sampling: 1 }, retries: 10 });
});

t.test('a rate is held up to the lowest one at which a round was INVALID', async (t) => {
  const rounds = (...tried: [rate: number | undefined, valid: boolean][]) => ({
    rounds: tried.map(([rate, valid]) => ({ ...(rate === undefined ? {} : { rate }), valid }) as RoundDocument),
  });
  t.equal(validUpTo(rounds([50, true], [100, true], [400, false], [200, true], [283, false], [undefined, true])), 200);
  t.equal(validUpTo(rounds([50, true], [100, true], [100, false])), 50, 'one of two is not enough');
  t.equal(validUpTo(rounds([50, false], [100, true])), null);
  t.equal(validUpTo(rounds([50, true], [100, true])), 100);
});
