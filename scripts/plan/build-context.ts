/**
 * What a build sees: the files of the commit in the folder of the context, as a checkout of it holds them, less what
 * .dockerignore names. Submodules are those of their gitlinks, files of Git LFS their content, where this host has them.
 */
import { createHash } from 'node:crypto';
import { copyFile, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import dockerignore from '@balena/dockerignore';
import type { BuildRecipe } from '../config/types.ts';
import { InfrastructureError, UsageError } from '../core/errors.ts';
import { plural } from '../core/text.ts';
import { shortCommit } from '../engine/names.ts';
import type { Commit } from './commit.ts';
import { complaint, git, gitSays, type Surroundings } from './git.ts';

type Ctx = Pick<Surroundings, 'signal'>;
type GitRecipe = Extract<BuildRecipe, { kind: 'git' }>;

/** A tree of a repository, and where in the context it lies: '' for the context's own. */
interface Part {
  repository: string;
  treeish: string;
  /** The commit, or the tree, that it belongs to. */
  commit: string;
  at: string;
}

/** A file of Git LFS: what stands in its place in the commit names its content. */
interface LargeFile {
  path: string;
  /** SHA-256 of the content. */
  oid: string;
  /** Absolute path of the content on this host. */
  content: string;
}

export interface BuildContext {
  /** Hash of all that docker build would be sent: equal contexts are one build. */
  hash: string;
  parts: Part[];
  largeFiles: LargeFile[];
}

/** Deeper a submodule in a submodule is not followed. */
const DEEPEST = 10;
/** Source: github.com/git-lfs/git-lfs, docs/spec.md. A pointer has less than 1024 bytes. */
const POINTER = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:.*\n)*?oid sha256:(?<oid>[0-9a-f]{64})\n/;
const POINTER_BYTES = 1024;
const LFS_VERSION = 'version https://git-lfs.github.com/spec/v1';
/** A checkout fetches nothing: what LFS holds is put in its place afterwards. */
const NO_LFS = ['filter.lfs.smudge=', 'filter.lfs.process=', 'filter.lfs.required=false'].flatMap((one) => ['-c', one]);

const trimmed = (context: string) => context.replace(/^\.\//, '').replace(/\/$/, '');
/** A tree, for git: the commit's, or that of a folder in it. */
const treeAt = (treeish: string, folder: string) => (folder === '.' ? treeish : `${treeish}:${folder}`);

/**
 * Lists what a build of this commit sees. Throws a UsageError where there is no such folder, and where a submodule or a
 * file of Git LFS is not on this host: then neither the commit nor the build is at fault.
 */
export async function readContext(recipe: GitRecipe, source: Commit, ctx: Ctx): Promise<BuildContext> {
  const folder = trimmed(recipe.context);
  const where = `${recipe.context === '.' ? 'the repository' : `the build context ${recipe.context}`} at ${shortCommit(source.commit)}`;
  const root: Part = {
    repository: source.repository,
    treeish: treeAt(source.treeish, folder),
    commit: source.treeish,
    at: '',
  };
  const parts: Part[] = [];
  const listed: Listed[] = [];
  const open = [{ part: root, folder, depth: 0 }];
  for (const { part, folder, depth } of open) {
    parts.push(part);
    const entries = await listTree(part, where, ctx);
    listed.push(...entries.map((entry) => ({ ...entry, path: part.at + entry.path })));
    const links = entries.filter(({ mode }) => mode === '160000');
    if (links.length === 0) continue;
    const names = await submoduleNames(part, ctx);
    for (const { path, hash } of links) {
      const full = folder === '.' ? path : `${folder}/${path}`;
      const repository = depth < DEEPEST ? await submoduleFolder(part.repository, names.get(full), hash, ctx) : null;
      if (!repository) throw noSubmodule(part.at + path, hash, where);
      const sub = { repository, treeish: hash, commit: hash, at: `${part.at}${path}/` };
      open.push({ part: sub, folder: '.', depth: depth + 1 });
    }
  }
  const largeFiles: LargeFile[] = [];
  const missing: string[] = [];
  for (const part of parts) {
    for (const { path, oid } of await pointers(part, ctx)) {
      const content = await storedContent(part.repository, oid, ctx);
      if (content) largeFiles.push({ path: part.at + path, oid, content });
      else missing.push(part.at + path);
    }
  }
  const ignores = await ignored(recipe, listed, root, ctx);
  const needed = missing.filter((path) => !ignores(path));
  if (needed.length > 0) throw noLargeFiles(needed, where);
  const oids = new Map(largeFiles.map(({ path, oid }) => [path, oid]));
  const seen = listed
    .filter(({ mode, path }) => mode !== '160000' && !ignores(path))
    .map(({ mode, hash, path }) => `${mode} ${oids.get(path) ?? hash} ${path}`)
    .sort();
  return { hash: createHash('sha256').update(seen.join('\n')).digest('hex').slice(0, 16), parts, largeFiles };
}

interface Listed {
  mode: string;
  hash: string;
  path: string;
}

async function listTree({ repository, treeish }: Part, where: string, ctx: Ctx): Promise<Listed[]> {
  const done = await git(repository, ['ls-tree', '-r', '-z', '--full-tree', '--end-of-options', treeish], ctx);
  if (done.exitCode !== 0)
    throw new UsageError(`${where} is no folder of the commit: ${complaint(done)}`, {
      hint: 'build/NAME/git/context names a folder of the repository; it must be there at both commits.',
    });
  return done.stdout
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const [mode, , hash] = line.split('\t', 1)[0]!.split(' ');
      return { mode: mode!, hash: hash!, path: line.slice(line.indexOf('\t') + 1) };
    });
}

