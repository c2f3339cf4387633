/**
 * What a schema cannot say about a benchmark.yaml: fields that depend on each other, on the Compose file, on the disk.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { BenchmarkSpec, Metric as MetricSpec } from './benchmark.types.ts';
import { BROKER_SERVICES } from './broker.ts';
import {
  type BuiltinMetric,
  builtinMetric,
  builtinMetrics,
  isOwn,
  needsSchedule,
  scenarioMetrics,
  unitOf,
  WAYS,
} from './metric-defaults.ts';
import { didYouMean } from './nearest.ts';
import { parseLimit } from './objectives.ts';
import { ownLabelFault } from './own-labels.ts';
import { parseDuration, parseShare } from './quantities.ts';
import { holdsSecret, isUrl } from './repository.ts';
import { shown } from './schema.ts';
import { checkTelemetry, checkTelemetryMetric } from './telemetry-check.ts';
import type { Fault, YamlPath } from './yaml-file.ts';

export interface Surroundings {
  /** The checkout. */
  root: string;
  /** The benchmark's folder, absolute. */
  dir: string;
  /** Names of the services in the Compose file; null where it could not be read. */
  services: string[] | null;
  /** What it mounts into each of them; null where it could not be read. */
  mounts: Record<string, string[]> | null;
  /** Its one-shot services, each with one that waits for its end. */
  oneShots: ReadonlyMap<string, string>;
}

type Say = (path: YamlPath, text: string) => Fault;
type LoadSpec = BenchmarkSpec['load'];

/** Every fault of a file that is right by its schema. */
export function checkSpec(spec: BenchmarkSpec, around: Surroundings, say: Say): Fault[] {
  return [
    ...checkName(spec, around, say),
    ...Object.entries(spec.build).flatMap(([name, build]) => checkBuild(['build', name], build, around, say)),
    ...checkFile(['services'], spec.services, around, say),
    ...checkLoad(spec.load, around, say),
    ...spec.scrape.flatMap((scrape, i) => checkService(['scrape', i, 'service'], scrape.service, around, say)),
    ...checkTelemetry(spec, around.mounts, say),
    ...spec.telemetry.flatMap(({ service }, i) => checkStays(['telemetry', i, 'service'], service, around, say)),
    ...checkTraces(spec, say),
    ...spec.metrics.flatMap((metric, i) => checkMetric(metric, i, spec, around, say)),
    ...Object.entries(spec.objectives).flatMap(([name, limit]) => checkObjective(name, limit, spec, say)),
    ...checkComparison(spec, say),
  ];
}

/** Jobs, mayfly.yaml and the site know the benchmarks of the checkout by their folders. */
function checkName({ name }: BenchmarkSpec, { root, dir }: Surroundings, say: Say): Fault[] {
  if (name === undefined || dirname(dir) !== join(root, 'benchmarks') || name === basename(dir)) return [];
  return [
    say(
      ['name'],
      `must be ${basename(dir)} or left out, since in benchmarks/ of this checkout the folder is the name; got ${shown(name)}`,
    ),
  ];
}

function checkBuild(path: YamlPath, build: BenchmarkSpec['build'][string], { root }: Surroundings, say: Say): Fault[] {
  if (build.image !== undefined && !build.image.includes('${commit}')) {
    return [
      say(
        [...path, 'image'],
        `must have \${commit} in it, or every commit would be measured with the same image; got ${shown(build.image)}`,
      ),
    ];
  }
  if (build.git && holdsSecret(build.git.repository)) {
    return [
      say(
        [...path, 'git', 'repository'],
        'must not hold a user or a password, since the address is printed and stored; use a credential helper of git, or ssh',
      ),
    ];
  }
  if (!build.git || isUrl(build.git.repository)) return [];
  const repository = resolve(root, build.git.repository);
  if (repository === resolve(root)) return []; // the folder may be there at the commit and not now
  if (!existsSync(repository))
    return [
      say(
        [...path, 'git', 'repository'],
        `is not there: ${build.git.repository}, counted from the root of the checkout`,
      ),
    ];
  const context = join(repository, build.git.context);
  if (!existsSync(context))
    return [say([...path, 'git', 'context'], `is not there: ${build.git.context} in ${build.git.repository}`)];
  if (!existsSync(join(context, build.git.dockerfile)))
    return [say([...path, 'git', 'dockerfile'], `is not there: ${build.git.dockerfile} in ${build.git.context}`)];
  return [];
}

