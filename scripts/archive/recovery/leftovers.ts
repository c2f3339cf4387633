/** What dead runs have left: objects on the engine, folders, records that say running. Nothing measured is removed. */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { firstLine, type MayflyError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { LABEL } from '../../engine/names.ts';
import { isAlive } from '../../engine/owner.ts';
import { removeAll } from '../../engine/remove.ts';
import { PENDING_FILE, runOwner } from '../../stack/run-folder.ts';
import { keepLogsAside } from '../carried-logs.ts';
import { showLiveRuns } from '../live.ts';
import { moved, readPending, removeTheRest } from '../pending.ts';
import { lockRun } from '../run-lock.ts';
import { isRecoverable, knownRun, recoverSnapshot } from './recover.ts';
import { sweep } from './sweep-stacks.ts';

/** A folder of a run is named by a ULID; whatever else lies among them is not ours. */
export const RUN_ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/**
 * Removes temporary folders of dead processes, and long-running containers whose folder is gone: nothing else can take
 * them down.
 */
async function sweepTemporary(ctx: Context): Promise<void> {
  for (const name of await readdir(ctx.paths.cache).catch(() => [] as string[])) {
    const [, pid, start] = /^temporary-(\d+)-(\d+)-/.exec(name) ?? [];
    if (pid && !isAlive(Number(pid), start!)) await rm(join(ctx.paths.cache, name), { recursive: true, force: true });
  }
  // In a container (compose/service.yaml, far-engine/harness.ts) most folders of the host are not to be seen.
  if (ctx.env.MAYFLY_IN_CONTAINER) return;
  const lost = (await ctx.engine.containers(LABEL.longRunning)).filter(
    ({ labels }) => labels[LABEL.folder] && !existsSync(labels[LABEL.folder]!),
  );
  for (const project of new Set(lost.map(({ labels }) => labels[LABEL.longRunning]!))) {
    await removeAll(ctx.engine, [`${LABEL.longRunning}=${project}`], 0);
    ctx.progress.warn(`removed ${project}: its folder is gone`);
  }
}

/**
 * Removes what dead runs have left and says so; the metrics of their finished rounds wait to be shipped from now on.
 * Returns the runs that were on the engine.
 */
export async function sweepLeftovers(ctx: Context): Promise<string[]> {
  const dead = await sweep(ctx);
  for (const runId of (await readdir(ctx.paths.runs).catch(() => [] as string[])).filter((name) => RUN_ID.test(name))) {
    const owner = await runOwner(join(ctx.paths.runs, runId));
    if (owner === 'unreadable')
      ctx.progress.warn(`the folder of run ${runId} does not say which process it belongs to: it is taken for dead`);
    if (owner === 'dead' || owner === 'unreadable') await settleFolder(runId, ctx);
  }
  await endDeadRuns(ctx);
  await sweepTemporary(ctx);
  await showLiveRuns(ctx);
  return dead;
}

/**
 * Brings the folder of a run to its end, none of whose containers may be left: what waits to be shipped stays, data of
 * finished rounds becomes a snapshot that waits, the rest is removed. A failure is a warning, and the folder stays.
 */
export async function settleFolder(runId: string, ctx: Context): Promise<void> {
  const runDir = join(ctx.paths.runs, runId);
  const recoverable = !(await waits(runDir)) && (await isRecoverable(runId, runDir, ctx));
  // without a lock, which a full disk may not take
  if (!recoverable && !(await waits(runDir))) {
    await keepLogs(runId, runDir, ctx);
    return rm(runDir, { recursive: true, force: true });
  }
  using lock = await lockRun(runDir);
  if (!lock) return;
  try {
    if (recoverable && !(await waits(runDir))) {
      await recoverSnapshot(runId, runDir, ctx);
      ctx.progress.warn(
        `the metrics of the finished rounds of run ${runId} wait on this host: npm run archive:push ships them`,
      );
    }
    const pending = await readPending(runDir);
    if (!pending) return; // another process has shipped it meanwhile
    await moved(runDir, pending, ctx);
    await removeTheRest(runDir);
  } catch (error) {
    const hint = (error as MayflyError).hint ?? `The next command tries again; to give them up: rm -r ${runDir}`;
    ctx.progress.warn(`the metrics of run ${runId} stay in ${runDir}: ${(error as Error).message}\n${hint}`);
  }
}

/** Of a run that has no block, in which they would be: why it failed is in them. */
async function keepLogs(runId: string, runDir: string, ctx: Context): Promise<void> {
  const run = knownRun(runId, ctx);
  if (!run || run.archive) return;
  try {
    const logs = await keepLogsAside(runId, runDir, ctx.paths);
    if (!logs) return;
    ctx.store.amendRun(runId, { logs });
    ctx.progress.info(`what it has logged: npm run logs -- ${runId}`);
  } catch (error) {
    ctx.progress.warn(`the logs of run ${runId} are not kept: ${firstLine(error)}`);
  }
}

const waits = (runDir: string) => exists(join(runDir, PENDING_FILE));

/** Ends the record of every run whose process is gone. */
async function endDeadRuns(ctx: Context): Promise<void> {
  for (const runId of ctx.store.runningRuns()) {
    const owner = await runOwner(join(ctx.paths.runs, runId));
    if (owner === 'live' || owner === 'elsewhere' || owner === 'unknown') continue;
    if (!ctx.store.runningRuns().includes(runId)) continue; // it has ended its record itself, meanwhile
    ctx.store.finishRun(runId, 'interrupted', new Date(ctx.now()).toISOString(), 'its process was killed');
    ctx.progress.warn(`run ${runId} was killed; the rounds it had finished are kept (npm run show -- ${runId})`);
  }
}
