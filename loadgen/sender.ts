/**
 * A thread that sends: it loads the script, warms up against the server in the generator itself, and makes its share of
 * the iterations. Iterations are shared out in blocks of four, so that each thread keeps the order of the sides.
 */
import { Console } from 'node:console';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { clockMs } from './clock.ts';
import { failure } from './failures.ts';
import { faultOf, ScriptFault } from './faults.ts';
import { openHttp } from './http.ts';
import { Iterating, type Place, type Shared, type SideState } from './iterating.ts';
import { LiveWriter, newCells } from './live.ts';
import type { Iterate, LoadScript } from './load.ts';
import type { LoadPlan, SingleModel } from './plan.ts';
import { MEASURE, type Phase, type Recorded, Recorder, WARMUP } from './recorder.ts';
import { type Row, type Rows, readRows } from './rows.ts';
import { dueTimes, dueTimesOfRows, type Part, pairOf, partsOf, sideIndexOf, warmupTimes } from './schedule.ts';
import { filesOfScript, iterateOf, loadScript } from './script.ts';
import { type FromSender, type SenderData, type Sent, type ToSender, windowAfterMs } from './threads.ts';
import { Timer, withoutTimerSlack } from './timer.ts';

/** Rows of memory for what is tried only. */
const TRIED_ROWS = 0;
/** Requests under way at once while the paths are run warm. */
const WARM_AT_ONCE = 8;
/**
 * What a try may wait for beyond its time: it is answered at once, so what takes longer waits for what is not there
 * yet.
 */
const PATIENCE_MS = 2000;
/** Milliseconds of warming on a schedule, at the end, and what is waited for after it. */
const PACED_MS = 250;
const PACED_PATIENCE_MS = 1000;
/** Milliseconds that an iteration has beyond the time-out of its last request. */
const SLACK_MS = 1000;
/**
 * Iterations that are started in a row where many are due at once, after a stall: the answers to those before free
 * their connections meanwhile. All in a row would each open a new one, which takes longer than the stall did, and so
 * on.
 */
const BURST = 4;
/** How often requests that take too long are looked for. */
const LOOK_MS = 50;

const tell = (message: FromSender, transfer: ArrayBuffer[] = []) => parentPort!.postMessage(message, transfer);

/** A scenario in this thread, with users and connections of its own. Of a load without scenarios there is one. */
interface Lane {
  part: Part;
  iterate: Iterate<any>;
  states: SideState[];
  shared: Shared;
  /** Of an open model. */
  timer: Timer | null;
}

