/** What a schedule must show of a target that stands still: computed, not measured. Pure. */

/**
 * Moments that the target tells, in seconds since the epoch: it stopped, went on, gave its first answer after that, and
 * its answer number DRAINED.
 */
export interface Stall {
  start: number;
  end: number;
  first: number;
  drained: number;
}

/**
 * Answers after the stall that the target counts, to tell how fast it works off what has piled up. At 200/s 200 have.
 */
export const DRAINED = 150;

export interface Scheduled {
  startS: number;
  rate: number;
  durationS: number;
}

/** Seconds that one answer takes while what has piled up is worked off. */
export const onePiledUp = ({ first, drained }: Stall): number => (drained - first) / (DRAINED - 1);

/**
 * Response time of every request of the schedule, ascending, for a target that answers in order and not at all from the
 * stall's start to its first answer after it: completion = max(arrival, that of the one before + time for one);
 * response = completion - arrival + floor.
 */
export function expectedResponses({ startS, rate, durationS }: Scheduled, stall: Stall, floorS: number): number[] {
  const oneS = onePiledUp(stall);
  let free = 0;
  const responses: number[] = [];
  for (let i = 0; i < rate * durationS; i++) {
    const arrival = startS + i / rate;
    let completion = Math.max(arrival, free);
    if (completion >= stall.start && completion < stall.first) completion = stall.first;
    free = completion + oneS;
    responses.push(completion - arrival + floorS);
  }
  return responses.sort((a, b) => a - b);
}
