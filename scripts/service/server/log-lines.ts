/** The last log lines of a run, as far as they are on this host. Read when they are asked for, one run at a time. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { findLogs } from '../../archive/carried-logs.ts';
import { UsageError } from '../../core/errors.ts';
import type { RunDocument, SideName } from '../../documents/run.ts';
import { type LogEntry, LogFault, readLogFile, roundOfLog } from '../../logs/kept.ts';
import { LEVELS, type Level } from '../../logs/parse.ts';
import { isSelected, type Selection } from '../../logs/select.ts';
import { perStore } from './data/cache.ts';
import type { ViewContext } from './data/data-types.ts';
import { readRun } from './data/run-data.ts';

/** Lines of a page. */
export const MOST_LINES = 500;
/** Compressed bytes that are read for one: newer rounds first. */
const MOST_READ_BYTES = 8e6;

export interface LogsView {
  run: RunDocument;
  asked: Selection;
  /** The last ones, by time. */
  lines: LogEntry[];
  /** What else has to be said: why there are none, what was not read. */
  remarks: string[];
}

const stateOf = perStore(() => ({ turn: Promise.resolve() as Promise<unknown> }));

/** `id`: a whole run id. UsageError where there is no such run, or for what makes no sense. */
export async function logsView(
  ctx: ViewContext,
  id: string,
  given: { [Name in keyof Selection]: Name extends 'round' ? number | undefined : string | undefined },
): Promise<LogsView> {
  const asked = selectionOf(given);
  const { run, version } = readRun(ctx.store, id);
  const none = (remark: string): LogsView => ({ run, asked, lines: [], remarks: [remark] });
  if (version === undefined) return none('The run is still going on: reading its logs would disturb it.');
  const { files, elsewhere } = await findLogs(run, ctx.paths);
  if (files.length === 0)
    return none(
      elsewhere
        ? `The logs are in ${run.archive!.bucket}, which is no folder of this host: npm run logs -- ${run.run_id} fetches them.`
        : run.archive?.removed_at
          ? `The logs were removed with the metrics on ${run.archive.removed_at.slice(0, 10)}.`
          : 'There are no logs of this run on this host.',
    );
  const state = stateOf(ctx.store);
  const read = state.turn.then(() => lastLines(files, asked));
  state.turn = read.catch(() => {});
  return { run, asked, ...(await read) };
}

function selectionOf({
  side,
  level,
  trace,
  ...others
}: { [Name in keyof Selection]: Name extends 'round' ? number | undefined : string | undefined }): Selection {
  if (side !== undefined && side !== 'candidate' && side !== 'baseline')
    throw new UsageError(`side must be candidate or baseline, got ${JSON.stringify(side)}`);
  if (level !== undefined && !LEVELS.includes(level as Level))
    throw new UsageError(`level must be one of ${LEVELS.join(', ')}, got ${JSON.stringify(level)}`);
  if (trace !== undefined && !/^[0-9a-f]{8,32}$/i.test(trace))
    throw new UsageError(
      `trace must be the id of a trace, or at least its first 8 digits, got ${JSON.stringify(trace)}`,
    );
  return {
    ...others,
    side: side as SideName | undefined,
    level: level as Level | undefined,
    trace: trace?.toLowerCase(),
  };
}

/** Newer rounds come behind older ones but for what overlaps: so many lines of the newest files are the last ones. */
async function lastLines(files: readonly string[], asked: Selection): Promise<Pick<LogsView, 'lines' | 'remarks'>> {
  const roundOf = (file: string) => roundOfLog(basename(file)) ?? Infinity; // the others are of the whole run, and small
  const newest = [...files]
    .filter((file) => asked.round === undefined || roundOf(file) === asked.round)
    .sort((a, b) => roundOf(b) - roundOf(a));
  const remarks: string[] = [];
  const found: LogEntry[] = [];
  let bytes = 0;
  let ofRounds = 0;
  for (const file of newest) {
    if (ofRounds >= MOST_LINES) break;
    const { size } = await stat(file);
    if (bytes > 0 && bytes + size > MOST_READ_BYTES) {
      remarks.push(`The rounds up to ${roundOf(file)} were not looked at: there is too much of them for a page.`);
      break;
    }
    bytes += size;
    const lines: LogEntry[] = [];
    try {
      for await (const entry of readLogFile(file)) if (isSelected(entry, asked)) keepLast(lines, entry);
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      remarks.push(`Not all of ${error.file} can be read: it ${error.message}.`);
    }
    found.push(...lines);
    if (Number.isFinite(roundOf(file))) ofRounds += lines.length;
  }
  found.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  if (found.length > MOST_LINES || ofRounds >= MOST_LINES)
    remarks.push(`The last ${MOST_LINES} lines. npm run logs prints all.`);
  return { lines: found.slice(-MOST_LINES), remarks };
}

function keepLast(lines: LogEntry[], entry: LogEntry): void {
  lines.push(entry);
  if (lines.length > 2 * MOST_LINES) lines.splice(0, MOST_LINES);
}
