/** Scrapes that the metrics of a run lack, in words. Pure. */
import { plainText, plural } from '../core/text.ts';
import type { RunDocument } from '../documents/run.ts';

/** Rounds that are named. */
const MOST = 5;

/** One sentence for each target with a hole; what was measured without Prometheus is not touched by it. */
export function holeLines({ rounds }: Pick<RunDocument, 'rounds'>): string[] {
  const all = rounds.flatMap(({ side, round, holes = [] }) => holes.map((hole) => ({ side, round, ...hole })));
  return [...Map.groupBy(all, ({ side, instance }) => `${side} ${instance}`).values()].map((holes) => {
    const { side, instance } = holes[0]!;
    const sum = (pick: (hole: (typeof holes)[number]) => number) => holes.reduce((total, one) => total + pick(one), 0);
    const named = holes.slice(0, MOST).map(({ round }) => round);
    const where = `${holes.length === 1 ? 'round' : 'rounds'} ${named.join(', ')}${holes.length > MOST ? ` and ${holes.length - MOST} more` : ''}`;
    const error = holes.findLast((one) => one.error !== undefined)?.error;
    return `the metrics of ${plainText(instance)} (${side}) have a hole in ${where}: ${sum(({ scraped }) => scraped)} of ${plural(
      sum(({ of }) => of),
      'scrape',
    )} went well${error ? `; Prometheus said: ${plainText(error)}` : ''}`;
  });
}
