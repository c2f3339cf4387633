/**
 * A benchmark against an address where its service is deployed already (`--target=URL`): what cannot be asked for then,
 * how much load there may be, and what is left of the benchmark. Pure.
 */
import type { SingleModel } from '../../loadgen/plan.ts';
import { UsageError } from '../core/errors.ts';
import type { Metric } from '../documents/run.ts';
import type { BenchFlags } from './flags.ts';
import { isOwn } from './metric-defaults.ts';
import { targetFlag } from './target.ts';
import type { Config, Deployment, Load } from './types.ts';

const HELP = 'see npm run bench -- --help';

/** Whose address it is, nobody can check: so no flag and no file lifts these. */
export const MOST_DEPLOYED = {
  /** Iterations per second. */
  rate: 1000,
  /** Iterations that may be under way at once; users. */
  inFlight: 250,
  /** Iterations of a run, with those of rounds that are measured again. */
  iterations: 300_000,
} as const;

/** The version of what is deployed where nobody names one. */
const DEPLOYED = 'deployed';

/** Nothing is started. */
const NO_DEPLOYMENT: Deployment = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };

/** Metrics that are read from containers of the services. */
const OF_CONTAINERS = ['cpu_seconds_per_request', 'memory_peak'];

/** The address of `--target`; null where it is not given. Refuses every flag that means nothing then. */
export function targetOf(flags: BenchFlags): string | null {
  if (flags.target === undefined) {
    if (flags.ownsTarget)
      throw new UsageError('--i-own-this-target is given without --target', {
        hint: 'Name the address that is yours, for example --target=https://staging.example.org.',
      });
    return null;
  }
  const url = targetFlag(flags.target, HELP);
  if (!flags.ownsTarget)
    throw new UsageError(`--target=${url} needs --i-own-this-target: a load is an attack on who did not ask for it`, {
      hint: 'Add it only where the address is yours, or its owner knows. Nothing was sent.',
    });
  for (const { given, why, hint } of unfit(flags)) {
    if (given === undefined) continue;
    throw new UsageError(`--${given} cannot be given with --target: ${why}`, { hint });
  }
  return url;
}

interface Unfit {
  /** The flag; undefined where it is not given. */
  given: string | undefined;
  why: string;
  hint: string;
}

function unfit(flags: BenchFlags): Unfit[] {
  const first = (names: Record<string, unknown>) => Object.keys(names).find((name) => names[name]);
  const { against } = flags;
  return [
    {
      given: against === undefined || against === 'none' ? undefined : `against=${against}`,
      why: 'there is one side, what is deployed at the address',
      hint: 'Measure it before and after it is deployed anew, and lay both runs beside each other: npm run compare -- RUN RUN. To compare two commits leave out --target.',
    },
    {
      given: first({ variant: flags.variant, 'against-variant': flags.againstVariant }),
      why: 'how the service is deployed there is not for Mayfly to say',
      hint: 'Deploy the variant there, and say which it is by --label=variant=NAME; without --target Mayfly starts it.',
    },
    {
      given: first({ branch: flags.branch, master: flags.master, paths: flags.paths }),
      why: 'what is deployed at an address is no part of the history of a branch',
      hint: 'Leave it out. --commit=LABEL says which version is deployed there.',
    },
    {
      given: first({ pairing: flags.pairing, 'max-rounds': flags.maxRounds, 'max-minutes': flags.maxMinutes }),
      why: 'there is one side, so there is no verdict to wait for',
      hint: '--rounds=N says how many rounds are measured.',
    },
    {
      given: first({ resume: flags.resume }),
      why: 'only a comparison is gone on with',
      hint: 'Leave one of them out.',
    },
    {
      given: first({ profile: flags.profile, traces: flags.traces, 'log-format': flags.logFormat }),
      why: 'Mayfly starts nothing of the service, and sees nothing of it but its answers',
      hint: 'Leave it out, or leave out --target: Mayfly then starts the service itself.',
    },
  ];
}

/** What `--commit` says with `--target`: a label of what is deployed there. */
export const labelOf = ({ commit }: BenchFlags): string => commit ?? DEPLOYED;

/** What the benchmark's file asks for by itself, which flags may not go beyond. */
export interface AskedByFile {
  load: Load;
  rounds: number;
}

/** What is left of a benchmark whose service is deployed at `url`. `config`: with the flags laid over the file. */
export function asDeployed(config: Config, url: string, file: AskedByFile): Config {
  refuseParts(config);
  checkBounds(config, file);
  const kept = config.metrics.filter(isFromOutside);
  const left = config.metrics.filter((metric) => !kept.includes(metric)).map(({ name }) => name);
  const without = [
    ...left,
    ...(config.telemetry.length > 0 ? ['telemetry'] : []),
    ...(config.traces ? ['traces'] : []),
  ];
  const notes =
    without.length > 0
      ? [`left out, since Mayfly sees nothing of the service but its answers: ${without.join(', ')}`]
      : [];
  return {
    ...config,
    against: 'none',
    builds: {},
    scrape: [],
    telemetry: [],
    traces: null,
    deployments: { candidate: NO_DEPLOYMENT, baseline: NO_DEPLOYMENT },
    objectives: {},
    metrics: kept,
    load: { ...config.load, target: url },
    deployed: { url, notes },
  };
}

