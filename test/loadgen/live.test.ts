/** Figures and what Prometheus scrapes: quantiles, buckets, names and labels by value; several workers as one. */
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  BOUNDS,
  bucketOf,
  type LiveNews,
  LiveReader,
  LiveWriter,
  MAX_NAMES,
  newCells,
  OTHER_NAMES,
} from '../../loadgen/live.ts';
import { MEASURE, Recorder, WARMUP } from '../../loadgen/recorder.ts';
import { generator, sideIndexOf } from '../../loadgen/schedule.ts';
import { keptRequests, quantile, sideResult, timesOf } from '../../loadgen/summary.ts';
import { measured, open, planFor, quantileOf, remember, start } from './generator.ts';

interface Series {
  metric: string;
  labels: Record<string, string>;
  value: number;
}

/** The text format of Prometheus, strictly: whatever is no comment is a series. */
function parse(text: string): { types: Record<string, string>; series: Series[] } {
  const types: Record<string, string> = {};
  const series: Series[] = [];
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const type = /^# TYPE (\w+) (\w+)$/.exec(line);
    if (type) types[type[1]!] = type[2]!;
    if (line.startsWith('#')) continue;
    const found = /^(\w+)\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)$/.exec(line);
    if (!found) throw new Error(`no series: ${line}`);
    const labels = Object.fromEntries(
      [...found[2]!.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [
        key!,
        value!.replace(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : letter)),
      ]),
    );
    series.push({ metric: found[1]!, labels, value: Number(found[3]) });
  }
  return { types, series };
}

/** Histograms by metric and labels; cumulative as they are. */
function histograms({
  series,
}: {
  series: Series[];
}): Map<string, { le: number[]; counts: number[]; sum: number; count: number }> {
  const found = new Map<string, { le: number[]; counts: number[]; sum: number; count: number }>();
  for (const {
    metric,
    labels: { le, ...labels },
    value,
  } of series) {
    const part = /^(.*_seconds)_(bucket|sum|count)$/.exec(metric);
    if (!part) continue;
    const key = `${part[1]} ${Object.values(labels)
      .filter((one) => !/^[ab]{40}$/.test(one))
      .join(' ')}`;
    const one = found.get(key) ?? { le: [], counts: [], sum: NaN, count: NaN };
    found.set(key, one);
    if (part[2] === 'bucket') {
      one.le.push(le === '+Inf' ? Infinity : Number(le));
      one.counts.push(value);
    } else one[part[2] as 'sum' | 'count'] = value;
  }
  return found;
}

const LABELS = {
  sides: [
    { name: 'candidate', commit: 'a'.repeat(40) },
    { name: 'baseline', commit: 'b'.repeat(40) },
  ],
  maxInFlight: 7,
};

/** Threads that count, and a reader of them. */
function counting(threads = 1, labels = LABELS) {
  const reader = new LiveReader(labels);
  const writers = Array.from({ length: threads }, () => {
    const cells = newCells();
    const told = reader.add(cells);
    return new LiveWriter(cells, (news: LiveNews) => told(structuredClone(news)));
  });
  return { reader, writers, writer: writers[0]! };
}

t.test('bounds: 50 µs to 28 s in steps of 8 %', async (t) => {
  t.equal(BOUNDS.length, 173);
  t.same(BOUNDS.slice(0, 4), [0.00005, 0.000054, 0.00005832, 0.0000629856]);
  t.ok(BOUNDS.at(-1)! > 27 && BOUNDS.at(-1)! < 30, String(BOUNDS.at(-1)));
  t.ok(BOUNDS.every((bound, i) => i === 0 || Math.abs(bound / BOUNDS[i - 1]! - 1.08) < 1e-4));
  t.ok(BOUNDS.every((bound) => /^\d+(\.\d+)?(e-\d+)?$/.test(`${bound}`)));
});

t.test('buckets', async (t) => {
  const cases: [seconds: number, bucket: number][] = [
    [0, 0],
    [-1, 0],
    [NaN, 0],
    [1e-9, 0],
    [50e-6, 0],
    [50.1e-6, 1],
    [54e-6, 1],
    [54.1e-6, 2],
    [28, 172],
    [30, 173],
    [1e9, 173],
    [Infinity, 173],
  ];
  for (const [seconds, bucket] of cases) t.equal(bucketOf(seconds), bucket, `${seconds} s`);
  // Bounds have six digits.
  BOUNDS.forEach((bound, i) =>
    t.same([bucketOf(bound * (1 - 1e-5)), bucketOf(bound * (1 + 1e-5))], [i, i + 1], `about ${bound} s`),
  );
});

