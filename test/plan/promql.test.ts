import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { faultLine, parseYaml } from '../../scripts/config/yaml-file.ts';
import { checkPromql, faultsIn, type Query, rulesFile } from '../../scripts/plan/promql.ts';
import { context } from '../archive/trend-context.ts';
import { BENCHMARK, COMPOSE, load } from '../config/fixture.ts';
import { engine } from '../e2e/helpers.ts';

t.teardown(() => engine.close());

const QUERY: Query = { path: ['metrics', 0, 'promql'], name: 'x', promql: '' };

/** What is said where promtool finds a fault at this line and column of the query as it was asked. */
function place(written: string, promql: string, at: string): string {
  const file = parseYaml(written, 'benchmark.yaml');
  const said = `5:11: group "mayfly", rule 1, "mayfly": could not parse expression: ${at}: parse error: bad`;
  return faultsIn(said, [{ ...QUERY, promql }], file, 10)
    .map(faultLine)
    .join('\n');
}

t.test('a fault of PromQL stands where the user wrote it, however it is written', async (t) => {
  const metric = (text: string) => `metrics:\n  - name: x\n    promql: ${text}\n    unit: s\n`;
  const query = 'sum(rat(a{$selector}[$window]))';
  const bad = 'metrics/0/promql of x is no PromQL: bad';
  t.equal(place(metric(query), query, '1:5'), `benchmark.yaml:3:17 ${bad}`, 'plain');
  t.equal(place(metric(`"${query}"`), query, '1:5'), `benchmark.yaml:3:18 ${bad}`, 'in quotes');
  const filled = 'sum(rat(a{side="candidate",round="1"}[10000ms]';
  t.equal(place(metric(query), query, `1:${filled.length}`), `benchmark.yaml:3:41 ${bad}`, 'behind what is filled in');
  t.equal(place(metric(query), query, '1:20'), `benchmark.yaml:3:23 ${bad}`, 'in what is filled in');
  t.equal(place(metric(query), query, '1:49'), `benchmark.yaml:3:44 ${bad}`, 'at its end');
  const column = (text: string) => metric(text).split('\n')[2]!.indexOf('foo') + 1;
  const escaped = '"a{b=\\"\\u00e9\\", c=\\"d\\",$selector} foo"';
  const asked = Buffer.byteLength('a{b="é", c="d",side="candidate",round="1"} ') + 1;
  t.equal(
    place(metric(escaped), 'a{b="é", c="d",$selector} foo', `1:${asked}`),
    `benchmark.yaml:3:${column(escaped)} ${bad}`,
    'an escape is one character, and promtool counts bytes',
  );
  const single = "'a{b=''c'',$selector} foo'";
  t.equal(
    place(metric(single), "a{b='c',$selector} foo", `1:${`a{b='c',side="candidate",round="1"} `.length + 1}`),
    `benchmark.yaml:3:${column(single)} ${bad}`,
  );
  const block = '|-\n      sum(\n        rat(a{$selector})\n      )';
  t.equal(place(metric(block), 'sum(\n  rat(a{$selector})\n)', '2:3'), `benchmark.yaml:5:9 ${bad}`, 'a block');
  const folded = 'sum(\n      rat(a{$selector}))';
  t.equal(place(metric(folded), 'sum( rat(a{$selector}))', '1:6'), `benchmark.yaml:4:7 ${bad}`, 'over two lines');
});

t.test('each query is read alone, and once more where only a number goes', async (t) => {
  const { groups } = JSON.parse(rulesFile([{ ...QUERY, promql: 'x{$selector} # why' }], 2.5));
  t.same(
    groups[0].rules.map(({ expr }: { expr: string }) => expr),
    ['x{side="candidate",round="1"} # why', '(x{side="candidate",round="1"} # why\n) + 0'],
  );
});

async function refused(
  t: Test,
  metrics: string,
  more: Parameters<typeof load>[4] = {},
): Promise<{ lines: string[]; hint: string }> {
  const ctx = context(t);
  const config = await load(t, `${BENCHMARK}metrics:\n${metrics}`, COMPOSE, [], more);
  const error = await checkPromql(config, ctx).then(
    () => null,
    (error) => error,
  );
  t.equal(error?.exitCode, 2, error?.stack ?? 'it must be refused');
  t.same(readdirSync(join(ctx.paths.cache, 'promql')), [], 'nothing is kept of what was refused');
  return {
    lines: String(error.message)
      .split('\n')
      .map((line) => line.replace(/^.*benchmark\.yaml/, '')),
    hint: error.hint,
  };
}

t.test("Prometheus' own parser reads all queries at once", async (t) => {
  const { lines, hint } = await refused(
    t,
    `  - {name: ok, promql: 'sum(rate(a{$selector}[$window]))', unit: s}
  - {name: unknown, promql: 'sum(rat(a{$selector}[$window]))', unit: s}
  - {name: open, promql: 'sum(rate(a{$selector}[$window])', unit: s}
  - {name: instant, promql: 'rate(a{$selector})', unit: s}
  - {name: range, promql: 'a{$selector}[$window]', unit: s}
`,
  );
  t.same(lines, [
    ':17:34 metrics/1/promql of unknown is no PromQL: unknown function with name "rat"',
    ':18:58 metrics/2/promql of open is no PromQL: unclosed left parenthesis',
    ':19:35 metrics/3/promql of instant is no PromQL: expected type range vector in call to function "rate", got instant vector',
    ':20:28 metrics/4/promql of range gives no number at a moment but a range of them: put rate(), max_over_time() or the like around it',
  ]);
  t.match(hint, /^prom\/prometheus:v[\d.]+ says so, with \$selector and \$window filled in; nothing was built\./);
});

t.test('what has passed is not read again', async (t) => {
  const ctx = context(t);
  const config = await load(t, `${BENCHMARK}metrics: [{name: a, promql: 'sum(a{$selector})', unit: s}]\n`, COMPOSE);
  await checkPromql(config, ctx);
  const blind = { ...ctx, engine: null as unknown as typeof ctx.engine };
  await checkPromql(config, blind);
  t.equal(readdirSync(join(ctx.paths.cache, 'promql')).length, 1);
  t.ok(existsSync(config.file));
  writeFileSync(config.file, `${BENCHMARK}metrics: [{name: a, promql: 'sum(b{$selector})', unit: s}]\n`);
  const changed = {
    ...config,
    metrics: config.metrics.map((one) => (one.promql ? { ...one, promql: 'sum(b{$selector})' } : one)),
  };
  await t.rejects(checkPromql(changed, blind), 'another query is');
});
