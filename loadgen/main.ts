/**
 * The load generator. `node main.ts run`: warms up, says that it is ready, waits for its go (SIGUSR2, or none where the
 * plan says so), makes the load, says what it measured, and answers Prometheus until it is ended. `node main.ts check`:
 * loads the script and tries it against a server of its own. Exit codes: 0, 2 the script is at fault, 3 it could not go
 * on. The plan: loadgen/plan.ts; what it says on standard output: loadgen/result.ts.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import { clockMs, unixOffsetMs } from './clock.ts';
import { faultOf, placeIn } from './faults.ts';
import { LiveReader, newCells, serveMetrics } from './live.ts';
import { endsWithUsers, type LoadPlan, PLAN_VARIABLE, windowS } from './plan.ts';
import { type LoadEvent, type LoadResultDocument, REQUESTS_FILE, RESULT_FOLDER } from './result.ts';
import { partsOf } from './schedule.ts';
import { keptRequests, sideOfScenarios, sideResult } from './summary.ts';
import { type FromSender, startSender, type ToSender, windowAfterMs } from './threads.ts';
import { VERSION } from './version.ts';
import { startWarmServers } from './warm.ts';

const EXIT = { usage: 2, generator: 3 } as const;
/** Iterations that a try makes. */
const TRIES = 200;
/** Milliseconds between the go and the first iteration: each thread lays out its schedule meanwhile. */
const LEAD_MS = 50;

/** Milliseconds that a thread may be silent beyond its time. */
const SILENT_MS = 40_000;

const say = (event: LoadEvent) => process.stdout.write(`${JSON.stringify(event)}\n`);

function fail(kind: 'usage' | 'generator', message: string, hint?: string): never {
  say({ event: 'fault', kind, message, ...(hint === undefined ? {} : { hint }) });
  process.exit(EXIT[kind]); // what was written to a pipe or a file has been written: both are synchronous
}

/** What a thread was ended by: most likely what the script has thrown where nobody waited for it. */
function uncaught(error: unknown): never {
  const { message } = faultOf(error);
  return placeIn((error as Error | null)?.stack ?? '')
    ? fail('usage', message, 'Nobody waited for it. Await what the script starts, or catch what it throws.')
    : fail('generator', `a thread of the load generator ended: ${message}`);
}

/** One message of a kind from each thread. */
class Threads {
  readonly workers: Worker[] = [];
  readonly #reader: LiveReader;
  readonly #script: string | null;
  #waiting: { said: string; messages: FromSender[]; resolve: (all: any[]) => void } | null = null;