async function run(data: SenderData): Promise<void> {
  const { plan, index, cells } = data;
  const parts = partsOf(plan);
  const timers = parts.map((part) => (part.plan.model.kind === 'open' && data.tries === Infinity ? new Timer() : null));
  globalThis.console = new Console(process.stderr, process.stderr);
  process.once('beforeExit', () =>
    tell({
      said: 'fault',
      kind: 'usage',
      message: `${plan.script} waits for what never comes`,
      hint: 'Is there an await at its top level?',
    }),
  ); // nothing is left to do, and it is not loaded
  const script = await loadScript(
    plan.script,
    parts.flatMap(({ name }) => name ?? []),
  );
  // Packages that a script needs only where it says so are loaded only then: each costs memory, and time before the
  // start.
  const grpc = script.options.grpc ? await import('./grpc.ts') : null;
  const methods = grpc?.loadMethods(script.options);
  const cookies = script.options.cookies ? (await import('./cookies.ts')).newJar : null;
  const rows =
    plan.model.kind === 'open' && plan.model.arrivals === 'file'
      ? readRows(plan.model.file, plan.model.durationS)
      : null;
  const timeoutMs = plan.timeoutS * 1000;
  const openSides = (maxInFlight: number, urls: { http: string; grpc: string }[], via?: string): SideState[] =>
    plan.sides.map((side, i) => ({
      index: i,
      name: side.name,
      url: side.url,
      target: plan.target,
      data: undefined,
      inFlight: 0,
      http: openHttp(script.options, {
        url: urls[i]!.http,
        target: plan.target,
        via,
        maxInFlight,
        timeoutMs,
      }),
      grpc: grpc ? grpc.openGrpc(methods!, script.options, { url: urls[i]!.grpc, target: plan.target, via }) : null,
    }));
  const sharedBy = ({ plan: { seed, model } }: Part, recorder: Recorder, trying: boolean): Shared => ({
    recorder,
    seed,
    timeoutMs,
    newJar: cookies,
    open: new Set(),
    trying,
    windowMs: 0,
    epochMs: data.epochMs,
    scheduled: model.kind === 'open',
  });
  const laneOf = (part: Part, i: number, states: SideState[], recorder: Recorder, trying: boolean): Lane => ({
    part,
    iterate: iterateOf(script, part.name),
    states,
    shared: sharedBy(part, recorder, trying),
    timer: timers[i]!,
  });

  const warming = parts.map((part, i) =>
    laneOf(
      part,
      i,
      openSides(
        part.plan.maxInFlight,
        plan.sides.map(() => ({
          http: `http://127.0.0.1:${script.options.http?.version === 2 ? data.warm.two : data.warm.one}`,
          grpc: `http://127.0.0.1:${data.warm.two}`,
        })),
      ),
      new Recorder(plan.sides.length, new LiveWriter(newCells(), () => {}), TRIED_ROWS),
      true,
    ),
  );
  await warmUp(warming, script, data, rows);
  for (const { http, grpc } of warming.flatMap(({ states }) => states)) {
    void http.close();
    grpc?.close();
  }

  const lanes = parts.map((part, i) =>
    laneOf(
      part,
      i,
      openSides(
        part.plan.maxInFlight,
        plan.sides.map(({ url }) => ({ http: url, grpc: url })),
        plan.via,
      ),
      new Recorder(
        plan.sides.length,
        new LiveWriter(cells[i]!, (news) => tell({ ...news, part: i })),
        Math.ceil(plan.keepRows / (plan.workers * parts.length)),
        part.plan.model.kind === 'open',
      ),
      false,
    ),
  );
  const given = (all: readonly unknown[]) =>
    lanes.forEach(({ states }) => states.forEach((state, side) => (state.data = all[side])));
  withoutTimerSlack();
  const looking = setInterval(() => lanes.forEach(({ shared }) => expire(shared)), LOOK_MS);
  parentPort!.on('message', async (message: ToSender) => {
    try {
      if (message.do === 'set-up') {
        const [{ shared, states }] = lanes as [Lane];
        const made = await setUp(script, shared, states, plan);
        given(states.map((state) => state.data));
        return tell({ said: 'set-up', data: made });
      }
      if (message.data) given(message.data);
      for (const { shared } of lanes) shared.windowMs = message.zeroMs + windowAfterMs(plan);
      const sent = await Promise.all(
        lanes.map(({ part: { plan: own, startS }, shared, states, iterate, timer }) =>
          own.model.kind === 'closed'
            ? sendClosed(own.model, shared, states, iterate, own, index, startS)
            : sendOpen(own.model, shared, states, iterate, own, index, message.zeroMs, startS, rows, timer!),
        ),
      );
      const endMs = clockMs();
      clearInterval(looking);
      await Promise.all(timers.map((timer) => timer?.close()));
      await Promise.all(lanes.flatMap(({ states }) => states.map(({ http }) => http.close())));
      const recorded = lanes.map(({ shared }) => shared.recorder.recorded());
      tell(
        { said: 'ended', parts: sent.map((one, i) => ({ ...one, recorded: recorded[i]! })), endMs },
        recorded.flatMap(buffersOf),
      );
    } catch (error) {
      tell({ said: 'fault', kind: error instanceof ScriptFault ? 'usage' : 'generator', ...faultOf(error) });
    }
  });
  tell({ said: 'ready', files: filesOfScript() });
}

function expire(shared: Shared): void {
  const nowMs = clockMs();
  for (const request of shared.open) if (request.deadlineMs < nowMs) request.expire();
}

const buffersOf = ({ rows, response, startLag, journeys }: Recorded): ArrayBuffer[] =>
  [
    ...Object.values(rows).filter((column): column is Float64Array<ArrayBuffer> => typeof column === 'object'),
    ...response,
    ...startLag,
    ...journeys.map(({ durations }) => durations),
  ].map(({ buffer }) => buffer as ArrayBuffer);

