/** /healthz, /readyz and /metrics of a worker, on loopback. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import { InfrastructureError } from '../../core/errors.ts';
import { LEASE_MS } from '../../store/leases.ts';
import { createHttp, listen } from '../server/http.ts';
import { healthRoutes } from '../server/server-health.ts';
import { workerMetrics } from '../server/server-metrics.ts';
import { thisWorker, type WorkerState } from './worker.ts';

export interface WorkerHealth extends AsyncDisposable {
  url: string;
  /** What the worker does now; called whenever that changes. */
  tell(state: WorkerState): void;
}

/** How long the engine may take to answer. */
const ENGINE_MS = 5000;
/** A label that nothing carries: asking for it costs the engine nothing. */
const NOTHING = 'dev.mayfly.readiness';

/** Serves them on 127.0.0.1; port 0: any that is free. InfrastructureError where the port is taken. */
export async function serveHealth(port: number, ctx: Context): Promise<WorkerHealth> {
  let state: WorkerState | undefined;
  const busy = new Set<string>();
  const ended = new Map<string, number>();
  const tell = (told: WorkerState) => {
    state = told;
    for (const id of [...busy].filter((one) => !told.busy.has(one))) {
      busy.delete(id);
      const outcome = outcomeOf(id, ctx);
      ended.set(outcome, (ended.get(outcome) ?? 0) + 1);
    }
    for (const id of told.busy) busy.add(id);
  };
  const http = await createHttp({ log: (line) => ctx.progress.warn(line) });
  healthRoutes(http, {
    ready: () => notReady(state, ctx),
    metrics: workerMetrics(() => ({ slots: self(ctx)?.slots ?? 0, busy: busy.size, ended })),
  });
  return { url: await listen(http, '127.0.0.1', port), tell, [Symbol.asyncDispose]: () => http.close() };
}

/** What became of a job that this worker is no longer at. */
function outcomeOf(id: string, ctx: Context): string {
  try {
    const state = ctx.store.queue.job(id)?.state;
    return state === 'queued' ? 'requeued' : state === undefined || state === 'leased' ? 'lost' : state;
  } catch {
    return 'lost'; // the store does not answer: the worker has said so already
  }
}

/** This worker as the store knows it. */
const self = (ctx: Context) => {
  const me = thisWorker();
  return ctx.store.queue
    .workers()
    .find(({ host, pid, pid_start }) => host === me.host && pid === me.pid && pid_start === me.pid_start);
};

async function notReady(state: WorkerState | undefined, ctx: Context): Promise<string | null> {
  if (!state) return 'the worker has not begun to look for jobs';
  if (!state.ready) return 'the worker is asked to end and takes no more jobs';
  const seen = self(ctx)?.seen_at;
  if (seen === undefined || ctx.now() - Date.parse(seen) > LEASE_MS)
    return `the worker has not written to the store for ${LEASE_MS / 1000} s: its loop stands still, or the store cannot be written`;
  await answersInTime(ctx);
  return null;
}

async function answersInTime(ctx: Context): Promise<void> {
  const answered = new AbortController();
  const late = sleep(ENGINE_MS, undefined, { signal: answered.signal }).then(
    () => {
      throw new InfrastructureError(`the Docker engine has not answered for ${ENGINE_MS / 1000} s`);
    },
    () => {},
  );
  try {
    await Promise.race([ctx.engine.containers(NOTHING), late]);
  } finally {
    answered.abort();
  }
}
