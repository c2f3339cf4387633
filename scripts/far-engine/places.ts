/** Where the parts of a run lie on the engine's host. Pure. */
import { basename, join, relative, resolve } from 'node:path';
import type { GivenFlags } from '../config/flags.ts';

/** What is read of the benchmark. */
export interface Origin {
  /** The checkout of Mayfly. */
  root: string;
  /** The folder of the benchmark. */
  dir: string;
  /** The root of the git repository that the folder lies in; null where it lies in none. */
  top: string | null;
  /** Repositories to build from, as benchmark.yaml names them; no URLs. */
  repositories: readonly string[];
}

/** A git repository of this host, and the folder in the volume that its copy lies in. */
export interface Copy {
  from: string;
  to: string;
}

export interface Places {
  /** Absolute paths on the engine's host, which are those in the harness's container, too. */
  root: string;
  dir: string;
  home: string;
  temporary: string;
  /** Folders with work trees: the checkout, and that of the benchmark where it is another. */
  trees: Copy[];
  /** Git repositories, each once. */
  repositories: Copy[];
  /** In the harness's container, a folder of the engine's host at the path that benchmark.yaml names. */
  mounts: { source: string; target: string }[];
}

export const CHECKOUT = 'checkout';
const BENCHMARK = 'benchmark';

/** Whether a path is a folder, or lies in it. */
const isIn = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);

/** `volume`: folder of the engine's host that the volume is. */
export function placesIn(volume: string, { root, dir, top, repositories }: Origin): Places {
  const own = isIn(dir, root);
  const tree = own ? root : (top ?? dir);
  const to = own ? CHECKOUT : join(BENCHMARK, basename(tree)); // a benchmark may have its name of its folder
  const copies = new Map<string, string>();
  if (own || top !== null) copies.set(tree, to);
  const mounts: Places['mounts'] = [];
  const farRoot = join(volume, CHECKOUT);
  for (const named of repositories) {
    const from = resolve(root, named);
    if (!copies.has(from)) copies.set(from, from === root ? CHECKOUT : `repository-${copies.size}`);
    const source = join(volume, copies.get(from)!);
    const target = resolve(farRoot, named);
    if (source !== target && !mounts.some((one) => one.target === target)) mounts.push({ source, target });
  }
  return {
    root: farRoot,
    dir: join(volume, to, relative(tree, dir)),
    home: join(volume, 'home'),
    temporary: join(volume, 'tmp'),
    trees: [{ from: root, to: CHECKOUT }, ...(own ? [] : [{ from: tree, to }])],
    repositories: [...copies].map(([from, place]) => ({ from, to: place })),
    mounts,
  };
}

/** Flags that are answered on this host: where the benchmark lies, and what becomes of the result. */
const OF_THIS_HOST = ['benchmark', 'objstore', 'json', 'strict', 'markdown', 'junit', 'bmf', 'openmetrics'];

/** What bench is called with there. `values`: the flags as they were given; [] for one without a value. */
export const argumentsThere = (values: GivenFlags['values'], dir: string): string[] => [
  `--benchmark=${dir}`,
  '--json',
  ...Object.entries(values).flatMap(([name, given]) => {
    if (OF_THIS_HOST.includes(name)) return [];
    return given.length === 0 ? [`--${name}`] : given.map((value) => `--${name}=${value}`);
  }),
];
