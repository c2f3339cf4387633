/**
 * What code under test tries, when it is built and when it runs, what a load script tries, and what somebody on the
 * command line may try: each is refused. docs/security.md names these tests.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { type ContainerSummary, ONE_ADDRESS_A_NETWORK } from '../../scripts/engine/engine.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { readSpace } from '../../scripts/stack/disk.ts';
import {
  bench,
  dataFolder,
  engine,
  knowNothing,
  makeFolder,
  mayfly,
  nothingLeft,
  onEngine,
  probeBenchmark,
  ROOT,
  type Running,
  run,
  seen,
} from './helpers.ts';

const FIXTURE = join(ROOT, 'test', 'fixtures', 'hostile');
/**
 * Not the probe's own, which starts nothing while it waits: it has to start something, and nobody can beside a fork
 * bomb.
 */
const HEALTH = {
  test: [
    'CMD',
    'node',
    '-e',
    "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))",
  ],
  interval: '1s',
  timeout: '5s',
  retries: 100,
};
/**
 * Allowed in a build, since it is so in every docker build: the default capabilities of the engine, in a network that
 * has nothing but itself.
 */
const BUILD_MAY = [
  'have a capability',
  'open a raw socket',
  'become root by a setuid program',
  'dump core',
  'use more CPU than it has',
];
/**
 * Names outside and the containers of another network are not there for the control; how much CPU it gets is up to what
 * else runs here. The interface has a control of its own.
 */
const WITHOUT_CONTROL = /name outside|Prometheus|CPU|interface/;
/**
 * What docker run needs so that the attempts work. Not --privileged: where the tests themselves run in a virtual
 * machine or a container, not every capability is there to give.
 */
const LOOSE = [
  '--network=host',
  '--pid=host',
  '--pids-limit=-1',
  '--ulimit=core=-1',
  '--cap-add=SYS_ADMIN',
  '--cap-add=SYS_PTRACE',
  '--cap-add=SYSLOG',
  '--device-cgroup-rule=c 1:11 rwm',
  '--security-opt=seccomp=unconfined',
  '--security-opt=apparmor=unconfined',
  '--security-opt=systempaths=unconfined',
  '--volume=/sys/fs/cgroup:/sys/fs/cgroup',
];

/** More than a load generator of one thread may have. */
const MORE_MEMORY_MB = 2304;

t.teardown(() => engine.close());

