/** One commit alone against the master set. */
import t from 'tap';
import { fenceOf, LEAST_RUNS, screenRun } from '../../scripts/judge/screen.ts';
import type { ChangePoint } from '../../scripts/store/db.ts';
import { makeRun } from '../run-document.ts';
import { masterRun } from '../store/master-runs.ts';

const history = (length: number, level = (_: number) => 0.001) =>
  Array.from({ length }, (_, i) => masterRun(i, level(i) * (1 + 0.002 * (i % 5))));
const lone = (value: number) => masterRun(500, value, { laid: { master: false } });
const found = (value: number, runs = history(20), points: ChangePoint[] = []) =>
  Object.fromEntries(screenRun(lone(value), runs, points).metrics.map((metric) => [metric.name, metric]));
const point = (metric: string, at: string, laid: Partial<ChangePoint> = {}): ChangePoint => ({
  benchmark: 'shop',
  host_id: 'h0st',
  metric,
  commit: 'b',
  before: 'a',
  run_id: 'r',
  at,
  ratio: 2,
  found_at: at,
  ...laid,
});

t.test('where it lies', async (t) => {
  t.strictSame(Object.keys(found(0.001)), ['latency_med', 'cpu_seconds_per_request'], 'the primary metrics');
  t.match(found(0.001).latency_med, { value: 0.001, runs: 20, lies: 'within', fence: { low: Number, high: Number } });
  t.equal(found(0.0013).latency_med!.lies, 'worse');
  t.equal(found(0.0007).latency_med!.lies, 'better');
  const more = makeRun({ metrics: makeRun().metrics.map((metric) => ({ ...metric, better: 'higher' as const })) });
  t.match(
    screenRun({ ...lone(0.0013), metrics: more.metrics }, history(20), []).metrics[0],
    { lies: 'better' },
    'where more is better',
  );
});

t.test('a fence needs runs', async (t) => {
  t.match(found(0.0013, history(LEAST_RUNS)).latency_med, { lies: 'worse' });
  t.match(found(0.0013, history(LEAST_RUNS - 1)).latency_med, { lies: null, fence: null, runs: LEAST_RUNS - 1 });
  t.match(found(0.0013, []).latency_med, { lies: null, runs: 0 });
});

t.test('the fence is never nearer than the margin', async (t) => {
  const { low, high } = fenceOf([5, 5, 5, 5, 5, 5, 5, 5], 0.01);
  t.ok(Math.abs(high - 5 - Math.log(1.01)) < 1e-12 && Math.abs(5 - low - Math.log(1.01)) < 1e-12);
  t.match(fenceOf([0, 1, 2, 3, 4, 5, 6, 7, 8], 0.01), { median: 4, low: -8, high: 16 }, 'three interquartile ranges');
});

t.test('only runs that mean the same count', async (t) => {
  const strange = [
    history(20).map((run) => ({ ...run, stack_version: 'other' })),
    history(20).map((run) => ({ ...run, load: { ...run.load, rate: 1 } })),
    history(20).map((run) => ({ ...run, host: { ...run.host, id: 'other' } })),
    Array.from({ length: 20 }, (_, i) => masterRun(i, 0.001, { against: 99 })),
  ];
  for (const runs of strange) t.match(found(0.0013, runs).latency_med, { runs: 0, fence: null });
  t.match(screenRun(history(20)[19]!, history(20), []).metrics[0], { runs: 19 }, 'a run is not held against itself');
});

t.test('only runs since the last change point of the metric count', async (t) => {
  const runs = history(40, (i) => (i >= 25 ? 0.002 : 0.001));
  const at = runs[25]!.started_at;
  t.equal(found(0.002, runs, []).latency_med!.runs, 40);
  t.match(found(0.002, runs, [point('latency_med', at), point('latency_med', runs[3]!.started_at)]), {
    latency_med: { runs: 15, lies: 'within' },
    cpu_seconds_per_request: { runs: 40 },
  });
  t.match(
    found(0.002, runs, [
      point('latency_med', at, { host_id: 'other' }),
      point('latency_med', at, { benchmark: 'other' }),
    ]).latency_med,
    { runs: 40 },
    'those of another host or benchmark do not cut',
  );
});

t.test('what decides: the commit against the newest other one', async (t) => {
  const screen = screenRun(lone(0.001), history(20), []);
  t.match(screen, { commit: lone(1).sides.candidate.commit, against: history(20)[19]!.sides.candidate.commit });
  t.equal(screenRun(history(20)[19]!, history(20), []).against, history(20)[18]!.sides.candidate.commit);
  t.equal(screenRun(lone(0.001), [], []).against, null);
  const sides = { candidate: { ...lone(1).sides.candidate, ref: 'worktree' } };
  t.equal(screenRun({ ...lone(0.001), sides }, [], []).commit, 'worktree');
});

t.test('false warnings of a fence, by simulation', async (t) => {
  let state = 1;
  const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller, 1988
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const outside = (runs: number) => {
    let count = 0;
    for (let trial = 0; trial < 4000; trial++) {
      const { low, high } = fenceOf(Array.from({ length: runs }, normal), 0.01);
      const value = normal();
      if (value < low || value > high) count++;
    }
    return count / 4000;
  };
  const [few, many] = [outside(LEAST_RUNS), outside(40)];
  t.comment(`${LEAST_RUNS} runs: ${(100 * few).toFixed(1)} %, 40 runs: ${(100 * many).toFixed(1)} %`);
  t.ok(few < 0.05 && many < 0.005, `${few}, ${many}`);
});
