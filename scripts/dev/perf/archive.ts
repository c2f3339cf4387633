/**
 * npm run perf:archive: does the archive stay fast when it holds every run of two years? Store and Query, as
 * compose/archive.yaml has them, over buckets of 100, 1,000 and 10,000 made-up runs: start, memory, upload, and how
 * long the dashboards' questions take, cold and warm. A real run of the shop is the template; every other differs from
 * it. A missed goal is told, not an error; an answer that is not whole is one.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { command, type Given } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { withContext } from '../../app/open.ts';
import { type Bucket, openBucket } from '../../archive/bucket.ts';
import type { Snapshot } from '../../archive/snapshot.ts';
import { uploadSnapshot } from '../../archive/upload.ts';
import { EXIT, InfrastructureError, UsageError } from '../../core/errors.ts';
import { temporaryPrefix } from '../../engine/owner.ts';
import { median } from '../../judge/statistics.ts';
import { requests } from '../../measure/collect/load-metrics.ts';
import { columns } from '../../report/columns.ts';
import { type MadeBucket, type MadeRun, makeBucket, oneMore, templateBlock } from './archive-bucket.ts';
import { ask, type Kind, kindsOf, timed } from './archive-queries.ts';
import { type ArchiveUnderTest, type Changes, dropPageCache, type Memory, startArchive } from './measured-archive.ts';

const UPLOADS = 5;
const VISIBLE_TIMEOUT_MS = 300_000;
const POLL_MS = 250;
/** Where the picks at random come from: the same ones at each call. */
const SEED = 4;

const GOAL = { cold: 60, warm: 5, memory: 1.5 * 2 ** 30, visible: 60, upload: 2, flat: 1.25 };

interface Times {
  name: string;
  goal?: number;
  /** Seconds: the first one after a restart with an empty page cache, and percentiles. */
  first: number;
  cold: { p50: number; p95: number };
  warm: { p50: number; p95: number };
}

interface Figures {
  runs: number;
  /** A made-up run. */
  series: number;
  samples: number;
  raw_bytes_per_run: number;
  trend_bytes_per_run: number;
  trend_blocks: number;
  /** Seconds from the start of Store until it is ready: without and with its data folder. */
  ready_cold: number;
  ready_warm: number;
  /** After the cold start, and the most after the queries of any kind. */
  memory_ready: Record<'store' | 'query', Memory>;
  memory_queried: Record<'store' | 'query', Memory>;
  /** Median seconds of the upload of one run: into an empty bucket, and into this one. */
  upload_first: number;
  upload: number;
  /** Seconds from the end of the upload until Query knows the run. */
  visible: number;
  queries: Times[];
}

interface Options {
  runs: number[];
  queries: number;
  template: string | undefined;
  keep: string | undefined;
  only: string;
  changes: Changes;
}

