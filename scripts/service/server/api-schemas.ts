/**
 * JSON schemas of what the API takes and answers: they describe it (OpenAPI), check what is asked, and tests hold every
 * answer against them.
 */
import queueSchema from '../../../docs/schemas/mayfly.queue.v1.json' with { type: 'json' };
import runSchema from '../../../docs/schemas/mayfly.run.v1.json' with { type: 'json' };
import verdictSchema from '../../../docs/schemas/mayfly.verdict.v1.json' with { type: 'json' };
import { SERIES } from './data/data-types.ts';
import { MOST_POINTS } from './data/history-data.ts';
import { MOST_JOBS } from './data/jobs-data.ts';
import { MOST_LISTED } from './data/runs-data.ts';

export type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string' };
const number: Schema = { type: 'number' };
const count: Schema = { type: 'integer', minimum: 0 };
const flag: Schema = { type: 'boolean' };
const time: Schema = { type: 'string', format: 'date-time' };
const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
const list = (items: Schema): Schema => ({ type: 'array', items });
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const described = (schema: Schema, description: string): Schema => ({ ...schema, description });

/** An object with these fields and no others; a name with `?` behind it may be missing. */
export function fields(named: Record<string, Schema>, description?: string): Schema {
  const names = Object.keys(named);
  return {
    type: 'object',
    ...(description === undefined ? {} : { description }),
    additionalProperties: false,
    required: names.filter((name) => !name.endsWith('?')),
    properties: Object.fromEntries(names.map((name) => [name.replace(/\?$/, ''), named[name]!])),
  };
}

/** A schema of docs/schemas without references, so that it can stand inside another one. None refers to itself. */
function inlined({ $schema: _, $id: __, $defs, ...schema }: Record<string, unknown>): Schema {
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, ...rest } = value as { $ref?: string };
    const target = $ref === undefined ? {} : ($defs as Record<string, object>)[$ref.replace('#/$defs/', '')]!;
    return Object.fromEntries(Object.entries({ ...target, ...rest }).map(([key, inner]) => [key, resolve(inner)]));
  };
  return resolve(schema) as Schema;
}

const verdictDocument = inlined(verdictSchema);
const metricVerdict = (verdictDocument as { properties: { metrics: { items: Schema } } }).properties.metrics.items;
const withVerdict = inlined(runSchema) as { properties: Record<string, Schema> };
const runDocument: Schema = { ...withVerdict, properties: { ...withVerdict.properties, verdict: verdictDocument } };

const enumOf = (schema: Schema | undefined) => (schema as { enum: string[] }).enum;
const STATUS = enumOf(withVerdict.properties.status);
const verdict = oneOf(...enumOf((verdictDocument as unknown as ObjectSchema).properties.verdict));
const side = oneOf('candidate', 'baseline');
const better = oneOf('lower', 'higher', 'neither');
const interval = orNull(fields({ level: number, low: number, high: number }));
const commit = { ref: text, commit: text, 'subject?': text };
/** Of a run: with how it was deployed. */
const deployed = { ...commit, 'variant?': text };

const runLine = fields(
  {
    run_id: text,
    benchmark: text,
    status: oneOf(...STATUS),
    'status_reason?': text,
    started_at: time,
    'finished_at?': time,
    pairing: oneOf('solo', 'interleaved', 'alternating'),
    host_id: text,
    master: flag,
    'branch?': text,
    ...deployed,
    'against?': fields(deployed),
    'deployed?': described(text, 'Address at which the service was deployed already'),
    rounds_asked: count,
    rounds: count,
    valid_rounds: count,
    'verdict?': verdict,
    'summary?': text,
  },
  'A line of a list of runs',
);

interface ObjectSchema {
  properties: Record<string, Schema>;
}
const queueDocument = inlined(queueSchema) as { properties: Record<'jobs' | 'workers' | 'paused', Schema> };
const itemOf = (array: Schema) => (array as { items: Schema & ObjectSchema }).items;
const more = (schema: Schema & ObjectSchema, named: Record<string, Schema>, description: string): Schema => ({
  ...schema,
  description,
  properties: { ...schema.properties, ...named },
});
export const jobDocument = itemOf(queueDocument.properties.jobs);
const STATES = enumOf(jobDocument.properties.state);
export const jobLine = more(
  jobDocument,
  { place: described(count, 'Place in the queue, from 1'), fraction: number, subject: text },
  'A job',
);
const worker = {
  ...more(itemOf(queueDocument.properties.workers), { missing: flag }, 'A worker'),
  required: ['host', 'pid', 'slots', 'started_at', 'seen_at', 'missing'],
};
export const paused = queueDocument.properties.paused;

