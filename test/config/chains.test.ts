/** Broker, triggers and traces of a benchmark: what they come to, and each refusal by its text and line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig, parseBenchArgs } from '../../scripts/config/config.ts';
import { EVENT_METRICS } from '../../scripts/config/metric-defaults.ts';

const ROOT = join(import.meta.dirname, '../..');
const HEALTHY = 'healthcheck: {test: [CMD, healthy]}';
const BENCHMARK = `build:
  shop: {git: {context: service}}
services: compose.yaml
load: {script: load.ts, target: "http://producer:8080", rate: 200, duration: 20s}
`;
const COMPOSE = `services:
  producer: {image: "\${MAYFLY_IMAGE_SHOP}", ${HEALTHY}}
  consumer: {image: "\${MAYFLY_IMAGE_SHOP}", ${HEALTHY}}
`;
const TRIGGERS = `triggers:
  - name: orders
    subscriber: http://consumer:8080/
`;
const BROKER = 'broker: {kind: nats}\n';
/** The first line of what is put behind the benchmark. */
const HERE = BENCHMARK.split('\n').length;

function load(t: Test, benchmark: string, files: Record<string, string> = {}, args: string[] = []) {
  const root = t.testdir({
    benchmarks: {
      chain: {
        'benchmark.yaml': benchmark,
        'compose.yaml': COMPOSE,
        'load.ts': '',
        'triggers.yaml': TRIGGERS,
        ...files,
      },
    },
    compose: {
      brokers: Object.fromEntries(
        ['nats.yaml', 'rabbitmq.yaml'].map((name) => [name, readFileSync(join(ROOT, 'compose/brokers', name), 'utf8')]),
      ),
    },
  });
  return loadConfig(parseBenchArgs(args), { root, cwd: join(root, 'benchmarks/chain') });
}

const refusal = (t: Test, ...of: Parameters<typeof load> extends [Test, ...infer Rest] ? Rest : never) =>
  load(t, ...of).then(
    () => 'nothing was refused',
    ({ message, exitCode }: Error & { exitCode: number }) => (t.equal(exitCode, 2), message),
  );

t.test('a benchmark that names neither has neither', async (t) => {
  const config = await load(t, BENCHMARK);
  t.equal(config.broker, null);
  t.equal(config.traces, null);
  t.notOk('logFormat' in config);
  t.notOk(config.metrics.some(({ name }) => EVENT_METRICS.some((metric) => metric.name === name)));
});

t.test('a broker, with every default filled in; its metrics are built in', async (t) => {
  const { broker, metrics, allow } = await load(
    t,
    `${BENCHMARK}${BROKER}metrics:\n  - {name: delivery_p95, primary: true, margin: 5%}\n`,
  );
  t.match(broker, {
    kind: 'nats',
    url: 'nats://broker:4222',
    services: ['producer', 'consumer'],
    drainS: 30,
    notDrained: 'invalid',
    recordsBytes: 64 * 2 ** 20,
    triggers: [
      {
        name: 'orders',
        filter: {},
        subscriber: 'http://consumer:8080/',
        retries: 5,
        backoffS: 0.1,
        timeoutS: 5,
        maxInFlight: 16,
      },
    ],
  });
  t.match(broker!.file, /\/compose\/brokers\/nats\.yaml$/);
  t.match(
    metrics.find(({ name }) => name === 'delivery_p95'),
    { unit: 's', better: 'lower', primary: true, margin: 0.05 },
  );
  t.same(
    EVENT_METRICS.filter(({ name }) => !metrics.some((metric) => metric.name === name)),
    [],
  );
  t.match(allow, { lostEvents: 0, deadLettered: 0 });
});

t.test('a broker and its triggers as the files say', async (t) => {
  const { broker, allow } = await load(
    t,
    `${BENCHMARK}broker: {kind: rabbitmq, triggers: who.yaml, drain: 2m, not_drained: failure, records: 1GiB}
allow: {lost_events: 0.1%, dead_lettered: 1%}
`,
    {
      'who.yaml': `triggers:
  - name: high
    filter: {type: dev.mayfly.order.placed, priority: high, source: /shop}
    subscriber: http://consumer:8080/orders
    retries: 0
    backoff: 0s
    timeout: 250ms
    max_in_flight: 1
`,
    },
  );
  t.match(broker, { url: 'amqp://broker:5672', drainS: 120, notDrained: 'failure', recordsBytes: 2 ** 30 });
  t.strictSame(broker!.triggers, [
    {
      name: 'high',
      filter: { type: 'dev.mayfly.order.placed', priority: 'high', source: '/shop' },
      subscriber: 'http://consumer:8080/orders',
      retries: 0,
      backoffS: 0,
      timeoutS: 0.25,
      maxInFlight: 1,
    },
  ]);
  t.match(allow, { lostEvents: 0.001, deadLettered: 0.01 });
});