/** A git repository of the hostile service; `files` are laid over it. Gives its folder. */
async function hostileRepository(t: Test, files: Record<string, string> = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-hostile-repo-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(FIXTURE, folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const git = (...args: string[]) =>
    run('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]).done;
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  t.equal((await git('commit', '--quiet', '--message', 'hostile')).code, 0);
  return folder;
}

/** A benchmark of services of the image that the repository builds; its images go at the end of the test. */
function hostileBenchmark(
  t: Test,
  repository: string,
  services: Record<string, unknown>,
  top: Record<string, unknown> = {},
  args: Record<string, string> = {},
): string {
  const folder = probeBenchmark(t, {
    load: { rate: 20, target: 'http://hostile:8080' },
    build: { git: { repository, args } },
    top: { retries: 0, ready_timeout: '90s', scrape: [{ service: 'hostile', port: 8080 }], ...top },
  });
  const name = `hostile-${process.pid}-${randomBytes(3).toString('hex')}`;
  const named = makeFolder(join(folder, '..', name));
  cpSync(folder, named, { recursive: true });
  writeFileSync(
    join(named, 'compose.yaml'),
    stringify({
      services: Object.fromEntries(
        Object.entries(services).map(([service, more]) => [
          service,
          { image: '${MAYFLY_IMAGE_PROBE}', healthcheck: HEALTH, stop_grace_period: '1s', ...(more as object) },
        ]),
      ),
    }),
  );
  t.teardown(async () => {
    const { stdout } = await run('docker', ['images', '--quiet', '--filter', `label=dev.mayfly.benchmark=${name}`])
      .done;
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

/** What a container says, to its end: word at the start of a line -> the JSON after it. */
async function heard({ id }: ContainerSummary): Promise<Record<string, Record<string, string>>> {
  const streams = await Promise.all(
    (['stdout', 'stderr'] as const).map(async (stream) => {
      let text = '';
      // the container is removed
      await engine.follow(id, stream, (more) => (text += more), new AbortController().signal).catch(() => {});
      return text;
    }),
  );
  const lines = streams.flatMap((text) => text.split('\n')).filter((line) => /^\w+ \{.*\}$/.test(line));
  return Object.fromEntries(lines.map((line) => [line.split(' ', 1)[0]!, JSON.parse(line.slice(line.indexOf(' ')))]));
}

async function containersOf(benchmark: string, running: Running, count: number): Promise<ContainerSummary[]> {
  const name = benchmark.split('/').at(-1)!;
  for (; running.child.exitCode === null; await sleep(200)) {
    const mine = (await engine.containers('dev.mayfly.side')).filter(
      ({ image, state }) => image.startsWith(`mayfly/${name}-`) && state === 'running',
    );
    if (mine.length === count) return mine;
  }
  throw new Error(`its services did not start: ${(await running.done).stderr}`);
}

/** The addresses of a container in its networks, by network. */
async function addressesOf(id: string): Promise<Record<string, string>> {
  const { stdout } = await run('docker', ['inspect', '--format', '{{json .NetworkSettings.Networks}}', id]).done;
  return Object.fromEntries(
    Object.entries<{ IPAddress: string }>(JSON.parse(stdout)).map(([network, { IPAddress }]) => [network, IPAddress]),
  );
}

/**
 * What hostile code looks for on this host, and may not find: a listener, a file, a process, the environment of the
 * harness, and a run beside it.
 */
async function prey(t: Test) {
  const { port, got } = await listen(t);
  const data = dataFolder(t);
  const halves = () => [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')] as const;
  const [canary, marker] = [halves(), halves()];
  const file = join(data, 'file-of-the-host');
  writeFileSync(file, canary.join(''));
  // A process of the host with the canary in its environment, as the harness has it.
  const victim = spawn('sleep', ['900'], {
    argv0: marker.join(''),
    env: { ...process.env, MAYFLY_CANARY: canary.join('') },
    stdio: 'ignore',
  });
  t.teardown(() => victim.kill('SIGKILL'));
  const outside = Object.values(networkInterfaces())
    .flat()
    .filter((one) => one!.family === 'IPv4' && !one!.internal)
    .map((one) => one!.address);

  const besideData = dataFolder(t);
  const beside = mayfly('bench', [`--benchmark=${probeBenchmark(t, { load: { duration: '30m' } })}`], besideData);
  t.teardown(() => beside.done);
  t.teardown(() => beside.child.kill('SIGTERM'));
  const other = await seen(beside, besideData, 'all of it was up', (all) =>
    all.some(({ labels, state }) => labels['dev.mayfly.side'] && state === 'running') &&
    all.some(({ labels, state }) => labels['dev.mayfly.service'] === 'prometheus' && state === 'running')
      ? all.filter(({ state }) => state === 'running')
      : undefined,
  );
  const places = (await Promise.all(other.map(({ id }) => addressesOf(id))))
    .flatMap((addresses) => Object.values(addresses))
    .filter(Boolean)
    .flatMap((address) => [8080, 9090, 9101, 9464].map((at) => [address, at] as const));
  const besideGoesOn = async () =>
    beside.child.exitCode === null &&
    (await engine.containers('dev.mayfly.side')).some(
      ({ labels, state }) => state === 'running' && labels['dev.mayfly.pid'] === String(beside.child.pid),
    );
  return {
    data,
    got,
    outside,
    port,
    secret: canary.join(''),
    besideGoesOn,
    environment: { MAYFLY_CANARY: canary.join(''), GITHUB_TOKEN: canary.join('') },
    plan: { outside, port, canary, marker, file, pid: victim.pid, socket: engine.socket, beside: places },
  };
}

/** The control: the same attempts, with everything that Mayfly takes away. */
async function allWork(t: Test, image: string, { plan, port, got }: Awaited<ReturnType<typeof prey>>): Promise<void> {
  const writable = dataFolder(t);
  const loosePlan = {
    ...plan,
    beside: [['127.0.0.1', port]],
    far: [['127.0.0.1', port]],
    readonly: ['/benchmark'],
    fill: '/tmp/fill',
    memory: MORE_MEMORY_MB,
    forks: 700,
  };
  const loose = await run('docker', [
    'run',
    '--rm',
    ...LOOSE,
    `--volume=${engine.socket}:${engine.socket}`,
    `--volume=${writable}:/benchmark`,
    `--volume=${join(FIXTURE, 'attempts.js')}:/attempts.js:ro`,
    '--env',
    `PLAN=${JSON.stringify(loosePlan)}`,
    '--env=WHO=the control',
    image,
    'node',
    '/attempts.js',
  ]).done;
  t.equal(loose.code, 0, loose.stderr);
  for (const [what, came] of Object.entries<string>(JSON.parse(loose.stdout))) {
    if (!WITHOUT_CONTROL.test(what)) t.match(came, /^done: /, `the control: ${what}: ${came}`);
  }
  t.ok(got.includes('from the control'), 'the same datagram can arrive');
}

t.test(
  'code under test, built and run, tries everything and is refused; the same attempts work where nothing holds them',
  async (t) => {
    const hunt = await prey(t);
    const { data, got, plan, outside, port } = hunt;
    const environment = { PLAN: JSON.stringify(plan).replaceAll('$', '$$$$'), TRY: 'yes' };
    const benchmark = hostileBenchmark(
      t,
      await hostileRepository(t),
      {
        hostile: {
          environment: { ...environment, WHO: 'root', PEER: 'plain', HARM: 'memory' },
          mem_limit: '192m',
          cpus: 0.4,
          pids_limit: 300,
        },
        plain: {
          environment: { ...environment, WHO: 'node', PEER: 'hostile' },
          user: 'node',
          mem_limit: '192m',
          cpus: 0.4,
        },
      },
      {},
      { PLAN: JSON.stringify({ ...plan, forks: 6000 }) },
    );
    const running = mayfly('bench', [`--benchmark=${benchmark}`, '--json'], data, hunt.environment);
    const containers = await containersOf(benchmark, running, 2);
    const told = Object.fromEntries(
      await Promise.all(
        containers.map(
          async (container) => [container.labels['com.docker.compose.service']!, await heard(container)] as const,
        ),
      ),
    );
    const { code, stdout, stderr } = await running.done;
    t.equal(code, 3, stderr);
    for (const service of ['hostile', 'plain']) {
      const { attempts, build, own } = told[service]!;
      t.ok(
        Object.keys(attempts ?? {}).length > 20 && Object.keys(build ?? {}).length > 20,
        `${service} has told what it tried: ${stderr}`,
      );
      for (const [what, came] of Object.entries(attempts!)) t.match(came, /^refused: /, `${service}: ${what}: ${came}`);
      for (const [what, came] of Object.entries(build!))
        if (!BUILD_MAY.includes(what)) t.match(came, /^refused: /, `the build: ${what}: ${came}`);
      t.match(attempts!['use more CPU than it has'], /^refused: 0\.[0-5]\d? CPUs/, `${service} has used what it may`);
      t.same(
        own,
        { 'reach its own port': 'yes', 'reach a service of its own network': 'yes' },
        'what it may reach it reaches',
      );
    }
    t.match(stderr, /hostile went over its memory limit/, 'memory without end ends in its own container');
    t.match(
      JSON.parse(stdout).rounds[0].reasons.map((reason: { code: string }) => reason.code),
      ['out-of-memory'],
      stdout,
    );
    t.same(
      got.splice(0),
      [],
      'nothing has arrived, neither from the services nor from the load generator or Prometheus, which were sent there',
    );
    t.notMatch(`${stdout}${stderr}`, hunt.secret, 'no secret of the environment is in the run');
    await nothingLeft(t, data);
    t.ok(await hunt.besideGoesOn(), 'the run beside it goes on');

    await allWork(t, containers[0]!.image, hunt);
    for (const by of ['load', 'Prometheus'])
      t.equal(
        (await fetch(`http://${outside[0]}:${port}/by-${by}`)).status,
        200,
        'the address that they were sent to answers',
      );
  },
);

t.test(
  'a load script, tried and run, tries everything and is refused; no service reaches the load generator; the same attempts work where nothing holds them',
  async (t) => {
    const hunt = await prey(t);
    const { data, got, plan } = hunt;
    const withoutAttempts = readFileSync(join(FIXTURE, 'Dockerfile'), 'utf8').replace(/RUN node.*\n/, '');
    const benchmark = hostileBenchmark(
      t,
      await hostileRepository(t, { Dockerfile: withoutAttempts }),
      {
        hostile: {
          environment: {
            PLAN: JSON.stringify(plan).replaceAll('$', '$$$$'),
            WHO: 'a service',
            LATE: '/late/addresses.json',
          },
          volumes: ['./late:/late:ro'],
        },
      },
      {
        load: {
          script: 'load.ts',
          target: 'http://hostile:8080',
          rate: 20,
          duration: '3s',
          warmup: '1s',
          timeout: '60s',
        },
      },
    );
    copyFileSync(join(FIXTURE, 'load.ts'), join(benchmark, 'load.ts'));
    copyFileSync(join(FIXTURE, 'attempts.js'), join(benchmark, 'attempts.cjs'));
    const hostile = {
      ...plan,
      who: 'a load script',
      memory: MORE_MEMORY_MB,
      forks: 700,
      cpus: 2.2,
      readonly: ['/benchmark', '/mayfly/loadgen', '/mayfly/node_modules'],
    };
    writeFileSync(
      join(benchmark, 'plan.json'),
      JSON.stringify({
        ...hostile,
        readonly: [...hostile.readonly, '/', '/srv', '/root', '/var/tmp'],
        fill: '/tmp/fill',
      }),
    );
    const late = makeFolder(join(benchmark, 'late'));

    knowNothing(data);
    const running = mayfly('bench', [`--benchmark=${benchmark}`, '--json'], data, hunt.environment);
    const tried = await heard(
      await seen(running, data, 'its script was tried', (all) =>
        all.find(({ name, state }) => name.endsWith('-load-check') && state === 'running'),
      ),
    );
    const parts = await seen(running, data, 'all of it was up', (all) => {
      const up = all.filter(({ state }) => state === 'running');
      const [prometheus, exporter, loadgen] = ['prometheus', 'exporter', 'loadgen'].map((name) =>
        up.find(({ labels }) => labels['dev.mayfly.service'] === name),
      );
      const service = up.find(({ labels }) => labels['dev.mayfly.side']);
      return prometheus && exporter && loadgen && service ? { prometheus, exporter, loadgen, service } : undefined;
    });
    const [prometheus, exporter, loadgen] = await Promise.all(
      [parts.prometheus, parts.exporter, parts.loadgen].map(({ id }) => addressesOf(id)),
    );
    const control = (addresses: Record<string, string>) =>
      Object.entries(addresses).find(([network]) => network.endsWith('-control'))![1];
    t.ok(Object.keys(prometheus!).length >= 3, 'Prometheus is in the networks of control, load and side');
    t.same(
      Object.keys(loadgen!)
        .map((network) => network.replace(/^mayfly-\w{26}-/, ''))
        .sort(),
      ['candidate', 'load'],
    );
    const listening = [
      [control(prometheus!), 9090],
      [control(exporter!), 9101],
    ] as const;
    const answers = (address: string, at: number) =>
      fetch(`http://${address}:${at}/metrics`, { signal: AbortSignal.timeout(20_000) }).then(
        ({ status }) => status === 200 || undefined,
        () => undefined,
      );
    for (const [address, at] of listening)
      t.ok(
        await seen(running, data, `${address}:${at} answered`, () => answers(address, at)),
        'the control: the addresses are right, and from the host they answer',
      );
    const everywhere = [prometheus!, exporter!].flatMap((addresses) =>
      Object.values(addresses).flatMap((address) => [9090, 9101].map((at) => [address, at] as const)),
    );
    const ofLoadgen = Object.values(loadgen!).map((address) => [address, 9464] as const);
    writeFileSync(
      join(late, 'load.tmp'),
      JSON.stringify({ ...hostile, beside: [...plan.beside, ...everywhere], far: listening }),
    );
    writeFileSync(
      join(late, 'addresses.tmp'),
      JSON.stringify({
        ...plan,
        beside: [...plan.beside, ...everywhere, ...ofLoadgen],
        far: [...listening, [loadgen![Object.keys(loadgen!).find((network) => network.endsWith('-load'))!]!, 9464]],
      }),
    );
    const hearing = Promise.all([heard(parts.loadgen), heard(parts.service)]);
    for (const name of ['load', 'addresses']) renameSync(join(late, `${name}.tmp`), join(late, `${name}.json`));
    const scraped = async () =>
      JSON.stringify(
        await fetch(`http://${control(prometheus!)}:9090/api/v1/query?query=up{job="loadgen"}`).then(
          (response) => response.json(),
          () => null,
        ),
      );
    await seen(
      running,
      data,
      'the load generator was scraped',
      async () => /"value":\[[^\]]*,"1"\]/.test(await scraped()) || undefined,
    );
    const [ran, service] = await hearing;
    const { code, stdout, stderr } = await running.done;

    t.equal(code, 0, stderr);
    for (const [where, attempts] of [
      ['tried', tried.attempts],
      ['run', ran.attempts],
      ['the service', service.late],
    ] as const) {
      t.ok(
        Object.keys(attempts ?? {}).length > (where === 'the service' ? 8 : 20),
        `${where}: it has told what it tried: ${stderr}`,
      );
      for (const [what, came] of Object.entries(attempts ?? {}))
        t.match(came, /^refused: /, `${where}: ${what}: ${came}`);
    }
    t.match(tried.attempts!['use more memory than it has'], /SIGKILL/, 'it has used what it may');
    t.match(ran.attempts!['use more memory than it has'], /SIGKILL/);
    t.match(ran.own, { reached: /^hostile\.candidate:8080$/ }, 'what it may reach it reaches');
    // Where the host's kernel takes packets from a network that it has no route to, a datagram arrives; no answer goes
    // back (docs/security.md, What remains).
    t.same(
      got.splice(0).filter((what) => what !== 'by an interface'),
      [],
      'nothing has arrived',
    );
    t.notMatch(`${stdout}${stderr}`, hunt.secret, 'no secret of the environment is in the run');
    t.notOk(
      existsSync(join(benchmark, 'written')) || existsSync(join(ROOT, 'loadgen', 'written')),
      'nothing was written',
    );
    await nothingLeft(t, data);
    t.ok(await hunt.besideGoesOn(), 'the run beside it goes on');
    await allWork(t, parts.service.image, hunt);
  },
);

t.test(
  'a neighbour has an address in another network: it is reached through an interface where nothing holds that',
  async (t) => {
    const name = `mayfly-test-far-${process.pid}`;
    const labels = { 'dev.mayfly.test': 'far' };
    t.teardown(async () => {
      for (const { id } of await engine.containers('dev.mayfly.test=far')) await engine.remove(id);
      for (const { id } of await engine.networks('dev.mayfly.test=far')) await engine.removeNetwork(id);
    });
    // The route to everywhere leads through the first by name: that of the attacker which the neighbour is not in.
    const [own, shared, far] = ['a-own', 'b-shared', 'c-far'].map((network) => `${name}-${network}`) as [
      string,
      string,
      string,
    ];
    for (const network of [own, shared, far]) await engine.createNetwork(network, labels, { isolated: true });
    const image = IMAGES.node.ref;
    const cameOf = async (sysctls: Record<string, string>) => {
      const neighbour = await engine.create({
        name: `${name}-neighbour`,
        image,
        cmd: ['sleep', '300'],
        labels,
        networks: [shared, far],
        sysctls,
      });
      await engine.start(neighbour);
      const plan = { far: [[(await addressesOf(neighbour))[far]!, 9090]], port: 9 };
      const attacker = await engine.create({
        name: `${name}-attacker`,
        image,
        cmd: ['node', '/attempts.js', 'ask'],
        labels,
        networks: [own, shared],
        binds: [`${join(FIXTURE, 'attempts.js')}:/attempts.js:ro`],
        env: { PLAN: JSON.stringify(plan) },
      });
      await engine.start(attacker);
      await engine.wait(attacker);
      const { stdout, stderr } = await engine.logs(attacker, 0);
      await Promise.all([engine.remove(neighbour), engine.remove(attacker)]);
      t.match(stdout, /^\{/, stderr);
      return JSON.parse(stdout)['reach that through an interface of its own'];
    };
    t.match(await cameOf({}), /^done: .* through eth\d/);
    t.match(await cameOf(ONE_ADDRESS_A_NETWORK), /^refused: /);
  },
);

t.test('code that fills the disk, in five ways at once', async (t) => {
  const withoutAttempts = readFileSync(join(FIXTURE, 'Dockerfile'), 'utf8').replace(/RUN node.*\n/, '');
  const load = { rate: 20, target: 'http://hostile:8080', duration: '10m', warmup: '1s', max_in_flight: 20 };
  const harmful = async (t: Test, harm: string) =>
    hostileBenchmark(
      t,
      await hostileRepository(t, { Dockerfile: withoutAttempts }),
      { hostile: { environment: { PLAN: JSON.stringify({ fill: '700M' }), HARM: harm } } },
      { disk_limit: '256MiB', load: { script: 'load.ts', ...load } },
    );
  t.jobs = 5;

  for (const [harm, what] of [
    ['layer', 'its writable layer'],
    ['volume', 'a volume that its image asks for'],
  ] as const) {
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

  t.test('a load script that fills its writable layer ends the run', async (t) => {
    const data = dataFolder(t);
    const benchmark = await harmful(t, 'nothing');
    writeFileSync(
      join(benchmark, 'load.ts'),
      `import { spawnSync } from 'node:child_process';
import { defineLoad } from 'mayfly/load';
if (JSON.parse(process.env.MAYFLY_LOAD!).metrics !== null) spawnSync('fallocate', ['--length', '700M', '/var/tmp/fill']);
export default defineLoad(({ http }) => http.get('/'));
`,
    );
    const { code, stderr, seconds } = await bench(benchmark, data);
    t.equal(code, 3, stderr);
    t.match(stderr, /loadgen wrote \d+ MiB to the disk: at most 256 MiB is allowed/);
    t.ok(seconds < 200, `at once, not at the end of the window: ${seconds} s`);
    await nothingLeft(t, data);
  });

  t.test('a service that prints without end', async (t) => {
    const data = dataFolder(t);
    const benchmark = await harmful(t, 'log');
    const running = mayfly('bench', [`--benchmark=${benchmark}`, '--duration=6s'], data);
    const [container] = await containersOf(benchmark, running, 1);
    const { stdout: path } = await run('docker', ['inspect', '--format', '{{.LogPath}}', container!.id]).done;
    const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    let most = 0;
    for (; running.child.exitCode === null; await sleep(100))
      most = Math.max(most, sizeOf(path.trim()) + sizeOf(`${path.trim()}.1`)); // the engine keeps two
    t.ok(most > 8 << 20, `it has printed: ${most} bytes`);
    t.ok(most < 20 << 20, `its log stays small: ${most} bytes`);
    await nothingLeft(t, data);
  });

  t.test('a build', async (t) => {
    t.ok(
      (await readSpace('/var/lib/docker')).freeBytes > 15 * 2 ** 30,
      'this test needs 15 GiB of free space at the engine',
    );
    const data = dataFolder(t);
    const repository = await hostileRepository(t, {
      Dockerfile: 'FROM node:24.21.0-bookworm-slim\nRUN fallocate --length 11G /fill && sleep 600\n',
    });
    const { code, stderr, seconds } = await bench(hostileBenchmark(t, repository, { hostile: {} }), data);
    t.equal(code, 3, stderr);
    t.match(
      stderr,
      /a step of the build of probe at [0-9a-f]{12} wrote (8\.\d+|9|9\.\d+|1[01]|10\.\d+) GiB to the disk: at most 8 GiB is allowed/,
    );
    t.ok(seconds < 200, `at once, not at its end: ${seconds} s`);
    await nothingLeft(t, data);
  });
});

/** Text that is UTF-16 as well: of an even number of bytes. */
const inPairs = (text: string) => (text.length % 2 === 0 ? text : `${text}\n`);

t.test('a Dockerfile cannot have the engine fetch what the build itself cannot reach', async (t) => {
  const { port, got } = await listen(t);
  const from = 'FROM node:24.21.0-bookworm-slim\n';
  const url = `http://127.0.0.1:${port}/stolen`;
  const loose = await run('sh', ['-c', `printf '%s' "$DOCKERFILE" | docker build --quiet --network none -`], {
    env: { DOCKER_BUILDKIT: '0', DOCKERFILE: `${from}ADD ${url} /x\n` },
  }).done;
  t.equal(loose.code, 0, loose.stderr);
  await run('docker', ['rmi', '--force', loose.stdout.trim()]).done;
  t.same(got.splice(0), ['/stolen'], 'the control: the engine does fetch it');

  const cases: [string, Record<string, string>][] = [
    ['a URL', { Dockerfile: `${from}ADD ${url} /x\n` }],
    [
      'split in the middle of the word',
      { Dockerfile: `${from}A\\\n# comment\nDD ${url.slice(0, 4)}\\\n${url.slice(4)} /x\n` },
    ],
    ['by variables', { Dockerfile: `${from}ENV A=http B=127.0.0.1:${port}\nADD $A://$B/stolen /x\n` }],
    ['a trigger of another stage', { Dockerfile: `${from.trim()} AS a\nONBUILD ADD ${url} /x\nFROM a\n` }],
    [
      'hidden by an encoding: the commit holds other characters than its checkout',
      {
        Dockerfile: inPairs(`${from}ADD ${url} /x\n`),
        '.gitattributes': 'Dockerfile text working-tree-encoding=UTF-16BE eol=lf\n',
      },
    ],
  ];
  await Promise.all(
    cases.map(async ([what, files]) => {
      const repository = await hostileRepository(t, files);
      const { code, stderr } = await bench(hostileBenchmark(t, repository, { hostile: {} }), dataFolder(t));
      t.equal(code, 2, `${what}: ${stderr}`);
      t.match(stderr, /ADD .* is not allowed: the engine would fetch it from the network of the host/, what);
    }),
  );
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
    ...['../../etc/passwd', '..%2f..%2fetc%2fpasswd', '$(touch x)', "' OR 1=1 --", '%'].map(
      (id): [string, string[]] => ['show', [id]],
    ),
    ['compare', ['../../etc/passwd', '$(touch x)']],
    ['sweep', ['../../etc']],
  ];
  // As a user does: through npm, which runs the scripts of package.json in a shell.
  await Promise.all(
    [0, 1, 2, 3].map(async (lane) => {
      for (const [command, args] of cases.filter((_, i) => i % 4 === lane)) {
        const { code, stdout, stderr } = await run(
          'npm',
          ['run', '--silent', command, '--prefix', ROOT, '--', ...args],
          { cwd, env: { MAYFLY_DATA: data } },
        ).done;
        t.equal(code, 2, `${command} ${args.join(' ')}: ${stderr}`);
        t.notMatch(`${stdout}${stderr}`, /^\s+at |root:.*:0:0:/m, 'neither a stack trace nor a file of the host');
      }
    }),
  );
  for (const folder of [cwd, ROOT, data]) t.notOk(existsSync(join(folder, 'x')), `no file x in ${folder}`);
  t.same(await onEngine(), []);
});
