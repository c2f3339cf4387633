/** The real Octokit against the stand-in, which checks every request against GitHub's own description. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { UsageError } from '../../../scripts/core/errors.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import type { CheckRun, GitHub } from '../../../scripts/service/tell/github-types.ts';
import { SendError } from '../../../scripts/service/tell/send-error.ts';
import { type StandIn, startGitHub } from '../server/github-standin.ts';

const hash = () => randomBytes(20).toString('hex');
const HEAD = 'b'.repeat(40);
const NAME = 'octo/shop';

interface Given {
  standIn: StandIn;
  as: Record<'actions' | 'user' | 'app', GitHub>;
}

/**
 * A test with a stand-in of one pull request, and the clients by each kind of identity; at its end the stand-in has
 * found no fault.
 */
const story = (name: string, work: (t: Test, given: Given) => Promise<void>) =>
  t.test(name, async (t) => {
    await using standIn = await startGitHub();
    standIn.addRepository(NAME).addPull({ number: 7, head: HEAD });
    await work(t, {
      standIn,
      as: {
        actions: connectGitHub(standIn.env.actions, Date.now)!,
        user: connectGitHub(standIn.env.user, Date.now)!,
        app: connectGitHub(standIn.env.app, Date.now)!,
      },
    });
    t.strictSame(standIn.faults, []);
  });

async function failure(work: Promise<unknown>): Promise<SendError> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown as unknown,
  );
  if (!(error instanceof SendError)) throw new Error(`no SendError: ${error}`);
  return error;
}

const check = (laid: Partial<CheckRun> = {}): CheckRun => ({
  name: 'mayfly: shop',
  commit: HEAD,
  external_id: 'JOB1',
  status: 'queued',
  title: 'Queued',
  summary: 'It waits.',
  details_url: 'http://127.0.0.1:8420/jobs',
  ...laid,
});

t.test('nothing to connect with', async (t) => {
  t.equal(connectGitHub({}, Date.now), undefined);
  t.equal(connectGitHub({ GITHUB_TOKEN: ' \n' }, Date.now), undefined);
});

story('a wrong environment is refused, and no secret is in what is said', async (t, { standIn }) => {
  const key = standIn.env.app.GITHUB_APP_PRIVATE_KEY!;
  const wrong: [NodeJS.ProcessEnv, RegExp][] = [
    [{ GITHUB_TOKEN: 't', GITHUB_API_URL: 'api.github.com' }, /GITHUB_API_URL/],
    [{ GITHUB_TOKEN: 't', GITHUB_API_URL: 'ftp://example.org' }, /GITHUB_API_URL/],
    [{ GITHUB_TOKEN: 't', GITHUB_API_URL: 'https://me:S3CRET@example.org' }, /GITHUB_API_URL/],
    [{ GITHUB_TOKEN: 'S3CRET one' }, /GITHUB_TOKEN/],
    [{ GITHUB_TOKEN: 'S3CRET\nX: y' }, /GITHUB_TOKEN/],
    [{ GITHUB_APP_ID: '1' }, /no private key/],
    [{ GITHUB_APP_PRIVATE_KEY: key }, /no GITHUB_APP_ID/],
    [{ GITHUB_APP_ID: '1', GITHUB_APP_PRIVATE_KEY: 'S3CRET' }, /no private key/],
    [{ GITHUB_APP_ID: '1', GITHUB_APP_PRIVATE_KEY: key, GITHUB_APP_PRIVATE_KEY_FILE: 'x' }, /both/],
    [{ GITHUB_APP_ID: '1', GITHUB_APP_PRIVATE_KEY_FILE: '/nowhere/key.pem' }, /cannot be read: ENOENT/],
    [{ GITHUB_APP_ID: '1; x', GITHUB_APP_PRIVATE_KEY: key }, /no id/],
  ];
  for (const [env, words] of wrong) {
    const said = t.throws(() => connectGitHub(env, Date.now)) as UsageError;
    t.ok(said instanceof UsageError && said.hint, said.message);
    t.match(said.message, words);
    t.notMatch(`${said.message} ${said.hint}`, /S3CRET/);
  }
});

