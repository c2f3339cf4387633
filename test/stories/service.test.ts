/**
 * The whole service as a team uses it: a pull request and a merge, from GitHub's webhook to the report, over a killed
 * worker.
 */
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { dataFolder, engine, nothingLeft, probeRepository, run } from '../e2e/helpers.ts';
import { startGitHub } from '../service/server/github-standin.ts';
import { checkout, deliver, type Place, queue, SECRET, start, until, urlOf } from './service-place.ts';

t.teardown(() => engine.close());

const SERVER = readFileSync('test/fixtures/probe/service/server.js', 'utf8');
/** Computes 8 ms more for every request. */
const slower = { 'server.js': SERVER.replace('  requests++;\n', '  requests++;\n  compute(8);\n') };

t.test('a pull request and a merge are measured, judged and reported, though the worker is killed', async (t) => {
  const {
    folder,
    commits: [base, slow],
  } = await probeRepository(t, [{}, slower]);
  const git = (...args: string[]) => run('git', ['-C', folder, ...args]).done;
  await git('update-ref', 'refs/pull/7/head', slow!);
  await git('reset', '--quiet', '--hard', base!); // the default branch does not hold it
  await using github = await startGitHub();
  const remote = github.addRepository('acme/probe', base);
  remote.roles.set('ada', 'write');
  const place: Place = {
    root: checkout(t, folder),
    env: {
      MAYFLY_DATA: dataFolder(t),
      MAYFLY_WEBHOOK_SECRET: SECRET,
      ...(github.env.actions as Record<string, string>),
    },
  };

  // Before the server is there: GitHub's webhook of this push is lost, and made up for.
  const server = start(place, 'serve', '--port=0');
  t.teardown(() => server.child.kill('SIGKILL'));
  const url = await urlOf(server);
  const api = async (path: string) => (await fetch(`${url}/api/${path}`)).json() as any;
  await until('the head of the default branch is queued', async () => (await api('jobs')).jobs[0]);
  const [master] = await queue(place);
  t.match(master, { kind: 'new-master', state: 'queued', commit: base, repository: 'acme/probe', benchmark: 'probe' });

  const repository = { id: 1, full_name: 'acme/probe', default_branch: 'main' };
  remote.addPull({ number: 7, head: slow! });
  const opened = {
    action: 'opened',
    repository,
    pull_request: {
      number: 7,
      state: 'open',
      updated_at: new Date().toISOString(),
      head: { sha: slow, repo: { id: 1 } },
      base: { ref: 'main' },
      labels: [],
    },
  };
  const { status, queued } = await deliver(url, 'pull_request', opened);
  t.equal(status, 202);
  t.equal(queued.length, 1);
  t.match(await fetch(`${url}/jobs`).then((page) => page.text()), />#7<\/span>/);

  const first = start(place, 'work', '--port=0');
  await first.said(new RegExp(`job ${queued[0]}: `));
  await first.said(/round 3 (of at most 40|\()/);
  first.child.kill('SIGKILL');
  await first.done;
  const [taken] = (await queue(place)).filter(({ job_id }) => job_id === queued[0]);
  t.match(taken, { state: 'leased' }, 'nobody has told the store');

  const second = start(place, 'work', '--port=0');
  t.teardown(() => second.child.kill('SIGKILL'));
  const concluded = await until('the check run is concluded', () =>
    remote.checkRuns.find(({ head_sha, status }) => head_sha === slow && status === 'completed'),
  );
  t.match(concluded, { conclusion: 'failure', external_id: queued[0], name: 'mayfly: probe' });
  t.match(concluded.summary, /REGRESSION/);
  t.equal(remote.checkRuns.filter(({ head_sha }) => head_sha === slow).length, 1, 'one check run, updated in place');
  const comments = await until('the comment tells the verdict', () =>
    remote.comments.some(({ body }) => /REGRESSION/.test(body)) ? remote.comments : undefined,
  );
  t.equal(comments.length, 1, 'one comment, updated in place');

  const [job] = (await queue(place)).filter(({ job_id }) => job_id === queued[0]);
  t.match(job, { state: 'done', verdict: 'REGRESSION', losses: 1, failures: 0 });
  const measured: { run: RunDocument } & RunDocument = await api(`runs/${job!.run_id}`);
  const document = measured.run ?? measured;
  t.ok(document.continues, 'the rounds that the killed worker had finished are taken over');
  t.match(await fetch(`${url}/runs/${job!.run_id}`).then((page) => page.text()), /REGRESSION/);

  const commented = {
    action: 'created',
    repository,
    issue: { number: 7, pull_request: {} },
    comment: {
      id: remote.addComment(7, 'ada', '/bench hlep'),
      body: '/bench hlep',
      created_at: new Date().toISOString(),
      user: { login: 'ada', type: 'User' },
    },
  };
  t.equal((await deliver(url, 'issue_comment', commented)).status, 202);
  await until('a wrong command gets its answer', () =>
    remote.comments.find(({ body, author }) => author !== 'ada' && /hlep/.test(body)),
  );

  const merged = await until('the default branch is measured', async () => {
    const job = await api(`jobs/${master!.job_id}`);
    return job.state === 'done' ? job : undefined;
  });
  t.ok(merged.run_id);
  await until('the commit of the default branch has its check run', () =>
    remote.checkRuns.find(({ head_sha, status }) => head_sha === base && status === 'completed'),
  );
  t.same(github.faults, [], 'every request was one that GitHub describes');

  for (const { child, done } of [second, server]) {
    child.kill('SIGTERM');
    t.equal((await done).code, 0, 'a clean end');
  }
  await nothingLeft(t, place.env.MAYFLY_DATA!, { waiting: 1 }); // the metrics of the interrupted run
});
