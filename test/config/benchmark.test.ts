import t from 'tap';
import { BENCHMARK, COMPOSE, faults, load, swap } from './fixture.ts';

const FILE = 'benchmarks/shop/benchmark.yaml';

t.test('a small file, with every default filled in', async (t) => {
  const { file, dir, services, metrics, ...config } = await load(t, BENCHMARK, COMPOSE);
  t.match(
    [file, dir, services],
    [/benchmarks\/shop\/benchmark\.yaml$/, /benchmarks\/shop$/, /benchmarks\/shop\/compose\.yaml$/],
  );
  t.strictSame(config, {
    benchmark: 'shop',
    description: 'A shop',
    commit: 'HEAD',
    builds: {
      shop: {
        kind: 'git',
        repository: '.',
        context: 'service',
        dockerfile: 'Dockerfile',
        args: {},
        network: 'none',
        builder: 'classic',
      },
    },
    load: {
      generator: { kind: 'mayfly', script: `${dir}/load.ts` },
      target: 'http://shop:8080',
      model: { kind: 'open', arrivals: 'constant', rate: 200, durationS: 20 },
      rate: 200,
      durationS: 20,
      warmupS: 5,
      maxInFlight: 50,
      timeoutS: 30,
      workers: 1,
    },
    scrape: [{ service: 'shop', port: 8080, path: '/metrics' }],
    telemetry: [],
    broker: null,
    deployments: {
      candidate: { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null },
      baseline: { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null },
    },
    disturbances: [],
    traces: null,
    rounds: 3,
    retries: 2,
    comparison: { pairing: 'auto', min: 6 },
    objectives: {},
    master: false,
    allow: {
      failedRequests: 0,
      disturbedFailures: 0,
      throttledPeriods: 0.01,
      steal: 0.1,
      outsideLoad: 0.5,
      startLagMs: 5,
      saturation: 0.85,
      lostEvents: 0,
      deadLettered: 0,
      answersDiffer: [],
    },
    readyTimeoutS: 60,
    diskLimitBytes: 2 ** 31,
    labels: {},
    keep: false,
    live: false,
  });
  t.equal(metrics.length, 18);
  t.strictSame(
    metrics.find(({ name }) => name === 'latency_p95'),
    { name: 'latency_p95', unit: 's', better: 'lower', primary: false, margin: 0.03, margin_from: 'default' },
  );
  t.ok(metrics.every(({ primary }) => !primary));
});

for (const address of [
  'https://example.org/x.git',
  'ssh://git@example.org/x.git',
  'git@example.org:team/x.git',
  'https://example.org/~a@b/x.git',
]) {
  t.test(`the repository ${address} is taken`, async (t) => {
    t.match((await load(t, swap(BENCHMARK, 'context: service', `repository: ${address}`), COMPOSE)).builds.shop, {
      repository: address,
    });
  });
}

t.test('what the file says is taken', async (t) => {
  const file = `${swap(BENCHMARK, '  rate: 200', '  rate: 10\n  warmup: 1m30s\n  max_in_flight: 3')}rounds: 7
retries: 0
ready_timeout: 500ms
disk_limit: 1.5MiB
metrics:
  - {name: latency_med, primary: true}
  - {name: request_rate, margin: 0.3%}
  - {name: search_p95, promql: 'max_over_time(x{$selector}[$window])', unit: s}
  - {name: hits, promql: 'sum(x{$selector})', unit: count, better: higher, margin: 0.2}
  - {name: queries, promql: 'sum(y{$selector})', unit: count, better: neither}
allow: {failed_requests: 0.5%, start_lag: 1s}
comparison: {pairing: alternating, max_rounds: 12, max_minutes: 2.5}
objectives: {latency_p99: 50ms, failed_requests: 0.1%, search_p95: 0.2, hits: 1000, request_rate: '10'}
`;
  const config = await load(t, file, COMPOSE);
  t.match(config, {
    rounds: 7,
    retries: 0,
    readyTimeoutS: 0.5,
    diskLimitBytes: 1572864,
    load: { rate: 10, warmupS: 90, maxInFlight: 3 },
    allow: { failedRequests: 0.005, throttledPeriods: 0.01, startLagMs: 1000 },
  });
  t.strictSame(config.comparison, { pairing: 'alternating', min: 6, max: 12, maxMinutes: 2.5 });
  t.strictSame(config.objectives, {
    latency_p99: 0.05,
    failed_requests: 0.001,
    search_p95: 0.2,
    hits: 1000,
    request_rate: 10,
  });
  t.match(
    config.metrics.find(({ name }) => name === 'queries'),
    { better: 'neither' },
  );
  t.strictSame(
    config.metrics.filter(({ name }) => ['latency_med', 'request_rate', 'search_p95', 'hits'].includes(name)),
    [
      { name: 'latency_med', unit: 's', better: 'lower', primary: true, margin: 0.01, margin_from: 'default' },
      { name: 'request_rate', unit: '1/s', better: 'higher', primary: false, margin: 0.003, margin_from: 'benchmark' },
      {
        name: 'search_p95',
        unit: 's',
        better: 'lower',
        primary: false,
        margin: 0.01,
        margin_from: 'default',
        promql: 'max_over_time(x{$selector}[$window])',
      },
      {
        name: 'hits',
        unit: 'count',
        better: 'higher',
        primary: false,
        margin: 0.2,
        margin_from: 'benchmark',
        promql: 'sum(x{$selector})',
      },
    ],
  );
});

