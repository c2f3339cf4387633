/** The image is the commit's: what docker build sees, which builder it gets, and when there is nothing to build. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { dataFolder, engine, mayfly, nothingLeft, probeBenchmark, probeRepository, run } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const FROM = 'FROM node:24.21.0-bookworm-slim\n';
/** Ends every build, so that no stack is needed: what it has printed by then is the proof. */
const END = 'RUN echo all as it should be && exit 7\n';

const built = (t: Test, repository: string, more: object = {}) =>
  probeBenchmark(t, { build: { git: { repository, context: '.', dockerfile: 'Dockerfile', ...more } } });
const bench = (benchmark: string, data: string, ...args: string[]) =>
  mayfly('bench', [`--benchmark=${benchmark}`, ...args], data).done;

t.test('docker build sees the commit less .dockerignore, and what version it is; nothing of it stays', async (t) => {
  const { folder } = await probeRepository(t, [
    {
      '.dockerignore': 'config\n',
      '.gitattributes': 'kept export-ignore\n',
      config: 'slow',
      kept: '1',
      Dockerfile: `${FROM}ARG VERSION\nARG COMMIT\nCOPY . /x\nRUN test ! -e /x/config && test -e /x/kept && test "$VERSION" = v1.2 && echo "$COMMIT" | grep -Eq "^[0-9a-f]{40}$"\n${END}`,
    },
  ]);
  execFileSync('git', ['-C', folder, 'tag', 'v1.2']);
  const data = dataFolder(t);
  const { code, stderr } = await bench(
    built(t, folder, { args: { VERSION: '${version}', COMMIT: '${commit}' } }),
    data,
    '--against=none',
  );
  t.equal(code, 4);
  t.match(stderr, /failed: docker build ended with exit code 7\n {4}Step \d+\/\d+ : RUN echo all as it should be/);
  t.notMatch(stderr, /legacy builder|DEPRECATED/, 'it begins with the step that failed');
  t.same(
    readdirSync(join(data, 'cache')).filter((name) => name.startsWith('temporary-')),
    [],
  );
  await nothingLeft(t, data);
});

t.test('what needs BuildKit is refused by name, unless the benchmark asks for BuildKit', async (t) => {
  const { folder } = await probeRepository(t, [
    { Dockerfile: `${FROM}RUN --mount=type=cache,target=/c echo 1 > /c/x && test ! -e /sys/class/net/eth0\n${END}` },
  ]);
  const data = dataFolder(t);
  const refused = await bench(built(t, folder), data, '--against=none');
  t.equal(refused.code, 2);
  t.match(
    refused.stderr,
    /Dockerfile of probe at [0-9a-f]{12}: "RUN --mount=type=cache,target=\/c [^]*" needs BuildKit, and this build uses the classic builder\n.*builder to buildkit/,
  );
  const { code, stderr } = await bench(built(t, folder, { builder: 'buildkit' }), data, '--against=none');
  t.equal(code, 4);
  t.match(stderr, /all as it should be/, 'it came so far: the cache is there, and no network');
  await nothingLeft(t, data);
});

t.test('commits whose build context is the same are told at once, with success', async (t) => {
  const { folder, commits } = await probeRepository(t, [{ '.dockerignore': '*.md\n' }, { 'README.md': 'more' }]);
  const data = dataFolder(t);
  const args = [`--commit=${commits[1]}`, `--against=${commits[0]}`, `--junit=${join(data, 'junit.xml')}`];
  const said = await bench(built(t, folder), data, ...args);
  const what = `nothing to compare: ${commits[1]!.slice(0, 12)} and ${commits[0]!.slice(0, 12)} have the same build context, file by file`;
  t.match(said, { code: 0, stdout: `${what}\n`, stderr: /junit\.xml is not written: nothing was measured/ });
  const document = await bench(built(t, folder), data, ...args.slice(0, 2), '--json');
  t.match(JSON.parse(document.stdout), { schema: 'mayfly.nothing-to-compare/v1', benchmark: 'probe', reason: what });
  t.same(JSON.parse((await mayfly('runs', ['--json'], data).done).stdout).runs, [], 'there is no run of it');
  await nothingLeft(t, data);
});

