/**
 * The open model: exact counts, order, pairs and times, on a schedule that is known before; a stall; the limit of what
 * may be under way; several workers.
 */
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { REQUESTS_FILE } from '../../loadgen/result.ts';
import { dueTimes, generator, sideIndexOf, textSeed } from '../../loadgen/schedule.ts';
import { readHead } from '../../scripts/requests/read-file.ts';
import { countsOf, failuresOf, measure, open, planFor, quantileOf, remember, type Seen, serve } from './generator.ts';

const SIDES = ['candidate', 'baseline'] as const;

t.test(
  'both sides get exactly their share in the drawn order; the two of a pair make the same request; warm-up, gap and window as announced',
  async (t) => {
    const servers = [await remember(t), await remember(t)];
    const script = `
    import { defineLoad } from 'mayfly/load';
    export default defineLoad(({ http, choose, random, pair }) => choose([
      [1, () => http.get(\`/list?\${random()}\`, { name: 'list' })],
      [2, () => http.post('/orders', { name: 'order', json: { pair, drawn: random() } })],
    ]));`;
    const plan = planFor(
      servers.map(({ url }) => url),
      { model: open(100, 1), warmupS: 0.5, gapS: 0.3, seed: 77 },
    );
    const { result, sides, rows, window, events, atMs } = await measure(t, script, plan);

    for (const [i, side] of sides.entries()) {
      t.match(side, {
        side: SIDES[i],
        due: 100,
        iterations: 100,
        dropped: { warmup: 0, measure: 0 },
        requests: 100,
        failed: 0,
        bytesReceived: 200,
        failures: [],
        journeys: [],
      });
      t.match([side.latency!.count, side.response!.count, side.startLag!.count], [100, 100, 100]);
    }
    t.match(result, { schema: 'mayfly.load/v1', model: 'open', round: 1, seed: 77, kept: { rows: 200, of: 200 } });
    t.notOk('cap' in result.kept);

    // The schedule, from what was kept.
    t.same(
      rows.map(({ side }) => side),
      rows.map((_, n) => SIDES[sideIndexOf(n, 2, 77)]),
    );
    t.same(
      rows.map(({ pair }) => pair),
      rows.map((_, n) => Math.floor(n / 2)),
    );
    t.ok(
      rows.every(({ due }, n) => Math.abs(due - n / 200) < 1e-6),
      'each is due at its time',
    );
    t.ok(
      rows.every(
        ({ status, failure, latency, startLag }) => status === 200 && failure === null && latency > 0 && startLag >= 0,
      ),
    );

    // What the servers saw: the script's numbers are known, so it is known which request is which.
    const drawn = (phase: string, pair: number) => {
      const random = generator(77, textSeed(phase), pair, 0);
      return random() * 3 < 1 ? `GET /list?${random()}` : `POST /orders {"pair":${pair},"drawn":${random()}}`;
    };
    const expected = (phase: string, count: number) => Array.from({ length: count }, (_, pair) => drawn(phase, pair));
    const textOf = ({ method, path, body }: Seen) => `${method} ${path}${body && ` ${body}`}`;
    for (const { seen } of servers) {
      t.same(seen.map(textOf).sort(), [...expected('warmup', 50), ...expected('measure', 100)].sort());
      // Never before its time; and the quickest of many at its time, or, where the host is slow to start a thread, of
      // the warm-up a little later.
      for (const [phase, count, beginsMs, most] of [
        ['warmup', 50, window.startMs - 800, 700],
        ['measure', 100, window.startMs, 200],
      ] as const) {
        const lateMs = expected(phase, count).map(
          (text, pair) => seen.find((one) => textOf(one) === text)!.atMs - beginsMs - (pair * 1000) / 100,
        );
        t.ok(Math.min(...lateMs) > -10 && Math.min(...lateMs) < most, `${phase}: ${Math.min(...lateMs)} ms`);
      }
    }
    const named = countsOf(sides[0]!);
    t.same(named, {
      list: expected('measure', 100).filter((text) => text.startsWith('GET')).length,
      order: expected('measure', 100).filter((text) => text.startsWith('POST')).length,
    });
    t.same(countsOf(sides[1]!), named);

    const announced = events.find((one) => one.event === 'window')!;
    t.same({ startMs: announced.startMs, endMs: announced.endMs }, window);
    t.ok(Math.abs(window.endMs - window.startMs - 1000) < 1e-3);
    t.ok(atMs.get('window')! < window.startMs, 'before it begins');
    t.ok(events.find((one) => one.event === 'ended')!.endMs > window.startMs + 990);

    // Figures are those of all values.
    for (const [i, { latency, names }] of sides.entries()) {
      const all = rows.filter(({ side }) => side === SIDES[i]);
      const near = (got: number, values: number[], share: number) =>
        t.ok(Math.abs(got / quantileOf(values, share) - 1) < 1e-5, `${share}`);
      const latencies = all.map((row) => row.latency);
      for (const [key, share] of [
        ['min', 0],
        ['med', 0.5],
        ['p90', 0.9],
        ['p95', 0.95],
        ['p99', 0.99],
        ['p999', 0.999],
        ['max', 1],
      ] as const)
        near(latency![key], latencies, share);
      t.ok(Math.abs(latency!.avg / (latencies.reduce((sum, one) => sum + one, 0) / 100) - 1) < 1e-5);
      for (const one of names)
        near(
          one.latency!.p95,
          all.filter(({ name }) => name === one.name).map((row) => row.latency),
          0.95,
        );
      near(
        sides[i]!.startLag!.p99,
        all.map((row) => row.startLag),
        0.99,
      );
      t.ok(sides[i]!.response!.avg >= latency!.avg, 'from the schedule it is longer');
    }
  },
);

