/** mayfly.yaml: which repositories the server watches and who is told; checked like a benchmark. */
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { BenchmarkSpec } from './benchmark.types.ts';
import { type ConfigEnv, listBenchmarks, readBenchmark } from './config.ts';
import { didYouMean } from './nearest.ts';
import { pathFaults } from './path-patterns.ts';
import { parseDuration } from './quantities.ts';
import { checkService, shown } from './schema.ts';
import type { Alert, Conclusions, Repository, ServiceSpec } from './service.types.ts';
import { type Fault, readYamlFile, throwFaults, type YamlFile } from './yaml-file.ts';

export type { Alert, Conclusions };

/** A repository of GitHub that is watched. */
export interface WatchedRepository {
  /**
   * owner/name in small letters: GitHub does not tell them from capitals, and what is stored under a name is found
   * again however mayfly.yaml writes it.
   */
  name: string;
  benchmarks: string[];
  /** Pull requests of the repository itself are measured without being asked for. */
  eachPullRequest: boolean;
  /** Names of labels: who has `start` is measured as if each were, who has `skip` is not. */
  labels: { start?: string; skip?: string };
  /** Names and patterns of branches other than the default one whose pushes are measured. */
  branches: string[];
  /** Patterns of path-patterns.ts: what differs in no file that they let in is not measured unasked. Absent: all files. */
  paths?: string[];
  /** The conclusion of a check, by the verdict of its job. */
  conclusions: Conclusions;
}

/** What a benchmark says of its jobs. */
export interface JobRules {
  /** A newer push cancels a job that runs. */
  cancelRunning: boolean;
  deadlineS: number;
}

export interface ServiceConfig {
  /** Absolute; undefined where there is no file: then the server only shows the site. */
  file: string | undefined;
  /** Without a slash at its end. */
  site: string | undefined;
  repositories: WatchedRepository[];
  reconcileS: number;
  alerts: Alert[];
  /** Of every benchmark of this checkout that can be read. */
  rules: ReadonlyMap<string, JobRules>;
}

const HELP = 'The fields of mayfly.yaml are in docs/mayfly-yaml.md.';

/**
 * Reads mayfly.yaml: `path` (counted from cwd), or the one at the top of the checkout, which may be missing.
 * UsageError with every fault, one a line.
 */
export function loadService(path: string | undefined, env: ConfigEnv): ServiceConfig {
  const file = path === undefined ? join(env.root, 'mayfly.yaml') : resolve(env.cwd, path);
  const there = path !== undefined || existsSync(file);
  const yaml = there ? readYamlFile(file, relative(env.cwd, file) || file) : undefined;
  const spec = readSpec(yaml);
  const names = listBenchmarks(env.root);
  if (yaml) throwFaults(faultsOf(spec, yaml, names), HELP);
  const watched = Object.entries(spec.repositories).map(
    ([name, { benchmarks, pull_requests, labels, branches, paths, conclusions }]) => ({
      name: name.toLowerCase(),
      benchmarks,
      eachPullRequest: pull_requests === 'each',
      labels,
      branches,
      ...(paths === undefined ? {} : { paths }),
      conclusions,
    }),
  );
  const used = new Set(watched.flatMap(({ benchmarks }) => benchmarks));
  const read = new Map(names.flatMap((name) => readOf(name, used.has(name), env)));
  if (yaml) throwFaults(withoutGit(spec, yaml, read), HELP);
  return {
    file: there ? file : undefined,
    site: spec.site?.replace(/\/+$/, ''),
    repositories: watched,
    reconcileS: parseDuration(spec.reconcile)!,
    alerts: spec.alerts,
    rules: new Map([...read].map(([name, benchmark]) => [name, rulesOf(benchmark)])),
  };
}

function readSpec(yaml: YamlFile | undefined): ServiceSpec {
  if (yaml) throwFaults(yaml.faults);
  const checked = checkService(yaml?.value ?? {});
  if ('spec' in checked) return checked.spec;
  throwFaults(
    checked.faults.map(({ path, text }) => yaml!.fault(path, text)),
    HELP,
  );
  throw new TypeError('a file that is not valid has no fault');
}

