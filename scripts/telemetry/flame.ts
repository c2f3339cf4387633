/**
 * Why it is slower: two sets of stacks against each other, the functions that explain most of the difference, and the
 * boxes of a flame graph. Pure.
 */
import {
  ANONYMOUS,
  type Counts,
  type Frame,
  onCpu,
  type Stacks,
  type StackTree,
  totals,
  treeBuilder,
} from './stacks.ts';

/** The stacks of both sides in one tree: the same function called along the same way is one node. */
export interface Difference extends Stacks {
  candidate: Counts;
  baseline: Counts;
}

/** Lays the baseline over the candidate. Frames are those of the candidate, where it has them. */
export function differenceOf(candidate: StackTree, baseline: StackTree): Difference {
  const same = pairFrames(candidate.frames, baseline.frames);
  const builder = treeBuilder();
  const place = (tree: StackTree, frame: (index: number) => Frame) => {
    const places: number[] = [];
    for (const [node, parent] of tree.parents.entries())
      places.push(builder.child(parent < 0 ? -1 : places[parent]!, frame(tree.frameOf[node]!)));
    return places;
  };
  const own = place(candidate, (index) => candidate.frames[index]!);
  const other = place(baseline, (index) => same.get(index) ?? baseline.frames[index]!);
  const stacks = builder.tree({ apart: { idle: 0, program: 0, gc: 0 }, seconds: 0 });
  const counts = (tree: StackTree, places: number[]): Counts => {
    const self = stacks.parents.map(() => 0);
    for (const [node, samples] of tree.self.entries()) self[places[node]!]! += samples;
    return { self, apart: tree.apart };
  };
  const { frames, parents, frameOf } = stacks;
  return { frames, parents, frameOf, candidate: counts(candidate, own), baseline: counts(baseline, other) };
}

/**
 * Which function of the candidate each of the baseline is. A commit moves functions down or up in their file, so the
 * line alone says nothing. Of those with one name in one file: as many on both sides are taken in the order of their
 * lines; otherwise first those of the same line, then the rest in order.
 */
function pairFrames(candidate: readonly Frame[], baseline: readonly Frame[]): Map<number, Frame> {
  const groups = (frames: readonly Frame[]) =>
    Map.groupBy([...frames.keys()], (index) => `${frames[index]!.name}\n${frames[index]!.url}`);
  const ofCandidate = groups(candidate);
  const pairs = new Map<number, Frame>();
  for (const [key, group] of groups(baseline)) {
    const byLine = (frames: readonly Frame[]) => (a: number, b: number) => frames[a]!.line - frames[b]!.line;
    let theirs = group.toSorted(byLine(baseline));
    let ours = (ofCandidate.get(key) ?? []).toSorted(byLine(candidate));
    if (theirs.length !== ours.length) {
      const atLine = new Map(ours.map((index) => [candidate[index]!.line, index]));
      const exact = theirs.map((index) => [index, atLine.get(baseline[index]!.line)] as const);
      for (const [index, one] of exact) if (one !== undefined) pairs.set(index, candidate[one]!);
      const taken = new Set(exact.map(([, one]) => one));
      ours = ours.filter((index) => !taken.has(index));
      theirs = theirs.filter((index) => !pairs.has(index));
    }
    for (const [place, index] of theirs.entries())
      if (ours[place] !== undefined) pairs.set(index, candidate[ours[place]]!);
  }
  return pairs;
}

/** Samples of a function, of all that were on the CPU. */
export interface Seen {
  samples: number;
  of: number;
}

/** A function, with how much of the CPU it took by itself, on each side. */
export interface FunctionChange extends Frame {
  candidate: Seen;
  baseline: Seen;
  /** Share of the candidate less that of the baseline: 0.05 is 5 points more. */
  change: number;
  /** 95 % interval of the change, as far as the numbers of samples tell. */
  low: number;
  high: number;
  /** A change beyond what so many samples make by chance, though so many functions are looked at. */
  sure: boolean;
}

/** What is in no function has a name too. */
const APART_NAMES = { gc: '(garbage collector)', program: '(program)' } as const;
const apartFrame = (kind: keyof typeof APART_NAMES): Frame => ({ name: APART_NAMES[kind], url: '', line: 0 });

/**
 * Whether a function is of the service or of a package: not of Node.js, V8 or the kernel, whose time belongs to the
 * function that has called them.
 */
const isOwn = ({ url }: Frame): boolean => url !== '' && !url.startsWith('node:') && !url.startsWith('[');

/**
 * By node: the place in `frames` of the function whose time it is. A function without a name is part of the one of its
 * file that has called it: V8 builds such callbacks into their callers or does not, from one start to the next.
 */
