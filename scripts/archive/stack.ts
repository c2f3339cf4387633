/** The archive stack: Store, Query, compactor, retention and, where its image is there, Grafana, over one bucket. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Context } from '../context.ts';
import { UsageError } from '../errors.ts';
import { inStep } from '../step.ts';
import { archiveUrl, PORTS, type Archive } from './archives.ts';
import { BUCKET_CONFIG, openBucket, type Bucket } from './bucket.ts';
import { endLasting, startLasting, type Lasting } from './lasting.ts';

/** Store reads the index of every block before it is ready: a minute for ten thousand, cold. */
const TIMEOUT_S = 600;

/** Where each part says that it is ready. */
export const readyUrls = (archive: Archive, grafana: boolean): Record<string, string> => ({
  store: `${archiveUrl(archive, 'store')}/-/ready`,
  query: `${archiveUrl(archive, 'query')}/-/ready`,
  compactor: `${archiveUrl(archive, 'compactor')}/-/ready`,
  retention: `${archiveUrl(archive, 'retention')}/-/ready`,
  ...(grafana ? { grafana: `${archiveUrl(archive, 'grafana')}/api/health` } : {}),
});

/** Starts the archive, or brings one that is up to its present settings. Throws InfrastructureError with the log of the part that failed. */
export async function bringUp(archive: Archive, ctx: Context): Promise<void> {
  const bucket = await openBucket(archive.objstore, ctx.paths);
  const lasting = await archiveStack(archive, bucket, Boolean(ctx.machine.images.grafana), ctx);
  await inStep(ctx.progress, `start the archive ${archive.name} over ${bucket.name}`, (step) => startLasting(lasting, TIMEOUT_S, step, ctx));
}

/** Stops and removes the archive's containers. The bucket and what the archive keeps beside it stay. */
export const takeDown = (archive: Archive, ctx: Context) => endLasting(archive.project, ctx);

/** What is started, as a value. */
export async function archiveStack(archive: Archive, bucket: Bucket, grafana: boolean, ctx: Context): Promise<Lasting> {
  const files = [join(ctx.paths.root, 'compose', 'archive.yaml'), ...archive.overlays];
  const ports = Object.entries(PORTS).map(([name, offset]) => [`MAYFLY_PORT_${name.toUpperCase()}`, String(archive.port_base + offset)]);
  const more = Array.from({ length: 10 }, (_, index) => [`MAYFLY_PORT_${10 + index}`, String(archive.port_base + 10 + index)]);
  const keys = Object.fromEntries(bucket.keys.map((key) => [key, ctx.env[key] ?? '']));
  return {
    project: archive.project,
    title: `the archive ${archive.name}`,
    dir: archive.dir,
    files,
    profiles: grafana ? ['grafana'] : [],
    variables: { MAYFLY_ROOT: ctx.paths.root, MAYFLY_ARCHIVE_DIR: archive.dir, MAYFLY_RETENTION_RAW: archive.retention_raw, MAYFLY_RETENTION_TREND: archive.retention_trend, ...keys, ...Object.fromEntries([...ports, ...more]) },
    services: withBucket(await readServices(files), bucket, grafana),
    ready: readyUrls(archive, grafana),
  };
}

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
function withBucket(services: Map<string, any[]>, bucket: Bucket, grafana: boolean): Record<string, Record<string, unknown>> {
  const wanted = [...services].filter(([name]) => grafana || name !== 'grafana');
  return Object.fromEntries(wanted.map(([name, parts]) => {
    const reads = parts.some((part) => JSON.stringify(part?.command ?? []).includes(BUCKET_CONFIG));
    return [name, reads ? { volumes: bucket.binds, environment: Object.fromEntries(bucket.keys.map((key) => [key, null])) } : {}];
  }));
}