/** Runs the script's and the generator's own paths until Node.js has compiled them; the script's faults show here. */
async function warmUp(
  lanes: readonly Lane[],
  script: LoadScript,
  { plan, tries, index }: SenderData,
  rows: Rows | null,
): Promise<void> {
  let fault: ScriptFault | undefined;
  const early = lanes.map((): unknown[] => []);
  lanes.forEach(({ shared }, i) => {
    shared.onFault = (error) => (fault ??= error);
    shared.onEarly = (error) => early[i]!.push(error);
  });
  const looking = setInterval(() => lanes.forEach(({ shared }) => expire(shared)), LOOK_MS);
  try {
    const { setUp: work } = script.options;
    const [{ shared: first, states: sides }] = lanes as readonly [Lane];
    if (work) {
      await Promise.race([
        Promise.all(sides.map(async (state) => (state.data = await once(work, first, state).catch(ignoreButFaults)))),
        sleep(PATIENCE_MS, undefined, { ref: false }),
      ]);
      for (const { states } of lanes) states.forEach((state, side) => (state.data = sides[side]!.data));
    }
    const endMs = clockMs() + plan.warmS * 1000;
    let all = 0;
    const made = lanes.map(() => 0);
    const another = () => !fault && all < tries && (clockMs() < endMs || tries < Infinity);
    const loop = async () => {
      while (another()) {
        const turn = all++ % lanes.length; // the scenarios in turn
        const { shared, states, iterate, part } = lanes[turn]!;
        const n = made[turn]!++;
        await new Promise<void>((resolve) =>
          start(n, WARMUP, clockMs(), shared, states, iterate, part.plan, rows?.rows ?? null, resolve),
        );
      }
    };
    const over = sleep(plan.warmS * 1000 + PATIENCE_MS, undefined, { ref: false });
    await Promise.race([Promise.all(Array.from({ length: Math.min(WARM_AT_ONCE, plan.maxInFlight) }, loop)), over]);
    if (fault) throw fault;
    const setUpFailed = work && sides.some(({ data }) => data === undefined);
    for (const [i, errors] of early.entries())
      if (errors.length > 0 && errors.length === made[i] && !setUpFailed) throw errors[0];
    await Promise.all(lanes.map((lane) => pace(lane, index, rows)));
    if (fault) throw fault;
  } finally {
    clearInterval(looking);
  }
}

/** An open model on a schedule: the timer's thread is up, and its way to this one is run warm. */
async function pace(
  { part: { plan }, shared, states, iterate, timer }: Lane,
  index: number,
  rows: Rows | null,
): Promise<void> {
  if (!timer || plan.model.kind !== 'open') return;
  await timer.up;
  const paced = {
    ...plan,
    warmupS: 0,
    gapS: 0.02,
    model: {
      kind: 'open',
      arrivals: 'constant',
      rate: Math.max(100, Math.min(2000, plan.model.rate)),
      durationS: PACED_MS / 1000,
    } as const,
  };
  await sendOpen(paced.model, shared, states, iterate, paced, index, clockMs(), 0, rows, timer, PACED_PATIENCE_MS);
}

/** The generator's own server does not answer as the service does. */
function ignoreButFaults(error: unknown): undefined {
  if (error instanceof ScriptFault) throw error;
}

/** `setUp` for one side, as an iteration that is not counted. */
function once(work: NonNullable<LoadScript['options']['setUp']>, shared: Shared, state: SideState): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const uncounted = {
      ...shared,
      recorder: new Recorder(2, new LiveWriter(newCells(), () => {}), TRIED_ROWS),
      onFault: reject,
    };
    new Iterating(uncounted, state, { phase: WARMUP, pair: 0, user: 0, dueMs: clockMs(), lagMs: 0 }, () => {}).run(
      async (iteration) => {
        try {
          resolve(await work(iteration));
        } catch (error) {
          reject(error);
        }
      },
    );
  });
}

async function setUp(
  script: LoadScript,
  shared: Shared,
  states: SideState[],
  plan: LoadPlan,
): Promise<unknown[] | null> {
  const { setUp: work } = script.options;
  if (!work) return null;
  for (const state of states) {
    state.data = await once(work, shared, state).catch((error) => {
      throw new ScriptFault(
        `setUp for ${state.name} failed: ${faultOf(error).message}`,
        'The services are up by then; does it ask for what there is?',
      );
    });
  }
  if (plan.workers === 1) return null;
  try {
    return structuredClone(states.map(({ data }) => data));
  } catch (error) {
    throw new ScriptFault(
      `what setUp returns cannot go to the other workers: ${(error as Error).message}`,
      'Return plain values, or load with one worker.',
    );
  }
}

