import t from 'tap';
import { loadConfig } from '../../scripts/config/config.ts';
import { BENCHMARK, type Files, faults, load, swap } from './fixture.ts';

const FILE = 'benchmarks/shop/benchmark.yaml';
const COMPOSE = `services:
  shop:
    image: \${MAYFLY_IMAGE_SHOP}
    depends_on: {seed: {condition: service_completed_successfully}, cache: {condition: service_healthy}}
    healthcheck: {test: [CMD, healthy]}
  seed:
    image: seed:1
  cache:
    image: cache:1
    deploy: {resources: {reservations: {memory: 64M}}}
    healthcheck: {test: [CMD, healthy]}
`;
const LINES = BENCHMARK.split('\n').length; // where what a test adds begins
const SCALED = 'replicas: {shop: 3}, balancer: {service: shop, port: 8080, health: /healthz}';
const BALANCER = 'balancer: {service: shop, port: 8080, health: /healthz}\n';

const own = (text: string, args: string[] = [], files: Files = {}, compose = COMPOSE) =>
  [BENCHMARK + text, compose, args, files] as const;

t.test('a benchmark without any of it has plain deployments, and no disturbance', async (t) => {
  const { deployments, disturbances, overlays } = await load(t, ...own(''));
  const plain = { variant: null, replicas: {}, compose: null, balancer: null, autoscale: null };
  t.strictSame([deployments, disturbances, overlays], [{ candidate: plain, baseline: plain }, [], undefined]);
});

t.test('a variant lies over the top of the file, part by part', async (t) => {
  const text = `replicas: {cache: 2}
${BALANCER}variants:
  single: {}
  scaled: {replicas: {shop: 3}, compose: scaled.yaml}
  sticky: {balancer: {service: shop, port: 8080, health: /up, sticky: cookie, drain: 1m}}
`;
  const files = { 'scaled.yaml': 'services: {shop: {mem_limit: 512m}}\n' };
  const { deployments, overlays, dir } = await load(
    t,
    ...own(text, ['--variant=scaled', '--against-variant=single'], files),
  );
  const balancer = { service: 'shop', port: 8080, sticky: 'none', health: '/healthz', drainS: 10 };
  t.strictSame(deployments, {
    candidate: {
      variant: 'scaled',
      replicas: { shop: 3 },
      compose: `${dir}/scaled.yaml`,
      balancer,
      autoscale: null,
    },
    baseline: { variant: 'single', replicas: { cache: 2 }, compose: null, balancer, autoscale: null },
  });
  t.strictSame(overlays, [`${dir}/scaled.yaml`], 'whichever variant is measured');
  const sticky = await load(t, ...own(text, ['--variant=sticky', '--against=main'], files));
  t.equal(sticky.deployments.baseline.variant, 'sticky', 'the other side has the same one');
  t.match(sticky.deployments.candidate.balancer, { health: '/up', sticky: 'cookie', drainS: 60 });
  t.equal(sticky.against, 'main');
});

t.test('two variants without --against are of one commit', async (t) => {
  const text = `variants: {single: {}, scaled: {${SCALED}}}\n`;
  const both = ['--variant=scaled', '--against-variant=single'];
  t.equal((await load(t, ...own(text, both))).against, 'HEAD');
  t.equal((await load(t, ...own(text, [...both, '--commit=v1']))).against, 'v1');
  t.equal((await load(t, ...own(text, [...both, '--against=main']))).against, 'main');
  t.equal((await load(t, ...own(text, ['--variant=scaled']))).against, undefined);
});

