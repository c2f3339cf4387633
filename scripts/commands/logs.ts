/** npm run logs: what the containers of a run, and Mayfly, have logged, by time. */
import { once } from 'node:events';
import { basename, resolve } from 'node:path';
import { command, type Given, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { withStore } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { copyToFolder } from '../archive/blocks.ts';
import { findLogs, logsIn } from '../archive/carried-logs.ts';
import { inTemporary } from '../archive/maintenance/read.ts';
import { nearest } from '../config/nearest.ts';
import type { Io } from '../core/cli.ts';
import { EXIT, InfrastructureError, UsageError } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { plural } from '../core/text.ts';
import type { RunDocument, SideName } from '../documents/run.ts';
import { type LogFormat, normalTime, timeText } from '../logs/format.ts';
import { HARNESS_FILE, HARNESS_LOG, type LogEntry, LogFault, readLogFile, roundOfLog } from '../logs/kept.ts';
import { mergeByTime } from '../logs/merge.ts';
import { LEVELS, type Level } from '../logs/parse.ts';
import { entryText, isSelected, type Selection, servicesOf } from '../logs/select.ts';

/** Characters that are written at once. */
const PIECE = 64 * 1024;
const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600 } as const;

await command(
  {
    name: 'logs',
    about:
      'Prints what the containers of a run, and Mayfly itself, have logged, merged by time, a line each as logfmt. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [
      { name: 'service', value: 'NAME', help: 'only of this service; harness is Mayfly itself' },
      { name: 'side', value: 'SIDE', help: 'only of this side: candidate or baseline' },
      { name: 'round', value: 'N', help: 'only of this round' },
      {
        name: 'trace',
        value: 'ID',
        help: 'only lines of this trace; the beginning of its id is enough, from 8 digits on',
      },
      {
        name: 'since',
        value: 'TIME',
        help: 'only from this time on, 2026-11-28T22:00:00Z; or from so long before the last line that is asked for: 5s, 2m',
      },
      { name: 'level', value: 'LEVEL', help: 'only this level and graver ones: debug, info, warn, error' },
      {
        name: 'archive',
        value: 'NAME',
        help: 'of a run in an object store: the archive that shows it; default: default',
      },
      { name: 'objstore', value: 'FILE', help: 'likewise: its Thanos object-store configuration' },
      { name: 'json', help: 'print each line as a JSON object' },
    ],
  },
  async (io, given) => {
    const asked = selectionOf(given);
    const since = sinceOf(given.text('since'));
    const run = withStore((store) => store.run(given.positionals[0]!));
    const format: LogFormat = given.has('json') ? 'json' : 'logfmt';
    return withFiles(run, given, async (files) => {
      if (files.length === 0) throw noneOf(run);
      mustBeThere(run, files, asked);
      const wanted = files.filter((file) => mayHold(basename(file), asked));
      const faults = new Set<string>();
      const lines = () => mergeByTime(wanted.map((file) => readable(file, faults)));
      const from = typeof since === 'number' ? await before(lines(), asked, since) : since;
      const { printed, unlevelled } = await print(lines(), { ...asked, since: from }, format);
      for (const fault of faults) io.stderr(`not all of it can be read: ${fault}`);
      remark(printed, unlevelled, asked, io);
      if (faults.size > 0 && faults.size === wanted.length)
        throw new InfrastructureError(`none of the log files of run ${run.run_id} can be read to its end`, {
          hint: `npm run archive -- verify --run=${run.run_id} looks at all of them.`,
        });
      return EXIT.pass;
    });
  },
);

function selectionOf(given: Given): Selection {
  const [side, level, round, trace] = ['side', 'level', 'round', 'trace'].map((name) => given.text(name));
  if (side !== undefined && side !== 'candidate' && side !== 'baseline')
    throw new UsageError(`--side must be candidate or baseline, got ${JSON.stringify(side)}`);
  if (level !== undefined && !LEVELS.includes(level as Level))
    throw new UsageError(`--level must be one of ${LEVELS.join(', ')}, got ${JSON.stringify(level)}`);
  if (trace !== undefined && !/^[0-9a-f]{8,32}$/i.test(trace))
    throw new UsageError(
      `--trace must be the id of a trace, 32 hexadecimal digits, or at least its first 8, got ${JSON.stringify(trace)}`,
    );
  return {
    service: given.text('service'),
    side: side as SideName | undefined,
    level: level as Level | undefined,
    trace: trace?.toLowerCase(),
    round: round === undefined ? undefined : wholeNumber('round', round, { least: 1, most: 999_999, fallback: 1 }),
  };
}

/** A time as lines have it, or seconds before the last line. */
function sinceOf(text: string | undefined): string | number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)$/.exec(text) ?? [];
  if (number) return Number(number) * SECONDS[unit as keyof typeof SECONDS];
  const time = normalTime(text);
  if (time !== null) return time;
  throw new UsageError(
    `--since must be a time like 2026-11-28T22:00:00Z, or a duration like 5s, got ${JSON.stringify(text)}`,
  );
}

