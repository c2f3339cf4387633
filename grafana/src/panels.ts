/** Panels, variables, annotations and dashboards in Mayfly's style: the only file that knows Grafana's SDK. */
import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  LineInterpolation,
  SortOrder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type AnnotationQuery,
  AnnotationQueryBuilder,
  CustomVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type DataTransformerConfig,
  type DynamicConfigValue,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableHide,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  PanelBuilder as HeatmapBuilder,
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  HeatmapColorScale,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

export type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';

/** The data source of grafana/provisioning/datasources. */
export const DATASOURCE = { type: 'prometheus', uid: 'thanos' };

/** Columns of Grafana's grid. */
const FULL_WIDTH = 24;

export interface Query {
  /** Names the field of a table's query, `Value #<ref>`. Letters by position where absent. */
  ref?: string;
  expr: string;
  /** With `{{label}}` for the value of a label. */
  legend?: string;
}

export interface Link {
  title: string;
  url: string;
}

interface PanelSpec {
  title: string;
  /** What is shown, what it is measured by, and how to read it. */
  description: string;
  /** Unit of Grafana: s, bytes, percentunit, reqps, short, ... */
  unit: string;
  queries: Query[];
  width?: number;
  height?: number;
  /** Shown where a query has no answer. */
  noValue?: string;
  /** Name of a variable: one panel for each of its values. */
  repeat?: string;
}

export interface SeriesSpec extends PanelSpec {
  /** Shortest step of the query; that of the scrapes where absent. */
  minStep?: string;
  maxDataPoints?: number;
  /** Lower end of the axis; 0 where absent, null for one chosen by the data. */
  min?: number | null;
  steps?: boolean;
  /** Regular expression of a series' name -> unit, where the panel's series are of several. */
  units?: { regex: string; unit: string }[];
}

/** Lines over time, from range queries. */
export function seriesPanel(spec: SeriesSpec): TimeSeriesBuilder {
  const panel = place(new TimeSeriesBuilder(), spec)
    .targets(
      spec.queries.map((query, index) =>
        target(query, index)
          .range()
          .legendFormat(query.legend ?? '')
          .interval(spec.minStep ?? '1s'),
      ),
    )
    .interval(spec.minStep ?? '1s')
    .lineWidth(1)
    .fillOpacity(0)
    .lineInterpolation(spec.steps ? LineInterpolation.StepAfter : LineInterpolation.Linear)
    .showPoints(VisibilityMode.Auto)
    .spanNulls(false)
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.None));
  if (spec.min !== null) panel.min(spec.min ?? 0);
  if (spec.maxDataPoints) panel.maxDataPoints(spec.maxDataPoints);
  for (const { regex, unit } of spec.units ?? []) panel.overrideByRegexp(regex, [{ id: 'unit', value: unit }]);
  return panel;
}

/** A heat map over time of one native histogram. */
export function heatmapPanel(spec: PanelSpec & { queries: [Query] }): HeatmapBuilder {
  return (
    place(new HeatmapBuilder(), spec)
      .targets(
        spec.queries.map((query, index) =>
          target(query, index)
            .range()
            .format(PromQueryFormat.Heatmap)
            .legendFormat(query.legend ?? '')
            .interval('1s'),
        ),
      )
      .interval('1s')
      // Grafana draws a column for each point: no more than can be told apart.
      .maxDataPoints(400)
      .calculate(false)
      .yAxis(new YAxisConfigBuilder().unit(spec.unit))
      .color(
        new HeatmapColorOptionsBuilder()
          .mode(HeatmapColorMode.Scheme)
          .scheme('Oranges')
          .scale(HeatmapColorScale.Exponential)
          .exponent(0.5)
          .steps(64),
      )
      .showLegend()
  );
}

export interface Column {
  /** Name of the field: a label, or `Value #<ref>`. */
  field: string;
  title: string;
  unit?: string;
  width?: number;
  links?: Link[];
  /** Kept for links, not shown. */
  hidden?: boolean;
  /** Text in place of a value. */
  texts?: Record<string, { text: string; color?: string }>;
}

export interface TableSpec extends Omit<PanelSpec, 'unit'> {
  unit?: string;
  /** Label by which the answers of the queries become one row. */
  joinBy: string;
  /** In the order shown. What is not named is dropped. */
  columns: Column[];
  sortBy?: { field: string; desc: boolean };
}

