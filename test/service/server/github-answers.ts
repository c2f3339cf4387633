/** What the GitHub stand-in answers: GitHub's own examples with the state of the stand-in laid over them. */
import { exampleOf, type Operation } from './github-openapi.ts';
import {
  type Asker,
  nextId,
  type Pull,
  type Repository,
  type StoredCheckRun,
  type StoredComment,
  type StoredIssue,
  type StoredStatus,
} from './github-state.ts';

type Doc = Record<string, any>; // documents of GitHub, checked against its own schemas before they are sent

export interface Question {
  operation: Operation;
  query: URLSearchParams;
  body: Doc;
  asker: Asker;
  repository: Repository;
}

export interface Answer {
  status: number;
  body?: unknown;
  /** A whole list, of which one page is sent; `wrap` puts the page where it belongs. */
  list?: unknown[];
  wrap?(page: unknown[], total: number): unknown;
}

const error = (status: number, message: string, errors?: unknown[]): Answer => ({
  status,
  body: {
    message,
    documentation_url: 'https://docs.github.com/rest',
    status: String(status),
    ...(errors ? { errors } : {}),
  },
});
export const notFound = (): Answer => error(404, 'Not Found');
export const forbidden = (): Answer => error(403, 'Resource not accessible by integration');
const invalid = (message: string): Answer => error(422, message, []);

const person = (login: string): Doc => ({
  ...(exampleOf('/repos/{owner}/{repo}', 'get', 200) as Doc).owner,
  login,
  type: login.endsWith('[bot]') ? 'Bot' : 'User',
});

