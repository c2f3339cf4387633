/** The runtime, every second: what V8, the event loop and the system say of this process. */
import { readdir, statSync } from 'node:fs';
import { constants, monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import { isMainThread } from 'node:worker_threads';
import { isOn, onSwitch, record } from './recorder.ts';
import { onStart, wholeNumber } from './session.ts';
import { messageOf, tell, tellOnce } from './tell.ts';

/**
 * Called once per interval. It gives one value, or several by name, or none; a label ends in its unit: `_seconds`,
 * `_bytes`, `_ratio`, `_count`.
 */
export type Sampler = () => number | Record<string, number> | undefined;

export interface RuntimeOptions {
  /** Milliseconds between two samples. Default: 1000. */
  interval?: number;
}

/** What a sampler measures from now on: counters begin at zero. */
interface Source {
  sample: Sampler;
  /** Stops what V8 or libuv do for it. */
  end?: () => void;
}

/** An entry of `gc`; its detail is not in the types. */
interface Collection {
  duration: number;
  detail?: { kind?: number };
}

const INTERVAL_MS = { least: 10, most: 3_600_000, fallback: 1000 };
/**
 * The timer of libuv that the event-loop delay is measured by; its own period is no delay. Of an idle process it takes
 * 0.4 % of a CPU, with 10 ms 0.5 %, with 50 ms 0.1 %.
 */
const DELAY_RESOLUTION_MS = 20;
const DESCRIPTORS = '/proc/self/fd';

const GC_KINDS = new Map<number | undefined, string>([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/** Of each thread. */
const OF_THREAD: Record<string, () => Source> = { gc, heap: () => ({ sample: heap }), event_loop: eventLoop };
/** Of the whole process: the main thread records them. */
const OF_PROCESS: Record<string, () => Source> = { process: processUse, file_descriptors: fileDescriptors };

const own = new Map<string, Sampler>();
/** Names of those that failed since start(). */
const failed = new Set<string>();
/** Milliseconds; 0: no runtime samplers. */
let interval = 0;
let timer: NodeJS.Timeout | undefined;
let sources = new Map<string, Source>();

/** Has `sampler` called with the others, once per interval, from now on or from start() on. The same name replaces. */
export function addSampler(name: string, sampler: Sampler): void {
  if (typeof sampler !== 'function') {
    tell(`addSampler("${name}"): a sampler is a function, this is ${typeof sampler}. It is left out`);
    return;
  }
  own.set(name, sampler);
  failed.delete(name);
  if (timer) sources.set(name, { sample: sampler });
}

onStart(({ runtime = true }) => {
  failed.clear();
  const given = typeof runtime === 'object' ? runtime.interval : undefined;
  interval = runtime === false ? 0 : wholeNumber('runtime.interval', given, INTERVAL_MS);
});

onSwitch((on) => {
  if (on && interval > 0) begin();
  else end();
});

function begin(): void {
  if (timer) return;
  sources = new Map();
  for (const [name, make] of Object.entries(isMainThread ? { ...OF_THREAD, ...OF_PROCESS } : OF_THREAD)) {
    attempt(name, () => sources.set(name, make()));
  }
  for (const [name, sample] of own) if (!failed.has(name)) sources.set(name, { sample });
  timer = setInterval(sampleAll, interval).unref();
}

/** What was counted since the last sample is recorded, so that sums are whole. */
function end(): void {
  if (!timer) return;
  clearInterval(timer);
  timer = undefined;
  sampleAll();
  for (const [name, source] of sources) attempt(name, () => source.end?.());
  sources.clear();
}

function sampleAll(): void {
  if (!isOn()) return;
  for (const [name, source] of sources) attempt(name, () => recordAll(name, source.sample()));
}

function recordAll(name: string, values: unknown): void {
  if (values === undefined) return;
  if (typeof values === 'number') record('runtime', name, values);
  else if (isValues(values)) for (const label of Object.keys(values)) record('runtime', label, values[label]!);
  else throw new Error('it must give a number, numbers by name, or undefined');
}

function isValues(values: unknown): values is Record<string, number> {
  if (typeof values !== 'object' || values === null || values instanceof Promise) return false;
  return Object.values(values).every((value) => typeof value === 'number');
}

/** A sampler that throws is told once and left out until the next start(). */
function attempt(name: string, work: () => void): void {
  if (failed.has(name)) return;
  try {
    work();
  } catch (error) {
    failed.add(name);
    tellOnce(
      `sampler ${name}`,
      `the sampler "${name}" failed: ${messageOf(error)}. It is left out until the next start()`,
    );
    sources.delete(name);
  }
}

function gc(): Source {
  const fresh = () => new Map([...GC_KINDS.values()].map((kind) => [kind, { count: 0, seconds: 0 }]));
  let kinds = fresh();
  // It is told after the turn of the event loop: what is collected in the turn of stop() is not counted.
  const observer = new PerformanceObserver((list) => {
    for (const { detail, duration } of list.getEntries() as Collection[]) {
      const kind = GC_KINDS.get(detail?.kind) ?? 'other';
      const sum = kinds.get(kind) ?? { count: 0, seconds: 0 };
      kinds.set(kind, { count: sum.count + 1, seconds: sum.seconds + duration / 1000 });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    sample() {
      const values: Record<string, number> = {};
      for (const [kind, { count, seconds }] of kinds) {
        values[`gc_${kind}_count`] = count;
        values[`gc_${kind}_seconds`] = seconds;
      }
      kinds = fresh();
      return values;
    },
    end: () => observer.disconnect(),
  };
}

function heap(): Record<string, number> {
  const { used_heap_size, total_heap_size, external_memory } = getHeapStatistics();
  const values: Record<string, number> = {
    heap_used_bytes: used_heap_size,
    heap_total_bytes: total_heap_size,
    external_bytes: external_memory,
  };
  for (const { space_name, space_used_size, space_size } of getHeapSpaceStatistics()) {
    values[`heap_${space_name}_used_bytes`] = space_used_size;
    values[`heap_${space_name}_total_bytes`] = space_size;
  }
  return values;
}

function eventLoop(): Source {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  let before = performance.eventLoopUtilization();
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000);
  return {
    sample() {
      const now = performance.eventLoopUtilization();
      const values: Record<string, number> = {
        event_loop_utilisation_ratio: performance.eventLoopUtilization(now, before).utilization,
      };
      before = now;
      // Nothing was measured where the loop was blocked for the whole interval: its timer is late, the next sample has it.
      if (delay.count > 0) {
        values.event_loop_delay_mean_seconds = seconds(delay.mean);
        values.event_loop_delay_p50_seconds = seconds(delay.percentile(50));
        values.event_loop_delay_p99_seconds = seconds(delay.percentile(99));
        values.event_loop_delay_max_seconds = seconds(delay.max);
        delay.reset();
      }
      return values;
    },
    end: () => delay.disable(),
  };
}

function processUse(): Source {
  let before = process.resourceUsage();
  return {
    sample() {
      const now = process.resourceUsage();
      const values = {
        cpu_user_seconds: (now.userCPUTime - before.userCPUTime) / 1e6,
        cpu_system_seconds: (now.systemCPUTime - before.systemCPUTime) / 1e6,
        context_switches_voluntary_count: now.voluntaryContextSwitches - before.voluntaryContextSwitches,
        context_switches_involuntary_count: now.involuntaryContextSwitches - before.involuntaryContextSwitches,
        rss_bytes: process.memoryUsage.rss(),
      };
      before = now;
      return values;
    },
  };
}

function fileDescriptors(): Source {
  return {
    sample() {
      // Linux 6.2 and later say how many there are. Before, they are listed: thousands of them take milliseconds, so
      // not on this thread. The list has the descriptor that it is read by.
      const { size } = statSync(DESCRIPTORS);
      if (size > 0) return { file_descriptors_count: size };
      readdir(DESCRIPTORS, (error, names) => {
        if (!error) record('runtime', 'file_descriptors_count', names.length - 1);
      });
      return undefined;
    },
  };
}
