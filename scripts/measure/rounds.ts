/** Stack -> rounds in the store: how many there are, of which sides, and when it is enough. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { CandidateError, original } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import type { Metric, RoundDocument, RunDocument, RunStatus } from '../documents/run.ts';
import { judgeSoFar } from '../judge/judge-run.ts';
import { BLOCK, observationsOf, sideInBlock } from '../judge/observations.ts';
import { designComparison, type Plan } from '../plan/plan.ts';
import { soFarText } from '../report/so-far.ts';
import type { Sides, Stack } from '../stack/run-stack.ts';
import { blameFor, StartFailure, sideText } from '../stack/start-failure.ts';
import { incomparableBuckets } from './collect/buckets.ts';
import { type CollectedRound, collect } from './collect/collect.ts';
import { eventWarnings } from './collect/events.ts';
import { telemetryWarnings } from './collect/telemetry.ts';
import { traceWarnings } from './collect/traces.ts';
import { drain } from './drain.ts';
import { startDuring } from './during.ts';
import { AGAIN, endingOf, wrongWith } from './first-round.ts';
import { failsAlone, lateWords } from './later-rounds.ts';
import { type DuringLoad, generatorFor, type PreparedLoad } from './load/generator.ts';
import { until } from './load/watch.ts';

/**
 * A scrape interval and what a scrape takes: the last counters of the services and of the load generator are in
 * Prometheus.
 */
export const SETTLE_MS = 1200;

export interface RoundWanted {
  round: number;
  title: string;
  /** It is driven and collected by this plan, which is the run's own or differs from it in sides and load only. */
  plan: Plan;
  /** The round that will probably follow: its containers start while this one's settle. */
  next?: { round: number; plan: Plan } | undefined;
  /** The rounds of a comparison so far. */
  known?: readonly RoundDocument[];
}

/** Fresh containers of a round, and its load generator beside them: up, or coming up. */
interface Prepared extends AsyncDisposable {
  round: number;
  plan: Plan;
  ready: Promise<[Sides, PreparedLoad]>;
}

const prepareLoad = (round: number, plan: Plan, stack: Stack, ctx: Context) =>
  generatorFor(plan.config.load).prepare(round, plan, stack, ctx);

/** Starts fresh containers and their load generator. */
export function prepareRound(
  round: number,
  plan: Plan,
  stack: Stack,
  ctx: Context,
  load = prepareLoad(round, plan, stack, ctx),
): Prepared {
  const sides = stack.startSides(round, plan);
  const ready = Promise.all([sides, load]);
  ready.catch(() => {}); // whoever wants the round hears of it
  const dispose = async () => {
    const up = await Promise.allSettled([sides, load]); // nothing may still be starting when it is taken down
    const down = await Promise.allSettled(
      up.map((part) => (part.status === 'fulfilled' ? part.value[Symbol.asyncDispose]() : undefined)),
    );
    const failed = down.find((part) => part.status === 'rejected');
    if (failed) throw failed.reason;
  };
  return { round, plan, ready, [Symbol.asyncDispose]: dispose };
}

/** The rounds of a run, one after the other: fresh containers, warm-up, one window each. */
export class Rounds implements AsyncDisposable {
  readonly #stack: Stack;
  readonly #ctx: Context;
  #ahead: Prepared | undefined;
  /** The next round's generator: it starts and gets warm in this round's warm-up, and stands still in its window. */
  #loadAhead: Promise<PreparedLoad> | undefined;
  #dropped: Promise<void> = Promise.resolve();
  /** Metrics without a value, and what is odd about telemetry, that the user has been told of. */
  readonly #told = new Set<string>();

  constructor(stack: Stack, ctx: Context) {
    this.#stack = stack;
    this.#ctx = ctx;
  }

