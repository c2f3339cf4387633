/** What Prometheus reads of both processes, and their health. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import type { Context } from '../../../scripts/app/context.ts';
import { InfrastructureError } from '../../../scripts/core/errors.ts';
import { paths } from '../../../scripts/core/paths.ts';
import { type NewJob, PRIORITY, type WorkerName } from '../../../scripts/documents/job.ts';
import { connectEngine } from '../../../scripts/engine/engine.ts';
import { engineSocket } from '../../../scripts/engine/socket.ts';
import { IMAGES } from '../../../scripts/images/images.ts';
import { channelOf } from '../../../scripts/service/server/alert-channels.ts';
import { createHttp, type Http, HttpError } from '../../../scripts/service/server/http.ts';
import type { ServeContext } from '../../../scripts/service/server/serve-context.ts';
import { healthRoutes } from '../../../scripts/service/server/server-health.ts';
import { serverMetrics } from '../../../scripts/service/server/server-metrics.ts';
import type { GitHub } from '../../../scripts/service/tell/github-types.ts';
import { thisWorker } from '../../../scripts/service/worker/worker.ts';
import { serveHealth } from '../../../scripts/service/worker/worker-health.ts';
import { openStore, type Store } from '../../../scripts/store/db.ts';
import { makeRun } from '../../run-document.ts';

const START = Date.UTC(2026, 0, 10);
const S = 1000;
const WORKER: WorkerName = { host: 'bench-1', pid: 7, pid_start: '1' };

/** promtool over what is exposed: it parses, and the names keep to the conventions. */
async function checkMetrics(t: Test, metrics: string) {
  const promtool = spawn(
    'docker',
    [
      'run',
      '--rm',
      '--interactive',
      '--network=none',
      '--entrypoint=promtool',
      IMAGES.prometheus.ref,
      'check',
      'metrics',
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  promtool.stdin.end(metrics);
  const [out, error, code] = await Promise.all([
    textOf(promtool.stdout),
    textOf(promtool.stderr),
    new Promise((resolve) => promtool.on('close', resolve)),
  ]);
  t.equal(code, 0, `${out}${error}`);
}

/** Samples by name and labels, as they stand in the text. */
const samples = (text: string) =>
  new Map(
    text
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
      .map((line): [string, number] => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' ') + 1)),
      ]),
  );

function openIn(t: Test): Store {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  return store;
}

const ALERT = { kind: 'webhook' as const, url_from: 'HOOK', labels: [] };

/** A server's routes over a store, with a clock that is turned by hand. */
async function server(t: Test, store = openIn(t), ready: () => string | null = () => null) {
  const clock = { now: START };
  const ctx: ServeContext = {
    store,
    paths: paths('/', {}),
    site: '',
    githubSite: 'https://github.com',
    webhookSecret: undefined,
    actionToken: undefined,
    github: {} as GitHub,
    now: () => clock.now,
    log: () => {},
    signal: new AbortController().signal,
    wake: () => {},
    config: {
      file: undefined,
      site: undefined,
      repositories: [],
      reconcileS: 300,
      alerts: [ALERT],
      rules: new Map([['shop', { cancelRunning: false, deadlineS: 3600 }]]),
    },
  };
  const http = await createHttp({ log: () => {} });
  t.teardown(() => http.close());
  healthRoutes(http, { ready, metrics: serverMetrics(ctx, http) });
  http.post('/webhooks/github', async () => {
    throw new HttpError(401, 'no');
  });
  http.get('/runs/:id', async () => 'a run');
  return { http, store, clock, ctx };
}

const scrape = async (http: Http) => (await http.inject('/metrics')).body;
const job = (laid: Partial<NewJob> = {}): NewJob => ({
  kind: 'new-test',
  benchmark: 'shop',
  commit: 'c'.repeat(40),
  requested_by: 'push',
  priority: PRIORITY.pull_request,
  deadline_s: 3600,
  repository: 'acme/shop',
  ...laid,
});

t.test('an empty store: every name is there, and keeps to the conventions', async (t) => {
  const { http } = await server(t);
  const answer = await http.inject('/metrics');
  t.equal(answer.statusCode, 200);
  t.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  await checkMetrics(t, answer.body);
  t.match(Object.fromEntries(samples(answer.body)), {
    'mayfly_queue_jobs{state="queued",kind="new-test"}': 0,
    'mayfly_queue_jobs{state="leased",kind="new-master"}': 0,
    mayfly_queue_oldest_seconds: 0,
    mayfly_queue_paused: 0,
    mayfly_workers: 0,
    mayfly_uploads_pending: 0,
    'mayfly_jobs_total{benchmark="shop",state="failed"}': 0,
    'mayfly_verdicts_total{benchmark="shop",verdict="REGRESSION"}': 0,
    'mayfly_job_failures_total{benchmark="shop",reason="infrastructure"}': 0,
  });
});

