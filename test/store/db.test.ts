import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import { InfrastructureError, UsageError } from '../../scripts/core/errors.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { runTable } from '../../scripts/report/run-table.ts';
import { latencyViews } from '../../scripts/service/server/data/metric-values.ts';
import { openStore } from '../../scripts/store/db.ts';
import { explained, openDatabase } from '../../scripts/store/sqlite.ts';
import { makeEvents } from '../events/document.ts';
import { K6_LOAD, makeComparison, makeRound, makeRun } from '../run-document.ts';

const WRITER = join(import.meta.dirname, 'writer.ts');
const MIGRATIONS = join(import.meta.dirname, '../../scripts/store/migrations');

/** The error that `work` throws. */
function thrown(work: () => unknown): Error & { hint?: string } {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

const startWriter = (file: string, runId: string, rounds: number) =>
  spawn(process.execPath, [WRITER, file, runId, String(rounds)], { stdio: ['ignore', 'pipe', 'inherit'] });

t.test('a run comes back as it was kept, sample values to the last bit', async (t) => {
  const store = openStore(join(t.testdir(), 'deep/er/mayfly.db'));
  t.teardown(() => store.close());
  const run = makeComparison(1.02);
  run.rounds[0]!.samples.latency_med = { value: 0.1 + 0.2, unit: 's' };
  run.rounds[1]!.samples.latency_med = { value: 5e-324, unit: 's' };
  run.rounds[2]!.samples.memory_peak = { value: 2 ** 53 - 1, unit: 'bytes' };
  run.answers_differ = ['search', 'GET /feed*'];
  run.rounds[0]!.answers = {
    requests: 2,
    failed: 0,
    names: [
      {
        name: 'page',
        requests: 2,
        failed: 0,
        answers: [{ status: 200, failure: null, count: 2, bytes: 20.5, deviation: 0.5 }],
      },
    ],
  };
  run.rounds[1]!.holes = [{ service: 'shop', instance: 'shop-1', scraped: 4, of: 9, error: 'too slow' }];
  run.rounds[0]!.traces = {
    sampling: 0.1,
    traces: 90,
    complete: 88,
    holes: 2,
    unfinished: 0,
    spans: 360,
    total_avg: 0.0043,
    hops: [{ hop: 'consumer', calls: 1, self_avg: 0.004, self_p95: 0.005, path_avg: 0.0041, share: 0.95 }],
    kept: { file: 'traces-candidate-1.json.gz', slowest: 20, sample: 20 },
  };
  run.rounds[0]!.events = makeEvents({ notes: ['mail: 1 event lost: a of b'] });
  run.rounds[0]!.resources = [
    { service: 'mail', replica: 1, memory_peak: 5e7, cpu_peak: 0.25, memory_floor: [4e7, 4e7, 4.1e7, 4e7] },
    { service: 'mail', replica: 2, memory_peak: 5e7, cpu_peak: 0 },
  ];
  run.growth = [
    {
      service: 'mail',
      of: 'candidate',
      verdict: 'unknown',
      bytes_per_request: null,
      low: null,
      high: null,
      rounds: 2,
      why: 'it was short',
    },
  ];
  run.rounds[0]!.services = ['mail', 'producer'].map((service) => ({ service, cpu_seconds_per_request: 0.001 }));
  store.addRun(run);
  t.strictSame(store.run(run.run_id), run);
});

t.test('a run is kept piece by piece: rounds, archive, end', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const whole = makeRun({ status: 'invalid', status_reason: 'too few valid rounds' });
  const { archive, finished_at, status_reason, ...start } = whole;
  store.addRun({ ...start, status: 'running', rounds: [] });
  t.strictSame(store.runningRuns(), [whole.run_id]);
  for (const round of whole.rounds) store.saveRound(whole.run_id, round, { load: round.round });
  store.saveArchive(whole.run_id, archive!);
  store.finishRun(whole.run_id, 'invalid', finished_at!, status_reason);
  t.strictSame(store.run(whole.run_id), whole);
  t.strictSame(store.runningRuns(), []);
  t.strictSame(
    store.details(whole.run_id).map(({ round, detail }) => [round, detail]),
    [
      [1, { load: 1 }],
      [2, { load: 2 }],
      [3, { load: 3 }],
    ],
  );
});