const leaves = (name: string, dir: string) => isAbsolute(name) || !`${resolve(dir, name)}/`.startsWith(`${dir}/`);

/** A file of the benchmark's folder: there, a file, and not outside. */
export function checkFile(path: YamlPath, name: string, { dir }: Pick<Surroundings, 'dir'>, say: Say): Fault[] {
  const file = resolve(dir, name);
  if (leaves(name, dir)) return [say(path, `must be a file in the benchmark's folder, got ${shown(name)}`)];
  if (!existsSync(file)) return [say(path, `is not there: ${name}, counted from the benchmark's folder`)];
  if (!statSync(file).isFile()) return [say(path, `must be a file, but ${name} is none`)];
  return [];
}

function checkLoad(load: LoadSpec, around: Surroundings, say: Say): Fault[] {
  const faults: Fault[] = [];
  for (const field of ['script', 'schedule'] as const) {
    if (load[field] !== undefined) faults.push(...checkLoadFile(['load', field], load[field], around, say));
  }
  for (const field of ['requests', 'failed', 'dropped'] as const) {
    if (load[field] !== undefined) faults.push(...checkPromql(['load', field], load[field], around, say));
  }
  return [...faults, ...checkModel(load, say), ...checkTarget(load, around, say)];
}

/**
 * A file that the load generator reads: its container has the benchmark's folder and nothing that a link in it leads
 * to.
 */
function checkLoadFile(path: YamlPath, name: string, around: Surroundings, say: Say): Fault[] {
  const fault = (got: string) => [
    say(path, `must be a file in the benchmark's folder, since the load generator sees nothing else; got ${got}`),
  ];
  if (leaves(name, around.dir)) return fault(shown(name));
  const faults = checkFile(path, name, around, say);
  if (faults.length > 0) return faults;
  const file = realpathSync(resolve(around.dir, name));
  return file.startsWith(`${realpathSync(around.dir)}/`) ? [] : fault(`${shown(name)}, a link to ${file}`);
}

/** Fields of `load` that another one rules out, and why. */
const RULED_OUT: readonly [by: keyof LoadSpec, fields: readonly (keyof LoadSpec)[], why: string][] = [
  ['image', ['stages', 'users', 'scenarios'], 'another load generator gets a constant rate'],
  ['image', ['timeout', 'workers'], 'they are those of the generator of Mayfly; give another one its own in command'],
  [
    'scenarios',
    ['rate', 'users', 'iterations', 'think', 'stages', 'arrivals', 'schedule', 'max_in_flight'],
    'each scenario has its own',
  ],
  ['users', ['rate', 'stages', 'arrivals', 'schedule'], 'in a closed model a user goes on when it has its answer'],
  ['schedule', ['rate', 'stages', 'arrivals'], 'the file says when each request is due'],
  ['stages', ['duration'], 'the window is as long as they are together'],
];

/** Which fields go together, and what they come to. docs/benchmark.md has the same as a table. */
function checkModel(load: LoadSpec, say: Say): Fault[] {
  const faults = RULED_OUT.filter(([by]) => load[by] !== undefined).flatMap(([by, fields, why]) =>
    fields
      .filter((field) => load[field] !== undefined)
      .map((field) => say(['load', field], `must not be given with ${by}: ${why}`)),
  );
  if (load.image !== undefined && load.arrivals === 'poisson')
    faults.push(
      say(['load', 'arrivals'], 'must not be poisson with image: another load generator gets a constant rate'),
    );
  if (load.timeout !== undefined && !isWithin(parseDuration(load.timeout)!, 0.001, 3600))
    faults.push(say(['load', 'timeout'], `must be from 1ms to 1h, got ${load.timeout}`));
  return [...faults, ...checkAmount(load, say)];
}

const isWithin = (value: number, least: number, most: number) => value >= least && value <= most;

