/**
 * The three ways an image comes: pulled from a real registry, built when the registry refuses or hangs, there already.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { Interrupted } from '../../scripts/core/errors.ts';
import { run, which } from '../../scripts/core/exec.ts';
import { connectEngine } from '../../scripts/engine/engine.ts';
import { engineSocket } from '../../scripts/engine/socket.ts';
import { aptInstall, thisSystem } from '../../scripts/images/debian.ts';
import {
  BUILT_LABEL,
  type DebianMake,
  IMAGE_NAMES,
  IMAGES,
  type ImageName,
  type ImageSpec,
  OPTIONAL_NAMES,
  RECIPE_LABEL,
  recipeOf,
} from '../../scripts/images/images.ts';
import { obtain } from '../../scripts/images/obtain.ts';
import { obtainOptional } from '../../scripts/images/optional.ts';
import { inspect, setUp } from '../../scripts/setup/machine.ts';
import { freePort, outcome, recorder } from '../setup/helpers.ts';

const api = connectEngine(engineSocket(process.env));
const folder = await mkdtemp(join(tmpdir(), 'mayfly-test-'));
const { architecture } = await api.facts();
t.teardown(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const docker = (...args: string[]): Promise<string> =>
  run('docker', args, { what: `docker ${args[0]}`, env: { ...process.env, DOCKER_BUILDKIT: '0' } });
const tempFolders = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('mayfly-build-')).sort();

/** An image of one small file, which takes no packages to build. */
async function tinyImage(name: string, dockerfile = 'FROM scratch\nCOPY content /\n'): Promise<ImageSpec> {
  const context = join(folder, name);
  await mkdir(context);
  await writeFile(join(context, 'content'), name);
  await writeFile(join(context, 'Dockerfile'), dockerfile);
  const ref = `mayfly-test/${name}:${process.pid}`;
  t.teardown(() => docker('image', 'rm', '--force', ref));
  return { ref, pull: true, folder: context, make: { kind: 'folder' }, needs: [] };
}

function options(registry: string, more: { stallMs?: number; signal?: AbortSignal } = {}) {
  const { progress, lines } = recorder();
  return {
    lines,
    options: { api, architecture, progress, env: { ...process.env, MAYFLY_REGISTRY: registry }, ...more },
  };
}

/** Debian's registry on a free port of the loopback, with a folder of its own. */
async function startRegistry(): Promise<{ host: string; stop(): Promise<void> }> {
  if (!which('docker-registry', process.env)) {
    const { root, debian } = thisSystem();
    if (!root || !debian) throw new Error('this test needs docker-registry: sudo apt-get install docker-registry');
    await aptInstall(['docker-registry'], { env: process.env, step: recorder().progress.step('docker-registry') });
  }
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(folder, 'registry.yml');
  await writeFile(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(folder, 'registry')}}}\nhttp: {addr: "${host}"}\n`,
  );
  const child = spawn(which('docker-registry', process.env)!, ['serve', config], { stdio: 'ignore' });
  const deadline = Date.now() + 20_000;
  while (
    !(await fetch(`http://${host}/v2/`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`the registry at ${host} did not start (exit code ${child.exitCode})`);
    await sleep(50);
  }
  return {
    host,
    async stop() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

t.test('pulled, from a registry', async (t) => {
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const spec = await tinyImage('pulled');
  await docker('build', '--tag', `${registry.host}/${spec.ref}`, spec.folder);
  await docker('push', '--quiet', `${registry.host}/${spec.ref}`);
  const { id } = (await api.images()).get(`${registry.host}/${spec.ref}`)!;
  await docker('image', 'rm', `${registry.host}/${spec.ref}`);
  t.notOk((await api.images()).has(spec.ref), 'gone before');

  const { options: how, lines } = options(registry.host);
  t.equal(await obtain(spec, how), 'pulled');
  const images = await api.images();
  t.equal(images.get(spec.ref)?.id, id, 'the same image, under its own name');
  t.notOk(images.has(`${registry.host}/${spec.ref}`), 'the name with the registry is not kept');
  t.equal(lines.at(-1), `done image ${spec.ref}: pulled`);

  const unknown = await tinyImage('unknown');
  t.equal(await obtain(unknown, options(registry.host).options), 'built', 'what the registry does not have is built');
});

t.test('built, when the registry refuses', async (t) => {
  const host = `127.0.0.1:${await freePort()}`;
  const spec = await tinyImage('refused');
  const { options: how, lines } = options(host);
  t.equal(await obtain(spec, how), 'built');
  t.match(lines.at(-1), /could not be pulled: .*connection refused/);
  t.equal((await api.images()).get(spec.ref)?.labels[BUILT_LABEL], 'packages');
});

t.test('built, when the registry hangs', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  const spec = await tinyImage('hung');
  const { options: how, lines } = options(host, { stallMs: 1500 });
  const begun = Date.now();
  let givenUp = Infinity;
  const watch = setInterval(
    () => lines.some((line) => line.startsWith('not pulled')) && (givenUp = Math.min(givenUp, Date.now() - begun)),
    50,
  );
  t.teardown(() => clearInterval(watch));
  t.equal(await obtain(spec, how), 'built');
  t.ok(givenUp < 8000, `given up soon after the limit: ${givenUp} ms`);
  t.match(lines.at(-1), /could not be pulled: nothing came for 1\.5 s$/);

  const interrupted = new AbortController();
  const waiting = obtain(await tinyImage('interrupted'), options(host, { signal: interrupted.signal }).options);
  setTimeout(() => interrupted.abort(new Interrupted()), 300);
  await t.rejects(waiting, { name: 'Interrupted', exitCode: 130 }, 'an interrupt ends the wait and builds nothing');
});

