/** What one load came to, as a table: each name of request, the journeys, what failed. Pure. */

import type { Model } from '../../loadgen/plan.ts';
import type { LoadResultDocument, SideResult, Times } from '../../loadgen/result.ts';
import type { Load } from '../config/types.ts';
import { plainText, plural } from '../core/text.ts';
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
  const { due, iterations, dropped } = sides[0]!;
  const tooMany = `as many as may be were under way (--max-in-flight=${maxInFlight}): the service is too slow for this load, or that is too few`;
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
  return model.kind === 'closed'
    ? closedWords(model)
    : `open model, ${openWords(model)}${warmupS > 0 ? ` after ${formatElapsed(warmupS)} of warm-up` : ''}`;
}

const closedWords = ({ users, iterations, thinkS }: Extract<Model, { kind: 'closed' }>) =>
  `closed model: ${plural(users, 'user')} × ${iterations}${thinkS > 0 ? ` with ${formatElapsed(thinkS)} between two` : ''}`;

function openWords(model: Extract<Model, { kind: 'open' }>): string {
  if (model.arrivals === 'file')
    return `requests of a file, ${digits(model.rate)}/s on average for ${formatElapsed(model.durationS)}`;
  const arrivals = model.arrivals === 'poisson' ? ' as Poisson arrivals' : '';
  if (!model.stages) return `${model.rate}/s${arrivals} for ${formatElapsed(model.durationS)}`;
  return `from ${model.rate}/s: ${model.stages.map(({ rate, durationS }) => `to ${rate}/s in ${formatElapsed(durationS)}`).join(', ')}${arrivals}`;
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
