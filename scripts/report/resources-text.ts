/** Requests and limits of services: as a table, as Compose, as Kubernetes. Pure. */
import { stringify } from 'yaml';
import { plainText, plural } from '../core/text.ts';
import type { Exceeded, ResourcesDocument, ServiceAdvice } from '../documents/resources.ts';
import { columns } from './columns.ts';
import { formatPercent, NO_VALUE } from './units.ts';

const MIB = 1024 ** 2;
const memoryText = (bytes: number | null) => (bytes === null ? NO_VALUE : `${Number((bytes / MIB).toFixed(1))} MiB`);
const cpuText = (cores: number | null) => (cores === null ? NO_VALUE : String(Number(cores.toFixed(3))));
const TEXT = { memory: memoryText, cpu: cpuText } as const;

/** Unknown runs that are named; each reason is counted. */
const MOST_NAMED = 3;

/** What it rests on, a line each. */
export function groundLines({ days, runs, formula, benchmark, variant }: ResourcesDocument): string[] {
  const reasons = Map.groupBy(runs.unknown, ({ why }) => why);
  return [
    `${plainText(benchmark)}${variant === null ? '' : ` (${plainText(variant)})`}: ${plural(runs.counted, 'run')} on ${plural(days.counted, 'day')} of the last ${days.asked}, ${days.first.slice(0, 10)} to ${days.last.slice(0, 10)}${runs.read_from_archive > 0 ? `; ${runs.read_from_archive} of them read from the archive` : ''}`,
    ...[...reasons].map(
      ([why, all]) =>
        `${plural(all.length, 'run')} not known: ${plainText(why)} (${all
          .slice(0, MOST_NAMED)
          .map(({ run_id }) => run_id)
          .join(', ')}${all.length > MOST_NAMED ? ', ...' : ''})`,
    ),
    formula,
  ];
}

export function resourcesTable(document: ResourcesDocument, color: boolean): string {
  const rows = document.services.flatMap((service) =>
    (['memory', 'cpu'] as const).map((what) => {
      const { p90, max, request, limit } = service[what];
      const set = service.set[what];
      return [
        plainText(service.service),
        what === 'cpu' ? 'CPU, cores' : 'memory',
        String(service.runs),
        ...[p90, max, request, set.request, limit, set.limit].map(TEXT[what]),
      ];
    }),
  );
  const killed = document.services.filter((service) => service.out_of_memory > 0);
  return [
    columns(['service', '', 'runs', 'p90 of peaks', 'greatest', 'request', 'set', 'limit', 'set'], rows, {
      left: 2,
      color,
    }),
    '',
    ...groundLines(document),
    `set: by the Compose file, as run ${document.set_by} was started; a service that sets no memory limit had one of 1024 MiB`,
    ...killed.map(
      (one) =>
        `${plainText(one.service)} was killed for its memory in ${plural(one.out_of_memory, 'run')}: what it would have used is taken as 20 % or 100 MiB more`,
    ),
  ].join('\n');
}

/** "75M" is decimal for Kubernetes and binary for Compose: MiB are written so that each reads what is meant. */
const composeMemory = (bytes: number) => `${bytes / MIB}M`;
const kubernetesMemory = (bytes: number) => `${bytes / MIB}Mi`;
const millicores = (cores: number) => `${Math.round(cores * 1000)}m`;

const comments = (lines: readonly string[]) => lines.map((line) => `# ${line}\n`).join('');

/** To be laid over the Compose file of the benchmark, or copied into it. */
export function composeYaml(document: ResourcesDocument): string {
  const services = Object.fromEntries(
    document.services.map(({ service, memory, cpu }) => [
      service,
      {
        deploy: {
          resources: {
            reservations: { cpus: cpuText(cpu.request), memory: composeMemory(memory.request) },
            limits: { cpus: cpuText(cpu.limit), memory: composeMemory(memory.limit) },
          },
        },
      },
    ]),
  );
  return comments(groundLines(document)) + stringify({ services });
}

