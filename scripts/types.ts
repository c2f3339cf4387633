/**
 * The values that the stages hand to each other. A type says how far the data has come:
 * BenchmarkSpec (the file) -> Config (file and flags) -> Plan (commits and names resolved)
 * -> Built (images there) -> Round (one observation) -> RunDocument (what is stored and printed).
 */
import type { BenchmarkSpec } from './config/benchmark.types.ts';

export type { BenchmarkSpec };

export type SideName = 'candidate' | 'baseline';
export type Better = 'lower' | 'higher';
/** s: seconds. bytes. ratio: 0 to 1. 1/s: per second. count: a number of things. */
export type Unit = string;

/** One value of one metric for one side of one round. */
export interface Sample {
  value: number;
  unit: Unit;
}

/** A metric of a run: what it is called, how it is read, and how it is judged. */
export interface Metric {
  name: string;
  unit: Unit;
  better: Better;
  /** Gates the verdict; the others are only shown. */
  primary: boolean;
  /** Smallest relative change worth calling a change: 0.01 is 1 %. */
  margin: number;
  /** PromQL with $window and $selector; absent for a metric that the harness measures itself. */
  promql?: string;
}

/** A container port that Prometheus scrapes, on each replica of the service. */
export interface ScrapeTarget {
  service: string;
  port: number;
  path: string;
}

export type BuildRecipe =
  | { kind: 'git'; repository: string; context: string; dockerfile: string; args: Record<string, string>; network: 'none' | 'default' | 'host' }
  | { kind: 'image'; image: string }
  | { kind: 'command'; command: string[] };

export interface K6Load {
  kind: 'k6';
  /** Absolute path of the k6 script. */
  script: string;
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
  generator: K6Load | ImageLoad;
  /** URL as the benchmark writes it, for example http://shop:8080; the host is a service of its Compose file. */
  target: string;
  /** Iterations per second for each side. An iteration is one request where the script keeps to the rule. */
  rate: number;
  durationS: number;
  warmupS: number;
  /** Virtual users, all allocated before the load starts. */
  vus: number;
}

/** What a valid round may show; above it the round is INVALID. */
export interface Allowances {
  /** Share of requests that may fail, 0 to 1. */
  failedRequests: number;
  /** Share of CFS periods in which a service may be throttled, 0 to 1. */
  throttledPeriods: number;
  /** Share of the host's CPU time that the hypervisor may steal, 0 to 1. */
  steal: number;
  /** Share of the host's CPU time that processes outside the run may use, 0 to 1. */
  outsideLoad: number;
  /** Milliseconds that the 99th percentile of the start lag may reach. */
  startLagMs: number;
}

/** The benchmark's file, with the flags laid over it and every default filled in. */
export interface Config {
  benchmark: string;
  description: string;
  /** Absolute path of the benchmark's folder. */
  dir: string;
  /** Absolute path of benchmark.yaml. */
  file: string;
  commit: string;
  against?: string;
  /** Image name -> how to build it. */
  builds: Record<string, BuildRecipe>;
  /** Absolute path of the Compose file of the services under test. */
  services: string;
  load: Load;
  scrape: ScrapeTarget[];
  metrics: Metric[];
  /** Valid rounds asked for. */
  rounds: number;
  /** Invalid rounds that may be measured again, in the whole run. */
  retries: number;
  allow: Allowances;
  /** Seconds that the services have to become healthy. */
  readyTimeoutS: number;
  labels: Record<string, string>;
  /** Leave the stack up at the end. */
  keep: boolean;
  /** Run the Thanos sidecar beside Prometheus. */
  live: boolean;
  /** Absolute path of a Thanos object-store configuration; absent: the folder bucket. */
  objstore?: string;
}

export interface Host {
  /** Hash of the fields below, for grouping runs that may be compared. */
  id: string;
  cpu_model: string;
  cores: number;
  memory_bytes: number;
  kernel: string;
  os: string;
  engine: string;
}

