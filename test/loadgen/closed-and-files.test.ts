/** The closed model by arithmetic; a file of requests replayed at its times. */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Model } from '../../loadgen/plan.ts';
import { closed, failuresOf, listening, measure, planFor, remember, serve } from './generator.ts';

/** A server that answers after a time, and knows how many it had at once. */
async function slow(t: Test, ms: number): Promise<{ url: string; paths: string[]; most: () => number }> {
  const paths: string[] = [];
  let now = 0;
  let most = 0;
  const url = await listening(
    t,
    createServer((request, response) => {
      paths.push(request.url!);
      most = Math.max(most, ++now);
      void sleep(ms).then(() => {
        now--;
        response.end('ok');
      });
    }),
  );
  return { url, paths, most: () => most };
}

const script = (iterate: string, options = '{}') =>
  `import { defineLoad } from 'mayfly/load'; export default defineLoad(${options}, ${iterate});`;
const BY_USER = script(
  '({ http, user, pair, random }) => http.get(`/${user}/${pair}/${random()}`, { name: `user ${user}` })',
);

t.test('of a closed model an iteration is due when it begins', async (t) => {
  const begun: number[] = [];
  const url = await serve(t, (request, response) => {
    begun.push(Number(request.headers.scheduled), performance.timeOrigin + performance.now());
    response.end();
  });
  const { window } = await measure(
    t,
    script('({ http, scheduledMs }) => http.get("/", { headers: { scheduled: String(scheduledMs) } })'),
    planFor([url], { model: closed(1, 3, 0.02) }),
  );
  t.equal(begun.length, 6);
  // each is before it is seen, and after that before it has ended; the clocks of two processes agree within 1 ms
  t.ok(
    [window.startMs, ...begun].every((at, i, all) => i === 0 || at > all[i - 1]! - 1),
    begun.map((at) => at - window.startMs).join(),
  );
});

t.test('users make their iterations one after the other, on each side, the same on both', async (t) => {
  const servers = [await slow(t, 20), await slow(t, 20)];
  const { result, sides, rows, window, events } = await measure(
    t,
    BY_USER,
    planFor(
      servers.map(({ url }) => url),
      { model: closed(3, 5, 0.04) },
    ),
  );
  t.equal(result.model, 'closed');
  for (const [i, side] of sides.entries()) {
    t.match(side, {
      due: 15,
      iterations: 15,
      requests: 15,
      failed: 0,
      dropped: { warmup: 0, measure: 0 },
      response: null,
      startLag: null,
      latency: { count: 15 },
    });
    t.same(
      side.names.map(({ name, requests }) => [name, requests]),
      [
        ['user 0', 5],
        ['user 1', 5],
        ['user 2', 5],
      ],
    );
    t.ok(side.latency!.min >= 0.018, 'each took as long as the server did');
    t.equal(servers[i]!.paths.length, 15);
    t.ok(servers[i]!.most() <= 3, 'never more at once than users');
  }
  t.same(servers[0]!.paths.toSorted(), servers[1]!.paths.toSorted());
  t.equal(new Set(servers[0]!.paths).size, 15, 'each iteration draws its own');
  t.same(
    rows
      .filter(({ side }) => side === 'candidate')
      .map(({ pair }) => pair)
      .sort((a, b) => a - b),
    Array.from({ length: 15 }, (_, n) => n),
  );
  // 5 answers of 20 ms and 4 times 40 ms between them.
  const seconds = (window.endMs - window.startMs) / 1000;
  t.ok(seconds >= 0.25 && seconds < 5, `${seconds} s, by hand 0.26`);
  t.ok(window.endMs === events.find((one) => one.event === 'ended')!.endMs, 'the window ends with the load');
  t.ok(rows.every(({ due, startLag }) => due >= 0 && startLag === 0));
  for (const user of [0, 1, 2]) {
    const mine = rows
      .filter(({ side, name }) => side === 'baseline' && name === `user ${user}`)
      .sort((a, b) => a.pair - b.pair);
    t.ok(
      mine.every(({ due }, i) => i === 0 || due >= mine[i - 1]!.due + mine[i - 1]!.latency + 0.038),
      'one waits for the other, and thinks',
    );
  }
});

