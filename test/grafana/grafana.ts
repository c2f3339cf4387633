/**
 * What Grafana does with a dashboard on its way to the data source: variables, intervals, queries. Grafana itself is
 * not needed.
 */

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: string;
  interval?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  repeat?: string;
  maxDataPoints?: number;
  targets?: Target[];
  transformations?: { id: string; options: any }[];
  fieldConfig?: {
    defaults: any;
    overrides: { matcher: { id: string; options: any }; properties: { id: string; value: any }[] }[];
  };
  options?: any;
  gridPos: { x: number; y: number; w: number; h: number };
}

export interface Variable {
  type: string;
  name: string;
  label?: string;
  query: any;
  regex?: string;
  sort?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string;
  current?: { value: string | string[] };
  options?: { value: string }[];
  refresh?: number;
}

export interface Annotation {
  name: string;
  expr: string;
  titleFormat: string;
  textFormat: string;
  step: string;
  target: Target;
}

export interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
}

/** Milliseconds since the epoch. */
export interface TimeRange {
  from: number;
  to: number;
}

/** What a variable stands for: one value, or several. */
export type Values = Record<string, { value: string | string[]; regex: boolean }>;

/** Shortest interval of the data source, in ms: jsonData.timeInterval. */
const SCRAPE_MS = 1000;
/** Points of a panel that says nothing: about its width. */
const PANEL_POINTS = 1000;
/** Points of an annotation. */
const ANNOTATION_POINTS = 100;

const VARIABLE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}/g;

/** Replaces every variable. What is none of the given ones stays, as in Grafana; `unknown` gets their names. */
export function substitute(text: string, values: Values, unknown: string[] = []): string {
  return text.replace(VARIABLE, (whole, bare, bracket, bracketFormat, braced, _path, bracedFormat) => {
    const name = bare ?? bracket ?? braced;
    const known = values[name];
    if (!known) {
      if (!/^\d+$/.test(name)) unknown.push(name); // $1: of label_replace
      return whole;
    }
    return format(known, bracketFormat ?? bracedFormat);
  });
}

function format({ value, regex }: Values[string], how: string | undefined): string {
  const all = [value].flat();
  if (how === 'regex') return grouped(all.map(escapeRegex));
  if (how === 'raw' || how === 'csv') return all.join(',');
  if (how !== undefined) throw new Error(`format ${how} is not known to this test`);
  if (regex)
    return all.length === 1 && all[0] === '.+'
      ? '.+'
      : grouped(all.map((one) => escapeRegex(one).replaceAll('\\', '\\\\')));
  return all.join(',').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

const grouped = (values: string[]): string => (values.length === 1 ? values[0]! : `(${values.join('|')})`);
const escapeRegex = (text: string): string => text.replace(/[\\^$*+?.()|[\]{}]/g, '\\$&');

/** `10s` -> 10000. */
export function toMs(interval: string): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(interval)!;
  return Number(count) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's'];
}

const toText = (ms: number): string => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);

/** Grafana's round intervals: [shorter than, taken], in ms. */
const ROUND: [number, number][] = [
  [10, 1],
  [15, 10],
  [35, 20],
  [75, 50],
  [150, 100],
  [350, 200],
  [750, 500],
  [1500, 1000],
  [3500, 2000],
  [7500, 5000],
  [12_500, 10_000],
  [17_500, 15_000],
  [25_000, 20_000],
  [45_000, 30_000],
  [90_000, 60_000],
  [210_000, 120_000],
  [450_000, 300_000],
  [750_000, 600_000],
  [1_050_000, 900_000],
  [1_500_000, 1_200_000],
  [2_700_000, 1_800_000],
  [5_400_000, 3_600_000],
  [9_000_000, 7_200_000],
  [16_200_000, 10_800_000],
  [32_400_000, 21_600_000],
  [86_400_000, 43_200_000],
  [604_800_000, 86_400_000],
  [1_814_400_000, 604_800_000],
  [3_628_800_000, 2_592_000_000],
];

/** Step of a range query in ms. */
export function stepOf(range: TimeRange, points: number, minStep: string | undefined): number {
  const exact = (range.to - range.from) / points;
  const round = ROUND.find(([limit]) => exact < limit)?.[1] ?? 31_536_000_000;
  return Math.max(round, minStep ? toMs(minStep) : SCRAPE_MS);
}

