import t from 'tap';
import { uploadArgs } from '../../scripts/archive/upload.ts';
import type { ImageLoad, Load } from '../../scripts/config/types.ts';
import { benchmarkSubnet, createBody, networkBody, readFrames } from '../../scripts/engine/engine.ts';
import { generatorContainer } from '../../scripts/measure/load/image-generator.ts';
import { loadPlan, ownContainer, seedOf } from '../../scripts/measure/load/own-generator.ts';
import type { Plan } from '../../scripts/plan/plan.ts';
import { dockerBuildArgs, lastStep, withoutSecrets } from '../../scripts/stack/build.ts';
import { aConfig, aPlan } from '../fixtures/plan.ts';

const GiB = 1024 ** 3;

t.test('docker build: a hostile value stays one argument', async (t) => {
  const plan = aPlan();
  const bases = [{ ref: 'node:24', id: 'sha256:1' }];
  const wanted = { ...plan.sides[0]!.builds[0]!, args: { MODE: 'a b; $(touch x)' } };
  t.same(dockerBuildArgs(wanted, plan, bases, '/tmp/files'), [
    'docker',
    'build',
    '--force-rm',
    '--memory',
    '4g',
    '--memory-swap',
    '4g',
    '--file',
    '/tmp/files/Dockerfile',
    '--tag',
    'mayfly/probe-probe:aaaa',
    '--network',
    'none',
    '--label',
    'dev.mayfly.benchmark=probe',
    '--label',
    'dev.mayfly.bases=[{"ref":"node:24","id":"sha256:1"}]',
    '--build-arg',
    'MODE=a b; $(touch x)',
    '/tmp/files',
  ]);
});

t.test('a failed build begins with the step that failed', async (t) => {
  const said = [
    'DEPRECATED: The legacy builder is deprecated and will be removed in a future release.',
    '            Install the buildx component to build images with BuildKit:',
    '            https://docs.docker.com/go/buildx/',
    '',
    'Step 1/2 : FROM node:24',
    ' ---> 1234',
    'Step 2/2 : RUN npm ci',
    ' ---> Running in abcd',
    'npm error code ENOENT',
  ];
  t.equal(
    lastStep(said.map((line) => `    ${line}`).join('\n')),
    ['Step 2/2 : RUN npm ci', ' ---> Running in abcd', 'npm error code ENOENT'].map((line) => `    ${line}`).join('\n'),
  );
  t.equal(lastStep('    COPY failed: no such file'), '    COPY failed: no such file', 'before the first step');
});

const BOTH = aPlan(['candidate', 'baseline']);
const ours = (plan = BOTH, round = 3) => ownContainer(plan, round, 'node:24', { root: '/src' });

t.test(
  'our load generator: one container for both sides, in their networks and in that with Prometheus, under its name',
  async (t) => {
    t.same(ours(), {
      name: 'mayfly-01testrun-load-3',
      image: 'node:24',
      entrypoint: ['node'],
      cmd: ours().cmd,
      user: `${process.getuid!()}:${process.getgid!()}`,
      env: { MAYFLY_LOAD: JSON.stringify(loadPlan(BOTH, 3)) },
      labels: {
        'dev.mayfly.run': '01TESTRUN',
        'dev.mayfly.pid': '1',
        'dev.mayfly.service': 'loadgen',
        'dev.mayfly.round': '3',
      },
      networks: [
        { name: 'mayfly-01testrun-load', aliases: ['load-3.metrics'] },
        'mayfly-01testrun-candidate-1',
        'mayfly-01testrun-baseline-1',
      ],
      dns: ['127.0.0.1'],
      sysctls: { 'net.ipv4.conf.all.arp_ignore': '1' },
      binds: [
        '/src/loadgen:/mayfly/loadgen:ro',
        '/src/node_modules:/mayfly/node_modules:ro',
        '/src/package.json:/mayfly/package.json:ro',
        '/src/benchmarks/probe:/benchmark:ro',
      ],
      cpuset: null,
      cpus: 2,
      pidsLimit: 96,
      memoryBytes: 2 * GiB,
    });
    t.same(ours().cmd.slice(-2), ['/mayfly/loadgen/main.ts', 'run']);
    t.equal(ours(BOTH, 4).networks[1], 'mayfly-01testrun-candidate-0', 'the next round is in other networks');
    t.same(
      ours(aPlan(['baseline'])).networks.slice(1),
      ['mayfly-01testrun-baseline-1'],
      'a round of one side is in the network of that one',
    );
    t.equal(ours(aPlan(['candidate'], { cpusets: { services: '2-3', loadgen: '1', metrics: '0' } })).cpuset, '1');
  },
);

