import t, { type Test } from 'tap';
import type { ServiceConfig } from '../../../scripts/config/service.ts';
import { reconcile } from '../../../scripts/service/server/reconcile.ts';
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

const HEAD = 'a1'.repeat(20);
const B = 'b2'.repeat(20);
const C = 'c3'.repeat(20);
const OTHER = 'octo/other';

/** A server that watches a repository of the stand-in, whose default branch is at HEAD. */
async function setUp(t: Test, config: ServiceConfig = serviceConfig()) {
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(REPOSITORY, HEAD);
  const ctx = makeContext(t, { config });
  ctx.github = connectGitHub(github.env.user, ctx.now);
  return {
    github,
    repository,
    ctx,
    turn: () => reconcile(ctx),
    jobs: () =>
      ctx.store.queue
        .jobs()
        .map(
          ({ kind, state, benchmark, commit, pull_request }) =>
            `${kind} ${state} ${benchmark} ${commit.slice(0, 2)}${pull_request === undefined ? '' : ` #${pull_request}`}`,
        )
        .sort(),
  };
}

t.test('what no webhook told of is queued, once', async (t) => {
  const { repository, ctx, turn, jobs, github } = await setUp(
    t,
    serviceConfig([watched({ benchmarks: ['shop', 'caddy'] })]),
  );
  repository.addPull({ number: 2, head: B });
  repository.addPull({ number: 3, head: C, fork: true });
  repository.addPull({ number: 4, head: C, open: false });
  await turn();
  const wanted = [
    'new-master queued caddy a1',
    'new-master queued shop a1',
    'new-test queued caddy b2 #2',
    'new-test queued shop b2 #2',
  ];
  t.strictSame(jobs(), wanted, 'the head of the default branch and the open pull request, not the fork');
  t.match(ctx.store.queue.jobs({ commit: HEAD })[0], { ref: 'main', requested_by: 'push' });
  t.match(
    ctx.store.inbox.openPullRequests(REPOSITORY).map(({ number, from_fork }) => [number, from_fork]),
    [
      [2, false],
      [3, true],
    ],
  );
  t.match([ctx.lines, ctx.wakes()], [[/Hello-World: queued what no webhook had asked for: \w{26}, /], 1]);
  await turn();
  t.strictSame([jobs(), ctx.wakes()], [wanted, 1]);
  t.strictSame(github.faults, []);
});

t.test('what webhooks told of already is left as it is', async (t) => {
  const { repository, ctx, turn, jobs } = await setUp(t);
  repository.addPull({ number: 2, head: B, updatedAt: '2026-01-02T03:00:00Z' });
  const url = await startWebhooks(t, ctx);
  await deliver(url, { event: 'push', payload: push(HEAD) });
  await deliver(url, {
    event: 'pull_request',
    payload: pullRequest('opened', { head: B, updated: '2026-01-02T03:00:00Z' }),
  });
  const before = jobs();
  t.equal(before.length, 2);
  await turn();
  t.strictSame([jobs(), ctx.lines], [before, []]);
});

t.test('a head that a lost webhook told of replaces the one before', async (t) => {
  const { repository, turn, jobs } = await setUp(t);
  repository.addPull({ number: 2, head: B });
  await turn();
  repository.pushPull(2, C);
  repository.push('main', 'd4'.repeat(20));
  await turn();
  t.strictSame(jobs(), [
    'new-master queued shop a1',
    'new-master queued shop d4',
    'new-test cancelled shop b2 #2',
    'new-test queued shop c3 #2',
  ]);
});

t.test('pull requests that were closed unheard are closed, and their jobs end; reopened ones come back', async (t) => {
  const { repository, ctx, turn, jobs } = await setUp(t);
  const pull = repository.addPull({ number: 2, head: B });
  repository.addPull({ number: 5, head: C });
  await turn();
  Object.assign(pull, { open: false, updatedAt: '2099-01-01T00:00:00Z' });
  await turn();
  t.strictSame(jobs().slice(1), ['new-test cancelled shop b2 #2', 'new-test queued shop c3 #5']);
  t.equal(ctx.store.queue.jobs({ pull_request: 2 })[0]!.reason, 'its pull request was closed');
  t.strictSame(
    ctx.store.inbox.openPullRequests(REPOSITORY).map(({ number }) => number),
    [5],
  );
  pull.open = true;
  await turn();
  t.strictSame(jobs().slice(1), [
    'new-test cancelled shop b2 #2',
    'new-test queued shop b2 #2',
    'new-test queued shop c3 #5',
  ]);
});

t.test('a pull request that GitHub knows no more is closed, and the others go on', async (t) => {
  const { repository, ctx, turn, jobs } = await setUp(t);
  repository.addPull({ number: 2, head: B });
  const pull = repository.addPull({ number: 5, head: C });
  await turn();
  repository.pulls.delete(2);
  pull.open = false;
  await turn();
  t.strictSame(
    [ctx.store.inbox.openPullRequests(REPOSITORY), jobs().slice(1)],
    [[], ['new-test cancelled shop b2 #2', 'new-test cancelled shop c3 #5']],
  );
});