t.test(
  'a run of before Mayfly had a load generator of its own opens and shows: virtual users, a summary of k6',
  async (t) => {
    const file = join(t.testdir(), 'mayfly.db');
    const run = { ...makeComparison(1.02), load: K6_LOAD };
    const { metrics } = JSON.parse(
      readFileSync(join(import.meta.dirname, '../fixtures/k6-summary-interleaved.json'), 'utf8'),
    );
    const before = openStore(file);
    before.addRun({ ...run, rounds: [] });
    for (const round of run.rounds) before.saveRound(run.run_id, round, { signals: {}, k6: metrics });
    before.close();
    const store = openStore(file);
    t.teardown(() => store.close());
    const opened = store.run(run.run_id);
    t.strictSame(opened, run);
    t.match(
      runTable(opened, { color: false }),
      '200 requests/s for each side for 20.0s after 5.0s of warm-up, by k6\n',
    );
    const validate = compile(
      JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schemas/mayfly.run.v1.json'), 'utf8')),
    );
    t.ok(validate(JSON.parse(JSON.stringify(opened))), JSON.stringify(validate.errors));
    const [candidate, baseline] = latencyViews(opened, store.details(run.run_id));
    t.match(candidate, { side: 'candidate', requests: 3 * 2001, rounds: { length: 3 } });
    t.same(
      candidate!.quantiles.map(({ share, seconds }) => [share, seconds * 1000]),
      [
        [0, 0.180298],
        [0.5, 0.425338],
        [0.9, 0.665721],
        [0.95, 0.767668],
        [0.99, 2.460803],
        [0.999, 5.683113000000055],
        [1, 6.266256],
      ],
    );
    t.match(baseline, { side: 'baseline', requests: 6000 });
  },
);

t.test('the same round again replaces the first', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const run = makeRun({ rounds: [] });
  store.addRun(run);
  store.saveRound(run.run_id, makeRound('candidate', 1, { latency_med: 1, latency_p95: 2 }));
  store.saveRound(run.run_id, makeRound('candidate', 1, { latency_med: 3 }));
  t.strictSame(store.run(run.run_id).rounds, [makeRound('candidate', 1, { latency_med: 3 })]);
});

t.test('what was deployed already is no run of a commit', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const built = makeRun({ run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA' });
  const deployed = makeRun({
    run_id: '01JZZZZZZZZZZZZZZZZZZZZZZB',
    started_at: '2026-01-03T03:04:00.000Z',
    deployed: { url: 'https://staging.example.org' },
  });
  store.addRun(deployed);
  const { commit } = built.sides.candidate;
  t.equal(store.site.runOfCommit(commit), undefined, 'though it has the same name');
  t.equal(store.benchmark('shop')!.newest, null);
  store.addRun(built);
  t.equal(store.site.runOfCommit(commit), built.run_id, 'though it is older');
  t.equal(store.benchmark('shop')!.newest, commit);
  t.strictSame(store.run(deployed.run_id).deployed, { url: 'https://staging.example.org' });
  t.notOk('deployed' in store.run(built.run_id));
  t.strictSame(
    store.masterRuns('shop', built.host.id).map(({ run_id }) => run_id),
    [],
  );
});

t.test('a round with a sample that is no number is not kept at all', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const run = makeRun({ rounds: [] });
  store.addRun(run);
  t.match(
    thrown(() => store.saveRound(run.run_id, makeRound('candidate', 1, { latency_avg: 1, latency_med: Number.NaN })))
      .message,
    /latency_med of round 1 is no number/,
  );
  t.strictSame(store.run(run.run_id).rounds, []);
});

