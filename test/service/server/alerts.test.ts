/**
 * Alerts from the change point to whoever is told, with a real store, webhook, mail server and a stand-in for GitHub.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Alert, ServiceConfig } from '../../../scripts/config/service.ts';
import { UsageError } from '../../../scripts/core/errors.ts';
import { paths } from '../../../scripts/core/paths.ts';
import { channelOf } from '../../../scripts/service/server/alert-channels.ts';
import { alertSenders, checkAlerts, wantAlerts } from '../../../scripts/service/server/alerts.ts';
import { sendWaiting } from '../../../scripts/service/server/outbox.ts';
import type { ServeContext } from '../../../scripts/service/server/serve-context.ts';
import { type AlertDocument, githubSite } from '../../../scripts/service/tell/alert.ts';
import { connectGitHub } from '../../../scripts/service/tell/github.ts';
import { type ChangePoint, openStore } from '../../../scripts/store/db.ts';
import { CONCLUSIONS } from '../../fixtures/conclusions.ts';
import { makeRun } from '../../run-document.ts';
import { mailServer, receiver, SECRET } from '../tell/receivers.ts';
import { startGitHub } from './github-standin.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 10);
const WEBHOOK: Alert = { kind: 'webhook', url_from: 'HOOK', labels: [] };
const EMAIL: Alert = { kind: 'email', smtp_from: 'SMTP', from: 'mayfly@example.org', to: ['a@x.example'], labels: [] };
const ISSUE: Alert = { kind: 'issue', labels: ['performance'] };
const commit = (number: number) => String(number).repeat(40);

const configOf = (alerts: Alert[]): ServiceConfig => ({
  file: 'mayfly.yaml',
  site: 'https://m.example.org',
  repositories: [
    {
      name: 'acme/shop',
      benchmarks: ['shop'],
      eachPullRequest: true,
      labels: {},
      branches: [],
      conclusions: CONCLUSIONS,
    },
  ],
  reconcileS: 300,
  alerts,
  rules: new Map([['shop', { cancelRunning: false, deadlineS: 3600 }]]),
});

/** A server's view of a store of its own: its clock is turned by hand, and restart() is what comes after a kill. */
function service(t: Test, alerts: Alert[], env: NodeJS.ProcessEnv = {}) {
  const folder = t.testdir();
  const file = join(folder, 'mayfly.db');
  const logged: string[] = [];
  const open = (): ServeContext => ({
    store: openStore(file),
    paths: paths(folder, { MAYFLY_DATA: folder }),
    config: configOf(alerts),
    site: 'https://m.example.org',
    githubSite: githubSite(env.GITHUB_API_URL),
    webhookSecret: undefined,
    actionToken: undefined,
    github: connectGitHub(env, Date.now),
    now: () => one.now,
    log: (line) => logged.push(line),
    signal: new AbortController().signal,
    wake: () => {},
  });
  const one: { now: number; ctx: ServeContext } = { now: START, ctx: open() };
  t.teardown(() => one.ctx.store.close());
  const want = (ctx = one.ctx) => wantAlerts(ctx);
  const send = (ctx = one.ctx) => sendWaiting(ctx, alertSenders(ctx, env));
  return Object.assign(one, {
    logged,
    restart: () => {
      one.ctx.store.close();
      one.ctx = open();
    },
    another: open,
    want,
    turn: async () => {
      want();
      await send();
    },
    waiting: () => one.ctx.store.outbox.unsent(Number.MAX_SAFE_INTEGER),
    configure: (next: Alert[]) => {
      alerts = next;
      one.ctx.config = configOf(next);
    },
    /** A change that is confirmed now, of commit `number`. */
    found: (number: number, laid: Partial<ChangePoint> = {}) => {
      const { benchmark = 'shop' } = laid;
      const run_id = `01J${benchmark.toUpperCase()}${number}`;
      if (one.ctx.store.runs({ benchmark, commit: commit(number) }).length === 0)
        one.ctx.store.addRun(
          makeRun({
            run_id,
            benchmark,
            sides: { candidate: { ref: 'main', commit: commit(number), subject: `change ${number}`, images: [] } },
          }),
        );
      one.ctx.store.addChangePoint({
        benchmark,
        host_id: 'h0st',
        metric: 'latency_med',
        run_id,
        before: commit(number - 1),
        commit: commit(number),
        at: '2026-01-02T03:04:00.000Z',
        ratio: 1.08,
        found_at: new Date(one.now).toISOString(),
        ...laid,
      });
    },
  });
}

