/** What the perf scripts compute: values by hand. */
import t, { type Test } from 'tap';
import {
  cpuBetween,
  goalLines,
  type Measured,
  measuredOf,
  pairedRatio,
  quieterHalf,
  readVegeta,
  startRate,
} from '../../../scripts/dev/perf/figures.ts';
import { DRAINED, expectedResponses, onePiledUp, type Stall } from '../../../scripts/dev/perf/stall-model.ts';
import {
  costOfRounds,
  medianMilestones,
  milestones,
  milestonesText,
  roundMilestones,
  type Traced,
} from '../../../scripts/dev/perf/timeline.ts';
import { quantile } from '../../../scripts/judge/statistics.ts';
import { makeRound, makeRun } from '../../run-document.ts';

const near = (t: Test, value: number, wanted: number, what: string) =>
  t.ok(Math.abs(value - wanted) < 1e-6, `${what}: ${value}`);

t.test('a stall of 1 s is 8 % of 12.5 s', async (t) => {
  const schedule = { startS: 1000, rate: 200, durationS: 12.5 };
  const atOnce: Stall = { start: 1005, end: 1006, first: 1006, drained: 1006 };
  const at = (all: number[], share: number) => quantile(all, share);

  const all = expectedResponses(schedule, atOnce, 0);
  t.equal(all.length, 2500);
  t.equal(all.filter((one) => one > 0).length, 200, 'all that came in it wait');
  near(t, all.at(-1)!, 1, 'the first of them waits for all of it');
  near(t, all[0]!, 0, 'before and after it nobody waits');
  // The k-th longest wait is 1 s less (k - 1) / 200; the quantiles lie between the neighbours at their place.
  near(t, at(all, 0.95), 1 - (2499 * 0.05) / 200, 'p95');
  near(t, at(all, 0.99), 1 - (2499 * 0.01) / 200, 'p99');
  near(t, at(all, 0.999), 1 - (2499 * 0.001) / 200, 'p99.9');
  near(
    t,
    at(expectedResponses(schedule, atOnce, 0.0005), 0.95),
    1.0005 - (2499 * 0.05) / 200,
    'what every answer takes is on top',
  );
});

t.test('what has piled up is worked off one by one', async (t) => {
  const stall: Stall = { start: 1005, end: 1006, first: 1006.01, drained: 1006.01 + (DRAINED - 1) * 0.001 };
  near(t, onePiledUp(stall), 0.001, 'one');
  const all = expectedResponses({ startS: 1000, rate: 200, durationS: 12.5 }, stall, 0);
  near(t, all.at(-1)!, 1.01, 'the first answer comes when the target says');
  // The i-th request of the stall came at 5 + i/200 and gets its answer at 6.01 + i/1000: it waits 1.01 - 4i/1000,
  // until nobody waits any more.
  t.equal(all.filter((one) => one > 1e-9).length, 253);
  near(t, all.at(-101)!, 1.01 - 0.4, 'the hundredth after it');
});

t.test('CPU time between two moments', async (t) => {
  const readings = [
    { atMs: 0, cpuSeconds: 1 },
    { atMs: 100, cpuSeconds: 1.02 },
    { atMs: 200, cpuSeconds: 1.08 },
    { atMs: 300, cpuSeconds: 1.08 },
  ];
  near(t, cpuBetween(readings, 50, 150), 0.04, 'linear between the readings');
  near(t, cpuBetween(readings, 100, 300), 0.06, 'at readings');
  t.throws(() => cpuBetween(readings, 50, 301), /at an edge of the window/);
  t.throws(() => cpuBetween(readings, -1, 200), /at an edge of the window/);
});

t.test('the results of vegeta', async (t) => {
  const row = (second: number, status: number, latencyMs: number) =>
    `${1_700_000_000 + second}000000000,${status},${latencyMs}000000,0,6,,cHJvYmUK,,0,GET,http://probe/,x`;
  const { sent, failed } = readVegeta(
    `${[row(0, 200, 9), row(1, 200, 1), row(2, 500, 2), row(3, 200, 3), row(4, 0, 8)].join('\n')}\n`,
  );
  t.equal(failed, 2);
  t.same(sent[1], { atS: 1_700_000_001, latencyS: 0.001 });
  t.match(measuredOf(sent, { fromS: 1_700_000_001, toS: 1_700_000_004, failed, cpuSeconds: 0.006 }), {
    requests: 3,
    lost: 2,
    rate: 1,
    cpuPer1000: 2,
    p50: 0.002,
  });
});

