/**
 * The overlays in compose/fleet/: each starts over a real bucket, becomes ready, answers as the plain archive does, and
 * goes with it.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { parse } from 'yaml';
import { isBlockName } from '../../scripts/archive/blocks.ts';
import { bench, copyOf, dataFolder, engine, mayfly, nothingLeft, probeBenchmark, ROOT } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const FLEET = join(ROOT, 'compose', 'fleet');
const overlay = (name: string) => `--overlay=${join(FLEET, `${name}.yaml`)}`;
/** Ports of the overlays' services, from the archive's first one on. */
const PORT = { query: 1, store: 3, store2: 10, frontend: 12, memcached: 13 };
const DEADLINE_MS = 60_000;

const servicesOf = (file: string): Record<string, any> => parse(readFileSync(file, 'utf8'), { merge: true }).services;

t.test('what an overlay does not mean to change of a command is as in archive.yaml', async (t) => {
  const plain = servicesOf(join(ROOT, 'compose', 'archive.yaml'));
  const moved = /^--(data-dir|http-address|grpc-address)=/;
  const rest = (command: string[]) => command.filter((arg) => !moved.test(arg));
  let compared = 0;
  for (const file of readdirSync(FLEET)) {
    for (const [name, { command }] of Object.entries(servicesOf(join(FLEET, file)))) {
      const base = plain[name === 'store-2' ? 'store' : name]?.command;
      if (!command || !base) continue;
      compared++;
      t.same(
        rest(base).filter((arg) => !command.includes(arg)),
        [],
        `${file}: ${name}`,
      );
      if (name !== 'store-2')
        t.same(
          base.filter((arg: string) => !command.includes(arg)),
          [],
          `${file}: ${name} stays where it is`,
        );
    }
  }
  t.ok(compared >= 7, `${compared} commands`);
});

