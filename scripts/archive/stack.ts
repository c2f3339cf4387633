/** The archive stack: Store, Query, compactor, retention and, where its image is there, Grafana, over one bucket. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Context } from '../context.ts';
import { UsageError } from '../errors.ts';
import { LABEL } from '../plan/names.ts';
import { removeAll } from '../stack/remove.ts';
import { inStep } from '../step.ts';
import { allArchives, archiveUrl, PORTS, saveArchive, type Archive } from './archives.ts';
import { BUCKET_CONFIG, openBucket, type Bucket } from './bucket.ts';
import { showLiveRuns } from './live.ts';
import { endLasting, partsOf, startLasting, type Lasting } from './lasting.ts';

/** Store reads the index of every block before it is ready: a minute for ten thousand, cold. */
const TIMEOUT_S = 600;
/** Compose profile of the parts that write to the bucket. */
const KEEPER = ['keeper'];
const WRITERS = ['compactor', 'retention'];

/** Where each part says that it is ready. */
export const readyUrls = (archive: Archive, grafana: boolean): Record<string, string> => ({
  store: `${archiveUrl(archive, 'store')}/-/ready`,
  query: `${archiveUrl(archive, 'query')}/-/ready`,
  ...(archive.read_only ? {} : { compactor: `${archiveUrl(archive, 'compactor')}/-/ready`, retention: `${archiveUrl(archive, 'retention')}/-/ready` }),
  ...(grafana ? { grafana: `${archiveUrl(archive, 'grafana')}/api/health` } : {}),
});

/**
 * Keeps the archive's settings and starts it; `before`: as it is up now, where it is. UsageError, with nothing changed,
 * where the settings cannot be; InfrastructureError with the log of the part that failed.
 */
export async function bringUp(archive: Archive, before: Archive | undefined, ctx: Context): Promise<void> {
  const bucket = await openBucket(archive.objstore, ctx.paths);
  const lasting = await archiveStack(archive, bucket, Boolean(ctx.machine.images.grafana), ctx);
  await oneKeeper(archive, bucket, ctx);
  await saveArchive(archive);
  await showLiveRuns(ctx);
  if (before && before.port_base !== archive.port_base) await takeDown(before, ctx);
  if (archive.read_only) await Promise.all(WRITERS.map((name) => removeAll(ctx.engine, [`${LABEL.lasting}=${archive.project}`, `${LABEL.service}=${name}`], 10)));
  await inStep(ctx.progress, `start the archive ${archive.name} over ${bucket.name}`, (step) => startLasting(lasting, TIMEOUT_S, step, ctx));
}

/** Stops and removes the archive's containers. The bucket and what the archive keeps beside it stay. */
export const takeDown = (archive: Archive, ctx: Context) => endLasting(archive.project, ctx);

/** Two compactors over one stream of blocks would damage it (thanos.io/tip/components/compact.md). */
async function oneKeeper(archive: Archive, bucket: Bucket, ctx: Context): Promise<void> {
  if (archive.read_only) return;
  const gateway = join(ctx.paths.data, 's3.yaml'); // the folder bucket, over S3
  const idOf = async ({ objstore }: Archive) => (objstore === gateway ? ctx.paths.bucket : (await openBucket(objstore, ctx.paths)).id);
  for (const other of (await allArchives(ctx.paths)).filter(({ name, read_only }) => name !== archive.name && !read_only)) {
    if ((await idOf(other)) !== (await idOf(archive)) || (await partsOf(other.project, ctx)).size === 0) continue;
    throw new UsageError(`the archive ${other.name} keeps ${bucket.name} already: it compacts and removes, and two must not`, { hint: `Add --read-only, or stop the other: npm run archive:down -- --archive=${other.name}` });
  }
}

/** What is started, as a value. */
export async function archiveStack(archive: Archive, bucket: Bucket, grafana: boolean, ctx: Context): Promise<Lasting> {
  const files = [archiveYaml(ctx), ...archive.overlays];
  const ports = Object.entries(PORTS).map(([name, offset]) => [`MAYFLY_PORT_${name.toUpperCase()}`, String(archive.port_base + offset)]);
  const more = Array.from({ length: 10 }, (_, index) => [`MAYFLY_PORT_${10 + index}`, String(archive.port_base + 10 + index)]);
  const keys = Object.fromEntries(bucket.keys.map((key) => [key, ctx.env[key] ?? '']));
  return {
    project: archive.project,
    title: `the archive ${archive.name}`,
    dir: archive.dir,
    files,
    profiles: [...(grafana ? ['grafana'] : []), ...(archive.read_only ? [] : KEEPER)],
    variables: { MAYFLY_ROOT: ctx.paths.root, MAYFLY_ARCHIVE_DIR: archive.dir, MAYFLY_RETENTION_RAW: archive.retention_raw, MAYFLY_RETENTION_TREND: archive.retention_trend, ...keys, ...Object.fromEntries([...ports, ...more]) },
    services: withBucket(await readServices(files), bucket, (name) => (name === 'grafana' ? grafana : !(archive.read_only && WRITERS.includes(name)))),
    ready: readyUrls(archive, grafana),
  };
}

const archiveYaml = (ctx: Context) => join(ctx.paths.root, 'compose', 'archive.yaml');

/** Services of the Compose files by name; what a later file says of one comes after what an earlier one says. */
async function readServices(files: string[]): Promise<Map<string, any[]>> {
  const services = new Map<string, any[]>();
  for (const file of files) {
    const document = await readFile(file, 'utf8').then((text) => parse(text, { merge: true }), (error) => {
      throw new UsageError(`${file} cannot be read: ${(error as Error).message.split('\n')[0]}`, { hint: '--overlay takes Compose files; those of compose/fleet are described in docs/archive.md.' });
    });
    for (const [name, service] of Object.entries(document?.services ?? {})) services.set(name, [...(services.get(name) ?? []), service]);
  }
  return services;
}

/** Every part that reads the object store gets its configuration, its folder and its keys, as far as they come from outside the files. */
function withBucket(services: Map<string, any[]>, bucket: Bucket, isWanted: (name: string) => boolean): Record<string, Record<string, unknown>> {
  return Object.fromEntries([...services].filter(([name]) => isWanted(name)).map(([name, parts]) => {
    const reads = parts.some((part) => JSON.stringify(part?.command ?? []).includes(BUCKET_CONFIG));
    return [name, reads ? { volumes: bucket.binds, environment: Object.fromEntries(bucket.keys.map((key) => [key, null])) } : {}];
  }));
}
