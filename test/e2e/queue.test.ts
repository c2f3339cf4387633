/** The queue with real processes, which are killed where they are, stopped and continued. No engine is needed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type NewJob, PRIORITY } from '../../scripts/documents/job.ts';
import { openStore, type Store } from '../../scripts/store/db.ts';

const WORKER = join(import.meta.dirname, 'queue-worker.ts');
const KILLS = 40;
const LONGEST_MS = 120_000;

interface Process {
  child: ChildProcess;
  /** What it has said: its steps. */
  steps: string[][];
  /** Resolves when it has said a line that begins so; rejects when it ends before. */
  said(word: string): Promise<string[]>;
  ended: Promise<unknown>;
}

function startWorker(t: Test, file: string, roundMs = 15): Process {
  const child = spawn(process.execPath, [WORKER, file, String(roundMs)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const steps: string[][] = [];
  const waiting: { word: string; resolve(step: string[]): void }[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const step = line.split(' ');
    steps.push(step);
    for (const { word, resolve } of waiting) if (word === step[0]) resolve(step);
  });
  const ended = once(child, 'close'); // all that it has said is read by then
  const said = (word: string) =>
    Promise.race([
      new Promise<string[]>((resolve) => {
        const already = steps.find((step) => step[0] === word);
        if (already) resolve(already);
        else waiting.push({ word, resolve });
      }),
      ended.then(() => Promise.reject(new Error(`it ended before it said ${word}`))),
    ]);
  return { child, steps, said, ended };
}

function openFile(t: Test): { file: string; store: Store } {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-queue-'));
  const file = join(folder, 'mayfly.db');
  const store = openStore(file);
  t.teardown(() => {
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { file, store };
}

const wanted = (n: number): NewJob => ({
  kind: 'new-test',
  benchmark: 'shop',
  commit: n.toString(16).padStart(40, '0'),
  requested_by: 'test',
  priority: PRIORITY.pull_request,
  deadline_s: 600,
});
const under = (store: Store) => store.queue.count({ state: ['queued', 'leased'] });

async function until(what: string, fact: () => boolean): Promise<void> {
  const deadline = Date.now() + LONGEST_MS;
  while (!fact()) {
    if (Date.now() > deadline) throw new Error(`after ${LONGEST_MS / 1000} s still not: ${what}`);
    await sleep(20);
  }
}

t.test('workers that are killed at any moment lose no job and do none twice', async (t) => {
  const { file, store } = openFile(t);
  const all: Process[] = [];
  const start = () => all[all.push(startWorker(t, file)) - 1]!;
  let living = [start(), start(), start()];
  await Promise.all(living.map(({ said }) => said('ready')));
  let jobs = 0;
  const where: Record<string, number> = {};
  for (let kills = 0; kills < KILLS; kills++) {
    const one = living[kills % living.length]!;
    while (under(store) < 8) store.queue.enqueue(wanted(++jobs), { now: Date.now() });
    await until('it has a job', () => {
      if (under(store) < 4) store.queue.enqueue(wanted(++jobs), { now: Date.now() });
      return one.steps.some(([word]) => word === 'claimed');
    });
    await sleep(100 * Math.random());
    one.child.kill('SIGKILL');
    await one.ended;
    const last = one.steps.at(-1)?.[0] ?? 'starting';
    where[last] = (where[last] ?? 0) + 1;
    living = living.map((other) => (other === one ? start() : other));
  }
  await until('every job has ended', () => under(store) === 0);
  for (const { child } of living) child.kill('SIGTERM');
  await Promise.all(living.map(({ ended }) => ended));

  const found = store.queue.jobs();
  const by = (state: string) => found.filter((job) => job.state === state);
  t.equal(found.length, jobs, 'none is lost');
  t.equal(by('done').length + by('failed').length, jobs, 'each has ended');
  for (const { job_id, losses, reason } of by('failed'))
    t.match([losses, reason], [2, /^its worker \(.+, process \d+\) was lost, the second time$/], job_id);
  for (const { job_id, run_id } of by('done'))
    t.match(store.run(run_id!), { status: 'complete', labels: { job: job_id }, rounds: { length: 3 } });
  const measured = all
    .flatMap(({ steps }) => steps)
    .filter(([word]) => word === 'measured')
    .map(([, job]) => job!);
  t.equal(new Set(measured).size, measured.length, 'none is measured twice');
  const ended = all
    .flatMap(({ steps }) => steps)
    .filter(([word]) => word === 'ended')
    .map(([, job]) => job!);
  t.equal(new Set(ended).size, ended.length, 'none is ended twice');
  t.ok(
    found.some(({ losses, state }) => losses === 1 && state === 'done'),
    'some were begun again',
  );
  t.strictSame(
    store.queue.workers().filter(({ pid }) => living.some(({ child }) => child.pid === pid)),
    [],
    'who ends says so',
  );
  t.comment(
    `${jobs} jobs, ${KILLS} kills (last step before: ${Object.entries(where)
      .map(([step, n]) => `${step} ${n}`)
      .join(
        ', ',
      )}), ${found.filter(({ losses }) => losses > 0).length} jobs lost a worker, ${by('failed').length} failed`,
  );
});

t.test('one that is stopped lives: nobody takes its job, and it goes on', async (t) => {
  const { file, store } = openFile(t);
  const first = startWorker(t, file, 2000);
  const { job } = store.queue.enqueue(wanted(1), { now: Date.now() });
  await first.said('claimed');
  first.child.kill('SIGSTOP');
  const second = startWorker(t, file);
  await second.said('ready');
  await sleep(500);
  t.match(store.queue.job(job.job_id), { state: 'leased', losses: 0, worker: { pid: first.child.pid } });
  first.child.kill('SIGCONT');
  await until('the job has ended', () => under(store) === 0);
  t.match(store.queue.job(job.job_id), { state: 'done', losses: 0, worker: { pid: first.child.pid } });
});

t.test('SIGTERM: it hands back, and another one does it', async (t) => {
  const { file, store } = openFile(t);
  const first = startWorker(t, file, 1000);
  await first.said('ready');
  const { job } = store.queue.enqueue(wanted(1), { now: Date.now() });
  await first.said('claimed');
  first.child.kill('SIGTERM');
  await first.ended;
  t.match(store.queue.job(job.job_id), { state: 'queued', reason: 'its worker was asked to end' });
  startWorker(t, file);
  await until('the job has ended', () => under(store) === 0);
  t.match(store.queue.job(job.job_id), { state: 'done', losses: 0, failures: 0 });
});

t.test('many processes claim at once: each job is given to one', async (t) => {
  const { file, store } = openFile(t);
  const count = 60;
  const all = [1, 2, 3, 4].map(() => startWorker(t, file));
  await Promise.all(all.map(({ said }) => said('ready')));
  store.transaction(() => {
    for (let n = 1; n <= count; n++) store.queue.enqueue(wanted(n), { now: Date.now() });
  });
  await until('every job has ended', () => under(store) === 0);
  for (const { child } of all) child.kill('SIGTERM');
  await Promise.all(all.map(({ ended }) => ended));
  const claimed = all
    .flatMap(({ steps }) => steps)
    .filter(([word]) => word === 'claimed')
    .map(([, job]) => job!);
  t.equal(claimed.length, count);
  t.equal(new Set(claimed).size, count);
  t.ok(all.filter(({ steps }) => steps.some(([word]) => word === 'claimed')).length > 1, 'more than one had some');
});