/** A table from instant queries at the end of the dashboard's time range, joined by a label. */
export function tablePanel(spec: TableSpec): TableBuilder {
  const panel = place(new TableBuilder(), { ...spec, unit: spec.unit ?? 'short' })
    .targets(spec.queries.map(instantTarget))
    .transformations(
      joined(
        spec.joinBy,
        spec.columns.map(({ field }) => field),
        spec.sortBy,
      ),
    )
    .filterable(true)
    .showHeader(true);
  for (const column of spec.columns) panel.overrideByName(column.field, columnSettings(column));
  return panel;
}

function columnSettings({ title, unit, width, links, hidden, texts }: Column): DynamicConfigValue[] {
  return [
    { id: 'displayName', value: title },
    ...(unit ? [{ id: 'unit', value: unit }] : []),
    ...(width ? [{ id: 'custom.width', value: width }] : []),
    ...(links ? [{ id: 'links', value: links }] : []),
    // Older releases of Grafana read the first, newer ones the second.
    ...(hidden
      ? [
          { id: 'custom.hidden', value: true },
          { id: 'custom.hideFrom', value: HIDDEN },
        ]
      : []),
    ...(texts ? [{ id: 'mappings', value: [{ type: 'value', options: texts }] }] : []),
  ];
}

const HIDDEN = { viz: true, legend: true, tooltip: true };

/** Several answers -> one frame with these fields in this order. */
function joined(by: string, fields: string[], sortBy?: { field: string; desc: boolean }): DataTransformerConfig[] {
  return [
    { id: 'joinByField', options: { byField: by, mode: 'outer' } },
    { id: 'filterFieldsByName', options: { include: { names: fields } } },
    {
      id: 'organize',
      options: {
        indexByName: Object.fromEntries(fields.map((field, index) => [field, index])),
        excludeByName: {},
        renameByName: {},
      },
    },
    ...(sortBy ? [{ id: 'sortBy', options: { fields: {}, sort: [sortBy] } }] : []),
  ];
}

export interface PointsSpec extends PanelSpec {
  joinBy: string;
  /** Field with the time of a point in epoch milliseconds. */
  time: string;
  /** Fields drawn, with their units; of each point one has a value. */
  values: { field: string; unit: string }[];
  /** Label that tells the points apart by colour. */
  colourBy: string;
  /** Further fields that the links use. */
  kept: string[];
  links: Link[];
}

/** Points over time from instant queries: as many as there are rows, however long the time range. */
export function pointsPanel(spec: PointsSpec): TimeSeriesBuilder {
  const fields = [spec.time, ...spec.values.map(({ field }) => field), spec.colourBy, spec.joinBy, ...spec.kept];
  const panel = place(new TimeSeriesBuilder(), spec)
    .targets(spec.queries.map(instantTarget))
    .transformations([
      ...joined(spec.joinBy, [...new Set(fields)]),
      {
        id: 'convertFieldType',
        options: { conversions: [{ targetField: spec.time, destinationType: 'time' }], fields: {} },
      },
      { id: 'sortBy', options: { fields: {}, sort: [{ field: spec.time, desc: false }] } },
      { id: 'partitionByValues', options: { fields: [spec.colourBy], keepFields: true, naming: { asLabels: true } } },
    ])
    .drawStyle(GraphDrawStyle.Points)
    .showPoints(VisibilityMode.Always)
    .pointSize(7)
    .legend(legend())
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single).sort(SortOrder.None));
  for (const { field, unit } of spec.values) {
    panel.overrideByName(field, [
      { id: 'unit', value: unit },
      { id: 'displayName', value: `\${__field.labels.${spec.colourBy}}` },
      { id: 'links', value: spec.links },
    ]);
  }
  for (const field of spec.kept) panel.overrideByName(field, [{ id: 'custom.hideFrom', value: HIDDEN }]);
  return panel;
}

const legend = () =>
  new VizLegendOptionsBuilder()
    .displayMode(LegendDisplayMode.Table)
    .placement(LegendPlacement.Bottom)
    .showLegend(true)
    .calcs(['mean', 'max']);

interface Placeable {
  title(title: string): this;
  description(text: string): this;
  unit(unit: string): this;
  datasource(ref: typeof DATASOURCE): this;
  span(columns: number): this;
  height(rows: number): this;
  noValue(text: string): this;
  repeat(variable: string): this;
  repeatDirection(direction: 'h' | 'v'): this;
  maxPerRow(panels: number): this;
}

function place<T extends Placeable>(
  panel: T,
  { title, description, unit, width, height, noValue, repeat }: PanelSpec,
): T {
  panel
    .title(title)
    .description(description)
    .unit(unit)
    .datasource(DATASOURCE)
    .span(width ?? (repeat ? FULL_WIDTH : FULL_WIDTH / 2))
    .height(height ?? 9);
  panel.noValue(noValue ?? 'no data');
  // Grafana divides a whole line of the grid among the panels.
  if (repeat) panel.repeat(repeat).repeatDirection('h').maxPerRow(3);
  return panel;
}