t.test('the other ways to build and to load', async (t) => {
  const other = BENCHMARK.replace(
    / {4}git:\n {6}context: service/,
    '    command: [node, build.ts, "$(touch x)"]',
  ).replace(
    '  script: load.ts',
    '  image: vegeta\n  command: [attack]\n  requests: sum(n{$selector})\n  scrape: {port: 8880}',
  );
  const config = await load(t, other, COMPOSE, ['--commit=v1.2.3']);
  t.strictSame(config.builds.shop, { kind: 'command', command: ['node', 'build.ts', '$(touch x)'] });
  t.strictSame(config.load.generator, {
    kind: 'image',
    image: 'vegeta',
    command: ['attack'],
    requests: 'sum(n{$selector})',
    scrape: { port: 8880, path: '/metrics' },
  });
  const image = await load(
    t,
    BENCHMARK.replace(/ {4}git:\n {6}context: service/, '    image: example/shop:${commit}'),
    COMPOSE,
    ['--commit=v1'],
  );
  t.strictSame(image.builds.shop, { kind: 'image', image: 'example/shop:${commit}' });
});

const NO_SECRET =
  'must not hold a user or a password, since the address is printed and stored; use a credential helper of git, or ssh';

/** What is changed in the file, and the line that says so. */
const wrong: [what: string, from: string, to: string, sentence: string][] = [
  ['a rate of 0', 'rate: 200', 'rate: 0', ':10 load/rate must be > 0 requests per second, got 0'],
  ['a negative rate', 'rate: 200', 'rate: -5', ':10 load/rate must be > 0 requests per second, got -5'],
  [
    'a rate that is a word',
    'rate: 200',
    'rate: fast',
    ':10 load/rate must be a number of requests per second, got "fast"',
  ],
  [
    'a rate that is nothing',
    'rate: 200',
    'rate:',
    ':10 load/rate must be a number of requests per second, got nothing',
  ],
  ['an endless rate', 'rate: 200', 'rate: .inf', ':10 load/rate must be a number of requests per second, got Infinity'],
  [
    'too high a rate',
    'rate: 200',
    'rate: 1000001',
    ':10 load/rate must be <= 1000000 requests per second, got 1000001',
  ],
  [
    'a duration without a unit',
    'duration: 20s',
    'duration: 20',
    ':11 load/duration must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got 20',
  ],
  [
    'a duration of words',
    'duration: 20s',
    'duration: long',
    ':11 load/duration must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got "long"',
  ],
  ['too short a window', 'duration: 20s', 'duration: 900ms', ':11 load/duration must be >= 1s, got 900ms'],
  [
    'not one request',
    'rate: 200',
    'rate: 0.01',
    ':11 load/duration must be long enough for one request: at 0.01 requests per second that is 100s',
  ],
  [
    'a key that is misspelt',
    'duration: 20s',
    'duration: 20s\n  warmpu: 1s',
    ':12 load/warmpu is not known (did you mean warmup?); allowed here: script, schedule, image, command, scrape, requests, failed, dropped, target, rate, duration, warmup, stages, arrivals, users, iterations, scenarios, think, max_in_flight, timeout, workers',
  ],
  ['a field that is missing', '  duration: 20s\n', '', ':7 load needs duration; instead it may have stages'],
  [
    'an unknown key at the top',
    'description:',
    'desciption:',
    ':1 desciption is not known (did you mean description?); allowed here: name, description, build, services, load, scrape, telemetry, broker, traces, replicas, compose, balancer, autoscale, variants, disturbances, rounds, retries, metrics, comparison, jobs, objectives, allow, ready_timeout, disk_limit',
  ],
  [
    'a name of npm run capacity',
    'description:',
    "metrics: [{name: capacity, promql: 'x{$selector}', unit: count}]\ndescription:",
    ':1 metrics/0/name must not be capacity: that name is taken',
  ],
  [
    'a name of the language',
    'description:',
    "metrics: [{name: constructor, promql: 'x{$selector}', unit: count}]\ndescription:",
    ':1 metrics/0/name must not be constructor: that name is taken',
  ],
  [
    'an unknown pairing',
    'description:',
    'comparison: {pairing: both}\ndescription:',
    ':1 comparison/pairing must be auto, interleaved or alternating, got "both"',
  ],
  [
    'too few rounds for a look',
    'description:',
    'comparison: {max_rounds: 5}\ndescription:',
    ':1 comparison/max_rounds must be >= 6 observations, got 5',
  ],
  [
    'more at least than at most',
    'description:',
    'comparison: {min_rounds: 12, max_rounds: 10}\ndescription:',
    ':1 comparison/max_rounds must be at least min_rounds (12), got 10',
  ],
  [
    'an objective for no metric',
    'description:',
    'objectives: {latency_p98: 50ms}\ndescription:',
    ':1 objectives/latency_p98 is no metric (did you mean latency_p90?); docs/benchmark.md lists the built-in ones',
  ],
  [
    'an objective in another unit',
    'description:',
    'objectives: {failed_requests: 50ms}\ndescription:',
    ':1 objectives/failed_requests must be a share from 0 to 1, or a percentage such as 0.1%, got "50ms"',
  ],
  [
    'an objective on a metric of which neither direction is better',
    'description:',
    "objectives: {hits: 5}\nmetrics: [{name: hits, promql: 'sum(x{$selector})', unit: count, better: neither}]\ndescription:",
    ':1 objectives/hits cannot be kept to, since no direction of hits is better (better: neither); say lower or higher there',
  ],
  ['a key that stands twice', 'rate: 200', 'rate: 200\n  rate: 300', ':11 is not valid YAML: map keys must be unique'],
  [
    'bad indentation',
    '  rate: 200',
    '   rate: 200',
    ':9 is not valid YAML: nested mappings are not allowed in compact mappings',
  ],
  ['a text that never ends', 'http://shop:8080', '"http://shop', ':15 is not valid YAML: missing closing "quote'],
  [
    'an alias of nothing',
    'rate: 200',
    'rate: *r',
    ':10 is not valid YAML: *r stands for nothing; its anchor &r must stand before it; a text that begins with * needs quotation marks',
  ],
  [
    'no way to build',
    '    git:\n      context: service',
    '    {}',
    ':3 build/shop must be exactly one of git, image and command, got an empty map',
  ],
  [
    'two ways to build',
    '    git:',
    '    image: x:${commit}\n    git:',
    ':3 build/shop must be exactly one of git, image and command, got a map of image, git',
  ],
  [
    'an image for every commit the same',
    '    git:\n      context: service',
    '    image: shop:1',
    ':4 build/shop/image must have ${commit} in it, or every commit would be measured with the same image; got "shop:1"',
  ],
  [
    'a name that is no variable',
    '  shop:\n    git',
    '  Shop_1:\n    git',
    ':3 build/Shop_1 must be named with lower-case letters, digits and -, starting with a letter',
  ],
  [
    'a context outside',
    'context: service',
    'context: ../x',
    ':5 build/shop/git/context must be a path inside the repository, relative and without .., got "../x"',
  ],
  [
    'a context that is a flag',
    'context: service',
    'context: --x',
    ':5 build/shop/git/context must be a path inside the repository, relative and without .., got "--x"',
  ],
  [
    'a repository that is not there',
    'context: service',
    'repository: ../none',
    ':5 build/shop/git/repository is not there: ../none, counted from the root of the checkout',
  ],
  [
    'a token in the address of a repository',
    'context: service',
    'repository: https://user:token@example.org/x.git',
    `:5 build/shop/git/repository ${NO_SECRET}`,
  ],
  [
    'a token in place of the user',
    'context: service',
    'repository: https://token@example.org/x.git',
    `:5 build/shop/git/repository ${NO_SECRET}`,
  ],
  [
    'a password for ssh',
    'context: service',
    'repository: ssh://git:word@example.org/x.git',
    `:5 build/shop/git/repository ${NO_SECRET}`,
  ],
  [
    'a network of its own',
    'context: service',
    'network: hosts',
    ':5 build/shop/git/network must be none, default or host, got "hosts" (did you mean host?)',
  ],
  [
    'no services',
    'services: compose.yaml',
    'services: none.yaml',
    ":6 services is not there: none.yaml, counted from the benchmark's folder",
  ],
  [
    'services outside',
    'services: compose.yaml',
    'services: ../compose.yaml',
    ':6 services must be a file in the benchmark\'s folder, got "../compose.yaml"',
  ],
  [
    'services that are a folder',
    'services: compose.yaml',
    'services: data',
    ':6 services must be a file, but data is none',
  ],
  [
    'no script',
    'script: load.ts',
    'script: none.ts',
    ":8 load/script is not there: none.ts, counted from the benchmark's folder",
  ],
  [
    'no load generator',
    '  script: load.ts\n',
    '',
    ':7 load needs exactly one of script (the generator of Mayfly), schedule (a file of requests for it, with or without a script) and image (any other load generator)',
  ],
  [
    'two load generators',
    '  script: load.ts',
    '  script: load.ts\n  image: x\n  command: []\n  requests: x{$selector}',
    ':7 load needs exactly one of script (the generator of Mayfly), schedule (a file of requests for it, with or without a script) and image (any other load generator)',
  ],
  [
    'a generator without its count',
    '  script: load.ts',
    '  image: x\n  command: []',
    ':7 load has image, so it needs requests too',
  ],
  [
    'a target that is no URL',
    'http://shop:8080',
    'shop:8080',
    ':9 load/target must be a URL such as http://shop:8080, got "shop:8080"',
  ],
  [
    'a target with a path',
    'http://shop:8080',
    'http://shop:8080/api',
    ':9 load/target must end with the host and the port, got "http://shop:8080/api"; paths are the script\'s',
  ],
  [
    'a target that is no service',
    'http://shop:8080',
    'http://shpo:8080',
    ':9 load/target names "shpo", which is no service of the Compose file (did you mean shop?); its services: shop',
  ],
  [
    'another generator and a service that is called as one of the run stack',
    '  script: load.ts\n  target: http://shop:8080',
    '  image: x\n  command: []\n  requests: x{$selector}\n  target: http://prometheus:8080',
    ":11 load/target must not name a service that is called prometheus: so is one of Mayfly's own beside another load generator; give yours another name",
  ],
  ['a password', 'http://shop:8080', 'http://a:b@shop:8080', ':9 load/target must not hold a user or a password'],
  [
    'a scrape of no service',
    '- service: shop',
    '- service: web',
    ':13 scrape/0/service names "web", which is no service of the Compose file; its services: shop',
  ],
  [
    'a port that is none',
    'port: 8080',
    'port: 80800',
    ':14 scrape/0/port must be a port number from 1 to 65535, got 80800',
  ],
  ['half a round', 'services:', 'rounds: 1.5\nservices:', ':6 rounds must be a whole number of rounds, got 1.5'],
  [
    'a share over 1',
    'services:',
    'allow: {steal: 5}\nservices:',
    ':6 allow/steal must be a share from 0 to 1, or a percentage such as 0.5%, got 5',
  ],
  [
    'more than all',
    'services:',
    'allow: {steal: 101%}\nservices:',
    ':6 allow/steal must be a share from 0 to 1, or a percentage such as 0.5%, got "101%"',
  ],
];

