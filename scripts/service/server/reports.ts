/**
 * What GitHub is to be told of the jobs: a check run for each, and one comment for each pull request. Made anew from
 * the store in every turn, so that nothing depends on who has seen which change; what did not change is not made again.
 */
import { createHash } from 'node:crypto';
import { type ServiceConfig, watchedRepository } from '../../config/service.ts';
import { type Job, variantsText } from '../../documents/job.ts';
import { branchOf } from '../../documents/pull-request.ts';
import type { RunDocument } from '../../documents/run.ts';
import { isFullHash } from '../../engine/names.ts';
import type { Acceptance } from '../../store/acceptances.ts';
import { ENDED } from '../../store/jobs.ts';
import { type CheckContext, checkRunOf, covers, failsByVerdict, skippedCheckOf } from '../tell/checks.ts';
import type { CheckRun, GitHub } from '../tell/github-types.ts';
import { commentMarker, type PullRequestState, pullRequestComment } from '../tell/pull-request-comment.ts';
import { SendError } from '../tell/send-error.ts';
import type { Sender, Senders } from './outbox.ts';
import { isSkipped } from './queueing.ts';
import type { ServeContext } from './serve-context.ts';

type ReportContext = Pick<ServeContext, 'store' | 'config' | 'site' | 'now'>;

/** Jobs that ended earlier, and pull requests without a change since, get no report any more. */
const LOOK_BACK_MS = 7 * 24 * 3600_000;
/** Ended jobs are read in pages of this size, the newest first, until every job of a page is reported. */
const PAGE = 100;
/** So often all pages of LOOK_BACK_MS are read: a clock that was set back puts a new job among the old ones. */
const WHOLE_LOOK_MS = 10 * 60_000;
const LAST_WHOLE_LOOK = 'reports: last whole look';
/** A check run under way is updated at most so often. */
const PROGRESS_MS = 15_000;

/** Writes the wanted check runs and comments into store.outbox. Cheap where little has changed. */
export function wantReports(ctx: ReportContext): void {
  if (ctx.config.repositories.length === 0) return;
  const pulls = new Map<string, PullRequestState>();
  const under = ctx.store.queue.jobs({ state: ['queued', 'leased'] });
  const queued = under.filter(({ state }) => state === 'queued').map(({ job_id }) => job_id);
  const paused = ctx.store.queue.paused() !== undefined;
  const waiting = under.filter((job) => isTold(job, ctx.config));
  const ended = untoldJobs(ctx);
  for (const state of openPulls(ctx)) pulls.set(subjectOf(state), state);
  for (const job of [...waiting, ...ended]) addPull(job, pulls, ctx);
  for (const state of sharingPulls([...waiting, ...ended], ctx)) pulls.set(subjectOf(state), state);
  // Comments first: a job whose check run says that it has ended is not looked at again.
  for (const state of pulls.values()) wantComment(state, ctx);
  for (const job of waiting)
    wantCheck(
      checkRunOf(job, undefined, { ...aboutCheck(job, ctx), ahead: Math.max(0, queued.indexOf(job.job_id)), paused }),
      job,
      ctx,
    );
  for (const job of ended) wantCheck(checkRunOf(job, runOf(job, ctx), aboutCheck(job, ctx)), job, ctx);
  wantSkipped(ctx);
}

/** Says anew what was said of jobs that have ended, however long ago: somebody has accepted them, or taken it back. */
export function reportAgain(jobs: readonly Job[], ctx: ReportContext): void {
  const told = jobs.filter((job) => ENDED.includes(job.state) && isTold(job, ctx.config));
  const pulls = new Map<string, PullRequestState>();
  for (const job of told) addPull(job, pulls, ctx);
  for (const state of sharingPulls(told, ctx)) pulls.set(subjectOf(state), state);
  for (const state of pulls.values()) wantComment(state, ctx);
  for (const job of told) wantCheck(checkRunOf(job, runOf(job, ctx), aboutCheck(job, ctx)), job, ctx);
}

function aboutCheck(job: Job, ctx: ReportContext): CheckContext {
  const { conclusions } = watchedRepository(ctx.config, job.repository!)!;
  return { site: ctx.site, conclusions, accepted: acceptanceOf(job, ctx) };
}

/** Who has accepted that the check of a job fails by its verdict. */
function acceptanceOf(job: Job, { store, config }: ReportContext): Acceptance | undefined {
  const repository = watchedRepository(config, job.repository!)!;
  if (!failsByVerdict(job, repository.conclusions)) return undefined;
  const found = store.acceptances.of(repository.name, {
    benchmark: job.benchmark,
    variant: variantsText(job),
    commit: job.commit,
  });
  return found && covers(found, job) ? found : undefined;
}