t.test('built from a Go module', async (t) => {
  const ref = `mayfly-test/vegeta:${process.pid}`;
  t.teardown(() => docker('image', 'rm', '--force', ref));
  const before = await tempFolders();
  t.equal(await obtain({ ...IMAGES.vegeta, ref }, options('unused').options), 'built');
  t.match(await docker('run', '--rm', '--network=none', ref, '-version'), 'Version: 12.12.0');
  t.same(await tempFolders(), before, 'no temporary folder stays');
});

/** Makes an image one of Mayfly's own, until the end of the test. */
function known(t: Test, spec: ImageSpec): ImageName {
  const images = IMAGES as Record<string, ImageSpec>;
  images.tiny = spec;
  t.teardown(() => delete images.tiny);
  return 'tiny' as ImageName;
}

t.test('built here: built again when its recipe has changed; from elsewhere: taken as it is', async (t) => {
  const spec: ImageSpec = { ...(await tinyImage('recipe')), pull: false };
  const name = known(t, spec);
  const labels = async () => (await api.images()).get(spec.ref)!.labels;
  const { progress, lines } = recorder();
  const replaced: string[] = []; // without a name, but there
  t.teardown(() => outcome('docker', ['image', 'rm', '--force', ...replaced]));
  const first = await setUp({ images: [name], progress });
  replaced.push(first.images.tiny!.id);
  t.match(first.images, { tiny: { ref: spec.ref, source: 'built' } });
  t.equal((await labels())[RECIPE_LABEL], recipeOf(spec));

  lines.length = 0;
  t.same((await setUp({ images: [name], progress })).images, first.images);
  t.same(lines, [], 'nothing to do');

  await writeFile(join(spec.folder, 'content'), 'another');
  const outdated = await inspect([name], process.env);
  t.match({ images: outdated.images, outdated: outdated.outdated }, { images: { tiny: undefined }, outdated: [name] });
  const second = await setUp({ images: [name], progress });
  replaced.push(second.images.tiny!.id);
  t.not(second.images.tiny!.id, first.images.tiny!.id);
  t.equal((await labels())[RECIPE_LABEL], recipeOf(spec));

  await docker('build', '--tag', spec.ref, spec.folder);
  await writeFile(join(spec.folder, 'content'), 'a third');
  lines.length = 0;
  t.match(
    (await setUp({ images: [name], progress })).images,
    { tiny: { source: 'present' } },
    "one without our label is somebody else's",
  );
  t.same(lines, []);
});

