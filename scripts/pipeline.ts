/**
 * One run, end to end: the table of contents of the system. A round is one observation; it is stored as soon as it is
 * measured, so that whatever ends the run early loses no finished round.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openBucket } from './archive/bucket.ts';
import { settleFolder, sweepLeftovers } from './archive/leftovers.ts';
import { startLive } from './archive/live.ts';
import { takeSnapshot, writeDestination, type Destination } from './archive/pending.ts';
import { ship } from './archive/ship.ts';
import { collect } from './collect/collect.ts';
import type { Context } from './context.ts';
import { InfrastructureError, Interrupted, original } from './errors.ts';
import { driveLoad } from './load/drive.ts';
import { LABEL } from './plan/names.ts';
import { makePlan } from './plan/plan.ts';
import type { Plan } from './plan/plan.ts';
import { build } from './stack/build.ts';
import { startStack, type Stack } from './stack/stack.ts';
import { inStep } from './step.ts';
import type { ArchiveDocument, Config, RunDocument, RunStatus } from './types.ts';

/** Two scrape intervals: the last counters of the services and the last push of k6 are in Prometheus. */
const SETTLE_MS = 2000;

/** Measures what the configuration asks for. Throws only after everything is taken down and what was measured is kept. */
export async function bench(config: Config, ctx: Context): Promise<RunDocument> {
  await sweepLeftovers(ctx);
  const bucket = await openBucket(config.objstore, ctx.paths);
  const plan = await makePlan(config, ctx);
  const built = await build(plan, ctx);
  const labels = { run_id: plan.runId, benchmark: config.benchmark, host: plan.host.id };
  const destination = { labels, ...(config.objstore ? { objstore: config.objstore } : {}) };
  let shipping: Promise<ArchiveDocument | undefined> = Promise.resolve(undefined);
  try {
    {
      await using stack = namingFailure(await startStack(built, ctx));
      await writeDestination(plan.dir, destination);
      ctx.store.addRun(describeRun(stack));
      await using live = config.live ? await startLive(stack, bucket, ctx) : null;
      await measureRounds(stack, ctx).catch((error) => keepWhatIsThere(error, stack, destination, ctx));
      const snapshot = await takeSnapshot((await stack.ready).prometheus, plan.dir, destination, ctx);
      finish(plan, ctx, validRounds(plan.runId, ctx) < config.rounds ? 'invalid' : 'complete');
      shipping = ship(snapshot, plan.dir, labels, bucket, ctx);
      shipping.catch(() => {}); // awaited below; meanwhile the stack goes down beside it, unless it is being watched
      if (live) await shipping.then((archive) => (archive?.verified ? live.handOver() : undefined));
    }
    await shipping;
    return ctx.store.run(plan.runId);
  } catch (error) {
    await shipping.catch(() => {}); // the stack would not go down: the upload comes to its end all the same
    if (ctx.store.runningRuns().includes(plan.runId)) finish(plan, ctx, original(error) instanceof Interrupted ? 'interrupted' : 'failed', firstLine(error));
    throw error;
  } finally {
    await tidy(plan, ctx).catch((error) => ctx.progress.warn(`${plan.dir} could not be removed: ${firstLine(error)}; the next command does it`));
  }
}

/** The same stack; a failure to take it down says whose stack it is and what happens to it. */
function namingFailure(stack: Stack): Stack {
  const { runId } = stack.built.plan;
  const takeDown = () => stack[Symbol.asyncDispose]().then(undefined, (cause: Error) => {
    throw new InfrastructureError(`the stack of run ${runId} could not be removed: ${cause.message}; the next command does it`, { hint: `npm run show -- ${runId} shows what was measured.`, cause });
  });
  return { ...stack, [Symbol.asyncDispose]: takeDown };
}

