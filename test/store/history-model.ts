/**
 * The world of a made-up history of the queue: a real store file, workers, the server's own code for what GitHub tells,
 * and a clock. What the queue does is held against what it may do. The steps of a history are in history-commands.ts.
 */
import { copyFileSync } from 'node:fs';
import type { ServiceConfig } from '../../scripts/config/service.ts';
import { type Job, type NewJob, PRIORITY, type WorkerName } from '../../scripts/documents/job.ts';
import { cancelPullRequest, queueRequest } from '../../scripts/service/server/queueing.ts';
import { reconcile } from '../../scripts/service/server/reconcile.ts';
import type { ServeContext } from '../../scripts/service/server/serve-context.ts';
import { keep } from '../../scripts/service/server/webhook-events.ts';
import type { GitHub } from '../../scripts/service/tell/github-types.ts';
import { openStore, type Store } from '../../scripts/store/db.ts';
import { ENDED, type Queue } from '../../scripts/store/jobs.ts';
import { CONCLUSIONS } from '../fixtures/conclusions.ts';
import { checkJobs } from './history-checks.ts';
import { type Delivery, HistoryGitHub, type Pull, REPOSITORY } from './history-github.ts';
import { DEADLINE_S, type Fate, HistoryWorker, SECOND } from './history-worker.ts';

export const MINUTE = 60 * SECOND;
const BEAT = 5 * SECOND;
/** Often enough, too: over longer times. */
const LONG_BEAT = 15 * SECOND;

/** What a history begins with, and ends with. */
export interface Setup {
  /** For each worker, whether it is on a host of its own. */
  workers: boolean[];
  /** For each benchmark, whether what runs is asked to end when something newer comes. */
  cancelRunning: boolean[];
  /** Between two looks of the server for lost workers. */
  beatsBetweenLooks: number;
  /** How runs go, in turn, while it comes to rest. */
  fates: Fate[];
}

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

export class World {
  readonly trace: string[] = [];
  readonly github: HistoryGitHub;
  readonly fault: Fault;
  readonly workers: HistoryWorker[] = [];
  server: Store | undefined;
  steps = 0;
  /** Milliseconds that have passed really. */
  real = 0;
  /** Who may end a job, as far as an onlooker knows who sees everything. */
  readonly leases = new Map<string, { worker: HistoryWorker; leaseId: string }>();
  /** Ids of jobs that were measured by who had them. */
  readonly measured = new Set<string>();
  private readonly setup: Setup;
  private readonly config: ServiceConfig;
  private readonly file: string;
  private readonly tally: Tally;
  private offset = Date.UTC(2026, 0, 2);
  private beats = 0;
  private runs = 0;
  private readonly asked = new Set<string>();
  private readonly cancelled = new Set<string>();
  private readonly ended = new Map<string, string>();

  constructor(
    setup: Setup,
    files: { template: string; file: string },
    { fault = {}, tally = {} }: { fault?: Fault; tally?: Tally },
  ) {
    copyFileSync(files.template, files.file);
    this.setup = setup;
    this.file = files.file;
    this.fault = fault;
    this.tally = tally;
    const rules = setup.cancelRunning.map(
      (cancelRunning, n) => [['shop', 'caddy'][n]!, { cancelRunning, deadlineS: DEADLINE_S }] as const,
    );
    this.config = {
      file: undefined,
      site: 'https://mayfly.example.org',
      repositories: [
        {
          name: REPOSITORY,
          benchmarks: rules.map(([name]) => name),
          eachPullRequest: true,
          labels: {},
          branches: [],
          conclusions: CONCLUSIONS,
        },
      ],
      reconcileS: 300,
      alerts: [],
      rules: new Map(rules),
    };
    this.github = new HistoryGitHub(this.config);
    this.startServer();
    for (const alone of setup.workers) this.startWorker(alone);
  }

  close(): void {
    this.server?.close();
    for (const worker of this.workers) worker.close();
  }

