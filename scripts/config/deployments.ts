/**
 * Deployments of a benchmark (docs/deployments.md): what the top of its file says, its variants, and what is done to them
 * in the window. Pure, but for reading Compose files.
 */
import { resolve } from 'node:path';
import type { BenchmarkSpec } from './benchmark.types.ts';
import { checkAdded, checkTraced } from './broker.ts';
import { checkFile, checkService } from './check.ts';
import { checkCompose, composeMounts, countOf, hasRequest, layOver, oneShotsOf, servicesOf } from './compose-check.ts';
import type { BenchFlags } from './flags.ts';
import { didYouMean } from './nearest.ts';
import { parseDuration, parseShare, parseSize } from './quantities.ts';
import { shown } from './schema.ts';
import { checkTelemetry } from './telemetry-check.ts';
import type { Config, Deployment, Disturbance } from './types.ts';
import { type Fault, throwFaults, type YamlFile, type YamlPath } from './yaml-file.ts';

type Say = (path: YamlPath, text: string) => Fault;

/** What is read of a benchmark's folder. */
export interface DeploymentFiles {
  /** Absolute path of the folder. */
  dir: string;
  /** A fault of benchmark.yaml. */
  say: Say;
  /** The Compose file of the services; null where it could not be read. */
  compose: YamlFile | null;
  /** Reads a YAML file. */
  read: (file: string) => YamlFile;
}

const PARTS = ['replicas', 'compose', 'balancer', 'autoscale'] as const;
type Part = (typeof PARTS)[number];
type Parts = Partial<Pick<BenchmarkSpec, Part>>;
type Balancer = NonNullable<BenchmarkSpec['balancer']>;
type Autoscale = NonNullable<BenchmarkSpec['autoscale']>;
type Wanted = BenchmarkSpec['disturbances'][number];

/** The service that is added where there is a balancer. */
const BALANCER_SERVICE = 'balancer';
const LONGEST_S = 3600;
const HELP_FILE =
  'The fields of benchmark.yaml are in docs/benchmark.md, deployments are explained in docs/deployments.md.';

/** A deployment as the file names it. */
interface Named {
  /** Null: outside of variants. */
  variant: string | null;
  parts: Parts;
  /** Where a part stands. */
  at: (part: Part) => YamlPath;
}

/** The top of the file alone, and with each variant laid over it. */
function allNamed(spec: BenchmarkSpec): Named[] {
  return [null, ...Object.keys(spec.variants)].map((variant) => named(spec, variant));
}

function named(spec: BenchmarkSpec, variant: string | null): Named {
  const own: Parts = variant === null ? {} : spec.variants[variant]!;
  const parts = Object.fromEntries(
    PARTS.flatMap((part) => {
      const value = own[part] ?? spec[part];
      return value === undefined ? [] : [[part, value]];
    }),
  );
  return { variant, parts, at: (part) => (own[part] === undefined ? [part] : ['variants', variant!, part]) };
}

/** Absolute paths of the Compose files that a deployment may lay over that of the services. */
export function overlaysOf(spec: BenchmarkSpec, dir: string): string[] {
  const files = allNamed(spec).flatMap(({ parts: { compose } }) =>
    compose === undefined ? [] : [resolve(dir, compose)],
  );
  return [...new Set(files)].sort();
}

/** Every fault of the deployments that the file names, and of their Compose files. */
export function checkDeployments(spec: BenchmarkSpec, files: DeploymentFiles): Fault[] {
  return [
    ...allNamed(spec).flatMap((one) => checkDeployment(one, spec, files)),
    ...spec.disturbances.flatMap((one, i) => checkDisturbance(['disturbances', i], one, files.say)),
    ...checkDisturbedLoad(spec, files.say),
  ];
}

function checkDeployment(one: Named, spec: BenchmarkSpec, files: DeploymentFiles): Fault[] {
  const { parts, at } = one;
  const { dir, say, compose } = files;
  if (parts.compose !== undefined) {
    const faults = checkFile(at('compose'), parts.compose, { dir }, say);
    if (faults.length > 0) return faults;
  }
  const whole = wholeCompose(one, files);
  if (whole === null || compose === null) return [];
  return [
    ...checkOverlay(one, spec, files, whole),
    ...Object.entries(parts.replicas ?? {}).flatMap(([service, count]) =>
      checkReplicas(one, service, count, whole, spec, say),
    ),
    ...(parts.balancer ? checkBalancer(one, parts.balancer, whole, spec, files) : []),
    ...(parts.autoscale ? checkAutoscale(one, parts.autoscale, whole, spec, say) : []),
  ];
}