t.test('an optional image is pulled, or absent with the reason; a refusal is remembered for an hour', async (t) => {
  const registry = await startRegistry();
  t.teardown(() => registry.stop());
  const spec: ImageSpec = { ...(await tinyImage('optional')), make: { kind: 'none' } };
  const name = known(t, spec);
  const { progress, lines } = recorder();
  const env = {
    ...process.env,
    XDG_CACHE_HOME: join(folder, 'cache'),
    MAYFLY_REGISTRY: `127.0.0.1:${await freePort()}`,
  };

  const without = await setUp({ images: [], optional: [name], progress, env });
  t.same(without.images, {});
  t.match(without.absent, {
    tiny: new RegExp(`^${env.MAYFLY_REGISTRY}/${spec.ref} could not be pulled: .*connection refused`),
  });
  t.equal(lines.length, 3, 'begin, pulling, end');
  t.match(
    lines.at(-1),
    /^done image .*: not here; this goes on without it\. It could not be pulled \(.*connection refused.*\), and is not tried again for an hour$/,
  );

  lines.length = 0;
  t.same((await setUp({ images: [], optional: [name], progress, env })).absent, without.absent);
  t.same(lines, [], 'the second time nothing is tried and nothing said');
  const later = (minutes: number) =>
    obtainOptional(spec.ref, { api, env, progress, now: () => Date.now() + minutes * 60_000 });
  await later(59);
  t.same(lines, []);
  await later(61);
  t.equal(lines.length, 3, 'an hour later it is tried again');

  await docker('build', '--tag', `${registry.host}/${spec.ref}`, spec.folder);
  await docker('push', '--quiet', `${registry.host}/${spec.ref}`);
  await docker('image', 'rm', `${registry.host}/${spec.ref}`);
  const pulled = await setUp({
    images: [],
    optional: [name],
    progress,
    env: { ...env, MAYFLY_REGISTRY: registry.host },
  });
  t.match(
    pulled,
    { images: { tiny: { ref: spec.ref, source: 'pulled' } }, absent: {} },
    'another registry is asked at once',
  );
  t.match(
    await setUp({ images: [], optional: [name], progress, env }),
    { images: { tiny: { source: 'present' } }, absent: {} },
    'there: nobody is asked',
  );
  await t.rejects(
    obtain({ ...spec, ref: `mayfly-test/none:${process.pid}` }, options('unused').options),
    { message: /^image mayfly-test\/none:\d+: it cannot be built from packages$/, hint: /MAYFLY_REGISTRY/ },
    'where it is needed, its absence is an error',
  );
});

t.test('an image of Debian packages', async (t) => {
  await setUp({ images: ['memcached'], progress: recorder().progress });
  const { ref } = IMAGES.memcached;
  t.match(
    await docker('run', '--rm', '--network=none', ref, 'memcached', '--version'),
    `memcached ${ref.split(':')[1]}`,
    'the version that the tag says',
  );
  t.match(await docker('run', '--rm', '--network=none', ref, 'id', '--user', '--name'), 'memcache');
});

t.test('brokers: the versions that their tags say, and RabbitMQ is not root', async (t) => {
  await setUp({ images: ['nats', 'rabbitmq'], progress: recorder().progress });
  const { nats, rabbitmq } = IMAGES;
  t.match(await docker('run', '--rm', '--network=none', nats.ref, '--version'), `v${nats.ref.split(':')[1]}`);
  t.match(
    await docker('run', '--rm', '--network=none', rabbitmq.ref, 'dpkg-query', '--show', 'rabbitmq-server'),
    `\t${rabbitmq.ref.split(':')[1]}-`,
  );
  t.match(await docker('run', '--rm', '--network=none', rabbitmq.ref, 'id', '--user', '--name'), 'rabbitmq');
});

t.test('HAProxy: the version that its tag says, with metrics for Prometheus, and it is not root', async (t) => {
  await setUp({ images: ['haproxy'], progress: recorder().progress });
  const { ref } = IMAGES.haproxy;
  const said = await docker('run', '--rm', '--network=none', ref, 'haproxy', '-vv');
  t.match(said, `HAProxy version ${ref.split(':')[1]}.`);
  t.match(said, /^Built with the Prometheus exporter as a service$/m);
  t.match(await docker('run', '--rm', '--network=none', ref, 'id', '--user', '--name'), 'haproxy');
  t.match(
    await docker('run', '--rm', '--network=none', ref, 'perl', '-MIO::Socket::UNIX', '-e', 'print "there"'),
    'there',
  );
});

