/** Where the time of a run goes, from what its command says, from the engine's events and from its record. Pure. */

import type { RoundDocument, RunDocument } from '../../documents/run.ts';
import { median } from '../../judge/statistics.ts';

/** All times in milliseconds since the epoch. */
export interface Traced {
  startMs: number;
  endMs: number;
  /** Lines on standard error. */
  lines: { atMs: number; text: string }[];
  /** Of the run's containers. `round`: 0 for those that are of none. */
  events: { atMs: number; action: string; name: string; signal: string; round: number }[];
  run: RunDocument;
}

export interface Milestone {
  what: string;
  /** Seconds since the first. */
  atS: number;
}

/** SIGUSR2: the load generator's go. */
const GO = '12';

/** What a run of one round passes, in the order of time. What was not seen is left out. */
export function milestones({ startMs, endMs, lines, events, run }: Traced): Milestone[] {
  const line = (begin: string) => lines.find(({ text }) => text.startsWith(begin))?.atMs;
  const mine = (action: string, name: string) =>
    events.filter((event) => event.action === action && event.name.includes(name));
  const go = events.find(({ action, signal }) => action === 'kill' && signal === GO)?.atMs;
  const [round] = run.rounds;
  const { windowMs, windowEndMs } = windowOf(round!);
  const passed: [string, number | undefined][] = [
    ['the command begins', startMs],
    ['it starts the stack', line('begin  start the stack')],
    ['the first container runs', events.find(({ action }) => action === 'start')?.atMs],
    [
      'the services are healthy',
      mine('health_status: healthy', '-candidate').findLast(({ atMs }) => atMs < windowMs)?.atMs,
    ],
    ['Prometheus and the exporter are ready', line('done   start the stack')],
    ['the load generator runs', mine('start', '-load-')[0]?.atMs],
    ['it gets its go: warm, and every target scraped', go],
    ['the window begins', windowMs],
    ['the window ends', windowEndMs],
    ['the round is settled and collected', line('done   round')],
    [
      'its containers are told to end',
      events.find(({ action, atMs }) => action === 'kill' && atMs > windowEndMs)?.atMs,
    ],
    ['its containers are gone', mine('destroy', '-candidate')[0]?.atMs],
    ['shipping begins: the snapshot is taken', line('begin  ship')],
    ['Prometheus is gone', mine('destroy', '-prometheus')[0]?.atMs],
    ['shipped', line('done   ship')],
    ['the command ends', endMs],
  ];
  return inOrder(passed, startMs);
}

/** What a comparison passes from the end of one round's window to that of the next. */
export function roundMilestones({ lines, events, run }: Traced, round: number): Milestone[] {
  const [before, after] = [round - 1, round].map((number) => windowOf(run.rounds.find((one) => one.round === number)!));
  const of = (wanted: number, action: string) =>
    events.filter((event) => event.round === wanted && event.action === action);
  const passed: [string, number | undefined][] = [
    ['the window of one round ends', before!.windowEndMs],
    ['a container of the next round runs', of(round, 'start')[0]?.atMs],
    [
      'all of its services are healthy',
      of(round, 'health_status: healthy').findLast(({ atMs }) => atMs < after!.windowMs)?.atMs,
    ],
    [
      'the round is settled and collected',
      lines.filter(({ text }) => text.startsWith('done   round'))[round - 2]?.atMs,
    ],
    ['its last container is gone', of(round - 1, 'destroy').at(-1)?.atMs],
    ['the load generator gets its go', of(round, 'kill').find(({ signal }) => signal === GO)?.atMs],
    ['the next window begins', after!.windowMs],
    ['the next window ends', after!.windowEndMs],
  ];
  return inOrder(passed, before!.windowEndMs);
}

function windowOf({ started_at, window_s }: RoundDocument): { windowMs: number; windowEndMs: number } {
  const windowMs = Date.parse(started_at);
  return { windowMs, windowEndMs: windowMs + window_s * 1000 };
}

const inOrder = (passed: [string, number | undefined][], fromMs: number): Milestone[] =>
  passed
    .filter((one): one is [string, number] => one[1] !== undefined)
    .map(([what, atMs]) => ({ what, atS: (atMs - fromMs) / 1000 }))
    .sort((a, b) => a.atS - b.atS);

/** The same over several runs or rounds: medians of the times of what all of them passed, in their order. */
export function medianMilestones(runs: Milestone[][]): Milestone[] {
  const times = Map.groupBy(runs.flat(), ({ what }) => what);
  return [...times]
    .filter(([, all]) => all.length === runs.length)
    .map(([what, all]) => ({ what, atS: median(all.map(({ atS }) => atS))! }))
    .sort((a, b) => a.atS - b.atS);
}

export function milestonesText(passed: Milestone[]): string {
  return passed
    .map(
      ({ what, atS }, i) =>
        `${atS.toFixed(2).padStart(7)} s ${(i === 0 ? '' : `+${(atS - passed[i - 1]!.atS).toFixed(2)}`).padStart(7)}   ${what}`,
    )
    .join('\n');
}

/**
 * Seconds from the end of a round's window to the end of the next one's, less the load between: `loadS` is a round's.
 */
export function costOfRounds(
  rounds: Pick<RoundDocument, 'round' | 'started_at' | 'window_s'>[],
  loadS: number,
): number[] {
  const ends = [...Map.groupBy(rounds, ({ round }) => round)]
    .sort(([a], [b]) => a - b)
    .map(([, [one]]) => Date.parse(one!.started_at) / 1000 + one!.window_s);
  return ends.slice(1).map((end, i) => end - ends[i]! - loadS);
}
