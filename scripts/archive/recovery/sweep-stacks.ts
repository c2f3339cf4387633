/** Removes what dead runs have left on the engine: kill -9, a lost power supply, an engine that went away. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { exists } from '../../core/files.ts';
import { LABEL } from '../../engine/names.ts';
import { isAlive } from '../../engine/owner.ts';
import { removeAll } from '../../engine/remove.ts';
import { keepAllLogs } from '../../stack/keep-logs.ts';

/**
 * Removes the objects of runs whose process is gone, and says so. Another live run's are never touched, nor those that
 * --keep asked to stay.
 */
export async function sweep(ctx: Context): Promise<string[]> {
  const dead = await deadRuns(ctx);
  for (const runId of dead) {
    const dir = join(ctx.paths.runs, runId);
    if (await exists(dir)) await keepAllLogs({ runId, dir }, ctx);
    const removed = await removeAll(ctx.engine, [`${LABEL.run}=${runId}`], 0);
    ctx.progress.warn(
      `run ${runId} ended without cleaning up: removed ${removed.containers.length} containers, ${removed.networks.length} networks, ${removed.volumes.length} volumes`,
    );
    ctx.store.addEvent('swept', runId, removed);
  }
  return dead;
}

/** Runs with an object on the engine whose process on this host is gone. */
async function deadRuns(ctx: Context): Promise<string[]> {
  const lists = await Promise.all([
    ctx.engine.containers(LABEL.run),
    ctx.engine.networks(LABEL.run),
    ctx.engine.volumes(LABEL.run),
  ]);
  const dead = new Set<string>();
  for (const { labels } of lists.flat()) {
    const ours = labels[LABEL.hostname] === hostname() && labels[LABEL.keep] !== 'true';
    if (ours && !isAlive(Number(labels[LABEL.pid]), labels[LABEL.pidStart] ?? '')) dead.add(labels[LABEL.run]!);
  }
  return [...dead];
}
