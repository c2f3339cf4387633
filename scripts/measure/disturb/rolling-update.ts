/**
 * A rolling update: every replica that was there is replaced, one after the other. One more is started and healthy
 * before one is drained and stopped: a surge of one, none unavailable.
 */
import type { Disturbance } from '../../config/types.ts';
import { plural } from '../../core/text.ts';
import { shortCommit } from '../../engine/names.ts';
import { formatElapsed } from '../../report/units.ts';
import { type Act, nameOf } from './act.ts';

export async function rollingUpdate(
  { to, drainS }: Pick<Extract<Disturbance, { kind: 'rolling-update' }>, 'to' | 'drainS'>,
  { side, service, replicas, did, because, goOn }: Act,
): Promise<void> {
  const old = replicas.of(side, service);
  if (old.length === 0) throw new Error(`no replica of ${service} takes requests`);
  for (const [i, one] of old.entries()) {
    const name = nameOf(one);
    // One that was lost meanwhile is made up for: there are never fewer than there were.
    do {
      goOn();
      const fresh = await replicas.add(side, service, to === 'candidate' ? 'candidate' : side);
      did(`${nameOf(fresh)} of ${shortCommit(fresh.commit)} is healthy and takes requests`);
    } while (replicas.of(side, service).length <= old.length);
    const { left, seconds } = await replicas.drain(one, drainS);
    did(
      left > 0
        ? `${name} still has ${plural(left, 'request')} under way after ${formatElapsed(seconds)} of drain`
        : `${name} is drained after ${formatElapsed(seconds)}`,
    );
    const stopped = await replicas.stop(one);
    did(`${name} is stopped (${i + 1} of ${old.length})`);
    const why = stopWords(name, stopped, left);
    if (why !== null) because(why);
  }
}

/**
 * Why requests are lost at the end of a replica; null where it ended as it should. `left`: how many were under way when
 * it was told to end; null: nobody knows. Pure.
 */
export function stopWords(
  name: string,
  { exitCode, killed, seconds }: { exitCode: number; killed: boolean; seconds: number },
  left: number | null,
): string | null {
  const many = left === null ? '' : `${plural(left, 'request')} ${left === 1 ? 'was' : 'were'} under way`;
  if (killed)
    return `${name} ignored SIGTERM for ${formatElapsed(seconds)} and was killed${many && `; ${many} when it was told to end`}: does an init process or a shell swallow the signal?`;
  if (left === 0 || exitCode === 0) return null;
  if (exitCode === 143)
    return `${name} ended on SIGTERM at once, after ${formatElapsed(seconds)}${many && `, though ${many}`}: it has no handler of the signal that waits for them, or a shell before it has none`;
  return `${name} ended on SIGTERM with exit code ${exitCode}${many && `; ${many} when it was told to end`}`;
}
