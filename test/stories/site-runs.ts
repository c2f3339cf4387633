/** A store as a service of a few weeks leaves it, with texts in it that would harm a careless page. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import type { RunDocument } from '../../scripts/documents/run.ts';
import { judgeRun } from '../../scripts/judge/judge-run.ts';
import type { Store } from '../../scripts/store/db.ts';
import { tracesName, writeKept } from '../../scripts/traces/kept.ts';
import { makeJudged, makeRun, sideResult } from '../run-document.ts';
import { keptProfiles, treeOf } from '../telemetry/stacks.ts';
import { made } from '../traces/made.ts';

/**
 * What each would do, it must not: end the script or the attribute that it stands in, load, run, or turn the text
 * round.
 */
export const HOSTILE = {
  subject: `</script><img src=x onerror=alert(1)>"'><b>bold</b> \u202Egnp.exe\u2066`,
  ref: `feature/"onmouseover="alert(1)`,
  reason: `<iframe src="javascript:alert(1)"></iframe> & 'quoted' \u001b[31mred\u0007`,
  label: `]]><!--<script>alert(1)</script>`,
  requester: `eve<svg/onload=alert(1)>`,
  benchmark: `odd "name" <i>&`,
};

const FILE = 'file:///app/server.js';
/** A function of a service under test may have any name. */
const EVIL = '<img\u00a0src=x\u00a0onerror=alert(1)>"';
const DAY_MS = 86_400_000;
/** Of commit number N. */
export const hash = (number: number): string => createHash('sha1').update(String(number)).digest('hex');

export interface FilledStore {
  /** Runs of the default branch of shop, oldest first. */
  master: string[];
  /** A pull request's comparison with hostile texts and an INVALID round; one that is slower; one that goes on. */
  hostile: string;
  slower: string;
  running: string;
  jobs: { queued: string; running: string; failed: string };
  /** The worker of the running job is heard of again; `text`: what it is at. */
  alive(now: number, text: string, roundsDone: number): void;
}

/** The run with traces in every round, those of the first of which are kept. */
function traced(run: RunDocument): RunDocument {
  const hop = (hop: string, path: number) => ({
    hop,
    calls: 1,
    self_avg: path,
    self_p95: path,
    path_avg: path,
    share: 0.5,
  });
  for (const round of run.rounds)
    round.traces = {
      sampling: 0.1,
      traces: 90,
      complete: 88,
      holes: 2,
      unfinished: 0,
      spans: 264,
      total_avg: 0.004,
      hops: [hop('shop', 0.002), hop(EVIL, 0.002)],
      ...(round.round === 1 ? { kept: { file: tracesName(round.side, 1), slowest: 3, sample: 0 } } : {}),
    };
  return run;
}

/** Writes the traces that the run says it has kept. `runs`: the folder of all runs' folders. */
export async function writeTraces(runs: string, runId: string): Promise<void> {
  const folder = join(runs, runId, 'traces');
  mkdirSync(folder, { recursive: true });
  for (const [i, side] of (['candidate', 'baseline'] as const).entries())
    await writeKept(
      join(folder, tracesName(side, 1)),
      [4000, 3000, 2000].map((took) => {
        const more = { traceId: `${i}${took}`.padStart(32, '0') };
        return [
          made('shop', null, 0, took + 1000, { ...more, kind: 'SERVER' }),
          made(EVIL, 'shop', 500, took, { ...more, kind: 'CLIENT', name: EVIL }),
          made('store', EVIL, 900, took - 200, { ...more, kind: 'SERVER' }),
        ];
      }),
    );
}

