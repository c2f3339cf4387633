/** From the flags of `npm run load` to the load that is tried. It looks at the disk for the script and nothing else. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { BenchmarkSpec } from '../../config/benchmark.types.ts';
import { checkSpec } from '../../config/check.ts';
import type { Flag } from '../../config/flags.ts';
import { chooseLoad } from '../../config/load-config.ts';
import { checkBenchmark } from '../../config/schema.ts';
import { targetFlag } from '../../config/target.ts';
import type { Load } from '../../config/types.ts';
import { readYamlFile, type YamlPath } from '../../config/yaml-file.ts';
import { UsageError } from '../../core/errors.ts';

export interface Trial {
  /** Absolute; the load generator sees it and nothing else. */
  dir: string;
  /** The script, as the user should read it. */
  script: string;
  /** Scheme, host and port. */
  target: string;
  load: Load;
  /** Absolute path for the single requests. */
  requestsOut?: string;
}

export const TRIAL_FLAGS: readonly Flag[] = [
  { name: 'target', value: 'URL', help: 'where the requests go: http://127.0.0.1:8080; an address of this machine' },
  { name: 'i-own-this-target', help: 'allow any other target: it is yours, or its owner knows' },
  { name: 'rate', value: 'N', help: 'iterations per second; with --stages that of the start' },
  {
    name: 'duration',
    value: 'TIME',
    help: 'length of the window: 5s, 2m; with --users the most that it may take; default 10s',
  },
  { name: 'warmup', value: 'TIME', help: 'load before the window, not measured; default 0s' },
  {
    name: 'stages',
    value: 'RATE:TIME,...',
    help: 'in place of --duration: the rate moves evenly to each rate in its time, for example 10:5s,50:10s',
  },
  { name: 'poisson', help: 'iterations come at random, at the same rate on average' },
  {
    name: 'users',
    value: 'N',
    help: 'a closed model in place of a rate: so many users, each with its next iteration when it has the answer',
  },
  { name: 'iterations', value: 'N', help: 'of each user; default 1' },
  { name: 'think', value: 'TIME', help: 'time that a user waits between two iterations' },
  {
    name: 'max-in-flight',
    value: 'N',
    help: 'iterations that may be under way at once; default a quarter of the rate, at least 10',
  },
  { name: 'timeout', value: 'TIME', help: 'after it a request has failed; default 30s' },
  { name: 'workers', value: 'N', help: 'threads that send; default 1' },
  { name: 'requests-out', value: 'FILE', help: 'write every request to this Parquet file (docs/requests.md)' },
];

const HELP = 'see npm run load -- --help';

interface Given {
  text(name: string): string | undefined;
  has(name: string): boolean;
}

/** UsageError with everything that is wrong, in the words of the flags. `cwd`: where paths count from. */
export function readTrial(script: string, given: Given, cwd: string): Trial {
  const file = resolve(cwd, script);
  if (!existsSync(file) || !statSync(file).isFile())
    throw new UsageError(`there is no file ${script}`, {
      hint: 'Name a load script, for example benchmarks/shop/load.ts.',
    });
  const target = checkTarget(given.text('target'), given.has('i-own-this-target'));
  const dir = benchmarkFolder(file);
  const own = scenariosOf(dir, file, cwd);
  const spec = own
    ? withScenarios(own, relative(dir, file), target, given)
    : specOf(relative(dir, file), target, given);
  const load = chooseLoad(checkedSpec(spec, dir, own ? 'load/' : '--'), dir, {}, cwd);
  const out = given.text('requests-out');
  return {
    dir,
    script: relative(cwd, file) || file,
    target,
    load,
    ...(out === undefined ? {} : { requestsOut: outFile(out, cwd) }),
  };
}

/** The nearest folder upwards with a benchmark.yaml, else the script's own. */
export function benchmarkFolder(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'benchmark.yaml'))) return folder;
    if (folder === dirname(folder)) return dirname(file);
  }
}

/**
 * The target without a slash at its end. Refuses one of another machine unless its owner says so: a load is an attack
 * on whoever did not ask for it.
 */
export function checkTarget(target: string | undefined, owned: boolean): string {
  if (target === undefined)
    throw new UsageError('--target must be given: where the requests go', {
      hint: 'For example --target=http://127.0.0.1:8080',
    });
  const origin = targetFlag(target, HELP);
  if (!owned && !isLoopback(new URL(origin).hostname)) {
    throw new UsageError(`--target=${origin} is not this machine`, {
      hint: 'Try the script on a service of this machine (127.0.0.1, [::1], localhost). Only where the target is yours, or its owner knows: add --i-own-this-target.',
    });
  }
  return origin;
}

/** 127.0.0.0/8, ::1 and localhost, as URL writes them: every other form of an IPv4 address has become four numbers. */
const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);

