import t, { type Test } from 'tap';
import { PRIORITY } from '../../../scripts/documents/job.ts';
import { answerRequests, answerSender } from '../../../scripts/service/server/comment-commands.ts';
import { sendWaiting } from '../../../scripts/service/server/outbox.ts';
import { parseSlash } from '../../../scripts/service/server/slash.ts';
import { keepPullRequest } from '../../../scripts/service/server/webhook-events.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import { comment, deliver, makeContext, REPOSITORY, serviceConfig, startWebhooks, watched } from './deliveries.ts';
import { startGitHub } from './github-standin.ts';

const A = 'a1'.repeat(20);
const B = 'b2'.repeat(20);
const EARLY = '2026-01-02T03:00:00Z';

/** A server that watches a repository of the stand-in with one open pull request, #2, at commit A, by the App. */
async function setUp(t: Test, { fork = false, by = 'app' }: { fork?: boolean; by?: 'app' | 'user' } = {}) {
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository(REPOSITORY);
  repository.roles.set('maintainer', 'write');
  const pull = repository.addPull({ number: 2, head: A, fork, updatedAt: EARLY });
  const ctx = makeContext(t, { config: serviceConfig([watched({ benchmarks: ['shop', 'caddy'] })]) });
  ctx.github = connectGitHub(github.env[by], ctx.now);
  const url = await startWebhooks(t, ctx);
  let comments = 0;
  const turn = async () => {
    await answerRequests(ctx);
    await sendWaiting(ctx, { answer: answerSender(ctx) });
  };
  /** Somebody writes a comment, and GitHub tells of it. */
  const write = async (body: string, { author = 'maintainer' } = {}) =>
    void (await deliver(url, {
      event: 'issue_comment',
      payload: comment(body, { id: ++comments, author, at: '2026-01-02T04:00:00Z' }),
    }));
  return {
    github,
    repository,
    pull,
    ctx,
    turn,
    write,
    /** The same, and what is said to it. */
    say: async (body: string, options: { author?: string } = {}): Promise<string> => {
      const before = repository.comments.length;
      await write(body, options);
      await turn();
      t.equal(repository.comments.length, before + 1, `${body} has one answer`);
      return repository.comments.at(-1)!.body;
    },
    /** A webhook told of the head at this time. */
    hear: (head: string, at: string) => {
      ctx.clock.now = Date.parse(at);
      keepPullRequest(
        watched(),
        {
          repository: REPOSITORY,
          number: 2,
          head,
          base_ref: 'main',
          onto_default: true,
          labels: [],
          from_fork: fork,
          open: true,
          updated_ms: Date.parse(at),
        },
        ctx,
      );
      ctx.clock.now = Date.parse('2026-01-02T05:00:00Z');
    },
    jobs: () =>
      ctx.store.queue
        .jobs()
        .map(({ benchmark, commit, state }) => `${benchmark} ${commit.slice(0, 4)} ${state}`)
        .sort(),
  };
}

t.test('/bench queues every benchmark for the head, by hand, and says so', async (t) => {
  const { say, ctx, github, repository } = await setUp(t);
  const answer = await say('/bench');
  const jobs = ctx.store.queue.jobs();
  t.match(jobs, [
    {
      kind: 'new-test',
      priority: PRIORITY.by_hand,
      commit: A,
      pull_request: 2,
      requested_by: '@maintainer',
      state: 'queued',
      overrides: {},
      repository: REPOSITORY,
    },
    { priority: PRIORITY.by_hand },
  ]);
  t.strictSame(jobs.map(({ benchmark, against }) => [benchmark, against]).sort(), [
    ['caddy', undefined],
    ['shop', undefined],
  ]);
  t.match(answer, /^Queued: `a1a1a1a1a1a1`\.\n/);
  for (const { job_id, benchmark } of jobs) t.match(answer, `- ${benchmark}: job ${job_id}\n`);
  t.match(answer, /\n<!-- mayfly:answer:[0-9A-Z]{26} -->$/);
  t.equal(repository.comments[0]!.number, 2);
  t.strictSame(
    [ctx.store.inbox.openRequests(Infinity), ctx.store.outbox.unsent(Infinity), ctx.lines, github.faults],
    [[], [], [], []],
  );
});

