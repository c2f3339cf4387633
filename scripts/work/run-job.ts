/** A job as a run: its lease kept alive, its progress told, its end written down. */
import { suspectChanges, suspectFromRun, confirmChanges } from '../confirm-changes.ts';
import { loadConfig } from '../config/config.ts';
import type { Context } from '../context.ts';
import { EXIT, firstLine, Interrupted, MayflyError, original, UsageError } from '../errors.ts';
import { bench } from '../pipeline.ts';
import { LEASE_MS, type LeasedJob, type Outcome } from '../store/jobs.ts';
import type { RunSummary } from '../store/db.ts';
import type { Job, JobProgress, RunDocument } from '../types.ts';
import { listening } from './progress.ts';

/** The lease is renewed, progress told and a cancellation seen so often. */
const HEARTBEAT_MS = LEASE_MS / 12;

/** Why a job was ended from outside, and what becomes of it; null: it belongs to another worker by now. */
class Ended extends Interrupted {
  readonly outcome: Outcome | null;
  constructor(outcome: Outcome | null) {
    super(outcome && 'reason' in outcome ? outcome.reason : 'another worker has this job by now');
    this.outcome = outcome;
  }
}

/** Measures the job's commit and ends its lease. Throws nothing that belongs to the job; gives what became of it. */
export async function runJob({ job, leaseId }: LeasedJob, ctx: Context): Promise<Outcome | 'lost'> {
  const stop = new AbortController();
  const { progress, text } = listening(ctx.progress);
  const heartbeat = setInterval(() => {
    try {
      const { lost, cancel } = ctx.store.queue.renew(job.job_id, leaseId, ctx.now(), progressOf(job, text(), ctx));
      if (lost) stop.abort(new Ended(null));
      else if (cancel !== undefined) stop.abort(new Ended({ state: 'cancelled', reason: cancel }));
    } catch (error) {
      ctx.progress.warn(`job ${job.job_id}: its lease could not be renewed: ${firstLine(error)}; it is tried again`);
    }
  }, HEARTBEAT_MS);
  const deadline = setTimeout(() => stop.abort(new Ended({ state: 'failed', reason: `it was not done after its deadline of ${job.deadline_s} s` })), job.deadline_s * 1000);
  try {
    const outcome = await measured(job, { ...ctx, progress, signal: AbortSignal.any([ctx.signal, stop.signal]) }).catch((error) => outcomeOf(error, ctx.signal));
    if (outcome === null) return 'lost';
    const run = 'run_id' in outcome ? outcome : { ...outcome, ...runOf(job, ctx) };
    return ctx.store.queue.endLease(job.job_id, leaseId, run, ctx.now()) ? run : 'lost';
  } finally {
    clearInterval(heartbeat);
    clearTimeout(deadline);
  }
}

const newestRun = ({ job_id }: Job, ctx: Context): RunSummary | undefined => ctx.store.runs({ labels: { job: job_id }, limit: 1 })[0];

function runOf(job: Job, ctx: Context): { run_id: string } | undefined {
  const run = newestRun(job, ctx);
  return run && { run_id: run.run_id };
}

function progressOf(job: Job, text: string, ctx: Context): JobProgress {
  const summary = newestRun(job, ctx);
  const at = new Date(ctx.now()).toISOString();
  if (!summary) return { text, at };
  const sides = summary.against === undefined ? 1 : 2;
  return { text, at, run_id: summary.run_id, rounds_done: Math.floor(summary.valid_observations / sides), rounds_most: ctx.store.run(summary.run_id).rounds_asked };
}

/**
 * Measures the job, unless it was measured already: a worker that was killed between the end of the run and the end of
 * its lease has left a whole run, one that was killed or handed the job back has left finished rounds.
 */
async function measured(job: Job, ctx: Context): Promise<Outcome> {
  const run = await runFor(job, ctx);
  if (job.kind === 'new-master' && run.status === 'complete') await lookForChanges(job, run, ctx);
  return { state: 'done', run_id: run.run_id, ...(run.verdict ? { verdict: run.verdict.verdict } : run.status === 'invalid' ? { verdict: 'INVALID' as const } : {}) };
}

async function runFor(job: Job, ctx: Context): Promise<RunDocument> {
  const before = newestRun(job, ctx);
  if (before?.status === 'complete' || before?.status === 'invalid') return ctx.store.run(before.run_id);
  const measure = async (args: string[]) => bench(await loadConfig(args, { root: ctx.paths.root, cwd: ctx.paths.root }), ctx);
  if (before && before.valid_observations > 0 && before.against !== undefined) {
    try {
      return await measure([`--benchmark=${job.benchmark}`, `--resume=${before.run_id}`]);
    } catch (error) {
      if (!(original(error) instanceof UsageError)) throw error;
      ctx.progress.info(`${firstLine(error)}; measured anew`);
    }
  }
  return measure(argsOf(job));
}

/** A change of the default branch is compared with the commit before it at once; that this fails does not undo the job. */
async function lookForChanges({ benchmark }: Job, run: RunDocument, ctx: Context): Promise<void> {
  try {
    for (const line of [...suspectFromRun(run, ctx.store), ...suspectChanges(benchmark, run.host.id, ctx.store)]) ctx.progress.info(line);
    const checked = await confirmChanges(benchmark, benchmark, undefined, ctx);
    for (const { change, state, why } of checked) ctx.progress.info(`${state}: ${change.metric} at ${change.commit}: ${why}`);
  } catch (error) {
    if (original(error) instanceof Interrupted) throw error;
    ctx.progress.warn(`suspected changes of ${benchmark} could not be confirmed: ${firstLine(error)}; the next job of its default branch tries again`);
  }
}

/** The flags of bench for a job. Each is one argument: no shell sees them. */
export function argsOf({ kind, job_id, benchmark, commit, against, overrides, repository, pull_request }: Job): string[] {
  const labels = { job: job_id, ...(repository ? { repository } : {}), ...(pull_request === undefined ? {} : { pull_request: String(pull_request) }) };
  return [
    `--benchmark=${benchmark}`,
    `--commit=${commit}`,
    ...(kind === 'new-master' ? ['--master', '--against=anchor'] : against === undefined ? [] : [`--against=${against}`]),
    ...Object.entries(overrides).map(([name, value]) => `--${name}=${value}`),
    ...Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`),
  ];
}

/** How an error ends the job: what somebody has to mend fails at once, what may pass is tried again. */
function outcomeOf(thrown: unknown, ending: AbortSignal): Outcome | null {
  const error = original(thrown);
  if (error instanceof Ended) return error.outcome;
  if (error instanceof Interrupted || ending.aborted) return { state: 'handed back', reason: 'its worker was asked to end' };
  const reason = error instanceof MayflyError ? [error.message, error.hint].filter(Boolean).join('\n') : `a fault of Mayfly itself: ${error instanceof Error ? error.message : String(error)}`;
  if (error instanceof MayflyError && error.exitCode === EXIT.infrastructure) return { state: 'retry', reason };
  return { state: 'failed', reason };
}