t.test('ratios', async (t) => {
  near(t, startRate([0.01, 0.0, 0.02, 0.03]), 100, 'the rate of the starts, in any order');
  const measured = (p99: number): Measured => ({ requests: 1, lost: 0, rate: 1, cpuPer1000: 1, p50: 1, p99 });
  const pairs = [
    [2, 4],
    [9, 10],
    [3, 3],
  ].map(([ours, other]) => ({ ours: measured(ours!), other: measured(other!) }));
  near(
    t,
    pairedRatio<Measured>(pairs, ({ p99 }) => p99),
    0.9,
    'the median of the ratios, not the ratio of the medians',
  );
  t.same(
    quieterHalf(pairs).map(({ other }) => other.p99),
    [3, 4],
  );
  t.same(
    goalLines([
      { text: 'a', met: true },
      { text: 'b', met: false },
    ]),
    ['goal met: a', 'goal MISSED: b'],
  );
});

t.test('where the time of a run goes', async (t) => {
  const at = (seconds: number) => Date.parse('2026-01-01T00:00:00Z') + seconds * 1000;
  const window = { ...makeRound('candidate', 1, {}), started_at: new Date(at(7)).toISOString(), window_s: 3 };
  const event = (seconds: number, action: string, name: string, signal = '', round = 1) => ({
    atMs: at(seconds),
    action,
    name: `mayfly-x-${name}-1`,
    signal,
    round,
  });
  const traced: Traced = {
    startMs: at(0),
    endMs: at(14),
    run: makeRun({ rounds: [window] }),
    lines: [
      { atMs: at(1), text: 'begin  start the stack' },
      { atMs: at(3), text: 'done   start the stack (2.0s)' },
      { atMs: at(11.5), text: 'done   round 1 of 1 (9s)' },
      { atMs: at(12), text: 'begin  ship 1 block' },
      { atMs: at(13.5), text: 'done   ship 1 block' },
    ],
    events: [
      event(1.5, 'start', 'prometheus', '', 0),
      event(2, 'start', 'candidate-shop'),
      event(2.5, 'health_status: healthy', 'candidate-shop'),
      event(3.5, 'start', 'load'),
      event(5, 'kill', 'load', '12'),
      event(11.6, 'kill', 'candidate-shop', '15'),
      event(11.8, 'destroy', 'candidate-shop'),
      event(12.5, 'destroy', 'prometheus', '', 0),
    ],
  };
  const passed = milestones(traced);
  t.same(
    passed.map(({ atS }) => atS),
    [0, 1, 1.5, 2.5, 3, 3.5, 5, 7, 10, 11.5, 11.6, 11.8, 12, 12.5, 13.5, 14],
  );
  t.equal(passed[6]!.what, 'it gets its go: warm, and every target scraped');
  t.match(milestonesText(passed), /^ {3}5\.00 s {3}\+1\.50 {3}it gets its go/m);

  const without = { ...traced, lines: traced.lines.slice(0, -2) };
  t.same(
    medianMilestones([passed, milestones(without), passed])
      .map(({ what }) => what)
      .includes('shipped'),
    false,
    'what one of them has not passed is left out',
  );
  const later = passed.map(({ what, atS }) => ({ what, atS: atS * 2 }));
  t.same(medianMilestones([passed, later, later]), later);

  const next = { ...window, round: 2, started_at: new Date(at(16)).toISOString() };
  const compared: Traced = {
    ...traced,
    run: makeRun({ rounds: [window, next] }),
    events: [
      ...traced.events,
      event(10.5, 'start', 'load-2', '', 2),
      event(11, 'health_status: healthy', 'candidate-shop', '', 2),
      event(12, 'kill', 'load-2', '12', 2),
      event(19.2, 'kill', 'load-2', '9', 2),
    ],
  };
  t.same(
    roundMilestones(compared, 2).map(({ atS }) => atS),
    [0, 0.5, 1, 1.5, 1.8, 2, 6, 9],
  );
});

t.test('what a round costs beyond its load', async (t) => {
  const round = (number: number, second: number) =>
    ['candidate', 'baseline'].map((side) => ({
      side,
      round: number,
      started_at: new Date(second * 1000).toISOString(),
      window_s: 9,
    }));
  const costs = costOfRounds([...round(2, 1014.5), ...round(1, 1000), ...round(3, 1029.75)], 12.5);
  t.same(costs, [2, 2.75]);
});
