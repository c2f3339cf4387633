/** Where a change is, in words: `consumer: +4.10 ms of +4.30 ms`. Pure. */
import { plainText } from '../core/text.ts';
import type { VerdictDocument } from '../documents/verdict.ts';
import { formatValue } from './units.ts';

/** What stands before the lines. */
export const ATTRIBUTED = 'Where the change is, in the mean:';

/** Parts of a change that are named, and the share of the whole that a part must have. */
const MOST = 3;
const LEAST_SHARE = 0.1;

interface Change {
  change_s: number;
  low: number | null;
  high: number | null;
}

/** The hops and services whose change is sure and no small part of the whole; of a REGRESSION or IMPROVEMENT only. */
export function attributionLines({ verdict, attribution }: Pick<VerdictDocument, 'verdict' | 'attribution'>): string[] {
  if (verdict !== 'REGRESSION' && verdict !== 'IMPROVEMENT') return [];
  const { latency, cpu } = attribution ?? {};
  return [
    ...(latency
      ? linesOf(
          'of a request, by its traces',
          latency.total,
          latency.hops.map(({ hop, ...change }) => ({ name: hop, ...change })),
        )
      : []),
    ...(cpu
      ? linesOf(
          'of CPU per request',
          cpu.total,
          cpu.services.map(({ service, ...change }) => ({ name: service, ...change })),
        )
      : []),
  ];
}

function linesOf(what: string, total: Change, parts: readonly (Change & { name: string })[]): string[] {
  return parts
    .filter((part) => isSure(part) && Math.abs(part.change_s) >= LEAST_SHARE * Math.abs(total.change_s))
    .slice(0, MOST)
    .map(
      (part) =>
        `${plainText(part.name)}: ${signed(part.change_s)} of ${signed(total.change_s)} ${what}${
          part.low === null || part.high === null ? '' : ` (95 % interval ${signed(part.low)} to ${signed(part.high)})`
        }`,
    );
}

/** Too few rounds make no interval: then the estimate has to do. */
const isSure = ({ change_s, low, high }: Change): boolean =>
  low === null || high === null ? change_s !== 0 : low > 0 || high < 0;

export const signed = (seconds: number): string => `${seconds > 0 ? '+' : ''}${formatValue(seconds, 's')}`;
