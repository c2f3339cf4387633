/** The figures of chains, each by itself. */
import type { Context } from '../../../app/context.ts';
import { ROOT } from '../../../app/open.ts';
import { findLogs } from '../../../archive/carried-logs.ts';
import { InfrastructureError } from '../../../core/errors.ts';
import type { RoundDocument, RunDocument, SideName } from '../../../documents/run.ts';
import { percentOf } from '../../../judge/effect-text.ts';
import { median } from '../../../judge/statistics.ts';
import { readLogFile } from '../../../logs/kept.ts';
import { signed } from '../../../report/attribution-text.ts';
import { formatValue } from '../../../report/units.ts';
import { findCapacity } from '../../../studies/capacity/capacity-measure.ts';
import { readOptions } from '../../../studies/capacity/capacity-options.ts';
import type { Goal } from '../figures.ts';
import { CHANGED, makeChain, WAITED } from './commits.ts';

const MOST_SHARE = 0.1;
const WAIT_S = 0.005;
const WAIT_TOLERANCE = 0.1;
const MORE_CPU = 0.02;
/** Of each side: together what chain-sync holds on two cores with no round INVALID. */
const BUSY_RATE = 200;
/** So slow that a call is over long before the next one comes, though it waits. */
const WAIT_RATE = 40;

/** What the rules for a valid round leave open: that calls end, and do not pile up. */
const HOLDS = ['failed_requests=0', 'latency_p99=1s'];

export interface PartOptions {
  folder: string;
  /** Rounds of a comparison at most. */
  rounds: number;
  log(line: string): void;
}

/**
 * The highest rate that a shipped chain holds: every request well and in time; and up to which one no round was INVALID,
 * as one is whose load generator starts too late.
 */
export async function measureRate(chains: readonly string[], { log }: PartOptions, ctx: Context): Promise<Goal[]> {
  const goals: Goal[] = [];
  for (const chain of chains) {
    const { config, limits } = await readOptions(
      { benchmark: [chain], commit: ['HEAD'], duration: ['6s'], precision: ['10%'], objective: HOLDS },
      { root: ROOT, cwd: ROOT },
    );
    const { run, sure } = await findCapacity(config, limits, ctx);
    const { capacity } = run.capacity!;
    const valid = validUpTo(run);
    for (const { round, rate, valid, reasons } of run.rounds)
      if (!valid)
        log(`${chain}: round ${round} at ${rate}/s: INVALID (${reasons.map(({ message }) => message).join('; ')})`);
    goals.push({
      text: `${chain} holds ${valid === null ? 'no rate' : `${valid} requests/s`} with no round INVALID, and ${capacity === null ? 'no rate that was tried' : `${capacity} requests/s with all of them well and 99 % within a second`}${sure ? '' : ', which is not confirmed'}`,
      met: valid !== null && capacity !== null,
    });
  }
  return goals;
}

/** The highest rate of the probes up to which no round was INVALID; null: none. Those that confirm it have no rate. */
export function validUpTo({ rounds }: Pick<RunDocument, 'rounds'>): number | null {
  const tried = rounds.flatMap(({ rate, valid }) => (rate === undefined ? [] : [{ rate, valid }]));
  const worst = Math.min(...tried.flatMap(({ rate, valid }) => (valid ? [] : [rate])));
  const held = tried.map(({ rate }) => rate).filter((rate) => rate < worst);
  return held.length === 0 ? null : Math.max(...held);
}

/**
 * What measuring takes of the CPU time, the load generator apart: spans in the functions, and all that gathers. What
 * gathers takes as much whatever the load is: so once at the small rate that the chain is shipped with, and once busy.
 */
export async function measureCost(options: PartOptions, ctx: Context): Promise<Goal[]> {
  return [await measureCostAt(undefined, options, ctx), await measureCostAt(BUSY_RATE, options, ctx)];
}

async function measureCostAt(
  rate: number | undefined,
  { folder, rounds, log }: PartOptions,
  ctx: Context,
): Promise<Goal> {
  const chain = await makeChain(
    `${folder}/cost-${rate ?? ''}`,
    rate === undefined ? (spec) => spec : atRate(rate),
    ctx,
  );
  const off = await chain.commit('without spans', { untraced: true });
  const on = await chain.commit('as it is shipped', {});
  const run = await chain.compare(on, off, { rounds: String(rounds) });
  const { baseline, change, interval, observations } = metricOf(run, 'cpu_seconds_per_request');
  const requests = valuesOf(run, 'request_rate', 'candidate');
  const tracing = baseline! * change!;
  const measured = run.rounds.flatMap(({ valid, traces, window_s }) =>
    valid && traces?.measuring
      ? [
          {
            gathering: traces.measuring.cpu_seconds / window_s,
            all: traces.measuring.cpu_seconds / traces.measuring.share / window_s,
          },
        ]
      : [],
  );
  if (measured.length === 0)
    throw new InfrastructureError(`run ${run.run_id} does not know what measuring took: ${notesOf(run)}`);
  const gathering = median(measured.map((one) => one.gathering))!;
  const all = median(measured.map((one) => one.all))!;
  // Of the two sides here one is traced; of any other run both are.
  const ofASide = tracing * median(requests)!;
  const share = (gathering + 2 * ofASide) / (all + ofASide);
  log(
    `tracing ${percentOf(shareOfTraces(run))} % of the requests changes the CPU time of a request by ${signed(tracing)} (${percentOf(change!)} %${interval ? `, 95 % interval ${percentOf(interval.low)} to ${percentOf(interval.high)} %` : ''}, ${observations} rounds)`,
  );
  log(
    `Prometheus, exporter and Zipkin take ${formatValue(gathering, 's')} of CPU a second, all but the load generator ${formatValue(all, 's')}; Zipkin alone ${percentOf(median(run.rounds.flatMap(({ traces }) => traces?.zipkin?.share ?? [])) ?? NaN)} % of all containers`,
  );
  return {
    text: `at ${formatValue(run.load.rate, '1/s')} for each side measuring takes ${percentOf(share)} % of the CPU time, the load generator apart (under ${percentOf(MOST_SHARE)} %); ${percentOf(gathering / (all - ofASide))} % without tracing`,
    met: share < MOST_SHARE,
  };
}