/** `load` of the benchmark.yaml in the folder, where the script is its own and there are scenarios in it. */
function scenariosOf(dir: string, file: string, cwd: string): Record<string, unknown> | null {
  const yaml = join(dir, 'benchmark.yaml');
  if (!existsSync(yaml)) return null;
  const { load } = (readYamlFile(yaml, relative(cwd, yaml) || yaml).value ?? {}) as {
    load?: { script?: unknown; scenarios?: unknown } | null;
  };
  if (!load?.scenarios || typeof load.script !== 'string' || resolve(dir, load.script) !== file) return null;
  return load as Record<string, unknown>;
}

/** Flags that say when iterations start: of scenarios benchmark.yaml says that. */
const OF_ONE_MODEL = [
  'rate',
  'duration',
  'stages',
  'poisson',
  'users',
  'iterations',
  'think',
  'max-in-flight',
] as const;

function withScenarios(
  own: Record<string, unknown>,
  script: string,
  target: string,
  given: Given,
): Record<string, unknown> {
  const flag = OF_ONE_MODEL.find((name) => given.has(name));
  if (flag)
    throw new UsageError(
      `--${flag} cannot be given: ${script} is a script of scenarios, and benchmark.yaml says when each begins and how much it does`,
      { hint: 'Leave the flag out, or change load/scenarios in benchmark.yaml.' },
    );
  const { scenarios, duration } = own;
  const flags = {
    warmup: given.text('warmup') ?? own.warmup,
    timeout: given.text('timeout') ?? own.timeout,
    workers: number(given.text('workers')) ?? own.workers,
  };
  return {
    script,
    target,
    scenarios,
    duration,
    ...Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
  };
}

/** The load as benchmark.yaml would have it: the same words, and the same rules. */
function specOf(script: string, target: string, given: Given): Record<string, unknown> {
  const text = (name: string) => given.text(name);
  const users = text('users');
  if (text('rate') === undefined && text('stages') === undefined && users === undefined)
    throw new UsageError('--rate, --stages or --users must say how many requests are made', {
      hint: 'For example --rate=50 --duration=5s',
    });
  const duration = text('duration') ?? (text('stages') === undefined && users === undefined ? '10s' : undefined);
  const warmup = text('warmup') ?? (users === undefined ? '0s' : undefined);
  const spec = {
    script,
    target,
    duration,
    warmup,
    rate: number(text('rate')),
    stages: text('stages')?.split(',').map(stage),
    arrivals: given.has('poisson') ? 'poisson' : undefined,
    users: number(users),
    iterations: number(text('iterations')),
    think: text('think'),
    max_in_flight: number(text('max-in-flight')),
    timeout: text('timeout'),
    workers: number(text('workers')),
  };
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined));
}

/** Plain decimal numbers only; what is none stays as it is, and is refused as such. */
const number = (text: string | undefined): number | string | undefined =>
  text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;

function stage(text: string): { rate: number | string | undefined; duration: string } {
  const [rate = '', duration = '', ...more] = text.split(':');
  if (!rate || !duration || more.length > 0)
    throw new UsageError(`--stages must be RATE:TIME, several separated by commas, got ${JSON.stringify(text)}`, {
      hint: 'For example --stages=10:5s,50:10s',
    });
  return { rate: number(rate), duration };
}

function checkedSpec(load: Record<string, unknown>, dir: string, by: '--' | 'load/'): BenchmarkSpec['load'] {
  const checked = checkBenchmark({ build: { none: { image: 'none:${commit}' } }, services: 'none.yaml', load });
  const faults =
    'faults' in checked
      ? checked.faults
      : checkSpec(
          checked.spec,
          { root: dir, dir, services: null, mounts: null, oneShots: new Map() },
          (path, text) => ({
            file: '',
            line: 0,
            path,
            text,
          }),
        );
  const own = faults.filter(({ path }) => path[0] === 'load');
  if (own.length > 0 || 'faults' in checked)
    throw new UsageError(
      own
        .map(({ path, text }) => `${by === '--' ? flagOf(path) : `benchmark.yaml: ${path.join('/')}`} ${text}`)
        .join('\n'),
      { hint: HELP },
    );
  return checked.spec.load;
}

/** The flag behind a field of `load`. */
const flagOf = ([, field]: YamlPath): string =>
  field === undefined
    ? 'the load'
    : field === 'script'
      ? 'the script'
      : field === 'arrivals'
        ? '--poisson'
        : `--${String(field).replaceAll('_', '-')}`;

function outFile(name: string, cwd: string): string {
  const file = resolve(cwd, name);
  if (existsSync(file))
    throw new UsageError(`--requests-out=${name}: it is there already`, { hint: 'Name another file, or remove it.' });
  if (!existsSync(dirname(file)) || !statSync(dirname(file)).isDirectory())
    throw new UsageError(`--requests-out=${name}: there is no folder ${JSON.stringify(dirname(name))}`, {
      hint: 'Name a file in a folder that is there.',
    });
  return file;
}
