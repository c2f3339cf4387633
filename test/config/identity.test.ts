/** Under which name runs are kept: with real git repositories. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { benchmarkName, loadConfig, parseBenchArgs } from '../../scripts/config/config.ts';
import { benchmarkFlag } from '../../scripts/config/flags.ts';
import type { Known } from '../../scripts/config/identity.ts';
import type { KnownBenchmark } from '../../scripts/documents/benchmark.ts';
import { BENCHMARK, COMPOSE, faults } from './fixture.ts';

const git = (folder: string, ...args: string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args], {
    encoding: 'utf8',
  }).trim();

/** A place with a checkout that has the benchmark `shop`, and what the store would know. */
function place(t: Test) {
  const top = mkdtempSync(join(tmpdir(), 'mayfly-identity-')); // in no repository
  t.teardown(() => rmSync(top, { recursive: true, force: true }));
  const root = join(top, 'mayfly');
  const shop = join(root, 'benchmarks', 'shop');
  mkdirSync(shop, { recursive: true });
  for (const [name, text] of Object.entries({ 'benchmark.yaml': BENCHMARK, 'compose.yaml': COMPOSE, 'load.ts': '' }))
    writeFileSync(join(shop, name), text);
  const store = new Map<string, KnownBenchmark>();
  const known: Known = (name) => store.get(name);
  const load = (asked: string, env: { known?: Known } = { known }) =>
    loadConfig(parseBenchArgs([`--benchmark=${asked}`]), { root, cwd: top, ...env });
  /** Loads it as bench does, and keeps what a run would. */
  const measured = async (asked: string): Promise<string> => {
    const { benchmark, elsewhere } = await load(asked);
    if (elsewhere) store.set(benchmark, { ...elsewhere, newest: null });
    return benchmark;
  };
  /** A repository with a service, and a benchmark of it in a folder. */
  const repository = (name: string, folders: string[], more = '') => {
    const folder = join(top, name);
    mkdirSync(join(folder, 'service'), { recursive: true });
    git(folder, 'init', '--quiet', '--initial-branch=main');
    writeFileSync(join(folder, 'service', 'Dockerfile'), `FROM scratch\n# ${name}\n`);
    for (const one of folders) write(join(folder, one), folder, more);
    git(folder, 'add', '--all');
    git(folder, 'commit', '--quiet', '--message', name);
    return folder;
  };
  return { top, root, store, known, load, measured, repository };
}

function write(dir: string, repository: string, more = ''): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(
    join(dir, 'benchmark.yaml'),
    `${more}${BENCHMARK.replace('context: service', `repository: ${repository}\n      context: service`)}`,
  );
  writeFileSync(join(dir, 'compose.yaml'), COMPOSE);
  writeFileSync(join(dir, 'load.ts'), '');
}

t.test('in benchmarks/ of the checkout the folder is the name, by name and by path', async (t) => {
  const { load } = place(t);
  for (const asked of ['shop', 'mayfly/benchmarks/shop', './mayfly/benchmarks/shop/']) {
    const { benchmark, elsewhere } = await load(asked);
    t.same([benchmark, elsewhere], ['shop', undefined]);
  }
});

t.test('benchmarks of two repositories that are called alike share no history', async (t) => {
  const { measured, repository, load, store } = place(t);
  repository('one', ['bench']);
  repository('other', ['bench']);
  t.equal(await measured('one/bench'), 'bench');
  const second = await measured('other/bench');
  t.match(second, /^bench-[0-9a-f]{8}$/);
  t.match(
    (await load('other/bench')).nameNote,
    `bench is the name of another benchmark, of another repository or folder: runs of this one are kept as ${second}; the field name in its benchmark.yaml gives it a name of its own`,
  );
  t.equal(await measured('one/bench'), 'bench', 'and each keeps its own');
  t.equal(await measured('other/bench'), second);
  t.equal((await load('one/bench')).nameNote, undefined);
  t.equal(store.size, 2);
});

t.test('one that is called as a benchmark of the checkout', async (t) => {
  const { measured, repository, load } = place(t);
  repository('other', ['shop']);
  t.match(await measured('other/shop'), /^shop-[0-9a-f]{8}$/);
  t.match((await load('other/shop')).nameNote, 'shop is the name of another benchmark, of this checkout');
  t.equal(await measured('shop'), 'shop');
});

