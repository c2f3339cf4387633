/** The one comment that Mayfly keeps in a pull request. Pure. */
import { type Job, subjectText } from '../../documents/job.ts';
import type { RunDocument } from '../../documents/run.ts';
import { escaped, verdictMarkdown } from '../../report/markdown.ts';
import type { Acceptance } from '../../store/acceptances.ts';
import { acceptedMarkdown, cut, endOf, firstOf, jobLink, reasonMarkdown, settingsAndBranch } from './checks.ts';

export interface PullRequestState {
  repository: string;
  number: number;
  /** Full hash of the head. */
  head: string;
  /** The branch that it goes into; absent: the default one. */
  branch?: string | undefined;
  from_fork: boolean;
}

/** Where the comment finds the rest. */
interface CommentContext {
  /** The run of a job that was judged. */
  runOf(job: Job): RunDocument | undefined;
  /** Who has accepted that its check fails. */
  acceptedOf(job: Job): Acceptance | undefined;
  /** Address of the site, without a slash at its end. */
  site: string;
}

/** A job with what is known of it beside. */
interface Known {
  job: Job;
  run: RunDocument | undefined;
  accepted: Acceptance | undefined;
}

/** GitHub's limit for a comment. */
const MOST = 65_536;
/** Jobs that are listed where they are not the newest of the head; the site has them all. */
const OLDER = 20;
/** Benchmarks that are shown with their tables, where there is room; each of the rest is a line. */
const SECTIONS = 100;

/** By this the comment is found again. It stands first. */
export const commentMarker = (repository: string, number: number): string => `<!-- mayfly:${repository}#${number} -->`;

/**
 * The comment: the newest job of each check of the head, then older ones, folded. `jobs`: those of the pull
 * request in any order. Undefined where there is nothing to say.
 */
export function pullRequestComment(
  state: PullRequestState,
  jobs: readonly Job[],
  { runOf, acceptedOf, site }: CommentContext,
): string | undefined {
  const newestFirst = jobs.toSorted((a, b) => (a.job_id < b.job_id ? 1 : -1));
  const current = [
    ...new Map(
      newestFirst
        .filter(({ commit }) => commit === state.head)
        .filter(({ branch, against }) => against !== undefined || branch === state.branch)
        .toReversed()
        .map((job) => [subjectText(job), job]),
    ).values(),
  ].toSorted((a, b) => (subjectText(a) < subjectText(b) ? -1 : 1));
  if (current.length === 0 && newestFirst.length === 0 && !state.from_fork) return undefined;
  const older = newestFirst.filter((job) => !current.includes(job));
  const sections = current.map((job, index) =>
    index < SECTIONS
      ? sectionOf({ job, run: job.state === 'done' ? runOf(job) : undefined, accepted: acceptedOf(job) }, site)
      : sectionAsLine({ job, run: undefined, accepted: acceptedOf(job) }, site),
  );
  const unasked = current.length > 0 ? [] : [unaskedText(state, newestFirst.length > 0)];
  const head = [
    commentMarker(state.repository, state.number),
    `### Mayfly at \`${state.head.slice(0, 12)}\``,
    ...unasked,
  ];
  return assembled(
    head,
    sections,
    olderLines(
      older.map((job) => ({ job, run: undefined, accepted: acceptedOf(job) })),
      site,
    ),
  );
}

/** One benchmark, whole and as a line. */
interface Section {
  long: string;
  short: string;
}

function sectionOf(known: Known, site: string): Section {
  const { job, run, accepted } = known;
  const settings = settingsAndBranch(job);
  const title = `#### ${escaped(job.benchmark)}${settings === '' ? '' : ` (${escaped(cut(settings, 300))})`}`;
  const line = `- ${lineOf(known, site)}`;
  const by = accepted ? `${acceptedMarkdown(accepted)}\n\n` : '';
  if (run?.verdict)
    return {
      long: `${title}\n\n${by}${verdictMarkdown(run.verdict, run, [jobLink(job, site)]).trimEnd()}`,
      short: line,
    };
  return {
    long: `${title}\n\n${job.state === 'failed' ? `Not measured: ${reasonMarkdown(job, site)}` : stateText(known, site)}`,
    short: line,
  };
}