function builtIns(range: TimeRange, stepMs: number, minStep: string | undefined): Values {
  const scrape = minStep ? toMs(minStep) : SCRAPE_MS;
  const rangeS = Math.round((range.to - range.from) / 1000);
  const fixed = (value: string | number) => ({ value: String(value), regex: false });
  return {
    __interval: fixed(toText(stepMs)),
    __interval_ms: fixed(stepMs),
    __rate_interval: fixed(toText(Math.max(stepMs + scrape, 4 * scrape))),
    __range: fixed(`${rangeS}s`),
    __range_s: fixed(rangeS),
    __range_ms: fixed(range.to - range.from),
    __from: fixed(range.from),
    __to: fixed(range.to),
  };
}

export interface Series {
  metric: Record<string, string>;
  /** Seconds and number; of a histogram its count. */
  values: [number, number][];
  histogram: boolean;
}

/** The query API of a Thanos. */
export class Api {
  readonly url: string;
  constructor(url: string) {
    this.url = `${url.replace(/\/$/, '')}/api/v1`;
  }

  async #get(path: string, parameters: Record<string, string>): Promise<any> {
    const response = await fetch(
      `${this.url}${path}`,
      path.startsWith('/query')
        ? { method: 'POST', body: new URLSearchParams({ ...parameters, partial_response: 'false' }) }
        : {},
    );
    const answer: any = await response.json();
    if (answer.status !== 'success') throw new Error(`${parameters.query ?? path}: ${answer.error}`);
    if (answer.warnings?.length > 0) throw new Error(`${parameters.query ?? path}: ${answer.warnings.join('; ')}`);
    return answer.data;
  }

  /** The answer of an instant query as the API gives it, in its order. */
  instantRaw(query: string, atMs: number): Promise<{ resultType: string; result: any[] }> {
    return this.#get('/query', { query, time: String(atMs / 1000) });
  }

  async instant(query: string, atMs: number): Promise<Series[]> {
    const { result } = await this.instantRaw(query, atMs);
    return result.map((one) => ({
      metric: one.metric,
      values: [[one.value[0], Number(one.value[1])]],
      histogram: false,
    }));
  }

  async range(query: string, range: TimeRange, stepMs: number): Promise<Series[]> {
    const [start, end] = [range.from, range.to].map((at) => (Math.floor(at / stepMs) * stepMs) / 1000);
    const { result } = await this.#get('/query_range', {
      query,
      start: String(start),
      end: String(end),
      step: String(stepMs / 1000),
    });
    return result.map((one: any) => ({
      metric: one.metric,
      values: one.histograms
        ? one.histograms.map(([at, histogram]: any) => [at, Number(histogram.count)])
        : one.values.map(([at, value]: any) => [at, Number(value)]),
      histogram: Boolean(one.histograms),
    }));
  }

  labelValues(label: string, match: string, range: TimeRange): Promise<string[]> {
    return this.#get(
      `/label/${label}/values?${new URLSearchParams({ 'match[]': match, start: String(range.from / 1000), end: String(range.to / 1000) })}`,
      {},
    );
  }
}

/** The options of a variable of type query. */
export async function optionsOf(
  variable: Variable,
  values: Values,
  range: TimeRange,
  api: Api,
  unknown: string[] = [],
): Promise<{ text: string; value: string }[]> {
  const query = substitute(variable.query.query, { ...values, ...builtIns(range, SCRAPE_MS, undefined) }, unknown);
  const texts = await findTexts(query, range, api);
  const options = texts.flatMap((text) => applyRegex(variable.regex ?? '', text));
  const unique = [...new Map(options.map((option) => [option.value, option])).values()];
  return variable.sort === 0 ? unique : unique.toSorted((a, b) => a.text.localeCompare(b.text));
}

async function findTexts(query: string, range: TimeRange, api: Api): Promise<string[]> {
  const labelValues = /^label_values\((.+),\s*(\w+)\)$/.exec(query);
  if (labelValues) return api.labelValues(labelValues[2]!, labelValues[1]!, range);
  const queryResult = /^query_result\((.+)\)$/.exec(query);
  if (!queryResult) throw new Error(`not a query of a variable: ${query}`);
  const { result } = await api.instantRaw(queryResult[1]!, range.to);
  return result.map(
    ({ metric: { __name__ = '', ...labels }, value }) =>
      `${__name__}{${Object.entries(labels)
        .map(([name, one]) => `${name}="${one}"`)
        .join(',')}} ${value[1]} ${value[0] * 1000}`,
  );
}

