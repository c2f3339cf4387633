/**
 * What makes a round INVALID, made to happen: that a stack sees it. What follows from what is seen is tested by value
 * (test/collect). Load from outside is in test/e2e, since it disturbs what is beside it; steal cannot be made from
 * inside a machine.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { bench, dataFolder, engine, nothingLeft, type ProbeOptions, probeBenchmark } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** A benchmark whose rounds are all INVALID, for these reasons among others. */
async function invalid(
  t: Test,
  options: ProbeOptions,
  wanted: Record<string, RegExp>,
  prepare: (folder: string) => void = () => {},
): Promise<void> {
  const data = dataFolder(t);
  const { rounds = 1, retries = 0, ...top } = options.top ?? {};
  const benchmark = probeBenchmark(t, { ...options, top: { rounds, retries, ...top } });
  prepare(benchmark);
  const ended = await bench(benchmark, data);
  t.equal(ended.code, 3, `exit code 3\n${ended.stderr}`);
  t.equal(ended.run.status, 'invalid');
  t.same(
    ended.run.rounds.map(({ round, valid }) => [round, valid]),
    Array.from({ length: Number(retries) + 1 }, (_, i) => [i + 1, false]),
    'measured again, up to the cap',
  );
  for (const { round, reasons, samples } of ended.run.rounds) {
    for (const [code, message] of Object.entries(wanted))
      t.ok(
        reasons.some((reason) => reason.code === code && message.test(reason.message)),
        `round ${round}: ${code} ${message}: ${JSON.stringify(reasons)}`,
      );
    t.ok(samples.latency_p95, 'its samples are kept too');
  }
  for (const message of Object.values(wanted)) t.match(ended.stderr, message, 'the reason is shown');
  t.match(ended.run.archive, { verified: true }, 'an invalid round is shipped and shown like any other');
  await nothingLeft(t, data);
}

t.test('a rate that the service cannot take', (t) =>
  invalid(
    t,
    { mode: 'slow', load: { max_in_flight: 5 } },
    {
      // it answers after 400 ms: 12.5 a second
      'dropped-iterations': /dropped \d+ iterations in the window: 5 were under way/,
      'rate-missed': /\d+\.\d iterations per second ended, 50\.0 were due/,
    },
  ),
);
t.test('a generator short of CPU starts late', (t) =>
  invalid(
    t,
    { allow: { start_lag: '5ms' }, load: { rate: 40, max_in_flight: 400 } },
    { 'start-lag': /started more than \d+\.\d ms after their time \(at most 5 ms/ },
    (folder) =>
      writeFileSync(
        join(folder, 'load.ts'),
        `import { defineLoad } from 'mayfly/load';
export default defineLoad(({ http }) => {
  for (const end = performance.now() + 30; performance.now() < end; );
  return http.get('/');
});
`,
      ),
  ),
);
t.test('a container over its memory limit', (t) =>
  invalid(
    t,
    { mode: 'hungry', service: { mem_limit: '96m' }, load: { timeout: '3s' } },
    { 'out-of-memory': /probe went over its memory limit/ },
  ),
);
t.test('a service that ends in the middle', (t) =>
  invalid(
    t,
    { mode: 'exits', load: { timeout: '3s' } },
    {
      restarted: /probe ended in the middle of the round with exit code 7/,
      'failed-requests': /of the requests failed .*: \w+/,
    },
  ),
);
t.test('a service that the scheduler holds back', (t) =>
  invalid(
    t,
    { mode: 'busy', service: { cpus: 0.3 }, load: { rate: 26, max_in_flight: 400 }, allow: { throttled: 0.01 } },
    { throttled: /probe was held back by its CPU limit in [\d.]+ %/ },
  ),
);
t.test('failed requests above the allowance; an invalid round is measured again, up to the cap', (t) =>
  invalid(
    t,
    { mode: 'failing', allow: { failed_requests: '1%' }, top: { rounds: 2, retries: 1 } },
    { 'failed-requests': /1?\d(\.\d+)? % of the requests failed \(at most 1 % is allowed\): status 500 \(\d+\)/ },
  ),
);
