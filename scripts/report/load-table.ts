/**
 * What one load came to, as a table: each name of request, the journeys, what failed; and the iterations of users and
 * scenarios, of one load or of a run: average, least, median, greatest, p(90), p(95). Pure.
 */

import type { Model, Scenario, SingleModel } from '../../loadgen/plan.ts';
import type { LoadResultDocument, SideResult, Times } from '../../loadgen/result.ts';
import { ITERATION, ITERATION_TIMES } from '../config/metric-defaults.ts';
import type { Load } from '../config/types.ts';
import { plainText, plural } from '../core/text.ts';
import type { RunDocument, SideName } from '../documents/run.ts';
import { countedRounds, summarise } from '../judge/compare-runs.ts';
import { RATE_FLOOR } from '../measure/collect/validity.ts';
import { columns, styled } from './columns.ts';
import { exampleWords, wayWords } from './failures-text.ts';
import { digits, formatElapsed, formatValue, NO_VALUE } from './units.ts';

/** Names that the table has at most, most frequent first. */
const MOST = 100;
/** Letters of a name. */
const NAME = 60;

export interface LoadTableOptions {
  color: boolean;
  /** As the user named it. */
  script: string;
}

/** The table of a load that was tried, with what it lacks. */
export function loadTable(result: LoadResultDocument, load: Load, { color, script }: LoadTableOptions): string {
  const [side] = result.sides;
  const lacks = shortfalls(result, load);
  return [
    styled('bold', `${plainText(script)} at ${load.target}`, color),
    `${modelWords(load)}, by ${plainText(result.generator)}`,
    `${side!.iterations} of ${plural(side!.due, 'iteration')} made: ${plural(side!.requests, 'request')}, ${plural(side!.failed, 'failure')}, ${formatValue(side!.bytesReceived, 'bytes')} received`,
    '',
    ...iterationsOfLoad(side!, color),
    timesTable(side!, lengthOf(result), color),
    ...(side!.failed > 0 ? ['Times are of what did not fail.'] : []),
    ...failedTable(side!, color),
    ...(lacks.length > 0 ? ['', ...lacks.map((text) => `The load was not made as asked: ${text}.`)] : []),
  ].join('\n');
}

/** Why the load is not the one that was asked for; empty where it is. Requests that failed were made. */
export function shortfalls(
  { sides }: LoadResultDocument,
  { model, maxInFlight }: Pick<Load, 'model' | 'maxInFlight'>,
): string[] {
  if (model.kind !== 'scenarios') return shortfallsOf(sides[0]!, model, `--max-in-flight=${maxInFlight}`);
  return model.scenarios.flatMap((scenario, i) => {
    const found = sides[0]!.scenarios![i]!;
    const { endedS } = found;
    const late =
      endedS !== null && endedS > model.durationS
        ? [`the last iteration ended ${formatElapsed(endedS - model.durationS)} after the window`]
        : [];
    const most = `max_in_flight: ${scenario.maxInFlight}`;
    return [...shortfallsOf(found, scenario.model, most), ...late].map((text) => `${scenario.name}: ${text}`);
  });
}

function shortfallsOf(
  { due, iterations, dropped }: Pick<SideResult, 'due' | 'iterations' | 'dropped'>,
  model: SingleModel,
  most: string,
): string[] {
  const tooMany = `as many as may be were under way (${most}): the service is too slow for this load, or that is too few`;
  const tooLate =
    model.kind === 'closed'
      ? `${formatElapsed(model.limitS)} were over before: the service is too slow for this load, or --duration too short`
      : tooMany;
  const missed = due - dropped.measure - iterations;
  return [
    ...(dropped.warmup > 0 ? [`${plural(dropped.warmup, 'iteration')} of the warm-up dropped, since ${tooMany}`] : []),
    ...(dropped.measure > 0 ? [`${plural(dropped.measure, 'iteration')} dropped, since ${tooLate}`] : []),
    ...(missed > 1 && iterations < RATE_FLOOR * due ? [`${plural(missed, 'iteration')} begun and not ended`] : []),
  ];
}

/** `open model, 50/s for 5.0s`, `closed model: 30 users × 1` */
export function modelWords({ model, warmupS }: Pick<Load, 'model' | 'warmupS'>): string {
  if (model.kind === 'scenarios')
    return `${plural(model.scenarios.length, 'scenario')} in ${formatElapsed(model.durationS)}: ${model.scenarios.map((one) => scenarioWords(one, warmupS)).join('; ')}`;
  return model.kind === 'closed'
    ? closedWords(model)
    : `open model, ${openWords(model)}${warmupS > 0 ? ` after ${formatElapsed(warmupS)} of warm-up` : ''}`;
}

const scenarioWords = ({ name, startS, model }: Scenario, warmupS: number): string =>
  `${name}, ${modelWords({ model, warmupS })}${startS > 0 ? `, from ${formatElapsed(startS)} on` : ''}`;

const closedWords = ({ users, iterations, thinkS }: Extract<Model, { kind: 'closed' }>) =>
  `closed model: ${plural(users, 'user')} × ${iterations}${thinkS > 0 ? ` with ${formatElapsed(thinkS)} between two` : ''}`;

