/** Memory and CPU requests and limits from what the containers of runs have used. Pure. */
import { BROKER_SERVICES } from '../../config/broker.ts';
import type { Advice, Exceeded, ResourcesDocument, ServiceAdvice, SetResources } from '../../documents/resources.ts';
import type { RoundDocument, RunDocument, SideDocument, SideName } from '../../documents/run.ts';
import { sideProject } from '../../engine/names.ts';
import { CPU_RATE_S } from '../../measure/collect/resources.ts';
import { BALANCER } from '../../stack/balancer.ts';

/**
 * Percentile and margin of the Kubernetes Vertical Pod Autoscaler's recommender: target-memory-percentile and
 * target-cpu-percentile 0.9, recommendation-margin-fraction 0.15 (kubernetes/autoscaler,
 * vertical-pod-autoscaler/docs/flags.md).
 */
export const PERCENTILE = 0.9;
export const HEAD_ROOM = 0.15;
/** Of it too, oom-bump-up-ratio and oom-min-bump-up-bytes: what a process that was killed for its memory gets. */
const OOM_RATIO = 1.2;
const OOM_BYTES = 100 * 1024 ** 2;
/** Engines take no memory limit below 6 MB; CPU is told in hundredths of a core. */
const MIB = 1024 ** 2;
const LEAST_BYTES = 8 * MIB;
const CPU_STEP = 0.01;
/** A limit holds what it limits: it is reached where so much of it is used. */
export const REACHED = 0.95;

export const FORMULA =
  `request = ${PERCENTILE * 100}th percentile over runs of the peak of one replica + ${HEAD_ROOM * 100} %; ` +
  `limit = greatest peak of any run + ${HEAD_ROOM * 100} %. Memory: working set, rounded up to a MiB; ` +
  `CPU: rate over ${CPU_RATE_S} s, rounded up to ${CPU_STEP} cores. ` +
  `Percentile and margin are those of the Kubernetes Vertical Pod Autoscaler (target-*-percentile 0.9, recommendation-margin-fraction 0.15)`;

/** A side of a run, as far as it ran the variant that is looked at. */
export type UsedRun = Pick<RunDocument, 'run_id' | 'started_at' | 'rounds' | 'sides' | 'compose'>;

interface Used {
  run: UsedRun;
  round: RoundDocument;
}

/** The rounds of these sides whose use counts: not those of a capacity probe, nor of pressure that was made. */
export function usedRounds(run: UsedRun, variant: string | null): RoundDocument[] {
  return run.rounds.filter(
    ({ side, rate, disturbances }) =>
      (run.sides[side]?.variant ?? null) === variant &&
      rate === undefined &&
      !disturbances?.some(({ kind }) => kind === 'memory-pressure'),
  );
}

/** Peak of one replica of each service in a run. */
interface Peaks {
  memory: number;
  cpu: number;
  replicas: number;
  killed: boolean;
}

export function peaksOf(rounds: readonly RoundDocument[]): Map<string, Peaks> {
  const peaks = new Map<string, Peaks>();
  for (const round of rounds)
    for (const { service, memory_peak, cpu_peak } of round.resources ?? []) {
      const before = peaks.get(service);
      peaks.set(service, {
        memory: Math.max(before?.memory ?? 0, memory_peak),
        cpu: Math.max(before?.cpu ?? 0, cpu_peak),
        replicas: Math.max(before?.replicas ?? 0, round.resources!.filter((other) => other.service === service).length),
        killed: Boolean(before?.killed) || wasKilled(round, service),
      });
    }
  return peaks;
}

/** validity.ts says so of a service whose process the kernel has killed. */
const wasKilled = ({ reasons }: RoundDocument, service: string): boolean =>
  reasons.some(({ code, message }) => code === 'out-of-memory' && message.startsWith(`${service} `));

/** Balancer, and broker and trigger service of a benchmark that names them: Mayfly lays them beside its Compose file. */
const ofMayfly = (service: string, { rounds }: UsedRun): boolean =>
  service === BALANCER ||
  (rounds.some(({ events }) => events) && (BROKER_SERVICES as readonly string[]).includes(service));

/** What a service that was killed for its memory would have used, as the Vertical Pod Autoscaler takes it. */
const wanted = ({ memory, killed }: Peaks): number =>
  killed ? Math.max(memory * OOM_RATIO, memory + OOM_BYTES) : memory;

/** `runs`: the oldest first, all of them with figures. The services of the newest run are advised on. */
export function adviceOf(runs: readonly UsedRun[], variant: string | null): ServiceAdvice[] {
  const peaks = runs.map((run) => peaksOf(usedRounds(run, variant)));
  const set = setBy(runs.at(-1)!, variant);
  const services = [...peaks.at(-1)!.keys()].filter((service) => !ofMayfly(service, runs.at(-1)!));
  return services.sort().map((service) => {
    const own = peaks.flatMap((one) => one.get(service) ?? []);
    return {
      service,
      runs: own.length,
      replicas: Math.max(...own.map(({ replicas }) => replicas)),
      memory: advise(own.map(wanted), (bytes) => Math.max(LEAST_BYTES, Math.ceil(bytes / MIB) * MIB)),
      cpu: advise(
        own.map(({ cpu }) => cpu),
        (cores) => Math.max(CPU_STEP, Math.ceil(Number((cores / CPU_STEP).toFixed(6))) / Math.round(1 / CPU_STEP)),
      ),
      out_of_memory: own.filter(({ killed }) => killed).length,
      set: set.get(service) ?? NOTHING_SET,
    };
  });
}

