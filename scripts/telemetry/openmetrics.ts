/**
 * Telemetry files as series: of each duration a histogram, of all else gauges, a value for each second; and these as
 * OpenMetrics text, for promtool.
 */
import { promtoolSeconds, series } from '../core/series.ts';
import { plural } from '../core/text.ts';
import { Findings } from './findings.ts';
import { type PrefixReader, readTelemetry, type TelemetryPrefix } from './format.ts';
import { Labels } from './labels.ts';

/** Files that belong together, and the labels that each of their series gets. */
export interface TelemetrySource {
  paths: string[];
  labels: Record<string, string>;
  /**
   * Milliseconds since the epoch: only samples from `fromMs` on and before `toMs` are taken. Absent: all but those
   * before 2000 and in the future.
   */
  fromMs?: number;
  toMs?: number;
}

/** The shape of TrendText, which makeBlocks takes, and what was odd about the files. */
export interface TelemetryText {
  text: string;
  samples: number;
  /** Milliseconds since the epoch of the first and of the last sample; infinite without one. */
  firstMs: number;
  lastMs: number;
  /** A sentence each. */
  notes: string[];
}

/** One series: milliseconds since the epoch and value, in the order of time. */
export interface TelemetrySeries {
  name: string;
  labels: Record<string, string>;
  points: [atMs: number, value: number][];
}

export interface AllSeries {
  series: Iterable<TelemetrySeries>;
  /** Seconds between two values: 1, or more where there would be too many. */
  stepSeconds: number;
  notes: string[];
}

const HISTOGRAM = 'mayfly_duration_seconds';
/** Upper bounds of the buckets, 1-2-5 from a microsecond to 100 seconds, and as OpenMetrics writes them. */
const BOUNDS = Array.from({ length: 25 }, (_, n) => Number(`${[1, 2, 5][n % 3]}e${Math.floor(n / 3) - 6}`));
const LE = [...BOUNDS.map(bound), '+Inf'];
/** Values that one second of a histogram makes: the buckets, their sum, their count. */
const VALUES_OF_HISTOGRAM = LE.length + 2;

/** So many values there may be; a coarser step keeps them below. A text of them has some 150 MB. */
const MOST_VALUES = 1_000_000;
/** The step does not grow beyond: values of yet more series are left out. */
const MOST_STEP_S = 4096;
/** So many processes of a label are told apart. */
const MOST_PROCESSES = 64;

/** 0.000001 -> 1e-06, 1 -> 1.0 */
function bound(value: number): string {
  if (Number.isInteger(value)) return `${value}.0`;
  return value < 1e-4 ? value.toExponential().replace('e-', 'e-0') : String(value);
}

/** Reads the files as a stream, in bounded memory. UsageError where one cannot be read. */
export async function openMetricsOf(sources: TelemetrySource[]): Promise<TelemetryText> {
  const all = await seriesOf(sources);
  const lines: string[] = [];
  let [samples, firstMs, lastMs] = [0, Infinity, -Infinity];
  let family = '';
  for (const { name, labels, points } of all.series) {
    const of = name.startsWith(HISTOGRAM) ? HISTOGRAM : name;
    if (of !== family) lines.push(`# TYPE ${(family = of)} ${of === HISTOGRAM ? 'histogram' : 'gauge'}`);
    const written = series(name, labels);
    for (const [atMs, value] of points) lines.push(`${written} ${value} ${promtoolSeconds(atMs)}`);
    samples += points.length;
    firstMs = Math.min(firstMs, points[0]![0]);
    lastMs = Math.max(lastMs, points.at(-1)![0]);
  }
  lines.push('# EOF', '');
  return { text: lines.join('\n'), samples, firstMs, lastMs, notes: all.notes };
}

