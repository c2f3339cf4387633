/** The benchmark's file and the flags, checked and laid together. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { Metric } from '../documents/run.ts';
import type { BenchmarkSpec, Build } from './benchmark.types.ts';
import { isBranch } from './branch.ts';
import { checkAdded, checkTraced, readBroker, ZIPKIN } from './broker.ts';
import { checkSpec } from './check.ts';
import { checkCompose, composeMounts, composeServices, oneShotsOf } from './compose-check.ts';
import { asDeployed, labelOf, targetOf } from './deployed.ts';
import {
  checkDeployments,
  checkInWindow,
  chooseDeployments,
  chooseDisturbances,
  type DeploymentFiles,
  overlaysOf,
} from './deployments.ts';
import { HELP, minutesFlag, shareFlag, wholeFlag } from './flag-values.ts';
import { type BenchFlags, parseLabels } from './flags.ts';
import { type Identity, identify, type Known } from './identity.ts';
import { chooseLoad } from './load-config.ts';
import { allMetrics } from './metric-defaults.ts';
import { didYouMean } from './nearest.ts';
import { parseObjectives } from './objectives.ts';
import { pathFaults } from './path-patterns.ts';
import { protoFaults } from './proto-check.ts';
import { parseDuration, parseShare, parseSize } from './quantities.ts';
import { checkBenchmark, shown } from './schema.ts';
import {
  AGAINST,
  type BrokerConfig,
  type BuildRecipe,
  type ComparisonConfig,
  type Config,
  MOST,
  type TelemetryFolder,
  type TracesConfig,
} from './types.ts';
import { readYamlFile, throwFaults, type YamlFile } from './yaml-file.ts';

export { type BenchFlags, benchFlags, parseBenchArgs } from './flags.ts';

export interface ConfigEnv {
  /** The checkout; benchmarks/ is in it. */
  root: string;
  /** Where the command was called: paths in flags and in messages count from here. */
  cwd: string;
  /** What is known of benchmarks that were measured: by it a name stands for a folder outside of the checkout too. */
  known?: Known;
}

/** What a run is asked for: the flags of `npm run bench`, or part of them. */
export interface BenchOptions extends Partial<Omit<BenchFlags, 'verdict' | 'help'>> {
  /** The variants with which the run was begun that is gone on with. */
  begun?: Pick<BenchFlags, 'variant' | 'againstVariant'>;
  /** Besides those in `label`. */
  labels?: Record<string, string>;
}

const NONE = {
  master: false,
  label: [],
  live: false,
  keep: false,
  json: false,
  quiet: false,
  verdict: { strict: false, files: {} },
} satisfies BenchFlags;

/** Seconds of a block of Prometheus: a longer run ships its finished blocks while it goes on. */
const BLOCK_S = 2 * 3600;
/** Traces that are kept where only a flag asks for them; as the schema has it. */
const KEPT_TRACES = 20;
const HELP_FILE = 'The fields of benchmark.yaml are in docs/benchmark.md.';

/**
 * Lays what is asked for over the benchmark's file.
 * Throws a UsageError that holds every fault of the files, one a line, or the first wrong flag.
 */
export async function loadConfig({ labels = {}, begun, ...options }: BenchOptions, env: ConfigEnv): Promise<Config> {
  const flags = { ...NONE, ...options };
  const target = targetOf(flags);
  const dir = chooseFolder(flags.benchmark, env);
  const { spec, broker, services, files } = readFolder(dir, env);
  if (typeof flags.traces === 'string' && services?.includes(ZIPKIN))
    throw new UsageError(
      `--traces cannot be given: the benchmark has a service that is called ${ZIPKIN}, which is where Mayfly gathers them`,
      {
        hint: 'Give it another name in the Compose file.',
      },
    );
  throwFaults(
    await protoFaults(dir, (file) => relative(env.cwd, file) || file),
    'Nothing was built. The contracts of the functions, and those that the load script names, are read first.',
  );
  const { name, elsewhere, note } = await identityOf(dir, spec, env);
  const deployments = chooseDeployments(spec, begun ?? flags, files, begun && 'the run that is resumed has');
  const made = makeConfig(name, dir, spec, target === null ? flags : { ...flags, commit: labelOf(flags) }, env);
  const config = {
    ...made,
    deployments,
    broker,
    ...(elsewhere ? { elsewhere } : {}),
    ...(note === undefined ? {} : { nameNote: note }),
  };
  const whole = { ...config, labels: { ...config.labels, ...labels } };
  throwFaults(checkInWindow(spec, whole, files, flags.duration), HELP_FILE);
  if (target === null) return whole;
  return asDeployed(whole, target, { load: chooseLoad(spec.load, dir, {}, env.cwd), rounds: spec.rounds });
}

