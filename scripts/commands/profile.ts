/** npm run profile: where the CPU time of a run went, by its profiles; and the profiles as files. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { command, type Given, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { withStore } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { copyToFolder } from '../archive/blocks.ts';
import { type FoundProfile, findProfiles, profilesIn } from '../archive/carried-profiles.ts';
import { inTemporary } from '../archive/maintenance/read.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { plural } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';
import { functionsText, type ServiceFunctions } from '../report/profile-text.ts';
import type { StoredTree } from '../store/profiles.ts';
import { changesOf, differenceOf, functionsOf } from '../telemetry/flame.ts';
import { unpackTree } from '../telemetry/stacks.ts';

/** Functions of a table on each end. */
const FUNCTIONS = 15;

await command(
  {
    name: 'profile',
    about:
      'Shows where the CPU time of a run went: the functions that grew and shrank between its sides, or those that took most. RUN is an id, the beginning of one, or last.',
    takes: { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run runs lists the runs.' },
    flags: [
      { name: 'functions', value: 'N', help: `so many that grew, and so many that shrank; default ${FUNCTIONS}` },
      {
        name: 'out',
        value: 'FOLDER',
        help: 'write the files of the profilers there: a .cpuprofile opens in the DevTools of Chrome and in speedscope, a .pprof in go tool pprof',
      },
      {
        name: 'archive',
        value: 'NAME',
        help: 'of a run in an object store: the archive that shows it; default: default',
      },
      { name: 'objstore', value: 'FILE', help: 'likewise: its Thanos object-store configuration' },
    ],
  },
  async (io, given) => {
    const most = wholeNumber('functions', given.text('functions'), { least: 1, most: 1000, fallback: FUNCTIONS });
    const { run, trees } = withStore((store) => {
      const run = store.run(given.positionals[0]!);
      return { run, trees: store.profileTrees(run.run_id) };
    });
    if (!run.profiles)
      throw new UsageError(`run ${run.run_id} has no profile`, {
        hint: 'npm run bench -- --profile takes one, of a benchmark with telemetry (docs/telemetry.md).',
      });
    const services = servicesOf(trees);
    if (services.length > 0) io.stdout(functionsText(services, most, Boolean(process.stdout.isTTY)));
    for (const { side, file, fault } of run.profiles)
      if (fault !== undefined) io.stderr(`a profile of the ${side} is kept as it is, and not shown: ${file} ${fault}`);
    const out = given.text('out');
    if (out !== undefined) await writeFiles(run, resolve(out), given, io.stderr);
    return EXIT.pass;
  },
);

function servicesOf(trees: readonly StoredTree[]): ServiceFunctions[] {
  return [...Map.groupBy(trees, ({ service }) => service)].map(([service, stored]) => {
    const [first, other] = stored.map(({ tree }) => unpackTree(tree));
    return other
      ? { service, changes: changesOf(differenceOf(first!, other)) }
      : { service, functions: functionsOf(first!) };
  });
}

async function writeFiles(run: RunDocument, out: string, given: Given, say: (line: string) => void): Promise<void> {
  const write = async (found: readonly FoundProfile[]) => {
    await mkdir(out, { recursive: true });
    for (const { file, profile } of found) await copyFile(file, join(out, profile.file));
    const lost = run.profiles!.filter((one) => found.every(({ profile }) => profile.file !== one.file));
    if (found.length === 0)
      throw new UsageError(`the profiles of run ${run.run_id} are not on this host`, {
        hint: run.archive?.removed_at
          ? `They were removed with its metrics on ${run.archive.removed_at.slice(0, 10)}.`
          : `npm run archive -- verify --run=${run.run_id} looks for them.`,
      });
    say(
      `wrote ${plural(found.length, 'file')} to ${out}${lost.length > 0 ? `; ${lost.length} of them are lost: ${lost.map(({ file }) => file).join(', ')}` : ''}`,
    );
  };
  const { found, elsewhere } = await findProfiles(run, paths(ROOT, process.env));
  if (!elsewhere) return write(found);
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  await withContext({ quiet: false, images: ['thanos'] }, async (ctx) => {
    const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths);
    if (run.archive!.bucket !== bucket.name)
      throw new UsageError(`the profiles of run ${run.run_id} are in ${run.archive!.bucket}`, {
        hint: 'Name that bucket by --objstore or --archive.',
      });
    await inTemporary(
      'profiles',
      async (folder) => {
        await copyToFolder(bucket, run.archive!.blocks, folder, ctx);
        await write(await profilesIn(folder, run));
      },
      ctx,
    );
  });
}
