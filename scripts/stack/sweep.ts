/** Removes what dead runs have left: kill -9, a lost power supply, an engine that went away. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { LABEL } from '../plan/names.ts';
import { isAlive } from '../plan/process.ts';
import { removeAll } from './remove.ts';

/** File in a run's folder that names the process that owns it. */
export const OWNER_FILE = 'owner.json';
/** File in a run's folder that says that its snapshot waits for upload. */
export const PENDING_FILE = 'pending.json';

/** Removes the objects and folders of runs whose process is gone, and says so. Another live run's are never touched, nor those that --keep asked to stay. */
export async function sweep(ctx: Context): Promise<string[]> {
  const dead = await deadRuns(ctx);
  for (const runId of dead) {
    const removed = await removeAll(ctx.engine, [`${LABEL.run}=${runId}`], 0);
    ctx.progress.warn(
      `run ${runId} ended without cleaning up: removed ${removed.containers.length} containers, ${removed.networks.length} networks, ${removed.volumes.length} volumes`,
    );
    ctx.store.addEvent('swept', runId, removed);
  }
  for (const runId of await deadFolders(ctx)) {
    await rm(join(ctx.paths.runs, runId), { recursive: true, force: true });
    if (ctx.store.runningRuns().includes(runId)) {
      ctx.store.finishRun(runId, 'interrupted', new Date(ctx.now()).toISOString(), 'its process was killed');
      ctx.progress.warn(`run ${runId} was killed; the rounds it had finished are kept (npm run show -- ${runId})`);
    }
  }
  return dead;
}

/** Runs with an object on the engine whose process on this host is gone. */
async function deadRuns(ctx: Context): Promise<string[]> {
  const lists = await Promise.all([ctx.engine.containers(LABEL.run), ctx.engine.networks(LABEL.run), ctx.engine.volumes(LABEL.run)]);
  const dead = new Set<string>();
  for (const { labels } of lists.flat()) {
    const ours = labels[LABEL.hostname] === hostname() && labels[LABEL.keep] !== 'true';
    if (ours && !isAlive(Number(labels[LABEL.pid]), labels[LABEL.pidStart] ?? '')) dead.add(labels[LABEL.run]!);
  }
  return [...dead];
}

/** Run folders whose owner is gone and that hold nothing that waits for upload. */
async function deadFolders(ctx: Context): Promise<string[]> {
  const folders = await readdir(ctx.paths.runs).catch(() => [] as string[]);
  const dead: string[] = [];
  for (const folder of folders) {
    const files = await readdir(join(ctx.paths.runs, folder)).catch(() => [] as string[]);
    if (files.includes(PENDING_FILE) || !files.includes(OWNER_FILE)) continue;
    const owner = JSON.parse(await readFile(join(ctx.paths.runs, folder, OWNER_FILE), 'utf8').catch(() => '{}'));
    if (owner.keep || (owner.hostname ?? hostname()) !== hostname()) continue;
    if (!isAlive(owner.pid, owner.pidStart)) dead.push(folder);
  }
  return dead;
}