/** The content of the Compose files of a deployment, laid over each other; null where one cannot be read. */
function wholeCompose({ parts }: Named, { dir, compose, read }: DeploymentFiles): unknown {
  if (compose === null || compose.faults.length > 0) return null;
  if (parts.compose === undefined) return compose.value;
  const overlay = read(resolve(dir, parts.compose));
  return overlay.faults.length > 0 ? compose.value : layOver(compose.value, overlay.value);
}

const surroundings = (whole: unknown) => ({
  services: Object.keys(servicesOf(whole)),
  oneShots: oneShotsOf(servicesOf(whole)),
});

/** The second Compose file: held to what is asked of the first, together with it. */
function checkOverlay(
  { parts }: Named,
  spec: BenchmarkSpec,
  { dir, say, compose, read }: DeploymentFiles,
  whole: unknown,
): Fault[] {
  if (parts.compose === undefined) return [];
  const overlay = read(resolve(dir, parts.compose));
  return [
    ...checkCompose(overlay, dir, Object.keys(spec.build), true, whole),
    ...(spec.broker ? checkAdded(overlay) : []),
    ...(spec.traces ? checkTraced(overlay) : []),
    ...checkTelemetry(spec, composeMounts({ ...compose!, value: whole }), say),
  ];
}

const targetOf = ({ load }: BenchmarkSpec): URL | null => (URL.canParse(load.target) ? new URL(load.target) : null);

/** What to write for a balancer in front of a service. */
const balancerFor = (service: string, spec: BenchmarkSpec): string => {
  const url = targetOf(spec);
  const port = url?.hostname === service && url.port !== '' ? url.port : 'PORT';
  return `balancer: {service: ${service}, port: ${port}, health: /healthz}`;
};

function checkReplicas(
  { parts, at }: Named,
  service: string,
  count: number,
  whole: unknown,
  spec: BenchmarkSpec,
  say: Say,
): Fault[] {
  const path = [...at('replicas'), service];
  const faults = checkService(path, service, surroundings(whole), say);
  if (faults.length > 0) return faults;
  if (countOf(servicesOf(whole)[service]) !== undefined)
    return [
      say(
        path,
        `must be left out, since the Compose file has the count of ${service} (scale, or deploy/replicas); or take it away there`,
      ),
    ];
  if (count > 1 && targetOf(spec)?.hostname === service && parts.balancer?.service !== service)
    return [
      say(
        path,
        `needs a balancer for ${service}, since the load goes to it and it has ${count} replicas; write ${balancerFor(service, spec)}`,
      ),
    ];
  return [];
}

function checkBalancer(
  { at, parts }: Named,
  { service, port, drain }: Balancer,
  whole: unknown,
  spec: BenchmarkSpec,
  files: DeploymentFiles,
): Fault[] {
  const { say } = files;
  const path = at('balancer');
  const target = targetOf(spec);
  const targetPort = target && (target.port || (target.protocol === 'https:' ? '443' : '80'));
  return [
    ...checkService([...path, 'service'], service, surroundings(whole), say),
    ...(target?.hostname === service && targetPort !== String(port)
      ? [
          say(
            [...path, 'port'],
            `must be ${targetPort}, the port of load/target: the balancer answers there in place of ${service}; got ${port}`,
          ),
        ]
      : []),
    ...tooLong([...path, 'drain'], drain, say),
    ...composeFiles(parts, files)
      .filter((file) => Object.hasOwn(servicesOf(file.value), BALANCER_SERVICE))
      .map((file) =>
        file.fault(
          ['services', BALANCER_SERVICE],
          `must have another name: with balancer in benchmark.yaml Mayfly adds a service of its own that is called ${BALANCER_SERVICE}`,
        ),
      ),
  ];
}

const composeFiles = ({ compose: overlay }: Parts, { dir, compose, read }: DeploymentFiles): YamlFile[] => [
  ...(compose ? [compose] : []),
  ...(overlay === undefined ? [] : [read(resolve(dir, overlay))]),
];

const tooLong = (path: YamlPath, time: string, say: Say): Fault[] =>
  parseDuration(time)! > LONGEST_S ? [say(path, `must be from 0s to 1h, got ${time}`)] : [];

