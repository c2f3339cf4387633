/** Metrics that the two sides do not expose alike: one is 0, one is not there, one has other buckets. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { bench, dataFolder, engine, nothingLeft, probeBenchmark, probeRepository } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const SERVER = readFileSync('test/fixtures/probe/service/server.js', 'utf8');
const exposing = (metrics: string) => ({
  'server.js': SERVER.replace('# TYPE probe_requests_total', `${metrics}# TYPE probe_requests_total`),
});
/** As the text format has it, within a template of the server. */
const histogram = (bound: string) =>
  `# TYPE probe_seconds histogram\\nprobe_seconds_bucket{le="0.1"} 8\\nprobe_seconds_bucket{le="${bound}"} 9\\nprobe_seconds_bucket{le="+Inf"} 10\\nprobe_seconds_sum 1\\nprobe_seconds_count 10\\n`;
const own = (name: string, query: string) => ({ name, promql: query, unit: 'count', primary: true });
const RETRIES = own('retries', 'sum(max_over_time(probe_retries{$selector}[$window]))');
const ORDERS = own('orders', 'sum(max_over_time(probe_orders{$selector}[$window]))');
const P95 = own(
  'answer_p95',
  'histogram_quantile(0.95, sum by (le) (max_over_time(probe_seconds_bucket{$selector}[$window])))',
);
const SHORT = ['--duration=1s', '--warmup=0s'];

t.test('was 0, is 3; what one side lacks and what has other buckets is said after one round', async (t) => {
  const { folder, commits } = await probeRepository(t, [
    exposing(`probe_retries 0\\n${histogram('0.2')}`),
    exposing(`probe_retries 3\\nprobe_orders 7\\n${histogram('0.25')}`),
  ]);
  const data = dataFolder(t);
  const sides = [`--commit=${commits[1]}`, `--against=${commits[0]}`, ...SHORT];
  const benchmark = (metrics: object[]) =>
    probeBenchmark(t, {
      build: { git: { repository: folder, context: '.', dockerfile: 'Dockerfile' } },
      top: { retries: 5, metrics },
    });

  const { code, stderr, run } = await bench(benchmark([RETRIES, ORDERS, P95]), data, [...sides, '--rounds=8']);
  t.equal(code, 1, stderr);
  const bounds =
    'the bucket bounds of probe_seconds_bucket differ, so its quantiles are of two scales: le 0.25 in the candidate alone, 0.2 in the baseline alone';
  const first = stderr.slice(0, stderr.indexOf('after 2 rounds'));
  t.match(
    first,
    `orders is primary and is not judged: it has no value of baseline: its query gives nothing: ${ORDERS.promql}`,
  );
  t.match(first, `answer_p95 is primary and is not judged: ${bounds}`);
  t.match(run.verdict, {
    verdict: 'REGRESSION',
    summary: `retries: was 0, is 3, more in 8 of 8 observations; orders is not judged: the baseline has no value of it; answer_p95 is not judged: ${bounds}`,
    invalid_rounds: run.rounds.filter(({ valid }) => !valid).length / 2,
  });
  const codes = run.rounds.flatMap(({ reasons }) => reasons.map((reason) => reason.code));
  t.notOk(codes.includes('no-samples'), `no round is INVALID for it: ${codes.join(', ')}`);
  t.match(
    run.metrics.find(({ name }) => name === 'answer_p95'),
    { incomparable: bounds },
    'it is kept with the run',
  );

  const none = await bench(benchmark([ORDERS]), data, sides);
  t.equal(none.code, 3, none.stderr);
  t.match(none.run, {
    status: 'invalid',
    status_reason:
      'no primary metric can be judged, so measuring again would tell the same: orders has no value of baseline',
  });
  await nothingLeft(t, data);
});
