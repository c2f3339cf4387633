/**
 * A thousand histories of the queue, drawn by fast-check from a fixed seed. One that fails is shrunk to the steps that it
 * takes. MAYFLY_HISTORY='SEED PATH REPLAY' plays it again; MAYFLY_HISTORY=SEED plays a thousand others.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { openStore, type Store } from '../../scripts/store/db.ts';
import type { Queue } from '../../scripts/store/jobs.ts';
import { LEASE_MS } from '../../scripts/store/leases.ts';
import { openDatabase } from '../../scripts/store/sqlite.ts';
import { SETUP, steps } from './history-commands.ts';
import { type Fault, type Tally, World } from './history-model.ts';

const HISTORIES = 1000;
const SEED = 1;
/** A history that shows a fault is shrunk to so many steps or fewer. */
const SHORT = 15;

interface Options {
  fault?: Fault;
  /** What is looked for: a history in which something else is wrong is left out. */
  seen?: RegExp;
  tally?: Tally;
  /** As fast-check has printed it. */
  replayPath?: string;
}

/** That histories have no fault. Files are in memory where there is such a folder: it is not the disk that is tested. */
function histories(t: Test, { seen = /^/, replayPath, ...options }: Options) {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mayfly-histories-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const [template, file] = [join(folder, 'template.db'), join(folder, 'history.db')];
  openStore(template).close();
  return fc.asyncProperty(SETUP, steps(replayPath), async (setup, history) => {
    const world = new World(setup, { template, file }, options);
    try {
      await fc.asyncModelRun(() => ({ model: world, real: undefined }), history);
      await world.comeToRest();
      world.checkAll();
    } catch (error) {
      const { message, stack } = error as Error;
      if (seen.test(message)) throw new Error([stack, ...world.trace.slice(-60)].join('\n'));
    } finally {
      world.close();
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
    }
  });
}

/** What fast-check says of a history that fails, and how to play it again. */
function report<T>(details: fc.RunDetails<T>): { text: string; replayPath: string | undefined } {
  const said = fc.defaultReportMessage(details) ?? '';
  const replayPath = /replayPath="(.*?)"/.exec(said)?.[1];
  const again = [details.seed, details.counterexamplePath, replayPath].join(' ');
  return { text: `${said}\nMAYFLY_HISTORY='${again}' npm test -- jobs-histories plays it again`, replayPath };
}

t.test(`in ${HISTORIES} histories no job is lost, none is done twice, every job ends`, async (t) => {
  const [seed, path, replayPath] = (process.env.MAYFLY_HISTORY || String(SEED)).split(' ');
  const tally: Tally = {};
  const parameters = { seed: Number(seed), path, endOnFailure: path !== undefined, numRuns: HISTORIES };
  const details = await fc.check(histories(t, { tally, replayPath }), parameters);
  if (details.failed) t.fail(report(details).text);
  for (const [what, times] of Object.entries(tally).sort(([a], [b]) => (a < b ? -1 : 1)))
    t.comment(`${String(times).padStart(7)}  ${what}`);
  if (!details.failed && !path) for (const what of MUST_HAPPEN) t.ok((tally[what] ?? 0) >= 20, `it happened: ${what}`);
});

/** Else the histories would say nothing about it. */
const MUST_HAPPEN = [
  'delivery taken',
  'delivery known',
  'delivery lost',
  'reconciled',
  'server killed',
  'killed idle',
  'killed in a run',
  'killed before the end was stored',
  'stopped',
  'fenced off',
  'clock jumps',
  'run taken over',
  'lost worker: queued',
  'lost worker: failed',
  'lost worker: cancelled',
  'ended: done',
  'ended: failed',
  'ended: retry',
  'ended: handed back',
  'ended: cancelled',
  'cancelled',
  'added by hand',
  'already there',
];

/** Faults, and what must be seen of each. */
const FAULTS: Record<string, { fault: Fault; seen: RegExp }> = {
  'a worker that was given up may still end its job': {
    fault: { queue: unfenced },
    seen: /its end was taken from a worker that no longer had it/,
  },
  'a lease runs out by the clock': { fault: { queue: byTheClock }, seen: /was taken from a worker that was heard of/ },
  'what a killed worker has measured is measured again': {
    fault: { measuresAgain: true },
    seen: /was measured twice/,
  },
  'the claim is two steps': { fault: { queue: claimInTwoSteps }, seen: /was given to two workers/ },
};

for (const [name, options] of Object.entries(FAULTS)) {
  t.test(`a fault is found, and its history is shrunk: ${name}`, async (t) => {
    const details = await fc.check(histories(t, options), { seed: SEED, numRuns: HISTORIES, verbose: true });
    if (!details.failed) return t.fail('in none of them');
    const { counterexample, counterexamplePath: path, failures, numRuns } = details;
    const [found, shrunk] = [failures[0]!, counterexample!].map(([, history]) => [...history]);
    t.comment(`in history ${numRuns}, of ${found!.length} steps; shrunk to ${shrunk!.length}:`);
    t.comment(`  ${fc.stringify(counterexample![0])}`);
    for (const step of shrunk!) t.comment(`  ${step}`);
    t.ok(shrunk!.length <= SHORT, `${shrunk!.length} steps`);

    const { replayPath } = report(details);
    const again = await fc.check(histories(t, { ...options, replayPath }), {
      seed: SEED,
      path: path!,
      endOnFailure: true,
    });
    t.equal(String(again.counterexample?.[1]), String(counterexample![1]), 'it is played again');
  });
}

/** Runs SQL on the file, as a broken queue would. */
function sql(file: string, statement: string, ...values: (string | number | null)[]): number {
  const db = openDatabase(file);
  try {
    return db.run(statement, ...values);
  } finally {
    db.close();
  }
}

function unfenced({ queue }: Store, file: string): Queue {
  return {
    ...queue,
    endLease: (jobId, _, outcome, now) => {
      if (outcome.state !== 'done') return queue.endLease(jobId, _, outcome, now);
      return (
        sql(
          file,
          `UPDATE job SET state = 'done', run_id = ?, ended_ms = ?, lease_id = NULL, lease_until_ms = NULL WHERE job_id = ?`,
          outcome.run_id ?? null,
          now,
          jobId,
        ) > 0
      );
    },
  };
}

function byTheClock({ queue }: Store): Queue {
  return {
    ...queue,
    recoverLost: (now, isAlive) => {
      const late = queue
        .jobs({ state: ['leased'] })
        .some(({ lease_until }) => Date.parse(lease_until!) + LEASE_MS < now);
      return queue.recoverLost(now, (worker) => (late ? false : isAlive(worker)));
    },
  };
}

function claimInTwoSteps({ queue }: Store, file: string): Queue {
  let seen: string | undefined;
  return {
    ...queue,
    claim: (worker, now) => {
      // What was seen at the last look is taken now, though somebody else may have it by now.
      const id = seen;
      seen = queue.jobs({ state: ['queued'] })[0]?.job_id;
      if (id === undefined || !['queued', 'leased'].includes(queue.job(id)!.state)) return undefined;
      const leaseId = `${id}-${worker.pid}-${now}`;
      sql(
        file,
        `UPDATE job SET state = 'leased', lease_id = ?, worker = ?, lease_until_ms = ? WHERE job_id = ?`,
        leaseId,
        JSON.stringify(worker),
        now + LEASE_MS,
        id,
      );
      return { job: queue.job(id)!, leaseId };
    },
  };
}
