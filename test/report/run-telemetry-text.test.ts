/** The telemetry of a run: its table, and what is said of its files. */
import t from 'tap';
import type { RoundDocument, SideName } from '../../scripts/documents/run.ts';
import {
  telemetryCells,
  telemetryLabel,
  telemetryLines,
  telemetryRows,
  telemetryTable,
} from '../../scripts/report/run-telemetry-text.ts';
import { makeRound, makeRun } from '../run-document.ts';

type Label = NonNullable<RoundDocument['telemetry']>['labels'][number];
const label = (changes: Partial<Label>): Label => ({
  service: 'shop',
  prefix: 'duration',
  label: '/orders [POST]',
  unit: 's',
  count: 10,
  rate: 10,
  sum: 1,
  mean: 0.1,
  min: 0.05,
  p50: 0.1,
  p90: 0.1,
  p95: 0.2,
  p99: 0.2,
  max: 0.2,
  ...changes,
});
const round = (number: number, side: SideName, labels: Label[], notes?: string[]): RoundDocument => ({
  ...makeRound(side, number, {}),
  telemetry: { labels, ...(notes ? { notes } : {}) },
});

t.test('medians of both sides, and of the changes within rounds; durations first', async (t) => {
  const rounds = [1, 2, 3].flatMap((n) => [
    round(n, 'candidate', [
      label({ prefix: 'runtime', label: 'heap_bytes', unit: 'bytes', rate: 100, mean: 2e6, p95: 3e6 }),
      label({ mean: 0.11 * n, p95: 0.2 * n }),
      label({ label: 'new', rate: 1 }),
    ]),
    round(n, 'baseline', [label({ mean: 0.1 * n, p95: 0.25 * n })]),
  ]);
  const { candidate } = makeRun().sides;
  const run = makeRun({ rounds, sides: { candidate, baseline: candidate } });
  const rows = telemetryRows(run);
  t.same(rows.map(telemetryLabel), ['shop: /orders [POST]', 'shop: new', 'shop: heap_bytes (runtime)']);
  t.same(telemetryCells(rows[0]!, true), ['10.0 /s', '220 ms', '200 ms', '+10.00 %', '400 ms', '500 ms', '-20.00 %']);
  t.same(telemetryCells(rows[1]!, true).slice(1, 4), ['100 ms', '-', '-'], 'a label that one side lacks keeps its row');
  t.same(telemetryCells(rows[2]!, false), ['100.0 /s', '2.00 MB', '3.00 MB']);
  t.match(telemetryTable(run, { color: false }).join('\n'), /^inside the service +samples +mean +baseline +change/);
});

t.test('alternating rounds have one side each; a round that does not count has no part in it', async (t) => {
  const rows = telemetryRows({
    rounds: [
      round(1, 'candidate', [label({ mean: 0.3 })]),
      round(2, 'baseline', [label({ mean: 0.2 })]),
      { ...round(3, 'baseline', [label({ mean: 9 })]), valid: false },
    ],
  });
  t.match(rows[0]!.sides, { candidate: { mean: 0.3 }, baseline: { mean: 0.2 } });
  t.ok(Math.abs(rows[0]!.change.mean! - 0.5) < 1e-9);
});

t.test(
  'a note that differs in its numbers alone is said once, with its rounds; no text of others moves the cursor',
  async (t) => {
    const rounds = [1, 2, 3, 4, 5, 6].map((n) => round(n, 'candidate', [], [`shop: 3${n} lines are none\u001b[2J`]));
    t.same(telemetryLines({ rounds: [...rounds, round(1, 'baseline', [], ['shop has written no telemetry'])] }), [
      'telemetry of candidate, rounds 1, 2, 3, 4, 5 and 1 more: shop: 31 lines are none',
      'telemetry of baseline, round 1: shop has written no telemetry',
    ]);
    t.same(telemetryTable(makeRun({ rounds: [makeRound('candidate', 1, {})] }), { color: false }), []);
  },
);

t.test('a terminal gets so many lines', async (t) => {
  const labels = Array.from({ length: 23 }, (_, i) => label({ label: `l${i}` }));
  const lines = telemetryTable(makeRun({ rounds: [round(1, 'candidate', labels)] }), { color: false });
  t.equal(lines.at(-1), 'and 3 more labels; --json has them');
});