const NOTHING_SET: SetResources = { memory: { request: null, limit: null }, cpu: { request: null, limit: null } };

/** The percentile is the least value that so many of the runs stay at or below. */
export function advise(values: readonly number[], round: (value: number) => number): Advice {
  const sorted = values.toSorted((a, b) => a - b);
  const p90 = sorted[Math.ceil(PERCENTILE * sorted.length - 1e-9) - 1]!;
  const max = sorted.at(-1)!;
  return { p90, max, request: round(p90 * (1 + HEAD_ROOM)), limit: round(max * (1 + HEAD_ROOM)) };
}

/** What the Compose configuration says that the run was started with: every service of the side of this variant. */
export function setBy(
  { run_id, sides, compose }: Pick<UsedRun, 'run_id' | 'sides' | 'compose'>,
  variant: string | null,
) {
  const side = (Object.entries(sides) as [SideName, SideDocument][]).find(
    ([, one]) => (one.variant ?? null) === variant,
  )?.[0];
  const projects = compose as Record<string, { services?: Record<string, any> } | undefined>;
  const started = side === undefined ? undefined : projects[sideProject(run_id, side)];
  return new Map(
    Object.entries(started?.services ?? {}).map(
      ([service, { deploy, mem_reservation, mem_limit, cpus }]): [string, SetResources] => {
        const { reservations, limits } = deploy?.resources ?? {};
        return [
          service,
          {
            memory: {
              request: numberOf(reservations?.memory ?? mem_reservation),
              limit: numberOf(mem_limit ?? limits?.memory),
            },
            cpu: { request: numberOf(reservations?.cpus), limit: numberOf(limits?.cpus ?? cpus) },
          },
        ];
      },
    ),
  );
}

/** Compose writes bytes and cores as texts. */
const numberOf = (value: unknown): number | null => {
  const number = Number(value ?? Number.NaN);
  return Number.isFinite(number) && number > 0 ? number : null;
};

/** Of each run and service the greatest use that is above a request, or has reached a limit. */
export function exceededIn(runs: readonly UsedRun[], variant: string | null): Exceeded[] {
  const set = setBy(runs.at(-1)!, variant);
  return runs.flatMap((run) => {
    const rounds = usedRounds(run, variant).map((round): Used => ({ run, round }));
    const found = rounds.flatMap((used) => exceededInRound(used, set)).filter(({ service }) => !ofMayfly(service, run));
    const greatest = Map.groupBy(found, ({ service, what }) => `${service} ${what}`);
    return [...greatest.values()].map((all) => all.reduce((a, b) => (isMore(b, a) ? b : a)));
  });
}

const isMore = (a: Exceeded, b: Exceeded) => (a.killed === b.killed ? a.used > b.used : a.killed);

function exceededInRound({ run, round }: Used, set: ReadonlyMap<string, SetResources>): Exceeded[] {
  const of = { run_id: run.run_id, side: round.side, round: round.round };
  return (round.resources ?? []).flatMap(({ service, replica, memory_peak, cpu_peak }) => {
    const { memory, cpu } = set.get(service) ?? NOTHING_SET;
    const one = (what: Exceeded['what'], used: number, allowed: number | null, share: number): Exceeded[] =>
      allowed !== null && (share < 1 ? used >= share * allowed : used > allowed)
        ? [{ ...of, service, replica, what, used, set: allowed, killed: false }]
        : [];
    const killed: Exceeded[] = wasKilled(round, service)
      ? [
          {
            ...of,
            service,
            replica: null,
            what: 'memory limit',
            used: memory_peak,
            set: memory.limit ?? memory_peak,
            killed: true,
          },
        ]
      : one('memory limit', memory_peak, memory.limit, REACHED);
    return [
      ...one('memory request', memory_peak, memory.request, 1),
      ...killed,
      ...one('cpu request', cpu_peak, cpu.request, 1),
      ...one('cpu limit', cpu_peak, cpu.limit, REACHED),
    ];
  });
}

/** What is known of how the newest run scaled its services. */
export function scalingOf(
  { sides }: Pick<UsedRun, 'sides'>,
  variant: string | null,
  services: readonly ServiceAdvice[],
): Pick<ResourcesDocument, 'autoscale' | 'replicated'> {
  const deployment = Object.values(sides).find((side) => (side.variant ?? null) === variant)?.deployment;
  const replicated = services
    .filter(
      ({ service, replicas }) =>
        replicas > 1 || deployment?.balancer?.service === service || deployment?.autoscale?.service === service,
    )
    .map(({ service }) => service);
  return { autoscale: deployment?.autoscale ?? null, replicated };
}
