/**
 * One accounting run: a real broker, the trigger service, a producer and consumers as processes of their own, disturbed
 * as it was drawn; then the records are held against all others' own accounts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../../../app/open.ts';
import type { EventsDocument } from '../../../documents/run.ts';
import { accountFor } from '../../../events/account.ts';
import { type RecordFindings, readRecords } from '../../../events/records.ts';
import { freePort, type TestBroker } from './brokers.ts';
import type { Disturbance, Drawn } from './draw.ts';
import { differences, type Handling } from './expected.ts';

export interface Result {
  document: EventsDocument;
  /** None: the accounting is exact. */
  differences: string[];
  /** Kills between the end of a consumer's work and its record: nobody can tell of that work. */
  unseen: number;
}

interface Service {
  child: ChildProcess;
  ended: Promise<number | null>;
}

/** A killed consumer, and how many lines it had written. */
interface Place {
  folder: string;
  services: Map<string, Service>;
  killed: Set<number>;
  /** The consumers' processes in the order in which they were started. */
  pids: number[];
}

const TRIGGER = join(ROOT, 'compose', 'images', 'trigger', 'main.ts');
const SERVERS = join(ROOT, 'scripts', 'dev', 'perf', 'servers');
const POLL_MS = 20;
/** Until the backlog must be 0 after all is sent: a broker's restart, and the time after which it delivers again. */
const DRAIN_MS = 60_000;
const END_MS = 10_000;

export async function accountingRun(drawn: Drawn, broker: TestBroker, folder: string): Promise<Result> {
  mkdirSync(folder, { recursive: true });
  const place: Place = { folder, services: new Map(), killed: new Set(), pids: [] };
  const startedMs = Date.now();
  try {
    const deadLetters = await disturbedRun(drawn, broker, place);
    await Promise.all([...place.services.values()].map(end));
    const { handlings, unseen } = ownHandlings(place);
    const document = await documentOf(drawn, place, startedMs);
    const offered = words(join(folder, 'producer.txt'), 'offered');
    const taken = new Set(words(join(folder, 'producer.txt'), 'taken'));
    return { document, unseen, differences: differences(drawn, { offered, taken, handlings, deadLetters }, document) };
  } finally {
    for (const { child } of place.services.values()) child.kill('SIGKILL');
    await broker.forget(drawn.triggers.map(({ name }) => name));
  }
}

/** Until all events are settled. Returns the dead letters. */
async function disturbedRun(drawn: Drawn, broker: TestBroker, place: Place) {
  const ports = await Promise.all(Array.from({ length: drawn.consumers + 2 }, freePort));
  const [ingress, scraped, ...consumers] = ports as [number, number, ...number[]];
  const triggers = drawn.triggers.map(({ consumer, ...trigger }) => ({
    ...trigger,
    subscriber: `http://127.0.0.1:${consumers[consumer]}/`,
  }));
  const slowest = Math.max(...drawn.triggers.map(({ timeoutS }) => timeoutS));
  const startTrigger = () =>
    start(place, 'trigger', TRIGGER, {
      MAYFLY_BROKER: broker.url,
      MAYFLY_TRIGGERS: JSON.stringify(triggers),
      MAYFLY_INGRESS_PORT: String(ingress),
      MAYFLY_METRICS_PORT: String(scraped),
    });
  const startConsumer = (n: number) => {
    const { child } = start(place, `consumer-${n}`, join(SERVERS, 'event-consumer.ts'), {
      PORT: String(consumers[n]),
      HOST: '127.0.0.1',
      ACCOUNT: join(place.folder, 'handled'),
      SEED: String(drawn.seed + n),
      REFUSED: String(drawn.refused),
      SLOW: String(drawn.slow),
      SLOW_MS: String(slowest * 1000 + 150),
    });
    place.pids.push(child.pid!);
  };
  startTrigger();
  for (let n = 0; n < drawn.consumers; n++) startConsumer(n);
  const producer = start(place, 'producer', join(SERVERS, 'event-producer.ts'), {
    K_SINK: `http://127.0.0.1:${ingress}/`,
    ACCOUNT: join(place.folder, 'producer.txt'),
    PLAN: JSON.stringify(drawn),
  });

  const disturb = async ({ what, at, pauseMs, consumer }: Disturbance) => {
    const count = Math.ceil(at * drawn.events.length);
    while (words(join(place.folder, 'producer.txt'), 'offered').length < count) await sleep(POLL_MS);
    if (what === 'broker-stopped') return broker.restart('stopped');
    if (what === 'broker-killed') return broker.restart('killed');
    const name = what === 'consumer-killed' ? `consumer-${consumer}` : 'trigger';
    const { child, ended } = place.services.get(name)!;
    if (name !== 'trigger') place.killed.add(child.pid!);
    child.kill(what === 'trigger-stopped' ? 'SIGTERM' : 'SIGKILL');
    await ended;
    await sleep(pauseMs);
    if (name === 'trigger') startTrigger();
    else startConsumer(consumer);
  };
  await Promise.all([...drawn.disturbances.map(disturb), mustEnd('the producer', producer)]);
  await drained(scraped, drawn.triggers.length, place);
  // One that was started last of all has no handler of SIGTERM yet.
  await Promise.all(consumers.map((port) => serves(port)));
  await end(place.services.get('trigger')!);
  const deadLetters = new Map<string, Awaited<ReturnType<TestBroker['deadLetters']>>>();
  for (const { name } of drawn.triggers) deadLetters.set(name, await broker.deadLetters(name));
  return deadLetters;
}

