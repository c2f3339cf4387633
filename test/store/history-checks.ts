/** What must be true of the jobs of a history once it has come to rest. */

import type { Job } from '../../scripts/documents/job.ts';
import type { RunStatus } from '../../scripts/documents/run.ts';
import { ENDED } from '../../scripts/store/jobs.ts';
import type { HistoryGitHub } from './history-github.ts';

export interface Rest {
  jobs: Job[];
  /** Ids that the queue has given for what was asked for. */
  asked: ReadonlySet<string>;
  /** Ids of those that somebody has cancelled. */
  cancelled: ReadonlySet<string>;
  benchmarks: readonly string[];
  github: HistoryGitHub;
  statusOf(runId: string): RunStatus;
}

/** A sentence for each thing that is wrong. */
export function checkJobs(rest: Rest): string[] {
  const { jobs, asked, cancelled, benchmarks, github } = rest;
  const settled = (commit: string, kind: Job['kind'], benchmark: string) =>
    jobs.some(
      (job) =>
        job.commit === commit &&
        job.kind === kind &&
        job.benchmark === benchmark &&
        (job.state === 'done' || job.state === 'failed' || cancelled.has(job.job_id)),
    );
  return [
    ...[...asked].filter((id) => !jobs.some(({ job_id }) => job_id === id)).map((id) => `job ${id} is lost`),
    ...jobs.flatMap((job) => checkJob(job, rest).map((what) => `job ${job.job_id} ${what}`)),
    ...benchmarks.flatMap((benchmark) => [
      ...github.open
        .filter(({ head }) => !settled(head, 'new-test', benchmark))
        .map(({ head, number }) => `head ${head} of pull request ${number} was never measured with ${benchmark}`),
      ...(settled(github.master, 'new-master', benchmark)
        ? []
        : [`the head of the default branch was never measured with ${benchmark}`]),
    ]),
  ];
}

function checkJob(job: Job, { cancelled, statusOf }: Rest): string[] {
  const { job_id, state, reason, run_id, losses } = job;
  const { replaced_by } = job as Job & { replaced_by?: string };
  const faults: [boolean, string][] = [
    [!ENDED.includes(state), `has not ended: it is ${state}`],
    [state === 'failed' && !reason, 'has failed without a reason'],
    [state === 'done' && statusOf(run_id!) !== 'complete', `is done, but its run ${run_id} is not complete`],
    [
      state === 'cancelled' && !replaced_by && !cancelled.has(job_id) && reason !== 'its pull request was closed',
      `was cancelled by nobody: ${reason}`,
    ],
    [losses > 2, 'was begun again after its worker was lost twice'],
  ];
  return faults.filter(([wrong]) => wrong).map(([, what]) => what);
}
