/**
 * A wanted regression: accepted in a comment, told on GitHub, known to history and alerts, taken back. Real webhooks, a
 * real store, and the stand-in for GitHub.
 */
import t, { type Test } from 'tap';
import type { Alert } from '../../../scripts/config/service.ts';
import { PRIORITY } from '../../../scripts/documents/job.ts';
import type { Verdict } from '../../../scripts/documents/verdict.ts';
import { channelOf } from '../../../scripts/service/server/alert-channels.ts';
import { wantAlerts } from '../../../scripts/service/server/alerts.ts';
import { answerRequests, answerSender } from '../../../scripts/service/server/comment-commands.ts';
import { sendWaiting } from '../../../scripts/service/server/outbox.ts';
import { githubSenders, wantReports } from '../../../scripts/service/server/reports.ts';
import type { AlertDocument } from '../../../scripts/service/tell/alert.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import { CONCLUSIONS } from '../../fixtures/conclusions.ts';
import { makeJudged } from '../../run-document.ts';
import {
  comment,
  deliver,
  makeContext,
  pullRequest,
  REPOSITORY,
  serviceConfig,
  startWebhooks,
  watched,
} from './deliveries.ts';
import { startGitHub } from './github-standin.ts';

const A = 'a1'.repeat(20);
const B = 'b2'.repeat(20);
const LANDED = 'c3'.repeat(20);
const BEFORE = 'd4'.repeat(20);
const NAME = REPOSITORY.toLowerCase();
const EARLY = '2026-01-02T03:00:00Z';
const SLACK: Alert = { kind: 'webhook', url_from: 'HOOK', labels: [] };

/** Pull request #2 at A, of which a webhook has told; hands for people, workers and GitHub. */
async function setUp(t: Test, { conclusions = CONCLUSIONS, fork = false } = {}) {
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(REPOSITORY);
  repository.roles.set('ada', 'write');
  const pull = repository.addPull({ number: 2, head: A, fork, author: 'stranger', updatedAt: EARLY });
  repository.commits.add(LANDED);
  const config = { ...serviceConfig([watched({ name: NAME, conclusions })]), alerts: [SLACK] };
  const ctx = makeContext(t, { config });
  ctx.github = connectGitHub(github.env.app, ctx.now);
  const url = await startWebhooks(t, ctx);
  const tell = (payload: object, event = 'pull_request') => deliver(url, { event, payload });
  await tell(pullRequest('opened', { head: A, updated: EARLY, fork }));
  let comments = 0;
  let runs = 0;
  const turn = async () => {
    await answerRequests(ctx);
    wantReports(ctx);
    await sendWaiting(ctx, { answer: answerSender(ctx), ...githubSenders(ctx) });
  };
  return {
    github,
    repository,
    pull,
    ctx,
    turn,
    tell,
    /** Somebody writes it, and what is said to it; undefined: nothing. */
    say: async (body: string, { author = 'ada', ...more }: { author?: string; type?: string; app?: object } = {}) => {
      const answers = () => repository.comments.filter(({ body }) => body.includes('mayfly:answer:'));
      const before = answers().length;
      const at = '2026-01-02T04:00:00Z';
      await tell(comment(body, { id: ++comments, author, at, ...more }), 'issue_comment');
      await turn();
      return answers().length > before ? answers().at(-1)!.body : undefined;
    },
    /** A worker measures it. */
    measure: (verdict: Verdict, commit = A, kind: 'new-test' | 'new-master' = 'new-test', variant?: string) => {
      const { queue } = ctx.store;
      const overrides = variant === undefined ? {} : { variant };
      const of = {
        repository: NAME,
        benchmark: 'shop',
        commit,
        overrides,
        deadline_s: 3600,
        priority: PRIORITY.by_hand,
      };
      queue.enqueue(
        { kind, ...of, requested_by: 'a test', ...(kind === 'new-test' ? { pull_request: 2 } : {}) },
        { now: ctx.now(), again: true },
      );
      const { job, leaseId } = queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.now())!;
      t.equal(job.commit, commit);
      const run_id = `01JZZZZZZZZZZZZZZZZZZZ${String(++runs).padStart(4, '0')}`;
      const run = makeJudged({ factors: { latency_med: verdict === 'REGRESSION' ? 1.2 : 1 } });
      ctx.store.addRun({ ...run, run_id, archive: undefined, verdict: { ...run.verdict!, run_id, verdict } } as never);
      queue.endLease(job.job_id, leaseId, { state: 'done', run_id, verdict }, ctx.now());
      return run_id;
    },
    /** The check run of a commit that was made last. */
    check: (commit = A) => repository.checkRuns.filter(({ head_sha }) => head_sha === commit).at(-1),
    merge: async () => {
      Object.assign(pull, { open: false, mergedAs: LANDED, updatedAt: '2026-01-02T06:00:00Z' });
      await tell(
        pullRequest('closed', { head: A, open: false, updated: '2026-01-02T06:00:00Z', mergedAs: LANDED, fork }),
      );
    },
    /** A confirmed change of the default branch between BEFORE and LANDED. */
    changed: (run_id: string, commits?: string[]) =>
      ctx.store.addChangePoint({
        benchmark: 'shop',
        host_id: 'host-1',
        metric: 'latency_med',
        commit: LANDED,
        before: BEFORE,
        run_id,
        at: new Date(ctx.now()).toISOString(),
        ratio: 1.2,
        found_at: new Date(ctx.now()).toISOString(),
        ...(commits ? { commits } : {}),
      }),
    alerts: () => {
      ctx.clock.now += 60_000;
      wantAlerts(ctx);
      return ctx.store.outbox
        .unsent(Number.MAX_SAFE_INTEGER)
        .filter(({ channel }) => channel === channelOf(SLACK))
        .map(({ wanted }) => JSON.parse(wanted) as AlertDocument);
    },
  };
}