t.test('what somebody cancelled, what failed and what was measured by hand stays', async (t) => {
  const { repository, ctx, turn, jobs } = await setUp(t);
  repository.addPull({ number: 2, head: B });
  repository.addPull({ number: 3, head: C });
  const side = makeRun().sides.candidate;
  ctx.store.addRun(makeRun({ master: true, sides: { candidate: { ...side, commit: HEAD } } }));
  await turn();
  t.strictSame(
    jobs(),
    ['new-test queued shop b2 #2', 'new-test queued shop c3 #3'],
    'the head of the default branch is in the master set',
  );
  ctx.store.queue.cancel(ctx.store.queue.jobs({ pull_request: 2 })[0]!.job_id, 'somebody said no', ctx.clock.now);
  const { job, leaseId } = ctx.store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
  ctx.store.queue.endLease(
    job.job_id,
    leaseId,
    { state: 'failed', fault: 'build', reason: 'it does not build' },
    ctx.clock.now,
  );
  await turn();
  t.strictSame(jobs(), ['new-test cancelled shop b2 #2', 'new-test failed shop c3 #3']);
});

t.test(
  'a run that is not of the master set, or is of another side or not whole, does not stand for the head',
  async (t) => {
    const { ctx, turn, jobs } = await setUp(t);
    const { candidate } = makeRun().sides;
    const at = (commit: string) => ({ ...candidate, commit });
    ctx.store.addRun(makeRun({ run_id: '01JZZZZZZZZZZZZZZZZZZZZZZ1', sides: { candidate: at(HEAD) } }));
    ctx.store.addRun(
      makeRun({ run_id: '01JZZZZZZZZZZZZZZZZZZZZZZ2', master: true, sides: { candidate: at(B), baseline: at(HEAD) } }),
    );
    ctx.store.addRun(
      makeRun({
        run_id: '01JZZZZZZZZZZZZZZZZZZZZZZ3',
        master: true,
        status: 'interrupted',
        sides: { candidate: at(HEAD) },
      }),
    );
    await turn();
    t.strictSame(jobs(), ['new-master queued shop a1']);
  },
);

t.test('where the repository waits to be asked, only its default branch is queued', async (t) => {
  const { repository, turn, jobs, ctx } = await setUp(t, serviceConfig([watched({ eachPullRequest: false })]));
  repository.addPull({ number: 2, head: B });
  await turn();
  t.strictSame(jobs(), ['new-master queued shop a1']);
  t.match(ctx.store.inbox.pullRequest(REPOSITORY, 2), { head: B, open: true });
});

t.test('more pull requests than a page of GitHub holds', async (t) => {
  const { repository, turn, ctx, github } = await setUp(t);
  for (let number = 1; number <= 130; number++)
    repository.addPull({ number, head: number.toString(16).padStart(40, '0') });
  await turn();
  t.equal(ctx.store.queue.count(), 131);
  t.strictSame(github.faults, []);
});

t.test('a repository that fails does not stop the others, and is said once', async (t) => {
  const config = serviceConfig([watched(), watched({ name: OTHER })]);
  const { github, turn, jobs, ctx } = await setUp(t, config);
  github.addRepository(OTHER, C);
  github.next({ status: 502, times: 3, on: /Hello-World/ });
  for (let i = 0; i < 3; i++) await turn();
  t.strictSame(jobs(), ['new-master queued shop c3']);
  t.match(ctx.lines, [
    /^Codertocat\/Hello-World: GitHub could not be asked what was missed: .*502.*; it is tried again$/,
    /^octo\/other: queued/,
  ]);
  github.next({ status: 404, on: /Hello-World/ });
  await turn();
  t.match(ctx.lines[2], /404/, 'another fault is news');
  await turn();
  t.match(ctx.lines.slice(3), [/^Codertocat\/Hello-World: queued/, /^Codertocat\/Hello-World: GitHub answers again$/]);
  await turn();
  t.equal(ctx.lines.length, 5);
  t.strictSame(github.faults, []);
});

t.test('a rate limit is waited for, and a clock that was set back does not wait for ever', async (t) => {
  const { github, turn, jobs, ctx } = await setUp(t);
  github.next({ limit: 'primary', seconds: 900 });
  await turn();
  ctx.clock.now += 600_000;
  await turn();
  t.equal(github.asked.length, 1);
  ctx.clock.now += 600_000;
  await turn();
  t.strictSame(jobs(), ['new-master queued shop a1']);
  github.next({ limit: 'primary', seconds: 900 });
  await turn();
  ctx.clock.now -= 365 * 24 * 3600_000;
  const asked = github.asked.length;
  await turn();
  t.ok(github.asked.length > asked);
});

t.test('GitHub breaks off in the middle: what was learnt is kept, the rest comes with the next turn', async (t) => {
  const { github, repository, turn, jobs } = await setUp(t);
  repository.addPull({ number: 2, head: B });
  github.next({ drop: true, on: /pulls/ });
  await turn();
  t.strictSame(jobs(), ['new-master queued shop a1']);
  await turn();
  t.strictSame(jobs(), ['new-master queued shop a1', 'new-test queued shop b2 #2']);
});
