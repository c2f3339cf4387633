/**
 * The capacity of a service that is known by construction: it computes 20 ms for every request, one after the other.
 * The median, because other work on a test machine leaves it alone.
 */
import t from 'tap';
import { bench, dataFolder, engine, mayfly, nothingLeft, probeBenchmark } from './helpers.ts';

t.teardown(() => engine.close());

t.test('50 requests/s, and no more', async (t) => {
  const data = dataFolder(t);
  const benchmark = probeBenchmark(t, {
    mode: 'busy',
    load: { rate: 20, duration: '3s', warmup: '0s', max_in_flight: 100 },
    top: { objectives: { latency_med: '150ms', failed_requests: 0 } },
  });
  const { code, stdout, stderr } = await mayfly(
    'capacity',
    [`--benchmark=${benchmark}`, '--commit=HEAD', '--start-rate=40', '--precision=50%', '--json'],
    data,
  ).done;
  t.equal(code, 0, stderr);
  const run = JSON.parse(stdout);
  const { capacity, fails_at, limited_by, probes } = run.capacity;
  t.ok(capacity >= 20 && capacity <= 52, `${capacity} requests/s meet the objectives`);
  t.ok(fails_at <= 80 && fails_at / capacity <= 1.5, `${fails_at} requests/s do not`);
  t.equal(limited_by, 'objectives');
  t.match(run, {
    status: 'complete',
    pairing: 'solo',
    load: { rate: capacity },
    capacity: { schema: 'mayfly.capacity/v1', objectives: { latency_med: 0.15, failed_requests: 0 } },
  });
  const own = run.rounds.filter((round: { rate?: number }) => round.rate === undefined);
  t.match(own, [
    { valid: true, samples: { capacity: { value: capacity, unit: '1/s' } } },
    { valid: true, samples: { capacity: { value: capacity } } },
  ]);
  t.equal(run.rounds.length >= probes.length, true, 'every probe is kept');
  t.match((await mayfly('show', [run.run_id], data).done).stdout, /2 of 2 rounds valid/);
  await nothingLeft(t, data);
});

t.test('refused before anything is started', async (t) => {
  const data = dataFolder(t);
  const benchmark = `--benchmark=${probeBenchmark(t)}`;
  const cases: [string[], RegExp][] = [
    [
      [],
      /no objectives, so nothing says what rate is too high\nWrite them there, for example:\n {2}objectives:\n {4}latency_p99: 50ms/,
    ],
    [['--objective=latency_p99'], /--objective must be METRIC=LIMIT/],
    [['--objective=latency_p9=50ms'], /there is no metric latency_p9 \(did you mean latency_p90\?\)/],
    [['--objective=latency_p99=50%'], /"50%" is no limit of latency_p99, whose unit is s/],
    [['--objective=latency_p99=50ms', '--objective=latency_p99=60ms'], /latency_p99 is given twice/],
    [['--objective=latency_p99=50ms', '--max-rate=0'], /--max-rate must be a number of requests per second above 0/],
    [['--objective=latency_p99=50ms', '--max-rate=10', '--start-rate=20'], /--start-rate=20 is above --max-rate=10/],
    [['--objective=latency_p99=50ms', '--precision=0.1%'], /--precision must be a share from 0.5% to 50%/],
    [['--objective=latency_p99=50ms', '--against=HEAD'], /--against is not a flag/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stdout, stderr } = await mayfly('capacity', [benchmark, ...args], data).done;
      t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: message }, args.join(' '));
    }),
  );
  t.same(
    (await bench(probeBenchmark(t, { top: { objectives: { latency_p9: '50ms' } } }), data)).code,
    2,
    'and in the file',
  );
});
