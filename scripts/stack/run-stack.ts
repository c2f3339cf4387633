/** Built -> Stack: the long-running part of a run (Prometheus, exporter), and fresh sides for every round. */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import type { Context } from '../app/context.ts';
import { ZIPKIN } from '../config/broker.ts';
import type { ScrapeTarget } from '../config/types.ts';
import { InfrastructureError } from '../core/errors.ts';
import type { SideName } from '../documents/run.ts';
import { ComposeError, type Project } from '../engine/compose.ts';
import type { ContainerState, EngineEvent, Written } from '../engine/engine.ts';
import { LABEL, roundProject, sideNetwork, sideProject } from '../engine/names.ts';
import { thisUser } from '../engine/owner.ts';
import { removeAll } from '../engine/remove.ts';
import { describeUnwell, findUnwell, isWell, up, waitsFor } from '../engine/up.ts';
import type { Plan } from '../plan/plan.ts';
import { connectZipkin } from '../traces/zipkin.ts';
import { BALANCER, BALANCER_METRICS_PORT, replicasOf, slotNames, withDeployment } from './balancer.ts';
import type { Built } from './build.ts';
import { METRICS_PORT, TRIGGER, withSurroundings, ZIPKIN_PORT } from './chains.ts';
import { type ComposeDocument, runCompose, sideCompose } from './compose-file.ts';
import { type Counted, findCounters } from './counters.ts';
import { watchDisk, writtenBy, wroteTooMuch } from './disk.ts';
import { keepRoundLogs, keepStackLogs } from './keep-logs.ts';
import { controlReplicas, type ReplicaControl, type Replicas } from './replicas.ts';
import { writeOwner, writeWhole } from './run-folder.ts';
import { isFinal, type Unreached, unreached, type WantedTarget } from './scrape.ts';
import { controlSlots, type Slots, type Tenant } from './slots.ts';
import { balancerFailure, blameFor, StartFailure, scrapeFailure, startFailure } from './start-failure.ts';
import { isTelemetryVolume, type SideTelemetry, startTelemetry, withTelemetry } from './telemetry.ts';

/** Seconds that Prometheus and the exporter have to become ready. */
const STACK_TIMEOUT_S = 60;
/** Seconds that Zipkin has, a program for the JVM; after so long its container is looked at. */
const ZIPKIN_TIMEOUT_S = 60;
const ZIPKIN_LOOK_MS = 1000;
/** Seconds that the first scrape of every target may take. */
const SCRAPE_TIMEOUT_S = 20;
/** By then Prometheus, which scrapes once a second, has tried each target. */
const TRIED_MS = 1500;
const GRACE_S = 5;
/** Seconds in which a balancer has to find healthy replicas well. */
const AT_BALANCER_S = 15;

export interface Stack extends AsyncDisposable {
  built: Built;
  /**
   * Aborts when the user wants an end, or with the reason when a container of the stack ends unasked or the engine goes
   * away.
   */
  signal: AbortSignal;
  /** Every Compose document that was started, by project. */
  documents: Record<string, ComposeDocument>;
  /** What there is once Prometheus and the exporter are up; rejects when they do not come up. */
  ready: Promise<Ready>;
  /**
   * Starts fresh containers for the sides of this plan (the run's own, or one that differs from it in sides and load
   * only), healthy and among Prometheus' targets. Those of the round before may still be up.
   */
  startSides(round: number, plan: Plan): Promise<Sides>;
  /** Keeps what the long-running part has written so far, once. Never rejects. */
  keepLogs(): Promise<void>;
}

export interface Ready {
  prometheus: ReturnType<Context['prometheus']>;
  /** Null where the benchmark names no traces, or where it did not come up, which was told. */
  zipkin: { url: string; id: string } | null;
  /** CPU counters of the containers of the long-running part. */
  counters: Counted[];
}

export interface Sides extends AsyncDisposable {
  /** What the round is driven by. */
  plan: Plan;
  round: number;
  /** Those that have come or gone since, too. */
  containers: SideContainer[];
  /** Of each side, where the benchmark names telemetry. */
  telemetry: SideTelemetry[];
  /** Prometheus' targets in them, since the sides were up and until now. */
  targets: WantedTarget[];
  /** What is done to replicas, by the harness. */
  replicas: Replicas;
  /** Containers that it has ended, or started anew: their end is nobody's fault. */
  touched: ReadonlySet<string>;
  /** Who is, or was, in which slot of the balancer of a side; null where there is none. */
  tenants(side: SideName): readonly Tenant[] | null;
  /** Ends of containers and out-of-memory events since the sides were up, but what the harness has done itself. */
  incidents(side: SideName): Incident[];
  /** Keeps what the containers of the round have written so far, once. Never rejects. */
  keepLogs(): Promise<void>;
}

