/** Turns what the user wrote into a commit (git) or a version (anything else). */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isUrl } from '../config/repository.ts';
import { InfrastructureError, UsageError } from '../core/errors.ts';
import type { Ended } from '../core/exec.ts';
import { inStep } from '../core/step.ts';
import { isFullHash } from '../engine/names.ts';
import { complaint, FETCH_MINUTES, fetchRefs, git, gitSays, type Surroundings } from './git.ts';

/** A commit that can be built: where its objects are and which tree to take. */
export interface Commit {
  /** Full hash of the commit; `worktree-` and the hash of its tree for an uncommitted state. */
  commit: string;
  subject?: string;
  /** Git directory or work tree to run git in. */
  repository: string;
  /** Hash of the commit, or of a tree. */
  treeish: string;
}

const WORKTREE = 'worktree';
/** Two fetches into one mirror get in each other's way for milliseconds. */
const FETCH_ATTEMPTS = 12;
const FETCH_PAUSE_MS = 250;

/**
 * Finds the commit in the repository; the repository is a folder from the root of this checkout, or a URL.
 * Throws a UsageError where there is no such commit or repository, an InfrastructureError where git fails.
 */
export async function findCommit(repository: string, ref: string, ctx: Surroundings): Promise<Commit> {
  const remote = isUrl(repository);
  if (remote && ref === WORKTREE) {
    throw new UsageError(
      `--commit=worktree needs a repository on this host, but the benchmark builds from ${repository}`,
      { hint: 'Name a commit, a branch or a tag.' },
    );
  }
  const folder = remote ? await mirror(repository, ctx) : resolve(ctx.paths.root, repository);
  if (!remote) await mustBeRepository(folder, ctx);
  if (ref === WORKTREE) return worktree(folder, ctx);
  const tree = /^worktree-([0-9a-f]{40,64})$/.exec(ref)?.[1];
  if (tree) return storedWorktree(folder, tree, ctx);
  const commit =
    (await revParse(folder, ref, ctx)) ??
    (isFullHash(ref) ? await fetchHash(folder, ref, remote ? repository : 'origin', ctx) : null);
  if (!commit) {
    const where = isFullHash(ref) ? await lookedFor(folder, remote, ctx) : '';
    throw new UsageError(
      `commit ${JSON.stringify(ref)} is not in the repository ${remote ? repository : folder}${where}`,
      {
        hint: `Name a full or short hash, a branch, a tag${remote ? ' or HEAD.' : ', HEAD or worktree; `git fetch` brings what others have pushed.'}`,
        ...(isFullHash(ref) ? { missing: ref } : {}),
      },
    );
  }
  return describeCommit(folder, commit, ctx);
}

/** Where a hash was looked for, in words. */
async function lookedFor(folder: string, remote: boolean, ctx: Surroundings): Promise<string> {
  if (remote) return ': it is in none of its branches and tags, and the remote has nothing of this hash';
  const origin = await gitSays(folder, ['remote', 'get-url', '--', 'origin'], ctx);
  return origin === null
    ? ': it is not among its objects, and there is no remote `origin` to fetch it from'
    : ': it is not among its objects, and its remote `origin` has nothing of this hash';
}

/** A commit that is known to be there, by its full hash. */
export async function describeCommit(
  folder: string,
  commit: string,
  ctx: Pick<Surroundings, 'signal'>,
): Promise<Commit> {
  const subject = (await git(folder, ['log', '-1', '--format=%s', '--end-of-options', commit], ctx)).stdout.trim();
  return { commit, subject, repository: folder, treeish: commit };
}

/**
 * The version of a commit as `git describe --tags` says it: the nearest tag, the commits since and the hash; the hash
 * alone where there is no tag. An uncommitted state is its HEAD with `-dirty`.
 */
export async function describeVersion(
  { repository, commit }: Commit,
  ctx: Pick<Surroundings, 'signal'>,
): Promise<string> {
  const dirty = commit.startsWith('worktree-');
  const at = dirty ? 'HEAD' : commit;
  const said = await git(repository, ['describe', '--tags', '--always', '--abbrev=12', '--end-of-options', at], ctx);
  return `${said.exitCode === 0 ? said.stdout.trim() : commit}${dirty ? '-dirty' : ''}`;
}

/**
 * An uncommitted state that was measured before: its tree is still among the objects, until git collects its garbage.
 */
async function storedWorktree(folder: string, tree: string, ctx: Surroundings): Promise<Commit> {
  const found = await git(folder, ['cat-file', '-e', `${tree}^{tree}`], ctx);
  if (found.exitCode !== 0)
    throw new UsageError(`the uncommitted state ${tree.slice(0, 12)} is gone from the repository ${folder}`, {
      hint: 'Measure it anew with --commit=worktree, or commit it first next time.',
    });
  return { commit: `worktree-${tree}`, subject: 'uncommitted state', repository: folder, treeish: tree };
}

async function mustBeRepository(folder: string, ctx: Surroundings): Promise<void> {
  const hint =
    'build/.../git/repository in benchmark.yaml must name a git repository, counted from the root of the checkout.';
  if (!(await stat(folder).catch(() => null))?.isDirectory())
    throw new UsageError(`the repository ${folder} is not a folder`, { hint });
  const inside = await git(folder, ['rev-parse', '--git-dir'], ctx);
  if (inside.exitCode !== 0)
    throw new UsageError(`git finds no repository in ${folder}: ${complaint(inside)}`, { hint });
}

