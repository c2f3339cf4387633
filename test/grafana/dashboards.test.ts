/** The checked-in dashboards and rules without an archive: current, complete, and in a form that Grafana takes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { ALERTS } from '../../grafana/src/alerts.ts';
import { grafanaFiles } from '../../grafana/src/generate.ts';
import { stepOf, substitute, toMs } from './grafana.ts';
import { dashboards, linksOf, queriedPanels } from './prove.ts';

const ROOT = join(import.meta.dirname, '../..');
const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');

for (const [file, content] of Object.entries(grafanaFiles())) {
  t.test(file, async (t) => {
    t.ok(text(file) === content, `${file} is current; \`npm run generate\` writes it anew`);
  });
}

t.test('no file is left from before', async (t) => {
  t.same(
    readdirSync(join(ROOT, 'grafana/dashboards'))
      .map((file) => `grafana/dashboards/${file}`)
      .sort(),
    Object.keys(grafanaFiles())
      .filter((file) => file.startsWith('grafana/dashboards'))
      .sort(),
  );
});

t.test('one file knows the SDK', async (t) => {
  const sources = readdirSync(join(ROOT, 'grafana/src')).filter((file) =>
    /from '@grafana\//.test(text(`grafana/src/${file}`)),
  );
  t.same(sources, ['panels.ts']);
});

t.test('uids are fixed: links from elsewhere hold', async (t) => {
  t.same(Object.fromEntries(Object.entries(dashboards).map(([file, { uid }]) => [file, uid])), {
    runs: 'mayfly-runs',
    run: 'mayfly-run',
    compare: 'mayfly-compare',
    history: 'mayfly-history',
  });
});

const BUILT_IN = ['__interval', '__rate_interval', '__range', '__data', '__field'];

for (const [name, dashboard] of Object.entries(dashboards)) {
  t.test(`${name}: panels`, async (t) => {
    const ids = dashboard.panels.map(({ id }) => id);
    t.equal(new Set(ids).size, ids.length, 'ids are unique');
    const titles = queriedPanels(dashboard).map(({ title }) => title);
    t.equal(new Set(titles).size, titles.length, 'titles are unique');
    for (const {
      id,
      title,
      gridPos: { x, y, w, h },
    } of dashboard.panels) {
      const hit = dashboard.panels.find(
        (other) =>
          other.id > id &&
          other.gridPos.x < x + w &&
          x < other.gridPos.x + other.gridPos.w &&
          other.gridPos.y < y + h &&
          y < other.gridPos.y + other.gridPos.h,
      );
      t.notOk(hit, `${title} does not lie over ${hit?.title}`);
      t.ok(x + w <= 24, `${title} is within the page`);
    }
    for (const panel of queriedPanels(dashboard)) {
      t.ok(panel.description!.length > 20, `${panel.title} is described`);
      t.ok(panel.fieldConfig!.defaults.unit, `${panel.title} has a unit`);
      t.ok(panel.fieldConfig!.defaults.noValue, `${panel.title} says what it means that there is nothing`);
      t.ok(panel.targets!.length > 0, `${panel.title} has a query`);
      t.equal(
        new Set(panel.targets!.map(({ refId }) => refId)).size,
        panel.targets!.length,
        `${panel.title}: ids of queries are unique`,
      );
      if (panel.type === 'timeseries') t.equal(panel.options.legend.showLegend, true, `${panel.title} has a legend`);
      for (const target of panel.targets!) {
        t.match(target, { datasource: { type: 'prometheus', uid: 'thanos' } }, `${panel.title}: the data source`);
        t.not(Boolean(target.instant), Boolean(target.range), `${panel.title}: either instant or over time`);
        if (target.range)
          t.ok(toMs(target.interval!) >= 1000, `${panel.title}: its step is not shorter than that of the scrapes`);
        if (target.range) t.ok(target.legendFormat, `${panel.title}: a legend for its series`);
      }
    }
  });

  t.test(`${name}: variables and links`, async (t) => {
    const variables = dashboard.templating.list.map((variable) => variable.name);
    const known = Object.fromEntries(
      [...variables, ...BUILT_IN].map((variable) => [variable, { value: 'x', regex: false }]),
    );
    const unknown: string[] = [];
    for (const panel of queriedPanels(dashboard))
      substitute(
        [
          panel.title,
          panel.repeat ? `$${panel.repeat}` : '',
          ...panel.targets!.map(({ expr }) => expr),
          ...linksOf(panel).map(({ url }) => url),
        ].join('\n'),
        known,
        unknown,
      );
    for (const annotation of dashboard.annotations.list) substitute(annotation.expr, known, unknown);
    t.same(unknown, [], 'every variable exists');
    dashboard.templating.list.forEach(({ query }, index) => {
      const later: string[] = [];
      substitute(
        query?.query ?? '',
        Object.fromEntries(
          [...variables.slice(0, index), ...BUILT_IN].map((one) => [one, { value: 'x', regex: false }]),
        ),
        later,
      );
      t.same(later, [], `${variables[index]} needs only variables before it`);
    });
    for (const panel of queriedPanels(dashboard)) {
      for (const { url } of linksOf(panel)) {
        const target = Object.values(dashboards).find(({ uid }) => url.startsWith(`/d/${uid}?`));
        t.ok(target, `${url} leads to a dashboard`);
        for (const [, variable] of url.matchAll(/[?&]var-(\w+)=/g))
          t.ok(
            target!.templating.list.some((one) => one.name === variable),
            `${target!.title} has the variable ${variable}`,
          );
      }
    }
    for (const { name, refresh, type } of dashboard.templating.list)
      if (type === 'query') t.ok(refresh! > 0, `${name} is asked again`);
    for (const annotation of dashboard.annotations.list)
      t.equal(annotation.expr, annotation.target.expr, `${annotation.name}: old and new Grafana ask the same`);
  });

  t.test(`${name}: what Grafana gets stays bounded`, async (t) => {
    for (const panel of queriedPanels(dashboard)) {
      for (const { expr, refId } of panel.targets!) {
        const ofOneRun = /run_id=~?"\$run/.test(expr);
        const bounded =
          ofOneRun || /topk\(\d+, /.test(expr) || /^quantile by \(host, branch, variant, metric, unit\)/.test(expr);
        t.ok(bounded, `${panel.title} ${refId} is of chosen runs, of the newest, or one series a host and branch`);
        const trend = expr.match(/\bmayfly_\w+\{/g);
        if (trend)
          t.equal(
            trend.length,
            expr.match(/\bmayfly_\w+\{stream="trend"/g)?.length,
            `${panel.title} ${refId} reads the trend stream alone`,
          );
        else t.ok(/run_id="\$run/.test(expr), `${panel.title} ${refId} names its run, so that one block is opened`);
      }
    }
  });
}

t.test('the data source, the provider and the alerts are what the dashboards expect', async (t) => {
  const [source] = parse(text('grafana/provisioning/datasources/thanos.yaml')).datasources;
  t.match(source, {
    uid: 'thanos',
    type: 'prometheus',
    url: '${MAYFLY_QUERY_URL}',
    jsonData: {
      prometheusType: 'Thanos',
      httpMethod: 'POST',
      timeInterval: '1s',
      customQueryParameters: /partial_response=false/,
    },
  });
  t.notOk(source.jsonData.exemplarTraceIdDestinations);
  const [provider] = parse(text('grafana/provisioning/dashboards/mayfly.yaml')).providers;
  t.match(provider, { folder: 'Mayfly', type: 'file', options: { path: '/etc/grafana/dashboards' } });
  const alerts = text('grafana/provisioning/alerting/mayfly.yaml');
  t.notMatch(alerts, /\$/, 'Grafana expands $ in this file');
  const [group] = parse(alerts).groups;
  const rules = parse(text('prometheus/rules/mayfly.yaml')).groups[0].rules;
  t.equal(group.rules.length, ALERTS.length);
  group.rules.forEach((rule: any, index: number) => {
    const [query, threshold] = rule.data;
    t.match(rule.uid, /^[a-z-]{1,40}$/);
    t.match(rule, { condition: threshold.refId, noDataState: 'OK' });
    t.equal(query.datasourceUid, 'thanos');
    t.equal(
      rules[index].expr,
      `(${query.model.expr}) > ${threshold.model.conditions[0].evaluator.params[0]}`,
      `${rule.title}: the same expression in both`,
    );
  });
});

t.test('substitution as Grafana does it', async (t) => {
  const values = {
    one: { value: 'a"b', regex: false },
    many: { value: ['x.y', 'z'], regex: true },
    all: { value: '.+', regex: true },
  };
  t.equal(substitute('{a="$one",b=~"${many}",c=~"[[all]]"}', values), '{a="a\\"b",b=~"(x\\\\.y|z)",c=~".+"}');
  t.equal(substitute('${many:regex} ${one:raw}', values), '(x\\.y|z) a"b');
  const unknown: string[] = [];
  t.equal(substitute('"$1" $nothing', values, unknown), '"$1" $nothing');
  t.same(unknown, ['nothing']);
  const range = (ms: number) => ({ from: 0, to: ms });
  t.equal(stepOf(range(60_000), 1000, '1s'), 1000, 'never under the shortest step');
  t.equal(stepOf(range(90 * 86_400_000), 200, '1m'), 43_200_000);
  t.equal(stepOf(range(3_600_000), 1000, undefined), 5000);
});
