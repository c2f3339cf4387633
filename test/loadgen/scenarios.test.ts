/** Scenarios: several models side by side in one window, each measured by itself. */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Model, Scenario, ScenarioModel } from '../../loadgen/plan.ts';
import { partsOf, sideIndexOf } from '../../loadgen/schedule.ts';
import { resultFault } from '../../scripts/measure/load/check-result.ts';
import { faultOf, listening, measure, open, planFor, start } from './generator.ts';

const users = (count: number, iterations = 1, limitS = 30): ScenarioModel => ({
  kind: 'closed',
  users: count,
  iterations,
  thinkS: 0,
  limitS,
});
const scenario = (name: string, model: ScenarioModel, startS = 0, maxInFlight = 100): Scenario => ({
  name,
  startS,
  maxInFlight: model.kind === 'closed' ? model.users : maxInFlight,
  model,
});
const together = (durationS: number, ...scenarios: Scenario[]): Model => ({ kind: 'scenarios', durationS, scenarios });
const rate = (perSecond: number, durationS: number) => open(perSecond, durationS) as ScenarioModel;

const script = (functions: string, options = '') =>
  `import { bytes, defineLoad } from 'mayfly/load';\nexport default defineLoad(${options}{\n${functions}\n});\n`;

interface Seen {
  path: string;
  atMs: number;
  bytes: number;
}

/** A server that answers after a time, and remembers what it was sent. */
async function server(t: Test, ms = 0): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const url = await listening(
    t,
    createServer((request, response) => {
      const one = { path: request.url!, atMs: Date.now(), bytes: 0 };
      seen.push(one);
      request.on('data', (chunk: Buffer) => (one.bytes += chunk.length));
      request.on('end', () => void sleep(request.url!.startsWith('/visit') ? ms : 0).then(() => response.end('ok')));
    }),
  );
  return { url, seen };
}

const MIXED = script(
  `
  visit: ({ http, user, pair, random }) => http.get(\`/visit/\${user}/\${pair}/\${random()}\`, { name: 'visit' }),
  browse: ({ http, pair, random, data }) => http.get(\`/browse/\${pair}/\${random()}/\${data}\`, { name: 'browse' }),
`,
  '{ setUp: ({ side }) => side }, ',
);

t.test('users beside a rate: each by its own model, both sides alike', async (t) => {
  const sides = [await server(t, 60), await server(t, 60)];
  const model = together(0.9, scenario('visit', users(3, 2), 0.2), scenario('browse', rate(40, 0.5)));
  const {
    result,
    sides: measured,
    window,
    rows,
  } = await measure(
    t,
    MIXED,
    planFor(
      sides.map(({ url }) => url),
      { model, workers: 1, warmupS: 0.3 },
    ),
  );
  t.equal(result.model, 'scenarios');
  t.equal(resultFault(result, ['candidate', 'baseline']), null, 'it fits its schema');
  t.equal(Math.round(window.endMs - window.startMs), 900, 'with a rate among them the window is as long as was said');
  for (const side of measured) {
    t.match(side, {
      due: 26,
      iterations: 26,
      requests: 26,
      failed: 0,
      response: { count: 20 },
      startLag: { count: 20 },
    });
    t.notOk('duration' in side, 'what users take and what a rate takes are not thrown together');
    const [visit, browse] = side.scenarios!;
    t.match(visit, {
      name: 'visit',
      model: 'closed',
      due: 6,
      iterations: 6,
      done: 6,
      failed: 0,
      requests: 6,
      dropped: { warmup: 0, measure: 0 },
      duration: { count: 6 },
      startLag: null,
    });
    t.ok(visit!.duration!.min >= 0.058, 'as long as the server takes');
    t.ok(visit!.endedS! >= 0.2 + 2 * 0.058 && visit!.endedS! < 0.9, `${visit!.endedS} s, by hand 0.32`);
    t.match(browse, { model: 'open', due: 20, iterations: 20, done: 20, failed: 0, endedS: null });
    t.equal(browse!.startLag!.count, 20);
  }
  const of = (side: number, kind: string) =>
    sides[side]!.seen.filter(({ path, atMs }) => path.startsWith(`/${kind}`) && atMs >= window.startMs - 20);
  const pathsOf = (side: number, kind: string) => of(side, kind).map(({ path }) => path);
  t.same(pathsOf(0, 'visit').toSorted(), pathsOf(1, 'visit').toSorted(), 'users of both sides do the same');
  const drawn = (side: number) =>
    pathsOf(side, 'browse')
      .map((path) => path.split('/').slice(2, 4).join())
      .toSorted();
  t.same(drawn(0), drawn(1), 'so do the pairs of a rate');
  t.equal(new Set(drawn(0)).size, 20);
  t.ok(
    pathsOf(0, 'browse').every((path) => path.endsWith('/candidate')),
    'what setUp gave is there in each scenario',
  );
  t.ok(
    of(0, 'visit').every(({ atMs }) => atMs >= window.startMs + 198),
    'they begin when they should',
  );
  const [, { plan }] = partsOf(
    planFor(
      sides.map(({ url }) => url),
      { model },
    ),
  ) as [unknown, { plan: { seed: number } }];
  t.same(
    rows.filter(({ name }) => name === 'browse').map(({ side }) => (side === 'candidate' ? 0 : 1)),
    Array.from({ length: 40 }, (_, n) => sideIndexOf(n, 2, plan.seed)),
    'sides come in turn, as they do without scenarios',
  );
  t.ok(
    sides[0]!.seen.some(({ path, atMs }) => path.startsWith('/browse') && atMs < window.startMs),
    'a rate has a warm-up',
  );
});

