/**
 * Files of profilers -> stacks. A file is what a service under test has written: any of it may be wrong or meant to do
 * harm. Each format has a parser of its own; what none can read is kept as it is, and said.
 */
import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { plainText } from '../core/text.ts';
import { parsePerfScript } from './perf-script.ts';
import { parsePprof } from './pprof.ts';
import { type Frame, ProfileFault, type StackTree, treeBuilder } from './stacks.ts';

/** What a file holds -> the stacks in it. ProfileFault where it cannot be read. */
type ProfileParser = (content: Buffer) => StackTree;

/** By the end of the file's name. */
const PARSERS: Record<string, ProfileParser> = {
  '.cpuprofile': parseCpuProfile,
  '.perf': parsePerfScript,
  '.pprof': parsePprof,
};

/** Of a minute at one sample a millisecond V8 makes some megabytes. */
const MOST_BYTES = 128 * 2 ** 20;
const MOST_NODES = 200_000;

/** Reads a file by the parser of its format. ProfileFault where there is none, or it cannot. */
export async function readProfile(file: string): Promise<StackTree> {
  const parse = PARSERS[extname(file)];
  if (!parse) throw new ProfileFault(`is of no format that is known: ${Object.keys(PARSERS).join(', ')}`);
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw new ProfileFault(`is larger than ${MOST_BYTES / 2 ** 20} MiB`);
  return parse(await readFile(file));
}

/** Nodes that V8 puts beside the functions. */
const APART = { '(idle)': 'idle', '(program)': 'program', '(garbage collector)': 'gc' } as const;

/** A CPU profile of V8, as Node.js and Chrome write it. */
function parseCpuProfile(content: Buffer): StackTree {
  const profile = parseJson(content);
  const { nodes, placeOf, callers, calls } = readNodes(profile.nodes);
  const hits = countHits(profile, nodes, placeOf);
  const builder = treeBuilder();
  const apart = { idle: 0, program: 0, gc: 0 };
  // a list of what is to be visited, instead of a function that calls itself
  const waiting = nodes.flatMap((_, place) => (callers[place] === -1 ? [{ place, parent: -1, depth: 0 }] : []));
  for (let next = 0; next < waiting.length; next++) {
    const { place, parent, depth } = waiting[next]!;
    const frame = frameOf(nodes[place]!.callFrame);
    const isRoot = depth === 0 && frame.name === '(root)';
    const kind = depth === 1 && frame.url === '' ? APART[frame.name as keyof typeof APART] : undefined;
    const node = isRoot || kind !== undefined ? -1 : builder.child(parent, frame);
    if (kind !== undefined) apart[kind] += hits[place]!;
    else if (!isRoot) builder.add(node, hits[place]!);
    for (const called of calls[place]!) waiting.push({ place: called, parent: node, depth: depth + 1 });
  }
  if (waiting.length < nodes.length) throw new ProfileFault('has functions that call each other in a circle');
  const micros = Number(profile.endTime) - Number(profile.startTime);
  return builder.tree({ apart, seconds: Number.isFinite(micros) && micros > 0 ? micros / 1e6 : 0 });
}

type Fields = Record<string, unknown>;

function parseJson(content: Buffer): Fields {
  try {
    const value: unknown = JSON.parse(content.toString());
    if (isFields(value)) return value;
  } catch (error) {
    throw new ProfileFault(`is no JSON: ${plainText((error as Error).message).slice(0, 200)}`);
  }
  throw new ProfileFault('is no JSON object');
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The nodes of a file, by place: whom each calls, and who calls it (-1: nobody). */
interface Nodes {
  nodes: Fields[];
  /** Place by id. */
  placeOf: Map<number, number>;
  calls: number[][];
  callers: number[];
}

function readNodes(given: unknown): Nodes {
  if (!Array.isArray(given) || given.length === 0) throw new ProfileFault('has no nodes');
  if (given.length > MOST_NODES) throw new ProfileFault(`has more than ${MOST_NODES} nodes`);
  const nodes = given.map((node, place) => {
    if (isFields(node) && Number.isSafeInteger(node.id)) return node;
    throw new ProfileFault(`has a node without an id, at place ${place}`);
  });
  const placeOf = new Map(nodes.map(({ id }, place) => [id as number, place]));
  if (placeOf.size < nodes.length) throw new ProfileFault('has two nodes of one id');
  const callers = nodes.map(() => -1);
  const calls = nodes.map(({ id, children = [] }, place) => {
    if (!Array.isArray(children)) throw new ProfileFault(`has a node, ${id}, whose children are no list`);
    return children.map((child: unknown) => {
      const called = placeOf.get(child as number);
      if (called === undefined) throw new ProfileFault(`has a node, ${id}, with a child that is not there`);
      if (callers[called] !== -1 || called === place)
        throw new ProfileFault(`has a node, ${nodes[called]!.id}, that two others call`);
      callers[called] = place;
      return called;
    });
  });
  return { nodes, placeOf, calls, callers };
}

/** Samples by place: from the list of them, or, where there is none, as the nodes count them. */
function countHits({ samples }: Fields, nodes: readonly Fields[], placeOf: Map<number, number>): number[] {
  if (!Array.isArray(samples))
    return nodes.map(({ id, hitCount = 0 }) => {
      if (Number.isSafeInteger(hitCount) && (hitCount as number) >= 0) return hitCount as number;
      throw new ProfileFault(`has a node, ${id}, whose hitCount is no count`);
    });
  const hits = nodes.map(() => 0);
  for (const id of samples) {
    const place = placeOf.get(id);
    if (place === undefined) throw new ProfileFault('has a sample of a node that is not there');
    hits[place]! += 1;
  }
  return hits;
}

/** Lines are counted from 0 in the file, and -1 is none. */
function frameOf(given: unknown): Frame {
  const { functionName, url, lineNumber } = isFields(given) ? given : {};
  return {
    name: typeof functionName === 'string' ? functionName : '',
    url: typeof url === 'string' ? url : '',
    line: typeof lineNumber === 'number' ? lineNumber + 1 : 0,
  };
}
