/** Builds two versions of Caddy from their Go module and asks each for what the load script asks. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';

const FOLDER = resolve(import.meta.dirname, '../../benchmarks/caddy');

function run(command: string, args: string[], env: Record<string, string> = {}) {
  return spawnSync(command, args, { cwd: FOLDER, encoding: 'utf8', env: { ...process.env, ...env } });
}

const build = (env: Record<string, string>) => run(process.execPath, ['build.ts'], env);

function docker(...args: string[]): string {
  const { status, stdout, stderr, error } = run('docker', args);
  if (status !== 0) throw error ?? new Error(`docker ${args[0]} failed: ${stderr}`);
  return stdout.trim();
}

t.test('what is not a version is refused with one sentence', async (t) => {
  for (const commit of ['HEAD', '2.10.0', 'v1.0.0', 'v2.10.0;ls', '']) {
    const { status, stdout, stderr } = build({ MAYFLY_COMMIT: commit, MAYFLY_IMAGE: 'mayfly-test/caddy' });
    t.equal(status, 2);
    t.equal(stdout, '');
    t.equal(stderr, `'${commit}' is not a version of Caddy 2: give one such as --commit=v2.10.0\n`);
  }
});

t.test('without an image to produce it says who names one', async (t) => {
  const { status, stderr } = build({ MAYFLY_COMMIT: 'v2.10.0', MAYFLY_IMAGE: '' });
  t.equal(status, 2);
  t.equal(stderr, 'MAYFLY_IMAGE is not set: it must name the image to build; npm run bench sets it\n');
});

t.test('a missing program is named', async (t) => {
  const { status, stderr } = build({ MAYFLY_COMMIT: 'v2.10.0', MAYFLY_IMAGE: 'mayfly-test/caddy', PATH: t.testdir() });
  t.equal(status, 4);
  t.match(stderr, 'go is not on the path; install it');
});

for (const version of ['v2.8.4', 'v2.10.0']) {
  t.test(`${version} builds, becomes healthy without any privilege, and serves`, async (t) => {
    const image = `mayfly-test/caddy-${process.pid}:${version}`;
    const limits = { init: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], pids_limit: 256 };
    const folder = t.testdir({
      tmp: {},
      'limits.json': JSON.stringify({ services: { caddy: limits, upstream: limits } }),
    });
    const temporary = `${folder}/tmp`;
    const { status, stdout, stderr } = build({ MAYFLY_COMMIT: version, MAYFLY_IMAGE: image, TMPDIR: temporary });
    t.equal(status, 0, stderr);
    t.equal(stdout, '', 'progress goes to stderr');
    t.same(readdirSync(temporary), [], 'no folder is left');

    const project = `mayfly-test-caddy-${process.pid}-${version.replaceAll('.', '-')}`;
    t.teardown(() => {
      compose(project, image, 'down', '-v', '-t', '1');
      docker('rmi', image);
    });
    // With what the harness lays over the services.
    compose(project, image, '-f', `${folder}/limits.json`, 'up', '-d', '--wait', '--wait-timeout', '60');
    const caddy = docker(
      'ps',
      '-q',
      '--filter',
      `label=com.docker.compose.project=${project}`,
      '--filter',
      'label=com.docker.compose.service=caddy',
    );
    t.equal(docker('exec', caddy, '/caddy', 'version'), version);
    const address = docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', caddy);
    const get = async (port: number, path: string) => {
      const response = await fetch(`http://${address}:${port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    for (const [path, bytes] of [
      ['/1kB.txt', 1_000],
      ['/10kB.txt', 10_000],
      ['/100kB.txt', 100_000],
    ] as const) {
      const { status, text } = await get(8080, path);
      t.same([status, text.length], [200, bytes], path);
    }
    t.match(await get(8080, '/proxy/answer'), { status: 200, text: /^A fixed answer/ });
    t.equal((await get(8080, '/nothing')).status, 404);
    t.match((await get(9180, '/metrics')).text, /^caddy_http_request_duration_seconds_count\{/m);
  });
}

function compose(project: string, image: string, ...args: string[]): void {
  const { status, stderr } = run('docker', ['compose', '-p', project, '-f', 'compose.yaml', ...args], {
    MAYFLY_IMAGE_CADDY: image,
  });
  if (status !== 0) throw new Error(`docker compose ${args.join(' ')} failed: ${stderr}`);
}
