/**
 * npm run perf:overhead: what a run costs beyond its load. Wall time of a one-round run (less the start of npm) minus its
 * load and warm-up, against bare `docker compose up --wait` and `down -v` of the same services in the same minute: all that
 * the run starts with Compose, which is Prometheus, the exporter and the service under test.
 * Goal: at most 2.0 times, and under 10 s on a small machine. The ratio against the service alone is printed beside it.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../cli.ts';
import { median } from '../compare/statistics.ts';
import { EXIT, InfrastructureError } from '../errors.ts';
import { interruptible } from '../open.ts';
import { ownerLabels } from '../plan/process.ts';
import type { RunDocument } from '../types.ts';
import { execute, measureRound, tolerantShop } from './shop-run.ts';

const REPEATS = 5;
const WARMUP_S = 1;
const DURATION_S = 3;
const GOAL_RATIO = 2;
const GOAL_S = 10;
/** Only the time counts here, so a busy host makes no round invalid; and none is measured twice. */
const TOLERANT = { retries: 0, allow: { failed_requests: 0, throttled: 1, steal: 1, outside_load: 1, start_lag: '10s' } };

await main(async (io) => {
  const { signal: stop, release } = interruptible();
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-overhead-'));
  try {
    const benchmark = await tolerantShop(folder, (spec) => ({ ...spec, ...TOLERANT }));
    await measure(benchmark, folder, stop); // builds what has to be built
    const runs: number[] = [];
    const same: number[] = [];
    const alone: number[] = [];
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      const { seconds, run } = await measure(benchmark, folder, stop);
      runs.push(seconds - WARMUP_S - DURATION_S);
      same.push(await bare(run, folder, () => true, stop));
      alone.push(await bare(run, folder, (project) => project.endsWith('-candidate'), stop));
      io.stderr(`${repeat} of ${REPEATS}: run ${runs.at(-1)!.toFixed(2)} s, bare ${same.at(-1)!.toFixed(2)} s, service under test alone ${alone.at(-1)!.toFixed(2)} s`);
    }
    const { text, met } = result(median(runs)!, median(same)!, median(alone)!);
    io.stdout(text);
    return met ? EXIT.pass : EXIT.regression;
  } finally {
    release();
    await rm(folder, { recursive: true, force: true });
  }
});

function result(run: number, same: number, alone: number): { text: string; met: boolean } {
  const met = run / same <= GOAL_RATIO && run < GOAL_S;
  const text = [
    `run less load and warm-up (median of ${REPEATS})      ${run.toFixed(2)} s`,
    `bare compose up + down, the same services  ${same.toFixed(2)} s   ratio ${(run / same).toFixed(2)}`,
    `bare compose up + down, the service alone  ${alone.toFixed(2)} s   ratio ${(run / alone).toFixed(2)}   (information)`,
    `goal ${met ? 'met' : 'MISSED'}: ratio for the same services at most ${GOAL_RATIO} (${(run / same).toFixed(2)}), and under ${GOAL_S} s (${run.toFixed(2)} s)`,
  ].join('\n');
  return { text, met };
}

async function measure(benchmark: string, folder: string, stop: AbortSignal): Promise<{ seconds: number; run: RunDocument }> {
  const { seconds, run } = await measureRound(benchmark, { data: join(folder, 'data'), flags: [`--duration=${DURATION_S}s`, `--warmup=${WARMUP_S}s`, '--rate=20'], what: 'the run to be timed', stop });
  if (run.rounds.length !== 1) throw new InfrastructureError(`the run to be timed has ${run.rounds.length} rounds instead of one`, { hint: 'Only a run of one round can be timed; try again.' });
  return { seconds, run };
}

/** Seconds that `docker compose up --wait` and `down -v` take for the services of the chosen projects of a run, in one project. */
async function bare(run: RunDocument, folder: string, wanted: (project: string) => boolean, stop: AbortSignal): Promise<number> {
  const scratch = await mkdtemp(join(folder, 'bare-'));
  const file = join(scratch, 'compose.json');
  const document = await bareDocument(run, scratch, wanted);
  await writeFile(file, JSON.stringify(document));
  const project = ['compose', '--project-name', `mayfly-bare-${process.pid}`, '--file', file, '--progress', 'quiet'];
  const down = () => execute('docker', [...project, 'down', '--volumes'], process.env);
  const up = await execute('docker', [...project, 'up', '--detach', '--wait'], process.env, stop).catch(async (error) => {
    await down();
    throw error;
  });
  const running = await execute('docker', [...project, 'ps', '--quiet', '--status', 'running'], process.env);
  const gone = await down();
  const hint = 'Try npm run bench by itself; npm run doctor says what this machine has.';
  if (up.code !== 0 || gone.code !== 0) throw new InfrastructureError(`bare docker compose failed: ${up.stderr}${gone.stderr}`, { hint });
  const count = running.stdout.trim().split('\n').length;
  if (count !== Object.keys(document.services).length) throw new InfrastructureError(`of ${Object.keys(document.services).length} bare services ${count} kept running, so their time says nothing`, { hint });
  return up.seconds + gone.seconds;
}

/** The services as the run had them, in a network of Compose's own and with empty folders in place of the run's. */
async function bareDocument(run: RunDocument, scratch: string, wanted: (project: string) => boolean): Promise<{ services: Record<string, object>; networks: object }> {
  const labels = ownerLabels(`overhead-${process.pid}`); // the next command finds and removes what a killed process leaves
  const documents = Object.entries(run.compose).filter(([project]) => wanted(project)).map(([, document]) => document as { services: Record<string, any> });
  const services: Record<string, object> = {};
  for (const [name, { networks, volumes = [], ...service }] of documents.flatMap(({ services }) => Object.entries(services))) {
    const aliases = Object.values(networks as Record<string, { aliases?: string[] } | null>).flatMap((network) => network?.aliases ?? []);
    services[name] = { ...service, labels, networks: { default: { aliases } }, volumes: await Promise.all(volumes.map((volume: unknown, i: number) => ownVolume(volume, run.run_id, join(scratch, `${name}-${i}`)))) };
  }
  return { services, networks: { default: { labels } } };
}

/** A volume of Compose, short or long form; one in the run's folder, which is gone, becomes an empty folder. */
async function ownVolume(volume: unknown, runId: string, folder: string): Promise<unknown> {
  if (!JSON.stringify(volume).includes(runId)) return volume;
  await mkdir(folder);
  if (typeof volume === 'string') return volume.replace(/^[^:]+/, folder);
  return { ...(volume as object), source: folder };
}
