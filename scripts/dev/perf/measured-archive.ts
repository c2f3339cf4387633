/**
 * Store and Query of perf:archive: the two services of compose/archive.yaml as they stand there, over a bucket of
 * made-up runs.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ulid } from 'ulid';
import type { Context } from '../../app/context.ts';
import { freePort } from '../../archive/archives.ts';
import type { Bucket } from '../../archive/bucket.ts';
import { probe } from '../../archive/long-running.ts';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import { composeConfig } from '../../engine/compose.ts';
import { dockerEnv } from '../../engine/docker-env.ts';
import { LABEL } from '../../engine/names.ts';
import { ownerLabels, thisUser } from '../../engine/owner.ts';
import { removeAll } from '../../engine/remove.ts';
import { describeUnwell, up } from '../../engine/up.ts';
import { ask } from './archive-queries.ts';

const POLL_MS = 20;
const READY_TIMEOUT_MS = 600_000;
const GRACE_S = 10;

type Part = 'store' | 'query';

/**
 * Changes of the settings that are tried: flags (`--name=value`; one of the same name is replaced) and environment
 * (`NAME=value`).
 */
export interface Changes {
  store: string[];
  query: string[];
  env: string[];
}

/** Resident memory of a process, in bytes: its own, and of files (index headers) that the kernel can take back. */
export interface Memory {
  anon: number;
  file: number;
}

export interface ArchiveUnderTest extends AsyncDisposable {
  queryUrl: string;
  /**
   * Restarts both, with Store's data folder or without it, and the page cache dropped where that may be. Seconds from
   * the start of Store until it is ready.
   */
  restart(how: { cold: boolean }): Promise<number>;
  memory(part: Part): Promise<Memory>;
  /** The log of Store and Query, where something is wrong. */
  unwell(): Promise<string>;
}