/** Path of each submodule, from the root of its repository -> its name. */
async function submoduleNames({ repository, commit }: Part, ctx: Ctx): Promise<Map<string, string>> {
  const blob = `${commit}:.gitmodules`;
  const said = await gitSays(
    repository,
    ['config', '--blob', blob, '-z', '--get-regexp', '^submodule\\..*\\.path$'],
    ctx,
  );
  return new Map(
    (said ?? '')
      .split('\0')
      .filter(Boolean)
      .map((line) => {
        const [key, path] = line.split('\n', 2);
        return [path!, key!.slice('submodule.'.length, -'.path'.length)] as const;
      }),
  );
}

/** The git folder of a submodule that was checked out here once, where it has the commit; null where not. */
async function submoduleFolder(
  repository: string,
  name: string | undefined,
  commit: string,
  ctx: Ctx,
): Promise<string | null> {
  if (name === undefined || !/^(?!.*(^|\/)\.\.?(\/|$))[^\p{Cc}]+$/u.test(name)) return null; // a path out of its folder
  const said = await gitSays(repository, ['rev-parse', '--git-path', `modules/${name}`], ctx);
  if (said === null) return null;
  const folder = join(said.startsWith('/') ? '/' : repository, said);
  if (!(await stat(folder).catch(() => null))?.isDirectory()) return null;
  return (await gitSays(folder, ['cat-file', '-e', `${commit}^{commit}`], ctx)) === null ? null : folder;
}

function noSubmodule(path: string, hash: string, where: string): UsageError {
  return new UsageError(`the submodule ${path} of ${where} is not on this host at ${shortCommit(hash)}`, {
    hint: 'Run `git submodule update --init --recursive` in the repository at that commit; Mayfly fetches no submodules itself, and a repository by URL has none.',
  });
}

function noLargeFiles(paths: string[], where: string): UsageError {
  return new UsageError(
    `${paths[0]}${paths.length > 1 ? ` and ${plural(paths.length - 1, 'more file')}` : ''} of ${where} ${paths.length > 1 ? 'are' : 'is'} in Git LFS, and the content is not on this host`,
    {
      hint: 'Run `git lfs fetch --all` in the repository; Mayfly fetches nothing from LFS itself, and a repository by URL has none of it. What the build does not need, .dockerignore can name.',
    },
  );
}

