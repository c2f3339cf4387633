/** Names and labels of everything that a run puts on the engine: two runs never share one. */
import type { SideName } from '../documents/run.ts';

export const LABEL = {
  run: 'dev.mayfly.run',
  /**
   * The process that owns the run, when it started (clock ticks since boot) and on which host: together they tell a
   * live run from a dead one.
   */
  pid: 'dev.mayfly.pid',
  pidStart: 'dev.mayfly.pid-start',
  hostname: 'dev.mayfly.hostname',
  stackVersion: 'dev.mayfly.stack-version',
  side: 'dev.mayfly.side',
  round: 'dev.mayfly.round',
  commit: 'dev.mayfly.commit',
  /** Of an image that was built at a commit: the benchmark that it was built for. */
  benchmark: 'dev.mayfly.benchmark',
  /** Of such an image: what it was built from, as JSON: [{ref, id}]. */
  bases: 'dev.mayfly.bases',
  service: 'dev.mayfly.service',
  /** Of a service under test that ends before others start: who waits for that; empty of all others. */
  oneShot: 'dev.mayfly.one-shot',
  /** The user asked for the stack to stay: the sweep leaves it alone. */
  keep: 'dev.mayfly.keep',
  /** Of what carries a run to the engine of another host: `checkout`, `data`, `filler` or `harness`. */
  far: 'dev.mayfly.far',
  /** Compose project of an archive, or of the S3 gateway: long-running, so none of the others is on it. */
  longRunning: 'dev.mayfly.lasting',
  /**
   * Folder of an archive or a gateway: without it nothing can take its containers down but the sweep. Of a volume on the
   * engine of another host: the data folder whose runs it keeps.
   */
  folder: 'dev.mayfly.folder',
} as const;

/** A whole hash of git: SHA-1 or SHA-256. */
export const isFullHash = (text: string): boolean => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);

/** Compose project and name prefix of a run; project names are lower case. */
export const projectName = (runId: string) => `mayfly-${runId.toLowerCase()}`;
export const sideProject = (runId: string, side: SideName) => `${projectName(runId)}-${side}`;
export const networkName = (runId: string, network: string) => `${projectName(runId)}-${network}`;

/**
 * Two rounds follow each other closely: the next one's services start in other networks, while this one's are still
 * there.
 */
export const laneOf = (round: number, lanes: number) => round % lanes;
/** Compose project of one side in one round. */
export const roundProject = (plan: { runId: string; lanes: number }, side: SideName, round: number) =>
  `${sideProject(plan.runId, side)}${plan.lanes > 1 ? `-${laneOf(round, plan.lanes)}` : ''}`;
/** The network of a side in a round. */
export const sideNetwork = (
  plan: { networks: { sides: Partial<Record<SideName, string[]>> }; lanes: number },
  side: SideName,
  round: number,
) => plan.networks.sides[side]![laneOf(round, plan.lanes)]!;
/** Name of the load generator of a round in its network with Prometheus. */
export const networkAlias = (round: number) => `load-${round}.metrics`;

/** Name under which a service of a side is known on the side's network. */
export const sideHost = (service: string, side: SideName) => `${service}.${side}`;

/** The URL of the benchmark's target for one side: its host becomes the side's own name. */
export function sideTarget(target: string, side: SideName): string {
  const url = new URL(target);
  url.hostname = sideHost(url.hostname, side);
  return url.href.replace(/\/$/, '');
}

/** An image tag that holds the commit as far as a tag can, and a hash of what the tag cannot hold. */
export function imageTag(benchmark: string, image: string, commit: string, recipeHash: string): string {
  const readable =
    commit
      .replace(/[^A-Za-z0-9_.-]/g, '-')
      .replace(/^[.-]+/, '')
      .slice(0, 40) || 'commit';
  return `mayfly/${benchmark}-${image}:${readable.length === 40 ? readable.slice(0, 12) : readable}-${recipeHash}`;
}

/** A commit for people: twelve digits of a hash; a version as it is. */
export const shortCommit = (commit: string) =>
  commit.startsWith('worktree-')
    ? `worktree-${commit.slice(9, 16)}`
    : /^[0-9a-f]{40}$/.test(commit)
      ? commit.slice(0, 12)
      : commit;

/**
 * Fills $window and $selector: the range of the window, and the labels that every series of this side and round
 * carries.
 */
export function fillPromql(promql: string, side: SideName, round: number, windowS: number): string {
  return promql
    .replaceAll('$window', `${Math.round(windowS * 1000)}ms`)
    .replaceAll('$selector', `side="${side}",round="${round}"`);
}