function faultsOf(spec: ServiceSpec, yaml: YamlFile, benchmarks: string[]): Fault[] {
  const unknown = (path: (string | number)[], name: string) =>
    benchmarks.includes(name)
      ? []
      : [
          yaml.fault(
            path,
            `names ${shown(name)}, which is no benchmark of this checkout${didYouMean(name, benchmarks)}; there is ${benchmarks.join(', ') || 'none'}`,
          ),
        ];
  const names = Object.keys(spec.repositories);
  const twice = names.filter((name, i) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== i);
  return [
    ...twice.map((name) =>
      yaml.fault(['repositories', name], 'is there twice: GitHub does not tell upper from lower case'),
    ),
    ...Object.entries(spec.repositories).flatMap(([name, { benchmarks: own }]) =>
      own.flatMap((one, i) => unknown(['repositories', name, 'benchmarks', i], one)),
    ),
    ...Object.entries(spec.repositories).flatMap(([name, repository]) => labelFaults(name, repository, yaml)),
    ...Object.entries(spec.repositories).flatMap(([name, { paths }]) =>
      pathFaults(paths ?? []).map(({ index, text }) => yaml.fault(['repositories', name, 'paths', index], text)),
    ),
    ...spec.alerts.flatMap((alert, i) => [
      ...alertFaults(alert, i, yaml),
      ...(alert.benchmarks ?? []).flatMap((one, j) => unknown(['alerts', i, 'benchmarks', j], one)),
    ]),
    ...(parseDuration(spec.reconcile)! < 10
      ? [yaml.fault(['reconcile'], `must be >= 10s, got ${shown(spec.reconcile)}`)]
      : []),
  ];
}

function labelFaults(name: string, { pull_requests, labels: { start, skip } }: Repository, yaml: YamlFile): Fault[] {
  const path = ['repositories', name, 'labels'];
  if (start === undefined) return [];
  return [
    ...(pull_requests === 'each'
      ? [
          yaml.fault(
            [...path, 'start'],
            'means nothing with pull_requests: each, which measures every pull request; it goes with pull_requests: on-request',
          ),
        ]
      : []),
    ...(start.toLowerCase() === skip?.toLowerCase()
      ? [
          yaml.fault(
            [...path, 'skip'],
            `is the label that starts, ${shown(start)}; GitHub does not tell upper from lower case`,
          ),
        ]
      : []),
  ];
}

/** Fields that a channel needs, and further ones that it may have. */
const FIELDS = {
  webhook: { needs: ['url_from'], may: [] },
  email: { needs: ['smtp_from', 'from', 'to'], may: [] },
  issue: { needs: [], may: ['labels'] },
} as const;

function alertFaults(alert: Alert, index: number, yaml: YamlFile): Fault[] {
  const { needs, may } = FIELDS[alert.kind];
  const known: readonly string[] = ['kind', 'benchmarks', ...needs, ...may];
  const written = Object.keys((yaml.value as { alerts: object[] }).alerts[index]!);
  return [
    ...needs
      .filter((field) => alert[field] === undefined)
      .map((field) => yaml.fault(['alerts', index], `is of kind ${alert.kind}, so it needs ${field}`)),
    ...written
      .filter((field) => !known.includes(field))
      .map((field) =>
        yaml.fault(
          ['alerts', index, field],
          `is not for an alert of kind ${alert.kind}; allowed here: ${known.join(', ')}`,
        ),
      ),
  ];
}

/** A fault in a benchmark that nobody watches does not affect the others. */
function readOf(name: string, used: boolean, env: ConfigEnv): [string, BenchmarkSpec][] {
  try {
    return [[name, readBenchmark(join(env.root, 'benchmarks', name), env)]];
  } catch (error) {
    if (used || !(error instanceof UsageError)) throw error;
    return [];
  }
}

const rulesOf = ({ jobs }: BenchmarkSpec): JobRules => ({
  cancelRunning: jobs.cancel_running,
  deadlineS: Math.ceil(parseDuration(jobs.deadline)!),
});

/** Which files a commit has is known only of what is built from git. */
function withoutGit({ repositories }: ServiceSpec, yaml: YamlFile, read: ReadonlyMap<string, BenchmarkSpec>): Fault[] {
  return Object.entries(repositories)
    .filter(([, { paths }]) => paths !== undefined)
    .flatMap(([name, { benchmarks }]) => benchmarks.map((benchmark) => ({ name, benchmark })))
    .filter(({ benchmark }) => Object.values(read.get(benchmark)!.build).every(({ git }) => git === undefined))
    .map(({ name, benchmark }) =>
      yaml.fault(['repositories', name, 'paths'], `means nothing for ${benchmark}, which is not built from git`),
    );
}

/** The watched repository of this name; GitHub does not tell upper from lower case. */
export const watchedRepository = ({ repositories }: ServiceConfig, name: string): WatchedRepository | undefined =>
  repositories.find((one) => one.name.toLowerCase() === name.toLowerCase());

const MERGE_QUEUE = 'gh-readonly-queue/';

/** Whether pushes to this branch, which is not the default one, are measured. */
export const isReleaseLine = ({ branches }: WatchedRepository, branch: string): boolean =>
  !branch.startsWith(MERGE_QUEUE) && branches.some((pattern) => patternOf(pattern).test(branch));

const patternOf = (pattern: string) =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&'))
      .join('[^/]*')}$`,
  );
