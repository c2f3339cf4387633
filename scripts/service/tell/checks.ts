/** What a check run on GitHub says of a job. Pure. */
import type { Conclusions } from '../../config/service.ts';
import { plainText, plural } from '../../core/text.ts';
import { type Job, subjectText } from '../../documents/job.ts';
import type { RunDocument } from '../../documents/run.ts';
import { escaped, fenced, verdictMarkdown } from '../../report/markdown.ts';
import type { Acceptance } from '../../store/acceptances.ts';
import type { CheckRun } from './github-types.ts';

export interface CheckContext {
  /** Address of the site, without a slash at its end. */
  site: string;
  /** Jobs that go before it, where it waits. */
  ahead?: number;
  /** The queue is paused. */
  paused?: boolean;
  /** Which conclusion a verdict gives. */
  conclusions: Conclusions;
  /** Somebody has accepted the job's verdict. */
  accepted?: Acceptance | undefined;
}

/** GitHub's limit for a summary, and what fits beside the name in its list of checks. */
const SUMMARY = 65_535;
const TITLE = 200;

const CHECK = 'mayfly: ';
/** Each deployment of a benchmark that is measured has a check of its own: its verdict is no other's. */
const checkName = (job: Pick<Job, 'benchmark' | 'overrides'>): string => `${CHECK}${subjectText(job)}`;
/** The benchmark of a check run of this name; undefined: it is none of ours. */
export const benchmarkOf = (name: string): string | undefined =>
  name.startsWith(CHECK) ? name.slice(CHECK.length).replace(/ \(.*\)$/, '') : undefined;

/** The check run of a job on its commit. `run`: the one it ended with, where there is one. */
export function checkRunOf(job: Job, run: RunDocument | undefined, context: CheckContext): CheckRun {
  const { title, summary, conclusion } = ENDED.has(job.state)
    ? ended(job, run, context)
    : { ...underWay(job, context), conclusion: undefined };
  return {
    name: checkName(job),
    commit: job.commit,
    external_id: job.job_id,
    status: conclusion !== undefined ? 'completed' : job.state === 'leased' ? 'in_progress' : 'queued',
    ...(conclusion === undefined ? {} : { conclusion }),
    details_url: jobLink(job, context.site),
    title: cut(plainText(title), TITLE),
    summary: fitted(`${[...settingsLine(job), summary].join('\n\n')}`, SUMMARY),
    ...(job.state !== 'queued' && job.started_at !== undefined ? { started_at: job.started_at } : {}),
    ...(conclusion === undefined ? {} : { completed_at: job.ended_at! }),
  };
}

const ENDED = new Set(['done', 'failed', 'cancelled']);

interface Said {
  title: string;
  /** Markdown. */
  summary: string;
}

/** Address of the page of the job's run, where one has begun; else of the jobs. */
export function jobLink({ run_id, progress }: Job, site: string): string {
  const id = run_id ?? progress?.run_id;
  return id === undefined ? `${site}/jobs` : `${site}/runs/${id}`;
}

/** `rate 500, against v1.2`; empty where the job is measured as its benchmark says. */
function settingsOf({ overrides, against }: Job): string {
  return [
    ...Object.entries(overrides).map(([name, value]) => `${name} ${value}`),
    ...(against === undefined ? [] : [`against ${against}`]),
  ].join(', ');
}

/** The same, and the branch that a pull request goes into where that is not the default one. */
export const settingsAndBranch = (job: Job): string =>
  [settingsOf(job), job.kind === 'new-test' && job.branch !== undefined ? `into ${job.branch}` : '']
    .filter((text) => text !== '')
    .join(', ');

const settingsLine = (job: Job): string[] => [
  ...(settingsOf(job) === '' ? [] : [`Asked for by ${escaped(job.requested_by)} with ${escaped(settingsOf(job))}.`]),
  ...(job.branch === undefined
    ? []
    : [
        job.kind === 'new-test'
          ? `It goes into ${escaped(job.branch)}: it is compared with where it left that branch.`
          : `A commit of ${escaped(job.branch)}: it is compared with the anchor of that branch.`,
      ]),
];

/** What a benchmark's check says where a label of the pull request skips it: neutral, so that nobody waits for it. */
export const skippedCheckOf = (
  benchmark: string,
  { head, updated_ms }: { head: string; updated_ms: number },
  { id, label, site }: { id: string; label: string; site: string },
): CheckRun => ({
  name: checkName({ benchmark, overrides: {} }),
  commit: head,
  external_id: id,
  status: 'completed',
  conclusion: 'neutral',
  details_url: `${site}/jobs`,
  title: cut(plainText(`Not measured: the pull request has the label ${label}`), TITLE),
  summary: `A pull request with the label ${escaped(label)} is measured only where somebody asks: \`/bench\` in a comment does.`,
  completed_at: new Date(updated_ms).toISOString(),
});

function underWay(job: Job, { site, ahead = 0, paused }: CheckContext): Said {
  const link = `Job ${job.job_id}: [what runs and waits](<${site}/jobs>).`;
  const before = job.reason === undefined ? '' : `It was begun before: ${escaped(firstOf(job.reason))}.\n\n`;
  if (job.state === 'queued') {
    const title = paused
      ? 'Queued; the queue is paused'
      : ahead === 0
        ? 'Queued, next in line'
        : `Queued behind ${roughly(ahead)}`;
    return { title, summary: `${before}${link}` };
  }
  const { rounds_done = 0, rounds_most, run_id } = job.progress ?? {};
  const rounds =
    rounds_most === undefined
      ? 'Begun; no round is measured yet'
      : `${rounds_done} of at most ${plural(rounds_most, 'round')} measured`;
  const title = job.cancel_reason === undefined ? rounds : `${rounds}; it is to end: ${firstOf(job.cancel_reason)}`;
  return {
    title,
    summary: `${escaped(title)}. ${run_id === undefined ? link : `[The run as it goes on](<${site}/runs/${run_id}>).`}`,
  };
}

