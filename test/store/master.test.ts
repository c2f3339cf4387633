/** The query for the master set. */
import { join } from 'node:path';
import t from 'tap';
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
  t.equal(masterHost(db, 'nothing'), undefined);
});