function checkAmount(load: LoadSpec, say: Say): Fault[] {
  if (load.scenarios !== undefined) return checkScenarios(load, say);
  if (load.users !== undefined) return [...checkUsers(load, say), ...checkWindow(load, say)];
  if (load.schedule !== undefined) return checkWindow(load, say);
  return load.stages === undefined ? checkConstant(load, say) : checkStages(load, say);
}

/** Each is in the window, and has a model of its own. */
function checkScenarios(load: LoadSpec, say: Say): Fault[] {
  const { scenarios, duration, warmup } = load;
  if (duration === undefined)
    return [say(['load'], 'needs duration, the length of the window in which its scenarios are')];
  const windowS = parseDuration(duration)!;
  const faults = Object.entries(scenarios!).flatMap(([name, scenario]) => [
    ...checkScenario(['load', 'scenarios', name], scenario, { windowS, warmup }, say),
    ...checkScenarioName(name, say),
  ]);
  if (warmup !== undefined && parseDuration(warmup) !== 0 && !hasOpenModel(load))
    faults.push(
      say(
        ['load', 'warmup'],
        `must be 0s or left out where all scenarios have users: they are measured from the first iteration on; got ${warmup}`,
      ),
    );
  return [...checkWindow(load, say), ...faults];
}

type ScenarioSpec = NonNullable<LoadSpec['scenarios']>[string];

/** The same as RULED_OUT, of a scenario. */
const RULED_OUT_OF_SCENARIO: readonly [by: keyof ScenarioSpec, fields: readonly (keyof ScenarioSpec)[], why: string][] =
  [
    [
      'users',
      ['rate', 'stages', 'arrivals', 'duration', 'max_in_flight'],
      'in a closed model a user goes on when it has its answer',
    ],
    ['stages', ['duration'], 'it is as long as they are together'],
  ];

function checkScenario(
  path: YamlPath,
  scenario: ScenarioSpec,
  { windowS, warmup = '5s' }: { windowS: number; warmup?: string | undefined },
  say: Say,
): Fault[] {
  const { users, rate, stages, duration, start } = scenario;
  const ruledOut = RULED_OUT_OF_SCENARIO.filter(([by]) => scenario[by] !== undefined).flatMap(([by, fields, why]) =>
    fields
      .filter((field) => scenario[field] !== undefined)
      .map((field) => say([...path, field], `must not be given with ${by}: ${why}`)),
  );
  if (ruledOut.length > 0) return ruledOut;
  if (users === undefined && rate === undefined && stages === undefined)
    return [say(path, 'needs users (a closed model), or rate or stages (an open one)')];
  const startS = parseDuration(start ?? '0s')!;
  if (startS >= windowS)
    return [
      say([...path, 'start'], `must be within the window, which lasts ${windowS} s (load/duration); got ${start}`),
    ];
  if (users !== undefined) return [];
  if (stages !== undefined) {
    const faults = checkStages({ ...scenario, target: '', warmup }, say, [...path, 'stages']);
    return faults.length > 0
      ? faults
      : endsWithin([...path, 'stages'], startS + sumOfStages(scenario).durationS, windowS, say);
  }
  const lengthS = duration === undefined ? windowS - startS : parseDuration(duration)!;
  const at = duration === undefined ? path : [...path, 'duration'];
  const amount = loadFault(rate!, lengthS);
  return amount ? [say(at, amount)] : endsWithin(at, startS + lengthS, windowS, say);
}

const endsWithin = (path: YamlPath, endS: number, windowS: number, say: Say): Fault[] =>
  endS <= windowS + 1e-6
    ? []
    : [say(path, `must end within the window, which lasts ${windowS} s (load/duration); it ends after ${endS} s`)];

/** Its metrics begin with its name: `latency` would have latency_avg once more. */
function checkScenarioName(name: string, say: Say): Fault[] {
  const taken = scenarioMetrics([name]).find((metric) => builtinMetric(metric.name));
  return taken
    ? [say(['load', 'scenarios', name], `must have another name: ${taken.name} is a metric of every benchmark already`)]
    : [];
}

/** Whether anything of it is due at a time; only that has a warm-up. */
export const hasOpenModel = ({ users, scenarios }: LoadSpec): boolean =>
  scenarios ? Object.values(scenarios).some((one) => one.users === undefined) : users === undefined;

