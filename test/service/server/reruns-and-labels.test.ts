/** Merge queues, checks that are run again, and labels: what is told, and what stands on GitHub. */
import t, { type Test } from 'tap';
import type { WatchedRepository } from '../../../scripts/config/service.ts';
import { NothingToCompare } from '../../../scripts/core/errors.ts';
import { PRIORITY } from '../../../scripts/documents/job.ts';
import { answerRequests } from '../../../scripts/service/server/comment-commands.ts';
import { sendWaiting } from '../../../scripts/service/server/outbox.ts';
import { githubSenders, wantReports } from '../../../scripts/service/server/reports.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import { optionsOf } from '../../../scripts/service/worker/job-options.ts';
import { failureOf } from '../../../scripts/service/worker/outcome.ts';
import {
  comment,
  type Delivery,
  deliver,
  makeContext,
  mergeGroup,
  pullRequest,
  push,
  REPOSITORY,
  rerun,
  rerunAll,
  serviceConfig,
  startWebhooks,
  watched,
} from './deliveries.ts';
import { startGitHub } from './github-standin.ts';

const HEAD = 'a1'.repeat(20);
const BASE = 'b2'.repeat(20);
const NEXT = 'c3'.repeat(20);
const AT = '2026-01-02T03:00:00Z';
const LATER = '2026-01-02T03:00:01Z';

/** A server, a GitHub that knows the commits, and what becomes of the jobs: one line each, the oldest first. */
async function setUp(t: Test, laid: Partial<WatchedRepository> = {}) {
  const ctx = makeContext(t, { config: serviceConfig([watched(laid)]) });
  const url = await startWebhooks(t, ctx);
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(REPOSITORY);
  for (const commit of [HEAD, BASE, NEXT]) repository.commits.add(commit);
  repository.addPull({ number: 2, head: HEAD });
  repository.roles.set('maintainer', 'write');
  ctx.github = connectGitHub(github.env.app, ctx.now);
  const told = async (event: string, payload: Delivery['payload'], id?: string) =>
    (await deliver(url, { event, payload, ...(id ? { id } : {}) })).body;
  return {
    ctx,
    queue: ctx.store.queue,
    told,
    pull: (...args: Parameters<typeof pullRequest>) => told('pull_request', pullRequest(...args)),
    jobs: () =>
      ctx.store.queue
        .jobs()
        .toSorted((a, b) => (a.job_id < b.job_id ? -1 : 1))
        .map(
          ({ state, benchmark, commit, requested_by }) => `${state} ${benchmark} ${commit.slice(0, 2)} ${requested_by}`,
        ),
    end: () => {
      const { job, leaseId } = ctx.store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
      ctx.store.queue.endLease(
        job.job_id,
        leaseId,
        { state: 'done', verdict: 'PASS', reason: 'the same' },
        ctx.clock.now,
      );
      return job;
    },
    /** What GitHub shows beside a commit: the newest check of each name. */
    checks: async (commit: string) => {
      ctx.clock.now += 20_000; // a check that goes on is not written more often than every 15 s
      wantReports(ctx);
      await sendWaiting(ctx, githubSenders(ctx));
      t.strictSame(github.faults, []);
      const runs = repository.checkRuns.filter(({ head_sha }) => head_sha === commit);
      return [...new Map(runs.map((run) => [run.name, run])).values()].map(
        ({ name, status, conclusion, title }) => `${name}: ${conclusion ?? status}: ${title}`,
      );
    },
  };
}

t.test(
  'a merge group is compared with what it is made upon, before other jobs, and told on its own commit',
  async (t) => {
    const { queue, told, jobs, end, checks } = await setUp(t, { eachPullRequest: false });
    const { queued } = await told('merge_group', mergeGroup('checks_requested', HEAD, BASE));
    t.match(queue.job(queued[0]), {
      kind: 'new-test',
      commit: HEAD,
      against: BASE,
      priority: PRIORITY.merge_queue,
      requested_by: 'merge queue',
    });
    t.ok(PRIORITY.by_hand > PRIORITY.merge_queue && PRIORITY.merge_queue > PRIORITY.master);
    t.strictSame(await checks(HEAD), ['mayfly: shop: queued: Queued, next in line']);
    t.strictSame((await told('merge_group', mergeGroup('checks_requested', HEAD, BASE))).queued, [], 'once');
    end();
    t.strictSame(await checks(HEAD), ['mayfly: shop: success: The same']);
    await told('merge_group', mergeGroup('destroyed', HEAD, BASE, { reason: 'merged' }));
    t.strictSame(jobs(), ['done shop a1 merge queue'], 'what has ended stays');
  },
);

