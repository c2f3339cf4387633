/** The alerting rules for the service by promtool: each fires for what it is for, and not for what is next to it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { IMAGES } from '../../../scripts/images/images.ts';
import { run } from '../../e2e/helpers.ts';

const RULES = join(import.meta.dirname, '../../../prometheus/rules/service.yaml');
const SERVER = 'job="mayfly-server",instance="s"';

interface Rule {
  alert: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
const rules: Rule[] = parse(readFileSync(RULES, 'utf8')).groups[0].rules;

/** promtool over a folder with the rules and the tests. */
async function promtool(t: Test, args: string[], tests?: object) {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-service-rules-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(RULES, join(folder, 'service.yaml'));
  if (tests) writeFileSync(join(folder, 'tests.yaml'), stringify(tests));
  return run('docker', [
    'run',
    '--rm',
    '--network=none',
    '--user=0:0',
    '--volume',
    `${folder}:/rules:ro`,
    '--workdir=/rules',
    '--entrypoint=promtool',
    IMAGES.prometheus.ref,
    ...args,
  ]).done;
}

/** What the server shows in a quiet hour: a sample each 30 s. */
const QUIET: Record<string, string> = {
  [`up{${SERVER}}`]: '1x200',
  [`mayfly_queue_oldest_seconds{${SERVER}}`]: '0x200',
  [`mayfly_queue_paused{${SERVER}}`]: '0x200',
  [`mayfly_queue_last_taken_timestamp_seconds{${SERVER}}`]: '1000x200',
  [`mayfly_queue_jobs{${SERVER},state="queued",kind="new-test"}`]: '0x200',
  [`mayfly_queue_jobs{${SERVER},state="leased",kind="new-test"}`]: '0x200',
  [`mayfly_jobs_total{${SERVER},benchmark="shop",state="done"}`]: '7x200',
  [`mayfly_workers{${SERVER}}`]: '1x200',
  [`mayfly_uploads_oldest_seconds{${SERVER}}`]: '0x200',
  [`mayfly_messages_oldest_seconds{${SERVER},channel="comment"}`]: '0x200',
  [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="infrastructure"}`]: '4x200',
  [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="other"}`]: '4x200',
};
const WAITING = {
  [`mayfly_queue_oldest_seconds{${SERVER}}`]: '600+30x200',
  [`mayfly_queue_jobs{${SERVER},state="queued",kind="new-test"}`]: '3x200',
};
const RUNNING = { [`mayfly_queue_jobs{${SERVER},state="leased",kind="new-test"}`]: '1x200' };

interface Firing {
  labels?: Record<string, string>;
  summary?: string;
  description?: string;
}

/** Which alerts fire after an hour of this. null: the series is not there. */
function story(name: string, laid: Record<string, string | null>, fires: Record<string, Firing> = {}): object {
  const series = Object.entries({ ...QUIET, ...laid }).filter(([, values]) => values !== null);
  return {
    name,
    interval: '30s',
    input_series: series.map(([one, values]) => ({ series: one, values })),
    alert_rule_test: rules.map(({ alert, labels, annotations }) => {
      const { labels: more = { job: 'mayfly-server', instance: 's' }, ...texts } = fires[alert] ?? {};
      return {
        eval_time: '1h',
        alertname: alert,
        exp_alerts: fires[alert]
          ? [{ exp_labels: { ...labels, ...more }, exp_annotations: { ...annotations, ...texts } }]
          : [],
      };
    }),
  };
}

const server = { job: 'mayfly-server', instance: 's' };
const STUCK: Record<string, Firing> = {
  MayflyQueueStuck: { summary: 'A job has waited for 1h 10m 0s, and none is taken' },
};
const GONE = (jobs: number): Record<string, Firing> => ({
  MayflyWorkerGone: {
    description: rules
      .find(({ alert }) => alert === 'MayflyWorkerGone')!
      .annotations.description.replace('{{ .Value }}', String(jobs)),
  },
});
const failing = (tries: number): Record<string, Firing> => ({
  MayflyJobsFailing: {
    labels: { ...server, benchmark: 'shop' },
    summary: 'Jobs of shop fail by faults of the infrastructure',
    description: `${tries} tries in the last hour. \`npm run queue -- list\` has the reasons; \`npm run doctor\` on the benchmark host says what is missing there.`,
  },
});
const waiting = (channel: string, age: string): Record<string, Firing> => ({
  MayflyMessagesWaiting: { labels: { ...server, channel }, summary: `Messages of ${channel} have waited for ${age}` },
});