  measure({ round, title, plan, next, known }: RoundWanted): Promise<CollectedRound[]> {
    const [stack, ctx] = [this.#stack, this.#ctx];
    return inStep(ctx.progress, title, async (step) => {
      await using prepared = await this.#take(round, plan);
      const [sides, generator] = await prepared.ready;
      const during = this.#during(plan.config.keep ? undefined : next);
      const beside = startDuring(sides, stack, ctx);
      if (beside) during.measuring = (window) => beside.begin(window);
      // Events are still being worked on when the window is over: nothing starts beside them.
      const load = await generator.drive(sides, step, plan.config.broker ? { ...during, measured: () => {} } : during);
      const endedMs = ctx.now();
      await until(load.endSteadyMs + SETTLE_MS, stack.signal);
      const drained = await drain(load, endedMs, sides, stack, step);
      if (plan.config.broker) during.measured();
      const done = await beside?.end(load);
      void sides.keepLogs(); // beside what is waited for anyway; whoever takes the sides down waits for it
      const collected = await collect(load, sides, stack, ctx, { known, drained, during: done });
      step.done(collected.every(({ document }) => document.valid) ? undefined : 'INVALID');
      const warnings = [unreadWarnings, eventWarnings, telemetryWarnings, traceWarnings].flatMap((of) =>
        of(collected, this.#told),
      );
      for (const warning of warnings) ctx.progress.warn(warning);
      return collected;
    });
  }

  /** What is done for the next round while this one is driven. */
  #during(next: RoundWanted['next']): DuringLoad {
    const [stack, ctx] = [this.#stack, this.#ctx];
    const warmUp = () => {
      if (!next) return;
      this.#loadAhead = prepareLoad(next.round, next.plan, stack, ctx);
      this.#loadAhead.catch(() => {}); // whoever wants it hears of it
    };
    const window = async () => {
      const load = await Promise.race([this.#loadAhead?.catch(() => undefined), nextTurn(undefined)]);
      if (await load?.hold()) return;
      this.#dropped = this.#dropLoadAhead(); // it would disturb the window, so it starts anew after it
      this.#dropped.catch(() => {}); // whoever starts it anew hears of it
      if (load) await this.#dropped;
    };
    const measured = () => {
      if (!next) return;
      const held = this.#loadAhead?.then(async (load) => (await load.release(), load));
      this.#loadAhead = undefined;
      this.#ahead = prepareRound(
        next.round,
        next.plan,
        stack,
        ctx,
        held ?? this.#dropped.then(() => prepareLoad(next.round, next.plan, stack, ctx)),
      );
    };
    return { warmUp, window, measuring: () => {}, measured };
  }

  async #dropLoadAhead(): Promise<void> {
    const load = this.#loadAhead;
    this.#loadAhead = undefined;
    await (await load?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  /** What was prepared for it, or something new. */
  async #take(round: number, plan: Plan): Promise<Prepared> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead?.round === round && ahead.plan === plan) return ahead;
    await ahead?.[Symbol.asyncDispose]();
    return prepareRound(round, plan, this.#stack, this.#ctx);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dropped;
    await this.#dropLoadAhead();
    await this.#ahead?.[Symbol.asyncDispose]();
    this.#ahead = undefined;
  }
}

/** Each metric of the benchmark's own that has no value, once in a run: with its query and what that gives. */
export function unreadWarnings(
  collected: readonly Pick<CollectedRound, 'document' | 'unread'>[],
  told: Set<string>,
): string[] {
  const all = collected.flatMap(({ document: { side }, unread }) => unread.map((one) => ({ side, ...one })));
  const news = Map.groupBy(
    all.filter(({ name }) => !told.has(name)),
    ({ name, why }) => `${name} ${why}`,
  );
  for (const { name } of all) told.add(name);
  return [...news.values()].map((sides) => {
    const { name, why, promql, isLeftOut } = sides[0]!;
    const without = `no value of ${sides.map(({ side }) => side).join(' and ')}: ${why}${promql === undefined ? '' : `: ${promql}`}`;
    return isLeftOut ? `${name} is primary and is not judged: it has ${without}` : `${name} has ${without}`;
  });
}

/** How a run has ended, and why where it is not complete. */
export interface RunEnd {
  status: RunStatus;
  reason?: string;
}

/** What the plan asks for: rounds of one side, or a comparison. Every round is stored as soon as it is measured. */
export function measureRounds(stack: Stack, ctx: Context): Promise<RunEnd> {
  return stack.built.plan.pairing === 'solo' ? measureAlone(stack, ctx) : measureComparison(stack, ctx);
}

/** Until enough rounds are valid or too many were not. */
async function measureAlone(stack: Stack, ctx: Context): Promise<RunEnd> {
  const { plan } = stack.built;
  const { config, runId } = plan;
  await using rounds = new Rounds(stack, ctx);
  let valid = 0;
  let invalid = 0;
  for (let round = 1; valid < config.rounds && invalid <= config.retries; round++) {
    const title = roundTitle(round, valid, String(config.rounds));
    const next = valid + 1 < config.rounds ? { round: round + 1, plan } : undefined;
    const collected = await rounds.measure({ round, title, plan, next });
    if (await keep(collected, runId, {}, ctx)) valid++;
    else invalid++;
    const ending = round === 1 && invalid > 0 ? endingOf(collected, config.load, false) : null;
    if (ending) return { status: 'invalid', reason: ending.words };
  }
  return { status: valid < config.rounds ? 'invalid' : 'complete' };
}

/** Until the verdict is clear, the time or the rounds are used up, or too many rounds were invalid. */
async function measureComparison(stack: Stack, ctx: Context): Promise<RunEnd> {
  const { config, runId } = stack.built.plan;
  let { plan } = stack.built;
  await using rounds = new Rounds(stack, ctx);
  const beganMs = performance.now();
  const atFirst = ctx.store.run(runId).rounds.length;
  /** Each side in its first round, as long as that may end the run. */
  let firsts: CollectedRound[] | null = atFirst === 0 ? [] : null;
  /** Later rounds in which the candidate alone was not well; the sides of the last of them. */
  const late: { rounds: number[]; last: CollectedRound[] } = { rounds: [], last: [] };
  /** Whose matter it is, only the other side tells; its round is of no block, since it comes out of turn. */
  const askOther = async (other: Plan['sides'][number]) => {
    const known = ctx.store.run(runId);
    const { round } = nextRound(known, plan);
    const title = `round ${round}, to see whether it is so of ${other.name}`;
    const more = await rounds.measure({ round, title, plan: { ...plan, sides: [other] }, known: known.rounds });
    await keep(more, runId, {}, ctx);
    return more;
  };
  /** Throws where it is the candidate's own matter that it is not well. `words`: in which rounds that is so. */
  const blameLate = async (words: string | null) => {
    if (words === null) return;
    const other = otherSide(late.last, plan);
    const seen = other ? [...late.last, ...(await askOther(other))] : late.last;
    const ending = endingOf(seen, config.load, isOneCommit(plan));
    if (ending?.of === 'candidate') throw candidateError(`${words} ${ending.words}`, plan, seen);
    late.rounds = []; // the baseline is no better: it is asked again after as many rounds
  };
  for (;;) {
    const run = ctx.store.run(runId);
    // Rounds that only told that both sides at once are too much are no failures of the alternating ones.
    const count = countRounds(
      plan.pairing === 'alternating' ? { rounds: run.rounds.filter((round) => !isSaturated(round)) } : run,
    );
    const observations = observationsOf(run).length;
    const judged = judgeSoFar(run, false);
    const minutes = (performance.now() - beganMs) / 60_000;
    const measured = count.valid + count.invalid;
    if (measured > 0)
      ctx.progress.info(
        soFarText(judged, {
          observations,
          max: plan.comparison!.max,
          secondsEach: run.rounds.length > atFirst ? secondsEach(run, minutes, atFirst, observations) : null,
          secondsLeft: secondsLeft(plan, minutes),
          pairing: plan.pairing,
        }),
      );
    if (judged.decided || observations >= plan.comparison!.max) return { status: 'complete' };
    const nothing = nothingToJudge(run);
    if (nothing !== null) return { status: 'invalid', reason: nothing };
    if (count.invalid > config.retries + count.valid / 2) {
      await blameLate(lateWords(late.rounds, count.numbers));
      return { status: 'invalid' };
    }
    if (plan.comparison!.max_minutes !== undefined && minutes >= plan.comparison!.max_minutes) {
      ctx.progress.info(`${plan.comparison!.max_minutes} minutes are over`);
      return { status: observations > 0 ? 'complete' : 'invalid' };
    }

    const next = nextRound(run, plan);
    const collected = await rounds
      .measure({
        ...next,
        next:
          plan.pairing === 'interleaved' && observations + 1 < plan.comparison!.max
            ? { round: next.round + 1, plan }
            : undefined,
        known: run.rounds,
      })
      .catch((error) => (run.rounds.length === 0 ? blameAlone(error, plan, stack) : Promise.reject(error)));
    await keep(collected, runId, next.block === undefined ? {} : { block: next.block }, ctx);
    if (
      config.comparison.pairing === 'auto' &&
      plan.pairing === 'interleaved' &&
      count.valid === 0 &&
      collected.some(({ document }) => isSaturated(document))
    ) {
      plan = { ...plan, pairing: 'alternating', comparison: designComparison(config, 'alternating') };
      ctx.store.amendRun(runId, { pairing: plan.pairing, comparison: plan.comparison! });
      ctx.progress.warn(
        'both sides at once come near the limit of the CPUs: going on with alternating rounds of one side each',
      );
      continue;
    }
    if (!firsts) {
      if (!failsAlone(collected, config.load, isOneCommit(plan))) continue;
      late.rounds.push(next.round);
      late.last = collected;
      await blameLate(lateWords(late.rounds));
      continue;
    }
    firsts.push(...collected.filter(({ document: { side } }) => !firsts!.some((one) => one.document.side === side)));
    const other = otherSide(firsts, plan);
    if (other && firsts.every(({ document }) => document.valid)) continue;
    if (other && firsts.some(({ detail }) => wrongWith(detail))) firsts.push(...(await askOther(other)));
    const seen = firsts;
    firsts = null;
    const ending = seen.some(({ document }) => !document.valid) ? endingOf(seen, config.load, isOneCommit(plan)) : null;
    if (ending?.of === 'candidate') throw candidateError(ending.words, plan, seen);
    if (ending) return { status: 'invalid', reason: ending.words };
    await markIncomparable(seen, stack, ctx);
  }
}

/** Metrics whose bucket bounds differ between the sides are told, and kept as such. `firsts`: both sides. */
async function markIncomparable(firsts: readonly CollectedRound[], stack: Stack, ctx: Context): Promise<void> {
  const { runId, config } = stack.built.plan;
  const rounds = firsts.map(({ document }) => document);
  const found = await incomparableBuckets(config.metrics, rounds, (await stack.ready).prometheus);
  if (found.size === 0) return;
  const metrics = ctx.store.run(runId).metrics.map((metric): Metric => {
    const incomparable = found.get(metric.name);
    return incomparable === undefined ? metric : { ...metric, incomparable };
  });
  ctx.store.amendRun(runId, { metrics });
  for (const { name, primary, incomparable } of metrics)
    if (incomparable !== undefined)
      ctx.progress.warn(`${name} ${primary ? 'is primary and is not judged' : 'is not comparable'}: ${incomparable}`);
}

/** Why no primary metric can be judged, however many rounds follow; null where one can, or a side has no valid round. */
export function nothingToJudge({ metrics, rounds }: Pick<RunDocument, 'metrics' | 'rounds'>): string | null {
  const ofSides = (['candidate', 'baseline'] as const).map((side) => ({
    side,
    own: rounds.filter((round) => round.side === side && round.valid),
  }));
  const primary = metrics.filter((metric) => metric.primary);
  if (primary.length === 0 || ofSides.some(({ own }) => own.length === 0)) return null;
  const why = primary.flatMap(({ name, incomparable }) => {
    if (incomparable !== undefined) return [`${name}: ${incomparable}`];
    const without = ofSides.filter(({ own }) => own.every(({ samples }) => samples[name] === undefined));
    return without.length > 0 ? [`${name} has no value of ${without.map(({ side }) => side).join(' and ')}`] : [];
  });
  return why.length < primary.length ? null : `no primary metric can be judged, ${AGAIN}: ${why.join('; ')}`;
}

/** The side that is in none of these. */
const otherSide = (of: readonly CollectedRound[], { sides }: Plan) =>
  sides.find(({ name }) => of.every(({ document }) => document.side !== name));
const isOneCommit = ({ sides: [one, other] }: Plan) => one!.commit === other?.commit;

function candidateError(words: string, plan: Plan, rounds: readonly CollectedRound[]): CandidateError {
  const { unwell } = rounds.find(({ document }) => document.side === 'candidate')!;
  return new CandidateError([`${words} in ${sideText(plan.sides[0]!)}`, unwell].filter(Boolean).join('\n'), {
    hint: 'The round is kept, as INVALID: npm run show -- last has an example of each failure.',
  });
}

/** Of a side that does not start alone, in its first round: whether the other one does tells whose matter it is. */
async function blameAlone(error: unknown, plan: Plan, stack: Stack): Promise<never> {
  const failure = original(error);
  if (!(failure instanceof StartFailure) || plan.pairing !== 'alternating') throw error;
  const other = plan.sides.find(({ name }) => name !== failure.side)!;
  const alone = { ...plan, sides: [other] };
  const failed = await stack.startSides(2, alone).then(
    async (sides) => (await sides[Symbol.asyncDispose](), []),
    (second: unknown) => {
      if (second instanceof StartFailure) return [second];
      throw second;
    },
  );
  throw blameFor([failure, ...failed], plan.sides, 1);
}

const secondsLeft = ({ comparison }: Plan, minutes: number) =>
  comparison!.max_minutes === undefined ? Infinity : Math.max(0, comparison!.max_minutes - minutes) * 60;

const isSaturated = ({ reasons }: RoundDocument) => reasons.some(({ code }) => code === 'saturated');

/** Seconds that an observation of this process has taken. */
const secondsEach = (run: RunDocument, minutes: number, atFirst: number, observations: number) => {
  const share = (run.rounds.length - atFirst) / run.rounds.length;
  return observations * share > 0 ? (minutes * 60) / (observations * share) : null;
};

/** Rounds, all sides of which are valid, and others; the numbers of the others. */
function countRounds(run: Pick<RunDocument, 'rounds'>): { valid: number; invalid: number; numbers: number[] } {
  const rounds = [...Map.groupBy(run.rounds, ({ round }) => round)];
  const numbers = rounds.filter(([, sides]) => sides.some((side) => !side.valid)).map(([round]) => round);
  return { valid: rounds.length - numbers.length, invalid: numbers.length, numbers };
}

/** A round has one number, the one that it is stored under, whether or not those before were valid. */
const roundTitle = (round: number, valid: number, most: string): string =>
  valid + 1 === round ? `round ${round} of ${most}` : `round ${round} (${valid} valid so far, of ${most})`;

/** What is measured next follows from what is stored: so it does after an interrupt. */
export function nextRound(
  run: Pick<RunDocument, 'rounds'>,
  plan: Plan,
): { round: number; block?: number; title: string; plan: Plan } {
  const round = Math.max(0, ...run.rounds.map((one) => one.round)) + 1;
  const { min, max } = plan.comparison!;
  const most = min === max ? `${max}` : `at most ${max}`;
  if (plan.pairing !== 'alternating') {
    return { round, title: roundTitle(round, countRounds(run).valid, most), plan };
  }
  const blocks = Map.groupBy(
    run.rounds.filter(({ block, valid }) => block !== undefined && valid),
    (one) => one.block!,
  );
  const last = Math.max(1, ...blocks.keys());
  const full = (blocks.get(last)?.length ?? 0) >= BLOCK;
  const block = full ? last + 1 : last;
  const place = full ? 0 : (blocks.get(block)?.length ?? 0);
  const side = plan.sides.find(({ name }) => name === sideInBlock(block, place))!;
  return {
    round,
    block,
    title: `round ${round} (${side.name}; ${place + 1} of ${BLOCK} in block ${block} of ${most})`,
    plan: { ...plan, sides: [side] },
  };
}

/** Stores a round; true when all its sides are valid. */
async function keep(
  collected: CollectedRound[],
  runId: string,
  more: Partial<RoundDocument>,
  ctx: Context,
): Promise<boolean> {
  for (const { document, detail } of collected) ctx.store.saveRound(runId, { ...document, ...more }, detail);
  const reasons = collected.flatMap(({ document }) =>
    document.reasons.map((reason) => `${document.side}: ${reason.message}`),
  );
  for (const reason of reasons) ctx.progress.warn(`round ${collected[0]!.document.round} is INVALID: ${reason}`);
  return reasons.length === 0;
}
