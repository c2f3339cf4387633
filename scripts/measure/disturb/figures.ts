/** What the disturbances of a side have caused, from the single requests of the round (scripts/requests/disturbed.ts). */
import type { RoundDocument, Sample, SideName } from '../../documents/run.ts';
import { type DisturbedFigures, RequestsFault, requestsFile, requestsReader } from '../../requests/view.ts';
import { disturbanceWords } from './act.ts';
import type { Done } from './disturb.ts';

/** Where the requests of a round are. */
export interface RoundOfRequests {
  runDir: string;
  runId: string;
  round: number;
  windowS: number;
}

/** Of each side, in the order of the sides; or why it is not known, as the rest of a sentence about the requests. */
export async function figuresOf(
  sides: readonly { side: SideName; done: readonly Done[] }[],
  { runDir, runId, round, windowS }: RoundOfRequests,
): Promise<DisturbedFigures[] | string> {
  await using reader = requestsReader();
  const wanted = sides.map(({ side, done }) => ({
    side,
    spans: done.map(({ at_s, ended_s }) => ({ fromS: at_s, toS: ended_s })),
  }));
  try {
    return await reader.disturbed({ file: requestsFile(runDir, round), runId, round }, wanted, windowS);
  } catch (error) {
    if (error instanceof RequestsFault) return error.message;
    throw error;
  }
}

/** As the round keeps it. `figures`: a text where they are not known. Pure. */
export function disturbancesOf(
  done: readonly Done[],
  figures: DisturbedFigures | string,
  windowS: number,
): {
  disturbances: NonNullable<RoundDocument['disturbances']>;
  samples: Record<string, Sample>;
  failures: { code: 'disturbance-failed'; message: string }[];
} {
  const failures = done.flatMap((one): { code: 'disturbance-failed'; message: string }[] => {
    const late =
      one.ended_s > windowS
        ? `it was over ${(one.ended_s - windowS).toFixed(1)} s after the window, which has ${windowS.toFixed(1)} s: make load/duration longer, or begin it earlier`
        : undefined;
    const why = one.failure ?? late;
    return why === undefined
      ? []
      : [{ code: 'disturbance-failed', message: `${disturbanceWords(one)} could not be carried out: ${why}` }];
  });
  if (typeof figures === 'string' && done.length > 0)
    failures.push({
      code: 'disturbance-failed',
      message: `what the disturbances caused is not known: the file with the requests of the round ${figures}`,
    });
  const known = typeof figures === 'string' ? null : figures;
  const disturbances = done.map(({ failure: _, ...one }, i) => {
    const span = known?.spans[i];
    return {
      ...one,
      requests: span?.requests ?? 0,
      failed_requests: span?.failed ?? 0,
      recovery_s: span?.recoveryS ?? null,
      p99_inside: span?.p99Inside ?? null,
      p99_outside: known?.p99Outside ?? null,
    };
  });
  return { disturbances, samples: known === null ? {} : samplesOf(done, known, windowS), failures };
}

function samplesOf(
  done: readonly Done[],
  { spans, failed, p99Inside, p99Outside }: DisturbedFigures,
  windowS: number,
): Record<string, Sample> {
  // one that has not recovered takes the rest of the window at least
  const recovery = Math.max(...spans.map(({ recoveryS }, i) => recoveryS ?? Math.max(0, windowS - done[i]!.at_s)));
  const put = (name: string, value: number | null, unit: string) => (value === null ? {} : { [name]: { value, unit } });
  return {
    ...put('disturbed_failures', failed, 'count'),
    ...put('recovery_time', recovery, 's'),
    ...put('disturbed_p99', p99Inside, 's'),
    ...put('steady_p99', p99Outside, 's'),
  };
}
