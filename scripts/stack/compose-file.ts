/**
 * The Compose configurations of a run, as pure functions: what is started is what these return, and the run record
 * keeps it.
 */

import { ZIPKIN } from '../config/broker.ts';
import { oneShotsOf } from '../config/compose-check.ts';
import type { SideName } from '../documents/run.ts';
import { LOG_LIMIT, ONE_ADDRESS_A_NETWORK } from '../engine/engine.ts';
import { LABEL, networkName, sideHost, sideNetwork } from '../engine/names.ts';
import { cpuCount } from '../plan/cpusets.ts';
import type { Plan } from '../plan/plan.ts';
import { BALANCER } from './balancer.ts';

/** A Compose document as `docker compose config --format json` writes it. */
export type ComposeDocument = {
  services: Record<string, any>;
  networks?: Record<string, any>;
  volumes?: Record<string, any>;
} & Record<string, any>;

/** Limits of a service under test that sets none itself. */
const DEFAULT_MEMORY = String(1024 ** 3);
const DEFAULT_PIDS = 512;
/** Prometheus keeps every series that a service makes up: it ends the run before it ends the host. */
const STACK_MEMORY = 4 * 1024 ** 3;

/**
 * What a service under test may never have, whatever its file says; the configuration check has told the user already.
 */
const FORBIDDEN = [
  'build',
  'ports',
  'container_name',
  'privileged',
  'network_mode',
  'pid',
  'ipc',
  'uts',
  'userns_mode',
  'cgroup',
  'cgroup_parent',
  'devices',
  'device_cgroup_rules',
  'volumes_from',
  'external_links',
  'extra_hosts',
  'profiles',
  'runtime',
  'sysctls',
];

/**
 * The services of one side for one round: on the side's network only, capped in CPU, memory and pids,
 * without a capability that their file does not ask for, without a name server outside.
 */
export function sideCompose(resolved: ComposeDocument, plan: Plan, side: SideName, round: number): ComposeDocument {
  const oneShots = oneShotsOf(resolved.services);
  const services = Object.fromEntries(
    Object.entries(resolved.services).map(([name, service]) => {
      const { labels, ...made } = sideService(name, service, plan, side, round);
      return [name, { ...made, labels: { ...labels, [LABEL.oneShot]: oneShots.get(name) ?? '' } }];
    }),
  );
  const volumes = Object.fromEntries(
    Object.entries(unnamed(resolved.volumes ?? {})).map(([name, volume]) => [name, { ...volume, labels: plan.labels }]),
  );
  return {
    services,
    networks: { side: { external: true, name: sideNetwork(plan, side, round) } },
    ...(Object.keys(volumes).length > 0 ? { volumes } : {}),
    ...(resolved.configs ? { configs: unnamed(resolved.configs) } : {}),
    ...(resolved.secrets ? { secrets: unnamed(resolved.secrets) } : {}),
  };
}

function sideService(
  name: string,
  service: Record<string, any>,
  plan: Plan,
  side: SideName,
  round: number,
): Record<string, any> {
  const kept = Object.fromEntries(Object.entries(service).filter(([key]) => !FORBIDDEN.includes(key)));
  const { limits, ...resources } = service.deploy?.resources ?? {};
  const cores = cpuCount(plan.cpusets.services, plan.host.cores);
  const memory = String(memoryLimit(service, plan.host));
  const pids = Number(service.pids_limit ?? limits?.pids ?? DEFAULT_PIDS);
  return {
    ...kept,
    // Limits are said in one place: Compose refuses a service whose two places differ, and where one says nothing.
    ...(service.deploy ? { deploy: { ...service.deploy, resources } } : {}),
    networks: { side: { aliases: aliasesOf(name, plan, side) } },
    // The engine's own name server answers for the side's network; what it does not know goes no further.
    dns: ['127.0.0.1'],
    labels: { ...service.labels, ...plan.labels, ...sideLabels(plan, side, round) },
    init: service.init ?? true, // false: who wants to see what becomes of a service without one
    restart: 'no',
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    pids_limit: pids > 0 ? pids : DEFAULT_PIDS, // -1 would be no limit
    mem_limit: memory,
    memswap_limit: memory,
    cpus: Math.min(Number(limits?.cpus ?? service.cpus ?? cores), cores),
    ...(plan.cpusets.services ? { cpuset: plan.cpusets.services } : {}),
    // Not 0, with which the kernel still starts a handler of core dumps on the host: 1 is its word for none at all
    // (fs/coredump.c).
    ulimits: { ...service.ulimits, core: 1 },
    stop_grace_period: service.stop_grace_period ?? '2s',
    // Two files: what it said last is there even when it has just begun a new one.
    logging: { driver: 'json-file', options: { 'max-size': '8m', 'max-file': '2' } },
  };
}

