/** What a run takes along to the engine's host: Mayfly with its packages, the benchmark, and git repositories. */
import { copyFile, lstat, mkdir, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { holdsSecret, isUrl } from '../config/repository.ts';
import { InfrastructureError } from '../core/errors.ts';
import { isFullHash } from '../engine/names.ts';
import { packFolder } from '../engine/tar.ts';
import { complaint, git, gitSays } from '../plan/git.ts';
import { CHECKOUT, type Copy, type Places } from './places.ts';

type Interruptible = { signal: AbortSignal };

/** Of the checkout, what no run reads. */
const UNREAD = ['test/'];
const PACKAGES = 'node_modules';
/** Of node_modules beside the packages: Node.js under the name that run.sh starts it by, and what npm has installed. */
const BESIDE_PACKAGES = [`${PACKAGES}/.bin/node`, `${PACKAGES}/.package-lock.json`, `${PACKAGES}/.mayfly-stamp`];

/**
 * Tar streams to be unpacked in the volume, each made when its turn comes. `stage`: an empty folder of this host.
 * `hashes`: commits that must be there also where no branch or tag holds them.
 */
export async function* cargo(
  { trees, repositories, home, temporary }: Pick<Places, 'trees' | 'repositories' | 'home' | 'temporary'>,
  { stage, volume, composePlugin, hashes }: { stage: string; volume: string; composePlugin: string; hashes: string[] },
  ctx: Interruptible,
): AsyncGenerator<Readable> {
  const staged = (path: string) => join(stage, relative(volume, path));
  await mkdir(staged(temporary), { recursive: true });
  const plugins = join(staged(home), '.docker', 'cli-plugins');
  await mkdir(plugins, { recursive: true });
  await copyFile(await realpath(composePlugin), join(plugins, 'docker-compose'));
  for (const one of repositories) await copyRepository(one, join(stage, one.to), hashes, ctx);
  yield packFolder(stage, await readdir(stage), { to: '.' });
  for (const { from, to } of trees) {
    const paths = await filesOf(from, ctx);
    yield packFolder(
      from,
      to === CHECKOUT ? paths.filter((path) => !UNREAD.some((one) => path.startsWith(one))) : paths,
      {
        to,
      },
    );
    if (to === CHECKOUT) {
      const packages = await runtime(from);
      yield packFolder(from, await packagesOf(from, packages), { to, wanted: isOfPackage(packages) });
    }
  }
}

/** Tracked files and new ones, as they lie there; of a folder in no repository all of them. */
async function filesOf(folder: string, ctx: Interruptible): Promise<string[]> {
  const listed = await gitSays(folder, ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], ctx);
  if (listed === null) return ['.'];
  const paths = [...new Set(listed.split('\0').filter(Boolean))];
  const there = await Promise.all(paths.map((path) => isFile(join(folder, path))));
  return paths.filter((_, i) => there[i]);
}

/** A tracked file may be deleted; a submodule is a folder, and is left out. */
const isFile = (path: string): Promise<boolean> =>
  lstat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );

/**
 * A copy of a repository with all of its branches and tags, and none of its settings, which may hold secrets. HEAD and
 * index are those of the work tree.
 */
async function copyRepository({ from }: Copy, to: string, hashes: string[], ctx: Interruptible): Promise<void> {
  const there = join(to, '.git');
  const must = async (folder: string, args: string[]) => {
    const done = await git(folder, args, ctx);
    if (done.exitCode !== 0)
      throw new InfrastructureError(`git could not copy the repository ${from}: ${complaint(done)}`, {
        hint: 'Does `git fsck` find it whole?',
      });
  };
  await mkdir(to, { recursive: true });
  await must(to, ['clone', '--quiet', '--mirror', '--no-local', '--template=', '--', from, there]);
  for (const hash of hashes.filter(isFullHash)) {
    const known = await gitSays(there, ['cat-file', '-e', `${hash}^{commit}`], ctx);
    const ours = await gitSays(from, ['cat-file', '-e', `${hash}^{commit}`], ctx);
    if (known !== null || ours === null) continue;
    const serve = '--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack';
    await must(there, ['fetch', '--quiet', serve, '--', from, `${hash}:refs/mayfly/${hash}`]);
  }
  await must(there, ['config', '--remove-section', 'remote.origin']);
  await must(there, ['config', 'core.bare', 'false']);
  // The address of the remote says which repository it is (config/identity.ts).
  const remote = await gitSays(from, ['config', '--get', 'remote.origin.url'], ctx);
  if (remote && isUrl(remote) && !holdsSecret(remote)) await must(there, ['config', 'remote.origin.url', remote]);
  const index = await gitSays(from, ['rev-parse', '--git-path', 'index'], ctx);
  if (index !== null && (await stat(resolve(from, index)).catch(() => null)))
    await copyFile(resolve(from, index), join(there, 'index'));
}

/** Folders of the packages that a run needs, by package-lock.json. */
async function runtime(root: string): Promise<ReadonlySet<string>> {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  return new Set(
    Object.entries(packages).flatMap(([path, { dev }]) => (path.startsWith(`${PACKAGES}/`) && !dev ? [path] : [])),
  );
}

async function packagesOf(root: string, packages: ReadonlySet<string>): Promise<string[]> {
  const wanted = [...packages, ...BESIDE_PACKAGES];
  const there = await Promise.all(wanted.map((path) => lstat(join(root, path)).catch(() => null)));
  return wanted.filter((_, i) => there[i]);
}

/** Whether a path is of one of these packages, and not of another one that lies in it. */
const isOfPackage = (packages: ReadonlySet<string>) => (path: string) => {
  const [, nested] = /node_modules\/.*?(?=\/node_modules\/)/.test(path)
    ? (/^(?:\.\/)?(.*node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(path) ?? [])
    : [];
  return nested === undefined || packages.has(nested);
};
