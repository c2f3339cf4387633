/** What each container of a side used in the window: memory and CPU, of the exporter's series. Pure. */
import type { RoundDocument } from '../../documents/run.ts';
import type { RawSeries } from './prometheus.ts';

type Resource = NonNullable<RoundDocument['resources']>[number];

export const MEMORY = 'container_memory_working_set_bytes';
export const CPU = 'container_cpu_usage_seconds_total';
/** Every sample of them in the window. */
export const RESOURCES = `{__name__=~"${MEMORY}|${CPU}",job="containers",$selector}[$window]`;

/** Seconds over which the rate of CPU use is taken; of a shorter window that is all of it. */
export const CPU_RATE_S = 10;
/** Scrapes are a second apart, and a busy host misses some at either end: so much of the span must be there. */
const SPAN_SHARE = 0.8;
/** Of a container that no such span is known of: of all that is known, where it is so much of the span. */
const LEAST_SHARE = 0.5;
/** Parts of the window whose least working set is kept: at most so many, each of so many seconds at least. */
const MOST_PARTS = 12;
const LEAST_PARTS = 4;
const LEAST_PART_S = 2;

/** `series`: of the exporter. `services`: those of the side; others, as a sidecar, are left out. */
export function resourcesOf(
  series: readonly RawSeries[],
  { startMs, endMs }: { startMs: number; endMs: number },
  services: ReadonlySet<string>,
): Resource[] {
  const own = series
    .filter(({ labels }) => services.has(labels.service ?? ''))
    .map(({ labels, values }) => ({ labels, values: values.filter(([at]) => at >= startMs && at <= endMs) }));
  const containers = Map.groupBy(own, ({ labels }) => `${labels.service} ${Number(labels.replica ?? 1)}`);
  return [...containers.values()]
    .flatMap((both): Resource[] => {
      const { service, replica } = both[0]!.labels;
      const of = (name: string) => both.filter(({ labels }) => labels.__name__ === name).map(({ values }) => values);
      const memory = of(MEMORY).flat();
      if (memory.length === 0) return [];
      const floor = floorOf(memory, startMs, endMs);
      return [
        {
          service: service!,
          replica: Number(replica ?? 1),
          memory_peak: memory.reduce((most, [, bytes]) => Math.max(most, bytes), 0),
          cpu_peak: Math.max(0, ...of(CPU).map((values) => greatestRate(values, (endMs - startMs) / 1000))),
          ...(floor ? { memory_floor: floor } : {}),
        },
      ];
    })
    .sort((a, b) => a.service.localeCompare(b.service) || a.replica - b.replica);
}

/** The least value in each part of the window; undefined where one has none. */
function floorOf(values: [number, number][], startMs: number, endMs: number): number[] | undefined {
  const parts = Math.min(MOST_PARTS, Math.floor((endMs - startMs) / 1000 / LEAST_PART_S));
  if (parts < LEAST_PARTS) return undefined;
  const floors = Array<number>(parts).fill(Infinity);
  for (const [at, value] of values) {
    const part = Math.min(parts - 1, Math.floor(((at - startMs) / (endMs - startMs)) * parts));
    floors[part] = Math.min(floors[part]!, value);
  }
  return floors.every(Number.isFinite) ? floors : undefined;
}

/** Cores. A counter that falls has begun anew: no rate is taken over that. 0 where it ran for less than half of the span. */
function greatestRate(values: [number, number][], windowS: number): number {
  const span = Math.min(CPU_RATE_S, windowS) * 1000;
  return rateOver(span, SPAN_SHARE, values) || rateOver(span, LEAST_SHARE, values);
}

/** Of the spans of so many milliseconds of which at least this share is there. */
function rateOver(span: number, share: number, values: [number, number][]): number {
  let [first, most] = [0, 0];
  for (const [i, [at, used]] of values.entries()) {
    if (i > 0 && used < values[i - 1]![1]) first = i;
    while (at - values[first]![0] > span) first++;
    const [from, before] = values[first]!;
    if (at - from >= share * span) most = Math.max(most, (used - before) / ((at - from) / 1000));
  }
  return most;
}
