/** What a disturbance is carried out with. */
import type { RoundDocument, SideName } from '../../documents/run.ts';
import type { Engine } from '../../engine/engine.ts';
import { formatElapsed } from '../../report/units.ts';
import type { Replica, Replicas } from '../../stack/replicas.ts';

/** What netem needs of the host. */
export interface NetworkTools {
  run(argv: readonly string[]): Promise<{ exitCode: number; stderr: string }>;
  /** What the kernel says of the interfaces of a process (/proc/PID/net/dev). */
  devices(pid: number): Promise<string>;
}

export interface Act {
  side: SideName;
  service: string;
  replicas: Replicas;
  engine: Pick<Engine, 'exec' | 'inspect'>;
  network: NetworkTools;
  /** Keeps a sentence, with its time. */
  did(what: string): void;
  /** Keeps why requests fail, a sentence without its full stop. */
  because(why: string): void;
  /** Seconds; throws where the load ends before. */
  wait(seconds: number): Promise<void>;
  /** Throws where the load has ended. */
  goOn(): void;
}

/** As the balancer and the reports name it. */
export const nameOf = ({ service, replica }: Pick<Replica, 'service' | 'replica'>): string => `${service}-${replica}`;

/** The one that has been there for longest: of both sides the same. */
export function oldest({ replicas, side, service }: Act): Replica {
  const [first] = replicas.of(side, service);
  if (!first) throw new Error(`no replica of ${service} takes requests`);
  return first;
}

/** `rolling-update of api at 5.0s` */
export const disturbanceWords = ({
  kind,
  service,
  at_s,
}: Pick<NonNullable<RoundDocument['disturbances']>[number], 'kind' | 'service' | 'at_s'>): string =>
  `${kind} of ${service} at ${formatElapsed(at_s)}`;
