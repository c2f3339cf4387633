/**
 * The disturbances of one side in the window of a round: each at its time, which is the same for both sides. What could
 * not be carried out is said, and makes the round INVALID; what comes of the others is found in the requests (figures.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disturbance } from '../../config/types.ts';
import { firstLine, MayflyError } from '../../core/errors.ts';
import type { RoundDocument } from '../../documents/run.ts';
import type { Act } from './act.ts';
import { memoryPressure } from './memory-pressure.ts';
import { disturbNetwork } from './network.ts';
import { killReplica, pause, restart } from './one-replica.ts';
import { rollingUpdate } from './rolling-update.ts';

type Disturbed = NonNullable<RoundDocument['disturbances']>[number];

/** What was done, before anybody knows what came of it. */
export type Done = Pick<Disturbed, 'kind' | 'service' | 'at_s' | 'ended_s' | 'actions' | 'why'> & {
  /** Why it could not be carried out, as a sentence. */
  failure?: string;
};

export interface Surroundings extends Pick<Act, 'side' | 'replicas' | 'engine' | 'network'> {
  /** Seconds since the start of the window, by a clock that is never set. */
  sinceStart(): number;
  /** The load has ended, or the run is given up. */
  over: AbortSignal;
}

/** All of them, each from its own time on; in their order. */
export const disturb = (disturbances: readonly Disturbance[], around: Surroundings): Promise<Done[]> =>
  Promise.all(disturbances.map((one) => disturbOnce(one, around)));

async function disturbOnce(wanted: Disturbance, around: Surroundings): Promise<Done> {
  const { sinceStart, over } = around;
  const whys: string[] = [];
  const done: Done = {
    kind: wanted.kind,
    service: wanted.service,
    at_s: wanted.atS,
    ended_s: wanted.atS,
    actions: [],
  };
  const goOn = () => {
    if (over.aborted) throw new Error('the load ended before it was over');
  };
  const slept = (seconds: number) =>
    sleep(Math.max(0, Math.ceil(seconds * 1000)), undefined, { signal: over }).catch(() => {});
  const act: Act = {
    ...around,
    service: wanted.service,
    did: (what) => void done.actions.push({ at_s: rounded(sinceStart()), what }),
    because: (why) => void whys.push(why),
    goOn,
    wait: async (seconds) => {
      await slept(seconds);
      goOn();
    },
  };
  try {
    await slept(wanted.atS - sinceStart());
    if (over.aborted) throw new Error('the load ended before its time');
    done.at_s = rounded(sinceStart());
    await carryOut(wanted, act);
  } catch (error) {
    done.failure = reasonOf(error);
  }
  done.ended_s = Math.max(done.at_s, rounded(sinceStart()));
  if (done.failure !== undefined) whys.push(`it could not be carried out: ${done.failure}`);
  if (whys.length > 0) done.why = whys.join('; ');
  return done;
}

/** In one line: what the container has written is in its log. */
function reasonOf(error: unknown): string {
  const hint = error instanceof MayflyError ? error.hint : undefined;
  return firstLine(error) + (hint === undefined ? '' : ` (${hint})`);
}

function carryOut(wanted: Disturbance, act: Act): Promise<void> {
  switch (wanted.kind) {
    case 'rolling-update':
      return rollingUpdate(wanted, act);
    case 'kill-replica':
      return killReplica(act);
    case 'restart':
      return restart(act);
    case 'pause':
      return pause(wanted.forS, act);
    case 'memory-pressure':
      return memoryPressure(wanted, act);
    case 'network-delay':
    case 'network-loss':
      return disturbNetwork(wanted, act);
  }
}

const rounded = (seconds: number) => Math.max(0, Math.round(seconds * 1000) / 1000);