t.test('the queue as it is, and all that ever ended', async (t) => {
  const { http, store, clock } = await server(t);
  const { queue } = store;
  const claim = () => queue.claim(WORKER, clock.now)!;
  const add = (number: number, laid: Partial<NewJob> = {}) =>
    queue.enqueue(job({ commit: String(number).repeat(40), ...laid }), { now: clock.now }).job;

  queue.hello(WORKER, 1, clock.now);
  add(1);
  const done = claim();
  clock.now += 90 * S;
  queue.endLease(done.job.job_id, done.leaseId, { state: 'done', run_id: 'R', verdict: 'REGRESSION' }, clock.now);
  add(2, { kind: 'new-master' });
  const late = claim();
  clock.now += 3600 * S;
  queue.endLease(
    late.job.job_id,
    late.leaseId,
    { state: 'failed', fault: 'deadline', reason: 'it was not done after its deadline of 3600 s' },
    clock.now,
  );
  add(3);
  const unbuildable = claim();
  queue.endLease(
    unbuildable.job.job_id,
    unbuildable.leaseId,
    { state: 'failed', fault: 'build', reason: 'the image cannot be built' },
    clock.now,
  );
  queue.cancel(add(4).job_id, 'by hand', clock.now);
  add(5, { benchmark: 'caddy' });
  for (let tries = 0; tries < 3; tries++) {
    const tried = claim();
    queue.endLease(
      tried.job.job_id,
      tried.leaseId,
      { state: 'retry', reason: 'the engine does not answer' },
      clock.now,
    );
    clock.now += 600 * S;
  }
  const running = add(6);
  claim();
  clock.now += 10 * S;
  add(7);
  clock.now += 20 * S;
  add(8, { kind: 'new-master' });
  queue.pause({ by: 'me', at: new Date(clock.now).toISOString() });

  const text = await scrape(http);
  await checkMetrics(t, text);
  t.match(Object.fromEntries(samples(text)), {
    'mayfly_queue_jobs{state="queued",kind="new-test"}': 1,
    'mayfly_queue_jobs{state="queued",kind="new-master"}': 1,
    'mayfly_queue_jobs{state="leased",kind="new-test"}': 1,
    mayfly_queue_oldest_seconds: 20,
    mayfly_queue_paused: 1,
    mayfly_queue_last_taken_timestamp_seconds: Date.parse(queue.job(running.job_id)!.started_at!) / 1000,
    'mayfly_jobs_total{benchmark="shop",state="done"}': 1,
    'mayfly_jobs_total{benchmark="shop",state="failed"}': 2,
    'mayfly_jobs_total{benchmark="shop",state="cancelled"}': 1,
    'mayfly_jobs_total{benchmark="caddy",state="failed"}': 1,
    'mayfly_verdicts_total{benchmark="shop",verdict="REGRESSION"}': 1,
    'mayfly_verdicts_total{benchmark="shop",verdict="PASS"}': 0,
    'mayfly_job_failures_total{benchmark="shop",reason="deadline"}': 1,
    'mayfly_job_failures_total{benchmark="shop",reason="build"}': 1,
    'mayfly_job_failures_total{benchmark="shop",reason="other"}': 0,
    'mayfly_job_failures_total{benchmark="shop",reason="lost_worker"}': 0,
    'mayfly_job_failures_total{benchmark="shop",reason="infrastructure"}': 0,
    'mayfly_job_failures_total{benchmark="caddy",reason="infrastructure"}': 3,
    'mayfly_job_failures_total{benchmark="caddy",reason="other"}': 0,
    'mayfly_job_duration_seconds_bucket{benchmark="shop",kind="new-test",le="60"}': 1,
    'mayfly_job_duration_seconds_bucket{benchmark="shop",kind="new-test",le="120"}': 2,
    'mayfly_job_duration_seconds_bucket{benchmark="shop",kind="new-test",le="+Inf"}': 2,
    'mayfly_job_duration_seconds_sum{benchmark="shop",kind="new-test"}': 90,
    'mayfly_job_duration_seconds_count{benchmark="shop",kind="new-test"}': 2,
    'mayfly_job_duration_seconds_bucket{benchmark="shop",kind="new-master",le="3600"}': 1,
    'mayfly_job_duration_seconds_bucket{benchmark="shop",kind="new-master",le="1800"}': 0,
  });
  t.equal(samples(text).get('mayfly_worker_seen_seconds{host="bench-1"}'), (clock.now - START) / S);
  t.equal(samples(text).get('mayfly_workers'), 0, 'heard of an hour ago');

  const again = await server(t, store);
  again.clock.now = clock.now;
  const counted = (text: string) => [...samples(text)].filter(([name]) => /^mayfly_(job|verdict|queue)/.test(name));
  t.strictSame(
    counted(await scrape(again.http)),
    counted(text),
    'a server that has just started counts what the one before has counted',
  );
});

