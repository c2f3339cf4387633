/**
 * One run, end to end: the table of contents of the system. A round is one observation; it is stored as soon as it is
 * measured, so that whatever ends the run early loses no finished round.
 */

import type { Context } from './app/context.ts';
import { openBucket } from './archive/bucket.ts';
import { startLive } from './archive/live.ts';
import { type Destination, takeSnapshot, writeDestination } from './archive/pending.ts';
import { settleFolder, sweepLeftovers } from './archive/recovery/leftovers.ts';
import { ship } from './archive/ship.ts';
import type { AutoscaleConfig, Config, Deployment } from './config/types.ts';
import { CandidateError, firstLine, InfrastructureError, Interrupted, original } from './core/errors.ts';
import type { ArchiveDocument, RunDocument, RunStatus, SideDocument } from './documents/run.ts';
import { LABEL } from './engine/names.ts';
import { calibratedMargins, quoteOf } from './judge/calibration.ts';
import { growthOf } from './judge/growth.ts';
import { judgeRun } from './judge/judge-run.ts';
import { harnessLog } from './logs/harness.ts';
import { describeModel } from './measure/load/describe-model.ts';
import { generatorFor } from './measure/load/generator.ts';
import { profileRound } from './measure/profile-round.ts';
import { asBegun, mustBeTheSame, runToResume, takenOver } from './measure/resume.ts';
import { measureRounds, type RunEnd } from './measure/rounds.ts';
import type { Plan } from './plan/plan.ts';
import { makePlan } from './plan/plan.ts';
import { checkPromql } from './plan/promql.ts';
import { build } from './stack/build.ts';
import { forgetOldImages } from './stack/measured-images.ts';
import { otherRuns, otherRunsText } from './stack/other-runs.ts';
import { type Stack, startStack } from './stack/run-stack.ts';

/**
 * Measures what the configuration asks for, and judges it. Throws only after everything is taken down and what was
 * measured is kept.
 */
export async function bench(config: Config, ctx: Context): Promise<RunDocument> {
  if (config.resume === undefined) return withRun(config, ctx, measureAndProfile);
  await sweepLeftovers(ctx); // ends the record of a run that was killed: only then it can be gone on with
  const before = runToResume(config, ctx);
  return withRun(asBegun(config, before), ctx, measureAndProfile, before);
}

/** All rounds that count; then, where it is asked for, one that says where the time went. */
async function measureAndProfile(stack: Stack, ctx: Context): Promise<RunEnd> {
  const end = await measureRounds(stack, ctx);
  if (end.status === 'complete') await profileRound(stack, ctx);
  return end;
}

/**
 * One life of a run stack around `measure`, which stores rounds and says how it ended. `before`: the run whose rounds
 * are taken over.
 */
