/**
 * The replicas of a service behind a balancer while a round goes on: one more, one less, and what is done to one. The
 * balancer and Prometheus' targets follow.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import type { ContainerState } from '../engine/engine.ts';
import { LABEL } from '../engine/names.ts';
import { ailmentOf, isWell, unwellText, withLogs } from '../engine/up.ts';
import type { ComposeDocument } from './compose-file.ts';
import { addCounters, findCounters, readCounters } from './counters.ts';
import { likeBody } from './like-container.ts';
import type { SideContainer } from './run-stack.ts';
import type { Slots } from './slots.ts';

export interface Replica {
  side: SideName;
  service: string;
  /** A new one has a number of its own. */
  replica: number;
  /** Of its container. */
  id: string;
  name: string;
  commit: string;
  /** Its name at the balancer; null where there is none in front of the service. */
  slot: string | null;
}

/** How a replica ended. */
export interface Stopped {
  exitCode: number;
  /** After its grace. */
  killed: boolean;
  seconds: number;
}

/** What is done here to a container is no incident of its side. */
export interface Replicas {
  /** Those that run and take requests, oldest first. */
  of(side: SideName, service: string): Replica[];
  /** One more: healthy, at the balancer, and among Prometheus' targets. `of`: whose commit it is, by default its side's. */
  add(side: SideName, service: string, of?: SideName): Promise<Replica>;
  /** It takes no new request or session; until nothing is under way, or the time is over. `left`: what still is. */
  drain(replica: Replica, drainS: number): Promise<{ left: number; seconds: number }>;
  /** SIGTERM, and SIGKILL after the grace (by default its stop_grace_period). Its log and CPU time are kept. */
  stop(replica: Replica, graceS?: number): Promise<Stopped>;
  /** SIGKILL; the balancer finds out by itself. */
  kill(replica: Replica): Promise<void>;
  /** SIGTERM and the grace as at `stop`, then a new start; until it takes requests again. */
  restart(replica: Replica, graceS?: number): Promise<{ seconds: number; stopped: Stopped }>;
  pause(replica: Replica): Promise<void>;
  unpause(replica: Replica): Promise<void>;
}

/** The same with what belongs to the round. */
export interface ReplicaControl extends Replicas {
  /** Containers that were ended, or started anew, on purpose. */
  readonly touched: ReadonlySet<string>;
  /** Nothing is started any more; resolves when nothing is starting. */
  close(): Promise<void>;
}

export interface ReplicaSurroundings {
  /** Of the round: a new one is put there. */
  containers: SideContainer[];
  /** The balancer of each side that has one, and its service. */
  balancers: ReadonlyMap<SideName, { service: string; slots: Slots }>;
  /** Of a side: its services as they are started, its commit, its network. */
  of(side: SideName): { document: ComposeDocument; commit: string; network: string };
  readyTimeoutS: number;
  /** Tells Prometheus who is there. */
  follow(containers: readonly SideContainer[]): Promise<void>;
  signal: AbortSignal;
}

const LOOK_MS = 100;
/** A replica that is healthy has so long to be found so by the balancer. */
const AT_BALANCER_S = 15;
/** Of a container that is to end: its CPU counters, so often. */
const READ_MS = 100;
const KILLED = 137;
const RESTART_HINT =
  'Does its health check succeed a second time? A file that says that the service was well outlives a restart, unless it lies in /dev/shm. npm run logs has what it has written.';
const FREEZE_ATTEMPTS = 5;

type State = 'serving' | 'drained' | 'busy' | 'paused' | 'gone';

