/** What the web site shows, as JSON: /api/... and its description /openapi.json. docs/api.md explains it. */
import { createHash } from 'node:crypto';
import type { JobState } from '../../documents/job.ts';
import * as schemas from './api-schemas.ts';
import { ASKED, PARAMS, type Schema } from './api-schemas.ts';
import { compareView } from './data/compare-data.ts';
import type { HistoryOptions, JobsOptions, RunsOptions, SeriesName } from './data/data-types.ts';
import { history } from './data/history-data.ts';
import { jobsView, jobView } from './data/jobs-data.ts';
import { overview } from './data/overview-data.ts';
import { runView } from './data/run-data.ts';
import { changesView, runsView } from './data/runs-data.ts';
import type { Http, HttpReply, HttpRequest } from './http.ts';
import { seriesView } from './run-series.ts';
import type { ServeContext } from './serve-context.ts';
import { requestsView } from './single-requests.ts';
import { refuseUnknown } from './unknown-fields.ts';

interface Route {
  path: string;
  tag: string;
  summary: string;
  params?: Record<string, Schema>;
  query?: Record<string, Schema>;
  required?: readonly string[];
  answer: Schema;
  /** `options`: parameters and query, checked and turned into numbers where they are such. */
  give(options: RequestOptions, reply: HttpReply): unknown;
}

/** Each only where the route takes it: the schema has seen to that. */
interface RequestOptions {
  id: string;
  name: string;
  a: string;
  b: string;
  names?: string;
  state?: string;
  benchmark?: string;
}

export function apiRoutes(http: Http, ctx: ServeContext): void {
  void http.register(async (api) => {
    // The schemas describe and are tested; they do not shape: nothing is left out of an answer in silence.
    api.setSerializerCompiler(() => (data) => JSON.stringify(data));
    api.addHook('preValidation', async (request) => refuseUnknown(request));
    api.addHook('onSend', async (request, reply, payload) =>
      typeof payload === 'string' ? tagged(request, reply, payload) : payload,
    );
    for (const route of routesOf(ctx)) add(api, route);
    if (api.hasDecorator('swagger')) api.get('/openapi.json', { schema: { hide: true } }, async () => api.swagger());
  });
}

function routesOf(ctx: ServeContext): Route[] {
  return [
    {
      path: '/api/overview',
      tag: 'site',
      summary: 'What there is, what runs, what waits',
      answer: schemas.overview,
      give: () => overview(ctx),
    },
    {
      path: '/api/benchmarks',
      tag: 'benchmarks',
      summary: 'Every benchmark with its last run of the default branch',
      answer: schemas.benchmarks,
      give: () => ({ benchmarks: overview(ctx).benchmarks }),
    },
    {
      path: '/api/benchmarks/:name/history',
      tag: 'benchmarks',
      summary: 'A branch over time, one point a commit',
      params: PARAMS.benchmark,
      query: ASKED.history,
      answer: schemas.history,
      give: ({ name, ...options }) =>
        history(ctx, { ...(options as Omit<HistoryOptions, 'benchmark'>), benchmark: name }),
    },
    {
      path: '/api/changes',
      tag: 'benchmarks',
      summary: 'Confirmed and suspected changes of the branches that have a history',
      query: ASKED.changes,
      answer: schemas.changes,
      give: ({ benchmark }) => changesView(ctx, benchmark),
    },
    {
      path: '/api/runs',
      tag: 'runs',
      summary: 'Runs, newest first, page by page',
      query: ASKED.runs,
      answer: schemas.runs,
      give: (options, reply) => pageOfRuns(ctx, options as RunsOptions, reply),
    },
    {
      path: '/api/runs/:id',
      tag: 'runs',
      summary: 'One run, whole',
      params: PARAMS.run,
      answer: schemas.run,
      give: ({ id }, reply) => ended(runView(ctx, id), reply),
    },
    {
      path: '/api/runs/:id/series',
      tag: 'runs',
      summary: 'CPU, memory and latency of a run over time',
      params: PARAMS.run,
      query: ASKED.series,
      answer: schemas.series,
      give: ({ id, names }) => seriesView(ctx, id, names?.split(',') as SeriesName[] | undefined),
    },
    {
      path: '/api/runs/:id/requests',
      tag: 'runs',
      summary: 'Every request of a run: percentiles, distribution, single requests over time',
      params: PARAMS.run,
      answer: schemas.requests,
      give: ({ id }) => requestsView(ctx, id),
    },
    {
      path: '/api/compare',
      tag: 'runs',
      summary: 'Two runs or commits, judged',
      query: ASKED.compare,
      required: ['a', 'b'],
      answer: schemas.compare,
      give: (options) => compareView(ctx, options),
    },
    {
      path: '/api/jobs',
      tag: 'jobs',
      summary: 'What runs, waits and has ended',
      query: ASKED.jobs,
      answer: schemas.jobs,
      give: ({ state, ...options }) =>
        jobsView(ctx, { ...(options as JobsOptions), state: state?.split(',') as JobState[] | undefined }),
    },
    {
      path: '/api/jobs/:id',
      tag: 'jobs',
      summary: 'One job',
      params: PARAMS.job,
      answer: schemas.jobLine,
      give: ({ id }) => jobView(ctx, id),
    },
  ];
}

function add(api: Http, { path, tag, summary, params, query = {}, required = [], answer, give }: Route): void {
  const asks = (properties: Record<string, Schema>, needed: readonly string[]) => ({
    type: 'object',
    properties,
    required: needed,
    additionalProperties: false,
  });
  const schema = {
    tags: [tag],
    summary,
    querystring: asks(query, required),
    ...(params ? { params: asks(params, Object.keys(params)) } : {}),
    response: { 200: answer, 400: schemas.failure, 404: schemas.failure },
  };
  api.get(path, { schema }, async (request, reply) =>
    give({ ...(request.params as object), ...(request.query as object) } as RequestOptions, reply),
  );
}

/** An answer that the asker has already is not sent again. */
function tagged(request: HttpRequest, reply: HttpReply, payload: string): string {
  if (reply.statusCode !== 200) return payload;
  const tag = `"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`;
  reply.header('etag', tag);
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-cache');
  if (!(request.headers['if-none-match'] ?? '').split(/,\s*/).some((known) => known.replace(/^W\//, '') === tag))
    return payload;
  reply.code(304).removeHeader('content-length');
  return '';
}

/** A run that has ended changes no more, but for its verdict, its archive and the links to it. */
async function ended<T extends { ended: boolean }>(made: Promise<T>, reply: HttpReply): Promise<T> {
  const view = await made;
  if (view.ended) reply.header('cache-control', 'max-age=60');
  return view;
}

function pageOfRuns(ctx: ServeContext, options: RunsOptions, reply: HttpReply) {
  const page = runsView(ctx, options);
  const given = Object.entries({ ...options, after: page.next })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, string] => [name, String(value)]);
  if (page.next !== undefined) reply.header('link', `</api/runs?${new URLSearchParams(given)}>; rel="next"`);
  return page;
}