for (const kind of ['actions', 'user', 'app'] as const) {
  story(`as ${kind}: what is asked comes back`, async (t, { standIn, as }) => {
    const github = as[kind];
    const repository = standIn.repository(NAME);
    const older = hash();
    repository.push('release/1.0', hash());
    repository.addPull({
      number: 8,
      head: hash(),
      fork: true,
      base: 'release/1.0',
      commits: [older, HEAD.slice(0, 20) + older.slice(20)],
      updatedAt: '2026-01-02T03:04:05Z',
    });
    repository.addPull({ number: 9, head: hash(), open: false });
    t.strictSame(
      (await github.openPullRequests(NAME)).map(({ number, from_fork, base_ref }) => [number, from_fork, base_ref]),
      [
        [8, true, 'release/1.0'],
        [7, false, 'main'],
      ],
    );
    t.match(await github.pullRequest(NAME, 8), {
      number: 8,
      from_fork: true,
      open: true,
      updated_ms: Date.UTC(2026, 0, 2, 3, 4, 5),
    });
    t.equal((await github.pullRequest(NAME, 9)).open, false);
    t.strictSame(await github.defaultBranch(NAME), { name: 'main', commit: 'a'.repeat(40) });
    repository.defaultBranch = 'release/1.0';
    t.equal((await github.defaultBranch(NAME)).commit, repository.branches.get('release/1.0'), 'a branch with a slash');
    t.equal(await github.commitOf(NAME, 8, older.slice(0, 8).toUpperCase()), older);
    t.equal(await github.commitOf(NAME, 8, 'f00dfeed'), undefined);
    t.equal(await github.commitOf(NAME, 7, 'bbbbbbb'), HEAD);
    repository.pulls.get(7)!.commits.push(`bbbbbbb${hash().slice(7)}`);
    t.equal(await github.commitOf(NAME, 7, 'bbbbbbb'), undefined, 'two begin so');
  });

  story(`as ${kind}: who may write`, async (t, { standIn, as }) => {
    for (const role of ['admin', 'maintain', 'write', 'triage', 'read'] as const)
      standIn.repository(NAME).roles.set(role, role);
    for (const [user, may] of [
      ['admin', true],
      ['Maintain', true],
      ['write', true],
      ['triage', false],
      ['read', false],
      ['stranger', false],
    ] as const)
      t.equal(await as[kind].mayWrite(NAME, user), may, user);
    standIn.next({ status: 404, on: /ghost/ });
    t.equal(await as[kind].mayWrite(NAME, 'ghost'), false, 'a user who is gone');
    const before = standIn.asked.length;
    for (const user of ['..', '.', '', 'a/b', '../../x', 'a b'])
      t.equal(await as[kind].mayWrite(NAME, user), false, user);
    t.equal(standIn.asked.length, before, 'no path is made of such names');
  });

  story(`as ${kind}: one comment and one issue, found again among those of others`, async (t, { standIn, as }) => {
    const repository = standIn.repository(NAME);
    for (let i = 0; i < 130; i++) repository.addComment(7, 'somebody', `comment ${i} <!-- m -->`);
    t.equal(
      await as[kind].findComment(NAME, 7, '<!-- m -->'),
      undefined,
      'a comment of another with the same marker is not ours to change',
    );
    const id = await as[kind].saveComment(NAME, 7, '<!-- m --> one');
    t.equal(await as[kind].findComment(NAME, 7, '<!-- m -->'), id, 'on the second page');
    t.equal(await as[kind].saveComment(NAME, 7, '<!-- m --> two', id), id);
    t.equal(repository.comments.length, 131);
    t.match(repository.comments.at(-1), { author: standIn.logins[kind], body: '<!-- m --> two' });
    const issue = await as[kind].createIssue(NAME, {
      title: 'slower',
      body: 'since <!-- i -->',
      labels: ['performance'],
    });
    t.match(repository.issues[0], { number: Number(issue), labels: ['performance'], author: standIn.logins[kind] });
    repository.issues[0]!.open = false;
    repository.issues.push({ number: 99, title: 'x', body: '<!-- i -->', labels: [], author: 'somebody', open: true });
    t.equal(await as[kind].findIssue(NAME, '<!-- i -->'), issue, 'closed ones, too, and only our own');
    t.equal(await as[kind].findIssue(NAME, '<!-- j -->'), undefined);
  });
}

