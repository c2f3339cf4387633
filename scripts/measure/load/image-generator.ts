/**
 * Any other load generator, as an image: one container for each side, first for the warm-up, then for the window. It
 * tells what it did by its metrics, or the service does.
 */
import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadResultDocument, SideResult } from '../../../loadgen/result.ts';
import type { Context } from '../../app/context.ts';
import type { ImageLoad } from '../../config/types.ts';
import { InfrastructureError } from '../../core/errors.ts';
import type { ProgressStep } from '../../core/progress.ts';
import type { SideName } from '../../documents/run.ts';
import type { ContainerSpec } from '../../engine/engine.ts';
import { fillPromql, LABEL, sideNetwork } from '../../engine/names.ts';
import type { Plan } from '../../plan/plan.ts';
import { obtain } from '../../stack/build.ts';
import { type ContainerCpu, findCounters, readCounters } from '../../stack/counters.ts';
import { type Sides, type Stack, scraped } from '../../stack/run-stack.ts';
import { readEdge, steadyAt } from './edges.ts';
import type { DuringLoad, Generator, LoadResult } from './generator.ts';
import { lastLines, runCounters, until } from './watch.ts';

/** Quiet time around the window of a generator whose requests Prometheus counts: more than one scrape interval. */
const QUIET_S = 2;
/** Seconds that it has to start, flush and end, on top of the load. */
const SLACK_S = 60;

export const imageGenerator = (image: string): Generator => ({
  name: image,
  identify: async (plan, ctx) => {
    const { id } = await obtain('generator', image, ctx);
    return createHash('sha256')
      .update(JSON.stringify([id, imageLoad(plan).command]))
      .digest('hex')
      .slice(0, 16);
  },
  prepare: async (_round, _plan, stack, ctx) => ({
    hold: async () => true, // there is nothing yet
    release: async () => {},
    drive: (sides, step, during) => drive(stack, sides, step, during, ctx),
    [Symbol.asyncDispose]: async () => {},
  }),
});

function imageLoad(plan: Plan): ImageLoad {
  const { generator } = plan.config.load;
  if (generator.kind !== 'image') throw new TypeError('the load is made by our own generator');
  return generator;
}

/** Name of a generator's container, which is also its name for Prometheus. */
export const generatorName = (plan: Plan, side: SideName, round: number, phase: 'warmup' | 'measure') =>
  `${plan.project}-load-${side}-${round}-${phase}`;

/**
 * It gets RATE (requests per second), DURATION (seconds with the unit, 20s), TARGET (URL), and more
 * (docs/benchmark.md).
 */
export function generatorContainer(
  plan: Plan,
  side: SideName,
  round: number,
  phase: 'warmup' | 'measure',
): ContainerSpec {
  const { load } = plan.config;
  const { image, command } = imageLoad(plan);
  const seconds = phase === 'warmup' ? load.warmupS : load.durationS;
  const env = {
    RATE: String(load.rate),
    DURATION: `${seconds}s`,
    // It is in the networks of its side and of no other: there the service has the name that the benchmark gives it.
    TARGET: load.target.replace(/\/$/, ''),
    MAX_IN_FLIGHT: String(load.maxInFlight),
    VUS: String(load.maxInFlight),
    SIDE: side,
    ROUND: String(round),
    PHASE: phase,
    REMOTE_WRITE_URL: 'http://prometheus.control:9090/api/v1/write',
  };
  return {
    name: generatorName(plan, side, round, phase),
    image,
    cmd: command.map((word) =>
      word.replace(/\$\{(\w+)\}/g, (whole, name: string) => (env as Record<string, string>)[name] ?? whole),
    ),
    env,
    labels: { ...plan.labels, [LABEL.service]: 'loadgen', [LABEL.round]: String(round) },
    binds: [`${plan.config.dir}:/benchmark:ro`],
    networks: [plan.networks.control, sideNetwork(plan, side, round)],
    cpuset: plan.cpusets.loadgen,
    memoryBytes: Math.floor(plan.host.memory_bytes / 2),
  };
}

async function drive(
  stack: Stack,
  sides: Sides,
  step: ProgressStep,
  { window: comes, measuring, measured }: DuringLoad,
  ctx: Context,
): Promise<LoadResult> {
  const { load } = sides.plan.config;
  await scraped(sides, stack, ctx);
  if (load.warmupS > 0) {
    step.update('warm-up', 0);
    const { failure } = await runGenerators(stack, sides, 'warmup', ctx);
    if (failure)
      throw new InfrastructureError(`the load generator failed in the warm-up: ${failure}`, {
        hint: 'Check load/image and load/command in benchmark.yaml.',
      });
  }
  await quiet(stack);
  await comes();
  const before = await readEdge(await runCounters(stack, sides));
  const fromMs = ctx.now() - (QUIET_S - 0.5) * 1000;
  step.update('measuring', load.warmupS / (load.warmupS + load.durationS));
  measuring({ startMs: ctx.now(), endMs: ctx.now() + load.durationS * 1000 });
  const { startMs, failure, cpu } = await runGenerators(stack, sides, 'measure', ctx);
  const loadEndMs = Math.max(startMs + load.durationS * 1000, ctx.now());
  await until(steadyAt(before, loadEndMs), stack.signal);
  const after = await readEdge(await runCounters(stack, sides)); // replicas come and go within the window
  for (const [id, counted] of cpu) {
    before.containers.set(id, { cpuSeconds: 0, cfsPeriods: 0, cfsThrottledPeriods: 0 });
    after.containers.set(id, counted);
  }
  await quiet(stack);
  measured();
  const window = { startMs, endMs: startMs + load.durationS * 1000 };
  // A span with quiet at both ends, two scrapes long, around the window: in it counters of requests are exact.
  const result = await counted(sides, window, { fromMs, toMs: loadEndMs + (QUIET_S - 0.5) * 1000 }, stack);
  return { ...window, go: before, endSteadyMs: steadyAt(before, window.endMs), before, after, result, failure };
}

