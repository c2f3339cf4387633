/**
 * A process that works on jobs as `npm run work` does, but for what it measures: a run of three rounds of ROUND_MS.
 * node queue-worker.ts FILE ROUND_MS. Writes a line to stdout for each step, `claimed JOB`, `measured JOB RUN`, `ended
 * JOB`, so that whoever kills it knows where it was. SIGTERM: hands its job back and ends.
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import { isAlive, processStart } from '../../scripts/engine/owner.ts';
import { openStore } from '../../scripts/store/db.ts';
import type { Outcome } from '../../scripts/store/jobs.ts';
import { makeRound, makeRun } from '../run-document.ts';

const ROUNDS = 3;

const [file, roundMs] = process.argv.slice(2) as [string, string];
const store = openStore(file);
const me = { host: hostname(), pid: process.pid, pid_start: processStart(process.pid)! };
let ending = false;
process.on('SIGTERM', () => (ending = true));
const say = (...words: string[]) => process.stdout.write(`${words.join(' ')}\n`);

store.queue.hello(me, 1, Date.now());
say('ready');
while (!ending) {
  store.queue.recoverLost(Date.now(), ({ pid, pid_start }) => isAlive(pid, pid_start));
  const leased = store.queue.claim(me, Date.now());
  if (!leased) {
    await sleep(10);
    continue;
  }
  const { job, leaseId } = leased;
  say('claimed', job.job_id);
  const outcome = await measure(job.job_id, leaseId);
  await sleep(Number(roundMs) * Math.random()); // time to be killed between the end of the run and the end of the lease
  if (outcome && store.queue.endLease(job.job_id, leaseId, outcome, Date.now())) say('ended', job.job_id);
}
store.queue.bye(me);
store.close();

/** Null: the job is somebody else's by now. */
async function measure(jobId: string, leaseId: string): Promise<Outcome | null> {
  const runs = store.runs({ labels: { job: jobId } });
  const whole = runs.find(({ status }) => status === 'complete');
  if (whole) return { state: 'done', run_id: whole.run_id, verdict: 'PASS' };
  const runId = ulid();
  store.addRun(
    makeRun({
      run_id: runId,
      labels: { job: jobId },
      rounds: [],
      status: 'running',
      archive: undefined,
      finished_at: undefined,
    }),
  );
  for (let round = 1; round <= ROUNDS; round++) {
    await sleep(Number(roundMs));
    if (ending) return { state: 'handed back', reason: 'its worker was asked to end' };
    const { lost, cancel } = store.queue.renew(jobId, leaseId, Date.now());
    if (lost) return null;
    if (cancel !== undefined) return { state: 'cancelled', reason: cancel };
    store.saveRound(runId, makeRound('candidate', round, { latency_med: round }));
  }
  store.finishRun(runId, 'complete', new Date().toISOString());
  say('measured', jobId, runId);
  return { state: 'done', run_id: runId, verdict: 'PASS' };
}