const benchmark = fields(
  {
    name: text,
    repositories: list(text),
    runs: count,
    suspected_open: count,
    'last_master?': fields({
      run_id: text,
      'verdict?': verdict,
      status: oneOf(...STATUS),
      sentence: text,
      ...commit,
      at: time,
    }),
    metrics: list(
      fields({
        name: text,
        title: text,
        unit: text,
        better,
        margin: number,
        last: orNull(number),
        change: orNull(number),
        points: list(fields({ run_id: text, commit: text, at: time, value: number })),
        since: orNull(fields({ commit: text, at: time, change_point: flag })),
      }),
    ),
  },
  'A benchmark with its last run of the default branch and the newest levels of its primary metrics',
);

export const benchmarks = fields({ benchmarks: list(benchmark) });

export const overview = fields({
  schema: oneOf('mayfly.overview/v1'),
  at: time,
  benchmarks: list(benchmark),
  running: list(jobLine),
  runs_by_hand: list(runLine),
  queued: list(jobLine),
  queued_total: count,
  ended: list(jobLine),
  runs: list(runLine),
  workers: list(worker),
  'paused?': paused,
});

const accepted = fields({ commit: text, by: text, reason: text, at: time, others: count });
const change = fields({
  state: oneOf('confirmed', 'open', 'refuted'),
  metric: text,
  host_id: text,
  run_id: text,
  at: time,
  before: text,
  commit: text,
  'subject?': text,
  ratio: number,
  worse: flag,
  words: text,
  'checked_by?': text,
  found_at: time,
  'accepted?': accepted,
  index: orNull(count),
});
const metricLine = { name: text, title: text, unit: text, primary: flag };

export const history = fields({
  schema: oneOf('mayfly.site-history/v1'),
  benchmark: text,
  metric: orNull(fields({ ...metricLine, better, margin: number })),
  host_id: orNull(text),
  metrics: list(fields(metricLine)),
  'branch?': text,
  branches: list(text),
  'variant?': text,
  variants: list(text),
  hosts: list(fields({ host_id: text, cpu_model: text, cores: count, runs: count })),
  points: list(
    fields({
      run_id: text,
      at: time,
      ...commit,
      level: number,
      interval,
      n: count,
      'baseline?': text,
      'verdict?': verdict,
      'summary?': text,
      runs: count,
    }),
  ),
  older: count,
  outside: count,
  other_runs: count,
  changes: list(change),
  suspected: list(change),
  'from?': time,
  'to?': time,
});

export const runs = fields({
  schema: oneOf('mayfly.site-runs/v1'),
  runs: list(runLine),
  'next?': described(text, 'What `after` takes to go on'),
});

const sideValues = fields({
  side,
  median: orNull(number),
  min: orNull(number),
  max: orNull(number),
  interval,
  dots: list(fields({ round: count, value: number, counts: flag, why: list(text) })),
});
const quantile = { share: { type: 'number', minimum: 0, maximum: 1 }, seconds: number };
const latency = fields({
  side,
  requests: count,
  quantiles: list(fields({ ...quantile, low: number, high: number })),
  rounds: list(fields({ round: count, quantiles: list(fields(quantile)) })),
});
const metric = { name: text, title: text, unit: text, better, primary: flag, margin: number };

export const run = fields({
  schema: oneOf('mayfly.site-run/v1'),
  run: runDocument,
  metrics: list(fields({ ...metric, 'verdict?': metricVerdict, sides: list(sideValues) })),
  rounds: list(
    fields({
      round: count,
      'block?': count,
      'rate?': number,
      'from_run?': text,
      started_at: time,
      window_s: number,
      sides: list(fields({ side, valid: flag, reasons: list(fields({ code: text, message: text })) })),
    }),
  ),
  latency: list(latency),
  links: fields({
    archives: list(fields({ name: text, kind: oneOf('grafana', 'query'), url: text })),
    'none?': text,
    'github?': fields({
      repository: text,
      commit: text,
      commit_url: text,
      'pull_request?': text,
      'pull_request_url?': text,
    }),
  }),
  jobs: list(jobDocument),
  'before?': fields({ run_id: text, commit: text }),
  ended: flag,
});

export const series = fields({
  schema: oneOf('mayfly.site-series/v1'),
  run_id: text,
  source: oneOf('archive', 'store'),
  'reason?': text,
  charts: list(
    fields({
      name: oneOf(...SERIES),
      title: text,
      unit: text,
      lines: list(
        fields({ side, round: count, 'service?': text, counts: flag, t: list(number), v: list(orNull(number)) }),
      ),
    }),
  ),
});