t.test('what containers used is laid to a round that is kept already, and growth to a run', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const run = makeRun();
  store.addRun(run);
  const resources = [{ service: 'shop', replica: 1, memory_peak: 5e7, cpu_peak: 0.25 }];
  store.saveResources(run.run_id, { side: 'candidate', round: 2, resources });
  t.strictSame(
    store.run(run.run_id).rounds.map((round) => round.resources),
    [undefined, resources, undefined],
  );
  t.throws(
    () => store.saveResources(run.run_id, { side: 'candidate', round: 9, resources }),
    /there is no run .* in the store/,
  );
  const growth: RunDocument['growth'] = [
    { service: 'shop', of: 'candidate', verdict: 'grows', bytes_per_request: 3, low: 1, high: 5, rounds: 1 },
  ];
  store.amendRun(run.run_id, { growth });
  t.strictSame(store.run(run.run_id).growth, growth);
});

t.test('finding a run', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  t.match(thrown(() => store.run('last')).message, /there is no run in the store yet/);
  for (const [id, minute] of [
    ['01AAA1', 1],
    ['01AAA2', 2],
    ['01B', 3],
  ] as const)
    store.addRun(makeRun({ run_id: id, started_at: `2026-01-02T03:0${minute}:00.000Z` }));
  t.equal(store.run('01b').run_id, '01B', 'any case');
  t.equal(store.run('01AAA1').run_id, '01AAA1', 'whole');
  t.equal(store.run('last').run_id, '01B');
  const ambiguous = thrown(() => store.run('01A'));
  t.type(ambiguous, UsageError);
  t.equal(ambiguous.message, '"01A" is the beginning of several runs: 01AAA1, 01AAA2');
  for (const unknown of ['01C', '', '%', '_1B']) {
    const error = thrown(() => store.run(unknown));
    t.type(error, UsageError, unknown);
    t.match(error.message, `there is no run "${unknown}"`);
    t.match(error.hint, /npm run runs/);
  }
});

t.test('listing runs', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const sides = (commit: string, ref: string) => ({ candidate: { ref, commit, images: [] } });
  store.addRun(makeRun({ run_id: '01A', started_at: '2026-01-01T00:00:00.000Z', sides: sides('abc123', 'main') }));
  store.addRun(
    makeRun({
      run_id: '01B',
      started_at: '2026-01-02T00:00:00.000Z',
      sides: sides('def456', 'HEAD'),
      labels: { pr: '7' },
      archive: { bucket: '', blocks: [], verified: false, pending: true },
    }),
  );
  store.addRun(
    makeRun({
      run_id: '01C',
      started_at: '2026-01-03T00:00:00.000Z',
      benchmark: 'caddy',
      sides: sides('v2.10.0', 'v2.10.0'),
      archive: undefined,
    }),
  );
  const ids = (filter: Parameters<typeof store.runs>[0]) => store.runs(filter).map((run) => run.run_id);
  t.strictSame(ids({}), ['01C', '01B', '01A']);
  t.strictSame(ids({ limit: 1 }), ['01C']);
  t.strictSame(ids({ benchmark: 'shop' }), ['01B', '01A']);
  t.strictSame(ids({ commit: 'abc' }), ['01A']);
  t.strictSame(ids({ commit: 'HEAD' }), ['01B']);
  t.strictSame(ids({ commit: '%' }), []);
  t.strictSame(ids({ labels: { pr: '7' } }), ['01B']);
  t.strictSame(ids({ labels: { pr: '8' } }), []);
  t.match(store.runs(), [
    { archive: 'none' },
    { archive: 'pending' },
    { archive: 'verified', observations: 3, valid_observations: 3 },
  ]);
  t.strictSame(store.pendingArchives(), [
    { run_id: '01B', archive: { bucket: '', blocks: [], verified: false, pending: true } },
  ]);
});

t.test('every run, oldest first, with its labels and what became of its metrics', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  for (let n = 30; n > 0; n--)
    store.addRun(
      makeRun({
        run_id: `01A${n}`,
        started_at: new Date(Date.UTC(2026, 0, n)).toISOString(),
        benchmark: n % 2 ? 'shop' : 'caddy',
        labels: n === 2 ? { b: '2', a: '1' } : {},
        archive: undefined,
      }),
    );
  store.saveArchive('01A1', { bucket: '', blocks: [], verified: false, pending: true });
  const stored = store.stored();
  t.strictSame(
    stored.map(({ run_id }) => run_id),
    Array.from({ length: 30 }, (_, i) => `01A${i + 1}`),
  );
  t.strictSame(
    stored.filter(({ archive }) => archive).map(({ run_id, archive }) => [run_id, archive!.pending]),
    [['01A1', true]],
  );
  t.strictSame(
    stored.filter(({ labels }) => Object.keys(labels).length > 0).map(({ run_id, labels }) => [run_id, labels]),
    [['01A2', { a: '1', b: '2' }]],
  );
  t.ok(stored.every(({ observations, run_id }) => observations === store.run(run_id).rounds.length));
});

