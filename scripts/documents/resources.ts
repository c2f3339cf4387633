/** What `npm run resources -- --json` prints: schema mayfly.resources/v1 (docs/resources.md). */

/** Of one service: bytes of memory, or cores. */
export interface Advice {
  /** The peak of one replica that 90 % of the runs stay at or below, and that of the greatest run. */
  p90: number;
  max: number;
  request: number;
  limit: number;
}

/** What the Compose file sets; null where it sets nothing. */
export interface SetResources {
  memory: { request: number | null; limit: number | null };
  cpu: { request: number | null; limit: number | null };
}

export interface ServiceAdvice {
  service: string;
  /** Runs that it was seen in, and the most replicas of it that ran at once. */
  runs: number;
  replicas: number;
  memory: Advice;
  cpu: Advice;
  /** Runs in which the kernel has killed a process of it for its memory. */
  out_of_memory: number;
  set: SetResources;
}

/** A run in which a replica used more than is set. */
export interface Exceeded {
  run_id: string;
  side: 'candidate' | 'baseline';
  round: number;
  service: string;
  replica: number | null;
  what: 'memory request' | 'memory limit' | 'cpu request' | 'cpu limit';
  used: number;
  set: number;
  /** Killed for its memory: what it would have used is not known. */
  killed: boolean;
}

/** A run whose figures are not known, and why. */
export interface UnknownRun {
  run_id: string;
  why: string;
}

export interface ResourcesDocument {
  schema: 'mayfly.resources/v1';
  benchmark: string;
  variant: string | null;
  /** So many were asked for; those on which runs were counted, and the first and the last of them. */
  days: { asked: number; counted: number; first: string; last: string };
  runs: { counted: number; read_from_archive: number; unknown: UnknownRun[] };
  formula: string;
  services: ServiceAdvice[];
  /** The run whose Compose file says what is set: the newest. */
  set_by: string;
  /** How the benchmark scales a service; null where it does not. */
  autoscale: {
    service: string;
    metric: 'memory' | 'cpu';
    target: number;
    min: number;
    max: number;
    cooldown_s: number;
  } | null;
  /** Services of which several replicas ran, or that have a balancer. */
  replicated: string[];
  /** With --check. */
  exceeded?: Exceeded[];
}
