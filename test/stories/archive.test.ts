/**
 * The archive: up over a real run, a run watched while it goes on, and what happens when its parts, its bucket
 * or its network fail.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { parse } from 'yaml';
import { freePort } from '../../scripts/archive/archives.ts';
import { isBlockName } from '../../scripts/archive/blocks.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import {
  bench,
  copyOf,
  dataFolder,
  type Ended,
  engine,
  makeFolder,
  mayfly,
  nothingLeft,
  probeBenchmark,
  trendBlocksOf,
} from '../e2e/helpers.ts';

t.teardown(() => engine.close());

/** Store looks at the bucket every 30 s; the goal is 60 s from the upload. */
const SEEN_MS = 60_000;

/** One real run for all, and the archive that the first test leaves up over it and a copy. */
const file = t;
const shared = dataFolder(t);
let first: RunDocument;
const runs: string[] = [];

t.test('up over what is there, again without a change, and down: the data stays', async (t) => {
  const data = shared;
  const ended = await bench(probeBenchmark(t), data); // the archive is down while this uploads
  t.equal(ended.code, 0, ended.stderr);
  first = ended.run;

  const up = await archiveUp(file, data);
  t.match(up.stdout, /Grafana is not up: .*Query's own page|Grafana {2}http/);
  const status = await archiveStatus(data);
  const trends = trendBlocksOf(first);
  t.match(status, {
    schema: 'mayfly.archive/v1',
    state: 'up',
    blocks: 1 + trends,
    trend_blocks: trends,
    runs: 1,
    pending_uploads: [],
    unhealthy: [],
  });
  t.ok(status.series > 50 && status.size_bytes > 10_000 && status.oldest < status.newest, JSON.stringify(status));
  t.equal(await runsServed(status.query_url), 1, 'the run is served as soon as archive:up has ended');
  const password = join(data, 'archives', 'default', 'grafana-admin-password');
  t.equal(statSync(password).mode & 0o777, 0o600);
  const before = { ids: await containerIds(data), password: readFileSync(password, 'utf8') };

  const again = await mayfly('archive-up', [], data).done;
  t.equal(again.code, 0, again.stderr);
  t.same({ ids: await containerIds(data), password: readFileSync(password, 'utf8') }, before, 'nothing was replaced');

  runs.push(first.run_id, copyOf(join(data, 'bucket'), first.archive!.blocks[0]!, ulid()).runId);
  const uploaded = Date.now();
  while ((await runsServed(status.query_url)) !== 2 && Date.now() - uploaded < SEEN_MS) await sleep(500);
  t.equal(await runsServed(status.query_url), 2, 'a new run is seen within a minute of its upload');
  t.comment(`seen ${((Date.now() - uploaded) / 1000).toFixed(1)} s after it was there`);

  const other = await mayfly('archive-up', ['--archive=other'], data).done;
  t.equal(other.code, 2, 'two archives would both compact the bucket');
  t.match(other.stderr, /the archive default keeps .* already.*--read-only/s);
  t.notOk(existsSync(join(data, 'archives', 'other')), 'nothing was made');
  const reader = await archiveUp(t, data, ['--archive=other', '--read-only']);
  t.equal(reader.code, 0, reader.stderr);
  const otherStatus = await archiveStatus(data, ['--archive=other']);
  t.not(otherStatus.query_url, status.query_url);
  t.equal(await runsServed(otherStatus.query_url), 2, 'two archives at once over one bucket');

  const blocks = blocksIn(data);
  for (const args of [[], ['--archive=other']]) t.equal((await mayfly('archive-down', args, data).done).code, 0);
  t.same(await containerIds(data), [], 'no container is left');
  t.same(blocksIn(data), blocks, 'the data is still there');
  t.match(await archiveStatus(data), { state: 'down', query_url: null, runs: 2 });
  await archiveUp(file, data);
  t.equal((await archiveStatus(data)).query_url, status.query_url, 'it listens where it did');
  t.equal(await runsServed(status.query_url), 2);
  await nothingLeft(t, data);
});

t.test('a run is watched while it goes on: no gap on the way to Store, and nothing twice', async (t) => {
  const data = shared;
  const { query_url } = await archiveStatus(data);
  const seen: number[] = [];
  const errors: string[] = [];
  let over = false;
  let firstSeen = Infinity;
  const live = mayfly(
    'bench',
    [`--benchmark=${probeBenchmark(t, { load: { duration: '15s' } })}`, '--live', '--json'],
    data,
  );
  void live.done.then(() => (over = true));
  // Every sample of the load generator, once, wherever it comes from. (Of the run stack Prometheus scrapes on after the
  // snapshot.)
  const expression = `sum(count_over_time(mayfly_iterations_total{stream="raw",run_id!="",run_id!~"${runs.join('|')}"}[10m]))`;
  let after = 6;
  while (!over || after-- > 0) {
    const answer = await query(query_url, expression);
    if (answer.error) errors.push(answer.error);
    else seen.push(Number(answer.data.result[0]?.value[1] ?? 0));
    if (firstSeen === Infinity && seen.at(-1)! > 0) firstSeen = Date.now();
    await sleep(500);
  }
  const { code, stderr, stdout } = await live.done;
  t.equal(code, 0, stderr);
  t.same(errors, [], 'no query failed');
  const first = seen.findIndex((count) => count > 0);
  t.ok(firstSeen < Date.parse(JSON.parse(stdout).finished_at), 'it was seen while it went on');
  const end = stderr.indexOf('has let go');
  t.ok(first >= 0 && first < seen.length - 6 && end > 0, `seen while it went on: ${seen}`);
  t.ok(
    seen.slice(first).every((count, index, counts) => index === 0 || count >= counts[index - 1]!),
    `never fewer than before: ${seen}`,
  );
  t.equal(seen.at(-1), Math.max(...seen), 'nothing twice while the sidecar and Store both had it');
  const { run_id, archive } = JSON.parse(stdout);
  t.match(archive, { verified: true });
  t.equal(await runsServed(query_url, run_id), 1);
  t.same(readdirSync(join(data, 'archives', 'default', 'live')), [], 'the sidecar is forgotten');
  await nothingLeft(t, data);
});

t.test(
  'a Store that dies, an emptied bucket, a damaged block, a block of the future: told, and never an empty answer',
  async (t) => {
    const data = dataFolder(t);
    const bucket = makeFolder(join(data, 'bucket'));
    const [good] = first.archive!.blocks as [string];
    cpSync(join(shared, 'bucket', good), join(bucket, good), { recursive: true });
    const { block: bad } = copyOf(bucket, good, ulid());
    addBlockOfTheFuture(bucket, good);
    truncateSync(join(bucket, bad, 'index'), 1000);
    await archiveUp(t, data);
    const { query_url } = await archiveStatus(data);

    t.equal(await runsServed(query_url, first.run_id), 1, 'the good block is served beside the damaged one');
    const unhealthy: { why: string }[] = (await archiveStatus(data)).unhealthy;
    t.match(unhealthy.map(({ why }) => why).join('\n'), /could not load a block.*npm run archive -- verify/);
    const future = await query(query_url, 'count by (run_id) (up{run_id="FUTURE"})', Date.now() / 1000 + FUTURE_S);
    t.equal(future.data.result.length, 1, 'a block of the future is served, at its time');

    const store = await containerOf(data, 'store');
    const answers: (number | string)[] = [];
    for (let index = 0; index < 40 || (!answers.includes('error') && index < 200); index++) {
      if (index === 10) process.kill((await engine.inspect(store.id)).pid, 'SIGKILL');
      const answer = await query(query_url, `count by (run_id) (up{run_id="${first.run_id}"})`, inWindow(first));
      answers.push(answer.error ? 'error' : answer.data.result.length);
      await sleep(50);
    }
    t.notOk(
      answers.includes(0),
      `with Store killed in the middle: an error or the whole answer, never nothing: ${answers}`,
    );
    t.ok(answers.includes('error'), 'and it was an error for a while');
    // The query that is asserted is the one to wait for: Query asks no Store for a run that is in none of its blocks.
    for (
      const deadline = Date.now() + 60_000;
      (await runsServed(query_url, first.run_id).catch(() => -1)) !== 1 && Date.now() < deadline;
    )
      await sleep(500);
    t.equal(await runsServed(query_url, first.run_id), 1, 'it comes back by itself');

    for (const name of readdirSync(bucket)) rmSync(join(bucket, name), { recursive: true });
    const emptied = await archiveStatus(data);
    t.match(emptied, { runs: 0, blocks: 0, oldest: null });
    const gone = await query(query_url, `{run_id="${first.run_id}"}`, inWindow(first));
    t.ok(
      gone.error || gone.data.result.length === 0 || gone.data.result.length > 10,
      'an emptied bucket: an error, or what the cache still has',
    );
    for (
      const deadline = Date.now() + SEEN_MS;
      (await runsServed(query_url, first.run_id).catch(() => -1)) !== 0 && Date.now() < deadline;
    )
      await sleep(1000);
    t.equal(await runsServed(query_url, first.run_id), 0, 'then Store knows of no run');
  },
);

t.test(
  'an S3 store with keys from the environment: slow, cut off in the middle, then right; no key anywhere',
  async (t) => {
    const data = dataFolder(t);
    const up = await mayfly('s3-up', [`--port=${await freePort()}`], data).done;
    t.teardown(() => mayfly('s3-down', [], data).done);
    t.equal(up.code, 0, up.stderr);
    const gateway = parse(readFileSync(join(data, 's3.yaml'), 'utf8')).config;
    t.equal(statSync(join(data, 's3.yaml')).mode & 0o777, 0o600);
    const network = await badNetwork(t, gateway.endpoint);
    const objstore = join(data, 'through.yaml');
    writeFileSync(
      objstore,
      `type: S3\nconfig: {bucket: mayfly, endpoint: "${network.endpoint}", insecure: true, region: us-east-1}\n`,
    );
    const env = { AWS_ACCESS_KEY_ID: gateway.access_key, AWS_SECRET_ACCESS_KEY: gateway.secret_key };
    const benchmark = probeBenchmark(t);

    network.cutAfter(8_000);
    const cut = await bench(benchmark, data, [`--objstore=${objstore}`], env);
    t.equal(cut.code, 0, cut.stderr);
    t.match(cut.run.archive, { verified: false, pending: true });
    network.heal({ delayMs: 50 });
    const pushed = await mayfly('archive-push', [], data, env).done;
    t.equal(pushed.code, 0, pushed.stderr);
    const slow = await bench(benchmark, data, [`--objstore=${objstore}`], env);
    t.match(slow.run.archive, { verified: true, pending: false }, slow.stderr);

    network.heal({ delayMs: 0 });
    const archive = await archiveUp(t, data, [`--objstore=${objstore}`], env);
    t.equal(archive.code, 0, archive.stderr);
    const status = await archiveStatus(data, [], env);
    t.match(status, { state: 'up', bucket: /^S3 [^/]+\/mayfly$/, runs: 2, unhealthy: [] });
    t.equal(await runsServed(status.query_url), 2);
    const wrong = await mayfly('archive-status', [], data, { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' }).done;
    t.equal(wrong.code, 4);
    t.match(wrong.stdout, /unwell {3}bucket: the bucket S3 .* does not answer/);
    const without = await mayfly('archive-up', [], data).done;
    t.equal(without.code, 2, 'the keys that it was started with are missing');
    t.match(without.stderr, /AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set/);
    t.match(await archiveStatus(data, [], env), { state: 'up' }, 'it goes on as it was');

    const said = [up, cut, pushed, slow, archive].map(({ stdout, stderr }) => stdout + stderr).join('\n');
    const commands =
      (await containersOf(data)).length > 0
        ? spawnSync('docker', ['ps', '--no-trunc', '--format', '{{.Command}} {{.Labels}}']).stdout.toString()
        : '';
    // nothing comes and goes while its files are read
    t.equal((await mayfly('archive-down', [], data, env).done).code, 0);
    const kept = filesUnder(data)
      .filter((file) => !file.endsWith('/s3.yaml'))
      .map((file) => readFileSync(file, 'latin1'))
      .join('\n');
    t.ok(commands.includes('store'));
    for (const key of [gateway.secret_key, gateway.access_key]) {
      t.notOk(said.includes(key), 'the key is in no output');
      t.notOk(kept.includes(key), 'nor in any file but the one that is meant to hold it');
      t.notOk(commands.includes(key), 'nor in a command line or a label');
    }
    await nothingLeft(t, data);
  },
);

t.test('Ctrl-C while the archive starts leaves nothing', async (t) => {
  const data = dataFolder(t);
  t.teardown(() => mayfly('archive-down', [], data).done);
  const starting = mayfly('archive-up', [], data);
  await starting.said(/start the archive/);
  await sleep(100);
  starting.child.kill('SIGINT');
  const { code, stderr } = await starting.done;
  t.equal(code, 130, stderr);
  t.same(await containerIds(data), []);
});

const FUTURE_S = 365 * 86_400;

/** A moment at which the run has samples of everything: seconds since the epoch. */
const inWindow = ({ rounds }: RunDocument) => Date.parse(rounds.at(-1)!.started_at) / 1000 + 1;

/** The archive of a data folder, taken down at the end of the test. */
async function archiveUp(t: Test, data: string, args: string[] = [], env: Record<string, string> = {}): Promise<Ended> {
  const name = args.find((arg) => arg.startsWith('--archive='));
  t.teardown(() => mayfly('archive-down', name ? [name] : [], data).done);
  // Ports of its own: another checkout's tests may take those of an archive that is down for a moment.
  const ended = await mayfly('archive-up', [`--port-base=${basePort(data, args)}`, ...args], data, env).done;
  if (ended.code !== 0) throw new Error(`archive:up: ${ended.stderr}`);
  return ended;
}

const bases = new Map<string, number>();
function basePort(data: string, args: string[]): number {
  const key = [data, ...args.filter((arg) => arg.startsWith('--archive='))].join();
  if (!bases.has(key)) bases.set(key, 20_000 + (process.pid % 100) * 120 + bases.size * 20);
  return bases.get(key)!;
}

async function archiveStatus(data: string, args: string[] = [], env: Record<string, string> = {}) {
  const { stdout, stderr } = await mayfly('archive-status', ['--json', ...args], data, env).done;
  if (!stdout) throw new Error(`archive:status: ${stderr}`);
  return JSON.parse(stdout);
}

/** An instant query, a day of which is looked at where no time is given; the answer's data, or why there is none. */
async function query(url: string, expression: string, time?: number): Promise<{ data: any; error?: string }> {
  const answer = await fetch(`${url}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query: expression, ...(time ? { time: String(time) } : {}) }),
  });
  const { status, data, error, warnings } = (await answer.json()) as any;
  return status === 'success' && !warnings ? { data } : { data, error: error ?? warnings.join() };
}

/** Runs that have a target in the last ten minutes, and of them one where it is named. */
async function runsServed(url: string, runId?: string): Promise<number> {
  const { data, error } = await query(
    url,
    `count by (run_id) (count_over_time(up{job="services",run_id${runId ? `="${runId}"` : '!=""'}}[20m]))`,
  );
  if (error) throw new Error(error);
  return data.result.length;
}

/** Containers of the archives of a data folder: their projects carry its name's hash, and their mounts its path. */
async function containersOf(data: string) {
  const all = await engine.containers('dev.mayfly.lasting', 'com.docker.compose.project');
  return all.filter(({ labels }) =>
    labels['com.docker.compose.project.config_files']?.includes(join(data, 'archives')),
  );
}
const containerIds = async (data: string) => (await containersOf(data)).map(({ id }) => id).sort();
const containerOf = async (data: string, service: string) =>
  (await containersOf(data)).find(({ labels }) => labels['dev.mayfly.service'] === service)!;

const blocksIn = (data: string) => readdirSync(join(data, 'bucket')).filter(isBlockName).sort();
const filesUnder = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** A block of a run a year from now, with the labels of another but for its id. */
function addBlockOfTheFuture(bucket: string, like: string): void {
  const work = join(bucket, '..', 'future');
  mkdirSync(work);
  const at = Math.floor(Date.now() / 1000) + FUTURE_S;
  writeFileSync(
    join(work, 'metrics'),
    [
      '# TYPE up gauge',
      ...Array.from({ length: 30 }, (_, s) => `up{job="services"} 1 ${at - 30 + s}`),
      '# EOF',
      '',
    ].join('\n'),
  );
  const made = spawnSync('docker', [
    'run',
    '--rm',
    '--network=none',
    `--user=${process.getuid!()}:${process.getgid!()}`,
    '--volume',
    `${work}:/work`,
    '--entrypoint=promtool',
    'prom/prometheus:v3.15.0',
    'tsdb',
    'create-blocks-from',
    'openmetrics',
    '/work/metrics',
    '/work/out',
  ]);
  if (made.status !== 0) throw new Error(made.stderr.toString());
  const [block] = readdirSync(join(work, 'out')).filter(isBlockName) as [string];
  const meta = JSON.parse(readFileSync(join(work, 'out', block, 'meta.json'), 'utf8'));
  const { thanos } = JSON.parse(readFileSync(join(bucket, like, 'meta.json'), 'utf8'));
  cpSync(join(work, 'out', block), join(bucket, block), { recursive: true });
  writeFileSync(
    join(bucket, block, 'meta.json'),
    JSON.stringify({ ...meta, thanos: { ...thanos, labels: { ...thanos.labels, run_id: 'FUTURE' }, files: [] } }),
  );
}

interface BadNetwork {
  endpoint: string;
  /** Every connection is cut once it has carried so many bytes towards the store. */
  cutAfter(bytes: number): void;
  heal(options: { delayMs: number }): void;
}

/** A way to a TCP endpoint that can be cut and slowed down. */
async function badNetwork(t: Test, endpoint: string): Promise<BadNetwork> {
  const [host, port] = endpoint.split(':') as [string, string];
  let limit = Infinity;
  let delay = 0;
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(Number(port), host);
    let carried = 0;
    from.on('data', (chunk) => {
      carried += chunk.length;
      if (carried > limit) return void (from.destroy(), to.destroy());
      setTimeout(() => to.writable && to.write(chunk), delay);
    });
    to.on('data', (chunk) => from.write(chunk));
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => setTimeout(() => other.destroy(), delay + 100));
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cutAfter: (bytes) => void (limit = bytes),
    heal: ({ delayMs }) => void ((limit = Infinity), (delay = delayMs)),
  };
}
