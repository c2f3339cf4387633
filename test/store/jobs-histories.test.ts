/**
 * A thousand histories of the queue, drawn from seeds: kills, pauses, jumps of the clock, deliveries lost, doubled and
 * out of order. MAYFLY_HISTORY=SEED plays one and prints what happened in it.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openStore, type Store } from '../../scripts/store/db.ts';
import type { Queue } from '../../scripts/store/jobs.ts';
import { LEASE_MS } from '../../scripts/store/leases.ts';
import { openDatabase } from '../../scripts/store/sqlite.ts';
import { type Fault, History, type Tally } from './history-model.ts';

const HISTORIES = 1000;

/** In memory where there is such a folder: what is tested is what the store does, not the disk. */
function makeTemplate(t: Test): { template: string; folder: string } {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mayfly-histories-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const template = join(folder, 'template.db');
  openStore(template).close();
  return { template, folder };
}

async function play(
  seed: number,
  { template, folder }: { template: string; folder: string },
  options?: { fault?: Fault; tally?: Tally },
): Promise<History> {
  const file = join(folder, `${seed}.db`);
  const history = new History(seed, { template, file }, options);
  await history.play();
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  return history;
}

const asked = process.env.MAYFLY_HISTORY;
if (asked !== undefined) {
  t.test(`history ${asked}`, async (t) => {
    const { trace, violations } = await play(Number(asked), makeTemplate(t));
    for (const line of trace) t.comment(line);
    t.strictSame(violations, []);
  });
}

t.test(`in ${HISTORIES} histories no job is lost, none is done twice, every job ends`, async (t) => {
  const files = makeTemplate(t);
  const tally: Tally = {};
  let failed = 0;
  for (let seed = 1; seed <= HISTORIES && failed < 3; seed++) {
    const { violations, trace } = await play(seed, files, { tally });
    if (violations.length === 0) continue;
    failed++;
    t.strictSame(
      violations,
      [],
      `seed ${seed}: MAYFLY_HISTORY=${seed} npm test -- jobs-histories plays it again\n${trace.slice(-60).join('\n')}`,
    );
  }
  t.equal(failed, 0);
  for (const [what, times] of Object.entries(tally).sort(([a], [b]) => (a < b ? -1 : 1)))
    t.comment(`${String(times).padStart(7)}  ${what}`);
  if (failed === 0) for (const what of MUST_HAPPEN) t.ok((tally[what] ?? 0) >= 20, `it happened: ${what}`);
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
    seen: /was measured 2 times/,
  },
  'the claim is two steps': { fault: { queue: claimInTwoSteps }, seen: /was given to two workers/ },
};

for (const [name, { fault, seen }] of Object.entries(FAULTS)) {
  t.test(`a fault is found: ${name}`, async (t) => {
    const files = makeTemplate(t);
    let [histories, found] = [0, ''];
    while (histories < HISTORIES && !found)
      found = (await play(++histories, files, { fault })).violations.find((one) => seen.test(one)) ?? '';
    t.ok(found, 'in one of them');
    t.comment(`in history ${histories}: ${found}`);
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
          outcome.run_id,
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
