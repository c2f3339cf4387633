import t from 'tap';
import type { Job, JobFault } from '../../../scripts/documents/job.ts';
import type { Verdict } from '../../../scripts/documents/verdict.ts';
import { checkRunOf, covers, endOf, fitted } from '../../../scripts/service/tell/checks.ts';
import type { Acceptance } from '../../../scripts/store/acceptances.ts';
import { CONCLUSIONS } from '../../fixtures/conclusions.ts';
import { makeJudged, makeRun } from '../../run-document.ts';

const COMMIT = 'a1'.repeat(20);
const RUN = '01JZZZZZZZZZZZZZZZZZZZZZZA';
const site = 'https://mayfly.example.org';
const about = { site, conclusions: CONCLUSIONS };

const makeJob = (laid: Partial<Job> = {}): Job => ({
  job_id: '01JJJJJJJJJJJJJJJJJJJJJJJA',
  kind: 'new-test',
  state: 'queued',
  priority: 10,
  repository: 'octo/shop',
  benchmark: 'shop',
  commit: COMMIT,
  pull_request: 7,
  overrides: {},
  requested_by: 'pull request',
  created_at: '2026-01-02T03:00:00.000Z',
  deadline_s: 3600,
  losses: 0,
  failures: 0,
  ...laid,
});
const done = (laid: Partial<Job> = {}) =>
  makeJob({
    state: 'done',
    started_at: '2026-01-02T03:01:00.000Z',
    ended_at: '2026-01-02T03:09:00.000Z',
    run_id: RUN,
    ...laid,
  });
const failed = (fault: JobFault, reason: string) =>
  makeJob({
    state: 'failed',
    fault,
    started_at: '2026-01-02T03:01:00.000Z',
    ended_at: '2026-01-02T03:09:00.000Z',
    reason,
  });

t.test('queued: its place, less exactly the further back', async (t) => {
  const title = (ahead: number, paused = false) => checkRunOf(makeJob(), undefined, { ...about, ahead, paused }).title;
  t.strictSame(
    [0, 1, 5, 6, 9, 10, 20, 50, 99, 100, 5000].map((ahead) => title(ahead)),
    [
      'Queued, next in line',
      'Queued behind 1 job',
      'Queued behind 5 jobs',
      'Queued behind fewer than 10 jobs',
      'Queued behind fewer than 10 jobs',
      'Queued behind fewer than 20 jobs',
      'Queued behind fewer than 50 jobs',
      'Queued behind fewer than 100 jobs',
      'Queued behind fewer than 100 jobs',
      'Queued behind 100 jobs or more',
      'Queued behind 100 jobs or more',
    ],
  );
  t.equal(title(0, true), 'Queued; the queue is paused');
  const run = checkRunOf(makeJob({ reason: 'its worker was lost' }), undefined, about);
  t.match(run, {
    name: 'mayfly: shop',
    commit: COMMIT,
    external_id: '01JJJJJJJJJJJJJJJJJJJJJJJA',
    status: 'queued',
    details_url: `${site}/jobs`,
    conclusion: undefined,
    started_at: undefined,
  });
  t.match(run.summary, /begun before: its worker was lost/);
});

t.test('in progress: rounds done, and the link to the run', async (t) => {
  const leased = makeJob({ state: 'leased', started_at: '2026-01-02T03:01:00.000Z' });
  t.match(checkRunOf(leased, undefined, about), {
    status: 'in_progress',
    title: 'Begun; no round is measured yet',
    started_at: '2026-01-02T03:01:00.000Z',
    details_url: `${site}/jobs`,
  });
  const progress = {
    text: 'changes every second',
    at: '2026-01-02T03:04:00.000Z',
    run_id: RUN,
    rounds_done: 12,
    rounds_most: 40,
  };
  const run = checkRunOf({ ...leased, progress }, undefined, about);
  t.match(run, { title: '12 of at most 40 rounds measured', details_url: `${site}/runs/${RUN}` });
  t.strictSame(
    checkRunOf(
      { ...leased, progress: { ...progress, text: 'other', at: '2026-01-02T03:05:00.000Z' } },
      undefined,
      about,
    ),
    run,
    'nothing to send where no round has ended',
  );
  t.match(
    checkRunOf({ ...leased, progress, cancel_reason: 'cancelled by @x' }, undefined, about).title,
    '12 of at most 40 rounds measured; it is to end: cancelled by @x',
  );
});

