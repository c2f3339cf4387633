/**
 * Under which name the runs of a benchmark are kept. In benchmarks/ of this checkout it is the folder's. Elsewhere it is
 * the field `name`, or the path of the folder in the repository that it lies in; and it is that of the repository under
 * test: another repository's benchmark of the same name gets a name that tells them apart.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { execute } from '../core/exec.ts';
import type { KnownBenchmark } from '../documents/benchmark.ts';
import { isUrl } from './repository.ts';

/** What is known of the benchmarks that were measured, by name. */
export type Known = (name: string) => KnownBenchmark | undefined;

export interface Identity {
  name: string;
  /** Of a benchmark outside of the checkout: what the store keeps to know it again. */
  elsewhere?: Omit<KnownBenchmark, 'newest'>;
  /** Why it has not the name that one would expect. */
  note?: string;
}

/** What of a benchmark.yaml says which benchmark it is. */
export interface Named {
  name?: string | undefined;
  /** Of the images that are built from git. */
  repositories: string[];
}

interface Surroundings {
  root: string;
  /** Benchmarks of the checkout. */
  own: readonly string[];
  known?: Known | undefined;
}

/** `dir`: the folder of the benchmark, absolute. */
export async function identify(dir: string, { name, repositories }: Named, around: Surroundings): Promise<Identity> {
  const { root, own, known = () => undefined } = around;
  if (dirname(dir) === join(root, 'benchmarks')) return ofCheckout(dir, known);
  const top = topOf(dir);
  const path = top === null ? basename(dir) : relative(top, dir) || basename(dir);
  const repository = await repositoryId(repositories, top ?? dir, root);
  const [base, wanted] = [asName(basename(dir)), name ?? asName(path)];
  const elsewhere = { repository, path: name === undefined ? path : null, folder: dir };
  const mine = (one: KnownBenchmark | undefined) =>
    one?.repository === repository && (name !== undefined || one.path === path || one.folder === dir);
  const names = name === undefined ? [...new Set([wanted, base])] : [wanted];

  const again = names.find((one) => mine(known(one)));
  if (again !== undefined) return { name: again, elsewhere };
  // Before, the last name of the folder was all: such runs go on where their commits are of this repository.
  const before = known(base);
  if (name === undefined && base !== wanted && isUnclaimed(before) && !own.includes(base))
    if ((await holds(before!, repositories, root)) === true) return { name: base, elsewhere };
  const taken = known(wanted);
  const free =
    !own.includes(wanted) && (!taken || (isUnclaimed(taken) && (await holds(taken, repositories, root)) !== false));
  if (free) return { name: wanted, elsewhere };
  const hash = hashOf(`${repository}\n${elsewhere.path}`);
  return {
    name: `${wanted}-${hash}`,
    elsewhere,
    note: `${wanted} is the name of another benchmark, of ${own.includes(wanted) ? 'this checkout' : 'another repository or folder'}: runs of this one are kept as ${wanted}-${hash}; the field name in its benchmark.yaml gives it a name of its own`,
  };
}

function ofCheckout(dir: string, known: Known): Identity {
  const name = asName(basename(dir));
  const other = known(name)?.folder;
  if (other && existsSync(join(other, 'benchmark.yaml')))
    throw new UsageError(`${name} is the name of the benchmark in ${other}, which was measured before`, {
      hint: 'Give that one another: the field name in its benchmark.yaml; or rename the folder of this one.',
    });
  return { name };
}

/** Nobody has said yet of which repository its runs are. */
const isUnclaimed = (one: KnownBenchmark | undefined) => one !== undefined && one.repository === null;

/** Characters of a name; images, labels and addresses take so many. */
const LONGEST = 60;

/** Into image names, labels and addresses goes what all of them take. */
function asName(path: string): string {
  if (path.length <= LONGEST && /^[a-z0-9]+([._-][a-z0-9]+)*$/.test(path)) return path;
  const plain =
    path
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'benchmark';
  return plain.length <= LONGEST ? plain : `${plain.slice(9 - LONGEST).replace(/^-/, '')}-${hashOf(path)}`;
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** The root of the repository that a folder lies in. */
export function topOf(dir: string): string | null {
  if (existsSync(join(dir, '.git'))) return dir;
  return dirname(dir) === dir ? null : topOf(dirname(dir));
}

/**
 * Which repository is under test, wherever its clone lies: the address of its remote, or its first commit where it has
 * none. Of a benchmark that builds nothing from git: the one that its folder is in.
 */
async function repositoryId(repositories: readonly string[], otherwise: string, root: string): Promise<string> {
  const all =
    repositories.length > 0 ? repositories.map((one) => (isUrl(one) ? one : resolve(root, one))) : [otherwise];
  const ids = await Promise.all(all.map(async (one) => (isUrl(one) ? address(one) : await folderId(one))));
  return [...new Set(ids)].sort().join(' ');
}

async function folderId(folder: string): Promise<string> {
  const remote = await git(folder, ['config', '--get', 'remote.origin.url']);
  if (remote && isUrl(remote)) return address(remote);
  return (await git(folder, ['rev-list', '--first-parent', '--max-parents=0', 'HEAD']))?.split('\n')[0] ?? folder;
}

/** One text for all ways of writing an address, without a user: git@host:a/b.git and https://host/a/b are the same. */
const address = (url: string): string =>
  url
    .replace(/^[a-z+]+:\/\//i, '')
    .replace(/^[^/@]*@/, '')
    .replace(/^([^/:]+):(?!\d+\/)\/?/, '$1/')
    .replace(/\.git\/?$|\/$/, '')
    .toLowerCase();

/** Whether runs of before are of this repository; undefined where nobody can tell. */
async function holds(
  { newest }: KnownBenchmark,
  repositories: readonly string[],
  root: string,
): Promise<boolean | undefined> {
  const folders = repositories.filter((one) => !isUrl(one)).map((one) => resolve(root, one));
  if (newest === null || folders.length === 0) return undefined;
  const found = await Promise.all(folders.map((folder) => git(folder, ['cat-file', '-t', newest])));
  return found.some((kind) => kind !== null);
}

/** What git prints; null where it fails. */
async function git(folder: string, args: string[]): Promise<string | null> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^GIT_(DIR|WORK_TREE|INDEX_FILE)$/.test(name)),
  );
  const { exitCode, stdout } = await execute(['git', '-C', folder, ...args], { env });
  return exitCode === 0 ? stdout.trim() : null;
}
