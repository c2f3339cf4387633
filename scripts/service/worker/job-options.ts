/** A job as `npm run bench` would be asked for it. Pure. */
import type { BenchOptions } from '../../config/config.ts';
import type { Job } from '../../documents/job.ts';

/** What a job asks of its run. */
export function optionsOf({
  kind,
  job_id,
  benchmark,
  commit,
  branch,
  against,
  paths,
  overrides: { against_variant: againstVariant, ...overrides },
  repository,
  pull_request,
}: Job): BenchOptions {
  return {
    benchmark,
    commit,
    ...(kind === 'new-master' ? { master: true, against: 'anchor' } : against === undefined ? {} : { against }),
    ...(branch === undefined ? {} : { branch }),
    ...(paths === undefined ? {} : { paths }),
    ...overrides,
    ...(againstVariant === undefined ? {} : { againstVariant }),
    labels: {
      job: job_id,
      ...(repository ? { repository } : {}),
      ...(pull_request === undefined ? {} : { pull_request: String(pull_request) }),
    },
  };
}