t.test('over a real bucket', async (t) => {
  const data = dataFolder(t);
  const { code, stderr, run } = await bench(probeBenchmark(t), data);
  t.equal(code, 0, stderr);
  const bucket = join(data, 'bucket');
  const [block] = run.archive!.blocks as [string];
  // Chance alone could give all runs to one Store.
  const runs = [run.run_id, ...[0, 1].map((wanted) => copyOf(bucket, block, runOf(wanted)).runId)].sort();
  const trends = metasOf(bucket).filter((labels) => labels.stream === 'trend').length;
  t.teardown(() => mayfly('archive-down', [], data).done);

  const plain = await up(t, data, ['--overlay=none']);
  await seen(plain.query, runs);
  const expected = await answersOf(plain.query, run.run_id);
  t.ok(
    Number(expected.all.length) === runs.length && expected.one.length > 0 && expected.quantiles.length > 0,
    `the plain archive has answers: ${JSON.stringify(expected).slice(0, 300)}`,
  );

  await t.test('sharded', async (t) => {
    const { query, base } = await up(t, data, [overlay('sharded')]);
    await ready(base + PORT.store2);
    await seen(query, runs);
    t.same(await answersOf(query, run.run_id), expected);
    t.equal(
      await loaded(base + PORT.store),
      runs.filter((id) => shardOf(id) === 0).length + trends,
      'the first has its runs and the trends',
    );
    t.equal(
      await loaded(base + PORT.store2),
      runs.filter((id) => shardOf(id) === 1).length,
      'the second has the others',
    );
  });

  await t.test('memcached', async (t) => {
    const { query, base, project } = await up(t, data, [overlay('memcached')]);
    t.notOk((await partsOf(project)).has('store-2'), 'the overlay before it is gone');
    await eventually(() => memcachedAnswers(base + PORT.memcached));
    await seen(query, runs);
    t.same(await answersOf(query, run.run_id), expected);
    const count = (metric: string) => counter(base + PORT.store, metric);
    const failures = await count('thanos_memcached_operation_failures_total');
    await eventually(
      async () => {
        if ((await count('thanos_store_index_cache_hits_total')) === 0)
          throw new Error('the index cache has not been asked for anything that it had');
        if ((await count('thanos_cache_memcached_hits_total')) === 0) throw new Error('nor has that of the bucket');
      },
      async () => t.same(await answersOf(query, run.run_id), expected, 'again, from the cache'),
    );
    t.equal(await count('thanos_memcached_operation_failures_total'), failures, 'memcached fails at nothing');
  });

  await t.test('query front end', async (t) => {
    const { query, base } = await up(t, data, [overlay('query-frontend')]);
    await ready(base + PORT.frontend);
    await seen(query, runs);
    const frontend = `http://127.0.0.1:${base + PORT.frontend}`;
    t.same(await answersOf(frontend, run.run_id), expected);
    t.same(await answersOf(frontend, run.run_id), expected, 'again');
    const cache = (what: string) => counter(base + PORT.frontend, `cortex_cache_${what}_total`);
    t.equal(await cache('fetched_keys'), 0, 'what is younger than a day is not looked for in the cache');
    // The front end splits a range at multiples of 30 days, and keeps each part by itself.
    const part = (at: number) => Math.floor(at / (30 * 86_400));
    let end = Math.floor(Date.now() / 1000) - 5 * 86_400;
    if (part(end) !== part(end - 86_400)) end -= 2 * 86_400;
    const old = { query: 'vector(1)', start: String(end - 86_400), end: String(end), step: '3600' };
    t.same(await ask(frontend, 'query_range', old), await ask(query, 'query_range', old));
    t.equal(await cache('hits'), 0);
    t.same(await ask(frontend, 'query_range', old), await ask(query, 'query_range', old));
    t.equal(await cache('hits'), 1, 'what is older is kept');

    runs.push(copyOf(bucket, block, ulid()).runId);
    await seen(frontend, runs.sort());
  });

  await t.test('all of them; healthy for Docker too', async (t) => {
    const { query, base, project } = await up(t, data, [overlay('sharded-memcached'), overlay('query-frontend')]);
    await Promise.all([ready(base + PORT.store2), ready(base + PORT.frontend)]);
    await seen(query, runs);
    const before = { ...expected, all: undefined };
    t.same({ ...(await answersOf(`http://127.0.0.1:${base + PORT.frontend}`, run.run_id)), all: undefined }, before);
    const services = ['store', 'store-2', 'query', 'compactor', 'retention', 'memcached', 'query-frontend'];
    await eventually(
      async () => {
        const parts = await partsOf(project);
        const unwell = services.filter((name) => parts.get(name)?.health !== 'healthy');
        if (unwell.length > 0)
          throw new Error(`not healthy: ${unwell.map((name) => `${name} ${parts.get(name)?.health}`).join(', ')}`);
      },
      undefined,
      3 * DEADLINE_MS,
    ); // Docker asks every 30 s, and again 30 s later where the answer was late
    t.pass('every container is healthy');

    const down = await mayfly('archive-down', [], data).done;
    t.equal(down.code, 0, down.stderr);
    t.same([...(await partsOf(project)).keys()], [], 'no container is left');
    t.equal(metasOf(bucket).length > 0, true, 'the bucket is');
    await nothingLeft(t, data);
  });
});

/** How hashmod of Prometheus' relabelling shares values out: the last eight bytes of the MD5 sum. */
const shardOf = (runId: string): number => Number(createHash('md5').update(runId).digest().readBigUInt64BE(8) % 2n);

function runOf(shard: number): string {
  for (;;) {
    const id = ulid();
    if (shardOf(id) === shard) return id;
  }
}

const metasOf = (bucket: string): Record<string, string>[] =>
  readdirSync(bucket)
    .filter(isBlockName)
    .map((id) => JSON.parse(readFileSync(join(bucket, id, 'meta.json'), 'utf8')).thanos.labels);

