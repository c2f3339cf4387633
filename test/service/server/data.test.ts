import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { UsageError } from '../../../scripts/core/errors.ts';
import type { RunDocument } from '../../../scripts/documents/run.ts';
import { seriesOf } from '../../../scripts/judge/series.ts';
import { judgeTwoRuns } from '../../../scripts/judge/two-runs.ts';
import { compareView } from '../../../scripts/service/server/data/compare-data.ts';
import { history } from '../../../scripts/service/server/data/history-data.ts';
import { medianInterval, ratioInterval } from '../../../scripts/service/server/data/intervals.ts';
import { jobsView, jobView } from '../../../scripts/service/server/data/jobs-data.ts';
import { overview, sentenceOf } from '../../../scripts/service/server/data/overview-data.ts';
import { runView } from '../../../scripts/service/server/data/run-data.ts';
import { changesView, runsView } from '../../../scripts/service/server/data/runs-data.ts';
import { historyBody } from '../../../scripts/service/server/pages/history-page.ts';
import { runsTable } from '../../../scripts/service/server/pages/parts.ts';
import { runBody } from '../../../scripts/service/server/pages/run-page.ts';
import { expressionOf, seriesView } from '../../../scripts/service/server/run-series.ts';
import { makeRound } from '../../run-document.ts';
import { aJob, alone, at, commitOf, compared, keep, keepMaster, openSite } from './site-store.ts';

const WORKER = { host: 'h1', pid: 12, pid_start: '34' };

t.test('the overview of an empty store names the benchmarks of mayfly.yaml', async (t) => {
  const { ctx } = openSite(t);
  const view = overview(ctx);
  t.match(view, {
    benchmarks: [{ name: 'shop', repositories: ['acme/shop'], metrics: [], runs: 0, suspected_open: 0 }],
    running: [],
    queued_total: 0,
    runs: [],
    workers: [],
  });
  t.notOk(view.benchmarks[0]!.last_master);
});

t.test('the overview: the last verdict on the default branch, levels since the last change point', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 20, 11);
  store.addRun(alone(50, { status: 'running', finished_at: undefined, rounds: [] }));
  const host = runs[0]!.host.id;
  const before = overview(ctx).benchmarks[0]!;
  t.match(before.last_master, {
    run_id: runs.at(-1)!.run_id,
    verdict: 'REGRESSION',
    commit: commitOf(20),
    subject: 'Change 20',
    at: at(20),
  });
  t.equal(before.last_master!.sentence, runs.at(-1)!.verdict!.summary);
  const med = before.metrics.find(({ name }) => name === 'latency_med')!;
  t.equal(med.points.length, 20);
  t.equal(med.since!.change_point, false);
  t.ok(Math.abs(med.change! - 0.04) < 0.005, `${med.change}`);

  const change = {
    benchmark: 'shop',
    host_id: host,
    metric: 'latency_med',
    commit: commitOf(11),
    before: commitOf(10),
    run_id: runs[10]!.run_id,
    at: at(11),
    ratio: 1.04,
    found_at: at(20),
  };
  store.addChangePoint(change);
  const after = overview(ctx).benchmarks[0]!.metrics.find(({ name }) => name === 'latency_med')!;
  t.same(after.since, { commit: commitOf(11), at: at(11), change_point: true });
  t.ok(Math.abs(after.change!) < 0.005, `${after.change}`);
  t.equal(after.last, after.points.at(-1)!.value);
  t.same(
    overview(ctx)
      .runs.map(({ run_id }) => run_id)
      .slice(1),
    runs
      .toReversed()
      .slice(0, 9)
      .map(({ run_id }) => run_id),
    'the newest runs',
  );
  t.equal(overview(ctx).runs_by_hand.length, 1);
});

