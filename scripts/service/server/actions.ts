/**
 * What can be done through the site: sign in, cancel, retry, add, pause, resume. Each needs the token of the server.
 */
import { isBranch } from '../../config/branch.ts';
import { watchedRepository } from '../../config/service.ts';
import { type Job, type JobOverrides, type NewJob, PRIORITY } from '../../documents/job.ts';
import { branchOf } from '../../documents/pull-request.ts';
import { isFullHash } from '../../engine/names.ts';
import { ENDED, retryOf } from '../../store/jobs.ts';
import { ADD, ASKED_OF, failure, jobAnswer, PARAMS, pausedAnswer, type Schema } from './action-schemas.ts';
import { type Http, HttpError, type HttpReply, type HttpRequest } from './http.ts';
import type { ServeContext } from './serve-context.ts';
import { Attempts, bearer, fromThisSite, inSession, noSessionCookie, sameSecret, sessionCookie } from './session.ts';
import { refuseUnknown } from './unknown-fields.ts';

const FORM = 'application/x-www-form-urlencoded';
const READ_ONLY =
  'this server is read-only: it was started without MAYFLY_ACTION_TOKEN. Set it to a long random text and start the server again; npm run queue does the same on the host';
/** Who has asked, for a job that is made here. */
const ASKER = 'web site';

/**
 * Whoever looks at this page has signed in. By the session alone: a page that answered to a token would let anybody try
 * tokens without a pause.
 */
export const mayAct = (request: HttpRequest, ctx: Pick<ServeContext, 'actionToken' | 'now'>): boolean =>
  ctx.actionToken !== undefined && inSession(request, ctx);

export function actionRoutes(http: Http, ctx: ServeContext): void {
  const attempts = new Attempts();
  void http.register(async (site) => {
    takeForms(site);
    site.post('/sign-in', { schema: { hide: true }, bodyLimit: 4096 }, async (request, reply) =>
      signIn(request, reply, ctx, attempts),
    );
    site.post('/sign-out', { schema: { hide: true }, bodyLimit: 4096 }, async (request, reply) => {
      if (fromThisSite(request, ctx.site) === false)
        throw new HttpError(403, 'this does not come from a page of this site');
      return reply.header('set-cookie', noSessionCookie(ctx.site)).redirect('/', 303);
    });
  });
  void http.register(async (api) => {
    takeForms(api);
    api.setSerializerCompiler(() => (data) => JSON.stringify(data));
    api.addHook('onRequest', async (request, reply) => demand(request, reply, ctx, attempts));
    addActions(api, ctx);
  });
}

function addActions(api: Http, ctx: ServeContext): void {
  const post = (
    path: string,
    summary: string,
    { params, body, answer }: { params?: Record<string, Schema>; body?: Schema; answer: Schema },
    act: (options: ActionOptions) => { document: object; page: string; created?: boolean },
  ) => {
    const schema = {
      tags: ['actions'],
      summary,
      security: [{ token: [] }],
      ...(params
        ? { params: { type: 'object', properties: params, required: Object.keys(params), additionalProperties: false } }
        : {}),
      ...(body ? { body } : {}),
      response: { '2xx': answer, '4xx': failure },
    };
    api.post(
      path,
      { schema, bodyLimit: 8192, preValidation: async (request) => withBody(request) },
      async (request, reply) => {
        const { document, page, created } = act({
          ...(request.params as object),
          ...(request.body as object),
        } as ActionOptions);
        ctx.wake();
        ctx.log(`through the site: ${request.method} ${request.url.split('?')[0]}`);
        return isForm(request)
          ? reply.redirect(backTo(request, page), 303)
          : reply.code(created ? 201 : 200).send(document);
      },
    );
  };
  const { queue } = ctx.store;
  post('/api/jobs', 'Queues a commit', { body: ADD, answer: jobAnswer }, (options) => {
    const { job, added } = queue.enqueue(newJob(options as unknown as Add, ctx), {
      now: ctx.now(),
      again: true,
      pinned: true,
    });
    return { document: { added, job }, page: `/jobs/${job.job_id}`, created: added };
  });
  post(
    '/api/jobs/:id/cancel',
    'Takes a job out of the queue, or asks its worker to end it',
    { params: PARAMS.job, body: ASKED_OF.reason, answer: jobAnswer },
    ({ id, reason }) => {
      const job = jobOf(id, ctx);
      const why = `cancelled on the ${ASKER}${reason ? `: ${reason}` : ''}`;
      if (ENDED.includes(job.state) || !queue.cancel(job.job_id, why, ctx.now()))
        throw new HttpError(409, `job ${id} has ended: it is ${queue.job(id)?.state ?? 'gone'}`);
      return { document: { added: false, job: jobOf(id, ctx) }, page: `/jobs/${id}` };
    },
  );
  post(
    '/api/jobs/:id/retry',
    'Measures once more what a job that has ended was to measure',
    { params: PARAMS.job, body: ASKED_OF.nothing, answer: jobAnswer },
    ({ id }) => {
      const old = jobOf(id, ctx);
      if (!ENDED.includes(old.state)) throw new HttpError(409, `job ${id} has not ended: it is ${old.state}`);
      const { job, added } = queue.enqueue(retryOf(old, ASKER), { now: ctx.now(), again: true, pinned: true });
      return { document: { added, job }, page: `/jobs/${job.job_id}`, created: added };
    },
  );
  post(
    '/api/queue/pause',
    'No job is begun until it is resumed',
    { body: ASKED_OF.reason, answer: pausedAnswer },
    ({ reason }) => {
      queue.pause({ by: ASKER, at: new Date(ctx.now()).toISOString(), ...(reason ? { reason } : {}) });
      return { document: { paused: queue.paused() }, page: '/jobs' };
    },
  );
  post('/api/queue/resume', 'Jobs are begun again', { body: ASKED_OF.nothing, answer: pausedAnswer }, () => {
    queue.resume();
    return { document: { paused: null }, page: '/jobs' };
  });
}