function checkWindow({ duration }: LoadSpec, say: Say): Fault[] {
  const fault = duration === undefined ? null : windowFault(parseDuration(duration)!);
  return fault ? [say(['load', 'duration'], fault)] : [];
}

function checkUsers({ users, warmup, max_in_flight }: LoadSpec, say: Say): Fault[] {
  const faults: Fault[] = [];
  if (warmup !== undefined && parseDuration(warmup) !== 0)
    faults.push(
      say(
        ['load', 'warmup'],
        `must be 0s or left out with users: everybody does this once, measured from the first iteration on; got ${warmup}`,
      ),
    );
  if (max_in_flight !== undefined && max_in_flight < users!)
    faults.push(say(['load', 'max_in_flight'], `must be at least users (${users}), got ${max_in_flight}`));
  return faults;
}

const INSTEAD = {
  rate: 'schedule, users or scenarios',
  duration: 'stages',
  both: 'stages, schedule, users or scenarios',
} as const;

function checkConstant({ rate, duration, image }: LoadSpec, say: Say): Fault[] {
  if (rate === undefined || duration === undefined) {
    const missing = rate !== undefined ? 'duration' : duration !== undefined ? 'rate' : 'both';
    const needs = `needs ${missing === 'both' ? 'rate and duration' : missing}`;
    return [say(['load'], image === undefined ? `${needs}; instead it may have ${INSTEAD[missing]}` : needs)];
  }
  const amount = loadFault(rate, parseDuration(duration)!);
  return amount ? [say(['load', 'duration'], amount)] : [];
}

function checkStages(load: LoadSpec, say: Say, path: YamlPath = ['load', 'stages']): Fault[] {
  const { iterations, durationS } = sumOfStages(load);
  if (load.stages!.every(({ rate }) => rate === 0)) return [say(path, 'must have a rate above 0 in one of them')];
  if (durationS < 1) return [say(path, `must last 1s or longer together, got ${durationS * 1000}ms`)];
  if (iterations < 1) return [say(path, `must be long enough for one request together, got ${iterations} of one`)];
  if (load.rate === undefined && load.stages![0]!.rate === 0 && parseDuration(load.warmup ?? '5s')! > 0)
    return [say(path.slice(0, -1), 'needs rate, that of the warm-up, since the first stage has 0; or warmup: 0s')];
  return [];
}

/** What the stages come to: the rate moves evenly, so each sends the mean of its two ends. */
export function sumOfStages({ rate, stages = [] }: Pick<LoadSpec, 'rate' | 'stages'>): {
  iterations: number;
  durationS: number;
} {
  const lengths = stages.map(({ duration }) => parseDuration(duration)!);
  const from = [rate ?? stages[0]!.rate, ...stages.map((stage) => stage.rate)];
  const iterations = lengths.reduce((sum, seconds, i) => sum + ((from[i]! + from[i + 1]!) / 2) * seconds, 0);
  return { iterations, durationS: Math.round(lengths.reduce((sum, seconds) => sum + seconds, 0) * 1e6) / 1e6 };
}

/** What is wrong with a rate (requests per second) and a window (seconds) together, or null. */
export function loadFault(rate: number, durationS: number): string | null {
  const window = windowFault(durationS);
  if (window) return window;
  if (rate * durationS < 1)
    return `must be long enough for one request: at ${rate} requests per second that is ${Math.ceil(1 / rate)}s`;
  return null;
}

export const windowFault = (durationS: number): string | null =>
  durationS < 1 ? `must be >= 1s, got ${durationS * 1000}ms` : null;

function checkTarget({ target, image }: LoadSpec, around: Surroundings, say: Say): Fault[] {
  const path = ['load', 'target'];
  const url = URL.canParse(target) ? new URL(target) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    return [say(path, `must be a URL such as http://shop:8080, got ${shown(target)}`)];
  if (image === undefined && (url.pathname !== '/' || url.search))
    return [say(path, `must end with the host and the port, got ${shown(target)}; paths are the script's`)];
  if (url.username || url.password) return [say(path, 'must not hold a user or a password')];
  if (image !== undefined && RUN_STACK.includes(url.hostname))
    return [
      say(
        path,
        `must not name a service that is called ${url.hostname}: so is one of Mayfly's own beside another load generator; give yours another name`,
      ),
    ];
  return checkService(path, url.hostname, around, say);
}

