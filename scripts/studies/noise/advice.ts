/** What the readings of a host mean, and what to do about it. Pure rules; docs/calibration.md lists the limits. */

import { plural } from '../../core/text.ts';
import type { NoiseAdvice, NoiseFindings, NoiseLevel, NoiseReadings } from '../../report/noise-text.ts';
import { formatPercent, formatValue } from '../../report/units.ts';

/** Up to `quiet` nothing is said; above `usable` no comparison is worth while. Shares from 0 to 1, times in seconds. */
export const LIMITS = {
  /** `usable`: the default allowance of a valid round (docs/benchmark.md). */
  steal: { quiet: 0.01, usable: 0.1 },
  outside_load: { quiet: 0.05, usable: 0.5 },
  /** 99.9th percentile of the gaps of a busy loop. */
  jitter: { quiet: 0.001, usable: 0.02 },
  /** 99th percentile of how late a sleep ends; `usable`: the default allowance of the start lag. */
  timer: { quiet: 0.001, usable: 0.005 },
  /** Robust coefficient of variation of the same work. */
  spread: { quiet: 0.02, usable: 0.25 },
  /** Of the same work; both sides of an interleaved round feel the same drift. */
  drift: { quiet: 0.05, usable: 0.5 },
  /** Greatest over least clock, less 1. */
  clock: { quiet: 0.1, usable: Infinity },
  /** 99th percentile of writing 4 kB to the disk. */
  sync: { quiet: 0.05, usable: Infinity },
  memory_pressure: { quiet: 0.01, usable: 0.1 },
  io_pressure: { quiet: 0.1, usable: Infinity },
  /** Least share of the memory that should be available. */
  available: 0.1,
} as const;

type Limit = { quiet: number; usable: number };
const WORST: NoiseLevel[] = ['noisy', 'usable', 'note'];

/** The verdict, and a line for each thing that disturbs. What could not be read is not judged. */
export function adviseOn(readings: NoiseReadings): NoiseFindings {
  const advice = [...measured(readings), ...memory(readings), ...settings(readings)].sort(
    (a, b) => WORST.indexOf(a.level) - WORST.indexOf(b.level),
  );
  const above = advice.filter(({ level }) => level !== 'note');
  const verdict = above[0]?.level === 'noisy' ? 'noisy' : above.length > 0 ? 'usable' : 'quiet';
  return { verdict, summary: summaries[verdict](above), advice };
}

const summaries: Record<NoiseFindings['verdict'], (above: NoiseAdvice[]) => string> = {
  quiet: () => 'nothing that was read is above the limits of a quiet host',
  usable: (above) =>
    `good enough for an interleaved comparison, in which both sides share the disturbance, but not to compare runs of different times; ${plural(above.length, 'reading')} above the limits of a quiet host`,
  noisy: ([first]) => `rounds would be INVALID or tell little: ${first!.seen}`,
};

function measured({
  steal,
  outside_load,
  jitter,
  timer,
  work,
  frequency,
  disk,
  pressure,
  cores,
}: NoiseReadings): NoiseAdvice[] {
  const clock = frequency && frequency.min_hz > 0 ? frequency.max_hz / frequency.min_hz - 1 : null;
  return [
    ...above(
      steal,
      LIMITS.steal,
      formatPercent,
      'of the CPU time was taken by the hypervisor',
      'Other machines on the same hardware slow this one at times of their own.',
      'Ask for dedicated cores, or another machine; measure when the neighbours are idle.',
    ),
    ...above(
      outside_load,
      LIMITS.outside_load,
      formatPercent,
      'of the CPU time was used by other processes',
      'They compete with the services under test, and not evenly.',
      'Stop what need not run (top shows it): builds, backups, browsers, other benchmarks.',
    ),
    ...above(
      jitter?.p999_s,
      LIMITS.jitter,
      seconds,
      'is the 99.9th percentile of the gaps in which a busy loop did not run',
      "A request that meets such a gap is as much slower: the tail of the latency is the host's, not the service's.",
      'Stop other processes; on a virtual machine ask for dedicated cores; gate on the median and on CPU per request.',
    ),
    ...above(
      timer?.p99_s,
      LIMITS.timer,
      seconds,
      'is the 99th percentile of how late a sleep of 1 ms ends',
      'The load generator wakes as late, and a start lag above 5 ms makes a round INVALID.',
      'Free a core for the load generator; lower the rate.',
    ),
    ...above(
      work?.spread,
      LIMITS.spread,
      formatPercent,
      'is the coefficient of variation of the same piece of work',
      'So much does CPU-bound code vary from one moment to the next.',
      'Compare interleaved (the default), with more rounds or a longer --duration.',
    ),
    ...above(
      work?.drift,
      LIMITS.drift,
      formatPercent,
      'is the slowest over the fastest tenth of the time, for the same work',
      'The host drifts: two runs at different times differ by as much without any change of the code.',
      'Compare interleaved (the default); do not trust a difference between two runs.',
    ),
    ...above(
      clock,
      LIMITS.clock,
      formatPercent,
      'lie between the least and the greatest clock',
      'The same code takes longer at a lower clock.',
      'Use the governor performance and switch boost off, or compare interleaved.',
    ),
    ...above(
      disk?.sync_p99_s,
      LIMITS.sync,
      seconds,
      'is the 99th percentile of writing 4 kB to the disk',
      'A service that commits to disk waits as long.',
      "Put MAYFLY_DATA and the engine's data on a faster disk; do not gate on metrics of writes.",
    ),
    ...above(
      pressure?.io,
      LIMITS.io_pressure,
      formatPercent,
      'of the time some task waited for the disk',
      'Something else uses the disk.',
      'Stop it (iotop shows it).',
    ),
    ...(cores < 2
      ? [
          {
            level: 'usable' as const,
            seen: 'there is one core',
            why: 'Load generator, services and Prometheus share it and slow each other.',
            todo: 'Use a machine of two cores or more; keep the rate low.',
          },
        ]
      : []),
  ];
}