t.test('one side, stages and Poisson arrivals: due when the schedule says', async (t) => {
  const { url, seen } = await remember(t);
  const model = {
    kind: 'open',
    arrivals: 'poisson',
    rate: 20.5,
    durationS: 0.8,
    stages: [
      { rate: 150, durationS: 0.4 },
      { rate: 33.3, durationS: 0.4 },
    ],
  } as const;
  const { sides, rows } = await measure(
    t,
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/'));`,
    planFor([url], { model: { ...model, stages: [...model.stages] }, seed: 9 }),
  );
  const due = [...dueTimes({ ...model, stages: [...model.stages] }, 1, 9)];
  t.ok(due.length > 20);
  t.match(sides, [
    { side: 'candidate', due: due.length, iterations: due.length, requests: due.length, names: [{ name: 'GET /' }] },
  ]);
  t.equal(sides.length, 1);
  t.ok(rows.every((row, n) => row.pair === n && Math.abs(row.due * 1000 - due[n]!) < 1e-3));
  t.equal(seen.length, due.length);
});

t.test('an iteration knows when it was due, in Unix milliseconds, the same in every thread', async (t) => {
  const servers = [await remember(t), await remember(t)];
  const { window } = await measure(
    t,
    `import { defineLoad } from 'mayfly/load';
     export default defineLoad(({ http, pair, scheduledMs }) => http.get('/' + pair, { headers: { scheduled: String(scheduledMs) } }));`,
    planFor(
      servers.map(({ url }) => url),
      { model: open(40, 0.5), warmupS: 0.2, workers: 2 },
    ),
  );
  const schedule = dueTimes(open(40, 0.5) as Parameters<typeof dueTimes>[0], 2, 5);
  for (const [i, { seen }] of servers.entries()) {
    const scheduled = seen.map(({ path, headers }) => ({ path, at: Number(headers.scheduled) }));
    const inWindow = scheduled.filter(({ at }) => at >= window.startMs);
    t.equal(inWindow.length, 20, 'that of the first iteration is not before the window');
    for (const { path, at } of inWindow) {
      const n = 2 * Number(path.slice(1));
      const due = schedule[SIDES[sideIndexOf(n, 2, 5)] === SIDES[i] ? n : n + 1]!;
      t.ok(Math.abs(at - window.startMs - due) < 1e-3, `${path}: ${at - window.startMs} ms, by the schedule ${due} ms`);
    }
    t.ok(
      seen.every(({ atMs, headers }) => atMs + 1 >= Number(headers.scheduled)),
      'and by the clock of who is asked it was before',
    );
  }
});

t.test('beyond the cap requests are counted and measured, and not kept; the file says so', async (t) => {
  const { url } = await remember(t);
  const { result, sides, rows, dir } = await measure(
    t,
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/'));`,
    planFor([url, url], { model: open(50, 0.5), keepRows: 20 }),
  );
  t.same(result.kept, { rows: 20, of: 50, cap: 20 });
  t.same(
    sides.map(({ requests, latency, names }) => [requests, latency!.count, names[0]!.requests]),
    [
      [25, 25, 25],
      [25, 25, 25],
    ],
  );
  t.equal(rows.length, 20);
  t.match(await readHead(join(dir, 'result', REQUESTS_FILE)), {
    rows: 20,
    of: 50,
    runId: '01K0000000000000000000000A',
    benchmark: 'shop',
    round: 1,
    windowStartMs: Math.round(result.window.startMs),
  });
});

