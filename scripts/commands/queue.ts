/** npm run queue: the jobs, by hand. Needs the store, no engine and no server. */

import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { commands, type Given, jsonFlag, limitOf, wholeNumber } from '../app/command.ts';
import { configEnv, withStore } from '../app/open-store.ts';
import { benchFlags, loadConfig, readBenchmark } from '../config/config.ts';
import { parseDuration } from '../config/quantities.ts';
import { isUrl } from '../config/repository.ts';
import { AGAINST, type Config } from '../config/types.ts';
import type { Io } from '../core/cli.ts';
import { EXIT, UsageError } from '../core/errors.ts';
import { paths } from '../core/paths.ts';
import { plainText, plural } from '../core/text.ts';
import { type Job, type JobState, type NewJob, PRIORITY } from '../documents/job.ts';
import { branchOf } from '../documents/pull-request.ts';
import { shortCommit } from '../engine/names.ts';
import { findCommit } from '../plan/commit.ts';
import { createProgress } from '../report/progress.ts';
import { type QueueDocument, queueText } from '../report/queue-text.ts';
import type { Store } from '../store/db.ts';
import { ENDED, type Enqueued, retryOf } from '../store/jobs.ts';
import { LEASE_MS } from '../store/leases.ts';

const ROOT = join(import.meta.dirname, '../..');
const STATES: readonly JobState[] = ['queued', 'leased', 'done', 'failed', 'cancelled'];
/** Jobs that have ended, as many as `list` shows unless it is told otherwise. */
const LAST_ENDED = 10;
const ALL = 1_000_000;
/** What a job may have of its own. */
const SETTINGS = ['rate', 'duration', 'variant', 'against-variant'] as const;
const ID_HINT =
  'npm run queue -- list --all shows every job; the beginning of an id is enough where it is the only one.';

