/** What a build sees of a commit, in real repositories: its files, those of submodules and of Git LFS. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { readContext, writeContext } from '../../scripts/plan/build-context.ts';
import { describeVersion } from '../../scripts/plan/commit.ts';

const ctx = { signal: new AbortController().signal };
const RECIPE = {
  kind: 'git',
  repository: '.',
  context: '.',
  dockerfile: 'Dockerfile',
  args: {},
  network: 'none',
  builder: 'classic',
} as const;

function repository(folder: string) {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'protocol.file.allow=always', ...args], {
      encoding: 'utf8',
      env: {
        ...process.env,
        GIT_AUTHOR_NAME: 'a',
        GIT_AUTHOR_EMAIL: 'a@localhost',
        GIT_COMMITTER_NAME: 'a',
        GIT_COMMITTER_EMAIL: 'a@localhost',
        GIT_CONFIG_GLOBAL: '/dev/null',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const commit = (files: Record<string, string>) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    git('add', '--all');
    git('commit', '--quiet', '--allow-empty', '-m', 'a commit');
    const commit = git('rev-parse', 'HEAD');
    return { commit, treeish: commit, repository: folder };
  };
  mkdirSync(folder, { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  return { folder, git, write, commit };
}

/** The context of a commit, written. */
async function written(t: Test, source: { commit: string; treeish: string; repository: string }, context = '.') {
  const folder = join(mkdtempSync(join(tmpdir(), 'mayfly-context-')), 'files');
  t.teardown(() => rmSync(dirname(folder), { recursive: true, force: true }));
  const read = await readContext({ ...RECIPE, context }, source, ctx);
  await writeContext(read, folder, ctx);
  return { folder, read, text: (name: string) => readFileSync(join(folder, name), 'utf8') };
}

t.test('the files of the commit, whatever git archive would leave out or fill in', async (t) => {
  const { folder, git, commit } = repository(join(t.testdir({}), 'repo'));
  symlinkSync('../../etc/passwd', join(folder, 'link'));
  const source = commit({
    '.gitattributes': 'secret export-ignore\nstamp export-subst\n',
    Dockerfile: 'FROM a\n',
    secret: 'kept',
    stamp: '$Format:%H$',
    'service/Dockerfile': 'FROM b\n',
    'service/run': 'x',
  });
  chmodSync(join(folder, 'service/run'), 0o755);
  const executable = commit({});
  const whole = await written(t, source);
  t.equal(whole.text('secret'), 'kept');
  t.equal(whole.text('stamp'), '$Format:%H$');
  t.ok(lstatSync(join(whole.folder, 'link')).isSymbolicLink(), 'a link stays one');
  t.notOk(existsSync(join(whole.folder, '.git')));
  const part = await written(t, source, './service/');
  t.same([part.text('Dockerfile'), existsSync(join(part.folder, 'secret'))], ['FROM b\n', false]);
  const mode = (await readContext({ ...RECIPE, context: 'service' }, executable, ctx)).hash;
  t.not(mode, part.read.hash, 'a file that became executable is another context');
  await t.rejects(readContext({ ...RECIPE, context: 'nowhere' }, source, ctx), {
    name: 'UsageError',
    message: /^the build context nowhere at [0-9a-f]{12} is no folder of the commit/,
  });
  t.equal(git('status', '--porcelain'), '', "the user's index and files are not touched");
});

t.test('equal contexts: what .dockerignore names does not count, what it does not name does', async (t) => {
  const { commit } = repository(join(t.testdir({}), 'repo'));
  const hash = async (source: ReturnType<typeof commit>) => (await readContext(RECIPE, source, ctx)).hash;
  const one = await hash(
    commit({
      Dockerfile: 'FROM a\n',
      '.dockerignore': 'docs\n*.md\n!kept.md\nDockerfile\n',
      'docs/a': '1',
      'kept.md': '1',
    }),
  );
  t.equal(await hash(commit({ 'docs/a': '2', 'README.md': '1' })), one);
  const kept = await hash(commit({ 'kept.md': '2' }));
  t.not(kept, one);
  t.not(await hash(commit({ Dockerfile: 'FROM b\n' })), kept, 'the Dockerfile is sent in any case');
});

t.test('a submodule is the one of its gitlink; one that is not here is refused by name', async (t) => {
  const parent = t.testdir({});
  const library = repository(join(parent, 'library'));
  const first = library.commit({ lib: 'one' });
  const { folder, git, commit } = repository(join(parent, 'repo'));
  git('submodule', '--quiet', 'add', '--', library.folder, 'vendor/lib');
  const before = commit({ Dockerfile: 'FROM a\n' });
  library.commit({ lib: 'two' });
  git('-C', join(folder, 'vendor/lib'), 'pull', '--quiet', 'origin', 'main');
  const after = commit({});
  const [old, bumped] = [await written(t, before), await written(t, after)];
  t.same([old.text('vendor/lib/lib'), bumped.text('vendor/lib/lib')], ['one', 'two']);
  t.not(old.read.hash, bumped.read.hash, 'a bump of it alone is another build');
  t.equal((await written(t, after, 'vendor')).text('lib/lib'), 'two');

  const clone = join(parent, 'clone');
  git('clone', '--quiet', '--bare', folder, clone);
  await t.rejects(readContext(RECIPE, { ...before, repository: clone }, ctx), {
    name: 'UsageError',
    message: `the submodule vendor/lib of the repository at ${before.commit.slice(0, 12)} is not on this host at ${first.commit.slice(0, 12)}`,
    hint: /git submodule update --init --recursive/,
  });
});

t.test('a file of Git LFS is its content; one whose content is not here is refused by name', async (t) => {
  const { folder, commit } = repository(join(t.testdir({}), 'repo'));
  const content = 'the model';
  const oid = createHash('sha256').update(content).digest('hex');
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${content.length}\n`;
  const source = commit({ '.gitattributes': '*.bin filter=lfs -text\n', Dockerfile: 'FROM a\n', 'model.bin': pointer });
  await t.rejects(readContext(RECIPE, source, ctx), {
    name: 'UsageError',
    message: /^model\.bin of the repository at [0-9a-f]{12} is in Git LFS, and the content is not on this host$/,
    hint: /git lfs fetch/,
  });
  const stored = join(folder, '.git', 'lfs', 'objects', oid.slice(0, 2), oid.slice(2, 4));
  mkdirSync(stored, { recursive: true });
  writeFileSync(join(stored, oid), content);
  t.equal((await written(t, source)).text('model.bin'), content);
  const without = commit({ '.dockerignore': '*.bin\n', 'other.bin': pointer.replace(oid, '0'.repeat(64)) });
  t.ok(await readContext(RECIPE, without, ctx), 'what .dockerignore names may be missing');
});

t.test('the version of a commit, as git describe says it', async (t) => {
  const { git, commit } = repository(join(t.testdir({}), 'repo'));
  const first = commit({ a: '1' });
  t.equal(await describeVersion(first, ctx), first.commit.slice(0, 12));
  git('tag', 'v1.2');
  t.equal(await describeVersion(first, ctx), 'v1.2');
  const second = commit({ a: '2' });
  t.equal(await describeVersion(second, ctx), `v1.2-1-g${second.commit.slice(0, 12)}`);
  t.equal(
    await describeVersion({ ...second, commit: `worktree-${'0'.repeat(40)}` }, ctx),
    `v1.2-1-g${second.commit.slice(0, 12)}-dirty`,
  );
});