const quiet = (stack: Stack) =>
  sleep(QUIET_S * 1000, undefined, { signal: stack.signal }).catch(() => stack.signal.throwIfAborted());

/** What Prometheus has counted, as a result: without times, which nobody has measured one by one. */
async function counted(
  { plan, round }: Sides,
  window: { startMs: number; endMs: number },
  span: { fromMs: number; toMs: number },
  stack: Stack,
): Promise<LoadResultDocument> {
  const { prometheus } = await stack.ready;
  const { image, requests, failed, dropped } = imageLoad(plan);
  const { rate, durationS } = plan.config.load;
  const one = async (promql: string | undefined, side: SideName) =>
    promql === undefined
      ? 0
      : ((await prometheus.value(fillPromql(promql, side, round, (span.toMs - span.fromMs) / 1000), span.toMs)) ?? 0);
  const sides = await Promise.all(
    plan.sides.map(async ({ name }): Promise<SideResult> => {
      const [made, bad, lost] = await Promise.all([one(requests, name), one(failed, name), one(dropped, name)]);
      return {
        side: name,
        due: Math.round(rate * durationS),
        iterations: made,
        dropped: { warmup: 0, measure: Math.round(lost) },
        requests: made,
        failed: bad,
        bytesReceived: 0,
        latency: null,
        response: null,
        startLag: null,
        names: [],
        journeys: [],
        failures: [],
      };
    }),
  );
  return {
    schema: 'mayfly.load/v1',
    generator: image,
    model: 'open',
    round,
    seed: 0,
    window,
    sides,
    kept: { rows: 0, of: 0 },
  };
}

interface GeneratorsEnded {
  /** When the last of them had been started. */
  startMs: number;
  failure: string | null;
  /** Last CPU counters of each container. */
  cpu: Map<string, ContainerCpu>;
}

async function runGenerators(
  stack: Stack,
  sides: Sides,
  phase: 'warmup' | 'measure',
  ctx: Context,
): Promise<GeneratorsEnded> {
  const { plan } = sides;
  const { load } = plan.config;
  const ids: string[] = [];
  const cpu = new Map<string, ContainerCpu>();
  const targets = join(plan.dir, 'targets', 'load', `${sides.round}-${phase}.json`);
  const overdue = AbortSignal.timeout(((phase === 'warmup' ? load.warmupS : load.durationS) + SLACK_S) * 1000);
  const watching = new AbortController();
  try {
    for (const side of plan.sides)
      ids.push(await ctx.engine.create(generatorContainer(plan, side.name, sides.round, phase)));
    if (phase === 'measure') await writeFile(targets, JSON.stringify(generatorTargets(plan, sides.round)));
    await Promise.all(ids.map((id) => ctx.engine.start(id)));
    const startMs = ctx.now();
    const counting = Promise.all(ids.map((id) => followCpu(id, cpu, watching.signal, ctx)));
    const codes = await Promise.all(
      ids.map((id) => ctx.engine.wait(id, AbortSignal.any([stack.signal, overdue]))),
    ).catch((error) => {
      stack.signal.throwIfAborted();
      if (!overdue.aborted) throw error;
      return null;
    });
    watching.abort();
    await counting;
    if (codes === null) return { startMs, cpu, failure: `it did not end ${SLACK_S} s after its load should have` };
    const bad = codes.findIndex((code) => code !== 0);
    const failure =
      bad < 0
        ? null
        : `that of ${plan.sides[bad]!.name} ended with exit code ${codes[bad]}: ${lastLines((await ctx.engine.logs(ids[bad]!, 20)).all)}`;
    return { startMs, cpu, failure };
  } finally {
    watching.abort();
    await rm(targets, { force: true });
    await Promise.all(ids.map((id) => ctx.engine.remove(id)));
  }
}

/** Keeps the last counters of a container that may end at any time, and its counters with it. */
async function followCpu(id: string, cpu: Map<string, ContainerCpu>, signal: AbortSignal, ctx: Context): Promise<void> {
  const counted = await findCounters(id, (await ctx.engine.inspect(id)).pid);
  while (counted) {
    const now = await readCounters(counted.files);
    if (now) cpu.set(id, now);
    if (signal.aborted) return;
    await sleep(50, undefined, { signal }).catch(() => {});
  }
}

function generatorTargets(plan: Plan, round: number): { targets: string[]; labels: Record<string, string> }[] {
  const { scrape } = imageLoad(plan);
  if (!scrape) return [];
  const { port, path } = scrape;
  const labels = (side: SideName) => ({
    __metrics_path__: path,
    side,
    round: String(round),
    commit: plan.sides.find((s) => s.name === side)!.commit,
    service: 'loadgen',
    instance: 'loadgen',
  });
  return plan.sides.map((side) => ({
    targets: [`${generatorName(plan, side.name, round, 'measure')}:${port}`],
    labels: labels(side.name),
  }));
}
