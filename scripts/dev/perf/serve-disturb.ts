/**
 * Whether the site's load disturbs what is measured beside it: rounds of the shop with and without that load, in blocks
 * A B B A / B A A B, judged as any two sides.
 */
import { join } from 'node:path';
import type { RoundDocument, RunDocument } from '../../documents/run.ts';
import type { VerdictDocument } from '../../documents/verdict.ts';
import { judgeRun } from '../../judge/judge-run.ts';
import { BLOCK, sideInBlock } from '../../judge/observations.ts';
import { measureRound, tolerantShop } from './shop-run.ts';

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
export async function measureDisturbance(
  folder: string,
  { blocks, load, told, signal }: Disturbance,
): Promise<VerdictDocument> {
  const benchmark = await tolerantShop(folder, (spec) => ({ ...spec, allow: { ...spec.allow, ...ALLOW } }));
  const rounds: RoundDocument[] = [];
  let run: RunDocument | undefined;
  for (let number = 0; number < blocks * BLOCK; number++) {
    const block = Math.floor(number / BLOCK) + 1;
    const side = sideInBlock(block, number % BLOCK);
    const stop = new AbortController();
    const failed = new AbortController(); // without its load the round is not what it is called
    const loading = side === 'candidate' ? load(stop.signal).catch((error) => failed.abort(error)) : Promise.resolve();
    try {
      ({ run } = await measureRound(benchmark, {
        data: join(folder, 'runs'),
        flags: ['--against=none', `--rate=${RATE}`],
        what: 'a run',
        stop: AbortSignal.any([signal, failed.signal]),
      }));
    } finally {
      stop.abort();
      await loading;
    }
    rounds.push({ ...run.rounds.at(-1)!, round: number + 1, block, side });
    told(
      `round ${number + 1} of ${blocks * BLOCK}, ${side === 'candidate' ? 'with' : 'without'} the load: ${(rounds.at(-1)!.samples.cpu_seconds_per_request!.value * 1e6).toFixed(0)} µs of CPU per request`,
    );
  }
  return judgeRun(asComparison(run!, rounds, blocks));
}

/** Rounds of one build with and without the load, as a run of two sides. `run`: one of those that measured them. */
export function asComparison(run: RunDocument, rounds: RoundDocument[], blocks: number): RunDocument {
  const { images, commit } = run.sides.candidate;
  return {
    ...run,
    pairing: 'alternating',
    status: 'complete',
    rounds,
    comparison: { design: 'fixed', min: blocks, max: blocks },
    sides: { candidate: { ref: 'with the load', commit, images }, baseline: { ref: 'without', commit, images } },
    metrics: run.metrics.map((metric) => ({ ...metric, primary: metric.name === 'cpu_seconds_per_request' })),
  };
}