/** Reads and checks a benchmark's folder; defaults are filled in. */
export const readBenchmark = (dir: string, env: ConfigEnv): BenchmarkSpec => readFolder(dir, env).spec;

function readFolder(
  dir: string,
  env: ConfigEnv,
): { spec: BenchmarkSpec; broker: BrokerConfig | null; services: string[] | null; files: DeploymentFiles } {
  const named = (file: string) => readYamlFile(file, relative(env.cwd, file) || file);
  const file = named(join(dir, 'benchmark.yaml'));
  throwFaults(file.faults);
  const checked = checkBenchmark(file.value);
  if ('faults' in checked) {
    throwFaults(
      checked.faults.map(({ path, text }) => file.fault(path, text)),
      HELP_FILE,
    );
    throw new TypeError('a file that is not valid has no fault');
  }
  const { spec } = checked;
  const compose = composeOf(dir, spec, named);
  const services = compose && composeServices(compose);
  const mounts = compose && composeMounts(compose);
  const oneShots = oneShotsOf(services && (compose!.value as { services: unknown }).services);
  const around = { root: env.root, dir, services, mounts, oneShots };
  const files: DeploymentFiles = { dir, say: file.fault, compose, read: named };
  const read = spec.broker ? readBroker(spec.broker, { ...around, read: named }, file.fault) : { broker: null };
  throwFaults(
    [
      ...checkSpec(spec, around, file.fault),
      ...(compose ? checkCompose(compose, dir, Object.keys(spec.build)) : []),
      ...(compose && spec.broker ? checkAdded(compose) : []),
      ...(compose && spec.traces ? checkTraced(compose) : []),
      ...('faults' in read ? read.faults : []),
      ...checkDeployments(spec, files),
    ],
    HELP_FILE,
  );
  return { spec, broker: (read as { broker: BrokerConfig | null }).broker, services, files };
}

/** The Compose file, where there is one to read; that it is missing is found by checkSpec. */
function composeOf(dir: string, spec: BenchmarkSpec, read: (file: string) => YamlFile): YamlFile | null {
  const file = resolve(dir, spec.services);
  return existsSync(file) && statSync(file).isFile() ? read(file) : null;
}

function identityOf(dir: string, { name, build }: BenchmarkSpec, { root, known }: ConfigEnv): Promise<Identity> {
  const repositories = Object.values(build).flatMap(({ git }) => (git ? [git.repository] : []));
  return identify(dir, { name, repositories }, { root, own: listBenchmarks(root), known });
}

/**
 * The name under which runs are kept, of what --benchmark says: a folder is read for it, a name is taken as it is, since
 * runs outlive their benchmark.
 */
export async function benchmarkName(asked: string, env: ConfigEnv): Promise<string> {
  if (!asked.includes('/')) return asked;
  const dir = chooseFolder(asked, env);
  return (await identityOf(dir, readBenchmark(dir, env), env)).name;
}

/** The folder of a benchmark: of this checkout by name, any by its path, and one that was measured before by its name. */
function chooseFolder(asked: string | undefined, { root, cwd, known }: ConfigEnv): string {
  if (asked?.includes('/')) {
    const dir = resolve(cwd, asked);
    if (!existsSync(join(dir, 'benchmark.yaml')))
      throw new UsageError(`there is no benchmark.yaml in ${asked}`, {
        hint: 'Name a folder that holds one, or a benchmark of this checkout.',
      });
    return dir;
  }
  const names = listBenchmarks(root);
  const before = asked === undefined || names.includes(asked) ? undefined : known?.(asked)?.folder;
  if (before && existsSync(join(before, 'benchmark.yaml'))) return before;
  return join(root, 'benchmarks', chooseName(asked, names, before));
}

