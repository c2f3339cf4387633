/**
 * The trend stream read back through Thanos: what a run ships, what a rebuild makes of the store, and what the
 * compactor does to both.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { freePort } from '../../scripts/archive/archives.ts';
import { type Bucket, openBucket } from '../../scripts/archive/bucket.ts';
import { rebuildTrends } from '../../scripts/archive/rebuild-trends.ts';
import { lockRun } from '../../scripts/archive/run-lock.ts';
import { openMetrics, runSamples } from '../../scripts/archive/trend.ts';
import { makeBlocks } from '../../scripts/archive/trend-blocks.ts';
import { shipTrend } from '../../scripts/archive/trend-ship.ts';
import { uploadSnapshot } from '../../scripts/archive/upload.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { thisUser } from '../../scripts/engine/owner.ts';
import { runTool } from '../../scripts/engine/tool.ts';
import { IMAGES } from '../../scripts/images/images.ts';
import { blocksIn, context, type TestContext } from '../archive/trend-context.ts';
import {
  bench,
  dataFolder,
  engine,
  makeFolder,
  nothingLeft,
  onEngine,
  probeBenchmark,
  trendBlocksOf,
} from '../e2e/helpers.ts';
import { makeComparison, makeRun } from '../run-document.ts';

t.teardown(() => engine.close());

const DAY = 86_400_000;
/** By name: a Store gives nothing for external labels alone. */
const EVERYTHING = '{__name__=~"mayfly_.+", stream="trend"}';
const isTrend = ({ labels }: { labels: Record<string, string> }) => labels.stream === 'trend';
const runId = (n: number) => `01K000000000000000000000${String(n).padStart(2, '0')}`;

t.test('a run, and its trend through Store and Query: the values of the store', async (t) => {
  const data = dataFolder(t);
  const { code, stderr, run } = await bench(
    probeBenchmark(t, {
      load: { rate: 10, max_in_flight: 50 },
      allow: { start_lag: '2s' },
      top: { rounds: 2, retries: 2 },
    }),
    data,
  );
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /trend/, 'nothing went wrong with it');
  await nothingLeft(t, data);
  const bucket = join(data, 'bucket');
  const [trend, ...others] = blocksIn(bucket).filter(isTrend);
  t.same(trend!.labels, { stream: 'trend' });
  t.equal(others.length, trendBlocksOf(run) - 1);
  t.same(
    run.archive!.blocks,
    blocksIn(bucket)
      .filter((block) => !isTrend(block))
      .map(({ name }) => name),
    'the record names the raw blocks only',
  );

  const query = await startQuery(t, bucket);
  const host = run.host.id;
  const { commit } = run.sides.candidate;
  const counted = run.rounds.filter(({ valid }) => valid);
  const expected = counted.flatMap((round) =>
    Object.entries(round.samples).map(([metric, { value, unit }]) => ({
      series: {
        __name__: 'mayfly_sample',
        stream: 'trend',
        benchmark: 'probe',
        run_id: run.run_id,
        commit,
        side: 'candidate',
        host,
        metric,
        unit,
      },
      at: Date.parse(round.started_at) / 1000,
      value,
    })),
  );
  t.same(await samples(query, 'mayfly_sample'), sorted(expected));
  const [start] = await samples(query, 'mayfly_run_start_timestamp_seconds');
  t.match(start, {
    series: { run_id: run.run_id, commit, ref: run.sides.candidate.ref, pairing: 'solo', status: 'complete', host },
    value: Date.parse(run.started_at) / 1000,
    at: Date.parse(run.started_at) / 1000,
  });
  t.same(
    (await samples(query, 'mayfly_rounds')).map(({ series, value }) => [series.side, series.valid, value]),
    [
      ['candidate', 'false', run.rounds.length - 2],
      ['candidate', 'true', 2],
    ],
  );
});