t.test('the overview is current: what a second process writes is seen by the next look', async (t) => {
  const { ctx, store } = openSite(t);
  keepMaster(store, 3);
  t.equal(overview(ctx).benchmarks[0]!.metrics[0]!.points.length, 3);
  const { openStore } = await import('../../../scripts/store/db.ts');
  const other = openStore(ctx.paths.db);
  t.teardown(() => other.close());
  keep(other, compared(9, 0, { master: true }));
  t.equal(overview(ctx).benchmarks[0]!.metrics[0]!.points.length, 4);
  t.equal(overview(ctx).benchmarks[0]!.runs, 4);
});

t.test('jobs: what runs with its progress, what waits with its place, workers that are missing', async (t) => {
  const { ctx, store } = openSite(t);
  keep(store, compared(1, 0));
  const { queue } = store;
  const now = ctx.clock;
  const low = queue.enqueue(aJob({ commit: commitOf(1), priority: 10 }), { now }).job;
  const running = queue.enqueue(aJob({ commit: commitOf(2) }), { now }).job;
  queue.hello(WORKER, 1, now);
  const { leaseId } = queue.claim(WORKER, now)!;
  const run = alone(60, { status: 'running', finished_at: undefined, rounds: [], labels: { job: running.job_id } });
  store.addRun(run);
  queue.renew(running.job_id, leaseId, now, {
    text: 'round 3 of 10',
    run_id: run.run_id,
    rounds_done: 2,
    rounds_most: 10,
    at: at(0),
  });
  const high = queue.enqueue(aJob({ commit: commitOf(3), priority: 30 }), { now: now + 1 }).job;

  const view = overview(ctx);
  t.match(view.running, [{ job_id: running.job_id, fraction: 0.2, progress: { text: 'round 3 of 10' } }]);
  t.same(
    view.queued.map(({ job_id, place }) => [job_id, place]),
    [
      [high.job_id, 1],
      [low.job_id, 2],
    ],
  );
  t.equal(view.queued[1]!.subject, 'Change 1');
  t.same(view.runs_by_hand, [], 'the run belongs to the job that runs');
  t.equal(view.workers[0]!.missing, false);
  ctx.clock += 10 * 60_000;
  t.equal(overview(ctx).workers[0]!.missing, true);

  queue.endLease(running.job_id, leaseId, { state: 'failed', fault: 'other', reason: 'the disk is full' }, now + 2);
  t.match(overview(ctx).ended, [{ job_id: running.job_id, reason: 'the disk is full' }]);
  t.match(overview(ctx).runs_by_hand, [{ run_id: run.run_id }], 'a run whose job has ended is shown as a run');
  t.match(jobsView(ctx, { state: ['queued'], limit: 1 }), { total: 2, jobs: [{ job_id: high.job_id }] });
  t.equal(jobView(ctx, low.job_id).place, 2);
  t.throws(() => jobView(ctx, '01JZZZZZZZZZZZZZZZZZZZZZZZ'), UsageError);
});

t.test('each branch has a history of its own; the default one is shown where none is named', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 3);
  t.match(history(ctx, { benchmark: 'shop' }), { branches: [], points: { length: 3 } });
  t.notMatch(historyBody(history(ctx, { benchmark: 'shop' }), { benchmark: 'shop' }).toString(), /name="branch"/);
  const line = { ...runs[0]!, run_id: runs[0]!.run_id.replace(/.$/, 'Z'), branch: 'release-1.4' };
  store.addRun({
    ...line,
    archive: undefined,
    ...(line.verdict ? { verdict: { ...line.verdict, run_id: line.run_id } } : {}),
  });
  const view = (branch?: string) => history(ctx, { benchmark: 'shop', branch });
  t.match(view(), { branches: ['release-1.4'], points: { length: 3 } });
  t.notOk('branch' in view());
  t.match(view('release-1.4'), { branch: 'release-1.4', points: [{ run_id: line.run_id }] });
  t.equal(view('release-1.4').points.length, 1);
  t.match(view(''), { points: { length: 3 } }, 'a form that was left as it was');
  t.throws(() => view('lts'), new UsageError('there is no run of a branch "lts" of shop'));
  const page = (branch?: string) => historyBody(view(branch), { benchmark: 'shop', branch }).toString();
  t.match(page(), /<h1>shop <small>on the default branch<\/small>/);
  t.match(page('release-1.4'), /<h1>shop <small>on the branch release-1\.4<\/small>/);
  t.match(page(), /<select name="branch"><option value="" selected>the default one<\/option>/);
  t.match(page('release-1.4'), /<option value="release-1\.4" selected>/);
  t.equal(overview(ctx).benchmarks.find(({ name }) => name === 'shop')!.last_master!.run_id, runs.at(-1)!.run_id);
});

