/** One command of a data folder at a time changes the archive: what one has seen is still so when it acts on it. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { InfrastructureError } from '../../core/errors.ts';
import { lockRun } from '../run-lock.ts';

/** Runs `work` under a lock that a dead process gives up. Throws InfrastructureError where another command has it. */
export async function alone<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
  const folder = join(ctx.paths.cache, 'maintenance');
  await mkdir(folder, { recursive: true });
  using lock = await lockRun(folder);
  if (!lock)
    throw new InfrastructureError('another command of this data folder is changing the archive', {
      hint: 'Nothing was changed by this one. Try again when the other has ended.',
    });
  return await work();
}
