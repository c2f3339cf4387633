import t from 'tap';
import { medianOf, percentile } from '../../../scripts/studies/noise/percentiles.ts';
import { summariseWork } from '../../../scripts/studies/noise/probes.ts';
import {
  clocksOf,
  hasHypervisor,
  hasSiblings,
  loadAverageOf,
  memoryOf,
  stalledOf,
  swappedPagesOf,
} from '../../../scripts/studies/noise/proc.ts';

t.test('what the kernel says', async (t) => {
  const cpu = (flags: string) =>
    `processor\t: 0\ncpu MHz\t\t: 2596.130\nsiblings\t: 4\ncpu cores\t: 2\nflags\t\t: fpu ${flags}\n\nprocessor\t: 1\ncpu MHz\t\t: 3000.000\n`;
  t.strictSame(clocksOf(cpu('sse')), [2596.13e6, 3e9]);
  t.strictSame(clocksOf('Processor: ARM\n'), []);
  t.strictSame(
    [hasHypervisor(cpu('hypervisor lahf_lm')), hasHypervisor(cpu('lahf_lm hypervisor')), hasHypervisor(cpu('lahf_lm'))],
    [true, true, false],
  );
  t.strictSame(
    [hasSiblings(cpu('')), hasSiblings('siblings\t: 2\ncpu cores\t: 2\n'), hasSiblings('')],
    [true, false, null],
  );
  t.strictSame(loadAverageOf('0.41 0.57 1.06 2/300 4242\n'), { one: 0.41, five: 0.57, fifteen: 1.06 });
  t.strictSame(
    memoryOf(
      'MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\nSwapTotal:       10 kB\nSwapFree:         8 kB\n',
    ),
    { available: 0.25, swap_used_bytes: 2048 },
  );
  t.equal(swappedPagesOf('pgpgin 5\npswpin 3\npswpout 4\npgfault 9\n'), 7);
  t.equal(
    stalledOf(
      'some avg10=0.25 avg60=4.68 avg300=11.61 total=5367322\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n',
    ),
    5.367322,
  );
});

t.test('percentiles', async (t) => {
  const values = [5, 1, 4, 2, 3];
  t.strictSame(
    [medianOf(values), percentile(values, 0.99), percentile(values, 1), percentile(values, 0.2)],
    [3, 5, 5, 1],
  );
  t.ok(Number.isNaN(medianOf([])));
  t.strictSame(values, [5, 1, 4, 2, 3], 'the list stays as it is');
});

t.test('the same work again: coefficient of variation and drift', async (t) => {
  const at = Array.from({ length: 100 }, (_, i) => i * 10);
  const steady = summariseWork([{ at, took: at.map(() => 10) }], 1);
  t.strictSame(steady, { median_s: 0.01, spread: 0, p99: 0, drift: 0, pieces: 100 });
  const slower = summariseWork(
    [
      { at, took: at.map((when) => (when >= 900 ? 15 : 10)) },
      { at, took: at.map((when) => (when >= 900 ? 15 : 10)) },
    ],
    1,
  );
  t.match(slower, { median_s: 0.01, spread: 0, p99: 0.5, drift: 0.5, pieces: 200 });
});
