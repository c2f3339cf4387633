/** What a commit is compared with where nobody says it: the commit at which it left its branch. */
import type { Context } from '../app/context.ts';
import { InfrastructureError, UsageError } from '../core/errors.ts';
import { type Commit, describeCommit } from './commit.ts';
import { complaint, fetchRefs, gitSays } from './git.ts';

/**
 * A branch of a repository, as far as this host knows: its names for git (of the remote, and the local one), and its
 * own.
 */
interface Branch {
  name: string;
  refs: string[];
}

/**
 * The commit at which `candidate` left the default branch, or the one that is named; `onBranch`: it is part of it itself,
 * in what this host or the remote has. Null where there is no default branch, or nothing in common with it. For an
 * uncommitted state HEAD counts. Throws a UsageError where there is no branch of that name.
 */
export async function mergeBase(
  candidate: Commit,
  ctx: Pick<Context, 'signal'>,
  named?: string,
): Promise<{ branch: string; onBranch: boolean; base: Commit } | null> {
  const { repository } = candidate;
  const branch = named === undefined ? await defaultBranch(repository, ctx) : await branchOf(repository, named, ctx);
  if (!branch) return null;
  const tip = candidate.commit.startsWith('worktree-') ? 'HEAD' : candidate.commit;
  // With a merge of both refs, were there one: the local branch may be ahead of the remote's, or behind it.
  const base = await gitSays(repository, ['merge-base', '--end-of-options', tip, ...branch.refs], ctx);
  const commit = await gitSays(
    repository,
    ['rev-parse', '--verify', '--quiet', '--end-of-options', `${tip}^{commit}`],
    ctx,
  );
  if (!base || !commit) return null;
  return { branch: branch.name, onBranch: base === commit, base: await describeCommit(repository, base, ctx) };
}

/** Whether `before` is one of the commits that `commit` was made from. */
export const isAncestor = async (
  repository: string,
  before: string,
  commit: string,
  ctx: Pick<Context, 'signal'>,
): Promise<boolean> => (await gitSays(repository, ['merge-base', '--is-ancestor', before, commit], ctx)) !== null;

/**
 * The commits from `before` (without it) to `commit` along first parents, the newest first; undefined where git cannot
 * tell.
 */
export async function firstParents(
  repository: string,
  before: string,
  commit: string,
  ctx: Pick<Context, 'signal'>,
): Promise<string[] | undefined> {
  const said = await gitSays(
    repository,
    ['rev-list', '--first-parent', `--max-count=${MOST_COMMITS}`, '--end-of-options', `${before}..${commit}`],
    ctx,
  );
  return said === null || said === '' ? undefined : said.split('\n');
}

/** A longer range is not told commit by commit. */
const MOST_COMMITS = 500;

/** Whether the history of a clone was cut off (git clone --depth). */
export const isShallow = async (repository: string, ctx: Pick<Context, 'signal'>): Promise<boolean> =>
  (await gitSays(repository, ['rev-parse', '--is-shallow-repository'], ctx)) === 'true';

/** Whether there is a commit at all: a new repository has only a work tree. */
export const hasCommits = async ({ repository }: Commit, ctx: Pick<Context, 'signal'>): Promise<boolean> =>
  (await gitSays(repository, ['rev-parse', '--verify', '--quiet', 'HEAD'], ctx)) !== null;

/** Whether the default branch of a repository has this name. */
export const isDefaultBranch = async (
  repository: string,
  name: string,
  ctx: Pick<Context, 'signal'>,
): Promise<boolean> => (await defaultBranch(repository, ctx))?.name === name;

async function exists(repository: string, ref: string, ctx: Pick<Context, 'signal'>): Promise<boolean> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
  return (await gitSays(repository, args, ctx)) !== null;
}

/** What this host has under the name of a branch: of the remote, and of its own. */
async function refsOf(repository: string, name: string, ctx: Pick<Context, 'signal'>): Promise<string[]> {
  const refs = [];
  for (const ref of [`refs/remotes/origin/${name}`, `refs/heads/${name}`])
    if (await exists(repository, ref, ctx)) refs.push(ref);
  return refs;
}

/**
 * A branch by its name, as the remote has it now: it may be only there, and it may have moved since this host last
 * looked. Where the remote does not answer, or has it no more, what is here does.
 */
async function branchOf(repository: string, name: string, ctx: Pick<Context, 'signal'>): Promise<Branch> {
  const remote = await gitSays(repository, ['remote', 'get-url', '--', 'origin'], ctx);
  const fetched =
    remote === null
      ? undefined
      : await fetchRefs(repository, 'origin', [`+refs/heads/${name}:refs/remotes/origin/${name}`], ctx);
  const refs = await refsOf(repository, name, ctx);
  if (refs.length > 0) return { name, refs };
  if (fetched && fetched.exitCode !== 0 && !/couldn't find remote ref|no such remote ref/i.test(fetched.stderr))
    throw new InfrastructureError(`git could not fetch the branch ${name} from ${remote}: ${complaint(fetched)}`, {
      hint: `Check the remote \`origin\` of ${repository}, and the access of this host to it.`,
    });
  throw new UsageError(
    `there is no branch ${JSON.stringify(name)} in ${repository}${remote === null ? '' : `, nor on its remote ${remote}`}`,
    { hint: '--branch names a branch that a commit was made for; without it that is the default one.' },
  );
}

/** The remote says which it is; without one it is main or master. A mirror has its HEAD. */
async function defaultBranch(repository: string, ctx: Pick<Context, 'signal'>): Promise<Branch | null> {
  const remote = await gitSays(repository, ['symbolic-ref', '--quiet', 'refs/remotes/origin/HEAD'], ctx);
  if (!remote && (await exists(repository, 'refs/remotes/origin/HEAD', ctx)))
    return { name: 'HEAD', refs: ['refs/remotes/origin/HEAD'] };
  const names = remote ? [remote.replace('refs/remotes/origin/', '')] : ['main', 'master'];
  for (const name of names) {
    const refs = await refsOf(repository, name, ctx);
    if (refs.length > 0) return { name, refs };
  }
  return null;
}