/** GitHub knows jobs of watched repositories; by hand a commit may be any name that git takes. */
const isTold = ({ repository, commit }: Job, config: ServiceConfig): boolean =>
  repository !== undefined && isFullHash(commit) && watchedRepository(config, repository) !== undefined;

/** Jobs that have ended, and whose check run does not say so yet. */
function untoldJobs(ctx: ReportContext): Job[] {
  const { store, config, now } = ctx;
  const last = Number(store.setting(LAST_WHOLE_LOOK) ?? -Infinity);
  const whole = Math.abs(now() - last) >= WHOLE_LOOK_MS;
  const found: Job[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const page = store.queue.jobs({ state: [...ENDED], limit: PAGE, offset });
    const untold = page.filter(
      (job) => isTold(job, config) && Date.parse(job.ended_at!) >= now() - LOOK_BACK_MS && !isToldEnd(job, ctx),
    );
    found.push(...untold);
    const old = page.length < PAGE || Date.parse(page.at(-1)!.ended_at!) < now() - LOOK_BACK_MS;
    if (old || (!whole && untold.length === 0)) break;
  }
  if (whole) store.saveSetting(LAST_WHOLE_LOOK, String(now()));
  return found;
}

function isToldEnd({ job_id, ended_at }: Job, { store }: ReportContext): boolean {
  // Found without reading all of it: in the texts of the document, quotation marks are escaped.
  return store.outbox.message('check', job_id)?.wanted.includes(`"completed_at":"${ended_at}"`) ?? false;
}

interface WantedCheck {
  repository: string;
  run: CheckRun;
}

function wantCheck(
  run: CheckRun,
  { job_id, repository }: Pick<Job, 'job_id' | 'repository'>,
  { store }: ReportContext,
): void {
  const wanted = JSON.stringify({ repository: repository!, run } satisfies WantedCheck);
  // no write lock where nothing has changed
  if (store.outbox.message('check', job_id)?.wanted !== wanted) store.outbox.want('check', job_id, wanted);
}

/** A check of each benchmark of which there is nothing to be expected: the pull request has the label that skips. */
function wantSkipped(ctx: ReportContext): void {
  const { store, site } = ctx;
  for (const repository of ctx.config.repositories) {
    const { name, benchmarks, labels } = repository;
    if (labels.skip === undefined) continue;
    for (const pull of store.inbox.openPullRequests(name)) {
      if (!isSkipped(repository, pull) || pull.updated_ms < ctx.now() - LOOK_BACK_MS) continue;
      for (const benchmark of benchmarks) {
        const jobs = store.queue.jobs({ repository: name, benchmark, commit: pull.head });
        if (jobs.some(({ state }) => state !== 'cancelled')) continue;
        // Of the last one that was cancelled: its check is to be newer than that one's.
        const last = jobs
          .map(({ job_id }) => job_id)
          .toSorted()
          .at(-1);
        const id = `skipped ${subjectOf(pull)} ${benchmark} ${pull.head}${last === undefined ? '' : ` ${last}`}`;
        if (store.outbox.message('check', id) !== undefined) continue;
        if (last !== undefined && !isToldEnd(store.queue.job(last)!, ctx)) continue;
        wantCheck(
          skippedCheckOf(benchmark, pull, { id, label: labels.skip, site }),
          { job_id: id, repository: name },
          ctx,
        );
      }
    }
  }
}

/** A run that is not there any more is told of by its job alone. */
function runOf({ run_id }: Job, { store }: ReportContext): RunDocument | undefined {
  try {
    return run_id === undefined ? undefined : store.run(run_id);
  } catch {
    return undefined;
  }
}

const subjectOf = ({ repository, number }: Pick<PullRequestState, 'repository' | 'number'>): string =>
  `${repository}#${number}`;

/** Open pull requests whose head another one has too: it is measured once, and told in each. */
function sharingPulls(jobs: readonly Job[], { store, config }: ReportContext): PullRequestState[] {
  const heads = new Set(
    jobs
      .filter(({ pull_request }) => pull_request !== undefined)
      .map(({ repository, commit }) => `${repository!.toLowerCase()} ${commit}`),
  );
  if (heads.size === 0) return [];
  return config.repositories
    .flatMap(({ name }) => store.inbox.openPullRequests(name))
    .filter(({ repository, head }) => heads.has(`${repository.toLowerCase()} ${head}`));
}

/** Its jobs, and those of its head that were made for another pull request. */
function jobsOf(state: PullRequestState, branch: string | undefined, { store, config }: ReportContext): Job[] {
  const own = store.queue.jobs(placeOf(state));
  const shared = store.queue
    .jobs({ repository: state.repository, commit: state.head })
    .filter((job) => job.kind === 'new-test' && own.every(({ job_id }) => job_id !== job.job_id))
    .filter((job) => job.against !== undefined || job.branch === branch);
  return [...own, ...shared].filter((job) => isTold(job, config));
}

