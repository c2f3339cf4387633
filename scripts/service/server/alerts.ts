/**
 * Who is told of a confirmed change of a default branch: what each channel is to say, each change once, and how it goes
 * out.
 */
import { type Alert, type ServiceConfig, watchedRepository } from '../../config/service.ts';
import { UsageError } from '../../core/errors.ts';
import type { ChangePoint } from '../../store/db.ts';
import { type AlertDocument, alertMarkdown, alertMarker, alertOf, alertText, alertTitle } from '../tell/alert.ts';
import { sendEmail, smtpServer } from '../tell/email.ts';
import { SendError } from '../tell/send-error.ts';
import { postJson, slackMessage } from '../tell/slack.ts';
import { channelOf, concerns } from './alert-channels.ts';
import type { Sender, Senders } from './outbox.ts';
import type { ServeContext } from './serve-context.ts';

/** The metrics of one comparison are confirmed one after the other within milliseconds: they are told together. */
const SETTLE_MS = 10_000;

/**
 * Makes a message for every confirmed change that was found since a channel is known, but for what somebody has
 * accepted. A message never changes. A change is the same benchmark, host, branch and pair of commits: its metrics share a message, and one that is
 * confirmed later gets a further one.
 */
export function wantAlerts(ctx: ServeContext): void {
  if (ctx.config.alerts.length === 0) return;
  const points = ctx.store.changePoints().filter(({ accepted }) => accepted?.others !== 0);
  for (const alert of ctx.config.alerts) {
    const channel = channelOf(alert);
    const since = knownSince(alert, ctx);
    const own = points.filter(
      ({ benchmark, found_at }) => concerns(alert, benchmark, ctx.config) && found_at >= since(benchmark),
    );
    for (const [change, together] of Map.groupBy(own, changeName)) {
      if (together.some(({ found_at }) => Math.abs(ctx.now() - Date.parse(found_at)) < SETTLE_MS)) continue;
      if (untold(channel, change, together, ctx).fresh.length > 0) tell(alert, change, together, ctx);
    }
  }
}

const changeName = ({ benchmark, host_id, branch, variant, before, commit }: ChangePoint): string =>
  `${benchmark} ${host_id} ${before}..${commit}${branch === undefined ? '' : ` ${branch}`}${variant === undefined ? '' : ` (${variant})`}`;

/**
 * When the server first saw this channel (ISO 8601): it does not tell what was found before. For issues: this channel
 * for a benchmark: a repository may be named later.
 */
function knownSince(alert: Alert, { store, config, now }: ServeContext): (benchmark: string) => string {
  const nameOf = (benchmark: string) => `since ${channelOf(alert)}${alert.kind === 'issue' ? ` ${benchmark}` : ''}`;
  const started = new Date(now()).toISOString();
  const names =
    alert.kind === 'issue' ? config.repositories.flatMap(({ benchmarks }) => benchmarks.map(nameOf)) : [nameOf('')];
  for (const name of names) if (store.setting(name) === undefined) store.saveSetting(name, started);
  return (benchmark) => store.setting(nameOf(benchmark))!;
}

/** The points that no message of the change holds, and the subject that is free for them. */
function untold(
  channel: string,
  change: string,
  points: readonly ChangePoint[],
  { store }: ServeContext,
): { fresh: ChangePoint[]; subject: string } {
  const told = new Set<string>();
  for (let number = 1; ; number++) {
    const subject = number === 1 ? change : `${change} ${number}`;
    const message = store.outbox.message(channel, subject);
    if (!message) return { fresh: points.filter(({ metric }) => !told.has(metric)), subject };
    for (const { metric } of (JSON.parse(message.wanted) as AlertDocument).changes) told.add(metric);
  }
}

function tell(alert: Alert, change: string, points: readonly ChangePoint[], ctx: ServeContext): void {
  const { store, site, config } = ctx;
  store.transaction(() => {
    const channel = channelOf(alert);
    const { fresh, subject } = untold(channel, change, points, ctx); // another process may have been faster
    const once = [...new Map(fresh.map((point) => [point.metric, point])).values()];
    if (once.length === 0) return;
    const run = store.run(once[0]!.run_id);
    const repository = repositoryOf(run.benchmark, run.labels.repository, config);
    const document = alertOf(subject, once, {
      run,
      bisections: store.bisections(run.benchmark),
      repository,
      site,
      github: ctx.githubSite,
    });
    store.outbox.want(channel, subject, JSON.stringify(document));
  });
}

/** The watched repository that the run was made for; for a run by hand the first one that has the benchmark. */
function repositoryOf(benchmark: string, label: string | undefined, config: ServiceConfig): string | undefined {
  const labelled = label === undefined ? undefined : watchedRepository(config, label);
  return labelled?.name ?? config.repositories.find(({ benchmarks }) => benchmarks.includes(benchmark))?.name;
}

