/** Which runs' blocks go: by age, number, size and label. Pure. */
import { decodeTime, isValid } from 'ulid';
import type { StoredRun } from '../../store/db.ts';
import { type Block, REMOVAL_DELAY_S, sizeOf } from '../blocks.ts';
import type { ArchivedRun } from './archived-runs.ts';

/** What the user asked for. Without any of olderThanMs, keepLast, maxBytes nothing goes. */
export interface Criteria {
  /** A run that ended longer ago goes, unless it is protected. */
  olderThanMs?: number;
  /** The newest so many of each benchmark are protected. */
  keepLast?: number;
  /** The oldest that are not protected go until the rest fits. */
  maxBytes?: number;
  /** Runs with one of these labels are protected; a value of undefined: any. */
  keepLabels: { name: string; value?: string }[];
  /** Only runs of this benchmark are looked at. */
  benchmark?: string;
  /** Runs that the store does not know go too, by age and size; without it they stay. */
  unknown?: boolean;
}

export interface Chosen {
  run: ArchivedRun;
  reason: string;
}

export interface Selection {
  /** Oldest first. */
  chosen: Chosen[];
  kept: number;
  /** Why runs that a criterion would have taken were kept, with their number. */
  protected: Record<string, number>;
  /** Bytes above maxBytes that only protected runs hold. */
  overBytes: number;
}

/** Runs pending or running, and those with all blocks marked already, are never chosen. */
export function selectRuns(runs: ArchivedRun[], stored: StoredRun[], criteria: Criteria, now: number): Selection {
  const known = new Map(stored.map((run) => [run.run_id, run]));
  const scope = runs
    .filter((run) => criteria.benchmark === undefined || run.benchmark === criteria.benchmark)
    .filter((run) => run.blocks.some((block) => !block.marked))
    .toSorted((a, b) => startOf(a, known) - startOf(b, known) || a.run_id.localeCompare(b.run_id));
  const last = newest(scope, known, criteria.keepLast);
  const chosen = new Map<string, Chosen>();
  const held = new Map<string, string>();
  const choose = (run: ArchivedRun, reason: string) => {
    const why = protection(run, known.get(run.run_id), last, criteria, now);
    if (why) held.set(run.run_id, why);
    else chosen.set(run.run_id, { run, reason });
    return !why;
  };

  if (criteria.olderThanMs !== undefined) {
    for (const run of scope) if (now - run.to > criteria.olderThanMs) choose(run, `ended ${days(now - run.to)} ago`);
  } else if (criteria.keepLast !== undefined && criteria.maxBytes === undefined) {
    for (const run of scope)
      if (!last.has(run.run_id)) choose(run, `not among the newest ${criteria.keepLast} of ${run.benchmark}`);
  }
  let over =
    criteria.maxBytes === undefined
      ? 0
      : scope.filter((run) => !chosen.has(run.run_id)).reduce((sum, run) => sum + bytesOf(run), 0) - criteria.maxBytes;
  for (const run of scope) {
    if (over <= 0) break;
    if (!chosen.has(run.run_id) && choose(run, 'the archive is larger than asked for')) over -= bytesOf(run);
  }
  return {
    chosen: scope.flatMap((run) => chosen.get(run.run_id) ?? []),
    kept: scope.length - chosen.size,
    protected: Object.fromEntries(
      Object.entries(Object.groupBy(held.values(), (why) => why)).map(([why, all]) => [why, all!.length]),
    ),
    overBytes: Math.max(0, over),
  };
}

/** Blocks of no run whose last sample is older; without an age none. */
export function selectOlder(blocks: Block[], olderThanMs: number | undefined, now: number): Block[] {
  if (olderThanMs === undefined) return [];
  return blocks.filter((block) => !block.marked && now - block.maxTime > olderThanMs);
}

/** Why a run must stay, or null. */
function protection(
  run: ArchivedRun,
  stored: StoredRun | undefined,
  last: Set<string>,
  criteria: Criteria,
  now: number,
): string | null {
  if (last.has(run.run_id)) return `among the newest ${criteria.keepLast} of their benchmark`;
  if (!stored) {
    if (!criteria.unknown) return 'not known to the store of this data folder (--unknown takes them too)';
    if (criteria.keepLabels.length > 0) return 'not known to the store, so their labels are not either';
    return now - startOf(run, new Map()) < REMOVAL_DELAY_S * 1000
      ? 'of another store and younger than two days: they may still be going on'
      : null;
  }
  if (stored.status === 'running') return 'still running';
  if (stored.archive?.pending) return 'waiting to be shipped';
  const label = criteria.keepLabels.find(
    ({ name, value }) => name in stored.labels && (value === undefined || stored.labels[name] === value),
  );
  return label ? `labelled ${label.name}${label.value === undefined ? '' : `=${label.value}`}` : null;
}

/** The newest runs of each benchmark. Those that the store does not know do not count: they would push others out. */
function newest(scope: ArchivedRun[], known: Map<string, StoredRun>, keepLast: number | undefined): Set<string> {
  const byBenchmark = Map.groupBy(
    scope.filter((run) => known.has(run.run_id)),
    (run) => run.benchmark,
  );
  return new Set(
    keepLast ? [...byBenchmark.values()].flatMap((runs) => runs.slice(-keepLast).map((run) => run.run_id)) : [],
  );
}

/** Milliseconds since the epoch: as the store says, else as the id does, since the clock of a block may be wrong. */
function startOf(run: ArchivedRun, known: Map<string, StoredRun>): number {
  const stored = known.get(run.run_id);
  if (stored) return Date.parse(stored.started_at);
  return isValid(run.run_id) ? decodeTime(run.run_id) : run.from;
}

const bytesOf = (run: ArchivedRun) =>
  run.blocks.filter((block) => !block.marked).reduce((sum, block) => sum + sizeOf(block), 0);
const days = (ms: number) => `${Math.floor(ms / 86_400_000)} days`;
