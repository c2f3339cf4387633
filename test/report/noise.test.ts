import t from 'tap';
import { noiseText } from '../../scripts/report/noise-text.ts';
import { adviseOn } from '../../scripts/studies/noise/advice.ts';
import { quietHost } from '../studies/noise/quiet-host.ts';

const text = (readings: typeof quietHost, unreadable: string[] = []) =>
  noiseText(
    {
      schema: 'mayfly.noise/v1',
      at: '2026-01-02T03:04:05.000Z',
      seconds: 60,
      ...adviseOn(readings),
      readings,
      unreadable,
    },
    { color: false },
  );

t.test('a quiet host', async (t) => {
  const shown = text(quietHost);
  t.match(shown, /^QUIET: nothing that was read/);
  t.match(shown, /\nclock +3\.00 GHz \(3\.00 GHz to 3\.10 GHz\)\n/);
  t.match(shown, /\ngaps of a busy loop +99\.9th percentile 100 µs, longest 200 µs, 0\.10 % of the time lost\n/);
  t.match(shown, /\n16 MB to the disk +500 MB a second\n/);
  t.match(shown, /\nWhat it means for a benchmark is measured by: npm run calibrate/);
  t.notMatch(shown, /not read|too noisy:|note:/);
});

t.test('a noisy one that does not tell everything', async (t) => {
  const shown = text({ ...quietHost, steal: 0.3, frequency: null, boost: true }, [
    'clock of the cores: neither cpufreq nor /proc/cpuinfo tells it',
  ]);
  t.match(shown, /^TOO NOISY: rounds would be INVALID or tell little: 30\.0 %/);
  t.match(
    shown,
    /\ntoo noisy: 30\.0 % of the CPU time was taken by the hypervisor \(quiet up to 1\.00 %, usable up to 10\.0 %\)\n {2}Other machines.*\n {2}Ask for/,
  );
  t.match(shown, /\nnote: the CPU may boost its clock\n/);
  t.match(shown, /\nnot read: clock of the cores/);
  t.notMatch(shown, /\nclock /);
});