export interface SideContainer extends ContainerState {
  side: SideName;
  service: string;
  replica: number;
  /** Where its CPU counters are; null where it had ended before they were looked for. */
  counted: Counted | null;
}

export interface Incident {
  service: string;
  action: string;
  exitCode: number | null;
}

/** Starts the long-running part. A stack that does not come up takes itself down. */
export async function startStack(built: Built, ctx: Context): Promise<Stack> {
  const { plan } = built;
  const broken = new AbortController();
  const ended = new AbortController(); // ends the watch when the stack goes down on purpose
  const signal = AbortSignal.any([ctx.signal, broken.signal]);
  const events: EngineEvent[] = [];
  let ready: Promise<Ready> | undefined;
  let logs: Promise<void> | undefined;
  const keepLogs = () => (logs ??= keepStackLogs(plan, ctx));
  const dispose = async () => {
    await ready?.catch(() => {}); // nothing may still be starting when the clean-up begins
    ended.abort();
    await keepLogs();
    if (plan.config.keep && !ctx.signal.aborted) return;
    // the snapshot is taken: nothing here has to end well
    await removeAll(ctx.engine, [`${LABEL.run}=${plan.runId}`], 0);
  };

  const step = ctx.progress.step('start the stack');
  try {
    ctx.signal.throwIfAborted();
    await makeFolders(plan);
    const document = runCompose(await readRunCompose(plan, ctx), plan);
    const project = await writeProject(plan, plan.project, document);
    await createNetworks(plan, ctx);
    watch(plan, ctx, events, broken, ended.signal);
    void watchWrites(plan, broken, AbortSignal.any([ended.signal, signal]), ctx);
    ready = bringUp(project, document, plan, signal, ctx).then(
      (value) => (step.done(), value),
      (error) => (step.fail(), Promise.reject(error)),
    );
    ready.catch(() => {}); // awaited by the first round, which starts its sides meanwhile
    const documents: Record<string, ComposeDocument> = { [plan.project]: document };
    // of the first round, under the name of the side
    for (const [side, resolved] of built.services)
      documents[sideProject(plan.runId, side)] = sideDocument(resolved, plan, side, 1);
    const stack: Stack = {
      built,
      ready,
      signal,
      documents,
      startSides: (round, plan) => startSides(round, plan, stack, events, ctx),
      keepLogs,
      [Symbol.asyncDispose]: dispose,
    };
    return stack;
  } catch (error) {
    step.fail();
    broken.abort(error);
    await dispose().catch((cleanup) => Promise.reject(new SuppressedError(cleanup, error)));
    throw error;
  }
}

/** What is started of a side in a round. Pure. */
function sideDocument(resolved: ComposeDocument, plan: Plan, side: SideName, round: number): ComposeDocument {
  const deployed = withDeployment(resolved, plan, side, round);
  const document = withSurroundings(sideCompose(deployed, plan, side, round), plan, side, round);
  return withTelemetry(document, plan, side, round);
}

