import t from 'tap';
import { actionRoutes, mayAct } from '../../../scripts/service/server/actions.ts';
import type { Http, HttpRequest } from '../../../scripts/service/server/http.ts';
import { aJob, commitOf, openSite, served } from './site-store.ts';

const TOKEN = 'a-long-random-text-of-the-server';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const HERE = { host: 'mayfly.test', origin: 'http://mayfly.test', 'sec-fetch-site': 'same-origin' };

async function site(t: Parameters<typeof openSite>[0], laid: Parameters<typeof openSite>[1] = { actionToken: TOKEN }) {
  const opened = openSite(t, laid);
  const http = await served(t, opened.ctx, actionRoutes);
  const post = (url: string, headers: Record<string, string> = {}, payload?: string | object) =>
    http.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) });
  const queued = (commit = commitOf(1)) =>
    opened.store.queue.enqueue(aJob({ commit }), { now: opened.ctx.clock }).job.job_id;
  return { ...opened, http, post, queued };
}

/** Signs in as a browser does; gives the cookie as it is sent back. */
async function cookieOf(http: Http): Promise<string> {
  const answer = await http.inject({
    method: 'POST',
    url: '/sign-in',
    headers: { ...FORM, ...HERE },
    payload: `token=${TOKEN}`,
  });
  return String(answer.headers['set-cookie']).split(';')[0]!;
}

t.test('without a token the server is read-only, and says how that is changed', async (t) => {
  const { post, queued, store } = await site(t, {});
  const id = queued();
  for (const url of [
    `/api/jobs/${id}/cancel`,
    `/api/jobs/${id}/retry`,
    '/api/queue/pause',
    '/api/queue/resume',
    '/api/jobs',
    '/sign-in',
  ]) {
    const answer = await post(url, { ...BEARER, ...FORM });
    t.equal(answer.statusCode, 403, url);
    t.match(answer.json().error, /MAYFLY_ACTION_TOKEN/);
  }
  t.equal(store.queue.job(id)!.state, 'queued');
  t.equal(store.queue.paused(), undefined);
});

t.test('with the token: cancel, retry, pause, resume, add', async (t) => {
  const { post, queued, store, woken } = await site(t);
  const id = queued();
  t.match((await post(`/api/jobs/${id}/cancel`, BEARER, { reason: 'not now' })).json(), {
    job: { state: 'cancelled', reason: 'cancelled on the web site: not now' },
  });
  t.equal((await post(`/api/jobs/${id}/cancel`, BEARER)).statusCode, 409);
  const retried = await post(`/api/jobs/${id}/retry`, BEARER);
  t.equal(retried.statusCode, 201);
  t.match(retried.json(), {
    added: true,
    job: { state: 'queued', retry_of: id, commit: commitOf(1), requested_by: 'web site' },
  });
  t.equal((await post(`/api/jobs/${retried.json().job.job_id}/retry`, BEARER)).statusCode, 409, 'it has not ended');
  t.match((await post('/api/queue/pause', BEARER, { reason: 'maintenance' })).json(), {
    paused: { by: 'web site', reason: 'maintenance' },
  });
  t.match(store.queue.paused(), { reason: 'maintenance' });
  t.same((await post('/api/queue/resume', BEARER)).json(), { paused: null });
  t.equal(store.queue.paused(), undefined);
  const added = await post('/api/jobs', BEARER, {
    benchmark: 'shop',
    commit: commitOf(2),
    against: 'main',
    rate: '500',
    duration: '2m',
    variant: 'scaled',
    against_variant: 'single',
    repository: 'ACME/shop',
    pull_request: 3,
  });
  t.match((await post('/api/jobs', BEARER, { benchmark: 'shop', commit: 'v1.2', repository: 'acme/shop' })).json(), {
    status: 400,
    error: /the whole hash/,
  });
  t.match(added.json(), {
    added: true,
    job: {
      benchmark: 'shop',
      commit: commitOf(2),
      against: 'main',
      overrides: { rate: '500', duration: '2m', variant: 'scaled', against_variant: 'single' },
      repository: 'acme/shop',
      pull_request: 3,
      priority: 30,
      deadline_s: 3600,
    },
  });
  t.equal(woken(), 5, 'after each that did something');
  t.equal((await post('/api/jobs/01JZZZZZZZZZZZZZZZZZZZZZZZ/cancel', BEARER)).statusCode, 404);
  t.equal((await post('/api/jobs/..%2f..%2fx/cancel', BEARER)).statusCode, 400);
});