t.test('a merge group that is gone is measured no more; one that comes back is', async (t) => {
  const { queue, told, jobs, pull } = await setUp(t);
  await pull('opened', { head: HEAD });
  const { queued } = await told('merge_group', mergeGroup('checks_requested', HEAD, BASE));
  await told('merge_group', mergeGroup('destroyed', HEAD, BASE, { reason: 'dequeued' }));
  t.match(queue.job(queued[0]), { state: 'cancelled', reason: 'its merge group is gone: dequeued' });
  t.strictSame(jobs()[0], 'queued shop a1 pull request', 'the job of its pull request stays');
  t.equal((await told('merge_group', mergeGroup('checks_requested', HEAD, BASE))).queued.length, 1);
  t.match(await told('merge_group', mergeGroup('moved', HEAD, BASE)), {
    status: 'ignored',
    why: 'a merge group that is moved changes nothing here',
  });
  t.match(await told('merge_group', mergeGroup('checks_requested', HEAD, 'main')), {
    error: 'merge_group.base_sha must be the hash of a commit, got "main"; nothing was done',
  });
});

t.test('Re-run of a check measures its job again, with its settings, and no push replaces it', async (t) => {
  const { queue, told, jobs, end, pull, checks } = await setUp(t, { benchmarks: ['shop', 'caddy'] });
  await pull('opened', { head: HEAD, base: 'feature-a', updated: AT });
  const first = end();
  const check = { name: 'mayfly: shop', head: HEAD, externalId: first.job_id };
  const [again] = (await told('check_run', rerun(check), 'one')).queued;
  t.match(queue.job(again), {
    commit: HEAD,
    branch: 'feature-a',
    retry_of: first.job_id,
    requested_by: '@Codertocat',
    priority: PRIORITY.by_hand,
  });
  t.strictSame(await checks(HEAD), [
    'mayfly: shop: queued: Queued, next in line',
    'mayfly: caddy: queued: Queued behind 1 job',
  ]);
  t.match(await told('check_run', rerun(check), 'one'), { status: 'known' });
  t.strictSame((await told('check_run', rerun(check))).queued, [], 'it waits already');
  await pull('synchronize', { head: NEXT, base: 'feature-a', updated: LATER });
  t.strictSame(jobs(), [
    'done shop a1 pull request',
    'cancelled caddy a1 pull request',
    'queued shop a1 @Codertocat',
    'queued shop c3 pull request',
    'queued caddy c3 pull request',
  ]);
});

t.test('what is no check of ours, or of no commit that is known here, is not run again', async (t) => {
  const { told, jobs } = await setUp(t);
  t.match(await told('check_run', rerun({ name: 'lint', head: HEAD })), { why: 'the check run is none of Mayfly' });
  t.match(await told('check_run', { ...rerun({ name: 'mayfly: shop', head: HEAD }), action: 'completed' }), {
    why: 'a check run that is completed changes nothing here',
  });
  t.match(await told('check_suite', { ...rerunAll(HEAD), action: 'completed' }), {
    why: 'a check suite that is completed changes nothing here',
  });
  const job = '01JZZZZZZZZZZZZZZZZZZZZZZA';
  t.match(await told('check_run', rerun({ name: 'mayfly: shop', head: HEAD, externalId: job })), { queued: [] });
  t.match(await told('check_suite', rerunAll(HEAD)), { queued: [] });
  t.match(await told('check_suite', rerunAll(HEAD, '$(touch x)')), {
    error: 'sender.login must be the name of a user or an App, got "$(touch x)"; nothing was done',
  });
  t.strictSame(jobs(), []);
});

t.test('Re-run all checks measures every benchmark of the commit again, the newest job of each', async (t) => {
  const { queue, told, jobs, end, pull } = await setUp(t, { benchmarks: ['shop', 'caddy'] });
  await pull('opened', { head: HEAD });
  end();
  end();
  await told('check_suite', rerunAll(HEAD));
  end();
  const { queued } = await told('check_suite', rerunAll(HEAD, 'some-app[bot]'));
  t.equal(queued.length, 1, 'the other one waits still');
  const newest = queue.job(queued[0])!;
  t.match(queue.job(newest.retry_of!), { requested_by: '@Codertocat', benchmark: newest.benchmark });
  t.strictSame(jobs().slice(2).sort(), [
    'done shop a1 @Codertocat',
    'queued caddy a1 @Codertocat',
    'queued shop a1 @some-app[bot]',
  ]);
});

