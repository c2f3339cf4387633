/**
 * From `load` in the benchmark's file, with the flags laid over it, to the load that is made. The file has been
 * checked.
 */
import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Model, Scenario, ScenarioModel } from '../../loadgen/plan.ts';
import { UsageError } from '../core/errors.ts';
import type { BenchmarkSpec } from './benchmark.types.ts';
import { hasOpenModel, loadFault, sumOfStages, windowFault } from './check.ts';
import { durationFlag, HELP, rateFlag } from './flag-values.ts';
import type { BenchFlags } from './flags.ts';
import { parseDuration } from './quantities.ts';
import { measureSchedule } from './schedule-file.ts';
import type { ImageLoad, Load, OwnLoad } from './types.ts';
import { throwFaults } from './yaml-file.ts';

type LoadSpec = BenchmarkSpec['load'];
type LoadFlags = Pick<BenchFlags, 'rate' | 'duration' | 'warmup'>;

/** A model, and what follows from it. */
interface Chosen extends Pick<Load, 'rate' | 'durationS'> {
  model: Model;
  /** Requests that may be under way at once where the file does not say. */
  inFlight: number;
}

/** `cwd`: names of files in messages count from there. */
export function chooseLoad(spec: LoadSpec, dir: string, flags: LoadFlags, cwd: string): Load {
  const { model, rate, durationS, inFlight } = choose(spec, dir, flags, cwd);
  const said = spec.max_in_flight;
  return {
    generator: chooseGenerator(spec, dir),
    target: spec.target,
    model,
    rate,
    durationS,
    warmupS: chooseWarmup(spec, flags),
    // A higher rate needs more than the file has for its own.
    maxInFlight: said === undefined ? inFlight : flags.rate === undefined ? said : Math.max(said, inFlight),
    timeoutS: parseDuration(spec.timeout ?? '30s')!,
    workers: spec.workers ?? 1,
  };
}

function choose(spec: LoadSpec, dir: string, flags: LoadFlags, cwd: string): Chosen {
  if (spec.scenarios !== undefined) return ofScenarios(spec, spec.scenarios, flags);
  if (spec.users !== undefined) return ofUsers(spec, flags);
  if (spec.schedule !== undefined) return ofSchedule(resolve(dir, spec.schedule), spec, flags, cwd);
  if (spec.stages !== undefined) return ofStages(spec, flags);
  const rate = rateFlag(flags.rate) ?? spec.rate!;
  const durationS = durationFlag('duration', flags.duration) ?? parseDuration(spec.duration!)!;
  const fault = loadFault(rate, durationS);
  if (fault) throw new UsageError(`--duration ${fault}`, { hint: HELP });
  return {
    model: { kind: 'open', arrivals: spec.arrivals ?? 'constant', rate, durationS },
    rate,
    durationS,
    inFlight: aQuarter(rate),
  };
}

/** As many as answers of a quarter of a second need. */
const aQuarter = (rate: number) => Math.max(10, Math.ceil(rate * 0.25));

function ofUsers(spec: LoadSpec, flags: LoadFlags): Chosen {
  refuse(['rate'], flags, 'load has users, and a closed model has no rate');
  const users = spec.users!;
  const limitS = windowOf(flags) ?? parseDuration(spec.duration ?? '10m')!;
  return {
    model: {
      kind: 'closed',
      users,
      iterations: spec.iterations ?? 1,
      thinkS: parseDuration(spec.think ?? '0s')!,
      limitS,
    },
    rate: 0,
    durationS: limitS,
    inFlight: users,
  };
}

function ofScenarios(spec: LoadSpec, given: NonNullable<LoadSpec['scenarios']>, flags: LoadFlags): Chosen {
  refuse(
    ['rate', 'duration'],
    flags,
    `load has the scenarios ${Object.keys(given).join(', ')}, each with a rate or users and a time of its own`,
  );
  const durationS = parseDuration(spec.duration!)!;
  const scenarios = Object.entries(given).map(([name, one]) => scenarioOf(name, one, durationS));
  const due = scenarios.reduce((sum, { model }) => sum + dueIn(model), 0);
  return {
    model: { kind: 'scenarios', durationS, scenarios },
    rate: due / durationS,
    durationS,
    inFlight: scenarios.reduce((sum, { maxInFlight }) => sum + maxInFlight, 0),
  };
}

type ScenarioSpec = NonNullable<LoadSpec['scenarios']>[string];

