/** From the flags of `npm run bisect` to a bisection: a new one, or one that was begun. */
import { resolve } from 'node:path';
import { ulid } from 'ulid';
import type { Context } from '../../app/context.ts';
import { type ConfigEnv, loadConfig, parseBenchArgs } from '../../config/config.ts';
import { FLAGS, type Flag } from '../../config/flags.ts';
import { didYouMean } from '../../config/nearest.ts';
import type { Config } from '../../config/types.ts';
import { UsageError } from '../../core/errors.ts';
import { fingerprint } from '../../plan/host.ts';
import type { BisectDocument } from '../../report/bisect-text.ts';
import type { StoredBisection } from '../../store/judgements.ts';
import { LABEL } from './bisect-commits.ts';
import { listCommits } from './commits.ts';

/** What every comparison is given of the flags of `npm run bench`. */
const PASSED = [
  'benchmark',
  'variant',
  'rate',
  'duration',
  'warmup',
  'pairing',
  'max-rounds',
  'max-minutes',
  'objstore',
];

export const BISECT_FLAGS: readonly Flag[] = [
  { name: 'good', value: 'REF', help: 'a commit before it became slower: hash, branch or tag' },
  { name: 'bad', value: 'REF', help: 'a commit that is slower; default HEAD' },
  {
    name: 'metric',
    value: 'NAME',
    help: 'search by this metric; default any primary one, and then the one that stands out most',
  },
  ...PASSED.map((name) => FLAGS.find((flag) => flag.name === name)!).map((flag) =>
    flag.name === 'max-minutes' ? { ...flag, help: 'for each comparison: begin no round after so many minutes' } : flag,
  ),
  {
    name: 'resume',
    value: 'ID',
    help: 'go on with a bisection, or show its answer again: its id, or the beginning of one; the same command goes on by itself',
  },
];

export interface BisectOptions {
  good?: string;
  bad: string;
  metric?: string;
  resume?: string;
  /** Flags of `npm run bench`, paths absolute. */
  flags: string[];
}

/** Throws a UsageError for flags that exclude each other. */
export function readOptions(text: (name: string) => string | undefined, cwd: string): BisectOptions {
  const flags = PASSED.flatMap((name) =>
    text(name) === undefined ? [] : [`--${name}=${absolute(name, text(name)!, cwd)}`],
  );
  const [good, bad, metric, resume] = ['good', 'bad', 'metric', 'resume'].map(text);
  if (resume !== undefined) {
    const other = ['good', 'bad', 'metric', ...PASSED].find((name) => text(name) !== undefined);
    if (other)
      throw new UsageError(`--resume goes on with a bisection as it was begun, so --${other} cannot be given with it`, {
        hint: 'Leave it out, or begin a new one.',
      });
  } else if (good === undefined)
    throw new UsageError('--good must name a commit before it became slower', {
      hint: 'usage: npm run bisect -- --good=REF --bad=REF',
    });
  return {
    ...(good === undefined ? {} : { good }),
    bad: bad ?? 'HEAD',
    ...(metric === undefined ? {} : { metric }),
    ...(resume === undefined ? {} : { resume }),
    flags,
  };
}

const absolute = (name: string, value: string, cwd: string) =>
  name === 'objstore' || (name === 'benchmark' && value.includes('/')) ? resolve(cwd, value) : value;

/**
 * The bisection that is meant, and the configuration of its comparisons. Both commits are found and checked for a new
 * one.
 */
export async function openBisection(
  options: BisectOptions,
  env: ConfigEnv,
  ctx: Context,
): Promise<{ bisection: BisectDocument; config: Config }> {
  if (options.resume !== undefined) {
    const bisection = storedBisection(options.resume, ctx.store.bisections() as StoredBisection<BisectDocument>[]);
    return { bisection, config: await configOf(bisection, env) };
  }
  const fresh = { bisection_id: ulid(), flags: options.flags };
  const config = await configOf(fresh, env);
  checkMetric(options.metric, config);
  const commits = await listCommits(config, { good: options.good!, bad: options.bad }, ctx);
  const host_id = fingerprint(ctx.machine.engine).id;
  const begun = (ctx.store.bisections(config.benchmark) as StoredBisection<BisectDocument>[])
    .map(({ document }) => document)
    .find(
      (one) =>
        !one.answer &&
        one.host_id === host_id &&
        one.metric === (options.metric ?? null) &&
        one.flags.join(' ') === options.flags.join(' ') &&
        one.commits[0]!.commit === commits[0]!.commit &&
        one.commits.at(-1)!.commit === commits.at(-1)!.commit,
    );
  if (begun) {
    ctx.progress.info(`going on with bisection ${begun.bisection_id}, ${begun.comparisons.length} compared`);
    return { bisection: begun, config: await configOf(begun, env) };
  }
  const bisection: BisectDocument = {
    schema: 'mayfly.bisect/v1',
    ...fresh,
    benchmark: config.benchmark,
    host_id,
    started_at: new Date(ctx.now()).toISOString(),
    good: options.good!,
    bad: options.bad,
    metric: options.metric ?? null,
    commits,
    judged: null,
    comparisons: [],
    answer: null,
  };
  ctx.store.saveBisection({
    bisection_id: bisection.bisection_id,
    benchmark: bisection.benchmark,
    state: 'running',
    document: bisection,
  });
  return { bisection, config };
}

/** The names of the sides stand for the commits that each comparison fills in. */
const configOf = ({ bisection_id, flags }: Pick<BisectDocument, 'bisection_id' | 'flags'>, env: ConfigEnv) =>
  loadConfig(
    { ...parseBenchArgs(flags), profile: false, commit: 'bad', against: 'good', labels: { [LABEL]: bisection_id } },
    env,
  );

function storedBisection(wanted: string, stored: StoredBisection<BisectDocument>[]): BisectDocument {
  const found = stored.filter(({ bisection_id }) => bisection_id.startsWith(wanted.toUpperCase()));
  if (found.length === 1) return found[0]!.document;
  const hint =
    stored.length === 0
      ? 'npm run bisect -- --good=REF --bad=REF begins one.'
      : `The newest: ${stored
          .slice(0, 3)
          .map(({ bisection_id }) => bisection_id)
          .join(', ')}.`;
  throw new UsageError(
    found.length === 0
      ? `there is no bisection ${JSON.stringify(wanted)}`
      : `${JSON.stringify(wanted)} is the beginning of ${found.length} bisections`,
    { hint },
  );
}

function checkMetric(wanted: string | undefined, { metrics, file }: Config): void {
  const names = metrics.map(({ name }) => name);
  if (wanted !== undefined && !names.includes(wanted))
    throw new UsageError(
      `--metric must be a metric of the benchmark${didYouMean(wanted, names)}, got ${JSON.stringify(wanted)}`,
      { hint: `Metrics: ${names.join(', ')}.` },
    );
  if (wanted === undefined && !metrics.some(({ primary }) => primary))
    throw new UsageError(`${file}: no metric is primary, so nothing can decide`, {
      hint: 'Name one with --metric, or set primary: true.',
    });
}
