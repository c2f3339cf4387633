/**
 * The documents that the pages of the web site show and the API answers with: plain JSON, made from the store alone unless
 * said. Times are ISO 8601 with milliseconds; values are in the metric's unit; relative changes are 0.01 for 1 % more.
 * Texts (refs, subjects, labels, reasons) come from others: whoever shows them escapes them.
 */

import type { Job, JobState } from '../../../documents/job.ts';
import type { Better, InvalidReason, Metric, RunDocument, RunStatus, SideName, Unit } from '../../../documents/run.ts';
import type { MetricVerdict, Verdict, VerdictDocument } from '../../../documents/verdict.ts';
import type { HistoryPoint } from '../../../report/history-text.ts';
import type { Accepted } from '../../../store/acceptances.ts';
import type { ChangePoint } from '../../../store/db.ts';
import type { Paused, SeenWorker } from '../../../store/jobs.ts';
import type { SuspectedChange } from '../../../store/judgements.ts';
import type { RunLine } from '../../../store/site.ts';
import type { ServeContext } from '../serve-context.ts';

export type { RunLine };

/** An interval of a value in the metric's unit. */
export interface Interval {
  /** 0.95: of 95 %. */
  level: number;
  low: number;
  high: number;
}

/** A job with what a page shows beside it. */
export interface JobLine extends Job {
  /** Place in the queue, from 1; absent for one that does not wait. */
  place?: number;
  /** 0 to 1, of the rounds it may take at most; absent where it is not known. */
  fraction?: number;
  /** First line of the commit message, where a run of the commit is stored. */
  subject?: string;
}

/** schema mayfly.overview/v1 */
export interface Overview {
  schema: 'mayfly.overview/v1';
  /** When it was made. */
  at: string;
  /** Those of the store and of mayfly.yaml, by name. */
  benchmarks: BenchmarkOverview[];
  /** Jobs that a worker is at. */
  running: JobLine[];
  /** Runs that are being measured and belong to no job that runs: begun by hand, or left by a process that was killed. */
  runs_by_hand: RunLine[];
  /** Jobs that wait, in the order in which they will be taken; at most 50. */
  queued: JobLine[];
  /** All that wait. */
  queued_total: number;
  /** Jobs that ended, the newest first; at most 10. */
  ended: JobLine[];
  /** The newest runs of all; at most 10. */
  runs: RunLine[];
  workers: WorkerLine[];
  paused?: Paused;
}

export interface WorkerLine extends SeenWorker {
  /** Nothing was heard of it for longer than a lease: it has probably died. */
  missing: boolean;
}

export interface BenchmarkOverview {
  name: string;
  /** OWNER/NAME of the repositories of mayfly.yaml that it is measured for. */
  repositories: string[];
  /** The newest run of the default branch that has ended; absent: there is none. */
  last_master?: {
    run_id: string;
    /** Absent where it was measured alone. */
    verdict?: Verdict;
    status: RunStatus;
    /** The verdict's sentence; where there is none, what can be said of the run. */
    sentence: string;
    commit: string;
    ref: string;
    subject?: string;
    at: string;
  };
  /** Its primary metrics, in the order of benchmark.yaml; empty without a run of the default branch. */
  metrics: SparkMetric[];
  /** Of all its branches: open, waiting for `npm run history -- --confirm`. */
  suspected_open: number;
  /** Runs in the store. */
  runs: number;
}

export interface SparkMetric {
  name: string;
  title: string;
  unit: Unit;
  better: Better;
  margin: number;
  /** The newest 40 commits of the default branch, oldest first. */
  points: { run_id: string; commit: string; at: string; value: number }[];
  last: number | null;
  /** Level of the last point against the level right after the last confirmed change point (without one: the first point shown); null of one point. */
  change: number | null;
  /** What `change` counts from. */
  since: { commit: string; at: string; change_point: boolean } | null;
}

/** Of the history; each may be left out. */
export interface HistoryOptions {
  benchmark: string;
  /** Default: the default branch. */
  branch?: string | undefined;
  /** Default: none. */
  variant?: string | undefined;
  /** Default: the first primary metric. */
  metric?: string | undefined;
  /** Default: host of the newest run of the branch. */
  host?: string | undefined;
  /** From and to: a date (2026-01-31, all of that day), a time in ISO 8601, or a commit or the beginning (7 digits) of one; both ends belong to it. */
  from?: string | undefined;
  to?: string | undefined;
  /** Points at most, the newest; default 250, at most 2000. */
  limit?: number | undefined;
}

