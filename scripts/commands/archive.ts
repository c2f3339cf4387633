/** npm run archive: maintenance of the archive. archive/maintenance/ holds what each command does; here are its flags. */
import { resolve } from 'node:path';
import { commands, type Given, jsonFlag, type Subcommand } from '../app/command.ts';
import type { Context } from '../app/context.ts';
import { withContext } from '../app/open.ts';
import { configEnv } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { listBlocks } from '../archive/blocks.ts';
import type { Bucket } from '../archive/bucket.ts';
import { linksTo } from '../archive/links.ts';
import { parseAge, parseCount, parseKeepLabel, parseSize } from '../archive/maintenance/age-and-size.ts';
import { findRunId, groupRuns } from '../archive/maintenance/archived-runs.ts';
import { alone } from '../archive/maintenance/exclusive.ts';
import { listRuns, listText, showRun, showText } from '../archive/maintenance/list.ts';
import { markRun, markText, prune, pruneText } from '../archive/maintenance/prune.ts';
import { PUSH_ABOUT, PUSH_SCHEMA, push, pushDocument, pushExit, pushText } from '../archive/maintenance/push.ts';
import { exportRun, importRun } from '../archive/maintenance/transfer.ts';
import { verify, verifyText } from '../archive/maintenance/verify.ts';
import { rebuildTrends } from '../archive/rebuild-trends.ts';
import { benchmarkName } from '../config/config.ts';
import type { Flag } from '../config/flags.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { plural } from '../core/text.ts';
import { formatValue } from '../report/units.ts';

const BUCKET: readonly Flag[] = [
  { name: 'archive', value: 'NAME', help: 'the bucket of the archive of that name; default: default' },
  { name: 'objstore', value: 'FILE', help: 'the bucket of this Thanos object-store configuration instead' },
];
const YES: Flag = { name: 'yes', help: 'do it; without it what would be done is shown' };
const ONE_RUN = { text: 'RUN', min: 1, max: 1, what: 'one run', hint: 'npm run archive -- ls lists the runs.' };
const LIMIT = 20;

/** Sets the machine up, opens the bucket that the flags name, and prints what `work` gives. */
async function onBucket<T>(
  given: Given,
  images: ('thanos' | 'prometheus')[],
  work: (bucket: Bucket, ctx: Context) => Promise<T>,
): Promise<T> {
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  return withContext({ quiet: given.has('json'), images }, async (ctx) =>
    work(await archiveBucket({ archive: given.text('archive'), objstore }, ctx.paths), ctx),
  );
}

/** Alone where something will be changed; a look needs no lock. */
const whileAlone = <T>(changes: boolean, ctx: Context, work: () => Promise<T>): Promise<T> =>
  changes ? alone(ctx, work) : work();
const printed = (given: Given, document: unknown, text: () => string): string =>
  given.has('json') ? JSON.stringify(document, null, 2) : text();
const benchmarkOf = async (given: Given): Promise<string | undefined> => {
  const asked = given.text('benchmark');
  return asked === undefined ? undefined : benchmarkName(asked, configEnv());
};
const counted = (given: Given, name: string, least: number) =>
  given.has(name) ? parseCount(name, given.text(name)!, least) : undefined;