t.test('with several workers the same', async (t) => {
  const server = await slow(t, 10);
  const {
    sides: [side],
  } = await measure(t, BY_USER, planFor([server.url], { model: closed(5, 3), workers: 2 }));
  t.match(side, { due: 15, iterations: 15, requests: 15, dropped: { measure: 0 } });
  t.same(
    server.paths.map((path) => path.split('/').slice(1, 3).map(Number)).sort(([, a], [, b]) => a! - b!),
    Array.from({ length: 15 }, (_, n) => [Math.floor(n / 3), n]),
  );
  t.ok(server.most() <= 5);
});

t.test('the limit: what has not begun by then is dropped, what is under way ends', async (t) => {
  const server = await slow(t, 250);
  const {
    sides: [side],
    window,
  } = await measure(t, BY_USER, planFor([server.url], { model: closed(2, 50, 0.01, 1) }));
  t.equal(side!.due, 100);
  t.equal(side!.iterations + side!.dropped.measure, 100, 'each has ended or was dropped');
  // 260 ms an iteration: the fourth begins before the end, or on a slow host does not.
  t.ok(side!.iterations >= 2 && side!.iterations <= 8, `${side!.iterations} ended`);
  t.equal(server.paths.length, side!.iterations);
  t.equal(side!.failed, 0);
  t.ok(window.endMs - window.startMs < 10_000);
});

t.test('thinking does not go on after the limit', async (t) => {
  const { url } = await remember(t);
  const {
    sides: [side],
    window,
  } = await measure(t, BY_USER, planFor([url], { model: closed(2, 3, 3600, 0.5) }));
  t.match(side, { due: 6, iterations: 2, dropped: { measure: 4 } });
  t.ok(window.endMs - window.startMs < 10_000);
});

t.test('users that nobody answers: the time-out, then the limit; an iteration without an end is cut off', async (t) => {
  const url = await serve(t, () => {});
  const {
    sides: [side],
  } = await measure(t, BY_USER, planFor([url], { model: closed(2, 10, 0, 1), timeoutS: 0.7 }));
  t.equal(side!.iterations + side!.dropped.measure, 20);
  t.ok(side!.iterations >= 2 && side!.iterations <= 4, 'at 0 s and at 0.7 s');
  t.same(failuresOf(side!), { timeout: side!.iterations });
  const endless = await measure(
    t,
    script('() => new Promise(() => {})'),
    planFor([url], { model: closed(2, 10, 0, 0.5), timeoutS: 0.5 }),
  );
  t.match(endless.sides, [
    {
      due: 20,
      iterations: 0,
      dropped: { measure: 18 },
      failures: [{ kind: 'timeout', detail: 'iteration', count: 2 }],
    },
  ]);
});

t.test('300,000 iterations that ask for nothing take no memory each', async (t) => {
  const { sides, peakBytes } = await measure(
    t,
    script('() => {}'),
    planFor(['http://127.0.0.1:1'], { model: closed(10, 30_000) }),
  );
  t.match(sides, [{ due: 300_000, iterations: 300_000, requests: 0, failures: [] }]);
  t.ok(peakBytes < 300e6, `${peakBytes / 1e6} MB`);
});

const fileModel = (file: string, durationS: number): Model => ({
  kind: 'open',
  arrivals: 'file',
  file,
  rate: 10,
  durationS,
});
const CSV = `\ufeffat,method,path,name,body,user\n0,GET,/first,,,ann\n0.1,POST,/orders,order,"{""lines"":[""a, b""]}",bob\n\n0.1,PUT,/text,,plain text,\n0.45,DELETE,/gone?id=1,,,eve\n5,GET,/after-the-end,,,\n`;
const JSONL = `${[
  { at: 0, method: 'GET', path: '/first', user: 'ann' },
  { at: 0.1, method: 'POST', path: '/orders', name: 'order', body: '{"lines":["a, b"]}', user: 'bob' },
  { at: 0.1, method: 'PUT', path: '/text', body: 'plain text' },
  { at: 0.45, method: 'DELETE', path: '/gone?id=1', user: 'eve' },
  { at: 5, method: 'GET', path: '/after-the-end' },
]
  .map((row) => JSON.stringify(row))
  .join('\n')}\n`;

