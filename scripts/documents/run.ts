/** A run: schema mayfly.run/v1, what --json prints and what the store keeps (docs/schemas/mayfly.run.v1.json). */
import type { Failures } from '../../loadgen/result.ts';
import type { CapacityDocument } from './capacity.ts';
import type { VerdictDocument } from './verdict.ts';

export type SideName = 'candidate' | 'baseline';

/** How two sides meet; 'solo' for one side. */
export type Pairing = 'solo' | 'interleaved' | 'alternating';

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
  /**
   * Where the margin is from; absent in documents of runs before there was a verdict. 'calibration': the host sees
   * nothing smaller.
   */
  margin_from?: 'benchmark' | 'default' | 'calibration';
  /** PromQL with $window and $selector; absent for a metric that the harness measures itself. */
  promql?: string;
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
  | 'dropped-iterations'
  | 'rate-missed'
  | 'start-lag'
  | 'out-of-memory'
  | 'restarted'
  | 'throttled'
  | 'failed-requests'
  | 'host-steal'
  | 'host-load'
  | 'generator-failed'
  | 'no-samples'
  | 'saturated';

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
  /** Alternating: number of the block of four rounds that it belongs to, from 1. */
  block?: number;
  /** Requests per second asked for, where it is not the run's: a probe of `npm run capacity`. */
  rate?: number;
  /** The run that measured it, where it was taken over from an interrupted one. */
  from_run?: string;
  valid: boolean;
  reasons: InvalidReason[];
  /** Start of the measured window, ISO 8601 with milliseconds. */
  started_at: string;
  /** Length of the measured window in seconds. */
  window_s: number;
  samples: Record<string, Sample>;
  /** What failed, by kind, most often first. Absent where nothing did, and in rounds of before it was kept. */
  failures?: Failures[];
}

export type RunStatus = 'running' | 'complete' | 'invalid' | 'interrupted' | 'failed';

/** The requests of a run one by one, in its newest block (docs/requests.md). */
export interface RequestsDocument {
  /** Paths in the bucket, a file for each round. */
  files: string[];
  /** Requests that were kept. */
  rows: number;
  bytes: number;
  /** They went to the bucket with their block, whose meta.json was seen there. */
  verified: boolean;
}

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
  /**
   * When its blocks were marked for removal, ISO 8601 with milliseconds: the record of the run stays, its raw metrics
   * go.
   */
  removed_at?: string;
  /** Absent where none were kept, and in runs of before they were. */
  requests?: RequestsDocument;
}

/** The load of a run. */
export interface LoadDocument {
  /** `mayfly` and its version, the image of another generator, or `k6` in runs of before there was ours. */
  generator: string;
  target: string;
  rate: number;
  duration_s: number;
  warmup_s: number;
  /** Absent in runs of k6, which had `vus`: virtual users. */
  max_in_flight?: number;
  vus?: number;
  /** Absent in runs of before there was another than an open model of a constant rate. */
  model?: 'open' | 'closed';
  /** Of an open model. */
  arrivals?: 'constant' | 'poisson' | 'file';
  stages?: { rate: number; duration_s: number }[];
  /** Of a closed model. */
  users?: number;
  iterations?: number;
  think_s?: number;
  timeout_s?: number;
  workers?: number;
  /**
   * Hash of the load script, of everything that it imports from the benchmark's folder, and of its data files. Absent
   * where there is no script, and in runs of before it was known.
   */
  workload?: string;
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
  pairing: Pairing;
  sides: { candidate: SideDocument; baseline?: SideDocument };
  host: Host;
  /** Hash of everything in the stack that could change a measurement but the services under test. */
  stack_version: string;
  labels: Record<string, string>;
  load: LoadDocument;
  cpusets: CpuSets;
  rounds_asked: number;
  /** What was agreed before the first round of a comparison: the verdict depends on it. */
  comparison?: Comparison;
  /** It belongs to the master set. */
  master?: boolean;
  /** The interrupted run whose rounds it has taken over. */
  continues?: string;
  metrics: Metric[];
  rounds: RoundDocument[];
  /** Of a comparison, once there is one. */
  verdict?: VerdictDocument;
  /** What `npm run capacity` found. */
  capacity?: CapacityDocument;
  archive?: ArchiveDocument;
  /** Images of the stack itself: where each came from and its id. */
  stack_images: { ref: string; id: string; source: string }[];
  /** The Compose configuration as it was started, by project. */
  compose: Record<string, unknown>;
}

/** The design of a comparison, fixed before its first round. */
export interface Comparison {
  design: 'sequential' | 'fixed';
  /** Observations: least before the first look, greatest; the same for a fixed design. */
  min: number;
  max: number;
  max_minutes?: number;
}
