/** A job as a run: its lease kept alive, its progress told, its end written down. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import { type BenchOptions, loadConfig } from '../../config/config.ts';
import { firstLine, Interrupted, original, UsageError } from '../../core/errors.ts';
import type { Job, JobProgress } from '../../documents/job.ts';
import type { RunDocument } from '../../documents/run.ts';
import { BLOCK } from '../../judge/observations.ts';
import { bench } from '../../pipeline.ts';
import type { RunSummary } from '../../store/db.ts';
import { LEASE_MS, type LeasedJob, type Outcome } from '../../store/leases.ts';
import { confirmChanges, suspectChanges, suspectFromRun } from '../../studies/history/confirm-changes.ts';
import { optionsOf } from './job-options.ts';
import { failureOf } from './outcome.ts';
import { listening } from './worker-progress.ts';

/** The lease is renewed, progress told and a cancellation seen so often. */
const HEARTBEAT_MS = LEASE_MS / 12;
/** A job that was asked to end and has not after so long hangs: its lease is let go, so that it ends all the same. */
const END_MS = 10 * 60_000;
/** A timer of Node.js takes no longer time. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Why a job was ended from outside, and what becomes of it; null: it belongs to another worker by now. */
class Ended extends Interrupted {
  readonly outcome: Outcome | null;
  constructor(outcome: Outcome | null) {
    super(outcome && 'reason' in outcome ? outcome.reason : 'another worker has this job by now');
    this.outcome = outcome;
  }
}

/** Its deadline has passed. */
class Late extends Ended {}

/** Measures the job's commit and ends its lease. Throws nothing that belongs to the job; gives what became of it. */
export async function runJob({ job, leaseId }: LeasedJob, ctx: Context): Promise<Outcome | 'lost'> {
  const stop = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stop.signal]);
  const { progress, text } = listening(ctx.progress);
  const progressOf = progressReader(job, ctx);
  let askedToEndAt: number | undefined;
  signal.addEventListener('abort', () => void (askedToEndAt = performance.now()), { once: true });
  const heartbeat = setInterval(() => {
    if (askedToEndAt !== undefined && performance.now() - askedToEndAt > END_MS) return;
    try {
      const { lost, cancel } = ctx.store.queue.renew(job.job_id, leaseId, ctx.now(), progressOf(text()));
      if (lost) stop.abort(new Ended(null));
      else if (cancel !== undefined) stop.abort(new Ended({ state: 'cancelled', reason: cancel }));
    } catch (error) {
      ctx.progress.warn(`job ${job.job_id}: its lease could not be renewed: ${firstLine(error)}; it is tried again`);
    }
  }, HEARTBEAT_MS);
  const late = new Late({
    state: 'failed',
    fault: 'deadline',
    reason: `it was not done after its deadline of ${job.deadline_s} s`,
  });
  const deadline = setTimeout(() => stop.abort(late), Math.min(job.deadline_s * 1000, LONGEST_TIMER_MS));
  try {
    const outcome = await measured(job, { ...ctx, progress, signal }).catch((error) =>
      stop.signal.aborted ? (stop.signal.reason as Ended).outcome : outcomeOf(error, job, ctx.signal),
    );
    if (outcome === null) return 'lost';
    const run = 'run_id' in outcome && outcome.run_id !== undefined ? outcome : { ...outcome, ...runOf(job, ctx) };
    return (await written(() => ctx.store.queue.endLease(job.job_id, leaseId, run, ctx.now()), ctx)) ? run : 'lost';
  } finally {
    clearInterval(heartbeat);
    clearTimeout(deadline);
  }
}

/**
 * Tries again while the lease is still renewed: a store that is locked, or a full disk, must not cost a job that is
 * measured.
 */
async function written(end: () => boolean, ctx: Context): Promise<boolean> {
  for (const deadline = performance.now() + END_MS; ; await sleep(HEARTBEAT_MS)) {
    try {
      return end();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      ctx.progress.warn(`the end of a job could not be written down: ${firstLine(error)}; it is tried again`);
    }
  }
}

const runsOf = ({ job_id }: Job, ctx: Context): RunSummary[] => ctx.store.runs({ labels: { job: job_id } });

function runOf(job: Job, ctx: Context): { run_id: string } | undefined {
  const [run] = runsOf(job, ctx);
  return run && { run_id: run.run_id };
}

