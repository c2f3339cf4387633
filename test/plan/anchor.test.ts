/** What the default branch is measured against, with real git and a real store: after a force push, on a new host. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Context } from '../../scripts/app/context.ts';
import { paths } from '../../scripts/core/paths.ts';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { fingerprint } from '../../scripts/plan/host.ts';
import { makePlan } from '../../scripts/plan/plan.ts';
import { openStore } from '../../scripts/store/db.ts';
import { aConfig } from '../fixtures/plan.ts';
import { makeRun } from '../run-document.ts';
import { gitIn } from './git-in.ts';

const OLD = { version: '20.10', cores: 2, memoryBytes: 24 * 2 ** 30, kernel: '6.18', os: 'Debian' };
const PATCHED = { ...OLD, kernel: '6.19' };
const hostOf = (engine: typeof OLD) => fingerprint(engine);
const short = (hash: string) => hash.slice(0, 12);

/** A repository with a default branch, and a store in which its runs are kept as they are measured. */
function setUp(t: Test) {
  const folder = join(t.testdir(), 'repository');
  const dir = join(folder, '..', 'benchmark');
  for (const made of [folder, dir]) mkdirSync(made);
  const git = gitIn(folder);
  git('init', '--quiet', '-b', 'main');
  const store = openStore(join(folder, '..', 'mayfly.db'));
  t.teardown(() => store.close());
  let engine = OLD;
  let runs = 0;
  const said: string[] = [];
  const progress = {
    info: (text: string) => void said.push(text),
    warn: (text: string) => void said.push(`warning: ${text}`),
    begin: () => {},
    done: () => {},
    failed: () => {},
  };
  const ctx = {
    paths: paths(join(import.meta.dirname, '../..'), {}),
    newRunId: () => '01TESTRUN',
    now: () => 0,
    signal: new AbortController().signal,
    progress,
    store,
    get machine() {
      return { engine, images: {} };
    },
  } as unknown as Context;
  const commit = (text: string) => {
    writeFileSync(join(folder, 'Dockerfile'), `FROM scratch\n# ${text}\n`);
    git('add', '--all');
    git('commit', '--quiet', '--message', text);
    return git('rev-parse', 'HEAD');
  };
  const plan = async (candidate: string, branch?: string) => {
    said.length = 0;
    const recipe = { kind: 'git', repository: folder, context: '.', dockerfile: 'Dockerfile', args: {} } as const;
    return makePlan(
      aConfig({
        dir,
        commit: candidate,
        against: 'anchor',
        master: true,
        ...(branch === undefined ? {} : { branch }),
        builds: { probe: { ...recipe, network: 'none', builder: 'classic' } },
      }),
      ctx,
    );
  };
  return {
    git,
    store,
    said,
    commit,
    plan,
    patchHost: () => void (engine = PATCHED),
    /** Measures it as `npm run work` does; gives what it was measured against. */
    measure: async (candidate: string, laid: Partial<RunDocument> = {}) => {
      const { sides, host, notes, config } = await plan(candidate, laid.branch);
      const [, baseline] = sides;
      const side = (hash: string) => ({ ref: 'main', commit: hash, images: [] });
      const at = String(++runs).padStart(2, '0');
      const run = makeRun({
        run_id: `01JZZZZZZZZZZZZZZZZZZZZZ${at}`,
        benchmark: 'probe',
        started_at: `2026-01-02T03:${at}:00.000Z`,
        master: true,
        host,
        sides: { candidate: side(candidate), ...(baseline ? { baseline: side(baseline.commit) } : {}) },
        ...(notes ? { notes } : {}),
        ...laid,
        branch: config.branch,
      });
      store.addRun({ ...run, archive: undefined } as unknown as RunDocument);
      return baseline?.commit;
    },
    /** A confirmed change, the first run after which was the last one. */
    changed: (before: string, after: string, host_id = hostOf(engine).id) =>
      store.addChangePoint({
        benchmark: 'probe',
        host_id,
        metric: 'latency_med',
        commit: after,
        before,
        run_id: `01JZZZZZZZZZZZZZZZZZZZZZ${String(runs).padStart(2, '0')}`,
        at: `2026-01-02T03:${String(runs).padStart(2, '0')}:00.000Z`,
        ratio: 1.1,
        found_at: '2026-01-02T04:00:00.000Z',
      }),
  };
}

t.test('the first commit, then the first one after a change; without a word', async (t) => {
  const { commit, measure, changed, said } = setUp(t);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(commit) as [string, string, string, string];
  t.equal(await measure(a), undefined);
  t.same(said, ['measured alone: there is no run of the default branch yet']);
  t.equal(await measure(b), a);
  t.equal(await measure(c), a);
  changed(b, c);
  t.equal(await measure(d), c);
  t.same(said, []);
  t.equal(await measure(c), undefined);
  t.same(said, ['measured alone: it is the anchor of the default branch itself']);
});