t.test('another broker is put in by its Compose file', async (t) => {
  const { broker } = await load(t, `${BENCHMARK}broker: {kind: brokers/own.yaml}\n`, {
    brokers: {
      'own.yaml': `x-mayfly: {url: "nats://broker:5000"}\nservices:\n  broker: {image: own:1}\n`,
    } as never,
  });
  t.match(broker, { kind: 'brokers/own.yaml', url: 'nats://broker:5000' });
  t.match(broker!.file, /benchmarks\/chain\/brokers\/own\.yaml$/);
});

const OWN = `${BENCHMARK}broker: {kind: own.yaml}\n`;
const own = (text: string) => ({ 'own.yaml': text });

const FAULTS: [what: string, said: string, benchmark: string, files?: Record<string, string>][] = [
  [
    'no known kind',
    `benchmark.yaml:${HERE} broker/kind must be nats, rabbitmq, or a Compose file of the benchmark's folder that ends in .yaml, got "kafka"`,
    `${BENCHMARK}broker: {kind: kafka}\n`,
  ],
  [
    'no file of triggers',
    `benchmark.yaml:${HERE} broker/triggers is not there: who.yaml, counted from the benchmark's folder`,
    `${BENCHMARK}broker: {kind: nats, triggers: who.yaml}\n`,
  ],
  [
    'triggers of elsewhere',
    `benchmark.yaml:${HERE} broker/triggers must be a file in the benchmark's folder, got "../who.yaml"`,
    `${BENCHMARK}broker: {kind: nats, triggers: ../who.yaml}\n`,
  ],
  [
    'a long drain',
    `benchmark.yaml:${HERE} broker/drain must be from 0s to 1h, got 2h`,
    `${BENCHMARK}broker: {kind: nats, drain: 2h}\n`,
  ],
  [
    'a small folder',
    `benchmark.yaml:${HERE} broker/records must be from 1MiB to 4GiB, got 0.5MiB`,
    `${BENCHMARK}broker: {kind: nats, records: 0.5MiB}\n`,
  ],
  [
    'an own broker that is not there',
    `benchmark.yaml:${HERE} broker/kind is not there: own.yaml, counted from the benchmark's folder`,
    OWN,
  ],
  [
    'an own broker without an address',
    'own.yaml:1 x-mayfly/url must be where the trigger service finds the broker, nats://broker:PORT or amqp://broker:PORT; write x-mayfly: {url: nats://broker:4222} at the top; got nothing',
    OWN,
    own(`services:\n  broker: {image: own:1, ${HEALTHY}}\n`),
  ],
  [
    'an own broker at another address',
    'own.yaml:1 x-mayfly/url must be where the trigger service finds the broker, nats://broker:PORT or amqp://broker:PORT; write x-mayfly: {url: nats://broker:4222} at the top; got "kafka://broker:9092"',
    OWN,
    own(`x-mayfly: {url: "kafka://broker:9092"}\nservices:\n  broker: {image: own:1, ${HEALTHY}}\n`),
  ],
  [
    'an own broker of another name',
    'own.yaml:2 services must have one service, called broker; got queue',
    OWN,
    own(`x-mayfly: {url: "nats://broker:4222"}\nservices:\n  queue: {image: own:1, ${HEALTHY}}\n`),
  ],
  [
    'an own broker with privileges: what is refused in every Compose file is refused in its own',
    'own.yaml:3 services/broker/privileged is not allowed: a service under test gets no access to the host; leave it out',
    OWN,
    own(`x-mayfly: {url: "nats://broker:4222"}\nservices:\n  broker: {image: own:1, ${HEALTHY}, privileged: true}\n`),
  ],
  [
    'a service that is called as one of those that are added',
    'compose.yaml:4 services/trigger must have another name: with broker in benchmark.yaml Mayfly adds a service of its own that is called trigger',
    `${BENCHMARK}${BROKER}`,
    { 'compose.yaml': `${COMPOSE}  trigger: {image: x, ${HEALTHY}}\n` },
  ],
  [
    'something else where the records are',
    'compose.yaml:4 services/other must mount nothing at, in or above /mayfly/records: with broker in benchmark.yaml its records of events are there',
    `${BENCHMARK}${BROKER}`,
    { 'compose.yaml': `${COMPOSE}  other: {image: x, ${HEALTHY}, tmpfs: [/mayfly]}\n` },
  ],
  [
    'a name that no volume can have',
    'compose.yaml:4 services/_other must start with a letter or a digit: with broker in benchmark.yaml it gets a volume of this name for its records of events',
    `${BENCHMARK}${BROKER}`,
    { 'compose.yaml': `${COMPOSE}  _other: {image: x, ${HEALTHY}}\n` },
  ],
  [
    'a service that is called as what gathers traces',
    'compose.yaml:4 services/zipkin must have another name: with traces in benchmark.yaml zipkin is where Mayfly gathers them',
    `${BENCHMARK}traces: {}\n`,
    { 'compose.yaml': `${COMPOSE}  zipkin: {image: x, ${HEALTHY}}\n` },
  ],
  [
    'a sampling of nothing',
    `benchmark.yaml:${HERE} traces/sampling must be above 0, got "0%"; leave traces out for none`,
    `${BENCHMARK}traces: {sampling: 0%}\n`,
  ],
  [
    'an event metric without a broker',
    `benchmark.yaml:${HERE} metrics/0/name delivery_p95 is of events, so it needs broker at the top of the file`,
    `${BENCHMARK}metrics: [{name: delivery_p95, primary: true}]\n`,
  ],
  [
    'a metric of traces without traces',
    `benchmark.yaml:${HERE} metrics/0/trace needs traces at the top of the file too: traces: {sampling: 10%}`,
    `${BENCHMARK}metrics: [{name: a, trace: {hop: consumer, value: self_avg}}]\n`,
  ],
  [
    'the CPU time of no service',
    `benchmark.yaml:${HERE} metrics/0/cpu/service names "consumr", which is no service of the Compose file (did you mean consumer?); its services: producer, consumer`,
    `${BENCHMARK}metrics: [{name: a, cpu: {service: consumr}}]\n`,
  ],
  [
    'the CPU time of the broker of a benchmark without one',
    `benchmark.yaml:${HERE} metrics/0/cpu/service names "broker", which is no service of the Compose file; its services: producer, consumer`,
    `${BENCHMARK}metrics: [{name: a, cpu: {service: broker}}]\n`,
  ],
  [
    'a metric that is read in two ways',
    `benchmark.yaml:${HERE} metrics/0/cpu must not be given with promql: a metric is read in one way`,
    `${BENCHMARK}metrics: [{name: a, unit: s, promql: "up{$selector}", cpu: {service: consumer}}]\n`,
  ],
  [
    'another unit than the value has',
    `benchmark.yaml:${HERE} metrics/0/unit must be s or left out, since that is what this value is in; got "count"`,
    `${BENCHMARK}metrics: [{name: a, unit: count, cpu: {service: consumer}}]\n`,
  ],
];
for (const [what, said, benchmark, files] of FAULTS)
  t.test(`refused: ${what}`, async (t) => {
    t.equal(await refusal(t, benchmark, files), said);
  });

