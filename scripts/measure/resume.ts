/** Going on with a comparison that was interrupted: a new run, with the rounds that the old one had finished. */
import type { Context } from '../app/context.ts';
import { benchmarkFlag } from '../config/flags.ts';
import type { Config, Load } from '../config/types.ts';
import { UsageError } from '../core/errors.ts';
import type { Metric, RunDocument } from '../documents/run.ts';
import { shortCommit } from '../engine/names.ts';
import type { Plan } from '../plan/plan.ts';
import { describeModel } from './load/describe-model.ts';
import { generatorFor } from './load/generator.ts';

/** The run that `config.resume` names. UsageError where it cannot be resumed. */
export function runToResume(config: Config, ctx: Pick<Context, 'store'>): RunDocument {
  const run = ctx.store.run(config.resume!);
  const refuse = (why: string, hint: string): never => {
    throw new UsageError(`run ${run.run_id} cannot be resumed: ${why}`, { hint });
  };
  if (!run.sides.baseline || !run.comparison) return refuse('it is no comparison of two sides', 'Begin a new run.');
  if (run.status === 'complete')
    return refuse(
      'it is complete, and its verdict is final',
      `npm run judge -- ${run.run_id} shows its verdict. To measure again, begin a new run.`,
    );
  if (run.status !== 'interrupted' && run.status !== 'failed')
    return refuse(`it is ${run.status}`, run.status === 'running' ? 'Wait for its end.' : 'Begin a new run.');
  if (run.benchmark !== config.benchmark)
    return refuse(
      `it is of the benchmark ${run.benchmark}, not ${config.benchmark}`,
      `Add --benchmark=${run.benchmark}, or the path of its folder.`,
    );
  const successor = ctx.store.continuedBy(run.run_id);
  if (successor)
    return refuse(
      `run ${successor} has resumed it already`,
      `npm run bench -- --resume=${successor} goes on with that one, if it was interrupted too.`,
    );
  const { load } = config;
  if (run.load.generator !== generatorFor(load).name || run.load.target !== load.target)
    return refuse('its benchmark has another load now', 'Begin a new run.');
  if (JSON.stringify(run.load.scenarios) !== JSON.stringify(describeModel(load.model).scenarios))
    return refuse('load/scenarios of its benchmark are others now', 'Begin a new run.');
  // one that was begun with --no-traces has no metrics of them
  const metrics = run.traces ? config.metrics : config.metrics.filter(({ trace }) => trace === undefined);
  const other = run.metrics.find(
    (metric) =>
      !sameMetric(
        metric,
        metrics.find(({ name }) => name === metric.name),
      ),
  );
  if (other || run.metrics.length !== metrics.length)
    return refuse(`its benchmark has other metrics now${other ? ` (${other.name})` : ''}`, 'Begin a new run.');
  return run;
}

const sameMetric = (a: Metric, b: Metric | undefined) =>
  b !== undefined &&
  a.unit === b.unit &&
  a.promql === b.promql &&
  JSON.stringify([a.telemetry, a.cpu, a.trace]) === JSON.stringify([b.telemetry, b.cpu, b.trace]) &&
  a.primary === b.primary &&
  a.better === b.better;

/** The configuration with which the run was begun. */
export function asBegun(config: Config, run: RunDocument): Config {
  const { design, min, max, max_minutes } = run.comparison!;
  // As long as no round is valid it may still turn out that both sides at once are too much.
  const pairing =
    run.pairing === 'alternating'
      ? 'alternating'
      : run.rounds.some(({ valid }) => valid)
        ? 'interleaved'
        : config.comparison.pairing;
  const maxMinutes = config.comparison.maxMinutes ?? max_minutes;
  return {
    ...config,
    commit: run.sides.candidate.commit,
    against: run.sides.baseline!.commit,
    load: asMeasured(config.load, run.load),
    metrics: run.metrics,
    traces: run.traces ?? null,
    comparison: {
      pairing,
      min,
      max,
      ...(design === 'fixed' ? { fixed: max } : {}),
      ...(maxMinutes === undefined ? {} : { maxMinutes }),
    },
    master: run.master ?? false,
    ...(run.branch === undefined ? {} : { branch: run.branch }),
    labels: run.labels,
  };
}

/**
 * The load as it was, where flags or the file have changed it since: of a constant rate, which is all that flags can
 * change.
 */
function asMeasured(load: Load, { rate, duration_s, warmup_s, max_in_flight }: RunDocument['load']): Load {
  const model =
    load.model.kind === 'open' && load.model.arrivals !== 'file' && !load.model.stages
      ? { ...load.model, rate, durationS: duration_s }
      : load.model;
  return {
    ...load,
    model,
    rate,
    durationS: duration_s,
    warmupS: warmup_s,
    maxInFlight: max_in_flight ?? load.maxInFlight,
  };
}

/**
 * Rounds of different hosts, stacks or builds are no rounds of one comparison. UsageError before anything is started.
 */
export function mustBeTheSame(plan: Plan, run: RunDocument): void {
  const what =
    plan.host.id !== run.host.id
      ? `on another host (${run.host.id}; this one is ${plan.host.id})`
      : plan.stackVersion !== run.stack_version
        ? `by another stack (${run.stack_version}; now it is ${plan.stackVersion})`
        : plan.workload !== run.load.workload
          ? 'with another load script'
          : null;
  const other = plan.sides.flatMap(({ name, builds }) =>
    builds.filter(
      (build) => !run.sides[name]?.images.some((image) => image.name === build.name && image.tag === build.tag),
    ),
  )[0];
  if (other)
    throw new UsageError(`run ${run.run_id} cannot be resumed: ${other.name} is built in another way now`, {
      hint: 'Begin a new run, or bring benchmark.yaml back to what it was.',
    });
  if (what)
    throw new UsageError(`run ${run.run_id} cannot be resumed: it was measured ${what}`, {
      hint: `Begin a new run: npm run bench -- --commit=${shortCommit(run.sides.candidate.commit)} --against=${shortCommit(run.sides.baseline!.commit)}${benchmarkFlag(run.benchmark)}`,
    });
}

/** The finished rounds of the old run, for the new one. */
export const takenOver = (run: RunDocument): RunDocument['rounds'] =>
  run.rounds.map((round) => ({ ...round, from_run: round.from_run ?? run.run_id }));