/** Operation id -> answer, for operations on a repository. */
export const ANSWERS: Record<string, (question: Question) => Answer> = {
  'repos/get': ({ repository }) => ({ status: 200, body: repositoryDoc(repository) }),
  'repos/get-branch': ({ repository, operation }) => {
    const name = operation.params.branch!;
    const sha = repository.branches.get(name);
    if (sha === undefined) return error(404, 'Branch not found');
    const example = exampleOf(operation.template, 'get', 200) as Doc;
    return { status: 200, body: { ...example, name, commit: { ...example.commit, sha } } };
  },
  'repos/list-branches': ({ repository, operation }) => {
    const [example] = exampleOf(operation.template, 'get', 200) as Doc[];
    return {
      status: 200,
      list: [...repository.branches].map(([name, sha]) => ({
        name,
        commit: { ...example!.commit, sha },
        protected: false,
      })),
    };
  },
  'repos/get-collaborator-permission-level': ({ repository, operation }) => {
    const login = operation.params.username!;
    const role = repository.roles.get(login.toLowerCase()) ?? 'read';
    const permission = { admin: 'admin', maintain: 'write', write: 'write', triage: 'read', read: 'read' }[role];
    return { status: 200, body: { permission, role_name: role, user: { ...person(login), role_name: role } } };
  },
  'pulls/list': ({ repository, query, operation }) => {
    const [example] = exampleOf(operation.template, 'get', 200) as Doc[];
    const state = query.get('state') ?? 'open';
    const found = [...repository.pulls.values()].filter(({ open }) => state === 'all' || open === (state === 'open'));
    return {
      status: 200,
      list: found.toSorted((a, b) => b.number - a.number).map((pull) => pullDoc(example!, pull, repository)),
    };
  },
  'pulls/get': ({ repository, operation }) => {
    const pull = repository.pulls.get(Number(operation.params.pull_number));
    return pull
      ? { status: 200, body: pullDoc(exampleOf(operation.template, 'get', 200) as Doc, pull, repository) }
      : notFound();
  },
  'pulls/list-commits': ({ repository, operation }) => {
    const pull = repository.pulls.get(Number(operation.params.pull_number));
    const [example] = exampleOf(operation.template, 'get', 200) as Doc[];
    return pull ? { status: 200, list: pull.commits.slice(0, 250).map((sha) => ({ ...example, sha })) } : notFound();
  },
  'checks/create': (question) => writeCheckRun(question, undefined),
  'checks/update': (question) => {
    const found = question.repository.checkRuns.find(({ id }) => id === Number(question.operation.params.check_run_id));
    return found ? writeCheckRun(question, found) : notFound();
  },
  'checks/list-for-ref': ({ repository, operation, query }) => {
    const name = query.get('check_name');
    const all = repository.checkRuns
      .filter((run) => run.head_sha === operation.params.ref && (name === null || run.name === name))
      .toReversed();
    const shown =
      query.get('filter') === 'all'
        ? all
        : all.filter((run, i) => all.findIndex((other) => other.name === run.name && other.by === run.by) === i);
    return {
      status: 200,
      list: shown.map(checkRunDoc),
      wrap: (page, total_count) => ({ total_count, check_runs: page }),
    };
  },
  'repos/create-commit-status': ({ repository, operation, body, asker }) => {
    const sha = operation.params.sha!;
    if (!repository.commits.has(sha)) return invalid(`No commit found for SHA: ${sha}`);
    if ((body.description?.length ?? 0) > 140) return invalid('Validation Failed');
    const status: StoredStatus = {
      id: nextId(),
      sha,
      state: body.state,
      context: body.context ?? 'default',
      description: body.description ?? null,
      target_url: body.target_url ?? null,
      by: asker.login,
    };
    repository.statuses.push(status);
    return { status: 201, body: statusDoc(status) };
  },
  'repos/list-commit-statuses-for-ref': ({ repository, operation }) => ({
    status: 200,
    list: repository.statuses
      .filter(({ sha }) => sha === operation.params.ref)
      .toReversed()
      .map(statusDoc),
  }),
  'issues/list-comments': ({ repository, operation }) => {
    const number = Number(operation.params.issue_number);
    return repository.hasNumber(number)
      ? { status: 200, list: repository.comments.filter((comment) => comment.number === number).map(commentDoc) }
      : notFound();
  },
  'issues/create-comment': ({ repository, operation, body, asker }) => {
    const number = Number(operation.params.issue_number);
    if (!repository.hasNumber(number)) return notFound();
    if (body.body.length > 65_536) return invalid('Validation Failed: body is too long (maximum is 65536 characters)');
    const id = repository.addComment(number, asker.login, body.body);
    return { status: 201, body: commentDoc(repository.comments.find((comment) => comment.id === id)!) };
  },
  'issues/update-comment': ({ repository, operation, body }) => {
    const comment = repository.comments.find(({ id }) => id === Number(operation.params.comment_id));
    if (!comment) return notFound();
    if (body.body.length > 65_536) return invalid('Validation Failed: body is too long (maximum is 65536 characters)');
    comment.body = body.body;
    return { status: 200, body: commentDoc(comment) };
  },
  'issues/create': ({ repository, body, asker }) => {
    const labels = ((body.labels ?? []) as (string | { name: string })[]).map((label) =>
      typeof label === 'string' ? label : label.name,
    );
    const issue: StoredIssue = {
      number: repository.nextNumber(),
      title: String(body.title),
      body: body.body ?? '',
      labels,
      author: asker.login,
      open: true,
    };
    repository.issues.push(issue);
    return { status: 201, body: issueDoc(issue) };
  },
  'issues/list-for-repo': ({ repository, query }) => {
    const creator = query.get('creator');
    const state = query.get('state') ?? 'open';
    const pulls = [...repository.pulls.values()].map(({ number, title, author, open }) => ({
      issue: { number, title, body: '', labels: [], author, open },
      pull: true,
    }));
    const all = [...repository.issues.map((issue) => ({ issue, pull: false })), ...pulls]
      .filter(
        ({ issue }) =>
          (creator === null || issue.author.toLowerCase() === creator.toLowerCase()) &&
          (state === 'all' || issue.open === (state === 'open')),
      )
      .toSorted((a, b) => b.issue.number - a.issue.number);
    return {
      status: 200,
      list: all.map(({ issue, pull }) => ({
        ...issueDoc(issue),
        ...(pull ? { pull_request: { url: null, html_url: null, diff_url: null, patch_url: null } } : {}),
      })),
    };
  },
};

function repositoryDoc({ name, id, defaultBranch }: Repository): Doc {
  const [owner, short] = name.split('/') as [string, string];
  const example = exampleOf('/repos/{owner}/{repo}', 'get', 200) as Doc;
  return {
    ...example,
    id,
    name: short,
    full_name: name,
    owner: { ...example.owner, login: owner },
    default_branch: defaultBranch,
    language: null,
    source: undefined,
    parent: undefined,
    template_repository: undefined,
    organization: undefined,
  };
}

