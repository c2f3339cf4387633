import { Ajv2020 as Ajv } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import t from 'tap';
import { actionRoutes } from '../../../scripts/service/server/actions.ts';
import { apiRoutes } from '../../../scripts/service/server/api.ts';
import type { Http } from '../../../scripts/service/server/http.ts';
import { makeRound } from '../../run-document.ts';
import { aJob, alone, at, commitOf, compared, keep, keepMaster, openSite, served } from './site-store.ts';

interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        tags: string[];
        parameters?: { name: string; in: string }[];
        responses: Record<string, { content?: Record<string, { schema: object }> }>;
      }
    >
  >;
}

const ajv = new Ajv({ strict: false, allErrors: true });
(addFormats as unknown as (ajv: Ajv) => void)(ajv);

/** Asks, and holds the answer against what the description of the API says of it. */
async function asked(t: { ok(value: unknown, message: string): unknown }, http: Http, path: string, url: string) {
  const answer = await http.inject(url);
  const { paths } = (await http.inject('/openapi.json')).json<OpenApi>();
  const schema = paths[path]!.get!.responses[String(answer.statusCode)]?.content?.['application/json']?.schema;
  t.ok(schema, `${answer.statusCode} of ${path} is described`);
  const fits = ajv.validate(schema!, answer.json());
  t.ok(fits, `${url}: ${ajv.errorsText()}`);
  return answer;
}

