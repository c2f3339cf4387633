/** What is done to one replica: the one that has been there for longest. */
import { formatElapsed } from '../../report/units.ts';
import { type Act, nameOf, oldest } from './act.ts';
import { stopWords } from './rolling-update.ts';

/** SIGKILL; it stays dead. */
export async function killReplica(act: Act): Promise<void> {
  const one = oldest(act);
  await act.replicas.kill(one);
  act.did(`${nameOf(one)} was killed`);
  act.because(`${nameOf(one)} was killed, with what it had under way`);
}

/** It is not drained: what is under way is its own matter. */
export async function restart(act: Act): Promise<void> {
  const one = oldest(act);
  act.did(`${nameOf(one)} is told to end`);
  const { seconds, stopped } = await act.replicas.restart(one);
  act.did(`${nameOf(one)} takes requests again, ${formatElapsed(seconds)} after it was told to end`);
  const why = stopWords(nameOf(one), stopped, null);
  if (why !== null) act.because(why);
}

export async function pause(forS: number, act: Act): Promise<void> {
  const one = oldest(act);
  await act.replicas.pause(one);
  try {
    act.did(`${nameOf(one)} is paused`);
    await act.wait(forS);
  } finally {
    await act.replicas.unpause(one);
  }
  act.did(`${nameOf(one)} goes on`);
}
