/**
 * Why a round cannot be trusted: pure, from the signals of one side of one round. Validity comes before verdict (design
 * 5).
 */
import type { SingleModel } from '../../../loadgen/plan.ts';
import type { Allowances, Load } from '../../config/types.ts';
import { plural } from '../../core/text.ts';
import type { InvalidReason } from '../../documents/run.ts';
import { formatElapsed } from '../../report/units.ts';

/** Whether what was due was sent. */
export interface SentSignals {
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
}

export interface ScenarioSignals extends SentSignals {
  name: string;
  /** Of a closed model: when its last iteration ended, seconds from the start of the window; else null. */
  endedS: number | null;
}

export interface Signals extends SentSignals {
  /** Of a load with scenarios: each by itself, and what all of them sent says nothing. */
  scenarios?: ScenarioSignals[];
  /** The benchmark names disturbances: what is lost in them is a figure, within its own allowance. */
  hasDisturbances?: boolean;
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
  /** Where events were still under way when the time for them was over; null where none were, or there is no broker. */
  notDrained: NotDrained | null;
  /** What became of the events of the window; null where there is no broker. */
  events: EventSignals | null;
  /** Primary metrics without a value. */
  missing: string[];
}

export interface EventSignals {
  /** How many were due, and what became of them. */
  deliveries: number;
  lost: number;
  deadLettered: number;
  /** Why they were dead-lettered, by trigger. */
  deadLetters: string[];
  /** Why records may be missing, a sentence each. */
  missing: string[];
}

