/** Other runs that are measured on this host at the same time. Pure. */
import { hostname } from 'node:os';
import type { ContainerSummary } from '../engine/engine.ts';
import { LABEL } from '../engine/names.ts';
import { isAlive } from '../engine/owner.ts';

/** Their ids: of `containers` those whose Prometheus runs for a process that is there, and not just for the eye. */
export function otherRuns(containers: readonly ContainerSummary[], ownRun: string): string[] {
  const others = containers.filter(
    ({ state, labels }) =>
      state === 'running' &&
      labels[LABEL.service] === 'prometheus' &&
      labels[LABEL.run] !== ownRun &&
      (labels[LABEL.hostname] === hostname()
        ? isAlive(Number(labels[LABEL.pid]), labels[LABEL.pidStart] ?? '')
        : labels[LABEL.keep] !== 'true'),
  );
  return others.map(({ labels }) => labels[LABEL.run]!).sort();
}

/** What is said of them; undefined where there are none. */
export function otherRunsText(runs: readonly string[]): string | undefined {
  if (runs.length === 0) return undefined;
  const which = runs.length === 1 ? `run ${runs[0]} is` : `runs ${runs.join(', ')} are`;
  return `${which} measured on this host now: each disturbs the other, and rounds in which that shows are INVALID (host-load). One after the other: npm run queue -- add`;
}