t.test('promtool check rules', async (t) => {
  const { code, stdout, stderr } = await promtool(t, ['check', 'rules', '--lint-fatal', 'service.yaml']);
  t.equal(code, 0, stderr);
  t.match(stdout, /6 rules found/);
  for (const { alert, annotations } of rules)
    t.ok(annotations.summary && annotations.description, `${alert} says what it is and what to do`);
});

t.test('promtool test rules', async (t) => {
  const tests = [
    story('a quiet hour', {}),
    story('the server does not answer', { [`up{${SERVER}}`]: '1x100 0x100' }, { MayflyServerDown: {} }),
    story('the server is not scraped at all', Object.fromEntries(Object.keys(QUIET).map((series) => [series, null])), {
      MayflyServerDown: { labels: { job: 'mayfly-server' } },
    }),
    story('the server was restarted', { [`up{${SERVER}}`]: '1x117 0x1 1x80' }),
    story('the queue is stuck', WAITING, STUCK),
    story('it is paused', { ...WAITING, [`mayfly_queue_paused{${SERVER}}`]: '1x200' }),
    story('a long job runs, others wait', { ...WAITING, ...RUNNING }),
    story('short jobs are taken between two readings', {
      ...WAITING,
      [`mayfly_queue_last_taken_timestamp_seconds{${SERVER}}`]: '1000+30x200',
    }),
    story('jobs end between two readings', {
      ...WAITING,
      [`mayfly_jobs_total{${SERVER},benchmark="shop",state="done"}`]: '7+1x200',
    }),
    story('a job has waited for ten minutes', { ...WAITING, [`mayfly_queue_oldest_seconds{${SERVER}}`]: '600x200' }),
    story('no worker, and nothing to do', { [`mayfly_workers{${SERVER}}`]: '0x200' }),
    story(
      'no worker, and jobs wait',
      {
        [`mayfly_workers{${SERVER}}`]: '1x110 0x90',
        [`mayfly_queue_jobs{${SERVER},state="queued",kind="new-test"}`]: '3x200',
      },
      GONE(3),
    ),
    story('the worker of the job that runs is gone', { [`mayfly_workers{${SERVER}}`]: '0x200', ...RUNNING }, GONE(1)),
    story('no worker, and the queue is paused', {
      [`mayfly_workers{${SERVER}}`]: '0x200',
      ...RUNNING,
      [`mayfly_queue_paused{${SERVER}}`]: '1x200',
    }),
    story('the worker was restarted', { [`mayfly_workers{${SERVER}}`]: '1x118 0x2 1x80', ...RUNNING }),
    story(
      'metrics wait for seven hours',
      { [`mayfly_uploads_oldest_seconds{${SERVER}}`]: '25200x200' },
      { MayflyUploadsPending: { summary: 'Metrics of a run have waited for 7h 0m 0s to be shipped' } },
    ),
    story('metrics wait for an hour', { [`mayfly_uploads_oldest_seconds{${SERVER}}`]: '3600x200' }),
    story(
      'a comment waits for an hour',
      { [`mayfly_messages_oldest_seconds{${SERVER},channel="comment"}`]: '0+30x200' },
      waiting('comment', '1h 0m 0s'),
    ),
    story('comments wait, each for a short time', {
      [`mayfly_messages_oldest_seconds{${SERVER},channel="comment"}`]: '60x200',
    }),
    story(
      'three tries failed by the infrastructure',
      { [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="infrastructure"}`]: '4x40 5x20 6x20 7x120' },
      failing(3),
    ),
    story(
      'and one benchmark by lost workers',
      { [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="lost_worker"}`]: '0x40 3x160' },
      failing(3),
    ),
    story('one try failed', {
      [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="infrastructure"}`]: '4x80 5x120',
    }),
    story('jobs fail by their own fault', {
      [`mayfly_job_failures_total{${SERVER},benchmark="shop",reason="other"}`]: '4+1x200',
    }),
  ];
  const { code, stdout, stderr } = await promtool(t, ['test', 'rules', 'tests.yaml'], {
    rule_files: ['service.yaml'],
    evaluation_interval: '30s',
    tests,
  });
  t.equal(code, 0, `${stdout}\n${stderr}`);
  const wrong = [story('a quiet hour', {}, STUCK)];
  t.equal(
    (
      await promtool(t, ['test', 'rules', 'tests.yaml'], {
        rule_files: ['service.yaml'],
        evaluation_interval: '30s',
        tests: wrong,
      })
    ).code,
    1,
    'a story that is not true fails',
  );
});
