/** Each rule of the queue, by value, on a real store. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type NewJob, PRIORITY, type WorkerName } from '../../scripts/documents/job.ts';
import { openStore } from '../../scripts/store/db.ts';
import { type EnqueueOptions, type Queue, retryOf } from '../../scripts/store/jobs.ts';
import { FIRST_PAUSE_MS, LEASE_MS, SILENCE_MS } from '../../scripts/store/leases.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const START = Date.UTC(2026, 0, 2, 3, 4, 5);

const worker = (pid: number): WorkerName => ({ host: 'bench-1', pid, pid_start: `${1000 + pid}` });
const [one, two] = [worker(1), worker(2)];
const commit = (letter: string) => letter.repeat(40);

const wanted = (more: Partial<NewJob> = {}): NewJob => ({
  kind: 'new-test',
  benchmark: 'shop',
  commit: commit('a'),
  requested_by: 'test',
  priority: PRIORITY.pull_request,
  deadline_s: 3600,
  ...more,
});
const ofPull = (letter: string, more: Partial<NewJob> = {}) =>
  wanted({ repository: 'acme/shop', pull_request: 7, commit: commit(letter), ...more });

interface Opened {
  queue: Queue;
  /** A second connection to the same file: another process's. */
  other: Queue;
  add(job?: NewJob, options?: Partial<EnqueueOptions>): ReturnType<Queue['enqueue']>;
  /** [state, reason] of a job. */
  at(id: string): [string, string | undefined];
}

function open(t: Test): Opened {
  const file = join(t.testdir(), 'mayfly.db');
  const [first, second] = [openStore(file), openStore(file)];
  t.teardown(() => [first, second].forEach((store) => store.close()));
  const { queue } = first;
  return {
    queue,
    other: second.queue,
    add: (job = wanted(), options = {}) => queue.enqueue(job, { now: START, ...options }),
    at: (id) => {
      const { state, reason } = queue.job(id)!;
      return [state, reason];
    },
  };
}

/** Looks at the leases every five seconds, from `from` on for so long; gives what was taken back. */
function watch(queue: Queue, from: number, ms: number, alive: boolean | undefined) {
  const taken = [];
  for (let passed = 0; passed <= ms; passed += 5000) taken.push(...queue.recoverLost(from + passed, () => alive));
  return taken;
}

