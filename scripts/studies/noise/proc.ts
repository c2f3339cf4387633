/** The kernel's own words on CPU, memory and pressure. Pure parsers of proc(5) and sysfs texts. */
import type { NoiseReadings } from '../../report/noise-text.ts';

/** The greatest "cpu MHz" and all others of /proc/cpuinfo, in Hz; [] where it does not say. */
export const clocksOf = (cpuinfo: string): number[] =>
  [...cpuinfo.matchAll(/^cpu MHz\s*:\s*([\d.]+)$/gm)].map(([, mhz]) => Number(mhz) * 1e6).filter((hertz) => hertz > 0);

/** The CPU says that a hypervisor is below it. */
export const hasHypervisor = (cpuinfo: string): boolean => /^flags\s*:.* hypervisor( |$)/m.test(cpuinfo);

/** Threads of a core: 2 or more of `siblings` for each of `cpu cores`; null where /proc/cpuinfo does not say. */
export function hasSiblings(cpuinfo: string): boolean | null {
  const [, siblings] = /^siblings\s*:\s*(\d+)$/m.exec(cpuinfo) ?? [];
  const [, cores] = /^cpu cores\s*:\s*(\d+)$/m.exec(cpuinfo) ?? [];
  return siblings && cores ? Number(siblings) > Number(cores) : null;
}

/** /proc/loadavg. */
export function loadAverageOf(text: string): NonNullable<NoiseReadings['load_average']> {
  const [one = NaN, five = NaN, fifteen = NaN] = text.split(' ').map(Number);
  return { one, five, fifteen };
}

/** /proc/meminfo: share that is available, and bytes in swap. */
export function memoryOf(meminfo: string): { available: number; swap_used_bytes: number } {
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0);
  return {
    available: kilobytes('MemAvailable') / kilobytes('MemTotal'),
    swap_used_bytes: (kilobytes('SwapTotal') - kilobytes('SwapFree')) * 1024,
  };
}

/** Pages that went to or came from swap since the start, of /proc/vmstat. */
export const swappedPagesOf = (vmstat: string): number =>
  [...vmstat.matchAll(/^pswp(?:in|out) (\d+)$/gm)].reduce((sum, [, pages]) => sum + Number(pages), 0);

/** Seconds since the start in which some task waited, of a file in /proc/pressure. */
export const stalledOf = (pressure: string): number => Number(/^some .*total=(\d+)/m.exec(pressure)?.[1] ?? NaN) / 1e6;
