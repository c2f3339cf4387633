/** The table of `npm run load`, by value. */
import t from 'tap';
import type { Model } from '../../loadgen/plan.ts';
import type { LoadResultDocument, Times } from '../../loadgen/result.ts';
import type { Load } from '../../scripts/config/types.ts';
import { iterationRows, iterationTable, loadTable, modelWords, shortfalls } from '../../scripts/report/load-table.ts';
import { loadWords } from '../../scripts/report/load-text.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { iterationsSection } from '../../scripts/service/server/pages/iterations-parts.ts';
import { makeRound, makeRun, sideResult } from '../run-document.ts';

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

const MIXED: Model = {
  kind: 'scenarios',
  durationS: 30,
  scenarios: [
    {
      name: 'uploads',
      startS: 0,
      maxInFlight: 10,
      model: { kind: 'closed', users: 10, iterations: 1, thinkS: 0, limitS: 30 },
    },
    {
      name: 'browse',
      startS: 2,
      maxInFlight: 13,
      model: { kind: 'open', arrivals: 'constant', rate: 50, durationS: 20 },
    },
  ],
};
const scenario = (name: string, of: object) => ({
  name,
  model: 'closed' as const,
  due: 10,
  iterations: 10,
  dropped: { warmup: 0, measure: 0 },
  done: 8,
  failed: 2,
  requests: 10,
  bytesSent: 1e9,
  duration: times(8, 0.4),
  startLag: null,
  endedS: 12,
  ...of,
});

t.test('scenarios of one load, as users of k6 know them', async (t) => {
  const sides = {
    scenarios: [scenario('uploads', {}), scenario('browse', { model: 'open', done: 0, duration: null, endedS: null })],
  };
  const text = loadTable(
    { ...result(sides), model: 'scenarios' },
    { ...load, model: MIXED, durationS: 30 },
    { color: false, script: 'load.ts' },
  );
  t.match(
    text,
    /\n2 scenarios in 30\.0s: uploads, closed model: 10 users × 1; browse, open model, 50\/s for 20\.0s, from 2\.0s on, by mayfly/,
  );
  t.match(
    text,
    [
      /\niterations +avg +min +med +max +p\(90\) +p\(95\) +done +failed\n/,
      /\nuploads +480 ms +80\.0 ms +400 ms +8\.00 s +800 ms +1\.20 s +8 +2\n/,
      /\nbrowse +- +- +- +- +- +- +0 +2\n/,
    ].reduce((all, one) => new RegExp(`${all.source}[^]*${one.source.replace('\\n', '')}`)),
  );
  const closed = { kind: 'closed', users: 2, iterations: 5, thinkS: 0, limitS: 5 } as const;
  t.match(
    loadTable(
      result({ due: 10, duration: times(9, 0.4), response: null, startLag: null }),
      { ...load, model: closed },
      { color: false, script: 'load.ts' },
    ),
    /\nof users +480 ms +80\.0 ms +400 ms +8\.00 s +800 ms +1\.20 s +9 +1\n/,
    'users alone have a row too',
  );
  t.notMatch(shown(result()), /p\(90\)/, 'a rate has not');
});

t.test('what a load of scenarios lacks', async (t) => {
  const of = (uploads: object, browse: object) =>
    shortfalls(
      result({
        scenarios: [
          scenario('uploads', uploads),
          scenario('browse', { due: 1000, iterations: 1000, endedS: null, ...browse }),
        ],
      }),
      { model: MIXED, maxInFlight: 23 },
    );
  t.strictSame(of({}, {}), []);
  t.strictSame(
    of(
      { endedS: 31.2, dropped: { warmup: 0, measure: 1 }, iterations: 9 },
      { dropped: { warmup: 0, measure: 4 }, iterations: 996 },
    ),
    [
      'uploads: 1 iteration dropped, since 30.0s were over before: the service is too slow for this load, or --duration too short',
      'uploads: the last iteration ended 1.2s after the window',
      'browse: 4 iterations dropped, since as many as may be were under way (max_in_flight: 13): the service is too slow for this load, or that is too few',
    ],
  );
});

t.test('the iterations of a run: candidate and baseline beside each other', async (t) => {
  const round = (number: number, side: 'candidate' | 'baseline', seconds: number, done: number, valid = true) =>
    makeRound(
      side,
      number,
      {
        ...Object.fromEntries(['avg', 'min', 'med', 'max', 'p90', 'p95'].map((key) => [`uploads_${key}`, seconds])),
        uploads_done: done,
        uploads_failed: 10 - done,
      },
      valid ? [] : [{ code: 'start-lag', message: 'late' }],
    );
  const { sides } = makeRun();
  const run = makeRun({
    pairing: 'interleaved',
    sides: {
      candidate: { ...sides.candidate, variant: 'scaled' },
      baseline: { ...sides.candidate, variant: 'single' },
    },
    load: {
      ...makeRun().load,
      model: 'scenarios',
      rate: 0,
      warmup_s: 0,
      duration_s: 30,
      scenarios: [
        { name: 'uploads', model: 'closed', start_s: 0, max_in_flight: 10, users: 10, iterations: 1, think_s: 0 },
        {
          name: 'browse',
          model: 'open',
          start_s: 2,
          max_in_flight: 13,
          rate: 50,
          duration_s: 20,
          arrivals: 'constant',
        },
      ],
    },
    rounds: [
      round(1, 'candidate', 0.4, 10),
      round(1, 'baseline', 2.2, 5),
      round(2, 'candidate', 0.6, 9),
      round(2, 'baseline', 2.4, 6),
      round(3, 'candidate', 9, 0, false),
      round(3, 'baseline', 9, 0),
    ],
  });
  t.strictSame(iterationRows(run), [
    ['uploads', 'candidate (scaled)', ...Array.from({ length: 6 }, () => '500 ms'), '19', '1'],
    ['uploads', 'baseline (single)', ...Array.from({ length: 6 }, () => '2.30 s'), '11', '9'],
  ]);
  const [table, note] = iterationTable(run, { color: false });
  t.match(table, /^iterations +side +avg +min +med +max +p\(90\) +p\(95\) +done +failed\n/);
  t.equal(
    note,
    'times: the median over rounds, of iterations in which nothing failed; done and failed: of all rounds that count',
  );
  t.match(runTable(run, { color: false }), table!, 'bench and show have it');
  const page = String(iterationsSection(run));
  t.match(page, '<th scope="row">uploads</th><td>candidate (scaled)</td><td class="num">500 ms</td>');
  t.match(page, 'p(95)</th>');
  t.equal(iterationsSection(makeRun()), false);
  t.match(
    loadWords(run),
    /^uploads \(10 users, 1 iteration each\) and browse \(50\/s from 2\.0s on for 20\.0s\) for each side in 30\.0s, by /,
  );
  t.strictSame(iterationTable(makeRun(), { color: false }), [], 'nothing of a load without users and scenarios');
  const users = makeRun({
    load: { ...makeRun().load, model: 'closed', users: 2, iterations: 5 },
    rounds: [makeRound('candidate', 1, { iteration_avg: 0.4, iteration_done: 10 })],
  });
  t.strictSame(iterationRows(users), [['of users', 'candidate', '400 ms', '-', '-', '-', '-', '-', '10', '0']]);
});
