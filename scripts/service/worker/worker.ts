/** Claims jobs and works on them until the signal. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import { firstLine } from '../../core/errors.ts';
import type { WorkerName } from '../../documents/job.ts';
import { isWorkerThere, processStart } from '../../engine/owner.ts';
import { LEASE_MS } from '../../store/leases.ts';
import { runJob } from './run-job.ts';

const IDLE_MS = 1000;
const HELLO_MS = LEASE_MS / 6;

/** This process. */
export const thisWorker = (): WorkerName => ({
  host: hostname(),
  pid: process.pid,
  pid_start: processStart(process.pid) ?? '',
});

export interface WorkerState {
  /** Ids of the jobs that are worked on. */
  busy: ReadonlySet<string>;
  /** The loop looks for jobs; false once it is asked to end. */
  ready: boolean;
}

/** Works until ctx.signal; then every job is handed back or brought to its end. `once`: ends when nothing waits. */
export async function work(
  ctx: Context,
  { slots, once }: { slots: number; once: boolean },
  tell: (state: WorkerState) => void = () => {},
): Promise<void> {
  const me = thisWorker();
  const busy = new Set<string>();
  const report = () => tell({ busy, ready: !ctx.signal.aborted });
  const hello = () =>
    attempt(ctx, 'the store could not be told that this worker is there', () =>
      ctx.store.queue.hello(me, slots, ctx.now()),
    );
  hello();
  const greeting = setInterval(hello, HELLO_MS);
  report();
  try {
    await Promise.all(Array.from({ length: slots }, () => slot({ me, busy, once, report }, ctx)));
  } finally {
    clearInterval(greeting);
    attempt(ctx, 'the store could not be told that this worker ends', () => ctx.store.queue.bye(me));
  }
}

async function slot(
  { me, busy, once, report }: { me: WorkerName; busy: Set<string>; once: boolean; report(): void },
  ctx: Context,
): Promise<void> {
  while (!ctx.signal.aborted) {
    const leased = attempt(ctx, 'the queue could not be read', () => {
      for (const { job_id, state, reason } of ctx.store.queue.recoverLost(ctx.now(), isWorkerThere))
        ctx.progress.warn(`job ${job_id} ${state === 'queued' ? 'is queued again' : 'has failed'}: ${reason}`);
      return ctx.store.queue.claim(me, ctx.now());
    });
    if (!leased) {
      if (once && busy.size === 0 && nothingWaits(ctx)) return;
      await sleep(IDLE_MS, undefined, { signal: ctx.signal }).catch(() => {});
      continue;
    }
    const { job } = leased;
    busy.add(job.job_id);
    report();
    ctx.progress.info(
      `job ${job.job_id}: ${job.benchmark} at ${job.commit}${job.pull_request === undefined ? '' : `, pull request ${job.repository}#${job.pull_request}`}`,
    );
    try {
      const outcome = await runJob(leased, ctx);
      ctx.progress.info(
        `job ${job.job_id}: ${outcome === 'lost' ? "it is another worker's by now" : 'reason' in outcome ? `${outcome.state}: ${outcome.reason}` : `${outcome.verdict ?? 'measured alone'}, run ${outcome.run_id}`}`,
      );
    } catch (error) {
      ctx.progress.warn(
        `job ${job.job_id}: its end could not be written down: ${firstLine(error)}; its lease runs out, and it is queued again`,
      );
    } finally {
      busy.delete(job.job_id);
      report();
    }
  }
}

/** Also where the queue is paused: then nothing can be taken. */
const nothingWaits = ({ store: { queue } }: Context): boolean =>
  queue.paused() !== undefined || queue.count({ state: ['queued'] }) === 0;

/** A store that is locked or a disk that is full for a while must not end the worker. */
function attempt<T>(ctx: Context, what: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    ctx.progress.warn(`${what}: ${firstLine(error)}; it is tried again`);
    return undefined;
  }
}
