/** The requests of a run as a table of percentiles (`npm run requests`). Pure. */

import { plainText, plural } from '../core/text.ts';
import type { RoundFault, SummaryLine } from '../requests/view.ts';
import { columns } from './columns.ts';
import { formatValue } from './units.ts';

/** schema mayfly.requests-summary/v1: what `npm run requests -- RUN --json` prints. */
export interface RequestsReport {
  schema: 'mayfly.requests-summary/v1';
  run_id: string;
  benchmark: string;
  /** Rounds whose requests are in the figures, or in the file. */
  rounds: number[];
  /** Rounds that do not count, and that were not asked for by their number. */
  left_out: number[];
  /** Requests that were kept, of so many that there were: fewer where the cap has cut some off. */
  requests: number;
  of: number;
  /** Rounds that could not be read, and why. */
  faults: RoundFault[];
  /** Why others are missing. */
  remarks: string[];
  /**
   * By side, all names together (null) and each: percentiles of requests that did not fail. Absent where a file was asked
   * for.
   */
  lines?: SummaryLine[];
  /** Where they were written. */
  out?: { file: string; bytes: number };
}

export function requestsText(document: RequestsReport, color: boolean): string {
  const { lines = [], out } = document;
  const shares = lines.find(({ quantiles }) => quantiles.length > 0)?.quantiles.map(({ share }) => share) ?? [];
  const rows = lines.map(({ side, name, requests, failed, quantiles }) => [
    side,
    name ?? 'all',
    requests.toLocaleString('en'),
    failed.toLocaleString('en'),
    ...shares.map((share) => formatValue(quantiles.find((one) => one.share === share)?.seconds ?? NaN, 's')),
  ]);
  const what = `${plural(document.requests, 'request')}${document.of > document.requests ? ` of ${document.of.toLocaleString('en')} (the rest was beyond the cap)` : ''} in ${plural(document.rounds.length, 'round')}`;
  return [
    ...(rows.length > 0
      ? [
          columns(
            ['side', 'name', 'requests', 'failed', ...shares.map(shareName)],
            rows.map((row) => row.map(plainText)),
            { left: 2, color },
          ),
          '',
        ]
      : []),
    out
      ? `${what} of run ${document.run_id} are in ${out.file} (${formatValue(out.bytes, 'bytes')})`
      : `run ${document.run_id}: ${what}`,
  ].join('\n');
}

/** What is not in them, one line each. */
export function requestsRemarks({ left_out, faults, remarks, out }: RequestsReport): string[] {
  return [
    ...(left_out.length > 0
      ? [
          out
            ? `rounds that do not count are in it too: ${left_out.join(', ')}`
            : `rounds that do not count are left out: ${left_out.join(', ')}; --round=N takes one of them`,
        ]
      : []),
    ...faults.map(({ round, message }) => `the requests of round ${round} are not in it: their file ${message}`),
    ...remarks,
  ].map(plainText);
}

/** p99.9; min and max. */
export function shareName(share: number): string {
  return share === 0 ? 'min' : share === 1 ? 'max' : `p${Number((share * 100).toPrecision(12))}`;
}
