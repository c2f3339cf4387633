/** What the harness and the telemetry sidecar tell each other. */

/** Environment variable of the sidecar with its plan, as JSON. */
export const SIDECAR_VARIABLE = 'MAYFLY_SIDECAR';
/** File in the sidecar's `out` folder with what it has done so far. */
export const STATE_FILE = '.state.json';
/** File in the sidecar's `out` folder with the words that are to be in the control file of each telemetry folder. */
export const WORDS_FILE = '.control';

export interface SidecarPlan {
  /** `folder`: where the service writes, as the sidecar sees it. `bytes`: so much fits in there. */
  services: { name: string; folder: string; bytes: number }[];
  /** Here a folder of its own for the files of each service, and the state. */
  out: string;
  /** Milliseconds between two looks into the folders. */
  everyMs: number;
  /** Of one service the sidecar keeps no more. */
  mostBytes: number;
  mostFiles: number;
}

export interface ServiceState {
  files: number;
  bytes: number;
  /** When its folder was seen full for the first time, milliseconds since the epoch; null: never. */
  fullMs: number | null;
  /** From when on nothing more was taken, and why; null: all was. */
  stopped: { atMs: number; why: string } | null;
  /** Files that were not taken: the first of them, and how many. */
  refused: { name: string; why: string }[];
  refusedCount: number;
}

export interface SidecarState {
  /** It has taken what there was at the end. */
  ended: boolean;
  /** What it has put into the control files; null: there is none. */
  control: string | null;
  /** Why that did not go, by service. */
  controlFaults: Record<string, string>;
  services: Record<string, ServiceState>;
}
