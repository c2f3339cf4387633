import t from 'tap';
import type { NoiseReadings } from '../../../scripts/report/noise-text.ts';
import { adviseOn, LIMITS } from '../../../scripts/studies/noise/advice.ts';
import { quietHost } from './quiet-host.ts';

const advised = (laid: Partial<NoiseReadings>) => adviseOn({ ...quietHost, ...laid });

t.test('a quiet host', async (t) => {
  t.strictSame(advised({}), {
    verdict: 'quiet',
    summary: 'nothing that was read is above the limits of a quiet host',
    advice: [],
  });
});

t.test('each reading has its rule, its limits are in the text', async (t) => {
  const { jitter, work, timer, disk, memory } = quietHost;
  const cases: [string, Partial<NoiseReadings>, 'usable' | 'noisy', RegExp][] = [
    [
      'steal',
      { steal: 0.05 },
      'usable',
      /^5\.00 % of the CPU time was taken by the hypervisor \(quiet up to 1\.00 %, usable up to 10\.0 %\)$/,
    ],
    ['much steal', { steal: 0.2 }, 'noisy', /^20\.0 % of the CPU time/],
    ['outside load', { outside_load: 0.3 }, 'usable', /^30\.0 % of the CPU time was used by other processes/],
    ['much outside load', { outside_load: 0.51 }, 'noisy', /usable up to 50\.0 %/],
    ['gaps', { jitter: { ...jitter!, p999_s: 0.004 } }, 'usable', /^4\.00 ms is the 99\.9th percentile of the gaps/],
    ['long gaps', { jitter: { ...jitter!, p999_s: 0.03 } }, 'noisy', /usable up to 20\.0 ms/],
    ['late sleeps', { timer: { ...timer!, p99_s: 0.002 } }, 'usable', /^2\.00 ms is the 99th percentile of how late/],
    ['very late sleeps', { timer: { ...timer!, p99_s: 0.0051 } }, 'noisy', /usable up to 5\.00 ms/],
    ['spread', { work: { ...work!, spread: 0.1 } }, 'usable', /^10\.0 % is the coefficient of variation/],
    ['drift', { work: { ...work!, drift: 0.3 } }, 'usable', /^30\.0 % is the slowest over the fastest tenth/],
    ['much drift', { work: { ...work!, drift: 0.6 } }, 'noisy', /usable up to 50\.0 %/],
    [
      'clock',
      { frequency: { min_hz: 2e9, median_hz: 2e9, max_hz: 3e9 } },
      'usable',
      /^50\.0 % lie between the least and the greatest clock \(quiet up to 10\.0 %\)$/,
    ],
    ['a slow disk', { disk: { ...disk!, sync_p99_s: 3 } }, 'usable', /^3\.00 s is the 99th percentile of writing 4 kB/],
    ['waiting for the disk', { pressure: { memory: 0, io: 0.5 } }, 'usable', /waited for the disk/],
    ['waiting for memory', { pressure: { memory: 0.2, io: 0 } }, 'noisy', /waited for memory/],
    ['swapping', { memory: { ...memory!, swapped_pages: 3 } }, 'usable', /^3 pages swapped/],
    ['little memory', { memory: { ...memory!, available: 0.05 } }, 'usable', /^5\.00 % of the memory is available/],
    ['one core', { cores: 1 }, 'usable', /^there is one core$/],
  ];
  for (const [what, laid, verdict, seen] of cases) {
    const found = advised(laid);
    t.equal(found.verdict, verdict, what);
    t.equal(found.advice.length, 1, what);
    t.match(found.advice[0], { level: verdict, seen, why: /\.$/, todo: /\.$/ }, what);
  }
  t.equal(advised({ steal: LIMITS.steal.quiet }).verdict, 'quiet', 'the limit itself is kept');
  t.equal(advised({ steal: LIMITS.steal.usable }).verdict, 'usable');
});

t.test('settings are notes: they alone make no host noisy', async (t) => {
  const { verdict, advice } = advised({ governor: 'powersave', boost: true, smt: true, virtual: ['hypervisor'] });
  t.equal(verdict, 'quiet');
  t.strictSame(
    advice.map(({ level }) => level),
    ['note', 'note', 'note', 'note'],
  );
  t.match(advice[0]!.seen, 'powersave');
});

t.test('the worst comes first and is the reason', async (t) => {
  const { verdict, summary, advice } = advised({ boost: true, steal: 0.05, outside_load: 0.9 });
  t.equal(verdict, 'noisy');
  t.strictSame(
    advice.map(({ level }) => level),
    ['noisy', 'usable', 'note'],
  );
  t.match(summary, /^rounds would be INVALID or tell little: 90\.0 % of the CPU time was used by other processes/);
  t.match(advised({ steal: 0.05, outside_load: 0.1 }).summary, /interleaved.*2 readings above/);
});

t.test('what could not be read is not judged', async (t) => {
  const nothing = Object.fromEntries(Object.keys(quietHost).map((key) => [key, null])) as unknown as NoiseReadings;
  t.strictSame(adviseOn({ ...nothing, cores: 2, virtual: [] }).advice, []);
});