export function controlReplicas(around: ReplicaSurroundings, ctx: Pick<Context, 'engine' | 'now'>): ReplicaControl {
  const { containers, balancers, signal } = around;
  const { engine } = ctx;
  const states = new Map<string, State>();
  const touched = new Set<string>();
  const pending = new Set<Promise<unknown>>();
  let closed = false;

  const stateOf = (id: string) => states.get(id) ?? 'serving';
  const slotsOf = ({ side, service }: Pick<Replica, 'side' | 'service'>): Slots | null => {
    const found = balancers.get(side);
    return found?.service === service ? found.slots : null;
  };
  const containerOf = ({ id }: Pick<Replica, 'id'>) => containers.find((one) => one.id === id)!;
  /** One after the other: both sides may be at it, and who comes last knows most. */
  let following: Promise<void> = Promise.resolve();
  const known = () => {
    const tell = () => around.follow(containers.filter(({ id }) => stateOf(id) !== 'gone'));
    following = following.then(tell, tell);
    return following;
  };
  const secondsSince = (begunMs: number) => (performance.now() - begunMs) / 1000;

  function replicaOf({ side, service, replica, id, name, labels }: SideContainer): Replica {
    const slot = slotsOf({ side, service })?.slotOf(id) ?? null;
    return { side, service, replica, id, name, commit: labels[LABEL.commit] ?? around.of(side).commit, slot };
  }

  /** Whoever takes the round down waits for it. */
  function watched<T>(work: () => Promise<T>): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (closed) return Promise.reject(new Error('the round is over'));
    const done = work();
    pending.add(done);
    done.then(
      () => pending.delete(done),
      () => pending.delete(done),
    );
    return done;
  }

  /** `who`, and where to look, stand in the message where it does not get well. */
  async function well(
    replica: Pick<Replica, 'id' | 'service' | 'side'>,
    { who, hint }: { who: string; hint: string },
  ): Promise<ContainerState> {
    const deadline = performance.now() + around.readyTimeoutS * 1000;
    for (;;) {
      signal.throwIfAborted();
      const state = await engine.inspect(replica.id);
      if (isWell(state)) return state;
      const hasEnded = !state.running && state.status !== 'created';
      if (hasEnded || performance.now() > deadline) {
        const what = hasEnded ? ailmentOf(state) : `did not become healthy in ${around.readyTimeoutS} s`;
        throw new InfrastructureError(`${who} ${what}\n${unwellText(await withLogs([state], ctx))}`, { hint });
      }
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** The balancer sends it requests. */
  async function atBalancer(replica: Pick<Replica, 'id' | 'side' | 'service'>, isNew: boolean): Promise<void> {
    const slots = slotsOf(replica);
    if (!slots) return;
    const { network } = around.of(replica.side);
    const address = (await engine.describe(replica.id)).NetworkSettings?.Networks?.[network]?.IPAddress;
    const found = isNew
      ? await slots.put(replica.id, address, AT_BALANCER_S)
      : await slots.ready(replica.id, address, AT_BALANCER_S);
    if (!found)
      throw new InfrastructureError(
        `the balancer does not find a replica of ${replica.service} of ${replica.side} well in ${AT_BALANCER_S} s, though it is healthy`,
        { hint: 'Does balancer/health in benchmark.yaml answer 200 as soon as the service is healthy?' },
      );
  }

  /** Ends a container and keeps what it had used by then. */
  async function ending(container: SideContainer, end: () => Promise<unknown>): Promise<void> {
    touched.add(container.id);
    const { counted } = container;
    const read = async () => {
      const now = counted && (await readCounters(counted.files));
      if (now) counted.last = now;
    };
    await read();
    let ended = false;
    const work = end().finally(() => (ended = true));
    work.catch(() => {}); // awaited below
    while (!ended) {
      await Promise.race([work.catch(() => {}), sleep(READ_MS)]);
      if (!ended) await read();
    }
    await work;
  }

  async function create(side: SideName, service: string, of: SideName): Promise<Replica> {
    const { document, commit } = around.of(of);
    const own = around.of(side);
    const mine = containers.filter((one) => one.side === side && one.service === service);
    const like = mine[0];
    if (!like) throw new Error(`${side} has no ${service}`);
    const image: string = document.services[service]!.image;
    const replica = Math.max(...mine.map((one) => one.replica)) + 1;
    const said = await engine.describe(like.id);
    const name = `${said.Config.Labels['com.docker.compose.project']}-${service}-${replica}`;
    const body = likeBody(said, await engine.imageDefaults(said.Image), {
      name,
      image,
      network: own.network,
      isBalanced: slotsOf({ side, service }) !== null,
      service,
      labels: { 'com.docker.compose.container-number': String(replica), [LABEL.commit]: commit },
    });
    const id = await engine.createFrom(name, body);
    for (const path of copiedFiles(own.document, service)) await engine.copyAcross(like.id, id, path);
    signal.throwIfAborted();
    states.set(id, 'busy');
    await slotsOf({ side, service })?.bury();
    await engine.start(id);
    const state = await engine.inspect(id);
    const container = { ...state, side, service, replica, counted: await findCounters(id, state.pid) };
    containers.push(container);
    try {
      await well(container, {
        who: `a new replica of ${service} of ${side}`,
        hint: 'The replicas before it have started. npm run logs has what this one has written.',
      });
      await atBalancer(container, true);
    } catch (error) {
      touched.add(id); // it is the one that adds it who says what is wrong
      throw error;
    }
    states.set(id, 'serving');
    await known();
    return replicaOf(container);
  }

  return {
    touched,
    of: (side, service) =>
      containers
        .filter((one) => one.side === side && one.service === service && stateOf(one.id) === 'serving')
        .sort((a, b) => a.replica - b.replica)
        .map(replicaOf),
    add: (side, service, of = side) => watched(() => create(side, service, of)),
    drain: (replica, drainS) =>
      watched(async () => {
        const begunMs = performance.now();
        states.set(replica.id, 'drained');
        const left = (await slotsOf(replica)?.maintain(replica.id, drainS)) ?? 0;
        return { left, seconds: secondsSince(begunMs) };
      }),
    stop: (replica, graceS) =>
      watched(async () => {
        const begunMs = performance.now();
        const container = containerOf(replica);
        const slots = slotsOf(replica);
        if (stateOf(replica.id) !== 'drained') await slots?.maintain(replica.id, 0);
        states.set(replica.id, 'gone');
        await known(); // before it ends: Prometheus would tell of a scrape that failed
        await ending(container, () => engine.stop(replica.id, graceS));
        slots?.leave(replica.id);
        const { exitCode } = await engine.inspect(replica.id);
        return { exitCode, killed: exitCode === KILLED, seconds: secondsSince(begunMs) };
      }),
    kill: (replica) =>
      watched(async () => {
        states.set(replica.id, 'gone');
        await ending(containerOf(replica), async () => {
          await engine.kill(replica.id, 'SIGKILL');
          await engine.wait(replica.id, signal);
        });
        await known();
        slotsOf(replica)?.leave(replica.id);
      }),
    restart: (replica, graceS) =>
      watched(async () => {
        const begunMs = performance.now();
        const container = containerOf(replica);
        states.set(replica.id, 'busy');
        await ending(container, () => engine.stop(replica.id, graceS));
        const { exitCode } = await engine.inspect(replica.id);
        const stopped = { exitCode, killed: exitCode === KILLED, seconds: secondsSince(begunMs) };
        const { counted } = container;
        if (counted?.last) {
          const { last, before } = counted;
          counted.before = before ? addCounters(before, last) : last;
          delete counted.last;
        }
        await slotsOf(replica)?.bury();
        await engine.start(replica.id);
        await well(replica, {
          who: `${replica.service}-${replica.replica} of ${replica.side}, started anew,`,
          hint: RESTART_HINT,
        });
        await atBalancer(replica, false);
        states.set(replica.id, 'serving');
        return { seconds: secondsSince(begunMs), stopped };
      }),
    pause: (replica) =>
      watched(async () => {
        states.set(replica.id, 'paused');
        for (let attempt = 1; ; attempt++) {
          const refused = await engine.pause(replica.id).then(
            () => null,
            (error: Error) => error,
          );
          if (refused === null) return;
          // a busy kernel does not freeze all of its processes in the time that the engine gives it
          if (attempt === FREEZE_ATTEMPTS || !/unable to freeze/.test(refused.message)) throw refused;
        }
      }),
    unpause: (replica) =>
      watched(async () => {
        await engine.unpause(replica.id);
        states.set(replica.id, 'serving');
      }),
    async close() {
      closed = true;
      await Promise.allSettled(pending);
      const paused = [...states].filter(([, state]) => state === 'paused');
      await Promise.allSettled(paused.map(([id]) => engine.unpause(id))); // what is paused ends at no signal
    },
  };
}

/** Files of a service that Compose writes into its containers: a new one has them from an old one. */
function copiedFiles({ services, configs, secrets }: ComposeDocument, service: string): string[] {
  const written = (sources: Record<string, any> | undefined, name: string) =>
    sources?.[name]?.content !== undefined || sources?.[name]?.environment !== undefined;
  const own = services[service]!;
  const uses = (list: any): any[] => (Array.isArray(list) ? list : []);
  return [
    ...uses(own.configs)
      .filter(({ source }) => written(configs, source))
      .map(({ source, target }) => target ?? `/${source}`),
    ...uses(own.secrets)
      .filter(({ source }) => written(secrets, source))
      .map(({ source, target }) => (target?.startsWith('/') ? target : `/run/secrets/${target ?? source}`)),
  ];
}