t.test('the name is the path in the repository, or the field name', async (t) => {
  const { measured, repository, top } = place(t);
  const folder = repository('other', ['perf/search', 'perf/orders', '.']);
  t.equal(await measured('other/perf/search'), 'perf-search');
  t.equal(await measured('./other/'), 'other', 'its own name at the root');
  write(join(folder, 'deep', 'er'), folder, 'name: quick\n');
  t.equal(await measured('other/deep/er'), 'quick');
  write(join(folder, 'moved'), folder, 'name: quick\n');
  t.equal(await measured('other/moved'), 'quick', 'wherever it lies');
  write(join(top, 'loose', 'Some Bench'), folder);
  t.equal(await measured('loose/Some Bench'), 'some-bench', 'of a folder in no repository the last name');
  const long = Array.from({ length: 20 }, (_, i) => `folder${i}`).join('/');
  write(join(folder, long), folder);
  t.match(await measured(`other/${long}`), /^[a-z0-9-]{40,51}-[0-9a-f]{8}$/, 'not longer than what takes it');
});

t.test('a repository is the same wherever its clone lies, and by whichever address', async (t) => {
  const { measured, repository, top } = place(t);
  const folder = repository('one', ['bench']);
  t.equal(await measured('one/bench'), 'bench');
  renameSync(folder, join(top, 'moved'));
  write(join(top, 'moved', 'bench'), join(top, 'moved'));
  t.equal(await measured('moved/bench'), 'bench', 'by its first commit');
  const cloned = repository('cloned', ['perf']);
  git(cloned, 'remote', 'add', 'origin', 'git@git.example.org:acme/Search.git');
  t.equal(await measured('cloned/perf'), 'perf');
  for (const url of ['https://git.example.org/acme/search', 'ssh://git@git.example.org/acme/search.git']) {
    write(join(cloned, 'perf'), url);
    t.equal(await measured('cloned/perf'), 'perf', url);
  }
  write(join(cloned, 'perf'), 'https://git.example.org/acme/other');
  t.match(await measured('cloned/perf'), /^perf/);
});

t.test('runs of before, when the last name of the folder was all, keep their name', async (t) => {
  const { measured, repository, store } = place(t);
  const one = repository('one', ['perf/bench']);
  repository('other', ['bench']);
  store.set('bench', { repository: null, path: null, folder: null, newest: git(one, 'rev-parse', 'HEAD') });
  t.match(await measured('other/bench'), /^bench-/, 'they are not of the other repository');
  t.equal(await measured('one/perf/bench'), 'bench', 'they are of this one');
  t.equal(await measured('one/perf/bench'), 'bench');
  t.equal(store.get('bench')!.path, 'perf/bench');
  write(join(one, 'bench'), one);
  t.match(await measured('one/bench'), /^bench-/, 'another folder of the same repository');
});

t.test('a name stands for the folder that was measured before', async (t) => {
  const { measured, repository, load, store, known, top, root } = place(t);
  const folder = repository('other', ['perf/search']);
  await t.rejects(load('perf-search'), { message: 'there is no benchmark "perf-search"' });
  await measured('other/perf/search');
  const { dir, benchmark } = await load('perf-search');
  t.same([dir, benchmark], [join(folder, 'perf', 'search'), 'perf-search']);
  const env = { root, cwd: top, known };
  t.equal(await benchmarkName('other/perf/search', env), 'perf-search');
  t.equal(await benchmarkName('whatever', env), 'whatever', 'runs outlive their benchmark');
  renameSync(join(folder, 'perf'), join(folder, 'gone'));
  await t.rejects(load('perf-search'), {
    message: `the folder of the benchmark "perf-search" is not there any more: ${join(folder, 'perf', 'search')}`,
    hint: 'Name the folder where it is now: --benchmark=PATH.',
  });
  store.set('shop', { repository: 'x', path: null, folder: join(folder, 'gone', 'search'), newest: null });
  await t.rejects(load('shop'), {
    message: `shop is the name of the benchmark in ${join(folder, 'gone', 'search')}, which was measured before`,
    hint: 'Give that one another: the field name in its benchmark.yaml; or rename the folder of this one.',
  });
});

t.test('what name may be', async (t) => {
  t.same(await faults(t, `name: shop\n${BENCHMARK}`), []);
  t.match(await faults(t, `name: other\n${BENCHMARK}`), [
    /:1 name must be shop or left out, since in benchmarks\/ of this checkout the folder is the name; got "other"$/,
  ]);
  t.match(await faults(t, `name: a/b\n${BENCHMARK}`), [
    /:1 name must be lower-case letters and digits, joined by -, at most 60, got "a\/b"$/,
  ]);
});

t.test(
  'a suggested command names the benchmark where it is not the one that commands take by themselves',
  async (t) => {
    const { load, repository, measured } = place(t);
    t.equal(benchmarkFlag('shop'), '');
    t.equal(benchmarkFlag('perf-hello'), ' --benchmark=perf-hello');
    repository('other', ['perf/hello']);
    const name = await measured('other/perf/hello');
    t.equal((await load(benchmarkFlag(name).split('=')[1]!)).benchmark, name, 'and it works as printed');
  },
);
