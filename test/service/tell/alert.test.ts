import t from 'tap';
import type { BisectDocument } from '../../../scripts/report/bisect-text.ts';
import {
  type AlertSurroundings,
  alertMarkdown,
  alertMarker,
  alertOf,
  alertText,
  alertTitle,
  githubSite,
} from '../../../scripts/service/tell/alert.ts';
import type { ChangePoint } from '../../../scripts/store/db.ts';
import { makeRun } from '../../run-document.ts';
import { makeAlert, NASTY } from './alert-document.ts';

const [before, commit, between] = ['1'.repeat(40), 'a'.repeat(40), '3'.repeat(40)];
const point = (laid: Partial<ChangePoint> = {}): ChangePoint => ({
  benchmark: 'shop',
  host_id: 'h0st',
  metric: 'latency_med',
  run_id: 'R1',
  before,
  commit,
  at: '2026-01-02T03:04:00.000Z',
  ratio: 1.08,
  found_at: '2026-01-02T04:00:00.000Z',
  ...laid,
});
const around = (laid: Partial<AlertSurroundings> = {}): AlertSurroundings => ({
  run: makeRun(),
  bisections: [],
  repository: 'acme/shop',
  site: 'https://m.example.org',
  github: 'https://github.com',
  ...laid,
});

function bisection(laid: Partial<BisectDocument> = {}) {
  const commits = [before, between, commit].map((one, build) => ({
    commit: one,
    subject: `change ${build}`,
    author_date: '2026-01-01T00:00:00Z',
    build,
  }));
  const document = {
    host_id: 'h0st',
    commits,
    answer: { outcome: 'culprit', commits: [between], summary: 'x' },
    ...laid,
  };
  return { bisection_id: 'B', benchmark: 'shop', state: 'done' as const, document, updated_at: '' };
}

t.test('an alert says what changed, by how much, where and between which commits', async (t) => {
  const alert = alertOf(
    's',
    [point(), point({ metric: 'request_rate', ratio: 0.9 }), point({ metric: 'cpu_seconds_per_request', ratio: 0.97 })],
    around(),
  );
  t.strictSame(
    alert.changes.map(({ worse, words }) => [worse, words]),
    [
      [true, 'latency med 8.0 % slower'],
      [true, 'requests 10.0 % less'],
      [false, 'CPU per request 3.0 % less'],
    ],
  );
  t.equal(
    alertTitle(alert),
    'Regression of shop: latency med 8.0 % slower, requests 10.0 % less, CPU per request 3.0 % less',
  );
  t.strictSame(alert.links, {
    run: 'https://m.example.org/runs/R1',
    benchmark: 'https://m.example.org/benchmarks/shop',
    compare: `https://github.com/acme/shop/compare/${before}...${commit}`,
  });
  t.equal(alert.subject, 'Make search faster');
  t.equal(alert.bisect, 'npm run bisect -- --benchmark=shop --good=111111111111 --bad=aaaaaaaaaaaa');
  const text = alertText(alert);
  for (const part of [
    'Regression: latency med 8.0 % slower (1.080 times what it was)',
    'Improvement: CPU per request',
    'Commits: 111111111111..aaaaaaaaaaaa',
    'Host: h0st',
    alert.links.compare!,
    alert.bisect!,
  ])
    t.ok(text.includes(part), part);
});

t.test('a metric of which neither direction is better alerts both ways', async (t) => {
  const run = makeRun();
  const metrics = run.metrics.map((metric) =>
    metric.name === 'request_rate' ? { ...metric, better: 'neither' as const } : metric,
  );
  const surroundings = around({ run: { ...run, metrics } });
  for (const [ratio, words] of [
    [0.9, 'requests 10.0 % less'],
    [1.1, 'requests 10.0 % more'],
  ] as const) {
    const alert = alertOf('s', [point({ metric: 'request_rate', ratio })], surroundings);
    t.equal(alertTitle(alert), `Change of shop: ${words}`);
    t.match(alertText(alert), `Change: ${words} (${ratio.toPrecision(4)} times what it was)`);
    t.match(alert, { changes: [{ worse: true, either: true }], bisect: /^npm run bisect/ });
  }
  const beside = [point({ ratio: 0.9 }), point({ metric: 'request_rate', ratio: 1.1 })];
  t.equal(
    alertTitle(alertOf('s', beside, surroundings)),
    'Change of shop: requests 10.0 % more, latency med 10.0 % faster',
    'before what became better',
  );
  const worse = [point({ metric: 'request_rate', ratio: 1.1 }), point()];
  t.match(alertTitle(alertOf('s', worse, surroundings)), /^Regression of shop: latency med 8\.0 % slower, requests/);
});