t.test('a stall of one second is in the response times of all that were due in it', async (t) => {
  let began: Promise<number> | undefined; // until when answers are held
  const stalls: string[] = [];
  const url = await serve(t, async (request, response) => {
    if (request.url === '/100') began = sleep(1000).then(() => Date.now());
    stalls.push(request.url!);
    await began;
    response.end('ok');
  });
  const {
    sides: [side],
    rows,
    window,
  } = await measure(
    t,
    `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http, pair }) => http.get(\`/\${pair}\`, { name: 'page' }));`,
    planFor([url], { model: open(200, 2.5) }),
  );
  const releasedMs = await began!;
  // By hand: what was due between the stall's beginning, 0.5 s, and its end waited for the end.
  const byHand = rows.map(({ due, pair }) =>
    pair < 100 ? 0 : Math.max(0, (releasedMs - window.startMs) / 1000 - due),
  );
  const { response, latency } = side!;
  t.equal(stalls.length, 500);
  t.match(side, { due: 500, iterations: 500, failed: 0, dropped: { measure: 0 } });
  for (const [key, share] of [
    ['p90', 0.9],
    ['p95', 0.95],
    ['p99', 0.99],
    ['p999', 0.999],
    ['max', 1],
  ] as const) {
    const expected = quantileOf(byHand, share);
    t.ok(
      Math.abs(response![key] - expected) < 0.2 + 0.05 * expected,
      `${key} from the schedule is ${response![key]}, by hand ${expected}`,
    );
    t.ok(latency![key] <= response![key], 'from the send it is no longer');
  }
  t.ok(quantileOf(byHand, 0.99) > 0.9);
});

t.test('the generator held up by its script: the schedule keeps the time, the send does not', async (t) => {
  const { url } = await remember(t);
  const script = `
    import { defineLoad } from 'mayfly/load';
    export default defineLoad(({ http, pair }) => {
      const untilMs = Date.now() + (pair === 20 ? 400 : 0);
      while (Date.now() < untilMs);
      return http.get('/', { name: 'page' });
    });`;
  const {
    sides: [side],
    rows,
  } = await measure(t, script, planFor([url], { model: open(100, 1) }));
  // Due at 0.2 s, sent at 0.6 s or later; the one due at 0.21 s is 0.39 s late, and so on.
  const late = rows.filter(({ pair }) => pair > 20 && pair < 55);
  t.ok(
    late.every(({ pair, startLag }) => startLag > 0.395 - (pair - 20) * 0.01),
    'each is as late as it must be',
  );
  t.ok(side!.startLag!.max > 0.385 && side!.response!.max >= side!.startLag!.max);
  t.ok(
    late.some(({ latency, startLag }) => latency < startLag),
    'their latency does not hold it',
  );
  t.ok(side!.response!.p90 > 0.25, 'their response time does');
  t.match(side, { iterations: 100, dropped: { measure: 0 } });
});

t.test('more under way than allowed: exactly those beyond are dropped, with one worker and with two', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.close());
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const script = `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/', { name: 'never' }));`;
  const limited = (workers: number, warmupS: number) =>
    measure(t, script, planFor([url, url], { model: open(60, 0.3), warmupS, maxInFlight: 4, timeoutS: 3, workers }));
  const [one, two, warm] = await Promise.all([limited(1, 0), limited(2, 0), limited(1, 0.1)]);
  for (const { sides, rows } of [one, two]) {
    for (const side of sides) {
      t.match(side, { due: 18, iterations: 4, requests: 4, failed: 4, dropped: { warmup: 0, measure: 14 } });
      t.same(failuresOf(side), { timeout: 4 });
      t.match(side, { latency: null, response: null, startLag: { count: 4 } }, 'what failed is not timed');
    }
    t.ok(rows.every(({ failure, status, latency }) => failure === 'timeout' && status === 0 && latency >= 3));
  }
  // Of the warm-up four are still under way when the window begins, and until its end.
  t.match(
    warm.sides,
    [0, 1].map(() => ({
      due: 18,
      iterations: 0,
      requests: 0,
      dropped: { warmup: 2, measure: 18 },
      latency: null,
      response: null,
    })),
  );
});