t.test('of users alone the window ends with the last, in several threads too', async (t) => {
  const { url } = await server(t, 30);
  const model = together(20, scenario('visit', users(5, 2)), scenario('browse', users(3), 0.2));
  const { sides, window, events } = await measure(t, MIXED, planFor([url], { model, workers: 2 }));
  t.match(sides[0], { due: 13, iterations: 13, response: null, startLag: null });
  t.match(sides[0]!.scenarios, [
    { name: 'visit', due: 10, done: 10 },
    { name: 'browse', due: 3, done: 3 },
  ]);
  t.equal(window.endMs, events.find((one) => one.event === 'ended')!.endMs);
  t.ok(sides[0]!.scenarios![1]!.endedS! >= 0.2);
  t.ok(window.endMs - window.startMs < 10_000);
});

t.test('what is not done in time is told, and what fails is not done', async (t) => {
  const { url } = await server(t, 700);
  const failing = script(`
  visit: ({ http }) => http.get('/visit'),
  browse: async ({ http, user }) => { await http.get('/browse', { expect: { status: user === 0 ? 404 : 200 } }); },
`);
  const model = together(1, scenario('visit', users(1, 3, 1)), scenario('browse', users(4)));
  const { sides } = await measure(t, failing, planFor([url], { model }));
  const [visit, browse] = sides[0]!.scenarios!;
  t.match(visit, { due: 3, iterations: 2, done: 2, failed: 0, dropped: { measure: 1 } });
  t.ok(visit!.endedS! >= 1.38, 'the second one ended after the window');
  t.match(browse, { due: 4, iterations: 4, done: 3, failed: 1, duration: { count: 3 } });
  t.equal(sides[0]!.failed, 1);
});

t.test('a closed model alone has the times of its iterations', async (t) => {
  const { url } = await server(t, 20);
  const one = `import { defineLoad } from 'mayfly/load'; export default defineLoad(({ http }) => http.get('/visit'));`;
  const { result, sides } = await measure(t, one, planFor([url], { model: users(2, 3) }));
  t.equal(resultFault(result, ['candidate']), null);
  t.match(sides[0], { response: null, duration: { count: 6 } });
  t.ok(sides[0]!.duration!.min >= 0.018);
});

