/** npm run resources: memory and CPU requests and limits of the services of a benchmark, from what its runs have used. */
import { resolve } from 'node:path';
import { ARCHIVE_FLAG, command, type Given, jsonFlag, wholeNumber } from '../app/command.ts';
import { ROOT, withContext } from '../app/open.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { archiveBucket } from '../archive/archives.ts';
import { benchmarkName } from '../config/config.ts';
import { nearest } from '../config/nearest.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { inStep } from '../core/step.ts';
import { plural } from '../core/text.ts';
import type { ResourcesDocument, UnknownRun } from '../documents/resources.ts';
import type { RunDocument } from '../documents/run.ts';
import { checkLines, composeYaml, kubernetesYaml, resourcesTable } from '../report/resources-text.ts';
import { adviceOf, exceededIn, FORMULA, scalingOf, usedRounds } from '../studies/resources/advice.ts';
import { blocksIn, readRun, whyUnreadable } from '../studies/resources/read-blocks.ts';

const FORMATS = ['table', 'compose', 'kubernetes'] as const;
const DAY_MS = 86_400_000;

await command(
  {
    name: 'resources',
    about:
      'Proposes memory and CPU requests and limits for the services of a benchmark, from what the containers of its runs have used.',
    flags: [
      { name: 'benchmark', value: 'NAME', help: 'which benchmark: its name, or the path of its folder' },
      { name: 'days', value: 'N', help: 'runs of the last N days; default 90' },
      { name: 'variant', value: 'NAME', help: 'of this variant of its deployment; without it of what ran in none' },
      { name: 'format', value: 'FORMAT', help: 'table (the default), compose or kubernetes' },
      { name: 'check', help: 'say which runs used more than their Compose file sets; exit code 1 where one did' },
      ARCHIVE_FLAG,
      {
        name: 'objstore',
        value: 'FILE',
        help: 'read runs of before their rounds kept it from the bucket of this Thanos object-store configuration instead',
      },
      jsonFlag('mayfly.resources/v1'),
    ],
  },
  async (io, given) => {
    const format = formatOf(given);
    const asked = given.text('benchmark');
    if (asked === undefined)
      throw new UsageError('resources needs --benchmark=NAME', { hint: 'npm run runs lists what was measured.' });
    const days = wholeNumber('days', given.text('days'), { least: 1, most: 36_500, fallback: 90 });
    const variant = given.text('variant') ?? null;
    const benchmark = await benchmarkName(asked, configEnv());
    const found = runsOf(benchmark, variant, days);
    const { runs, unknown, read } = await withFigures(found, variant, given);
    if (runs.length === 0) throw noneKnown(benchmark, unknown);
    const document = documentOf(benchmark, variant, days, { runs, unknown, read });
    if (given.has('check')) document.exceeded = exceededIn(runs, variant);
    io.stdout(textOf(document, format, given));
    return (document.exceeded ?? []).length > 0 ? EXIT.regression : EXIT.pass;
  },
);

function formatOf(given: Given): (typeof FORMATS)[number] {
  const format = given.text('format') ?? 'table';
  const known = FORMATS.find((one) => one === format);
  if (!known)
    throw new UsageError(
      `--format must be ${FORMATS.slice(0, -1).join(', ')} or ${FORMATS.at(-1)}, got ${JSON.stringify(format)}`,
    );
  const other = ['json', 'check'].find((name) => given.has(name));
  if (given.has('format') && other)
    throw new UsageError(`--format and --${other} each say what is printed`, { hint: 'Give one of them.' });
  return known;
}

/** The runs of the last days that ran this variant, with rounds, the oldest first. */
function runsOf(benchmark: string, variant: string | null, days: number): RunDocument[] {
  return withStore((store) => {
    const stored = store.stored();
    const own = stored.filter((run) => run.benchmark === benchmark && run.status !== 'running');
    if (own.length === 0) {
      const near = nearest(benchmark, [...new Set(stored.map((run) => run.benchmark))]);
      throw new UsageError(`there is no run of ${benchmark}${near ? ` (did you mean ${near}?)` : ''}`, {
        hint: `npm run bench -- --benchmark=${near ?? benchmark} makes one.`,
      });
    }
    const since = Date.now() - days * DAY_MS;
    const recent = own.filter(({ started_at }) => Date.parse(started_at) >= since);
    if (recent.length === 0)
      throw new UsageError(`there is no run of ${benchmark} in the last ${plural(days, 'day')}`, {
        hint: `The newest began at ${own.at(-1)!.started_at}: --days=N goes further back.`,
      });
    const runs = recent.map(({ run_id }) => store.run(run_id));
    const variants = [
      ...new Set(runs.flatMap(({ sides }) => Object.values(sides).map((side) => side.variant ?? null))),
    ];
    if (!variants.includes(variant)) throw noVariant(benchmark, variant, variants);
    return runs.filter((run) => usedRounds(run, variant).length > 0);
  });
}

