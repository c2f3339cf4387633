/**
 * HAProxy in front of the replicas of a service: its configuration, and what becomes of the services of a side that has
 * one (docs/deployments.md). Pure.
 */
import type { BalancerConfig, Deployment } from '../config/types.ts';
import type { SideName } from '../documents/run.ts';
import { roundProject } from '../engine/names.ts';
import type { Plan } from '../plan/plan.ts';
import type { ComposeDocument } from './compose-file.ts';

/** Its name among the services of a side. */
export const BALANCER = 'balancer';
export const BALANCER_METRICS_PORT = 8404;
export const BALANCER_SOCKET = '/tmp/haproxy.sock';
/** The backend with the replicas. */
export const BACKEND = 'replicas';
/** What it may have: 4,000 connections at both ends, with two buffers of 16 kB each. */
const BALANCER_MEMORY = 256 * 1024 ** 2;
const MOST_CONNECTIONS = 4000;
/** Of a slot that no replica is in: nothing listens there. */
const NOWHERE = '127.0.0.1:1';

type Service = ComposeDocument['services'][string];

/** Containers that Compose starts of a service. */
export const replicasOf = (service: Service): number => Number(service.deploy?.replicas ?? service.scale ?? 1);

/**
 * Slots of the balancer, more than there are ever replicas at once: a new one then has a slot that was nobody's, and with
 * it counters and a cookie of its own.
 */
export function slotNames({ balancer, autoscale }: Deployment, first: number): string[] {
  const most = Math.max(first, autoscale?.service === balancer?.service ? (autoscale?.max ?? 0) : 0);
  return Array.from({ length: 2 * most + 2 }, (_, i) => `r${i + 1}`);
}

/**
 * Replicas begin in the first slots; the others are empty until somebody is put there. Of what was sent to a replica
 * nothing is sent again: only where there was no connection another one is tried, at once another replica.
 */
export function balancerConfig(
  { port, sticky, health }: BalancerConfig,
  slots: readonly string[],
  first: readonly string[],
): string {
  const cookie = (slot: string) => (sticky === 'cookie' ? ` cookie ${slot}` : '');
  const servers = slots.map((slot, i) =>
    first[i] === undefined
      ? `  server ${slot} ${NOWHERE}${cookie(slot)} disabled`
      : `  server ${slot} ${first[i]}:${port}${cookie(slot)}`,
  );
  return `${[
    'global',
    `  maxconn ${MOST_CONNECTIONS}`,
    '  nbthread 1',
    '  # No port: who shares the network could give orders there.',
    `  stats socket ${BALANCER_SOCKET} mode 600 level admin`,
    '  log stdout format raw daemon notice',
    'defaults',
    '  mode http',
    '  log global',
    '  option redispatch 1',
    '  retries 3',
    '  retry-on conn-failure',
    '  timeout connect 500ms',
    '  # Uploads and long answers: the load generator has a limit of its own.',
    '  timeout client 15m',
    '  timeout server 15m',
    '  timeout queue 15m',
    '  # A replica that takes connections is alive. It may be busy.',
    '  timeout check 1s',
    'frontend service',
    `  bind :${port}`,
    `  default_backend ${BACKEND}`,
    `backend ${BACKEND}`,
    '  balance roundrobin',
    ...(sticky === 'cookie' ? ['  cookie MAYFLY insert indirect nocache'] : []),
    '  option httpchk',
    `  http-check send meth GET uri ${quoted(health)} ver HTTP/1.1 hdr Host balancer`,
    '  http-check expect status 200',
    '  default-server check inter 250ms fall 2 rise 1 init-addr libc',
    ...servers,
    'frontend metrics',
    `  bind :${BALANCER_METRICS_PORT}`,
    '  monitor-uri /ready',
    '  http-request use-service prometheus-exporter if { path /metrics }',
    '  http-request return status 404',
  ].join('\n')}\n`;
}

/** A word of HAProxy's configuration: nothing in it means anything. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
/** Compose fills in what begins with a $. */
const plain = (text: string) => text.replaceAll('$', '$$$$');

