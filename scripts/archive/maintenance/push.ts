/** Shipping what waits on this host: the work of `npm run archive:push` and of `npm run archive -- push`. */

import type { Context } from '../../app/context.ts';
import { EXIT } from '../../core/errors.ts';
import { sweepLeftovers } from '../recovery/leftovers.ts';
import { type ShippedRun, shipPending } from '../ship.ts';

export const PUSH_ABOUT = 'Ships the snapshots of runs that could not be shipped when they ended.';
export const PUSH_SCHEMA = 'mayfly.push/v1';

/** Ships all that waits, after what dead runs have left waits too. */
export async function push(ctx: Context): Promise<ShippedRun[]> {
  await sweepLeftovers(ctx);
  return shipPending(ctx);
}

export const pushDocument = (runs: ShippedRun[]) => ({ schema: PUSH_SCHEMA, runs });

export function pushText(pushed: ShippedRun[]): string {
  if (pushed.length === 0) return 'nothing waits to be shipped';
  return pushed
    .map(({ run_id, archive }) =>
      archive.pending
        ? `${run_id}  still waits: ${archive.error}`
        : `${run_id}  shipped to ${archive.bucket} (${archive.blocks.join(', ')})`,
    )
    .join('\n');
}

/** infrastructure where any run still waits. */
export const pushExit = (pushed: ShippedRun[]): number =>
  pushed.some(({ archive }) => archive.pending) ? EXIT.infrastructure : EXIT.pass;
