import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { loadConfig } from '../../scripts/config/config.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SERVER = join(ROOT, 'benchmarks/uploads/service/server.ts');

interface Running {
  url: string;
  port: number;
  process: ChildProcess;
  data: string;
}

function launch(t: Test, env: NodeJS.ProcessEnv): ChildProcess {
  const server = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SERVER], {
    env: { ...process.env, HOST: '127.0.0.1', PORT: '0', REPLICA: 'first', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => server.kill('SIGKILL'));
  return server;
}

/** Starts a replica on a free loopback port, with a data folder of its own or that of another one. */
async function start(t: Test, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const data = env.DATA ?? t.testdir();
  const server = launch(t, { ...env, DATA: data });
  server.stderr!.pipe(process.stderr);
  const [line] = (await once(createInterface(server.stdout!), 'line')) as [string];
  const port = Number(/port (\d+)$/.exec(line)?.[1]);
  return { url: `http://127.0.0.1:${port}`, port, process: server, data };
}

async function login({ url }: Running, user = 'ann'): Promise<string> {
  const answer = await fetch(`${url}/login`, { method: 'POST', body: JSON.stringify({ user }) });
  if (answer.status !== 201) throw new Error(`login: ${answer.status} ${await answer.text()}`);
  return answer.headers.get('set-cookie')!.split(';')[0]!;
}

const get = async ({ url }: Running, path: string, cookie = '') => {
  const answer = await fetch(url + path, { headers: { cookie } });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, any> };
};

async function send(
  { url }: Running,
  method: string,
  path: string,
  cookie: string,
  body: string | Uint8Array | ReadableStream,
) {
  const options = { method, body, headers: { cookie }, duplex: 'half' } as RequestInit;
  const answer = await fetch(url + path, options);
  return { status: answer.status, body: (await answer.json()) as Record<string, any> };
}

async function counters({ url }: Running): Promise<Record<string, number>> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [name, value] = line.split(' ');
      return name && /^[a-z_]+$/.test(name) ? [[name, Number(value)]] : [];
    }),
  );
}

/** Asks until it is so. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test('a session lives in its replica, and a request without one is refused', async (t) => {
  const one = await start(t);
  const none = await get(one, '/session');
  t.equal(none.status, 401);
  t.same(none.body, { code: 'no-session', error: 'there is no session: log in first, at POST /login' });
  const cookie = await login(one);
  t.same((await get(one, '/session', cookie)).body, { user: 'ann', begun: 'first', files: [], replica: 'first' });
  t.match(await counters(one), { sessions_started_total: 1, sessions_failed_over_total: 0, sessions_lost_total: 0 });
  const odd = await send(one, 'POST', '/login', '', JSON.stringify({ user: '../ann' }));
  t.equal(odd.status, 400);
  t.equal(odd.body.error, 'user must be 1 to 40 of a to z, 0 to 9 and -, and not begin with -');
});

t.test('with shared sessions another replica takes one over, once, with what was in it', async (t) => {
  const first = await start(t, { SESSIONS: 'shared' });
  const cookie = await login(first);
  await send(first, 'PUT', '/files/notes', cookie, 'abc');
  first.process.kill('SIGKILL');
  const second = await start(t, { SESSIONS: 'shared', DATA: first.data, REPLICA: 'second' });
  const answers = await Promise.all([1, 2, 3].map(() => get(second, '/session', cookie)));
  for (const { body } of answers) t.same(body, { user: 'ann', begun: 'first', files: ['notes'], replica: 'second' });
  t.equal((await get(second, '/files/notes', cookie)).body.bytes, 3);
  t.match(await counters(second), { sessions_failed_over_total: 1, sessions_lost_total: 0 });
  const forged = await get(second, '/session', 'SESSION=01234567-89ab-cdef-0123-456789abcdef');
  t.equal(forged.status, 401, 'a session that nobody has begun');
  t.match(await counters(second), { sessions_failed_over_total: 1, sessions_lost_total: 1 });
});

t.test('with own sessions another replica refuses one, and the client forgets it', async (t) => {
  const first = await start(t);
  const cookie = await login(first);
  first.process.kill('SIGKILL');
  const second = await start(t, { DATA: first.data, REPLICA: 'second' });
  const { status, body, headers } = await get(second, '/session', cookie);
  t.equal(status, 401);
  t.same(body, {
    code: 'session-lost',
    error: 'the session was that of a replica that is gone, or has ended: log in again, at POST /login',
  });
  t.equal(headers.get('set-cookie'), 'SESSION=; Path=/; Max-Age=0');
  t.match(await counters(second), { sessions_failed_over_total: 0, sessions_lost_total: 1 });
  t.same(readdirSync(join(first.data, 'sessions')), []);
});

t.test('a migration computes the same for the same project, and counts its versions', async (t) => {
  const one = await start(t);
  const cookie = await login(one);
  const migrate = (project: string, body: object) =>
    send(one, 'POST', `/projects/${project}/migrations`, cookie, JSON.stringify(body));
  t.match(await get(one, '/projects/a', cookie), { status: 404, body: { error: 'a has had no migration' } });
  const sizes = { records: 2_000, passes: 3 };
  const [first, second] = [await migrate('a', sizes), await migrate('a', sizes)];
  t.match(first, {
    status: 200,
    body: { project: 'a', version: 1, records: 2_000, seconds: Number, replica: 'first' },
  });
  t.match(first.body.checksum, /^[0-9a-f]{64}$/);
  t.match(second.body, { version: 2, checksum: first.body.checksum });
  t.not((await migrate('b', sizes)).body.checksum, first.body.checksum);
  t.not((await migrate('a', { ...sizes, passes: 4 })).body.checksum, first.body.checksum);
  t.match((await get(one, '/projects/a', cookie)).body, { version: 3, records: 2_000 });
  t.match(await migrate('a', { records: 1e9 }), {
    status: 400,
    body: { error: 'records must be a whole number from 1 to 200000' },
  });
  t.match(await migrate('a', { passes: 0 }), {
    status: 400,
    body: { error: 'passes must be a whole number from 1 to 100' },
  });
});

t.test('while migrations compute everybody is answered, and no more compute than are allowed', async (t) => {
  const one = await start(t, { MIGRATIONS_AT_ONCE: '2' });
  const cookie = await login(one);
  const body = JSON.stringify({ records: 20_000, passes: 40 });
  const migrate = (project: string) => send(one, 'POST', `/projects/${project}/migrations`, cookie, body);
  const order: string[] = [];
  const all = ['a', 'b', 'c', 'd'].map(async (project) => {
    const done = await migrate(project);
    order.push(project);
    return done;
  });
  await until(async () => (await counters(one)).migrations_waiting === 2);
  t.equal((await counters(one)).migrations_under_way, 2);
  t.match(await migrate('a'), {
    status: 409,
    body: { code: 'under-way', error: 'a migration of a is under way: wait until it has ended' },
  });
  t.equal((await fetch(`${one.url}/healthz`)).status, 200);
  t.same(order, [], 'the health check was answered before any of them had ended');
  for (const { status } of await Promise.all(all)) t.equal(status, 200);
  t.match(await counters(one), { migrations_under_way: 0, migrations_waiting: 0, migrations_done_total: 4 });
});

const CHUNK = Buffer.alloc(64 * 1024).map((_, i) => i);
/** A body of so many chunks that is in memory only once. */
function bodyOf(chunks: number): ReadableStream<Uint8Array> {
  let left = chunks;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(Uint8Array.from(CHUNK));
      else controller.close();
    },
  });
}