async function receivers(t: Test) {
  const hook = await receiver(t, (_request, response) => void response.end('ok'));
  const mail = await mailServer(t, { disabledCommands: ['STARTTLS'] });
  const github = await startGitHub();
  t.teardown(() => github[Symbol.asyncDispose]());
  const repository = github.addRepository('acme/shop');
  const issues = () => [...repository.issues];
  return { hook, mail, github, issues, env: { HOOK: hook.url, SMTP: `smtp://${mail.at}`, ...github.env.user } };
}

t.test('a change of another branch than the default one says which', async (t) => {
  const { hook, env } = await receivers(t);
  const one = service(t, [WEBHOOK], env);
  await one.turn();
  one.ctx.store.addRun(
    makeRun({
      run_id: '01JSHOP5',
      master: true,
      branch: 'release-1.4',
      sides: { candidate: { ref: 'release-1.4', commit: commit(5), images: [] } },
    }),
  );
  one.found(5);
  one.now += MINUTE;
  one.want();
  const [message] = one.waiting();
  t.match(JSON.parse(message!.wanted), {
    branch: 'release-1.4',
    links: { benchmark: 'https://m.example.org/benchmarks/shop?branch=release-1.4' },
  });
  await one.turn();
  t.match(hook.got[0]!.body.text, /Regression of shop on release-1\.4: /);
});

t.test('each channel is told of a change once, over turns and restarts', async (t) => {
  const { hook, mail, github, issues, env } = await receivers(t);
  const one = service(t, [WEBHOOK, EMAIL, ISSUE], env);
  await one.turn();
  one.found(5);
  one.found(5, { metric: 'cpu_seconds_per_request', ratio: 1.05 });
  await one.turn();
  t.equal(hook.got.length, 0, 'the metrics of a comparison are waited for');
  one.now += MINUTE;
  for (let turn = 0; turn < 3; turn++) {
    await one.turn();
    one.restart();
    one.now += MINUTE;
  }
  t.equal(hook.got.length, 1);
  t.match(hook.got[0]!.body.text, 'Regression of shop: latency med 8.0 % slower, CPU per request 5.0 % more');
  t.equal(mail.mails.length, 1);
  t.match(mail.mails[0]!.source, /^Subject: \[mayfly\] Regression of shop: latency med/m);
  t.match(mail.mails[0]!.source, 'https://m.example.org/runs/01JSHOP5');
  t.equal(issues().length, 1);
  t.match(issues()[0], {
    title: 'Regression of shop: latency med 8.0 % slower, CPU per request 5.0 % more',
    labels: ['performance'],
  });
  t.match(issues()[0]!.body, `<${github.url}/acme/shop/compare/${commit(4)}...${commit(5)}>`);
  t.strictSame(github.faults, []);
  t.strictSame(one.waiting(), []);
  t.strictSame(one.logged, []);
});

t.test('a metric that is confirmed later is told by itself, another change too', async (t) => {
  const { hook, env } = await receivers(t);
  const one = service(t, [WEBHOOK], env);
  await one.turn();
  one.found(5);
  one.now += MINUTE;
  await one.turn();
  one.found(5, { metric: 'cpu_seconds_per_request', ratio: 0.9 });
  one.found(5, { run_id: '01JSHOP5' }); // known already
  one.found(7, { ratio: 0.8 });
  one.found(5, { host_id: 'other' });
  one.now += MINUTE;
  await one.turn();
  await one.turn();
  t.strictSame(hook.got.map(({ body }) => body.text).sort(), [
    'Improvement of shop: CPU per request 10.0 % less',
    'Improvement of shop: latency med 20.0 % faster',
    'Regression of shop: latency med 8.0 % slower',
    'Regression of shop: latency med 8.0 % slower',
  ]);
  t.equal(
    new Set(hook.got.map(({ body }) => body.blocks.at(-1).elements[0].text)).size,
    4,
    'each has an id of its own',
  );
});

