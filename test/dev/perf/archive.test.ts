/**
 * npm run perf:archive with a dozen runs: its figures are those of blocks that are whole, distinct and what a run
 * leaves.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { withContext } from '../../../scripts/app/open.ts';
import { openBucket } from '../../../scripts/archive/bucket.ts';
import type { Made } from '../../../scripts/dev/perf/archive-bucket.ts';
import { ask } from '../../../scripts/dev/perf/archive-queries.ts';
import { changedFlags, startArchive } from '../../../scripts/dev/perf/measured-archive.ts';
import {
  bench,
  dataFolder,
  dumpBlock,
  engine,
  mayfly,
  nothingLeft,
  onEngine,
  probeBenchmark,
  run,
} from '../../e2e/helpers.ts';

t.teardown(() => engine.close());

const RUNS = 12;

t.test('made-up runs', async (t) => {
  const data = dataFolder(t);
  const { code, stderr, run: real } = await bench(probeBenchmark(t), data);
  t.equal(code, 0, stderr);
  const [block] = real.archive!.blocks;
  const keep = dataFolder(t);
  const measure = (args: string[]) =>
    mayfly(
      'dev/perf/archive',
      [
        `--runs=${RUNS}`,
        `--keep-bucket=${keep}`,
        `--template=${join(data, 'bucket', block!)}`,
        '--store-flag=--sync-block-duration=1s',
        ...args,
      ],
      data,
    ).done;

  const first = await measure(['--queries=5']);
  t.equal(first.code, 0, first.stderr);
  // Whether a goal is met is for a quiet host; that the word agrees with the figure is for any.
  for (const [name, goalS] of [
    ['Store ready, cold', 60],
    ['history, all benchmarks, warm', 2],
  ] as const) {
    const [, line, word] = new RegExp(`^(${name} +< [\\d.]+ s .*) (met|MISSED)$`, 'm').exec(first.stdout) ?? [];
    t.ok(line, `${name} in:\n${first.stdout}`);
    const [, figure, unit] = [...(line ?? '').matchAll(/([\d.]+) (ms|s)\b/g)].at(-1)!;
    t.equal(word, Number(figure) * (unit === 'ms' ? 0.001 : 1) < goalS ? 'met' : 'MISSED', line ?? name);
  }
  t.match(first.stderr, new RegExp(`^raw blocks: ${RUNS} of ${RUNS}`, 'm'));
  const folder = join(keep, readdirSync(keep).find((name) => name.startsWith(`${RUNS}-`))!);
  const bucket = join(folder, 'bucket');
  const made: Made = JSON.parse(readFileSync(join(folder, 'made.json'), 'utf8'));
  const metas = readdirSync(bucket).map((name) => JSON.parse(readFileSync(join(bucket, name, 'meta.json'), 'utf8')));
  const raw = metas.filter((meta) => meta.thanos.labels.run_id);

  t.test('are as many as asked for, and the one that was uploaded on top is gone again', async (t) => {
    t.equal(raw.length, RUNS);
    t.equal(metas.length - raw.length, made.trend.blocks);
    t.same(new Set(raw.map((meta) => meta.thanos.labels.run_id)), new Set(made.runs.map((one) => one.run_id)));
    t.equal(new Set(made.runs.map((one) => one.commit)).size, RUNS);
    const days = (made.runs.at(-1)!.start_ms - made.runs[0]!.start_ms) / 86_400_000;
    t.ok(days > 500 && days < 731, `spread over ${days} days`);
  });

  t.test('are like the real one, and none is like another', async (t) => {
    const original = JSON.parse(readFileSync(join(data, 'bucket', block!, 'meta.json'), 'utf8'));
    for (const meta of raw) t.same(meta.stats, original.stats);
    for (const file of ['index', 'chunks/000001'])
      t.equal(
        new Set(raw.map((meta) => readFileSync(join(bucket, meta.ulid, file)).toString('latin1'))).size,
        RUNS,
        file,
      );
    const text = await dumpBlock(t, join(bucket, made.runs[3]!.block));
    t.match(text, new RegExp(`mayfly_requests_total",.*commit="${made.runs[3]!.commit}"`));
    t.notMatch(
      text,
      new RegExp(`${real.run_id.toLowerCase()}|${real.sides.candidate.commit}`),
      'nothing of the real run is left',
    );
    const counters = [...countersOf(text)];
    t.ok(counters.length > 30);
    t.same(
      counters.filter(([, values]) => values.some((value, index) => index > 0 && value < values[index - 1]!)),
      [],
      'no counter goes back',
    );
  });

  t.test('are in order for Thanos: its check of a bucket finds nothing, nor does its compactor', async (t) => {
    const thanos = (...args: string[]) =>
      run('docker', [
        'run',
        '--rm',
        '--network=none',
        `--user=${process.getuid!()}:${process.getgid!()}`,
        '--volume',
        `${bucket}:/bucket`,
        '--tmpfs',
        '/tmp:mode=1777',
        'thanosio/thanos:v0.42.4',
        ...args,
        '--objstore.config={"type": "FILESYSTEM", "config": {"directory": "/bucket"}}',
      ]).done;
    const verified = await thanos(
      'tools',
      'bucket',
      'verify',
      '--issues=overlapped_blocks',
      '--issues=index_known_issues',
      '--issues=duplicated_compaction',
      '--log.format=json',
    );
    t.equal(verified.code, 0, verified.stderr);
    t.notMatch(verified.stderr, /"level":"(error|warn)"/, 'no issue');
    const compacted = await thanos(
      'compact',
      '--data-dir=/tmp',
      '--http-address=127.0.0.1:0',
      '--selector.relabel-config=[{action: keep, source_labels: [stream], regex: trend}]',
      '--downsampling.disable',
      '--compact.enable-vertical-compaction',
    );
    t.equal(compacted.code, 0, compacted.stderr);
  });

  t.test('are read by Store and Query, histograms and trend', async (t) => {
    await withContext({ quiet: true, images: ['thanos'] }, async (ctx) => {
      await using archive = await startArchive(
        await openBucket(undefined, { ...ctx.paths, bucket }),
        join(dataFolder(t), 'archive'),
        { store: [], query: [], env: [] },
        ctx,
      );
      await archive.restart({ cold: true });
      const query = async (expression: string, ms: number) =>
        (await ask(archive.queryUrl, 'query', { query: expression, time: String(ms / 1000) }, ctx.signal)).result;
      for (const one of made.runs) {
        const [series] = await query(
          `histogram_quantile(0.95, sum by (run_id, benchmark, host) (last_over_time(mayfly_request_duration_seconds{run_id="${one.run_id}"}[1m])))`,
          one.end_ms,
        );
        t.match(series, { metric: { run_id: one.run_id, benchmark: one.benchmark, host: one.host } });
        t.ok(Number(series.value[1]) > 0 && Number(series.value[1]) < 10, `p95 ${series.value[1]} s`);
      }
      const end = made.runs.at(-1)!.end_ms;
      const starts = await query('last_over_time(mayfly_run_start_timestamp_seconds[2y])', end);
      t.same(
        starts.map((one: any) => [one.metric.run_id, one.metric.benchmark, Number(one.value[1]) * 1000]).sort(),
        made.runs.map((one) => [one.run_id, one.benchmark, one.start_ms]).sort(),
      );
      const samples = await query(
        'count by (metric) (last_over_time(mayfly_sample{stream="trend",side="candidate"}[2y]))',
        end,
      );
      t.same(
        samples.map((one: any) => [one.metric.metric, one.value[1]]).sort(),
        made.trend.metrics.map(({ name }) => [name, String(RUNS)]).sort(),
      );
      await t.rejects(ask(archive.queryUrl, 'query', { query: 'up{' }, ctx.signal), /Query refused/);
    });
  });

  t.test('are taken as they are the next time, and the figures are a document too', async (t) => {
    const second = await measure(['--json', '--queries=2', '--query-flag=--query.max-concurrent=7']);
    t.equal(second.code, 0, second.stderr);
    t.notMatch(second.stderr, /raw blocks/);
    const { figures } = JSON.parse(second.stdout);
    t.match(figures, [{ runs: RUNS, series: raw[0].stats.numSeries, trend_blocks: made.trend.blocks }]);
    for (const { cold, warm } of figures[0].queries) t.ok(cold.p50 > 0 && cold.p95 >= cold.p50 && warm.p95 >= warm.p50);
    t.ok(figures[0].memory_ready.store.anon > 1e6);
  });

  t.test('an interrupt leaves no container, and what is no block no figures', async (t) => {
    const running = mayfly(
      'dev/perf/archive',
      [`--runs=${RUNS}`, '--queries=1000', `--keep-bucket=${keep}`, `--template=${join(data, 'bucket', block!)}`],
      data,
    );
    await running.said(/ready after .* warm/);
    running.child.kill('SIGINT');
    const { code, stderr } = await running.done;
    t.equal(code, 130, stderr);
    t.same(await onEngine(), []);
    const refused = await mayfly('dev/perf/archive', ['--template=docs'], data).done;
    t.equal(refused.code, 2, refused.stderr);
    t.match(refused.stderr, /is not the folder of a block/);
    t.equal((await mayfly('dev/perf/archive', ['--runs=0'], data).done).code, 2);
  });

  t.test('an answer in which a run is missing is an error and never a time', async (t) => {
    rmSync(join(bucket, made.runs[5]!.block), { recursive: true });
    const { code, stdout, stderr } = await measure([`--queries=${RUNS}`]);
    t.equal(code, 4, stderr);
    t.equal(stdout, '');
    t.match(
      stderr,
      new RegExp(`answer to .*${made.runs[5]!.run_id}.* is wrong: points: none; expected: candidate \\d+`),
    );
  });
  await nothingLeft(t, data);
});

t.test('a flag that is tried replaces the one of the same name', async (t) => {
  t.same(changedFlags(['store', '--a=1', '--no-b', '--c=2'], ['--a=3', '--b']), ['store', '--c=2', '--a=3', '--b']);
});

/** Values of each counter in the order of time, from a dump of promtool; stale markers left out. */
function countersOf(dump: string): Map<string, number[]> {
  const series = new Map<string, number[]>();
  for (const [, labels, value] of dump.matchAll(/^(\{__name__="\w+_total".*\}) (\S+) \d+$/gm)) {
    if (value !== 'NaN') series.set(labels!, [...(series.get(labels!) ?? []), Number(value)]);
  }
  return series;
}
