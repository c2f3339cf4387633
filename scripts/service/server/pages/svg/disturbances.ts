/** Disturbances over the time of the window: a line for each side of each round. Pure. */
import type { RoundDocument } from '../../../../documents/run.ts';
import { countedRounds } from '../../../../judge/compare-runs.ts';
import { median } from '../../../../judge/statistics.ts';
import { formatTick } from '../../../../report/units.ts';
import { type Html, html } from '../../html.ts';
import { at, linear, ticks } from './scale.ts';

/** Letters are up to 8 wide: those of a phone, where the drawing is small. */
const [WIDTH, LEFT, RIGHT, TOP, BOTTOM, LETTER] = [480, 112, 18, 4, 28, 8];
/** Heights: of a line of names, of a line of a round at least, and of one of the lanes in it. */
const [NAME, ROW, LANE, BAR] = [17, 19, 11, 8];
/** More are not told apart. */
const MOST_LINES = 24;

type Disturbed = NonNullable<RoundDocument['disturbances']>[number];

/** A line of the drawing. */
interface Line {
  round: RoundDocument;
  counts: boolean;
  own: readonly Disturbed[];
}

/** From its begin to when it was over or the service had recovered, whichever is later; within the window. */
interface Span {
  from: number;
  to: number;
}

export interface DisturbedRounds {
  lines: Line[];
  /** Rounds of a side for which there is no room. */
  left: number;
}

export function disturbedRounds(rounds: readonly RoundDocument[]): DisturbedRounds {
  const counted = new Set(
    (['candidate', 'baseline'] as const).flatMap((side) => countedRounds({ rounds: [...rounds] }, side)),
  );
  const all = rounds.flatMap((round) => {
    const { disturbances: own = [] } = round;
    return own.length === 0 ? [] : [{ round, counts: counted.has(round), own }];
  });
  return { lines: all.slice(0, MOST_LINES), left: Math.max(0, all.length - MOST_LINES) };
}