  say(what: string, more = ''): void {
    this.tally[what] = (this.tally[what] ?? 0) + 1;
    this.trace.push(`${Math.round(this.real / SECOND)}s ${what} ${more}`);
  }
  wrong(what: string): never {
    throw new Error(what);
  }
  newRunId(): string {
    return `01RUN${String(++this.runs).padStart(6, '0')}`;
  }

  // --- time

  /** What the clock says, which may be wrong. */
  get now(): number {
    return this.offset + this.real;
  }
  get at(): string {
    return new Date(this.now).toISOString();
  }
  jump(ms: number): void {
    this.offset += ms;
    this.say('clock jumps', `${Math.round(ms / MINUTE)} min`);
  }

  /** Time passes: workers that run renew their leases, the server looks for lost workers. */
  pass(ms: number, beat = ms < MINUTE ? BEAT : LONG_BEAT): void {
    for (let left = ms; left > 0; left -= beat) {
      this.real += Math.min(left, beat);
      for (const worker of this.living) worker.beat();
      if (this.server && ++this.beats % this.setup.beatsBetweenLooks === 0)
        this.recover(this.server.queue, () => undefined);
    }
  }

  /** One look for lost workers. Who was looking on all the time knows whether the queue is right. */
  recover(queue: Queue, isAlive: (worker: WorkerName) => boolean | undefined): void {
    for (const { job_id, state, losses, reason } of queue.recoverLost(this.now, isAlive)) {
      const holder = this.leases.get(job_id)?.worker;
      const silent = this.real - (holder?.held?.renewed ?? -Infinity);
      this.leases.delete(job_id);
      this.say(`lost worker: ${state}`, job_id);
      if (!holder) this.wrong(`job ${job_id} was taken from nobody`);
      if (holder.state !== 'dead' && silent <= LONG_BEAT)
        this.wrong(`job ${job_id} was taken from a worker that was heard of ${silent / SECOND} s ago`);
      const may = losses > 1 ? ['failed', 'cancelled'] : ['queued', 'cancelled'];
      if (!may.includes(state) || !reason) this.wrong(`job ${job_id}, lost ${losses} times, is ${state} (${reason})`);
    }
  }

  // --- workers

  get living(): HistoryWorker[] {
    return this.workers.filter(({ state }) => state === 'lives');
  }
  get stopped(): HistoryWorker[] {
    return this.workers.filter(({ state }) => state === 'stopped');
  }
  startWorker(alone: boolean): void {
    const store = openStore(this.file);
    const pid = 101 + this.workers.length;
    const name = { host: alone ? `bench-${pid}` : 'bench', pid, pid_start: '1' };
    const queue = this.fault.queue?.(store, this.file) ?? store.queue;
    this.workers.push(new HistoryWorker(this, name, { store, queue }));
  }

  // --- the server

  startServer(): void {
    this.server = openStore(this.file);
  }
  killServer(): void {
    this.server?.close();
    this.server = undefined;
    this.say('server killed');
  }

