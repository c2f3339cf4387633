/** Where the CPU time of a run's services went, by their profiles; of a comparison, what differs between its sides. */
import { UsageError } from '../../../core/errors.ts';
import type { RunDocument, SideName } from '../../../documents/run.ts';
import type { Store } from '../../../store/db.ts';
import {
  changesOf,
  type Difference,
  differenceOf,
  differentialFlameOf,
  type FlameGraph,
  type FlameOptions,
  type FunctionChange,
  flameOf,
  functionsOf,
} from '../../../telemetry/flame.ts';
import { type StackTree, unpackTree } from '../../../telemetry/stacks.ts';
import { perStore, Recent } from './cache.ts';
import { readRun } from './run-data.ts';

/** What is shown: one side, or both over each other. */
export type FlameSide = SideName | 'difference';

/** What is asked for: all may be left out. */
export interface FlameAsked extends Pick<FlameOptions, 'node' | 'find'> {
  service?: string | undefined;
  side?: string | undefined;
}

export interface FlameView {
  run: RunDocument;
  service: string;
  /** All that were profiled. */
  services: string[];
  side: FlameSide;
  /** All that can be shown of the service. */
  sides: FlameSide[];
  node?: number | undefined;
  find?: string | undefined;
  graph: FlameGraph;
  /** Of both sides, what grew most first. */
  changes?: FunctionChange[];
  /** Of one side, what took most first. */
  functions?: ReturnType<typeof functionsOf>;
}

/** Of one service. */
interface Trees {
  sides: Map<SideName, StackTree>;
  difference: Difference | undefined;
  changes: FunctionChange[];
}

const MOST_RUNS = 20;
const keptOf = perStore(() => new Recent<Map<string, Trees>>(MOST_RUNS));

/** Undefined where the run has no profile. UsageError for a run, a service or a side that is not there. */
export function flameView(store: Store, id: string, asked: FlameAsked, least: number): FlameView | undefined {
  const { run, version } = readRun(store, id);
  if (!run.profiles) return undefined;
  const all =
    version === undefined
      ? readTrees(store, run)
      : keptOf(store).of(`${run.run_id} ${version}`, () => readTrees(store, run));
  const services = [...all.keys()];
  const [first] = services;
  if (first === undefined) return undefined;
  const { service = first, node, find } = asked;
  const trees = all.get(service);
  if (!trees)
    throw new UsageError(`there is no profile of a service ${JSON.stringify(service)}: ${services.join(', ')}`);
  const sides: FlameSide[] = [...(trees.difference ? (['difference'] as const) : []), ...trees.sides.keys()];
  const side = sides.find((one) => one === (asked.side ?? sides[0]));
  if (side === undefined)
    throw new UsageError(`there is no profile of ${JSON.stringify(asked.side)}: ${sides.join(', ')}`);
  const options = { node, find, least };
  return {
    run,
    service,
    services,
    side,
    sides,
    node,
    find,
    ...(side === 'difference'
      ? { graph: differentialFlameOf(trees.difference!, options), changes: trees.changes }
      : {
          graph: flameOf(trees.sides.get(side)!, side, options),
          functions: functionsOf(trees.sides.get(side)!),
        }),
  };
}

function readTrees(store: Store, run: RunDocument): Map<string, Trees> {
  const byService = Map.groupBy(store.profileTrees(run.run_id), ({ service }) => service);
  return new Map(
    [...byService].map(([service, stored]) => {
      const sides = new Map(stored.map(({ side, tree }) => [side, unpackTree(tree)]));
      const [candidate, baseline] = [sides.get('candidate'), sides.get('baseline')];
      const difference = candidate && baseline && differenceOf(candidate, baseline);
      return [service, { sides, difference, changes: difference ? changesOf(difference) : [] }];
    }),
  );
}
