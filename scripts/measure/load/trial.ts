/**
 * A load script tried without a run: one container of the load generator on the host's network, one side, no
 * Prometheus.
 */
import { basename, relative } from 'node:path';
import { type LoadPlan, PLAN_VARIABLE } from '../../../loadgen/plan.ts';
import { type LoadResultDocument, REQUESTS_FILE, RESULT_FOLDER } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import { InfrastructureError } from '../../core/errors.ts';
import type { ProgressStep } from '../../core/progress.ts';
import type { ContainerSpec } from '../../engine/engine.ts';
import { LABEL } from '../../engine/names.ts';
import { ownerLabels } from '../../engine/owner.ts';
import { resultFault } from './check-result.ts';
import { EventStream } from './load-events.ts';
import {
  COMMAND,
  contained,
  expected,
  GeneratorFault,
  KEEP_ROWS,
  MAX_REQUESTS_FILE,
  SCRATCH_BYTES,
  SLACK_S,
  scriptFault,
  seedOf,
  WARM_S,
} from './own-generator.ts';
import type { Trial } from './trial-options.ts';

/** What it may write to the disk, with a file of requests. */
const DISK_BYTES = 1024 ** 3;

/** What the generator is told. `id`: as of a run; the order of what is drawn follows from it. */
export function trialPlan({ dir, load, target, requestsOut }: Trial, id: string): LoadPlan {
  const { generator, model, warmupS, maxInFlight, timeoutS, workers } = load;
  if (generator.kind !== 'mayfly' || generator.script === null) throw new TypeError('a script is tried');
  return {
    schema: 'mayfly.load-plan/v1',
    script: relative(dir, generator.script),
    target,
    sides: [{ name: 'candidate', url: target, commit: '' }],
    model,
    warmupS,
    gapS: warmupS > 0 ? 0.5 : 0,
    maxInFlight,
    timeoutS,
    workers,
    seed: seedOf(id, 0),
    round: 0,
    keepRows: requestsOut === undefined ? 0 : KEEP_ROWS,
    metrics: null,
    waitForGo: false,
    labels: { run_id: id, benchmark: basename(dir) },
    warmS: WARM_S,
  };
}

/** On the host's network, since the target is there; of the host's files it sees the benchmark's folder. */
export function trialContainer(
  trial: Trial,
  id: string,
  image: string,
  host: { cores: number; memory_bytes: number },
  paths: { root: string },
): ContainerSpec {
  return {
    ...contained({ dir: trial.dir, workers: trial.load.workers, host }, image, paths),
    name: `mayfly-${id.toLowerCase()}-load`,
    cmd: [...COMMAND, 'run'],
    env: { [PLAN_VARIABLE]: JSON.stringify(trialPlan(trial, id)) },
    labels: { ...ownerLabels(id), [LABEL.service]: 'loadgen' },
    networks: ['host'],
    ...(trial.requestsOut === undefined ? { scratchBytes: SCRATCH_BYTES } : {}),
  };
}

/**
 * Makes the load; its container is gone afterwards whatever happens. Throws UsageError with the place in the script.
 */
export async function tryLoad(trial: Trial, ctx: Context): Promise<LoadResultDocument> {
  const { engine, images } = ctx.machine;
  const id = ctx.newRunId();
  const step = ctx.progress.step(`try ${trial.script}`);
  const container = await ctx.engine.create(
    trialContainer(trial, id, images.node!.ref, { cores: engine.cores, memory_bytes: engine.memoryBytes }, ctx.paths),
  );
  try {
    await ctx.engine.start(container);
    const result = await follow(container, trial, step, ctx);
    if (trial.requestsOut !== undefined)
      await ctx.engine.copyFile(container, `${RESULT_FOLDER}/${REQUESTS_FILE}`, trial.requestsOut, MAX_REQUESTS_FILE);
    step.done();
    return result;
  } catch (error) {
    step.fail();
    if (!(error instanceof GeneratorFault)) throw error;
    throw error.kind === 'usage' ? scriptFault(error, trial.dir) : error.asError();
  } finally {
    await ctx.engine.remove(container);
  }
}

async function follow(
  id: string,
  { load, requestsOut }: Trial,
  step: ProgressStep,
  ctx: Context,
): Promise<LoadResultDocument> {
  const events = new EventStream();
  const following = new AbortController();
  const stopped = new AbortController();
  const lengthS = load.warmupS + load.durationS;
  const stop = (message: string, hint: string) => stopped.abort(new InfrastructureError(message, { hint }));
  const late = setTimeout(
    () =>
      stop(
        `the load generator did not end ${load.timeoutS + SLACK_S} s after its load should have`,
        'Is the host overloaded? Try a lower rate.',
      ),
    (lengthS + load.timeoutS + SLACK_S) * 1000,
  );
  const looking = setInterval(async () => {
    if (requestsOut !== undefined && ((await ctx.engine.writtenIn(id).catch(() => null)) ?? 0) > DISK_BYTES)
      stop(
        `the load script has written more than ${DISK_BYTES / 1024 ** 3} GiB`,
        'Write less, or try it without --requests-out.',
      );
    const window = events.find('window');
    if (!window) return step.update('getting warm');
    const doneS = (ctx.now() - (window.startMs - load.warmupS * 1000)) / 1000;
    step.update(ctx.now() < window.startMs ? 'warm-up' : 'measuring', Math.min(1, Math.max(0, doneS / lengthS)));
  }, 1000);
  const signal = AbortSignal.any([ctx.signal, stopped.signal]);
  void ctx.engine
    .follow(id, 'stdout', (text) => events.add(text), following.signal)
    .then(
      () => events.end(),
      (error) => events.end(error),
    );
  try {
    const { result } = await expected(events.wait('result', signal), id, ctx);
    const wrong = resultFault(result, ['candidate']);
    if (wrong) throw new GeneratorFault(wrong, 'generator', undefined, false);
    return result;
  } finally {
    clearTimeout(late);
    clearInterval(looking);
    following.abort();
  }
}