  /** `again`: it comes once more; `lost`: not at all; `killed`: the server is, before it has written all of it. */
  deliver(delivery: Delivery, { again = false, lost = false, killed = false } = {}): void {
    const { server, github } = this;
    const { id, told } = delivery;
    if (!again) github.deliveries.splice(github.deliveries.indexOf(delivery), 1);
    if (!server || lost) return this.say('delivery lost');
    try {
      const queued = server.transaction(() => {
        const ids = server.inbox.takeDelivery(id, told.what, this.now) ? keep(told, this.context()) : undefined;
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
  async reconcile(): Promise<void> {
    await reconcile(this.context(this.github.asked()));
    this.say('reconciled');
  }

  // --- by hand, and by a comment on a pull request

  add(wanted: Pick<NewJob, 'commit'> & Partial<NewJob>): void {
    const { job, added } = this.server!.queue.enqueue(
      {
        kind: 'new-test',
        benchmark: 'shop',
        requested_by: 'hand',
        priority: PRIORITY.by_hand,
        deadline_s: DEADLINE_S,
        ...wanted,
      },
      { now: this.now, again: true, pinned: true },
    );
    this.asked.add(job.job_id);
    this.say(added ? 'added by hand' : 'already there');
  }
  cancel({ job_id }: Job): void {
    if (this.server!.queue.cancel(job_id, 'cancelled by hand', this.now)) this.noteCancelled(job_id);
  }
  request({ number, head }: Pull, overrides: Record<string, string>): void {
    const request = {
      request_id: 'r',
      repository: REPOSITORY,
      pull_request: number,
      comment_id: 1,
      author: 'a',
      text: '',
      written_ms: 0,
      failures: 0,
    };
    const into = { base_ref: 'main', onto_default: true };
    const wanted = { benchmarks: ['shop'], commit: head, into, overrides, pinned: false };
    for (const { job } of queueRequest(request, wanted, this.context())) this.asked.add(job.job_id);
  }
  cancelPull({ number }: Pull): void {
    const reason = 'cancelled by a comment';
    for (const { job_id } of cancelPullRequest(REPOSITORY, number, { reason }, this.context()))
      this.noteCancelled(job_id);
  }
  private noteCancelled(id: string): void {
    this.cancelled.add(id);
    this.say('cancelled', id);
  }
  private context(github?: GitHub): ServeContext {
    return {
      store: this.server,
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

  // --- the end

  /** Time goes on, nothing around the runs fails any more, and one healthy worker is there. */
  async comeToRest(): Promise<void> {
    if (!this.server) this.startServer();
    const { queue } = this.server!;
    queue.resume();
    for (const delivery of this.github.deliveries.toReversed()) this.deliver(delivery);
    for (const worker of this.stopped) if (!worker.late) worker.goOn();
    this.startWorker(false);
    const fates = [...this.setup.fates, 'is done' as const];
    let measuring = 0;
    const step = (worker: HistoryWorker, looks = false) =>
      worker.step({ looks, fate: worker.measures ? fates[measuring++ % fates.length]! : 'goes on' });
    // The second time makes up for what two pull requests with the same head had shared when one was closed.
    for (let round = 0; round < 2; round++) {
      await this.reconcile();
      for (let turn = 0; turn < 2000 && queue.count({ state: ['queued', 'leased'] }) > 0; turn++) {
        this.pass(LONG_BEAT, LONG_BEAT);
        for (const worker of this.living) step(worker, turn % 4 === 0);
      }
    }
    for (const worker of this.stopped) {
      worker.goOn();
      for (let turn = 0; worker.held && turn < 200; turn++) {
        step(worker); // before its heart beats
        this.pass(LONG_BEAT, LONG_BEAT);
      }
    }
  }

  /** What has ended stays as it is. */
  checkEnded(): void {
    const all = this.server?.queue.jobs();
    if (!all) return;
    for (const [id, was] of this.ended)
      if (!all.some(({ job_id }) => job_id === id)) this.wrong(`job ${id} is gone: ${was}`);
    for (const job of all.filter(({ state }) => ENDED.includes(state))) {
      const is = JSON.stringify(job);
      const was = this.ended.get(job.job_id) ?? is;
      if (was !== is) this.wrong(`job ${job.job_id} had ended as ${was}, and is ${is}`);
      this.ended.set(job.job_id, is);
    }
  }

  checkAll(): void {
    this.checkEnded();
    const { asked, cancelled, github } = this;
    const server = this.server!;
    const jobs = server.queue.jobs();
    this.tally.jobs = (this.tally.jobs ?? 0) + jobs.length;
    const { benchmarks } = this.config.repositories[0]!;
    const statusOf = (runId: string) => server.run(runId).status;
    const faults = checkJobs({ jobs, asked, cancelled, benchmarks, github, statusOf });
    if (faults.length > 0) this.wrong(faults.join('\n'));
  }
}
