/** What a commit is compared with where nobody says it: the commit at which it left the default branch. */
import type { Context } from '../app/context.ts';
import { type Commit, describeCommit } from './commit.ts';
import { gitSays } from './git.ts';

/**
 * The default branch of a repository, as far as this host knows: its names for git (of the remote, and the local one),
 * and its own.
 */
interface DefaultBranch {
  name: string;
  refs: string[];
}

/**
 * The commit at which `candidate` left the default branch; `onBranch`: it is part of it itself, in what this host or
 * the remote has. Null where there is no default branch, or nothing in common with it. For an uncommitted state HEAD
 * counts.
 */
export async function mergeBase(
  candidate: Commit,
  ctx: Pick<Context, 'signal'>,
): Promise<{ branch: string; onBranch: boolean; base: Commit } | null> {
  const { repository } = candidate;
  const branch = await defaultBranch(repository, ctx);
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

/** Whether the history of a clone was cut off (git clone --depth). */
export const isShallow = async (repository: string, ctx: Pick<Context, 'signal'>): Promise<boolean> =>
  (await gitSays(repository, ['rev-parse', '--is-shallow-repository'], ctx)) === 'true';

/** Whether there is a commit at all: a new repository has only a work tree. */
export const hasCommits = async ({ repository }: Commit, ctx: Pick<Context, 'signal'>): Promise<boolean> =>
  (await gitSays(repository, ['rev-parse', '--verify', '--quiet', 'HEAD'], ctx)) !== null;

/** The remote says which it is; without one it is main or master. A mirror has its HEAD. */
async function defaultBranch(repository: string, ctx: Pick<Context, 'signal'>): Promise<DefaultBranch | null> {
  const exists = async (ref: string) =>
    (await gitSays(repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`], ctx)) !==
    null;
  const remote = await gitSays(repository, ['symbolic-ref', '--quiet', 'refs/remotes/origin/HEAD'], ctx);
  if (!remote && (await exists('refs/remotes/origin/HEAD')))
    return { name: 'HEAD', refs: ['refs/remotes/origin/HEAD'] };
  const names = remote ? [remote.replace('refs/remotes/origin/', '')] : ['main', 'master'];
  for (const name of names) {
    const refs = [];
    for (const ref of [`refs/remotes/origin/${name}`, `refs/heads/${name}`]) if (await exists(ref)) refs.push(ref);
    if (refs.length > 0) return { name, refs };
  }
  return null;
}