t.test(
  "our load generator: nothing of the harness' environment and nothing to write, limits that grow with its threads and never beyond the host",
  async (t) => {
    const with8 = aPlan(['candidate'], {
      config: aConfig({ load: { ...aConfig().load, workers: 8 } }),
      host: { ...BOTH.host, cores: 4, memory_bytes: 6 * GiB },
    });
    t.match(ours(with8), { cpus: 4, pidsLimit: 320, memoryBytes: 3 * GiB });
    t.match(ours(aPlan(['candidate'], { host: { ...BOTH.host, cores: 1 } })), { cpus: 1 });
    for (const plan of [BOTH, with8]) {
      t.same(Object.keys(ours(plan).env!), ['MAYFLY_LOAD']);
      t.ok(ours(plan).binds!.every((bind) => bind.endsWith(':ro')));
      t.notOk(JSON.stringify(ours(plan).networks).includes('control'), 'not where Prometheus listens');
    }
  },
);

t.test('our load generator: what it is told', async (t) => {
  t.same(loadPlan(BOTH, 3), {
    schema: 'mayfly.load-plan/v1',
    script: 'load.ts',
    target: 'http://probe:8080',
    sides: [
      { name: 'candidate', url: 'http://probe.candidate:8080', commit: 'a'.repeat(40) },
      { name: 'baseline', url: 'http://probe.baseline:8080', commit: 'a'.repeat(40) },
    ],
    model: { kind: 'open', arrivals: 'constant', rate: 100, durationS: 10 },
    warmupS: 2,
    gapS: 0.5,
    maxInFlight: 25,
    timeoutS: 30,
    workers: 1,
    seed: seedOf('01TESTRUN', 3),
    round: 3,
    keepRows: 2_000_000,
    metrics: 'load-3.metrics:9464',
    waitForGo: true,
    labels: { run_id: '01TESTRUN', benchmark: 'probe' },
    warmS: loadPlan(BOTH, 3).warmS,
  });
  t.not(loadPlan(BOTH, 4).seed, loadPlan(BOTH, 3).seed, 'another order in every round');
  const told = (load: Partial<Load>) =>
    loadPlan(aPlan(['candidate'], { config: aConfig({ load: { ...aConfig().load, ...load } }) }), 1);
  t.match(
    told({
      model: { kind: 'open', arrivals: 'file', file: '/src/benchmarks/probe/data/log.csv', rate: 7, durationS: 3 },
      generator: { kind: 'mayfly', script: null },
    }),
    { script: null, model: { file: 'data/log.csv', rate: 7, durationS: 3 } },
    'paths are those of its container',
  );
  t.match(told({ model: { kind: 'closed', users: 5, iterations: 4, thinkS: 1, limitS: 60 } }).model, {
    kind: 'closed',
    users: 5,
    iterations: 4,
    thinkS: 1,
    limitS: 60,
  });
});

const image = (laid: Partial<ImageLoad> = {}): Plan =>
  aPlan(['candidate', 'baseline'], {
    config: aConfig({
      load: {
        ...aConfig().load,
        generator: {
          kind: 'image',
          image: 'gen',
          command: [
            'attack',
            '-rate=${RATE}',
            '-duration=${DURATION}',
            '-most=${MAX_IN_FLIGHT}',
            '${TARGET}',
            '${HOME}',
          ],
          requests: 'x',
          ...laid,
        },
      },
    }),
  });

t.test(
  'another generator: one container a side and phase, its variables in the environment and in the command',
  async (t) => {
    const spec = generatorContainer(image(), 'baseline', 2, 'measure');
    t.match(spec, {
      name: 'mayfly-01testrun-load-baseline-2-measure',
      image: 'gen',
      labels: { 'dev.mayfly.run': '01TESTRUN', 'dev.mayfly.service': 'loadgen', 'dev.mayfly.round': '2' },
      networks: ['mayfly-01testrun-control', 'mayfly-01testrun-baseline-0'],
      binds: ['/src/benchmarks/probe:/benchmark:ro'],
      memoryBytes: 12 * GiB,
    });
    t.same(spec.cmd, ['attack', '-rate=100', '-duration=10s', '-most=25', 'http://probe:8080', '${HOME}']);
    t.same(spec.env, {
      RATE: '100',
      DURATION: '10s',
      TARGET: 'http://probe:8080',
      MAX_IN_FLIGHT: '25',
      VUS: '25',
      SIDE: 'baseline',
      ROUND: '2',
      PHASE: 'measure',
      REMOTE_WRITE_URL: 'http://prometheus.control:9090/api/v1/write',
    });
    t.match(generatorContainer(image(), 'candidate', 3, 'warmup'), {
      name: 'mayfly-01testrun-load-candidate-3-warmup',
      env: { DURATION: '2s', PHASE: 'warmup' },
      networks: ['mayfly-01testrun-control', 'mayfly-01testrun-candidate-1'],
    });
  },
);