/** Starts Prometheus and its companions and waits until they are healthy. */
async function bringUp(
  project: Project,
  document: ComposeDocument,
  plan: Plan,
  signal: AbortSignal,
  ctx: Context,
): Promise<Ready> {
  const label = `${LABEL.run}=${plan.runId}`;
  await up(project, `${LABEL.run}=${plan.runId}`, signal, STACK_TIMEOUT_S, ctx, {
    expected: containersOf(document),
  }).catch((error) => explain(error, plan.project, ctx, signal));
  const mine = (await ctx.engine.containers(label)).filter((container) => container.labels[LABEL.service]);
  const containers = await Promise.all(mine.map(({ id }) => ctx.engine.inspect(id)));
  const port = containers.find((c) => c.labels[LABEL.service] === 'prometheus')?.ports['9090/tcp'];
  if (!port)
    throw new InfrastructureError("the run's Prometheus is up but has no port on this host", {
      hint: 'Look at `docker ps` and at the log of the Docker engine.',
    });
  const prometheus = ctx.prometheus(`http://127.0.0.1:${port}`, signal);
  await prometheus.ready(STACK_TIMEOUT_S * 1000);
  const counters = await Promise.all(containers.map(({ id, pid }) => findCounters(id, pid)));
  // a Zipkin that has ended is told of below
  if (counters.some((one, i) => one === null && containers[i]!.labels[LABEL.service] !== ZIPKIN)) {
    throw new InfrastructureError(
      'the CPU counters of the containers cannot be read: their processes are not on this host',
      {
        hint: 'Mayfly needs a Docker engine on the same Linux host, not in a virtual machine, and no other namespace of process ids.',
      },
    );
  }
  const zipkin = plan.networks.traces === undefined ? null : await zipkinOf(containers, signal, ctx);
  return { prometheus, zipkin, counters: counters.filter((one) => one !== null) };
}

/** Waits until Zipkin takes spans. A run does not fail for want of traces: null, and told, where it does not. */
async function zipkinOf(
  containers: readonly ContainerState[],
  signal: AbortSignal,
  ctx: Context,
): Promise<Ready['zipkin']> {
  const state = containers.find(({ labels }) => labels[LABEL.service] === ZIPKIN)!;
  const url = `http://127.0.0.1:${state.ports[`${ZIPKIN_PORT}/tcp`]}`;
  const zipkin = connectZipkin(url, signal);
  const deadline = performance.now() + ZIPKIN_TIMEOUT_S * 1000;
  while (!(await zipkin.ready(ZIPKIN_LOOK_MS))) {
    const { running, exitCode } = await ctx.engine.inspect(state.id);
    if (running && performance.now() < deadline) continue;
    const what = running ? `is not ready after ${ZIPKIN_TIMEOUT_S} s` : `ended with exit code ${exitCode}`;
    ctx.progress.warn(`Zipkin ${what}; the run goes on without traces (npm run logs says more)`);
    return null;
  }
  return { url, id: state.id };
}

/**
 * One build on both sides came out 0.2 to 0.6 % slower on the one whose networks were made later (12 rounds). A likely
 * cause, not proven: the engine's firewall rules for a network stand behind those of the networks before it, and each
 * packet passes them in turn. So in one lane one side's network is the earlier, in the other lane the other's, and
 * rounds go through both.
 */
async function createNetworks(
  { networks: { control, load, sides, traces }, labels }: Plan,
  ctx: Context,
): Promise<void> {
  const create = (network: string, isolated = true) => ctx.engine.createNetwork(network, labels, { isolated });
  const names = Object.values(sides);
  const inTurn = Array.from({ length: names[0]?.length ?? 0 }, (_, lane) =>
    (lane % 2 === 0 ? names : names.toReversed()).map((lanes) => lanes[lane]!),
  ).flat();
  const one = async () => {
    for (const network of inTurn) await create(network);
  };
  const own = traces === undefined ? [] : [create(traces, false)];
  await Promise.all([create(control, false), create(load), ...own, one()]);
}

async function makeFolders(plan: Plan): Promise<void> {
  await mkdir(join(plan.dir, 'tsdb'), { recursive: true });
  for (const folder of ['load', 'trigger']) await mkdir(join(plan.dir, 'targets', folder), { recursive: true });
  await writeOwner(plan.dir, plan.config.keep);
}

/** compose/run.yaml with the values of this run in place of its variables. */
async function readRunCompose(plan: Plan, ctx: Context): Promise<ComposeDocument> {
  const values: Record<string, string> = {
    MAYFLY_RUN: plan.runId,
    MAYFLY_BENCHMARK: plan.config.benchmark,
    MAYFLY_HOST: plan.host.id,
    MAYFLY_USER: thisUser(),
    MAYFLY_ROOT: ctx.paths.root,
    MAYFLY_RUN_DIR: plan.dir,
    MAYFLY_SOCKET: ctx.engine.socket,
    MAYFLY_SOCKET_USER: `${thisUser().split(':')[0]}:${(await stat(ctx.engine.socket)).gid}`,
    MAYFLY_EXPORTER_IMAGE: ctx.machine.images.exporter!.ref,
    MAYFLY_ZIPKIN_IMAGE: plan.ownImages.zipkin ?? '',
  };
  const document: ComposeDocument = parse(await readFile(join(ctx.paths.root, 'compose', 'run.yaml'), 'utf8'));
  return { services: fill(document.services, values) };
}

