/**
 * Is the archive whole? Every block is read, and the bucket and the store are held against each other; with `repair`
 * what can be repaired is.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../app/context.ts';
import { inStep } from '../../core/step.ts';
import { plainText, plural } from '../../core/text.ts';
import { runOwner } from '../../stack/run-folder.ts';
import { archivesOver, retentionMs } from '../archives.ts';
import { type BlockReport, restoreMeta } from '../block-check.ts';
import { isRaw, isTelemetry, isTrend, listBlocks, markForDeletion, removeNow } from '../blocks.ts';
import type { Bucket } from '../bucket.ts';
import { rebuildTrends } from '../rebuild-trends.ts';
import { rawLabels } from '../upload.ts';
import { recordRemoval } from './archived-runs.ts';
import { type Evidence, type Finding, judge } from './assess.ts';
import { TREND_PRUNED } from './prune.ts';
import { push } from './push.ts';
import { checkBlocks } from './read.ts';

export interface VerifyOptions {
  /** Id of the only run to look at. */
  run?: string;
  /** meta.json and the sizes of the files only. */
  quick: boolean;
  repair: boolean;
}

/** schema mayfly.verify/v1: what `npm run archive -- verify --json` prints. */
export interface VerifyDocument {
  schema: 'mayfly.verify/v1';
  bucket: string;
  quick: boolean;
  blocks_checked: number;
  bytes_checked: number;
  /** Seconds that the check of the blocks took. */
  seconds: number;
  /** What is so now, faults first. */
  findings: Finding[];
  /** What was so before the repair. */
  repaired: Finding[];
  /** No finding is a fault. */
  ok: boolean;
}

/** Checks the archive, repairs what it can where that is asked for, and reports what is left. */
export async function verify(bucket: Bucket, options: VerifyOptions, ctx: Context): Promise<VerifyDocument> {
  const first = await inspect(bucket, options, ctx);
  const repaired = options.repair && (await repair(first, bucket, options, ctx));
  const last = repaired ? await inspect(bucket, options, ctx) : first;
  const left = new Set(last.findings.map(keyOf));
  return {
    schema: 'mayfly.verify/v1',
    bucket: bucket.name,
    quick: options.quick,
    blocks_checked: first.reports.length,
    bytes_checked: first.reports.reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: first.seconds,
    findings: last.findings,
    repaired: first.findings.filter((finding) => !left.has(keyOf(finding))),
    ok: !last.findings.some(({ fault }) => fault),
  };
}

const keyOf = ({ kind, run_id, blocks }: Finding) => `${kind} ${run_id ?? ''} ${blocks.join(' ')}`;

interface Inspection {
  findings: Finding[];
  /** Folders without a readable meta.json. */
  partial: Set<string>;
  /** Trend blocks: they can be made anew. */
  trends: Set<string>;
  reports: BlockReport[];
  seconds: number;
}

/**
 * Other commands may write meanwhile. What the store has is read before the bucket is listed, since blocks are recorded
 * after they are there; and what looks like a fault is one only if it still is by a second list and the records of
 * then.
 */
async function inspect(bucket: Bucket, options: VerifyOptions, ctx: Context): Promise<Inspection> {
  const before = await gather(bucket, options, ctx);
  const wanted = before.blocks.filter(
    (block) =>
      !block.marked &&
      (isTrend(block) ||
        (isTelemetry(block) && options.run === undefined) ||
        (isRaw(block) && (options.run === undefined || block.labels.run_id === options.run))),
  ); // others may use the bucket too
  const started = performance.now();
  const reports = await inStep(ctx.progress, `check ${plural(wanted.length, 'block')}`, (step) =>
    checkBlocks(wanted, bucket, options, step, ctx),
  );
  const seconds = (performance.now() - started) / 1000;
  const partial = new Set(before.partial.map(({ ulid }) => ulid));
  const trends = new Set(before.blocks.filter(isTrend).map(({ ulid }) => ulid));
  const findings = judge({ ...before, reports });
  if (!findings.some(({ fault }) => fault)) return { findings, partial, trends, reports, seconds };
  const still = new Set(
    judge({ ...(await gather(bucket, options, ctx)), reports })
      .filter(({ fault }) => fault)
      .map(keyOf),
  );
  return {
    findings: findings.filter((finding) => !finding.fault || still.has(keyOf(finding))),
    partial,
    trends,
    reports,
    seconds,
  };
}