const aged = (given: Given, name: string) => (given.has(name) ? parseAge(name, given.text(name)!) : undefined);

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'ls',
    about: 'Lists the runs in the bucket, newest first.',
    flags: [
      { name: 'benchmark', value: 'NAME', help: 'only runs of this benchmark: its name, or the path of its folder' },
      { name: 'limit', value: 'N', help: `at most so many runs; default ${LIMIT}` },
      ...BUCKET,
      jsonFlag('mayfly.archive-list/v1'),
    ],
    work: async (io, given) => {
      const limit = counted(given, 'limit', 1) ?? LIMIT;
      const benchmark = await benchmarkOf(given);
      const list = await onBucket(given, ['thanos'], (bucket, ctx) =>
        listRuns(bucket, { limit, ...(benchmark === undefined ? {} : { benchmark }) }, ctx),
      );
      io.stdout(printed(given, list, () => listText(list, process.stdout.isTTY)));
      return EXIT.pass;
    },
  },
  {
    name: 'show',
    about: 'Shows the blocks of one run. RUN is an id, the beginning of one, or last.',
    takes: ONE_RUN,
    flags: [...BUCKET, jsonFlag('mayfly.archive-run/v1')],
    work: async (io, given) => {
      const { run, links } = await onBucket(given, ['thanos'], async (bucket, ctx) => {
        const run = await showRun(given.positionals[0]!, bucket, ctx);
        const times = run.blocks.flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)]);
        return {
          run,
          links:
            times.length > 0
              ? await linksTo(
                  {
                    run_id: run.run_id,
                    benchmark: run.blocks[0]!.labels.benchmark ?? '',
                    from: Math.min(...times),
                    to: Math.max(...times),
                  },
                  bucket,
                  ctx,
                )
              : [],
        };
      });
      io.stdout(printed(given, run, () => showText(run, links.length > 0 ? links : ['npm run archive:up'])));
      return EXIT.pass;
    },
  },
  {
    name: 'verify',
    about: 'Reads every block and holds the bucket and the store against each other. Exit code 4: something is wrong.',
    flags: [
      { name: 'run', value: 'RUN', help: 'only this run' },
      { name: 'quick', help: 'only meta.json and the sizes of the files' },
      {
        name: 'repair',
        help: 'repair what can be repaired; a damaged block of raw metrics without another copy is kept',
      },
      ...BUCKET,
      jsonFlag('mayfly.verify/v1'),
    ],
    work: async (io, given) => {
      const document = await onBucket(given, ['thanos', 'prometheus'], async (bucket, ctx) => {
        const run = given.has('run')
          ? findRunId(given.text('run')!, groupRuns((await listBlocks(bucket, ctx)).blocks), ctx)
          : undefined;
        const options = {
          quick: given.has('quick'),
          repair: given.has('repair'),
          ...(run === undefined ? {} : { run }),
        };
        return whileAlone(options.repair, ctx, () => verify(bucket, options, ctx));
      });
      io.stdout(printed(given, document, () => verifyText(document)));
      return document.ok ? EXIT.pass : EXIT.infrastructure;
    },
  },
  {
    name: 'push',
    about: PUSH_ABOUT,
    flags: [jsonFlag(PUSH_SCHEMA)],
    work: async (io, given) => {
      const pushed = await withContext({ quiet: given.has('json'), images: ['thanos', 'prometheus'] }, push);
      io.stdout(printed(given, pushDocument(pushed), () => pushText(pushed)));
      return pushExit(pushed);
    },
  },
  {
    name: 'prune',
    about:
      'Removes raw metrics by age, number, size and label; the records of the runs stay. Shows what would go, unless --yes is given.',
    flags: [
      { name: 'older-than', value: 'AGE', help: 'runs that ended longer ago go: 90d, 12h, 8w' },
      { name: 'keep-last', value: 'N', help: 'the newest N runs of each benchmark stay; alone: all others go' },
      { name: 'max-size', value: 'SIZE', help: 'the oldest runs go until the rest fits: 50GB' },
      {
        name: 'keep-label',
        value: 'NAME[=VALUE]',
        many: true,
        help: 'runs with this label stay; may be given many times',
      },
      {
        name: 'benchmark',
        value: 'NAME',
        help: 'only runs of this benchmark (its name, or the path of its folder) are looked at',
      },
      { name: 'unknown', help: 'runs that the store does not know go too' },
      {
        name: 'trend-older-than',
        value: 'AGE',
        help: 'trend blocks whose newest sample is older go; the next rebuild-trends makes them again',
      },
      {
        name: 'telemetry-older-than',
        value: 'AGE',
        help: 'blocks of npm run telemetry -- import whose newest sample is older go',
      },
      YES,
      { name: 'now', help: 'remove at once; without it what is marked stays for two days more' },
      ...BUCKET,
      jsonFlag('mayfly.prune/v1'),
    ],
    work: async (io, given) => {
      const olderThanMs = aged(given, 'older-than');
      const keepLast = counted(given, 'keep-last', 1);
      const maxBytes = given.has('max-size') ? parseSize('max-size', given.text('max-size')!) : undefined;
      const trendOlderThanMs = aged(given, 'trend-older-than');
      const telemetryOlderThanMs = aged(given, 'telemetry-older-than');
      const benchmark = await benchmarkOf(given);
      if (
        [olderThanMs, keepLast, maxBytes, trendOlderThanMs, telemetryOlderThanMs].every((value) => value === undefined)
      ) {
        throw new UsageError('prune needs to know what may go', {
          hint: 'Give --older-than, --keep-last, --max-size, --trend-older-than or --telemetry-older-than; npm run archive -- prune --help explains them.',
        });
      }
      if (given.has('now') && !given.has('yes'))
        throw new UsageError('--now needs --yes', { hint: 'Without --yes nothing is removed.' });
      const criteria = {
        keepLabels: (given.values['keep-label'] ?? []).map(parseKeepLabel),
        unknown: given.has('unknown'),
        ...(olderThanMs === undefined ? {} : { olderThanMs }),
        ...(keepLast === undefined ? {} : { keepLast }),
        ...(maxBytes === undefined ? {} : { maxBytes }),
        ...(benchmark === undefined ? {} : { benchmark }),
      };
      const options = {
        criteria,
        yes: given.has('yes'),
        now: given.has('now'),
        ...(trendOlderThanMs === undefined ? {} : { trendOlderThanMs }),
        ...(telemetryOlderThanMs === undefined ? {} : { telemetryOlderThanMs }),
      };
      const document = await onBucket(given, ['thanos'], (bucket, ctx) =>
        whileAlone(options.yes, ctx, () => prune(bucket, options, ctx)),
      );
      io.stdout(printed(given, document, () => pruneText(document, given.has('now'))));
      return document.not_removed ? EXIT.infrastructure : EXIT.pass;
    },
  },
  {
    name: 'export',
    about: 'Writes one run to one file: its record, the raw material of its rounds, its blocks.',
    takes: ONE_RUN,
    flags: [
      { name: 'out', value: 'FILE', help: 'where to; default mayfly-RUN.tar in the checkout' },
      ...BUCKET,
      jsonFlag('mayfly.exported/v1'),
    ],
    work: async (io, given) => {
      const document = await onBucket(given, ['thanos'], (bucket, ctx) =>
        exportRun(given.positionals[0]!, given.text('out'), bucket, ctx),
      );
      io.stdout(
        printed(
          given,
          document,
          () =>
            `run ${document.run_id} with ${plural(document.blocks.length, 'block')} (${formatValue(document.bytes, 'bytes')}) is in ${document.file}`,
        ),
      );
      return EXIT.pass;
    },
  },
  {
    name: 'import',
    about: 'Takes a run from a file of export into the store and the bucket. Importing it again changes nothing.',
    takes: { text: 'FILE', min: 1, max: 1, what: 'one file', hint: 'npm run archive -- export RUN writes one.' },
    flags: [...BUCKET, jsonFlag('mayfly.import/v1')],
    work: async (io, given) => {
      const document = await onBucket(given, ['thanos', 'prometheus'], (bucket, ctx) =>
        alone(ctx, () => importRun(given.positionals[0]!, bucket, ctx)),
      );
      const { run_id, bucket, blocks, new_run } = document;
      const there = !new_run && blocks.length === 0;
      io.stdout(
        printed(given, document, () =>
          there
            ? `run ${run_id} is there already, and whole`
            : `run ${run_id}: ${new_run ? 'its record is in the store' : 'its record was there'}, ${plural(blocks.length, 'block')} brought to ${bucket}`,
        ),
      );
      return EXIT.pass;
    },
  },
  {
    name: 'mark-delete',
    about: 'Marks the blocks of one run for deletion. Shows what would be marked, unless --yes is given.',
    takes: ONE_RUN,
    flags: [YES, { name: 'undo', help: 'take the mark back' }, ...BUCKET, jsonFlag('mayfly.mark/v1')],
    work: async (io, given) => {
      const document = await onBucket(given, ['thanos'], (bucket, ctx) =>
        whileAlone(given.has('yes'), ctx, () =>
          markRun(given.positionals[0]!, bucket, { undo: given.has('undo'), yes: given.has('yes') }, ctx),
        ),
      );
      io.stdout(printed(given, document, () => markText(document)));
      return EXIT.pass;
    },
  },
  {
    name: 'rebuild-trends',
    about: 'Makes the trend samples of all runs anew from the store.',
    flags: [...BUCKET, jsonFlag('mayfly.rebuild-trends/v1')],
    work: async (io, given) => {
      const document = await onBucket(given, ['thanos', 'prometheus'], async (bucket, ctx) => ({
        schema: 'mayfly.rebuild-trends/v1',
        bucket: bucket.name,
        ...(await rebuildTrends(bucket, ctx)),
      }));
      io.stdout(
        printed(
          given,
          document,
          () =>
            `${plural(document.runs, 'run')} in ${plural(document.blocks, 'trend block')}; ${document.removed} of before marked for deletion`,
        ),
      );
      return EXIT.pass;
    },
  },
];

await commands(
  'archive',
  'Looks after the runs in the bucket: what is there, whether it is whole, what may go, and how a run moves to another archive.',
  SUBCOMMANDS,
);