const TRIGGER_FAULTS: [what: string, said: string, text: string][] = [
  ['an empty file', 'triggers.yaml:1 must be a map, got nothing', ''],
  [
    'no trigger',
    'triggers.yaml:1 triggers must be a list of 1 to 64 triggers with name and subscriber, got a list of 0',
    'triggers: []\n',
  ],
  [
    'more triggers than a record of an event can name',
    'triggers.yaml:1 triggers must be a list of 1 to 64 triggers with name and subscriber, got a list of 65',
    `triggers:\n${[...Array(65).keys()].map((n) => `  - { name: t${n}, subscriber: "http://consumer:8080/" }\n`).join('')}`,
  ],
  [
    'an unknown key',
    'triggers.yaml:4 triggers/0/retrys is not known (did you mean retries?); allowed here: name, filter, subscriber, retries, backoff, timeout, max_in_flight',
    `${TRIGGERS}    retrys: 3\n`,
  ],
  ['no subscriber', 'triggers.yaml:2 triggers/0 needs subscriber', 'triggers:\n  - name: orders\n'],
  [
    'a bad name',
    'triggers.yaml:2 triggers/0/name must be lower-case letters, digits and -, starting with a letter, at most 40, got "Orders"',
    TRIGGERS.replace('orders', 'Orders'),
  ],
  [
    'a name that is there twice',
    "triggers.yaml:4 triggers/1/name is there twice: orders; events are counted by the trigger's name",
    `${TRIGGERS}  - {name: orders, subscriber: "http://consumer:8080/"}\n`,
  ],
  [
    'no such subscriber',
    'triggers.yaml:3 triggers/0/subscriber names "consumr", which is no service of the Compose file (did you mean consumer?); its services: producer, consumer',
    TRIGGERS.replace('consumer', 'consumr'),
  ],
  [
    'a subscriber that is no URL',
    'triggers.yaml:3 triggers/0/subscriber must be a URL such as http://consumer:8080/, got "consumer"',
    TRIGGERS.replace('http://consumer:8080/', 'consumer'),
  ],
  [
    'a subscriber over TLS',
    'triggers.yaml:3 triggers/0/subscriber must be a URL such as http://consumer:8080/, got "https://consumer:8080/"',
    TRIGGERS.replace('http:', 'https:'),
  ],
  [
    'a subscriber with a password',
    'triggers.yaml:3 triggers/0/subscriber must not hold a user or a password',
    TRIGGERS.replace('http://', 'http://me:secret@'),
  ],
  [
    'a bad attribute',
    'triggers.yaml:5 triggers/0/filter/Priority must be named with the name of an attribute: lower-case letters and digits, at most 20, and not data',
    `${TRIGGERS}    filter:\n      Priority: high\n`,
  ],
  [
    'a number for a text',
    'triggers.yaml:5 triggers/0/filter/priority must be a text that is not empty; a number, true or false needs quotation marks, since attributes are compared as text, got 5',
    `${TRIGGERS}    filter:\n      priority: 5\n`,
  ],
  [
    'a bad duration',
    'triggers.yaml:4 triggers/0/backoff must be a duration such as 500ms, 20s, 2m, 1m30s or 1h, got "soon"',
    `${TRIGGERS}    backoff: soon\n`,
  ],
  [
    'no time for an attempt',
    'triggers.yaml:4 triggers/0/timeout must be from 1ms to 1h, got 0s',
    `${TRIGGERS}    timeout: 0s\n`,
  ],
  [
    'too many attempts',
    'triggers.yaml:4 triggers/0/retries must be <= 100 attempts, got 101',
    `${TRIGGERS}    retries: 101\n`,
  ],
  ['a key twice', 'triggers.yaml:4 is not valid YAML: map keys must be unique', `${TRIGGERS}    name: again\n`],
];
for (const [what, said, text] of TRIGGER_FAULTS)
  t.test(`triggers: ${what}`, async (t) => {
    t.equal(await refusal(t, `${BENCHMARK}${BROKER}`, { 'triggers.yaml': text }), said);
  });

