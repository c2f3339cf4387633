/** Whether the site's load disturbs what is measured beside it: rounds of the shop with and without that load, in blocks A B B A / B A A B, judged as any two sides. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { BLOCK, sideInBlock } from '../compare/observations.ts';
import { judgeRun } from '../compare/verdict.ts';
import { EXIT, InfrastructureError } from '../errors.ts';
import { ROOT } from '../open.ts';
import type { RoundDocument, RunDocument, VerdictDocument } from '../types.ts';

/** Iterations per second: two cores have room for them beside the load. */
const RATE = 200;
/** The server is a load from outside on purpose. */
const ALLOW = { outside_load: 1, steal: 1 };

export interface Disturbance {
  blocks: number;
  /** Keeps the load up until the signal. */
  load(signal: AbortSignal): Promise<void>;
  told(line: string): void;
  signal: AbortSignal;
}

/** `candidate`: beside the load; `baseline`: without it. */
export async function measureDisturbance(folder: string, { blocks, load, told, signal }: Disturbance): Promise<VerdictDocument> {
  const benchmark = await tolerantShop(folder);
  const rounds: RoundDocument[] = [];
  let run: RunDocument | undefined;
  for (let number = 0; number < blocks * BLOCK; number++) {
    const block = Math.floor(number / BLOCK) + 1;
    const side = sideInBlock(block, number % BLOCK);
    const stop = new AbortController();
    const failed = new AbortController(); // without its load the round is not what it is called
    const loading = side === 'candidate' ? load(stop.signal).catch((error) => failed.abort(error)) : Promise.resolve();
    try {
      run = await measure(benchmark, folder, AbortSignal.any([signal, failed.signal]));
    } finally {
      stop.abort();
      await loading;
    }
    rounds.push({ ...run.rounds.at(-1)!, round: number + 1, block, side });
    told(`round ${number + 1} of ${blocks * BLOCK}, ${side === 'candidate' ? 'with' : 'without'} the load: ${(rounds.at(-1)!.samples.cpu_seconds_per_request!.value * 1e6).toFixed(0)} µs of CPU per request`);
  }
  return judgeRun(asComparison(run!, rounds, blocks));
}

/** Rounds of one build with and without the load, as a run of two sides. `run`: one of those that measured them. */
export function asComparison(run: RunDocument, rounds: RoundDocument[], blocks: number): RunDocument {
  const { images, commit } = run.sides.candidate;
  return {
    ...run, pairing: 'alternating', status: 'complete', rounds, comparison: { design: 'fixed', min: blocks, max: blocks },
    sides: { candidate: { ref: 'with the load', commit, images }, baseline: { ref: 'without', commit, images } },
    metrics: run.metrics.map((metric) => ({ ...metric, primary: metric.name === 'cpu_seconds_per_request' })),
  };
}

async function tolerantShop(folder: string): Promise<string> {
  const from = join(ROOT, 'benchmarks', 'shop');
  const to = join(folder, 'shop');
  await cp(from, to, { recursive: true, filter: (path) => path !== join(from, 'service') });
  const spec = parse(await readFile(join(from, 'benchmark.yaml'), 'utf8'));
  await writeFile(join(to, 'benchmark.yaml'), stringify({ ...spec, allow: { ...spec.allow, ...ALLOW } }));
  return to;
}

async function measure(benchmark: string, folder: string, signal: AbortSignal): Promise<RunDocument> {
  const args = ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`, '--against=none', '--rounds=1', `--rate=${RATE}`, '--json', '--quiet'];
  const child = spawn('sh', args, { cwd: ROOT, env: { ...process.env, MAYFLY_DATA: join(folder, 'runs') }, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => void child.kill('SIGTERM');
  signal.addEventListener('abort', end, { once: true });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  signal.removeEventListener('abort', end);
  signal.throwIfAborted();
  if (code !== EXIT.pass) throw new InfrastructureError(`a run ended with exit code ${code}: ${stderr.trim()}`, { hint: 'Try npm run bench by itself.' });
  return JSON.parse(stdout) as RunDocument;
}
