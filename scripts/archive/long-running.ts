/**
 * A Compose project that outlives the command: the archive and the S3 gateway. Found again, and removed, by its label.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Context } from '../app/context.ts';
import { InfrastructureError } from '../core/errors.ts';
import type { ProgressStep } from '../core/progress.ts';
import { ComposeError } from '../engine/compose.ts';
import type { ContainerState } from '../engine/engine.ts';
import { LABEL } from '../engine/names.ts';
import { thisUser } from '../engine/owner.ts';
import { type Removed, removeAll } from '../engine/remove.ts';
import { describeUnwell, up } from '../engine/up.ts';

const POLL_MS = 200;
const PROBE_TIMEOUT_MS = 5000;
/** For what is missing though every part is ready. */
const PATIENCE_S = 30;
const GRACE_S = 10;
/** Restarts after which a part that is not ready is not waited for any longer. */
const RESTARTS = 2;

export interface LongRunning {
  /** Compose project. */
  project: string;
  /** What the messages call it: `the archive default`. */
  title: string;
  /** Folder for the generated Compose file. */
  dir: string;
  /** Absolute paths of Compose files, each laid over those before it. */
  files: string[];
  profiles: string[];
  /** Values of the files' variables, beside MAYFLY_USER. */
  variables: Record<string, string>;
  /** What is laid over each service at the end, beside the label. */
  services: Record<string, Record<string, unknown>>;
  /** Service -> URL that answers 200 once it is ready. */
  ready: Record<string, string>;
  /**
   * What is missing yet though every part is ready, in words; null for nothing. Waited for, but not for ever: after
   * that it is the status that tells.
   */
  missing?: () => Promise<string | null>;
  /** What to do when it does not become ready; absent: a look at the object store. */
  hint?: string;
}

/**
 * Starts what is not up, replaces what has changed, ends what is not wanted any more, and waits until every part is
 * ready. An interrupt, or a part that
 * does not become ready, leaves up what was up before and removes what was not.
 */
export async function startLongRunning(
  longRunning: LongRunning,
  timeoutS: number,
  step: ProgressStep,
  ctx: Context,
): Promise<void> {
  const label = `${LABEL.longRunning}=${longRunning.project}`;
  const present = [...(await partsOf(longRunning.project, ctx)).keys()];
  const wasUp = present.length > 0;
  try {
    const unwanted = present.filter((name) => !(name in longRunning.services));
    // Compose leaves those of a profile that is off
    await Promise.all(unwanted.map((name) => removeAll(ctx.engine, [label, `${LABEL.service}=${name}`], GRACE_S)));
    const generated = join(longRunning.dir, 'generated.compose.json');
    const services = Object.entries(longRunning.services).map(([name, service]) => [
      name,
      {
        ...service,
        labels: {
          ...(service.labels as object),
          [LABEL.longRunning]: longRunning.project,
          [LABEL.folder]: longRunning.dir,
          [LABEL.service]: name,
        },
      },
    ]);
    await writeFile(
      generated,
      JSON.stringify({ services: Object.fromEntries(services) }, null, 2).replaceAll('$', '$$$$'),
    ); // Compose would expand it
    await up(
      { name: longRunning.project, file: [...longRunning.files, generated], profiles: longRunning.profiles },
      wasUp ? `${LABEL.longRunning}=nothing` : label,
      ctx.signal,
      null,
      ctx,
      { variables: { MAYFLY_USER: thisUser(), ...longRunning.variables } },
    );
    await allReady(longRunning, label, wasUp, timeoutS, step, ctx);
  } catch (error) {
    if (!wasUp)
      await removeAll(ctx.engine, [label], 0).catch((cleanup) => Promise.reject(new SuppressedError(cleanup, error)));
    ctx.signal.throwIfAborted();
    if (error instanceof ComposeError)
      throw new InfrastructureError(
        `${longRunning.title} could not be started: ${error.output.trim() || error.message}`,
        {
          hint: 'npm run doctor tells what is missing.',
          cause: error,
        },
      );
    throw error;
  }
}

/** Stops and removes its containers, which have `graceS` seconds for it; its data stays. */
export const endLongRunning = (project: string, ctx: Context, graceS = GRACE_S): Promise<Removed> =>
  removeAll(ctx.engine, [`${LABEL.longRunning}=${project}`], graceS);

/** Its containers, by service. */
export async function partsOf(project: string, ctx: Context): Promise<Map<string, ContainerState>> {
  const containers = await ctx.engine.containers(`${LABEL.longRunning}=${project}`);
  const states = await Promise.all(containers.map(({ id }) => ctx.engine.inspect(id).catch(() => null)));
  return new Map(states.flatMap((state) => (state ? [[state.labels[LABEL.service]!, state] as const] : [])));
}

/** What a URL answers: status and body; null where nothing answers. */
export async function probe(url: string, signal?: AbortSignal): Promise<{ status: number; body: string } | null> {
  try {
    const { statusCode, body } = await request(url, {
      signal: AbortSignal.any([AbortSignal.timeout(PROBE_TIMEOUT_MS), ...(signal ? [signal] : [])]),
    });
    return { status: statusCode, body: await body.text() };
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}

async function allReady(
  longRunning: LongRunning,
  label: string,
  wasUp: boolean,
  timeoutS: number,
  step: ProgressStep,
  ctx: Context,
): Promise<void> {
  const waiting = new Set(Object.keys(longRunning.ready));
  let patience = Infinity;
  for (const deadline = ctx.now() + timeoutS * 1000; ; ) {
    await Promise.all(
      [...waiting].map(async (name) => {
        if ((await probe(longRunning.ready[name]!, ctx.signal))?.status === 200) waiting.delete(name);
      }),
    );
    const parts = await partsOf(longRunning.project, ctx);
    // Another program may answer at its port: a part that cannot listen ends, and is started again and again.
    const steady = Object.keys(longRunning.ready).every(
      (name) => parts.get(name)?.running && parts.get(name)!.restartCount === 0,
    );
    if (waiting.size === 0 && (steady || wasUp)) {
      const missing = (await longRunning.missing?.()) ?? null;
      patience = Math.min(patience, ctx.now() + PATIENCE_S * 1000);
      if (missing === null || ctx.now() > patience) return;
      step.update(`waiting for ${missing}`);
    } else {
      if (waiting.size > 0) step.update(`waiting for ${[...waiting].join(', ')}`);
      const failed = Object.keys(longRunning.ready).filter(
        (name) => !parts.has(name) || parts.get(name)!.restartCount >= RESTARTS,
      );
      if (failed.length > 0 || ctx.now() > deadline) {
        const unwell = await describeUnwell(label, ctx);
        throw new InfrastructureError(
          `${longRunning.title}: ${(failed.length > 0 ? failed : [...waiting]).join(', ')} did not become ready${failed.length > 0 ? '' : ` in ${timeoutS} s`}${unwell ? `\n${unwell}` : ''}`,
          {
            hint:
              longRunning.hint ??
              'Is the object store up, are its address and keys right, and is there room on the disk?',
          },
        );
      }
    }
    await sleep(POLL_MS, undefined, { signal: ctx.signal }).catch(() => ctx.signal.throwIfAborted());
  }
}