t.test('a change point is added once and never changed', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const point = (laid = {}) => ({
    benchmark: 'shop',
    host_id: 'h0st',
    metric: 'latency_med',
    commit: 'b'.repeat(40),
    before: 'a'.repeat(40),
    run_id: '01B',
    at: '2026-01-02T00:00:00.000Z',
    ratio: 1.0512345678901234,
    found_at: '2026-01-05T00:00:00.000Z',
    ...laid,
  });
  t.throws(() => store.addChangePoint(point()), /FOREIGN KEY/, 'its run must be known');
  for (const run_id of ['01A', '01B']) store.addRun(makeRun({ run_id }));
  store.addRun(makeRun({ run_id: '01C', benchmark: 'caddy' }));
  const all = [
    point({ run_id: '01C', benchmark: 'caddy' }),
    point({ run_id: '01A', at: '2026-01-01T00:00:00.000Z', ratio: 0.5 }),
    point(),
    point({ metric: 'latency_p95' }),
  ];
  for (const one of all.toReversed()) store.addChangePoint(one);
  store.addChangePoint(point({ ratio: 2, found_at: '2026-02-01T00:00:00.000Z' }));
  t.strictSame(store.changePoints(), all);
  t.strictSame(store.changePoints('caddy'), all.slice(0, 1));
  t.strictSame(store.changePoints('none'), []);
  for (const ratio of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => store.addChangePoint(point({ ratio })), /above 0/);
});

t.test('builds and events', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const build = {
    benchmark: 'shop',
    image: 'shop',
    commit: 'abc',
    recipeHash: 'r1',
    tag: 'mayfly/shop:abc',
    imageId: 'sha256:1',
  };
  t.equal(store.findBuild(build), undefined);
  store.saveBuild(build);
  store.saveBuild({ ...build, imageId: 'sha256:2' });
  t.strictSame(store.findBuild(build), { ...build, imageId: 'sha256:2' });
  t.equal(store.findBuild({ ...build, recipeHash: 'r2' }), undefined);
  store.addEvent('swept', 'a run of another data folder', { containers: 3 });
  store.addEvent('noted', null, 'x');
  t.match(store.events(), [
    { kind: 'noted', run_id: null, detail: 'x' },
    { kind: 'swept', detail: { containers: 3 } },
  ]);
  for (let i = 0; i < 50; i++) store.addEvent('many', null, i);
  t.same(
    store.events(50).map(({ detail }) => detail),
    Array.from({ length: 50 }, (_, i) => 49 - i),
    'in their order within a millisecond too',
  );
});

t.test('real processes that open a new file and write at once: nothing is lost', async (t) => {
  const file = join(t.testdir(), 'mayfly.db');
  const ids = ['01A', '01B', '01C', '01D'];
  const codes = await Promise.all(ids.map(async (id) => (await once(startWriter(file, id, 40), 'exit'))[0] as number));
  t.strictSame(codes, [0, 0, 0, 0]);
  const store = openStore(file);
  t.teardown(() => store.close());
  for (const id of ids) t.equal(store.run(id).rounds.length, 40);
});

