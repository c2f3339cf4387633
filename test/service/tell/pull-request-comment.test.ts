import t from 'tap';
import type { Job } from '../../../scripts/documents/job.ts';
import type { RunDocument } from '../../../scripts/documents/run.ts';
import {
  commentMarker,
  type PullRequestState,
  pullRequestComment,
} from '../../../scripts/service/tell/pull-request-comment.ts';
import type { Acceptance } from '../../../scripts/store/acceptances.ts';
import { makeJudged, makeRun } from '../../run-document.ts';

const HEAD = 'a1'.repeat(20);
const OLD = 'b2'.repeat(20);
const site = 'https://mayfly.example.org';
const state: PullRequestState = { repository: 'octo/shop', number: 7, head: HEAD, from_fork: false };

let number = 0;
const job = (laid: Partial<Job> = {}): Job => ({
  job_id: `01JJJJJJJJJJJJJJJJJJJJ${String(++number).padStart(4, '0')}`,
  kind: 'new-test',
  state: 'queued',
  priority: 10,
  repository: 'octo/shop',
  benchmark: 'shop',
  commit: HEAD,
  pull_request: 7,
  overrides: {},
  requested_by: 'pull request',
  created_at: '2026-01-02T03:00:00.000Z',
  deadline_s: 3600,
  losses: 0,
  failures: 0,
  ...laid,
});
const judged = makeJudged({ factors: { latency_med: 1.2 } });
const comment = (jobs: Job[], laid: Partial<PullRequestState> = {}, run: RunDocument | undefined = judged) =>
  pullRequestComment({ ...state, ...laid }, jobs, { runOf: () => run, acceptedOf: () => undefined, site });
const folded = (text: string) => /<summary>Other jobs[^]*<\/details>/.exec(text)?.[0] ?? '';

