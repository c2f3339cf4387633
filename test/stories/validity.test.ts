/** Every reason for INVALID, by making it happen. Load from outside is in test/e2e, since it disturbs what is beside it. Steal cannot be made from inside a machine: it is tested by value in test/collect. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bench, dataFolder, engine, nothingLeft, probeBenchmark, type ProbeOptions } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

async function invalid(t: Test, options: ProbeOptions, code: string, message: RegExp, prepare: (folder: string) => void = () => {}): Promise<void> {
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t, { ...options, top: { retries: 0, ...options.top } });
  prepare(benchmark);
  const ended = await bench(benchmark, data);
  t.equal(ended.code, 3, `exit code 3\n${ended.stderr}`);
  t.equal(ended.run.status, 'invalid');
  const reasons = ended.run.rounds.flatMap((round) => round.reasons);
  t.ok(reasons.some((reason) => reason.code === code && message.test(reason.message)), `${code} ${message}: ${JSON.stringify(reasons)}`);
  t.match(ended.stderr, message, 'the reason is shown');
  t.match(ended.run.archive, { verified: true }, 'an invalid round is shipped and shown like any other');
  await nothingLeft(t, data);
}

t.test('a rate that the generator cannot reach', (t) => invalid(t, { mode: 'slow', load: { vus: 5 } }, 'dropped-iterations', /dropped \d+ iterations in the window/));
t.test('a missed rate', (t) => invalid(t, { mode: 'slow', load: { vus: 5, duration: '6s' } }, 'rate-missed', /1[0-5]\.\d iterations per second ended, 50 were asked for/));
t.test('a generator short of CPU starts late', (t) =>
  invalid(t, { allow: { start_lag: '5ms' }, load: { rate: 40, vus: 40 } }, 'start-lag', /started more than \d+\.\d ms after their time \(at most 5 ms/, (folder) => {
    const burning = "export default iteration(({ url, params }) => {\n  for (const end = Date.now() + 60; Date.now() < end; );\n  return http.get(`${url}/`, params('probe'));\n});\n";
    writeFileSync(join(folder, 'load.js'), readFileSync(join(folder, 'load.js'), 'utf8').replace(/export default [^]*/, burning));
  }));
t.test('a container over its memory limit', (t) => invalid(t, { mode: 'hungry', service: { mem_limit: '96m' } }, 'out-of-memory', /probe went over its memory limit/));
t.test('a service that ends in the middle', (t) => invalid(t, { mode: 'exits' }, 'restarted', /probe ended in the middle of the round with exit code 7/));
t.test('a service that the scheduler holds back', (t) => invalid(t, { mode: 'busy', service: { cpus: 0.3 }, load: { rate: 26, vus: 60 }, allow: { throttled: 0.01 } }, 'throttled', /probe was held back by its CPU limit in [\d.]+ %/));
t.test('failed requests above the allowance', (t) => invalid(t, { mode: 'failing', allow: { failed_requests: '1%' } }, 'failed-requests', /1?\d(\.\d+)? % of the requests failed \(at most 1 % is allowed\)/));
t.test('a service that stalls', (t) => invalid(t, { mode: 'stall', load: { rate: 100, vus: 10 } }, 'dropped-iterations', /none of its 10 virtual users was free/));
t.test('an invalid round is measured again, up to the cap, and shown', async (t) => {
  const data = dataFolder(t);
  const { code, stderr, run } = await bench(probeBenchmark(t, { mode: 'failing', top: { rounds: 2, retries: 1 } }), data);
  t.equal(code, 3, stderr);
  t.same(run.rounds.map(({ round, valid }) => [round, valid]), [[1, false], [2, false]]);
  t.ok(run.rounds.every((round) => round.samples.latency_p95), 'its samples are kept too');
});
