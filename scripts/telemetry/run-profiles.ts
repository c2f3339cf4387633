/** Files of profilers of both sides -> what a run keeps of them: files, stacks of each side, and what differs. */
import type { ProfileChange, ProfileDocument, SideName } from '../documents/run.ts';
import { changesOf, differenceOf } from './flame.ts';
import { readProfile } from './profile.ts';
import { mergeTrees, onCpu, ProfileFault, packTree, pruneTree, type StackTree } from './stacks.ts';

/** Folder of a run's folder with its profiles. */
export const PROFILES_FOLDER = 'profiles';
/** Name of the N-th file of a service on a side, in that folder and in a block. */
export const profileName = (side: SideName, service: string, n: number, ending: string): string =>
  `profile-${side}-${service}-${n}${ending}`;

/** A file of a profiler, where it lies now. */
export interface ProfileFile extends Pick<ProfileDocument, 'side' | 'service' | 'instance' | 'kind' | 'file'> {
  path: string;
}

/** What is kept of them. */
export interface RunProfiles {
  profiles: ProfileDocument[];
  profile_changes?: ProfileChange[];
  /** By side and service. */
  trees: { side: SideName; service: string; tree: Buffer }[];
}

/** Nodes of a tree that is compared, and of one that the store keeps. */
const MOST_COMPARED = 20_000;
const MOST_KEPT = 4000;
/** Functions that are named in the run, of each service: so many that grew, so many that shrank. */
const MOST_NAMED = 5;

/** Reads all of them. What cannot be read is named with the reason; an error of the disk is thrown. */
export async function readProfiles(files: readonly ProfileFile[]): Promise<RunProfiles> {
  const profiles: ProfileDocument[] = [];
  const trees = new Map<string, Map<SideName, StackTree>>();
  for (const { path, ...named } of files) {
    const tree = await readProfile(path).catch((error) => {
      if (!(error instanceof ProfileFault)) throw error;
      return error.message;
    });
    if (typeof tree === 'string') {
      profiles.push({ ...named, samples: 0, seconds: 0, fault: tree });
      continue;
    }
    profiles.push({ ...named, samples: onCpu(tree), seconds: tree.seconds });
    const sides = trees.get(named.service) ?? new Map<SideName, StackTree>();
    trees.set(named.service, sides);
    const before = sides.get(named.side);
    const more = pruneTree(tree, MOST_COMPARED);
    sides.set(named.side, before ? pruneTree(mergeTrees([before, more]), MOST_COMPARED) : more);
  }
  const changes = [...trees].flatMap(([service, sides]) => changesOfService(service, sides));
  const isCompared = [...trees.values()].some(({ size }) => size === 2);
  return {
    profiles,
    ...(isCompared ? { profile_changes: changes } : {}),
    trees: [...trees].flatMap(([service, sides]) =>
      [...sides].map(([side, tree]) => ({ side, service, tree: packTree(pruneTree(tree, MOST_KEPT)) })),
    ),
  };
}

function changesOfService(service: string, sides: ReadonlyMap<SideName, StackTree>): ProfileChange[] {
  const [candidate, baseline] = [sides.get('candidate'), sides.get('baseline')];
  if (!candidate || !baseline) return [];
  const all = changesOf(differenceOf(candidate, baseline)).map((one) => ({ service, ...one }));
  return [
    ...all.filter(({ change }) => change > 0).slice(0, MOST_NAMED),
    ...all.filter(({ change }) => change < 0).slice(-MOST_NAMED),
  ];
}