function pullDoc(
  example: Doc,
  { number, head, base, fork, open, author, title, labels, updatedAt, mergedAs }: Pull,
  repository: Repository,
): Doc {
  const [owner, short] = repository.name.split('/') as [string, string];
  const repo = {
    ...example.base.repo,
    id: repository.id,
    name: short,
    full_name: repository.name,
    owner: { ...example.base.repo.owner, login: owner },
    default_branch: repository.defaultBranch,
  };
  const forked = {
    ...repo,
    id: repository.id + 1_000_000,
    full_name: `${author}/${short}`,
    owner: { ...repo.owner, login: author },
    fork: true,
  };
  return {
    ...example,
    number,
    title,
    state: open ? 'open' : 'closed',
    updated_at: updatedAt,
    merged_at: mergedAs ? updatedAt : null,
    merge_commit_sha: mergedAs ?? null,
    user: person(author),
    requested_teams: [],
    locked: false,
    labels: labels.map((name) => ({ ...example.labels[0], name })),
    head: {
      ...example.head,
      sha: head,
      ref: `topic-${number}`,
      label: `${fork ? author : owner}:topic-${number}`,
      repo: fork ? forked : repo,
    },
    base: {
      ...example.base,
      sha: repository.branches.get(base) ?? '0'.repeat(40),
      ref: base,
      label: `${owner}:${base}`,
      repo,
    },
  };
}

/** As GitHub: only Apps (Actions is one) write check runs, and each only its own. */
function writeCheckRun({ repository, body, asker }: Question, run: StoredCheckRun | undefined): Answer {
  if (asker.kind === 'user') return error(403, 'You must authenticate via a GitHub App.');
  if (run && run.by !== asker.login)
    return error(403, 'Invalid app_id - check run can only be modified by the GitHub App that created it.');
  if (!run && !repository.commits.has(body.head_sha)) return invalid(`No commit found for SHA: ${body.head_sha}`);
  if (body.status === 'completed' && body.conclusion === undefined)
    return invalid('Validation Failed: conclusion is missing');
  const made: StoredCheckRun = run ?? {
    id: nextId(),
    by: asker.login,
    name: body.name,
    head_sha: body.head_sha,
    external_id: '',
    status: 'queued',
    conclusion: null,
    details_url: null,
    started_at: null,
    completed_at: null,
    title: null,
    summary: null,
  };
  for (const field of [
    'name',
    'external_id',
    'status',
    'details_url',
    'started_at',
    'completed_at',
    'conclusion',
  ] as const)
    if (body[field] !== undefined) made[field] = body[field];
  if (body.conclusion !== undefined) made.status = 'completed';
  // one that is begun again has no conclusion any more
  else if (body.status !== undefined) made.conclusion = made.completed_at = null;
  if (body.output) Object.assign(made, { title: body.output.title ?? made.title, summary: body.output.summary });
  if (!run) repository.checkRuns.push(made);
  return { status: run ? 200 : 201, body: checkRunDoc(made) };
}

function checkRunDoc({
  id,
  by,
  name,
  head_sha,
  external_id,
  status,
  conclusion,
  details_url,
  started_at,
  completed_at,
  title,
  summary,
}: StoredCheckRun): Doc {
  const example = exampleOf('/repos/{owner}/{repo}/check-runs', 'post', 201) as Doc;
  return {
    ...example,
    id,
    name,
    head_sha,
    external_id,
    status,
    conclusion,
    details_url,
    started_at,
    completed_at,
    app: { ...example.app, slug: by.replace(/\[bot\]$/, '') },
    output: { ...example.output, title, summary, annotations_count: 0 },
    pull_requests: [],
  };
}

const statusDoc = ({ id, state, context, description, target_url, by }: StoredStatus): Doc => ({
  ...(exampleOf('/repos/{owner}/{repo}/statuses/{sha}', 'post', 201) as Doc),
  id,
  state,
  context,
  description,
  target_url,
  creator: person(by),
});

const commentDoc = ({ id, author, body }: StoredComment): Doc => ({
  ...(exampleOf('/repos/{owner}/{repo}/issues/{issue_number}/comments', 'post', 201) as Doc),
  id,
  body,
  user: person(author),
});

const issueDoc = ({ number, title, body, labels, author, open }: StoredIssue): Doc => {
  const { pull_request: _pull, ...example } = exampleOf('/repos/{owner}/{repo}/issues', 'post', 201) as Doc;
  return {
    ...example,
    number,
    title,
    body,
    user: person(author),
    state: open ? 'open' : 'closed',
    labels: labels.map((name) => ({ ...example.labels[0], name })),
  };
};
