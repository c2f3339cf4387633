/**
 * Removing runs from the bucket: what would go is shown first; with `yes` it is marked, and removed after a delay. The
 * record of a run stays in the store. Beside other commands: only whole blocks are chosen, of runs whose record says
 * that they were shipped; a mark that is there already is left as it is; and Store goes on serving a block for as long
 * as it is there.
 */
import type { Context } from '../../app/context.ts';
import { UsageError } from '../../core/errors.ts';
import { inStep } from '../../core/step.ts';
import { plural } from '../../core/text.ts';
import { formatValue } from '../../report/units.ts';
import type { StoredRun } from '../../store/db.ts';
import {
  type Block,
  type BlockList,
  isOurs,
  isTelemetry,
  isTrend,
  listBlocks,
  markForDeletion,
  REMOVAL_DELAY_S,
  removeMarked,
  removeNow,
  sizeOf,
  unmark,
} from '../blocks.ts';
import type { Bucket } from '../bucket.ts';
import { knownRun } from '../recovery/recover.ts';
import { findRunId, groupRuns, recordRemoval } from './archived-runs.ts';
import { type Criteria, selectOlder, selectRuns } from './select.ts';

/** Event in the store: trend samples of runs before this were removed on purpose. */
export const TREND_PRUNED = 'archive-trend-pruned';

/** schema mayfly.prune/v1: what `npm run archive -- prune --json` prints. */
export interface PruneDocument {
  schema: 'mayfly.prune/v1';
  bucket: string;
  /** false: nothing was changed. */
  done: boolean;
  runs: { run_id: string; benchmark: string; blocks: string[]; bytes: number; reason: string }[];
  trend_blocks: string[];
  /** Of telemetry that was brought by hand. */
  telemetry_blocks: string[];
  /** Bytes of what goes. */
  bytes: number;
  kept: number;
  protected: Record<string, number>;
  /** Bytes above --max-size that only protected runs hold. */
  over_bytes: number;
  /** Why blocks that were marked earlier were not removed, where they were not. */
  not_removed?: string;
}

export interface PruneOptions {
  criteria: Criteria;
  trendOlderThanMs?: number;
  telemetryOlderThanMs?: number;
  yes: boolean;
  /** Remove at once what is chosen, without the delay. */
  now: boolean;
}

/** Chooses what goes and, with `yes`, marks it; what was marked earlier than the delay is removed for good. */
export async function prune(bucket: Bucket, options: PruneOptions, ctx: Context): Promise<PruneDocument> {
  const list = await listBlocks(bucket, ctx);
  const runs = groupRuns(list.blocks);
  const stored = ctx.store.stored();
  const selection = selectRuns(runs, stored, options.criteria, ctx.now());
  const trends = selectOlder(list.blocks.filter(isTrend), options.trendOlderThanMs, ctx.now());
  const telemetry = selectOlder(list.blocks.filter(isTelemetry), options.telemetryOlderThanMs, ctx.now());
  const chosen = selection.chosen.map(({ run, reason }) => ({
    run,
    reason,
    blocks: run.blocks.filter((block) => !block.marked),
  }));
  const document: PruneDocument = {
    schema: 'mayfly.prune/v1',
    bucket: bucket.name,
    done: options.yes,
    runs: chosen.map(({ run, reason, blocks }) => ({
      run_id: run.run_id,
      benchmark: run.benchmark,
      blocks: idsOf(blocks),
      bytes: bytesOf(blocks),
      reason,
    })),
    trend_blocks: idsOf(trends),
    telemetry_blocks: idsOf(telemetry),
    bytes: bytesOf([...chosen.flatMap(({ blocks }) => blocks), ...trends, ...telemetry]),
    kept: selection.kept,
    protected: selection.protected,
    over_bytes: selection.overBytes,
  };
  if (!options.yes) return document;
  const ids = [
    ...document.runs.flatMap(({ blocks }) => blocks),
    ...document.trend_blocks,
    ...document.telemetry_blocks,
  ];
  await inStep(ctx.progress, `mark ${plural(ids.length, 'block')}`, () =>
    ids.length > 0 ? markForDeletion(bucket, ids, 'pruned by npm run archive -- prune', ctx) : Promise.resolve(),
  );
  for (const { run } of chosen) recordRemoval(run.run_id, new Date(ctx.now()).toISOString(), ctx);
  if (trends.length > 0)
    ctx.store.addEvent(TREND_PRUNED, null, {
      bucket: bucket.name,
      before: new Date(Math.max(...trends.map(({ maxTime }) => maxTime))).toISOString(),
    });
  if (options.now && ids.length > 0)
    await inStep(ctx.progress, `remove ${plural(ids.length, 'block')}`, () =>
      removeNow(bucket, ids, 'pruned by npm run archive -- prune --now', ctx),
    );
  const hindrance = whyNotCleanUp(list, stored, bucket);
  if (hindrance) return { ...document, not_removed: hindrance };
  await inStep(ctx.progress, 'remove what was marked two days ago or earlier', () =>
    removeMarked(bucket, idsOf(list.blocks.filter((block) => block.marked && isOurs(block))), REMOVAL_DELAY_S, ctx),
  );
  return document;
}

/**
 * Thanos' clean-up also takes every folder without a readable meta.json that is two days old for an upload that did not
 * end: it must not meet a damaged block of a run.
 */