t.test('what is done in the window, in the order of its times', async (t) => {
  const text = `replicas: {shop: 2}
${swap(BALANCER, 'health', 'drain: 30s, health')}disturbances:
  - {at: 5s, kind: rolling-update, service: shop, to: candidate}
  - {at: 1s, kind: rolling-update, service: shop, drain: 3s}
  - {at: 2s, kind: kill-replica, service: shop}
  - {at: 3s, kind: restart, service: cache}
  - {at: 4s, kind: pause, service: cache, for: 500ms}
  - {at: 6s, kind: memory-pressure, service: cache, for: 3s, bytes: 200MiB}
  - {at: 7s, kind: network-delay, service: cache, for: 3s, delay: 50ms}
  - {at: 17s, kind: network-loss, service: cache, for: 3s, loss: 2%}
allow: {failed_requests: 1%, disturbed_failures: 20%}
`;
  const { disturbances, allow } = await load(t, ...own(text));
  t.strictSame(disturbances, [
    { atS: 1, service: 'shop', kind: 'rolling-update', to: 'own', drainS: 3 },
    { atS: 2, service: 'shop', kind: 'kill-replica' },
    { atS: 3, service: 'cache', kind: 'restart' },
    { atS: 4, service: 'cache', kind: 'pause', forS: 0.5 },
    { atS: 5, service: 'shop', kind: 'rolling-update', to: 'candidate', drainS: 30 },
    { atS: 6, service: 'cache', kind: 'memory-pressure', forS: 3, bytes: 200 * 2 ** 20 },
    { atS: 7, service: 'cache', kind: 'network-delay', forS: 3, delayS: 0.05 },
    { atS: 17, service: 'cache', kind: 'network-loss', forS: 3, loss: 0.02 },
  ]);
  t.match(allow, { failedRequests: 0.01, disturbedFailures: 0.2 });
  const without = await load(t, ...own('allow: {failed_requests: 1%}\n'));
  t.equal(without.allow.disturbedFailures, 0.01, 'what is allowed at all times, where nothing else is said');
});

t.test('an autoscaler, which begins with its least count', async (t) => {
  const scaled = swap(
    COMPOSE,
    'cache: {condition: service_healthy}}',
    'cache: {condition: service_healthy}}\n    mem_reservation: 128m',
  );
  const text = `${BALANCER}autoscale: {service: shop, target: 50%, min: 2, max: 6}\n`;
  const { deployments } = await load(t, ...own(text, [], {}, scaled));
  t.match(deployments.candidate, {
    replicas: { shop: 2 },
    autoscale: { service: 'shop', metric: 'memory', target: 0.5, min: 2, max: 6, cooldownS: 15 },
  });
  const first = await load(t, ...own(`replicas: {shop: 4}\n${text}`, [], {}, scaled));
  t.strictSame(first.deployments.candidate.replicas, { shop: 4 }, 'or with what the file says');
});

t.test('a second Compose file that is laid over the first needs to say only what is different', async (t) => {
  const overlay =
    'services: {shop: {mem_limit: 1g, environment: {WORKERS: "2"}}, proxy: {image: p:1, healthcheck: {test: [CMD, x]}}}\n';
  const { deployments, dir } = await load(t, ...own('compose: big.yaml\n', [], { 'big.yaml': overlay }));
  t.equal(deployments.candidate.compose, `${dir}/big.yaml`);
  const files = { 'big.yaml': 'services: {proxy: {image: p:1, healthcheck: {test: [CMD, x]}}}\n' };
  t.strictSame(
    await faults(t, ...own('compose: big.yaml\nreplicas: {proxy: 2}\n', [], files)),
    [],
    'a service of the second file is a service like all others',
  );
});

const SERVICES = 'its services: shop, seed, cache';
const IS_ONE_SHOT =
  'it is one-shot, since shop depends on it with condition: service_completed_successfully, and has ended when the load starts';
const WRITE = 'write balancer: {service: shop, port: 8080, health: /healthz}';

