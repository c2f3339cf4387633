/** Our own load generator (loadgen/) in a round: its container, its events, its result. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { endsWithUsers, type LoadPlan, PLAN_VARIABLE } from '../../../loadgen/plan.ts';
import { type LoadEvent, type LoadResultDocument, REQUESTS_FILE, RESULT_FOLDER } from '../../../loadgen/result.ts';
import { VERSION } from '../../../loadgen/version.ts';
import type { Context } from '../../app/context.ts';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import type { ProgressStep } from '../../core/progress.ts';
import { type ContainerSpec, ONE_ADDRESS_A_NETWORK } from '../../engine/engine.ts';
import { LABEL, networkAlias, sideNetwork, sideTarget } from '../../engine/names.ts';
import { thisUser } from '../../engine/owner.ts';
import { generatorMemory } from '../../plan/memory.ts';
import type { Plan } from '../../plan/plan.ts';
import { requestsFile } from '../../requests/view.ts';
import { findCounters, threadsOf } from '../../stack/counters.ts';
import { writeWhole } from '../../stack/run-folder.ts';
import { type Sides, type Stack, scraped } from '../../stack/run-stack.ts';
import { resultFault } from './check-result.ts';
import { readEdge, steadyAt, thisMoment } from './edges.ts';
import { type Gate, gateOf, mustAnswer, startGate } from './gate.ts';
import type { DuringLoad, Generator, LoadResult, PreparedLoad } from './generator.ts';
import { EventStream } from './load-events.ts';
import { lastLines, runCounters, until, watchLive } from './watch.ts';

/**
 * Quiet time between warm-up and window, and after the window: CPU counters are read in its middle, so that no edge
 * needs exact timing.
 */
export const GAP_S = 0.5;
/** Seconds of warming beside the services that start: by then Node.js has compiled what sends. */
export const WARM_S = 0.8;
/** Seconds that the generator has to be ready, and to end, on top of the load. */
export const SLACK_S = 60;
/** Requests of a round that are kept one by one. */
export const KEEP_ROWS = 2_000_000;
/** Above it a file of requests is not taken: the generator runs code of the benchmark's author. */
export const MAX_REQUESTS_FILE = 256 * 1024 ** 2;
/** What a try may write, which is memory. */
export const SCRATCH_BYTES = 64 * 1024 ** 2;
/**
 * A warm-up so long leaves time for Prometheus' first scrapes, and for the next round's generator to start and get
 * warm; with a shorter one both wait.
 */
const LONG_WARMUP_S = 2.5;
const METRICS_PORT = 9464;
/** Above those of the services, where the harness may say so: a late start is no property of the service. */
const PRIORITY = -15;

/** The order of sides and requests differs from round to round and from run to run, and can be told again from both. */
export const seedOf = (runId: string, round: number) =>
  createHash('sha256').update(`${runId} ${round}`).digest().readUInt32BE(0);

export const ownGenerator = (): Generator => ({ name: `mayfly ${VERSION}`, identify, prepare });

/** What the generator is told in a round. Paths in it are as its container sees them. */
export function loadPlan(plan: Plan, round: number): LoadPlan {
  const { load, dir } = plan.config;
  if (load.generator.kind !== 'mayfly') throw new TypeError('the load is made by another generator');
  const { model } = load;
  const gate = gateOf(plan, round);
  return {
    schema: 'mayfly.load-plan/v1',
    script: load.generator.script === null ? null : relative(dir, load.generator.script),
    target: load.target,
    sides: plan.sides.map(({ name, commit }) => ({
      name,
      url: gate ? load.target : sideTarget(load.target, name),
      commit,
    })),
    ...(gate ? { via: gate.via } : {}),
    model: model.kind === 'open' && model.arrivals === 'file' ? { ...model, file: relative(dir, model.file) } : model,
    warmupS: load.warmupS,
    gapS: GAP_S,
    maxInFlight: load.maxInFlight,
    timeoutS: load.timeoutS,
    workers: load.workers,
    seed: seedOf(plan.runId, round),
    round,
    keepRows: KEEP_ROWS,
    metrics: `${networkAlias(round)}:${METRICS_PORT}`,
    waitForGo: true,
    labels: { run_id: plan.runId, benchmark: plan.config.benchmark },
    warmS: WARM_S,
  };
}