/** Replaces ${NAME} in every string of a document. */
export function fill<T>(value: T, values: Record<string, string>): T {
  if (typeof value === 'string')
    return value.replace(/\$\{([A-Z0-9_]+)\}/g, (whole, name: string) => values[name] ?? whole) as T;
  if (Array.isArray(value)) return value.map((item) => fill(item, values)) as T;
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, values)])) as T;
  return value;
}

/** Containers that a document starts. */
const containersOf = ({ services }: ComposeDocument): number =>
  Object.values(services).reduce((count, service) => count + replicasOf(service), 0);

async function writeProject(plan: Plan, name: string, document: ComposeDocument): Promise<Project> {
  const file = join(plan.dir, `${name.slice(plan.project.length + 1) || 'run'}.compose.json`);
  await writeFile(file, JSON.stringify(document, null, 2));
  return { name, file };
}

/**
 * Follows the engine's events of the run: a part of the long-running stack that ends breaks the run; what happens to the
 * sides is kept for the round.
 */
function watch(plan: Plan, ctx: Context, events: EngineEvent[], broken: AbortController, ended: AbortSignal): void {
  const onEvent = (event: EngineEvent) => {
    events.push(event);
    const service = event.labels[LABEL.service];
    if (event.action !== 'die' || ended.aborted) return;
    if (service === 'sidecar') ctx.progress.warn('the sidecar ended; the metrics are shipped at the end of the run');
    if (service === ZIPKIN)
      ctx.progress.warn(
        `Zipkin ended (exit code ${event.exitCode}); traces of this round and those after it are missing`,
      );
    if (service === 'prometheus' || service === 'exporter') {
      broken.abort(
        new InfrastructureError(
          `${service} of the run stack ended in the middle of the run (exit code ${event.exitCode})`,
          { hint: 'Was it killed, or is the host out of memory? `dmesg` tells. Run the benchmark again.' },
        ),
      );
    }
  };
  ctx.engine
    .events(`${LABEL.run}=${plan.runId}`, onEvent, ended)
    .then(
      () => new Error('its event stream ended'),
      (error: Error) => error,
    )
    .then((error) => {
      if (ended.aborted) return;
      broken.abort(
        new InfrastructureError(`the Docker engine went away in the middle of the run (${error.message})`, {
          hint: 'Start the engine again; the next command removes what this run has left.',
        }),
      );
    });
}

/** Ends the run when one of its containers fills the disk. */
async function watchWrites(plan: Plan, broken: AbortController, ended: AbortSignal, ctx: Context): Promise<void> {
  const { diskLimitBytes: limitBytes, file } = plan.config;
  const written = () => writtenBy(ctx.engine, `${LABEL.run}=${plan.runId}`, isTelemetryVolume);
  const blame = (most: Written) =>
    wroteTooMuch(nameOf(most.labels), most, limitBytes, `Let it write less, or raise disk_limit in ${file}.`);
  const root = await ctx.engine.dataRoot().catch(() => null);
  if (root !== null)
    await watchDisk({ folders: [root, plan.dir], limitBytes, written, blame }, (error) => broken.abort(error), ended);
}

/** A container of the run in words. */
const nameOf = (labels: Record<string, string>) =>
  labels[LABEL.side]
    ? `${labels['com.docker.compose.service'] ?? 'a service'} of ${labels[LABEL.side]}`
    : (labels[LABEL.service] ?? 'a container of the run');

