/**
 * What the rounds of one run say together, two runs beside each other, and whether they may be compared. Pure; no
 * verdict.
 */
import { WAYS } from '../config/metric-defaults.ts';
import type {
  Better,
  Host,
  LoadDocument,
  Metric,
  RoundDocument,
  RunDocument,
  SideName,
  Unit,
} from '../documents/run.ts';
import { coefficientOfVariation, median, relativeChange } from './statistics.ts';

/** One metric of one side over its counted rounds. */
export interface Summary {
  median: number;
  min: number;
  max: number;
  /** Relative standard deviation over rounds: 0.01 is 1 %; null of a single round. */
  spread: number | null;
  rounds: number;
}

export interface SideBySide {
  name: string;
  unit: Unit;
  better: Better;
  primary: boolean;
  /** Null where the run has no value. */
  a: Summary | null;
  b: Summary | null;
  /** Median of b against that of a: 0.01 is 1 % more in b. Null where one is missing or a is 0. */
  difference: number | null;
}

/**
 * Rounds that count: those in which every side is valid, and no probes at another rate. One side's rounds, in order.
 */
export function countedRounds(run: Pick<RunDocument, 'rounds'>, side: SideName): RoundDocument[] {
  const bad = new Set(run.rounds.filter((round) => !round.valid).map((round) => round.round));
  return run.rounds.filter((round) => round.side === side && round.rate === undefined && !bad.has(round.round));
}

/** One metric of one side over its counted rounds; null where no round has a value. */
export function summarise(run: Pick<RunDocument, 'rounds'>, side: SideName, metric: string): Summary | null {
  const values = countedRounds(run, side).flatMap(({ samples }) => (samples[metric] ? [samples[metric].value] : []));
  const middle = median(values);
  return middle === null
    ? null
    : {
        median: middle,
        min: Math.min(...values),
        max: Math.max(...values),
        spread: coefficientOfVariation(values),
        rounds: values.length,
      };
}

/**
 * How the candidate differs from the baseline: the median over rounds of the change within each round, so that what
 * both sides felt cancels out. 0.01 is 1 % more; null where there is no round with both.
 */
export function difference(run: RunDocument, metric: string): number | null {
  const baseline = new Map(countedRounds(run, 'baseline').map((round) => [round.round, round.samples[metric]?.value]));
  const changes = countedRounds(run, 'candidate').map(({ round, samples }) => {
    const [value, reference] = [samples[metric]?.value, baseline.get(round)];
    return value === undefined || reference === undefined ? null : relativeChange(value, reference);
  });
  return median(changes.filter((change) => change !== null));
}

/** Every metric of both runs, with the candidates' medians. Metrics of the first run come first. */
export function sideBySide(a: RunDocument, b: RunDocument): SideBySide[] {
  const metrics = new Map<string, Metric>([...b.metrics, ...a.metrics].map((metric) => [metric.name, metric]));
  const names = [...new Set([...a.metrics, ...b.metrics].map(({ name }) => name))];
  return names.flatMap((name) => {
    const { unit, better, primary } = metrics.get(name)!;
    const [left, right] = [summarise(a, 'candidate', name), summarise(b, 'candidate', name)];
    if (!left && !right) return [];
    return {
      name,
      unit,
      better,
      primary,
      a: left,
      b: right,
      difference: left && right ? relativeChange(right.median, left.median) : null,
    };
  });
}

/** Why the figures of two runs mean different things, one sentence each; none where they may be compared. */
export function comparable(a: RunDocument, b: RunDocument): string[] {
  if (a.benchmark !== b.benchmark) return [`they are runs of different benchmarks: ${a.benchmark} and ${b.benchmark}`];
  return [
    ...withoutValues(a),
    ...withoutValues(b),
    ...deployedDifference(a, b),
    ...variantDifference(a, b),
    ...hostDifferences(a.host, b.host),
    ...(a.stack_version === b.stack_version
      ? []
      : [`they were measured by different stacks: ${a.stack_version} and ${b.stack_version}`]),
    ...pairingDifference(a, b),
    ...loadDifferences(a.load, b.load),
    ...(sameJson(a.cpusets, b.cpusets) ? [] : ['their services had different CPU sets']),
    ...metricDifferences(a.metrics, b.metrics),
  ];
}

