/** Trees of a side and round -> where the time went, hop by hop. Pure. */
import type { TracesDocument } from '../documents/run.ts';
import type { Tree } from './critical-path.ts';

type Hop = TracesDocument['hops'][number];

interface OfTrace {
  calls: number;
  self: number;
  path: number;
}

/** What each hop has of one trace, in microseconds. */
export function hopsOf({ nodes }: Pick<Tree, 'nodes'>): Map<string, OfTrace> {
  const hops = new Map<string, OfTrace>();
  for (const { hop, parent, self, path } of nodes) {
    const own = hops.get(hop) ?? { calls: 0, self: 0, path: 0 };
    hops.set(hop, own);
    if (parent?.hop !== hop) own.calls++;
    own.self += self;
    own.path += path;
  }
  return hops;
}

/** Hops that a record names: what calls itself something new in each trace would fill it. */
const MOST_HOPS = 100;

/** Takes whole traces one by one. */
export function hopSums() {
  let traces = 0;
  let total = 0;
  const hops = new Map<string, OfTrace & { selfs: number[] }>();
  let refused = 0;
  return {
    add(tree: Tree): void {
      traces++;
      total += tree.total;
      for (const [hop, { calls, self, path }] of hopsOf(tree)) {
        if (!hops.has(hop) && hops.size === MOST_HOPS) {
          refused++;
          continue;
        }
        const own = hops.get(hop) ?? { calls: 0, self: 0, path: 0, selfs: [] };
        hops.set(hop, own);
        own.calls += calls;
        own.self += self;
        own.path += path;
        own.selfs.push(self);
      }
    },
    /** How many times a hop came that is one too many. */
    refused: () => refused,
    /** A trace that a hop has no part in counts as 0 for it. */
    result(): Pick<TracesDocument, 'complete' | 'total_avg' | 'hops'> {
      const mean = (sum: number) => sum / traces;
      return {
        complete: traces,
        total_avg: traces === 0 ? null : mean(total) / 1e6,
        hops: [...hops]
          .map(([hop, { calls, self, path, selfs }]): Hop => {
            const all = Float64Array.from([...selfs, ...new Array<number>(traces - selfs.length).fill(0)]).sort();
            return {
              hop,
              calls: mean(calls),
              self_avg: mean(self) / 1e6,
              self_p95: quantile(all, 0.95) / 1e6,
              path_avg: mean(path) / 1e6,
              share: total === 0 ? 0 : Math.min(1, path / total),
            };
          })
          .sort((a, b) => b.path_avg - a.path_avg || (a.hop < b.hop ? -1 : 1)),
      };
    },
  };
}

/** Linear between the neighbours, as the load generator computes percentiles. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
}