/** The same as series, those of one name one after the other. */
export async function seriesOf(sources: TelemetrySource[]): Promise<AllSeries> {
  const findings = new Findings();
  const grid = new Grid();
  const bySource = new Map<string, { labels: Record<string, string>; of: Map<TelemetryPrefix, Labels<OneLabel>> }>();
  let outside = 0;
  for (const { paths, labels, fromMs, toMs } of sources) {
    const key = JSON.stringify(Object.entries(labels).sort());
    if (!bySource.has(key)) bySource.set(key, { labels, of: new Map() });
    const { of } = bySource.get(key)!;
    const from = fromMs ?? Date.parse('2000-01-01');
    const to = toMs ?? Date.now() + 86_400_000;
    const row = (atMs: number, value: number, one: OneLabel, pid: number) => {
      if (atMs >= from && atMs < to) one.add(atMs, value, pid);
      else if (fromMs === undefined || toMs === undefined) outside++;
    };
    const reader = (prefix: TelemetryPrefix): PrefixReader<OneLabel> => {
      if (!of.has(prefix)) of.set(prefix, new Labels(() => new OneLabel(prefix === 'duration', grid)));
      return { labels: of.get(prefix)!, row };
    };
    await readTelemetry(paths, reader, findings);
  }
  const notes = findings.notes();
  if (outside > 0)
    notes.push(`${plural(outside, 'sample')} left out, since no series goes on before 2000 or in the future`);
  if (grid.stepSeconds > 1)
    notes.push(`a value for each ${grid.stepSeconds} s instead of each second, since there would be too many`);
  if (grid.leftOut > 0) notes.push(`${plural(grid.leftOut, 'sample')} left out, since there are too many series`);
  return { series: eachSeries([...bySource.values()], grid), stepSeconds: grid.stepSeconds, notes };
}

