/** Commands in comments: GitHub is asked who may give them, then they are done, and each gets one answer. */

import { decodeTime } from 'ulid';
import { type WatchedRepository, watchedRepository } from '../../config/service.ts';
import { backoffMs } from '../../core/backoff.ts';
import { firstLine } from '../../core/errors.ts';
import { type Job, subjectText, variantsText, withVariant } from '../../documents/job.ts';
import { escaped } from '../../report/markdown.ts';
import type { Request } from '../../store/inbox.ts';
import type { Enqueued } from '../../store/jobs.ts';
import { failsByVerdict } from '../tell/checks.ts';
import type { GitHub } from '../tell/github-types.ts';
import { SendError } from '../tell/send-error.ts';
import { NO_ACCESS, wasSeen, whyUnseen } from '../who-may-command.ts';
import type { Sender } from './outbox.ts';
import { cancelPullRequest, queueRequest } from './queueing.ts';
import { reportAgain } from './reports.ts';
import type { ServeContext } from './serve-context.ts';
import { parseSlash, type SlashCommand, slashHelp } from './slash.ts';
import { keepPullRequest } from './webhook-events.ts';

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 30 * 60_000;
const GIVEN_UP_AFTER_MS = 24 * 3600_000;

/** The text of an answer; what it says is done when it is called, inside a transaction. */
type Answer = () => string;

/**
 * Does what the open commands ask for. One that GitHub cannot be asked about now waits; the others do not wait for it.
 */
export async function answerRequests(ctx: ServeContext): Promise<void> {
  const { github, store, config } = ctx;
  if (!github) return;
  for (const request of store.inbox.openRequests(ctx.now())) {
    if (ctx.signal.aborted) return;
    const repository = watchedRepository(config, request.repository);
    try {
      if (repository) settle(request, 'answered', await answerTo(request, repository, github, ctx), ctx);
      else giveUp(request, 'mayfly.yaml does not name its repository any more', ctx);
    } catch (error) {
      putOff(request, error, ctx);
    }
  }
}

/** Asks GitHub what the answer needs. Changes nothing yet. */
async function answerTo(
  request: Request,
  repository: WatchedRepository,
  github: GitHub,
  ctx: ServeContext,
): Promise<Answer> {
  const { author, pull_request } = request;
  const help = slashHelp(repository.benchmarks);
  const command = parseSlash(request.text, repository.benchmarks);
  if (!(await github.mayWrite(repository.name, author))) return () => `${refusalOf(command)}: ${NO_ACCESS}`;
  switch (command?.kind) {
    case 'cancel':
      return () =>
        cancelledText(
          cancelPullRequest(repository.name, pull_request, { reason: `cancelled by @${author} in a comment` }, ctx),
        );
    case 'wrong':
      return () => `This was not understood: ${escaped(command.text)}.\n\n${help}`;
    case 'run':
      return run(command, { request, repository, github }, ctx);
    case 'accept':
      return accept(command.reason, { request, repository, github }, ctx);
    case 'unaccept':
      return () => unaccept({ ...request, repository: repository.name }, ctx);
    default:
      return () => help;
  }
}

const refusalOf = (command: SlashCommand | undefined): string =>
  command?.kind === 'accept' || command?.kind === 'unaccept' ? 'Nothing was changed' : 'Nothing was queued';

interface Given {
  request: Request;
  repository: WatchedRepository;
  github: GitHub;
}

async function run(
  command: SlashCommand & { kind: 'run' },
  { request, repository, github }: Given,
  ctx: ServeContext,
): Promise<Answer> {
  const { name, benchmarks } = repository;
  const remote = await github.pullRequest(name, request.pull_request);
  const found =
    command.commit === undefined || command.commit === remote.head
      ? remote.head
      : await github.commitOf(name, request.pull_request, command.commit);
  return () => {
    const known = ctx.store.inbox.pullRequest(name, request.pull_request);
    keepPullRequest(repository, { repository: name, ...remote }, ctx, { asked: true });
    if (!ctx.store.inbox.pullRequest(name, request.pull_request)?.open)
      return 'Nothing was queued: this pull request is closed.';
    if (found === undefined)
      return `Nothing was queued: of the commits of this pull request, not exactly one begins with \`${command.commit}\`.`;
    const unseen = whyUnseen(command.commit, found, { known, remote, written_ms: request.written_ms });
    if (unseen) return `Nothing was queued: ${unseen}`;
    const { against, overrides } = command;
    const options = { commit: found, into: remote, against, overrides, pinned: command.commit !== undefined };
    const enqueued = queueRequest(
      request,
      { benchmarks: command.benchmark === undefined ? benchmarks : [command.benchmark], ...options },
      ctx,
    );
    return queuedText(enqueued, options, ctx.store.queue.paused() !== undefined);
  };
}