t.test('a variant has a history of its own, which no other page mixes with others', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 3);
  const { candidate, baseline } = runs[2]!.sides;
  const scaled = {
    ...runs[2]!,
    run_id: runs[2]!.run_id.replace(/.$/, 'Z'),
    sides: {
      candidate: { ...candidate, variant: 'scaled' },
      ...(baseline ? { baseline: { ...baseline, variant: 'scaled' } } : {}),
    },
  };
  const { verdict } = scaled;
  store.addRun({
    ...scaled,
    archive: undefined,
    ...(verdict ? { verdict: { ...verdict, run_id: scaled.run_id } } : {}),
  });
  const view = (variant?: string) => history(ctx, { benchmark: 'shop', variant });
  t.match(view(), { variants: ['scaled'], points: { length: 3 } });
  t.notOk('variant' in view());
  t.match(view('scaled'), { variant: 'scaled', points: [{ run_id: scaled.run_id }] });
  t.equal(view('scaled').points.length, 1);
  t.throws(() => view('single'), new UsageError('there is no run of a variant "single" of shop'));
  const page = historyBody(view('scaled'), { benchmark: 'shop', variant: 'scaled' }).toString();
  t.match(page, /<h1>shop <small>on the default branch \(scaled\)<\/small>/);
  t.match(page, /<select name="variant"><option value="">none<\/option><option value="scaled" selected>/);
  t.equal(overview(ctx).benchmarks.find(({ name }) => name === 'shop')!.last_master!.run_id, runs[2]!.run_id);
});

t.test('the history has the levels of npm run history, one point a commit with its interval', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 12, 7);
  const again = keep(store, { ...compared(3, 0, { master: true, seed: 77 }), started_at: at(13) });
  const view = history(ctx, { benchmark: 'shop' });
  const series = seriesOf(store.masterRuns('shop', runs[0]!.host.id), 'latency_med').at(-1)!;
  t.equal(view.metric!.name, 'latency_med', 'the first primary metric');
  t.equal(view.points.length, 12);
  for (const point of view.points)
    t.equal(
      point.level,
      Math.exp(series.points.find(({ run_id }) => run_id === point.run_id)!.value),
      point.commit.slice(0, 8),
    );
  t.match(
    view.points.at(-1),
    { commit: commitOf(3), runs: 2, run_id: again.run_id },
    'a commit that was measured again is shown once, at its newest run',
  );
  const last = view.points.at(-2)!;
  t.equal(last.n, 12);
  const judged = runs.at(-1)!.verdict!.metrics.find(({ name }) => name === 'latency_med')!;
  const baseline = last.level / (1 + judged.change!);
  t.ok(
    Math.abs(last.interval!.low / (baseline * (1 + judged.interval!.low)) - 1) < 1e-9,
    'the interval of the verdict times the level of the baseline',
  );
  t.ok(Math.abs(last.interval!.high / (baseline * (1 + judged.interval!.high)) - 1) < 1e-9);
  t.match(last, { verdict: 'REGRESSION', summary: runs.at(-1)!.verdict!.summary, baseline: commitOf(0) });
});