t.test('quantiles are those of a sorted array', async (t) => {
  t.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  t.equal(quantile([1, 2, 3, 4], 0), 1);
  t.equal(quantile([1, 2, 3, 4], 1), 4);
  t.equal(quantile([7], 0.99), 7);
  t.ok(Math.abs(quantile([10, 20, 30, 40, 50], 0.9) - 46) < 1e-9);
  t.equal(timesOf(new Float32Array()), null);
  t.same(timesOf(Float32Array.of(3, 1, 2)), {
    count: 3,
    avg: 2,
    min: 1,
    med: 2,
    max: 3,
    p90: 2.8,
    p95: 2.9,
    p99: 2.98,
    p999: 2.998,
  });
  const random = generator(3);
  for (const count of [1, 2, 3, 10, 99, 100, 101, 1000, 12_345]) {
    const values = Float32Array.from({ length: count }, () => -Math.log(1 - random()));
    const all = [...values];
    const times = timesOf(values)!;
    t.equal(times.count, count);
    t.ok(Math.abs(times.avg / (all.reduce((sum, one) => sum + one, 0) / count) - 1) < 1e-9);
    for (const [key, share] of [
      ['min', 0],
      ['med', 0.5],
      ['p90', 0.9],
      ['p95', 0.95],
      ['p99', 0.99],
      ['p999', 0.999],
      ['max', 1],
    ] as const)
      t.ok(Math.abs(times[key] - quantileOf(all, share)) < 1e-9, `${key} of ${count}`);
  }
});

t.test('the text: cumulative buckets, sums and counts, by phase, side, name and status', async (t) => {
  const { reader, writer } = counting();
  writer.name(0, 'order');
  for (const [status, seconds] of [
    [200, 0.001],
    [200, 0.002],
    [503, null],
    [404, 100],
    [0, null],
  ] as const)
    writer.requested(MEASURE, 1, 0, status, seconds);
  writer.requested(WARMUP, 0, 0, 200, 40e-6);
  writer.iterated(MEASURE, 1, 0.003);
  writer.iterated(MEASURE, 1, null);
  writer.startLag(MEASURE, 0, 80e-6);
  writer.dropped(MEASURE, 1);
  writer.inFlight(0, 3);
  const read = parse(reader.text());
  t.same(read.types, {
    mayfly_request_duration_seconds: 'histogram',
    mayfly_response_time_seconds: 'histogram',
    mayfly_start_lag_seconds: 'histogram',
    mayfly_requests_total: 'counter',
    mayfly_iterations_total: 'counter',
    mayfly_dropped_iterations_total: 'counter',
    mayfly_in_flight: 'gauge',
    mayfly_max_in_flight: 'gauge',
  });
  const all = histograms(read);
  t.same(
    [...all.keys()].sort(),
    [
      'mayfly_request_duration_seconds baseline measure order',
      'mayfly_request_duration_seconds candidate warmup order',
      'mayfly_response_time_seconds baseline measure',
      'mayfly_start_lag_seconds candidate measure',
    ],
    'what holds nothing is left out',
  );
  const { le, counts, sum, count } = all.get('mayfly_request_duration_seconds baseline measure order')!;
  t.same(le, [...BOUNDS, Infinity]);
  t.same(
    counts,
    le.map((bound) => [0.001, 0.002, 100].filter((one) => one <= bound).length),
    'what failed is counted by its status, and not timed',
  );
  t.equal(sum, 100.003);
  t.equal(count, 3);
  const value = (metric: string, labels: Record<string, string>) =>
    read.series.find(
      (one) => one.metric === metric && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )?.value;
  t.equal(
    value('mayfly_requests_total', {
      side: 'baseline',
      scenario: 'measure',
      name: 'order',
      status: '200',
      commit: 'b'.repeat(40),
    }),
    2,
  );
  t.equal(value('mayfly_requests_total', { side: 'baseline', status: '503' }), 1);
  t.equal(value('mayfly_requests_total', { side: 'baseline', status: '0' }), 1);
  t.equal(value('mayfly_requests_total', { side: 'candidate', scenario: 'warmup', status: '200' }), 1);
  t.equal(value('mayfly_iterations_total', { side: 'baseline', scenario: 'measure' }), 2);
  t.equal(
    value('mayfly_iterations_total', { side: 'candidate', scenario: 'measure' }),
    0,
    'a counter is there from the start',
  );
  t.equal(value('mayfly_dropped_iterations_total', { side: 'baseline', scenario: 'measure' }), 1);
  t.equal(value('mayfly_in_flight', { side: 'candidate' }), 3);
  t.equal(value('mayfly_max_in_flight', { side: 'baseline' }), 7);
});

