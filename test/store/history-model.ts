/**
 * Made-up histories of the queue on a real store file: workers as scripts/work makes them, the server's own code for
 * what
 * GitHub tells, and a clock, all of which may fail at any point. What the queue does is held against what it may do.
 */
import { copyFileSync } from 'node:fs';
import type { ServiceConfig } from '../../scripts/config/service.ts';
import { type Job, PRIORITY, type WorkerName } from '../../scripts/documents/job.ts';
import { cancelPullRequest, queueRequest } from '../../scripts/service/server/queueing.ts';
import { reconcile } from '../../scripts/service/server/reconcile.ts';
import type { ServeContext } from '../../scripts/service/server/serve-context.ts';
import { keep } from '../../scripts/service/server/webhook-events.ts';
import type { GitHub } from '../../scripts/service/tell/github-types.ts';
import { openStore, type Store } from '../../scripts/store/db.ts';
import { ENDED, type Outcome, type Queue } from '../../scripts/store/jobs.ts';
import { makeRun } from '../run-document.ts';
import { checkJobs } from './history-checks.ts';
import { Chance, HistoryGitHub, REPOSITORY } from './history-github.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
const BEAT = 5 * SECOND;
/** Often enough, too: over longer times. */
const LONG_BEAT = 15 * SECOND;
const DEADLINE_S = 900;
const STEPS = 40;

/** A fault put in on purpose, to see that it is found. */
export interface Fault {
  /** The queue that the workers get. */
  queue?(store: Store, file: string): Queue;
  /** They measure again what a killed one has measured already. */
  measuresAgain?: boolean;
}

/** How often what happened, over all histories. */
export interface Tally {
  [what: string]: number;
}

interface Held {
  job: Job;
  leaseId: string;
  /** Of its run stack. */
  run?: string;
  rounds: number;
  /** Its services never become healthy, say: only the deadline ends it. */
  hangs: boolean;
  begun: number;
  /** Real time of its last renewal. */
  renewed: number;
  /** How it is going to end its lease. */
  outcome?: Outcome;
}

interface Worker {
  name: WorkerName;
  /** Where it runs; undefined: on a host of its own, whose processes nobody else sees. */
  store: Store;
  queue: Queue;
  state: 'lives' | 'stopped' | 'dead';
  held?: Held;
}

export class History {
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  private readonly chance: Chance;
  private readonly github: HistoryGitHub;
  private readonly file: string;
  private readonly fault: Fault;
  private readonly tally: Tally;
  private readonly config: ServiceConfig;
  /** Milliseconds that have passed really, and by how much the clock is wrong. */
  private real = 0;
  private offset = Date.UTC(2026, 0, 2);
  private server: Store | undefined;
  private readonly workers: Worker[] = [];
  private pids = 100;
  private runs = 0;
  /** Who may end a job, as far as an onlooker knows who sees everything. */
  private readonly leases = new Map<string, { worker: Worker; leaseId: string }>();
  private readonly asked = new Set<string>();
  private readonly cancelled = new Set<string>();
  private readonly completed = new Map<string, number>();
  private readonly ended = new Map<string, string>();

  constructor(
    seed: number,
    files: { template: string; file: string },
    { fault = {}, tally = {} }: { fault?: Fault; tally?: Tally } = {},
  ) {
    this.chance = new Chance(seed);
    copyFileSync(files.template, files.file);
    this.file = files.file;
    this.fault = fault;
    this.tally = tally;
    const benchmarks = this.chance.of(0.3) ? ['shop', 'caddy'] : ['shop'];
    const rules = new Map(
      benchmarks.map((name) => [name, { cancelRunning: this.chance.of(0.5), deadlineS: DEADLINE_S }]),
    );
    this.config = {
      file: undefined,
      site: 'https://mayfly.example.org',
      repositories: [{ name: REPOSITORY, benchmarks, eachPullRequest: true }],
      reconcileS: 300,
      alerts: [],
      rules,
    };
    this.github = new HistoryGitHub(this.chance, this.config);
  }

