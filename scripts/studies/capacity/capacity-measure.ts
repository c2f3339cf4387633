/** The probes of a run of `npm run capacity`: each a round of its own rate on fresh containers. */

import type { Model } from '../../../loadgen/plan.ts';
import type { Context } from '../../app/context.ts';
import type { Config, Load } from '../../config/types.ts';
import type { CapacityDocument } from '../../documents/capacity.ts';
import type { Metric, RunDocument, RunStatus } from '../../documents/run.ts';
import type { CollectedRound } from '../../measure/collect/collect.ts';
import { Rounds } from '../../measure/rounds.ts';
import { withRun } from '../../pipeline.ts';
import { rateText } from '../../report/capacity-text.ts';
import type { Stack } from '../../stack/run-stack.ts';
import { judgeProbe } from './capacity-probe.ts';
import { CONFIRMATIONS, type Limits, type Next, next, type Outcome } from './capacity-search.ts';

type Answer = Extract<Next, { step: 'answer' }>;

/** A probe as it was measured. */
interface Measured {
  rate: number;
  outcome: Outcome;
  why?: string;
  collected: CollectedRound;
}

const CAPACITY: Metric = {
  name: 'capacity',
  unit: '1/s',
  better: 'higher',
  primary: false,
  margin: 0.02,
  margin_from: 'default',
};

/** Searches the capacity of `config.commit` and stores it. `sure`: both ends are confirmed and as near as asked for. */
export async function findCapacity(
  config: Config,
  limits: Limits,
  ctx: Context,
): Promise<{ run: RunDocument; sure: boolean }> {
  let sure = false;
  const run = await withRun(
    { ...config, metrics: [...config.metrics, CAPACITY], rounds: CONFIRMATIONS },
    ctx,
    async (stack, ctx) => {
      const { probes, answer } = await probeAll(stack, limits, ctx);
      sure = answer.sure;
      return { status: keep(answer, probes, stack, ctx) };
    },
  );
  return { run, sure };
}

async function probeAll(stack: Stack, limits: Limits, ctx: Context): Promise<{ probes: Measured[]; answer: Answer }> {
  const { plan } = stack.built;
  await using rounds = new Rounds(stack, ctx);
  const probes: Measured[] = [];
  let disturbed = 0;
  for (let round = 1; ; round++) {
    const step = next(probes, disturbed > plan.config.retries + probes.length / 2 ? { ...limits, most: 0 } : limits);
    if (step.step === 'answer') return { probes, answer: step };
    const { rate } = step;
    const at = { ...plan, config: { ...plan.config, load: loadAt(plan.config.load, rate) } };
    const title = `probe ${probes.length + 1} at ${rateText(rate)}${step.why === 'confirm' ? ', to confirm' : ''}${step.low !== null && step.high !== null ? ` (it is between ${rateText(step.low)} and ${rateText(step.high)})` : ''}`;
    const [collected] = await rounds.measure({ round, title, plan: at });
    const judged = judgeProbe(collected!.document, at);
    ctx.store.saveRound(plan.runId, { ...collected!.document, rate }, collected!.detail);
    ctx.progress.info(`${rateText(rate)}: ${judged.outcome === 'met' ? 'meets the objectives' : judged.why}`);
    if (judged.outcome === 'disturbed') disturbed++;
    else
      probes.push({
        rate,
        collected: collected!,
        outcome: judged.outcome,
        ...('why' in judged ? { why: judged.why } : {}),
      });
  }
}

/**
 * More requests may be under way at a higher rate: as many as answers of a quarter of a second need. The load has a
 * constant rate (capacity-options.ts).
 */
export const loadAt = (load: Load, rate: number): Load => ({
  ...load,
  rate,
  model: { ...load.model, rate } as Model,
  maxInFlight: Math.max(load.maxInFlight, 10, Math.ceil(rate * 0.25)),
});

/** Stores the answer; the probes that confirmed it become the rounds of the run. */
function keep(
  { capacity, failsAt, limitedBy }: Answer,
  probes: readonly Measured[],
  stack: Stack,
  ctx: Context,
): RunStatus {
  const { runId, config } = stack.built.plan;
  const document: CapacityDocument = {
    schema: 'mayfly.capacity/v1',
    capacity,
    fails_at: failsAt,
    limited_by: limitedBy,
    objectives: config.objectives,
    probes: probes.map(({ rate, outcome, why, collected }) => ({
      rate,
      met: outcome === 'met',
      ...(why === undefined ? {} : { why }),
      round: collected.document.round,
    })),
  };
  ctx.store.saveCapacity(runId, document);
  if (capacity === null) return 'invalid';
  const { rate, maxInFlight } = loadAt(config.load, capacity);
  ctx.store.amendRun(runId, { load: { ...ctx.store.run(runId).load, rate, max_in_flight: maxInFlight } });
  for (const { collected } of probes
    .filter((probe) => probe.rate === capacity && probe.outcome === 'met')
    .slice(-CONFIRMATIONS)) {
    const { document: round, detail } = collected;
    // A lower bound is no value of the commit: the next one could be higher for no reason of its own.
    const samples =
      limitedBy === 'objectives'
        ? { ...round.samples, capacity: { value: capacity, unit: CAPACITY.unit } }
        : round.samples;
    // So near to the limit the objectives say whether a round counts: it may start late and be held back, and still
    // meet them.
    ctx.store.saveRound(runId, { ...round, valid: true, reasons: [], samples }, detail);
  }
  return 'complete';
}