function checkAutoscale(
  { at, parts }: Named,
  { service, metric, target, min, max, cooldown }: Autoscale,
  whole: unknown,
  spec: BenchmarkSpec,
  say: Say,
): Fault[] {
  const path = at('autoscale');
  const known = checkService([...path, 'service'], service, surroundings(whole), say);
  const own = servicesOf(whole)[service];
  const count = countOf(own);
  const first = parts.replicas?.[service];
  const request = metric === 'memory' ? 'memory: 256M' : 'cpus: "0.5"';
  const faults: [YamlPath, string | false][] = [
    [['min'], min > max && `must be at most max (${max}), got ${min}`],
    [['target'], parseShare(target) === 0 && 'must be above 0, got 0'],
    [
      ['service'],
      count !== undefined &&
        `must not name ${service}, since the Compose file has its count (scale, or deploy/replicas): take it away there, and write replicas: {${service}: ${count}}`,
    ],
    [
      ['service'],
      parts.balancer?.service !== service &&
        `needs a balancer for ${service}, since its replicas come and go; write ${balancerFor(service, spec)}`,
    ],
    [
      ['service'],
      !hasRequest(own, metric) &&
        `must name a service with a ${metric === 'memory' ? 'memory' : 'CPU'} request, of which its utilisation is a share; ${service} has none: write deploy: {resources: {reservations: {${request}}}} into the Compose file`,
    ],
  ];
  return known.length > 0
    ? known
    : [
        ...faults.flatMap(([field, text]) => (text === false ? [] : [say([...path, ...field], text)])),
        ...tooLong([...path, 'cooldown'], cooldown, say),
        ...(first !== undefined && min <= max && (first < min || first > max)
          ? [
              say(
                [...at('replicas'), service],
                `must be from ${min} to ${max}, as min and max of its autoscaler are; got ${first}`,
              ),
            ]
          : []),
      ];
}

/** Fields of a disturbance beside `at`, `kind` and `service`: those that it needs, and others that it may have. */
const FIELDS: Record<Wanted['kind'], { needs: (keyof Wanted)[]; may: (keyof Wanted)[] }> = {
  'rolling-update': { needs: [], may: ['to', 'drain'] },
  'kill-replica': { needs: [], may: [] },
  restart: { needs: [], may: [] },
  pause: { needs: ['for'], may: [] },
  'memory-pressure': { needs: ['for', 'bytes'], may: [] },
  'network-delay': { needs: ['for', 'delay'], may: [] },
  'network-loss': { needs: ['for', 'loss'], may: [] },
};

function checkDisturbance(path: YamlPath, one: Wanted, say: Say): Fault[] {
  const { needs, may } = FIELDS[one.kind];
  const all: (keyof Wanted)[] = ['for', 'to', 'drain', 'bytes', 'delay', 'loss'];
  const nothing = (field: 'for' | 'delay') =>
    one[field] !== undefined && needs.includes(field) && parseDuration(one[field]) === 0;
  return [
    ...needs
      .filter((field) => one[field] === undefined)
      .map((field) => say(path, `is ${one.kind}, so it needs ${field}`)),
    ...all
      .filter((field) => one[field] !== undefined && !needs.includes(field) && !may.includes(field))
      .map((field) => {
        const takes = [...needs, ...may];
        return say(
          [...path, field],
          `must not be given with kind: ${one.kind}, which takes ${takes.length > 0 ? `${takes.join(' and ')} alone` : 'none of its own'}`,
        );
      }),
    ...(['for', 'delay'] as const)
      .filter(nothing)
      .map((field) => say([...path, field], `must be longer than 0s, got ${one[field]}`)),
    ...(one.loss !== undefined && parseShare(one.loss) === 0
      ? [say([...path, 'loss'], `must be above 0, got ${shown(one.loss)}`)]
      : []),
    ...(one.drain === undefined ? [] : tooLong([...path, 'drain'], one.drain, say)),
  ];
}

/** What failed in a disturbance is read from the single requests, which another generator does not keep. */
const checkDisturbedLoad = ({ disturbances, load }: BenchmarkSpec, say: Say): Fault[] =>
  disturbances.length > 0 && load.image !== undefined
    ? [
        say(
          ['disturbances'],
          `need the generator of Mayfly, since what failed in them is read from its single requests; this load is generated by ${load.image}`,
        ),
      ]
    : [];

/** In the order of their times. */
export function chooseDisturbances({ disturbances, balancer, variants }: BenchmarkSpec): Disturbance[] {
  const drains = [balancer, ...Object.values(variants).map((one) => one.balancer)];
  return disturbances
    .map((one) => disturbanceOf(one, drains.find((other) => other?.service === one.service)?.drain))
    .toSorted((a, b) => a.atS - b.atS);
}

const DRAIN = '10s';

function disturbanceOf(one: Wanted, drain: string = DRAIN): Disturbance {
  const common = { atS: parseDuration(one.at)!, service: one.service };
  const forS = one.for === undefined ? 0 : parseDuration(one.for)!;
  switch (one.kind) {
    case 'rolling-update':
      return { ...common, kind: one.kind, to: one.to ?? 'own', drainS: parseDuration(one.drain ?? drain)! };
    case 'pause':
      return { ...common, kind: one.kind, forS };
    case 'memory-pressure':
      return { ...common, kind: one.kind, forS, bytes: parseSize(one.bytes!) };
    case 'network-delay':
      return { ...common, kind: one.kind, forS, delayS: parseDuration(one.delay!)! };
    case 'network-loss':
      return { ...common, kind: one.kind, forS, loss: parseShare(one.loss!) };
    default:
      return { ...common, kind: one.kind };
  }
}