function whyNotCleanUp({ partial, blocks }: BlockList, stored: StoredRun[], bucket: Bucket): string | null {
  const shipped = new Set(
    stored.flatMap(({ archive }) =>
      archive?.verified && archive.bucket === bucket.name && !archive.removed_at ? archive.blocks : [],
    ),
  );
  // Of a store that is no folder the broken ones are not listed: there every block that should be there and is not may
  // be one.
  const there = new Set(blocks.map(({ ulid }) => ulid));
  const damaged =
    bucket.folder === null ? [...shipped].filter((id) => !there.has(id)) : partial.filter((id) => shipped.has(id));
  return damaged.length > 0
    ? `the meta.json of ${damaged.slice(0, 3).join(', ')}${damaged.length > 3 ? `, and of ${damaged.length - 3} more,` : ''} is damaged or gone, and the clean-up would remove such blocks whole; npm run archive -- verify --repair first`
    : null;
}

export function pruneText(document: PruneDocument, now: boolean): string {
  const { runs, trend_blocks, telemetry_blocks, done } = document;
  const more = [
    ...(trend_blocks.length > 0 ? [plural(trend_blocks.length, 'trend block')] : []),
    ...(telemetry_blocks.length > 0 ? [plural(telemetry_blocks.length, 'telemetry block')] : []),
  ].map((text) => ` and ${text}`);
  const what = `${plural(runs.length, 'run')}${more.join('')}, ${formatValue(document.bytes, 'bytes')}`;
  const verb = done ? (now ? 'removed' : 'marked for deletion') : 'would go';
  return [
    ...runs.map((run) => `${run.run_id}  ${run.benchmark}  ${formatValue(run.bytes, 'bytes')}  ${run.reason}`),
    `${what}: ${verb}; ${plural(document.kept, 'run')} ${document.kept === 1 ? 'stays' : 'stay'}`,
    ...Object.entries(document.protected).map(
      ([why, count]) => `kept though the criteria would take them: ${count} ${why}`,
    ),
    ...(document.over_bytes > 0
      ? [`still ${formatValue(document.over_bytes, 'bytes')} above --max-size: only protected runs are left`]
      : []),
    ...(document.not_removed ? [`what was marked earlier is not removed: ${document.not_removed}`] : []),
    ...(done
      ? now || runs.length + trend_blocks.length + telemetry_blocks.length === 0
        ? []
        : [
            'a prune or the compactor of the archive removes them in two days; mark-delete RUN --undo --yes takes one back until then',
          ]
      : ['nothing was changed; --yes does it']),
  ].join('\n');
}

/** schema mayfly.mark/v1: what `npm run archive -- mark-delete RUN --json` prints. */
export interface MarkDocument {
  schema: 'mayfly.mark/v1';
  bucket: string;
  run_id: string;
  blocks: string[];
  bytes: number;
  /** Whether the blocks are marked now, or would be. */
  marked: boolean;
  done: boolean;
}

/** Marks the blocks of one run, or takes the mark back. A run whose blocks are gone is recorded as removed. */
export async function markRun(
  wanted: string,
  bucket: Bucket,
  { undo, yes }: { undo: boolean; yes: boolean },
  ctx: Context,
): Promise<MarkDocument> {
  const { blocks: all } = await listBlocks(bucket, ctx);
  const runs = groupRuns(all);
  const run_id = findRunId(wanted, runs, ctx);
  const own = runs.find((run) => run.run_id === run_id)?.blocks ?? [];
  const blocks = own.filter((block) => block.marked === undo);
  const ids = idsOf(blocks);
  const stored = knownRun(run_id, ctx);
  if (stored?.status === 'running')
    throw new UsageError(`run ${run_id} is still going on`, { hint: 'Mark it when it has ended.' });
  if (stored?.archive?.pending)
    throw new UsageError(`the metrics of run ${run_id} wait on this host`, {
      hint: 'npm run archive -- push ships them; then mark it.',
    });
  if (own.length === 0 && stored?.archive && stored.archive.bucket !== bucket.name)
    throw new UsageError(`${bucket.name} has no block of run ${run_id}: it was shipped to ${stored.archive.bucket}`, {
      hint: 'Name that bucket by --objstore or --archive.',
    });
  if (yes) {
    if (ids.length > 0 && undo) await unmark(bucket, ids, ctx);
    if (ids.length > 0 && !undo) await markForDeletion(bucket, ids, 'marked by npm run archive -- mark-delete', ctx);
    if (!undo || own.length > 0) recordRemoval(run_id, undo ? null : new Date(ctx.now()).toISOString(), ctx);
  }
  return {
    schema: 'mayfly.mark/v1',
    bucket: bucket.name,
    run_id,
    blocks: ids,
    bytes: bytesOf(blocks),
    marked: !undo,
    done: yes,
  };
}

export function markText({ run_id, blocks, bytes, marked, done }: MarkDocument): string {
  const what = `${plural(blocks.length, 'block')} of run ${run_id} (${formatValue(bytes, 'bytes')})`;
  const verb = marked ? 'marked for deletion' : 'no longer marked for deletion';
  return [
    `${what} ${done ? (blocks.length === 1 ? 'is' : 'are') : 'would be'} ${verb}`,
    ...(done
      ? marked
        ? [
            'they are removed in two days by the compactor of the archive or the next prune; --undo --yes takes it back until then',
          ]
        : []
      : ['nothing was changed; --yes does it']),
  ].join('\n');
}

const idsOf = (blocks: Block[]) => blocks.map(({ ulid }) => ulid);
const bytesOf = (blocks: Block[]) => blocks.reduce((sum, block) => sum + sizeOf(block), 0);
