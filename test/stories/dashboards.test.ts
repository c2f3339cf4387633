/**
 * The dashboards over a real archive: runs of the shop by `bench`, the archive by `archive:up`, and every query of
 * every panel, variable and annotation asked as Grafana asks it.
 */
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { ALERTS } from '../../grafana/src/alerts.ts';
import type { RunDocument, SideName } from '../../scripts/documents/run.ts';
import { openStore } from '../../scripts/store/db.ts';
import { bench, dataFolder, engine, makeFolder, mayfly, nothingLeft, ROOT, run } from '../e2e/helpers.ts';
import { Api, askAnnotation, regionsOf, type TimeRange } from '../grafana/grafana.ts';
import { answerOf, dashboards, prove } from '../grafana/prove.ts';

t.teardown(() => engine.close());

const DAY = 86_400_000;
const SHOP = join(ROOT, 'benchmarks', 'shop');
/** A name of its own: shop is that of the checkout's. */
const NAME = 'shop-of-the-dashboards';

t.test('dashboards', async (t) => {
  const data = dataFolder(t);
  const { solo, pair, invalid } = await makeRuns(t, data);
  const [before, after] = [solo, pair].map((one) => one.sides.candidate.commit) as [string, string];
  await addChangePoint(t, data, pair, before);
  const api = new Api(await archiveUp(t, data));

  const now = Date.now();
  const month: TimeRange = { from: now - 30 * DAY, to: now };
  let timeOf = (_run: RunDocument): TimeRange => month;

  await t.test('Runs: every run, and links that carry its time', async (t) => {
    const { asked } = await prove(t, 'runs', {}, month, api);
    const column = (ref: string) =>
      Object.fromEntries(
        answerOf(asked, 'The newest 200 runs of the time range', ref).series.map(({ metric, values }) => [
          metric.run_id!,
          values[0]![1],
        ]),
      );
    const [start, from, to] = [column('start'), column('from'), column('to')];
    t.same(Object.keys(start).sort(), [solo, pair, invalid].map((one) => one.run_id).sort());
    for (const one of [solo, pair, invalid]) {
      const [began, ended] = [Date.parse(one.started_at), Date.parse(one.finished_at!)];
      t.equal(Math.round(start[one.run_id]!), began, 'its start');
      t.ok(from[one.run_id]! < began && from[one.run_id]! > began - 20_000, 'the range begins shortly before it');
      t.ok(to[one.run_id]! > ended && to[one.run_id]! < ended + 20_000, 'and ends shortly after it');
      t.equal(column('rounds')[one.run_id], valid(one, 'candidate').length, 'valid rounds');
    }
    t.equal(column('latency_p95')[solo.run_id], medianOf(solo, 'candidate', 'latency_p95'));
    timeOf = (one) => ({ from: from[one.run_id]!, to: to[one.run_id]! });
  });

  await t.test('Run: a run with two sides', async (t) => {
    const { asked, values, options, range } = await prove(
      t,
      'run',
      { benchmark: NAME, run: pair.run_id },
      timeOf(pair),
      api,
      ['verdict'],
    );
    t.same(
      options.run,
      [invalid, pair, solo].map((one) => one.run_id),
      'all runs to choose from, the newest first',
    );
    t.same(options.side, ['baseline', 'candidate']);
    const median = (side: SideName) =>
      answerOf(asked, 'Times', side).series.find(({ metric }) => metric.metric === 'latency_p95')!.values[0]![1];
    for (const side of ['candidate', 'baseline'] as const)
      t.equal(median(side), medianOf(pair, side, 'latency_p95'), side);

    const [rounds, windows] = await Promise.all(
      dashboards.run!.annotations.list.map(async (one) => regionsOf(await askAnnotation(one, values, range, api))),
    );
    const numbers = [...new Set(pair.rounds.map((one) => String(one.round)))];
    const [scrapes, ofLoad] = await Promise.all(
      ['container_cpu_usage_seconds_total', 'mayfly_iterations_total'].map((metric) =>
        samplesAt(metric, pair, range, api),
      ),
    );
    for (const round of numbers) {
      const of = (regions: typeof rounds) => regions!.filter(({ labels }) => labels.round === round);
      // A scrape that a busy host has missed interrupts a region.
      const most = (times: number[]) => 1 + times.filter((at, i) => i > 0 && at - times[i - 1]! > 1500).length;
      for (const [what, regions, times] of [
        ['its stack', of(rounds), scrapes![round]!],
        ['its window', of(windows), ofLoad![round]!],
      ] as const)
        t.ok(
          regions.length >= 1 && regions.length <= most(times),
          `a region for round ${round}, ${what}: ${regions.length}`,
        );
    }
    t.same(
      [...new Set([...rounds!, ...windows!].map(({ labels }) => labels.round))].sort(),
      numbers,
      'and none for anything else',
    );
    for (const { round, started_at, window_s } of pair.rounds) {
      const regions = windows!.filter(({ labels }) => labels.round === String(round));
      const [begin, end] = [Math.min(...regions.map(({ from }) => from)), Math.max(...regions.map(({ to }) => to))];
      const [from, to] = [Date.parse(started_at), Date.parse(started_at) + window_s * 1000];
      // The first scrape after the window is the last with new iterations: a rate over three seconds sees it as long,
      // and a step of the query longer at most.
      const late = (ofLoad![String(round)]!.find((time) => time >= to) ?? to) + 4000 - to;
      t.ok(
        Math.abs(begin - from) < 3500 && Math.abs(end - to) < Math.max(3500, late),
        `the region of round ${round} is its window within the seconds that a rate looks back: ${begin - from} and ${end - to} ms`,
      );
    }
  });

  await t.test('Run: one that is INVALID shows its metrics and says so', async (t) => {
    const dashboard = dashboards.run!;
    const row = dashboard.panels.find(({ title, type }) => title === 'The run' && type === 'table')!;
    const expr = row.targets!.find(({ refId }) => refId === 'start')!.expr.replace('$run', invalid.run_id);
    const [answer] = await api.instant(expr, timeOf(invalid).to);
    t.match(answer!.metric, { status: 'invalid', verdict: 'INVALID' });
    t.ok(
      (await api.range(`mayfly_requests_total{run_id="${invalid.run_id}"}`, timeOf(invalid), 1000)).length > 0,
      'the raw metrics are there',
    );
  });

  for (const [a, b] of [
    [solo, pair],
    [pair, solo],
  ] as const) {
    await t.test(`Compare: ${b.pairing} laid over ${a.pairing}`, async (t) => {
      const { asked, values } = await prove(
        t,
        'compare',
        { benchmark: NAME, run_a: a.run_id, run_b: b.run_id },
        timeOf(a),
        api,
        ['verdict', 'against'],
      );
      t.equal(
        Number(values.delta!.value),
        Date.parse(a.started_at) - Date.parse(b.started_at),
        'the offset is the time between their starts',
      );
      const moved = answerOf(asked, 'Request rate', 'B').series[0]!.values.filter(([, value]) => value > 0);
      const [at, value] = moved[Math.floor(moved.length / 2)]!;
      const [asItWas] = await api.instant(
        `sum(rate(mayfly_requests_total{run_id="${b.run_id}",side="candidate"}[4s]))`,
        at * 1000 - Number(values.delta!.value),
      );
      t.ok(Math.abs(value / asItWas!.values[0]![1] - 1) < 1e-9, 'B moved is B as it was');
    });
  }

  await t.test('Compare: the two sides of one run', async (t) => {
    const { asked } = await prove(
      t,
      'compare',
      { benchmark: NAME, run_a: pair.run_id, side_a: 'baseline', run_b: pair.run_id, side_b: 'candidate' },
      timeOf(pair),
      api,
      ['verdict'],
    );
    const change = answerOf(asked, 'Times', 'change').series.find(({ metric }) => metric.metric === 'latency_med')!
      .values[0]![1];
    t.ok(
      Math.abs(change - (medianOf(pair, 'candidate', 'latency_med') / medianOf(pair, 'baseline', 'latency_med') - 1)) <
        1e-9,
      'B against A',
    );
  });

  for (const side of ['candidate', 'baseline'] as const) {
    await t.test(`History: a point for each commit, ${side}`, async (t) => {
      const { asked } = await prove(
        t,
        'history',
        { benchmark: NAME, metric: ['$__all'], side },
        { from: now - 90 * DAY, to: now },
        api,
      );
      const points = (ref: string) => answerOf(asked, 'latency_p95: one point a commit', ref).series;
      const expected = side === 'baseline' ? [pair] : [solo, pair];
      t.same(
        points('start')
          .map(({ metric }) => [metric.run_id, metric.commit])
          .sort(),
        expected.map((one) => [one.run_id, one.sides[side]!.commit]).sort(),
        'complete runs only, with the commit of the side',
      );
      t.same(
        Object.fromEntries(points('seconds').map(({ metric, values }) => [metric.run_id, values[0]![1]])),
        Object.fromEntries(expected.map((one) => [one.run_id, medianOf(one, side, 'latency_p95')])),
      );
    });
  }

  await t.test('History: the change point', async (t) => {
    const { asked } = await prove(
      t,
      'history',
      { benchmark: NAME, metric: ['$__all'] },
      { from: now - 90 * DAY, to: now },
      api,
    );
    const [point] = answerOf(asked, 'Change points', 'ratio').series;
    t.match(point, { metric: { metric: 'latency_p95', commit: after, before }, values: [[Number, 1.07]] });
  });

  await t.test('the alerting rules are answered, and the INVALID run raises its own', async (t) => {
    const firing = await Promise.all(
      ALERTS.map(async ({ name, expr, above }) =>
        (await api.instant(`(${expr}) > ${above}`, Date.now())).length > 0 ? [name] : [],
      ),
    );
    t.same(firing.flat(), ['MayflyRunInvalid']);
    const [noRun] = await api.instant(ALERTS.find(({ name }) => name === 'MayflyNoRun')!.expr, Date.now());
    t.ok(noRun!.values[0]![1] > 0 && noRun!.values[0]![1] < 1, 'the last complete run was today');
  });
});

