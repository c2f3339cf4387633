/** Runs of the shop as `npm run bench` measures it, for what is timed or compared. */
import { spawn } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse, stringify } from 'yaml';
import { ROOT } from '../../app/open.ts';
import { EXIT, InfrastructureError } from '../../core/errors.ts';
import { execute, run } from '../../core/exec.ts';
import type { RunDocument } from '../../documents/run.ts';
import { LABEL } from '../../engine/names.ts';
import { withoutRepository } from '../../plan/git.ts';
import type { Traced } from './timeline.ts';

/**
 * Events of the engine that say how far a run is. Those of health checks that run are left out: there are thousands.
 */
const WATCHED = ['start', 'health_status', 'kill', 'destroy'];

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
  const { exitCode, stdout, stderr, seconds } = await execute(['sh', ...args], {
    cwd: ROOT,
    env: { ...process.env, MAYFLY_DATA: data },
    signal: stop,
  });
  if (exitCode !== EXIT.pass)
    throw new InfrastructureError(`${what} ended with exit code ${exitCode}: ${stderr.trim()}`, {
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
    const { exitCode, stdout, stderr } = await execute(
      ['sh', 'scripts/run.sh', 'bench', `--benchmark=${benchmark}`, ...flags, '--json'],
      {
        cwd: ROOT,
        env: { ...process.env, MAYFLY_DATA: data },
        signal: stop,
        onLine: (text) => lines.push({ atMs: Date.now(), text }),
      },
    );
    const endMs = Date.now();
    if (stdout === '')
      throw new InfrastructureError(`the run to be timed ended with exit code ${exitCode}: ${stderr.trim()}`, {
        hint: 'Try npm run bench by itself.',
      });
    const document = JSON.parse(stdout) as RunDocument;
    return {
      startMs,
      endMs,
      lines,
      events: events.filter((one) => one.run === document.run_id).map(({ event }) => event),
      run: document,
    };
  } finally {
    watching.kill();
  }
}

/** git in a made-up repository, with an author of that name. Throws where it fails. */
export function gitIn(repository: string, who: string): (...args: string[]) => Promise<string> {
  const env = {
    ...withoutRepository(process.env),
    GIT_AUTHOR_NAME: who,
    GIT_AUTHOR_EMAIL: `${who}@localhost`,
    GIT_COMMITTER_NAME: who,
    GIT_COMMITTER_EMAIL: `${who}@localhost`,
  };
  return (...args) => run('git', args, { cwd: repository, env, what: `git ${args[0]}` });
}
