/** Turns what the user wrote into a commit (git) or a version (anything else). */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { $ } from 'zx/core';
import { InfrastructureError, UsageError } from '../errors.ts';
import type { Context } from '../context.ts';

/** A commit that can be built: where its objects are and which tree to take. */
export interface Commit {
  /** Full hash of the commit; `worktree-` and the hash of its tree for an uncommitted state. */
  commit: string;
  subject?: string;
  /** Git directory or work tree to run git in. */
  repository: string;
  /** Commit or tree hash for git archive. */
  treeish: string;
}

const WORKTREE = 'worktree';

const isUrl = (repository: string) => /^[a-z+]+:\/\//i.test(repository) || /^[^/]+@[^/]+:/.test(repository);

/** Finds the commit in the repository; the repository is a folder from the root of this checkout, or a URL. */
export async function findCommit(repository: string, ref: string, ctx: Context): Promise<Commit> {
  const local = isUrl(repository) ? await mirror(repository, ctx) : resolve(ctx.paths.root, repository);
  if (ref === WORKTREE) {
    if (isUrl(repository)) throw new UsageError(`--commit=worktree needs a repository on this host, but the benchmark builds from ${repository}`, { hint: 'Name a commit, a branch or a tag.' });
    return worktree(local);
  }
  const commit = await revParse(local, ref);
  if (!commit) {
    throw new UsageError(`commit ${JSON.stringify(ref)} is not in ${isUrl(repository) ? repository : isAbsolute(repository) ? repository : `the repository at ${repository}`}`, {
      hint: 'Name a full or short hash, a branch, a tag, HEAD or worktree; `git fetch` brings what others have pushed.',
    });
  }
  const subject = (await git(local)`git log -1 --format=%s --end-of-options ${commit}`).stdout.trim();
  return { commit, subject, repository: local, treeish: commit };
}

const git = (cwd: string, env: NodeJS.ProcessEnv = process.env) => $({ cwd, env: { ...env, GIT_TERMINAL_PROMPT: '0' }, quiet: true, nothrow: true });

/** Full hash of a hash, branch, tag or HEAD; a branch that only the remote has is found too. */
async function revParse(cwd: string, ref: string): Promise<string | null> {
  const inside = await git(cwd)`git rev-parse --git-dir`;
  if (inside.exitCode !== 0) throw new UsageError(`${cwd} is not a git repository: ${inside.stderr.trim().split('\n')[0]}`, { hint: 'Set build/…/git/repository in benchmark.yaml to a repository.' });
  for (const name of [ref, `refs/remotes/origin/${ref}`]) {
    const found = await git(cwd)`git rev-parse --verify --quiet --end-of-options ${`${name}^{commit}`}`;
    if (found.exitCode === 0) return found.stdout.trim();
  }
  return null;
}

/** The uncommitted state, new files included, as a tree object: a second index is filled, the user's own is not touched. */
async function worktree(cwd: string): Promise<Commit> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-index-'));
  try {
    const run = git(cwd, { ...process.env, GIT_INDEX_FILE: join(folder, 'index') });
    for (const step of [await run`git add --all`, await run`git write-tree`]) {
      if (step.exitCode !== 0) throw new InfrastructureError(`git could not read the work tree of ${cwd}: ${step.stderr.trim()}`);
      const tree = step.stdout.trim();
      if (tree) return { commit: `worktree-${tree}`, subject: 'uncommitted state', repository: cwd, treeish: tree };
    }
    throw new InfrastructureError(`git wrote no tree for ${cwd}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A bare copy of a remote repository in the cache, brought up to date. */
async function mirror(url: string, ctx: Context): Promise<string> {
  const folder = join(ctx.paths.cache, 'git', createHash('sha256').update(url).digest('hex').slice(0, 16));
  await mkdir(folder, { recursive: true });
  await git(folder)`git init --bare --quiet`;
  const step = ctx.progress.step(`fetch ${url}`);
  const fetched = await git(folder)`git fetch --quiet --prune --tags --force --end-of-options ${url} +refs/heads/*:refs/heads/* +HEAD:refs/remotes/origin/HEAD`.timeout('10m');
  if (fetched.exitCode !== 0) {
    step.fail();
    throw new InfrastructureError(`git could not fetch ${url}: ${fetched.stderr.trim().split('\n').at(-1)}`, { hint: 'Check the address in benchmark.yaml and the access of this host to it.' });
  }
  step.done();
  return folder;
}