t.test('a writer killed in the middle leaves whole rounds only, and every one that it reported', async (t) => {
  const file = join(t.testdir(), 'mayfly.db');
  for (const id of ['01A', '01B', '01C']) {
    const writer = startWriter(file, id, 1_000_000);
    const exit = once(writer, 'exit');
    let output = '';
    for await (const chunk of writer.stdout) {
      output += chunk;
      if (output.split('\n').length > 25) writer.kill('SIGKILL');
    }
    t.equal((await exit)[1], 'SIGKILL');
    const reported = output.split('\n').length - 1;
    const store = openStore(file);
    const { rounds } = store.run(id);
    store.close();
    t.ok(rounds.length >= reported, `${rounds.length} kept, ${reported} reported`);
    t.ok(
      rounds.every((round) => Object.keys(round.samples).length === 50),
      'each with all of its samples',
    );
  }
});

t.test('a file of an older schema is brought up to date and keeps its runs', async (t) => {
  const dir = t.testdir({ newer: {} });
  const file = join(dir, 'mayfly.db');
  const run = makeRun();
  const before = openStore(file);
  before.addRun(run);
  before.close();

  const known = readdirSync(MIGRATIONS).length;
  const folder = join(dir, 'newer');
  cpSync(MIGRATIONS, folder, { recursive: true });
  writeFileSync(
    join(folder, '999_note.sql'),
    `CREATE TABLE note (run_id TEXT); INSERT INTO note SELECT run_id FROM run;`,
  );
  const newer = openDatabase(file, { migrations: folder });
  t.strictSame(
    newer.all('SELECT run_id FROM note').map((row) => row.run_id),
    [run.run_id],
  );
  newer.close();

  const error = thrown(() => openStore(file));
  t.type(error, InfrastructureError);
  t.match(
    error.message,
    `mayfly.db was written by a newer Mayfly (schema ${known + 1}; this one knows up to ${known})`,
    'and the older Mayfly refuses it from then on',
  );
  t.match(error.hint, /git pull/);
});

t.test('a store of the first schema gets its change points and keeps its runs', async (t) => {
  const dir = t.testdir({ first: {} });
  const file = join(dir, 'mayfly.db');
  copyFileSync(join(MIGRATIONS, '001_runs.sql'), join(dir, 'first/001_runs.sql'));
  const run = makeRun();
  const first = openDatabase(file, { migrations: join(dir, 'first') });
  first.run('INSERT INTO benchmark (name) VALUES (?)', 'shop');
  first.run(
    `INSERT INTO run (run_id, benchmark, status, started_at, pairing, host_id, stack_version, rounds_asked, host, load, cpusets, metrics, stack_images, compose)
     VALUES (?, 'shop', 'complete', ?, 'interleaved', 'h', 's', 1, '{}', '{}', '{}', '[]', '[]', '{}')`,
    run.run_id,
    run.started_at,
  );
  for (const side of ['candidate', 'baseline'])
    first.run(
      `INSERT INTO run_side (run_id, side, ref, commit_id, images) VALUES (?, ?, 'HEAD', 'c', '[]')`,
      run.run_id,
      side,
    );
  t.throws(() => first.all('SELECT * FROM change_point'), /no such table/);
  first.close();
  const store = openStore(file);
  t.teardown(() => store.close());
  t.match(store.stored(), [{ run_id: run.run_id, benchmark: 'shop', status: 'complete', started_at: run.started_at }]);
  t.strictSame(store.changePoints(), []);
  const kept = store.run(run.run_id);
  t.equal(kept.pairing, 'interleaved', 'the pairing moves to a column that takes more of them');
  for (const field of ['comparison', 'master', 'verdict', 'capacity', 'continues'] as const)
    t.equal(kept[field], undefined);
  store.amendRun(run.run_id, { pairing: 'alternating' });
  t.equal(store.run(run.run_id).pairing, 'alternating');
});

