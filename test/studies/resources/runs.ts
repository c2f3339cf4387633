/** Runs with what their containers used, for the tests of what is advised. */
import type { RoundDocument, RunDocument, SideName } from '../../../scripts/documents/run.ts';
import { sideProject } from '../../../scripts/engine/names.ts';
import { makeRound, makeRun } from '../../run-document.ts';

export const MIB = 1024 ** 2;

export const used = (
  round: number,
  side: SideName,
  resources: NonNullable<RoundDocument['resources']>,
): RoundDocument => ({ ...makeRound(side, round, { latency_med: 0.001 }), resources });

/** `compose`: what its candidate was started with. Of a comparison where a round is of the baseline. */
export function aRun(run_id: string, rounds: RoundDocument[], compose?: object): RunDocument {
  const side = { ref: 'main', commit: 'b'.repeat(40), images: [] };
  const isPair = rounds.some((round) => round.side === 'baseline');
  return makeRun({
    run_id,
    rounds,
    sides: { candidate: { ...side }, ...(isPair ? { baseline: { ...side } } : {}) },
    ...(compose ? { compose: { [sideProject(run_id, 'candidate')]: compose } } : {}),
  });
}
