/** Pull requests into other branches than the default one, two things told for one second, and release lines. */
import t, { type Test } from 'tap';
import type { ServiceConfig } from '../../../scripts/config/service.ts';
import { reconcile, settleTies } from '../../../scripts/service/server/reconcile.ts';
import { wantReports } from '../../../scripts/service/server/reports.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import { makeRun } from '../../run-document.ts';
import {
  deliver,
  makeContext,
  pullRequest,
  push,
  REPOSITORY,
  serviceConfig,
  startWebhooks,
  watched,
} from './deliveries.ts';
import { startGitHub } from './github-standin.ts';

const hash = (digit: string) => digit.repeat(40);
const AT = '2026-01-02T03:00:00Z';
const LATER = '2026-01-02T03:00:01Z';

/** A server, and what becomes of its jobs: one line each, the oldest first. */
async function setUp(t: Test, config: ServiceConfig = serviceConfig()) {
  const ctx = makeContext(t, { config });
  const url = await startWebhooks(t, ctx);
  return {
    ctx,
    told: async (...args: Parameters<typeof pullRequest>) =>
      (await deliver(url, { event: 'pull_request', payload: pullRequest(...args) })).body,
    pushed: async (...args: Parameters<typeof push>) =>
      (await deliver(url, { event: 'push', payload: push(...args) })).body,
    head: () => ctx.store.inbox.pullRequest(REPOSITORY, 2)!.head.slice(0, 2),
    jobs: () =>
      ctx.store.queue
        .jobs()
        .toSorted((a, b) => (a.job_id < b.job_id ? -1 : 1))
        .map(
          ({ kind, state, commit, branch }) => `${kind} ${state} ${commit.slice(0, 2)}${branch ? ` ${branch}` : ''}`,
        ),
    end: () => {
      const { job, leaseId } = ctx.store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
      ctx.store.queue.endLease(job.job_id, leaseId, { state: 'done', run_id: 'none', verdict: 'PASS' }, ctx.clock.now);
    },
  };
}

t.test('a pull request into another branch carries that branch; one into the default branch none', async (t) => {
  const { ctx, told, jobs } = await setUp(t);
  await told('opened', { number: 1, head: hash('a') });
  await told('opened', { number: 2, head: hash('b'), base: 'feature-a' });
  t.strictSame(jobs(), ['new-test queued aa', 'new-test queued bb feature-a']);
  t.match(ctx.store.inbox.pullRequest(REPOSITORY, 2), { base_ref: 'feature-a', onto_default: false });
});

t.test('with another base the head is compared anew, and what waits for the base before is replaced', async (t) => {
  const { told, jobs, end } = await setUp(t);
  const from = (ref: string) => ({ changes: { base: { ref: { from: ref } } } });
  const second = (n: number) => `2026-01-02T03:00:0${n}Z`;
  await told('opened', { head: hash('b'), base: 'feature-a', updated: second(1) });
  await told('edited', { head: hash('b'), updated: second(2), ...from('feature-a') });
  t.strictSame(jobs(), ['new-test cancelled bb feature-a', 'new-test queued bb']);
  end();
  await told('edited', { head: hash('b'), base: 'feature-a', updated: second(3), ...from('master') });
  end();
  await told('edited', { head: hash('b'), updated: second(4), ...from('feature-a') });
  t.strictSame(
    jobs(),
    ['new-test cancelled bb feature-a', 'new-test done bb', 'new-test done bb feature-a', 'new-test queued bb'],
    'also where it was compared with that base before: the newest check is to be of the base that it has',
  );
});

