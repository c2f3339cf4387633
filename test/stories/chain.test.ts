/** A benchmark of several functions, measured as one and hop by hop: chain-sync as it is shipped, for a few seconds. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { bench, dataFolder, engine, mayfly, nothingLeft, ROOT } from '../e2e/helpers.ts';

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
  benchmark.traces.sampling = '100%';
  writeFileSync(file, stringify(benchmark));

  const data = dataFolder(t);
  const { code, stderr, run } = await bench(folder, data, ['--commit=HEAD', '--rounds=1']);
  t.equal(code, 0, stderr);
  t.match(run.sides.candidate.images, [{ name: 'producer' }, { name: 'consumer' }], 'an image for each function');
  const { samples, traces } = run.rounds.find(({ valid }) => valid)!;
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

  // every call is a trace of three spans: both ends of the hop between the functions, and the producer's own
  t.match(traces, { sampling: 1, holes: 0, unfinished: 0 });
  t.ok(
    traces!.traces > 100 && traces!.spans === 3 * traces!.traces,
    `${traces!.spans} spans of ${traces!.traces} traces`,
  );
  t.same(traces!.hops.map(({ hop }) => hop).sort(), ['consumer', 'producer']);
  for (const { hop, self_avg, path_avg } of traces!.hops) {
    t.ok(self_avg > 0 && self_avg <= path_avg * 1.001, `${hop}: ${self_avg} of ${path_avg}`);
    t.equal(value(`${hop}_self`), self_avg);
  }
  const logged = await mayfly('logs', ['last', '--side=candidate', '--json'], data).done;
  const lines: Record<string, unknown>[] = logged.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const service of ['producer', 'consumer'])
    t.match(
      lines.find((line) => line.service === service),
      {
        ts: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/,
        level: 'info',
        side: 'candidate',
        round: 1,
        msg: /^serves|listens$/,
      },
      `${service} ${logged.stderr}`,
    );
  const stack = await mayfly('logs', ['last', '--service=zipkin'], data).done;
  t.match(stack.stdout, /^ts=\S+ .*service=zipkin/m, `what the run stack had to say ${stack.stderr}`);
  await nothingLeft(t, data);
});
