/** Memory of the parts of a run that have a fixed limit. Pure. */
import type { Host } from '../documents/run.ts';

const GIB = 1024 ** 3;

/** Bytes that the load generator may use: 1 GiB and one more for each thread that sends, half of the host at most. */
export const generatorMemory = (workers: number, { memory_bytes }: Pick<Host, 'memory_bytes'>): number =>
  Math.min(Math.floor(memory_bytes / 2), (1 + workers) * GIB);
