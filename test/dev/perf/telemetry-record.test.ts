/** The figures of recording, small: every sample is in the files, and each goal can be missed. */
import t from 'tap';
import { measureRecording } from '../../../scripts/dev/perf/telemetry/record.ts';

t.test('speed, memory, and nothing lost', async (t) => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const { speed, memory, found, goals } = await measureRecording({ samples: 200_000, seconds: 2, log });
  t.match(lines[0], /^one sample: \d+ ns of CPU time, \d+ ns on the clock, median \d+ ns, p99\.9 \d+ ns; performance/);
  t.match(lines[1], /^switched off: [\d.]+ ns, an empty loop [\d.]+ ns$/);
  t.match(lines[2], /^200,000 samples in [\d.]+ s: at most \d+ KiB, and \d+ KiB of code$/);
  t.ok(speed.cpuNs > speed.offNs && speed.cpuNs > speed.clockCpuNs, 'recording costs more than its clock readings');
  t.ok(speed.p999Ns >= speed.p50Ns && speed.p50Ns > 0);
  t.ok(memory.peakBytes > 1024 * 1024, 'the buffer is among what was measured');
  t.same(found, { rows: 200_000, ordered: true });
  t.same(
    goals.map(({ met }) => met),
    [speed.cpuNs < 1000, speed.p999Ns < 50_000, memory.peakBytes <= 2 * 1024 * 1024, true],
  );
  t.match(
    goals[0]!.text,
    /^one sample, .* takes \d+ ns of CPU time \(under 1000\), [\d.]+ times performance\.now\(\) twice;/,
  );
  t.match(goals[3]!.text, /^nothing is lost: 200,000 of 200,000 samples are in the files, in order$/);
});
