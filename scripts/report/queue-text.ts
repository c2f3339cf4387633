/** The queue: as a document, and as text for a terminal. Pure. */

import { plainText, plural } from '../core/text.ts';
import type { Job } from '../documents/job.ts';
import { shortCommit } from '../engine/names.ts';
import type { Paused, SeenWorker } from '../store/jobs.ts';
import { LEASE_MS } from '../store/leases.ts';
import { columns, styled } from './columns.ts';
import { formatElapsed, NO_VALUE } from './units.ts';

/** schema mayfly.queue/v1. Times are ISO 8601. */
export interface QueueDocument {
  schema: 'mayfly.queue/v1';
  /** Absent: it is not paused. */
  paused?: Paused;
  /** Processes that take jobs; one that was killed stays for a day. */
  workers: SeenWorker[];
  /** What runs, then what waits in the order it will be taken, then what has ended, the newest first. */
  jobs: Job[];
}

export interface QueueTextOptions {
  color: boolean;
  /** Milliseconds since the epoch. */
  now: number;
}

/** A reason may hold the end of a build's log. */
const LONGEST_WORDS = 90;

/** Who works, whether it is paused, a line for each job. */
export function queueText({ paused, workers, jobs }: QueueDocument, options: QueueTextOptions): string {
  return [
    ...(paused
      ? [
          styled(
            'yellow',
            `paused since ${minute(paused.at)} by ${plainText(paused.by)}${paused.reason ? `: ${plainText(paused.reason)}` : ''}; what runs goes on. npm run queue -- resume`,
            options.color,
          ),
        ]
      : []),
    ...workerLines(workers, options.now),
    '',
    jobs.length > 0 ? jobsTable(jobs, options) : 'no job to show; npm run queue -- add makes one',
  ].join('\n');
}

function workerLines(workers: SeenWorker[], now: number): string[] {
  if (workers.length === 0) return ['no worker is there; npm run work starts one'];
  return workers.map(({ host, pid, slots, seen_at }) => {
    const silentMs = Math.abs(now - Date.parse(seen_at)); // of a clock that was set back, too
    const heard = silentMs < LEASE_MS ? 'is there' : `is missing: last heard of at ${minute(seen_at)}`;
    return `worker ${plainText(host)}, process ${pid}, ${plural(slots, 'slot')}, ${heard}`;
  });
}

function jobsTable(jobs: Job[], { color, now }: QueueTextOptions): string {
  const rows = jobs.map((job) => [
    job.job_id,
    job.state,
    plainText(job.benchmark),
    plainText(shortCommit(job.commit)),
    ofWhat(job),
    plainText(job.requested_by),
    timeText(job, now),
    whatOf(job, now),
  ]);
  return columns(['job', 'state', 'benchmark', 'commit', 'of', 'asked by', 'time', ''], rows, { left: 8, color });
}

function ofWhat({ repository, pull_request, kind, ref, branch, against }: Job): string {
  const words =
    pull_request !== undefined
      ? `${repository}#${pull_request}`
      : kind === 'new-master'
        ? [branch ?? 'default branch', ...(repository ? [`of ${repository}`] : [])].join(' ')
        : (repository ?? ref);
  return (
    plainText(
      [
        words,
        kind === 'new-test' && branch !== undefined ? `into ${branch}` : undefined,
        against === undefined ? undefined : `against ${shortCommit(against)}`,
      ]
        .filter(Boolean)
        .join(' '),
    ) || NO_VALUE
  );
}

/** How long it has run or waited; when it ended. */
function timeText({ state, created_at, started_at, ended_at }: Job, now: number): string {
  if (ended_at !== undefined) return minute(ended_at);
  return formatElapsed(Math.max(0, now - Date.parse((state === 'leased' && started_at) || created_at)) / 1000);
}

function whatOf(
  { state, progress, cancel_reason, reason, verdict, not_before, run_id, overrides }: Job,
  now: number,
): string {
  const settings = Object.entries(overrides).map(([name, value]) => `${name}=${value}`);
  const rounds =
    progress?.rounds_most === undefined ? [] : [`${progress.rounds_done} of ${plural(progress.rounds_most, 'round')}`];
  const pause =
    state === 'queued' && not_before !== undefined && Date.parse(not_before) > now
      ? [`in ${formatElapsed((Date.parse(not_before) - now) / 1000)}`]
      : [];
  const words =
    state === 'leased'
      ? [...settings, ...(cancel_reason ? [`is to end: ${cancel_reason}`] : []), ...rounds, progress?.text]
      : [
          ...settings,
          ...pause,
          verdict ?? reason ?? (state === 'done' ? 'measured alone' : undefined),
          ...(run_id && state === 'done' ? [`run ${run_id}`] : []),
        ];
  return shortened(words.filter((word) => word !== undefined).join(', '));
}

function shortened(text: string): string {
  const line = plainText(text.split('\n')[0]!);
  return line.length > LONGEST_WORDS ? `${line.slice(0, LONGEST_WORDS - 3)}...` : line;
}

/** "2026-11-21 16:48", UTC. */
const minute = (at: string) => at.slice(0, 16).replace('T', ' ');
