/**
 * What a run may use of the host's memory at most, held against what there is before anything is built. Pure.
 * Only where the benchmark names deployments or disturbances: limits are no use, and a run of one container of each
 * service has never been held to their sum.
 */
import { oneShotsOf } from '../config/compose-check.ts';
import { UsageError } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import { generatorMemory } from '../plan/memory.ts';
import type { Plan, SidePlan } from '../plan/plan.ts';
import { replicasOf, withDeployment } from './balancer.ts';
import { type ComposeDocument, memoryLimit, runCompose } from './compose-file.ts';
import { foldersOf, SIDECAR_MEMORY } from './telemetry.ts';

/** A line of the sum. */
interface Part {
  bytes: number;
  text: string;
}

/**
 * Refuses a run whose limits do not fit, with the sum, line by line.
 * `services`: those of each side as Compose reads them. `run`: compose/run.yaml.
 */
export function mustFit(plan: Plan, services: ReadonlyMap<SideName, ComposeDocument>, run: ComposeDocument): void {
  const { disturbances, file } = plan.config;
  if (disturbances.length === 0 && plan.sides.every(({ deployment }) => isPlain(deployment))) return;
  for (const side of plan.sides) mustFitWithin(plan, side, services.get(side.name)!);
  const parts = [...partsOfSides(plan, services), ...partsOfRun(plan, run)];
  const sum = parts.reduce((total, { bytes }) => total + bytes, 0);
  const has = plan.host.memory_bytes;
  if (sum <= has) return;
  throw new UsageError(
    [
      `${file}: the run may use ${size(sum)} of memory, and this host has ${size(has)}:`,
      ...parts.map(({ bytes, text }) => `  ${text} = ${size(bytes)}`),
    ].join('\n'),
    {
      hint: `Nothing was built. Lower the memory limits of the services (1 GiB where none is set) or the number of replicas${plan.pairing === 'interleaved' ? '; --pairing=alternating has one side up at a time' : ''}.`,
    },
  );
}

const isPlain = ({ variant, replicas, compose, balancer, autoscale }: SidePlan['deployment']) =>
  variant === null && Object.keys(replicas).length === 0 && compose === null && balancer === null && autoscale === null;

/** Pressure is put on a service within its own limit. */
function mustFitWithin(plan: Plan, side: SidePlan, document: ComposeDocument): void {
  for (const one of plan.config.disturbances) {
    const service = document.services[one.service];
    if (one.kind !== 'memory-pressure' || service === undefined) continue;
    const limit = memoryLimit(service, plan.host);
    if (one.bytes >= limit)
      throw new UsageError(
        `${plan.config.file}: the memory-pressure at ${one.atS} s takes ${size(one.bytes)} of ${one.service}, whose memory limit on the side of the ${side.name} is ${size(limit)}`,
        { hint: 'Take less (bytes), or raise mem_limit of the service in its Compose file.' },
      );
  }
}

/** Of two sides that are up in turn, those of the larger one. */
function partsOfSides(plan: Plan, services: ReadonlyMap<SideName, ComposeDocument>): Part[] {
  const all = plan.sides.map((side) => partsOfSide(plan, side, services.get(side.name)!));
  if (plan.pairing !== 'alternating') return all.flat();
  const bytes = (parts: Part[]) => parts.reduce((sum, part) => sum + part.bytes, 0);
  return all.toSorted((a, b) => bytes(b) - bytes(a))[0]!;
}

/** One-shot services have ended before the others start. */
function partsOfSide(plan: Plan, side: SidePlan, document: ComposeDocument): Part[] {
  const deployed = withDeployment(document, plan, side.name, 1);
  const oneShots = oneShotsOf(document.services);
  const parts = Object.entries(deployed.services)
    .filter(([name]) => !oneShots.has(name))
    .map(([name, service]) => {
      const { count, why } = mostOf(name, replicasOf(service), plan, side);
      return part(`${name} of the ${side.name}`, memoryLimit(service, plan.host), plan.lanes, count, why);
    });
  const hasSidecar = foldersOf(plan.config).length > 0;
  return [...parts, ...(hasSidecar ? [part(`telemetry sidecar of the ${side.name}`, SIDECAR_MEMORY, plan.lanes)] : [])];
}

/** Replicas of a service that there may be at once. */
function mostOf(
  name: string,
  first: number,
  { config: { disturbances } }: Plan,
  { deployment: { autoscale } }: SidePlan,
): { count: number; why: string } {
  const scaled = autoscale?.service === name ? autoscale.max : 0;
  const most = Math.max(first, scaled);
  const isUpdated = disturbances.some(({ kind, service }) => kind === 'rolling-update' && service === name);
  const why = [
    ...(scaled > 0 ? ['max of its autoscaler'] : []),
    ...(isUpdated ? ['one more for the rolling update'] : []),
  ];
  return { count: most + (isUpdated ? 1 : 0), why: why.length > 0 ? ` (${why.join(', ')})` : '' };
}

/** A round may be up while the one before it still settles: each container is there once for each of them. */
function part(name: string, bytes: number, lanes: number, count = 1, why = ''): Part {
  const factors = [
    ...(count > 1 || why !== '' ? [`${count} replicas${why}`] : []),
    ...(lanes > 1 ? [`${lanes} rounds`] : []),
    size(bytes),
  ];
  return { bytes: bytes * count * lanes, text: `${name}: ${factors.join(' x ')}` };
}

/** What lives as long as the run; another load generator may use half of the host, and is not counted. */
function partsOfRun(plan: Plan, run: ComposeDocument): Part[] {
  const { generator, workers } = plan.config.load;
  const long = Object.entries(runCompose(run, plan).services).map(([name, { mem_limit }]) =>
    part(name, bytesOf(String(mem_limit)), 1),
  );
  return generator.kind === 'image' ? long : [...long, part('load generator', generatorMemory(workers, plan.host), 1)];
}

const UNITS: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** "256m" as compose/run.yaml has it, and plain bytes. */
function bytesOf(text: string): number {
  const unit = UNITS[text.slice(-1)];
  return unit === undefined ? Number(text) : Number(text.slice(0, -1)) * unit;
}

const size = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${Math.round((bytes / 1024 ** 3) * 10) / 10} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
