/**
 * Every query of every dashboard against a real archive: it has an answer, and legends, links, columns and units fit
 * the answer.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import {
  type Api,
  type Asked,
  askAnnotation,
  askPanel,
  type Dashboard,
  type Panel,
  regionsOf,
  resolve,
  type TimeRange,
  type Values,
} from './grafana.ts';

const FOLDER = join(import.meta.dirname, '../../grafana/dashboards');

export const dashboards: Record<string, Dashboard> = Object.fromEntries(
  readdirSync(FOLDER).map((file) => [file.replace('.json', ''), JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))]),
);

export interface Opened {
  dashboard: Dashboard;
  values: Values;
  options: Record<string, string[]>;
  range: TimeRange;
}

/**
 * Opens a dashboard as a link does, asks everything, and proves the answers; returns them by panel. `absent`: labels
 * that the runs shown need not have.
 */
export async function prove(
  t: Test,
  name: string,
  given: Record<string, string | string[]>,
  range: TimeRange,
  api: Api,
  absent: string[] = [],
): Promise<Opened & { asked: Map<Panel, Asked[]> }> {
  const dashboard = dashboards[name]!;
  const options: Record<string, string[]> = {};
  const unknown: string[] = [];
  const values = await resolve(dashboard, given, range, api, options, unknown);
  for (const [variable, found] of Object.entries(options)) t.ok(found.length > 0, `variable ${variable} has options`);
  for (const [variable, value] of Object.entries(given))
    for (const one of [value].flat())
      t.ok(one === '$__all' || options[variable]!.includes(one), `${one} is an option of ${variable}`);

  const asked = new Map<Panel, Asked[]>();
  for (const panel of queriedPanels(dashboard)) {
    const answers = await askPanel(panel, values, options, range, api, unknown);
    asked.set(panel, answers);
    provePanel(t, panel, answers, absent);
  }
  for (const annotation of dashboard.annotations.list) {
    const answer = await askAnnotation(annotation, values, range, api, unknown);
    t.ok(answer.series.length > 0, `${answer.panel} has data: ${answer.expr}`);
    proveLabels(t, answer, `${annotation.titleFormat} ${annotation.textFormat}`);
    t.ok(regionsOf(answer).length > 0, `${answer.panel} draws something`);
  }
  t.same(unknown, [], 'every variable in a query is known');
  return { dashboard, values, options, range, asked };
}

export const queriedPanels = (dashboard: Dashboard): Panel[] => dashboard.panels.filter(({ type }) => type !== 'row');

function provePanel(t: Test, panel: Panel, answers: Asked[], absent: string[]): void {
  for (const target of panel.targets!) {
    const mine = answers.filter(({ ref }) => ref === target.refId);
    // A repeated panel asks for each unit in its own query: of the metrics together each has one.
    const withData = mine.filter(({ series }) =>
      series.some(({ values }) => values.some(([, value]) => Number.isFinite(value))),
    );
    t.ok(withData.length > 0, `${panel.title} ${target.refId} has data: ${mine[0]?.expr}`);
    for (const answer of withData) {
      if (target.legendFormat) proveLabels(t, answer, target.legendFormat);
      if (panel.type === 'heatmap')
        t.ok(
          answer.series.every(({ histogram }) => histogram),
          `${answer.panel} is of native histograms`,
        );
      else
        t.notOk(
          answer.series.some(({ histogram }) => histogram),
          `${answer.panel} ${answer.ref} is of numbers`,
        );
      if (panel.type === 'timeseries' && !target.instant) {
        const names = answer.series.map(({ metric }) => nameOf(target.legendFormat!, metric));
        t.equal(
          new Set(names).size,
          names.length,
          `${answer.panel} ${answer.ref}: the legend tells its series apart: ${names.join(' | ')}`,
        );
      }
      proveUnit(t, panel, answer);
    }
  }
  if (panel.targets!.some(({ instant }) => instant)) proveTable(t, panel, answers, absent);
}

const nameOf = (legend: string, labels: Record<string, string>): string =>
  legend.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');

/** Labels that only series of release lines, or of variants, have: that of all others is empty, which is none. */
const OF_SOME = ['branch', 'variant'];

function proveLabels(t: Test, { panel, series }: Asked, format: string): void {
  for (const [, label] of format.matchAll(/\{\{(\w+)\}\}/g))
    t.ok(
      OF_SOME.includes(label!) || series.every(({ metric }) => metric[label!]),
      `${panel}: every series has the label ${label}`,
    );
}

/** Fields that Grafana makes of the answers of a table's queries. */
function fieldsOf(answers: Asked[]): Set<string> {
  return new Set(
    answers
      .filter(({ series }) => series.length > 0)
      .flatMap(({ ref, series }) => [`Value #${ref}`, ...series.flatMap(({ metric }) => Object.keys(metric))]),
  );
}

/**
 * The rows are joined by a label that names one row of each query, and no column, link or setting names a field that is
 * not there.
 */
