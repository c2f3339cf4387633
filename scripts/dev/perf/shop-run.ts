/** Runs of the shop as `npm run bench` measures it, for what is timed or compared. */
import { spawn } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse, stringify } from 'yaml';
import { ROOT } from '../../app/open.ts';
import { EXIT, InfrastructureError } from '../../core/errors.ts';
import type { RunDocument } from '../../documents/run.ts';
import { LABEL } from '../../engine/names.ts';
import type { Traced } from './timeline.ts';

/**
 * Events of the engine that say how far a run is. Those of health checks that run are left out: there are thousands.
 */
const WATCHED = ['start', 'health_status', 'kill', 'destroy'];

export interface Done {
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

/**
 * The shop as a benchmark of its own folder, with what `lay` makes of its benchmark.yaml; it keeps its name, so its
 * image is found again.
 */
export async function tolerantShop(folder: string, lay: (spec: Record<string, object>) => object): Promise<string> {
  const from = join(ROOT, 'benchmarks', 'shop');
  const to = join(folder, 'shop');
  await cp(from, to, { recursive: true, filter: (path) => path !== join(from, 'service') });
  await writeFile(
    join(to, 'benchmark.yaml'),
    stringify(lay(parse(await readFile(join(from, 'benchmark.yaml'), 'utf8')))),
  );
  return to;
}

/** Measures one round. `data`: its data folder; `what`: it, in the message of its failure, an InfrastructureError. */
export async function measureRound(
  benchmark: string,
  { data, flags, what, stop }: { data: string; flags: string[]; what: string; stop: AbortSignal },
): Promise<{ seconds: number; run: RunDocument }> {
  const args = ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`, '--rounds=1', ...flags, '--json', '--quiet'];
  const { code, stdout, stderr, seconds } = await execute('sh', args, { ...process.env, MAYFLY_DATA: data }, stop);
  if (code !== EXIT.pass)
    throw new InfrastructureError(`${what} ended with exit code ${code}: ${stderr.trim()}`, {
      hint: 'Try npm run bench by itself.',
    });
  return { seconds, run: JSON.parse(stdout) as RunDocument };
}

/**
 * Makes a run, whatever its verdict, with what it passes on its way: its lines, and the engine's events of its
 * containers.
 */
export async function traceRun(
  benchmark: string,
  { data, flags, stop }: { data: string; flags: string[]; stop: AbortSignal },
): Promise<Traced> {
  const lines: Traced['lines'] = [];
  const events: { run: string; event: Traced['events'][number] }[] = [];
  const watching = spawn(
    'docker',
    [
      'events',
      '--filter=type=container',
      `--filter=label=${LABEL.run}`,
      ...WATCHED.map((action) => `--filter=event=${action}`),
      '--format={{json .}}',
    ],
    { detached: true, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  createInterface({ input: watching.stdout }).on('line', (line) => {
    const {
      Action: action,
      timeNano,
      Actor: { Attributes: of },
    } = JSON.parse(line);
    events.push({
      run: of[LABEL.run],
      event: {
        atMs: timeNano / 1e6,
        action,
        name: of.name,
        signal: of.signal ?? '',
        round: Number(of[LABEL.round] ?? 0),
      },
    });
  });
  try {
    const startMs = Date.now();
    const hear = (text: string) =>
      lines.push(
        ...text
          .split('\n')
          .filter(Boolean)
          .map((one) => ({ atMs: Date.now(), text: one })),
      );
    const { code, stdout, stderr } = await execute(
      'sh',
      ['scripts/run.sh', 'bench', `--benchmark=${benchmark}`, ...flags, '--json'],
      { ...process.env, MAYFLY_DATA: data },
      stop,
      hear,
    );
    const endMs = Date.now();
    if (stdout === '')
      throw new InfrastructureError(`the run to be timed ended with exit code ${code}: ${stderr.trim()}`, {
        hint: 'Try npm run bench by itself.',
      });
    const run = JSON.parse(stdout) as RunDocument;
    return {
      startMs,
      endMs,
      lines,
      events: events.filter((one) => one.run === run.run_id).map(({ event }) => event),
      run,
    };
  } finally {
    watching.kill();
  }
}

/**
 * Runs a command to its end; `stop` ends it and throws. In a process group of its own: a Ctrl-C in the terminal is for
 * this script. `hear`: what it says on standard error, as it comes.
 */
export async function execute(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  stop?: AbortSignal,
  hear?: (text: string) => void,
): Promise<Done> {
  stop?.throwIfAborted();
  const started = performance.now();
  const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => void child.kill('SIGTERM');
  stop?.addEventListener('abort', end, { once: true });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    hear?.(String(chunk));
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  stop?.removeEventListener('abort', end);
  stop?.throwIfAborted();
  return { code, stdout, stderr, seconds: (performance.now() - started) / 1000 };
}
