/**
 * The files of profilers of a run, on their way into the archive and there: beside the chunks of the run's newest block,
 * as its requests are (carried-requests.ts, docs/decisions/0019-single-requests.md).
 */
import { isAbsolute, join } from 'node:path';
import { exists } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import type { ProfileDocument, RunDocument } from '../documents/run.ts';
import { PROFILES_FOLDER } from '../telemetry/run-profiles.ts';
import { carryFiles, chunkFolders, chunkFoldersHere, isBesideChunks } from './carried-files.ts';
import type { Snapshot } from './snapshot.ts';

/** Behind the segments, whose names are numbers, in any order of names. */
const NAME = /^profile-(candidate|baseline)-[A-Za-z0-9][A-Za-z0-9._-]{0,100}-[1-9]\d{0,3}\.(cpuprofile|perf|pprof)$/;

const isProfileName = (name: string): boolean => NAME.test(name);

/** Whether the file at this path of a block is a profile. */
export const isProfileInBlock = (path: string): boolean => isBesideChunks(path, isProfileName);

/** Puts the files that the run's folder has into its snapshot. Repeating it changes nothing. */
export const carryProfiles = (runDir: string, snapshot: Snapshot): Promise<void> =>
  carryFiles(join(runDir, PROFILES_FOLDER), isProfileName, snapshot);

/** A file of a profiler that is on this host. */
export interface FoundProfile {
  file: string;
  profile: ProfileDocument;
}

/** The profiles of a run as far as this host has them; `blocks`: those that an object store has, or none. */
export async function findProfiles(
  run: RunDocument,
  paths: Pick<Paths, 'runs' | 'bucket'>,
): Promise<{ found: FoundProfile[]; elsewhere: boolean }> {
  const { archive, profiles = [], run_id } = run;
  const folders = [join(paths.runs, run_id, PROFILES_FOLDER), ...chunkFoldersHere(run_id, archive, paths)];
  const found = await inFolders(folders, profiles);
  const missing = found.length < profiles.length && archive !== undefined && archive.removed_at === undefined;
  return { found, elsewhere: missing && !archive.pending && !isAbsolute(archive.bucket) };
}

/** The same, of blocks that were copied to a folder. */
export const profilesIn = (folder: string, { archive, profiles = [] }: RunDocument): Promise<FoundProfile[]> =>
  inFolders(chunkFolders(folder, archive?.blocks), profiles);

async function inFolders(folders: readonly string[], profiles: readonly ProfileDocument[]): Promise<FoundProfile[]> {
  const all = await Promise.all(
    profiles
      .filter(({ file }) => isProfileName(file))
      .map(async (profile): Promise<FoundProfile[]> => {
        for (const folder of folders) {
          const file = join(folder, profile.file);
          if (await exists(file)) return [{ file, profile }];
        }
        return [];
      }),
  );
  return all.flat();
}