t.test('the history by date, by commit, by number, by metric and host', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 12);
  const days = (asked: object) =>
    history(ctx, { benchmark: 'shop', ...asked }).points.map(({ commit }) => parseInt(commit.slice(0, 8), 16) - 1);
  t.same(days({ from: '2026-01-04', to: '2026-01-06' }), [3, 4, 5]);
  t.same(days({ from: commitOf(10) }), [10, 11, 12]);
  t.same(days({ to: at(2) }), [1, 2]);
  t.same(days({ limit: 2 }), [11, 12]);
  t.match(history(ctx, { benchmark: 'shop', limit: 2, to: '2026-01-09' }), { older: 6, outside: 4 });
  t.match(history(ctx, { benchmark: 'shop', metric: 'memory_peak' }), {
    metric: { name: 'memory_peak', unit: 'bytes', primary: false },
  });
  t.same(
    history(ctx, { benchmark: 'shop' }).hosts.map(({ host_id, runs }) => [host_id, runs]),
    [[runs[0]!.host.id, 12]],
  );
  t.same(history(ctx, { benchmark: 'hello' }).points, [], 'a benchmark of the checkout without runs');
  t.throws(() => history(ctx, { benchmark: 'nothing' }), /^Error|there is no benchmark/);
  t.throws(() => history(ctx, { benchmark: 'shop', metric: 'nothing' }), /there is no metric/);
  t.throws(() => history(ctx, { benchmark: 'shop', host: 'nothing' }), /there is no run/);
  for (const from of ['yesterday', '2026-99-99', `'; DROP TABLE run; --`, '%', '1234567'])
    t.throws(() => history(ctx, { benchmark: 'shop', from }), /from must be a date/, from);
});

t.test(
  'changes: confirmed ones with the ratio of the comparison, suspected ones apart, each with its place',
  async (t) => {
    const { ctx, store } = openSite(t);
    const runs = keepMaster(store, 12, 7);
    const change = {
      benchmark: 'shop',
      host_id: runs[0]!.host.id,
      metric: 'latency_med',
      commit: commitOf(7),
      before: commitOf(6),
      run_id: runs[6]!.run_id,
      at: at(7),
      ratio: 1.05,
      found_at: at(12),
    };
    store.addSuspectedChange(change);
    store.addSuspectedChange({ ...change, commit: commitOf(3), run_id: runs[2]!.run_id, at: at(3), ratio: 0.97 });
    t.match(history(ctx, { benchmark: 'shop' }).suspected, [
      { index: 2, worse: false, words: '3.0 % faster', state: 'open' },
      { index: 6, worse: true, subject: 'Change 7' },
    ]);
    t.equal(overview(ctx).benchmarks[0]!.suspected_open, 2);
    store.settleSuspectedChange(change, 'confirmed', runs[11]!.run_id);
    store.addChangePoint({ ...change, ratio: 1.04 });
    const view = history(ctx, { benchmark: 'shop', from: '2026-01-06' });
    t.match(view.changes, [
      { index: 2, ratio: 1.04, state: 'confirmed', checked_by: runs[11]!.run_id, words: '4.0 % slower' },
    ]);
    t.match(view.suspected, [{ index: null }], 'outside the range');
    t.match(changesView(ctx, 'shop'), { change_points: [{ ratio: 1.04 }], suspected: [{}, {}] });
    t.notOk('accepted' in view.changes[0]!);
    const of = { repository: 'acme/shop', benchmark: 'shop', commit: commitOf(7), pull_request: 7 };
    store.acceptances.add({ acceptance_id: '1', ...of, verdict: 'REGRESSION', accepted_by: 'ada', reason: 'why' }, 0);
    const accepted = { by: 'ada', reason: 'why', commit: commitOf(7), others: 0 };
    t.match(history(ctx, { benchmark: 'shop' }).changes, [{ state: 'confirmed', accepted }]);
    t.match(changesView(ctx, 'shop').change_points, [{ accepted }]);
  },
);

