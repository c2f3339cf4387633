import { readFile } from 'node:fs/promises';
import t from 'tap';
import { parse } from 'yaml';
import { dockerEnv } from '../../scripts/engine/docker-env.ts';
import { runCompose, sideCompose } from '../../scripts/stack/compose-file.ts';
import { fill, scrapeTargets } from '../../scripts/stack/run-stack.ts';
import { aPlan } from '../fixtures/plan.ts';

const probe = { image: 'probe', command: null, entrypoint: null, networks: { default: null } };

t.test('a service under test is capped, on its side only, and has no capability', async (t) => {
  const { services, networks } = sideCompose({ services: { probe } }, aPlan(), 'candidate', 4);
  t.match(services.probe, {
    init: true,
    restart: 'no',
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    pids_limit: 512,
    mem_limit: '1073741824',
    memswap_limit: '1073741824',
    cpus: 2,
    dns: ['127.0.0.1'],
    networks: { side: { aliases: ['probe', 'probe.candidate'] } },
    labels: {
      'dev.mayfly.run': '01TESTRUN',
      'dev.mayfly.side': 'candidate',
      'dev.mayfly.round': '4',
      'dev.mayfly.commit': 'a'.repeat(40),
    },
  });
  t.same(networks, { side: { external: true, name: 'mayfly-01testrun-candidate-0' } });
  t.match(
    sideCompose({ services: { probe } }, aPlan(), 'candidate', 5).networks,
    { side: { name: 'mayfly-01testrun-candidate-1' } },
    'the next round is in another network, while this one is still there',
  );
});

t.test('a service that others wait for to end says so itself', async (t) => {
  const waiting = (condition: string) => ({ ...probe, depends_on: { migrate: { condition, required: true } } });
  const services = { migrate: probe, db: waiting('service_started'), web: waiting('service_completed_successfully') };
  const made = sideCompose({ services }, aPlan(), 'candidate', 1).services;
  t.same(
    Object.entries(made).map(([name, { labels }]) => [name, labels['dev.mayfly.one-shot'], labels['dev.mayfly.side']]),
    [
      ['migrate', 'web', 'candidate'],
      ['db', '', 'candidate'],
      ['web', '', 'candidate'],
    ],
    'an image with the label cannot say it',
  );
});

t.test('limits of deploy.resources are said in one place: Compose refuses two that differ', async (t) => {
  const resources = { limits: { cpus: 0.5, memory: '64', pids: 9 }, reservations: { memory: '32' } };
  const asked = { ...probe, deploy: { replicas: 1, resources } };
  const { services } = sideCompose({ services: { probe: asked } }, aPlan(), 'candidate', 1);
  t.match(services.probe, { mem_limit: '64', memswap_limit: '64', cpus: 0.5, pids_limit: 9 });
  t.strictSame(services.probe.deploy, { replicas: 1, resources: { reservations: { memory: '32' } } });
});

t.test('what a service asks for within its rights is kept', async (t) => {
  const asked = {
    ...probe,
    mem_limit: '64',
    cpus: 0.5,
    cap_add: ['NET_BIND_SERVICE'],
    environment: { A: 'b' },
    pids_limit: 9,
    stop_grace_period: '9s',
  };
  const { services } = sideCompose({ services: { probe: asked } }, aPlan(), 'candidate', 1);
  t.match(services.probe, {
    mem_limit: '64',
    memswap_limit: '64',
    cpus: 0.5,
    cap_add: ['NET_BIND_SERVICE'],
    environment: { A: 'b' },
    pids_limit: 9,
    stop_grace_period: '9s',
  });
  t.equal(
    sideCompose({ services: { probe: { ...probe, cpus: 64 } } }, aPlan(), 'candidate', 1).services.probe.cpus,
    2,
    'no more CPUs than there are',
  );
});

t.test('what would open a way out is taken away whatever the file says', async (t) => {
  const hostile = {
    ...probe,
    privileged: true,
    network_mode: 'host',
    pid: 'host',
    ipc: 'host',
    ports: ['80:80'],
    container_name: 'x',
    devices: ['/dev/sda'],
    extra_hosts: ['a:1.1.1.1'],
    security_opt: ['seccomp:unconfined'],
    dns: ['1.1.1.1'],
    restart: 'always',
    runtime: 'other',
  };
  const { services } = sideCompose({ services: { probe: hostile } }, aPlan(), 'candidate', 1);
  for (const key of [
    'privileged',
    'network_mode',
    'pid',
    'ipc',
    'ports',
    'container_name',
    'devices',
    'extra_hosts',
    'runtime',
  ])
    t.notOk(key in services.probe, key);
  t.match(services.probe, { security_opt: ['no-new-privileges:true'], dns: ['127.0.0.1'], restart: 'no' });
});

t.test('a limit is never none, and no label of an image decides what a container is', async (t) => {
  const plan = aPlan(['candidate'], { host: { ...aPlan().host, memory_bytes: 1000 } });
  const { probe: service } = sideCompose(
    { services: { probe: { ...probe, pids_limit: -1, mem_limit: '5000' } } },
    plan,
    'candidate',
    1,
  ).services;
  t.match(service, { pids_limit: 512, mem_limit: '1000', memswap_limit: '1000' });
  t.equal(service.labels['dev.mayfly.service'], '');
});