t.test(
  'with settings, for one benchmark; what waits already is not queued twice, what is done is measured again',
  async (t) => {
    const { say, ctx } = await setUp(t);
    t.match(
      await say('/bench shop rate=500 duration=2m against=v1.2'),
      /^Queued: `a1a1a1a1a1a1` against v1\.2 with rate 500 and duration 2m\.\n\n- shop: job /,
    );
    const [first] = ctx.store.queue.jobs();
    t.match(first, { benchmark: 'shop', against: 'v1.2', overrides: { rate: '500', duration: '2m' } });
    t.match(
      await say('/bench shop rate=500 duration=2m against=v1.2'),
      `- shop: job ${first!.job_id}, which was queued already`,
    );
    t.match(await say('/bench shop'), /- shop: job \w+\n/);
    t.equal(ctx.store.queue.count(), 2, 'other settings are another job, and replace none of this commit');
    const { job, leaseId } = ctx.store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
    ctx.store.queue.endLease(job.job_id, leaseId, { state: 'failed', fault: 'other', reason: 'no' }, ctx.clock.now);
    await say('/bench shop rate=500 duration=2m against=v1.2');
    t.equal(ctx.store.queue.count(), 3);
  },
);

t.test('who may not write gets one answer and no job', async (t) => {
  const { say, jobs, repository, github } = await setUp(t);
  for (const [author, role] of [
    ['stranger', undefined],
    ['reader', 'read'],
    ['triager', 'triage'],
  ] as const) {
    if (role) repository.roles.set(author, role);
    for (const command of ['/bench', '/bench cancel', `/bench commit=${A}`])
      t.match(
        await say(command, { author }),
        /^Nothing was queued: commands are taken from people with write access/,
        `${author}: ${command}`,
      );
  }
  t.strictSame(jobs(), []);
  for (const role of ['write', 'maintain', 'admin'] as const) {
    repository.roles.set(role, role);
    t.match(await say('/bench', { author: role }), /^Queued/, role);
  }
  t.strictSame(github.faults, []);
});

t.test('a wrong command is answered with what is wrong, escaped, and the help', async (t) => {
  const { say, jobs, repository } = await setUp(t);
  const answer = await say('/bench <img/src=x/onerror=alert(1)> @everyone');
  t.match(answer, /^This was not understood: there is no benchmark/);
  t.notMatch(answer.split('\n')[0]!, /(?<!\\)<img|@everyone/);
  t.match(answer, '| `/bench cancel` |');
  t.match(await say('/bench $(touch x) `id`'), /^This was not understood: there is no benchmark "\\\$\(touch"/);
  t.match(await say(`/bench against=${'[x](https://evil.example)'}`), /^This was not understood: against must be/);
  t.match(await say('/bench help'), /^Commands, on the first line/);
  t.strictSame(jobs(), []);
  for (const { body } of repository.comments)
    t.equal(parseSlash(body, ['shop', 'caddy']), undefined, 'no answer is a command itself');
});

t.test('/bench cancel ends what waits and runs, and it stays so', async (t) => {
  const { say, ctx, jobs } = await setUp(t);
  t.match(await say('/bench cancel'), /^Nothing waits or runs for this pull request\./);
  await say('/bench');
  ctx.store.queue.enqueue(
    {
      kind: 'new-test',
      benchmark: 'shop',
      repository: REPOSITORY,
      commit: B,
      pull_request: 3,
      requested_by: 'x',
      priority: 0,
      deadline_s: 1,
    },
    { now: ctx.clock.now },
  );
  const { job } = ctx.store.queue.claim({ host: 'h', pid: 1, pid_start: '1' }, ctx.clock.now)!;
  const answer = await say('/bench cancel');
  t.match(answer, `- ${job.benchmark}: job ${job.job_id}, which was running`);
  t.equal(ctx.store.queue.job(job.job_id)!.cancel_reason, 'cancelled by @maintainer in a comment');
  t.match(
    jobs(),
    [/caddy a1a1 (cancelled|leased)/, /shop a1a1 (cancelled|leased)/, 'shop b2b2 queued'],
    'another pull request is left alone',
  );
});

t.test('a closed pull request is not measured', async (t) => {
  const { say, jobs, pull } = await setUp(t);
  pull.open = false;
  t.match(await say('/bench'), /^Nothing was queued: this pull request is closed\./);
  t.strictSame(jobs(), []);
});

t.test('of a fork, the head that was there before the comment runs', async (t) => {
  const { say, jobs, hear, ctx } = await setUp(t, { fork: true });
  hear(A, EARLY);
  t.strictSame(jobs(), [], 'not before somebody asks');
  t.match(await say('/bench shop'), /^Queued: `a1a1a1a1a1a1`/);
  t.strictSame(jobs(), ['shop a1a1 queued']);
  hear(B, '2026-01-02T04:10:00Z');
  t.strictSame(jobs(), ['shop a1a1 queued'], 'what is pushed after it does not run, and what was asked for does');
  t.equal(ctx.store.inbox.pullRequest(REPOSITORY, 2)!.head, B);
});