t.test('each variant is run again by its own check, and all of them by Re-run all checks', async (t) => {
  const { queue, told, end, pull, checks } = await setUp(t);
  await pull('opened', { head: HEAD });
  const { repository } = end();
  const overrides = { variant: 'scaled' };
  const of = { repository, benchmark: 'shop', commit: HEAD, pull_request: 2, deadline_s: 60 };
  queue.enqueue(
    { ...of, kind: 'new-test', overrides, requested_by: '@a', priority: PRIORITY.by_hand },
    { now: Date.now() },
  );
  const scaled = end();
  t.same(await checks(HEAD), ['mayfly: shop: success: The same', 'mayfly: shop (scaled): success: The same']);
  const check = { name: 'mayfly: shop (scaled)', head: HEAD, externalId: scaled.job_id };
  const [again] = (await told('check_run', rerun(check))).queued;
  t.match(queue.job(again), { overrides, retry_of: scaled.job_id });
  end();
  const all = (await told('check_suite', rerunAll(HEAD))).queued;
  t.same(all.map((id: string) => queue.job(id)!.overrides.variant ?? 'none').sort(), ['none', 'scaled']);
});

t.test('a pull request of a fork is not run by Re-run where nobody has asked for its commit', async (t) => {
  const { told, jobs, pull } = await setUp(t, { labels: { skip: 'no-bench' } });
  await pull('opened', { head: HEAD, fork: true, labels: ['no-bench'] });
  t.strictSame((await told('check_run', rerun({ name: 'mayfly: shop', head: HEAD }))).queued, []);
  t.strictSame((await told('check_suite', rerunAll(HEAD))).queued, []);
  t.strictSame(jobs(), []);
});

t.test('a label starts: on request only, what has it is measured with every push', async (t) => {
  const { jobs, pull } = await setUp(t, { eachPullRequest: false, labels: { start: 'benchmark' } });
  await pull('opened', { head: HEAD, updated: AT });
  t.strictSame(jobs(), []);
  await pull('labeled', { head: HEAD, labels: ['bug', 'Benchmark'], updated: LATER });
  await pull('synchronize', { head: NEXT, labels: ['Benchmark'], updated: '2026-01-02T03:00:02Z' });
  t.strictSame(jobs(), ['cancelled shop a1 pull request', 'queued shop c3 pull request']);
  await pull('unlabeled', { head: NEXT, labels: [], updated: '2026-01-02T03:00:03Z' });
  t.strictSame(jobs()[1], 'cancelled shop c3 pull request', 'without it, what nobody asked for is not measured');
  await pull('labeled', { number: 3, head: BASE, labels: ['benchmark'], fork: true });
  t.equal(jobs().length, 2, 'whoever sets a label has not read the code of a fork');
});

t.test('a label skips: nothing is measured unasked, and its check is neutral until somebody asks', async (t) => {
  const { ctx, queue, told, jobs, end, pull, checks } = await setUp(t, { labels: { skip: 'no-bench' } });
  const second = (n: number) => `2026-01-02T03:00:0${n}Z`;
  await pull('opened', { head: HEAD, updated: second(0) });
  t.strictSame(await checks(HEAD), ['mayfly: shop: queued: Queued, next in line']);
  await pull('labeled', { head: HEAD, labels: ['no-bench'], updated: second(1) });
  t.match(queue.jobs(), [{ state: 'cancelled', reason: 'its pull request has the label no-bench' }]);
  const skipped = ['mayfly: shop: neutral: Not measured: the pull request has the label no-bench'];
  t.strictSame(await checks(HEAD), skipped, 'cancelled would block a merge');
  t.strictSame(await checks(HEAD), skipped);
  await pull('synchronize', { head: NEXT, labels: ['no-bench'], updated: second(2) });
  t.strictSame(await checks(NEXT), skipped);
  t.equal(jobs().length, 1);
  t.match(
    ctx.store.outbox.message('check', `skipped ${REPOSITORY}#2 shop ${NEXT}`)!.wanted,
    /`\/bench` in a comment does/,
  );
  await told(
    'check_run',
    rerun({ name: 'mayfly: shop', head: NEXT, externalId: `skipped ${REPOSITORY}#2 shop ${NEXT}` }),
  );
  t.strictSame(jobs().slice(1), ['queued shop c3 @Codertocat'], 'Re-run asks for it');
  t.strictSame(await checks(NEXT), ['mayfly: shop: queued: Queued, next in line']);
  await pull('labeled', { head: NEXT, labels: ['no-bench', 'bug'], updated: second(3) });
  t.strictSame(jobs().slice(1), ['queued shop c3 @Codertocat'], 'what somebody asked for stays');
  end();
  t.strictSame(await checks(NEXT), ['mayfly: shop: success: The same']);
  await pull('unlabeled', { number: 4, head: BASE, labels: [] });
  t.strictSame(jobs().slice(2), ['queued shop b2 pull request'], 'without the label it is measured as the others are');
});

