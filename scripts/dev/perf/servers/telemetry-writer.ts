/** A process that does nothing but record: telemetry-writer.ts speed|memory DIR N. Sends what it has measured to its parent. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Nanoseconds of one sample, from start to stop, and of what it is held against. */
export interface RecordSpeed {
  kind: 'speed';
  /** On the clock, and of CPU time. */
  wallNs: number;
  cpuNs: number;
  /** performance.now() twice, in turn with the samples. */
  clockCpuNs: number;
  p50Ns: number;
  p999Ns: number;
  /** Switched off, and a loop that does nothing. */
  offNs: number;
  emptyNs: number;
}

export interface RecordMemory {
  kind: 'memory';
  samples: number;
  seconds: number;
  /** Its buffers, and what the heap has grown by since it was loaded, after a garbage collection. */
  peakBytes: number;
  /** What its code takes of the heap. */
  codeBytes: number;
}

const [kind, dir, count] = process.argv.slice(2) as [string, string, string];
const LIBRARY = '../../../../telemetry/src/index.ts';
const LABELS = Array.from({ length: 10 }, (_, index) => `block ${index}`);
const BLOCK = 50_000;

const cpuNs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
const report: RecordSpeed | RecordMemory = kind === 'speed' ? await speed(Number(count)) : await memory(Number(count));
process.send!(report, () => process.exit());

async function speed(samples: number): Promise<RecordSpeed> {
  const { start, stop, startDuration, stopDuration } = await import(LIBRARY);
  let sink = 0;
  const record = (times: number) => {
    for (let index = 0; index < times; index++) stopDuration(LABELS[index % 10]!, startDuration());
  };
  const readClock = (times: number) => {
    for (let index = 0; index < times; index++) sink += performance.now() - performance.now();
  };
  const nothing = (times: number) => {
    for (let index = 0; index < times; index++) sink += index;
  };
  const cpuOf = (work: (times: number) => void, times: number) => {
    const before = cpuNs();
    work(times);
    return cpuNs() - before;
  };
  start({ dir, runtime: false, signal: null });
  for (const work of [record, readClock, nothing]) work(4 * BLOCK);
  const blocks = Math.max(4, Math.round(samples / BLOCK));
  let [wallMs, cpu, clock] = [0, 0, 0];
  for (let block = 0; block < blocks; block++) {
    const before = performance.now();
    cpu += cpuOf(record, BLOCK);
    wallMs += performance.now() - before;
    clock += cpuOf(readClock, BLOCK);
  }
  const single = new Float64Array(blocks * BLOCK);
  for (let index = 0; index < single.length; index++) {
    const before = performance.now();
    stopDuration('block 0', startDuration());
    single[index] = performance.now() - before;
  }
  single.sort();
  stop();
  const off = cpuOf(record, 20 * blocks * BLOCK) / (20 * blocks * BLOCK);
  const empty = cpuOf(nothing, 20 * blocks * BLOCK) / (20 * blocks * BLOCK);
  const of = (total: number) => total / (blocks * BLOCK);
  const quantile = (q: number) => single[Math.floor(q * single.length)]! * 1e6;
  return {
    kind: 'speed',
    wallNs: of(wallMs * 1e6),
    cpuNs: of(cpu),
    clockCpuNs: of(clock),
    p50Ns: quantile(0.5),
    p999Ns: quantile(0.999),
    offNs: Number.isNaN(sink) ? 0 : off,
    emptyNs: empty,
  };
}

/** 100,000 samples a second for `seconds`. Needs --expose-gc. */
async function memory(seconds: number): Promise<RecordMemory> {
  const used = () => {
    globalThis.gc!();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return { heap: heapUsed, buffers: arrayBuffers };
  };
  const before = used();
  const { start, stop, startDuration, stopDuration } = await import(LIBRARY);
  const { heap: loaded } = used();
  start({ dir, runtime: false, signal: null });
  const total = Math.round(seconds * 100_000);
  const began = performance.now();
  let peakBytes = 0;
  const look = () => {
    const { heap, buffers } = used();
    peakBytes = Math.max(peakBytes, Math.max(0, heap - loaded) + buffers - before.buffers);
  };
  let looked = 0;
  for (let done = 0; done < total; ) {
    const due = Math.min(total, Math.floor((performance.now() - began) * 100));
    for (; done < due; done++) stopDuration(LABELS[done % 10]!, startDuration());
    if (done >= looked) {
      look();
      looked += 50_000;
    }
    await sleep(5);
  }
  const took = (performance.now() - began) / 1000;
  look();
  stop();
  return { kind: 'memory', samples: total, seconds: took, peakBytes, codeBytes: loaded - before.heap };
}
