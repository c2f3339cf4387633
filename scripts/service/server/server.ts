/** The server put together: routes, and the loops that talk to GitHub. */
import type { ServiceConfig } from '../../config/service.ts';
import { UsageError } from '../../core/errors.ts';
import type { Paths } from '../../core/paths.ts';
import { isWorkerThere } from '../../engine/owner.ts';
import type { Store } from '../../store/db.ts';
import { githubSite } from '../tell/alert.ts';
import type { GitHub } from '../tell/github-types.ts';
import { actionRoutes } from './actions.ts';
import { alertSenders, checkAlerts, wantAlerts } from './alerts.ts';
import { apiRoutes } from './api.ts';
import { badgeRoutes } from './badge.ts';
import { answerRequests, answerSender } from './comment-commands.ts';
import { createHttp, type Http, HttpError, listen } from './http.ts';
import { type Loop, startLoops } from './loops.ts';
import { sendWaiting } from './outbox.ts';
import { ASSETS } from './pages/assets.ts';
import { errorPage, pageRoutes } from './pages/pages.ts';
import { reconcile, settleTies } from './reconcile.ts';
import { githubSenders, wantReports } from './reports.ts';
import type { ServeContext } from './serve-context.ts';
import { healthRoutes } from './server-health.ts';
import { serverMetrics } from './server-metrics.ts';
import { webhookRoutes } from './webhook.ts';

/** Only loopback, and all addresses of a container that is published on loopback. */
export const LISTEN_HOSTS = ['127.0.0.1', '::1', '0.0.0.0'];
/** What the worker has written is looked for so often. */
const LOOK_MS = 2000;
/** A delivery that comes again after this time is taken for a new one, which does no harm. */
const KEEP_DELIVERIES_MS = 30 * 24 * 3600_000;

export interface ServerOptions {
  store: Store;
  paths: Paths;
  config: ServiceConfig;
  env: NodeJS.ProcessEnv;
  github: GitHub | undefined;
  host: string;
  port: number;
  signal: AbortSignal;
  log(line: string): void;
}

export interface Server {
  url: string;
  /** What whoever runs it should know. */
  remarks: string[];
  /** When the signal has aborted, what was under way is done and nothing listens any more. */
  ended: Promise<void>;
}

/**
 * Checks the configuration, listens, and starts the loops. UsageError where a secret is missing, InfrastructureError
 * where the port is taken.
 */
export async function startServer({ env, host, port, log, ...options }: ServerOptions): Promise<Server> {
  const { config, github, signal, store } = options;
  checkSecrets(config, env);
  const ctx: ServeContext = {
    ...options,
    site: config.site ?? '',
    githubSite: githubSite(env.GITHUB_API_URL),
    webhookSecret: env.MAYFLY_WEBHOOK_SECRET || undefined,
    actionToken: env.MAYFLY_ACTION_TOKEN || undefined,
    now: Date.now,
    log,
    wake: () => loops.wake(),
  };
  const http = await createHttp({
    errorPage,
    assets: ASSETS,
    openapi: {
      title: 'Mayfly',
      version: '1',
      description:
        'What the web site shows, as JSON. Times are ISO 8601, durations in seconds; docs/api.md explains the documents.',
    },
    log,
  });
  onlyKnownHosts(http, config);
  const metrics = serverMetrics(ctx, http);
  healthRoutes(http, { ready: () => (store.readable() ? null : 'the store cannot be read'), metrics });
  for (const routes of [webhookRoutes, apiRoutes, badgeRoutes, actionRoutes, pageRoutes]) routes(http, ctx);
  const url = await listen(http, host, port);
  ctx.site ||= url;
  const loops = startLoops(loopsOf(ctx, env), signal, log);
  const ended = new Promise<void>((resolve, reject) =>
    signal.addEventListener(
      'abort',
      () => void Promise.all([http.close(), loops.ended]).then(() => resolve(), reject),
      { once: true },
    ),
  );
  return { url, remarks: remarksOn(ctx, github), ended };
}

