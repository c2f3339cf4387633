/**
 * A run that goes on, shown in the archives of its bucket: the Thanos sidecar beside its Prometheus, and where Query
 * finds it.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { inStep } from '../core/step.ts';
import type { ContainerSpec } from '../engine/engine.ts';
import { LABEL } from '../engine/names.ts';
import { thisUser } from '../engine/owner.ts';
import type { Plan } from '../plan/plan.ts';
import { findCounters } from '../stack/counters.ts';
import { writeWhole } from '../stack/run-folder.ts';
import type { Stack } from '../stack/run-stack.ts';
import { type Archive, allArchives, archivesOver, archiveUrl, freePort } from './archives.ts';
import { BUCKET_CONFIG, type Bucket, keyValues, openBucket } from './bucket.ts';
import { probe } from './long-running.ts';

/** Where a sidecar answers, and the bucket of its run: labels of its container. */
const ADDRESS_LABEL = 'dev.mayfly.sidecar';
const BUCKET_LABEL = 'dev.mayfly.bucket';
/** Store looks for new blocks every 30 s, and Query asks Store what it has every 5 s. */
const HAND_OVER_MS = 60_000;

export interface Live extends AsyncDisposable {
  /**
   * Waits until the Store of every archive that is up has the run and Query asks the sidecar no more: then it may go,
   * and nobody sees a gap.
   */
  handOver(): Promise<void>;
}

/**
 * Starts the sidecar and shows it to the archives. Its container goes with the run's stack; disposing takes it out of
 * the archives.
 */
export async function startLive(stack: Stack, bucket: Bucket, ctx: Context): Promise<Live> {
  const { plan } = stack.built;
  const ready = await stack.ready;
  const id = await ctx.engine.create(sidecarSpec(plan, ready.prometheus.url, await freePort(), bucket, ctx));
  await ctx.engine.start(id);
  const counted = await findCounters(id, (await ctx.engine.inspect(id)).pid);
  if (counted) ready.counters.push(counted);
  await showLiveRuns(ctx);
  return {
    handOver: () => handOver(plan.runId, bucket, ctx),
    [Symbol.asyncDispose]: () => showLiveRuns(ctx, plan.runId),
  };
}

/**
 * The sidecar's container. In the host's network: there it reaches the run's Prometheus on its published port, an
 * object store on the host's loopback, and is reached by Query.
 */
function sidecarSpec(plan: Plan, prometheusUrl: string, port: number, bucket: Bucket, ctx: Context): ContainerSpec {
  const address = `127.0.0.1:${port}`;
  return {
    name: `${plan.project}-sidecar`,
    image: ctx.machine.images.thanos!.ref,
    cmd: [
      'sidecar',
      `--prometheus.url=${prometheusUrl}`,
      '--tsdb.path=/prometheus',
      `--objstore.config-file=${BUCKET_CONFIG}`,
      `--grpc-address=${address}`,
      '--http-address=127.0.0.1:0',
      '--shipper.upload-compacted',
      // It asks for Prometheus' first sample so often: there is none yet when it starts, and until it knows of one
      // Query does not ask it.
      '--prometheus.get_config_interval=5s',
      '--log.level=warn',
    ],
    env: keyValues(bucket.keys, ctx.env),
    user: thisUser(),
    labels: { ...plan.labels, [LABEL.service]: 'sidecar', [ADDRESS_LABEL]: address, [BUCKET_LABEL]: bucket.name },
    binds: [`${join(plan.dir, 'tsdb')}:/prometheus`, ...bucket.binds],
    networks: ['host'],
    cpuset: plan.cpusets.metrics,
  };
}

/** Brings the list of live runs of every archive to what is on the engine, without one run that is about to end. */
export async function showLiveRuns(ctx: Context, ending?: string): Promise<void> {
  const sidecars = async (...labels: string[]) =>
    (await ctx.engine.containers(`${LABEL.service}=sidecar`, ...labels)).filter(
      (one) => one.state === 'running' && one.labels[ADDRESS_LABEL],
    );
  const all = (await sidecars()).filter(({ labels }) => labels[LABEL.run] !== ending);
  for (const archive of await allArchives(ctx.paths)) {
    const name = await openBucket(archive.objstore, ctx.paths).then(
      (bucket) => bucket.name,
      () => null,
    ); // its own commands say what is wrong with it
    const folder = join(archive.dir, 'live');
    await mkdir(folder, { recursive: true });
    const shown = all.filter(({ labels }) => labels[BUCKET_LABEL] === name);
    for (const { labels } of shown)
      await writeWhole(
        join(folder, `${labels[LABEL.run]}.json`),
        JSON.stringify([{ targets: [labels[ADDRESS_LABEL]] }]),
      );
    for (const file of (await readdir(folder)).filter((one) => one.endsWith('.json'))) {
      // others are about to get this name
      const runId = file.replace(/\.json$/, '');
      if (shown.some(({ labels }) => labels[LABEL.run] === runId)) continue;
      // Another run may have begun since the engine was asked.
      if (runId === ending || (await sidecars(`${LABEL.run}=${runId}`)).length === 0)
        await rm(join(folder, file), { force: true });
    }
  }
}

async function handOver(runId: string, bucket: Bucket, ctx: Context): Promise<void> {
  const archives: Archive[] = [];
  for (const archive of await archivesOver(bucket, ctx.paths)) {
    if (await probe(`${archiveUrl(archive, 'query')}/-/ready`, ctx.signal)) archives.push(archive);
  }
  await Promise.all(
    archives.map((archive) =>
      seen(
        archive,
        'has the run',
        (sources) => sources.some(({ kind, runs }) => kind === 'store' && runs.includes(runId)),
        ctx,
      ),
    ),
  );
  await showLiveRuns(ctx, runId);
  await Promise.all(
    archives.map((archive) =>
      seen(
        archive,
        'has let go of the sidecar',
        (sources) => !sources.some(({ kind, runs }) => kind === 'sidecar' && runs.includes(runId)),
        ctx,
      ),
    ),
  );
}

/** What Query may ask: `store`, `sidecar` and others, with the runs that each has. */
interface Source {
  kind: string;
  runs: string[];
}

/**
 * Waits until the archive's sources are as wanted. One where that does not happen is told of, and waited for no longer.
 */
function seen(archive: Archive, what: string, wanted: (sources: Source[]) => boolean, ctx: Context): Promise<void> {
  return inStep(ctx.progress, `the archive ${archive.name} ${what}`, async (step) => {
    for (const deadline = ctx.now() + HAND_OVER_MS; ; ) {
      if (wanted(await sourcesOf(archive, ctx))) return;
      if (ctx.now() > deadline)
        return step.fail(`not after ${HAND_OVER_MS / 1000} s; npm run archive:status tells why`);
      await sleep(500, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
    }
  });
}

async function sourcesOf(archive: Archive, ctx: Context): Promise<Source[]> {
  const answer = await probe(`${archiveUrl(archive, 'query')}/api/v1/stores`, ctx.signal);
  if (answer?.status !== 200) return [];
  const kinds: Record<string, { labelSets?: Record<string, string>[] }[]> = JSON.parse(answer.body).data ?? {};
  return Object.entries(kinds).flatMap(([kind, sources]) =>
    sources.map(({ labelSets = [] }) => ({ kind, runs: labelSets.map((set) => set.run_id ?? '') })),
  );
}
