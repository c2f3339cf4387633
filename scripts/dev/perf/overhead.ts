/**
 * npm run perf:overhead: what a run costs beyond its load. Wall time of a one-round run (less the start of npm) minus
 * its load, against bare `docker compose up --wait` and `down -v` of the same services in the same minute: all that the
 * run starts with Compose, which is Prometheus, the exporter and the service under test; and where that time goes.
 * Goal: at most 2.0 times, and under 10 s on a small machine. The ratio against the service alone is printed beside it.
 * Then a comparison of one build with itself: how much longer than its load a round takes, from the end of one window
 * to the end of the next. Goal: at most 2.5 s. Load is what the generator is told: warm-up, the gap after it, window.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, wholeNumber } from '../../app/command.ts';
import { EXIT, InfrastructureError } from '../../core/errors.ts';
import { execute } from '../../core/exec.ts';
import { interruptible } from '../../core/interrupt.ts';
import type { RunDocument } from '../../documents/run.ts';
import { ownerLabels } from '../../engine/owner.ts';
import { median } from '../../judge/statistics.ts';
import { GAP_S } from '../../measure/load/own-generator.ts';
import { tolerantShop, traceRun } from './shop-run.ts';
import {
  costOfRounds,
  type Milestone,
  medianMilestones,
  milestones,
  milestonesText,
  roundMilestones,
  type Traced,
} from './timeline.ts';

/** The shop's own: in a shorter one Prometheus' first scrapes would not fit. */
const WARMUP_S = 3;
const DURATION_S = 3;
const LOAD_S = WARMUP_S + GAP_S + DURATION_S;
const LOAD_FLAGS = [`--duration=${DURATION_S}s`, `--warmup=${WARMUP_S}s`, '--rate=20'];
const GOAL_RATIO = 2;
const GOAL_S = 10;
const GOAL_ROUND_S = 2.5;
/** Only the time counts here, so a busy host makes no round invalid; and none is measured twice. */
const TOLERANT = {
  retries: 0,
  allow: { failed_requests: 0, throttled: 1, steal: 1, outside_load: 1, saturation: 1, start_lag: '10s' },
};

interface Timed {
  /** Seconds. */
  run: number;
  same: number;
  alone: number;
  passed: Milestone[];
}