/**
 * The deployment of each side. Throws where a variant is not there; `who`: who asks for it, where it is no flag.
 */
export function chooseDeployments(
  spec: BenchmarkSpec,
  { variant, againstVariant }: Pick<BenchFlags, 'variant' | 'againstVariant'>,
  { dir, say }: Pick<DeploymentFiles, 'dir' | 'say'>,
  who?: string,
): Config['deployments'] {
  const unknown = [
    unknownVariant(who ?? '--variant asks for', variant, spec, say),
    unknownVariant(who ?? '--against-variant asks for', againstVariant, spec, say),
  ];
  throwFaults(unknown.flat(), HELP_FILE);
  const deployment = (name: string | undefined) => deploymentOf(named(spec, name ?? null), dir);
  return { candidate: deployment(variant), baseline: deployment(againstVariant ?? variant) };
}

function unknownVariant(who: string, name: string | undefined, { variants }: BenchmarkSpec, say: Say): Fault[] {
  const names = Object.keys(variants);
  if (name === undefined || names.includes(name)) return [];
  const there = names.length > 0 ? `its variants: ${names.join(', ')}` : 'the file names none';
  return [say(['variants'], `has no ${shown(name)}${didYouMean(name, names)}, which ${who}; ${there}`)];
}

function deploymentOf({ variant, parts }: Named, dir: string): Deployment {
  const { balancer, autoscale, compose } = parts;
  const scaled = autoscale && { [autoscale.service]: autoscale.min };
  return {
    variant,
    replicas: { ...scaled, ...parts.replicas },
    compose: compose === undefined ? null : resolve(dir, compose),
    balancer: balancer
      ? {
          service: balancer.service,
          port: balancer.port,
          sticky: balancer.sticky,
          health: balancer.health,
          drainS: parseDuration(balancer.drain)!,
        }
      : null,
    autoscale: autoscale
      ? {
          service: autoscale.service,
          metric: autoscale.metric,
          target: parseShare(autoscale.target),
          min: autoscale.min,
          max: autoscale.max,
          cooldownS: parseDuration(autoscale.cooldown)!,
        }
      : null,
  };
}

/**
 * Faults of the disturbances in the deployments and the window that a run has: those of the other variants are none.
 * `duration`: what `--duration` said.
 */
export function checkInWindow(
  spec: BenchmarkSpec,
  { load: { durationS }, deployments: { candidate, baseline } }: Pick<Config, 'load' | 'deployments'>,
  files: DeploymentFiles,
  duration: string | undefined,
): Fault[] {
  const variants = [...new Set([candidate.variant, baseline.variant])];
  return spec.disturbances.flatMap((one, i) => {
    const path = ['disturbances', i];
    const window = `the window, which lasts ${durationS} s (${duration === undefined ? 'load' : '--duration'})`;
    const endS = parseDuration(one.at)! + (one.for === undefined ? 0 : parseDuration(one.for)!);
    const late =
      parseDuration(one.at)! >= durationS
        ? [files.say([...path, 'at'], `must be within ${window}; got ${one.at}`)]
        : endS > durationS + 1e-6
          ? [files.say([...path, 'for'], `must end within ${window}; it ends after ${Math.round(endS * 1e3) / 1e3} s`)]
          : [];
    return [...late, ...variants.flatMap((variant) => checkDisturbed(path, one, named(spec, variant), spec, files))];
  });
}

/** Whether a disturbance can be carried out in a deployment. */
function checkDisturbed(
  path: YamlPath,
  one: Wanted,
  deployed: Named,
  spec: BenchmarkSpec,
  files: DeploymentFiles,
): Fault[] {
  const { kind, service } = one;
  const whole = wholeCompose(deployed, files);
  const at = [...path, 'service'];
  const faults = checkService(at, service, surroundings(whole), files.say);
  if (faults.length > 0) return faults;
  const { variant, parts } = deployed;
  const where = variant === null ? '' : ` in the variant ${variant}`;
  const taken = kind === 'rolling-update' || kind === 'kill-replica';
  if (taken && parts.balancer?.service !== service)
    return [
      files.say(
        at,
        `needs a balancer for ${service}${where}, since ${kind} takes a replica away from those behind it; write ${balancerFor(service, spec)}`,
      ),
    ];
  const count = parts.replicas?.[service] ?? parts.autoscale?.min ?? countOf(servicesOf(whole)[service]) ?? 1;
  if (kind === 'kill-replica' && count < 2)
    return [
      files.say(
        at,
        `needs 2 replicas of ${service} or more${where}, since one is killed and stays dead; it has ${count}`,
      ),
    ];
  return [];
}