t.test(
  'a rebuild is what the runs have shipped, corrected where they were wrong; the compactor merges it and leaves the rest',
  async (t) => {
    const ctx = context(t);
    const bucket = await openBucket(undefined, ctx.paths);
    const runs = history();
    for (const run of runs) ctx.store.addRun(run);
    for (const run of runs.filter(({ archive }) => archive))
      await shipTrend(run, join(ctx.paths.runs, run.run_id), bucket, ctx);
    for (const run of runs.slice(0, 2)) await shipRaw(run, bucket, ctx);
    const raw = blocksIn(bucket.folder!)
      .filter((block) => !isTrend(block))
      .map(({ name }) => name);
    const shippedBlocks = blocksIn(bucket.folder!).filter(isTrend);
    const query = await startQuery(t, bucket.folder!);
    const shipped = await samples(query, EVERYTHING);
    t.ok(shipped.length > 200, `${shipped.length} samples were shipped`);

    const rebuilt = await rebuildTrends(bucket, ctx, 60);
    t.same(ctx.warnings, []);
    t.match(rebuilt, { runs: 9, removed: shippedBlocks.length });
    t.ok(rebuilt.blocks > 2 && rebuilt.blocks < 9, `${rebuilt.blocks} blocks, each of several runs`);
    await seen(query, { blocks: rebuilt.blocks + raw.length });
    t.same(await samples(query, EVERYTHING), shipped);
    const again = await rebuildTrends(bucket, ctx);
    t.same(
      again,
      { blocks: 1, runs: 9, removed: rebuilt.blocks },
      'a second one replaces the first; one block unless it is large',
    );
    await seen(query, { blocks: again.blocks + raw.length });
    t.same(await samples(query, EVERYTHING), shipped);
    t.same(readdirSync(join(ctx.paths.cache, 'trends')), ['run.lock'], 'nothing else is left on this host');

    // Runs that came later, one of them in the middle of the others, each shipped twice: all of it under the compactor.
    const late = [laterRun(9, 41), laterRun(12, 13.5)];
    for (const run of late) {
      ctx.store.addRun(run);
      for (const copy of ['one', 'two']) await shipTrend(run, join(ctx.paths.runs, run.run_id, copy), bucket, ctx);
    }
    const log = await compact(bucket, ctx);
    t.match(log, /compact blocks/);
    const after = blocksIn(bucket.folder!);
    t.same(
      after.filter((block) => !isTrend(block)).map(({ name }) => name),
      raw,
      'raw blocks are never touched',
    );
    t.ok(after.filter(isTrend).length < again.blocks + 4, `${after.filter(isTrend).length} trend blocks`);
    t.ok(after.some(({ level }) => level > 1));
    await seen(query, { blocks: after.length });
    const added = await samples(
      query,
      `{__name__=~"mayfly_.+", run_id=~"${late.map(({ run_id }) => run_id).join('|')}"}`,
    );
    t.equal(added.length, 2 * openMetrics(runSamples(late[0]!)).samples);
    const expected = sorted([...shipped, ...added]);
    t.same(await samples(query, EVERYTHING), expected, 'nothing is lost, and nothing is twice');

    await rebuildTrends(bucket, ctx);
    await compact(bucket, ctx);
    await seen(query, { blocks: blocksIn(bucket.folder!).length });
    t.same(await samples(query, EVERYTHING), expected, 'and again');
    t.same(await onEngine(), []);
  },
);

t.test('a rebuild corrects what was shipped wrong, also when the compactor has merged it', async (t) => {
  const ctx = context(t);
  const bucket = await openBucket(undefined, ctx.paths);
  const runs = [laterRun(1, 0), laterRun(2, 1), laterRun(3, 2), laterRun(4, 30)];
  for (const run of runs) {
    ctx.store.addRun(run);
    await shipTrend({ ...run, status: 'failed' }, join(ctx.paths.runs, run.run_id), bucket, ctx);
  }
  await compact(bucket, ctx);
  await rebuildTrends(bucket, ctx);
  await compact(bucket, ctx);
  const query = await startQuery(t, bucket.folder!);
  t.same(
    (await samples(query, 'mayfly_run_start_timestamp_seconds')).map(({ series }) => series.status),
    ['complete', 'complete', 'complete', 'complete'],
  );
});

