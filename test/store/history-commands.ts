/**
 * What may happen in a made-up history of the queue: kills, pauses, jumps of the clock, deliveries that are lost, doubled
 * and out of order. Each step is a command of fast-check with values of its own, so that one can be left out of a
 * history that fails, and the others stay as they are.
 */
import fc from 'fast-check';
import { ENDED } from '../../scripts/store/jobs.ts';
import { MINUTE, type Setup, type World } from './history-model.ts';
import { type Fate, type HistoryWorker, SECOND } from './history-worker.ts';

const DAY = 24 * 60 * MINUTE;

type Drawn<V> = { [K in keyof V]: fc.Arbitrary<V[K]> };

interface Kind<T, V> {
  /** Against the weights of the other kinds. */
  weight: number;
  /** What it may happen to; it is left out where there is nothing. */
  to(world: World): readonly T[];
  drawn?: Drawn<V>;
  happens(world: World, one: T, values: V): void | Promise<void>;
}

class Step<T, V> implements fc.AsyncCommand<World, undefined> {
  private readonly name: string;
  private readonly kind: Kind<T, V>;
  private readonly values: V & { which: number };

  constructor(name: string, kind: Kind<T, V>, values: V & { which: number }) {
    this.name = name;
    this.kind = kind;
    this.values = values;
  }
  check(world: World): boolean {
    return this.kind.to(world).length > 0;
  }
  async run(world: World): Promise<void> {
    const all = this.kind.to(world);
    await this.kind.happens(world, all[this.values.which % all.length]!, this.values);
    if (++world.steps % 4 === 0) world.checkEnded();
  }
  toString(): string {
    return `${this.name} ${fc.stringify(this.values)}`;
  }
}

/** `which`: of those that it may happen to; 60 are divided evenly among up to six. */
const step = <T, V = unknown>(name: string, kind: Kind<T, V>) => ({
  weight: kind.weight,
  arbitrary: fc
    .record({ ...(kind.drawn as Drawn<V>), which: fc.nat(59) }, { noNullPrototype: true })
    .map((values): fc.AsyncCommand<World, undefined> => new Step(name, kind, values as any)),
});

/** True in so many of a hundred cases. */
const inPercent = (share: number) => fc.nat(99).map((n) => n >= 100 - share);
const often = <T extends string>(shares: Record<T, number>): fc.Arbitrary<T> =>
  fc.constantFrom(...(Object.keys(shares) as T[]).flatMap((one) => Array<T>(shares[one]).fill(one)));

const FATE = often<Fate>({ 'is done': 54, 'goes on': 25, 'engine fails': 10, fails: 4, 'is handed back': 4, hangs: 3 });
const ALONE = inPercent(30);

const server = (world: World) => (world.server ? [world.server] : []);
const jobs = ({ server }: World) => server?.queue.jobs() ?? [];
const openPulls = ({ server, github }: World) => (server ? github.open : []);
/** Those that have a job, if there are any. */
const busy = ({ living }: World): HistoryWorker[] => {
  const holding = living.filter(({ held }) => held);
  return holding.length > 0 ? holding : living;
};

