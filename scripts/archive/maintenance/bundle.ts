/**
 * One run as one file: its record, the raw material of its rounds and its blocks, in a tar with a list of checksums.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { create, extract, list } from 'tar';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import { isBlockFile } from '../block-check.ts';
import { isBlockName } from '../blocks.ts';

/** schema mayfly.export/v1: the list in an export, by which every other file is checked. */
export interface Manifest {
  schema: 'mayfly.export/v1';
  run_id: string;
  blocks: string[];
  files: Record<string, { bytes: number; sha256: string }>;
}

export const RUN_FILE = 'run.json';
export const DETAILS_FILE = 'details.json';
const MANIFEST_FILE = 'mayfly-export.json';
const SCHEMA = 'mayfly.export/v1';

/** Where a block's files lie in an export. */
export const blocksFolder = (folder: string) => join(folder, 'blocks');

/** Whether a file of that name belongs into an export. Nothing else is written to a disk. */
export function isBundlePath(path: string): boolean {
  if ([MANIFEST_FILE, RUN_FILE, DETAILS_FILE].includes(path)) return true;
  const [, block, file] = /^blocks\/([^/]+)\/(.+)$/.exec(path) ?? [];
  return block !== undefined && isBlockName(block) && isBlockFile(file!);
}

/**
 * Writes the list of checksums beside the files of `folder`, and all of it as a tar to `file`, which must not be there.
 */
export async function writeBundle(folder: string, runId: string, file: string): Promise<Manifest> {
  const paths = (await filesIn(folder)).filter(isBundlePath);
  const files: Manifest['files'] = {};
  for (const path of paths) files[path] = await checksum(join(folder, path));
  const blocks = [...new Set(paths.flatMap((path) => /^blocks\/([^/]+)\//.exec(path)?.[1] ?? []))];
  const manifest: Manifest = { schema: SCHEMA, run_id: runId, blocks, files };
  await writeFile(join(folder, MANIFEST_FILE), JSON.stringify(manifest, null, 2));
  await create({ file, cwd: folder, portable: true, strict: true, mtime: new Date(0) }, [MANIFEST_FILE, ...paths]);
  return manifest;
}

/**
 * Unpacks an export into `folder` (empty) and checks every file by its checksum. Throws UsageError for a file that is
 * damaged, no export, or holds what an export does not.
 */
export async function readBundle(file: string, folder: string): Promise<Manifest> {
  const size = await stat(file).catch(() => null);
  if (!size?.isFile())
    throw new UsageError(`${file}: there is no such file`, {
      hint: 'npm run archive -- export RUN --out=FILE writes one.',
    });
  const refuse = (what: string): UsageError =>
    new UsageError(`${file} is no whole export of a run: ${what}`, {
      hint: 'Nothing was imported. Export the run again, or copy the file again.',
    });
  const seen = new Set<string>();
  let wrong: string | null = null;
  const look = (path: string, type: string) => {
    if (type !== 'File') wrong ??= `it holds a ${type} (${JSON.stringify(path)})`;
    else if (!isBundlePath(path)) wrong ??= `it holds ${JSON.stringify(path)}`;
    else if (seen.has(path)) wrong ??= `it holds ${path} twice`;
    seen.add(path);
  };
  // Looked through whole before anything is written.
  await list({ file, strict: true, onReadEntry: (entry) => look(entry.path, entry.type) }).catch(
    (error: Error) => (wrong ??= error.message),
  );
  if (wrong) throw refuse(wrong);
  if (!seen.has(MANIFEST_FILE)) throw refuse(`${MANIFEST_FILE} is missing`);
  await extract({ file, cwd: folder, strict: true, preserveOwner: false, filter: (path) => isBundlePath(path) }).catch(
    (error: Error) => {
      throw (error as NodeJS.ErrnoException).code?.startsWith('TAR_') ? refuse(error.message) : error;
    },
  );
  const manifest = await readManifest(folder, refuse);
  for (const path of seen)
    if (path !== MANIFEST_FILE && !Object.hasOwn(manifest.files, path)) throw refuse(`${path} is not in its list`);
  for (const [path, said] of Object.entries(manifest.files)) {
    const found = seen.has(path) ? await checksum(join(folder, path)) : null;
    if (!found) throw refuse(`${path} is missing`);
    if (found.sha256 !== said?.sha256) throw refuse(`${path} has another checksum than its list says`);
  }
  return manifest;
}

async function readManifest(folder: string, refuse: (what: string) => UsageError): Promise<Manifest> {
  let manifest: any;
  try {
    manifest = JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8'));
  } catch (error) {
    throw refuse(`${MANIFEST_FILE}: ${(error as Error).message}`);
  }
  if (
    typeof manifest?.schema === 'string' &&
    manifest.schema !== SCHEMA &&
    manifest.schema.startsWith('mayfly.export/')
  ) {
    throw new UsageError(`the export was written by a newer Mayfly (${manifest.schema}; this one knows ${SCHEMA})`, {
      hint: 'Update this checkout (git pull).',
    });
  }
  if (
    manifest?.schema !== SCHEMA ||
    !isBlockName(String(manifest.run_id)) ||
    typeof manifest.files !== 'object' ||
    manifest.files === null ||
    !Array.isArray(manifest.blocks) ||
    !manifest.blocks.every((id: unknown) => typeof id === 'string' && isBlockName(id))
  )
    throw refuse(`${MANIFEST_FILE} is not of schema ${SCHEMA}`);
  return manifest;
}

/**
 * Checks an export that was just written by reading it back. Throws InfrastructureError where the disk has kept
 * something else.
 */
export async function proveBundle(file: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await readBundle(file, folder).catch((error: Error) => {
    throw new InfrastructureError(`the export cannot be read back: ${error.message}`, {
      hint: `Look at the disk of ${dirname(file)}.`,
      cause: error,
    });
  });
}

async function checksum(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}

/** Files below a folder, by path in it, sorted. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