t.test('a file of requests is replayed at its times, without a script', async (t) => {
  for (const [file, content] of [
    ['log.csv', CSV],
    ['log.jsonl', `\ufeff${JSONL}\n`],
  ] as const) {
    const servers = [await remember(t), await remember(t)];
    const { sides, rows, window } = await measure(
      t,
      { [file]: content },
      planFor(
        servers.map(({ url }) => url),
        { script: null, model: fileModel(file, 0.6) },
      ),
    );
    t.match(
      sides,
      [
        { due: 4, iterations: 4, requests: 4, failed: 0 },
        { due: 4, iterations: 4, requests: 4, failed: 0 },
      ],
      file,
    );
    t.same(
      sides[0]!.names.map(({ name }) => name),
      ['DELETE /gone', 'GET /first', 'PUT /text', 'order'],
    );
    for (const { seen } of servers) {
      t.same(seen.map(({ method, path, body }) => [method, path, body]).sort(), [
        ['DELETE', '/gone?id=1', ''],
        ['GET', '/first', ''],
        ['POST', '/orders', '{"lines":["a, b"]}'],
        ['PUT', '/text', 'plain text'],
      ]);
      t.equal(seen.find(({ method }) => method === 'POST')!.headers['content-type'], 'application/json');
      t.equal(seen.find(({ method }) => method === 'PUT')!.headers['content-type'], undefined);
      t.ok(
        seen.every(
          ({ path, atMs }) =>
            atMs >
            window.startMs -
              10 +
              1000 *
                ({ '/first': 0, '/orders': 0.1, '/text': 0.1, '/gone?id=1': 0.45 } as Record<string, number>)[path]!,
        ),
        'never before their time',
      );
    }
    // The first of a pair at its time, the second half-way to the next.
    t.same(
      rows.map(({ due }) => Math.round(due * 1e6)),
      [0, 50_000, 100_000, 100_000, 100_000, 275_000, 450_000, 450_000],
    );
    t.same(
      rows.map(({ pair }) => pair),
      [0, 0, 1, 1, 2, 2, 3, 3],
    );
  }
});

t.test('with a script, which gets the row; the warm-up takes rows in turn', async (t) => {
  const { url, seen } = await remember(t);
  const files = {
    'load.ts': script(
      '({ http, row, pair }) => http.request(row.method, row.path, { headers: { "x-user": row.user || "nobody" }, name: row.name || "other" })',
    ),
    'logs/day.csv': CSV,
  };
  const {
    sides: [side],
    stderr,
  } = await measure(t, files, planFor([url], { model: fileModel('logs/day.csv', 0.6), warmupS: 0.6, gapS: 0.2 }));
  t.match(side, { due: 4, iterations: 4, requests: 4, failed: 0, failures: [] });
  t.equal(stderr, '');
  t.same(
    side!.names.map(({ name, requests }) => [name, requests]),
    [
      ['order', 1],
      ['other', 3],
    ],
  );
  t.equal(seen.length, 10, 'six of the warm-up');
  t.same(seen.map(({ headers }) => headers['x-user']).sort(), [
    'ann',
    'ann',
    'ann',
    'bob',
    'bob',
    'bob',
    'eve',
    'eve',
    'nobody',
    'nobody',
  ]);
});

t.test('several workers replay a file as one does', async (t) => {
  const servers = [await remember(t), await remember(t)];
  const rows = Array.from({ length: 30 }, (_, i) => `${(i * 0.01).toFixed(2)},GET,/${i}`);
  const { sides } = await measure(
    t,
    { 'log.csv': ['at,method,path', ...rows, ''].join('\n') },
    planFor(
      servers.map(({ url }) => url),
      { script: null, model: fileModel('log.csv', 0.31), workers: 2 },
    ),
  );
  t.match(sides, [
    { due: 30, requests: 30 },
    { due: 30, requests: 30 },
  ]);
  for (const { seen } of servers)
    t.same(
      seen.map(({ path }) => Number(path.slice(1))).sort((a, b) => a - b),
      Array.from({ length: 30 }, (_, i) => i),
    );
});