/** What, the lines that are added, the fault: its line counts from the first of them. */
const WRONG: [what: string, text: string, line: number, sentence: string][] = [
  [
    'replicas of a service that is not there',
    'replicas: {chop: 2}\n',
    1,
    `replicas/chop names "chop", which is no service of the Compose file (did you mean shop?); ${SERVICES}`,
  ],
  ['replicas of a one-shot service', 'replicas: {seed: 2}\n', 1, `replicas/seed must not name seed: ${IS_ONE_SHOT}`],
  [
    'replicas without a balancer',
    'replicas: {shop: 3}\n',
    1,
    `replicas/shop needs a balancer for shop, since the load goes to it and it has 3 replicas; ${WRITE}`,
  ],
  [
    'the same in a variant',
    'variants:\n  single: {}\n  scaled: {replicas: {shop: 3}}\n',
    3,
    `variants/scaled/replicas/shop needs a balancer for shop, since the load goes to it and it has 3 replicas; ${WRITE}`,
  ],
  ['no replica', 'replicas: {cache: 0}\n', 1, 'replicas/cache must be >= 1 replicas, got 0'],
  [
    'a name of a variant',
    'variants: {Big: {}}\n',
    1,
    'variants/Big must be named with lower-case letters, digits and -, starting with a letter, at most 40',
  ],
  [
    'a part that a variant has not',
    'variants: {big: {replica: {shop: 1}}}\n',
    1,
    'variants/big/replica is not known (did you mean replicas?); allowed here: replicas, compose, balancer, autoscale',
  ],
  [
    'a balancer for nothing',
    'balancer: {service: sop, port: 8080, health: /}\n',
    1,
    `balancer/service names "sop", which is no service of the Compose file (did you mean shop?); ${SERVICES}`,
  ],
  ['a balancer without a port', 'balancer: {service: shop, health: /}\n', 1, 'balancer needs port'],
  [
    'a balancer on another port than the load',
    'balancer: {service: shop, port: 8081, health: /}\n',
    1,
    'balancer/port must be 8080, the port of load/target: the balancer answers there in place of shop; got 8081',
  ],
  [
    'a path with a quotation mark',
    `balancer: {service: shop, port: 8080, health: "/a'b"}\n`,
    1,
    `balancer/health must be a path that starts with /, without spaces and quotation marks, got "/a'b"`,
  ],
  [
    'a word for sticky',
    'balancer: {service: shop, port: 8080, health: /, sticky: cooky}\n',
    1,
    'balancer/sticky must be cookie or none, got "cooky"',
  ],
  [
    'a drain that never ends',
    'balancer: {service: shop, port: 8080, health: /, drain: 2h}\n',
    1,
    'balancer/drain must be from 0s to 1h, got 2h',
  ],
  [
    'min above max',
    `${swap(BALANCER, 'shop', 'cache')}autoscale:\n  service: cache\n  target: 0.5\n  min: 7\n  max: 6\n`,
    5,
    'autoscale/min must be at most max (6), got 7',
  ],
  [
    'an autoscaler without a balancer',
    'autoscale:\n  service: cache\n  target: 0.5\n  max: 6\n',
    2,
    'autoscale/service needs a balancer for cache, since its replicas come and go; write balancer: {service: cache, port: PORT, health: /healthz}',
  ],
  [
    'an autoscaler without a memory request',
    `${BALANCER}autoscale:\n  service: shop\n  target: 0.5\n  max: 6\n`,
    3,
    'autoscale/service must name a service with a memory request, of which its utilisation is a share; shop has none: write deploy: {resources: {reservations: {memory: 256M}}} into the Compose file',
  ],
  [
    'one by CPU without a CPU request',
    `${swap(BALANCER, 'shop', 'cache')}autoscale:\n  service: cache\n  metric: cpu\n  target: 0.5\n  max: 6\n`,
    3,
    'autoscale/service must name a service with a CPU request, of which its utilisation is a share; cache has none: write deploy: {resources: {reservations: {cpus: "0.5"}}} into the Compose file',
  ],
  [
    'a target of nothing',
    `${swap(BALANCER, 'shop', 'cache')}autoscale: {service: cache, target: 0, max: 6}\n`,
    2,
    'autoscale/target must be above 0, got 0',
  ],
  [
    'more replicas than the autoscaler has',
    `replicas: {cache: 9}\n${swap(BALANCER, 'shop', 'cache')}autoscale: {service: cache, target: 0.5, max: 6}\n`,
    1,
    'replicas/cache must be from 1 to 6, as min and max of its autoscaler are; got 9',
  ],
  [
    'an autoscaler for nothing',
    `${BALANCER}autoscale: {service: sop, target: 0.5, max: 6}\n`,
    2,
    `autoscale/service names "sop", which is no service of the Compose file (did you mean shop?); ${SERVICES}`,
  ],
  [
    'a cooldown that never ends',
    `${swap(BALANCER, 'shop', 'cache')}autoscale: {service: cache, target: 0.5, max: 6, cooldown: 2h}\n`,
    2,
    'autoscale/cooldown must be from 0s to 1h, got 2h',
  ],
  [
    'a Compose file that is not there',
    'compose: big.yaml\n',
    1,
    "compose is not there: big.yaml, counted from the benchmark's folder",
  ],
  [
    'a Compose file outside',
    'compose: ../big.yaml\n',
    1,
    `compose must be a file in the benchmark's folder, got "../big.yaml"`,
  ],
  [
    'a disturbance of nothing',
    'disturbances:\n  - {at: 1s, kind: restart, service: chop}\n',
    2,
    `disturbances/0/service names "chop", which is no service of the Compose file (did you mean shop?); ${SERVICES}`,
  ],
  [
    'a disturbance of what has ended',
    'disturbances:\n  - {at: 1s, kind: restart, service: seed}\n',
    2,
    `disturbances/0/service must not name seed: ${IS_ONE_SHOT}`,
  ],
  [
    'a disturbance after the window',
    'disturbances:\n  - {at: 20s, kind: restart, service: shop}\n',
    2,
    'disturbances/0/at must be within the window, which lasts 20 s (load); got 20s',
  ],
  [
    'a disturbance that ends after the window',
    'disturbances:\n  - {at: 19s, kind: pause, service: shop, for: 2500ms}\n',
    2,
    'disturbances/0/for must end within the window, which lasts 20 s (load); it ends after 21.5 s',
  ],
  [
    'an unknown kind',
    'disturbances:\n  - {at: 1s, kind: paus, service: shop}\n',
    2,
    'disturbances/0/kind must be rolling-update, kill-replica, restart, pause, memory-pressure, network-delay or network-loss, got "paus" (did you mean pause?)',
  ],
  [
    'a pause without an end',
    'disturbances:\n  - {at: 1s, kind: pause, service: shop}\n',
    2,
    'disturbances/0 is pause, so it needs for',
  ],
  [
    'a pause of no time',
    'disturbances:\n  - {at: 1s, kind: pause, service: shop, for: 0s}\n',
    2,
    'disturbances/0/for must be longer than 0s, got 0s',
  ],
  [
    'a field of another kind',
    'disturbances:\n  - {at: 1s, kind: pause, service: shop, for: 1s, bytes: 1MiB}\n',
    2,
    'disturbances/0/bytes must not be given with kind: pause, which takes for alone',
  ],
  [
    'a field of a kind that has none',
    'disturbances:\n  - {at: 1s, kind: restart, service: shop, for: 1s}\n',
    2,
    'disturbances/0/for must not be given with kind: restart, which takes none of its own',
  ],
  [
    'a loss of nothing',
    'disturbances:\n  - {at: 1s, kind: network-loss, service: shop, for: 1s, loss: 0}\n',
    2,
    'disturbances/0/loss must be above 0, got 0',
  ],
  [
    'a rolling update without a balancer',
    'disturbances:\n  - {at: 1s, kind: rolling-update, service: shop}\n',
    2,
    `disturbances/0/service needs a balancer for shop, since rolling-update takes a replica away from those behind it; ${WRITE}`,
  ],
  [
    'a replica that is the only one',
    `${BALANCER}disturbances:\n  - {at: 1s, kind: kill-replica, service: shop}\n`,
    3,
    'disturbances/0/service needs 2 replicas of shop or more, since one is killed and stays dead; it has 1',
  ],
];

