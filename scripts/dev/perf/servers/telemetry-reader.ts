/**
 * Reads one telemetry file and ends: as Mayfly does, or by node:readline and split, or by csv-parse, which both do no
 * more than to add up by label. Started with fork(): it tells what that has cost.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse';
import { summariseFiles } from '../../../telemetry/summary.ts';

/** What a reader tells. */
export interface ReaderCost {
  samples: number;
  cpuSeconds: number;
  wallSeconds: number;
  /** The most memory that it has had at once. */
  peakBytes: number;
}

type Reader = (file: string) => Promise<number>;

const READERS: Record<string, Reader> = {
  async mayfly(file) {
    const { samples } = await summariseFiles([file]);
    return samples;
  },
  async readline(file) {
    const sums = new Map<string, { count: number; sum: number }>();
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const [, value, label] = line.split(',');
      count(sums, label!, Number(value));
    }
    return total(sums) - 1; // the header
  },
  async 'csv-parse'(file) {
    const sums = new Map<string, { count: number; sum: number }>();
    for await (const [, value, label] of createReadStream(file).pipe(parse({ from_line: 2, ltrim: true })))
      count(sums, label, Number(value));
    return total(sums);
  },
};

function count(sums: Map<string, { count: number; sum: number }>, label: string, value: number): void {
  const of = sums.get(label);
  if (of) {
    of.count++;
    of.sum += value;
  } else sums.set(label, { count: 1, sum: value });
}

const total = (sums: Map<string, { count: number }>) => [...sums.values()].reduce((sum, { count }) => sum + count, 0);

const [name, file] = process.argv.slice(2) as [string, string];
const before = process.cpuUsage();
const started = performance.now();
const samples = await READERS[name]!(file);
const { user, system } = process.cpuUsage(before);
process.send!({
  samples,
  cpuSeconds: (user + system) / 1e6,
  wallSeconds: (performance.now() - started) / 1000,
  peakBytes: process.resourceUsage().maxRSS * 1024,
} satisfies ReaderCost);
process.disconnect();
