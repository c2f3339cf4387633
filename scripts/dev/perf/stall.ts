/**
 * npm run perf:stall: can a stall hide? A target that stops for 1 s at 200/s. Percentiles from the scheduled start, as
 * Mayfly reports them, against those computed from the schedule and from when the target says that it stopped and went
 * on; beside them the plain service time, which is what a load generator usually shows. The stall is 8 % of the window:
 * so p95 lies well inside of it, and not on its edge, where the target's haste afterwards would decide. Goal: p95, p99
 * and p99.9 within 2 %.
 */
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { EXIT } from '../../core/errors.ts';
import { median, quantile } from '../../judge/statistics.ts';
import type { Stack } from '../../stack/run-stack.ts';
import { type Goal, goalLines } from './figures.ts';
import { driveOwn, TARGETS, withProbeStack } from './probe.ts';
import { expectedResponses, onePiledUp, type Stall } from './stall-model.ts';

const LOAD = { rate: 200, durationS: 12, warmupS: 2, maxInFlight: 400 };
/** Into the window, from the first request of the warm-up on. */
const STALL_AFTER_S = LOAD.warmupS + LOAD.durationS / 2;
const GOAL = 0.02;
/** A scrape, and what it takes. */
const SCRAPED_MS = 1500;
const SHARES = [
  ['p95', 0.95],
  ['p99', 0.99],
  ['p999', 0.999],
] as const;

type Percentile = (typeof SHARES)[number][0];

interface Seen {
  stall: Stall;
  /** Seconds: from the schedule, computed, and from the send. */
  percentiles: Record<Percentile | 'max', { seen: number; byHand: number; plain: number }>;
}

await command(
  {
    name: 'perf:stall',
    about: 'Shows that a target that stops for a second is seen as what it is. Takes about a minute.',
    flags: [
      {
        name: 'rounds',
        value: 'N',
        help: 'how many stalls, each with a target of its own; the goal is for their medians; default 3',
      },
    ],
  },
  async (io, given) => {
    const rounds = wholeNumber('rounds', given.text('rounds'), { least: 1, most: 100, fallback: 3 });
    const target = { ...TARGETS.lean, environment: { STALL_AFTER_S: String(STALL_AFTER_S) } };
    const all: Seen[] = [];
    await withProbeStack({ target, load: LOAD }, async (stack, ctx) => {
      for (let round = 1; round <= rounds; round++) {
        const seen = await oneStall(round, stack, ctx);
        all.push(seen);
        io.stderr(
          `${round} of ${rounds}: ${SHARES.map(([key]) => `${key} ${ms(seen.percentiles[key].seen)}, by hand ${ms(seen.percentiles[key].byHand)}`).join('; ')}`,
        );
      }
    });
    const { text, met } = result(all);
    io.stdout(text);
    return met ? EXIT.pass : EXIT.regression;
  },
);

async function oneStall(round: number, stack: Stack, ctx: Context): Promise<Seen> {
  await using sides = await stack.startSides(round, stack.built.plan);
  const { side, load } = await driveOwn(stack, sides, stack.built.plan, ctx);
  await new Promise((resolve) => setTimeout(resolve, SCRAPED_MS));
  const series = await (await stack.ready).prometheus.query(`probe_stall_seconds{round="${round}"}`);
  const stall = Object.fromEntries(series.map(({ labels, value }) => [labels.what, value])) as unknown as Stall;
  const byHand = expectedResponses(
    { startS: load.startMs / 1000, rate: LOAD.rate, durationS: LOAD.durationS },
    stall,
    side.latency!.med,
  );
  const of = (key: Percentile | 'max', share: number) => ({
    seen: side.response![key],
    byHand: quantile(byHand, share),
    plain: side.latency![key],
  });
  return {
    stall,
    percentiles: { p95: of('p95', 0.95), p99: of('p99', 0.99), p999: of('p999', 0.999), max: of('max', 1) },
  };
}

function result(all: Seen[]): { text: string; met: boolean } {
  const off = (key: Percentile | 'max') =>
    median(all.map(({ percentiles: { [key]: one } }) => one.seen / one.byHand - 1))!;
  const of = (pick: (seen: Seen) => number) => ms(median(all.map(pick))!);
  const row = (name: string, key: Percentile | 'max') =>
    `${name.padEnd(6)} from the schedule ${of(({ percentiles }) => percentiles[key].seen)}   by hand ${of(({ percentiles }) => percentiles[key].byHand)}   ratio ${(1 + off(key)).toFixed(4)}   (plain service time shows ${of(({ percentiles }) => percentiles[key].plain)})`;
  const goals: Goal[] = SHARES.map(([key, share]) => ({
    met: Math.abs(off(key)) <= GOAL,
    text: `p${+(share * 100).toFixed(1)} within ${GOAL * 100} % of the value by hand (${(off(key) * 100).toFixed(2)} %)`,
  }));
  const lines = [
    `the target stopped for ${of(({ stall }) => stall.end - stall.start)} in ${LOAD.durationS} s at ${LOAD.rate}/s, which is ${((1 / LOAD.durationS) * 100).toFixed(1)} % of them; then it worked off one request in ${of(({ stall }) => onePiledUp(stall))} (medians of ${all.length})`,
    row('p95', 'p95'),
    row('p99', 'p99'),
    row('p99.9', 'p999'),
    row('max', 'max'),
    ...goalLines(goals),
  ];
  return { text: lines.join('\n'), met: goals.every(({ met }) => met) };
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(2)} ms`;
}
