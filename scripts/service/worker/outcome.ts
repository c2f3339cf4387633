/** What becomes of a job whose run failed. Pure. */
import { CandidateError, EXIT, MayflyError, NothingToCompare } from '../../core/errors.ts';
import type { Job } from '../../documents/job.ts';
import type { Outcome } from '../../store/leases.ts';

/**
 * How an error ends the job: what somebody has to fix fails at once, what may pass is tried again. A commit that GitHub
 * has told of and that its remote does not have is one that is not shown yet: a webhook comes before the ref.
 */
export function failureOf(error: unknown, job: Job): Outcome {
  if (!(error instanceof MayflyError))
    return { state: 'failed', fault: 'other', reason: `a fault of Mayfly itself: ${messageOf(error)}` };
  if (error instanceof NothingToCompare) return { state: 'done', verdict: 'PASS', reason: error.message };
  if (error.missing === job.commit && job.repository !== undefined) return { state: 'absent', reason: error.message };
  const reason = [error.message, error.hint].filter(Boolean).join('\n');
  if (error instanceof CandidateError) return { state: 'failed', fault: 'service', reason };
  if (error.exitCode === EXIT.infrastructure && error.unbuildable === undefined) return { state: 'retry', reason };
  return { state: 'failed', fault: error.unbuildable === job.commit ? 'build' : 'other', reason };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
