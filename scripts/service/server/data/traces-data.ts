/** Kept traces of a run, as far as their files are on this host. */

import { findTraces, keptOf } from '../../../archive/carried-traces.ts';
import { UsageError } from '../../../core/errors.ts';
import type { RunDocument, SideName } from '../../../documents/run.ts';
import { readKept, TracesFault } from '../../../traces/kept.ts';
import { type ListedTrace, listed } from '../../../traces/listed.ts';
import { perStore, Recent } from './cache.ts';
import type { ViewContext } from './data-types.ts';
import { readRun } from './run-data.ts';

/** What is shown of the traces of a run. */
export interface TracesView {
  run: RunDocument;
  /** Of each side the slowest first, then some of the others; the candidate's first. */
  traces: ListedTrace[];
  /** The one that is drawn; undefined where there is none. */
  chosen: ListedTrace | undefined;
  /** Why there are none. */
  none: string | undefined;
}

/** Of each side: so many of the slowest, and so many from the slow to the fast of the others. */
const SLOWEST = 8;
const OTHERS = 4;
const MOST_RUNS = 20;
const readOf = perStore(() => new Recent<Promise<Read>>(MOST_RUNS));

interface Read {
  traces: ListedTrace[];
  none: string | undefined;
}

/** `traceId`: the trace that is drawn. Undefined where the run has no traces. UsageError for one that is not there. */
export async function tracesView(
  ctx: Pick<ViewContext, 'store' | 'paths'>,
  id: string,
  traceId?: string,
): Promise<TracesView | undefined> {
  const { run, version } = readRun(ctx.store, id);
  if (run.rounds.every(({ traces }) => traces === undefined)) return undefined;
  const { traces, none } = await (version === undefined
    ? read(run, ctx)
    : readOf(ctx.store).of(`${run.run_id} ${version}`, () => read(run, ctx)));
  const chosen = traceId === undefined ? traces[0] : traces.find((one) => one.traceId === traceId);
  if (traceId !== undefined && !chosen) throw new UsageError(`there is no trace ${traceId} of run ${run.run_id}`);
  return { run, traces, chosen, none };
}

async function read(run: RunDocument, { store, paths }: Pick<ViewContext, 'store' | 'paths'>): Promise<Read> {
  const wanted = keptOf(run);
  const runOf = (runId: string) => {
    try {
      return runId === run.run_id ? run : store.run(runId);
    } catch (error) {
      if (error instanceof UsageError) return null;
      throw error;
    }
  };
  const { found, elsewhere } = await findTraces(wanted, paths, runOf);
  const files = await Promise.all(
    found.map(async ({ side, round, file }) => ({
      side,
      round,
      traces: await readKept(file).catch((error) => {
        if (error instanceof TracesFault) return [];
        throw error;
      }),
    })),
  );
  const all = listed(files);
  const traces = (['candidate', 'baseline'] as const).flatMap((side) => someOf(all, side));
  const none =
    traces.length > 0
      ? undefined
      : wanted.length === 0
        ? 'No trace was kept.'
        : elsewhere.length > 0
          ? `They are in ${elsewhere[0]!.archive!.bucket}: npm run traces -- ${run.run_id} opens them.`
          : 'Their files are not on this host.';
  return { traces, none };
}

function someOf(all: readonly ListedTrace[], wanted: SideName): ListedTrace[] {
  const own = all.filter(({ side }) => side === wanted);
  const others = own.slice(SLOWEST);
  const step = others.length / OTHERS;
  const some = step <= 1 ? others : Array.from({ length: OTHERS }, (_, i) => others[Math.floor((i + 0.5) * step)]!);
  return [...own.slice(0, SLOWEST), ...some];
}
