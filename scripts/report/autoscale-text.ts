/** What the autoscaler of a side did in the rounds of a run, for people. Pure. */
import { plainText, plural } from '../core/text.ts';
import type { RoundDocument, RunDocument, SideName } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';

type Autoscaled = NonNullable<RoundDocument['autoscale']>;
type Scaled = RoundDocument & { autoscale: Autoscaled };

const SIDES = ['candidate', 'baseline'] as const;

/** The rounds of a side that count and have an autoscaler; where none counts, all of them. */
export function autoscaledRounds(run: Pick<RunDocument, 'rounds'>, side: SideName): Scaled[] {
  const isScaled = (round: RoundDocument): round is Scaled => round.side === side && round.autoscale !== undefined;
  const counted = countedRounds(run, side).filter(isScaled);
  return counted.length > 0 ? counted : run.rounds.filter(isScaled);
}

/** One sentence for each side with an autoscaler. */
export function autoscaleLines(run: Pick<RunDocument, 'rounds'>): string[] {
  return SIDES.flatMap((side) => {
    const rounds = autoscaledRounds(run, side).map(({ autoscale }) => autoscale);
    return rounds.length === 0 ? [] : [sentence(side, rounds)];
  });
}

function sentence(side: SideName, rounds: readonly Autoscaled[]): string {
  const decisions = rounds.flatMap((one) => one.decisions);
  const counts = decisions.flatMap(({ replicas, desired }) => [replicas, desired]);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const changes = decisions.filter(({ replicas, desired }) => replicas !== desired).length;
  const settled = rounds.flatMap(({ settled_s }) => settled_s ?? []);
  const mean = median(rounds.map(({ replicas_avg }) => replicas_avg))!;
  const open = rounds.length - settled.length;
  return [
    `${side}: ${least === most ? plural(least, 'replica') : `${least} to ${most} replicas`} of ${plainText(rounds[0]!.service)}, ${mean.toFixed(1)} on average`,
    `${plural(changes, 'change')} in ${plural(rounds.length, 'round')}`,
    ...(changes > 0 && settled.length > 0 ? [`settled after ${median(settled)!.toFixed(1)} s`] : []),
    ...(open > 0 ? [`not settled in ${plural(open, 'round')}`] : []),
  ].join('; ');
}

/** The same as notes of a report. */
export const autoscaleNotes = (run: Pick<RunDocument, 'rounds'>): string[] =>
  autoscaleLines(run).map((line) => `autoscaler of ${line}`);