  constructor(plan: LoadPlan, warm: { one: number; two: number }, tries: number, reader: LiveReader) {
    this.#reader = reader;
    this.#script = plan.script;
    for (let index = 0; index < plan.workers; index++) {
      const cells = partsOf(plan).map(() => newCells());
      const worker = startSender({
        sender: true,
        plan,
        index,
        cells,
        warm: { one: warm.one, two: warm.two },
        tries,
        epochMs: unixOffsetMs(),
      });
      const news = cells.map((own) => this.#reader.add(own));
      worker.on('message', (message: FromSender) =>
        'live' in message ? news[message.part]!(message) : this.#heard(message),
      );
      worker.on('error', (error) => uncaught(error));
      worker.on('exit', () =>
        fail('usage', `${plan.script} ended a thread of the load generator: does it call process.exit()?`),
      );
      this.workers.push(worker);
    }
  }

  tell(message: ToSender, to = this.workers): void {
    for (const worker of to) worker.postMessage(message);
  }

  next<S extends 'ready' | 'set-up' | 'ended'>(
    said: S,
    { count = this.workers.length, withinMs }: { count?: number; withinMs?: number } = {},
  ): Promise<Extract<FromSender, { said: S }>[]> {
    const silent =
      withinMs === undefined
        ? undefined
        : setTimeout(
            () =>
              fail(
                'usage',
                `${this.#script} keeps the load generator busy and never lets go`,
                'Does it loop without waiting for anything?',
              ),
            withinMs + SILENT_MS,
          );
    return new Promise((resolve) => {
      const heard = (all: any[]) => {
        if (all.length < count) return;
        clearTimeout(silent);
        resolve(all);
      };
      this.#waiting = { said, messages: [], resolve: heard };
    });
  }

  #heard(message: Exclude<FromSender, { live: string }>): void {
    if (message.said === 'fault') fail(message.kind, message.message, message.hint);
    if (this.#waiting?.said !== message.said) return;
    this.#waiting.messages.push(message);
    this.#waiting.resolve(this.#waiting.messages);
  }
}

/**
 * Without the two compilers that may keep Node.js 24 from ending (scripts/setup/v8.cjs): somebody waits for the end.
 */
function toEnd(): void {
  setFlagsFromString('--no-maglev');
  setFlagsFromString('--no-concurrent-sparkplug');
}

async function check(plan: LoadPlan): Promise<void> {
  toEnd();
  const warm = await startWarmServers();
  const threads = new Threads({ ...plan, workers: 1 }, warm, TRIES, readerOf(plan));
  const [ready] = await threads.next('ready', { withinMs: 0 });
  say({ event: 'checked', files: ready!.files });
  process.exit(0);
}

const readerOf = (plan: LoadPlan) => new LiveReader({ sides: plan.sides, maxInFlight: plan.maxInFlight });

async function run(plan: LoadPlan): Promise<void> {
  const go = plan.waitForGo
    ? new Promise<void>((resolve) => process.once('SIGUSR2', () => resolve()))
    : Promise.resolve();
  const reader = readerOf(plan);
  if (plan.metrics === null) toEnd();
  else
    await serveMetrics(reader, plan.metrics).catch((error) =>
      fail('generator', `the metrics cannot be served at ${plan.metrics}: ${error.message}`),
    );
  const warm = await startWarmServers();
  const threads = new Threads(plan, warm, Infinity, reader);
  await threads.next('ready', { withinMs: plan.warmS * 1000 });
  warm.close();
  say({ event: 'ready' });
  await go;

  const first = threads.workers.slice(0, 1);
  const prepared = threads.next('set-up', { count: 1 });
  threads.tell({ do: 'set-up' }, first);
  const data = (await prepared)[0]!.data;

  const zeroMs = clockMs() + LEAD_MS;
  const epochMs = unixOffsetMs();
  const startMs = zeroMs + windowAfterMs(plan) + epochMs;
  say({ event: 'window', startMs, endMs: startMs + windowS(plan.model) * 1000 });
  const loadMs = windowAfterMs(plan) + windowS(plan.model) * 1000;
  const ended = threads.next('ended', { withinMs: LEAD_MS + loadMs + plan.timeoutS * 1000 });
  threads.tell({ do: 'go', zeroMs, data });
  const parts = await ended;
  const endMs = Math.max(...parts.map((part) => part.endMs)) + epochMs;
  say({ event: 'ended', endMs });
  say({
    event: 'result',
    result: await resultOf(plan, parts, epochMs, {
      startMs,
      endMs: endsWithUsers(plan.model) ? endMs : startMs + windowS(plan.model) * 1000,
    }),
  });
  if (plan.metrics === null) process.exit(0);
}

async function resultOf(
  plan: LoadPlan,
  ended: Extract<FromSender, { said: 'ended' }>[],
  epochMs: number,
  window: { startMs: number; endMs: number },
): Promise<LoadResultDocument> {
  const threads = ended.flatMap(({ parts }) => parts.map(({ recorded }) => recorded));
  const of = threads.reduce((sum, { rows }) => sum + rows.count, 0);
  const requests = keptRequests(
    threads,
    plan.sides.map(({ name }) => name),
  );
  const rows = requests.due.length;
  const folder = process.env.MAYFLY_RESULT_FOLDER ?? RESULT_FOLDER;
  await mkdir(folder, { recursive: true });
  const capped = rows < of;
  const { METADATA, writeRequests } = await import('./requests-file.ts'); // not before: it takes memory
  await writeRequests(join(folder, REQUESTS_FILE), requests, {
    ...plan.labels,
    [METADATA.round]: String(plan.round),
    [METADATA.windowStartMs]: String(Math.round(window.startMs)),
    [METADATA.of]: String(of),
    ...(capped ? { [METADATA.cap]: String(plan.keepRows) } : {}),
  });
  /** Of a scenario, of all threads. */
  const sentOf = (part: number, side: number) => {
    const all = ended.map(({ parts }) => parts[part]!);
    const count = (phase: 'warmup' | 'measure') => all.reduce((sum, { due }) => sum + due[phase][side]!, 0);
    const lastMs = Math.max(...all.map(({ endedMs }) => endedMs[side]!));
    return {
      threads: all.map(({ recorded }) => recorded),
      due: { warmup: count('warmup'), measure: count('measure') },
      endedS: lastMs === 0 ? null : (lastMs + epochMs - window.startMs) / 1000,
    };
  };
  const { model } = plan;
  return {
    schema: 'mayfly.load/v1',
    generator: `mayfly ${VERSION}`,
    model: model.kind,
    round: plan.round,
    seed: plan.seed,
    window,
    sides: plan.sides.map(({ name }, side) =>
      model.kind === 'scenarios'
        ? sideOfScenarios(
            model.scenarios.map((scenario, part) => ({ scenario, ...sentOf(part, side) })),
            side,
            name,
          )
        : sideResult(threads, side, name, sentOf(0, side).due, model.kind === 'open'),
    ),
    kept: { rows, of, ...(capped ? { cap: plan.keepRows } : {}) },
  };
}

process.on('SIGTERM', () => process.exit(0));
process.on('uncaughtException', (error) => fail('generator', `the load generator failed: ${error.message}`));
const mode = process.argv[2];
const plan = JSON.parse(process.env[PLAN_VARIABLE] ?? 'null') as LoadPlan | null;
if (plan?.schema !== 'mayfly.load-plan/v1' || (mode !== 'run' && mode !== 'check'))
  fail('usage', `usage: ${PLAN_VARIABLE}='{"schema":"mayfly.load-plan/v1",...}' node main.ts run|check`);
await (mode === 'run' ? run(plan) : check(plan));
