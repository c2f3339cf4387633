/** One look at how quiet the host is: the readings of about a minute, one after the other. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../core/progress.ts';
import { inStep } from '../../core/step.ts';
import { hostShares } from '../../measure/collect/collect.ts';
import { readEdge } from '../../measure/load/edges.ts';
import type { NoiseReadings } from '../../report/noise-text.ts';
import { medianOf } from './percentiles.ts';
import { probeDisk, probeJitter, probeTimer, probeWork } from './probes.ts';
import { clocksOf, hasHypervisor, hasSiblings, loadAverageOf, memoryOf, stalledOf, swappedPagesOf } from './proc.ts';

/** What each part has of the time. */
const PARTS = { timer: 0.15, jitter: 0.35, work: 0.35, disk: 0.15 };
const CLOCK_INTERVAL_MS = 500;
const CPU = '/sys/devices/system/cpu';

export interface NoiseOptions {
  seconds: number;
  /** Where the disk is tried. */
  folder: string;
  progress: Progress;
  signal: AbortSignal;
}

/** Reads for about so many seconds. What cannot be read is null, and why is in `unreadable`. */
export async function measureNoise({
  seconds,
  folder,
  progress,
  signal,
}: NoiseOptions): Promise<{ readings: NoiseReadings; unreadable: string[] }> {
  const unreadable: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      unreadable.push(`${what}: ${(error as Error).message.split('\n')[0]}`);
      return null;
    }
  };
  const cores = availableParallelism();
  const part = (name: keyof typeof PARTS) => PARTS[name] * seconds;
  const edge = () => attempt('CPU time of the host', () => readEdge([]));
  const swapped = () => readFile('/proc/vmstat', 'utf8').then(swappedPagesOf);
  const stalled = (what: string) =>
    readFile(`/proc/pressure/${what}`, 'utf8').then((text) => ({ stalled: stalledOf(text), at: performance.now() }));
  const stalls = (what: string) =>
    attempt(`time that tasks wait for ${what} (/proc/pressure/${what})`, () => stalled(what));

  const [before, swappedBefore, memoryBefore, ioBefore] = await Promise.all([
    edge(),
    swapped().catch(() => 0),
    stalls('memory'),
    stalls('io'),
  ]);
  const load_average = await attempt('load average', async () =>
    loadAverageOf(await readFile('/proc/loadavg', 'utf8')),
  );
  const timer = await inStep(progress, 'ends of short sleeps', () =>
    attempt('ends of short sleeps', () => probeTimer(part('timer'), signal)),
  );
  // A live line is drawn several times a second, by a core that should do nothing else.
  progress.info(
    `gaps of a busy loop on ${cores === 1 ? 'one core' : `${cores} cores`} (${part('jitter').toFixed(1)} s, nothing is drawn meanwhile)`,
  );
  const jitter = await attempt('gaps of a busy loop', () => probeJitter(cores, part('jitter'), signal));
  const { work, frequency } = await inStep(progress, 'the same work again and again', () =>
    workAndClock(cores, part('work'), signal, attempt),
  );
  const ioAfter = ioBefore && (await stalls('io'));
  const disk = await inStep(progress, 'writes to the disk', () =>
    attempt(`writes to the disk in ${folder}`, () => probeDisk(folder, part('disk'), signal)),
  );
  const [after, memoryAfter] = await Promise.all([edge(), memoryBefore && stalls('memory')]);
  const memory = await attempt('memory', async () => ({
    ...memoryOf(await readFile('/proc/meminfo', 'utf8')),
    swapped_pages: (await swapped()) - swappedBefore,
  }));
  const shares = before && after ? hostShares(before, after) : null;
  signal.throwIfAborted();

  return {
    readings: {
      cores,
      steal: shares?.steal ?? null,
      outside_load: shares?.outsideLoad ?? null,
      load_average,
      frequency,
      ...(await settings()),
      jitter,
      work,
      timer,
      disk,
      memory,
      pressure:
        memoryBefore && memoryAfter && ioBefore && ioAfter
          ? { memory: shareStalled(memoryBefore, memoryAfter), io: shareStalled(ioBefore, ioAfter) }
          : null,
    },
    unreadable,
  };
}

type Stalled = { stalled: number; at: number };
const shareStalled = (from: Stalled, to: Stalled): number =>
  Math.min(1, (to.stalled - from.stalled) / ((to.at - from.at) / 1000));

/** The clock is read while the cores are busy: an idle one says nothing. */
async function workAndClock(
  cores: number,
  seconds: number,
  signal: AbortSignal,
  attempt: <T>(what: string, work: () => Promise<T>) => Promise<T | null>,
) {
  const clocks: number[] = [];
  const ended = new AbortController();
  const reading = attempt('clock of the cores', async () => {
    while (!ended.signal.aborted) {
      await sleep(CLOCK_INTERVAL_MS, undefined, { signal: AbortSignal.any([ended.signal, signal]) }).catch(() => {});
      signal.throwIfAborted();
      clocks.push(...(await clocksNow()));
    }
    if (clocks.length === 0) throw new Error('neither cpufreq nor /proc/cpuinfo tells it');
  });
  const [work] = await Promise.all([
    attempt('the same work again', () => probeWork(cores, seconds, signal)).finally(() => ended.abort()),
    reading,
  ]);
  return {
    work,
    frequency:
      clocks.length > 0
        ? { min_hz: Math.min(...clocks), median_hz: medianOf(clocks), max_hz: Math.max(...clocks) }
        : null,
  };
}

async function clocksNow(): Promise<number[]> {
  const files = Array.from(
    { length: availableParallelism() },
    (_, core) => `${CPU}/cpu${core}/cpufreq/scaling_cur_freq`,
  );
  const read = await Promise.all(files.map(textOf));
  const told = read.flatMap((text) => (text === null ? [] : [Number(text) * 1000])).filter((hertz) => hertz > 0);
  return told.length > 0 ? told : clocksOf((await textOf('/proc/cpuinfo')) ?? '');
}

/** What the system is set to; null where it does not tell. */
async function settings(): Promise<Pick<NoiseReadings, 'governor' | 'boost' | 'smt' | 'virtual'>> {
  const governors = await Promise.all(
    Array.from({ length: availableParallelism() }, (_, core) => textOf(`${CPU}/cpu${core}/cpufreq/scaling_governor`)),
  );
  const [boost, noTurbo, smt, cpuinfo, vendor, product, hypervisor] = await Promise.all(
    [
      `${CPU}/cpufreq/boost`,
      `${CPU}/intel_pstate/no_turbo`,
      `${CPU}/smt/active`,
      '/proc/cpuinfo',
      '/sys/class/dmi/id/sys_vendor',
      '/sys/class/dmi/id/product_name',
      '/sys/hypervisor/type',
    ].map(textOf),
  );
  const isVirtual = hasHypervisor(cpuinfo ?? '') || Boolean(hypervisor);
  const maker = isVirtual ? [hypervisor, vendor, product].filter(Boolean).join(' ') : '';
  return {
    governor: [...new Set(governors.filter((one) => one !== null))].join(', ') || null,
    boost: boost !== null && boost !== '' ? boost === '1' : noTurbo !== null ? noTurbo === '0' : null,
    smt: smt !== null ? smt === '1' : hasSiblings(cpuinfo ?? ''),
    virtual: [
      ...(isVirtual ? [`hypervisor${maker ? `: ${maker}` : ''}`] : []),
      ...(existsSync('/.dockerenv') || existsSync('/run/.containerenv') ? ['container'] : []),
    ],
  };
}

const textOf = (file: string): Promise<string | null> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
