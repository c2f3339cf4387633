/** The backlog of events over time: a line for each round. Pure. */
import type { EventsDocument, SideName } from '../../../../documents/run.ts';
import { formatTick } from '../../../../report/units.ts';
import { type Html, html } from '../../html.ts';
import { at, linear, ticks } from './scale.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 170, 52, 14, 8, 26];

export interface BacklogLine {
  side: SideName;
  round: number;
  backlog: EventsDocument['backlog'];
}

/** Seconds from the start of the window; `window_s`: where the load ends. Undefined where there is nothing to draw. */
export function backlogLines(rounds: readonly BacklogLine[], window_s: number): Html | undefined {
  const points = rounds.flatMap(({ backlog }) => backlog.points);
  if (points.length === 0) return undefined;
  const seconds: [number, number] = [0, points.reduce((last, { at_s }) => Math.max(last, at_s), window_s)];
  const most: [number, number] = [0, points.reduce((peak, { backlog }) => Math.max(peak, backlog), 1)];
  const x = linear(seconds, [LEFT, WIDTH - RIGHT]);
  const y = linear(most, [HEIGHT - BOTTOM, TOP]);
  const line = ({ backlog }: BacklogLine) =>
    backlog.points.map((point) => `${at(x(point.at_s))},${at(y(point.backlog))}`).join(' ');
  return html`<svg class="strip backlog" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${backlogWords(rounds)}">
${ticks(most, 4).map((tick, _, all) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(tick))}" y2="${at(y(tick))}"/><text x="${LEFT - 6}" y="${at(y(tick) + 4)}" text-anchor="end">${formatTick(tick, all, 'count')}</text>`)}
${ticks(seconds, 6).map((tick, _, all) => html`<text x="${at(x(tick))}" y="${HEIGHT - 8}" text-anchor="middle">${formatTick(tick, all, 's')}</text>`)}
<line class="zero" x1="${at(x(window_s))}" x2="${at(x(window_s))}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"><title>the end of the load</title></line>
${rounds.map((one) => html`<polyline class="line ${one.side}" points="${line(one)}"><title>${one.side}, round ${one.round}: at most ${one.backlog.peak}</title></polyline>`)}
</svg>`;
}

/** `Backlog over time. candidate: at most 12. baseline: at most 14.` */
export function backlogWords(rounds: readonly BacklogLine[]): string {
  const sides = Map.groupBy(rounds, ({ side }) => side);
  const words = [...sides].map(
    ([side, own]) => `${side}: at most ${own.reduce((peak, { backlog }) => Math.max(peak, backlog.peak), 0)}.`,
  );
  return `Backlog over time. ${words.join(' ')}`;
}
