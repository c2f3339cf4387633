/**
 * A worker of a made-up history. It claims, renews, takes over a whole run and ends as scripts/service/worker does, and
 * holds what the queue answers against what an onlooker knows.
 */
import type { Job, WorkerName } from '../../scripts/documents/job.ts';
import type { Store } from '../../scripts/store/db.ts';
import type { Outcome, Queue } from '../../scripts/store/jobs.ts';
import { makeRun } from '../run-document.ts';
import type { World } from './history-model.ts';

export const SECOND = 1000;
export const DEADLINE_S = 900;

/** How it goes on with a run. */
export type Fate = 'is done' | 'goes on' | 'hangs' | 'fails' | 'engine fails' | 'is handed back';

/** What a worker does between two looks at the store. */
export interface Work {
  /** It looks for lost workers before it claims. */
  looks: boolean;
  /** Of the run, where it has one. */
  fate: Fate;
}

interface Held {
  job: Job;
  leaseId: string;
  /** Of its run stack. */
  run?: string;
  /** Its services never become healthy, say: only the deadline ends it. */
  hangs: boolean;
  begun: number;
  /** Real time of its last renewal. */
  renewed: number;
  /** How it is going to end its lease. */
  outcome?: Outcome;
}

const OUTCOMES = {
  'engine fails': { state: 'retry', reason: 'the engine does not answer' },
  fails: { state: 'failed', fault: 'build', reason: 'it does not build' },
  'is handed back': { state: 'handed back', reason: 'its worker was asked to end' },
} as const;

export class HistoryWorker {
  readonly name: WorkerName;
  state: 'lives' | 'stopped' | 'dead' = 'lives';
  /** Of one that is stopped: it comes back when all else is done. */
  late = false;
  held: Held | undefined;
  private readonly world: World;
  private readonly store: Store;
  private readonly queue: Queue;

  constructor(world: World, name: WorkerName, { store, queue }: { store: Store; queue: Queue }) {
    this.world = world;
    this.name = name;
    this.store = store;
    this.queue = queue;
    this.say('worker started');
  }

  /** The next step of its run decides how that goes on. */
  get measures(): boolean {
    return this.held?.run !== undefined && !this.held.outcome && !this.held.hangs;
  }

  kill(): void {
    this.close();
    this.state = 'dead';
    const done = this.held?.outcome?.state === 'done';
    this.say(done ? 'killed before the end was stored' : this.held ? 'killed in a run' : 'killed idle');
  }
  stop(late: boolean): void {
    this.state = 'stopped';
    this.late = late;
    this.say('stopped');
  }
  goOn(): void {
    this.state = 'lives';
    this.say('goes on');
  }
  close(): void {
    if (this.state !== 'dead') this.store.close();
  }

  /** It renews its lease. */
  beat(): void {
    const { held, world } = this;
    if (!held) return;
    const progress = { text: 'measures', at: world.at };
    const { lost, cancel } = this.queue.renew(held.job.job_id, held.leaseId, world.now, progress);
    if (lost !== !this.holds(held))
      world.wrong(`job ${held.job.job_id}: its worker is told ${lost ? 'that it is lost' : 'to go on'}`);
    if (lost) return this.abandon(held);
    held.renewed = world.real;
    if (held.outcome) return;
    if (cancel !== undefined) held.outcome = { state: 'cancelled', reason: cancel };
    else if (world.real - held.begun > DEADLINE_S * SECOND)
      held.outcome = { state: 'failed', fault: 'deadline', reason: 'it was not done after its deadline' };
    if (held.outcome && held.run) this.store.finishRun(held.run, 'interrupted', world.at);
  }

  step({ looks, fate }: Work): void {
    const { held } = this;
    if (!held) return this.claims(looks);
    if (held.outcome) return this.ends(held, held.outcome);
    if (!held.run) return this.begins(held);
    if (!held.hangs) this.measuresOn(held, held.run, fate);
  }

  private claims(looks: boolean): void {
    const { world } = this;
    if (looks) world.recover(this.queue, (other) => this.sees(other));
    const leased = this.queue.claim(this.name, world.now);
    if (!leased) return;
    const { job, leaseId } = leased;
    if (world.leases.has(job.job_id)) world.wrong(`job ${job.job_id} was given to two workers`);
    world.leases.set(job.job_id, { worker: this, leaseId });
    this.held = { job, leaseId, hangs: false, begun: world.real, renewed: world.real };
    this.say('claimed', job.job_id);
  }

  /** A whole run of the job is taken over, as scripts/service/worker/run-job.ts does. */
  private begins(held: Held): void {
    const { world, store } = this;
    const { job } = held;
    const whole = store.runs({ labels: { job: job.job_id } }).find(({ status }) => status === 'complete');
    if (whole && !world.fault.measuresAgain) {
      held.run = whole.run_id;
      held.outcome = { state: 'done', run_id: whole.run_id, verdict: 'PASS' };
      return this.say('run taken over', job.job_id);
    }
    held.run = world.newRunId();
    const run = makeRun({
      run_id: held.run,
      benchmark: job.benchmark,
      status: 'running',
      started_at: world.at,
      sides: { candidate: { ref: job.commit, commit: job.commit, images: [] } },
      labels: { job: job.job_id },
      rounds: [],
      ...(job.kind === 'new-master' ? { master: true } : {}),
    });
    store.addRun({ ...run, archive: undefined, finished_at: undefined });
  }

  private measuresOn(held: Held, run: string, fate: Fate): void {
    const { world, store } = this;
    const id = held.job.job_id;
    if (fate === 'goes on') return;
    if (fate === 'hangs') {
      held.hangs = true;
    } else if (fate === 'is done') {
      store.finishRun(run, 'complete', world.at);
      held.outcome = { state: 'done', run_id: run, verdict: 'PASS' };
      this.say('measured', id);
      if (this.holds(held) && world.measured.has(id)) world.wrong(`job ${id} was measured twice`);
      if (this.holds(held)) world.measured.add(id);
    } else {
      store.finishRun(run, 'failed', world.at);
      held.outcome = OUTCOMES[fate];
    }
  }

  private ends(held: Held, outcome: Outcome): void {
    const { world } = this;
    const { job, leaseId } = held;
    const mine = this.holds(held);
    const stored = this.queue.endLease(job.job_id, leaseId, outcome, world.now);
    this.held = undefined;
    this.say(stored ? `ended: ${outcome.state}` : 'fenced off', job.job_id);
    const how = stored ? 'taken from a worker that no longer had it' : 'refused to its worker';
    if (stored !== mine) world.wrong(`job ${job.job_id}: its end was ${how}`);
    if (mine) world.leases.delete(job.job_id);
  }

  private abandon({ run, outcome }: Held): void {
    if (run && outcome?.state !== 'done') this.store.finishRun(run, 'interrupted', this.world.at);
    this.held = undefined;
    this.say('fenced off');
  }

  /** As far as an onlooker knows who sees everything. */
  private holds({ job, leaseId }: Held): boolean {
    return this.world.leases.get(job.job_id)?.leaseId === leaseId;
  }
  /** Whether another one is there; undefined: it is on a host whose processes this one does not see. */
  private sees({ host, pid }: WorkerName): boolean | undefined {
    return host !== this.name.host
      ? undefined
      : this.world.workers.some(({ name, state }) => name.pid === pid && state !== 'dead');
  }
  private say(what: string, more = ''): void {
    this.world.say(what, `${this.name.pid} ${more}`);
  }
}