/** schema mayfly.site-history/v1 */
export interface HistoryView {
  schema: 'mayfly.site-history/v1';
  benchmark: string;
  /** Absent: the default one. */
  branch?: string;
  /** Others than the default one that have a history. */
  branches: string[];
  /** Of the benchmark's deployment; absent: none. */
  variant?: string;
  /** Those that have a history. */
  variants: string[];
  /** null: there is no run of the branch yet; everything else is empty then. */
  metric: { name: string; title: string; unit: Unit; better: Better; primary: boolean; margin: number } | null;
  host_id: string | null;
  /** To choose from; primary ones first. */
  metrics: { name: string; title: string; unit: Unit; primary: boolean }[];
  hosts: { host_id: string; cpu_model: string; cores: number; runs: number }[];
  /** One for each commit (its newest run), oldest first. */
  points: HistoryPointView[];
  /** Points of the range that are left out because there are more than the limit: older ones. */
  older: number;
  /** Points before and after the range that was asked for. */
  outside: number;
  /** Runs of the metric that were measured in another way (stack, load, pairing): their figures mean something else. */
  other_runs: number;
  /** Confirmed changes of the metric, oldest first. */
  changes: ChangeView[];
  /** Those that are suspected and open, or refuted. */
  suspected: ChangeView[];
  /** As it was asked for, resolved to times; absent: open. */
  from?: string;
  to?: string;
}

export interface HistoryPointView extends HistoryPoint {
  /** 95 % of the run's own rounds; null of fewer than six. */
  interval: Interval | null;
  /** Rounds (observations) that it rests on. */
  n: number;
  verdict?: Verdict;
  /** The verdict's sentence. */
  summary?: string;
  /** Runs of this commit in the series; the point shows the newest. */
  runs: number;
}

/** A change with the place of it in `points`; null where its run is not among them. */
export interface ChangeView {
  state: 'confirmed' | 'open' | 'refuted';
  metric: string;
  host_id: string;
  run_id: string;
  at: string;
  before: string;
  commit: string;
  subject?: string;
  /** After / before. */
  ratio: number;
  worse: boolean;
  /** `4.9 % slower`. */
  words: string;
  checked_by?: string;
  found_at: string;
  /** Somebody has accepted it. */
  accepted?: Accepted;
  index: number | null;
}

/** schema mayfly.site-run/v1 */
export interface RunView {
  schema: 'mayfly.site-run/v1';
  /** The run as `npm run show -- --json` prints it, its verdict in it. */
  run: RunDocument;
  /** Every metric that has a value, primary ones first, then in the order of the run. */
  metrics: MetricView[];
  rounds: RoundView[];
  /** Latency by side, from the load generator's exact result; empty where it gave none (another generator than Mayfly's). */
  latency: LatencyView[];
  links: Links;
  /** Jobs that led to it, the newest first. */
  jobs: Job[];
  /** The newest run of the default branch, or of that of this run, before this one, to compare with. */
  before?: { run_id: string; commit: string };
  /** Ended: nothing of it will change any more but its links. */
  ended: boolean;
}

/** What a metric is, with its name in words. */
export interface NamedMetric extends Pick<Metric, 'name' | 'unit' | 'better' | 'primary' | 'margin'> {
  title: string;
}

export interface MetricView extends NamedMetric {
  /** What the judge says of it, where the run was judged. */
  verdict?: MetricVerdict;
  sides: SideValues[];
}

/** Every round of one side as a dot. */
export interface SideValues {
  side: SideName;
  /** Over the rounds that count; null where none does. */
  median: number | null;
  min: number | null;
  max: number | null;
  /** Of the median over rounds that count; null of fewer than six. */
  interval: Interval | null;
  dots: Dot[];
}

export interface Dot {
  round: number;
  value: number;
  /** False: a side of the round is INVALID, or it was a probe at another rate; the round does not count. */
  counts: boolean;
  /** Why not, one sentence each. */
  why: string[];
}

export interface RoundView {
  round: number;
  block?: number;
  rate?: number;
  from_run?: string;
  started_at: string;
  window_s: number;
  sides: { side: SideName; valid: boolean; reasons: InvalidReason[] }[];
}

/** Latency of one side. `share` 0 is the least, 1 the greatest value; seconds. */
export interface LatencyView {
  side: SideName;
  /** Requests in the windows that count. */
  requests: number;
  /** Over the rounds that count: the median over rounds of each quantile, with the least and greatest round. */
  quantiles: { share: number; seconds: number; low: number; high: number }[];
  /** Round by round, those that count. */
  rounds: { round: number; quantiles: { share: number; seconds: number }[] }[];
}