/** `before`: where one of this name was measured from, if its folder is gone. */
function chooseName(asked: string | undefined, names: string[], before: string | null | undefined): string {
  if (asked !== undefined && before)
    throw new UsageError(`the folder of the benchmark ${shown(asked)} is not there any more: ${before}`, {
      hint: 'Name the folder where it is now: --benchmark=PATH.',
    });
  if (names.length === 0)
    throw new UsageError('there is no benchmark: no benchmarks/<name>/benchmark.yaml in this checkout', {
      hint: 'Write one; docs/benchmark.md says how.',
    });
  if (asked !== undefined) {
    if (names.includes(asked)) return asked;
    throw new UsageError(`there is no benchmark ${shown(asked)}${didYouMean(asked, names)}`, {
      hint: `Benchmarks of this checkout: ${names.join(', ')}.`,
    });
  }
  if (names.includes('shop')) return 'shop';
  if (names.length === 1) return names[0]!;
  throw new UsageError('there are several benchmarks, so --benchmark must name one', {
    hint: `Benchmarks of this checkout: ${names.join(', ')}.`,
  });
}

/** Names of the benchmarks of a checkout. */
export function listBenchmarks(root: string): string[] {
  const folder = join(root, 'benchmarks');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'benchmark.yaml')))
    .sort();
}

function makeConfig(
  benchmark: string,
  dir: string,
  spec: BenchmarkSpec,
  flags: BenchFlags,
  env: ConfigEnv,
): Omit<Config, 'broker' | 'deployments'> {
  const builds = Object.fromEntries(Object.entries(spec.build).map(([name, build]) => [name, recipe(build)]));
  const fromGit = Object.values(builds).some(({ kind }) => kind === 'git');
  const load = chooseLoad(spec.load, dir, flags, env.cwd);
  const rounds = wholeFlag('rounds', flags.rounds, 'rounds');
  const comparison = chooseComparison(spec, flags, rounds);
  const traces = chooseTraces(spec, flags);
  const metrics = chooseMetrics(spec, traces);
  const commit = chooseCommit(flags.commit, benchmark, fromGit);
  const against = chooseOther(flags, commit, fromGit);
  const longest = longestRun({ ...flags, against }, comparison, rounds ?? spec.rounds);
  const overlays = overlaysOf(spec, dir);
  return {
    benchmark,
    description: spec.description,
    dir,
    file: join(dir, 'benchmark.yaml'),
    commit,
    ...(against === undefined ? {} : { against }),
    ...(flags.branch === undefined ? {} : { branch: chooseBranch(flags.branch, fromGit) }),
    ...(flags.paths === undefined ? {} : { paths: choosePaths(flags.paths, fromGit) }),
    comparison,
    objectives: parseObjectives(spec.objectives, metrics),
    master: flags.master,
    ...(flags.resume === undefined ? {} : { resume: checkResume(flags) }),
    builds,
    services: resolve(dir, spec.services),
    load,
    scrape: spec.scrape,
    telemetry: chooseTelemetry(spec, flags),
    traces,
    ...(flags.logFormat === undefined ? {} : { logFormat: chooseLogFormat(flags.logFormat) }),
    ...(overlays.length > 0 ? { overlays } : {}),
    disturbances: chooseDisturbances(spec),
    metrics,
    rounds: rounds ?? spec.rounds,
    retries: spec.retries,
    allow: {
      failedRequests: parseShare(spec.allow.failed_requests),
      disturbedFailures: parseShare(spec.allow.disturbed_failures ?? spec.allow.failed_requests),
      throttledPeriods: parseShare(spec.allow.throttled),
      steal: parseShare(spec.allow.steal),
      outsideLoad: parseShare(spec.allow.outside_load),
      saturation: parseShare(spec.allow.saturation),
      lostEvents: parseShare(spec.allow.lost_events),
      deadLettered: parseShare(spec.allow.dead_lettered),
      answersDiffer: spec.allow.answers_differ,
      startLagMs: Math.round(parseDuration(spec.allow.start_lag)! * 1e6) / 1e3,
    },
    readyTimeoutS: parseDuration(spec.ready_timeout)!,
    diskLimitBytes: parseSize(spec.disk_limit),
    labels: parseLabels(flags.label),
    keep: flags.keep,
    live: flags.live || longest * (load.durationS + load.warmupS) > BLOCK_S,
    ...(flags.objstore === undefined ? {} : { objstore: objstoreFile(flags.objstore, env.cwd) }),
  };
}

/** Rounds that a run may have: what is not compared in the end is shorter. */
function longestRun(
  { against, master, rounds: fixed }: BenchFlags,
  { pairing, max }: ComparisonConfig,
  alone: number,
): number {
  if (against === 'none' || against === 'master-set' || (master && against === undefined)) return alone;
  const observations =
    fixed === undefined ? (max ?? (pairing === 'alternating' ? MOST.alternating : MOST.interleaved)) : alone;
  return pairing === 'alternating' ? 4 * observations : observations;
}

