/**
 * npm run perf:generator: is our load generator fit to measure with? As a run uses it (prepared, driven and scraped on
 * a run stack), held against vegeta on the same target, in turn, pair by pair: both alone on core 0, the server and all
 * else on core 1. A ratio is the median over the pairs of the ratio within a pair; other figures are medians. Goals:
 *   800/s and 5,000/s   CPU for 1,000 requests at most 0.8 of vegeta's; median at most 1.05, p99 at most 1.10 of vegeta's; the
 *                       rate within 0.01 % of what was asked for; at 800/s a start lag of at most 0.1 ms (median) and 0.5 ms
 *                       (p99) in the half of the pairs that was quieter, by vegeta's own p99
 *   10,000/s            no request lost, p99 at most vegeta's
 *   memory              10,000/s for a minute, every request kept: under 200 MB
 * How far one worker comes on one core, and two on both, is said without a goal: with two the server has no core of its
 * own.
 */
import { command, wholeNumber } from '../../app/command.ts';
import type { Context } from '../../app/context.ts';
import { EXIT, UsageError } from '../../core/errors.ts';
import { median } from '../../judge/statistics.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Stack } from '../../stack/run-stack.ts';
import { type Goal, goalLines, type Measured, pairedRatio, quieterHalf, startRate } from './figures.ts';
import { APART, type Driven, driveOwn, type ProbeLoad, TARGETS, withLoad, withProbeStack } from './probe.ts';
import { driveVegeta } from './vegeta.ts';

/** By then Node.js has compiled the server, and either generator its own paths. */
const WARMUP_S = 4;
const GOAL = { cpu: 0.8, p50: 1.05, p99: 1.1, rate: 0.0001, lagP50: 0.1e-3, lagP99: 0.5e-3, memory: 200e6 };
const HIGH = 10_000;
const STEPS = [12_000, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000];
/** A generator whose requests start later than so, one in a hundred, does not make the rate any more. */
const LATE_S = 0.01;
const PARTS = ['low', 'high', 'limit', 'memory'];

interface Own extends Measured {
  lagP50: number;
  lagP99: number;
}

interface Pair {
  ours: Own;
  other: Measured;
}

interface Answer {
  lines: string[];
  goals: Goal[];
}

interface Options {
  pairs: number;
  seconds: number;
  memorySeconds: number;
}

const loadOf = (rate: number, durationS: number, workers = 1): ProbeLoad => ({
  rate,
  durationS,
  warmupS: WARMUP_S,
  maxInFlight: Math.max(50, rate / 4),
  workers,
});
const of = <T>(all: readonly T[], pick: (one: T) => number) => median(all.map(pick))!;
const ms = (seconds: number) => `${(seconds * 1000).toFixed(3)} ms`;
const line = ({ cpuPer1000, p50, p99, lost }: Measured) =>
  `${cpuPer1000.toFixed(3)} CPU s, median ${ms(p50)}, p99 ${ms(p99)}${lost > 0 ? `, ${lost} lost` : ''}`;

await command(
  {
    name: 'perf:generator',
    about:
      'Holds the load generator against vegeta: CPU, latency, start lag, rate, memory. Takes about 15 minutes. Do nothing else on the machine meanwhile.',
    flags: [
      { name: 'pairs', value: 'N', help: 'pairs at each rate; default 6' },
      { name: 'seconds', value: 'N', help: 'length of each window; default 12' },
      { name: 'memory-seconds', value: 'N', help: 'length of the window in which memory is measured; default 60' },
      { name: 'only', value: 'PART', many: true, help: `only this part: ${PARTS.join(', ')}` },
    ],
  },
  async (io, given) => {
    const whole = (flag: string, least: number, fallback: number) =>
      wholeNumber(flag, given.text(flag), { least, most: 3600, fallback });
    const options = {
      pairs: whole('pairs', 1, 6),
      seconds: whole('seconds', 1, 12),
      memorySeconds: whole('memory-seconds', 1, 60),
    };
    const only = given.values.only ?? PARTS;
    const wrong = only.find((part) => !PARTS.includes(part));
    if (wrong !== undefined)
      throw new UsageError(`there is no part ${wrong}`, { hint: `It is one of ${PARTS.join(', ')}.` });
    const answers: Answer[] = [];
    if (only.includes('low')) answers.push(await atLowRates(options, io.stderr));
    if (only.some((part) => part !== 'low')) answers.push(...(await atHighRates(options, only, io.stderr)));
    const goals = answers.flatMap((answer) => answer.goals);
    io.stdout([...answers.flatMap(({ lines }) => [...lines, '']), ...goalLines(goals)].join('\n'));
    return goals.every(({ met }) => met) ? EXIT.pass : EXIT.regression;
  },
);