interface ActionOptions {
  id: string;
  reason?: string;
}

interface Add extends JobOverrides {
  benchmark: string;
  commit: string;
  against?: string;
  branch?: string;
  master?: boolean;
  repository?: string;
  pull_request?: number;
}

/** A job as `npm run queue -- add` makes it, but that no commit is looked up: the worker does. */
function newJob(
  { benchmark, commit, against, branch, master = false, repository, pull_request, ...settings }: Add,
  { config, store }: ServeContext,
): NewJob {
  const rules = config.rules.get(benchmark);
  if (!rules)
    throw new HttpError(
      400,
      `there is no benchmark ${JSON.stringify(benchmark)} in this checkout; there is ${[...config.rules.keys()].join(', ')}`,
    );
  if (master && (against ?? pull_request) !== undefined)
    throw new HttpError(
      400,
      'master goes neither with against nor with pull_request: a commit of the default branch is compared with the anchor of its history',
    );
  if (master && settings.against_variant !== undefined)
    throw new HttpError(
      400,
      'master does not go with against_variant: the history of the default branch is kept for each variant by itself',
    );
  if (branch !== undefined && !isBranch(branch))
    throw new HttpError(400, `branch must be the name of a branch, such as release-1.4, got ${JSON.stringify(branch)}`);
  if (pull_request !== undefined && repository === undefined)
    throw new HttpError(400, 'pull_request needs repository: whose it is');
  const watched = repository === undefined ? undefined : watchedRepository(config, repository);
  if (watched && !isFullHash(commit))
    throw new HttpError(400, 'with repository, commit must be the whole hash: GitHub is told of a commit by its hash');
  if (repository !== undefined && !watched)
    throw new HttpError(400, `${JSON.stringify(repository)} is not watched: mayfly.yaml does not name it`);
  const pull = watched && pull_request !== undefined ? store.inbox.pullRequest(watched.name, pull_request) : undefined;
  return {
    kind: master ? 'new-master' : 'new-test',
    benchmark,
    commit,
    ref: commit,
    ...(against === undefined ? { branch: branch ?? (pull && branchOf(pull)) } : { against, branch }),
    ...(watched ? { repository: watched.name } : {}),
    ...(pull_request === undefined ? {} : { pull_request }),
    overrides: settings,
    requested_by: ASKER,
    priority: PRIORITY.by_hand,
    deadline_s: rules.deadlineS,
  };
}

function jobOf(id: string, { store }: ServeContext): Job {
  const job = store.queue.job(id);
  if (!job) throw new HttpError(404, `there is no job ${JSON.stringify(id)}`);
  return job;
}

/** Throws unless whoever sends this may act, and no other site makes a browser send it. */
function demand(request: HttpRequest, reply: HttpReply, ctx: ServeContext, attempts: Attempts): void {
  if (ctx.actionToken === undefined) throw new HttpError(403, READ_ONLY);
  const token = bearer(request);
  if (token !== undefined) return checkToken(token, request, reply, ctx, attempts);
  if (!inSession(request, ctx)) {
    reply.header('www-authenticate', 'Bearer realm="mayfly"');
    throw new HttpError(401, 'this needs the token of the server: sign in, or send Authorization: Bearer TOKEN');
  }
  if (fromThisSite(request, ctx.site) !== true) throw new HttpError(403, 'this does not come from a page of this site');
}

function checkToken(
  token: string,
  { ip }: HttpRequest,
  reply: HttpReply,
  { actionToken, now }: ServeContext,
  attempts: Attempts,
): void {
  const pause = attempts.pause(ip, now());
  if (pause > 0) {
    reply.header('retry-after', String(Math.ceil(pause / 1000)));
    throw new HttpError(429, `too many wrong tokens came from this address: try again in ${Math.ceil(pause / 1000)} s`);
  }
  if (!sameSecret(token, actionToken!)) {
    attempts.wrong(ip, now());
    throw new HttpError(401, 'this is not the token of the server');
  }
  attempts.right(ip);
}

function signIn(request: HttpRequest, reply: HttpReply, ctx: ServeContext, attempts: Attempts): HttpReply {
  if (ctx.actionToken === undefined) throw new HttpError(403, READ_ONLY);
  if (fromThisSite(request, ctx.site) === false)
    throw new HttpError(403, 'this does not come from a page of this site');
  const { token } = (request.body ?? {}) as { token?: unknown };
  checkToken(typeof token === 'string' ? token : '', request, reply, ctx, attempts);
  return reply.header('set-cookie', sessionCookie(ctx)).header('cache-control', 'no-store').redirect('/jobs', 303);
}

/** A POST without a body asks for nothing more. */
function withBody(request: HttpRequest): void {
  request.body ??= {};
  refuseUnknown(request);
}

/** Forms of a browser: names and values, each name once. */
function takeForms(http: Http): void {
  http.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries([...new URLSearchParams(body as string)].filter(([, value]) => value !== ''))),
  );
}

const isForm = ({ headers }: HttpRequest): boolean =>
  (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase() === FORM;

/** The page that the form stood on, if it is one of ours. */
function backTo({ headers }: HttpRequest, otherwise: string): string {
  const from = URL.parse(headers.referer ?? '');
  // A path that begins with two slashes would be another site.
  return from !== null && from.host === headers.host && !from.pathname.startsWith('//')
    ? `${from.pathname}${from.search}`
    : otherwise;
}