/** Starts Store and Query over the bucket; they are removed at the end, and by the sweep if this process is killed. */
export async function startArchive(
  bucket: Bucket,
  folder: string,
  changes: Changes,
  ctx: Context,
): Promise<ArchiveUnderTest> {
  const id = `${ulid()}-perf`;
  const label = `${LABEL.run}=${id}`;
  const project = `mayfly-${id.toLowerCase()}`;
  const ports = {
    store: await freePort(),
    store_grpc: await freePort(),
    query: await freePort(),
    query_grpc: await freePort(),
  };
  const urls: Record<Part, string> = {
    store: `http://127.0.0.1:${ports.store}`,
    query: `http://127.0.0.1:${ports.query}`,
  };
  await rm(folder, { recursive: true, force: true });
  for (const part of ['store', 'live']) await mkdir(join(folder, part), { recursive: true });
  const env = { ...dockerEnv(ctx.env), ...variables(folder, ports, ctx) };
  const resolved = await composeConfig({ name: project, file: join(ctx.paths.root, 'compose', 'archive.yaml') }, env);
  const file = join(folder, 'compose.json');
  const service = (part: Part, flags: string[]) => ({
    ...serviceOf(resolved, part, flags, changes.env, bucket),
    labels: { ...ownerLabels(id), [LABEL.service]: part },
  });
  await writeFile(
    file,
    JSON.stringify(
      { services: { store: service('store', changes.store), query: service('query', changes.query) } },
      null,
      2,
    ),
  );

  const remove = async () => {
    await removeAll(ctx.engine, [label], 0);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await up({ name: project, file }, label, ctx.signal, null, ctx);
    const containers = await ctx.engine.containers(label);
    const idOf = (part: Part) => containers.find((one) => one.labels[LABEL.service] === part)!.id;
    const unwell = () => describeUnwell(label, ctx);

    async function ready(part: Part, isReady: () => Promise<boolean>): Promise<number> {
      const started = performance.now();
      while (!(await isReady())) {
        const { running } = await ctx.engine.inspect(idOf(part));
        if (!running || performance.now() - started > READY_TIMEOUT_MS)
          throw new InfrastructureError(
            `${part} ${running ? 'is not ready' : 'ended'} after ${((performance.now() - started) / 1000).toFixed(0)} s\n${await unwell()}`,
          );
        await sleep(POLL_MS, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
      }
      return (performance.now() - started) / 1000;
    }

    return {
      queryUrl: urls.query,
      unwell,
      async restart({ cold }) {
        await Promise.all((['store', 'query'] as const).map((part) => ctx.engine.stop(idOf(part), GRACE_S)));
        if (cold) await rm(join(folder, 'store'), { recursive: true, force: true });
        await mkdir(join(folder, 'store'), { recursive: true });
        await dropPageCache();
        await ctx.engine.start(idOf('store'));
        const seconds = await ready(
          'store',
          async () => (await probe(`${urls.store}/-/ready`, ctx.signal))?.status === 200,
        );
        await ctx.engine.start(idOf('query'));
        await ready('query', () => seesStore(urls.query, ctx));
        return seconds;
      },
      async memory(part) {
        return memoryOf((await ctx.engine.inspect(idOf(part))).pid);
      },
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Query is ready for this once it has Store's labels: they say that it has blocks. */
async function seesStore(queryUrl: string, ctx: Context): Promise<boolean> {
  if ((await probe(`${queryUrl}/-/ready`, ctx.signal))?.status !== 200) return false;
  const { store } = await ask<{ store?: { labelSets?: unknown[]; lastError?: unknown }[] }>(
    queryUrl,
    'stores',
    {},
    ctx.signal,
  );
  return Boolean(store?.some((one) => !one.lastError && (one.labelSets?.length ?? 0) > 0));
}

/** Drops what the kernel has of files, so that what comes next reads the disk. False where only root may. */
export async function dropPageCache(): Promise<boolean> {
  return writeFile('/proc/sys/vm/drop_caches', '3').then(
    () => true,
    () => false,
  );
}

function variables(folder: string, ports: Record<string, number>, ctx: Context): Record<string, string> {
  const others = Object.fromEntries(['GRAFANA', 'COMPACTOR', 'RETENTION'].map((name) => [`MAYFLY_PORT_${name}`, '0']));
  const ours = Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [`MAYFLY_PORT_${name.toUpperCase()}`, String(port)]),
  );
  return {
    MAYFLY_USER: thisUser(),
    MAYFLY_ROOT: ctx.paths.root,
    MAYFLY_ARCHIVE_DIR: folder,
    MAYFLY_DISCOVERY: 'concurrent',
    MAYFLY_RETENTION_RAW: '0d',
    MAYFLY_RETENTION_TREND: '0d',
    MAYFLY_REMOVAL_DELAY: '0s',
    ...others,
    ...ours,
  };
}

/** A service as compose/archive.yaml has it, with the bucket and the changes; it is not started again by itself. */
function serviceOf(
  resolved: Record<string, any>,
  part: Part,
  flags: string[],
  env: string[],
  bucket: Bucket,
): Record<string, unknown> {
  const service = resolved.services?.[part];
  if (!service) throw new InfrastructureError(`compose/archive.yaml has no service ${part}`);
  const volumes =
    part === 'store'
      ? bucket.binds
          .map((bind) => bind.split(':'))
          .map(([source, target, mode]) => ({ type: 'bind', source, target, read_only: mode === 'ro' }))
      : [];
  return {
    ...service,
    restart: 'no',
    command: changedFlags(service.command, flags),
    environment: { ...service.environment, ...Object.fromEntries(env.map(variable)) },
    volumes: [...(service.volumes ?? []), ...volumes],
  };
}

/** Flags laid over a command line: one of the same name is replaced, others are added. */
export function changedFlags(command: string[], flags: string[]): string[] {
  const name = (flag: string) => flag.split('=')[0]!.replace(/^--(no-)?/, '');
  const changed = new Set(flags.map(name));
  return [...command.filter((one) => !one.startsWith('--') || !changed.has(name(one))), ...flags];
}

function variable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--env must be NAME=VALUE, got ${JSON.stringify(text)}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Memory of the program under the engine's init, as the kernel shows it; NaN where its process is not on this host. */
async function memoryOf(init: number): Promise<Memory> {
  const children = await readFile(`/proc/${init}/task/${init}/children`, 'utf8').catch(() => '');
  const status = await readFile(`/proc/${children.trim().split(' ')[0] || init}/status`, 'utf8').catch(() => '');
  const kilobytes = (name: string) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))?.[1] ?? NaN);
  return { anon: kilobytes('RssAnon') * 1024, file: (kilobytes('RssFile') + kilobytes('RssShmem')) * 1024 };
}