/** Paths that say nothing about what is measured, or whose requests are signed. */
const OPEN_PATHS = /^\/(webhooks\/github|healthz|readyz|metrics)(\?|$)/;

/**
 * A page of another site whose name was made to lead to this address (DNS rebinding) could read everything, with a Host
 * of its own.
 */
function onlyKnownHosts(http: Http, { site }: ServiceConfig): void {
  const known = new Set(['127.0.0.1', '[::1]', 'localhost', ...(site ? [new URL(site).hostname] : [])]);
  http.addHook('onRequest', async (request) => {
    const name = URL.parse(`http://${request.headers.host ?? ''}`)?.hostname ?? '';
    if (!known.has(name) && !OPEN_PATHS.test(request.url))
      throw new HttpError(421, 'this server is not known by this name: add it to mayfly.yaml, as site: https://NAME');
  });
}

/** UsageError where mayfly.yaml needs a variable of the environment that is not set. */
export function checkSecrets(config: ServiceConfig, env: NodeJS.ProcessEnv): void {
  if (config.repositories.length > 0 && !env.MAYFLY_WEBHOOK_SECRET) {
    throw new UsageError(
      `${config.file} names repositories, but MAYFLY_WEBHOOK_SECRET is not set: webhooks could not be told from forgeries`,
      { hint: 'Set it to the secret of the webhook on GitHub; docs/webhooks.md says how.' },
    );
  }
  checkAlerts(config, env);
}

/**
 * Each turn makes the difference between what is and what ought to be smaller; a turn that was missed is made up for by
 * the next one.
 */
function loopsOf(ctx: ServeContext, env: NodeJS.ProcessEnv): Loop[] {
  const { github, store, config } = ctx;
  const senders = {
    ...alertSenders(ctx, env),
    ...(github ? { ...githubSenders(ctx), answer: answerSender(ctx) } : {}),
  };
  const tell = () => {
    if (github) wantReports(ctx);
    wantAlerts(ctx);
    return sendWaiting(ctx, senders);
  };
  const recover = () => {
    for (const { job_id, state, reason } of store.queue.recoverLost(
      ctx.now(),
      (worker) => isWorkerThere(worker) || undefined,
    ))
      ctx.log(`job ${job_id} ${state === 'queued' ? 'is queued again' : 'has failed'}: ${reason}`);
  };
  return [
    { name: 'jobs of lost workers', everyMs: 10_000, wakes: false, turn: recover },
    {
      name: 'old deliveries',
      everyMs: 3600_000,
      wakes: false,
      turn: () => store.inbox.forgetDeliveries(ctx.now() - KEEP_DELIVERIES_MS),
    },
    { name: 'reports', everyMs: LOOK_MS, wakes: true, turn: tell },
    ...(github
      ? [
          { name: 'commands', everyMs: LOOK_MS, wakes: true, turn: () => answerRequests(ctx) },
          { name: 'ties', everyMs: LOOK_MS, wakes: true, turn: () => settleTies(ctx) },
          { name: 'reconcile', everyMs: config.reconcileS * 1000, wakes: false, turn: () => reconcile(ctx) },
        ]
      : []),
  ];
}

function remarksOn({ config, site, actionToken }: ServeContext, github: GitHub | undefined): string[] {
  return [
    ...(config.file ? [] : ['there is no mayfly.yaml: the web site is shown, and no repository is watched']),
    ...(config.repositories.length > 0 && !github
      ? [
          'neither GITHUB_TOKEN nor a GitHub App is set: webhooks queue jobs, but nothing is reported to GitHub, commands in comments wait, and lost webhooks are not made up for',
        ]
      : []),
    ...(config.repositories.length > 0 && !config.site
      ? [`mayfly.yaml has no site: links in reports begin with ${site}`]
      : []),
    ...(actionToken ? [] : ['MAYFLY_ACTION_TOKEN is not set: the site is read-only']),
  ];
}