/** Reads how far the job is; a store that cannot be read now must not keep the lease from being renewed. */
function progressReader(job: Job, ctx: Context): (text: string) => JobProgress {
  const most = new Map<string, number>();
  return (text) => {
    const at = new Date(ctx.now()).toISOString();
    try {
      const [run] = runsOf(job, ctx);
      if (!run) return { text, at };
      const key = `${run.run_id} ${run.pairing}`; // it may turn out that both sides at once are too much
      if (!most.has(key)) most.set(key, ctx.store.run(run.run_id).rounds_asked);
      const sides = { solo: 1, interleaved: 2, alternating: BLOCK }[run.pairing]; // stored for each of what is counted
      return {
        text,
        at,
        run_id: run.run_id,
        rounds_done: Math.floor(run.valid_observations / sides),
        rounds_most: most.get(key)!,
      };
    } catch {
      return { text, at };
    }
  };
}

/**
 * Measures the job, unless it was measured already: a worker that was killed between the end of the run and the end of
 * its lease has left a whole run, one that was killed or handed the job back has left finished rounds.
 */
async function measured(job: Job, ctx: Context): Promise<Outcome> {
  const run = await runFor(job, ctx);
  if (job.kind === 'new-master' && run.status === 'complete') await lookForChanges(job, run, ctx);
  return {
    state: 'done',
    run_id: run.run_id,
    ...(run.verdict
      ? { verdict: run.verdict.verdict }
      : run.status === 'invalid'
        ? { verdict: 'INVALID' as const }
        : {}),
  };
}

async function runFor(job: Job, ctx: Context): Promise<RunDocument> {
  const runs = runsOf(job, ctx);
  const whole = runs.find(({ status }) => status === 'complete' || status === 'invalid');
  if (whole) return ctx.store.run(whole.run_id);
  const [before] = runs;
  const measure = async (options: BenchOptions) =>
    bench(await loadConfig(options, { root: ctx.paths.root, cwd: ctx.paths.root, known: ctx.store.benchmark }), ctx);
  if (before && before.valid_observations > 0 && before.against !== undefined) {
    try {
      return await measure({ benchmark: job.benchmark, resume: before.run_id });
    } catch (error) {
      if (!(original(error) instanceof UsageError)) throw error;
      ctx.progress.info(`${firstLine(error)}; measured anew`);
    }
  }
  return measure(optionsOf(job));
}

/**
 * A change of the default branch is compared with the commit before it at once; that this fails does not undo the job.
 */
async function lookForChanges(job: Job, run: RunDocument, ctx: Context): Promise<void> {
  const { benchmark } = run;
  try {
    for (const line of [
      ...suspectFromRun(run, ctx.store),
      ...suspectChanges(benchmark, run.host.id, ctx.store, run.branch),
    ])
      ctx.progress.info(line);
    const checked = await confirmChanges(
      job.benchmark,
      benchmark,
      { onlyUnchecked: true, labels: { for_job: job.job_id }, ...minutesLeft(job, ctx) },
      ctx,
    );
    for (const { change, state, why } of checked)
      ctx.progress.info(`${state}: ${change.metric} at ${change.commit}: ${why}`);
  } catch (error) {
    if (ctx.signal.aborted && !(ctx.signal.reason instanceof Late)) throw error;
    ctx.progress.warn(
      `suspected changes of ${benchmark} could not be confirmed: ${firstLine(error)}; the next job of its default branch tries again`,
    );
  }
}

/** A comparison that could not end before the deadline would be begun again with the next job. */
function minutesLeft({ started_at, deadline_s }: Job, ctx: Context): { maxMinutes: string } {
  const minutes = (Date.parse(started_at!) + deadline_s * 1000 - ctx.now()) / 60_000 - SPARE_MINUTES;
  return { maxMinutes: Math.min(1440, Math.max(1, minutes)).toFixed(1) };
}

/** For the last round, the upload and taking down. */
const SPARE_MINUTES = 2;

/** How an error ends the job; null: it belongs to another worker by now. */
function outcomeOf(thrown: unknown, job: Job, ending: AbortSignal): Outcome | null {
  const error = original(thrown);
  if (error instanceof Ended) return error.outcome;
  if (error instanceof Interrupted || ending.aborted)
    return { state: 'handed back', reason: 'its worker was asked to end' };
  return failureOf(error, job);
}