t.test('a run: every round a dot, INVALID ones with their reasons, latency of the rounds that count', async (t) => {
  const { ctx, store } = openSite(t);
  const shape = compared(1, 0, { count: 7 });
  const bad = [
    makeRound('candidate', 8, { latency_med: 9 }, [{ code: 'throttled', message: 'shop was throttled' }]),
    makeRound('baseline', 8, { latency_med: 1 }),
  ];
  const job = store.queue.enqueue(aJob(), { now: ctx.clock }).job;
  const run = keep(store, {
    ...shape,
    rounds: [...shape.rounds, ...bad],
    labels: { job: job.job_id, repository: 'acme/shop', pull_request: '7' },
  });
  const view = await runView(ctx, run.run_id);
  t.strictSame(view.run, store.run(run.run_id));
  const [candidate, baseline] = view.metrics.find(({ name }) => name === 'latency_med')!.sides;
  t.equal(candidate!.dots.length, 8);
  t.match(candidate!.dots[7], { round: 8, value: 9, counts: false, why: ['candidate: shop was throttled'] });
  t.match(baseline!.dots[7], { counts: false }, 'a round counts on both sides or on none');
  t.ok(candidate!.max! < 1);
  t.ok(candidate!.interval!.low <= candidate!.median! && candidate!.median! <= candidate!.interval!.high);
  t.match(view.rounds[7], {
    round: 8,
    sides: [
      { side: 'candidate', valid: false, reasons: [{ code: 'throttled' }] },
      { side: 'baseline', valid: true },
    ],
  });
  t.match(view.latency, [{ side: 'candidate', requests: 28_000 }, { side: 'baseline' }]);
  t.same(
    view.latency[0]!.quantiles.map(({ share, seconds }) => [share, seconds]),
    [
      [0, 0.0002],
      [0.5, 0.001],
      [0.9, 0.002],
      [0.95, 0.003],
      [0.99, 0.005],
      [0.999, 0.01],
      [1, 0.02],
    ],
  );
  t.match(view.links, {
    archives: [],
    none: /archive:up/,
    github: {
      repository: 'acme/shop',
      pull_request: '7',
      pull_request_url: 'https://git.example.org/acme/shop/pull/7',
      commit: commitOf(1),
      commit_url: `https://git.example.org/acme/shop/commit/${commitOf(1)}`,
    },
  });
  t.match(view.jobs, [{ job_id: job.job_id }]);
  t.equal(view.ended, true);
  t.equal(view.metrics[0]!.primary, true);
  await t.rejects(runView(ctx, '01JZZZZZZZZZZZZZZZZZZZZZZZ'), { message: /^there is no run/ });
  for (const id of ['../../etc/passwd', 'last', '', '%', run.run_id.slice(0, 20)])
    await t.rejects(runView(ctx, id), { message: /^there is no run/ }, id);
});

t.test(
  'an ended run is read anew when its verdict or its archive has changed, one that goes on each time',
  async (t) => {
    const { ctx, store } = openSite(t);
    const run = keep(store, compared(1, 0));
    const first = await runView(ctx, run.run_id);
    t.equal((await runView(ctx, run.run_id)).run, first.run, 'kept in memory');
    store.saveArchive(run.run_id, { ...run.archive!, removed_at: at(30) });
    t.match(await runView(ctx, run.run_id), { run: { archive: { removed_at: at(30) } }, links: { none: /removed/ } });
    const live = alone(2, { status: 'running', finished_at: undefined, rounds: [], archive: undefined });
    store.addRun(live);
    t.equal((await runView(ctx, live.run_id)).rounds.length, 0);
    store.saveRound(live.run_id, makeRound('candidate', 1, { latency_med: 1 }));
    t.match(await runView(ctx, live.run_id), { ended: false, rounds: { length: 1 } });
  },
);