t.test('/bench accept: the check says who and why; /bench unaccept: it fails again', async (t) => {
  const { say, measure, check, turn, repository, github, ctx } = await setUp(t);
  measure('REGRESSION');
  await turn();
  t.match(check(), { conclusion: 'failure', title: /^REGRESSION: / });
  const said = await say('/bench accept the new fraud check is worth 20 %');
  t.match(
    said,
    /^Accepted: `a1a1a1a1a1a1`, because the new fraud check is worth 20 %\n\n- shop: REGRESSION\n\nIts checks say so now, and once it is on the default branch its change is no alert\. Another commit is not accepted by this; `\/bench unaccept` takes it back\.\n/,
  );
  t.match(check(), {
    conclusion: 'success',
    title: 'REGRESSION, accepted by @ada: the new fraud check is worth 20 %',
    summary: /^\*\*Accepted\*\* by @\u200bada on 2026-01-02: the new fraud check is worth 20 %\n\n\*\*REGRESSION\*\*/,
  });
  const status = () => repository.comments.find(({ body }) => body.startsWith('<!-- mayfly:codertocat'))!.body;
  t.match(status(), /#### shop\n\n\*\*Accepted\*\* by @\u200bada/);
  measure('REGRESSION');
  await turn();
  t.match(check(), { conclusion: 'success' }, 'measured again, it is the same commit');
  t.match(
    await say('/bench unaccept', { author: 'ada' }),
    /^Not accepted any more:\n\n- shop at `a1a1a1a1a1a1`, which @\u200bada had accepted: the new/,
  );
  t.strictSame(
    repository.checkRuns.filter(({ conclusion }) => conclusion !== null).map(({ conclusion }) => conclusion),
    ['failure', 'failure'],
  );
  t.notMatch(status(), /Accepted/);
  t.match(await say('/bench unaccept'), /^Nothing of this pull request is accepted\.\n/);
  t.strictSame([github.faults, ctx.lines], [[], []]);
});

t.test('only people with write access: no readers, no author of a fork, no program', async (t) => {
  const { say, measure, check, turn, repository } = await setUp(t, { fork: true });
  measure('REGRESSION');
  await turn();
  repository.roles.set('reader', 'read');
  for (const author of ['stranger', 'reader'])
    for (const command of ['/bench accept because I say so', '/bench unaccept'])
      t.match(
        await say(command, { author }),
        /^Nothing was changed: commands are taken from people with write access to this repository only\./,
        `${author}: ${command}`,
      );
  t.equal(await say('/bench accept beep', { type: 'Bot' }), undefined, 'a bot');
  t.equal(await say('/bench accept beep', { app: { id: 1, slug: 'some-app' } }), undefined, 'an App in a name');
  t.match(check(), { conclusion: 'failure' });
  t.match(await say('/bench accept it is worth it'), /^Accepted/);
  t.match(check(), { conclusion: 'success' });
});

t.test('exactly what was seen is accepted: not a head that came after, nor one that does not fail', async (t) => {
  const { say, measure, check, turn, repository, tell } = await setUp(t);
  t.match(
    await say('/bench accept early'),
    /^Nothing was accepted: no check of `a1a1a1a1a1a1` fails by its verdict\. There is shop: queued\./,
  );
  t.match(
    await say('/bench accept'),
    /^This was not understood: accept needs a reason, such as \/bench accept the new check/,
  );
  t.match(await say('/bench unaccept please'), /^This was not understood: unaccept stands alone/);
  measure('INCONCLUSIVE');
  t.match(
    await say('/bench accept it'),
    /fails by its verdict\. There is shop: INCONCLUSIVE\./,
    'neutral blocks nothing',
  );
  measure('REGRESSION');
  await turn();
  repository.pushPull(2, B, Date.parse('2026-01-02T04:00:00Z'));
  t.match(
    await say('/bench accept it'),
    new RegExp(
      `^Nothing was accepted: only what you have seen can be, and the head \`${B}\` was not known here before your comment was written\\. Look at its checks, then write \`/bench accept\` with your reason again\\.`,
    ),
  );
  t.match(check(A), { conclusion: 'failure' });
  await tell(pullRequest('closed', { head: B, open: false, updated: '2026-01-02T05:00:00Z' }));
  Object.assign(repository.pulls.get(2)!, { open: false, updatedAt: '2026-01-02T05:00:00Z' });
  t.match(await say('/bench accept it'), /^Nothing was accepted: this pull request is closed\./);
});

t.test('a newer push is not accepted by it, and a worse verdict of the commit is not either', async (t) => {
  const { say, measure, check, turn, repository, tell } = await setUp(t, {
    conclusions: { ...CONCLUSIONS, INCONCLUSIVE: 'failure' },
  });
  measure('INCONCLUSIVE');
  await turn();
  t.match(check(), { conclusion: 'failure' });
  t.match(await say('/bench accept good enough'), /- shop: INCONCLUSIVE\n/);
  t.match(check(), { conclusion: 'success', title: 'INCONCLUSIVE, accepted by @ada: good enough' });
  measure('REGRESSION');
  await turn();
  t.match(check(), { conclusion: 'failure' }, 'that it is slower nobody has seen');
  repository.pushPull(2, B, Date.parse('2026-01-02T04:30:00Z'));
  await tell(pullRequest('synchronize', { head: B, updated: '2026-01-02T04:30:00Z' }));
  measure('INCONCLUSIVE', B);
  await turn();
  t.match(check(B), { conclusion: 'failure' });
});

t.test('on the default branch: its check, the change point and no alert; taken back, it is one', async (t) => {
  const { say, measure, check, turn, merge, changed, alerts, ctx } = await setUp(t);
  t.same(alerts(), [], 'from here on changes are told');
  measure('REGRESSION');
  await say('/bench accept worth it');
  await merge();
  const run = measure('REGRESSION', LANDED, 'new-master');
  await turn();
  t.match(check(LANDED), { conclusion: 'success', title: 'REGRESSION, accepted by @ada: worth it' });
  changed(run, [LANDED]);
  t.match(ctx.store.changePoints('shop'), [
    { accepted: { commit: LANDED, by: 'ada', reason: 'worth it', at: '2026-01-02T05:01:00.000Z', others: 0 } },
  ]);
  t.same(alerts(), []);
  t.match(await say('/bench unaccept'), /^Not accepted any more/);
  t.match(check(LANDED), { conclusion: 'failure' });
  t.equal(ctx.store.changePoints('shop')[0]!.accepted, undefined);
  t.match(alerts(), [{ commit: LANDED, accepted: undefined }]);
  t.match(await say('/bench accept after all'), /^Accepted/, 'also after it was merged');
  t.match(ctx.store.changePoints('shop'), [{ accepted: { reason: 'after all', others: 0 } }]);
});

t.test('each deployment has a check of its own, which is accepted by itself', async (t) => {
  const { say, measure, turn, merge, changed, repository, ctx } = await setUp(t);
  const checks = (commit = A) =>
    Object.fromEntries(
      repository.checkRuns
        .filter(({ head_sha }) => head_sha === commit)
        .map(({ name, conclusion }) => [name, conclusion]),
    );
  measure('PASS');
  measure('REGRESSION', A, 'new-test', 'scaled');
  await turn();
  t.match(checks(), { 'mayfly: shop': 'success', 'mayfly: shop (scaled)': 'failure' });
  t.match(await say('/bench accept it scales worse'), /\n- shop \(scaled\): REGRESSION\n/);
  t.match(checks(), { 'mayfly: shop': 'success', 'mayfly: shop (scaled)': 'success' });
  measure('REGRESSION');
  await turn();
  t.match(checks(), { 'mayfly: shop': 'failure', 'mayfly: shop (scaled)': 'success' });

  await merge();
  const run = measure('REGRESSION', LANDED, 'new-master');
  measure('REGRESSION', LANDED, 'new-master', 'scaled');
  await turn();
  t.match(checks(LANDED), { 'mayfly: shop': 'failure', 'mayfly: shop (scaled)': 'success' });
  changed(run, [LANDED]);
  t.equal(ctx.store.changePoints('shop')[0]!.accepted, undefined, 'a change of the other line is told');
  t.match(ctx.store.acceptances.ofBenchmark('shop', 'scaled'), [{ variant: 'scaled', landed: LANDED }]);
  t.same(ctx.store.acceptances.ofBenchmark('shop', undefined), []);
  t.match(await say('/bench unaccept'), /\n- shop \(scaled\) at `a1a1a1a1a1a1`, which /);
  t.match(checks(LANDED), { 'mayfly: shop (scaled)': 'failure' });
});

t.test('a range that holds other commits too is told, with the accepted one', async (t) => {
  const { say, measure, merge, changed, alerts, ctx } = await setUp(t);
  alerts();
  measure('REGRESSION');
  await say('/bench accept worth it');
  await merge();
  changed(measure('REGRESSION', LANDED, 'new-master'), [LANDED, B]);
  t.match(ctx.store.changePoints('shop'), [{ accepted: { commit: LANDED, others: 1 } }]);
  t.match(alerts(), [
    { accepted: 'not all accepted: c3c3c3c3c3c3 is, by @ada (worth it), 1 other commit in its range is not' },
  ]);
});