function scenarioOf(name: string, spec: ScenarioSpec, windowS: number): Scenario {
  const startS = parseDuration(spec.start ?? '0s')!;
  const leftS = Math.round((windowS - startS) * 1e6) / 1e6;
  if (spec.users !== undefined) {
    const { users, iterations = 1, think = '0s' } = spec;
    const model = { kind: 'closed', users, iterations, thinkS: parseDuration(think)!, limitS: leftS } as const;
    return { name, startS, maxInFlight: users, model };
  }
  const arrivals = spec.arrivals ?? 'constant';
  const stages = spec.stages?.map(({ rate, duration }) => ({ rate, durationS: parseDuration(duration)! }));
  const rate = spec.rate ?? stages![0]!.rate;
  const durationS = stages
    ? sumOfStages(spec).durationS
    : spec.duration === undefined
      ? leftS
      : parseDuration(spec.duration)!;
  return {
    name,
    startS,
    maxInFlight: spec.max_in_flight ?? aQuarter(Math.max(rate, ...(stages ?? []).map((stage) => stage.rate))),
    model: { kind: 'open', arrivals, rate, durationS, ...(stages ? { stages } : {}) },
  };
}

/** Iterations of an open model, for each side; of a closed one there is no rate. */
function dueIn(model: ScenarioModel): number {
  if (model.kind === 'closed') return 0;
  if (!model.stages) return model.rate * model.durationS;
  const from = [model.rate, ...model.stages.map(({ rate }) => rate)];
  return model.stages.reduce((sum, { rate, durationS }, i) => sum + ((from[i]! + rate) / 2) * durationS, 0);
}

function ofSchedule(file: string, spec: LoadSpec, flags: LoadFlags, cwd: string): Chosen {
  refuse(['rate'], flags, 'load has a schedule, which says when each request is due');
  const cutS = windowOf(flags) ?? (spec.duration === undefined ? undefined : parseDuration(spec.duration)!);
  const length = measureSchedule(readFileSync(file), relative(cwd, file) || file, {
    cutS,
    hasScript: spec.script !== undefined,
  });
  if ('faults' in length) {
    throwFaults(length.faults, 'docs/benchmark.md says what load/schedule holds.');
    throw new TypeError('a file that is not valid has no fault');
  }
  const { durationS, rows, busiest } = length;
  const rate = rows / durationS;
  return {
    model: { kind: 'open', arrivals: 'file', file, rate, durationS },
    rate,
    durationS,
    inFlight: aQuarter(Math.max(rate, busiest)),
  };
}

function ofStages(spec: LoadSpec, flags: LoadFlags): Chosen {
  refuse(['rate', 'duration'], flags, 'load has stages, which say how many requests are sent and for how long');
  const stages = spec.stages!.map(({ rate, duration }) => ({ rate, durationS: parseDuration(duration)! }));
  const from = spec.rate ?? stages[0]!.rate;
  const { iterations, durationS } = sumOfStages(spec);
  const model: Model = { kind: 'open', arrivals: spec.arrivals ?? 'constant', rate: from, durationS, stages };
  return {
    model,
    rate: iterations / durationS,
    durationS,
    inFlight: aQuarter(Math.max(from, ...stages.map(({ rate }) => rate))),
  };
}

const windowOf = ({ duration }: LoadFlags): number | undefined => {
  const seconds = durationFlag('duration', duration);
  const fault = seconds === undefined ? null : windowFault(seconds);
  if (fault) throw new UsageError(`--duration ${fault}`, { hint: HELP });
  return seconds;
};

function refuse(names: (keyof LoadFlags)[], flags: LoadFlags, why: string): void {
  const given = names.find((name) => flags[name] !== undefined);
  if (given)
    throw new UsageError(`--${given} cannot be given: ${why}`, {
      hint: 'Leave the flag out, or change load in benchmark.yaml.',
    });
}

function chooseWarmup(spec: LoadSpec, flags: LoadFlags): number {
  const warmupS = durationFlag('warmup', flags.warmup);
  if (hasOpenModel(spec)) return warmupS ?? parseDuration(spec.warmup ?? '5s')!;
  if (warmupS)
    throw new UsageError(
      `--warmup must be 0s: ${spec.scenarios ? 'all scenarios of load have' : 'load has'} users, and everybody does this once, measured from the first iteration on`,
      { hint: 'Leave the flag out, or change load in benchmark.yaml.' },
    );
  return 0;
}

function chooseGenerator(spec: LoadSpec, dir: string): OwnLoad | ImageLoad {
  if (spec.image === undefined)
    return { kind: 'mayfly', script: spec.script === undefined ? null : resolve(dir, spec.script) };
  const { image, command, requests, scrape, failed, dropped } = spec;
  return {
    kind: 'image',
    image,
    command: command!,
    requests: requests!,
    ...(scrape ? { scrape } : {}),
    ...(failed === undefined ? {} : { failed }),
    ...(dropped === undefined ? {} : { dropped }),
  };
}