/** One container for all sides of the round: it sends each iteration to its side. */
export function ownContainer(plan: Plan, round: number, image: string, paths: { root: string }): ContainerSpec {
  const common = contained(containedBy(plan), image, paths);
  const gate = gateOf(plan, round);
  return {
    ...common,
    binds: [...common.binds, ...(gate?.binds ?? [])],
    name: `${plan.project}-load-${round}`,
    cmd: [...COMMAND, 'run'],
    env: { [PLAN_VARIABLE]: JSON.stringify(loadPlan(plan, round)) },
    labels: { ...plan.labels, [LABEL.service]: 'loadgen', [LABEL.round]: String(round) },
    networks: [
      { name: plan.networks.load, aliases: [networkAlias(round)] },
      ...(gate ? [] : plan.sides.map((side) => sideNetwork(plan, side.name, round))),
    ],
    // nobody: the engine answers for its networks, and would ask outside for the rest, from the host
    dns: ['127.0.0.1'],
    sysctls: ONE_ADDRESS_A_NETWORK,
    cpuset: plan.cpusets.loadgen,
  };
}

/**
 * How Node.js compiles: without Maglev, and with its last compiler soon. With V8's own thresholds most of that work
 * falls into the window, on the thread that sends: docs/decisions/0018 has the figures.
 */
const COMPILERS = [
  '--no-maglev',
  '--invocation-count-for-turbofan=500',
  '--minimum-invocations-after-ic-update=100',
  '--wasm-tiering-budget=500000',
];

export const COMMAND = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=4',
  ...COMPILERS,
  '/mayfly/loadgen/main.ts',
];

interface Contained {
  /** The benchmark's folder. */
  dir: string;
  workers: number;
  host: Pick<Plan['host'], 'cores' | 'memory_bytes'>;
}

const containedBy = ({ config, host }: Plan): Contained => ({ dir: config.dir, workers: config.load.workers, host });

/**
 * What is the same for a round and for a try: nothing of the host but the generator and the benchmark's folder, to
 * read; nothing of the harness' environment.
 */
export function contained(
  { dir, workers, host }: Contained,
  image: string,
  paths: { root: string },
): Omit<ContainerSpec, 'name' | 'cmd' | 'labels' | 'networks'> & { binds: string[] } {
  return {
    image,
    entrypoint: ['node'],
    user: thisUser(), // who may read the benchmark's folder
    binds: [
      `${join(paths.root, 'loadgen')}:/mayfly/loadgen:ro`,
      `${join(paths.root, 'node_modules')}:/mayfly/node_modules:ro`,
      `${join(paths.root, 'package.json')}:/mayfly/package.json:ro`,
      `${dir}:/benchmark:ro`,
    ],
    cpus: Math.min(workers + 1, host.cores),
    pidsLimit: 64 + 32 * workers,
    memoryBytes: generatorMemory(workers, host),
  };
}

/**
 * Loads the script and tries it, in a container without a network; gives the hash of what it is made of. Nothing is
 * started where the same files were tried before. Throws UsageError with the place in the script.
 */