/** What is compared with: two variants of one commit where only the other variant is named. */
function chooseOther(
  { against, variant, againstVariant, master }: BenchFlags,
  commit: string,
  fromGit: boolean,
): string | undefined {
  if (againstVariant === undefined) return against === undefined ? undefined : chooseAgainst(against, fromGit);
  if (against === 'none' || against === 'master-set')
    throw new UsageError(
      `--against-variant cannot be given with --against=${against}: there is no other side that could be deployed`,
      { hint: 'Leave one of them out.' },
    );
  if (master && againstVariant !== variant)
    throw new UsageError(
      '--against-variant cannot be given with --master: the history of the default branch is kept for each variant by itself',
      { hint: 'Leave one of them out.' },
    );
  return against === undefined ? commit : chooseAgainst(against, fromGit);
}

/** Names that mean no commit are kept as they are. */
function chooseAgainst(against: string, fromGit: boolean): string {
  if (against === 'merge-base' && !fromGit)
    throw new UsageError('--against=merge-base means nothing: this benchmark is not built from git', {
      hint: 'Name the version to compare with, for example --against=v2.10.0.',
    });
  return (AGAINST as readonly string[]).includes(against) ? against : checkRef('against', against, fromGit);
}

/** It goes into what git is told to fetch, so it must be what git takes for a branch. */
function chooseBranch(branch: string, fromGit: boolean): string {
  if (!fromGit)
    throw new UsageError('--branch means nothing: this benchmark is not built from git', { hint: 'Leave it out.' });
  if (isBranch(branch)) return branch;
  throw new UsageError(`--branch must be the name of a branch, such as release-1.4, got ${shown(branch)}`, {
    hint: HELP,
  });
}

function choosePaths(paths: string[], fromGit: boolean): string[] {
  if (!fromGit)
    throw new UsageError('--paths means nothing: this benchmark is not built from git', { hint: 'Leave it out.' });
  const [fault] = pathFaults(paths);
  if (fault) throw new UsageError(`--paths ${fault.text}`, { hint: HELP });
  return paths;
}

function chooseTelemetry({ telemetry }: BenchmarkSpec, flags: BenchFlags): TelemetryFolder[] {
  if (flags.profile && telemetry.length === 0)
    throw new UsageError('--profile means nothing: the benchmark has no service with telemetry', {
      hint: 'Name one under telemetry in benchmark.yaml; docs/telemetry.md says how.',
    });
  return telemetry.map(({ service, folder, size, profile = flags.profile ? 'cpu' : undefined }) => ({
    service,
    folder,
    bytes: parseSize(size),
    ...(profile === undefined || flags.profile === false
      ? {}
      : { profile: profile as TelemetryFolder['profile'] & {} }),
  }));
}

/** `--traces` asks for spans also where the file does not. */
function chooseTraces({ traces }: BenchmarkSpec, flags: BenchFlags): TracesConfig | null {
  if (flags.traces === false) return null;
  const sampling = shareFlag('traces', flags.traces);
  if (!traces && sampling === undefined) return null;
  return { sampling: sampling ?? parseShare(traces!.sampling), keep: traces?.keep ?? KEPT_TRACES };
}

/** Without traces nothing is known of a hop. */
function chooseMetrics(spec: BenchmarkSpec, traces: TracesConfig | null): Metric[] {
  const all = allMetrics(spec);
  const left = all.filter(({ trace }) => trace === undefined);
  if (traces || left.length === all.length) return all;
  const needed = all.find(({ name, trace, primary }) => trace && (primary || Object.hasOwn(spec.objectives, name)));
  if (needed)
    throw new UsageError(
      `--no-traces cannot be given: ${needed.name} is ${needed.primary ? 'a primary metric' : 'among the objectives'}, and is read from traces`,
      { hint: 'Leave the flag out, or change the metric in benchmark.yaml.' },
    );
  return left;
}

function chooseLogFormat(asked: string): 'logfmt' | 'json' {
  if (asked === 'logfmt' || asked === 'json') return asked;
  throw new UsageError(
    `--log-format must be logfmt or json, got ${shown(asked)}${didYouMean(asked, ['logfmt', 'json'])}`,
    {
      hint: HELP,
    },
  );
}

