/** What a side gets where its benchmark names a broker or traces, as pure documents. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { BrokerConfig } from '../../scripts/config/types.ts';
import { withBroker, withSurroundings } from '../../scripts/stack/chains.ts';
import { runCompose, sideCompose } from '../../scripts/stack/compose-file.ts';
import { foldersOf, isTelemetryVolume, sidecarSpec, withTelemetry } from '../../scripts/stack/telemetry.ts';
import { SIDECAR_VARIABLE } from '../../scripts/telemetry/sidecar-state.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

const broker: BrokerConfig = {
  kind: 'nats',
  file: '/src/compose/brokers/nats.yaml',
  url: 'nats://broker:4222',
  triggers: [
    {
      name: 'orders',
      filter: { price: '$5' },
      subscriber: 'http://consumer:8080/',
      retries: 5,
      backoffS: 0.1,
      timeoutS: 5,
      maxInFlight: 16,
    },
  ],
  services: ['producer', 'consumer'],
  drainS: 30,
  notDrained: 'invalid',
  recordsBytes: 64 * 2 ** 20,
};
const traces = { sampling: 0.25, keep: 20 };
const both = aPlan(['candidate', 'baseline'], {
  config: aConfig({ broker, traces }),
  ownImages: { trigger: 'mayfly/trigger:abc', nats: 'nats:2.15.2', zipkin: 'openzipkin/zipkin:3.5.1' },
  networks: { ...aPlan(['candidate', 'baseline']).networks, traces: 'mayfly-01testrun-traces' },
});
const SERVICES = {
  producer: { image: 'p', environment: { MODE: 'x' }, volumes: [{ type: 'volume', source: 'store', target: '/db' }] },
  consumer: { image: 'c', environment: { K_SINK: '', OTEL_SERVICE_NAME: 'mine', OTEL_RESOURCE_ATTRIBUTES: 'a=b' } },
};
const OF_BROKER = {
  services: {
    broker: {
      image: 'nats:2.15.2',
      privileged: true,
      volumes: [
        { type: 'volume', source: 'store', target: '/store' },
        { type: 'tmpfs', target: '/tmp' },
      ],
      configs: [{ source: 'nats', target: '/etc/nats.conf' }],
    },
  },
  volumes: { store: { name: 'mayfly-01testrun_store' } },
  configs: { nats: { name: 'mayfly-01testrun_nats', content: 'x' } },
};

t.test('broker and trigger service are services of the side, with all that keeps a service in', async (t) => {
  const resolved = withBroker({ services: SERVICES, volumes: { store: {} } }, OF_BROKER, both);
  t.same(Object.keys(resolved.services), ['producer', 'consumer', 'broker', 'trigger']);
  const made = sideCompose(resolved, both, 'baseline', 2);
  for (const name of ['broker', 'trigger'])
    t.match(made.services[name], {
      networks: { side: { aliases: [name, `${name}.baseline`] } },
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'no',
      init: true,
      labels: { 'dev.mayfly.side': 'baseline', 'dev.mayfly.round': '2', 'dev.mayfly.run': '01TESTRUN' },
    });
  t.notOk('privileged' in made.services.broker, 'whatever its file says');
  t.match(made.services.trigger, {
    image: 'mayfly/trigger:abc',
    mem_limit: '268435456',
    cpus: 1,
    environment: {
      MAYFLY_BROKER: 'nats://broker:4222',
      MAYFLY_TRIGGERS: JSON.stringify(broker.triggers).replace('$5', '$$$$5'), // Compose takes $ for a variable
    },
  });
  t.equal(
    made.services.trigger.healthcheck.test[3].replaceAll('$$', '').includes('$'),
    false,
    'no $ of its probe is one of Compose',
  );
});

t.test("what the broker's file calls something is not what the benchmark's calls so", async (t) => {
  const { services, volumes, configs } = withBroker(
    { services: SERVICES, volumes: { store: { a: 1 } } },
    OF_BROKER,
    both,
  );
  t.match(services.broker, {
    volumes: [
      { type: 'volume', source: 'mayfly-broker-store', target: '/store' },
      { type: 'tmpfs', target: '/tmp' },
    ],
    configs: [{ source: 'mayfly-broker-nats', target: '/etc/nats.conf' }],
  });
  t.same(services.producer, SERVICES.producer);
  t.match(volumes, { store: { a: 1 }, 'mayfly-broker-store': {} });
  t.match(configs, { 'mayfly-broker-nats': { content: 'x' } });
  t.match(sideCompose({ services, volumes: volumes!, configs: configs! }, both, 'candidate', 1), {
    volumes: { 'mayfly-broker-store': { labels: both.labels } },
  });
});

t.test('services find their sink, their log format and how to trace, but what they set themselves', async (t) => {
  const resolved = withBroker({ services: SERVICES }, OF_BROKER, both);
  const { services } = withSurroundings(sideCompose(resolved, both, 'baseline', 7), both, 'baseline', 7);
  t.strictSame(services.producer.environment, {
    K_SINK: 'http://trigger:8080/',
    LOG_FORMAT: 'logfmt',
    OTEL_SERVICE_NAME: 'producer',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: 'http://zipkin:9411/api/v2/spans',
    OTEL_RESOURCE_ATTRIBUTES: 'mayfly.side=baseline,mayfly.round=7',
    MODE: 'x',
  });
  t.match(services.consumer.environment, {
    K_SINK: '',
    OTEL_SERVICE_NAME: 'mine',
    OTEL_RESOURCE_ATTRIBUTES: 'a=b,mayfly.side=baseline,mayfly.round=7',
  });
  t.match(services.trigger.environment, { OTEL_SERVICE_NAME: 'trigger', LOG_FORMAT: 'logfmt' });
  t.notOk('K_SINK' in services.trigger.environment, 'it is the sink');
  t.strictSame(services.broker.environment, {}, 'a broker is no function');
});

t.test('traces alone, a log format alone, nothing at all', async (t) => {
  const of = (changes: Parameters<typeof aConfig>[0]) => {
    const plan = aPlan(['candidate'], { config: aConfig(changes) });
    const document = { services: { probe: { image: 'p' } } };
    const made = withSurroundings(document, plan, 'candidate', 1);
    return { same: made === document, found: Object.keys(made.services.probe!.environment ?? {}) };
  };
  t.match(of({}), { same: true });
  t.same(of({ logFormat: 'json' }).found, ['LOG_FORMAT']);
  t.same(of({ traces }).found, [
    'LOG_FORMAT',
    'OTEL_SERVICE_NAME',
    'OTEL_TRACES_SAMPLER',
    'OTEL_TRACES_SAMPLER_ARG',
    'OTEL_EXPORTER_ZIPKIN_ENDPOINT',
    'OTEL_RESOURCE_ATTRIBUTES',
  ]);
});

t.test('every service and the trigger service have a folder for records; the broker has none', async (t) => {
  t.same(foldersOf(aConfig()), []);
  t.strictSame(foldersOf(both.config), [
    { service: 'producer', folder: '/mayfly/records', bytes: 64 * 2 ** 20 },
    { service: 'consumer', folder: '/mayfly/records', bytes: 64 * 2 ** 20 },
    { service: 'trigger', folder: '/mayfly/records', bytes: 64 * 2 ** 20 },
  ]);
  const listed = aConfig({
    broker,
    telemetry: [{ service: 'consumer', folder: '/t', bytes: 2 ** 20, profile: 'cpu' }],
  });
  t.strictSame(
    foldersOf(listed)[0],
    { service: 'consumer', folder: '/t', bytes: 65 * 2 ** 20 },
    'one folder for both, with room for both',
  );
  const { services, volumes } = withTelemetry(withBroker({ services: SERVICES }, OF_BROKER, both), both, 'baseline', 3);
  t.equal(services.trigger.environment.MAYFLY_TELEMETRY, '/mayfly/records');
  t.notOk(services.broker.environment?.MAYFLY_TELEMETRY);
  t.ok(isTelemetryVolume(volumes!['mayfly-telemetry-trigger'].name), 'memory is no matter of the disk');
});

t.test('the sidecar takes all that fits into the folders', async (t) => {
  const mostOf = (recordsBytes: number) => {
    const plan = aPlan(['candidate'], { config: aConfig({ broker: { ...broker, recordsBytes } }) });
    return JSON.parse(sidecarSpec(plan, 'candidate', 1, 'node:x', { root: '/src' }).env![SIDECAR_VARIABLE]!).mostBytes;
  };
  t.equal(mostOf(2 ** 20), 2 ** 30);
  t.equal(mostOf(3 * 2 ** 30), 3 * 2 ** 30);
});

t.test(
  'Zipkin: on the networks of the sides and one of its own, not with Prometheus; only where there are traces',
  async (t) => {
    const document = parse(readFileSync(join(import.meta.dirname, '../../compose/run.yaml'), 'utf8'));
    t.notOk('zipkin' in runCompose(document, aPlan(['candidate', 'baseline'])).services);
    t.notOk('traces' in runCompose(document, aPlan()).networks!);
    const { services, networks } = runCompose(document, both);
    const alias = { aliases: ['zipkin'] };
    t.strictSame(services.zipkin.networks, {
      traces: {},
      'candidate-0': alias,
      'candidate-1': alias,
      'baseline-0': alias,
      'baseline-1': alias,
    });
    t.match(networks, { traces: { external: true, name: 'mayfly-01testrun-traces' } });
    t.notOk('traces' in services.prometheus.networks);
    t.same(services.zipkin.ports, ['127.0.0.1::9411']);
    t.match(services.zipkin, {
      mem_limit: '512m',
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      sysctls: { 'net.ipv4.conf.all.arp_ignore': '1' },
      restart: 'no',
      labels: { 'dev.mayfly.service': 'zipkin', 'dev.mayfly.run': '01TESTRUN' },
    });
    t.notOk('dev.mayfly.side' in services.zipkin.labels, 'it is of no side');
    t.notOk(services.zipkin.volumes, 'and has nothing of the host');
  },
);