t.test('a channel that is new is not flooded with what was found before', async (t) => {
  const { hook, mail, env } = await receivers(t);
  const one = service(t, [WEBHOOK], env);
  for (let number = 1; number < 9; number++) one.found(number);
  one.now += 1000 * MINUTE;
  await one.turn();
  one.now += MINUTE;
  await one.turn();
  t.equal(hook.got.length, 0);
  one.configure([WEBHOOK, EMAIL]);
  one.found(9);
  one.now += MINUTE;
  await one.turn();
  t.equal(hook.got.length, 1);
  one.now += MINUTE;
  await one.turn();
  t.equal(mail.mails.length, 0, 'the second channel came after the change');
  one.restart();
  one.found(9, { metric: 'cpu_seconds_per_request' });
  one.now += MINUTE;
  await one.turn();
  t.equal(mail.mails.length, 1);
});

t.test('nor is a repository that is named later', async (t) => {
  const { issues, env } = await receivers(t);
  const one = service(t, [ISSUE], env);
  const { repositories } = one.ctx.config;
  one.ctx.config.repositories = [];
  await one.turn();
  one.found(5);
  one.now += 100 * MINUTE;
  one.ctx.config.repositories = repositories;
  await one.turn();
  one.found(6);
  one.now += MINUTE;
  await one.turn();
  t.strictSame(
    issues().map(({ body }) => /last one: change (\d)/.exec(body)?.[1]),
    ['6'],
  );
});

t.test('what was found while the server was down is told', async (t) => {
  const { hook, env } = await receivers(t);
  const one = service(t, [WEBHOOK], env);
  await one.turn();
  one.now += 100 * MINUTE;
  one.found(5);
  one.now += 100 * MINUTE;
  one.restart();
  await one.turn();
  t.equal(hook.got.length, 1);
});

t.test('only of its benchmarks; an issue only where a repository has the benchmark', async (t) => {
  const { hook, mail, issues, env } = await receivers(t);
  const one = service(t, [{ ...WEBHOOK, benchmarks: ['caddy'] }, EMAIL, ISSUE], env);
  await one.turn();
  one.found(5);
  one.found(6, { benchmark: 'caddy' });
  one.now += MINUTE;
  await one.turn();
  t.strictSame(
    hook.got.map(({ body }) => body.text),
    ['Regression of caddy: latency med 8.0 % slower'],
  );
  t.notMatch(JSON.stringify(hook.got[0]!.body), '/compare/', 'it belongs to no repository');
  t.equal(mail.mails.length, 2);
  t.strictSame(
    issues().map(({ title }) => title),
    ['Regression of shop: latency med 8.0 % slower'],
  );
});

t.test('a message stays as it was made, and two servers make one', async (t) => {
  const one = service(t, [WEBHOOK], { HOOK: 'http://127.0.0.1:1' });
  one.want();
  one.found(5);
  one.now += MINUTE;
  const other = one.another();
  t.teardown(() => other.store.close());
  one.want();
  one.want(other);
  const [message, ...more] = one.waiting();
  t.strictSame(more, []);
  const document = JSON.parse(message!.wanted) as AlertDocument;
  t.match(document, {
    schema: 'mayfly.alert/v1',
    benchmark: 'shop',
    host_id: 'h0st',
    before: commit(4),
    commit: commit(5),
    subject: 'change 5',
    repository: 'acme/shop',
  });
  t.equal(message!.subject, `shop h0st ${commit(4)}..${commit(5)}`);
  one.ctx.site = 'https://elsewhere.example.org';
  one.want();
  t.strictSame(
    one.waiting().map(({ wanted }) => wanted),
    [message!.wanted],
  );
});

t.test(
  'killed between sending and writing that down: an issue is there once, a mail has the same Message-ID, a post the same id',
  async (t) => {
    const { hook, mail, github, issues, env } = await receivers(t);
    const one = service(t, [WEBHOOK, EMAIL, ISSUE], env);
    one.want();
    one.found(5);
    one.now += MINUTE;
    one.want();
    const senders = alertSenders(one.ctx, env);
    // sent, and nobody has written it down
    for (const message of one.waiting()) await senders[message.channel]!(message);
    one.restart();
    await one.turn();
    t.strictSame(one.waiting(), []);
    t.equal(issues().length, 1);
    t.equal(
      one.ctx.store.outbox.message(channelOf(ISSUE), `shop h0st ${commit(4)}..${commit(5)}`)!.remote_id,
      String(issues()[0]!.number),
    );
    const ids = mail.mails.map(({ source }) => /^Message-ID: .*$/m.exec(source)![0]);
    t.equal(ids.length, 2);
    t.equal(ids[0], ids[1]);
    t.strictSame(hook.got[0]!.body, hook.got[1]!.body);
    t.strictSame(github.faults, []);
  },
);

