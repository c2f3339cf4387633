/** npm run requests: the single requests of a run, as a table of percentiles or as one Parquet file. */
import { resolve } from 'node:path';
import { command, type Given, jsonFlag, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { withStore } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { copyToFolder } from '../archive/blocks.ts';
import { type FoundRequests, findRequests, partsIn } from '../archive/carried-requests.ts';
import { inTemporary } from '../archive/maintenance/read.ts';
import { EXIT, InfrastructureError, UsageError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import { paths } from '../core/paths.ts';
import type { RunDocument } from '../documents/run.ts';
import { type RequestsReport, requestsRemarks, requestsText } from '../report/requests-text.ts';
import { type RequestsPart, requestsReader } from '../requests/view.ts';

const SHARES = [0.5, 0.9, 0.95, 0.99, 0.999, 1];

await command(
  {
    name: 'requests',
    about:
      'Shows the percentiles of every request of a run, or writes its requests to one Parquet file. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [
      {
        name: 'out',
        value: 'FILE',
        help: 'write them to this Parquet file, with a column round; docs/requests.md has the columns',
      },
      {
        name: 'round',
        value: 'N',
        help: 'only this round; without it a table is of the rounds that count, a file of all',
      },
      {
        name: 'quantile',
        value: 'SHARE',
        many: true,
        help: 'this share of the requests was as fast or faster: 0.999; may be given many times; default 0.5, 0.9, 0.95, 0.99, 0.999, 1',
      },
      {
        name: 'archive',
        value: 'NAME',
        help: 'of a run in an object store: the archive that shows it; default: default',
      },
      { name: 'objstore', value: 'FILE', help: 'likewise: its Thanos object-store configuration' },
      jsonFlag('mayfly.requests-summary/v1'),
    ],
  },
  async (io, given) => {
    const shares = given.has('quantile') ? given.values.quantile!.map(parseShare) : SHARES;
    const out = given.has('out') ? resolve(given.text('out')!) : undefined;
    if (out !== undefined && (await exists(out)))
      throw new UsageError(`${out} is there already`, { hint: 'Name another by --out=FILE, or remove it.' });
    const { run, found } = await withRun(given.positionals[0]!);
    const wanted = roundsWanted(run, given.text('round'));
    const document = await withParts(found, wanted, given, (parts) => read(run, found, parts, wanted, shares, out));
    io.stdout(given.has('json') ? JSON.stringify(document, null, 2) : requestsText(document, process.stdout.isTTY));
    for (const line of given.has('json') ? [] : requestsRemarks(document)) io.stderr(line);
    return EXIT.pass;
  },
);

/** The run, and those that it has taken rounds over from: the store is open no longer than for that. */
async function withRun(name: string): Promise<{ run: RunDocument; found: FoundRequests }> {
  const { run, sources } = withStore((store) => {
    const run = store.run(name);
    const ids = [...new Set(run.rounds.flatMap(({ from_run }) => from_run ?? []))];
    const known = new Set(store.stored().map(({ run_id }) => run_id));
    return { run, sources: ids.filter((id) => known.has(id)).map((id) => store.run(id)) };
  });
  return {
    run,
    found: await findRequests(
      run,
      paths(ROOT, process.env),
      (id) => sources.find(({ run_id }) => run_id === id) ?? null,
    ),
  };
}

interface Wanted {
  /** Of a table. */
  rounds: number[];
  leftOut: number[];
  /** Of a file: all, unless one was named. */
  inFile: number[];
}

function roundsWanted({ run_id, rounds }: RunDocument, given: string | undefined): Wanted {
  const all = [...new Set(rounds.map(({ round }) => round))].sort((a, b) => a - b);
  if (given !== undefined) {
    const one = wholeNumber('round', given, { least: 1, most: 999_999, fallback: 1 });
    if (!all.includes(one))
      throw new UsageError(`run ${run_id} has no round ${one}`, {
        hint: all.length > 0 ? `It has rounds ${all[0]} to ${all.at(-1)}.` : 'It has none yet.',
      });
    return { rounds: [one], leftOut: [], inFile: [one] };
  }
  const counts = all.filter((number) =>
    rounds.every(({ round, valid, rate }) => round !== number || (valid && rate === undefined)),
  );
  return { rounds: counts, leftOut: all.filter((round) => !counts.includes(round)), inFile: all };
}

/** Brings here what lies in an object store, for as long as `work` takes. */
async function withParts(
  found: FoundRequests,
  { inFile }: Wanted,
  given: Given,
  work: (parts: RequestsPart[]) => Promise<RequestsReport>,
): Promise<RequestsReport> {
  const elsewhere = found.elsewhere.filter(({ rounds }) => rounds.some((round) => inFile.includes(round)));
  if (elsewhere.length === 0) return work(found.parts);
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  return withContext({ quiet: given.has('json'), images: ['thanos'] }, async (ctx) => {
    const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths);
    const other = elsewhere.find((one) => one.run.archive!.bucket !== bucket.name);
    if (other)
      throw new UsageError(`the requests of run ${other.run.run_id} are in ${other.run.archive!.bucket}`, {
        hint: 'Name that bucket by --objstore or --archive.',
      });
    return inTemporary(
      'requests',
      async (folder) => {
        const blocks = elsewhere.flatMap((one) =>
          one.run.archive!.requests!.files.map((path) => path.split('/', 1)[0]!),
        );
        await copyToFolder(bucket, [...new Set(blocks)], folder, ctx);
        return work([...found.parts, ...elsewhere.flatMap((one) => partsIn(folder, one.run, one.rounds))]);
      },
      ctx,
    );
  });
}

