/**
 * A snapshot that waits to be shipped, as pending.json tells: from there on it survives everything, a kill included.
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { firstLine, InfrastructureError } from '../core/errors.ts';
import type { PrometheusClient } from '../measure/collect/prometheus.ts';
import { OWNER_FILE, PENDING_FILE, writeWhole } from '../stack/run-folder.ts';
import { SERIES_FOLDER } from '../telemetry/series-files.ts';
import { carryLogs } from './carried-logs.ts';
import { carryProfiles } from './carried-profiles.ts';
import { carryRequests } from './carried-requests.ts';
import { carryTraces } from './carried-traces.ts';
import { LOCK_FILE } from './run-lock.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import { addTelemetry } from './telemetry-blocks.ts';
import type { ExternalLabels } from './upload.ts';

/** Where the metrics of a run go, and under which labels. */
export interface Destination {
  labels: ExternalLabels;
  /** Absolute path of a Thanos object-store configuration; absent: the folder bucket. */
  objstore?: string;
}

/** What pending.json holds: all that is needed to ship the snapshot later. */
export interface Pending extends Destination {
  /**
   * Where in the run's folder Prometheus has written the snapshot; the file is there before it is moved to snapshot/.
   */
  from: string;
}

/**
 * File in a run's folder that says where its metrics will go, from the beginning on: for the data of a run that is
 * killed.
 */
const DESTINATION_FILE = 'destination.json';
/** Name of the snapshot's folder in the run's folder. */
const SNAPSHOT = 'snapshot';
/** Name of the folder in the run's folder with what is being shipped to the trend stream. */
export const TREND = 'trend';

/**
 * Takes a snapshot over the admin API of a Prometheus whose data is the run's tsdb/, marks it as waiting, and moves it
 * out of that data. A kill at any point leaves the data or a marked, whole snapshot. One without a single sample is an
 * error: the API calls that a success too.
 */
export async function takeSnapshot(
  prometheus: PrometheusClient,
  runDir: string,
  destination: Destination,
  ctx: Context,
): Promise<Snapshot> {
  const from = join('tsdb', 'snapshots', await prometheus.snapshot());
  const { samples, blocks } = await readSnapshot(join(runDir, from));
  if (samples === 0) {
    throw new InfrastructureError('the snapshot of the run is empty: Prometheus has stored no sample', {
      hint: 'Did Prometheus reach its targets? `npm run bench -- --keep` leaves it up to look at.',
    });
  }
  const pending: Pending = { ...destination, from };
  await rm(join(runDir, SNAPSHOT), { recursive: true, force: true });
  await writeWhole(join(runDir, PENDING_FILE), JSON.stringify(pending, null, 2));
  const archive = { bucket: '', blocks, verified: false, pending: true, error: 'not shipped yet' };
  ctx.store.saveArchive(destination.labels.run_id, archive);
  const snapshot = await moved(runDir, pending, ctx);
  const requests = snapshot.requests ? { requests: { ...snapshot.requests, verified: false } } : {};
  ctx.store.saveArchive(destination.labels.run_id, { ...archive, blocks: snapshot.blocks, ...requests });
  return snapshot;
}

export const writeDestination = (runDir: string, destination: Destination) =>
  writeWhole(join(runDir, DESTINATION_FILE), JSON.stringify(destination, null, 2));
export const readDestination = async (runDir: string): Promise<Destination> =>
  JSON.parse(await readFile(join(runDir, DESTINATION_FILE), 'utf8'));

/** What waits in a run's folder; null where nothing does. InfrastructureError for a file that cannot be read. */
export async function readPending(runDir: string): Promise<Pending | null> {
  const file = join(runDir, PENDING_FILE);
  try {
    const pending = JSON.parse(await readFile(file, 'utf8'));
    if (!pending?.labels?.run_id) throw new Error('labels/run_id is missing');
    return pending;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new InfrastructureError(`${file} cannot be read: ${(error as Error).message}`, {
      hint: `It should hold {"labels": {"run_id": …, "benchmark": …, "host": …}} of the run. Fix it, or give the run's metrics up: rm -r ${runDir}`,
    });
  }
}

/**
 * The waiting snapshot in its own place, and the run's telemetry and requests in it: moved there now if a kill has come
 * between.
 */
export async function moved(runDir: string, { from, labels }: Pending, ctx: Context): Promise<Snapshot> {
  const dir = join(runDir, SNAPSHOT);
  await rename(join(runDir, from ?? SNAPSHOT), dir).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await addTelemetry(runDir, dir, labels.run_id, ctx);
  const snapshot = await readSnapshot(dir);
  await carryProfiles(runDir, snapshot);
  await carryTraces(runDir, snapshot);
  const logs = await carryLogs(runDir, snapshot).catch((error) =>
    ctx.progress.warn(`the logs of run ${labels.run_id} are not all in its block: ${firstLine(error)}`),
  );
  if (logs) ctx.store.amendRun(labels.run_id, { logs });
  const requests = await carryRequests(runDir, snapshot, labels.run_id, ctx.progress);
  return requests ? { ...snapshot, requests } : snapshot;
}

/** Forgets a snapshot that is shipped; the mark goes first, since a mark without a snapshot could never be shipped. */
export async function removePending(runDir: string): Promise<void> {
  await rm(join(runDir, PENDING_FILE), { force: true });
  for (const folder of [SNAPSHOT, TREND, SERIES_FOLDER])
    await rm(join(runDir, folder), { recursive: true, force: true });
}

/** Removes all that a waiting snapshot does not need. Only after every container that uses the folder is gone. */
export async function removeTheRest(runDir: string): Promise<void> {
  const needed = [SNAPSHOT, TREND, SERIES_FOLDER, PENDING_FILE, OWNER_FILE, LOCK_FILE];
  for (const entry of await readdir(runDir)) {
    if (!needed.includes(entry)) await rm(join(runDir, entry), { recursive: true, force: true });
  }
}
