/** From what the threads have recorded to the result. Pure. */

import type { Scenario, SideName } from './plan.ts';
import type { Recorded } from './recorder.ts';
import type { RequestColumns } from './requests-file.ts';
import type { Answers, Failures, ScenarioResult, SideResult, Times } from './result.ts';

/** Exact figures of values in seconds; null of none. Sorts them. */
export function timesOf(values: Float32Array): Times | null {
  const count = values.length;
  if (count === 0) return null;
  values.sort();
  let sum = 0;
  for (const value of values) sum += value;
  const q = (share: number) => quantile(values, share);
  return {
    count,
    avg: sum / count,
    min: values[0]!,
    med: q(0.5),
    max: values[count - 1]!,
    p90: q(0.9),
    p95: q(0.95),
    p99: q(0.99),
    p999: q(0.999),
  };
}

/** Linear between the neighbours (type 7 of Hyndman and Fan, 1996). The values are sorted, and there is one. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = (sorted.length - 1) * share;
  const below = Math.floor(at);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (at - below);
}

const joined = (parts: Float32Array[]): Float32Array => {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Requests of one side, by name: latencies of those that did not fail. */
interface Named {
  latency: Float32Array;
  requests: number;
  failed: number;
}

/** All in one pass for each thread: there may be millions of rows. */
function byName(threads: readonly Recorded[], side: number): Map<string, Named> {
  const counts = new Map<string, { requests: number; failed: number }>();
  const each = (visit: (name: string, thread: Recorded, row: number) => void) => {
    for (const thread of threads) {
      const { rows, names } = thread;
      for (let row = 0; row < rows.count; row++)
        if (rows.side[row] === side) visit(names[rows.name[row]!]!, thread, row);
    }
  };
  each((name, { rows }, row) => {
    let count = counts.get(name);
    if (!count) counts.set(name, (count = { requests: 0, failed: 0 }));
    count.requests++;
    if (rows.failure[row] !== 0) count.failed++;
  });
  const named = new Map(
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => [name, { ...count, latency: new Float32Array(count.requests - count.failed), at: 0 }]),
  );
  each((name, { rows }, row) => {
    const one = named.get(name)!;
    if (rows.failure[row] === 0) one.latency[one.at++] = rows.latency[row]!;
  });
  return named;
}

const total = (numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0);

export function sideResult(
  threads: readonly Recorded[],
  side: number,
  name: SideName,
  due: { warmup: number; measure: number },
  scheduled: boolean,
): SideResult {
  const of = (pick: (thread: Recorded) => number[]) => total(threads.map((thread) => pick(thread)[side]!));
  const named = byName(threads, side);
  return {
    side: name,
    due: due.measure,
    iterations: of((thread) => thread.iterations),
    dropped: {
      warmup: total(threads.map((thread) => thread.dropped[side]!.warmup)),
      measure: total(threads.map((thread) => thread.dropped[side]!.measure)),
    },
    requests: of((thread) => thread.requests),
    failed: of((thread) => thread.failed),
    bytesReceived: of((thread) => thread.bytes),
    bytesSent: of((thread) => thread.bytesSent),
    latency: timesOf(joined([...named.values()].map(({ latency }) => latency))),
    response: scheduled ? durationsOf(threads, side) : null,
    startLag: scheduled ? lagsOf(threads, side) : null,
    ...(scheduled ? {} : { duration: durationsOf(threads, side) }),
    names: [...named].map(([one, { requests, latency, failed }]) => ({
      name: one,
      requests,
      failed,
      latency: timesOf(latency),
      answers: answersOf(threads, side, one),
    })),
    journeys: journeysOf(threads, side),
    failures: failuresOf(threads, side),
  };
}

const durationsOf = (threads: readonly Recorded[], side: number) =>
  timesOf(joined(threads.map((thread) => thread.response[side]!)));
const lagsOf = (threads: readonly Recorded[], side: number) =>
  timesOf(joined(threads.map((thread) => thread.startLag[side]!)));

/** What was sent of one scenario to one side. */
interface ScenarioSent {
  scenario: Scenario;
  threads: readonly Recorded[];
  due: { warmup: number; measure: number };
  /** Of a closed model: when its last iteration ended, seconds from the start of the window; null where none did. */
  endedS: number | null;
}

/** All scenarios together, and each by itself. What counts from a schedule is of those that have one. */
export function sideOfScenarios(sent: readonly ScenarioSent[], side: number, name: SideName): SideResult {
  const due = (phase: 'warmup' | 'measure') => total(sent.map((one) => one.due[phase]));
  const {
    duration: _mixed,
    names,
    journeys,
    failures,
    ...all
  } = sideResult(
    sent.flatMap(({ threads }) => threads),
    side,
    name,
    { warmup: due('warmup'), measure: due('measure') },
    false,
  );
  const scheduled = sent.filter(({ scenario }) => scenario.model.kind === 'open').flatMap(({ threads }) => threads);
  return {
    ...all,
    response: durationsOf(scheduled, side),
    startLag: lagsOf(scheduled, side),
    scenarios: sent.map((one) => scenarioResult(one, side)),
    names,
    journeys,
    failures,
  };
}

