/**
 * The logs of a run, on their way into the archive and there: beside the chunks of the run's newest block, as its requests
 * are (carried-requests.ts). Those of a run without a block have a place of their own on this host.
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { namesIn } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import type { LogsDocument, RunDocument } from '../documents/run.ts';
import { HARNESS_FILE, HARNESS_LOG, isLogName, LOGS_FOLDER, packHarness } from '../logs/kept.ts';
import { carryFiles, chunkFolders, chunkFoldersHere, isBesideChunks, isCarried } from './carried-files.ts';
import type { Snapshot } from './snapshot.ts';

/** Bytes of the logs of runs without a block, over all of them: the oldest runs' go first. */
const MOST_ASIDE = 256 * 1024 ** 2;

/** Whether the file at this path of a block is one of logs. */
export const isLogInBlock = (path: string): boolean => isBesideChunks(path, isLogName);

/** Puts the files that the run's folder has into its snapshot, and says what is there. Repeating it changes nothing. */
export async function carryLogs(runDir: string, snapshot: Snapshot): Promise<LogsDocument | undefined> {
  if (snapshot.blocks.length === 0) return undefined;
  const folder = join(runDir, LOGS_FOLDER);
  if (!(await isCarried(HARNESS_FILE, snapshot))) await packHarness(folder);
  await carryFiles(folder, isLogName, snapshot);
  return described(chunkFolders(snapshot.dir, snapshot.blocks));
}

/**
 * Moves the logs out of a run's folder that is to be removed, where no block has taken them along, and says what there
 * is. A folder too many goes at the other end.
 */
export async function keepLogsAside(
  runId: string,
  runDir: string,
  paths: Pick<Paths, 'logs'>,
  most = MOST_ASIDE,
): Promise<LogsDocument | undefined> {
  const folder = join(runDir, LOGS_FOLDER);
  await packHarness(folder);
  if (!(await namesIn(folder)).some(isLogName)) return undefined;
  await rm(join(folder, HARNESS_LOG), { force: true });
  const aside = join(paths.logs, runId);
  await mkdir(paths.logs, { recursive: true });
  await rm(aside, { recursive: true, force: true });
  await rename(folder, aside);
  let bytes = 0;
  for (const name of (await readdir(paths.logs)).sort().reverse()) {
    bytes += (await described([join(paths.logs, name)]))?.bytes ?? 0;
    if (bytes > most && name !== runId) await rm(join(paths.logs, name), { recursive: true, force: true });
  }
  return described([aside]);
}

async function described(folders: readonly string[]): Promise<LogsDocument | undefined> {
  const found = await Promise.all(
    folders.map(async (folder) =>
      Promise.all(
        (await namesIn(folder))
          .filter(isLogName)
          .map(async (name) => [name, (await stat(join(folder, name))).size] as const),
      ),
    ),
  );
  const sizes = new Map(found.flat());
  if (sizes.size === 0) return undefined;
  return { files: [...sizes.keys()].sort(byRound), bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
}

/** logs-2.gz before logs-10.gz. */
const byRound = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

/** Log files of a run that are on this host. */
export interface FoundLogs {
  files: string[];
  /** They lie in a bucket that is no folder of this host. */
  elsewhere: boolean;
}

/** Finds the files: in the run's folder while it goes on or waits, in the place of runs without a block, or in a folder bucket. */
export async function findLogs(run: RunDocument, paths: Pick<Paths, 'runs' | 'logs' | 'bucket'>): Promise<FoundLogs> {
  const { archive, logs, run_id } = run;
  const files = await inFolders([
    join(paths.runs, run_id, LOGS_FOLDER),
    join(paths.logs, run_id),
    ...chunkFoldersHere(run_id, archive, paths),
  ]);
  const missing = files.length === 0 && logs !== undefined && archive !== undefined && archive.removed_at === undefined;
  return { files, elsewhere: missing && !archive.pending && !isAbsolute(archive.bucket) };
}

/** The same, of blocks that were copied to a folder. */
export const logsIn = (folder: string, { archive }: RunDocument): Promise<string[]> =>
  inFolders(chunkFolders(folder, archive?.blocks));

/** Each name once, where it comes first: what the harness appends to is newer than what was made of it. */
async function inFolders(folders: readonly string[]): Promise<string[]> {
  const found = new Map<string, string>();
  for (const folder of folders)
    for (const name of await namesIn(folder)) {
      const of = name === HARNESS_LOG ? HARNESS_FILE : name;
      if (isLogName(of) && (!found.has(of) || (name === HARNESS_LOG && found.get(of) === join(folder, of))))
        found.set(of, join(folder, name));
    }
  return [...found].sort(([a], [b]) => byRound(a, b)).map(([, file]) => file);
}