t.test('a one-shot service takes no events, and records none', async (t) => {
  const compose = `services:
  migrate: {image: x}
  producer: {image: "\${MAYFLY_IMAGE_SHOP}", ${HEALTHY}, depends_on: {migrate: {condition: service_completed_successfully}}}
  consumer: {image: x, ${HEALTHY}}
`;
  const { broker } = await load(t, `${BENCHMARK}${BROKER}`, { 'compose.yaml': compose });
  t.same(broker!.services, ['producer', 'consumer']);
  t.equal(
    await refusal(t, `${BENCHMARK}${BROKER}`, {
      'compose.yaml': compose,
      'triggers.yaml': TRIGGERS.replace('consumer', 'migrate'),
    }),
    'triggers.yaml:3 triggers/0/subscriber must not name migrate: it is one-shot, since producer depends on it with condition: service_completed_successfully, and has ended when the load starts',
  );
});

t.test('faults of all files are said at once', async (t) => {
  const said = await refusal(t, `${BENCHMARK}${BROKER}metrics: [{name: a, trace: {hop: a, value: share}}]\n`, {
    'triggers.yaml': TRIGGERS.replace('consumer', 'x'),
    'compose.yaml': `${COMPOSE}  broker: {image: x, ${HEALTHY}}\n`,
  });
  t.same(
    said.split('\n').map((line) => line.split(' ').slice(0, 2).join(' ')),
    [
      `benchmark.yaml:${HERE + 1} metrics/0/trace`,
      'compose.yaml:4 services/broker',
      'triggers.yaml:3 triggers/0/subscriber',
    ],
  );
});