for (const [what, from, to, sentence] of wrong) {
  t.test(what, async (t) => {
    t.strictSame((await faults(t, swap(BENCHMARK, from, to)))[0], FILE + sentence);
  });
}

const metric = (text: string) => `${BENCHMARK}metrics:\n  - ${text}\n`;
const wrongMetrics: [text: string, sentence: string][] = [
  [
    '{name: latency_p50}',
    ':16 metrics/0/name "latency_p50" is not built in (did you mean latency_med?) and has none of promql, telemetry, cpu, trace; built in are latency_avg, latency_min, latency_med',
  ],
  [
    '{name: latency_p95, promql: "x{$selector}", unit: s}',
    ':16 metrics/0/promql must not be given, since latency_p95 is built in',
  ],
  ['{name: latency_p95, better: lower}', ':16 metrics/0/better must not be given, since latency_p95 is built in'],
  ['{name: x, promql: "x{$selector}"}', ':16 metrics/0 has promql, so it needs unit too'],
  ['{name: x, promql: "sum(x)", unit: s}', ':16 metrics/0/promql must have $selector in every {...}'],
  [
    `{name: x, promql: 'sum(x{service="checkout",$selector})', unit: s}`,
    ':16 metrics/0/promql selects service="checkout", but service is Mayfly\'s label, the name in the Compose file (shop); where the metric itself has a label service, Prometheus calls it exported_service: write exported_service="checkout"',
  ],
  [
    '{name: x, promql: "a{$selector} / b{c=\'$selector\'}", unit: s}',
    ':16 metrics/0/promql must have $selector in every {...}',
  ],
  [
    '{name: x, promql: "rate(a{$selector}[$window]) / rate(b[$window])", unit: s}',
    ':16 metrics/0/promql must have {$selector} before every [...]',
  ],
  [
    '{name: x, promql: "rate(a{$selector}[5m])", unit: s}',
    ':16 metrics/0/promql takes a range, so it must use [$window], the length of the measured window',
  ],
  [
    '{name: x, promql: "rate(a{$selector}[$windows])", unit: s}',
    ':16 metrics/0/promql has $windows, but only $selector and $window are filled in',
  ],
  [
    '{name: X, promql: "x{$selector}", unit: s}',
    ':16 metrics/0/name must be lower-case letters, digits and _, starting with a letter, got "X"',
  ],
  ['{name: latency_med}\n  - {name: latency_med}', ':17 metrics/1/name is there twice: latency_med'],
  ['{primary: true}', ':16 metrics/0 needs name'],
];
for (const [text, sentence] of wrongMetrics) {
  t.test(`metric ${text}`, async (t) => {
    const [first] = await faults(t, metric(text));
    t.ok(first?.startsWith(FILE + sentence), String(first));
  });
}

