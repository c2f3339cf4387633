/** Starts Compose projects so that an abort ends them, and says what ails their containers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../app/context.ts';
import { composeUp, type Project } from './compose.ts';
import { dockerEnv } from './docker-env.ts';
import { removeAll } from './remove.ts';

const LOG_LINES = 50;

/** How often the engine is asked whether all is well. */
const LOOK_MS = 100;

/**
 * Starts a project, whose containers carry the label, and waits as composeUp does. Where it is told how many containers
 * to expect, the engine is asked beside it: the package answers half a second after Compose has ended. Compose cannot
 * be told to stop: on an abort everything with the label is removed under it until it gives up, and the signal's reason
 * is thrown.
 */
export async function up(
  project: Project,
  label: string,
  signal: AbortSignal,
  timeoutS: number | null,
  ctx: Context,
  { variables = {}, expected = null }: { variables?: Record<string, string>; expected?: number | null } = {},
): Promise<void> {
  let settled = false;
  const work = composeUp(project, { ...dockerEnv(ctx.env), ...variables }, timeoutS).finally(() => (settled = true));
  work.catch(() => {});
  const seen = new AbortController();
  const well =
    expected === null
      ? new Promise<void>(() => {})
      : becameWell(project, expected, AbortSignal.any([signal, seen.signal]), ctx);
  await Promise.race([work, well, aborted(signal)])
    .finally(() => seen.abort())
    .catch(async (error) => {
      while (!settled) {
        await removeAll(ctx.engine, [label], 0).catch(() => {});
        await Promise.race([sleep(300), work.catch(() => {})]);
      }
      throw signal.aborted ? signal.reason : error;
    });
}

/** Resolves when so many containers of the project run, and are healthy where they say; never where they do not. */
async function becameWell(project: Project, expected: number, signal: AbortSignal, ctx: Context): Promise<void> {
  for (; !signal.aborted; await sleep(LOOK_MS, undefined, { signal }).catch(() => {})) {
    const found = await ctx.engine.containers(`com.docker.compose.project=${project.name}`).catch(() => []);
    if (found.length < expected || found.some(({ state }) => state !== 'running')) continue;
    const states = await Promise.all(found.map(({ id }) => ctx.engine.inspect(id))).catch(() => null);
    if (states?.every(({ running, health }) => running && (health === null || health === 'healthy'))) return;
  }
  return new Promise(() => {});
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** The state and the last lines of the log of every container with the label that is not well; empty where all are. */
export async function describeUnwell(label: string, ctx: Context): Promise<string> {
  const states = await Promise.all((await ctx.engine.containers(label)).map(({ id }) => ctx.engine.inspect(id)));
  const unwell = states.filter(
    (c) => !c.running || c.restartCount > 0 || c.health === 'unhealthy' || c.health === 'starting',
  );
  const logs = await Promise.all(
    unwell.map(async (container) => {
      const lines = (await ctx.engine.logs(container.id, LOG_LINES)).all.trimEnd().split('\n').slice(-LOG_LINES);
      const state = container.running
        ? container.health
        : `ended with exit code ${container.exitCode}${container.oomKilled ? ', out of memory' : ''}`;
      return `  ${container.labels['com.docker.compose.service'] ?? container.name}: ${state}; the last lines of its log:\n${lines.map((line) => `    ${line}`).join('\n')}`;
    }),
  );
  return logs.join('\n');
}
