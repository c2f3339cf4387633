/** What code under test tries, when it is built and when it runs, and what somebody on the command line may try: each is refused. docs/security.md names these tests. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { readSpace } from '../../scripts/stack/disk.ts';
import type { ContainerSummary } from '../../scripts/stack/engine.ts';
import { bench, dataFolder, engine, makeFolder, mayfly, nothingLeft, onEngine, probeBenchmark, ROOT, run, type Running } from './helpers.ts';

const FIXTURE = join(ROOT, 'test', 'fixtures', 'hostile');
/** Not the probe's own, which starts nothing while it waits: it has to start something, and nobody can beside a fork bomb. */
const HEALTH = { test: ['CMD', 'node', '-e', "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"], interval: '1s', timeout: '5s', retries: 100 };
/** Allowed in a build, since it is so in every docker build: the default capabilities of the engine, in a network that has nothing but itself. */
const BUILD_MAY = ['have a capability', 'open a raw socket', 'become root by a setuid program', 'dump core', 'use more CPU than it has'];
/** Names outside and the containers of another network are not there for the control; how much CPU it gets is up to what else runs here. */
const WITHOUT_CONTROL = /name outside|Prometheus|CPU/;
/** What docker run needs so that the attempts work. Not --privileged: where the tests themselves run in a virtual machine or a container, not every capability is there to give. */
const LOOSE = ['--network=host', '--pid=host', '--pids-limit=-1', '--ulimit=core=-1', '--cap-add=SYS_ADMIN', '--cap-add=SYS_PTRACE', '--cap-add=SYSLOG', '--device-cgroup-rule=c 1:11 rwm', '--security-opt=seccomp=unconfined', '--security-opt=apparmor=unconfined', '--security-opt=systempaths=unconfined', '--volume=/sys/fs/cgroup:/sys/fs/cgroup'];

t.teardown(() => engine.close());