t.test('several threads are one: added up by name, whatever number a thread gives it', async (t) => {
  const {
    reader,
    writers: [one, two],
  } = counting(2);
  one!.name(0, 'a');
  one!.name(1, 'b');
  two!.name(0, 'b');
  one!.requested(MEASURE, 0, 0, 200, 0.001);
  one!.requested(MEASURE, 0, 1, 200, 0.002);
  two!.requested(MEASURE, 0, 0, 200, 0.004);
  two!.requested(MEASURE, 0, 0, 404, 0.004);
  two!.iterated(MEASURE, 0, 1);
  one!.iterated(MEASURE, 0, 2);
  one!.inFlight(0, 2);
  two!.inFlight(0, 3);
  const read = parse(reader.text());
  const all = histograms(read);
  t.match(all.get('mayfly_request_duration_seconds candidate measure a'), { count: 1, sum: 0.001 });
  t.match(all.get('mayfly_request_duration_seconds candidate measure b'), { count: 3, sum: 0.01 });
  t.match(all.get('mayfly_response_time_seconds candidate measure'), { count: 2, sum: 3 });
  t.same(
    read.series
      .filter(({ metric }) => metric === 'mayfly_requests_total')
      .map(({ labels, value }) => [labels.name, labels.status, value]),
    [
      ['a', '200', 1],
      ['b', '200', 2],
      ['b', '404', 1],
    ],
  );
  t.equal(
    read.series.find(({ metric, labels }) => metric === 'mayfly_in_flight' && labels.side === 'candidate')!.value,
    5,
  );
});

t.test('hostile names and commits are escaped', async (t) => {
  const names = ['a"b', 'a\\', 'new\nline', '"} 1\nmayfly_requests_total{side="x"} 9', '{}', 'ü €', '', '\\n'];
  const { reader, writer } = counting(1, { ...LABELS, sides: [{ name: 'candidate', commit: 'c"\n\\' }] });
  names.forEach((name, number) => {
    writer.name(number, name);
    writer.requested(MEASURE, 0, number, 200, 0.001);
  });
  const { series } = parse(reader.text());
  t.same(
    series
      .filter(({ metric }) => metric === 'mayfly_requests_total')
      .map(({ labels, value }) => [labels.name, labels.commit, value]),
    names.map((name) => [name, 'c"\n\\', 1]),
  );
  t.same(
    series.filter(({ metric }) => metric === 'mayfly_request_duration_seconds_count').map(({ labels }) => labels.name),
    names,
  );
});

t.test('of a hundred names the rest is one, in the text and in the result', async (t) => {
  const { reader, writer } = counting();
  const recorder = new Recorder(2, writer, 10_000);
  for (let i = 0; i < 500; i++)
    recorder.requested(
      MEASURE,
      i % 2,
      recorder.nameOf(`GET /orders/${i}`),
      i / 1000,
      0,
      0.001,
      i,
      200,
      10,
      'text/plain',
      i % 5 === 0 ? { kind: 'status', detail: '500', message: `status 500 at ${i}` } : null,
    );
  const names = new Set(parse(reader.text()).series.flatMap(({ labels }) => labels.name ?? []));
  t.equal(names.size, MAX_NAMES);
  t.ok(names.has(OTHER_NAMES) && names.has('GET /orders/98') && !names.has('GET /orders/99'));
  const side = sideResult([recorder.recorded()], 1, 'baseline', { warmup: 0, measure: 250 }, true);
  t.match(side, { requests: 250, failed: 50, bytesReceived: 2500 });
  t.equal(
    side.names.reduce((sum, { requests }) => sum + requests, 0),
    250,
  );
  t.equal(side.names.find(({ name }) => name === OTHER_NAMES)!.requests, 201);
  t.match(side.failures, [
    { kind: 'status', detail: '500', count: 50, example: { name: 'GET /orders/5', message: 'status 500 at 5' } },
  ]);
});

t.test('endlessly many ways of failing and journeys take no endless memory', async (t) => {
  const recorder = new Recorder(1, counting().writer, 10);
  for (let i = 0; i < 5000; i++) {
    recorder.requested(MEASURE, 0, recorder.nameOf('x'), i, 0, 0.001, i, 0, 0, '', {
      kind: 'error',
      detail: `E${i}`,
      message: 'm'.repeat(10_000),
    });
    recorder.journey(MEASURE, 0, `journey ${i}`, 1, false);
  }
  const { failures, journeys, failed } = sideResult(
    [recorder.recorded()],
    0,
    'candidate',
    { warmup: 0, measure: 5000 },
    true,
  );
  t.equal(failed, 5000, 'all are counted');
  t.ok(failures.length <= 100 && journeys.length <= 200);
  t.ok(failures[0]!.example.message.length <= 500);
});

