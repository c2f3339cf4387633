import t from 'tap';
import type { RawSeries } from '../../../scripts/measure/collect/prometheus.ts';
import { CPU, MEMORY, resourcesOf } from '../../../scripts/measure/collect/resources.ts';

const START = 1_700_000_000_000;

/** A scrape each second from 5 s before the window on. `of`: the value by the second of the window. */
function series(name: string, labels: Record<string, string>, windowS: number, of: (s: number) => number): RawSeries {
  const values = Array.from({ length: windowS + 10 }, (_, i): [number, number] => [START + (i - 5) * 1000, of(i - 5)]);
  return { labels: { __name__: name, service: 'api', replica: '1', side: 'candidate', ...labels }, values };
}
const windowOf = (seconds: number) => ({ startMs: START, endMs: START + seconds * 1000 });
const API = new Set(['api']);

t.test('peaks are those of the window, and the floor is the least of each twelfth', async (t) => {
  const found = resourcesOf(
    [
      // Greater before and after the window; falls back every fifth second.
      series(MEMORY, {}, 60, (s) => (s < 0 || s > 60 ? 9e9 : 5e7 + 1000 * Math.floor(s / 5) + (s % 5) * 1e6)),
      series(CPU, {}, 60, (s) => (s < 30 ? 0.5 * s : 15 + 0.8 * (s - 30))),
    ],
    windowOf(60),
    API,
  );
  t.strictSame(found, [
    {
      service: 'api',
      replica: 1,
      memory_peak: 5e7 + 11_000 + 4e6,
      cpu_peak: found[0]!.cpu_peak,
      memory_floor: Array.from({ length: 12 }, (_, i) => 5e7 + 1000 * i),
    },
  ]);
  t.ok(Math.abs(found[0]!.cpu_peak - 0.8) < 1e-9, 'cores, over 10 s');
});

t.test('a short burst of CPU is spread over ten seconds; of a shorter window over all of it', async (t) => {
  const burst = (s: number) => Math.min(2, Math.max(0, s - 20)) * 1.5;
  const cpuOf = (windowS: number, of: (s: number) => number) =>
    resourcesOf([series(MEMORY, {}, windowS, () => 1), series(CPU, {}, windowS, of)], windowOf(windowS), API)[0]!
      .cpu_peak;
  t.ok(Math.abs(cpuOf(60, burst) - 0.3) < 1e-9);
  t.ok(Math.abs(cpuOf(6, (s) => 0.25 * (s + 5)) - 0.25) < 1e-9);
});

t.test('scrapes that a busy host has missed leave a rate of what there is, and a short life none', async (t) => {
  const cpuOf = (from: number, to: number) => {
    const cpu = series(CPU, {}, 8, (s) => 0.25 * (s + 5));
    cpu.values = cpu.values.filter(([at]) => at >= START + from * 1000 && at <= START + to * 1000);
    return resourcesOf([series(MEMORY, {}, 8, () => 1), cpu], windowOf(8), API)[0]!.cpu_peak;
  };
  t.ok(Math.abs(cpuOf(2, 6) - 0.25) < 1e-9);
  t.equal(cpuOf(2, 5), 0);
});

t.test('a counter that begins anew makes no peak', async (t) => {
  const again = (s: number) => (s < 20 ? 100 + s * 0.1 : (s - 20) * 0.1);
  const [one] = resourcesOf([series(MEMORY, {}, 60, () => 1), series(CPU, {}, 60, again)], windowOf(60), API);
  t.ok(Math.abs(one!.cpu_peak - 0.1) < 1e-9, String(one!.cpu_peak));
});

t.test('replicas are told apart, and what is none of the services is left out', async (t) => {
  const found = resourcesOf(
    [
      series(MEMORY, { replica: '2' }, 20, () => 2),
      series(MEMORY, { replica: '10' }, 20, () => 10),
      series(MEMORY, { service: 'sidecar' }, 20, () => 3),
      series(MEMORY, {}, 20, () => 1),
    ],
    windowOf(20),
    API,
  );
  t.strictSame(
    found.map(({ service, replica, memory_peak, cpu_peak, memory_floor }) => [
      service,
      replica,
      memory_peak,
      cpu_peak,
      memory_floor!.length,
    ]),
    [
      ['api', 1, 1, 0, 10],
      ['api', 2, 2, 0, 10],
      ['api', 10, 10, 0, 10],
    ],
  );
});

t.test('no floor of a container that was not there all the time, or of a short window', async (t) => {
  const late = series(MEMORY, {}, 20, () => 1);
  late.values = late.values.filter(([at]) => at > START + 5000);
  t.notOk(resourcesOf([late], windowOf(20), API)[0]!.memory_floor);
  t.notOk(resourcesOf([series(MEMORY, {}, 7, () => 1)], windowOf(7), API)[0]!.memory_floor);
  t.equal(resourcesOf([series(MEMORY, {}, 9, () => 1)], windowOf(9), API)[0]!.memory_floor!.length, 4);
  t.strictSame(resourcesOf([], windowOf(9), API), []);
});