t.test('a force push has removed the anchor: the next one is chosen, and said; every push is measured', async (t) => {
  const { git, commit, measure, plan, said, changed, store } = setUp(t);
  const first = commit('first');
  await measure(first);
  const second = commit('second');
  t.equal(await measure(second), first);
  const slow = commit('slow');
  t.equal(await measure(slow), first);
  changed(second, slow);
  t.equal(await measure(commit('more')), slow);
  git('reset', '--quiet', '--hard', second);
  git('reflog', 'expire', '--expire=all', '--all');
  git('gc', '--quiet', '--prune=now');
  const note = `the anchor ${short(slow)} is not in the history of ${short('X')} any more (a force push has removed it): the anchor is ${short(first)} now`;
  for (const text of ['again', 'and again', 'a third time']) {
    const pushed = commit(text);
    t.equal(await measure(pushed), first, text);
    const expected = note.replace(' X ', ` ${short(pushed)} `);
    t.same(said, [`warning: ${expected}`]);
    t.same(store.run('last').notes, [expected]);
  }
  git('checkout', '--quiet', '--orphan', 'other');
  const alone = commit('all of it anew');
  t.match(await plan(alone), { pairing: 'solo', notes: [/, nor is any other commit that was measured$/] });
  t.match(said, [/^warning: the anchor /, 'measured alone: it is the first one of the new history']);
  t.equal(await measure(alone), undefined);
  t.equal(await measure(commit('next')), alone, 'from there on it is the anchor');
});

t.test('removed from the branch, but still among the objects: it is passed over all the same', async (t) => {
  const { git, commit, measure } = setUp(t);
  const first = commit('first');
  git('tag', 'kept');
  await measure(first);
  git('checkout', '--quiet', '--orphan', 'other');
  const second = commit('second');
  t.equal(await measure(second), undefined);
  t.equal(await measure(commit('third')), second);
});

t.test('an older commit is measured against a newer anchor', async (t) => {
  const { commit, measure, said } = setUp(t);
  const [old, anchor] = ['old', 'anchor'].map(commit) as [string, string];
  await measure(anchor);
  t.equal(await measure(old), anchor);
  t.same(said, []);
});

t.test('a new host goes on from the anchor of the old one, also with the second run on it', async (t) => {
  const { commit, measure, patchHost, said, store, changed } = setUp(t);
  const [anchor, same] = ['anchor', 'same'].map(commit) as [string, string];
  await measure(anchor);
  await measure(same);
  patchHost();
  const slow = commit('slow');
  t.equal(await measure(slow), anchor, 'not alone: then it would be what all others are measured against');
  const [old, host] = [hostOf(OLD).id, hostOf(PATCHED).id];
  const note = `the first run on this host (${host}): it is measured against ${short(anchor)}, the anchor on the host ${old}, so that no change in between is lost`;
  t.same(said, [`warning: ${note}`]);
  t.same(store.run('last').notes, [note]);
  t.equal(await measure(commit('later')), anchor, 'the slow one is not jumped over');
  t.same(said, []);
  changed(same, slow, host);
  t.equal(await measure(commit('last')), slow, 'once it is confirmed there, it is');
});

t.test('a new host goes on from behind the last change of the old one', async (t) => {
  const { commit, measure, patchHost, changed } = setUp(t);
  const [before, after] = ['before', 'after'].map(commit) as [string, string];
  await measure(before);
  await measure(after);
  changed(before, after);
  patchHost();
  t.equal(await measure(commit('next')), after);
});

t.test(
  'an accepted regression is the anchor for what comes after it, and is not once that is taken back',
  async (t) => {
    const { commit, measure, store } = setUp(t);
    const first = commit('first');
    await measure(first);
    const wanted = commit('wanted');
    const of = { repository: 'octo/shop', benchmark: 'probe', commit: wanted, pull_request: 7 };
    store.acceptances.add({ acceptance_id: '1', ...of, verdict: 'REGRESSION', accepted_by: 'ada', reason: 'why' }, 0);
    t.equal(await measure(wanted), first, 'it is measured itself');
    t.equal(await measure(commit('next')), wanted);
    store.acceptances.undo('octo/shop', 7, 'ada', 1);
    t.equal(await measure(commit('after')), first);
  },
);

t.test('each branch has an anchor of its own; the default branch is one, named or not', async (t) => {
  const { git, commit, measure, changed, said } = setUp(t);
  const line = { branch: 'release-1.4' };
  const [a, b] = ['a', 'b'].map(commit) as [string, string];
  await measure(a);
  t.equal(await measure(b, { branch: 'main' }), a);
  git('checkout', '--quiet', '-b', 'release-1.4', a);
  const [r1, r2, r3] = ['r1', 'r2', 'r3'].map(commit) as [string, string, string];
  t.equal(await measure(r1, line), undefined);
  t.same(said, ['measured alone: there is no run of the branch release-1.4 yet']);
  t.equal(await measure(r2, line), r1);
  changed(r1, r2);
  t.equal(await measure(r3, line), r2);
  git('checkout', '--quiet', 'main');
  t.equal(await measure(commit('c')), a, 'a change of another branch is none of the default branch');
  t.equal(await measure(r2, line), undefined);
  t.same(said, ['measured alone: it is the anchor of the branch release-1.4 itself']);
});
