/**
 * Stacks of sampled calls as one tree, whatever profiler has sampled them: merging, pruning, and the form that the
 * store keeps. The tree lies in flat lists, a parent before its children: nothing here goes down the tree by calling
 * itself, so no profile is too deep. Pure.
 */
import { gunzipSync, gzipSync } from 'node:zlib';

/** A function: its name, the file or module that it is from, and the line where it begins (0: not known). */
export interface Frame {
  name: string;
  url: string;
  line: number;
}

/** Which stacks there are. Node i is one function called along one way. */
export interface Stacks {
  frames: Frame[];
  /** By node: the node that calls it; -1: nobody does. */
  parents: number[];
  /** By node: its place in `frames`. */
  frameOf: number[];
}

/** How many samples were of what. */
export interface Counts {
  /** By node: samples that were in it, and in nothing that it calls. */
  self: number[];
  /** Samples that were in no function: nothing to do, in the engine or the kernel, collecting garbage. */
  apart: { idle: number; program: number; gc: number };
}

/** What one profile says, or several together. */
export interface StackTree extends Stacks, Counts {
  /** Seconds that were profiled, over all profiles. */
  seconds: number;
  /** Profiles that are in it. */
  profiles: number;
}

/** A profile that cannot be read. The message ends a sentence: "the profile ... <message>". */
export class ProfileFault extends Error {}

/** Deeper calls count as their caller at this depth. V8 and perf look at half as many. */
const MOST_DEEP = 512;
const MOST_NODES = 200_000;
/** Longer names and paths are cut. */
const MOST_NAME = 200;
const MOST_URL = 300;
/** A function without a name. */
export const ANONYMOUS = '(anonymous)';
/** What was pruned of the calls of a function. */
export const PRUNED = '(pruned)';

/** A tree in the making. */
export interface TreeBuilder {
  /** The node of this function, called by that node (-1: by nobody). ProfileFault where there are too many. */
  child(parent: number, frame: Frame): number;
  /** Counts samples in a node; not below 0. */
  add(node: number, samples: number): void;
  tree(counts: { apart: Counts['apart']; seconds: number; profiles?: number }): StackTree;
}

