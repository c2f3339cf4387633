/**
 * npm run perf:grpc: what a gRPC call costs with our load generator, beside what it costs with @grpc/grpc-js alone: a
 * bare loop that makes calls at an even rate and keeps nothing but their latencies, on the same server, in turn, both
 * alone on core 0. ghz, which one would hold it against, cannot be taken: a module that it is built from has no licence
 * file (github.com/jinzhu/configor). Goal: nothing lost; what the ratio should be nobody has said.
 */
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { ROOT } from '../../app/open.ts';
import { EXIT } from '../../core/errors.ts';
import { median } from '../../judge/statistics.ts';
import type { Sides } from '../../stack/run-stack.ts';
import { runBeside } from './beside.ts';
import { cpuBetween, type Goal, goalLines, pairedRatio } from './figures.ts';
import { APART, driveOwn, TARGETS, withLoad, withProbeStack } from './probe.ts';

const RATE = 1000;
const WARMUP_S = 4;

interface Figures {
  calls: number;
  lost: number;
  cpuPer1000: number;
  p50: number;
  p99: number;
}

const ms = (seconds: number) => `${(seconds * 1000).toFixed(3)} ms`;
const line = ({ cpuPer1000, p50, p99, lost }: Figures) =>
  `${cpuPer1000.toFixed(3)} CPU s per 1,000, median ${ms(p50)}, p99 ${ms(p99)}${lost > 0 ? `, ${lost} lost` : ''}`;

await command(
  {
    name: 'perf:grpc',
    about:
      'Holds gRPC calls of the load generator against a bare loop of @grpc/grpc-js. Takes about four minutes. Do nothing else on the machine meanwhile.',
    flags: [
      { name: 'pairs', value: 'N', help: 'pairs; default 6' },
      { name: 'seconds', value: 'N', help: 'length of each window; default 12' },
    ],
  },
  async (io, given) => {
    const pairs = wholeNumber('pairs', given.text('pairs'), { least: 1, most: 100, fallback: 6 });
    const durationS = wholeNumber('seconds', given.text('seconds'), { least: 1, most: 3600, fallback: 12 });
    const load = { rate: RATE, durationS, warmupS: WARMUP_S, maxInFlight: RATE / 4 };
    const measured: { ours: Figures; other: Figures }[] = [];
    await withProbeStack({ target: TARGETS.echo, load, cpusets: APART }, async (stack, ctx) => {
      for (let round = 1; round <= pairs; round++) {
        await using sides = await stack.startSides(round, stack.built.plan);
        const pair: Partial<(typeof measured)[number]> = {};
        const own = async () => {
          const { side, cpuSeconds } = await driveOwn(stack, sides, withLoad(stack.built.plan, load), ctx);
          pair.ours = {
            calls: side.requests,
            lost: side.dropped.measure + side.failed,
            cpuPer1000: (cpuSeconds / side.requests) * 1000,
            p50: side.latency!.med,
            p99: side.latency!.p99,
          };
        };
        const bare = async () => void (pair.other = await driveBare(sides, durationS, ctx));
        for (const one of round % 2 === 1 ? [own, bare] : [bare, own]) await one();
        measured.push(pair as (typeof measured)[number]);
        io.stderr(`${round} of ${pairs}: ours ${line(pair.ours!)}; bare ${line(pair.other!)}`);
      }
    });
    const { text, met } = result(measured, durationS);
    io.stdout(text);
    return met ? EXIT.pass : EXIT.regression;
  },
);

/** The bare loop, in the node image as ours. */
async function driveBare(sides: Sides, durationS: number, ctx: Context): Promise<Figures> {
  const { stdout, cpu } = await runBeside(
    sides,
    {
      name: 'bare',
      image: ctx.machine.images.node!.ref,
      entrypoint: ['node'],
      cmd: ['/perf/scripts/servers/echo-client.ts', 'probe.candidate:8080', String(RATE), String(durationS)],
      env: { WARMUP_S: String(WARMUP_S), NODE_NO_WARNINGS: '1' },
      binds: Object.entries(TARGETS.echo.mounts).map(([from, to]) => `${join(ROOT, from)}:${to}:ro`),
    },
    ctx,
  );
  const { startMs, endMs, calls, failed, p50, p99 } = JSON.parse(stdout) as {
    startMs: number;
    endMs: number;
    calls: number;
    failed: number;
    p50: number;
    p99: number;
  };
  return { calls, lost: failed, cpuPer1000: (cpuBetween(cpu, startMs, endMs) / calls) * 1000, p50, p99 };
}

function result(pairs: { ours: Figures; other: Figures }[], durationS: number): { text: string; met: boolean } {
  const row = (name: string, pick: (one: Figures) => number, text: (value: number) => string) => {
    const of = (who: 'ours' | 'other') => text(median(pairs.map((pair) => pick(pair[who])))!).padStart(14);
    return `${name.padEnd(28)}${of('ours')}${of('other')}   ${pairedRatio<Figures>(pairs, pick).toFixed(3)}`;
  };
  const lost = pairs.reduce((sum, { ours }) => sum + ours.lost, 0);
  const goals: Goal[] = [{ met: lost === 0, text: `nothing lost (${lost})` }];
  const lines = [
    `${`${RATE}/s for ${durationS} s, ${pairs.length} pairs`.padEnd(28)}${'ours'.padStart(14)}${'bare grpc-js'.padStart(14)}   ratio`,
    row(
      'CPU s per 1,000 calls',
      ({ cpuPer1000 }) => cpuPer1000,
      (value) => value.toFixed(3),
    ),
    row('median', ({ p50 }) => p50, ms),
    row('p99', ({ p99 }) => p99, ms),
    ...goalLines(goals),
  ];
  return { text: lines.join('\n'), met: goals.every(({ met }) => met) };
}
