/** From jobs in the store to what stands on GitHub: the real Octokit against the stand-in. */
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Job, type NewJob, PRIORITY } from '../../../scripts/documents/job.ts';
import type { RunDocument } from '../../../scripts/documents/run.ts';
import { sendWaiting } from '../../../scripts/service/server/outbox.ts';
import { githubSenders, wantReports } from '../../../scripts/service/server/reports.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import type { Outcome } from '../../../scripts/store/jobs.ts';
import { makeJudged, makeRun } from '../../run-document.ts';
import { makeContext, serviceConfig, watched } from './deliveries.ts';
import { startGitHub } from './github-standin.ts';

const NAME = 'octo/shop';
const HEAD = 'a1'.repeat(20);
const NEXT = 'b2'.repeat(20);
const WORKER = { host: 'h', pid: 1, pid_start: '1' };
const MINUTE = 60_000;
const hash = () => randomBytes(20).toString('hex');

type Kind = 'actions' | 'user' | 'app';

/**
 * A server over a store of its own, a GitHub with the pull request #7 at HEAD, and hands for what workers and webhooks
 * do.
 */
async function setUp(t: Test, { by = 'app' as Kind, fork = false, benchmarks = ['shop', 'caddy'] } = {}) {
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(NAME);
  repository.addPull({ number: 7, head: HEAD, fork });
  const ctx = makeContext(t, { config: serviceConfig([watched({ name: NAME, benchmarks })]) });
  ctx.clock.now = Date.now();
  ctx.github = connectGitHub(github.env[by], ctx.now);
  const { queue, inbox, outbox } = ctx.store;
  const add = (laid: Partial<NewJob> = {}): Job =>
    queue.enqueue(
      {
        kind: 'new-test',
        repository: NAME,
        benchmark: 'shop',
        commit: HEAD,
        pull_request: 7,
        requested_by: 'pull request',
        priority: PRIORITY.pull_request,
        deadline_s: 3600,
        ...laid,
      },
      { now: ctx.now() },
    ).job;
  let runs = 0;
  const runId = () => `01JZZZZZZZZZZZZZZZZZZZ${String(++runs).padStart(4, '0')}`;
  return {
    github,
    repository,
    ctx,
    add,
    queue,
    inbox,
    outbox,
    claim: () => queue.claim(WORKER, ctx.now())!,
    /** The next job, brought to its end; with a run where one is given. */
    end: (outcome: Partial<Outcome> & { state: Outcome['state'] }, run?: RunDocument) => {
      const { job, leaseId } = queue.claim(WORKER, ctx.now())!;
      const run_id = run && runId();
      if (run)
        ctx.store.addRun({
          ...run,
          run_id: run_id!,
          archive: undefined,
          ...(run.verdict ? { verdict: { ...run.verdict, run_id: run_id! } } : {}),
        });
      queue.endLease(job.job_id, leaseId, { ...outcome, ...(run_id ? { run_id } : {}) } as Outcome, ctx.now());
      return job;
    },
    see: (head: string, laid: { from_fork?: boolean; open?: boolean } = {}) =>
      inbox.savePullRequest({
        repository: NAME,
        number: 7,
        head,
        base_ref: 'main',
        onto_default: true,
        labels: [],
        from_fork: fork,
        open: true,
        updated_ms: ctx.now(),
        ...laid,
      }),
    turn: async () => {
      wantReports(ctx);
      await sendWaiting(ctx, githubSenders(ctx));
    },
    pass: (ms: number) => void (ctx.clock.now += ms),
    /** Nothing waits and no request was wrong. */
    settled: () => {
      t.strictSame(github.faults, []);
      t.strictSame(outbox.unsent(Number.MAX_SAFE_INTEGER), []);
    },
  };
}

const slower = makeJudged({ factors: { latency_med: 1.2 } });

