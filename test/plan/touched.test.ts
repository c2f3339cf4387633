/** `paths`: what is compared and what is not, by real repositories and a real store. Nothing is built. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import type { Config } from '../../scripts/config/types.ts';
import { NothingToCompare } from '../../scripts/core/errors.ts';
import { paths as placesIn } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { makePlan } from '../../scripts/plan/plan.ts';
import { openStore } from '../../scripts/store/db.ts';
import { aConfig } from '../fixtures/plan.ts';
import { makeRun } from '../run-document.ts';
import { gitIn } from './git-in.ts';

const short = (hash: string) => hash.slice(0, 12);

/** A repository whose every file is in the build, and a store. */
function setUp(t: Test) {
  const folder = join(t.testdir(), 'repository');
  const dir = join(folder, '..', 'benchmark');
  for (const made of [folder, dir]) mkdirSync(made);
  const git = gitIn(folder);
  git('init', '--quiet', '-b', 'main');
  const store = openStore(join(folder, '..', 'mayfly.db'));
  t.teardown(() => store.close());
  const warned: string[] = [];
  const ctx = {
    paths: placesIn(join(import.meta.dirname, '../..'), {}),
    newRunId: () => '01TESTRUN',
    now: () => 0,
    signal: new AbortController().signal,
    progress: { info: () => {}, warn: (text: string) => void warned.push(text) },
    store,
    machine: {
      engine: { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' },
      images: {},
    },
  } as unknown as Context;
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const save = () => {
    git('commit', '--quiet', '--allow-empty', '--message', 'a commit');
    return git('rev-parse', 'HEAD');
  };
  const commit = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    git('add', '--all');
    return save();
  };
  const recipe = { kind: 'git', repository: folder, dockerfile: 'Dockerfile', args: {}, network: 'none' } as const;
  const build = (context: string) => ({ ...recipe, context, builder: 'classic' as const });
  const plan = (laid: Partial<Config>) => {
    warned.length = 0;
    return makePlan(aConfig({ dir, builds: { probe: build('.') }, ...laid }), ctx);
  };
  let runs = 0;
  return {
    folder,
    git,
    write,
    save,
    commit,
    build,
    warned,
    plan,
    /** Why the candidate is not measured; undefined: it is. */
    nothing: async (candidate: string, against: string, paths: string[], laid: Partial<Config> = {}) => {
      try {
        await plan({ commit: candidate, against, paths, ...laid });
        return undefined;
      } catch (error) {
        if (!(error instanceof NothingToCompare)) throw error;
        return error.message;
      }
    },
    /** A run of the default branch, or another one, as `npm run work` leaves it. */
    measured: (hash: string, laid: Partial<RunDocument> = {}) => {
      const at = String(++runs).padStart(2, '0');
      const run = makeRun({
        run_id: `01JZZZZZZZZZZZZZZZZZZZZZ${at}`,
        benchmark: 'probe',
        started_at: `2026-01-02T03:${at}:00.000Z`,
        master: true,
        sides: { candidate: { ref: 'main', commit: hash, images: [] } },
        ...laid,
      });
      store.addRun({ ...run, archive: undefined } as unknown as RunDocument);
    },
  };
}

const FIRST = { Dockerfile: 'FROM scratch\n', 'src/a.js': '1\n', 'docs/a.md': '1\n', 'README.md': '1\n' };
const nothingUnder = (paths: string, a: string, b: string) =>
  `nothing to compare: nothing under ${paths} differs between ${short(a)} and ${short(b)}`;

t.test('what differs in no file under the paths is told at once, by their names', async (t) => {
  const { commit, nothing, plan, warned } = setUp(t);
  const base = commit(FIRST);
  const docs = commit({ 'docs/a.md': '2\n', 'README.md': '2\n' });
  const code = commit({ 'src/a.js': '2\n' });
  t.equal(await nothing(docs, base, ['src/**', 'Dockerfile']), nothingUnder('src/**, Dockerfile', docs, base));
  t.equal(await nothing(docs, base, ['**', '!**/*.md']), nothingUnder('**, !**/*.md', docs, base));
  t.equal(await nothing(code, base, ['src/**']), undefined);
  t.equal(await nothing(code, docs, ['docs/**']), nothingUnder('docs/**', code, docs));
  t.same(warned, []);
  t.equal(await nothing(docs, docs, ['src/**']), undefined, 'a commit against itself is asked for on purpose');
  t.match(await plan({ commit: docs, against: 'none', paths: ['src/**'] }), { pairing: 'solo' }, 'and one alone');
  t.equal((await plan({ commit: docs, against: base })).pairing, 'interleaved', 'without paths everything counts');
});

t.test('many paths are named in part', async (t) => {
  const { commit, nothing } = setUp(t);
  const base = commit({ ...FIRST, ...Object.fromEntries('abcdefg'.split('').map((name) => [`${name}/x`, '1'])) });
  const docs = commit({ 'docs/a.md': '2\n' });
  const paths = 'abcdefg'.split('').map((name) => `${name}/**`);
  t.equal(await nothing(docs, base, paths), nothingUnder('a/**, b/**, c/**, d/**, e/** and 2 more', docs, base));
});

t.test('a rename counts where it comes from and where it goes to', async (t) => {
  const { commit, git, save, nothing } = setUp(t);
  const base = commit(FIRST);
  git('mv', 'src/a.js', 'docs/a.js');
  const moved = save();
  t.equal(await nothing(moved, base, ['src/**', 'Dockerfile']), undefined, 'out of the paths');
  t.equal(await nothing(base, moved, ['src/**', 'Dockerfile']), undefined, 'into them');
  t.equal(await nothing(moved, base, ['README.md']), nothingUnder('README.md', moved, base));
});