const folderBucket = (folder: string, ctx: Context) => openBucket(undefined, { ...ctx.paths, bucket: folder });
const memoryOf = async (archive: ArchiveUnderTest) => ({
  store: await archive.memory('store'),
  query: await archive.memory('query'),
});
const seconds = (value: number) => (value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(2)} s`);
const bytes = (value: number) => (value < 1e6 ? `${(value / 1e3).toFixed(1)} kB` : `${(value / 1e6).toFixed(2)} MB`);
const mebibytes = ({ anon, file }: Memory) =>
  `${((anon + file) / 2 ** 20).toFixed(0)} MiB (${(anon / 2 ** 20).toFixed(0)} + ${(file / 2 ** 20).toFixed(0)} of files)`;
const total = ({ anon, file }: Memory) => anon + file;
const timesLine = (times: Times) =>
  `${times.name}: first ${seconds(times.first)}, cold p50 ${seconds(times.cold.p50)} p95 ${seconds(times.cold.p95)}, warm p50 ${seconds(times.warm.p50)} p95 ${seconds(times.warm.p95)}`;
const host = () => ({ cpus: cpus().length, model: cpus()[0]?.model ?? '', memory_bytes: totalmem() });

await command(
  {
    name: 'perf:archive',
    about:
      'Measures the archive with made-up runs: start, memory, upload and queries. Takes a quarter of an hour, and 6 GB of disk for 10,000 runs. Do nothing else on the machine meanwhile.',
    flags: [
      { name: 'runs', value: 'N,N', help: 'how many runs, for each measurement; default 100,1000,10000' },
      { name: 'queries', value: 'N', help: 'queries of each kind, cold and warm; default 100' },
      {
        name: 'keep-bucket',
        value: 'FOLDER',
        help: 'keep the template and the buckets there, and take those that are there; default: made anew and removed',
      },
      {
        name: 'template',
        value: 'BLOCK',
        help: 'folder of the block of a real run; default: the shop is measured for five minutes',
      },
      { name: 'only', value: 'TEXT', help: 'only the questions whose name has this in it, for example history' },
      {
        name: 'store-flag',
        value: '--FLAG',
        many: true,
        help: 'try another setting of Store than compose/archive.yaml has',
      },
      { name: 'query-flag', value: '--FLAG', many: true, help: 'likewise of Query' },
      { name: 'env', value: 'NAME=VALUE', many: true, help: 'set in the environment of both' },
      { name: 'json', help: 'print the figures as one JSON document' },
    ],
  },
  async (io, given) => {
    const options = readOptions(given);
    const figures = await withContext({ quiet: true, images: ['thanos', 'blocks'] }, async (ctx) => {
      await mkdir(ctx.paths.cache, { recursive: true });
      const temporary = await mkdtemp(join(ctx.paths.cache, temporaryPrefix('perf-archive')));
      try {
        return await measureAll(options, temporary, io.stderr, ctx);
      } finally {
        await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
      }
    });
    io.stdout(
      given.has('json')
        ? JSON.stringify({ host: host(), queries: options.queries, changes: options.changes, figures }, null, 2)
        : table(figures, options),
    );
    return EXIT.pass;
  },
);

function readOptions(given: Given): Options {
  const whole = (flag: string, text: string) => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 1)
      throw new UsageError(`--${flag} must be whole numbers from 1 on, got ${JSON.stringify(text)}`);
    return number;
  };
  const keep = given.text('keep-bucket');
  return {
    runs: (given.text('runs') ?? '100,1000,10000').split(',').map((text) => whole('runs', text)),
    queries: whole('queries', given.text('queries') ?? '100'),
    template: given.text('template'),
    keep: keep === undefined ? undefined : resolve(keep),
    only: given.text('only') ?? '',
    changes: {
      store: given.values['store-flag'] ?? [],
      query: given.values['query-flag'] ?? [],
      env: given.values.env ?? [],
    },
  };
}

async function measureAll(
  options: Options,
  temporary: string,
  say: (text: string) => void,
  ctx: Context,
): Promise<Figures[]> {
  const folder = options.keep ?? temporary;
  await mkdir(folder, { recursive: true });
  const template = await templateBlock(options.template, join(folder, 'template'), say, ctx);
  if (!(await dropPageCache()))
    say('only root may drop the page cache: what is called cold here has the files in memory');
  const all: Figures[] = [];
  for (const n of options.runs) {
    const bucket = await makeBucket(n, template, folder, say, ctx);
    all.push(await measure(bucket, template, options, temporary, (text) => say(`${n} runs: ${text}`), ctx));
    if (!options.keep) await rm(bucket.folder, { recursive: true, force: true });
  }
  return all;
}

async function measure(
  { folder, made }: MadeBucket,
  template: string,
  options: Options,
  temporary: string,
  say: (text: string) => void,
  ctx: Context,
): Promise<Figures> {
  const n = made.runs.length;
  const bucket = await folderBucket(folder, ctx);
  const more = await oneMore(n, template, join(temporary, 'one'), ctx);
  const empty = join(temporary, 'empty');
  const uploadFirst = await uploadTime(more, await folderBucket(empty, ctx), ctx);
  await rm(empty, { recursive: true, force: true });
  try {
    await using archive = await startArchive(bucket, join(temporary, 'archive'), options.changes, ctx);
    const readyCold = await archive.restart({ cold: true });
    const memoryReady = await memoryOf(archive);
    say(`Store is ready after ${seconds(readyCold)} cold, with ${mebibytes(memoryReady.store)}`);
    const readyWarm = await archive.restart({ cold: false });
    say(`Store is ready after ${seconds(readyWarm)} warm`);
    const queries: Times[] = [];
    const memoryQueried = structuredClone(memoryReady);
    for (const kind of kindsOf(made, randomNumbers(SEED)).filter(({ name }) => name.includes(options.only))) {
      queries.push(await timesOf(kind, options.queries, archive, ctx));
      for (const [part, now] of Object.entries(await memoryOf(archive)) as ['store' | 'query', Memory][]) {
        if (total(now) > total(memoryQueried[part])) memoryQueried[part] = now;
      }
      say(timesLine(queries.at(-1)!));
    }
    const upload = await uploadTime(more, bucket, ctx);
    const visible = await untilVisible(more.run, archive, ctx);
    say(`an upload takes ${seconds(upload)}, and the run is visible after ${seconds(visible)} more`);
    return {
      runs: n,
      series: made.template.series,
      samples: made.template.samples,
      raw_bytes_per_run: made.runs.reduce((sum, run) => sum + run.bytes, 0) / n,
      trend_bytes_per_run: made.trend.bytes / n,
      trend_blocks: made.trend.blocks,
      ready_cold: readyCold,
      ready_warm: readyWarm,
      memory_ready: memoryReady,
      memory_queried: memoryQueried,
      upload_first: uploadFirst,
      upload,
      visible,
      queries,
    };
  } finally {
    await rm(join(folder, more.run.block), { recursive: true, force: true }); // the bucket may be kept
  }
}

/**
 * The same questions twice. The first one finds Store and Query just started; before each of the first time the page
 * cache is dropped.
 */
async function timesOf(kind: Kind, count: number, archive: ArchiveUnderTest, ctx: Context): Promise<Times> {
  await archive.restart({ cold: false });
  const all = Array.from({ length: count }, (_, number) => kind.asks(number));
  const cold: number[] = [];
  const warm: number[] = [];
  for (const asks of all) {
    await dropPageCache();
    cold.push(await timed(archive.queryUrl, asks, ctx.signal));
  }
  for (const asks of all) warm.push(await timed(archive.queryUrl, asks, ctx.signal));
  return {
    name: kind.name,
    ...(kind.goal === undefined ? {} : { goal: kind.goal }),
    first: cold[0]!,
    cold: percentiles(cold),
    warm: percentiles(warm),
  };
}

/** Median seconds of the upload of one run, each time as if it were not there yet. The last one stays. */
async function uploadTime(
  { run, snapshot }: { run: MadeRun; snapshot: Snapshot },
  bucket: Bucket,
  ctx: Context,
): Promise<number> {
  const times: number[] = [];
  for (let repeat = 0; repeat < UPLOADS; repeat++) {
    await rm(join(bucket.folder!, run.block), { recursive: true, force: true });
    await rm(join(snapshot.dir, 'thanos.shipper.json'), { force: true });
    const started = performance.now();
    await uploadSnapshot(snapshot, { run_id: run.run_id, benchmark: run.benchmark, host: run.host }, bucket, ctx);
    times.push((performance.now() - started) / 1000);
  }
  return median(times)!;
}

async function untilVisible(run: MadeRun, archive: ArchiveUnderTest, ctx: Context): Promise<number> {
  const started = performance.now();
  const query = `count(last_over_time(${requests(`run_id="${run.run_id}"`)}[1h]))`;
  for (;;) {
    const { result } = await ask(archive.queryUrl, 'query', { query, time: String(run.end_ms / 1000) }, ctx.signal);
    if (result.length > 0) return (performance.now() - started) / 1000;
    if (performance.now() - started > VISIBLE_TIMEOUT_MS)
      throw new InfrastructureError(
        `the run that was uploaded is not visible after ${VISIBLE_TIMEOUT_MS / 1000} s\n${await archive.unwell()}`,
      );
    await sleep(POLL_MS, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
  }
}

function percentiles(times: number[]): { p50: number; p95: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { p50: at(0.5), p95: at(0.95) };
}

/** Numbers from 0 up to 1, always the same ones (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Row {
  name: string;
  goal?: string;
  text(figures: Figures): string;
  met?(figures: Figures): boolean;
}

function table(all: Figures[], options: Options): string {
  const rows: Row[] = [
    {
      name: 'Store ready, cold',
      goal: `< ${GOAL.cold} s`,
      text: (one) => seconds(one.ready_cold),
      met: (one) => one.ready_cold < GOAL.cold,
    },
    {
      name: 'Store ready, warm',
      goal: `< ${GOAL.warm} s`,
      text: (one) => seconds(one.ready_warm),
      met: (one) => one.ready_warm < GOAL.warm,
    },
    {
      name: 'memory of Store, ready',
      goal: '< 1536 MiB',
      text: (one) => mebibytes(one.memory_ready.store),
      met: (one) => total(one.memory_ready.store) < GOAL.memory,
    },
    {
      name: 'memory of Store, after the queries',
      goal: '< 1536 MiB',
      text: (one) => mebibytes(one.memory_queried.store),
      met: (one) => total(one.memory_queried.store) < GOAL.memory,
    },
    { name: 'memory of Query, after the queries', text: (one) => mebibytes(one.memory_queried.query) },
    {
      name: 'upload of one run',
      goal: `< ${GOAL.upload} s`,
      text: (one) => seconds(one.upload),
      met: (one) => one.upload < GOAL.upload,
    },
    {
      name: '  against an empty bucket',
      goal: `< ${GOAL.flat}`,
      text: (one) => (one.upload / one.upload_first).toFixed(2),
      met: (one) => one.upload / one.upload_first < GOAL.flat,
    },
    {
      name: 'a run is visible after its upload',
      goal: `< ${GOAL.visible} s`,
      text: (one) => seconds(one.visible),
      met: (one) => one.visible < GOAL.visible,
    },
    ...all[0]!.queries.flatMap(({ name, goal }, index) => queryRows(name, goal, index)),
    { name: 'bytes per run, raw', text: (one) => bytes(one.raw_bytes_per_run) },
    { name: 'bytes per run, trend', text: (one) => bytes(one.trend_bytes_per_run) },
    { name: 'trend blocks', text: (one) => String(one.trend_blocks) },
  ];
  const head = ['', 'goal', ...all.map(({ runs }) => `${runs.toLocaleString('en')} runs`), ''];
  const verdict = (row: Row) => (row.met ? (all.every(row.met) ? 'met' : 'MISSED') : '');
  const body = rows.map((row) => [row.name, row.goal ?? '', ...all.map(row.text), verdict(row)]);
  const { series, samples } = all[0]!;
  return [
    columns(head, body, { left: 2, color: false }),
    '',
    `A run has ${series} series and ${samples} samples. Queries: p50 / p95 of ${options.queries}, and the first one after a restart. Cold: Store and Query restarted, the page cache dropped before each.`,
  ].join('\n');
}

function queryRows(name: string, goal: number | undefined, index: number): Row[] {
  return (['cold', 'warm'] as const).map((state) => ({
    name: `${name}, ${state}`,
    ...(goal === undefined
      ? {}
      : { goal: `< ${seconds(goal)}`, met: (one: Figures) => one.queries[index]![state].p95 < goal }),
    text: (one: Figures) => {
      const times = one.queries[index]!;
      return `${seconds(times[state].p50)} / ${seconds(times[state].p95)}${state === 'cold' ? ` (first ${seconds(times.first)})` : ''}`;
    },
  }));
}