function scenarioResult({ scenario, threads, due, endedS }: ScenarioSent, side: number): ScenarioResult {
  const of = (pick: (thread: Recorded) => number[]) => total(threads.map((thread) => pick(thread)[side]!));
  const dropped = (phase: 'warmup' | 'measure') => total(threads.map((thread) => thread.dropped[side]![phase]));
  const duration = durationsOf(threads, side);
  const done = duration?.count ?? 0;
  return {
    name: scenario.name,
    model: scenario.model.kind,
    due: due.measure,
    iterations: of((thread) => thread.iterations),
    dropped: { warmup: dropped('warmup'), measure: dropped('measure') },
    done,
    failed: due.measure - dropped('measure') - done,
    requests: of((thread) => thread.requests),
    bytesSent: of((thread) => thread.bytesSent),
    duration,
    startLag: scenario.model.kind === 'open' ? lagsOf(threads, side) : null,
    endedS,
  };
}

/** Of all threads together: means and squares are laid over each other (Chan, Golub, LeVeque 1979). */
function answersOf(threads: readonly Recorded[], side: number, name: string): Answers[] {
  const all = threads.flatMap(({ names, answers }) => {
    const number = names.indexOf(name);
    return answers.filter((one) => one.side === side && one.name === number);
  });
  const alike = Map.groupBy(all, ({ status, failure, mean }) => `${status} ${failure ?? ''} ${mean > 0}`);
  return [...alike.values()]
    .map((parts) => {
      const { status, failure } = parts[0]!;
      let [count, mean, squares] = [0, 0, 0];
      for (const other of parts) {
        const off = other.mean - mean;
        squares += other.squares + (off ** 2 * count * other.count) / (count + other.count);
        count += other.count;
        mean += (off * other.count) / count;
      }
      return { status, failure, count, bytes: mean, deviation: Math.sqrt(squares / count), types: typesOf(parts) };
    })
    .sort((a, b) => b.count - a.count);
}

/** By media type: what follows it, such as a charset or a version, tells no answer from another. */
function typesOf(parts: readonly Recorded['answers'][number][]): NonNullable<Answers['types']> {
  const counts = new Map<string, number>();
  for (const { type, otherTypes, count } of parts) {
    const others = [...(otherTypes ?? [])];
    for (const [header, times] of [[type, count - total(others.map(([, one]) => one))] as const, ...others]) {
      const name = String(header).split(';')[0]!.trim().toLowerCase().slice(0, LONGEST_TYPE);
      counts.set(name, (counts.get(name) ?? 0) + times);
    }
  }
  return [...counts].map(([type, count]) => ({ type, count })).sort((a, b) => b.count - a.count);
}

const LONGEST_TYPE = 100;

function journeysOf(threads: readonly Recorded[], side: number): SideResult['journeys'] {
  const named = Map.groupBy(
    threads.flatMap(({ journeys }) => journeys.filter((one) => one.side === side)),
    ({ name }) => name,
  );
  return [...named]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, all]) => {
      const duration = timesOf(joined(all.map(({ durations }) => durations)));
      const of = (pick: (one: (typeof all)[number]) => number) => total(all.map(pick));
      return { name, count: of(({ count }) => count), failed: of(({ failed }) => failed), duration };
    });
}

function failuresOf(threads: readonly Recorded[], side: number): Failures[] {
  const ways = Map.groupBy(
    threads.flatMap(({ failures }) => failures.filter((one) => one.side === side)),
    ({ kind, detail }) => `${kind} ${detail}`,
  );
  return [...ways.values()]
    .map((all) => ({
      kind: all[0]!.kind,
      detail: all[0]!.detail,
      count: total(all.map(({ count }) => count)),
      example: all[0]!.example,
    }))
    .sort((a, b) => b.count - a.count);
}

/** The requests that were kept one by one, by their time, and those of one time by their pair. */
export function keptRequests(threads: readonly Recorded[], sides: readonly SideName[]): RequestColumns {
  const names = [...new Set(threads.flatMap((thread) => thread.names))];
  const failures = [...new Set(threads.flatMap((thread) => thread.kinds))];
  const kept = threads.map(({ rows }) => rows.due.length); // shorter than the rest, where the cap was reached
  const count = total(kept);
  const order = new Uint32Array(count);
  const thread = new Uint8Array(count);
  const row = new Uint32Array(count);
  const due = new Float64Array(count);
  const pair = new Int32Array(count);
  let at = 0;
  threads.forEach(({ rows }, t) => {
    for (let i = 0; i < kept[t]!; i++, at++) {
      order[at] = at;
      thread[at] = t;
      row[at] = i;
      due[at] = rows.due[i]!;
      pair[at] = rows.pair[i]!;
    }
  });
  order.sort((a, b) => due[a]! - due[b]! || pair[a]! - pair[b]!);
  const nameNumber = threads.map((one) => one.names.map((name) => names.indexOf(name)));
  const failureNumber = threads.map((one) => one.kinds.map((kind) => failures.indexOf(kind) + 1));
  const columns: RequestColumns = {
    due: new Float64Array(count),
    startLag: new Float32Array(count),
    latency: new Float32Array(count),
    side: new Uint8Array(count),
    pair: new Int32Array(count),
    name: new Uint16Array(count),
    names,
    sides: [...sides],
    status: new Int32Array(count),
    failure: new Uint8Array(count),
    failures,
  };
  order.forEach((from, to) => {
    const t = thread[from]!;
    const i = row[from]!;
    const { rows } = threads[t]!;
    columns.due[to] = due[from]!;
    columns.startLag[to] = rows.startLag[i]!;
    columns.latency[to] = rows.latency[i]!;
    columns.side[to] = rows.side[i]!;
    columns.pair[to] = pair[from]!;
    columns.name[to] = nameNumber[t]![rows.name[i]!]!;
    columns.status[to] = rows.status[i]!;
    columns.failure[to] = rows.failure[i] === 0 ? 0 : failureNumber[t]![rows.failure[i]! - 1]!;
  });
  return columns;
}
