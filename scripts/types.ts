/**
 * The values that the stages hand to each other. A type says how far the data has come:
 * BenchmarkSpec (the file) -> Config (file and flags) -> Plan (commits and names resolved)
 * -> Built (images there) -> Round (one observation) -> RunDocument (what is stored and printed).
 */
import type { Model } from '../loadgen/plan.ts';
import type { Failures } from '../loadgen/result.ts';
import type { BenchmarkSpec } from './config/benchmark.types.ts';

export type { BenchmarkSpec, Failures, Model };

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
  /** Where the margin is from; absent in documents of runs before there was a verdict. 'calibration': the host sees nothing smaller. */
  margin_from?: 'benchmark' | 'default' | 'calibration';
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
  /** A name for a commit, or one of AGAINST. Absent: the merge-base, where the candidate is not on the default branch. */
  against?: string;
  comparison: ComparisonConfig;
  /** Limits of `npm run capacity`: metric name -> greatest value (least, where more is better), in the metric's unit. */
  objectives: Record<string, number>;
  /** The run belongs to the master set. */
  master: boolean;
  /** Id of the run to go on with. */
  resume?: string;
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
  /** Exactly so many observations and one look at the end; absent: sequential. */
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
  | 'failed-requests' | 'host-steal' | 'host-load' | 'generator-failed' | 'no-samples' | 'saturated';

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
  /** When its blocks were marked for removal, ISO 8601 with milliseconds: the record of the run stays, its raw metrics go. */
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
  /** Hash of the load script, of everything that it imports from the benchmark's folder, and of its data files. Absent where there is no script, and in runs of before it was known. */
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

export type Verdict = 'REGRESSION' | 'IMPROVEMENT' | 'PASS' | 'INCONCLUSIVE' | 'INVALID';

/** One metric of a comparison. Relative changes are of the value: 0.01 is 1 % more in the candidate. */
export interface MetricVerdict {
  name: string;
  unit: Unit;
  better: Better;
  primary: boolean;
  margin: number;
  /** Of a primary metric; null for one that is only shown, and for one without values. */
  verdict: Exclude<Verdict, 'INVALID'> | null;
  /** Medians over the observations. */
  candidate: number | null;
  baseline: number | null;
  /** Hodges-Lehmann estimate of the relative change; null where there is none. */
  change: number | null;
  /** Interval of the change at `level`, for its own number of observations; null of fewer than six. */
  interval: { level: number; low: number; high: number } | null;
  /** What the verdict rests on: bounds that hold over all looks together, in the direction of worse, 0.02 is 2 % worse; null: no bound yet. */
  worse: { at_least: number | null; at_most: number | null };
  /** One-sided exact p-value of the signed-rank test: worse, and better. */
  p: { worse: number; better: number } | null;
  /** How the candidate varies from observation to observation against the baseline: 2 is twice as much; p of the exact test that it varies more. */
  dispersion: { ratio: number; p: number } | null;
  /** Robust standard deviation of the log ratio over observations. */
  noise: number | null;
  observations: number;
  /** The effect in words: `8.1 % slower, 95 % interval 6.2 to 9.9 %`. */
  words: string;
}

/** schema mayfly.verdict/v1: what was decided, on what grounds. */
export interface VerdictDocument {
  schema: 'mayfly.verdict/v1';
  verdict: Verdict;
  /** One sentence, without the verdict's name. */
  summary: string;
  /** 'paired': both sides in one run. 'baseline': two runs through the same baseline. 'levels': two runs at different times, which cannot decide. */
  kind: 'paired' | 'baseline' | 'levels';
  run_id: string;
  /** The run that stands for the baseline, where it is another one. */
  other_run_id?: string;
  benchmark: string;
  candidate: { ref: string; commit: string; subject?: string };
  baseline: { ref: string; commit: string; subject?: string };
  pairing: Pairing;
  method: {
    name: 'mayfly.judge/v1';
    design: 'sequential' | 'fixed';
    /** Probability of a false REGRESSION over all primary metrics and looks; the same for IMPROVEMENT. */
    alpha: number;
    /** Probability that PASS is said of a metric whose true slowdown is its margin. */
    beta: number;
    min: number;
    max: number;
    /** Numbers of observations at which it was looked. */
    looks: number[];
  };
  observations: number;
  /** Rounds that did not count. */
  invalid_rounds: number;
  /** Observations more that would probably decide; null where it is decided or none would. */
  more: number | null;
  /** Why it is INVALID, one sentence each. */
  reasons: string[];
  /** What else the reader must know, one sentence each. */
  notes: string[];
  metrics: MetricVerdict[];
  /** The last calibration of this benchmark on this host, when it was judged. */
  calibration?: CalibrationQuote;
}

/** What a report says of a calibration. */
export interface CalibrationQuote {
  run_id: string;
  at: string;
  rounds: number;
  decisions: number;
  /** Share of false REGRESSIONs, with its 95 % interval. */
  false_alarms: { share: number; low: number; high: number };
  /** Metric -> smallest slowdown found with 95 % power in `observations` observations; null: none below 100 %. */
  detects: Record<string, number | null>;
  observations: number;
}

