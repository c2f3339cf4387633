/** From runs of the master set to levels, and to what is suspected. */
import t, { type Test } from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { newSuspects, seriesOf, suspectsOf } from '../../scripts/judge/series.ts';
import { makeRun } from '../run-document.ts';
import { masterRun } from '../store/master-runs.ts';

/** Small and without pattern, the same every time; standard deviation about 1. */
const noise = (i: number) => 1.7 * (2 * ((Math.sin(i * 127.1 + 11.7) * 43758.5453) % 1));

const logs = (runs: RunDocument[], metric = 'latency_med') =>
  seriesOf(runs, metric)
    .at(-1)!
    .points.map(({ value }) => value);
const near = (t: Test, found: number[], wanted: number[]) =>
  t.ok(
    found.length === wanted.length && found.every((value, i) => Math.abs(value - wanted[i]!) < 1e-9),
    `${found} is about ${wanted}`,
  );

t.test('runs of one side: the logarithm of the median', async (t) => {
  near(t, logs([masterRun(0, 0.001), masterRun(1, 0.002)]), [Math.log(0.001), Math.log(0.002)]);
});

t.test('runs of two sides: the level hangs on that of the baseline, whatever the host did', async (t) => {
  const drift = [1, 1.5, 0.7, 2];
  const runs = [1, 1.1, 1.1 * 1.2, 1.1 * 1.2].map((level, i) =>
    masterRun(i, 0.001 * level * drift[i]!, {
      against: i === 0 ? undefined : i - 1,
      ratio: i === 0 ? 1 : [1, 1.1, 1.2, 1][i]!,
    }),
  );
  const first = { ...masterRun(0, 0.001, { against: 99, ratio: 1 }) };
  near(
    t,
    logs([first, ...runs.slice(1)]),
    [1, 1.1, 1.32, 1.32].map((level) => Math.log(0.001 * level)),
  );
});

t.test('what was measured in another way is another series', async (t) => {
  const runs = [
    masterRun(0, 1),
    masterRun(1, 1),
    masterRun(2, 2, { laid: { stack_version: 'other' } }),
    masterRun(3, 2, { laid: { load: { ...makeRun().load, rate: 300 } } }),
    masterRun(4, 1),
    masterRun(5, 1, { against: 4, ratio: 1 }),
    masterRun(6, 1),
  ];
  t.strictSame(
    seriesOf(runs, 'latency_med').map(({ points }) => points.map(({ commit }) => commit.slice(-1))),
    [['2'], ['3'], ['5'], ['0', '1', '4', '6']],
  );
  t.strictSame(seriesOf(runs, 'no_such_metric'), []);
  t.strictSame(seriesOf([masterRun(0, 0)], 'latency_med'), [], 'zero has no logarithm');
});

t.test('a step is suspected, in both directions, between the commits around it', async (t) => {
  for (const factor of [1.1, 1 / 1.1]) {
    const runs = Array.from({ length: 40 }, (_, i) =>
      masterRun(i, 0.001 * Math.exp(0.01 * noise(i)) * (i >= 25 ? factor : 1)),
    );
    const suspects = suspectsOf(seriesOf(runs, 'latency_med')[0]!);
    t.equal(suspects.length, 1);
    const { ratio, before, commit, run_id } = suspects[0]!;
    t.ok(Math.abs(ratio / factor - 1) < 0.02, `ratio ${ratio}`);
    t.ok(
      before <= runs[24]!.sides.candidate.commit && commit >= runs[25]!.sides.candidate.commit,
      `between ${before} and ${commit}`,
    );
    t.equal(runs.find((run) => run.run_id === run_id)!.sides.candidate.commit, commit);
  }
});

t.test('what no comparison could confirm is not suspected', async (t) => {
  const step = (factor: number, commitOf: (i: number) => number) =>
    seriesOf(
      Array.from({ length: 40 }, (_, i) =>
        masterRun(i, Math.exp(0.0002 * noise(i)) * (i >= 25 ? factor : 1), { commit: commitOf(i) }),
      ),
      'latency_med',
    )[0]!;
  t.equal(suspectsOf(step(1.006, (i) => i)).length, 1);
  t.strictSame(suspectsOf(step(1.004, (i) => i)), [], 'less than half the margin of 1 %');
  t.strictSame(
    suspectsOf(step(1.1, () => 7)),
    [],
    'one commit measured again and again: the host changed, not the code',
  );
});

t.test('levels that hang on one another share errors: a random walk is no change', async (t) => {
  const spread = 0.01;
  // Each is measured against the one before with an error of its own, so the level walks.
  const walk = (against: (i: number) => number, step: (i: number) => number) =>
    Array.from({ length: 300 }, (_, i) =>
      masterRun(i, 1, { against: against(i), ratio: Math.exp(0.003 * noise(i) + step(i)), spread }),
    );
  const previous = (i: number) => (i === 0 ? 999 : i - 1);
  const walked = suspectsOf(
    seriesOf(
      walk(previous, () => 0),
      'latency_med',
    )[0]!,
  );
  t.ok(walked.length <= 1, `${walked.length} suspects in 300 points`);
  t.equal(
    suspectsOf(
      seriesOf(
        walk(
          () => 999,
          () => 0,
        ),
        'latency_med',
      )[0]!,
    ).length,
    0,
    'against one commit they do not walk',
  );
  const jump = suspectsOf(
    seriesOf(
      walk(previous, (i) => (i === 150 ? 0.08 : 0)),
      'latency_med',
    )[0]!,
  );
  t.ok(
    jump.some(({ ratio }) => ratio > 1.05),
    'a jump beyond the errors is seen all the same',
  );
  const anchored = suspectsOf(
    seriesOf(
      walk(
        () => 999,
        (i) => (i >= 150 ? 0.02 : 0),
      ),
      'latency_med',
    )[0]!,
  );
  t.equal(anchored.length, 1, 'against one commit a smaller one is');
});

t.test('a known change is not suspected again, not even a point beside it', async (t) => {
  const runs = Array.from({ length: 40 }, (_, i) => masterRun(i, Math.exp(0.001 * noise(i)) * (i >= 25 ? 1.1 : 1)));
  const found = newSuspects(runs, []);
  t.strictSame(
    found.map(({ metric }) => metric),
    ['latency_med', 'cpu_seconds_per_request'],
  );
  const known = (shift: number) =>
    found.map((suspect) => ({
      ...suspect,
      run_id: runs[runs.findIndex(({ run_id }) => run_id === suspect.run_id) + shift]!.run_id,
      benchmark: 'shop',
      host_id: 'h0st',
      found_at: '',
      state: 'refuted' as const,
    }));
  t.strictSame(newSuspects(runs, known(0)), []);
  t.strictSame(newSuspects(runs, known(1)), []);
  t.equal(newSuspects(runs, known(-10)).length, 2, 'another one far from it is');
  t.strictSame(newSuspects([], []), []);
});