/** Services of compose/run.yaml: a generator that is an image is in their network too. */
const RUN_STACK = ['prometheus', 'exporter'];

/** A service of the Compose file that is there while the load goes on. */
export function checkService(
  path: YamlPath,
  name: string,
  around: Pick<Surroundings, 'services' | 'oneShots'>,
  say: Say,
): Fault[] {
  const { services } = around;
  if (!services || services.includes(name)) return checkStays(path, name, around, say);
  return [
    say(
      path,
      `names ${shown(name)}, which is no service of the Compose file${didYouMean(name, services)}; its services: ${services.join(', ')}`,
    ),
  ];
}

/** Nothing can be measured of a service that has ended. */
function checkStays(path: YamlPath, name: string, { oneShots }: Pick<Surroundings, 'oneShots'>, say: Say): Fault[] {
  const waiting = oneShots.get(name);
  if (waiting === undefined) return [];
  return [
    say(
      path,
      `must not name ${name}: it is one-shot, since ${waiting} depends on it with condition: service_completed_successfully, and has ended when the load starts`,
    ),
  ];
}

function checkMetric(metric: MetricSpec, index: number, spec: BenchmarkSpec, around: Surroundings, say: Say): Fault[] {
  const path = ['metrics', index];
  const faults: Fault[] = [];
  if (spec.metrics.findIndex(({ name }) => name === metric.name) !== index)
    faults.push(say([...path, 'name'], `is there twice: ${metric.name}`));
  if (metric.name === 'capacity' || metric.name in {})
    return [say([...path, 'name'], `must not be ${metric.name}: that name is taken`)];
  const names = builtinMetrics(spec).map(({ name }) => name);
  if (names.includes(metric.name)) return [...faults, ...checkBuiltin(metric, path, spec, say)];
  const [way, second] = WAYS.filter((one) => metric[one] !== undefined);
  if (second !== undefined)
    return [...faults, say([...path, second], `must not be given with ${way}: a metric is read in one way`)];
  if (metric.telemetry !== undefined)
    return [...faults, ...checkTelemetryMetric({ ...metric, telemetry: metric.telemetry }, path, spec, say)];
  if (metric.cpu !== undefined)
    return [...faults, ...checkCpuMetric(metric.cpu.service, path, spec, around, say), ...checkUnit(metric, path, say)];
  if (metric.trace !== undefined)
    return [...faults, ...checkTraceMetric(path, spec, say), ...checkUnit(metric, path, say)];
  if (metric.promql !== undefined) return [...faults, ...checkPromql([...path, 'promql'], metric.promql, around, say)];
  return [
    ...faults,
    say(
      [...path, 'name'],
      builtinMetric(metric.name)
        ? `${metric.name} is of events, so it needs broker at the top of the file`
        : `${shown(metric.name)} is not built in${didYouMean(metric.name, names)} and has none of ${WAYS.join(', ')}; built in are ${names.join(', ')}`,
    ),
  ];
}

/** A metric whose unit follows from what it is. */
function checkUnit(metric: MetricSpec, path: YamlPath, say: Say): Fault[] {
  const unit = unitOf(metric);
  if (metric.unit === undefined || metric.unit === unit) return [];
  return [
    say(
      [...path, 'unit'],
      `must be ${unit} or left out, since that is what this value is in; got ${shown(metric.unit)}`,
    ),
  ];
}

function checkCpuMetric(
  service: string,
  path: YamlPath,
  { broker }: BenchmarkSpec,
  around: Surroundings,
  say: Say,
): Fault[] {
  if (broker && (BROKER_SERVICES as readonly string[]).includes(service)) return [];
  const services = around.services && [...around.services, ...(broker ? BROKER_SERVICES : [])];
  return checkService([...path, 'cpu', 'service'], service, { ...around, services }, say);
}

const checkTraceMetric = (path: YamlPath, { traces }: BenchmarkSpec, say: Say): Fault[] =>
  traces ? [] : [say([...path, 'trace'], 'needs traces at the top of the file too: traces: {sampling: 10%}')];

function checkTraces({ traces }: BenchmarkSpec, say: Say): Fault[] {
  if (!traces || parseShare(traces.sampling) > 0) return [];
  return [say(['traces', 'sampling'], `must be above 0, got ${shown(traces.sampling)}; leave traces out for none`)];
}