const UNSEEN: [what: string, (given: Awaited<ReturnType<typeof setUp>>) => void][] = [
  ['a head that nobody told us of', () => {}],
  ['a head that came after the comment', ({ hear }) => hear(A, '2026-01-02T04:00:10Z')],
  ['a head that came in the second of the comment', ({ hear }) => hear(A, '2026-01-02T04:00:00Z')],
  [
    'a head that GitHub has changed since, though no webhook came',
    ({ hear, repository }) => {
      hear(A, EARLY);
      repository.pushPull(2, B, Date.parse('2026-01-02T04:00:30Z'));
    },
  ],
  [
    'a head that was there, went, and came back',
    ({ hear }) => {
      hear(A, EARLY);
      hear(B, '2026-01-02T03:10:00Z');
      hear(A, '2026-01-02T04:00:10Z');
    },
  ],
];

for (const [what, before] of UNSEEN) {
  t.test(`of a fork, ${what} does not run, and the answer says how it would`, async (t) => {
    const given = await setUp(t, { fork: true });
    before(given);
    const { head } = given.pull;
    const answer = await given.say('/bench');
    t.match(
      answer,
      /^Nothing was queued: this pull request comes from a fork, so exactly the commit runs that you have seen/,
    );
    t.match(answer, `write \`/bench commit=${head}\``);
    t.strictSame(given.jobs(), []);
    t.match(await given.say(`/bench shop commit=${head}`), /^Queued/, 'and that is so');
    t.strictSame(given.jobs(), [`shop ${head.slice(0, 4)} queued`]);
  });
}

t.test('of a fork, a slow clock of ours lets nothing through', async (t) => {
  const { hear, say, jobs, ctx, repository } = await setUp(t, { fork: true });
  hear(A, EARLY);
  repository.pushPull(2, B, Date.parse('2026-01-02T04:00:05Z'));
  ctx.clock.now = Date.parse('2026-01-02T03:30:00Z'); // half an hour late
  keepPullRequest(
    watched(),
    {
      repository: REPOSITORY,
      number: 2,
      head: B,
      base_ref: 'main',
      onto_default: true,
      labels: [],
      from_fork: true,
      open: true,
      updated_ms: Date.parse('2026-01-02T04:00:05Z'),
    },
    ctx,
  );
  t.match(await say('/bench'), /^Nothing was queued: this pull request comes from a fork/);
  t.strictSame(jobs(), []);
});

t.test('commit= names a commit of the pull request', async (t) => {
  const { say, jobs, repository, ctx } = await setUp(t);
  repository.pushPull(2, B, Date.parse(EARLY));
  repository.pushPull(2, `a1${'c'.repeat(38)}`, Date.parse(EARLY));
  t.match(
    await say('/bench shop commit=B2B2B2B'),
    /^Queued: `b2b2b2b2b2b2`/,
    'its beginning does, in a branch of the repository itself',
  );
  t.match(
    await say('/bench shop commit=0000000'),
    /^Nothing was queued: of the commits of this pull request, not exactly one begins with `0000000`/,
  );
  repository.commits.add('d'.repeat(40));
  t.match(await say(`/bench shop commit=${'d'.repeat(40)}`), /^Nothing was queued/, 'a commit of elsewhere does not');
  repository.pushPull(2, `${B.slice(0, 10)}${'e'.repeat(30)}`, Date.parse(EARLY));
  t.match(await say(`/bench shop commit=${B.slice(0, 9)}`), /^Nothing was queued: .* not exactly one/);
  t.strictSame(jobs(), ['shop b2b2 queued']);
  await say('/bench shop');
  t.strictSame(jobs(), ['shop b2b2 queued', 'shop b2b2 queued'], 'one that was named is not replaced by the head');
  t.equal(new Set(ctx.store.queue.jobs().map(({ commit }) => commit)).size, 2);
});

t.test('of a fork, the beginning of a hash does not do for a commit but the head that was seen', async (t) => {
  const { say, jobs, hear, repository } = await setUp(t, { fork: true });
  hear(A, EARLY);
  t.match(await say('/bench shop commit=a1a1a1a'), /^Queued/);
  repository.pushPull(2, B, Date.parse('2026-01-02T04:30:00Z'));
  t.match(await say('/bench caddy commit=a1a1a1a'), /^Nothing was queued/, 'not even for one that was the head');
  const answer = await say('/bench shop commit=b2b2b2b');
  t.match(answer, `\`b2b2b2b\` is only the beginning of \`${B}\``);
  t.strictSame(jobs(), ['shop a1a1 queued']);
});