for (const by of ['actions', 'app'] as const) {
  t.test(
    `as ${by}: a pull request from the queue to its verdict: one check run and one comment, kept up to date`,
    async (t) => {
      const { repository, add, queue, turn, pass, claim, ctx, see, settled, github } = await setUp(t, { by });
      see(HEAD);
      const { job_id } = add();
      await turn();
      t.match(repository.checkRuns, [
        { status: 'queued', title: 'Queued, next in line', external_id: job_id, name: 'mayfly: shop', head_sha: HEAD },
      ]);
      t.match(repository.comments, [
        { number: 7, author: github.logins[by], body: /^<!-- mayfly:octo\/shop#7 -->[^]*#### shop\n\nwaits/ },
      ]);
      const { leaseId } = claim();
      ctx.store.addRun({ ...slower, run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA' });
      for (let round = 0; round < 10; round++) {
        queue.renew(job_id, leaseId, ctx.now(), {
          text: `round ${round}`,
          at: new Date(ctx.now()).toISOString(),
          run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA',
          rounds_done: round,
          rounds_most: 40,
        });
        for (let i = 0; i < 5; i++) {
          await turn();
          pass(1000);
        }
      }
      t.match(repository.checkRuns, [
        { status: 'in_progress', details_url: 'https://mayfly.example.org/runs/01JZZZZZZZZZZZZZZZZZZZZZZA' },
      ]);
      t.match(repository.checkRuns[0]!.title, /^\d of at most 40 rounds measured$/);
      t.ok(github.count('checks/update') <= 5, 'at most every 15 s');
      t.match(repository.comments[0]!.body, /is \[measured now\]/);
      const edits = github.count('issues/update-comment');
      t.ok(edits <= 2, 'rounds are not in the comment');
      queue.endLease(
        job_id,
        leaseId,
        { state: 'done', run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA', verdict: 'REGRESSION' },
        ctx.now(),
      );
      pass(15_000);
      await turn();
      t.match(repository.checkRuns, [{ status: 'completed', conclusion: 'failure', title: /^REGRESSION: / }]);
      t.match(repository.comments, [{ body: /\*\*REGRESSION\*\*: shop at HEAD[^]*\| latency med \|/ }]);
      t.equal(github.count('issues/update-comment'), edits + 1);
      const asked = github.asked.length;
      pass(MINUTE);
      await turn();
      t.equal(github.asked.length, asked, 'nothing changes, nothing is said');
      settled();
    },
  );
}

t.test("by a person's token: commit statuses in place of check runs", async (t) => {
  const { repository, add, turn, pass, end, settled } = await setUp(t, { by: 'user' });
  add();
  await turn();
  end({ state: 'done', verdict: 'PASS' }, makeJudged());
  pass(15_000);
  await turn();
  t.match(repository.statuses, [
    { state: 'pending', context: 'mayfly: shop' },
    { state: 'success', description: /^PASS: / },
  ]);
  t.equal(repository.checkRuns.length, 0);
  t.match(repository.comments, [{ author: 'mayfly-user', body: /\*\*PASS\*\*/ }]);
  settled();
});

t.test('a commit of the default branch has a check run, and nobody a comment', async (t) => {
  const { repository, add, turn, end, settled } = await setUp(t);
  add({ kind: 'new-master', commit: 'a'.repeat(40), pull_request: undefined, ref: 'main' });
  end({ state: 'done' }, makeRun());
  await turn();
  t.match(repository.checkRuns, [
    {
      head_sha: 'a'.repeat(40),
      status: 'completed',
      conclusion: 'neutral',
      title: 'Measured alone: there is no verdict',
    },
  ]);
  t.equal(repository.comments.length, 0);
  settled();
});

t.test('places in the queue, and a queue that is paused', async (t) => {
  const { repository, add, turn, pass, queue, ctx, settled } = await setUp(t);
  add();
  add({ benchmark: 'caddy' });
  add({ kind: 'new-master', commit: 'a'.repeat(40), pull_request: undefined, priority: PRIORITY.master });
  const titles = () =>
    repository.checkRuns.toSorted((a, b) => a.external_id.localeCompare(b.external_id)).map(({ title }) => title);
  await turn();
  t.strictSame(
    titles(),
    ['Queued behind 1 job', 'Queued behind 2 jobs', 'Queued, next in line'],
    'the default branch goes first',
  );
  queue.pause({ by: 'me', at: new Date(ctx.now()).toISOString() });
  pass(15_000);
  await turn();
  t.strictSame(new Set(titles()), new Set(['Queued; the queue is paused']));
  settled();
});

t.test('a newer push: its job on top, the older one folded and its check run cancelled', async (t) => {
  const { repository, add, turn, pass, see, settled } = await setUp(t);
  see(HEAD);
  add();
  await turn();
  repository.pushPull(7, NEXT);
  pass(20_000);
  see(NEXT);
  add({ commit: NEXT });
  await turn();
  t.match(repository.checkRuns, [
    { head_sha: HEAD, conclusion: 'cancelled', title: /^Cancelled: replaced by job/ },
    { head_sha: NEXT, status: 'queued' },
  ]);
  t.equal(repository.comments.length, 1);
  t.match(
    repository.comments[0]!.body,
    /### Mayfly at `b2b2b2b2b2b2`[^]*#### shop\n\nwaits[^]*<details>\n<summary>Other jobs of this pull request \(1\)<\/summary>\n\n- `a1a1a1a1a1a1` shop: cancelled: replaced/,
  );
  settled();
});

t.test('a fork that nobody has asked for: said once, in the comment that later has the result', async (t) => {
  const { repository, add, turn, pass, see, end, github, settled } = await setUp(t, { fork: true });
  see(HEAD);
  for (let i = 0; i < 3; i++) await turn();
  t.match(repository.comments, [{ body: /comes from a fork[^]*`\/bench commit=(a1){20}`/ }]);
  t.equal(repository.checkRuns.length, 0);
  repository.pushPull(7, NEXT);
  pass(MINUTE);
  see(NEXT);
  await turn();
  t.match(repository.comments, [{ body: /`\/bench commit=(b2){20}`/ }]);
  add({ commit: NEXT, requested_by: '@maintainer' });
  end({ state: 'done', verdict: 'REGRESSION' }, slower);
  await turn();
  t.match(repository.comments, [{ body: /\*\*REGRESSION\*\*/ }]);
  t.notMatch(repository.comments[0]!.body, /fork/);
  t.equal(github.count('issues/create-comment'), 1);
  settled();
});

t.test(
  'no comment into what is closed, into what rested for weeks, or into a pull request of the repository itself without jobs',
  async (t) => {
    const { repository, turn, inbox, ctx, settled } = await setUp(t);
    const pull = (number: number, laid: object) =>
      inbox.savePullRequest({
        repository: NAME,
        number,
        head: hash(),
        base_ref: 'main',
        onto_default: true,
        labels: [],
        from_fork: true,
        open: true,
        updated_ms: ctx.now(),
        ...laid,
      });
    pull(11, { open: false });
    pull(12, { updated_ms: ctx.now() - 60 * 24 * 60 * MINUTE });
    pull(13, { from_fork: false });
    await turn();
    t.equal(repository.comments.length, 0);
    settled();
  },
);

t.test('jobs that GitHub does not know of', async (t) => {
  const { github, add, turn, settled } = await setUp(t);
  add({ repository: undefined, pull_request: undefined });
  add({ repository: 'somebody/else', benchmark: 'caddy' });
  add({ commit: 'HEAD', pull_request: undefined });
  await turn();
  t.strictSame(github.asked, []);
  settled();
});

t.test('GitHub was down all the while: afterwards only how it ended is said', async (t) => {
  const { repository, github, add, turn, pass, end, settled, ctx } = await setUp(t);
  github.next({ status: 503, times: Infinity });
  add();
  await turn();
  pass(MINUTE);
  end({ state: 'done', verdict: 'REGRESSION' }, slower);
  for (let i = 0; i < 30; i++) {
    pass(MINUTE);
    await turn();
  }
  t.ok(github.asked.length < 40, `${github.asked.length} requests in half an hour`);
  github.asked.length = 0;
  github.recover();
  for (let i = 0; i < 3; i++) {
    pass(15 * MINUTE);
    await turn();
  }
  t.match(repository.checkRuns, [{ status: 'completed', conclusion: 'failure' }]);
  t.equal(github.count('checks/create') + github.count('checks/update'), 1);
  t.match(repository.comments, [{ body: /REGRESSION/ }]);
  t.ok(ctx.lines.length <= 3, ctx.lines.join('\n'));
  settled();
});

for (const trouble of [{ lost: true }, { drop: true }, { status: 502 }, { limit: 'secondary', seconds: 60 }] as const) {
  t.test(`${Object.keys(trouble)[0]} while something is made: there is one of each in the end`, async (t) => {
    const { repository, github, add, turn, pass, see, settled } = await setUp(t);
    see(HEAD);
    for (const operation of [/^POST .*check-runs/, /^POST .*comments/])
      github.next({ ...trouble, on: operation, times: 2 });
    add();
    for (let i = 0; i < 6; i++) {
      await turn();
      pass(2 * MINUTE);
    }
    t.equal(repository.checkRuns.length, 1);
    t.equal(repository.comments.length, 1);
    settled();
  });
}

t.test('killed between sending and writing it down: nothing is made twice', async (t) => {
  const { repository, add, ctx, outbox, turn, settled } = await setUp(t);
  add();
  wantReports(ctx);
  const senders = githubSenders(ctx);
  for (const message of outbox.unsent(Number.MAX_SAFE_INTEGER)) await senders[message.channel]!(message);
  t.equal(outbox.unsent(Number.MAX_SAFE_INTEGER).length, 2, 'the store does not know of it');
  await turn();
  t.equal(repository.checkRuns.length, 1);
  t.equal(repository.comments.length, 1);
  settled();
});

t.test('what somebody has removed is made again with the next news', async (t) => {
  const { repository, add, end, turn, pass, settled } = await setUp(t);
  add();
  await turn();
  repository.comments.length = repository.checkRuns.length = 0;
  end({ state: 'failed', fault: 'other', reason: 'no engine' });
  pass(MINUTE);
  await turn();
  t.match(repository.comments, [{ body: /Not measured: no engine/ }]);
  t.match(repository.checkRuns, [{ conclusion: 'neutral', title: 'Not measured: no engine' }]);
  settled();
});

t.test('a commit that GitHub does not have is said once in the log and holds nothing up', async (t) => {
  const { repository, github, add, turn, ctx, pass } = await setUp(t);
  const gone = add({ commit: hash(), pull_request: undefined });
  add();
  for (let i = 0; i < 5; i++) {
    await turn();
    pass(MINUTE);
  }
  t.match(repository.checkRuns, [{ head_sha: HEAD }]);
  t.strictSame(ctx.lines.length, 1);
  t.match(ctx.lines[0], new RegExp(`^check ${gone.job_id} could not be sent: GitHub: POST .*: 422 No commit found`));
  t.strictSame(github.faults, []);
});

t.test('thousands of jobs that have ended cost nothing', async (t) => {
  const { ctx, queue, add, claim, outbox } = await setUp(t);
  ctx.store.transaction(() => {
    for (let i = 0; i < 3000; i++) {
      add({ commit: hash(), pull_request: undefined });
      const { job, leaseId } = claim();
      queue.endLease(job.job_id, leaseId, { state: 'failed', fault: 'other', reason: 'x' }, ctx.now());
      ctx.clock.now += 1000;
    }
  });
  wantReports(ctx);
  t.equal(outbox.unsent(Number.MAX_SAFE_INTEGER, 20_000).length, 3000, 'all of the last days');
  let read = 0;
  const counting = {
    ...ctx.store,
    queue: {
      ...queue,
      jobs: (filter: Parameters<typeof queue.jobs>[0]) => {
        const found = queue.jobs(filter);
        read += found.length;
        return found;
      },
    },
  };
  const before = ctx.store.site.revision();
  wantReports({ ...ctx, store: counting });
  t.equal(read, 100, 'one page is read');
  t.equal(ctx.store.site.revision(), before, 'and nothing is written');
  // A clock that was set back puts a new job among the old ones.
  const late = add({ commit: hash(), pull_request: undefined });
  const { leaseId } = claim();
  queue.endLease(late.job_id, leaseId, { state: 'failed', fault: 'other', reason: 'x' }, ctx.now() - 30 * MINUTE + 500);
  ctx.clock.now += 11 * MINUTE;
  wantReports(ctx);
  t.ok(outbox.message('check', late.job_id));
});

t.test('a second pull request with the same head: measured once, told in both', async (t) => {
  const { github, repository, ctx, add, end, see, turn, inbox, settled } = await setUp(t, { benchmarks: ['shop'] });
  see(HEAD);
  add();
  await turn();
  repository.addPull({ number: 8, head: HEAD });
  inbox.savePullRequest({
    repository: NAME,
    number: 8,
    head: HEAD,
    base_ref: 'main',
    onto_default: true,
    labels: [],
    from_fork: false,
    open: true,
    updated_ms: ctx.now(),
  });
  t.equal(add({ pull_request: 8 }).pull_request, 7, 'the job is there already');
  await turn();
  end({ state: 'done', verdict: 'REGRESSION' } as Outcome, slower);
  ctx.clock.now += MINUTE;
  await turn();
  await turn();
  t.same(repository.comments.map(({ number }) => number).sort(), [7, 8]);
  for (const { body } of repository.comments) t.match(body, /REGRESSION/);
  t.equal(github.count('checks/create'), 1, 'one check run: it belongs to the commit');
  settled();
});