/** Fills an empty store. `now`: milliseconds since the epoch; `commits` of the default branch. */
export function fillStore(store: Store, now: number, commits = 24): FilledStore {
  const first = now - commits * DAY_MS;
  const master = Array.from({ length: commits }, (_, i) => addMaster(store, i, first + i * DAY_MS));
  const changed = 14;
  const point = {
    benchmark: 'shop',
    host_id: 'h0st',
    metric: 'latency_med',
    commit: hash(changed + 1),
    before: hash(changed),
    run_id: master[changed]!,
    at: new Date(first + changed * DAY_MS).toISOString(),
    ratio: 1.06,
    found_at: new Date(now - DAY_MS).toISOString(),
  };
  store.addChangePoint(point);
  store.addSuspectedChange({
    ...point,
    run_id: master[commits - 3]!,
    commit: hash(commits - 2),
    before: hash(commits - 3),
    at: new Date(first + (commits - 3) * DAY_MS).toISOString(),
    ratio: 0.98,
  });
  const slower = add(
    store,
    traced(
      makeJudged({
        ...times(now - 5 * 3600_000),
        seed: 91,
        factors: { latency_med: 1.045, cpu_seconds_per_request: 1.02 },
        sides: { candidate: side(1001, 'faster-search', 'Make search faster'), baseline: side(commits) },
      }),
    ),
    true,
  );
  store.saveProfiles(
    slower,
    keptProfiles('shop', {
      candidate: treeOf(
        { [`serve ${FILE}:1;${EVIL} ${FILE}:9`]: 300, [`serve ${FILE}:1;answer ${FILE}:5`]: 600 },
        { gc: 9 },
      ),
      baseline: treeOf(
        { [`serve ${FILE}:1;gone ${FILE}:7`]: 100, [`serve ${FILE}:1;answer ${FILE}:5`]: 800 },
        { gc: 8 },
      ),
    }),
  );
  const hostile = addHostile(store, now - 3 * 3600_000, commits);
  add(
    store,
    makeRun({
      ...times(now - 2 * 3600_000),
      benchmark: HOSTILE.benchmark,
      sides: { candidate: side(1002, HOSTILE.ref, HOSTILE.subject) },
    }),
  );
  const {
    finished_at: _,
    archive: __,
    ...begun
  } = makeRun({
    ...times(now - 60_000),
    status: 'running',
    labels: {},
    rounds_asked: 5,
    sides: { candidate: side(1003, 'by-hand') },
  });
  const running = add(store, begun);
  return { master, hostile, slower, running, ...addJobs(store, now, slower) };
}

const times = (at: number) => ({
  run_id: ulid(at),
  started_at: new Date(at).toISOString(),
  finished_at: new Date(at + 310_000).toISOString(),
});
const side = (number: number, ref = 'main', subject?: string) => ({
  ref,
  commit: hash(number),
  ...(subject === undefined ? {} : { subject }),
  images: [],
});

/** One commit of the default branch against the one before it; number 14 is 6 % slower. */
function addMaster(store: Store, i: number, at: number): string {
  const factor = i === 14 ? 1.06 : 1;
  return add(
    store,
    makeJudged({
      ...times(at),
      seed: 10 + i,
      count: 8,
      factors: { latency_med: factor, cpu_seconds_per_request: factor },
      master: true,
      sides: { candidate: side(i + 1, 'main', `Change ${i + 1} of the shop`), baseline: side(i) },
    }),
    true,
  );
}

function addHostile(store: Store, at: number, commits: number): string {
  const { verdict: _, ...run } = makeJudged({
    ...times(at),
    seed: 5,
    count: 9,
    labels: { branch: HOSTILE.label, repository: 'acme/shop', pull_request: '7' },
    status_reason: HOSTILE.reason,
    compose: { run: { services: { shop: { image: HOSTILE.label } } } },
    sides: { candidate: side(1004, HOSTILE.ref, HOSTILE.subject), baseline: side(commits, 'main', HOSTILE.subject) },
  });
  const rounds = run.rounds
    .map(disturbed)
    .map((round) =>
      round.round === 4 && round.side === 'candidate'
        ? { ...round, valid: false, reasons: [{ code: 'host-load' as const, message: HOSTILE.reason }] }
        : round,
    );
  return add(store, { ...run, rounds, verdict: judgeRun({ ...run, rounds }) }, true);
}