function target({ ref, expr }: Query, index: number): DataqueryBuilder {
  return new DataqueryBuilder()
    .datasource(DATASOURCE)
    .refId(ref ?? String.fromCharCode(65 + index))
    .expr(expr)
    .exemplar(false);
}

const instantTarget = (query: Query, index: number): DataqueryBuilder =>
  target(query, index).instant().format(PromQueryFormat.Table);

/** Grafana's numbers for what a variable's query is. */
const QUERY_TYPE = { label_values: 1, query_result: 3 } as const;

export interface VariableSpec {
  name: string;
  label: string;
  description: string;
  /** `label_values(…)` or `query_result(…)`. */
  query: string;
  regex?: string;
  /** Several values at once, and all of them. */
  multi?: boolean;
  /** Chosen at first. All, where `multi` and absent. */
  current?: string[];
  hidden?: boolean;
  /** Asked again when the time range changes; else when the dashboard is opened. */
  onTimeRange?: boolean;
  /** Keeps the order of the answer. */
  inOrder?: boolean;
}

export function variable(spec: VariableSpec): QueryVariableBuilder {
  const kind = spec.query.startsWith('label_values(') ? 'label_values' : 'query_result';
  const built = new QueryVariableBuilder(spec.name)
    .label(spec.label)
    .description(spec.description)
    .datasource(DATASOURCE)
    .query({ qryType: QUERY_TYPE[kind], query: spec.query, refId: 'PrometheusVariableQueryEditor-VariableQuery' })
    .definition(spec.query)
    .regex(spec.regex ?? '')
    .refresh(spec.onTimeRange ? VariableRefresh.OnTimeRangeChanged : VariableRefresh.OnDashboardLoad)
    .sort(spec.inOrder ? VariableSort.Disabled : VariableSort.AlphabeticalAsc);
  if (spec.hidden) built.hide(VariableHide.HideVariable);
  if (spec.multi)
    built
      .multi(true)
      .includeAll(true)
      .allValue('.+')
      .current(spec.current ? { text: spec.current, value: spec.current } : { text: ['All'], value: ['$__all'] });
  return built;
}

/** A variable with fixed values; the first is chosen. */
export function choice(
  name: string,
  label: string,
  description: string,
  values: [string, ...string[]],
): CustomVariableBuilder {
  return new CustomVariableBuilder(name)
    .label(label)
    .description(description)
    .values(values.join(','))
    .options(values.map((value, index) => ({ text: value, value, selected: index === 0 })))
    .current({ text: values[0], value: values[0] });
}

export interface AnnotationSpec {
  name: string;
  expr: string;
  colour: string;
  title: string;
  text: string;
  /** Shortest step. Grafana asks for a hundred points of an annotation. */
  step: string;
}

/** Regions where the expression is above 0. */
export function annotation({ name, expr, colour, title, text, step }: AnnotationSpec): { build(): AnnotationQuery } {
  const built = new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(colour)
    .expr(expr)
    .titleFormat(title)
    .textFormat(text)
    .step(step)
    .build();
  // Older releases of Grafana 12 read expr and step beside it, later ones read `target`.
  return {
    build: () => ({
      ...built,
      target: new DataqueryBuilder().refId('Anno').datasource(DATASOURCE).expr(expr).range().interval(step).build(),
    }),
  };
}

export interface DashboardSpec {
  uid: string;
  title: string;
  description: string;
  from: string;
  variables: { build(): VariableModel }[];
  annotations?: { build(): AnnotationQuery }[];
  /** Headings with their panels, in order. */
  rows: { title: string; panels: { build(): Panel }[] }[];
}

/** The whole dashboard; ids are given by position. */
export function dashboard(spec: DashboardSpec): Dashboard {
  const builder = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags(['mayfly'])
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: spec.from, to: 'now' })
    .refresh('')
    .readonly()
    .variables(spec.variables)
    .annotations(spec.annotations ?? [])
    .links([
      new DashboardLinkBuilder('Mayfly')
        .type(DashboardLinkType.Dashboards)
        .tags(['mayfly'])
        .asDropdown(true)
        .includeVars(false)
        .keepTime(false),
    ]);
  for (const row of spec.rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panel);
  }
  const built = builder.build();
  built.panels?.forEach((panel, index) => (panel.id = index + 1));
  return built;
}