async function gather(bucket: Bucket, options: VerifyOptions, ctx: Context): Promise<Omit<Evidence, 'reports'>> {
  const stored = ctx.store.stored();
  const { blocks, partial } = await listBlocks(bucket, ctx);
  const ids = new Set(stored.map(({ run_id }) => run_id));
  const strange = blocks.filter(isRaw).some(({ labels }) => labels.run_id && !ids.has(labels.run_id));
  // Begun after the store was read: known, but not yet to be held against the bucket.
  const added = strange
    ? ctx.store
        .stored()
        .filter(({ run_id }) => !ids.has(run_id))
        .map(({ archive: _later, ...run }) => run)
    : [];
  const pruned = ctx.store
    .events(Number.MAX_SAFE_INTEGER)
    .filter(({ kind, detail }) => kind === TREND_PRUNED && (detail as { bucket: string }).bucket === bucket.name);
  const { trend, ...retired } = await retiredBefore(bucket, ctx);
  const trendSince = [...pruned.map(({ detail }) => (detail as { before: string }).before), ...trend];
  return {
    bucket: bucket.name,
    blocks,
    partial: await Promise.all(
      partial.map(async (ulid) => ({ ulid, ageS: await secondsSinceWritten(join(bucket.folder!, ulid), ctx) })),
    ),
    stored: [...stored, ...added],
    shipping: await shippingNow(ctx),
    ...retired,
    ...(trendSince.length > 0 ? { trendSince: trendSince.sort().at(-1)! } : {}),
    read: !options.quick,
    ...(options.run === undefined ? {} : { run: options.run }),
  };
}

/** Up to when the retention of the archive that keeps this bucket has removed raw and trend blocks by now; ISO 8601. */
async function retiredBefore(bucket: Bucket, ctx: Context): Promise<{ retiredBefore?: string; trend: string[] }> {
  const keepers = (await archivesOver(bucket, ctx.paths)).filter((archive) => !archive.read_only);
  const before = (ages: number[]) =>
    ages
      .filter(Number.isFinite)
      .map((ms) => new Date(ctx.now() - ms).toISOString())
      .sort();
  const raw = before(keepers.map((archive) => retentionMs(archive.retention_raw))).at(-1);
  return {
    ...(raw ? { retiredBefore: raw } : {}),
    trend: before(keepers.map((archive) => retentionMs(archive.retention_trend))),
  };
}

/** Runs whose folder a live process has: it ships them itself. */
async function shippingNow(ctx: Context): Promise<string[]> {
  const names = await readdir(ctx.paths.runs).catch(() => [] as string[]);
  const owners = await Promise.all(
    names.map(async (name) => ({ name, owner: await runOwner(join(ctx.paths.runs, name)) })),
  );
  return owners.filter(({ owner }) => owner === 'live').map(({ name }) => name);
}