t.test('labels that mayfly.yaml does not name change nothing', async (t) => {
  const { jobs, pull } = await setUp(t);
  t.match(await pull('labeled', { head: HEAD, labels: ['bug'] }), {
    status: 'ignored',
    why: 'a pull request that is labeled changes nothing here',
  });
  t.strictSame(jobs(), []);
  const { pull: watching } = await setUp(t, { labels: { skip: 'no-bench' } });
  const wrong = { ...pullRequest('labeled', { head: HEAD }) };
  wrong.pull_request.labels = [{ name: 7 }];
  t.match(await watching('labeled', { head: HEAD, labels: ['bug'] }), { status: 'taken' });
});

t.test('paths go with what nobody has asked for; what touches none of them is a success that says so', async (t) => {
  const paths = ['src/**', '!docs/**'];
  const { ctx, queue, told, pull, checks } = await setUp(t, { paths });
  const pathsOf = (id: string) => optionsOf(queue.job(id)!).paths;
  const sentence = 'nothing to compare: nothing under src/**, !docs/** differs between a1a1a1a1a1a1 and b2b2b2b2b2b2';
  const untouched = () => {
    const { job, leaseId } = queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
    queue.endLease(job.job_id, leaseId, failureOf(new NothingToCompare(sentence), job), ctx.clock.now);
    return job;
  };
  const { queued } = await pull('opened', { head: HEAD, updated: AT });
  t.strictSame(pathsOf(queued[0]), paths);
  const ended = untouched();
  t.strictSame(await checks(HEAD), [`mayfly: shop: success: N${sentence.slice(1)}`]);
  t.match(
    ctx.store.outbox.message('comment', `${REPOSITORY}#2`)!.wanted,
    /\*\*PASS\*\*: nothing to compare: [^\n]*\[more\]/,
  );

  for (const [event, payload] of [
    ['push', push(BASE)],
    ['merge_group', mergeGroup('checks_requested', NEXT, BASE)],
  ] as const)
    t.strictSame(pathsOf((await told(event, payload)).queued[0]), paths, event);
  for (let waiting = 2; waiting > 0; waiting--) untouched();
  t.strictSame(await checks(BASE), [`mayfly: shop: success: N${sentence.slice(1)}`], 'so is a push, without a run');
  t.strictSame((await told('push', push(BASE))).queued, [], 'which is not queued again');
  t.strictSame(ctx.store.runs(), [], 'and no part of the history, whose anchor stays');

  const again = await told('check_run', rerun({ name: 'mayfly: shop', head: HEAD, externalId: ended.job_id }));
  t.match(queue.job(again.queued[0]), { retry_of: ended.job_id, paths: undefined }, 'Re-run asks for it');
  t.equal(pathsOf(again.queued[0]), undefined);
  untouched();
});

t.test('/bench measures what waits whatever it touches', async (t) => {
  const { ctx, queue, told, jobs, pull } = await setUp(t, { paths: ['src/**'] });
  const [id] = (await pull('opened', { head: HEAD, updated: AT })).queued;
  t.strictSame(queue.job(id)!.paths, ['src/**']);
  await told('issue_comment', comment('/bench', { author: 'maintainer', at: '2026-01-02T04:59:00Z' }));
  await answerRequests(ctx);
  t.strictSame(jobs(), ['queued shop a1 pull request'], 'the job that waits is the one that is asked for');
  t.equal(queue.job(id)!.paths, undefined);
  t.equal(queue.job(id)!.priority, PRIORITY.by_hand);
});
