/**
 * The autoscaler of a side: a control loop over the run's own Prometheus that keeps the replicas of a service at the
 * utilisation that its deployment names. What it decides is in autoscale-decision.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import type { AutoscaleConfig } from '../config/types.ts';
import { firstLine } from '../core/errors.ts';
import type { RoundDocument, SideName } from '../documents/run.ts';
import { sideProject } from '../engine/names.ts';
import type { ComposeDocument } from '../stack/compose-file.ts';
import type { Replica, Replicas } from '../stack/replicas.ts';
import type { Sides, Stack } from '../stack/run-stack.ts';
import { decide, type Recommendation } from './autoscale-decision.ts';
import { CPU, MEMORY } from './collect/resources.ts';
import type { Window } from './during.ts';

type Autoscaled = NonNullable<RoundDocument['autoscale']>;
type Evaluation = Autoscaled['decisions'][number];

/** Seconds between two evaluations: a scrape comes every second. */
const EVERY_S = 2;
/** Seconds over which the use of CPU is taken. */
const CPU_S = 5;
/** Evaluations that a round keeps; of more of them the first, those that changed the count, and some between. */
const MOST_KEPT = 120;
/** A window that changes the count in this last share of it has not settled. */
const LAST_SHARE = 0.1;

export interface AutoscaleResult {
  document: Autoscaled | null;
  failures: { code: 'autoscale-failed'; message: string }[];
}

interface Around {
  side: SideName;
  config: AutoscaleConfig;
  /** Seconds that a replica has to end what is under way. */
  drainS: number;
  /** Of one replica, in bytes or cores. */
  request: number;
  windowS: number;
  replicas: Pick<Replicas, 'of' | 'add' | 'drain' | 'stop'>;
  /** By number of the replica; one that is not known yet is missing. */
  use(): Promise<Map<number, number>>;
  sinceStart(): number;
  /** Until then; at once where that has gone by. */
  wait(untilS: number): Promise<void>;
  isOver(): boolean;
}

/** Until the window is over or the signal aborts; null where the deployment of the side names no autoscaler. */
export async function autoscale(
  side: SideName,
  sides: Sides,
  window: Window,
  signal: AbortSignal,
  stack: Stack,
  ctx: Context,
): Promise<AutoscaleResult> {
  const { config: benchmark, runId, sides: planned } = sides.plan;
  const { autoscale: config, balancer } = planned.find(({ name }) => name === side)!.deployment;
  if (!config) return { document: null, failures: [] };
  const { prometheus } = await stack.ready;
  const zeroMs = performance.now() + window.startMs - ctx.now();
  const sinceStart = () => (performance.now() - zeroMs) / 1000;
  const windowS = (window.endMs - window.startMs) / 1000;
  const query = useQuery(config, side, sides.round);
  return keepUtilisation({
    side,
    config,
    drainS: balancer?.drainS ?? benchmark.load.timeoutS,
    request: requestOf(stack.documents[sideProject(runId, side)]!, config),
    windowS,
    replicas: sides.replicas,
    use: async () =>
      new Map((await prometheus.query(query)).map(({ labels, value }) => [Number(labels.replica ?? 1), value])),
    sinceStart,
    wait: (untilS) => sleep(Math.max(0, (untilS - sinceStart()) * 1000), undefined, { signal }).catch(() => {}),
    isOver: () => signal.aborted || sinceStart() >= windowS,
  });
}

/** What each replica of the service uses now. */
export function useQuery({ service, metric }: AutoscaleConfig, side: SideName, round: number): string {
  const selector = `{job="containers",side="${side}",round="${round}",service="${service}"}`;
  return metric === 'memory' ? `${MEMORY}${selector}` : `rate(${CPU}${selector}[${CPU_S}s])`;
}

