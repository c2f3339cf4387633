/** What telemetry files say of a window: count, rate and quantiles of each label. */
import { LogCollapsingLowestDenseDDSketch } from '@datadog/sketches-js';
import { labelUnit } from '../core/label-unit.ts';
import { plural } from '../core/text.ts';
import type { RoundDocument } from '../documents/run.ts';
import { Findings } from './findings.ts';
import { type PrefixReader, readTelemetry, type TelemetryPrefix } from './format.ts';
import { Labels, OTHER_LABEL } from './labels.ts';

/** One label of one service over a window; the service is empty where files are read by hand. */
export type TelemetryLabel = NonNullable<RoundDocument['telemetry']>['labels'][number];

export interface SummaryOptions {
  /**
   * Milliseconds since the epoch: only samples from `fromMs` on and before `toMs` count. Without both the window goes
   * from the first to the last sample of all, a second at least.
   */
  fromMs?: number;
  toMs?: number;
  service?: string;
  /** So many labels, the most frequent; 200 where absent. The rest is counted in a note. */
  most?: number;
}

export interface TelemetrySummary {
  /** The most frequent first. */
  labels: TelemetryLabel[];
  /** What was odd about the files, a sentence each. */
  notes: string[];
  /** Samples in the window, and in the files. */
  samples: number;
  read: number;
}

const MOST = 200;
/** So many values of a label are kept as they are, so that its quantiles are exact; beyond, a sketch takes them over. */
const EXACT_VALUES = 100_000;
/** So many over all labels: 64 MB of them at the most, since an array doubles. */
const EXACT_IN_ALL = 4_000_000;
/** Quantiles of a sketch are off by at most this share of the value. */
const SKETCH_ERROR = 0.005;
/** From the largest value down over 17 decades; quantiles that lie even lower are of the lowest of these. */
const SKETCH_BINS = 4096;

/**
 * Reads files as a stream, in bounded memory. Quantiles are linear between the neighbours, as those of the load
 * generator, and exact up to 100,000 values of a label; beyond that they are within 0.5 % of a value. UsageError where a
 * file cannot be read.
 */
export async function summariseFiles(paths: string[], options: SummaryOptions = {}): Promise<TelemetrySummary> {
  const { fromMs = -Infinity, toMs = Infinity, service = '', most = MOST } = options;
  const findings = new Findings();
  const budget = { left: EXACT_IN_ALL };
  let [read, samples] = [0, 0];
  let [firstMs, lastMs] = [Infinity, -Infinity];
  const row = (atMs: number, value: number, values: Values) => {
    read++;
    if (atMs < fromMs || atMs >= toMs) return;
    samples++;
    if (atMs < firstMs) firstMs = atMs;
    if (atMs > lastMs) lastMs = atMs;
    values.add(value);
  };
  const readers = new Map<TelemetryPrefix, PrefixReader<Values>>();
  await readTelemetry(
    paths,
    (prefix) => {
      let reader = readers.get(prefix);
      if (!reader) readers.set(prefix, (reader = { labels: new Labels(() => new Values(budget)), row }));
      return reader;
    },
    findings,
  );

  const from = fromMs === -Infinity ? firstMs : fromMs;
  const to = toMs === Infinity ? lastMs : toMs;
  const seconds = fromMs === -Infinity || toMs === Infinity ? Math.max(1, (to - from) / 1000) : (to - from) / 1000;
  const all = [...readers].flatMap(([prefix, { labels }]) =>
    [...labels.all()].filter(([, values]) => values.count > 0).map(([label, values]) => ({ prefix, label, values })),
  );
  all.sort((a, b) => b.values.count - a.values.count || compare(a.prefix, b.prefix) || compare(a.label, b.label));
  const notes = findings.notes();
  for (const { prefix, label, values } of all)
    if (label === OTHER_LABEL)
      notes.push(`${plural(values.count, `${prefix} sample`)} of labels beyond the first 1,000 are together ${label}`);
  const sketched = all.filter(({ values }) => values.sketched).length;
  if (sketched > 0)
    notes.push(
      `the quantiles of ${plural(sketched, 'label')} are within ${SKETCH_ERROR * 100} % of the value, not exact`,
    );
  if (read > 0 && samples === 0) notes.push(`none of the ${plural(read, 'sample')} is in the window`);
  const rest = all.slice(most);
  if (rest.length > 0) {
    const left = rest.reduce((sum, { values }) => sum + values.count, 0);
    notes.push(`${plural(rest.length, 'label')} with ${plural(left, 'sample')} left out: the least frequent`);
  }
  return {
    labels: all.slice(0, most).map(({ prefix, label, values }) => ({
      service,
      prefix,
      label,
      unit: labelUnit(prefix, label),
      ...values.summary(seconds),
    })),
    notes,
    samples,
    read,
  };
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** The values of one label: all of them, or a sketch. */
class Values {
  count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  #exact = new Float64Array(16);
  #sketch: LogCollapsingLowestDenseDDSketch | undefined;
  readonly #budget: { left: number };

  /** `budget`: how many values may still be kept, over all labels. */
  constructor(budget: { left: number }) {
    this.#budget = budget;
  }

  get sketched(): boolean {
    return this.#sketch !== undefined;
  }

  add(value: number): void {
    const place = this.count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (this.#sketch) return this.#sketch.accept(value);
    if (place === EXACT_VALUES || this.#budget.left === 0) return this.#toSketch(place, value);
    if (place === this.#exact.length) {
      const larger = new Float64Array(2 * place);
      larger.set(this.#exact);
      this.#exact = larger;
    }
    this.#exact[place] = value;
    this.#budget.left--;
  }

  #toSketch(kept: number, value: number): void {
    this.#sketch = new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: SKETCH_ERROR, binLimit: SKETCH_BINS });
    for (let i = 0; i < kept; i++) this.#sketch.accept(this.#exact[i]!);
    this.#sketch.accept(value);
    this.#exact = new Float64Array(0);
    this.#budget.left += kept;
  }

  summary(seconds: number): Omit<TelemetryLabel, 'service' | 'prefix' | 'label' | 'unit'> {
    const sorted = this.#sketch ? null : this.#exact.subarray(0, this.count).sort();
    const at = (share: number) =>
      sorted
        ? quantile(sorted, share)
        : Math.min(this.#max, Math.max(this.#min, this.#sketch!.getValueAtQuantile(share)));
    return {
      count: this.count,
      rate: this.count / seconds,
      sum: finite(this.#sum),
      mean: finite(this.#sum / this.count),
      min: this.#min,
      p50: at(0.5),
      p90: at(0.9),
      p95: at(0.95),
      p99: at(0.99),
      max: this.#max,
    };
  }
}

/** Linear between the neighbours of the sorted values (type 7 of Hyndman and Fan, 1996). */
function quantile(sorted: Float64Array, share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)]!;
  return below + finite(sorted[Math.ceil(place)]! - below) * (place - Math.floor(place));
}

/** Values may add up to more than a number can be, and JSON has no infinity. */
const finite = (value: number) => Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));