  /** Plays it to its end, and gives what was wrong. */
  async play(): Promise<string[]> {
    try {
      this.startServer();
      for (let n = this.chance.below(3); n >= 0; n--) this.startWorker();
      for (let step = 0; step < STEPS; step++) {
        this.tick(this.chance.below(LONG_BEAT));
        await this.happen();
        if (step % 4 === 3) this.checkEnded();
      }
      await this.comeToRest();
      this.checkAll();
    } catch (error) {
      this.violations.push(`it threw: ${(error as Error).stack}`);
    } finally {
      this.server?.close();
      for (const { state, store } of this.workers) if (state !== 'dead') store.close();
    }
    return this.violations;
  }

  // --- time

  private get now(): number {
    return this.offset + this.real;
  }
  private say(what: string, more = ''): void {
    this.tally[what] = (this.tally[what] ?? 0) + 1;
    this.trace.push(`${Math.round(this.real / SECOND)}s ${what} ${more}`);
  }
  private wrong(what: string): void {
    this.trace.push(`WRONG: ${what}`);
    this.violations.push(what);
  }

  /** Time passes: workers that run renew their leases, the server looks for lost workers. */
  private tick(ms: number): void {
    const beat = ms >= LONG_BEAT ? LONG_BEAT : BEAT;
    for (let left = ms; left > 0; left -= beat) {
      this.real += Math.min(left, beat);
      for (const worker of this.workers) if (worker.state === 'lives') this.beat(worker);
      if (this.server && this.chance.of(0.4)) this.recover(this.server.queue, () => undefined);
    }
  }