/**
 * Open pull requests with a new head, with one that was measured for another, or from a fork and without a comment; who
 * begins to use Mayfly does not write into every old one.
 */
function openPulls({ store, config, now }: ReportContext): PullRequestState[] {
  return config.repositories
    .flatMap(({ name }) => store.inbox.openPullRequests(name))
    .filter((pull) => {
      const message = store.outbox.message('comment', subjectOf(pull));
      return message
        ? !message.wanted.startsWith(`${pull.head} `)
        : pull.updated_ms >= now() - LOOK_BACK_MS &&
            (pull.from_fork || store.queue.count({ repository: pull.repository, commit: pull.head }) > 0);
    });
}

/**
 * A pull request that nobody told us of, for which a job was made by hand, is taken to be at the commit of its newest
 * job.
 */
function addPull(job: Job, pulls: Map<string, PullRequestState>, { store }: ReportContext): void {
  if (job.pull_request === undefined) return;
  const place = { repository: job.repository!, number: job.pull_request };
  const known = store.inbox.pullRequest(place.repository, place.number);
  const before = pulls.get(subjectOf(place));
  if (before && known) return;
  const newest = store.queue.jobs(placeOf(place)).reduce((a, b) => (a.job_id > b.job_id ? a : b), job);
  pulls.set(subjectOf(place), known ?? { ...place, head: newest.commit, branch: newest.branch, from_fork: false });
}

const placeOf = ({ repository, number }: Pick<PullRequestState, 'repository' | 'number'>) => ({
  repository,
  pull_request: number,
});

/**
 * The message is the head and a hash of what the comment is made of, then the comment: it is made where these differ.
 */
function wantComment(state: PullRequestState, ctx: ReportContext): void {
  const { store, site } = ctx;
  const known = store.inbox.pullRequest(state.repository, state.number);
  const branch = known ? branchOf(known) : state.branch;
  const jobs = jobsOf(state, branch, ctx);
  const light = jobs.map(({ job_id, state, reason, cancel_reason, run_id, progress }) => [
    job_id,
    state,
    reason,
    cancel_reason,
    run_id ?? progress?.run_id,
  ]);
  const accepted = new Map(
    jobs.flatMap((job) => {
      const one = acceptanceOf(job, ctx);
      return one ? [[job.job_id, one] as const] : [];
    }),
  );
  const ids = [...accepted.values()].map(({ acceptance_id }) => acceptance_id);
  const first = `${state.head} ${createHash('sha256')
    .update(JSON.stringify([state.from_fork, site, light, ...ids, ...(branch === undefined ? [] : [branch])]))
    .digest('hex')}\n`;
  if (store.outbox.message('comment', subjectOf(state))?.wanted.startsWith(first)) return;
  const body = pullRequestComment({ ...state, branch }, jobs, {
    runOf: (job) => runOf(job, ctx),
    acceptedOf: ({ job_id }) => accepted.get(job_id),
    site,
  });
  if (body !== undefined) store.outbox.want('comment', subjectOf(state), first + body);
}

/**
 * Senders of the channels `check` and `comment`. What was made and not heard of is looked for before it is made; what
 * is gone is made again.
 */
export function githubSenders({ github, now }: Pick<ServeContext, 'github' | 'now'>): Senders {
  const sendCheck: Sender = async ({ wanted, remote_id }) => {
    const { repository, run } = JSON.parse(wanted) as WantedCheck;
    const connection = connected(github);
    const remoteId = await saved(
      remote_id,
      () => connection.findCheckRun(repository, run.commit, run.name, run.external_id),
      (id) => connection.saveCheckRun(repository, run, id),
    );
    return { remoteId, ...(run.status === 'completed' ? {} : { notBefore: now() + PROGRESS_MS }) };
  };
  const sendComment: Sender = async ({ subject, wanted, remote_id }) => {
    const [, repository, number] = /^(.+)#(\d+)$/.exec(subject)!;
    const connection = connected(github);
    const body = wanted.slice(wanted.indexOf('\n') + 1);
    const place = [repository!, Number(number)] as const;
    return {
      remoteId: await saved(
        remote_id,
        () => connection.findComment(...place, commentMarker(...place)),
        (id) => connection.saveComment(...place, body, id),
      ),
    };
  };
  return { check: sendCheck, comment: sendComment };
}

function connected(github: GitHub | undefined): GitHub {
  if (!github) throw new SendError('unavailable', 'there is no token for GitHub');
  return github;
}

async function saved(
  known: string | undefined,
  find: () => Promise<string | undefined>,
  save: (id: string | undefined) => Promise<string>,
): Promise<string> {
  try {
    return await save(known || (await find()));
  } catch (error) {
    if (!known || !(error instanceof SendError) || error.status !== 404) throw error;
    return save(await find()); // somebody has removed it
  }
}
