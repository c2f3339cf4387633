/** The library under a real k6, against real containers on a network of their own. */
import { execFile, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';

const K6 = 'grafana/k6:1.8.1';
const NODE = 'node:24.21.0-bookworm-slim';
const ROOT = resolve(import.meta.dirname, '../..');
const NETWORK = `mayfly-test-loadgen-${process.pid}`;
const SIDES = ['candidate', 'baseline'] as const;

type Environment = Record<string, string | number>;

const run = promisify(execFile);
const docker = async (...args: string[]) => (await run('docker', args)).stdout;

t.before(async () => {
  for (const image of [K6, NODE]) {
    await docker('image', 'inspect', image).catch(() => {
      throw new Error(`the image ${image} is not here: npm run setup gets it`);
    });
  }
  await docker('network', 'create', '--internal', NETWORK);
});
t.teardown(() => docker('network', 'rm', NETWORK));

const environment = (values: Environment) => Object.entries(values).flatMap(([name, value]) => ['-e', `${name}=${value}`]);

/** Starts the target of a side; the result gives the requests that it has had. */
async function startTarget(t: Test, side: string, values: Environment = {}) {
  const target = resolve(import.meta.dirname, 'target.ts');
  const id = (await docker('run', '-d', '--init', '--network', NETWORK, '--network-alias', side, ...environment(values),
    '-v', `${target}:/target.ts:ro`, NODE, 'node', '/target.ts')).trim();
  t.teardown(() => docker('rm', '-f', id));
  for (let tries = 0; !(await answers(id)); tries++) {
    if (tries === 100) throw new Error('the target did not start within 10 s');
    await sleep(100);
  }
  return async () => (await docker('logs', id)).trim().split('\n').map(request).filter(({ scenario }) => scenario !== null);
}

async function answers(id: string): Promise<boolean> {
  const check = `fetch('http://127.0.0.1:8080').then(() => {}, () => process.exit(1))`;
  return docker('exec', id, 'node', '-e', check).then(() => true, () => false);
}

function request(line: string) {
  const [time, address] = line.split(' ') as [string, string];
  const { pathname, searchParams } = new URL(address, 'http://target');
  const of = (name: string) => searchParams.get(name);
  return { time: Number(time), kind: pathname, scenario: of('scenario'), side: of('side'), pair: Number(of('pair')), draw: of('draw') };
}

/** As the harness runs it. Not through promisify, which would throw for an exit code. */
function k6(values: Environment) {
  const { status, stdout, stderr } = spawnSync('docker', ['run', '--rm', '--network', NETWORK,
    '-v', `${ROOT}/loadgen:/loadgen:ro`, '-v', `${import.meta.dirname}/script:/benchmark:ro`, ...environment(values),
    K6, 'run', '--quiet', '--no-color', '--no-usage-report', '--address', '', '/benchmark/load.js'], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Milliseconds between the requests that a target has had. */
const gaps = (had: { time: number }[]) => had.slice(1).map(({ time }, i) => time - had[i]!.time);
const values = (summary: any, metric: string) => summary.metrics[metric]?.values;

t.test('two sides get the same requests, in turn, in the announced window', async (t) => {
  const requests = { candidate: await startTarget(t, 'candidate'), baseline: await startTarget(t, 'baseline') };
  const { status, stdout, stderr } = k6({
    RATE: 20.5, DURATION_S: 4, WARMUP_S: 1.01, VUS: 100, ROUND: 3, SEED: 8, SIDES: SIDES.join(),
    TARGET_CANDIDATE: 'http://candidate:8080', TARGET_BASELINE: 'http://baseline:8080/',
  });
  t.equal(status, 0, stderr);
  const summary = JSON.parse(stdout);
  t.match(summary.mayfly, { sides: SIDES, rate: 20.5, vus: 100, round: 3, seed: 8, duration_s: 4, warmup_s: 1.01, gap_s: 0.5 });

  const window = /mayfly window start=(\d+) end=(\d+)/.exec(stderr)!.slice(1).map(Number) as [number, number];
  t.same(summary.mayfly.window, { start: window[0], end: window[1] });
  t.equal(window[1] - window[0], 4_000);

  const seen = { candidate: await requests.candidate(), baseline: await requests.baseline() };
  for (const side of SIDES) {
    const tags = `{scenario:measure,side:${side}}`;
    const measured = seen[side].filter(({ scenario }) => scenario === 'measure');
    t.ok(seen[side].every((request) => request.side === side), `${side} gets only its own requests`);
    // 20.5 per second for 4 s; the one that is due at the very end may or may not start.
    t.ok(measured.length === 82 || measured.length === 83, `${side} got ${measured.length} requests`);
    t.equal(values(summary, `http_reqs${tags}`).count, measured.length);
    t.equal(values(summary, `iterations${tags}`).count, measured.length);
    t.equal(values(summary, `http_req_failed${tags}`).rate, 0);
    for (const trend of ['http_req_duration', 'mayfly_start_lag', 'mayfly_response_time']) {
      t.equal(values(summary, trend + tags).count, measured.length, trend);
      t.hasProps(values(summary, trend + tags), ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)']);
    }
    t.ok(values(summary, `mayfly_start_lag${tags}`).min >= 0);
    t.ok(values(summary, `mayfly_response_time${tags}`).med > values(summary, `http_req_duration${tags}`).med);
    const outside = measured.filter(({ time }) => time < window[0] - 100 || time > window[1] + 500);
    t.same(outside, [], 'the window is the announced one');
    const first = Math.min(...measured.map(({ time }) => time)); // k6 starts its scenarios some time after it has told the window
    const warmup = seen[side].filter(({ scenario }) => scenario === 'warmup');
    t.ok(warmup.length >= 20 && warmup.every(({ time }) => time < first - 250), 'the warm-up ends before the gap');
  }
  t.equal(values(summary, 'dropped_iterations{scenario:measure}').count, 0, 'there, though nothing was dropped');

  const work = (side: 'candidate' | 'baseline') =>
    seen[side].map(({ scenario, pair, kind, draw }) => `${scenario} ${pair} ${kind} ${draw}`).sort();
  t.same(work('candidate').filter((line) => !line.startsWith('measure 82 ')), work('baseline').filter((line) => !line.startsWith('measure 82 ')));
  t.equal(new Set(seen.candidate.map(({ kind }) => kind)).size, 2);
  t.equal(new Set(seen.candidate.map(({ draw }) => draw)).size, seen.candidate.length, 'no draw comes twice, in the warm-up neither');
});

t.test('a stall shows in the time from the scheduled start', async (t) => {
  const requests = await startTarget(t, 'candidate', { STALL_AFTER: 100 });
  const { status, stdout, stderr } = k6({ RATE: 100, DURATION_S: 4, VUS: 200, TARGET_CANDIDATE: 'http://candidate:8080' });
  t.equal(status, 0, stderr);
  const response = values(JSON.parse(stdout), 'mayfly_response_time{scenario:measure,side:candidate}');
  t.equal(values(JSON.parse(stdout), 'dropped_iterations{scenario:measure}').count, 0);
  const stall = Math.max(...gaps(await requests())); // a second, and what a busy host needs to wake it
  t.ok(stall >= 990, `it stood still for ${stall} ms`);
  // A request is due every 10 ms while it stands still; by hand: the stall less the time since its start, for each.
  const waits = [...Array(400).keys()].map((i) => Math.max(0, stall - i * 10)).sort((a, b) => a - b);
  // Not above the hand's value by much, either: those that have waited are answered one after the other.
  for (const [name, share] of [['p(90)', 0.9], ['p(95)', 0.95], ['p(99)', 0.99]] as const) {
    const expected = waits[Math.ceil(share * waits.length) - 1]!;
    const over = response[name] - expected;
    t.ok(over > -50 && over < 300, `${name} is ${response[name]} ms, by hand ${expected} ms`);
  }
});

t.test('too few virtual users show as dropped iterations', async (t) => {
  const requests = await startTarget(t, 'candidate', { STALL_AFTER: 50 });
  const { stdout } = k6({ RATE: 50, DURATION_S: 3, VUS: 5, TARGET_CANDIDATE: 'http://candidate:8080' });
  const dropped = values(JSON.parse(stdout), 'dropped_iterations{scenario:measure}').count;
  t.ok(dropped >= 35, `${dropped} of the 50 due in the second were dropped, 5 users waited`);
  const had = await requests();
  const still = gaps(had).filter((gap) => gap > 100).reduce((sum, gap) => sum + gap, 0); // 5 users do for 100 ms
  t.ok(dropped <= Math.ceil(still / 20), `${dropped} were dropped in ${still} ms in which it stood still, and one is due every 20 ms`);
  const due = dropped + had.length;
  t.ok(due === 150 || due === 151, `${due} were started or dropped; due are 150, and one at the very end`);
});

t.test('a bad environment is refused with a sentence', async (t) => {
  const good = { RATE: 10, DURATION_S: 1, VUS: 1, TARGET_CANDIDATE: 'http://candidate:8080' };
  const { RATE: _, ...withoutRate } = good;
  t.match(k6(withoutRate).stderr, "RATE is not set; 'npm run bench' sets it, by hand use k6 run -e RATE=...");
  t.match(k6({ ...good, RATE: 'fast' }).stderr, "RATE must be a number, it is 'fast'");
  t.match(k6({ ...good, DURATION_S: 0 }).stderr, 'DURATION_S must be above 0, it is 0');
  t.match(k6({ ...good, SIDES: 'candidate,baseline' }).stderr, 'TARGET_BASELINE is not set');
});
