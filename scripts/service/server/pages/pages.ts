/** The pages of the web site: each takes its document from data/ and renders it. */
import { UsageError } from '../../../core/errors.ts';
import type { RunStatus } from '../../../documents/run.ts';
import { mayAct } from '../actions.ts';
import { compareView } from '../data/compare-data.ts';
import { flameView } from '../data/flame-data.ts';
import { history } from '../data/history-data.ts';
import { jobsView, jobView } from '../data/jobs-data.ts';
import { overview } from '../data/overview-data.ts';
import { runView } from '../data/run-data.ts';
import { runsView } from '../data/runs-data.ts';
import { tracesView } from '../data/traces-data.ts';
import type { Html } from '../html.ts';
import { type Http, HttpError, type HttpReply, type HttpRequest } from '../http.ts';
import { logsView } from '../log-lines.ts';
import type { ServeContext } from '../serve-context.ts';
import { chooserBody, compareBody } from './compare-page.ts';
import { flameBody } from './flame-parts.ts';
import { historyBody } from './history-page.ts';
import { jobBody, jobsBody } from './jobs-page.ts';
import { type PageOptions, page, sentence } from './layout.ts';
import { logsBody } from './logs-page.ts';
import { overviewBody } from './overview-page.ts';
import { withQuery } from './parts.ts';
import { runBody } from './run-page.ts';
import { runsBody } from './runs-page.ts';
import { signInBody } from './sign-in-page.ts';
import { tracesBody } from './trace-parts.ts';

export { errorPage } from './layout.ts';

/** Seconds between two looks at a page on which something runs. */
const LIVE_S = 5;
const PER_PAGE = 50;
/** Boxes of a flame graph that are narrower are not drawn: of one among other things, and of one alone. */
const LEAST_SMALL = 0.004;
const LEAST = 0.001;
/** Longest text of a query that can mean anything. */
const LONGEST = 200;

type Shown = Omit<PageOptions, 'body' | 'signedIn'> & { body: Html };

/**
 * Adds GET routes for all pages; what is asked for in the wrong way is answered with 400, what is not there with 404.
 */
