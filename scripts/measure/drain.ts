/**
 * After the load of a round: waits until every event of each side has been delivered or dead-lettered, or until the
 * benchmark's time for that is over. What the broker still has is asked by Prometheus, of the trigger service.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressStep } from '../core/progress.ts';
import { plural } from '../core/text.ts';
import type { SideName } from '../documents/run.ts';
import { TRIGGER } from '../stack/chains.ts';
import type { Sides, Stack } from '../stack/run-stack.ts';
import type { PrometheusClient } from './collect/prometheus.ts';
import type { LoadResult } from './load/generator.ts';

/** How the drain of a side ended. */
export interface Drained {
  side: SideName;
  /** Nothing was left when it ended. */
  drained: boolean;
  /** Events that the broker still had then, each once for every trigger; null where nobody has said. */
  backlog: number | null;
  /** Seconds since the end of the load. */
  waitedS: number;
}

/** Prometheus scrapes once a second. */
const LOOK_MS = 200;
/** Over the allowance, so long is waited for a scrape that tells of its end. */
const SCRAPE_MS = 2000;

/** `endedMs`: when the last request of the load had its answer, milliseconds since the epoch. */
export async function drain(
  load: Pick<LoadResult, 'endMs' | 'endSteadyMs'>,
  endedMs: number,
  sides: Pick<Sides, 'plan' | 'round' | 'incidents'>,
  stack: Pick<Stack, 'ready' | 'signal'>,
  step: Pick<ProgressStep, 'update'>,
): Promise<Drained[]> {
  const { plan, round } = sides;
  const { broker } = plan.config;
  if (broker === null) return [];
  const { prometheus } = await stack.ready;
  const done = new Map<SideName, Drained>();
  const backlogs = new Map<SideName, number>();
  const allowedMs = broker.drainS * 1000;
  for (;;) {
    const waitedMs = performance.now() - load.endSteadyMs;
    const now = await backlogOf(prometheus, round, Math.max(endedMs, load.endMs), broker.triggers.length);
    for (const [side, backlog] of now) backlogs.set(side, backlog);
    for (const { name: side } of plan.sides) {
      if (done.has(side)) continue;
      const backlog = backlogs.get(side) ?? null;
      const isLost = sides.incidents(side).some(({ service }) => service === TRIGGER || service === 'broker');
      const isOver = waitedMs > allowedMs + (backlog === null ? SCRAPE_MS : 0);
      if (backlog === 0 || isLost || isOver)
        done.set(side, { side, drained: backlog === 0, backlog, waitedS: waitedMs / 1000 });
    }
    if (done.size === plan.sides.length) return [...done.values()];
    const left = [...backlogs].reduce((sum, [side, backlog]) => sum + (done.has(side) ? 0 : backlog), 0);
    step.update(`draining: ${plural(left, 'event')}`, Math.min(1, waitedMs / Math.max(1, allowedMs)));
    await sleep(LOOK_MS, undefined, { signal: stack.signal }).catch(() => {});
    stack.signal.throwIfAborted();
  }
}

/** What the broker of each side has, by scrapes after this moment in which every trigger was told of. */
async function backlogOf(
  prometheus: Pick<PrometheusClient, 'query'>,
  round: number,
  afterMs: number,
  triggers: number,
): Promise<Map<SideName, number>> {
  const backlog = `mayfly_events_backlog{job="trigger",round="${round}"}`;
  const fresh = `(${backlog} and timestamp(${backlog}) > ${afterMs / 1000})`;
  const [sum, count] = await Promise.all([
    prometheus.query(`sum by (side) ${fresh}`),
    prometheus.query(`count by (side) ${fresh}`),
  ]);
  const whole = new Set(count.filter(({ value }) => value >= triggers).map(({ labels }) => labels.side));
  return new Map(
    sum.filter(({ labels }) => whole.has(labels.side)).map(({ labels, value }) => [labels.side as SideName, value]),
  );
}
