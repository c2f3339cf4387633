/** `broker` of a benchmark.yaml: the Compose file of its broker, and its triggers. */
import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { BenchmarkSpec } from './benchmark.types.ts';
import { checkCompose, composeMounts, composeServices } from './compose-check.ts';
import { parseDuration, parseSize } from './quantities.ts';
import { shown } from './schema.ts';
import { overlap } from './telemetry-check.ts';
import { readTriggers, type Subscribers } from './triggers-check.ts';
import type { BrokerConfig, Config } from './types.ts';
import type { Fault, YamlFile, YamlPath } from './yaml-file.ts';

/** The services that Mayfly adds to each side. */
export const BROKER_SERVICES = ['broker', 'trigger'] as const;

/** Kinds that Mayfly has a Compose file of: compose/brokers/<kind>.yaml. */
const KINDS = ['nats', 'rabbitmq'] as const;
const kindOf = (kind: string) => KINDS.find((one) => one === kind);
/** Protocols that the trigger service speaks. */
const PROTOCOLS = ['nats:', 'amqp:'];
/** Where a service has the folder of its records, unless the benchmark names its telemetry folder. */
export const RECORDS_FOLDER = '/mayfly/records';
const LEAST_BYTES = 2 ** 20;
const MOST_BYTES = 4 * 2 ** 30;
const LONGEST_S = 3600;

type Say = (path: YamlPath, text: string) => Fault;

export interface BrokerSurroundings extends Subscribers {
  /** The checkout. */
  root: string;
  /** The benchmark's folder, absolute. */
  dir: string;
  /** Reads a YAML file. */
  read: (file: string) => YamlFile;
}

/** The images that a benchmark needs beside those of every run, by their names in scripts/images/images.ts. */
export function chainImages({ broker, traces, deployments }: Pick<Config, 'broker' | 'traces' | 'deployments'>) {
  const kind = broker && kindOf(broker.kind);
  const isBalanced = Object.values(deployments).some(({ balancer }) => balancer !== null);
  return [
    ...(kind ? [kind] : []),
    ...(broker ? (['trigger'] as const) : []),
    ...(traces ? (['zipkin'] as const) : []),
    ...(isBalanced ? (['haproxy'] as const) : []),
  ];
}

/** Absolute path of the Compose file of a broker. */
const fileOf = (kind: string, { root, dir }: Pick<BrokerSurroundings, 'root' | 'dir'>) =>
  kindOf(kind) ? join(root, 'compose', 'brokers', `${kind}.yaml`) : resolve(dir, kind);

/** What is used of a broker, or everything that is wrong with it, its Compose file and its triggers. */
export function readBroker(
  spec: NonNullable<BenchmarkSpec['broker']>,
  around: BrokerSurroundings,
  say: Say,
): { broker: BrokerConfig } | { faults: Fault[] } {
  const drainS = parseDuration(spec.drain)!;
  const recordsBytes = parseSize(spec.records);
  const file = fileOf(spec.kind, around);
  const own = kindOf(spec.kind) === undefined;
  const faults = [
    ...(drainS > LONGEST_S ? [say(['broker', 'drain'], `must be from 0s to 1h, got ${spec.drain}`)] : []),
    ...(recordsBytes < LEAST_BYTES || recordsBytes > MOST_BYTES
      ? [say(['broker', 'records'], `must be from 1MiB to 4GiB, got ${spec.records}`)]
      : []),
    ...(own ? checkFile(['broker', 'kind'], spec.kind, around, say) : []),
    ...checkFile(['broker', 'triggers'], spec.triggers, around, say),
  ];
  if (faults.length > 0) return { faults };
  const found = readTriggers(around.read(resolve(around.dir, spec.triggers)), around);
  const compose = around.read(file);
  const all = [...('faults' in found ? found.faults : []), ...(own ? checkBrokerFile(compose, around.dir) : [])];
  if ('faults' in found || all.length > 0) return { faults: all };
  return {
    broker: {
      kind: spec.kind,
      file,
      url: urlOf(compose)!,
      triggers: found.triggers,
      services: (around.services ?? []).filter((name) => !around.oneShots.has(name)),
      drainS,
      notDrained: spec.not_drained,
      recordsBytes,
    },
  };
}