t.test('concluded: only a regression, and what its author has to fix, are failures', async (t) => {
  const verdicts: [Verdict, string][] = [
    ['REGRESSION', 'failure'],
    ['PASS', 'success'],
    ['IMPROVEMENT', 'success'],
    ['INCONCLUSIVE', 'neutral'],
    ['INVALID', 'neutral'],
  ];
  for (const [verdict, conclusion] of verdicts)
    t.match(checkRunOf(done({ verdict }), makeRun({ status_reason: 'too few valid rounds' }), about), {
      status: 'completed',
      conclusion,
      title: `${verdict}: too few valid rounds`,
      completed_at: '2026-01-02T03:09:00.000Z',
    });
  t.match(checkRunOf(done(), makeRun(), about), {
    conclusion: 'neutral',
    title: 'Measured alone: there is no verdict',
  });
  t.match(
    checkRunOf(done({ verdict: 'PASS' }), undefined, about),
    { conclusion: 'success', title: 'PASS' },
    'its run was removed',
  );
  const reason = 'nothing to compare: a and b have the same build context, file by file';
  t.match(
    checkRunOf(done({ verdict: 'PASS', reason }), undefined, about),
    { conclusion: 'success', title: `N${reason.slice(1)}` },
    'nothing was measured',
  );
  const cancelled = makeJob({
    state: 'cancelled',
    ended_at: '2026-01-02T03:09:00.000Z',
    reason: 'replaced by job X of commit Y',
  });
  t.match(checkRunOf(cancelled, undefined, about), {
    conclusion: 'cancelled',
    title: 'Cancelled: replaced by job X of commit Y',
    started_at: undefined,
  });
  const log = `the build of shop at topic (${COMMIT.slice(0, 12)}) failed: docker build ended with exit code 1\nstep 3\nboom\nIts recipe is build/shop.`;
  const ends: [JobFault, string, string][] = [
    ['deadline', 'timed_out', 'late'],
    ['build', 'failure', 'build'],
    ['service', 'failure', 'service'],
    ['infrastructure', 'neutral', 'fault'],
    ['lost_worker', 'neutral', 'fault'],
    ['other', 'neutral', 'fault'],
  ];
  for (const [fault, conclusion, end] of ends) {
    t.equal(endOf(failed(fault, log)), end);
    t.match(checkRunOf(failed(fault, log), undefined, about), { status: 'completed', conclusion }, fault);
  }
  t.match(checkRunOf(failed('build', log), undefined, about).summary, /\n```\nstep 3\nboom\n/);
  const dead = `this commit does not start; the baseline does: candidate (topic, ${COMMIT.slice(0, 12)}): shop ended with exit code 3\n  shop: ended with exit code 3; the last lines of its log:\n    no such table: orders`;
  t.match(checkRunOf(failed('service', dead), undefined, about), {
    title: `This commit does not start; the baseline does: candidate (topic, ${COMMIT.slice(0, 12)}): shop ended with exit code 3`,
    summary: /^this commit does not start; [^]*\n```\nshop: ended with exit code 3; [^]*no such table: orders\n```/,
    conclusion: 'failure',
  });
});

t.test('which verdict gives which conclusion is said in mayfly.yaml', async (t) => {
  const conclusions = {
    ...CONCLUSIONS,
    REGRESSION: 'neutral',
    INCONCLUSIVE: 'failure',
    not_measured: 'failure',
  } as const;
  const conclusion = (job: Job) => checkRunOf(job, undefined, { site, conclusions }).conclusion;
  t.strictSame(
    (['REGRESSION', 'PASS', 'INCONCLUSIVE', 'INVALID'] as const).map((verdict) => conclusion(done({ verdict }))),
    ['neutral', 'success', 'failure', 'neutral'],
  );
  t.equal(conclusion(failed('infrastructure', 'the engine is gone')), 'failure');
  t.equal(conclusion(failed('lost_worker', 'it was lost')), 'failure');
  t.equal(conclusion(done()), 'neutral', 'measured alone');
  t.equal(
    checkRunOf(failed('build', 'no'), undefined, { site, conclusions: { ...CONCLUSIONS, not_measured: 'success' } })
      .conclusion,
    'failure',
    'a build that fails is the fault of its commit',
  );
});

t.test('accepted: a success that says who and why, only where it would fail', async (t) => {
  const accepted: Acceptance = {
    acceptance_id: '1',
    repository: 'octo/shop',
    benchmark: 'shop',
    commit: COMMIT,
    pull_request: 7,
    verdict: 'REGRESSION',
    accepted_by: 'ada',
    reason: 'the *new* check is worth it',
    accepted_at: '2026-01-02T04:00:00.000Z',
  };
  const run = makeJudged({ factors: { latency_med: 1.2 } });
  t.match(checkRunOf(done({ verdict: 'REGRESSION' }), run, { ...about, accepted }), {
    conclusion: 'success',
    title: 'REGRESSION, accepted by @ada: the *new* check is worth it',
    summary: /^\*\*Accepted\*\* by @\u200bada on 2026-01-02: the \\\*new\\\* check is worth it\n\n\*\*REGRESSION\*\*/,
  });
  t.match(checkRunOf(done({ verdict: 'PASS' }), undefined, { ...about, accepted }), {
    conclusion: 'success',
    title: 'PASS',
  });
  t.equal(checkRunOf(failed('build', 'no'), undefined, { ...about, accepted }).conclusion, 'failure');
  t.equal(covers(accepted, done({ verdict: 'INVALID' })), true);
  t.equal(covers({ ...accepted, verdict: 'INCONCLUSIVE' }, done({ verdict: 'INCONCLUSIVE' })), true);
  t.equal(covers({ ...accepted, verdict: 'INCONCLUSIVE' }, done({ verdict: 'REGRESSION' })), false, 'nobody saw it');
});

t.test('the summary is the verdict, with the settings somebody asked for', async (t) => {
  const run = makeJudged({ factors: { latency_med: 1.2 } });
  const made = checkRunOf(
    done({ verdict: run.verdict!.verdict, overrides: { rate: '500' }, against: 'v1.2', requested_by: '@maintainer' }),
    run,
    about,
  );
  t.match(made, { conclusion: 'failure', title: `REGRESSION: ${run.verdict!.summary}`.slice(0, 197) });
  t.match(
    made.summary,
    /^Asked for by @\u200bmaintainer with rate 500, against v1\.2\.\n\n\*\*REGRESSION\*\*: shop at/,
  );
  t.match(made.summary, `<${site}/runs/${RUN}>`);
  t.match(made.summary, '| latency med |');
});

t.test('what others wrote does nothing', async (t) => {
  const evil = '<img src=x onerror=alert(1)> @everyone [x](javascript:y) #1 | `a` **b** \u202e\u001b[31m';
  const texts = [
    checkRunOf(failed('other', `${evil}\n${evil}\n\`\`\`\`\n</details>@everyone`), undefined, about),
    checkRunOf(makeJob({ state: 'leased', cancel_reason: evil }), undefined, about),
    checkRunOf(
      done({ verdict: 'INVALID', against: evil, requested_by: evil }),
      makeRun({ status_reason: evil }),
      about,
    ),
  ];
  for (const { title, summary } of texts) {
    const [code] = /\n(`{3,})\n[^]*\n\1(?=\n)/.exec(summary) ?? ['']; // what stands in a block of code is only shown
    t.notMatch(summary.replace(code, ''), /(?<!\\)<img|@everyone|(?<!\\)\[x\]|\u202e|\u001b/);
    t.notMatch(title, /[\u202e\u001b]/);
  }
  t.match(texts[0]!.summary, /\n`{5}\n/, 'the fence is longer than any in the log');
});

