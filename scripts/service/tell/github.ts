/** GitHub's REST API through @octokit/rest, which only this file uses. What others need of it is in github-types.ts. */
import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import { isAhead } from '../../store/pauses.ts';
import { hasWriteAccess } from '../who-may-command.ts';
import { limitOf, sendError, TIMEOUT_MS } from './github-errors.ts';
import { gitHubSettings } from './github-settings.ts';
import type { CheckRun, GitHub, RemotePullRequest } from './github-types.ts';
import { SendError } from './send-error.ts';

/** Longest description of a commit status. */
const DESCRIPTION = 140;
const API_VERSION = '2022-11-28';
/** Comments and issues by the token of GitHub Actions are from this user. */
const ACTIONS_LOGIN = 'github-actions[bot]';
/** Remote id of a commit status, which stands for a check run where only Apps may write one. */
const STATUS_ID = 'status:';

/** Who Mayfly is to GitHub. */
interface Identity {
  /** A client that may read and write this repository. */
  octokit(repository: Repository): Promise<Octokit>;
  /** Forgets what is known of the access to a repository: it may have changed. */
  forget(repository: Repository): void;
  /** Login of what we write. */
  login(): Promise<string>;
  isApp: boolean;
}

type Repository = { owner: string; repo: string };

/**
 * GitHub by the environment: GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY (PEM) or GITHUB_APP_PRIVATE_KEY_FILE, else
 * GITHUB_TOKEN; undefined where there is neither. GITHUB_API_URL: https://HOST/api/v3 of a GitHub Enterprise.
 * UsageError where a setting is missing or wrong. `now`: milliseconds since the epoch.
 */
export function connectGitHub(env: NodeJS.ProcessEnv, now: () => number): GitHub | undefined {
  const { baseUrl, app, token } = gitHubSettings(env);
  if (!app && token === undefined) return undefined;
  return octokitGitHub(app ? asApp(app, baseUrl) : byToken(token!, baseUrl), { now, canCheck: true, restsUntil: 0 });
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function clientOptions(baseUrl: string) {
  const timed = (url: string, init: RequestInit) =>
    fetch(url, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), 'x-github-api-version': API_VERSION },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  return { baseUrl, userAgent: 'mayfly', log: silent, request: { fetch: timed } };
}

function byToken(token: string, baseUrl: string): Identity {
  const octokit = new Octokit({ ...clientOptions(baseUrl), auth: token });
  const login = async () => {
    try {
      return (await octokit.rest.users.getAuthenticated()).data.login;
    } catch (error) {
      if ((error as { status?: number }).status === 403 && !limitOf(error, 0)) return ACTIONS_LOGIN; // this token is no user's
      throw error;
    }
  };
  return { octokit: async () => octokit, forget: () => {}, login: remembered(login), isApp: false };
}

/** One client for each installation: it keeps its token for the hour that it lasts. */
function asApp(auth: { appId: string; privateKey: string }, baseUrl: string): Identity {
  const own = new Octokit({ ...clientOptions(baseUrl), authStrategy: createAppAuth, auth });
  const clients = new Map<string, () => Promise<Octokit>>();
  const client = async (repository: Repository) => {
    const { data } = await own.rest.apps.getRepoInstallation(repository);
    return new Octokit({
      ...clientOptions(baseUrl),
      authStrategy: createAppAuth,
      auth: { ...auth, installationId: data.id },
    });
  };
  const key = ({ owner, repo }: Repository) => `${owner}/${repo}`.toLowerCase();
  return {
    octokit: (repository) => {
      const known = clients.get(key(repository)) ?? remembered(() => client(repository));
      clients.set(key(repository), known);
      return known();
    },
    forget: (repository) => void clients.delete(key(repository)),
    login: remembered(async () => `${(await own.rest.apps.getAuthenticated()).data!.slug}[bot]`),
    isApp: true,
  };
}