t.test('an improvement has no culprit to search for', async (t) => {
  const alert = alertOf('s', [point({ ratio: 0.9 })], around({ repository: undefined }));
  t.match(alertTitle(alert), /^Improvement of shop: latency med 10.0 % faster$/);
  t.notOk('bisect' in alert);
  t.notOk('compare' in alert.links, 'of no watched repository');
});

t.test('a bisection of this range that has found the culprit names it', async (t) => {
  const alert = alertOf('s', [point()], around({ bisections: [bisection()] }));
  t.strictSame(alert.culprit, { commit: between, subject: 'change 1' });
  t.notOk('bisect' in alert, 'nothing is left to search');
  t.match(alertText(alert), 'Culprit: 333333333333: change 1');
  const others = [
    bisection({ host_id: 'other' }),
    bisection({ answer: null }),
    bisection({ answer: { outcome: 'range', commits: [between, commit], summary: '' } }),
    { ...bisection(), state: 'running' as const },
    { ...bisection(), benchmark: 'caddy' },
    bisection({ commits: bisection().document.commits.slice(1) }),
  ];
  t.notOk(
    'culprit' in alertOf('s', [point()], around({ bisections: others })),
    'of another range, host or benchmark, or without an answer',
  );
});

t.test(
  'a commit that is no hash goes into an address, and into a command only where a shell leaves it alone',
  async (t) => {
    const version = alertOf('s', [point({ before: 'v2.9.0', commit: 'v2.10.0' })], around());
    t.match(version.links.compare, /v2\.9\.0\.\.\.v2\.10\.0$/);
    t.match(version.bisect, /--good=v2\.9\.0 --bad=v2\.10\.0$/);
    const nasty = alertOf('s', [point({ before: '$(touch x)', commit: '-rf' })], around());
    t.notOk('bisect' in nasty);
    t.match(nasty.links.compare, '/compare/%24(touch%20x)...-rf');
  },
);

t.test('where GitHub is, for people', async (t) => {
  for (const [api, site] of [
    [undefined, 'https://github.com'],
    ['', 'https://github.com'],
    ['https://api.github.com', 'https://github.com'],
    ['https://api.github.com/', 'https://github.com'],
    ['https://ghe.example.org/api/v3', 'https://ghe.example.org'],
    ['https://api.acme.ghe.com', 'https://acme.ghe.com'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ] as const) {
    t.equal(githubSite(api), site, String(api));
  }
});

t.test('an issue does nothing that a commit message says', async (t) => {
  const culprit = { commit: '4'.repeat(40), subject: NASTY };
  const { bisect, ...alert } = makeAlert({ subject: NASTY, culprit });
  const body = alertMarkdown(alert);
  t.ok(body.startsWith(`${alertMarker(alert)}\n`), 'the marker is there once, and first');
  t.equal(body.split('<!--').length, 2);
  for (const wrong of [
    /(?<!\\)<!channel/,
    /@team/,
    /(?<!\\)\*b\*/,
    /(?<!\\)`x/,
    /(?<!\\)!?\[i/,
    /#1 /,
    /\r/,
    /\u202e/,
    /^Bcc/m,
  ])
    t.notMatch(body, wrong);
  t.match(body, `Culprit: ${'4'.repeat(40)}`);
  const nowhere = alertMarkdown(makeAlert({ links: { run: '/runs/R', benchmark: '/benchmarks/shop' } }));
  t.notMatch(nowhere, /\]\(</, 'what is no address is no link');
});

t.test('whatever the length of what others write', async (t) => {
  const run = makeRun();
  const alert = alertOf(
    's',
    [point()],
    around({ run: { ...run, sides: { candidate: { ...run.sides.candidate, subject: 'x'.repeat(100_000) } } } }),
  );
  t.ok(alertMarkdown(alert).length < 5000);
  t.ok(
    alertTitle(makeAlert({ changes: Array.from({ length: 50 }, () => makeAlert().changes[0]!) })).length <= 200,
    'a title that GitHub takes',
  );
});
