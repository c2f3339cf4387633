/** The figure of parsing, small: its readers agree on every row, and each goal can be missed. */
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { measureParsing } from '../../../scripts/dev/perf/telemetry/parse.ts';

t.test('three readers of the same rows, and two goals', async (t) => {
  const lines: string[] = [];
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('mayfly-telemetry-'));
  const { mbPerSecond, peakBytes, goals } = await measureParsing({ bytes: 4e7, log: (line) => void lines.push(line) });
  t.strictSame(
    lines.map((line) => line.split(',')[0]),
    ['readline', 'csv-parse', 'mayfly', 'mayfly'],
  );
  t.match(lines[3], /^mayfly, 4\d MB, [\d,]+ rows: \d+ MB\/s of CPU time, \d+ MB of memory$/);
  for (const speed of Object.values(mbPerSecond)) t.ok(speed > 0.5 && speed < 5000, `${speed} MB/s`);
  t.ok(peakBytes.small > 2e7 && peakBytes.large > 2e7);
  t.match(goals[0]!.text, /^telemetry is summed up at \d+ MB\/s of one core \(at least 50\), [\d.]+ times readline/);
  t.equal(goals[0]!.met, mbPerSecond.mayfly >= 50);
  t.match(goals[1]!.text, /takes -?[\d.]+ MB more memory \(at most 32\)$/);
  t.equal(goals[1]!.met, peakBytes.large - peakBytes.small <= 32e6);
  t.strictSame(
    readdirSync(tmpdir()).filter((name) => name.startsWith('mayfly-telemetry-') && !before.includes(name)),
    [],
  );
});
