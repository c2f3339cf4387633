/**
 * A GitHub on loopback for tests. Every request is checked against GitHub's own description of its API: one that is
 * wrong is answered with 400 and kept in `faults`, which a test asserts to be empty. What it answers is checked too.
 */
import { createPublicKey, createVerify, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ANSWERS, type Answer, forbidden, notFound } from './github-answers.ts';
import { answerFaults, exampleOf, findOperation, type Operation, requestFaults } from './github-openapi.ts';
import { type Asker, Repository } from './github-state.ts';

export type { Repository } from './github-state.ts';

/**
 * Something that goes wrong, instead of the answer. `lost`: it is done, and the connection breaks before the answer.
 */
export type Trouble = (
  | { status: number; message?: string; headers?: Record<string, string> }
  | { hang: true }
  | { drop: true }
  | { lost: true }
  /** Seconds until the limit is lifted. */
  | { limit: 'primary' | 'secondary'; seconds: number }
) & {
  /** Only requests whose `METHOD /path` fits; others do not use it up. */
  on?: RegExp;
  /** How often; once unless told. */
  times?: number;
};

export interface Asked {
  method: string;
  /** Without the query. */
  path: string;
  /** `checks/create`, as GitHub calls it. */
  operation: string | undefined;
  body: any; // a document of any shape, for assertions
  /** 0: there was no answer. */
  status: number;
}

export interface StandIn extends AsyncDisposable {
  /** For GITHUB_API_URL. */
  url: string;
  /**
   * Environments of connectGitHub: a token of Actions, which may write check runs; a person's token, which may not; an
   * App.
   */
  env: Record<'actions' | 'user' | 'app', NodeJS.ProcessEnv>;
  /** Whom comments and check runs are from, by environment. */
  logins: Record<'actions' | 'user' | 'app', string>;
  /** OWNER/NAME, with its default branch `main` at `head`. */
  addRepository(name: string, head?: string): Repository;
  repository(name: string): Repository;
  /** What goes wrong next; several wait in their order. */
  next(trouble: Trouble): void;
  /** Nothing goes wrong any more. */
  recover(): void;
  /** Every request, in order; and those with this operation. */
  asked: Asked[];
  count(operation: string): number;
  /** What was wrong with requests, or with the stand-in itself. */
  faults: string[];
}

const LOGINS = { actions: 'github-actions[bot]', user: 'mayfly-user', app: 'mayfly-test[bot]' } as const;
const APP_ID = 4711;