function checkFile(path: YamlPath, name: string, { dir }: BrokerSurroundings, say: Say): Fault[] {
  const file = resolve(dir, name);
  if (isAbsolute(name) || !`${file}/`.startsWith(`${dir}/`))
    return [say(path, `must be a file in the benchmark's folder, got ${shown(name)}`)];
  if (!existsSync(file)) return [say(path, `is not there: ${name}, counted from the benchmark's folder`)];
  return statSync(file).isFile() ? [] : [say(path, `must be a file, but ${name} is none`)];
}

/**
 * The Compose file of a broker is held to what is asked of a benchmark's, and to two things more. It needs no health
 * check: the trigger service, which has one, is healthy when the broker has answered it.
 */
function checkBrokerFile(file: YamlFile, dir: string): Fault[] {
  const faults = checkCompose(file, dir, [], false);
  const services = composeServices(file);
  if (services === null) return faults;
  if (services.length !== 1 || services[0] !== 'broker')
    faults.push(file.fault(['services'], `must have one service, called broker; got ${services.join(', ')}`));
  if (urlOf(file) === null)
    faults.push(
      file.fault(
        ['x-mayfly', 'url'],
        `must be where the trigger service finds the broker, nats://broker:PORT or amqp://broker:PORT; write x-mayfly: {url: nats://broker:4222} at the top; got ${shown(said(file))}`,
      ),
    );
  return faults;
}

const said = ({ value }: YamlFile): unknown =>
  (value as { 'x-mayfly'?: { url?: unknown } | null } | null)?.['x-mayfly']?.url;

function urlOf(file: YamlFile): string | null {
  const text = said(file);
  if (typeof text !== 'string' || !URL.canParse(text)) return null;
  const { protocol, hostname } = new URL(text);
  return PROTOCOLS.includes(protocol) && hostname === 'broker' ? text : null;
}

/** The name of the run's Zipkin on the networks of the sides. */
export const ZIPKIN = 'zipkin';

/** Fault of the benchmark's own Compose file where there are traces. */
export const checkTraced = (compose: YamlFile): Fault[] =>
  composeServices(compose)?.includes(ZIPKIN)
    ? [
        compose.fault(
          ['services', ZIPKIN],
          `must have another name: with traces in benchmark.yaml ${ZIPKIN} is where Mayfly gathers them`,
        ),
      ]
    : [];

/** Faults of the benchmark's own Compose file: what gets in the way of what a broker brings. */
export function checkAdded(compose: YamlFile): Fault[] {
  const mounts = composeMounts(compose) ?? {};
  return [
    ...BROKER_SERVICES.filter((name) => Object.hasOwn(mounts, name)).map((name) =>
      compose.fault(
        ['services', name],
        `must have another name: with broker in benchmark.yaml Mayfly adds a service of its own that is called ${name}`,
      ),
    ),
    ...Object.keys(mounts)
      .filter((name) => !/^[A-Za-z0-9]/.test(name))
      .map((name) =>
        compose.fault(
          ['services', name],
          'must start with a letter or a digit: with broker in benchmark.yaml it gets a volume of this name for its records of events',
        ),
      ),
    ...Object.entries(mounts).flatMap(([name, targets]) =>
      targets.some((target) => overlap(target, RECORDS_FOLDER))
        ? [
            compose.fault(
              ['services', name],
              `must mount nothing at, in or above ${RECORDS_FOLDER}: with broker in benchmark.yaml its records of events are there`,
            ),
          ]
        : [],
    ),
  ];
}
