/** The table of `npm run load`, by value. */
import t from 'tap';
import type { Model } from '../../loadgen/plan.ts';
import type { LoadResultDocument, Times } from '../../loadgen/result.ts';
import type { Load } from '../../scripts/config/types.ts';
import { loadTable, modelWords, shortfalls } from '../../scripts/report/load-table.ts';
import { sideResult } from '../run-document.ts';

const times = (count: number, s: number): Times => ({
  count,
  avg: 1.2 * s,
  min: 0.2 * s,
  med: s,
  max: 20 * s,
  p90: 2 * s,
  p95: 3 * s,
  p99: 5 * s,
  p999: 10 * s,
});
const load: Load = {
  generator: { kind: 'mayfly', script: '/b/load.ts' },
  target: 'http://127.0.0.1:8080',
  model: { kind: 'open', arrivals: 'constant', rate: 50, durationS: 5 },
  rate: 50,
  durationS: 5,
  warmupS: 0,
  maxInFlight: 13,
  timeoutS: 30,
  workers: 1,
};

function result(side: Partial<LoadResultDocument['sides'][0]> = {}): LoadResultDocument {
  return {
    schema: 'mayfly.load/v1',
    generator: 'mayfly 1.0.0',
    model: 'open',
    round: 0,
    seed: 1,
    window: { startMs: 1000, endMs: 6000 },
    kept: { rows: 0, of: 300, cap: 0 },
    sides: [
      {
        ...sideResult('candidate'),
        due: 250,
        iterations: 250,
        requests: 300,
        failed: 4,
        bytesReceived: 12_345,
        latency: times(300, 0.001),
        response: times(250, 0.002),
        startLag: times(250, 0.0001),
        names: [
          { name: 'catalogue', requests: 100, failed: 0, latency: times(100, 0.001) },
          { name: 'order', requests: 200, failed: 3, latency: times(200, 0.002) },
        ],
        journeys: [{ name: 'buy', count: 50, failed: 1, duration: times(50, 0.01) }],
        failures: [
          { kind: 'status', detail: '503', count: 3, example: { name: 'order', message: 'status 503, expected 201' } },
          { kind: 'script', detail: '', count: 1, example: { name: '', message: 'load.ts:7 x is not a function' } },
        ],
        ...side,
      },
    ],
  };
}

const shown = (made: LoadResultDocument, of = load) =>
  loadTable(made, of, { color: false, script: 'benchmarks/shop/load.ts' });

t.test('all of it', async (t) => {
  t.equal(
    shown(result()),
    `
benchmarks/shop/load.ts at http://127.0.0.1:8080
open model, 50/s for 5.0s, by mayfly 1.0.0
250 of 250 iterations made: 300 requests, 4 failures, 12.3 kB received

               count  failed     rate      avg      min      med      p90      p95      p99      max
order            200       3  40.0 /s  2.40 ms   400 µs  2.00 ms  4.00 ms  6.00 ms  10.0 ms  40.0 ms
catalogue        100       0  20.0 /s  1.20 ms   200 µs  1.00 ms  2.00 ms  3.00 ms  5.00 ms  20.0 ms
all requests     300       3  60.0 /s  1.20 ms   200 µs  1.00 ms  2.00 ms  3.00 ms  5.00 ms  20.0 ms
journey buy       50       1  10.0 /s  12.0 ms  2.00 ms  10.0 ms  20.0 ms  30.0 ms  50.0 ms   200 ms
response time    250          50.0 /s  2.40 ms   400 µs  2.00 ms  4.00 ms  6.00 ms  10.0 ms  40.0 ms
start lag        250          50.0 /s   120 µs  20.0 µs   100 µs   200 µs   300 µs   500 µs  2.00 ms
Times are of what did not fail.

what failed  the first of them                times
status 503   order: status 503, expected 201      3
script       load.ts:7 x is not a function        1
`.trim(),
  );
});