function checkBuiltin(metric: MetricSpec, path: YamlPath, spec: BenchmarkSpec, say: Say): Fault[] {
  const faults = ([...WAYS, 'unit', 'better'] as const)
    .filter((field) => metric[field] !== undefined)
    .map((field) =>
      say(
        [...path, field],
        `must not be given, since ${metric.name} is built in; only primary and margin may be; take another name for a metric of your own`,
      ),
    );
  if (metric.primary && spec.load.image !== undefined && builtinMetric(metric.name)?.ownOnly) {
    faults.push(
      say(
        [...path, 'primary'],
        `cannot be true, since only the generator of Mayfly measures ${metric.name} and this load is generated by ${spec.load.image}`,
      ),
    );
  }
  if (metric.primary && !hasOpenModel(spec.load) && needsSchedule(metric.name)) {
    faults.push(
      say(
        [...path, 'primary'],
        `cannot be true, since ${metric.name} counts from a schedule, which a closed model (${spec.load.scenarios ? 'users of load/scenarios' : 'load/users'}) has not`,
      ),
    );
  }
  return faults;
}

function checkObjective(name: string, limit: number | string, spec: BenchmarkSpec, say: Say): Fault[] {
  const metrics: (BuiltinMetric | MetricSpec)[] = [...builtinMetrics(spec), ...spec.metrics.filter(isOwn)];
  const metric = metrics.find((one) => one.name === name);
  if (!metric)
    return [
      say(
        ['objectives', name],
        `is no metric${didYouMean(
          name,
          metrics.map((one) => one.name),
        )}; docs/benchmark.md lists the built-in ones`,
      ),
    ];
  if (metric.better === 'neither')
    return [
      say(
        ['objectives', name],
        `cannot be kept to, since no direction of ${name} is better (better: neither); say lower or higher there`,
      ),
    ];
  const unit = metric.unit ?? unitOf(metric as MetricSpec) ?? 'count';
  if (parseLimit(limit, unit) !== null) return [];
  const form =
    unit === 's'
      ? 'a duration such as 50ms, or a number of seconds'
      : unit === 'ratio'
        ? 'a share from 0 to 1, or a percentage such as 0.1%'
        : `a number (unit: ${unit})`;
  return [say(['objectives', name], `must be ${form}, got ${shown(limit)}`)];
}

function checkComparison({ comparison: { min_rounds, max_rounds } }: BenchmarkSpec, say: Say): Fault[] {
  if (max_rounds === undefined || max_rounds >= min_rounds) return [];
  return [say(['comparison', 'max_rounds'], `must be at least min_rounds (${min_rounds}), got ${max_rounds}`)];
}

/**
 * A query must read the series of one side and round only: $selector in every {...}, and no series without one
 * where a range is taken.
 */
function checkPromql(path: YamlPath, promql: string, { services }: Surroundings, say: Say): Fault[] {
  const bare = promql.replace(/"(\\.|[^"\\])*"|'(\\.|[^'\\])*'|`[^`]*`/g, '""').replace(/#.*$/gm, '');
  const selectors = [...bare.matchAll(/\{[^}]*\}/g)].map(([text]) => text);
  if (selectors.length === 0 || selectors.some((text) => !text.includes('$selector'))) {
    return [
      say(
        path,
        'must have $selector in every {...}, as in requests_total{$selector}; without it both sides and all rounds would be mixed',
      ),
    ];
  }
  if (/(?<![})\s])\s*\[/.test(bare))
    return [say(path, 'must have {$selector} before every [...], as in requests_total{$selector}[$window]')];
  const names = [...bare.matchAll(/\$(\w+)/g)].map(([, name]) => name!);
  const unknown = names.find((name) => name !== 'selector' && name !== 'window');
  if (unknown) return [say(path, `has $${unknown}, but only $selector and $window are filled in`)];
  if (bare.includes('[') && !names.includes('window'))
    return [say(path, 'takes a range, so it must use [$window], the length of the measured window')];
  const ownLabel = services && ownLabelFault(promql, services);
  return ownLabel ? [say(path, ownLabel)] : [];
}
