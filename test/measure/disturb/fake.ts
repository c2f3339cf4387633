/** Replicas without containers, for what is done to them. */
import type { SideName } from '../../../scripts/documents/run.ts';
import type { Act } from '../../../scripts/measure/disturb/act.ts';
import type { Surroundings } from '../../../scripts/measure/disturb/disturb.ts';
import type { Replica, Replicas, Stopped } from '../../../scripts/stack/replicas.ts';

export interface Laid {
  side?: SideName;
  count?: number;
  /** How many requests are under way when its time to drain is over; by the number of the replica. */
  left?: Record<number, number>;
  stopped?: Partial<Stopped>;
  /** What each step does besides. */
  on?: (step: string, fake: Fake) => void | Promise<void>;
  exec?: Act['engine']['exec'];
  running?: boolean;
  oomKilled?: boolean;
  network?: Surroundings['network'];
}

export interface Fake {
  around: Surroundings;
  /** What was asked of the replicas, in order. */
  log: string[];
  /** Fewest that took requests at once, and most. */
  least: number;
  most: number;
  serving: Replica[];
  end(): void;
}

const COMMITS = { candidate: 'c'.repeat(40), baseline: 'b'.repeat(40) };

export function fakeReplicas({
  side = 'candidate',
  count = 2,
  left = {},
  stopped,
  on = () => {},
  ...laid
}: Laid = {}): Fake {
  const one = (replica: number, commit: string): Replica => ({
    side,
    service: 'api',
    replica,
    id: `id-${replica}`,
    name: `mayfly-api-${replica}`,
    commit,
    slot: `r${replica}`,
  });
  const over = new AbortController();
  let next = count + 1;
  const fake: Fake = {
    log: [],
    least: count,
    most: count,
    serving: Array.from({ length: count }, (_, i) => one(i + 1, COMMITS[side])),
    end: () => over.abort(),
    around: undefined as never,
  };
  const seen = async (step: string) => {
    fake.log.push(step);
    await on(step, fake);
    fake.least = Math.min(fake.least, fake.serving.length);
    fake.most = Math.max(fake.most, fake.serving.length);
  };
  const gone = (replica: Replica) => {
    fake.serving = fake.serving.filter(({ id }) => id !== replica.id);
  };
  const end: Stopped = { exitCode: 0, killed: false, seconds: 0.1, ...stopped };
  const replicas: Replicas = {
    of: () => [...fake.serving],
    add: async (_side, _service, of = side) => {
      const fresh = one(next++, COMMITS[of]);
      fake.serving.push(fresh);
      await seen(`add ${fresh.replica} of ${of}`);
      return fresh;
    },
    drain: async (replica, drainS) => {
      gone(replica);
      await seen(`drain ${replica.replica} for ${drainS}`);
      return { left: left[replica.replica] ?? 0, seconds: 0.2 };
    },
    stop: async (replica) => {
      await seen(`stop ${replica.replica}`);
      return end;
    },
    kill: async (replica) => {
      gone(replica);
      await seen(`kill ${replica.replica}`);
    },
    restart: async (replica) => {
      await seen(`restart ${replica.replica}`);
      return { seconds: 1.5, stopped: end };
    },
    pause: (replica) => seen(`pause ${replica.replica}`),
    unpause: (replica) => seen(`unpause ${replica.replica}`),
  };
  const began = performance.now();
  fake.around = {
    side,
    replicas,
    engine: {
      exec: laid.exec ?? (async () => ({ exitCode: 0, stdout: '', stderr: '' })),
      inspect: async (id: string) =>
        ({
          pid: Number(id.split('-')[1]) + 100,
          running: laid.running ?? true,
          oomKilled: laid.oomKilled ?? false,
        }) as Awaited<ReturnType<Act['engine']['inspect']>>,
    },
    network: laid.network ?? { run: async () => ({ exitCode: 0, stderr: '' }), devices: async () => '' },
    sinceStart: () => (performance.now() - began) / 1000,
    over: over.signal,
  };
  return fake;
}
