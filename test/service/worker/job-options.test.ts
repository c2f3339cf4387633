import t from 'tap';
import type { Job } from '../../../scripts/documents/job.ts';
import { optionsOf } from '../../../scripts/service/worker/job-options.ts';

const job = (laid: Partial<Job>) =>
  optionsOf({ job_id: 'J', kind: 'new-test', benchmark: 'shop', commit: 'c', overrides: {}, ...laid } as Job);

t.test('a job is measured as its branch and its baseline say', async (t) => {
  const labels = { job: 'J' };
  t.strictSame(job({}), { benchmark: 'shop', commit: 'c', labels });
  t.strictSame(job({ branch: 'feature-a' }), { benchmark: 'shop', commit: 'c', branch: 'feature-a', labels });
  t.strictSame(job({ against: 'b', overrides: { rate: '7' } }), {
    benchmark: 'shop',
    commit: 'c',
    against: 'b',
    rate: '7',
    labels,
  });
  t.strictSame(job({ overrides: { variant: 'scaled', against_variant: 'single' } }), {
    benchmark: 'shop',
    commit: 'c',
    variant: 'scaled',
    againstVariant: 'single',
    labels,
  });
  t.strictSame(job({ paths: ['src/**'] }), { benchmark: 'shop', commit: 'c', paths: ['src/**'], labels });
  const master = { benchmark: 'shop', commit: 'c', master: true, against: 'anchor', labels };
  t.strictSame(job({ kind: 'new-master' }), master);
  t.strictSame(job({ kind: 'new-master', branch: 'release-1.4' }), { ...master, branch: 'release-1.4' });
});
