/** Commits found in real repositories, made for each test. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { InfrastructureError, Interrupted, UsageError } from '../../scripts/core/errors.ts';
import { paths } from '../../scripts/core/paths.ts';
import { findCommit } from '../../scripts/plan/commit.ts';
import { firstParents, mergeBase } from '../../scripts/plan/merge-base.ts';
import { createProgress } from '../../scripts/report/progress.ts';

const IDENTITY = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@localhost',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@localhost',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

/** A repository with one commit, which holds the file `kept`. */
function repository(folder: string) {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      env: { ...process.env, ...IDENTITY },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  /** Commits everything; gives the hash. */
  const commit = (subject: string) => {
    git('add', '--all');
    git('commit', '--quiet', '--allow-empty', '-m', subject);
    return git('rev-parse', 'HEAD');
  };
  mkdirSync(folder, { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  write('kept', 'one');
  return { folder, git, write, commit, first: commit('the first') };
}

/** What findCommit needs, with a cache of its own. */
function surroundings(t: Test, signal = new AbortController().signal) {
  const progress = createProgress({ stream: new PassThrough() as unknown as NodeJS.WriteStream, quiet: true });
  return { paths: paths(t.testdir({ cache: {} }), {}), progress, signal };
}

/** A checkout with a repository in the folder `repo`. */
function local(t: Test) {
  const ctx = surroundings(t);
  const repo = repository(join(ctx.paths.root, 'repo'));
  return { ...repo, ctx, find: (ref: string) => findCommit('repo', ref, ctx) };
}

/** A repository that is known by its URL only. */
function remote(t: Test) {
  const ctx = surroundings(t);
  const repo = repository(join(ctx.paths.root, 'elsewhere'));
  const url = pathToFileURL(repo.folder).href;
  return { ...repo, ctx, url, find: (ref: string) => findCommit(url, ref, ctx) };
}

t.test('a full hash, a short hash, a tag, an annotated tag, a branch and HEAD are found', async (t) => {
  const { first, git, commit, find, folder } = local(t);
  git('tag', 'v1');
  git('tag', '-m', 'annotated', 'v1-signed');
  git('branch', 'old');
  const second = commit('the second');
  for (const ref of [first, first.slice(0, 9), 'v1', 'v1-signed', 'old', 'HEAD~1'])
    t.equal((await find(ref)).commit, first, ref);
  t.strictSame(await find('HEAD'), { commit: second, subject: 'the second', repository: folder, treeish: second });
});

t.test('a branch that only the remote has is found', async (t) => {
  const { first, git, find } = local(t);
  git('update-ref', 'refs/remotes/origin/theirs', first);
  t.equal((await find('theirs')).commit, first);
});

t.test(
  'the head of a pull request, which no branch holds, is fetched by its full hash: by URL, and from the origin of a checkout',
  async (t) => {
    const { git, commit, first, find, url, ctx } = remote(t);
    const head = commit('of a pull request');
    git('update-ref', 'refs/pull/7/head', head);
    git('reset', '--quiet', '--hard', first);
    t.equal((await find(head)).commit, head);
    await t.rejects(find('0'.repeat(40)), UsageError);

    execFileSync('git', ['clone', '--quiet', url, join(ctx.paths.root, 'clone')], { stdio: 'ignore' });
    const later = commit('main goes on');
    const found = await findCommit('clone', head, ctx);
    t.equal(found.commit, head);
    t.equal(
      execFileSync('git', ['-C', found.repository, 'rev-parse', 'refs/remotes/origin/main'], {
        encoding: 'utf8',
      }).trim(),
      later,
      'the merge-base is counted from what main is now',
    );
    await t.rejects(findCommit('clone', '0'.repeat(40), ctx), UsageError);
    execFileSync('git', [
      '-C',
      join(ctx.paths.root, 'clone'),
      'remote',
      'set-url',
      'origin',
      'http://127.0.0.1:9/gone',
    ]);
    await t.rejects(findCommit('clone', '0'.repeat(40), ctx), InfrastructureError, 'it may be there: nobody could ask');
  },
);

t.test('a name is data: nothing in it is run', async (t) => {
  const { first, git, find, folder } = local(t);
  for (const name of ['$(id>x);y', '`id>x`', 'a;id>x', "a'b"]) {
    git('update-ref', `refs/heads/${name}`, first);
    t.equal((await find(name)).commit, first, name);
  }
  t.notOk(existsSync(join(folder, 'x')));
  t.notOk(existsSync('x'));
});

t.test('what is not there is said with what to do', async (t) => {
  const { find, folder, ctx } = local(t);
  await t.rejects(
    find('nowhere'),
    new UsageError(`commit "nowhere" is not in the repository ${folder}`, {
      hint: 'Name a full or short hash, a branch, a tag, HEAD or worktree; `git fetch` brings what others have pushed.',
    }),
  );
  await t.rejects(find('--all'), UsageError);
  await t.rejects(findCommit('none', 'HEAD', ctx), {
    name: 'UsageError',
    message: /the repository .*none is not a folder/,
    hint: /benchmark\.yaml must name a git repository/,
  });
});

t.test('a folder that is no repository, and a repository without a work tree', async (t) => {
  const { ctx, git, folder } = local(t);
  rmSync(join(folder, '.git'), { recursive: true });
  const ceiling = process.env.GIT_CEILING_DIRECTORIES; // the test folder is in a checkout
  process.env.GIT_CEILING_DIRECTORIES = ctx.paths.root;
  t.teardown(() =>
    ceiling === undefined
      ? delete process.env.GIT_CEILING_DIRECTORIES
      : (process.env.GIT_CEILING_DIRECTORIES = ceiling),
  );
  await t.rejects(findCommit('repo', 'HEAD', ctx), {
    name: 'UsageError',
    message: /git finds no repository in .*repo: fatal: not a git repository/,
    hint: /benchmark\.yaml must name/,
  });
  git('init', '--quiet', '--bare', '.');
  await t.rejects(findCommit('repo', 'worktree', ctx), {
    name: 'InfrastructureError',
    message: /could not read the work tree of .*repo: fatal: this operation must be run in a work tree/,
    hint: /name a commit/,
  });
});

t.test(
  'worktree is what is in the folder now: new, changed and tracked files, not ignored nor deleted ones',
  async (t) => {
    const { git, write, commit, find, folder } = local(t);
    write('.gitignore', 'ignored*\n');
    write('ignored-committed', '1');
    write('deleted', '1');
    git('add', '--force', 'ignored-committed');
    commit('with an ignored file that is tracked');
    write('ignored-staged', '2');
    git('add', '--force', 'ignored-staged');
    write('ignored', '3');
    write('new', '4');
    write('kept', 'two');
    rmSync(join(folder, 'deleted'));
    const status = git('status', '--porcelain');
    const index = readFileSync(join(folder, '.git/index'));

    const { commit: name, treeish, subject } = await find('worktree');
    t.equal(name, `worktree-${treeish}`);
    t.equal(subject, 'uncommitted state');
    t.strictSame(git('ls-tree', '-r', '--name-only', treeish).split('\n'), [
      '.gitignore',
      'ignored-committed',
      'ignored-staged',
      'kept',
      'new',
    ]);
    t.equal(git('show', `${treeish}:kept`), 'two');
    t.ok(index.equals(readFileSync(join(folder, '.git/index'))), 'the index of the user is as it was');
    t.equal(git('status', '--porcelain'), status);
    t.equal((await find('worktree')).treeish, treeish, 'the same state has the same name');
  },
);

t.test('a change of the same length in the same moment as the last commit is seen', async (t) => {
  const { git, write, commit, find } = local(t);
  for (let i = 0; i < 5; i++) {
    write('kept', `a${i}`);
    commit('again');
    write('kept', `b${i}`);
    t.equal(git('show', `${(await find('worktree')).treeish}:kept`), `b${i}`);
  }
});

t.test('a repository without a commit has a work tree too', async (t) => {
  const { git, find, folder } = local(t);
  rmSync(join(folder, '.git'), { recursive: true });
  git('init', '--quiet');
  t.equal(git('ls-tree', '--name-only', (await find('worktree')).treeish), 'kept');
});

t.test('called from a hook of another repository, git looks where the benchmark says', async (t) => {
  const { first, find, ctx } = local(t);
  const other = repository(join(ctx.paths.root, 'other'));
  const variables = {
    GIT_DIR: join(other.folder, '.git'),
    GIT_INDEX_FILE: join(other.folder, '.git/index'),
    GIT_WORK_TREE: other.folder,
  };
  Object.assign(process.env, variables);
  t.teardown(() => Object.keys(variables).forEach((name) => delete process.env[name]));
  t.equal((await find('HEAD')).commit, first);
});

t.test('HEAD of a URL is the HEAD of the remote, whatever its branch is called, also after it has moved', async (t) => {
  const { first, git, commit, find } = remote(t);
  t.equal((await find('HEAD')).commit, first);
  git('checkout', '--quiet', '-b', 'trunk');
  const second = commit('on trunk');
  t.equal((await find('HEAD')).commit, second);
  t.equal((await find('HEAD~1')).commit, first);
  t.equal((await find('main')).commit, first);
  t.equal((await find('trunk')).commit, second);
});

t.test('a hash that a remote does not have: where it was looked for; once it is pushed it is found', async (t) => {
  const { git, commit, find, url } = remote(t);
  const nowhere = 'ab'.repeat(20);
  await t.rejects(find(nowhere), {
    message: `commit "${nowhere}" is not in the repository ${url}: it is in none of its branches and tags, and the remote has nothing of this hash`,
    missing: nowhere,
  });
  const named = await find('nowhere').catch((error: UsageError) => error);
  t.match(named, { name: 'UsageError', missing: undefined }, 'a name is no commit that may come');
  git('checkout', '--quiet', '-b', 'topic');
  const pushed = commit('pushed');
  t.equal((await find(pushed)).commit, pushed);
});

t.test('branches and tags of a URL come, move and go', async (t) => {
  const { first, git, commit, find, url } = remote(t);
  git('tag', 'v1');
  git('branch', 'topic');
  t.equal((await find('v1')).commit, first);
  t.equal((await find('topic')).commit, first);
  const second = commit('more');
  git('tag', '--force', 'v1');
  git('branch', '--quiet', '-D', 'topic');
  git('branch', 'topic/a');
  t.equal((await find('v1')).commit, second);
  t.equal((await find('topic/a')).commit, second);
  git('tag', '-d', 'v1');
  await t.rejects(
    find('v1'),
    new UsageError(`commit "v1" is not in the repository ${url}`, {
      hint: 'Name a full or short hash, a branch, a tag or HEAD.',
    }),
  );
  await t.rejects(find('worktree'), {
    name: 'UsageError',
    message: /--commit=worktree needs a repository on this host/,
  });
});

t.test('several runs that fetch into one mirror at once all find their commit', async (t) => {
  const { git, commit, find } = remote(t);
  const branches = (hash: string) =>
    execFileSync('git', ['-C', git('rev-parse', '--show-toplevel'), 'update-ref', '--stdin'], {
      input: Array.from({ length: 300 }, (_, i) => `update refs/heads/b${i} ${hash}\n`).join(''),
    });
  for (const subject of ['one', 'two', 'three']) {
    const hash = commit(subject);
    branches(hash);
    const found = await Promise.all(Array.from({ length: 5 }, (_, i) => find(i === 0 ? 'HEAD' : `b${i * 70}`)));
    t.strictSame(
      found.map((one) => one.commit),
      found.map(() => hash),
    );
  }
});

t.test('a remote that is not there', async (t) => {
  const { ctx, url } = remote(t);
  await t.rejects(findCommit(`${url}-not`, 'HEAD', ctx), {
    name: 'InfrastructureError',
    message: /git could not fetch file:.*-not: fatal: .*does not exist|does not appear/,
    hint: /Check the address/,
  });
});

t.test('a lock that a killed git has left is named, with the folder to remove', async (t) => {
  const { ctx, find, commit } = remote(t);
  const { repository: folder } = await find('HEAD');
  commit('more');
  writeFileSync(join(folder, 'refs/heads/main.lock'), '');
  const error: InfrastructureError = await find('HEAD').then(
    () => t.fail('it fetched') as never,
    (error) => error,
  );
  t.match(error, {
    name: 'InfrastructureError',
    message: /git could not fetch .*main/,
    hint: `remove ${folder}: it is a cache`,
  });
  t.ok(folder.startsWith(ctx.paths.cache));
});

t.test('an interrupt ends a fetch from a host that says nothing, and is reported as the interrupt', async (t) => {
  const sockets = new Set<import('node:net').Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => (sockets.forEach((socket) => socket.destroy()), server.close()));
  const stop = new AbortController();
  const connected = new Promise<import('node:net').Socket>((resolve) => server.once('connection', resolve));
  const finding = findCommit(
    `git://127.0.0.1:${(server.address() as AddressInfo).port}/x`,
    'HEAD',
    surroundings(t, stop.signal),
  );
  const socket = await connected;
  const closed = new Promise((resolve) => socket.resume().once('close', resolve));
  stop.abort(new Interrupted('interrupted by the test'));
  await t.rejects(finding, new Interrupted('interrupted by the test'));
  await closed; // git is gone, else the connection would stay
});

t.test('an uncommitted state is found again by its tree, as long as git has it', async (t) => {
  const { find, write } = local(t);
  write('new', 'two');
  const { commit } = await find('worktree');
  write('new', 'three');
  t.match(await find(commit), { commit, treeish: commit.replace('worktree-', '') });
  await t.rejects(find(`worktree-${'1'.repeat(40)}`), {
    name: 'UsageError',
    message: /the uncommitted state 111111111111 is gone/,
  });
});

t.test('the merge-base: where a commit left the default branch', async (t) => {
  const { first, git, commit, find, ctx } = local(t);
  const baseOf = async (ref: string) => mergeBase(await find(ref), ctx);
  t.match(await baseOf('HEAD'), { branch: 'main', onBranch: true, base: { commit: first } });
  git('checkout', '--quiet', '-b', 'feature');
  const feature = commit('a feature');
  git('checkout', '--quiet', 'main');
  commit('more on main');
  t.match(await baseOf('feature'), { branch: 'main', onBranch: false, base: { commit: first, subject: 'the first' } });
  t.match(await baseOf('main~1'), { onBranch: true });
  t.match(await baseOf('worktree'), { onBranch: true }, 'HEAD counts for an uncommitted state');
  git('branch', '--move', 'main', 'trunk');
  t.equal(await baseOf('feature'), null, 'no default branch that is known');
  git('update-ref', 'refs/remotes/origin/trunk', 'trunk');
  git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/trunk');
  t.match(await baseOf(feature), { branch: 'trunk', onBranch: false, base: { commit: first } });
  git('checkout', '--quiet', 'trunk');
  const ahead = commit('not pushed yet');
  t.match(await baseOf(ahead), { onBranch: true }, 'the local default branch counts too');
  git('checkout', '--quiet', '-b', 'later');
  t.match(
    await baseOf(commit('a later feature')),
    { onBranch: false, base: { commit: ahead } },
    'what is not pushed yet is no part of the feature',
  );
  git('checkout', '--quiet', '--orphan', 'other');
  t.equal(await baseOf(commit('another history')), null);
});

t.test('the commits of a range along first parents: a merged branch is its merge', async (t) => {
  const { first, git, commit, ctx, folder } = local(t);
  git('checkout', '--quiet', '-b', 'feature');
  commit('a feature');
  git('checkout', '--quiet', 'main');
  const second = commit('more on main');
  git('merge', '--quiet', '--no-ff', '--message', 'the merge', '--strategy', 'ours', 'feature');
  const merge = git('rev-parse', 'HEAD').trim();
  t.strictSame(await firstParents(folder, first, merge, ctx), [merge, second]);
  t.strictSame(await firstParents(folder, second, merge, ctx), [merge]);
  t.equal(await firstParents(folder, 'ab'.repeat(20), merge, ctx), undefined, 'one that is not there');
});

t.test('the merge-base in a copy of a remote', async (t) => {
  const { first, git, commit, find, ctx } = remote(t);
  git('checkout', '--quiet', '-b', 'feature');
  commit('a feature');
  git('checkout', '--quiet', 'main');
  t.match(await mergeBase(await find('feature'), ctx), { onBranch: false, base: { commit: first } });
  t.match(await mergeBase(await find('HEAD'), ctx), { onBranch: true });
});

/** A checkout of a remote, in the folder `repo`; its origin is the repository `elsewhere`. */
function clone(t: Test) {
  const there = remote(t);
  const folder = join(there.ctx.paths.root, 'repo');
  execFileSync('git', ['clone', '--quiet', there.url, folder], { stdio: 'pipe' });
  return { ...there, there: there.git, checkout: folder, find: (ref: string) => findCommit('repo', ref, there.ctx) };
}

t.test('the merge-base with a branch that is named: a stacked proposal is not blamed for its base', async (t) => {
  const { first, git, commit, find, ctx, folder } = local(t);
  git('checkout', '--quiet', '-b', 'feature-a');
  const base = commit('20 % slower');
  git('checkout', '--quiet', '-b', 'feature-b');
  const head = await find(commit('changes nothing'));
  t.match(await mergeBase(head, ctx), { branch: 'main', base: { commit: first } });
  t.match(await mergeBase(head, ctx, 'feature-a'), { branch: 'feature-a', onBranch: false, base: { commit: base } });
  t.match(await mergeBase(await find('feature-a'), ctx, 'feature-a'), { onBranch: true });
  await t.rejects(
    mergeBase(head, ctx, 'feature-c'),
    new UsageError(`there is no branch "feature-c" in ${folder}`, {
      hint: '--branch names a branch that a commit was made for; without it that is the default one.',
    }),
  );
});

t.test('a base that is on the remote only, and one that has moved there since, are fetched', async (t) => {
  const { there, commit, find, ctx, checkout, url } = clone(t);
  there('checkout', '--quiet', '-b', 'feature-a');
  const base = commit('a base');
  there('checkout', '--quiet', '-b', 'feature-b');
  const head = await find(commit('upon it'));
  const local = (...args: string[]) => execFileSync('git', ['-C', checkout, ...args], { stdio: 'pipe' });
  local('update-ref', '-d', 'refs/remotes/origin/feature-a');
  t.match(await mergeBase(head, ctx, 'feature-a'), { onBranch: false, base: { commit: base } }, 'nowhere but there');
  const mains = there('rev-parse', 'main');
  local('update-ref', 'refs/remotes/origin/feature-a', mains);
  t.match(await mergeBase(head, ctx, 'feature-a'), { base: { commit: base } }, 'what is here is older');
  there('branch', '--quiet', '-D', 'feature-a');
  t.match(await mergeBase(head, ctx, 'feature-a'), { base: { commit: base } }, 'it was merged and removed: as it was');
  await t.rejects(mergeBase(head, ctx, 'feature-c'), {
    name: 'UsageError',
    message: `there is no branch "feature-c" in ${checkout}, nor on its remote ${url}`,
  });
  rmSync(join(ctx.paths.root, 'elsewhere'), { recursive: true });
  t.match(await mergeBase(head, ctx, 'feature-a'), { base: { commit: base } }, 'the remote does not answer');
  await t.rejects(mergeBase(head, ctx, 'feature-c'), {
    name: 'InfrastructureError',
    message: new RegExp(`^git could not fetch the branch feature-c from ${url}: fatal: `),
    hint: `Check the remote \`origin\` of ${checkout}, and the access of this host to it.`,
  });
});

t.test('the merge-base with a branch in a copy of a remote', async (t) => {
  const { git, commit, find, ctx } = remote(t);
  git('checkout', '--quiet', '-b', 'release/1.4');
  const base = commit('of the release');
  git('checkout', '--quiet', '-b', 'fix');
  commit('a fix for it');
  t.match(await mergeBase(await find('fix'), ctx, 'release/1.4'), { onBranch: false, base: { commit: base } });
});