/**
 * Its first probe waits until it takes requests: its replicas are well before it starts. The second one sleeps for as
 * long as it lives: a probe while the load runs would be measured.
 */
const PROBE = `started=$(cut -d' ' -f22 /proc/1/stat)
if [ "$(cat /tmp/healthy 2>/dev/null)" = "$started" ]; then exec sleep infinity; fi
until { exec 3<>/dev/tcp/127.0.0.1/${BALANCER_METRICS_PORT} && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ "$status" = 200 ]; } 2>/dev/null; do sleep 0.1; done
echo "$started" > /tmp/healthy`;

const CONFIG_FILE = '/tmp/haproxy.cfg';

/**
 * The services of a side as its deployment has them: so many replicas, and the balancer before those of its service. Who
 * waits for that service waits for the balancer too, and finds it under the service's name.
 */
export function withDeployment(document: ComposeDocument, plan: Plan, side: SideName, round: number): ComposeDocument {
  const { deployment } = plan.sides.find(({ name }) => name === side)!;
  const { balancer, replicas } = deployment;
  if (balancer === null && Object.keys(replicas).length === 0) return document;
  const services = Object.fromEntries(
    Object.entries(document.services).map(([name, service]) => {
      const count = replicas[name];
      if (count === undefined) return [name, service];
      const { scale: _, ...rest } = service;
      return [name, { ...rest, deploy: { ...service.deploy, replicas: count } }];
    }),
  );
  return balancer === null
    ? { ...document, services }
    : withBalancer({ ...document, services }, deployment, balancer, plan, roundProject(plan, side, round));
}

function withBalancer(
  document: ComposeDocument,
  deployment: Deployment,
  balancer: BalancerConfig,
  plan: Plan,
  project: string,
): ComposeDocument {
  const { service: name } = balancer;
  const balanced = document.services[name]!;
  const first = Array.from({ length: replicasOf(balanced) }, (_, i) => `${project}-${name}-${i + 1}`);
  const content = balancerConfig(balancer, slotNames(deployment, first.length), first);
  const before = waitedFor(document.services, name);
  const services = Object.entries(document.services).map(([other, service]) => {
    if (other === name || before.has(other)) return [other, service];
    const waits = service.depends_on?.[name] !== undefined;
    return [
      other,
      {
        ...service,
        // Compose gives each replica the name of its service, too. A link comes before it.
        links: [`${BALANCER}:${name}`],
        ...(waits
          ? { depends_on: { ...service.depends_on, [BALANCER]: { condition: 'service_healthy', required: true } } }
          : {}),
      },
    ];
  });
  return {
    ...document,
    services: {
      ...Object.fromEntries(services),
      [BALANCER]: {
        image: plan.ownImages.haproxy!,
        user: 'haproxy',
        entrypoint: ['haproxy', '-db', '-f', CONFIG_FILE],
        command: [],
        configs: [{ source: OWN_CONFIG, target: CONFIG_FILE }],
        depends_on: {
          [name]: { condition: balanced.healthcheck ? 'service_healthy' : 'service_started', required: true },
        },
        healthcheck: { test: ['CMD', 'bash', '-c', plain(PROBE)], interval: '100ms', timeout: '24h', retries: 1 },
        cpus: 1,
        mem_limit: String(BALANCER_MEMORY),
        ulimits: { nofile: 4 * MOST_CONNECTIONS },
        stop_signal: 'SIGTERM',
        stop_grace_period: '1s',
      },
    },
    configs: { ...(document.configs as object | undefined), [OWN_CONFIG]: { content: plain(content) } },
  };
}

const OWN_CONFIG = 'mayfly-balancer';

/** Those that a service waits for, and those that they wait for. */
function waitedFor(services: ComposeDocument['services'], name: string, found = new Set<string>()): Set<string> {
  for (const on of Object.keys(services[name]?.depends_on ?? {})) {
    if (found.has(on)) continue;
    found.add(on);
    waitedFor(services, on, found);
  }
  return found;
}