t.test('an issue that was made while the connection broke is not made again', async (t) => {
  const { github, issues, env } = await receivers(t);
  const one = service(t, [ISSUE], env);
  one.want();
  one.found(5);
  one.now += MINUTE;
  github.next({ lost: true, on: /^POST .*\/issues$/ });
  await one.turn();
  t.equal(one.waiting().length, 1);
  one.now += 10 * MINUTE;
  await one.turn();
  t.strictSame(one.waiting(), []);
  t.equal(issues().length, 1);
});

t.test('whoever cannot be reached is told later; the others at once', async (t) => {
  let status = 503;
  const hook = await receiver(t, (_request, response) => void response.writeHead(status).end());
  const mail = await mailServer(t, { disabledCommands: ['STARTTLS'] });
  const one = service(t, [WEBHOOK, EMAIL], { HOOK: hook.url, SMTP: `smtp://${mail.at}` });
  one.want();
  one.found(5);
  one.now += MINUTE;
  await one.turn();
  t.equal(mail.mails.length, 1);
  t.match(one.waiting(), [{ channel: channelOf(WEBHOOK), failures: 1, error: 'the webhook answered 503' }]);
  t.notMatch(one.logged.join('\n'), SECRET);
  status = 200;
  await one.turn();
  t.equal(hook.got.length, 1, 'not at once');
  one.now += 10 * MINUTE;
  one.restart();
  await one.turn();
  t.equal(hook.got.length, 2);
  t.strictSame(one.waiting(), []);
});

t.test('a variable that is missing or wrong is found at the start, and its value is in no message', async (t) => {
  const thrown = (alerts: Alert[], env: NodeJS.ProcessEnv, config = configOf(alerts)) => {
    try {
      checkAlerts(config, env);
      return undefined;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return `${error.message} ${error.hint ?? ''}`;
    }
  };
  const good = {
    HOOK: 'https://hooks.example.org/s3cr3t',
    SMTP: 'smtps://u:s3cr3t@mail.example.org',
    GITHUB_TOKEN: 's3cr3t',
  };
  t.equal(thrown([WEBHOOK, EMAIL, ISSUE], good), undefined);
  t.equal(
    thrown([WEBHOOK, EMAIL, { ...EMAIL, from: 'Mayfly <mayfly@example.org>' }, { ...ISSUE, benchmarks: ['shop'] }], {
      ...good,
      GITHUB_TOKEN: '',
      GITHUB_APP_ID: '1',
    }),
    undefined,
  );
  const wrong: [Alert[], NodeJS.ProcessEnv, RegExp][] = [
    [[WEBHOOK], {}, /^alerts\/0 in mayfly.yaml takes its address from HOOK, which is not set/],
    [[WEBHOOK], { HOOK: '' }, /HOOK, which is not set/],
    [[WEBHOOK], { HOOK: 's3cr3t' }, /HOOK, which holds no URL/],
    [[WEBHOOK], { HOOK: 'ftp://h/s3cr3t' }, /HOOK, which holds no URL/],
    [[WEBHOOK, EMAIL], { ...good, SMTP: undefined }, /^alerts\/1 in mayfly.yaml takes its address from SMTP/],
    [[EMAIL], { SMTP: 'https://u:s3cr3t@h' }, /SMTP, which holds no URL such as smtps:/],
    [[{ ...EMAIL, from: 'a@x.example\r\nBcc: b@x.example' }], good, /from must be an address/],
    [[{ ...EMAIL, from: 'Mayfly' }], good, /from must be an address/],
    [[ISSUE], {}, /GITHUB_TOKEN is not set/],
    [[{ ...ISSUE, benchmarks: ['caddy'] }], good, /no repository in it has the benchmark caddy/],
  ];
  for (const [alerts, env, message] of wrong) {
    const error = thrown(alerts, env);
    t.match(error, message);
    t.notMatch(error, 's3cr3t');
  }
  t.match(thrown([ISSUE], good, { ...configOf([ISSUE]), repositories: [] }), /no repository in it has a benchmark/);
});