t.test('nothing is longer than GitHub takes, and what is cut stays whole Markdown', async (t) => {
  const run = makeJudged({ factors: { latency_med: 1.2 } });
  run.verdict!.reasons = Array.from({ length: 3000 }, (_, i) => `reason ${i} ${'x'.repeat(30)}`);
  const folded = checkRunOf(done({ verdict: 'REGRESSION' }), run, about).summary;
  t.ok(folded.length <= 65_535);
  t.notMatch(folded, /<details>/);
  t.match(folded, /too long for GitHub/);
  run.verdict!.notes = Array.from({ length: 5000 }, (_, i) => `note ${i} ${'ü'.repeat(30)}`);
  const lines = checkRunOf(done({ verdict: 'REGRESSION' }), run, about).summary;
  t.ok(lines.length <= 65_535 && lines.length > 60_000, String(lines.length));
  t.match(lines, /\n- note \d+ ü{30}\n\nThis was too long/);
  t.equal(fitted('x'.repeat(65_535), 65_535).length, 65_535);
  const log = checkRunOf(
    failed('build', `boom\n${Array.from({ length: 100_000 }, (_, i) => `${i} ${'y'.repeat(900)}`).join('\n')}`),
    undefined,
    about,
  ).summary;
  t.ok(log.length < 25_000);
  t.match(log, /\n99999 y/, 'of a log the end counts');
  t.ok(
    checkRunOf(
      makeJob({
        state: 'cancelled',
        ended_at: '2026-01-02T03:09:00.000Z',
        reason: `${'x'.repeat(186)}${'😀'.repeat(300)}`,
      }),
      undefined,
      about,
    ).title.isWellFormed(),
  );
});