function memory({ memory: read, pressure }: NoiseReadings): NoiseAdvice[] {
  const todo = 'Stop what uses it, or add memory; benchmark with swap off.';
  return [
    ...above(
      pressure?.memory,
      LIMITS.memory_pressure,
      formatPercent,
      'of the time some task waited for memory',
      'Code stops wherever it touches a page that is not there.',
      todo,
    ),
    ...(read && read.swapped_pages > 0
      ? [
          {
            level: 'usable' as const,
            seen: `${plural(read.swapped_pages, 'page')} swapped in or out`,
            why: 'Code stops wherever it touches a page that is not there.',
            todo,
          },
        ]
      : []),
    ...(read && read.available < LIMITS.available
      ? [
          {
            level: 'usable' as const,
            seen: `${formatPercent(read.available)} of the memory is available (limit ${formatPercent(LIMITS.available)})`,
            why: 'The services may be stopped for want of memory, which makes a round INVALID.',
            todo,
          },
        ]
      : []),
  ];
}

function settings({ governor, boost, smt, virtual }: NoiseReadings): NoiseAdvice[] {
  const note = (seen: string, why: string, todo: string): NoiseAdvice => ({ level: 'note', seen, why, todo });
  return [
    ...(governor !== null && governor !== 'performance'
      ? [
          note(
            `the frequency governor is ${governor}`,
            'The clock follows the load, with a delay.',
            'cpupower frequency-set --governor performance, as root.',
          ),
        ]
      : []),
    ...(boost
      ? [
          note(
            'the CPU may boost its clock',
            'How far depends on temperature and on the other cores.',
            'Switch it off for measurements, in the firmware or under /sys/devices/system/cpu.',
          ),
        ]
      : []),
    ...(smt
      ? [
          note(
            'two threads share a core',
            'A busy sibling slows the other thread by a third or more.',
            'Switch SMT off for measurements (/sys/devices/system/cpu/smt/control), or keep the siblings idle.',
          ),
        ]
      : []),
    ...(virtual.length > 0
      ? [
          note(
            `this is a virtual machine or a container (${virtual.join(', ')})`,
            'Clock, siblings and neighbours of the real machine are hidden, and steal may not be told.',
            'Trust what was measured here (gaps, same work) more than what is told.',
          ),
        ]
      : []),
  ];
}

const seconds = (value: number): string => formatValue(value, 's');

function above(
  value: number | null | undefined,
  limit: Limit,
  show: (value: number) => string,
  what: string,
  why: string,
  todo: string,
): NoiseAdvice[] {
  if (value === null || value === undefined || value <= limit.quiet) return [];
  const level = value > limit.usable ? 'noisy' : 'usable';
  const limits = Number.isFinite(limit.usable)
    ? `quiet up to ${show(limit.quiet)}, usable up to ${show(limit.usable)}`
    : `quiet up to ${show(limit.quiet)}`;
  return [{ level, seen: `${show(value)} ${what} (${limits})`, why, todo }];
}