/** Names that are not there are refused, with those that are. */
function mustBeThere(run: RunDocument, files: readonly string[], { service, side, round }: Selection): void {
  const { run_id, sides } = run;
  if (side !== undefined && !sides[side])
    throw new UsageError(`run ${run_id} has no ${side}`, { hint: `It has ${Object.keys(sides).join(' and ')}.` });
  const rounds = [
    ...new Set([...run.rounds.map(({ round }) => round), ...files.flatMap((file) => roundOfLog(basename(file)) ?? [])]),
  ].sort((a, b) => a - b);
  if (round !== undefined && !rounds.includes(round))
    throw new UsageError(`run ${run_id} has no round ${round}`, {
      hint: rounds.length > 0 ? `It has rounds ${rounds[0]} to ${rounds.at(-1)}.` : 'It has none.',
    });
  const names = servicesOf(run);
  if (service === undefined || names.includes(service)) return;
  const near = nearest(service, names);
  throw new UsageError(
    `run ${run_id} has no service ${JSON.stringify(service)}${near ? ` (did you mean ${near}?)` : ''}`,
    { hint: `It has ${names.join(', ')}.` },
  );
}

/** A file of one round, or of the harness, holds nothing of the others. */
function mayHold(name: string, { round, service, side }: Selection): boolean {
  const isOfHarness = name === HARNESS_FILE || name === HARNESS_LOG;
  if (round !== undefined) return roundOfLog(name) === round;
  if (side !== undefined) return roundOfLog(name) !== null;
  return service === undefined || (service === 'harness') === isOfHarness;
}

/** The lines of a file, as far as it is whole. */
async function* readable(file: string, faults: Set<string>): AsyncGenerator<LogEntry, void> {
  try {
    yield* readLogFile(file);
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    faults.add(`${error.file} ${error.message}`);
  }
}

/** So many seconds before the last line that is asked for; undefined where there is none. */
async function before(lines: AsyncIterable<LogEntry>, asked: Selection, seconds: number): Promise<string | undefined> {
  let last: string | undefined;
  for await (const entry of lines)
    if (isSelected(entry, asked) && (last === undefined || entry.time > last)) last = entry.time;
  if (last === undefined) return undefined;
  const text = timeText(Date.parse(`${last.slice(0, 23)}Z`) - seconds * 1000);
  return `${text.slice(0, 23)}${last.slice(23)}`;
}

/** Prints no faster than is read, and ends where nobody reads any more. */
async function print(
  lines: AsyncIterable<LogEntry>,
  asked: Selection,
  format: LogFormat,
): Promise<{ printed: number; unlevelled: number }> {
  const { stdout } = process;
  const told = { printed: 0, unlevelled: 0 };
  let piece = '';
  const flush = async () => {
    const text = piece;
    piece = '';
    if (text !== '' && isOpen() && !stdout.write(text))
      await Promise.race([once(stdout, 'drain'), once(stdout, 'close')]).catch(() => {});
  };
  const isOpen = () => stdout.writable && !stdout.errored;
  for await (const entry of lines) {
    if (!isSelected(entry, asked)) {
      if (entry.level === null && isSelected(entry, { ...asked, level: undefined })) told.unlevelled++;
      continue;
    }
    told.printed++;
    piece += `${entryText(entry, format)}\n`;
    if (piece.length < PIECE) continue;
    await flush();
    if (!isOpen()) return told;
  }
  await flush();
  return told;
}

function remark(printed: number, unlevelled: number, { level }: Selection, io: Io): void {
  if (printed === 0) io.stderr('no line of its logs is like that');
  if (level !== undefined && unlevelled > 0)
    io.stderr(`${plural(unlevelled, 'line')} without a level left out; without --level they are printed`);
}

/** Brings here what lies in an object store, for as long as `work` takes. */
async function withFiles(
  run: RunDocument,
  given: Given,
  work: (files: readonly string[]) => Promise<number>,
): Promise<number> {
  const { files, elsewhere } = await findLogs(run, paths(ROOT, process.env));
  if (!elsewhere) return work(files);
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  return withContext({ quiet: true, images: ['thanos'] }, async (ctx) => {
    const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths);
    if (run.archive!.bucket !== bucket.name)
      throw new UsageError(`the logs of run ${run.run_id} are in ${run.archive!.bucket}`, {
        hint: 'Name that bucket by --objstore or --archive.',
      });
    return inTemporary(
      'logs',
      async (folder) => {
        await copyToFolder(bucket, run.archive!.blocks, folder, ctx);
        return work(await logsIn(folder, run));
      },
      ctx,
    );
  });
}

function noneOf({ run_id, status, logs, archive }: RunDocument): UsageError {
  if (archive?.removed_at)
    return new UsageError(
      `the logs of run ${run_id} were removed with its metrics on ${archive.removed_at.slice(0, 10)}`,
    );
  if (logs)
    return new UsageError(`the logs of run ${run_id} are not on this host`, {
      hint: archive
        ? `npm run archive -- verify --run=${run_id} looks for them.`
        : 'It has no block in the archive; the logs of such runs give way to those of newer ones.',
    });
  return new UsageError(`run ${run_id} has no logs`, {
    hint:
      status === 'running'
        ? 'It is still going on: those of a round are there when it has ended.'
        : 'Runs of before logs were kept have none.',
  });
}
