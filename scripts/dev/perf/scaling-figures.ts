/** What one deployment makes of a load beside another one in the same run, and what so many CPUs can show of it. Pure. */
import type { RunDocument } from '../../documents/run.ts';
import { countedRounds } from '../../judge/compare-runs.ts';
import { hasRatio, logRatio, observationsOf, pairsOf } from '../../judge/observations.ts';
import { mean } from '../../judge/shift.ts';
import { hodgesLehmann, lowerBound, upperBound, walshAverages } from '../../judge/signed-rank.ts';

/** Of 95 %: what lies beyond it on each side. */
const TAIL = 0.025;

/** Time of the candidate's variant / time of the baseline's. The bounds are null where so few blocks allow none. */
export interface Scaling {
  metric: string;
  ratio: number;
  low: number | null;
  high: number | null;
  blocks: number;
}

/** Null where there is no block in which both have a value. */
export function scalingOf(run: Pick<RunDocument, 'pairing' | 'rounds'>, metric: string): Scaling | null {
  const pairs = pairsOf(observationsOf(run), metric).filter((pair) => pair !== null && hasRatio(pair));
  if (pairs.length === 0) return null;
  const walsh = walshAverages(pairs.map((pair) => logRatio(pair!)));
  const bound = (log: number) => (Number.isFinite(log) ? Math.exp(log) : null);
  return {
    metric,
    ratio: Math.exp(hodgesLehmann(walsh)),
    low: bound(lowerBound(walsh, pairs.length, TAIL)),
    high: bound(upperBound(walsh, pairs.length, TAIL)),
    blocks: pairs.length,
  };
}

/** CPUs that the services of a side have used on average while they were measured; null where no round counts. */
export function cpusUsed(run: Pick<RunDocument, 'rounds'>, side: 'candidate' | 'baseline'): number | null {
  const used = countedRounds(run, side).flatMap(({ samples }) => {
    const [perRequest, rate] = [samples.cpu_seconds_per_request?.value, samples.request_rate?.value];
    return perRequest === undefined || rate === undefined ? [] : [perRequest * rate];
  });
  return used.length === 0 ? null : mean(used);
}