await commands(
  'queue',
  'The jobs: what waits to be measured, what runs, and what became of it. docs/queue.md has the rules.',
  [
    {
      name: 'list',
      about: `What runs, what waits in the order it will be taken, and the ${LAST_ENDED} that ended last.`,
      flags: [
        {
          name: 'state',
          value: 'STATE',
          many: true,
          help: `in this state only: ${STATES.join(', ')}; may be given many times`,
        },
        { name: 'benchmark', value: 'NAME', help: 'of this benchmark only, named as it was queued' },
        { name: 'all', help: 'every job that has ended, too' },
        { name: 'limit', value: 'N', help: 'at most so many' },
        jsonFlag('mayfly.queue/v1'),
      ],
      work: async (io, given) => {
        const document = withStore((store) => readQueue(given, store));
        io.stdout(
          given.has('json')
            ? JSON.stringify(document, null, 2)
            : queueText(document, { color: Boolean(process.stdout.isTTY), now: Date.now() }),
        );
        return EXIT.pass;
      },
    },
    {
      name: 'add',
      about:
        'Queues a commit, ahead of the jobs that were queued automatically. It is measured as npm run bench would with the same flags.',
      flags: [
        {
          name: 'benchmark',
          value: 'NAME',
          help: 'a benchmark of this checkout, or the path of a folder with a benchmark.yaml; default shop',
        },
        { name: 'commit', value: 'REF', help: 'what is measured; default HEAD, as it is now' },
        { name: 'against', value: 'REF', help: 'what it is compared with; default where it left the default branch' },
        {
          name: 'branch',
          value: 'NAME',
          help: 'the branch that the commit is for, where that is not the default one',
        },
        {
          name: 'variant',
          value: 'NAME',
          help: "variant of the benchmark's deployment; of both sides where no other is named",
        },
        { name: 'against-variant', value: 'NAME', help: 'variant of the baseline' },
        { name: 'master', help: 'a commit of the default branch, or of --branch: it joins the master set' },
        { name: 'rate', value: 'N', help: 'iterations started per second on each side' },
        { name: 'duration', value: 'TIME', help: 'measured window: 20s, 2m, 1m30s' },
        { name: 'repository', value: 'OWNER/NAME', help: 'the repository on GitHub that is told of it' },
        { name: 'pull-request', value: 'N', help: 'the pull request of that repository that is told of it' },
        jsonFlag('mayfly.queued/v1'),
      ],
      work: async (io, given) => {
        const job = await jobOf(given);
        return withStore((store) => {
          const branch = job.branch ?? baseOf(job, store);
          const enqueued = store.queue.enqueue({ ...job, branch }, { now: Date.now(), again: true, pinned: true });
          return tellQueued(enqueued, { io, given, store });
        });
      },
    },
    {
      name: 'cancel',
      about: 'Takes jobs out of the queue; one that runs is ended by its worker, in seconds.',
      takes: { text: 'ID...', min: 1, max: 1000, what: 'the id of at least one job', hint: ID_HINT },
      flags: [{ name: 'reason', value: 'TEXT', help: 'why; shown with the job' }],
      work: async (io, { positionals, text }) => {
        const reason = `cancelled by ${user()}${text('reason') === undefined ? '' : `: ${text('reason')}`}`;
        withStore((store) => {
          const found = positionals.map((id) => theJob(id, store));
          for (const { job_id, state } of found) {
            if (ENDED.includes(state) || !store.queue.cancel(job_id, reason, Date.now()))
              throw new UsageError(`job ${job_id} has ended: it is ${store.queue.job(job_id)!.state}`, {
                hint: 'Only what waits or runs can be cancelled.',
              });
            io.stdout(
              store.queue.job(job_id)!.state === 'cancelled'
                ? `job ${job_id} is cancelled`
                : `job ${job_id} runs: its worker ends it`,
            );
          }
        });
        return EXIT.pass;
      },
    },
    {
      name: 'retry',
      about: 'Queues the work of an ended job again, as a new job.',
      takes: { text: 'ID', min: 1, max: 1, what: 'the id of one job', hint: ID_HINT },
      flags: [jsonFlag('mayfly.queued/v1')],
      work: async (io, given) =>
        withStore((store) => {
          const job = theJob(given.positionals[0]!, store);
          if (!ENDED.includes(job.state))
            throw new UsageError(`job ${job.job_id} has not ended: it is ${job.state}`, {
              hint: `Wait for its end, or end it first: npm run queue -- cancel ${job.job_id}`,
            });
          return tellQueued(store.queue.enqueue(retryOf(job, user()), { now: Date.now(), again: true, pinned: true }), {
            io,
            given,
            store,
          });
        }),
    },
    {
      name: 'pause',
      about: 'Workers begin no job until resume; running jobs go on, and new ones are queued.',
      flags: [{ name: 'reason', value: 'TEXT', help: 'why; shown where the queue is' }],
      work: async (io, { text }) => {
        const reason = text('reason');
        const waiting = withStore((store) => {
          store.queue.pause({ by: user(), at: new Date().toISOString(), ...(reason === undefined ? {} : { reason }) });
          return store.queue.count({ state: ['queued'] });
        });
        io.stdout(
          `the queue is paused, and ${plural(waiting, 'job')} ${waiting === 1 ? 'waits' : 'wait'}; npm run queue -- resume goes on`,
        );
        return EXIT.pass;
      },
    },
    {
      name: 'resume',
      about: 'Lets workers begin jobs again.',
      work: async (io) => {
        io.stdout(withStore((store) => store.queue.resume()) ? 'the queue goes on' : 'the queue was not paused');
        return EXIT.pass;
      },
    },
  ],
);

function readQueue({ values, text, has }: Given, { queue }: Store): QueueDocument {
  const states = values.state as JobState[] | undefined;
  const wrong = states?.find((state) => !STATES.includes(state));
  if (wrong !== undefined)
    throw new UsageError(
      `--state must be ${STATES.slice(0, -1).join(', ')} or ${STATES.at(-1)}, got ${JSON.stringify(wrong)}`,
    );
  const limit = limitOf(text('limit'), ALL);
  const asked = text('benchmark');
  const benchmark = asked?.includes('/') ? resolve(asked) : asked; // as it was queued
  const of = (state: JobState[], most: number) => queue.jobs({ state, benchmark, limit: Math.min(limit, most) });
  const jobs = states
    ? of(states, ALL)
    : [
        ...of(['leased', 'queued'], ALL),
        ...of([...ENDED], has('all') || text('limit') !== undefined ? ALL : LAST_ENDED),
      ];
  const paused = queue.paused();
  return {
    schema: 'mayfly.queue/v1',
    ...(paused ? { paused } : {}),
    workers: queue.workers(),
    jobs: jobs.slice(0, limit),
  };
}