async function atLowRates({ pairs, seconds }: Options, say: (text: string) => void): Promise<Answer> {
  const answers: Answer[] = [];
  await withProbeStack(
    { target: TARGETS.probe, load: loadOf(800, seconds), cpusets: APART, images: ['vegeta'] },
    async (stack, ctx) => {
      let round = 0;
      for (const rate of [800, 5000]) {
        const measured = await inPairs(loadOf(rate, seconds), pairs, () => ++round, stack, say, ctx);
        answers.push(compared(rate, seconds, measured, 'the probe of the tests'));
      }
    },
  );
  return {
    lines: answers.flatMap(({ lines }, i) => (i === 0 ? lines : ['', ...lines])),
    goals: answers.flatMap(({ goals }) => goals),
  };
}

async function atHighRates(
  { pairs, seconds, memorySeconds }: Options,
  only: string[],
  say: (text: string) => void,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  await withProbeStack(
    { target: TARGETS.lean, load: loadOf(HIGH, seconds), cpusets: APART, images: ['vegeta'] },
    async (stack, ctx) => {
      let round = 0;
      if (only.includes('high')) {
        const measured = await inPairs(loadOf(HIGH, seconds), Math.ceil(pairs / 2), () => ++round, stack, say, ctx);
        answers.push(atHigh(seconds, measured));
      }
      if (only.includes('memory')) answers.push(await inMemory(memorySeconds, ++round, stack, ctx));
      if (only.includes('limit')) {
        const one = await limitOf(1, '0', seconds, () => ++round, stack, say, ctx);
        const two = await limitOf(2, '0-1', seconds, () => ++round, stack, say, ctx);
        answers.push({
          lines: [
            `the limit of one worker on one core:    ${one}`,
            `of two workers on the machine's first two: ${two}; the server, Prometheus and the harness are on the second of them, too`,
          ],
          goals: [],
        });
      }
    },
  );
  return answers;
}

/** Fresh sides for each pair; who is first alternates. */
async function inPairs(
  load: ProbeLoad,
  count: number,
  nextRound: () => number,
  stack: Stack,
  say: (text: string) => void,
  ctx: Context,
): Promise<Pair[]> {
  const plan = withLoad(stack.built.plan, load);
  const pairs: Pair[] = [];
  for (let i = 1; i <= count; i++) {
    await using sides = await stack.startSides(nextRound(), stack.built.plan);
    const pair: Partial<Pair> = {};
    const both = [
      async () => void (pair.ours = measuredOwn(await driveOwn(stack, sides, plan, ctx))),
      async () => void (pair.other = await driveVegeta(sides, load, ctx)),
    ];
    for (const one of i % 2 === 1 ? both : both.toReversed()) await one();
    pairs.push(pair as Pair);
    say(
      `${load.rate}/s, ${i} of ${count}: ours ${line(pair.ours!)}, lag ${ms(pair.ours!.lagP50)} ${ms(pair.ours!.lagP99)}; vegeta ${line(pair.other!)}`,
    );
  }
  return pairs;
}

function measuredOwn({ side, cpuSeconds, requests }: Driven): Own {
  return {
    requests: side.requests,
    lost: side.dropped.measure + side.failed + (side.due - side.dropped.measure - side.iterations),
    rate: startRate(Array.from(requests.due, (due, i) => due + requests.startLag[i]!)),
    cpuPer1000: (cpuSeconds / side.requests) * 1000,
    p50: side.latency!.med,
    p99: side.latency!.p99,
    lagP50: side.startLag!.med,
    lagP99: side.startLag!.p99,
  };
}

function tableOf(rate: number, seconds: number, pairs: Pair[], server: string): string[] {
  const [ours, other] = [pairs.map((pair) => pair.ours), pairs.map((pair) => pair.other)];
  const row = (name: string, text: (all: readonly Measured[]) => string, ratio: string) =>
    `${name.padEnd(28)}${text(ours).padStart(12)}${text(other).padStart(12)}   ${ratio}`;
  const ratio = (pick: (one: Measured) => number) => pairedRatio<Measured>(pairs, pick).toFixed(3);
  const quiet = quieterHalf(pairs).map((pair) => pair.ours);
  return [
    `${`${rate}/s for ${seconds} s, ${pairs.length} pairs`.padEnd(28)}${'ours'.padStart(12)}${'vegeta'.padStart(12)}   ratio   (server: ${server})`,
    row(
      'CPU s per 1,000 requests',
      (all) => of(all, (one) => one.cpuPer1000).toFixed(3),
      ratio((one) => one.cpuPer1000),
    ),
    row(
      'median',
      (all) => ms(of(all, (one) => one.p50)),
      ratio((one) => one.p50),
    ),
    row(
      'p99',
      (all) => ms(of(all, (one) => one.p99)),
      ratio((one) => one.p99),
    ),
    row(
      'started / asked',
      (all) => (of(all, (one) => one.rate) / rate).toFixed(6),
      ratio((one) => one.rate),
    ),
    row('lost', (all) => String(all.reduce((sum, one) => sum + one.lost, 0)), ''),
    `start lag: median ${ms(of(ours, (one) => one.lagP50))}, p99 ${ms(of(ours, (one) => one.lagP99))}; in the quieter half of the pairs ${ms(of(quiet, (one) => one.lagP50))}, ${ms(of(quiet, (one) => one.lagP99))}`,
  ];
}

