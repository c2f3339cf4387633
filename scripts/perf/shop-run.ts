/** One round of the shop as `npm run bench` measures it, for what is timed or compared. */
import { spawn } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { EXIT, InfrastructureError } from '../errors.ts';
import { ROOT } from '../open.ts';
import type { RunDocument } from '../types.ts';

export interface Done {
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

/** The shop as a benchmark of its own folder, with what `lay` makes of its benchmark.yaml; it keeps its name, so its image is found again. */
export async function tolerantShop(folder: string, lay: (spec: Record<string, object>) => object): Promise<string> {
  const from = join(ROOT, 'benchmarks', 'shop');
  const to = join(folder, 'shop');
  await cp(from, to, { recursive: true, filter: (path) => path !== join(from, 'service') });
  await writeFile(join(to, 'benchmark.yaml'), stringify(lay(parse(await readFile(join(from, 'benchmark.yaml'), 'utf8')))));
  return to;
}

/** Measures one round. `data`: its data folder; `what`: it, in the message of its failure, an InfrastructureError. */
export async function measureRound(benchmark: string, { data, flags, what, stop }: { data: string; flags: string[]; what: string; stop: AbortSignal }): Promise<{ seconds: number; run: RunDocument }> {
  const args = ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`, '--rounds=1', ...flags, '--json', '--quiet'];
  const { code, stdout, stderr, seconds } = await execute('sh', args, { ...process.env, MAYFLY_DATA: data }, stop);
  if (code !== EXIT.pass) throw new InfrastructureError(`${what} ended with exit code ${code}: ${stderr.trim()}`, { hint: 'Try npm run bench by itself.' });
  return { seconds, run: JSON.parse(stdout) as RunDocument };
}

/** Runs a command to its end; `stop` ends it and throws. In a process group of its own: a Ctrl-C in the terminal is for this script. */
export async function execute(command: string, args: string[], env: NodeJS.ProcessEnv, stop?: AbortSignal): Promise<Done> {
  stop?.throwIfAborted();
  const started = performance.now();
  const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => void child.kill('SIGTERM');
  stop?.addEventListener('abort', end, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  stop?.removeEventListener('abort', end);
  stop?.throwIfAborted();
  return { code, stdout, stderr, seconds: (performance.now() - started) / 1000 };
}
