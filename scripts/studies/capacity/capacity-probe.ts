/** Whether a probe met the objectives. Pure, from the round that it was. */

import type { InvalidCode, Metric, RoundDocument } from '../../documents/run.ts';
import { titleOf } from '../../judge/effect-text.ts';
import { cpuCount } from '../../plan/cpusets.ts';
import type { Plan } from '../../plan/plan.ts';
import { formatValue } from '../../report/units.ts';
import type { Outcome } from './capacity-search.ts';

/**
 * 'disturbed': the host was not itself, so the probe says nothing and is made again. `why` is there where it was not
 * met.
 */
export type Judged = { outcome: 'met' } | { outcome: Exclude<Outcome, 'met'> | 'disturbed'; why: string };

/** Share of the requests that may be under way which are, on average, above which it is the service that keeps them. */
const BUSY_IN_FLIGHT = 0.5;

/**
 * Judges a probe. A request counts from the time at which it was due: where an objective limits a latency, the response
 * time of the same statistic must keep to it too. A load generator that starts too late, or not at all, is to blame
 * itself only while the service answers in time, has CPU left and keeps few requests under way (their number is rate
 * times latency, Little 1961); otherwise it is the service that is slow.
 */
export function judgeProbe(round: RoundDocument, plan: Pick<Plan, 'config' | 'cpusets' | 'host'>): Judged {
  const { objectives, metrics } = plan.config;
  const reasonOf = (...codes: InvalidCode[]) => round.reasons.find(({ code }) => codes.includes(code))?.message;
  const breaches = Object.entries(objectives).flatMap(([name, limit]) =>
    [name, ...fromSchedule(name, round)].flatMap((metric) => breach(metric, limit, round, metrics) ?? []),
  );
  // Its own objective says how many requests may fail, else what is allowed in any round.
  const failing = 'failed_requests' in objectives ? undefined : reasonOf('failed-requests');
  const ofTheService =
    reasonOf('out-of-memory', 'restarted') ??
    reasonOf('not-drained', 'events-lost', 'dead-lettered', 'records-missing') ??
    failing ??
    breaches.find(({ metric }) => metric in round.samples && !OF_THE_LOAD.test(metric))?.why;
  const failure = ofTheService ?? breaches[0]?.why ?? reasonOf('dropped-iterations', 'rate-missed', 'generator-failed');
  if (!failure) return { outcome: 'met' };
  const disturbance = reasonOf('host-steal', 'host-load');
  if (disturbance) return { outcome: 'disturbed', why: disturbance };
  const ofTheGenerator = reasonOf('generator-failed', 'start-lag');
  return ofTheGenerator && !ofTheService && !isServiceBusy(round, plan)
    ? { outcome: 'generator', why: ofTheGenerator }
    : { outcome: 'failed', why: failure };
}

/** Metrics that a load generator which starts too late breaks by itself. */
const OF_THE_LOAD = /^(response_|start_lag_|request_rate$)/;

/** The same statistic from the scheduled start, where there is one. */
function fromSchedule(name: string, { samples }: RoundDocument): string[] {
  const response = name.replace(/^latency_/, 'response_');
  return response !== name && response in samples ? [response] : [];
}

/** What keeps a metric from its objective, or null. */
function breach(
  name: string,
  limit: number,
  { samples }: RoundDocument,
  metrics: readonly Metric[],
): { metric: string; why: string } | null {
  const sample = samples[name];
  const title = titleOf(name);
  if (!sample) return { metric: name, why: `${title} has no value` };
  const isHigher = metrics.find((metric) => metric.name === name)?.better === 'higher';
  if (isHigher ? sample.value >= limit : sample.value <= limit) return null;
  return {
    metric: name,
    why: `${title} ${formatValue(sample.value, sample.unit)}, ${isHigher ? 'at least' : 'at most'} ${formatValue(limit, sample.unit)} is asked for`,
  };
}

/** Whether the service uses up its CPUs, or keeps many requests under way. */
function isServiceBusy(
  { samples }: RoundDocument,
  { config, cpusets, host }: Pick<Plan, 'config' | 'cpusets' | 'host'>,
): boolean {
  const { cpu_seconds_per_request: cpu, request_rate: rate, latency_avg: latency } = samples;
  if (!rate) return true;
  const used = (cpu?.value ?? 0) * rate.value;
  const inFlight = (latency?.value ?? Infinity) * rate.value;
  return (
    used > config.allow.saturation * cpuCount(cpusets.services, host.cores) ||
    inFlight > BUSY_IN_FLIGHT * config.load.maxInFlight
  );
}
