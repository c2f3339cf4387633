/**
 * What makes a round INVALID, made to happen: that a stack sees it. What follows from what is seen is tested by value
 * (test/measure/collect). Load from outside and memory without end are in test/e2e, since they disturb what is beside
 * them; steal cannot be made from inside a machine.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  bench,
  dataFolder,
  engine,
  nothingLeft,
  type ProbeOptions,
  probeBenchmark,
  probeRepository,
} from '../e2e/helpers.ts';

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
  const { folder } = await probeRepository(t, [{}]);
  const benchmark = probeBenchmark(t, {
    ...options,
    build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
    top: { rounds, retries, ...top },
  });
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

t.test('a service that is too slow, and ends in the middle', (t) =>
  invalid(
    t,
    { mode: 'slow exits', load: { max_in_flight: 5, timeout: '3s' } },
    {
      // it answers after 400 ms: 12.5 a second
      'dropped-iterations': /dropped \d+ iterations in the window: 5 were under way/,
      'rate-missed': /\d+\.\d iterations per second ended, 50\.0 were due/,
      restarted: /probe ended in the middle of the round with exit code 7/,
      'failed-requests': /of the requests failed .*: \w+/,
    },
  ),
);
t.test(
  'requests that fail, of a service that the scheduler holds back, from a generator short of CPU; measured again, up to the cap',
  (t) =>
    invalid(
      t,
      {
        mode: 'busy failing',
        service: { cpus: 0.15 }, // in a period of 100 ms less than one request takes
        load: { rate: 10, max_in_flight: 400 },
        allow: { failed_requests: '1%', throttled: 0.01, start_lag: '5ms' },
        top: { rounds: 2, retries: 1 },
      },
      {
        'failed-requests':
          /1?\d(\.\d+)? % of the requests failed \(at most 1 % is allowed\): status 500 × \d+ \(GET \/\)/,
        throttled: /probe was held back by its CPU limit in [\d.]+ %/,
        'start-lag': /started more than \d+\.\d ms after their time \(at most 5 ms/,
      },
      (folder) =>
        writeFileSync(
          join(folder, 'load.ts'),
          `import { defineLoad } from 'mayfly/load';
export default defineLoad(({ http }) => {
  for (const end = performance.now() + 120; performance.now() < end; );
  return http.get('/');
});
`,
        ),
    ),
);

t.test(
  'a migration ends with 0 before the service starts: valid; with 3, or not in time: its side does not start',
  async (t) => {
    const data = dataFolder(t);
    const migrating = (script: string, top: Record<string, unknown> = {}) =>
      bench(
        probeBenchmark(t, {
          service: {
            depends_on: { migrate: { condition: 'service_completed_successfully' } },
            // the name of a container is known as long as it runs
            command: ['sh', '-c', 'getent hosts migrate && exit 9; exec node /server.js'],
          },
          more: { migrate: { command: ['node', '-e', script], healthcheck: undefined } },
          top,
        }),
        data,
      );
    const ended = await migrating("console.log('17 tables made'); setTimeout(() => {}, 1000)");
    t.equal(ended.code, 0, ended.stderr);
    t.equal(ended.run.status, 'complete');
    const codes = ended.run.rounds.flatMap(({ reasons }) => reasons.map(({ code }) => code));
    t.notOk(codes.includes('restarted'), 'its end is none of a service');
    const failed = await migrating("console.error('relation orders exists'); process.exit(3)");
    t.equal(failed.code, 4, failed.stderr);
    t.match(
      failed.stderr,
      /candidate \(HEAD, \w+\): migrate ended with exit code 3, and probe waits until it has ended with 0\n[^]* {2}migrate: ended with exit code 3\n {4}the last lines of its log:\n {6}relation orders exists\n[^]*A one-shot service does its work and ends with exit code 0/,
    );
    const late = await migrating("console.log('row 17'); setInterval(() => {}, 1000)", { ready_timeout: '8s' });
    t.equal(late.code, 4, late.stderr);
    t.match(
      late.stderr,
      /migrate did not end in 8 s, and probe waits until it has ended with 0\n[^]* {6}row 17\n[^]*raise ready_timeout/,
    );
    t.match(late.stderr, /probe: was not started/, 'Compose would have started it at the limit');
    await nothingLeft(t, data);
  },
);