/** What fails by its verdict at the head, accepted: by who asks, for the commit that they have seen. */
async function accept(reason: string, { request, repository, github }: Given, ctx: ServeContext): Promise<Answer> {
  const { name } = repository;
  const remote = await github.pullRequest(name, request.pull_request);
  return () => {
    const { store } = ctx;
    const known = store.inbox.pullRequest(name, request.pull_request);
    keepPullRequest(repository, { repository: name, ...remote }, ctx, { asked: true });
    const { head } = remote;
    if (!remote.open && remote.merged_as === undefined) return 'Nothing was accepted: this pull request is closed.';
    if (!wasSeen(head, { known, remote, written_ms: request.written_ms }))
      return `Nothing was accepted: only what you have seen can be, and the head \`${head}\` was not known here before your comment was written. Look at its checks, then write \`/bench accept\` with your reason again.`;
    const jobs = store.queue.jobs({ repository: name, commit: head });
    const failing = jobs.filter((job) => failsByVerdict(job, repository.conclusions));
    if (failing.length === 0)
      return `Nothing was accepted: no check of \`${head.slice(0, 12)}\` fails by its verdict. ${jobs.length === 0 ? 'It is not measured yet.' : `There is ${jobs.map((job) => `${escaped(subjectText(job))}: ${job.verdict ?? job.state}`).join(', ')}.`}`;
    const lines = [...Map.groupBy(failing, subjectText)].map(([subject, own]) => {
      const verdict = own.find((job) => job.verdict === 'REGRESSION')?.verdict ?? own[0]!.verdict!;
      const acceptance_id = `${request.request_id} ${subject}`;
      const variant = variantsText(own[0]!);
      const { benchmark } = own[0]!;
      const of = { repository: name, benchmark, commit: head, pull_request: request.pull_request };
      store.acceptances.add(
        { acceptance_id, ...of, ...(variant ? { variant } : {}), verdict, accepted_by: request.author, reason },
        ctx.now(),
      );
      return `- ${escaped(subject)}: ${verdict}`;
    });
    reportAgain(jobsAt(name, [head, remote.merged_as], ctx), ctx);
    return [
      `Accepted: \`${head.slice(0, 12)}\`, because ${escaped(reason)}`,
      '',
      ...lines,
      '',
      'Its checks say so now, and once it is on the default branch its change is no alert. Another commit is not accepted by this; `/bench unaccept` takes it back.',
    ].join('\n');
  };
}

/** Takes back whatever was accepted of the pull request, at any of its commits. */
function unaccept({ repository, pull_request, author }: Request, ctx: ServeContext): string {
  const undone = ctx.store.acceptances.undo(repository, pull_request, author, ctx.now());
  if (undone.length === 0) return 'Nothing of this pull request is accepted.';
  reportAgain(
    jobsAt(
      repository,
      undone.flatMap(({ commit, landed }) => [commit, landed]),
      ctx,
    ),
    ctx,
  );
  const lines = undone.map(
    ({ benchmark, variant, commit, accepted_by, reason }) =>
      `- ${escaped(withVariant(benchmark, variant))} at \`${commit.slice(0, 12)}\`, which ${escaped(`@${accepted_by}`)} had accepted: ${escaped(reason)}`,
  );
  return ['Not accepted any more:', '', ...lines].join('\n');
}

const jobsAt = (repository: string, commits: readonly (string | undefined)[], { store }: ServeContext): Job[] =>
  [...new Set(commits)].flatMap((commit) => (commit === undefined ? [] : store.queue.jobs({ repository, commit })));