/** A git repository of the hostile service; `files` are laid over it. Gives its folder. */
async function hostileRepository(t: Test, files: Record<string, string> = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-hostile-repo-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(FIXTURE, folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const git = (...args: string[]) => run('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]).done;
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  t.equal((await git('commit', '--quiet', '--message', 'hostile')).code, 0);
  return folder;
}

/** A benchmark of services of the image that the repository builds; its images go at the end of the test. */
function hostileBenchmark(t: Test, repository: string, services: Record<string, unknown>, top: Record<string, unknown> = {}, args: Record<string, string> = {}): string {
  const folder = probeBenchmark(t, { load: { rate: 20, target: 'http://hostile:8080' }, build: { git: { repository, args } }, top: { retries: 0, ready_timeout: '90s', scrape: [{ service: 'hostile', port: 8080 }], ...top } });
  const name = `hostile-${process.pid}-${randomBytes(3).toString('hex')}`;
  const named = makeFolder(join(folder, '..', name));
  cpSync(folder, named, { recursive: true });
  writeFileSync(join(named, 'compose.yaml'), stringify({ services: Object.fromEntries(Object.entries(services).map(([service, more]) => [service, { image: '${MAYFLY_IMAGE_PROBE}', healthcheck: HEALTH, stop_grace_period: '1s', ...(more as object) }])) }));
  t.teardown(async () => {
    const { stdout } = await run('docker', ['images', '--quiet', '--filter', `label=dev.mayfly.benchmark=${name}`]).done;
    if (stdout.trim()) await run('docker', ['rmi', '--force', ...new Set(stdout.trim().split('\n'))]).done;
  });
  return named;
}

/** What listens on every address of the host: HTTP and datagrams at the same port; tells what it got. */
async function listen(t: Test): Promise<{ port: number; got: string[] }> {
  const got: string[] = [];
  const server = createServer((request, response) => {
    got.push(request.url!);
    response.end('a secret of the host\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const { port } = server.address() as { port: number };
  const socket = createSocket('udp4').on('message', (message, { address, port: from }) => {
    got.push(String(message));
    socket.send('answered', from, address);
  });
  await new Promise<void>((resolve) => socket.bind(port, '0.0.0.0', resolve));
  t.teardown(() => (server.close(), server.closeAllConnections(), socket.close()));
  return { port, got };
}

/** What the containers say until the run ends: service -> word at the start of a line -> the JSON after it. */
async function heard(containers: ContainerSummary[], running: Running): Promise<Record<string, Record<string, Record<string, string>>>> {
  const logs = new Map<string, string>();
  for (; running.child.exitCode === null; await sleep(300)) {
    for (const { id, labels } of containers) {
      const log = await engine.logs(id, 0).catch(() => null);
      const service = labels['com.docker.compose.service']!;
      if (log && log.stdout.length > (logs.get(service)?.length ?? 0)) logs.set(service, log.stdout); // one that is being removed gives less
    }
  }
  const lines = (log: string) => Object.fromEntries(log.split('\n').flatMap((line) => (/^\w+ \{/.test(line) ? [[line.split(' ', 1)[0]!, JSON.parse(line.slice(line.indexOf(' ')))]] : [])));
  return Object.fromEntries([...logs].map(([service, log]) => [service, lines(log)]));
}

async function containersOf(benchmark: string, running: Running, count: number): Promise<ContainerSummary[]> {
  const name = benchmark.split('/').at(-1)!;
  for (; running.child.exitCode === null; await sleep(200)) {
    const mine = (await engine.containers('dev.mayfly.side')).filter(({ image, state }) => image.startsWith(`mayfly/${name}-`) && state === 'running');
    if (mine.length === count) return mine;
  }
  throw new Error(`its services did not start: ${(await running.done).stderr}`);
}

/** The addresses of a container in its networks. */
async function addressesOf(id: string): Promise<string[]> {
  const { stdout } = await run('docker', ['inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', id]).done;
  return stdout.trim().split(/\s+/).filter(Boolean);
}

t.test('code under test, built and run, tries everything and is refused; the same attempts work where nothing holds them', async (t) => {
  const { port, got } = await listen(t);
  const data = dataFolder(t);
  const halves = () => [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')] as const;
  const [canary, marker] = [halves(), halves()];
  const file = join(data, 'file-of-the-host');
  writeFileSync(file, canary.join(''));
  // A process of the host with the canary in its environment, as the harness has it.
  const victim = spawn('sleep', ['900'], { argv0: marker.join(''), env: { ...process.env, MAYFLY_CANARY: canary.join('') }, stdio: 'ignore' });
  t.teardown(() => victim.kill('SIGKILL'));
  const outside = Object.values(networkInterfaces()).flat().filter((one) => one!.family === 'IPv4' && !one!.internal).map((one) => one!.address);

  const besideData = dataFolder(t);
  const beside = mayfly('bench', [`--benchmark=${probeBenchmark(t, { load: { duration: '30m' } })}`], besideData);
  t.teardown(() => beside.done);
  t.teardown(() => beside.child.kill('SIGTERM'));
  let other: { id: string }[] = [];
  for (; other.length < 2; await sleep(200)) {
    const runs = (await engine.containers('dev.mayfly.run')).filter(({ labels, state }) => state === 'running' && labels['dev.mayfly.pid'] === String(beside.child.pid));
    other = runs.some(({ labels }) => labels['dev.mayfly.side']) ? runs : [];
    if (beside.child.exitCode !== null) throw new Error(`the run beside it has ended: ${(await beside.done).stderr}`);
  }
  const places = (await Promise.all(other.map(({ id }) => addressesOf(id)))).flat().flatMap((address) => [8080, 9090, 9101].map((at) => [address, at]));

  const plan = {
    outside, port, canary, marker, file, pid: victim.pid, socket: engine.socket, beside: places,
  };
  const environment = { PLAN: JSON.stringify(plan).replaceAll('$', '$$$$'), TRY: 'yes' };
  const benchmark = hostileBenchmark(t, await hostileRepository(t), {
    hostile: { environment: { ...environment, WHO: 'root', PEER: 'plain', HARM: 'memory' }, mem_limit: '192m', cpus: 0.4, pids_limit: 300 },
    plain: { environment: { ...environment, WHO: 'node', PEER: 'hostile' }, user: 'node', mem_limit: '192m', cpus: 0.4 },
  }, {}, { PLAN: JSON.stringify({ ...plan, forks: 6000 }) });
  const running = mayfly('bench', [`--benchmark=${benchmark}`, '--json'], data, { MAYFLY_CANARY: canary.join(''), GITHUB_TOKEN: canary.join('') });
  const containers = await containersOf(benchmark, running, 2);
  const told = await heard(containers, running);
  const { code, stdout, stderr } = await running.done;
  t.equal(code, 3, stderr);
  for (const service of ['hostile', 'plain']) {
    const { attempts, build, own } = told[service]!;
    t.ok(Object.keys(attempts ?? {}).length > 15 && Object.keys(build ?? {}).length > 15, `${service} has told what it tried: ${stderr}`);
    for (const [what, came] of Object.entries(attempts!)) t.match(came, /^refused: /, `${service}: ${what}: ${came}`);
    for (const [what, came] of Object.entries(build!)) if (!BUILD_MAY.includes(what)) t.match(came, /^refused: /, `the build: ${what}: ${came}`);
    t.match(attempts!['use more CPU than it has'], /0\.[1-5]\d? CPUs/, `${service} has used what it may`);
    t.same(own, { 'reach its own port': 'yes', 'reach a service of its own network': 'yes' }, 'what it may reach it reaches');
  }
  t.match(stderr, /hostile went over its memory limit/, 'memory without end ends in its own container');
  t.match(JSON.parse(stdout).rounds[0].reasons.map((reason: { code: string }) => reason.code), ['out-of-memory'], stdout);
  t.same(got.splice(0), [], 'nothing has arrived, neither from the services nor from k6 or Prometheus, which were sent there');
  t.notMatch(`${stdout}${stderr}`, canary.join(''), 'no secret of the environment is in the run');
  await nothingLeft(t, data);
  const still = (await engine.containers('dev.mayfly.run')).filter(({ labels, state }) => state === 'running' && labels['dev.mayfly.pid'] === String(beside.child.pid));
  t.ok(beside.child.exitCode === null && still.some(({ labels }) => labels['dev.mayfly.side']), 'the run beside it goes on');

  // The control: the same image, with everything that Mayfly takes away.
  const loose = await run('docker', ['run', '--rm', ...LOOSE, `--volume=${engine.socket}:${engine.socket}`, '--env', `PLAN=${JSON.stringify({ ...plan, beside: [['127.0.0.1', port]], forks: 700 })}`, '--env=WHO=the control', containers[0]!.image, 'node', '/attempts.js']).done;
  t.equal(loose.code, 0, loose.stderr);
  for (const [what, came] of Object.entries<string>(JSON.parse(loose.stdout))) {
    if (!WITHOUT_CONTROL.test(what)) t.match(came, /^done: /, `the control: ${what}: ${came}`);
  }
  t.ok(got.includes('from the control'), 'the same datagram can arrive');
  for (const by of ['k6', 'Prometheus']) t.equal((await fetch(`http://${outside[0]}:${port}/by-${by}`)).status, 200, 'the address that they were sent to answers');
});

t.test('code that fills the disk, in four ways at once', async (t) => {
  const withoutAttempts = readFileSync(join(FIXTURE, 'Dockerfile'), 'utf8').replace(/RUN node.*\n/, '');
  const load = { rate: 20, target: 'http://hostile:8080', duration: '10m', warmup: '1s', vus: 20 };
  const harmful = async (t: Test, harm: string) => hostileBenchmark(t, await hostileRepository(t, { Dockerfile: withoutAttempts }), { hostile: { environment: { PLAN: JSON.stringify({ fill: '700M' }), HARM: harm } } }, { disk_limit: '256MiB', load: { script: 'load.js', ...load } });
  t.jobs = 4;

  for (const [harm, what] of [['layer', 'its writable layer'], ['volume', 'a volume that its image asks for']] as const) {
    t.test(`a service that fills ${what} ends the run`, async (t) => {
      const data = dataFolder(t);
      const { code, stderr, seconds } = await bench(await harmful(t, harm), data);
      t.equal(code, 3, stderr);
      t.match(stderr, /hostile of candidate wrote \d+ MiB to the disk: at most 256 MiB is allowed/);
      t.match(stderr, /disk_limit/);
      t.ok(seconds < 200, `at once, not at the end of the window: ${seconds} s`);
      await nothingLeft(t, data);
    });
  }

  t.test('a service that prints without end', async (t) => {
    const data = dataFolder(t);
    const benchmark = await harmful(t, 'log');
    const running = mayfly('bench', [`--benchmark=${benchmark}`, '--duration=6s'], data);
    const [container] = await containersOf(benchmark, running, 1);
    const { stdout: path } = await run('docker', ['inspect', '--format', '{{.LogPath}}', container!.id]).done;
    let most = 0;
    for (; running.child.exitCode === null; await sleep(100)) most = Math.max(most, existsSync(path.trim()) ? statSync(path.trim()).size : 0);
    t.ok(most > 8 << 20, `it has printed: ${most} bytes`);
    t.ok(most < 20 << 20, `its log stays small: ${most} bytes`);
    await nothingLeft(t, data);
  });

  t.test('a build', async (t) => {
    t.ok((await readSpace('/var/lib/docker')).freeBytes > 15 * 2 ** 30, 'this test needs 15 GiB of free space at the engine');
    const data = dataFolder(t);
    const repository = await hostileRepository(t, { Dockerfile: 'FROM node:24.21.0-bookworm-slim\nRUN fallocate --length 11G /fill && sleep 600\n' });
    const { code, stderr, seconds } = await bench(hostileBenchmark(t, repository, { hostile: {} }), data);
    t.equal(code, 3, stderr);
    t.match(stderr, /a step of the build of probe at [0-9a-f]{12} wrote (8\.\d+|9|9\.\d+|1[01]|10\.\d+) GiB to the disk: at most 8 GiB is allowed/);
    t.ok(seconds < 200, `at once, not at its end: ${seconds} s`);
    await nothingLeft(t, data);
  });
});

t.test('a Dockerfile cannot have the engine fetch what the build itself cannot reach', async (t) => {
  const { port, got } = await listen(t);
  const from = 'FROM node:24.21.0-bookworm-slim\n';
  const url = `http://127.0.0.1:${port}/stolen`;
  const loose = await run('sh', ['-c', `printf '%s' "$DOCKERFILE" | docker build --quiet --network none -`], { env: { DOCKER_BUILDKIT: '0', DOCKERFILE: `${from}ADD ${url} /x\n` } }).done;
  t.equal(loose.code, 0, loose.stderr);
  await run('docker', ['rmi', '--force', loose.stdout.trim()]).done;
  t.same(got.splice(0), ['/stolen'], 'the control: the engine does fetch it');

  const cases: [string, Record<string, string>, string?][] = [
    ['a URL', { Dockerfile: `${from}ADD ${url} /x\n` }],
    ['split in the middle of the word', { Dockerfile: `${from}A\\\n# comment\nDD ${url.slice(0, 4)}\\\n${url.slice(4)} /x\n` }],
    ['by variables', { Dockerfile: `${from}ENV A=http B=127.0.0.1:${port}\nADD $A://$B/stolen /x\n` }],
    ['a trigger of another stage', { Dockerfile: `${from.trim()} AS a\nONBUILD ADD ${url} /x\nFROM a\n` }],
    ['put in by git archive', { Dockerfile: `${from}$Format:%s$\n`, '.gitattributes': 'Dockerfile export-subst\n' }, `ADD ${url} /x`],
  ];
  await Promise.all(cases.map(async ([what, files, subject]) => {
    const repository = await hostileRepository(t, files);
    if (subject) await run('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', 'commit', '--quiet', '--amend', '--message', subject]).done;
    const { code, stderr } = await bench(hostileBenchmark(t, repository, { hostile: {} }), dataFolder(t));
    t.equal(code, 2, `${what}: ${stderr}`);
    t.match(stderr, /ADD .* is not allowed: the engine would fetch it from the network of the host/, what);
  }));
  t.same(got, [], 'nothing was fetched');
});

t.test('names from outside reach no shell and no path', async (t) => {
  const data = dataFolder(t);
  const cwd = mkdtempSync(join(tmpdir(), 'mayfly-cwd-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  const traps = ['$(touch x)', '`touch x`', "'; touch x; '"];
  const cases: [string, string[]][] = [
    ...traps.map((trap): [string, string[]] => ['bench', [`--commit=${trap}`]]),
    ['bench', ['--commit=--upload-pack=touch x']],
    ['bench', ['--benchmark=../../etc']],
    ['bench', ['--resume=../../etc/passwd']],
    ...['../../etc/passwd', '..%2f..%2fetc%2fpasswd', '$(touch x)', "' OR 1=1 --", '%'].map((id): [string, string[]] => ['show', [id]]),
    ['compare', ['../../etc/passwd', '$(touch x)']],
    ['sweep', ['../../etc']],
  ];
  // As a user does: through npm, which runs the scripts of package.json in a shell.
  await Promise.all([0, 1, 2, 3].map(async (lane) => {
    for (const [command, args] of cases.filter((_, i) => i % 4 === lane)) {
      const { code, stdout, stderr } = await run('npm', ['run', '--silent', command, '--prefix', ROOT, '--', ...args], { cwd, env: { MAYFLY_DATA: data } }).done;
      t.equal(code, 2, `${command} ${args.join(' ')}: ${stderr}`);
      t.notMatch(`${stdout}${stderr}`, /^\s+at |root:.*:0:0:/m, 'neither a stack trace nor a file of the host');
    }
  }));
  for (const folder of [cwd, ROOT, data]) t.notOk(existsSync(join(folder, 'x')), `no file x in ${folder}`);
  t.same(await onEngine(), []);
});
