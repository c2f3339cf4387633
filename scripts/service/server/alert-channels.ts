/** The channels of mayfly.yaml by which somebody is told of a change. Pure. */
import { createHash } from 'node:crypto';
import type { Alert, ServiceConfig } from '../../config/service.ts';

/** The names of the channels of alerts begin with it. */
export const ALERT = 'alert';

/** `alert`, the kind, and 12 digits of a hash of its configuration: another configuration is another channel. */
export function channelOf(alert: Alert): string {
  const sorted = Object.entries(alert).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${ALERT} ${alert.kind} ${createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 12)}`;
}

/** Whether changes of a benchmark go to this channel. An issue needs a repository to be made in. */
export const concerns = ({ kind, benchmarks }: Alert, benchmark: string, { repositories }: ServiceConfig): boolean =>
  (benchmarks?.includes(benchmark) ?? true) &&
  (kind !== 'issue' || repositories.some((one) => one.benchmarks.includes(benchmark)));
