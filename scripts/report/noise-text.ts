/** How quiet a host is: the document that `npm run noise` prints, and the same as text. Pure. */
import { columns, styled } from './columns.ts';
import { formatElapsed, formatPercent, formatValue } from './units.ts';

/** Times in seconds, shares from 0 to 1; null: it could not be read. */
export interface NoiseReadings {
  /** Cores that this process may use. */
  cores: number;
  /** Share of the host's CPU time that the hypervisor took, and that other processes used. */
  steal: number | null;
  outside_load: number | null;
  load_average: { one: number; five: number; fifteen: number } | null;
  /** Of all cores, sampled while they were busy. */
  frequency: { min_hz: number; median_hz: number; max_hz: number } | null;
  governor: string | null;
  boost: boolean | null;
  smt: boolean | null;
  /** Signs of a virtual machine or a container. */
  virtual: string[];
  /**
   * A loop on each core that only looks at the clock: the greatest gap of each millisecond, and what was lost in gaps
   * of more than 0.1 ms.
   */
  jitter: {
    median_s: number;
    p999_s: number;
    max_s: number;
    over_100us: number;
    over_1ms: number;
    over_10ms: number;
    lost: number;
  } | null;
  /**
   * A fixed piece of work on each core: robust coefficient of variation; 99th percentile over median less 1; slowest
   * over fastest tenth of the time less 1.
   */
  work: { median_s: number; spread: number; p99: number; drift: number; pieces: number } | null;
  /** How late a sleep of 1 ms ends. */
  timer: { median_s: number; p99_s: number; max_s: number } | null;
  /** Writing 4 kB, and 16 MB, and having them on the disk. */
  disk: { sync_p50_s: number; sync_p99_s: number; bytes_per_s: number } | null;
  memory: { available: number; swap_used_bytes: number; swapped_pages: number } | null;
  /** Share of the time in which some task waited. */
  pressure: { memory: number; io: number } | null;
}

export type NoiseLevel = 'note' | 'usable' | 'noisy';

export interface NoiseAdvice {
  level: NoiseLevel;
  seen: string;
  why: string;
  todo: string;
}

export interface NoiseFindings {
  verdict: 'quiet' | 'usable' | 'noisy';
  /** The verdict in one sentence. */
  summary: string;
  /** The worst first. */
  advice: NoiseAdvice[];
}

/** schema mayfly.noise/v1 */
export interface NoiseDocument extends NoiseFindings {
  schema: 'mayfly.noise/v1';
  /** When it began, ISO 8601 with milliseconds. */
  at: string;
  seconds: number;
  readings: NoiseReadings;
  /** What could not be read, and why. */
  unreadable: string[];
}

const NAMES = { quiet: 'QUIET', usable: 'USABLE', noisy: 'TOO NOISY' } as const;
const COLORS = { quiet: 'green', usable: 'yellow', noisy: 'red' } as const;
const MARKS: Record<NoiseLevel, string> = { note: 'note', usable: 'not quiet', noisy: 'too noisy' };

export function noiseText(document: NoiseDocument, { color }: { color: boolean }): string {
  const { verdict, summary, advice, unreadable, seconds, readings } = document;
  return [
    `${styled(COLORS[verdict], NAMES[verdict], color)}: ${summary}`,
    '',
    columns(['', `over ${formatElapsed(seconds)}`], readingRows(readings), { left: 2, color }),
    '',
    ...advice.flatMap(({ level, seen, why, todo }) => [`${MARKS[level]}: ${seen}`, `  ${why}`, `  ${todo}`]),
    ...unreadable.map((text) => `not read: ${text}`),
    ...(advice.length + unreadable.length > 0 ? [''] : []),
    'What it means for a benchmark is measured by: npm run calibrate -- --benchmark=NAME',
  ].join('\n');
}

const time = (seconds: number): string => formatValue(seconds, 's');

/** A line for each part that was read. */
function readingRows(readings: NoiseReadings): string[][] {
  const {
    cores,
    steal,
    outside_load,
    load_average,
    frequency,
    governor,
    boost,
    smt,
    virtual,
    jitter,
    work,
    timer,
    disk,
    memory,
    pressure,
  } = readings;
  const rows: [string, string | null][] = [
    [
      'cores',
      `${cores}${smt === null ? '' : smt ? ', two threads on each' : ', one thread on each'}${virtual.length > 0 ? `; ${virtual.join(', ')}` : ''}`,
    ],
    ['CPU taken by the hypervisor', steal === null ? null : formatPercent(steal)],
    ['CPU used by other processes', outside_load === null ? null : formatPercent(outside_load)],
    ['load average', load_average && `${load_average.one}, ${load_average.five}, ${load_average.fifteen}`],
    ['clock', frequency && `${ghz(frequency.median_hz)} (${ghz(frequency.min_hz)} to ${ghz(frequency.max_hz)})`],
    ['governor', governor],
    ['boost', boost === null ? null : boost ? 'on' : 'off'],
    [
      'gaps of a busy loop',
      jitter &&
        `99.9th percentile ${time(jitter.p999_s)}, longest ${time(jitter.max_s)}, ${formatPercent(jitter.lost)} of the time lost`,
    ],
    [
      'same work again',
      work &&
        `coefficient of variation ${formatPercent(work.spread)}, 99th percentile ${formatPercent(work.p99)} over the median, drift ${formatPercent(work.drift)}`,
    ],
    [
      'end of a 1 ms sleep',
      timer && `${time(timer.median_s)} late, 99th percentile ${time(timer.p99_s)}, latest ${time(timer.max_s)}`,
    ],
    ['4 kB to the disk', disk && `${time(disk.sync_p50_s)}, 99th percentile ${time(disk.sync_p99_s)}`],
    ['16 MB to the disk', disk && `${formatValue(disk.bytes_per_s, 'bytes')} a second`],
    [
      'memory',
      memory &&
        `${formatPercent(memory.available)} available, ${formatValue(memory.swap_used_bytes, 'bytes')} in swap, ${memory.swapped_pages} pages swapped`,
    ],
    [
      'waiting for memory, for the disk',
      pressure && `${formatPercent(pressure.memory)}, ${formatPercent(pressure.io)} of the time`,
    ],
  ];
  return rows.flatMap(([name, text]) => (text === null ? [] : [[name, text]]));
}

const ghz = (hertz: number): string => `${(hertz / 1e9).toFixed(2)} GHz`;