t.test('both sides stand on the same base images: one that was built on an older base is built again', async (t) => {
  const base = `mayfly-test/base-${process.pid}:1`;
  const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();
  const idOf = (ref: string) => docker('image', 'inspect', '--format={{.Id}}', ref);
  docker('tag', 'node:24.21.0-bookworm-slim', base);
  t.teardown(() => docker('rmi', '--force', base));
  const { folder, commits } = await probeRepository(t, [
    { Dockerfile: `FROM ${base}\nCOPY server.js .\nUSER node\nCMD ["node", "server.js"]\n` },
    { 'server.js': `${readFileSync('test/fixtures/probe/service/server.js', 'utf8')}// another\n` },
  ]);
  const data = dataFolder(t);
  const measure = async (...args: string[]) => {
    const ended = await bench(built(t, folder), data, '--rounds=1', '--json', ...args);
    t.equal(ended.code, 0, ended.stderr);
    return JSON.parse(ended.stdout).sides;
  };
  const alone = (await measure(`--commit=${commits[0]}`)).candidate.images[0];
  t.same(alone.bases, [{ ref: base, id: idOf(base) }], 'the run records it');
  const another = execFileSync('docker', ['build', '--quiet', `--tag=${base}`, '-'], {
    input: 'FROM node:24.21.0-bookworm-slim\nLABEL newer=1\n',
    env: { ...process.env, DOCKER_BUILDKIT: '0' },
    stdio: ['pipe', 'pipe', 'ignore'],
  }).toString();
  const { candidate, baseline } = await measure(`--commit=${commits[1]}`, `--against=${commits[0]}`);
  t.same(candidate.images[0].bases, [{ ref: base, id: another.trim() }]);
  t.same(baseline.images[0].bases, candidate.images[0].bases);
  t.match(baseline.images[0], { source: 'built' });
  t.not(baseline.images[0].id, alone.id);
  t.throws(() => docker('image', 'inspect', alone.id), 'the older one is gone');
});

t.test('two tags of one image are a mistake', async (t) => {
  const data = dataFolder(t);
  const tags = ['one', 'two'].map((name) => `mayfly-test/same-${process.pid}:${name}`);
  for (const tag of tags) execFileSync('docker', ['tag', 'node:24.21.0-bookworm-slim', tag]);
  t.teardown(() => execFileSync('docker', ['rmi', ...tags]));
  const benchmark = probeBenchmark(t, { build: { image: `mayfly-test/same-${process.pid}:\${commit}` } });
  const { code, stderr } = await bench(benchmark, data, '--commit=one', '--against=two');
  t.equal(code, 2, stderr);
  t.match(
    stderr,
    /both sides are the same image \([0-9a-f]{12}\): nothing to compare\n.*is there one for each commit\?/,
  );
  await nothingLeft(t, data);
});

t.test(
  'a shallow clone, and a repository without a known default branch, say that there is no comparison',
  async (t) => {
    const { folder } = await probeRepository(t, [{}, { 'new.js': '1' }]);
    const git = (...args: string[]) => execFileSync('git', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    git('-C', folder, 'branch', 'feature');
    const clone = join(mkdtempSync(join(tmpdir(), 'mayfly-clone-')), 'repo');
    t.teardown(() => rmSync(join(clone, '..'), { recursive: true, force: true }));
    git('clone', '--quiet', '--depth=1', '--branch=feature', `file://${folder}`, clone);
    const data = dataFolder(t);
    // Without --against, as most people call it: the helper of the tests would add one.
    const asCalled = (benchmark: string) =>
      run('sh', ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`], { env: { MAYFLY_DATA: data } }).done;
    const shallow = await asCalled(built(t, clone));
    t.equal(shallow.code, 2, shallow.stderr);
    t.match(
      shallow.stderr,
      /repo is a shallow clone: where HEAD left the default branch is not in it, so there is nothing to compare with\n.*git fetch --unshallow.*--against=none measures it alone/,
    );
    git('-C', folder, 'branch', '--move', 'main', 'trunk');
    const unknown = await asCalled(built(t, folder));
    t.equal(unknown.code, 2, unknown.stderr);
    t.match(
      unknown.stderr,
      /there is nothing to compare HEAD with: .* has no default branch that is known here \(origin\/HEAD, main or master\)[^]*git remote set-head origin --auto/,
    );
    await nothingLeft(t, data);
  },
);