/** Starts an iteration: its n-th of the phase, due at that moment. `onEnd` is called in any case. */
function start(
  n: number,
  phase: Phase,
  dueMs: number,
  shared: Shared,
  states: SideState[],
  iterate: Iterate<any>,
  plan: LoadPlan,
  rows: readonly Row[] | null,
  onEnd?: () => void,
): void {
  const state = states[sideIndexOf(n, states.length, plan.seed)]!;
  const { recorder } = shared;
  if (state.inFlight >= plan.maxInFlight) {
    recorder.dropped(phase, state.index);
    onEnd?.();
    return;
  }
  const lagMs = Math.max(0, clockMs() - dueMs);
  recorder.started(phase, state.index, lagMs / 1000);
  recorder.inFlight(state.index, ++state.inFlight);
  const pair = pairOf(n, states.length);
  const place: Place = { phase, pair, user: 0, dueMs, lagMs, row: rows?.[pair % rows.length], jar: undefined };
  new Iterating(shared, state, place, () => {
    recorder.inFlight(state.index, --state.inFlight);
    onEnd?.();
  }).run(iterate);
}

interface Share {
  /** Numbers of the iterations in their phase. */
  numbers: Uint32Array;
  dueMs: Float64Array;
}

/** What one of the threads has of a phase. */
function shareOf(due: Float64Array, fromMs: number, index: number, workers: number): Share {
  const numbers: number[] = [];
  for (let n = 0; n < due.length; n++) if (Math.floor(n / 4) % workers === index) numbers.push(n);
  return { numbers: Uint32Array.from(numbers), dueMs: Float64Array.from(numbers, (n) => fromMs + due[n]!) };
}

/** Iterations of a side in a schedule that goes to two sides in turn. */
const perSide = ({ numbers }: Share, sides: number, seed: number): number[] => {
  const counts = Array.from({ length: sides }, () => 0);
  for (const n of numbers) counts[sideIndexOf(n, sides, seed)]!++;
  return counts;
};

async function sendOpen(
  model: Extract<SingleModel, { kind: 'open' }>,
  shared: Shared,
  states: SideState[],
  iterate: Iterate<any>,
  whole: LoadPlan,
  index: number,
  zeroMs: number,
  startS: number,
  rows: Rows | null,
  timer: Timer,
  patienceMs = shared.timeoutMs + SLACK_MS,
): Promise<Sent> {
  const sides = states.length;
  // Each thread may have its share under way.
  const plan = { ...whole, maxInFlight: Math.max(1, Math.floor((whole.maxInFlight + index) / whole.workers)) };
  const warmup = shareOf(warmupTimes(model.rate, plan.warmupS, sides, plan.seed), zeroMs, index, plan.workers);
  const measure = shareOf(
    model.arrivals === 'file' ? dueTimesOfRows(rows!.at, sides) : dueTimes(model, sides, plan.seed),
    zeroMs + windowAfterMs(plan) + startS * 1000,
    index,
    plan.workers,
  );
  const warmCount = warmup.numbers.length;
  const count = warmCount + measure.numbers.length;
  const due = new Float64Array(new SharedArrayBuffer(count * 8));
  due.set(warmup.dueMs);
  due.set(measure.dueMs, warmCount);
  const flag = timer.keep(due);
  let underWay = 0;
  let idle: (() => void) | null = null;
  const ended = () => {
    if (--underWay === 0) idle?.();
  };
  for (let sent = 0; sent < count; ) {
    const dueNow = Atomics.load(flag, 0);
    if (dueNow === sent) {
      const more = Atomics.waitAsync(flag, 0, sent);
      if (more.async) await more.value;
      continue;
    }
    for (let burst = 0; sent < dueNow && burst < BURST; burst++) {
      const inWindow = sent >= warmCount;
      const n = inWindow ? measure.numbers[sent - warmCount]! : warmup.numbers[sent]!;
      underWay++;
      start(n, inWindow ? MEASURE : WARMUP, due[sent]!, shared, states, iterate, plan, rows?.rows ?? null, ended);
      sent++;
    }
    if (sent < dueNow) await nextTurn();
  }
  await drained(
    () => underWay === 0,
    (resolve) => (idle = resolve),
    shared,
    states,
    patienceMs,
  );
  return {
    due: { warmup: perSide(warmup, sides, plan.seed), measure: perSide(measure, sides, plan.seed) },
    endedMs: states.map(() => 0),
  };
}

