import t from 'tap';
import { cpusUsed, scalingOf } from '../../../scripts/dev/perf/scaling-figures.ts';
import type { RoundDocument } from '../../../scripts/documents/run.ts';

type Values = Record<string, number>;

const round = (block: number, side: 'candidate' | 'baseline', values: Values) =>
  ({
    block,
    side,
    valid: true,
    samples: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }])),
  }) as unknown as RoundDocument;

/** A block of four rounds: two of each side. */
const block = (number: number, candidate: Values, baseline: Values) =>
  ([candidate, candidate].map((values) => round(number, 'candidate', values)) as RoundDocument[]).concat(
    [baseline, baseline].map((values) => round(number, 'baseline', values)),
  );

t.test('the ratio is that within blocks, whatever the machine did from block to block', (t) => {
  const slow = [1, 3, 2, 5, 1.5, 4];
  const ratios = [0.5, 0.52, 0.48, 0.51, 0.49, 0.5];
  const rounds = slow.flatMap((by, i) =>
    block(i + 1, { migrations_avg: 2 * by * ratios[i]! }, { migrations_avg: 2 * by }),
  );
  const found = scalingOf({ pairing: 'alternating', rounds }, 'migrations_avg')!;
  t.equal(found.blocks, 6);
  t.ok(Math.abs(found.ratio - 0.5) < 0.01, `${found.ratio}`);
  t.ok(found.low! >= 0.48 && found.low! < found.ratio && found.high! > found.ratio && found.high! <= 0.521);
  t.end();
});

t.test('few blocks give no interval, a side without a value no block, and none no figure', (t) => {
  const rounds = [
    ...block(1, { uploads_avg: 1 }, { uploads_avg: 4 }),
    ...block(2, {}, { uploads_avg: 4 }),
    ...block(3, { uploads_avg: 1 }, { uploads_avg: 4 }).slice(1), // not whole
  ];
  const run = { pairing: 'alternating' as const, rounds };
  t.match(scalingOf(run, 'uploads_avg'), { low: null, high: null, blocks: 1 });
  t.ok(Math.abs(scalingOf(run, 'uploads_avg')!.ratio - 0.25) < 1e-9);
  t.equal(scalingOf(run, 'uploads_p95'), null);
  t.end();
});

t.test('CPUs that were used are CPU time per request times requests per second', (t) => {
  const values = { cpu_seconds_per_request: 0.1, request_rate: 15 };
  const run = { rounds: block(1, values, { request_rate: 15 }) };
  t.ok(Math.abs(cpusUsed(run, 'candidate')! - 1.5) < 1e-9);
  t.equal(cpusUsed(run, 'baseline'), null);
  t.end();
});
