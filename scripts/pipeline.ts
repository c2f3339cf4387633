/**
 * One run, end to end: the table of contents of the system. A round is one observation; it is stored as soon as it is
 * measured, so that whatever ends the run early loses no finished round.
 */
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBucket } from './archive/bucket.ts';
import { ship, keepForLater } from './archive/ship.ts';
import { takeSnapshot } from './archive/snapshot.ts';
import type { ExternalLabels } from './archive/upload.ts';
import { collect } from './collect/collect.ts';
import type { Context } from './context.ts';
import { Interrupted, original } from './errors.ts';
import { driveLoad } from './load/drive.ts';
import { makePlan } from './plan/plan.ts';
import type { Plan } from './plan/plan.ts';
import { build } from './stack/build.ts';
import { startStack, type Stack } from './stack/stack.ts';
import { PENDING_FILE, sweep } from './stack/sweep.ts';
import type { ArchiveDocument, Config, RunDocument, RunStatus } from './types.ts';

/** Two scrape intervals: the last counters of the services and the last push of k6 are in Prometheus. */
const SETTLE_MS = 2000;

/** Measures what the configuration asks for. Throws only after everything is taken down and what was measured is kept. */
export async function bench(config: Config, ctx: Context): Promise<RunDocument> {
  await sweep(ctx);
  const bucket = await openBucket(config.objstore, ctx.paths);
  const plan = await makePlan(config, ctx);
  const built = await build(plan, ctx);
  const labels = { run_id: plan.runId, benchmark: config.benchmark, host: plan.host.id };
  try {
    let shipping: Promise<ArchiveDocument>;
    {
      await using stack = await startStack(built, bucket.binds, ctx);
      ctx.store.addRun(describeRun(stack));
      await measureRounds(stack, ctx).catch((error) => keepWhatIsThere(error, stack, labels, ctx));
      const snapshot = await takeSnapshot(stack);
      await keepForLater(plan.dir, labels, config.objstore);
      shipping = ship(snapshot, plan.dir, labels, bucket, ctx);
      shipping.catch(() => {}); // awaited below; meanwhile the stack goes down beside it
    }
    ctx.store.saveArchive(plan.runId, await shipping);
    return finish(plan, ctx, validRounds(plan.runId, ctx) < config.rounds ? 'invalid' : 'complete');
  } catch (error) {
    if (ctx.store.runningRuns().includes(plan.runId)) finish(plan, ctx, original(error) instanceof Interrupted ? 'interrupted' : 'failed', firstLine(error));
    throw error;
  } finally {
    await tidy(plan);
  }
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

async function measureRound(round: number, title: string, stack: Stack, ctx: Context) {
  const step = ctx.progress.step(title);
  try {
    await using sides = await stack.startSides(round);
    const load = await driveLoad(stack, sides, step, ctx);
    await sleep(Math.max(0, load.endMs + SETTLE_MS - ctx.now()), undefined, { signal: stack.signal }).catch(() => stack.signal.throwIfAborted());
    const collected = await collect(load, sides, stack, ctx);
    step.done(collected.every(({ document }) => document.valid) ? undefined : 'INVALID');
    return collected;
  } catch (error) {
    step.fail();
    throw error;
  }
}

/** After a failure or an interrupt: the metrics of the finished rounds wait on this host, if Prometheus can still give them. Throws the error again. */
async function keepWhatIsThere(error: unknown, stack: Stack, labels: ExternalLabels, ctx: Context): Promise<never> {
  const { plan } = stack.built;
  if (ctx.store.run(plan.runId).rounds.length > 0) {
    try {
      const snapshot = await takeSnapshot(stack);
      await keepForLater(plan.dir, labels, plan.config.objstore);
      ctx.store.saveArchive(plan.runId, { bucket: '', blocks: snapshot.blocks, verified: false, pending: true, error: 'the run ended early' });
      ctx.progress.warn(`the finished rounds are kept (npm run show -- ${plan.runId}); npm run archive:push ships their metrics`);
    } catch (failure) {
      ctx.progress.warn(`the finished rounds are kept (npm run show -- ${plan.runId}), their raw metrics are not: ${firstLine(failure)}`);
    }
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

/** Removes the run's folder, unless a snapshot waits in it or the stack was asked to stay. */
async function tidy(plan: Plan): Promise<void> {
  const waits = await access(join(plan.dir, PENDING_FILE)).then(() => true, () => false);
  if (!waits && !plan.config.keep) await rm(plan.dir, { recursive: true, force: true });
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
