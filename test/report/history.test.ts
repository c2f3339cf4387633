/** The history and the screening as text, and the decision on a suspected change. */
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import type { VerdictDocument } from '../../scripts/documents/verdict.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import { screenRun } from '../../scripts/judge/screen.ts';
import { seriesOf } from '../../scripts/judge/series.ts';
import { chart } from '../../scripts/report/chart.ts';
import { type HistoryDocument, historySeries, historyText, screenText } from '../../scripts/report/history-text.ts';
import type { SuspectedChange } from '../../scripts/store/judgements.ts';
import { checkedText, decide } from '../../scripts/studies/history/confirm-changes.ts';
import { makeRound, makeRun } from '../run-document.ts';
import { masterRun } from '../store/master-runs.ts';

const OPTIONS = { color: false, width: 80 };
const runs = Array.from({ length: 40 }, (_, i) => masterRun(i, 0.001 * (1 + 0.002 * (i % 3)) * (i >= 25 ? 1.08 : 1)));
const change: SuspectedChange = {
  benchmark: 'shop',
  host_id: 'h0st',
  metric: 'latency_med',
  commit: runs[25]!.sides.candidate.commit,
  before: runs[24]!.sides.candidate.commit,
  run_id: runs[25]!.run_id,
  at: runs[25]!.started_at,
  ratio: 1.08,
  found_at: '2026-03-01T00:00:00.000Z',
  state: 'open',
};
const document = (suspected: SuspectedChange[], laid: Partial<HistoryDocument> = {}): HistoryDocument => ({
  schema: 'mayfly.history/v1',
  benchmark: 'shop',
  host_id: 'h0st',
  series: historySeries(seriesOf(runs, 'latency_med'), 200),
  suspected,
  change_points: [],
  ...laid,
});
const confirmed = (ratio: number) =>
  document([{ ...change, state: 'confirmed', checked_by: '01CHECK' }], { change_points: [{ ...change, ratio }] });

t.test('a chart', async (t) => {
  const options = { width: 40, least: 0.02, format: (value: number) => value.toFixed(2), marks: [] };
  t.strictSame(chart([1, 1, 1, 2, 2, 2], { ...options, height: 3, marks: [{ index: 3, letter: 'a' }] }).lines, [
    '2.07 ┤   •••',
    '1.41 ┤',
    '0.97 ┤•••',
    '     └───a──',
  ]);
  t.strictSame(
    chart([1, 1.0001, 1], { ...options, height: 3 }).lines.map((line) => line.includes('•••')),
    [false, true, false, false],
    'noise does not fill the chart',
  );
  const many = chart(
    Array.from({ length: 1000 }, (_, i) => 1 + (i >= 500 ? 1 : 0)),
    { ...options, marks: [{ index: 500, letter: 'a' }] },
  );
  t.ok(
    many.lines.every((line) => line.length <= 40),
    'many points fit the width',
  );
  t.equal(many.lines.at(-1)!.indexOf('a'), many.left + many.columns / 2, 'with the mark where they change');
  t.match(
    chart(
      Array.from({ length: 100 }, (_, i) => (i === 50 ? 1000 : 1 + 0.01 * (i % 2))),
      { ...options, width: 120 },
    ).lines[0],
    '^',
    'a spike does not squeeze the rest',
  );
  t.equal(chart([5], options).lines.length, 8, 'one point is a chart');
});

