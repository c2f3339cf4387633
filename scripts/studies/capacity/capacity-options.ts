/** From the flags of `npm run capacity` to what is searched. */
import { benchFlags, type ConfigEnv, loadConfig } from '../../config/config.ts';
import { FLAGS, type Flag } from '../../config/flags.ts';
import { didYouMean } from '../../config/nearest.ts';
import { parseLimit } from '../../config/objectives.ts';
import type { Config } from '../../config/types.ts';
import { UsageError } from '../../core/errors.ts';
import type { Metric } from '../../documents/run.ts';
import type { Limits } from './capacity-search.ts';

/** What the run is given of the flags of `npm run bench`. */
const PASSED = ['benchmark', 'commit', 'variant', 'duration', 'warmup', 'label', 'objstore'];
const HIGHEST = 1_000_000;
const HINT = 'see npm run capacity -- --help';

export const CAPACITY_FLAGS: readonly Flag[] = [
  ...PASSED.map((name) => FLAGS.find((flag) => flag.name === name)!),
  {
    name: 'objective',
    value: 'METRIC=LIMIT',
    many: true,
    help: 'what must hold: latency_p99=50ms, failed_requests=0; besides, or instead of, those of benchmark.yaml; may be given many times',
  },
  { name: 'start-rate', value: 'N', help: 'requests per second of the first probe; default the rate of the benchmark' },
  { name: 'max-rate', value: 'N', help: `highest rate that is probed; default ${HIGHEST}` },
  {
    name: 'precision',
    value: 'SHARE',
    help: 'how near the rates that meet and do not meet the objectives must come; default 2%',
  },
];

type Values = Record<string, string[]>;

/** The configuration of the run, with its objectives, and the limits of the search. */
export async function readOptions(values: Values, env: ConfigEnv): Promise<{ config: Config; limits: Limits }> {
  const config = await loadConfig({ ...benchFlags(values, PASSED), against: 'none' }, env);
  checkModel(config);
  if (config.disturbances.length > 0)
    throw new UsageError(
      `${config.file}: the capacity is searched of a service that is left alone, but the benchmark has disturbances`,
      {
        hint: 'Measure it with a benchmark without disturbances.',
      },
    );
  const objectives = { ...config.objectives, ...parseGiven(values.objective ?? [], config.metrics) };
  if (Object.keys(objectives).length === 0) {
    throw new UsageError(`${config.file}: the benchmark has no objectives, so nothing says what rate is too high`, {
      hint: 'Write them there, for example:\n  objectives:\n    latency_p99: 50ms\n    failed_requests: 0\nor give them: --objective=latency_p99=50ms --objective=failed_requests=0',
    });
  }
  const max = rate('max-rate', values['max-rate']?.[0]) ?? HIGHEST;
  const start = rate('start-rate', values['start-rate']?.[0]) ?? Math.min(config.load.rate, max);
  if (start > max) throw new UsageError(`--start-rate=${start} is above --max-rate=${max}`, { hint: HINT });
  return { config: { ...config, objectives }, limits: { start, max, precision: precision(values.precision?.[0]) } };
}

/** Each probe has a rate of its own: only where the rate is constant does that change one thing. */
function checkModel({ file, load: { model } }: Config): void {
  const other =
    model.kind !== 'open'
      ? model.kind === 'closed'
        ? 'users'
        : 'scenarios'
      : model.arrivals === 'file'
        ? 'schedule'
        : model.stages
          ? 'stages'
          : model.arrivals === 'poisson'
            ? 'arrivals: poisson'
            : null;
  if (other)
    throw new UsageError(
      `${file}: the capacity is searched with constant rates, but the load of the benchmark has ${other}`,
      { hint: 'Measure it with a benchmark whose load has rate and duration, and constant arrivals.' },
    );
}

function parseGiven(given: readonly string[], metrics: readonly Metric[]): Record<string, number> {
  const parsed = given.map((text): [string, number] => {
    const [, name, written] = /^([a-z][a-z0-9_]*)=(.+)$/.exec(text) ?? [];
    if (!name)
      throw new UsageError(
        `--objective must be METRIC=LIMIT, for example latency_p99=50ms, got ${JSON.stringify(text)}`,
        { hint: HINT },
      );
    const metric = metrics.find((one) => one.name === name);
    const names = metrics.map((one) => one.name);
    if (!metric)
      throw new UsageError(`--objective=${text}: there is no metric ${name}${didYouMean(name, names)}`, {
        hint: `Metrics: ${names.join(', ')}.`,
      });
    const limit = parseLimit(written!, metric.unit);
    if (limit === null)
      throw new UsageError(
        `--objective=${text}: ${JSON.stringify(written)} is no limit of ${name}, whose unit is ${metric.unit}`,
        { hint: 'Times are written 50ms or 1.5s, shares 0.1%.' },
      );
    return [name, limit];
  });
  const twice = parsed.find(([name], i) => parsed.findIndex(([other]) => other === name) < i);
  if (twice) throw new UsageError(`--objective ${twice[0]} is given twice`, { hint: HINT });
  return Object.fromEntries(parsed);
}

function rate(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value > 0) || value > HIGHEST)
    throw new UsageError(
      `--${flag} must be a number of requests per second above 0 and up to ${HIGHEST}, got ${JSON.stringify(text)}`,
      { hint: HINT },
    );
  return value;
}

/** From 0.5 %, which is finer than any host repeats itself, to 50 %. */
function precision(text: string | undefined): number {
  if (text === undefined) return 0.02;
  const share = /^\d+(\.\d+)? ?%$/.test(text)
    ? Number.parseFloat(text) / 100
    : /^0?\.\d+$/.test(text)
      ? Number(text)
      : NaN;
  if (!(share >= 0.005 && share <= 0.5))
    throw new UsageError(`--precision must be a share from 0.5% to 50%, got ${JSON.stringify(text)}`, { hint: HINT });
  return share;
}