/** A wait of known length in one hop. */
export async function measureWait({ folder, rounds, log }: PartOptions, ctx: Context): Promise<Goal[]> {
  const chain = await makeChain(`${folder}/wait`, atRate(WAIT_RATE), ctx);
  const base = await chain.commit('first', {});
  const slow = await chain.commit(`waits ${WAIT_S * 1000} ms more`, { waitS: WAIT_S });
  const run = await chain.compare(slow, base, { rounds: String(rounds), traces: '100%' });
  const latency = run.verdict!.attribution?.latency;
  if (!latency) throw new InfrastructureError(`run ${run.run_id} has no traces of both sides: ${notesOf(run)}`);
  for (const { hop, change_s, low, high } of latency.hops)
    log(
      `${hop}: ${signed(change_s)} of ${signed(latency.total.change_s)}${low === null || high === null ? '' : ` (95 % interval ${signed(low)} to ${signed(high)})`}`,
    );
  const own = latency.hops.find(({ hop }) => hop === CHANGED)?.change_s ?? 0;
  // a timer is late: what the function itself saw is what can be found
  const slept = await meanWait(run, ctx);
  return [
    {
      text: `of ${formatValue(slept, 's')} that ${CHANGED} sleeps longer (asked for: ${formatValue(WAIT_S, 's')}) ${signed(own)} are put on it (within ${percentOf(WAIT_TOLERANCE)} %), ${latency.hops[0]!.hop} is named first`,
      met: Math.abs(own - slept) <= WAIT_TOLERANCE * slept && latency.hops[0]!.hop === CHANGED,
    },
  ];
}

/** How long calls of the changed hop have slept, by its own clock, in seconds: the mean of the valid rounds' calls. */
async function meanWait(run: RunDocument, ctx: Context): Promise<number> {
  const valid = new Set(run.rounds.filter(({ valid }) => valid).map(({ round }) => round));
  let [calls, sumMs] = [0, 0];
  for (const file of (await findLogs(run, ctx.paths)).files)
    for await (const { msg, round, fields } of readLogFile(file))
      if (msg === WAITED && round !== null && valid.has(round)) {
        calls++;
        sumMs += Number(Object.fromEntries(fields).ms);
      }
  if (calls === 0) throw new InfrastructureError(`run ${run.run_id} has no log line that says how long it has waited`);
  return sumMs / calls / 1000;
}

/** A computation of known length in one hop. */
export async function measureCpu({ folder, rounds, log }: PartOptions, ctx: Context): Promise<Goal[]> {
  const name = `${CHANGED}_cpu`;
  const lay = (spec: Record<string, any>) => ({
    ...spec,
    metrics: [
      ...spec.metrics.filter((metric: { name: string }) => metric.name !== name).map(withoutPrimary),
      { name, cpu: { service: CHANGED }, primary: true, margin: '1%' },
    ],
  });
  const chain = await makeChain(`${folder}/cpu`, lay, ctx);
  const base = await chain.commit('first', {});
  const first = await chain.compare(base, base, { rounds: '2' });
  const cpuS = median(valuesOf(first, name, 'baseline'))!;
  const more = await chain.commit(`computes ${MORE_CPU * 100} % longer`, { computeS: MORE_CPU * cpuS });
  const run = await chain.compare(more, base, { maxRounds: String(rounds) });
  const { verdict, change, interval, observations } = metricOf(run, name);
  const services = run.verdict!.attribution?.cpu?.services ?? [];
  const [most] = services;
  for (const { service, change_s, low, high } of services)
    log(
      `${service}: ${signed(change_s)}${low === null || high === null ? '' : ` (95 % interval ${signed(low)} to ${signed(high)})`}`,
    );
  return [
    {
      text: `+${percentOf(MORE_CPU)} % of CPU in ${CHANGED} (${formatValue(MORE_CPU * cpuS, 's')} a call): ${verdict} after ${observations} rounds, ${percentOf(change!)} %${interval ? ` (${percentOf(interval.low)} to ${percentOf(interval.high)} %)` : ''}; put on ${most?.service ?? 'nothing'}`,
      met: verdict === 'REGRESSION' && most?.service === CHANGED,
    },
  ];
}

const atRate = (rate: number) => (spec: Record<string, any>) => ({ ...spec, load: { ...spec.load, rate } });

const withoutPrimary = ({ primary: _, ...metric }: { primary?: boolean }) => metric;

function metricOf(run: RunDocument, name: string) {
  const found = run.verdict!.metrics.find((metric) => metric.name === name);
  if (!found || found.change === null) throw new InfrastructureError(`run ${run.run_id} has no value of ${name}`);
  return found;
}

const valuesOf = ({ rounds }: RunDocument, name: string, wanted: SideName): number[] =>
  rounds.flatMap(({ side, valid, samples }: RoundDocument) =>
    valid && side === wanted && samples[name] ? [samples[name].value] : [],
  );

const shareOfTraces = ({ rounds }: RunDocument): number => rounds.find(({ traces }) => traces)?.traces?.sampling ?? 0;

const notesOf = ({ rounds }: RunDocument): string =>
  [...new Set(rounds.flatMap(({ traces }) => traces?.notes ?? []))].slice(0, 3).join('; ') || 'nothing is known';