/** Round -> when its samples of a metric were taken, in order. */
async function samplesAt(
  metric: string,
  { run_id }: RunDocument,
  { from, to }: TimeRange,
  api: Api,
): Promise<Record<string, number[]>> {
  const { result } = await api.instantRaw(`${metric}{run_id="${run_id}"}[${Math.ceil((to - from) / 1000)}s]`, to);
  const times = Map.groupBy(
    result.flatMap(({ metric: { round }, values }) => values.map(([at]: [number]) => ({ round, at: at * 1000 }))),
    ({ round }) => round as string,
  );
  return Object.fromEntries(
    [...times].map(([round, list]) => [round, [...new Set(list.map(({ at }) => at))].sort((a, b) => a - b)]),
  );
}

const valid = (one: RunDocument, side: SideName) => one.rounds.filter((round) => round.side === side && round.valid);

/** PromQL's quantile 0.5 of the valid rounds. */
function medianOf(one: RunDocument, side: SideName, metric: string): number {
  const values = valid(one, side)
    .map(({ samples }) => samples[metric]!.value)
    .sort((a, b) => a - b);
  const rank = (values.length - 1) / 2;
  const [low, high] = [values[Math.floor(rank)]!, values[Math.ceil(rank)]!];
  const weight = rank - Math.floor(rank);
  return low * (1 - weight) + high * weight;
}