t.test('compare: the run that measured both commits decides; the other way round it is said', async (t) => {
  const { ctx, store } = openSite(t);
  const run = keep(store, compared(5, 2, { factors: { latency_med: 1.05 } }));
  const view = compareView(ctx, { a: commitOf(2), b: commitOf(5).slice(0, 8) });
  t.match(view, {
    kind: 'paired',
    a: { run_id: run.run_id, side: 'baseline', commit: commitOf(2) },
    b: { side: 'candidate', commit: commitOf(5) },
    verdict: { verdict: 'REGRESSION' },
  });
  t.notOk(view.swapped);
  t.match(
    view.metrics.find(({ name }) => name === 'latency_med'),
    { margin: 0.01, judged: { verdict: 'REGRESSION' }, a: { side: 'baseline' }, b: { side: 'candidate' } },
  );
  t.match(view.latency, { a: { side: 'baseline' }, b: { side: 'candidate' } });
  t.match(compareView(ctx, { a: commitOf(5), b: commitOf(2) }), { swapped: true, a: { side: 'baseline' } });
  t.match(compareView(ctx, { a: run.run_id, b: run.run_id }), { kind: 'paired' });
});

t.test('compare: two runs as npm run compare judges them, by id or by commit', async (t) => {
  const { ctx, store } = openSite(t);
  const before = keep(store, compared(3, 0));
  const after = keep(store, compared(4, 0, { factors: { latency_med: 1.06 } }));
  const view = compareView(ctx, { a: before.run_id, b: after.run_id.toLowerCase() });
  t.equal(view.kind, 'baseline');
  t.strictSame(view.verdict, judgeTwoRuns(store.run(before.run_id), store.run(after.run_id)));
  t.equal(view.verdict.verdict, 'REGRESSION');
  t.strictSame(compareView(ctx, { a: commitOf(3), b: commitOf(4) }), view);
  const [one, two] = [keep(store, alone(6)), keep(store, alone(7))];
  t.match(compareView(ctx, { a: one.run_id, b: two.run_id }), { kind: 'levels', verdict: { verdict: 'INCONCLUSIVE' } });
  t.match(compareView(ctx, { a: one.run_id, b: after.run_id }), {
    verdict: { verdict: 'INVALID', reasons: [/measured alone/] },
    metrics: [{ judged: null, a: { dots: { length: 3 } }, b: { dots: { length: 12 } } }],
  });
  t.throws(() => compareView(ctx, { a: one.run_id, b: one.run_id }), /one side/);
  t.throws(() => compareView(ctx, { a: 'feature/x', b: commitOf(4) }), /there is no run and no measured commit/);
  t.throws(() => compareView(ctx, { a: commitOf(4), b: commitOf(77) }), /there is no/);
  t.throws(() => compareView(ctx, { a: commitOf(3), b: commitOf(4), benchmark: 'hello' }), /there is no run of hello/);
});

t.test('runs: pages without a gap or a double, filters, the sentence of the verdict', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 7);
  keep(store, alone(20, { benchmark: 'hello', status: 'failed', status_reason: 'the build failed' }));
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = runsView(ctx, { limit: 3, after });
    seen.push(...page.runs.map(({ run_id }) => run_id));
    after = page.next;
  } while (after);
  t.same(
    seen.slice(1),
    runs.toReversed().map(({ run_id }) => run_id),
  );
  t.equal(seen.length, 8);
  t.match(runsView(ctx, { benchmark: 'hello' }).runs, [
    { status: 'failed', status_reason: 'the build failed', rounds: 3, valid_rounds: 3, master: false },
  ]);
  t.match(runsView(ctx, { commit: commitOf(2).slice(0, 8) }).runs, [
    {
      commit: commitOf(2),
      against: { commit: commitOf(0) },
      verdict: 'PASS',
      summary: runs[1]!.verdict!.summary,
      rounds: 12,
      valid_rounds: 12,
      master: true,
    },
  ]);
  t.equal(runsView(ctx, { commit: commitOf(0) }).runs.length, 7, 'as the baseline too');
  t.equal(runsView(ctx, { master: false }).runs.length, 1);
  const scaled = compared(30, 29);
  scaled.sides.candidate.variant = 'scaled & "odd"';
  scaled.sides.baseline!.variant = 'single';
  keep(store, scaled);
  const { variant } = scaled.sides.candidate;
  t.match(runsView(ctx, { variant }).runs, [{ run_id: scaled.run_id, variant, against: { variant: 'single' } }]);
  t.equal(runsView(ctx, { variant }).runs.length, 1);
  t.same(runsView(ctx, { variant: 'single' }).runs, [], 'a run is of the variant of its candidate');
  t.equal(runsView(ctx, {}).runs.length, 9, 'no variant: all runs');
  t.throws(() => runsView(ctx, { after: '../x' }), /there is no run/);
  t.throws(() => runsView(ctx, { commit: 'nothing' }), /there is no run of a commit/);
});