for (const [what, text, line, sentence] of WRONG)
  t.test(`refused with file and line: ${what}`, async (t) => {
    t.strictSame(await faults(t, ...own(text)), [`${FILE}:${LINES + line - 1} ${sentence}`]);
  });

t.test('a variant that is not there is refused by name, with those that are', async (t) => {
  const text = `variants: {single: {}, scaled: {${SCALED}}}\n`;
  t.strictSame(await faults(t, ...own(text, ['--variant=scald'])), [
    `${FILE}:${LINES} variants has no "scald" (did you mean scaled?), which --variant asks for; its variants: single, scaled`,
  ]);
  t.strictSame(await faults(t, ...own(text, ['--variant=scaled', '--against-variant=x'])), [
    `${FILE}:${LINES} variants has no "x", which --against-variant asks for; its variants: single, scaled`,
  ]);
  t.strictSame(await faults(t, ...own('', ['--variant=x'])), [
    `${FILE}:1 variants has no "x", which --variant asks for; the file names none`,
  ]);
});

t.test('disturbances count for the variants and the window that are measured', async (t) => {
  const text = `variants: {single: {}, scaled: {${SCALED}}}
disturbances: [{at: 5s, kind: kill-replica, service: shop}]
`;
  t.strictSame(await faults(t, ...own(text, ['--variant=scaled'])), []);
  t.strictSame(await faults(t, ...own(text, ['--variant=scaled', '--against-variant=single'])), [
    `${FILE}:${LINES + 1} disturbances/0/service needs a balancer for shop in the variant single, since kill-replica takes a replica away from those behind it; ${WRITE}`,
  ]);
  t.strictSame(await faults(t, ...own(text, ['--variant=scaled', '--duration=4s'])), [
    `${FILE}:${LINES + 1} disturbances/0/at must be within the window, which lasts 4 s (--duration); got 5s`,
  ]);
});

