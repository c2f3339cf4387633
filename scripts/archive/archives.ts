/** The archives of a data folder: what each is called, where it listens, and which bucket it shows. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { exists } from '../core/files.ts';
import type { Paths } from '../core/paths.ts';
import { writeWhole } from '../stack/run-folder.ts';
import { type Bucket, openBucket } from './bucket.ts';

/** What archive.json holds: how the archive was last brought up. */
export interface ArchiveSettings {
  name: string;
  /** First of PORTS ports on 127.0.0.1. */
  port_base: number;
  /** Absolute path of a Thanos object-store configuration; absent: the folder bucket. */
  objstore?: string;
  /** How long raw and trend blocks are kept, in Thanos' form (90d); 0d: for ever. */
  retention_raw: string;
  retention_trend: string;
  /** Absolute paths of Compose files laid over compose/archive.yaml. */
  overlays: string[];
  /** Names of the environment variables that the keys of the object store came from. */
  keys: string[];
  /** Neither compacts nor removes anything: another archive keeps the bucket, and two must not. */
  read_only: boolean;
}

export interface Archive extends ArchiveSettings {
  /** Absolute path of what it keeps beside the bucket. */
  dir: string;
  /** Compose project: no other archive of this host has it. */
  project: string;
}

export const DEFAULT_ARCHIVE = 'default';
/** Ports of one archive, counted from its base. */
export const PORTS = {
  grafana: 0,
  query: 1,
  query_grpc: 2,
  store: 3,
  store_grpc: 4,
  compactor: 5,
  retention: 6,
} as const;
/** Overlays may use those from 10 on. */
const PORT_COUNT = 20;
const FIRST_BASE = 9600;
const LAST_PORT = 65_535;

export const archiveUrl = (archive: Archive, part: keyof typeof PORTS) =>
  `http://127.0.0.1:${archive.port_base + PORTS[part]}`;

/** The archive of that name, or undefined where it was never brought up. UsageError for a name that is none. */
export async function findArchive(name: string, paths: Paths): Promise<Archive | undefined> {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name))
    throw new UsageError(`--archive must be lower-case letters, digits and -, 31 at most, got ${JSON.stringify(name)}`);
  const dir = join(paths.data, 'archives', name);
  const text = await readFile(join(dir, 'archive.json'), 'utf8').catch(() => null);
  if (text === null) return undefined;
  let settings: ArchiveSettings;
  try {
    settings = JSON.parse(text);
    if (!Number.isInteger(settings?.port_base)) throw new Error('port_base is missing');
  } catch (error) {
    throw new UsageError(`${join(dir, 'archive.json')} cannot be read: ${(error as Error).message}`, {
      hint: 'Remove it: archive:up writes it anew. The bucket is not touched by that.',
    });
  }
  return { ...settings, dir, project: projectOf(dir, name) };
}

/** The same, where it must be there: UsageError where it is not. */
export async function needArchive(name: string, paths: Paths): Promise<Archive> {
  const archive = await findArchive(name, paths);
  if (!archive)
    throw new UsageError(`there is no archive ${JSON.stringify(name)}`, {
      hint: `npm run archive:up${name === DEFAULT_ARCHIVE ? '' : ` -- --archive=${name}`} makes it; --archive=NAME names another.`,
    });
  return archive;
}

/** Every archive of the data folder that was ever brought up. */
export async function allArchives(paths: Paths): Promise<Archive[]> {
  const names = await readdir(join(paths.data, 'archives')).catch(() => [] as string[]);
  return (await Promise.all(names.sort().map((name) => findArchive(name, paths).catch(() => undefined)))).filter(
    (one) => one !== undefined,
  );
}

/**
 * The archives that show this bucket. One whose configuration cannot be read is not among them: its own commands say
 * so.
 */
export async function archivesOver(bucket: Bucket, paths: Paths): Promise<Archive[]> {
  const archives = await allArchives(paths);
  const names = await Promise.all(
    archives.map(({ objstore }) =>
      openBucket(objstore, paths).then(
        ({ name }) => name,
        () => null,
      ),
    ),
  );
  return archives.filter((_, index) => names[index] === bucket.name);
}

/** The bucket that a command means: of --objstore, else of the archive, else the data folder's own. */
export async function archiveBucket(
  given: { archive?: string | undefined; objstore?: string | undefined },
  paths: Paths,
): Promise<Bucket> {
  if (given.objstore !== undefined && given.archive !== undefined)
    throw new UsageError('--archive and --objstore each name a bucket', { hint: 'Give one of them.' });
  if (given.objstore !== undefined) return openBucket(given.objstore, paths);
  const archive =
    given.archive === undefined ? await findArchive(DEFAULT_ARCHIVE, paths) : await needArchive(given.archive, paths);
  return openBucket(archive?.objstore, paths);
}

