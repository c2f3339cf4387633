/** npm run bench: measures a commit, and compares it. */

import type { Context } from '../app/context.ts';
import { withContext, withStoreAndNoEngine } from '../app/open.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { checkVerdictFiles, exitCodeOf, writeVerdictFiles } from '../app/verdict-files.ts';
import { openBucket } from '../archive/bucket.ts';
import { linksTo, seen, waysTo } from '../archive/links.ts';
import { type BenchFlags, type BenchOptions, loadConfig, parseBenchArgs } from '../config/config.ts';
import { FLAGS, parseFlags, type VerdictOutputs } from '../config/flags.ts';
import type { Config } from '../config/types.ts';
import { type Io, main } from '../core/cli.ts';
import { CandidateError, EXIT, firstLine, NothingToCompare, original, UsageError } from '../core/errors.ts';
import type { RunDocument } from '../documents/run.ts';
import { farEngine } from '../engine/socket.ts';
import { measureThere } from '../far-engine/measure-there.ts';
import { IMAGES, RUN_IMAGES } from '../images/images.ts';
import { screenRun } from '../judge/screen.ts';
import { bench } from '../pipeline.ts';
import { screenText } from '../report/history-text.ts';
import { runTable } from '../report/run-table.ts';
import { suspectChanges } from '../studies/history/confirm-changes.ts';

await main(async (io) => {
  const args = process.argv.slice(2);
  const flags = parseBenchArgs(args);
  if (flags.help) {
    io.stdout(flags.help);
    return EXIT.pass;
  }
  const cwd = process.cwd();
  const config = await loadConfig({ ...flags, ...asOfRun(flags) }, configEnv());
  const alone = flags.target !== undefined || flags.against === 'none' || flags.against === 'master-set';
  const [format] = Object.keys(flags.verdict.files);
  if (alone && format) {
    const [withWhat, hint] =
      flags.target === undefined
        ? [`--against=${flags.against}`, 'Leave it out, or name what to compare with: --against=REF.']
        : ['--target', 'Leave it out; --json prints the run.'];
    throw new UsageError(`--${format} is for a verdict, and with ${withWhat} there is none`, { hint });
  }
  checkVerdictFiles(flags.verdict, cwd);
  const far = farEngine(process.env);
  if (far) return benchThere(far.named, { args, flags, config }, io);
  const measured = await withContext({ quiet: flags.quiet, images: RUN_IMAGES }, async (ctx) => {
    const run = await bench(config, ctx).catch((error: unknown) => {
      writeFailure(error, flags.verdict, cwd, ctx, io);
      throw error;
    });
    return { run, ...(await shown(run, config, ctx)) };
  }).catch((error: unknown) => {
    if (error instanceof NothingToCompare) return error;
    throw error;
  });
  if (measured instanceof NothingToCompare) return sayNothing(measured.message, flags, config, io);
  return sayRun(measured, flags, cwd, io);
});

/** The same on the engine of another host: what came of it is in the store of this one then. */
async function benchThere(
  named: string,
  { args, flags, config }: { args: string[]; flags: BenchFlags; config: Config },
  io: Io,
): Promise<number> {
  const cwd = process.cwd();
  const measured = await withStoreAndNoEngine({ quiet: flags.quiet }, async (ctx) => {
    const bucket = await openBucket(config.objstore, ctx.paths);
    const { values } = parseFlags(args, FLAGS, 'bench');
    const there = await measureThere({ config, values, bucket }, named, ctx, (text) => process.stderr.write(text));
    if (!('run' in there)) return there;
    const here = { ...ctx, machine: there.machine };
    return { run: there.run, ...(await shown(there.run, config, here)) };
  });
  if ('exitCode' in measured) {
    for (const file of Object.values(flags.verdict.files)) io.stderr(`${file} is not written: there is no verdict`);
    return measured.exitCode;
  }
  if ('nothing' in measured) return sayNothing(measured.nothing, flags, config, io);
  return sayRun(measured, flags, cwd, io);
}

function sayNothing(reason: string, flags: BenchFlags, { benchmark, commit }: Config, io: Io): number {
  io.stdout(
    flags.json ? JSON.stringify({ schema: 'mayfly.nothing-to-compare/v1', benchmark, commit, reason }) : reason,
  );
  for (const file of Object.values(flags.verdict.files)) io.stderr(`${file} is not written: nothing was measured`);
  return EXIT.pass;
}

