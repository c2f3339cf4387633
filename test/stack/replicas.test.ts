/**
 * Replicas behind a real balancer, while requests go on: one more, one less, one that ends by itself. None is lost but
 * what a killed replica had under way.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Agent, request } from 'undici';
import { run } from '../../scripts/core/exec.ts';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { sideNetwork } from '../../scripts/engine/names.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { setUp } from '../../scripts/setup/machine.ts';
import { BALANCER, slotNames, withDeployment } from '../../scripts/stack/balancer.ts';
import { type ComposeDocument, sideCompose } from '../../scripts/stack/compose-file.ts';
import { findCounters, readCounted } from '../../scripts/stack/counters.ts';
import { controlReplicas, type Replica } from '../../scripts/stack/replicas.ts';
import type { SideContainer } from '../../scripts/stack/run-stack.ts';
import { controlSlots } from '../../scripts/stack/slots.ts';
import { aPlan } from '../fixtures/plan.ts';
import { recorder } from '../setup/helpers.ts';

const LIMIT_S = 60;
const CLIENTS = 4;

/** Says who it is, after 20 ms; ends as a good service does. */
const SERVER = `
  const { createServer } = require('node:http');
  const server = createServer((request, response) => {
    if (request.url === '/healthz') return response.end('well');
    setTimeout(() => response.end(process.env.HOSTNAME + ' ' + require('node:fs').readFileSync('/etc/greeting', 'utf8')), 20);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(8080, '0.0.0.0');
  process.on('SIGTERM', () => { server.close(() => process.exit(0)); setInterval(() => server.closeIdleConnections(), 20); });`;

const docker = (...args: string[]) => run('docker', args, { what: `docker ${args[0]}`, env: process.env });

await setUp({ images: ['node', 'haproxy'], progress: recorder().progress });
const engine = connectEngine(engineSocket(process.env));
t.teardown(() => engine.close());

/** A side with two replicas behind a balancer. */
async function started(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-test-'));
  const id = `test${process.pid}replicas`;
  const balancer = { service: 'api', port: 8080, sticky: 'cookie', health: '/healthz', drainS: 10 } as const;
  const deployment = { variant: null, replicas: { api: 2 }, compose: null, balancer, autoscale: null };
  // Without labels of a run: no sweep takes it for a dead one.
  const made = aPlan(['candidate'], {
    runId: id,
    project: `mayfly-${id}`,
    labels: {},
    lanes: 1,
    ownImages: { haproxy: IMAGES.haproxy.ref },
  });
  const plan = {
    ...made,
    sides: made.sides.map((side) => ({ ...side, deployment })),
    networks: { ...made.networks, sides: { candidate: [`mayfly-${id}-candidate`] } },
  };
  const resolved: ComposeDocument = {
    services: {
      api: {
        image: IMAGES.node.ref,
        command: ['node', '-e', SERVER.replaceAll('$', '$$$$')],
        configs: [{ source: 'greeting', target: '/etc/greeting' }],
        healthcheck: {
          test: [
            'CMD',
            'node',
            '-e',
            "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))",
          ],
          interval: '200ms',
          timeout: '5s',
          retries: 50,
        },
        stop_grace_period: '5s',
      },
      web: {
        image: IMAGES.node.ref,
        command: ['sleep', 'infinity'],
        depends_on: { api: { condition: 'service_healthy', required: true } },
      },
    },
    configs: { greeting: { content: 'hello' } },
  };
  const document = sideCompose(withDeployment(resolved, plan, 'candidate', 1), plan, 'candidate', 1);
  const network = sideNetwork(plan, 'candidate', 1);
  const project = `${plan.project}-candidate`;
  const file = join(folder, 'compose.json');
  await writeFile(file, JSON.stringify(document));
  const compose = (...args: string[]) => docker('compose', '--project-name', project, '--file', file, ...args);
  t.teardown(async () => {
    const left = await engine.containers(`com.docker.compose.project=${project}`);
    await Promise.all(left.map((one) => engine.remove(one.id)));
    await docker('network', 'rm', network);
    await rm(folder, { recursive: true });
  });
  await docker('network', 'create', '--internal', network);
  await compose('up', '--detach', '--wait', `--wait-timeout=${LIMIT_S}`);

  const found = await engine.containers(`com.docker.compose.project=${project}`);
  const containers: SideContainer[] = await Promise.all(
    found.map(async (one) => {
      const state = await engine.inspect(one.id);
      return {
        ...state,
        side: 'candidate',
        service: one.labels['com.docker.compose.service']!,
        replica: Number(one.labels['com.docker.compose.container-number']),
        counted: await findCounters(state.id, state.pid),
      };
    }),
  );
  const first = containers.filter(({ service }) => service === 'api').sort((a, b) => a.replica - b.replica);
  const { id: container } = containers.find(({ service }) => service === BALANCER)!;
  const names = slotNames(deployment, first.length);
  const signal = new AbortController().signal;
  const surroundings = { engine, now: () => Date.now() };
  const slots = controlSlots(
    { container, names, first: first.map((one) => one.id), port: 8080 },
    { ...surroundings, signal },
  );
  const followed: string[][] = [];
  const replicas = controlReplicas(
    {
      containers,
      balancers: new Map([['candidate', { service: 'api', slots }]]),
      of: () => ({ document, commit: 'new', network }),
      readyTimeoutS: LIMIT_S,
      follow: async (there) =>
        void followed.push(
          there
            .filter(({ service }) => service === 'api')
            .map(({ replica }) => `${replica}`)
            .sort(),
        ),
      signal,
    },
    surroundings,
  );
  const { NetworkSettings } = await engine.describe(container);
  const address: string = NetworkSettings.Networks[network].IPAddress;
  return { replicas, slots, containers, followed, address, network, project };
}