t.test('what a rebuild does not remove: the trend of runs that the store does not know', async (t) => {
  const ctx = context(t);
  const bucket = await openBucket(undefined, ctx.paths);
  const foreign = laterRun(7, 3);
  await shipTrend(foreign, join(ctx.paths.runs, foreign.run_id), bucket, ctx);
  await t.rejects(rebuildTrends(bucket, ctx), {
    name: 'UsageError',
    message: /has 1 trend block, but no run of the store .* was ever archived/,
    hint: /MAYFLY_DATA/,
  });
  await shipRaw(foreign, bucket, ctx);
  ctx.store.addRun(laterRun(1, 0));
  t.same(await rebuildTrends(bucket, ctx), { blocks: 1, runs: 1, removed: 0 });
  t.match(ctx.warnings, [
    new RegExp(`a run of .*bucket \\(${foreign.run_id}\\) is not in this store: the trend blocks of before stay`),
  ]);
  const query = await startQuery(t, bucket.folder!);
  t.same(
    (await samples(query, 'mayfly_run_duration_seconds')).map(({ series }) => series.run_id),
    [runId(1), runId(7)],
  );
  rmSync(ctx.paths.cache, { recursive: true });
  mkdirSync(join(ctx.paths.cache, 'trends'), { recursive: true });
  using _other = await lockRun(join(ctx.paths.cache, 'trends'));
  await t.rejects(rebuildTrends(bucket, ctx), { name: 'InfrastructureError', message: /are being rebuilt already/ });
});

/** The start of a window of fourteen days. */
const WINDOW = Math.floor(Date.UTC(2026, 0, 15) / (14 * DAY)) * 14 * DAY;

/** A run of one side that began so many days after the window did. */
function laterRun(n: number, days: number, laid: Partial<RunDocument> = {}): RunDocument {
  return shifted({ ...makeRun({ run_id: runId(n) }), ...laid }, WINDOW + days * DAY);
}

/** The same run at another time. */
function shifted(run: RunDocument, startMs: number): RunDocument {
  const by = startMs - Date.parse(run.started_at);
  const move = (iso: string) => new Date(Date.parse(iso) + by).toISOString();
  return {
    ...run,
    started_at: move(run.started_at),
    finished_at: move(run.finished_at!),
    rounds: run.rounds.map((round) => ({ ...round, started_at: move(round.started_at) })),
  };
}

/**
 * Two benchmarks over six weeks: runs close together, one from one of the compactor's windows to the next, all ways to
 * end; one never archived.
 */
function history(): RunDocument[] {
  const crossing = shifted({ ...makeComparison(1.02), run_id: runId(5) }, WINDOW + 14 * DAY - 2000);
  return [
    laterRun(1, 0.1),
    laterRun(2, 0.1001),
    laterRun(3, 6, { status: 'interrupted' }),
    laterRun(4, 13),
    crossing,
    laterRun(6, 15, { status: 'invalid', rounds: [] }),
    laterRun(7, 40),
    laterRun(8, 3, { benchmark: 'caddy' }),
    laterRun(10, 5, {
      benchmark: 'caddy',
      sides: { candidate: { ref: 'a "ref" \\ of\nsorts', commit: 'v2.10.0', images: [] } },
    }),
    laterRun(11, 5, { archive: undefined, status: 'failed' }),
  ];
}

async function shipRaw(run: RunDocument, bucket: Bucket, ctx: TestContext): Promise<void> {
  const snapshot = await makeBlocks(
    openMetrics([{ series: 'up{job="services"}', value: 1, atMs: Date.parse(run.started_at) }]),
    join(ctx.paths.runs, run.run_id, 'raw'),
    { owner: `${run.run_id}-raw` },
    ctx,
  );
  await uploadSnapshot(snapshot, { run_id: run.run_id, benchmark: run.benchmark, host: run.host.id }, bucket, ctx);
}

const ONLY_TRENDS = JSON.stringify([{ action: 'keep', source_labels: ['stream'], regex: 'trend' }]);

/**
 * One turn of the trend stream's compactor, to its end; returns its log. It looks at a marked block for half of its
 * delay yet.
 */