async function identify(plan: Plan, ctx: Context): Promise<string> {
  const { dir, deployed } = plan.config;
  if (deployed) await mustAnswer(deployed.url, ctx.signal);
  const { script, model } = loadPlan(plan, 0);
  const entries = [script, model.kind === 'open' && model.arrivals === 'file' ? model.file : null].filter(
    (file) => file !== null,
  );
  const contents = await Promise.all(entries.map(async (file) => [file, hash(await readFile(join(dir, file)))]));
  // By what it holds, not by where it lies: a copy of a benchmark needs no try of its own.
  const known = join(
    ctx.paths.cache,
    'load-scripts',
    `${hash(JSON.stringify([plan.stackVersion, contents])).slice(0, 16)}.json`,
  );
  const before = await readFile(known, 'utf8')
    .then((text) => JSON.parse(text) as Record<string, string>)
    .catch(() => null);
  const files = before && (await unchanged(before, dir)) ? before : await tried(plan, ctx);
  if (files !== before) {
    if ((script !== null && !Object.hasOwn(files, script)) || !(await unchanged(files, dir)))
      throw new UsageError(`${dir}: the load script's files have changed while it was tried`, {
        hint: 'Run the command again.',
      });
    await mkdir(dirname(known), { recursive: true });
    await writeWhole(known, JSON.stringify(files));
  }
  return hash(JSON.stringify(files)).slice(0, 16);
}

/**
 * Whether the folder holds these files with this content. What they are called comes from the script: no file outside
 * of the folder is read, and nothing that is no file.
 */
async function unchanged(files: Record<string, string>, dir: string): Promise<boolean> {
  const folder = await realpath(dir);
  const contentOf = async (file: string) => {
    const path = await realpath(join(dir, file));
    if (!path.startsWith(`${folder}/`) || !(await stat(path)).isFile()) return null;
    const content = createHash('sha256');
    await pipeline(createReadStream(path), content);
    return content.digest('hex');
  };
  const now = await Promise.all(Object.keys(files).map((file) => contentOf(file).catch(() => null)));
  return Object.values(files).every((before, i) => before === now[i]);
}

const hash = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

async function tried(plan: Plan, ctx: Context): Promise<Record<string, string>> {
  const { config } = plan;
  const step = ctx.progress.step('try the load script');
  const following = new AbortController();
  const id = await ctx.engine.create({
    ...contained(containedBy(plan), ctx.machine.images.node!.ref, ctx.paths),
    name: `${plan.project}-load-check`,
    cmd: [...COMMAND, 'check'],
    env: { [PLAN_VARIABLE]: JSON.stringify({ ...loadPlan(plan, 0), metrics: null }) },
    labels: { ...plan.labels, [LABEL.service]: 'loadgen' },
    networks: ['none'],
    scratchBytes: SCRATCH_BYTES,
  });
  try {
    await ctx.engine.start(id);
    const overdue = AbortSignal.timeout(SLACK_S * 1000);
    const events = new EventStream();
    void ctx.engine
      .follow(id, 'stdout', (text) => events.add(text), following.signal)
      .then(
        () => events.end(),
        (error) => events.end(error),
      );
    // What it says, not its end: Node.js 24 may wait for ever when it exits (nodejs/node#64274).
    const checked = await events.wait('checked', AbortSignal.any([ctx.signal, overdue])).catch((error) => {
      ctx.signal.throwIfAborted();
      if (!overdue.aborted) throw error;
      throw new UsageError(`${config.file}: the load script was not loaded in ${SLACK_S} s`, {
        hint: 'Does it wait for something when it is loaded? It has no network then.',
      });
    });
    if (checked?.event === 'fault') throw scriptFault(checked, config.dir);
    if (!checked)
      throw scriptFault(
        {
          message: `the load script could not be loaded: ${lastLines((await ctx.engine.logs(id, 20)).stderr) || 'the load generator ended without a word'}`,
        },
        config.dir,
      );
    step.done();
    return checked.files;
  } catch (error) {
    step.fail();
    throw error;
  } finally {
    following.abort();
    await ctx.engine.remove(id);
  }
}

/** What is wrong with a script, with the benchmark's folder before the place in it. */
export function scriptFault(
  { message, hint }: { message: string; hint?: string | undefined },
  dir: string,
): UsageError {
  const folder = relative(process.cwd(), dir) || '.';
  return new UsageError(/^[^\s:]+:\d+ /.test(message) ? `${folder}/${message}` : `${folder}: ${message}`, {
    hint: hint ?? 'docs/loadgen.md says how a load script is written.',
  });
}

