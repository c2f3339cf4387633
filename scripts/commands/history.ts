/** npm run history: how the default branch went, and what changed on it. */
import { command, jsonFlag, limitOf } from '../app/command.ts';
import { withContext } from '../app/open.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { benchmarkName, loadConfig } from '../config/config.ts';
import { didYouMean } from '../config/nearest.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { RUN_IMAGES } from '../images/images.ts';
import { seriesOf } from '../judge/series.ts';
import { type HistoryDocument, historySeries, historyText } from '../report/history-text.ts';
import type { ChangePoint, Store } from '../store/db.ts';
import { checkedText, confirmChanges, suspectChanges } from '../studies/history/confirm-changes.ts';

/** Points that are drawn unless --limit says otherwise. */
const LIMIT = 200;

await command(
  {
    name: 'history',
    about:
      'Draws the runs of the default branch (bench --master), or of another one, looks for changes in them, and confirms those that are suspected.',
    flags: [
      {
        name: 'benchmark',
        value: 'NAME',
        help: 'a benchmark of this checkout, or the path of a folder with a benchmark.yaml; default shop',
      },
      { name: 'branch', value: 'NAME', help: 'of this branch; default the default branch' },
      { name: 'variant', value: 'NAME', help: "of this variant of the benchmark's deployment; default those of none" },
      { name: 'metric', value: 'M', help: 'draw this metric; default the primary ones' },
      { name: 'host', value: 'ID', help: 'of this host; default the one of the newest run' },
      { name: 'limit', value: 'N', help: `draw the newest N runs; default ${LIMIT}` },
      {
        name: 'confirm',
        help: 'measure before and after of each suspected change of this host; exit code 1 if a regression is confirmed that nobody has accepted',
      },
      { name: 'max-minutes', value: 'N', help: 'of each of these comparisons' },
      { name: 'quiet', help: 'no progress; warnings and errors only' },
      jsonFlag('mayfly.history/v1'),
    ],
  },
  async (io, { text, has }) => {
    const asked = text('benchmark') ?? 'shop';
    const benchmark = await benchmarkName(asked, configEnv());
    const limit = limitOf(text('limit'), LIMIT);
    const maxMinutes = text('max-minutes');
    if (!has('confirm')) {
      if (maxMinutes !== undefined)
        throw new UsageError('--max-minutes needs --confirm', { hint: 'see npm run history -- --help' });
      const document = withStore((store) =>
        readHistory(
          benchmark,
          {
            host: text('host'),
            branch: text('branch'),
            variant: text('variant'),
            metric: text('metric'),
            limit,
          },
          store,
        ),
      );
      io.stdout(
        has('json')
          ? JSON.stringify(document, null, 2)
          : historyText(document, { color: process.stdout.isTTY, width: process.stdout.columns ?? 80 }),
      );
      return EXIT.pass;
    }
    for (const flag of ['metric', 'host', 'limit', 'json'])
      if (has(flag))
        throw new UsageError(`--${flag} does not go with --confirm`, { hint: 'see npm run history -- --help' });
    // Wrong options are reported before anything is set up.
    await loadConfig(
      { benchmark: asked, commit: 'HEAD', ...(maxMinutes === undefined ? {} : { maxMinutes: String(maxMinutes) }) },
      configEnv(),
    );
    withStore((store) => readHistory(benchmark, { branch: text('branch'), variant: text('variant'), limit }, store));
    const checked = await withContext({ quiet: has('quiet'), images: RUN_IMAGES }, (ctx) =>
      confirmChanges(asked, benchmark, maxMinutes === undefined ? {} : { maxMinutes }, ctx),
    );
    io.stdout(checkedText(checked, asked));
    if (checked.some(({ state, worse, accepted }) => state === 'confirmed' && worse && accepted?.others !== 0))
      return EXIT.regression;
    return checked.some(({ failed }) => failed) ? EXIT.infrastructure : EXIT.pass;
  },
);

/** Reads the history; changes that are new in it are kept as suspected. */
function readHistory(
  benchmark: string,
  {
    host,
    branch,
    variant,
    metric,
    limit,
  }: Partial<Record<'host' | 'branch' | 'variant' | 'metric', string | undefined>> & { limit: number },
  store: Store,
): HistoryDocument {
  const host_id = host ?? store.masterHost(benchmark, branch, variant);
  const known =
    host_id === undefined
      ? []
      : store.masterRuns(benchmark, host_id, metric === undefined ? undefined : [metric], undefined, branch, variant);
  if (host_id === undefined || known.length === 0) {
    throw new UsageError(
      `there is no complete run of ${branch === undefined ? 'the default branch' : `the branch ${JSON.stringify(branch)}`} of ${JSON.stringify(benchmark)}${variant === undefined ? '' : ` in the variant ${JSON.stringify(variant)}`}${host === undefined ? '' : ` on host ${host}`}`,
      {
        hint: `npm run bench -- --benchmark=${benchmark} --master${branch === undefined ? '' : ` --branch=${branch}`}${variant === undefined ? '' : ` --variant=${variant}`} makes one; npm run runs lists all runs.`,
      },
    );
  }
  const metrics = known.at(-1)!.metrics;
  if (metric !== undefined && !metrics.some(({ name }) => name === metric)) {
    const names = metrics.map(({ name }) => name);
    throw new UsageError(`${benchmark} has no metric ${JSON.stringify(metric)}${didYouMean(metric, names)}`, {
      hint: `One of ${names.join(', ')}.`,
    });
  }
  suspectChanges(benchmark, host_id, store, branch, variant, metric === undefined ? known : undefined);
  const ofLine = (change: ChangePoint) => change.branch === branch && change.variant === variant;
  const wanted = metric === undefined ? metrics.filter(({ primary }) => primary).map(({ name }) => name) : [metric];
  return {
    schema: 'mayfly.history/v1',
    benchmark,
    host_id,
    ...(branch === undefined ? {} : { branch }),
    ...(variant === undefined ? {} : { variant }),
    series: wanted.flatMap((name) => historySeries(seriesOf(known, name), limit)),
    suspected: store.suspectedChanges(benchmark, host_id).filter(ofLine),
    change_points: store.changePoints(benchmark).filter((point) => point.host_id === host_id && ofLine(point)),
  };
}
