/** How the requests of a run were spread over the replicas behind a balancer. Pure. */
import type { RunDocument, SideName } from '../documents/run.ts';
import { shortCommit } from '../engine/names.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import { median } from '../judge/statistics.ts';
import { columns } from './columns.ts';
import { formatPercent, formatValue } from './units.ts';

type Rounds = Pick<RunDocument, 'rounds'>;

const SIDES = ['candidate', 'baseline'] as const;

/** Heads of the columns; the first two are words. */
export const SPREAD_HEADS = [
  'replica',
  'side',
  'share of requests',
  'requests',
  'failed',
  'retried',
  'moved to another',
  'CPU time',
] as const;

/** What has to be said below the table. */
export const SPREAD_NOTE =
  'share and CPU time: the median over rounds; requests: of all rounds, as the balancer has counted them; moved to another: its replica did not take the connection';

/**
 * One row for each replica, of the rounds that count; of a run without one those of all. Empty where there is no
 * balancer.
 */
export function spreadRows(run: Rounds): string[][] {
  return SIDES.flatMap((side) => {
    const counted = countedRounds(run, side);
    const rounds = (counted.length > 0 ? counted : run.rounds.filter((one) => one.side === side)).map(
      ({ replicas = [] }) => replicas,
    );
    const each = Map.groupBy(rounds.flat(), ({ service, replica, commit }) => `${service}-${replica} ${commit ?? ''}`);
    return [...each.values()].sort(([a], [b]) => a!.replica - b!.replica).map((own) => rowOf(side, own));
  });
}

function rowOf(side: SideName, own: NonNullable<RunDocument['rounds'][number]['replicas']>): string[] {
  const { service, replica, commit } = own[0]!;
  const sum = (pick: (one: (typeof own)[number]) => number) =>
    own.reduce((total, one) => total + pick(one), 0).toLocaleString('en');
  const middle = (pick: (one: (typeof own)[number]) => number) => median(own.map(pick))!;
  return [
    `${service}-${replica}${commit === undefined ? '' : ` (${shortCommit(commit)})`}`,
    side,
    formatPercent(middle(({ share }) => share)),
    sum(({ requests }) => requests),
    sum(({ failed }) => failed),
    sum(({ retried }) => retried),
    sum(({ redispatched }) => redispatched),
    formatValue(
      middle(({ cpu_seconds }) => cpu_seconds),
      's',
    ),
  ];
}

/** The same as a table for a terminal, and what has to be said of it. */
export function spreadTable(run: Rounds, { color }: { color: boolean }): string[] {
  const rows = spreadRows(run);
  return rows.length === 0 ? [] : [columns([...SPREAD_HEADS], rows, { left: 2, color }), SPREAD_NOTE];
}