/** Undefined where there is none. What begins before another one is over has a lane of its own in every line. */
export function disturbanceStrip({ lines }: DisturbedRounds): Html | undefined {
  if (lines.length === 0) return undefined;
  const seconds: [number, number] = [0, Math.max(...lines.map(({ round }) => round.window_s))];
  const spans = spansOf(lines);
  const lanes = placed(spans);
  const row = Math.max(ROW, LANE * rowsOf(lanes) + 6);
  const x = linear(seconds, [LEFT, WIDTH - RIGHT]);
  const within = (value: number) => at(x(Math.min(value, seconds[1])));
  const names = spans.map(({ from }, i) => {
    const text = shortened(nameOf(lines, i), (WIDTH - 2 * RIGHT) / LETTER);
    const width = text.length * LETTER;
    const left = Math.max(RIGHT, Math.min(x(from), WIDTH - RIGHT - width));
    return { text, from: left, to: left + width + LETTER };
  });
  const places = placed(names);
  const top = TOP + NAME * rowsOf(places);
  const height = top + row * lines.length + BOTTOM;
  const bar = (line: Line, one: Disturbed, y: number) => {
    const { side, window_s } = line.round;
    const title = html`<title>${barWords(line, one)}</title>`;
    const ended = Math.max(Math.min(one.ended_s, seconds[1]), one.at_s + seconds[1] / 300);
    return html`<rect class="bar ${side}" x="${within(one.at_s)}" width="${at(x(ended) - x(one.at_s))}" y="${at(y - BAR / 2)}" height="${BAR}">${title}</rect>
<line class="line ${side}" x1="${within(one.at_s)}" x2="${within(recoveredAt(one, window_s))}" y1="${at(y)}" y2="${at(y)}">${title}</line>
${one.actions
  .filter(({ at_s }) => at_s <= seconds[1])
  .map(
    ({ at_s, what }) =>
      html`<line class="step" x1="${within(at_s)}" x2="${within(at_s)}" y1="${at(y - BAR / 2)}" y2="${at(y + BAR / 2)}"><title>${at_s.toFixed(1)} s: ${what}</title></line>`,
  )}`;
  };
  const drawn = (line: Line, i: number) => {
    const { side, round } = line.round;
    const middle = top + row * (i + 0.5);
    const y = (lane: number) => middle + LANE * (lane - (rowsOf(lanes) - 1) / 2);
    return html`<text x="${LEFT - 8}" y="${at(middle + 4)}" text-anchor="end">${side} ${round}${!line.counts && ' ×'}</text>
<g${!line.counts && html` class="uncounted"`}>${line.own.map((one, k) => bar(line, one, y(lanes[k]!)))}</g>`;
  };
  return html`<svg class="strip timeline disturbances" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${disturbanceWords(lines)}">
${ticks(seconds, 6).map((tick, _, all) => html`<line class="grid" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${top}" y2="${height - BOTTOM}"/><text x="${at(x(tick))}" y="${height - 9}" text-anchor="middle">${formatTick(tick, all, 's')}</text>`)}
${spans.map(({ from }, i) => html`<line class="begin" x1="${at(x(from))}" x2="${at(x(from))}" y1="${TOP + NAME * (places[i]! + 1) - 3}" y2="${height - BOTTOM}"/>`)}
${names.map(({ text, from }, i) => html`<text class="name" x="${at(from)}" y="${TOP + NAME * (places[i]! + 1) - 5}">${text}</text>`)}
${lines.map(drawn)}
</svg>`;
}

/**
 * `Disturbances over a window of 30.0 s, the median over rounds. rolling-update of api: candidate from 2.0 s to 9.0 s,
 * recovered after 7.5 s.`
 */
function disturbanceWords(lines: readonly Line[]): string {
  const sides = [...new Set(lines.map(({ round }) => round.side))];
  const counted = countedOf(lines);
  const words = spansOf(lines).map((_, i) => {
    const each = sides.flatMap((side) => {
      const own = counted.flatMap((line) => (line.round.side === side ? (line.own[i] ?? []) : []));
      return own.length === 0 ? [] : [`${side} ${timesOf(own)}`];
    });
    return ` ${nameOf(lines, i)}: ${each.join('; ')}.`;
  });
  const longest = Math.max(...lines.map(({ round }) => round.window_s));
  return `Disturbances over a window of ${longest.toFixed(1)} s, the median over rounds.${words.join('')}`;
}

function timesOf(own: readonly Disturbed[]): string {
  const [from, to, recovery] = [
    median(own.map(({ at_s }) => at_s))!,
    median(own.map(({ ended_s }) => ended_s))!,
    median(own.map(({ recovery_s }) => recovery_s ?? Number.POSITIVE_INFINITY))!,
  ];
  const then = Number.isFinite(recovery) ? `recovered after ${recovery.toFixed(1)} s` : 'not recovered';
  return `from ${from.toFixed(1)} s to ${to.toFixed(1)} s, ${then}`;
}

/** When each was made, the middle over the rounds that count; to be marked in charts of the same seconds. */
export function disturbanceMarks({ lines }: DisturbedRounds): { name: string; from_s: number; to_s: number }[] {
  if (lines.length === 0) return [];
  const counted = countedOf(lines);
  return spansOf(counted).map((_, i) => {
    const own = counted.flatMap((line) => line.own[i] ?? []);
    return {
      name: nameOf(counted, i),
      from_s: median(own.map(({ at_s }) => at_s))!,
      to_s: median(own.map(({ ended_s }) => ended_s))!,
    };
  });
}

/** Those that count; where none does all. */
const countedOf = (lines: readonly Line[]): readonly Line[] =>
  lines.some(({ counts }) => counts) ? lines.filter(({ counts }) => counts) : lines;

const barWords = ({ round: { side, round }, counts }: Line, one: Disturbed): string =>
  `${one.kind} of ${one.service}, ${side}, round ${round}${counts ? '' : ' (does not count)'}: ${timesOf([one])}, ${one.failed_requests} failed`;

/** Of what is at this place in the list of every round. */
function nameOf(lines: readonly Line[], place: number): string {
  const { kind, service } = lines.find(({ own }) => own.length > place)!.own[place]!;
  return `${kind} of ${service}`;
}

const recoveredAt = ({ at_s, recovery_s }: Disturbed, windowS: number): number =>
  recovery_s === null ? windowS : at_s + recovery_s;

/** Of each place in the list of disturbances, over all lines. */
function spansOf(lines: readonly Line[]): Span[] {
  const places = Math.max(...lines.map(({ own }) => own.length));
  return Array.from({ length: places }, (_, i) => {
    const each = lines.flatMap(({ own, round: { window_s } }) => {
      const one = own[i];
      return one ? [{ from: one.at_s, to: Math.min(window_s, Math.max(one.ended_s, recoveredAt(one, window_s))) }] : [];
    });
    return { from: Math.min(...each.map(({ from }) => from)), to: Math.max(...each.map(({ to }) => to)) };
  });
}

/** The row of each, so that no two in a row touch: the first that is free. */
function placed(spans: readonly Span[]): number[] {
  const ends: number[] = [];
  const rows = new Array<number>(spans.length).fill(0);
  for (const { from, to, i } of spans.map((span, i) => ({ ...span, i })).toSorted((a, b) => a.from - b.from)) {
    const free = ends.findIndex((end) => end <= from);
    const row = free === -1 ? ends.length : free;
    ends[row] = to;
    rows[i] = row;
  }
  return rows;
}

const rowsOf = (places: readonly number[]): number => Math.max(...places) + 1;

const shortened = (text: string, letters: number): string =>
  text.length <= letters ? text : `${text.slice(0, Math.floor(letters) - 1)}…`;