/** Bytes that a container of a service under test may use; of one that sets no limit itself 1 GiB. */
export const memoryLimit = (service: Record<string, any>, { memory_bytes }: Plan['host']): number =>
  Math.min(Number(service.mem_limit ?? service.deploy?.resources?.limits?.memory ?? DEFAULT_MEMORY), memory_bytes);

/** A balancer answers for the service behind it, whose replicas have the names of their containers. */
function aliasesOf(name: string, plan: Plan, side: SideName): string[] {
  const balanced = plan.sides.find((one) => one.name === side)!.deployment.balancer?.service;
  if (balanced === undefined) return [name, sideHost(name, side)];
  if (name === balanced) return [];
  return name === BALANCER ? [balanced, sideHost(balanced, side)] : [name, sideHost(name, side)];
}

export function sideLabels(plan: Plan, side: SideName, round: number): Record<string, string> {
  // An image may carry labels of its own: those that say what a container is are always set.
  return {
    [LABEL.service]: '',
    [LABEL.side]: side,
    [LABEL.round]: String(round),
    [LABEL.commit]: plan.sides.find((s) => s.name === side)!.commit,
  };
}

/**
 * Prometheus and the exporter: on the control network; Prometheus on those of the sides and of the load generator too,
 * to scrape what is there. Zipkin, where there are traces: on a network of its own, and on those of the sides, whose
 * services send it their spans.
 */
export function runCompose(resolved: ComposeDocument, plan: Plan): ComposeDocument {
  const { load, sides, traces } = plan.networks;
  const short = (network: string) => network.slice(plan.project.length + 1);
  const ofSides = Object.values(sides).flat().map(short);
  const more: Record<string, Record<string, object>> = {
    prometheus: Object.fromEntries([short(load), ...ofSides].map((network) => [network, {}])),
    [ZIPKIN]: Object.fromEntries(ofSides.map((network) => [network, { aliases: [ZIPKIN] }])),
  };
  const started = Object.entries(resolved.services).filter(([name]) => name !== ZIPKIN || traces !== undefined);
  const services = Object.fromEntries(
    started.map(([name, service]) => [
      name,
      {
        ...service,
        networks: { ...service.networks, ...more[name] },
        labels: { ...plan.labels, [LABEL.service]: name },
        sysctls: ONE_ADDRESS_A_NETWORK,
        init: true,
        restart: 'no',
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        pids_limit: DEFAULT_PIDS,
        mem_limit: service.mem_limit ?? String(Math.min(STACK_MEMORY, Math.floor(plan.host.memory_bytes / 2))),
        logging: { driver: 'json-file', options: LOG_LIMIT },
        ...(plan.cpusets.metrics ? { cpuset: plan.cpusets.metrics } : {}),
      },
    ]),
  );
  const networks = Object.fromEntries(
    ['control', short(load), ...ofSides, ...(traces === undefined ? [] : [short(traces)])].map((name) => [
      name,
      { external: true, name: networkName(plan.runId, name) },
    ]),
  );
  return { services, networks };
}

/** Without the names that Compose has given: they hold the project, which is another one. */
const unnamed = (parts: Record<string, any>): Record<string, any> =>
  Object.fromEntries(
    Object.entries(parts).map(([key, part]) => [
      key,
      Object.fromEntries(Object.entries(part ?? {}).filter(([field]) => field !== 'name')),
    ]),
  );