export async function withRun(
  config: Config,
  { progress, ...others }: Context,
  measure: (stack: Stack, ctx: Context) => Promise<RunEnd>,
  before?: RunDocument,
): Promise<RunDocument> {
  const log = harnessLog(progress, { format: config.logFormat ?? 'logfmt' });
  const ctx: Context = { ...others, progress: log.progress };
  await sweepLeftovers(ctx);
  const bucket = await openBucket(config.objstore, ctx.paths);
  if (config.nameNote) ctx.progress.info(config.nameNote);
  const checked = checkPromql(config, ctx);
  checked.catch(() => {}); // awaited below, also where the plan fails: its container goes first
  const plan = await planRun(config, ctx, before).finally(() => checked.catch(() => {}));
  await checked;
  const built = await build(plan, ctx);
  const labels = { run_id: plan.runId, benchmark: config.benchmark, host: plan.host.id };
  const destination = { labels, ...(config.objstore ? { objstore: config.objstore } : {}) };
  const disturbed = otherRunsText(otherRuns(await ctx.engine.containers(LABEL.run), plan.runId));
  if (disturbed) ctx.progress.warn(disturbed);
  let shipping: Promise<ArchiveDocument | undefined> = Promise.resolve(undefined);
  try {
    log.open(plan.dir);
    log.write(
      'info',
      `run ${plan.runId} of ${config.benchmark}`,
      plan.sides.map(({ name, commit }) => [name, commit]),
    );
    {
      await using stack = namingFailure(await startStack(built, ctx));
      await writeDestination(plan.dir, destination);
      if (config.elsewhere) ctx.store.keepBenchmark(config.benchmark, config.elsewhere);
      ctx.store.addRun(describeRun(stack, before));
      await using live = config.live ? await startLive(stack, bucket, ctx) : null;
      const { status, reason } = await measure(stack, ctx).catch((error) => {
        log.write('error', original(error) instanceof Error ? (original(error) as Error).message : String(error));
        return keepWhatIsThere(error, stack, destination, ctx);
      });
      log.write('info', `the run is ${status}${reason ? `: ${reason}` : ''}`);
      await stack.keepLogs();
      const snapshot = await takeSnapshot((await stack.ready).prometheus, plan.dir, destination, ctx);
      finish(plan, ctx, status, reason);
      shipping = ship(snapshot, plan.dir, labels, bucket, ctx);
      shipping.catch(() => {}); // awaited below; meanwhile the stack goes down beside it, unless it is being watched
      if (live) await shipping.then((archive) => (archive?.verified ? live.handOver() : undefined));
    }
    await shipping;
    await forgetOldImages(built.images, ctx);
    return ctx.store.run(plan.runId);
  } catch (error) {
    await shipping.catch(() => {}); // the stack would not go down: shipping comes to its end all the same
    if (ctx.store.runningRuns().includes(plan.runId))
      finish(plan, ctx, original(error) instanceof Interrupted ? 'interrupted' : 'failed', firstLine(error));
    const failure = original(error);
    if (failure instanceof CandidateError) failure.runId = plan.runId;
    throw error;
  } finally {
    await tidy(plan, ctx).catch((error) =>
      ctx.progress.warn(`${plan.dir} could not be removed: ${firstLine(error)}; the next command does it`),
    );
  }
}

/** Commits and names fixed; margins that the benchmark leaves open are those that the host can see. */
async function planRun(config: Config, ctx: Context, before?: RunDocument): Promise<Plan> {
  const made = await makePlan(config, ctx);
  const plan = { ...made, workload: await generatorFor(config.load).identify(made, ctx) };
  if (before) mustBeTheSame(plan, before);
  if (before || plan.pairing === 'solo') return plan;
  const calibration = ctx.store.calibration({
    benchmark: config.benchmark,
    host: plan.host,
    stack_version: plan.stackVersion,
    pairing: plan.pairing,
    load: describeLoad(plan),
    sides: Object.fromEntries(
      plan.sides.map(({ name, deployment: { variant } }) => [name, variant === null ? {} : { variant }]),
    ) as Parameters<Context['store']['calibration']>[0]['sides'],
  });
  return calibration
    ? { ...plan, config: { ...config, metrics: calibratedMargins(config.metrics, calibration) } }
    : plan;
}

/** The same stack; a failure to take it down says whose stack it is and what happens to it. */
function namingFailure(stack: Stack): Stack {
  const { runId } = stack.built.plan;
  const takeDown = () =>
    stack[Symbol.asyncDispose]().then(undefined, (cause: Error) => {
      throw new InfrastructureError(
        `the stack of run ${runId} could not be removed: ${cause.message}; the next command does it`,
        { hint: `npm run show -- ${runId} shows what was measured.`, cause },
      );
    });
  return { ...stack, [Symbol.asyncDispose]: takeDown };
}

/**
 * After a failure or an interrupt: a snapshot of the finished rounds, if Prometheus still answers; if not, tidy() reads
 * what it has written. Throws the error again.
 */
async function keepWhatIsThere(error: unknown, stack: Stack, destination: Destination, ctx: Context): Promise<never> {
  const { runId, dir } = stack.built.plan;
  if (ctx.store.run(runId).rounds.some(({ from_run }) => from_run === undefined)) {
    ctx.progress.warn(`the finished rounds are kept (npm run show -- ${runId})`);
    await stack.keepLogs();
    await takeSnapshot((await stack.ready).prometheus, dir, destination, ctx).then(
      () => ctx.progress.warn('npm run archive:push ships their metrics'),
      (failure) => ctx.progress.warn(`their metrics are still in ${dir}: ${firstLine(failure)}`),
    );
  }
  throw error;
}