function sectionAsLine(known: Known, site: string): Section {
  const line = `- ${lineOf(known, site)}`;
  return { long: line, short: line };
}

/** A job in one line. */
function lineOf(known: Known, site: string): string {
  const { job } = known;
  const settings = settingsAndBranch(job);
  return `\`${job.commit.slice(0, 12).replace(/[^\w.-]/g, '?')}\` ${escaped(job.benchmark)}${settings === '' ? '' : ` (${escaped(cut(settings, 300))})`}: ${stateText(known, site)}`;
}

function stateText({ job, run, accepted }: Known, site: string): string {
  const link = (text: string) => `[${text}](<${jobLink(job, site)}>)`;
  const why = escaped(cut(firstOf(job.reason ?? ''), 500));
  if (job.state === 'queued') return `waits in the ${link('queue')}${why === '' ? '' : `, once more: ${why}`}`;
  if (job.state === 'leased')
    return job.cancel_reason === undefined
      ? `is ${link('measured now')}`
      : `is to end: ${escaped(cut(firstOf(job.cancel_reason), 500))}`;
  const end = endOf(job);
  if (end === 'judged') {
    const sentence = run?.verdict?.summary ?? run?.status_reason ?? job.reason;
    const by = accepted
      ? `, accepted by ${escaped(`@${accepted.accepted_by}`)}: ${escaped(cut(accepted.reason, 300))}`
      : '';
    return `**${job.verdict}**${by}${sentence === undefined ? '' : `: ${escaped(cut(sentence, 500))}`} (${link(run === undefined ? 'more' : 'the run')})`;
  }
  if (end === 'alone') return `measured alone, without a verdict (${link('the run')})`;
  if (end === 'cancelled') return `cancelled: ${why}`;
  return `${end === 'build' || end === 'service' ? '' : 'not measured: '}${why} (${link('more')})`;
}

function unaskedText({ head, from_fork }: PullRequestState, before: boolean): string {
  const what = before ? 'This newest commit is not measured yet.' : 'This pull request is not measured yet.';
  if (!from_fork) return `${what} \`/bench\` in a comment asks for it.`;
  return `${what} It comes from a fork, so its code runs only when somebody with write access has read it and asks for exactly this commit: \`/bench commit=${head}\` in a comment does.`;
}

function olderLines(older: readonly Known[], site: string): string[] {
  const more = older.length - OLDER;
  return [
    ...older.slice(0, OLDER).map((known) => `- ${lineOf(known, site)}`),
    ...(more > 0 ? [`- and ${more} more on [the site](<${site}/jobs>)`] : []),
  ];
}

const HINT = '`/bench help` in a comment says what can be asked for.';

/**
 * Puts it together. What is too long for GitHub loses the older jobs, then becomes a line, the longest section first;
 * then lines are left out.
 */
function assembled(head: string[], sections: Section[], older: string[]): string {
  const shown = sections.map(({ long }) => long);
  const text = (parts: string[], folded: string[]) =>
    `${[...head, ...parts, ...(folded.length > 0 ? [`<details>\n<summary>Other jobs of this pull request (${folded.length})</summary>\n\n${folded.join('\n')}\n\n</details>`] : []), HINT].join('\n\n')}\n`;
  const whole = text(shown, older);
  if (whole.length <= MOST) return whole;
  const room = MOST - text([], []).length;
  const saved = (index: number) => shown[index]!.length - sections[index]!.short.length;
  const longestFirst = [...shown.keys()].filter((index) => saved(index) > 0).sort((a, b) => saved(b) - saved(a));
  for (const index of longestFirst) if (lengthOf(shown) > room) shown[index] = sections[index]!.short;
  if (lengthOf(shown) <= room) return text(shown, []);
  // for the line that says how many are left out
  const fitting = shown.findIndex((_, count) => lengthOf(shown.slice(0, count + 1)) > room - 100);
  return text([...shown.slice(0, fitting), `and ${shown.length - fitting} more benchmarks`], []);
}

const lengthOf = (parts: string[]): number => parts.reduce((sum, part) => sum + part.length + 2, 0);
