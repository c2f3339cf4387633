/**
 * What the generator is told: one JSON text in the environment variable MAYFLY_LOAD. Whoever starts it has checked it.
 */

export type SideName = 'candidate' | 'baseline';

/** A ramp: the rate moves evenly to `rate` (iterations per second for each side) over so many seconds. */
export interface Stage {
  rate: number;
  durationS: number;
}

/**
 * open: iterations start when they are due, whether or not those before have ended. `rate` is that of the warm-up and
 * of the start; without stages it stays for `durationS`. A file holds times and requests (docs/loadgen.md). closed:
 * each user makes its iterations one after the other, with `thinkS` between them. scenarios: several of these.
 */
export type Model = SingleModel | { kind: 'scenarios'; durationS: number; scenarios: Scenario[] };

/** A model without others beside it. */
export type SingleModel =
  | ScenarioModel
  | { kind: 'open'; arrivals: 'file'; file: string; rate: number; durationS: number };

export type ScenarioModel =
  | { kind: 'open'; arrivals: 'constant' | 'poisson'; rate: number; durationS: number; stages?: Stage[] }
  | { kind: 'closed'; users: number; iterations: number; thinkS: number; limitS: number };

/** One kind of users with a model of its own, beside others in the same window. */
export interface Scenario {
  /** The script's function of this name makes its iterations. */
  name: string;
  /** Seconds from the start of the window to the start of its model. */
  startS: number;
  /** Its iterations of a side that may be under way at once. */
  maxInFlight: number;
  model: ScenarioModel;
}

/** Seconds of the window; of closed models alone the most that it may take. */
export const windowS = (model: Model): number => (model.kind === 'closed' ? model.limitS : model.durationS);

/** Whether the window ends when the last user has done. */
export const endsWithUsers = (model: Model): boolean =>
  model.kind === 'scenarios' ? model.scenarios.every((one) => endsWithUsers(one.model)) : model.kind === 'closed';

export interface SideTarget {
  name: SideName;
  /** URL that requests go to, as the generator reaches it. */
  url: string;
  commit: string;
}

export interface LoadPlan {
  schema: 'mayfly.load-plan/v1';
  /** The script, from the benchmark's folder; null for a file of requests without one. */
  script: string | null;
  /** URL as the benchmark writes it: its host is the `Host` of every request, on both sides. */
  target: string;
  sides: SideTarget[];
  /** Path of a unix socket that every connection to the sides goes through; absent: they are reached directly. */
  via?: string;
  model: Model;
  /** Seconds of load before the window, and of silence between both. */
  warmupS: number;
  gapS: number;
  /** Requests (journeys) of a side that may be under way at once; one that is due beyond it is dropped. */
  maxInFlight: number;
  /** Seconds after which a request has failed. */
  timeoutS: number;
  /** Threads that send. */
  workers: number;
  /** The order of sides and what is drawn follow from it. */
  seed: number;
  round: number;
  /** Requests of the window that are kept, over all sides. */
  keepRows: number;
  /** Host and port of the metrics; null: none. */
  metrics: string | null;
  /** Wait for SIGUSR2 before the load. */
  waitForGo: boolean;
  /** Written into the file of requests: run_id, benchmark. */
  labels: Record<string, string>;
  /** Seconds of warming against a server in the generator itself, before it is ready. */
  warmS: number;
}

export const PLAN_VARIABLE = 'MAYFLY_LOAD';

/** What the gate (loadgen/gate.ts) is told: one JSON text in the environment variable MAYFLY_GATE. */
export interface GatePlan {
  /** Where its connections go. */
  host: string;
  port: number;
  /** Path of the unix socket that it takes connections on. */
  socket: string;
  /** Connections at once; one more is ended as it comes. */
  connections: number;
}

export const GATE_VARIABLE = 'MAYFLY_GATE';

/** What it says on standard output, a line of JSON. */
export type GateEvent = { event: 'open'; address: string } | { event: 'fault'; message: string };
