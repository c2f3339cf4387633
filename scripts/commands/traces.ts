/** npm run traces: the traces of a run that are kept, as a list or in Zipkin's own page. */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { command, type Given, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { withStore } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { copyToFolder } from '../archive/blocks.ts';
import { type FoundTraces, findTraces, type KeptTraces, keptOf, tracesIn } from '../archive/carried-traces.ts';
import { inTemporary } from '../archive/maintenance/read.ts';
import { sweep } from '../archive/recovery/sweep-stacks.ts';
import { whileZipkinShows } from '../archive/zipkin.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { plural } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import { keptTable } from '../report/traces-text.ts';
import { readKept, TracesFault } from '../traces/kept.ts';
import { type ListedTrace, listed } from '../traces/listed.ts';

/** Traces that are printed with their addresses; the page has the others. */
const PRINTED = 20;

await command(
  {
    name: 'traces',
    about:
      'Opens the traces that a run has kept in Zipkin, which is up until Ctrl-C: the slowest of each side and round, and a fair sample. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [
      { name: 'side', value: 'SIDE', help: 'candidate or baseline; default: both' },
      { name: 'round', value: 'N', help: 'only this round; default: all' },
      { name: 'list', help: 'print a table of them, and start nothing' },
      {
        name: 'archive',
        value: 'NAME',
        help: 'of a run in an object store: the archive that shows it; default: default',
      },
      { name: 'objstore', value: 'FILE', help: 'likewise: its Thanos object-store configuration' },
    ],
  },
  async (io, given) => {
    const side = given.text('side');
    if (side !== undefined && side !== 'candidate' && side !== 'baseline')
      throw new UsageError(`--side must be candidate or baseline, got ${JSON.stringify(side)}`);
    const round = given.has('round')
      ? wholeNumber('round', given.text('round'), { least: 1, most: 999_999, fallback: 1 })
      : undefined;
    const { run, others } = withRun(given.positionals[0]!);
    const wanted = wantedOf(run, side, round);
    const where = paths(ROOT, process.env);
    const found = await findTraces(wanted, where, (id) => others.find(({ run_id }) => run_id === id) ?? null);
    const color = Boolean(process.stdout.isTTY);
    const isList = given.has('list');
    const isHere = found.elsewhere.length === 0;
    if (isList && isHere) {
      io.stdout(keptTable(await read(run, found, io.stderr), { color }));
      return EXIT.pass;
    }
    const images = [...(isHere ? [] : (['thanos'] as const)), ...(isList ? [] : (['zipkin'] as const))];
    await withContext({ quiet: false, images }, async (ctx) => {
      await sweep(ctx);
      const traces = isHere
        ? await read(run, found, io.stderr)
        : await inTemporary(
            'traces',
            async (folder) => read(run, await copied(found, wanted, folder, given, ctx), io.stderr),
            ctx,
          );
      if (isList) return io.stdout(keptTable(traces, { color }));
      await whileZipkinShows(
        traces,
        randomUUID(),
        (page, address) => {
          io.stdout(keptTable(traces.slice(0, PRINTED), { color, address }));
          if (traces.length > PRINTED) io.stdout(`and ${traces.length - PRINTED} more`);
          io.stdout(`all of them: ${page}`);
          io.stderr('Ctrl-C ends Zipkin.');
        },
        ctx,
      );
    });
    return EXIT.pass;
  },
);

/** The run, and those that have measured its rounds. */
function withRun(name: string): { run: RunDocument; others: RunDocument[] } {
  return withStore((store) => {
    const run = store.run(name);
    const known = new Set(store.stored().map(({ run_id }) => run_id));
    const ids = [...new Set(run.rounds.flatMap(({ from_run }) => from_run ?? []))].filter((id) => known.has(id));
    return { run, others: [run, ...ids.map((id) => store.run(id))] };
  });
}

function wantedOf(run: RunDocument, side: string | undefined, round: number | undefined): KeptTraces[] {
  const all = keptOf(run);
  if (all.length === 0) {
    const why = run.rounds.flatMap(({ traces }) => traces?.notes ?? [])[0];
    const isTraced = run.rounds.some(({ traces }) => traces !== undefined);
    throw new UsageError(
      isTraced
        ? `run ${run.run_id} has kept no traces${why === undefined ? '' : `: ${why}`}`
        : `run ${run.run_id} has no traces`,
      {
        hint: isTraced
          ? `npm run show -- ${run.run_id} says what is known of them.`
          : 'npm run bench -- --traces=10% records some, of a benchmark whose services send spans (docs/traces.md).',
      },
    );
  }
  const wanted = all.filter(
    (one) => (side === undefined || one.side === side) && (round === undefined || one.round === round),
  );
  if (wanted.length === 0) {
    const rounds = [...new Set(all.map((one) => one.round))];
    throw new UsageError(
      `run ${run.run_id} has kept no traces of ${[side && `the ${side}`, round && `round ${round}`].filter(Boolean).join(' in ')}`,
      {
        hint: `It has some of rounds ${rounds.join(', ')}, of ${[...new Set(all.map((one) => one.side))].join(' and ')}.`,
      },
    );
  }
  return wanted;
}

/** The traces of the files, the slowest first. What cannot be read is told. */
async function read(
  run: RunDocument,
  { found, lost }: Pick<FoundTraces, 'found' | 'lost'>,
  say: (line: string) => void,
): Promise<ListedTrace[]> {
  const files = await Promise.all(
    found.map(async ({ side, round, name, file }) => {
      const traces = await readKept(file).catch((error) => {
        if (!(error instanceof TracesFault)) throw error;
        say(`${name} ${error.message}`);
        return [];
      });
      return { side, round, traces };
    }),
  );
  const traces = listed(files);
  if (lost.length > 0 && found.length > 0)
    say(
      `${plural(lost.length, 'file')} of traces ${lost.length === 1 ? 'is' : 'are'} lost: ${lost.map(({ name }) => name).join(', ')}`,
    );
  if (traces.length === 0)
    throw new UsageError(
      found.length === 0
        ? `the traces of run ${run.run_id} are not on this host`
        : `no trace of run ${run.run_id} can be read`,
      {
        hint: run.archive?.removed_at
          ? `They were removed with its metrics on ${run.archive.removed_at.slice(0, 10)}.`
          : `npm run archive -- verify --run=${run.run_id} looks for them.`,
      },
    );
  return traces;
}

/** Brings here what lies in an object store. */
async function copied(
  { found, elsewhere, lost }: FoundTraces,
  wanted: readonly KeptTraces[],
  folder: string,
  given: Given,
  ctx: Parameters<Parameters<typeof withContext>[1]>[0],
): Promise<Pick<FoundTraces, 'found' | 'lost'>> {
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths);
  const other = elsewhere.find(({ archive }) => archive!.bucket !== bucket.name);
  if (other)
    throw new UsageError(`the traces of run ${other.run_id} are in ${other.archive!.bucket}`, {
      hint: 'Name that bucket by --objstore or --archive.',
    });
  await copyToFolder(bucket, [...new Set(elsewhere.flatMap(({ archive }) => archive!.blocks))], folder, ctx);
  const parts = await Promise.all(elsewhere.map((run) => tracesIn(folder, run, wanted)));
  return {
    found: [...found, ...parts.flatMap((part) => part.found)],
    lost: [...lost, ...parts.flatMap((part) => part.lost)],
  };
}