/** The job that the flags ask for. UsageError for whatever would make bench refuse it later. */
async function jobOf({ text, has, values }: Given): Promise<NewJob> {
  const master = has('master');
  if (master && (text('against') ?? text('pull-request')) !== undefined) {
    throw new UsageError(
      `--master does not go with --${text('against') === undefined ? 'pull-request' : 'against'}: a commit of the default branch is compared with the anchor of its history`,
      { hint: 'see npm run queue -- add --help' },
    );
  }
  const repository = repositoryOf(text('repository'));
  const pullRequest =
    text('pull-request') === undefined
      ? undefined
      : wholeNumber('pull-request', text('pull-request'), { least: 1, most: 999_999_999, fallback: 1 });
  if (pullRequest !== undefined && repository === undefined)
    throw new UsageError('--pull-request needs --repository=OWNER/NAME: whose pull request it is', {
      hint: 'see npm run queue -- add --help',
    });
  const overrides = Object.fromEntries(
    SETTINGS.flatMap((name) => (text(name) === undefined ? [] : [[name.replace('-', '_'), text(name)!]])),
  );
  const given = benchFlags(values, ['benchmark', 'commit', 'against', 'branch', ...SETTINGS]);
  const env = configEnv();
  const config = await loadConfig({ ...given, master }, env);
  return {
    kind: master ? 'new-master' : 'new-test',
    // Where it works, a worker finds a folder elsewhere by its whole path only.
    benchmark: text('benchmark')?.includes('/') ? resolve(text('benchmark')!) : config.benchmark,
    ...(await foundCommits(config)),
    ref: config.commit,
    ...(config.branch === undefined ? {} : { branch: config.branch }),
    ...(repository === undefined ? {} : { repository }),
    ...(pullRequest === undefined ? {} : { pull_request: pullRequest }),
    overrides,
    requested_by: user(),
    priority: PRIORITY.by_hand,
    deadline_s: Math.ceil(parseDuration(readBenchmark(config.dir, env).jobs.deadline)!),
  };
}

/** The branch that its pull request goes into, as far as GitHub has told. */
function baseOf({ repository, pull_request, against }: NewJob, store: Store): string | undefined {
  if (repository === undefined || pull_request === undefined || against !== undefined) return undefined;
  const pull = store.inbox.pullRequest(repository, pull_request);
  return pull && branchOf(pull);
}

function repositoryOf(text: string | undefined): string | undefined {
  if (text === undefined || /^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(text)) return text?.toLowerCase();
  throw new UsageError(`--repository must be OWNER/NAME as on GitHub, got ${JSON.stringify(text)}`);
}

/**
 * HEAD or a branch as it is now, by its hash, where the repository is on this host; what others hold is looked up when
 * it is measured.
 */
async function foundCommits({ builds, commit, against }: Config): Promise<Pick<NewJob, 'commit' | 'against'>> {
  const local = Object.values(builds).flatMap((recipe) =>
    recipe.kind === 'git' && !isUrl(recipe.repository) ? [recipe.repository] : [],
  );
  const ctx = {
    paths: paths(ROOT, process.env),
    progress: createProgress({ stream: process.stderr, quiet: true }),
    signal: new AbortController().signal,
  };
  const find = async (ref: string) => {
    const found = [];
    for (const repository of new Set(local)) found.push(await findCommit(repository, ref, ctx));
    return found.length === 1 ? found[0]!.commit : ref; // of several repositories a name may mean a commit of each
  };
  const named = against === undefined || (AGAINST as readonly string[]).includes(against);
  const hash = await find(commit);
  return { commit: hash, ...(against === undefined ? {} : { against: named ? against : await find(against) }) };
}

function tellQueued(
  { job, added }: Enqueued,
  { io, given, store: { queue } }: { io: Io; given: Given; store: Store },
): number {
  const place =
    queue.jobs({ state: ['queued'], limit: ALL }).findIndex(({ job_id }) => job_id === job.job_id) + 1 || null;
  if (given.has('json')) {
    io.stdout(JSON.stringify({ schema: 'mayfly.queued/v1', added, place, job }, null, 2));
    return EXIT.pass;
  }
  const where = place === null ? 'it runs' : place === 1 ? 'the next one' : `${plural(place - 1, 'job')} before it`;
  io.stdout(
    `job ${job.job_id}: ${plainText(job.benchmark)} at ${plainText(shortCommit(job.commit))}, ${added ? '' : 'already there, '}${where}`,
  );
  if (queue.paused()) io.stderr('the queue is paused: npm run queue -- resume');
  else if (!queue.workers().some(({ seen_at }) => Math.abs(Date.now() - Date.parse(seen_at)) < LEASE_MS))
    io.stderr('no worker is there: npm run work takes it');
  return EXIT.pass;
}

function theJob(id: string, { queue }: Store): Job {
  const found = queue.jobsBeginning(id);
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new UsageError(`there is no job ${JSON.stringify(id)}`, { hint: ID_HINT });
  throw new UsageError(
    `${JSON.stringify(id)} is the beginning of several jobs: ${found.map(({ job_id }) => job_id).join(', ')}`,
    { hint: 'Write more of it.' },
  );
}

/** Who calls; a container may run under a user id without a name. */
function user(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? '?'}`;
  }
}