/** Full hash of a hash, branch, tag or HEAD; a branch that only the remote has is found too. */
async function revParse(folder: string, ref: string, ctx: Surroundings): Promise<string | null> {
  for (const name of [ref, `refs/remotes/origin/${ref}`]) {
    const found = await git(folder, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`], ctx);
    if (found.exitCode === 0) return found.stdout.trim();
  }
  return null;
}

/**
 * A commit that no branch here holds, such as the head of a pull request, from the remote that has it: also from a
 * checkout's origin, whose remote branches are brought up to date then, since the merge-base is counted from them.
 * Only objects and remote branches change. Null where there is no such remote, or it has no such commit.
 */
async function fetchHash(folder: string, hash: string, from: string, ctx: Surroundings): Promise<string | null> {
  if (from === 'origin' && (await git(folder, ['remote', 'get-url', '--', 'origin'], ctx)).exitCode !== 0) return null;
  const fetch = (ref: string) => fetchRefs(folder, from, [ref], ctx);
  return inStep(ctx.progress, `fetch ${hash.slice(0, 12)}`, async () => {
    const branches = from === 'origin' ? await fetch('+refs/heads/*:refs/remotes/origin/*') : null;
    const there = (await git(folder, ['cat-file', '-e', `${hash}^{commit}`], ctx)).exitCode === 0;
    const own = there ? null : await fetch(hash);
    const failed = [branches, own].find((done) => done && done.exitCode !== 0 && !UNKNOWN_COMMIT.test(done.stderr));
    if (failed && !there) throw fetchError(failed, folder, from === 'origin' ? `origin of ${folder}` : from, false);
    return revParse(folder, hash, ctx);
  });
}

/** What a remote says that has no such commit. */
const UNKNOWN_COMMIT = /not our ref|couldn't find remote ref|no such remote ref|unadvertised object/i;

/**
 * The uncommitted state, new files included, as a tree object: a second index is filled, the user's own is not touched.
 */
async function worktree(folder: string, ctx: Surroundings): Promise<Commit> {
  const scratch = await mkdtemp(join(tmpdir(), 'mayfly-index-'));
  const step = async (...args: string[]) => {
    const done = await git(folder, args, ctx, { env: { GIT_INDEX_FILE: join(scratch, 'index') } });
    if (done.exitCode !== 0)
      throw new InfrastructureError(`git could not read the work tree of ${folder}: ${complaint(done)}`, {
        hint: 'Does `git status` work there? Otherwise name a commit.',
      });
    return done.stdout.trim();
  };
  try {
    await copyIndex(folder, join(scratch, 'index'), ctx);
    await step('add', '--all');
    const tree = await step('write-tree');
    return { commit: `worktree-${tree}`, subject: 'uncommitted state', repository: folder, treeish: tree };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Begins with what the user's index holds: it alone knows of tracked files that .gitignore names. A new repository has
 * none.
 */
async function copyIndex(folder: string, to: string, ctx: Surroundings): Promise<void> {
  const from = resolve(folder, (await git(folder, ['rev-parse', '--git-path', 'index'], ctx)).stdout.trim());
  const found = await stat(from).catch(() => null);
  if (!found) return;
  await copyFile(from, to);
  // git takes a file for unchanged by its time when that is before the index's: the copy must not be younger.
  await utimes(to, found.atime, Math.floor(found.mtimeMs / 1000));
}

/** A bare copy of a remote repository in the cache, brought up to date; its HEAD is the remote's. */
async function mirror(url: string, ctx: Surroundings): Promise<string> {
  const folder = join(ctx.paths.cache, 'git', createHash('sha256').update(url).digest('hex').slice(0, 16));
  await mkdir(folder, { recursive: true });
  await inStep(ctx.progress, `fetch ${url}`, () => bringUpToDate(folder, url, ctx));
  return folder;
}

/** Another run may fetch into the same mirror: git's own locks keep both right, and who finds one taken tries again. */
async function bringUpToDate(folder: string, url: string, ctx: Surroundings): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const failed = await fetchOnce(folder, url, ctx);
    if (!failed) return;
    const locked = /cannot lock ref|could not lock|\.lock'/i.test(failed.stderr);
    if (!locked || attempt === FETCH_ATTEMPTS) throw fetchError(failed, folder, url, locked);
    await sleep(FETCH_PAUSE_MS * (0.5 + Math.random()), undefined, { signal: ctx.signal }).catch(() =>
      ctx.signal.throwIfAborted(),
    );
  }
}

/** Null when all went well, else the command that failed. */
async function fetchOnce(folder: string, url: string, ctx: Surroundings): Promise<Ended | null> {
  const commands = [
    ['init', '--bare', '--quiet', '--template='], // two that copy a template into one folder at once get in each other's way
    [
      '-c',
      'gc.autoDetach=false',
      'fetch',
      '--quiet',
      '--prune',
      '--no-tags',
      '--no-write-fetch-head',
      '--end-of-options',
      url,
      '+refs/heads/*:refs/heads/*',
      '+refs/tags/*:refs/tags/*',
      '+HEAD:refs/remotes/origin/HEAD',
    ],
    ['update-ref', '--no-deref', 'HEAD', 'refs/remotes/origin/HEAD'],
  ];
  for (const command of commands) {
    const done = await git(folder, command, ctx, { minutes: FETCH_MINUTES });
    if (done.exitCode !== 0) return done;
  }
  return null;
}

function fetchError(failed: Ended, folder: string, url: string, locked: boolean): InfrastructureError {
  const why = failed.signal ? `it was not done after ${FETCH_MINUTES} minutes` : complaint(failed);
  return new InfrastructureError(`git could not fetch ${url}: ${why}`, {
    hint: locked
      ? `If no other git works there, remove ${folder}: it is a cache.`
      : 'Check the address in benchmark.yaml and the access of this host to it.',
  });
}