/** What Kubernetes takes where a benchmark names no autoscaler: of CPU 80 %, its own default; two replicas to four. */
const DEFAULT_SCALE = { metric: 'cpu', target: 0.8, min: 2, max: 4 } as const;

/**
 * Of each service a part of its Deployment, for `kubectl patch` or kustomize; of one that is replicated an autoscaler
 * (autoscaling/v2) and a disruption budget (policy/v1) too.
 */
export function kubernetesYaml(document: ResourcesDocument): string {
  const parts = document.services.flatMap((service) => [
    deploymentPart(service, document),
    ...(document.replicated.includes(service.service)
      ? [autoscaler(service.service, document), disruptionBudget(service.service)]
      : []),
  ]);
  const notes = [
    ...groundLines(document),
    'Each Deployment is a part of one: kubectl patch or kustomize lays it over yours. Names and the label app are to be yours.',
    ...(document.replicated.length === 0
      ? ['No service ran in several replicas or behind a balancer: no HorizontalPodAutoscaler, no PodDisruptionBudget.']
      : []),
  ];
  return comments(notes) + parts.map((part) => stringify(part)).join('---\n');
}

/** Kubernetes' names are of lower-case letters, digits and -. */
const nameOf = (service: string) => service.toLowerCase().replace(/[^a-z0-9-]+/g, '-');

function deploymentPart({ service, memory, cpu }: ServiceAdvice, { replicated }: ResourcesDocument) {
  const name = nameOf(service);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      ...(replicated.includes(service)
        ? { strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } }
        : {}),
      template: {
        spec: {
          containers: [
            {
              name,
              resources: {
                requests: { cpu: millicores(cpu.request), memory: kubernetesMemory(memory.request) },
                limits: { cpu: millicores(cpu.limit), memory: kubernetesMemory(memory.limit) },
              },
            },
          ],
        },
      },
    },
  };
}

function autoscaler(service: string, { autoscale }: ResourcesDocument) {
  const own = autoscale?.service === service ? autoscale : undefined;
  const { metric, target, min, max } = own ?? DEFAULT_SCALE;
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: nameOf(service) },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: nameOf(service) },
      minReplicas: min,
      maxReplicas: max,
      metrics: [
        {
          type: 'Resource',
          resource: { name: metric, target: { type: 'Utilization', averageUtilization: Math.round(target * 100) } },
        },
      ],
      ...(own ? { behavior: { scaleDown: { stabilizationWindowSeconds: Math.round(own.cooldown_s) } } } : {}),
    },
  };
}

const disruptionBudget = (service: string) => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: nameOf(service) },
  spec: { maxUnavailable: 1, selector: { matchLabels: { app: nameOf(service) } } },
});

/** What --check has found, a line each. */
export function checkLines({ exceeded = [], runs, services }: ResourcesDocument): string[] {
  const nothing = services.filter(({ set: { memory, cpu } }) => memory.request === null && cpu.request === null);
  const unset = nothing.map(
    ({ service }) =>
      `${plainText(service)} sets no request (deploy.resources.reservations): only its limits are checked`,
  );
  if (exceeded.length === 0) return [`${plural(runs.counted, 'run')} within what the Compose file sets`, ...unset];
  return [...exceeded.map(exceededLine), ...unset];
}

function exceededLine({ run_id, side, round, service, replica, what, used, set, killed }: Exceeded): string {
  const where = `run ${run_id}, round ${round} of the ${side}: ${plainText(service)}${replica === null ? '' : ` (replica ${replica})`}`;
  const text = TEXT[what.startsWith('memory') ? 'memory' : 'cpu'];
  const name = what.replace('cpu', 'CPU');
  const unit = what.startsWith('cpu') ? ' cores' : '';
  if (killed) return `${where} went over its memory limit of ${text(set)}: the kernel killed a process of it`;
  if (what.endsWith('limit'))
    return `${where} reached its ${name}: ${text(used)} of ${text(set)}${unit}, ${formatPercent(used / set)}`;
  return `${where} exceeds its ${name}: ${text(used)} of ${text(set)}${unit}, ${formatPercent(used / set - 1)} more`;
}
