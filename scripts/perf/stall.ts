/**
 * npm run perf:stall: can a stall hide? A target that stops for 1 s in the middle of 20 s at 200/s. p95 and p99 from the
 * scheduled start, as Mayfly reports them, against the values computed from the schedule; beside them the plain service
 * time, which is what a load generator usually shows. Goal: within 5 %.
 */
import { main } from '../cli.ts';
import { quantile } from '../compare/statistics.ts';
import { EXIT, InfrastructureError } from '../errors.ts';
import { driveLoad } from '../load/drive.ts';
import { sideSummary } from '../load/summary.ts';
import { withProbeStack } from './probe.ts';

const RATE = 200;
const DURATION_S = 20;
const WARMUP_S = 2;
const STALL_AFTER_S = WARMUP_S + DURATION_S / 2;
const GOAL = 0.05;
/** Answers after which the target notes the time, to tell how fast it worked off what had piled up: all of it. */
const DRAINED = 200;

await main(async (io) => {
  const { measured, stall, startMs } = await withProbeStack({ MODE: 'stall', STALL_AFTER_S: String(STALL_AFTER_S) }, { rate: RATE, durationS: DURATION_S, warmupS: WARMUP_S, vus: 400 }, [], async (stack, ctx) => {
    await using sides = await stack.startSides(1, stack.built.plan);
    const load = await driveLoad(stack, sides, { update() {}, done() {}, fail() {} }, ctx);
    const measured = load.summary && sideSummary(load.summary, 'candidate');
    if (!measured) throw new InfrastructureError(`k6 gave no summary: ${load.failure}`);
    await new Promise((resolve) => setTimeout(resolve, 1500)); // one more scrape
    const series = await (await stack.ready).prometheus.query('probe_stall_seconds');
    return { measured, startMs: load.startMs, stall: Object.fromEntries(series.map(({ labels, value }) => [labels.what, value])) as Record<'start' | 'end' | 'drained', number> };
  });

  const byHand = expected(startMs / 1000, stall, (stall.drained - stall.end) / DRAINED, measured.response.med);
  const row = (name: string, seen: number, wanted: number, plain: number) =>
    `${name}  from the schedule ${ms(seen)}   by hand ${ms(wanted)}   ratio ${(seen / wanted).toFixed(3)}   (plain service time shows ${ms(plain)})`;
  const met = [['p95', 0.95], ['p99', 0.99]].every(([key, share]) => Math.abs(measured.response[key as 'p95'] / quantile(byHand, share as number) - 1) <= GOAL);
  io.stdout(
    [
      `target stopped for ${ms(stall.end - stall.start)} in ${DURATION_S} s at ${RATE}/s; afterwards it worked off one request in ${ms((stall.drained - stall.end) / DRAINED)}`,
      row('p95', measured.response.p95, quantile(byHand, 0.95), measured.latency.p95),
      row('p99', measured.response.p99, quantile(byHand, 0.99), measured.latency.p99),
      row('max', measured.response.max, quantile(byHand, 1), measured.latency.max),
      `1 s of ${DURATION_S} s is 5 % of the requests, so p95 lies on the edge of the stall: it is decided by how fast ${DRAINED} answers at once are taken in, not by the schedule`,
      `goal ${met ? 'met' : 'MISSED'}: p95 and p99 within ${GOAL * 100} %`,
    ].join('\n'),
  );
  return met ? EXIT.pass : EXIT.regression;
});

/**
 * Response time of every request of the schedule, ascending, for a target that answers in order and not at all between
 * the two moments: completion = max(arrival, end of the one before) + time for one; response = completion - arrival + floor.
 */
function expected(startS: number, stall: { start: number; end: number }, oneS: number, floorS: number): number[] {
  let free = 0;
  const responses: number[] = [];
  for (let i = 0; i < RATE * DURATION_S; i++) {
    const arrival = startS + i / RATE;
    let begin = Math.max(arrival, free);
    if (begin >= stall.start && begin < stall.end) begin = stall.end;
    const waited = begin - arrival;
    free = begin + oneS;
    responses.push(waited + floorS);
  }
  return responses.sort((a, b) => a - b);
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(2)} ms`;
}