function* eachSeries(
  sources: { labels: Record<string, string>; of: Map<TelemetryPrefix, Labels<OneLabel>> }[],
  grid: Grid,
): Iterable<TelemetrySeries> {
  const labelsOf = (of: Map<TelemetryPrefix, Labels<OneLabel>>, prefix: TelemetryPrefix) =>
    [...(of.get(prefix)?.all() ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const { labels, of } of sources)
    for (const [label, one] of labelsOf(of, 'duration')) yield* histogramSeries({ ...labels, label }, one, grid);
  for (const { labels, of } of sources)
    for (const [label, one] of labelsOf(of, 'runtime'))
      yield* gaugeSeries('mayfly_runtime', { ...labels, label }, one, grid);
  for (const { labels, of } of sources)
    for (const prefix of ['profiler', 'other'] as const)
      for (const [label, one] of labelsOf(of, prefix))
        yield* gaugeSeries('mayfly_telemetry', { ...labels, prefix, label }, one, grid);
}

/** Counters: each begins at zero where its first second does, so that an increase over all seconds is all there was. */
function* histogramSeries(labels: Record<string, string>, one: OneLabel, grid: Grid): Iterable<TelemetrySeries> {
  const cells = [...(one.ofProcess.get(ALL)?.cells ?? [])].sort(([a], [b]) => a - b);
  if (cells.length === 0) return;
  const startMs = grid.startMs(cells[0]![0]);
  const cumulative = (value: (cell: Cell) => number) => {
    let sum = 0;
    const points: [number, number][] = [[startMs, 0]];
    for (const [place, cell] of cells) points.push([grid.endMs(place), (sum = finite(sum + value(cell)))]);
    return points;
  };
  for (const [n, le] of LE.entries())
    yield {
      name: `${HISTOGRAM}_bucket`,
      labels: { ...labels, le },
      points: cumulative(({ buckets }) => {
        let below = 0;
        for (let i = 0; i <= n; i++) below += buckets![i]!;
        return below;
      }),
    };
  yield { name: `${HISTOGRAM}_sum`, labels, points: cumulative(({ sum }) => sum) };
  yield { name: `${HISTOGRAM}_count`, labels, points: cumulative(({ count }) => count) };
}

/** Of each process, since two that write the same label measure two things; the mean of each second. */
function* gaugeSeries(
  name: string,
  labels: Record<string, string>,
  one: OneLabel,
  grid: Grid,
): Iterable<TelemetrySeries> {
  for (const [pid, { cells }] of [...one.ofProcess].sort(([a], [b]) => a - b)) {
    if (cells.size === 0) continue;
    yield {
      name,
      labels: { ...labels, pid: pid === REST ? '(other)' : String(pid) },
      points: [...cells].sort(([a], [b]) => a - b).map(([place, { sum, count }]) => [grid.endMs(place), sum / count]),
    };
  }
}

/** In place of a process: of durations, which are counted over all; of the processes beyond the bound. */
const ALL = 0;
const REST = -1;

/** What happened in one step. */
interface Cell {
  count: number;
  sum: number;
  /** Of a histogram: how many values fell into each bucket. */
  buckets?: Float64Array;
}

/** The steps of one series. */
class Steps {
  cells = new Map<number, Cell>();
  /** Values that a step makes. */
  readonly weight: number;
  readonly #histogram: boolean;
  readonly #grid: Grid;
  /** Where the last value fell: the next one mostly falls there too. */
  #place = Number.NaN;
  #cell: Cell | undefined;

  constructor(histogram: boolean, grid: Grid) {
    this.#histogram = histogram;
    this.#grid = grid;
    this.weight = histogram ? VALUES_OF_HISTOGRAM : 1;
    grid.all.push(this);
  }

  add(atMs: number, value: number): void {
    const place = this.#grid.place(atMs);
    if (place !== this.#place) this.#cell = this.#find(place, atMs);
    const cell = this.#cell;
    if (!cell) return;
    cell.count++;
    cell.sum = finite(cell.sum + value);
    if (cell.buckets) cell.buckets[bucketOf(value)]!++;
  }

  #find(asked: number, atMs: number): Cell | undefined {
    let place = asked;
    let cell = this.cells.get(place);
    if (!cell) {
      this.#place = Number.NaN;
      if (!this.#grid.take(this.weight)) return undefined;
      place = this.#grid.place(atMs); // the step may have grown
      cell = this.cells.get(place);
    }
    if (!cell) {
      cell = { count: 0, sum: 0, ...(this.#histogram ? { buckets: new Float64Array(LE.length) } : {}) };
      this.cells.set(place, cell);
    }
    this.#place = place;
    return cell;
  }

  /** Makes one step of two. */
  merge(): void {
    const merged = new Map<number, Cell>();
    for (const [place, cell] of this.cells) {
      const into = merged.get(Math.floor(place / 2));
      if (!into) merged.set(Math.floor(place / 2), cell);
      else {
        into.count += cell.count;
        into.sum = finite(into.sum + cell.sum);
        cell.buckets?.forEach((count, i) => void (into.buckets![i]! += count));
      }
    }
    this.cells = merged;
    this.#place = Number.NaN;
  }
}

/** Values of code under test may add up to more than a number can be. */
const finite = (value: number) => Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value));

/** Bucket of a value: the first of which the bound is not below it. */
function bucketOf(value: number): number {
  let bucket = 0;
  while (bucket < BOUNDS.length && value > BOUNDS[bucket]!) bucket++;
  return bucket;
}

/** The step that all series share. It doubles whenever they would have too many values together. */
class Grid {
  stepSeconds = 1;
  /** Samples that no step could be made for. */
  leftOut = 0;
  readonly all: Steps[] = [];
  #values = 0;

  place = (atMs: number) => Math.floor(atMs / 1000 / this.stepSeconds);
  startMs = (place: number) => place * this.stepSeconds * 1000;
  endMs = (place: number) => (place + 1) * this.stepSeconds * 1000;

  /** Makes room for so many values; false where there is none. */
  take(values: number): boolean {
    while (this.#values + values > MOST_VALUES && this.stepSeconds < MOST_STEP_S) {
      this.stepSeconds *= 2;
      for (const steps of this.all) steps.merge();
      this.#values = this.all.reduce((sum, { cells, weight }) => sum + cells.size * weight, 0);
    }
    const fits = this.#values + values <= MOST_VALUES;
    if (fits) this.#values += values;
    else this.leftOut++;
    return fits;
  }
}

/** One label of one source: the steps of each of its processes. */
class OneLabel {
  readonly ofProcess = new Map<number, Steps>();
  readonly #duration: boolean;
  readonly #grid: Grid;

  constructor(duration: boolean, grid: Grid) {
    this.#duration = duration;
    this.#grid = grid;
  }

  add(atMs: number, value: number, pid: number): void {
    let steps = this.ofProcess.get(this.#duration ? ALL : pid);
    if (!steps) {
      const process = this.#duration ? ALL : this.ofProcess.size < MOST_PROCESSES ? pid : REST;
      steps = this.ofProcess.get(process) ?? new Steps(this.#duration, this.#grid);
      this.ofProcess.set(process, steps);
    }
    steps.add(atMs, value);
  }
}