/** schema mayfly.calibration/v1: one build against itself, on one host. */
export interface CalibrationDocument extends CalibrationQuote {
  schema: 'mayfly.calibration/v1';
  benchmark: string;
  host_id: string;
  stack_version: string;
  pairing: Pairing;
  commit: string;
  /** Share of false IMPROVEMENTs, with its 95 % interval. */
  false_improvements: { share: number; low: number; high: number };
  /** Observations that a decision took, median and 95th percentile. */
  length: { median: number; p95: number };
  metrics: {
    name: string;
    primary: boolean;
    /** Standard deviation of the log ratio, robust. */
    noise: number;
    /** Correlation of a round's log ratio with the next one's. */
    correlation: number;
    /** Number of observations -> smallest slowdown found with 95 % power; null: none below 100 %. */
    detects: { observations: number; slowdown: number | null }[];
    /** What the rounds show where there is no difference, with its 95 % interval; null of fewer than six values. */
    difference: { change: number; low: number; high: number } | null;
    /** Fit to gate, or why not. */
    fit: boolean;
    why?: string;
  }[];
}

/** schema mayfly.capacity/v1: the highest rate at which a commit still meets its objectives. */
export interface CapacityDocument {
  schema: 'mayfly.capacity/v1';
  /** Requests per second; null where not even the lowest rate met them. */
  capacity: number | null;
  /** The lowest rate that was seen to fail; null where the search ended at its cap. */
  fails_at: number | null;
  /** 'objectives': the service's own limit. 'generator': the load generator could not go on. 'cap': --max-rate was reached. */
  limited_by: 'objectives' | 'generator' | 'cap';
  objectives: Record<string, number>;
  probes: { rate: number; met: boolean; why?: string; round: number }[];
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

/** new-test: a pull request or by hand, compared with where it left the default branch. new-master: a commit of the default branch, which joins the master set. */
export type JobKind = 'new-test' | 'new-master';
export type JobState = 'queued' | 'leased' | 'done' | 'failed' | 'cancelled';

/** Settings of one job that differ from benchmark.yaml, as the flags of bench take them. */
export interface JobOverrides {
  rate?: string;
  duration?: string;
}

/** A process that works on jobs: where it is, and which life of its process id. */
export interface WorkerName {
  host: string;
  pid: number;
  /** Start of the process in clock ticks since the boot, as /proc says: a process id comes back, this does not. */
  pid_start: string;
}

/** What a worker tells of the job it is at. */
export interface JobProgress {
  /** One line of what goes on. */
  text: string;
  run_id?: string;
  rounds_done?: number;
  rounds_most?: number;
  /** ISO 8601. */
  at: string;
}

/** What a job failed by. `build`: its own commit cannot be built, which its author has to mend; `other`: what else somebody has to mend. */
export const JOB_FAULTS = ['infrastructure', 'lost_worker', 'deadline', 'build', 'other'] as const;
export type JobFault = (typeof JOB_FAULTS)[number];

/** One commit of one benchmark that is to be measured. Times are ISO 8601. */
export interface Job {
  job_id: string;
  kind: JobKind;
  state: JobState;
  priority: number;
  /** OWNER/NAME on GitHub; absent for a job by hand that belongs to none. */
  repository?: string;
  benchmark: string;
  /** A full hash, or for a job by hand any name that git takes. */
  commit: string;
  ref?: string;
  against?: string;
  pull_request?: number;
  overrides: JobOverrides;
  requested_by: string;
  created_at: string;
  /** It is not begun earlier: a pause after a fault of the infrastructure. */
  not_before?: string;
  deadline_s: number;
  retry_of?: string;
  /** The job of a newer push to its pull request. */
  replaced_by?: string;
  worker?: WorkerName;
  lease_until?: string;
  started_at?: string;
  ended_at?: string;
  /** Leases that ran out or whose worker died. */
  losses: number;
  /** Tries that a fault of the infrastructure ended. */
  failures: number;
  /** Why it is to end, said while it is running. */
  cancel_reason?: string;
  progress?: JobProgress;
  /** Why it was queued again, cancelled or failed. */
  reason?: string;
  /** What it failed by. */
  fault?: JobFault;
  run_id?: string;
  verdict?: Verdict;
}

/** What a new job needs; the rest the queue fills in. */
export interface NewJob extends Pick<Job, 'kind' | 'benchmark' | 'commit' | 'requested_by' | 'priority' | 'deadline_s'>, Partial<Pick<Job, 'repository' | 'ref' | 'against' | 'pull_request' | 'overrides' | 'retry_of'>> {}

/** The higher one goes first. */
export const PRIORITY = { by_hand: 30, master: 20, pull_request: 10 } as const;

/** A pull request as GitHub says that it is. */
export interface RemotePullRequest {
  number: number;
  /** Full hash. */
  head: string;
  base_ref: string;
  /** Its head is in another repository than its base. */
  from_fork: boolean;
  open: boolean;
  /** Milliseconds since the epoch: an older one of two deliveries changes nothing. */
  updated_ms: number;
}