t.test('thanos: the labels are quoted as it wants them', async (t) => {
  t.same(uploadArgs({ run_id: '01A', benchmark: 'shop', host: 'h"x' }), [
    'tools',
    'bucket',
    'upload-blocks',
    '--objstore.config-file=/etc/thanos/bucket.yaml',
    '--path=/snapshot',
    '--shipper.upload-compacted',
    '--log.level=info',
    '--log.format=json',
    '--label=run_id="01A"',
    '--label=benchmark="shop"',
    '--label=host="h\\"x"',
  ]);
});

t.test("the engine's containers and networks as values", async (t) => {
  const least = {
    name: 'n',
    image: 'i',
    cmd: ['c'],
    labels: { l: '1' },
    networks: ['net'],
    env: { A: 'b' },
    cpuset: '1',
  };
  t.match(createBody(least), {
    Image: 'i',
    Env: ['A=b'],
    HostConfig: {
      LogConfig: { Type: 'json-file', Config: { 'max-size': '32m', 'max-file': '2' } },
      NetworkMode: 'net',
      Init: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      CpusetCpus: '1',
      PidsLimit: 1024,
      Ulimits: [{ Name: 'core', Soft: 1, Hard: 1 }],
    },
  });
  for (const field of ['NetworkingConfig', 'Entrypoint', 'ExposedPorts']) t.notOk(field in createBody(least), field);
  for (const field of ['NanoCpus', 'Memory', 'ReadonlyRootfs', 'Tmpfs', 'Dns', 'Sysctls'])
    t.notOk(field in (createBody(least).HostConfig as object), field);
  t.same(createBody({ ...least, networks: [] }).HostConfig, {
    ...(createBody(least).HostConfig as object),
    NetworkMode: 'none',
  });

  const most = createBody({
    ...least,
    entrypoint: ['node'],
    networks: [{ name: 'load', aliases: ['load-1.metrics'] }, 'side'],
    cpus: 1.5,
    memoryBytes: GiB,
    pidsLimit: 9,
    dns: ['127.0.0.1'],
    sysctls: { 'net.x': '1' },
    scratchBytes: 1000,
  });
  t.match(most, {
    Entrypoint: ['node'],
    NetworkingConfig: { EndpointsConfig: { load: { Aliases: ['load-1.metrics'] } } },
  });
  t.same(
    Object.keys((most.NetworkingConfig as { EndpointsConfig: object }).EndpointsConfig),
    ['load'],
    'API 1.41 takes one; the others are joined before the start',
  );
  t.match(most.HostConfig, {
    NetworkMode: 'load',
    NanoCpus: 1.5e9,
    Memory: GiB,
    MemorySwap: GiB,
    PidsLimit: 9,
    Dns: ['127.0.0.1'],
    Sysctls: { 'net.x': '1' },
    ReadonlyRootfs: true,
    Tmpfs: { '/tmp': 'size=1000' },
  });

  t.match(networkBody('n', {}, { isolated: true }), {
    Internal: true,
    Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
  });
  t.match(networkBody('n', {}, { isolated: false }), { Internal: false, Options: {} });
});

t.test('subnets for more runs than the engine has networks for', async (t) => {
  t.equal(benchmarkSubnet(0), '198.18.0.0/26');
  t.equal(benchmarkSubnet(0.49999), '198.18.255.192/26');
  t.equal(benchmarkSubnet(0.5), '198.19.0.0/26');
  t.equal(benchmarkSubnet(0.99999), '198.19.255.192/26');
  t.equal(new Set(Array.from({ length: 2048 }, (_, i) => benchmarkSubnet(i / 2048))).size, 2048);
});

t.test('the log stream is split into frames, and a torn frame waits for its rest', async (t) => {
  const frame = (stream: number, text: string) =>
    Buffer.concat([Buffer.from([stream, 0, 0, 0, 0, 0, 0, text.length]), Buffer.from(text)]);
  const bytes = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, 'torn').subarray(0, 10)]);
  const { frames, tail } = readFrames(bytes);
  t.same(
    frames.map((f) => [f.stream, f.data.toString()]),
    [
      [1, 'out'],
      [2, 'err'],
    ],
  );
  t.equal(tail.length, 10);
});

t.test('a build command gets no secret', async (t) => {
  const env = withoutSecrets({
    PATH: '/bin',
    GITHUB_TOKEN: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    MAYFLY_WEBHOOK_SECRET: 'x',
    DB_PASSWORD: 'x',
    SOME_API_KEY: 'x',
    GOCACHE: '/c',
  });
  t.same(env, { PATH: '/bin', GOCACHE: '/c' });
});
