/**
 * What the trend stream says of a run: a few samples in OpenMetrics text, the same whenever they are made from the same
 * record.
 */

import { promtoolSeconds, series } from '../core/series.ts';
import type { RunDocument, SideDocument, SideName } from '../documents/run.ts';
import { countedRounds } from '../judge/compare-runs.ts';
import type { ChangePoint } from '../store/db.ts';

export interface TrendSample {
  /** The series as OpenMetrics writes it: name and labels. */
  series: string;
  value: number;
  /** Milliseconds since the epoch. */
  atMs: number;
}

/** A text for promtool, and what must be in the blocks that are made from it. */
export interface TrendText {
  text: string;
  samples: number;
  /** Milliseconds since the epoch of the first and of the last sample. */
  firstMs: number;
  lastMs: number;
}

/** External labels of every trend block: one stream, so that all of it is merged into few blocks. */
export const TREND_LABELS = { stream: 'trend' };

/** The default branch has no label: its series are those of before there were others. */
const DEFAULT = '';
/** So has a run without a variant. */
const NONE = '';

/**
 * Everything the trend has of a run: when it was, how it went, and each sample of each round that counts, at the start
 * of its window.
 */
export function runSamples(run: RunDocument): TrendSample[] {
  const { run_id, benchmark, status, pairing, branch = DEFAULT } = run;
  const host = run.host.id;
  const { ref, commit, variant = NONE } = run.sides.candidate;
  // What a comparison did not come to the end of has no verdict yet.
  const verdict =
    status === 'invalid'
      ? (run.verdict?.verdict ?? 'INVALID')
      : status === 'complete'
        ? (run.verdict?.verdict ?? '')
        : '';
  const startMs = Date.parse(run.started_at);
  const start = {
    series: series('mayfly_run_start_timestamp_seconds', {
      benchmark,
      run_id,
      commit,
      ref,
      against: run.sides.baseline?.commit ?? '',
      host,
      pairing,
      status,
      verdict,
      branch,
      variant,
      against_variant: run.sides.baseline?.variant ?? NONE,
    }),
    value: startMs / 1000,
    atMs: startMs,
  };
  const duration =
    run.finished_at === undefined
      ? []
      : [
          {
            series: series('mayfly_run_duration_seconds', { benchmark, run_id, commit, host, status, verdict }),
            value: (Date.parse(run.finished_at) - startMs) / 1000,
            atMs: startMs,
          },
        ];
  // What somebody else has deployed is on no line of the commits that are built.
  if (run.deployed) return [start, ...duration];
  return [start, ...duration, ...sidesOf(run).flatMap(([side, { commit }]) => sideSamples(run, side, commit, startMs))];
}

function sideSamples(run: RunDocument, side: SideName, commit: string, startMs: number): TrendSample[] {
  const { run_id, benchmark, branch = DEFAULT } = run;
  const variant = run.sides[side]?.variant ?? NONE;
  const host = run.host.id;
  const counted = countedRounds(run, side);
  const measured = run.rounds.filter((round) => round.side === side && round.rate === undefined).length;
  const rounds = [
    { valid: 'true', value: counted.length },
    { valid: 'false', value: measured - counted.length },
  ];
  return [
    ...rounds.map(({ valid, value }) => ({
      series: series('mayfly_rounds', { benchmark, run_id, commit, host, side, valid }),
      value,
      atMs: startMs,
    })),
    ...counted.flatMap((round) =>
      Object.entries(round.samples).map(([metric, { value, unit }]) => ({
        series: series('mayfly_sample', { benchmark, run_id, commit, side, host, metric, unit, branch, variant }),
        value,
        atMs: Date.parse(round.started_at),
      })),
    ),
  ];
}

const sidesOf = (run: RunDocument) => Object.entries(run.sides) as [SideName, SideDocument][];

/** Each change point, at the start of the first run after it. */
export function changePointSamples(points: ChangePoint[]): TrendSample[] {
  return points.map(({ benchmark, metric, commit, before, host_id, ratio, at, branch = DEFAULT, variant = NONE }) => ({
    series: series('mayfly_change_point', { benchmark, metric, commit, before, host: host_id, branch, variant }),
    value: ratio,
    atMs: Date.parse(at),
  }));
}

/**
 * The text that promtool makes blocks of: times in seconds, each series by itself and in the order of time. Two samples
 * of a series at the same millisecond would become one: the later one moves on by a millisecond. The same sample twice
 * is one.
 */
export function openMetrics(samples: TrendSample[]): TrendText {
  const sorted = samples.toSorted((a, b) => (a.series < b.series ? -1 : a.series > b.series ? 1 : a.atMs - b.atMs));
  const lines: string[] = [];
  let family = '';
  let count = 0;
  let [firstMs, lastMs] = [Infinity, -Infinity];
  let last: TrendSample & { asked: number } = { series: '', value: 0, atMs: 0, asked: 0 };
  for (const { series, value, atMs: asked } of sorted) {
    if (!Number.isFinite(value) || !Number.isFinite(asked))
      throw new Error(`the trend has no place for ${value} at ${asked}: ${series}`);
    if (series === last.series && asked === last.asked && value === last.value) continue;
    const atMs = series === last.series ? Math.max(asked, last.atMs + 1) : asked;
    const name = series.slice(0, series.indexOf('{'));
    if (name !== family) lines.push(`# TYPE ${(family = name)} gauge`);
    lines.push(`${series} ${value} ${promtoolSeconds(atMs)}`);
    count++;
    firstMs = Math.min(firstMs, atMs);
    lastMs = Math.max(lastMs, atMs);
    last = { series, value, atMs, asked };
  }
  return { text: `${lines.join('\n')}\n# EOF\n`, samples: count, firstMs, lastMs };
}