async function prepare(round: number, plan: Plan, stack: Stack, ctx: Context): Promise<PreparedLoad> {
  const spec = ownContainer(plan, round, ctx.machine.images.node!.ref, ctx.paths);
  const targets = join(plan.dir, 'targets', 'load', `${round}.json`);
  const gate = plan.config.deployed ? await startGate(plan, round, stack.signal, ctx) : null;
  const id = await ctx.engine.create(spec).catch(async (error) => {
    await gate?.[Symbol.asyncDispose]();
    throw error;
  });
  const following = new AbortController();
  const dispose = async () => {
    following.abort();
    await rm(targets, { force: true });
    await ctx.engine.remove(id);
    await gate?.[Symbol.asyncDispose]();
  };
  try {
    await ctx.engine.start(id);
    const events = new EventStream();
    void ctx.engine
      .follow(id, 'stdout', (text) => events.add(text), following.signal)
      .then(
        () => events.end(),
        (error) => events.end(error),
      );
    let ready = false;
    events.wait('ready', stack.signal).then(
      (event) => (ready = event?.event === 'ready'),
      () => {},
    );
    const { pid } = await ctx.engine.inspect(id);
    for (const one of gate ? [pid, gate.pid] : [pid]) for (const thread of await threadsOf(one)) raise(thread);
    return {
      hold: async () => {
        if (ready) await ctx.engine.kill(id, 'SIGSTOP');
        return ready;
      },
      release: () => ctx.engine.kill(id, 'SIGCONT'),
      drive: async (sides, step, during) => {
        // Not before: it stands still meanwhile, and is no target.
        await writeFile(
          targets,
          JSON.stringify([
            {
              targets: [`${networkAlias(round)}:${METRICS_PORT}`],
              labels: { round: String(round), service: 'loadgen', instance: 'loadgen' },
            },
          ]),
        );
        return drive({ id, pid, events, gate }, sides, stack, step, during, ctx);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function raise(thread: number): void {
  try {
    setPriority(thread, PRIORITY);
  } catch {
    // not every user may: then it runs as the services do
  }
}

interface Running {
  id: string;
  pid: number;
  events: EventStream;
  /** Of a service that is deployed already. */
  gate: Gate | null;
}

async function drive(
  { id, pid, events, gate }: Running,
  sides: Sides,
  stack: Stack,
  step: ProgressStep,
  during: DuringLoad,
  ctx: Context,
): Promise<LoadResult> {
  const { plan, round } = sides;
  const { load } = plan.config;
  const overdue = new AbortController();
  const longest = load.warmupS + load.durationS + load.timeoutS + SLACK_S;
  const late = setTimeout(
    () =>
      overdue.abort(
        new InfrastructureError(
          `the load generator did not end ${load.timeoutS + SLACK_S} s after its load should have`,
          { hint: 'Is the host overloaded? Try a lower rate.' },
        ),
      ),
    longest * 1000,
  );
  const signal = AbortSignal.any([stack.signal, overdue.signal]);
  const following = new AbortController();
  try {
    const seen = scraped(sides, stack, ctx);
    seen.catch(() => {}); // awaited below
    await expected(events.wait('ready', signal), id, ctx);
    for (const thread of await threadsOf(pid)) raise(thread); // those that it has started since
    const long = load.warmupS >= LONG_WARMUP_S;
    if (!long) await seen;
    await ctx.engine.kill(id, 'SIGUSR2');
    if (long) during.warmUp();
    const window = await expected(events.wait('window', signal), id, ctx);
    const go = thisMoment();
    const at = (ms: number) => steadyAt(go, ms);
    await seen;

    const live = watchLive(stack, sides, step, window, following.signal, ctx);
    const own = [await findCounters(id, pid), gate?.counted].filter((one) => !!one);
    // Anew at each edge: replicas come and go within the window.
    const edge = async () => readEdge([...(await runCounters(stack, sides)), ...own]);
    await until(at(window.startMs - GAP_S * 1000), signal);
    await during.window();
    during.measuring(window);
    await until(at(window.startMs - (GAP_S * 1000) / 2), signal);
    const before = await edge();
    const ended = endsWithUsers(load.model) ? await expected(events.wait('ended', signal), id, ctx) : null;
    const endMs = ended?.endMs ?? window.endMs;
    await until(at(endMs + (GAP_S * 1000) / 2), signal);
    const after = await edge();
    during.measured();
    const { result } = await expected(events.wait('result', signal), id, ctx);
    const wrong = resultFault(
      result,
      plan.sides.map(({ name }) => name),
    );
    if (wrong) throw new GeneratorFault(wrong, 'generator', undefined, false);
    following.abort();
    await live;
    await takeRequests(id, round, plan, ctx);
    return {
      startMs: window.startMs,
      endMs,
      go,
      endSteadyMs: at(endMs),
      before,
      after,
      result: { ...result, window: { startMs: window.startMs, endMs } } satisfies LoadResultDocument,
      failure: null,
    };
  } catch (error) {
    if (!(error instanceof GeneratorFault)) throw error;
    if (error.beforeLoad) throw error.asError();
    const now = await readEdge([]);
    return {
      startMs: now.atMs,
      endMs: now.atMs + 1,
      go: now,
      endSteadyMs: now.steadyMs,
      before: now,
      after: now,
      result: null,
      failure: error.message,
    };
  } finally {
    clearTimeout(late);
    following.abort();
  }
}

/** The generator has said that it cannot go on, or has ended. */
export class GeneratorFault extends Error {
  readonly kind: 'usage' | 'generator';
  readonly hint: string | undefined;
  readonly beforeLoad: boolean;
  constructor(message: string, kind: 'usage' | 'generator', hint: string | undefined, beforeLoad: boolean) {
    super(message);
    this.kind = kind;
    this.hint = hint;
    this.beforeLoad = beforeLoad;
  }
  asError(): UsageError | InfrastructureError {
    const { message } = this;
    return this.kind === 'usage'
      ? new UsageError(`the load script is at fault: ${message}`, {
          hint: this.hint ?? 'docs/loadgen.md says how a load script is written.',
        })
      : new InfrastructureError(message, { hint: this.hint ?? 'Run the benchmark again.' });
  }
}

/** The event, unless the generator ends before it. */
export async function expected<E extends LoadEvent>(
  event: Promise<E | null>,
  id: string,
  ctx: Context,
): Promise<Exclude<E, { event: 'fault' }>> {
  const found = await event;
  if (found && found.event !== 'fault') return found as Exclude<E, { event: 'fault' }>;
  if (found?.event === 'fault') throw new GeneratorFault(found.message, found.kind, found.hint, found.kind === 'usage');
  const { exitCode, oomKilled } = await ctx.engine.inspect(id);
  const { stderr } = await ctx.engine.logs(id, 20);
  throw new GeneratorFault(
    `the load generator ended with exit code ${exitCode}${oomKilled ? ', out of memory' : ''}${stderr.trim() ? `: ${lastLines(stderr)}` : ''}`,
    'generator',
    undefined,
    false,
  );
}

/**
 * The single requests, from the container's own layer: what it writes there counts as its own, and is bounded as such.
 */
async function takeRequests(id: string, round: number, plan: Plan, ctx: Context): Promise<void> {
  const file = requestsFile(plan.dir, round);
  await mkdir(dirname(file), { recursive: true });
  await ctx.engine.copyFile(id, `${RESULT_FOLDER}/${REQUESTS_FILE}`, file, MAX_REQUESTS_FILE).catch((error) => {
    ctx.signal.throwIfAborted();
    ctx.progress.warn(`the single requests of round ${round} are not kept: ${(error as Error).message}`);
  });
}