function owners({ frames, parents, frameOf }: Stacks): number[] {
  const nearest: number[] = [];
  return frameOf.map((frame, node) => {
    const caller = parents[node]! < 0 ? -1 : nearest[parents[node]!]!;
    const isPart = frames[frame]!.name === ANONYMOUS && frames[caller]?.url === frames[frame]!.url;
    nearest.push(isOwn(frames[frame]!) && !isPart ? frame : caller);
    return nearest[node]! < 0 ? frame : nearest[node]!;
  });
}

/** Samples by function, those of what it calls in Node.js and V8 with them. */
function ofFunctions(stacks: Stacks, { self, apart }: Counts): Map<Frame, number> {
  const owner = owners(stacks);
  const found = new Map<Frame, number>();
  for (const [node, samples] of self.entries()) {
    const frame = stacks.frames[owner[node]!]!;
    found.set(frame, (found.get(frame) ?? 0) + samples);
  }
  for (const kind of ['gc', 'program'] as const) found.set(apartFrame(kind), apart[kind]);
  return found;
}

/** The functions of one side, the one that took most first. */
export function functionsOf(tree: StackTree): (Frame & Seen)[] {
  const of = onCpu(tree);
  return [...ofFunctions(tree, tree)]
    .filter(([, samples]) => samples > 0)
    .map(([frame, samples]) => ({ ...frame, samples, of }))
    .sort((a, b) => b.samples - a.samples);
}

/** The functions of both sides: what grew most first, what shrank most last. Empty where a side was never on the CPU. */
export function changesOf(difference: Difference): FunctionChange[] {
  const { candidate, baseline } = difference;
  const [ofCandidate, ofBaseline] = [onCpu(candidate), onCpu(baseline)];
  if (ofCandidate === 0 || ofBaseline === 0) return [];
  const keyed = (counts: Counts) =>
    new Map([...ofFunctions(difference, counts)].map(([frame, samples]) => [keyOf(frame), { frame, samples }]));
  const [ours, theirs] = [keyed(candidate), keyed(baseline)];
  const seen = [...ours].flatMap(([key, { frame, samples }]) => {
    const before = theirs.get(key)!.samples;
    return samples + before > 0 ? [{ frame, samples, before }] : [];
  });
  return seen
    .map(({ frame, samples, before }) => {
      const [now, then] = [
        { samples, of: ofCandidate },
        { samples: before, of: ofBaseline },
      ];
      return { ...frame, candidate: now, baseline: then, ...changeOf(now, then, seen.length) };
    })
    .sort((a, b) => b.change - a.change);
}

const keyOf = ({ name, url, line }: Frame) => `${name}\n${url}\n${line}`;

const LEVEL = 0.95;

/**
 * The difference of two shares with its interval, after A. Agresti and B. Caffo (The American Statistician 54, 2000):
 * one sample with and one without is added to each side. `sure` asks the same of all of `among` functions together
 * (Bonferroni). It takes samples for independent: of a function that runs longer than the time between two samples it
 * is too narrow. What differs between two starts of one build, it does not know.
 */
export function changeOf(
  candidate: Seen,
  baseline: Seen,
  among: number,
): Pick<FunctionChange, 'change' | 'low' | 'high' | 'sure'> {
  const [now, then] = [candidate, baseline].map(({ samples, of }) => ({ share: (samples + 1) / (of + 2), of: of + 2 }));
  const middle = now!.share - then!.share;
  const error = Math.sqrt((now!.share * (1 - now!.share)) / now!.of + (then!.share * (1 - then!.share)) / then!.of);
  const half = normalQuantile(1 - (1 - LEVEL) / 2) * error;
  const wide = normalQuantile(1 - (1 - LEVEL) / 2 / Math.max(1, among)) * error;
  return {
    change: candidate.samples / candidate.of - baseline.samples / baseline.of,
    low: Math.max(-1, middle - half),
    high: Math.min(1, middle + half),
    sure: Math.abs(middle) > wide,
  };
}

/**
 * The value below which a standard normal variable is with this probability, from 0.5 on; off by less than 4.5e-4
 * (Abramowitz, Stegun, Handbook of Mathematical Functions, 26.2.23).
 */
function normalQuantile(probability: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - probability));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

/** A function in the picture. */
export interface Box extends Frame {
  /** Its node; -1 of what is in no function. */
  node: number;
  /** From the outermost one, which is 0. */
  depth: number;
  /** From the left, and how wide: parts of 1. */
  x: number;
  width: number;
  /** Samples in it and in what it calls, by side. Of one side alone: that side's. */
  candidate?: Seen;
  baseline?: Seen;
  /** Change of its share; absent of one side alone. */
  change?: number;
  /** It is what was looked for. */
  found?: true;
}