/**
 * UsageError where a channel needs a variable of the environment that is not set, or that holds something else than an
 * address.
 */
export function checkAlerts(config: ServiceConfig, env: NodeJS.ProcessEnv): void {
  for (const [index, alert] of config.alerts.entries()) {
    const where = `alerts/${index} in ${config.file}`;
    if (alert.kind === 'webhook') webhookOf(alert, env, where);
    if (alert.kind === 'email') mailServerOf(alert, env, where);
    if (alert.kind === 'issue') checkIssues(alert, config, env, where);
  }
}

function checkIssues(alert: Alert, config: ServiceConfig, env: NodeJS.ProcessEnv, where: string): void {
  if (!env.GITHUB_TOKEN && !env.GITHUB_APP_ID)
    throw new UsageError(`${where} is of kind issue, but GITHUB_TOKEN is not set`, {
      hint: 'Set it, or GITHUB_APP_ID and its key; docs/github.md says how.',
    });
  const homeless = alert.benchmarks?.find(
    (name) => !config.repositories.some(({ benchmarks }) => benchmarks.includes(name)),
  );
  if (homeless !== undefined || config.repositories.length === 0)
    throw new UsageError(
      `${where} is of kind issue, but no repository in it has ${homeless === undefined ? 'a benchmark' : `the benchmark ${homeless}`}`,
      { hint: 'Name it under repositories: the issue is made there.' },
    );
}

function valueOf(name: string, env: NodeJS.ProcessEnv, where: string): string {
  const value = env[name];
  if (!value)
    throw new UsageError(`${where} takes its address from ${name}, which is not set`, {
      hint: `Set ${name} in the environment of the server; docs/alerts.md says what it holds.`,
    });
  return value;
}

/** The addresses are secrets: no message holds them. */
function webhookOf(alert: Alert, env: NodeJS.ProcessEnv, where = 'an alert'): string {
  const url = valueOf(alert.url_from!, env, where);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(
      `${where} takes its address from ${alert.url_from}, which holds no URL that begins with https:// or http://`,
    );
  return url;
}

function mailServerOf(alert: Alert, env: NodeJS.ProcessEnv, where = 'an alert') {
  const server = smtpServer(valueOf(alert.smtp_from!, env, where));
  if (!server)
    throw new UsageError(
      `${where} takes its address from ${alert.smtp_from}, which holds no URL such as smtps://user:password@mail.example.org`,
      {
        hint: 'Signs in user and password that mean something in a URL are written as %40 and the like; docs/alerts.md has what else may stand there.',
      },
    );
  if (!/^[^\p{Cc}]*[^\s\p{Cc}@<>,;]+@[^\s\p{Cc}@<>,;]+>?$/u.test(alert.from!))
    throw new UsageError(`${where}: from must be an address such as mayfly@example.org or Mayfly <mayfly@example.org>`);
  return server;
}

/** The senders of all channels of alerts. */
export function alertSenders(ctx: ServeContext, env: NodeJS.ProcessEnv = process.env): Senders {
  return Object.fromEntries(ctx.config.alerts.map((alert) => [channelOf(alert), senderOf(alert, ctx, env)]));
}

function senderOf(alert: Alert, ctx: ServeContext, env: NodeJS.ProcessEnv): Sender {
  switch (alert.kind) {
    case 'webhook': {
      const url = webhookOf(alert, env);
      return async ({ wanted }) => {
        const document = JSON.parse(wanted) as AlertDocument;
        await postJson(url, slackMessage(document), { now: ctx.now });
        return { remoteId: document.id };
      };
    }
    case 'email': {
      const server = mailServerOf(alert, env);
      return async ({ wanted, channel }) => {
        const document = JSON.parse(wanted) as AlertDocument;
        const { messageId, rejected } = await sendEmail(
          {
            from: alert.from!,
            to: alert.to!,
            subject: `[mayfly] ${alertTitle(document)}`,
            text: alertText(document),
            id: document.id,
          },
          server,
        );
        if (rejected.length > 0)
          ctx.log(
            `${channel}: the mail server did not take ${rejected.join(', ')}; the others have got alert ${document.id}`,
          );
        return { remoteId: messageId };
      };
    }
    case 'issue':
      return async ({ wanted }) => ({
        remoteId: await openIssue(JSON.parse(wanted) as AlertDocument, alert.labels, ctx),
      });
  }
}

/** An issue that was made before its number could be kept is found by its marker. */
async function openIssue(document: AlertDocument, labels: string[], { github }: ServeContext): Promise<string> {
  if (!github) throw new SendError('unavailable', 'GITHUB_TOKEN is not set');
  const found = await github.findIssue(document.repository!, alertMarker(document));
  return (
    found ??
    github.createIssue(document.repository!, { title: alertTitle(document), body: alertMarkdown(document), labels })
  );
}
