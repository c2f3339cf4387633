/** A benchmark of several functions, measured as one and hop by hop: chain-sync as it is shipped, for a few seconds. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { bench, dataFolder, engine, nothingLeft, ROOT } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

t.test('the hops of a synchronous chain, each a part of the one before it', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'mayfly-chain-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, 'chain-sync');
  cpSync(join(ROOT, 'benchmarks/chain-sync'), folder, { recursive: true });
  const file = join(folder, 'benchmark.yaml');
  const benchmark = parse(readFileSync(file, 'utf8'), { merge: true });
  // Other work on a test machine must not make this fail.
  benchmark.allow = { ...benchmark.allow, start_lag: '2s', outside_load: 1, steal: 1, throttled: 1, saturation: 1 };
  benchmark.load = { ...benchmark.load, rate: 50, duration: '4s', warmup: '1s' };
  writeFileSync(file, stringify(benchmark));

  const data = dataFolder(t);
  const { code, stderr, run } = await bench(folder, data, ['--commit=HEAD', '--rounds=1']);
  t.equal(code, 0, stderr);
  t.match(run.sides.candidate.images, [{ name: 'producer' }, { name: 'consumer' }], 'an image for each function');
  const { samples } = run.rounds.find(({ valid }) => valid)!;
  const value = (name: string) => samples[name]?.value ?? Number.NaN;
  const hops = ['latency_avg', 'client_to_producer_avg', 'producer_to_consumer_avg', 'consumer_avg'].map(value);
  for (const [i, part] of hops.slice(1).entries()) t.ok(part > 0 && part < hops[i]!, `${part} is a part of ${hops[i]}`);
  for (const name of ['client_to_producer_p95', 'producer_to_consumer_p95', 'producer_cpu', 'consumer_cpu'])
    t.ok(value(name) > 0, `${name} ${value(name)}`);
  // the functions' own figures leave out little of what the kernel counts of their containers
  const cpu = (value('producer_cpu') + value('consumer_cpu')) / value('cpu_seconds_per_request');
  t.ok(cpu > 0.5 && cpu < 1.5, `the CPU of both hops is that of the chain: ${cpu}`);
  for (const name of Object.keys(samples).filter(
    (one) => /^(client|producer)_to_/.test(one) && !/_(avg|p95)$/.test(one),
  ))
    t.equal(value(name), 0, name);
  t.equal(value('failed_requests'), 0);
  await nothingLeft(t, data);
});
