/**
 * Two workloads are never one: who puts figures of different runs beside each other tells them apart by the load
 * script. What it hashes is in test/stories/identity.test.ts.
 */
import { join } from 'node:path';
import t from 'tap';
import type { CalibrationDocument } from '../scripts/documents/calibration.ts';
import type { RunDocument } from '../scripts/documents/run.ts';
import { comparable } from '../scripts/judge/compare-runs.ts';
import { conditionsOf, newSuspects, seriesOf } from '../scripts/judge/series.ts';
import { openStore } from '../scripts/store/db.ts';
import { makeComparison, makeRun } from './run-document.ts';
import { masterRun } from './store/master-runs.ts';

const other = <R extends RunDocument>(run: R): R => ({ ...run, load: { ...run.load, workload: 'an0ther' } });

t.test(
  'history: runs of another load script are in another series, and the step between them is no change',
  async (t) => {
    const latency = (run: RunDocument) => conditionsOf(run, run.metrics.find(({ name }) => name === 'latency_med')!);
    t.equal(latency(makeRun()), latency(makeRun()));
    t.not(latency(other(makeRun())), latency(makeRun()));
    const runs = Array.from({ length: 40 }, (_, i) => masterRun(i, i < 20 ? 1 : 2));
    t.equal(newSuspects(runs, []).length, 2, 'the same script: the median and the CPU time have changed');
    const edited = runs.map((run, i) => (i < 20 ? run : other(run)));
    t.same(
      seriesOf(edited, 'latency_med').map(({ points }) => points.length),
      [20, 20],
    );
    t.same(newSuspects(edited, []), []);
  },
);

t.test('two runs of different load scripts are not compared', async (t) => {
  t.same(comparable(makeRun(), makeRun()), []);
  t.same(comparable(makeRun(), other(makeRun())), ['the load script is another']);
  t.same(comparable(makeComparison(1), other(makeComparison(1))), ['the load script is another']);
});

t.test('a calibration is of its own load script', async (t) => {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const [run, later] = [makeComparison(1), { ...other(makeComparison(1)), run_id: '01JZZZZZZZZZZZZZZZZZZZZZZZ' }];
  const found = (of: RunDocument) => store.calibration(of)?.run_id;
  const add = (of: RunDocument, at: string) => {
    store.addRun(of);
    store.addCalibration({
      run_id: of.run_id,
      benchmark: of.benchmark,
      host_id: of.host.id,
      at,
    } as CalibrationDocument);
  };
  add(run, '2026-01-02T03:04:05.000Z');
  t.same([found(run), found(later)], [run.run_id, undefined]);
  add(later, '2026-01-03T03:04:05.000Z');
  t.same(
    [found(run), found(later)],
    [run.run_id, later.run_id],
    'a later one of another script does not take its place',
  );
});

// The fourth, --resume, is in test/measure/rounds.test.ts: `an interrupted comparison is gone on with as it was begun`.
