/** What one sample of the library for Node.js costs, on and off, and what memory it takes at 100,000 samples a second. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InfrastructureError } from '../../../core/errors.ts';
import type { Goal } from '../figures.ts';
import type { RecordMemory, RecordSpeed } from '../servers/telemetry-writer.ts';

const WRITER = join(import.meta.dirname, '../servers/telemetry-writer.ts');
/** What the Python module with the same file format needs for one sample, as the issue states it. */
const REFERENCE_NS = 310_000;
const GOAL = { meanNs: 1000, p999Ns: 50_000, bytes: 2 * 1024 * 1024 };
const ROW = /^(\d{19}), *\d+\.\d{9},"block (\d)",\d+$/;

export interface RecordOptions {
  /** Samples of each measurement of speed. */
  samples: number;
  /** How long 100,000 samples are recorded a second. */
  seconds: number;
  log(line: string): void;
}

export interface RecordFigures {
  speed: RecordSpeed;
  memory: RecordMemory;
  /** What was in the files of `memory`. */
  found: { rows: number; ordered: boolean };
  goals: Goal[];
}

/** Both are measured in processes of their own, into memory where the system has a folder in it. */
export async function measureRecording({ samples, seconds, log }: RecordOptions): Promise<RecordFigures> {
  const folder = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mayfly-telemetry-'));
  try {
    const speed = (await write('speed', folder, samples, async () => {})) as RecordSpeed;
    const ns = (value: number) => `${value.toFixed(0)} ns`;
    log(
      `one sample: ${ns(speed.cpuNs)} of CPU time, ${ns(speed.wallNs)} on the clock, median ${ns(speed.p50Ns)}, p99.9 ${ns(speed.p999Ns)}; performance.now() twice: ${ns(speed.clockCpuNs)}`,
    );
    log(`switched off: ${speed.offNs.toFixed(1)} ns, an empty loop ${speed.emptyNs.toFixed(1)} ns`);
    await Promise.all((await readdir(folder)).map((name) => rm(join(folder, name))));
    const check = checker(folder);
    const memory = (await write('memory', folder, seconds, check.finished)) as RecordMemory;
    const found = await check.all();
    log(
      `${memory.samples.toLocaleString('en')} samples in ${memory.seconds.toFixed(1)} s: at most ${(memory.peakBytes / 1024).toFixed(0)} KiB, and ${(memory.codeBytes / 1024).toFixed(0)} KiB of code`,
    );
    return { speed, memory, found, goals: goalsOf(speed, memory, found) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function goalsOf(speed: RecordSpeed, memory: RecordMemory, found: RecordFigures['found']): Goal[] {
  const times = (ratio: number) => ratio.toFixed(ratio < 10 ? 1 : 0);
  return [
    {
      text: `one sample, start to stop with flushing, takes ${speed.cpuNs.toFixed(0)} ns of CPU time (under ${GOAL.meanNs}), ${times(speed.cpuNs / speed.clockCpuNs)} times performance.now() twice; the reference takes ${times(REFERENCE_NS / speed.cpuNs)} times as long`,
      met: speed.cpuNs < GOAL.meanNs,
    },
    {
      text: `99.9 % of the samples take at most ${(speed.p999Ns / 1000).toFixed(1)} µs on the clock (under ${GOAL.p999Ns / 1000})`,
      met: speed.p999Ns < GOAL.p999Ns,
    },
    {
      text: `${(memory.samples / memory.seconds).toFixed(0)} samples/s for ${memory.seconds.toFixed(0)} s take ${(memory.peakBytes / 1024).toFixed(0)} KiB of memory (at most ${GOAL.bytes / 1024})`,
      met: memory.peakBytes <= GOAL.bytes,
    },
    {
      text: `nothing is lost: ${found.rows.toLocaleString('en')} of ${memory.samples.toLocaleString('en')} samples are in the files, ${found.ordered ? 'in order' : 'OUT OF ORDER'}`,
      met: found.rows === memory.samples && found.ordered,
    },
  ];
}

/** Runs the writer; calls `meanwhile` twice a second. Without the V8 flags of Mayfly's own processes. */
async function write(kind: string, dir: string, count: number, meanwhile: () => Promise<void>) {
  const child = fork(WRITER, [kind, dir, String(count)], {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
    env: { ...process.env, NODE_OPTIONS: '', MAYFLY_TELEMETRY: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let report: unknown;
  child.on('message', (message) => {
    report = message;
  });
  const ended = once(child, 'exit').then(() => true);
  while (!(await Promise.race([ended, sleep(500, false)]))) await meanwhile();
  if (!report)
    throw new InfrastructureError(`the process that records (${kind}) ended without a figure`, {
      hint: 'Its own words are above.',
    });
  return report as RecordSpeed | RecordMemory;
}

/** Counts the rows and looks at their order; a file that is finished is removed, as the sidecar of a run does it. */
function checker(dir: string) {
  const found = { rows: 0, ordered: true };
  let before = '';
  const take = async (name: string) => {
    const [, ...lines] = (await readFile(join(dir, name), 'utf8')).trimEnd().split('\n');
    for (const line of lines) {
      const [, at, label] = ROW.exec(line) ?? [];
      if (!at || at < before || Number(label) !== found.rows % 10) found.ordered = false;
      before = at ?? before;
      found.rows++;
    }
    await rm(join(dir, name));
  };
  const sorted = async () =>
    (await readdir(dir))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .filter((name) => /csv$/.test(name));
  return {
    finished: async () => {
      for (const name of (await sorted()).slice(0, -1)) await take(name);
    },
    all: async () => {
      for (const name of await sorted()) await take(name);
      return found;
    },
  };
}
