/** Which traces of many are kept: the slowest, and a fair sample. Pure, and the same for the same traces in any order. */
import { createHash } from 'node:crypto';

interface Placed<T> {
  traceId: string;
  place: number | string;
  item: T;
}

/** The `most` items of the least place; of equal ones those whose trace id comes first. */
function least<T>(most: number) {
  const kept: Placed<T>[] = [];
  const before = (a: Placed<T>, b: Placed<T>) => a.place < b.place || (a.place === b.place && a.traceId < b.traceId);
  return {
    add(one: Placed<T>): void {
      if (most === 0 || (kept.length === most && !before(one, kept.at(-1)!))) return;
      let [low, high] = [0, kept.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (before(one, kept[middle]!)) high = middle;
        else low = middle + 1;
      }
      kept.splice(low, 0, one);
      if (kept.length > most) kept.pop();
    },
    items: () => kept.map(({ item }) => item),
  };
}

/**
 * Takes traces one by one. `slowest`: the slowest first. `sample`: those whose hashed ids come first, so that each trace
 * was as likely as any other, whatever its sampler has made of the id.
 */
export function chooser<T>(most: number) {
  const slowest = least<T>(most);
  const sample = least<T>(most);
  return {
    add(traceId: string, total: number, item: T): void {
      slowest.add({ traceId, place: -total, item });
      sample.add({ traceId, place: createHash('sha256').update(traceId).digest('hex'), item });
    },
    slowest: slowest.items,
    sample: sample.items,
  };
}
