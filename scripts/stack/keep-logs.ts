/** The logs of a run's containers, fetched from the engine before the containers go, into the folder of the run. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../app/context.ts';
import { firstLine } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import { EngineError } from '../engine/connection.ts';
import type { ContainerSummary } from '../engine/engine.ts';
import { logLineReader } from '../engine/log-lines.ts';
import { LABEL } from '../engine/names.ts';
import { Tail } from '../logs/bound.ts';
import { timeText } from '../logs/format.ts';
import {
  boundRounds,
  cutText,
  type KeptLine,
  LIMITS,
  type Limits,
  LOGS_FOLDER,
  MOST_LINE,
  noteText,
  roundFile,
  STACK_FILE,
  writeLogFile,
} from '../logs/kept.ts';
import { timeOfLine } from '../logs/parse.ts';

/** The engine may take so long: what is measured next waits for it. */
const PATIENCE_MS = 5000;

type Keeper = Pick<Context, 'engine' | 'progress' | 'now'>;

/**
 * Keeps what all containers of a round have written. A failure is a warning and a line in the log, and never more: what
 * was measured is measured.
 */
export async function keepRoundLogs(
  run: { runId: string; dir: string },
  round: number,
  ctx: Keeper,
  limits: Limits = LIMITS,
): Promise<void> {
  await keep(run, roundFile(round), `round ${round}`, (one) => one.labels[LABEL.round] === String(round), ctx, limits);
}

/** The same of what is there for the whole run. */
export const keepStackLogs = (run: { runId: string; dir: string }, ctx: Keeper): Promise<void> =>
  keep(run, STACK_FILE, 'the run stack', (one) => one.labels[LABEL.round] === undefined, ctx, LIMITS);

/** All that is on the engine of a run, whoever has started it. */
export async function keepAllLogs(run: { runId: string; dir: string }, ctx: Keeper): Promise<void> {
  const containers = await ctx.engine.containers(`${LABEL.run}=${run.runId}`).catch(() => []);
  const rounds = new Set(containers.flatMap(({ labels }) => Number(labels[LABEL.round] ?? NaN) || []));
  for (const round of [...rounds].sort((a, b) => a - b)) await keepRoundLogs(run, round, ctx);
  if (containers.length > 0) await keepStackLogs(run, ctx);
}

async function keep(
  { runId, dir }: { runId: string; dir: string },
  file: string,
  of: string,
  wanted: (container: ContainerSummary) => boolean,
  ctx: Keeper,
  limits: Limits,
): Promise<void> {
  try {
    const containers = (await ctx.engine.containers(`${LABEL.run}=${runId}`)).filter(wanted);
    const found = await Promise.all(containers.map((container) => linesOf(container, of, ctx, limits)));
    const lines = found.flat();
    if (lines.length === 0) return;
    const folder = join(dir, LOGS_FOLDER);
    await mkdir(folder, { recursive: true });
    await writeLogFile(folder, file, lines);
    await boundRounds(folder, limits.run);
  } catch (error) {
    ctx.progress.warn(`the logs of ${of} are not kept: ${firstLine(error)}`);
  }
}

/** What a container has written, or its end, within the limit. */
async function linesOf(
  { id, name, labels, state }: ContainerSummary,
  of: string,
  ctx: Keeper,
  limits: Limits,
): Promise<KeptLine[]> {
  if (state === 'created') return []; // it has written nothing, and some drivers refuse to say so
  const source = {
    side: (labels[LABEL.side] as SideName | undefined) ?? null,
    service: labels[LABEL.side] ? (labels['com.docker.compose.service'] ?? name) : labels[LABEL.service] || name,
    replica: Number(labels['com.docker.compose.container-number'] ?? 1),
  };
  const note = (time: string, text: string): KeptLine => ({ ...source, time, stream: 'n', text });
  const tail = new Tail<KeptLine>(limits.container);
  const reader = logLineReader(
    ({ time, stream, text }) =>
      tail.push({ ...source, time, stream: stream === 'stdout' ? 'o' : 'e', text }, Buffer.byteLength(text)),
    MOST_LINE,
  );
  // what the load generator prints are the results that the round is made of
  const streams = source.service === 'loadgen' ? (['stderr'] as const) : (['stdout', 'stderr'] as const);
  try {
    await ctx.engine.timedLog(id, streams, reader.feed, AbortSignal.timeout(PATIENCE_MS));
    reader.end();
  } catch (error) {
    // the generator of a round that is given up before it is driven goes while its log is asked for
    if (source.service === 'loadgen' && error instanceof EngineError && [404, 409].includes(error.status)) return [];
    const why =
      (error as Error).name === 'TimeoutError' ? `the engine took more than ${PATIENCE_MS / 1000} s` : firstLine(error);
    const said = `the log of ${source.service}${source.side ? ` of ${source.side}` : ''} in ${of} is not kept: ${why}`;
    ctx.progress.warn(said);
    return [note(timeText(ctx.now()), noteText(said))];
  }
  const lines = tail.items;
  if (tail.cut.lines === 0) return lines;
  const { text, time } = lines[0]!;
  return [note(timeOfLine(text, time), cutText(tail.cut, limits.container)), ...lines];
}