t.test('the intervals hold what they say', async (t) => {
  t.equal(medianInterval([1, 2, 3, 4, 5]), null);
  t.same(medianInterval([6, 1, 2, 3, 4, 5]), { level: 0.95, low: 1, high: 6 }, '96.9 %: no inner pair reaches 95');
  t.same(
    medianInterval(Array.from({ length: 20 }, (_, i) => i + 1)),
    { level: 0.95, low: 6, high: 15 },
    'Hollander and Wolfe, table of the sign test',
  );
  t.equal(ratioInterval(1, [0, 0, 0, 0, 0]), null);
  t.same(ratioInterval(2, [0, 0, 0, 0, 0, 0]), { level: 0.95, low: 2, high: 2 });
});

t.test(
  'series: from the store where no archive answers, with the reason; only the id of a run reaches PromQL',
  async (t) => {
    const { ctx, store } = openSite(t);
    const run = keep(store, compared(1, 0, { count: 6 }));
    const view = await seriesView(ctx, run.run_id, ['cpu', 'latency_p95']);
    t.match(view, {
      source: 'store',
      reason: /archive:up/,
      charts: [{ name: 'cpu', unit: 'cores', lines: { length: 12 } }, { name: 'latency_p95' }],
    });
    const { samples, window_s } = run.rounds[0]!;
    t.same(view.charts[0]!.lines[0], {
      side: 'candidate',
      round: 1,
      counts: true,
      t: [0, window_s],
      v: Array(2).fill(samples.cpu_seconds_per_request!.value * samples.request_rate!.value),
    });
    t.throws(() => expressionOf('cpu', `x"} or up{a="`), /no id/);
    t.match(
      expressionOf('latency_p99', run.run_id),
      new RegExp(`histogram_quantile\\(0\\.99, .*stream="raw",run_id="${run.run_id}"`),
    );
  },
);

