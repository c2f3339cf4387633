/**
 * The traces of a run that are kept whole, on their way into the archive and there: beside the chunks of the run's
 * newest block, as its requests are (carried-requests.ts, docs/decisions/0019-single-requests.md).
 */
import { isAbsolute, join } from 'node:path';
import { exists } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import type { RunDocument, SideName } from '../documents/run.ts';
import { isTracesName, TRACES_FOLDER } from '../traces/kept.ts';
import { carryFiles, chunkFolders, chunkFoldersHere, isBesideChunks } from './carried-files.ts';
import type { Snapshot } from './snapshot.ts';

/** Whether the file at this path of a block is one of traces. */
export const isTracesInBlock = (path: string): boolean => isBesideChunks(path, isTracesName);

/** Puts the files that the run's folder has into its snapshot. Repeating it changes nothing. */
export const carryTraces = (runDir: string, snapshot: Snapshot): Promise<void> =>
  carryFiles(join(runDir, TRACES_FOLDER), isTracesName, snapshot);

/** Traces of a side and round that are kept. */
export interface KeptTraces {
  side: SideName;
  round: number;
  /** Name of the file. */
  name: string;
  /** The run whose block has it: that which has measured the round. */
  runId: string;
}

/** What a run says that it has kept, in the order of its rounds. */
export const keptOf = ({ run_id, rounds }: Pick<RunDocument, 'run_id' | 'rounds'>): KeptTraces[] =>
  rounds.flatMap(({ side, round, from_run, traces }) =>
    traces?.kept && isTracesName(traces.kept.file)
      ? [{ side, round, name: traces.kept.file, runId: from_run ?? run_id }]
      : [],
  );

export interface FoundTraces {
  found: (KeptTraces & { file: string })[];
  /** Runs whose files lie in a bucket that is no folder of this host. */
  elsewhere: RunDocument[];
  /** Not here, nor elsewhere. */
  lost: KeptTraces[];
}

/** The files of these as far as this host has them. `runOf`: of the store; null for a run that it does not have. */
export async function findTraces(
  wanted: readonly KeptTraces[],
  paths: Pick<Paths, 'runs' | 'bucket'>,
  runOf: (runId: string) => RunDocument | null,
): Promise<FoundTraces> {
  const all: FoundTraces = { found: [], elsewhere: [], lost: [] };
  for (const [runId, own] of Map.groupBy(wanted, (one) => one.runId)) {
    const run = runOf(runId);
    const archive = run?.archive;
    const folders = [join(paths.runs, runId, TRACES_FOLDER), ...chunkFoldersHere(runId, archive, paths)];
    const { found, lost } = await inFolders(folders, own);
    all.found.push(...found);
    const isElsewhere =
      lost.length > 0 && archive && archive.removed_at === undefined && !archive.pending && !isAbsolute(archive.bucket);
    if (isElsewhere) all.elsewhere.push(run);
    else all.lost.push(...lost);
  }
  return all;
}

/** The same, of blocks that were copied to a folder. */
export const tracesIn = (folder: string, { run_id, archive }: RunDocument, wanted: readonly KeptTraces[]) =>
  inFolders(
    chunkFolders(folder, archive?.blocks),
    wanted.filter(({ runId }) => runId === run_id),
  );

async function inFolders(
  folders: readonly string[],
  wanted: readonly KeptTraces[],
): Promise<Pick<FoundTraces, 'found' | 'lost'>> {
  const result: Pick<FoundTraces, 'found' | 'lost'> = { found: [], lost: [] };
  for (const one of wanted) {
    const files = folders.map((folder) => join(folder, one.name));
    const are = await Promise.all(files.map(exists));
    const file = files[are.indexOf(true)];
    if (file === undefined) result.lost.push(one);
    else result.found.push({ ...one, file });
  }
  return result;
}
