/** Whether a comparison failed by the commit that it was about, and not by the machine. */
import type { Context } from '../../app/context.ts';
import { CandidateError, InfrastructureError } from '../../core/errors.ts';
import { LABEL, shortCommit } from '../../engine/names.ts';
import { OF_THE_MACHINE } from '../../stack/build.ts';

/**
 * True only of what names the candidate and looks like its fault, with an engine that still answers: a commit that is
 * wrongly skipped makes the answer wider, and on a broken machine all would be skipped.
 */
export async function isUnbuildable(
  error: unknown,
  candidate: string,
  ctx: Pick<Context, 'engine' | 'signal'>,
): Promise<boolean> {
  if (ctx.signal.aborted || !looksUnbuildable(error, candidate)) return false;
  return ctx.engine.containers(LABEL.run).then(
    () => true,
    () => false,
  );
}

/**
 * By what it is and says alone. Pure. Something that could not be cleaned up (a SuppressedError) is never the commit's.
 */
export function looksUnbuildable(error: unknown, candidate: string): boolean {
  if (error instanceof CandidateError) return true;
  if (!(error instanceof InfrastructureError)) return false;
  const first = error.message.split('\n')[0]!;
  const named = first.includes(shortCommit(candidate));
  return /^the build of .* failed: /.test(first) && named && !OF_THE_MACHINE.test(error.message);
}