t.test('one head in two pull requests with different bases is compared with both, each told in its own', async (t) => {
  const { ctx, told, jobs } = await setUp(t);
  ctx.clock.now = Date.parse(LATER);
  await told('opened', { number: 1, head: hash('b'), updated: AT });
  await told('opened', { number: 2, head: hash('b'), base: 'feature-a', updated: AT });
  t.strictSame(jobs(), ['new-test queued bb', 'new-test queued bb feature-a']);
  wantReports(ctx);
  const comment = (number: number) => ctx.store.outbox.message('comment', `${REPOSITORY}#${number}`)!.wanted;
  t.match(comment(1), /#### shop\n/);
  t.notMatch(comment(1), /feature-a/);
  t.match(comment(2), /#### shop \(into feature-a\)\n/);
  const check = ctx.store.outbox.message('check', ctx.store.queue.jobs({ pull_request: 2 })[0]!.job_id)!.wanted;
  t.match(JSON.parse(check).run.summary, /^It goes into feature-a: it is compared with where it left that branch\./);
});

t.test(
  'two pushes in one second, the newer one told first: both are measured, and the newer stays the head',
  async (t) => {
    const { told, jobs, head } = await setUp(t);
    await told('opened', { head: hash('a'), updated: AT });
    await told('synchronize', { head: hash('c'), before: hash('b'), updated: LATER });
    await told('synchronize', { head: hash('b'), before: hash('a'), updated: LATER });
    t.strictSame(jobs(), ['new-test cancelled aa', 'new-test queued cc', 'new-test queued bb']);
    t.equal(head(), 'cc');
    await told('synchronize', { head: hash('d'), before: hash('c'), updated: '2026-01-02T03:00:02Z' });
    t.strictSame(jobs().slice(1), ['new-test cancelled cc', 'new-test cancelled bb', 'new-test queued dd']);
  },
);

t.test('two pushes in one second, told in their order: the one that follows the known head is the head', async (t) => {
  const { told, jobs, head } = await setUp(t);
  await told('opened', { head: hash('a'), updated: AT });
  await told('synchronize', { head: hash('b'), before: hash('a'), updated: LATER });
  await told('synchronize', { head: hash('c'), before: hash('b'), updated: LATER });
  t.strictSame([jobs().slice(1), head()], [['new-test queued bb', 'new-test queued cc'], 'cc']);
});

t.test('three pushes in one second, in any order: the last of them is measured', async (t) => {
  const deliveries = [
    { head: hash('b'), before: hash('a') },
    { head: hash('c'), before: hash('b') },
    { head: hash('d'), before: hash('c') },
  ];
  for (const order of ['012', '021', '102', '120', '201', '210']) {
    const { told, jobs } = await setUp(t);
    await told('opened', { head: hash('a'), updated: AT });
    for (const which of order) await told('synchronize', { ...deliveries[Number(which)]!, updated: LATER });
    t.ok(jobs().includes('new-test queued dd'), `${order}: ${jobs().join(', ')}`);
  }
});

t.test('with a token GitHub is asked at once which of two heads it is, and the other one is replaced', async (t) => {
  const { ctx, told, jobs, head } = await setUp(t);
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(REPOSITORY, hash('e'));
  ctx.github = connectGitHub(github.env.user, ctx.now);
  repository.addPull({ number: 2, head: hash('d'), updatedAt: LATER });
  await told('opened', { head: hash('a'), updated: AT });
  await told('synchronize', { head: hash('b'), before: hash('a'), updated: LATER });
  await settleTies(ctx);
  t.equal(github.asked.length, 0, 'nothing is asked where there is no tie');
  await told('synchronize', { head: hash('d'), before: hash('c'), updated: LATER });
  t.strictSame([jobs().slice(1), head()], [['new-test queued bb', 'new-test queued dd'], 'bb']);
  await settleTies(ctx);
  t.strictSame([jobs().slice(1), head()], [['new-test cancelled bb', 'new-test queued dd'], 'dd']);
  t.equal(github.count('pulls/get'), 1);
  await settleTies(ctx);
  t.equal(github.count('pulls/get'), 1, 'once');
  await told('synchronize', { head: hash('c'), before: hash('b'), updated: LATER });
  github.next({ status: 502 });
  await settleTies(ctx);
  t.match(ctx.lines.at(-1), /Hello-World: GitHub could not be asked what was missed: .*502.*; it is tried again$/);
  await reconcile(ctx);
  t.equal(head(), 'dd');
  t.notOk(jobs().includes('new-test queued cc'), 'what GitHub does not answer at once, reconcile asks for');
  t.strictSame(github.faults, []);
});

t.test('closed and pushed to in one second: GitHub says whether it is open', async (t) => {
  const { ctx, told, jobs } = await setUp(t);
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  ctx.github = connectGitHub(github.env.user, ctx.now);
  github.addRepository(REPOSITORY).addPull({ number: 2, head: hash('b'), updatedAt: AT, open: false });
  await told('closed', { head: hash('b'), open: false, updated: AT });
  await told('opened', { head: hash('b'), updated: AT });
  t.strictSame(jobs(), ['new-test queued bb']);
  await settleTies(ctx);
  t.strictSame(jobs(), ['new-test cancelled bb']);
});

const LINES = serviceConfig([watched({ branches: ['release-1.4', 'lts/*'] })]);

t.test('pushes to the branches that mayfly.yaml names are measured, each branch for itself', async (t) => {
  const { ctx, pushed, jobs } = await setUp(t, LINES);
  const to = (branch: string) => ({ ref: `refs/heads/${branch}` });
  await pushed(hash('a'));
  await pushed(hash('a'), to('release-1.4'));
  await pushed(hash('b'), to('lts/2025'));
  const wanted = ['new-master queued aa', 'new-master queued aa release-1.4', 'new-master queued bb lts/2025'];
  t.strictSame(jobs(), wanted, 'the same commit on two branches belongs to two master sets');
  t.match(ctx.store.queue.jobs()[1], { ref: 'release-1.4', branch: 'release-1.4', requested_by: 'push' });
  for (const branch of ['release-1.5', 'release-1x4', 'lts/2025/fix', 'lts', 'gh-readonly-queue/master/pr-1'])
    t.match(
      await pushed(hash('c'), to(branch)),
      { why: 'only pushes to the default branch, and to the branches that mayfly.yaml names, are measured' },
      branch,
    );
  t.match(await pushed(hash('c'), { ref: 'refs/tags/release-1.4' }), { status: 'ignored' }, 'a tag');
  t.match(await pushed('0'.repeat(40), { ...to('release-1.4'), deleted: true }), { why: 'the branch was deleted' });
  t.strictSame(jobs(), wanted);
  wantReports(ctx);
  const line = ctx.store.queue.jobs().find(({ branch }) => branch === 'release-1.4')!;
  t.match(
    JSON.parse(ctx.store.outbox.message('check', line.job_id)!.wanted).run.summary,
    /^A commit of release-1\.4: it is compared with the anchor of that branch\./,
  );
});

t.test('heads of release lines whose webhook was lost are made up for', async (t) => {
  const { ctx, jobs } = await setUp(t, LINES);
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  ctx.github = connectGitHub(github.env.user, ctx.now);
  const repository = github.addRepository(REPOSITORY, hash('a'));
  for (let i = 0; i < 120; i++) repository.push(`topic-${i}`, hash('f'));
  repository.push('release-1.4', hash('b'));
  repository.push('lts/2025', hash('c'));
  const side = makeRun().sides.candidate;
  ctx.store.addRun(makeRun({ master: true, branch: 'lts/2025', sides: { candidate: { ...side, commit: hash('c') } } }));
  await reconcile(ctx);
  t.strictSame(jobs(), ['new-master queued aa', 'new-master queued bb release-1.4'], 'the third is in its master set');
  await reconcile(ctx);
  t.equal(jobs().length, 2);
  t.strictSame(github.faults, []);
});