t.test('a store of before a service could be at fault keeps its jobs, and takes those that are', async (t) => {
  const dir = t.testdir({ older: {} });
  const file = join(dir, 'mayfly.db');
  for (const name of readdirSync(MIGRATIONS).filter((name) => name < '007'))
    copyFileSync(join(MIGRATIONS, name), join(dir, 'older', name));
  const older = openDatabase(file, { migrations: join(dir, 'older') });
  const add = (id: string, state: string, fault: string | null, names: Record<string, string> = {}) =>
    older.run(
      `INSERT INTO job (job_id, kind, state, priority, benchmark, commit_id, overrides, requested_by, created_ms, not_before_ms, deadline_s, retry_of, fault, ended_ms)
       VALUES (?, 'new-test', ?, 10, 'shop', 'c', '{}', 'test', 1, 1, 3600, ?, ?, ?)`,
      id,
      state,
      names.retry_of ?? null,
      fault,
      state === 'queued' ? null : 2,
    );
  add('01A', 'failed', 'build');
  add('01B', 'queued', null, { retry_of: '01A' });
  older.run(`UPDATE job SET replaced_by = '01B' WHERE job_id = '01A'`);
  t.throws(() => add('01C', 'failed', 'service'), /CHECK/);
  older.close();
  const store = openStore(file);
  t.teardown(() => store.close());
  t.match(store.queue.job('01A'), { state: 'failed', fault: 'build', replaced_by: '01B' });
  const { job, leaseId } = store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, 3)!;
  t.match(job, { job_id: '01B', retry_of: '01A' });
  store.queue.endLease('01B', leaseId, { state: 'failed', fault: 'service', reason: 'it dies' }, 4);
  t.match(store.queue.job('01B'), { state: 'failed', fault: 'service', reason: 'it dies' });
  const newer = openDatabase(file);
  t.teardown(() => newer.close());
  t.throws(() => newer.run(`UPDATE job SET retry_of = 'nobody' WHERE job_id = '01B'`), /FOREIGN KEY/);
  t.same(newer.all('PRAGMA foreign_key_check'), []);
  t.same(
    newer.all(`SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'job' AND sql IS NOT NULL`).length,
    6,
    'with its indexes',
  );
});

t.test('where a benchmark is from is kept; one of before has a commit to be known by', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  t.equal(store.benchmark('shop'), undefined);
  const { candidate } = makeRun().sides;
  const at = (run_id: string, commit: string) => makeRun({ run_id, sides: { candidate: { ...candidate, commit } } });
  store.addRun(at('01A', 'a'.repeat(40)));
  store.addRun(at('01B', 'b'.repeat(40)));
  store.addRun(at('01C', `worktree-${'c'.repeat(40)}`));
  t.same(store.benchmark('shop'), { repository: null, path: null, folder: null, newest: 'b'.repeat(40) });
  const from = { repository: 'git.example.org/acme/shop', path: 'perf/shop', folder: '/src/perf/shop' };
  store.keepBenchmark('shop', from);
  t.same(store.benchmark('shop'), { ...from, newest: 'b'.repeat(40) });
  store.keepBenchmark('new', { ...from, path: null });
  store.keepBenchmark('new', { ...from, path: null, folder: '/moved' });
  t.same(store.benchmark('new'), { ...from, path: null, folder: '/moved', newest: null });
});

t.test('a comparison keeps its design, its verdict and where its rounds are from', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const before = {
    ...makeComparison(1.05),
    run_id: '01BEFORE',
    status: 'interrupted' as const,
    comparison: { design: 'sequential' as const, min: 6, max: 40 },
  };
  store.addRun(before);
  t.equal(store.continuedBy(before.run_id), undefined);
  const rounds = before.rounds.map((round) => ({ ...round, block: 2, rate: 7, from_run: before.run_id }));
  const run = {
    ...before,
    run_id: '01AFTER',
    status: 'complete' as const,
    continues: before.run_id,
    master: true,
    rounds,
  };
  store.addRun(run);
  const verdict = judgeRun(store.run(run.run_id));
  store.saveVerdict(run.run_id, verdict);
  t.strictSame(
    JSON.parse(JSON.stringify(store.run(run.run_id))),
    JSON.parse(JSON.stringify({ ...run, verdict })),
    'all of it comes back',
  );
  t.match(store.runs({ master: true }), [{ run_id: run.run_id, verdict: verdict.verdict, master: true }]);
  t.equal(store.continuedBy(before.run_id), run.run_id);
  const elsewhere = openStore(join(t.testdir({ other: {} }), 'other', 'mayfly.db'));
  t.teardown(() => elsewhere.close());
  elsewhere.addRun(store.run(run.run_id));
  t.strictSame(elsewhere.run(run.run_id).verdict, verdict, 'the verdict travels with the record');
});

