/** The archive stack: Store, Query, compactor, retention and, where its image is there, Grafana, over one bucket. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Context } from '../app/context.ts';
import { UsageError } from '../core/errors.ts';
import { inStep } from '../core/step.ts';
import { LABEL } from '../engine/names.ts';
import { fill } from '../stack/run-stack.ts';
import { type Archive, archiveUrl, PORTS, restoreArchive, saveArchive } from './archives.ts';
import { REMOVAL_DELAY_S } from './blocks.ts';
import { BUCKET_CONFIG, type Bucket, keyValues, openBucket } from './bucket.ts';
import { showLiveRuns } from './live.ts';
import { endLongRunning, type LongRunning, startLongRunning } from './long-running.ts';
import { storesOutOfReach } from './sources.ts';

/** Store reads the index of every block before it is ready: a minute for ten thousand, cold. */
const TIMEOUT_S = 600;
/** Compose profile of the parts that write to the bucket. */
const KEEPER = ['keeper'];
const WRITERS = ['compactor', 'retention'];
/** Label of a container that writes to a bucket: the bucket's name. */
const KEEPS = 'dev.mayfly.keeps';

/**
 * Keeps the archive's settings and starts it; `before`: as it was last brought up; after a failure the settings are
 * those again. UsageError, with nothing changed, where the settings cannot be; InfrastructureError with the log of the
 * part that failed.
 */
export async function bringUp(
  archive: Archive,
  before: Archive | undefined,
  isUp: boolean,
  ctx: Context,
): Promise<void> {
  const bucket = await openBucket(archive.objstore, ctx.paths);
  const missing = (before?.objstore === archive.objstore ? (before?.keys ?? []) : []).filter(
    (key) => !bucket.keys.includes(key),
  );
  if (missing.length > 0)
    throw new UsageError(
      `the archive ${archive.name} was brought up with keys from the environment, and ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not set`,
      { hint: 'Set what it was started with; nothing was changed.' },
    );
  const longRunning = await archiveStack(archive, bucket, Boolean(ctx.machine.images.grafana), ctx);
  await oneKeeper(archive, bucket, ctx);
  await saveArchive({ ...archive, keys: bucket.keys });
  await showLiveRuns(ctx);
  if (isUp && before && before.port_base !== archive.port_base) await takeDown(before, ctx);
  await inStep(ctx.progress, `start the archive ${archive.name} over ${bucket.name}`, (step) =>
    startLongRunning(longRunning, TIMEOUT_S, step, ctx),
  ).catch(async (error) => {
    await restoreArchive(archive, before);
    throw error;
  });
}

/** Stops and removes the archive's containers. The bucket and what the archive keeps beside it stay. */
export const takeDown = (archive: Archive, ctx: Context) => endLongRunning(archive.project, ctx);

/** Two compactors over one stream of blocks would damage it (thanos.io/tip/components/compact.md). */
async function oneKeeper(archive: Archive, bucket: Bucket, ctx: Context): Promise<void> {
  if (archive.read_only) return;
  const writers = await ctx.engine.containers(`${KEEPS}=${bucket.name}`);
  const other = writers.find(({ labels }) => labels[LABEL.longRunning] !== archive.project);
  if (other)
    throw new UsageError(
      `the archive ${other.labels[LABEL.longRunning]!.replace(/^mayfly-archive-|-[0-9a-f]+$/g, '')} keeps ${bucket.name} already: it compacts and removes, and two must not`,
      {
        hint: 'Add --read-only, or stop the other: npm run archive:down -- --archive=NAME, with its own MAYFLY_DATA if it has another.',
      },
    );
}

