/** Telemetry files as OpenMetrics text, for promtool. */

/** Files that belong together, and the labels that each of their series gets. */
export interface TelemetrySource {
  paths: string[];
  labels: Record<string, string>;
  /** Milliseconds since the epoch: only samples from `fromMs` on and before `toMs` are taken. Absent: all. */
  fromMs?: number;
  toMs?: number;
}

/** The shape of TrendText: what makeBlocks takes. */
export interface TelemetryText {
  text: string;
  samples: number;
  /** Milliseconds since the epoch of the first and of the last sample. */
  firstMs: number;
  lastMs: number;
}

/** For each second a histogram of each duration; gauges of all else. Without a sample the text is that of none. */
export async function openMetricsOf(sources: TelemetrySource[]): Promise<TelemetryText> {
  throw new Error(`${sources.length} telemetry sources are not read yet`);
}