interface Said {
  run: RunDocument;
  /** URLs of the run. */
  links: string[];
  /** How to come there. */
  ways: string[];
  remarks: string[];
}

/** Prints the run, writes the files that were asked for, and gives the exit code. */
async function sayRun({ run, links, ways, remarks }: Said, flags: BenchFlags, cwd: string, io: Io): Promise<number> {
  io.stdout(
    flags.json
      ? JSON.stringify(run, null, 2)
      : [runTable(run, { color: Boolean(process.stdout.isTTY), links: ways }), ...remarks].join('\n\n'),
  );
  if (flags.json) for (const remark of remarks) io.stderr(remark);
  if (!run.verdict) {
    for (const [format, file] of Object.entries(flags.verdict.files))
      io.stderr(
        `${file} is not written: --${format} is for a verdict, and ${run.sides.candidate.ref} was measured alone`,
      );
    return run.status === 'invalid' ? EXIT.invalid : EXIT.pass;
  }
  await writeVerdictFiles(flags.verdict, cwd, run.verdict, run, links);
  return exitCodeOf(run.verdict.verdict, flags.verdict.strict);
}

/** A candidate that is not well is a result too: the files say it as the terminal does. Nothing may hide the error itself. */
function writeFailure(error: unknown, outputs: VerdictOutputs, cwd: string, { store }: Context, io: Io): void {
  const failure = original(error);
  if (!(failure instanceof CandidateError) || failure.runId === undefined) return;
  try {
    const run = store.run(failure.runId);
    if (run.verdict) writeVerdictFiles(outputs, cwd, run.verdict, run, [], failure.message);
  } catch (cause) {
    io.stderr(`the files of the verdict could not be written: ${firstLine(cause)}`);
  }
}

/** What is said beside a run. */
async function shown(run: RunDocument, { objstore, against }: Config, ctx: Context): Promise<Omit<Said, 'run'>> {
  const { links, ways } = await placesOf(run, objstore, ctx).catch(() => ({ links: [], ways: [] }));
  return { links, ways, remarks: remarksOn(run, against, ctx) };
}

/** URLs of the run in archives that are up, and what the closing list says: how to come there where none is. */
async function placesOf(run: RunDocument, objstore: string | undefined, ctx: Context) {
  const bucket = await openBucket(objstore, ctx.paths);
  const links = await linksTo(seen(run), bucket, ctx);
  const grafana = (await ctx.engine.image(IMAGES.grafana.ref)) !== null;
  return { links, ways: await waysTo(seen(run), { links, bucket, objstore, grafana }, ctx) };
}

/** The run that is gone on with says of which benchmark it is, and how its sides were deployed. */
function asOfRun({ resume, benchmark }: BenchFlags): Partial<Pick<BenchOptions, 'benchmark' | 'begun'>> {
  if (resume === undefined) return {};
  const run = withStore((store) => store.run(resume));
  const begun = { variant: run.sides.candidate.variant, againstVariant: run.sides.baseline?.variant };
  return { begun, ...(benchmark === undefined ? { benchmark: run.benchmark } : {}) };
}

/**
 * What the history says: of one commit alone, where it lies; of the default branch, whether it seems to have changed.
 */
function remarksOn(run: RunDocument, against: string | undefined, { store }: Context): string[] {
  const { benchmark, host, status, sides, branch } = run;
  if (status !== 'complete' || run.deployed) return [];
  const { variant } = sides.candidate;
  const known = store.masterRuns(benchmark, host.id, undefined, undefined, branch, variant);
  const alone =
    !sides.baseline &&
    (against === 'master-set' || (against === undefined && known.some(({ run_id }) => run_id !== run.run_id)));
  return [
    ...(alone
      ? [
          screenText(
            screenRun(
              run,
              known,
              store.changePoints(benchmark).filter((point) => point.branch === branch && point.variant === variant),
            ),
          ),
        ]
      : []),
    ...(run.master ? suspectChanges(benchmark, host.id, store, branch, variant, known) : []),
  ];
}
