/**
 * Whether the differential flame graph finds what it is for: two processes of one service under the same load, one of
 * which computes longer in one function. How often is that function the first that is named?
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InfrastructureError } from '../../../core/errors.ts';
import type { SideName } from '../../../documents/run.ts';
import { functionWords, pointsWords, shareWords } from '../../../report/profile-text.ts';
import { type ProfileFile, type RunProfiles, readProfiles } from '../../../telemetry/run-profiles.ts';
import type { Goal } from '../figures.ts';
import { drive } from '../open-load.ts';

const SERVER = join(import.meta.dirname, '../servers/shop-like.ts');
/** The function in it that becomes slower. */
const SLOWER = 'totalOf';
/** What the profiles take to be written. */
const PATIENCE_MS = 30_000;

/** Part of the CPU time of a request that is added. */
const ADDED = 0.05;
/** Requests of a second to each of both, and for how long. */
const RATE = 300;
const SECONDS = 20;

/** Takes profiles of both, as often as it is asked to. */
export async function measureDifferential({ runs, log }: { runs: number; log(line: string): void }): Promise<{
  goals: Goal[];
}> {
  const cost = ADDED * (await costOfRequest());
  log(`${cost.toFixed(3)} ms more in one function: ${ADDED * 100} % of the CPU time of a request`);
  const found = { first: 0, sure: 0 };
  for (let run = 1; run <= runs; run++) {
    const { profile_changes: [first] = [] } = await profiled(cost);
    if (!first) throw new InfrastructureError('the profiles of both sides have no sample on the CPU');
    if (first.name === SLOWER) found.first++;
    if (first.name === SLOWER && first.sure) found.sure++;
    log(
      `${run} of ${runs}: ${functionWords({ ...first, url: basename(first.url) })} ${pointsWords(first.change)} (${shareWords(first.baseline)} of ${first.baseline.of} samples, then ${shareWords(first.candidate)} of ${first.candidate.of})`,
    );
  }
  return {
    goals: [
      {
        met: found.first === runs,
        text: `the differential flame graph names the function that takes ${ADDED * 100} % more first in ${found.first} of ${runs}, in ${found.sure} as sure`,
      },
    ],
  };
}

/** Milliseconds of CPU time that a request takes, without a profiler. */
async function costOfRequest(): Promise<number> {
  await using one = await startServer(0);
  await drive(() => ({ url: one.url }), { rate: RATE, seconds: 2 });
  const before = await one.cpuMs();
  const { requests } = await drive(() => ({ url: one.url }), { rate: RATE, seconds: 3 });
  return ((await one.cpuMs()) - before) / requests;
}

/** Both at once, requests to them in turn, as in a comparison. */
async function profiled(cost: number): Promise<RunProfiles> {
  await using candidate = await startServer(cost);
  await using baseline = await startServer(0);
  const turn = [candidate, baseline, baseline, candidate];
  const both = (index: number) => ({ url: turn[index % 4]!.url });
  const profiling = (words: string) => Promise.all([candidate, baseline].map((one) => one.control(words)));
  await drive(both, { rate: 2 * RATE, seconds: 4 });
  await profiling('cpu');
  await drive(both, { rate: 2 * RATE, seconds: SECONDS });
  await profiling('');
  const files = { candidate: await candidate.profile(), baseline: await baseline.profile() };
  return readProfiles(
    Object.entries(files).map(
      ([side, path]): ProfileFile => ({
        side: side as SideName,
        service: 'shop',
        instance: '',
        kind: 'cpu',
        path,
        file: basename(path),
      }),
    ),
  );
}

async function startServer(cost: number) {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-profile-'));
  const child = fork(SERVER, { env: { ...process.env, MAYFLY_TELEMETRY: folder, COST: String(cost) }, execArgv: [] });
  const ended = once(child, 'exit');
  const { port } = await said<{ port: number }>(child);
  return {
    url: `http://127.0.0.1:${port}/`,
    cpuMs: async () => {
      child.send('cpu');
      const { cpu } = await said<{ cpu: NodeJS.CpuUsage }>(child);
      return (cpu.user + cpu.system) / 1000;
    },
    control: (words: string) => writeFile(join(folder, 'control'), words),
    profile: async () => {
      for (const deadline = performance.now() + PATIENCE_MS; performance.now() < deadline; await sleep(50)) {
        const name = (await readdir(folder)).find((name) => name.endsWith('.cpuprofile'));
        if (name) return join(folder, name);
      }
      throw new InfrastructureError(`the service has written no profile in ${PATIENCE_MS / 1000} s`);
    },
    [Symbol.asyncDispose]: async () => {
      child.disconnect();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The next message of the process; it has ended where none comes. */
async function said<T>(child: ChildProcess): Promise<T> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new InfrastructureError(`the service ended with exit code ${code}`);
    }),
  ]);
  return message as T;
}