t.test(
  'series: through the Query of an archive over the bucket of the run, by seconds since each window began',
  async (t) => {
    const { ctx, store } = openSite(t);
    const run = keep(store, {
      ...compared(1, 0, { count: 6 }),
      archive: { bucket: ctx.paths.bucket, blocks: ['01JZZZZZZZZZZZZZZZZZZZZZZB'], verified: true, pending: false },
    });
    const asked: URLSearchParams[] = [];
    const start = Date.parse(run.rounds[0]!.started_at) / 1000;
    let broken = false;
    // Stands in for Thanos Query: its answers in the form of the Prometheus HTTP API. The real one is in
    // test/stories/series.test.ts.
    const query = createServer((request, response) => {
      if (request.url === '/-/ready') return void response.end();
      let body = '';
      request
        .on('data', (part) => (body += part))
        .on('end', () => {
          asked.push(new URLSearchParams(body));
          response.statusCode = broken ? 503 : 200;
          response.end(
            JSON.stringify({
              status: 'success',
              data: {
                resultType: 'matrix',
                result: [
                  {
                    metric: { side: 'candidate', round: '1', service: 'shop' },
                    values: [
                      [start - 9, '0.1'],
                      [start - 1, '0.2'],
                      [start, '0.5'],
                      [start + 1, 'NaN'],
                      [start + 99, '7'],
                    ],
                  },
                ],
              },
            }),
          );
        });
    });
    await new Promise<void>((resolve) => query.listen(0, '127.0.0.1', resolve));
    t.teardown(() => query.close());
    const folder = join(ctx.paths.data, 'archives', 'default');
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'archive.json'),
      JSON.stringify({
        name: 'default',
        port_base: (query.address() as AddressInfo).port - 1,
        retention_raw: '0d',
        retention_trend: '0d',
        overlays: [],
        keys: [],
        read_only: false,
      }),
    );

    const view = await seriesView(ctx, run.run_id, ['cpu']);
    t.equal(view.source, 'archive');
    t.same(view.charts[0]!.lines, [
      { side: 'candidate', round: 1, service: 'shop', counts: true, t: [-1, 0, 1], v: [0.2, 0.5, null] },
    ]);
    t.equal(asked.length, 1);
    t.match(asked[0]!.get('query'), `run_id="${run.run_id}"`);
    t.equal(Number(asked[0]!.get('start')), start - run.load.warmup_s);
    await seriesView(ctx, run.run_id, ['cpu']);
    t.equal(asked.length, 1, 'an ended run is asked for once');
    t.match((await runView(ctx, run.run_id)).links, {
      archives: [{ name: 'default', kind: 'query', url: /\/graph\?.*run_id/ }],
    });
    broken = true;
    t.match(await seriesView(ctx, run.run_id, ['memory']), { source: 'store', reason: /answered 503/ });
  },
);

t.test('memory that grows stands on the page of a run, and nothing where none does', async (t) => {
  const { ctx, store } = openSite(t);
  const grows = { service: 'api', of: 'candidate', bytes_per_request: 1200, low: 1000, high: 1400, rounds: 1 } as const;
  let day = 0;
  const pageOf = async (laid: Partial<RunDocument>) =>
    String(runBody(await runView(ctx, keep(store, compared(++day, 1, laid)).run_id)));
  t.match(
    await pageOf({ growth: [{ ...grows, verdict: 'grows' }] }),
    /<section id="leaks"[^]*<li>leak hint: api of the candidate grows 1\.20 MB per 1,000 requests, 95 % 1\.00 to 1\.40<\/li>[^]*It never changes the verdict/,
  );
  t.notMatch(await pageOf({}), 'id="leaks"');
});

t.test('a run that failed says so first, and why, on its page and in lists', async (t) => {
  const { ctx, store } = openSite(t);
  const why = 'this commit does not start; the baseline does: shop ended with exit code 3';
  const failed = { count: 0, rounds_asked: 40, status: 'failed' as const, status_reason: why };
  const of = async (run: RunDocument) => {
    const view = await runView(ctx, keep(store, run).run_id);
    return { page: String(runBody(view)), line: runsView(ctx, {}).runs.find(({ run_id }) => run_id === run.run_id)! };
  };
  const run = compared(3, 2, failed);
  const { page, line } = await of(run);
  t.match(page, `<p class="lead"><span class="badge failed">FAILED</span> ${why}</p>`);
  t.notMatch(page, /Not decided|<td class="num">-</, 'no table of dashes');
  t.match(
    String(runsTable('runs', [line])),
    new RegExp(`<span class="badge failed">failed</span></td>\\s*<td class="wide">${why}`),
  );
  t.equal(sentenceOf(line), why);
  const stored = await of({ ...compared(4, 2, failed), verdict: { ...run.verdict!, verdict: 'INCONCLUSIVE' } });
  t.match(stored.page, `<span class="badge failed">FAILED</span> ${why}</p>`, 'as earlier versions have stored it');
  const decided = await of(compared(5, 2, { factors: { latency_med: 1.3 }, status: 'failed', status_reason: why }));
  t.match(decided.page, /<p class="lead"><span class="badge regression">REGRESSION<\/span>/, 'what was decided stays');
});