/** A flame graph: the boxes of the node that it begins at and of what that calls. */
export interface FlameGraph {
  boxes: Box[];
  /** Those that call the node, the outermost one first, and the node itself; empty where all is shown. */
  path: Box[];
  /** What the node itself calls, or what is outermost, the widest first. */
  calls: Box[];
  /** Boxes that are too narrow to be drawn. */
  hidden: number;
  /** What was looked for, over all of the stacks: how much of the picture it and what it calls are. */
  found?: number;
}

export interface FlameOptions {
  /** Begins at this node; absent, or one that is not there: all. */
  node?: number | undefined;
  /** Marks functions with this text in their name or file, whatever its case. */
  find?: string | undefined;
  /** Boxes that are narrower are left out: a part of 1. */
  least: number;
}

/** The picture of one side. */
export const flameOf = (tree: StackTree, side: 'candidate' | 'baseline', options: FlameOptions): FlameGraph =>
  layout(tree, { [side]: tree }, options);

/** The picture of both. A box is as wide as its share is in the middle of both sides: what is gone is seen too. */
export const differentialFlameOf = (difference: Difference, options: FlameOptions): FlameGraph =>
  layout(difference, { candidate: difference.candidate, baseline: difference.baseline }, options);

type Sides = Partial<Record<'candidate' | 'baseline', Counts>>;

function layout(stacks: Stacks, given: Sides, { node: wanted, find = '', least }: FlameOptions): FlameGraph {
  const { parents, frames, frameOf } = stacks;
  const sides = Object.entries(given).map(([side, counts]) => ({
    side: side as keyof Sides,
    counts,
    total: totals(stacks, counts.self),
    of: onCpu(counts),
  }));
  const shareOf = (samples: number, of: number) => (of > 0 ? samples / of : 0);
  const boxOf = (node: number, frame: Frame, samplesOf: (side: (typeof sides)[number]) => number): Box => {
    const seen = sides.map((side) => ({ side: side.side, samples: samplesOf(side), of: side.of }));
    const shares = seen.map(({ samples, of }) => shareOf(samples, of));
    return {
      ...frame,
      node,
      depth: 0,
      x: 0,
      width: shares.reduce((sum, share) => sum + share, 0) / shares.length,
      ...Object.fromEntries(seen.map(({ side, samples, of }) => [side, { samples, of }])),
      ...(shares.length === 2 ? { change: shares[0]! - shares[1]! } : {}),
    };
  };
  const all = parents.map((_, node) => boxOf(node, frames[frameOf[node]!]!, ({ total }) => total[node]!));
  const outside = (['gc', 'program'] as const)
    .map((kind) => boxOf(-1, apartFrame(kind), ({ counts }) => counts.apart[kind]))
    .filter(({ width }) => width > 0);
  const found = find === '' ? undefined : mark([...all, ...outside], parents, find.toLowerCase());
  const children = Map.groupBy([...all.keys()], (node) => parents[node]!);
  const inOrder = (nodes: readonly number[]) =>
    nodes.map((node) => all[node]!).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const begin = wanted === undefined ? undefined : all[wanted];
  const outermost = begin ? [begin] : [...inOrder(children.get(-1) ?? []), ...outside];
  const scale = begin ? 1 / (begin.width || 1) : 1;
  const boxes: Box[] = [];
  let hidden = 0;
  const place = (row: readonly Box[], from: number, depth: number) => {
    let x = from;
    for (const box of row) {
      const width = box.width * scale;
      if (width >= least && width > 0) boxes.push({ ...box, x, width, depth });
      else if (width > 0) hidden++;
      x += width;
    }
  };
  place(outermost, 0, 0);
  for (let next = 0; next < boxes.length; next++) {
    const { node, x, depth } = boxes[next]!;
    if (node >= 0) place(inOrder(children.get(node) ?? []), x, depth + 1);
  }
  const path: Box[] = [];
  for (let node = begin?.node ?? -1; node >= 0; node = parents[node]!) path.unshift(all[node]!);
  const called = begin ? (children.get(begin.node) ?? []).map((node) => all[node]!) : outermost;
  return {
    boxes,
    path,
    calls: called.filter(({ width }) => width > 0).sort((a, b) => b.width - a.width),
    hidden,
    ...(found === undefined ? {} : { found }),
  };
}

/** Marks what is found; gives its width: what is called by another that is found is in it already. */
function mark(boxes: readonly Box[], parents: readonly number[], find: string): number {
  const isIn: boolean[] = [];
  let width = 0;
  for (const [place, box] of boxes.entries()) {
    const isFound = box.name.toLowerCase().includes(find) || box.url.toLowerCase().includes(find);
    const parent = parents[place] ?? -1;
    const isCalled = parent >= 0 && isIn[parent]!;
    if (isFound) box.found = true;
    if (isFound && !isCalled) width += box.width;
    isIn.push(isFound || isCalled);
  }
  return width;
}
