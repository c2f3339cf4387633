/**
 * The alerting rules by promtool: they parse, and fire for what they are for and for nothing else. And every query of
 * every dashboard parses, and so does the configuration of a run's Prometheus.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { IMAGES } from '../../scripts/images/images.ts';
import { run } from '../e2e/helpers.ts';
import { substitute } from './grafana.ts';
import { dashboards, queriedPanels } from './prove.ts';

const ROOT = join(import.meta.dirname, '../..');
const RULES = 'prometheus/rules/mayfly.yaml';
const DAY_S = 86_400;

/** promtool over a folder with the rules and these files. */
async function promtool(t: Test, args: string[], files: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-rules-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(ROOT, RULES), join(folder, 'mayfly.yaml'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
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

t.test('promtool check rules', async (t) => {
  const { code, stdout, stderr } = await promtool(t, ['check', 'rules', '--lint-fatal', 'mayfly.yaml']);
  t.equal(code, 0, stderr);
  t.match(stdout, /4 rules found/);
});

t.test('promtool check config: that of a run', async (t) => {
  const config = readFileSync(join(ROOT, 'prometheus/prometheus.yml'), 'utf8');
  const check = (text: string) =>
    promtool(t, ['check', 'config', '--lint=none', 'prometheus.yml'], { 'prometheus.yml': text });
  const { code, stdout, stderr } = await check(config);
  t.equal(code, 0, `${stdout}\n${stderr}`);
  t.equal((await check(config.replace('body_size_limit', 'body_limit'))).code, 1, 'a field that there is not is found');
});

/** A run on a day of the test, as the trend stream has it. */
interface Made {
  day: number;
  status?: string;
  verdict?: string;
  /** latency_p95 in seconds. */
  p95?: number;
  branch?: string;
}

const LAST_DAY = 40;
const at = (day: number, value: number) =>
  Array.from({ length: LAST_DAY + 1 }, (_, index) => (index === day ? String(value) : '_')).join(' ');

function series(runs: Made[]): { series: string; values: string }[] {
  return runs.flatMap(({ day, status = 'complete', verdict, p95, branch }) => {
    const labels = `stream="trend",benchmark="shop",host="h",run_id="r${day}",commit="c${day}"${branch ? `,branch="${branch}"` : ''}`;
    return [
      {
        series: `mayfly_run_start_timestamp_seconds{${labels},status="${status}"${verdict ? `,verdict="${verdict}"` : ''}}`,
        values: at(day, day * DAY_S),
      },
      ...(p95 === undefined
        ? []
        : [
            { series: `mayfly_sample{${labels},side="candidate",metric="latency_p95",unit="s"}`, values: at(day, p95) },
          ]),
    ];
  });
}

const ALL = ['MayflyRunInvalid', 'MayflyRegression', 'MayflyNoRun', 'MayflySlower'];

/** Which alerts fire on the last day, and with which annotations. */
function story(
  name: string,
  runs: Made[],
  fires: Record<string, { labels?: Record<string, string>; annotations: Record<string, string> }>,
): object {
  return {
    name,
    interval: '1d',
    input_series: series(runs),
    alert_rule_test: ALL.map((alertname) => ({
      eval_time: `${LAST_DAY}d`,
      alertname,
      exp_alerts: fires[alertname]
        ? [
            {
              exp_labels: { severity: 'warning', benchmark: 'shop', host: 'h', ...fires[alertname]!.labels },
              exp_annotations: fires[alertname]!.annotations,
            },
          ]
        : [],
    })),
  };
}

const steady: Made[] = Array.from({ length: 8 }, (_, index) => ({ day: 30 + index, p95: 0.002 }));
/** A release line that is twice as slow as the default branch has always been. */
const line: Made[] = Array.from({ length: 8 }, (_, index) => ({ day: 20 + index, p95: 0.004, branch: 'release-1' }));
const INVALID = {
  annotations: {
    summary: 'The newest run of shop on host h is INVALID',
    description: 'It measured nothing that counts. `npm run show` gives the reasons of its rounds.',
  },
};
const slower = (share: string, branch = '') => ({
  labels: { metric: 'latency_p95' },
  annotations: {
    summary: `latency_p95 of shop${branch} on host h is above the median of its last runs`,
    description: `By ${share}, against the median of at most 20 runs. Runs of different times differ by what the host does: a comparison with \`npm run bench -- --against=…\` decides.`,
  },
});

t.test('promtool test rules', async (t) => {
  const tests = [
    story('steady runs', [...steady, { day: 39, p95: 0.0021 }], {}),
    story('the newest is INVALID', [...steady, { day: 39, status: 'invalid', verdict: 'INVALID' }], {
      MayflyRunInvalid: INVALID,
    }),
    story(
      'an INVALID run that a complete one follows',
      [...steady, { day: 38, status: 'invalid', verdict: 'INVALID' }, { day: 39, p95: 0.002 }],
      {},
    ),
    story('the newest is a REGRESSION', [...steady, { day: 39, verdict: 'REGRESSION', p95: 0.002 }], {
      MayflyRegression: {
        annotations: {
          summary: 'The newest run of shop on host h has the verdict REGRESSION',
          description: 'The dashboard Run shows where the time went.',
        },
      },
    }),
    story(
      'none for ten days',
      steady.map((one) => ({ ...one, day: one.day - 7 })),
      {
        MayflyNoRun: {
          annotations: {
            summary: 'No complete run of shop on host h',
            description: 'The last one began 10.0 days ago; more than 7 are too many.',
          },
        },
      },
    ),
    story('slower by half', [...steady, { day: 39, p95: 0.003 }], { MayflySlower: slower('50%') }),
    story(
      'slower, but too few runs to say so',
      [
        { day: 37, p95: 0.002 },
        { day: 38, p95: 0.002 },
        { day: 39, p95: 0.003 },
      ],
      {},
    ),
    story('slower once, not any more', [...steady, { day: 38, p95: 0.003 }, { day: 39, p95: 0.002 }], {}),
    story(
      'a release line is held against its own runs',
      [...steady, ...line, { day: 39, p95: 0.0041, branch: 'release-1' }],
      {},
    ),
    story('and is told by its name', [...steady, ...line, { day: 39, p95: 0.006, branch: 'release-1' }], {
      MayflySlower: { ...slower('50%', ' (release-1)'), labels: { metric: 'latency_p95', branch: 'release-1' } },
    }),
    story('nothing at all', [], {}),
  ];
  const { code, stdout, stderr } = await promtool(t, ['test', 'rules', 'tests.yaml'], {
    'tests.yaml': stringify({ rule_files: ['mayfly.yaml'], evaluation_interval: '1d', tests }),
  });
  t.equal(code, 0, `${stdout}\n${stderr}`);
  const wrong = [story('steady runs', steady, { MayflyRunInvalid: INVALID })];
  t.equal(
    (
      await promtool(t, ['test', 'rules', 'tests.yaml'], {
        'tests.yaml': stringify({ rule_files: ['mayfly.yaml'], evaluation_interval: '1d', tests: wrong }),
      })
    ).code,
    1,
    'a story that is not true fails',
  );
});

t.test('every query of every dashboard parses', async (t) => {
  const fixed = (value: string) => ({ value, regex: false });
  const numbers = { __interval: fixed('10s'), __rate_interval: fixed('4s'), __range: fixed('60s'), delta: fixed('-5') };
  const exprs = Object.values(dashboards).flatMap((dashboard) => {
    const values = {
      ...Object.fromEntries(dashboard.templating.list.map(({ name }) => [name, fixed('x')])),
      ...numbers,
    };
    const variables = dashboard.templating.list.flatMap(({ query }) =>
      typeof query === 'object' && query.query.startsWith('query_result(')
        ? [query.query.slice('query_result('.length, -1)]
        : [],
    );
    const all = [
      ...queriedPanels(dashboard).flatMap(({ targets }) => targets!.map(({ expr }) => expr)),
      ...dashboard.annotations.list.map(({ expr }) => expr),
      ...variables,
    ];
    return all.map((expr) => substitute(expr, values));
  });
  t.ok(exprs.length > 100, `${exprs.length} queries`);
  const rules = {
    groups: [{ name: 'queries', rules: exprs.map((expr, index) => ({ record: `query_${index}`, expr })) }],
  };
  const { code, stderr } = await promtool(t, ['check', 'rules', 'queries.yaml'], { 'queries.yaml': stringify(rules) });
  t.equal(code, 0, stderr);
  const broken = await promtool(t, ['check', 'rules', 'queries.yaml'], {
    'queries.yaml': stringify({ groups: [{ name: 'queries', rules: [{ record: 'x', expr: 'sum(' }] }] }),
  });
  t.not(broken.code, 0, 'one that does not parse is found');
});
