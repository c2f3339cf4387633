/** The commits of a real repository, and which of them are another build. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { BuildRecipe, Config } from '../../../scripts/config/types.ts';
import { listCommits } from '../../../scripts/studies/bisect/commits.ts';

const folder = t.testdir();
const git = (...args: string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.invalid', ...args], {
    encoding: 'utf8',
  }).trim();
const commit = (message: string, files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  git('add', '--all');
  git('commit', '--quiet', '--allow-empty', '--message', message);
  return git('rev-parse', 'HEAD');
};

git('init', '--quiet', '--initial-branch=main');
const first = commit('first', { 'service/a.js': '1', 'docs/a.md': '1' });
const docs = commit('only docs', { 'docs/a.md': '2' });
git('checkout', '--quiet', '-b', 'side');
const inner = commit('on a branch', { 'service/b.js': '1' });
git('checkout', '--quiet', 'main');
const empty = commit('nothing', {});
git('merge', '--quiet', '--no-ff', '--message', 'merge side', 'side');
const merge = git('rev-parse', 'HEAD');
const back = commit('back again', { 'service/b.js': '2' });
const last = commit("a subject with 'quotes' and \u001b[31mcolour", { 'docs/a.md': '3' });

const ctx = { paths: { root: folder } as never, progress: {} as never, signal: new AbortController().signal };
const recipe = (laid: object = {}): BuildRecipe => ({
  kind: 'git',
  repository: folder,
  context: 'service',
  dockerfile: 'Dockerfile',
  args: {},
  network: 'none',
  builder: 'classic',
  ...laid,
});
const config = (builds: Record<string, BuildRecipe>) =>
  ({ benchmark: 'x', file: 'benchmark.yaml', builds }) as unknown as Config;
const builds = async (good: string, bad: string, recipes: Record<string, BuildRecipe> = { x: recipe() }) =>
  (await listCommits(config(recipes), { good, bad }, ctx)).map((one) => [one.commit, one.build]);

t.test('along first parents; neighbours with the same build context are one build', async (t) => {
  t.same(await builds(first, 'main'), [
    [first, 0],
    [docs, 0],
    [empty, 0],
    [merge, 1],
    [back, 2],
    [last, 2],
  ]);
  t.same(await builds(first, empty), [
    [first, 0],
    [docs, 0],
    [empty, 0],
  ]);
  const [, second] = await listCommits(config({ x: recipe() }), { good: first, bad: 'HEAD' }, ctx);
  t.match(second, { subject: 'only docs', author_date: /^\d{4}-\d\d-\d\dT/ });
  t.notOk('parent' in second!);
});

t.test('what belongs to a build decides', async (t) => {
  t.same(
    await builds(first, 'main', { x: recipe({ context: '.' }) }),
    [
      [first, 0],
      [docs, 1],
      [empty, 1],
      [merge, 2],
      [back, 3],
      [last, 4],
    ],
    'the whole repository',
  );
  t.same(
    await builds(first, 'main', { x: recipe({ context: './service/' }), y: recipe({ context: 'docs' }) }),
    [
      [first, 0],
      [docs, 1],
      [empty, 1],
      [merge, 2],
      [back, 3],
      [last, 4],
    ],
    'two contexts',
  );
  t.same(
    await builds(first, empty, { x: recipe(), y: { kind: 'command', command: ['x'] } }),
    [
      [first, 0],
      [docs, 1],
      [empty, 2],
    ],
    'a command gets the commit itself',
  );
  t.same(
    await builds(first, empty, { x: recipe(), y: { kind: 'image', image: 'redis:7' } }),
    [
      [first, 0],
      [docs, 0],
      [empty, 0],
    ],
    'a fixed image does not',
  );
});

t.test('a good commit on a merged branch: what follows is no neighbour of it', async (t) => {
  t.same(await builds(inner, 'main'), [
    [inner, 0],
    [empty, 1],
    [merge, 2],
    [back, 3],
    [last, 3],
  ]);
});

t.test('refused', async (t) => {
  const refused = (good: string, bad: string, message: RegExp, recipes?: Record<string, BuildRecipe>) =>
    t.rejects(builds(good, bad, recipes), { name: 'UsageError', message }, `${good}..${bad}`);
  await refused(last, first, /--good=\w+ \(\w{12}\) is not an ancestor of --bad/);
  await refused('main', last, /are the same commit/);
  await refused('nowhere', 'main', /commit "nowhere" is not in the repository/);
  await refused('-x', 'main', /commit "-x" is not in/);
  await refused(first, 'worktree', /--bad=worktree is no commit/);
  await refused(first, 'main', /nothing is built from git/, { x: { kind: 'image', image: 'x:${commit}' } });
  await refused(first, 'main', /from 2 git repositories/, { x: recipe(), y: recipe({ repository: 'elsewhere' }) });
});