t.test('a job that is added takes nothing that a flag or a shell could be mistaken for', async (t) => {
  const { post, store } = await site(t);
  const good = { benchmark: 'shop', commit: 'main' };
  for (const wrong of [
    { commit: '--help' },
    { commit: '$(touch x)' },
    { commit: 'a b' },
    { commit: '`x`' },
    { against: '-x' },
    { against: 'x;y' },
    { rate: '1e9' },
    { rate: '-1' },
    { duration: 'soon' },
    { variant: '--keep' },
    { against_variant: 'a b' },
    { master: true, against_variant: 'single' },
    { benchmark: 'nothing' },
    { benchmark: '../x' },
    { repository: 'acme/unknown' },
    { repository: 'x' },
    { pull_request: 1 },
    { pull_request: 0, repository: 'acme/shop' },
    { master: true, against: 'x' },
    { agianst: 'x' },
    { commit: 7.5e300 },
    { commit: ['x', 'y'] },
  ])
    t.equal((await post('/api/jobs', BEARER, { ...good, ...wrong })).statusCode, 400, JSON.stringify(wrong));
  t.equal((await post('/api/jobs', BEARER, { commit: 'x' })).statusCode, 400);
  t.equal(store.queue.count(), 0);
});

t.test('a wrong token is refused, and the next ones have to wait longer and longer', async (t) => {
  const { ctx, post, queued } = await site(t);
  const id = queued();
  const answer = await post(`/api/jobs/${id}/cancel`);
  t.equal(answer.statusCode, 401);
  t.match(answer.headers['www-authenticate'], /^Bearer/);
  const wrong = { authorization: 'Bearer nothing' };
  t.equal((await post(`/api/jobs/${id}/cancel`, wrong)).statusCode, 401);
  t.equal(
    (await post('/sign-in', FORM, `token=${TOKEN}`)).statusCode,
    429,
    'even the right one: or guessing would go on',
  );
  ctx.clock += 600;
  t.equal((await post(`/api/jobs/${id}/cancel`, wrong)).statusCode, 401);
  ctx.clock += 600;
  const waiting = await post(`/api/jobs/${id}/cancel`, wrong);
  t.equal(waiting.statusCode, 429);
  t.equal(waiting.headers['retry-after'], '1');
  ctx.clock += 600;
  t.equal((await post(`/api/jobs/${id}/cancel`, BEARER)).statusCode, 200);
  for (const header of ['Bearer', 'Bearer ', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, TOKEN]) {
    ctx.clock += 20_000;
    t.equal((await post('/api/queue/pause', { authorization: header })).statusCode, 401, header);
  }
});

