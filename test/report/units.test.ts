import t from 'tap';
import { formatDifference, formatElapsed, formatPercent, formatValue } from '../../scripts/report/units.ts';

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
