/** Runs of the master set with values as a test wants them. */
import type { RoundDocument, RunDocument } from '../../scripts/documents/run.ts';
import { makeRound, makeRun } from '../run-document.ts';

export interface MasterRunOptions {
  /** Number of its commit; default that of the run. */
  commit?: number;
  /** Number of the baseline's commit; absent: one side. */
  against?: number | undefined;
  /** Candidate / baseline, where there is one. */
  ratio?: number;
  /** How far the log ratios of its rounds lie apart. */
  spread?: number;
  laid?: Partial<RunDocument>;
}

const ROUNDS = [-1, 0, 1];
const hash = (number: number) => String(number).padStart(40, '0');

/** Run number `i` (0 to 9999), a day after the one before; primary metrics of its candidate have the median `value`. */
export function masterRun(
  i: number,
  value: number,
  { commit = i, against, ratio = 1, spread = 0.001, laid = {} }: MasterRunOptions = {},
): RunDocument {
  const round = (side: 'candidate' | 'baseline', place: number, of: number): RoundDocument =>
    makeRound(side, place + 2, { latency_med: of, cpu_seconds_per_request: of / 2, memory_peak: 5e7 });
  const at = new Date(Date.UTC(2026, 0, 1) + i * 86_400_000).toISOString();
  return makeRun({
    run_id: `01JMASTER0000000000000${String(i).padStart(4, '0')}`,
    started_at: at,
    master: true,
    pairing: against === undefined ? 'solo' : 'interleaved',
    sides: {
      candidate: { ref: 'main', commit: hash(commit), subject: `change ${commit}`, images: [] },
      ...(against === undefined ? {} : { baseline: { ref: 'main~', commit: hash(against), images: [] } }),
    },
    rounds: ROUNDS.flatMap((place) => [
      round('candidate', place, value * Math.exp((spread / 2) * place)),
      ...(against === undefined ? [] : [round('baseline', place, (value / ratio) * Math.exp((-spread / 2) * place))]),
    ]),
    ...laid,
  });
}
