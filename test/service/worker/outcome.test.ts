/** How an error ends a job. */
import t from 'tap';
import { CandidateError, InfrastructureError, NothingToCompare, UsageError } from '../../../scripts/core/errors.ts';
import type { Job } from '../../../scripts/documents/job.ts';
import { failureOf } from '../../../scripts/service/worker/outcome.ts';

const commit = 'a1'.repeat(20);
const base = 'b2'.repeat(20);
const job = (laid: Partial<Job> = {}) => ({ commit, repository: 'octo/shop', ...laid }) as Job;

t.test('what somebody has to fix fails, what may pass is tried again', async (t) => {
  const hint = 'do this';
  t.strictSame(
    [
      new UsageError('wrong flag', { hint }),
      new InfrastructureError('no engine', { hint }),
      new InfrastructureError('the build failed', { unbuildable: commit }),
      new InfrastructureError('the build failed', { unbuildable: base }),
      new CandidateError('this commit does not start'),
      new NothingToCompare('nothing to compare'),
      new TypeError('x is undefined'),
    ].map((error) => failureOf(error, job())),
    [
      { state: 'failed', fault: 'other', reason: 'wrong flag\ndo this' },
      { state: 'retry', reason: 'no engine\ndo this' },
      { state: 'failed', fault: 'build', reason: 'the build failed' },
      { state: 'failed', fault: 'other', reason: 'the build failed' },
      { state: 'failed', fault: 'service', reason: 'this commit does not start' },
      { state: 'done', verdict: 'PASS', reason: 'nothing to compare' },
      { state: 'failed', fault: 'other', reason: 'a fault of Mayfly itself: x is undefined' },
    ],
  );
});

t.test('a commit that GitHub has told of and its remote does not show yet is looked for again', async (t) => {
  const missing = (hash: string) => new UsageError(`commit "${hash}" is not in the repository r`, { missing: hash });
  t.strictSame(failureOf(missing(commit), job()), {
    state: 'absent',
    reason: `commit "${commit}" is not in the repository r`,
  });
  t.match(failureOf(missing(base), job()), { state: 'failed', fault: 'other' }, 'of another commit');
  t.match(failureOf(missing(commit), job({ repository: undefined })), { state: 'failed' }, 'asked for by hand');
});