t.test('a job that has a pause to go does not wait, a lost worker is counted', async (t) => {
  const { http, store, clock } = await server(t);
  store.queue.enqueue(job(), { now: clock.now });
  const tried = store.queue.claim(WORKER, clock.now)!;
  store.queue.endLease(tried.job.job_id, tried.leaseId, { state: 'retry', reason: 'x' }, clock.now);
  clock.now += 10 * S;
  t.equal(samples(await scrape(http)).get('mayfly_queue_oldest_seconds'), 0);
  clock.now += 120 * S;
  t.equal(samples(await scrape(http)).get('mayfly_queue_oldest_seconds'), 100, 'since its pause of 30 s ended');
  for (const lost of [1, 2]) {
    store.queue.claim(WORKER, clock.now);
    store.queue.recoverLost(clock.now, () => false);
    t.equal(samples(await scrape(http)).get('mayfly_job_failures_total{benchmark="shop",reason="lost_worker"}'), lost);
  }
  t.equal(samples(await scrape(http)).get('mayfly_job_failures_total{benchmark="shop",reason="other"}'), 0);
});

t.test('workers, messages, uploads', async (t) => {
  const { http, store, clock, ctx } = await server(t);
  store.queue.hello(WORKER, 1, clock.now);
  store.queue.hello({ ...WORKER, pid: 8 }, 1, clock.now);
  store.outbox.want('comment', 'acme/shop#1', 'a');
  store.outbox.want('comment', 'acme/shop#2', 'a');
  store.outbox.want(channelOf(ALERT), 'x', '{}');
  store.outbox.want('alert email 0123456789ab', 'x', '{}');
  store.addRun(
    makeRun({
      run_id: 'R1',
      finished_at: new Date(clock.now - 500 * S).toISOString(),
      archive: { bucket: '', blocks: [], verified: false, pending: true },
    }),
  );
  await scrape(http);
  clock.now += 60 * S;
  const sent = store.outbox.message('comment', 'acme/shop#1')!;
  store.outbox.saveSent(sent, '1');
  store.outbox.want('comment', 'acme/shop#3', 'a');
  const text = await scrape(http);
  t.match(Object.fromEntries(samples(text)), {
    mayfly_workers: 2,
    'mayfly_worker_seen_seconds{host="bench-1"}': 60,
    'mayfly_messages_waiting{channel="comment"}': 2,
    'mayfly_messages_oldest_seconds{channel="comment"}': 60,
    [`mayfly_messages_waiting{channel="${channelOf(ALERT)}"}`]: 1,
    mayfly_uploads_pending: 1,
    mayfly_uploads_oldest_seconds: 560,
  });
  t.notMatch(text, 'alert email', 'a channel that is no longer there waits for nothing');
  await checkMetrics(t, text);
  clock.now += 100 * S;
  const later = samples(await scrape(http));
  t.equal(later.get('mayfly_workers'), 0);
  t.equal(later.get('mayfly_messages_oldest_seconds{channel="comment"}'), 160);
  ctx.github = undefined;
  t.notOk(
    samples(await scrape(http)).has('mayfly_messages_waiting{channel="comment"}'),
    'nor does anything to GitHub without a token',
  );
});

t.test('requests by route, deliveries by event: nobody can make series', async (t) => {
  const { http } = await server(t);
  for (const id of ['a', 'b', 'c']) await http.inject(`/runs/${id}`);
  for (const path of ['/nothing/1', '/nothing/2?x=3']) await http.inject(path);
  for (const event of ['push', 'ping', 'evil"} 1\n', 'star'])
    await http.inject({
      method: 'POST',
      url: '/webhooks/github',
      headers: { 'x-github-event': event.replaceAll('\n', '') },
      payload: {},
    });
  const text = await scrape(http);
  await checkMetrics(t, text);
  const read = samples(text);
  t.equal(read.get('mayfly_http_request_duration_seconds_count{method="GET",route="/runs/:id",status="200"}'), 3);
  t.equal(read.get('mayfly_http_request_duration_seconds_count{method="any",route="none",status="404"}'), 2);
  t.strictSame(
    [...read].filter(([name]) => name.startsWith('mayfly_webhook')),
    [
      ['mayfly_webhook_deliveries_total{event="push",status="401"}', 1],
      ['mayfly_webhook_deliveries_total{event="ping",status="401"}', 1],
      ['mayfly_webhook_deliveries_total{event="other",status="401"}', 2],
    ],
  );
  t.notMatch(text, 'nothing');
  t.ok(
    read.get('process_cpu_seconds_total')! > 0 &&
      read.get('process_resident_memory_bytes')! > 1e6 &&
      read.get('process_start_time_seconds')! > 1e9,
  );
});