/** The round with disturbances that overlap, one of a hostile service, and with an autoscaler. */
function disturbed(round: RunDocument['rounds'][number]): RunDocument['rounds'][number] {
  const one = { requests: 900, failed_requests: 4, p99_inside: 0.4, p99_outside: 0.02, why: HOSTILE.reason };
  const decision = (at_s: number, replicas: number, desired: number) => ({
    at_s,
    replicas,
    desired,
    utilisation: 0.3 * desired,
    why: HOSTILE.reason,
  });
  return {
    ...round,
    disturbances: [
      {
        ...one,
        kind: 'rolling-update',
        service: 'shop',
        at_s: 2,
        ended_s: 9,
        recovery_s: 7.5,
        actions: [{ at_s: 4, what: HOSTILE.reason }],
      },
      { ...one, kind: 'pause', service: HOSTILE.requester, at_s: 6, ended_s: 8, recovery_s: null, actions: [] },
    ],
    autoscale: {
      service: HOSTILE.requester,
      decisions: [decision(0, 2, 2), decision(6, 2, 4), decision(8, 4, 4)],
      replicas_avg: 3.4,
      settled_s: 6,
    },
  };
}

/** `latency`: the rounds carry the load generator's exact result. */
function add(store: Store, run: RunDocument, latency = false): string {
  store.transaction(() => {
    store.addRun({ ...run, rounds: [] });
    for (const round of run.rounds)
      store.saveRound(
        run.run_id,
        { ...round, started_at: new Date(Date.parse(run.started_at) + round.round * 25_000).toISOString() },
        latency ? { signals: {}, load: sideResult(round.side, 0.0004 * (1 + round.round / 40)) } : undefined,
      );
  });
  return run.run_id;
}

function addJobs(store: Store, now: number, runId: string): Pick<FilledStore, 'jobs' | 'alive'> {
  const { queue } = store;
  const job = (number: number, more: object = {}) =>
    queue.enqueue(
      {
        kind: 'new-test',
        benchmark: 'shop',
        commit: hash(2000 + number),
        ref: `topic-${number}`,
        repository: 'acme/shop',
        pull_request: number,
        requested_by: 'ann',
        priority: 10,
        deadline_s: 3600,
        ...more,
      },
      { now: now - 600_000 + number * 1000 },
    ).job.job_id;
  const worker = { host: 'bench-1', pid: 4242, pid_start: '777' };
  const done = (outcome: Parameters<typeof queue.endLease>[2]) => {
    const {
      job: { job_id },
      leaseId,
    } = queue.claim(worker, now - 300_000)!;
    queue.endLease(job_id, leaseId, outcome, now - 200_000);
    return job_id;
  };
  job(1, { priority: 30 });
  done({ state: 'done', run_id: runId, verdict: 'REGRESSION' });
  job(2, { priority: 30, ref: HOSTILE.ref, requested_by: HOSTILE.requester });
  const failed = done({ state: 'failed', fault: 'build', reason: HOSTILE.reason });
  const running = job(3, { priority: 30 });
  const { leaseId } = queue.claim(worker, now)!;
  const alive = (at: number, text: string, roundsDone: number) => {
    queue.hello(worker, 1, at);
    queue.renew(running, leaseId, at, {
      text,
      rounds_done: roundsDone,
      rounds_most: 12,
      at: new Date(at).toISOString(),
    });
  };
  alive(now, `round 4 of 12: 64 %, measuring ${HOSTILE.label}`, 3);
  const queued = job(4);
  job(5, { ref: HOSTILE.ref, requested_by: HOSTILE.requester });
  job(6, { kind: 'new-master', pull_request: undefined, ref: 'main', priority: 20 });
  return { jobs: { queued, running, failed }, alive };
}