/** Measures until enough rounds are valid or too many were not; every round is stored at once. */
async function measureRounds(stack: Stack, ctx: Context): Promise<void> {
  const { config, runId } = stack.built.plan;
  let valid = 0;
  let invalid = 0;
  for (let round = 1; valid < config.rounds && invalid <= config.retries; round++) {
    const collected = await measureRound(round, `round ${valid + 1} of ${config.rounds}${invalid > 0 ? ` (${invalid} invalid)` : ''}`, stack, ctx);
    for (const { document, detail } of collected) ctx.store.saveRound(runId, document, detail);
    const reasons = collected.flatMap(({ document }) => document.reasons.map((reason) => `${document.side}: ${reason.message}`));
    if (reasons.length === 0) valid++;
    else invalid++;
    for (const reason of reasons) ctx.progress.warn(`round ${round} is INVALID: ${reason}`);
  }
}

function measureRound(round: number, title: string, stack: Stack, ctx: Context) {
  return inStep(ctx.progress, title, async (step) => {
    await using sides = await stack.startSides(round);
    const load = await driveLoad(stack, sides, step, ctx);
    await sleep(Math.max(0, load.endMs + SETTLE_MS - ctx.now()), undefined, { signal: stack.signal }).catch(() => stack.signal.throwIfAborted());
    const collected = await collect(load, sides, stack, ctx);
    step.done(collected.every(({ document }) => document.valid) ? undefined : 'INVALID');
    return collected;
  });
}

/** After a failure or an interrupt: a snapshot of the finished rounds, if Prometheus still answers; if not, tidy() reads what it has written. Throws the error again. */
async function keepWhatIsThere(error: unknown, stack: Stack, destination: Destination, ctx: Context): Promise<never> {
  const { runId, dir } = stack.built.plan;
  if (ctx.store.run(runId).rounds.length > 0) {
    ctx.progress.warn(`the finished rounds are kept (npm run show -- ${runId})`);
    await takeSnapshot((await stack.ready).prometheus, dir, destination, ctx).then(
      () => ctx.progress.warn('npm run archive:push ships their metrics'),
      (failure) => ctx.progress.warn(`their metrics are still in ${dir}: ${firstLine(failure)}`),
    );
  }
  throw error;
}

/** Rounds in which every side is valid. */
function validRounds(runId: string, ctx: Context): number {
  const rounds = Map.groupBy(ctx.store.run(runId).rounds, (round) => round.round);
  return [...rounds.values()].filter((sides) => sides.every((side) => side.valid)).length;
}

/** Ends the run's record and gives it back. */
function finish(plan: Plan, ctx: Context, status: RunStatus, reason?: string): RunDocument {
  ctx.store.finishRun(plan.runId, status, new Date(ctx.now()).toISOString(), reason);
  return ctx.store.run(plan.runId);
}

/** Removes of the run's folder what nothing needs any more; all of it stays while the stack does. */
async function tidy(plan: Plan, ctx: Context): Promise<void> {
  const up = await ctx.engine.containers(`${LABEL.run}=${plan.runId}`).catch(() => null); // null: the engine is gone, who knows
  if (up?.length === 0) await settleFolder(plan.runId, ctx);
  else if (up && plan.config.keep) ctx.progress.warn(`the stack is still up: docker ps --filter label=${LABEL.run}=${plan.runId}\ntake it down with: npm run sweep -- ${plan.runId}`);
}

const firstLine = (error: unknown) => (original(error) as Error).message.split('\n')[0]!;

function describeRun(stack: Stack): RunDocument {
  const { plan, images } = stack.built;
  const { config } = plan;
  const sides = Object.fromEntries(plan.sides.map(({ name, ref, commit, subject }) => [name, { ref, commit, ...(subject ? { subject } : {}), images: images[name]! }]));
  const { generator } = config.load;
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
    load: { generator: generator.kind === 'k6' ? 'k6' : generator.image, target: config.load.target, rate: config.load.rate, duration_s: config.load.durationS, warmup_s: config.load.warmupS, vus: config.load.vus },
    cpusets: plan.cpusets,
    rounds_asked: config.rounds,
    metrics: config.metrics,
    rounds: [],
    stack_images: plan.stackImages,
    compose: stack.documents,
  };
}