/** Ends the run's record, and judges it where there is something to compare. */
function finish(plan: Plan, ctx: Context, status: RunStatus, reason?: string): void {
  ctx.store.finishRun(plan.runId, status, new Date(ctx.now()).toISOString(), reason);
  const run = ctx.store.run(plan.runId);
  const growth = growthOf(run);
  if (growth.length > 0) ctx.store.amendRun(plan.runId, { growth });
  if (!run.sides.baseline) return;
  const calibration = ctx.store.calibration(run);
  ctx.store.saveVerdict(run.run_id, judgeRun(run, calibration && quoteOf(calibration)));
}

/** Removes of the run's folder what nothing needs any more; all of it stays while the stack does. */
async function tidy(plan: Plan, ctx: Context): Promise<void> {
  // null: the engine is gone, who knows
  const up = await ctx.engine.containers(`${LABEL.run}=${plan.runId}`).catch(() => null);
  if (up?.length === 0) await settleFolder(plan.runId, ctx);
  else if (up && plan.config.keep)
    ctx.progress.warn(
      `the stack is still up: docker ps --filter label=${LABEL.run}=${plan.runId}\ntake it down with: npm run sweep -- ${plan.runId}`,
    );
}

function describeLoad({ config: { load }, workload }: Plan): RunDocument['load'] {
  const { target, model, rate, durationS, warmupS, maxInFlight, timeoutS, workers } = load;
  return {
    generator: generatorFor(load).name,
    target,
    rate,
    duration_s: durationS,
    warmup_s: warmupS,
    max_in_flight: maxInFlight,
    timeout_s: timeoutS,
    workers,
    ...describeModel(model),
    ...(workload ? { workload } : {}),
  };
}

/** Nothing of a side that is started as its Compose file says. */
function describeDeployment({
  variant,
  replicas,
  balancer,
  autoscale,
}: Deployment): Pick<SideDocument, 'variant' | 'deployment'> {
  const deployment: SideDocument['deployment'] = {
    ...(Object.keys(replicas).length > 0 ? { replicas } : {}),
    ...(balancer ? { balancer: { service: balancer.service, sticky: balancer.sticky } } : {}),
    ...(autoscale ? { autoscale: describeAutoscale(autoscale) } : {}),
  };
  return {
    ...(variant === null ? {} : { variant }),
    ...(Object.keys(deployment).length > 0 ? { deployment } : {}),
  };
}

const describeAutoscale = ({ cooldownS, ...autoscale }: AutoscaleConfig) => ({ ...autoscale, cooldown_s: cooldownS });

function describeRun(stack: Stack, before?: RunDocument): RunDocument {
  const { plan, images } = stack.built;
  const { config } = plan;
  const notes = plan.notes ?? before?.notes;
  const sides = Object.fromEntries(
    plan.sides.map(({ name, ref, commit, subject, deployment }) => [
      name,
      { ref, commit, ...(subject ? { subject } : {}), images: images[name]!, ...describeDeployment(deployment) },
    ]),
  );
  return {
    schema: 'mayfly.run/v1',
    run_id: plan.runId,
    benchmark: config.benchmark,
    status: 'running',
    started_at: plan.startedAt.toISOString(),
    pairing: plan.pairing,
    sides: sides as RunDocument['sides'],
    host: plan.host,
    stack_version: plan.stackVersion,
    labels: config.labels,
    load: describeLoad(plan),
    cpusets: plan.cpusets,
    rounds_asked: plan.comparison?.max ?? config.rounds,
    ...(plan.comparison ? { comparison: plan.comparison } : {}),
    ...(config.master ? { master: true } : {}),
    ...(config.branch === undefined ? {} : { branch: config.branch }),
    ...(before ? { continues: before.run_id } : {}),
    ...(notes ? { notes } : {}),
    ...(config.deployed ? { deployed: { url: config.deployed.url } } : {}),
    metrics: config.metrics,
    ...(config.traces ? { traces: config.traces } : {}),
    ...(config.allow.answersDiffer.length > 0 ? { answers_differ: config.allow.answersDiffer } : {}),
    rounds: before ? takenOver(before) : [],
    stack_images: plan.stackImages,
    compose: stack.documents,
  };
}