t.test('every answer of every GET route is as the description of the API says', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 8, 5);
  const change = {
    benchmark: 'shop',
    host_id: runs[0]!.host.id,
    metric: 'latency_med',
    commit: commitOf(5),
    before: commitOf(4),
    run_id: runs[4]!.run_id,
    at: at(5),
    ratio: 1.04,
    found_at: at(8),
  };
  store.addSuspectedChange(change);
  store.addSuspectedChange({ ...change, metric: 'cpu_seconds_per_request' });
  store.settleSuspectedChange(change, 'confirmed', runs[7]!.run_id);
  store.addChangePoint({ ...change, commits: [change.commit] });
  const accepted = { repository: 'acme/shop', benchmark: 'shop', commit: change.commit, pull_request: 7 };
  store.acceptances.add(
    { acceptance_id: '1', ...accepted, verdict: 'REGRESSION', accepted_by: 'ada', reason: 'why' },
    ctx.now(),
  );
  const { queue } = store;
  const jobs = [1, 2, 3].map(
    (day) =>
      queue.enqueue(
        aJob({
          commit: commitOf(day),
          repository: 'acme/shop',
          pull_request: day,
          against: 'main',
          ref: 'refs/pull/1/head',
          overrides: { rate: '10', duration: '2s' },
        }),
        { now: ctx.clock },
      ).job,
  );
  const worker = { host: 'h', pid: 3, pid_start: '4' };
  queue.hello(worker, 1, ctx.clock);
  const first = queue.claim(worker, ctx.clock)!;
  queue.endLease(
    first.job.job_id,
    first.leaseId,
    { state: 'done', run_id: runs[0]!.run_id, verdict: 'PASS' },
    ctx.clock,
  );
  const second = queue.claim(worker, ctx.clock)!;
  queue.renew(second.job.job_id, second.leaseId, ctx.clock, {
    text: 'round 1',
    run_id: runs[1]!.run_id,
    rounds_done: 1,
    rounds_most: 9,
    at: at(9),
  });
  queue.cancel(second.job.job_id, 'enough', ctx.clock);
  queue.pause({ by: 'me', at: at(9), reason: 'quiet' });
  const solo = keep(
    store,
    alone(30, {
      labels: { repository: 'acme/shop', pull_request: '3', job: jobs[0]!.job_id },
      archive: undefined,
      rounds: [
        makeRound('candidate', 1, { latency_med: 1 }, [{ code: 'throttled', message: 'so' }]),
        { ...makeRound('candidate', 2, { latency_med: 1 }), rate: 40 },
      ],
    }),
  );
  store.addRun(alone(31, { status: 'running', finished_at: undefined, rounds: [], archive: undefined }));
  const failed = keep(
    store,
    alone(32, {
      status: 'failed',
      status_reason: 'no memory',
      rounds: [],
      deployed: { url: 'http://api.example.org:8080' },
    }),
  );
  const http = await served(t, ctx, apiRoutes, actionRoutes);

  const routes: Record<string, string[]> = {
    '/api/overview': ['/api/overview'],
    '/api/benchmarks': ['/api/benchmarks'],
    '/api/benchmarks/{name}/history': [
      '/api/benchmarks/shop/history',
      '/api/benchmarks/shop/history?metric=memory_peak&limit=2&from=2026-01-03',
      '/api/benchmarks/hello/history',
      '/api/benchmarks/none/history',
      '/api/benchmarks/shop/history?from=x',
      '/api/benchmarks/shop/history?limit=0',
      '/api/benchmarks/..%2F..%2Fetc/history',
    ],
    '/api/changes': ['/api/changes', '/api/changes?benchmark=shop', '/api/changes?benchmark=none'],
    '/api/runs': [
      '/api/runs',
      '/api/runs?limit=2&benchmark=shop&master=true&status=complete',
      `/api/runs?commit=${commitOf(1)}`,
      '/api/runs?variant=scaled',
      '/api/runs?limit=201',
      '/api/runs?limt=2',
      '/api/runs?after=x',
      '/api/runs?commit=none',
    ],
    '/api/runs/{id}': [
      ...[runs[0]!, solo, failed].map(({ run_id }) => `/api/runs/${run_id}`),
      '/api/runs/01JZZZZZZZZZZZZZZZZZZZZZZZ',
      '/api/runs/..%2F..%2Fetc%2Fpasswd',
      '/api/runs/last',
    ],
    '/api/runs/{id}/series': [
      `/api/runs/${runs[0]!.run_id}/series`,
      `/api/runs/${solo.run_id}/series?names=cpu,memory`,
      `/api/runs/${solo.run_id}/series?names=x`,
      '/api/runs/01JZZZZZZZZZZZZZZZZZZZZZZZ/series',
    ],
    '/api/runs/{id}/requests': [
      `/api/runs/${runs[0]!.run_id}/requests`,
      `/api/runs/${solo.run_id}/requests`,
      '/api/runs/01JZZZZZZZZZZZZZZZZZZZZZZZ/requests',
      '/api/runs/x/requests',
    ],
    '/api/compare': [
      `/api/compare?a=${commitOf(0)}&b=${commitOf(3)}`,
      `/api/compare?a=${commitOf(3)}&b=${commitOf(0)}`,
      `/api/compare?a=${runs[0]!.run_id}&b=${runs[5]!.run_id}`,
      `/api/compare?a=${solo.run_id}&b=${runs[5]!.run_id}`,
      '/api/compare?a=x',
      `/api/compare?a=x&b=${commitOf(1)}`,
      `/api/compare?a=${solo.run_id}&b=${solo.run_id}`,
    ],
    '/api/jobs': [
      '/api/jobs',
      '/api/jobs?state=done,queued&benchmark=shop&pull_request=1&limit=1',
      '/api/jobs?state=none',
    ],
    '/api/jobs/{id}': [
      ...jobs.map(({ job_id }) => `/api/jobs/${job_id}`),
      '/api/jobs/01JZZZZZZZZZZZZZZZZZZZZZZZ',
      '/api/jobs/x',
    ],
  };
  const { openapi, paths } = (await http.inject('/openapi.json')).json<OpenApi>();
  t.match(openapi, /^3\.1/);
  t.same(
    Object.keys(paths)
      .filter((path) => paths[path]!.get)
      .sort(),
    Object.keys(routes).sort(),
    'every route is asked here',
  );
  t.ok(
    Object.values(paths)
      .flatMap(Object.values)
      .every(({ tags }: { tags: string[] }) => tags.length > 0),
  );
  t.ok(paths['/api/jobs/{id}/cancel']!.post, 'the actions are described too');
  for (const [path, urls] of Object.entries(routes)) for (const url of urls) await asked(t, http, path, url);
});

