/** What the generators of a round share: waiting, the counters of the run, and the line of progress. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import type { ProgressStep } from '../../core/progress.ts';
import type { Counted } from '../../stack/counters.ts';
import type { Sides, Stack } from '../../stack/run-stack.ts';

export const lastLines = (text: string, count = 5) => text.trim().split('\n').slice(-count).join('\n');

/** The counters of all containers of the run but the load generator. */
export async function runCounters(stack: Stack, sides: Sides): Promise<Counted[]> {
  const { counters } = await stack.ready;
  return [...counters, ...[...sides.containers, ...sides.telemetry].flatMap(({ counted }) => counted ?? [])];
}

/** `steadyMs`: as performance.now() counts, since the wall clock may be set meanwhile. */
export async function until(steadyMs: number, signal: AbortSignal): Promise<void> {
  const wait = steadyMs - performance.now();
  if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/**
 * Rate, p95 and errors over the last seconds, while the load goes on. A look costs Prometheus CPU beside what is
 * measured, so there is one where it is shown.
 */
export async function watchLive(
  stack: Stack,
  sides: Sides,
  step: ProgressStep,
  window: { startMs: number; endMs: number },
  signal: AbortSignal,
  ctx: Context,
): Promise<void> {
  const { prometheus } = await stack.ready;
  const beganMs = window.startMs - sides.plan.config.load.warmupS * 1000;
  for (; !signal.aborted; await sleep(1000, undefined, { signal }).catch(() => {})) {
    if (step.isDue?.() === false) continue;
    const [phase, scenario] = ctx.now() < window.startMs ? ['warm-up', 'warmup'] : ['measuring', 'measure'];
    const selector = `round="${sides.round}",scenario="${scenario}"`;
    const fraction = Math.min(1, Math.max(0, (ctx.now() - beganMs) / (window.endMs - beganMs)));
    const [rate, p95, errors] = await Promise.all([
      prometheus.value(`sum(irate(mayfly_requests_total{${selector}}[5s]))`),
      prometheus.value(`histogram_quantile(0.95, sum(rate(mayfly_request_duration_seconds{${selector}}[3s])))`),
      prometheus.value(
        `(sum(rate(mayfly_requests_total{${selector},status!~"[23].."}[5s])) or vector(0)) / sum(rate(mayfly_requests_total{${selector}}[5s]))`,
      ),
    ]).catch(() => [null, null, null]);
    const show = (value: number | null | undefined, text: (value: number) => string) =>
      value === null || value === undefined ? '…' : text(value);
    step.update(
      `${phase}  ${show(rate, (v) => `${v.toFixed(0)}/s`)}  p95 ${show(p95, (v) => `${(v * 1000).toFixed(2)} ms`)}  errors ${show(errors, (v) => `${(v * 100).toFixed(2)} %`)}`,
      fraction,
    );
  }
}