t.test('what is open is said without colour, and how it is confirmed', async (t) => {
  const text = historyText(document([change]), { ...OPTIONS, color: true });
  t.match(
    text,
    /a {2}2026-01-26 {2}000000000000 to 000000000000 {2}8\.0 % slower, suspected, not confirmed yet: change 25\n/,
  );
  t.match(text, /One suspected change waits[^]*npm run history -- --benchmark=shop --confirm/);
  t.notMatch(text, /\u001b\[3[0-9]m/);
  t.notMatch(historyText(document([{ ...change, state: 'refuted', checked_by: '01CHECK' }]), OPTIONS), /waits/);
  t.match(
    historyText(document([{ ...change, state: 'refuted', checked_by: '01CHECK' }]), OPTIONS),
    /8\.0 % slower, refuted by run 01CHECK/,
  );
});

t.test(
  'a change that somebody has accepted says who and why; where other commits may be it, that is said',
  async (t) => {
    const accepted = { commit: 'c3'.repeat(20), by: 'ada', reason: 'worth\u001b it', at: '2026-03-02T00:00:00.000Z' };
    const text = (others: number) =>
      historyText(
        document([{ ...change, state: 'confirmed', checked_by: '01CHECK' }], {
          change_points: [{ ...change, accepted: { ...accepted, others } }],
        }),
        OPTIONS,
      );
    t.match(
      text(0),
      /8\.0 % slower \(regression\), confirmed by run 01CHECK, accepted by @ada \(worth[^\u001b]? it\): change 25/,
    );
    t.match(
      text(2),
      /confirmed by run 01CHECK, not all accepted: c3c3c3c3c3c3 is, by @ada \(worth[^\u001b]? it\), 2 other commits in its range are not: change 25/,
    );
  },
);

t.test('what is confirmed has its colour, with the effect that the comparison found', async (t) => {
  t.match(
    historyText(confirmed(1.075), { ...OPTIONS, color: true }),
    '\u001b[31m7.5 % slower (regression)\u001b[39m, confirmed by run 01CHECK',
  );
  t.match(
    historyText(confirmed(0.925), { ...OPTIONS, color: true }),
    '\u001b[32m7.5 % faster (improvement)\u001b[39m, confirmed by run 01CHECK',
  );
  const either = confirmed(0.925);
  const series = either.series.map((one) => ({ ...one, better: 'neither' as const }));
  t.match(
    historyText({ ...either, series }, { ...OPTIONS, color: true }),
    '\u001b[31m7.5 % faster (change)\u001b[39m, confirmed by run 01CHECK',
    'where neither direction is better',
  );
});

t.test('limits and other series are told', async (t) => {
  const series = historySeries(
    seriesOf([...runs.slice(0, 5).map((run) => ({ ...run, stack_version: 'old' })), ...runs.slice(5)], 'latency_med'),
    10,
  );
  t.match(series, [{ older: 25, other_runs: 5, points: { length: 10 } }]);
  const text = historyText(document([{ ...change, run_id: 'not-shown' }], { series }), OPTIONS);
  t.match(text, /25 older runs not shown \(--limit\)\n5 runs not shown: measured with another stack/);
  t.match(text, /\n {5}2026-01-26 .* suspected, not confirmed/, 'a change outside the chart has no letter');
  t.ok(
    text
      .split('\n')
      .slice(0, 12)
      .every((line) => line.length <= 80),
  );
  t.strictSame(historySeries([], 10), []);
});

t.test('the screening warns, and names what decides', async (t) => {
  const screen = (value: number, history: RunDocument[]) =>
    screenText(screenRun(masterRun(500, value, { laid: { master: false } }), history, []));
  const history = runs.slice(0, 20);
  t.match(
    screen(0.0015, history),
    /^against the master set: worth a comparison\n {2}latency med: 1\.50 ms, 49\.7 % slower than their median, outside .* in 20 runs of the default branch\n/,
  );
  t.match(screen(0.0005, history), /50\.1 % faster than/);
  t.match(screen(0.001, history), /^against the master set: nothing stands out\n {2}latency med: 1\.00 ms, within /);
  t.match(
    screen(0.0015, runs.slice(0, 3)),
    /^against the master set: too few runs to tell\n {2}latency med: 1\.50 ms; only 3 runs .* and 8 are needed\n/,
  );
  t.match(screen(0.001, []), /no run of the default branch/);
  const line = { ...masterRun(500, 0.0015, { laid: { master: false } }), branch: 'release-1' };
  t.match(screenText(screenRun(line, history, [])), /, outside .* in 20 runs of the branch release-1\n/);
  t.match(screenText(screenRun(line, [], [])), /no run of the branch release-1 measured in the same way, and 8 are/);
  t.match(
    screen(0.0015, history),
    /What decides: npm run bench -- --benchmark=shop --commit=000000000000 --against=000000000000$/,
  );
});

/**
 * A comparison of 20 rounds whose candidate is `ratio` times the baseline; `wide`: with so much noise that nothing can
 * be said.
 */
function compared(
  ratio: number,
  {
    wide = false,
    candidate = change.commit,
    laid = {},
  }: { wide?: boolean; candidate?: string; laid?: Partial<RunDocument> } = {},
): VerdictDocument {
  const rounds = Array.from({ length: 20 }, (_, i) => {
    const value = 0.001 * ratio * Math.exp((wide ? 0.2 : 0.001) * Math.sin(i * 7));
    const both = (of: number) => ({ latency_med: of, cpu_seconds_per_request: of });
    return [makeRound('candidate', i + 1, both(value)), makeRound('baseline', i + 1, both(0.001))];
  }).flat();
  const side = (commit: string) => ({ ref: commit, commit, images: [] });
  const other = candidate === change.commit ? change.before : change.commit;
  return judgeRun(
    makeRun({
      run_id: '01CHECK',
      pairing: 'interleaved',
      sides: { candidate: side(candidate), baseline: side(other) },
      rounds,
      comparison: { design: 'fixed', min: 20, max: 20 },
      ...laid,
    }),
  );
}

t.test('decide: the verdict on before and after settles a suspected change', async (t) => {
  const slower = { ...change, ratio: 1.08 };
  const faster = { ...change, ratio: 0.92 };
  const { before } = change;
  t.match(decide(slower, compared(1.08)), { state: 'confirmed', worse: true, why: '8.0 % slower' });
  t.ok(Math.abs(decide(slower, compared(1.08)).ratio! - 1.08) < 0.001);
  t.match(
    decide(faster, compared(1 / 0.92, { candidate: before })),
    { state: 'confirmed', worse: false, why: '8.0 % faster' },
    'measured the other way round',
  );
  t.ok(Math.abs(decide(faster, compared(1 / 0.92, { candidate: before })).ratio! - 0.92) < 0.001);
  t.match(decide(faster, compared(0.92)), { state: 'confirmed', worse: false });
  t.match(decide(slower, compared(1)), { state: 'refuted', ratio: undefined, why: /no slowdown above/ });
  t.match(decide(slower, compared(0.92)), { state: 'refuted', ratio: undefined, why: 'it is 8.0 % faster' });
  t.match(decide(faster, compared(0.92, { candidate: before })), { state: 'refuted', why: /slower/ });
  t.match(decide(slower, compared(1.02, { wide: true })), { state: 'open', why: /^INCONCLUSIVE: between/ });
  t.match(decide(slower, compared(1, { wide: true, laid: { status: 'invalid' } })), {
    state: 'open',
    why: /^INVALID: /,
  });
  const either = compared(0.92);
  const metrics = either.metrics.map((metric) => ({
    ...metric,
    better: 'neither' as const,
    verdict: 'REGRESSION' as const,
  }));
  t.match(
    decide(faster, {
      ...either,
      metrics: metrics.map((metric) => ({ ...metric, worse: { at_least: 0.08, at_most: null } })),
    }),
    { state: 'confirmed', worse: true, either: true, why: '8.0 % faster' },
    'where neither direction is better',
  );
  t.match(decide({ ...slower, metric: 'memory_peak' }, compared(1.08)), { state: 'open' });
  t.match(decide({ ...slower, metric: 'gone' }, compared(1.08)), {
    state: 'open',
    why: 'gone is no metric of the benchmark any more',
  });
});

t.test('what confirming prints', async (t) => {
  t.equal(checkedText([], 'shop'), 'no suspected change of this host is open');
  const text = checkedText(
    [
      { change, failed: false, ...decide(change, compared(1.08)) },
      {
        change: { ...change, metric: 'cpu_seconds_per_request' },
        failed: false,
        ...decide({ ...change, metric: 'cpu_seconds_per_request' }, compared(1)),
      },
    ],
    'shop',
  );
  t.match(
    text,
    /^CONFIRMED: latency med from 000000000000 to 000000000000: regression: 8\.0 % slower\nREFUTED: CPU per request from .*: no increase above .* %\nnpm run bisect -- --benchmark=shop --good=0+ --bad=0+ names the commit[^\n]*\nnpm run archive -- rebuild-trends/,
  );
  t.notMatch(
    checkedText([{ change, failed: true, state: 'open', worse: true, why: 'the build failed' }], 'shop'),
    /rebuild-trends/,
  );
});