function proveTable(t: Test, panel: Panel, answers: Asked[], absent: string[]): void {
  const by: string = panel.transformations!.find(({ id }) => id === 'joinByField')!.options.byField;
  for (const { panel: title, ref, series } of answers) {
    const keys = series.map(({ metric }) => metric[by]);
    t.ok(keys.every(Boolean), `${title} ${ref}: every row has ${by}`);
    t.equal(new Set(keys).size, keys.length, `${title} ${ref}: one row for each ${by}`);
  }
  const fields = new Set([...fieldsOf(answers), ...absent, ...OF_SOME]);
  const kept: string[] = panel.transformations!.find(({ id }) => id === 'filterFieldsByName')!.options.include.names;
  for (const field of kept) t.ok(fields.has(field), `${panel.title}: there is a field ${field}`);
  for (const { id, options } of panel.transformations!) {
    const named: string[] =
      id === 'convertFieldType'
        ? options.conversions.map((one: any) => one.targetField)
        : id === 'sortBy'
          ? options.sort.map((one: any) => one.field)
          : id === 'partitionByValues'
            ? options.fields
            : [];
    for (const field of named) t.ok(kept.includes(field), `${panel.title}: ${id} names the kept field ${field}`);
  }
  for (const { matcher } of panel.fieldConfig!.overrides)
    t.ok(kept.includes(matcher.options), `${panel.title}: a setting names the kept field ${matcher.options}`);
  for (const { url } of linksOf(panel))
    for (const [, field] of url.matchAll(/__data\.fields(?:\.|\[")([^"}]+)["}]/g))
      t.ok(kept.includes(field!), `${panel.title}: a link names the kept field ${field}`);
}

export const linksOf = (panel: Panel): { title: string; url: string }[] =>
  panel.fieldConfig!.overrides.flatMap(({ properties }) =>
    properties.filter(({ id }) => id === 'links').flatMap(({ value }) => value),
  );

/** Unit in which a query's values are shown. */
export function unitOf(panel: Panel, { ref, target, series }: Asked): string {
  const { defaults, overrides } = panel.fieldConfig!;
  const names = [
    `Value #${ref}`,
    ...(target.legendFormat ? series.map(({ metric }) => nameOf(target.legendFormat!, metric)) : []),
  ];
  const matches = ({ id, options }: { id: string; options: string }) =>
    id === 'byName'
      ? names.includes(options)
      : names.some((name) => new RegExp(options.slice(1, options.lastIndexOf('/'))).test(name));
  return (
    overrides
      .filter(({ matcher }) => matches(matcher))
      .flatMap(({ properties }) => properties.filter(({ id }) => id === 'unit').map(({ value }) => value))
      .at(-1) ?? defaults.unit
  );
}

/** What a unit's values can be, for a run of seconds on one machine. */
const PLAUSIBLE: Record<string, [number, number]> = {
  s: [0, 3600], // durations of runs among them
  bytes: [1024, 1e11],
  Bps: [0, 1e9],
  percentunit: [-1, 1000], // changes and differences among them
  reqps: [0, 1e5],
  'suffix: cores': [0, 256],
  short: [0, 1e5],
  none: [0, 1000],
  dateTimeAsIso: [Date.parse('2020-01-01'), Date.parse('2120-01-01')],
};

/** Unit of a series by the name of its metric and what is made of it, where that follows from the name. */
function unitByName(expr: string): string | null {
  if (/^\(?sum\(.*\) - 1$/.test(expr)) return 'percentunit';
  if (expr.startsWith('histogram_quantile')) return 's';
  if (expr.includes('mayfly_requests_total')) return expr.includes(') / ') ? 'percentunit' : 'reqps';
  if (expr.includes('_cpu_usage_seconds_total')) return 'suffix: cores';
  if (/rate\(\w+_seconds_(total|sum)/.test(expr)) return 'percentunit';
  if (/rate\(\w+_bytes_total/.test(expr)) return 'Bps';
  if (/_bytes\{/.test(expr) && !expr.includes('rate(')) return 'bytes';
  return null;
}

const TREND_UNITS: Record<string, string[]> = {
  s: ['s'],
  bytes: ['bytes'],
  ratio: ['percentunit'],
  '1/s': ['short', 'reqps'],
  count: ['short'],
};

function proveUnit(t: Test, panel: Panel, answer: Asked): void {
  const unit = unitOf(panel, answer);
  if (
    panel.fieldConfig!.overrides.some(
      ({ matcher, properties }) =>
        matcher.options === `Value #${answer.ref}` &&
        properties.some(({ id, value }) => (id === 'custom.hideFrom' || id === 'custom.hidden') && value),
    )
  )
    return;
  for (const { metric } of answer.series)
    if (metric.unit)
      t.ok(
        TREND_UNITS[metric.unit]!.includes(unit) || answer.ref === 'start',
        `${answer.panel} ${answer.ref}: ${metric.unit} is shown as ${unit}`,
      );
  const byName =
    answer.target.format === 'heatmap' || /\bmayfly_\w+\{/.test(answer.expr) ? null : unitByName(answer.expr);
  if (byName) t.equal(unit, byName, `${answer.panel} ${answer.ref}: unit of ${answer.expr}`);
  if (answer.target.format === 'heatmap' || (panel.type === 'timeseries' && answer.ref === 'start')) return;
  const range = PLAUSIBLE[unit];
  t.ok(range, `${answer.panel}: the unit ${unit} is known`);
  const values = answer.series.flatMap((one) => one.values.map(([, value]) => value)).filter(Number.isFinite);
  t.ok(
    values.every((value) => value >= range![0] && value <= range![1]),
    `${answer.panel} ${answer.ref}: ${Math.min(...values)} to ${Math.max(...values)} is plausible in ${unit}`,
  );
}

/** The answer of one query of one panel. */
export function answerOf(asked: Map<Panel, Asked[]>, title: string, ref: string): Asked {
  for (const answers of asked.values())
    for (const answer of answers) if (answer.panel === title && answer.ref === ref) return answer;
  throw new Error(`no query ${ref} in a panel ${title}`);
}