for (const kind of ['actions', 'app'] as const) {
  story(`as ${kind}: a check run through its life`, async (t, { standIn, as }) => {
    const { checkRuns } = standIn.repository(NAME);
    const id = await as[kind].saveCheckRun(NAME, check());
    t.match(checkRuns, [
      { status: 'queued', external_id: 'JOB1', head_sha: HEAD, conclusion: null, by: standIn.logins[kind] },
    ]);
    t.equal(
      await as[kind].saveCheckRun(
        NAME,
        check({ status: 'in_progress', started_at: '2026-01-02T03:04:05.678Z', title: '3 of at most 40 rounds' }),
        id,
      ),
      id,
    );
    t.match(checkRuns, [{ status: 'in_progress', title: '3 of at most 40 rounds' }]);
    t.equal(
      await as[kind].saveCheckRun(
        NAME,
        check({ status: 'completed', conclusion: 'timed_out', completed_at: '2026-01-02T03:06:05.678Z' }),
        id,
      ),
      id,
    );
    t.match(checkRuns, [{ status: 'completed', conclusion: 'timed_out' }]);
    t.equal(checkRuns.length, 1);
    checkRuns.push({ ...checkRuns[0]!, id: 5, external_id: 'JOB2', by: 'another[bot]' });
    t.equal(await as[kind].findCheckRun(NAME, HEAD, 'mayfly: shop', 'JOB1'), id);
    t.equal(await as[kind].findCheckRun(NAME, HEAD, 'mayfly: shop', 'JOB2'), undefined, 'of another App');
    t.equal(await as[kind].findCheckRun(NAME, HEAD, 'mayfly: caddy', 'JOB1'), undefined);
    t.equal(standIn.repository(NAME).statuses.length, 0);
  });
}

story(
  "a person's token may not write check runs: commit statuses say the same, and it is not tried again",
  async (t, { standIn, as }) => {
    const { statuses, checkRuns } = standIn.repository(NAME);
    const id = await as.user.saveCheckRun(NAME, check({ title: 'x'.repeat(500) }));
    t.match(id, /^status:\d+$/);
    t.match(statuses, [
      { context: 'mayfly: shop', state: 'pending', sha: HEAD, target_url: 'http://127.0.0.1:8420/jobs' },
    ]);
    t.equal(statuses[0]!.description!.length, 140);
    const ends = [
      ['success', 'success'],
      ['neutral', 'success'],
      ['failure', 'failure'],
      ['cancelled', 'error'],
      ['timed_out', 'error'],
    ] as const;
    for (const [conclusion, state] of ends) {
      t.match(
        await as.user.saveCheckRun(
          NAME,
          check({ status: 'completed', conclusion, completed_at: '2026-01-02T03:06:05Z' }),
          id,
        ),
        /^status:\d+$/,
      );
      t.equal(statuses.at(-1)!.state, state, conclusion);
    }
    await as.user.saveCheckRun(NAME, check({ external_id: 'JOB2' }));
    t.equal(await as.user.findCheckRun(NAME, HEAD, 'mayfly: shop', 'JOB2'), undefined);
    t.equal(standIn.count('checks/create'), 1);
    t.equal(checkRuns.length, 0);
  },
);

story('an App without the permission gets no status in place of its check run', async (t, { standIn, as }) => {
  standIn.next({ status: 403, message: 'Resource not accessible by integration', on: /check-runs/ });
  t.match(await failure(as.app.saveCheckRun(NAME, check())), {
    kind: 'refused',
    status: 403,
    message: /POST \/repos\/octo\/shop\/check-runs: 403 Resource not accessible/,
  });
  t.equal(standIn.count('repos/create-commit-status'), 0);
});

story('an App asks once for its installation and for a token of each repository', async (t, { standIn, as }) => {
  standIn.addRepository('octo/other');
  for (const name of [NAME, 'octo/other', NAME, 'Octo/Shop']) await as.app.defaultBranch(name);
  t.equal(standIn.count('apps/get-repo-installation'), 2);
  t.equal(standIn.count('apps/create-installation-access-token'), 2);
  standIn.repository('octo/other').installed = false;
  const fresh = connectGitHub(standIn.env.app, Date.now)!;
  t.match(await failure(fresh.defaultBranch('octo/other')), {
    kind: 'refused',
    status: 404,
    message: /not installed in this repository/,
  });
  standIn.repository('octo/other').installed = true;
  t.ok(await fresh.defaultBranch('octo/other'), 'what failed is asked again');
});