await command(
  {
    name: 'perf:overhead',
    about:
      'Measures what a run and a round of a comparison cost beyond their load. Takes about five minutes. Do nothing else on the machine meanwhile.',
    flags: [
      { name: 'repeats', value: 'N', help: 'runs of one round; default 5' },
      { name: 'rounds', value: 'N', help: 'rounds of the comparison; default 8' },
    ],
  },
  async (io, given) => {
    const repeats = wholeNumber('repeats', given.text('repeats'), { least: 1, most: 100, fallback: 5 });
    const rounds = wholeNumber('rounds', given.text('rounds'), { least: 2, most: 100, fallback: 8 });
    const { signal: stop, release } = interruptible();
    const folder = await mkdtemp(join(tmpdir(), 'mayfly-overhead-'));
    try {
      const benchmark = await tolerantShop(folder, (spec) => ({ ...spec, ...TOLERANT }));
      await traced(benchmark, folder, stop); // builds what has to be built
      const timed: Timed[] = [];
      for (let repeat = 1; repeat <= repeats; repeat++) {
        const { seconds, run, passed } = await traced(benchmark, folder, stop);
        const same = await bare(run, folder, () => true, stop);
        const alone = await bare(run, folder, (project) => project.endsWith('-candidate'), stop);
        timed.push({ run: seconds - LOAD_S, same, alone, passed });
        io.stderr(
          `${repeat} of ${repeats}: run ${(seconds - LOAD_S).toFixed(2)} s, bare ${same.toFixed(2)} s, service under test alone ${alone.toFixed(2)} s`,
        );
      }
      const compared = await traceRun(benchmark, {
        data: join(folder, 'data'),
        flags: ['--against=HEAD', '--pairing=interleaved', `--rounds=${rounds}`, ...LOAD_FLAGS],
        stop,
      });
      const costs = costOfRounds(compared.run.rounds, LOAD_S);
      io.stderr(`rounds of the comparison, beyond their load: ${costs.map((cost) => cost.toFixed(2)).join(', ')} s`);
      const { text, met } = result(timed, costs, compared);
      io.stdout(text);
      return met ? EXIT.pass : EXIT.regression;
    } finally {
      release();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

function result(timed: Timed[], costs: number[], compared: Traced): { text: string; met: boolean } {
  const of = (key: 'run' | 'same' | 'alone') => median(timed.map((one) => one[key]))!;
  const ratio = of('run') / of('same');
  const round = median(costs)!;
  const goals = [
    { met: ratio <= GOAL_RATIO, text: `a run costs at most ${GOAL_RATIO} times bare Compose (${ratio.toFixed(2)})` },
    { met: of('run') < GOAL_S, text: `and less than ${GOAL_S} s (${of('run').toFixed(2)} s)` },
    {
      met: round <= GOAL_ROUND_S,
      text: `a round of a comparison takes at most ${GOAL_ROUND_S} s longer than its load (${round.toFixed(2)} s)`,
    },
  ];
  const lines = [
    `a run of one round with ${LOAD_S} s of load (medians of ${timed.length}):`,
    milestonesText(medianMilestones(timed.map(({ passed }) => passed))),
    '',
    `a round of a comparison after another (medians of ${costs.length}):`,
    milestonesText(medianMilestones(costs.map((_, i) => roundMilestones(compared, i + 2)))),
    '',
    `run less its load                          ${of('run').toFixed(2)} s`,
    `bare compose up + down, the same services  ${of('same').toFixed(2)} s   ratio ${ratio.toFixed(2)}`,
    `bare compose up + down, the service alone  ${of('alone').toFixed(2)} s   ratio ${(of('run') / of('alone')).toFixed(2)}   (information)`,
    `round of a comparison less its load        ${round.toFixed(2)} s   (median of ${costs.length}; a round takes ${(round + LOAD_S).toFixed(2)} s)`,
    ...goals.map(({ met, text }) => `goal ${met ? 'met' : 'MISSED'}: ${text}`),
  ];
  return { text: lines.join('\n'), met: goals.every(({ met }) => met) };
}

async function traced(
  benchmark: string,
  folder: string,
  stop: AbortSignal,
): Promise<{ seconds: number; run: RunDocument; passed: Milestone[] }> {
  const trace = await traceRun(benchmark, { data: join(folder, 'data'), flags: ['--rounds=1', ...LOAD_FLAGS], stop });
  if (trace.run.status !== 'complete')
    throw new InfrastructureError(`the run to be timed is ${trace.run.status}`, {
      hint: 'Try npm run bench by itself.',
    });
  if (trace.run.rounds.length !== 1)
    throw new InfrastructureError(`the run to be timed has ${trace.run.rounds.length} rounds instead of one`, {
      hint: 'Only a run of one round can be timed; try again.',
    });
  return { seconds: (trace.endMs - trace.startMs) / 1000, run: trace.run, passed: milestones(trace) };
}

/**
 * Seconds that `docker compose up --wait` and `down -v` take for the services of the chosen projects of a run, in one
 * project.
 */
async function bare(
  run: RunDocument,
  folder: string,
  wanted: (project: string) => boolean,
  stop: AbortSignal,
): Promise<number> {
  const scratch = await mkdtemp(join(folder, 'bare-'));
  const file = join(scratch, 'compose.json');
  const document = await bareDocument(run, scratch, wanted);
  await writeFile(file, JSON.stringify(document));
  const project = ['compose', '--project-name', `mayfly-bare-${process.pid}`, '--file', file, '--progress', 'quiet'];
  const compose = (args: string[], signal?: AbortSignal) =>
    execute(['docker', ...project, ...args], { env: process.env, signal });
  const down = () => compose(['down', '--volumes']);
  const up = await compose(['up', '--detach', '--wait'], stop).catch(async (error) => {
    await down();
    throw error;
  });
  const running = await compose(['ps', '--quiet', '--status', 'running']);
  const gone = await down();
  const hint = 'Try npm run bench by itself; npm run doctor says what this machine has.';
  if (up.exitCode !== 0 || gone.exitCode !== 0)
    throw new InfrastructureError(`bare docker compose failed: ${up.stderr}${gone.stderr}`, { hint });
  const count = running.stdout.trim().split('\n').length;
  if (count !== Object.keys(document.services).length)
    throw new InfrastructureError(
      `of ${Object.keys(document.services).length} bare services ${count} kept running, so their time says nothing`,
      { hint },
    );
  return up.seconds + gone.seconds;
}

/** The services as the run had them, in a network of Compose's own and with empty folders in place of the run's. */
async function bareDocument(
  run: RunDocument,
  scratch: string,
  wanted: (project: string) => boolean,
): Promise<{ services: Record<string, object>; networks: object }> {
  // the next command finds and removes what a killed process leaves
  const labels = ownerLabels(`overhead-${process.pid}`);
  const documents = Object.entries(run.compose)
    .filter(([project]) => wanted(project))
    .map(([, document]) => document as { services: Record<string, any> });
  const services: Record<string, object> = {};
  for (const [name, { networks, volumes = [], ...service }] of documents.flatMap(({ services }) =>
    Object.entries(services),
  )) {
    const aliases = Object.values(networks as Record<string, { aliases?: string[] } | null>).flatMap(
      (network) => network?.aliases ?? [],
    );
    services[name] = {
      ...service,
      labels,
      networks: { default: { aliases } },
      volumes: await Promise.all(
        volumes.map((volume: unknown, i: number) => ownVolume(volume, run.run_id, join(scratch, `${name}-${i}`))),
      ),
    };
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
