/** The metrics of two sides or two runs beside each other, a table for each unit. Pure. */
import { tablePanel } from './panels.ts';
import { UNITS } from './queries.ts';

interface Column {
  ref: string;
  title: string;
  /** PromQL of the values in this unit, by metric. */
  expr(unit: string): string;
}

/** `change`: its title, and the columns of which the first is taken relative to the second. */
export function metricTables(
  description: string,
  columns: [Column, Column],
  change: { title: string; of: Column; to: Column },
) {
  return UNITS.map(({ unit, grafana, title }) =>
    tablePanel({
      title,
      description,
      unit: grafana,
      width: 12,
      height: 9,
      joinBy: 'metric',
      noValue: 'no metric in this unit, or no valid round',
      queries: [
        ...columns.map(({ ref, expr }) => ({ ref, expr: expr(unit) })),
        { ref: 'change', expr: `(${change.of.expr(unit)}) / (${change.to.expr(unit)} != 0) - 1` },
      ],
      columns: [
        { field: 'metric', title: 'Metric' },
        ...columns.map(({ ref, title }) => ({ field: `Value #${ref}`, title })),
        { field: 'Value #change', title: change.title, unit: 'percentunit' },
      ],
    }),
  );
}
