/** The query for the master set. */
import { join } from 'node:path';
import t from 'tap';
import { seriesOf } from '../../scripts/judge/series.ts';
import { openStore } from '../../scripts/store/db.ts';
import { masterHost, masterRuns } from '../../scripts/store/master.ts';
import { openDatabase } from '../../scripts/store/sqlite.ts';
import { masterRun } from './master-runs.ts';

t.test('complete runs of the master set of one benchmark and host, oldest first', async (t) => {
  const file = join(t.testdir(), 'store.db');
  const store = openStore(file);
  const other = masterRun(9, 1).host;
  const invalid = masterRun(3, 3, { against: 1 });
  invalid.rounds[0] = {
    ...invalid.rounds[0]!,
    valid: false,
    block: 4,
    reasons: [{ code: 'start-lag', message: 'late' }],
  };
  for (const run of [
    invalid,
    masterRun(2, 2),
    masterRun(4, 4, { laid: { master: false } }),
    masterRun(5, 5, { laid: { status: 'invalid' } }),
    masterRun(6, 6, { laid: { benchmark: 'caddy' } }),
    masterRun(7, 7, { laid: { host: { ...other, id: 'other' } } }),
  ])
    store.addRun(run);
  store.close();
  const db = openDatabase(file);
  t.teardown(() => db.close());

  const found = masterRuns(db, 'shop', 'h0st');
  t.strictSame(
    found.map(({ run_id }) => run_id),
    [masterRun(2, 2).run_id, invalid.run_id],
  );
  const { pairing, sides, load, host, stack_version, cpusets, metrics, rounds } = found[1]!;
  t.match(
    { pairing, load, host, stack_version, cpusets, metrics },
    {
      pairing: 'interleaved',
      load: invalid.load,
      host: invalid.host,
      stack_version: 'st4ck',
      cpusets: invalid.cpusets,
      metrics: invalid.metrics,
    },
  );
  t.match(sides, { candidate: { commit: /0003$/, ref: 'main', subject: 'change 3' }, baseline: { commit: /0001$/ } });
  t.strictSame(
    rounds.map(({ side, round, valid, block }) => [side, round, valid, block]),
    [
      ['candidate', 1, false, 4],
      ['baseline', 1, true, undefined],
      ['candidate', 2, true, undefined],
      ['baseline', 2, true, undefined],
      ['candidate', 3, true, undefined],
      ['baseline', 3, true, undefined],
    ],
  );
  t.strictSame(
    Object.keys(rounds[2]!.samples).sort(),
    ['cpu_seconds_per_request', 'latency_med'],
    'the primary metrics',
  );
  t.strictSame(rounds[2]!.samples.latency_med, invalid.rounds[2]!.samples.latency_med);
  t.strictSame(
    Object.keys(masterRuns(db, 'shop', 'h0st', ['memory_peak'])[0]!.rounds[0]!.samples),
    ['memory_peak'],
    'or those asked for',
  );
  t.strictSame(masterRuns(db, 'shop', 'nowhere'), []);

  t.equal(masterHost(db, 'shop'), 'other', 'that of the newest run');
  t.strictSame(
    [masterRuns(db, 'shop', 'h0st', undefined, undefined, 'release-1.4'), masterHost(db, 'shop', 'release-1.4')],
    [[], undefined],
  );
  t.equal(masterHost(db, 'nothing'), undefined);
});

t.test('each branch has a master set of its own; runs that name none are of the default branch', async (t) => {
  const file = join(t.testdir(), 'store.db');
  const store = openStore(file);
  t.teardown(() => store.close());
  const line = { branch: 'release-1.4' };
  for (const run of [
    masterRun(1, 1),
    masterRun(2, 1, { laid: line }),
    masterRun(3, 1, { laid: { ...line, host: { ...masterRun(3, 1).host, id: 'other' } } }),
    masterRun(4, 1, { laid: { branch: 'feature', master: false } }),
  ])
    store.addRun(run);
  const ids = (runs: readonly { run_id: string }[]) => runs.map(({ run_id }) => Number(run_id.slice(-4)));
  const own = (branch?: string) => [
    ids(store.masterRuns('shop', 'h0st', undefined, undefined, branch)),
    store.masterHost('shop', branch),
    ids(store.runs({ benchmark: 'shop', master: true, branch })),
    store.site.masterHosts('shop', branch).map(({ host_id, runs }) => [host_id, runs]),
    store.site.masterCount('shop', 'h0st', branch),
    store.site.newestMaster('shop', undefined, branch)?.run_id.slice(-1),
  ];
  t.strictSame(own(), [[1], 'h0st', [1], [['h0st', 1]], 1, '1']);
  t.strictSame(own('release-1.4'), [
    [2],
    'other',
    [3, 2],
    [
      ['other', 1],
      ['h0st', 1],
    ],
    1,
    '3',
  ]);
  t.strictSame(own('feature'), [[], undefined, [], [], 0, undefined], 'a proposal for a branch is no commit of it');
  t.strictSame(store.site.masterBranches('shop'), ['release-1.4']);
  t.equal(store.run(masterRun(2, 1).run_id).branch, 'release-1.4');
  t.notOk('branch' in store.run(masterRun(1, 1).run_id));
  const change = (i: number) => {
    const run = masterRun(i, 1);
    const { commit } = run.sides.candidate;
    const where = { benchmark: 'shop', host_id: 'h0st', metric: 'latency_med', run_id: run.run_id, at: run.started_at };
    return { ...where, commit, before: commit, ratio: 1.1, found_at: run.started_at };
  };
  for (const i of [1, 2]) {
    store.addChangePoint(change(i));
    store.addSuspectedChange(change(i));
  }
  const branches = [store.changePoints('shop'), store.suspectedChanges('shop')].map((all) =>
    all.map(({ branch }) => branch),
  );
  t.strictSame(
    branches,
    [
      [undefined, 'release-1.4'],
      [undefined, 'release-1.4'],
    ],
    'a change is of the branch of its run',
  );
});