/** What is started, as a value. */
export async function archiveStack(
  archive: Archive,
  bucket: Bucket,
  grafana: boolean,
  ctx: Context,
): Promise<LongRunning> {
  const files = [join(ctx.paths.root, 'compose', 'archive.yaml'), ...archive.overlays];
  const isWanted = (name: string) => (name === 'grafana' ? grafana : !(archive.read_only && WRITERS.includes(name)));
  const services = (await readServices(files)).filter(({ name }) => isWanted(name));
  const variables = variablesOf(archive, bucket, ctx);
  return {
    project: archive.project,
    title: `the archive ${archive.name}`,
    dir: archive.dir,
    files,
    profiles: [...(grafana ? ['grafana'] : []), ...(archive.read_only ? [] : KEEPER)],
    variables: { ...variables, ...keyValues(bucket.keys, ctx.env) },
    services: Object.fromEntries(
      services.map(({ name, parts }) => [
        name,
        { ...withBucket(parts, bucket), ...(WRITERS.includes(name) ? { labels: { [KEEPS]: bucket.name } } : {}) },
      ]),
    ),
    ready: fill(
      Object.fromEntries(services.flatMap(({ name, parts }) => readyUrl(parts).map((url) => [name, url]))),
      variables,
    ),
    // Query is ready before it has tried its Stores, and after one that failed it waits for seconds.
    missing: async () => {
      const away = await storesOutOfReach(
        archiveUrl(archive, 'query'),
        services.filter(({ name }) => name.startsWith('store')).length,
      );
      return away === 0 ? null : `Query to reach ${away === 1 ? 'its Store' : `${away} Stores`}`;
    },
  };
}

/** Values of the variables in compose/archive.yaml and its overlays. */
function variablesOf(archive: Archive, bucket: Bucket, ctx: Context): Record<string, string> {
  const ports = Object.entries(PORTS).map(([name, offset]) => [name.toUpperCase(), offset] as const);
  const more = Array.from({ length: 10 }, (_, index) => [String(10 + index), 10 + index] as const);
  return {
    MAYFLY_ROOT: ctx.paths.root,
    MAYFLY_ARCHIVE_DIR: archive.dir,
    // A folder is asked for each meta.json; a store whose every request costs is listed (thanos,
    // docs/components/store.md).
    MAYFLY_DISCOVERY: bucket.folder === null ? 'recursive' : 'concurrent',
    MAYFLY_RETENTION_RAW: archive.retention_raw,
    MAYFLY_RETENTION_TREND: archive.retention_trend,
    MAYFLY_REMOVAL_DELAY: `${REMOVAL_DELAY_S}s`,
    ...Object.fromEntries(
      [...ports, ...more].map(([name, offset]) => [`MAYFLY_PORT_${name}`, String(archive.port_base + offset)]),
    ),
  };
}

interface Service {
  name: string;
  /** What each file says of it, in the order of the files. */
  parts: any[];
}

async function readServices(files: string[]): Promise<Service[]> {
  const services = new Map<string, any[]>();
  for (const file of files) {
    const document = await readFile(file, 'utf8')
      .then((text) => parse(text, { merge: true }))
      .catch((error) => {
        throw new UsageError(`${file} cannot be read: ${(error as Error).message.split('\n')[0]}`, {
          hint: '--overlay takes Compose files; those of compose/fleet are described in docs/fleet.md.',
        });
      });
    for (const [name, service] of Object.entries(document?.services ?? {}))
      services.set(name, [...(services.get(name) ?? []), service]);
  }
  return [...services].map(([name, parts]) => ({ name, parts }));
}

/**
 * A part that reads the object store gets its configuration, its folder and its keys, as far as they come from outside
 * the files.
 */
function withBucket(parts: any[], bucket: Bucket): Record<string, unknown> {
  const reads = parts.some((part) => JSON.stringify(part?.command ?? []).includes(BUCKET_CONFIG));
  return reads ? { volumes: bucket.binds, environment: Object.fromEntries(bucket.keys.map((key) => [key, null])) } : {};
}

/** The URL that a service's health check asks. */
const readyUrl = (parts: any[]): string[] =>
  parts
    .flatMap((part) => part?.healthcheck?.test ?? [])
    .filter((word) => /^http:/.test(word))
    .slice(-1);