export interface NotDrained {
  /** Null where the trigger service did not say. */
  backlog: number | null;
  /** Seconds since the end of the load, and how many were allowed. */
  waitedS: number;
  allowedS: number;
  /** The benchmark counts it as a failure of the side. */
  isFailure: boolean;
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

/** Sentences on records that are missing, and triggers with dead letters, that are named. */
const MOST_NAMED = 3;

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
  reasons.push(...sentReasons(signals.hasDisturbances ? withoutLosses(signals) : signals, load, allow));
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
  const failed = signals.hasDisturbances
    ? {
        share: lostShare(signals),
        most: allow.disturbedFailures,
        what: 'failed or were never sent',
        when: ' with disturbances',
      }
    : { share: signals.failedShare, most: allow.failedRequests, what: 'failed', when: '' };
  if (failed.share > failed.most)
    add(
      'failed-requests',
      `${percent(failed.share)} of the requests ${failed.what} (at most ${percent(failed.most)} is allowed${failed.when})${howTheyFailed(signals.failures)}`,
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
  if (signals.notDrained) add('not-drained', notDrainedText(signals.notDrained));
  if (signals.events) reasons.push(...eventReasons(signals.events, allow));
  for (const metric of signals.missing) add('no-samples', `there is no value for the primary metric ${metric}`);
  return reasons;
}

/** A disturbance holds back iterations, too: those are judged beside the requests that failed. */
function withoutLosses(signals: Signals): Signals {
  const all = <T extends SentSignals>(one: T): T => ({
    ...one,
    iterations: Math.max(one.iterations, one.due),
    dropped: { ...one.dropped, measure: 0 },
  });
  return { ...all(signals), ...(signals.scenarios ? { scenarios: signals.scenarios.map(all) } : {}) };
}

/** Share of the requests that failed, or of the iterations that did not end. */
function lostShare({ due, iterations, failedShare }: Signals): number {
  if (due === 0) return failedShare;
  const ended = Math.min(1, iterations / due);
  return failedShare * ended + (1 - ended);
}

/** Whether what was due was sent in time: of each scenario by its own model. */
function sentReasons(signals: Signals, load: Load, allow: Allowances): InvalidReason[] {
  if (load.model.kind !== 'scenarios')
    return reasonsOf(signals, { ...load, model: load.model, limit: 'load/max_in_flight' }, allow.startLagMs);
  const { scenarios, durationS } = load.model;
  return (signals.scenarios ?? []).flatMap((one) => {
    const { model, maxInFlight, startS } = scenarios.find(({ name }) => name === one.name)!;
    const rate = model.kind === 'closed' ? 0 : one.due / model.durationS;
    const ownS = model.kind === 'closed' ? durationS - startS : model.durationS;
    const late =
      one.endedS !== null && one.endedS > durationS
        ? [
            {
              code: 'rate-missed' as const,
              message: `its last iteration ended ${formatElapsed(one.endedS - durationS)} after the window of ${durationS} s, in which all must be done; the service was too slow, or load/duration is too short`,
            },
          ]
        : [];
    const own = { model, rate, durationS: ownS, maxInFlight, limit: `load/scenarios/${one.name}/max_in_flight` };
    return [...reasonsOf(one, own, allow.startLagMs), ...late].map(({ code, message }) => ({
      code,
      message: `scenario ${one.name}: ${message}`,
    }));
  });
}

/** A load with one model, or one scenario. */
interface OneModel extends Pick<Load, 'rate' | 'durationS' | 'maxInFlight'> {
  model: SingleModel;
  /** The field of benchmark.yaml that says how many may be under way. */
  limit: string;
}

function reasonsOf(signals: SentSignals, load: OneModel, startLagMs: number): InvalidReason[] {
  const reasons: InvalidReason[] = [];
  const add = (code: InvalidReason['code'], message: string) => reasons.push({ code, message });
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
  if (lagMs > startLagMs) {
    const later =
      signals.sharedLagP99 > 0
        ? `${lagMs.toFixed(1)} ms later than those of the other side did`
        : `${lagMs.toFixed(1)} ms after their time`;
    add(
      'start-lag',
      `1 % of the iterations started more than ${later} (at most ${startLagMs} ms is allowed): the load generator had too little CPU`,
    );
  }
  return reasons;
}

function eventReasons(events: EventSignals, allow: Allowances): InvalidReason[] {
  const { deliveries, lost, deadLettered, deadLetters, missing } = events;
  const reasons: InvalidReason[] = [];
  const words = (count: number, what: string, most: number) =>
    `${count.toLocaleString('en')} of ${deliveries.toLocaleString('en')} deliveries ${count === 1 ? 'was' : 'were'} ${what}, ${percent(count / deliveries)} (at most ${percent(most)} is allowed)`;
  if (missing.length > 0)
    reasons.push({
      code: 'records-missing',
      message: `the records of its events may not be whole, so no figure of them is exact: ${missing.slice(0, MOST_NAMED).join('; ')}`,
    });
  if (lost > allow.lostEvents * deliveries)
    reasons.push({ code: 'events-lost', message: words(lost, 'lost', allow.lostEvents) });
  if (deadLettered > allow.deadLettered * deliveries)
    reasons.push({
      code: 'dead-lettered',
      message: `${words(deadLettered, 'dead-lettered', allow.deadLettered)}: ${deadLetters.slice(0, MOST_NAMED).join('; ')}`,
    });
  return reasons;
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;

/** `312 events were neither delivered nor dead-lettered 30.2s after the load ended (broker/drain allows 30.0s)` */
export function notDrainedText({ backlog, waitedS, allowedS }: NotDrained): string {
  const within = `${formatElapsed(waitedS)} after the load ended (broker/drain allows ${formatElapsed(allowedS)})`;
  return backlog === null
    ? `how many events were under way ${within} is not known: the trigger service did not say`
    : `${plural(backlog, 'event')} ${backlog === 1 ? 'was' : 'were'} neither delivered nor dead-lettered ${within}`;
}

/** `: refused ECONNREFUSED × 120 (search), status 503 × 2 (order)`, the three most frequent. */
function howTheyFailed(failures: Signals['failures']): string {
  if (failures.length === 0) return '';
  const more = failures.length > 3 ? `, and ${failures.length - 3} more ways` : '';
  return `: ${failures
    .slice(0, 3)
    .map(({ what, count, name }) => `${what} × ${count}${name ? ` (${name})` : ''}`)
    .join(', ')}${more}`;
}

const why = (load: OneModel, phase: 'warmup' | 'measure') =>
  load.model.kind === 'closed' && phase === 'measure'
    ? `${load.durationS} s were over before they could start; the service was too slow, or load/duration is too short`
    : `${load.maxInFlight} were under way; the service was too slow for ${Number(load.rate.toFixed(1))}/s or ${load.limit} is too low`;