t.test('configs and secrets come along, without the name of another project', async (t) => {
  const document = sideCompose(
    { services: { probe }, configs: { a: { name: 'p_a', file: '/x' } }, secrets: { s: { name: 'p_s', file: '/y' } } },
    aPlan(),
    'candidate',
    1,
  );
  t.match(document, { configs: { a: { file: '/x' } }, secrets: { s: { file: '/y' } } });
  t.notOk('name' in document.configs.a);
});

t.test(
  'neither a log nor a core dump fills the disk, and Prometheus ends before the host is out of memory',
  async (t) => {
    const { services } = sideCompose(
      { services: { probe: { ...probe, ulimits: { nofile: 9, core: -1 }, logging: { driver: 'none' } } } },
      aPlan(),
      'candidate',
      1,
    );
    t.same(services.probe.ulimits, { nofile: 9, core: 1 });
    t.same(services.probe.logging, { driver: 'json-file', options: { 'max-size': '8m', 'max-file': '2' } });
    const run = runCompose({ services: { prometheus: {}, exporter: { mem_limit: '256m' } } }, aPlan()).services;
    t.match(run.prometheus, {
      mem_limit: String(4 * 2 ** 30),
      pids_limit: 512,
      logging: { options: { 'max-size': '32m', 'max-file': '2' } },
    });
    t.equal(run.exporter.mem_limit, '256m');
  },
);

t.test('CPU sets reach services and metrics where the host has the cores', async (t) => {
  const cpusets = { services: '2-3', loadgen: '1', metrics: '0' };
  const plan = aPlan(['candidate'], { cpusets });
  t.match(sideCompose({ services: { probe } }, plan, 'candidate', 1).services.probe, { cpuset: '2-3', cpus: 2 });
  t.match(runCompose({ services: { prometheus: {} } }, plan).services.prometheus, { cpuset: '0' });
});

t.test('volumes of a side carry the labels by which they are found and removed', async (t) => {
  const { volumes } = sideCompose({ services: { probe }, volumes: { db: { name: 'p_db' } } }, aPlan(), 'candidate', 1);
  t.same(volumes, { db: { labels: aPlan().labels } });
});

t.test(
  'Prometheus is in the network of the load generator and in all of the sides; the exporter in none of them',
  async (t) => {
    const { services, networks } = runCompose(
      {
        services: {
          prometheus: { networks: { control: { aliases: ['x'] } } },
          exporter: { networks: { control: {} } },
        },
      },
      aPlan(['candidate', 'baseline']),
    );
    t.same(services.prometheus.networks, {
      control: { aliases: ['x'] },
      load: {},
      'candidate-0': {},
      'candidate-1': {},
      'baseline-0': {},
      'baseline-1': {},
    });
    t.same(Object.keys(services.exporter.networks), ['control']);
    t.same(
      networks,
      Object.fromEntries(
        ['control', 'load', 'candidate-0', 'candidate-1', 'baseline-0', 'baseline-1'].map((name) => [
          name,
          { external: true, name: `mayfly-01testrun-${name}` },
        ]),
      ),
    );
    t.same(
      services.prometheus.sysctls,
      { 'net.ipv4.conf.all.arp_ignore': '1' },
      'and answers in each for its address there only',
    );
  },
);

const PUBLISHED: Record<string, string[]> = { prometheus: ['127.0.0.1::9090'], zipkin: ['127.0.0.1::9411'] };
t.test('the run stack publishes on 127.0.0.1 only: Prometheus, and Zipkin where there is one', async (t) => {
  const { services } = parse(await readFile('compose/run.yaml', 'utf8'));
  for (const [name, service] of Object.entries<any>(services)) t.same(service.ports ?? [], PUBLISHED[name] ?? [], name);
  t.ok(
    services.prometheus.command.includes('--web.listen-address=prometheus.control:9090'),
    'the admin API is not reachable from the network of a side',
  );
});

t.test('variables are filled in everywhere, unknown ones stay', async (t) => {
  t.same(fill({ a: ['${A}/${B}', 1], b: { c: '${A}' } }, { A: 'x' }), { a: ['x/${B}', 1], b: { c: 'x' } });
});

t.test('the docker client gets no secret of the harness', async (t) => {
  t.same(dockerEnv({ PATH: '/bin', HOME: '/h', DOCKER_CONTEXT: 'c', GITHUB_TOKEN: 't', AWS_SECRET_ACCESS_KEY: 's' }), {
    PATH: '/bin',
    HOME: '/h',
    DOCKER_CONTEXT: 'c',
  });
});

t.test('each replica is a target of its own, with the labels of its side and round', async (t) => {
  const container = (replica: number, side: 'candidate' | 'baseline') =>
    ({ name: `p-${side}-probe-${replica}`, service: 'probe', replica, side }) as any;
  const targets = scrapeTargets(
    aPlan(['candidate', 'baseline']),
    [container(1, 'candidate'), container(2, 'candidate'), container(1, 'baseline')],
    7,
  );
  t.same(
    targets.map((target) => target.targets[0]),
    ['p-candidate-probe-1:8080', 'p-candidate-probe-2:8080', 'p-baseline-probe-1:8080'],
  );
  t.same(targets[1]!.labels, {
    __metrics_path__: '/metrics',
    side: 'candidate',
    round: '7',
    commit: 'a'.repeat(40),
    service: 'probe',
    instance: 'probe-2',
  });
});