/** The pointers of a tree whose attributes name Git LFS. */
async function pointers({ repository, treeish, commit }: Part, ctx: Ctx): Promise<{ path: string; oid: string }[]> {
  const list = (text: string, ...where: string[]) =>
    gitSays(repository, ['grep', '-z', '-l', '-F', '-e', text, ...where], ctx);
  if ((await list('filter=lfs', commit, '--', ':(top,glob)**/.gitattributes')) === null) return [];
  const found = (await list(LFS_VERSION, treeish)) ?? '';
  const read = found
    .split('\0')
    .filter(Boolean)
    .map(async (name) => {
      const path = name.slice(treeish.length + 1);
      const blob = treeish.includes(':') ? `${treeish}/${path}` : `${treeish}:${path}`;
      const size = Number(await gitSays(repository, ['cat-file', '-s', blob], ctx));
      const oid =
        size < POINTER_BYTES ? POINTER.exec((await git(repository, ['cat-file', 'blob', blob], ctx)).stdout) : null;
      return oid ? { path, oid: oid.groups!.oid! } : null;
    });
  return (await Promise.all(read)).filter((one) => one !== null);
}

async function storedContent(repository: string, oid: string, ctx: Ctx): Promise<string | null> {
  const common = await gitSays(repository, ['rev-parse', '--git-common-dir'], ctx);
  if (common === null) return null;
  const folder = join(common.startsWith('/') ? '/' : repository, common);
  const file = join(folder, 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4), oid);
  return (await stat(file).catch(() => null))?.isFile() ? file : null;
}

/**
 * Whether docker build would leave a file out. It sends the Dockerfile and the list in any case. BuildKit prefers a list
 * of the Dockerfile's own (docs.docker.com/build/concepts/context).
 */
async function ignored(
  { dockerfile, builder }: GitRecipe,
  listed: Listed[],
  root: Part,
  ctx: Ctx,
): Promise<(path: string) => boolean> {
  const own = `${trimmed(dockerfile)}.dockerignore`;
  const plain = (name: string) => listed.find(({ path, mode }) => path === name && mode.startsWith('100'));
  const file = (builder === 'buildkit' ? plain(own) : undefined) ?? plain('.dockerignore');
  if (!file) return () => false;
  const text = (await git(root.repository, ['cat-file', 'blob', file.hash], ctx)).stdout;
  // Its types say that it is a module of ES, which it is not.
  const rules = (dockerignore as unknown as typeof dockerignore.default)({ ignorecase: false }).add(text);
  const always = new Set([trimmed(dockerfile), file.path]);
  return (path) => !always.has(path) && rules.ignores(path);
}

/**
 * Writes the files of a context into a folder that is there and empty. Throws InfrastructureError where git cannot.
 */
export async function writeContext({ parts, largeFiles }: BuildContext, folder: string, ctx: Ctx): Promise<void> {
  const index = `${folder}.index`;
  for (const { repository, treeish, at } of parts) {
    const to = join(folder, at);
    await mkdir(to, { recursive: true });
    for (const args of [
      ['read-tree', treeish],
      ['checkout-index', '--all', '--force'],
    ]) {
      const done = await git(repository, [...NO_LFS, `--work-tree=${to}`, ...args], ctx, {
        env: { GIT_INDEX_FILE: index },
      });
      if (done.exitCode !== 0)
        throw new InfrastructureError(`git could not write the files of the build: ${complaint(done)}`, {
          hint: 'Is there space on the disk, and is the repository whole (git fsck)?',
        });
    }
    await rm(index, { force: true });
  }
  for (const { path, content } of largeFiles) {
    const file = join(folder, path);
    if ((await lstat(file).catch(() => null))?.isFile()) await copyFile(content, file);
  }
}