function openWords(model: Extract<Model, { kind: 'open' }>): string {
  if (model.arrivals === 'file')
    return `requests of a file, ${digits(model.rate)}/s on average for ${formatElapsed(model.durationS)}`;
  const arrivals = model.arrivals === 'poisson' ? ' as Poisson arrivals' : '';
  if (!model.stages) return `${model.rate}/s${arrivals} for ${formatElapsed(model.durationS)}`;
  return `from ${model.rate}/s: ${model.stages.map(({ rate, durationS }) => `to ${rate}/s in ${formatElapsed(durationS)}`).join(', ')}${arrivals}`;
}

/** Heads of the table of iterations; the first two are words. */
export const ITERATION_HEADS = [
  'iterations',
  'side',
  'avg',
  'min',
  'med',
  'max',
  'p(90)',
  'p(95)',
  'done',
  'failed',
] as const;

/** What has to be said below it. */
export const ITERATION_NOTE =
  'times: the median over rounds, of iterations in which nothing failed; done and failed: of all rounds that count';

const SIDES = ['candidate', 'baseline'] as const;

/** One row for each scenario and side, of the rounds that count. Empty of a load without users and scenarios. */
export function iterationRows(run: Pick<RunDocument, 'load' | 'rounds' | 'sides'>): string[][] {
  const { load, sides } = run;
  const names = load.scenarios?.map(({ name }) => name) ?? (load.model === 'closed' ? [ITERATION] : []);
  const counts = (side: SideName, metric: string): number | null => {
    const values = countedRounds(run, side).flatMap(({ samples }) => samples[metric]?.value ?? []);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
  };
  return names.flatMap((name) =>
    SIDES.flatMap((side) => {
      const done = counts(side, `${name}_done`);
      if (done === null) return [];
      const times = ITERATION_TIMES.map((key) => {
        const found = summarise(run, side, `${name}_${key}`);
        return found ? formatValue(found.median, 's') : NO_VALUE;
      });
      const variant = sides[side]?.variant;
      const title = load.scenarios ? plainText(name) : 'of users';
      const who = variant === undefined ? side : `${side} (${plainText(variant)})`;
      return [
        [
          title,
          who,
          ...times,
          ...[done, counts(side, `${name}_failed`) ?? 0].map((count) => count.toLocaleString('en')),
        ],
      ];
    }),
  );
}

/** The same as a table for a terminal, and what has to be said of it. */
export function iterationTable(
  run: Pick<RunDocument, 'load' | 'rounds' | 'sides'>,
  { color }: { color: boolean },
): string[] {
  const rows = iterationRows(run);
  return rows.length === 0 ? [] : [columns([...ITERATION_HEADS], rows, { left: 2, color }), ITERATION_NOTE];
}

/** The same of one load. */
function iterationsOfLoad({ scenarios, duration, due, dropped }: SideResult, color: boolean): string[] {
  const row = (name: string, times: Times | null, done: number, failed: number) => [
    name,
    ...ITERATION_TIMES.map((key) => (times ? formatValue(times[key], 's') : NO_VALUE)),
    String(done),
    String(failed),
  ];
  const alone = (times: Times | null) => {
    const done = times?.count ?? 0;
    return row('of users', times, done, due - dropped.measure - done);
  };
  const rows =
    scenarios?.map((one) => row(plainText(one.name), one.duration, one.done, one.failed)) ??
    (duration === undefined ? [] : [alone(duration)]);
  const [first, , ...heads] = ITERATION_HEADS;
  return rows.length === 0 ? [] : [columns([first, ...heads], rows, { color }), ''];
}

/** Seconds of the window. */
const lengthOf = ({ window }: LoadResultDocument): number => (window.endMs - window.startMs) / 1000;

function timesTable(
  { names, latency, requests, journeys, response, startLag, iterations }: SideResult,
  seconds: number,
  color: boolean,
): string {
  const row = (name: string, count: number, bad: number | null, times: Times | null) => [
    name,
    String(count),
    bad === null ? '' : String(bad),
    formatValue(count / seconds, '1/s'),
    ...timeCells(times),
  ];
  const shown = names.toSorted((a, b) => b.requests - a.requests).slice(0, MOST);
  const rows = [
    ...shown.map((one) => row(short(one.name), one.requests, one.failed, one.latency)),
    ...(names.length === 1
      ? []
      : [
          row(
            'all requests',
            requests,
            names.reduce((sum, one) => sum + one.failed, 0),
            latency,
          ),
        ]),
    ...journeys.slice(0, MOST).map((one) => row(`journey ${short(one.name)}`, one.count, one.failed, one.duration)),
    ...(response ? [row('response time', iterations, null, response)] : []),
    ...(startLag ? [row('start lag', startLag.count, null, startLag)] : []),
  ];
  return [
    columns(['', 'count', 'failed', 'rate', 'avg', 'min', 'med', 'p90', 'p95', 'p99', 'max'], rows, { color }),
    ...(names.length > MOST ? [`and ${names.length - MOST} more names; --json has them`] : []),
  ].join('\n');
}

const timeCells = (times: Times | null): string[] =>
  (['avg', 'min', 'med', 'p90', 'p95', 'p99', 'max'] as const).map((key) =>
    times ? formatValue(times[key], 's') : NO_VALUE,
  );

const short = (name: string): string => {
  const text = plainText(name);
  return text.length > NAME ? `${text.slice(0, NAME - 1)}…` : text;
};

function failedTable({ failures }: SideResult, color: boolean): string[] {
  if (failures.length === 0) return [];
  const rows = failures.slice(0, MOST).map((way) => [short(wayWords(way)), exampleWords(way), String(way.count)]);
  return ['', columns(['what failed', 'the first of them', 'times'], rows, { left: 2, color })];
}