/** For whatever reads profiles: stacks go in one call after the other, from the outermost one on. */
export function treeBuilder(): TreeBuilder {
  const frames: Frame[] = [];
  const known = new Map<string, number>();
  const parents: number[] = [];
  const frameOf: number[] = [];
  const self: number[] = [];
  const depths: number[] = [];
  /** By calling node and frame. */
  const children = new Map<number, number>();
  const frameIndex = (given: Frame) => {
    const line = Number.isSafeInteger(given.line) && given.line > 0 ? given.line : 0;
    const frame = {
      name: given.name.slice(0, MOST_NAME) || ANONYMOUS,
      url: given.url.slice(0, MOST_URL),
      line,
    };
    const key = `${frame.name}\n${frame.url}\n${line}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    known.set(key, frames.length);
    return frames.push(frame) - 1;
  };
  return {
    child(parent, frame) {
      if (parent >= 0 && depths[parent]! >= MOST_DEEP) return parent;
      const index = frameIndex(frame);
      const key = (parent + 1) * (MOST_NODES + 1) + index;
      const found = children.get(key);
      if (found !== undefined) return found;
      if (parents.length >= MOST_NODES) throw new ProfileFault(`has more than ${MOST_NODES} different stacks`);
      const node = parents.push(parent) - 1;
      frameOf.push(index);
      self.push(0);
      depths.push(parent < 0 ? 1 : depths[parent]! + 1);
      children.set(key, node);
      return node;
    },
    add: (node, samples) => void (self[node]! += samples),
    tree: ({ apart, seconds, profiles = 1 }) => ({ frames, parents, frameOf, self, apart, seconds, profiles }),
  };
}

/** By node: samples in it and in all that it calls. */
export function totals({ parents }: Stacks, self: readonly number[]): number[] {
  const total = [...self];
  for (let node = parents.length - 1; node >= 0; node--)
    if (parents[node]! >= 0) total[parents[node]!]! += total[node]!;
  return total;
}

/** Samples at which the CPU was at work: all but the idle ones. */
export const onCpu = ({ self, apart }: Counts): number =>
  self.reduce((sum, samples) => sum + samples, 0) + apart.program + apart.gc;

/** Several as one: of processes, threads, replicas. */
export function mergeTrees(trees: readonly StackTree[]): StackTree {
  const builder = treeBuilder();
  const apart = { idle: 0, program: 0, gc: 0 };
  for (const tree of trees) {
    const places: number[] = [];
    for (const [node, parent] of tree.parents.entries()) {
      places.push(builder.child(parent < 0 ? -1 : places[parent]!, tree.frames[tree.frameOf[node]!]!));
      builder.add(places[node]!, tree.self[node]!);
    }
    for (const key of ['idle', 'program', 'gc'] as const) apart[key] += tree.apart[key];
  }
  const sum = (of: 'seconds' | 'profiles') => trees.reduce((total, tree) => total + tree[of], 0);
  return builder.tree({ apart, seconds: sum('seconds'), profiles: sum('profiles') });
}

/**
 * The `most` nodes with the most samples in them and in what they call. What the others had is kept as calls of
 * `(pruned)`, so that no sum changes: at most twice as many nodes come of it.
 */
export function pruneTree(tree: StackTree, most: number): StackTree {
  if (tree.parents.length <= most) return tree;
  const total = totals(tree, tree.self);
  // a parent has no fewer than its children and comes before them: it is kept where one of them is
  const order = [...total.keys()].sort((a, b) => total[b]! - total[a]! || a - b);
  const kept = new Set(order.slice(0, most));
  const builder = treeBuilder();
  const places: number[] = [];
  const pruned = (parent: number) => builder.child(parent, { name: PRUNED, url: '', line: 0 });
  for (const [node, parent] of tree.parents.entries()) {
    const place = parent < 0 ? -1 : places[parent]!;
    if (kept.has(node)) {
      places.push(builder.child(place, tree.frames[tree.frameOf[node]!]!));
      builder.add(places[node]!, tree.self[node]!);
    } else {
      places.push(place);
      if (tree.self[node]! > 0) builder.add(pruned(place), tree.self[node]!);
    }
  }
  return builder.tree({ apart: tree.apart, seconds: tree.seconds, profiles: tree.profiles });
}

const FORMAT = 1;
/** No tree of ours is larger, whatever it unpacks to. */
const MOST_UNPACKED = 64 * 2 ** 20;

/** As the store keeps it: gzipped JSON. */
export function packTree({ frames, parents, frameOf, self, apart, seconds, profiles }: StackTree): Buffer {
  const packed = {
    format: FORMAT,
    seconds,
    profiles,
    apart,
    frames: frames.map(({ name, url, line }) => [name, url, line]),
    parents,
    frameOf,
    self,
  };
  return gzipSync(JSON.stringify(packed));
}

/** What packTree() has made. ProfileFault for anything else. */
export function unpackTree(packed: Uint8Array): StackTree {
  try {
    const { format, frames, parents, frameOf, self, apart, seconds, profiles } = JSON.parse(
      gunzipSync(packed, { maxOutputLength: MOST_UNPACKED }).toString(),
    );
    if (format !== FORMAT) throw new ProfileFault(`is of format ${format}; this Mayfly knows ${FORMAT}`);
    const rows = frames as [string, string, number][];
    return {
      frames: rows.map(([name, url, line]) => ({ name, url, line })),
      parents,
      frameOf,
      self,
      apart,
      seconds,
      profiles,
    };
  } catch (error) {
    if (error instanceof ProfileFault) throw error;
    throw new ProfileFault(`cannot be unpacked: ${(error as Error).message}`);
  }
}
