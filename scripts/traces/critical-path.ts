/**
 * Spans of one trace -> where its time went: the self time of each span, and the critical path, which is walked from the
 * end of the last span backwards. Pure.
 *
 * Sources: Z. Zhang et al., CRISP: Critical Path Analysis of Large-Scale Microservice Architectures, USENIX ATC 2022:
 * from the end of a span back to the child that ended last before it, from the begin of that child on in the same way.
 * Jaeger's page does the same. Both cut a child that outlives its parent. Here that is done of the server's half of a
 * call, which may write its end down after the client has its answer. Any other child that outlives its parent is the
 * point of an asynchronous chain: a trace ends with its last span, and what goes on after a span has ended belongs to
 * what it has begun.
 */
import { hopOf, type Span } from './spans.ts';

/** A span in its tree. Times are microseconds. */
export interface Node {
  span: Span;
  hop: string;
  parent: Node | null;
  children: Node[];
  start: number;
  end: number;
  /** When the last span under it has ended, itself included. */
  reach: number;
  /** Its duration less what its children cover of it. */
  self: number;
  /** What of the critical path is its own. */
  path: number;
  /** The same as pieces, the last one first. */
  pieces: { from: number; to: number }[];
}

/** A trace that is whole. */
export interface Tree {
  root: Node;
  /** Parents before their children. */
  nodes: Node[];
  /** From the begin of the root to the end of the last span, microseconds. */
  total: number;
}

/**
 * A call that begins so soon before the one before it has ended came after it all the same: begin and end of spans are
 * rounded, each in its own way. Microseconds.
 */
const OVERLAP = 50;
/** Spans of a trace that are looked at: a larger one is a mistake of its service, and is told as unfinished. */
export const MOST_SPANS = 2000;

/**
 * The tree of a trace. 'hole': a parent is not there, or there is not exactly one span without one. 'unfinished': a span
 * lacks its begin or its end, or there are more spans than a trace may have.
 */
export function treeOf(spans: readonly Span[]): Tree | 'hole' | 'unfinished' {
  if (spans.length > MOST_SPANS || spans.some(({ start, duration }) => start === null || duration === null))
    return 'unfinished';
  const nodes = distinct(spans).map((span): Node => {
    const [start, end] = [span.start!, span.start! + span.duration!];
    return { span, hop: hopOf(span), parent: null, children: [], start, end, reach: end, self: 0, path: 0, pieces: [] };
  });
  const own = new Map(nodes.filter(({ span }) => !span.shared).map((node) => [node.span.id, node]));
  const server = new Map(nodes.filter(({ span }) => span.shared).map((node) => [node.span.id, node]));
  const roots: Node[] = [];
  for (const node of nodes) {
    const { id, parentId, shared } = node.span;
    // the server's half of a call lies in the client's, and what it does lies in the server's
    const client = shared ? own.get(id) : undefined;
    const parent = client ?? (parentId === null ? undefined : (server.get(parentId) ?? own.get(parentId)));
    if (parent === undefined || parent === node) {
      if (parentId !== null) return 'hole';
      roots.push(node);
      continue;
    }
    node.parent = parent;
    parent.children.push(node);
  }
  const [root] = roots;
  if (!root || roots.length > 1) return 'hole';
  const ordered = [root];
  for (const node of ordered) {
    if (isAnswered(node)) cutToParent(node);
    ordered.push(...node.children);
  }
  if (ordered.length < nodes.length) return 'hole'; // a circle
  for (const node of ordered.toReversed()) {
    for (const { reach } of node.children) node.reach = Math.max(node.reach, reach);
    node.self = selfTime(node);
  }
  walk(root);
  return { root, nodes: ordered, total: root.reach - root.start };
}

/** A span that was sent twice is there once. */
const distinct = (spans: readonly Span[]): Span[] => [
  ...new Map(spans.map((span) => [`${span.id} ${span.shared}`, span])).values(),
];

/** The server's half of a call: its client waits for it and for nothing that comes after. */
const isAnswered = ({ span, parent }: Node): boolean =>
  (span.shared && parent !== null) || (span.kind === 'SERVER' && parent?.span.kind === 'CLIENT');

function cutToParent(node: Node): void {
  const { start, end } = node.parent!;
  node.start = Math.min(Math.max(node.start, start), end);
  node.end = Math.max(node.start, Math.min(node.end, end));
  node.reach = node.end;
}

/** Duration less the union of the children, clipped to it. */
function selfTime({ start, end, children }: Node): number {
  let covered = 0;
  let from = start;
  for (const child of children.toSorted((a, b) => a.start - b.start)) {
    const begin = Math.max(child.start, from);
    const until = Math.min(child.end, end);
    if (until <= begin) continue;
    covered += until - begin;
    from = until;
  }
  return end - start - covered;
}

/** Divides the time from the begin of the root to the end of the last span among the spans. */
function walk(root: Node): void {
  const open: { node: Node; from: number; until: number }[] = [{ node: root, from: root.start, until: root.reach }];
  for (let task = open.pop(); task; task = open.pop()) {
    const { node, from, until } = task;
    const take = (begin: number, end: number) => {
      if (end <= begin) return;
      node.path += end - begin;
      node.pieces.push({ from: begin, to: end });
    };
    for (let cursor = until; cursor > from; ) {
      const last = lastBefore(node, from, cursor);
      if (!last) {
        take(from, cursor);
        break;
      }
      take(last.until, cursor);
      const begin = Math.max(last.child.start, from);
      open.push({ node: last.child, from: begin, until: last.until });
      cursor = begin;
    }
  }
}

/**
 * The child that ended last before the cursor, and when. While the span itself goes on it waits for the child, not for
 * what that has begun; once it has ended, it is what was begun under it that goes on.
 */
function lastBefore(node: Node, from: number, cursor: number): { child: Node; until: number } | null {
  let found: { child: Node; until: number } | null = null;
  for (const child of node.children) {
    const ends =
      cursor > node.end && child.reach > node.end && child.reach <= cursor + OVERLAP ? child.reach : child.end;
    if (ends > cursor + OVERLAP) continue;
    const until = Math.min(ends, cursor);
    if (until <= Math.max(child.start, from)) continue;
    if (!found || until > found.until || (until === found.until && child.start > found.child.start))
      found = { child, until };
  }
  return found;
}