t.test('a second Compose file is held to the rules of the first', async (t) => {
  const overlay = `services:
  shop:
    ports: ["80:80"]
    healthcheck: {disable: true}
  extra:
    image: extra:1
`;
  const BIG = 'benchmarks/shop/big.yaml';
  t.match(await faults(t, ...own('variants: {big: {compose: big.yaml}}\n', [], { 'big.yaml': overlay })), [
    `${BIG}:3 services/shop/ports is not allowed: two runs side by side would share the port`,
    `${BIG}:4 services/shop/healthcheck needs a healthcheck with a test`,
    `${BIG}:5 services/extra needs a healthcheck with a test`,
  ]);
  const named = { 'big.yaml': 'services:\n  balancer: {image: b:1, healthcheck: {test: [CMD, x]}}\n' };
  t.strictSame(await faults(t, ...own(`compose: big.yaml\n${BALANCER}`, [], named)), [
    `${BIG}:2 services/balancer must have another name: with balancer in benchmark.yaml Mayfly adds a service of its own that is called balancer`,
  ]);
  const fixed = { 'big.yaml': 'services:\n  shop: {image: shop:fixed}\n' };
  t.strictSame(await faults(t, ...own('compose: big.yaml\n', [], fixed)), [
    `${BIG}:1 services must use \${MAYFLY_IMAGE_SHOP}, the image of build/shop, in a service`,
  ]);
  const counted = { 'big.yaml': 'services:\n  cache: {scale: 2}\n' };
  t.strictSame(await faults(t, ...own('compose: big.yaml\nreplicas: {cache: 3}\n', [], counted)), [
    `${FILE}:${LINES + 1} replicas/cache must be left out, since the Compose file has the count of cache (scale, or deploy/replicas); or take it away there`,
  ]);
  t.strictSame(
    await faults(t, ...own('compose: big.yaml\n', [], { 'big.yaml': 'services: [\n' })).then((all) => all.length),
    1,
    'one that is no YAML is refused once',
  );
});

t.test('disturbances need the single requests of the generator of Mayfly', async (t) => {
  const image = swap(
    BENCHMARK,
    '  script: load.ts\n',
    "  image: vegeta:12\n  command: [attack]\n  requests: 'sum(x{$selector})'\n",
  );
  const text = `${image}disturbances: [{at: 5s, kind: restart, service: shop}]\n`;
  t.strictSame(await faults(t, text, COMPOSE), [
    `${FILE}:${text.split('\n').length - 1} disturbances need the generator of Mayfly, since what failed in them is read from its single requests; this load is generated by vegeta:12`,
  ]);
});

t.test('flags that contradict another variant', async (t) => {
  const text = `variants: {single: {}, scaled: {${SCALED}}}\n`;
  const refused = (...args: string[]) => faults(t, ...own(text, args));
  t.strictSame(await refused('--against-variant=single', '--against=none'), [
    '--against-variant cannot be given with --against=none: there is no other side that could be deployed',
  ]);
  t.strictSame(await refused('--against-variant=single', '--variant=scaled', '--master'), [
    '--against-variant cannot be given with --master: the history of the default branch is kept for each variant by itself',
  ]);
  t.strictSame(await refused('--variant=scaled', '--resume=last'), [
    '--resume goes on with a run as it was begun, so --variant cannot be given with it',
  ]);
  t.strictSame(await refused('--against-variant=scaled', '--resume=last'), [
    '--resume goes on with a run as it was begun, so --against-variant cannot be given with it',
  ]);
});

t.test('a run that is resumed has the variants with which it was begun', async (t) => {
  const root = t.testdir({
    benchmarks: {
      shop: {
        'benchmark.yaml': `${BENCHMARK}variants: {single: {}, scaled: {${SCALED}}}\n`,
        'compose.yaml': COMPOSE,
        'load.ts': '',
      },
    },
  });
  const env = { root, cwd: root };
  const { deployments } = await loadConfig(
    { resume: 'last', begun: { variant: 'scaled', againstVariant: 'single' } },
    env,
  );
  t.strictSame([deployments.candidate.variant, deployments.baseline.variant], ['scaled', 'single']);
  await t.rejects(loadConfig({ resume: 'last', begun: { variant: 'gone' } }, env), {
    message: `${FILE}:${LINES} variants has no "gone", which the run that is resumed has; its variants: single, scaled`,
  });
});
