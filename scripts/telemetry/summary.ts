/** What telemetry files say of a window: count, rate and quantiles of each label. */

/** One label of one service over a window. */
export interface TelemetryLabel {
  /** Of the Compose file; empty where files are read by hand. */
  service: string;
  prefix: 'duration' | 'runtime' | 'profiler' | 'other';
  label: string;
  /** s, bytes, ratio, count; empty where the file does not say. */
  unit: string;
  count: number;
  /** Samples per second of the window. */
  rate: number;
  sum: number;
  mean: number;
  min: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  max: number;
}

export interface SummaryOptions {
  /** Milliseconds since the epoch: only samples from `fromMs` on and before `toMs` count. Absent: all. */
  fromMs?: number;
  toMs?: number;
  service?: string;
}

export interface TelemetrySummary {
  /** The most frequent first. */
  labels: TelemetryLabel[];
  /** What was odd about the files, a sentence each. */
  notes: string[];
}

/** Reads files as a stream, in bounded memory. Throws where a file cannot be read. */
export async function summariseFiles(paths: string[], _options: SummaryOptions = {}): Promise<TelemetrySummary> {
  throw new Error(`${paths.length} telemetry files are not read yet`);
}