/** A run of one commit, one of the next commit against it, and one that is INVALID. */
async function makeRuns(t: Test, data: string): Promise<Record<'solo' | 'pair' | 'invalid', RunDocument>> {
  const repository = await shopRepository(t);
  // Other work on a test machine must not make a round INVALID here.
  const lenient = { start_lag: '1s', outside_load: 1, steal: 1, throttled: 1, saturation: 1 };
  const folder = shopBenchmark(t, repository.folder, lenient);
  const short = ['--rate=50', '--duration=5s', '--warmup=1s'];
  const [first, second] = repository.commits as [string, string];
  const solo = await bench(folder, data, [...short, '--rounds=2', `--commit=${first}`]);
  t.equal(solo.code, 0, solo.stderr);
  const pair = await bench(folder, data, [...short, '--rounds=2', `--commit=${second}`, `--against=${first}`]);
  t.equal(pair.code, 0, pair.stderr);
  const failing = shopBenchmark(t, repository.folder, lenient, { retries: 0 });
  writeFileSync(
    join(failing, 'load.ts'),
    "import { defineLoad } from 'mayfly/load';\nexport default defineLoad(({ http }) => http.get('/nowhere', { name: 'nowhere' }));\n",
  );
  const invalid = await bench(failing, data, [...short, '--rounds=1', `--commit=${second}`]);
  t.equal(invalid.run.status, 'invalid', invalid.stderr);
  await nothingLeft(t, data);
  return { solo: solo.run, pair: pair.run, invalid: invalid.run };
}

