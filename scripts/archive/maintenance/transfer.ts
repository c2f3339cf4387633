/** export and import: a run leaves one archive as a file, and another archive and store take it. */
import { cp, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../../app/context.ts';
import { compile } from '../../config/schema.ts';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import { inStep } from '../../core/step.ts';
import { plural } from '../../core/text.ts';
import type { RunDocument, SideName } from '../../documents/run.ts';
import { checkBlock } from '../block-check.ts';
import { type Block, copyFromFolder, copyToFolder, isRaw, listBlocks, removeNow, sizeOf } from '../blocks.ts';
import type { Bucket } from '../bucket.ts';
import { knownRun } from '../recovery/recover.ts';
import { shipTrend } from '../trend-ship.ts';
import { blocksFolder, DETAILS_FILE, type Manifest, proveBundle, RUN_FILE, readBundle, writeBundle } from './bundle.ts';
import { checkBlocks, inTemporary } from './read.ts';

const SCHEMA: RunDocument['schema'] = 'mayfly.run/v1';

/** schema mayfly.exported/v1: what `npm run archive -- export --json` prints. */
export interface ExportDocument {
  schema: 'mayfly.exported/v1';
  run_id: string;
  file: string;
  blocks: string[];
  /** Size of the blocks. */
  bytes: number;
}

/**
 * Writes a run and its blocks to a file; it is there whole or not at all. Throws UsageError for a run that cannot be
 * exported.
 */
export async function exportRun(
  wanted: string,
  out: string | undefined,
  bucket: Bucket,
  ctx: Context,
): Promise<ExportDocument> {
  const run = ctx.store.run(wanted);
  const { run_id, archive } = run;
  if (run.status === 'running')
    throw new UsageError(`run ${run_id} is still going on`, { hint: 'Export it when it has ended.' });
  if (archive?.pending)
    throw new UsageError(`the metrics of run ${run_id} wait on this host`, {
      hint: 'npm run archive -- push ships them; then export it.',
    });
  const file = resolve(out ?? `mayfly-${run_id}.tar`);
  const listed = (await listBlocks(bucket, ctx)).blocks.filter(
    (block) => isRaw(block) && block.labels.run_id === run_id,
  );
  const missing =
    archive && !archive.removed_at ? archive.blocks.filter((id) => !listed.some(({ ulid }) => ulid === id)) : [];
  if (missing.length > 0)
    throw new UsageError(`${bucket.name} does not have ${missing.join(', ')} of run ${run_id}`, {
      hint:
        archive!.bucket === bucket.name
          ? 'npm run archive -- verify --repair looks at it.'
          : `The run was shipped to ${archive!.bucket}: name it by --objstore or --archive.`,
    });
  const beside = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  return inTemporary(
    'export',
    async (folder) => {
      try {
        await inStep(ctx.progress, `export run ${run_id}`, async () => {
          const stage = join(folder, 'stage');
          await fetchBlocks(listed, blocksFolder(stage), bucket, ctx);
          await writeFile(join(stage, RUN_FILE), JSON.stringify(run, null, 2));
          await writeFile(join(stage, DETAILS_FILE), JSON.stringify(ctx.store.details(run_id)));
          await mkdir(dirname(file), { recursive: true });
          await rm(beside, { force: true });
          await writeBundle(stage, run_id, beside);
          await proveBundle(beside, join(folder, 'proof'));
          await putInPlace(beside, file);
        });
      } finally {
        await rm(beside, { force: true });
      }
      return {
        schema: 'mayfly.exported/v1',
        run_id,
        file,
        blocks: listed.map(({ ulid }) => ulid),
        bytes: listed.reduce((sum, block) => sum + sizeOf(block), 0),
      };
    },
    ctx,
  );
}

/** A file that is there already stays. */
async function putInPlace(from: string, file: string): Promise<void> {
  try {
    await link(from, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new UsageError(`${file} is there already`, { hint: 'Name another by --out=FILE, or remove it.' });
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    await rename(from, file); // a file system without hard links
  }
}

/** Copies blocks of the bucket, and checks each. */
async function fetchBlocks(blocks: Block[], folder: string, bucket: Bucket, ctx: Context): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (bucket.folder === null) {
    if (blocks.length > 0)
      await copyToFolder(
        bucket,
        blocks.map(({ ulid }) => ulid),
        folder,
        ctx,
      );
  } else {
    for (const { ulid } of blocks)
      await cp(join(bucket.folder, ulid), join(folder, ulid), {
        recursive: true,
        filter: (path) => !path.endsWith('-mark.json'),
      });
  }
  for (const { ulid } of blocks) {
    const { faults } = await checkBlock(join(folder, ulid));
    if (faults.length > 0)
      throw new InfrastructureError(
        `block ${ulid} in ${bucket.name} is damaged: ${faults[0]!.file} ${faults[0]!.message}`,
        { hint: 'npm run archive -- verify --repair looks at it.' },
      );
  }
}

/** schema mayfly.import/v1: what `npm run archive -- import --json` prints. */
export interface ImportDocument {
  schema: 'mayfly.import/v1';
  run_id: string;
  bucket: string;
  /** Blocks that were brought into the bucket now; those that were there whole are not among them. */
  blocks: string[];
  /** The store did not have the run before. */
  new_run: boolean;
}

/**
 * Takes a run of an export into the store and the bucket. Repeating it changes nothing. Throws UsageError for a file
 * that must not be taken.
 */
export async function importRun(file: string, bucket: Bucket, ctx: Context): Promise<ImportDocument> {
  return inTemporary(
    'import',
    async (folder) => {
      const manifest = await inStep(ctx.progress, `read ${basename(file)}`, () => readBundle(resolve(file), folder));
      const run = await readRun(folder, manifest);
      const details = await readDetails(folder, run);
      await checkBundleBlocks(blocksFolder(folder), manifest, run);
      const stored = knownRun(run.run_id, ctx);
      if (stored) refuseAnother(stored, run);

      const blocks = await inStep(
        ctx.progress,
        `bring ${plural(manifest.blocks.length, 'block')} to ${bucket.name}`,
        () => bringBlocks(folder, manifest, bucket, ctx),
      );
      if (!stored) ctx.store.addRun(withoutArchive(run));
      for (const { side, round, detail } of details) {
        const own = run.rounds.find((one) => one.side === side && one.round === round);
        if (own) ctx.store.saveRound(run.run_id, own, detail ?? undefined);
      }
      if (manifest.blocks.length > 0) {
        const requests = run.archive?.requests; // its files were checked with their block
        ctx.store.saveArchive(run.run_id, {
          bucket: bucket.name,
          blocks: manifest.blocks,
          verified: true,
          pending: false,
          ...(requests ? { requests: { ...requests, verified: true } } : {}),
        });
        if (stored?.archive?.bucket !== bucket.name) await bringTrend(run.run_id, folder, bucket, ctx);
      } else if (!stored && run.archive) ctx.store.saveArchive(run.run_id, run.archive);
      if (!stored) ctx.store.addEvent('archive-import', run.run_id, { file: basename(file), bucket: bucket.name });
      return { schema: 'mayfly.import/v1', run_id: run.run_id, bucket: bucket.name, blocks, new_run: !stored };
    },
    ctx,
  );
}

/** A trend that cannot be shipped is a warning, as after a run: it can be made anew. */
async function bringTrend(runId: string, folder: string, bucket: Bucket, ctx: Context): Promise<void> {
  await shipTrend(ctx.store.run(runId), folder, bucket, ctx).catch((error: Error) => {
    ctx.signal.throwIfAborted();
    ctx.progress.warn(
      `the trend of run ${runId} is not in ${bucket.name}: ${error.message}\nnpm run archive -- rebuild-trends makes it anew`,
    );
  });
}

const withoutArchive = ({ archive: _where, ...run }: RunDocument): RunDocument => run;

/** The run's record, checked against its schema. */
async function readRun(folder: string, manifest: Manifest): Promise<RunDocument> {
  const run: any = await readJson(join(folder, RUN_FILE));
  if (run?.schema !== SCHEMA)
    throw new UsageError(
      `the run in the export has schema ${JSON.stringify(run?.schema)}; this Mayfly knows ${SCHEMA}`,
      { hint: 'It was written by another version of Mayfly: update this checkout (git pull).' },
    );
  const schema = await readJson(join(import.meta.dirname, '../../../docs/schemas/mayfly.run.v1.json'));
  const validate = compile(schema);
  const fits: boolean = validate(run);
  if (!fits) {
    const first = validate.errors![0]!;
    throw new UsageError(
      `the run in the export does not fit its schema: ${first.instancePath || 'the document'} ${first.message}`,
      { hint: 'It may have been written by a newer Mayfly: update this checkout (git pull).' },
    );
  }
  if (run.run_id !== manifest.run_id)
    throw new UsageError(`the export says that it holds run ${manifest.run_id}, and holds ${run.run_id}`);
  return run;
}

async function readDetails(
  folder: string,
  run: RunDocument,
): Promise<{ side: SideName; round: number; detail: unknown }[]> {
  const details = await readJson(join(folder, DETAILS_FILE));
  if (!Array.isArray(details) || details.some((one) => typeof one?.round !== 'number' || !(one.side in run.sides)))
    throw new UsageError(`${DETAILS_FILE} in the export of run ${run.run_id} is no list of the material of its rounds`);
  return details;
}

async function readJson(file: string): Promise<any> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${basename(file)} in the export cannot be read: ${(error as Error).message}`);
  }
}

/** Each block is whole and belongs to the run. */
async function checkBundleBlocks(folder: string, { blocks }: Manifest, run: RunDocument): Promise<void> {
  for (const id of blocks) {
    const { faults } = await checkBlock(join(folder, id));
    if (faults.length > 0)
      throw new UsageError(`block ${id} in the export is damaged: ${faults[0]!.file} ${faults[0]!.message}`);
    const { run_id } = (await readJson(join(folder, id, 'meta.json'))).thanos.labels;
    if (run_id !== run.run_id)
      throw new UsageError(`block ${id} in the export is of run ${JSON.stringify(run_id)}, not of ${run.run_id}`);
  }
}

function refuseAnother(stored: RunDocument, run: RunDocument): void {
  const plain = (one: RunDocument) => JSON.parse(JSON.stringify(withoutArchive(one)));
  if (stored.status === 'running') throw new UsageError(`run ${run.run_id} is going on here`);
  if (stored.archive?.pending)
    throw new UsageError(`the metrics of run ${run.run_id} wait on this host`, {
      hint: 'npm run archive -- push ships them.',
    });
  if (!isDeepStrictEqual(plain(stored), plain(run)))
    throw new UsageError(`the store has a run ${run.run_id} already, and it is not the same`, {
      hint: 'Nothing was imported. A data folder of its own takes it: MAYFLY_DATA=FOLDER.',
    });
}

/** Copies the blocks that the bucket does not have whole; a damaged one is replaced. Returns those. */
async function bringBlocks(folder: string, { blocks: ids }: Manifest, bucket: Bucket, ctx: Context): Promise<string[]> {
  const { blocks, partial } = await listBlocks(bucket, ctx);
  const there = blocks.filter(({ ulid }) => ids.includes(ulid));
  const step = ctx.progress.step('check what is there');
  const reports = await checkBlocks(there, bucket, { quick: false }, step, ctx).finally(() => step.done());
  const damaged = reports.filter(({ faults }) => faults.length > 0).map(({ ulid }) => ulid);
  // A copy leaves files alone that are there, so what is damaged or marked has to go first.
  const replaced = [...new Set([...damaged, ...there.filter(({ marked }) => marked).map(({ ulid }) => ulid)])];
  if (replaced.length > 0) await removeNow(bucket, replaced, 'replaced by an import', ctx);
  if (bucket.folder !== null)
    for (const id of partial) if (ids.includes(id)) await rm(join(bucket.folder, id), { recursive: true, force: true });
  const wanted = ids.filter((id) => replaced.includes(id) || !there.some(({ ulid }) => ulid === id));
  if (wanted.length === 0) return [];
  await copyFromFolder(blocksFolder(folder), wanted, bucket, ctx);
  const now = new Set((await listBlocks(bucket, ctx)).blocks.map(({ ulid }) => ulid));
  const lost = wanted.filter((id) => !now.has(id));
  if (lost.length > 0)
    throw new InfrastructureError(`${lost.join(', ')} did not arrive in ${bucket.name}`, {
      hint: 'Run the import again.',
    });
  return wanted;
}
