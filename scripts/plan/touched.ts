/** Whether two commits differ in files that count: `paths` narrows what is measured. */
import { counts, type PathPattern, pathPattern } from '../config/path-patterns.ts';
import { InfrastructureError } from '../core/errors.ts';
import { shortCommit } from '../engine/names.ts';
import type { Commit } from './commit.ts';
import { complaint, git, type Surroundings } from './git.ts';

type Ctx = Pick<Surroundings, 'signal'>;

/** What differs between two commits of one repository is looked at. */
export interface Pair {
  candidate: Commit;
  other: Commit;
}

/** What is found of `paths` in the repositories of a benchmark. */
export interface Touched {
  /** Whether a file that counts differs. */
  any: boolean;
  /** Patterns that are for no file of any of the commits. */
  idle: string[];
  /** Whether no file counts at all: then the patterns say nothing. */
  none: boolean;
}

/** Where a rename goes from and where it goes to both count; so does a submodule whose commit differs. */
export async function touched(paths: readonly string[], pairs: readonly Pair[], ctx: Ctx): Promise<Touched> {
  const patterns = paths.map(pathPattern);
  const files: File[] = [];
  let any = false;
  for (const { candidate, other } of pairs) {
    files.push(...(await filesOf(candidate, ctx)), ...(await filesOf(other, ctx)));
    any ||= (await changed(candidate, other, ctx)).some(({ path, submodule }) => counts(patterns, path, submodule));
  }
  const isFor = ({ fits, fitsSubmodule }: PathPattern) =>
    files.some(({ path, submodule }) => (submodule ? fitsSubmodule(path) : fits(path)));
  return {
    any,
    idle: patterns.filter((pattern) => !isFor(pattern)).map(({ text }) => text),
    none: !files.some(({ path, submodule }) => counts(patterns, path, submodule)),
  };
}

/** A path of a tree. */
interface File {
  path: string;
  submodule: boolean;
}

const SUBMODULE = '160000';

async function filesOf({ repository, treeish }: Commit, ctx: Ctx): Promise<File[]> {
  const lines = await listed(repository, ['ls-tree', '-r', '-z', '--full-tree', '--end-of-options', treeish], ctx);
  return lines.map((line) => ({ path: line.slice(line.indexOf('\t') + 1), submodule: line.startsWith(SUBMODULE) }));
}

/** Raw output: `:MODE MODE HASH HASH STATUS`, then the path. A repository may tell git to pass over its submodules. */
async function changed(candidate: Commit, other: Commit, ctx: Ctx): Promise<File[]> {
  const how = ['-r', '-z', '--raw', '--no-renames', '--ignore-submodules=none'];
  const args = ['diff-tree', ...how, '--end-of-options', other.treeish, candidate.treeish];
  const fields = await listed(candidate.repository, args, ctx);
  return Array.from({ length: fields.length / 2 }, (_, i) => ({
    path: fields[2 * i + 1]!,
    submodule: fields[2 * i]!.slice(1).split(' ', 2).includes(SUBMODULE),
  }));
}

async function listed(repository: string, args: string[], ctx: Ctx): Promise<string[]> {
  const done = await git(repository, args, ctx);
  if (done.exitCode !== 0)
    throw new InfrastructureError(`git could not list the files of two commits: ${complaint(done)}`, {
      hint: `Is the repository whole (git fsck in ${repository})?`,
    });
  return done.stdout.split('\0').filter(Boolean);
}

const MOST_NAMED = 5;

/** Patterns, the first of them by name. */
export const pathsText = (paths: readonly string[]): string =>
  paths.length <= MOST_NAMED
    ? paths.join(', ')
    : `${paths.slice(0, MOST_NAMED).join(', ')} and ${paths.length - MOST_NAMED} more`;

/** What has to be said of patterns that are for no file; undefined: nothing. */
export function idleText({ idle, none }: Touched, paths: readonly string[], a: string, b: string): string | undefined {
  const of = `of ${shortCommit(a)} or ${shortCommit(b)}`;
  if (none)
    return `paths: ${pathsText(paths)} let in no file ${of}, so they narrow nothing; they count from the root of the repository: are they misspelt?`;
  if (idle.length === 0) return undefined;
  return `paths: ${pathsText(idle)} ${idle.length === 1 ? 'is' : 'are'} for no file ${of}; is that misspelt?`;
}
