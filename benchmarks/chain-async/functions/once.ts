/** The broker promises at least once, so a consumer may get an event again. It does the work once. */
import type { CloudEvent } from 'cloudevents';

/** Of many the newest are remembered. */
const REMEMBERED = 10_000;
const done = new Set<string>();

/** Does `work` unless it was done for this event of this trigger before; says whether it did. What throws was not done. */
export function once({ source, id }: CloudEvent<unknown>, trigger: string | null, work: () => void): boolean {
  const key = `${trigger} ${source} ${id}`;
  if (done.has(key)) return false;
  work();
  done.add(key);
  if (done.size > REMEMBERED) done.delete(done.values().next().value!);
  return true;
}