export function pageRoutes(http: Http, ctx: ServeContext): void {
  const get = (
    path: string,
    show: (request: HttpRequest, reply: HttpReply) => Shown | undefined | Promise<Shown | undefined>,
  ) =>
    http.get(path, { schema: { hide: true } }, async (request, reply) => {
      const shown = await show(request, reply);
      if (!shown) return reply;
      return reply
        .type('text/html; charset=utf-8')
        .header('cache-control', 'no-cache')
        .header('vary', 'cookie')
        .send(page({ ...shown, signedIn: signedIn(request) }));
    });
  const signedIn = (request: HttpRequest) => (ctx.actionToken === undefined ? undefined : mayAct(request, ctx));
  const names = () => [...ctx.config.rules.keys()].sort();

  get('/', () => {
    const view = overview(ctx);
    const busy = view.running.length + view.runs_by_hand.length + view.queued_total > 0;
    return { title: 'Overview', place: 'overview', live: busy ? LIVE_S : undefined, body: overviewBody(view) };
  });
  get('/benchmarks/:name', (request) => {
    const options = {
      benchmark: parameter(request, 'name'),
      branch: text(request, 'branch'),
      variant: text(request, 'variant'),
      metric: text(request, 'metric'),
      host: text(request, 'host'),
      from: text(request, 'from'),
      to: text(request, 'to'),
      limit: number(request, 'limit'),
    };
    return { title: options.benchmark, charts: true, body: historyBody(history(ctx, options), options) };
  });
  get('/runs', (request) => {
    const options = {
      benchmark: text(request, 'benchmark'),
      commit: text(request, 'commit'),
      host: text(request, 'host'),
      variant: text(request, 'variant'),
      master: text(request, 'master') === '1' ? true : undefined,
      status: text(request, 'status') as RunStatus | undefined,
      after: text(request, 'after'),
      limit: PER_PAGE,
    };
    return { title: 'Runs', place: 'runs', body: runsBody(runsView(ctx, options), options, names()) };
  });
  get('/runs/:id', async (request) => {
    const view = await runView(ctx, parameter(request, 'id'));
    return {
      title: `Run ${view.run.run_id}`,
      place: 'runs',
      charts: true,
      live: view.ended ? undefined : LIVE_S,
      body: runBody(
        view,
        flameView(ctx.store, view.run.run_id, {}, LEAST_SMALL),
        await tracesView(ctx, view.run.run_id),
      ),
    };
  });
  get('/runs/:id/flame', (request) => {
    const id = parameter(request, 'id');
    const asked = {
      service: text(request, 'service'),
      side: text(request, 'side'),
      node: number(request, 'node'),
      find: text(request, 'find'),
    };
    const view = flameView(ctx.store, id, asked, LEAST);
    if (!view) throw new UsageError(`there is no profile of run ${id}`);
    return { title: `Where the CPU time of ${view.run.benchmark} went`, place: 'runs', body: flameBody(view) };
  });
  get('/runs/:id/traces', async (request) => {
    const id = parameter(request, 'id');
    const view = await tracesView(ctx, id, text(request, 'trace'));
    if (!view) throw new UsageError(`there is no trace of run ${id}`);
    return { title: `Traces of ${view.run.benchmark}`, place: 'runs', body: tracesBody(view) };
  });
  get('/runs/:id/logs', async (request) => {
    const view = await logsView(ctx, parameter(request, 'id'), {
      service: text(request, 'service'),
      side: text(request, 'side'),
      round: number(request, 'round'),
      level: text(request, 'level'),
      trace: text(request, 'trace'),
    });
    return { title: `Logs of ${view.run.benchmark}`, place: 'runs', body: logsBody(view) };
  });
  get('/compare', (request, reply) => {
    const ticked = list(request, 'run').sort();
    if (ticked.length === 2) return void reply.redirect(withQuery('/compare', { a: ticked[0], b: ticked[1] }));
    const [a, b, benchmark] = [text(request, 'a'), text(request, 'b'), text(request, 'benchmark')];
    const choose = (remark?: string) => ({
      title: 'Compare',
      place: 'compare' as const,
      body: chooserBody({ a: a ?? ticked[0], b, benchmark }, names(), remark),
    });
    if (a === undefined || b === undefined)
      return choose(
        ticked.length > 0
          ? `Two runs are compared, and ${ticked.length === 1 ? 'one was' : `${ticked.length} were`} ticked.`
          : undefined,
      );
    try {
      const view = compareView(ctx, { a, b, benchmark });
      const flame = view.kind === 'paired' ? flameView(ctx.store, view.a.run_id, {}, LEAST_SMALL) : undefined;
      return {
        title: 'Compare',
        place: 'compare',
        charts: true,
        body: compareBody(view, { a, b, benchmark }, names(), flame),
      };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      void reply.code(400);
      return choose(sentence(error.message)); // the form keeps the values, so that they can be corrected
    }
  });
  get('/jobs', (request) => {
    const running = jobsView(ctx, { state: ['leased'], limit: 200 });
    const waiting = jobsView(ctx, { state: ['queued'], limit: 200 });
    const ended = jobsView(ctx, {
      state: ['done', 'failed', 'cancelled'],
      limit: PER_PAGE,
      offset: number(request, 'offset'),
    });
    return {
      title: 'Jobs',
      place: 'jobs',
      live: running.total + waiting.total > 0 ? LIVE_S : undefined,
      body: jobsBody({ running, waiting, ended }, signedIn(request)),
    };
  });
  get('/jobs/:id', (request) => {
    const job = jobView(ctx, parameter(request, 'id'));
    return {
      title: `Job ${job.job_id}`,
      place: 'jobs',
      live: job.state === 'queued' || job.state === 'leased' ? LIVE_S : undefined,
      body: jobBody(job, signedIn(request)),
    };
  });
  get('/sign-in', (request) => ({ title: 'Sign in', place: 'sign-in', body: signInBody(signedIn(request)) }));
}

function parameter(request: HttpRequest, name: string): string {
  return (request.params as Record<string, string>)[name]!;
}

/** One text of the query; undefined where it is absent or empty. HttpError where it is given twice or too long. */
function text(request: HttpRequest, name: string): string | undefined {
  const value = (request.query as Record<string, unknown>)[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || value.length > LONGEST)
    throw new HttpError(400, `${name} is given twice, or too long`);
  return value.trim() || undefined;
}

function number(request: HttpRequest, name: string): number | undefined {
  const given = text(request, name);
  if (given === undefined) return undefined;
  if (!/^\d{1,6}$/.test(given)) throw new UsageError(`${name} must be a whole number, got ${JSON.stringify(given)}`);
  return Number(given);
}

function list(request: HttpRequest, name: string): string[] {
  const value = (request.query as Record<string, unknown>)[name];
  const all = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return all.filter((one): one is string => typeof one === 'string' && one.length <= LONGEST).slice(0, 100);
}