t.test('suspected changes are added once and settled once; bisections are kept as far as they have come', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  store.addRun(makeRun());
  const { run_id, started_at: at } = makeRun();
  const change = {
    benchmark: 'shop',
    host_id: 'h0st',
    metric: 'latency_med',
    run_id,
    commit: 'b',
    before: 'a',
    at,
    ratio: 1.05,
    found_at: at,
  };
  store.addSuspectedChange(change);
  store.addSuspectedChange({ ...change, ratio: 2 });
  t.strictSame(store.suspectedChanges('shop', 'h0st'), [{ ...change, state: 'open' }]);
  store.settleSuspectedChange(change, 'confirmed', '01CHECK');
  t.match(store.suspectedChanges('shop'), [{ state: 'confirmed', checked_by: '01CHECK' }]);
  t.throws(() => store.addSuspectedChange({ ...change, metric: 'x', ratio: 0 }), /must be a number above 0/);
  store.saveBisection({ bisection_id: '01B', benchmark: 'other', state: 'running', document: { left: 5 } });
  store.saveBisection({ bisection_id: '01B', benchmark: 'other', state: 'done', document: { left: 0 } });
  t.match(store.bisections('other'), [{ bisection_id: '01B', state: 'done', document: { left: 0 } }]);
  t.same(store.bisections('shop'), []);
});

t.test('a migration that fails leaves the file as it was', async (t) => {
  const dir = t.testdir({ bad: {} });
  const file = join(dir, 'mayfly.db');
  openStore(file).close();
  cpSync(MIGRATIONS, join(dir, 'bad'), { recursive: true });
  writeFileSync(join(dir, 'bad/999_bad.sql'), 'CREATE TABLE note (a TEXT); CREATE NONSENSE;');
  t.throws(() => openDatabase(file, { migrations: join(dir, 'bad') }), /NONSENSE/);
  const store = openStore(file);
  t.teardown(() => store.close());
  t.strictSame(store.runs(), []);
});

t.test('files that are no store', async (t) => {
  const dir = t.testdir({
    'text.db': 'this is a text file of some length, and no database at all\n'.repeat(20),
    file: '',
  });
  const foreign = new DatabaseSync(join(dir, 'foreign.db'));
  foreign.exec('CREATE TABLE customer (name TEXT)');
  foreign.close();
  mkdirSync(join(dir, 'folder.db'));
  for (const [file, sentence] of [
    ['text.db', /text\.db is not a SQLite database/],
    ['foreign.db', /foreign\.db is a database, but no store of Mayfly/],
    ['folder.db', /folder\.db cannot be opened/],
    ['file/mayfly.db', /mayfly\.db cannot be opened/],
  ] as const) {
    const error = thrown(() => openStore(join(dir, file)));
    t.type(error, InfrastructureError, file);
    t.match(error.message, sentence);
    t.match(error.hint, /MAYFLY_DATA/);
  }
});

t.test('what SQLite reports becomes a sentence', async (t) => {
  const file = join(t.testdir(), 'mayfly.db');
  openStore(file).close();
  const connect = (pragma: string) => {
    const db = new DatabaseSync(file, { timeout: 10 });
    t.teardown(() => db.close());
    if (pragma) db.exec(pragma);
    return () => explained(file, () => db.exec(`INSERT INTO benchmark (name) VALUES ('${'x'.repeat(100_000)}')`));
  };
  t.match(thrown(connect('PRAGMA max_page_count = 1')), {
    name: 'InfrastructureError',
    message: /the disk is full/,
    hint: /Make room/,
  });
  t.match(thrown(connect('PRAGMA query_only = 1')), { name: 'InfrastructureError', message: /read-only/ });
  const blocker = new DatabaseSync(file);
  blocker.exec('BEGIN IMMEDIATE');
  t.match(thrown(connect('')), { name: 'InfrastructureError', message: /is locked/ });
  blocker.close();
  t.equal(
    thrown(() =>
      explained(file, () => {
        throw new RangeError('ours');
      }),
    ).name,
    'RangeError',
    'a fault of our own stays one',
  );
});