function noVariant(benchmark: string, variant: string | null, variants: (string | null)[]): UsageError {
  const named = variants.filter((one) => one !== null);
  const near = variant === null ? undefined : nearest(variant, named);
  const what = variant === null ? 'without a variant' : `in the variant ${variant}`;
  return new UsageError(`no run of ${benchmark} in that time ran ${what}${near ? ` (did you mean ${near}?)` : ''}`, {
    hint:
      named.length === 0
        ? 'Leave --variant out: its runs have none.'
        : `There are runs of ${named.map((one) => `--variant=${one}`).join(', ')}${variants.includes(null) ? ', and of none' : ''}.`,
  });
}

interface Figures {
  runs: RunDocument[];
  unknown: UnknownRun[];
  /** So many were read from the archive now. */
  read: number;
}

function hasFigures(run: RunDocument, variant: string | null): boolean {
  return usedRounds(run, variant).some(({ resources }) => (resources ?? []).length > 0);
}

/** Runs with what their containers used. What an older one has not kept is read from its blocks, once. */
async function withFigures(found: RunDocument[], variant: string | null, given: Given): Promise<Figures> {
  const without = found.filter((run) => !hasFigures(run, variant));
  if (without.length === 0) return { runs: found, unknown: [], read: 0 };
  const objstore = given.has('objstore') ? resolve(given.text('objstore')!) : undefined;
  const bucket = await archiveBucket({ archive: given.text('archive'), objstore }, paths(ROOT, process.env));
  const why = new Map(without.map((run) => [run.run_id, whyUnreadable(run, bucket)]));
  const readable = without.filter(({ run_id }) => why.get(run_id) === undefined);
  if (readable.length > 0)
    await withContext({ quiet: given.has('json'), images: ['thanos', 'prometheus'] }, (ctx) =>
      inStep(ctx.progress, `reading ${plural(readable.length, 'run')} of ${bucket.name}`, async (step) => {
        const there = await blocksIn(bucket, ctx);
        for (const [i, run] of readable.entries()) {
          ctx.signal.throwIfAborted();
          step.update(`${i} of ${plural(readable.length, 'run')}`, i / readable.length);
          const rounds = await readRun(run, bucket, there, ctx);
          if (typeof rounds === 'string') why.set(run.run_id, rounds);
          else for (const round of rounds) ctx.store.saveResources(run.run_id, round);
        }
      }),
    );
  const again = withStore((store) => found.map((run) => (readable.includes(run) ? store.run(run.run_id) : run)));
  const runs = again.filter((run) => hasFigures(run, variant));
  const unknown = again
    .filter((run) => !runs.includes(run))
    .map(({ run_id }) => ({ run_id, why: why.get(run_id) ?? 'its blocks hold no metrics of these rounds' }));
  return { runs, unknown, read: without.length - unknown.length };
}

function noneKnown(benchmark: string, unknown: readonly UnknownRun[]): UsageError {
  const reasons = [...new Set(unknown.map(({ why }) => why))];
  if (unknown.length === 0)
    return new UsageError(`no run of ${benchmark} in that time has a round`, {
      hint: 'npm run runs shows how they ended.',
    });
  return new UsageError(
    `what the containers of ${benchmark} used is known of none of ${plural(unknown.length, 'run')}: ${reasons.join('; ')}`,
    { hint: 'Every new run keeps it: npm run bench makes one.' },
  );
}

function documentOf(
  benchmark: string,
  variant: string | null,
  asked: number,
  { runs, unknown, read }: Figures,
): ResourcesDocument {
  const services = adviceOf(runs, variant);
  return {
    schema: 'mayfly.resources/v1',
    benchmark,
    variant,
    days: {
      asked,
      counted: new Set(runs.map(({ started_at }) => started_at.slice(0, 10))).size,
      first: runs[0]!.started_at,
      last: runs.at(-1)!.started_at,
    },
    runs: { counted: runs.length, read_from_archive: read, unknown },
    formula: FORMULA,
    services,
    set_by: runs.at(-1)!.run_id,
    ...scalingOf(runs.at(-1)!, variant, services),
  };
}

function textOf(document: ResourcesDocument, format: (typeof FORMATS)[number], given: Given): string {
  if (given.has('json')) return JSON.stringify(document, null, 2);
  if (given.has('check')) return checkLines(document).join('\n');
  if (format === 'compose') return composeYaml(document).trimEnd();
  if (format === 'kubernetes') return kubernetesYaml(document).trimEnd();
  return resourcesTable(document, Boolean(process.stdout.isTTY));
}
