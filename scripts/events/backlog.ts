/** How many deliveries were under way, over time. Pure. */
import type { EventsDocument } from '../documents/run.ts';

const MOST_POINTS = 60;

/**
 * `begins`: when each delivery was taken; `ends`: when each was settled, Infinity of one that never was. Both are
 * sorted here. Where one begins as another ends they do not add up.
 */
export function backlogOf(
  begins: Float64Array,
  ends: Float64Array,
  fromMs: number,
  untilMs: number,
): EventsDocument['backlog'] {
  begins.sort();
  ends.sort();
  const width = (untilMs - fromMs) / MOST_POINTS;
  const greatest = new Array<number>(width > 0 ? MOST_POINTS : 1).fill(0);
  let [begun, ended, slice] = [0, 0, 0];
  while (begins[begun]! < fromMs) begun++;
  while (ends[ended]! <= fromMs) ended++;
  greatest[0] = begun - ended;
  /** The slices up to that of `atMs` begin with what there is. */
  const reach = (atMs: number) => {
    const last = width > 0 ? Math.min(greatest.length - 1, Math.floor((atMs - fromMs) / width)) : 0;
    while (slice < last) greatest[++slice] = begun - ended;
  };
  for (;;) {
    const [begin, end] = [begins[begun] ?? Infinity, ends[ended] ?? Infinity];
    const next = Math.min(begin, end);
    if (next > untilMs) break;
    reach(next);
    if (end <= begin) ended++;
    else begun++;
    greatest[slice] = Math.max(greatest[slice]!, begun - ended);
  }
  reach(untilMs);
  return {
    peak: greatest.reduce((a, b) => Math.max(a, b), 0),
    points: greatest.map((backlog, i) => ({ at_s: Math.round(i * Math.max(0, width)) / 1000, backlog })),
  };
}