/** Since the newest file of a folder was written; infinite for a folder that is gone. */
async function secondsSinceWritten(folder: string, ctx: Context): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => null);
  if (entries === null) return Infinity;
  const times = await Promise.all(
    ['.', ...entries].map((entry) =>
      stat(join(folder, entry)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return (ctx.now() - Math.max(...times)) / 1000;
}

/** Repairs what can be repaired; true where anything was done. A failure is a warning: the finding stays. */
async function repair(
  { findings, partial, trends }: Inspection,
  bucket: Bucket,
  options: VerifyOptions,
  ctx: Context,
): Promise<boolean> {
  const of = (kind: Finding['kind']) => findings.filter((finding) => finding.kind === kind);
  const waiting = await waitingBlocks(ctx);
  const damagedIds = of('damaged').flatMap(({ blocks }) => blocks);
  const replaceable = damagedIds.filter((id) => waiting.has(id) && !partial.has(id));
  const damagedTrends = options.quick
    ? []
    : of('damaged')
        .filter(({ run_id }) => run_id === undefined)
        .flatMap(({ blocks }) => blocks)
        .filter((id) => trends.has(id));
  const withoutMeta = of('damaged').filter(
    ({ run_id, blocks }) =>
      run_id && bucket.folder !== null && blocks.every((id) => partial.has(id) && !waiting.has(id)),
  );
  let done = false;
  /** false: it failed, and said so. */
  const attempt = async (title: string, wanted: boolean, work: () => Promise<unknown>): Promise<boolean> => {
    if (!wanted) return true;
    done = true;
    return inStep(ctx.progress, title, work).then(
      () => true,
      (error: Error) => {
        ctx.signal.throwIfAborted();
        ctx.progress.warn(`${title}: ${error.message}`);
        return false;
      },
    );
  };
  // The shipper leaves a block alone that has a meta.json in the bucket: a damaged one must be gone before, or the push
  // would count it as shipped.
  const cleared = await attempt(
    `remove ${plural(replaceable.length, 'damaged block')} of which copies wait on this host`,
    replaceable.length > 0,
    () => removeNow(bucket, replaceable, 'damaged; a copy waits on the host of the run', ctx),
  );
  await attempt('ship what waits on this host', cleared && of('pending').some(({ fault }) => fault), () => push(ctx));
  await attempt('mark blocks that are there twice', of('duplicate').length > 0, () =>
    markForDeletion(
      bucket,
      of('duplicate').flatMap(({ blocks }) => blocks),
      'a duplicate of a block that the store names',
      ctx,
    ),
  );
  await attempt('record what was removed', of('unrecorded').length > 0, async () => {
    for (const { run_id } of of('unrecorded')) recordRemoval(run_id!, new Date(ctx.now()).toISOString(), ctx);
  });
  await attempt('write meta.json anew from index and chunks', withoutMeta.length > 0, async () => {
    for (const finding of withoutMeta)
      await restoreMeta(join(bucket.folder!, finding.blocks[0]!), labelsOf(finding.run_id!, ctx));
  });
  await attempt('remove damaged trend blocks', damagedTrends.length > 0, () =>
    removeNow(bucket, damagedTrends, 'damaged; made anew from the store', ctx),
  );
  await attempt('rebuild the trend', !options.quick && (damagedTrends.length > 0 || of('no-trend').length > 0), () =>
    rebuildTrends(bucket, ctx),
  );
  return done;
}

/** Blocks of snapshots that wait on this host. */
async function waitingBlocks(ctx: Context): Promise<Set<string>> {
  const found = await Promise.all(
    ctx.store
      .pendingArchives()
      .map(({ run_id }) => readdir(join(ctx.paths.runs, run_id, 'snapshot')).catch(() => [] as string[])),
  );
  return new Set(found.flat());
}

/** The external labels that a run's raw blocks have. */
function labelsOf(runId: string, ctx: Context): Record<string, string> {
  const { benchmark, host } = ctx.store.run(runId);
  return rawLabels({ run_id: runId, benchmark, host: host.id });
}

/** So many findings of one kind are printed. */
const SHOWN = 20;

export function verifyText(document: VerifyDocument): string {
  const { findings, repaired, blocks_checked, bytes_checked, seconds } = document;
  const line = ({ kind, fault, run_id, blocks, message }: Finding) =>
    plainText(
      `${fault ? 'FAULT' : 'note '}  ${kind}${run_id ? `  run ${run_id}` : ''}${blocks.length > 0 ? `  ${blocks.join(', ')}` : ''}: ${message}`,
    );
  const some = (alike: Finding[]) => [
    ...alike.slice(0, SHOWN).map(line),
    ...(alike.length > SHOWN ? [`       and ${alike.length - SHOWN} more; --json prints all`] : []),
  ];
  const faults = findings.filter(({ fault }) => fault).length;
  return [
    ...repaired.map((finding) => line(finding).replace(/^\S+ */, 'repaired ')),
    ...[...Map.groupBy(findings, ({ kind, fault }) => `${kind} ${fault}`).values()].flatMap(some),
    `${plural(blocks_checked, 'block')} checked${document.quick ? ' by size only' : ` (${(bytes_checked / 1e6).toFixed(1)} MB)`} in ${seconds.toFixed(1)} s${seconds > 0 ? `, ${(blocks_checked / seconds).toFixed(0)} blocks/s` : ''}; ${faults === 0 ? 'nothing is wrong' : plural(faults, 'fault')}`,
  ].join('\n');
}