async function shopRepository(t: Test): Promise<{ folder: string; commits: string[] }> {
  const folder = makeFolder(join(dataFolder(t), 'repository'));
  cpSync(join(SHOP, 'service'), folder, { recursive: true, filter: (source) => !source.includes('node_modules') });
  const git = async (...args: string[]) =>
    (
      await run('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args]).done
    ).stdout.trim();
  await git('init', '--quiet', '--initial-branch=main');
  const commits: string[] = [];
  for (const text of ['one', 'two']) {
    // In a file that the build sees: else there would be nothing to compare.
    appendFileSync(join(folder, 'server.ts'), `// ${text}\n`);
    await git('add', '--all');
    await git('commit', '--quiet', '--message', `change ${text}`);
    commits.push(await git('rev-parse', 'HEAD'));
  }
  return { folder, commits };
}

/** The shop as it is, built from this repository and with these allowances; `load` and `top` are laid over the rest. */
function shopBenchmark(
  t: Test,
  repository: string,
  allow: Record<string, unknown>,
  top: Record<string, unknown> = {},
): string {
  const folder = join(dataFolder(t), 'shop');
  cpSync(SHOP, folder, { recursive: true, filter: (source) => !source.endsWith('/service') });
  const benchmark = parse(readFileSync(join(SHOP, 'benchmark.yaml'), 'utf8'));
  const { git } = benchmark.build.shop;
  benchmark.build.shop.git = { ...git, repository, context: '.' };
  benchmark.allow = { ...benchmark.allow, ...allow };
  writeFileSync(join(folder, 'benchmark.yaml'), stringify({ ...benchmark, name: NAME, ...top }));
  return folder;
}

/** A change point in the store, and the trend with it: nothing in two short runs would be one. */
async function addChangePoint(t: Test, data: string, at: RunDocument, before: string): Promise<void> {
  const store = openStore(join(data, 'mayfly.db'));
  store.addChangePoint({
    benchmark: at.benchmark,
    host_id: at.host.id,
    metric: 'latency_p95',
    commit: at.sides.candidate.commit,
    before,
    run_id: at.run_id,
    at: at.started_at,
    ratio: 1.07,
    found_at: new Date().toISOString(),
  });
  store.close();
  const rebuilt = await mayfly('archive', ['rebuild-trends'], data).done;
  t.equal(rebuilt.code, 0, rebuilt.stderr);
}

/** Starts the archive of the data folder until the end of the test; returns the address of its Query. */
async function archiveUp(t: Test, data: string): Promise<string> {
  const name = `dashboards-${process.pid}`;
  t.teardown(() => mayfly('archive-down', [`--archive=${name}`], data).done);
  const up = await mayfly('archive-up', [`--archive=${name}`, '--json'], data).done;
  t.equal(up.code, 0, up.stderr);
  const status = await mayfly('archive-status', [`--archive=${name}`, '--json'], data).done;
  return JSON.parse(status.stdout).query_url;
}
