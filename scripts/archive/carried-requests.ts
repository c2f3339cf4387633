/**
 * The requests of a run one by one, on their way into the archive and there. They lie beside the chunks of the run's
 * newest block, where Thanos carries, copies and removes them with it and reads none of them
 * (docs/decisions/0019-single-requests.md).
 */
import { link, rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Context } from '../app/context.ts';
import { exists, namesIn } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import type { RequestsDocument, RunDocument } from '../documents/run.ts';
import { REQUESTS_FOLDER, RequestsFault, type RequestsPart, requestsReader, roundOfFile } from '../requests/view.ts';
import type { Snapshot } from './snapshot.ts';

/** Prometheus and Store read the segments, whose names are numbers: these come behind them in any order of names. */
const IN_BLOCK = /^chunks\/requests-([1-9]\d{0,5})\.parquet$/;
const inBlock = (round: number) => `chunks/requests-${round}.parquet`;

/** The round whose requests are in the file at this path of a block; null for another file. */
export const roundInBlock = (path: string): number | null => Number(IN_BLOCK.exec(path)?.[1] ?? NaN) || null;

/** What a snapshot carries of a run's requests. */
export type Carried = Omit<RequestsDocument, 'verified'>;

/**
 * Puts the files that the run's folder has into its snapshot, and says what is in there by now; undefined: none.
 * Repeating it changes nothing. A file that is damaged, or not what it should be, is removed with a warning: it never
 * hinders the metrics.
 */
export async function carryRequests(
  runDir: string,
  snapshot: Snapshot,
  runId: string,
  progress: Pick<Context['progress'], 'warn'>,
): Promise<Carried | undefined> {
  const block = snapshot.blocks.at(-1); // of a run that was shipped piece by piece the one that was not there before
  if (block === undefined) return undefined;
  const chunks = join(snapshot.dir, block, 'chunks');
  const come = new Map(
    (await namesIn(join(runDir, REQUESTS_FOLDER))).flatMap((name) =>
      entry(roundOfFile(name), join(runDir, REQUESTS_FOLDER, name)),
    ),
  );
  const there = new Map(
    (await namesIn(chunks)).flatMap((name) => entry(roundInBlock(`chunks/${name}`), join(chunks, name))),
  );
  await using reader = requestsReader();
  const carried: Carried = { files: [], rows: 0, bytes: 0 };
  for (const round of [...new Set([...come.keys(), ...there.keys()])].sort((a, b) => a - b)) {
    const file = there.get(round) ?? come.get(round)!;
    const head = await reader
      .check({ file, runId, round })
      .catch((error) => refuse(error, file, round, runId, progress));
    if (!head) continue;
    if (!there.has(round)) await link(file, join(chunks, `requests-${round}.parquet`));
    carried.files.push(`${block}/${inBlock(round)}`);
    carried.rows += head.rows;
    carried.bytes += head.bytes;
  }
  return carried.files.length > 0 ? carried : undefined;
}

const entry = (round: number | null, file: string): [number, string][] => (round === null ? [] : [[round, file]]);

async function refuse(
  error: unknown,
  file: string,
  round: number,
  runId: string,
  { warn }: Pick<Context['progress'], 'warn'>,
): Promise<null> {
  if (!(error instanceof RequestsFault)) throw error;
  warn(`the single requests of round ${round} of run ${runId} are not kept: their file ${error.message}`);
  await rm(file, { force: true });
  return null;
}

/** Requests of a run, as far as this host has them. */
export interface FoundRequests {
  parts: RequestsPart[];
  /** Where they lie. */
  places: string[];
  /** Runs whose files lie in a bucket that is no folder of this host. */
  elsewhere: { run: RunDocument; rounds: number[] }[];
  /** Why there are none of some rounds, or of all. */
  reasons: string[];
}

/**
 * Finds the files: in the run's folder while it goes on or waits, then in a folder bucket. Rounds that were taken over
 * are those of another run. `runOf`: of the store; null for a run that it does not have.
 */
export async function findRequests(
  run: RunDocument,
  paths: Pick<Paths, 'runs' | 'bucket'>,
  runOf: (runId: string) => RunDocument | null,
): Promise<FoundRequests> {
  const found: FoundRequests = { parts: [], places: [], elsewhere: [], reasons: [] };
  const sources = Map.groupBy(run.rounds, ({ from_run }) => from_run ?? run.run_id);
  for (const [runId, own] of sources) {
    const rounds = [...new Set(own.map(({ round }) => round))].sort((a, b) => a - b);
    const source = runId === run.run_id ? run : runOf(runId);
    if (source) await findOf(source, rounds, paths, found);
    else found.reasons.push(`run ${runId}, which measured ${rounds.length} of its rounds, is not in the store`);
  }
  return found;
}

async function findOf(
  run: RunDocument,
  rounds: number[],
  paths: Pick<Paths, 'runs' | 'bucket'>,
  found: FoundRequests,
): Promise<void> {
  const { run_id: runId, archive } = run;
  const runDir = join(paths.runs, runId);
  if (archive?.requests && archive.removed_at === undefined) {
    const files = filesOf(archive.requests, rounds);
    const roots = archive.pending
      ? [join(runDir, 'snapshot')]
      : [archive.bucket, paths.bucket].filter((folder) => isAbsolute(folder));
    for (const root of roots) {
      if (files.length === 0 || !(await Promise.all(files.map(({ path }) => exists(join(root, path))))).some(Boolean))
        continue;
      found.parts.push(...files.map(({ round, path }) => ({ file: join(root, path), runId, round })));
      found.places.push(root);
      return;
    }
    if (files.length > 0 && !archive.pending && !isAbsolute(archive.bucket)) {
      found.elsewhere.push({ run, rounds: files.map(({ round }) => round) });
      return;
    }
    found.reasons.push(
      files.length === 0
        ? `run ${runId} kept none of these rounds`
        : `the files of run ${runId} are not in ${roots.join(' nor in ')}`,
    );
    return;
  }
  const beside = (await namesIn(join(runDir, REQUESTS_FOLDER)))
    .flatMap((name) => entry(roundOfFile(name), join(runDir, REQUESTS_FOLDER, name)))
    .filter(([round]) => rounds.includes(round))
    .sort(([a], [b]) => a - b);
  found.parts.push(...beside.map(([round, file]) => ({ file, runId, round })));
  if (beside.length > 0) found.places.push(join(runDir, REQUESTS_FOLDER));
  else
    found.reasons.push(
      archive?.removed_at
        ? `those of run ${runId} were removed with its metrics on ${archive.removed_at.slice(0, 10)}`
        : `run ${runId} kept none: its load generator (${run.load.generator}) left no file of them`,
    );
}

/** The files of these rounds, as the run's record names them. */
function filesOf({ files }: RequestsDocument, rounds: number[]): { round: number; path: string }[] {
  return files.flatMap((path) => {
    const round = roundInBlock(path.slice(path.indexOf('/') + 1));
    return round !== null && rounds.includes(round) && /^[0-9A-Z]{26}\//.test(path) ? [{ round, path }] : [];
  });
}

/** The parts of a run whose blocks were copied to a folder. */
export const partsIn = (folder: string, run: RunDocument, rounds: number[]): RequestsPart[] =>
  filesOf(run.archive!.requests!, rounds).map(({ round, path }) => ({
    file: join(folder, path),
    runId: run.run_id,
    round,
  }));