t.test('signing in gives a cookie for this site alone; with it a form does what it says and comes back', async (t) => {
  const { http, post, queued, store } = await site(t);
  const answer = await post('/sign-in', { ...FORM, ...HERE }, `token=${TOKEN}`);
  t.equal(answer.statusCode, 303);
  const cookie = String(answer.headers['set-cookie']);
  t.match(cookie, /^mayfly_session=\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
  t.notMatch(cookie, TOKEN);
  const sent = { cookie: `other=1; ${cookie.split(';')[0]}`, ...FORM, ...HERE };
  const id = queued();
  const cancelled = await post(`/api/jobs/${id}/cancel`, { ...sent, referer: 'http://mayfly.test/jobs?offset=50' }, '');
  t.equal(cancelled.statusCode, 303);
  t.equal(cancelled.headers.location, '/jobs?offset=50');
  t.equal(store.queue.job(id)!.state, 'cancelled');
  t.match(
    (await post(`/api/jobs/${id}/retry`, { ...sent, referer: 'https://evil.example/x' })).headers.location,
    /^\/jobs\/[0-9A-Z]{26}$/,
  );
  t.equal(
    (await post('/api/queue/pause', { ...sent, referer: 'http://mayfly.test//evil.example/' }, 'reason=lunch')).headers
      .location,
    '/jobs',
  );
  t.match(store.queue.paused(), { reason: 'lunch' });
  t.match((await post('/sign-out', sent)).headers['set-cookie'], /^mayfly_session=; Max-Age=0/);
  const secure = await served(
    t,
    { ...openSite(t, { actionToken: TOKEN }).ctx, site: 'https://mayfly.test' },
    actionRoutes,
  );
  t.match(
    (await secure.inject({ method: 'POST', url: '/sign-in', headers: FORM, payload: `token=${TOKEN}` })).headers[
      'set-cookie'
    ],
    /; Secure$/,
  );
  t.ok(http);
});

t.test('a cookie does nothing for a page of another site, when it is forged, or too old', async (t) => {
  const { ctx, http, post, queued, store } = await site(t);
  const cookie = await cookieOf(http);
  const id = queued();
  const cancel = (headers: Record<string, string>) =>
    post(`/api/jobs/${id}/cancel`, { ...FORM, host: 'mayfly.test', ...headers });
  const refused: [Record<string, string>, number][] = [
    [{ cookie, 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' }, 403],
    [{ cookie, 'sec-fetch-site': 'same-site', origin: 'http://mayfly.test' }, 403],
    [{ cookie, 'sec-fetch-site': 'none' }, 403],
    [{ cookie, origin: 'http://evil.example' }, 403],
    [{ cookie, origin: 'null' }, 403],
    [{ cookie }, 403],
    [{ ...HERE, cookie: 'mayfly_session=' }, 401],
    [{ ...HERE, cookie: `${cookie.slice(0, -2)}AA` }, 401],
    [{ ...HERE, cookie: cookie.replace(/=\d+/, (until) => `=${Number(until.slice(1)) + 1}`) }, 401],
    [{ ...HERE, cookie: `mayfly_session=${TOKEN}` }, 401],
  ];
  for (const [headers, code] of refused) t.equal((await cancel(headers)).statusCode, code, JSON.stringify(headers));
  t.equal((await post('/sign-in', { ...FORM, 'sec-fetch-site': 'cross-site' }, `token=${TOKEN}`)).statusCode, 403);
  const asking = { headers: { cookie } } as HttpRequest;
  t.equal(mayAct(asking, ctx), true);
  t.equal(mayAct(asking, { ...ctx, actionToken: 'another' }), false, 'another token of the server ends all sessions');
  t.equal(mayAct(asking, { ...ctx, actionToken: undefined }), false);
  t.equal(mayAct({ headers: {} } as HttpRequest, ctx), false);
  ctx.clock += 13 * 3600_000;
  t.equal(mayAct(asking, ctx), false);
  t.equal((await cancel({ ...HERE, cookie })).statusCode, 401);
  t.equal(store.queue.job(id)!.state, 'queued');
});

t.test('a body that is too long or no form is refused before anything is done', async (t) => {
  const { post, store } = await site(t);
  t.equal((await post('/api/queue/pause', { ...BEARER, ...FORM }, `reason=${'x'.repeat(9000)}`)).statusCode, 413);
  t.equal((await post('/api/queue/pause', { ...BEARER, 'content-type': 'application/json' }, '{')).statusCode, 400);
  t.equal((await post('/api/queue/pause', { ...BEARER, 'content-type': 'text/xml' }, '<x/>')).statusCode, 415);
  t.equal((await post('/sign-in', FORM, `token=${'x'.repeat(5000)}`)).statusCode, 413);
  t.equal(store.queue.paused(), undefined);
});

t.test('a job that is added for a pull request is compared with where it left its base', async (t) => {
  const { post, store } = await site(t);
  const pull = { repository: 'acme/shop', number: 7, head: commitOf(3), base_ref: 'feature-a', onto_default: false };
  store.inbox.savePullRequest({ ...pull, from_fork: false, open: true, labels: [], updated_ms: 1 });
  const added = async (laid: object) =>
    (await post('/api/jobs', BEARER, { benchmark: 'shop', commit: commitOf(3), ...laid })).json();
  const own = { repository: 'acme/shop', pull_request: 7 };
  t.match(await added(own), { job: { branch: 'feature-a', pull_request: 7 } });
  t.match(await added({ ...own, branch: 'release-1.4' }), { job: { branch: 'release-1.4' } }, 'unless it is said');
  t.notOk('branch' in (await added({ ...own, against: 'main' })).job, 'or it is compared with a commit');
  t.match(await added({ branch: 'lts', master: true }), { job: { kind: 'new-master', branch: 'lts' } });
  t.match(await added({ branch: 'a..b' }), {
    status: 400,
    error: 'branch must be the name of a branch, such as release-1.4, got "a..b"',
  });
});