/** Requests without a pause, of clients that keep their connections; every second one has a session. */
function drive(t: Test, url: string) {
  const answers: { by: string }[] = [];
  const failures: string[] = [];
  let done = false;
  const client = async (_: unknown, number: number) => {
    const dispatcher = new Agent({ connections: 1 });
    let cookie: string | undefined;
    while (!done) {
      try {
        const { statusCode, headers, body } = await request(url, {
          dispatcher,
          ...(cookie ? { headers: { cookie } } : {}),
        });
        const text = await body.text();
        const set = [headers['set-cookie'] ?? []].flat()[0];
        if (set && number % 2 === 0) cookie = set.split(';')[0];
        answers.push({ by: text.split(' ')[0]! });
        if (statusCode !== 200) failures.push(`${statusCode} ${text.slice(0, 60)}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
    await dispatcher.close();
  };
  const clients = Array.from({ length: CLIENTS }, client);
  const end = async () => {
    done = true;
    await Promise.all(clients);
  };
  t.teardown(end);
  return { answers, failures, end };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_S * 1000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not so after ${LIMIT_S} s: ${what}`);
    await sleep(50);
  }
}

t.test('replicas come and go, and no request is lost but those of a killed one', async (t) => {
  const { replicas, slots, containers, followed, address, network, project } = await started(t);
  const { id: web } = containers.find(({ service }) => service === 'web')!;
  const names = await engine.exec(web, ['sh', '-c', 'for i in 1 2 3 4 5 6; do getent ahostsv4 api; done']);
  const found = new Set(names.stdout.match(/^[\d.]+/gm));
  t.same([...found], [address], 'other services find the balancer under the name of the service, and no replica');

  const states = await slots.settled(LIMIT_S);
  t.match(Object.fromEntries(states), {
    r1: { status: 'UP', check: 'L7OK' },
    r2: { status: 'UP', check: 'L7OK' },
    r3: { status: 'MAINT' },
  });
  const own = () => replicas.of('candidate', 'api');
  t.match(own(), [
    { replica: 1, slot: 'r1' },
    { replica: 2, slot: 'r2' },
  ]);

  const load = drive(t, `http://${address}:8080/`);
  const hostOf = ({ id }: Pick<Replica, 'id'>) => id.slice(0, 12);
  const answeredBy = (replica: Pick<Replica, 'id'>) => load.answers.filter(({ by }) => by === hostOf(replica)).length;
  const more = (replica: Pick<Replica, 'id'>, count = 5) => {
    const before = answeredBy(replica);
    return until(`${replica.id} answers`, () => answeredBy(replica) >= before + count);
  };
  await Promise.all(own().map((one) => more(one)));

  // One more: like the others, with a number, a slot and a commit of its own.
  const added = await replicas.add('candidate', 'api');
  t.match(added, { replica: 3, slot: 'r3', commit: 'new', name: `${project}-api-3` });
  const said = await engine.describe(added.id);
  t.match(said.HostConfig, { Init: true, CapDrop: ['ALL'], PidsLimit: 512, NetworkMode: network });
  t.match(said.Config.Labels, {
    'com.docker.compose.project': project,
    'com.docker.compose.container-number': '3',
    'dev.mayfly.side': 'candidate',
  });
  t.same(followed.at(-1), ['1', '2', '3'], 'Prometheus is told of it');

  // A session stays where it is until its replica takes no more requests.
  const [one, two] = own() as [Replica, Replica, Replica];
  const drained = await replicas.drain(one, 10);
  t.equal(drained.left, 0);
  const before = answeredBy(one);
  await Promise.all([two, added].map((other) => more(other, 20)));
  t.equal(answeredBy(one), before, 'no request after the drain, of its sessions neither');
  t.same(
    own().map(({ replica }) => replica),
    [2, 3],
  );
  const stopped = await replicas.stop(one);
  t.match(stopped, { exitCode: 0, killed: false });
  t.same(followed.at(-1), ['2', '3']);
  const gone = containers.find(({ id }) => id === one.id)!;
  t.ok((await readCounted(gone.counted!))!.cpuSeconds > 0, 'what it had used is known');

  t.same(load.failures, [], 'nothing was lost until now');

  // Started anew: with the CPU time of before, and at the balancer again.
  const used = (await readCounted(containers.find(({ id }) => id === two.id)!.counted!))!.cpuSeconds;
  await replicas.restart(two);
  await more(two, 1);
  const after = (await readCounted(containers.find(({ id }) => id === two.id)!.counted!))!.cpuSeconds;
  t.ok(after >= used, 'it counts on');
  // What the service closed its connection before, and what was sent to it before the balancer had found out, is lost.
  await more(two, 20);
  const once = load.failures.length;
  await more(two, 20);
  t.equal(load.failures.length, once, `nothing after it: ${load.failures.slice(once)}`);

  // Killed: what was under way is lost, and what is sent to it until the balancer has found out, and that is all.
  await replicas.kill(added);
  await until('the balancer has found out', async () => (await slots.settled(0)).get('r3')?.status === 'DOWN');
  await more(two, 20);
  const lost = load.failures.length;
  await more(two, 20);
  t.equal(load.failures.length, lost, `nothing after it: ${load.failures.slice(lost)}`);
  t.same([...replicas.touched].sort(), [one.id, two.id, added.id].sort());

  await load.end();
  await replicas.close();
  await t.rejects(replicas.add('candidate', 'api'), { message: 'the round is over' });
});