/** The most memory that a process has had, in bytes. */
const peakOf = ({ process: { pid } }: Running) =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;

t.test('an upload goes to the disk as it comes, and is not in memory', async (t) => {
  const one = await start(t);
  const cookie = await login(one);
  await send(one, 'PUT', '/files/small', cookie, bodyOf(16));
  const before = peakOf(one);
  const chunks = 2400;
  const hash = createHash('sha256');
  for (let i = 0; i < chunks; i++) hash.update(CHUNK);
  const bytes = chunks * CHUNK.length;
  const expected = { name: 'large', bytes, sha256: hash.digest('hex') };
  const { status, body } = await send(one, 'PUT', '/files/large', cookie, bodyOf(chunks));
  t.equal(status, 201);
  t.match(body, expected);
  t.ok(peakOf(one) - before < (2 * bytes) / 3, `${peakOf(one) - before} bytes more for ${bytes}`);
  t.equal(statSync(join(one.data, 'files', 'large')).size, bytes);
  t.match((await get(one, '/files/large', cookie)).body, expected);
  t.match((await get(one, '/session', cookie)).body, { files: ['small', 'large'] });
  t.same(readdirSync(join(one.data, 'tmp')), []);
  t.match(await get(one, '/files/other', cookie), { status: 404, body: { error: 'there is no file other' } });
});

/** A request whose body is not at its end. */
function begin({ port }: Running, path: string, cookie: string): ClientRequest {
  const sending = request({ port, host: '127.0.0.1', method: 'PUT', path, headers: { cookie } });
  sending.on('error', () => {}); // it may be cut off
  sending.write(CHUNK);
  return sending;
}

const partsIn = ({ data }: Running) => readdirSync(join(data, 'tmp'));