t.test('metrics of the CPU time of a service and of a hop', async (t) => {
  const { metrics, objectives } = await load(
    t,
    `${BENCHMARK}${BROKER}traces: {}
metrics:
  - {name: consumer_cpu, cpu: {service: consumer}, primary: true}
  - {name: broker_cpu, cpu: {service: broker}, margin: 2%}
  - {name: consumer_self, trace: {hop: consumer, value: self_avg}}
  - {name: consumer_share, trace: {hop: consumer, value: share}, better: neither}
objectives: {consumer_cpu: 1ms, delivery_p99: 50ms}
`,
  );
  t.strictSame(
    metrics.filter(({ cpu, trace }) => cpu ?? trace),
    [
      {
        name: 'consumer_cpu',
        unit: 's',
        better: 'lower',
        primary: true,
        margin: 0.01,
        margin_from: 'default',
        cpu: { service: 'consumer' },
      },
      {
        name: 'broker_cpu',
        unit: 's',
        better: 'lower',
        primary: false,
        margin: 0.02,
        margin_from: 'benchmark',
        cpu: { service: 'broker' },
      },
      {
        name: 'consumer_self',
        unit: 's',
        better: 'lower',
        primary: false,
        margin: 0.01,
        margin_from: 'default',
        trace: { hop: 'consumer', value: 'self_avg' },
      },
      {
        name: 'consumer_share',
        unit: 'ratio',
        better: 'neither',
        primary: false,
        margin: 0.01,
        margin_from: 'default',
        trace: { hop: 'consumer', value: 'share' },
      },
    ],
  );
  t.strictSame(objectives, { consumer_cpu: 0.001, delivery_p99: 0.05 });
});

t.test('traces: of the file, and of the flags', async (t) => {
  const traced = `${BENCHMARK}traces: {sampling: 25%, keep: 5}\n`;
  const asked = async (...args: string[]) => (await load(t, traced, {}, args)).traces;
  t.strictSame((await load(t, `${BENCHMARK}traces: {}\n`)).traces, { sampling: 0.1, keep: 20 });
  t.strictSame(await asked(), { sampling: 0.25, keep: 5 });
  t.strictSame(await asked('--traces=100%'), { sampling: 1, keep: 5 });
  t.equal(await asked('--no-traces'), null);
  t.strictSame((await load(t, BENCHMARK, {}, ['--traces=0.5'])).traces, { sampling: 0.5, keep: 20 });
  for (const [args, said] of [
    [['--traces=0'], '--traces must be a share above 0, such as 10% or 0.1, got "0"'],
    [['--traces=200%'], '--traces must be a share above 0, such as 10% or 0.1, got "200%"'],
    [['--traces=all'], '--traces must be a share above 0, such as 10% or 0.1, got "all"'],
    [['--traces=10%', '--no-traces'], '--traces and --no-traces contradict each other'],
    [
      ['--resume=last', '--traces=10%'],
      '--resume goes on with a run as it was begun, so --traces cannot be given with it',
    ],
    [
      ['--resume=last', '--no-traces'],
      '--resume goes on with a run as it was begun, so --no-traces cannot be given with it',
    ],
  ] as const)
    t.equal(
      await Promise.resolve()
        .then(() => load(t, traced, {}, [...args]))
        .catch((error: Error) => error.message),
      said,
    );
});

t.test('a service that is called zipkin is one of the benchmark, as long as nothing is traced', async (t) => {
  const files = { 'compose.yaml': `${COMPOSE}  zipkin: {image: x, ${HEALTHY}}\n` };
  t.equal((await load(t, BENCHMARK, files)).traces, null);
  t.equal(
    await refusal(t, BENCHMARK, files, ['--traces=10%']),
    '--traces cannot be given: the benchmark has a service that is called zipkin, which is where Mayfly gathers them',
  );
});

t.test('without traces their metrics are left out, but not those that decide', async (t) => {
  const of = (more: string) => `${BENCHMARK}traces: {}
metrics: [{name: consumer_self, trace: {hop: consumer, value: self_avg}${more}}]
`;
  t.notOk((await load(t, of(''), {}, ['--no-traces'])).metrics.some(({ trace }) => trace));
  t.equal(
    await refusal(t, of(', primary: true'), {}, ['--no-traces']),
    '--no-traces cannot be given: consumer_self is a primary metric, and is read from traces',
  );
  t.equal(
    await refusal(t, `${of('')}objectives: {consumer_self: 5ms}\n`, {}, ['--no-traces']),
    '--no-traces cannot be given: consumer_self is among the objectives, and is read from traces',
  );
});

t.test('what the services log in', async (t) => {
  t.equal((await load(t, BENCHMARK, {}, ['--log-format=json'])).logFormat, 'json');
  t.equal(
    await refusal(t, BENCHMARK, {}, ['--log-format=logfm']),
    '--log-format must be logfmt or json, got "logfm" (did you mean logfmt?)',
  );
});