const STEPS = [
  step('a worker works', {
    weight: 60,
    to: ({ living }) => living,
    drawn: { looks: fc.boolean(), fate: FATE },
    happens: (_, worker, work) => worker.step(work),
  }),
  step('a worker is killed', { weight: 10, to: busy, happens: (_, worker) => worker.kill() }),
  step('a worker is stopped', {
    weight: 6,
    to: busy,
    drawn: { late: fc.boolean() },
    happens: (_, worker, { late }) => worker.stop(late),
  }),
  step('a worker goes on', {
    weight: 8,
    to: ({ stopped }) => stopped,
    drawn: { beforeItBeats: fc.nat(3), looks: fc.boolean(), fate: FATE },
    happens: (_, worker, { beforeItBeats, ...work }) => {
      worker.goOn();
      for (let n = 0; n < beforeItBeats; n++) worker.step(work);
    },
  }),
  step('a worker is started', {
    weight: 6,
    to: (world) => (world.living.length + world.stopped.length < 4 ? [world] : []),
    drawn: { alone: ALONE },
    happens: (world, _, { alone }) => world.startWorker(alone),
  }),

  step('a push', { weight: 4, to: ({ github }) => [github], happens: (_, github) => github.push() }),
  step('a pull request', {
    weight: 5,
    to: ({ github }) => [github],
    happens: ({ real }, github) =>
      github.change(real, { number: github.pulls.length + 1, head: github.newCommit(), open: true }),
  }),
  step('a pull request is closed or opened', {
    weight: 2,
    to: ({ github }) => github.pulls,
    happens: ({ github, real }, pull) => github.change(real, { ...pull, open: !pull.open }),
  }),
  step('a push to a pull request', {
    weight: 4,
    to: ({ github }) => github.pulls,
    happens: ({ github, real }, pull) => github.change(real, { ...pull, head: github.newCommit() }),
  }),
  step('a push back', {
    weight: 1,
    to: ({ github }) => github.pulls,
    drawn: { commit: fc.nat(59) },
    happens: ({ github, real }, pull, { commit }) => github.change(real, { ...pull, head: github.oldCommit(commit) }),
  }),
  step('a delivery', {
    weight: 24,
    to: ({ github }) => github.deliveries,
    drawn: { again: inPercent(25), lost: inPercent(15), killed: inPercent(8) },
    happens: (world, delivery, how) => world.deliver(delivery, how),
  }),

  step('the server reconciles', { weight: 4, to: server, happens: (world) => world.reconcile() }),
  step('the server is killed', { weight: 4, to: server, happens: (world) => world.killServer() }),
  step('the server is started', {
    weight: 4,
    to: (world) => (world.server ? [] : [world]),
    happens: (world) => world.startServer(),
  }),

  step('a job by hand', {
    weight: 2,
    to: server,
    happens: (world) => world.add({ commit: world.github.newCommit() }),
  }),
  step('a job once more', {
    weight: 2,
    to: jobs,
    happens: (world, { commit, kind, benchmark, repository, pull_request, job_id, state }) =>
      world.add({
        commit,
        kind,
        benchmark,
        ...(ENDED.includes(state) ? { retry_of: job_id } : {}),
        ...(repository ? { repository } : {}),
        ...(pull_request ? { pull_request } : {}),
      }),
  }),
  step('a job is cancelled', { weight: 2, to: jobs, happens: (world, job) => world.cancel(job) }),
  step('a comment asks for a pull request', {
    weight: 2,
    to: openPulls,
    drawn: { overrides: fc.constantFrom<Record<string, string>>({}, { rate: '5' }) },
    happens: (world, pull, { overrides }) => world.request(pull, overrides),
  }),
  step('a comment cancels a pull request', {
    weight: 2,
    to: openPulls,
    happens: (world, pull) => world.cancelPull(pull),
  }),
  step('the queue is paused', {
    weight: 2,
    to: server,
    happens: ({ at }, { queue }) => queue.pause({ by: 'hand', at }),
  }),
  step('the queue goes on', { weight: 2, to: server, happens: (_, { queue }) => void queue.resume() }),

  step('the clock jumps', {
    weight: 6,
    to: (world) => [world],
    drawn: {
      ms: fc.oneof(fc.integer({ min: -30 * MINUTE, max: 30 * MINUTE }), fc.integer({ min: -20 * DAY, max: 20 * DAY })),
    },
    happens: (world, _, { ms }) => world.jump(ms),
  }),
  step('time passes', {
    weight: 60,
    to: (world) => [world],
    drawn: { seconds: fc.nat(60) },
    happens: (world, _, { seconds }) => world.pass(seconds * SECOND),
  }),
  step('long time passes', {
    weight: 4,
    to: (world) => [world],
    drawn: { minutes: fc.constantFrom(2, 2, 16) },
    happens: (world, _, { minutes }) => world.pass(minutes * MINUTE),
  }),
];

export const SETUP: fc.Arbitrary<Setup> = fc.record({
  workers: fc.array(ALONE, { minLength: 1, maxLength: 3 }),
  cancelRunning: fc.array(fc.boolean(), { minLength: 1, maxLength: 2 }),
  beatsBetweenLooks: fc.integer({ min: 1, max: 4 }),
  fates: fc.array(FATE, { maxLength: 8 }),
});

/**
 * Up to 80 of them, 40 on average. Shrinking leaves steps out and keeps the others as they are: to make each simpler, too,
 * takes minutes. `replayPath`: which steps of a history that fails could happen, as fast-check has printed it.
 */
export const steps = (replayPath?: string) =>
  fc.commands([fc.noShrink(fc.oneof(...STEPS))], { maxCommands: 80, size: 'max', replayPath });