async function startSides(
  round: number,
  plan: Plan,
  stack: Stack,
  events: EngineEvent[],
  ctx: Context,
): Promise<Sides> {
  const targetsFile = join(plan.dir, 'targets', `round-${round}.json`);
  const triggersFile = join(plan.dir, 'targets', 'trigger', `round-${round}.json`);
  const projects = stack.built.plan.sides.map((side) => roundProject(plan, side.name, round));
  const removeSides = () =>
    Promise.all(
      projects.map((project) =>
        removeAll(ctx.engine, [`com.docker.compose.project=${project}`], stack.signal.aborted ? 0 : GRACE_S),
      ),
    );
  const telemetry: SideTelemetry[] = [];
  let logs: Promise<void> | undefined;
  let replicas: ReplicaControl | undefined;
  const keepLogs = () => (logs ??= keepRoundLogs(plan, round, ctx));
  const dispose = async () => {
    await replicas?.close(); // nothing may still be starting
    for (const file of [targetsFile, triggersFile]) await rm(file, { force: true });
    await keepLogs();
    for (const one of telemetry) await one[Symbol.asyncDispose](); // before the volumes that it holds
    if (!plan.config.keep || ctx.signal.aborted) await removeSides();
  };
  try {
    if (plan.config.keep) await removeSides(); // of the round before in these networks
    // Which side starts first alternates from round to round.
    const inTurn = round % 2 === 1 ? plan.sides : plan.sides.toReversed();
    const order = plan.config.deployed ? [] : inTurn; // what is deployed already is not started
    const starting = order.map(async (side, position) => {
      await sleep(position * 100);
      const project = roundProject(plan, side.name, round);
      const folders = await startTelemetry(plan, side.name, round, ctx);
      if (folders) telemetry.push(folders);
      const document = sideDocument(stack.built.services.get(side.name)!, plan, side.name, round);
      const settled = new AbortController();
      const signal = AbortSignal.any([stack.signal, settled.signal]);
      const late = endLate(side, project, document, plan, signal, ctx).catch(() => null); // Compose ends at its own limit
      await up(
        await writeProject(plan, project, document),
        `com.docker.compose.project=${project}`,
        stack.signal,
        plan.config.readyTimeoutS,
        ctx,
        { expected: containersOf(document), beforeRemoval: keepLogs },
      )
        .then(() => allHealthy(project, ctx))
        .catch(async (error) => {
          settled.abort();
          return explainSide((await late) ?? error, side, project, plan.config.readyTimeoutS, ctx, stack.signal);
        })
        .finally(() => settled.abort());
    });
    await settleAll([...starting, stack.ready.then(() => {})], (failures) => blameFor(failures, plan.sides, round));
    const since = events.length;
    const containers = await sideContainers(plan, round, ctx);
    const balancers = await balancersOf(plan, containers, round, stack.signal, ctx);
    const targets = scrapeTargets(plan, containers, round);
    const triggers = plan.config.broker ? targetsOf(TRIGGERS, plan, containers, round) : [];
    const all = [...targets, ...triggers];
    await writeWhole(targetsFile, JSON.stringify(targets));
    replicas = controlReplicas(
      {
        containers,
        balancers,
        of: (side) => ({
          document: sideDocument(stack.built.services.get(side)!, stack.built.plan, side, round),
          commit: stack.built.plan.sides.find(({ name }) => name === side)!.commit,
          network: sideNetwork(plan, side, round),
        }),
        readyTimeoutS: plan.config.readyTimeoutS,
        async follow(there) {
          const now = scrapeTargets(plan, there, round);
          await writeWhole(targetsFile, JSON.stringify(now));
          // who is gone is missed by nobody; who is new was not there from the start
          const addresses = new Set([...now, ...triggers].flatMap((one) => one.targets));
          all.splice(0, all.length, ...all.filter((one) => one.targets.every((address) => addresses.has(address))));
        },
        signal: stack.signal,
      },
      ctx,
    );
    const { touched } = replicas;
    if (triggers.length > 0) await writeWhole(triggersFile, JSON.stringify(triggers));
    return {
      plan,
      round,
      containers,
      telemetry,
      targets: all,
      replicas,
      touched,
      tenants: (side) => balancers.get(side)?.slots.tenants ?? null,
      incidents: (side) =>
        events
          .slice(since)
          .filter((event) => event.action === 'oom' || !touched.has(event.id))
          .filter((event) => event.labels[LABEL.side] === side && event.labels[LABEL.round] === String(round))
          .filter((event) => !waitsFor(event)) // it has ended before all was up, and may be heard of later
          .map((event) => ({
            service: event.labels['com.docker.compose.service'] ?? '',
            action: event.action,
            exitCode: event.exitCode,
          })),
      keepLogs,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose().catch((cleanup) => Promise.reject(new SuppressedError(cleanup, error)));
    throw error;
  }
}

/** Compose has been seen to end its wait at the limit as if all were well: the engine has the last word. */
async function allHealthy(project: string, ctx: Context): Promise<void> {
  const states = await Promise.all(
    (await ctx.engine.containers(`com.docker.compose.project=${project}`)).map(({ id }) => ctx.engine.inspect(id)),
  );
  const unwell = states.filter((state) => !isWell(state));
  if (unwell.length > 0)
    throw new ComposeError(
      'up',
      project,
      unwell.map(({ name, health }) => `${name} is ${health ?? 'not running'}`).join(', '),
    );
}

/**
 * At the limit Compose starts what waits for a one-shot service as if that had ended well. So one that has not ended by
 * then is ended, with which Compose gives up. Gives what is to be said of it; null where all have ended, or at the end
 * of the signal.
 */
async function endLate(
  side: Plan['sides'][number],
  project: string,
  { services }: ComposeDocument,
  { config: { readyTimeoutS } }: Plan,
  signal: AbortSignal,
  ctx: Context,
): Promise<StartFailure | null> {
  if (!Object.values(services).some(waitsFor)) return null;
  const isOver = await sleep(readyTimeoutS * 1000, true, { signal }).catch(() => false);
  if (!isOver) return null;
  const unwell = await findUnwell(`com.docker.compose.project=${project}`, ctx);
  const late = unwell.map(({ state }) => state).filter((state) => waitsFor(state) && state.status !== 'exited');
  if (late.length === 0) return null;
  const failure = startFailure(side, unwell, '', readyTimeoutS);
  // Killed, and not removed: --keep leaves it to be looked at. One that has not even begun cannot be killed.
  await Promise.all(late.map(({ id, running }) => (running ? ctx.engine.kill(id, 'SIGKILL') : ctx.engine.remove(id))));
  return failure;
}

/**
 * Waits for all, then fails with the first failure that is of no side alone, or with what is to be said of the sides
 * that did not start: nothing may still be starting when the clean-up begins.
 */
async function settleAll(work: Promise<void>[], blame: (failures: StartFailure[]) => Error): Promise<void> {
  const failed = (await Promise.allSettled(work)).flatMap((result) =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  if (failed.length === 0) return;
  throw failed.find((error) => !(error instanceof StartFailure)) ?? blame(failed);
}

/** The containers that are measured: a one-shot service has ended. */
async function sideContainers(plan: Plan, round: number, ctx: Context): Promise<SideContainer[]> {
  const list = (await ctx.engine.containers(`${LABEL.run}=${plan.runId}`, `${LABEL.round}=${round}`)).filter(
    (c) => c.labels[LABEL.side] && c.labels['com.docker.compose.service'] && !waitsFor(c),
  );
  return Promise.all(
    list.map(async (container) => {
      const state = await ctx.engine.inspect(container.id);
      return {
        ...state,
        side: container.labels[LABEL.side] as SideName,
        service: container.labels['com.docker.compose.service']!,
        replica: Number(container.labels['com.docker.compose.container-number'] ?? 1),
        counted: await findCounters(state.id, state.pid),
      };
    }),
  );
}

/** The balancer of each side that has one, once it sends requests to every replica. */
async function balancersOf(
  plan: Plan,
  containers: readonly SideContainer[],
  round: number,
  signal: AbortSignal,
  ctx: Context,
): Promise<Map<SideName, { service: string; slots: Slots }>> {
  const found = new Map<SideName, { service: string; slots: Slots }>();
  const balanced = plan.sides.filter(({ deployment }) => deployment.balancer !== null);
  const checks = balanced.map(async (side) => {
    const { service, port, health } = side.deployment.balancer!;
    const own = containers.filter((one) => one.side === side.name);
    const first = own.filter((one) => one.service === service).sort((a, b) => a.replica - b.replica);
    const names = slotNames(side.deployment, first.length);
    const { id } = own.find((one) => one.service === BALANCER)!;
    const slots = controlSlots({ container: id, names, first: first.map((one) => one.id), port }, { ...ctx, signal });
    const states = await slots.settled(AT_BALANCER_S);
    const unwell = first.flatMap(({ replica }, i) => {
      const { status, check } = states.get(names[i]!) ?? { status: 'unknown', check: '' };
      return status === 'UP' && check === 'L7OK' ? [] : [{ name: `${service}-${replica}`, found: check || status }];
    });
    if (unwell.length > 0) throw balancerFailure(side, { port, health }, unwell, basename(plan.config.file));
    found.set(side.name, { service, slots });
  });
  await settleAll(checks, (failures) => blameFor(failures, plan.sides, round));
  return found;
}

/** One target for each replica, in the form of Prometheus' file_sd, and one for each balancer. */
export const scrapeTargets = (plan: Plan, containers: readonly SideContainer[], round: number): WantedTarget[] =>
  [
    ...plan.config.scrape,
    ...(plan.sides.some(({ deployment }) => deployment.balancer !== null) ? [BALANCERS] : []),
  ].flatMap((target) => targetsOf(target, plan, containers, round));

const BALANCERS: ScrapeTarget = { service: BALANCER, port: BALANCER_METRICS_PORT, path: '/metrics' };

/** The trigger service beside the services of a benchmark with a broker. */
const TRIGGERS: ScrapeTarget = { service: TRIGGER, port: METRICS_PORT, path: '/metrics' };

const targetsOf = (
  { service, port, path }: ScrapeTarget,
  plan: Plan,
  containers: readonly SideContainer[],
  round: number,
): WantedTarget[] =>
  containers
    .filter((container) => container.service === service)
    .map((container) => ({
      targets: [`${container.name}:${port}`],
      labels: {
        __metrics_path__: path,
        side: container.side,
        round: String(round),
        commit: container.labels?.[LABEL.commit] ?? plan.sides.find((side) => side.name === container.side)!.commit,
        service,
        instance: `${service}-${container.replica}`,
      },
    }));

/**
 * Waits until Prometheus has scraped every target of the round, and the exporter: what it has not seen cannot be in the
 * window. What does not pass by itself is said at once.
 */
export async function scraped({ plan, round, targets, incidents }: Sides, stack: Stack, ctx: Context): Promise<void> {
  const { prometheus } = await stack.ready;
  const began = performance.now();
  for (;;) {
    const seen = await prometheus.targets();
    const missing = unreached(targets, seen);
    const exporter = seen.find(({ job }) => job === 'containers');
    if (missing.length === 0 && exporter?.up) return;
    const waitedMs = performance.now() - began;
    const isLost = (one: Unreached) => isFinal(one) || incidents(one.side).length > 0;
    if (waitedMs > SCRAPE_TIMEOUT_S * 1000 || (waitedMs > TRIED_MS && missing.length > 0 && missing.every(isLost))) {
      if (missing.length === 0)
        throw new InfrastructureError(
          `Prometheus cannot scrape the exporter (${exporter?.error || 'it has no answer yet'})`,
          { hint: 'Run the benchmark again; with --keep the stack stays up to look at.' },
        );
      const failures = plan.sides
        .filter(({ name }) => missing.some(({ side }) => side === name))
        .map(async (side) =>
          scrapeFailure(
            side,
            missing.filter((one) => one.side === side.name),
            await findUnwell(`com.docker.compose.project=${roundProject(plan, side.name, round)}`, ctx),
            basename(plan.config.file),
          ),
        );
      throw blameFor(await Promise.all(failures), plan.sides, round);
    }
    await sleep(100, undefined, { signal: stack.signal }).catch(() => stack.signal.throwIfAborted());
  }
}

/** Turns Compose's failure into what is wrong with the containers of a side. */
async function explainSide(
  error: unknown,
  side: Plan['sides'][number],
  project: string,
  timeoutS: number,
  ctx: Context,
  signal: AbortSignal,
): Promise<never> {
  if (signal.aborted || !(error instanceof ComposeError)) throw error;
  throw startFailure(side, await findUnwell(`com.docker.compose.project=${project}`, ctx), error.output, timeoutS);
}

/** The same of the run stack itself. */
async function explain(error: unknown, project: string, ctx: Context, signal: AbortSignal): Promise<never> {
  if (signal.aborted || !(error instanceof ComposeError)) throw error;
  const unwell = await describeUnwell(`com.docker.compose.project=${project}`, ctx);
  const said = unwell ? `\n${unwell}` : `: ${error.output.trim()}`;
  throw new InfrastructureError(`the run stack did not become healthy in ${STACK_TIMEOUT_S} s${said}`, {
    hint: 'Run the benchmark again; `docker ps` and the log of the Docker engine say more.',
    cause: error,
  });
}