function start(place: Place, name: string, file: string, env: Record<string, string>): Service {
  const records = join(place.folder, 'records', name);
  mkdirSync(records, { recursive: true });
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      OTEL_SERVICE_NAME: name,
      MAYFLY_TELEMETRY: records,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(join(place.folder, `${name}.log`), { flags: 'a' });
  child.stdout!.pipe(log, { end: false });
  child.stderr!.pipe(log, { end: false });
  const { promise: ended, resolve } = Promise.withResolvers<number | null>();
  child.on('exit', (code) => resolve(code));
  const service = { child, ended };
  place.services.set(name, service);
  return service;
}

async function mustEnd(what: string, { ended }: Service): Promise<void> {
  const code = await ended;
  if (code !== 0) throw new Error(`${what} ended with ${code}`);
}

/** With SIGTERM, to which all of them end with 0. */
async function end(service: Service): Promise<void> {
  service.child.kill('SIGTERM');
  const late = sleep(END_MS, 'late' as const, { ref: false });
  const code = await Promise.race([service.ended, late]);
  if (code !== 0) throw new Error(`${service.child.spawnargs.at(-1)} ended with ${code} at SIGTERM`);
}

async function serves(port: number): Promise<void> {
  const untilMs = Date.now() + DRAIN_MS;
  const isThere = () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isThere())) {
    if (Date.now() > untilMs) throw new Error(`no consumer serves on port ${port} after ${DRAIN_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** The broker says so itself, by the trigger service's metrics. */
async function drained(port: number, triggers: number, { services }: Place): Promise<void> {
  const untilMs = Date.now() + DRAIN_MS;
  let last: string[] = [];
  while (Date.now() < untilMs) {
    const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    );
    last = [...text.matchAll(/^mayfly_events_backlog\{.*\} (.*)$/gm)].map(([, value]) => value!);
    if (last.length === triggers && last.every((value) => value === '0')) return;
    for (const [name, { child }] of services)
      if (name !== 'producer' && child.exitCode !== null) throw new Error(`${name} has ended with ${child.exitCode}`);
    await sleep(POLL_MS);
  }
  throw new Error(`not drained within ${DRAIN_MS / 1000} s; the backlogs are: ${last.join(', ') || 'not known'}`);
}

/**
 * A consumer that is killed in the microseconds between its work and its record has done what nobody can tell of: the
 * last line of its own account, which has no record, is left out, and counted.
 */
function ownHandlings({ folder, killed, pids }: Place): { handlings: Handling[]; unseen: number } {
  const handlings: Handling[] = [];
  let unseen = 0;
  for (const pid of pids) {
    const lines = linesOf(join(folder, `handled.${pid}`));
    if (killed.has(pid) && lines.length === consumedBy(folder, pid) + 1) {
      lines.pop();
      unseen++;
    }
    const own = lines.map((line) => {
      const [began, trigger, source, id] = line.split(' ') as [string, string, string, string];
      return { began: Number(began), trigger, source, id };
    });
    handlings.push(...own.sort((a, b) => a.began - b.began));
  }
  return { handlings, unseen };
}

function consumedBy(folder: string, pid: number): number {
  const records = join(folder, 'records');
  return readdirSync(records, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.includes(`/events-${pid}-`))
    .flatMap((file) => linesOf(join(records, file)))
    .filter((line) => line.includes('"e":"consumed"')).length;
}

async function documentOf(drawn: Drawn, { folder }: Place, startedMs: number): Promise<EventsDocument> {
  const records = join(folder, 'records');
  const endMs = Date.now() + 1000;
  const findings: RecordFindings = { unreadable: 0, notes: [] };
  const files = readdirSync(records).map((service) => ({
    service,
    role: service === 'trigger' ? ('trigger' as const) : ('function' as const),
    paths: readdirSync(join(records, service)).map((file) => join(records, service, file)),
  }));
  const triggers = drawn.triggers.map(({ name }) => name);
  const read = readRecords(files, { triggers, fromMs: startedMs - 1000, toMs: endMs }, findings);
  return accountFor(read, { windowStartMs: startedMs - 1000, windowEndMs: endMs, drained: true, findings });
}

/** The second words of the lines that begin with the first one. */
function words(file: string, first: string): string[] {
  return linesOf(file)
    .filter((line) => line.startsWith(`${first} `))
    .map((line) => line.slice(first.length + 1));
}

/** The complete ones. */
function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}