async function read(
  run: RunDocument,
  found: FoundRequests,
  all: RequestsPart[],
  wanted: Wanted,
  shares: number[],
  out: string | undefined,
): Promise<RequestsReport> {
  const { run_id, benchmark } = run;
  const rounds = out === undefined ? wanted.rounds : wanted.inFile;
  const parts = all.filter(({ round }) => rounds.includes(round)).sort((a, b) => a.round - b.round);
  if (parts.length === 0) throw noneOf(run, found, wanted, rounds);
  await using reader = requestsReader();
  const { faults, ...figures } =
    out === undefined ? await reader.summary(parts, shares) : await reader.join(parts, out);
  if (figures.rounds.length === 0)
    throw new InfrastructureError(
      `none of the ${parts.length} files of requests of run ${run_id} can be read; that of round ${faults[0]!.round} ${faults[0]!.message}`,
      { hint: `npm run archive -- verify --run=${run_id} looks at all of them.` },
    );
  return {
    schema: 'mayfly.requests-summary/v1',
    run_id,
    benchmark,
    rounds: figures.rounds,
    left_out: wanted.leftOut,
    requests: figures.rows,
    of: figures.of,
    faults,
    remarks: found.reasons,
    ...('lines' in figures ? { lines: figures.lines } : { out: { file: out!, bytes: figures.bytes } }),
  };
}

function noneOf(
  { run_id, status, archive }: RunDocument,
  { reasons }: FoundRequests,
  { leftOut }: Wanted,
  rounds: number[],
): UsageError {
  if (rounds.length === 0 && leftOut.length > 0)
    return new UsageError(`no round of run ${run_id} counts`, {
      hint: `--round=${leftOut[0]} shows one of them all the same.`,
    });
  if (reasons.length === 0)
    return new UsageError(
      `run ${run_id} has no single requests of ${rounds.length === 1 ? `round ${rounds[0]}` : 'these rounds'}`,
      {
        hint:
          status === 'running'
            ? 'It is still going on: they are there when a round has ended.'
            : `npm run show -- ${run_id} lists its rounds.`,
      },
    );
  return new UsageError(`there are no single requests of run ${run_id}: ${reasons.join('; ')}`, {
    hint: archive?.requests
      ? 'npm run archive -- verify looks for them.'
      : 'Runs of before they were kept, and of other load generators, have none.',
  });
}

/** "0.999" */
function parseShare(text: string): number {
  if (!/^(0(\.\d+)?|1(\.0+)?|\.\d+)$/.test(text))
    throw new UsageError(`--quantile must be a share from 0 to 1, like 0.999, got ${JSON.stringify(text)}`);
  return Number(text);
}