t.test('queries that are right', async (t) => {
  for (const promql of [
    'sum by (le) (rate(x_bucket{route=~"/[a-z]+{2}",$selector}[$window]))',
    'max_over_time(sum(x{$selector})[$window:1s])',
    'quantile_over_time(0.5, (a{$selector} / b{$selector}) [$window:1s])',
  ]) {
    t.strictSame(await faults(t, metric(`{name: x, unit: s, promql: '${promql}'}`)), [], promql);
  }
});

t.test('only the generator of Mayfly measures latency', async (t) => {
  const file = `${BENCHMARK.replace('  script: load.ts', '  image: vegeta\n  command: [attack]\n  requests: sum(n{$selector})')}metrics:\n  - {name: latency_p95, primary: true}\n`;
  t.match(await faults(t, file), [
    /:18 metrics\/0\/primary cannot be true, since only the generator of Mayfly measures latency_p95 and this load is generated by vegeta/,
  ]);
});

t.test('every fault of a file at once, in the order of its lines', async (t) => {
  const bad = BENCHMARK.replace('rate: 200', 'rate: 0')
    .replace('duration: 20s', 'duration: soon')
    .replace('port: 8080', 'port: x');
  t.match(await faults(t, bad), [/:10 load\/rate/, /:11 load\/duration/, /:14 scrape\/0\/port/]);
  const both = BENCHMARK.replace('script: load.ts', 'script: none.ts');
  t.match(await faults(t, both, `${COMPOSE}    ports: ["1:1"]\n`), [
    /benchmark\.yaml:8 load\/script/,
    /compose\.yaml:6 services\/shop\/ports/,
  ]);
});

t.test('files that are no map', async (t) => {
  t.strictSame(await faults(t, ''), [`${FILE}:1 must be a map, got nothing`]);
  t.strictSame(await faults(t, '- a'), [`${FILE}:1 must be a map, got a list of 1`]);
  t.match(await faults(t, 'a: 1\n---\nb: 2'), [/is not valid YAML/]);
});