/**
 * The archive as it will be: what is given laid over what it was; writes nothing. UsageError where the ports are taken.
 */
export async function planArchive(
  name: string,
  given: Partial<ArchiveSettings>,
  isUp: boolean,
  paths: Paths,
): Promise<Archive> {
  const before = await findArchive(name, paths);
  const dir = join(paths.data, 'archives', name);
  const port_base = given.port_base ?? before?.port_base ?? (await freeBase(await allArchives(paths)));
  const moves = !isUp || before?.port_base !== port_base;
  if (moves) await portsFree(port_base);
  const settings: ArchiveSettings = {
    name,
    port_base,
    objstore: (given.objstore ?? before?.objstore) || undefined,
    retention_raw: given.retention_raw ?? before?.retention_raw ?? '0d',
    retention_trend: given.retention_trend ?? before?.retention_trend ?? '0d',
    overlays: given.overlays ?? before?.overlays ?? [],
    keys: [],
    read_only: given.read_only ?? before?.read_only ?? false,
  };
  return { ...settings, dir, project: projectOf(dir, name) };
}

/** Keeps an archive's settings; makes its folders and, once, Grafana's password. */
export async function saveArchive({ dir, project: _, ...settings }: Archive): Promise<void> {
  for (const folder of ['store', 'compactor', 'retention', 'grafana', 'live'])
    await mkdir(join(dir, folder), { recursive: true });
  await addPassword(dir);
  await writeWhole(join(dir, 'archive.json'), `${JSON.stringify(settings, null, 2)}\n`);
}

/** Two data folders may each have an archive of one name. */
const projectOf = (dir: string, name: string) =>
  `mayfly-archive-${name}-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}`;

export const PASSWORD_FILE = 'grafana-admin-password';

/** Brings an archive's settings back to what they were before a start that failed. */
export async function restoreArchive({ dir }: Archive, before: Archive | undefined): Promise<void> {
  if (before) await saveArchive(before);
  else await rm(join(dir, 'archive.json'), { force: true });
}

/** Grafana reads it once, when it makes its database. */
async function addPassword(dir: string): Promise<void> {
  const file = join(dir, PASSWORD_FILE);
  if (await exists(file)) return;
  await writeFile(file, randomBytes(18).toString('base64url'), { mode: 0o600, flag: 'wx' });
}

async function freeBase(taken: Archive[]): Promise<number> {
  for (let base = FIRST_BASE; base + PORT_COUNT <= LAST_PORT; base += PORT_COUNT) {
    if (taken.some((archive) => Math.abs(archive.port_base - base) < PORT_COUNT)) continue;
    if ((await busyPorts(base)).length === 0) return base;
  }
  throw new UsageError(`there are no ${PORT_COUNT} free ports on 127.0.0.1 from ${FIRST_BASE} on`, {
    hint: 'Name others with --port-base=N.',
  });
}

async function portsFree(base: number): Promise<void> {
  const busy = await busyPorts(base);
  if (busy.length > 0)
    throw new UsageError(
      `the archive needs the ports ${base} to ${base + PORT_COUNT - 1} of 127.0.0.1, and ${busy.join(', ')} ${busy.length === 1 ? 'is' : 'are'} taken`,
      { hint: 'Choose others with --port-base=N.' },
    );
}

async function busyPorts(base: number): Promise<number[]> {
  const ports = Array.from({ length: PORT_COUNT }, (_, index) => base + index);
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, index) => !free[index]);
}

/** Whether nothing listens on a port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A free port of 127.0.0.1, chosen by the system. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** --port-base: a number with room for all ports behind it. */
export function parsePortBase(text: string): number {
  const base = Number(text);
  if (!Number.isInteger(base) || base < 1024 || base + PORT_COUNT - 1 > LAST_PORT)
    throw new UsageError(
      `--port-base must be a whole number from 1024 to ${LAST_PORT - PORT_COUNT + 1}, got ${JSON.stringify(text)}`,
    );
  return base;
}

/** --retain-raw, --retain-trend: a number of days, weeks or years in Thanos' form, or 0d for ever. */
export function parseRetention(flag: string, text: string): string {
  if (!/^\d+[dwy]$/.test(text))
    throw new UsageError(`--${flag} must be a time such as 90d, 12w or 2y (0d: for ever), got ${JSON.stringify(text)}`);
  return text;
}

const DAYS = { d: 1, w: 7, y: 365 };

/** A retention in milliseconds; infinite for 0d. */
export function retentionMs(text: string): number {
  const [, count, unit] = /^(\d+)([dwy])$/.exec(text) ?? [];
  return Number(count) > 0 ? Number(count) * DAYS[unit as keyof typeof DAYS] * 86_400_000 : Infinity;
}
