/** npm run queue: its document, its table, and its commands as the user starts them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { compile } from '../../scripts/config/schema.ts';
import { paths } from '../../scripts/core/paths.ts';
import { type NewJob, PRIORITY } from '../../scripts/documents/job.ts';
import { type QueueDocument, queueText } from '../../scripts/report/queue-text.ts';
import { openStore } from '../../scripts/store/db.ts';

const ROOT = join(import.meta.dirname, '../..');
const data = t.testdir();
const validate = compile(JSON.parse(readFileSync(join(ROOT, 'docs/schemas/mayfly.queue.v1.json'), 'utf8')));
const faults = (document: unknown) =>
  validate(JSON.parse(JSON.stringify(document)))
    ? []
    : validate.errors!.map(({ instancePath, keyword }) => `${instancePath} ${keyword}`);
const store = openStore(paths('/', { MAYFLY_DATA: data }).db);
t.teardown(() => store.close());
const head = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();

function queue(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/commands/queue.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, MAYFLY_DATA: data },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
const list = (...args: string[]): QueueDocument => JSON.parse(queue('list', '--json', ...args).stdout);
const NOW = Date.now();
const me = { host: 'bench-1', pid: 4711, pid_start: '99' };
const wanted = (letter: string, more: Partial<NewJob> = {}): NewJob => ({
  kind: 'new-test',
  benchmark: 'shop',
  commit: letter.repeat(40),
  requested_by: 'pull request',
  priority: PRIORITY.pull_request,
  deadline_s: 3600,
  ...more,
});

t.test('an empty queue', async (t) => {
  t.strictSame(queue('list'), {
    status: 0,
    stdout: 'no worker is there; npm run work starts one\n\nno job to show; npm run queue -- add makes one\n',
    stderr: '',
  });
  t.strictSame(list(), { schema: 'mayfly.queue/v1', workers: [], jobs: [] });
});

t.test('add', async (t) => {
  const first = queue('add', '--rate=50', '--duration=2s', '--repository=acme/shop', '--pull-request=7');
  t.match(first, {
    status: 0,
    stdout: /^job [0-9A-Z]{26}: shop at [0-9a-f]{12}, the next one\n$/,
    stderr: 'no worker is there: npm run work takes it\n',
  });
  const [job] = list().jobs;
  t.match(job, {
    kind: 'new-test',
    state: 'queued',
    priority: 30,
    benchmark: 'shop',
    commit: head,
    ref: 'HEAD',
    repository: 'acme/shop',
    pull_request: 7,
    overrides: { rate: '50', duration: '2s' },
    deadline_s: 3600,
  });
  t.match(
    queue('add', '--rate=50', '--duration=2s', '--repository=acme/shop', '--pull-request=7').stdout,
    `job ${job!.job_id}: shop at ${head.slice(0, 12)}, already there, the next one`,
  );
  const second = JSON.parse(queue('add', '--master', '--json').stdout);
  t.match(second, { schema: 'mayfly.queued/v1', added: true, place: 2, job: { kind: 'new-master', commit: head } });
  t.match(
    queue('add', '--benchmark=caddy', '--commit=v2.10.0', '--against=v2.9.0').stdout,
    /caddy at v2\.10\.0, 2 jobs before it/,
  );
  t.strictSame(
    list('--benchmark=caddy').jobs.map(({ commit, against }) => [commit, against]),
    [['v2.10.0', 'v2.9.0']],
  );
});

t.test('what bench would refuse is refused before it is queued', async (t) => {
  const before = list().jobs.length;
  const cases: [args: string[], says: RegExp][] = [
    [['--benchmark=shp'], /there is no benchmark "shp" \(did you mean shop\?\)/],
    [['--commit=nosuch'], /commit "nosuch" is not in the repository/],
    [['--against=nosuch'], /commit "nosuch" is not in the repository/],
    [['--benchmark=caddy'], /--commit must be given/],
    [['--duration=2x'], /--duration must be a duration/],
    [['--pull-request=7'], /--pull-request needs --repository/],
    [['--repository=acme'], /--repository must be OWNER\/NAME/],
    [['--repository=acme/shop', '--pull-request=x'], /--pull-request must be a whole number/],
    [['--master', '--against=HEAD~1'], /--master does not go with --against/],
    [['--comit=HEAD'], /--comit is not a flag \(did you mean --commit\?\)/],
  ];
  for (const [args, says] of cases)
    t.match(queue('add', ...args), { status: 2, stdout: '', stderr: says }, args.join(' '));
  t.equal(list().jobs.length, before);
});

t.test('list, of every state, fits its schema', async (t) => {
  const end = (job: NewJob, outcome: Parameters<typeof store.queue.endLease>[2]) => {
    const {
      job: { job_id },
    } = store.queue.enqueue({ ...job, priority: 99 }, { now: NOW });
    const { leaseId } = store.queue.claim(me, NOW)!;
    store.queue.endLease(job_id, leaseId, outcome, NOW);
    return job_id;
  };
  end(wanted('1'), { state: 'done', run_id: '01R', verdict: 'REGRESSION' });
  end(wanted('2'), { state: 'failed', fault: 'build', reason: 'it does not build:\n\u001b[31mlong log' });
  end(wanted('3'), { state: 'retry', reason: 'the engine does not answer' });
  const leased = store.queue.enqueue(wanted('4', { priority: 99, repository: 'acme/shop', pull_request: 8 }), {
    now: NOW,
  }).job.job_id;
  const { leaseId } = store.queue.claim(me, NOW)!;
  store.queue.renew(leased, leaseId, NOW, {
    text: 'measuring',
    rounds_done: 2,
    rounds_most: 10,
    run_id: '01S',
    at: new Date(NOW).toISOString(),
  });
  store.queue.hello(me, 1, NOW);
  for (const letter of 'abcdef0123456789')
    store.queue.cancel(
      store.queue.enqueue(wanted(letter, { benchmark: 'old', pull_request: 9, repository: 'a/b' }), { now: NOW }).job
        .job_id,
      'x',
      NOW + 1,
    );
  store.queue.pause({ by: 'me', at: new Date(NOW).toISOString(), reason: 'moved' });

  const document = list();
  t.strictSame(faults(document), []);
  t.strictSame(faults(list('--all')), []);
  t.strictSame(faults({ ...document, extra: 1 }), [' additionalProperties']);
  t.strictSame(faults({ ...document, jobs: [{ ...document.jobs[0], state: 'lost' }] }), ['/jobs/0/state enum']);
  t.match(document, {
    paused: { by: 'me', reason: 'moved' },
    workers: [{ ...me, slots: 1 }],
    jobs: [{ job_id: leased, state: 'leased' }, { state: 'queued' }],
  });
  t.equal(document.jobs.filter(({ ended_at }) => ended_at).length, 10, 'the last ten that ended');
  t.equal(list('--all').jobs.filter(({ ended_at }) => ended_at).length, 18);
  t.strictSame(
    list('--state=failed', '--state=done').jobs.map(({ state }) => state),
    ['failed', 'done'],
  );
  t.equal(list('--limit=2').jobs.length, 2);
  t.match(queue('list', '--state=lost'), {
    status: 2,
    stderr: /--state must be queued, leased, done, failed or cancelled, got "lost"/,
  });

  const text = queueText(list('--all'), { color: false, now: NOW + 5000 });
  t.match(
    text,
    /^paused since \d{4}-\d\d-\d\d \d\d:\d\d by me: moved; what runs goes on\. npm run queue -- resume\nworker bench-1, process 4711, 1 slot, is there\n\njob +state +benchmark +commit +of +asked by +time\n/,
  );
  t.match(
    text,
    new RegExp(
      `^${leased}  leased +shop +444444444444  acme/shop#8 +pull request +5\\.0s +2 of 10 rounds, measuring$`,
      'm',
    ),
  );
  t.match(text, /queued +shop +333333333333 .* in 25\.0s, the engine does not answer$/m);
  t.match(text, /done +shop +111111111111 .* REGRESSION, run 01R$/m);
  t.match(text, /failed +shop +222222222222 .* it does not build:$/m, 'its first line');
  t.notMatch(text, '\u001b');
  t.match(
    queueText({ ...document, jobs: [] }, { color: false, now: NOW + 3_600_000 }),
    /process 4711, 1 slot, is missing: last heard of at/,
  );
});

t.test('cancel and retry', async (t) => {
  const [running, waiting] = [list('--state=leased').jobs[0]!, list('--state=queued').jobs[0]!];
  t.match(queue('retry', running.job_id), {
    status: 2,
    stderr: /has not ended: it is leased\nWait for its end, or end it first: npm run queue -- cancel/,
  });
  t.strictSame(
    queue('cancel', running.job_id, waiting.job_id, '--reason=the host is moved').stdout,
    `job ${running.job_id} runs: its worker ends it\njob ${waiting.job_id} is cancelled\n`,
  );
  t.match(store.queue.job(running.job_id), { state: 'leased', cancel_reason: /^cancelled by .+: the host is moved$/ });
  t.match(queue('cancel', waiting.job_id), { status: 2, stderr: /has ended: it is cancelled/ });
  t.match(queue('cancel'), { status: 2, stderr: /cancel needs the id of at least one job, got 0/ });
  t.match(queue('cancel', '01ZZZ'), { status: 2, stderr: /there is no job "01ZZZ"/ });
  t.match(queue('cancel', waiting.job_id.slice(0, 4)), { status: 2, stderr: /is the beginning of several jobs: / });

  const again = JSON.parse(queue('retry', waiting.job_id.toLowerCase(), '--json').stdout);
  t.match(again, {
    added: true,
    job: {
      retry_of: waiting.job_id,
      state: 'queued',
      commit: waiting.commit,
      overrides: waiting.overrides,
      priority: 30,
    },
  });
  t.not(again.job.job_id, waiting.job_id);
  t.match(
    queue('retry', waiting.job_id).stdout,
    `job ${again.job.job_id}: shop at ${waiting.commit.slice(0, 12)}, already there, `,
  );
});

t.test('pause and resume', async (t) => {
  t.match(
    queue('pause', '--reason=maintenance').stdout,
    /^the queue is paused, and \d+ jobs wait; npm run queue -- resume goes on\n$/,
  );
  t.match(list().paused, { reason: 'maintenance' });
  t.match(queue('add', '--commit=HEAD~1').stderr, 'the queue is paused: npm run queue -- resume');
  t.equal(queue('resume').stdout, 'the queue goes on\n');
  t.equal(queue('resume').stdout, 'the queue was not paused\n');
  t.match(queue(), {
    status: 2,
    stderr: /queue needs to know what to do\nOne of list, add, cancel, retry, pause, resume/,
  });
});