t.test('a closed model has no schedule; nothing failed; one name needs no sum', async (t) => {
  const closed: Load = {
    ...load,
    model: { kind: 'closed', users: 30, iterations: 1, thinkS: 0, limitS: 600 },
    maxInFlight: 30,
  };
  const text = shown(
    {
      ...result({
        response: null,
        startLag: null,
        failures: [],
        journeys: [],
        names: [{ name: 'order', requests: 300, failed: 0, latency: times(300, 0.001) }],
        failed: 0,
      }),
      model: 'closed',
    },
    closed,
  );
  t.match(text, '\nclosed model: 30 users × 1, by mayfly 1.0.0\n');
  t.notMatch(text, /response time|start lag|what failed|all requests|not made as asked/);
});

t.test('nothing came back at all', async (t) => {
  t.match(
    shown(result({ requests: 0, names: [], latency: null, journeys: [], response: null, startLag: null })),
    /\nall requests +0 +0 +0\.0 \/s +- +- +- +- +- +- +-\n/,
  );
});

t.test('the model in words', async (t) => {
  const words = (model: Model, warmupS = 0) => modelWords({ model, warmupS });
  t.equal(
    words({ kind: 'open', arrivals: 'poisson', rate: 50, durationS: 5 }, 2),
    'open model, 50/s as Poisson arrivals for 5.0s after 2.0s of warm-up',
  );
  t.equal(
    words({
      kind: 'open',
      arrivals: 'constant',
      rate: 5,
      durationS: 15,
      stages: [
        { rate: 10, durationS: 5 },
        { rate: 50, durationS: 10 },
      ],
    }),
    'open model, from 5/s: to 10/s in 5.0s, to 50/s in 10.0s',
  );
  t.equal(
    words({ kind: 'closed', users: 1, iterations: 4, thinkS: 0.5, limitS: 10 }),
    'closed model: 1 user × 4 with 0.5s between two',
  );
});

t.test('a load that is not the one that was asked for', async (t) => {
  t.strictSame(shortfalls(result(), load), [], 'failures are the business of the service');
  t.strictSame(shortfalls(result({ iterations: 249 }), load), [], 'one that was under way at the end');
  t.strictSame(shortfalls(result({ iterations: 200, dropped: { warmup: 2, measure: 40 } }), load), [
    '2 iterations of the warm-up dropped, since as many as may be were under way (--max-in-flight=13): the service is too slow for this load, or that is too few',
    '40 iterations dropped, since as many as may be were under way (--max-in-flight=13): the service is too slow for this load, or that is too few',
    '10 iterations begun and not ended',
  ]);
  t.strictSame(
    shortfalls(result({ iterations: 240, dropped: { warmup: 0, measure: 10 } }), {
      model: { kind: 'closed', users: 2, iterations: 125, thinkS: 0, limitS: 5 },
      maxInFlight: 2,
    }),
    [
      '10 iterations dropped, since 5.0s were over before: the service is too slow for this load, or --duration too short',
    ],
  );
  t.match(
    shown(result({ dropped: { warmup: 0, measure: 250 }, iterations: 0 })),
    /\n\nThe load was not made as asked: 250 iterations dropped, since [^\n]*\.$/,
  );
});

t.test('texts of the script and of the service cannot steer the terminal, and stay short', async (t) => {
  const nasty = `\u001b[2J\u202Egnp.exe\r\n${'x'.repeat(1000)}`;
  const text = shown(
    result({
      names: Array.from({ length: 120 }, (_, i) => ({
        name: `${i} ${nasty}`,
        requests: 1000 - i,
        failed: 0,
        latency: times(1, 1),
      })),
      journeys: [{ name: nasty, count: 1, failed: 0, duration: times(1, 1) }],
      failures: [{ kind: nasty, detail: nasty, count: 1, example: { name: nasty, message: nasty } }],
    }),
  );
  t.notMatch(text, /[\u001b\u202e\r]/);
  t.ok(text.split('\n').every((line) => line.length < 250));
  t.match(text, '\nand 20 more names; --json has them\n');
});
