/** Config: the benchmark's file, with the flags laid over it and every default filled in, and what it is made of. */
import type { Model } from '../../loadgen/plan.ts';
import type { KnownBenchmark } from '../documents/benchmark.ts';
import type { Metric, SideName } from '../documents/run.ts';

/** A container port that Prometheus scrapes, on each replica of the service. */
export interface ScrapeTarget {
  service: string;
  port: number;
  path: string;
}

/** The telemetry folder of a service. */
export interface TelemetryFolder {
  service: string;
  /** Absolute path in its containers. */
  folder: string;
  /** What fits in it. */
  bytes: number;
  /** How its profile is taken; absent: it is not. */
  profile?: 'cpu' | 'perf' | { pprof: { port: number; path: string } };
}

/** Which events go to which service (triggers.yaml). */
export interface Trigger {
  name: string;
  /** Attribute -> its value; an event must have all of them. Empty: every event. */
  filter: Record<string, string>;
  /** URL; its host is a service of the Compose file. */
  subscriber: string;
  /** Attempts after the first. */
  retries: number;
  /** Seconds before the second attempt; twice as many before each further one. */
  backoffS: number;
  /** Seconds that an attempt may take. */
  timeoutS: number;
  /** Events that may be under way to the subscriber at once. */
  maxInFlight: number;
}

/** The broker of each side, and what is done with it. */
export interface BrokerConfig {
  /** As the benchmark names it: nats, rabbitmq, or a file of its folder. */
  kind: string;
  /** Absolute path of its Compose file. */
  file: string;
  /** Where the trigger service finds it: nats://broker:4222, amqp://broker:5672. */
  url: string;
  triggers: Trigger[];
  /** Services of the benchmark's Compose file that record what happens to events: all but one-shot ones. */
  services: string[];
  /** Seconds after the end of the load in which the backlog must be gone. */
  drainS: number;
  /** What a round is whose backlog is not. */
  notDrained: 'invalid' | 'failure';
  /** What fits in the folder in which a service records what happens to events. */
  recordsBytes: number;
}

/** Spans of the services, and how many of their traces are kept. */
export interface TracesConfig {
  /** Share of traces that are recorded, above 0. */
  sampling: number;
  /** The slowest of each side and round, and as many of a fair sample. */
  keep: number;
}

/** HAProxy in front of the replicas of a service. */
export interface BalancerConfig {
  service: string;
  /** On which the service listens, and the balancer in its place. */
  port: number;
  /** cookie: a session stays at one replica. */
  sticky: 'cookie' | 'none';
  /** Path that answers 200 where a replica is well. */
  health: string;
  /** Seconds that a replica has to end what is under way once it takes no new request. */
  drainS: number;
}

/** How many replicas a service has while the load goes on (docs/deployments.md). */
export interface AutoscaleConfig {
  service: string;
  metric: 'memory' | 'cpu';
  /** Utilisation that is aimed at: use / request, of all replicas; 0 to 1. */
  target: number;
  min: number;
  max: number;
  /** Seconds in which the greatest count wanted decides before there may be fewer. */
  cooldownS: number;
}

/** How the services of a side are started. */
export interface Deployment {
  /** Null: what the benchmark's file says outside of its variants. */
  variant: string | null;
  /** Service -> replicas, where the benchmark's file names them. */
  replicas: Record<string, number>;
  /** Absolute path of a Compose file that is laid over that of the services. */
  compose: string | null;
  balancer: BalancerConfig | null;
  autoscale: AutoscaleConfig | null;
}

/** What is done to a service in the window, of both sides at the same time. */
export type Disturbance = {
  /** Seconds from the start of the window. */
  atS: number;
  service: string;
} & (
  | {
      kind: 'rolling-update';
      /** own: the side's own commit once more. */
      to: 'own' | 'candidate';
      /** Seconds that a replica has to end what is under way. */
      drainS: number;
    }
  | { kind: 'kill-replica' }
  | { kind: 'restart' }
  | { kind: 'pause'; forS: number }
  | { kind: 'memory-pressure'; forS: number; bytes: number }
  | { kind: 'network-delay'; forS: number; delayS: number }
  /** `loss`: share of the packets, 0 to 1. */
  | { kind: 'network-loss'; forS: number; loss: number }
);

export type BuildRecipe =
  | {
      kind: 'git';
      repository: string;
      context: string;
      dockerfile: string;
      args: Record<string, string>;
      network: 'none' | 'default' | 'host';
      builder: 'classic' | 'buildkit';
    }
  | { kind: 'image'; image: string }
  | { kind: 'command'; command: string[] };

/** The generator of this project (loadgen/). */
export interface OwnLoad {
  kind: 'mayfly';
  /** Absolute path of the load script; null for a file of requests without one. */
  script: string | null;
}

/** Any other load generator: one container for each side. */
export interface ImageLoad {
  kind: 'image';
  image: string;
  command: string[];
  /** Port and path on which the generator exposes its metrics, where it does. */
  scrape?: { port: number; path: string };
  /** PromQL that gives the number of requests sent in the window; validity needs it. */
  requests: string;
  /** PromQL that gives the number of failed requests in the window. */
  failed?: string;
  /** PromQL that gives the number of requests that were due and not sent. */
  dropped?: string;
}