t.test('a job comes back as it was asked for', async (t) => {
  const { queue, add } = open(t);
  const { job, added, replaced, cancelling } = add(
    ofPull('a', { ref: 'topic', against: 'v1', overrides: { rate: '500', duration: '2m' } }),
  );
  t.strictSame({ added, replaced, cancelling }, { added: true, replaced: [], cancelling: [] });
  const { job_id, ...rest } = job;
  t.match(job_id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  t.strictSame(rest, {
    kind: 'new-test',
    state: 'queued',
    priority: 10,
    repository: 'acme/shop',
    benchmark: 'shop',
    commit: commit('a'),
    ref: 'topic',
    against: 'v1',
    pull_request: 7,
    overrides: { duration: '2m', rate: '500' },
    requested_by: 'test',
    created_at: '2026-01-02T03:04:05.000Z',
    deadline_s: 3600,
    losses: 0,
    failures: 0,
  });
  t.strictSame(queue.job(job_id), job);
});

t.test('its way: queued, leased, done; another process sees the same', async (t) => {
  const { queue, other, add } = open(t);
  const { job_id } = add().job;
  const { job, leaseId } = other.claim(one, START + 1000)!;
  t.match(job, {
    job_id,
    state: 'leased',
    worker: one,
    started_at: '2026-01-02T03:04:06.000Z',
    lease_until: '2026-01-02T03:05:06.000Z',
  });
  t.equal(queue.claim(two, START + 1000), undefined, 'it is taken once');
  t.strictSame(
    other.renew(job_id, leaseId, START + 20_000, { text: 'round 1 of 10', at: '2026-01-02T03:04:25.000Z' }),
    { lost: false },
  );
  t.match(queue.job(job_id), { lease_until: '2026-01-02T03:05:25.000Z', progress: { text: 'round 1 of 10' } });
  t.strictSame(other.renew(job_id, leaseId, START + 25_000), { lost: false });
  t.match(queue.job(job_id), { progress: { text: 'round 1 of 10' } }, 'what was told stays where nothing is told');
  t.equal(other.endLease(job_id, leaseId, { state: 'done', run_id: '01RUN', verdict: 'PASS' }, START + MINUTE), true);
  const ended = queue.job(job_id)!;
  t.match(ended, {
    state: 'done',
    run_id: '01RUN',
    verdict: 'PASS',
    ended_at: '2026-01-02T03:05:05.000Z',
    worker: one,
  });
  t.equal(ended.lease_until, undefined);
  t.equal(
    other.endLease(job_id, leaseId, { state: 'failed', fault: 'other', reason: 'again' }, START + MINUTE),
    false,
    'it ends once',
  );
  t.strictSame(queue.renew(job_id, leaseId, START), { lost: true });
});

t.test(
  'by hand goes before the default branch, that before pull requests; the older first, whatever the clock said',
  async (t) => {
    const { queue, other } = open(t);
    const add = (by: Queue, letter: string, priority: number, now: number) =>
      by.enqueue(wanted({ commit: commit(letter), priority }), { now }).job.job_id;
    const ids = [
      add(queue, 'a', PRIORITY.pull_request, START),
      add(queue, 'b', PRIORITY.pull_request, START - 400 * DAY),
      add(other, 'c', PRIORITY.pull_request, START + DAY),
      add(queue, 'd', PRIORITY.pull_request, START),
      add(queue, 'e', PRIORITY.master, START),
      add(queue, 'f', PRIORITY.by_hand, START),
    ];
    const order = [ids[5], ids[4], ids[0], ids[1], ids[2], ids[3]];
    t.strictSame(
      queue.jobs().map(({ job_id }) => job_id),
      order,
      'the list has the order in which they are taken',
    );
    t.strictSame(
      ids.map(() => queue.claim(one, START)!.job.job_id),
      order,
    );
  },
);

t.test('what was measured, has failed or was declined is not queued again unless somebody asks', async (t) => {
  const { queue, add, at } = open(t);
  const end = (outcome: Parameters<Queue['endLease']>[2]) => {
    const { job, leaseId } = queue.claim(one, START)!;
    queue.endLease(job.job_id, leaseId, outcome, START);
    return job.job_id;
  };
  const again = { again: true };
  const first = add().job.job_id;
  t.match(
    [add(), add(wanted(), again)],
    [
      { added: false, job: { job_id: first } },
      { added: false, job: { job_id: first } },
    ],
    'while it waits',
  );
  const { leaseId } = queue.claim(one, START)!;
  t.match([add(), add(wanted(), again)], [{ added: false }, { added: false }], 'while it runs');
  queue.endLease(first, leaseId, { state: 'done', run_id: '01R' }, START);
  t.match(add(), { added: false, job: { job_id: first, state: 'done' } });
  const second = add(wanted(), again).job.job_id;
  t.not(second, first);
  t.equal(end({ state: 'failed', fault: 'build', reason: 'does not build' }), second);
  t.match(add(), { added: false });
  const third = add(wanted({ commit: commit('b') })).job.job_id;
  end({ state: 'failed', fault: 'build', reason: 'does not build' });
  t.match(add(wanted({ commit: commit('b') })), { added: false, job: { job_id: third, state: 'failed' } });

  const fourth = add(wanted({ commit: commit('c') })).job.job_id;
  t.equal(queue.cancel(fourth, 'no', START), true);
  t.match(
    add(wanted({ commit: commit('c') })),
    { added: false, job: { job_id: fourth, state: 'cancelled' } },
    'somebody said no to it',
  );
  const fifth = add(wanted({ commit: commit('c') }), again).job.job_id;
  queue.cancel(fifth, 'its pull request was closed', START, { mayReturn: true });
  t.match(
    add(wanted({ commit: commit('c') })),
    { added: true },
    'that it was closed is no such no, and the one before is void since somebody has asked',
  );
  t.strictSame(at(fourth), ['cancelled', 'no']);
});

t.test('other settings are another job, in whatever order they are written', async (t) => {
  const { add } = open(t);
  add();
  const variants: Partial<NewJob>[] = [
    { benchmark: 'caddy' },
    { kind: 'new-master' },
    { against: 'v1' },
    { overrides: { rate: '5' } },
    { overrides: { rate: '5', duration: '2m' } },
    { repository: 'acme/shop' },
  ];
  for (const variant of variants)
    t.match([add(wanted(variant)), add(wanted(variant))], [{ added: true }, { added: false }], JSON.stringify(variant));
  t.match(add(wanted({ overrides: { duration: '2m', rate: '5' } })), { added: false });
});

t.test('asked for by hand, a job that waits comes forward', async (t) => {
  const { queue, add } = open(t);
  const id = add().job.job_id;
  add(wanted({ commit: commit('b'), priority: PRIORITY.master }));
  t.match(add(wanted({ priority: PRIORITY.by_hand }), { again: true }), {
    added: false,
    job: { job_id: id, priority: 30 },
  });
  t.match(add(), { added: false, job: { priority: 30 } }, 'and stays there');
  t.equal(queue.claim(one, START)!.job.job_id, id);
});

t.test('paths stay with a job until somebody asks for it whatever it touches; they make no other job', async (t) => {
  const { queue, add } = open(t);
  const paths = ['src/**', '!docs/**'];
  const { job } = add(ofPull('a', { paths }));
  t.strictSame(job.paths, paths);
  t.match(add(ofPull('a', { paths: ['lib/**'] })), { added: false, job: { job_id: job.job_id, paths } });
  t.strictSame(queue.claim(one, START)!.job.paths, paths);
  t.match(add(ofPull('a'), { again: true }), { added: false });
  t.equal(queue.job(job.job_id)!.paths, undefined, 'it may be handed back and begun anew');
  t.match(add(ofPull('a', { paths })), { added: false, job: { paths: undefined } }, 'not even by the next delivery');
  t.strictSame(retryOf(add(ofPull('b', { paths })).job, 'me').paths, undefined);
});

t.test('a newer push', async (t) => {
  t.test('replaces what waits of its pull request and benchmark', async (t) => {
    const { add, at } = open(t);
    const [old, otherBenchmark, otherPull, master] = [
      add(ofPull('a')),
      add(ofPull('a', { benchmark: 'caddy' })),
      add(ofPull('e', { pull_request: 8 })),
      add(wanted({ kind: 'new-master', repository: 'acme/shop' })),
    ].map(({ job }) => job.job_id);
    const newer = add(ofPull('b'));
    t.strictSame(newer.replaced, [old]);
    t.strictSame(at(old!), ['cancelled', `replaced by job ${newer.job.job_id} of commit bbbbbbbbbbbb`]);
    for (const id of [otherBenchmark, otherPull, master]) t.strictSame(at(id!), ['queued', undefined]);
  });
  t.test('asks what runs to end where the benchmark says so', async (t) => {
    const { queue, add, at } = open(t);
    const old = add(ofPull('a')).job.job_id;
    const { leaseId } = queue.claim(one, START)!;
    const newer = add(ofPull('b'), { cancelRunning: true });
    t.strictSame([newer.replaced, newer.cancelling], [[], [old]]);
    const { cancel } = queue.renew(old, leaseId, START + 5000);
    t.match(cancel, `replaced by job ${newer.job.job_id} of commit bbbbbbbbbbbb`);
    t.equal(queue.endLease(old, leaseId, { state: 'cancelled', reason: cancel! }, START + 6000), true);
    t.strictSame(at(old), ['cancelled', cancel]);
    t.match(queue.job(old), { replaced_by: newer.job.job_id });
  });
  t.test('else lets it run, but not come back into the queue', async (t) => {
    for (const outcome of [
      { state: 'handed back', reason: 'x' },
      { state: 'retry', reason: 'x' },
    ] as const) {
      const { queue, add, at } = open(t);
      const old = add(ofPull('a')).job.job_id;
      const { leaseId } = queue.claim(one, START)!;
      const newer = add(ofPull('b'));
      t.strictSame([newer.replaced, newer.cancelling, queue.renew(old, leaseId, START)], [[], [], { lost: false }]);
      queue.endLease(old, leaseId, outcome, START);
      t.strictSame(at(old), ['cancelled', `replaced by job ${newer.job.job_id}`], outcome.state);
    }
    const { queue, add, at } = open(t);
    const old = add(ofPull('a')).job.job_id;
    const { leaseId } = queue.claim(one, START)!;
    add(ofPull('b'));
    queue.endLease(old, leaseId, { state: 'done', run_id: '01R' }, START);
    t.strictSame(at(old), ['done', undefined], 'one that comes to its end is kept');
  });
  t.test('back to an older commit is the newest push', async (t) => {
    const { queue, add, at } = open(t);
    const a = add(ofPull('a')).job.job_id;
    const { leaseId } = queue.claim(one, START)!;
    const b = add(ofPull('b')).job.job_id;
    t.match(add(ofPull('a')), { added: false, job: { job_id: a }, replaced: [b] });
    queue.endLease(a, leaseId, { state: 'handed back', reason: 'x' }, START);
    t.strictSame(at(a), ['queued', 'x'], 'nothing replaces it any more');
    t.strictSame(at(b)[0], 'cancelled');
    t.match(add(ofPull('b')), { added: true, replaced: [a] });
    t.match(add(ofPull('a')), { added: true }, 'what was replaced is queued again');
  });
  t.test('leaves alone what somebody has named, which replaces nothing', async (t) => {
    const { queue, add, at } = open(t);
    const head = add(ofPull('b')).job.job_id;
    const named = add(ofPull('a'), { again: true, pinned: true });
    t.strictSame([named.added, named.replaced, at(head)[0]], [true, [], 'queued']);
    t.strictSame(add(ofPull('c')).replaced, [head]);
    t.strictSame(at(named.job.job_id)[0], 'queued');
    const c = queue.jobs({ commit: commit('c') })[0]!.job_id;
    add(ofPull('c'), { again: true, pinned: true });
    t.strictSame(add(ofPull('d')).replaced, [], 'one that waits already is named, too');
    t.strictSame(at(c)[0], 'queued');
  });
  t.test('leaves alone what another pull request wants, too', async (t) => {
    const { add, at } = open(t);
    const shared = add(ofPull('a')).job.job_id;
    t.match(add(ofPull('a', { pull_request: 8 })), { added: false, job: { job_id: shared } });
    t.strictSame(add(ofPull('b')).replaced, []);
    t.strictSame(at(shared)[0], 'queued');
  });
  t.test('other settings of the same commit are no newer push', async (t) => {
    const { add } = open(t);
    add(ofPull('a'));
    t.strictSame(add(ofPull('a', { overrides: { rate: '5' } }), { again: true }).replaced, []);
  });
});

t.test('a commit that no remote has yet is looked for nine times in half an hour, each pause twice as long', (t) => {
  const { queue, add, at } = open(t);
  const { job_id } = add(ofPull('a')).job;
  const absent = { state: 'absent', reason: 'commit a is not in the repository r' } as const;
  let now = START;
  const pauses = [10, 20, 40, 80, 160, 320, 600, 600].map((seconds) => seconds * 1000);
  for (const pause of pauses) {
    queue.endLease(job_id, queue.claim(one, now)!.leaseId, absent, now);
    t.strictSame(at(job_id), ['queued', absent.reason]);
    t.equal(queue.claim(one, now + pause - 1), undefined, `not before ${pause} ms`);
    now += pause;
  }
  t.match(queue.job(job_id), { failures: 0 }, 'no fault of the infrastructure');
  queue.endLease(job_id, queue.claim(one, now)!.leaseId, absent, now);
  t.match(queue.job(job_id), {
    state: 'failed',
    fault: 'other',
    reason: `commit a is not in the repository r (looked for 9 times in half an hour)\nOnce it is pushed there, \`/bench\` in its pull request or npm run queue -- retry ${job_id} measures it.`,
  });
  const next = add(ofPull('b')).job.job_id;
  const { leaseId } = queue.claim(one, now)!;
  add(ofPull('c'));
  queue.endLease(next, leaseId, absent, now);
  t.match(at(next), ['cancelled', /^replaced by job/], 'of a head that is not the newest any more');
  t.end();
});

t.test('a fault of the infrastructure is tried again after a pause, three times in all', async (t) => {
  const { queue, add, at } = open(t);
  const { job_id } = add().job;
  let now = START;
  for (const pause of [FIRST_PAUSE_MS, 4 * FIRST_PAUSE_MS]) {
    const { leaseId } = queue.claim(one, now)!;
    queue.endLease(job_id, leaseId, { state: 'retry', reason: 'the engine does not answer' }, now);
    t.strictSame(at(job_id), ['queued', 'the engine does not answer']);
    t.equal(queue.job(job_id)!.not_before, new Date(now + pause).toISOString());
    t.equal(queue.claim(one, now + pause - 1), undefined);
    now += pause;
  }
  const { job, leaseId } = queue.claim(one, now)!;
  t.strictSame([job.failures, job.not_before], [2, undefined]);
  queue.endLease(job_id, leaseId, { state: 'retry', reason: 'the engine does not answer', run_id: '01R' }, now);
  t.strictSame(at(job_id), ['failed', 'the engine does not answer (tried 3 times)']);
  t.equal(queue.job(job_id)!.run_id, '01R');
});

t.test('while one has a pause, others are taken; a clock that was set back makes no pause longer', async (t) => {
  const { queue, add } = open(t);
  const first = add(wanted({ priority: PRIORITY.by_hand })).job.job_id;
  queue.endLease(first, queue.claim(one, START)!.leaseId, { state: 'retry', reason: 'x' }, START);
  const second = add(wanted({ commit: commit('b') })).job.job_id;
  t.equal(queue.claim(one, START + 1000)!.job.job_id, second);
  t.equal(queue.claim(one, START + 1000), undefined);
  t.equal(queue.claim(one, START - 30 * DAY)!.job.job_id, first);
});

t.test('who ends hands back: somebody else takes it at once, and nothing is counted', async (t) => {
  const { queue, add, at } = open(t);
  const { job_id } = add().job;
  const { leaseId } = queue.claim(one, START)!;
  t.equal(
    queue.endLease(job_id, leaseId, { state: 'handed back', reason: 'its worker was asked to end' }, START),
    true,
  );
  t.strictSame(at(job_id), ['queued', 'its worker was asked to end']);
  t.match(queue.claim(two, START)!.job, { job_id, losses: 0, failures: 0, worker: two });
});

t.test('a lost worker', async (t) => {
  t.test('whose process is gone: at once; the job is queued again, the second time it has failed', async (t) => {
    const { queue, other, add, at } = open(t);
    const { job_id } = add().job;
    const { leaseId } = queue.claim(one, START)!;
    t.match(
      other.recoverLost(START + 1, () => false),
      [{ job_id, state: 'queued', losses: 1 }],
    );
    t.strictSame(at(job_id), ['queued', 'its worker (bench-1, process 1) was lost']);
    const again = queue.claim(two, START + 2)!;
    t.strictSame(queue.renew(job_id, leaseId, START + 3), { lost: true }, 'the first one, had it lived, is out');
    t.equal(queue.endLease(job_id, leaseId, { state: 'done', run_id: '01R' }, START + 3), false);
    t.strictSame(at(job_id)[0], 'leased');
    queue.renew(job_id, again.leaseId, START + 4, { text: 'x', run_id: '01PART', at: new Date(START).toISOString() });
    t.match(
      other.recoverLost(START + 5, () => false),
      [{ job_id, state: 'failed', losses: 2, run_id: '01PART' }],
    );
    t.strictSame(at(job_id), ['failed', 'its worker (bench-1, process 2) was lost, the second time']);
  });
  t.test('on another host: when its lease was not renewed for its length', async (t) => {
    const { queue, other, add } = open(t);
    const { job_id } = add().job;
    queue.claim(one, START);
    t.strictSame(watch(other, START, LEASE_MS, undefined), []);
    t.match(watch(other, START + LEASE_MS + 1, 5000, undefined), [{ job_id, state: 'queued' }]);
  });
  t.test('that lives, but is silent: after ten minutes', async (t) => {
    const { queue, other, add } = open(t);
    queue.claim(one, START);
    const { job_id } = add().job;
    queue.claim(one, START);
    t.strictSame(watch(other, START, SILENCE_MS, true), []);
    t.match(watch(other, START + SILENCE_MS + 1, 5000, true), [{ job_id }]);
  });
  t.test('what was to end is cancelled then, also the second time', async (t) => {
    const { queue, add, at } = open(t);
    const { job_id } = add().job;
    queue.claim(one, START);
    queue.recoverLost(START, () => false);
    queue.claim(two, START);
    t.equal(queue.cancel(job_id, 'enough', START), true);
    queue.recoverLost(START, () => false);
    t.strictSame(at(job_id), ['cancelled', 'enough']);
  });
});

t.test('no jump of the clock takes a job from a worker that lives', async (t) => {
  for (const jump of [2 * MINUTE, 3 * DAY, 4000 * DAY, -2 * MINUTE, -3 * DAY, -4000 * DAY]) {
    for (const alive of [true, undefined]) {
      const { queue, other, add } = open(t);
      const { job_id } = add().job;
      const { leaseId } = queue.claim(one, START)!;
      watch(other, START, MINUTE / 2, alive);
      const later = START + MINUTE / 2 + jump;
      t.strictSame(
        watch(other, later, MINUTE / 4, alive),
        [],
        `${jump / MINUTE} minutes, alive ${alive}: looked at before its worker renews`,
      );
      t.strictSame(queue.renew(job_id, leaseId, later + MINUTE / 4), { lost: false });
      t.strictSame(watch(other, later + MINUTE / 4, MINUTE / 2, alive), []);
      if (alive === undefined)
        t.match(
          watch(other, later + MINUTE, MINUTE, alive),
          [{ job_id }],
          'but one that is silent is found whatever the clock did',
        );
    }
  }
});

t.test('cancelling', async (t) => {
  const { queue, add, at } = open(t);
  const waits = add().job.job_id;
  t.equal(queue.cancel(waits, 'not wanted', START), true);
  t.strictSame(at(waits), ['cancelled', 'not wanted']);
  t.equal(queue.cancel(waits, 'again', START), false);
  t.equal(queue.cancel('01NONE', 'x', START), false);
  const runs = add(wanted({ commit: commit('b') })).job.job_id;
  const { leaseId } = queue.claim(one, START)!;
  t.equal(queue.cancel(runs, 'not wanted', START), true);
  t.strictSame([at(runs)[0], queue.renew(runs, leaseId, START)], ['leased', { lost: false, cancel: 'not wanted' }]);
  t.equal(queue.endLease(runs, leaseId, { state: 'handed back', reason: 'its worker was asked to end' }, START), true);
  t.strictSame(at(runs), ['cancelled', 'not wanted'], 'it does not come back');
  const tooLate = add(wanted({ commit: commit('c') })).job.job_id;
  const third = queue.claim(one, START)!;
  queue.cancel(tooLate, 'not wanted', START);
  queue.endLease(tooLate, third.leaseId, { state: 'done', run_id: '01R', verdict: 'PASS' }, START);
  t.match(queue.job(tooLate), { state: 'done', verdict: 'PASS' }, 'a run that was done before it was ended counts');
  t.match(add(wanted({ commit: commit('c') })), { added: false });
});

t.test('paused: nothing is begun, what runs goes on, what comes is queued', async (t) => {
  const { queue, other, add } = open(t);
  const { job_id } = add().job;
  const { leaseId } = queue.claim(one, START)!;
  other.pause({ by: 'me', at: '2026-01-02T03:04:05.000Z', reason: 'the host is moved' });
  t.strictSame(queue.paused(), { by: 'me', at: '2026-01-02T03:04:05.000Z', reason: 'the host is moved' });
  t.match(add(wanted({ commit: commit('b') })), { added: true });
  t.equal(queue.claim(two, START), undefined);
  t.strictSame(queue.renew(job_id, leaseId, START), { lost: false });
  t.strictSame([other.resume(), other.resume(), queue.paused()], [true, false, undefined]);
  t.equal(queue.claim(two, START)!.job.commit, commit('b'));
});

t.test('finding and listing', async (t) => {
  const { queue, add } = open(t);
  const ids = [...'abcde'].map(
    (letter, i) =>
      add(wanted({ commit: commit(letter), benchmark: i < 2 ? 'caddy' : 'shop' }), { now: START + i }).job.job_id,
  );
  for (const [i, outcome] of (['done', 'failed'] as const).entries()) {
    const { job, leaseId } = queue.claim(one, START)!;
    queue.endLease(
      job.job_id,
      leaseId,
      outcome === 'done' ? { state: 'done', run_id: '01R' } : { state: 'failed', fault: 'other', reason: 'x' },
      START + i * MINUTE,
    );
  }
  queue.claim(one, START);
  const listed = (filter: Parameters<Queue['jobs']>[0]) => queue.jobs(filter).map(({ job_id }) => ids.indexOf(job_id));
  t.strictSame(listed({}), [2, 3, 4, 1, 0], 'what runs, what waits, what has ended, the newest first');
  t.strictSame(listed({ state: ['done', 'failed', 'cancelled'] }), [1, 0]);
  t.strictSame(listed({ state: ['queued'], limit: 1, offset: 1 }), [4]);
  t.strictSame(listed({ benchmark: 'caddy' }), [1, 0]);
  t.strictSame(listed({ commit: commit('e') }), [4]);
  t.strictSame(
    [queue.count(), queue.count({ state: ['queued'] }), queue.count({ benchmark: 'caddy', state: ['done'] })],
    [5, 2, 1],
  );
  t.equal(queue.job(ids[0]!.toLowerCase())!.job_id, ids[0]);
  t.equal(queue.job(ids[0]!.slice(0, 4)), undefined, 'the beginning of several');
  t.strictSame(
    queue.jobsBeginning(ids[0]!.slice(0, 4)).map(({ job_id }) => job_id),
    ids,
  );
  for (const none of ['', '%', '_', '0', 'Z'.repeat(26)]) t.equal(queue.job(none), undefined, none);
});

t.test('who works', async (t) => {
  const { queue } = open(t);
  queue.hello(one, 1, START);
  queue.hello(two, 2, START + 1000);
  queue.hello(one, 3, START + 2000);
  t.strictSame(queue.workers(), [
    { ...one, slots: 3, started_at: '2026-01-02T03:04:05.000Z', seen_at: '2026-01-02T03:04:07.000Z' },
    { ...two, slots: 2, started_at: '2026-01-02T03:04:06.000Z', seen_at: '2026-01-02T03:04:06.000Z' },
  ]);
  queue.bye(two);
  t.strictSame(
    queue.workers().map(({ pid }) => pid),
    [1],
  );
  queue.hello(two, 1, START + DAY + 3000);
  t.strictSame(
    queue.workers().map(({ pid }) => pid),
    [2],
    'one that was killed is forgotten after a day',
  );
  queue.hello(one, 1, START - 10 * DAY);
  t.strictSame(
    queue.workers().map(({ pid }) => pid),
    [1],
    'or when it was seen by a clock that was wrong',
  );
});

t.test('a method that fails in the middle changes nothing', async (t) => {
  const { queue, add } = open(t);
  const old = add(ofPull('a')).job.job_id;
  t.throws(() => add(ofPull('b', { kind: 'nonsense' as 'new-test' })));
  t.throws(() => add(ofPull('b', { retry_of: '01NONE' })));
  t.strictSame(
    queue.jobs().map(({ job_id, state }) => [job_id, state]),
    [[old, 'queued']],
  );
});
