/** Telemetry in a benchmark.yaml: what it comes to, and each refusal by its text and line. */
import t from 'tap';
import { BENCHMARK, COMPOSE, faults, load } from './fixture.ts';

const FILE = 'benchmarks/shop/benchmark.yaml';
const lines = (text: string) => text.split('\n').length;
/** The first line of what is put behind the benchmark. */
const HERE = lines(BENCHMARK);
const LISTED = 'telemetry:\n  - service: shop\n';

t.test('one folder, with its defaults; metrics of labels, whose unit is known', async (t) => {
  const { telemetry, metrics } = await load(
    t,
    `${BENCHMARK}${LISTED}metrics:
  - {name: a, telemetry: {service: shop, label: "/orders [POST]", value: p95}, primary: true, margin: 5%}
  - {name: b, telemetry: {service: shop, prefix: runtime, label: heap_bytes, value: max}}
  - {name: c, telemetry: {service: shop, prefix: runtime, label: gc_seconds, value: rate}, better: neither}
  - {name: d, telemetry: {service: shop, prefix: other, label: depth, value: mean}, unit: items}
  - {name: e, telemetry: {service: shop, prefix: other, label: gc_count, value: count}}
`,
    COMPOSE,
  );
  t.strictSame(telemetry, [{ service: 'shop', folder: '/telemetry', bytes: 64 * 2 ** 20 }]);
  const own = metrics.filter((metric) => metric.telemetry);
  t.strictSame(
    own.map(({ name, unit, better }) => [name, unit, better]),
    [
      ['a', 's', 'lower'],
      ['b', 'bytes', 'lower'],
      ['c', '1/s', 'neither'],
      ['d', 'items', 'lower'],
      ['e', 'count', 'lower'],
    ],
  );
  t.strictSame(own[0], {
    name: 'a',
    unit: 's',
    better: 'lower',
    primary: true,
    margin: 0.05,
    margin_from: 'benchmark',
    telemetry: { service: 'shop', prefix: 'duration', label: '/orders [POST]', value: 'p95' },
  });
});

t.test('folder, size and profile as the file says', async (t) => {
  const text = `telemetry:
  - {service: shop, folder: /var/t, size: 1.5GiB, profile: {pprof: {port: 6060}}}
`;
  t.strictSame((await load(t, BENCHMARK + text, COMPOSE)).telemetry, [
    {
      service: 'shop',
      folder: '/var/t',
      bytes: 1.5 * 2 ** 30,
      profile: { pprof: { port: 6060, path: '/debug/pprof/profile' } },
    },
  ]);
});

