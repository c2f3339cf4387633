/** What one run of the default branch says of the commit before it. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RunDocument } from '../../../scripts/documents/run.ts';
import { openStore } from '../../../scripts/store/db.ts';
import { suspectFromRun } from '../../../scripts/studies/history/confirm-changes.ts';
import { makeJudged, makeRun } from '../../run-document.ts';

const commit = (number: number) => String(number).padStart(40, 'c');

/**
 * A master set: the anchor alone, then commits that are so many times as slow as the anchor, in the order in which they
 * were measured.
 */
function master(t: Test, factors: readonly [number: number, factor: number][], anchor = 0) {
  const store = openStore(join(t.testdir(), 'mayfly.db'));
  t.teardown(() => store.close());
  const times = (index: number) => ({
    run_id: `01JZZZZZZZZZZZZZZZZZZZZ${String(index).padStart(3, '0')}`,
    started_at: `2026-01-02T03:${String(index).padStart(2, '0')}:00.000Z`,
  });
  const side = (number: number) => ({ ref: 'main', commit: commit(number), images: [] });
  const alone = makeRun({ ...times(0), master: true, sides: { candidate: side(anchor) } });
  const compared = factors.map(
    ([number, factor], index): RunDocument =>
      makeJudged({
        ...times(index + 1),
        seed: 3 + index,
        factors: { latency_med: factor },
        master: true,
        sides: { candidate: side(number), baseline: side(anchor) },
      }),
  );
  const said = [alone, ...compared].map((run) => {
    store.addRun({ ...run, archive: undefined } as unknown as RunDocument);
    suspectFromRun(store.run(run.run_id), store);
    return store.suspectedChanges('shop').map(({ metric, before, commit: after, ratio }) => ({
      metric,
      before,
      commit: after,
      ratio: Math.round(ratio * 100) / 100,
    }));
  });
  return { store, said, last: said.at(-1)! };
}

t.test('a step is suspected with the run that shows it, between it and the run before, once', async (t) => {
  const { said, store } = master(t, [
    [1, 1],
    [2, 1],
    [3, 1.05],
    [4, 1.05],
    [5, 1.05],
  ]);
  t.same(said.slice(0, 3), [[], [], []]);
  const step = { metric: 'latency_med', before: commit(2), commit: commit(3), ratio: 1.05 };
  t.same(said[3], [step]);
  t.same(said.at(-1), [step], 'the runs after it say nothing new');
  t.same(store.changePoints(), [], 'suspected only: a comparison decides');
});

t.test('an improvement; a second step on top of the first; the commit right after the anchor', async (t) => {
  t.match(
    master(t, [
      [1, 1],
      [2, 0.94],
    ]).last,
    [{ before: commit(1), commit: commit(2), ratio: 0.94 }],
  );
  t.match(
    master(t, [
      [1, 1],
      [2, 1.05],
      [3, 1.12],
    ]).last.map(({ before, commit: after }) => [before, after]),
    [
      [commit(1), commit(2)],
      [commit(2), commit(3)],
    ],
  );
  t.match(master(t, [[1, 1.05]]).last, [{ before: commit(0), commit: commit(1) }]);
});

t.test('what creeps, and what may be noise, is left to the search for change points', async (t) => {
  t.same(
    master(t, [
      [1, 1.001],
      [2, 1.002],
      [3, 1.003],
      [4, 1.004],
      [5, 1.005],
    ]).last,
    [],
    'what is sure of one run does not exclude what is sure of the next',
  );
});

t.test(
  'a run against another anchor, one that is not of the master set, and the same commit again say nothing',
  async (t) => {
    const { store } = master(t, [
      [1, 1],
      [2, 1],
    ]);
    const side = (number: number) => ({ ref: 'main', commit: commit(number), images: [] });
    const later = (laid: Partial<RunDocument>) =>
      makeJudged({
        run_id: '01JZZZZZZZZZZZZZZZZZZZZ099',
        started_at: '2026-01-02T05:00:00.000Z',
        factors: { latency_med: 1.1 },
        master: true,
        sides: { candidate: side(9), baseline: side(0) },
        ...laid,
      });
    t.same(suspectFromRun(later({ sides: { candidate: side(9), baseline: side(8) } }), store), []);
    t.same(suspectFromRun(later({ master: false }), store), []);
    t.same(store.suspectedChanges('shop'), []);
  },
);

t.test(
  'a new host: a slow commit that came in with it is suspected there, from the last one on the old host',
  async (t) => {
    const { store } = master(t, [
      [1, 1],
      [2, 1],
    ]);
    const side = (number: number) => ({ ref: 'main', commit: commit(number), images: [] });
    const { host } = makeRun();
    const later = (number: number, factor: number, anchor = 0): RunDocument => {
      const run = makeJudged({
        run_id: `01JZZZZZZZZZZZZZZZZZZZZ0${90 + number}`,
        started_at: `2026-01-02T05:0${number}:00.000Z`,
        factors: { latency_med: factor },
        host: { ...host, id: 'patched', kernel: '6.19' },
        master: true,
        sides: { candidate: side(number), baseline: side(anchor) },
      });
      store.addRun({ ...run, archive: undefined } as unknown as RunDocument);
      return store.run(run.run_id);
    };
    t.match(suspectFromRun(later(3, 1.1), store), [/^suspected: latency med is worse from /]);
    t.match(store.suspectedChanges('shop'), [
      { host_id: 'patched', before: commit(2), commit: commit(3), metric: 'latency_med' },
    ]);
    suspectFromRun(later(4, 1.1), store);
    t.equal(store.suspectedChanges('shop').length, 1, 'the next one is as slow');
  },
);

t.test('another anchor, since a force push has removed the one before: held against that commit itself', async (t) => {
  const { store } = master(t, [
    [1, 1],
    [2, 1],
  ]);
  const side = (number: number) => ({ ref: 'main', commit: commit(number), images: [] });
  const run = makeJudged({
    run_id: '01JZZZZZZZZZZZZZZZZZZZZ099',
    started_at: '2026-01-02T05:00:00.000Z',
    factors: { latency_med: 1.1 },
    master: true,
    sides: { candidate: side(9), baseline: side(1) },
  });
  store.addRun({ ...run, archive: undefined } as unknown as RunDocument);
  t.equal(suspectFromRun(store.run(run.run_id), store).length, 1);
  t.match(store.suspectedChanges('shop'), [{ before: commit(1), commit: commit(9) }]);
});