function queuedText(
  enqueued: readonly Enqueued[],
  { commit, against, overrides }: { commit: string; against?: string; overrides: object },
  paused: boolean,
): string {
  const settings = Object.entries(overrides)
    .map(([name, value]) => `${name} ${value}`)
    .join(' and ');
  const lines = enqueued.map(
    ({ job, added, replaced }) =>
      `- ${escaped(job.benchmark)}: job ${job.job_id}${added ? '' : job.state === 'leased' ? ', which was running already' : ', which was queued already'}${replaced.length > 0 ? `, in place of ${replaced.join(', ')}` : ''}`,
  );
  return [
    `Queued: \`${commit.slice(0, 12)}\`${against === undefined ? '' : ` against ${escaped(against)}`}${settings && ` with ${settings}`}.`,
    '',
    ...lines,
    ...(paused ? ['', 'The queue is paused: they wait until somebody resumes it.'] : []),
  ].join('\n');
}

const cancelledText = (jobs: readonly { job_id: string; benchmark: string; state: string }[]): string =>
  jobs.length === 0
    ? 'Nothing waits or runs for this pull request.'
    : [
        'Cancelled:',
        '',
        ...jobs.map(
          ({ job_id, benchmark, state }) =>
            `- ${escaped(benchmark)}: job ${job_id}${state === 'leased' ? ', which was running' : ''}`,
        ),
      ].join('\n');

/** The command is done, and its answer is there to be sent: both or neither, and once. */
function settle(
  request: Request,
  state: 'answered' | 'given up',
  answer: Answer,
  { store, now, wake }: ServeContext,
): void {
  const { request_id, repository, pull_request: number } = request;
  store.transaction(() => {
    if (!store.inbox.openRequests(now()).some((open) => open.request_id === request_id)) return;
    const body = answer();
    store.inbox.settleRequest(request_id, state, body);
    store.outbox.want(CHANNEL, request_id, JSON.stringify({ repository, number, body }));
  });
  wake();
}

function giveUp({ request_id, repository, pull_request }: Request, why: string, { store, log }: ServeContext): void {
  store.inbox.settleRequest(request_id, 'given up', why);
  log(`the command in ${repository}#${pull_request} is given up: ${why}`);
}

/** Refused because of who asks: somebody may fix the token or its rights, so the command waits. */
const MAY_BE_FIXED = [401, 403, 404];

function putOff(request: Request, error: unknown, ctx: ServeContext): void {
  const { request_id, repository, pull_request, failures } = request;
  const { kind, status = 0, retryAtMs = 0 } = error instanceof SendError ? error : { kind: undefined };
  const why = firstLine(error);
  if (kind === 'refused' && !MAY_BE_FIXED.includes(status))
    return giveUp(request, `GitHub refuses what is needed for it: ${why}`, ctx);
  const now = ctx.now();
  if (now - decodeTime(request_id) > GIVEN_UP_AFTER_MS) {
    ctx.log(`the command in ${repository}#${pull_request} is given up after a day: ${why}`);
    return settle(
      request,
      'given up',
      () =>
        'Nothing was done: for a day GitHub could not be asked what is needed for this command. Write it again if it is still wanted.',
      ctx,
    );
  }
  if (failures === 0) ctx.log(`the command in ${repository}#${pull_request} waits: ${why}`);
  ctx.store.inbox.postponeRequest(
    request_id,
    Math.max(now + backoffMs(failures, { firstMs: FIRST_PAUSE_MS, longestMs: LONGEST_PAUSE_MS }), retryAtMs),
  );
}

const CHANNEL = 'answer';

/** Writes an answer, which carries a hidden mark: one whose writing was not heard of is found again. */
export function answerSender({ github }: Pick<ServeContext, 'github'>): Sender {
  return async ({ subject, wanted }) => {
    if (!github) throw new SendError('unavailable', 'there is no token for GitHub');
    const { repository, number, body } = JSON.parse(wanted) as { repository: string; number: number; body: string };
    const marker = `<!-- mayfly:answer:${subject} -->`;
    const there = await github.findComment(repository, number, marker);
    return { remoteId: there ?? (await github.saveComment(repository, number, `${body}\n\n${marker}`)) };
  };
}