const REFUSED: [text: string, said: string, compose?: string][] = [
  [
    'telemetry: [{service: shopp}]\n',
    `:${HERE} telemetry/0/service names "shopp", which is no service of the Compose file (did you mean shop?); its services: shop`,
  ],
  [
    'telemetry:\n  - service: shop\n  - service: shop\n    folder: /b\n',
    `:${HERE + 2} telemetry/1/service is there twice: shop; a service has one telemetry folder`,
  ],
  [
    'telemetry: [{service: shop, folder: telemetry}]\n',
    `:${HERE} telemetry/0/folder must be an absolute path without .., such as /telemetry, got "telemetry"`,
  ],
  ...['/', '/a/../b', '/a b', '/a:b', '/$HOME', '//a'].map((folder): [string, string] => [
    `telemetry: [{service: shop, folder: "${folder}"}]\n`,
    `:${HERE} telemetry/0/folder must be an absolute path without .., such as /telemetry, got ${JSON.stringify(folder)}`,
  ]),
  [
    'telemetry: [{service: shop, folder: /proc/x}]\n',
    `:${HERE} telemetry/0/folder must not be in /proc, which is the kernel's; got /proc/x`,
  ],
  ...(
    [
      ['tmpfs: [/data:size=64m]', '/data/telemetry', '/data'],
      ['volumes: ["v:/telemetry/deep"]', '/telemetry', '/telemetry/deep'],
      ['volumes: [{type: volume, source: v, target: /data}]', '/data/', '/data'],
      ['volumes: ["/data"]', '/data', '/data'],
    ] as const
  ).map(([mount, folder, at]): [string, string, string] => [
    `telemetry: [{service: shop, folder: ${folder}}]\n`,
    `:${HERE} telemetry/0/folder must be apart from what the Compose file mounts into shop (${at}), got ${folder}`,
    `${COMPOSE}    ${mount}\nvolumes: {v: {}}\n`,
  ]),
  ['telemetry: [{service: shop, size: 0.5MiB}]\n', `:${HERE} telemetry/0/size must be from 1MiB to 4GiB, got 0.5MiB`],
  ['telemetry: [{service: shop, size: 5GiB}]\n', `:${HERE} telemetry/0/size must be from 1MiB to 4GiB, got 5GiB`],
  [
    'telemetry: [{service: shop, size: 64MB}]\n',
    `:${HERE} telemetry/0/size must be a size such as 64MiB or 1GiB, got "64MB"`,
  ],
  [
    'telemetry: [{service: shop, profile: gpu}]\n',
    `:${HERE} telemetry/0/profile must be cpu, perf, or pprof with port and path, got "gpu"`,
  ],
  [
    'telemetry: [{service: shop, path: /x}]\n',
    `:${HERE} telemetry/0/path is not known; allowed here: service, folder, size, profile`,
  ],
  [
    'metrics:\n  - {name: a, telemetry: {service: shop, label: x, value: p95}}\n',
    `:${HERE + 1} metrics/0/telemetry needs the service at the top of the file too: telemetry: [{service: shop}]`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, telemetry: {service: shpo, label: x, value: p95}}\n`,
    `:${HERE + 3} metrics/0/telemetry/service names "shpo", which telemetry does not list (did you mean shop?); it lists shop`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, promql: "sum(x{$selector})", unit: s, telemetry: {service: shop, label: x, value: p95}}\n`,
    `:${HERE + 3} metrics/0/telemetry must not be given with promql: a metric is read in one way`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, telemetry: {service: shop, label: x, value: p59}}\n`,
    `:${HERE + 3} metrics/0/telemetry/value must be count, rate, sum, mean, min, p50, p90, p95, p99 or max, got "p59" (did you mean p50?)`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, telemetry: {service: shop, label: x}}\n`,
    `:${HERE + 3} metrics/0/telemetry needs value`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, telemetry: {service: shop, prefix: runtime, label: depth, value: p95}}\n`,
    `:${HERE + 3} metrics/0 needs unit: the p95 of "depth" has one that is not known, since the label ends in none of _seconds, _bytes, _ratio, _count`,
  ],
  [
    `${LISTED}metrics:\n  - {name: a, unit: ms, telemetry: {service: shop, label: x, value: p95}}\n`,
    `:${HERE + 3} metrics/0/unit must be s or left out, since that is what this value is in; got "ms"`,
  ],
  [
    `${LISTED}metrics:\n  - {name: latency_p95, telemetry: {service: shop, label: x, value: p95}}\n`,
    `:${HERE + 3} metrics/0/telemetry must not be given, since latency_p95 is built in; only primary and margin may be; take another name for a metric of your own`,
  ],
];

for (const [text, said, compose] of REFUSED) {
  t.test(`refused: ${text.split('\n').at(-2)}`, async (t) => {
    t.match(await faults(t, BENCHMARK + text, compose), [FILE + said]);
  });
}

t.test('a metric of telemetry may be an objective', async (t) => {
  const text = `${LISTED}metrics:
  - {name: inside, telemetry: {service: shop, label: x, value: p95}}
objectives: {inside: 50ms}
`;
  t.same((await load(t, BENCHMARK + text, COMPOSE)).objectives, { inside: 0.05 });
});
