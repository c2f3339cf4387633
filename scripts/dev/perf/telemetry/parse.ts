/**
 * How fast telemetry files are summed up, and in how much memory: a large file beside a small one, and beside what
 * node:readline with split and csv-parse take. By CPU time, so that a busy host does not decide.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InfrastructureError } from '../../../core/errors.ts';
import type { Goal } from '../figures.ts';
import type { ReaderCost } from '../servers/telemetry-reader.ts';

const READER = join(import.meta.dirname, '../servers/telemetry-reader.ts');
/** MB of a second of CPU time, and what a file may take in memory beyond one of a tenth. */
const GOAL = { mbPerSecond: 50, growthBytes: 32e6 };
/** Rows are drawn once for so many bytes, and then repeated. */
const DRAWN_BYTES = 8e6;
const LABELS = [
  '/orders [POST]',
  '/orders [GET]',
  '/products/:id [GET]',
  '/search [GET]',
  'query',
  'serialise',
  'render',
];

export interface ParseOptions {
  /** Size of the large file; the small one has a tenth. */
  bytes: number;
  log(line: string): void;
}

export interface ParseFigures {
  /** MB of a second of CPU time, by reader. */
  mbPerSecond: { mayfly: number; readline: number; 'csv-parse': number };
  /** Of a second on the clock. */
  mbPerWallSecond: number;
  peakBytes: { small: number; large: number };
  goals: Goal[];
}

/** Writes the files, reads them in processes of their own, and removes them. */
export async function measureParsing({ bytes, log }: ParseOptions): Promise<ParseFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-telemetry-'));
  try {
    const small = await fileOf(join(folder, 'duration-1-0-1-0.csv'), bytes / 10);
    const large = await fileOf(join(folder, 'duration-1-0-1-1.csv'), bytes);
    const mb = async (file: string) => (await stat(file)).size / 1e6;
    const speed = async (reader: string, file: string) => {
      const cost = await read(reader, file);
      const mbPerSecond = (await mb(file)) / cost.cpuSeconds;
      log(
        `${reader}, ${(await mb(file)).toFixed(0)} MB, ${cost.samples.toLocaleString('en')} rows: ${mbPerSecond.toFixed(0)} MB/s of CPU time, ${(cost.peakBytes / 1e6).toFixed(0)} MB of memory`,
      );
      return { ...cost, mbPerSecond };
    };
    const [readline, csv] = [await speed('readline', small), await speed('csv-parse', small)];
    const [few, all] = [await speed('mayfly', small), await speed('mayfly', large)];
    if (readline.samples !== few.samples || csv.samples !== few.samples)
      throw new InfrastructureError(
        `the readers do not agree on the rows of one file: ${few.samples}, ${readline.samples}, ${csv.samples}`,
        { hint: 'This is a fault of Mayfly.' },
      );
    const growth = all.peakBytes - few.peakBytes;
    return {
      mbPerSecond: { mayfly: all.mbPerSecond, readline: readline.mbPerSecond, 'csv-parse': csv.mbPerSecond },
      mbPerWallSecond: (await mb(large)) / all.wallSeconds,
      peakBytes: { small: few.peakBytes, large: all.peakBytes },
      goals: [
        {
          text: `telemetry is summed up at ${all.mbPerSecond.toFixed(0)} MB/s of one core (at least ${GOAL.mbPerSecond}), ${(all.mbPerSecond / readline.mbPerSecond).toFixed(1)} times readline with split, ${(all.mbPerSecond / csv.mbPerSecond).toFixed(1)} times csv-parse`,
          met: all.mbPerSecond >= GOAL.mbPerSecond,
        },
        {
          text: `a file of ten times the size takes ${(growth / 1e6).toFixed(1)} MB more memory (at most ${GOAL.growthBytes / 1e6})`,
          met: growth <= GOAL.growthBytes,
        },
      ],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function read(reader: string, file: string): Promise<ReaderCost> {
  const child = fork(READER, [reader, file], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const cost = once(child, 'message') as Promise<[ReaderCost]>;
  const ended = once(child, 'exit').then(([code]) => {
    if (code !== 0) throw new InfrastructureError(`the reader ${reader} has ended with exit code ${code}`);
  });
  await Promise.race([cost, ended]);
  await ended;
  return (await cost)[0];
}

/** Rows as the library writes them. */
async function fileOf(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'w');
  await file.write('Timepoint, Measurement, Label, PID\n');
  const rows: string[] = [];
  let length = 0;
  for (let i = 0; length < DRAWN_BYTES; i++) {
    const seconds = Math.exp(-7 + 4 * Math.random() * Math.random());
    const row = `17800000${String(i).padStart(11, '0')},${seconds.toFixed(9)},"${LABELS[i % LABELS.length]}",42\n`;
    rows.push(row);
    length += row.length;
  }
  const drawn = rows.join('');
  for (let written = 0; written < bytes; written += drawn.length) await file.write(drawn);
  return path;
}
