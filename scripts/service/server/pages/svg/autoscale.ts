/**
 * What an autoscaler saw and wanted over time, below the load that was offered: replicas as steps, utilisation as a
 * line, for each round. Pure.
 */
import type { LoadDocument, RoundDocument, SideName } from '../../../../documents/run.ts';
import { formatTick, formatValue } from '../../../../report/units.ts';
import { type Html, html } from '../../html.ts';
import { at, linear, ticks } from './scale.ts';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 116, 66, 18, 8, 26];

export interface ScaledRound {
  side: SideName;
  round: number;
  window_s: number;
  autoscale: NonNullable<RoundDocument['autoscale']>;
}

/** The utilisation that is aimed at, of each side that has an autoscaler. */
export type Targets = Partial<Record<SideName, number>>;

interface Point {
  at_s: number;
  value: number;
}

interface Curve {
  className: string;
  title: string;
  points: readonly Point[];
}

/** The count that was wanted from each evaluation to the next. */
function replicaSteps({ autoscale: { decisions }, window_s }: ScaledRound): Point[] {
  return decisions.flatMap(({ at_s, desired }, i) => [
    { at_s, value: desired },
    { at_s: Math.max(at_s, decisions[i + 1]?.at_s ?? window_s), value: desired },
  ]);
}

const utilisation = ({ autoscale: { decisions } }: ScaledRound): Point[] =>
  decisions.map(({ at_s, utilisation: value }) => ({ at_s, value }));

/**
 * The rate for each side over the window. Empty where it is not of an open model: then no rate is known beforehand. The
 * rate from which the first stage moves is not stored, but the mean over all stages is.
 */
function offered({ model = 'open', arrivals, rate, stages, duration_s }: LoadDocument): Point[] {
  if (model !== 'open' || arrivals === 'file') return [];
  if (!stages)
    return [
      { at_s: 0, value: rate },
      { at_s: duration_s, value: rate },
    ];
  const [first, ...others] = stages as [NonNullable<LoadDocument['stages']>[number], ...typeof stages];
  const later = others.reduce((sum, one, i) => sum + (one.duration_s * (stages[i]!.rate + one.rate)) / 2, 0);
  const whole = stages.reduce((sum, one) => sum + one.duration_s, 0);
  const from = (2 * (rate * whole - later)) / first.duration_s - first.rate;
  let ends = 0;
  return [
    { at_s: 0, value: Math.max(0, Number(from.toFixed(6))) },
    ...stages.map((one) => ({ at_s: (ends += one.duration_s), value: one.rate })),
  ];
}

/** Load, replicas and utilisation, one under the other, on one axis of time. `words`: what is to be said of the counts. */
export function autoscaleLines(
  rounds: readonly ScaledRound[],
  targets: Targets,
  load: LoadDocument,
  words: readonly string[],
): Html {
  const windowS = Math.max(...rounds.map(({ window_s }) => window_s));
  const curves = (pointsOf: (round: ScaledRound) => Point[]) =>
    rounds.map(
      (one): Curve => ({ className: one.side, title: `${one.side}, round ${one.round}`, points: pointsOf(one) }),
    );
  const rate = offered(load);
  const seen = (['candidate', 'baseline'] as const).flatMap((side) => {
    const values = rounds.filter((one) => one.side === side).flatMap(utilisation);
    if (values.length === 0) return [];
    const [least, most] = rangeOf(values).map((value) => formatValue(value, 'ratio'));
    const target = targets[side];
    return `${side}: ${least} to ${most}${target === undefined ? '' : `; ${formatValue(target, 'ratio')} is aimed at`}.`;
  });
  return html`${
    rate.length > 0 &&
    picture('Load', '1/s', windowS, [{ className: 'load', title: 'requests for each side', points: rate }], {
      words: `Requests that were due for each side, from ${formatValue(rate[0]!.value, '1/s')} at the start to ${formatValue(rate.at(-1)!.value, '1/s')} at the end.`,
    })
  }${picture('Replicas', 'count', windowS, curves(replicaSteps), { words: words.map((line) => `${line}.`).join(' ') })}${picture('Utilisation', 'ratio', windowS, curves(utilisation), { words: seen.join(' '), targets })}`;
}

function rangeOf(points: readonly Point[]): [number, number] {
  const values = points.map(({ value }) => value);
  return [Math.min(...values), Math.max(...values)];
}

function picture(
  title: string,
  unit: 'count' | 'ratio' | '1/s',
  windowS: number,
  curves: readonly Curve[],
  { words, targets = {} }: { words: string; targets?: Targets },
): Html {
  const seconds: [number, number] = [0, windowS];
  const aims = [...Map.groupBy(Object.entries(targets), ([, value]) => value)];
  const greatest = Math.max(0, ...curves.flatMap(({ points }) => points.map(({ value }) => value)));
  const most: [number, number] = [0, Math.max(greatest, ...aims.map(([value]) => value)) || 1];
  const marks = unit === 'count' ? ticks(most, Math.min(6, most[1])).filter(Number.isInteger) : ticks(most, 4);
  const x = linear(seconds, [LEFT, WIDTH - RIGHT]);
  const y = linear(most, [HEIGHT - BOTTOM, TOP]);
  const line = (points: readonly Point[]) =>
    points.map(({ at_s, value }) => `${at(x(Math.min(at_s, windowS)))},${at(y(value))}`).join(' ');
  return html`<p>${title}</p><svg class="strip timeline backlog" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title} over a window of ${windowS.toFixed(1)} s. ${words}">
${marks.map((tick) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(tick))}" y2="${at(y(tick))}"/><text x="${LEFT - 6}" y="${at(y(tick) + 4)}" text-anchor="end">${formatTick(tick, marks, unit)}</text>`)}
${ticks(seconds, 6).map((tick, _, all) => html`<text x="${at(x(tick))}" y="${HEIGHT - 8}" text-anchor="middle">${formatTick(tick, all, 's')}</text>`)}
${aims.map(([value, whose]) => html`<line class="zero" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(value))}" y2="${at(y(value))}"><title>the utilisation that is aimed at, ${whose.map(([side]) => side).join(' and ')}: ${formatValue(value, 'ratio')}</title></line>`)}
${curves.map((one) => html`<polyline class="line ${one.className}" points="${line(one.points)}"><title>${one.title}</title></polyline>`)}
</svg>`;
}
