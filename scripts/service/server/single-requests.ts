/**
 * Every request of a run as a picture: its distribution, its tail, and single requests over the time since the windows
 * began. Read when it is asked for, in a process of its own.
 */
import { stat } from 'node:fs/promises';
import { findRequests } from '../../archive/carried-requests.ts';
import { UsageError } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import { type RequestsPart, type RequestsPicture, requestsReader } from '../../requests/view.ts';
import type { Store } from '../../store/db.ts';
import { perStore, Recent } from './data/cache.ts';
import type { ViewContext } from './data/data-types.ts';
import { notCounted } from './data/metric-values.ts';
import { readRun } from './data/run-data.ts';

export const SHARES = [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1] as const;
const MOST_KEPT = 20;
/** Files of more bytes are not read for a picture: the first rounds of a run are. */
const MOST_READ_BYTES = 60e6;

/** schema mayfly.site-requests/v1 */
export interface RequestsView {
  schema: 'mayfly.site-requests/v1';
  run_id: string;
  /** Rounds that were read: of those that count, or, where none does, of all. */
  rounds: number[];
  /** Their requests that were kept, of so many. */
  requests: number;
  of: number;
  /** Where the files lie. */
  places: string[];
  /** Why some are not here, or all. */
  reasons: string[];
  lines: RequestsPicture['lines'];
  edges: RequestsPicture['edges'];
  shares: RequestsPicture['shares'];
  points: RequestsPicture['points'];
}

/** One run at a time is read; whoever asks for the same meanwhile gets the same. */
const stateOf = perStore(() => ({
  kept: new Recent<RequestsView>(MOST_KEPT),
  going: new Map<string, Promise<RequestsView>>(),
  turn: Promise.resolve() as Promise<unknown>,
}));

/** `id`: a whole run id. UsageError where there is no such run. */
export async function requestsView(ctx: ViewContext, id: string): Promise<RequestsView> {
  const { run, version } = readRun(ctx.store, id);
  if (version === undefined) return none(run.run_id, ['the run is still going on: reading its files would disturb it']);
  const state = stateOf(ctx.store);
  const key = `${run.run_id} ${version}`;
  const known = state.kept.get(key) ?? state.going.get(key);
  if (known) return known;
  const made = state.turn.then(() => read(run, ctx)).finally(() => state.going.delete(key));
  state.going.set(key, made);
  state.turn = made.catch(() => {});
  const view = await made;
  return view.requests > 0 ? state.kept.set(key, view) : view;
}

const none = (run_id: string, reasons: string[]): RequestsView => ({
  schema: 'mayfly.site-requests/v1',
  run_id,
  rounds: [],
  requests: 0,
  of: 0,
  places: [],
  reasons,
  lines: [],
  edges: [],
  shares: [],
  points: [],
});

async function read(run: RunDocument, { store, paths }: ViewContext): Promise<RequestsView> {
  const { parts, places, elsewhere, reasons } = await findRequests(run, paths, (runId) => runOf(store, runId));
  const said = [
    ...reasons,
    ...elsewhere.map(
      (one) =>
        `those of run ${one.run.run_id} lie in ${one.run.archive!.bucket}: npm run requests -- ${run.run_id} fetches them`,
    ),
  ];
  const why = notCounted(run);
  const counting = parts.filter(({ round }) => !why.has(round));
  const wanted = counting.length > 0 ? counting : parts;
  if (counting.length === 0 && parts.length > 0) said.push('no round counts: these are of rounds that do not');
  const some = await withinBytes(wanted);
  if (some.length < wanted.length)
    said.push(
      `only the first ${some.length} of ${wanted.length} rounds are drawn: npm run requests -- ${run.run_id} reads all`,
    );
  if (some.length === 0) return none(run.run_id, said);
  await using reader = requestsReader();
  const { rows, of, faults, rounds, ...picture } = await reader.picture(some, SHARES);
  return {
    ...none(run.run_id, [
      ...said,
      ...faults.map(({ round, message }) => `round ${round} is left out: its file ${message}`),
    ]),
    rounds,
    requests: rows,
    of,
    places,
    ...picture,
  };
}

/** The first of them that are not too much to read; one at least. */
async function withinBytes(parts: RequestsPart[]): Promise<RequestsPart[]> {
  const sizes = await Promise.all(
    parts.map(({ file }) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  let sum = 0;
  return parts.filter((_, i) => (sum += sizes[i]!) <= MOST_READ_BYTES || i === 0);
}

function runOf(store: Store, runId: string): RunDocument | null {
  try {
    return store.run(runId);
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}