export interface Load {
  generator: OwnLoad | ImageLoad;
  /** URL as the benchmark writes it, for example http://shop:8080; the host is a service of its Compose file. */
  target: string;
  /** When iterations start. Another generator than ours gets a constant rate. A path in it is absolute. */
  model: Model;
  /** Iterations per second for each side, over the window: of stages and of a file of requests the mean; of a closed model 0. An iteration is one request where the script keeps to the rule. */
  rate: number;
  /** Seconds of the window: of stages their sum, of a file its last time; of a closed model the most that it may take. */
  durationS: number;
  warmupS: number;
  /** Requests of a side that may be under way at once; one that is due beyond it is dropped. */
  maxInFlight: number;
  /** Seconds after which a request has failed. */
  timeoutS: number;
  /** Threads of the load generator that send. */
  workers: number;
}

/** What a valid round may show; above it the round is INVALID. */
export interface Allowances {
  /** Share of requests that may fail, 0 to 1. */
  failedRequests: number;
  /** The same of a benchmark that names disturbances, in its place. */
  disturbedFailures: number;
  /** Share of CFS periods in which a service may be throttled, 0 to 1. */
  throttledPeriods: number;
  /** Share of the host's CPU time that the hypervisor may steal, 0 to 1. */
  steal: number;
  /** Share of the host's CPU time that processes outside the run may use, 0 to 1. */
  outsideLoad: number;
  /** Milliseconds that the 99th percentile of the start lag may reach. */
  startLagMs: number;
  /** Share of the services' CPU time that a round with both sides up may use, 0 to 1. */
  saturation: number;
  /** Share of the deliveries of a drained round that may be missing, 0 to 1. */
  lostEvents: number;
  /** Share of the deliveries that may have been given up, 0 to 1. */
  deadLettered: number;
  /** Names of requests whose answers may differ between the sides; one that ends with * stands for all that begin so. */
  answersDiffer: string[];
}

/** The benchmark's file, with the flags laid over it and every default filled in. */
export interface Config {
  /** The name under which runs are kept. */
  benchmark: string;
  /** Of a benchmark outside of the checkout: what the store keeps to know it again. */
  elsewhere?: Omit<KnownBenchmark, 'newest'>;
  /** Why it has not the name that one would expect. */
  nameNote?: string;
  description: string;
  /** Absolute path of the benchmark's folder. */
  dir: string;
  /** Absolute path of benchmark.yaml. */
  file: string;
  commit: string;
  /** A name for a commit, or one of AGAINST. Absent: the merge-base, where the candidate is not on the default branch. */
  against?: string;
  comparison: ComparisonConfig;
  /** Limits of `npm run capacity`: metric name -> greatest value (least, where more is better), in the metric's unit. */
  objectives: Record<string, number>;
  /** The run belongs to the master set. */
  master: boolean;
  /**
   * The branch that the commit is for, of which merge-base, anchor and master set are taken. Absent: the default one.
   */
  branch?: string;
  /** Patterns of path-patterns.ts: a comparison is made where a file that they let in differs. Absent: always. */
  paths?: string[];
  /** Id of the run to go on with. */
  resume?: string;
  /** Image name -> how to build it. */
  builds: Record<string, BuildRecipe>;
  /** Absolute path of the Compose file of the services under test. */
  services: string;
  load: Load;
  scrape: ScrapeTarget[];
  /** As the file lists it; foldersOf of stack/telemetry.ts has those of records too. */
  telemetry: TelemetryFolder[];
  /** Null where the benchmark names none: no container, no image, no second. */
  broker: BrokerConfig | null;
  traces: TracesConfig | null;
  /** What services are told to log in; absent: what they like. */
  logFormat?: 'logfmt' | 'json';
  /** Of each side; of a run without a baseline that of the candidate counts. */
  deployments: Record<SideName, Deployment>;
  /** Absolute paths of the Compose files that a variant of the benchmark may lay over that of its services. */
  overlays?: string[];
  /** In the order of their times. */
  disturbances: Disturbance[];
  /** Where the service is deployed already, so that nothing of it is started; what has to be said of it. */
  deployed?: { url: string; notes: string[] };
  metrics: Metric[];
  /** Valid rounds asked for. */
  rounds: number;
  /** Invalid rounds that may be measured again, in the whole run. */
  retries: number;
  allow: Allowances;
  /** Seconds that the services have to become healthy. */
  readyTimeoutS: number;
  /** What a service may write to the disk in a round: its writable layer and its volumes. */
  diskLimitBytes: number;
  labels: Record<string, string>;
  /** Leave the stack up at the end. */
  keep: boolean;
  /** Run the Thanos sidecar beside Prometheus. */
  live: boolean;
  /** Absolute path of a Thanos object-store configuration; absent: the folder bucket. */
  objstore?: string;
}

/** How two sides are compared. An observation is a round (interleaved) or a block of four (alternating). */
export interface ComparisonConfig {
  pairing: 'auto' | 'interleaved' | 'alternating';
  /** Exactly so many observations, judged once, at the end; absent: sequential. */
  fixed?: number;
  /** Sequential: least and greatest number of observations; max absent: 40 rounds or 20 blocks. */
  min: number;
  max?: number;
  /** Minutes after which no round is begun any more. */
  maxMinutes?: number;
}

/** Greatest number of observations of a sequential comparison: of rounds, and of alternating blocks. */
export const MOST = { interleaved: 40, alternating: 20 } as const;

/** What --against takes besides the name of a commit. */
export const AGAINST = ['merge-base', 'anchor', 'master-set', 'none'] as const;