story('an App by the file of its key, and by a key on one line', async (t, { standIn }) => {
  const { GITHUB_APP_PRIVATE_KEY: key, ...env } = standIn.env.app;
  const file = join(t.testdir(), 'key.pem');
  writeFileSync(file, key!);
  t.ok(await connectGitHub({ ...env, GITHUB_APP_PRIVATE_KEY_FILE: file }, Date.now)!.defaultBranch(NAME));
  t.ok(
    await connectGitHub({ ...env, GITHUB_APP_PRIVATE_KEY: key!.replaceAll('\n', '\\n') }, Date.now)!.defaultBranch(
      NAME,
    ),
  );
});

story('every page of a list is read', async (t, { standIn, as }) => {
  for (let number = 10; number < 260; number++) standIn.repository(NAME).addPull({ number, head: hash() });
  t.equal((await as.actions.openPullRequests(NAME)).length, 251);
  t.equal(standIn.count('pulls/list'), 3);
});

story('what fails says of what kind it is', async (t, { standIn }) => {
  let now = 1_700_000_000_000;
  const github = connectGitHub(standIn.env.actions, () => now)!;
  const ask = () => failure(github.pullRequest(NAME, 7));
  const untilLifted = () => void (now += 4 * 3600_000);
  const kinds = [
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [408, 'unavailable'],
    [401, 'refused'],
    [403, 'refused'],
    [404, 'refused'],
    [410, 'refused'],
    [422, 'refused'],
  ] as const;
  for (const [status, kind] of kinds) {
    standIn.next({ status });
    t.match(await ask(), {
      kind,
      status,
      retryAtMs: undefined,
      message: `GitHub: GET /repos/octo/shop/pulls/7: ${status} trouble ${status}`,
    });
  }
  standIn.next({ drop: true });
  t.match(await ask(), { kind: 'unavailable', status: undefined });
  standIn.next({ status: 429 });
  t.match(await ask(), { kind: 'rate-limited', status: 429, retryAtMs: now + 60_000 });
  t.match(
    await failure(github.defaultBranch(NAME)),
    { kind: 'rate-limited', retryAtMs: now + 60_000 },
    'nothing else is asked either',
  );
  t.equal(standIn.count('repos/get'), 0);
  untilLifted();
  standIn.next({ limit: 'secondary', seconds: 77 });
  t.match(await ask(), { kind: 'rate-limited', status: 403, retryAtMs: now + 77_000 });
  untilLifted();
  standIn.next({ status: 403, message: 'You have exceeded a secondary rate limit.' });
  t.match(await ask(), { kind: 'rate-limited', retryAtMs: now + 60_000 }, 'without a time');
  untilLifted();
  standIn.next({ limit: 'primary', seconds: 1800 });
  const limited = await ask();
  t.equal(limited.kind, 'rate-limited');
  t.ok(Math.abs(limited.retryAtMs! - now - 1800_000) < 30_000, "by GitHub's own clock, whatever ours says");
  untilLifted();
  standIn.next({ status: 429, headers: { 'retry-after': '99999999' } });
  t.equal((await ask()).retryAtMs, now + 2 * 3600_000, 'never longer than a limit of GitHub lasts');
  t.equal(standIn.count('pulls/get'), kinds.length + 6, 'nothing is repeated here');
  for (const name of ['octo', 'octo/../x', 'octo/..', 'a/b/c', ''])
    t.match(await failure(github.pullRequest(name, 7)), { kind: 'refused' }, name);
  t.match(
    await failure(
      connectGitHub({ GITHUB_TOKEN: 'ghp_S3CRET', GITHUB_API_URL: standIn.url }, Date.now)!.pullRequest(NAME, 7),
    ),
    { kind: 'refused', status: 401, message: /^((?!S3CRET).)*$/ },
  );
});

story('an answer that does not come is given up after ten seconds', async (t, { standIn, as }) => {
  standIn.next({ hang: true });
  const begin = Date.now();
  t.match(await failure(as.actions.saveComment(NAME, 7, 'x')), {
    kind: 'unavailable',
    message: /no answer within 10 s/,
  });
  t.ok(Date.now() - begin >= 9000);
});

t.test('nobody listens', async (t) => {
  const standIn = await startGitHub();
  await standIn[Symbol.asyncDispose]();
  t.match(await failure(connectGitHub(standIn.env.actions, Date.now)!.defaultBranch(NAME)), {
    kind: 'unavailable',
    message: /ECONNREFUSED|connect/,
  });
});
