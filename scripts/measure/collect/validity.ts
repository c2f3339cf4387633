/**
 * Why a round cannot be trusted: pure, from the signals of one side of one round. Validity comes before verdict (design
 * 5).
 */
import type { Allowances, Load } from '../../config/types.ts';
import type { InvalidReason } from '../../documents/run.ts';
import { formatElapsed } from '../../report/units.ts';

export interface Signals {
  /**
   * Iterations that were due in the window, and those that ended; requests where the generator is another one than
   * ours.
   */
  due: number;
  iterations: number;
  /** Iterations that were due and never started. */
  dropped: { warmup: number; measure: number };
  /** 99th percentile of (actual start - scheduled start), seconds; null where the generator does not say. */
  startLagP99: number | null;
  /** The least of the sides that share the round: what both feel says nothing of either. 0 for one side. */
  sharedLagP99: number;
  /** Share of requests that failed. */
  failedShare: number;
  /** How they failed, most often first; the name of the first such request. */
  failures: { what: string; count: number; name?: string }[];
  services: ServiceSignals[];
  /** Share of the host's CPU time over the window. */
  steal: number;
  outsideLoad: number;
  /** Share of the services' CPU time that both sides together used; null for one side. */
  saturation: number | null;
  /** Milliseconds by which the wall clock was set in the round; below 0: back. */
  clockSetByMs: number;
  /** Why the generator itself failed, if it did. */
  generatorFailure: string | null;
  /** Primary metrics without a value. */
  missing: string[];
}

export interface ServiceSignals {
  service: string;
  outOfMemory: boolean;
  /** Exit code of a container that ended or restarted in the round, null where none did. */
  ended: number | null;
  /** Share of CFS periods in which it was throttled. */
  throttledShare: number;
}

/** Two clocks are not read in the same instant: a step below it is none. */
const CLOCK_STEP_MS = 100;

/** Achieved rate below this share of the asked rate is a miss. */
export const RATE_FLOOR = 0.995;

export function judgeValidity(signals: Signals, load: Load, allow: Allowances): InvalidReason[] {
  const reasons: InvalidReason[] = [];
  const add = (code: InvalidReason['code'], message: string) => reasons.push({ code, message });

  if (signals.generatorFailure) add('generator-failed', `the load generator failed: ${signals.generatorFailure}`);
  if (Math.abs(signals.clockSetByMs) > CLOCK_STEP_MS)
    add(
      'clock-set',
      `the clock was set ${signals.clockSetByMs > 0 ? 'forward' : 'back'} by ${formatElapsed(Math.abs(signals.clockSetByMs) / 1000)} in the round: its window and its metrics are not of the same time`,
    );
  for (const phase of ['warmup', 'measure'] as const) {
    const dropped = signals.dropped[phase];
    if (dropped > 0) {
      add(
        'dropped-iterations',
        `the load generator dropped ${dropped} iterations ${phase === 'warmup' ? 'in the warm-up' : 'in the window'}: ${why(load, phase)}`,
      );
    }
  }
  const { due, iterations } = signals;
  if (iterations < RATE_FLOOR * due && due - iterations > 1) {
    const perSecond = (count: number) => (count / load.durationS).toFixed(1);
    add(
      'rate-missed',
      load.model.kind === 'closed'
        ? `${iterations} of ${due} iterations ended`
        : `${perSecond(iterations)} iterations per second ended, ${perSecond(due)} were due (at least ${(RATE_FLOOR * 100).toFixed(1)} % is needed)`,
    );
  }
  const lagMs = ((signals.startLagP99 ?? 0) - signals.sharedLagP99) * 1000;
  if (lagMs > allow.startLagMs) {
    const later =
      signals.sharedLagP99 > 0
        ? `${lagMs.toFixed(1)} ms later than those of the other side did`
        : `${lagMs.toFixed(1)} ms after their time`;
    add(
      'start-lag',
      `1 % of the iterations started more than ${later} (at most ${allow.startLagMs} ms is allowed): the load generator had too little CPU`,
    );
  }
  for (const service of signals.services) {
    if (service.outOfMemory)
      add('out-of-memory', `${service.service} went over its memory limit and the kernel killed a process of it`);
    if (service.ended !== null)
      add('restarted', `${service.service} ended in the middle of the round with exit code ${service.ended}`);
    if (service.throttledShare > allow.throttledPeriods) {
      add(
        'throttled',
        `${service.service} was held back by its CPU limit in ${percent(service.throttledShare)} of the scheduler's periods (at most ${percent(allow.throttledPeriods)} is allowed)`,
      );
    }
  }
  if (signals.failedShare > allow.failedRequests)
    add(
      'failed-requests',
      `${percent(signals.failedShare)} of the requests failed (at most ${percent(allow.failedRequests)} is allowed)${howTheyFailed(signals.failures)}`,
    );
  if (signals.steal > allow.steal)
    add(
      'host-steal',
      `other machines took ${percent(signals.steal)} of this host's CPU time (at most ${percent(allow.steal)} is allowed)`,
    );
  if (signals.outsideLoad > allow.outsideLoad) {
    add(
      'host-load',
      `processes outside of the run used ${percent(signals.outsideLoad)} of this host's CPU time (at most ${percent(allow.outsideLoad)} is allowed)`,
    );
  }
  if (signals.saturation !== null && signals.saturation > allow.saturation) {
    add(
      'saturated',
      `both sides together came near the limit of the CPUs: ${percent(signals.saturation)} was used (at most ${percent(allow.saturation)} is allowed), where a slow side slows the other; --pairing=alternating measures them apart`,
    );
  }
  for (const metric of signals.missing) add('no-samples', `there is no value for the primary metric ${metric}`);
  return reasons;
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;

/** `: refused ECONNREFUSED × 120 (search), status 503 × 2 (order)`, the three most frequent. */
function howTheyFailed(failures: Signals['failures']): string {
  if (failures.length === 0) return '';
  const more = failures.length > 3 ? `, and ${failures.length - 3} more ways` : '';
  return `: ${failures
    .slice(0, 3)
    .map(({ what, count, name }) => `${what} × ${count}${name ? ` (${name})` : ''}`)
    .join(', ')}${more}`;
}

const why = (load: Load, phase: 'warmup' | 'measure') =>
  load.model.kind === 'closed' && phase === 'measure'
    ? `${load.durationS} s were over before they could start; the service was too slow, or load/duration is too short`
    : `${load.maxInFlight} were under way; the service was too slow for ${Number(load.rate.toFixed(1))}/s or load/max_in_flight is too low`;