/** Asks once; what failed is asked again. */
function remembered<T>(ask: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= ask().catch((error) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

/** `canCheck` becomes false once GitHub has said that only Apps may write check runs. */
function octokitGitHub(
  identity: Identity,
  state: { now: () => number; canCheck: boolean; restsUntil: number },
): GitHub {
  /** Does `work` with a client for the repository; what fails is a SendError. */
  const at = async <T>(name: string, work: (octokit: Octokit, repository: Repository) => Promise<T>): Promise<T> => {
    const repository = split(name);
    if (isAhead(state.restsUntil, state.now()))
      throw new SendError(
        'rate-limited',
        `GitHub takes no more requests until ${new Date(state.restsUntil).toISOString()}`,
        { retryAtMs: state.restsUntil },
      );
    try {
      return await work(await identity.octokit(repository), repository);
    } catch (error) {
      const failed = sendError(error, state.now());
      // of the whole client: who goes on is shut out for longer
      if (failed.kind === 'rate-limited') state.restsUntil = failed.retryAtMs ?? 0;
      if (failed.status === 401 || failed.status === 404) identity.forget(repository);
      throw failed;
    }
  };
  return {
    openPullRequests: (name) =>
      at(name, async (octokit, repository) =>
        (await octokit.paginate(octokit.rest.pulls.list, { ...repository, state: 'open', per_page: 100 })).map(
          remotePull,
        ),
      ),
    pullRequest: (name, pull_number) =>
      at(name, async (octokit, repository) =>
        remotePull((await octokit.rest.pulls.get({ ...repository, pull_number })).data),
      ),
    defaultBranch: (name) =>
      at(name, async (octokit, repository) => {
        const { default_branch: branch } = (await octokit.rest.repos.get(repository)).data;
        return {
          name: branch,
          commit: (await octokit.rest.repos.getBranch({ ...repository, branch })).data.commit.sha,
        };
      }),
    branches: (name) =>
      at(name, async (octokit, repository) =>
        (await octokit.paginate(octokit.rest.repos.listBranches, { ...repository, per_page: 100 })).map(
          ({ name: branch, commit }) => ({ name: branch, commit: commit.sha }),
        ),
      ),
    commitOf: (name, pull_number, prefix) =>
      at(name, async (octokit, repository) => {
        const commits = await octokit.paginate(octokit.rest.pulls.listCommits, {
          ...repository,
          pull_number,
          per_page: 100,
        });
        const found = commits.map(({ sha }) => sha).filter((sha) => sha.startsWith(prefix.toLowerCase()));
        return found.length === 1 ? found[0] : undefined;
      }),
    mayWrite: (name, user) => at(name, (octokit, repository) => mayWrite(octokit, repository, user)),
    saveCheckRun: (name, run, id) =>
      at(name, (octokit, repository) => saveCheckRun(octokit, repository, { run, id, identity, state })),
    findCheckRun: (name, ref, check_name, externalId) =>
      at(name, async (octokit, repository) => {
        if (!state.canCheck) return undefined;
        const slug = (await identity.login()).replace(/\[bot\]$/, '');
        const found = (run: { external_id: string | null; app: { slug?: string } | null }) =>
          run.external_id === externalId && run.app?.slug === slug;
        return firstOf(
          octokit.paginate.iterator(octokit.rest.checks.listForRef, {
            ...repository,
            ref,
            check_name,
            filter: 'all',
            per_page: 100,
          }),
          found,
          ({ id }) => id,
        );
      }),
    saveComment: (name, issue_number, body, id) =>
      at(name, async (octokit, repository) => {
        const saved =
          id === undefined
            ? octokit.rest.issues.createComment({ ...repository, issue_number, body })
            : octokit.rest.issues.updateComment({ ...repository, comment_id: Number(id), body });
        return String((await saved).data.id);
      }),
    findComment: (name, issue_number, marker) =>
      at(name, async (octokit, repository) => {
        const login = await identity.login();
        return firstOf(
          octokit.paginate.iterator(octokit.rest.issues.listComments, { ...repository, issue_number, per_page: 100 }),
          ({ user, body }) => user?.login === login && (body ?? '').includes(marker),
          ({ id }) => id,
        );
      }),
    createIssue: (name, issue) =>
      at(name, async (octokit, repository) =>
        String((await octokit.rest.issues.create({ ...repository, ...issue })).data.number),
      ),
    findIssue: (name, marker) =>
      at(name, async (octokit, repository) => {
        const creator = await identity.login();
        const pages = octokit.paginate.iterator(octokit.rest.issues.listForRepo, {
          ...repository,
          state: 'all',
          creator,
          per_page: 100,
        });
        return firstOf(
          pages,
          ({ user, body, pull_request }) => user?.login === creator && !pull_request && (body ?? '').includes(marker),
          ({ number }) => number,
        );
      }),
  };
}

function split(name: string): Repository {
  const [owner, repo, ...more] = name.split('/');
  if (!isSegment(owner) || !isSegment(repo) || more.length > 0)
    throw new SendError('refused', `${JSON.stringify(name)} is no OWNER/NAME of a repository`);
  return { owner, repo };
}

/** One part of a path: no name of GitHub, but `..`, would lead out of it. */
const isSegment = (text: string | undefined): text is string =>
  /^[\w.-]+(\[bot\])?$/.test(text ?? '') && !/^\.+$/.test(text!);

/** Reads page after page until one is found. */
async function firstOf<T>(
  pages: AsyncIterable<{ data: T[] }>,
  fits: (one: T) => boolean,
  id: (one: T) => number,
): Promise<string | undefined> {
  for await (const { data } of pages) {
    const found = data.find(fits);
    if (found) return String(id(found));
  }
  return undefined;
}

interface Pull {
  number: number;
  state: string;
  updated_at: string;
  merged_at: string | null;
  merge_commit_sha: string | null;
  /** null, whatever the types say: a fork that was deleted. */
  head: { sha: string; repo: { id: number } | null };
  base: { ref: string; repo: { id: number; default_branch: string } };
  labels: { name: string }[];
}

function remotePull({
  number,
  state,
  updated_at,
  merged_at,
  merge_commit_sha,
  head,
  base,
  labels,
}: Pull): RemotePullRequest {
  return {
    number,
    head: head.sha,
    base_ref: base.ref,
    onto_default: base.ref === base.repo.default_branch,
    from_fork: head.repo?.id !== base.repo.id,
    open: state === 'open',
    labels: labels.map(({ name }) => name),
    updated_ms: Date.parse(updated_at),
    ...(state === 'closed' && merged_at && merge_commit_sha ? { merged_as: merge_commit_sha } : {}),
  };
}

async function mayWrite(octokit: Octokit, repository: Repository, username: string): Promise<boolean> {
  if (!isSegment(username)) return false;
  try {
    return hasWriteAccess((await octokit.rest.repos.getCollaboratorPermissionLevel({ ...repository, username })).data);
  } catch (error) {
    if ((error as { status?: number }).status !== 404) throw error;
    await octokit.rest.repos.get(repository); // throws where it is the repository that this token does not see
    return false; // there is no such user any more
  }
}

async function saveCheckRun(
  octokit: Octokit,
  repository: Repository,
  {
    run,
    id,
    identity,
    state,
  }: { run: CheckRun; id: string | undefined; identity: Identity; state: { canCheck: boolean } },
): Promise<string> {
  const { commit, title, summary, ...rest } = run;
  const fields = { ...repository, ...rest, output: { title, summary } };
  if (id?.startsWith(STATUS_ID) || (id === undefined && !state.canCheck)) return saveStatus(octokit, repository, run);
  if (id !== undefined)
    return String((await octokit.rest.checks.update({ ...fields, check_run_id: Number(id) })).data.id);
  try {
    return String((await octokit.rest.checks.create({ ...fields, head_sha: commit })).data.id);
  } catch (error) {
    const { status } = error as { status?: number };
    if (identity.isApp || (status !== 403 && status !== 404) || limitOf(error, 0)) throw error;
    const made = await saveStatus(octokit, repository, run).catch(() => undefined);
    if (made === undefined) throw error;
    state.canCheck = false;
    return made;
  }
}

/** A commit status says the same in one line; a newer one of the same name replaces it. */
async function saveStatus(
  octokit: Octokit,
  repository: Repository,
  { commit, name, status, conclusion, title, details_url }: CheckRun,
): Promise<string> {
  const state =
    status !== 'completed'
      ? 'pending'
      : conclusion === 'failure'
        ? 'failure'
        : conclusion === 'success' || conclusion === 'neutral'
          ? 'success'
          : 'error';
  const description = title.length > DESCRIPTION ? `${title.slice(0, DESCRIPTION - 3)}...` : title;
  return `${STATUS_ID}${(await octokit.rest.repos.createCommitStatus({ ...repository, sha: commit, state, context: name, description, target_url: details_url })).data.id}`;
}
