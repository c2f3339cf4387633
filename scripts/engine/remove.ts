/** Takes things off the engine by label: the one way in which a round, a run and a dead run end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { InfrastructureError } from '../core/errors.ts';
import type { Engine } from './engine.ts';

export interface Removed {
  containers: string[];
  networks: string[];
  volumes: string[];
}

const PATIENCE_MS = 30_000;
const PAUSE_MS = 200;

/**
 * Removes every container, network and volume that carries all the labels. Containers get `graceS` seconds to end
 * by themselves after SIGTERM; 0 kills them. What is going already, or held by something that is going, is waited for.
 * Throws InfrastructureError, with the names, when something will not go.
 */
export async function removeAll(engine: Engine, labels: string[], graceS: number): Promise<Removed> {
  const removed = { containers: new Set<string>(), networks: new Set<string>(), volumes: new Set<string>() };
  let refusal = '';
  const deadline = performance.now() + graceS * 1000 + PATIENCE_MS;
  for (let pass = 1; ; pass++) {
    const [containers, networks, volumes] = await Promise.all([
      engine.containers(...labels),
      engine.networks(...labels),
      engine.volumes(...labels),
    ]);
    const left = [...containers, ...networks, ...volumes].map(({ name }) => name);
    if (left.length === 0)
      return { containers: [...removed.containers], networks: [...removed.networks], volumes: [...removed.volumes] };
    if (performance.now() > deadline)
      throw new InfrastructureError(`the engine does not remove ${left.join(', ')}${refusal ? `: ${refusal}` : ''}`, {
        hint: 'The next command tries again; `docker rm -f` or a restart of the engine may be needed.',
      });
    if (pass > 1) await sleep(PAUSE_MS);
    try {
      await Promise.all(
        containers.map(async ({ id, name, state }) => {
          if (graceS > 0 && state === 'running') await engine.stop(id, graceS);
          await engine.remove(id);
          removed.containers.add(name);
        }),
      );
      await Promise.all([
        ...networks.map(async ({ id, name }) => engine.removeNetwork(id).then(() => removed.networks.add(name))),
        ...volumes.map(async ({ name }) => engine.removeVolume(name).then(() => removed.volumes.add(name))),
      ]);
    } catch (error) {
      refusal = (error as Error).message;
      if ((error as { status?: number }).status === 0) throw error; // the engine itself is gone
    }
  }
}
