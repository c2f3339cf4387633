/**
 * compose/brokers/: each broker starts as a service of a side does, without capabilities and without a way out of its
 * network, and what it has acknowledged is there after it was killed. The clients are those of the trigger service.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { run } from '../../scripts/core/exec.ts';
import { sideNetwork } from '../../scripts/engine/names.ts';
import { BROKER_NAMES, IMAGES } from '../../scripts/images/images.ts';
import { setUp } from '../../scripts/setup/machine.ts';
import { type ComposeDocument, sideCompose } from '../../scripts/stack/compose-file.ts';
import { aPlan } from '../fixtures/plan.ts';
import { recorder } from '../setup/helpers.ts';

const LIMIT_MS = 120_000;
const MESSAGES = 100;

/** `write` ends once the broker has acknowledged all, `read` prints how many of them it has. */
const CLIENTS = {
  nats: `
    import { connect } from '@nats-io/transport-node';
    import { jetstream, jetstreamManager } from '@nats-io/jetstream';
    const nc = await connect({ servers: 'broker:4222', waitOnFirstConnect: true, maxReconnectAttempts: -1 });
    const manager = await jetstreamManager(nc);
    if (what === 'write') {
      await manager.streams.add({ name: 'kept', subjects: ['kept'], storage: 'file' });
      const js = jetstream(nc);
      for (let i = 0; i < ${MESSAGES}; i++) await js.publish('kept', String(i));
    } else {
      console.log((await manager.streams.info('kept')).state.messages);
    }
    await nc.close();`,
  rabbitmq: `
    import { connect } from 'amqplib';
    const retry = () => connect('amqp://broker:5672').catch(() => new Promise((r) => setTimeout(r, 200)).then(retry));
    const connection = await retry();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('kept', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    if (what === 'write') {
      for (let i = 0; i < ${MESSAGES}; i++) channel.sendToQueue('kept', Buffer.from(String(i)), { persistent: true });
      await channel.waitForConfirms();
    } else {
      let found = 0;
      while (await channel.get('kept', { noAck: true })) found++;
      console.log(found);
    }
    await connection.close();`,
};

const docker = (...args: string[]) => run('docker', args, { what: `docker ${args[0]}`, env: process.env });

await setUp({ images: BROKER_NAMES, progress: recorder().progress });
const folder = await mkdtemp(join(tmpdir(), 'mayfly-test-'));
t.teardown(() => rm(folder, { recursive: true }));

/** Starts a broker as the harness starts what belongs to a side. */
async function started(t: Test, kind: keyof typeof CLIENTS) {
  const id = `test${process.pid}${kind}`;
  // Without labels of a run: no sweep takes it for a dead one.
  const plan = aPlan(['candidate'], { runId: id, project: `mayfly-${id}`, labels: {} });
  const network = sideNetwork(plan, 'candidate', 1);
  const compose = (...args: string[]) => docker('compose', '--project-name', plan.project, ...args);
  const resolved = await compose('--file', `compose/brokers/${kind}.yaml`, 'config', '--format', 'json');
  const document = sideCompose(JSON.parse(resolved) as ComposeDocument, plan, 'candidate', 1);
  const file = join(folder, `${kind}.json`);
  await writeFile(file, JSON.stringify(document));
  t.teardown(async () => {
    await compose('--file', file, 'down', '--volumes', '--timeout=0');
    await docker('network', 'rm', network);
  });
  await docker('network', 'create', '--internal', network);
  const begun = performance.now();
  await compose('--file', file, 'up', '--detach', '--wait', `--wait-timeout=${LIMIT_MS / 1000}`);
  t.comment(`${kind}: up after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  const container = (await compose('--file', file, 'ps', '--quiet')).trim();
  const client = (what: 'write' | 'read') =>
    docker(
      'run',
      '--rm',
      '--init',
      `--network=${network}`,
      IMAGES.trigger.ref,
      'node',
      '--input-type=module',
      '--eval',
      `const what = '${what}';${CLIENTS[kind]}`,
    );
  return { container, client };
}

/** Fields of /proc/PID/status of the program that init has started. */
async function statusOf(container: string): Promise<Record<string, string>> {
  const init = (await docker('inspect', '--format={{.State.Pid}}', container)).trim();
  const [child] = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').trim().split(' ');
  const lines = readFileSync(`/proc/${child}/status`, 'utf8').split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not so after ${LIMIT_MS / 1000} s: ${what}`);
    await sleep(200);
  }
}

/** RabbitMQ 3.10 writes names of quorum queues late; killed before, it never finds a leader for the queue again. */
const isNamed = (container: string): Promise<boolean> =>
  docker(
    'exec',
    container,
    'grep',
    '--count',
    'kept',
    '/var/lib/rabbitmq/mnesia/rabbit@broker/quorum/rabbit@broker/names.dets',
  ).then(
    () => true,
    () => false,
  );

for (const kind of ['nats', 'rabbitmq'] as const)
  t.test(`${kind}: has no privilege, and keeps what it has acknowledged when it is killed`, async (t) => {
    const { container, client } = await started(t, kind);
    t.match(await statusOf(container), { CapEff: /^0+$/, CapBnd: /^0+$/, NoNewPrivs: '1' });
    if (kind === 'rabbitmq') t.not((await statusOf(container)).Uid!.split('\t')[0], '0', 'nor is it root');

    await client('write');
    if (kind === 'rabbitmq') await until('the name of the queue is on its disk', () => isNamed(container));
    await docker('kill', container);
    await docker('start', container);
    t.equal((await client('read')).trim(), String(MESSAGES));
  });

t.test('rabbitmq: its health check costs nothing once it is healthy, also after a restart', async (t) => {
  const { container } = await started(t, 'rabbitmq');
  const health = async () => (await docker('inspect', '--format={{.State.Health.Status}}', container)).trim();
  const sleeps = async () => /sleep infinity/.test(await docker('top', container));
  await until('the second probe sleeps', sleeps);
  await docker('restart', '--time=0', container);
  await until('healthy again', async () => (await health()) === 'healthy');
  await until('and the probe sleeps again', sleeps);
  t.equal(await health(), 'healthy');
});