/** Brings the archive up with these overlays; where it listens, and its Compose project. */
async function up(t: Test, data: string, args: string[]): Promise<{ query: string; base: number; project: string }> {
  const { code, stdout, stderr } = await mayfly('archive-up', ['--json', ...args], data).done;
  t.equal(code, 0, stderr);
  const { query_url, unhealthy } = JSON.parse(stdout);
  t.same(unhealthy, []);
  const base = Number(new URL(query_url).port) - PORT.query;
  const [container] = (await engine.containers('com.docker.compose.service=store')).filter(({ labels }) =>
    String(labels['com.docker.compose.project.config_files']).includes(data),
  );
  return { query: query_url, base, project: container!.labels['com.docker.compose.project']! };
}

async function partsOf(project: string) {
  const containers = await engine.containers(`com.docker.compose.project=${project}`);
  const states = await Promise.all(containers.map(({ id }) => engine.inspect(id)));
  return new Map(states.map((state) => [state.labels['com.docker.compose.service']!, state] as const));
}

/** What Query answers for one run and for all; times are those of the run, so that two answers can be compared. */
async function answersOf(url: string, runId: string) {
  const start = Math.floor(Date.parse(timeOf(runId)) / 1000);
  const range = { start: String(start), end: String(start + 60), step: '1' };
  const now = String(start + 3600);
  return {
    one: await ask(url, 'query_range', { query: `count by (job, side) (up{run_id="${runId}"})`, ...range }),
    quantiles: await ask(url, 'query_range', {
      query: `histogram_quantile(0.95, sum by (side) (rate(mayfly_request_duration_seconds{run_id="${runId}"}[10s])))`,
      ...range,
    }),
    all: await ask(url, 'query', { query: 'count by (run_id) (last_over_time(up[2h]))', time: now }),
    trend: await ask(url, 'query', {
      query: `last_over_time({__name__=~"mayfly_.+", run_id="${runId}"}[2h])`,
      time: now,
    }),
    runs: await labelValues(url, { match: `up{run_id="${runId}"}` }),
  };
}

/** A ULID begins with the time of the run, in milliseconds. */
function timeOf(id: string): string {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  return new Date([...id.slice(0, 10)].reduce((sum, digit) => sum * 32 + digits.indexOf(digit), 0)).toISOString();
}

async function ask(url: string, path: string, params: Record<string, string>): Promise<unknown[]> {
  const { data, warnings } = await get(`${url}/api/v1/${path}?${new URLSearchParams(params)}`);
  if (warnings?.length) throw new Error(`warnings: ${warnings.join(', ')}`);
  return data.result.map((series: any) => JSON.stringify(series)).sort();
}

async function labelValues(url: string, { match }: { match: string }): Promise<string[]> {
  return (await get(`${url}/api/v1/label/run_id/values?${new URLSearchParams({ 'match[]': match })}`)).data;
}

async function get(url: string): Promise<any> {
  const answer = await fetch(url);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

/** Waits until the archive shows exactly these runs. */
async function seen(url: string, runs: string[]): Promise<void> {
  await eventually(async () => {
    const all = await ask(url, 'query', { query: 'count by (run_id) (last_over_time(up[2h]))' });
    const ids = all.map((series) => JSON.parse(series as string).metric.run_id).sort();
    if (ids.join() !== runs.toSorted().join())
      throw new Error(`seen: ${ids.join(', ') || 'nothing'}; wanted: ${runs.join(', ')}`);
  });
}

async function ready(port: number): Promise<void> {
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/-/ready`);
    if (answer.status !== 200) throw new Error(`port ${port}: ${answer.status}`);
  });
}

async function memcachedAnswers(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('version\r\n');
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(2000) });
    if (!String(answer).startsWith('VERSION ')) throw new Error(String(answer));
  } finally {
    socket.destroy();
  }
}

const loaded = (port: number) => counter(port, 'thanos_bucket_store_blocks_loaded');

/** Sum of a metric's series on a part's page. */
async function counter(port: number, metric: string, label = ''): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith(metric) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function eventually(
  check: () => Promise<void>,
  before: () => Promise<unknown> = async () => {},
  withinMs = DEADLINE_MS,
): Promise<void> {
  for (const deadline = Date.now() + withinMs; ; await sleep(300)) {
    await before();
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