t.test('Zipkin: as the run stack has it, it takes spans and shows them, with its pages', async (t) => {
  await setUp({ images: ['zipkin'], progress: recorder().progress });
  const { environment, mem_limit } = parse(await readFile('compose/run.yaml', 'utf8')).services.zipkin;
  const id = (
    await docker(
      'run',
      '--detach',
      '--init',
      '--publish=127.0.0.1::9411',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges:true',
      '--pids-limit=512',
      `--memory=${mem_limit}`,
      ...Object.entries(environment).map(([name, value]) => `--env=${name}=${value}`),
      IMAGES.zipkin.ref,
    )
  ).trim();
  t.teardown(() => docker('rm', '--force', id));
  const base = `http://${(await docker('port', id, '9411/tcp')).trim()}`;
  const begun = performance.now();
  const isUp = () =>
    fetch(`${base}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isUp()) && performance.now() - begun < 120_000) await sleep(200);
  t.comment(`ready after ${((performance.now() - begun) / 1000).toFixed(1)} s`);

  const span = {
    traceId: '463ac35c9f6413ad463ac35c9f6413ad',
    id: '463ac35c9f6413ad',
    name: 'place an order',
    timestamp: Date.now() * 1000,
    duration: 4100,
    localEndpoint: { serviceName: 'consumer' },
    tags: { 'mayfly.side': 'candidate' },
  };
  const taken = await fetch(`${base}/api/v2/spans`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([span]),
  });
  t.equal(taken.status, 202);
  const traces = async (side: string) =>
    (await fetch(`${base}/api/v2/traces?annotationQuery=mayfly.side%3D${side}`)).json() as Promise<unknown[]>;
  while ((await traces('candidate')).length === 0 && performance.now() - begun < 120_000) await sleep(200);
  t.match(await traces('candidate'), [[{ ...span, localEndpoint: { serviceName: 'consumer' } }]]);
  t.same(await traces('baseline'), []);
  t.match(await (await fetch(`${base}/zipkin/`)).text(), /<div id="root">/);
});

t.test('what Maven fetches is held against its checksum', async (t) => {
  const { zipkin } = IMAGES;
  const make = { ...(zipkin.make as DebianMake), maven: { sha256: '0'.repeat(64) } };
  const before = await tempFolders();
  await t.rejects(
    obtain({ ...zipkin, ref: `mayfly-test/zipkin:${process.pid}`, pull: false, make }, options('').options),
    {
      message:
        /^image mayfly-test\/zipkin:\d+: what Maven has fetched for .*\/compose\/images\/zipkin\/pom\.xml has the SHA-256 [0-9a-f]{64}, but must have 0{64}$/,
      hint: /remove it from ~\/\.m2\/repository and run the command again/,
      exitCode: 4,
    },
  );
  t.same(await tempFolders(), before, 'no temporary folder stays');
});

t.test('built with the npm packages that its lock file pins', async (t) => {
  const spec: ImageSpec = {
    ...(await tinyImage('npm', `FROM ${IMAGES.node.ref}\nWORKDIR /app\nCOPY . ./\nCMD ["node", "main.mjs"]\n`)),
    pull: false,
    make: { kind: 'npm' },
  };
  const greeting = { name: 'greeting', version: '1.0.0', type: 'module', exports: './index.js' };
  const root = { name: 'npm', version: '1.0.0', dependencies: { greeting: 'file:vendor/greeting' } };
  const files = {
    'package.json': JSON.stringify(root),
    'package-lock.json': JSON.stringify({
      name: 'npm',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: {
        '': root,
        'node_modules/greeting': { resolved: 'vendor/greeting', link: true },
        'vendor/greeting': { version: '1.0.0' },
      },
    }),
    'main.mjs': "import { hello } from 'greeting';\nconsole.log(hello);\n",
    'vendor/greeting/package.json': JSON.stringify(greeting),
    'vendor/greeting/index.js': "export const hello = 'from a package';\n",
  };
  await mkdir(join(spec.folder, 'vendor', 'greeting'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(spec.folder, name), text);
  const recipe = recipeOf(spec);
  await mkdir(join(spec.folder, 'node_modules', 'other'), { recursive: true });
  await writeFile(join(spec.folder, 'node_modules', 'other', 'index.js'), '');
  t.equal(recipeOf(spec), recipe, 'what somebody has installed in the folder is no part of the image');

  t.equal(await obtain(spec, options('unused').options), 'built');
  t.equal((await docker('run', '--rm', '--network=none', spec.ref)).trim(), 'from a package');
  t.notMatch(await docker('run', '--rm', '--network=none', spec.ref, 'ls', 'node_modules'), 'other');
});

t.test('health checks have their wget', async (t) => {
  for (const name of ['thanos', 'versitygw'] as const) {
    await setUp({ images: [name], progress: recorder().progress });
    const wget = (url: string) =>
      outcome('docker', [
        'run',
        '--rm',
        '--network=none',
        '--entrypoint=wget',
        IMAGES[name].ref,
        '-O',
        '/dev/null',
        url,
      ]);
    t.equal((await wget('http://127.0.0.1:9/')).code, 1, `${name}: refused`);
  }
  const id = (
    await docker(
      'run',
      '--detach',
      '--network=none',
      IMAGES.thanos.ref,
      'query',
      '--http-address=127.0.0.1:9090',
      '--grpc-address=127.0.0.1:9091',
    )
  ).trim();
  t.teardown(() => docker('rm', '--force', id));
  const ask = async (path: string) =>
    (await outcome('docker', ['exec', id, 'wget', '-O', '/dev/null', `http://127.0.0.1:9090${path}`])).code;
  const deadline = Date.now() + 20_000;
  while ((await ask('/-/ready')) !== 0 && Date.now() < deadline) await sleep(200);
  t.equal(await ask('/-/ready'), 0, 'ready');
  t.equal(await ask('/no-such-page'), 1, '404');
});

t.test('a build that fails says which, with its last lines', async (t) => {
  const spec = { ...(await tinyImage('broken', 'FROM scratch\nCOPY nothing-of-this-name /\n')), pull: false };
  const { options: how, lines } = options('unused');
  await t.rejects(obtain(spec, how), {
    name: 'InfrastructureError',
    exitCode: 4,
    message:
      /^image mayfly-test\/broken:\d+: docker build of .* failed: docker ended with code 1\n(.*\n)*.*nothing-of-this-name/,
    hint: /Run the command again/,
  });
  t.equal(lines.at(-1), `failed image ${spec.ref}`);
});

t.test('without Go the message says what to install', async (t) => {
  const spec = { ...IMAGES.vegeta, ref: `mayfly-test/no-go:${process.pid}` };
  const { options: how } = options('unused');
  await t.rejects(obtain(spec, { ...how, env: { ...how.env, PATH: '/nowhere' } }), {
    message: /needs Go, which is not installed/,
    hint: /Install Go 1\.26 or newer/,
  });
});

t.test('nothing to do: the images are looked at and nothing else happens', async (t) => {
  const { progress, lines } = recorder();
  const first = await setUp({ images: IMAGE_NAMES, progress });
  lines.length = 0;
  const second = await setUp({ images: IMAGE_NAMES, progress });
  t.same(lines, []);
  t.same(
    second.images,
    Object.fromEntries(
      Object.entries(first.images).map(([name, image]) => [name, { ...image, source: second.images[name]!.source }]),
    ),
  );
  t.match(second.engine, { cores: Number, memoryBytes: Number, version: String, apiVersion: /^1\.\d+$/ });
});

t.test('the doctor finds all of it', async (t) => {
  const { code, stdout } = await outcome(process.execPath, [
    join(import.meta.dirname, '../../scripts/commands/doctor.ts'),
    '--json',
  ]);
  const answer = JSON.parse(stdout);
  t.match(answer, { schema: 'mayfly.doctor/v1', complete: true });
  t.ok(
    OPTIONAL_NAMES.every((name) =>
      answer.findings.some((finding: { part: string }) => finding.part.startsWith(`image ${name}`)),
    ),
  );
  t.ok(
    IMAGE_NAMES.every((name) =>
      answer.findings.some(
        (finding: { part: string; state: string }) => finding.part === `image ${name}` && finding.state === 'ok',
      ),
    ),
  );
  t.equal(code, 0);

  const without = await outcome(process.execPath, [join(import.meta.dirname, '../../scripts/commands/doctor.ts')], {
    env: { ...process.env, DOCKER_HOST: 'unix:///nowhere.sock' },
  });
  t.match(without.stdout, /^MISSING +Docker engine +\/nowhere\.sock .*\n +Start that engine, or unset DOCKER_HOST\.$/m);
  t.equal(without.code, 4);
});
