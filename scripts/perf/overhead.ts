/**
 * npm run perf:overhead: what a run costs beyond its load. Wall time of a one-round run less its load, warm-up and gap,
 * against bare `docker compose up --wait` and `down -v` of the same services in the same minute.
 * Goal: at most 2.0 times, and under 10 s on a small machine.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../cli.ts';
import { EXIT, InfrastructureError } from '../errors.ts';
import { GAP_S } from '../load/k6.ts';
import { ROOT } from '../open.ts';
import type { RunDocument } from '../types.ts';
import { median } from './median.ts';

const REPEATS = 5;
const WARMUP_S = 1;
const DURATION_S = 3;
const GOAL_RATIO = 2;
const GOAL_S = 10;

interface Done {
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

await main(async (io) => {
  const data = await mkdtemp(join(tmpdir(), 'mayfly-overhead-'));
  try {
    await measure(data); // builds what has to be built
    const runs: number[] = [];
    const all: number[] = [];
    const servicesOnly: number[] = [];
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      const { seconds, run } = await measure(data);
      runs.push(seconds - WARMUP_S - DURATION_S - GAP_S);
      all.push(await bare(run, data, () => true));
      servicesOnly.push(await bare(run, data, (project) => project.endsWith('-candidate')));
      io.stderr(`${repeat} of ${REPEATS}: run ${runs.at(-1)!.toFixed(2)} s, bare ${all.at(-1)!.toFixed(2)} s, services under test alone ${servicesOnly.at(-1)!.toFixed(2)} s`);
    }
    const [run, same, services] = [median(runs), median(all), median(servicesOnly)];
    const met = run / same <= GOAL_RATIO && run < GOAL_S;
    io.stdout(
      [
        `overhead of a run (median of ${REPEATS})        ${run.toFixed(2)} s`,
        `bare compose up + down, the same services  ${same.toFixed(2)} s   ratio ${(run / same).toFixed(2)}  (goal: at most ${GOAL_RATIO})`,
        `bare compose up + down, shop alone         ${services.toFixed(2)} s   ratio ${(run / services).toFixed(2)}`,
        `goal ${met ? 'met' : 'MISSED'}: ratio at most ${GOAL_RATIO} and under ${GOAL_S} s`,
      ].join('\n'),
    );
    return met ? EXIT.pass : EXIT.regression;
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

async function measure(data: string): Promise<{ seconds: number; run: RunDocument }> {
  const args = ['scripts/run.sh', 'bench', '--benchmark=shop', '--rounds=1', `--duration=${DURATION_S}s`, `--warmup=${WARMUP_S}s`, '--rate=20', '--json', '--quiet'];
  const { code, stdout, stderr, seconds } = await execute('sh', args, { ...process.env, MAYFLY_DATA: data });
  if (code !== 0 && code !== EXIT.invalid) throw new InfrastructureError(`the run failed: ${stderr.trim()}`);
  return { seconds, run: JSON.parse(stdout) };
}

/** Seconds that `docker compose up --wait` and `down -v` take for the services of the chosen projects of a run, in one project. */
async function bare(run: RunDocument, folder: string, wanted: (project: string) => boolean): Promise<number> {
  const documents = Object.entries(run.compose).filter(([project]) => wanted(project)).map(([, document]) => document as { services: Record<string, any> });
  const services = Object.fromEntries(documents.flatMap(({ services }) => Object.entries(services)).map(([name, { labels: _labels, networks, volumes, ...service }]) => {
    const aliases = Object.values(networks as Record<string, { aliases?: string[] }>).flatMap((network) => network?.aliases ?? []);
    return [name, { ...service, networks: { default: { aliases } }, volumes: (volumes ?? []).filter((volume: unknown) => !JSON.stringify(volume).includes('/runs/')) }];
  }));
  const file = join(folder, 'bare.json');
  await writeFile(file, JSON.stringify({ services }));
  const project = ['compose', '--project-name', `mayfly-bare-${process.pid}`, '--file', file, '--progress', 'quiet'];
  const up = await execute('docker', [...project, 'up', '--detach', '--wait'], process.env);
  const down = await execute('docker', [...project, 'down', '--volumes'], process.env);
  if (up.code !== 0 || down.code !== 0) throw new InfrastructureError(`bare docker compose failed: ${up.stderr}${down.stderr}`);
  return up.seconds + down.seconds;
}

function execute(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<Done> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr, seconds: (performance.now() - started) / 1000 }));
  });
}