export interface Links {
  /** Dashboards of every archive over this data folder's bucket that answers, set to the run and its time. */
  archives: { name: string; kind: 'grafana' | 'query'; url: string }[];
  /** Why there is none, for whoever reads the page. */
  none?: string;
  /** On GitHub, where the run belongs to a repository: URLs of its commit and its pull request. */
  github?: { repository: string; commit: string; commit_url: string; pull_request?: string; pull_request_url?: string };
}

/** What is compared: two runs, or two commits of a benchmark. Each: an id of a run, its beginning (8 characters or more), or a commit, the beginning (7 digits or more) of one, or a ref. `a` is before, `b` after. */
export interface CompareOptions {
  a: string;
  b: string;
  /** Where commits are named: of this benchmark; default the one of the newest run of `b`. */
  benchmark?: string | undefined;
}

/** schema mayfly.site-compare/v1 */
export interface CompareView {
  schema: 'mayfly.site-compare/v1';
  benchmark: string;
  /** 'paired': one run has both sides, and decides. 'baseline': two runs through the same baseline. 'levels': two runs at different times, which cannot decide. */
  kind: VerdictDocument['kind'];
  /** It was asked for the other way round: the one run that measured both has this `a` as its baseline. */
  swapped?: true;
  a: CompareSide;
  b: CompareSide;
  /** As `npm run judge` or `npm run compare` says it. */
  verdict: VerdictDocument;
  metrics: CompareMetric[];
  /** Latency of both, for distributions over each other: a, then b; empty where there is none. */
  latency: { a: LatencyView | null; b: LatencyView | null };
}

export interface CompareSide {
  run_id: string;
  side: SideName;
  ref: string;
  commit: string;
  subject?: string;
  started_at: string;
  status: RunStatus;
}

export interface CompareMetric extends NamedMetric {
  /** Of the verdict document: b against a. Null where it says nothing (not comparable). */
  judged: MetricVerdict | null;
  /** Rounds of both, for distributions over each other. */
  a: SideValues;
  b: SideValues;
}

/** schema mayfly.site-jobs/v1 */
export interface JobsView {
  schema: 'mayfly.site-jobs/v1';
  jobs: JobLine[];
  /** All that fit the filter. */
  total: number;
  limit: number;
  offset: number;
  paused?: Paused;
  workers: WorkerLine[];
}

export interface JobsOptions {
  state?: JobState[] | undefined;
  repository?: string | undefined;
  benchmark?: string | undefined;
  pull_request?: number | undefined;
  commit?: string | undefined;
  /** Default 50, at most 200. */
  limit?: number | undefined;
  offset?: number | undefined;
}

/** schema mayfly.site-runs/v1 */
export interface RunsView {
  schema: 'mayfly.site-runs/v1';
  /** Newest first. */
  runs: RunLine[];
  /** What `after` takes to go on; absent: these were the last. */
  next?: string;
}

export interface RunsOptions {
  benchmark?: string | undefined;
  /** Of either side: the beginning (7 digits or more) of a commit, or a ref. */
  commit?: string | undefined;
  host?: string | undefined;
  /** That the candidate was deployed as. Absent: any, and none. */
  variant?: string | undefined;
  master?: boolean | undefined;
  status?: RunStatus | undefined;
  /** Default 50, at most 200. */
  limit?: number | undefined;
  /** `next` of the page before. */
  after?: string | undefined;
}

/** schema mayfly.site-changes/v1: of all benchmarks, or one. */
export interface ChangesView {
  schema: 'mayfly.site-changes/v1';
  change_points: ChangePoint[];
  suspected: SuspectedChange[];
}

/** What a series is of. `latency_p50` and the like: quantiles of latency. */
export const SERIES = ['cpu', 'memory', 'latency_p50', 'latency_p95', 'latency_p99'] as const;
export type SeriesName = (typeof SERIES)[number];

/** schema mayfly.site-series/v1: time series of a run, as seconds since the start of each round's window. */
export interface SeriesView {
  schema: 'mayfly.site-series/v1';
  run_id: string;
  /** 'archive': of the raw metrics, sampled. 'store': what is kept of each round, one value a round, as steps of the window's length. */
  source: 'archive' | 'store';
  /** Why it is not from the archive. */
  reason?: string;
  charts: {
    name: SeriesName;
    title: string;
    unit: Unit;
    lines: SeriesLine[];
  }[];
}

export interface SeriesLine {
  side: SideName;
  round: number;
  /** Of CPU and memory from the archive; absent: all services of the side together. */
  service?: string;
  counts: boolean;
  /** Seconds since the start of the round's window (before it: negative, the warm-up), rising; null: no value. */
  t: number[];
  v: (number | null)[];
}

/** What the functions of this folder need of the server. */
export type ViewContext = Pick<ServeContext, 'store' | 'config' | 'paths' | 'githubSite' | 'now'>;
