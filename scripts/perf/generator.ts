/**
 * npm run perf:generator: is k6 fit to measure with? The rate asked for against the rate achieved, CPU seconds for 1,000
 * requests, and latency, of k6 (as a run uses it: load library, remote write) and of vegeta on the same target, in turn.
 * Goal: k6's rate within 0.1 % of what was asked for, its p99 within 10 % of vegeta's.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { main } from '../cli.ts';
import { median } from '../compare/statistics.ts';
import type { Context } from '../context.ts';
import { EXIT, InfrastructureError } from '../errors.ts';
import { driveLoad } from '../load/drive.ts';
import { findCounters, readCounters } from '../stack/counters.ts';
import { sideSummary } from '../load/summary.ts';
import { LABEL } from '../plan/names.ts';
import { thisUser } from '../plan/process.ts';
import type { Sides, Stack } from '../stack/stack.ts';
import { withProbeStack } from './probe.ts';

const RATE = 300;
const DURATION_S = 15;
const PAIRS = 6;
const GOAL_RATE = 0.001;
const GOAL_P99 = 0.1;
const POLL_MS = 50;

interface Measured {
  rate: number;
  cpuPer1000: number;
  p50: number;
  p99: number;
}

const silent = { update() {}, done() {}, fail() {} };

await main(async (io) => {
  const k6: Measured[] = [];
  const vegeta: Measured[] = [];
  await withProbeStack({ MODE: 'ok' }, { rate: RATE, durationS: DURATION_S, warmupS: 2, vus: 50 }, ['vegeta'], async (stack, ctx) => {
    for (let round = 1; round <= PAIRS; round++) {
      await using sides = await stack.startSides(round, stack.built.plan);
      const tools = [async () => k6.push(await driveK6(stack, sides, ctx)), async () => vegeta.push(await driveVegeta(stack, sides, ctx))];
      for (const tool of round % 2 === 1 ? tools : tools.toReversed()) await tool();
      io.stderr(`${round} of ${PAIRS}: k6 ${line(k6.at(-1)!)}; vegeta ${line(vegeta.at(-1)!)}`);
    }
  });
  const of = (all: Measured[], key: keyof Measured) => median(all.map((one) => one[key]))!;
  const missed = Math.abs(of(k6, 'rate') / RATE - 1);
  const apart = Math.abs(of(k6, 'p99') / of(vegeta, 'p99') - 1);
  const row = (name: string, text: (all: Measured[]) => string, ratio: string) => `${name.padEnd(30)}${text(k6).padStart(12)}${text(vegeta).padStart(12)}   ${ratio}`;
  const ratio = (key: keyof Measured) => (of(k6, key) / of(vegeta, key)).toFixed(3);
  const met = missed <= GOAL_RATE && apart <= GOAL_P99;
  io.stdout(
    [
      `${''.padEnd(30)}${'k6'.padStart(12)}${'vegeta'.padStart(12)}   ratio   (${RATE}/s for ${DURATION_S} s, medians of ${PAIRS}, in turn)`,
      row('achieved / asked', (all) => (of(all, 'rate') / RATE).toFixed(5), ratio('rate')),
      row('CPU s per 1,000 requests', (all) => of(all, 'cpuPer1000').toFixed(3), ratio('cpuPer1000')),
      row('median', (all) => `${(of(all, 'p50') * 1000).toFixed(3)} ms`, ratio('p50')),
      row('p99', (all) => `${(of(all, 'p99') * 1000).toFixed(3)} ms`, ratio('p99')),
      `goal ${met ? 'met' : 'MISSED'}: rate within ${GOAL_RATE * 100} % (${(missed * 100).toFixed(3)} %), p99 within ${GOAL_P99 * 100} % (${(apart * 100).toFixed(1)} %)`,
    ].join('\n'),
  );
  return met ? EXIT.pass : EXIT.regression;
});

function line(one: Measured): string {
  return `${one.rate.toFixed(2)}/s, ${one.cpuPer1000.toFixed(3)} CPU s, p99 ${(one.p99 * 1000).toFixed(2)} ms`;
}

async function driveK6(stack: Stack, sides: Sides, ctx: Context): Promise<Measured> {
  const load = await driveLoad(stack, sides, silent, ctx);
  const summary = load.summary && sideSummary(load.summary, 'candidate');
  if (!summary) throw new InfrastructureError(`k6 gave no summary: ${load.failure}`);
  const { counters } = await stack.ready;
  const others = [...sides.containers, ...counters].map(({ id }) => id);
  const ids = [...load.after.containers.keys()].filter((id) => !others.includes(id));
  const cpu = ids.reduce((sum, id) => sum + load.after.containers.get(id)!.cpuSeconds - load.before.containers.get(id)!.cpuSeconds, 0);
  return { rate: summary.iterations / DURATION_S, cpuPer1000: (cpu / summary.requests) * 1000, p50: summary.latency.med, p99: summary.latency.p99 };
}

async function driveVegeta(stack: Stack, sides: Sides, ctx: Context): Promise<Measured> {
  const { plan } = stack.built;
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-vegeta-'));
  const container = (name: string, cmd: string[]) => ({
    name: `${plan.project}-vegeta-${name}-${sides.round}`, image: ctx.machine.images.vegeta!.ref, cmd, user: thisUser(),
    labels: { ...plan.labels, [LABEL.service]: 'k6' }, binds: [`${folder}:/work`], networks: [plan.networks.candidate!],
  });
  try {
    await writeFile(join(folder, 'targets'), 'GET http://probe.candidate:8080/\n');
    const attack = (name: string, durationS: number) => ['attack', '-targets=/work/targets', `-rate=${RATE}`, `-duration=${durationS}s`, `-output=/work/${name}`];
    await finish(container('warmup', attack('warmup.bin', 2)), ctx);
    const { cpuSeconds } = await finish(container('attack', attack('results.bin', DURATION_S)), ctx);
    if (cpuSeconds === 0) throw new InfrastructureError('the CPU counters of vegeta cannot be read: its process is not on this host', { hint: 'This script needs a Docker engine on the same Linux host, not in a virtual machine.' });
    const report = JSON.parse((await finish(container('report', ['report', '-type=json', '/work/results.bin']), ctx)).stdout);
    return { rate: report.requests / DURATION_S, cpuPer1000: (cpuSeconds / report.requests) * 1000, p50: report.latencies['50th'] / 1e9, p99: report.latencies['99th'] / 1e9 };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a container to its end. Its CPU seconds are the last that the kernel showed: they go with the container, so they are at most POLL_MS old. */
async function finish(spec: Parameters<Context['engine']['create']>[0], ctx: Context): Promise<{ stdout: string; cpuSeconds: number }> {
  const id = await ctx.engine.create(spec);
  const ended = new AbortController();
  try {
    await ctx.engine.start(id);
    const following = lastCpuSeconds(id, ended.signal, ctx);
    const code = await ctx.engine.wait(id, ctx.signal).finally(() => ended.abort());
    const cpuSeconds = await following;
    const logs = await ctx.engine.logs(id, 0);
    if (code !== 0) throw new InfrastructureError(`vegeta ended with exit code ${code}: ${logs.all}`, { hint: 'Try again; npm run doctor says whether its image is there.' });
    return { stdout: logs.stdout, cpuSeconds };
  } finally {
    ended.abort();
    await ctx.engine.remove(id);
  }
}

async function lastCpuSeconds(id: string, ended: AbortSignal, ctx: Context): Promise<number> {
  const counted = await findCounters(id, (await ctx.engine.inspect(id)).pid);
  let last = 0;
  while (counted && !ended.aborted) {
    last = (await readCounters(counted.files))?.cpuSeconds ?? last;
    await sleep(POLL_MS, undefined, { signal: ended }).catch(() => {});
  }
  return last;
}