t.test('bodies of 100 MB cost no memory of their own', async (t) => {
  const BYTES = 100e6;
  for (const [what, body] of [
    ['made as it is sent', 'bytes(100e6)'],
    ['one buffer for all', 'whole'],
  ] as const) {
    const { url, seen } = await server(t);
    const uploads = `const whole = Buffer.alloc(${what === 'one buffer for all' ? '100e6' : '1'}, 'x');\n${script(
      `upload: ({ http, user }) => http.put('/files/' + user, { body: ${body}, timeoutMs: 60_000 }),\n browse: ({ http }) => http.get('/'),`,
    )}`;
    const model = together(30, scenario('upload', users(10)), scenario('browse', users(1)));
    // nothing is sent to get warm: the test is of what comes after
    const { sides, peakBytes } = await measure(t, uploads, planFor([url], { model, warmS: 0 }));
    t.match(sides[0]!.scenarios![0], { name: 'upload', due: 10, done: 10, bytesSent: 10 * BYTES }, what);
    t.equal(sides[0]!.bytesSent, 10 * BYTES);
    t.equal(seen.reduce((sum, one) => sum + one.bytes, 0) >= 10 * BYTES, true, 'they have come whole');
    t.comment(`${what}: ${(peakBytes / 1e6).toFixed(0)} MB at most`);
    t.ok(peakBytes < 400e6, `${what}: ${(peakBytes / 1e6).toFixed(0)} MB for 10 bodies of 100 MB at once`);
  }
});

t.test('a script without the functions that the scenarios need, or with others', async (t) => {
  const model = together(1, scenario('visit', users(1)), scenario('browse', rate(10, 1)));
  const one = `import { defineLoad } from 'mayfly/load';\n\nexport default defineLoad(({ http }) => http.get('/'));\n`;
  const functions = (names: string[]) =>
    script(names.map((name) => `  ${name}: ({ http }) => http.get('/'),`).join('\n'));
  const said = async (text: string, given: { model?: Model } = { model }) => {
    const { message, hint, kind, code } = await faultOf(t, text, given);
    t.same([kind, code], ['usage', 2]);
    return [message, hint];
  };
  const [single, missing, unknown, none] = await Promise.all([
    said(one),
    said(functions(['visit'])),
    said(functions(['visit', 'browse', 'buy'])),
    said(functions(['visit', 'browse']), {}),
  ]);
  t.same(single, [
    'load.ts:3 there is one function, and the load has the scenarios visit, browse',
    'Write one for each: defineLoad({ visit: ({ http }) => ..., browse: ({ http }) => ... }).',
  ]);
  t.same(missing, [
    'load.ts:2 there is no function for the scenario browse',
    'The script has visit; load/scenarios in benchmark.yaml has visit, browse.',
  ]);
  t.same(unknown, [
    'load.ts:5 the function buy is for no scenario',
    'load/scenarios in benchmark.yaml has visit, browse.',
  ]);
  t.same(none, [
    'load.ts:2 there are functions for the scenarios visit, browse, and the load has none',
    'Name them under load/scenarios in benchmark.yaml, or write one function: defineLoad(({ http }) => ...).',
  ]);
});

t.test('each function is tried before the load', async (t) => {
  const model = together(1, scenario('visit', users(1)), scenario('browse', users(2)));
  const wrong = script(`  visit: ({ http }) => http.get('/'),\n  browse: ({ http }) => http.get('/', { nmae: 'x' }),`);
  const { message } = await faultOf(t, wrong, { model });
  t.match(message, /^load\.ts:4 .*has no option nmae/);
  const { events } = await start(t, MIXED, planFor(['http://127.0.0.1:1'], { model }), 'check').ended;
  t.match(events, [{ event: 'checked' }]);
});

t.test('a load without scenarios is sent as it was', (t) => {
  const plan = planFor(['http://a', 'http://b']);
  t.strictSame(partsOf(plan), [{ name: null, startS: 0, plan }]);
  const model = together(1, scenario('visit', users(1)), scenario('browse', rate(10, 1), 0.5, 7));
  const [visit, browse] = partsOf({ ...plan, model });
  t.match(visit, { name: 'visit', startS: 0, plan: { maxInFlight: 1, model: { kind: 'closed' } } });
  t.match(browse, { name: 'browse', startS: 0.5, plan: { maxInFlight: 7, model: { rate: 10 } } });
  t.equal(new Set([plan.seed, visit!.plan.seed, browse!.plan.seed]).size, 3, 'each draws its own');
  t.end();
});