t.test('a mode counts, and an uncommitted change', async (t) => {
  const { commit, git, save, write, nothing } = setUp(t);
  const base = commit(FIRST);
  git('update-index', '--chmod=+x', 'src/a.js');
  const mode = save();
  t.equal(await nothing(mode, base, ['src/**']), undefined);
  git('reset', '--quiet', '--hard', base);
  write('docs/a.md', 'more\n');
  t.match(
    await nothing('worktree', base, ['src/**']),
    /^nothing to compare: nothing under src\/\*\* differs between worktree-/,
  );
  write('src/b.js', 'new\n');
  t.equal(await nothing('worktree', base, ['src/**']), undefined);
});

t.test('a submodule whose commit differs counts, also where the repository tells git to pass over it', async (t) => {
  const { commit, git, save, write, build, nothing } = setUp(t);
  commit({ ...FIRST, 'src/Dockerfile': 'FROM scratch\n' });
  const link = (hash: string) => git('update-index', '--add', '--cacheinfo', `160000,${hash},vendor/lib`);
  write('.gitmodules', '[submodule "lib"]\n  path = vendor/lib\n  url = https://example.org/lib\n  ignore = all\n');
  git('add', '.gitmodules');
  link('1'.repeat(40));
  const base = save();
  link('2'.repeat(40));
  const bumped = save();
  const builds = { probe: build('src') }; // the submodule is not in the build, or it would have to be on this host
  const why = (paths: string[]) => nothing(bumped, base, paths, { builds });
  t.equal(await why(['src/**']), nothingUnder('src/**', bumped, base));
  t.equal(await why(['**', '!vendor/**']), nothingUnder('**, !vendor/**', bumped, base));
  const same = 'have the same build context, file by file';
  for (const paths of [['vendor/**'], ['vendor/lib/src/*.c'], ['**', '!vendor/lib/docs/**']])
    t.match(await why(paths), same, `${paths} lets it in: it is the context that says so`);
});

t.test('a path that is for no file is named, since it may be misspelt', async (t) => {
  const { commit, nothing, plan, warned } = setUp(t);
  const base = commit(FIRST);
  const docs = commit({ 'docs/a.md': '2\n' });
  const code = commit({ 'src/a.js': '2\n' });
  const of = (a: string, b: string) => `of ${short(a)} or ${short(b)}`;
  const one = `paths: scr/** is for no file ${of(code, docs)}; is that misspelt?`;
  t.match(await plan({ commit: code, against: docs, paths: ['src/**', 'scr/**'] }), { notes: [one] }, 'with the run');
  t.same(warned, [one]);
  t.equal(
    await nothing(docs, base, ['src/**', 'scr/**', '!gen/**']),
    `${nothingUnder('src/**, scr/**, !gen/**', docs, base)} (paths: scr/**, !gen/** are for no file ${of(docs, base)}; is that misspelt?)`,
  );
  const all = `paths: scr/**, !scr/gen/** let in no file ${of(docs, base)}, so they narrow nothing; they count from the root of the repository: are they misspelt?`;
  t.match(
    await plan({ commit: docs, against: base, paths: ['scr/**', '!scr/gen/**'] }),
    { pairing: 'interleaved', notes: [all] },
    'a success for ever would be worse than a measurement too many',
  );
  t.same(warned, [all]);
});

t.test('a file that one of the commits alone has is no misspelt path', async (t) => {
  const { commit, git, save, nothing, warned } = setUp(t);
  const base = commit(FIRST);
  git('rm', '--quiet', 'src/a.js');
  const gone = save();
  t.equal(await nothing(gone, base, ['src/**']), undefined);
  t.same(warned, []);
});

t.test(
  'a commit of a branch is held against the last one of it that was measured, not against the anchor',
  async (t) => {
    const { commit, nothing, measured } = setUp(t);
    const master = (candidate: string, branch?: string) =>
      nothing(candidate, 'anchor', ['src/**'], { master: true, ...(branch === undefined ? {} : { branch }) });
    const [a, b, c, d, e] = [
      commit(FIRST),
      commit({ 'src/a.js': '2\n' }),
      commit({ 'docs/a.md': '2\n' }),
      commit({ 'src/a.js': '3\n' }),
      commit({ 'docs/a.md': '3\n' }),
    ];
    t.equal(await master(a), undefined, 'the history begins');
    measured(a);
    t.equal(await master(b), undefined);
    measured(b);
    const last = 'the last commit of the default branch that was measured';
    t.equal(await master(c), `${nothingUnder('src/**', c, b)}, ${last}`, 'it differs from the anchor, which is a');
    measured(d, { status: 'failed' });
    t.equal(await master(e), undefined, 'd was not measured, so its change is still to be');
    measured(e);
    t.equal(await master(e), undefined, 'once more: not against itself');
    t.equal(await master(b), undefined, 'an older one: not against a newer');
    t.equal(await master(c, 'release-1'), undefined, 'another branch has a history of its own');
    measured(a, { branch: 'release-1' });
    measured(b, { branch: 'release-1' });
    t.equal(
      await master(c, 'release-1'),
      `${nothingUnder('src/**', c, b)}, the last commit of the branch release-1 that was measured`,
    );
  },
);

t.test('what a force push has removed is not what a commit is held against', async (t) => {
  const { commit, git, nothing, measured } = setUp(t);
  const a = commit(FIRST);
  measured(a);
  measured(commit({ 'src/a.js': '2\n' }));
  git('reset', '--quiet', '--hard', a);
  const docs = commit({ 'docs/a.md': '2\n' });
  t.match(await nothing(docs, 'anchor', ['src/**'], { master: true }), nothingUnder('src/**', docs, a));
});
