/** What the capacity can be searched of. */
import t, { type Test } from 'tap';
import { readOptions } from '../../../scripts/studies/capacity/capacity-options.ts';
import { BENCHMARK, COMPOSE, swap } from '../../config/fixture.ts';

const asked = (t: Test, load: string) => {
  const benchmark = `${swap(BENCHMARK, '  rate: 200\n  duration: 20s\n', load)}objectives: {latency_p99: 50ms}\n`;
  const root = t.testdir({
    benchmarks: {
      shop: {
        'benchmark.yaml': benchmark,
        'compose.yaml': COMPOSE,
        'load.ts': '',
        'log.csv': 'at,method,path\n1,GET,/\n',
      },
    },
  });
  return readOptions({}, { root, cwd: root });
};

t.test('a constant rate', async (t) => {
  t.match(await asked(t, '  rate: 200\n  duration: 20s\n'), {
    config: { objectives: { latency_p99: 0.05 } },
    limits: { start: 200, max: 1_000_000, precision: 0.02 },
  });
});

const others: [load: string, what: string][] = [
  ['  stages: [{rate: 9, duration: 9s}]\n', 'stages'],
  ['  schedule: log.csv\n', 'schedule'],
  ['  users: 5\n', 'users'],
  ['  duration: 9s\n  scenarios: {browse: {rate: 5}}\n', 'scenarios'],
  ['  rate: 200\n  duration: 20s\n  arrivals: poisson\n', 'arrivals: poisson'],
];
for (const [load, what] of others) {
  t.test(`not with ${what}`, async (t) => {
    await t.rejects(asked(t, load), {
      name: 'UsageError',
      message: `${t.testdirName}/benchmarks/shop/benchmark.yaml: the capacity is searched with constant rates, but the load of the benchmark has ${what}`,
      hint: 'Measure it with a benchmark whose load has rate and duration, and constant arrivals.',
    });
  });
}

t.test('not with disturbances', async (t) => {
  const disturbed =
    '  rate: 200\n  duration: 20s\nreplicas: {shop: 1}\ndisturbances: [{at: 5s, kind: restart, service: shop}]\n';
  await t.rejects(asked(t, disturbed), {
    name: 'UsageError',
    message: `${t.testdirName}/benchmarks/shop/benchmark.yaml: the capacity is searched of a service that is left alone, but the benchmark has disturbances`,
    hint: 'Measure it with a benchmark without disturbances.',
  });
});