/** Parts of a benchmark that need what Mayfly starts. */
function refuseParts({ file, broker, disturbances, deployments: { candidate }, load }: Config): void {
  const refuse = (what: string, why: string) => {
    throw new UsageError(`${file}: it names ${what}, and with --target ${why}`, {
      hint: 'Leave out --target: Mayfly then starts all of it. Or write a benchmark without it for the address (docs/deployments.md).',
    });
  };
  if (broker) refuse('a broker', 'nobody says what became of its events');
  if (disturbances.length > 0)
    refuse('disturbances', 'Mayfly disturbs nothing: it does so only to what it has started');
  if (candidate.autoscale) refuse('an autoscaler', 'there are no replicas of its own to scale');
  if (load.generator.kind === 'image')
    refuse(`another load generator (${load.generator.image})`, "only Mayfly's own has bounds that hold");
}

/** Metrics that the load generator measures. Pure PromQL is taken where each of its series is one of the generator's. */
function isFromOutside(metric: Metric): boolean {
  if (!isOwn(metric)) return !OF_CONTAINERS.includes(metric.name);
  const series = [...(metric.promql ?? '').matchAll(/([A-Za-z_:][\w:]*)\s*\{/g)].map(([, name]) => name!);
  return series.length > 0 && series.every((name) => name.startsWith('mayfly_'));
}

/** A flag may ask for less than the file, never for more; and neither for more than the limits. */
function checkBounds({ file: name, load, rounds, retries }: Config, file: AskedByFile): void {
  const asked: [flag: string, value: number, most: number, unit: string][] = [
    ['rate', load.rate, file.load.rate, ' per second'],
    ['duration', load.durationS, file.load.durationS, ' s'],
    ['warmup', load.warmupS, file.load.warmupS, ' s'],
    ['rounds', rounds, file.rounds, ''],
  ];
  for (const [flag, value, most, unit] of asked)
    if (value > most)
      throw new UsageError(`--${flag} may be at most ${most}${unit} with --target, which is what ${name} asks for`, {
        hint: 'With --target a flag asks for less load, never for more. Who owns the benchmark changes its file.',
      });
  const fewer = 'Ask for less by --rate, --duration or --rounds, or in the file. No flag lifts this limit.';
  const limit = (what: string) => new UsageError(`${name}: with --target ${what}`, { hint: fewer });
  const peak = peakOf(load);
  if (peak > MOST_DEPLOYED.rate)
    throw limit(
      `at most ${words(MOST_DEPLOYED.rate)} iterations per second are sent, and the load asks for ${words(peak)}`,
    );
  const inFlight = inFlightOf(load);
  if (inFlight > MOST_DEPLOYED.inFlight)
    throw limit(
      `at most ${words(MOST_DEPLOYED.inFlight)} iterations may be under way at once, and the load asks for ${words(inFlight)} (max_in_flight, or users)`,
    );
  const each = iterationsOf(load);
  const all = each * (rounds + retries);
  if (all > MOST_DEPLOYED.iterations)
    throw limit(
      `a run may send at most ${words(MOST_DEPLOYED.iterations)} iterations, and ${rounds} rounds and ${retries} more for INVALID ones, of ${words(each)} each, are ${words(all)}`,
    );
}

const words = (count: number): string => Math.ceil(count).toLocaleString('en');

/** The models of the load: those of its scenarios, or the only one. */
const modelsOf = ({ model }: Load): SingleModel[] =>
  model.kind === 'scenarios' ? model.scenarios.map((one) => one.model) : [model];

/** Iterations per second, where there are most; of a file of requests the mean. Of scenarios as if all met there. */
const peakOf = (load: Load): number => sum(modelsOf(load).map(peakOfModel));

function peakOfModel(model: SingleModel): number {
  if (model.kind === 'closed') return 0;
  const stages = model.arrivals === 'file' ? [] : (model.stages ?? []);
  return Math.max(model.rate, ...stages.map(({ rate }) => rate));
}

/** Iterations that may be under way at once. */
function inFlightOf({ model, maxInFlight }: Load): number {
  if (model.kind === 'scenarios')
    return sum(model.scenarios.map((one) => Math.max(one.maxInFlight, usersOf(one.model))));
  return Math.max(maxInFlight, usersOf(model));
}

const usersOf = (model: SingleModel): number => (model.kind === 'closed' ? model.users : 0);

/** Iterations of a round, warm-up and all; of stages as if the rate were always at its top. */
function iterationsOf(load: Load): number {
  const inWindow = modelsOf(load).map((model) =>
    model.kind === 'closed' ? model.users * model.iterations : peakOfModel(model) * model.durationS,
  );
  return sum(inWindow) + peakOf(load) * load.warmupS;
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