t.test('GitHub out of reach: the command waits, longer each time, and is done when it answers', async (t) => {
  const { github, write, turn, ctx, jobs, repository } = await setUp(t);
  github.next({ status: 502, times: 3, on: /permission/ });
  await write('/bench shop');
  const asked = () => github.count('repos/get-collaborator-permission-level');
  await turn();
  await turn();
  t.equal(asked(), 1, 'not asked again at once');
  ctx.clock.now += 11_000;
  await turn();
  ctx.clock.now += 11_000;
  await turn();
  t.equal(asked(), 2, 'the second pause is longer');
  ctx.clock.now += 60_000;
  await turn();
  t.strictSame(jobs(), []);
  ctx.clock.now += 60_000;
  await turn();
  t.strictSame(jobs(), ['shop a1a1 queued']);
  t.equal(repository.comments.length, 1);
  t.equal(ctx.lines.length, 1, 'said once');
  t.strictSame(github.faults, []);
});

t.test('a rate limit is waited for', async (t) => {
  const { github, write, turn, ctx, jobs } = await setUp(t);
  github.next({ limit: 'primary', seconds: 600, on: /permission/ });
  await write('/bench shop');
  await turn();
  const asked = github.asked.length;
  for (let minute = 0; minute < 9; minute++) {
    ctx.clock.now += 60_000;
    await turn();
  }
  t.equal(github.asked.length, asked, 'nothing is asked before it is lifted');
  ctx.clock.now += 120_000;
  await turn();
  t.strictSame(jobs(), ['shop a1a1 queued']);
});

t.test('after a day a command is given up, and its author is told', async (t) => {
  const { github, write, turn, ctx, jobs, repository } = await setUp(t);
  github.next({ status: 503, times: 1000, on: /permission/ });
  await write('/bench shop');
  await turn();
  for (let hour = 0; hour < 25; hour++) {
    ctx.clock.now += 3600_000;
    await turn();
  }
  t.match(repository.comments, [{ body: /^Nothing was done: for a day GitHub could not be asked/ }]);
  t.match(ctx.lines.at(-1), /is given up after a day/);
  t.strictSame([jobs(), ctx.store.inbox.openRequests(Infinity)], [[], []]);
});

t.test('one command that GitHub refuses is given up, and the next one is done', async (t) => {
  const { github, write, turn, ctx, jobs } = await setUp(t);
  github.next({ status: 422, on: /permission/ });
  await write('/bench caddy');
  await write('/bench shop');
  await turn();
  t.strictSame(jobs(), ['shop a1a1 queued']);
  t.match(ctx.lines, [/is given up: GitHub refuses/]);
  t.strictSame(ctx.store.inbox.openRequests(Infinity), []);
});

t.test('a token that is not valid may be replaced', async (t) => {
  const { github, write, turn, ctx, jobs } = await setUp(t, { by: 'user' });
  github.next({ status: 401, on: /permission/ });
  await write('/bench shop');
  await turn();
  t.match(ctx.lines, [/waits: GitHub: .* 401/]);
  ctx.clock.now += 60_000;
  await turn();
  t.strictSame(jobs(), ['shop a1a1 queued']);
});

t.test('an answer whose writing was not heard of is not written twice', async (t) => {
  const { github, write, turn, ctx, repository } = await setUp(t);
  github.next({ lost: true, on: /^POST .*comments/ });
  await write('/bench help');
  await turn();
  t.equal(repository.comments.length, 1);
  t.equal(ctx.store.outbox.unsent(Infinity).length, 1, 'we do not know of it');
  ctx.clock.now += 3600_000;
  await turn();
  t.equal(repository.comments.length, 1);
  t.strictSame(ctx.store.outbox.unsent(Infinity), []);
});

t.test('a command of a repository that is not watched any more is given up', async (t) => {
  const { write, turn, ctx } = await setUp(t);
  await write('/bench');
  ctx.config = serviceConfig([]);
  await turn();
  t.match(ctx.lines, [/is given up: mayfly\.yaml does not name its repository any more/]);
  t.strictSame(ctx.store.inbox.openRequests(Infinity), []);
});

t.test('two servers over one store do a command once', async (t) => {
  const { write, ctx, jobs } = await setUp(t);
  await write('/bench shop');
  await Promise.all([answerRequests(ctx), answerRequests(ctx)]);
  t.strictSame(jobs(), ['shop a1a1 queued']);
  t.equal(ctx.store.outbox.unsent(Infinity).length, 1);
  t.notMatch(ctx.store.outbox.unsent(Infinity)[0]!.wanted, /already/);
});