function applyRegex(regex: string, text: string): { text: string; value: string }[] {
  if (regex === '') return [{ text, value: text }];
  const match = new RegExp(regex.slice(1, regex.lastIndexOf('/'))).exec(text);
  if (!match) return [];
  const value = match.groups?.value ?? match.groups?.text ?? match[1]!;
  return [{ value, text: match.groups?.text ?? value }];
}

/**
 * Every variable in order: from `given` (the parameters var-… of a link), else what is current where it is an option,
 * else the first. `options` gets what there was to choose from.
 */
export async function resolve(
  dashboard: Dashboard,
  given: Record<string, string | string[]>,
  range: TimeRange,
  api: Api,
  options: Record<string, string[]> = {},
  unknown: string[] = [],
): Promise<Values> {
  const values: Values = {};
  for (const variable of dashboard.templating.list) {
    const found =
      variable.type === 'custom'
        ? variable.options!.map(({ value }) => value)
        : (await optionsOf(variable, values, range, api, unknown)).map(({ value }) => value);
    options[variable.name] = found;
    const current = [variable.current?.value ?? []]
      .flat()
      .filter((value) => found.includes(value) || value === '$__all');
    const chosen = given[variable.name] ?? (current.length > 0 ? current : found.slice(0, 1));
    const all = variable.includeAll && [chosen].flat()[0] === '$__all';
    values[variable.name] = {
      value: all ? (variable.allValue ?? found) : variable.multi ? [chosen].flat() : ([chosen].flat()[0] ?? ''),
      regex: Boolean(variable.multi || variable.includeAll),
    };
  }
  return values;
}

export interface Asked {
  panel: string;
  ref: string;
  expr: string;
  /** In ms. */
  step: number;
  target: Target;
  series: Series[];
}

/** Every query of the panel, once for each value of the variable that it is repeated by. */
export async function askPanel(
  panel: Panel,
  values: Values,
  options: Record<string, string[]>,
  range: TimeRange,
  api: Api,
  unknown: string[] = [],
): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (const scoped of repeats(panel, values, options)) {
    for (const target of panel.targets ?? []) {
      const step = stepOf(range, panel.maxDataPoints ?? PANEL_POINTS, target.interval);
      const expr = substitute(target.expr, { ...scoped, ...builtIns(range, step, target.interval) }, unknown);
      const series = target.instant ? await api.instant(expr, range.to) : await api.range(expr, range, step);
      asked.push({ panel: substitute(panel.title, scoped), ref: target.refId, expr, step, target, series });
    }
  }
  return asked;
}

function repeats(panel: Panel, values: Values, options: Record<string, string[]>): Values[] {
  if (!panel.repeat) return [values];
  const { value, regex } = values[panel.repeat]!;
  const each = value === '.+' ? options[panel.repeat]! : [value].flat();
  return each.map((one) => ({ ...values, [panel.repeat!]: { value: one, regex } }));
}

export async function askAnnotation(
  annotation: Annotation,
  values: Values,
  range: TimeRange,
  api: Api,
  unknown: string[] = [],
): Promise<Asked> {
  const step = stepOf(range, ANNOTATION_POINTS, annotation.target.interval);
  const expr = substitute(
    annotation.target.expr,
    { ...values, ...builtIns(range, step, annotation.target.interval) },
    unknown,
  );
  return {
    panel: `annotation ${annotation.name}`,
    ref: 'Anno',
    expr,
    step,
    target: annotation.target,
    series: await api.range(expr, range, step),
  };
}

/** Regions that Grafana draws: points above 0 not more than a step apart. Milliseconds. */
export function regionsOf({ series, step }: Asked): { labels: Record<string, string>; from: number; to: number }[] {
  return series.flatMap(({ metric, values }) => {
    const regions: { labels: Record<string, string>; from: number; to: number }[] = [];
    for (const [at] of values.filter(([, value]) => value > 0)) {
      const last = regions.at(-1);
      if (last && last.to + step >= at * 1000) last.to = at * 1000;
      else regions.push({ labels: metric, from: at * 1000, to: at * 1000 });
    }
    return regions;
  });
}
