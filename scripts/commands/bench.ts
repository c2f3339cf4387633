/** npm run bench: measures a commit, and compares it. */

import type { Context } from '../app/context.ts';
import { withContext } from '../app/open.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { checkVerdictFiles, exitCodeOf, writeVerdictFiles } from '../app/verdict-files.ts';
import { openBucket } from '../archive/bucket.ts';
import { linksTo, seen, waysTo } from '../archive/links.ts';
import { type BenchFlags, loadConfig, parseBenchArgs } from '../config/config.ts';
import type { VerdictOutputs } from '../config/flags.ts';
import { type Io, main } from '../core/cli.ts';
import { CandidateError, EXIT, firstLine, NothingToCompare, original, UsageError } from '../core/errors.ts';
import type { RunDocument } from '../documents/run.ts';
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
  const config = await loadConfig({ ...flags, ...benchmarkToResume(flags) }, configEnv());
  const alone = flags.against === 'none' || flags.against === 'master-set';
  const [format] = Object.keys(flags.verdict.files);
  if (alone && format)
    throw new UsageError(`--${format} is for a verdict, and with --against=${flags.against} there is none`, {
      hint: 'Leave it out, or name what to compare with: --against=REF.',
    });
  checkVerdictFiles(flags.verdict, cwd);
  const measured = await withContext({ quiet: flags.quiet, images: RUN_IMAGES }, async (ctx) => {
    const run = await bench(config, ctx).catch((error: unknown) => {
      writeFailure(error, flags.verdict, cwd, ctx, io);
      throw error;
    });
    const { links, ways } = await placesOf(run, config.objstore, ctx).catch(() => ({ links: [], ways: [] }));
    return { run, links, ways, remarks: remarksOn(run, config.against, ctx) };
  }).catch((error: unknown) => {
    if (error instanceof NothingToCompare) return error;
    throw error;
  });
  if (measured instanceof NothingToCompare) {
    const { benchmark, commit } = config;
    const { message: reason } = measured;
    io.stdout(
      flags.json ? JSON.stringify({ schema: 'mayfly.nothing-to-compare/v1', benchmark, commit, reason }) : reason,
    );
    for (const file of Object.values(flags.verdict.files)) io.stderr(`${file} is not written: nothing was measured`);
    return EXIT.pass;
  }
  const { run, links, ways, remarks } = measured;
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
});

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

/** URLs of the run in archives that are up, and what the closing list says: how to come there where none is. */
async function placesOf(run: RunDocument, objstore: string | undefined, ctx: Context) {
  const bucket = await openBucket(objstore, ctx.paths);
  const links = await linksTo(seen(run), bucket, ctx);
  const grafana = (await ctx.engine.image(IMAGES.grafana.ref)) !== null;
  return { links, ways: await waysTo(seen(run), { links, bucket, objstore, grafana }, ctx) };
}

/** The run that is gone on with says of which benchmark it is. */
function benchmarkToResume({ resume, benchmark }: BenchFlags): { benchmark?: string } {
  if (resume === undefined || benchmark !== undefined) return {};
  return { benchmark: withStore((store) => store.run(resume).benchmark) };
}

/**
 * What the history says: of one commit alone, where it lies; of the default branch, whether it seems to have changed.
 */
function remarksOn(run: RunDocument, against: string | undefined, { store }: Context): string[] {
  const { benchmark, host, status, sides, branch } = run;
  if (status !== 'complete') return [];
  const known = store.masterRuns(benchmark, host.id, undefined, undefined, branch);
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
              store.changePoints(benchmark).filter((point) => point.branch === branch),
            ),
          ),
        ]
      : []),
    ...(run.master ? suspectChanges(benchmark, host.id, store, branch, known) : []),
  ];
}