/** Disjoint CPU sets in the syntax of cpuset.cpus, or null where the host has too few cores. */
export interface CpuSets {
  services: string | null;
  loadgen: string | null;
  metrics: string | null;
}

/** An image of a side after the build. */
export interface BuiltImage {
  name: string;
  tag: string;
  id: string;
  /** 'cached': found from an earlier run. */
  source: 'built' | 'cached' | 'pulled';
}

export interface SideDocument {
  /** As the user wrote it: HEAD, a tag, worktree. */
  ref: string;
  /** Full hash; the version itself where the benchmark is not built from git; tree hash for a worktree. */
  commit: string;
  /** First line of the commit message, where there is one. */
  subject?: string;
  images: BuiltImage[];
}

export type InvalidCode =
  | 'dropped-iterations' | 'rate-missed' | 'start-lag' | 'out-of-memory' | 'restarted' | 'throttled'
  | 'failed-requests' | 'host-steal' | 'host-load' | 'generator-failed' | 'no-samples';

/** Why a round is INVALID: a code for machines, a sentence for people. */
export interface InvalidReason {
  code: InvalidCode;
  message: string;
}

/** One side of one round: one observation. */
export interface RoundDocument {
  side: SideName;
  /** 1 for the first round; a round measured again has a number of its own. */
  round: number;
  valid: boolean;
  reasons: InvalidReason[];
  /** Start of the measured window, ISO 8601 with milliseconds. */
  started_at: string;
  /** Length of the measured window in seconds. */
  window_s: number;
  samples: Record<string, Sample>;
}

export type RunStatus = 'running' | 'complete' | 'invalid' | 'interrupted' | 'failed';

export interface ArchiveDocument {
  /** Folder, or type and name of the bucket; never a credential. */
  bucket: string;
  blocks: string[];
  /** Every block's meta.json was seen in the bucket. */
  verified: boolean;
  /** The snapshot waits on this host for `npm run archive:push`. */
  pending: boolean;
  /** Why it waits. */
  error?: string;
  /** When its blocks were marked for removal, ISO 8601 with milliseconds: the record of the run stays, its raw metrics go. */
  removed_at?: string;
}

/** schema mayfly.run/v1: what --json prints and what the store keeps of a run. */
export interface RunDocument {
  schema: 'mayfly.run/v1';
  run_id: string;
  benchmark: string;
  status: RunStatus;
  /** Why the run is not complete. */
  status_reason?: string;
  started_at: string;
  finished_at?: string;
  /** How two sides meet; 'solo' for one side. */
  pairing: 'solo' | 'interleaved';
  sides: { candidate: SideDocument; baseline?: SideDocument };
  host: Host;
  /** Hash of everything in the stack that could change a measurement but the services under test. */
  stack_version: string;
  labels: Record<string, string>;
  load: { generator: string; target: string; rate: number; duration_s: number; warmup_s: number; vus: number };
  cpusets: CpuSets;
  rounds_asked: number;
  metrics: Metric[];
  rounds: RoundDocument[];
  archive?: ArchiveDocument;
  /** Images of the stack itself: where each came from and its id. */
  stack_images: { ref: string; id: string; source: string }[];
  /** The Compose configuration as it was started, by project. */
  compose: Record<string, unknown>;
}

/** Where progress goes: stderr, a live line on a terminal, plain lines elsewhere, nothing with --quiet. */
export interface Progress {
  /** Begins a step and says so. Steps may overlap. */
  step(title: string): ProgressStep;
  info(line: string): void;
  /** Shown with --quiet too. */
  warn(line: string): void;
  /** Ends the live line, for example before the result is printed. */
  close(): void;
}

export interface ProgressStep {
  /** What is going on now; fraction done, 0 to 1, where it is known. */
  update(text: string, fraction?: number): void;
  done(text?: string): void;
  fail(text?: string): void;
}