const share: Schema = { type: 'number', minimum: 0, maximum: 1 };
export const requests = fields({
  schema: oneOf('mayfly.site-requests/v1'),
  run_id: text,
  rounds: described(list(count), 'Rounds that were read: those that count'),
  requests: described(count, 'Requests that were kept'),
  of: described(count, 'Requests that there were'),
  places: described(list(text), 'Where the files lie'),
  reasons: described(list(text), 'Why some are not here, or all'),
  lines: list(
    fields({
      side,
      name: described(orNull(text), 'null: all names together'),
      requests: count,
      failed: count,
      quantiles: list(fields({ share, seconds: number })),
    }),
  ),
  edges: described(list(number), 'Edges of the bins of `shares`, seconds'),
  shares: list(fields({ side, share: list(share) })),
  points: list(
    fields(
      {
        side,
        due: described(list(number), 'Seconds since the start of the window'),
        latency: described(list(number), 'Seconds'),
        round: list(count),
        failed: list(flag),
      },
      'The slowest, those that failed, and some of the rest',
    ),
  ),
});

const compareSide = fields({ run_id: text, side, ...commit, started_at: time, status: oneOf(...STATUS) });
export const compare = fields({
  schema: oneOf('mayfly.site-compare/v1'),
  benchmark: text,
  kind: oneOf('paired', 'baseline', 'levels'),
  'swapped?': { const: true },
  a: compareSide,
  b: compareSide,
  verdict: verdictDocument,
  metrics: list(fields({ ...metric, judged: orNull(metricVerdict), a: sideValues, b: sideValues })),
  latency: fields({ a: orNull(latency), b: orNull(latency) }),
});

export const jobs = fields({
  schema: oneOf('mayfly.site-jobs/v1'),
  jobs: list(jobLine),
  total: count,
  limit: count,
  offset: count,
  'paused?': paused,
  workers: list(worker),
});

const point = {
  benchmark: text,
  host_id: text,
  metric: text,
  commit: text,
  before: text,
  run_id: text,
  at: time,
  ratio: number,
  found_at: time,
  'branch?': text,
  'variant?': text,
};
export const changes = fields({
  schema: oneOf('mayfly.site-changes/v1'),
  change_points: list(fields({ ...point, 'commits?': list(text), 'accepted?': accepted })),
  suspected: list(fields({ ...point, state: oneOf('open', 'confirmed', 'refuted'), 'checked_by?': text })),
});

export const failure = fields(
  { status: { type: 'integer' }, error: described(text, 'What was wrong, for people') },
  'An error',
);

/** What a route takes. Texts are bounded: nobody needs more. */
const bounded = (description: string, more: Schema = {}): Schema => ({
  type: 'string',
  minLength: 1,
  maxLength: 200,
  description,
  ...more,
});
const within = (maximum: number, fallback: number): Schema => ({
  type: 'integer',
  minimum: 1,
  maximum,
  default: fallback,
});
const id = (description: string): Schema => ({ type: 'string', pattern: '^[0-9A-Za-z]{26}$', description });

export const ASKED = {
  history: {
    branch: bounded('Default: the default one'),
    variant: bounded("Of the benchmark's deployment; default: none"),
    metric: bounded('Default: the first primary one'),
    host: bounded('Default: the host of the newest run'),
    from: bounded('A date, a time, or a commit'),
    to: bounded('The same; both ends belong to it'),
    limit: within(MOST_POINTS, 250),
  },
  runs: {
    benchmark: bounded('Of this benchmark'),
    commit: bounded('Of either side: a hash, the beginning (7 digits or more) of one, or a ref'),
    host: bounded('Of this host'),
    variant: bounded('Whose candidate was deployed as this variant; default: any, and none'),
    master: { type: 'boolean', description: 'Of the master set, or not' },
    status: oneOf(...STATUS),
    limit: within(MOST_LISTED, 50),
    after: id('`next` of the page before'),
  },
  series: {
    names: bounded('Separated by commas; default all', { pattern: `^(${SERIES.join('|')})(,(${SERIES.join('|')}))*$` }),
  },
  compare: {
    a: bounded('Before: a run or a commit'),
    b: bounded('After'),
    benchmark: bounded('Of commits: in this benchmark'),
  },
  jobs: {
    state: bounded('Separated by commas', { pattern: `^(${STATES.join('|')})(,(${STATES.join('|')}))*$` }),
    repository: bounded('OWNER/NAME'),
    benchmark: bounded('Of this benchmark'),
    pull_request: { type: 'integer', minimum: 1 },
    commit: bounded('A whole hash'),
    limit: within(MOST_JOBS, 50),
    offset: { type: 'integer', minimum: 0, maximum: 1_000_000, default: 0 },
  },
  changes: { benchmark: bounded('Of this benchmark') },
} as const;

export const PARAMS = {
  run: { id: id('ULID of the run') },
  job: { id: id('ULID of the job') },
  benchmark: { name: { type: 'string', pattern: '^[a-z0-9][a-z0-9._-]{0,99}$', description: 'Its name' } },
} as const;