/** Bytes or cores that a replica requests, of what was started: Compose writes them as texts. */
export function requestOf({ services }: ComposeDocument, { service, metric }: AutoscaleConfig): number {
  const { deploy, mem_reservation } = services[service]! as { deploy?: any; mem_reservation?: unknown };
  const reserved = deploy?.resources?.reservations ?? {};
  const request = Number(metric === 'cpu' ? reserved.cpus : (reserved.memory ?? mem_reservation));
  if (!(request > 0)) throw new Error(`${service} has no request of ${metric}`); // checked when the benchmark was read
  return request;
}

/** Evaluates, starts and ends replicas. What is still starting at the end is waited for. */
export async function keepUtilisation(around: Around): Promise<AutoscaleResult> {
  const { side, config, request, windowS, replicas, isOver } = around;
  const { service } = config;
  const evaluations: Evaluation[] = [];
  const failures: AutoscaleResult['failures'] = [];
  const starting = new Set<Promise<unknown>>();
  let recommendations: readonly Recommendation[] = [];
  let expected: number | undefined;
  const fail = (what: string) => (error: unknown) => {
    if (!isOver())
      failures.push({
        code: 'autoscale-failed',
        message: `the autoscaler of ${service}: ${what}: ${firstLine(error)}`,
      });
  };

  const start = () => {
    const added = replicas.add(side, service).then(() => {}, fail('a replica did not start'));
    starting.add(added);
    void added.finally(() => starting.delete(added));
  };
  const end = async (replica: Replica) => {
    await replicas.drain(replica, around.drainS);
    if (!isOver()) await replicas.stop(replica);
  };
  /** The youngest goes first. One that is still starting is not ended: the next evaluation may. */
  const scale = (current: number, desired: number, serving: readonly Replica[]) => {
    for (let more = current; more < desired; more++) start();
    const fewer = Math.max(0, Math.min(current - desired, serving.length - 1));
    for (const replica of serving.slice(serving.length - fewer).toReversed())
      void end(replica).catch(fail(`replica ${replica.replica} could not be ended`));
  };

  for (let atS = 0; ; atS += EVERY_S) {
    await around.wait(atS);
    if (isOver() || failures.length > 0) break;
    let found: Map<number, number>;
    try {
      found = await around.use();
    } catch (error) {
      fail('Prometheus did not say what the replicas use')(error);
      break;
    }
    const serving = replicas.of(side, service);
    // One that has just begun to serve may still count as starting.
    const unknown = Math.min(starting.size, Math.max(0, (expected ?? serving.length) - serving.length));
    const use = [...serving.map(({ replica }) => found.get(replica) ?? null), ...Array<null>(unknown).fill(null)];
    const at = Math.max(0, around.sinceStart());
    const decision = decide({ atS: at, use, request }, config, recommendations);
    recommendations = decision.recommendations;
    evaluations.push({
      at_s: rounded(at),
      replicas: use.length,
      utilisation: decision.utilisation === null ? 0 : rounded(decision.utilisation),
      desired: decision.desired,
      why: decision.why,
    });
    scale(use.length, decision.desired, serving);
    expected = decision.desired;
  }
  await Promise.all(starting);
  return { document: evaluations.length > 0 ? documentOf(service, evaluations, windowS) : null, failures };
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;

/** Pure. */
export function documentOf(service: string, evaluations: readonly Evaluation[], windowS: number): Autoscaled {
  const until = (i: number) => evaluations[i + 1]?.at_s ?? windowS;
  const first = evaluations[0]!.at_s;
  const sum = evaluations.reduce((total, { at_s, desired }, i) => total + desired * Math.max(0, until(i) - at_s), 0);
  const changed = evaluations.filter(({ replicas, desired }) => replicas !== desired);
  const last = changed.at(-1)?.at_s ?? 0;
  const every = Math.ceil(evaluations.length / MOST_KEPT);
  return {
    service,
    decisions: evaluations.filter((one, i) => i % every === 0 || changed.includes(one)),
    replicas_avg: rounded(windowS > first ? sum / (windowS - first) : evaluations.at(-1)!.desired),
    settled_s: last > windowS * (1 - LAST_SHARE) ? null : last,
  };
}
