/**
 * A real broker in a container of its own, from the Compose file that runs use: for the accounting runs and for tests of
 * the trigger service. What it keeps outlives its restart.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import { connect as connectAmqp } from 'amqplib';
import { parse } from 'yaml';
import { ROOT } from '../../../app/open.ts';
import { run } from '../../../core/exec.ts';
import type { Restart } from './draw.ts';

export const BROKER_KINDS = ['nats', 'rabbitmq'] as const;
export type BrokerKind = (typeof BROKER_KINDS)[number];

/**
 * How a broker is restarted. RabbitMQ 3.10 is not killed: after one kill, 0.3 s after the declaration of a quorum queue,
 * `basic.consume` of that queue timed out within the broker, each time, for good.
 */
export const RESTARTS: Record<BrokerKind, readonly Restart[]> = {
  nats: ['broker-stopped', 'broker-killed'],
  rabbitmq: ['broker-stopped'],
};

/** An event as the broker names it. */
export interface Letter {
  id: string;
  source: string;
}

export interface TestBroker extends AsyncDisposable {
  kind: BrokerKind;
  url: string;
  /** As an operator does it, or at once, as the kernel does it to one that is out of memory. */
  restart(how: 'stopped' | 'killed'): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** The dead letters of a trigger. */
  deadLetters(trigger: string): Promise<Letter[]>;
  /** All that the trigger service has set up and kept there goes. */
  forget(triggers: string[]): Promise<void>;
}

interface ComposeFile {
  'x-mayfly': { url: string };
  services: {
    broker: {
      image: string;
      command?: string[];
      user?: string;
      environment?: Record<string, string>;
      configs?: { source: string; target: string }[];
    };
  };
  configs?: Record<string, { content: string }>;
}

/** Starts one; it may take seconds until it answers. */
export async function startBroker(kind: BrokerKind, label: string): Promise<TestBroker> {
  const compose: ComposeFile = parse(readFileSync(join(ROOT, 'compose', 'brokers', `${kind}.yaml`), 'utf8'));
  const { image, command = [], user, environment = {}, configs = [] } = compose.services.broker;
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-broker-'));
  chmodSync(folder, 0o755);
  const name = `mayfly-${label}-${kind}-${process.pid}`;
  const port = await freePort();
  const { protocol, port: inside } = new URL(compose['x-mayfly'].url);
  const labels = ['--label', `dev.mayfly.test=${label}`];
  const mounts = configs.flatMap(({ source, target }) => {
    const file = join(folder, source);
    // Compose writes $$ for $.
    writeFileSync(file, compose.configs![source]!.content.replaceAll('$$', '$'), { mode: 0o644 });
    return ['--volume', `${file}:${target}:ro`];
  });
  await docker('network', 'create', ...labels, name);
  try {
    await docker(
      ...['run', '--detach', '--name', name, '--hostname', 'broker', '--network', name, ...labels, ...mounts],
      ...['--publish', `127.0.0.1:${port}:${inside}`],
      ...Object.entries(environment).flatMap(([variable, value]) => ['--env', `${variable}=${value}`]),
      ...(user ? ['--user', user] : []),
      ...[image, ...command],
    );
  } catch (error) {
    await remove();
    throw error;
  }
  const url = `${protocol}//127.0.0.1:${port}`;
  async function remove(): Promise<void> {
    await docker('rm', '--force', '--volumes', name).catch(() => {});
    await docker('network', 'rm', name).catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  }
  return {
    kind,
    url,
    async restart(how) {
      if (how === 'stopped') return void (await docker('restart', '--time', '10', name));
      await docker('kill', name);
      await docker('start', name);
    },
    stop: async () => void (await docker('stop', '--time', '10', name)),
    start: async () => void (await docker('start', name)),
    ...(kind === 'nats' ? natsCalls(url) : amqpCalls(url)),
    [Symbol.asyncDispose]: remove,
  };
}

/** A port of this host that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

function docker(...args: string[]): Promise<string> {
  return run('docker', args, { what: `docker ${args[0]}`, env: process.env });
}

type Calls = Pick<TestBroker, 'deadLetters' | 'forget'>;

function natsCalls(url: string): Calls {
  const within = async <T>(work: (nats: Awaited<ReturnType<typeof connectNats>>) => Promise<T>): Promise<T> => {
    const nats = await connectNats({ servers: url, waitOnFirstConnect: true, reconnectTimeWait: 100, resolve: false });
    try {
      return await work(nats);
    } finally {
      await nats.close();
    }
  };
  return {
    deadLetters: (trigger) =>
      within(async (nats) => {
        const manager = await jetstreamManager(nats, { checkAPI: false });
        const subject = `dead-letters.${trigger}`;
        const { state } = await manager.streams.info('dead-letters', { subjects_filter: subject });
        const count = (state.subjects as Record<string, number> | undefined)?.[subject] ?? 0;
        const letters: Letter[] = [];
        if (count === 0) return letters;
        const consumer = await manager
          .jetstream()
          .consumers.get('dead-letters', { filter_subjects: subject, deliver_policy: DeliverPolicy.All });
        for await (const message of await consumer.fetch({ max_messages: count, expires: 10_000 })) {
          letters.push({ id: message.headers!.get('ce-id'), source: message.headers!.get('ce-source') });
          if (letters.length === count) break;
        }
        return letters;
      }),
    forget: () =>
      within(async (nats) => {
        const manager = await jetstreamManager(nats, { checkAPI: false });
        for (const stream of ['events', 'dead-letters']) await manager.streams.delete(stream).catch(() => {});
      }),
  };
}

function amqpCalls(url: string): Calls {
  const within = async <T>(
    work: (channel: Awaited<ReturnType<Awaited<ReturnType<typeof connectAmqp>>['createChannel']>>) => Promise<T>,
  ): Promise<T> => {
    const model = await connectAmqp(url, { recovery: { initialDelay: 100, maxDelay: 500 } });
    try {
      return await work(await model.createChannel());
    } finally {
      await model.close();
    }
  };
  return {
    deadLetters: (trigger) =>
      within(async (channel) => {
        const letters: Letter[] = [];
        // Not acknowledged: they come back when the channel is closed.
        for (;;) {
          const message = await channel.get(`dead-letters.${trigger}`);
          if (!message) return letters;
          const { headers = {} } = message.properties;
          letters.push({ id: String(headers['cloudEvents:id']), source: String(headers['cloudEvents:source']) });
        }
      }),
    forget: (triggers) =>
      within(async (channel) => {
        for (const trigger of triggers) {
          await channel.deleteQueue(`events.${trigger}`);
          await channel.deleteQueue(`dead-letters.${trigger}`);
        }
        await channel.deleteExchange('events');
      }),
  };
}