t.test('as many media types as a service may think of take no endless memory', async (t) => {
  const recorder = new Recorder(1, counting().writer, 10);
  for (let i = 0; i < 5000; i++)
    recorder.requested(
      MEASURE,
      0,
      recorder.nameOf('x'),
      i,
      0,
      0.001,
      i,
      200,
      5,
      i % 2 === 0 ? 'a/b; v=1' : `x/${i}`,
      null,
    );
  const { names } = sideResult([recorder.recorded()], 0, 'candidate', { warmup: 0, measure: 5000 }, true);
  const { types, count } = names[0]!.answers![0]!;
  t.equal(count, 5000);
  t.strictSame(types!.slice(0, 3), [
    { type: 'a/b', count: 2500 },
    { type: 'others', count: 2480 },
    { type: 'x/1', count: 1 },
  ]);
  t.equal(types!.length, 22);
});

t.test("two threads' records are one result; the kept requests are by their time", async (t) => {
  const recorders = [0, 1].map(() => new Recorder(2, counting().writer, 3));
  // Names, failures and order differ between the threads.
  recorders[0]!.requested(MEASURE, 0, recorders[0]!.nameOf('a'), 0.3, 0.01, 1, 10, 200, 5, '', null);
  recorders[0]!.requested(MEASURE, 1, recorders[0]!.nameOf('b'), 0.1, 0.02, 2, 11, 500, 5, '', {
    kind: 'status',
    detail: '500',
    message: 'first',
  });
  recorders[1]!.requested(MEASURE, 0, recorders[1]!.nameOf('b'), 0.2, 0.03, 3, 12, 0, 0, '', {
    kind: 'timeout',
    detail: '',
    message: 'late',
  });
  recorders[1]!.requested(MEASURE, 1, recorders[1]!.nameOf('a'), 0.4, 0.04, 4, 13, 503, 0, '', {
    kind: 'status',
    detail: '500',
    message: 'second',
  });
  recorders[1]!.requested(WARMUP, 1, recorders[1]!.nameOf('a'), -1, 0, 9, 0, 200, 0, '', null);
  for (const [i, recorder] of recorders.entries()) {
    recorder.started(MEASURE, 0, 0.5);
    recorder.iterated(MEASURE, 0, i + 1);
    recorder.journey(MEASURE, 0, 'buy', i + 1, i === 1);
    recorder.dropped(WARMUP, 0);
  }
  const threads = recorders.map((recorder) => recorder.recorded());
  const kept = keptRequests(threads, ['candidate', 'baseline']);
  const names = (numbers: Uint16Array) => [...numbers].map((number) => kept.names[number]);
  t.same([...kept.due], [0.1, 0.2, 0.3, 0.4]);
  t.same([...kept.pair], [11, 12, 10, 13]);
  t.same([...kept.latency], [2, 3, 1, 4]);
  t.same([...kept.side], [1, 0, 0, 1]);
  t.same(names(kept.name), ['b', 'b', 'a', 'a']);
  t.same([...kept.status], [500, 0, 200, 503]);
  t.same(
    [...kept.failure].map((number) => kept.failures[number - 1]),
    ['status', 'timeout', undefined, 'status'],
  );
  const [candidate, baseline] = (['candidate', 'baseline'] as const).map((name, side) =>
    sideResult(threads, side, name, { warmup: 1, measure: 2 }, true),
  );
  t.match(candidate, {
    due: 2,
    iterations: 2,
    dropped: { warmup: 2, measure: 0 },
    requests: 2,
    failed: 1,
    bytesReceived: 5,
    latency: { count: 1, min: 1, max: 1 },
    response: { count: 2, avg: 1.5 },
    startLag: { count: 2 },
    journeys: [{ name: 'buy', count: 2, failed: 1, duration: { count: 1, avg: 1 } }],
  });
  t.match(candidate!.names, [
    { name: 'a', requests: 1, failed: 0, answers: [{ status: 200, failure: null, count: 1, bytes: 5 }] },
    { name: 'b', requests: 1, failed: 1, latency: null, answers: [{ status: 0, failure: 'timeout', count: 1 }] },
  ]);
  t.match(baseline!.failures, [{ kind: 'status', detail: '500', count: 2, example: { name: 'b', message: 'first' } }]);
  t.equal(
    sideResult(threads, 0, 'candidate', { warmup: 0, measure: 2 }, false).response,
    null,
    'a closed model has no schedule',
  );
});

