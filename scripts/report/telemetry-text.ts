/** Telemetry files as a table (`npm run telemetry -- summary`). Pure. */
import { plainText, plural } from '../core/text.ts';
import type { TelemetryLabel } from '../telemetry/summary.ts';
import { columns } from './columns.ts';
import { formatValue } from './units.ts';

/** schema mayfly.telemetry-summary/v1: what `npm run telemetry -- summary FILES --json` prints. */
export interface TelemetryDocument {
  schema: 'mayfly.telemetry-summary/v1';
  files: number;
  samples: number;
  labels: TelemetryLabel[];
  notes: string[];
}

export function telemetryText({ files, samples, labels }: TelemetryDocument, color: boolean): string {
  const rows = labels.map(({ prefix, label, unit, count, rate, mean, p50, p95, p99, max }) => [
    prefix,
    plainText(label),
    count.toLocaleString('en'),
    formatValue(rate, '1/s'),
    ...[mean, p50, p95, p99, max].map((value) => formatValue(value, unit)),
  ]);
  return [
    columns(['', 'label', 'count', 'rate', 'mean', 'p50', 'p95', 'p99', 'max'], rows, { left: 2, color }),
    '',
    `${plural(samples, 'sample')} in ${plural(files, 'file')}`,
  ].join('\n');
}
