/** The bucket seen by runs: the blocks of each, and what the store knows of them. */
import type { Context } from '../../app/context.ts';
import { UsageError } from '../../core/errors.ts';
import { type Block, isRaw, sizeOf } from '../blocks.ts';
import { knownRun } from '../recovery/recover.ts';

/** The raw blocks of one run. */
export interface ArchivedRun {
  run_id: string;
  benchmark: string;
  host: string;
  /** Milliseconds since the epoch, over all blocks. */
  from: number;
  to: number;
  blocks: Block[];
}

/**
 * The raw blocks by run, newest first; blocks of others, in a shared bucket, and trend blocks are left
 * out. Pure.
 */
export function groupRuns(blocks: Block[]): ArchivedRun[] {
  const groups = Map.groupBy(blocks.filter(isRaw), (block) => block.labels.run_id!);
  const runs = [...groups].map(
    ([run_id, own]): ArchivedRun => ({
      run_id,
      benchmark: own[0]!.labels.benchmark ?? '',
      host: own[0]!.labels.host ?? '',
      from: Math.min(...own.map((block) => block.minTime)),
      to: Math.max(...own.map((block) => block.maxTime)),
      blocks: own,
    }),
  );
  return runs.sort((a, b) => b.from - a.from || b.run_id.localeCompare(a.run_id));
}

/** Bytes, samples and series over blocks; a series that goes on in a second block counts twice. Pure. */
export function sumOf(blocks: Block[]): { blocks: number; bytes: number; samples: number; series: number } {
  const sum = (value: (block: Block) => number) => blocks.reduce((total, block) => total + value(block), 0);
  return {
    blocks: blocks.length,
    bytes: sum(sizeOf),
    samples: sum(({ samples }) => samples),
    series: sum(({ series }) => series),
  };
}

/** The id that the user means: one of the store, or of a run that only the bucket has. Throws UsageError. */
export function findRunId(wanted: string, runs: ArchivedRun[], ctx: Context): string {
  const prefix = wanted.toUpperCase();
  const found = runs.map(({ run_id }) => run_id).filter((id) => id.startsWith(prefix));
  if (found.includes(prefix)) return prefix;
  try {
    return ctx.store.run(wanted).run_id;
  } catch (error) {
    if (!(error instanceof UsageError) || found.length === 0) throw error;
    if (found.length === 1) return found[0]!;
    throw new UsageError(
      `${JSON.stringify(wanted)} is the beginning of several runs: ${found.slice(0, 3).join(', ')}${found.length > 3 ? ', ...' : ''}`,
      { hint: 'Write more of it; npm run archive -- ls lists them.' },
    );
  }
}

/**
 * Keeps with the run when its blocks were marked for removal, or that they are there again (null). A run that the store
 * does not know, or whose metrics were never shipped, has no record to change.
 */
export function recordRemoval(runId: string, removedAt: string | null, ctx: Context): void {
  const archive = knownRun(runId, ctx)?.archive;
  if (!archive) return;
  const { removed_at: _before, ...rest } = archive;
  ctx.store.saveArchive(runId, removedAt === null ? rest : { ...rest, removed_at: removedAt });
}
