/** Takes things off the engine by label: the one way in which a round, a run and a dead run end. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from './engine.ts';

export interface Removed {
  containers: string[];
  networks: string[];
  volumes: string[];
}

const ATTEMPTS = 25;
const PAUSE_MS = 200;

/**
 * Removes every container, network and volume that carries all the labels. Containers get `graceS` seconds to end
 * by themselves after SIGTERM; 0 kills them. What another process is removing at the same moment is waited for.
 * Throws what the engine says when something will not go.
 */
export async function removeAll(engine: Engine, labels: string[], graceS: number): Promise<Removed> {
  const removed: Removed = { containers: [], networks: [], volumes: [] };
  for (let attempt = 1; ; attempt++) {
    try {
      const containers = await engine.containers(...labels);
      await Promise.all(containers.map(async (container) => {
        if (graceS > 0 && container.state === 'running') await engine.stop(container.id, graceS);
        await engine.remove(container.id);
      }));
      removed.containers.push(...containers.map((c) => c.name).filter((name) => !removed.containers.includes(name)));
      const [networks, volumes] = await Promise.all([engine.networks(...labels), engine.volumes(...labels)]);
      if (containers.length + networks.length + volumes.length === 0) return removed;
      await Promise.all(networks.map(({ id }) => engine.removeNetwork(id)));
      await Promise.all(volumes.map(({ name }) => engine.removeVolume(name)));
      removed.networks.push(...networks.map((n) => n.name));
      removed.volumes.push(...volumes.map((v) => v.name));
      if (containers.length === 0) return removed; // nothing was left that could still hold a network or a volume
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