t.test('what is wrong is said in words, as JSON: 400, or 404 where nothing is there', async (t) => {
  const { ctx, store } = openSite(t);
  keepMaster(store, 2);
  const http = await served(t, ctx, apiRoutes);
  const codes: [string, number, RegExp][] = [
    ['/api/runs/01JZZZZZZZZZZZZZZZZZZZZZZZ', 404, /there is no run/],
    ['/api/runs/../../etc/passwd', 404, /nothing at this address/],
    ['/api/runs/..%2f..%2fetc%2fpasswd', 400, /id/],
    [`/api/runs/${encodeURIComponent(`' OR 1=1 --`)}`, 400, /id/],
    ['/api/runs/%00', 400, /id/],
    ['/api/runs?limit=many', 400, /limit/],
    ['/api/runs?limt=3', 400, /"limt" is not known here; allowed: benchmark, /],
    ['/api/runs?limit=3&limit=4', 400, /limit/],
    ['/api/benchmarks/nothing/history', 404, /there is no benchmark/],
    ['/api/benchmarks/shop/history?metric=nothing', 404, /there is no metric "nothing" of shop; there is latency_avg/],
    ['/api/benchmarks/shop/history?to=%3Cscript%3E', 400, /to must be a date/],
    ['/api/compare', 400, /'a'/],
    [`/api/compare?a=${'a'.repeat(201)}&b=b`, 400, /200/],
    ['/api/nothing', 404, /nothing at this address/],
  ];
  for (const [url, code, words] of codes) {
    const answer = await http.inject({ url, headers: { accept: 'text/html' } });
    t.equal(answer.statusCode, code, url);
    t.match(answer.json(), { status: code, error: words }, url);
  }
});

t.test('pages of runs: next and Link lead through all of them', async (t) => {
  const { ctx, store } = openSite(t);
  const runs = keepMaster(store, 7);
  const http = await served(t, ctx, apiRoutes);
  const seen: string[] = [];
  for (let url: string | undefined = '/api/runs?limit=3&benchmark=shop'; url; ) {
    const answer: Awaited<ReturnType<Http['inject']>> = await http.inject(url);
    const { runs: page, next } = answer.json<{ runs: { run_id: string }[]; next?: string }>();
    seen.push(...page.map(({ run_id }) => run_id));
    url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1];
    t.equal(next !== undefined, url !== undefined);
  }
  t.same(
    seen,
    runs.toReversed().map(({ run_id }) => run_id),
  );
});

t.test('an answer that the asker has is not sent again; an ended run may be kept for a minute', async (t) => {
  const { ctx, store } = openSite(t);
  const run = keep(store, compared(1, 0));
  const http = await served(t, ctx, apiRoutes);
  const first = await http.inject(`/api/runs/${run.run_id}`);
  t.equal(first.headers['cache-control'], 'max-age=60');
  const again = await http.inject({
    url: `/api/runs/${run.run_id}`,
    headers: { 'if-none-match': first.headers.etag as string },
  });
  t.equal(again.statusCode, 304);
  t.equal(again.body, '');
  store.saveArchive(run.run_id, { ...run.archive!, pending: true });
  t.equal(
    (await http.inject({ url: `/api/runs/${run.run_id}`, headers: { 'if-none-match': first.headers.etag as string } }))
      .statusCode,
    200,
    'it has changed',
  );
  t.equal((await http.inject('/api/runs')).headers['cache-control'], 'no-cache');
  t.equal((await http.inject({ method: 'HEAD', url: '/api/runs' })).statusCode, 200);
});