t.test('healthy, ready, and not', async (t) => {
  let reason: string | null = null;
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  const { http } = await server(t, store, () => {
    if (reason === 'throws') throw new InfrastructureError('the store x is locked\nmore');
    return reason;
  });
  t.match(await http.inject('/healthz'), { statusCode: 200, body: 'ok\n', headers: { 'cache-control': 'no-store' } });
  t.match(await http.inject('/readyz'), { statusCode: 200, body: 'ready\n' });
  reason = 'the store cannot be read';
  t.match(await http.inject('/readyz'), { statusCode: 503, body: 'the store cannot be read\n' });
  t.match(await http.inject('/healthz'), { statusCode: 200 });
  reason = 'throws';
  t.match(await http.inject('/readyz'), { statusCode: 503, body: 'the store x is locked\n' });
  store.close();
  t.ok(
    (await http.inject('/metrics')).statusCode >= 500,
    'figures that cannot be read are none: Prometheus counts the server as down',
  );
});

t.test('the worker: slots, what it is at, what became of it; ready while engine and loop are', async (t) => {
  const store = openIn(t);
  const engine = connectEngine(engineSocket(process.env));
  t.teardown(() => engine.close());
  let now = START;
  const ctx = { store, engine, now: () => now, progress: { warn: () => {} } } as unknown as Context;
  await using health = await serveHealth(0, ctx);
  t.match(health.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const get = async (path: string) => {
    const answer = await fetch(`${health.url}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  t.match(await get('/readyz'), { status: 503, text: /has not begun/ });
  const busy = new Set<string>();
  const tell = (ready = true) => health.tell({ busy, ready });
  tell();
  t.match(await get('/readyz'), { status: 503, text: /has not written to the store/ });
  store.queue.hello(thisWorker(), 2, now);
  t.strictSame(await get('/readyz'), { status: 200, text: 'ready\n' });

  const { queue } = store;
  const outcomes = [
    { state: 'done', run_id: 'R' },
    { state: 'failed', fault: 'other', reason: 'x' },
    { state: 'retry', reason: 'x' },
  ] as const;
  for (const [index, outcome] of outcomes.entries()) {
    queue.enqueue(job({ commit: String(index).repeat(40) }), { now });
    const leased = queue.claim(WORKER, now)!;
    busy.add(leased.job.job_id);
    tell();
    t.equal(samples((await get('/metrics')).text).get('mayfly_worker_busy'), 1);
    queue.endLease(leased.job.job_id, leased.leaseId, outcome, now);
    busy.delete(leased.job.job_id);
    tell();
  }
  const { text } = await get('/metrics');
  await checkMetrics(t, text);
  t.match(Object.fromEntries(samples(text)), {
    mayfly_worker_slots: 2,
    mayfly_worker_busy: 0,
    'mayfly_worker_jobs_total{outcome="done"}': 1,
    'mayfly_worker_jobs_total{outcome="failed"}': 1,
    'mayfly_worker_jobs_total{outcome="requeued"}': 1,
    'mayfly_worker_jobs_total{outcome="lost"}': 0,
  });
  t.ok(samples(text).has('process_start_time_seconds'));

  now += 120 * S;
  t.match(await get('/readyz'), { status: 503, text: /has not written to the store for 60 s/ });
  queue.hello(thisWorker(), 2, now);
  tell(false);
  t.match(await get('/readyz'), { status: 503, text: /asked to end/ });
  t.match(await get('/healthz'), { status: 200, text: 'ok\n' });

  const port = Number(new URL(health.url).port);
  const taken = await serveHealth(port, ctx).then(
    () => undefined,
    (error) => error,
  );
  t.type(taken, InfrastructureError);
  t.match(taken, { message: `cannot listen on 127.0.0.1:${port}: something listens there already`, hint: /--port=N/ });
});

t.test('the worker is not ready without an engine', async (t) => {
  const store = openIn(t);
  const engine = connectEngine(join(t.testdir({}), 'no.sock'));
  t.teardown(() => engine.close());
  store.queue.hello(thisWorker(), 1, START);
  await using health = await serveHealth(0, {
    store,
    engine,
    now: () => START,
    progress: { warn: () => {} },
  } as unknown as Context);
  health.tell({ busy: new Set(), ready: true });
  const answer = await fetch(`${health.url}/readyz`);
  t.equal(answer.status, 503);
  t.match(await answer.text(), /^the Docker engine at .* does not answer/);
});