function chooseComparison(
  { comparison }: BenchmarkSpec,
  flags: BenchFlags,
  fixed: number | undefined,
): ComparisonConfig {
  const asked = flags.pairing ?? comparison.pairing;
  const pairing = (['auto', 'interleaved', 'alternating'] as const).find((one) => one === asked);
  if (!pairing)
    throw new UsageError(`--pairing must be auto, interleaved or alternating, got ${shown(asked)}`, { hint: HELP });
  const max = wholeFlag('max-rounds', flags.maxRounds, 'rounds') ?? comparison.max_rounds;
  if (flags.rounds !== undefined && flags.maxRounds !== undefined)
    throw new UsageError('--rounds and --max-rounds exclude each other: --rounds measures exactly so many', {
      hint: HELP,
    });
  if (max !== undefined && max < comparison.min_rounds)
    throw new UsageError(
      `--max-rounds must be at least ${comparison.min_rounds}, the least number of rounds of a comparison, got ${max}`,
      { hint: HELP },
    );
  const maxMinutes = minutesFlag(flags.maxMinutes) ?? comparison.max_minutes;
  return {
    pairing,
    min: comparison.min_rounds,
    ...(fixed === undefined ? {} : { fixed }),
    ...(max === undefined ? {} : { max }),
    ...(maxMinutes === undefined ? {} : { maxMinutes }),
  };
}

/** What was agreed for a run that is gone on with stays: flags that would change it are refused. */
function checkResume(flags: BenchFlags): string {
  const given = (
    [
      'commit',
      'against',
      'variant',
      'againstVariant',
      'branch',
      'paths',
      'rate',
      'duration',
      'warmup',
      'rounds',
      'pairing',
      'maxRounds',
    ] as const
  ).find((name) => flags[name] !== undefined);
  if (flags.traces !== undefined)
    throw new UsageError(
      `--resume goes on with a run as it was begun, so --${flags.traces === false ? 'no-traces' : 'traces'} cannot be given with it`,
      { hint: 'Leave it out, or begin a new run.' },
    );
  if (given || flags.master || flags.label.length > 0) {
    throw new UsageError(
      `--resume goes on with a run as it was begun, so --${given?.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) ?? (flags.master ? 'master' : 'label')} cannot be given with it`,
      { hint: 'Leave it out, or begin a new run.' },
    );
  }
  if (!/^([0-9A-Za-z]{1,26}|last)$/.test(flags.resume!))
    throw new UsageError(
      `--resume must be the id of a run, the beginning of one, or last, got ${shown(flags.resume!)}`,
      { hint: 'npm run runs lists them.' },
    );
  return flags.resume!;
}

function recipe({ git, image, command }: Build): BuildRecipe {
  if (git) {
    const { repository, context, dockerfile, network, builder } = git;
    const args = Object.fromEntries(Object.entries(git.args).map(([name, value]) => [name, String(value)]));
    // In a fixed order: the recipe is hashed, and the same recipe is the same build.
    return { kind: 'git', repository, context, dockerfile, args, network, builder };
  }
  if (image !== undefined) return { kind: 'image', image };
  return { kind: 'command', command: command! };
}

function chooseCommit(asked: string | undefined, benchmark: string, fromGit: boolean): string {
  if (asked !== undefined) return checkRef('commit', asked, fromGit);
  if (fromGit) return 'HEAD';
  throw new UsageError(`--commit must be given: ${benchmark} is not built from git, so there is no HEAD`, {
    hint: 'Name the version to measure, for example --commit=v2.10.0.',
  });
}

/**
 * A name for a commit is plain data: git gets it after --end-of-options, no shell sees it, so all but control
 * characters may stand in it. A version goes into image names and must look like one.
 */
function checkRef(flag: string, ref: string, fromGit: boolean): string {
  const refuse = (what: string): never => {
    throw new UsageError(`--${flag} ${what}, got ${shown(ref)}`, { hint: HELP });
  };
  if (ref.startsWith('-')) refuse('must not start with -');
  if (ref.length > 200) refuse('must have at most 200 characters');
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(ref)) refuse('must not hold control characters');
  if (!fromGit && !/^[A-Za-z0-9_][A-Za-z0-9_.:@+/-]*$/.test(ref))
    refuse('must be a version of letters, digits and _ . : @ + / -, since this benchmark is not built from git');
  return ref;
}

function objstoreFile(name: string, cwd: string): string {
  const file = resolve(cwd, name);
  if (existsSync(file) && statSync(file).isFile()) return file;
  throw new UsageError(
    `--objstore must be a file with a Thanos object-store configuration, but ${name} ${existsSync(file) ? 'is no file' : 'is not there'}`,
    { hint: 'Examples are in thanos/.' },
  );
}