/** A GitHub without repositories, on a port that is free. */
export async function startGitHub(): Promise<StandIn> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tokens = new Map<string, Asker>([
    ['ghs_actions', { kind: 'actions', login: LOGINS.actions }],
    ['ghp_user', { kind: 'user', login: LOGINS.user }],
  ]);
  const state: State = {
    tokens,
    publicKey: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
    repositories: new Map(),
    troubles: [],
    asked: [],
    faults: [],
  };
  const server = createServer((request, response) => {
    handle(request, response, state).catch((error) => {
      state.faults.push(`the stand-in itself: ${error instanceof Error ? error.stack : error}`);
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const base = { GITHUB_API_URL: url };
  return {
    url,
    env: {
      actions: { ...base, GITHUB_TOKEN: 'ghs_actions' },
      user: { ...base, GITHUB_TOKEN: 'ghp_user' },
      app: {
        ...base,
        GITHUB_APP_ID: String(APP_ID),
        GITHUB_APP_PRIVATE_KEY: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      },
    },
    logins: LOGINS,
    addRepository: (name, head = 'a'.repeat(40)) => {
      const repository = new Repository(name, head);
      state.repositories.set(name.toLowerCase(), repository);
      return repository;
    },
    repository: (name) => state.repositories.get(name.toLowerCase())!,
    next: (trouble) => void state.troubles.push({ times: 1, ...trouble }),
    recover: () => void state.troubles.splice(0),
    asked: state.asked,
    count: (operation) => state.asked.filter((one) => one.operation === operation).length,
    faults: state.faults,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface State {
  tokens: Map<string, Asker>;
  publicKey: KeyObject;
  repositories: Map<string, Repository>;
  troubles: Trouble[];
  asked: Asked[];
  faults: string[];
}

async function handle(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const { pathname: path, searchParams: query } = new URL(request.url!, 'http://127.0.0.1');
  const method = request.method!;
  const text = await readAll(request);
  const operation = findOperation(method, path);
  const asked: Asked = {
    method,
    path,
    operation: operation?.id,
    body: text === '' ? undefined : parsed(text),
    status: 0,
  };
  state.asked.push(asked);
  const trouble = takeTrouble(state, `${method} ${path}`);
  if (trouble && 'hang' in trouble) return;
  if (trouble && 'drop' in trouble) return void request.socket.destroy();
  const answer = troubled(trouble) ?? answerTo(operation, { request, query, path, asked }, state);
  if (trouble && 'lost' in trouble) return void request.socket.destroy();
  asked.status = answer.status;
  send(response, { answer, operation, query, request, headers: headersOf(trouble) }, state);
}

function takeTrouble({ troubles }: State, asked: string): Trouble | undefined {
  const index = troubles.findIndex(({ on }) => on === undefined || on.test(asked));
  const trouble = troubles[index];
  if (trouble && --trouble.times! <= 0) troubles.splice(index, 1);
  return trouble;
}

function troubled(trouble: Trouble | undefined): Answer | undefined {
  if (!trouble || 'lost' in trouble || 'hang' in trouble || 'drop' in trouble) return undefined;
  const said = (status: number, message: string) => ({
    status,
    body: { message, documentation_url: 'https://docs.github.com/rest', status: String(status) },
  });
  if ('status' in trouble) return said(trouble.status, trouble.message ?? `trouble ${trouble.status}`);
  return trouble.limit === 'primary'
    ? said(403, 'API rate limit exceeded for installation ID 1.')
    : said(403, 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.');
}

function headersOf(trouble: Trouble | undefined): Record<string, string> {
  if (trouble && 'status' in trouble) return trouble.headers ?? {};
  if (!trouble || !('limit' in trouble)) return {};
  return trouble.limit === 'primary'
    ? { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + trouble.seconds) }
    : { 'retry-after': String(trouble.seconds) };
}

interface Incoming {
  request: IncomingMessage;
  query: URLSearchParams;
  path: string;
  asked: Asked;
}

function answerTo(operation: Operation | undefined, { request, query, path, asked }: Incoming, state: State): Answer {
  const faults = [
    ...headerFaults(request, asked.body),
    ...(operation ? requestFaults(operation, query, asked.body) : ['this path is not known']),
  ];
  if (faults.length > 0) {
    state.faults.push(...faults.map((fault) => `${asked.method} ${path}: ${fault}`));
    return { status: 400, body: { message: faults.join('; ') } };
  }
  const asker = askerOf(request.headers.authorization!, state);
  if (!asker) return { status: 401, body: { message: 'Bad credentials' } };
  return ownAnswer(operation!, asker, state) ?? repositoryAnswer(operation!, { query, asked, asker }, state);
}

function headerFaults({ headers }: IncomingMessage, body: unknown): string[] {
  return [
    ...(/^(token|bearer) \S+$/i.test(headers.authorization ?? '')
      ? []
      : ['the header authorization is missing or no token']),
    ...(/mayfly/i.test(headers['user-agent'] ?? '') ? [] : ['the header user-agent does not say who asks']),
    ...(/^application\/vnd\.github(\.v3)?\+json$/.test(headers.accept ?? '')
      ? []
      : [`the header accept is ${headers.accept}`]),
    ...(headers['x-github-api-version'] === '2022-11-28'
      ? []
      : ['the header x-github-api-version is missing or not known']),
    ...(body === undefined || /^application\/json\b/.test(headers['content-type'] ?? '')
      ? []
      : ['the header content-type is not JSON']),
  ];
}

/**
 * The token of the header; a JSON Web Token of an App has to be signed with its key and to be valid for 10 minutes at
 * most.
 */
function askerOf(authorization: string, { tokens, publicKey }: State): Asker | undefined {
  const token = authorization.split(' ')[1]!;
  const [head, claims, signature] = token.split('.');
  if (signature === undefined) return tokens.get(token);
  if (!createVerify('RSA-SHA256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url'))
    return undefined;
  const { iss, exp } = JSON.parse(Buffer.from(claims!, 'base64url').toString());
  const left = exp - Date.now() / 1000;
  return Number(iss) === APP_ID && left > 0 && left <= 600 ? { kind: 'app', login: LOGINS.app } : undefined;
}

/** Answers about whoever asks. */
function ownAnswer({ id, template }: Operation, asker: Asker, { tokens }: State): Answer | undefined {
  const needsApp = [
    'apps/get-authenticated',
    'apps/get-repo-installation',
    'apps/create-installation-access-token',
  ].includes(id);
  if (needsApp !== (asker.kind === 'app'))
    return { status: 401, body: { message: 'A JSON web token could not be decoded' } };
  if (id === 'users/get-authenticated')
    return asker.kind === 'user'
      ? { status: 200, body: { ...(exampleOf(template, 'get', 200) as object), login: asker.login } }
      : forbidden();
  if (id === 'apps/get-authenticated')
    return {
      status: 200,
      body: { ...(exampleOf(template, 'get', 200) as object), id: APP_ID, slug: LOGINS.app.replace('[bot]', '') },
    };
  if (id !== 'apps/create-installation-access-token') return undefined;
  const token = `ghs_${randomBytes(12).toString('hex')}`;
  tokens.set(token, { kind: 'installation', login: LOGINS.app });
  return {
    status: 201,
    body: {
      ...(exampleOf(template, 'post', 201) as object),
      token,
      expires_at: new Date(Date.now() + 3600_000).toISOString(),
      repositories: undefined,
    },
  };
}

function repositoryAnswer(
  operation: Operation,
  { query, asked, asker }: { query: URLSearchParams; asked: Asked; asker: Asker },
  state: State,
): Answer {
  const repository = state.repositories.get(`${operation.params.owner}/${operation.params.repo}`.toLowerCase());
  if (!repository) return notFound();
  if (operation.id === 'apps/get-repo-installation')
    return repository.installed
      ? { status: 200, body: { ...(exampleOf(operation.template, 'get', 200) as object), id: repository.id } }
      : notFound();
  const answer = ANSWERS[operation.id];
  if (!answer) throw new Error(`${operation.id} is not in the stand-in`);
  return answer({ operation, query, body: asked.body ?? {}, asker, repository });
}

function send(
  response: ServerResponse,
  {
    answer,
    operation,
    query,
    request,
    headers,
  }: {
    answer: Answer;
    operation: Operation | undefined;
    query: URLSearchParams;
    request: IncomingMessage;
    headers: Record<string, string>;
  },
  state: State,
): void {
  const { body, link } = paged(answer, query, request);
  if (operation && answer.status < 400)
    state.faults.push(
      ...answerFaults(operation, answer.status, JSON.parse(JSON.stringify(body))).map(
        (fault) => `${operation.id}: ${fault}`,
      ),
    );
  const limits = {
    'x-ratelimit-limit': '5000',
    'x-ratelimit-remaining': '4000',
    'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + 3600),
    'x-ratelimit-used': '1000',
    'x-ratelimit-resource': 'core',
  };
  response
    .writeHead(answer.status, {
      'content-type': 'application/json; charset=utf-8',
      ...limits,
      ...(link ? { link } : {}),
      ...headers,
    })
    .end(JSON.stringify(body));
}

function paged(
  { list, wrap, body }: Answer,
  query: URLSearchParams,
  request: IncomingMessage,
): { body: unknown; link?: string } {
  if (!list) return { body };
  const size = Math.min(100, Number(query.get('per_page') ?? 30));
  const page = Number(query.get('page') ?? 1);
  const last = Math.max(1, Math.ceil(list.length / size));
  const url = (number: number) => {
    const next = new URL(request.url!, `http://${request.headers.host}`);
    next.searchParams.set('page', String(number));
    return next.href;
  };
  const shown = list.slice((page - 1) * size, page * size);
  const links = [
    ...(page < last ? [`<${url(page + 1)}>; rel="next"`, `<${url(last)}>; rel="last"`] : []),
    ...(page > 1 ? [`<${url(1)}>; rel="first"`, `<${url(page - 1)}>; rel="prev"`] : []),
  ];
  return { body: wrap ? wrap(shown, list.length) : shown, ...(links.length > 0 ? { link: links.join(', ') } : {}) };
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