t.test('of an upload that is cut off, or too long, nothing stays', async (t) => {
  const one = await start(t, { MAX_UPLOAD_BYTES: '100000' });
  const cookie = await login(one);
  const sending = begin(one, '/files/a', cookie);
  await until(() => partsIn(one).length === 1);
  sending.destroy();
  await until(() => partsIn(one).length === 0);
  const refusal = { code: 'too-long', error: 'an upload must not be longer than 100000 bytes' };
  const chunked = await send(one, 'PUT', '/files/a', cookie, bodyOf(4));
  t.same(chunked, { status: 413, body: refusal }, 'without a length');
  const told = await send(one, 'PUT', '/files/a', cookie, Buffer.alloc(100_001));
  t.same(told, { status: 413, body: refusal }, 'with one');
  t.same(partsIn(one), []);
  t.same(readdirSync(join(one.data, 'files')), []);
  t.match(await counters(one), { uploads_done_total: 0, uploads_cut_total: 2 });
});

t.test('a start removes what this replica, or a dead one, has begun, and no more', async (t) => {
  const data = t.testdir();
  mkdirSync(join(data, 'tmp'));
  for (const name of ['first.1', 'second.1', 'third.1']) writeFileSync(join(data, 'tmp', name), 'abc');
  const long = Date.now() / 1000 - 3600;
  utimesSync(join(data, 'tmp', 'third.1'), long, long);
  await start(t, { DATA: data });
  t.same(readdirSync(join(data, 'tmp')), ['second.1']);
});

t.test('SIGTERM: what is under way is finished, and nothing else is taken', async (t) => {
  const one = await start(t);
  const cookie = await login(one);
  const sending = begin(one, '/files/a', cookie);
  await until(() => partsIn(one).length === 1);
  one.process.kill('SIGTERM');
  await until(() =>
    fetch(`${one.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  t.equal(one.process.exitCode, null);
  const answered = once(sending, 'response');
  sending.end(CHUNK);
  const [response] = await answered;
  t.equal(response.statusCode, 201);
  t.equal(response.headers.connection, 'close');
  t.equal(JSON.parse(await text(response)).bytes, 2 * CHUNK.length);
  if (one.process.exitCode === null) await once(one.process, 'exit');
  t.equal(one.process.exitCode, 0);
});

t.test('SIGTERM: what is not done in time is cut off, and said', async (t) => {
  const one = await start(t, { STOP_SECONDS: '1' });
  begin(one, '/files/a', await login(one));
  await until(() => partsIn(one).length === 1);
  const said = text(one.process.stderr!);
  one.process.kill('SIGTERM');
  await once(one.process, 'exit');
  t.equal(one.process.exitCode, 1);
  t.match(await said, 'not done within 1 s: what is under way is cut off');
  t.notOk(existsSync(join(one.data, 'files', 'a')));
});

t.test('what it does not know is refused, with what is allowed', async (t) => {
  const one = await start(t);
  const cookie = await login(one);
  t.match(await get(one, '/nothing'), { status: 404, body: { error: 'there is nothing at this address' } });
  t.match(await get(one, '/login'), { status: 405, body: { error: 'GET is not allowed here' } });
  t.match(await send(one, 'POST', '/login', '', '{'), {
    status: 400,
    body: { error: 'the body must be a JSON object' },
  });
  t.match(await send(one, 'PUT', '/files/a.json', cookie, 'abc'), { status: 400, body: { code: 'bad-name' } });
  for (const [env, message] of [
    [{ SESSIONS: 'both' }, 'SESSIONS must be own or shared, got both'],
    [{ MAX_UPLOAD_BYTES: '-1' }, 'MAX_UPLOAD_BYTES must be a whole number above 0, got -1'],
  ] as const) {
    const wrong = launch(t, { ...env, DATA: t.testdir() });
    const [said] = await Promise.all([text(wrong.stderr!), once(wrong, 'exit')]);
    t.match(said, message);
    t.equal(wrong.exitCode, 1);
  }
});

t.test('its variants: one replica, three behind a balancer, and three whose sessions are lost with them', async (t) => {
  const of = (variant: string, againstVariant: string) =>
    loadConfig({ benchmark: 'uploads', commit: 'HEAD', variant, againstVariant }, { root: ROOT, cwd: ROOT });
  const { deployments, comparison, metrics, load } = await of('scaled', 'single');
  const { candidate: scaled, baseline: single } = deployments;
  t.match(single, { variant: 'single', replicas: {}, balancer: null, compose: null });
  t.match(scaled, {
    variant: 'scaled',
    replicas: { api: 3 },
    balancer: { service: 'api', port: 8080, sticky: 'cookie' },
  });
  t.equal(comparison.pairing, 'alternating');
  t.match(load.model, {
    scenarios: [
      { name: 'migrations', model: { users: 30 } },
      { name: 'uploads', model: { users: 10 } },
    ],
  });
  const primary = metrics.filter((metric) => metric.primary).map(({ name }) => name);
  t.same(primary, ['migrations_avg', 'uploads_avg']);
  const { baseline: own } = (await of('scaled', 'scaled-own')).deployments;
  t.match({ ...own, compose: null, variant: 'scaled' }, scaled);
  t.match(own.compose, /own-sessions\.yaml$/);
});