  private async happen(): Promise<void> {
    const ways: [number, () => void | Promise<void>][] = [
      [30, () => this.stepOf(this.chance.oneOf(this.workers.filter(({ state }) => state === 'lives')))],
      [8, () => this.github.change(this.real)],
      [12, () => this.deliver()],
      [2, () => this.reconciles()],
      [5, () => this.kill(this.busyOne())],
      [3, () => this.stop(this.busyOne())],
      [4, () => this.goOn(this.chance.oneOf(this.workers.filter(({ state }) => state === 'stopped')))],
      [3, () => (this.workers.filter(({ state }) => state !== 'dead').length < 4 ? this.startWorker() : undefined)],
      [2, () => (this.server ? this.killServer() : this.startServer())],
      [3, () => this.jump()],
      [6, () => this.byHand()],
      [2, () => this.tick(this.chance.below(3) === 0 ? 15 * MINUTE : 90 * SECOND)],
    ];
    let left = this.chance.next() * ways.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of ways) if ((left -= weight) < 0) return act();
  }

  /** One that lives; where it can be, one that has a job. */
  private busyOne(): Worker | undefined {
    const living = this.workers.filter(({ state }) => state === 'lives');
    return this.chance.oneOf(living.filter(({ held }) => held)) ?? this.chance.oneOf(living);
  }

  private jump(): void {
    const size = this.chance.of(0.5) ? this.chance.below(30 * MINUTE) : this.chance.below(20 * DAY);
    this.offset += this.chance.of(0.5) ? size : -size;
    this.say('clock jumps', `${Math.round(size / MINUTE)} min`);
  }

  // --- the server and GitHub

  private startServer(): void {
    this.server = openStore(this.file);
  }
  private killServer(): void {
    this.server?.close();
    this.server = undefined;
    this.say('server killed');
  }
  private context(store: Store, github?: GitHub): ServeContext {
    return {
      store,
      config: this.config,
      github,
      now: () => this.now,
      log: (line: string) => this.trace.push(line),
      signal: new AbortController().signal,
      wake: () => {},
      site: '',
      githubSite: 'https://github.com',
      webhookSecret: undefined,
      actionToken: undefined,
    } as unknown as ServeContext;
  }

  /** In any order; some never come, some come twice. The server may be killed before it has written all of one. */
  private deliver(): void {
    if (this.github.deliveries.length === 0) return;
    const at = this.chance.below(this.github.deliveries.length);
    const { id, told } = this.github.deliveries[at]!;
    const again = this.chance.of(0.25);
    if (!again) this.github.deliveries.splice(at, 1);
    if (!this.server || this.chance.of(0.15)) return this.say('delivery lost');
    const { server } = this;
    const killed = this.chance.of(0.08);
    try {
      const queued = server.transaction(() => {
        const ids = server.inbox.takeDelivery(id, told.what, this.now) ? keep(told, this.context(server)) : undefined;
        if (killed) throw new Error('killed');
        return ids;
      });
      this.say(queued ? 'delivery taken' : 'delivery known', `${id} ${told.what}`);
      for (const one of queued ?? []) this.asked.add(one);
    } catch (error) {
      if (!killed) throw error;
      this.killServer();
    }
  }

  private async reconciles(): Promise<void> {
    if (!this.server) return;
    await reconcile(this.context(this.server, this.github.asked()));
    this.say('reconciled');
  }

  private byHand(): void {
    const store = this.server;
    if (!store) return;
    const { queue } = store;
    const some = this.chance.oneOf(queue.jobs());
    const pull = this.chance.oneOf(this.github.open);
    const add = (commit: string, more: Partial<Job> = {}) => {
      const { job, added } = queue.enqueue(
        {
          kind: 'new-test',
          benchmark: 'shop',
          commit,
          requested_by: 'hand',
          priority: PRIORITY.by_hand,
          deadline_s: DEADLINE_S,
          ...more,
        },
        { now: this.now, again: true, pinned: true },
      );
      this.asked.add(job.job_id);
      this.say(added ? 'added by hand' : 'already there');
    };
    const request = {
      request_id: 'r',
      repository: REPOSITORY,
      pull_request: pull?.number ?? 0,
      comment_id: 1,
      author: 'a',
      text: '',
      written_ms: 0,
      failures: 0,
    };
    const cancelled = (job: Job) => {
      this.cancelled.add(job.job_id);
      this.say('cancelled', job.job_id);
    };
    const ways = [
      () => add(this.github.newCommit()),
      () => some && queue.cancel(some.job_id, 'cancelled by hand', this.now) && cancelled(some),
      () =>
        some &&
        add(some.commit, {
          kind: some.kind,
          benchmark: some.benchmark,
          ...(ENDED.includes(some.state) ? { retry_of: some.job_id } : {}),
          ...(some.repository ? { repository: some.repository } : {}),
          ...(some.pull_request ? { pull_request: some.pull_request } : {}),
        }),
      () => queue.pause({ by: 'hand', at: new Date(this.now).toISOString() }),
      () => queue.resume(),
      () =>
        pull &&
        queueRequest(
          request,
          {
            benchmarks: ['shop'],
            commit: pull.head,
            overrides: this.chance.of(0.5) ? { rate: '5' } : {},
            pinned: false,
          },
          this.context(store),
        ).forEach(({ job }) => this.asked.add(job.job_id)),
      () =>
        pull &&
        cancelPullRequest(REPOSITORY, pull.number, { reason: 'cancelled by a comment' }, this.context(store)).forEach(
          cancelled,
        ),
    ];
    this.chance.oneOf(ways)!();
  }

  // --- workers

  private startWorker(): void {
    const store = openStore(this.file);
    const host = this.chance.of(0.7) ? 'bench' : `bench-${this.pids}`;
    this.workers.push({
      name: { host, pid: ++this.pids, pid_start: '1' },
      store,
      queue: this.fault.queue?.(store, this.file) ?? store.queue,
      state: 'lives',
    });
    this.say('worker started', String(this.pids));
  }
  private kill(worker: Worker | undefined): void {
    if (!worker) return;
    worker.store.close();
    worker.state = 'dead';
    this.say(
      worker.held
        ? worker.held.outcome?.state === 'done'
          ? 'killed before the end was stored'
          : 'killed in a run'
        : 'killed idle',
      String(worker.name.pid),
    );
  }
  private stop(worker: Worker | undefined): void {
    if (!worker) return;
    worker.state = 'stopped';
    this.say('stopped', String(worker.name.pid));
  }
  private goOn(worker: Worker | undefined): void {
    if (!worker) return;
    worker.state = 'lives';
    this.say('goes on', String(worker.name.pid));
    if (this.chance.of(0.5)) this.stepOf(worker); // before its heart beats, or after
  }

  /** Which of the others are there, as the workers of one host see it. */
  private seenBy(worker: Worker) {
    return ({ host, pid }: WorkerName): boolean | undefined =>
      host !== worker.name.host ? undefined : this.workers.some((one) => one.name.pid === pid && one.state !== 'dead');
  }

  /** One look for lost workers. Who was looking on all the time knows whether the queue is right. */
  private recover(queue: Queue, isAlive: (worker: WorkerName) => boolean | undefined): void {
    for (const job of queue.recoverLost(this.now, isAlive)) {
      const holder = this.leases.get(job.job_id)?.worker;
      const silent = this.real - (holder?.held?.renewed ?? -Infinity);
      this.leases.delete(job.job_id);
      this.say(`lost worker: ${job.state}`, job.job_id);
      if (!holder) this.wrong(`job ${job.job_id} was taken from nobody`);
      else if (holder.state !== 'dead' && silent <= LONG_BEAT)
        this.wrong(`job ${job.job_id} was taken from a worker that was heard of ${silent / SECOND} s ago`);
      const may = job.losses > 1 ? ['failed', 'cancelled'] : ['queued', 'cancelled'];
      if (!may.includes(job.state) || !job.reason)
        this.wrong(`job ${job.job_id}, lost ${job.losses} times, is ${job.state} (${job.reason})`);
    }
  }

  private beat(worker: Worker): void {
    const { held, queue } = worker;
    if (!held) return;
    const { lost, cancel } = queue.renew(held.job.job_id, held.leaseId, this.now, {
      text: 'measures',
      at: new Date(this.now).toISOString(),
    });
    if (lost !== !this.isHolder(held))
      this.wrong(`job ${held.job.job_id}: its worker is told ${lost ? 'that it is lost' : 'to go on'}`);
    if (lost) return this.abandon(worker);
    held.renewed = this.real;
    if (held.outcome) return;
    if (cancel !== undefined) held.outcome = { state: 'cancelled', reason: cancel };
    else if (this.real - held.begun > DEADLINE_S * SECOND)
      held.outcome = { state: 'failed', fault: 'deadline', reason: 'it was not done after its deadline' };
    if (held.outcome && held.run) worker.store.finishRun(held.run, 'interrupted', new Date(this.now).toISOString());
  }
  private isHolder = ({ job, leaseId }: Held): boolean => this.leases.get(job.job_id)?.leaseId === leaseId;

  private abandon(worker: Worker): void {
    const { run, outcome } = worker.held!;
    if (run && outcome?.state !== 'done') worker.store.finishRun(run, 'interrupted', new Date(this.now).toISOString());
    worker.held = undefined;
    this.say('fenced off', String(worker.name.pid));
  }

  /** What it does between two looks at the store. */
  private stepOf(worker: Worker | undefined): void {
    if (!worker) return;
    const { held } = worker;
    if (!held) return this.claims(worker);
    if (held.outcome) return this.ends(worker, held, held.outcome);
    if (!held.run) return this.begins(worker, held);
    if (held.hangs) return;
    const finish = (status: 'complete' | 'failed', outcome: Outcome) => {
      worker.store.finishRun(held.run!, status, new Date(this.now).toISOString());
      held.outcome = outcome;
    };
    const fate = this.chance.next();
    if (fate < 0.1) finish('failed', { state: 'retry', reason: 'the engine does not answer' });
    else if (fate < 0.14) finish('failed', { state: 'failed', fault: 'build', reason: 'it does not build' });
    else if (fate < 0.18) finish('failed', { state: 'handed back', reason: 'its worker was asked to end' });
    else if (--held.rounds <= 0) {
      finish('complete', { state: 'done', run_id: held.run, verdict: 'PASS' });
      if (this.isHolder(held)) this.completed.set(held.job.job_id, (this.completed.get(held.job.job_id) ?? 0) + 1);
      this.say('measured', held.job.job_id);
    }
  }

  private claims(worker: Worker): void {
    if (this.chance.of(0.5)) this.recover(worker.queue, this.seenBy(worker));
    const leased = worker.queue.claim(worker.name, this.now);
    if (!leased) return;
    const { job, leaseId } = leased;
    if (this.leases.has(job.job_id)) this.wrong(`job ${job.job_id} was given to two workers`);
    this.leases.set(job.job_id, { worker, leaseId });
    worker.held = {
      job,
      leaseId,
      rounds: 1 + this.chance.below(2),
      hangs: this.chance.of(0.04),
      begun: this.real,
      renewed: this.real,
    };
    this.say('claimed', `${job.job_id} by ${worker.name.pid}`);
  }

  /** A whole run of the job is taken over, as scripts/service/worker/run-job.ts does. */
  private begins(worker: Worker, held: Held): void {
    const { job } = held;
    const whole = worker.store.runs({ labels: { job: job.job_id } }).find(({ status }) => status === 'complete');
    if (whole && !this.fault.measuresAgain) {
      held.run = whole.run_id;
      held.outcome = { state: 'done', run_id: whole.run_id, verdict: 'PASS' };
      return this.say('run taken over', job.job_id);
    }
    held.run = `01RUN${String(++this.runs).padStart(6, '0')}`;
    const at = new Date(this.now).toISOString();
    const run = makeRun({
      run_id: held.run,
      benchmark: job.benchmark,
      status: 'running',
      started_at: at,
      sides: { candidate: { ref: job.commit, commit: job.commit, images: [] } },
      labels: { job: job.job_id },
      rounds: [],
      ...(job.kind === 'new-master' ? { master: true } : {}),
    });
    worker.store.addRun({ ...run, archive: undefined, finished_at: undefined });
  }

  private ends(worker: Worker, held: Held, outcome: Outcome): void {
    const { job, leaseId } = held;
    const mine = this.isHolder(held);
    const stored = worker.queue.endLease(job.job_id, leaseId, outcome, this.now);
    worker.held = undefined;
    this.say(stored ? `ended: ${outcome.state}` : 'fenced off', job.job_id);
    if (stored !== mine)
      this.wrong(
        `job ${job.job_id}: its end was ${stored ? 'taken from a worker that no longer had it' : 'refused to its worker'}`,
      );
    if (mine) this.leases.delete(job.job_id);
  }

  // --- the end

  /** Time goes on, nothing fails any more, and one healthy worker is there. */
  private async comeToRest(): Promise<void> {
    if (!this.server) this.startServer();
    while (this.github.deliveries.length > 0) this.deliver();
    if (!this.server) this.startServer();
    this.server!.queue.resume();
    for (const worker of this.workers) if (worker.state === 'stopped' && this.chance.of(0.5)) this.goOn(worker);
    this.startWorker();
    const under = () => this.server!.queue.count({ state: ['queued', 'leased'] });
    // The second time makes up for what two pull requests with the same head had shared when one was closed.
    for (let round = 0; round < 2; round++) {
      await this.reconciles();
      for (let turn = 0; turn < 800 && under() > 0; turn++) {
        this.tick(LONG_BEAT);
        for (const worker of this.workers)
          if (worker.state === 'lives' && (worker.held || this.chance.of(0.4))) this.stepOf(worker);
      }
    }
    for (const worker of this.workers) {
      if (worker.state === 'stopped') this.goOn(worker);
      for (let step = 0; worker.state === 'lives' && worker.held && step < 200; step++) {
        this.tick(LONG_BEAT);
        this.stepOf(worker);
      }
    }
  }

  /** What has ended stays as it is. */
  private checkEnded(): void {
    if (!this.server) return;
    const all = this.server.queue.jobs();
    for (const [id, was] of this.ended)
      if (!all.some(({ job_id }) => job_id === id)) this.wrong(`job ${id} is gone: ${was}`);
    for (const job of all.filter(({ state }) => ENDED.includes(state))) {
      const is = JSON.stringify(job);
      const was = this.ended.get(job.job_id);
      if (was !== undefined && was !== is) this.wrong(`job ${job.job_id} had ended as ${was}, and is ${is}`);
      this.ended.set(job.job_id, is);
    }
  }

  private checkAll(): void {
    this.checkEnded();
    const { server, asked, cancelled, completed, github } = this;
    const jobs = server!.queue.jobs();
    this.tally.jobs = (this.tally.jobs ?? 0) + jobs.length;
    const { benchmarks } = this.config.repositories[0]!;
    for (const what of checkJobs({
      jobs,
      asked,
      cancelled,
      completed,
      benchmarks,
      github,
      statusOf: (runId) => server!.run(runId).status,
    }))
      this.wrong(what);
  }
}