t.test('so has each variant, which is that of the candidate; runs that name none are of none', async (t) => {
  const store = openStore(join(t.testdir(), 'store.db'));
  t.teardown(() => store.close());
  const inVariant = (i: number, candidate?: string, baseline?: string) => {
    const run = masterRun(i, i, { against: 1 });
    const variant = (name?: string) => (name === undefined ? {} : { variant: name });
    const deployment = { replicas: { api: 3 }, balancer: { service: 'api', sticky: 'cookie' as const } };
    run.sides.candidate = { ...run.sides.candidate, ...variant(candidate), ...(candidate ? { deployment } : {}) };
    run.sides.baseline = { ...run.sides.baseline!, ...variant(baseline) };
    return run;
  };
  const runs = [inVariant(2), inVariant(3, 'scaled', 'scaled'), inVariant(4, 'scaled', 'single')];
  for (const run of runs) store.addRun(run);
  const ids = (all: readonly { run_id: string }[]) => all.map(({ run_id }) => Number(run_id.slice(-4)));
  const own = (variant?: string) => [
    ids(store.masterRuns('shop', 'h0st', undefined, undefined, undefined, variant)),
    store.masterHost('shop', undefined, variant),
    ids(store.runs({ benchmark: 'shop', master: true, variant })),
    store.site.masterHosts('shop', undefined, variant).map(({ runs }) => runs),
    store.site.masterCount('shop', 'h0st', undefined, variant),
    store.site.newestMaster('shop', undefined, undefined, variant)?.run_id.slice(-1),
  ];
  t.strictSame(own(), [[2], 'h0st', [2], [1], 1, '2']);
  t.strictSame(own('scaled'), [[3, 4], 'h0st', [4, 3], [2], 2, '4']);
  t.strictSame(own('single'), [[], undefined, [], [], 0, undefined], 'that of a baseline makes no line');
  t.strictSame(store.site.masterVariants('shop'), ['scaled']);
  t.strictSame(ids(store.runs({ benchmark: 'shop' })), [4, 3, 2], 'a list of all has all');
  t.strictSame(ids(store.runs({ benchmark: 'shop', variant: 'scaled' })), [4, 3]);
  t.strictSame(ids(store.site.runLines({ variant: 'scaled', limit: 9 })), [4, 3]);
  t.strictSame(store.run(runs[2]!.run_id).sides, runs[2]!.sides, 'a run is kept as it was given');
  t.match(store.runs()[0], { variant: 'scaled', against_variant: 'single' });
  t.match(store.site.runLines({ limit: 1 })[0], { variant: 'scaled', against: { variant: 'single' } });

  const { candidate } = runs[1]!.sides;
  const where = { benchmark: 'shop', host_id: 'h0st', metric: 'latency_med', run_id: runs[1]!.run_id };
  const change = { ...where, at: runs[1]!.started_at, commit: candidate.commit, before: candidate.commit, ratio: 1.1 };
  store.addChangePoint({ ...change, found_at: change.at });
  store.addSuspectedChange({ ...change, found_at: change.at });
  t.match(store.changePoints('shop'), [{ variant: 'scaled' }], 'a change is of the variant of its run');
  t.match(store.suspectedChanges('shop'), [{ variant: 'scaled' }]);

  const series = (variant?: string) =>
    seriesOf(store.masterRuns('shop', 'h0st', undefined, undefined, undefined, variant), 'latency_med');
  t.equal(series('scaled').length, 2, 'a ratio to another variant is on another line');

  const conditions = (candidateVariant?: string, baselineVariant?: string) => ({
    ...runs[1]!,
    sides: {
      candidate: { ...(candidateVariant ? { variant: candidateVariant } : {}) },
      baseline: { ...(baselineVariant ? { variant: baselineVariant } : {}) },
    },
  });
  store.addCalibration({ ...CALIBRATION, run_id: runs[1]!.run_id, host_id: 'h0st', benchmark: 'shop' });
  t.ok(store.calibration(conditions('scaled', 'scaled')), 'of the same deployment');
  t.notOk(store.calibration(conditions()), 'of no other');
  t.notOk(store.calibration(conditions('scaled', 'single')));
});

/** What the store reads of one. */
const CALIBRATION = { at: '2026-01-01T00:00:00.000Z' } as Parameters<ReturnType<typeof openStore>['addCalibration']>[0];
