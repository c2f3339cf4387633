/** Kept traces of a run as a list: what each took, and where most of it went. Pure. */
import type { SideName } from '../documents/run.ts';
import { type Tree, treeOf } from './critical-path.ts';
import { hopsOf } from './hops.ts';
import type { Span } from './spans.ts';

/** A trace that is kept. */
export interface ListedTrace {
  side: SideName;
  round: number;
  traceId: string;
  spans: readonly Span[];
  tree: Tree;
  /** The hop that has the most of its critical path, and how much, in seconds. */
  most: { hop: string; seconds: number };
  /** From its begin to the end of its last span, in seconds. */
  seconds: number;
}

/** The whole ones of these, the slowest first. */
export function listed(
  files: readonly { side: SideName; round: number; traces: readonly (readonly Span[])[] }[],
): ListedTrace[] {
  return files
    .flatMap(({ side, round, traces }) =>
      traces.flatMap((spans): ListedTrace[] => {
        const tree = treeOf(spans);
        if (typeof tree === 'string') return [];
        const [hop, { path }] = [...hopsOf(tree)].reduce((most, one) => (one[1].path > most[1].path ? one : most));
        const { traceId } = tree.root.span;
        return [{ side, round, traceId, spans, tree, most: { hop, seconds: path / 1e6 }, seconds: tree.total / 1e6 }];
      }),
    )
    .sort((a, b) => b.seconds - a.seconds || (a.traceId < b.traceId ? -1 : 1));
}
