/**
 * Prometheus' data without its Prometheus -> a snapshot that waits: a second Prometheus that scrapes nothing reads the
 * write-ahead log.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../app/context.ts';
import { InfrastructureError, UsageError } from '../../core/errors.ts';
import { exists } from '../../core/files.ts';
import { inStep } from '../../core/step.ts';
import type { RunDocument } from '../../documents/run.ts';
import type { ContainerSpec } from '../../engine/engine.ts';
import { LABEL } from '../../engine/names.ts';
import { ownerLabels, thisUser } from '../../engine/owner.ts';
import type { PrometheusClient } from '../../measure/collect/prometheus.ts';
import { readDestination, takeSnapshot } from '../pending.ts';
import type { Snapshot } from '../snapshot.ts';

const READY_TIMEOUT_MS = 60_000;
const PORT = '9090/tcp';
const CONFIG = '/etc/prometheus/prometheus.yml';

/** Whether the run's folder holds data of finished rounds that have not been shipped. */
export async function isRecoverable(runId: string, runDir: string, ctx: Context): Promise<boolean> {
  const run = knownRun(runId, ctx);
  if (!run?.rounds.some(({ from_run }) => from_run === undefined) || run.archive?.verified) return false;
  return exists(join(runDir, 'tsdb', 'wal'));
}

/** The run as the store has it; null where it has none. */
export function knownRun(runId: string, ctx: Context): RunDocument | null {
  try {
    return ctx.store.run(runId);
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/**
 * Reads the data that is left in the run's folder and marks it as waiting. No other Prometheus may have it open. Throws
 * InfrastructureError.
 */
export async function recoverSnapshot(runId: string, runDir: string, ctx: Context): Promise<Snapshot> {
  return inStep(ctx.progress, `read what the Prometheus of run ${runId} has left`, async () => {
    const destination = await readDestination(runDir);
    const config = join(runDir, 'recover.yml');
    await writeFile(config, 'global: {}\n');
    const id = await ctx.engine.create(
      readerSpec(runId, join(runDir, 'tsdb'), config, ctx.machine.images.prometheus!.ref),
    );
    try {
      await ctx.engine.start(id);
      return await takeSnapshot(await ready(id, ctx), runDir, destination, ctx);
    } finally {
      await ctx.engine.remove(id);
    }
  });
}

/** The Prometheus that only reads. It is not part of the run's stack, which is taken down by the run's label. */
export function readerSpec(runId: string, tsdb: string, config: string, image: string): ContainerSpec {
  return {
    name: `mayfly-${runId.toLowerCase()}-recover-${process.pid}`,
    image,
    cmd: [
      `--config.file=${CONFIG}`,
      '--storage.tsdb.path=/prometheus',
      '--storage.tsdb.retention.time=100y',
      '--storage.tsdb.min-block-duration=2h',
      '--storage.tsdb.max-block-duration=2h',
      '--web.enable-admin-api',
      '--log.level=warn',
    ],
    user: thisUser(),
    labels: { ...ownerLabels(`${runId}-recover`), [LABEL.service]: 'prometheus' },
    binds: [`${tsdb}:/prometheus`, `${config}:${CONFIG}:ro`],
    networks: ['bridge'],
    publish: [PORT],
  };
}

/** Waits until the write-ahead log is read. */
async function ready(id: string, ctx: Context): Promise<PrometheusClient> {
  const deadline = ctx.now() + READY_TIMEOUT_MS;
  for (;;) {
    const { running, ports, exitCode } = await ctx.engine.inspect(id);
    if (!running)
      throw new InfrastructureError(
        `Prometheus cannot read the data (exit code ${exitCode}): ${(await ctx.engine.logs(id, 3)).all.trim()}`,
      );
    const client = ctx.prometheus(`http://127.0.0.1:${ports[PORT]}`);
    const failure = await client.query('1').then(
      () => null,
      (error: Error) => error,
    );
    if (!failure) return client;
    if (ctx.now() > deadline) throw failure;
    await sleep(200);
  }
}