async function compact(bucket: Bucket, ctx: TestContext): Promise<string> {
  const dir = makeFolder(join(ctx.paths.data, 'compactor'));
  const flags = [
    '--compact.enable-vertical-compaction',
    '--downsampling.disable',
    '--consistency-delay=0s',
    '--delete-delay=48h',
    `--selector.relabel-config=${ONLY_TRENDS}`,
  ];
  const run = await runTool(
    {
      owner: `${runId(99)}-trend`,
      purpose: 'compactor',
      image: 'thanos',
      cmd: [
        'compact',
        '--data-dir=/compactor',
        '--objstore.config-file=/etc/thanos/bucket.yaml',
        '--http-address=127.0.0.1:0',
        '--log.format=json',
        ...flags,
      ],
      binds: [...bucket.binds, `${dir}:/compactor`],
      network: 'none',
    },
    ctx,
  );
  if (run.exitCode !== 0) throw new Error(`the compactor halted: ${run.error}`);
  return run.lines.map((line) => line.msg).join('\n');
}

interface Query {
  url: string;
  /** Number of blocks that the Store serves. */
  blocks(): Promise<number>;
}

/** Store and Query over a folder bucket, on this host's loopback; removed at the end of the test. */
async function startQuery(t: Test, bucket: string): Promise<Query> {
  const [store, grpc, query, queryGrpc] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  await start(
    t,
    'store',
    [
      'store',
      '--data-dir=/store',
      '--objstore.config={"type": "FILESYSTEM", "config": {"directory": "/bucket"}}',
      `--http-address=127.0.0.1:${store}`,
      `--grpc-address=127.0.0.1:${grpc}`,
      '--sync-block-duration=500ms',
      '--ignore-deletion-marks-delay=0s',
    ],
    [`${bucket}:/bucket`, `${dataFolder(t)}:/store`],
  );
  const blocks = async () =>
    Number(
      /^thanos_bucket_store_blocks_loaded (\d+)/m.exec(await text(`http://127.0.0.1:${store}/metrics`))?.[1] ?? -1,
    );
  // only then: Query asks for its labels once in five seconds
  await until('the Store serves the bucket', async () => (await blocks()) > 0);
  await start(
    t,
    'query',
    [
      'query',
      `--endpoint=127.0.0.1:${grpc}`,
      `--http-address=127.0.0.1:${query}`,
      `--grpc-address=127.0.0.1:${queryGrpc}`,
      '--no-query.partial-response',
    ],
    [],
  );
  const started = { url: `http://127.0.0.1:${query}`, blocks };
  await until(
    'Query knows the Store and its labels',
    async () => JSON.parse(await text(`${started.url}/api/v1/stores`)).data.store[0].labelSets.length > 0,
  );
  return started;
}

async function start(t: Test, name: string, cmd: string[], binds: string[]): Promise<void> {
  const id = await engine.create({
    name: `mayfly-test-trend-${name}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`,
    image: IMAGES.thanos.ref,
    cmd,
    user: thisUser(),
    labels: { 'dev.mayfly.test': 'trend' },
    binds,
    networks: ['host'],
  });
  t.teardown(() => engine.remove(id));
  await engine.start(id);
}

/** Waits until the Store serves so many blocks. */
const seen = ({ blocks }: Query, wanted: { blocks: number }) =>
  until(`the Store serves ${wanted.blocks} blocks`, async () => (await blocks()) === wanted.blocks);

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await holds().catch(() => false)); await sleep(100)) {
    if (Date.now() > deadline) throw new Error(`not within 60 s: ${what}`);
  }
}

interface Read {
  series: Record<string, string>;
  /** Seconds since the epoch. */
  at: number;
  value: number;
}

/** Every sample of the series that match, as they are in the blocks. */
async function samples({ url }: Query, selector: string): Promise<Read[]> {
  const { status, data, warnings, error } = JSON.parse(
    await text(
      `${url}/api/v1/query?${new URLSearchParams({ query: `${selector}[5y]`, time: String(Date.now() / 1000 + 60) })}`,
    ),
  );
  if (status !== 'success' || warnings) throw new Error(`${error ?? warnings}`);
  return sorted(
    data.result.flatMap(({ metric, values }: { metric: Record<string, string>; values: [number, string][] }) =>
      values.map(([at, value]) => ({ series: metric, at, value: Number(value) })),
    ),
  );
}

const keyOf = ({ series, at }: Read) => `${JSON.stringify(Object.entries(series).sort())} ${at}`;
const sorted = (reads: Read[]) => reads.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
const text = async (url: string) => (await fetch(url, { signal: AbortSignal.timeout(60_000) })).text();