function withoutValues(run: RunDocument): string[] {
  return countedRounds(run, 'candidate').length > 0 ? [] : [`run ${run.run_id} has no valid round`];
}

function deployedDifference(a: RunDocument, b: RunDocument): string[] {
  if (!a.deployed === !b.deployed) return [];
  return [
    `the service of one was started for it, that of the other was deployed at ${(a.deployed ?? b.deployed)!.url}`,
  ];
}

/** What two runs measured at different times in different deployments is the deployment, not the commit. */
function variantDifference(a: RunDocument, b: RunDocument): string[] {
  const [left, right] = [a, b].map(({ sides }) => sides.candidate.variant ?? 'no variant');
  return left === right ? [] : [`they are of different variants: ${left} and ${right}`];
}

function pairingDifference(a: RunDocument, b: RunDocument): string[] {
  if (a.pairing === b.pairing) return [];
  const alone = a.pairing === 'solo' || b.pairing === 'solo';
  return [
    `${alone ? 'one was measured alone, the other beside a second side' : 'their sides met in different ways'} (${a.pairing} and ${b.pairing})`,
  ];
}

const HOST_WORDS: Record<keyof Host, string> = {
  id: 'host',
  cpu_model: 'CPU',
  cores: 'number of cores',
  memory_bytes: 'memory',
  kernel: 'kernel',
  os: 'system',
  engine: 'engine',
};

function hostDifferences(a: Host, b: Host): string[] {
  const fields = (Object.keys(HOST_WORDS) as (keyof Host)[]).filter((field) => a[field] !== b[field]);
  const telling = fields.length > 1 ? fields.filter((field) => field !== 'id') : fields;
  return telling.map((field) => `the ${HOST_WORDS[field]} is another: ${a[field]} and ${b[field]}`);
}

const LOAD_WORDS: Record<keyof LoadDocument, string> = {
  generator: 'load generator',
  target: 'target',
  rate: 'rate (requests per second)',
  duration_s: 'window (seconds)',
  warmup_s: 'warm-up (seconds)',
  max_in_flight: 'limit of iterations in flight',
  vus: 'number of virtual users',
  model: 'model of the load',
  arrivals: 'kind of arrivals',
  stages: 'sequence of stages',
  users: 'number of users',
  iterations: 'number of iterations of a user',
  think_s: 'think time (seconds)',
  scenarios: 'set of scenarios',
  timeout_s: 'time-out (seconds)',
  workers: 'number of sending threads',
  workload: 'load script',
};
/** Only that they differ is said: the values tell a reader nothing, or are too long. */
const UNTOLD: readonly (keyof LoadDocument)[] = ['stages', 'scenarios', 'workload'];

/** A field that one of the two lacks is not compared: it is of the other model, or was not known yet. */
function loadDifferences(a: LoadDocument, b: LoadDocument): string[] {
  const [left, right] = [filledIn(a), filledIn(b)];
  const fields = (Object.keys(LOAD_WORDS) as (keyof LoadDocument)[]).filter(
    (field) => left[field] !== undefined && right[field] !== undefined && !sameJson(left[field], right[field]),
  );
  return fields.map(
    (field) =>
      `the ${LOAD_WORDS[field]} is another${UNTOLD.includes(field) ? '' : `: ${left[field]} and ${right[field]}`}`,
  );
}

/** A load with what goes without saying; a closed model has no rate. */
const filledIn = (load: LoadDocument): Partial<LoadDocument> =>
  load.model === 'closed' || load.model === 'scenarios'
    ? { ...load, rate: undefined }
    : { model: 'open', arrivals: 'constant', stages: [], ...load };

/** A metric of the same name that is read in another way. */
function metricDifferences(a: Metric[], b: Metric[]): string[] {
  const other = new Map(b.map((metric) => [metric.name, metric]));
  return a
    .filter(
      ({ name, unit, ...how }) =>
        other.has(name) &&
        (other.get(name)!.unit !== unit || WAYS.some((way) => !sameJson(other.get(name)![way], how[way]))),
    )
    .map(({ name }) => `the metric ${name} is read in another way`);
}

const sameJson = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