function compared(rate: number, seconds: number, pairs: Pair[], server: string): Answer {
  const [cpu, p50, p99] = [
    pairedRatio<Measured>(pairs, (one) => one.cpuPer1000),
    pairedRatio<Measured>(pairs, (one) => one.p50),
    pairedRatio<Measured>(pairs, (one) => one.p99),
  ];
  const off = Math.abs(of(pairs, ({ ours }) => ours.rate) / rate - 1);
  const lost = pairs.reduce((sum, { ours }) => sum + ours.lost, 0);
  const quiet = quieterHalf(pairs).map(({ ours }) => ours);
  const [lagP50, lagP99] = [of(quiet, (one) => one.lagP50), of(quiet, (one) => one.lagP99)];
  const goals: Goal[] = [
    { met: cpu <= GOAL.cpu, text: `${rate}/s: CPU at most ${GOAL.cpu} of vegeta's (${cpu.toFixed(3)})` },
    { met: p50 <= GOAL.p50, text: `${rate}/s: median at most ${GOAL.p50} of vegeta's (${p50.toFixed(3)})` },
    { met: p99 <= GOAL.p99, text: `${rate}/s: p99 at most ${GOAL.p99} of vegeta's (${p99.toFixed(3)})` },
    {
      met: off <= GOAL.rate && lost === 0,
      text: `${rate}/s: the rate within ${GOAL.rate * 100} % of what was asked for (${(off * 100).toFixed(4)} %), nothing lost (${lost})`,
    },
  ];
  if (rate === 800)
    goals.push({
      met: lagP50 <= GOAL.lagP50 && lagP99 <= GOAL.lagP99,
      text: `${rate}/s: start lag at most ${ms(GOAL.lagP50)} (median) and ${ms(GOAL.lagP99)} (p99) in the quieter half of the pairs (${ms(lagP50)}, ${ms(lagP99)})`,
    });
  return { lines: tableOf(rate, seconds, pairs, server), goals };
}

function atHigh(seconds: number, pairs: Pair[]): Answer {
  const lost = pairs.reduce((sum, { ours }) => sum + ours.lost, 0);
  const p99 = pairedRatio<Measured>(pairs, (one) => one.p99);
  return {
    lines: tableOf(HIGH, seconds, pairs, 'the least that speaks HTTP/1.1'),
    goals: [
      { met: lost === 0, text: `${HIGH}/s from one core, nothing lost (${lost})` },
      { met: p99 <= 1, text: `${HIGH}/s: p99 at most vegeta's (${p99.toFixed(3)} of it)` },
    ],
  };
}

async function inMemory(seconds: number, round: number, stack: Stack, ctx: Context): Promise<Answer> {
  await using sides = await stack.startSides(round, stack.built.plan);
  const {
    memory: { peak, files },
    result: { kept },
  } = await driveOwn(stack, sides, withLoad(stack.built.plan, loadOf(HIGH, seconds)), ctx);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return {
    lines: [
      `memory of the generator: ${mb(peak)} resident at most, of it ${mb(files)} the program of Node.js, which containers share`,
    ],
    goals: [
      {
        met: kept.rows === kept.of && peak < GOAL.memory,
        text: `${HIGH}/s for ${seconds} s, ${kept.rows} of ${kept.of} requests kept: under ${mb(GOAL.memory)} of memory (${mb(peak)})`,
      },
    ],
  };
}

/** The highest of the rates that it makes. */
async function limitOf(
  workers: number,
  cores: string,
  seconds: number,
  nextRound: () => number,
  stack: Stack,
  say: (text: string) => void,
  ctx: Context,
): Promise<string> {
  let reached = 'none of these rates';
  for (const rate of [HIGH, ...STEPS]) {
    await using sides = await stack.startSides(nextRound(), stack.built.plan);
    const plan: Plan = withLoad(stack.built.plan, loadOf(rate, Math.min(seconds, 6), workers), cores);
    const own = measuredOwn(await driveOwn(stack, sides, plan, ctx));
    const why =
      own.lost > 0
        ? `${own.lost} requests lost`
        : own.lagP99 > LATE_S
          ? `p99 of the start lag ${ms(own.lagP99)}`
          : null;
    say(
      `${workers} ${workers === 1 ? 'worker' : 'workers'}, ${rate}/s: ${line(own)}, lag ${ms(own.lagP50)} ${ms(own.lagP99)}${why ? `: too much (${why})` : ''}`,
    );
    if (why) return `${reached} (${rate}/s: ${why})`;
    reached = `${rate}/s with ${own.cpuPer1000.toFixed(3)} CPU s per 1,000`;
  }
  return reached;
}
