/** Sides -> LoadResult: warm-up and one measured window, with counters read at its edges. */
import { setTimeout as sleep } from 'node:timers/promises';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { InfrastructureError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import type { Sides, Stack } from '../stack/stack.ts';
import type { Load, ProgressStep, SideName } from '../types.ts';
import { findCounters, readCounters, type ContainerCpu, type Counted } from '../stack/counters.ts';
import { readEdge, type Edge } from './edges.ts';
import { GAP_S, k6Container } from './k6.ts';
import { generatorContainer, generatorName } from './image.ts';
import { readSummary, type K6Summary } from './summary.ts';

export interface LoadResult {
  /** The measured window, milliseconds since the epoch. */
  startMs: number;
  endMs: number;
  before: Edge;
  after: Edge;
  /** What k6 measured exactly; null for another generator or one that ended without a summary. */
  summary: K6Summary | null;
  /** Why the generator cannot be trusted, where it ended badly. */
  failure: string | null;
  /** A span with quiet at both ends, two scrapes long, around the window: in it counters of requests are exact. */
  counted: { fromMs: number; toMs: number };
}

/** Quiet time around the window of a generator whose requests Prometheus counts: more than one scrape interval. */
const QUIET_S = 2;

/** Exit code of k6 when a threshold of the script failed: a result, not a crash. Source: k6 errext/exitcodes. */
const K6_THRESHOLDS_FAILED = 99;
/** Seconds that a load generator has to start, flush and end, on top of the load. */
const SLACK_S = 60;

/** The load generator as a run names it: k6, or its image. */
export const generatorOf = ({ generator }: Load): string => (generator.kind === 'k6' ? 'k6' : generator.image);

export async function driveLoad(stack: Stack, sides: Sides, step: ProgressStep, ctx: Context): Promise<LoadResult> {
  return sides.plan.config.load.generator.kind === 'k6' ? driveK6(stack, sides, step, ctx) : driveImage(stack, sides, step, ctx);
}

async function driveK6(stack: Stack, sides: Sides, step: ProgressStep, ctx: Context): Promise<LoadResult> {
  const { plan } = sides;
  const { load } = plan.config;
  const id = await ctx.engine.create(k6Container(plan, sides.round, ctx.machine.images.k6!.ref, ctx.paths));
  const following = new AbortController();
  const overdue = new AbortController();
  const late = setTimeout(() => overdue.abort(new InfrastructureError(`k6 did not end ${SLACK_S} s after its load should have`, { hint: 'Is the host overloaded? Try a lower rate.' })), (load.warmupS + load.durationS + SLACK_S) * 1000);
  const signal = AbortSignal.any([stack.signal, overdue.signal]);
  try {
    await ctx.engine.start(id);
    const ended = ctx.engine.wait(id, signal);
    const window = await firstOf(windowLine(id, following.signal, ctx), ended, signal);
    if (!window) return await failed(await ended, id, ctx);

    const live = watchLive(stack, sides, step, window, following.signal, ctx);
    const lasting = await runCounters(stack, sides);
    const generator = await findCounters(id, (await ctx.engine.inspect(id)).pid);
    await until(window.startMs - (GAP_S * 1000) / 2, signal, ctx);
    const before = await readEdge(generator ? [...lasting, generator] : lasting);
    await until(window.endMs - 10, signal, ctx);
    const generatorAtEnd = generator && (await readCounters(generator.files)); // soon after the window k6 is gone, and its counters with it
    await until(window.endMs + (GAP_S * 1000) / 2, signal, ctx);
    const after = await readEdge(lasting);
    if (generatorAtEnd) after.containers.set(id, generatorAtEnd);
    const exitCode = await ended;
    following.abort();
    await live;
    const { stdout, stderr } = await ctx.engine.logs(id, 0);
    const summary = readSummary(stdout);
    const bad = (exitCode !== 0 && exitCode !== K6_THRESHOLDS_FAILED) || !summary;
    return { ...window, before, after, summary, counted: { fromMs: window.startMs, toMs: window.endMs }, failure: bad ? `k6 ended with exit code ${exitCode}: ${lastLines(stderr)}` : null };
  } finally {
    clearTimeout(late);
    following.abort();
    await ctx.engine.remove(id);
  }
}

/** The counters of all containers of the run but the load generator. */
async function runCounters(stack: Stack, sides: Sides): Promise<Counted[]> {
  const { counters } = await stack.ready;
  return [...counters, ...sides.containers.flatMap(({ counted }) => counted ?? [])];
}

/** k6 ended before its window was known: the script is at fault, or k6 was killed. */
async function failed(exitCode: number, id: string, ctx: Context): Promise<never> {
  const { stderr } = await ctx.engine.logs(id, 50);
  throw new InfrastructureError(`k6 ended with exit code ${exitCode} before the load began:\n${lastLines(stderr, 20)}`, {
    hint: 'Does the script export options, setup and handleSummary of the load library (docs/loadgen.md)?',
  });
}

const lastLines = (text: string, count = 5) => text.trim().split('\n').slice(-count).join('\n');

/** Waits for the line in which the k6 library says when its measured window begins and ends. */
function windowLine(id: string, signal: AbortSignal, ctx: Context): Promise<{ startMs: number; endMs: number }> {
  return new Promise((resolve, reject) => {
    ctx.engine
      .followStderr(id, (line) => {
        const found = /mayfly window start=(\d+) end=(\d+)/.exec(line);
        if (found) resolve({ startMs: Number(found[1]), endMs: Number(found[2]) });
      }, signal)
      .catch(reject);
  });
}

/** The window, or null when k6 ended first. */
async function firstOf<T>(window: Promise<T>, ended: Promise<number>, signal: AbortSignal): Promise<T | null> {
  const result = await Promise.race([window, ended.then(() => sleep(500)).then(() => null)]);
  signal.throwIfAborted();
  return result ?? null;
}

async function until(atMs: number, signal: AbortSignal, ctx: Context): Promise<void> {
  const wait = atMs - ctx.now();
  if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/** Shows the current rate, latency and errors once a second, as Prometheus has them. */
async function watchLive(stack: Stack, sides: Sides, step: ProgressStep, window: { startMs: number; endMs: number }, signal: AbortSignal, ctx: Context): Promise<void> {
  const { prometheus } = await stack.ready;
  const beganMs = window.startMs - (sides.plan.config.load.warmupS + GAP_S) * 1000;
  while (!signal.aborted) {
    const [phase, scenario] = ctx.now() < window.startMs ? ['warm-up', 'warmup'] : ['measuring', 'measure'];
    const selector = `round="${sides.round}",scenario="${scenario}"`;
    const fraction = Math.min(1, (ctx.now() - beganMs) / (window.endMs - beganMs));
    const [rate, p95, errors] = await Promise.all([
      prometheus.value(`sum(irate(k6_http_reqs_total{${selector}}[5s]))`),
      prometheus.value(`histogram_quantile(0.95, sum(rate(k6_http_req_duration_seconds{${selector}}[3s])))`),
      prometheus.value(`(sum(rate(k6_http_reqs_total{${selector},status!~"[23].."}[5s])) or vector(0)) / sum(rate(k6_http_reqs_total{${selector}}[5s]))`),
    ]).catch(() => [null, null, null]);
    const show = (value: number | null | undefined, text: (value: number) => string) => (value === null || value === undefined ? '…' : text(value));
    step.update(`${phase}  ${show(rate, (v) => `${v.toFixed(0)}/s`)}  p95 ${show(p95, (v) => `${(v * 1000).toFixed(2)} ms`)}  errors ${show(errors, (v) => `${(v * 100).toFixed(2)} %`)}`, fraction);
    await sleep(1000, undefined, { signal }).catch(() => {});
  }
}

/** Any other generator: one container for each side, first for the warm-up, then for the window. */
async function driveImage(stack: Stack, sides: Sides, step: ProgressStep, ctx: Context): Promise<LoadResult> {
  const { load } = sides.plan.config;
  if (load.warmupS > 0) {
    step.update('warm-up', 0);
    const { failure } = await runGenerators(stack, sides, 'warmup', ctx);
    if (failure) throw new InfrastructureError(failure, { hint: 'Check load/image and load/command in benchmark.yaml.' });
  }
  await quiet(stack);
  const counters = await runCounters(stack, sides);
  const before = await readEdge(counters);
  const fromMs = ctx.now() - (QUIET_S - 0.5) * 1000;
  step.update('measuring', load.warmupS / (load.warmupS + load.durationS));
  const { startMs, failure, cpu } = await runGenerators(stack, sides, 'measure', ctx);
  const endMs = Math.max(startMs + load.durationS * 1000, ctx.now());
  await until(endMs, stack.signal, ctx);
  const after = await readEdge(counters);
  for (const [id, counted] of cpu) {
    before.containers.set(id, { cpuSeconds: 0, cfsPeriods: 0, cfsThrottledPeriods: 0 });
    after.containers.set(id, counted);
  }
  await quiet(stack);
  return { startMs, endMs: startMs + load.durationS * 1000, before, after, summary: null, failure, counted: { fromMs, toMs: endMs + (QUIET_S - 0.5) * 1000 } };
}

const quiet = (stack: Stack) => sleep(QUIET_S * 1000, undefined, { signal: stack.signal }).catch(() => stack.signal.throwIfAborted());

interface GeneratorsEnded {
  /** When the last of them had been started. */
  startMs: number;
  failure: string | null;
  /** Last CPU counters of each container. */
  cpu: Map<string, ContainerCpu>;
}

async function runGenerators(stack: Stack, sides: Sides, phase: 'warmup' | 'measure', ctx: Context): Promise<GeneratorsEnded> {
  const { plan } = sides;
  const { load } = plan.config;
  const ids: string[] = [];
  const cpu = new Map<string, ContainerCpu>();
  const targets = join(plan.dir, 'targets', 'load', `${sides.round}-${phase}.json`);
  const overdue = AbortSignal.timeout(((phase === 'warmup' ? load.warmupS : load.durationS) + SLACK_S) * 1000);
  const watching = new AbortController();
  try {
    for (const side of plan.sides) ids.push(await ctx.engine.create(generatorContainer(plan, side.name, sides.round, phase)));
    if (phase === 'measure') await writeFile(targets, JSON.stringify(generatorTargets(plan, sides.round)));
    await Promise.all(ids.map((id) => ctx.engine.start(id)));
    const startMs = ctx.now();
    const counting = Promise.all(ids.map((id) => followCpu(id, cpu, watching.signal, ctx)));
    const codes = await Promise.all(ids.map((id) => ctx.engine.wait(id, AbortSignal.any([stack.signal, overdue])))).catch((error) => {
      stack.signal.throwIfAborted();
      if (!overdue.aborted) throw error;
      return null;
    });
    watching.abort();
    await counting;
    if (codes === null) return { startMs, cpu, failure: `it did not end ${SLACK_S} s after its load should have` };
    const bad = codes.findIndex((code) => code !== 0);
    const failure = bad < 0 ? null : `that of ${plan.sides[bad]!.name} ended with exit code ${codes[bad]}: ${lastLines((await ctx.engine.logs(ids[bad]!, 20)).all)}`;
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
  const { generator } = plan.config.load;
  if (generator.kind !== 'image' || !generator.scrape) return [];
  const { port, path } = generator.scrape;
  const labels = (side: SideName) => ({ __metrics_path__: path, side, round: String(round), commit: plan.sides.find((s) => s.name === side)!.commit, service: 'loadgen', instance: 'loadgen' });
  return plan.sides.map((side) => ({ targets: [`${generatorName(plan, side.name, round, 'measure')}:${port}`], labels: labels(side.name) }));
}