t.test('an accepted verdict says who and why, whole and in a line', async (t) => {
  const accepted: Acceptance = {
    acceptance_id: '1',
    repository: 'octo/shop',
    benchmark: 'shop',
    commit: HEAD,
    pull_request: 7,
    verdict: 'REGRESSION',
    accepted_by: 'ada',
    reason: 'worth it',
    accepted_at: '2026-01-02T04:00:00.000Z',
  };
  const jobs = [
    job({ state: 'done', verdict: 'REGRESSION', commit: OLD }),
    job({ state: 'done', verdict: 'REGRESSION' }),
  ];
  const text = pullRequestComment(state, jobs, { runOf: () => judged, acceptedOf: () => accepted, site })!;
  t.match(text, /#### shop\n\n\*\*Accepted\*\* by @\u200bada on 2026-01-02: worth it\n\n\*\*REGRESSION\*\*/);
  t.match(folded(text), /`b2b2b2b2b2b2` shop: \*\*REGRESSION\*\*, accepted by @\u200bada: worth it \(/);
});

t.test('the marker stands first, the hint last', async (t) => {
  const text = comment([job()])!;
  t.ok(text.startsWith('<!-- mayfly:octo/shop#7 -->\n'));
  t.equal(commentMarker('octo/shop', 7), '<!-- mayfly:octo/shop#7 -->');
  t.match(text, /`\/bench help`[^\n]*\n$/);
  t.match(text, /### Mayfly at `a1a1a1a1a1a1`/);
});

t.test('every state of a job has its words', async (t) => {
  const run_id = '01JZZZZZZZZZZZZZZZZZZZZZZA';
  const states: [Partial<Job>, RegExp][] = [
    [{}, /waits in the \[queue\]\(<https:\/\/mayfly\.example\.org\/jobs>\)/],
    [{ reason: 'its worker was lost' }, /waits in the .*, once more: its worker was lost/],
    [
      { state: 'leased', progress: { text: 'x', at: '', run_id } },
      /is \[measured now\]\(<https:\/\/mayfly\.example\.org\/runs\/01JZZ/,
    ],
    [{ state: 'leased', cancel_reason: 'cancelled by @x' }, /is to end: cancelled by @\u200bx/],
    [
      { state: 'done', verdict: 'REGRESSION', run_id },
      /\*\*REGRESSION\*\*: shop at HEAD[^\n]*\n\n\| primary metric \|/,
    ],
    [{ state: 'done', run_id }, /measured alone, without a verdict/],
    [{ state: 'failed', reason: 'no engine\nlog line' }, /Not measured: no engine\.\n\n```\nlog line\n```/],
    [
      { state: 'failed', fault: 'service', reason: 'this commit does not start; the baseline does: shop ended\nlog' },
      /Not measured: this commit does not start; the baseline does: shop ended\.\n\n```\nlog\n```/,
    ],
    [{ state: 'cancelled', reason: 'its pull request was closed' }, /cancelled: its pull request was closed/],
  ];
  for (const [laid, words] of states) t.match(comment([job(laid)], {}, laid.verdict ? judged : makeRun()), words);
});

t.test('a variant of the deployment stands beside the benchmark, and replaces nothing of it', async (t) => {
  const text = comment([
    job({ state: 'done', verdict: 'PASS' }),
    job({ overrides: { variant: 'scaled', against_variant: 'single' } }),
    job({ overrides: { variant: 'scaled' } }),
  ])!;
  t.same(text.match(/^#### .*$/gm), [
    '#### shop',
    '#### shop (variant scaled, against\\_variant single)',
    '#### shop (variant scaled)',
  ]);
  t.equal(folded(text), '');
});

t.test('the newest job of each benchmark for the head is shown, everything else is folded', async (t) => {
  const text = comment([
    job({ commit: OLD, state: 'done', verdict: 'PASS', run_id: '01JZZZZZZZZZZZZZZZZZZZZZZA' }),
    job({ state: 'done', verdict: 'PASS' }),
    job({ overrides: { rate: '500' }, against: 'v1' }),
    job({ benchmark: 'caddy' }),
  ])!;
  t.match(text, /#### caddy\n\nwaits[^]*#### shop \(rate 500, against v1\)\n\nwaits/);
  t.match(
    folded(text),
    /Other jobs of this pull request \(2\)<\/summary>\n\n- `a1a1a1a1a1a1` shop: \*\*PASS\*\* [^\n]*\n- `b2b2b2b2b2b2` shop: \*\*PASS\*\*/,
  );
  t.equal(
    comment([job({ commit: OLD })])!.includes(
      'This newest commit is not measured yet. `/bench` in a comment asks for it.',
    ),
    true,
  );
});

t.test('a fork that nobody has asked for', async (t) => {
  t.match(
    comment([], { from_fork: true }),
    /is not measured yet\. It comes from a fork, so its code runs only when somebody with write access has read it and asks for exactly this commit: `\/bench commit=(a1){20}` in a comment does\./,
  );
  t.match(
    comment([job({ commit: OLD })], { from_fork: true }),
    /This newest commit is not measured yet\. It comes from a fork/,
  );
  t.notMatch(comment([job()], { from_fork: true }), /fork/);
  t.equal(comment([]), undefined, 'of a pull request of the repository itself there is nothing to say yet');
});

t.test('what others wrote does nothing', async (t) => {
  const evil = '</details><img src=x> @everyone [x](y) <!-- mayfly:octo/shop#7 --> \u202e';
  const run = makeRun({ status_reason: evil });
  const text = comment(
    [
      job({ benchmark: 'a', reason: evil }),
      job({ benchmark: 'b', state: 'failed', reason: `${evil}\n` }),
      job({ benchmark: 'c', state: 'cancelled', reason: evil, against: evil }),
      job({ benchmark: 'd', state: 'done', verdict: 'INVALID' }),
      job({ commit: evil, state: 'failed', reason: evil }),
    ],
    {},
    run,
  )!;
  t.notMatch(text, /(?<!\\)<img|@everyone|(?<!\\)\[x\]|\u202e/);
  t.equal(text.match(/(?<!\\)<\/details>/g)!.length, 1, 'our own');
  t.equal(text.indexOf('<!-- mayfly:octo/shop#7 -->', 1), -1, 'and our own marker');
  t.equal(text.match(/(?<!\\)<!--/g)!.length, 1);
});

t.test('however much there is to say, GitHub takes it, whole', async (t) => {
  const huge = makeJudged({ factors: { latency_med: 1.2 } });
  huge.verdict!.notes = Array.from({ length: 200 }, (_, i) => `note ${i} ${'ü'.repeat(60)}`);
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => job({ benchmark: `bench-${i}`, state: 'done', verdict: 'REGRESSION' }));
  const older = Array.from({ length: 1000 }, () => job({ commit: OLD }));
  t.match(folded(comment([job(), ...older])!), /and 980 more on \[the site\]/);
  for (const count of [1, 5, 20, 100, 1000, 5000]) {
    const text = comment([...many(count), ...older], {}, huge)!;
    t.ok(text.length <= 65_536, `${count} benchmarks: ${text.length}`);
    t.equal(
      (text.match(/<details>/g) ?? []).length,
      (text.match(/<\/details>/g) ?? []).length,
      'nothing is cut in the middle',
    );
    t.match(text, /`\/bench help`[^\n]*\n$/);
  }
  const twenty = comment(many(20), {}, huge)!;
  t.ok(twenty.length > 40_000, 'as much as fits');
  for (let i = 0; i < 20; i++) t.match(twenty, new RegExp(`bench-${i}\\b`));
});