/** Each request ends by its time-out; an iteration that goes on all the same is cut off here. */
async function drained(
  isIdle: () => boolean,
  onIdle: (resolve: () => void) => void,
  shared: Shared,
  states: SideState[],
  patienceMs: number,
): Promise<void> {
  if (isIdle()) return;
  const how = await Promise.race([new Promise<void>(onIdle), sleep(patienceMs, 'over')]);
  if (how !== 'over') return;
  await cutOff(shared);
  for (const { index, inFlight } of states)
    for (let i = 0; i < inFlight; i++) shared.recorder.threw(MEASURE, index, endless(patienceMs));
}

/** Ends requests with a longer time-out of their own, and iterations that waited for nothing else. */
async function cutOff(shared: Shared): Promise<void> {
  for (const request of shared.open) request.expire();
  await nextTurn();
}

const endless = (afterMs: number) =>
  failure('timeout', 'iteration', `it had not ended ${afterMs / 1000} s after the load`);

/** N users make their iterations one after the other, on each side. */
async function sendClosed(
  model: Extract<SingleModel, { kind: 'closed' }>,
  shared: Shared,
  states: SideState[],
  iterate: Iterate<any>,
  plan: LoadPlan,
  index: number,
  startS: number,
): Promise<Sent> {
  const startMs = shared.windowMs + startS * 1000;
  // a timer may be a millisecond early
  while (clockMs() < startMs) await sleep(Math.ceil(startMs - clockMs()));
  const endMs = clockMs() + model.limitS * 1000;
  const due = states.map(() => 0);
  const endedMs = states.map(() => 0);
  const users: Promise<void>[] = [];
  for (let user = 0; user < model.users; user++) {
    if (user % plan.workers !== index) continue;
    // Which side a user's first request goes to is drawn, as in an open model.
    const order = states.length === 2 && sideIndexOf(user * 2, 2, plan.seed) === 1 ? states.toReversed() : states;
    for (const state of order) {
      due[state.index]! += model.iterations;
      const onEnd = () => (endedMs[state.index] = clockMs());
      users.push(oneUser(user, state, model, shared, iterate, endMs, onEnd));
    }
  }
  await Promise.all(users);
  return { due: { warmup: states.map(() => 0), measure: due }, endedMs };
}

async function oneUser(
  user: number,
  state: SideState,
  { iterations, thinkS }: Extract<SingleModel, { kind: 'closed' }>,
  shared: Shared,
  iterate: Iterate<any>,
  endMs: number,
  onEnd: () => void,
): Promise<void> {
  const { recorder } = shared;
  const jar = shared.newJar?.();
  const patienceMs = shared.timeoutMs + SLACK_MS;
  let cut = () => {};
  const late = setTimeout(() => cut(), Math.max(0, endMs - clockMs()) + patienceMs);
  let made = 0;
  for (; made < iterations; made++) {
    const thinkMs = made > 0 ? thinkS * 1000 : 0;
    if (clockMs() + thinkMs >= endMs) break;
    if (thinkMs > 0) await sleep(thinkMs);
    const place: Place = { phase: MEASURE, pair: user * iterations + made, user, dueMs: clockMs(), lagMs: 0, jar };
    recorder.inFlight(state.index, ++state.inFlight);
    const ended = await new Promise<boolean>((resolve) => {
      cut = () => void cutOff(shared).then(() => resolve(false));
      new Iterating(shared, state, place, () => resolve(true)).run(iterate);
    });
    onEnd();
    recorder.inFlight(state.index, --state.inFlight);
    if (ended) continue;
    recorder.threw(MEASURE, state.index, endless(patienceMs));
    made++;
    break;
  }
  clearTimeout(late);
  for (; made < iterations; made++) recorder.dropped(MEASURE, state.index);
}

if (!isMainThread && (workerData as SenderData | null)?.sender) {
  run(workerData as SenderData).catch((error) => tell({ said: 'fault', kind: 'usage', ...faultOf(error) }));
}