/**
 * Every job that ends moves all that wait: the further back, the less exactly it is said, so that GitHub is told less
 * often.
 */
function roughly(ahead: number): string {
  if (ahead <= 5) return plural(ahead, 'job');
  const bound = [10, 20, 50, 100].find((one) => ahead < one);
  return bound === undefined ? '100 jobs or more' : `fewer than ${bound} jobs`;
}

function ended(
  job: Job,
  run: RunDocument | undefined,
  { site, conclusions, accepted }: CheckContext,
): Said & { conclusion: NonNullable<CheckRun['conclusion']> } {
  const kind = endOf(job);
  const because = reasonMarkdown(job, site);
  const first = firstOf(job.reason ?? '');
  switch (kind) {
    case 'judged': {
      const sentence = run?.verdict ? run.verdict.summary : (run?.status_reason ?? job.reason ?? '');
      const title =
        sentence === ''
          ? job.verdict!
          : run === undefined
            ? capital(sentence) // nothing was measured, so it is no verdict
            : `${job.verdict}: ${sentence}`;
      const summary = run?.verdict
        ? verdictMarkdown(run.verdict, run, [jobLink(job, site)])
        : `**${job.verdict}**${sentence === '' ? '' : `: ${escaped(sentence)}`}\n\n${job.run_id === undefined ? `Job ${job.job_id}` : `[The run](<${jobLink(job, site)}>)`}.`;
      const conclusion = conclusions[job.verdict!];
      return conclusion === 'failure' && accepted
        ? {
            title: `${job.verdict}, accepted by @${accepted.accepted_by}: ${accepted.reason}`,
            summary: `${acceptedMarkdown(accepted)}\n\n${summary}`,
            conclusion: 'success',
          }
        : { title, summary, conclusion };
    }
    case 'alone':
      return {
        title: 'Measured alone: there is no verdict',
        summary: `Measured, and compared with nothing. [The run](<${jobLink(job, site)}>).`,
        conclusion: 'neutral',
      };
    case 'cancelled':
      return { title: `Cancelled: ${first}`, summary: because, conclusion: 'cancelled' };
    case 'late':
      return { title: `Not measured: ${first}`, summary: because, conclusion: 'timed_out' };
    case 'build':
      return { title: 'The build of this commit failed', summary: because, conclusion: 'failure' };
    case 'service':
      return { title: capital(first), summary: because, conclusion: 'failure' };
    case 'fault':
      return { title: `Not measured: ${first}`, summary: because, conclusion: conclusions.not_measured };
  }
}

const capital = (text: string) => text.replace(/^./, (letter) => letter.toUpperCase());

/** Whether the check of a job fails by its verdict: then somebody with write access may accept it. */
export const failsByVerdict = (job: Job, conclusions: Conclusions): boolean =>
  endOf(job) === 'judged' && conclusions[job.verdict!] === 'failure';

/** Whether an acceptance is of this: an accepted REGRESSION is of every verdict of its commit, another only of its own. */
export const covers = ({ verdict }: Acceptance, job: Job): boolean =>
  verdict === 'REGRESSION' || verdict === job.verdict;

/** Who has accepted it, when and why, as a sentence. */
export const acceptedMarkdown = ({ accepted_by, accepted_at, reason }: Acceptance): string =>
  `**Accepted** by ${escaped(`@${accepted_by}`)} on ${accepted_at.slice(0, 10)}: ${escaped(reason)}`;

export type JobEnd = 'judged' | 'alone' | 'cancelled' | 'late' | 'build' | 'service' | 'fault';

/**
 * How a job that has ended came to its end. `build`: its own commit cannot be built; `service`: its own service does not
 * start, dies or only fails, while the baseline's does well: both are for its author to fix. `fault`: of the
 * infrastructure or the configuration.
 */
export function endOf({ state, verdict, fault }: Job): JobEnd {
  if (state === 'done') return verdict === undefined ? 'alone' : 'judged';
  if (state === 'cancelled') return 'cancelled';
  if (fault === 'deadline') return 'late';
  return fault === 'build' || fault === 'service' ? fault : 'fault';
}

/** Why a job has no result: the first line as a sentence, what follows it (the end of a log) as it is. */
export function reasonMarkdown(job: Job, site: string): string {
  const [first, ...rest] = (job.reason ?? 'no reason is known').split('\n');
  const log = rest.join('\n').trim();
  return [
    `${escaped(cut(plainText(first!), 1000))}.`,
    ...(log === '' ? [] : [fenced(log)]),
    `Job ${job.job_id}: [more](<${jobLink(job, site)}>).`,
  ].join('\n\n');
}

export const firstOf = (text: string): string => plainText(text.split('\n')[0]!);

/** At most so many characters, and no half of a pair of surrogates at the end. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 3).replace(/[\uD800-\uDBFF]$/, '')}...`;
}

/** Markdown that is too long loses what is folded, then its last lines. */
export function fitted(markdown: string, most: number): string {
  if (markdown.length <= most) return markdown;
  const note = '\n\nThis was too long for GitHub; the page of the run has all of it.\n';
  const open = markdown.split('\n<details>')[0]!.trimEnd();
  const room = most - note.length;
  return `${open.length <= room ? open : open.slice(0, open.lastIndexOf('\n', room) + 1).trimEnd()}${note}`;
}
