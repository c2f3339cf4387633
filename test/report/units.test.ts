import t from 'tap';
import { formatDifference, formatElapsed, formatPercent, formatTick, formatValue } from '../../scripts/report/units.ts';

t.test('values with their units', async (t) => {
  const cases: [value: number, unit: string, text: string][] = [
    [0, 's', '0 µs'],
    [0.0000005, 's', '0.500 µs'],
    [0.00012, 's', '120 µs'],
    [0.000999, 's', '999 µs'],
    [0.0009999, 's', '1.00 ms'],
    [0.0012, 's', '1.20 ms'],
    [0.0421, 's', '42.1 ms'],
    [0.9999, 's', '1.00 s'],
    [1.5, 's', '1.50 s'],
    [123.4, 's', '123 s'],
    [-0.002, 's', '-2.00 ms'],
    [0, 'bytes', '0 B'],
    [512, 'bytes', '512 B'],
    [51_200_000, 'bytes', '51.2 MB'],
    [1.5e9, 'bytes', '1.50 GB'],
    [2048, 'bytes', '2.05 kB'],
    [0, 'ratio', '0 %'],
    [0.00001, 'ratio', '<0.01 %'],
    [0.0005, 'ratio', '0.05 %'],
    [0.0123, 'ratio', '1.23 %'],
    [1, 'ratio', '100 %'],
    [199.94, '1/s', '199.9 /s'],
    [7, 'count', '7'],
    [12345, 'count', '12345'],
    [1.5, 'widgets', '1.50 widgets'],
    [Number.NaN, 's', '-'],
    [Number.POSITIVE_INFINITY, 'bytes', '-'],
  ];
  for (const [value, unit, text] of cases) t.equal(formatValue(value, unit), text, `${value} ${unit}`);
});

t.test('per cent, differences, times', async (t) => {
  t.equal(formatPercent(0.0476), '4.76 %');
  t.equal(formatPercent(Number.NaN), '-');
  for (const [share, text] of [
    [0.0213, '+2.13 %'],
    [-0.0213, '-2.13 %'],
    [0, '0.00 %'],
    [1.5, '+150 %'],
    [Number.NaN, '-'],
  ] as const)
    t.equal(formatDifference(share), text);
  for (const [seconds, text] of [
    [0, '0.0s'],
    [12.34, '12.3s'],
    [59.94, '59.9s'],
    [59.96, '1m 00s'],
    [75, '1m 15s'],
    [3661, '61m 01s'],
  ] as const)
    t.equal(formatElapsed(seconds), text);
});

t.test('a unit that the benchmark names cannot act on the terminal', async (t) => {
  t.equal(formatValue(1, 'x\u001b[2J\u0007'), '1.00 x?');
});

t.test('small quantities in a unit that reads', async (t) => {
  const cases: [value: number, unit: string, text: string][] = [
    [0.00000166, 'cores', '1.66 µcores'],
    [0.0456, 'cores', '45.6 mcores'],
    [2e-8, 'cores', '20.0 ncores'],
    [0.5, 'cores', '0.500 cores'],
    [0, 'cores', '0 cores'],
    [0.00000166, 'items per page', '1.66e-6 items per page'],
    [0.00000166, 'count', '1.66e-6'],
    [0.02, '1/s', '0.0200 /s'],
    [0, '1/s', '0.0 /s'],
  ];
  for (const [value, unit, text] of cases) t.equal(formatValue(value, unit), text, `${value} ${unit}`);
});

t.test('the labels of an axis differ, in one scale, with the digits that the step needs', async (t) => {
  const cases: [values: number[], unit: string, texts: string[]][] = [
    [[0.00186, 0.001858, 0.001852, 0.00185], 's', ['1.860 ms', '1.858 ms', '1.852 ms', '1.850 ms']],
    [[0.0015, 0.002, 0.0025], 's', ['1.5 ms', '2.0 ms', '2.5 ms']],
    [[0.0008, 0.001, 0.0012], 's', ['0.8 ms', '1.0 ms', '1.2 ms']],
    [[0, 0.1, 0.2], 's', ['0 ms', '100 ms', '200 ms']],
    [[-0.001, 0, 0.001], 'ratio', ['-0.1 %', '0 %', '0.1 %']],
    [[400.01, 400.02], '1/s', ['400.01 /s', '400.02 /s']],
    [[1e-6, 2e-6, 3e-6], 'cores', ['1 µcores', '2 µcores', '3 µcores']],
    [[123_456_000, 123_457_000], 'bytes', ['123.456 MB', '123.457 MB']],
    [[5, 6], 'count', ['5', '6']],
    [[0.0012], 's', ['1.20 ms']],
    [[], 's', []],
  ];
  for (const [values, unit, texts] of cases)
    t.same(
      values.map((value) => formatTick(value, values, unit)),
      texts,
    );
  for (let at = 1; at < 2000; at++) {
    const low = 1.234567e-7 * 1.021 ** at;
    const values = [low, low * 1.0003, low * 1.0006];
    for (const unit of ['s', 'bytes', 'ratio', '1/s', 'count', 'cores'])
      if (new Set(values.map((value) => formatTick(value, values, unit))).size < 3) t.fail(`${low} ${unit}`);
  }
});

t.test('the site writes numbers as the terminal does', async (t) => {
  const { format, labels } = await import('../../scripts/service/server/assets/plot.js' as string);
  for (const unit of ['s', 'bytes', '1/s', 'count', 'cores', 'items per page'])
    for (let power = -9; power < 12; power++)
      for (const factor of [0, 1, 1.66, 9.996, -4.2]) {
        const value = factor * 10 ** power;
        const all = [value, value * 1.001, value * 1.002];
        if (format(value, unit) !== formatValue(value, unit)) t.fail(`${value} ${unit}: ${format(value, unit)}`);
        const expected = all.map((one) => formatTick(one, all, unit));
        if (labels(all, unit).join() !== expected.join()) t.fail(`${all} ${unit}: ${labels(all, unit)}`);
      }
  t.pass('all alike');
});