t.test('two workers load as one does, wait for their go, and answer Prometheus until they are ended', async (t) => {
  const servers = [await remember(t), await remember(t)];
  const port = await freePort();
  const script = `
    import { defineLoad } from 'mayfly/load';
    let set = 0;
    export default defineLoad({ setUp: ({ side, http }) => http.get('/set-up/' + side).then(() => ({ side, set: ++set })) }, ({ http, choose, random, pair, data, side }) => choose([
      [1, () => http.get(\`/\${data.side === side}/\${pair}/\${random()}\`, { name: 'one "quoted"' })],
      [1, () => http.get(\`/two/\${pair}\`, { name: 'two' })],
    ]));`;
  const plan = planFor(
    servers.map(({ url }) => url),
    { model: open(60, 1), warmupS: 0.2, gapS: 0.1, workers: 2, metrics: `127.0.0.1:${port}`, waitForGo: true },
  );
  const generator = start(t, script, plan);
  await generator.event('ready');
  await sleep(300);
  t.same(
    servers.map(({ seen }) => seen.length),
    [0, 0],
    'nothing is sent before the go',
  );
  generator.kill('SIGUSR2');
  await generator.event('result');
  const scraped = await fetch(`http://127.0.0.1:${port}/metrics`);
  t.equal(scraped.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const text = await scraped.text();
  t.equal((await fetch(`http://127.0.0.1:${port}/other`)).status, 404);
  generator.kill('SIGTERM');
  const { sides, rows, result } = await measured(t, await generator.ended);

  t.same(
    rows.map(({ side }) => side),
    rows.map((_, n) => (['candidate', 'baseline'] as const)[sideIndexOf(n, 2, plan.seed)]),
  );
  t.same(
    rows.map(({ pair }) => pair),
    rows.map((_, n) => Math.floor(n / 2)),
    'each pair once on each side',
  );
  t.same(result.kept, { rows: 120, of: 120 });
  const read = parse(text);
  const all = histograms(read);
  for (const [i, side] of sides.entries()) {
    t.match(side, {
      due: 60,
      iterations: 60,
      requests: 60,
      failed: 0,
      latency: { count: 60 },
      response: { count: 60 },
      startLag: { count: 60 },
    });
    const mine = rows.filter((row) => row.side === side.side);
    t.ok(
      Math.abs(
        side.latency!.p95 /
          quantileOf(
            mine.map(({ latency }) => latency),
            0.95,
          ) -
          1,
      ) < 1e-5,
      'exact over both',
    );
    for (const { name, requests } of side.names) {
      const { le, counts, sum, count } = all.get(`mayfly_request_duration_seconds ${side.side} measure ${name}`)!;
      const latencies = mine.filter((row) => row.name === name).map(({ latency }) => latency);
      t.same(le, [...BOUNDS, Infinity]);
      t.same([count, counts.at(-1), latencies.length], [requests, requests, requests]);
      t.ok(
        counts.every((one, bucket) => bucket === 0 || one >= counts[bucket - 1]!),
        'cumulative',
      );
      t.ok(
        counts.every(
          (one, bucket) => Math.abs(one - latencies.filter((latency) => latency <= le[bucket]!).length) <= 1,
        ),
        'a value at a bound may be rounded to either side of it',
      );
      t.ok(Math.abs(sum / latencies.reduce((total, one) => total + one, 0) - 1) < 1e-5);
    }
    t.equal(all.get(`mayfly_response_time_seconds ${side.side} measure`)!.count, 60);
    t.equal(all.get(`mayfly_start_lag_seconds ${side.side} warmup`)!.count, 12);
    const { seen } = servers[i]!;
    t.equal(
      seen.filter(({ path }) => path === `/set-up/${side.side}`).length,
      1,
      'set up once, whatever the number of workers',
    );
    t.equal(seen.length, 1 + 12 + 60);
    t.notOk(
      seen.some(({ path }) => path.startsWith('/false')),
      'and each side has its own data in each worker',
    );
  }
  t.same(
    servers[0]!.seen
      .slice(1)
      .map(({ path }) => path)
      .sort(),
    servers[1]!.seen
      .slice(1)
      .map(({ path }) => path)
      .sort(),
  );
  const totals = read.series.filter(
    ({ metric, labels }) => metric === 'mayfly_requests_total' && labels.scenario === 'measure',
  );
  t.equal(
    totals.reduce((sum, { value }) => sum + value, 0),
    120,
  );
  t.ok(totals.every(({ labels }) => labels.status === '200' && ['one "quoted"', 'two'].includes(labels.name!)));
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
