/** What an accounting run does, drawn from its seed. */
import { seeded } from './random.ts';

export interface DrawnEvent {
  id: string;
  type: string;
  priority: string;
  /** 'yes': its consumers refuse it each time. */
  poison: string;
}

/** As MAYFLY_TRIGGERS has it, with the consumer in place of its address. */
export interface DrawnTrigger {
  name: string;
  filter: Record<string, string>;
  consumer: number;
  retries: number;
  backoffS: number;
  timeoutS: number;
  maxInFlight: number;
}

/** Done when that share of the events was offered. What was killed starts again after the pause. */
export interface Disturbance {
  what: 'consumer-killed' | Restart | 'trigger-stopped' | 'trigger-killed';
  at: number;
  pauseMs: number;
  consumer: number;
}

export interface Drawn {
  seed: number;
  source: string;
  rate: number;
  events: DrawnEvent[];
  triggers: DrawnTrigger[];
  consumers: number;
  /** Shares of the deliveries that consumers refuse, and answer too late. */
  refused: number;
  slow: number;
  disturbances: Disturbance[];
}

export type Restart = 'broker-stopped' | 'broker-killed';

/** What happens in a run: one of these, and all their combinations, in turn. */
export interface Kinds {
  consumer: boolean;
  broker: boolean;
  refused: boolean;
}

export const ALL_KINDS: readonly Kinds[] = [false, true].flatMap((consumer) =>
  [false, true].flatMap((broker) => [false, true].map((refused) => ({ consumer, broker, refused }))),
);

const TYPES = ['order.placed', 'order.paid', 'mail.wanted'];
const PRIORITIES = ['high', 'low'];

export function draw(seed: number, kinds: Kinds, restarts: readonly Restart[]): Drawn {
  const random = seeded(seed);
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const one = <T>(values: readonly T[]): T => values[whole(0, values.length - 1)]!;
  const consumers = whole(1, 2);
  const filters: Record<string, string>[] = [
    {},
    { type: one(TYPES) },
    { type: one(TYPES), priority: one(PRIORITIES) },
    { priority: one(PRIORITIES) },
  ];
  const rate = whole(100, 400);
  const poisonous = one([0, 0, 0.01]);
  const isTriggerToo = random() < 0.2;
  const disturbances: Disturbance[] = [];
  const add = (what: Disturbance['what']) =>
    disturbances.push({
      what,
      at: 0.1 + random() * 0.7,
      pauseMs: whole(20, 500),
      consumer: whole(0, consumers - 1),
    });
  if (kinds.consumer) add('consumer-killed');
  if (kinds.broker) add(one(restarts));
  if (isTriggerToo) add(one(['trigger-stopped', 'trigger-killed']));
  return {
    seed,
    source: `/accounting/${seed}`,
    rate,
    events: Array.from({ length: whole(rate / 2, rate * 1.5) }, (_, i) => ({
      id: `${seed}-${i}`,
      type: one(TYPES),
      priority: one(PRIORITIES),
      poison: random() < poisonous ? 'yes' : 'no',
    })),
    triggers: Array.from({ length: whole(1, 3) }, (_, i) => ({
      name: `trigger-${i}`,
      filter: one(filters),
      consumer: whole(0, consumers - 1),
      retries: whole(2, 5),
      backoffS: one([0.01, 0.03, 0.1]),
      timeoutS: one([0.3, 0.6]),
      maxInFlight: one([1, 4, 16, 64]),
    })),
    consumers,
    refused: kinds.refused ? 0.01 : 0,
    slow: one([0, 0.003]),
    disturbances,
  };
}

/** For people: what is done in the run. */
export function textOf(drawn: Drawn): string {
  const parts = [
    ...drawn.disturbances.map(({ what }) => what.replace('-', ' ')),
    ...(drawn.refused > 0 ? [`${drawn.refused * 100} % refused`] : []),
    ...(drawn.slow > 0 ? ['some too slow'] : []),
    ...(drawn.events.some(({ poison }) => poison === 'yes') ? ['some never taken'] : []),
  ];
  return `${drawn.events.length} events at ${drawn.rate}/s, ${drawn.triggers.length} triggers: ${parts.join(', ') || 'nothing'}`;
}
